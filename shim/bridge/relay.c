/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way of one message: whether it begins a bridged exchange, which session it belongs to, and to which part of the
 * relay it goes (phase1.c, phase2.c). */
#include "shim/bridge/impl.h"

#include "shim/ike/dialect.h"

enum { SLOW_QUICK_MIN = ISAKMP_HEADER_LEN + 4 + 96 }; /* a KE payload of the smallest group */

static enum bridge_verdict verdict_of(enum bridge_reason reason)
{
	if (reason == BRIDGE_RELAYED || reason == BRIDGE_REPEATED)
		return BRIDGE_REPLACE;
	return reason < BRIDGE_BUSY ? BRIDGE_PASS : BRIDGE_DROP;
}

/* First messages: which clients are bridged? */

/* The strongest of the usable ones (shim/bridge/offer.h), at any position. */
const struct offer_transform *bridge_usable(const struct bridge *bridge, const struct offer *offer)
{
	const struct offer_transform *best = NULL;

	for (unsigned i = 0; i < offer->count; i++) {
		const struct offer_transform *t = &offer->transform[i];

		if (t->authentication == OFFER_PRE_SHARED_KEY &&
		    keys_suite_known(bridge->crypto, &t->suite) && dh_length(t->suite.group) &&
		    (!best || offer_is_stronger(&t->suite, &best->suite)))
			best = t;
	}
	return best;
}

static bool only_weak(const struct bridge *bridge, const struct offer *offer)
{
	for (unsigned i = 0; i < offer->count; i++) {
		const uint8_t group = offer->transform[i].suite.group;

		if (group >= 32 || !(bridge->config.weak_groups & DH_GROUP_BIT(group)))
			return false;
	}
	return true;
}

static bool wanted(const struct bridge *bridge, const struct offer *offer, enum ike_dialect dialect)
{
	if (bridge->config.when == BRIDGE_ALWAYS && dialect_facts(dialect)->shimmed)
		return true;
	if (bridge->config.strongswan_answers && dialect == IKE_DIALECT_APPLE)
		return true;
	return only_weak(bridge, offer);
}

static enum bridge_reason begin(struct message_ctx *ctx, struct bytes sa, const struct offer_transform *t)
{
	struct opening *o = fresh_add(ctx->bridge, ctx->now, ctx->message.data, sa);
	enum bridge_reason reason;

	if (!o)
		return BRIDGE_FAILED;
	o->client = ctx->d->src;
	o->server = ctx->d->dst;
	o->dialect = ctx->d->dialect;
	o->life_s = t->life_s;
	ctx->result->client_suite = t->suite;
	ctx->result->actions |= BRIDGE_ACT_BEGUN;
	reason = bridge_opening(ctx, o);
	if (reason != BRIDGE_RELAYED)
		fresh_remove(ctx->bridge, o);
	return reason;
}

/* The server's exchanges: it begins none but with clients that it knows. */
static enum bridge_reason begin_with(struct message_ctx *ctx, struct bytes sa,
				     const struct offer_transform *t, const struct known_client *known)
{
	struct bridge *bridge = ctx->bridge;
	const size_t length =
		offer_write(&known->suite, 1, t->life_s, bridge->scratch, sizeof bridge->scratch);
	struct isakmp_sa *s = length ? isakmp_sa_add(ctx, true, known->dialect) : NULL;

	if (!s)
		return BRIDGE_FAILED;
	s->life_s = t->life_s;
	s->client_id = known->client_id;
	s->server_id = known->server_id;
	ctx->result->client_suite = known->suite;
	ctx->result->actions |= BRIDGE_ACT_BEGUN;
	if (isakmp_sa_keep_sa(s, LEG_SERVER, sa) &&
	    isakmp_sa_keep_sa(s, LEG_CLIENT, (struct bytes){bridge->scratch, length}))
		return bridge_phase1(ctx, s);
	isakmp_sa_free(bridge, s);
	return BRIDGE_FAILED;
}

static enum bridge_secret find_secret(struct message_ctx *ctx)
{
	const struct bridge_config *config = &ctx->bridge->config;
	const struct bridge_datagram *d = ctx->d;
	const bool to_server = d->direction == IKE_TO_SERVER;

