/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is inside the encryption. Both ends are played here, with keys of their own: Main Mode is done right, then the input's
 * payload chains get the right HASH, are sealed with the sender's keys and given to the bridge. Checked after each: what comes
 * out opens with the other end's keys, has the right HASH, the same header, and the same payloads but for those that bridge mode
 * is there to change; keys for the kernel come out when they should, for the SPIs that were negotiated; a repeat gets the same
 * answer; a wrong HASH goes nowhere.
 *
 * Input: one byte of settings (set_up), then records: kind, message (its ID, and what time passes before it; both
 * are explained at take_record), length of the chain (16 bits, network order), the type of the chain's first payload, the chain.
 * An empty chain stands for an ordinary one. */
#include "shim/ike/isakmp.h"
#include "tests/fuzz/bridge_world.h"

enum { SA = 1, KE = 4, ID = 5, HASH = 8, NONCE = 10, DELETE = 12, MAIN = 2, INFORMATIONAL = 5, QUICK = 32 };
enum { CLIENT, SERVER, SIDES };
enum {
	CLIENTS = 3,
	CALLS = 32,
	PAYLOADS = 64,
	PLAIN_MAX = 8192,
	CAPACITY = BRIDGE_MESSAGE_MAX + BRIDGE_GROWTH_MAX,
	MAINS_MAX = 4, /* of one input: each costs Diffie-Hellman */
	RECORDS_MAX = 40,
	SHARED_KEPT = 64,
	ALIVE_AFTER_DELETE_MS = 60000,
};

struct item {
	uint8_t type;
	struct bytes body;
};
struct chain {
	unsigned count;
	struct item item[PAYLOADS];
	size_t end; /* bytes, padding left out */
};

/* One end of an ISAKMP SA. */
struct side {
	struct keys_suite suite;
	struct keys keys;
	uint8_t own[DH_LENGTH_MAX], heard[DH_LENGTH_MAX];
	uint8_t sa[1024];
	size_t sa_length;
};

/* One Quick Mode. */
struct call {
	bool begun, by_server, has_ids;
	unsigned passed;
	uint8_t iv[SIDES][KEYS_BLOCK_MAX];
	uint8_t nonce[2][256], spi[2][4]; /* of the initiator, of the responder */
	uint8_t id[2][64];                /* both as the initiator said them */
	size_t nonce_length[2], id_length[2];
	uint8_t sa[BRIDGE_MESSAGE_MAX]; /* the initiator's */
	size_t sa_length;
	uint8_t ke[SIDES][DH_LENGTH_MAX],
		bridge_ke[SIDES][DH_LENGTH_MAX];          /* of that side, and what it heard */
	size_t ke_length[SIDES], bridge_ke_length[SIDES]; /* 0: none */
};

struct isakmp_sa { /* a client, its newest ISAKMP SA */
	struct endpoint client;
	bool by_server, keyed, up;
	int64_t gone_ms; /* 0: not deleted */
	uint8_t cookies[ISAKMP_COOKIES_LEN];
	struct side side[SIDES];
	uint8_t nonce_i[16], nonce_r[20];
	struct call call[CALLS];
};

struct world {
	struct bridge *bridge;
	unsigned random_at, mains;
	int64_t now;
	enum ike_dialect dialect;
	struct keys_suite client_suite;
	struct endpoint server;
	struct isakmp_sa session[CLIENTS];
	struct bridge_result result;
	uint8_t out[CAPACITY];
	size_t out_length;
};

