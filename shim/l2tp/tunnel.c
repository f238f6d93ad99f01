/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See tunnel.h. */
#include "shim/l2tp/tunnel.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define DEFAULT_HOSTNAME "anonymous"
#define DEFAULT_MAX_TUNNELS 16384
#define DEFAULT_IDLE_TTL_MS (24ull * 3600 * 1000)
#define DEFAULT_CLOSED_TTL_MS (60 * 1000ull)
#define FAR_BEHIND 8192 /* numbers: no window and no retransmission reaches that far back */

struct l2tp_table *l2tp_table_new(const struct l2tp_config *config)
{
	const struct l2tp_config c = config ? *config : (struct l2tp_config){0};
	const char *hostname = c.hostname && *c.hostname ? c.hostname : DEFAULT_HOSTNAME;
	struct l2tp_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->renewed = c.renewed;
	table->ctx = c.ctx;
	table->max_tunnels = c.max_tunnels ? c.max_tunnels : DEFAULT_MAX_TUNNELS;
	table->idle_ttl_ms = c.idle_ttl_ms ? c.idle_ttl_ms : DEFAULT_IDLE_TTL_MS;
	table->closed_ttl_ms = c.closed_ttl_ms ? c.closed_ttl_ms : DEFAULT_CLOSED_TTL_MS;
	table->hostname_length = strnlen(hostname, L2TP_HOSTNAME_MAX);
	memcpy(table->hostname, hostname, table->hostname_length);
	return table;
}

/* The client of a new tunnel; NULL: out of memory. */
static struct tunnel_owner *find_owner(struct l2tp_table *table, const struct endpoint *client, bool make)
{
	struct tunnel_owner *owner;

	HASH_FIND(hh, table->owners, client, sizeof(*client), owner);
	if (owner || !make)
		return owner;
	owner = calloc(1, sizeof(*owner));
	if (!owner)
		return NULL;
	owner->client = *client;
	HASH_ADD(hh, table->owners, client, sizeof(owner->client), owner);
	if (owner->hh.tbl)
		return owner;
	free(owner);
	return NULL;
}

static void leave_owner(struct l2tp_table *table, struct tunnel *t)
{
	struct tunnel_owner *owner = t->owner;

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): inside of utlist */
	DL_DELETE2(owner->tunnels, t, prev_own, next_own);
	if (--owner->count)
		return;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): inside of uthash */
	HASH_DELETE(hh, table->owners, owner);
	free(owner);
}

/* t NULL: nothing. */
static void tunnel_forget(struct l2tp_table *table, struct tunnel *t)
{
	if (!t)
		return;
	leave_owner(table, t);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): inside of uthash */
	HASH_DELETE(hh_client, table->by_client, t);
	if (t->state.lns_tunnel)
		HASH_DELETE(hh_lns, table->by_lns, t);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): inside of utlist */
	DL_DELETE(table->lru, t);
	free(t);
}

void l2tp_table_free(struct l2tp_table *table)
{
	if (!table)
		return;
	while (table->lru)
		tunnel_forget(table, table->lru);
	free(table);
}

struct l2tp_table_stats l2tp_table_stats(const struct l2tp_table *table)
{
	return (struct l2tp_table_stats){
		.tunnels = HASH_CNT(hh_client, table->by_client),
		.evicted = table->evicted,
		.absorbed = table->absorbed,
	};
}

static struct tunnel_key make_key(const struct endpoint *client, uint16_t tunnel)
{
	return (struct tunnel_key){.client = *client, .tunnel = tunnel};
}

static bool expired(const struct l2tp_table *table, const struct tunnel *t, uint64_t now_ms)
{
	return now_ms - t->seen_ms > (t->state.closed ? table->closed_ttl_ms : table->idle_ttl_ms);
}

struct tunnel *tunnel_find(struct l2tp_table *table, uint64_t now_ms, enum l2tp_direction direction,
			   const struct endpoint *client, uint16_t tunnel_id)
{
	struct tunnel_key key = make_key(client, tunnel_id);
	struct tunnel *t;

	if (direction == L2TP_TO_LNS)
		HASH_FIND(hh_lns, table->by_lns, &key, sizeof(key), t);
	else
		HASH_FIND(hh_client, table->by_client, &key, sizeof(key), t);
	if (t && expired(table, t, now_ms)) {
		tunnel_forget(table, t);
		return NULL;
	}
	return t;
}

void tunnel_touch(struct l2tp_table *table, uint64_t now_ms, struct tunnel *t)
{
	t->seen_ms = now_ms;
	DL_DELETE(table->lru, t);
	DL_APPEND(table->lru, t);
	DL_DELETE2(t->owner->tunnels, t, prev_own, next_own);
	DL_APPEND2(t->owner->tunnels, t, prev_own, next_own);
}

