/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/stack/whack: lines as libreswan 4.x (recorded from 4.10, and older ones as users posted them) and 5.x print them;
 * each also at every truncation, in a buffer that ends with it. */
#include "shim/stack/whack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct expected {
	const char *line;
	enum whack_kind kind;
	const char *connection;
	uint64_t number, parent;
	const char *peer; /* "" none */
	bool established, quick;
	uint32_t spi_out, spi_in;
	const char *id;
};

static const struct expected lines[] = {
	/* 4.10 */
	{"000 #1: \"l2tp\"[2] 203.0.113.2:22615 STATE_MAIN_R3 (IKE SA established); EXPIRE in 28791s; "
	 "newest; "
	 "lastdpd=-1s(seq in:0 out:0); idle;",
	 WHACK_STATE, "\"l2tp\"[2]", 1, 0, "203.0.113.2:22615", true, false, 0, 0, ""},
	{"000 #2: \"l2tp\"[2] 203.0.113.2:22615 STATE_QUICK_R2 (IPsec SA established); EXPIRE in 28799s; "
	 "newest; eroute "
	 "owner; ISAKMP SA #1; idle;",
	 WHACK_STATE, "\"l2tp\"[2]", 2, 1, "203.0.113.2:22615", true, true, 0, 0, ""},
	{"000 #3: \"l2tp\"[2] 203.0.113.2 esp.7bcb3362@203.0.113.2 esp.bde0ea0@203.0.113.1 Traffic: ESPin=0B "
	 "ESPout=0B "
	 "ESPmax=2^63B ",
	 WHACK_SAS, "\"l2tp\"[2]", 3, 0, "203.0.113.2", false, false, 0x7bcb3362, 0xbde0ea0, ""},
	{"000 #9: \"l2tp\"[2] 203.0.113.2:500 STATE_MAIN_I1 (sent Main Mode request); RETRANSMIT in -2s; "
	 "nodpd; idle;",
	 WHACK_STATE, "\"l2tp\"[2]", 9, 0, "203.0.113.2:500", false, false, 0, 0, ""},
	{"000 #6: \"l2tp\"[3] 203.0.113.2:26543 STATE_QUICK_R1 (sent Quick Mode reply, inbound IPsec SA "
	 "installed, expecting "
	 "confirmation); RETRANSMIT in 0s; idle;",
	 WHACK_STATE, "\"l2tp\"[3]", 6, 0, "203.0.113.2:26543", false, true, 0, 0, ""},
	{"000 \"l2tp\"[2]:   our idtype: ID_IPV4_ADDR; our id=203.0.113.1; their idtype: ID_IPV4_ADDR; their "
	 "id=192.168.50.11",
	 WHACK_ID, "\"l2tp\"[2]", 0, 0, "", false, false, 0, 0, "192.168.50.11"},
	{"000 \"l2tp\":   our idtype: ID_IPV4_ADDR; our id=203.0.113.1; their idtype: %none; their id=(none)",
	 WHACK_OTHER, "", 0, 0, "", false, false, 0, 0, ""},
	{"000 \"l2tp\"[2]: "
	 "203.0.113.1/32:UDP/1701===203.0.113.1...203.0.113.2[192.168.50.11]===203.0.113.2/32:UDP/1701; "
	 "erouted; eroute owner: #4",
	 WHACK_OTHER, "", 0, 0, "", false, false, 0, 0, ""},
	/* 4.x, a site-to-site tunnel, IKEv2 */
	{"000 #2: \"a/1x1\":4500 STATE_V2_ESTABLISHED_CHILD_SA (established Child SA); LIVENESS in 26s; "
	 "REKEY in 2959s; "
	 "REPLACE in 3596s; newest; eroute owner; IKE SA #1; idle;",
	 WHACK_STATE, "\"a/1x1\"", 2, 1, "", true, true, 0, 0, ""},
	{"000 #2: \"a/1x1\" esp.9894a50e@192.0.2.55 esp.84ac8cb5@10.0.0.5 tun.0@192.0.2.55 tun.0@10.0.0.5 "
	 "Traffic: ESPin=0B "
	 "ESPout=0B ESPmax=2^63B",
	 WHACK_SAS, "\"a/1x1\"", 2, 0, "192.0.2.55", false, false, 0x9894a50e, 0x84ac8cb5, ""},
	{"000 #1: \"a\":500 STATE_V2_ESTABLISHED_IKE_SA (established IKE SA); REKEY in 27980s; REPLACE in "
	 "28250s; newest; "
	 "idle;",
	 WHACK_STATE, "\"a\"", 1, 0, "", true, false, 0, 0, ""},
	/* 3.x */
	{"000 #20: \"L2TP-PSK-noNAT\"[1] 192.0.2.147:500 STATE_QUICK_R2 (IPsec SA established); "
	 "EVENT_SA_REPLACE in 2182s; "
	 "newest IPSEC; eroute owner; isakmp#13; idle; import:not set",
	 WHACK_STATE, "\"L2TP-PSK-noNAT\"[1]", 20, 13, "192.0.2.147:500", true, true, 0, 0, ""},
	{"000 #20: \"L2TP-PSK-noNAT\"[1] 192.0.2.147 esp.dc2266da@192.0.2.147 esp.8a464c90@192.0.2.146 ref=0 "
	 "refhim=4294901761",
	 WHACK_SAS, "\"L2TP-PSK-noNAT\"[1]", 20, 0, "192.0.2.147", false, false, 0xdc2266da, 0x8a464c90, ""},
	{"000 #13: \"L2TP-PSK-noNAT\"[1] 192.0.2.147:500 STATE_MAIN_R3 (sent MR3, ISAKMP SA established); "
	 "EVENT_SA_REPLACE in "
	 "1679s; newest ISAKMP; lastdpd=2s(seq in:0 out:0); idle; import:not set",
	 WHACK_STATE, "\"L2TP-PSK-noNAT\"[1]", 13, 0, "192.0.2.147:500", true, false, 0, 0, ""},
	/* 5.x: no prefix, shorter state names, later the story alone */
	{"#11: \"l2tp\"[2] 203.0.113.2:4500 QUICK_R2 (established IPsec SA); EXPIRE in 28799s; newest; "
	 "eroute owner; ISAKMP "
	 "SA #10; idle;",
	 WHACK_STATE, "\"l2tp\"[2]", 11, 10, "203.0.113.2:4500", true, true, 0, 0, ""},
	{"#10: \"l2tp\"[2] 203.0.113.2:4500 MAIN_R3 (established IKE SA); EXPIRE in 28798s; newest; nodpd; "
	 "idle;",
	 WHACK_STATE, "\"l2tp\"[2]", 10, 0, "203.0.113.2:4500", true, false, 0, 0, ""},
	{"#10: \"l2tp\"[2] 203.0.113.2:4500 MAIN_R2 (open IKE SA); RETRANSMIT in 0s; nodpd; idle;",
	 WHACK_STATE, "\"l2tp\"[2]", 10, 0, "203.0.113.2:4500", false, false, 0, 0, ""},
	{"#11: \"l2tp\"[2] 203.0.113.2 used 4s ago; esp.e691eb15@203.0.113.2 esp.482f87f0@203.0.113.1 "
	 "Traffic: ESPin=0B",
	 WHACK_SAS, "\"l2tp\"[2]", 11, 0, "203.0.113.2", false, false, 0xe691eb15, 0x482f87f0, ""},
	{"#11107: \"private-or-clear#10.106.2.0/24\"[1478] ...10.106.2.35:500 ESTABLISHED_CHILD_SA "
	 "(established Child SA); "
	 "REKEY in 28103s; newest; eroute owner; IKE SA #11104; idle;",
	 WHACK_STATE, "\"private-or-clear#10.106.2.0/24\"[1478]", 11107, 11104, "10.106.2.35:500", true, true,
	 0, 0, ""},
	{"#4: \"west\":500 established Child SA; REKEY in 9s; REPLACE in 9s; newest; eroute owner; IKE SA "
	 "#3; idle;",
	 WHACK_STATE, "\"west\"", 4, 3, "", true, true, 0, 0, ""},
	{"#3: \"west\":500 established IKE SA; REPLACE in 9s; newest; idle;", WHACK_STATE, "\"west\"", 3, 0,
	 "", true, false, 0, 0, ""},
	{"\"l2tp\"[1]:   our idtype: ID_FQDN; our id=@east; their idtype: ID_DER_ASN1_DN; their id=C=CA, "
	 "O=Libreswan, CN=road; "
	 "more: none",
	 WHACK_ID, "\"l2tp\"[1]", 0, 0, "", false, false, 0, 0, "C=CA, O=Libreswan, CN=road"},
	/* IPv6, and over TCP */
	{"000 #7: \"l2tp\"[3] 2001:db8::2:4500 STATE_MAIN_R3 (IKE SA established); EXPIRE in 1s; newest; "
	 "nodpd; idle;",
	 WHACK_STATE, "\"l2tp\"[3]", 7, 0, "[2001:db8::2]:4500", true, false, 0, 0, ""},
	{"000 #8: \"l2tp\"[3] 2001:db8::2 esp.1@2001:db8::2 esp.ffffffff@2001:db8::1 Traffic: ESPin=0B",
	 WHACK_SAS, "\"l2tp\"[3]", 8, 0, "2001:db8::2", false, false, 1, 0xffffffff, ""},
	{"#7: \"l2tp\"[3] 203.0.113.2:4500(tcp) MAIN_R3 (established IKE SA); idle;", WHACK_STATE,
	 "\"l2tp\"[3]", 7, 0, "203.0.113.2:4500", true, false, 0, 0, ""},
	/* what is no state */
	{"000 #1: pending Phase 2 for \"l2tp\"[2] 203.0.113.2", WHACK_OTHER, "", 0, 0, "", false, false, 0, 0,
	 ""},
	{"000 IKE SAs: total(1), half-open(0), open(0), authenticated(1), anonymous(0)", WHACK_OTHER, "", 0,
	 0, "", false, false, 0, 0, ""},
	{"000  ", WHACK_OTHER, "", 0, 0, "", false, false, 0, 0, ""},
	{"", WHACK_OTHER, "", 0, 0, "", false, false, 0, 0, ""},
	{"000 #99999999999999999999: \"l2tp\"[2] 203.0.113.2:4500 STATE_MAIN_R3 (IKE SA established)",
	 WHACK_OTHER, "", 0, 0, "", false, false, 0, 0, ""},
	{"000 #1: \"l2tp\"[2] 203.0.113.2:99999 STATE_MAIN_R3 (IKE SA established)", WHACK_OTHER, "", 0, 0,
	 "", false, false, 0, 0, ""},
	{"000 #1: \"l2tp\"[2] 203.0.113.2 esp.123456789@203.0.113.2 esp.1@203.0.113.1", WHACK_OTHER, "", 0, 0,
	 "", false, false, 0, 0, ""},
};

