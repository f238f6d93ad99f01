/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What comes after phase 1, relayed: Quick Mode (RFC 2409 section 5.5) and Informational exchanges (section 5.7). Opened
 * with one leg's keys, verified, mended where the client's dialect needs it, sealed with the other's. */
#include "shim/bridge/impl.h"

#include "shim/ike/dialect.h"

#include <openssl/crypto.h>
#include <stdlib.h>

enum { NATOA_RFC_3947 = 21, NATOA_DRAFT_02 = 131 };
/* When a client has its SAs: after the server's third message, or its own (racoon sends it first and then computes the keys). */
enum { CLIENT_READY_MS = 100, CLIENT_COMPUTES_MS = 30 };
enum { QUICK_TTL_MS = 120000 };

/* HASH(1) and HASH(2): over the message ID, for HASH(2) the initiator's nonce, and all that follows the HASH. */
static bool hash_of(struct message_ctx *ctx, const struct keys *keys, struct bytes nonce, struct bytes rest,
		    uint8_t out[static KEYS_HASH_MAX])
{
	const struct bytes parts[] = {{ctx->id, MESSAGE_ID_LEN}, nonce, rest};

	return keys_hash(ctx->bridge->crypto, keys, parts, 3, out);
}

/* HASH(3): over the message ID and both nonces, a zero byte first. */
static bool hash_3_of(struct message_ctx *ctx, const struct keys *keys, const struct quick *q,
		      uint8_t out[static KEYS_HASH_MAX])
{
	static const uint8_t zero;
	const struct bytes parts[] = {
		{&zero, 1}, {ctx->id, MESSAGE_ID_LEN}, nonce_bytes(&q->nonce_i), nonce_bytes(&q->nonce_r)};

	return keys_hash(ctx->bridge->crypto, keys, parts, 4, out);
}

/* Decrypted, and with a HASH in front, whose value is still to be compared. */
static bool open_message(struct message_ctx *ctx, const struct keys *keys, uint8_t *iv)
{
	return message_decrypt(ctx, keys, iv) && ctx->payloads.count &&
	       ctx->payloads.item[0].type == PAYLOAD_HASH &&
	       ctx->payloads.item[0].body.length == keys->hash_length;
}

static bool hash_is(const struct message_ctx *ctx, const uint8_t *hash)
{
	const struct bytes *body = &ctx->payloads.item[0].body;

	return bytes_equal_secret(body->data, hash, body->length);
}

bool message_seal(struct message_ctx *ctx, const struct keys *keys, struct bytes nonce,
		  const struct quick *third, uint8_t *iv)
{
	const size_t head = 4 + (size_t)keys->hash_length;
	uint8_t hash[KEYS_HASH_MAX] = {0};

	ctx->payloads.item[0].body = (struct bytes){hash, keys->hash_length};
	if (!message_write_chain(ctx))
		return false;
	const struct bytes rest = {ctx->bridge->chain + head, ctx->chain_length - head};

	if (!(third ? hash_3_of(ctx, keys, third, hash) : hash_of(ctx, keys, nonce, rest, hash)))
		return false;
	memcpy(ctx->bridge->chain + 4, hash, keys->hash_length);
	return message_emit_sealed(ctx, keys, iv);
}

/* NAT-OA: old Macs ignore a message with one; the drafts number it otherwise. */
static void translate_natoa(struct message_ctx *ctx, const struct isakmp_sa *s)
{
	const struct dialect *dialect = dialect_facts(s->dialect);
	const bool to_client = ctx->out == LEG_CLIENT;

	for (unsigned i = ctx->payloads.count; i-- > 0;) {
		struct payload *p = &ctx->payloads.item[i];

		if (s->dialect == IKE_DIALECT_APPLE && to_client &&
		    (p->type == NATOA_RFC_3947 || p->type == NATOA_DRAFT_02))
			payloads_remove(&ctx->payloads, i);
		else if (dialect->natoa && p->type == (to_client ? NATOA_RFC_3947 : dialect->natoa))
			p->type = to_client ? dialect->natoa : NATOA_RFC_3947;
	}
}

