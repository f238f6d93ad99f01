/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk over a ruleset in nft's JSON (libnftables-json(5)). */
#include "shim/check/packet_path.h"

#include <arpa/inet.h>
#include <string.h>

#define DEPTH_MAX 16

enum tri { NO, MAYBE, YES };
enum fate { GOES_ON, ACCEPTED, DROPPED, RETURNED };

struct walk {
	const json_t *objects; /* the array "nftables" */
	const struct path_packet *packet;
	const char *family, *table;
	bool perhaps_accepted;
	bool perhaps_returned; /* from the chain that is being walked: then the caller's next rules decide as well */
	bool perhaps_happens; /* what is looked for */
	bool port_named;      /* the deciding rule matched the port */
	const char *to;       /* of the deciding rule: its new destination */
	unsigned depth;
};

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

/* ---- one match --------------------------------------------------------------------------------------------------- */

static enum tri not(enum tri t) { return t == YES ? NO : t == NO ? YES : MAYBE; }

static enum tri equals_text(const json_t *right, const char *value)
{
	const char *wanted = json_string_value(right);

	if (!wanted || *wanted == '@')
		return MAYBE;
	if (*wanted && wanted[strlen(wanted) - 1] == '*')
		return strncmp(wanted, value, strlen(wanted) - 1) ? NO : YES;
	return strcmp(wanted, value) ? NO : YES;
}

static enum tri equals_number(const json_t *right, json_int_t value)
{
	const json_t *range = json_object_get(right, "range");

	if (json_is_integer(right))
		return json_integer_value(right) == value ? YES : NO;
	if (range)
		return value >= json_integer_value(json_array_get(range, 0)) &&
				       value <= json_integer_value(json_array_get(range, 1))
			       ? YES
			       : NO;
	return MAYBE;
}

static bool parse_address(const json_t *json, uint32_t *out)
{
	const char *value = json_string_value(json);
	struct in_addr address;

	if (!value || inet_pton(AF_INET, value, &address) != 1)
		return false;
	*out = ntohl(address.s_addr);
	return true;
}

/* The right side is an address, a prefix or a range. */
static enum tri equals_address(const json_t *right, uint32_t value)
{
	const json_t *prefix = json_object_get(right, "prefix"), *range = json_object_get(right, "range");
	const json_int_t bits = prefix ? json_integer_value(json_object_get(prefix, "len")) : 32;
	uint32_t first, last;

	if (range)
		return parse_address(json_array_get(range, 0), &first) &&
				       parse_address(json_array_get(range, 1), &last)
			       ? value >= first && value <= last ? YES : NO
			       : MAYBE;
	if (!parse_address(prefix ? json_object_get(prefix, "addr") : right, &first) || bits < 0 || bits > 32)
		return MAYBE;
	return !bits || (value ^ first) >> (32 - bits) == 0 ? YES : NO;
}

/* The elements of a set of this table; NULL: not known, or changed by packets. */
static const json_t *named_set(const struct walk *w, const char *name)
{
	for (size_t i = 0; i < json_array_size(w->objects); i++) {
		const json_t *set = json_object_get(json_array_get(w->objects, i), "set");

		if (set && !strcmp(text(set, "family"), w->family) && !strcmp(text(set, "table"), w->table) &&
		    !strcmp(text(set, "name"), name))
			return json_object_get(set, "flags") ? NULL : json_object_get(set, "elem");
	}
	return NULL;
}

/* The right side's elements where it is a set or a list; NULL and *known false: they are not known. */
static const json_t *elements_of(const struct walk *w, const json_t *right, bool *known)
{
	const char *name = json_string_value(right);
	const json_t *set = json_object_get(right, "set"), *list = set ? set : right;

	if (name && *name == '@')
		list = named_set(w, name + 1);
	*known = list;
	return json_is_array(list) ? list : NULL;
}

static enum tri among_addresses(const struct walk *w, const json_t *right, uint32_t value)
{
	bool known;
	const json_t *list = elements_of(w, right, &known);
	enum tri best = NO;

	if (!list)
		return known ? equals_address(right, value) : MAYBE;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const enum tri t = equals_address(json_array_get(list, i), value);

		best = t > best ? t : best;
	}
	return best;
}

