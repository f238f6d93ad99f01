/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nfq/packet: each shape of packet that is or is not UDP, also at every truncation, and checksum arithmetic
 * against a full computation written the slow way. */
#include "nfq/packet.h"
#include "tests/unit/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PACKET_MAX 70000

struct build {
	int version;
	size_t ipv4_options;       /* bytes, a multiple of 4 */
	const uint8_t *extensions; /* IPv6: types of the extension headers, in order */
	size_t extension_count;
	size_t extension_extra; /* bytes more in each, a multiple of 8 */
	uint16_t fragment;      /* IPv4 flags and offset */
	uint8_t protocol;       /* 0: UDP */
	uint16_t src_port, dst_port;
	const uint8_t *payload;
	size_t payload_length;
	size_t ip_extra;       /* bytes of the IP payload behind the UDP datagram */
	size_t padding;        /* bytes behind the IP packet */
	int udp_length_change; /* added to the UDP length */
	bool no_checksum;
};

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The checksum as RFC 1071 says it: 16 bits at a time, carries added at the end. */
static unsigned slow_sum(unsigned long sum, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? data[i] : (unsigned)data[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

static unsigned slow_udp_checksum(const uint8_t *ip, const uint8_t *udp)
{
	const size_t length = (size_t)(udp[4] << 8 | udp[5]);
	const bool v6 = ip[0] >> 4 == 6;
	unsigned sum = slow_sum(17 + length, ip + (v6 ? 8 : 12), v6 ? 32 : 8);

	return ~slow_sum(sum, udp, length) & 0xffff;
}

/* As if the datagram had none yet. */
static unsigned slow_without_checksum(const uint8_t *ip, uint8_t *udp)
{
	const uint8_t kept[2] = {udp[6], udp[7]};

	put16(udp + 6, 0);
	const unsigned checksum = slow_udp_checksum(ip, udp);

	memcpy(udp + 6, kept, sizeof kept);
	return checksum ? checksum : 0xffff;
}

static void fill_udp_checksum(const uint8_t *ip, uint8_t *udp)
{
	put16(udp + 6, 0);
	const unsigned checksum = slow_udp_checksum(ip, udp);

	put16(udp + 6, checksum ? checksum : 0xffff);
}

static size_t ip_header(const struct build *b, uint8_t *p)
{
	size_t at = b->version == 4 ? 20 + b->ipv4_options : 40;
	const uint8_t protocol = b->protocol ? b->protocol : 17;

	if (b->version == 4) {
		p[0] = (uint8_t)(0x40 | at / 4);
		put16(p + 6, b->fragment);
		p[8] = 64;
		p[9] = protocol;
		memcpy(p + 12, "\xc0\x00\x02\x01\xc6\x33\x64\x02", 8);
		return at;
	}
	p[0] = 0x60;
	p[6] = b->extension_count ? b->extensions[0] : protocol;
	p[7] = 64;
	for (size_t i = 0; i < 32; i++)
		p[8 + i] = (uint8_t)(0x20 + i);
	for (size_t i = 0; i < b->extension_count; i++) {
		p[at] = i + 1 < b->extension_count ? b->extensions[i + 1] : protocol;
		p[at + 1] = b->extensions[i] == 44 ? 0 : (uint8_t)(b->extension_extra / 8);
		at += 8 + (b->extensions[i] == 44 ? 0 : b->extension_extra);
	}
	return at;
}

static size_t build(const struct build *b, uint8_t *p)
{
	memset(p, 0, PACKET_MAX);
	const size_t header = ip_header(b, p), udp_length = 8 + b->payload_length;
	const size_t total = header + udp_length + b->ip_extra;
	uint8_t *udp = p + header;

	put16(udp, b->src_port ? b->src_port : 500);
	put16(udp + 2, b->dst_port ? b->dst_port : 500);
	put16(udp + 4, (unsigned)udp_length);
	if (b->payload)
		memcpy(udp + 8, b->payload, b->payload_length);
	memset(p + header + udp_length, 0xa5, b->ip_extra + b->padding);
	if (b->version == 4) {
		put16(p + 2, (unsigned)total);
		put16(p + 10, ~slow_sum(0, p, header) & 0xffff);
	} else {
		put16(p + 4, (unsigned)(total - 40));
	}
	if (!b->no_checksum)
		fill_udp_checksum(p, udp);
	put16(udp + 4, (unsigned)((int)udp_length + b->udp_length_change));
	return total + b->padding;
}

static enum packet_kind parse_built(const struct build *b, uint8_t *p, struct packet_udp *udp)
{
	const size_t length = build(b, p);

	return packet_parse_udp(p, length, udp);
}

/* The packet at every length, in memory of exactly that size: never UDP before it is whole, and no read past
 * the end. */
static void check_truncations(const struct build *b, enum packet_kind whole)
{
	static uint8_t p[PACKET_MAX];
	const size_t length = build(b, p), needed = length - b->padding;

	for (size_t cut = 0; cut <= length; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);
		struct packet_udp udp;

		assert_non_null(copy);
		memcpy(copy, p, cut);
		const enum packet_kind kind = packet_parse_udp(copy, cut, &udp);

		if (cut >= needed)
			assert_int_equal(kind, whole);
		else
			assert_int_not_equal(kind, PACKET_UDP);
		if (kind == PACKET_UDP) {
			uint8_t *message;
			size_t message_length;

			assert_ptr_equal(udp.ip, copy);
			assert_true(udp.payload + udp.payload_length <= copy + cut);
			assert_true(udp.ip_length <= cut);
			packet_checksum_ok(&udp);
			packet_ike_message(&udp, &message, &message_length);
			packet_sum_after(&udp, packet_sum_before(&udp));
		}
		free(copy);
	}
}

static const uint8_t text[] = "thirty-three octets of a payload!";
#define PAYLOAD .payload = text, .payload_length = sizeof text - 1

static void shapes(void **state)
{
	(void)state;
	static const uint8_t all[] = {0, 60, 43, 60}, hop_late[] = {60, 0}, fragment[] = {0, 44},
			     unknown[] = {51};
	static uint8_t p[PACKET_MAX];
	static const struct {
		struct build build;
		enum packet_kind kind;
	} cases[] = {
		{{.version = 4, PAYLOAD}, PACKET_UDP},
		{{.version = 4}, PACKET_UDP},
		{{.version = 4, .ipv4_options = 40, PAYLOAD}, PACKET_UDP},
		{{.version = 4, .padding = 13, PAYLOAD}, PACKET_UDP},
		{{.version = 4, .ip_extra = 5, PAYLOAD}, PACKET_UDP},
		{{.version = 4, .fragment = 0x4000, PAYLOAD}, PACKET_UDP}, /* don't fragment */
		{{.version = 4, .fragment = 0x2000, PAYLOAD}, PACKET_FRAGMENT},
		{{.version = 4, .fragment = 0x2010, PAYLOAD}, PACKET_FRAGMENT},
		{{.version = 4, .fragment = 0x0001, PAYLOAD}, PACKET_FRAGMENT},
		{{.version = 4, .protocol = 6, PAYLOAD}, PACKET_OTHER},
		{{.version = 4, .udp_length_change = 1, PAYLOAD}, PACKET_BAD},
		{{.version = 4, .ip_extra = 1, .udp_length_change = 2, PAYLOAD}, PACKET_BAD},
		{{.version = 4, .udp_length_change = -34, PAYLOAD},
		 PACKET_BAD}, /* 7: shorter than its header */
		{{.version = 4, .udp_length_change = -41, PAYLOAD}, PACKET_BAD}, /* 0 */
		{{.version = 6, PAYLOAD}, PACKET_UDP},
		{{.version = 6}, PACKET_UDP},
		{{.version = 6, .padding = 6, .ip_extra = 3, PAYLOAD}, PACKET_UDP},
		{{.version = 6, .extensions = all, .extension_count = 4, PAYLOAD}, PACKET_UDP},
		{{.version = 6, .extensions = all, .extension_count = 4, .extension_extra = 24, PAYLOAD},
		 PACKET_UDP},
		{{.version = 6, .extensions = hop_late, .extension_count = 2, PAYLOAD}, PACKET_BAD},
		{{.version = 6, .extensions = fragment, .extension_count = 2, PAYLOAD}, PACKET_FRAGMENT},
		{{.version = 6, .extensions = unknown, .extension_count = 1, PAYLOAD}, PACKET_OTHER},
		{{.version = 6, .protocol = 58, PAYLOAD}, PACKET_OTHER},
		{{.version = 6, .udp_length_change = 1, PAYLOAD}, PACKET_BAD},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct build *b = &cases[i].build;
		struct packet_udp udp;

		assert_int_equal(parse_built(b, p, &udp), cases[i].kind);
		check_truncations(b, cases[i].kind);
		if (cases[i].kind != PACKET_UDP)
			continue;
		assert_int_equal(udp.payload_length, b->payload_length);
		assert_memory_equal(udp.payload, text, b->payload_length);
		assert_ptr_equal(udp.payload, udp.udp + 8);
		assert_int_equal(udp.ip_length, build(b, p) - b->padding);
		assert_true(packet_checksum_ok(&udp));
	}
}

static void addresses_and_ports(void **state)
{
	(void)state;
	static uint8_t p[PACKET_MAX];
	struct packet_udp udp;
	char shown[ENDPOINT_TEXT_MAX];

	parse_built(&(struct build){.version = 4, .src_port = 12345, .dst_port = 4500}, p, &udp);
	assert_string_equal(endpoint_text(&udp.src, shown), "192.0.2.1:12345");
	assert_string_equal(endpoint_text(&udp.dst, shown), "198.51.100.2:4500");
	parse_built(&(struct build){.version = 6, .src_port = 1, .dst_port = 65535}, p, &udp);
	assert_string_equal(endpoint_text(&udp.src, shown), "[2021:2223:2425:2627:2829:2a2b:2c2d:2e2f]:1");
	assert_string_equal(endpoint_text(&udp.dst, shown),
			    "[3031:3233:3435:3637:3839:3a3b:3c3d:3e3f]:65535");
}

static void broken_headers(void **state)
{
	(void)state;
	static uint8_t p[PACKET_MAX];
	struct packet_udp udp;
	const struct build v4 = {.version = 4, PAYLOAD}, v6 = {.version = 6, PAYLOAD};
	size_t length = build(&v4, p);

	for (unsigned version = 0; version < 16; version++) {
		p[0] = (uint8_t)(version << 4 | 5);
		if (version != 4)
			assert_int_equal(packet_parse_udp(p, length, &udp), PACKET_BAD);
	}
	for (uint8_t words = 0; words < 5; words++) {
		p[0] = (uint8_t)(0x40 | words);
		assert_int_equal(packet_parse_udp(p, length, &udp), PACKET_BAD);
	}
	p[0] = 0x45;
	put16(p + 2, 19);
	assert_int_equal(packet_parse_udp(p, length, &udp), PACKET_BAD);
	put16(p + 2, 0); /* offloaded: the length is not known */
	assert_int_equal(packet_parse_udp(p, length, &udp), PACKET_BAD);
	length = build(&v6, p);
	put16(p + 4, 0); /* a jumbogram, or nothing */
	assert_int_equal(packet_parse_udp(p, length, &udp), PACKET_BAD);
	p[6] = 0;
	assert_int_equal(packet_parse_udp(p, length, &udp), PACKET_BAD);
}

static void routing_header_with_segments_left(void **state)
{
	(void)state;
	static const uint8_t routing[] = {43};
	static uint8_t p[PACKET_MAX];
	const struct build b = {.version = 6, .extensions = routing, .extension_count = 1, PAYLOAD};
	const size_t length = build(&b, p);
	struct packet_udp udp;

	assert_int_equal(packet_parse_udp(p, length, &udp), PACKET_UDP);
	p[40 + 3] = 1;
	assert_int_equal(packet_parse_udp(p, length, &udp), PACKET_OTHER);
}

static void extension_past_the_end(void **state)
{
	(void)state;
	static const uint8_t options[] = {60};
	static uint8_t p[PACKET_MAX];
	const struct build b = {.version = 6, .extensions = options, .extension_count = 1, PAYLOAD};
	const size_t length = build(&b, p);
	struct packet_udp udp;

	for (unsigned units = 6; units < 256; units++) { /* from 56 bytes on, where 49 are left */
		p[41] = (uint8_t)units;
		assert_int_equal(packet_parse_udp(p, length, &udp), PACKET_BAD);
	}
}

static void longest_packets(void **state)
{
	(void)state;
	static uint8_t p[PACKET_MAX];
	struct packet_udp udp;

	assert_int_equal(parse_built(&(struct build){.version = 4, .payload_length = 65535 - 28}, p, &udp),
			 PACKET_UDP);
	assert_int_equal(udp.ip_length, 65535);
	assert_true(packet_checksum_ok(&udp));
	assert_int_equal(parse_built(&(struct build){.version = 6, .payload_length = 65535 - 8}, p, &udp),
			 PACKET_UDP);
	assert_int_equal(udp.ip_length, 65575);
	assert_true(packet_checksum_ok(&udp));
}

static void finds_the_ike_message(void **state)
{
	(void)state;
	static const uint8_t marked[] = {0, 0, 0, 0, 0xca, 0xfe}, esp[] = {0, 0, 0, 1, 2, 3},
			     alive[] = {0xff};
	static const struct {
		uint16_t src, dst;
		const uint8_t *payload;
		size_t length;
		int skipped; /* -1: no IKE message */
	} cases[] = {
		{500, 500, esp, sizeof esp, 0},
		{500, 500, marked, sizeof marked, 0},
		{33333, 500, esp, sizeof esp, 0},
		{500, 33333, esp, sizeof esp, 0},
		{33333, 4500, marked, sizeof marked, 4},
		{4500, 33333, marked, sizeof marked, 4},
		{4500, 4500, marked, 4, 4},
		{500, 4500, marked, sizeof marked, 4}, /* a NAT chose 500 for the client */
		{4500, 500, esp, sizeof esp, 0},
		{4500, 4500, esp, sizeof esp, -1},
		{4500, 4500, marked, 3, -1},
		{4500, 4500, alive, sizeof alive, -1},
		{4500, 4500, NULL, 0, -1},
		{500, 500, NULL, 0, 0},
		{501, 4501, marked, sizeof marked, -1},
		{1701, 1701, marked, sizeof marked, -1},
	};
	static uint8_t p[PACKET_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct build b = {.version = i % 2 ? 4 : 6,
					.src_port = cases[i].src,
					.dst_port = cases[i].dst,
					.payload = cases[i].payload,
					.payload_length = cases[i].length};
		struct packet_udp udp;
		uint8_t *message;
		size_t length;

		assert_int_equal(parse_built(&b, p, &udp), PACKET_UDP);
		assert_int_equal(packet_ike_message(&udp, &message, &length), cases[i].skipped >= 0);
		if (cases[i].skipped < 0)
			continue;
		assert_ptr_equal(message, udp.payload + cases[i].skipped);
		assert_int_equal(length, cases[i].length - (size_t)cases[i].skipped);
	}
}

static void finds_esp(void **state)
{
	static const uint8_t esp[] = {0x12, 0x34, 0x56, 0x78, 0, 0, 0, 9, 1, 2, 3}, marked[12];
	static const struct {
		uint8_t protocol;
		uint16_t src, dst;
		const uint8_t *payload;
		size_t length;
		bool found;
	} cases[] = {
		{0, 4500, 4500, esp, sizeof esp, true},
		{0, 4500, 1025, esp, sizeof esp, true},
		{0, 4500, 4500, esp, 8, true},
		{0, 4500, 4500, esp, 7, false},
		{0, 4500, 4500, marked, sizeof marked, false},
		{0, 4501, 4501, esp, sizeof esp, false},
		{0, 500, 500, esp, sizeof esp, false},
		{50, 0x1234, 0x5678, NULL, 3, true}, /* what would be the ports is the SPI */
		{51, 0x1234, 0x5678, NULL, 3, false},
	};
	static uint8_t p[PACKET_MAX];

	(void)state;
	for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
		const struct build b = {.version = i % 2 ? 4 : 6,
					.protocol = cases[i / 2].protocol,
					.src_port = cases[i / 2].src,
					.dst_port = cases[i / 2].dst,
					.payload = cases[i / 2].payload,
					.payload_length = cases[i / 2].length};
		const size_t length = build(&b, p);
		struct packet_esp found;

		assert_int_equal(packet_parse_esp(p, length, &found), cases[i / 2].found);
		if (!cases[i / 2].found)
			continue;
		assert_int_equal(found.in_udp, !b.protocol);
		assert_memory_equal(found.esp, "\x12\x34\x56\x78", 4);
		assert_int_equal(found.esp + found.length - p, length);
		assert_int_equal(found.dst.addr_len, b.version == 4 ? 4 : 16);
		assert_memory_equal(found.dst.addr, p + (b.version == 4 ? 16 : 24), found.dst.addr_len);
		for (size_t cut = 0; cut < length; cut++) {
			uint8_t *copy = malloc(cut ? cut : 1);

			memcpy(copy, p, cut);
			assert_false(packet_parse_esp(copy, cut, &found));
			free(copy);
		}
	}
}

