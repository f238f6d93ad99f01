/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/session: each way in which a session ends, and above all when it must not. Time is a number here. */
#include "shim/session/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { T0 = 1000000, SECOND = 1000 };

struct log {
	struct session_action actions[64];
	size_t count;
};

static struct endpoint at(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

static struct sa_info sa_of(const char *peer, uint16_t l2tp_port, uint32_t spi, bool outbound)
{
	return (struct sa_info){
		.us = at(strchr(peer, '[') || !strchr(peer, '.') ? "[2001:db8::1]:4500" : "203.0.113.1:4500"),
		.peer = at(peer),
		.spi = spi,
		.reqid = 16401,
		.protocol = 50,
		.upper_protocol = 17,
		.our_port = 1701,
		.peer_port = l2tp_port,
		.outbound = outbound,
		.transport = true};
}

static void drain(struct session_table *t, uint64_t now, struct log *log)
{
	struct session_action a;

	log->count = 0;
	while (session_next_action(t, now, &a)) {
		if (a.kind == SESSION_SAMPLE) { /* and there is nothing new */
			session_sampled(t, now);
			session_tick(t, now);
			continue;
		}
		assert_true(log->count < sizeof log->actions / sizeof *log->actions);
		log->actions[log->count++] = a;
	}
}

static size_t count_of(const struct log *log, enum session_action_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < log->count; i++)
		count += log->actions[i].kind == kind;
	return count;
}

static const struct session_action *first_of(const struct log *log, enum session_action_kind kind)
{
	for (size_t i = 0; i < log->count; i++)
		if (log->actions[i].kind == kind)
			return &log->actions[i];
	fail_msg("no such action");
	return NULL;
}

static struct session_table *table_with(uint32_t keep_warm_ms)
{
	struct session_config config;

	session_config_default(&config);
	config.profiles[0].keep_warm_ms = keep_warm_ms;
	config.profiles[1].idle_timeout_ms = 75 * SECOND;
	return session_table_new(&config);
}

static struct session_table *new_table(void)
{
	return table_with(SESSION_NEVER);
}

/* Both SAs of a client: SPIs spi and spi + 1. */
static void connect_client(struct session_table *t, uint64_t now, const char *peer, uint16_t l2tp_port,
			   uint32_t spi)
{
	const struct sa_info in = sa_of(peer, l2tp_port, spi, false);
	const struct sa_info out = sa_of(peer, l2tp_port, spi + 1, true);

	session_sa(t, now, &in, 0);
	session_sa(t, now, &out, 0);
}

/* A sample of the counters as a dump brings it. */
static void sample(struct session_table *t, uint64_t now, const char *peer, uint16_t l2tp_port, uint32_t spi,
		   uint64_t packets_in, uint64_t packets_out)
{
	struct sa_info in = sa_of(peer, l2tp_port, spi, false);
	struct sa_info out = sa_of(peer, l2tp_port, spi + 1, true);

	in.packets = packets_in;
	in.bytes = packets_in * 60;
	out.packets = packets_out;
	out.bytes = packets_out * 60;
	session_dump_begin(t);
	session_sa(t, now, &out, 0);
	session_sa(t, now, &in, 0);
	session_dump_end(t, now);
}

static void gone(struct session_table *t, uint64_t now, const char *peer, uint32_t spi)
{
	const struct sa_info in = sa_of(peer, 0, spi, false);
	const struct sa_info out = sa_of(peer, 0, spi + 1, true);

	session_sa_gone(t, now, &in);
	session_sa_gone(t, now, &out);
}

static uint64_t renewed(const struct session_table *t, const char *client)
{
	const struct endpoint e = at(client);

	return session_renewed(t, &e);
}

static void l2tp(struct session_table *t, uint64_t now, const char *client, enum session_l2tp what)
{
	const struct endpoint e = at(client);

	session_l2tp(t, now, &e, what);
}

static void alive(struct session_table *t, uint64_t now, const char *peer, uint64_t age)
{
	const struct endpoint e = at(peer);

	session_alive(t, now, &e, age);
}

struct view_of {
	const char *peer;
	struct session_view view;
	unsigned matches;
};

static void take_view(void *ctx, const struct session_view *view)
{
	struct view_of *wanted = ctx;
	const struct endpoint peer = at(wanted->peer);

	if (!endpoint_equal(&view->peer, &peer))
		return;
	wanted->view = *view;
	wanted->matches++;
}

static struct session_view view(struct session_table *t, uint64_t now, const char *peer)
{
	struct view_of wanted = {.peer = peer};

	session_each_of(t, now, &(uint32_t){0}, UINT32_MAX, take_view, &wanted);
	assert_int_equal(wanted.matches, 1);
	return wanted.view;
}

/* Ticks second by second; sends a keep-alive of peer every 20 s when peer is given. Returns when SESSION_END came, else 0. */
static uint64_t run_until_end(struct session_table *t, uint64_t from, uint64_t to, const char *keepalive,
			      struct log *log)
{
	for (uint64_t now = from; now <= to; now += SECOND) {
		if (keepalive && (now - from) % (20 * SECOND) == 0)
			alive(t, now, keepalive, 0);
		session_tick(t, now);
		drain(t, now, log);
		if (count_of(log, SESSION_END))
			return now;
	}
	return 0;
}

#define A "198.51.100.7:21001"
#define B "198.51.100.7:21002"

static void test_pair_makes_a_session(void **state)
{
	struct session_table *t = new_table();
	const struct sa_info in = sa_of(A, 49152, 0x10, false), out = sa_of(A, 49152, 0x11, true);
	struct log log;

	(void)state;
	session_sa(t, T0, &in, 3);
	drain(t, T0, &log);
	assert_int_equal(log.count, 0);
	assert_int_equal(view(t, T0, A).state, SESSION_NEW);
	session_sa(t, T0 + 5, &out, 3);
	drain(t, T0 + 5, &log);
	assert_int_equal(log.count, 1);
	assert_int_equal(log.actions[0].kind, SESSION_STARTED);
	assert_int_equal(log.actions[0].l2tp_port, 49152);
	assert_int_equal(log.actions[0].profile, 3);
	const struct session_view v = view(t, T0 + 5, A);

	assert_int_equal(v.state, SESSION_UP);
	assert_true(v.nat);
	assert_int_equal(v.spi_in, 0x10);
	assert_int_equal(v.spi_out, 0x11);
	assert_int_equal(v.sa_count, 2);
	assert_int_equal(v.why, SESSION_IDLE);
	assert_int_equal(v.ends_in_ms, 600 * SECOND);
	session_table_free(t);
}

static void test_only_l2tp_road_warriors(void **state)
{
	struct session_table *t = new_table();

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct sa_info sa = sa_of(A, 1701, 0x10 + (uint32_t)i, i & 1);

		if (i == 0)
			sa.transport = false;
		if (i == 1)
			sa.upper_protocol = 0;
		if (i == 2)
			sa.our_port = 0;
		if (i == 3)
			sa.protocol = 51;
		if (i == 4)
			sa.upper_protocol = 6;
		session_sa(t, T0, &sa, 0);
		assert_int_equal(session_stats(t).sessions, 0);
		assert_int_equal(session_stats(t).sas, 0);
		session_sa_gone(t, T0, &sa);
	}
	assert_int_equal(session_stats(t).sessions, 0);
	assert_int_equal(session_next_deadline(t), UINT64_MAX);
	session_table_free(t);
}

