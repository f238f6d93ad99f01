/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A list of clients, and at most one request to the stack at a time. */
#include "shim/daemon/stale_sas.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define ID (1ULL << 63) /* sessions have lower ones */

struct stale_sa {
	struct stale_sa *prev, *next;
	struct bridge_entry entry;
	struct endpoint peer; /* the client, as the stack knows it */
	unsigned tries;
	uint64_t not_before_ms;
};

struct stale_sas {
	struct stale_sa *list, *under_way;
	size_t count;
};

struct stale_sas *stale_sas_new(void)
{
	return calloc(1, sizeof(struct stale_sas));
}

static void drop(struct stale_sas *o, struct stale_sa *stale_sa)
{
	DL_DELETE(o->list, stale_sa);
	o->count--;
	free(stale_sa);
}

void stale_sas_free(struct stale_sas *o)
{
	if (!o)
		return;
	while (o->list)
		drop(o, o->list);
	free(o);
}

void stale_sas_add(void *ctx, const struct bridge_entry *entry)
{
	struct stale_sas *o = ctx;
	struct stale_sa *stale_sa;

	DL_FOREACH(o->list, stale_sa)
	if (!memcmp(stale_sa->entry.cookies, entry->cookies, sizeof entry->cookies)) {
		stale_sa->entry = *entry;
		stale_sa->peer = entry->client;
		return;
	}
	stale_sa = o->count < STALE_SAS_MAX ? calloc(1, sizeof *stale_sa) : NULL;
	if (!stale_sa)
		return;
	stale_sa->entry = *entry;
	stale_sa->peer = entry->client;
	DL_APPEND(o->list, stale_sa);
	o->count++;
}

void stale_sas_name(struct stale_sas *o, stale_sas_name_fn *fn, void *ctx)
{
	struct stale_sa *stale_sa;

	DL_FOREACH(o->list, stale_sa)
	{
		/* cppcheck-suppress uninitvar; the macro sets it */
		fn(ctx, &stale_sa->peer);
	}
}

size_t stale_sas_count(const struct stale_sas *o)
{
	return o ? o->count : 0;
}

void stale_sas_each(const struct stale_sas *o, bridge_entry_fn *fn, void *ctx)
{
	const struct stale_sa *stale_sa;

	if (!o)
		return;
	DL_FOREACH(o->list, stale_sa)
	{
		/* cppcheck-suppress uninitvar; the macro sets it */
		fn(ctx, &stale_sa->entry);
	}
}

static uint32_t host_order(const uint8_t *spi)
{
	return (uint32_t)spi[0] << 24 | (uint32_t)spi[1] << 16 | (uint32_t)spi[2] << 8 | spi[3];
}

static void write_request(const struct stale_sa *stale_sa, const struct bridge *bridge,
			  struct stack_end_request *out)
{
	const struct bridge_entry *entry = &stale_sa->entry;

	*out = (struct stack_end_request){.id = ID,
					  .us = entry->server,
					  .peer = stale_sa->peer,
					  .ike_sa_too = !bridge || !bridge_has_client(bridge, &entry->client),
					  .quick_too =
						  !bridge || !bridge_is_established(bridge, &entry->client)};
	memcpy(out->cookies, entry->cookies, sizeof out->cookies);
	for (unsigned i = 0; i < entry->child_sa_count && out->sa_count + 2 <= STACK_SAS_MAX; i++) {
		const struct bridge_child_sa *child = &entry->child_sas[i];

		out->sas[out->sa_count++] = (struct stack_sa_ref){.spi = host_order(child->spi_to_server)};
		out->sas[out->sa_count++] =
			(struct stack_sa_ref){.spi = host_order(child->spi_to_client), .outbound = true};
	}
}

static struct stale_sa *first_due(const struct stale_sas *o, uint64_t now_ms)
{
	struct stale_sa *stale_sa;

	DL_FOREACH(o->list, stale_sa)
	{
		/* cppcheck-suppress uninitvar; the macro sets it */
		if (stale_sa->not_before_ms <= now_ms)
			return stale_sa;
	}
	return NULL;
}

bool stale_sas_next(struct stale_sas *o, uint64_t now_ms, const struct bridge *bridge,
		    struct stack_end_request *out)
{
	struct stale_sa *stale_sa = !o || o->under_way ? NULL : first_due(o, now_ms);

	if (!stale_sa)
		return false;
	o->under_way = stale_sa;
	stale_sa->tries++;
	write_request(stale_sa, bridge, out);
	return true;
}

bool stale_sas_result(struct stale_sas *o, uint64_t now_ms, int error)
{
	struct stale_sa *stale_sa = o->under_way;
	const bool again = error && stale_sa && stale_sa->tries < STALE_SAS_TRIES;

	o->under_way = NULL;
	if (again)
		stale_sa->not_before_ms = now_ms + STALE_SAS_WAIT_MS;
	else if (stale_sa)
		drop(o, stale_sa);
	return !error || again;
}

bool stale_sas_is(uint64_t id)
{
	return id == ID;
}
