/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The view of one IP packet with a UDP datagram in it, and checksum arithmetic. Header fields are read and
 * written through the few functions at the top, behind a check of the length; nothing here knows what the
 * payload means. */
#include "nfq/packet.h"

#include <string.h>

enum {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_UDP = 17,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_ESP = 50,
	PROTOCOL_DESTINATION_OPTIONS = 60,
	IPV4_HEADER = 20, /* bytes, without options */
	IPV6_HEADER = 40,
	EXTENSION_HEADER = 8, /* bytes, at least */
	UDP_HEADER = 8,
	UDP_LENGTH = 4, /* offsets in the UDP header */
	UDP_CHECKSUM = 6,
	PORT_IKE = 500,
	PORT_IKE_NAT = 4500,
	NON_ESP_MARKER = 4, /* bytes */
};

static const char *const kind_names[PACKET_KINDS] = {
	[PACKET_UDP] = "udp",
	[PACKET_OTHER] = "other",
	[PACKET_FRAGMENT] = "fragment",
	[PACKET_BAD] = "malformed",
};

const char *packet_kind_name(enum packet_kind kind)
{
	return kind_names[kind];
}

static uint16_t get_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put_be16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static bool is_ipv6(const struct packet_udp *udp)
{
	return udp->ip[0] >> 4 == 6;
}

/* Parsing */

static void put_endpoint(struct endpoint *e, const uint8_t *addr, uint8_t addr_len, const uint8_t *port)
{
	*e = (struct endpoint){.addr_len = addr_len, .port = get_be16(port)};
	memcpy(e->addr, addr, addr_len);
}

static const uint8_t *addresses_of(const struct packet_udp *udp, uint8_t *addr_len)
{
	*addr_len = is_ipv6(udp) ? 16 : 4;
	return udp->ip + (is_ipv6(udp) ? 8 : 12);
}

/* at: offset of the UDP header; out->ip and out->ip_length are set. */
static enum packet_kind parse_udp_header(struct packet_udp *out, size_t at)
{
	uint8_t addr_len;
	const uint8_t *addresses = addresses_of(out, &addr_len);

	if (out->ip_length - at < UDP_HEADER)
		return PACKET_BAD;
	out->udp = out->ip + at;
	const size_t length = get_be16(out->udp + UDP_LENGTH);

	if (length < UDP_HEADER || length > out->ip_length - at)
		return PACKET_BAD;
	out->payload = out->udp + UDP_HEADER;
	out->payload_length = length - UDP_HEADER;
	put_endpoint(&out->src, addresses, addr_len, out->udp);
	put_endpoint(&out->dst, addresses + addr_len, addr_len, out->udp + 2);
	return PACKET_UDP;
}

/* Where the header of that protocol is: PACKET_UDP, whatever the protocol, when it is there; out->ip and out->ip_length are
 * set then. */
static enum packet_kind find_in_ipv4(uint8_t *data, size_t length, uint8_t protocol, struct packet_udp *out,
				     size_t *at)
{
	if (length < IPV4_HEADER)
		return PACKET_BAD;
	const size_t header = (size_t)(data[0] & 15) * 4, total = get_be16(data + 2);

	if (header < IPV4_HEADER || total < header || total > length)
		return PACKET_BAD;
	if (get_be16(data + 6) & 0x3fff) /* more fragments, or an offset */
		return PACKET_FRAGMENT;
	if (data[9] != protocol)
		return PACKET_OTHER;
	out->ip = data;
	out->ip_length = total;
	*at = header;
	return PACKET_UDP;
}

static enum packet_kind find_in_ipv6(uint8_t *data, size_t length, uint8_t protocol, struct packet_udp *out,
				     size_t *where)
{
	if (length < IPV6_HEADER)
		return PACKET_BAD;
	const size_t total = IPV6_HEADER + (size_t)get_be16(data + 4);
	size_t at = IPV6_HEADER;
	uint8_t next = data[6];

	if (total > length)
		return PACKET_BAD;
	out->ip = data;
	out->ip_length = total;
	while (next != protocol) {
		if (next == PROTOCOL_FRAGMENT)
			return PACKET_FRAGMENT;
		if (next == PROTOCOL_HOP_BY_HOP && at != IPV6_HEADER)
			return PACKET_BAD;
		if (next != PROTOCOL_HOP_BY_HOP && next != PROTOCOL_ROUTING &&
		    next != PROTOCOL_DESTINATION_OPTIONS)
			return PACKET_OTHER;
		if (total - at < EXTENSION_HEADER)
			return PACKET_BAD;
		/* On its way still: the address in the header is not yet the destination (RFC 8200
		 * section 8.1). */
		if (next == PROTOCOL_ROUTING && data[at + 3] != 0)
			return PACKET_OTHER;
		const size_t extension = ((size_t)data[at + 1] + 1) * 8;

		if (total - at < extension)
			return PACKET_BAD;
		next = data[at];
		at += extension;
	}
	*where = at;
	return PACKET_UDP;
}