static void test_closed_after_the_grace(void **state)
{
	struct session_table *t = new_table();
	struct log log;

	(void)state;
	connect_client(t, T0, A, 49152, 0x10);
	connect_client(t, T0, B, 49153, 0x20);
	session_tick(t, T0 + 500);
	drain(t, T0 + 500, &log);
	l2tp(t, T0 + 500, "198.51.100.7:49152", SESSION_L2TP_CLOSE);
	drain(t, T0 + 500, &log);
	assert_int_equal(log.count, 0);
	assert_int_equal(view(t, T0 + 500, A).state, SESSION_CLOSING);
	assert_int_equal(session_next_deadline(t), T0 + 800);
	session_tick(t, T0 + 799);
	drain(t, T0 + 799, &log);
	assert_int_equal(log.count, 0);
	session_tick(t, T0 + 800);
	drain(t, T0 + 800, &log);
	assert_int_equal(log.count, 1);
	const struct session_action *end = first_of(&log, SESSION_END);

	assert_int_equal(end->reason, SESSION_CLOSED);
	assert_int_equal(end->sa_count, 2);
	assert_int_equal(end->sas[0].spi, 0x11);
	assert_true(end->sas[0].outbound);
	assert_int_equal(end->sas[1].spi, 0x10);
	assert_int_equal(end->reqid, 16401);
	assert_int_equal(end->attempt, 1);
	session_end_result(t, T0 + 750, end->id, 0, NULL);
	gone(t, T0 + 760, A, 0x10);
	drain(t, T0 + 760, &log);
	assert_int_equal(log.count, 1);
	assert_int_equal(first_of(&log, SESSION_ENDED)->reason, SESSION_CLOSED);
	assert_int_equal(session_stats(t).ended[SESSION_CLOSED], 1);
	assert_int_equal(session_stats(t).sessions, 1);
	assert_int_equal(view(t, T0 + 760, B).state, SESSION_UP);
	session_table_free(t);
}

static void test_a_new_tunnel_takes_the_close_back(void **state)
{
	struct session_table *t = new_table();
	struct log log;

	(void)state;
	connect_client(t, T0, A, 49152, 0x10);
	l2tp(t, T0 + 100, "198.51.100.7:49152", SESSION_L2TP_CLOSE);
	l2tp(t, T0 + 150, "198.51.100.7:49152", SESSION_L2TP_OTHER);
	assert_int_equal(view(t, T0 + 150, A).state, SESSION_CLOSING);
	l2tp(t, T0 + 200, "198.51.100.7:49152", SESSION_L2TP_OPEN);
	assert_int_equal(view(t, T0 + 200, A).state, SESSION_UP);
	assert_int_equal(run_until_end(t, T0 + SECOND, T0 + 20 * SECOND, NULL, &log), 0);
	session_table_free(t);
}

/* The client comes back while its old SAs are being ended: the new ones are a session of their own. */
static void test_new_pair_during_an_end(void **state)
{
	struct session_table *t = new_table();
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	l2tp(t, T0 + 100, "198.51.100.7:1701", SESSION_L2TP_CLOSE);
	connect_client(t, T0 + 200, A, 1701, 0x20);
	session_tick(t, T0 + 400);
	drain(t, T0 + 400, &log);
	const struct session_action *end = first_of(&log, SESSION_END);

	assert_int_equal(end->sa_count, 2);
	assert_int_equal(end->sas[0].spi, 0x11);
	assert_int_equal(end->sas[1].spi, 0x10);
	gone(t, T0 + 500, A, 0x10);
	drain(t, T0 + 500, &log);
	assert_int_equal(first_of(&log, SESSION_ENDED)->reason, SESSION_CLOSED);
	assert_int_equal(view(t, T0 + 500, A).spi_in, 0x20);
	assert_int_equal(view(t, T0 + 500, A).state, SESSION_UP);
	session_table_free(t);
}

static void test_close_switched_off(void **state)
{
	struct session_config config;
	struct log log;

	(void)state;
	session_config_default(&config);
	config.profiles[0].close_grace_ms = SESSION_NEVER;
	config.profiles[1].close_grace_ms = 0;
	struct session_table *t = session_table_new(&config);
	const struct sa_info in = sa_of(B, 49153, 0x20, false);

	connect_client(t, T0, A, 49152, 0x10);
	session_sa(t, T0, &in, 1);
	l2tp(t, T0, "198.51.100.7:49152", SESSION_L2TP_CLOSE);
	assert_int_equal(view(t, T0, A).state, SESSION_UP);
	l2tp(t, T0, "198.51.100.7:49153", SESSION_L2TP_CLOSE);
	assert_int_equal(view(t, T0, B).state, SESSION_ENDING);
	drain(t, T0, &log);
	assert_int_equal(count_of(&log, SESSION_END), 1);
	session_table_free(t);
}

/* Why sessions did not end, as an admin gets it with -v. */

struct stay_log {
	unsigned count[SESSION_STAYS];
	struct session_view last;
};

static void note_stay(void *ctx, enum session_stay why, const struct session_view *v)
{
	struct stay_log *log = ctx;

	assert_true(why < SESSION_STAYS);
	log->count[why]++;
	log->last = *v;
}

static void test_stays_when_a_close_counts_not(void **state)
{
	struct stay_log log = {.count = {0}};
	struct session_config config;

	(void)state;
	session_config_default(&config);
	config.profiles[1].close_grace_ms = SESSION_NEVER;
	struct session_table *t = session_table_new(&config);
	const struct sa_info in = sa_of(B, 49153, 0x20, false);

	session_on_stay(t, note_stay, &log);
	connect_client(t, T0, A, 49152, 0x10);
	session_sa(t, T0, &in, 1);
	l2tp(t, T0, "198.51.100.7:49153", SESSION_L2TP_CLOSE);
	assert_int_equal(log.count[SESSION_STAY_OFF], 1);
	assert_int_equal(log.last.peer.port, at(B).port);
	l2tp(t, T0, "198.51.100.7:49152", SESSION_L2TP_CLOSE);
	assert_int_equal(log.count[SESSION_STAY_REOPENED], 0);
	l2tp(t, T0 + 100, "198.51.100.7:49152", SESSION_L2TP_OPEN);
	assert_int_equal(log.count[SESSION_STAY_REOPENED], 1);
	assert_int_equal(log.last.peer.port, at(A).port);
	assert_int_equal(log.count[SESSION_STAY_AMBIGUOUS], 0);
	session_table_free(t);
}

static void test_stays_when_a_close_is_ambiguous(void **state)
{
	struct session_table *t = new_table();
	struct stay_log log = {.count = {0}};

	(void)state;
	session_on_stay(t, note_stay, &log);
	connect_client(t, T0, A, 1701, 0x10);
	connect_client(t, T0, B, 1701, 0x20);
	l2tp(t, T0 + SECOND, "198.51.100.7:1701", SESSION_L2TP_CLOSE);
	assert_int_equal(log.count[SESSION_STAY_AMBIGUOUS], 1);
	assert_int_equal(log.last.l2tp_port, 1701);
	session_table_free(t);
}

static void test_stays_when_activity_moved_the_time_out(void **state)
{
	struct session_table *t = new_table();
	struct stay_log log = {.count = {0}};
	const uint64_t due = T0 + 600 * SECOND;

	(void)state;
	session_on_stay(t, note_stay, &log);
	connect_client(t, T0, A, 49152, 0x10);
	session_tick(t, due);
	assert_int_equal(log.count[SESSION_STAY_UNKNOWN], 1);
	assert_int_equal(log.last.why, SESSION_IDLE);
	session_tick(t, due + SECOND); /* told once */
	assert_int_equal(log.count[SESSION_STAY_UNKNOWN], 1);
	assert_int_equal(log.count[SESSION_STAY_ACTIVE], 0);
	alive(t, due + SECOND, A, 4 * SECOND);
	session_sampled(t, due + SECOND);
	session_tick(t, due + 2 * SECOND);
	assert_int_equal(log.count[SESSION_STAY_ACTIVE], 1);
	assert_int_equal(log.last.idle_ms, 5 * SECOND);
	assert_int_equal(log.last.ends_in_ms, 595 * SECOND);
	session_table_free(t);
}

