/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A view of one IP packet with a UDP datagram in it, and the only code that does arithmetic on packet
 * headers. IPv4 (RFC 791) with options, IPv6 (RFC 8200) with extension headers, UDP (RFC 768). Pure.
 * Fragments are not UDP here. */
#ifndef NATSHIM_NFQ_PACKET_H
#define NATSHIM_NFQ_PACKET_H

#include "nfq/endpoint.h"

struct packet_udp {
	struct endpoint src, dst;
	uint8_t *payload;      /* after the UDP header; inside the packet that was parsed */
	size_t payload_length; /* bytes, from the UDP header; never past the packet */
	uint8_t *udp;          /* the UDP header */
	uint8_t *ip;           /* the IP header */
	size_t ip_length;      /* bytes of the whole packet as the IP header states it */
};

enum packet_kind {
	PACKET_UDP,
	PACKET_OTHER,    /* a good packet that is not UDP */
	PACKET_FRAGMENT, /* any fragment, the first one included */
	PACKET_BAD,      /* malformed or cut short */
	PACKET_KINDS
};
/* Stable, for JSON and logs: "udp", "other", "fragment", "malformed". */
const char *packet_kind_name(enum packet_kind kind);

enum packet_kind packet_parse_udp(uint8_t *data, size_t length, struct packet_udp *out);

/* The non-ESP marker of RFC 3948 section 2.2: true, and *message set after it, when the datagram is on port
 * 4500 (either side) and begins with four zero bytes. On port 500 (either side): true and *message is the
 * payload. Else false. */
bool packet_ike_message(const struct packet_udp *udp, uint8_t **message, size_t *length);

/* An ESP packet (RFC 4303), in UDP on port 4500 (RFC 3948) or plain. False: it is none, or has no room for its SPI and
 * sequence number, PACKET_ESP_HEADER bytes. */
#define PACKET_ESP_HEADER 8
struct packet_esp {
	struct endpoint src, dst; /* port 0: plain */
	uint8_t *esp;             /* from the SPI on; inside the packet that was parsed */
	size_t length;            /* bytes there */
	bool in_udp;
	struct packet_udp udp; /* with in_udp: for its checksum */
};
bool packet_parse_esp(uint8_t *data, size_t length, struct packet_esp *out);

/* A copy of payload is changed at will by the caller; these keep the checksum true (RFC 1624): a checksum
 * that was right stays right, a packet that was damaged stays damaged, and 0 ("none") stays 0 on IPv4. */
struct packet_sum {
	uint32_t before;
};
struct packet_sum packet_sum_before(const struct packet_udp *udp); /* call it before the edit */
void packet_sum_after(const struct packet_udp *udp,
		      struct packet_sum before); /* and this after it; same length */

/* Replaces the payload by another one, of another length too: IP and UDP lengths, IPv4 header checksum, UDP
 * checksum. The packet lies in a buffer of capacity bytes from udp->ip. Returns the packet's new length, 0
 * when it does not fit. */
size_t packet_replace_payload(struct packet_udp *udp, size_t capacity, const uint8_t *payload, size_t length);

/* The checksum computed anew, for a packet that something better has vouched for: ESP in transport mode through a
 * NAT leaves the inner checksum wrong (RFC 3948 section 3.1.2). */
void packet_compute_checksum(const struct packet_udp *udp);

/* A datagram from nothing: IP and UDP header, payload. Returns its length, 0 when it does not fit into capacity, or
 * the two endpoints are not of one family. */
size_t packet_build_udp(uint8_t *out, size_t capacity, const struct endpoint *src, const struct endpoint *dst,
			const uint8_t *payload, size_t length);

#endif
