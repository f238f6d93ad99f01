/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients' exchanges before message 3, whose sender may be anybody: little is kept of each, and there is room for many, so that
 * a flood of forged ones does not push a real client out within a round trip. Who must go is drawn by lot: of a few, one that
 * the server has not answered before one that it has, and then the oldest; so nobody can tell when, and no rate of forged ones
 * leaves a client without a chance.
 *
 * An exchange that had to go is remembered by its cookie for a while: the server's answer to natshim's own offer must not go on
 * to a client that never made that offer. */
#include "shim/bridge/impl.h"

#include <stdlib.h>

enum { LOTS = 8, LOOKED_AT = 4 };
enum { GONE_TTL_MS = 120000, GONE_LOOKED_AT = 2 };
#define NOBODY UINT32_MAX

/* The table: records side by side, found through chained buckets. */

bool fresh_open(struct fresh_table *t, size_t capacity, size_t bytes_max, uint64_t seed)
{
	size_t buckets = 1;

	while (buckets < capacity)
		buckets *= 2;
	t->capacity = capacity;
	t->bytes_max = bytes_max;
	t->bucket_mask = buckets - 1;
	t->lot = seed;
	t->at = calloc(capacity, sizeof *t->at);
	t->bucket = malloc(buckets * sizeof *t->bucket);
	if (!t->at || !t->bucket)
		return false;
	memset(t->bucket, 0xff, buckets * sizeof *t->bucket);
	return true;
}

void fresh_close(struct fresh_table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->at[i].sa);
	free(t->at);
	free(t->bucket);
}

static uint32_t *bucket_of(struct bridge *bridge, const uint8_t *cookie)
{
	struct fresh_table *t = &bridge->fresh;

	return &t->bucket[bridge_table_key(bridge, cookie) & t->bucket_mask];
}

/* What points to it: its bucket, or the one before it there. */
static uint32_t *link_to(struct bridge *bridge, uint32_t index)
{
	struct fresh_table *t = &bridge->fresh;
	uint32_t *link = bucket_of(bridge, t->at[index].cookies);

	while (*link != index)
		link = &t->at[*link].next;
	return link;
}

struct opening *fresh_find(struct bridge *bridge, const uint8_t *cookie)
{
	struct fresh_table *t = &bridge->fresh;
	uint32_t index = *bucket_of(bridge, cookie);

	while (index != NOBODY && memcmp(t->at[index].cookies, cookie, IKE_COOKIE_LEN) != 0)
		index = t->at[index].next;
	return index == NOBODY ? NULL : &t->at[index];
}

void fresh_remove(struct bridge *bridge, struct opening *o)
{
	struct fresh_table *t = &bridge->fresh;
	const uint32_t index = (uint32_t)(o - t->at), last = (uint32_t)t->count - 1;

	*link_to(bridge, index) = o->next;
	if (o->sa)
		t->bytes -= o->sa_length;
	free(o->sa);
	o->sa = NULL;
	if (index != last) {
		*link_to(bridge, last) = index;
		*o = t->at[last];
		t->at[last].sa = NULL;
	}
	t->count--;
}

uint8_t *fresh_take_sa(struct bridge *bridge, struct opening *o)
{
	uint8_t *sa = o->sa;

	bridge->fresh.bytes -= o->sa_length;
	o->sa = NULL;
	return sa;
}

bool opening_is_over(const struct bridge *bridge, const struct opening *o, int64_t now)
{
	return now >= o->begun_ms + (int64_t)bridge->config.half_open_ms;
}

static void evict(struct bridge *bridge, struct opening *o, int64_t now)
{
	bridge_let_go(bridge, o->cookies, now);
	fresh_remove(bridge, o);
}

/* splitmix64, of a secret seed. */
static uint64_t draw(struct fresh_table *t)
{
	uint64_t z = t->lot += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

/* Whether a must rather go than b. By size: room for SA payloads is short, so it counts how much of it one had for how long. */
static bool rather(const struct opening *a, const struct opening *b, int64_t now, bool by_size)
{
	if (!a->said[1] != !b->said[1])
		return !a->said[1];
	if (by_size)
		return (now - a->begun_ms + 1) * a->sa_length > (now - b->begun_ms + 1) * b->sa_length;
	return a->begun_ms < b->begun_ms;
}

static void make_room(struct bridge *bridge, int64_t now, bool by_size)
{
	struct fresh_table *t = &bridge->fresh;
	struct opening *worst;

	if (!t->count)
		return;
	worst = &t->at[draw(t) % t->count];
	for (unsigned i = 1; i < LOTS; i++) {
		struct opening *o = &t->at[draw(t) % t->count];

		if (rather(o, worst, now, by_size))
			worst = o;
	}
	bridge->evicted++;
	evict(bridge, worst, now);
}

/* A few with each new one, so that all are looked at within the time in which they can be replaced. */
static void expire_some(struct bridge *bridge, int64_t now)
{
	struct fresh_table *t = &bridge->fresh;

	for (unsigned i = 0; i < LOOKED_AT && t->count; i++) {
		t->hand = t->hand + 1 < t->count ? t->hand + 1 : 0;
		if (opening_is_over(bridge, &t->at[t->hand], now))
			evict(bridge, &t->at[t->hand], now);
	}
}

struct opening *fresh_add(struct bridge *bridge, int64_t now, const uint8_t *cookie, struct bytes sa)
{
	struct fresh_table *t = &bridge->fresh;
	uint8_t *copy = sa.length <= t->bytes_max ? malloc(sa.length ? sa.length : 1) : NULL;
	struct opening *o;
	uint32_t *bucket;

	if (!copy)
		return NULL;
	lru_remove(bridge->gone, cookie); /* it begins again */
	expire_some(bridge, now);
	while (t->count && t->bytes + sa.length > t->bytes_max)
		make_room(bridge, now, true);
	if (t->count == t->capacity)
		make_room(bridge, now, false);
	bucket = bucket_of(bridge, cookie);
	o = &t->at[t->count];
	*o = (struct opening){.begun_ms = now, .sa = copy, .sa_length = (uint32_t)sa.length, .next = *bucket};
	memcpy(copy, sa.data, sa.length);
	memcpy(o->cookies, cookie, IKE_COOKIE_LEN);
	*bucket = (uint32_t)t->count++;
	t->bytes += sa.length;
	return o;
}

/* Those that had to go */

static void untrack(struct bridge *bridge, const uint8_t *cookie)
{
	if (bridge->config.untrack)
		bridge->config.untrack(bridge->config.ctx, cookie);
}

void bridge_let_go(struct bridge *bridge, const uint8_t *cookie, int64_t now)
{
	const void *victim = lru_victim(bridge->gone, cookie);

	if (victim)
		untrack(bridge, victim);
	for (unsigned i = 0; i < GONE_LOOKED_AT; i++) {
		const void *oldest = lru_oldest(bridge->gone);

		if (!oldest || now < lru_seen_ms(oldest) + GONE_TTL_MS)
			break;
		untrack(bridge, lru_key(bridge->gone, oldest));
		lru_remove(bridge->gone, lru_key(bridge->gone, oldest));
	}
	lru_put(bridge->gone, now, cookie);
}

bool bridge_is_gone(const struct bridge *bridge, const uint8_t *cookie, int64_t now)
{
	const void *found = lru_find(bridge->gone, now, cookie);

	return found && now < lru_seen_ms(found) + GONE_TTL_MS;
}