static void test_dead_when_nothing_comes_back(void **state)
{
	struct session_table *t = new_table();
	struct log log;
	uint64_t end = 0;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	for (unsigned i = 1; i <= 12 && !end; i++) {
		sample(t, T0 + i * 5 * SECOND, A, 1701, 0x10, 0, i);
		end = run_until_end(t, T0 + i * 5 * SECOND, T0 + i * 5 * SECOND + 4 * SECOND, NULL, &log);
	}
	assert_int_equal(end, T0 + 35 * SECOND); /* first seen going out at 5 s */
	assert_int_equal(first_of(&log, SESSION_END)->reason, SESSION_DEAD);
	session_table_free(t);
}

static void test_keep_alives_keep(void **state)
{
	struct session_table *t = new_table();
	struct log log;
	uint64_t now = T0;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	for (unsigned i = 1; i <= 240; i++, now += 5 * SECOND) {
		if (i % 4 == 0)
			alive(t, now, A, 700);
		sample(t, now, A, 1701, 0x10, 0, i);
		session_tick(t, now);
		drain(t, now, &log);
		assert_int_equal(count_of(&log, SESSION_END), 0);
	}
	session_table_free(t);
}

static void test_one_direction_in_is_life(void **state)
{
	struct session_table *t = new_table();
	struct log log;
	uint64_t now = T0;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	for (unsigned i = 1; i <= 300; i++, now += 5 * SECOND) {
		sample(t, now, A, 1701, 0x10, i, 0);
		session_tick(t, now);
		drain(t, now, &log);
		assert_int_equal(count_of(&log, SESSION_END), 0);
	}
	session_table_free(t);
}

/* An answer within the same sample: the order is not known, so nothing counts as unanswered, and silence is only idleness. */
static void test_answered_in_the_same_sample(void **state)
{
	struct session_table *t = new_table();
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	struct sa_info in = sa_of(A, 1701, 0x10, false), out = sa_of(A, 1701, 0x11, true);

	for (int order = 0; order < 2; order++) {
		in.packets++;
		out.packets++;
		session_dump_begin(t);
		session_sa(t, T0 + SECOND, order ? &in : &out, 0);
		session_sa(t, T0 + SECOND, order ? &out : &in, 0);
		session_dump_end(t, T0 + SECOND);
		assert_int_equal(view(t, T0 + SECOND, A).why, SESSION_IDLE);
	}
	assert_int_equal(run_until_end(t, T0 + SECOND, T0 + 599 * SECOND, NULL, &log), 0);
	session_table_free(t);
}

/* A keep-alive is 24 s younger than what the last look at the alive set showed, for that look is 4 s old: who is due is
 * looked at once more before it ends. */
static void test_no_end_on_stale_knowledge(void **state)
{
	struct session_table *t = new_table();
	struct session_action a;
	const char *other = "198.51.100.8:21002";
	const uint64_t due = T0 + 600 * SECOND;

	(void)state;
	connect_client(t, T0, A, 49152, 0x10);
	connect_client(t, T0, other, 49153, 0x20);
	while (session_next_action(t, T0, &a))
		assert_int_not_equal(a.kind, SESSION_SAMPLE);
	session_sampled(t, due - SECOND);
	session_tick(t, due);
	assert_true(session_next_action(t, due, &a));
	assert_int_equal(a.kind, SESSION_SAMPLE);
	assert_false(session_next_action(t, due, &a)); /* asked once */
	assert_int_equal(session_next_deadline(t), due + SECOND);
	session_sampled(t, due - 1); /* one that began before: not enough */
	session_tick(t, due + SECOND);
	assert_true(session_next_action(t, due + SECOND, &a)); /* and once more, a second later */
	assert_int_equal(a.kind, SESSION_SAMPLE);
	alive(t, due + SECOND + 10, other, 4 * SECOND);
	session_sampled(t, due + SECOND);
	session_tick(t, due + SECOND + 20);
	assert_true(session_next_action(t, due + SECOND + 20, &a));
	assert_int_equal(a.kind, SESSION_END);
	assert_int_equal(a.reason, SESSION_IDLE);
	assert_int_equal(a.peer.port, 21001);
	assert_false(session_next_action(t, due + SECOND + 20, &a));
	assert_int_equal(view(t, due + SECOND + 20, other).state, SESSION_UP);
	session_table_free(t);
}

static void test_plain_esp_waits_for_the_hello(void **state)
{
	struct session_table *t = new_table();
	struct log log;

	(void)state;
	connect_client(t, T0, "198.51.100.9", 1701, 0x10);
	sample(t, T0 + SECOND, "198.51.100.9", 1701, 0x10, 0, 1);
	assert_int_equal(run_until_end(t, T0 + SECOND, T0 + 200 * SECOND, NULL, &log), T0 + 91 * SECOND);
	assert_int_equal(first_of(&log, SESSION_END)->reason, SESSION_DEAD);
	session_table_free(t);
}

static void test_plain_esp_lives_by_ike(void **state)
{
	struct session_table *t = new_table();

	(void)state;
	connect_client(t, T0, "198.51.100.9", 1701, 0x10);
	alive(t, T0 + 50 * SECOND, "198.51.100.9:500", 2 * SECOND);
	assert_int_equal(view(t, T0 + 50 * SECOND, "198.51.100.9").idle_ms, 2 * SECOND);
	assert_int_equal(view(t, T0 + 50 * SECOND, "198.51.100.9").silent_ms, 50 * SECOND);
	session_table_free(t);
}

static void test_idle(void **state)
{
	struct session_table *t = new_table();
	const struct sa_info in = sa_of(B, 1701, 0x20, false);
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	session_sa(t, T0, &in, 1); /* the profile with 75 s */
	assert_int_equal(run_until_end(t, T0, T0 + 700 * SECOND, NULL, &log), T0 + 75 * SECOND);
	assert_int_equal(first_of(&log, SESSION_END)->peer.port, 21002);
	session_end_result(t, T0 + 76 * SECOND, first_of(&log, SESSION_END)->id, 0, NULL);
	gone(t, T0 + 76 * SECOND, B, 0x20);
	assert_int_equal(run_until_end(t, T0 + 76 * SECOND, T0 + 700 * SECOND, NULL, &log),
			 T0 + 600 * SECOND);
	assert_int_equal(first_of(&log, SESSION_END)->reason, SESSION_IDLE);
	session_table_free(t);
}

static void test_everything_off(void **state)
{
	struct session_config config;
	struct log log;

	(void)state;
	session_config_default(&config);
	config.profiles[0] = (struct session_profile){SESSION_NEVER, SESSION_NEVER, SESSION_NEVER,
						      SESSION_NEVER, SESSION_NEVER, SESSION_NEVER};
	struct session_table *t = session_table_new(&config);

	connect_client(t, T0, A, 1701, 0x10);
	sample(t, T0, A, 1701, 0x10, 0, 10);
	connect_client(t, T0, A, 1702, 0x20);
	assert_int_equal(run_until_end(t, T0, T0 + 3600 * SECOND, NULL, &log), 0);
	assert_int_equal(session_next_deadline(t) == UINT64_MAX, 1);
	struct view_of wanted = {.peer = A};

	session_each_of(t, T0, &(uint32_t){0}, UINT32_MAX, take_view, &wanted);
	assert_int_equal(wanted.view.why, SESSION_NOT_ENDED);
	assert_true(wanted.view.ends_in_ms == UINT64_MAX);
	session_table_free(t);
}

static void identify(struct session_table *t, uint64_t now, const char *address, uint32_t spi,
		     uint64_t identity, bool is_address)
{
	const struct session_ike_sa ike = {.peer = at(address),
					   .identity = identity,
					   .identity_is_address = is_address,
					   .spi_count = 1,
					   .spis_in = {spi}};

	session_ike_sa(t, now, &ike);
}