static struct world world;
static uint8_t plain[PLAIN_MAX + 256], sealed[PLAIN_MAX + 512]; /* of the message under way */
static const uint8_t secret[DH_SECRET_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

struct record {
	unsigned kind, client, id;
	bool to_client, spoil, tight;
	uint8_t first; /* type of the first payload */
	const uint8_t *data;
	size_t length;
};

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* The chain that begins with a payload of that type. */
static bool walk(uint8_t type, const uint8_t *data, size_t length, struct chain *out)
{
	out->count = 0;
	for (out->end = 0; type; out->count++) {
		const size_t rest = length - out->end;

		if (rest < 4 || out->count == PAYLOADS || be16(data + out->end + 2) < 4 ||
		    be16(data + out->end + 2) > rest)
			return false;
		out->item[out->count] =
			(struct item){type, {data + out->end + 4, be16(data + out->end + 2) - 4U}};
		type = data[out->end];
		out->end += be16(data + out->end + 2);
	}
	return true;
}

static const struct item *find(const struct chain *chain, uint8_t type, unsigned n)
{
	for (unsigned i = 0; i < chain->count; i++)
		if (chain->item[i].type == type && n-- == 0)
			return &chain->item[i];
	return NULL;
}

static const struct item *only(const struct chain *chain, uint8_t type)
{
	return find(chain, type, 1) ? NULL : find(chain, type, 0);
}

static bool same(struct bytes a, struct bytes b)
{
	return a.length == b.length && (!a.length || !memcmp(a.data, b.data, a.length));
}

/* Appends a payload; the type of the next one stands in its own header. */
static size_t put(uint8_t *out, size_t at, uint8_t next, const void *body, size_t length)
{
	out[at] = next;
	out[at + 1] = 0;
	out[at + 2] = (uint8_t)((length + 4) >> 8);
	out[at + 3] = (uint8_t)(length + 4);
	memcpy(out + at + 4, body, length);
	return at + 4 + length;
}

static size_t put_header(uint8_t *out, const struct isakmp_sa *t, uint8_t first, uint8_t exchange,
			 const uint8_t id[4], bool encrypted, size_t length)
{
	memcpy(out, t->cookies, ISAKMP_COOKIES_LEN);
	out[16] = first;
	out[17] = 0x10;
	out[18] = exchange;
	out[19] = encrypted;
	memcpy(out + 20, id, 4);
	out[24] = out[25] = 0;
	out[26] = (uint8_t)(length >> 8);
	out[27] = (uint8_t)length;
	return length;
}

/* Diffie-Hellman of the ends, whose secret never changes: computed once. */
static struct dh *ends_dh(void)
{
	static struct dh *dh;

	if (!dh)
		dh = dh_new();
	return dh;
}

static const uint8_t *own_public(unsigned group)
{
	static uint8_t kept[32][DH_LENGTH_MAX];

	if (!kept[group][0] && !kept[group][1])
		require(dh_public(ends_dh(), group, secret, kept[group]));
	return kept[group];
}

static void shared_secret(unsigned group, const uint8_t *peer, uint8_t *out)
{
	static struct {
		unsigned group;
		uint8_t peer[DH_LENGTH_MAX], shared[DH_LENGTH_MAX];
	} kept[SHARED_KEPT], *one;
	const size_t length = dh_length(group);

	one = &kept[peer[length - 1] % SHARED_KEPT];
	if (one->group != group || memcmp(one->peer, peer, length) != 0) {
		require(dh_shared(ends_dh(), group, secret, peer, length, one->shared));
		one->group = group;
		memcpy(one->peer, peer, length);
	}
	memcpy(out, one->shared, length);
}

/* Giving a message to the bridge */

static void require_header(const uint8_t *message, const struct world *w)
{
	static const size_t same_at[][2] = {{0, 16}, {17, 7}};

	for (unsigned i = 0; i < 2; i++)
		require(!memcmp(w->out + same_at[i][0], message + same_at[i][0], same_at[i][1]));
	require(w->out[24] == 0 && w->out[25] == 0 && be16(w->out + 26) == w->out_length);
}

static void give(struct world *w, const struct isakmp_sa *t, bool to_client, const uint8_t *message,
		 size_t length, size_t capacity)
{
	uint8_t *copy = malloc(length), *out = malloc(capacity ? capacity : 1);
	const struct bridge_datagram d = {.direction = to_client ? IKE_TO_CLIENT : IKE_TO_SERVER,
					  .src = to_client ? w->server : t->client,
					  .dst = to_client ? t->client : w->server,
					  .message = copy,
					  .length = length,
					  .dialect = w->dialect,
					  .out = out,
					  .capacity = capacity};

	require(copy && out);
	memcpy(copy, message, length);
	bridge_message(w->bridge, (uint64_t)w->now, &d, &w->result);
	require_sound(w->bridge, &w->result, capacity);
	w->out_length = 0;
	if (w->result.verdict == BRIDGE_REPLACE) {
		memcpy(w->out, out, w->out_length = w->result.length);
		require_header(message, w);
	}
	free(copy);
	free(out);
}

/* Once more: the same answer, without another word or any arithmetic. */
static void give_again(struct world *w, const struct isakmp_sa *t, bool to_client, const uint8_t *message,
		       size_t length, size_t capacity)
{
	static uint8_t before[CAPACITY];
	static struct bridge_result result;
	const size_t before_length = w->out_length;
	const uint64_t cost = bridge_stats(w->bridge).exponentiations;

	memcpy(before, w->out, before_length);
	result = w->result;
	give(w, t, to_client, message, length, capacity);
	require(w->result.reason == BRIDGE_REPEATED && !w->result.actions);
	require(same((struct bytes){w->out, w->out_length}, (struct bytes){before, before_length}));
	require(bridge_stats(w->bridge).exponentiations == cost);
	w->result = result;
}

/* Main Mode */

static const uint8_t no_id[4];

static struct bytes body_of(const struct world *w, uint8_t type)
{
	static struct chain chain;
	const struct item *item;

	require(walk(w->out[16], w->out + 28, w->out_length - 28, &chain));
	item = only(&chain, type);
	require(item != NULL);
	return item->body;
}

static bool send_clear(struct world *w, struct isakmp_sa *t, unsigned from, uint8_t first,
		       const uint8_t *chain, size_t length)
{
	uint8_t message[2048];

	memcpy(message + 28, chain, length);
	length = put_header(message, t, first, MAIN, no_id, false, 28 + length);
	give(w, t, from == SERVER, message, length, CAPACITY);
	return w->result.reason == BRIDGE_RELAYED;
}

static void keep_sa(struct side *side, struct bytes body)
{
	require(body.length <= sizeof side->sa);
	memcpy(side->sa, body.data, side->sa_length = body.length);
}

/* Messages 1 and 2: the initiator's suite is as it was set, or the client's old one; the responder takes the first of what it
 * hears. */
static bool agree(struct world *w, struct isakmp_sa *t, unsigned i)
{
	struct side *initiator = &t->side[i], *responder = &t->side[!i];
	uint8_t body[1024], chain[1100];
	struct offer offer;
	size_t length;

	length = offer_write(&initiator->suite, 1, 3600, body, sizeof body);
	keep_sa(initiator, (struct bytes){body, length});
	if (!send_clear(w, t, i, SA, chain, put(chain, 0, 0, body, length)))
		return false;
	require(w->result.actions == (BRIDGE_ACT_TRACK | BRIDGE_ACT_BEGUN));
	keep_sa(responder, body_of(w, SA));
	require(offer_read((struct bytes){responder->sa, responder->sa_length}, &offer));
	responder->suite = offer.transform[0].suite;
	length = offer_write_choice(offer.proposal, &offer.transform[0], body, sizeof body);
	t->cookies[ISAKMP_COOKIES_LEN - 1] = 1;
	require(send_clear(w, t, !i, SA, chain, put(chain, 0, 0, body, length)));
	return true;
}

static void send_public(struct world *w, struct isakmp_sa *t, unsigned from, const uint8_t *nonce,
			size_t nonce_length)
{
	struct side *side = &t->side[from], *other = &t->side[!from];
	const size_t size = dh_length(side->suite.group);
	uint8_t chain[512];
	struct bytes ke;

	memcpy(side->own, own_public(side->suite.group), size);
	require(send_clear(w, t, from, KE, chain,
			   put(chain, put(chain, 0, NONCE, side->own, size), 0, nonce, nonce_length)));
	ke = body_of(w, KE);
	require(ke.length == dh_length(other->suite.group) &&
		same(body_of(w, NONCE), (struct bytes){nonce, nonce_length}));
	ke = body_of(w, KE);
	memcpy(other->heard, ke.data, ke.length);
}

static struct keys_input input_of(const struct isakmp_sa *t, unsigned leg)
{
	const struct side *side = &t->side[leg];
	const bool initiator = leg == (t->by_server ? SERVER : CLIENT);
	const size_t size = dh_length(side->suite.group);

	return (struct keys_input){.public_i = {initiator ? side->own : side->heard, size},
				   .public_r = {initiator ? side->heard : side->own, size},
				   .cookies = t->cookies};
}

static void derive(struct isakmp_sa *t, unsigned leg)
{
	struct side *side = &t->side[leg];
	struct keys_input input = input_of(t, leg);
	uint8_t skeyid[KEYS_HASH_MAX], shared[DH_LENGTH_MAX];

	shared_secret(side->suite.group, side->heard, shared);
	input.shared = (struct bytes){shared, dh_length(side->suite.group)};
	input.skeyid =
		(struct bytes){skeyid, known_skeyid(NULL, NULL, NULL, side->suite.hash,
						    (struct bytes){t->nonce_i, sizeof t->nonce_i},
						    (struct bytes){t->nonce_r, sizeof t->nonce_r}, skeyid)};
	require(keys_derive(known_crypto(), &side->suite, &input, &side->keys));
}

/* plain becomes sealed, with the sender's keys; iv is a copy, moved on. */
static size_t seal(const struct isakmp_sa *t, unsigned from, uint8_t exchange, const uint8_t id[4],
		   uint8_t *iv, uint8_t first, size_t length)
{
	const struct keys *keys = &t->side[from].keys;
	const size_t padded = (length + keys->block_length - 1) / keys->block_length * keys->block_length;

	memset(plain + length, 0, padded - length);
	require(keys_encrypt(known_crypto(), keys, iv, plain, padded, sealed + 28));
	return put_header(sealed, t, first, exchange, id, true, 28 + padded);
}

/* What came out, opened as its receiver does. */
static void open_out(struct world *w, const struct isakmp_sa *t, unsigned to, uint8_t *iv, struct chain *out)
{
	static uint8_t opened[CAPACITY];
	const size_t length = w->out_length - 28;

	require(keys_decrypt(known_crypto(), &t->side[to].keys, iv, w->out + 28, length, opened));
	require(walk(w->out[16], opened, length, out));
	require(length - out->end < t->side[to].keys.block_length);
	for (size_t at = out->end; at < length; at++)
		require(opened[at] == 0);
}

static bool is_alias(struct bytes said, struct bytes told)
{
	const bool address =
		(said.length == 8 && said.data[0] == 1) || (said.length == 20 && said.data[0] == 5);

	return address && told.length == 8 && told.data[0] == 1 && !memcmp(told.data + 1, said.data + 1, 3) &&
	       told.data[4] == 198 && told.data[5] == 18 && told.data[6] <= 4;
}

static void require_auth(struct world *w, const struct isakmp_sa *t, unsigned from, bool responder,
			 const struct chain *said, uint8_t *iv)
{
	static struct chain told;
	const unsigned to = !from;
	const struct keys_input input = input_of(t, to);
	uint8_t hash[KEYS_HASH_MAX];

	open_out(w, t, to, iv, &told);
	require(only(&told, ID) && only(&told, HASH) && told.count == said->count);
	require(keys_hash_auth(known_crypto(), &t->side[to].keys, &input, responder,
			       (struct bytes){t->side[to].sa, t->side[to].sa_length}, only(&told, ID)->body,
			       hash));
	require(same(only(&told, HASH)->body, (struct bytes){hash, t->side[to].keys.hash_length}));
	for (unsigned i = 0; i < told.count; i++) {
		require(told.item[i].type == said->item[i].type);
		if (told.item[i].type == ID)
			require(same(told.item[i].body, said->item[i].body) ||
				(from == CLIENT && is_alias(said->item[i].body, told.item[i].body)));
		else if (told.item[i].type != HASH)
			require(same(told.item[i].body, said->item[i].body));
	}
}

/* The chain of a record, or an ordinary one. */
static size_t chain_of_auth(const struct isakmp_sa *t, unsigned from, const struct record *r, uint8_t *first)
{
	static const uint8_t names[SIDES][8] = {{1, 17, 1, 0xf4, 192, 168, 77, 2},
						{1, 0, 0, 0, 203, 0, 113, 5}};
	static const uint8_t zeros[KEYS_HASH_MAX];

	if (r->length) {
		*first = r->first;
		memcpy(plain, r->data, r->length);
		return r->length;
	}
	*first = ID;
	return put(plain, put(plain, 0, HASH, names[from], 8), 0, zeros, t->side[from].keys.hash_length);
}

/* Message 5 or 6: HASH_I or HASH_R stands where the chain has its HASH. */
static void send_auth(struct world *w, struct isakmp_sa *t, bool responder, const struct record *r)
{
	static struct chain chain;
	const unsigned from = responder == t->by_server ? CLIENT : SERVER;
	struct side *side = &t->side[from];
	const struct keys_input input = input_of(t, from);
	uint8_t hash[KEYS_HASH_MAX], iv[KEYS_BLOCK_MAX], iv_out[KEYS_BLOCK_MAX], first;
	size_t length = chain_of_auth(t, from, r, &first), capacity;
	const bool good = walk(first, plain, length, &chain) && only(&chain, ID) && only(&chain, HASH) &&
			  only(&chain, HASH)->body.length == side->keys.hash_length;

	if (good) {
		require(keys_hash_auth(known_crypto(), &side->keys, &input, responder,
				       (struct bytes){side->sa, side->sa_length}, only(&chain, ID)->body,
				       hash));
		hash[0] ^= r->spoil;
		memcpy(plain + (only(&chain, HASH)->body.data - plain), hash, side->keys.hash_length);
	}
	memcpy(iv, side->keys.iv, sizeof iv);
	memcpy(iv_out, t->side[!from].keys.iv, sizeof iv_out);
	length = seal(t, from, MAIN, no_id, iv, first, length);
	capacity = r->tight ? length : CAPACITY;
	give(w, t, from == SERVER, sealed, length, capacity);
	require(good && !r->spoil ? 1 : w->result.verdict != BRIDGE_REPLACE);
	if (w->result.reason != BRIDGE_RELAYED)
		return;
	give_again(w, t, from == SERVER, sealed, length, capacity);
	require_auth(w, t, from, responder, &chain, iv_out);
	require(w->result.actions ==
		(responder ? BRIDGE_ACT_TRACK | BRIDGE_ACT_ESTABLISHED : BRIDGE_ACT_TRACK));
	memcpy(side->keys.iv, iv, sizeof iv);
	memcpy(t->side[!from].keys.iv, iv_out, sizeof iv_out);
	t->up = responder;
}

static void main_mode(struct world *w, struct isakmp_sa *t, const struct record *r)
{
	const unsigned i = r->to_client ? SERVER : CLIENT;
	const struct endpoint client = t->client;

	if (w->mains == MAINS_MAX)
		return;
	*t = (struct isakmp_sa){
		.client = client, .by_server = r->to_client, .cookies = {(uint8_t)++w->mains}};
	t->side[CLIENT].suite = w->client_suite;
	t->side[SERVER].suite = (struct keys_suite){ISAKMP_CIPHER_AES_CBC, ISAKMP_HASH_SHA2_256, 2, 256};
	memset(t->nonce_i, 0x11, sizeof t->nonce_i);
	memset(t->nonce_r, 0x22, sizeof t->nonce_r);
	if (!agree(w, t, i))
		return;
	send_public(w, t, i, t->nonce_i, sizeof t->nonce_i);
	send_public(w, t, !i, t->nonce_r, sizeof t->nonce_r);
	derive(t, CLIENT);
	derive(t, SERVER);
	t->keyed = true;
	send_auth(w, t, false, r);
	require(r->length || r->spoil || r->tight || w->result.reason == BRIDGE_RELAYED);
}

/* Quick Mode and Informational */

/* The ESP proposal of that number (0: the first): its own number and its SPI; -1: there is none. */
static int find_spi(struct bytes sa, int number, uint8_t spi[4])
{
	size_t at = 8;
	uint8_t next = 2;

	while (next == 2 && at + 8 <= sa.length && be16(sa.data + at + 2) >= 8 &&
	       be16(sa.data + at + 2) <= sa.length - at) {
		const uint8_t *p = sa.data + at;

		if (p[5] == 3 && p[6] == 4 && be16(p + 2) >= 12 && (!number || p[4] == number)) {
			memcpy(spi, p + 8, 4);
			return p[4];
		}
		next = p[0];
		at += be16(p + 2);
	}
	return -1;
}

static void keep_ids(struct call *c, const struct chain *said)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct item *id = find(said, ID, i);

		c->id_length[i] = id && id->body.length <= sizeof c->id[i] ? id->body.length : 0;
		if (c->id_length[i])
			memcpy(c->id[i], id->body.data, id->body.length);
	}
	c->has_ids = c->id_length[0] && c->id_length[1];
}

