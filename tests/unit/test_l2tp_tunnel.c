/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/l2tp: tunnels, absorbed HELLOs, sessions and the state file.
 *
 * The long test puts a strict LNS and a strict client (RFC 2661 section 5.8: sliding window, numbers in
 * order, no acknowledgement of what was not sent) at the ends of a network that loses, repeats and reorders,
 * with natshim between them, restarted at random. Whatever it absorbs, each end must see a connection without
 * a fault. */
#include "shim/l2tp/quirks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CLIENT_TUNNEL 0x0102
#define LNS_TUNNEL 0x0304
#define TYPE_WEN 15
#define AVP_TEST 900 /* carries the sender's count, so that the receiver sees what is missing */

static const struct endpoint client = {.addr = {192, 0, 2, 1}, .addr_len = 4, .port = 51701};
static const struct endpoint other_client = {.addr = {192, 0, 2, 1}, .addr_len = 4, .port = 51702};

struct packet {
	uint8_t bytes[128];
	size_t length;
};

static void put16(struct packet *p, size_t at, unsigned value)
{
	p->bytes[at] = (uint8_t)(value >> 8);
	p->bytes[at + 1] = (uint8_t)value;
}

static void add_avp(struct packet *p, unsigned type, const void *value, size_t length)
{
	put16(p, p->length, (unsigned)(0x8000 | (length + 6)));
	put16(p, p->length + 2, 0);
	put16(p, p->length + 4, type);
	memcpy(p->bytes + p->length + 6, value, length);
	p->length += length + 6;
	put16(p, 2, (unsigned)p->length);
}