/* Message 1: the IDs of its initiator. Of the server's, the client's ID is said as the client says it. */
static void first_ids(struct message_ctx *ctx, const struct isakmp_sa *s, struct quick *q)
{
	struct payload *ci = payloads_nth(&ctx->payloads, PAYLOAD_ID, 0),
		       *cr = payloads_nth(&ctx->payloads, PAYLOAD_ID, 1);

	if (!ci || !cr || !identity_keep(&q->id_ci, ci->body) || !identity_keep(&q->id_cr, cr->body))
		q->id_ci.length = q->id_cr.length = 0;
	else if (q->by_server && identity_is(&s->server_id, cr->body) && s->client_id.length)
		cr->body = identity_bytes(&s->client_id);
}

/* Message 2: the initiator gets its own IDs back; an answer with others is refused by old Macs. */
static void answer_ids(struct message_ctx *ctx, struct isakmp_sa *s, const struct quick *q)
{
	struct payload *ci = payloads_nth(&ctx->payloads, PAYLOAD_ID, 0),
		       *cr = payloads_nth(&ctx->payloads, PAYLOAD_ID, 1);

	if (!ci || !cr || !q->id_ci.length)
		return;
	if (!q->by_server) {
		identity_keep(&s->server_id, ci->body);
		s->client_id = q->id_ci;
		isakmp_sa_remember_client(ctx, s);
	}
	ci->body = identity_bytes(&q->id_ci);
	cr->body = identity_bytes(&q->id_cr);
}

/* The group of PFS on each leg, from message 1. A side that asks for its own phase-1 group gets the peer leg's phase-1 group: the server
 * would refuse a weak one. */
static void choose_groups(const struct message_ctx *ctx, const struct isakmp_sa *s, struct quick *q,
			  unsigned named)
{
	q->group[ctx->in] = q->group[ctx->out] = named;
	if (named == s->leg[ctx->in].suite.group)
		q->group[ctx->out] = s->leg[ctx->out].suite.group;
}

static bool translate_group(struct message_ctx *ctx, const struct quick *q, const struct bytes *sa)
{
	uint8_t *body = ctx->bridge->copy + (sa->data - ctx->bridge->copy);

	return q->group[ctx->in] == q->group[ctx->out] ||
	       offer_set_esp_group(body, sa->length, (uint16_t)q->group[ctx->out]);
}

/* PFS: a public value of our own on the other leg, in message 1 and 2 alike. sa: the body of the SA payload. */
static enum bridge_reason relay_pfs(struct message_ctx *ctx, struct quick *q, const struct bytes *sa,
				    struct public_value *own)
{
	struct payload *ke = payloads_only(&ctx->payloads, PAYLOAD_KE);

	if (!ke)
		return q->group[ctx->in] || payloads_nth(&ctx->payloads, PAYLOAD_KE, 0) ? BRIDGE_MALFORMED
											: BRIDGE_RELAYED;
	if (!dh_length(q->group[ctx->in]) || !translate_group(ctx, q, sa))
		return BRIDGE_REFUSED;
	if (!message_peer_public(ctx, q->group[ctx->in], ke->body, &q->peer[ctx->in]))
		return BRIDGE_BAD_KE;
	if (!message_own_public(ctx, q->group[ctx->out], q->secret[ctx->out], own))
		return BRIDGE_FAILED;
	ke->body = public_bytes(own);
	return BRIDGE_RELAYED;
}

/* Each proposal can have an SPI of its own, and which one counts is known with the answer. */
static bool keep_proposals(struct quick *q, struct bytes sa)
{
	q->sa = malloc(sa.length);
	if (!q->sa)
		return false;
	memcpy(q->sa, sa.data, sa.length);
	q->sa_length = sa.length;
	return true;
}

static void choose_spi(struct quick *q, uint8_t proposal)
{
	struct offer_esp chosen;

	if (offer_read_esp((struct bytes){q->sa, q->sa_length}, proposal, &chosen))
		memcpy(q->spi_i, chosen.spi, SPI_LEN);
}

/* The SPIs by which the server would send to the client. The kernel knows an SA by nothing but its destination and its SPI, and
 * clients behind one NAT have one destination: one of these may not be the client's. Asked before the server hears of it; the
 * client repeats what goes unanswered. */
static enum bridge_reason look_for_spis(const struct message_ctx *ctx, struct bytes sa)
{
	const struct bridge_config *config = &ctx->bridge->config;
	uint8_t spis[OFFER_SPIS_MAX][SPI_LEN];
	const size_t count = offer_esp_spis(sa, spis);