struct tunnel *tunnel_unanswered(struct l2tp_table *table, uint64_t now_ms, const struct endpoint *client)
{
	const struct tunnel_owner *owner = find_owner(table, client, false);
	struct tunnel *newest = NULL;

	for (struct tunnel *t = owner ? owner->tunnels : NULL; t; t = t->next_own)
		if (!t->state.lns_tunnel && !t->state.closed && !expired(table, t, now_ms) &&
		    (!newest || t->requested_ms >= newest->requested_ms))
			newest = t;
	return newest;
}

bool tunnel_has_successor(struct l2tp_table *table, uint64_t now_ms, const struct tunnel *t)
{
	for (const struct tunnel *other = t->owner->tunnels; other; other = other->next_own)
		if (other != t && !other->state.closed && !expired(table, other, now_ms) &&
		    other->seen_ms >= t->requested_ms)
			return true;
	return false;
}

struct tunnel *tunnel_left(struct l2tp_table *table, uint64_t now_ms, const struct endpoint *client)
{
	const struct tunnel_owner *owner = find_owner(table, client, false);
	const uint64_t renewed = owner && table->renewed ? table->renewed(table->ctx, client) : 0;
	struct tunnel *t = owner ? owner->tunnels : NULL;

	while (t && (t->state.closed || t->heard_ms >= renewed || expired(table, t, now_ms)))
		t = t->next_own;
	return t;
}

/* The oldest one goes; one with absorbed HELLOs only if there are no others, because its ends could not go
 * on. */
static void make_room(struct l2tp_table *table)
{
	struct tunnel *t;

	if (HASH_CNT(hh_client, table->by_client) < table->max_tunnels)
		return;
	for (t = table->lru; t; t = t->next)
		if (!tunnel_shifted(t))
			break;
	tunnel_forget(table, t ? t : table->lru);
	table->evicted++;
}

static void make_room_of(struct l2tp_table *table, const struct tunnel_owner *owner)
{
	struct tunnel *t;

	if (!owner || !owner->tunnels || owner->count < TUNNELS_OF_CLIENT_MAX)
		return;
	for (t = owner->tunnels; t; t = t->next_own)
		if (!tunnel_shifted(t))
			break;
	tunnel_forget(table, t ? t : owner->tunnels);
	table->evicted++;
}

struct tunnel *tunnel_begin(struct l2tp_table *table, uint64_t now_ms, const struct endpoint *client,
			    uint16_t client_tunnel)
{
	struct tunnel *t = tunnel_find(table, now_ms, L2TP_TO_CLIENT, client, client_tunnel);

	if (t)
		tunnel_forget(table, t);
	make_room_of(table, find_owner(table, client, false));
	make_room(table);
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->state.client = *client;
	t->state.client_tunnel = client_tunnel;
	t->seen_ms = t->requested_ms = t->heard_ms = now_ms;
	t->client_key = make_key(client, client_tunnel);
	HASH_ADD(hh_client, table->by_client, client_key, sizeof(t->client_key), t);
	if (!t->hh_client.tbl) {
		free(t);
		return NULL;
	}
	t->owner = find_owner(table, client, true);
	if (!t->owner) {
		HASH_DELETE(hh_client, table->by_client, t);
		free(t);
		return NULL;
	}
	t->owner->count++;
	DL_APPEND2(t->owner->tunnels, t, prev_own, next_own);
	DL_APPEND(table->lru, t);
	return t;
}

bool tunnel_assign_lns(struct l2tp_table *table, struct tunnel *t, uint16_t lns_tunnel)
{
	struct tunnel_key key = make_key(&t->state.client, lns_tunnel);
	struct tunnel *other;

	if (t->state.lns_tunnel == lns_tunnel)
		return true;
	if (t->state.lns_tunnel)
		HASH_DELETE(hh_lns, table->by_lns, t);
	t->state.lns_tunnel = 0;
	HASH_FIND(hh_lns, table->by_lns, &key, sizeof(key), other);
	if (other) /* the LNS gave the ID anew: that one is over */
		tunnel_forget(table, other);
	t->lns_key = key;
	HASH_ADD(hh_lns, table->by_lns, lns_key, sizeof(t->lns_key), t);
	if (t->hh_lns.tbl)
		t->state.lns_tunnel = lns_tunnel;
	return t->hh_lns.tbl != NULL;
}

void tunnel_restart_lns(struct tunnel *t)
{
	t->state.lns_next = t->state.forgotten = t->state.absorbed_count = 0;
	t->passed_next = 0;
	t->learned = t->may_count = false;
	t->hello_copies = 0;
}

