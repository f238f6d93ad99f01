/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/explain: vendor IDs are the MD5 of their texts; causes are checks; fragments; captures of vectors cut and changed at every
 * byte; bounds. What is told of real exchanges is tests/net/test_explain's. */
#include "shim/explain/render.h"

#include "nfq/packet.h"
#include "nfq/pcap.h"
#include "shim/bridge/dh.h"
#include "shim/check/check.h"
#include "shim/explain/vendors.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PACKET_MAX = 2048, PACKETS_MAX = 64 };

static const struct explain_config config = {.bridge_groups =
						     DH_GROUP_BIT(1) | DH_GROUP_BIT(2) | DH_GROUP_BIT(5)};

/* Vendor IDs */

static void vendor_ids_are_md5_of_their_texts(void **state)
{
	(void)state;
	for (const struct known_vendor *known = known_vendors; known->text; known++) {
		uint8_t md5[EVP_MAX_MD_SIZE];
		unsigned length;

		assert_int_equal(EVP_Digest(known->text, strlen(known->text), md5, &length, EVP_md5(), NULL),
				 1);
		assert_int_equal(length, sizeof known->id);
		assert_memory_equal(md5, known->id, sizeof known->id);
		assert_in_range(known->same, 8, sizeof known->id);
	}
}

static void names_vendor_ids(void **state)
{
	static const struct {
		const char *body;
		size_t length;
		enum vendor_mark mark;
		const char *name;
	} cases[] = {
		{"\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f", 16, VENDOR_MARK_NAT_T,
		 "RFC 3947"},
		{"\xcd\x60\x46\x43\x35\xdf\x21\xf8\x7c\xfd\xb2\xfc\x68\xb6\xa4\x48", 16, VENDOR_MARK_NAT_T,
		 "NAT-T draft 02"},
		{"\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57\x01\x00", 16, VENDOR_MARK_DPD,
		 "DPD"},
		{"\x09\x00\x26\x89\xdf\xd6\xb7\x12", 8, VENDOR_MARK_XAUTH, "XAUTH"},
		{"\x12\xf5\xf2\x8c\x45\x71\x68\xa9\x70\x2d\x9f\xe2\x74\xcc\x01\x00", 16, VENDOR_MARK_UNITY,
		 "Cisco Unity"},
		{"\x1e\x2b\x51\x69\x05\x99\x1c\x7d\x7c\x96\xfc\xbf\xb5\x87\xe4\x61\0\0\0\x09", 20,
		 VENDOR_MARK_WINDOWS, "Microsoft, version 9"},
		{"\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3\x80\0\0\0", 20,
		 VENDOR_MARK_FRAGMENTATION, "IKE fragmentation"},
		{"OE-Libreswan-4.10", 17, VENDOR_MARK_LIBRESWAN, "\"OE-Libreswan-4.10\""},
		{"OEkRbGXRvmPE", 12, VENDOR_MARK_OPENSWAN, "\"OEkRbGXRvmPE\""},
		{"OE, a longer one", 16, VENDOR_MARK_UNKNOWN, "\"OE, a longer one\""},
		{"a text that is longer than what is shown", 40, VENDOR_MARK_UNKNOWN,
		 "\"a text that is longer th...\""},
		{"\x1b[2J", 4, VENDOR_MARK_UNKNOWN, "unknown 1b5b324a"},
		{"", 0, VENDOR_MARK_UNKNOWN, "unknown (empty)"},
	};
	char name[VENDOR_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t *body = malloc(cases[i].length ? cases[i].length : 1); /* flush against its end */

		memcpy(body, cases[i].body, cases[i].length);
		assert_int_equal(vendor_name(body, cases[i].length, name), cases[i].mark);
		assert_string_equal(name, cases[i].name);
		free(body);
	}
	assert_int_equal(vendor_windows_version((const uint8_t *)cases[5].body, 20), 9);
	assert_int_equal(vendor_windows_version((const uint8_t *)cases[5].body, 16), 0);
}

/* Verdicts */

static void causes_are_checks(void **state)
{
	const struct explain_verdict *verdict;
	size_t causes = 0;

	(void)state;
	for (size_t n = 0; (verdict = explain_verdict_at(n)); n++) {
		for (unsigned i = 0; verdict->causes[i]; i++, causes++)
			assert_non_null(check_find(verdict->causes[i]));
		assert_true(verdict->works || *verdict->where);
		assert_int_equal(verdict->why[strlen(verdict->why) - 1], '.');
		assert_int_equal(verdict->help[strlen(verdict->help) - 1], '.');
		for (size_t m = 0; m < n; m++)
			assert_string_not_equal(verdict->id, explain_verdict_at(m)->id);
	}
	assert_true(causes > 30);
	assert_null(check_find("no-such-check"));
}

