/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bounded table: chained buckets over a pool of entries, and a list through them by time of use. */
#include "shim/ike/lru.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct entry *older, *newer; /* by time of use; in a free entry, older is the next free one */
	struct entry *chain;         /* the next one in the same bucket */
	size_t bucket;
	int64_t seen_ms;
	alignas(max_align_t) uint8_t value[]; /* then the key */
};

struct lru {
	uint64_t hash_key[LRU_KEY_WORDS_MAX + 1];
	size_t key_size, value_size, stride, bucket_mask, count;
	int64_t ttl_ms;
	uint64_t evicted;
	struct entry *oldest, *newest, *unused;
	struct entry **bucket;
	uint8_t *pool;
	size_t capacity, touched; /* entries; of these, ever used */
};

static size_t aligned(size_t size)
{
	const size_t unit = alignof(max_align_t);

	return (size + unit - 1) / unit * unit;
}

/* splitmix64: spreads one seed over the words of the hash key. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

/* Multilinear hashing (Carter and Wegman): two keys share a bucket with a chance of 1 in the number of
 * buckets, whatever they are, as long as the hash key is secret. */
static size_t bucket_of(const struct lru *lru, const void *key)
{
	uint64_t sum = lru->hash_key[LRU_KEY_WORDS_MAX];
	const uint8_t *bytes = key;

	for (size_t i = 0; i < lru->key_size / sizeof(uint32_t); i++) {
		uint32_t word;

		memcpy(&word, bytes + i * sizeof word, sizeof word);
		sum += lru->hash_key[i] * word;
	}
	return (size_t)(sum >> 32) & lru->bucket_mask;
}

struct lru *lru_new(size_t capacity, size_t key_size, size_t value_size, int64_t ttl_ms, uint64_t seed)
{
	struct lru *lru = calloc(1, sizeof *lru);
	size_t buckets = 1;

	if (!lru)
		return NULL;
	while (buckets < capacity)
		buckets *= 2;
	lru->key_size = key_size;
	lru->value_size = aligned(value_size);
	lru->stride = aligned(sizeof(struct entry) + lru->value_size + key_size);
	lru->bucket_mask = buckets - 1;
	lru->ttl_ms = ttl_ms;
	for (size_t i = 0; i <= LRU_KEY_WORDS_MAX; i++)
		lru->hash_key[i] = next_random(&seed);
	lru->bucket = calloc(buckets, sizeof(struct entry *));
	lru->pool = calloc(capacity, lru->stride);
	if (!lru->bucket || !lru->pool) {
		lru_free(lru);
		return NULL;
	}
	lru->capacity = capacity;
	return lru;
}

void lru_free(struct lru *lru)
{
	if (!lru)
		return;
	free(lru->bucket);
	free(lru->pool);
	free(lru);
}

static const struct entry *entry_of(const void *value)
{
	return (const void *)((const uint8_t *)value - offsetof(struct entry, value));
}

static const uint8_t *key_of(const struct lru *lru, const struct entry *e)
{
	return e->value + lru->value_size;
}

static struct entry *lookup(const struct lru *lru, size_t bucket, const void *key)
{
	struct entry *e = lru->bucket[bucket];

	while (e && memcmp(key_of(lru, e), key, lru->key_size) != 0)
		e = e->chain;
	return e;
}

static bool is_expired(const struct lru *lru, const struct entry *e, int64_t now_ms)
{
	return now_ms - e->seen_ms >= lru->ttl_ms;
}

static void unlink_age(struct lru *lru, struct entry *e)
{
	*(e->older ? &e->older->newer : &lru->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &lru->newest) = e->older;
}

/* Keeps the list in order of time also when an old entry is put back. */
static void link_age(struct lru *lru, struct entry *e, int64_t seen_ms)
{
	struct entry *older = lru->newest;

	while (older && older->seen_ms > seen_ms)
		older = older->older;
	e->seen_ms = seen_ms;
	e->older = older;
	e->newer = older ? older->newer : lru->oldest;
	*(e->older ? &e->older->newer : &lru->oldest) = e;
	*(e->newer ? &e->newer->older : &lru->newest) = e;
}

static void drop(struct lru *lru, struct entry *e)
{
	struct entry **link = &lru->bucket[e->bucket];

	while (*link != e)
		link = &(*link)->chain;
	*link = e->chain;
	unlink_age(lru, e);
	e->older = lru->unused;
	lru->unused = e;
	lru->count--;
}

/* Memory is first touched when it is first needed. */
static struct entry *take_unused(struct lru *lru)
{
	struct entry *e = lru->unused;

	if (!e)
		return (void *)(lru->pool + lru->touched++ * lru->stride);
	lru->unused = e->older;
	return e;
}

const void *lru_victim(const struct lru *lru, const void *key)
{
	if (lru->count < lru->capacity || lookup(lru, bucket_of(lru, key), key))
		return NULL;
	return key_of(lru, lru->oldest);
}

void *lru_find(const struct lru *lru, int64_t now_ms, const void *key)
{
	struct entry *e = lookup(lru, bucket_of(lru, key), key);

	return e && !is_expired(lru, e, now_ms) ? e->value : NULL;
}

void *lru_use(struct lru *lru, int64_t now_ms, const void *key)
{
	struct entry *e = lookup(lru, bucket_of(lru, key), key);

	if (!e || is_expired(lru, e, now_ms))
		return NULL;
	unlink_age(lru, e);
	link_age(lru, e, now_ms);
	return e->value;
}

void *lru_put(struct lru *lru, int64_t seen_ms, const void *key)
{
	const size_t bucket = bucket_of(lru, key);
	struct entry *e;

	lru_expire(lru, seen_ms);
	e = lookup(lru, bucket, key);
	if (e) {
		if (seen_ms < e->seen_ms)
			return e->value;
		unlink_age(lru, e);
		link_age(lru, e, seen_ms);
		return e->value;
	}
	if (lru->count == lru->capacity) {
		drop(lru, lru->oldest);
		lru->evicted++;
	}
	e = take_unused(lru);
	memset(e->value, 0, lru->value_size);
	memcpy(e->value + lru->value_size, key, lru->key_size);
	e->bucket = bucket;
	e->chain = lru->bucket[bucket];
	lru->bucket[bucket] = e;
	link_age(lru, e, seen_ms);
	lru->count++;
	return e->value;
}

bool lru_remove(struct lru *lru, const void *key)
{
	struct entry *e = lookup(lru, bucket_of(lru, key), key);

	if (e)
		drop(lru, e);
	return e;
}

void lru_expire(struct lru *lru, int64_t now_ms)
{
	while (lru->oldest && is_expired(lru, lru->oldest, now_ms))
		drop(lru, lru->oldest);
}

const void *lru_oldest(const struct lru *lru)
{
	return lru->oldest ? lru->oldest->value : NULL;
}

const void *lru_newer(const void *value)
{
	const struct entry *e = entry_of(value)->newer;

	return e ? e->value : NULL;
}

const void *lru_key(const struct lru *lru, const void *value)
{
	return key_of(lru, entry_of(value));
}

int64_t lru_seen_ms(const void *value)
{
	return entry_of(value)->seen_ms;
}

size_t lru_count(const struct lru *lru)
{
	return lru->count;
}

uint64_t lru_evicted(const struct lru *lru)
{
	return lru->evicted;
}
