/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the table of exchanges remembers and forgets: other content under a known cookie, forged and lost
 * messages, addresses that move, peers and who else is at their address, bounds and times. The translation
 * itself: test_ike_vectors.c. */
#include "shim/ike/exchange.h"
#include "shim/ike/vendor.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { SA = 1, KE = 4, VENDOR = 13, MAIN = 2, AGGRESSIVE = 4, MD5_LEN = 16, SHA1_LEN = 20 };
enum { HOUR_MS = 3600 * 1000 };
static const char client_text[] = "198.51.100.7:500", server_text[] = "203.0.113.5:500";

struct message {
	uint8_t data[1024];
	size_t length, type_at;
};

static struct endpoint at(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

static struct message start(uint32_t cookie, uint8_t responder, uint8_t exchange_type)
{
	struct message m = {.length = 28, .type_at = 16};

	memcpy(m.data, &cookie, sizeof cookie);
	m.data[8] = responder;
	m.data[17] = 0x10;
	m.data[18] = exchange_type;
	m.data[27] = 28;
	return m;
}

static void add(struct message *m, uint8_t type, const void *body, size_t length)
{
	m->data[m->type_at] = type;
	m->type_at = m->length;
	m->data[m->length + 2] = (uint8_t)((length + 4) >> 8);
	m->data[m->length + 3] = (uint8_t)(length + 4);
	memcpy(m->data + m->length + 4, body, length);
	m->length += length + 4;
	m->data[26] = (uint8_t)(m->length >> 8);
	m->data[27] = (uint8_t)m->length;
}

static void add_sa(struct message *m, uint8_t hash)
{
	const uint8_t sa[] = {0, 0, 0, 1, 0, 0,  0, 1, 0, 0, 0,   20, 1, 1,
			      0, 1, 0, 0, 0, 12, 1, 1, 0, 0, 128, 2,  0, hash};

	add(m, SA, sa, sizeof sa);
}

static void add_vendor(struct message *m, enum vendor vendor)
{
	add(m, VENDOR, vendor_ids[vendor].md5, VENDOR_ID_LEN);
}

/* A NAT-D payload of this type with the SHA1 of this endpoint. */
static void add_natd(struct message *m, uint8_t type, const char *where)
{
	const struct endpoint e = at(where);
	const uint8_t port[] = {(uint8_t)(e.port >> 8), (uint8_t)e.port};
	uint8_t input[16 + 16 + 2], hash[EVP_MAX_MD_SIZE];

	memcpy(input, m->data, 16);
	memcpy(input + 16, e.addr, e.addr_len);
	memcpy(input + 16 + e.addr_len, port, sizeof port);
	assert_true(EVP_Digest(input, 18U + e.addr_len, hash, NULL, EVP_sha1(), NULL));
	add(m, type, hash, SHA1_LEN);
}

/* The message ends flush with its allocation; what came out replaces it. */
static struct ike_result send_between(struct ike_table *table, uint64_t now, enum ike_direction direction,
				      const char *client, const char *server, struct message *m)
{
	struct ike_datagram d = {.direction = direction, .message = malloc(m->length), .length = m->length};
	struct ike_result r;

	d.src = at(direction == IKE_TO_SERVER ? client : server);
	d.dst = at(direction == IKE_TO_SERVER ? server : client);
	memcpy(d.message, m->data, m->length);
	r = ike_translate(table, now, &d);
	memcpy(m->data, d.message, m->length);
	free(d.message);
	return r;
}

static struct ike_result to_server(struct ike_table *table, uint64_t now, const char *client,
				   struct message *m)
{
	return send_between(table, now, IKE_TO_SERVER, client, server_text, m);
}

static struct ike_result to_client(struct ike_table *table, uint64_t now, const char *client,
				   struct message *m)
{
	return send_between(table, now, IKE_TO_CLIENT, client, server_text, m);
}

static struct message first(uint32_t cookie, enum vendor vendor)
{
	struct message m = start(cookie, 0, MAIN);

	add_sa(&m, 2);
	if (vendor != VENDOR_UNKNOWN)
		add_vendor(&m, vendor);
	return m;
}

static struct message answer(uint32_t cookie, uint8_t responder)
{
	struct message m = start(cookie, responder, MAIN);

	add_sa(&m, 2);
	add_vendor(&m, VENDOR_RFC_3947);
	return m;
}

/* Message 3 as the Apple client sends it: its own address first. */
static struct message third(uint32_t cookie, uint8_t responder)
{
	struct message m = start(cookie, responder, MAIN);

	add(&m, KE, "0123456789abcdef", 16);
	add_natd(&m, 15, "192.168.1.2:500");
	add_natd(&m, 15, server_text);
	return m;
}

static struct ike_table *new_table(void)
{
	struct ike_table *table = ike_table_new(&(struct ike_config){.seed = 99});

	assert_non_null(table);
	return table;
}

/* A whole exchange of a client, up to its message 3. */
static struct ike_result meet(struct ike_table *table, uint64_t now, const char *client, enum vendor vendor,
			      uint32_t cookie)
{
	struct message m1 = first(cookie, vendor), m2 = answer(cookie, 5), m3 = third(cookie, 5);

	to_server(table, now, client, &m1);
	to_client(table, now, client, &m2);
	return to_server(table, now, client, &m3);
}

/* The same of one that needs no translation: its NAT-D is that of RFC 3947. */
static struct ike_result meet_ordinary(struct ike_table *table, uint64_t now, const char *client,
				       enum vendor vendor, uint32_t cookie)
{
	struct message m1 = first(cookie, vendor), m2 = answer(cookie, 5), m3 = start(cookie, 5, MAIN),
		       before;
	struct ike_result r;

	to_server(table, now, client, &m1);
	to_client(table, now, client, &m2);
	add(&m3, KE, "0123456789abcdef", 16);
	add_natd(&m3, 20, "192.168.1.2:500"); /* not even its order is touched */
	add_natd(&m3, 20, server_text);
	before = m3;
	r = to_server(table, now, client, &m3);
	assert_memory_equal(m3.data, before.data, m3.length);
	return r;
}

static bool has_vendor(const struct message *m, enum vendor vendor)
{
	for (size_t i = 28; i + VENDOR_ID_LEN <= m->length; i++)
		if (!memcmp(m->data + i, vendor_ids[vendor].md5, VENDOR_ID_LEN))
			return true;
	return false;
}

/* What the server's own first message to this peer becomes: the vendor ID it carries afterwards. */
static bool server_offers(struct ike_table *table, uint64_t now, const char *client, uint32_t cookie,
			  enum vendor vendor)
{
	struct message m = first(cookie, VENDOR_RFC_3947);
	const struct ike_result r = to_client(table, now, client, &m);

	assert_true(r.server_initiated);
	assert_int_equal(r.reason, vendor == VENDOR_RFC_3947 ? IKE_ORDINARY : IKE_REWRITTEN);
	assert_int_equal(r.actions, vendor == VENDOR_RFC_3947 ? 0 : IKE_ACT_TRACK);
	return has_vendor(&m, vendor);
}

/* Exchanges. */

static void other_content_under_a_known_cookie(void **state)
{
	struct ike_table *table = new_table();
	struct message m = first(1, VENDOR_APPLE);

	(void)state;
	assert_int_equal(to_server(table, 0, client_text, &m).reason, IKE_REWRITTEN);
	assert_int_equal(ike_table_stats(table).exchanges, 1);
	m = first(1, VENDOR_DRAFT_07);
	assert_int_equal(to_server(table, 0, client_text, &m).dialect, IKE_DIALECT_DRAFT_07);
	m = answer(1, 5);
	to_client(table, 0, client_text, &m);
	assert_true(has_vendor(&m, VENDOR_DRAFT_07));
	m = first(1, VENDOR_RFC_3947);
	assert_int_equal(to_server(table, 0, client_text, &m).reason, IKE_ORDINARY);
	assert_int_equal(ike_table_stats(table).exchanges, 0);
	m = answer(1, 5);
	assert_int_equal(to_client(table, 0, client_text, &m).reason, IKE_UNKNOWN);
	assert_true(has_vendor(&m, VENDOR_RFC_3947));
	ike_table_free(table);
}

static void a_reply_in_the_dialect_is_left(void **state)
{
	struct ike_table *table = new_table();
	struct message m1 = first(1, VENDOR_APPLE), m2 = answer(1, 5), before;

	(void)state;
	add_vendor(&m2, VENDOR_APPLE);
	before = m2;
	to_server(table, 0, client_text, &m1);
	assert_int_equal(to_client(table, 0, client_text, &m2).reason, IKE_ORDINARY);
	assert_memory_equal(m2.data, before.data, m2.length);
	ike_table_free(table);
}

/* The same vendor ID twice: one is exchanged, and the server has what it needs. */
static void one_vendor_id_is_enough(void **state)
{
	struct ike_table *table = new_table();
	struct message m = first(1, VENDOR_APPLE), wanted = first(1, VENDOR_RFC_3947);

	(void)state;
	add_vendor(&m, VENDOR_APPLE);
	add_vendor(&wanted, VENDOR_APPLE);
	assert_int_equal(to_server(table, 0, client_text, &m).reason, IKE_REWRITTEN);
	assert_memory_equal(m.data, wanted.data, m.length);
	ike_table_free(table);
}

/* A later message of the initiator's own with an SA payload is nobody's answer. */
static void only_the_responder_answers(void **state)
{
	struct ike_table *table = new_table();
	struct message m1 = first(1, VENDOR_APPLE), m2 = answer(1, 5), forged = start(1, 6, MAIN),
		       m3 = third(1, 6);

	(void)state;
	to_server(table, 0, client_text, &m1);
	to_client(table, 0, client_text, &m2);
	add_sa(&forged, 1);
	add_vendor(&forged, VENDOR_APPLE);
	assert_int_equal(to_server(table, 0, client_text, &forged).reason, IKE_ORDINARY);
	assert_true(has_vendor(&forged, VENDOR_APPLE));
	assert_int_equal(to_server(table, 0, client_text, &m3).actions, 0);
	m3 = third(1, 5);
	assert_int_equal(to_server(table, 0, client_text, &m3).actions, IKE_ACT_REMEMBER_PEER);
	ike_table_free(table);
}

static void an_exchange_does_not_change_its_type(void **state)
{
	struct ike_table *table = new_table();
	struct message m1 = first(1, VENDOR_APPLE), m3 = third(1, 5);

	(void)state;
	to_server(table, 0, client_text, &m1);
	m3.data[18] = AGGRESSIVE;
	assert_int_equal(to_server(table, 0, client_text, &m3).reason, IKE_UNKNOWN);
	ike_table_free(table);
}

static void first_message_without_sa(void **state)
{
	struct ike_table *table = new_table();
	struct message m = start(1, 0, MAIN);
	struct ike_result r;

	(void)state;
	add_vendor(&m, VENDOR_APPLE);
	r = to_server(table, 0, client_text, &m);
	assert_int_equal(r.reason, IKE_BAD_SA);
	assert_int_equal(r.actions, 0);
	assert_true(has_vendor(&m, VENDOR_APPLE));
	add(&m, SA, "\0\0\0\1\0\0\0\1\0\0\0\7", 12);
	assert_int_equal(to_server(table, 0, client_text, &m).reason, IKE_BAD_SA);
	assert_int_equal(ike_table_stats(table).exchanges, 0);
	ike_table_free(table);
}

/* The answer was missed: no hash algorithm, no proof. What the vendor ID tells about the order still holds,
 * and no more. */
static void answer_not_seen(void **state)
{
	struct ike_table *table = new_table();
	struct message m1 = first(1, VENDOR_APPLE), m3 = third(1, 5), right = start(1, 5, MAIN);
	struct ike_result r;

	(void)state;
	to_server(table, 0, client_text, &m1);
	r = to_server(table, 0, client_text, &m3);
	assert_int_equal(r.edits, IKE_EDIT_NATD_TYPE | IKE_EDIT_NATD_ORDER);
	assert_int_equal(r.actions, 0); /* nor is the responder's cookie known */
	m1 = first(2, VENDOR_RFC_3947);
	add_vendor(&m1, VENDOR_APPLE);
	assert_int_equal(to_server(table, 0, client_text, &m1).dialect, IKE_DIALECT_TIGER_LATE);
	memcpy(right.data, (uint32_t[]){2}, 4);
	add_natd(&right, 20, "192.168.1.2:500");
	add_natd(&right, 20, server_text);
	assert_int_equal(to_server(table, 0, client_text, &right).reason, IKE_ORDINARY);
	ike_table_free(table);
}

static void the_exchange_survives_new_ports_and_addresses(void **state)
{
	struct ike_table *table = new_table();
	struct message m1 = first(1, VENDOR_APPLE), m2 = answer(1, 5), m3 = third(1, 5);
	struct ike_result r;

	(void)state;
	to_server(table, 0, client_text, &m1);
	to_client(table, 0, client_text, &m2);
	r = send_between(table, 0, IKE_TO_SERVER, "198.51.100.99:61234", "203.0.113.5:4500", &m3);
	assert_int_equal(r.edits, IKE_EDIT_NATD_TYPE | IKE_EDIT_NATD_ORDER);
	assert_int_equal(r.actions, 0); /* translated, but who is there is not proven: see below */
	assert_int_equal(ike_table_stats(table).peers, 0);
	ike_table_free(table);
}

/* In Aggressive Mode the client floats before its last message (RFC 3947 section 4). */
static void an_aggressive_client_is_known_where_it_floated(void **state)
{
	struct ike_table *table = new_table();
	struct message m1 = first(1, VENDOR_APPLE), m2 = answer(1, 5), m3 = third(1, 5);
	struct ike_result r;

	(void)state;
	m1.data[18] = m2.data[18] = m3.data[18] = AGGRESSIVE;
	to_server(table, 0, client_text, &m1);
	to_client(table, 0, client_text, &m2);
	r = send_between(table, 0, IKE_TO_SERVER, "198.51.100.7:61234", "203.0.113.5:4500", &m3);
	assert_int_equal(r.actions, IKE_ACT_REMEMBER_PEER);
	assert_true(server_offers(table, 0, "198.51.100.7:61234", 2, VENDOR_APPLE));
	r = send_between(table, 0, IKE_TO_SERVER, "198.51.100.8:61234", "203.0.113.5:4500", &m3);
	assert_int_equal(r.actions, 0);
	ike_table_free(table);
}

static void exchanges_expire(void **state)
{
	struct ike_table *table = ike_table_new(&(struct ike_config){.exchange_ttl_ms = 5000});
	struct message m;

	(void)state;
	m = first(1, VENDOR_APPLE);
	to_server(table, 1000, client_text, &m);
	m = answer(1, 5);
	assert_int_equal(to_client(table, 5999, client_text, &m).reason,
			 IKE_REWRITTEN); /* and is used again */
	m = third(1, 5);
	assert_int_equal(to_server(table, 10998, client_text, &m).reason, IKE_REWRITTEN);
	m = third(1, 5);
	assert_int_equal(to_server(table, 15998, client_text, &m).reason, IKE_UNKNOWN);
	assert_int_equal(ike_table_stats(table).exchanges, 0);
	assert_int_equal(ike_table_stats(table).evicted, 0);
	ike_table_free(table);
}

/* The server answers them, too: then those that are answered make room for others that are. */
static void answered_exchanges_are_bounded(void **state)
{
	enum { BOUND = 100, ANSWERED = BOUND / 4, FLOOD = 200 };
	struct ike_table *table = ike_table_new(&(struct ike_config){.max_exchanges = BOUND});
	struct message m;

	(void)state;
	for (uint32_t i = 0; i < FLOOD; i++) {
		m = first(1000 + i, VENDOR_APPLE);
		to_server(table, i, client_text, &m);
		m = answer(1000 + i, 5);
		assert_int_equal(to_client(table, i, client_text, &m).reason, IKE_REWRITTEN);
	}
	assert_int_equal(ike_table_stats(table).exchanges, ANSWERED);
	assert_int_equal(ike_table_stats(table).evicted, FLOOD - ANSWERED);
	m = third(1000 + FLOOD - ANSWERED - 1, 5);
	assert_int_equal(to_server(table, FLOOD, client_text, &m).reason, IKE_UNKNOWN);
	m = third(1000 + FLOOD - ANSWERED, 5);
	assert_int_equal(to_server(table, FLOOD, client_text, &m).reason, IKE_REWRITTEN);
	ike_table_free(table);
}

static void a_flood_of_first_messages_is_bounded(void **state)
{
	enum { BOUND = 100, FRESH = BOUND * 3 / 4, FLOOD = 1000 };
	struct ike_table *table =
		ike_table_new(&(struct ike_config){.max_exchanges = BOUND, .max_peers = BOUND});
	struct message m;

	(void)state;
	meet(table, 0, client_text, VENDOR_APPLE, 1);
	for (uint32_t i = 0; i < FLOOD; i++) {
		struct ike_result r;

		char forged[ENDPOINT_TEXT_MAX];

		snprintf(forged, sizeof forged, "10.%u.%u.1:500", i / 256, i % 256);
		m = first(1000 + 2 * i, VENDOR_APPLE);
		r = to_server(table, i, forged, &m);
		assert_int_equal(r.reason, IKE_REWRITTEN);
		m = first(1001 + 2 * i, VENDOR_RFC_3947);
		assert_int_equal(to_server(table, i, forged, &m).reason, IKE_ORDINARY);
		assert_true(ike_table_stats(table).exchanges <= BOUND);
	}
	assert_int_equal(ike_table_stats(table).exchanges, FRESH + 1);
	assert_int_equal(ike_table_stats(table).evicted, FLOOD - FRESH);
	/* What was answered gives way to no first message. */
	m = answer(1, 5);
	assert_int_equal(to_client(table, FLOOD, client_text, &m).reason, IKE_REWRITTEN);
	m = answer(1000, 5);
	assert_int_equal(to_client(table, FLOOD, client_text, &m).reason, IKE_UNKNOWN);
	m = answer(1000 + 2 * (FLOOD - 1), 5);
	assert_int_equal(to_client(table, FLOOD, client_text, &m).reason, IKE_REWRITTEN);
	/* The proven peer is still known, since first messages prove nothing. */
	assert_int_equal(ike_table_stats(table).peers, 1);
	assert_true(server_offers(table, FLOOD, "198.51.100.7:4500", 2, VENDOR_APPLE));
	ike_table_free(table);
}

/* The order of NAT-D payloads. */

static struct ike_result order_of(struct message *m, enum vendor vendor)
{
	struct ike_table *table = new_table();
	struct message m1 = first(1, vendor), m2 = answer(1, 5);
	struct ike_result r;

	to_server(table, 0, client_text, &m1);
	to_client(table, 0, client_text, &m2);
	r = to_server(table, 0, client_text, m);
	ike_table_free(table);
	return r;
}

static void several_addresses(void **state)
{
	struct message m = start(1, 5, MAIN), wanted = start(1, 5, MAIN);

	(void)state;
	add_natd(&m, 15, "192.168.1.2:500");
	add_natd(&m, 15, "192.168.2.2:500");
	add_natd(&m, 15, server_text);
	add_natd(&wanted, 20, server_text);
	add_natd(&wanted, 20, "192.168.2.2:500");
	add_natd(&wanted, 20, "192.168.1.2:500");
	assert_int_equal(order_of(&m, VENDOR_APPLE).edits, IKE_EDIT_NATD_TYPE | IKE_EDIT_NATD_ORDER);
	assert_memory_equal(m.data, wanted.data, m.length);
}

static void several_addresses_without_proof(void **state)
{
	struct message m = start(1, 5, MAIN);

	(void)state;
	add_natd(&m, 15, "192.168.1.2:500");
	add_natd(&m, 15, "192.168.2.2:500");
	add_natd(&m, 15, "203.0.113.99:500");
	assert_int_equal(order_of(&m, VENDOR_APPLE).edits, IKE_EDIT_NATD_TYPE);
}

static void an_apple_client_in_the_right_order(void **state)
{
	struct message m = start(1, 5, MAIN);

	(void)state;
	add_natd(&m, 15, server_text);
	add_natd(&m, 15, "192.168.1.2:500");
	assert_int_equal(order_of(&m, VENDOR_APPLE).edits, IKE_EDIT_NATD_TYPE);
}

static void a_draft_client_in_the_wrong_order(void **state)
{
	struct message m = start(1, 5, MAIN);

	(void)state;
	add_natd(&m, 15, "192.168.1.2:500");
	add_natd(&m, 15, server_text);
	assert_int_equal(order_of(&m, VENDOR_DRAFT_08).edits, IKE_EDIT_NATD_TYPE | IKE_EDIT_NATD_ORDER);
	m = start(1, 5, MAIN);
	add_natd(&m, 15, "192.168.1.2:500");
	add_natd(&m, 15, "203.0.113.99:500");
	assert_int_equal(order_of(&m, VENDOR_DRAFT_08).edits, IKE_EDIT_NATD_TYPE);
}

static void one_or_unequal_payloads(void **state)
{
	struct message m = start(1, 5, MAIN);

	(void)state;
	add_natd(&m, 15, "192.168.1.2:500");
	assert_int_equal(order_of(&m, VENDOR_APPLE).edits, IKE_EDIT_NATD_TYPE);
	m = start(1, 5, MAIN);
	add(&m, 15, "0123456789abcdef", MD5_LEN);
	add_natd(&m, 15, server_text);
	assert_int_equal(order_of(&m, VENDOR_APPLE).edits, IKE_EDIT_NATD_TYPE);
	m = start(1, 5, MAIN);
	add(&m, 15, "", 0);
	add(&m, 15, "", 0);
	assert_true(order_of(&m, VENDOR_APPLE).edits & IKE_EDIT_NATD_TYPE);
}

/* Towards the client the order is changed only where there are two: more say nothing about what it wants. */
static void a_server_of_several_addresses(void **state)
{
	struct ike_table *table = new_table();
	struct message m1 = first(1, VENDOR_APPLE), m2 = answer(1, 5), m4 = start(1, 5, MAIN), wanted = m4;

	(void)state;
	to_server(table, 0, client_text, &m1);
	to_client(table, 0, client_text, &m2);
	add_natd(&m4, 20, client_text);
	add_natd(&m4, 20, "10.0.0.1:500");
	add_natd(&m4, 20, server_text);
	add_natd(&wanted, 15, client_text);
	add_natd(&wanted, 15, "10.0.0.1:500");
	add_natd(&wanted, 15, server_text);
	assert_int_equal(to_client(table, 0, client_text, &m4).edits, IKE_EDIT_NATD_TYPE);
	assert_memory_equal(m4.data, wanted.data, m4.length);
	ike_table_free(table);
}

/* Peers, and the exchanges that the server starts. */

static void only_a_proven_peer_is_remembered(void **state)
{
	struct ike_table *table = new_table();
	struct message m1 = first(1, VENDOR_APPLE), m2 = answer(1, 5), forged = third(1, 6), m3 = third(1, 5);
	struct ike_result r;

	(void)state;
	assert_int_equal(to_server(table, 0, client_text, &m1).actions, IKE_ACT_TRACK);
	to_client(table, 0, client_text, &m2);
	r = to_server(table, 0, client_text, &forged);
	assert_int_equal(r.reason, IKE_REWRITTEN);
	assert_int_equal(r.actions, 0);
	assert_int_equal(ike_table_stats(table).peers, 0);
	r = to_server(table, 0, client_text, &m3);
	assert_int_equal(r.actions, IKE_ACT_REMEMBER_PEER);
	assert_int_equal(ike_table_stats(table).peers, 1);
	assert_true(server_offers(table, 0, client_text, 2, VENDOR_APPLE));
	ike_table_free(table);
}

static void an_unknown_peer_is_left_to_the_server(void **state)
{
	struct ike_table *table = new_table();

	(void)state;
	meet(table, 0, client_text, VENDOR_APPLE, 1);
	assert_true(server_offers(table, 0, "198.51.100.8:500", 2, VENDOR_RFC_3947));
	ike_table_free(table);
}

static void a_peer_is_found_by_its_address_alone(void **state)
{
	struct ike_table *table = new_table();

	(void)state;
	meet(table, 0, "198.51.100.7:1027", VENDOR_APPLE, 1);
	meet(table, 0, "198.51.100.7:1028", VENDOR_APPLE, 2); /* another one of the kind */
	assert_true(server_offers(table, 0, client_text, 3, VENDOR_APPLE));
	ike_table_free(table);
}

static void two_dialects_behind_one_address(void **state)
{
	struct ike_table *table = new_table();

	(void)state;
	meet(table, 0, "198.51.100.7:500", VENDOR_APPLE, 1);
	meet(table, 0, "198.51.100.7:1027", VENDOR_DRAFT_08, 2);
	assert_true(server_offers(table, 0, "198.51.100.7:500", 3, VENDOR_APPLE));
	assert_true(server_offers(table, 0, "198.51.100.7:1027", 4, VENDOR_DRAFT_08));
	assert_true(server_offers(table, 0, "198.51.100.7:1028", 5, VENDOR_RFC_3947));
	ike_table_free(table);
}

static enum ike_dialect proven_by(struct ike_table *table, const char *peer)
{
	const struct endpoint endpoint = at(peer);

	return ike_table_proven_dialect(table, 0, &endpoint);
}

/* By its own endpoint only, whoever else may be there. */
static void a_dialect_is_proven_by_its_endpoint(void **state)
{
	struct ike_table *table = new_table();
	struct message m1 = first(2, VENDOR_RFC_3947);

	(void)state;
	meet(table, 0, "198.51.100.7:1027", VENDOR_APPLE, 1);
	to_server(table, 0, "198.51.100.7:1028", &m1);
	assert_int_equal(proven_by(table, "198.51.100.7:1027"), IKE_DIALECT_APPLE);
	assert_int_equal(proven_by(table, "198.51.100.7:1028"), IKE_DIALECT_NONE);
	assert_int_equal(proven_by(table, "198.51.100.7"), IKE_DIALECT_NONE);
	ike_table_free(table);
}

/* A late 10.4 Mac beside a 10.3 one: the order of its NAT-D cannot be proven where the server is behind a NAT, and it is not the other one. */
static void another_dialect_without_a_proof_of_its_order(void **state)
{
	struct ike_table *table = new_table();
	struct message m1 = first(2, VENDOR_RFC_3947), m2 = answer(2, 5), m3 = start(2, 5, MAIN);

	(void)state;
	meet(table, 0, client_text, VENDOR_APPLE, 1);
	assert_true(server_offers(table, 1, "198.51.100.7:9500", 8, VENDOR_APPLE));
	add_vendor(&m1, VENDOR_APPLE);
	to_server(table, 2, "198.51.100.7:1500", &m1);
	to_client(table, 2, "198.51.100.7:1500", &m2);
	add_natd(&m3, 20, "192.168.1.9:500");
	add_natd(&m3, 20, "10.0.0.2:500");
	assert_int_equal(to_server(table, 2, "198.51.100.7:1500", &m3).actions, IKE_ACT_FORGET_PEER);
	assert_true(server_offers(table, 3, "198.51.100.7:4500", 9, VENDOR_RFC_3947));
	assert_true(
		server_offers(table, 4, client_text, 10, VENDOR_APPLE)); /* that one is known by its port */
	ike_table_free(table);
}

static void an_ordinary_client_behind_the_same_address(void **state)
{
	static const enum vendor ordinary[] = {VENDOR_RFC_3947, VENDOR_DRAFT_02, VENDOR_UNKNOWN};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct ike_table *table = new_table();
		struct message m = first(2, ordinary[i / 2]);

		if (i % 2) {
			meet(table, 0, "198.51.100.7:500", VENDOR_APPLE, 1);
			assert_int_equal(
				meet_ordinary(table, 0, "198.51.100.7:1027", ordinary[i / 2], 2).actions,
				IKE_ACT_FORGET_PEER);
		} else { /* of one who was there before, only the first message is seen */
			assert_int_equal(to_server(table, 0, "198.51.100.7:1027", &m).actions, 0);
			assert_int_equal(ike_table_stats(table).exchanges, 0);
			meet(table, 0, "198.51.100.7:500", VENDOR_APPLE, 1);
		}
		assert_true(server_offers(table, 0, "198.51.100.7:500", 3, VENDOR_APPLE));
		assert_true(server_offers(table, 0, "198.51.100.7:1027", 4, VENDOR_RFC_3947));
		ike_table_free(table);
	}
}