/* What message 1 or 2 has settled. */
static void keep_call(struct call *c, unsigned number, unsigned from, const struct chain *said,
		      const struct chain *told)
{
	const struct bytes sa = only(said, SA)->body, nonce = only(said, NONCE)->body;
	const struct item *in = only(said, KE), *out = only(told, KE);

	memcpy(c->nonce[number - 1], nonce.data, c->nonce_length[number - 1] = nonce.length);
	if (number == 1) {
		memcpy(c->sa, sa.data, c->sa_length = sa.length);
		require(find_spi(sa, 0, c->spi[0]) >= 0);
		keep_ids(c, said);
	} else {
		const struct bytes offered = {c->sa, c->sa_length};
		const int chosen = find_spi(sa, 0, c->spi[1]);

		require(chosen >= 0);
		if (find_spi(offered, chosen, c->spi[0]) < 0)
			find_spi(offered, 0, c->spi[0]);
	}
	if (in)
		memcpy(c->ke[from], in->body.data, c->ke_length[from] = in->body.length);
	if (out)
		memcpy(c->bridge_ke[!from], out->body.data, c->bridge_ke_length[!from] = out->body.length);
}

static bool may_change(uint8_t type)
{
	return type == SA || type == KE || type == ID;
}

/* NAT-OA: what its type becomes; 0: it is taken out. */
static uint8_t natoa(const struct world *w, uint8_t type, bool to_client)
{
	const bool draft = w->dialect == IKE_DIALECT_DRAFT_07;

	if (w->dialect == IKE_DIALECT_APPLE && to_client && (type == 21 || type == 131))
		return 0;
	if (draft && type == (to_client ? 21 : 16))
		return to_client ? 16 : 21;
	return type;
}

