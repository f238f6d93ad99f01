/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which tables, sets, chains and rules natshim wants, from its options: the one place where that is decided.
 * The offsets are those of the ISAKMP header (RFC 2408 section 3.1) and the L2TP header (RFC 2661
 * section 3.1) behind a UDP header; on port 4500 the non-ESP marker (RFC 3948 section 2.2) comes first.
 *
 * Every packet of the host passes the base chains, data of a tunnel three times: hence one chain at each place, the
 * cheapest and most selective match first, and the interface, which is looked up in a set, last (docs/performance.md). */
#include "rules/ruleset_impl.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	UDP_LENGTH_BITS = 32, /* from the start of the UDP header */
	UDP_HEADER_BITS = 64,
	MARKER_BITS = 32,
	L2TP_PORT = 1701,
	ISAKMP_INITIATOR_COOKIE = 0, /* bits from the start of the ISAKMP header */
	ISAKMP_RESPONDER_COOKIE = 64,
	ISAKMP_NEXT_PAYLOAD = 128,
	ISAKMP_MAJOR_VERSION = 136,
	ISAKMP_EXCHANGE_TYPE = 144,
	ISAKMP_FLAG_ENCRYPTED = 159,
	L2TP_T_BIT = 0, /* from the start of the L2TP header */
	ALIVE_TIMEOUT_S = 600,
	EXCHANGE_TIMEOUT_S = 120,
	ANSWERED_TIMEOUT_S = 60,
	PEER_TIMEOUT_S = 8 * 3600,
	HELD_TIMEOUT_S = 15,
	SPI_BITS = 32,
	FIRST_TIMEOUT_S = 5, /* of an address' bucket, which is full again by then */
	SET_SIZE = 65535,
	BRIDGED_SIZE =
		131072, /* 65536 exchanges before message 3, 32768 that had to go, 2048 half-open and 4096 complete ones (shim/bridge/bridge.h) */
	SET_GC_S = 60,  /* the kernel makes a table for SET_SIZE at once, and walks all of it each time */
	KEEPALIVE_UDP_LENGTH = 9, /* one byte: RFC 3948 section 2.3 */
};

#define SEEN "seen" /* notes signs of life */
#define L2TP_IN "l2tp_in"

/* Main Mode (Identity Protection) and Aggressive Mode: RFC 2408 section 3.1. */
static const uint8_t phase1_modes[] = {2, 4};

/* The two ports of IKE, 4500 first since ESP uses it, with the chains that look at a message of IKE there, and at a clear
 * one of phase 1. */
static const struct ike_port {
	uint16_t port, isakmp; /* isakmp: where its header starts, in bits from the UDP header */
	const char *in, *out;  /* what is not IKE only; NULL: the port of IKE alone */
	const char *ike_in, *ike_out, *clear_in, *clear_out;
	const char *note[2]; /* as in notes[] */
} ike_ports[] = {
	{4500,
	 UDP_HEADER_BITS + MARKER_BITS,
	 "in_4500",
	 "out_4500",
	 "ike_in_4500",
	 "ike_out_4500",
	 "clear_in_4500",
	 "clear_out_4500",
	 {"note_4500", "note_10s_4500"}},
	{500,
	 UDP_HEADER_BITS,
	 NULL,
	 NULL,
	 "ike_in_500",
	 "ike_out_500",
	 "clear_in_500",
	 "clear_out_500",
	 {"note_500", "note_10s_500"}},
};
static const struct {
	uint32_t mark;
	unsigned seconds; /* 0: the set's own time */
	const char *infix;
} notes[] = {
	{RULES_MARK_NOTE, 0, ""},
	{RULES_MARK_NOTE_10S, 10, "-10s"},
};
enum { NOTES = sizeof notes / sizeof *notes };
/* NOLINTNEXTLINE(bugprone-macro-parentheses): p is the name of a variable */
#define EACH_IKE_PORT(p) for (const struct ike_port *p = ike_ports; p < ike_ports + 2; p++)

