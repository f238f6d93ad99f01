/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chunks of records with a free list. */
#include "shim/session/pool.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_RECORDS 1024u

void pool_init(struct pool *pool, size_t record_size)
{
	*pool = (struct pool){.record_size = record_size, .next_fresh = 1};
}

void pool_clear(struct pool *pool)
{
	for (size_t i = 0; i < pool->chunk_count; i++)
		free(pool->chunks[i]);
	free(pool->chunks);
	pool_init(pool, pool->record_size);
}

void *pool_at(const struct pool *pool, uint32_t index)
{
	return pool->chunks[index / CHUNK_RECORDS] + (size_t)(index % CHUNK_RECORDS) * pool->record_size;
}

static int add_chunk(struct pool *pool)
{
	unsigned char **chunks = realloc(pool->chunks, (pool->chunk_count + 1) * sizeof *chunks);

	if (!chunks)
		return -1;
	pool->chunks = chunks;
	chunks[pool->chunk_count] = malloc(CHUNK_RECORDS * pool->record_size);
	if (!chunks[pool->chunk_count])
		return -1;
	pool->chunk_count++;
	return 0;
}

uint32_t pool_take(struct pool *pool)
{
	uint32_t index = pool->first_free;

	if (index) {
		memcpy(&pool->first_free, pool_at(pool, index), sizeof pool->first_free);
	} else {
		if (pool->next_fresh / CHUNK_RECORDS >= pool->chunk_count && add_chunk(pool))
			return 0;
		index = pool->next_fresh++;
	}
	memset(pool_at(pool, index), 0, pool->record_size);
	pool->used++;
	return index;
}

void pool_give_back(struct pool *pool, uint32_t index)
{
	memset(pool_at(pool, index), 0, pool->record_size);
	memcpy(pool_at(pool, index), &pool->first_free, sizeof pool->first_free);
	pool->first_free = index;
	pool->used--;
}

size_t pool_memory(const struct pool *pool)
{
	return pool->chunk_count * (CHUNK_RECORDS * pool->record_size + sizeof *pool->chunks);
}
