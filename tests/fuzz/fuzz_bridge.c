/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sequences of datagrams in both directions through one bridge, beginning with a whole exchange's corpus. Checked after each:
 * nothing is written past what was said, the bounds hold, and keys come out only of an exchange that was authenticated.
 * Input: for each datagram one byte (bit 0: to the client), its length (16 bits, network order), the message. */
#include "tests/fuzz/bridge_world.h"

enum { STEP_MS_SHIFT = 4 };

static const char offer[] =
	"aes256-sha2_256-modp2048,aes128-sha1-modp2048,3des-sha1-modp2048,aes128-sha1-modp1536,"
	"3des-sha1-modp1536";

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
	require_sound(bridge, &result, capacity);
	free(copy);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned random_at;
	const struct bridge_config config = known_config(offer, &random_at);
	struct bridge *bridge = bridge_new(&config);
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