static const struct rules_set_place set_places[RULES_SETS] = {
	[RULES_SET_EXCHANGES] = {RULES_QUEUE_TABLE, "exchanges", RULES_KEY_COOKIE, RULES_MAP_NONE},
	[RULES_SET_ANY_ANSWER] = {RULES_QUEUE_TABLE, "any_answer", RULES_KEY_RAW_WORD, RULES_MAP_NONE},
	[RULES_SET_PEERS4] = {RULES_QUEUE_TABLE, "peers4", RULES_KEY_IPV4, RULES_MAP_NONE},
	[RULES_SET_PEERS6] = {RULES_QUEUE_TABLE, "peers6", RULES_KEY_IPV6, RULES_MAP_NONE},
	[RULES_SET_ALIVE4] = {RULES_QUEUE_TABLE, "alive4", RULES_KEY_IPV4_PORT, RULES_MAP_NONE},
	[RULES_SET_ALIVE6] = {RULES_QUEUE_TABLE, "alive6", RULES_KEY_IPV6_PORT, RULES_MAP_NONE},
	[RULES_SET_WATCHED4] = {RULES_QUEUE_TABLE, "watched4", RULES_KEY_IPV4_PORT, RULES_MAP_NONE},
	[RULES_SET_WATCHED6] = {RULES_QUEUE_TABLE, "watched6", RULES_KEY_IPV6_PORT, RULES_MAP_NONE},
	[RULES_SET_L2TP4] = {RULES_QUEUE_TABLE, "l2tp4", RULES_KEY_SPI_IPV4_PORT, RULES_MAP_NONE},
	[RULES_SET_L2TP6] = {RULES_QUEUE_TABLE, "l2tp6", RULES_KEY_SPI_IPV6_PORT, RULES_MAP_NONE},
	[RULES_SET_BRIDGED] = {RULES_QUEUE_TABLE, "bridged", RULES_KEY_COOKIE, RULES_MAP_NONE},
	[RULES_SET_HELD] = {RULES_QUEUE_TABLE, "held", RULES_KEY_RAW_WORD, RULES_MAP_NONE},
	[RULES_SET_ALIASED] = {RULES_QUEUE_TABLE, "aliased", RULES_KEY_IPV4_PORT_COOKIE, RULES_MAP_NONE},
	[RULES_SET_ANSWERED] = {RULES_QUEUE_TABLE, "answered", RULES_KEY_IPV4_COOKIES, RULES_MAP_NONE},
	[RULES_SET_ALIAS_IN] = {RULES_ALIAS_TABLE, "alias_in", RULES_KEY_IPV4_PORT_PORT, RULES_MAP_IPV4_PORT},
	[RULES_SET_ALIAS_OUT] = {RULES_ALIAS_TABLE, "alias_out", RULES_KEY_IPV4_PORT_PORT,
				 RULES_MAP_IPV4_PORT},
	[RULES_SET_ALIAS_HOSTS] = {RULES_ALIAS_TABLE, "alias_hosts", RULES_KEY_IPV4, RULES_MAP_NONE},
	[RULES_SET_ALIAS_FLOWS] = {RULES_ALIAS_TABLE, "alias_flows", RULES_KEY_IPV4_PORT, RULES_MAP_NONE},
};

const struct rules_set_place *ruleset_set_place(enum rules_set set)
{
	return set < RULES_SETS ? &set_places[set] : NULL;
}

size_t ruleset_key_length(enum rules_key key)
{
	static const size_t lengths[] = {
		[RULES_KEY_IFNAME] = IFNAMSIZ,
		[RULES_KEY_IPV4] = 4,
		[RULES_KEY_IPV6] = 16,
		[RULES_KEY_COOKIE] = 8,
		[RULES_KEY_IPV4_PORT] = 8,
		[RULES_KEY_IPV6_PORT] = 20,
		[RULES_KEY_RAW_WORD] = 4,
		[RULES_KEY_SPI_IPV4_PORT] = 12,
		[RULES_KEY_SPI_IPV6_PORT] = 24,
		[RULES_KEY_IPV4_PORT_PORT] = 12,
		[RULES_KEY_IPV4_PORT_COOKIE] = 16,
		[RULES_KEY_IPV4_COOKIES] = 20,
	};
	return lengths[key];
}

size_t ruleset_data_length(enum rules_map map)
{
	static const size_t lengths[] = {[RULES_MAP_NONE] = 0, [RULES_MAP_IPV4_PORT] = 8};

	return lengths[map];
}

static void add_set(struct rules_table *table, struct rules_set_def set)
{
	assert(table->set_count < RULES_SETS_MAX);
	table->sets[table->set_count++] = set;
}

static struct rules_chain *add_chain(struct rules_table *table, const char *name)
{
	assert(table->chain_count < RULES_CHAINS_MAX);
	struct rules_chain *chain = &table->chains[table->chain_count++];
	chain->name = name;
	return chain;
}

static struct rules_chain *add_base_chain(struct rules_table *table, const char *name, enum rules_hook hook,
					  int priority)
{
	struct rules_chain *chain = add_chain(table, name);
	chain->hook = hook;
	chain->priority = priority;
	return chain;
}

static struct rules_rule *add_rule(struct rules_chain *chain)
{
	assert(chain->rule_count < RULES_RULES_MAX);
	return &chain->rules[chain->rule_count++];
}

static void add_item(struct rules_rule *rule, struct rules_item item)
{
	assert(rule->item_count < RULES_ITEMS_MAX);
	rule->items[rule->item_count++] = item;
}

static void add(struct rules_rule *rule, enum rules_item_kind kind)
{
	add_item(rule, (struct rules_item){.kind = kind});
}

static void add_value(struct rules_rule *rule, enum rules_item_kind kind, uint64_t value)
{
	add_item(rule, (struct rules_item){.kind = kind, .value = value});
}

static void add_name(struct rules_rule *rule, enum rules_item_kind kind, const char *name)
{
	add_item(rule, (struct rules_item){.kind = kind, .name = name});
}

static void add_raw(struct rules_rule *rule, unsigned offset, unsigned bits, uint64_t value)
{
	add_item(rule, (struct rules_item){.kind = ITEM_RAW,
					   .offset = (uint16_t)offset,
					   .bits = (uint16_t)bits,
					   .value = value});
}

