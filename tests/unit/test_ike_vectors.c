/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The translation against vectors that an independent program made (tests/vectors/ike/make.py): as they are,
 * repeated, passing twice, cut short at every byte, and with every byte mutated. */
#include "shim/ike/exchange.h"
#include "tests/unit/ike_check.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { MESSAGES_MAX = 8, NAME_LEN = 80, LINE_LEN = 8192, EXCHANGES_MAX = 200, NOW_MS = 1000 };

struct step {
	enum ike_direction direction;
	struct endpoint src, dst;
	uint8_t *in, *out;
	size_t length;
	char reason[24], dialect[16];
	unsigned edits, actions, exchange_type, message_number, server_initiated;
};

struct exchange {
	char name[NAME_LEN];
	struct ike_config config;
	struct endpoint peer;
	enum ike_dialect peer_dialect;
	struct step step[MESSAGES_MAX];
	unsigned steps;
};

static struct exchange *exchanges;
static unsigned exchange_count;

static uint8_t *read_hex(const char *text, size_t *length)
{
	uint8_t *out;
	unsigned byte;

	*length = strlen(text) / 2;
	out = malloc(*length);
	for (size_t i = 0; i < *length; i++) {
		assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return out;
}

static void read_step_line(struct step *step, const char *line)
{
	size_t length;

	if (!strncmp(line, "in ", 3)) {
		step->in = read_hex(line + 3, &step->length);
	} else if (!strcmp(line, "out same")) {
		step->out = malloc(step->length);
		memcpy(step->out, step->in, step->length);
	} else if (!strncmp(line, "out ", 4)) {
		step->out = read_hex(line + 4, &length);
		assert_int_equal(length, step->length);
	} else {
		assert_int_equal(sscanf(line, "expect %23s %15s %u %u %u %u %u", step->reason, step->dialect,
					&step->edits, &step->actions, &step->exchange_type,
					&step->message_number, &step->server_initiated),
				 7);
	}
}

static void read_exchange_line(struct exchange *x, const char *line)
{
	char word[16], a[ENDPOINT_TEXT_MAX], b[ENDPOINT_TEXT_MAX];
	const int words = sscanf(line, "%15s %55s %55s", word, a, b);
	struct endpoint e;

	assert_true(words >= 2);
	if (!strcmp(word, "public")) {
		assert_true(endpoint_parse(a, &e));
		*(e.addr_len == 4 ? &x->config.public_addr4 : &x->config.public_addr6) = e;
	} else if (!strcmp(word, "hide-nat")) {
		x->config.hide_nat = !strcmp(a, "yes");
	} else if (!strcmp(word, "peer")) {
		assert_true(endpoint_parse(a, &x->peer));
		assert_true(ike_dialect_parse(b, &x->peer_dialect));
	} else {
		struct step *step = &x->step[x->steps++];

		assert_true(x->steps <= MESSAGES_MAX);
		step->direction = strcmp(word, "to-server") != 0 ? IKE_TO_CLIENT : IKE_TO_SERVER;
		assert_true(endpoint_parse(a, &step->src) && endpoint_parse(b, &step->dst));
	}
}

static struct exchange *add_exchange(const char *name)
{
	struct exchange *x = &exchanges[exchange_count++];

	assert_true(exchange_count <= EXCHANGES_MAX);
	snprintf(x->name, sizeof x->name, "%.*s", NAME_LEN - 1, name);
	x->config.max_exchanges = 512; /* room for those that differ in a byte of the cookie */
	x->config.max_peers = 16;
	return x;
}

static void read_file(const char *path)
{
	static char line[LINE_LEN];
	struct exchange *x = NULL;
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (*line == '#' || *line == '\n')
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "exchange ", 9))
			x = add_exchange(line + 9);
		else if (!strncmp(line, "in ", 3) || !strncmp(line, "out ", 4) ||
			 !strncmp(line, "expect ", 7))
			read_step_line(&x->step[x->steps - 1], line);
		else
			read_exchange_line(x, line);
	}
	fclose(f);
}