static void require_ke(struct bytes body)
{
	require(body.length == dh_length(1) || body.length == dh_length(2) || body.length == dh_length(5) ||
		body.length == dh_length(14));
}

/* The IDs of an answer are those that the initiator has said. */
static void require_id(const struct call *c, unsigned number, unsigned which, struct bytes said,
		       struct bytes told)
{
	if (number == 2 && c->has_ids && which < 2)
		require(same(told, (struct bytes){c->id[which], c->id_length[which]}) || same(told, said));
	else if (number == 2 || which >= 2)
		require(same(told, said));
	else
		require(same(told, said) || (told.length >= 1 && told.length <= sizeof c->id[0]));
}

static void require_same(const struct world *w, const struct call *c, unsigned number, unsigned from,
			 const struct chain *said, const struct chain *told)
{
	const bool negotiates = c && number < 3;
	unsigned k = 1, ids = 0;

	for (unsigned i = 1; i < said->count; i++) {
		const struct item *a = &said->item[i];
		const uint8_t type = negotiates ? natoa(w, a->type, from == SERVER) : a->type;

		if (!type)
			continue;
		require(k < told->count && told->item[k].type == type);
		const struct bytes b = told->item[k++].body;

		if (!negotiates || !may_change(type))
			require(same(a->body, b));
		else if (type == SA)
			require(a->body.length == b.length);
		else if (type == KE)
			require_ke(b);
		else
			require_id(c, number, ids++, a->body, b);
	}
	require(k == told->count);
}