/* a comes before b in the circle of 65536 numbers. */
static bool before(uint16_t a, uint16_t b)
{
	return (uint16_t)(a - b) >= 0x8000;
}

bool tunnel_shifted(const struct tunnel *t)
{
	return t->state.forgotten || t->state.absorbed_count;
}

uint16_t tunnel_ns_to_client(const struct tunnel *t, uint16_t lns_ns)
{
	uint16_t ns = (uint16_t)(lns_ns - t->state.forgotten);

	for (unsigned i = 0; i < t->state.absorbed_count && before(t->state.absorbed[i], lns_ns); i++)
		ns--;
	return ns;
}

uint16_t tunnel_nr_to_lns(const struct tunnel *t, uint16_t client_nr)
{
	uint16_t nr = (uint16_t)(client_nr + t->state.forgotten);

	for (unsigned i = 0; i < t->state.absorbed_count && !before(nr, t->state.absorbed[i]); i++)
		nr++;
	return nr;
}

static void forget_oldest_position(struct l2tp_tunnel_state *s)
{
	s->forgotten++;
	s->absorbed_count--;
	memmove(s->absorbed, s->absorbed + 1, s->absorbed_count * sizeof(s->absorbed[0]));
}

static bool far_behind(const struct l2tp_tunnel_state *s, uint16_t ns)
{
	return (uint16_t)(s->lns_next - ns) > FAR_BEHIND;
}

static void forget_far_positions(struct tunnel *t)
{
	struct l2tp_tunnel_state *s = &t->state;

	if (far_behind(s, t->passed_next))
		t->passed_next = (uint16_t)(s->lns_next - FAR_BEHIND);
	while (s->absorbed_count && far_behind(s, s->absorbed[0]))
		forget_oldest_position(s);
}

/* The client's own numbers are the LNS' as long as nothing has been absorbed. */
static bool acknowledged(const struct tunnel *t, uint16_t ns)
{
	return before(ns, t->state.client_nr);
}

/* A HELLO that may go to the client: has it left enough of them unanswered? */
static bool learns(struct tunnel *t, uint16_t ns)
{
	if (t->hello_copies && acknowledged(t, t->hello_ns))
		t->answers_hello = true;
	if (t->answers_hello || acknowledged(t, ns))
		return false;
	if (!t->hello_copies || before(t->hello_ns, ns))
		t->hello_ns = ns;
	if (++t->hello_copies < L2TP_HELLO_COPIES)
		return false;
	t->learned = t->may_count = true;
	return true;
}

/* A HELLO that was overtaken by another one, or went to the client before and stayed unanswered, gets its place among the absorbed
 * ones: if nothing has gone out behind it that counts on its place. */
static bool absorb_late(struct tunnel *t, uint16_t ns)
{
	struct l2tp_tunnel_state *s = &t->state;
	unsigned i;

	if (far_behind(s, ns) || before(ns, t->passed_next) || before(ns, tunnel_nr_to_lns(t, s->client_nr)))
		return false;
	if (s->absorbed_count == L2TP_ABSORBED_MAX) {
		if (before(ns, s->absorbed[0])) /* what is forgotten counts as before all others */
			return false;
		forget_oldest_position(s);
	}
	for (i = s->absorbed_count; i && before(ns, s->absorbed[i - 1]); i--)
		s->absorbed[i] = s->absorbed[i - 1];
	s->absorbed[i] = ns;
	s->absorbed_count++;
	return true;
}

/* The client acknowledges the HELLOs that it had got before they were absorbed: it has counted them. If that is all it has to say, it
 * does answer HELLOs, only late. */
static bool counts_hello(struct tunnel *t, uint16_t client_nr, bool zlb)
{
	struct l2tp_tunnel_state *s = &t->state;
	unsigned passed = 0;

	if (!t->may_count || client_nr != (uint16_t)(t->hello_ns + 1))
		return false;
	t->may_count = false;
	while (passed < s->absorbed_count && !before(t->hello_ns, s->absorbed[passed]))
		passed++;
	s->absorbed_count -= passed;
	memmove(s->absorbed, s->absorbed + passed, s->absorbed_count * sizeof(s->absorbed[0]));
	if (zlb && !tunnel_shifted(t)) {
		t->learned = false;
		t->answers_hello = true;
	}
	return true;
}

enum hello_fate tunnel_hello(struct tunnel *t, uint16_t ns, enum l2tp_hello what)
{
	struct l2tp_tunnel_state *s = &t->state;

