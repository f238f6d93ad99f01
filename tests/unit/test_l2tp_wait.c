/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/daemon/l2tp_wait: how long a request waits, in which order they go on, and as what. The queue, the clock and the event loop are
 * played by this file. */
#include "shim/daemon/l2tp_wait.h"

#include "shim/l2tp/quirks.h"
#include "tests/unit/one_timer.h"

#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct l2tp_wait *l2tp_wait;
static uint8_t bytes[L2TP_WAIT_PACKET_MAX + 1];

/* What the module under test is given in place of the real thing. */

static bool sent;
static size_t released_count;
static struct {
	uint32_t id;
	enum nfq_verdict verdict;
	size_t length;
	uint8_t first;
} released[L2TP_WAIT_PLACES + 1];

void nfq_queue_release(struct nfq_queue *queue, uint32_t id, enum nfq_verdict verdict, const uint8_t *data,
		       size_t length)
{
	(void)queue;
	assert_true(released_count < sizeof released / sizeof *released);
	released[released_count].id = id;
	released[released_count].verdict = verdict;
	released[released_count].length = length;
	released[released_count++].first = length ? data[0] : 0;
	sent = false;
}

void nfq_queue_send(struct nfq_queue *queue)
{
	(void)queue;
	sent = true;
}

/* Time goes on, and the timer rings when it is due. */
static void pass(uint64_t ms)
{
	const uint64_t end = now_ms + ms;

	while (timer.pending && timer.due_ms <= end) {
		now_ms = timer.due_ms;
		timer.pending = false;
		timer.call(-1, 0, timer.ctx);
	}
	now_ms = end;
}

static bool put(uint32_t id, size_t length, bool changed)
{
	bytes[0] = (uint8_t)id;
	return l2tp_wait_put(l2tp_wait, &(struct nfq_packet){.id = id, .data = bytes, .length = length},
			     changed);
}

static int open_wait(void **state)
{
	(void)state;
	now_ms = 5000;
	timer.pending = sent = false;
	released_count = 0;
	l2tp_wait = l2tp_wait_new(NULL, NULL);
	return l2tp_wait ? 0 : -1;
}

static int close_wait(void **state)
{
	(void)state;
	l2tp_wait_free(l2tp_wait);
	return 0;
}

static void goes_on_when_its_time_is_over(void **state)
{
	(void)state;
	assert_true(put(7, 100, false));
	pass(300);
	assert_true(put(8, 120, true));
	bytes[0] = 99; /* the packet's buffer is another one's now */
	pass(L2TP_WAIT_MS - 301);
	assert_int_equal(released_count, 0);
	pass(1);
	assert_int_equal(released_count, 1);
	assert_int_equal(released[0].id, 7);
	assert_int_equal(released[0].verdict, NFQ_AS_IT_WAS);
	assert_true(sent);
	pass(299);
	assert_int_equal(released_count, 1);
	pass(1);
	assert_int_equal(released_count, 2);
	assert_int_equal(released[1].id, 8);
	assert_int_equal(released[1].verdict, NFQ_CHANGED);
	assert_int_equal(released[1].length, 120);
	assert_int_equal(released[1].first, 8);
	assert_true(sent);
	assert_false(timer.pending);
}

/* Who finds no room goes on at once; a place is free again after its packet. */
static void is_bounded(void **state)
{
	(void)state;
	assert_false(put(1, L2TP_WAIT_PACKET_MAX + 1, true));
	pass(1);
	for (uint32_t round = 0; round < 2; round++) {
		assert_true(put(500, L2TP_WAIT_PACKET_MAX + 1, false)); /* the kernel has it */
		for (uint32_t i = 1; i < L2TP_WAIT_PLACES; i++)
			assert_true(put(i, L2TP_WAIT_PACKET_MAX, true));
		assert_false(put(600, 100, false));
		released_count = 0;
		pass(L2TP_WAIT_MS);
		assert_int_equal(released_count, L2TP_WAIT_PLACES);
		assert_int_equal(released[0].id, 500);
		assert_int_equal(released[L2TP_WAIT_PLACES - 1].id, L2TP_WAIT_PLACES - 1);
		assert_true(put(40, 100, false)); /* the ring begins elsewhere */
		pass(L2TP_WAIT_MS);
	}
}

static void all_go_on_at_the_end(void **state)
{
	(void)state;
	put(1, 100, false);
	pass(10);
	put(2, 100, false);
	l2tp_wait_finish(l2tp_wait);
	assert_int_equal(released_count, 2);
	assert_true(sent);
	assert_false(timer.pending);
	assert_true(put(3, 100, false)); /* after a reload */
	pass(L2TP_WAIT_MS);
	assert_int_equal(released_count, 3);
	l2tp_wait_finish(l2tp_wait);
	assert_int_equal(released_count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(goes_on_when_its_time_is_over, open_wait, close_wait),
		cmocka_unit_test_setup_teardown(is_bounded, open_wait, close_wait),
		cmocka_unit_test_setup_teardown(all_go_on_at_the_end, open_wait, close_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
