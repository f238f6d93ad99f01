/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients as lines of text, for a restart. What is read is checked like a packet: another program may have written it. */
#include "shim/alias/impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MIN 5
#define WORDS_MAX 7

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
		char line[4 * ENDPOINT_TEXT_MAX + 64], known[8] = "";
		const bool offer = table->config.offer_name && clients_has_offer(c);

		if (!c->used || (!c->number && !c->lived) || (!c->ike && !c->esp))
			continue;
		if (c->known != c->esp)
			snprintf(known, sizeof known, " %u", c->known);
		snprintf(line, sizeof line, "%s %s %s %s %" PRIu64 "%s%s%s",
			 word_of(clients_alias(table, c, 0), c->number, alias),
			 word_of(clients_server(c, 0), true, server),
			 word_of(clients_real(c, c->ike), c->ike, ike),
			 word_of(clients_real(c, c->esp), c->esp, esp),
			 now_ms - (c->since_ms ? c->since_ms : c->began_ms), known, offer ? " " : "",
			 offer ? table->config.offer_name(c->offer) : "");
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

struct record {
	struct endpoint alias, server, ike, esp; /* addr_len 0: it has none */
	uint64_t age_ms;
	uint16_t known;
	bool has_offer;
	uint8_t offer;
};

/* The words after the first five. */
static bool read_more(const struct alias_table *table, char *const *words, size_t count, struct record *r)
{
	r->known = r->esp.port;
	if (count && words[0][0] >= '0' && words[0][0] <= '9') {
		if (!r->esp.addr_len || !read_port(words[0], &r->known))
			return false;
		words++;
		count--;
	}
	r->has_offer = count != 0;
	return !count ||
	       (count == 1 && table->config.offer_parse && table->config.offer_parse(words[0], &r->offer));
}

/* No two clients have one flow, and none has two addresses. */
static bool is_sound(const struct alias_table *table, const struct record *r)
{
	const struct endpoint *const any = r->ike.addr_len ? &r->ike : &r->esp;
	const uint32_t host = clients_host(any);

	if (!any->addr_len || clients_in_net(table, host))
		return false;
	if (r->ike.addr_len && r->esp.addr_len && !endpoint_same_host(&r->ike, &r->esp))
		return false;
	if (!r->alias.addr_len && r->known && is_known(table, host, r->known))
		return false;
	return !clients_of_flow(table, host, IKE_PORT, r->ike.port) &&
	       !clients_of_flow(table, host, NATT_PORT, r->esp.port);
}

static bool put_back(struct alias_table *table, uint64_t now_ms, const struct record *r, uint64_t more_ms)
{
	const uint64_t age_ms = r->age_ms + more_ms;
	const uint32_t number = clients_host(&r->alias) - table->net;
	struct client *c;

	if (r->alias.addr_len && (!clients_in_net(table, clients_host(&r->alias)) || !number))
		return false;
	c = clients_add(table, clients_host(r->ike.addr_len ? &r->ike : &r->esp));
	if (!c)
		return false;
	clients_unlist(table, c);
	if (r->alias.addr_len && !clients_take_alias(table, c, number)) {
		clients_remove(table, c);
		return false;
	}
	c->server = clients_host(&r->server);
	c->ike = r->ike.port;
	c->esp = r->esp.port;
	c->known = r->known;
	table->stats.moved_now += !c->number && c->known != c->esp;
	c->lived = c->restored = true;
	c->lived_ms = now_ms;
	c->since_ms = age_ms < now_ms ? now_ms - age_ms : 0;
	c->began_ms = c->since_ms;
	c->offer = r->offer;
	if (r->has_offer && (c->number || more_ms <= ALIAS_OFFER_KEPT_MS))
		c->offered = c->number ? OFFER_PROVEN : OFFER_HEARD;
	return true;
}

bool alias_restore(struct alias_table *table, uint64_t now_ms, const char *line, uint64_t more_ms)
{
	char copy[ALIAS_TEXT_MAX], *words[WORDS_MAX], *at = NULL;
	struct record r = {.known = 0};
	size_t count = 0;

	if (strlen(line) >= sizeof copy)
		return false;
	snprintf(copy, sizeof copy, "%s", line);
	for (char *word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
		if (count == WORDS_MAX)
			return false;
		words[count++] = word;
	}
	return count >= WORDS_MIN && read_endpoint(words[0], false, &r.alias) &&
	       read_endpoint(words[1], false, &r.server) && r.server.addr_len &&
	       read_endpoint(words[2], true, &r.ike) && read_endpoint(words[3], true, &r.esp) &&
	       read_age(words[4], &r.age_ms) && r.age_ms <= UINT64_MAX - more_ms &&
	       read_more(table, words + WORDS_MIN, count - WORDS_MIN, &r) && is_sound(table, &r) &&
	       put_back(table, now_ms, &r, more_ms);
}