static void add_raw_in(struct rules_rule *rule, unsigned offset, unsigned bits, const char *set)
{
	add_item(rule, (struct rules_item){.kind = ITEM_RAW_IN,
					   .offset = (uint16_t)offset,
					   .bits = (uint16_t)bits,
					   .name = set});
}

static void add_cookies(struct rules_rule *rule, enum rules_item_kind kind, unsigned offset, unsigned bits,
			enum rules_set set)
{
	add_item(rule, (struct rules_item){.kind = kind,
					   .offset = (uint16_t)offset,
					   .bits = (uint16_t)bits,
					   .name = set_places[set].name});
}

static void add_cookie_in(struct rules_rule *rule, unsigned offset, const char *set)
{
	add_raw_in(rule, offset, 64, set);
}

__attribute__((format(printf, 2, 3))) static void name_rule(struct rules_rule *rule, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(rule->name, sizeof(rule->name), format, args);
	va_end(args);
	add(rule, ITEM_COUNTER);
}

/* udp dport|sport PORT: how every rule of a base chain begins. */
static struct rules_rule *add_udp_rule(struct rules_chain *chain, uint16_t port)
{
	struct rules_rule *rule = add_rule(chain);

	const bool out = chain->hook == RULES_HOOK_POSTROUTING || chain->hook == RULES_HOOK_OUTPUT;

	add_value(rule, out ? ITEM_UDP_SPORT : ITEM_UDP_DPORT, port);
	return rule;
}

/* On the interfaces, from clients or to them. */
static void add_interfaces(struct rules_rule *rule, bool in)
{
	add_name(rule, in ? ITEM_IIF : ITEM_OIF, RULES_INTERFACES);
}

static uint16_t known_queue(const struct rules_options *o)
{
	return (uint16_t)RULES_QUEUE_KNOWN(o->queue_number);
}

/* Exchanges of which everything comes up on this port, before anything else is looked at. */
static void add_by_cookie(struct rules_chain *chain, const struct ike_port *p, uint16_t queue,
			  enum rules_set set, const char *name)
{
	struct rules_rule *rule = add_rule(chain);

	add_cookie_in(rule, p->isakmp + ISAKMP_INITIATOR_COOKIE, set_places[set].name);
	name_rule(rule, "%s-%u", name, p->port);
	add_value(rule, ITEM_QUEUE, queue);
}

/* A client behind a NAT that may need an alias. What the server answers to its flow on port 500 the kernel notes by itself; only who
 * has received that can bring its cookie to port 4500, where the first such message comes up. */
static void add_proof(struct rules_chain *chain, const struct ike_port *p, bool in, uint16_t queue)
{
	struct rules_rule *rule;

	if (in != (p->port == 4500))
		return;
	rule = add_rule(chain);
	if (in) {
		add_cookies(rule, ITEM_FROM_IN, p->isakmp, 128, RULES_SET_ANSWERED);
		name_rule(rule, "aliased-%u", p->port);
		add_value(rule, ITEM_QUEUE, queue);
		return;
	}
	add_cookies(rule, ITEM_TO_FLOW_IN, p->isakmp, 64, RULES_SET_ALIASED);
	add_cookies(rule, ITEM_NOTE_TO, p->isakmp, 128, RULES_SET_ANSWERED);
	name_rule(rule, "answered-%u", p->port);
}

/* Of a message that comes once more, after its verdict: its exchange is noted. An element that the set does not take ends its rule,
 * hence the mark goes first, in a rule of its own. */
static void add_note(struct rules_table *table, const struct ike_port *p, size_t which)
{
	struct rules_chain *chain = add_chain(table, p->note[which]);
	struct rules_rule *note, *full;

	add(add_rule(chain), ITEM_NO_MARK);
	note = add_rule(chain);
	add_item(note, (struct rules_item){.kind = ITEM_NOTE,
					   .offset = (uint16_t)(p->isakmp + ISAKMP_INITIATOR_COOKIE),
					   .bits = 64,
					   .value = notes[which].seconds,
					   .name = set_places[RULES_SET_EXCHANGES].name});
	name_rule(note, "noted%s-%u", notes[which].infix, p->port);
	add(note, ITEM_ACCEPT);
	full = add_rule(chain);
	name_rule(full, RULES_NAME_NOT_NOTED "%s-%u", notes[which].infix, p->port);
	add(full, ITEM_ACCEPT);
}

/* Before all else: a message that comes once more is not to be queued again. */
static void add_marks(struct rules_chain *chain, const struct ike_port *p)
{
	for (size_t i = 0; i < NOTES; i++) {
		struct rules_rule *rule = add_rule(chain);

		add_value(rule, ITEM_MARK, notes[i].mark);
		add_name(rule, ITEM_JUMP, p->note[i]);
	}
}

