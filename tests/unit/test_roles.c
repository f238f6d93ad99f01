/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/roles: who is the server, from the order of first messages and from what was named. */
#include "shim/cmd/roles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct endpoint at(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

enum { UNKNOWN = 99 };

static int direction(struct roles *roles, const char *src, const char *dst, bool first)
{
	const struct endpoint from = at(src), to = at(dst);
	enum ike_direction found;

	return roles_direction(roles, &from, &to, first, &found) ? (int)found : UNKNOWN;
}

static int setup(void **state)
{
	*state = roles_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	roles_free(*state);
	return 0;
}

static void the_initiator_is_the_client(void **state)
{
	assert_int_equal(direction(*state, "10.0.0.1:500", "10.0.0.2:500", false), UNKNOWN);
	assert_int_equal(direction(*state, "10.0.0.1:500", "10.0.0.2:500", true), IKE_TO_SERVER);
	assert_int_equal(direction(*state, "10.0.0.2:500", "10.0.0.1:500", false), IKE_TO_CLIENT);
	assert_int_equal(direction(*state, "10.0.0.1:4500", "10.0.0.2:4500", false), IKE_TO_SERVER);
}

static void once_a_server(void **state)
{
	direction(*state, "10.0.0.1:500", "10.0.0.2:500", true);
	assert_int_equal(direction(*state, "10.0.0.2:500", "10.0.0.1:500", true), IKE_TO_CLIENT);
	assert_int_equal(direction(*state, "10.0.0.2:500", "10.0.0.3:500", true), IKE_TO_CLIENT);
	assert_int_equal(direction(*state, "10.0.0.3:500", "10.0.0.2:500", false), IKE_TO_SERVER);
	assert_int_equal(direction(*state, "10.0.0.2:500", "10.0.0.4:500", false), IKE_TO_CLIENT);
	assert_int_equal(direction(*state, "10.0.0.5:500", "10.0.0.6:500", false), UNKNOWN);
}

static void a_server_may_be_another_ones_client(void **state)
{
	direction(*state, "10.0.0.1:500", "10.0.0.2:500", true);
	direction(*state, "10.0.0.8:500", "10.0.0.9:500", true);
	assert_int_equal(direction(*state, "10.0.0.2:500", "10.0.0.9:500", true), IKE_TO_SERVER);
	assert_int_equal(direction(*state, "10.0.0.9:500", "10.0.0.2:500", true), IKE_TO_CLIENT);
	assert_int_equal(direction(*state, "10.0.0.2:500", "10.0.0.1:500", true), IKE_TO_CLIENT);
}

static void only_named_servers(void **state)
{
	const struct endpoint server = at("2001:db8::1");

	assert_true(roles_name_server(*state, &server));
	assert_true(roles_name_server(*state, &server));
	assert_int_equal(direction(*state, "[2001:db8::1]:500", "[2001:db8::2]:500", true), IKE_TO_CLIENT);
	assert_int_equal(direction(*state, "[2001:db8::3]:500", "[2001:db8::1]:500", true), IKE_TO_SERVER);
	assert_int_equal(direction(*state, "[2001:db8::3]:500", "[2001:db8::1]:500", false), IKE_TO_SERVER);
	assert_int_equal(direction(*state, "[2001:db8::3]:500", "[2001:db8::4]:500", true), UNKNOWN);
	assert_int_equal(direction(*state, "32.1.13.184:500", "10.0.0.1:500", true), UNKNOWN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_initiator_is_the_client),
		TEST(once_a_server),
		TEST(a_server_may_be_another_ones_client),
		TEST(only_named_servers),
	};

	roles_free(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
