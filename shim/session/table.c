/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of the session table and the hash chains by which they are found. Knows no rule and no time. */
#include "shim/session/table.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64u
#define FILL 2 /* records for each bucket, when their number doubles */

struct session *table_session(const struct session_table *table, uint32_t index)
{
	return pool_at(&table->sessions, index);
}

struct sa *table_sa(const struct session_table *table, uint32_t index)
{
	return pool_at(&table->sas, index);
}

unsigned table_generation(const struct session_table *table)
{
	return table->generation & ((1u << GENERATION_BITS) - 1);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
	return hash ^ (hash >> 29);
}

static uint64_t hash_address(const struct endpoint *e)
{
	uint64_t half[2];

	memcpy(half, e->addr, sizeof half);
	return mix(mix(e->addr_len, half[0]), half[1]);
}

static uint64_t hash_key(enum table_index index, const struct endpoint *peer, uint16_t l2tp_port)
{
	const uint64_t hash = hash_address(peer);

	if (index == BY_ENDPOINT)
		return mix(hash, peer->port);
	return index == BY_L2TP ? mix(hash, l2tp_port) : mix(hash, 0);
}

static const struct endpoint *key_of(enum table_index index, const struct session *s)
{
	return index == BY_ADDRESS ? &s->host : &s->peer;
}

static bool matches(enum table_index index, const struct session *s, const struct endpoint *peer,
		    uint16_t l2tp_port)
{
	if (!endpoint_same_host(key_of(index, s), peer))
		return false;
	return index == BY_ENDPOINT ? s->peer.port == peer->port
	       : index == BY_L2TP   ? s->l2tp_port == l2tp_port
				    : true;
}

static uint32_t *bucket_of(const struct session_table *table, enum table_index index, const struct session *s)
{
	return &table->buckets[index]
			      [hash_key(index, key_of(index, s), s->l2tp_port) & (table->bucket_count - 1)];
}

static void link_session(struct session_table *table, enum table_index index, uint32_t session)
{
	struct session *s = table_session(table, session);
	uint32_t *bucket = bucket_of(table, index, s);

	s->link[index].prev = 0;
	s->link[index].next = *bucket;
	if (*bucket)
		table_session(table, *bucket)->link[index].prev = session;
	*bucket = session;
}

static void unlink_session(struct session_table *table, enum table_index index, uint32_t session)
{
	struct session *s = table_session(table, session);

	if (s->link[index].prev)
		table_session(table, s->link[index].prev)->link[index].next = s->link[index].next;
	else
		*bucket_of(table, index, s) = s->link[index].next;
	if (s->link[index].next)
		table_session(table, s->link[index].next)->link[index].prev = s->link[index].prev;
}

/* The tail first, so that a chain stays newest first. */
static void relink_chain(struct session_table *table, enum table_index index, uint32_t head)
{
	uint32_t tail = head;

	if (!head)
		return;
	while (table_session(table, tail)->link[index].next)
		tail = table_session(table, tail)->link[index].next;
	while (tail) {
		const uint32_t prev = table_session(table, tail)->link[index].prev;

		link_session(table, index, tail);
		tail = prev;
	}
}

static bool grow_sessions(struct session_table *table)
{
	const size_t old_count = table->bucket_count;
	const size_t count = old_count ? old_count * 2 : FIRST_BUCKETS;
	uint32_t *fresh[TABLE_INDEXES];
	unsigned made = 0;

	while (made < TABLE_INDEXES && (fresh[made] = calloc(count, sizeof *fresh[made])))
		made++;
	if (made < TABLE_INDEXES) {
		while (made)
			free(fresh[--made]);
		return old_count != 0;
	}
	table->bucket_count = count;
	for (unsigned i = 0; i < TABLE_INDEXES; i++) {
		uint32_t *old = table->buckets[i];

		table->buckets[i] = fresh[i];
		for (size_t b = 0; b < old_count; b++)
			relink_chain(table, (enum table_index)i, old[b]);
		free(old);
	}
	return true;
}

uint32_t table_add_session(struct session_table *table, const struct sa_info *sa)
{
	if (table->live >= table->config.max_sessions)
		return 0;
	if (table->live >= FILL * table->bucket_count && !grow_sessions(table))
		return 0;
	const uint32_t index = pool_take(&table->sessions);

	if (!index)
		return 0;
	struct session *s = table_session(table, index);

	s->id = ++table->serial << 32 | index;
	s->us = sa->us;
	s->peer = sa->peer;
	s->host = sa->host.addr_len ? sa->host : sa->peer;
	s->host.port = 0;
	s->l2tp_port = sa->peer_port;
	s->reqid = sa->reqid;
	for (unsigned i = 0; i < TABLE_INDEXES; i++)
		link_session(table, (enum table_index)i, index);
	table->live++;
	marks_session(table, index, true);
	return index;
}

void table_unlink(struct session_table *table, uint32_t session)
{
	for (unsigned i = 0; i < TABLE_INDEXES; i++)
		unlink_session(table, (enum table_index)i, session);
	table->live--;
	marks_session(table, session, false);
}