static void a_peer_that_has_learned_the_rfc(void **state)
{
	struct ike_table *table = new_table();

	(void)state;
	meet(table, 0, client_text, VENDOR_APPLE, 1);
	assert_int_equal(meet_ordinary(table, 0, client_text, VENDOR_RFC_3947, 2).actions,
			 IKE_ACT_FORGET_PEER);
	assert_int_equal(ike_table_stats(table).peers, 0);
	assert_true(server_offers(table, 0, client_text, 3, VENDOR_RFC_3947));
	/* Also where nothing was known by the address alone. */
	meet(table, 0, "198.51.100.9:500", VENDOR_APPLE, 4);
	meet(table, 0, "198.51.100.9:1027", VENDOR_DRAFT_08, 5);
	assert_int_equal(meet_ordinary(table, 0, "198.51.100.9:500", VENDOR_RFC_3947, 6).actions,
			 IKE_ACT_FORGET_PEER);
	assert_true(server_offers(table, 0, "198.51.100.9:500", 7, VENDOR_RFC_3947));
	assert_int_equal(ike_table_stats(table).peers, 1);
	ike_table_free(table);
}

/* Anybody can send a first message from any address, and the third one without the responder's cookie. */
static void forged_messages_unlearn_nobody(void **state)
{
	static const char *const from[] = {"198.51.100.7:500", "198.51.100.7:1027", "198.51.100.7:4500"};
	static const enum vendor ordinary[] = {VENDOR_RFC_3947, VENDOR_DRAFT_02, VENDOR_UNKNOWN};
	struct ike_table *table = new_table();

	(void)state;
	meet(table, 0, client_text, VENDOR_APPLE, 1);
	for (uint32_t i = 0; i < 9; i++) {
		struct message m1 = first(10 + i, ordinary[i / 3]), m2 = answer(10 + i, 5),
			       m3 = start(10 + i, 6, MAIN);
		struct ike_result r = to_server(table, 0, from[i % 3], &m1);

		assert_int_equal(r.actions, IKE_ACT_TRACK);
		assert_int_equal(r.edits, 0);
		assert_true(r.watched);
		add_natd(&m3, 20, server_text);
		assert_int_equal(to_server(table, 0, from[i % 3], &m3).actions, 0); /* before the answer, */
		assert_int_equal(to_client(table, 0, from[i % 3], &m2).actions, 0);
		assert_int_equal(to_server(table, 0, from[i % 3], &m3).actions, 0); /* and after it */
	}
	assert_int_equal(ike_table_stats(table).peers, 1);
	assert_true(server_offers(table, 0, client_text, 2, VENDOR_APPLE));
	assert_true(server_offers(table, 0, "198.51.100.7:4500", 3, VENDOR_APPLE));
	ike_table_free(table);
}