static void random_edits(void **state)
{
	(void)state;
	static uint8_t p[PACKET_MAX], payload[64];
	unsigned zero_results = 0;

	srandom(1);
	for (int round = 0; round < 200000; round++) {
		const struct build b = {.version = round % 2 ? 4 : 6,
					.payload = payload,
					.payload_length = (size_t)random() % sizeof payload,
					.ip_extra = (size_t)random() % 3};
		struct packet_udp udp;
		uint8_t expected[2];

		for (size_t i = 0; i < b.payload_length; i++)
			payload[i] = (uint8_t)(random() % 4 ? random() : random() % 2 * 255);
		memset(p, 0, 200);
		if (round % 8 < 2 && b.payload_length >= 2) { /* make a sum of zero come out now and then */
			build(&b, p);
			memcpy(payload, p + (b.version == 4 ? 26 : 46), 2);
		}
		assert_int_equal(packet_parse_udp(p, build(&b, p), &udp), PACKET_UDP);
		const struct packet_sum before = packet_sum_before(&udp);

		for (size_t edits = (size_t)random() % 5; edits && udp.payload_length; edits--)
			udp.payload[(size_t)random() % udp.payload_length] = (uint8_t)random();
		packet_sum_after(&udp, before);
		assert_true(packet_checksum_ok(&udp));
		memcpy(expected, udp.udp + 6, 2);
		fill_udp_checksum(p, udp.udp);
		assert_memory_equal(expected, udp.udp + 6, 2);
		zero_results += expected[0] == 0xff && expected[1] == 0xff;
	}
	assert_true(zero_results > 0);
}

