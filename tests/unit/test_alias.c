/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of aliases: who gets one, who keeps the address, whose flow is never moved, and what an attacker behind the same NAT, or one
 * who forges its address, can make of it. A little world around it says which sessions the kernel has, and holds the kernel's maps. */
#include "shim/alias/alias.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE UINT64_C(60000)
#define MAP_MAX 16384
#define SESSIONS_MAX 512

/* The world */

static struct alias_table *table;
static uint64_t now;
static struct session {
	struct endpoint at;
	uint64_t last_packet;
	bool plain, silent;
} sessions[SESSIONS_MAX];
static size_t session_count;
static struct alias_change map[MAP_MAX];
static size_t map_count;
static unsigned next_cookie;
static uint8_t offering; /* in first messages */
#define FOLLOWED_MAX 131072
static struct {
	struct endpoint flow;
	uint8_t cookie[ALIAS_COOKIE_LEN], responder[ALIAS_COOKIE_LEN];
	bool answered;
} followed[FOLLOWED_MAX]; /* as the kernel's rules: what goes to which flow is noted */
static size_t followed_count;

static struct endpoint ep(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

static struct alias_life life(void *ctx, const struct endpoint *at)
{
	struct alias_life found = {.quiet_ms = UINT64_MAX};

	assert_ptr_equal(ctx, sessions);
	for (size_t i = 0; i < session_count; i++) {
		if (!endpoint_same_host(&sessions[i].at, at) || (at->port && sessions[i].at.port != at->port))
			continue;
		found.lives = true;
		found.plain |= sessions[i].plain;
		if (now - sessions[i].last_packet < found.quiet_ms)
			found.quiet_ms = now - sessions[i].last_packet;
	}
	return found;
}

static bool answered(void *ctx, const struct endpoint *from, const uint8_t cookie[static ALIAS_COOKIE_LEN],
		     const uint8_t responder[static ALIAS_COOKIE_LEN])
{
	assert_ptr_equal(ctx, sessions);
	for (size_t i = 0; i < followed_count; i++)
		if (followed[i].answered && endpoint_same_host(&followed[i].flow, from) &&
		    !memcmp(followed[i].cookie, cookie, ALIAS_COOKIE_LEN) &&
		    !memcmp(followed[i].responder, responder, ALIAS_COOKIE_LEN))
			return true;
	return false;
}

static bool able;

static bool ready(void *ctx)
{
	assert_ptr_equal(ctx, sessions);
	return able;
}

static const char *offer_name(uint8_t offer)
{
	static char name[] = "o0";

	name[1] = (char)('0' + offer);
	return name;
}

static bool offer_parse(const char *word, uint8_t *offer)
{
	*offer = (uint8_t)(word[1] - '0');
	return strlen(word) == 2 && word[0] == 'o' && *offer < 10;
}

static void follow(const struct alias_result *r, const uint8_t *cookie)
{
	for (size_t i = 0; i < followed_count && r->unfollow; i++)
		if (endpoint_equal(&followed[i].flow, &r->flow) &&
		    !memcmp(followed[i].cookie, cookie, ALIAS_COOKIE_LEN)) {
			followed[i] = followed[--followed_count];
			return;
		}
	assert_false(r->unfollow); /* it was followed, on that flow */
	if (!r->follow)
		return;
	assert_true(followed_count < FOLLOWED_MAX);
	followed[followed_count].flow = r->flow;
	followed[followed_count].answered = false;
	memcpy(followed[followed_count++].cookie, cookie, ALIAS_COOKIE_LEN);
}

static void open_table(unsigned prefix)
{
	const struct alias_config config = {.net = ep("198.18.0.0"),
					    .prefix = prefix,
					    .seed = 0x1234567890abcdef,
					    .life = life,
					    .answered = answered,
					    .ready = ready,
					    .offer_name = offer_name,
					    .offer_parse = offer_parse,
					    .ctx = sessions};

	alias_table_free(table);
	session_count = map_count = followed_count = 0;
	next_cookie = 1;
	offering = 0;
	able = true;
	now = 1000 * MINUTE;
	table = alias_table_new(&config);
	assert_non_null(table);
}

static int set_up(void **state)
{
	(void)state;
	open_table(16);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	alias_table_free(table);
	table = NULL;
	return 0;
}

static bool same_pair(const struct alias_change *a, const struct alias_change *b)
{
	return endpoint_equal(&a->real, &b->real) && endpoint_equal(&a->alias, &b->alias) &&
	       a->server.port == b->server.port;
}

/* As the kernel: nothing is there twice, neither by the real flow nor by the alias, and only what is there goes. */
static void carry_out(const struct alias_result *r)
{
	assert_true(r->change_count <= ALIAS_CHANGES_MAX);
	for (size_t i = 0; i < r->change_count; i++) {
		const struct alias_change *c = &r->changes[i];
		size_t at = 0;

		if (c->tracked_only)
			continue;
		assert_true(c->server.port == 500 || c->server.port == 4500);
		while (at < map_count && !same_pair(&map[at], c))
			at++;
		if (!c->there) {
			assert_true(at < map_count);
			map[at] = map[--map_count];
			continue;
		}
		for (size_t m = 0; m < map_count; m++) {
			if (map[m].server.port != c->server.port)
				continue;
			assert_false(endpoint_equal(&map[m].real, &c->real));
			assert_false(endpoint_equal(&map[m].alias, &c->alias));
		}
		assert_true(map_count < MAP_MAX);
		map[map_count++] = *c;
	}
}

static const char *seen_as(const char *real, uint16_t server_port)
{
	static char text[4][ENDPOINT_TEXT_MAX];
	static unsigned turn;
	const struct endpoint flow = ep(real);

	for (size_t i = 0; i < map_count; i++)
		if (map[i].server.port == server_port && endpoint_equal(&map[i].real, &flow))
			return endpoint_text(&map[i].alias, text[turn++ % 4]);
	return real;
}

struct exchange {
	uint8_t cookie[ALIAS_COOKIE_LEN], responder[ALIAS_COOKIE_LEN];
	struct alias_result result;
};

static const struct endpoint *server(uint16_t port)
{
	static struct endpoint at;

	at = ep("203.0.113.1");
	at.port = port;
	return &at;
}

static struct exchange message1_to(const struct endpoint *from, uint16_t port)
{
	struct exchange e;

	memset(&e, 0, sizeof e);
	snprintf((char *)e.cookie, sizeof e.cookie, "i%06u", next_cookie);
	snprintf((char *)e.responder, sizeof e.responder, "r%06u", next_cookie++);
	e.result = alias_first(table, now, from, server(port), e.cookie);
	alias_offers(table, from, server(port), e.cookie, offering);
	assert_false(e.result.drop);
	carry_out(&e.result);
	follow(&e.result, e.cookie);
	return e;
}

static struct exchange message1(const char *from)
{
	const struct endpoint flow = ep(from);

	return message1_to(&flow, 500);
}

static void message2(const struct exchange *e, const char *to)
{
	const struct endpoint flow = ep(to);

	for (size_t i = 0; i < followed_count; i++)
		if (endpoint_equal(&followed[i].flow, &flow) &&
		    !memcmp(followed[i].cookie, e->cookie, ALIAS_COOKIE_LEN)) {
			followed[i].answered = true;
			memcpy(followed[i].responder, e->responder, ALIAS_COOKIE_LEN);
		}
}

/* A first message, and the server's answer. */
static struct exchange begun(const char *from)
{
	const struct exchange e = message1(from);

	message2(&e, from);
	return e;
}

static struct alias_result message5(const struct exchange *e, const char *from)
{
	const struct endpoint flow = ep(from);
	struct alias_result r = alias_float(table, now, &flow, e->cookie, e->responder);

	carry_out(&r);
	follow(&r, e->cookie);
	return r;
}

static struct session *session_at(const char *at)
{
	assert_true(session_count < SESSIONS_MAX);
	sessions[session_count] = (struct session){.at = ep(at), .last_packet = now};
	return &sessions[session_count++];
}

static void session_ends(const char *at)
{
	const struct endpoint e = ep(at);

	for (size_t i = 0; i < session_count; i++)
		if (endpoint_equal(&sessions[i].at, &e)) {
			sessions[i] = sessions[--session_count];
			return;
		}
	fail_msg("no session at %s", at);
}

static void expire(void)
{
	struct alias_result r;

	while (alias_expire(table, now, &r))
		carry_out(&r);
	carry_out(&r);
}

/* Time goes by as in the daemon, the sessions' packets too. */
static void wait(uint64_t ms, bool traffic)
{
	for (const uint64_t end = now + ms; now < end;) {
		now += end - now < 5000 ? end - now : 5000;
		for (size_t i = 0; i < session_count && traffic; i++)
			if (!sessions[i].silent)
				sessions[i].last_packet = now;
		expire();
	}
}

/* Phase 1 and a session, from flows of one client. The session is where the server sees the client. */
static struct exchange connect_from(const char *ike, const char *esp)
{
	const struct exchange e = message1(ike);
	struct alias_result r;

	if (e.result.follow) {
		message2(&e, ike);
		r = message5(&e, esp);
		assert_false(r.drop);
	}
	session_at(seen_as(esp, 4500));
	expire();
	return e;
}

#define V500 "192.0.2.7:500"
#define V4500 "192.0.2.7:4500"
#define W500 "192.0.2.7:20500"
#define W4500 "192.0.2.7:24500"
#define X500 "192.0.2.7:30500"
#define X4500 "192.0.2.7:34500"

/* Who keeps the address */

static void alone_one_keeps_its_address_whatever_it_does(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) { /* connects, leaves, connects */
		const struct exchange e = connect_from(V500, V4500);

		assert_int_equal(e.result.change_count, 0);
		assert_false(e.result.follow);
		wait(10 * MINUTE, true);
		session_ends(V4500);
		wait(i * 1000, true);
	}
	wait(MINUTE, true);
	for (int i = 0; i < 20; i++) { /* fails, and tries again from the same port */
		assert_false(message1(V500).result.follow);
		wait(4000, true);
	}
	assert_int_equal(map_count, 0);
	assert_int_equal(alias_stats(table).given, 0);
}