/* The client of A reboots and comes back from B, another port of its NAT. */
static void test_superseded_by_the_same_id(void **state)
{
	struct session_table *t = new_table();
	const struct endpoint host = at("198.51.100.7");
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	alive(t, T0 + 10 * SECOND, A, 0);
	connect_client(t, T0 + 25 * SECOND, B, 1701, 0x20);
	session_tick(t, T0 + 25 * SECOND + 500);
	drain(t, T0 + 25 * SECOND + 500, &log);
	assert_true(endpoint_equal(&first_of(&log, SESSION_IDENTIFY)->peer, &host));
	identify(t, T0 + 26 * SECOND, "198.51.100.7:21001", 0x10, 77, true);
	identify(t, T0 + 26 * SECOND, "198.51.100.7:21002", 0x20, 77, true);
	session_identified(t, T0 + 26 * SECOND, &host);
	assert_int_equal(view(t, T0 + 26 * SECOND, A).why, SESSION_SUPERSEDED);
	assert_int_equal(run_until_end(t, T0 + 26 * SECOND, T0 + 60 * SECOND, B, &log), T0 + 32 * SECOND);
	assert_int_equal(log.count, 1);
	assert_int_equal(log.actions[0].reason, SESSION_SUPERSEDED);
	assert_int_equal(log.actions[0].peer.port, 21001);
	session_table_free(t);
}

/* The server sees them at different addresses, but they are one host's. */
static struct sa_info aliased(const char *peer, uint32_t spi, bool outbound)
{
	struct sa_info sa = sa_of(peer, 1701, spi, outbound);

	sa.host = at("198.51.100.7:9");
	return sa;
}

static void connect_aliased(struct session_table *t, uint64_t now, const char *peer, uint32_t spi)
{
	const struct sa_info in = aliased(peer, spi, false), out = aliased(peer, spi + 1, true);

	session_sa(t, now, &in, 0);
	session_sa(t, now, &out, 0);
}

static void test_superseded_at_another_alias(void **state)
{
	struct session_table *t = new_table();
	const struct endpoint host = at("198.51.100.7");
	struct log log;

	(void)state;
	connect_aliased(t, T0, "198.18.0.1:21001", 0x10);
	session_phase1_begins(t, T0 + 25 * SECOND, &host);
	connect_aliased(t, T0 + 25 * SECOND, "198.18.0.2:21002", 0x20);
	session_tick(t, T0 + 25 * SECOND + 500);
	drain(t, T0 + 25 * SECOND + 500, &log);
	assert_true(endpoint_equal(&first_of(&log, SESSION_IDENTIFY)->peer, &host));
	identify(t, T0 + 26 * SECOND, "198.18.0.1:21001", 0x10, 77, true);
	identify(t, T0 + 26 * SECOND, "198.18.0.2:21002", 0x20, 77, true);
	session_identified(t, T0 + 26 * SECOND, &host);
	assert_int_equal(view(t, T0 + 26 * SECOND, "198.18.0.1:21001").why, SESSION_SUPERSEDED);
	session_table_free(t);
}

static void test_life_at_an_address(void **state)
{
	struct session_table *t = new_table();
	const struct endpoint host = at("198.51.100.7"), one = at("198.18.0.1"), two = at("198.18.0.2:21002"),
			      other = at("198.18.0.2:21003"), third = at("198.18.0.3");
	struct session_life life;
	struct endpoint found;

	(void)state;
	connect_aliased(t, T0, "198.18.0.1:21001", 0x10);
	connect_aliased(t, T0 + 5 * SECOND, "198.18.0.2:21002", 0x20);
	life = session_life(t, T0 + 7 * SECOND, &host, &one);
	assert_true(life.lives && !life.plain && life.quiet_ms == 7 * SECOND);
	life = session_life(t, T0 + 7 * SECOND, &host, &two);
	assert_true(life.lives && life.quiet_ms == 2 * SECOND);
	assert_false(session_life(t, T0, &host, &other).lives);
	assert_false(session_life(t, T0, &host, &third).lives);
	assert_false(session_life(t, T0, &host, &host).lives); /* nobody has the real address */
	assert_true(session_of_spi(t, &host, 0x20, &found) && endpoint_equal(&found, &two));
	assert_false(session_of_spi(t, &host, 0x21, &found)); /* the server's own */
	assert_false(session_of_spi(t, &two, 0x20, &found));
	assert_int_equal(session_drop(t, T0 + 8 * SECOND, &host), 2);
	session_table_free(t);
}

static void test_another_client_behind_the_same_address(void **state)
{
	struct session_table *t = new_table();
	const struct endpoint host = at("198.51.100.7");
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	connect_client(t, T0 + 100 * SECOND, B, 1702, 0x20);
	identify(t, T0 + 101 * SECOND, A, 0x10, 77, true);
	identify(t, T0 + 101 * SECOND, B, 0x20, 78, true);
	session_identified(t, T0 + 101 * SECOND, &host);
	assert_int_equal(run_until_end(t, T0 + 101 * SECOND, T0 + 599 * SECOND, NULL, &log), 0);
	session_table_free(t);
}

static void test_without_identity_nobody_is_superseded(void **state)
{
	struct session_table *t = new_table();
	const struct endpoint host = at("198.51.100.7");
	struct log log;
	unsigned asked = 0;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	connect_client(t, T0 + 100 * SECOND, B, 1701, 0x20);
	for (uint64_t now = T0 + 100 * SECOND; now < T0 + 599 * SECOND; now += SECOND) {
		session_tick(t, now);
		drain(t, now, &log);
		asked += (unsigned)count_of(&log, SESSION_IDENTIFY);
		assert_int_equal(count_of(&log, SESSION_END), 0);
		session_identified(t, now, &host);
	}
	assert_int_equal(asked, 4); /* then it is given up */
	session_table_free(t);
}

/* A shared ID (a group's FQDN) may be two clients: one lost keep-alive must not cost the first its session. */
static void test_a_shared_id_needs_a_longer_silence(void **state)
{
	struct session_table *t = new_table();
	const struct endpoint host = at("198.51.100.7");
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	connect_client(t, T0 + SECOND, B, 1702, 0x20);
	identify(t, T0 + SECOND, A, 0x10, 77, false);
	identify(t, T0 + SECOND, B, 0x20, 77, false);
	session_identified(t, T0 + SECOND, &host);
	assert_int_equal(run_until_end(t, T0 + SECOND, T0 + 43 * SECOND, NULL, &log), 0);
	alive(t, T0 + 43 * SECOND, A, 0); /* there it is */
	assert_int_equal(run_until_end(t, T0 + 44 * SECOND, T0 + 86 * SECOND, NULL, &log), 0);
	assert_int_equal(run_until_end(t, T0 + 87 * SECOND, T0 + 90 * SECOND, NULL, &log), T0 + 87 * SECOND);
	session_table_free(t);
}

/* The same mapping of the NAT is the same client; its keep-alives are the new session's. */
static void test_superseded_from_the_same_endpoint(void **state)
{
	struct session_table *t = new_table();
	struct log log;

	(void)state;
	connect_client(t, T0, A, 49152, 0x10);
	connect_client(t, T0 + 5 * SECOND, A, 49153, 0x20);
	assert_int_equal(run_until_end(t, T0 + 5 * SECOND, T0 + 100 * SECOND, A, &log), T0 + 22 * SECOND);
	assert_int_equal(first_of(&log, SESSION_END)->reason, SESSION_SUPERSEDED);
	assert_int_equal(first_of(&log, SESSION_END)->l2tp_port, 49152);
	session_table_free(t);
}

static void test_a_rekey_stays_in_its_session(void **state)
{
	struct session_table *t = new_table();
	struct log log;

	(void)state;
	connect_client(t, T0, A, 49152, 0x10);
	connect_client(t, T0 + 500 * SECOND, A, 49152, 0x20);
	assert_int_equal(session_stats(t).sessions, 1);
	const struct session_view v = view(t, T0 + 500 * SECOND, A);

	assert_int_equal(v.sa_count, 4);
	assert_int_equal(v.spi_in, 0x20);
	assert_int_equal(v.idle_ms, 0);
	gone(t, T0 + 510 * SECOND, A, 0x10);
	drain(t, T0 + 510 * SECOND, &log);
	assert_int_equal(count_of(&log, SESSION_ENDED), 0);
	assert_int_equal(view(t, T0 + 510 * SECOND, A).sa_count, 2);
	session_table_free(t);
}

