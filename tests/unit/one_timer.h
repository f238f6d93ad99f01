/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clock and the event loop for a module that has one timer, in place of the real ones: the test says what time it is, and calls back. */
#ifndef NATSHIM_TESTS_UNIT_ONE_TIMER_H
#define NATSHIM_TESTS_UNIT_ONE_TIMER_H

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static uint64_t now_ms;
static struct {
	event_callback_fn call;
	void *ctx;
	bool pending;
	uint64_t due_ms;
} timer;

int clock_gettime(clockid_t clock, struct timespec *out)
{
	(void)clock;
	*out = (struct timespec){.tv_sec = (time_t)(now_ms / 1000),
				 .tv_nsec = (long)(now_ms % 1000) * 1000000};
	return 0;
}

struct event *event_new(struct event_base *base, evutil_socket_t fd, short what, event_callback_fn fn,
			void *ctx)
{
	(void)base;
	(void)fd;
	(void)what;
	timer.call = fn;
	timer.ctx = ctx;
	return (struct event *)(uintptr_t)1;
}

int event_add(struct event *event, const struct timeval *period)
{
	(void)event;
	assert_non_null(period);
	timer.due_ms = now_ms + (uint64_t)period->tv_sec * 1000 + (uint64_t)period->tv_usec / 1000;
	timer.pending = true;
	return 0;
}

int event_del(struct event *event)
{
	(void)event;
	timer.pending = false;
	return 0;
}

void event_free(struct event *event)
{
	(void)event;
}

#endif
