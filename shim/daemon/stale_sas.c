/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A list, and one request at a time. */
#include "shim/daemon/stale_sas.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define ID (1ULL << 63) /* no session of the table has such an id */

struct orphan {
	struct orphan *prev, *next;
	struct bridge_entry entry;
	unsigned tries;
	uint64_t not_before_ms;
};

struct orphans {
	struct orphan *list, *under_way;
	size_t count;
};

struct orphans *orphans_new(void)
{
	return calloc(1, sizeof(struct orphans));
}

static void drop(struct orphans *o, struct orphan *orphan)
{
	DL_DELETE(o->list, orphan);
	o->count--;
	free(orphan);
}

void orphans_free(struct orphans *o)
{
	if (!o)
		return;
	while (o->list)
		drop(o, o->list);
	free(o);
}

void orphans_add(void *ctx, const struct bridge_entry *entry)
{
	struct orphans *o = ctx;
	struct orphan *orphan;

	DL_FOREACH(o->list, orphan)
	if (!memcmp(orphan->entry.cookies, entry->cookies, sizeof entry->cookies)) {
		orphan->entry = *entry;
		return;
	}
	orphan = o->count < ORPHANS_MAX ? calloc(1, sizeof *orphan) : NULL;
	if (!orphan)
		return;
	orphan->entry = *entry;
	DL_APPEND(o->list, orphan);
	o->count++;
}

size_t orphans_count(const struct orphans *o)
{
	return o ? o->count : 0;
}

void orphans_each(const struct orphans *o, bridge_entry_fn *fn, void *ctx)
{
	const struct orphan *orphan;

	if (!o)
		return;
	DL_FOREACH(o->list, orphan)
	{
		/* cppcheck-suppress uninitvar; the macro sets it */
		fn(ctx, &orphan->entry);
	}
}

static uint32_t host_order(const uint8_t *spi)
{
	return (uint32_t)spi[0] << 24 | (uint32_t)spi[1] << 16 | (uint32_t)spi[2] << 8 | spi[3];
}

static void write_request(const struct bridge_entry *entry, const struct bridge *bridge,
			  struct stack_end_request *out)
{
	*out = (struct stack_end_request){.id = ID,
					  .us = entry->server,
					  .peer = entry->client,
					  .ike_sa_too = !bridge || !bridge_has_client(bridge, &entry->client),
					  .quick_too = !bridge || !bridge_is_up(bridge, &entry->client)};
	memcpy(out->cookies, entry->cookies, sizeof out->cookies);
	for (unsigned i = 0; i < entry->child_count && out->sa_count + 2 <= STACK_SAS_MAX; i++) {
		const struct bridge_child *child = &entry->children[i];

		out->sas[out->sa_count++] = (struct stack_sa_ref){.spi = host_order(child->spi_to_server)};
		out->sas[out->sa_count++] =
			(struct stack_sa_ref){.spi = host_order(child->spi_to_client), .outbound = true};
	}
}

static struct orphan *first_due(const struct orphans *o, uint64_t now_ms)
{
	struct orphan *orphan;

	DL_FOREACH(o->list, orphan)
	{
		/* cppcheck-suppress uninitvar; the macro sets it */
		if (orphan->not_before_ms <= now_ms)
			return orphan;
	}
	return NULL;
}

bool orphans_next(struct orphans *o, uint64_t now_ms, const struct bridge *bridge,
		  struct stack_end_request *out)
{
	struct orphan *orphan = !o || o->under_way ? NULL : first_due(o, now_ms);

	if (!orphan)
		return false;
	o->under_way = orphan;
	orphan->tries++;
	write_request(&orphan->entry, bridge, out);
	return true;
}

bool orphans_result(struct orphans *o, uint64_t now_ms, int error)
{
	struct orphan *orphan = o->under_way;
	const bool again = error && orphan && orphan->tries < ORPHANS_TRIES;

	o->under_way = NULL;
	if (again)
		orphan->not_before_ms = now_ms + ORPHANS_WAIT_MS;
	else if (orphan)
		drop(o, orphan);
	return !error || again;
}

bool orphans_is(uint64_t id)
{
	return id == ID;
}