static void lone_one_rekeys_on_4500_and_on_500(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	wait(MINUTE, true);
	for (int i = 0; i < 3; i++) {
		const struct endpoint flow = ep(V4500);

		e = message1_to(&flow, 4500);
		assert_false(e.result.follow);
		wait(ALIAS_REKEY_MS, true);
		e = message1(V500); /* may be somebody else's by now: looked at, and it is not */
		assert_true(e.result.follow);
		message2(&e, V500);
		assert_false(message5(&e, V4500).drop);
		wait(MINUTE, true);
	}
	assert_int_equal(alias_stats(table).given, 0);
	assert_int_equal(map_count, 0);
}

static void host_without_nat_keeps_its_address(void **state)
{
	(void)state;
	assert_int_equal(message1(V500).result.change_count, 0);
	session_at("192.0.2.7")->plain = true;
	wait(MINUTE, true);
	assert_false(message1(V500).result.follow);
	assert_int_equal(map_count, 0);
}

static void others_are_left_alone(void **state)
{
	static const struct {
		const char *from;
		uint16_t port;
	} foreign[] = {{"[2001:db8::1]:500", 500}, {"198.18.3.4:500", 500}, {"192.0.2.7:500", 1701}};

	(void)state;
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		for (int repeat = 0; repeat < 3; repeat++) {
			struct endpoint from = ep(foreign[i].from);
			from.port = (uint16_t)(from.port + repeat);
			assert_int_equal(message1_to(&from, foreign[i].port).result.change_count, 0);
		}
	assert_int_equal(alias_stats(table).clients, 0);
}

static void clients_at_other_addresses_are_no_reason(void **state)
{
	(void)state;
	connect_from("192.0.2.7:500", "192.0.2.7:4500");
	connect_from("192.0.2.8:501", "192.0.2.8:4501");
	message1("192.0.2.9:502");
	assert_int_equal(map_count, 0);
}

/* Who gets another one */

static void second_and_third_get_one_each(void **state)
{
	struct exchange e;
	struct alias_result r;

	(void)state;
	connect_from(V500, V4500);
	wait(MINUTE, true);
	e = message1(W500);
	assert_true(e.result.follow);
	assert_string_equal(seen_as(W500, 500), "198.18.0.1:20500");
	message2(&e, W500);
	r = message5(&e, W4500);
	assert_true(r.settled && r.unfollow && !r.drop);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	session_at("198.18.0.1:24500");
	connect_from(X500, X4500);
	assert_string_equal(seen_as(X4500, 4500), "198.18.0.2:34500");
	assert_string_equal(seen_as(V4500, 4500), V4500);
	assert_int_equal(map_count, 4);
	assert_int_equal(alias_stats(table).aliases, 2);
	assert_int_equal(alias_stats(table).half_open, 0);
	r = message5(&e, W4500); /* more of it changes nothing */
	assert_true(!r.settled && !r.drop && !r.change_count);
}

static void of_two_half_open_the_second_gets_one(void **state)
{
	(void)state;
	assert_int_equal(message1(V500).result.change_count, 0);
	now += 5;
	assert_int_equal(message1(W500).result.change_count, 1);
	assert_int_equal(message1(V500).result.change_count, 0); /* another try of the first */
	assert_int_equal(message1(W500).result.change_count, 0);
	assert_int_equal(alias_stats(table).aliases, 1);
}

static void repeated_message_asks_for_the_same(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	e = message1(W500);
	for (int i = 0; i < 3; i++) {
		const struct endpoint from = ep(W500);
		const struct alias_result r = alias_first(table, now, &from, server(500), e.cookie);

		assert_true(r.follow && !r.change_count);
		wait(3000, true);
	}
	assert_int_equal(alias_stats(table).given, 1);
}

/* A NAT that keeps ports where it can gives 500 to the next client when the first one has floated and been silent there. */
static void another_one_on_a_reused_port_is_told_apart(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	wait(5 * MINUTE, true);
	e = message1(V500);
	assert_true(e.result.follow);
	assert_string_equal(seen_as(V500, 500), "198.18.0.1:500");
	message2(&e, V500);
	assert_true(message5(&e, W4500).settled);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	assert_string_equal(seen_as(V4500, 4500), V4500);
	session_at("198.18.0.1:24500");
	wait(5 * MINUTE, true);
	connect_from(V500, X4500); /* and the third one */
	assert_string_equal(seen_as(V500, 500), "198.18.0.2:500");
	assert_string_equal(seen_as(X4500, 4500), "198.18.0.2:34500");
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
}

/* After 40 minutes it may be the first one that rekeys: that is assumed, and found wrong by where the client floats to. */
static void late_one_on_a_reused_port_is_right_at_the_second_try(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	wait(ALIAS_REKEY_MS + MINUTE, true);
	e = message1(V500);
	assert_int_equal(e.result.change_count, 0);
	message2(&e, V500);
	assert_true(message5(&e, W4500).drop);
	assert_true(message5(&e, W4500).drop);
	now += 3000;
	e = begun(V500);
	assert_true(message5(&e, W4500).settled);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	assert_string_equal(seen_as(V4500, 4500), V4500);
}

/* A client with a session that begins phase 1 from a new port of its NAT looks like a new client until it floats. */
static void rekey_through_a_new_mapping_is_right_at_the_second_try(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	wait(30 * MINUTE, true);
	e = begun(X500);
	assert_true(message5(&e, W4500).drop);
	assert_true(message5(&e, W4500).drop); /* nor is its repeat for the server */
	assert_true(message5(&e, W4500).drop);
	assert_string_equal(seen_as(X500, 500), "198.18.0.1:30500"); /* W's alias */
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	now += 3000;
	e = message1(X500);
	assert_int_equal(e.result.change_count, 0);
	message2(&e, X500);
	assert_false(message5(&e, W4500).drop);
	assert_int_equal(alias_stats(table).aliases, 1);
	/* The same for the one that keeps its address. */
	e = message1("192.0.2.7:40500");
	message2(&e, "192.0.2.7:40500");
	assert_true(message5(&e, V4500).drop);
	now += 3000;
	e = message1("192.0.2.7:40500");
	assert_int_equal(e.result.change_count, 0);
	message2(&e, "192.0.2.7:40500");
	assert_false(message5(&e, V4500).drop);
	assert_string_equal(seen_as("192.0.2.7:40500", 500), "192.0.2.7:40500");
	assert_int_equal(alias_stats(table).rekeys, 2);
}

/* It is back from the same ports while its old session is still there, but silent. */
static void returned_one_gets_a_fresh_alias(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	wait(MINUTE, true);
	wait(ALIAS_QUIET_MS, false);
	e = begun(V500);
	assert_true(message5(&e, V4500).settled);
	assert_string_equal(seen_as(V4500, 4500), "198.18.0.1:4500");
	session_at("198.18.0.1:4500");
	wait(MINUTE, true);
	wait(ALIAS_QUIET_MS, false);
	e = message1(V500); /* and once more */
	message2(&e, V500);
	assert_true(message5(&e, V4500).settled);
	assert_string_equal(seen_as(V4500, 4500), "198.18.0.2:4500");
	assert_int_equal(map_count, 2);
}

/* Likewise, a moment after its last packet: both flows are its own, and its message is dropped until the session has been silent. */
static void returned_one_waits_for_silence(void **state)
{
	struct exchange e, f;

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	wait(5 * MINUTE, true);
	e = begun(V500);
	f = begun(W500);
	for (int repeat = 0; repeat < 4; repeat++) {
		assert_true(message5(&e, V4500).drop);
		assert_true(message5(&f, W4500).drop);
		wait(ALIAS_QUIET_MS / 5, false);
	}
	wait(ALIAS_QUIET_MS, false);
	assert_true(message5(&e, V4500).settled);
	assert_string_equal(seen_as(V4500, 4500), "198.18.0.2:4500");
	assert_true(message5(&f, W4500).settled);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.3:24500");
	assert_int_equal(alias_stats(table).rekeys, 0);
}