/* Whoever has the cookies of an exchange of his own sends its third message in another's name. */
static void a_cookie_proves_only_whom_it_was_sent_to(void **state)
{
	static const char attacker[] = "192.0.2.66:500", neighbour[] = "198.51.100.8:500";
	struct ike_table *table = new_table();
	struct message m1 = first(3, VENDOR_RFC_3947), m2 = answer(3, 5), m3 = start(3, 5, MAIN);
	struct ike_result r;

	(void)state;
	meet(table, 0, client_text, VENDOR_APPLE, 1);
	meet(table, 0, attacker, VENDOR_APPLE, 2); /* so that his address is watched */
	to_server(table, 0, attacker, &m1);
	to_client(table, 0, attacker, &m2);
	m1 = first(3, VENDOR_RFC_3947); /* repeated, as from the victim */
	to_server(table, 0, client_text, &m1);
	assert_int_equal(to_server(table, 0, client_text, &m3).actions, 0);
	assert_true(server_offers(table, 0, client_text, 4, VENDOR_APPLE));

	m1 = first(5, VENDOR_APPLE), m2 = answer(5, 5), m3 = third(5, 5);
	to_server(table, 0, attacker, &m1);
	to_client(table, 0, attacker, &m2);
	r = to_server(table, 0, neighbour, &m3);
	assert_int_equal(r.actions, 0);
	assert_true(server_offers(table, 0, neighbour, 6, VENDOR_RFC_3947));

	/* The same with a cookie of the server's own. */
	assert_true(server_offers(table, 0, attacker, 7, VENDOR_APPLE));
	m2 = start(7, 9, MAIN);
	add_sa(&m2, 2);
	add_vendor(&m2, VENDOR_APPLE);
	to_server(table, 0, neighbour, &m2);
	m3 = third(7, 9);
	assert_int_equal(to_server(table, 0, neighbour, &m3).actions, 0);
	assert_true(server_offers(table, 0, neighbour, 8, VENDOR_RFC_3947));
	ike_table_free(table);
}

