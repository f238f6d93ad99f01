/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Main Mode with a pre-shared key, relayed (RFC 2409 section 5.4). Message by message: what the initiator's leg says, and
 * what the responder's leg is told, and back. */
#include "shim/bridge/impl.h"

#include <openssl/crypto.h>

enum { NATD_RFC_3947 = 20, NATD_DRAFT_02 = 130 };
enum { FIRST_MESSAGE = 1, ANSWER, FIRST_KE, SECOND_KE, FIRST_HASH, SECOND_HASH, BROKEN };

/* The vendor ID that lets IKE messages come in parts (draft-smith-ikev1-fragmentation): MD5 of "FRAGMENTATION", with or
 * without flags behind it. Fragments cannot be relayed. */
static const uint8_t fragmentation[] = {0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85,
					0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3};

static void remove_fragmentation(struct payloads *list)
{
	for (unsigned i = list->count; i-- > 0;) {
		const struct payload *p = &list->item[i];

		if (p->type == ISAKMP_VENDOR_ID && p->body.length >= sizeof fragmentation &&
		    !memcmp(p->body.data, fragmentation, sizeof fragmentation))
			payloads_remove(list, i);
	}
}

static bool was_offered(struct bytes sa, const struct keys_suite *suite)
{
	struct offer offer;

	if (!offer_read(sa, &offer))
		return false;
	for (unsigned i = 0; i < offer.count; i++)
		if (offer.transform[i].authentication == OFFER_PRE_SHARED_KEY &&
		    offer_same_suite(&offer.transform[i].suite, suite))
			return true;
	return false;
}

/* Message 1: the SA payload is another one. */
static enum bridge_reason relay_offer(struct message_ctx *ctx, struct bytes ours)
{
	struct payload *sa = payloads_only(&ctx->payloads, ISAKMP_SA);

	if (!sa)
		return BRIDGE_MALFORMED;
	sa->body = ours;
	return BRIDGE_RELAYED;
}

/* Message 2: one of the transforms that we offered; the initiator hears the one that it offered. suites: what is agreed on each leg. */
static enum bridge_reason relay_choice(struct message_ctx *ctx, struct bytes ours, struct bytes theirs,
				       struct keys_suite suites[LEGS])
{
	struct payload *sa = payloads_only(&ctx->payloads, ISAKMP_SA);
	const struct offer_transform *usable;
	struct offer choice, offer;
	size_t length;

	if (!sa || ctx->message.first || !offer_read(sa->body, &choice) || choice.count != 1)
		return BRIDGE_MALFORMED;
	if (choice.transform[0].authentication != OFFER_PRE_SHARED_KEY ||
	    !was_offered(ours, &choice.transform[0].suite) || !offer_read(theirs, &offer))
		return BRIDGE_REFUSED;
	usable = bridge_usable(ctx->bridge, &offer);
	if (!usable)
		return BRIDGE_FAILED;
	suites[ctx->in] = choice.transform[0].suite;
	suites[ctx->out] = usable->suite;
	length =
		offer_write_choice(offer.proposal, usable, ctx->bridge->scratch, sizeof ctx->bridge->scratch);
	sa->body = (struct bytes){ctx->bridge->scratch, length};
	return length ? BRIDGE_RELAYED : BRIDGE_FAILED;
}

static struct bytes sa_of(const struct isakmp_sa *s, unsigned leg)
{
	const struct side *side = &s->phase1->side[leg];

	return (struct bytes){side->sa, side->sa_length};
}

static enum bridge_reason relay_answer(struct message_ctx *ctx, struct isakmp_sa *s)
{
	struct keys_suite suites[LEGS];
	const enum bridge_reason reason = relay_choice(ctx, sa_of(s, ctx->in), sa_of(s, ctx->out), suites);

	if (reason != BRIDGE_RELAYED)
		return reason;
	for (unsigned leg = 0; leg < LEGS; leg++)
		s->leg[leg].suite = suites[leg];
	memcpy(s->cookies, ctx->message.data, ISAKMP_COOKIES_LEN);
	return BRIDGE_RELAYED;
}

/* NAT-D hashes are made with the leg's hash algorithm. One that is of no address that we know becomes one that is of no
 * address at all. */