/* Messages of IKE on this port, of which clear ones of IKEv1 phase 1 are looked at closer. */
static void add_ike(struct rules_table *table, const struct ike_port *p, bool in,
		    const struct rules_options *o)
{
	struct rules_chain *chain = add_chain(table, in ? p->ike_in : p->ike_out);

	add_marks(chain, p);
	if (in && o->liveness)
		add_name(add_rule(chain), ITEM_JUMP, SEEN);
	if (o->alias)
		add_proof(chain, p, in, known_queue(o));
	if (o->bridge)
		add_by_cookie(chain, p, known_queue(o), RULES_SET_BRIDGED, in ? "bridged" : "out-bridged");
	for (size_t i = 0; i < sizeof(phase1_modes); i++) {
		struct rules_rule *rule = add_rule(chain);
		add_raw(rule, p->isakmp + ISAKMP_MAJOR_VERSION, 4, 1);
		add_raw(rule, p->isakmp + ISAKMP_EXCHANGE_TYPE, 8, phase1_modes[i]);
		add_raw(rule, p->isakmp + ISAKMP_FLAG_ENCRYPTED, 1, 0);
		add_name(rule, ITEM_JUMP, in ? p->clear_in : p->clear_out);
	}
}

static void add_known_exchange(struct rules_chain *chain, const struct ike_port *p, uint16_t queue,
			       const char *prefix)
{
	struct rules_rule *rule = add_rule(chain);

	add_cookie_in(rule, p->isakmp + ISAKMP_INITIATOR_COOKIE, set_places[RULES_SET_EXCHANGES].name);
	name_rule(rule, "%sexchange-%u", prefix, p->port);
	add_value(rule, ITEM_QUEUE, queue);
}

static const struct {
	enum rules_item_kind over;
	enum rules_key key;
	const char *set, *suffix;
} first_limits[] = {{ITEM_OVER4, RULES_KEY_IPV4, "first4", "ip"},
		    {ITEM_OVER6, RULES_KEY_IPV6, "first6", "ip6"}};

/* Too many first messages from one address, or from one IPv6 network of 64 bits, of which every subscriber has one: they go on, but not
 * up. */
static void add_limits(struct rules_chain *chain, const struct ike_port *p)
{
	for (size_t i = 0; i < 2; i++) {
		struct rules_rule *rule = add_rule(chain);

		add_raw(rule, p->isakmp + ISAKMP_RESPONDER_COOKIE, 64, 0);
		add_item(rule, (struct rules_item){.kind = first_limits[i].over,
						   .name = first_limits[i].set,
						   .value = RULES_FIRST_PER_SECOND,
						   .burst = RULES_FIRST_BURST});
		name_rule(rule, "limited-%u-%s", p->port, first_limits[i].suffix);
		add(rule, ITEM_RETURN);
	}
}

/* From clients: first messages of anybody, later ones of known exchanges. */
static void add_clear_in(struct rules_table *table, const struct ike_port *p, const struct rules_options *o)
{
	struct rules_chain *chain = add_chain(table, p->clear_in);
	struct rules_rule *first;

	if (!o->no_limit)
		add_limits(chain, p);
	first = add_rule(chain);
	add_raw(first, p->isakmp + ISAKMP_RESPONDER_COOKIE, 64, 0);
	name_rule(first, "first-%u", p->port);
	add_value(first, ITEM_QUEUE, o->queue_number);
	add_known_exchange(chain, p, known_queue(o), "");
}

/* To clients: known exchanges, in a flood the answer to any first message, and first messages to peers whose dialect is known. */
static void add_clear_out(struct rules_table *table, const struct ike_port *p, const struct rules_options *o)
{
	static const struct {
		enum rules_item_kind daddr;
		enum rules_set set;
		const char *suffix;
	} families[] = {{ITEM_DADDR4_IN, RULES_SET_PEERS4, "ip"}, {ITEM_DADDR6_IN, RULES_SET_PEERS6, "ip6"}};
	struct rules_chain *chain = add_chain(table, p->clear_out);
	struct rules_rule *answer;

	add_known_exchange(chain, p, known_queue(o), "out-");
	answer = add_rule(chain);
	add_item(answer, (struct rules_item){.kind = ITEM_RAW_IN,
					     .offset = (uint16_t)(p->isakmp + ISAKMP_NEXT_PAYLOAD),
					     .bits = 32,
					     .name = set_places[RULES_SET_ANY_ANSWER].name});
	name_rule(answer, "out-answer-%u", p->port);
	add_value(answer, ITEM_QUEUE, known_queue(o));
	for (size_t i = 0; i < 2; i++) {
		struct rules_rule *rule = add_rule(chain);
		add_raw(rule, p->isakmp + ISAKMP_RESPONDER_COOKIE, 64, 0);
		add_name(rule, families[i].daddr, set_places[families[i].set].name);
		name_rule(rule, "out-first-%u-%s", p->port, families[i].suffix);
		add_value(rule, ITEM_QUEUE, known_queue(o));
	}
}

/* Decrypted L2TP control messages of known sessions, each by its own SA: any other peer of IPsec can write a session's
 * addresses and ports inside his own, and the kernel's policies are asked later only. */
