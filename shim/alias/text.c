/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients as lines of text, for a restart. What is read is checked like a packet: another program may have written it. */
#include "shim/alias/impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MIN 5
#define WORDS_MAX 6

static const char *word_of(struct endpoint at, bool there, char out[static ENDPOINT_TEXT_MAX])
{
	if (there)
		return endpoint_text(&at, out);
	snprintf(out, ENDPOINT_TEXT_MAX, "-");
	return out;
}

void alias_each_text(const struct alias_table *table, uint64_t now_ms, alias_text_fn *fn, void *ctx)
{
	for (uint32_t i = 1; i <= table->used_clients; i++) {
		const struct client *c = &table->clients[i];
		char alias[ENDPOINT_TEXT_MAX], server[ENDPOINT_TEXT_MAX], ike[ENDPOINT_TEXT_MAX],
			esp[ENDPOINT_TEXT_MAX];
		char line[4 * ENDPOINT_TEXT_MAX + 32], known[8] = "";

		if (!c->used || (!c->number && !c->lived) || (!c->ike && !c->esp))
			continue;
		if (c->known != c->esp)
			snprintf(known, sizeof known, " %u", c->known);
		snprintf(line, sizeof line, "%s %s %s %s %" PRIu64 "%s",
			 word_of(clients_alias(table, c, 0), c->number, alias),
			 word_of(clients_server(c, 0), true, server),
			 word_of(clients_real(c, c->ike), c->ike, ike),
			 word_of(clients_real(c, c->esp), c->esp, esp),
			 now_ms - (c->since_ms ? c->since_ms : c->began_ms), known);
		fn(ctx, line);
	}
}

/* "-" is none; else an IPv4 address, with a port or without. */
static bool read_endpoint(const char *word, bool port, struct endpoint *out)
{
	*out = (struct endpoint){.addr_len = 0};
	if (!strcmp(word, "-"))
		return true;
	return endpoint_parse(word, out) && out->addr_len == 4 && (out->port != 0) == port;
}

static bool read_age(const char *word, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(word, &end, 10);
	return word[0] >= '0' && word[0] <= '9' && !*end && !errno;
}

static bool read_port(const char *word, uint16_t *out)
{
	uint64_t port;

	if (!read_age(word, &port) || !port || port > UINT16_MAX)
		return false;
	*out = (uint16_t)port;
	return true;
}

/* No two clients without an alias are known by one port. */
static bool is_known(const struct alias_table *table, uint32_t host, uint16_t known)
{
	const struct client *c = clients_first(table, host);

	while (c && (c->number || c->known != known))
		c = clients_next(table, c);
	return c;
}

/* No two clients have one flow, and none has two addresses. */
static bool is_sound(const struct alias_table *table, const struct endpoint *ike, const struct endpoint *esp)
{
	const struct endpoint *const any = ike->addr_len ? ike : esp;
	const uint32_t host = clients_host(any);

	if (!any->addr_len || clients_in_net(table, host))
		return false;
	if (ike->addr_len && esp->addr_len && !endpoint_same_host(ike, esp))
		return false;
	return !clients_of_flow(table, host, IKE_PORT, ike->port) &&
	       !clients_of_flow(table, host, NATT_PORT, esp->port);
}

static bool put_back(struct alias_table *table, uint64_t now_ms, const struct endpoint *alias,
		     const struct endpoint *server, const struct endpoint *ike, const struct endpoint *esp,
		     uint16_t known, uint64_t age_ms)
{
	const uint32_t number = clients_host(alias) - table->net;
	struct client *c;

	if (!alias->addr_len && known && is_known(table, clients_host(esp->addr_len ? esp : ike), known))
		return false;

	if (alias->addr_len && (!clients_in_net(table, clients_host(alias)) || !number))
		return false;
	c = clients_add(table, clients_host(ike->addr_len ? ike : esp));
	if (!c)
		return false;
	clients_unlist(table, c);
	if (alias->addr_len && !clients_take_alias(table, c, number)) {
		clients_remove(table, c);
		return false;
	}
	c->server = clients_host(server);
	c->ike = ike->port;
	c->esp = esp->port;
	c->known = known;
	table->stats.moved_now += !c->number && c->known != c->esp;
	c->lived = true;
	c->lived_ms = now_ms;
	c->since_ms = age_ms < now_ms ? now_ms - age_ms : 0;
	c->began_ms = c->since_ms;
	return true;
}

bool alias_restore(struct alias_table *table, uint64_t now_ms, const char *line, uint64_t more_ms)
{
	char copy[ALIAS_TEXT_MAX], *words[WORDS_MAX], *at = NULL;
	struct endpoint alias, server, ike, esp;
	uint16_t known = 0;
	size_t count = 0;
	uint64_t age_ms;

	if (strlen(line) >= sizeof copy)
		return false;
	snprintf(copy, sizeof copy, "%s", line);
	for (char *word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
		if (count == WORDS_MAX)
			return false;
		words[count++] = word;
	}
	if (count < WORDS_MIN || (count == WORDS_MAX && (!read_port(words[5], &known) || words[3][0] == '-')))
		return false;
	return read_endpoint(words[0], false, &alias) && read_endpoint(words[1], false, &server) &&
	       server.addr_len && read_endpoint(words[2], true, &ike) &&
	       read_endpoint(words[3], true, &esp) && read_age(words[4], &age_ms) &&
	       age_ms <= UINT64_MAX - more_ms && is_sound(table, &ike, &esp) &&
	       put_back(table, now_ms, &alias, &server, &ike, &esp, known ? known : esp.port,
			age_ms + more_ms);
}
