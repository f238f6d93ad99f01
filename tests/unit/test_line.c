/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line of packets that wait: bounded, in turns, and who comes alone is served though others have filled it. */
#include "shim/daemon/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct line *line;
static uint32_t other;
static uint8_t taken[LINE_PACKET_MAX];

static int open_line(void **state)
{
	(void)state;
	line = line_new();
	return line ? 0 : -1;
}

static int close_line(void **state)
{
	(void)state;
	line_free(line);
	return 0;
}

static struct endpoint host(unsigned number)
{
	return (struct endpoint){.addr = {10, 0, (uint8_t)(number >> 8), (uint8_t)number}, .addr_len = 4};
}

/* Its bytes tell its id. */
static enum line_outcome put(uint32_t id, unsigned from, size_t length)
{
	const struct endpoint its = host(from);
	uint8_t *data = malloc(length);
	const struct nfq_packet packet = {.id = id, .data = data, .length = length, .hook = NFQ_POSTROUTING};
	enum line_outcome outcome;

	assert_non_null(data);
	memset(data, (int)(id & 0xff), length);
	outcome = line_put(line, &packet, &its, &other);
	free(data);
	return outcome;
}

static uint32_t take(void)
{
	struct nfq_packet packet = {.data = taken};

	assert_true(line_take(line, &packet, sizeof taken));
	assert_ptr_equal(packet.data, taken);
	assert_int_equal(packet.hook, NFQ_POSTROUTING);
	for (size_t i = 0; i < packet.length; i++)
		assert_int_equal(taken[i], packet.id & 0xff);
	return packet.id;
}

/* 1 and 2 are of one host, 3 and 4 of another, 5 of a third. */
static void in_turns(void **state)
{
	static const uint32_t order[] = {1, 3, 5, 2, 4};
	struct nfq_packet none = {.data = taken};

	(void)state;
	for (uint32_t id = 1; id <= 5; id++)
		assert_int_equal(put(id, (id + 1) / 2, 100 + id), LINE_IN);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(take(), order[i]);
	assert_int_equal(line_count(line), 0);
	assert_false(line_take(line, &none, sizeof taken));
}

/* One host fills it; it gets nothing more in, but others do, and are served next. */
static void a_full_line(void **state)
{
	(void)state;
	for (uint32_t id = 0; id < LINE_MAX_PACKETS; id++)
		assert_int_equal(put(id, 1, 200), LINE_IN);
	assert_int_equal(put(1000, 1, 200), LINE_FULL);
	assert_int_equal(take(), 0);
	assert_int_equal(put(1001, 1, 200), LINE_IN);
	for (uint32_t id = 0; id < 10; id++) {
		assert_int_equal(put(2000 + id, 2 + id, 200), LINE_INSTEAD);
		assert_int_equal(other, id ? LINE_MAX_PACKETS - id : 1001); /* the newest */
	}
	assert_int_equal(line_count(line), LINE_MAX_PACKETS);
	for (uint32_t id = 0; id < 10; id++)
		assert_int_equal(take(), 2000 + id);
	assert_int_equal(take(), 1);
}

/* As many hosts as places: nobody has more than another, and so nobody loses. */
static void many_hosts(void **state)
{
	(void)state;
	for (uint32_t id = 0; id < LINE_MAX_PACKETS; id++)
		assert_int_equal(put(id, id, 1), LINE_IN);
	assert_int_equal(put(1000, 1000, 1), LINE_FULL);
	for (uint32_t id = 0; id < LINE_MAX_PACKETS; id++)
		assert_int_equal(take(), id);
	for (uint32_t round = 0; round < 3 * LINE_MAX_PACKETS; round++) {
		assert_int_equal(put(round, round, 1), LINE_IN);
		assert_int_equal(take(), round);
	}
}

static void too_long(void **state)
{
	(void)state;
	assert_int_equal(put(1, 1, LINE_PACKET_MAX + 1), LINE_FULL);
	assert_int_equal(put(2, 1, LINE_PACKET_MAX), LINE_IN);
	assert_int_equal(take(), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_turns, open_line, close_line),
		cmocka_unit_test_setup_teardown(a_full_line, open_line, close_line),
		cmocka_unit_test_setup_teardown(many_hosts, open_line, close_line),
		cmocka_unit_test_setup_teardown(too_long, open_line, close_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
