/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim status: the daemon's answer read, put in order, compared with the one before, and laid out in lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/status/layout.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_ 512

/* A session as the daemon tells it; the caller adds what is odd about it. */
static json_t *session(const char *peer, int port, const char *state, int age, int ends)
{
	return json_pack("{s:s, s:i, s:s, s:b, s:i, s:s, s:i, s:i, s:i, s:i, s:s, s:i, s:i, s:n, s:[]}",
			 "peer", peer, "port", port, "dialect", "apple", "nat", port != 0, "l2tp_port", 49152,
			 "state", state, "age_s", age, "idle_s", 14, "bytes_in", 1234, "bytes_out", 34000000,
			 "ends_why", "idle", "ends_in_s", ends, "attempts", 0, "error", "does");
}

/* Takes over sessions. */
static struct status *status_of(json_t *sessions)
{
	char error[STATUS_ERROR_MAX];
	json_t *root =
		json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:[{s:s,s:s,s:i}], s:{s:i,s:i}}", "version", "1.0",
			  "iface", "eth0", "iface_absent", "", "stack", "libreswan", "uptime_s", 7300,
			  "sessions", sessions, "peers", "peer", "198.51.100.9:500", "dialect", "apple",
			  "age_s", 61, "counters", "session_failures", 3, "queue_overruns", 0);
	char *text = json_dumps(root, 0);
	struct status *status = status_read(text, error);

	assert_non_null(status);
	free(text);
	json_decref(root);
	return status;
}

/* One line as it would be printed. */
static const char *line_of(void (*print)(FILE *, const struct layout *, const void *), const struct layout *l,
			   const void *what)
{
	static char line[LINE_MAX_];
	FILE *out = fmemopen(line, sizeof line, "w");

	print(out, l, what);
	fputc('\0', out);
	fclose(out);
	return line;
}

static void print_client(FILE *out, const struct layout *l, const void *client)
{
	layout_client(out, l, client);
}

static void print_heading(FILE *out, const struct layout *l, const void *nothing)
{
	(void)nothing;
	layout_heading(out, l);
}

static void print_summary(FILE *out, const struct layout *l, const void *status)
{
	layout_summary(out, status, l->width);
}

static const char *client_line(const struct layout *l, const struct status *s, size_t i)
{
	return line_of(print_client, l, &s->clients[i]);
}

/* ---- reading ---- */

static void test_reads(void **state)
{
	json_t *one = session("203.0.113.77", 61243, "up", 7980, 586), *all = json_array();
	struct status *s;

	(void)state;
	json_object_set_new(one, "alias", json_string("198.18.0.1"));
	json_object_set_new(one, "does", json_pack("[s,s]", "nat-t", "bridge"));
	json_array_append_new(all, one);
	json_array_append_new(all, session("2001:db8::7", 0, "new", 3, 0));
	json_object_set_new(json_array_get(all, 1), "ends_in_s", json_null());
	json_array_append_new(all, session("2001:db8::7", 4500, "up", 3, 0));
	s = status_of(all);
	assert_int_equal(s->client_count, 3);
	assert_string_equal(s->clients[0].peer, "203.0.113.77:61243");
	assert_string_equal(s->clients[0].alias, "198.18.0.1");
	assert_string_equal(s->clients[0].does, "nat-t,bridge,alias");
	assert_string_equal(s->clients[0].error, "");
	assert_int_equal(s->clients[0].ends_in_s, 586);
	assert_true(s->clients[0].nat);
	assert_string_equal(s->clients[1].peer, "2001:db8::7");
	assert_int_equal(s->clients[1].ends_in_s, STATUS_NEVER);
	assert_string_equal(s->clients[2].peer, "[2001:db8::7]:4500");
	assert_string_equal(s->trouble, "3 session_failures");
	assert_int_equal(s->peer_count, 1);
	assert_false(s->peers[0].connected);
	status_free(s);
}

/* A known peer is connected if a client is at its address, at whatever port. */
static void test_connected(void **state)
{
	static const struct {
		const char *client;
		int port;
		bool connected;
	} cases[] = {{"198.51.100.9", 61243, true}, {"198.51.100.9", 0, true},
		     {"198.51.100.91", 500, false}, {"98.51.100.9", 500, false},
		     {"2001:db8::9", 500, false},   {"198.51.100.", 500, false}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *all = json_array();
		struct status *s;

		json_array_append_new(all, session(cases[i].client, cases[i].port, "up", 1, 2));
		s = status_of(all);
		assert_int_equal(s->peers[0].connected, cases[i].connected);
		status_free(s);
	}
}