static void hash_for(const struct isakmp_sa *t, unsigned leg, const struct call *c, unsigned number,
		     const uint8_t id[4], struct bytes rest, uint8_t *out)
{
	static const uint8_t zero;
	const struct bytes msgid = {id, 4};
	const struct bytes ni = {c ? c->nonce[0] : NULL, c ? c->nonce_length[0] : 0};
	const struct bytes nr = {c ? c->nonce[1] : NULL, c ? c->nonce_length[1] : 0};
	const struct bytes third[] = {{&zero, 1}, msgid, ni, nr};
	const struct bytes other[] = {msgid, number == 2 ? ni : (struct bytes){NULL, 0}, rest};

	require(number == 3 ? keys_hash(known_crypto(), &t->side[leg].keys, third, 4, out)
			    : keys_hash(known_crypto(), &t->side[leg].keys, other, 3, out));
}

static struct bytes rest_of(const struct chain *chain)
{
	const struct bytes *first = &chain->item[0].body, *last = &chain->item[chain->count - 1].body;

	return (struct bytes){first->data + first->length,
			      (size_t)(last->data + last->length - first->data) - first->length};
}

/* An ordinary chain of Quick Mode: SA, nonce, IDs; with the sender's SPI. */
static size_t ordinary_quick(unsigned number, unsigned from, uint8_t *out)
{
	static const uint8_t sa[] = {0,    0,  0, 1, 0,    0,    0,    1, 0,    0, 0,    0x28,
				     1,    3,  4, 1, 0xaa, 0xbb, 0xcc, 0, 0,    0, 0,    0x1c,
				     1,    12, 0, 0, 0x80, 1,    0,    1, 0x80, 2, 0x0e, 0x10,
				     0x80, 4,  0, 4, 0x80, 5,    0,    2, 0x80, 6, 0,    128};
	static const uint8_t client[] = {1, 17, 0xd4, 0x31, 192, 168, 77, 2},
			     server[] = {1, 17, 6, 0xa5, 203, 0, 113, 5};
	const bool client_first = (from == CLIENT) == (number == 1);
	uint8_t nonce[16], own[sizeof sa];
	size_t at;

	memcpy(own, sa, sizeof sa);
	own[19] = (uint8_t)from;
	memset(nonce, (int)number, sizeof nonce);
	at = put(out, 0, NONCE, own, sizeof own);
	at = put(out, at, ID, nonce, sizeof nonce);
	at = put(out, at, ID, client_first ? client : server, 8);
	return put(out, at, 0, client_first ? server : client, 8);
}

