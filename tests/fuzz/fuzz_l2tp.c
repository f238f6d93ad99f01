/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libFuzzer: a conversation of L2TP messages through one small table. The input is a row of datagrams, each
 * behind two bytes: flags (bit 0 towards the client, bit 1 HELLOs are absorbed, bits 2-3 which client, bit 4
 * time passes, bit 5 no room to grow, bit 6 restart, bit 7 HELLOs are absorbed once they stay unanswered) and length. Checked: no byte is touched that was not
 * said to be, what was changed is sound and needs no second repair, the table keeps its bound, and its state
 * survives a restart. */
#include "shim/l2tp/quirks.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TUNNELS 6

struct state_list {
	struct l2tp_tunnel_state states[MAX_TUNNELS];
	size_t count;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A client has got new SAs whenever time has passed. */
static uint64_t renewed_ms;

static uint64_t renewed(void *ctx, const struct endpoint *client)
{
	(void)ctx;
	return client->port & 1 ? renewed_ms : 0;
}

static const struct l2tp_config config = {.hostname = "fuzz", .max_tunnels = MAX_TUNNELS, .renewed = renewed};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void keep(void *ctx, const struct l2tp_tunnel_state *s)
{
	struct state_list *list = ctx;

	check(list->count < MAX_TUNNELS);
	list->states[list->count++] = *s;
}

/* The old table's state goes through the text into a new one, and comes out the same. */
static struct l2tp_table *restart(struct l2tp_table *old, uint64_t now_ms)
{
	struct l2tp_table *table = l2tp_table_new(&config);
	struct state_list before = {0}, after = {0};

	l2tp_table_each(old, now_ms, keep, &before);
	l2tp_table_free(old);
	for (size_t i = 0; i < before.count; i++) {
		char text[L2TP_STATE_TEXT_MAX], again[L2TP_STATE_TEXT_MAX];
		struct l2tp_tunnel_state s;

		check(l2tp_state_parse(l2tp_state_text(&before.states[i], text), &s));
		check(!strcmp(text, l2tp_state_text(&s, again)));
		check(l2tp_table_restore(table, now_ms, &s));
	}
	l2tp_table_each(table, now_ms, keep, &after);
	check(after.count == before.count);
	for (size_t i = 0; i < after.count; i++) {
		char a[L2TP_STATE_TEXT_MAX], b[L2TP_STATE_TEXT_MAX];

		check(!strcmp(l2tp_state_text(&before.states[i], a), l2tp_state_text(&after.states[i], b)));
	}
	return table;
}

static void check_sound(const struct l2tp_datagram *d, const struct l2tp_result *r)
{
	struct l2tp_header header;
	uint16_t type;

	check(l2tp_header_read(d->message, d->length, &header) == L2TP_ORDINARY);
	if (r->reason == L2TP_REWRITTEN) {
		check(l2tp_check(d->message, &header, &type) == L2TP_ORDINARY);
		check(type == r->message_type);
	}
}

static void check_stops(const struct l2tp_result *r)
{
	struct l2tp_header header;
	uint16_t type, id;

	check(!r->stop_count || r->event == L2TP_EVENT_TUNNEL_REQUEST);
	check(r->stop_count < MAX_TUNNELS + 1);
	check(r->stop_count || !(r->actions & L2TP_ACT_WAIT));
	for (size_t i = 0; i < r->stop_count; i++) {
		check(l2tp_header_read(r->stops[i], L2TP_STOP_LEN, &header) == L2TP_ORDINARY);
		check(header.tunnel_id && header.length == L2TP_STOP_LEN);
		check(l2tp_check(r->stops[i], &header, &type) == L2TP_ORDINARY && type == L2TP_STOPCCN);
		check(l2tp_find_u16(r->stops[i], &header, L2TP_AVP_ASSIGNED_TUNNEL_ID, &id) && id);
	}
}

static void check_needs_no_second_repair(const struct l2tp_datagram *first)
{
	struct l2tp_table *table = l2tp_table_new(&config);
	struct l2tp_datagram d = *first;

	check(!l2tp_translate(table, 0, &d).changed);
	l2tp_table_free(table);
}

static void one_datagram(struct l2tp_table *table, uint64_t now_ms, uint8_t flags, const uint8_t *bytes,
			 size_t length)
{
	struct l2tp_datagram d = {
		.direction = flags & 1 ? L2TP_TO_CLIENT : L2TP_TO_LNS,
		.client = {.addr = {192, 0, 2, 1},
			   .addr_len = 4,
			   .port = (uint16_t)(1701 + (flags >> 2 & 3))},
		.length = length,
		.capacity = length + (flags & 32 ? 0 : L2TP_GROWTH_MAX),
		.hello = flags & 2     ? L2TP_HELLO_ABSORB
			 : flags & 128 ? L2TP_HELLO_LEARN
				       : L2TP_HELLO_PASS,
	};
	struct l2tp_result r;

	d.message = malloc(d.capacity + 1); /* one more, for a capacity of 0 */
	memcpy(d.message, bytes, length);
	d.message[d.capacity] = 0xa5;
	r = l2tp_translate(table, now_ms, &d);
	check(d.message[d.capacity] == 0xa5);
	check(r.length == d.length && d.length <= d.capacity);
	check(r.reason < L2TP_REASONS && r.event < L2TP_EVENTS);
	check(r.changed == (r.edits != 0));
	if (r.changed)
		check_sound(&d, &r);
	else
		check(d.length == length && !memcmp(d.message, bytes, length));
	if (r.changed && !(r.edits & L2TP_EDIT_SEQUENCE))
		check_needs_no_second_repair(&d);
	if (r.reason == L2TP_ABSORBED)
		check(d.hello != L2TP_HELLO_PASS && flags & 1 && r.message_type == L2TP_HELLO &&
		      r.reply_length == L2TP_HEADER_LEN && r.lns_tunnel);
	else
		check(!r.reply_length && !(r.actions & (L2TP_ACT_DROP | L2TP_ACT_REPLY)));
	check_stops(&r);
	check(l2tp_table_stats(table).tunnels <= MAX_TUNNELS);
	free(d.message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct l2tp_table *table = l2tp_table_new(&config);
	uint64_t now_ms = 1000;

	renewed_ms = 0;
	while (size >= 2) {
		uint8_t flags = data[0];
		size_t length = data[1] < size - 2 ? data[1] : size - 2;

		if (flags & 16)
			renewed_ms = now_ms += 3600 * 1000;
		if (flags & 64)
			table = restart(table, now_ms);
		one_datagram(table, now_ms, flags, data + 2, length);
		data += 2 + length;
		size -= 2 + length;
	}
	l2tp_table_free(table);
	return 0;
}