static enum packet_kind find_header(uint8_t *data, size_t length, uint8_t protocol, struct packet_udp *out,
				    size_t *at)
{
	if (length == 0)
		return PACKET_BAD;
	switch (data[0] >> 4) {
	case 4:
		return find_in_ipv4(data, length, protocol, out, at);
	case 6:
		return find_in_ipv6(data, length, protocol, out, at);
	default:
		return PACKET_BAD;
	}
}

enum packet_kind packet_parse_udp(uint8_t *data, size_t length, struct packet_udp *out)
{
	size_t at;
	const enum packet_kind kind = find_header(data, length, PROTOCOL_UDP, out, &at);

	return kind == PACKET_UDP ? parse_udp_header(out, at) : kind;
}

static bool on_port(const struct packet_udp *udp, uint16_t port)
{
	return udp->src.port == port || udp->dst.port == port;
}

bool packet_ike_message(const struct packet_udp *udp, uint8_t **message, size_t *length)
{
	static const uint8_t marker[NON_ESP_MARKER];
	size_t skip = 0;

	if (on_port(udp, PORT_IKE_NAT) && udp->payload_length >= sizeof marker &&
	    !memcmp(udp->payload, marker, sizeof marker))
		skip = sizeof marker;
	else if (!on_port(udp, PORT_IKE))
		return false;
	*message = udp->payload + skip;
	*length = udp->payload_length - skip;
	return true;
}

static bool parse_plain_esp(uint8_t *data, size_t length, struct packet_esp *out)
{
	const uint8_t *addresses;
	uint8_t addr_len;
	size_t at;

	if (find_header(data, length, PROTOCOL_ESP, &out->udp, &at) != PACKET_UDP)
		return false;
	addresses = addresses_of(&out->udp, &addr_len);
	out->src = out->dst = (struct endpoint){.addr_len = addr_len};
	memcpy(out->src.addr, addresses, addr_len);
	memcpy(out->dst.addr, addresses + addr_len, addr_len);
	out->esp = data + at;
	out->length = out->udp.ip_length - at;
	return true;
}

bool packet_parse_esp(uint8_t *data, size_t length, struct packet_esp *out)
{
	static const uint8_t marker[NON_ESP_MARKER];
	const enum packet_kind kind = packet_parse_udp(data, length, &out->udp);

	out->in_udp = kind == PACKET_UDP;
	if (out->in_udp) {
		out->src = out->udp.src;
		out->dst = out->udp.dst;
		out->esp = out->udp.payload;
		out->length = out->udp.payload_length;
		if (!on_port(&out->udp, PORT_IKE_NAT))
			return false;
	} else if (kind != PACKET_OTHER || !parse_plain_esp(data, length, out)) {
		return false;
	}
	return out->length >= PACKET_ESP_HEADER && memcmp(out->esp, marker, sizeof marker) != 0;
}

/* Checksums (RFC 1071): ones' complement sums do not care for the byte order, so all of them are kept in the
 * packet's. */

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint64_t sum_bytes(const uint8_t *data, size_t length)
{
	uint64_t sum = 0;
	uint32_t word;

	for (; length >= sizeof word; data += sizeof word, length -= sizeof word) {
		memcpy(&word, data, sizeof word);
		sum += word;
	}
	if (length & 2) {
		uint16_t half;

		memcpy(&half, data, sizeof half);
		sum += half;
		data += sizeof half;
	}
	if (length & 1) {
		word = 0;
		memcpy(&word, data, 1); /* the first byte of a half word, whatever the byte order */
		sum += word;
	}
	return sum;
}

static uint16_t load16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof value);
	return value;
}

/* The summand that a number has when it stands in the packet as 16 bits. */
static uint16_t as_summand(size_t value)
{
	uint8_t bytes[2];

	put_be16(bytes, value);
	return load16(bytes);
}

/* RFC 1624 equation 3. before and after: folded sums of what changed. */
static uint16_t adjusted(uint16_t checksum, uint16_t before, uint16_t after)
{
	return (uint16_t)~fold((uint64_t)(uint16_t)~checksum + (uint16_t)~before + after);
}

static void adjust_udp_checksum(const struct packet_udp *udp, uint16_t before, uint16_t after)
{
	uint16_t checksum = load16(udp->udp + UDP_CHECKSUM);

	if (checksum == 0)
		return;
	checksum = adjusted(checksum, before, after);
	if (checksum == 0)
		checksum = 0xffff;
	memcpy(udp->udp + UDP_CHECKSUM, &checksum, sizeof checksum);
}

