/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An IP address with a UDP port: the one way in which every room of this program names a peer.
 * Pure: no system call but the text conversions of inet_pton/inet_ntop. Knows no protocol. */
#ifndef NATSHIM_NFQ_ENDPOINT_H
#define NATSHIM_NFQ_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint {
	uint8_t addr[16]; /* network order; an IPv4 address stands in the first 4 bytes, the rest is zero */
	uint8_t addr_len; /* bytes: 4 or 16; 0 means "none" */
	uint8_t pad;      /* always zero, so that endpoints can be hashed as bytes */
	uint16_t port;    /* host order; 0 where no port is meant */
};

/* "[" address "]:" port for IPv6, address ":" port for IPv4; without a port where it is 0. */
#define ENDPOINT_TEXT_MAX 56
const char *endpoint_text(const struct endpoint *e, char out[static ENDPOINT_TEXT_MAX]);

/* Accepts ADDR, ADDR:PORT, [ADDR6] and [ADDR6]:PORT. False (and *out untouched) on anything else. */
bool endpoint_parse(const char *text, struct endpoint *out);

/* An address that a packet can be sent to on its way through a host: not this network (0/8, ::), loopback, multicast, reserved or
 * broadcast (RFC 6890). */
bool endpoint_is_unicast(const struct endpoint *e);

/* Same address, whatever the port. */
bool endpoint_same_host(const struct endpoint *a, const struct endpoint *b);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

#endif