static void sum_that_becomes_zero(void **state)
{
	(void)state;
	static uint8_t p[PACKET_MAX];
	static const uint8_t payload[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct packet_udp udp;

	for (int version = 4; version <= 6; version += 2) {
		const struct build b = {
			.version = version, .payload = payload, .payload_length = sizeof payload};

		parse_built(&b, p, &udp);
		const struct packet_sum before = packet_sum_before(&udp);
		/* One word that adds what the checksum lacks to all ones. */
		const unsigned word = slow_sum((unsigned)(udp.udp[6] << 8 | udp.udp[7]), payload, 2);

		put16(udp.payload, word);
		packet_sum_after(&udp, before);
		assert_memory_equal(udp.udp + 6, "\xff\xff", 2);
		assert_true(packet_checksum_ok(&udp));
	}
}

static void none_stays_none(void **state)
{
	(void)state;
	static uint8_t p[PACKET_MAX];
	struct packet_udp udp;

	parse_built(&(struct build){.version = 4, .no_checksum = true, PAYLOAD}, p, &udp);
	const struct packet_sum before = packet_sum_before(&udp);

	udp.payload[3] ^= 0x55;
	packet_sum_after(&udp, before);
	assert_memory_equal(udp.udp + 6, "\0\0", 2);
	assert_true(packet_checksum_ok(&udp));
	assert_int_equal(packet_replace_payload(&udp, PACKET_MAX, text, 7), 35);
	assert_memory_equal(udp.udp + 6, "\0\0", 2);
	parse_built(&(struct build){.version = 6, .no_checksum = true, PAYLOAD}, p, &udp);
	assert_false(packet_checksum_ok(&udp));
}

static void damaged_stays_damaged(void **state)
{
	(void)state;
	static uint8_t p[PACKET_MAX];
	struct packet_udp udp;

	srandom(2);
	for (int round = 0; round < 2000; round++) {
		parse_built(&(struct build){.version = round % 2 ? 4 : 6, PAYLOAD}, p, &udp);
		udp.payload[(size_t)random() % udp.payload_length] ^= (uint8_t)(1 + random() % 255);
		assert_false(packet_checksum_ok(&udp));
		const struct packet_sum before = packet_sum_before(&udp);

		udp.payload[(size_t)random() % udp.payload_length] = (uint8_t)random();
		packet_sum_after(&udp, before);
		assert_false(packet_checksum_ok(&udp));
		packet_replace_payload(&udp, PACKET_MAX, text, (size_t)random() % sizeof text);
		assert_false(packet_checksum_ok(&udp));
	}
}

static void damaged_ipv4_header(void **state)
{
	(void)state;
	static uint8_t p[PACKET_MAX];
	struct packet_udp udp;

	parse_built(&(struct build){.version = 4, PAYLOAD}, p, &udp);
	p[8]--;
	assert_false(packet_checksum_ok(&udp));
	packet_replace_payload(&udp, PACKET_MAX, text, 5);
	assert_false(packet_checksum_ok(&udp));
	p[8]++;
	assert_true(packet_checksum_ok(&udp));
}

static void replaces_payloads(void **state)
{
	(void)state;
	static uint8_t p[PACKET_MAX], payload[2000];
	struct packet_udp udp, again;

	srandom(3);
	for (int round = 0; round < 5000; round++) {
		const struct build b = {.version = round % 2 ? 4 : 6,
					.ipv4_options = (size_t)random() % 11 * 4,
					.ip_extra = (size_t)random() % 4,
					PAYLOAD};
		const size_t length = (size_t)random() % sizeof payload;

		for (size_t i = 0; i < length; i++)
			payload[i] = (uint8_t)random();
		parse_built(&b, p, &udp);
		const size_t headers = (size_t)(udp.payload - udp.ip);

		assert_int_equal(packet_replace_payload(&udp, PACKET_MAX, payload, length), headers + length);
		assert_int_equal(packet_parse_udp(p, headers + length, &again), PACKET_UDP);
		assert_int_equal(again.payload_length, length);
		assert_int_equal(again.ip_length, udp.ip_length);
		assert_int_equal(udp.payload_length, length);
		assert_memory_equal(again.payload, payload, length);
		assert_true(packet_checksum_ok(&again));
	}
}

static void replacement_that_does_not_fit(void **state)
{
	(void)state;
	static uint8_t p[PACKET_MAX], untouched[PACKET_MAX], payload[PACKET_MAX];
	struct packet_udp udp;

	parse_built(&(struct build){.version = 4, PAYLOAD}, p, &udp);
	memcpy(untouched, p, sizeof p);
	assert_int_equal(packet_replace_payload(&udp, 28 + 99, payload, 100), 0);
	assert_int_equal(packet_replace_payload(&udp, sizeof p, payload, 65535 - 28 + 1), 0);
	assert_int_equal(packet_replace_payload(&udp, 27, payload, 0), 0);
	assert_int_equal(packet_replace_payload(&udp, sizeof p, payload, SIZE_MAX), 0);
	assert_memory_equal(untouched, p, sizeof p);
	assert_int_equal(packet_replace_payload(&udp, 65535, payload, 65535 - 28), 65535);
	parse_built(&(struct build){.version = 6, PAYLOAD}, p, &udp);
	assert_int_equal(packet_replace_payload(&udp, sizeof p, payload, 65535 - 8 + 1), 0);
	assert_int_equal(packet_replace_payload(&udp, sizeof p, payload, 65535 - 8), 65575);
	assert_true(packet_checksum_ok(&udp));
}

static void kinds_have_names(void **state)
{
	(void)state;
	assert_string_equal(packet_kind_name(PACKET_UDP), "udp");
	assert_string_equal(packet_kind_name(PACKET_OTHER), "other");
	assert_string_equal(packet_kind_name(PACKET_FRAGMENT), "fragment");
	assert_string_equal(packet_kind_name(PACKET_BAD), "malformed");
}

/* What is built is read back, with its checksums right, in just enough room and in none that is smaller. */
static void builds_packets(void **state)
{
	static const struct {
		const char *src, *dst;
		size_t headers;
	} cases[] = {{"192.0.2.1:500", "198.51.100.7:4500", 28},
		     {"[2001:db8::1]:1701", "[2001:db8::2]:1", 48}};
	static const uint8_t payload[] = "an odd number of bytes, or even";

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t length = 0; length <= sizeof payload; length++) {
			const size_t whole = cases[i].headers + length;
			uint8_t *out =
				malloc(whole); /* of just that size: the sanitizer sees what goes past it */
			struct endpoint src, dst;
			struct packet_udp udp;

			assert_non_null(out);
			assert_true(endpoint_parse(cases[i].src, &src) && endpoint_parse(cases[i].dst, &dst));
			for (size_t room = 0; room < whole; room++)
				assert_int_equal(packet_build_udp(out, room, &src, &dst, payload, length), 0);
			assert_int_equal(packet_build_udp(out, whole, &src, &dst, payload, length), whole);
			assert_int_equal(packet_parse_udp(out, whole, &udp), PACKET_UDP);
			assert_true(endpoint_equal(&udp.src, &src) && endpoint_equal(&udp.dst, &dst));
			assert_int_equal(udp.payload_length, length);
			assert_memory_equal(udp.payload, payload, length);
			assert_true(packet_checksum_ok(&udp));
			assert_int_equal((unsigned)(udp.udp[6] << 8 | udp.udp[7]),
					 slow_without_checksum(out, udp.udp));
			free(out);
		}
}