/* HASH, and the chain behind it, in plain; its length. */
static size_t with_hash(const struct isakmp_sa *t, unsigned from, const struct call *c, unsigned number,
			const uint8_t id[4], const struct record *r, struct chain *said, bool *good)
{
	static uint8_t chain[PLAIN_MAX];
	static const uint8_t dpd[] = {0, 0, 0, 1, 1, 0, 0x8d, 0x28, 1, 2, 3, 4};
	const uint8_t hash_length = t->side[from].keys.hash_length;
	uint8_t hash[KEYS_HASH_MAX] = {0}, first = r->first;
	size_t length = r->length, whole;

	if (length)
		memcpy(chain, r->data, length);
	else if (c && number < 3)
		first = SA, length = ordinary_quick(number, from, chain);
	else if (!c)
		first = 11, length = put(chain, 0, 0, dpd, sizeof dpd);
	else
		first = 0;
	put(plain, 0, first, hash, hash_length);
	memcpy(plain + 4 + hash_length, chain, length);
	whole = 4U + hash_length + length;
	*good = walk(HASH, plain, whole, said);
	hash_for(t, from, c, number, id,
		 *good ? rest_of(said) : (struct bytes){plain + 4 + hash_length, length}, hash);
	hash[hash_length - 1] ^= r->spoil;
	memcpy(plain + 4, hash, hash_length);
	return whole;
}

static void require_hash(const struct isakmp_sa *t, unsigned to, const struct call *c, unsigned number,
			 const uint8_t id[4], const struct chain *told)
{
	uint8_t hash[KEYS_HASH_MAX];

	require(told->count && told->item[0].type == HASH);
	hash_for(t, to, c, number, id, rest_of(told), hash);
	require(same(told->item[0].body, (struct bytes){hash, t->side[to].keys.hash_length}));
}

/* The secret of PFS as that side has it: where it has sent the public value of ours. */
static bool pfs_secret(const struct call *c, unsigned side, uint8_t *out)
{
	for (unsigned group = 1; group <= 14; group++)
		if (dh_length(group) && c->ke_length[side] == dh_length(group) &&
		    c->bridge_ke_length[side] == dh_length(group) &&
		    !memcmp(c->ke[side], own_public(group), c->ke_length[side])) {
			shared_secret(group, c->bridge_ke[side], out);
			return true;
		}
	return false;
}

/* KEYMAT as that side has it. */
static void require_material(const struct isakmp_sa *t, const struct call *c, unsigned side,
			     const uint8_t spi[4], const uint8_t *key)
{
	uint8_t secret_of_pfs[DH_LENGTH_MAX];
	const struct bytes shared = {secret_of_pfs, c->ke_length[side]};
	const struct bytes ni = {c->nonce[0], c->nonce_length[0]}, nr = {c->nonce[1], c->nonce_length[1]};
	uint8_t material[KEYS_MATERIAL_LEN];

	if (shared.length && !pfs_secret(c, side, secret_of_pfs))
		return;
	require(keys_material(known_crypto(), &t->side[side].keys, shared, 3, (struct bytes){spi, 4}, ni, nr,
			      material));
	require(!memcmp(material, key, sizeof material));
}

