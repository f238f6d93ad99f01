/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of sessions, half-open and complete, and its bounds; what every relayed message has in common. */
#include "shim/bridge/impl.h"

#include "shim/ike/dialect.h"

#include <openssl/crypto.h>
#include <stdlib.h>

enum {
	DEFAULT_FRESH = 65536,
	DEFAULT_FRESH_BYTES = 8 << 20,
	DEFAULT_GONE =
		32768, /* with the others, less than the kernel's set of bridged cookies holds (rules/ruleset.c) */
	DEFAULT_HALF_OPEN = 2048,
	DEFAULT_SESSIONS = 4096,
	DEFAULT_PER_ADDRESS = 64,
	DEFAULT_HALF_OPEN_MS = 30000,
	KNOWN_MAX = 4096,
	KNOWN_TTL_MS = 24 * 3600 * 1000,
	SWEEP_MS = 1000, /* complete sessions are looked through that often, for what of them is over */
	PHASE1_KEPT_MS =
		60000,     /* how long repeats of messages 5 and 6 are answered: no peer retransmits longer */
	UNUSED_MS = 10000, /* since phase 1 was complete; one without a child is of little use then */
	IDS_MAX = 1024,
	IPV6_NET_LEN = 8, /* bytes; every subscriber has that many addresses */
};

static const char *const reason_names[BRIDGE_REASONS] = {
	[BRIDGE_RELAYED] = "relayed",
	[BRIDGE_REPEATED] = "repeated",
	[BRIDGE_CLEAR] = "clear",
	[BRIDGE_NOT_BRIDGED] = "not_bridged",
	[BRIDGE_NO_PSK] = "no_psk",
	[BRIDGE_AGGRESSIVE] = "aggressive",
	[BRIDGE_CERTIFICATE] = "certificate",
	[BRIDGE_NO_ANSWER] = "no_answer",
	[BRIDGE_SECRETS] = "secrets",
	[BRIDGE_SPI_TAKEN] = "spi_taken",
	[BRIDGE_SPI_UNANSWERED] = "spi_unanswered",
	[BRIDGE_BUSY] = "busy",
	[BRIDGE_LATE] = "late",
	[BRIDGE_TOLD] = "told",
	[BRIDGE_UNEXPECTED] = "unexpected",
	[BRIDGE_MALFORMED] = "malformed",
	[BRIDGE_BAD_KE] = "bad_ke",
	[BRIDGE_BAD_HASH] = "bad_hash",
	[BRIDGE_REFUSED] = "refused",
	[BRIDGE_FAILED] = "failed",
};

const char *bridge_reason_name(enum bridge_reason reason)
{
	return reason < BRIDGE_REASONS ? reason_names[reason] : "?";
}

static size_t or_default(size_t value, size_t otherwise)
{
	return value ? value : otherwise;
}

struct bridge *bridge_new(const struct bridge_config *config)
{
	struct bridge *bridge = calloc(1, sizeof *bridge);
	uint64_t seed = 0;

	if (!bridge)
		return NULL;
	bridge->config = *config;
	bridge->config.max_half_open = or_default(config->max_half_open, DEFAULT_HALF_OPEN);
	bridge->config.max_sessions = or_default(config->max_sessions, DEFAULT_SESSIONS);
	bridge->config.max_per_address = or_default(config->max_per_address, DEFAULT_PER_ADDRESS);
	bridge->config.max_half_open_per_address =
		or_default(config->max_half_open_per_address, DEFAULT_PER_ADDRESS);
	if (!bridge->config.half_open_ms)
		bridge->config.half_open_ms = DEFAULT_HALF_OPEN_MS;
	bridge->aliases = calloc(BRIDGE_ALIAS_COUNT, sizeof *bridge->aliases);
	bridge->crypto = crypto_new();
	bridge->dh = dh_new();
	bridge->hasher = natd_hasher_new();
	if (bridge_random(bridge, (uint8_t *)&seed, sizeof seed)) {
		bridge->known = lru_new(KNOWN_MAX, sizeof(struct endpoint), sizeof(struct known_client),
					KNOWN_TTL_MS, seed);
		bridge->hosts = lru_new(bridge->config.max_half_open + bridge->config.max_sessions + 1,
					sizeof(struct endpoint), sizeof(struct host), INT64_MAX / 2, seed);
		bridge->gone = lru_new(or_default(config->max_gone, DEFAULT_GONE), IKE_COOKIE_LEN, 1,
				       INT64_MAX / 2, seed);
	}
	bridge->seed = seed;
	if (fresh_open(&bridge->fresh, or_default(config->max_fresh, DEFAULT_FRESH),
		       or_default(config->max_fresh_bytes, DEFAULT_FRESH_BYTES), seed) &&
	    bridge->aliases && bridge->crypto && bridge->dh && bridge->hasher && bridge->known &&
	    bridge->hosts && bridge->gone)
		return bridge;
	bridge_free(bridge);
	return NULL;
}