	return config->has_secret(config->ctx, to_server ? &d->dst : &d->src, to_server ? &d->src : &d->dst);
}

static enum bridge_reason without_secret(enum bridge_secret secret)
{
	return secret == BRIDGE_SECRET_NONE ? BRIDGE_NO_PSK : BRIDGE_NO_ANSWER;
}

static enum bridge_reason begin_of_client(struct message_ctx *ctx, struct bytes sa, const struct offer *offer)
{
	const struct offer_transform *t = bridge_usable(ctx->bridge, offer);
	enum bridge_secret secret;
	enum bridge_reason reason;

	if (!wanted(ctx->bridge, offer, ctx->d->dialect))
		return BRIDGE_NOT_BRIDGED;
	if (ctx->message.exchange_type == ISAKMP_AGGRESSIVE_MODE)
		return BRIDGE_AGGRESSIVE;
	if (!t)
		return BRIDGE_CERTIFICATE;
	secret = find_secret(ctx);
	if (secret != BRIDGE_SECRET_THERE)
		return without_secret(secret);
	reason = begin(ctx, sa, t);
	/* The server serves such a client without us, too. */
	return reason == BRIDGE_FAILED && !only_weak(ctx->bridge, offer) ? BRIDGE_NOT_BRIDGED : reason;
}

static const struct known_client *find_client(const struct bridge *bridge, int64_t now,
					      const struct endpoint *client)
{
	struct endpoint any_port = *client;
	const struct known_client *known = lru_find(bridge->known, now, client);

	any_port.port = 0;
	if (!known)
		known = lru_find(bridge->known, now, &any_port);
	return known && !known->ambiguous ? known : NULL;
}

static enum bridge_reason begin_of_server(struct message_ctx *ctx, struct bytes sa, const struct offer *offer)
{
	const struct known_client *known = find_client(ctx->bridge, ctx->now, &ctx->result->client);
	const struct offer_transform *t = bridge_usable(ctx->bridge, offer);
	enum bridge_secret secret;

	if (!known || ctx->message.exchange_type != ISAKMP_MAIN_MODE)
		return BRIDGE_NOT_BRIDGED;
	if (!t)
		return BRIDGE_CERTIFICATE;
	secret = find_secret(ctx);
	if (secret != BRIDGE_SECRET_THERE)
		return without_secret(secret);
	return begin_with(ctx, sa, t, known);
}

void isakmp_sa_remember_client(struct message_ctx *ctx, const struct isakmp_sa *s)
{
	struct endpoint key = ctx->result->client;
	const struct known_client now_known = {s->leg[LEG_CLIENT].suite, s->dialect, false, s->client_id,
					       s->server_id};
	struct known_client *known = lru_put(ctx->bridge->known, ctx->now, &key);

	*known = now_known;
	key.port = 0;
	known = lru_put(ctx->bridge->known, ctx->now, &key);
	if (known->suite.group && !offer_same_suite(&known->suite, &now_known.suite))
		known->ambiguous = true;
	else
		*known = now_known;
}

static enum bridge_reason first_message(struct message_ctx *ctx)
{
	const struct payload *sa;
	struct offer offer;

	if (ctx->message.encrypted || isakmp_read_payloads(&ctx->message) != ISAKMP_OK ||
	    (ctx->message.exchange_type != ISAKMP_MAIN_MODE &&
	     ctx->message.exchange_type != ISAKMP_AGGRESSIVE_MODE))
		return BRIDGE_NOT_BRIDGED;
	payloads_read(&ctx->message, &ctx->payloads);
	sa = payloads_only(&ctx->payloads, ISAKMP_SA);
	if (!sa || !offer_read(sa->body, &offer))
		return BRIDGE_NOT_BRIDGED;
	return (ctx->in == LEG_CLIENT ? begin_of_client : begin_of_server)(ctx, sa->body, &offer);
}