/* The session has packets all the time: it rekeys on port 500, though it is too young for that; its second try is right. */
static void returned_one_that_is_never_silent_rekeys(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	for (int immediate = 0; immediate < 2; immediate++) {
		wait(5 * MINUTE, true);
		e = begun(W500);
		for (int repeat = 0; repeat < (immediate ? 1 : 20); repeat++) {
			assert_true(message5(&e, W4500).drop);
			wait(2500, true);
		}
		assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
		e = begun(W500);
		if (immediate) {
			assert_true(message5(&e, W4500).drop);
			e = begun(W500);
		}
		assert_false(message5(&e, W4500).drop);
		assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	}
	assert_int_equal(alias_stats(table).rekeys, 2);
}

/* One flow of each of two clients: it is one of them that rekeys, and no more. */
static void flows_of_two_clients_are_no_return(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	wait(5 * MINUTE, true);
	e = begun(V500);
	assert_true(message5(&e, W4500).drop);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	e = begun(W500);
	assert_true(message5(&e, V4500).drop);
	assert_string_equal(seen_as(V4500, 4500), V4500);
}

/* Keeping and giving back */

static void alias_is_kept_while_a_session_is_at_it(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	wait(24 * 60 * MINUTE, false);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	session_ends("198.18.0.1:24500");
	wait(ALIAS_LINGER_MS - 6000, true);
	assert_int_equal(alias_stats(table).aliases, 1);
	wait(12000, true);
	assert_int_equal(alias_stats(table).aliases, 0);
	assert_int_equal(map_count, 0);
}

static void failed_phase1_gives_it_back(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	message1(W500);
	wait(ALIAS_HALF_OPEN_MS + 5000, true);
	assert_int_equal(map_count, 0);
	const struct exchange e = message1(X500);

	message2(&e, X500);
	message5(&e, X4500);
	wait(ALIAS_FLOATED_MS - 6000, true);
	assert_int_equal(map_count, 2);
	wait(12000, true);
	assert_int_equal(map_count, 0);
}

static void who_was_free_for_longest_is_given_first(void **state)
{
	char last[ENDPOINT_TEXT_MAX] = "";

	(void)state;
	open_table(29); /* six of them */
	connect_from(V500, V4500);
	for (int i = 0; i < 13; i++) {
		char want[ENDPOINT_TEXT_MAX];

		message1(W500);
		snprintf(want, sizeof want, "198.18.0.%d:20500", i % 6 + 1);
		assert_string_equal(seen_as(W500, 500), want);
		assert_string_not_equal(want, last);
		snprintf(last, sizeof last, "%s", want);
		wait(ALIAS_HALF_OPEN_MS + 5000, true);
	}
}

static void address_is_free_again_when_all_have_left(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	session_ends(V4500);
	assert_int_equal(message1(X500).result.change_count, 1); /* W is there still */
	session_ends("198.18.0.1:24500");
	wait(2 * MINUTE, true);
	assert_int_equal(message1(X500).result.change_count, 0);
}

/* A's session has ended, and B has the address: A, which comes back by the flow of its old record, is one more client. */
static void address_that_changed_hands_is_not_shared(void **state)
{
	(void)state;
	connect_from(V500, V4500); /* its session was seen */
	session_ends(V4500);
	assert_int_equal(connect_from(W500, W4500).result.change_count, 0);
	assert_string_equal(seen_as(W4500, 4500), W4500);
	assert_int_equal(message1(V500).result.change_count, 1);
	assert_string_equal(seen_as(V500, 500), "198.18.0.1:500");
}

/* Likewise, when A has begun anew before B: its new phase 1 keeps the address, though an earlier one was followed by a session. */
static void who_begins_anew_keeps_the_address(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	session_ends(V4500);
	assert_int_equal(message1(V500).result.change_count, 0);
	assert_int_equal(message1(W500).result.change_count, 1);
	assert_string_equal(seen_as(W500, 500), "198.18.0.1:20500");
	assert_string_equal(seen_as(V500, 500), V500);
}

/* A begins anew, and the server ends its session before there is another one: the address is A's. */
static void who_renews_keeps_the_address(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	wait(ALIAS_REKEY_MS, true);
	assert_int_equal(begun(V500).result.change_count, 0);
	session_ends(V4500);
	assert_int_equal(message1(W500).result.change_count, 1);
	assert_string_equal(seen_as(W500, 500), "198.18.0.1:20500");
	wait(2 * MINUTE, true);
	assert_int_equal(alias_stats(table).clients, 0);
}

/* Its second try begins just before the first one is over. */
static void who_tries_again_keeps_its_alias(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	message1(W500);
	wait(ALIAS_HALF_OPEN_MS - 1000, true);
	e = begun(W500);
	assert_int_equal(e.result.change_count, 0);
	wait(5000, true);
	assert_true(message5(&e, W4500).settled);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	wait(2 * MINUTE, true);
	assert_int_equal(alias_stats(table).aliases, 0);
}

/* Of two that are half-open, room is made by the one that has tried for longest, not by who had an alias first. */
static void who_tries_again_is_not_the_oldest(void **state)
{
	struct exchange w, x;

	(void)state;
	open_table(30);
	connect_from(V500, V4500);
	message1(W500);
	now += 1000;
	x = begun(X500);
	now += 10000;
	w = begun(W500);
	assert_int_equal(message1("192.0.2.7:40500").result.change_count, 2);
	assert_string_equal(seen_as(X500, 500), X500);
	assert_false(message5(&x, X4500).settled);
	assert_true(message5(&w, W4500).settled);
}

/* Attackers */

static void no_float_without_the_servers_cookie(void **state)
{
	struct exchange e, wrong;

	(void)state;
	connect_from(V500, V4500);
	e = message1(W500);
	assert_int_equal(message5(&e, W4500).change_count, 0); /* the server has not answered */
	message2(&e, W500);
	wrong = e;
	wrong.responder[7] ^= 1;
	assert_int_equal(message5(&wrong, X4500).change_count, 0);
	memset(wrong.responder, 0, sizeof wrong.responder); /* as it is in a refusal of message 1 */
	message2(&wrong, W500);
	assert_int_equal(message5(&wrong, X4500).change_count, 0);
	message2(&e, W500);
	assert_int_equal(message5(&e, W4500).change_count, 1);
}

static void answer_to_another_flow_is_no_proof(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	e = message1(W500);
	message2(&e, X500);
	assert_int_equal(message5(&e, W4500).change_count, 0);
}

/* Somebody who can forge the address, but not receive there: whatever he sends, everybody's flow stays. */
static void forged_messages_move_nobody(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	for (int minute = 0; minute < 50; minute++) {
		static const char *const flows[] = {V500, W500, X500}, *const to[] = {V4500, W4500, X4500};

		for (size_t i = 0; i < 3; i++)
			for (size_t j = 0; j < 3; j++) {
				const struct exchange e = message1(flows[i]);
				assert_false(message5(&e, to[j]).drop);
			}
		assert_string_equal(seen_as(V4500, 4500), V4500);
		assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
		assert_string_equal(seen_as(X4500, 4500), X4500);
		wait(MINUTE, true);
	}
	assert_true(alias_stats(table).aliases <= 3);
}

/* One behind the same NAT who receives there, and so can prove it: a flow of a session with traffic is not for him. */
static void proven_one_takes_no_flow_of_a_live_session(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	e = begun(X500);
	assert_true(message5(&e, W4500).drop);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	e = begun(X500);
	assert_true(message5(&e, V4500).drop);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	assert_string_equal(seen_as(V4500, 4500), V4500);
}

static void cookie_of_another_one_is_of_no_use(void **state)
{
	struct exchange e;
	struct endpoint from = ep(X500);

	(void)state;
	connect_from(V500, V4500);
	e = message1(W500);
	assert_int_equal(alias_first(table, now, &from, server(500), e.cookie).change_count, 0);
	assert_false(alias_first(table, now, &from, server(500), e.cookie).follow);
	message2(&e, W500);
	assert_int_equal(message5(&e, "192.0.2.8:24500").change_count, 0); /* from another address */
	assert_true(message5(&e, W4500).settled);
	assert_int_equal(message5(&e, X4500).change_count, 0); /* used up */
}

static void flood_from_one_address_is_its_own_affair(void **state)
{
	struct endpoint from = ep("192.0.2.66:1");
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	for (unsigned i = 1; i < 3000; i++) {
		from.port = (uint16_t)i;
		message1_to(&from, 500);
		now += 1;
		assert_true(alias_stats(table).half_open <= ALIAS_HALF_OPEN_ADDRESS_MAX);
	}
	e = message1(X500);
	assert_int_equal(e.result.change_count, 1);
	message2(&e, X500);
	assert_true(message5(&e, X4500).settled);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
}