static const uint8_t *translate_natd(struct message_ctx *ctx, const struct isakmp_sa *s, struct bytes body,
				     uint8_t *out, size_t *length)
{
	const struct bridge_config *config = &ctx->bridge->config;
	const struct endpoint *const known[] = {&ctx->d->dst, &ctx->d->src, &config->public_addr4,
						&config->public_addr6};
	const uint8_t from = s->leg[ctx->in].suite.hash, to = s->leg[ctx->out].suite.hash;
	struct endpoint address = {.addr_len = 4};
	uint16_t port = 0;
	uint8_t hash[NATD_HASH_MAX];

	memcpy(address.addr, body.data, body.length < 4 ? body.length : 4);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const uint16_t its_port = known[i]->port ? known[i]->port : ctx->d->dst.port;
		const size_t size = known[i]->addr_len
					    ? natd_hash(ctx->bridge->hasher, from, ctx->message.data,
							known[i], its_port, hash)
					    : 0;

		if (!size || size != body.length || memcmp(hash, body.data, size) != 0)
			continue;
		address = *known[i];
		port = its_port;
		break;
	}
	*length = natd_hash(ctx->bridge->hasher, to, ctx->message.data, &address, port, out);
	return out;
}

static void translate_natds(struct message_ctx *ctx, const struct isakmp_sa *s)
{
	uint8_t *at = ctx->bridge->scratch;
	const uint8_t *const end = at + sizeof ctx->bridge->scratch;

	if (s->leg[ctx->in].suite.hash == s->leg[ctx->out].suite.hash)
		return;
	for (unsigned i = 0; i < ctx->payloads.count && end - at >= NATD_HASH_MAX; i++) {
		struct payload *p = &ctx->payloads.item[i];

		if (p->type != NATD_RFC_3947 && p->type != NATD_DRAFT_02)
			continue;
		p->body.data = translate_natd(ctx, s, p->body, at, &p->body.length);
		at += p->body.length;
	}
}

/* What messages 3 and 4 have in common: the public value and the nonce of their sender, and ours in their place. */
static enum bridge_reason relay_public(struct message_ctx *ctx, struct isakmp_sa *s, struct nonce *nonce)
{
	struct payload *ke = payloads_only(&ctx->payloads, PAYLOAD_KE);
	struct payload *n = payloads_only(&ctx->payloads, PAYLOAD_NONCE);
	struct side *in = &s->phase1->side[ctx->in], *out = &s->phase1->side[ctx->out];

	if (!ke || !n || !nonce_keep(nonce, n->body))
		return BRIDGE_MALFORMED;
	if (!message_peer_public(ctx, s->leg[ctx->in].suite.group, ke->body, &in->peer))
		return BRIDGE_BAD_KE;
	if (!message_own_public(ctx, s->leg[ctx->out].suite.group, out->secret, &out->own))
		return BRIDGE_FAILED;
	ke->body = public_bytes(&out->own);
	translate_natds(ctx, s);
	return BRIDGE_RELAYED;
}

/* The names of RFC 2409 on one leg. */
static struct keys_input input_of(const struct isakmp_sa *s, unsigned leg)
{
	const struct side *l = &s->phase1->side[leg];
	const bool peer_is_initiator = leg == initiator_leg(s->by_server);

	return (struct keys_input){
		.public_i = public_bytes(peer_is_initiator ? &l->peer : &l->own),
		.public_r = public_bytes(peer_is_initiator ? &l->own : &l->peer),
		.cookies = s->cookies,
	};
}

static bool derive_leg(struct message_ctx *ctx, struct isakmp_sa *s, unsigned leg, struct bytes skeyid)
{
	struct keys_input input = input_of(s, leg);
	struct leg *l = &s->leg[leg];
	struct side *side = &s->phase1->side[leg];
	uint8_t shared[DH_LENGTH_MAX];
	bool ok;

	input.skeyid = skeyid;
	input.shared = (struct bytes){shared, dh_length(l->suite.group)};
	ok = message_shared(ctx, l->suite.group, side->secret, &side->peer, shared) &&
	     keys_derive(ctx->bridge->crypto, &l->suite, &input, &l->keys);
	OPENSSL_cleanse(shared, sizeof shared);
	OPENSSL_cleanse(side->secret, sizeof side->secret);
	return ok;
}