/* Sessions */

static void retransmit_free(struct retransmit_cache *m)
{
	free(m->in);
	free(m->out);
	*m = (struct retransmit_cache){0};
}

void quick_free(struct isakmp_sa *s, struct quick *q)
{
	DL_DELETE(s->quicks, q);
	s->quick_count--;
	for (unsigned i = 0; i <= QUICK_MESSAGES; i++)
		retransmit_free(&q->cache[i]);
	free(q->sa);
	OPENSSL_cleanse(q, sizeof *q);
	free(q);
}

/* How many sessions a host has: counted, so that a flood costs no search. */
struct endpoint bridge_host_of(const struct endpoint *client)
{
	struct endpoint host = *client;

	host.port = 0;
	if (host.addr_len > 4)
		memset(host.addr + IPV6_NET_LEN, 0, sizeof host.addr - IPV6_NET_LEN);
	return host;
}

static bool of_host(const struct isakmp_sa *s, const struct endpoint *host)
{
	const struct endpoint its = bridge_host_of(&s->client);

	return !host || endpoint_same_host(&its, host);
}

static struct host counted(const struct bridge *bridge, const struct endpoint *host)
{
	const struct host *found = lru_find(bridge->hosts, 0, host);

	return found ? *found : (struct host){0};
}

/* by: 1 or -1. */
static void count_session(struct bridge *bridge, const struct isakmp_sa *s, int by)
{
	const struct endpoint host = bridge_host_of(&s->client);
	struct host *h = lru_put(bridge->hosts, 0, &host);

	*(s->list == LIST_ESTABLISHED ? &h->established : &h->half_open) += (unsigned)by;
	if (!h->established && !h->half_open)
		lru_remove(bridge->hosts, &host);
}

static void phase1_free(struct isakmp_sa *s)
{
	struct phase1 *p = s->phase1;

	s->phase1 = NULL;
	if (!p)
		return;
	for (unsigned i = 0; i <= PHASE1_MESSAGES; i++)
		retransmit_free(&p->cache[i]);
	for (unsigned i = 0; i < LEGS; i++)
		free(p->side[i].sa);
	OPENSSL_cleanse(p, sizeof *p);
	free(p);
}

void isakmp_sa_free(struct bridge *bridge, struct isakmp_sa *s)
{
	count_session(bridge, s, -1);
	bridge->changes++;
	HASH_DELETE(hh, bridge->by_cookie, s);
	DL_DELETE(bridge->head[s->list], s);
	bridge->count[s->list]--;
	while (s->quicks)
		quick_free(s, s->quicks);
	phase1_free(s);
	free(s->ids);
	OPENSSL_cleanse(s, sizeof *s);
	free(s);
}

/* One that had to go before its client was done with it. */
static void isakmp_sa_drop(struct bridge *bridge, struct isakmp_sa *s, int64_t now)
{
	if (s->list != LIST_ESTABLISHED)
		bridge_let_go(bridge, s->cookies, now);
	else if (bridge->config.untrack)
		bridge->config.untrack(bridge->config.ctx, s->cookies);
	isakmp_sa_free(bridge, s);
}