static void add_own_l2tp(struct rules_table *table, uint16_t queue)
{
	static const struct {
		enum rules_item_kind own;
		enum rules_set set;
		const char *suffix;
	} families[] = {{ITEM_OWN_L2TP4, RULES_SET_L2TP4, "ip"}, {ITEM_OWN_L2TP6, RULES_SET_L2TP6, "ip6"}};
	struct rules_chain *chain = add_chain(table, L2TP_IN);

	for (size_t i = 0; i < 2; i++) {
		struct rules_rule *rule = add_rule(chain);
		add_set(table, (struct rules_set_def){.name = set_places[families[i].set].name,
						      .key = set_places[families[i].set].key});
		add_name(rule, families[i].own, set_places[families[i].set].name);
		name_rule(rule, "l2tp-in-%s", families[i].suffix);
		add_value(rule, ITEM_QUEUE, queue);
	}
}

/* L2TP control messages inside IPsec: after decryption, and before encryption but after NAT. */
static void add_l2tp_queue(struct rules_chain *chain, bool in, bool by_session, uint16_t queue)
{
	struct rules_rule *rule = add_udp_rule(chain, L2TP_PORT);

	add_raw(rule, UDP_HEADER_BITS + L2TP_T_BIT, 1, 1);
	add_value(rule, in ? ITEM_SECPATH : ITEM_RT_IPSEC, 1);
	add_interfaces(rule, in);
	if (in && by_session) {
		add_name(rule, ITEM_JUMP, L2TP_IN);
		return;
	}
	name_rule(rule, "l2tp-%s", in ? "in" : "out");
	add_value(rule, ITEM_QUEUE, queue);
}

/* ESP, in UDP or not, of an SA whose keys are about to be exchanged. */
static void add_held(struct rules_chain *chain, bool in, bool in_udp, uint16_t queue)
{
	struct rules_rule *rule = add_rule(chain);

	if (!in_udp)
		add(rule, ITEM_ESP);
	add_raw_in(rule, in_udp ? UDP_HEADER_BITS : 0, SPI_BITS, set_places[RULES_SET_HELD].name);
	add_interfaces(rule, in);
	name_rule(rule, "%sheld-%s", in ? "" : "out-", in_udp ? "4500" : "esp");
	add_value(rule, ITEM_QUEUE, queue);
}

/* What has one of the ports 4500: IKE behind its marker, NAT keep-alives, ESP. */
static void add_shared_port(struct rules_table *table, const struct ike_port *p, bool in,
			    const struct rules_options *o)
{
	struct rules_chain *chain = add_chain(table, in ? p->in : p->out);
	struct rules_rule *ike = add_rule(chain);

	add_raw(ike, UDP_HEADER_BITS, MARKER_BITS, 0);
	add_interfaces(ike, in);
	add_name(ike, ITEM_GOTO, in ? p->ike_in : p->ike_out);
	if (in && o->liveness) {
		struct rules_rule *keepalive = add_rule(chain);

		add_raw(keepalive, UDP_LENGTH_BITS, 16, KEEPALIVE_UDP_LENGTH);
		add_interfaces(keepalive, true);
		add_name(keepalive, ITEM_GOTO, SEEN);
	}
	if (o->bridge)
		add_held(chain, in, true, known_queue(o));
}

/* What comes in on the interfaces, or leaves by them. Every packet of the host passes here, and each rule costs it: ESP in UDP leaves by the
 * first one, data of L2TP by the second. */
static void add_queue_chain(struct rules_table *table, bool in, const struct rules_options *o)
{
	const int priority = (in ? RULES_PRIORITY_QUEUE_IN : RULES_PRIORITY_QUEUE_OUT) + o->priority;
	struct rules_chain *chain =
		add_base_chain(table, in ? RULES_CHAIN_IN : RULES_CHAIN_OUT,
			       in ? RULES_HOOK_PREROUTING : RULES_HOOK_POSTROUTING, priority);
	const bool l2tp = (in ? o->l2tp_control : o->l2tp_from_lns) && !o->no_secpath;

	EACH_IKE_PORT(p)
	{
		struct rules_rule *rule = add_udp_rule(chain, p->port);

		if (p->in) {
			add_name(rule, ITEM_GOTO, in ? p->in : p->out);
			if (l2tp)
				add_l2tp_queue(chain, in, o->l2tp_by_session, known_queue(o));
			continue;
		}
		add_interfaces(rule, in);
		add_name(rule, ITEM_GOTO, in ? p->ike_in : p->ike_out);
	}
	if (o->bridge)
		add_held(chain, in, false, known_queue(o));
}

/* A chain that nobody jumps to. While a rule with this expression is there the kernel puts datagrams together, of IPv4 and IPv6,
 * before anybody sees them (at -400), and takes them apart again where they leave the host, as it does for connection
 * tracking, which need not be on for it. */
static void add_defragment(struct rules_table *table)
{
	add(add_rule(add_chain(table, "defragment")), ITEM_DEFRAGMENT);
}

/* Which known session sends IKE or a NAT keep-alive: of others nothing is noted, so a flood with forged senders finds no set
 * to fill. ESP, in UDP or not, needs no set: it moves its SA's own counters, which nobody can forge, and are looked at as often
 * as the set is. */