/* He has the answer to an exchange of his own, then repeats its first message in another's name: the answer that the server
 * repeats, to the other one, says nothing that he does not know. Nor is he known by another port than the one it came to. */
static void a_repeated_answer_proves_nobody(void **state)
{
	static const char attacker[] = "192.0.2.66:500", other_port[] = "192.0.2.66:501",
			  victim[] = "198.51.100.8:500";
	struct ike_table *table = new_table();
	struct message m1 = first(1, VENDOR_APPLE), m2 = answer(1, 5), m3 = third(1, 5);

	(void)state;
	to_server(table, 0, attacker, &m1);
	to_client(table, 0, attacker, &m2);
	m1 = first(1, VENDOR_APPLE), m2 = answer(1, 5);
	to_server(table, 0, victim, &m1);
	to_client(table, 0, victim, &m2);
	assert_int_equal(to_server(table, 0, victim, &m3).actions, 0);
	assert_true(server_offers(table, 0, victim, 2, VENDOR_RFC_3947));
	m3 = third(1, 5);
	assert_int_equal(to_server(table, 0, other_port, &m3).actions, 0);
	m3 = third(1, 5);
	assert_int_equal(to_server(table, 0, attacker, &m3).actions, IKE_ACT_REMEMBER_PEER);
	ike_table_free(table);
}