void bridge_free(struct bridge *bridge)
{
	if (!bridge)
		return;
	for (unsigned list = 0; list < LISTS; list++)
		while (bridge->head[list])
			isakmp_sa_free(bridge, bridge->head[list]);
	lru_free(bridge->known);
	lru_free(bridge->hosts);
	lru_free(bridge->gone);
	fresh_close(&bridge->fresh);
	free(bridge->aliases);
	natd_hasher_free(bridge->hasher);
	dh_free(bridge->dh);
	crypto_free(bridge->crypto);
	OPENSSL_cleanse(bridge, sizeof *bridge);
	free(bridge);
}

void bridge_set_strongswan_answers(struct bridge *bridge, bool strongswan_answers)
{
	bridge->config.strongswan_answers = strongswan_answers;
}

struct bridge_stats bridge_stats(const struct bridge *bridge)
{
	return (struct bridge_stats){
		.half_open = bridge->fresh.count + bridge->count[LIST_HALF_OPEN],
		.established = bridge->count[LIST_ESTABLISHED],
		.evicted = bridge->evicted,
		.exponentiations = bridge->exponentiations,
		.changes = bridge->changes,
	};
}

void bridge_each(const struct bridge *bridge, uint64_t now_ms, bridge_session_fn *fn, void *ctx)
{
	const int64_t now = (int64_t)now_ms;
	const struct isakmp_sa *s;

	for (size_t i = 0; i < bridge->fresh.count; i++)
		fn(ctx, bridge->fresh.at[i].cookies, BRIDGE_TRACK_S);
	for (enum list list = LIST_HALF_OPEN; list < LISTS; list++)
		DL_FOREACH(bridge->head[list], s)
	if (list != LIST_ESTABLISHED)
		fn(ctx, s->cookies, BRIDGE_TRACK_S);
	else if (s->ends_ms > now)
		fn(ctx, s->cookies, (unsigned)((s->ends_ms - now + 999) / 1000));
}

/* Eviction */

static bool same_ends(const struct isakmp_sa *a, const struct isakmp_sa *b)
{
	return a->client.port == b->client.port && endpoint_same_host(&a->client, &b->client);
}

/* How many complete sessions the client has, by its address and port. */
static unsigned sessions_of(const struct bridge *bridge, const struct isakmp_sa *s)
{
	const struct isakmp_sa *other;
	unsigned count = 0;

	DL_FOREACH(bridge->head[LIST_ESTABLISHED], other)
	count += same_ends(other, s);
	return count;
}

/* The higher, the sooner it goes: one that has ended, one in which nothing lives, an older one of the client that wants a place itself,
 * or of one that has several. 0: it is a client's only session, with SAs that live. wants: who wants a place; NULL: nobody in particular. */
static unsigned worth_little(const struct bridge *bridge, const struct isakmp_sa *s,
			     const struct isakmp_sa *wants, int64_t now)
{
	if (s->closed)
		return 4;
	if (!s->child_sa_count && now >= s->touched_ms + UNUSED_MS)
		return 3;
	if (wants && same_ends(s, wants))
		return 2;
	return sessions_of(bridge, s) > 1 ? 1 : 0;
}

/* Of a host, or of all with NULL; of those that are worth the same, the oldest. One that is worth 0 only if it must be. */
static struct isakmp_sa *choose_up(const struct bridge *bridge, const struct endpoint *host,
				   const struct isakmp_sa *wants, bool must, int64_t now)
{
	struct isakmp_sa *s = NULL, *found = NULL;
	unsigned least = must ? 0 : 1;

	DL_FOREACH(bridge->head[LIST_ESTABLISHED], s)
	{
		/* cppcheck-suppress uninitvar; the macro sets it */
		const unsigned this = of_host(s, host) ? worth_little(bridge, s, wants, now) : 0;

		if (!of_host(s, host) || this < least)
			continue;
		found = s;
		least = this + 1;
	}
	return found;
}