/* StopCCN from a port that two sessions of one address have. */
static void test_whose_goodbye(void **state)
{
	struct session_table *t = new_table();

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	connect_client(t, T0, B, 1701, 0x20);
	l2tp(t, T0 + SECOND, "198.51.100.7:1701", SESSION_L2TP_CLOSE);
	assert_int_equal(view(t, T0 + SECOND, A).state, SESSION_UP);
	assert_int_equal(view(t, T0 + SECOND, B).state, SESSION_UP);
	assert_int_equal(session_stats(t).ambiguous, 1);
	alive(t, T0 + 30 * SECOND, A, 0); /* B is silent: then it was A */
	l2tp(t, T0 + 31 * SECOND, "198.51.100.7:1701", SESSION_L2TP_CLOSE);
	assert_int_equal(view(t, T0 + 31 * SECOND, A).state, SESSION_CLOSING);
	assert_int_equal(view(t, T0 + 31 * SECOND, B).state, SESSION_UP);
	session_table_free(t);
}

static void test_goodbye_of_one_client_with_two_sessions(void **state)
{
	struct session_table *t = new_table();

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	connect_client(t, T0, B, 1701, 0x20);
	identify(t, T0, A, 0x10, 77, true);
	identify(t, T0, B, 0x20, 77, true);
	l2tp(t, T0 + SECOND, "198.51.100.7:1701", SESSION_L2TP_CLOSE);
	assert_int_equal(view(t, T0 + SECOND, A).state, SESSION_UP);
	assert_int_equal(view(t, T0 + SECOND, B).state, SESSION_CLOSING);
	session_table_free(t);
}

static void test_failing_stack_is_told_again(void **state)
{
	static const unsigned waits[] = {1, 2, 4, 8, 16, 32, 60, 60};
	struct session_table *t = new_table();
	const struct endpoint peer = at(A);
	struct log log;
	uint64_t now = T0;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	drain(t, now, &log);
	assert_int_equal(session_drop(t, T0, &peer), 1);
	for (unsigned i = 0; i < sizeof waits / sizeof *waits; i++) {
		drain(t, now, &log);
		assert_int_equal(log.count, 1);
		assert_int_equal(log.actions[0].attempt, i + 1);
		session_end_result(t, now, log.actions[0].id, -5, "whack: Pluto is not running");
		assert_int_equal(view(t, now, A).state, SESSION_FAILED);
		assert_string_equal(view(t, now, A).error, "whack: Pluto is not running");
		assert_int_equal(session_next_deadline(t), now + waits[i] * SECOND);
		session_tick(t, now + waits[i] * SECOND - 1);
		drain(t, now, &log);
		assert_int_equal(log.count, 0);
		now += waits[i] * SECOND;
		session_tick(t, now);
	}
	assert_int_equal(session_stats(t).failures, 8);
	session_table_free(t);
}

static void test_stack_says_done_but_sas_stay(void **state)
{
	struct session_table *t = new_table();
	const struct endpoint host = at("198.51.100.7");
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	drain(t, T0, &log);
	assert_int_equal(session_drop(t, T0, &host), 1);
	drain(t, T0, &log);
	session_end_result(t, T0, log.actions[0].id, 0, NULL);
	assert_int_equal(run_until_end(t, T0 + 1, T0 + 10 * SECOND, NULL, &log), T0 + 1 + 2 * SECOND);
	assert_int_equal(log.actions[0].attempt, 2);
	session_end_result(t, T0, 4711, 0, NULL); /* of nobody */
	assert_int_equal(session_drop(t, T0, &host), 1);
	const struct endpoint other = at("198.51.100.8");

	assert_int_equal(session_drop(t, T0, &other), 0);
	session_table_free(t);
}

/* A client that went without a word and is back from the same port of its NAT has two sessions for a while: "drop" is for
 * both, and each is told and counted once, however its SAs go and whatever a dump still shows of them. */
static void test_a_drop_counts_each_session_once(void **state)
{
	struct session_table *t = new_table();
	const struct endpoint host = at("198.51.100.7");
	struct sa_info old_in = sa_of(A, 49152, 0x10, false);
	struct log log;

	(void)state;
	connect_client(t, T0, A, 49152, 0x10);
	connect_client(t, T0 + SECOND, A, 49153, 0x20);
	drain(t, T0 + SECOND, &log);
	assert_int_equal(session_drop(t, T0 + SECOND, &host), 2);
	drain(t, T0 + SECOND, &log);
	assert_int_equal(count_of(&log, SESSION_END), 2);
	assert_int_equal(session_drop(t, T0 + SECOND, &host), 2);
	drain(t, T0 + SECOND, &log);
	assert_int_equal(log.count, 0);
	session_dump_begin(t);
	gone(t, T0 + SECOND, A, 0x10);
	old_in.dumped = true;
	session_sa(t, T0 + SECOND, &old_in, 0);
	gone(t, T0 + SECOND, A, 0x20);
	session_dump_end(t, T0 + SECOND);
	drain(t, T0 + SECOND, &log);
	assert_int_equal(count_of(&log, SESSION_ENDED), 2);
	assert_int_equal(session_stats(t).ended[SESSION_DROPPED], 2);
	assert_int_equal(session_stats(t).sessions, 0);
	assert_int_equal(session_drop(t, T0 + SECOND, &host), 0);
	session_table_free(t);
}

static void test_life_takes_an_end_back(void **state)
{
	struct session_table *t = new_table();
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	sample(t, T0, A, 1701, 0x10, 0, 1);
	assert_int_equal(run_until_end(t, T0, T0 + 60 * SECOND, NULL, &log), T0 + 30 * SECOND);
	session_end_result(t, T0 + 30 * SECOND, first_of(&log, SESSION_END)->id, -5, "busy");
	alive(t, T0 + 30 * SECOND, A, 0);
	drain(t, T0 + 30 * SECOND, &log);
	assert_int_equal(log.count, 1);
	assert_int_equal(log.actions[0].kind, SESSION_KEPT);
	assert_int_equal(view(t, T0 + 31 * SECOND, A).state, SESSION_UP);
	assert_null(view(t, T0 + 31 * SECOND, A).error);
	assert_int_equal(session_stats(t).kept, 1);
	assert_int_equal(run_until_end(t, T0 + 31 * SECOND, T0 + 600 * SECOND, NULL, &log), 0);
	session_table_free(t);
}

static void test_dump_sweeps(void **state)
{
	struct session_table *t = new_table();
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	connect_client(t, T0, B, 1702, 0x20);
	drain(t, T0, &log);
	session_dump_begin(t);
	const struct sa_info in = sa_of(A, 1701, 0x10, false), out = sa_of(A, 1701, 0x11, true);

	session_sa(t, T0 + 1, &in, 0);
	session_sa(t, T0 + 1, &out, 0);
	connect_client(t, T0 + 1, "198.51.100.8:4500", 1701, 0x30); /* came in meanwhile */
	session_dump_end(t, T0 + 2);
	drain(t, T0 + 2, &log);
	assert_int_equal(first_of(&log, SESSION_ENDED)->peer.port, 21002);
	assert_int_equal(first_of(&log, SESSION_ENDED)->reason, SESSION_BY_STACK);
	assert_int_equal(session_stats(t).sessions, 2);
	session_dump_begin(t); /* pluto restarted: all gone */
	session_dump_end(t, T0 + 3);
	drain(t, T0 + 3, &log);
	assert_int_equal(count_of(&log, SESSION_ENDED), 2);
	assert_int_equal(session_stats(t).sessions, 0);
	assert_int_equal(session_stats(t).sas, 0);
	session_table_free(t);
}