	if (!count || count > OFFER_SPIS_MAX)
		return BRIDGE_MALFORMED;
	switch (config->find_spi(config->ctx, &ctx->result->client, (const uint8_t(*)[SPI_LEN])spis, count)) {
	case BRIDGE_SPI_FREE:
		return BRIDGE_RELAYED;
	case BRIDGE_SPI_THERE:
		return BRIDGE_SPI_TAKEN;
	default:
		return BRIDGE_SPI_UNANSWERED;
	}
}

static enum bridge_reason first_quick(struct message_ctx *ctx, struct isakmp_sa *s, struct quick *q,
				      struct public_value *own)
{
	const struct payload *sa = payloads_only(&ctx->payloads, ISAKMP_SA);
	const struct payload *nonce = payloads_only(&ctx->payloads, PAYLOAD_NONCE);
	struct offer_esp esp;
	enum bridge_reason reason;

	if (!sa || !nonce || !nonce_keep(&q->nonce_i, nonce->body) || !offer_read_esp(sa->body, 0, &esp))
		return BRIDGE_MALFORMED;
	reason = q->by_server ? BRIDGE_RELAYED : look_for_spis(ctx, sa->body);
	if (reason != BRIDGE_RELAYED)
		return reason;
	if (!keep_proposals(q, sa->body))
		return BRIDGE_FAILED;
	memcpy(q->spi_i, esp.spi, SPI_LEN);
	choose_groups(ctx, s, q, esp.group > 32 ? 0 : esp.group);
	first_ids(ctx, s, q);
	return relay_pfs(ctx, q, &sa->body, own);
}

/* Both legs' secrets of PFS, where there is PFS. */
static bool share_secrets(struct message_ctx *ctx, struct quick *q)
{
	for (unsigned leg = 0; leg < LEGS; leg++)
		if (q->peer[leg].length &&
		    !message_shared(ctx, q->group[leg], q->secret[leg], &q->peer[leg], q->shared[leg]))
			return false;
	return true;
}

static enum bridge_reason answer_quick(struct message_ctx *ctx, struct isakmp_sa *s, struct quick *q,
				       struct public_value *own)
{
	const struct payload *sa = payloads_only(&ctx->payloads, ISAKMP_SA);
	const struct payload *nonce = payloads_only(&ctx->payloads, PAYLOAD_NONCE);
	struct offer_esp esp;
	enum bridge_reason reason;

	if (!sa || !nonce || !nonce_keep(&q->nonce_r, nonce->body) || !offer_read_esp(sa->body, 0, &esp))
		return BRIDGE_MALFORMED;
	reason = q->by_server ? look_for_spis(ctx, sa->body) : BRIDGE_RELAYED;
	if (reason != BRIDGE_RELAYED)
		return reason;
	memcpy(q->spi_r, esp.spi, SPI_LEN);
	choose_spi(q, esp.proposal);
	answer_ids(ctx, s, q);
	reason = relay_pfs(ctx, q, &sa->body, own);
	if (reason == BRIDGE_RELAYED && !share_secrets(ctx, q))
		reason = BRIDGE_FAILED;
	if (reason == BRIDGE_RELAYED) /* after a bad public value a good one may still come */
		OPENSSL_cleanse(q->secret, sizeof q->secret);
	return reason;
}

static bool material_of(struct message_ctx *ctx, const struct isakmp_sa *s, const struct quick *q,
			unsigned leg, const uint8_t *spi, uint8_t out[static KEYS_MATERIAL_LEN])
{
	const struct bytes shared = {q->shared[leg], q->peer[leg].length ? dh_length(q->group[leg]) : 0};

	return keys_material(ctx->bridge->crypto, &s->leg[leg].keys, shared, PROTO_ESP,
			     (struct bytes){spi, SPI_LEN}, nonce_bytes(&q->nonce_i), nonce_bytes(&q->nonce_r),
			     out);
}