static int load(void **state)
{
	(void)state;
	exchanges = calloc(EXCHANGES_MAX, sizeof *exchanges);
	read_file("tests/vectors/ike/synthetic.txt");
	read_file("tests/vectors/ike/genuine.txt");
	read_file("tests/vectors/ike/hide_nat.txt");
	assert_true(exchange_count > 80);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	for (unsigned i = 0; i < exchange_count; i++)
		for (unsigned k = 0; k < exchanges[i].steps; k++) {
			free(exchanges[i].step[k].in);
			free(exchanges[i].step[k].out);
		}
	free(exchanges);
	return 0;
}

static struct ike_table *table_for(const struct exchange *x)
{
	struct ike_table *table = ike_table_new(&x->config);

	assert_non_null(table);
	if (x->peer.addr_len)
		assert_true(ike_table_restore_peer(table, NOW_MS, &x->peer, x->peer_dialect, 0, true));
	return table;
}

/* Calls fn for each message of each exchange, in order, on a fresh table for each exchange; fn translates it
 * itself. */
static void for_each_step(void (*fn)(struct ike_table *table, const struct exchange *x,
				     const struct step *step))
{
	for (unsigned i = 0; i < exchange_count; i++) {
		struct ike_table *table = table_for(&exchanges[i]);

		for (unsigned k = 0; k < exchanges[i].steps; k++)
			fn(table, &exchanges[i], &exchanges[i].step[k]);
		ike_table_free(table);
	}
}

/* Translates a copy that ends flush with its allocation; the caller frees it. */
static struct ike_result translate(struct ike_table *table, const struct step *step, const uint8_t *message,
				   size_t length, uint8_t **out)
{
	struct ike_datagram d = {step->direction, step->src, step->dst, malloc(length), length};

	if (length)
		memcpy(d.message, message, length);
	*out = d.message;
	return ike_translate(table, NOW_MS, &d);
}

static void as_made(struct ike_table *table, const struct exchange *x, const struct step *step)
{
	uint8_t *out;
	const struct ike_result r = translate(table, step, step->in, step->length, &out);
	const struct endpoint *peer = step->direction == IKE_TO_SERVER ? &step->src : &step->dst;

	if (strcmp(ike_reason_name(r.reason), step->reason) != 0 ||
	    memcmp(out, step->out, step->length) != 0 || r.edits != step->edits || r.actions != step->actions)
		print_error("%s, message %ld\n", x->name, (long)(step - x->step + 1));
	assert_string_equal(ike_reason_name(r.reason), step->reason);
	assert_memory_equal(out, step->out, step->length);
	assert_string_equal(ike_dialect_name(r.dialect), step->dialect);
	assert_int_equal(r.edits, step->edits);
	assert_int_equal(r.actions, step->actions);
	assert_int_equal(r.exchange_type, step->exchange_type);
	assert_int_equal(r.message_number, step->message_number);
	assert_int_equal(r.server_initiated, step->server_initiated);
	assert_memory_equal(r.cookie, step->in, IKE_COOKIE_LEN);
	assert_true(endpoint_equal(&r.peer, peer));
	free(out);
}

static void test_as_made(void **state)
{
	(void)state;
	for_each_step(as_made);
}

/* Every message three times: each repetition is translated as the first was. */
static void three_times(struct ike_table *table, const struct exchange *x, const struct step *step)
{
	for (unsigned i = 0; i < 3; i++)
		as_made(table, x, step);
}

static void test_repeated(void **state)
{
	(void)state;
	for_each_step(three_times);
}

static void test_whole_exchange_repeated(void **state)
{
	(void)state;
	for (unsigned i = 0; i < exchange_count; i++) {
		struct ike_table *table = table_for(&exchanges[i]);

		for (unsigned k = 0; k < 2 * exchanges[i].steps; k++)
			as_made(table, &exchanges[i], &exchanges[i].step[k % exchanges[i].steps]);
		ike_table_free(table);
	}
}

/* What came out comes by once more (two queues, two interfaces): it must not be turned back, or further. A
 * translated first message would be an ordinary one, and end the exchange. */
static void passing_twice(struct ike_table *table, const struct exchange *x, const struct step *step)
{
	uint8_t *out;

	as_made(table, x, step);
	if (step->message_number == 1 && step->direction == IKE_TO_SERVER)
		return;
	translate(table, step, step->out, step->length, &out);
	assert_memory_equal(out, step->out, step->length);
	free(out);
}