static void require_rekey(const struct world *w, const struct isakmp_sa *t, const struct call *c)
{
	const struct bridge_rekey *rekey = &w->result.rekey;

	require(!memcmp(rekey->spi_to_client, c->spi[c->by_server], 4));
	require(!memcmp(rekey->spi_to_server, c->spi[!c->by_server], 4));
	require(endpoint_same_host(&rekey->client, &t->client) &&
		endpoint_same_host(&rekey->server, &w->server));
	require_material(t, c, CLIENT, rekey->spi_to_server, rekey->key_to_server);
	require_material(t, c, CLIENT, rekey->spi_to_client, rekey->key_to_client);
	require_material(t, c, SERVER, rekey->spi_to_server, rekey->old_to_server);
	require_material(t, c, SERVER, rekey->spi_to_client, rekey->old_to_client);
}

static void make_id(const struct record *r, uint8_t id[4])
{
	id[0] = id[1] = 0x51;
	id[2] = (uint8_t)r->client;
	id[3] = (uint8_t)r->id;
}

static unsigned number_of(const struct call *c, bool by_server)
{
	if (by_server != c->by_server)
		return 2;
	return c->passed == 0 ? 1 : 3;
}

static unsigned expected_actions(const struct call *c, unsigned number)
{
	return (number == (c->by_server ? 2U : 1U) ? BRIDGE_ACT_EXPECT : 0) |
	       (number == (c->by_server ? 3U : 2U) ? BRIDGE_ACT_REKEY_SAS : 0) |
	       (number == 3 ? BRIDGE_ACT_READY : 0);
}

static void begin_call(struct isakmp_sa *t, struct call *c, bool by_server, const uint8_t id[4])
{
	*c = (struct call){.begun = true, .by_server = by_server};
	for (unsigned leg = 0; leg < SIDES; leg++)
		require(keys_phase2_iv(known_crypto(), &t->side[leg].keys, id, c->iv[leg]));
}

/* The bridge has relayed it. */
static void quick_passed(struct world *w, struct isakmp_sa *t, struct call *c, unsigned number, unsigned from,
			 const uint8_t id[4], const struct chain *said)
{
	static struct chain told;

	open_out(w, t, !from, c->iv[!from], &told);
	if (number < 3)
		require(only(said, SA) && only(said, NONCE) && only(&told, NONCE));
	require_same(w, c, number, from, said, &told);
	if (number < 3)
		keep_call(c, number, from, said, &told);
	require_hash(t, !from, c, number, id, &told);
	require(w->result.actions == expected_actions(c, number));
	if (w->result.actions & BRIDGE_ACT_REKEY_SAS)
		require_rekey(w, t, c);
	c->passed = number;
}

static void send_quick(struct world *w, struct isakmp_sa *t, const struct record *r)
{
	static struct chain said;
	const unsigned from = r->to_client ? SERVER : CLIENT;
	struct call *c = &t->call[r->id];
	uint8_t id[4], iv[KEYS_BLOCK_MAX];
	unsigned number;
	size_t length, capacity;
	bool good;

	make_id(r, id);
	if (!c->begun)
		begin_call(t, c, r->to_client, id);
	number = number_of(c, r->to_client);
	length = with_hash(t, from, c, number, id, r, &said, &good);
	memcpy(iv, c->iv[from], sizeof iv);
	length = seal(t, from, QUICK, id, iv, HASH, length);
	capacity = r->tight ? length : CAPACITY;
	give(w, t, r->to_client, sealed, length, capacity);
	if (w->result.reason == BRIDGE_RELAYED) {
		require(good && !r->spoil && t->up);
		give_again(w, t, r->to_client, sealed, length, capacity);
		memcpy(c->iv[from], iv, sizeof iv);
		quick_passed(w, t, c, number, from, id, &said);
	} else {
		require(w->result.verdict != BRIDGE_REPLACE && !(w->result.actions & BRIDGE_ACT_REKEY_SAS));
		if (c->passed == 0 || w->result.reason == BRIDGE_FAILED)
			c->begun = false;
	}
}

/* A Delete of the ISAKMP SA that the message came in. */
static bool deletes(const struct isakmp_sa *t, const struct chain *said)
{
	for (unsigned i = 0; i < said->count; i++) {
		const struct bytes *body = &said->item[i].body;

		if (said->item[i].type != DELETE || body->length <= 8 || body->data[4] != 1)
			continue;
		if (body->data[5] != ISAKMP_COOKIES_LEN)
			return true;
		for (size_t at = 8; at + ISAKMP_COOKIES_LEN <= body->length; at += ISAKMP_COOKIES_LEN)
			if (!memcmp(body->data + at, t->cookies, ISAKMP_COOKIES_LEN))
				return true;
	}
	return false;
}