/* The keys that the client's ESP SAs have: the server's have those of its own leg, and the kernel's must be exchanged. */
static bool rekey_of(struct message_ctx *ctx, const struct isakmp_sa *s, const struct quick *q)
{
	const struct bridge_datagram *d = ctx->d;
	struct bridge_rekey *rekey = &ctx->result->rekey;

	memcpy(rekey->spi_to_client, q->by_server ? q->spi_r : q->spi_i, SPI_LEN);
	memcpy(rekey->spi_to_server, q->by_server ? q->spi_i : q->spi_r, SPI_LEN);
	rekey->client = ctx->result->client;
	rekey->server = ctx->in == LEG_CLIENT ? d->dst : d->src;
	ctx->result->actions |= BRIDGE_ACT_REKEY_SAS;
	return material_of(ctx, s, q, LEG_CLIENT, rekey->spi_to_server, rekey->key_to_server) &&
	       material_of(ctx, s, q, LEG_CLIENT, rekey->spi_to_client, rekey->key_to_client) &&
	       material_of(ctx, s, q, LEG_SERVER, rekey->spi_to_server, rekey->old_to_server) &&
	       material_of(ctx, s, q, LEG_SERVER, rekey->spi_to_client, rekey->old_to_client);
}

static enum bridge_reason relay_third(struct message_ctx *ctx, const struct isakmp_sa *s,
				      const struct quick *q, uint8_t *iv_in, uint8_t *iv_out)
{
	const struct keys *in = &s->leg[ctx->in].keys, *out = &s->leg[ctx->out].keys;
	uint8_t hash[KEYS_HASH_MAX];

	if (!open_message(ctx, in, iv_in))
		return BRIDGE_BAD_HASH;
	if (!hash_3_of(ctx, in, q, hash))
		return BRIDGE_FAILED;
	if (!hash_is(ctx, hash))
		return BRIDGE_BAD_HASH;
	return message_seal(ctx, out, (struct bytes){0}, q, iv_out) ? BRIDGE_RELAYED : BRIDGE_FAILED;
}

/* Messages 1 and 2. */
static enum bridge_reason relay_negotiation(struct message_ctx *ctx, struct isakmp_sa *s, struct quick *q,
					    unsigned number, uint8_t *iv_in, uint8_t *iv_out)
{
	const struct keys *in = &s->leg[ctx->in].keys, *out = &s->leg[ctx->out].keys;
	const struct bytes nonce = number == 2 ? nonce_bytes(&q->nonce_i) : (struct bytes){0};
	uint8_t hash[KEYS_HASH_MAX];
	struct public_value own;
	enum bridge_reason reason;

	if (!open_message(ctx, in, iv_in))
		return BRIDGE_BAD_HASH;
	if (!hash_of(ctx, in, nonce, message_rest(ctx), hash))
		return BRIDGE_FAILED;
	if (!hash_is(ctx, hash))
		return BRIDGE_BAD_HASH;
	/* cppcheck-suppress uninitvar; they fill it */
	reason = (number == 1 ? first_quick : answer_quick)(ctx, s, q, &own);
	if (reason != BRIDGE_RELAYED)
		return reason;
	translate_natoa(ctx, s);
	return message_seal(ctx, out, nonce, NULL, iv_out) ? BRIDGE_RELAYED : BRIDGE_FAILED;
}

/* What the caller can know of the SA that the server installs towards the client: its SPI before it is there, and when the
 * client has it, too. */
static void tell_spi(struct message_ctx *ctx, const struct quick *q, unsigned number)
{
	struct bridge_result *r = ctx->result;

	if (number == (q->by_server ? 2 : 1))
		r->actions |= BRIDGE_ACT_EXPECT;
	if (number == 3)
		r->actions |= BRIDGE_ACT_READY;
	r->ready_ms = q->by_server ? CLIENT_READY_MS : CLIENT_COMPUTES_MS;
	memcpy(r->spi_to_client, q->by_server ? q->spi_r : q->spi_i, SPI_LEN);
}

static struct quick *find_quick(const struct isakmp_sa *s, const uint8_t *id)
{
	struct quick *q;

	DL_FOREACH(s->quicks, q)
	if (!memcmp(q->id, id, MESSAGE_ID_LEN))
		return q;
	return NULL;
}

void quick_expire(struct isakmp_sa *s, int64_t now)
{
	while (s->quicks && now >= s->quicks->begun_ms + QUICK_TTL_MS)
		quick_free(s, s->quicks);
}

