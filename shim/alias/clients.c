/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of the table of aliases: a pool of bounded size, chained by public address under a keyed hash, and the numbers of the
 * aliases. Knows no rule. */
#include "shim/alias/impl.h"

#include <stdlib.h>
#include <string.h>

static struct client *at(const struct alias_table *table, uint32_t index)
{
	return index ? &table->clients[index] : NULL;
}

static uint32_t index_of(const struct alias_table *table, const struct client *client)
{
	return (uint32_t)(client - table->clients);
}

static uint32_t *bucket(struct alias_table *table, uint32_t host)
{
	/* Multiply-shift, keyed: forged addresses cannot choose their bucket. */
	const uint64_t key = (table->config.seed | 1) * ((uint64_t)host + (table->config.seed >> 17) + 1);

	return &table->buckets[(key >> 40) % BUCKETS];
}

uint32_t clients_host(const struct endpoint *e)
{
	return (uint32_t)e->addr[0] << 24 | (uint32_t)e->addr[1] << 16 | (uint32_t)e->addr[2] << 8 |
	       e->addr[3];
}

static struct endpoint endpoint_of(uint32_t host, uint16_t port)
{
	return (struct endpoint){
		.addr = {(uint8_t)(host >> 24), (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host},
		.addr_len = 4,
		.port = port};
}

bool clients_in_net(const struct alias_table *table, uint32_t host)
{
	return host >> (32 - table->config.prefix) == table->net >> (32 - table->config.prefix);
}

struct endpoint clients_real(const struct client *client, uint16_t port)
{
	return endpoint_of(client->host, port);
}

struct endpoint clients_server(const struct client *client, uint16_t port)
{
	return endpoint_of(client->server, port);
}

struct endpoint clients_alias(const struct alias_table *table, const struct client *client, uint16_t port)
{
	return endpoint_of(client->number ? table->net + client->number : client->host, port);
}

struct alias_table *alias_table_new(const struct alias_config *config)
{
	struct alias_table *table;
	uint64_t room;

	if (config->net.addr_len != 4 || config->prefix < 8 || config->prefix > 30)
		return NULL;
	table = calloc(1, sizeof *table);
	if (!table)
		return NULL;
	table->config = *config;
	room = (UINT64_C(1) << (32 - config->prefix)) - 2;
	table->net = clients_host(&config->net) & ~(uint32_t)(room + 1);
	table->count = room < ALIAS_MAX ? (uint32_t)room : ALIAS_MAX;
	table->clients = calloc(CLIENTS_MAX + 1, sizeof *table->clients);
	if (!table->clients) {
		free(table);
		return NULL;
	}
	for (uint32_t i = 1; i <= table->count; i++)
		table->free_numbers[table->free_count++] = (uint16_t)i;
	return table;
}

void alias_table_free(struct alias_table *table)
{
	if (!table)
		return;
	free(table->clients);
	free(table);
}

static struct client *same_host(const struct alias_table *table, uint32_t index, uint32_t host)
{
	while (index && table->clients[index].host != host)
		index = table->clients[index].next_in_bucket;
	return at(table, index);
}

struct client *clients_first(const struct alias_table *table, uint32_t host)
{
	return same_host(table, *bucket((struct alias_table *)(uintptr_t)table, host), host);
}

struct client *clients_next(const struct alias_table *table, const struct client *client)
{
	return same_host(table, client->next_in_bucket, client->host);
}

struct client *clients_of_flow(const struct alias_table *table, uint32_t host, uint16_t server_port,
			       uint16_t port)
{
	struct client *c;

	for (c = clients_first(table, host); c; c = clients_next(table, c))
		if (port && (server_port == NATT_PORT ? c->esp : c->ike) == port)
			break;
	return c;
}

struct client *clients_of_cookie(const struct alias_table *table, uint32_t host, const uint8_t *cookie,
				 struct exchange **exchange)
{
	for (struct client *c = clients_first(table, host); c; c = clients_next(table, c))
		for (size_t i = 0; i < EXCHANGES_MAX; i++) {
			*exchange = &c->exchanges[i];
			if ((*exchange)->used && !memcmp((*exchange)->cookie, cookie, ALIAS_COOKIE_LEN))
				return c;
		}
	*exchange = NULL;
	return NULL;
}

struct client *clients_of_number(const struct alias_table *table, uint32_t number)
{
	return number && number <= table->count ? at(table, table->owners[number]) : NULL;
}

struct client *clients_add(struct alias_table *table, uint32_t host)
{
	uint32_t index = table->free_clients, *first = bucket(table, host);
	struct client *client;

	if (index)
		table->free_clients = table->clients[index].next_in_bucket;
	else if (table->used_clients < CLIENTS_MAX)
		index = ++table->used_clients;
	else
		return NULL;
	client = at(table, index);
	*client = (struct client){.used = true, .host = host, .next_in_bucket = *first};
	*first = index;
	clients_list(table, client);
	table->stats.clients++;
	return client;
}

void clients_list(struct alias_table *table, struct client *client)
{
	const uint32_t index = index_of(table, client);

	if (client->listed)
		return;
	client->listed = true;
	client->older = table->newest;
	client->newer = 0;
	*(table->newest ? &table->clients[table->newest].newer : &table->oldest) = index;
	table->newest = index;
	table->stats.half_open += client->number != 0;
}

void clients_unlist(struct alias_table *table, struct client *client)
{
	if (!client->listed)
		return;
	client->listed = false;
	*(client->older ? &table->clients[client->older].newer : &table->oldest) = client->newer;
	*(client->newer ? &table->clients[client->newer].older : &table->newest) = client->older;
	table->stats.half_open -= client->number != 0;
}

struct client *clients_oldest(const struct alias_table *table)
{
	return at(table, table->oldest);
}

bool clients_take_alias(struct alias_table *table, struct client *client, uint32_t number)
{
	while (!number && table->free_count) {
		const uint16_t next = table->free_numbers[table->free_head];

		table->free_head = (table->free_head + 1) % NUMBERS_MAX;
		table->free_count--;
		if (!table->owners[next])
			number = next;
	}
	if (!number || number > table->count || table->owners[number])
		return false;
	table->owners[number] = index_of(table, client);
	client->number = (uint16_t)number;
	table->stats.aliases++;
	table->stats.half_open += client->listed;
	return true;
}

static void give_back(struct alias_table *table, const struct client *client)
{
	table->owners[client->number] = 0;
	table->stats.aliases--;
	if (table->free_count < NUMBERS_MAX)
		table->free_numbers[(table->free_head + table->free_count++) % NUMBERS_MAX] = client->number;
}

void clients_remove(struct alias_table *table, struct client *client)
{
	uint32_t *link = bucket(table, client->host);

	clients_unlist(table, client);
	if (client->number)
		give_back(table, client);
	while (*link != index_of(table, client))
		link = &table->clients[*link].next_in_bucket;
	*link = client->next_in_bucket;
	*client = (struct client){.next_in_bucket = table->free_clients};
	table->free_clients = index_of(table, client);
	table->stats.clients--;
}
