/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of servers, and a set of (server, client) pairs learned from first messages. */
#include "shim/cmd/roles.h"

#include <stdlib.h>
#include <string.h>

#define HASH_FUNCTION HASH_OAT /* the one without a switch that falls through */
#include <uthash.h>

struct pair_key {
	uint8_t server[17], client[17]; /* address length and address */
};

struct pair {
	struct pair_key key;
	UT_hash_handle hh;
};

struct host {
	struct endpoint addr; /* port 0 */
	UT_hash_handle hh;
};

struct roles {
	bool named; /* servers is what the user said, and is not added to */
	struct host *servers;
	struct pair *pairs;
};

struct roles *roles_new(void)
{
	return calloc(1, sizeof(struct roles));
}

void roles_free(struct roles *roles)
{
	struct host *host;
	struct pair *pair;

	if (!roles)
		return;
	host = roles->servers;
	pair = roles->pairs;
	HASH_CLEAR(hh, roles->servers); /* the tables only: the entries stay linked */
	HASH_CLEAR(hh, roles->pairs);
	while (host) {
		struct host *next = host->hh.next;

		free(host);
		host = next;
	}
	while (pair) {
		struct pair *next = pair->hh.next;

		free(pair);
		pair = next;
	}
	free(roles);
}

static struct endpoint without_port(const struct endpoint *e)
{
	struct endpoint host = *e;

	host.port = 0;
	return host;
}

static bool is_server(const struct roles *roles, const struct endpoint *e)
{
	const struct endpoint host = without_port(e);
	struct host *found = NULL;

	HASH_FIND(hh, roles->servers, &host, sizeof host, found);
	return found != NULL;
}

static bool add_server(struct roles *roles, const struct endpoint *e)
{
	if (is_server(roles, e))
		return true;
	struct host *host = calloc(1, sizeof *host);

	if (!host)
		return false;
	host->addr = without_port(e);
	HASH_ADD(hh, roles->servers, addr, sizeof host->addr, host);
	return true;
}

bool roles_name_server(struct roles *roles, const struct endpoint *host)
{
	roles->named = true;
	return add_server(roles, host);
}

static struct pair_key make_key(const struct endpoint *server, const struct endpoint *client)
{
	struct pair_key key = {.server[0] = server->addr_len, .client[0] = client->addr_len};

	memcpy(key.server + 1, server->addr, sizeof server->addr);
	memcpy(key.client + 1, client->addr, sizeof client->addr);
	return key;
}

static bool is_pair(const struct roles *roles, const struct endpoint *server, const struct endpoint *client)
{
	const struct pair_key key = make_key(server, client);
	struct pair *found = NULL;

	HASH_FIND(hh, roles->pairs, &key, sizeof key, found);
	return found != NULL;
}

static void add_pair(struct roles *roles, const struct endpoint *server, const struct endpoint *client)
{
	struct pair *pair = calloc(1, sizeof *pair);

	if (!pair)
		return;
	pair->key = make_key(server, client);
	HASH_ADD(hh, roles->pairs, key, sizeof pair->key, pair);
}

static bool known_direction(const struct roles *roles, const struct endpoint *src, const struct endpoint *dst,
			    enum ike_direction *out)
{
	if (is_pair(roles, dst, src))
		*out = IKE_TO_SERVER;
	else if (is_pair(roles, src, dst))
		*out = IKE_TO_CLIENT;
	else
		return false;
	return true;
}

bool roles_direction(struct roles *roles, const struct endpoint *src, const struct endpoint *dst,
		     bool first_message, enum ike_direction *out)
{
	if (known_direction(roles, src, dst, out))
		return true;
	const bool to_server = is_server(roles, dst), from_server = is_server(roles, src);

	if (!first_message || (roles->named && !to_server && !from_server)) {
		if (to_server || from_server)
			*out = to_server ? IKE_TO_SERVER : IKE_TO_CLIENT;
		return to_server || from_server;
	}
	if (from_server && !to_server) {
		add_pair(roles, src, dst);
		*out = IKE_TO_CLIENT;
		return true;
	}
	add_pair(roles, dst, src);
	if (!roles->named)
		add_server(roles, dst);
	*out = IKE_TO_SERVER;
	return true;
}
