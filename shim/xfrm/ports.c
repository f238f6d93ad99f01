/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open addressing with linear probing; removal moves the followers back, so there are no tombstones. */
#include "shim/xfrm/ports.h"

#include <stdlib.h>

static size_t home(const struct port_map *map, uint32_t reqid)
{
	return (reqid * UINT64_C(0x9e3779b1)) & (map->capacity - 1);
}

static size_t slot_of(const struct port_map *map, uint32_t reqid)
{
	size_t slot = home(map, reqid);

	while (map->entries[slot].reqid && map->entries[slot].reqid != reqid)
		slot = (slot + 1) & (map->capacity - 1);
	return slot;
}

void port_map_clear(struct port_map *map)
{
	free(map->entries);
	*map = (struct port_map){.entries = NULL};
}

static bool grow(struct port_map *map)
{
	struct port_map bigger = {.count = map->count, .capacity = map->capacity ? map->capacity * 2 : 64};

	bigger.entries = calloc(bigger.capacity, sizeof *bigger.entries);
	if (!bigger.entries)
		return false;
	for (size_t i = 0; i < map->capacity; i++)
		if (map->entries[i].reqid)
			bigger.entries[slot_of(&bigger, map->entries[i].reqid)] = map->entries[i];
	free(map->entries);
	*map = bigger;
	return true;
}

bool port_map_set(struct port_map *map, uint32_t reqid, uint16_t port)
{
	if (!reqid || (map->count * 4 >= map->capacity * 3 && !grow(map)))
		return false;
	struct port_entry *entry = &map->entries[slot_of(map, reqid)];

	map->count += !entry->reqid;
	*entry = (struct port_entry){.reqid = reqid, .port = port};
	return true;
}

bool port_map_get(const struct port_map *map, uint32_t reqid, uint16_t *port)
{
	if (!reqid || !map->count)
		return false;
	const struct port_entry *entry = &map->entries[slot_of(map, reqid)];

	if (!entry->reqid)
		return false;
	*port = entry->port;
	return true;
}

void port_map_remove(struct port_map *map, uint32_t reqid)
{
	if (!reqid || !map->count)
		return;
	const size_t mask = map->capacity - 1;
	size_t hole = slot_of(map, reqid);

	if (!map->entries[hole].reqid)
		return;
	map->count--;
	for (size_t at = (hole + 1) & mask; map->entries[at].reqid; at = (at + 1) & mask) {
		const size_t wants = home(map, map->entries[at].reqid);

		if (((at - wants) & mask) < ((at - hole) & mask))
			continue; /* it stands between its home and the hole */
		map->entries[hole] = map->entries[at];
		hole = at;
	}
	map->entries[hole].reqid = 0;
}
