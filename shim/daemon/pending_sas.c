/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An array, from its first free place on; few SAs are pending at a time. */
#include "shim/daemon/pending_sas.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

struct pending_sas {
	size_t count;
	uint64_t added; /* of all times */
	pending_sas_drop_fn *drop;
	void *drop_ctx;
	struct pending_sa at[PENDING_SAS_MAX];
};

struct pending_sas *pending_sas_new(void)
{
	return calloc(1, sizeof(struct pending_sas));
}

void pending_sas_free(struct pending_sas *table)
{
	if (!table)
		return;
	OPENSSL_cleanse(table, sizeof *table);
	free(table);
}

void pending_sas_on_drop(struct pending_sas *table, pending_sas_drop_fn *fn, void *ctx)
{
	table->drop = fn;
	table->drop_ctx = ctx;
}

struct pending_sa *pending_sas_next(struct pending_sas *table, struct pending_sa *last)
{
	struct pending_sa *sa = last ? last + 1 : table->at;

	if (!table->count)
		return NULL;
	while (sa < table->at + PENDING_SAS_MAX && !sa->age)
		sa++;
	return sa < table->at + PENDING_SAS_MAX ? sa : NULL;
}

bool pending_sa_is(const struct pending_sa *sa, const struct endpoint *destination,
		   const uint8_t spi[static 4])
{
	const struct endpoint *own = &sa->destination;

	return !memcmp(sa->spi, spi, sizeof sa->spi) && endpoint_same_host(own, destination) &&
	       (own->port == destination->port || !own->port || !destination->port);
}

static bool is_of(const struct pending_sa *sa, const struct endpoint *client)
{
	return sa->client.port == client->port && endpoint_same_host(&sa->client, client);
}

static size_t count_of(struct pending_sas *table, const struct endpoint *client)
{
	size_t count = 0;

	for (struct pending_sa *sa = NULL; (sa = pending_sas_next(table, sa));)
		count += is_of(sa, client);
	return count;
}

static struct pending_sa *oldest_of(struct pending_sas *table, const struct endpoint *client)
{
	struct pending_sa *oldest = NULL;

	for (struct pending_sa *sa = NULL; (sa = pending_sas_next(table, sa));)
		if (is_of(sa, client) && (!oldest || sa->age < oldest->age))
			oldest = sa;
	return oldest;
}

static const struct endpoint *client_with_most(struct pending_sas *table)
{
	const struct endpoint *client = NULL;
	size_t most = 0;

	for (struct pending_sa *sa = NULL; (sa = pending_sas_next(table, sa));) {
		const size_t count = count_of(table, &sa->client);

		if (count > most) {
			most = count;
			client = &sa->client;
		}
	}
	return client;
}

static void free_place(struct pending_sas *table, struct pending_sa *sa)
{
	OPENSSL_cleanse(sa, sizeof *sa);
	table->count--;
}

static void drop_oldest_of(struct pending_sas *table, const struct endpoint *client)
{
	struct pending_sa *sa = oldest_of(table, client);

	if (table->drop)
		table->drop(table->drop_ctx, sa);
	if (sa->age)
		free_place(table, sa);
}

static struct pending_sa *find(struct pending_sas *table, const struct endpoint *client,
			       const struct endpoint *destination, const uint8_t *spi)
{
	for (struct pending_sa *sa = NULL; (sa = pending_sas_next(table, sa));)
		if (is_of(sa, client) && pending_sa_is(sa, destination, spi))
			return sa;
	return NULL;
}

struct pending_sa *pending_sas_add(struct pending_sas *table, const struct endpoint *client,
				   const struct endpoint *destination, const uint8_t spi[static 4])
{
	struct pending_sa *sa = find(table, client, destination, spi);

	if (sa)
		return sa;
	if (count_of(table, client) >= PENDING_SAS_OF_CLIENT_MAX)
		drop_oldest_of(table, client);
	else if (table->count == PENDING_SAS_MAX)
		drop_oldest_of(table, client_with_most(table));
	for (sa = table->at; sa->age; sa++)
		;
	sa->client = *client;
	sa->destination = *destination;
	memcpy(sa->spi, spi, sizeof sa->spi);
	sa->age = ++table->added;
	table->count++;
	return sa;
}

void pending_sas_tidy(struct pending_sas *table, struct pending_sa *sa)
{
	if (sa->age && !sa->keys.since_ms && !sa->hold.ends_ms)
		free_place(table, sa);
}

size_t pending_sas_with_keys(struct pending_sas *table)
{
	size_t count = 0;

	for (struct pending_sa *sa = NULL; (sa = pending_sas_next(table, sa));)
		count += sa->keys.since_ms != 0;
	return count;
}

size_t pending_sas_packets_of(struct pending_sas *table, const struct endpoint *client)
{
	size_t count = 0;

	for (struct pending_sa *sa = NULL; (sa = pending_sas_next(table, sa));)
		if (is_of(sa, client))
			count += sa->hold.packets;
	return count;
}