static void does_not_build(void **state)
{
	static uint8_t out[PACKET_MAX], payload[PACKET_MAX];
	struct endpoint v4, v6;

	(void)state;
	assert_true(endpoint_parse("192.0.2.1:500", &v4) && endpoint_parse("[2001:db8::1]:500", &v6));
	assert_int_equal(packet_build_udp(out, sizeof out, &v4, &v6, payload, 1), 0);
	assert_int_equal(packet_build_udp(out, sizeof out, &v6, &v4, payload, 1), 0);
	assert_int_equal(packet_build_udp(out, sizeof out, &v4, &v4, payload, 65535 - 28 + 1), 0);
	assert_int_equal(packet_build_udp(out, sizeof out, &v4, &v4, payload, SIZE_MAX), 0);
	assert_int_equal(packet_build_udp(out, sizeof out, &v4, &v4, payload, 65535 - 28), 65535);
}

/* A sum of zero is written as 0xffff: zero would say that there is none (RFC 768). */
static void computed_sum_that_becomes_zero(void **state)
{
	uint8_t out[64], payload[2] = {0, 0};
	struct endpoint src, dst;
	struct packet_udp udp;
	size_t length;

	(void)state;
	assert_true(endpoint_parse("192.0.2.1:500", &src) && endpoint_parse("192.0.2.2:500", &dst));
	length = packet_build_udp(out, sizeof out, &src, &dst, payload, sizeof payload);
	assert_int_equal(packet_parse_udp(out, length, &udp), PACKET_UDP);
	memcpy(payload, udp.udp + 6, sizeof payload); /* the sum as payload: the new sum is zero */
	length = packet_build_udp(out, sizeof out, &src, &dst, payload, sizeof payload);
	assert_int_equal(packet_parse_udp(out, length, &udp), PACKET_UDP);
	assert_int_equal(udp.udp[6], 0xff);
	assert_int_equal(udp.udp[7], 0xff);
	assert_true(packet_checksum_ok(&udp));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes),
		cmocka_unit_test(addresses_and_ports),
		cmocka_unit_test(broken_headers),
		cmocka_unit_test(routing_header_with_segments_left),
		cmocka_unit_test(extension_past_the_end),
		cmocka_unit_test(longest_packets),
		cmocka_unit_test(finds_the_ike_message),
		cmocka_unit_test(finds_esp),
		cmocka_unit_test(random_edits),
		cmocka_unit_test(sum_that_becomes_zero),
		cmocka_unit_test(none_stays_none),
		cmocka_unit_test(damaged_stays_damaged),
		cmocka_unit_test(damaged_ipv4_header),
		cmocka_unit_test(replaces_payloads),
		cmocka_unit_test(replacement_that_does_not_fit),
		cmocka_unit_test(kinds_have_names),
		cmocka_unit_test(builds_packets),
		cmocka_unit_test(does_not_build),
		cmocka_unit_test(computed_sum_that_becomes_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
