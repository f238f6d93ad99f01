/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/filter: the way of a packet, its counters, its line in the log. The translation itself is ike's
 * matter; here an Apple client's first message stands for all of them. */
#include "shim/filter.h"
#include "tests/unit/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IPV4_AND_UDP = 28, MESSAGE = 28 + 52 + 20, LENGTH = IPV4_AND_UDP + MESSAGE };

/* MM1: SA (3DES, SHA1, PSK, group 2) and Apple's vendor ID, from 192.0.2.9 to 198.51.100.1. */
static const uint8_t main_mode_1[LENGTH] =
	"\x45\x00\x00\x80\x00\x01\x00\x00\x40\x11\x00\x00\xc0\x00\x02\x09\xc6\x33\x64\x01"
	"\x01\xf4\x01\xf4\x00\x6c\x00\x00"
	"\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01\x10\x02\x00\x00\x00\x00\x00\x00"
	"\x00\x00\x64"
	"\x0d\x00\x00\x34\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x28\x01\x01\x00\x01\x00\x00\x00\x20\x01"
	"\x01\x00\x00"
	"\x80\x0b\x00\x01\x80\x0c\x0e\x10\x80\x01\x00\x05\x80\x03\x00\x01\x80\x02\x00\x02\x80\x04\x00\x02"
	"\x00\x00\x00\x14\x4d\xf3\x79\x28\xe9\xfc\x4f\xd1\xb3\x26\x21\x70\xd5\x15\xc6\x62";

static const uint8_t rfc_3947[16] = "\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f";

static int setup(void **state)
{
	struct filter *filter = calloc(1, sizeof *filter);

	filter->ike = ike_table_new(&(struct ike_config){.max_peers = 8});
	*state = filter;
	return filter->ike ? 0 : -1;
}

static int teardown(void **state)
{
	struct filter *filter = *state;

	ike_table_free(filter->ike);
	l2tp_table_free(filter->l2tp);
	free(filter);
	return 0;
}

/* With the checksums that a packet on the wire has. */
static void fresh(uint8_t packet[static LENGTH])
{
	struct packet_udp udp;
	unsigned sum = 0;

	memcpy(packet, main_mode_1, LENGTH);
	for (int i = 0; i < 20; i += 2)
		sum += (unsigned)(packet[i] << 8 | packet[i + 1]);
	sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	packet[10] = (uint8_t)(sum >> 8);
	packet[11] = (uint8_t)sum;
	assert_int_equal(packet_parse_udp(packet, LENGTH, &udp), PACKET_UDP);
	for (sum = 1; !packet_checksum_ok(&udp) || sum == 1; sum++) {
		packet[26] = (uint8_t)(sum >> 8);
		packet[27] = (uint8_t)sum;
	}
}

static void rewrites_and_keeps_the_checksum(void **state)
{
	struct filter *filter = *state;
	uint8_t packet[LENGTH], before[LENGTH];
	struct packet_udp udp;
	char text[FILTER_TEXT_MAX];

	fresh(packet);
	memcpy(before, packet, LENGTH);
	const struct filter_outcome outcome = filter_packet(filter, 1, IKE_TO_SERVER, packet, LENGTH, LENGTH);

	assert_true(outcome.changed);
	assert_true(outcome.protocol == FILTER_IKE);
	assert_int_equal(outcome.kind, PACKET_UDP);
	assert_int_equal(outcome.ike.dialect, IKE_DIALECT_APPLE);
	assert_int_equal(outcome.ike.actions, IKE_ACT_TRACK);
	assert_memory_equal(packet + LENGTH - 16, rfc_3947, 16);
	assert_memory_equal(packet, before, 26);
	assert_memory_equal(packet + IPV4_AND_UDP, before + IPV4_AND_UDP, MESSAGE - 16);
	assert_int_equal(packet_parse_udp(packet, LENGTH, &udp), PACKET_UDP);
	assert_true(packet_checksum_ok(&udp));
	assert_string_equal(filter_rewrite_text(&outcome.ike, text),
			    "192.0.2.9:500 apple 0102030405060708 main mode 1: vendor ID");
	assert_int_equal(filter->counters.packets, 1);
	assert_int_equal(filter->counters.kinds[PACKET_UDP], 1);
	assert_int_equal(filter->counters.reasons[IKE_REWRITTEN], 1);
	assert_int_equal(filter->counters.not_ike, 0);
}

static void leaves_padding_alone(void **state)
{
	uint8_t packet[LENGTH + 6];

	fresh(packet);
	memset(packet + LENGTH, 0x5a, 6);
	assert_true(filter_packet(*state, 1, IKE_TO_SERVER, packet, sizeof packet, sizeof packet).changed);
	assert_memory_equal(packet + LENGTH, "ZZZZZZ", 6);
}

