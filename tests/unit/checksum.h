/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checksums of a datagram, as RFC 1071, RFC 768 and RFC 8200 section 8.1 define them. */
#ifndef NATSHIM_TESTS_CHECKSUM_H
#define NATSHIM_TESTS_CHECKSUM_H

#include "nfq/packet.h"

/* The sum of 16-bit words in network order, not folded. */
static inline uint64_t checksum_sum(const uint8_t *bytes, size_t length)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : (uint64_t)bytes[i] << 8;
	return sum;
}

static inline bool checksum_is_right(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* IPv4 header and UDP; with IPv4, UDP's may be zero, which means none. */
static inline bool packet_checksum_ok(const struct packet_udp *udp)
{
	const bool v6 = udp->ip[0] >> 4 == 6;
	const size_t length = udp->payload_length + 8;
	const uint64_t pseudo = 17 + length + checksum_sum(udp->ip + (v6 ? 8 : 12), v6 ? 32 : 8);

	if (!v6 && !checksum_is_right(checksum_sum(udp->ip, (size_t)(udp->ip[0] & 15) * 4)))
		return false;
	if (!udp->udp[6] && !udp->udp[7])
		return !v6;
	return checksum_is_right(pseudo + checksum_sum(udp->udp, length));
}

#endif
