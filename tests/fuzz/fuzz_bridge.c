/* Sequences of datagrams in both directions through one bridge, beginning with a whole exchange's corpus. Checked after each:
 * nothing is written past what was said, the bounds hold, and keys come out only of an exchange that was authenticated.
 * Input: for each datagram one byte (bit 0: to the client), its length (16 bits, network order), the message. */
#include "shim/ike/bridge.h"
#include "shim/ike/dh.h"

#include <stdlib.h>
#include <string.h>

enum { HALF_OPEN = 4, SESSIONS = 4, STEP_MS_SHIFT = 4 };

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* As in the vectors that the corpus comes from, so that their HASHes fit. */
static bool known_bytes(void *ctx, uint8_t *out, size_t length)
{
	unsigned *at = ctx;

	for (size_t i = 0; i < length; i++, ++*at)
		out[i] = (uint8_t)(131 * *at + 17 + (*at >> 8));
	return true;
}

static enum bridge_secret has_secret(void *ctx, const struct endpoint *server, const struct endpoint *client)
{
	(void)ctx;
	(void)server;
	(void)client;
	return BRIDGE_SECRET_THERE;
}

static size_t known_skeyid(void *ctx, const struct endpoint *server, const struct endpoint *client,
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

static struct bridge *new_bridge(unsigned *random_at)
{
	struct bridge_config config = {.weak_groups = DH_GROUP_BIT(1) | DH_GROUP_BIT(2) | DH_GROUP_BIT(5),
				       .has_secret = has_secret,
				       .skeyid = known_skeyid,
				       .random = known_bytes,
				       .ctx = random_at,
				       .max_half_open = HALF_OPEN,
				       .max_sessions = SESSIONS};
	const char *bad;
	size_t bad_length;

	require(offer_parse(
		"aes256-sha2_256-modp2048,aes128-sha1-modp2048,3des-sha1-modp2048,aes128-sha1-modp1536,"
		"3des-sha1-modp1536",
		config.offer, &config.offer_count, &bad, &bad_length));
	return bridge_new(&config);
}

static void one_datagram(struct bridge *bridge, uint64_t now, uint8_t flags, const uint8_t *message,
			 size_t length)
{
	static struct bridge_result result;
	const size_t capacity = BRIDGE_MESSAGE_MAX + BRIDGE_GROWTH_MAX;
	uint8_t *copy = malloc(length + 1), *out = malloc(capacity);
	struct bridge_datagram d = {.direction = flags & 1 ? IKE_TO_CLIENT : IKE_TO_SERVER,
				    .message = copy,
				    .length = length,
				    .dialect = flags & 2 ? IKE_DIALECT_DRAFT_07 : IKE_DIALECT_APPLE,
				    .out = out,
				    .capacity = capacity};
	struct endpoint client, server;

	require(copy && out && endpoint_parse("198.51.100.7:4500", &client) &&
		endpoint_parse("203.0.113.5:4500", &server));
	memcpy(copy, message, length);
	d.src = flags & 1 ? server : client;
	d.dst = flags & 1 ? client : server;
	bridge_message(bridge, now, &d, &result);
	require(result.reason < BRIDGE_REASONS);
	require((result.verdict == BRIDGE_REPLACE) ==
		(result.reason == BRIDGE_RELAYED || result.reason == BRIDGE_REPEATED));
	require(result.verdict != BRIDGE_REPLACE || (result.length >= 28 && result.length <= capacity));
	require(!(result.actions & (BRIDGE_ACT_SWAP | BRIDGE_ACT_UP)) || bridge_stats(bridge).established);
	require(bridge_stats(bridge).half_open <= (size_t)2 * HALF_OPEN &&
		bridge_stats(bridge).established <= SESSIONS);
	free(copy);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned random_at = 0;
	struct bridge *bridge = new_bridge(&random_at);
	uint64_t now = 1000;

	require(bridge != NULL);
	while (size >= 3) {
		const uint8_t flags = *data;
		size_t length = (size_t)(data[1] << 8 | data[2]);

		data += 3;
		size -= 3;
		if (length > size)
			length = size;
		now += (uint64_t)(flags >> STEP_MS_SHIFT) * 4000;
		one_datagram(bridge, now, flags, data, length);
		data += length;
		size -= length;
	}
	bridge_free(bridge);
	return 0;
}