/* Fragments */

struct pieces {
	uint8_t packet[PACKET_MAX];
	size_t length;
};

/* IPv4 of 1,000 bytes of payload: a UDP datagram from port 500 to 500. */
static struct pieces whole_packet(void)
{
	struct pieces p;
	uint8_t payload[1000];
	struct endpoint src, dst;

	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)(i * 7);
	assert_true(endpoint_parse("192.0.2.9:500", &src) && endpoint_parse("198.51.100.1:500", &dst));
	p.length = packet_build_udp(p.packet, sizeof p.packet, &src, &dst, payload, sizeof payload);
	assert_true(p.length > 0);
	return p;
}

static void put_be16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The bytes from..to of a packet's payload as a fragment, in memory of just that size. */
static uint8_t *cut_ipv4(const struct pieces *p, size_t from, size_t to, bool more, uint16_t id,
			 size_t *length)
{
	uint8_t *fragment = malloc(20 + to - from);

	memcpy(fragment, p->packet, 20);
	memcpy(fragment + 20, p->packet + 20 + from, to - from);
	put_be16(fragment + 2, 20 + to - from);
	put_be16(fragment + 4, id);
	put_be16(fragment + 6, from / 8 | (more ? 0x2000 : 0));
	*length = 20 + to - from;
	return fragment;
}

static enum fragment_status add(struct fragments *f, const struct pieces *p, size_t from, size_t to,
				bool more, uint16_t id, const uint8_t **whole, size_t *whole_length)
{
	size_t length;
	uint8_t *fragment = cut_ipv4(p, from, to, more, id, &length);
	const enum fragment_status status = fragments_add(f, fragment, length, whole, whole_length);

	free(fragment);
	return status;
}

static void joins_fragments_in_any_order(void **state)
{
	static const size_t cuts[] = {0, 400, 800, 1008};
	static const unsigned orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0},
					     {1, 0, 2}, {2, 0, 1}, {0, 2, 1}};
	struct pieces p = whole_packet();
	const uint8_t *whole;
	size_t length;

	(void)state;
	for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
		struct fragments *f = fragments_new();
		struct packet_udp udp;

		for (unsigned i = 0; i < 3; i++) {
			const unsigned n = orders[o][i];
			const enum fragment_status status =
				add(f, &p, cuts[n], cuts[n + 1], n < 2, 7, &whole, &length);

			assert_int_equal(status, i < 2 ? FRAGMENT_WAITS : FRAGMENT_WHOLE);
			if (i == 0) /* the same once more */
				assert_int_equal(add(f, &p, cuts[n], cuts[n + 1], n < 2, 7, &whole, &length),
						 FRAGMENT_WAITS);
		}
		assert_int_equal(length, p.length);
		assert_memory_equal(whole + 20, p.packet + 20, length - 20);
		uint8_t *copy = malloc(length);

		memcpy(copy, whole, length);
		assert_int_equal(packet_parse_udp(copy, length, &udp), PACKET_UDP);
		free(copy);
		assert_int_equal(fragments_stats(f).joined, 1);
		assert_int_equal(fragments_stats(f).waiting, 0);
		fragments_free(f);
	}
}

static void joins_fragments_of_ipv6(void **state)
{
	struct fragments *f = fragments_new();
	uint8_t first[40 + 8 + 16], last[40 + 8 + 5];
	const uint8_t *whole;
	size_t length;

	(void)state;
	memset(first, 0, sizeof first);
	first[0] = 0x60;
	put_be16(first + 4, sizeof first - 40);
	first[6] = 44;
	first[40] = 17;
	put_be16(first + 42, 1); /* more */
	memset(first + 48, 'a', 16);
	memcpy(last, first, 48);
	put_be16(last + 4, sizeof last - 40);
	put_be16(last + 42, 16);
	memset(last + 48, 'b', 5);
	assert_int_equal(fragments_add(f, first, sizeof first, &whole, &length), FRAGMENT_WAITS);
	assert_int_equal(fragments_add(f, last, sizeof last, &whole, &length), FRAGMENT_WHOLE);
	assert_int_equal(length, 40 + 16 + 5);
	assert_int_equal(whole[6], 17);
	assert_int_equal(whole[5], 21);
	assert_memory_equal(whole + 40, "aaaaaaaaaaaaaaaabbbbb", 21);
	for (size_t cut = 0; cut < sizeof first; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);

		memcpy(copy, first, cut);
		assert_int_not_equal(fragments_add(f, copy, cut, &whole, &length), FRAGMENT_WHOLE);
		free(copy);
	}
	fragments_free(f);
}