void table_free_session(struct session_table *table, uint32_t session)
{
	free(table_session(table, session)->error);
	pool_give_back(&table->sessions, session);
}

void table_move(struct session_table *table, uint32_t session, const struct endpoint *peer)
{
	unlink_session(table, BY_ENDPOINT, session);
	marks_session(table, session, false);
	table_session(table, session)->peer.port = peer->port;
	link_session(table, BY_ENDPOINT, session);
	marks_session(table, session, true);
}

static uint32_t first_match(const struct session_table *table, enum table_index index, uint32_t at,
			    const struct endpoint *peer, uint16_t l2tp_port)
{
	while (at && !matches(index, table_session(table, at), peer, l2tp_port))
		at = table_session(table, at)->link[index].next;
	return at;
}

uint32_t table_first(const struct session_table *table, enum table_index index, const struct endpoint *peer,
		     uint16_t l2tp_port)
{
	if (!table->bucket_count)
		return 0;
	const size_t bucket = hash_key(index, peer, l2tp_port) & (table->bucket_count - 1);

	return first_match(table, index, table->buckets[index][bucket], peer, l2tp_port);
}

uint32_t table_next(const struct session_table *table, enum table_index index, uint32_t session)
{
	const struct session *s = table_session(table, session);

	return first_match(table, index, s->link[index].next, key_of(index, s), s->l2tp_port);
}

/* ---- SAs: SPI, direction and the peer's address
 * ----------------------------------------------------------------- */

static size_t sa_bucket(const struct session_table *table, const struct endpoint *peer, uint32_t spi,
			bool outbound)
{
	return mix(mix(hash_address(peer), spi), outbound) & (table->sa_bucket_count - 1);
}

uint32_t table_find_sa(const struct session_table *table, const struct endpoint *peer, uint32_t spi,
		       bool outbound)
{
	if (!table->sa_bucket_count)
		return 0;
	uint32_t at = table->sa_buckets[sa_bucket(table, peer, spi, outbound)];

	for (; at; at = table_sa(table, at)->next_in_bucket) {
		const struct sa *sa = table_sa(table, at);

		if (sa->spi == spi && sa->outbound == outbound &&
		    endpoint_same_host(&table_session(table, sa->session)->peer, peer))
			return at;
	}
	return 0;
}

static bool grow_sas(struct session_table *table)
{
	const size_t old_count = table->sa_bucket_count;
	const size_t count = old_count ? old_count * 2 : FIRST_BUCKETS;
	uint32_t *old = table->sa_buckets;
	uint32_t *fresh = calloc(count, sizeof *fresh);

	if (!fresh)
		return old_count != 0;
	table->sa_buckets = fresh;
	table->sa_bucket_count = count;
	for (size_t b = 0; b < old_count; b++)
		for (uint32_t at = old[b], next; at; at = next) {
			struct sa *sa = table_sa(table, at);
			const struct endpoint *peer = &table_session(table, sa->session)->peer;
			uint32_t *bucket = &fresh[sa_bucket(table, peer, sa->spi, sa->outbound)];

			next = sa->next_in_bucket;
			sa->next_in_bucket = *bucket;
			*bucket = at;
		}
	free(old);
	return true;
}

uint32_t table_add_sa(struct session_table *table, uint32_t session, const struct sa_info *info)
{
	if (table->sas.used >= FILL * table->sa_bucket_count && !grow_sas(table))
		return 0;
	const uint32_t index = pool_take(&table->sas);

	if (!index)
		return 0;
	struct session *s = table_session(table, session);
	struct sa *sa = table_sa(table, index);
	uint32_t *bucket = &table->sa_buckets[sa_bucket(table, &s->peer, info->spi, info->outbound)];

	*sa = (struct sa){.spi = info->spi,
			  .session = session,
			  .outbound = info->outbound,
			  .generation = table_generation(table),
			  .bytes = info->bytes,
			  .packets = info->packets,
			  .next_in_bucket = *bucket,
			  .next_of_session = s->first_sa};
	*bucket = index;
	s->first_sa = index;
	*(info->outbound ? &s->sas_out : &s->sas_in) += 1;
	marks_sa(table, index, true);
	return index;
}

void table_remove_sa(struct session_table *table, uint32_t index)
{
	const struct sa *sa = table_sa(table, index);
	struct session *s = table_session(table, sa->session);
	uint32_t *at = &table->sa_buckets[sa_bucket(table, &s->peer, sa->spi, sa->outbound)];

	marks_sa(table, index, false);
	while (*at != index)
		at = &table_sa(table, *at)->next_in_bucket;
	*at = sa->next_in_bucket;
	at = &s->first_sa;
	while (*at != index)
		at = &table_sa(table, *at)->next_of_session;
	*at = sa->next_of_session;
	*(sa->outbound ? &s->sas_out : &s->sas_in) -= 1;
	pool_give_back(&table->sas, index);
}