/* The host that has most of them there: *out. */
static void fullest_host(const struct bridge *bridge, enum list list, struct endpoint *out)
{
	const struct isakmp_sa *s = NULL;
	unsigned most = 0;

	DL_FOREACH(bridge->head[list], s)
	{
		/* cppcheck-suppress uninitvar; the macro sets it */
		const struct endpoint host = bridge_host_of(&s->client);
		const struct host h = counted(bridge, &host);
		const unsigned this = list == LIST_ESTABLISHED ? h.established : h.half_open;

		if (this <= most)
			continue;
		most = this;
		*out = host;
	}
}

bool isakmp_sa_make_room(struct bridge *bridge, const struct isakmp_sa *s, int64_t now)
{
	const struct endpoint host = bridge_host_of(&s->client);
	struct isakmp_sa *other = NULL;
	unsigned count = counted(bridge, &host).established;

	DL_FOREACH(bridge->head[LIST_HALF_OPEN], other) /* those that have their place already */
	/* cppcheck-suppress uninitvar; the macro sets it */
	count += other != s && other->passed == PHASE1_MESSAGES - 1 && of_host(other, &host);
	if (count < bridge->config.max_per_address)
		return true;
	other = choose_up(bridge, &host, s, s->by_server, now);
	if (!other)
		return false;
	bridge->evicted++;
	isakmp_sa_drop(bridge, other, now);
	return true;
}

/* Of a host, before message 6: one that the server has not answered before one that it has, and then the oldest. */
static struct isakmp_sa *choose_half_open(const struct bridge *bridge, const struct endpoint *host)
{
	struct isakmp_sa *s = NULL, *found = NULL;

	DL_FOREACH(bridge->head[LIST_HALF_OPEN], s)
	{
		/* cppcheck-suppress uninitvar; the macro sets it */
		if (!of_host(s, host))
			continue;
		if (s->passed < 4)
			return s;
		found = found ? found : s;
	}
	return found;
}

static void make_room_half_open(struct bridge *bridge, const struct endpoint *client, int64_t now)
{
	struct endpoint host = bridge_host_of(client);

	if (counted(bridge, &host).half_open < bridge->config.max_half_open_per_address) {
		if (bridge->count[LIST_HALF_OPEN] < bridge->config.max_half_open)
			return;
		fullest_host(bridge, LIST_HALF_OPEN, &host);
	}
	bridge->evicted++;
	isakmp_sa_drop(bridge, choose_half_open(bridge, &host), now);
}

/* To the end of that list: the newest. */
void isakmp_sa_move(struct bridge *bridge, struct isakmp_sa *s, enum list list, int64_t now)
{
	struct endpoint host;

	if (list == LIST_ESTABLISHED && bridge->count[LIST_ESTABLISHED] >= bridge->config.max_sessions) {
		fullest_host(bridge, LIST_ESTABLISHED, &host);
		bridge->evicted++;
		isakmp_sa_drop(bridge, choose_up(bridge, &host, s, true, now), now);
	}
	DL_DELETE(bridge->head[s->list], s);
	bridge->count[s->list]--;
	if (s->list != list) {
		count_session(bridge, s, -1);
		s->list = list;
		count_session(bridge, s, 1);
	}
	DL_APPEND(bridge->head[list], s);
	bridge->count[list]++;
}

static bool is_over(const struct bridge *bridge, const struct isakmp_sa *s, int64_t now)
{
	if (s->list == LIST_ESTABLISHED)
		return now >= s->ends_ms;
	return now >= s->touched_ms + (int64_t)bridge->config.half_open_ms;
}

static void sweep(struct bridge *bridge, struct isakmp_sa *s, int64_t now)
{
	if (is_over(bridge, s, now)) {
		isakmp_sa_drop(bridge, s, now);
		return;
	}
	if (now >= s->touched_ms + PHASE1_KEPT_MS)
		phase1_free(s);
	quick_expire(s, now);
}

void bridge_expire(struct bridge *bridge, int64_t now)
{
	struct isakmp_sa *s, *next;

	if (now < bridge->swept_ms + SWEEP_MS)
		return;
	bridge->swept_ms = now;
	while (bridge->head[LIST_HALF_OPEN] && is_over(bridge, bridge->head[LIST_HALF_OPEN], now))
		isakmp_sa_drop(bridge, bridge->head[LIST_HALF_OPEN], now);
	DL_FOREACH_SAFE(bridge->head[LIST_ESTABLISHED], s, next)
	{
		/* cppcheck-suppress uninitvar; the macro sets it */
		sweep(bridge, s, now);
	}
}

