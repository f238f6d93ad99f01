/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nfq/packet and shim/filter: any bytes as a packet. The first byte chooses the direction and the length of a new payload.
 * What is left alone must be left byte for byte; what is changed must keep its length and a right checksum. */
#include "shim/filter.h"
#include "tests/unit/checksum.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_replacement(uint8_t *packet, size_t size, size_t length)
{
	static const uint8_t payload[256];
	struct packet_udp udp, again;
	uint8_t *roomy;

	if (packet_parse_udp(packet, size, &udp) != PACKET_UDP)
		return;
	const bool was_ok = packet_checksum_ok(&udp);

	roomy = malloc(size + sizeof payload);
	require(roomy != NULL);
	memcpy(roomy, packet, size);
	packet_parse_udp(roomy, size, &udp);
	const size_t replaced = packet_replace_payload(&udp, size + sizeof payload, payload, length);

	if (replaced) {
		require(packet_parse_udp(roomy, replaced, &again) == PACKET_UDP);
		require(again.payload_length == length && packet_checksum_ok(&again) == was_ok);
	}
	free(roomy);
}

static void check_esp(uint8_t *packet, size_t size)
{
	struct packet_esp esp;

	if (packet_parse_esp(packet, size, &esp))
		require(esp.length >= PACKET_ESP_HEADER && esp.esp >= packet &&
			esp.esp + esp.length <= packet + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct filter filter;
	static uint64_t now_ms;
	struct packet_udp udp;
	bool was_ok = false;

	if (!filter.ike)
		filter.ike = ike_table_new(&(struct ike_config){.max_exchanges = 64, .max_peers = 64});
	if (size < 1)
		return 0;
	const uint8_t choice = *data++;
	uint8_t *packet = malloc(--size ? size : 1);

	require(packet != NULL);
	memcpy(packet, data, size);
	if (packet_parse_udp(packet, size, &udp) == PACKET_UDP)
		was_ok = packet_checksum_ok(&udp);
	const struct filter_outcome outcome = filter_packet(
		&filter, now_ms++, choice & 1 ? IKE_TO_SERVER : IKE_TO_CLIENT, packet, size, size);

	require(outcome.changed || !memcmp(packet, data, size));
	if (outcome.changed) {
		const size_t payload_at = (size_t)(udp.payload - packet);

		require(packet_checksum_ok(&udp) == was_ok);
		require(!memcmp(packet, data, payload_at - 2));
		require(!memcmp(packet + payload_at + udp.payload_length,
				data + payload_at + udp.payload_length,
				size - payload_at - udp.payload_length));
	}
	check_replacement(packet, size, choice >> 1);
	check_esp(packet, size);
	free(packet);
	return 0;
}