enum { FEW = 100 };

static void flood(struct ike_table *table, uint64_t now, enum vendor vendor)
{
	char forged[ENDPOINT_TEXT_MAX];

	for (uint32_t i = 0; i <= FEW; i++) {
		struct message m = first(1000 + i, vendor);

		snprintf(forged, sizeof forged, "10.0.%u.%u:500", i / 256, i % 256);
		to_server(table, now, forged, &m);
	}
}

/* An ordinary neighbour who was seen before forged ones took the room: nothing is known by the address alone. */
static void a_flood_does_not_make_a_neighbour_an_old_client(void **state)
{
	struct ike_table *table = ike_table_new(&(struct ike_config){.max_peers = FEW});
	struct message m = first(2, VENDOR_RFC_3947);

	(void)state;
	to_server(table, 0, "198.51.100.7:1027", &m);
	flood(table, 1, VENDOR_RFC_3947);
	meet(table, 2, "198.51.100.7:500", VENDOR_APPLE, 1);
	assert_true(server_offers(table, 3, "198.51.100.7:1027", 3, VENDOR_RFC_3947));
	assert_true(server_offers(table, 3, "198.51.100.7:500", 4, VENDOR_APPLE));
	/* Eight hours later it does not matter any more who was there. */
	meet(table, 1 + 8 * HOUR_MS, "198.51.100.9:500", VENDOR_APPLE, 5);
	assert_true(server_offers(table, 1 + 8 * HOUR_MS, "198.51.100.9:1027", 6, VENDOR_APPLE));
	ike_table_free(table);
}