static void add_u16(struct packet *p, unsigned type, unsigned value)
{
	add_avp(p, type, (const uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static struct packet make(unsigned type, unsigned tunnel, unsigned session, unsigned ns, unsigned nr)
{
	struct packet p = {.length = 12};

	put16(&p, 0, 0xc802);
	put16(&p, 2, 12);
	put16(&p, 4, tunnel);
	put16(&p, 6, session);
	put16(&p, 8, ns);
	put16(&p, 10, nr);
	if (type)
		add_u16(&p, 0, type);
	return p;
}

static unsigned get16(const struct packet *p, size_t at)
{
	return (unsigned)(p->bytes[at] << 8 | p->bytes[at + 1]);
}

static unsigned ns_of(const struct packet *p)
{
	return get16(p, 8);
}

static unsigned nr_of(const struct packet *p)
{
	return get16(p, 10);
}

static enum l2tp_hello hellos = L2TP_HELLO_ABSORB;

static struct l2tp_result pass_from(struct l2tp_table *table, uint64_t now, enum l2tp_direction direction,
				    const struct endpoint *from, struct packet *p)
{
	struct l2tp_datagram d = {.direction = direction,
				  .client = *from,
				  .message = p->bytes,
				  .length = p->length,
				  .capacity = sizeof(p->bytes),
				  .hello = hellos};
	struct l2tp_result r = l2tp_translate(table, now, &d);

	p->length = d.length;
	return r;
}

static struct l2tp_result pass(struct l2tp_table *table, enum l2tp_direction direction, struct packet *p)
{
	return pass_from(table, 1000, direction, &client, p);
}

static struct l2tp_result send_to_lns(struct l2tp_table *table, struct packet p)
{
	return pass(table, L2TP_TO_LNS, &p);
}

static struct l2tp_result send_to_client(struct l2tp_table *table, struct packet p)
{
	return pass(table, L2TP_TO_CLIENT, &p);
}

static struct packet sccrq(unsigned tunnel)
{
	struct packet p = make(L2TP_SCCRQ, 0, 0, 0, 0);

	add_avp(&p, L2TP_AVP_HOST_NAME, "mac", 3);
	add_u16(&p, L2TP_AVP_ASSIGNED_TUNNEL_ID, tunnel);
	return p;
}

static struct packet sccrp(unsigned to, unsigned assigned)
{
	struct packet p = make(L2TP_SCCRP, to, 0, 0, 1);

	add_u16(&p, L2TP_AVP_ASSIGNED_TUNNEL_ID, assigned);
	return p;
}

static uint64_t renewed_at; /* the client's SAs */

static uint64_t renewed(void *ctx, const struct endpoint *who)
{
	(void)ctx;
	return endpoint_equal(who, &client) ? renewed_at : 0;
}

static struct l2tp_result at_lns(struct l2tp_table *table, uint64_t now, const struct endpoint *from,
				 struct packet p)
{
	return pass_from(table, now, L2TP_TO_LNS, from, &p);
}

/* At time 1000; the client's next Ns is 4, and it has one call. */
static void bring_up(struct l2tp_table *table, const struct endpoint *from, unsigned client_tunnel,
		     unsigned lns_tunnel)
{
	struct packet icrq = make(L2TP_ICRQ, lns_tunnel, 0, 2, 1);

	add_u16(&icrq, L2TP_AVP_ASSIGNED_SESSION_ID, 7);
	at_lns(table, 1000, from, sccrq(client_tunnel));
	at_lns(table, 1000, from, make(L2TP_SCCCN, lns_tunnel, 0, 1, 1));
	at_lns(table, 1000, from, icrq);
	at_lns(table, 1000, from, make(L2TP_ICCN, lns_tunnel, 9, 3, 2));
}

static struct l2tp_table *watched(void)
{
	const struct l2tp_config config = {.renewed = renewed};
	struct l2tp_table *table = l2tp_table_new(&config);

	hellos = L2TP_HELLO_PASS;
	renewed_at = 900;
	bring_up(table, &client, CLIENT_TUNNEL, LNS_TUNNEL);
	bring_up(table, &other_client, CLIENT_TUNNEL + 1, LNS_TUNNEL + 1);
	return table;
}

/* RFC 2661 section 6.4: Message Type, Assigned Tunnel ID (the sender's), Result Code. */
static void left_tunnel_is_stopped(void **state)
{
	for (unsigned next = CLIENT_TUNNEL; next < CLIENT_TUNNEL + 2;
	     next++) { /* it may use its old ID again */
		struct l2tp_table *table = watched();
		struct packet expected = make(L2TP_STOPCCN, LNS_TUNNEL, 0, 4, 2);
		struct l2tp_result r;

		(void)state;
		add_u16(&expected, L2TP_AVP_ASSIGNED_TUNNEL_ID, CLIENT_TUNNEL);
		add_avp(&expected, L2TP_AVP_RESULT_CODE, "\0\1\0\0", 4);
		renewed_at = 2000;
		r = at_lns(table, 2500, &client, sccrq(next));
		assert_int_equal(r.stop_count, 1);
		assert_int_equal(expected.length, L2TP_STOP_LEN);
		assert_memory_equal(r.stops[0], expected.bytes, L2TP_STOP_LEN);
		assert_int_equal(r.actions & (L2TP_ACT_DROP | L2TP_ACT_CLOSED), 0);
		/* The acknowledgement of the StopCCN, for Ns 4, would stand for that of the new request's Ns 0 where both have one ID. */
		assert_int_equal(r.actions & L2TP_ACT_WAIT, next == CLIENT_TUNNEL ? L2TP_ACT_WAIT : 0);
		r = at_lns(table, 3500, &client, sccrq(next));
		assert_int_equal(r.stop_count, 0); /* once */
		assert_int_equal(r.actions & L2TP_ACT_WAIT, 0);
		at_lns(table, 3600, &client, make(L2TP_SCCCN, LNS_TUNNEL + 5, 0, 1, 1));
		renewed_at = 5000;
		assert_int_equal(at_lns(table, 5500, &client, sccrq(77)).stop_count,
				 1); /* and that one is left */
		assert_int_equal(at_lns(table, 5500, &other_client, sccrq(77)).stop_count, 0);
		l2tp_table_free(table);
	}
}

static void tunnel_in_use_is_not_stopped(void **state)
{
	struct l2tp_table *table = watched();

	(void)state;
	/* By the same SAs; it was heard of since it has got new ones; by those that natshim does not know. */
	assert_int_equal(at_lns(table, 2500, &client, sccrq(50)).stop_count, 0);
	renewed_at = 3000;
	at_lns(table, 3001, &client, make(L2TP_ZLB, LNS_TUNNEL, 0, 4, 3));
	at_lns(table, 3001, &client, sccrq(50));
	assert_int_equal(at_lns(table, 3500, &client, sccrq(51)).stop_count, 0);
	renewed_at = 0;
	assert_int_equal(at_lns(table, 4000, &client, sccrq(52)).stop_count, 0);
	/* Of one that it has closed, or that was never whole, there is nothing to stop. */
	renewed_at = 5000;
	at_lns(table, 4500, &client, make(L2TP_STOPCCN, LNS_TUNNEL, 0, 4, 3));
	assert_int_equal(at_lns(table, 5500, &client, sccrq(53)).stop_count, 0);
	l2tp_table_free(table);
}

static void put_back(void *ctx, const struct l2tp_tunnel_state *tunnel)
{
	assert_true(l2tp_table_restore(ctx, 10, tunnel)); /* the clock began anew */
}

/* What the LNS says is no sign of the client; and a restart of natshim forgets nothing. */
static void left_tunnel_is_known_after_a_restart(void **state)
{
	const struct l2tp_config config = {.renewed = renewed};
	struct l2tp_table *table = watched(), *next = l2tp_table_new(&config);
	struct packet hello = make(L2TP_HELLO, CLIENT_TUNNEL, 0, 2, 4);
	struct l2tp_result r;

	(void)state;
	l2tp_table_each(table, 1000, put_back, next);
	renewed_at = 20;
	pass_from(next, 30, L2TP_TO_CLIENT, &client, &hello);
	r = at_lns(next, 40, &client, sccrq(50));
	assert_int_equal(r.stop_count, 1);
	assert_int_equal(r.stops[0][9], 4); /* Ns */
	l2tp_table_free(table);
	l2tp_table_free(next);
}

/* SCCRQ, SCCRP, SCCCN: then LNS Ns 1, client Ns 2. */
static struct l2tp_table *established(void)
{
	struct l2tp_table *table = l2tp_table_new(NULL);

	assert_int_equal(send_to_lns(table, sccrq(CLIENT_TUNNEL)).event, L2TP_EVENT_TUNNEL_REQUEST);
	assert_int_equal(send_to_client(table, sccrp(CLIENT_TUNNEL, LNS_TUNNEL)).reason, L2TP_ORDINARY);
	assert_int_equal(send_to_lns(table, make(L2TP_SCCCN, LNS_TUNNEL, 0, 1, 1)).event,
			 L2TP_EVENT_TUNNEL_UP);
	return table;
}

static struct l2tp_table *restarted(struct l2tp_table *table, uint64_t now, uint64_t new_now);

static struct packet hello(unsigned ns)
{
	return make(L2TP_HELLO, CLIENT_TUNNEL, 0, ns, 2);
}

static void hello_is_answered(void **state)
{
	static const uint8_t ack[] = {0xc8, 2, 0, 12, 3, 4, 0, 0, 0, 2, 0, 2};
	struct l2tp_table *table = established();
	struct packet p = hello(1);
	struct l2tp_result r;

	(void)state;
	for (int i = 0; i < 3; i++) { /* sent again, it is answered again, and alike */
		r = pass(table, L2TP_TO_CLIENT, &p);
		assert_int_equal(r.reason, L2TP_ABSORBED);
		assert_int_equal(r.actions, L2TP_ACT_DROP | L2TP_ACT_REPLY | L2TP_ACT_SAVE);
		assert_false(r.changed);
		assert_int_equal(r.reply_length, sizeof(ack));
		assert_memory_equal(r.reply, ack, sizeof(ack));
		assert_int_equal(r.client_tunnel, CLIENT_TUNNEL);
		assert_int_equal(r.lns_tunnel, LNS_TUNNEL);
	}
	assert_int_equal(l2tp_table_stats(table).absorbed, 3);
	/* The LNS' next message is its number 2, the client's number 1; the client's acknowledgement of it is
	 * raised. */
	p = make(TYPE_WEN, CLIENT_TUNNEL, 0, 2, 2);
	r = pass(table, L2TP_TO_CLIENT, &p);
	assert_int_equal(r.edits, L2TP_EDIT_SEQUENCE);
	assert_int_equal(ns_of(&p), 1);
	assert_int_equal(nr_of(&p), 2);
	p = make(L2TP_ZLB, LNS_TUNNEL, 0, 2, 2);
	pass(table, L2TP_TO_LNS, &p);
	assert_int_equal(nr_of(&p), 3);
	assert_int_equal(ns_of(&p), 2);
	l2tp_table_free(table);
}

static void hello_passes_where_it_must(void **state)
{
	struct l2tp_table *table = established();
	struct packet p = hello(1);
	struct l2tp_datagram d = {.direction = L2TP_TO_CLIENT,
				  .client = client,
				  .message = p.bytes,
				  .length = p.length,
				  .capacity = p.length};

	(void)state;
	/* Not wanted for this client. */
	assert_int_equal(l2tp_translate(table, 1000, &d).reason, L2TP_ORDINARY);
	/* It has gone to the client once: never absorbed later, or the client would be one ahead. */
	assert_int_equal(send_to_client(table, hello(1)).reason, L2TP_ORDINARY);
	/* Overtaken by a later message, which went out counting on it. */
	assert_int_equal(send_to_client(table, make(TYPE_WEN, CLIENT_TUNNEL, 0, 3, 2)).reason, L2TP_ORDINARY);
	assert_int_equal(send_to_client(table, hello(2)).reason, L2TP_ORDINARY);
	/* The client's own, an unknown tunnel's, another client's. */
	assert_int_equal(send_to_lns(table, make(L2TP_HELLO, LNS_TUNNEL, 0, 2, 1)).reason, L2TP_ORDINARY);
	assert_int_equal(send_to_client(table, make(L2TP_HELLO, 77, 0, 4, 2)).reason, L2TP_ORDINARY);
	p = hello(4);
	assert_int_equal(pass_from(table, 1000, L2TP_TO_CLIENT, &other_client, &p).reason, L2TP_ORDINARY);
	/* And now it is absorbed. */
	assert_int_equal(send_to_client(table, hello(4)).reason, L2TP_ABSORBED);
	l2tp_table_free(table);
	/* Half open: nobody knows yet how to answer. */
	table = l2tp_table_new(NULL);
	send_to_lns(table, sccrq(CLIENT_TUNNEL));
	assert_int_equal(send_to_client(table, hello(0)).reason, L2TP_ORDINARY);
	l2tp_table_free(table);
}

/* What a client does that leaves HELLOs unanswered is learned from the first one of its tunnel. */
static struct l2tp_table *learning(void)
{
	struct l2tp_table *table = established();

	hellos = L2TP_HELLO_LEARN;
	for (int i = 1; i < L2TP_HELLO_COPIES; i++)
		assert_int_equal(send_to_client(table, hello(1)).reason, L2TP_ORDINARY);
	return table;
}

static int stop_learning(void **state)
{
	(void)state;
	hellos = L2TP_HELLO_ABSORB;
	return 0;
}

static void an_unanswered_hello_is_learned(void **state)
{
	struct l2tp_table *table = learning();
	struct packet p = hello(1);
	struct l2tp_result r = pass(table, L2TP_TO_CLIENT, &p);

	(void)state;
	assert_int_equal(r.reason, L2TP_ABSORBED);
	assert_int_equal(r.actions,
			 L2TP_ACT_DROP | L2TP_ACT_REPLY | L2TP_ACT_SAVE | L2TP_ACT_HELLO_UNANSWERED);
	assert_int_equal(r.reply[9], 2);
	assert_int_equal(r.reply[11], 2);
	/* Its repeats and all later ones, and that is not news. */
	assert_int_equal(send_to_client(table, hello(1)).actions,
			 L2TP_ACT_DROP | L2TP_ACT_REPLY | L2TP_ACT_SAVE);
	assert_int_equal(send_to_client(table, hello(2)).actions,
			 L2TP_ACT_DROP | L2TP_ACT_REPLY | L2TP_ACT_SAVE);
	/* Also after a restart. */
	table = restarted(table, 1000, 1000);
	assert_int_equal(send_to_client(table, hello(3)).reason, L2TP_ABSORBED);
	/* The client has counted none of them. */
	p = make(L2TP_STOPCCN, CLIENT_TUNNEL, 0, 4, 2);
	pass(table, L2TP_TO_CLIENT, &p);
	assert_int_equal(ns_of(&p), 1);
	p = make(L2TP_ZLB, LNS_TUNNEL, 0, 2, 2);
	pass(table, L2TP_TO_LNS, &p);
	assert_int_equal(nr_of(&p), 5);
	l2tp_table_free(table);
}

/* It says nothing, and yet its next message has counted the HELLO. */
static void a_counted_hello_is_not_absorbed(void **state)
{
	struct l2tp_table *table = learning();
	struct packet p;

	(void)state;
	assert_int_equal(send_to_client(table, hello(1)).reason, L2TP_ABSORBED);
	assert_int_equal(send_to_client(table, hello(2)).reason, L2TP_ABSORBED);
	p = make(TYPE_WEN, LNS_TUNNEL, 0, 2, 2);
	pass(table, L2TP_TO_LNS, &p);
	assert_int_equal(nr_of(&p), 3); /* 1 was counted, 2 was absorbed */
	p = make(L2TP_STOPCCN, CLIENT_TUNNEL, 0, 3, 3);
	pass(table, L2TP_TO_CLIENT, &p);
	assert_int_equal(ns_of(&p), 2);
	l2tp_table_free(table);
}

/* Who answers late is one who answers. */
static void a_late_answer_counts(void **state)
{
	struct l2tp_table *table = learning();
	struct packet p = make(L2TP_ZLB, LNS_TUNNEL, 0, 2, 2);

	(void)state;
	assert_int_equal(send_to_client(table, hello(1)).reason, L2TP_ABSORBED);
	pass(table, L2TP_TO_LNS, &p);
	assert_int_equal(nr_of(&p), 2);
	for (unsigned i = 0; i < 2 * L2TP_HELLO_COPIES; i++)
		assert_int_equal(send_to_client(table, hello(2)).reason, L2TP_ORDINARY);
	l2tp_table_free(table);
}

static void an_answered_hello_passes_for_good(void **state)
{
	struct l2tp_table *table = learning();

	(void)state;
	send_to_lns(table, make(L2TP_ZLB, LNS_TUNNEL, 0, 2, 2)); /* before the third */
	assert_int_equal(send_to_client(table, hello(1)).reason, L2TP_ORDINARY);
	for (unsigned i = 0; i < 2 * L2TP_HELLO_COPIES; i++)
		assert_int_equal(send_to_client(table, hello(2)).reason, L2TP_ORDINARY);
	l2tp_table_free(table);
}

/* Two HELLOs at once, neither answered: both have their places. What went out behind one counts on its place. */
static void what_went_out_behind_counts(void **state)
{
	struct l2tp_table *table = learning();
	struct packet p;

	(void)state;
	assert_int_equal(send_to_client(table, hello(2)).reason, L2TP_ABSORBED);
	assert_int_equal(send_to_client(table, hello(1)).reason, L2TP_ABSORBED);
	p = make(TYPE_WEN, CLIENT_TUNNEL, 0, 3, 2);
	pass(table, L2TP_TO_CLIENT, &p);
	assert_int_equal(ns_of(&p), 1);
	l2tp_table_free(table);

	table = learning();
	assert_int_equal(send_to_client(table, make(TYPE_WEN, CLIENT_TUNNEL, 0, 2, 2)).reason, L2TP_ORDINARY);
	for (unsigned i = 0; i < 2 * L2TP_HELLO_COPIES; i++)
		assert_int_equal(send_to_client(table, hello(1)).reason, L2TP_ORDINARY);
	l2tp_table_free(table);
}

/* All later HELLOs have their places already and the table is full: the late one has none left before them, and passes. */
static void a_late_hello_takes_no_place_of_a_later_one(void **state)
{
	struct l2tp_table *table = established();
	struct packet p;

	(void)state;
	for (unsigned ns = 2; ns < 2 + L2TP_ABSORBED_MAX; ns++)
		assert_int_equal(send_to_client(table, hello(ns)).reason, L2TP_ABSORBED);
	p = hello(1);
	assert_int_equal(pass(table, L2TP_TO_CLIENT, &p).reason, L2TP_ORDINARY);
	assert_int_equal(ns_of(&p), 1);
	p = make(TYPE_WEN, CLIENT_TUNNEL, 0, 2 + L2TP_ABSORBED_MAX, 2);
	pass(table, L2TP_TO_CLIENT, &p);
	assert_int_equal(ns_of(&p), 2);
	l2tp_table_free(table);
}

/* It is news also where that very HELLO has to pass, because another message went out behind it. */
static void what_is_learned_is_told_once(void **state)
{
	struct l2tp_table *table = learning();

	(void)state;
	send_to_client(table, make(TYPE_WEN, CLIENT_TUNNEL, 0, 2, 2));
	assert_int_equal(send_to_client(table, hello(1)).actions & L2TP_ACT_HELLO_UNANSWERED,
			 L2TP_ACT_HELLO_UNANSWERED);
	assert_int_equal(send_to_client(table, hello(1)).actions & L2TP_ACT_HELLO_UNANSWERED, 0);
	assert_int_equal(send_to_client(table, hello(3)).reason, L2TP_ABSORBED);
	l2tp_table_free(table);
}

/* The acknowledgement made for the client never covers a message that the client has not acknowledged itself.
 */
static void answer_claims_nothing(void **state)
{
	struct l2tp_table *table = established();
	struct packet p = make(TYPE_WEN, CLIENT_TUNNEL, 0, 1, 2);
	struct l2tp_result r;

	(void)state;
	pass(table, L2TP_TO_CLIENT, &p); /* lost on its way to the client */
	r = send_to_client(table, hello(2));
	assert_int_equal(r.reason, L2TP_ABSORBED);
	assert_int_equal(r.reply[11], 1);
	p = make(TYPE_WEN, CLIENT_TUNNEL, 0, 1, 2); /* sent again: its own offset */
	pass(table, L2TP_TO_CLIENT, &p);
	assert_int_equal(ns_of(&p), 1);
	p = make(L2TP_ZLB, LNS_TUNNEL, 0, 2, 2); /* its acknowledgement covers the HELLO behind it */
	pass(table, L2TP_TO_LNS, &p);
	assert_int_equal(nr_of(&p), 3);
	l2tp_table_free(table);
}

static void malformed_keeps_its_number_right(void **state)
{
	struct l2tp_table *table = established();
	struct packet p = make(TYPE_WEN, CLIENT_TUNNEL, 0, 1, 2);
	struct l2tp_result r;

	(void)state;
	p.bytes[13] = 200;
	r = pass(table, L2TP_TO_CLIENT, &p);
	assert_int_equal(r.reason, L2TP_BAD_AVP);
	assert_false(r.changed);
	assert_int_equal(send_to_client(table, hello(2)).reason, L2TP_ABSORBED);
	p = make(TYPE_WEN, CLIENT_TUNNEL, 0, 3, 2);
	p.bytes[13] = 200;
	r = pass(table, L2TP_TO_CLIENT, &p);
	assert_int_equal(r.reason, L2TP_BAD_AVP);
	assert_int_equal(r.edits, L2TP_EDIT_SEQUENCE);
	assert_int_equal(ns_of(&p), 2);
	l2tp_table_free(table);
}

/* What cannot be read is the client's to refuse, whatever its first AVP says it is. */
static void a_hello_with_a_fault_passes(void **state)
{
	struct l2tp_table *table = established();
	struct packet p = hello(1);

	(void)state;
	add_u16(&p, AVP_TEST, 7);
	put16(&p, p.length - 8, 0x8000 | 40); /* longer than the message */
	assert_int_not_equal(pass(table, L2TP_TO_CLIENT, &p).reason, L2TP_ABSORBED);
	assert_int_equal(l2tp_table_stats(table).absorbed, 0);
	l2tp_table_free(table);
}

/* The client has not heard the answer yet: what was learned of it stays. */
static void a_repeated_request_loses_nothing(void **state)
{
	struct l2tp_table *table = l2tp_table_new(NULL);

	(void)state;
	send_to_lns(table, sccrq(CLIENT_TUNNEL));
	send_to_client(table, sccrp(CLIENT_TUNNEL, LNS_TUNNEL));
	send_to_lns(table, sccrq(CLIENT_TUNNEL));
	assert_int_equal(l2tp_table_stats(table).tunnels, 1);
	assert_int_equal(send_to_lns(table, make(TYPE_WEN, LNS_TUNNEL, 0, 1, 1)).client_tunnel,
			 CLIENT_TUNNEL);
	l2tp_table_free(table);
}

static void reuse_begins_anew(void **state)
{
	struct l2tp_table *table = established();
	struct packet p;

	(void)state;
	assert_int_equal(send_to_client(table, hello(1)).reason, L2TP_ABSORBED);
	/* The same client asks for a tunnel with the same ID: it has forgotten the old one. */
	send_to_lns(table, sccrq(CLIENT_TUNNEL));
	assert_int_equal(l2tp_table_stats(table).tunnels, 1);
	send_to_client(table, sccrp(CLIENT_TUNNEL, LNS_TUNNEL));
	/* A repeated SCCRQ loses nothing. */
	send_to_lns(table, sccrq(CLIENT_TUNNEL));
	p = make(L2TP_SCCCN, LNS_TUNNEL, 0, 1, 1);
	assert_false(pass(table, L2TP_TO_LNS, &p).changed);
	assert_int_equal(send_to_client(table, hello(1)).reason, L2TP_ABSORBED);
	/* The LNS gives the same ID to another tunnel of that client: the first is over. */
	send_to_lns(table, sccrq(99));
	send_to_client(table, sccrp(99, LNS_TUNNEL));
	assert_int_equal(l2tp_table_stats(table).tunnels, 1);
	l2tp_table_free(table);
}

static void clients_are_told_apart(void **state)
{
	struct l2tp_table *table = established();
	struct packet p = sccrq(CLIENT_TUNNEL);

	(void)state;
	pass_from(table, 1000, L2TP_TO_LNS, &other_client, &p);
	p = sccrp(CLIENT_TUNNEL, LNS_TUNNEL);
	pass_from(table, 1000, L2TP_TO_CLIENT, &other_client, &p);
	p = make(L2TP_SCCCN, LNS_TUNNEL, 0, 1, 1);
	pass_from(table, 1000, L2TP_TO_LNS, &other_client, &p);
	assert_int_equal(l2tp_table_stats(table).tunnels, 2);
	assert_int_equal(send_to_client(table, hello(1)).reason, L2TP_ABSORBED);
	p = make(TYPE_WEN, CLIENT_TUNNEL, 0, 1, 2);
	assert_false(pass_from(table, 1000, L2TP_TO_CLIENT, &other_client, &p).changed);
	l2tp_table_free(table);
}

static struct packet with_session(unsigned type, unsigned header_session, unsigned ns, unsigned nr,
				  unsigned id)
{
	struct packet p = make(type, LNS_TUNNEL, header_session, ns, nr);

	if (type == L2TP_CDN)
		add_avp(&p, L2TP_AVP_RESULT_CODE, "\0\3\0\0", 4);
	if (type != L2TP_ICCN)
		add_u16(&p, L2TP_AVP_ASSIGNED_SESSION_ID, id);
	return p;
}

static void last_session_closes(void **state)
{
	struct l2tp_table *table = established();
	struct l2tp_result r;

	(void)state;
	r = send_to_lns(table, with_session(L2TP_ICRQ, 0, 2, 1, 11));
	assert_int_equal(r.client_session, 11);
	assert_int_equal(send_to_lns(table, with_session(L2TP_ICCN, 500, 3, 2, 0)).event,
			 L2TP_EVENT_SESSION_UP);
	send_to_lns(table, with_session(L2TP_ICRQ, 0, 4, 2, 12));
	r = send_to_lns(table, with_session(L2TP_CDN, 500, 5, 3, 11));
	assert_int_equal(r.event, L2TP_EVENT_SESSION_CLOSED);
	assert_false(r.actions & L2TP_ACT_CLOSED);
	r = send_to_lns(table, with_session(L2TP_CDN, 501, 6, 3, 12));
	assert_true(r.actions & L2TP_ACT_CLOSED);
	r = send_to_lns(table, with_session(L2TP_CDN, 501, 6, 3, 12)); /* sent again */
	assert_false(r.actions & L2TP_ACT_CLOSED);
	l2tp_table_free(table);
}

static void lns_closing_is_not_the_clients(void **state)
{
	struct l2tp_table *table = established();
	struct packet p;
	struct l2tp_result r;

	(void)state;
	send_to_lns(table, with_session(L2TP_ICRQ, 0, 2, 1, 11));
	p = make(L2TP_CDN, CLIENT_TUNNEL, 11, 1, 3);
	r = pass(table, L2TP_TO_CLIENT, &p);
	assert_int_equal(r.event, L2TP_EVENT_SESSION_CLOSED);
	assert_int_equal(r.client_session, 11);
	assert_false(r.actions & L2TP_ACT_CLOSED);
	r = send_to_client(table, make(L2TP_STOPCCN, CLIENT_TUNNEL, 0, 2, 3));
	assert_int_equal(r.event, L2TP_EVENT_TUNNEL_CLOSED);
	assert_false(r.actions & L2TP_ACT_CLOSED);
	l2tp_table_free(table);
}

/* More sessions than are remembered: then no CDN is ever called the last. */
static void too_many_sessions(void **state)
{
	struct l2tp_table *table = established();

	(void)state;
	for (unsigned i = 0; i <= L2TP_SESSIONS_MAX; i++)
		send_to_lns(table, with_session(L2TP_ICRQ, 0, 2 + i, 1, 100 + i));
	for (unsigned i = 0; i <= L2TP_SESSIONS_MAX; i++)
		assert_false(send_to_lns(table, with_session(L2TP_CDN, 5, 20 + i, 1, 100 + i)).actions &
			     L2TP_ACT_CLOSED);
	l2tp_table_free(table);
}

static void stopccn_closes_and_is_forgotten(void **state)
{
	struct l2tp_table *table = established();
	struct packet p = make(L2TP_STOPCCN, LNS_TUNNEL, 0, 2, 1);
	struct l2tp_result r = pass(table, L2TP_TO_LNS, &p);

	(void)state;
	assert_int_equal(r.event, L2TP_EVENT_TUNNEL_CLOSED);
	assert_true(r.actions & L2TP_ACT_CLOSED);
	assert_int_equal(r.client_tunnel, CLIENT_TUNNEL);
	assert_int_equal(send_to_client(table, hello(1)).reason,
			 L2TP_ORDINARY); /* the client answers for itself now */
	p = make(L2TP_ZLB, LNS_TUNNEL, 0, 3, 1);
	assert_int_equal(pass_from(table, 62000, L2TP_TO_LNS, &client, &p).client_tunnel, 0);
	assert_int_equal(l2tp_table_stats(table).tunnels, 0);
	l2tp_table_free(table);
	/* Before the SCCRP came: tunnel ID 0 in the header. */
	table = l2tp_table_new(NULL);
	send_to_lns(table, sccrq(CLIENT_TUNNEL));
	p = make(L2TP_STOPCCN, 0, 0, 1, 0);
	add_u16(&p, L2TP_AVP_ASSIGNED_TUNNEL_ID, CLIENT_TUNNEL);
	assert_int_equal(pass(table, L2TP_TO_LNS, &p).client_tunnel, CLIENT_TUNNEL);
	l2tp_table_free(table);
}

static void table_is_bounded(void **state)
{
	struct l2tp_config config = {.max_tunnels = 10};
	struct l2tp_table *table = l2tp_table_new(&config);
	struct packet p;

	(void)state;
	send_to_lns(table, sccrq(CLIENT_TUNNEL));
	send_to_client(table, sccrp(CLIENT_TUNNEL, LNS_TUNNEL));
	send_to_client(table, hello(1));
	for (unsigned i = 1; i <= 100; i++) {
		const struct endpoint from = {
			.addr = {192, 0, 2, 2}, .addr_len = 4, .port = (uint16_t)(1000 + i)};

		p = sccrq(1000 + i);
		pass_from(table, 1000, L2TP_TO_LNS, &from, &p);
	}
	assert_int_equal(l2tp_table_stats(table).tunnels, 10);
	assert_int_equal(l2tp_table_stats(table).evicted, 91);
	/* The one that could not go on without its state is still there. */
	p = make(TYPE_WEN, CLIENT_TUNNEL, 0, 2, 2);
	pass(table, L2TP_TO_CLIENT, &p);
	assert_int_equal(ns_of(&p), 1);
	l2tp_table_free(table);
}

struct saved {
	char text[16][L2TP_STATE_TEXT_MAX];
	int count;
};

static void save_one(void *ctx, const struct l2tp_tunnel_state *s)
{
	struct saved *saved = ctx;

	l2tp_state_text(s, saved->text[saved->count++]);
}

/* As a restart does it: out to text, into a new process. */
static struct l2tp_table *restarted(struct l2tp_table *old, uint64_t now_old, uint64_t now_new)
{
	struct l2tp_table *table = l2tp_table_new(NULL);
	static struct saved saved;

	saved.count = 0;
	l2tp_table_each(old, now_old, save_one, &saved);
	l2tp_table_free(old);
	for (int i = 0; i < saved.count; i++) {
		struct l2tp_tunnel_state s;

		assert_true(l2tp_state_parse(saved.text[i], &s));
		assert_true(l2tp_table_restore(table, now_new, &s));
	}
	return table;
}

/* Nobody takes others' places in the table. */
static void a_client_has_few_tunnels(void **state)
{
	struct l2tp_table *table = established();
	struct packet p = sccrq(CLIENT_TUNNEL);

	(void)state;
	pass_from(table, 1000, L2TP_TO_LNS, &other_client, &p);
	for (unsigned i = 1; i <= 100; i++)
		send_to_lns(table, sccrq(1000 + i));
	assert_int_equal(l2tp_table_stats(table).tunnels, 8 + 1);
	l2tp_table_free(table);
}

/* Seconds after the start. */
static struct l2tp_result send_at(struct l2tp_table *table, unsigned s, struct packet p)
{
	return pass_from(table, s * 1000ull, L2TP_TO_LNS, &client, &p);
}

static struct packet stopccn(unsigned to, unsigned assigned)
{
	struct packet p = make(L2TP_STOPCCN, to, 0, 2, 1);

	add_u16(&p, L2TP_AVP_ASSIGNED_TUNNEL_ID, assigned);
	return p;
}

static bool closes(struct l2tp_result r)
{
	return r.actions & L2TP_ACT_CLOSED;
}

static void a_tunnel_never_seen_closes_nothing(void **state)
{
	struct l2tp_table *table = l2tp_table_new(NULL);

	(void)state;
	assert_false(closes(send_at(table, 1, stopccn(LNS_TUNNEL, CLIENT_TUNNEL))));
	send_at(table, 2, sccrq(CLIENT_TUNNEL));
	assert_false(closes(send_at(table, 3, stopccn(LNS_TUNNEL, CLIENT_TUNNEL + 1))));
	assert_false(closes(send_at(table, 3, stopccn(0, 0))));
	assert_true(closes(send_at(table, 4, stopccn(0, CLIENT_TUNNEL))));
	l2tp_table_free(table);
}

/* As a Mac with 10.4 does it whose first request had no answer: it gives that one up after the second is up. The LNS' own messages
 * do not come up. */
static void a_request_given_up_leaves_the_tunnel_that_is_up(void **state)
{
	struct l2tp_table *table = l2tp_table_new(NULL);

	(void)state;
	send_at(table, 1, sccrq(CLIENT_TUNNEL));
	send_at(table, 31, sccrq(CLIENT_TUNNEL + 1));
	send_at(table, 32, make(L2TP_SCCCN, LNS_TUNNEL, 0, 1, 1));
	assert_false(closes(send_at(table, 40, stopccn(0, CLIENT_TUNNEL))));
	assert_false(closes(send_at(table, 41, stopccn(0, CLIENT_TUNNEL)))); /* again */
	assert_true(closes(send_at(table, 50, stopccn(LNS_TUNNEL, CLIENT_TUNNEL + 1))));
	l2tp_table_free(table);
}

/* The client vanished without a word, and is back from the same port: what it left behind is not its last tunnel. */
static void a_tunnel_left_behind_keeps_no_session(void **state)
{
	struct l2tp_table *table = l2tp_table_new(NULL);

	(void)state;
	send_at(table, 1, sccrq(CLIENT_TUNNEL));
	send_at(table, 2, make(L2TP_SCCCN, LNS_TUNNEL, 0, 1, 1));
	send_at(table, 62, make(L2TP_ZLB, LNS_TUNNEL, 0, 2, 2));
	send_at(table, 100, sccrq(CLIENT_TUNNEL + 1));
	send_at(table, 101, make(L2TP_SCCCN, LNS_TUNNEL + 1, 0, 1, 1));
	assert_true(closes(send_at(table, 110, stopccn(LNS_TUNNEL + 1, CLIENT_TUNNEL + 1))));
	l2tp_table_free(table);
}

/* Two that both live. */
static void the_last_of_two_closes(void **state)
{
	struct l2tp_table *table = l2tp_table_new(NULL);

	(void)state;
	send_at(table, 1, sccrq(CLIENT_TUNNEL));
	send_at(table, 2, make(L2TP_SCCCN, LNS_TUNNEL, 0, 1, 1));
	send_at(table, 3, sccrq(CLIENT_TUNNEL + 1));
	send_at(table, 4, make(L2TP_SCCCN, LNS_TUNNEL + 1, 0, 1, 1));
	send_at(table, 60, make(L2TP_ZLB, LNS_TUNNEL, 0, 2, 2));
	assert_false(closes(send_at(table, 70, stopccn(LNS_TUNNEL + 1, CLIENT_TUNNEL + 1))));
	assert_true(closes(send_at(table, 71, stopccn(LNS_TUNNEL, CLIENT_TUNNEL))));
	l2tp_table_free(table);
}

/* Its SA was too new for its request to come up: known by the LNS' ID, over a restart, too. */
static void a_tunnel_whose_request_was_missed_is_known(void **state)
{
	struct l2tp_table *table = l2tp_table_new(NULL);

	(void)state;
	assert_int_equal(send_at(table, 1, make(L2TP_SCCCN, LNS_TUNNEL, 0, 1, 1)).lns_tunnel, LNS_TUNNEL);
	table = restarted(table, 5000, 5000);
	assert_false(closes(send_at(table, 6, stopccn(LNS_TUNNEL + 1, CLIENT_TUNNEL))));
	assert_true(closes(send_at(table, 6, stopccn(LNS_TUNNEL, CLIENT_TUNNEL))));
	l2tp_table_free(table);
}

/* What is known of it is for who absorbs HELLOs. */
static void numbers_alone_are_not_saved(void **state)
{
	struct l2tp_table *table = established();
	struct packet p = make(L2TP_ZLB, LNS_TUNNEL, 0, 2, 2);
	struct l2tp_datagram d = {.direction = L2TP_TO_LNS,
				  .client = client,
				  .message = p.bytes,
				  .length = p.length,
				  .capacity = sizeof(p.bytes)};

	(void)state;
	assert_false(l2tp_translate(table, 2000, &d).actions & L2TP_ACT_SAVE);
	d.hello = L2TP_HELLO_ABSORB;
	l2tp_put_u16(p.bytes + 10, 3);
	assert_true(l2tp_translate(table, 3000, &d).actions & L2TP_ACT_SAVE);
	l2tp_table_free(table);
}

static void idle_tunnel_expires(void **state)
{
	struct l2tp_table *table = established();
	struct packet p = make(L2TP_ZLB, LNS_TUNNEL, 0, 2, 1);

	(void)state;
	assert_int_equal(pass_from(table, 1000 + 24 * 3600 * 1000ull, L2TP_TO_LNS, &client, &p).client_tunnel,
			 CLIENT_TUNNEL);
	assert_int_equal(
		pass_from(table, 1001 + 2 * 24 * 3600 * 1000ull, L2TP_TO_LNS, &client, &p).client_tunnel, 0);
	l2tp_table_free(table);
}

static void state_survives(void **state)
{
	struct l2tp_table *table = established();
	struct packet p;

	(void)state;
	send_to_lns(table, with_session(L2TP_ICRQ, 0, 2, 1, 11));
	for (unsigned i = 1; i <= 40; i++) /* more than are kept one by one */
		assert_int_equal(send_to_client(table, hello(i)).reason, L2TP_ABSORBED);
	table = restarted(table, 5000, 3); /* the new clock is younger than the tunnel */
	assert_int_equal(l2tp_table_stats(table).tunnels, 1);
	p = hello(40);
	assert_int_equal(pass_from(table, 4, L2TP_TO_CLIENT, &client, &p).reply[11], 41);
	p = make(TYPE_WEN, CLIENT_TUNNEL, 0, 41, 2);
	pass_from(table, 5, L2TP_TO_CLIENT, &client, &p);
	assert_int_equal(ns_of(&p), 1);
	p = with_session(L2TP_CDN, 500, 3, 2, 11);
	assert_true(pass_from(table, 6, L2TP_TO_LNS, &client, &p).actions & L2TP_ACT_CLOSED);
	assert_int_equal(nr_of(&p), 42);
	l2tp_table_free(table);
}

static void state_text(void **state)
{
	static const char good[] = "l2tp1 192.0.2.1:51701 client_tunnel=258 lns_tunnel=772 lns_next=3 "
				   "client_next=2 client_nr=1 forgotten=0 "
				   "from_start=1 closed=0 heard=1 age_ms=0 absorbed=1,2 sessions=";
	struct l2tp_table *table = l2tp_table_new(NULL);
	char text[L2TP_STATE_TEXT_MAX], cut[sizeof(good)];
	struct l2tp_tunnel_state s, biggest;

	(void)state;
	assert_true(l2tp_state_parse(good, &s));
	assert_string_equal(l2tp_state_text(&s, text), good);
	for (size_t n = 0; n < sizeof(good) - 1; n++) {
		memcpy(cut, good, n);
		cut[n] = '\0';
		assert_false(l2tp_state_parse(cut, &s));
	}
	assert_false(l2tp_state_parse("l2tp2 192.0.2.1:1 client_tunnel=1", &s));
	memset(&biggest, 0xff, sizeof(biggest));
	biggest.absorbed_count = L2TP_ABSORBED_MAX;
	biggest.session_count = L2TP_SESSIONS_MAX;
	biggest.client = (struct endpoint){.addr_len = 16, .port = 65535};
	memset(biggest.client.addr, 0xfd, 16);
	biggest.from_start = biggest.closed = biggest.heard = true;
	l2tp_state_text(&biggest, text);
	assert_true(strlen(text) < L2TP_STATE_TEXT_MAX - 1);
	assert_true(l2tp_state_parse(text, &s));
	assert_int_equal(s.age_ms, UINT64_MAX);
	assert_false(l2tp_table_restore(table, 0, &s)); /* too old, and absorbed[] is not ascending */
	s.age_ms = 0;
	assert_false(l2tp_table_restore(table, 0, &s));
	l2tp_table_free(table);
}

/* --- the long test
 * ----------------------------------------------------------------------------------------------- */

#define WINDOW 4
#define WIRE 24
#define STEPS 400000

struct wire { /* what is on its way in one direction of one leg; taken out in any order */
	struct packet packets[WIRE];
	int count;
};

struct sender {               /* numbers are counted without wrap here; the wire has their low 16 bits */
	uint64_t next, acked; /* next new Ns; everything before acked is acknowledged */
	struct packet sent[WINDOW]; /* by number modulo WINDOW */
	bool is_hello[WINDOW];
	uint64_t expected; /* from the other side: the Nr to send */
	uint64_t count;    /* of AVP_TEST messages made */
	uint64_t received; /* of the other's */
	unsigned tunnel;   /* the other side's ID */
};

struct world {
	struct l2tp_table *table;
	struct sender lns, client;
	struct wire lns_to_shim, shim_to_client, client_to_shim, shim_to_lns;
	bool *got;             /* by the LNS' number: the client has it, or it was absorbed */
	uint64_t got_upto, at; /* both: numbers below are done with */
	uint64_t hellos_at_client, absorbed, restarts;
	bool client_ignores; /* HELLOs: it neither counts nor answers them, which has to be learned */
	bool client_queues;  /* it keeps a message that came too early (of one place only), or drops it */
	struct packet early;
};

static unsigned seed;

static unsigned chance(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static void put_on(struct wire *w, const struct packet *p)
{
	int copies = chance(100) < 8 ? 0 : chance(100) < 5 ? 2 : 1;

	while (copies-- && w->count < WIRE)
		w->packets[w->count++] = *p;
}

static bool take_from(struct wire *w, struct packet *out)
{
	unsigned i;

	if (!w->count)
		return false;
	i = chance(4) ? 0 : chance((unsigned)w->count);
	*out = w->packets[i];
	memmove(w->packets + i, w->packets + i + 1, (size_t)(--w->count - (int)i) * sizeof(*out));
	return true;
}

static void send_new(struct sender *s, struct wire *w, unsigned type)
{
	struct packet *p = &s->sent[s->next % WINDOW];
	uint8_t count[8];

	if (s->next - s->acked >= WINDOW)
		return;
	*p = make(type, s->tunnel, 0, (uint16_t)s->next, (uint16_t)s->expected);
	if (type != L2TP_HELLO) {
		for (int i = 0; i < 8; i++)
			count[i] = (uint8_t)(s->count >> (56 - 8 * i));
		add_avp(p, AVP_TEST, count, sizeof(count));
		s->count++;
	}
	s->is_hello[s->next % WINDOW] = type == L2TP_HELLO;
	s->next++;
	put_on(w, p);
}

static void send_again(struct sender *s, struct wire *w)
{
	for (uint64_t n = s->acked; n < s->next; n++) {
		struct packet *p = &s->sent[n % WINDOW];

		put16(p, 10, (uint16_t)s->expected); /* the Nr is of now, RFC 2661 section 5.8 */
		put_on(w, p);
	}
}

static void send_ack(struct sender *s, struct wire *w)
{
	struct packet p = make(L2TP_ZLB, s->tunnel, 0, (uint16_t)s->next, (uint16_t)s->expected);

	put_on(w, &p);
}

/* What was acknowledged must have been sent. Says how far it is acknowledged now. */
static void take_nr(struct sender *s, const struct packet *p)
{
	uint16_t ahead = (uint16_t)(nr_of(p) - (uint16_t)s->acked);

	if (ahead >= 0x8000)
		return; /* old */
	if (ahead > s->next - s->acked)
		fail_msg("Nr %u acknowledges what was never sent (next is %u)", nr_of(p),
			 (unsigned)(uint16_t)s->next);
	s->acked += ahead;
}

static void deliver(struct sender *s, const struct packet *p)
{
	uint64_t count = 0;

	if (p->length < 20 + 14)
		return;
	for (int i = 0; i < 8; i++)
		count = count << 8 | p->bytes[26 + i];
	if (count != s->received)
		fail_msg("message %llu came instead of %llu", (unsigned long long)count,
			 (unsigned long long)s->received);
	s->received++;
}

static void lns_receives(struct world *w, const struct packet *p)
{
	assert_int_equal(get16(p, 4), LNS_TUNNEL);
	take_nr(&w->lns, p);
	for (; w->got_upto < w->lns.acked; w->got_upto++)
		if (!w->got[w->got_upto])
			fail_msg("%llu was acknowledged, but the client has it not",
				 (unsigned long long)w->got_upto);
	if (p->length == 12) {
		/* The Ns of an acknowledgement is at most the next one. */
		assert_true((uint16_t)((uint16_t)w->client.next - ns_of(p)) < 0x8000);
		return;
	}
	if (ns_of(p) == (uint16_t)w->lns.expected) {
		w->lns.expected++;
		deliver(&w->lns, p);
	}
	send_ack(&w->lns, &w->lns_to_shim);
}

/* In order, so it is the lowest of the LNS' numbers that neither was absorbed nor has come. */
static void mark_got(struct world *w, const struct packet *p)
{
	while (w->got[w->at])
		w->at++;
	w->got[w->at] = true;
	w->hellos_at_client += get16(p, 18) == L2TP_HELLO;
}

static void client_takes(struct world *w, const struct packet *p)
{
	w->client.expected++;
	mark_got(w, p);
	deliver(&w->client, p);
}

static void client_receives(struct world *w, const struct packet *p)
{
	uint16_t ahead = (uint16_t)(ns_of(p) - (uint16_t)w->client.expected);

	assert_int_equal(get16(p, 4), CLIENT_TUNNEL);
	take_nr(&w->client, p);
	if (p->length == 12 || (w->client_ignores && get16(p, 18) == L2TP_HELLO))
		return;
	if (ahead < 0x8000 && ahead > WINDOW)
		fail_msg("Ns %u is far ahead of %u", ns_of(p), (unsigned)(uint16_t)w->client.expected);
	if (ahead == 0) {
		client_takes(w, p);
		if (w->early.length && ns_of(&w->early) == (uint16_t)w->client.expected) {
			struct packet early = w->early;

			w->early.length = 0;
			client_takes(w, &early);
		}
	} else if (w->client_queues && ahead == 1) {
		w->early = *p;
	}
	send_ack(&w->client, &w->client_to_shim);
}

static void shim_to_client(struct world *w, struct packet *p)
{
	/* The number without wrap, for the model: within half a circle of the LNS' next. */
	uint64_t n = w->lns.next - (uint16_t)((uint16_t)w->lns.next - ns_of(p));
	struct l2tp_result r = pass(w->table, L2TP_TO_CLIENT, p);
	struct packet reply = {.length = r.reply_length};

	if (r.reason != L2TP_ABSORBED) {
		put_on(&w->shim_to_client, p);
		return;
	}
	w->got[n] = true;
	w->absorbed++;
	memcpy(reply.bytes, r.reply, sizeof(r.reply));
	put_on(&w->shim_to_lns, &reply);
}

static void step(struct world *w)
{
	struct packet p;

	switch (chance(12)) {
	case 0:
		send_new(&w->lns, &w->lns_to_shim, L2TP_HELLO);
		break;
	case 1: /* not behind a HELLO that may still have to be learned from */
		if (!w->client_ignores || w->lns.acked == w->lns.next)
			send_new(&w->lns, &w->lns_to_shim, TYPE_WEN);
		break;
	case 2:
		send_new(&w->client, &w->client_to_shim, TYPE_WEN);
		break;
	case 3:
		if (!chance(4))
			send_again(&w->lns, &w->lns_to_shim);
		break;
	case 4:
		if (!chance(4))
			send_again(&w->client, &w->client_to_shim);
		break;
	case 5:
	case 6:
		if (take_from(&w->lns_to_shim, &p))
			shim_to_client(w, &p);
		break;
	case 7:
	case 8:
		if (take_from(&w->client_to_shim, &p)) {
			pass(w->table, L2TP_TO_LNS, &p);
			put_on(&w->shim_to_lns, &p);
		}
		break;
	case 9:
	case 10:
		if (take_from(&w->shim_to_client, &p))
			client_receives(w, &p);
		if (take_from(&w->shim_to_lns, &p))
			lns_receives(w, &p);
		break;
	default:
		if (w->client_ignores ? w->lns.acked == w->lns.next && !chance(10) : !chance(500)) {
			w->table = restarted(w->table, 1000, 1000);
			w->restarts++;
		}
		break;
	}
}

/* Right after SCCCN, or when both count towards the end of the circle and 300 HELLOs have been absorbed. */
static void begin_world(struct world *w, unsigned run)
{
	uint64_t lns = run & 2 ? 65000 : 1, at_client = run & 2 ? 64000 : 2, absorbed = run & 2 ? 300 : 0;
	struct l2tp_tunnel_state s = {.client = client,
				      .client_tunnel = CLIENT_TUNNEL,
				      .lns_tunnel = LNS_TUNNEL,
				      .lns_next = (uint16_t)lns,
				      .client_next = (uint16_t)at_client,
				      .client_nr = (uint16_t)(lns - absorbed),
				      .forgotten = (uint16_t)absorbed,
				      .heard = true};

	seed = 1 + run;
	*w = (struct world){.table = l2tp_table_new(NULL),
			    .client_queues = run & 1,
			    .client_ignores = run & 4,
			    .got_upto = lns,
			    .at = lns};
	hellos = w->client_ignores ? L2TP_HELLO_LEARN : L2TP_HELLO_ABSORB;
	assert_true(l2tp_table_restore(w->table, 1000, &s));
	w->lns = (struct sender){.next = lns, .acked = lns, .expected = at_client, .tunnel = CLIENT_TUNNEL};
	w->client = (struct sender){
		.next = at_client, .acked = at_client, .expected = lns - absorbed, .tunnel = LNS_TUNNEL};
	w->got = calloc(lns + STEPS, sizeof(*w->got));
}

static void both_ends_are_content(void **state)
{
	(void)state;
	for (unsigned run = 0; run < 8; run++) {
		static struct world w;

		begin_world(&w, run);
		for (unsigned i = 0; i < STEPS; i++)
			step(&w);
		print_message("# run %u: LNS sent %llu, of them %llu HELLOs absorbed (copies too), %llu "
			      "passed; client sent "
			      "%llu and got %llu; %llu restarts\n",
			      run, (unsigned long long)w.lns.next, (unsigned long long)w.absorbed,
			      (unsigned long long)w.hellos_at_client, (unsigned long long)w.client.next,
			      (unsigned long long)w.client.received, (unsigned long long)w.restarts);
		/* Where nothing may go out behind a HELLO, less does. */
		assert_true(w.absorbed > 1000 && w.client.received > (w.client_ignores ? 200 : 1000) &&
			    w.lns.received > 1000);
		assert_true(w.client.received + WINDOW >= w.lns.count &&
			    w.lns.received + WINDOW >= w.client.count);
		assert_true(w.hellos_at_client < w.absorbed / 4);
		l2tp_table_free(w.table);
		free(w.got);
	}
}

/* Round the whole circle of numbers, several times, without a lossy network: quick, and exact. */
static void numbers_wrap(void **state)
{
	struct l2tp_table *table = established();
	uint16_t lns = 1, seen = 1;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		struct packet p = i % 3 ? hello(lns) : make(TYPE_WEN, CLIENT_TUNNEL, 0, lns, 2);
		struct l2tp_result r = pass(table, L2TP_TO_CLIENT, &p);

		lns++;
		if (i % 3) {
			assert_int_equal(r.reason, L2TP_ABSORBED);
			assert_int_equal(r.reply[10] << 8 | r.reply[11], lns);
		} else {
			assert_int_equal(ns_of(&p), seen++);
			p = make(L2TP_ZLB, LNS_TUNNEL, 0, 2, seen);
			pass(table, L2TP_TO_LNS, &p);
			assert_int_equal(nr_of(&p), lns);
		}
	}
	/* And many messages after a single HELLO, until its place would look like one to come. */
	pass(table, L2TP_TO_CLIENT, &(struct packet){.length = 0});
	for (unsigned i = 0; i < 200000; i++) {
		struct packet p = make(TYPE_WEN, CLIENT_TUNNEL, 0, lns++, 2);

		pass(table, L2TP_TO_CLIENT, &p);
		assert_int_equal(ns_of(&p), seen++);
		p = make(L2TP_ZLB, LNS_TUNNEL, 0, 2, seen);
		pass(table, L2TP_TO_LNS, &p);
		assert_int_equal(nr_of(&p), lns);
	}
	l2tp_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_is_answered),
		cmocka_unit_test(hello_passes_where_it_must),
		cmocka_unit_test(answer_claims_nothing),
		cmocka_unit_test(malformed_keeps_its_number_right),
		cmocka_unit_test(a_hello_with_a_fault_passes),
		cmocka_unit_test(a_late_hello_takes_no_place_of_a_later_one),
		cmocka_unit_test_teardown(what_is_learned_is_told_once, stop_learning),
		cmocka_unit_test_teardown(an_unanswered_hello_is_learned, stop_learning),
		cmocka_unit_test_teardown(a_counted_hello_is_not_absorbed, stop_learning),
		cmocka_unit_test_teardown(a_late_answer_counts, stop_learning),
		cmocka_unit_test_teardown(an_answered_hello_passes_for_good, stop_learning),
		cmocka_unit_test_teardown(what_went_out_behind_counts, stop_learning),
		cmocka_unit_test(a_repeated_request_loses_nothing),
		cmocka_unit_test(reuse_begins_anew),
		cmocka_unit_test(clients_are_told_apart),
		cmocka_unit_test(last_session_closes),
		cmocka_unit_test(lns_closing_is_not_the_clients),
		cmocka_unit_test(too_many_sessions),
		cmocka_unit_test(stopccn_closes_and_is_forgotten),
		cmocka_unit_test(table_is_bounded),
		cmocka_unit_test(idle_tunnel_expires),
		cmocka_unit_test(a_client_has_few_tunnels),
		cmocka_unit_test(a_tunnel_never_seen_closes_nothing),
		cmocka_unit_test(a_request_given_up_leaves_the_tunnel_that_is_up),
		cmocka_unit_test(a_tunnel_left_behind_keeps_no_session),
		cmocka_unit_test(the_last_of_two_closes),
		cmocka_unit_test(a_tunnel_whose_request_was_missed_is_known),
		cmocka_unit_test_teardown(left_tunnel_is_stopped, stop_learning),
		cmocka_unit_test_teardown(tunnel_in_use_is_not_stopped, stop_learning),
		cmocka_unit_test_teardown(left_tunnel_is_known_after_a_restart, stop_learning),
		cmocka_unit_test(numbers_alone_are_not_saved),
		cmocka_unit_test(state_survives),
		cmocka_unit_test(state_text),
		cmocka_unit_test_teardown(both_ends_are_content, stop_learning),
		cmocka_unit_test(numbers_wrap),
	};

	return cmocka_run_group_tests_name("l2tp_tunnel", tests, NULL, NULL);
}