/* value, or if that is NULL number, is the right side, or in it where that is a set or a list. */
static enum tri among(const struct walk *w, const json_t *right, const char *value, json_int_t number)
{
	bool known;
	const json_t *list = elements_of(w, right, &known);
	enum tri best = NO;

	if (!list)
		return !known ? MAYBE : value ? equals_text(right, value) : equals_number(right, number);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const enum tri t = value ? equals_text(one, value) : equals_number(one, number);

		best = t > best ? t : best;
	}
	return best;
}

static enum tri match_number(const struct walk *w, const char *op, const json_t *right, json_int_t value)
{
	const json_int_t wanted = json_integer_value(right);

	if (!strcmp(op, "<"))
		return value < wanted ? YES : NO;
	if (!strcmp(op, ">"))
		return value > wanted ? YES : NO;
	if (!strcmp(op, "<="))
		return value <= wanted ? YES : NO;
	if (!strcmp(op, ">="))
		return value >= wanted ? YES : NO;
	return !strcmp(op, "!=") ? not(among(w, right, NULL, value)) : among(w, right, NULL, value);
}

static enum tri match_text(const struct walk *w, const char *op, const json_t *right, const char *value)
{
	return !strcmp(op, "!=") ? not(among(w, right, value, 0)) : among(w, right, value, 0);
}

static enum tri match_address(const struct walk *w, const char *field, const char *op, const json_t *right)
{
	const char *text_of = !strcmp(field, "saddr")   ? w->packet->saddr
			      : !strcmp(field, "daddr") ? w->packet->daddr
							: NULL;
	struct in_addr address;
	enum tri t;

	if (!text_of || inet_pton(AF_INET, text_of, &address) != 1)
		return MAYBE;
	t = among_addresses(w, right, ntohl(address.s_addr));
	return !strcmp(op, "!=") ? not(t) : t;
}

static enum tri match_payload(struct walk *w, const json_t *payload, const char *op, const json_t *right)
{
	const char *protocol = text(payload, "protocol"), *field = text(payload, "field");

	if (!strcmp(protocol, "ip") && !strcmp(field, "protocol"))
		return match_text(w, op, right, w->packet->protocol);
	if (!strcmp(protocol, "ip"))
		return match_address(w, field, op, right);
	if (!*protocol)
		return MAYBE;
	if (strcmp(protocol, w->packet->protocol) != 0 &&
	    (strcmp(protocol, "th") != 0 || (!w->packet->dport && !w->packet->reply)))
		return NO; /* another protocol: nft's implicit dependency */
	if (!strcmp(field, "sport") && w->packet->sport)
		return match_number(w, op, right, w->packet->sport);
	if (strcmp(field, "dport") != 0 || w->packet->reply)
		return MAYBE;
	const enum tri t = match_number(w, op, right, w->packet->dport);

	w->port_named |= t == YES && strcmp(op, "!=") != 0;
	return t;
}

static enum tri match_meta(const struct walk *w, const char *key, const char *op, const json_t *right)
{
	if (!strcmp(key, "l4proto"))
		return match_text(w, op, right, w->packet->protocol);
	if (!strcmp(key, "nfproto"))
		return match_text(w, op, right, "ipv4");
	if (!strcmp(key, "ipsec") || !strcmp(key, "secpath"))
		return json_is_boolean(right) && !w->packet->out
			       ? (json_is_true(right) == w->packet->secpath ? YES : NO)
			       : MAYBE;
	if (!strcmp(key, "iifname") || !strcmp(key, "iif")) {
		if (w->packet->out)
			return NO; /* whatever is compared */
		if (w->packet->iface)
			return match_text(w, op, right, w->packet->iface);
		if (!strcmp(w->table, "natshim"))
			return YES; /* natshim's own rules name the interfaces that clients come in on */
		return among(w, right, "lo", 0) == YES ? (strcmp(op, "!=") ? NO : YES) : MAYBE;
	}
	if (!strcmp(key, "oifname") || !strcmp(key, "oif"))
		return w->packet->oiface ? match_text(w, op, right, w->packet->oiface) : MAYBE;
	return MAYBE;
}

