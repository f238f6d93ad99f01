/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzz targets of bridge mode have in common: a bridge whose random bytes and secret are known (as in
 * tests/vectors/bridge/make.py), so that what it says can be computed outside it. */
#ifndef NATSHIM_TESTS_FUZZ_BRIDGE_WORLD_H
#define NATSHIM_TESTS_FUZZ_BRIDGE_WORLD_H

#include "shim/bridge/bridge.h"
#include "shim/bridge/dh.h"

#include <stdlib.h>
#include <string.h>

enum { WORLD_HALF_OPEN = 4, WORLD_SESSIONS = 4 };

static inline void require(bool condition)
{
	if (!condition)
		abort();
}

/* Byte n is (131 n + 17 + (n >> 8)) mod 256. ctx: how many were taken, an unsigned. */
static inline bool known_bytes(void *ctx, uint8_t *out, size_t length)
{
	unsigned *at = ctx;

	for (size_t i = 0; i < length; i++, ++*at)
		out[i] = (uint8_t)(131 * *at + 17 + (*at >> 8));
	return true;
}

static inline enum bridge_secret has_secret(void *ctx, const struct endpoint *server,
					    const struct endpoint *client)
{
	(void)ctx;
	(void)server;
	(void)client;
	return BRIDGE_SECRET_THERE;
}

static inline enum bridge_spi every_spi_free(void *ctx, const struct endpoint *destination,
					     const uint8_t (*spis)[4], size_t count)
{
	(void)ctx;
	require(destination->addr_len == 4 || destination->addr_len == 16);
	require(spis && count > 0 && count <= OFFER_SPIS_MAX);
	return BRIDGE_SPI_FREE;
}

static inline struct crypto *known_crypto(void)
{
	static struct crypto *crypto;

	if (!crypto)
		crypto = crypto_new();
	return crypto;
}

static inline size_t known_skeyid(void *ctx, const struct endpoint *server, const struct endpoint *client,
				  uint8_t hash, struct bytes nonce_i, struct bytes nonce_r,
				  uint8_t out[static KEYS_HASH_MAX])
{
	(void)ctx;
	(void)server;
	(void)client;
	return keys_skeyid(known_crypto(), hash, (struct bytes){(const uint8_t *)"secret", 6}, nonce_i,
			   nonce_r, out);
}

static inline struct bridge_config known_config(const char *offer, unsigned *random_at)
{
	struct bridge_config config = {.weak_groups = DH_GROUP_BIT(1) | DH_GROUP_BIT(2) | DH_GROUP_BIT(5),
				       .has_secret = has_secret,
				       .skeyid = known_skeyid,
				       .find_spi = every_spi_free,
				       .random = known_bytes,
				       .ctx = random_at,
				       .max_fresh = WORLD_HALF_OPEN,
				       .max_gone = WORLD_HALF_OPEN,
				       .max_half_open = WORLD_HALF_OPEN,
				       .max_sessions = WORLD_SESSIONS};
	const char *bad;
	size_t bad_length;

	*random_at = 0;
	require(offer_parse(offer, config.offer, &config.offer_count, &bad, &bad_length));
	return config;
}

/* What holds after every message. capacity: of the datagram's out. */
static inline void require_sound(const struct bridge *bridge, const struct bridge_result *result,
				 size_t capacity)
{
	const struct bridge_stats stats = bridge_stats(bridge);

	require(result->reason < BRIDGE_REASONS);
	require((result->verdict == BRIDGE_REPLACE) ==
		(result->reason == BRIDGE_RELAYED || result->reason == BRIDGE_REPEATED));
	require(result->verdict != BRIDGE_REPLACE ||
		(result->length >= ISAKMP_HEADER_LEN && result->length <= capacity));
	require(!(result->actions & (BRIDGE_ACT_REKEY_SAS | BRIDGE_ACT_ESTABLISHED)) || stats.established);
	require(stats.half_open <= (size_t)2 * WORLD_HALF_OPEN && stats.established <= WORLD_SESSIONS);
}

#endif