/* No byte of a stranger's gets to the terminal but as text. */
static void test_escapes(void **state)
{
	static const char hostile[] = "\033[2J\033]0;x\a\r\n\t\177\xc2\x9b"
				      "31m";
	json_t *one = session("203.0.113.77", 1, "up", 1, 2), *all = json_array();
	struct layout l;
	struct status *s;

	(void)state;
	json_object_set_new(one, "error", json_string(hostile));
	json_object_set_new(one, "ends_why", json_string(hostile));
	json_object_set_new(one, "does", json_pack("[s]", hostile));
	json_object_set_new(one, "dialect", json_string(hostile));
	json_object_set_new(one, "state", json_string(hostile));
	json_object_set_new(one, "alias", json_string(hostile));
	json_object_set_new(one, "peer", json_string(hostile));
	json_array_append_new(all, one);
	s = status_of(all);
	assert_string_equal(s->clients[0].error, "\\x1b[2J\\x1b]0;x\\x07\\x0d\\x0a\\x09\\x7f\\xc2\\x9b31m");
	for (unsigned width = 0; width < 200; width += 40) {
		const char *line;

		layout_choose(&l, s, width, false);
		line = client_line(&l, s, 0);
		assert_true(strlen(line) > 5);
		for (const char *p = line; *p; p++)
			assert_in_range(*p, ' ', '~');
	}
	status_free(s);
}

static void test_bad_json(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "3", "null", "{\"sessions\":"};
	static const char *const odd[] = {"{}", "{\"sessions\":3,\"peers\":{}}",
					  "{\"sessions\":[3,null,{}],\"peers\":[1]}"};
	char error[STATUS_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		strcpy(error, "");
		assert_null(status_read(bad[i], error));
		assert_non_null(strstr(error, "not JSON"));
	}
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		struct status *s = status_read(odd[i], error);

		assert_non_null(s);
		for (size_t j = 0; j < s->client_count; j++)
			assert_string_equal(s->clients[j].peer, "?");
		status_free(s);
	}
}

/* ---- lines ---- */

/* The longest IPv4 client, with two things done for it: all that is worth a glance, in 80 columns. */
static void test_eighty(void **state)
{
	json_t *one = session("203.111.113.177", 61243, "up", 7980, 586), *all = json_array();
	struct status *s;
	struct layout l;

	(void)state;
	json_object_set_new(one, "does", json_pack("[s,s]", "nat-t", "bridge"));
	json_array_append_new(all, one);
	s = status_of(all);
	layout_choose(&l, s, 80, false);
	assert_string_equal(line_of(print_heading, &l, NULL),
			    "PEER                  DIALECT   AGE IDLE   IN OUT DOES         WILL END");
	assert_string_equal(client_line(&l, s, 0),
			    "203.111.113.177:61243 apple   2h13m  14s 1.2K 34M nat-t,bridge idle in 9m46s");
	assert_string_equal(line_of(print_summary, &l, s),
			    "natshim 1.0 on eth0, up 2h01m, stack libreswan: 1 client");
	status_free(s);
}

/* Whatever the client, its line fits and says where it is, what is done for it and when it will end. */
static void test_widest(void **state)
{
	json_t *one = session("2001:db8:1111:2222:3333:4444:5555:6666", 61243, "ending", 359999, 604799);
	json_t *all = json_array();
	struct status *s;
	struct layout l;

	(void)state;
	json_object_set_new(one, "does", json_pack("[s,s,s]", "nat-t", "bridge", "hello"));
	json_object_set_new(one, "ends_in_s", json_integer(599));
	json_array_append_new(all, one);
	s = status_of(all);
	layout_choose(&l, s, 80, false);
	assert_string_equal(
		client_line(&l, s, 0),
		"[2001:db8:1111:2222:3333:4444:5555:6666]:61243 nat-t,bridge,hello idle in 9m59s");
	layout_choose(&l, s, 80, true);
	assert_string_equal(
		client_line(&l, s, 0),
		"  [2001:db8:1111:2222:3333:4444:5555:6666]:61243 nat-t,bridge,hel+ idle in 9m59s");
	status_free(s);
}

