/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a killed natshim left: one after the other, again after a failure, and not for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/daemon/stale_sas.h"

#include <errno.h>
#include <string.h>

static struct bridge_entry entry_of(uint8_t number)
{
	struct bridge_entry entry = {.child_count = 1};

	assert_true(endpoint_parse("192.0.2.9:4500", &entry.client));
	assert_true(endpoint_parse("198.51.100.1:4500", &entry.server));
	entry.client.port = (uint16_t)(entry.client.port + number);
	entry.cookies[0] = number;
	memcpy(entry.children[0].spi_to_server, (const uint8_t[]){1, 2, 3, number}, 4);
	memcpy(entry.children[0].spi_to_client, (const uint8_t[]){9, 8, 7, number}, 4);
	return entry;
}

static struct orphans *with(unsigned count)
{
	struct orphans *orphans = orphans_new();

	assert_non_null(orphans);
	for (unsigned i = 0; i < count; i++) {
		const struct bridge_entry entry = entry_of((uint8_t)i);

		orphans_add(orphans, &entry);
	}
	assert_int_equal(orphans_count(orphans), count);
	return orphans;
}

static void test_one_after_the_other(void **state)
{
	struct orphans *orphans = with(3);
	struct stack_end_request request;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(orphans_next(orphans, 1000, NULL, &request));
		assert_false(orphans_next(orphans, 1000, NULL, &request));
		assert_true(orphans_is(request.id));
		assert_true(request.ike_sa_too && request.quick_too);
		assert_int_equal(request.cookies[0], i);
		assert_int_equal(request.peer.port, 4500 + i);
		assert_int_equal(request.sa_count, 2);
		assert_int_equal(request.sas[0].spi, 0x01020300 + i);
		assert_false(request.sas[0].outbound);
		assert_int_equal(request.sas[1].spi, 0x09080700 + i);
		assert_true(request.sas[1].outbound);
		assert_true(orphans_result(orphans, 1000, 0));
		assert_int_equal(orphans_count(orphans), 2 - i);
	}
	assert_false(orphans_next(orphans, 1000, NULL, &request));
	orphans_free(orphans);
}

static void test_again_after_a_failure(void **state)
{
	struct orphans *orphans = with(2);
	struct stack_end_request request;
	uint64_t now = 1000;

	(void)state;
	assert_true(orphans_next(orphans, now, NULL, &request));
	assert_true(orphans_result(orphans, now, -EIO));
	assert_int_equal(orphans_count(orphans), 2);
	assert_true(orphans_next(orphans, now, NULL, &request)); /* the other one meanwhile */
	assert_int_equal(request.cookies[0], 1);
	assert_true(orphans_result(orphans, now, 0));
	for (unsigned tries = 2; tries <= ORPHANS_TRIES; tries++) {
		assert_false(orphans_next(orphans, now + ORPHANS_WAIT_MS - 1, NULL, &request));
		now += ORPHANS_WAIT_MS;
		assert_true(orphans_next(orphans, now, NULL, &request));
		assert_int_equal(request.cookies[0], 0);
		assert_int_equal(orphans_result(orphans, now, -EIO), tries < ORPHANS_TRIES);
	}
	assert_int_equal(orphans_count(orphans), 0);
	orphans_free(orphans);
}

/* A later line of the journal stands in place of an earlier one. */
static void test_the_latest_counts(void **state)
{
	struct orphans *orphans = with(2);
	struct bridge_entry entry = entry_of(1);
	struct stack_end_request request;

	(void)state;
	entry.child_count = 0;
	orphans_add(orphans, &entry);
	assert_int_equal(orphans_count(orphans), 2);
	assert_true(orphans_next(orphans, 1, NULL, &request));
	orphans_result(orphans, 1, 0);
	assert_true(orphans_next(orphans, 1, NULL, &request));
	assert_int_equal(request.sa_count, 0);
	orphans_free(orphans);
}

static void test_bounded(void **state)
{
	struct orphans *orphans = with(0);

	(void)state;
	for (unsigned i = 0; i < ORPHANS_MAX + 10; i++) {
		struct bridge_entry entry = entry_of(0);

		memcpy(entry.cookies, &i, sizeof i);
		orphans_add(orphans, &entry);
	}
	assert_int_equal(orphans_count(orphans), ORPHANS_MAX);
	orphans_free(orphans);
	assert_int_equal(orphans_count(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_again_after_a_failure),
		cmocka_unit_test(test_the_latest_counts),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests_name("orphans", tests, NULL, NULL);
}