static void flood_from_everywhere_takes_half_open_ones_only(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	for (unsigned i = 0; i < 100000; i++) {
		struct endpoint from = {
			.addr = {10, (uint8_t)(i >> 15), (uint8_t)(i >> 7), (uint8_t)(i >> 1 & 127)},
			.addr_len = 4,
			.port = (uint16_t)(1000 + (i & 1))};
		message1_to(&from, 500);
		assert_true(alias_stats(table).half_open <= ALIAS_HALF_OPEN_MAX);
		now += i % 4 == 0;
	}
	assert_true(alias_stats(table).refused > 0);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	assert_string_equal(seen_as(W500, 500), "198.18.0.1:20500");
	wait(MINUTE, true);
	connect_from(X500, X4500);
	assert_int_equal(alias_stats(table).aliases, 2);
}

static void one_address_cannot_have_all_of_them(void **state)
{
	struct endpoint from = ep("192.0.2.66:1000"), esp = from;

	(void)state;
	open_table(16);
	for (unsigned i = 0; i < 2 * ALIAS_PER_ADDRESS_MAX; i++) {
		struct exchange e;
		char text[ENDPOINT_TEXT_MAX];

		from.port = (uint16_t)(1000 + i);
		esp.port = (uint16_t)(10000 + i);
		e = message1_to(&from, 500);
		message2(&e, endpoint_text(&from, text));
		if (e.result.follow)
			message5(&e, endpoint_text(&esp, text));
		if (i < ALIAS_PER_ADDRESS_MAX)
			session_at(seen_as(endpoint_text(&esp, text), 4500));
	}
	assert_int_equal(alias_stats(table).aliases, ALIAS_PER_ADDRESS_MAX);
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	assert_int_equal(alias_stats(table).aliases, ALIAS_PER_ADDRESS_MAX + 1);
}

/* Names */

static void count_alias(void *ctx, const struct endpoint *alias)
{
	assert_int_equal(alias->port, 0);
	++*(int *)ctx;
}

static void each_has_two_names(void **state)
{
	struct endpoint e, out;
	char text[ENDPOINT_TEXT_MAX];
	int count = 0;

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	connect_from(X500, X4500);
	static const struct {
		const char *alias, *real;
	} names[] = {{"198.18.0.1:24500", W4500},
		     {"198.18.0.1:20500", W500},
		     {"198.18.0.1", W4500},
		     {"198.18.0.1:1701", W4500},
		     {"198.18.0.2:34500", X4500}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		e = ep(names[i].alias);
		assert_true(alias_real(table, &e, &out));
		assert_string_equal(endpoint_text(&out, text), names[i].real);
	}
	e = ep(W4500);
	assert_true(alias_of(table, &e, &out));
	assert_string_equal(endpoint_text(&out, text), "198.18.0.1:24500");
	static const char *const nobody[] = {"198.18.0.3", "198.18.0.0", "198.18.255.255",
					     "198.19.0.1", "192.0.2.7",  "[2001:db8::1]"};
	for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
		e = ep(nobody[i]);
		assert_false(alias_real(table, &e, &out));
	}
	static const char *const unaliased[] = {V4500, V500, "192.0.2.7", "192.0.2.8:24500"};
	for (size_t i = 0; i < sizeof unaliased / sizeof *unaliased; i++) {
		e = ep(unaliased[i]);
		assert_false(alias_of(table, &e, &out));
	}
	static const struct {
		const char *seen, *flow;
	} flows[] = {{"198.18.0.1:24500", W500},
		     {"198.18.0.2:1701", X500},
		     {V4500, V500},
		     {"192.0.2.7:1701", V500}};
	for (size_t i = 0; i < sizeof flows / sizeof *flows; i++) {
		e = ep(flows[i].seen);
		assert_true(alias_ike_flow(table, &e, &out));
		assert_string_equal(endpoint_text(&out, text), flows[i].flow);
	}
	e = ep("192.0.2.8:4500");
	assert_false(alias_ike_flow(table, &e, &out));
	e = ep("[2001:db8::1]:4500");
	assert_false(alias_ike_flow(table, &e, &out));
	e = ep("192.0.2.7");
	alias_each_of(table, &e, count_alias, &count);
	assert_int_equal(count, 2);
}

/* A restart */

static char saved[64][ALIAS_TEXT_MAX];
static size_t saved_count;
static bool without_offers; /* as written by a natshim that kept none */

static void save_line(void *ctx, const char *line)
{
	(void)ctx;
	assert_true(saved_count < 64 && strlen(line) < ALIAS_TEXT_MAX);
	snprintf(saved[saved_count], ALIAS_TEXT_MAX, "%s", line);
	if (without_offers && strstr(saved[saved_count], " o"))
		*strstr(saved[saved_count], " o") = '\0';
	saved_count++;
}

static void note_pair(void *ctx, const struct alias_change *pair)
{
	(void)ctx;
	map[map_count++] = *pair;
}

/* The sessions stay, the maps are filled again. */
static void restart_after(uint64_t ms)
{
	const size_t sessions_before = session_count, pairs = map_count;
	const uint64_t then = now;

	saved_count = 0;
	alias_each_text(table, now, save_line, NULL);
	open_table(16);
	session_count = sessions_before;
	now = then + ms;
	for (size_t i = 0; i < saved_count; i++)
		assert_true(alias_restore(table, now, saved[i], ms));
	alias_each_pair(table, note_pair, NULL);
	assert_int_equal(map_count, pairs);
}

static void restart(void)
{
	restart_after(2000);
}

static void restart_changes_nothing(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	connect_from(X500, X4500);
	wait(20 * MINUTE, true);
	next_cookie = 1000;
	restart();
	next_cookie = 2000;
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	assert_string_equal(seen_as(X500, 500), "198.18.0.2:30500");
	wait(ALIAS_REKEY_MS - 20 * MINUTE - 5000, true);
	e = message1(V500); /* still too young to rekey there */
	assert_int_equal(e.result.change_count, 1);
	assert_string_equal(seen_as(V500, 500), "198.18.0.3:500");
	wait(10000 + MINUTE, true);
	e = message1(W500);
	assert_int_equal(e.result.change_count, 0);
	session_ends("198.18.0.1:24500");
	wait(2 * MINUTE, true);
	assert_string_equal(seen_as(W4500, 4500), W4500);
}

/* Nor does a message that comes before the kernel's SAs are known. */
static void restart_makes_no_address_free(void **state)
{
	size_t before;

	(void)state;
	connect_from(V500, V4500);
	next_cookie = 1000;
	restart();
	next_cookie = 2000;
	before = session_count;
	session_count = 0;
	assert_int_equal(message1(W500).result.change_count, 1);
	session_count = before;
	expire();
	assert_string_equal(seen_as(W500, 500), "198.18.0.1:20500");
	assert_int_equal(alias_stats(table).clients, 2);
	session_ends(V4500);
	wait(2 * MINUTE, true);
	assert_int_equal(alias_stats(table).clients, 0);
}

static void damaged_lines_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"-",
		"- - - - -",
		"- - - - 5",
		"198.18.0.9 203.0.113.1 - - 5",
		"198.18.0.9 - 192.0.2.9:1 192.0.2.9:2 5",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5 6 7",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5 0",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5 65536",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5 6 o1 o2",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5 o1 6",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5 x1",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5 o12",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5 -6",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 - 5 6",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2 -5",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2 18446744073709551615",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.9:2 18446744073709551616",
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.8:2 5",
		"198.18.0.9 203.0.113.1 192.0.2.9 192.0.2.9:2 5",
		"198.18.0.9:5 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5",
		"198.18.0.0 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5",
		"198.18.255.255 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5",
		"198.19.0.1 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5",
		"198.18.0.9 203.0.113.1 198.18.0.7:1 198.18.0.7:2 5",
		"2001:db8::1 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5",
		"198.18.0.9 203.0.113.1 [2001:db8::1]:1 - 5",
		"198.18.0.1 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5", /* is taken */
		"198.18.0.9 203.0.113.1 192.0.2.9:1 192.0.2.7:24500 5",
		"198.18.0.9 203.0.113.1 192.0.2.7:20500 - 5",
	};
	char longest[400];

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (alias_restore(table, now, bad[i], 5))
			fail_msg("taken: %s", bad[i]);
	memset(longest, '1', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_false(alias_restore(table, now, longest, 5));
	assert_int_equal(alias_stats(table).clients, 2);
	assert_int_equal(alias_stats(table).aliases, 1);
	assert_true(alias_restore(table, now, "198.18.0.9 203.0.113.1 192.0.2.9:1 - 5", 5));
	assert_true(alias_restore(table, now, "- 203.0.113.1 192.0.2.10:1 192.0.2.10:2 5", 5));
	assert_true(alias_restore(table, now, "- 203.0.113.1 192.0.2.11:1 192.0.2.11:2 5 3 o7", 5));
}

static void without_the_kernels_help_all_stay_where_they_are(void **state)
{
	struct exchange e;

	(void)state;
	able = false;
	connect_from(V500, V4500);
	for (int i = 0; i < 3; i++) {
		e = message1(W500);
		assert_true(!e.result.change_count && !e.result.follow);
		wait(4000, true);
	}
	session_at(W4500);
	wait(MINUTE, true);
	assert_string_equal(seen_as(W4500, 4500), W4500);
	assert_int_equal(alias_stats(table).refused, 3);
	assert_int_equal(alias_stats(table).aliases, 0);
	able = true;
	connect_from(X500, X4500);
	assert_string_equal(seen_as(X4500, 4500), "198.18.0.1:34500");
}