/* Whether a message with the session's initiator cookie is of that exchange: the cookie of another one can be the same, by
 * somebody's mischief, and that must not be disturbed. Until phase 1 is complete its client stays where it is; the
 * responder's cookie is known once it has answered, and is not yet there in a repeated first message. */
enum belonging { BELONGS, STRANGE, OTHER };

static enum belonging belonging_of(const struct message_ctx *ctx, const struct isakmp_sa *s)
{
	const bool same_host = endpoint_same_host(&s->client, &ctx->result->client);

	if (s->passed < 2 || ctx->message.first)
		return same_host ? BELONGS : OTHER;
	if (memcmp(s->cookies + IKE_COOKIE_LEN, ctx->message.data + IKE_COOKIE_LEN, IKE_COOKIE_LEN) != 0)
		return OTHER;
	return same_host || s->list == LIST_ESTABLISHED ? BELONGS : STRANGE;
}

static enum bridge_reason later_message(struct message_ctx *ctx, struct isakmp_sa *s)
{
	switch (belonging_of(ctx, s)) {
	case OTHER:
		return BRIDGE_NOT_BRIDGED;
	case STRANGE:
		return BRIDGE_UNEXPECTED;
	case BELONGS:
		break;
	}
	switch (ctx->message.exchange_type) {
	case ISAKMP_MAIN_MODE:
		return bridge_phase1(ctx, s);
	case QUICK_MODE:
		return bridge_quick(ctx, s);
	case INFORMATIONAL:
		return bridge_informational(ctx, s);
	default:
		return BRIDGE_UNEXPECTED;
	}
}

/* What an exchange dropped so far is kept in refused: the log hears of each reason once. */
static enum bridge_reason note_refused(struct message_ctx *ctx, enum bridge_reason reason, uint32_t *refused)
{
	if (verdict_of(reason) != BRIDGE_DROP)
		return reason;
	ctx->result->again = *refused & 1U << reason;
	*refused |= 1U << reason;
	return reason;
}

/* The same of a client's exchange before its message 3, with which it becomes a session. */
static enum bridge_reason opening_message(struct message_ctx *ctx, struct opening *o)
{
	const bool same_host = endpoint_same_host(&o->client, &ctx->result->client);
	const bool answered = o->said[1];
	struct isakmp_sa *s;

	if (!answered || ctx->message.first) {
		if (!same_host)
			return BRIDGE_NOT_BRIDGED;
	} else if (memcmp(o->cookies + IKE_COOKIE_LEN, ctx->message.data + IKE_COOKIE_LEN, IKE_COOKIE_LEN) !=
		   0) {
		return BRIDGE_NOT_BRIDGED;
	}
	if (ctx->message.exchange_type == INFORMATIONAL && !ctx->message.encrypted)
		return BRIDGE_CLEAR;
	if (!same_host || ctx->message.exchange_type != ISAKMP_MAIN_MODE || ctx->message.encrypted)
		return note_refused(ctx, BRIDGE_UNEXPECTED, &o->refused);
	if (!answered || ctx->message.first || ctx->in != LEG_CLIENT)
		return note_refused(ctx, bridge_opening(ctx, o), &o->refused);
	s = bridge_promote(ctx, o);
	return s ? note_refused(ctx, bridge_phase1(ctx, s), &s->refused) : BRIDGE_FAILED;
}

static enum bridge_reason isakmp_sa_message(struct message_ctx *ctx, struct isakmp_sa *s)
{
	const struct bridge_datagram *d = ctx->d;
	enum bridge_reason reason = later_message(ctx, s);

	/* From memory, to a server that is to believe that the client is there now: nobody has shown that. */
	if (reason == BRIDGE_REPEATED && !endpoint_same_host(&s->client, &ctx->result->client))
		reason = BRIDGE_UNEXPECTED;
	if (reason == BRIDGE_RELAYED && ctx->moves) {
		s->client = ctx->result->client;
		s->server = ctx->in == LEG_CLIENT ? d->dst : d->src;
	}
	return note_refused(ctx, reason, &s->refused);
}

static enum bridge_reason relay(struct message_ctx *ctx)
{
	struct bridge *bridge = ctx->bridge;
	const struct bridge_datagram *d = ctx->d;
	struct isakmp_sa *s;
	struct opening *o;