/* One who was there after the old client, and whose exchange had to make room before he could prove it. */
static void a_flood_does_not_hide_a_neighbour(void **state)
{
	struct ike_table *table = ike_table_new(&(struct ike_config){.max_exchanges = FEW});
	struct message m = first(2, VENDOR_RFC_3947);

	(void)state;
	meet(table, 0, "198.51.100.7:500", VENDOR_APPLE, 1);
	to_server(table, 1, "198.51.100.7:1027", &m);
	flood(table, 1, VENDOR_APPLE);
	assert_true(server_offers(table, 3, "198.51.100.7:1027", 3, VENDOR_RFC_3947));
	assert_true(server_offers(table, 3, "198.51.100.7:500", 4, VENDOR_APPLE));
	ike_table_free(table);
}

/* Between the server's first message and its repetition the peer may be forgotten: the exchange goes on as it
 * began. */
static void the_servers_exchange_keeps_its_dialect(void **state)
{
	struct ike_table *table = new_table();

	(void)state;
	meet(table, 0, client_text, VENDOR_APPLE, 1);
	assert_true(server_offers(table, 0, client_text, 3, VENDOR_APPLE));
	assert_int_equal(meet_ordinary(table, 0, client_text, VENDOR_RFC_3947, 2).actions,
			 IKE_ACT_FORGET_PEER);
	assert_true(server_offers(table, 0, client_text, 3, VENDOR_APPLE));
	assert_true(server_offers(table, 0, client_text, 4, VENDOR_RFC_3947));
	ike_table_free(table);
}