static void add_seen(struct rules_table *table, const struct rules_options *o)
{
	static const struct {
		enum rules_set watched, alive;
		enum rules_item_kind in, note;
	} families[] = {{RULES_SET_WATCHED4, RULES_SET_ALIVE4, ITEM_SADDR4_PORT_IN, ITEM_SEEN4},
			{RULES_SET_WATCHED6, RULES_SET_ALIVE6, ITEM_SADDR6_PORT_IN, ITEM_SEEN6}};
	struct rules_chain *seen = add_chain(table, SEEN);

	for (size_t i = 0; i < 2; i++) {
		const struct rules_set_place *watched = &set_places[families[i].watched],
					     *alive = &set_places[families[i].alive];
		struct rules_rule *rule = add_rule(seen);
		add_set(table, (struct rules_set_def){.name = watched->name, .key = watched->key});
		add_set(table, (struct rules_set_def){
				       .name = alive->name,
				       .key = alive->key,
				       .timed = true,
				       .kernel_filled = true,
				       .timeout_s = o->alive_timeout_s ? o->alive_timeout_s : ALIVE_TIMEOUT_S,
			       });
		add_name(rule, families[i].in, watched->name);
		add_name(rule, families[i].note, alive->name);
	}
}

static void build_queue_table(struct rules_table *table, const struct rules_options *o)
{
	table->name = RULES_QUEUE_TABLE;
	table->owner = o->owner;
	if (!o->no_defrag)
		add_defragment(table);
	add_set(table, (struct rules_set_def){.name = RULES_INTERFACES, .key = RULES_KEY_IFNAME});
	add_set(table, (struct rules_set_def){.name = set_places[RULES_SET_EXCHANGES].name,
					      .key = RULES_KEY_COOKIE,
					      .timed = true,
					      .kernel_filled = true,
					      .timeout_s = EXCHANGE_TIMEOUT_S});
	add_set(table, (struct rules_set_def){.name = set_places[RULES_SET_ANY_ANSWER].name,
					      .key = RULES_KEY_RAW_WORD});
	for (enum rules_set s = RULES_SET_PEERS4; s <= RULES_SET_PEERS6; s++)
		add_set(table, (struct rules_set_def){.name = set_places[s].name,
						      .key = set_places[s].key,
						      .timed = true,
						      .timeout_s = PEER_TIMEOUT_S,
						      .gc_s = SET_GC_S,
						      .size = SET_SIZE});
	for (size_t i = 0; i < 2 && !o->no_limit; i++)
		add_set(table, (struct rules_set_def){.name = first_limits[i].set,
						      .key = first_limits[i].key,
						      .timed = true,
						      .kernel_filled = true,
						      .timeout_s = FIRST_TIMEOUT_S});
	EACH_IKE_PORT(p)
	{
		for (size_t i = 0; i < NOTES; i++)
			add_note(table, p, i);
		add_clear_in(table, p, o);
		add_clear_out(table, p, o);
	}
	if (o->bridge)
		add_set(table, (struct rules_set_def){.name = set_places[RULES_SET_HELD].name,
						      .key = RULES_KEY_RAW_WORD,
						      .timed = true,
						      .timeout_s = HELD_TIMEOUT_S,
						      .gc_s = SET_GC_S,
						      .size = SET_SIZE});
	if (o->alias)
		add_set(table, (struct rules_set_def){.name = set_places[RULES_SET_ALIASED].name,
						      .key = set_places[RULES_SET_ALIASED].key,
						      .timed = true,
						      .timeout_s = EXCHANGE_TIMEOUT_S,
						      .gc_s = SET_GC_S,
						      .size = SET_SIZE});
	if (o->alias)
		add_set(table, (struct rules_set_def){.name = set_places[RULES_SET_ANSWERED].name,
						      .key = set_places[RULES_SET_ANSWERED].key,
						      .timed = true,
						      .kernel_filled = true,
						      .timeout_s = ANSWERED_TIMEOUT_S});
	if (o->bridge)
		add_set(table, (struct rules_set_def){.name = set_places[RULES_SET_BRIDGED].name,
						      .key = RULES_KEY_COOKIE,
						      .timed = true,
						      .timeout_s = EXCHANGE_TIMEOUT_S,
						      .gc_s = SET_GC_S,
						      .size = BRIDGED_SIZE});
	if (o->l2tp_control && o->l2tp_by_session && !o->no_secpath)
		add_own_l2tp(table, known_queue(o));
	if (o->liveness)
		add_seen(table, o);
	for (int in = 1; in >= 0; in--) {
		EACH_IKE_PORT(p)
		add_ike(table, p, in, o);
		EACH_IKE_PORT(p)
		if (p->in)
			add_shared_port(table, p, in, o);
		add_queue_chain(table, in, o);
	}
}

/* Clear udp/1701: dropped before conntrack sees it, so that no "established" lets it in; and the LNS' own,
 * which goes on sending a user's data in the clear when the SAs are gone, is kept inside. */
