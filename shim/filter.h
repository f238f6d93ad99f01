/* What is done to one packet, the same in the daemon and in "natshim rewrite": packet view -> IKE translation
 * -> checksum, with counters. No system call, no clock; never changes a packet's length. */
#ifndef NATSHIM_SHIM_FILTER_H
#define NATSHIM_SHIM_FILTER_H

#include "nfq/packet.h"
#include "shim/ike/exchange.h"

struct filter_counters {
	uint64_t packets;              /* all */
	uint64_t kinds[PACKET_KINDS];  /* of these, by enum packet_kind */
	uint64_t not_ike;              /* of the UDP packets: no IKE message in it */
	uint64_t reasons[IKE_REASONS]; /* of the others, by enum ike_reason */
};

struct filter {
	struct ike_table *ike; /* the caller's */
	struct filter_counters counters;
};

struct filter_outcome {
	bool changed; /* data holds another packet of the same length now */
	enum packet_kind kind;
	bool is_ike;           /* ike says something */
	struct ike_result ike; /* its actions are the caller's to carry out */
};

/* data[0..length): an IP packet, changed in place; what follows the IP packet in it is left alone. */
struct filter_outcome filter_packet(struct filter *filter, uint64_t now_ms, enum ike_direction direction,
				    uint8_t *data, size_t length);

/* One rewrite for the log: "192.0.2.9:500 apple 6f19afb9aa003901 main mode 3: NAT-D type, NAT-D order". */
#define FILTER_TEXT_MAX 192
const char *filter_rewrite_text(const struct ike_result *result, char out[static FILTER_TEXT_MAX]);

#endif