struct seen_peers {
	struct endpoint peer[4];
	enum ike_dialect dialect[4];
	uint64_t age_ms[4];
	bool alone[4];
	unsigned count;
};

static void note_peer(void *ctx, const struct endpoint *peer, enum ike_dialect dialect, uint64_t age_ms,
		      bool alone)
{
	struct seen_peers *seen = ctx;

	assert_true(seen->count < 4);
	seen->peer[seen->count] = *peer;
	seen->dialect[seen->count] = dialect;
	seen->alone[seen->count] = alone;
	seen->age_ms[seen->count++] = age_ms;
}

static void peers_are_saved_and_restored(void **state)
{
	struct ike_table *before = new_table(), *after = new_table();
	struct seen_peers seen = {.count = 0};
	const uint64_t now = 9 * HOUR_MS, boot = 1000;
	const struct endpoint nobody = {.port = 500}, client = at(client_text);

	(void)state;
	meet(before, now - 7 * HOUR_MS, "198.51.100.7:500", VENDOR_APPLE, 1);
	meet(before, now - 1000, "[2001:db8::7]:500", VENDOR_DRAFT_04, 2);
	meet(before, now - 900, "198.51.100.9:500", VENDOR_APPLE, 3);
	meet_ordinary(before, now - 800, "198.51.100.9:1027", VENDOR_RFC_3947, 4);
	ike_table_each_peer(before, now, note_peer, &seen);
	assert_int_equal(seen.count, 3);
	assert_true(seen.alone[0] && seen.alone[1] && !seen.alone[2]);
	assert_int_equal(seen.dialect[0], IKE_DIALECT_APPLE);
	assert_int_equal(seen.age_ms[0], 7 * HOUR_MS);
	assert_int_equal(seen.dialect[1], IKE_DIALECT_DRAFT_04);
	assert_int_equal(seen.age_ms[1], 1000);
	/* Another clock, that began only a second ago. */
	for (unsigned i = 0; i < seen.count; i++)
		assert_true(ike_table_restore_peer(after, boot, &seen.peer[i], seen.dialect[i],
						   seen.age_ms[i], seen.alone[i]));
	assert_true(server_offers(after, boot, "198.51.100.7:500", 3, VENDOR_APPLE));
	assert_true(server_offers(after, boot, "[2001:db8::7]:4500", 4, VENDOR_DRAFT_04));
	assert_true(server_offers(after, boot, "198.51.100.9:500", 7, VENDOR_APPLE));
	assert_true(server_offers(after, boot, "198.51.100.9:1027", 8, VENDOR_RFC_3947));
	assert_true(server_offers(after, boot + HOUR_MS, "198.51.100.7:500", 5, VENDOR_RFC_3947));
	assert_true(server_offers(after, boot + HOUR_MS, "[2001:db8::7]:500", 6, VENDOR_DRAFT_04));
	seen.count = 0;
	ike_table_each_peer(after, boot + HOUR_MS, note_peer, &seen);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.age_ms[0], HOUR_MS + 1000);
	assert_false(ike_table_restore_peer(after, boot, &client, IKE_DIALECT_APPLE, 8 * HOUR_MS, true));
	assert_false(ike_table_restore_peer(after, boot, &client, IKE_DIALECT_APPLE, UINT64_MAX, true));
	assert_false(ike_table_restore_peer(after, boot, &client, IKE_DIALECT_RFC3947, 0, true));
	assert_false(ike_table_restore_peer(after, boot, &client, IKE_DIALECTS, 0, true));
	assert_false(ike_table_restore_peer(after, boot, &nobody, IKE_DIALECT_APPLE, 0, true));
	ike_table_free(before);
	ike_table_free(after);
}