bool quick_is_repeat(const struct isakmp_sa *s, const uint8_t *message, size_t length)
{
	const struct quick *q = find_quick(s, message + MESSAGE_ID_AT);

	for (unsigned i = 1; q && i <= QUICK_MESSAGES; i++)
		if (q->cache[i].in && q->cache[i].in_length == length &&
		    !memcmp(q->cache[i].in, message, length))
			return true;
	return false;
}

static struct quick *add_quick(struct message_ctx *ctx, struct isakmp_sa *s)
{
	struct quick *q;

	quick_expire(s, ctx->now);
	q = calloc(1, sizeof *q);
	if (!q)
		return NULL;
	memcpy(q->id, ctx->id, MESSAGE_ID_LEN);
	q->begun_ms = ctx->now;
	q->by_server = ctx->in == LEG_SERVER;
	DL_APPEND(s->quicks, q);
	s->quick_count++;
	for (unsigned leg = 0; leg < LEGS; leg++)
		if (!keys_phase2_iv(ctx->bridge->crypto, &s->leg[leg].keys, ctx->id, q->iv[leg])) {
			quick_free(s, q);
			return NULL;
		}
	return q;
}

static unsigned number_of(const struct message_ctx *ctx, const struct quick *q)
{
	if (ctx->in != initiator_leg(q->by_server))
		return 2;
	return q->passed == 0 || retransmit_same(&q->cache[1], ctx) ? 1 : 3;
}

static enum bridge_reason relay_quick(struct message_ctx *ctx, struct isakmp_sa *s, struct quick *q,
				      unsigned number)
{
	uint8_t iv_in[KEYS_BLOCK_MAX], iv_out[KEYS_BLOCK_MAX];
	enum bridge_reason reason;

	memcpy(iv_in, q->iv[ctx->in], sizeof iv_in);
	memcpy(iv_out, q->iv[ctx->out], sizeof iv_out);
	reason = number == 3 ? relay_third(ctx, s, q, iv_in, iv_out)
			     : relay_negotiation(ctx, s, q, number, iv_in, iv_out);
	if (reason == BRIDGE_RELAYED && !retransmit_store(&q->cache[number], ctx))
		reason = BRIDGE_FAILED;
	if (reason != BRIDGE_RELAYED)
		return reason;
	memcpy(q->iv[ctx->in], iv_in, sizeof iv_in);
	memcpy(q->iv[ctx->out], iv_out, sizeof iv_out);
	q->passed = number;
	return BRIDGE_RELAYED;
}

enum bridge_reason bridge_quick(struct message_ctx *ctx, struct isakmp_sa *s)
{
	struct quick *q = find_quick(s, ctx->id);
	const bool is_new = !q;
	enum bridge_reason reason;
	unsigned number;

	if (s->passed != PHASE1_MESSAGES || !ctx->message.encrypted ||
	    (is_new && isakmp_sa_had_id(s, ctx->id)))
		return BRIDGE_UNEXPECTED;
	if (is_new)
		q = add_quick(ctx, s);
	if (!q)
		return BRIDGE_FAILED;
	number = number_of(ctx, q);
	if (retransmit_same(&q->cache[number], ctx))
		return retransmit_answer(&q->cache[number], ctx) ? BRIDGE_REPEATED : BRIDGE_FAILED;
	if (number != q->passed + 1)
		return BRIDGE_UNEXPECTED;
	reason = relay_quick(ctx, s, q, number);
	/* Before the server's last message to the client: then it has both of its SAs. */
	if (reason == BRIDGE_RELAYED && number == (q->by_server ? 3 : 2)) {
		reason = rekey_of(ctx, s, q) ? BRIDGE_RELAYED : BRIDGE_FAILED;
		OPENSSL_cleanse(q->shared, sizeof q->shared);
	}
	if (reason == BRIDGE_RELAYED && ctx->result->actions & BRIDGE_ACT_REKEY_SAS)
		isakmp_sa_add_child_sa(ctx->bridge, s, ctx->result->rekey.spi_to_server,
				       ctx->result->rekey.spi_to_client);
	if (reason == BRIDGE_RELAYED)
		tell_spi(ctx, q, number);
	ctx->moves = reason == BRIDGE_RELAYED && (!is_new || isakmp_sa_keep_id(s, ctx->id));
	if (reason == BRIDGE_FAILED || (is_new && reason != BRIDGE_RELAYED))
		quick_free(s, q);
	else if (s->quick_count >
		 QUICKS_MAX) /* not before its HASH was right: others must not be pushed out by forgery */
		quick_free(s, s->quicks);
	return reason;
}

