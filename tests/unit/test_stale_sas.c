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
	struct bridge_entry entry = {.child_sa_count = 1};

	assert_true(endpoint_parse("192.0.2.9:4500", &entry.client));
	assert_true(endpoint_parse("198.51.100.1:4500", &entry.server));
	entry.client.port = (uint16_t)(entry.client.port + number);
	entry.cookies[0] = number;
	memcpy(entry.child_sas[0].spi_to_server, (const uint8_t[]){1, 2, 3, number}, 4);
	memcpy(entry.child_sas[0].spi_to_client, (const uint8_t[]){9, 8, 7, number}, 4);
	return entry;
}

static struct stale_sas *with(unsigned count)
{
	struct stale_sas *stale_sas = stale_sas_new();

	assert_non_null(stale_sas);
	for (unsigned i = 0; i < count; i++) {
		const struct bridge_entry entry = entry_of((uint8_t)i);

		stale_sas_add(stale_sas, &entry);
	}
	assert_int_equal(stale_sas_count(stale_sas), count);
	return stale_sas;
}

static void test_one_after_the_other(void **state)
{
	struct stale_sas *stale_sas = with(3);
	struct stack_end_request request;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(stale_sas_next(stale_sas, 1000, NULL, &request));
		assert_false(stale_sas_next(stale_sas, 1000, NULL, &request));
		assert_true(stale_sas_is(request.id));
		assert_true(request.ike_sa_too && request.quick_too);
		assert_int_equal(request.cookies[0], i);
		assert_int_equal(request.peer.port, 4500 + i);
		assert_int_equal(request.sa_count, 2);
		assert_int_equal(request.sas[0].spi, 0x01020300 + i);
		assert_false(request.sas[0].outbound);
		assert_int_equal(request.sas[1].spi, 0x09080700 + i);
		assert_true(request.sas[1].outbound);
		assert_true(stale_sas_result(stale_sas, 1000, 0));
		assert_int_equal(stale_sas_count(stale_sas), 2 - i);
	}
	assert_false(stale_sas_next(stale_sas, 1000, NULL, &request));
	stale_sas_free(stale_sas);
}

static void test_again_after_a_failure(void **state)
{
	struct stale_sas *stale_sas = with(2);
	struct stack_end_request request;
	uint64_t now = 1000;

	(void)state;
	assert_true(stale_sas_next(stale_sas, now, NULL, &request));
	assert_true(stale_sas_result(stale_sas, now, -EIO));
	assert_int_equal(stale_sas_count(stale_sas), 2);
	assert_true(stale_sas_next(stale_sas, now, NULL, &request)); /* the other one meanwhile */
	assert_int_equal(request.cookies[0], 1);
	assert_true(stale_sas_result(stale_sas, now, 0));
	for (unsigned tries = 2; tries <= STALE_SAS_TRIES; tries++) {
		assert_false(stale_sas_next(stale_sas, now + STALE_SAS_WAIT_MS - 1, NULL, &request));
		now += STALE_SAS_WAIT_MS;
		assert_true(stale_sas_next(stale_sas, now, NULL, &request));
		assert_int_equal(request.cookies[0], 0);
		assert_int_equal(stale_sas_result(stale_sas, now, -EIO), tries < STALE_SAS_TRIES);
	}
	assert_int_equal(stale_sas_count(stale_sas), 0);
	stale_sas_free(stale_sas);
}

/* A later line of the journal stands in place of an earlier one. */
static void test_the_latest_counts(void **state)
{
	struct stale_sas *stale_sas = with(2);
	struct bridge_entry entry = entry_of(1);
	struct stack_end_request request;

	(void)state;
	entry.child_sa_count = 0;
	stale_sas_add(stale_sas, &entry);
	assert_int_equal(stale_sas_count(stale_sas), 2);
	assert_true(stale_sas_next(stale_sas, 1, NULL, &request));
	stale_sas_result(stale_sas, 1, 0);
	assert_true(stale_sas_next(stale_sas, 1, NULL, &request));
	assert_int_equal(request.sa_count, 0);
	stale_sas_free(stale_sas);
}

static void test_bounded(void **state)
{
	struct stale_sas *stale_sas = with(0);

	(void)state;
	for (unsigned i = 0; i < STALE_SAS_MAX + 10; i++) {
		struct bridge_entry entry = entry_of(0);

		memcpy(entry.cookies, &i, sizeof i);
		stale_sas_add(stale_sas, &entry);
	}
	assert_int_equal(stale_sas_count(stale_sas), STALE_SAS_MAX);
	stale_sas_free(stale_sas);
	assert_int_equal(stale_sas_count(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_again_after_a_failure),
		cmocka_unit_test(test_the_latest_counts),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests_name("stale_sas", tests, NULL, NULL);
}