static void add_guard(struct rules_table *table, bool in, const struct rules_options *o)
{
	struct rules_chain *chain =
		add_base_chain(table, in ? RULES_CHAIN_IN : RULES_CHAIN_OUT,
			       in ? RULES_HOOK_PREROUTING : RULES_HOOK_POSTROUTING,
			       (in ? RULES_PRIORITY_GUARD : RULES_PRIORITY_GUARD_OUT) + o->priority);
	struct rules_rule *rule = add_udp_rule(chain, L2TP_PORT);

	if (!o->no_secpath)
		add_value(rule, in ? ITEM_SECPATH : ITEM_RT_IPSEC, 0);
	add_interfaces(rule, in);
	name_rule(rule, "%s", in ? RULES_NAME_CLEAR_L2TP : RULES_NAME_CLEAR_L2TP_OUT);
	add(rule, ITEM_DROP);
}

/* In transport mode through a NAT the inner checksum is wrong (RFC 3948 section 3.1.2), and an LNS on another
 * host would see that; this host's own stack knows, so what stays here is left alone. IPv4 may do without one. IPv6 may
 * not (RFC 8200 section 8.1), and nftables can't compute one anew. */
static void add_checksum(struct rules_table *table, const struct rules_options *o)
{
	struct rules_chain *chain =
		add_base_chain(table, "checksum", RULES_HOOK_FORWARD, RULES_PRIORITY_CHECKSUM);
	struct rules_rule *rule = add_udp_rule(chain, o->lns4.port ? o->lns4.port : L2TP_PORT);
	struct endpoint lns = o->lns4;

	lns.port = 0;
	add_item(rule, (struct rules_item){.kind = ITEM_DADDR4, .to = lns});
	add_value(rule, ITEM_SECPATH, 1);
	add(rule, ITEM_DNATED);
	add_interfaces(rule, true);
	name_rule(rule, "checksum-ip");
	add(rule, ITEM_NO_CHECKSUM);
}

/* Decrypted udp/1701 for this host. Only the first packet of a connection gets here. */
static void add_dnat(struct rules_table *table, const struct rules_options *o)
{
	struct rules_chain *chain =
		add_base_chain(table, "to_lns", RULES_HOOK_PREROUTING, RULES_PRIORITY_DNAT + o->priority);
	const struct endpoint *lns[] = {o->dnat4 ? &o->lns4 : NULL, o->dnat6 ? &o->lns6 : NULL};

	chain->nat = true;
	for (size_t i = 0; i < 2; i++) {
		struct rules_rule *rule;
		if (!lns[i])
			continue;
		rule = add_udp_rule(chain, L2TP_PORT);
		add_value(rule, ITEM_SECPATH, 1);
		add(rule, i == 1 ? ITEM_IPV6 : ITEM_IPV4);
		add_interfaces(rule, true);
		if (!o->no_fib)
			add(rule, ITEM_DADDR_LOCAL);
		name_rule(rule, "to-lns-%s", i == 1 ? "ip6" : "ip");
		add_item(rule, (struct rules_item){.kind = ITEM_DNAT, .to = *lns[i]});
	}
}

static void build_base_table(struct rules_table *table, const struct rules_options *o)
{
	table->name = RULES_TABLE;
	add_set(table, (struct rules_set_def){.name = RULES_INTERFACES, .key = RULES_KEY_IFNAME});
	for (int in = 1; o->protect && in >= 0; in--)
		add_guard(table, in, o);
	if (o->dnat4 && !o->no_secpath)
		add_checksum(table, o);
	if ((o->dnat4 || o->dnat6) && !o->no_secpath)
		add_dnat(table, o);
}

/* A NAT gives a client another port in mid-session. What comes from a port that nobody is known by, at an address that has clients in the
 * maps, would meet the server with its real source: natshim looks whose it is, before the connection is translated, or not, for good. A
 * keep-alive does not say whose it is, and must not begin that connection. */
static void add_moved(struct rules_table *table, const struct rules_options *o)
{
	struct rules_chain *moved = add_chain(table, "alias_new_flow");
	struct rules_chain *input =
		add_base_chain(table, "alias_moved", RULES_HOOK_INPUT, RULES_PRIORITY_ALIAS_MOVED);
	struct rules_rule *rule;

	for (enum rules_set s = RULES_SET_ALIAS_HOSTS; s <= RULES_SET_ALIAS_FLOWS; s++)
		add_set(table, (struct rules_set_def){.name = set_places[s].name,
						      .key = set_places[s].key,
						      .size = SET_SIZE});
	rule = add_udp_rule(input, 4500);
	add(rule, ITEM_CT_NEW);
	add_name(rule, ITEM_SADDR4_IN, set_places[RULES_SET_ALIAS_HOSTS].name);
	add_interfaces(rule, true);
	add_name(rule, ITEM_JUMP, moved->name);
	rule = add_rule(moved);
	add_name(rule, ITEM_SADDR4_PORT_IN, set_places[RULES_SET_ALIAS_FLOWS].name);
	add(rule, ITEM_RETURN);
	rule = add_rule(moved);
	add_raw(rule, UDP_LENGTH_BITS, 16, KEEPALIVE_UDP_LENGTH);
	name_rule(rule, "alias-keepalive");
	add(rule, ITEM_DROP);
	if (!o->no_limit) {
		add_set(table, (struct rules_set_def){.name = "alias_rate",
						      .key = RULES_KEY_IPV4,
						      .timed = true,
						      .kernel_filled = true,
						      .timeout_s = FIRST_TIMEOUT_S});
		rule = add_rule(moved);
		add_item(rule, (struct rules_item){.kind = ITEM_OVER4,
						   .name = "alias_rate",
						   .value = RULES_FIRST_PER_SECOND,
						   .burst = RULES_FIRST_BURST});
		name_rule(rule, "alias-limited");
		add(rule, ITEM_RETURN);
	}
	rule = add_rule(moved);
	name_rule(rule, "alias-moved");
	add_value(rule, ITEM_QUEUE, known_queue(o));
}