/* The dump was read before the deletion, and arrives behind it. */
static void test_dump_does_not_raise_the_dead(void **state)
{
	struct session_table *t = new_table();
	struct sa_info in = sa_of(A, 1701, 0x10, false), out = sa_of(A, 1701, 0x11, true);
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	session_dump_begin(t);
	session_sa_gone(t, T0 + 1, &in);
	session_sa_gone(t, T0 + 1, &out);
	in.dumped = out.dumped = true;
	session_sa(t, T0 + 2, &in, 0);
	session_sa(t, T0 + 2, &out, 0);
	assert_int_equal(session_stats(t).sessions, 0);
	in.dumped = out.dumped = false; /* made anew, with the same SPI: keys were exchanged */
	session_sa(t, T0 + 3, &in, 0);
	session_sa(t, T0 + 3, &out, 0);
	session_dump_end(t, T0 + 4);
	assert_int_equal(session_stats(t).sessions, 1);
	in.dumped = true; /* the next dump is a true one */
	session_sa_gone(t, T0 + 5, &in);
	session_dump_begin(t);
	session_sa(t, T0 + 6, &in, 0);
	assert_int_equal(session_stats(t).sas, 2);
	drain(t, T0 + 6, &log);
	session_table_free(t);
}

/* SPIs are chosen by each host for itself: the one that is gone is not another host's. */
static void test_the_same_spi_at_another_host(void **state)
{
	struct session_table *t = new_table();
	struct sa_info in = sa_of("198.51.100.8:4500", 1701, 0x10, false);

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	session_dump_begin(t);
	gone(t, T0 + 1, A, 0x10);
	in.dumped = true;
	session_sa(t, T0 + 2, &in, 0);
	session_dump_end(t, T0 + 3);
	assert_int_equal(session_stats(t).sas, 1);
	session_table_free(t);
}

/* The stack's answer to an end that is over comes while another session, in the same place of the table, is being ended. */
static void test_a_late_answer_means_nobody_else(void **state)
{
	struct session_table *t = new_table();
	const struct endpoint one = at(A), other = at(B);
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	drain(t, T0, &log);
	session_drop(t, T0, &one);
	drain(t, T0, &log);
	const uint64_t old = first_of(&log, SESSION_END)->id;

	gone(t, T0 + 1, A, 0x10);
	drain(t, T0 + 1, &log);
	connect_client(t, T0 + 2, B, 1701, 0x20);
	drain(t, T0 + 2, &log);
	session_drop(t, T0 + 2, &other);
	drain(t, T0 + 2, &log);
	assert_int_equal((uint32_t)first_of(&log, SESSION_END)->id, (uint32_t)old);
	session_end_result(t, T0 + 3, old, -5, "late");
	assert_int_equal(view(t, T0 + 3, B).state, SESSION_ENDING);
	assert_int_equal(session_stats(t).failures, 0);
	session_table_free(t);
}

/* Who has said goodbye is not kept by what still comes of him. */
static void test_life_does_not_take_a_close_back(void **state)
{
	struct session_table *t = new_table();
	struct log log;

	(void)state;
	connect_client(t, T0, A, 49152, 0x10);
	l2tp(t, T0, "198.51.100.7:49152", SESSION_L2TP_CLOSE);
	session_tick(t, T0 + SECOND);
	drain(t, T0 + SECOND, &log);
	assert_int_equal(first_of(&log, SESSION_END)->reason, SESSION_CLOSED);
	alive(t, T0 + 2 * SECOND, A, 0);
	sample(t, T0 + 2 * SECOND, A, 49152, 0x10, 5, 5);
	assert_int_equal(view(t, T0 + 2 * SECOND, A).state, SESSION_ENDING);
	assert_int_equal(session_stats(t).kept, 0);
	session_table_free(t);
}

/* More ends during one dump than are remembered: what it shows anew waits for the next dump. */
static void test_dump_amid_many_ends(void **state)
{
	struct session_table *t = new_table();
	struct sa_info in = sa_of(A, 1701, 0x10, false);

	(void)state;
	in.dumped = true;
	session_dump_begin(t);
	gone(t, T0, A, 0x10);
	for (uint32_t i = 0; i < 100; i++)
		gone(t, T0, B, 0x1000 + 2 * i);
	session_sa(t, T0, &in, 0);
	assert_int_equal(session_stats(t).sas, 0);
	session_dump_end(t, T0);
	session_dump_begin(t);
	session_sa(t, T0, &in, 0);
	session_dump_end(t, T0);
	assert_int_equal(session_stats(t).sas, 1);
	session_table_free(t);
}

static void test_nat_mapping_moves(void **state)
{
	struct session_table *t = new_table();
	const struct sa_info moved = sa_of(B, 1701, 0x10, false);

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	session_sa(t, T0 + 5, &moved, 0);
	assert_int_equal(view(t, T0 + 5, B).sa_count, 2);
	alive(t, T0 + 10 * SECOND, B, 0);
	assert_int_equal(view(t, T0 + 10 * SECOND, B).idle_ms, 0);
	session_table_free(t);
}

static void test_keep_warm(void **state)
{
	struct session_table *t = table_with(40 * SECOND);
	struct sa_info in = sa_of(A, 1701, 0x10, false);
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	in.packets = 3; /* HELLO answers and LCP echoes: small */
	in.bytes = 3 * 80;
	session_sa(t, T0 + 30 * SECOND, &in, 0);
	session_tick(t, T0 + 40 * SECOND);
	drain(t, T0 + 40 * SECOND, &log);
	assert_int_equal(count_of(&log, SESSION_KEEP_WARM), 1);
	in.packets = 4;
	in.bytes += 1300;
	session_sa(t, T0 + 60 * SECOND, &in, 0);
	session_tick(t, T0 + 80 * SECOND);
	drain(t, T0 + 80 * SECOND, &log);
	assert_int_equal(count_of(&log, SESSION_KEEP_WARM), 0);
	session_tick(t, T0 + 100 * SECOND);
	drain(t, T0 + 100 * SECOND, &log);
	assert_int_equal(count_of(&log, SESSION_KEEP_WARM), 1);
	session_table_free(t);
}

static void test_bound(void **state)
{
	struct session_config config;

	(void)state;
	session_config_default(&config);
	config.max_sessions = 2;
	struct session_table *t = session_table_new(&config);

	connect_client(t, T0, A, 1701, 0x10);
	connect_client(t, T0, B, 1701, 0x20);
	connect_client(t, T0, "198.51.100.8:4500", 1701, 0x30);
	assert_int_equal(session_stats(t).sessions, 2);
	assert_int_equal(session_stats(t).unwatched, 2);
	session_table_free(t);
}

static void test_reload(void **state)
{
	struct session_table *t = new_table();
	struct session_config config;
	struct log log;

	(void)state;
	connect_client(t, T0, A, 1701, 0x10);
	session_config_default(&config);
	config.profiles[0].idle_timeout_ms = 10 * SECOND;
	session_table_configure(t, T0 + SECOND, &config);
	assert_int_equal(run_until_end(t, T0 + SECOND, T0 + 60 * SECOND, NULL, &log), T0 + 10 * SECOND);
	session_table_free(t);
}

static void test_ipv6(void **state)
{
	struct session_table *t = new_table();
	struct sa_info in = sa_of("[2001:db8::7]:4500", 1701, 0x10, false);
	struct log log;

	(void)state;
	in.us = at("[2001:db8::1]:4500");
	session_sa(t, T0, &in, 0);
	in.outbound = true;
	in.spi = 0x11;
	session_sa(t, T0, &in, 0);
	l2tp(t, T0, "[2001:db8::7]:1701", SESSION_L2TP_CLOSE);
	session_tick(t, T0 + 300);
	drain(t, T0 + 300, &log);
	assert_int_equal(first_of(&log, SESSION_END)->sa_count, 2);
	session_table_free(t);
}