static void counts_what_it_leaves_alone(void **state)
{
	struct filter *filter = *state;
	uint8_t packet[LENGTH], before[LENGTH];
	static const struct {
		size_t at;
		uint8_t value;
		enum packet_kind kind;
		bool is_ike;
	} cases[] = {
		{9, 6, PACKET_OTHER, false}, /* TCP */
		{6, 0x20, PACKET_FRAGMENT, false},
		{0, 0x44, PACKET_BAD, false},
		{23, 0xf5, PACKET_UDP, false},               /* port 501... */
		{IPV4_AND_UDP + 17, 0x20, PACKET_UDP, true}, /* IKEv2 */
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fresh(packet);
		if (i == 3)
			packet[21] = 0xf5; /* ... on both sides */
		packet[cases[i].at] = cases[i].value;
		memcpy(before, packet, LENGTH);
		const struct filter_outcome outcome =
			filter_packet(filter, 1, IKE_TO_SERVER, packet, LENGTH, LENGTH);

		assert_false(outcome.changed);
		assert_int_equal(outcome.kind, cases[i].kind);
		assert_int_equal(outcome.protocol == FILTER_IKE, cases[i].is_ike);
		assert_memory_equal(packet, before, LENGTH);
	}
	assert_int_equal(filter->counters.packets, 5);
	assert_int_equal(filter->counters.kinds[PACKET_OTHER], 1);
	assert_int_equal(filter->counters.kinds[PACKET_FRAGMENT], 1);
	assert_int_equal(filter->counters.kinds[PACKET_BAD], 1);
	assert_int_equal(filter->counters.kinds[PACKET_UDP], 2);
	assert_int_equal(filter->counters.not_ike, 1);
	assert_int_equal(filter->counters.reasons[IKE_OTHER_VERSION], 1);
}

static void every_truncation(void **state)
{
	struct filter *filter = *state;
	uint8_t packet[LENGTH];

	fresh(packet);
	for (size_t cut = 0; cut < LENGTH; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);

		memcpy(copy, packet, cut);
		assert_false(filter_packet(filter, 1, IKE_TO_SERVER, copy, cut, cut).changed);
		assert_memory_equal(copy, packet, cut);
		free(copy);
	}
	assert_int_equal(filter->counters.kinds[PACKET_BAD], LENGTH);
}

static void longest_line_fits(void **state)
{
	struct ike_result result = {
		.dialect = IKE_DIALECT_DRAFT_02_03,
		.edits = IKE_EDIT_VENDOR_ID | IKE_EDIT_NATD_TYPE | IKE_EDIT_NATD_ORDER | IKE_EDIT_NATOA_TYPE,
		.exchange_type = 4,
		.message_number = UINT32_MAX,
		.server_initiated = true,
	};
	char text[FILTER_TEXT_MAX];

	(void)state;
	assert_true(endpoint_parse("[aaaa:bbbb:cccc:dddd:eeee:ffff:aaaa:bbbb]:65535", &result.peer));
	assert_string_equal(
		filter_rewrite_text(&result, text),
		"[aaaa:bbbb:cccc:dddd:eeee:ffff:aaaa:bbbb]:65535 draft-02/03 0000000000000000 server's "
		"aggressive mode 4294967295: vendor ID, NAT-D type, NAT-D order, NAT-OA type");
}

/* A Mac, and another client that the server sees at the public address of both. */
static const struct endpoint mac = {.addr = {198, 18, 0, 1}, .addr_len = 4, .port = 1701},
			     other = {.addr = {192, 0, 2, 9}, .addr_len = 4, .port = 49152};

static enum ike_dialect dialect_at(void *ctx, uint64_t now_ms, const struct endpoint *at)
{
	++*(unsigned *)ctx;
	assert_int_equal(now_ms, 1000);
	assert_int_equal(at->port, 0); /* that of L2TP says nothing */
	assert_true(endpoint_same_host(at, &mac) || endpoint_same_host(at, &other));
	return endpoint_same_host(at, &mac) ? IKE_DIALECT_LEOPARD : IKE_DIALECT_RFC3947;
}

static void restore_tunnel(struct filter *filter, const struct endpoint *client)
{
	const struct l2tp_tunnel_state tunnel = {.client = *client,
						 .client_tunnel = 0x102,
						 .lns_tunnel = 0x304,
						 .lns_next = 1,
						 .client_next = 2,
						 .client_nr = 1,
						 .heard = true,
						 .from_start = true};

	assert_true(l2tp_table_restore(filter->l2tp, 1000, &tunnel));
}

/* What becomes of the LNS' HELLO for that client. */
static enum l2tp_reason hello_to(struct filter *filter, const struct endpoint *client, uint8_t ns)
{
	const uint8_t hello[] = {0xc8, 2, 0, 20, 1, 2, 0, 0, 0, ns, 0, 2, 0x80, 8, 0, 0, 0, 0, 0, 6};
	const struct endpoint lns = {.addr = {198, 51, 100, 1}, .addr_len = 4, .port = 1701};
	uint8_t packet[128];
	const size_t length = packet_build_udp(packet, sizeof packet, &lns, client, hello, sizeof hello);

	return filter_packet(filter, 1000, IKE_TO_CLIENT, packet, length, sizeof packet).l2tp.reason;
}

/* By a client's own dialect, which whoever keeps it is asked for; and nobody is where no HELLO is absorbed. */
static void hello_is_absorbed_for_the_mac_alone(void **state)
{
	struct filter *filter = *state;
	unsigned asked = 0;

	filter->l2tp = l2tp_table_new(NULL);
	assert_non_null(filter->l2tp);
	filter->dialect = dialect_at;
	filter->dialect_ctx = &asked;
	restore_tunnel(filter, &mac);
	restore_tunnel(filter, &other);
	assert_int_equal(hello_to(filter, &mac, 1), L2TP_ORDINARY);
	assert_int_equal(asked, 0);
	filter->absorb_hello = true;
	assert_int_equal(hello_to(filter, &mac, 2), L2TP_ABSORBED);
	assert_int_equal(hello_to(filter, &other, 2), L2TP_ORDINARY);
	assert_int_equal(asked, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rewrites_and_keeps_the_checksum),
		TEST(leaves_padding_alone),
		TEST(counts_what_it_leaves_alone),
		TEST(every_truncation),
		TEST(longest_line_fits),
		TEST(hello_is_absorbed_for_the_mac_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