	if (!s->lns_tunnel || !s->heard || s->closed)
		return HELLO_PASS;
	if (what == L2TP_HELLO_LEARN && !t->learned && !tunnel_shifted(t) && !learns(t, ns))
		return HELLO_PASS;
	for (unsigned i = 0; i < s->absorbed_count; i++)
		if (s->absorbed[i] == ns)
			return HELLO_ABSORB;
	if (before(ns, s->lns_next)) {
		if (absorb_late(t, ns))
			return HELLO_ABSORB;
		/* An old one: already acknowledged, it only wants to hear it again; else it has gone to the
		 * client before, or later messages have, counting on its place. */
		return tunnel_shifted(t) && before(ns, tunnel_nr_to_lns(t, s->client_nr)) ? HELLO_ABSORB
											  : HELLO_PASS;
	}
	if (s->absorbed_count == L2TP_ABSORBED_MAX)
		forget_oldest_position(s);
	s->absorbed[s->absorbed_count++] = ns;
	s->lns_next = (uint16_t)(ns + 1);
	forget_far_positions(t);
	return HELLO_ABSORB;
}

bool tunnel_note_client(struct tunnel *t, uint16_t ns, uint16_t nr, bool zlb)
{
	struct l2tp_tunnel_state *s = &t->state;
	uint16_t next = (uint16_t)(zlb ? ns : ns + 1);
	bool changed = counts_hello(t, nr, zlb) || !s->heard;

	if (!s->heard || before(s->client_next, next)) {
		s->client_next = next;
		changed = true;
	}
	if (!s->heard || before(s->client_nr, nr)) {
		s->client_nr = nr;
		changed = true;
	}
	s->heard = true;
	return changed;
}

bool tunnel_note_lns(struct tunnel *t, uint16_t ns, bool zlb, bool may_be_absorbed)
{
	uint16_t next = (uint16_t)(ns + 1);

	if (zlb)
		return false;
	if (!may_be_absorbed && before(t->passed_next, next)) {
		t->passed_next = next;
		t->may_count = false;
	}
	if (!before(t->state.lns_next, next))
		return false;
	t->state.lns_next = next;
	forget_far_positions(t);
	return true;
}

void tunnel_add_session(struct tunnel *t, uint16_t session)
{
	struct l2tp_tunnel_state *s = &t->state;

	for (unsigned i = 0; i < s->session_count; i++)
		if (s->sessions[i] == session)
			return;
	if (s->session_count == L2TP_SESSIONS_MAX)
		s->from_start = false; /* no longer all there are: never call one of them the last */
	else
		s->sessions[s->session_count++] = session;
}

bool tunnel_remove_session(struct tunnel *t, uint16_t session)
{
	struct l2tp_tunnel_state *s = &t->state;

	for (unsigned i = 0; i < s->session_count; i++) {
		if (s->sessions[i] == session) {
			s->sessions[i] = s->sessions[--s->session_count];
			return true;
		}
	}
	return false;
}

void l2tp_table_each(const struct l2tp_table *table, uint64_t now_ms, l2tp_tunnel_fn *fn, void *ctx)
{
	const struct tunnel *t;

	for (t = table->lru; t; t = t->next) {
		struct l2tp_tunnel_state state = t->state;

		state.age_ms = now_ms - t->seen_ms;
		if (!expired(table, t, now_ms))
			fn(ctx, &state);
	}
}

static bool consistent(const struct l2tp_tunnel_state *s)
{
	if (!s->client.addr_len || (!s->client_tunnel && !s->lns_tunnel) ||
	    s->absorbed_count > L2TP_ABSORBED_MAX || s->session_count > L2TP_SESSIONS_MAX)
		return false;
	for (unsigned i = 0; i < s->absorbed_count; i++)
		if (!before(i ? s->absorbed[i - 1] : (uint16_t)(s->lns_next - FAR_BEHIND - 1),
			    s->absorbed[i]) ||
		    !before(s->absorbed[i], s->lns_next))
			return false;
	return true;
}

bool l2tp_table_restore(struct l2tp_table *table, uint64_t now_ms, const struct l2tp_tunnel_state *state)
{
	uint64_t ttl_ms = state->closed ? table->closed_ttl_ms : table->idle_ttl_ms;
	struct tunnel *t;

	if (!consistent(state) || state->age_ms > ttl_ms)
		return false;
	t = tunnel_begin(table, now_ms, &state->client, state->client_tunnel);
	if (!t)
		return false;
	t->state = *state;
	t->state.lns_tunnel = 0;
	t->passed_next = state->lns_next; /* it may have been any message */
	t->seen_ms = t->requested_ms = t->heard_ms =
		now_ms -
		state->age_ms; /* the clock may be younger than that: the difference is what counts */
	if (state->lns_tunnel && !tunnel_assign_lns(table, t, state->lns_tunnel)) {
		tunnel_forget(table, t);
		return false;
	}
	return true;
}