static size_t ask_skeyid(struct message_ctx *ctx, const struct isakmp_sa *s, unsigned leg,
			 uint8_t out[static KEYS_HASH_MAX])
{
	const struct bridge_config *config = &ctx->bridge->config;
	const struct bridge_datagram *d = ctx->d;
	const bool to_server = d->direction == IKE_TO_SERVER;

	return config->skeyid(config->ctx, to_server ? &d->dst : &d->src, to_server ? &d->src : &d->dst,
			      s->leg[leg].suite.hash, nonce_bytes(&s->phase1->nonce_i),
			      nonce_bytes(&s->phase1->nonce_r), out);
}

/* With message 5, not before: who cannot make one that opens has cost no more than two public values. Of the leg that it came by first;
 * the other one's when its HASH is right. Without an answer nothing has happened yet, and a repeat may have one. */
static enum bridge_reason derive_keys(struct message_ctx *ctx, struct isakmp_sa *s, unsigned leg)
{
	uint8_t skeyid[KEYS_HASH_MAX];
	enum bridge_reason reason = BRIDGE_SECRETS;
	size_t length;

	if (s->leg[leg].keys.hash_length)
		return BRIDGE_RELAYED;
	length = ask_skeyid(ctx, s, leg, skeyid);
	if (length)
		reason = derive_leg(ctx, s, leg, (struct bytes){skeyid, length}) ? BRIDGE_RELAYED
										 : BRIDGE_FAILED;
	OPENSSL_cleanse(skeyid, sizeof skeyid);
	return reason;
}

/* Messages 5 and 6: HASH_I or HASH_R of this leg is verified, and only then made for the other, of which the initialization vector is
 * known then. */
static enum bridge_reason relay_hash(struct message_ctx *ctx, struct isakmp_sa *s, bool responder,
				     uint8_t hash[KEYS_HASH_MAX], uint8_t *iv)
{
	struct crypto *crypto = ctx->bridge->crypto;
	const struct leg *in = &s->leg[ctx->in], *out = &s->leg[ctx->out];
	const struct keys_input input_in = input_of(s, ctx->in), input_out = input_of(s, ctx->out);
	enum bridge_reason reason;
	struct payload *id, *h;

	if (!message_decrypt(ctx, &in->keys, iv))
		return BRIDGE_BAD_HASH;
	id = payloads_only(&ctx->payloads, PAYLOAD_ID);
	h = payloads_only(&ctx->payloads, PAYLOAD_HASH);
	if (!id || !h || h->body.length != in->keys.hash_length)
		return BRIDGE_BAD_HASH;
	if (!keys_hash_auth(crypto, &in->keys, &input_in, responder, sa_of(s, ctx->in), id->body, hash))
		return BRIDGE_FAILED;
	if (!bytes_equal_secret(hash, h->body.data, h->body.length))
		return BRIDGE_BAD_HASH;
	reason = derive_keys(ctx, s, ctx->out);
	if (reason != BRIDGE_RELAYED)
		return reason;
	if (ctx->in == LEG_CLIENT && !isakmp_sa_make_room(ctx->bridge, s, ctx->now) && !s->by_server)
		return BRIDGE_BUSY;
	if (ctx->in == LEG_CLIENT)
		bridge_name_client(ctx, s, id);
	if (!keys_hash_auth(crypto, &out->keys, &input_out, responder, sa_of(s, ctx->out), id->body, hash))
		return BRIDGE_FAILED;
	h->body = (struct bytes){hash, out->keys.hash_length};
	return BRIDGE_RELAYED;
}

static enum bridge_reason relay_encrypted(struct message_ctx *ctx, struct isakmp_sa *s, unsigned number)
{
	struct leg *in = &s->leg[ctx->in], *out = &s->leg[ctx->out];
	uint8_t hash[KEYS_HASH_MAX], iv_in[KEYS_BLOCK_MAX], iv_out[KEYS_BLOCK_MAX];
	enum bridge_reason reason = derive_keys(ctx, s, ctx->in);

