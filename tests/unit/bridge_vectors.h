/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vectors of tests/vectors/bridge/exchanges.txt, read for the tests of bridge mode. */
#ifndef NATSHIM_TESTS_UNIT_BRIDGE_VECTORS_H
#define NATSHIM_TESTS_UNIT_BRIDGE_VECTORS_H

#include "shim/bridge/bridge.h"
#include "shim/bridge/dh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VECTOR_STEPS_MAX = 64, VECTOR_EXCHANGES_MAX = 64, VECTOR_NOW_MS = 1000 };

struct vector_step {
	enum ike_direction direction;
	struct endpoint src, dst;
	enum ike_dialect dialect;
	uint8_t *in, *out;
	size_t in_length, out_length;
	enum bridge_verdict verdict;
	char reason[24];
	unsigned actions;
	bool rekey;
	uint8_t spi_to_server[4], spi_to_client[4];
	uint8_t key_to_server[KEYS_MATERIAL_LEN], key_to_client[KEYS_MATERIAL_LEN];
	uint8_t old_to_server[KEYS_MATERIAL_LEN], old_to_client[KEYS_MATERIAL_LEN];
};
struct vector_exchange {
	char name[64], when[16];
	unsigned steps;
	struct vector_step step[VECTOR_STEPS_MAX];
};

/* The bytes that make.py knows of: byte n is (131 n + 17 + (n >> 8)) mod 256. */
static inline bool vector_random(void *ctx, uint8_t *out, size_t length)
{
	unsigned *at = ctx;

	for (size_t i = 0; i < length; i++, ++*at)
		out[i] = (uint8_t)(131 * *at + 17 + (*at >> 8));
	return true;
}

static inline enum bridge_secret vector_has_secret(void *ctx, const struct endpoint *server,
						   const struct endpoint *client)
{
	(void)ctx;
	(void)server;
	(void)client;
	return BRIDGE_SECRET_THERE;
}

static inline enum bridge_spi vector_find_spi(void *ctx, const struct endpoint *destination,
					      const uint8_t (*spis)[4], size_t count)
{
	(void)ctx;
	(void)destination;
	(void)spis;
	(void)count;
	return BRIDGE_SPI_FREE;
}

/* What the process with the secrets would say, for the secret "secret". */
static inline size_t vector_skeyid(void *ctx, const struct endpoint *server, const struct endpoint *client,
				   uint8_t hash, struct bytes nonce_i, struct bytes nonce_r,
				   uint8_t out[static KEYS_HASH_MAX])
{
	static struct crypto *crypto;

	(void)ctx;
	(void)server;
	(void)client;
	if (!crypto)
		crypto = crypto_new();
	return keys_skeyid(crypto, hash, (struct bytes){(const uint8_t *)"secret", 6}, nonce_i, nonce_r, out);
}

static inline struct bridge_config vector_config(const char *when, unsigned *random_at)
{
	struct bridge_config config = {.when = strcmp(when, "always") != 0 ? BRIDGE_NEEDED : BRIDGE_ALWAYS,
				       .strongswan_answers = !strcmp(when, "foreign"),
				       .weak_groups = DH_GROUP_BIT(1) | DH_GROUP_BIT(2) | DH_GROUP_BIT(5),
				       .has_secret = vector_has_secret,
				       .skeyid = vector_skeyid,
				       .find_spi = vector_find_spi,
				       .random = vector_random,
				       .ctx = random_at};
	const char *bad;
	size_t bad_length;

	*random_at = 0;
	if (!offer_parse(
		    "aes256-sha2_256-modp2048,aes128-sha1-modp2048,3des-sha1-modp2048,aes128-sha1-modp1536,"
		    "3des-sha1-modp1536",
		    config.offer, &config.offer_count, &bad, &bad_length))
		abort();
	return config;
}

static inline size_t vector_hex(const char *text, uint8_t *out, size_t capacity)
{
	size_t length = 0;
	unsigned byte;

	while (length < capacity && sscanf(text + 2 * length, "%2x", &byte) == 1)
		out[length++] = (uint8_t)byte;
	return length;
}

static inline uint8_t *vector_bytes(const char *text, size_t *length)
{
	uint8_t *out = malloc(strlen(text) / 2 + 1);

	*length = vector_hex(text, out, strlen(text) / 2);
	return out;
}

static inline void vector_line(struct vector_exchange *x, const char *line)
{
	struct vector_step *step = x->steps ? &x->step[x->steps - 1] : NULL;
	char direction[16], a[ENDPOINT_TEXT_MAX], b[ENDPOINT_TEXT_MAX], dialect[16];
	char spi_in[16], spi_out[16], key_in[2 * KEYS_MATERIAL_LEN + 1], key_out[2 * KEYS_MATERIAL_LEN + 1];
	char old_in[2 * KEYS_MATERIAL_LEN + 1], old_out[2 * KEYS_MATERIAL_LEN + 1];

	if (!strncmp(line, "to-", 3)) {
		step = &x->step[x->steps++];
		if (x->steps > VECTOR_STEPS_MAX ||
		    sscanf(line, "%15s %55s %55s %15s", direction, a, b, dialect) != 4 ||
		    !endpoint_parse(a, &step->src) || !endpoint_parse(b, &step->dst) ||
		    !ike_dialect_parse(dialect, &step->dialect))
			abort();
		step->direction = strcmp(direction, "to-server") != 0 ? IKE_TO_CLIENT : IKE_TO_SERVER;
	} else if (!step) {
		snprintf(x->when, sizeof x->when, "%.15s", line);
	} else if (!strncmp(line, "in ", 3)) {
		step->in = vector_bytes(line + 3, &step->in_length);
	} else if (!strcmp(line, "out pass")) {
		step->verdict = BRIDGE_PASS;
	} else if (!strcmp(line, "out drop")) {
		step->verdict = BRIDGE_DROP;
	} else if (!strncmp(line, "out ", 4)) {
		step->verdict = BRIDGE_REPLACE;
		step->out = vector_bytes(line + 4, &step->out_length);
	} else if (sscanf(line, "expect %23s %u", step->reason, &step->actions) == 2) {
		return;
	} else if (sscanf(line, "swap %15s %256s %256s %15s %256s %256s", spi_in, key_in, old_in, spi_out,
			  key_out, old_out) == 6) {
		step->rekey = true;
		vector_hex(spi_in, step->spi_to_server, 4);
		vector_hex(spi_out, step->spi_to_client, 4);
		vector_hex(key_in, step->key_to_server, KEYS_MATERIAL_LEN);
		vector_hex(key_out, step->key_to_client, KEYS_MATERIAL_LEN);
		vector_hex(old_in, step->old_to_server, KEYS_MATERIAL_LEN);
		vector_hex(old_out, step->old_to_client, KEYS_MATERIAL_LEN);
	} else {
		abort();
	}
}

static inline unsigned vector_load(struct vector_exchange *exchanges)
{
	static char line[16384];
	unsigned count = 0;
	FILE *f = fopen("tests/vectors/bridge/exchanges.txt", "r");

	while (f && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "exchange ", 9)) {
			if (count == VECTOR_EXCHANGES_MAX)
				abort();
			snprintf(exchanges[count++].name, sizeof exchanges->name, "%.63s", line + 9);
		} else if (count && *line) {
			vector_line(&exchanges[count - 1], line);
		}
	}
	if (f)
		fclose(f);
	return count;
}

static inline void vector_unload(struct vector_exchange *exchanges, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < exchanges[i].steps; k++) {
			free(exchanges[i].step[k].in);
			free(exchanges[i].step[k].out);
		}
}

#endif