static void take(void *ctx, const struct whack_line *line)
{
	*(struct whack_line *)ctx = *line;
}

static bool parse(const char *line, size_t length, struct whack_line *out)
{
	char *exact = malloc(length ? length : 1);

	memcpy(exact, line, length);
	*out = (struct whack_line){.kind = WHACK_OTHER};
	whack_parse(exact, length, take, out);
	free(exact);
	return out->kind != WHACK_OTHER;
}

static void check(const struct expected *e)
{
	struct endpoint peer = {.addr_len = 0};
	struct whack_line got;
	const bool known = parse(e->line, strlen(e->line), &got);

	if (known != (e->kind != WHACK_OTHER))
		fail_msg("%s: %s", known ? "taken" : "not taken", e->line);
	if (!known)
		return;
	if (*e->peer)
		assert_true(endpoint_parse(e->peer, &peer));
	if (got.kind != e->kind || strcmp(got.connection, e->connection) != 0 || got.number != e->number ||
	    got.parent != e->parent || got.established != e->established || got.quick != e->quick ||
	    got.spi_out != e->spi_out || got.spi_in != e->spi_in || strcmp(got.id, e->id) != 0)
		fail_msg("kind %d %s #%llu of #%llu, established %d, quick %d, %x %x, id %s: %s", got.kind,
			 got.connection, (unsigned long long)got.number, (unsigned long long)got.parent,
			 got.established, got.quick, got.spi_out, got.spi_in, got.id, e->line);
	assert_true(endpoint_same_host(&got.peer, &peer));
	if (*e->peer)
		assert_int_equal(got.peer.port, peer.port);
}

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		check(&lines[i]);
}

static void test_every_truncation(void **state)
{
	struct whack_line got;

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		for (size_t length = 0; length < strlen(lines[i].line); length++)
			if (parse(lines[i].line, length, &got) && got.number)
				assert_int_not_equal(got.kind, WHACK_ID);
}

static void count_line(void *ctx, const struct whack_line *line)
{
	unsigned *counts = ctx;

	counts[line->kind]++;
}

static void test_a_whole_output(void **state)
{
	char text[8192] = "";
	unsigned counts[4] = {0}, expected[4] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		strcat(text, lines[i].line);
		strcat(text, "\n");
		expected[lines[i].kind]++;
	}
	whack_parse(text, strlen(text), count_line, counts);
	expected[WHACK_OTHER] = 0;
	for (int i = 0; i < 4; i++)
		assert_int_equal(counts[i], expected[i]);
	counts[WHACK_STATE] = 0;
	whack_parse(lines[0].line, strlen(lines[0].line), count_line, counts); /* no newline at the end */
	assert_int_equal(counts[WHACK_STATE], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_a_whole_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
