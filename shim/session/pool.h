/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fixed-size records that are named by an index which never moves, in chunks, so that a big table wastes no
 * memory on doubling. Index 0 is never given out: it means "none". Pure but for malloc. */
#ifndef NATSHIM_SHIM_SESSION_POOL_H
#define NATSHIM_SHIM_SESSION_POOL_H

#include <stddef.h>
#include <stdint.h>

struct pool {
	size_t record_size; /* bytes, at least 4 */
	size_t chunk_count, used;
	uint32_t next_fresh, first_free;
	unsigned char **chunks;
};

void pool_init(struct pool *pool, size_t record_size);
void pool_clear(struct pool *pool);
uint32_t pool_take(struct pool *pool); /* a zeroed record; 0: out of memory */
void pool_give_back(struct pool *pool, uint32_t index);
void *pool_at(const struct pool *pool, uint32_t index);
size_t pool_memory(const struct pool *pool); /* bytes */

#endif