/* Whether any rule of anybody's changes where a packet goes. natshim's own for aliases do so with what this host sends from its IKE ports. */
static bool has_dnat(const struct walk *w)
{
	for (size_t i = 0; i < json_array_size(w->objects); i++) {
		const json_t *rule = json_object_get(json_array_get(w->objects, i), "rule"),
			     *exprs = json_object_get(rule, "expr");
		const bool of_aliases = !strcmp(text(rule, "table"), "natshim_alias");

		for (size_t j = 0; !of_aliases && j < json_array_size(exprs); j++) {
			const json_t *expr = json_array_get(exprs, j);
			const char *target = text(json_object_get(expr, "xt"), "name");

			if (json_object_get(expr, "dnat") || json_object_get(expr, "redirect") ||
			    !strcmp(target, "DNAT") || !strcmp(target, "REDIRECT"))
				return true;
		}
	}
	return false;
}

static enum tri match_left(struct walk *w, const json_t *left, const char *op, const json_t *right);

/* All parts of one element. */
static enum tri match_parts(struct walk *w, const json_t *parts, const json_t *element)
{
	const json_t *values = json_object_get(element, "concat");
	enum tri all = YES;

	if (json_array_size(values) != json_array_size(parts))
		return MAYBE;
	for (size_t i = 0; i < json_array_size(parts); i++) {
		const enum tri t = match_left(w, json_array_get(parts, i), "==", json_array_get(values, i));

		all = t < all ? t : all;
	}
	return all;
}

/* "iifname . udp dport { ... }" */
static enum tri match_concat(struct walk *w, const json_t *parts, const char *op, const json_t *right)
{
	bool known;
	const json_t *list = elements_of(w, right, &known);
	enum tri best = list || !known ? NO : match_parts(w, parts, right);

	if (!known)
		return MAYBE;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const enum tri t = match_parts(w, parts, json_array_get(list, i));

		best = t > best ? t : best;
	}
	return !strcmp(op, "!=") ? not(best) : best;
}

static enum tri match_left(struct walk *w, const json_t *left, const char *op, const json_t *right)
{
	const json_t *part;

	if ((part = json_object_get(left, "concat")))
		return match_concat(w, part, op, right);
	if ((part = json_object_get(left, "payload")))
		return match_payload(w, part, op, right);
	if ((part = json_object_get(left, "meta")))
		return match_meta(w, text(part, "key"), op, right);
	part = json_object_get(left, "ct");
	if (!strcmp(text(part, "key"), "state"))
		return match_text(w, op, right, w->packet->reply ? "established" : "new");
	if (!strcmp(text(part, "key"), "status") && json_is_string(right) &&
	    !strcmp(json_string_value(right), "dnat") && !has_dnat(w))
		return NO;
	return MAYBE;
}

/* ---- rules and chains -------------------------------------------------------------------------------------------- */

static enum fate walk_chain(struct walk *w, const char *chain);

/* A statement instead of a drop: PATH_DNAT, PATH_NOTRACK. */
static bool is_looked_for(struct walk *w, const json_t *expr)
{
	const json_t *dnat = json_object_get(expr, "dnat");
	const char *addr = json_string_value(json_object_get(dnat, "addr"));

	if (w->packet->what == PATH_NOTRACK)
		return json_object_get(expr, "notrack");
	if (w->packet->what == PATH_SNAT)
		return json_object_get(expr, "masquerade") || json_object_get(expr, "snat");
	if (dnat)
		w->to = addr;
	return dnat || json_object_get(expr, "redirect");
}

/* A verdict that the packet meets surely, or perhaps. */
static enum fate verdict(struct walk *w, const json_t *expr, enum tri sure)
{
	const json_t *jump = json_object_get(expr, "jump"), *go = json_object_get(expr, "goto");
	enum fate fate = GOES_ON;