/* Another port in mid-session */

#define NEW4500 "192.0.2.7:25000"
#define NEWER4500 "192.0.2.7:25001"

static struct alias_result stray(const char *from, const char *at)
{
	const struct endpoint flow = ep(from), known = ep(at);
	const struct alias_result r = alias_stray_esp(table, now, &flow, &known);

	carry_out(&r);
	return r;
}

static struct alias_result stray_ike(const char *from, const struct exchange *e)
{
	const struct endpoint flow = ep(from);
	const struct alias_result r = alias_stray_ike(table, now, &flow, e->cookie, e->responder);

	carry_out(&r);
	return r;
}

/* The kernel has decrypted a packet, which it saw come from there. */
static struct alias_result heard(const char *at, const char *from, bool follows)
{
	const struct endpoint known = ep(at), seen = ep(from);
	const struct alias_result r = alias_moved(table, now, server(4500), &known, &seen, follows);

	carry_out(&r);
	return r;
}

static bool real_is(const char *known, const char *real)
{
	const struct endpoint at = ep(known), wanted = ep(real);
	struct endpoint is, back;

	return alias_real(table, &at, &is) && endpoint_equal(&is, &wanted) &&
	       alias_of(table, &wanted, &back) && endpoint_equal(&back, &at);
}

static void port_changes_and_the_server_does_not_follow(void **state)
{
	static const char *const ports[] = {NEW4500, NEWER4500, W4500, NEW4500, W4500};

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) { /* back to the known one, too */
		wait(5000, true);
		assert_int_equal(stray(ports[i], "198.18.0.1:24500").change_count, 1);
		assert_string_not_equal(seen_as(ports[i], 4500), "198.18.0.1:24500");
		assert_string_not_equal(seen_as(ports[i], 4500), ports[i]);
		assert_true(heard("198.18.0.1:24500", seen_as(ports[i], 4500), false).moved);
		assert_string_equal(seen_as(ports[i], 4500), "198.18.0.1:24500");
		assert_true(real_is("198.18.0.1:24500", ports[i]));
		assert_int_equal(map_count, 2); /* one for each of the server's ports */
	}
	assert_int_equal(alias_stats(table).moved, 5);
	wait(MINUTE, true);
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
}

static void port_changes_and_the_server_follows(void **state)
{
	const struct endpoint alias = ep("198.18.0.1:25000");
	struct alias_result r;

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	stray(NEW4500, "198.18.0.1:24500");
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500"); /* until then both are good */
	r = alias_followed(table, now, &alias);
	carry_out(&r);
	assert_true(r.moved);
	assert_true(real_is("198.18.0.1:25000", NEW4500));
	assert_string_equal(seen_as(W4500, 4500), W4500);
	session_ends("198.18.0.1:24500");
	session_at("198.18.0.1:25000");
	wait(MINUTE, true);
	assert_string_equal(seen_as(NEW4500, 4500), "198.18.0.1:25000");
}

static void lone_one_is_moved_when_the_server_does_not_follow(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	assert_int_equal(stray(NEW4500, V4500).change_count, 0); /* needs no trial: nobody else is here */
	wait(MINUTE, true);
	assert_true(heard(V4500, NEW4500, false).moved);
	assert_string_equal(seen_as(NEW4500, 4500), V4500);
	assert_true(real_is(V4500, NEW4500));
	assert_int_equal(alias_stats(table).moved_now, 1);
	wait(MINUTE, true);
	assert_int_equal(stray(NEWER4500, V4500).change_count, 1); /* one that is in the maps does */
	assert_true(heard(V4500, seen_as(NEWER4500, 4500), false).moved);
	assert_string_equal(seen_as(NEWER4500, 4500), V4500);
	wait(MINUTE, true);
	stray(V4500, V4500);
	assert_true(heard(V4500, seen_as(V4500, 4500), false).moved); /* and back: as if nothing had been */
	assert_int_equal(map_count, 0);
	assert_int_equal(alias_stats(table).moved_now, 0);
	wait(MINUTE, true);
	heard(V4500, NEW4500, false);
	session_ends(V4500);
	wait(2 * MINUTE, true);
	assert_int_equal(map_count, 0);
	assert_int_equal(alias_stats(table).moved_now, 0);
}

static void lone_one_that_the_server_follows_needs_nothing(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	assert_true(heard(V4500, NEW4500, true).moved);
	assert_int_equal(map_count, 0);
	assert_int_equal(alias_stats(table).moved_now, 0);
}

static void moved_lone_one_that_the_server_follows_is_itself_again(void **state)
{
	const struct exchange e = connect_from(V500, V4500);
	const struct endpoint to = ep(NEWER4500);
	struct alias_result r;

	(void)state;
	assert_int_equal(stray_ike(NEW4500, &e).change_count, 0);
	assert_true(heard(V4500, NEW4500, false).moved);
	assert_int_equal(stray_ike(NEWER4500, &e).change_count, 1);
	assert_string_equal(seen_as(NEWER4500, 4500), NEWER4500);
	r = alias_followed(table, now, &to);
	carry_out(&r);
	assert_int_equal(map_count, 0);
	assert_int_equal(alias_stats(table).moved_now, 0);
}

/* natshim was started with the session there. */
static void unknown_one_is_moved_too(void **state)
{
	(void)state;
	session_at(V4500);
	assert_true(heard(V4500, NEW4500, false).moved);
	assert_string_equal(seen_as(NEW4500, 4500), V4500);
}

static void port_that_a_moved_one_had_is_free_for_another(void **state)
{
	struct exchange e;

	(void)state;
	connect_from(V500, V4500);
	assert_true(heard(V4500, NEW4500, false).moved);
	wait(MINUTE, true);
	e = begun(W500);
	assert_true(message5(&e, V4500).settled);
	assert_string_equal(seen_as(V4500, 4500), "198.18.0.1:4500");
	assert_string_equal(seen_as(NEW4500, 4500), V4500);
}

static void guessed_spi_moves_nobody(void **state)
{
	struct alias_result r;

	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	connect_from(X500, X4500);
	assert_int_equal(stray(X4500, "198.18.0.1:24500").change_count,
			 0); /* from a flow that somebody has */
	assert_int_equal(stray("192.0.2.8:4500", "198.18.0.1:24500").change_count, 0); /* from elsewhere */
	assert_int_equal(stray(NEW4500, "198.18.0.1:1").change_count, 0);
	assert_int_equal(stray(NEW4500, "198.18.0.77:24500").change_count, 0);
	for (unsigned port = 40000; port < 40200; port++) {
		char from[ENDPOINT_TEXT_MAX];

		snprintf(from, sizeof from, "192.0.2.7:%u", port);
		stray(from, "198.18.0.1:24500");
		assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
		assert_true(map_count <= 4 + 4); /* two clients with an alias, four trials */
	}
	/* A newcomer whom the NAT gives such a port has it. */
	r = message5(&(struct exchange){.cookie = "nobody"}, "192.0.2.7:40199");
	assert_int_equal(r.change_count, 0);
	connect_from("192.0.2.7:777", "192.0.2.7:40199");
	assert_string_equal(seen_as("192.0.2.7:40199", 4500), "198.18.0.3:40199");
	wait(ALIAS_TRIAL_MS + 5000, true);
	assert_int_equal(map_count, 6);
	assert_int_equal(alias_stats(table).moved, 0);
}

static void trials_are_bounded(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	for (unsigned i = 0; i < 30; i++) {
		char ike[ENDPOINT_TEXT_MAX], esp[ENDPOINT_TEXT_MAX];

		snprintf(ike, sizeof ike, "192.0.2.7:%u", 10000 + i);
		snprintf(esp, sizeof esp, "192.0.2.7:%u", 20000 + i);
		connect_from(ike, esp);
	}
	for (unsigned i = 0; i < 30 * 6; i++) {
		char from[ENDPOINT_TEXT_MAX], at[ENDPOINT_TEXT_MAX];

		snprintf(from, sizeof from, "192.0.2.7:%u", 40000 + i);
		snprintf(at, sizeof at, "198.18.0.%u:%u", i % 30 + 1, 20000 + i % 30);
		stray(from, at);
	}
	assert_true(map_count <= (size_t)2 * 30 + ALIAS_TRIALS_ADDRESS_MAX);
	assert_true(alias_stats(table).trials_refused > 0);
	wait(ALIAS_TRIAL_MS + 5000, true);
	assert_int_equal(map_count, 2 * 30);
}

/* One who has keys of his own says that he is behind another one's port. */
static void port_of_a_live_one_is_not_taken(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	connect_from(X500, X4500);
	assert_false(heard("198.18.0.1:24500", "198.18.0.2:34500", false).moved);
	assert_false(heard("198.18.0.1:24500", X4500, false).moved);
	assert_false(heard("198.18.0.1:24500", "192.0.2.8:4500", false).moved);
	assert_false(heard(V4500, "192.0.2.8:4500", false).moved);
	assert_false(heard(V4500, "198.18.0.2:34500", false).moved);
	assert_false(heard("198.18.0.1:24500", V4500, false)
			     .moved); /* of a lone one no flow was seen, but its session is there */
	assert_int_equal(stray(V4500, "198.18.0.1:24500").change_count, 0);
	assert_string_equal(seen_as(X4500, 4500), "198.18.0.2:34500");
	wait(ALIAS_QUIET_MS + 5000, false); /* the NAT has given it to another client */
	assert_true(heard("198.18.0.1:24500", "198.18.0.2:34500", false).moved);
	assert_string_equal(seen_as(X4500, 4500), "198.18.0.1:24500");
}