/* Several clients behind one NAT: the server sees some of them under an address of our own. Outside IPsec, on this host's own way in and
 * out, so that every filter sees the real one, but output chains before 0. Both ports of ours are in each key, for a NAT may give one port
 * to two clients that talk to two ports. */
static void build_alias_table(struct rules_table *table, const struct rules_options *o)
{
	static const struct {
		const char *chain, *rule;
		enum rules_hook hook;
		int priority;
		enum rules_item_kind kind;
		enum rules_set map;
	} ways[] = {
		{"alias_in_flow", "alias-in", RULES_HOOK_INPUT, RULES_PRIORITY_ALIAS_IN, ITEM_ALIAS_IN,
		 RULES_SET_ALIAS_IN},
		{"alias_out_flow", "alias-out", RULES_HOOK_OUTPUT, RULES_PRIORITY_ALIAS_OUT, ITEM_ALIAS_OUT,
		 RULES_SET_ALIAS_OUT},
	};
	struct rules_rule *forged;

	table->name = RULES_ALIAS_TABLE;
	add_set(table, (struct rules_set_def){.name = RULES_INTERFACES, .key = RULES_KEY_IFNAME});
	for (size_t i = 0; i < 2; i++)
		add_set(table, (struct rules_set_def){.name = set_places[ways[i].map].name,
						      .key = RULES_KEY_IPV4_PORT_PORT,
						      .map = RULES_MAP_IPV4_PORT,
						      .size = SET_SIZE});
	forged = add_rule(
		add_base_chain(table, "alias_guard", RULES_HOOK_PREROUTING, RULES_PRIORITY_ALIAS_GUARD));
	add_item(forged,
		 (struct rules_item){.kind = ITEM_SADDR4_NET, .to = o->alias_net, .value = o->alias_prefix});
	add_value(forged, ITEM_SECPATH, 0);
	add_interfaces(forged, true);
	name_rule(forged, "alias-forged");
	add(forged, ITEM_DROP);
	add_moved(table, o);
	for (size_t i = 0; i < 2; i++) {
		struct rules_chain *chain =
			add_base_chain(table, ways[i].chain, ways[i].hook, ways[i].priority);

		chain->nat = true;
		EACH_IKE_PORT(p)
		{
			struct rules_rule *rule = add_udp_rule(chain, p->port);
			if (ways[i].hook == RULES_HOOK_INPUT) {
				add_value(rule, ITEM_SECPATH, 0);
				add_interfaces(rule, true);
			}
			name_rule(rule, "%s-%u", ways[i].rule, p->port);
			add_name(rule, ways[i].kind, set_places[ways[i].map].name);
		}
	}
}

static bool options_valid(const struct rules_options *o)
{
	if (o->interface_count == 0)
		return false;
	for (size_t i = 0; i < o->interface_count; i++) {
		size_t length = strlen(o->interfaces[i]);
		if (length == 0 || length >= IFNAMSIZ || strpbrk(o->interfaces[i], "\" \t\n\\*"))
			return false;
	}
	if (o->alias && (o->alias_net.addr_len != 4 || o->alias_prefix < 1 || o->alias_prefix > 32))
		return false;
	return (!o->dnat4 || o->lns4.addr_len == 4) && (!o->dnat6 || o->lns6.addr_len == 16);
}

struct ruleset *ruleset_build(const struct rules_options *options)
{
	struct ruleset *ruleset;

	if (!options_valid(options))
		return NULL;
	ruleset = calloc(1, sizeof(*ruleset));
	if (!ruleset)
		return NULL;
	ruleset->interfaces = calloc(options->interface_count, IFNAMSIZ);
	if (!ruleset->interfaces) {
		free(ruleset);
		return NULL;
	}
	for (size_t i = 0; i < options->interface_count; i++)
		snprintf(ruleset->interfaces[i], IFNAMSIZ, "%s", options->interfaces[i]);
	ruleset->interface_count = options->interface_count;
	ruleset->native_queue = options->native_queue;
	build_base_table(&ruleset->tables[RULES_TABLE_BASE], options);
	build_queue_table(&ruleset->tables[RULES_TABLE_QUEUE], options);
	if (options->alias && !options->no_secpath)
		build_alias_table(&ruleset->tables[RULES_TABLE_ALIAS], options);
	return ruleset;
}

void ruleset_free(struct ruleset *ruleset)
{
	if (!ruleset)
		return;
	free(ruleset->interfaces);
	free(ruleset);
}