	if (reason != BRIDGE_RELAYED)
		return reason;
	memcpy(iv_in, in->keys.iv, sizeof iv_in);
	reason = relay_hash(ctx, s, number == SECOND_HASH, hash, iv_in);
	memcpy(iv_out, out->keys.iv, sizeof iv_out);
	if (reason == BRIDGE_RELAYED &&
	    (!message_write_chain(ctx) || !message_emit_sealed(ctx, &out->keys, iv_out)))
		reason = BRIDGE_FAILED;
	if (reason == BRIDGE_BAD_HASH)
		message_refuse(ctx, AUTHENTICATION_FAILED);
	if (reason != BRIDGE_RELAYED)
		return reason;
	memcpy(in->keys.iv, iv_in, sizeof iv_in);
	memcpy(out->keys.iv, iv_out, sizeof iv_out);
	return BRIDGE_RELAYED;
}

static bool emit_clear(struct message_ctx *ctx)
{
	remove_fragmentation(&ctx->payloads);
	return message_write_chain(ctx) && message_emit_clear(ctx);
}

static enum bridge_reason relay_clear(struct message_ctx *ctx, struct isakmp_sa *s, unsigned number)
{
	enum bridge_reason reason;

	switch (number) {
	case FIRST_MESSAGE:
		reason = relay_offer(ctx, sa_of(s, ctx->out));
		break;
	case ANSWER:
		reason = relay_answer(ctx, s);
		break;
	case FIRST_KE:
		reason = relay_public(ctx, s, &s->phase1->nonce_i);
		break;
	default:
		reason = relay_public(ctx, s, &s->phase1->nonce_r);
	}
	if (reason == BRIDGE_BAD_KE)
		message_refuse(ctx, INVALID_KEY_INFORMATION);
	if (reason != BRIDGE_RELAYED)
		return reason;
	return emit_clear(ctx) ? BRIDGE_RELAYED : BRIDGE_FAILED;
}

static unsigned number_of(struct message_ctx *ctx, bool by_server)
{
	const bool from_initiator = ctx->in == initiator_leg(by_server);

	if (ctx->message.encrypted)
		return from_initiator ? FIRST_HASH : SECOND_HASH;
	if (payloads_nth(&ctx->payloads, ISAKMP_SA, 0))
		return from_initiator ? FIRST_MESSAGE : ANSWER;
	return from_initiator ? FIRST_KE : SECOND_KE;
}

static void complete(struct message_ctx *ctx, struct isakmp_sa *s)
{
	const uint32_t said = s->life_s ? s->life_s : DEFAULT_LIFE_S;
	const uint32_t life = (said < LIFE_MAX_S ? said : LIFE_MAX_S) + AFTER_LIFE_S;

	s->ends_ms = ctx->now + (int64_t)life * 1000;
	isakmp_sa_remember_client(ctx, s);
	ctx->result->track_s = life;
	ctx->result->client_suite = s->leg[LEG_CLIENT].suite;
	ctx->result->server_suite = s->leg[LEG_SERVER].suite;
	ctx->result->actions |= BRIDGE_ACT_ESTABLISHED;
	bridge_tell_alias(s, ctx->result);
}

static void moved_on(struct message_ctx *ctx, struct isakmp_sa *s, unsigned number)
{
	s->passed = number;
	s->touched_ms = ctx->now;
	isakmp_sa_move(ctx->bridge, s, number == SECOND_HASH ? LIST_ESTABLISHED : LIST_HALF_OPEN, ctx->now);
	if (number == FIRST_HASH)
		ctx->bridge->changes++; /* from now on a restart must know of it */
	if (number == SECOND_HASH)
		complete(ctx, s);
	ctx->result->actions |= BRIDGE_ACT_TRACK;
}

static enum bridge_reason read_message(struct message_ctx *ctx)
{
	static const uint8_t no_id[MESSAGE_ID_LEN];

	if (memcmp(ctx->id, no_id, sizeof no_id) != 0)
		return BRIDGE_UNEXPECTED;
	if (ctx->message.encrypted)
		return BRIDGE_RELAYED;
	if (isakmp_read_payloads(&ctx->message) != ISAKMP_OK)
		return BRIDGE_MALFORMED;
	payloads_read(&ctx->message, &ctx->payloads);
	return BRIDGE_RELAYED;
}