/* No line is wider than the terminal, of whatever width; a wider one shows more; without a terminal nothing is cut. */
static void test_widths(void **state)
{
	json_t *all = json_array(), *one = session("198.51.100.4", 4500, "failed", 90061, 2);
	size_t shown = 0;
	struct status *s;
	struct layout l;

	(void)state;
	json_object_set_new(one, "attempts", json_integer(3));
	json_object_set_new(one, "error",
			    json_string("whack: no state matches #17 and a long line of words behind it"));
	json_array_append_new(all, one);
	json_array_append_new(all, session("2001:db8:1111:2222:3333:4444:5555:6666", 61243, "up", 1, 2));
	s = status_of(all);
	for (unsigned width = 34; width < 240; width++) {
		size_t now = 0;

		layout_choose(&l, s, width, true);
		for (size_t i = 0; i < s->client_count; i++)
			assert_in_range(strlen(client_line(&l, s, i)), 20, width);
		assert_in_range(strlen(line_of(print_heading, &l, NULL)), 10, width);
		assert_in_range(strlen(line_of(print_summary, &l, s)), 10, width);
		for (size_t i = 0; i < LAYOUT_COLUMNS; i++)
			now += l.shown[i];
		assert_true(now >= shown);
		shown = now;
	}
	assert_int_equal(shown, LAYOUT_COLUMNS);
	assert_non_null(strstr(client_line(&l, s, 0), "idle, asked 3 times: whack: no state matches #17"));
	layout_choose(&l, s, LAYOUT_ANY_WIDTH, false);
	assert_string_equal(line_of(print_heading, &l, NULL),
			    "PEER                                           DIALECT NAT  L2TP STATE     AGE "
			    "IDLE   IN OUT DOES WILL END");
	assert_string_equal(client_line(&l, s, 0), "198.51.100.4:4500                              apple   "
						   "yes 49152 failed 25h01m  14s 1.2K 34M -    "
						   "idle, asked 3 times");
	status_free(s);
}

static void test_spans(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {{0, "0s"},       {59, "59s"},        {60, "1m00s"},     {3599, "59m59s"},
		     {3600, "1h00m"}, {359999, "99h59m"}, {360000, "4d04h"}, {8640000, "100d00h"}};
	char out[LAYOUT_SPAN_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(layout_span(cases[i].seconds, out), cases[i].text);
}

static void test_many(void **state)
{
	json_t *all = json_array();
	char peer[32];
	struct status *s;
	struct layout l;

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(peer, sizeof peer, "203.0.113.%d", i);
		json_array_append_new(all, session(peer, 4500, i % 2 ? "up" : "ending", i, 200 - i));
	}
	s = status_of(all);
	layout_choose(&l, s, 80, false);
	for (size_t i = 0; i < 200; i++)
		assert_in_range(strlen(client_line(&l, s, i)), 40, 80);
	assert_string_equal(
		line_of(print_summary, &l, s),
		"natshim 1.0 on eth0, up 2h01m, stack libreswan: 200 clients, 100 up, 100 ending");
	status_free(s);
}

/* ---- order and changes ---- */

static void test_order(void **state)
{
	static const char *const orders[STATUS_ORDERS][4] = {
		[STATUS_BY_END] = {"10.0.0.3:1", "10.0.0.2:1", "10.0.0.1:1", "10.0.0.4:1"},
		[STATUS_BY_TRAFFIC] = {"10.0.0.2:1", "10.0.0.1:1", "10.0.0.3:1", "10.0.0.4:1"},
		[STATUS_BY_AGE] = {"10.0.0.4:1", "10.0.0.3:1", "10.0.0.1:1", "10.0.0.2:1"},
		[STATUS_BY_CLIENT] = {"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"},
	};
	json_t *all = json_array();
	struct status *s;

	(void)state;
	json_array_append_new(all, session("10.0.0.4", 1, "up", 5, 0));
	json_array_append_new(all, session("10.0.0.2", 1, "up", 90, 10));
	json_array_append_new(all, session("10.0.0.1", 1, "up", 80, 20));
	json_array_append_new(all, session("10.0.0.3", 1, "ending", 70, 30));
	json_object_set_new(json_array_get(all, 0), "ends_in_s", json_null());
	json_object_set_new(json_array_get(all, 1), "bytes_in", json_integer(5000));
	json_object_set_new(json_array_get(all, 3), "attempts", json_integer(1));
	s = status_of(all);
	for (unsigned order = 0; order < STATUS_ORDERS; order++) {
		status_sort(s, order);
		for (size_t i = 0; i < 4; i++)
			assert_string_equal(s->clients[i].peer, orders[order][i]);
	}
	status_free(s);
}