/* One without an alias that was moved had it on trial, and the other's packets, that came by it, were taken for its. */
static void port_on_trial_for_another_one_is_on_trial_no_more(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	assert_true(heard(V4500, NEW4500, false).moved);
	assert_int_equal(stray(NEWER4500, V4500).change_count, 1);
	assert_true(heard("198.18.0.1:24500", NEWER4500, false).moved);
	assert_string_equal(seen_as(NEWER4500, 4500), "198.18.0.1:24500");
	assert_string_equal(seen_as(NEW4500, 4500), V4500);
	wait(2 * ALIAS_TRIAL_MS, true);
	assert_string_equal(seen_as(NEWER4500, 4500), "198.18.0.1:24500");
}

static void moves_are_bounded(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	for (unsigned i = 0; i < 100; i++, now += ALIAS_MOVE_MS / 10)
		heard(V4500, i % 2 ? NEW4500 : NEWER4500, false);
	assert_true(alias_stats(table).moved <= 11);
}

static void cookies_show_whose_new_port_it_is(void **state)
{
	struct exchange e, wrong;

	(void)state;
	connect_from(V500, V4500);
	e = connect_from(W500, W4500);
	wrong = e;
	memset(wrong.responder, 'x', sizeof wrong.responder);
	assert_int_equal(stray_ike(NEW4500, &wrong).change_count, 0);
	wrong = e;
	memset(wrong.cookie, 'x', sizeof wrong.cookie);
	assert_int_equal(stray_ike(NEW4500, &wrong).change_count, 0);
	assert_int_equal(stray_ike(NEW4500, &e).change_count, 1);
	assert_string_equal(seen_as(NEW4500, 4500), "198.18.0.1:25000");
	assert_string_equal(seen_as(W4500, 4500), "198.18.0.1:24500");
	wait(ALIAS_TRIAL_MS + 5000, true);
	assert_string_equal(seen_as(NEW4500, 4500), NEW4500);
}

static void moved_ones_outlive_a_restart(void **state)
{
	(void)state;
	connect_from(V500, V4500);
	connect_from(W500, W4500);
	assert_true(heard(V4500, NEW4500, false).moved);
	stray(NEWER4500, "198.18.0.1:24500");
	assert_true(heard("198.18.0.1:24500", seen_as(NEWER4500, 4500), false).moved);
	expire();
	restart();
	assert_true(real_is(V4500, NEW4500));
	assert_true(real_is("198.18.0.1:24500", NEWER4500));
	assert_int_equal(alias_stats(table).moved_now, 1);
	assert_false(alias_restore(table, now, "- 203.0.113.1 - 192.0.2.7:9 5 4500", 5));
}

static void taken_one_is_not_given_again(void **state)
{
	(void)state;
	open_table(30); /* two of them */
	assert_true(alias_restore(table, now, "198.18.0.1 203.0.113.1 192.0.2.9:1 192.0.2.9:2 5", 0));
	session_at("198.18.0.1:2");
	connect_from(V500, V4500);
	assert_int_equal(message1(W500).result.change_count, 1);
	assert_string_equal(seen_as(W500, 500), "198.18.0.2:20500");
	assert_int_equal(message1(X500).result.change_count, 0);
	assert_int_equal(alias_stats(table).refused, 1);
}

/* What a client offers: 1, 2, 3 are the caller's numbers. */

enum { OFFER_UNKNOWN = -1, OFFER_NOBODY = -2 };

static int offer_of(const char *seen)
{
	const struct endpoint at = ep(seen);
	uint8_t offer;

	switch (alias_offer_of(table, &at, &offer)) {
	case ALIAS_OFFER_KNOWN:
		return offer;
	case ALIAS_OFFER_UNKNOWN:
		return OFFER_UNKNOWN;
	default:
		return OFFER_NOBODY;
	}
}

static struct exchange offers(uint8_t offer, const char *from)
{
	offering = offer;
	return message1(from);
}

/* Where the server sees it is known by its flow; by L2TP without the port of that. */
static void three_with_an_offer_each(void)
{
	offering = 1;
	connect_from(V500, V4500);
	offering = 2;
	connect_from(W500, W4500);
	offering = 3;
	connect_from(X500, X4500);
}

static void assert_offers_of_three(void)
{
	assert_int_equal(offer_of(V4500), 1);
	assert_int_equal(offer_of("192.0.2.7"), 1);
	assert_int_equal(offer_of("198.18.0.1:24500"), 2);
	assert_int_equal(offer_of("198.18.0.1"), 2);
	assert_int_equal(offer_of("198.18.0.2:34500"), 3);
}

static void each_has_its_own_offer(void **state)
{
	(void)state;
	three_with_an_offer_each();
	assert_offers_of_three();
	wait(30 * MINUTE, true);
	assert_offers_of_three();
	assert_int_equal(offer_of("192.0.2.8:4500"), OFFER_NOBODY);
	assert_int_equal(offer_of("198.18.0.3"), OFFER_NOBODY);
	assert_int_equal(offer_of("[2001:db8::1]:4500"), OFFER_NOBODY);
}

/* From anywhere behind that address, the clients' own flows too, and in very many. */
static void forged_offers_change_nobodys(void **state)
{
	static const char *const flows[] = {V500, W500, X500, V4500, W4500, X4500, "192.0.2.7:501"};

	(void)state;
	three_with_an_offer_each();
	wait(MINUTE + 5000, true);
	for (size_t i = 0; i < sizeof flows / sizeof *flows; i++) {
		const struct endpoint from = ep(flows[i]);

		offers(9, flows[i]);
		message1_to(&from, 4500);
	}
	assert_offers_of_three();
	for (unsigned i = 0; i < 3000; i++) {
		const struct endpoint from = {
			.addr = {192, 0, 2, 7}, .addr_len = 4, .port = (uint16_t)(40000 + i)};

		message1_to(&from, 500);
	}
	assert_offers_of_three();
}

/* Before there is a session anybody can forge its flow: then nothing is known, but who floats has shown which exchange is its own. */
static void of_two_offers_before_the_session_none_is_believed(void **state)
{
	struct exchange e;

	(void)state;
	e = offers(1, V500);
	assert_int_equal(offer_of(V4500), 1);
	offers(9, V500);
	assert_int_equal(offer_of(V4500), OFFER_UNKNOWN);
	offering = 1;
	alias_offers(table, &(struct endpoint){.addr = {192, 0, 2, 7}, .addr_len = 4, .port = 500},
		     server(500), e.cookie, 1);
	assert_int_equal(offer_of(V4500), OFFER_UNKNOWN);
	session_at(V4500);
	expire();
	e = offers(2, W500);
	offers(9, W500);
	assert_int_equal(offer_of("198.18.0.1"), OFFER_UNKNOWN);
	message2(&e, W500);
	assert_false(message5(&e, W4500).drop);
	assert_int_equal(offer_of("198.18.0.1"), 2);
	offers(9, W500); /* its phase 1 is half-open still */
	assert_int_equal(offer_of("198.18.0.1"), 2);
}

/* Once the SAs are known, as soon as that: who had the flow before has no session any more. */
static void offer_after_a_restart_is_the_new_ones(void **state)
{
	(void)state;
	offering = 1;
	connect_from(V500, V4500);
	session_ends(V4500);
	next_cookie = 1000;
	restart();
	next_cookie = 2000;
	alias_sas_known(table);
	offers(2, V500);
	session_at(V4500);
	assert_int_equal(offer_of(V4500), 2);
}

/* A cookie is its exchange's: neither a repeat with another offer counts, nor one from another flow. */
static void offer_of_an_exchange_is_its_first(void **state)
{
	const struct endpoint own = ep(V500), other = ep(W500);
	const struct exchange e = offers(1, V500);

	(void)state;
	alias_offers(table, &own, server(500), e.cookie, 9);
	alias_offers(table, &other, server(500), e.cookie, 9);
	assert_int_equal(offer_of(V4500), 1);
}

static void who_comes_by_the_same_flow_has_an_offer_of_its_own(void **state)
{
	(void)state;
	three_with_an_offer_each();
	wait(2 * MINUTE, true);
	session_ends(V4500);
	offering = 4;
	connect_from(V500, V4500);
	session_ends("198.18.0.1:24500");
	offering = 5;
	connect_from(W500, W4500);
	assert_int_equal(offer_of(V4500), 4);
	assert_int_equal(offer_of("198.18.0.1:24500"), 5);
	assert_int_equal(offer_of("198.18.0.2:34500"), 3);
}