static void test_passing_twice(void **state)
{
	(void)state;
	for_each_step(passing_twice);
}

static void state_length(uint8_t *message, size_t length)
{
	for (unsigned i = 0; i < 4; i++)
		message[24 + i] = (uint8_t)(length >> (24 - 8 * i));
}

static bool has_chain(const struct step *step)
{
	return strcmp(step->reason, "encrypted") != 0 && strcmp(step->reason, "other_exchange") != 0 &&
	       strcmp(step->reason, "other_version") != 0;
}

/* At every length, with the header's length as it was and made to fit: never a byte changed, and the reason
 * told. */
static void cut(struct ike_table *table, const struct step *step, size_t length)
{
	const bool v1 = strcmp(step->reason, "other_version") != 0;
	uint8_t *copy = malloc(step->length), *out;
	struct ike_result r = translate(table, step, step->in, length, &out);

	assert_memory_equal(out, step->in, length);
	assert_int_equal(r.reason, length < 28 ? IKE_SHORT : v1 ? IKE_BAD_LENGTH : IKE_OTHER_VERSION);
	free(out);
	memcpy(copy, step->in, step->length);
	if (length >= 28) {
		state_length(copy, length);
		r = translate(table, step, copy, length, &out);
		assert_memory_equal(out, copy, length);
		if (has_chain(step))
			assert_int_equal(r.reason, IKE_BAD_PAYLOAD);
		free(out);
	}
	free(copy);
}

static void cut_everywhere(struct ike_table *table, const struct exchange *x, const struct step *step)
{
	for (size_t length = 0; length < step->length; length++)
		cut(table, step, length);
	as_made(table, x, step);
}

static void test_truncated(void **state)
{
	(void)state;
	for_each_step(cut_everywhere);
}

/* Bytes after the message, as some send them, change nothing. */
static void with_tail(struct ike_table *table, const struct exchange *x, const struct step *step)
{
	static const uint8_t tail[] = {0, 0, 0, 1, 255};
	uint8_t *longer = malloc(step->length + sizeof tail), *out;

	(void)x;
	memcpy(longer, step->in, step->length);
	memcpy(longer + step->length, tail, sizeof tail);
	const struct ike_result r = translate(table, step, longer, step->length + sizeof tail, &out);

	assert_string_equal(ike_reason_name(r.reason), step->reason);
	assert_memory_equal(out, step->out, step->length);
	assert_memory_equal(out + step->length, tail, sizeof tail);
	free(longer);
	free(out);
}

static void test_trailing_bytes(void **state)
{
	(void)state;
	for_each_step(with_tail);
}

static void mutate(struct ike_table *table, const struct step *step, size_t at, uint8_t value)
{
	uint8_t *copy = malloc(step->length), *out;

	memcpy(copy, step->in, step->length);
	copy[at] = value;
	const struct ike_result r = translate(table, step, copy, step->length, &out);

	assert_int_equal(ike_check_unchanged(copy, out, step->length), step->length);
	assert_int_equal(r.reason == IKE_REWRITTEN, r.edits != 0);
	if (r.reason != IKE_REWRITTEN)
		assert_memory_equal(copy, out, step->length);
	free(copy);
	free(out);
}

/* One byte at a time. The exchange itself must come through in between: a mutated message may not disturb it,
 * but for first messages and answers, which are learned from. */
static void mutated(struct ike_table *table, const struct exchange *x, const struct step *step)
{
	as_made(table, x, step);
	for (size_t at = 0; at < step->length; at++) {
		const uint8_t byte = step->in[at];
		const uint8_t values[] = {0, 1, 15, 20, 255, byte ^ 1, byte ^ 128, (uint8_t)(byte - 4)};

		for (size_t v = 0; v < sizeof values; v++)
			mutate(table, step, at, values[v]);
	}
	as_made(table, x, step);
}

static void test_mutated(void **state)
{
	(void)state;
	for_each_step(mutated);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_made),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_whole_exchange_repeated),
		cmocka_unit_test(test_passing_twice),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_trailing_bytes),
		cmocka_unit_test(test_mutated),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
