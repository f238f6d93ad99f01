/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sequences of IKE datagrams in both directions through one table of exchanges. Checked after each: only
 * bytes that may change have changed, what came out passes unchanged when it comes by again, and the tables
 * keep their bounds. Input: for each datagram one byte of flags, its length (16 bits, network order), the
 * message. */
#include "shim/ike/exchange.h"
#include "tests/unit/ike_check.h"

#include <stdlib.h>
#include <string.h>

enum {
	TO_CLIENT = 1,
	PORT_4500 = 2,
	IPV6 = 4,
	OTHER_CLIENT = 8,
	OTHER_PORT = 16,
	PUBLIC = 32,
	TIME_SHIFT = 6
};
enum { EXCHANGES = 4, PEERS = 3 };

/* Those of tests/vectors/ike/synthetic.txt, so that its NAT-D hashes can be proven. */
static const char *const client_addr[] = {"198.51.100.7", "2001:db8::7", "198.51.100.8", "2001:db8::8"};
static const char *const server_addr[] = {"203.0.113.5", "2001:db8:5::1", "10.0.0.5", "fd00:5::1"};
static const uint64_t pause_ms[] = {0, 1000, 121000, 9 * 3600 * 1000};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static struct endpoint endpoint_at(const char *address, uint16_t port)
{
	struct endpoint e;

	require(endpoint_parse(address, &e));
	e.port = port;
	return e;
}

static void addresses(unsigned flags, struct ike_datagram *d)
{
	const unsigned family = flags & IPV6 ? 1 : 0;
	const uint16_t port = flags & PORT_4500 ? 4500 : 500;
	const uint16_t client_port = flags & OTHER_PORT ? 1027 : flags & PORT_4500 ? 61234 : 500;
	const struct endpoint client =
		endpoint_at(client_addr[family + (flags & OTHER_CLIENT ? 2 : 0)], client_port);
	const struct endpoint server = endpoint_at(server_addr[family + (flags & PUBLIC ? 2 : 0)], port);

	d->direction = flags & TO_CLIENT ? IKE_TO_CLIENT : IKE_TO_SERVER;
	d->src = d->direction == IKE_TO_SERVER ? client : server;
	d->dst = d->direction == IKE_TO_SERVER ? server : client;
}

static void check_result(const struct ike_result *r, const uint8_t *before, const struct ike_datagram *d)
{
	require(ike_check_unchanged(before, d->message, d->length) == d->length);
	require((r->reason == IKE_REWRITTEN) == (r->edits != 0));
	require(r->reason < IKE_REASONS && r->dialect < IKE_DIALECTS);
	require(r->reason == IKE_REWRITTEN || !memcmp(before, d->message, d->length));
	if (d->length >= 28 && before[17] >> 4 != 1)
		require(r->reason == IKE_OTHER_VERSION);
	if (r->actions & IKE_ACT_REMEMBER_PEER)
		require(r->reason == IKE_REWRITTEN && d->direction == IKE_TO_SERVER);
}

static void translate(struct ike_table *table, uint64_t now_ms, struct ike_datagram *d,
		      const uint8_t *message)
{
	static const uint8_t no_cookie[IKE_COOKIE_LEN];
	uint8_t *once = malloc(d->length);
	struct ike_result r;

	d->message = malloc(d->length); /* ends flush with its allocation */
	if (d->length)
		memcpy(d->message, message, d->length);
	r = ike_translate(table, now_ms, d);
	check_result(&r, message, d);
	if (d->length)
		memcpy(once, d->message, d->length);
	if (d->length >= 28 &&
	    (d->direction == IKE_TO_CLIENT || memcmp(once + IKE_COOKIE_LEN, no_cookie, IKE_COOKIE_LEN))) {
		r = ike_translate(table, now_ms, d);
		require(r.reason != IKE_REWRITTEN && !memcmp(once, d->message, d->length));
	}
	free(d->message);
	free(once);
}

static void count_peer(void *ctx, const struct endpoint *peer, enum ike_dialect dialect, uint64_t age_ms,
		       bool alone)
{
	size_t *peers = ctx;

	(void)alone;
	require(peer->addr_len && dialect != IKE_DIALECT_NONE && age_ms < 8 * 3600 * 1000);
	++*peers;
}

static void check_table(const struct ike_table *table, uint64_t now_ms)
{
	const struct ike_table_stats stats = ike_table_stats(table);
	size_t peers = 0;

	ike_table_each_peer(table, now_ms, count_peer, &peers);
	require(stats.exchanges <= EXCHANGES && stats.peers <= PEERS && peers <= stats.peers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ike_config config = {
		.max_exchanges = EXCHANGES,
		.max_peers = PEERS,
		.public_addr4 = endpoint_at(server_addr[0], 0),
		.public_addr6 = endpoint_at(server_addr[1], 0),
		.hide_nat = true,
	};
	struct ike_table *table = ike_table_new(&config);
	uint64_t now_ms = 1000;

	require(table);
	while (size >= 3) {
		const unsigned flags = data[0];
		struct ike_datagram d = {.length = (size_t)(data[1] << 8 | data[2])};

		data += 3;
		size -= 3;
		if (d.length > size)
			d.length = size;
		addresses(flags, &d);
		now_ms += pause_ms[flags >> TIME_SHIFT];
		translate(table, now_ms, &d, data);
		check_table(table, now_ms);
		data += d.length;
		size -= d.length;
	}
	ike_table_free(table);
	return 0;
}