static void refuses_fragments_that_contradict(void **state)
{
	struct pieces p = whole_packet();
	struct fragments *f = fragments_new();
	const uint8_t *whole;
	size_t length;

	(void)state;
	/* A last one that ends before what is there; what comes behind the end; an end that moves; a middle one of odd length. */
	assert_int_equal(add(f, &p, 800, 808, true, 1, &whole, &length), FRAGMENT_WAITS);
	assert_int_equal(add(f, &p, 8, 16, false, 1, &whole, &length), FRAGMENT_BAD);
	assert_int_equal(add(f, &p, 8, 16, false, 2, &whole, &length), FRAGMENT_WAITS);
	assert_int_equal(add(f, &p, 24, 32, true, 2, &whole, &length), FRAGMENT_BAD);
	assert_int_equal(add(f, &p, 8, 16, false, 3, &whole, &length), FRAGMENT_WAITS);
	assert_int_equal(add(f, &p, 16, 24, false, 3, &whole, &length), FRAGMENT_BAD);
	assert_int_equal(add(f, &p, 0, 13, true, 4, &whole, &length), FRAGMENT_BAD);
	assert_int_equal(fragments_stats(f).joined, 0);
	assert_int_equal(fragments_add(f, p.packet, p.length, &whole, &length), FRAGMENT_NONE);
	fragments_free(f);
}

static void fragments_have_a_bound(void **state)
{
	struct pieces p = whole_packet();
	struct fragments *f = fragments_new();
	const uint8_t *whole;
	size_t length;

	(void)state;
	for (uint16_t id = 0; id < 1000; id++)
		assert_int_equal(add(f, &p, 0, 8, true, id, &whole, &length), FRAGMENT_WAITS);
	assert_int_equal(fragments_stats(f).waiting, FRAGMENTS_DATAGRAMS_MAX);
	assert_int_equal(fragments_stats(f).lost, 1000 - FRAGMENTS_DATAGRAMS_MAX);
	assert_int_equal(add(f, &p, 8, 1008, false, 999, &whole, &length),
			 FRAGMENT_WHOLE); /* the newest are kept */
	assert_int_equal(add(f, &p, 8, 1008, false, 0, &whole, &length), FRAGMENT_WAITS);
	fragments_free(f);
}

/* Captures */

struct packets {
	size_t count;
	struct {
		uint8_t data[PACKET_MAX];
		size_t length;
	} packet[PACKETS_MAX];
};

static void load(struct packets *out, const char *name)
{
	char error[CAPTURE_ERROR_MAX], path[128];
	struct capture_reader *reader;
	struct capture_packet packet;

	snprintf(path, sizeof path, "tests/vectors/rewrite/%s.in.pcap", name);
	reader = capture_open(path, error);
	assert_non_null(reader);
	for (out->count = 0;
	     out->count < PACKETS_MAX && capture_next(reader, &packet, error) == CAPTURE_PACKET;) {
		if (!packet.ip)
			continue;
		assert_in_range(packet.ip_length, 1, PACKET_MAX);
		memcpy(out->packet[out->count].data, packet.ip, packet.ip_length);
		out->packet[out->count++].length = packet.ip_length;
	}
	capture_close(reader);
	assert_true(out->count > 2);
}

/* 198.51.100.1 is the server in these. */
static bool to_server(const uint8_t *ip, size_t length)
{
	static const uint8_t server[] = {198, 51, 100, 1};

	return length < 20 || memcmp(ip + 12, server, sizeof server) != 0;
}

static void feed(struct explain *explain, const uint8_t *ip, size_t length, uint64_t now)
{
	uint8_t *copy = malloc(length ? length : 1);

	memcpy(copy, ip, length);
	explain_add(explain, &(struct explain_packet){.number = now,
						      .time_ms = now,
						      .direction = to_server(ip, length) ? IKE_TO_SERVER
											 : IKE_TO_CLIENT,
						      .ip = copy,
						      .length = length});
	free(copy);
}

typedef void render_fn(FILE *out, const struct explain_report *report, const struct render_source *source);

static void render_json_too(FILE *out, const struct explain_report *report,
			    const struct render_source *source)
{
	assert_true(render_json(out, report, source));
}

/* In all its forms; nothing that a terminal or a browser would take for a command. */
static void check_renders(struct explain *explain)
{
	static render_fn *const renders[] = {render_text, render_json_too, render_html};
	const struct render_source source = {.name = "x<y>&\"z\".pcap", .packets = 1};
	const struct explain_report *report = explain_end(explain);

	for (size_t i = 0; i < sizeof renders / sizeof *renders; i++) {
		char *text = NULL;
		size_t length = 0;
		FILE *out = open_memstream(&text, &length);

		renders[i](out, report, &source);
		fclose(out);
		assert_true(length > 20);
		for (size_t at = 0; at < length; at++)
			assert_true((text[at] >= ' ' && text[at] <= '~') || text[at] == '\n');
		if (renders[i] == render_html) {
			assert_null(strstr(text, "<y>"));
			assert_null(strstr(text, "<script"));
			assert_non_null(strstr(text, "x&lt;y&gt;&amp;&quot;z&quot;.pcap"));
		}
		free(text);
	}
}

