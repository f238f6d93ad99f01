/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints: text both ways, comparison. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nfq/endpoint.h"

#include <string.h>

static void test_there_and_back(void **state)
{
	static const char *const texts[] = {
		"192.0.2.1", "192.0.2.1:500", "2001:db8::1", "[2001:db8::1]:4500", "0.0.0.0:65535",
		"::",        "[::]:1"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char out[ENDPOINT_TEXT_MAX];
		struct endpoint e;

		assert_true(endpoint_parse(texts[i], &e));
		assert_string_equal(endpoint_text(&e, out), texts[i]);
	}
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"192.0.2",
		"192.0.2.1:",
		"192.0.2.1:0",
		"192.0.2.1:65536",
		"192.0.2.1:5x",
		"[192.0.2.1",
		"[::1]500",
		"[::1]:",
		"::1:99999x",
		"host",
		":500",
		"[]:500",
		"192.0.2.1:-5",
		"192.0.2.1 ",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct endpoint e = {.port = 77};

		if (endpoint_parse(texts[i], &e))
			fail_msg("'%s' was accepted", texts[i]);
		assert_int_equal(e.port, 77);
	}
}

static void test_comparison(void **state)
{
	struct endpoint a, b, c, d;

	(void)state;
	assert_true(endpoint_parse("192.0.2.1:500", &a));
	assert_true(endpoint_parse("192.0.2.1:4500", &b));
	assert_true(endpoint_parse("192.0.2.2:500", &c));
	assert_true(endpoint_parse("[c000:201::]:500", &d));
	assert_true(endpoint_same_host(&a, &b));
	assert_false(endpoint_equal(&a, &b));
	assert_false(endpoint_same_host(&a, &c));
	assert_false(endpoint_same_host(&a, &d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_comparison),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
