/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way of one packet, and what the log says of it. */
#include "shim/filter.h"

#include "shim/hex.h"

#include <stdio.h>
#include <string.h>

#define PORT_L2TP 1701
#define L2TP_CONTROL_MAX 2048 /* bytes; a longer control message is nothing that we know how to mend */

enum { MARKER_MAX = 4 };

/* The message that goes on in place of the one that came: built apart, since it may be longer. */
struct replacement {
	uint8_t payload[MARKER_MAX + BRIDGE_MESSAGE_MAX +
			BRIDGE_GROWTH_MAX]; /* of UDP: the non-ESP marker first */
	size_t marker, length;              /* length: of the message */
};

static void translate(struct filter *filter, uint64_t now_ms, struct ike_datagram *datagram,
		      struct filter_outcome *outcome)
{
	outcome->ike = ike_translate(filter->ike, now_ms, datagram);
	filter->counters.reasons[outcome->ike.reason]++;
}

static enum bridge_verdict ask_bridge(struct filter *filter, uint64_t now_ms,
				      const struct ike_datagram *datagram, struct replacement *r,
				      struct filter_outcome *outcome)
{
	const struct bridge_datagram d = {.direction = datagram->direction,
					  .src = datagram->src,
					  .dst = datagram->dst,
					  .message = datagram->message,
					  .length = datagram->length,
					  .dialect = outcome->ike.dialect,
					  .out = r->payload + r->marker,
					  .capacity = BRIDGE_MESSAGE_MAX + BRIDGE_GROWTH_MAX};

	bridge_message(filter->bridge, now_ms, &d, &outcome->bridge);
	filter->counters.bridge_reasons[outcome->bridge.reason]++;
	r->length = outcome->bridge.length;
	return outcome->bridge.verdict;
}

static void replace(struct packet_udp *udp, size_t capacity, const struct replacement *r,
		    struct filter_outcome *outcome)
{
	const size_t length = packet_replace_payload(udp, capacity, r->payload, r->marker + r->length);

	if (!length) {
		outcome->bridge.verdict = BRIDGE_DROP; /* what came must not go on as it is */
		return;
	}
	outcome->changed = true;
	outcome->length = length;
}

/* The dialect is the client's side of the bridge: towards the server it is translated first, from the server last. */
static void filter_ike(struct filter *filter, uint64_t now_ms, enum ike_direction direction,
		       struct packet_udp *udp, size_t capacity, struct filter_outcome *outcome)
{
	const struct packet_sum sum = packet_sum_before(udp);
	struct ike_datagram datagram = {.direction = direction, .src = udp->src, .dst = udp->dst};
	enum bridge_verdict verdict = BRIDGE_PASS;
	struct replacement r = {.length = 0};

	packet_ike_message(udp, &datagram.message, &datagram.length);
	r.marker = (size_t)(datagram.message - udp->payload);
	if (filter->bridge && direction == IKE_TO_CLIENT) {
		verdict = ask_bridge(filter, now_ms, &datagram, &r, outcome);
		datagram.message = verdict == BRIDGE_REPLACE ? r.payload + r.marker : datagram.message;
		datagram.length = verdict == BRIDGE_REPLACE ? r.length : datagram.length;
	}
	if (verdict != BRIDGE_DROP)
		translate(filter, now_ms, &datagram, outcome);
	outcome->changed = outcome->ike.reason == IKE_REWRITTEN && verdict == BRIDGE_PASS;
	if (outcome->changed)
		packet_sum_after(udp, sum);
	if (filter->bridge && direction == IKE_TO_SERVER)
		verdict = ask_bridge(filter, now_ms, &datagram, &r, outcome);
	if (verdict == BRIDGE_REPLACE)
		replace(udp, capacity, &r, outcome);
}

/* Which clients are Macs (or iPhones) shows in the NAT-T that they offered. */
static bool is_mac(enum ike_dialect dialect)
{
	return dialect == IKE_DIALECT_APPLE || dialect == IKE_DIALECT_TIGER_LATE ||
	       dialect == IKE_DIALECT_LEOPARD;
}

/* By its address: the port of its L2TP is none of its IKE's. */
static enum ike_dialect dialect_of(const struct filter *filter, uint64_t now_ms,
				   const struct endpoint *client)
{
	struct endpoint at = *client;

	at.port = 0;
	return filter->dialect ? filter->dialect(filter->dialect_ctx, now_ms, &at)
			       : ike_table_seen_dialect(filter->ike, now_ms, &at);
}