	/* NOLINTBEGIN(bugprone-branch-clone): for different reasons */
	if (w->packet->what != PATH_VERDICT && json_object_get(expr, "drop"))
		fate = ACCEPTED; /* not what is looked for */
	else if (w->packet->what != PATH_VERDICT && is_looked_for(w, expr))
		fate = DROPPED;
	else if (json_object_get(expr, "accept") || json_object_get(expr, "queue"))
		fate = ACCEPTED;
	else if (json_object_get(expr, "drop") || json_object_get(expr, "reject"))
		fate = DROPPED;
	else if (json_object_get(expr, "return"))
		fate = RETURNED;
	else if (jump || go)
		fate = walk_chain(w, text(jump ? jump : go, "target"));
	/* NOLINTEND(bugprone-branch-clone) */
	if (go && fate == GOES_ON)
		fate = RETURNED;
	if (sure == YES)
		return fate;
	w->perhaps_happens |= fate == DROPPED;
	w->perhaps_accepted |= fate == ACCEPTED;
	w->perhaps_returned |= fate == RETURNED;
	return GOES_ON;
}

static enum fate walk_map(struct walk *w, const json_t *map, enum tri sure)
{
	const json_t *elements = json_object_get(json_object_get(map, "data"), "set");
	enum fate fate = GOES_ON;

	if (!elements)
		w->perhaps_accepted = true; /* a named map */
	for (size_t i = 0; fate == GOES_ON && i < json_array_size(elements); i++) {
		const json_t *element = json_array_get(elements, i);
		enum tri t = match_left(w, json_object_get(map, "key"), "==", json_array_get(element, 0));

		t = t < sure ? t : sure;
		if (t != NO)
			fate = verdict(w, json_array_get(element, 1), t);
	}
	return fate;
}

static enum fate walk_rule(struct walk *w, const json_t *exprs)
{
	enum tri sure = YES;

	w->port_named = false;
	for (size_t i = 0; i < json_array_size(exprs); i++) {
		const json_t *expr = json_array_get(exprs, i), *match = json_object_get(expr, "match"),
			     *map = json_object_get(expr, "vmap");
		enum fate fate;

		if (match) {
			const enum tri t = match_left(w, json_object_get(match, "left"), text(match, "op"),
						      json_object_get(match, "right"));

			if (t == NO)
				return GOES_ON;
			sure = t < sure ? t : sure;
			continue;
		}
		if (json_object_get(expr, "xt") || json_object_get(expr, "limit"))
			sure = MAYBE;
		fate = map ? walk_map(w, map, sure) : verdict(w, expr, sure);
		if (fate != GOES_ON)
			return fate;
	}
	return GOES_ON;
}

static bool is_rule_of(const struct walk *w, const json_t *rule, const char *chain)
{
	return rule && !strcmp(text(rule, "family"), w->family) && !strcmp(text(rule, "table"), w->table) &&
	       !strcmp(text(rule, "chain"), chain);
}

/* RETURNED comes out as GOES_ON: the caller's next rule, or the policy. So does what happens only if a rule that cannot be decided
 * has not led back before. */
static enum fate walk_chain(struct walk *w, const char *chain)
{
	const bool outer = w->perhaps_returned;
	enum fate fate = GOES_ON;

	if (w->depth == DEPTH_MAX)
		return GOES_ON;
	w->depth++;
	w->perhaps_returned = false;
	for (size_t i = 0; fate == GOES_ON && i < json_array_size(w->objects); i++) {
		const json_t *rule = json_object_get(json_array_get(w->objects, i), "rule");

		if (is_rule_of(w, rule, chain))
			fate = walk_rule(w, json_object_get(rule, "expr"));
	}
	w->depth--;
	if (w->perhaps_returned) {
		w->perhaps_accepted |= fate == ACCEPTED;
		fate = GOES_ON;
	}
	w->perhaps_returned = outer;
	return fate == RETURNED ? GOES_ON : fate;
}

static bool has_device(const json_t *devices, const char *iface)
{
	if (!devices)
		return true; /* nft 1.0.6 does not print it */
	if (!json_is_array(devices))
		return json_is_string(devices) && !strcmp(json_string_value(devices), iface);
	for (size_t i = 0; i < json_array_size(devices); i++)
		if (has_device(json_array_get(devices, i), iface))
			return true;
	return false;
}