/* A message as 61 bits, with a secret key: two that are not the same hardly ever have the same (a polynomial modulo 2^61 - 1). */
static uint64_t fingerprint(const struct message_ctx *ctx)
{
	const uint64_t prime = (UINT64_C(1) << 61) - 1, point = ctx->bridge->seed >> 4;
	uint64_t sum = ctx->d->length + 1;

	for (size_t i = 0; i < ctx->d->length; i++) {
		const unsigned __int128 next = (unsigned __int128)sum * point + ctx->d->message[i] + 1;

		sum = (uint64_t)(next & prime) + (uint64_t)(next >> 61);
		sum = sum >= prime ? sum - prime : sum;
	}
	return sum | UINT64_C(1) << 63; /* never 0 */
}

static enum bridge_reason relay_opening(struct message_ctx *ctx, struct opening *o, unsigned number)
{
	const struct bridge_config *config = &ctx->bridge->config;
	const struct bytes theirs = {o->sa, o->sa_length};
	struct keys_suite suites[LEGS];
	uint8_t ours[BRIDGE_GROWTH_MAX];
	const size_t length = offer_write(config->offer, config->offer_count, o->life_s, ours, sizeof ours);
	enum bridge_reason reason;

	if (!length || !o->sa)
		return BRIDGE_FAILED;
	reason = number == FIRST_MESSAGE ? relay_offer(ctx, (struct bytes){ours, length})
					 : relay_choice(ctx, (struct bytes){ours, length}, theirs, suites);
	if (reason != BRIDGE_RELAYED)
		return reason;
	if (!emit_clear(ctx))
		return BRIDGE_FAILED;
	if (number == ANSWER) {
		o->suite = suites[LEG_SERVER];
		memcpy(o->cookies, ctx->message.data, ISAKMP_COOKIES_LEN);
	}
	return BRIDGE_RELAYED;
}

enum bridge_reason bridge_opening(struct message_ctx *ctx, struct opening *o)
{
	const enum bridge_reason bad = read_message(ctx);
	enum bridge_reason reason;
	uint64_t print, *said;
	unsigned number;

	if (bad != BRIDGE_RELAYED)
		return bad;
	number = number_of(ctx, false);
	if (number > ANSWER || (number == ANSWER && !o->said[0]))
		return BRIDGE_UNEXPECTED;
	print = fingerprint(ctx);
	said = &o->said[number - 1];
	if (*said && *said != print)
		return BRIDGE_UNEXPECTED;
	reason = relay_opening(ctx, o, number);
	if (reason != BRIDGE_RELAYED)
		return reason;
	if (*said)
		return BRIDGE_REPEATED;
	*said = print;
	ctx->result->actions |= BRIDGE_ACT_TRACK;
	return BRIDGE_RELAYED;
}

enum bridge_reason bridge_phase1(struct message_ctx *ctx, struct isakmp_sa *s)
{
	enum bridge_reason reason = read_message(ctx);
	struct retransmit_cache *cache;
	unsigned number;

	if (reason != BRIDGE_RELAYED)
		return reason;
	if (!s->phase1)
		return BRIDGE_UNEXPECTED;
	number = number_of(ctx, s->by_server);
	if (number <= ANSWER && !s->by_server)
		return bridge_opening(ctx, &s->phase1->opening);
	cache = &s->phase1->cache[number];
	if (retransmit_same(cache, ctx))
		return retransmit_answer(cache, ctx) ? BRIDGE_REPEATED : BRIDGE_FAILED;
	if (number != s->passed + 1)
		return BRIDGE_UNEXPECTED;
	reason = ctx->message.encrypted ? relay_encrypted(ctx, s, number) : relay_clear(ctx, s, number);
	if (reason == BRIDGE_RELAYED && !retransmit_store(cache, ctx))
		reason = BRIDGE_FAILED;
	ctx->moves = reason == BRIDGE_RELAYED;
	if (reason == BRIDGE_RELAYED)
		moved_on(ctx, s, number);
	else if (reason == BRIDGE_FAILED)
		s->passed = BROKEN; /* half of it may be done: it must not be done again with what is left */
	return reason;
}