static const char *const vectors[] = {"apple-main", "apple-aggressive", "leopard-main",
				      "apple-server-rekeys"};

static void cut_and_changed_at_every_byte(void **state)
{
	static struct packets p;
	uint8_t changed[PACKET_MAX];

	(void)state;
	for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
		struct explain *explain = explain_new(&config);
		uint64_t now = 1000;

		load(&p, vectors[v]);
		for (size_t n = 0; n < p.count; n++) {
			for (size_t at = 0; at < p.packet[n].length; at++) {
				feed(explain, p.packet[n].data, at, now++);
				memcpy(changed, p.packet[n].data, p.packet[n].length);
				changed[at] ^= (uint8_t)(1U << at % 8);
				feed(explain, changed, p.packet[n].length, now++);
				changed[at] = 0xff;
				feed(explain, changed, p.packet[n].length, now++);
			}
			feed(explain, p.packet[n].data, p.packet[n].length, now++);
		}
		check_renders(explain);
		assert_in_range(explain_end(explain)->clients, 1, EXPLAIN_CLIENTS_MAX);
		explain_free(explain);
	}
}

/* More of everything than there is room for: the bounds hold, and what is left out is told. */
static void everything_has_a_bound(void **state)
{
	struct explain *explain = explain_new(&config);
	const struct explain_report *report;
	static struct packets p;
	uint64_t now = 1000;

	(void)state;
	load(&p, "apple-main");
	for (unsigned client = 0; client < 2 * EXPLAIN_CLIENTS_MAX; client++) {
		p.packet[0].data[15] = (uint8_t)client; /* its address */
		for (unsigned attempt = 0; attempt < (client ? 2 : 2 * EXPLAIN_ROWS_MAX); attempt++) {
			put_be16(p.packet[0].data + 28, attempt); /* its cookie */
			feed(explain, p.packet[0].data, p.packet[0].length, now++);
		}
	}
	report = explain_end(explain);
	assert_int_equal(report->clients, EXPLAIN_CLIENTS_MAX);
	assert_int_equal(report->lost_messages, 2 * EXPLAIN_CLIENTS_MAX);
	assert_int_equal(report->client[0].attempts, EXPLAIN_ATTEMPTS_MAX);
	assert_int_equal(report->client[0].rows, EXPLAIN_ATTEMPTS_MAX);
	assert_true(report->client[0].rows_lost > 0);
	check_renders(explain);
	explain_free(explain);
}

static void rows_have_a_bound(void **state)
{
	struct explain *explain = explain_new(&config);
	const struct explain_report *report;
	static struct packets p;
	uint64_t now = 1000;

	(void)state;
	load(&p, "apple-main");
	for (size_t n = 0; n < p.count; n++)
		feed(explain, p.packet[n].data, p.packet[n].length, now++);
	for (unsigned i = 0; i < 2 * EXPLAIN_ROWS_MAX; i++) { /* each time another last byte of message 3 */
		put_be16(p.packet[2].data + p.packet[2].length - 2, i);
		feed(explain, p.packet[2].data, p.packet[2].length, now += 10);
	}
	report = explain_end(explain);
	assert_int_equal(report->clients, 1);
	assert_int_equal(report->client[0].rows, EXPLAIN_ROWS_MAX);
	assert_true(report->client[0].rows_lost > EXPLAIN_ROWS_MAX / 2);
	check_renders(explain);
	explain_free(explain);
}

static void wraps_lines(void **state)
{
	(void)state;
	assert_int_equal(render_wrap("short", 10), 5);
	assert_int_equal(render_wrap("two words here", 10), 9);
	assert_int_equal(render_wrap("one\nmore", 10), 3);
	assert_int_equal(render_wrap("unbreakablelongword", 10), 10);
	assert_string_equal(render_next_line("one\nmore", 3), "more");
	assert_string_equal(render_next_line("unbreakablelongword", 10), "elongword");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vendor_ids_are_md5_of_their_texts),
		cmocka_unit_test(names_vendor_ids),
		cmocka_unit_test(causes_are_checks),
		cmocka_unit_test(joins_fragments_in_any_order),
		cmocka_unit_test(joins_fragments_of_ipv6),
		cmocka_unit_test(refuses_fragments_that_contradict),
		cmocka_unit_test(fragments_have_a_bound),
		cmocka_unit_test(cut_and_changed_at_every_byte),
		cmocka_unit_test(everything_has_a_bound),
		cmocka_unit_test(rows_have_a_bound),
		cmocka_unit_test(wraps_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