/* Message 1 is taken for a rekey of the client that had that port, and found to be another one's. */
static void offer_on_a_reused_port_is_not_that_of_who_had_it(void **state)
{
	struct exchange e;

	(void)state;
	offering = 1;
	connect_from(V500, V4500);
	wait(ALIAS_REKEY_MS + MINUTE, true);
	e = offers(2, V500);
	assert_int_equal(offer_of(V4500), 1);
	message2(&e, V500);
	assert_true(message5(&e, W4500).drop);
	e = begun(V500);
	assert_true(message5(&e, W4500).settled);
	assert_int_equal(offer_of(V4500), 1);
	assert_int_equal(offer_of("198.18.0.1"), 2);
}

/* Who gets no alias is at the same address for the server: which of the two is seen there, nobody can tell. */
static void offers_of_two_at_one_address_are_not_told_apart(void **state)
{
	(void)state;
	able = false;
	offering = 1;
	connect_from(V500, V4500);
	offers(1, W500);
	assert_int_equal(offer_of("192.0.2.7"), 1);
	offers(2, W500);
	assert_int_equal(offer_of("192.0.2.7"), OFFER_UNKNOWN);
	assert_int_equal(offer_of(V4500), OFFER_UNKNOWN);
	session_ends(V4500);
	wait(MINUTE, true);
	offering = 2;
	connect_from(W500, W4500);
	assert_int_equal(offer_of("192.0.2.7"), 2);
}

static void offers_outlive_a_restart(void **state)
{
	(void)state;
	three_with_an_offer_each();
	assert_true(heard(V4500, NEW4500, false).moved); /* its line has a port, too */
	restart();
	assert_offers_of_three();
	restart_after(ALIAS_OFFER_KEPT_MS + 1); /* who is at the address itself may be another one by now */
	assert_int_equal(offer_of(V4500), OFFER_UNKNOWN);
	assert_int_equal(offer_of("198.18.0.1:24500"), 2);
}

/* Or the next natshim would believe of one client what another one has offered. */
static void what_changes_is_written(void **state)
{
	struct exchange e;

	(void)state;
	assert_false(alias_text_changed(table));
	offers(1, V500);
	assert_false(alias_text_changed(table)); /* whoever has no session is in no line */
	session_at(V4500);
	expire();
	assert_true(alias_text_changed(table));
	wait(MINUTE, true);
	assert_false(alias_text_changed(table));
	session_ends(V4500);
	offers(2, V500); /* its line has gone */
	assert_true(alias_text_changed(table));
	session_at(V4500);
	expire(); /* and is there again */
	assert_true(alias_text_changed(table));
	connect_from(W500, W4500);
	assert_true(alias_text_changed(table));
	e = begun(W500);
	assert_false(message5(&e, W4500).drop);
	assert_false(alias_text_changed(table)); /* it offers the same */
	session_ends(V4500);
	wait(2 * MINUTE, true);
	assert_true(alias_text_changed(table));
	assert_int_equal(alias_stats(table).clients, 1);
	session_ends("198.18.0.1:24500");
	offers(3, W500);
	assert_true(alias_text_changed(table));
}

/* That of a client whose offer was not known: with the next phase 1, of one without an alias on either port. */
static void after_a_restart_an_offer_is_learned_with_a_rekey(void **state)
{
	const struct endpoint flow = ep(V4500), other = ep(X4500);
	struct exchange e;

	(void)state;
	three_with_an_offer_each();
	without_offers = true;
	restart();
	without_offers = false;
	assert_int_equal(offer_of(V4500), OFFER_UNKNOWN);
	assert_int_equal(offer_of("198.18.0.1:24500"), OFFER_UNKNOWN);
	wait(ALIAS_REKEY_MS, true);
	next_cookie = 1000;
	e = offers(2, W500);
	message2(&e, W500);
	assert_false(message5(&e, W4500).drop);
	assert_int_equal(offer_of("198.18.0.1:24500"), 2);
	offering = 3;
	message1_to(&other, 4500);
	assert_int_equal(offer_of(V4500), OFFER_UNKNOWN);
	assert_int_equal(offer_of("198.18.0.2:34500"), 3);
	offering = 1;
	alias_text_changed(table);
	message1_to(&flow, 4500);
	assert_int_equal(offer_of(V4500), 1);
	assert_true(alias_text_changed(table));
	wait(MINUTE, true);
	e = offers(1, V500);
	message2(&e, V500);
	assert_false(message5(&e, V4500).drop);
	message1_to(&flow, 4500); /* whose it is, is proven by now */
	assert_int_equal(offer_of(V4500), 1);
}

/* One whose session natshim found, beside one that came later; ports of both have changed, so that they are told apart by those. */
static void two_without_an_alias_are_told_apart_by_their_ports(void **state)
{
	const struct endpoint flow = ep(W4500), moved = ep(NEWER4500);

	(void)state;
	connect_from(V500, V4500);
	without_offers = true;
	restart();
	without_offers = false;
	session_at(W4500);
	assert_true(heard(V4500, NEW4500, false).moved);
	offering = 2;
	message1_to(&flow, 4500);
	assert_int_equal(offer_of(V4500), OFFER_UNKNOWN);
	assert_true(heard(W4500, NEWER4500, false).moved);
	message1_to(&moved, 4500);
	assert_int_equal(offer_of(V4500), OFFER_UNKNOWN);
	assert_int_equal(offer_of(W4500), 2);
	assert_int_equal(offer_of("192.0.2.7"), OFFER_UNKNOWN);
	offering = 1;
	message1_to(&(struct endpoint){.addr = {192, 0, 2, 7}, .addr_len = 4, .port = 25000}, 4500);
	assert_int_equal(offer_of(V4500), 1);
	assert_int_equal(offer_of(W4500), 2);
	assert_int_equal(offer_of("192.0.2.7"), OFFER_UNKNOWN);
	assert_int_equal(offer_of(X4500), OFFER_UNKNOWN);
}

/* By IKE from the new port, of which natshim sees nothing where the client has no alias. */
static void offer_of_one_that_the_server_has_followed(void **state)
{
	(void)state;
	three_with_an_offer_each();
	assert_true(heard(V4500, NEW4500, true).moved);
	assert_int_equal(offer_of(NEW4500), 1);
	session_ends(V4500);
	session_at(NEWER4500);
	assert_int_equal(offer_of(NEWER4500), 1);
	restart();
	assert_int_equal(offer_of(NEWER4500), 1);
}

static void without_a_nat_a_host_has_its_offer(void **state)
{
	(void)state;
	offers(1, V500);
	session_at("192.0.2.7")->plain = true;
	wait(MINUTE, true);
	assert_int_equal(offer_of("192.0.2.7"), 1);
	wait(ALIAS_REKEY_MS, true);
	offers(1, V500);
	assert_int_equal(offer_of("192.0.2.7:500"), 1);
}