static void filter_l2tp(struct filter *filter, uint64_t now_ms, bool to_lns, struct packet_udp *udp,
			size_t capacity, struct filter_outcome *outcome)
{
	uint8_t message[L2TP_CONTROL_MAX + L2TP_GROWTH_MAX];
	struct l2tp_datagram datagram = {.direction = to_lns ? L2TP_TO_LNS : L2TP_TO_CLIENT,
					 .client = to_lns ? udp->src : udp->dst,
					 .lns = to_lns ? udp->dst : udp->src,
					 .message = message,
					 .length = udp->payload_length,
					 .capacity = sizeof message};
	size_t length;

	if (udp->payload_length > L2TP_CONTROL_MAX) {
		outcome->l2tp.reason = L2TP_NO_ROOM;
		filter->counters.l2tp_reasons[L2TP_NO_ROOM]++;
		return;
	}
	memcpy(message, udp->payload, udp->payload_length);
	if (filter->absorb_hello)
		datagram.hello = is_mac(dialect_of(filter, now_ms, &datagram.client)) ? L2TP_HELLO_ABSORB
										      : L2TP_HELLO_LEARN;
	outcome->l2tp = l2tp_translate(filter->l2tp, now_ms, &datagram);
	filter->counters.l2tp_reasons[outcome->l2tp.reason]++;
	if (!outcome->l2tp.changed)
		return;
	length = packet_replace_payload(udp, capacity, message, outcome->l2tp.length);
	if (!length)
		return;
	outcome->changed = true;
	outcome->length = length;
	/* Out of ESP, its inner checksum may be wrong for good reason, and after this edit the kernel would look at it. */
	if (to_lns)
		packet_compute_checksum(udp);
}

static enum filter_protocol protocol_of(const struct filter *filter, const struct packet_udp *udp)
{
	uint8_t *message;
	size_t length;

	if (packet_ike_message(udp, &message, &length))
		return FILTER_IKE;
	if (filter->l2tp && (udp->src.port == PORT_L2TP || udp->dst.port == PORT_L2TP))
		return FILTER_L2TP;
	return FILTER_NEITHER;
}

bool filter_is_slow(const struct filter *filter, enum ike_direction direction, uint8_t *data, size_t length,
		    struct endpoint *host)
{
	struct bridge_datagram d = {.direction = direction};
	struct packet_udp udp;
	uint8_t *message;

	if (!filter->bridge || packet_parse_udp(data, length, &udp) != PACKET_UDP ||
	    !packet_ike_message(&udp, &message, &d.length))
		return false;
	d.src = udp.src;
	d.dst = udp.dst;
	d.message = message;
	*host = bridge_host_of(direction == IKE_TO_SERVER ? &d.src : &d.dst);
	return bridge_is_slow(filter->bridge, &d);
}

struct filter_outcome filter_packet(struct filter *filter, uint64_t now_ms, enum ike_direction direction,
				    uint8_t *data, size_t length, size_t capacity)
{
	struct filter_outcome outcome = {.length = length};
	struct packet_udp udp;

	outcome.kind = packet_parse_udp(data, length, &udp);
	filter->counters.packets++;
	filter->counters.kinds[outcome.kind]++;
	if (outcome.kind != PACKET_UDP)
		return outcome;
	outcome.src = udp.src;
	outcome.dst = udp.dst;
	outcome.protocol = protocol_of(filter, &udp);
	if (outcome.protocol == FILTER_IKE)
		filter_ike(filter, now_ms, direction, &udp, capacity, &outcome);
	else if (outcome.protocol == FILTER_L2TP)
		filter_l2tp(filter, now_ms, direction == IKE_TO_SERVER, &udp, capacity, &outcome);
	else
		filter->counters.not_ike++;
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
		{IKE_EDIT_VENDOR_ID, "vendor ID"},      {IKE_EDIT_NATD_TYPE, "NAT-D type"},
		{IKE_EDIT_NATD_ORDER, "NAT-D order"},   {IKE_EDIT_NATOA_TYPE, "NAT-OA type"},
		{IKE_EDIT_NATD_HASHES, "NAT-D hashes"},
	};
	char peer[ENDPOINT_TEXT_MAX], cookie[2 * IKE_COOKIE_LEN + 1];
	const char *separator = ": ";
	size_t used;

	hex_write(result->cookie, IKE_COOKIE_LEN, cookie);
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