static bool names_session(const struct isakmp_sa *s, struct bytes delete)
{
	bool found = delete.data[SPI_SIZE_AT] !=
		     ISAKMP_COOKIES_LEN; /* then it can only mean the SA that it came in */

	for (size_t at = DELETE_HEAD; !found && at + ISAKMP_COOKIES_LEN <= delete.length;
	     at += ISAKMP_COOKIES_LEN)
		found = !memcmp(delete.data + at, s->cookies, ISAKMP_COOKIES_LEN);
	return found;
}

/* A Delete for the ISAKMP SA itself ends the session, once its repeats have had their time. */
static bool deletes_session(const struct message_ctx *ctx, const struct isakmp_sa *s)
{
	for (unsigned i = 0; i < ctx->payloads.count; i++) {
		const struct payload *p = &ctx->payloads.item[i];

		if (p->type == PAYLOAD_DELETE && p->body.length > DELETE_HEAD &&
		    p->body.data[PROTOCOL_AT] == PROTO_ISAKMP && names_session(s, p->body))
			return true;
	}
	return false;
}

static void forget_deleted(struct message_ctx *ctx)
{
	for (unsigned i = 0; i < ctx->payloads.count; i++) {
		const struct bytes *body = &ctx->payloads.item[i].body;

		if (ctx->payloads.item[i].type == PAYLOAD_DELETE && body->length > DELETE_HEAD &&
		    body->data[PROTOCOL_AT] == PROTO_ESP && body->data[SPI_SIZE_AT] == SPI_LEN)
			bridge_forget_child_sas(
				ctx->bridge, &ctx->result->client, ctx->in,
				(struct bytes){body->data + DELETE_HEAD, body->length - DELETE_HEAD});
	}
}

/* To tell the client again what it knows would only have it log an unknown SA. */
static bool tells_again(const struct message_ctx *ctx, const struct isakmp_sa *s)
{
	bool deletes = false;

	if (ctx->in != LEG_SERVER || isakmp_sa_told_by(s, ctx->id))
		return false;
	for (unsigned i = 1; i < ctx->payloads.count; i++) {
		const struct payload *p = &ctx->payloads.item[i];

		if (p->type != PAYLOAD_DELETE || !isakmp_sa_was_told(ctx->bridge, s, p->body))
			return false;
		deletes = true;
	}
	return deletes;
}

enum bridge_reason bridge_informational(struct message_ctx *ctx, struct isakmp_sa *s)
{
	const struct keys *in = &s->leg[ctx->in].keys, *out = &s->leg[ctx->out].keys;
	uint8_t iv_in[KEYS_BLOCK_MAX], iv_out[KEYS_BLOCK_MAX], hash[KEYS_HASH_MAX];

	if (!ctx->message.encrypted)
		return BRIDGE_CLEAR;
	if (!in->hash_length || !out->hash_length)
		return BRIDGE_UNEXPECTED;
	if (!keys_phase2_iv(ctx->bridge->crypto, in, ctx->id, iv_in) ||
	    !keys_phase2_iv(ctx->bridge->crypto, out, ctx->id, iv_out))
		return BRIDGE_FAILED;
	if (!open_message(ctx, in, iv_in))
		return BRIDGE_BAD_HASH;
	if (!hash_of(ctx, in, (struct bytes){0}, message_rest(ctx), hash))
		return BRIDGE_FAILED;
	if (!hash_is(ctx, hash))
		return BRIDGE_BAD_HASH;
	ctx->moves = !isakmp_sa_had_id(s, ctx->id) && isakmp_sa_keep_id(s, ctx->id);
	if (tells_again(ctx, s))
		return BRIDGE_TOLD;
	forget_deleted(ctx);
	if (deletes_session(ctx, s) && s->list == LIST_ESTABLISHED && !s->closed) {
		isakmp_sa_close(ctx->bridge, s, ctx->now);
		ctx->result->track_s = CLOSED_S;
		ctx->result->actions |= BRIDGE_ACT_TRACK;
	}
	return message_seal(ctx, out, (struct bytes){0}, NULL, iv_out) ? BRIDGE_RELAYED : BRIDGE_FAILED;
}
