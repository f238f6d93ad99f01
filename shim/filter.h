/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done to one packet, the same in the daemon and in "natshim rewrite": packet view -> IKE translation or L2TP
 * quirk -> checksum, with counters. No system call, no clock. */
#ifndef NATSHIM_SHIM_FILTER_H
#define NATSHIM_SHIM_FILTER_H

#include "nfq/packet.h"
#include "shim/bridge/bridge.h"
#include "shim/ike/exchange.h"
#include "shim/l2tp/quirks.h"

struct filter_counters {
	uint64_t packets;                        /* all */
	uint64_t kinds[PACKET_KINDS];            /* of these, by enum packet_kind */
	uint64_t not_ike;                        /* of the UDP packets: neither IKE nor L2TP in it */
	uint64_t reasons[IKE_REASONS];           /* of the IKE messages, by enum ike_reason */
	uint64_t l2tp_reasons[L2TP_REASONS];     /* of the L2TP messages, by enum l2tp_reason */
	uint64_t bridge_reasons[BRIDGE_REASONS]; /* of the IKE messages, by enum bridge_reason */
};

struct filter {
	struct ike_table *ike;   /* the caller's */
	struct l2tp_table *l2tp; /* the caller's; NULL: L2TP is left alone */
	struct bridge *bridge;   /* the caller's; NULL: no client is bridged */
	/* Which dialect the client speaks whose L2TP the server sees at that address (port 0); NULL: ike knows it by that address. */
	enum ike_dialect (*dialect)(void *ctx, uint64_t now_ms, const struct endpoint *at);
	void *dialect_ctx;
	bool absorb_hello; /* answer the LNS' HELLO for clients that are Macs by their dialect, or leave the first one unanswered */
	struct filter_counters counters;
};

enum filter_protocol { FILTER_NEITHER, FILTER_IKE, FILTER_L2TP };

struct filter_outcome {
	bool changed;  /* data holds another packet now */
	size_t length; /* of the packet in data; another one only after an L2TP edit or a bridged message */
	enum packet_kind kind;
	struct endpoint src, dst; /* with kind PACKET_UDP */
	enum filter_protocol protocol;
	struct ike_result ike; /* with FILTER_IKE; its actions are the caller's to carry out */
	/* with FILTER_IKE and a bridge; likewise, and its keys are the caller's to wipe */
	struct bridge_result bridge;
	struct l2tp_result l2tp; /* with FILTER_L2TP; likewise */
};

/* Handling that packet may take long (bridge_is_slow()); *host: whose it is then. */
bool filter_is_slow(const struct filter *filter, enum ike_direction direction, uint8_t *data, size_t length,
		    struct endpoint *host);
/* data[0..length): an IP packet, changed in place; what follows the IP packet in it is left alone. capacity: bytes
 * there are at data, for a packet that has to grow (BRIDGE_GROWTH_MAX more are enough). */
struct filter_outcome filter_packet(struct filter *filter, uint64_t now_ms, enum ike_direction direction,
				    uint8_t *data, size_t length, size_t capacity);

/* One rewrite for the log: "192.0.2.9:500 apple 6f19afb9aa003901 main mode 3: NAT-D type, NAT-D order". */
#define FILTER_TEXT_MAX 192
const char *filter_rewrite_text(const struct ike_result *result, char out[static FILTER_TEXT_MAX]);

#endif
