/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identities of phase 1 (RFC 2407 section 4.6.2) that collide: clients behind different NATs that have the same private address,
 * and so the same name. A server that wants names to be unique ends the older session without a word; so it hears of the
 * newer one by an address that nobody else has. Names that are not addresses are left alone, for the server's
 * configuration may ask for one of them. */
#include "shim/bridge/impl.h"

enum { ID_IPV4_ADDR = 1, ID_IPV6_ADDR = 5, NAME_HEAD = 4, NAME_IPV4_LEN = NAME_HEAD + 4 };

static bool is_address(const struct identity *id)
{
	return (id->length == NAME_IPV4_LEN && id->body[0] == ID_IPV4_ADDR) ||
	       (id->length == NAME_HEAD + 16 && id->body[0] == ID_IPV6_ADDR);
}

/* An address is one name, whatever protocol and port are said with it: servers compare it alone. */
static bool same_name(const struct identity *a, const struct identity *b)
{
	if (!is_address(a) || !is_address(b))
		return identity_is(a, identity_bytes(b));
	return a->length == b->length && a->body[0] == b->body[0] &&
	       !memcmp(a->body + NAME_HEAD, b->body + NAME_HEAD, a->length - NAME_HEAD);
}

/* Another host's session has that name towards the server. */
static bool is_taken(const struct bridge *bridge, const struct isakmp_sa *s, const struct identity *name)
{
	const struct isakmp_sa *other = NULL;

	for (enum list list = LIST_HALF_OPEN; list <= LIST_ESTABLISHED; list++) {
		DL_FOREACH(bridge->head[list], other)
		{
			/* cppcheck-suppress uninitvar; the macro sets it */
			if (other != s && same_name(&other->told_name, name) &&
			    !endpoint_same_host(&other->client, &s->client))
				return true;
		}
	}
	return false;
}

/* The one that this client has had; else, with *had false, the one that was not used for longest. */
static struct alias *find_alias(struct bridge *bridge, const struct isakmp_sa *s, const struct identity *name,
				bool *had)
{
	struct alias *found = &bridge->aliases[0];

	*had = true;
	for (unsigned i = 0; i < BRIDGE_ALIAS_COUNT; i++) {
		struct alias *a = &bridge->aliases[i];

		if (same_name(&a->name, name) && endpoint_same_host(&a->nat, &s->client))
			return a;
		if (a->used_ms < found->used_ms)
			found = a;
	}
	*had = false;
	return found;
}

/* Protocol and port stay as the client has them. */
static void give_alias(const struct bridge *bridge, struct isakmp_sa *s, const struct alias *a)
{
	const uint32_t address = BRIDGE_ALIAS_FIRST + (uint32_t)(a - bridge->aliases);

	s->renamed = true;
	s->told_name.length = NAME_IPV4_LEN;
	s->told_name.body[0] = ID_IPV4_ADDR;
	for (unsigned i = 0; i < 4; i++)
		s->told_name.body[NAME_HEAD + i] = (uint8_t)(address >> (24 - 8 * i));
}

void bridge_name_client(struct message_ctx *ctx, struct isakmp_sa *s, struct payload *id)
{
	struct bridge *bridge = ctx->bridge;
	struct identity name;
	struct alias *alias;
	bool had;

	if (!identity_keep(&name, id->body))
		return;
	s->told_name = name;
	if (!is_address(&name))
		return;
	alias = find_alias(bridge, s, &name, &had);
	if (!had && !is_taken(bridge, s, &name))
		return;
	alias->nat = s->client;
	alias->name = name;
	alias->used_ms = ctx->now;
	give_alias(bridge, s, alias);
	id->body = identity_bytes(&s->told_name);
}

void bridge_tell_alias(const struct isakmp_sa *s, struct bridge_result *result)
{
	result->renamed = s->renamed;
	if (s->renamed)
		memcpy(result->alias, s->told_name.body + NAME_HEAD, sizeof result->alias);
}
