/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/stack/ppp: pppd's command line, and the echo that is sent. */
#include "shim/stack/ppp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINE(s) s, sizeof s /* its last string's zero included */

static bool param(const char *line, size_t length, struct endpoint *out)
{
	char *exact = malloc(length ? length : 1);

	memcpy(exact, line, length);
	const bool found = ppp_ipparam(exact, length, out);

	free(exact);
	return found;
}

static void test_ipparam(void **state)
{
	struct endpoint expected, got;

	(void)state;
	assert_true(endpoint_parse("203.0.113.2", &expected));
	assert_true(param(LINE("/usr/sbin/pppd\0plugin\0pppol2tp.so\0ipparam\000203.0.113.2\0debug"), &got));
	assert_true(endpoint_equal(&got, &expected));
	assert_true(param(LINE("pppd\0ipparam\000203.0.113.2"), &got));
	assert_false(param(LINE("pppd\0debug"), &got));
	assert_false(param(LINE("pppd\0ipparam"), &got));
	assert_false(param(LINE("pppd\0ipparam\0office"), &got));
	assert_false(param(LINE("pppd\0xipparam\000203.0.113.2"), &got));
	assert_false(param("", 0, &got));
}

static void test_every_truncation(void **state)
{
	static const char line[] = "pppd\0ipparam\000203.0.113.2\0debug";
	struct endpoint got;

	(void)state;
	for (size_t cut = 0; cut < sizeof line; cut++)
		assert_int_equal(param(line, cut, &got), cut >= sizeof "pppd\0ipparam\000203.0.113.2");
}

static void test_interfaces_of_a_tunnel(void **state)
{
	static const char text[] =
		"PPPoL2TP driver info, V2.0\n"
		"TUNNEL name, user-data-ok session-count\n"
		" debug tx-pkts/bytes/errs rx-pkts/bytes/errs\n"
		"  SESSION name, addr/port src-tid/sid dest-tid/sid state user-data-ok\n"
		"\nTUNNEL 'tunl 23728', Y 1\n 00000000 4/100/0 5/100/0\n"
		"  SESSION 'sess 23728/39485' CB007101/1701 5CB0/9A3D -> 0001/0002 1 Y\n"
		"   0/0/recvonly none 0 0 0\n   4/5 4/100/0 5/100/0\n   interface ppp0\n"
		"  SESSION 'sess 23728/7' CB007101/1701 5CB0/0007 -> 0001/0003 1 Y\n   interface ppp3\n"
		"\nTUNNEL 'tunl 9', Y 1\n  SESSION 'sess 9/7' CB007101/1701 0009/0007 -> 0001/0003 1 Y\n"
		"   interface ppp1\n";
	char name[PPP_NAME_MAX];

	(void)state;
	assert_true(ppp_of_tunnel(text, 23728, 0, name));
	assert_string_equal(name, "ppp0");
	assert_true(ppp_of_tunnel(text, 23728, 1, name));
	assert_string_equal(name, "ppp3");
	assert_false(ppp_of_tunnel(text, 23728, 2, name));
	assert_true(ppp_of_tunnel(text, 9, 0, name));
	assert_string_equal(name, "ppp1");
	assert_false(ppp_of_tunnel(text, 10, 0, name));
	assert_false(ppp_of_tunnel("", 9, 0, name));
}

static void test_echo(void **state)
{
	uint8_t echo[PPP_ECHO_LENGTH];
	uint32_t sum = 0;

	(void)state;
	ppp_make_echo(echo, 0xfffe, 0x1234);
	assert_int_equal(echo[0], 8);
	assert_int_equal(echo[4] << 8 | echo[5], 0xfffe);
	assert_int_equal(echo[6] << 8 | echo[7], 0x1234);
	for (size_t i = 0; i < sizeof echo; i += 2)
		sum += (uint32_t)(echo[i] << 8 | echo[i + 1]);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
}

static void test_nobody(void **state)
{
	char text[STACK_TEXT_MAX] = "";
	struct endpoint client;

	(void)state;
	assert_true(endpoint_parse("192.0.2.77", &client));
	assert_int_equal(ppp_warm(&client, text), -ENOENT);
	assert_string_equal(text, "ppp: no PPP interface is this client's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipparam),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_interfaces_of_a_tunnel),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