static void a_range_must_be_one(void **state)
{
	struct alias_config config = {.net = ep("198.18.0.0"), .prefix = 31, .life = life};

	(void)state;
	assert_null(alias_table_new(&config));
	config.prefix = 7;
	assert_null(alias_table_new(&config));
	config = (struct alias_config){.net = ep("[2001:db8::]"), .prefix = 16, .life = life};
	assert_null(alias_table_new(&config));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Whatever the order */

enum { CROWD = 5 };

struct member {
	enum { AWAY, BEGUN, UP, VANISHED } stage;
	char ike[ENDPOINT_TEXT_MAX], esp[ENDPOINT_TEXT_MAX], seen[ENDPOINT_TEXT_MAX], left[ENDPOINT_TEXT_MAX];
	struct exchange exchange;
	uint64_t began;
	bool late; /* waiting for others it has taken so long that natshim had forgotten its phase 1 */
};

struct crowd {
	struct member members[CROWD];
	bool new_ports, vanish;
	unsigned came, returned, unknown;
	uint64_t seed;
};

/* Numbers that are the same in each run. */
static unsigned draw(struct crowd *crowd, unsigned below)
{
	crowd->seed = crowd->seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(crowd->seed >> 33) % below;
}

static struct session *session_seen_at(const char *at)
{
	const struct endpoint seen = ep(at);

	for (size_t i = 0; i < session_count; i++)
		if (endpoint_equal(&sessions[i].at, &seen))
			return &sessions[i];
	return NULL;
}

/* Of one that is back: natshim would end it soon. The server may have replaced it, also by another client's. */
static void left_ends(struct member *m)
{
	const struct session *s = m->left[0] ? session_seen_at(m->left) : NULL;

	if (s && s->silent)
		session_ends(m->left);
	m->left[0] = 0;
}

/* What is dropped is repeated: where one who has vanished had this flow, and its session is not silent yet. */
static void floats(const struct member *m)
{
	unsigned sends = 1;

	message2(&m->exchange, m->ike);
	while (message5(&m->exchange, m->esp).drop) {
		assert_true(sends++ < 10);
		wait(5000, true);
	}
}

/* Of one who has vanished, at the address that somebody has now: the server has replaced it. */
static void replaced_end(const struct endpoint *seen)
{
	for (size_t i = 0; i < session_count;) {
		const bool there = endpoint_same_host(&sessions[i].at, seen);

		assert_true(!there || sessions[i].silent); /* nobody else who lives is there */
		if (there)
			sessions[i] = sessions[--session_count];
		else
			i++;
	}
}

/* Each has one of its own; never is it taken for another's. */
static uint8_t own_offer(const struct crowd *crowd, const struct member *m)
{
	return (uint8_t)(m - crowd->members);
}

static void assert_own_offer(const struct crowd *crowd, const struct member *m)
{
	const int offer = offer_of(m->seen);

	assert_true(m->late || offer == own_offer(crowd, m) || offer == OFFER_UNKNOWN);
}

static void comes_up(struct crowd *crowd, struct member *m)
{
	struct endpoint seen;

	if (m->exchange.result.follow)
		floats(m);
	snprintf(m->seen, sizeof m->seen, "%s", seen_as(m->esp, 4500));
	seen = ep(m->seen);
	replaced_end(&seen);
	left_ends(m);
	session_at(m->seen);
	m->stage = UP;
	m->late = now - m->began >= ALIAS_HALF_OPEN_MS;
	crowd->came++;
	assert_own_offer(crowd, m);
	crowd->unknown += offer_of(m->seen) == OFFER_UNKNOWN;
}

static void goes(struct crowd *crowd, struct member *m)
{
	if (crowd->vanish && draw(crowd, 2)) {
		memcpy(m->left, m->seen, sizeof m->left);
		session_seen_at(m->seen)->silent = true;
		m->stage = VANISHED;
		return;
	}
	session_ends(m->seen);
	m->stage = AWAY;
}

static bool is_taken(const struct crowd *crowd, const struct member *by)
{
	for (const struct member *m = crowd->members; m < crowd->members + CROWD; m++)
		if (m != by && (m->stage == UP || m->stage == BEGUN) && !strcmp(m->ike, by->ike))
			return true;
	return false;
}

/* Those that nobody has who is there; somebody who has vanished may have had them. */
static void take_ports(struct crowd *crowd, struct member *m)
{
	unsigned port;

	do {
		port = 10000 + 2 * draw(crowd, 2 * CROWD);
		snprintf(m->ike, sizeof m->ike, "192.0.2.7:%u", port);
	} while (is_taken(crowd, m));
	snprintf(m->esp, sizeof m->esp, "192.0.2.7:%u", port + 1);
}

static void next_step(struct crowd *crowd, struct member *m)
{
	if (m->stage == UP) {
		goes(crowd, m);
		return;
	}
	if (m->stage == BEGUN) {
		comes_up(crowd, m);
		return;
	}
	crowd->returned += m->stage == VANISHED;
	if (crowd->new_ports)
		take_ports(crowd, m);
	m->exchange = offers(own_offer(crowd, m), m->ike);
	m->began = now;
	m->stage = BEGUN;
}

/* No phase 1 takes two seconds. */
static void some_time(struct crowd *crowd)
{
	const unsigned ms = draw(crowd, 4) ? draw(crowd, 2000) : draw(crowd, 60000);

	for (unsigned i = 0; i < CROWD && ms >= 2000; i++)
		if (crowd->members[i].stage == BEGUN)
			comes_up(crowd, &crowd->members[i]);
	wait(ms, true);
	for (unsigned i = 0; i < CROWD; i++)
		if (crowd->members[i].stage == UP) {
			assert_string_equal(seen_as(crowd->members[i].esp, 4500), crowd->members[i].seen);
			assert_own_offer(crowd, &crowd->members[i]);
		}
}

/* Clients of one NAT come and go; a phase 1 takes a moment. Each is up at the first try, nobody is where another one is, nobody
 * loses its flow, and of nearly all it is known what they offer. */
static void comes_and_goes(bool new_ports, bool vanish)
{
	struct crowd crowd = {.new_ports = new_ports, .vanish = vanish};

	for (unsigned run = 0; run < 300; run++) {
		open_table(16);
		crowd.seed = run;
		for (unsigned i = 0; i < CROWD; i++) {
			struct member *m = &crowd.members[i];

			*m = (struct member){.stage = AWAY};
			snprintf(m->ike, sizeof m->ike, "192.0.2.7:%u", 500 + 1000 * i);
			snprintf(m->esp, sizeof m->esp, "192.0.2.7:%u", 4500 + 1000 * i);
		}
		for (unsigned step = 0; step < 200; step++) {
			next_step(&crowd, &crowd.members[draw(&crowd, CROWD)]);
			some_time(&crowd);
		}
	}
	assert_true(crowd.came > 10000);
	assert_true(crowd.unknown < crowd.came / 1000);
	assert_true(!vanish || crowd.returned > 5000);
}

static void crowd_with_ports_of_its_own(void **state)
{
	(void)state;
	comes_and_goes(false, false);
}

static void crowd_with_ports_that_change(void **state)
{
	(void)state;
	comes_and_goes(true, false);
}

static void crowd_that_vanishes_and_returns(void **state)
{
	(void)state;
	comes_and_goes(false, true);
}

static void crowd_that_returns_by_other_ports(void **state)
{
	(void)state;
	comes_and_goes(true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(alone_one_keeps_its_address_whatever_it_does),
		TEST(lone_one_rekeys_on_4500_and_on_500),
		TEST(host_without_nat_keeps_its_address),
		TEST(others_are_left_alone),
		TEST(clients_at_other_addresses_are_no_reason),
		TEST(second_and_third_get_one_each),
		TEST(of_two_half_open_the_second_gets_one),
		TEST(repeated_message_asks_for_the_same),
		TEST(another_one_on_a_reused_port_is_told_apart),
		TEST(late_one_on_a_reused_port_is_right_at_the_second_try),
		TEST(rekey_through_a_new_mapping_is_right_at_the_second_try),
		TEST(returned_one_gets_a_fresh_alias),
		TEST(returned_one_waits_for_silence),
		TEST(returned_one_that_is_never_silent_rekeys),
		TEST(flows_of_two_clients_are_no_return),
		TEST(address_that_changed_hands_is_not_shared),
		TEST(who_begins_anew_keeps_the_address),
		TEST(who_renews_keeps_the_address),
		TEST(who_tries_again_keeps_its_alias),
		TEST(who_tries_again_is_not_the_oldest),
		TEST(alias_is_kept_while_a_session_is_at_it),
		TEST(failed_phase1_gives_it_back),
		TEST(who_was_free_for_longest_is_given_first),
		TEST(address_is_free_again_when_all_have_left),
		TEST(no_float_without_the_servers_cookie),
		TEST(answer_to_another_flow_is_no_proof),
		TEST(forged_messages_move_nobody),
		TEST(proven_one_takes_no_flow_of_a_live_session),
		TEST(cookie_of_another_one_is_of_no_use),
		TEST(flood_from_one_address_is_its_own_affair),
		TEST(flood_from_everywhere_takes_half_open_ones_only),
		TEST(one_address_cannot_have_all_of_them),
		TEST(each_has_two_names),
		TEST(restart_changes_nothing),
		TEST(restart_makes_no_address_free),
		TEST(damaged_lines_are_refused),
		TEST(each_has_its_own_offer),
		TEST(forged_offers_change_nobodys),
		TEST(of_two_offers_before_the_session_none_is_believed),
		TEST(offer_after_a_restart_is_the_new_ones),
		TEST(offer_of_an_exchange_is_its_first),
		TEST(who_comes_by_the_same_flow_has_an_offer_of_its_own),
		TEST(offer_on_a_reused_port_is_not_that_of_who_had_it),
		TEST(offers_of_two_at_one_address_are_not_told_apart),
		TEST(offers_outlive_a_restart),
		TEST(what_changes_is_written),
		TEST(after_a_restart_an_offer_is_learned_with_a_rekey),
		TEST(two_without_an_alias_are_told_apart_by_their_ports),
		TEST(offer_of_one_that_the_server_has_followed),
		TEST(without_a_nat_a_host_has_its_offer),
		TEST(port_changes_and_the_server_does_not_follow),
		TEST(port_changes_and_the_server_follows),
		TEST(lone_one_is_moved_when_the_server_does_not_follow),
		TEST(lone_one_that_the_server_follows_needs_nothing),
		TEST(moved_lone_one_that_the_server_follows_is_itself_again),
		TEST(unknown_one_is_moved_too),
		TEST(port_that_a_moved_one_had_is_free_for_another),
		TEST(guessed_spi_moves_nobody),
		TEST(trials_are_bounded),
		TEST(port_of_a_live_one_is_not_taken),
		TEST(port_on_trial_for_another_one_is_on_trial_no_more),
		TEST(moves_are_bounded),
		TEST(cookies_show_whose_new_port_it_is),
		TEST(moved_ones_outlive_a_restart),
		TEST(taken_one_is_not_given_again),
		TEST(without_the_kernels_help_all_stay_where_they_are),
		TEST(crowd_with_ports_of_its_own),
		TEST(crowd_with_ports_that_change),
		TEST(crowd_that_vanishes_and_returns),
		TEST(crowd_that_returns_by_other_ports),
		TEST(a_range_must_be_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