static void send_informational(struct world *w, struct isakmp_sa *t, const struct record *r)
{
	static struct chain said, told;
	const unsigned from = r->to_client ? SERVER : CLIENT;
	uint8_t id[4], iv[KEYS_BLOCK_MAX];
	size_t length;
	bool good;

	make_id(r, id);
	require(keys_phase2_iv(known_crypto(), &t->side[from].keys, id, iv));
	length = with_hash(t, from, NULL, 1, id, r, &said, &good);
	length = seal(t, from, INFORMATIONAL, id, iv, HASH, length);
	give(w, t, r->to_client, sealed, length, r->tight ? length : CAPACITY);
	if (w->result.verdict != BRIDGE_REPLACE)
		return;
	require(good && !r->spoil && w->result.reason == BRIDGE_RELAYED);
	require(keys_phase2_iv(known_crypto(), &t->side[!from].keys, id, iv));
	open_out(w, t, !from, iv, &told);
	require_same(w, NULL, 1, from, &said, &told);
	require_hash(t, !from, NULL, 1, id, &told);
	/* a second Delete finds it closed */
	require(w->result.actions ==
		(t->up && !t->gone_ms && deletes(t, &said) ? (unsigned)BRIDGE_ACT_TRACK : 0U));
	if (w->result.actions)
		t->gone_ms = w->now + ALIVE_AFTER_DELETE_MS;
}

/* Records */

static const struct record *take_record(const uint8_t **data, size_t *size, int64_t *now)
{
	static const unsigned seconds[] = {0, 0, 1, 10, 31, 61, 121, 4300};
	static struct record r;
	const uint8_t *at = *data;

	if (*size < 5)
		return NULL;
	r = (struct record){
		.kind = at[0] & 3, /* message 5 with all before it, message 6, Quick Mode, Informational */
		.client = (at[0] >> 2 & 3) % CLIENTS,
		.to_client = at[0] & 0x10,
		.spoil = at[0] & 0x20, /* the HASH is wrong */
		.tight = at[0] & 0x40, /* no room to grow */
		.id = at[1] % CALLS,
		.first = at[4],
		.data = at + 5,
		.length = be16(at + 2)};
	*now += (int64_t)seconds[at[1] / CALLS] * 1000;
	*size -= 5;
	if (r.length > *size)
		r.length = *size;
	*data += 5 + r.length;
	*size -= r.length;
	if (r.length > PLAIN_MAX)
		r.length = PLAIN_MAX;
	return &r;
}

static void one_record(struct world *w, const struct record *r)
{
	struct isakmp_sa *t = &w->session[r->client];

	if (r->kind == 0) {
		main_mode(w, t, r);
	} else if (t->keyed) {
		if (r->kind == 1)
			send_auth(w, t, true, r);
		else
			(r->kind == 2 ? send_quick : send_informational)(w, t, r);
		require(!t->gone_ms || w->now < t->gone_ms || w->result.verdict != BRIDGE_REPLACE);
	}
}

/* Bit 1: a server with IDs of its own, bits 2 and 3: dialect, bits 4 and 5: the client's suite. */
static bool set_up(struct world *w, uint8_t settings)
{
	static const enum ike_dialect dialects[] = {IKE_DIALECT_APPLE, IKE_DIALECT_DRAFT_07,
						    IKE_DIALECT_RFC3947, IKE_DIALECT_APPLE};
	static const struct keys_suite suites[] = {{ISAKMP_CIPHER_3DES_CBC, ISAKMP_HASH_SHA1, 1, 0},
						   {ISAKMP_CIPHER_3DES_CBC, ISAKMP_HASH_MD5, 1, 0},
						   {ISAKMP_CIPHER_AES_CBC, ISAKMP_HASH_SHA1, 1, 128},
						   {ISAKMP_CIPHER_AES_CBC, ISAKMP_HASH_SHA2_512, 1, 256}};
	static const char *const clients[CLIENTS] = {"198.51.100.7:4500", "198.51.100.8:4500",
						     "198.51.100.7:1025"};
	struct bridge_config config;

	*w = (struct world){.now = 1000,
			    .dialect = dialects[settings >> 2 & 3],
			    .client_suite = suites[settings >> 4 & 3]};
	config = known_config("aes256-sha2_256-modp1024", &w->random_at);
	config.strongswan_answers = settings & 2;
	w->bridge = bridge_new(&config);
	require(endpoint_parse("203.0.113.5:4500", &w->server));
	for (unsigned i = 0; i < CLIENTS; i++)
		require(endpoint_parse(clients[i], &w->session[i].client));
	return w->bridge != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct record *r;

	if (!size)
		return 0;
	require(set_up(&world, *data++));
	size--;
	for (unsigned i = 0; i < RECORDS_MAX && (r = take_record(&data, &size, &world.now)) != NULL; i++)
		one_record(&world, r);
	bridge_free(world.bridge);
	return 0;
}