/* Many sessions that come, live and go in an order that a random number decides; the table must agree with a plain model
 * of which SAs are there, and end nobody who shows life. */
static void test_against_a_model(void **state)
{
	enum { CLIENTS = 200, STEPS = 60000 };
	struct session_table *t = new_table();
	bool there[CLIENTS] = {false};
	uint64_t life[CLIENTS] = {0};
	uint32_t random = 12345;
	uint64_t now = T0;
	struct log log;

	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		char peer[64];

		random = random * 1664525u + 1013904223u;
		const unsigned i = (random >> 8) % CLIENTS;

		now += 20;
		snprintf(peer, sizeof peer, "198.51.%u.7:%u", i / 40, 20000 + i);
		switch ((random >> 20) % 8) {
		case 0:
			if (!there[i])
				connect_client(t, now, peer, 1701, 0x1000 + 2 * i);
			there[i] = true;
			life[i] = now;
			break;
		case 1:
			if ((random >> 24) % 16 == 0) {
				gone(t, now, peer, 0x1000 + 2 * i);
				there[i] = false;
			}
			break;
		default:
			alive(t, now, peer, 0);
			life[i] = now;
		}
		session_tick(t, now);
		drain(t, now, &log);
		for (size_t a = 0; a < log.count; a++)
			if (log.actions[a].kind == SESSION_END)
				assert_true(now - life[log.actions[a].peer.port - 20000] >= 22 * SECOND);
		if (step % 1000 == 0) {
			size_t expected = 0;

			for (unsigned c = 0; c < CLIENTS; c++)
				expected += there[c];
			assert_int_equal(session_stats(t).sessions, expected);
			assert_int_equal(session_stats(t).sas, 2 * expected);
		}
	}
	session_table_free(t);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(session_state_name(SESSION_CLOSING), "closing");
	assert_string_equal(session_end_name(SESSION_SUPERSEDED), "superseded");
	assert_string_equal(session_end_name(SESSION_BY_STACK), "stack");
}

enum { MANY = 300 };

static const char *numbered(unsigned n, char text[static 32])
{
	snprintf(text, 32, "198.51.%u.%u:4500", n >> 8, n & 255);
	return text;
}

static void count_seen(void *ctx, const struct session_view *v)
{
	unsigned *seen = ctx;

	seen[v->peer.addr[2] << 8 | v->peer.addr[3]]++;
}

/* Read in pieces, while some go and others come. */
static void test_each_in_pieces(void **state)
{
	static unsigned seen[3 * MANY];
	struct session_config config;
	char peer[32];
	uint32_t cursor = 0;
	unsigned pieces = 0, fresh = MANY;
	struct session_table *t;
	struct log log;

	(void)state;
	session_config_default(&config);
	t = session_table_new(&config);
	for (unsigned n = 0; n < MANY; n++) {
		connect_client(t, T0, numbered(n, peer), 1701, 0x1000 + 2 * n);
		drain(t, T0, &log);
	}
	while (session_each_of(t, T0, &cursor, 10, count_seen, seen)) {
		pieces++;
		gone(t, T0, numbered(pieces, peer), 0x1000 + 2 * pieces);                 /* seen already */
		gone(t, T0, numbered(MANY - pieces, peer), 0x1000 + 2 * (MANY - pieces)); /* not yet */
		drain(t, T0, &log);
		connect_client(t, T0, numbered(fresh, peer), 1701, 0x1000 + 2 * fresh);
		fresh++;
		drain(t, T0, &log);
	}
	assert_in_range(pieces, MANY / 10 - 1, 2 * MANY / 10);
	for (unsigned n = 0; n < 3 * MANY; n++)
		assert_in_range(seen[n], n < MANY - pieces ? 1 : 0, 1);
	session_table_free(t);
}

/* What the kernel's sets would hold: lines of text, so that a set is a set. */
struct sets {
	char lines[64][80];
	size_t count;
};

static void change_line(struct sets *sets, const char *line, bool there)
{
	size_t at = 0;

	while (at < sets->count && strcmp(sets->lines[at], line) != 0)
		at++;
	if (there && at == sets->count)
		snprintf(sets->lines[sets->count++], sizeof sets->lines[0], "%s", line);
	else if (!there && at < sets->count)
		memmove(sets->lines[at], sets->lines[--sets->count], sizeof sets->lines[0]);
}

static void mark_l2tp(void *ctx, uint32_t spi, const struct endpoint *from, bool there)
{
	char line[80], text[ENDPOINT_TEXT_MAX];

	snprintf(line, sizeof line, "%u %s", (unsigned)spi, endpoint_text(from, text));
	change_line(ctx, line, there);
}

static void mark_endpoint(void *ctx, const struct endpoint *peer, bool there)
{
	char line[80], text[ENDPOINT_TEXT_MAX];

	snprintf(line, sizeof line, "%s", endpoint_text(peer, text));
	change_line(ctx, line, there);
}

static const struct session_marks marks = {.l2tp = mark_l2tp, .endpoint = mark_endpoint};

/* Whether the sets hold these lines, which end with NULL, and no others. */
static bool holds(const struct sets *sets, const char *const *wanted)
{
	size_t count = 0;

	for (; wanted[count]; count++) {
		size_t at = 0;

		while (at < sets->count && strcmp(sets->lines[at], wanted[count]) != 0)
			at++;
		if (at == sets->count)
			return false;
	}
	return count == sets->count;
}
#define HOLDS(sets, ...) holds(sets, (const char *const[]){__VA_ARGS__, NULL})

static void marks_follow_the_sas(void **state)
{
	struct session_table *t = new_table();
	struct sets sets = {.count = 0}, anew = {.count = 0};
	struct sa_info rekeyed = sa_of("198.51.100.7:21001", 50123, 300, false);

	(void)state;
	session_on_marks(t, &marks, &sets);
	connect_client(t, T0, "198.51.100.7:21001", 50123, 100);
	assert_true(HOLDS(&sets, "198.51.100.7:21001", "100 198.51.100.7:50123"));
	session_sa(t, T0, &rekeyed, 0);
	assert_true(HOLDS(&sets, "198.51.100.7:21001", "100 198.51.100.7:50123", "300 198.51.100.7:50123"));
	gone(t, T0, "198.51.100.7:21001", 100);
	assert_true(HOLDS(&sets, "198.51.100.7:21001", "300 198.51.100.7:50123"));
	session_on_marks(t, &marks, &anew); /* after a flush */
	session_tell_marks(t);
	assert_true(HOLDS(&anew, "198.51.100.7:21001", "300 198.51.100.7:50123"));
	session_dump_begin(t); /* that shows nothing: its end was missed */
	session_dump_end(t, T0);
	assert_int_equal(anew.count, 0);
	session_table_free(t);
}

static void what_is_no_session_is_not_marked(void **state)
{
	struct session_table *t = new_table();
	struct sets sets = {.count = 0};
	struct sa_info tunnel = sa_of("198.51.100.7:21001", 1701, 100, false), other = tunnel;

	(void)state;
	session_on_marks(t, &marks, &sets);
	tunnel.transport = false;
	session_sa(t, T0, &tunnel, 0);
	other.our_port = 1702;
	session_sa(t, T0, &other, 0);
	assert_int_equal(sets.count, 0);
	session_table_free(t);
}

