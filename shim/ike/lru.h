/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table of bounded size: entries of one kind found by a key of fixed size, the least recently used one
 * going first.
 *
 * All memory is taken by lru_new(), and first touched when it is needed; every call but lru_put() with a time in the past is O(1). Buckets are
 * chosen by a keyed universal hash, so that forged keys cannot be made to share one. Knows nothing of what is
 * kept in it. Pure. */
#ifndef NATSHIM_SHIM_IKE_LRU_H
#define NATSHIM_SHIM_IKE_LRU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LRU_KEY_WORDS_MAX 5 /* of 32 bits */

struct lru; /* owned by the caller; not thread-safe */

/* Sizes in bytes, key_size a multiple of 4. Times in ms; an entry not used for ttl_ms is gone. NULL: out of
 * memory. */
struct lru *lru_new(size_t capacity, size_t key_size, size_t value_size, int64_t ttl_ms, uint64_t seed);
void lru_free(struct lru *lru);

/* A value stays where it is until its entry goes. lru_find() only looks (NULL: none, or expired); lru_use()
 * also makes it the newest; lru_put() finds or makes it (zeroed), as used at seen_ms, and evicts the oldest
 * when there is no room. */
void *lru_find(const struct lru *lru, int64_t now_ms, const void *key);
void *lru_use(struct lru *lru, int64_t now_ms, const void *key);
void *lru_put(struct lru *lru, int64_t seen_ms, const void *key);
/* The key of the entry that lru_put() of this key would evict; NULL: none. */
const void *lru_victim(const struct lru *lru, const void *key);
bool lru_remove(struct lru *lru, const void *key);
void lru_expire(struct lru *lru, int64_t now_ms);

/* From the oldest to the newest; NULL at the end. */
const void *lru_oldest(const struct lru *lru);
const void *lru_newer(const void *value);
const void *lru_key(const struct lru *lru, const void *value);
int64_t lru_seen_ms(const void *value);

size_t lru_count(const struct lru *lru);
uint64_t lru_evicted(const struct lru *lru); /* entries that went before their time, to make room */

#endif