static void peers_expire_from_the_count_too(void **state)
{
	struct ike_table *table = ike_table_new(&(struct ike_config){.peer_ttl_ms = 1000});
	struct message m = first(2, VENDOR_RFC_3947);

	(void)state;
	meet(table, 0, client_text, VENDOR_APPLE, 1);
	to_server(table, 999, "198.51.100.8:500", &m);
	assert_int_equal(ike_table_stats(table).peers, 1);
	to_server(table, 1000, "198.51.100.8:500", &m);
	assert_int_equal(ike_table_stats(table).peers, 0);
	ike_table_free(table);
}

static void peers_are_bounded(void **state)
{
	struct ike_table *table = ike_table_new(&(struct ike_config){.max_peers = 3});
	char client[ENDPOINT_TEXT_MAX];

	(void)state;
	for (uint32_t i = 1; i <= 5; i++) {
		snprintf(client, sizeof client, "198.51.100.%u:500", i);
		assert_int_equal(meet(table, i, client, VENDOR_APPLE, i).actions, IKE_ACT_REMEMBER_PEER);
	}
	assert_int_equal(ike_table_stats(table).peers, 3);
	assert_int_equal(ike_table_stats(table).evicted, 2);
	assert_true(server_offers(table, 9, "198.51.100.2:500", 12, VENDOR_RFC_3947));
	assert_true(server_offers(table, 9, "198.51.100.3:500", 13, VENDOR_APPLE));
	ike_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_content_under_a_known_cookie),
		cmocka_unit_test(a_reply_in_the_dialect_is_left),
		cmocka_unit_test(an_exchange_does_not_change_its_type),
		cmocka_unit_test(first_message_without_sa),
		cmocka_unit_test(answer_not_seen),
		cmocka_unit_test(the_exchange_survives_new_ports_and_addresses),
		cmocka_unit_test(exchanges_expire),
		cmocka_unit_test(a_flood_of_first_messages_is_bounded),
		cmocka_unit_test(answered_exchanges_are_bounded),
		cmocka_unit_test(several_addresses),
		cmocka_unit_test(several_addresses_without_proof),
		cmocka_unit_test(an_apple_client_in_the_right_order),
		cmocka_unit_test(a_draft_client_in_the_wrong_order),
		cmocka_unit_test(one_or_unequal_payloads),
		cmocka_unit_test(only_a_proven_peer_is_remembered),
		cmocka_unit_test(a_dialect_is_proven_by_its_endpoint),
		cmocka_unit_test(an_unknown_peer_is_left_to_the_server),
		cmocka_unit_test(a_peer_is_found_by_its_address_alone),
		cmocka_unit_test(two_dialects_behind_one_address),
		cmocka_unit_test(another_dialect_without_a_proof_of_its_order),
		cmocka_unit_test(an_ordinary_client_behind_the_same_address),
		cmocka_unit_test(a_peer_that_has_learned_the_rfc),
		cmocka_unit_test(forged_messages_unlearn_nobody),
		cmocka_unit_test(a_cookie_proves_only_whom_it_was_sent_to),
		cmocka_unit_test(a_repeated_answer_proves_nobody),
		cmocka_unit_test(a_flood_does_not_make_a_neighbour_an_old_client),
		cmocka_unit_test(a_flood_does_not_hide_a_neighbour),
		cmocka_unit_test(an_aggressive_client_is_known_where_it_floated),
		cmocka_unit_test(the_servers_exchange_keeps_its_dialect),
		cmocka_unit_test(peers_are_saved_and_restored),
		cmocka_unit_test(one_vendor_id_is_enough),
		cmocka_unit_test(only_the_responder_answers),
		cmocka_unit_test(a_server_of_several_addresses),
		cmocka_unit_test(peers_expire_from_the_count_too),
		cmocka_unit_test(peers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