static void marks_follow_the_nat(void **state)
{
	struct session_table *t = new_table();
	struct sets sets = {.count = 0};
	const struct sa_info moved = sa_of("198.51.100.7:21002", 50123, 100, false);

	(void)state;
	session_on_marks(t, &marks, &sets);
	connect_client(t, T0, "198.51.100.7:21001", 50123, 100);
	session_sa(t, T0, &moved, 0);
	assert_true(HOLDS(&sets, "198.51.100.7:21002", "100 198.51.100.7:50123"));
	/* Another session of the same endpoint keeps it. */
	connect_client(t, T0, "198.51.100.7:21002", 50124, 200);
	gone(t, T0, "198.51.100.7:21002", 100);
	assert_true(HOLDS(&sets, "198.51.100.7:21002", "200 198.51.100.7:50124"));
	gone(t, T0, "198.51.100.7:21002", 200);
	assert_int_equal(sets.count, 0);
	session_table_free(t);
}

static void plain_esp_is_watched_at_the_port_of_ike(void **state)
{
	struct session_table *t = new_table();
	struct sets sets = {.count = 0};

	(void)state;
	session_on_marks(t, &marks, &sets);
	connect_client(t, T0, "198.51.100.7", 1701, 100);
	connect_client(t, T0, "2001:db8::7", 1701, 200);
	assert_true(HOLDS(&sets, "198.51.100.7:500", "100 198.51.100.7:1701", "[2001:db8::7]:500",
			  "200 [2001:db8::7]:1701"));
	session_table_free(t);
}

/* An SA without a port could speak from anybody's port behind the same address. */
static void an_sa_without_a_port_is_believed_when_alone(void **state)
{
	struct session_table *t = new_table();
	struct sets sets = {.count = 0};

	(void)state;
	session_on_marks(t, &marks, &sets);
	connect_client(t, T0, "198.51.100.7:21001", 0, 100);
	assert_true(HOLDS(&sets, "198.51.100.7:21001", "100 198.51.100.7:1701"));
	connect_client(t, T0, "198.51.100.7:21002", 1701, 200);
	assert_true(HOLDS(&sets, "198.51.100.7:21001", "198.51.100.7:21002", "200 198.51.100.7:1701"));
	gone(t, T0, "198.51.100.7:21002", 200);
	assert_true(HOLDS(&sets, "198.51.100.7:21001", "100 198.51.100.7:1701"));
	connect_client(t, T0, "198.51.100.7:21001", 0, 300); /* itself, again */
	assert_true(HOLDS(&sets, "198.51.100.7:21001", "100 198.51.100.7:1701", "300 198.51.100.7:1701"));
	connect_client(t, T0, "198.51.100.7:21003", 0, 400);
	assert_true(HOLDS(&sets, "198.51.100.7:21001", "198.51.100.7:21003"));
	session_table_free(t);
}

/* Nothing can have come in by a session that has no inbound SA any more. */
static void who_has_no_inbound_sa_did_not_speak(void **state)
{
	struct session_table *t = new_table();
	struct log log;
	struct sa_info in = sa_of("198.51.100.7:21002", 1701, 200, false);

	(void)state;
	connect_client(t, T0, "198.51.100.7:21001", 1701, 100);
	connect_client(t, T0, "198.51.100.7:21002", 1701, 200);
	session_sa_gone(t, T0, &in);
	l2tp(t, T0 + SECOND, "198.51.100.7:1701", SESSION_L2TP_CLOSE);
	session_tick(t, T0 + 2 * SECOND);
	drain(t, T0 + 2 * SECOND, &log);
	assert_int_equal(first_of(&log, SESSION_END)->peer.port, 21001);
	assert_int_equal(session_stats(t).ambiguous, 0);
	session_table_free(t);
}

/* Whoever asks for a tunnel by newer SAs than it had has left its older tunnels behind. */
static void when_sas_were_renewed(void **state)
{
	struct session_table *t = new_table();

	(void)state;
	session_dump_begin(t);
	connect_client(t, T0, "192.0.2.7:4500", 1701, 0x100);
	session_dump_end(t, T0);
	assert_int_equal(renewed(t, "192.0.2.7:1701"), 0); /* how old they are is not known */
	connect_client(t, T0 + SECOND, "192.0.2.7:4500", 1701, 0x200);
	assert_int_equal(renewed(t, "192.0.2.7:1701"), T0 + SECOND);
	sample(t, T0 + 2 * SECOND, "192.0.2.7:4500", 1701, 0x200, 5, 5);
	assert_int_equal(renewed(t, "192.0.2.7:1701"), T0 + SECOND);
	assert_int_equal(renewed(t, "192.0.2.7:1702"), 0);
	assert_int_equal(renewed(t, "192.0.2.8:1701"), 0);
	/* Another port of the NAT: which of the two it is that asks, nobody can tell. */
	connect_client(t, T0 + 3 * SECOND, "192.0.2.7:4501", 1701, 0x300);
	assert_int_equal(renewed(t, "192.0.2.7:1701"), 0);
	gone(t, T0 + 4 * SECOND, "192.0.2.7:4500", 0x200);
	assert_int_equal(renewed(t, "192.0.2.7:1701"), T0 + 3 * SECOND);
	session_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pair_makes_a_session),
		cmocka_unit_test(test_each_in_pieces),
		cmocka_unit_test(test_only_l2tp_road_warriors),
		cmocka_unit_test(test_closed_after_the_grace),
		cmocka_unit_test(test_stays_when_a_close_counts_not),
		cmocka_unit_test(test_stays_when_a_close_is_ambiguous),
		cmocka_unit_test(test_stays_when_activity_moved_the_time_out),
		cmocka_unit_test(test_a_new_tunnel_takes_the_close_back),
		cmocka_unit_test(test_new_pair_during_an_end),
		cmocka_unit_test(test_close_switched_off),
		cmocka_unit_test(test_dead_when_nothing_comes_back),
		cmocka_unit_test(test_keep_alives_keep),
		cmocka_unit_test(test_one_direction_in_is_life),
		cmocka_unit_test(test_answered_in_the_same_sample),
		cmocka_unit_test(test_no_end_on_stale_knowledge),
		cmocka_unit_test(test_plain_esp_waits_for_the_hello),
		cmocka_unit_test(test_plain_esp_lives_by_ike),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_everything_off),
		cmocka_unit_test(test_superseded_by_the_same_id),
		cmocka_unit_test(test_superseded_at_another_alias),
		cmocka_unit_test(test_life_at_an_address),
		cmocka_unit_test(test_another_client_behind_the_same_address),
		cmocka_unit_test(test_without_identity_nobody_is_superseded),
		cmocka_unit_test(test_a_shared_id_needs_a_longer_silence),
		cmocka_unit_test(test_superseded_from_the_same_endpoint),
		cmocka_unit_test(test_a_rekey_stays_in_its_session),
		cmocka_unit_test(test_whose_goodbye),
		cmocka_unit_test(test_goodbye_of_one_client_with_two_sessions),
		cmocka_unit_test(test_failing_stack_is_told_again),
		cmocka_unit_test(test_stack_says_done_but_sas_stay),
		cmocka_unit_test(test_a_drop_counts_each_session_once),
		cmocka_unit_test(test_life_takes_an_end_back),
		cmocka_unit_test(test_dump_sweeps),
		cmocka_unit_test(test_dump_does_not_raise_the_dead),
		cmocka_unit_test(test_the_same_spi_at_another_host),
		cmocka_unit_test(test_a_late_answer_means_nobody_else),
		cmocka_unit_test(test_life_does_not_take_a_close_back),
		cmocka_unit_test(test_dump_amid_many_ends),
		cmocka_unit_test(test_nat_mapping_moves),
		cmocka_unit_test(test_keep_warm),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_against_a_model),
		cmocka_unit_test(test_names),
		cmocka_unit_test(marks_follow_the_sas),
		cmocka_unit_test(what_is_no_session_is_not_marked),
		cmocka_unit_test(marks_follow_the_nat),
		cmocka_unit_test(plain_esp_is_watched_at_the_port_of_ike),
		cmocka_unit_test(an_sa_without_a_port_is_believed_when_alone),
		cmocka_unit_test(who_has_no_inbound_sa_did_not_speak),
		cmocka_unit_test(when_sas_were_renewed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