void bridge_tick(struct bridge *bridge, uint64_t now_ms)
{
	bridge_expire(bridge, (int64_t)now_ms);
}

/* uthash's function is not keyed. */
uint64_t bridge_table_key(const struct bridge *bridge, const uint8_t *cookie)
{
	uint64_t z;

	memcpy(&z, cookie, sizeof z);
	z ^= bridge->seed;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

struct isakmp_sa *isakmp_sa_look_up(const struct bridge *bridge, const uint8_t *cookie)
{
	const uint64_t key = bridge_table_key(bridge, cookie);
	struct isakmp_sa *s;

	HASH_FIND(hh, bridge->by_cookie, &key, sizeof key, s);
	return s;
}

const struct isakmp_sa *isakmp_sa_by_cookie(const struct bridge *bridge, const uint8_t *cookie)
{
	return isakmp_sa_look_up(bridge, cookie);
}

struct opening *bridge_find_opening(struct bridge *bridge, int64_t now, const uint8_t *cookie)
{
	struct opening *o = fresh_find(bridge, cookie);

	if (!o || !opening_is_over(bridge, o, now))
		return o;
	bridge_let_go(bridge, o->cookies, now);
	fresh_remove(bridge, o);
	return NULL;
}

struct isakmp_sa *isakmp_sa_find(struct bridge *bridge, int64_t now, const uint8_t *cookie)
{
	struct isakmp_sa *s = isakmp_sa_look_up(bridge, cookie);

	if (!s || !is_over(bridge, s, now))
		return s;
	isakmp_sa_drop(bridge, s, now);
	return NULL;
}

struct isakmp_sa *isakmp_sa_add(struct message_ctx *ctx, bool by_server, enum ike_dialect dialect)
{
	struct bridge *bridge = ctx->bridge;
	struct isakmp_sa *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->phase1 = calloc(1, sizeof *s->phase1);
	memcpy(s->cookies, ctx->message.data, IKE_COOKIE_LEN);
	s->client = ctx->result->client;
	s->server = ctx->in == LEG_CLIENT ? ctx->d->dst : ctx->d->src;
	s->dialect = dialect;
	s->by_server = by_server;
	s->touched_ms = ctx->now;
	s->key = bridge_table_key(bridge, s->cookies);
	if (s->phase1)
		HASH_ADD(hh, bridge->by_cookie, key, sizeof s->key, s);
	if (!s->hh.tbl) {
		phase1_free(s);
		free(s);
		return NULL;
	}
	lru_remove(bridge->gone, s->cookies);
	make_room_half_open(bridge, &s->client, ctx->now);
	count_session(bridge, s, 1);
	DL_APPEND(bridge->head[LIST_HALF_OPEN], s);
	bridge->count[LIST_HALF_OPEN]++;
	return s;
}

/* A client's exchange has come to message 3: from now on there is more of it. */
struct isakmp_sa *bridge_promote(struct message_ctx *ctx, struct opening *o)
{
	struct bridge *bridge = ctx->bridge;
	const size_t length = offer_write(bridge->config.offer, bridge->config.offer_count, o->life_s,
					  bridge->scratch, sizeof bridge->scratch);
	struct isakmp_sa *s = length ? isakmp_sa_add(ctx, false, o->dialect) : NULL;
	struct offer offer;

	if (!s)
		return NULL;
	if (!isakmp_sa_keep_sa(s, LEG_SERVER, (struct bytes){bridge->scratch, length}) ||
	    !offer_read((struct bytes){o->sa, o->sa_length}, &offer)) {
		isakmp_sa_free(bridge, s);
		return NULL;
	}
	memcpy(s->cookies, o->cookies, sizeof s->cookies);
	s->leg[LEG_CLIENT].suite =
		bridge_usable(bridge, &offer)->suite; /* there is one: it was chosen with message 2 */
	s->leg[LEG_SERVER].suite = o->suite;
	s->life_s = o->life_s;
	s->refused = o->refused;
	s->passed = 2;
	s->phase1->opening = *o;
	s->phase1->side[LEG_CLIENT].sa_length = o->sa_length;
	s->phase1->side[LEG_CLIENT].sa = fresh_take_sa(bridge, o);
	fresh_remove(bridge, o);
	return s;
}

bool isakmp_sa_keep_sa(struct isakmp_sa *s, unsigned leg, struct bytes body)
{
	uint8_t *copy = malloc(body.length ? body.length : 1);

	if (!copy)
		return false;
	memcpy(copy, body.data, body.length);
	s->phase1->side[leg].sa = copy;
	s->phase1->side[leg].sa_length = body.length;
	return true;
}

bool isakmp_sa_had_id(const struct isakmp_sa *s, const uint8_t *id)
{
	for (unsigned i = 0; i < s->id_count; i++)
		if (!memcmp(s->ids[i], id, MESSAGE_ID_LEN))
			return true;
	return false;
}

/* Doubled each time that it is full. */
bool isakmp_sa_keep_id(struct isakmp_sa *s, const uint8_t *id)
{
	const unsigned count = s->id_count;

	if (count == IDS_MAX)
		return false;
	if (!(count & (count - 1))) {
		void *more = realloc(s->ids, (count ? 2 * (size_t)count : 1) * sizeof *s->ids);

		if (!more)
			return false;
		s->ids = more;
	}
	memcpy(s->ids[s->id_count++], id, MESSAGE_ID_LEN);
	return true;
}

bool bridge_random(struct bridge *bridge, uint8_t *out, size_t length)
{
	return bridge->config.random(bridge->config.ctx, out, length);
}

bool identity_keep(struct identity *id, struct bytes body)
{
	id->length = body.length <= ID_MAX ? body.length : 0;
	memcpy(id->body, body.data, id->length);
	return id->length > 0;
}

bool identity_is(const struct identity *id, struct bytes body)
{
	return id->length && id->length == body.length && !memcmp(id->body, body.data, body.length);
}

bool nonce_keep(struct nonce *nonce, struct bytes body)
{
	if (body.length < NONCE_MIN || body.length > NONCE_MAX)
		return false;
	nonce->length = body.length;
	memcpy(nonce->value, body.data, body.length);
	return true;
}

/* Diffie-Hellman */

bool message_own_public(struct message_ctx *ctx, unsigned group, uint8_t secret[static DH_SECRET_LEN],
			struct public_value *out)
{
	struct bridge *bridge = ctx->bridge;

	bridge->exponentiations++;
	out->length = dh_length(group);
	return bridge_random(bridge, secret, DH_SECRET_LEN) &&
	       dh_public(bridge->dh, group, secret, out->value);
}

bool message_shared(struct message_ctx *ctx, unsigned group, const uint8_t secret[static DH_SECRET_LEN],
		    const struct public_value *peer, uint8_t *out)
{
	ctx->bridge->exponentiations++;
	return dh_shared(ctx->bridge->dh, group, secret, peer->value, peer->length, out);
}

bool message_peer_public(struct message_ctx *ctx, unsigned group, struct bytes body, struct public_value *out)
{
	if (!dh_in_range(ctx->bridge->dh, group, body.data, body.length))
		return false;
	out->length = body.length;
	memcpy(out->value, body.data, body.length);
	return true;
}

/* Messages */

bool retransmit_same(const struct retransmit_cache *m, const struct message_ctx *ctx)
{
	return m->in && m->in_length == ctx->d->length && !memcmp(m->in, ctx->d->message, m->in_length);
}

bool retransmit_answer(const struct retransmit_cache *m, struct message_ctx *ctx)
{
	if (!m->out || m->out_length > ctx->d->capacity)
		return false;
	memcpy(ctx->d->out, m->out, m->out_length);
	ctx->result->length = m->out_length;
	return true;
}

bool retransmit_store(struct retransmit_cache *m, const struct message_ctx *ctx)
{
	retransmit_free(m);
	m->in = malloc(ctx->d->length);
	m->out = malloc(ctx->result->length);
	if (!m->in || !m->out) {
		retransmit_free(m);
		return false;
	}
	m->in_length = ctx->d->length;
	m->out_length = ctx->result->length;
	memcpy(m->in, ctx->d->message, m->in_length);
	memcpy(m->out, ctx->d->out, m->out_length);
	return true;
}

bool message_decrypt(struct message_ctx *ctx, const struct keys *keys, uint8_t *iv)
{
	uint8_t *body = ctx->bridge->copy + ISAKMP_HEADER_LEN;
	const size_t length = ctx->message.length - ISAKMP_HEADER_LEN;

	if (!keys_decrypt(ctx->bridge->crypto, keys, iv, body, length, body) ||
	    isakmp_read_payloads(&ctx->message) != ISAKMP_OK)
		return false;
	payloads_read(&ctx->message, &ctx->payloads);
	return true;
}

struct bytes message_rest(const struct message_ctx *ctx)
{
	const struct isakmp_payload *first = &ctx->message.payload[0];
	const struct isakmp_payload *last = &ctx->message.payload[ctx->message.payloads - 1];
	const size_t start = first->body_at + first->body_length, end = last->body_at + last->body_length;

	return (struct bytes){ctx->message.data + start, end - start};
}

bool message_write_chain(struct message_ctx *ctx)
{
	ctx->chain_length = payloads_write(&ctx->payloads, ctx->bridge->chain, sizeof ctx->bridge->chain);
	return ctx->chain_length > 0;
}

bool message_emit_clear(struct message_ctx *ctx)
{
	const size_t length = ISAKMP_HEADER_LEN + ctx->chain_length;

	if (length > ctx->d->capacity)
		return false;
	payloads_write_header(ctx->message.data, ctx->payloads.item[0].type, length, ctx->d->out);
	memcpy(ctx->d->out + ISAKMP_HEADER_LEN, ctx->bridge->chain, ctx->chain_length);
	ctx->result->length = length;
	return true;
}

bool message_emit_sealed(struct message_ctx *ctx, const struct keys *keys, uint8_t *iv)
{
	const size_t block = keys->block_length;
	const size_t sealed = (ctx->chain_length + block - 1) / block * block,
		     length = ISAKMP_HEADER_LEN + sealed;

	if (length > ctx->d->capacity || sealed > sizeof ctx->bridge->chain)
		return false;
	memset(ctx->bridge->chain + ctx->chain_length, 0, sealed - ctx->chain_length);
	if (!keys_encrypt(ctx->bridge->crypto, keys, iv, ctx->bridge->chain, sealed,
			  ctx->d->out + ISAKMP_HEADER_LEN))
		return false;
	payloads_write_header(ctx->message.data, ctx->payloads.item[0].type, length, ctx->d->out);
	ctx->result->length = length;
	return true;
}

void message_refuse(struct message_ctx *ctx, enum refusal why)
{
	const uint8_t body[] = {0, 0, 0, 1, 1, 0, 0, (uint8_t)why}; /* DOI, ISAKMP, no SPI */
	const struct payloads refusal = {.count = 1, .item = {{PAYLOAD_NOTIFY, {body, sizeof body}}}};
	uint8_t *reply = ctx->result->reply;
	const size_t chain =
		payloads_write(&refusal, reply + ISAKMP_HEADER_LEN, BRIDGE_REPLY_MAX - ISAKMP_HEADER_LEN);

	ctx->result->reply_length = ISAKMP_HEADER_LEN + chain;
	payloads_write_header(ctx->message.data, PAYLOAD_NOTIFY, ctx->result->reply_length, reply);
	reply[EXCHANGE_TYPE_AT] = INFORMATIONAL;
	reply[FLAGS_AT] = 0;
	ctx->result->actions |= BRIDGE_ACT_REPLY;
	if (!bridge_random(ctx->bridge, reply + MESSAGE_ID_AT, MESSAGE_ID_LEN))
		ctx->result->actions &= ~(unsigned)BRIDGE_ACT_REPLY;
}