static struct status_client *find(struct status *s, const char *peer)
{
	for (size_t i = 0; i < s->client_count; i++)
		if (!strcmp(s->clients[i].peer, peer))
			return &s->clients[i];
	return NULL;
}

/* Sessions of two moments: a same, b changes by key, c goes, d comes. */
static struct status *moment(bool later, const char *key, json_t *value)
{
	json_t *all = json_array();

	json_array_append_new(all, session("10.0.0.1", 1, "up", later ? 11 : 10, later ? 9 : 10));
	json_array_append_new(all, session("10.0.0.2", 1, "up", 10, 10));
	if (later)
		json_object_set_new(json_array_get(all, 1), key, value);
	json_array_append_new(all, session(later ? "10.0.0.4" : "10.0.0.3", 1, "up", 10, 10));
	return status_of(all);
}

static void test_changes(void **state)
{
	const struct {
		const char *key;
		json_t *value;
		unsigned change;
	} cases[] = {
		{"state", json_string("ending"), STATUS_STATE},
		{"bytes_in", json_integer(1235), STATUS_IN},
		{"bytes_out", json_integer(1), STATUS_OUT},
		{"does", json_pack("[s]", "hello"), STATUS_DOES},
		{"ends_why", json_string("dead"), STATUS_END},
		{"error", json_string("x"), STATUS_END},
		{"attempts", json_integer(1), STATUS_END},
		{"age_s", json_integer(3), STATUS_IS_NEW},
		{"alias", json_string("198.18.0.1"), STATUS_DOES},
		{"idle_s", json_integer(0), 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct status *before = moment(false, NULL, NULL);
		struct status *now = moment(true, cases[i].key, cases[i].value);
		struct layout l;

		assert_true(status_compare(now, before, 3));
		assert_int_equal(now->client_count, 4);
		assert_int_equal(find(now, "10.0.0.1:1")->change, 0);
		assert_int_equal(find(now, "10.0.0.2:1")->change, cases[i].change);
		assert_int_equal(find(now, "10.0.0.3:1")->change, STATUS_IS_GONE);
		assert_int_equal(find(now, "10.0.0.4:1")->change, STATUS_IS_NEW);
		layout_choose(&l, now, 80, true);
		assert_memory_equal(line_of(print_client, &l, find(now, "10.0.0.1:1")), "  10", 4);
		assert_memory_equal(line_of(print_client, &l, find(now, "10.0.0.3:1")), "- \033[1m10", 8);
		assert_memory_equal(line_of(print_client, &l, find(now, "10.0.0.4:1")), "+ \033[1m10", 8);
		if (cases[i].change == STATUS_IN)
			assert_string_equal(
				line_of(print_client, &l, find(now, "10.0.0.2:1")),
				"* 10.0.0.2:1 apple   yes 49152 up    10s  14s \033[1m1.2K\033[0m 34M - "
				"   idle in 10s");
		assert_string_equal(
			line_of(print_summary, &l, now),
			cases[i].change == STATUS_STATE
				? "natshim 1.0 on eth0, up 2h01m, stack libreswan: 3 clients, 2 up, 1 ending"
				: "natshim 1.0 on eth0, up 2h01m, stack libreswan: 3 clients");
		status_free(before);
		status_free(now);
	}
}

/* Who has gone is shown for some answers, and is new if it comes back. */
static void test_gone(void **state)
{
	struct status *before = moment(false, NULL, NULL), *now = NULL;

	(void)state;
	for (int i = 0; i < 3; i++) {
		now = moment(true, "idle_s", json_integer(1));
		assert_true(status_compare(now, before, 3));
		assert_int_equal(find(now, "10.0.0.3:1")->gone_for, i);
		status_free(before);
		before = now;
	}
	now = moment(true, "idle_s", json_integer(1));
	assert_true(status_compare(now, before, 3));
	assert_null(find(now, "10.0.0.3:1"));
	status_free(now);
	now = moment(false, NULL, NULL);
	assert_true(status_compare(now, before, 3));
	assert_int_equal(find(now, "10.0.0.3:1")->change, STATUS_IS_NEW);
	status_free(now);
	status_free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),   cmocka_unit_test(test_connected),
		cmocka_unit_test(test_escapes), cmocka_unit_test(test_bad_json),
		cmocka_unit_test(test_eighty),  cmocka_unit_test(test_widest),
		cmocka_unit_test(test_widths),  cmocka_unit_test(test_spans),
		cmocka_unit_test(test_many),    cmocka_unit_test(test_order),
		cmocka_unit_test(test_changes), cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
