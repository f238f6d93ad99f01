/* The way of one packet, and what the log says of it. */
#include "shim/filter.h"

#include <stdio.h>

struct filter_outcome filter_packet(struct filter *filter, uint64_t now_ms, enum ike_direction direction,
				    uint8_t *data, size_t length)
{
	struct filter_outcome outcome = {.changed = false};
	struct ike_datagram datagram = {.direction = direction};
	struct packet_udp udp;

	outcome.kind = packet_parse_udp(data, length, &udp);
	filter->counters.packets++;
	filter->counters.kinds[outcome.kind]++;
	if (outcome.kind != PACKET_UDP)
		return outcome;
	outcome.is_ike = packet_ike_message(&udp, &datagram.message, &datagram.length);
	if (!outcome.is_ike) {
		filter->counters.not_ike++;
		return outcome;
	}
	const struct packet_sum sum = packet_sum_before(&udp);

	datagram.src = udp.src;
	datagram.dst = udp.dst;
	outcome.ike = ike_translate(filter->ike, now_ms, &datagram);
	filter->counters.reasons[outcome.ike.reason]++;
	outcome.changed = outcome.ike.reason == IKE_REWRITTEN;
	if (outcome.changed)
		packet_sum_after(&udp, sum);
	return outcome;
}

static const char *exchange_name(unsigned exchange_type)
{
	switch (exchange_type) {
	case 2:
		return "main mode";
	case 4:
		return "aggressive mode";
	default:
		return "exchange";
	}
}

const char *filter_rewrite_text(const struct ike_result *result, char out[static FILTER_TEXT_MAX])
{
	static const struct {
		enum ike_edit edit;
		const char *text;
	} edits[] = {
		{IKE_EDIT_VENDOR_ID, "vendor ID"},
		{IKE_EDIT_NATD_TYPE, "NAT-D type"},
		{IKE_EDIT_NATD_ORDER, "NAT-D order"},
		{IKE_EDIT_NATOA_TYPE, "NAT-OA type"},
	};
	char peer[ENDPOINT_TEXT_MAX], cookie[2 * IKE_COOKIE_LEN + 1];
	const char *separator = ": ";
	size_t used;

	for (size_t i = 0; i < IKE_COOKIE_LEN; i++)
		snprintf(cookie + 2 * i, 3, "%02x", result->cookie[i]);
	used = (size_t)snprintf(out, FILTER_TEXT_MAX, "%s %s %s %s%s %u", endpoint_text(&result->peer, peer),
				ike_dialect_name(result->dialect), cookie,
				result->server_initiated ? "server's " : "",
				exchange_name(result->exchange_type), result->message_number);
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		if (!(result->edits & edits[i].edit) || used >= FILTER_TEXT_MAX)
			continue;
		used += (size_t)snprintf(out + used, FILTER_TEXT_MAX - used, "%s%s", separator,
					 edits[i].text);
		separator = ", ";
	}
	return out;
}