struct packet_sum packet_sum_before(const struct packet_udp *udp)
{
	return (struct packet_sum){.before = fold(sum_bytes(udp->payload, udp->payload_length))};
}

void packet_sum_after(const struct packet_udp *udp, struct packet_sum before)
{
	adjust_udp_checksum(udp, (uint16_t)before.before, fold(sum_bytes(udp->payload, udp->payload_length)));
}

/* Over the pseudo header and the datagram; 0xffff, folded, when the checksum in it is right. */
static uint64_t sum_datagram(const struct packet_udp *udp)
{
	const bool v6 = is_ipv6(udp);
	const size_t udp_length = udp->payload_length + UDP_HEADER;

	return (uint64_t)as_summand(PROTOCOL_UDP) + as_summand(udp_length) +
	       sum_bytes(udp->ip + (v6 ? 8 : 12), v6 ? 32 : 8) + sum_bytes(udp->udp, udp_length);
}

void packet_compute_checksum(const struct packet_udp *udp)
{
	uint16_t checksum = 0;

	memcpy(udp->udp + UDP_CHECKSUM, &checksum, sizeof checksum);
	checksum = (uint16_t)~fold(sum_datagram(udp));
	if (checksum == 0)
		checksum = 0xffff;
	memcpy(udp->udp + UDP_CHECKSUM, &checksum, sizeof checksum);
}

/* Another length */

static void set_ipv4_length(struct packet_udp *udp, size_t total)
{
	uint8_t *length = udp->ip + 2, *checksum = udp->ip + 10;
	const uint16_t new_checksum = adjusted(load16(checksum), load16(length), as_summand(total));

	memcpy(checksum, &new_checksum, sizeof new_checksum);
	put_be16(length, total);
}

size_t packet_replace_payload(struct packet_udp *udp, size_t capacity, const uint8_t *payload, size_t length)
{
	const size_t headers = (size_t)(udp->payload - udp->ip);
	const size_t limit = is_ipv6(udp) ? UINT16_MAX + IPV6_HEADER : UINT16_MAX;

	if (headers > limit || length > limit - headers || headers + length > capacity)
		return 0;
	const size_t udp_length = length + UDP_HEADER;
	/* The UDP length counts twice: in the header and in the pseudo header. */
	const uint64_t before =
		sum_bytes(udp->payload, udp->payload_length) + 2 * (uint64_t)load16(udp->udp + UDP_LENGTH);

	memmove(udp->payload, payload, length);
	put_be16(udp->udp + UDP_LENGTH, udp_length);
	adjust_udp_checksum(udp, fold(before),
			    fold(sum_bytes(udp->payload, length) + 2 * (uint64_t)as_summand(udp_length)));
	udp->payload_length = length;
	udp->ip_length = headers + length;
	if (is_ipv6(udp))
		put_be16(udp->ip + 4, udp->ip_length - IPV6_HEADER);
	else
		set_ipv4_length(udp, udp->ip_length);
	return udp->ip_length;
}

/* From nothing */

#define TIME_TO_LIVE 64

size_t packet_build_udp(uint8_t *out, size_t capacity, const struct endpoint *src, const struct endpoint *dst,
			const uint8_t *payload, size_t length)
{
	const bool v6 = src->addr_len == 16;
	const size_t ip_header = v6 ? IPV6_HEADER : IPV4_HEADER, headers = ip_header + UDP_HEADER;
	struct packet_udp udp = {.src = *src,
				 .dst = *dst,
				 .ip = out,
				 .udp = out + ip_header,
				 .payload = out + headers,
				 .payload_length = length,
				 .ip_length = headers + length};

	if (src->addr_len != dst->addr_len || length > UINT16_MAX - headers || headers + length > capacity)
		return 0;
	memset(out, 0, headers);
	out[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		put_be16(out + 4, UDP_HEADER + length);
		out[6] = PROTOCOL_UDP;
		out[7] = TIME_TO_LIVE;
	} else {
		put_be16(out + 2, headers + length);
		out[8] = TIME_TO_LIVE;
		out[9] = PROTOCOL_UDP;
	}
	memcpy(out + (v6 ? 8 : 12), src->addr, src->addr_len);
	memcpy(out + (v6 ? 24 : 16), dst->addr, dst->addr_len);
	if (!v6) {
		const uint16_t checksum = (uint16_t)~fold(sum_bytes(out, IPV4_HEADER));

		memcpy(out + 10, &checksum, sizeof checksum);
	}
	put_be16(udp.udp, src->port);
	put_be16(udp.udp + 2, dst->port);
	put_be16(udp.udp + UDP_LENGTH, UDP_HEADER + length);
	memcpy(udp.payload, payload, length);
	packet_compute_checksum(&udp);
	return udp.ip_length;
}