	bridge_expire(bridge, ctx->now);
	if (d->length > BRIDGE_MESSAGE_MAX)
		return BRIDGE_NOT_BRIDGED;
	if (d->length)
		memcpy(bridge->copy, d->message, d->length);
	if (isakmp_read_header(bridge->copy, d->length, &ctx->message) != ISAKMP_OK)
		return BRIDGE_NOT_BRIDGED;
	memcpy(ctx->result->cookie, ctx->message.data, IKE_COOKIE_LEN);
	ctx->id = ctx->message.data + MESSAGE_ID_AT;
	s = isakmp_sa_find(bridge, ctx->now, ctx->message.data);
	if (s)
		return isakmp_sa_message(ctx, s);
	o = bridge_find_opening(bridge, ctx->now, ctx->message.data);
	if (o)
		return opening_message(ctx, o);
	if (ctx->message.first && ctx->in == LEG_CLIENT) /* also of one that had to go: it begins again */
		return first_message(ctx);
	if (bridge_is_gone(bridge, ctx->message.data, ctx->now))
		return BRIDGE_LATE;
	return ctx->message.first ? first_message(ctx) : BRIDGE_NOT_BRIDGED;
}

/* Main Mode: messages 3 and 4 take a public value, 5 two secrets. Quick Mode: 1 and 2, if there is room for a public value. */
static bool isakmp_sa_is_slow(struct isakmp_sa *s, const struct isakmp_message *m, unsigned in)
{
	const bool from_initiator = in == initiator_leg(s->by_server);

	if (m->exchange_type == QUICK_MODE)
		return s->list == LIST_ESTABLISHED && m->length >= SLOW_QUICK_MIN &&
		       !quick_is_repeat(s, m->data, m->length);
	if (m->exchange_type != ISAKMP_MAIN_MODE)
		return false;
	if (m->encrypted)
		return s->passed == 4 && from_initiator;
	return (s->passed == 2 && from_initiator) || (s->passed == 3 && !from_initiator);
}

bool bridge_is_slow(struct bridge *bridge, const struct bridge_datagram *d)
{
	const bool to_server = d->direction == IKE_TO_SERVER;
	const struct endpoint *client = to_server ? &d->src : &d->dst;
	struct isakmp_message m;
	const struct opening *o;
	struct isakmp_sa *s;

	if (d->length < ISAKMP_HEADER_LEN || d->length > BRIDGE_MESSAGE_MAX)
		return false;
	memcpy(bridge->copy, d->message, d->length);
	if (isakmp_read_header(bridge->copy, d->length, &m) != ISAKMP_OK || m.first)
		return false;
	s = isakmp_sa_look_up(bridge, m.data);
	if (s)
		return !memcmp(s->cookies, m.data, ISAKMP_COOKIES_LEN) &&
		       (s->list == LIST_ESTABLISHED || endpoint_same_host(&s->client, client)) &&
		       isakmp_sa_is_slow(s, &m, to_server ? LEG_CLIENT : LEG_SERVER);
	o = fresh_find(bridge, m.data);
	return o && to_server && o->said[1] && m.exchange_type == ISAKMP_MAIN_MODE && !m.encrypted &&
	       !memcmp(o->cookies, m.data, ISAKMP_COOKIES_LEN) && endpoint_same_host(&o->client, client);
}

void bridge_message(struct bridge *bridge, uint64_t now_ms, const struct bridge_datagram *d,
		    struct bridge_result *result)
{
	const bool to_server = d->direction == IKE_TO_SERVER;
	struct message_ctx ctx = {.bridge = bridge,
				  .now = (int64_t)now_ms,
				  .d = d,
				  .result = result,
				  .in = to_server ? LEG_CLIENT : LEG_SERVER,
				  .out = to_server ? LEG_SERVER : LEG_CLIENT};

	*result = (struct bridge_result){.client = to_server ? d->src : d->dst, .track_s = BRIDGE_TRACK_S};
	result->reason = relay(&ctx);
	result->verdict = verdict_of(result->reason);
}