/* On the packet's way, and of the kind that can do what is looked for. */
static bool is_on_the_way(const json_t *chain, const struct path_packet *packet)
{
	const char *family = text(chain, "family"), *hook = text(chain, "hook");

	if (!chain)
		return false;
	if (!strcmp(hook, "ingress")) /* of the family netdev, or inet */
		return packet->what == PATH_VERDICT && !packet->secpath && !packet->forwarded &&
		       !packet->out && packet->iface &&
		       has_device(json_object_get(chain, "dev"), packet->iface);
	if (strcmp(family, "inet") != 0 && strcmp(family, "ip") != 0 && strncmp(family, "iptables", 8) != 0)
		return false;
	if (packet->what == PATH_DNAT)
		return !strcmp(hook, "prerouting") && !strcmp(text(chain, "type"), "nat");
	if (packet->what == PATH_SNAT)
		return !strcmp(hook, "postrouting") && !strcmp(text(chain, "type"), "nat");
	if (packet->what == PATH_NOTRACK)
		return !strcmp(hook, packet->out ? "output" : "prerouting");
	if (packet->out)
		return !strcmp(hook, "output") || !strcmp(hook, "postrouting");
	if (packet->forwarded)
		return !strcmp(hook, "forward");
	return !strcmp(hook, "prerouting") || !strcmp(hook, "input");
}

typedef bool place_fn(const struct walk *w, enum fate fate, bool by_policy);

static bool is_drop(const struct walk *w, enum fate fate, bool by_policy)
{
	(void)by_policy;
	return fate == DROPPED && !w->perhaps_accepted;
}

static bool is_perhaps_drop(const struct walk *w, enum fate fate, bool by_policy)
{
	(void)by_policy;
	return fate == DROPPED && w->perhaps_accepted;
}

static bool is_accept_by_rule(const struct walk *w, enum fate fate, bool by_policy)
{
	return fate == ACCEPTED && !by_policy && w->port_named;
}

static bool search(const json_t *ruleset, const struct path_packet *packet, place_fn *fits,
		   struct path_place *place)
{
	const json_t *objects = json_object_get(ruleset, "nftables");

	for (size_t i = 0; i < json_array_size(objects); i++) {
		const json_t *chain = json_object_get(json_array_get(objects, i), "chain");
		struct walk w = {.objects = objects, .packet = packet};
		enum fate fate;
		bool by_policy;

		if (!is_on_the_way(chain, packet))
			continue;
		w.family = text(chain, "family");
		w.table = text(chain, "table");
		fate = walk_chain(&w, text(chain, "name"));
		by_policy = fate == GOES_ON;
		if (by_policy)
			fate = strcmp(text(chain, "policy"), "drop") != 0 || packet->what != PATH_VERDICT
				       ? ACCEPTED
				       : DROPPED;
		if (!fits(&w, fate, by_policy))
			continue;
		*place = (struct path_place){w.family, w.table, text(chain, "name"), by_policy, w.to};
		return true;
	}
	return false;
}

bool path_drops(const json_t *ruleset, const struct path_packet *packet, struct path_place *place)
{
	return search(ruleset, packet, is_drop, place);
}

bool path_perhaps_drops(const json_t *ruleset, const struct path_packet *packet, struct path_place *place)
{
	return search(ruleset, packet, is_perhaps_drop, place);
}

bool path_accepts_by_rule(const json_t *ruleset, const struct path_packet *packet, struct path_place *place)
{
	return search(ruleset, packet, is_accept_by_rule, place);
}

static bool is_perhaps(const struct walk *w, enum fate fate, bool by_policy)
{
	(void)fate;
	(void)by_policy;
	return w->perhaps_happens;
}

bool path_perhaps_happens(const json_t *ruleset, const struct path_packet *packet)
{
	struct path_place ignored;

	return search(ruleset, packet, is_perhaps, &ignored);
}

bool path_table_has(const json_t *ruleset, const char *table, const char *statement)
{
	const json_t *objects = json_object_get(ruleset, "nftables");

	for (size_t i = 0; i < json_array_size(objects); i++) {
		const json_t *rule = json_object_get(json_array_get(objects, i), "rule"),
			     *exprs = json_object_get(rule, "expr");

		if (strcmp(text(rule, "table"), table) != 0)
			continue;
		if (rule && !statement)
			return true;
		for (size_t j = 0; j < json_array_size(exprs); j++)
			if (json_object_get(json_array_get(exprs, j), statement))
				return true;
	}
	return false;
}
