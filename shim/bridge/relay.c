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

/* First messages: who is bridged? */

/* The one to be had of them that is strongest (shim/bridge/offer.h), wherever it stands. */
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
	if (bridge->config.foreign_ids && dialect == IKE_DIALECT_APPLE)
		return true;
	return only_weak(bridge, offer);
}

static enum bridge_reason begin(struct work *w, struct bytes sa, const struct offer_transform *t)
{
	struct opening *o = fresh_add(w->bridge, w->now, w->message.data, sa);
	enum bridge_reason reason;

	if (!o)
		return BRIDGE_FAILED;
	o->client = w->d->src;
	o->server = w->d->dst;
	o->dialect = w->d->dialect;
	o->life_s = t->life_s;
	w->result->client_suite = t->suite;
	w->result->actions |= BRIDGE_ACT_BEGUN;
	reason = bridge_opening(w, o);
	if (reason != BRIDGE_RELAYED)
		fresh_remove(w->bridge, o);
	return reason;
}

/* The server's exchanges: it begins none but with clients that it knows. */
static enum bridge_reason begin_with(struct work *w, struct bytes sa, const struct offer_transform *t,
				     const struct known_client *known)
{
	struct bridge *bridge = w->bridge;
	const size_t length =
		offer_write(&known->suite, 1, t->life_s, bridge->scratch, sizeof bridge->scratch);
	struct session *s = length ? session_add(w, true, known->dialect) : NULL;

	if (!s)
		return BRIDGE_FAILED;
	s->life_s = t->life_s;
	s->client_id = known->client_id;
	s->server_id = known->server_id;
	w->result->client_suite = known->suite;
	w->result->actions |= BRIDGE_ACT_BEGUN;
	if (session_keep_sa(s, LEG_SERVER, sa) &&
	    session_keep_sa(s, LEG_CLIENT, (struct bytes){bridge->scratch, length}))
		return bridge_phase1(w, s);
	session_free(bridge, s);
	return BRIDGE_FAILED;
}

static enum bridge_secret find_secret(struct work *w)
{
	const struct bridge_config *config = &w->bridge->config;
	const struct bridge_datagram *d = w->d;
	const bool to_server = d->direction == IKE_TO_SERVER;

	return config->has_secret(config->ctx, to_server ? &d->dst : &d->src, to_server ? &d->src : &d->dst);
}

static enum bridge_reason without_secret(enum bridge_secret secret)
{
	return secret == BRIDGE_SECRET_NONE ? BRIDGE_NO_PSK : BRIDGE_NO_ANSWER;
}

/* For the sake of its port alone: only what can be had without a word. */
static bool can_share(struct work *w, const struct offer_transform *t)
{
	return w->bridge->shares && t && w->message.exchange_type == ISAKMP_MAIN_MODE &&
	       find_secret(w) == BRIDGE_SECRET_THERE;
}

static enum bridge_reason begin_of_client(struct work *w, struct bytes sa, const struct offer *offer)
{
	const struct offer_transform *t = bridge_usable(w->bridge, offer);
	enum bridge_secret secret;
	enum bridge_reason reason;

	if (!wanted(w->bridge, offer, w->d->dialect) && !can_share(w, t))
		return BRIDGE_NOT_BRIDGED;
	if (w->message.exchange_type == ISAKMP_AGGRESSIVE_MODE)
		return BRIDGE_AGGRESSIVE;
	if (!t)
		return BRIDGE_CERTIFICATE;
	secret = find_secret(w);
	if (secret != BRIDGE_SECRET_THERE)
		return without_secret(secret);
	reason = begin(w, sa, t);
	/* The server serves such a client without us, too. */
	return reason == BRIDGE_FAILED && !only_weak(w->bridge, offer) ? BRIDGE_NOT_BRIDGED : reason;
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

static enum bridge_reason begin_of_server(struct work *w, struct bytes sa, const struct offer *offer)
{
	const struct known_client *known = find_client(w->bridge, w->now, &w->result->client);
	const struct offer_transform *t = bridge_usable(w->bridge, offer);
	enum bridge_secret secret;

	if (!known || w->message.exchange_type != ISAKMP_MAIN_MODE)
		return BRIDGE_NOT_BRIDGED;
	if (!t)
		return BRIDGE_CERTIFICATE;
	secret = find_secret(w);
	if (secret != BRIDGE_SECRET_THERE)
		return without_secret(secret);
	return begin_with(w, sa, t, known);
}

void session_remember_client(struct work *w, const struct session *s)
{
	struct endpoint key = w->result->client;
	const struct known_client now_known = {s->leg[LEG_CLIENT].suite, s->dialect, false, s->client_id,
					       s->server_id};
	struct known_client *known = lru_put(w->bridge->known, w->now, &key);

	*known = now_known;
	key.port = 0;
	known = lru_put(w->bridge->known, w->now, &key);
	if (known->suite.group && !offer_same_suite(&known->suite, &now_known.suite))
		known->ambiguous = true;
	else
		*known = now_known;
}

static enum bridge_reason first_message(struct work *w)
{
	const struct payload *sa;
	struct offer offer;

	if (w->message.encrypted || isakmp_read_payloads(&w->message) != ISAKMP_OK ||
	    (w->message.exchange_type != ISAKMP_MAIN_MODE &&
	     w->message.exchange_type != ISAKMP_AGGRESSIVE_MODE))
		return BRIDGE_NOT_BRIDGED;
	payloads_read(&w->message, &w->payloads);
	sa = payloads_only(&w->payloads, ISAKMP_SA);
	if (!sa || !offer_read(sa->body, &offer))
		return BRIDGE_NOT_BRIDGED;
	return (w->in == LEG_CLIENT ? begin_of_client : begin_of_server)(w, sa->body, &offer);
}

/* Whether a message with the session's initiator cookie is of that exchange: the cookie of another one can be the same, by
 * somebody's mischief, and that must not be disturbed. Until phase 1 is complete its client stays where it is; the
 * responder's cookie is known once it has answered, and is not yet there in a repeated first message. */
enum belonging { BELONGS, STRANGE, OTHER };

static enum belonging belonging_of(const struct work *w, const struct session *s)
{
	const bool same_host = endpoint_same_host(&s->client, &w->result->client);

	if (s->passed < 2 || w->message.first)
		return same_host ? BELONGS : OTHER;
	if (memcmp(s->cookies + IKE_COOKIE_LEN, w->message.data + IKE_COOKIE_LEN, IKE_COOKIE_LEN) != 0)
		return OTHER;
	return same_host || s->list == LIST_UP ? BELONGS : STRANGE;
}

static enum bridge_reason later_message(struct work *w, struct session *s)
{
	switch (belonging_of(w, s)) {
	case OTHER:
		return BRIDGE_NOT_BRIDGED;
	case STRANGE:
		return BRIDGE_UNEXPECTED;
	case BELONGS:
		break;
	}
	switch (w->message.exchange_type) {
	case ISAKMP_MAIN_MODE:
		return bridge_phase1(w, s);
	case QUICK_MODE:
		return bridge_quick(w, s);
	case INFORMATIONAL:
		return bridge_informational(w, s);
	default:
		return BRIDGE_UNEXPECTED;
	}
}

/* What an exchange dropped so far is kept in refused: the log hears of each reason once. */
static enum bridge_reason note_refused(struct work *w, enum bridge_reason reason, uint32_t *refused)
{
	if (verdict_of(reason) != BRIDGE_DROP)
		return reason;
	w->result->again = *refused & 1U << reason;
	*refused |= 1U << reason;
	return reason;
}

/* The same of a client's exchange before its message 3, with which it becomes a session. */
static enum bridge_reason opening_message(struct work *w, struct opening *o)
{
	const bool same_host = endpoint_same_host(&o->client, &w->result->client);
	const bool answered = o->said[1];
	struct session *s;

	if (!answered || w->message.first) {
		if (!same_host)
			return BRIDGE_NOT_BRIDGED;
	} else if (memcmp(o->cookies + IKE_COOKIE_LEN, w->message.data + IKE_COOKIE_LEN, IKE_COOKIE_LEN) != 0) {
		return BRIDGE_NOT_BRIDGED;
	}
	if (w->message.exchange_type == INFORMATIONAL && !w->message.encrypted)
		return BRIDGE_CLEAR;
	if (!same_host || w->message.exchange_type != ISAKMP_MAIN_MODE || w->message.encrypted)
		return note_refused(w, BRIDGE_UNEXPECTED, &o->refused);
	if (!answered || w->message.first || w->in != LEG_CLIENT)
		return note_refused(w, bridge_opening(w, o), &o->refused);
	s = bridge_promote(w, o);
	return s ? note_refused(w, bridge_phase1(w, s), &s->refused) : BRIDGE_FAILED;
}

static enum bridge_reason session_message(struct work *w, struct session *s)
{
	const struct bridge_datagram *d = w->d;
	enum bridge_reason reason = later_message(w, s);

	/* From memory, to a server that is to believe that the client is there now: nobody has shown that. */
	if (reason == BRIDGE_REPEATED && !endpoint_same_host(&s->client, &w->result->client))
		reason = BRIDGE_UNEXPECTED;
	if (reason == BRIDGE_RELAYED && w->moves) {
		s->client = w->result->client;
		s->server = w->in == LEG_CLIENT ? d->dst : d->src;
	}
	return note_refused(w, reason, &s->refused);
}

static enum bridge_reason relay(struct work *w)
{
	struct bridge *bridge = w->bridge;
	const struct bridge_datagram *d = w->d;
	struct session *s;
	struct opening *o;

	bridge_expire(bridge, w->now);
	if (d->length > BRIDGE_MESSAGE_MAX)
		return BRIDGE_NOT_BRIDGED;
	if (d->length)
		memcpy(bridge->copy, d->message, d->length);
	if (isakmp_read_header(bridge->copy, d->length, &w->message) != ISAKMP_OK)
		return BRIDGE_NOT_BRIDGED;
	memcpy(w->result->cookie, w->message.data, IKE_COOKIE_LEN);
	w->id = w->message.data + MESSAGE_ID_AT;
	s = session_find(bridge, w->now, w->message.data);
	if (s)
		return session_message(w, s);
	o = bridge_find_opening(bridge, w->now, w->message.data);
	if (o)
		return opening_message(w, o);
	if (w->message.first && w->in == LEG_CLIENT) /* also of one that had to go: it begins again */
		return first_message(w);
	if (bridge_is_gone(bridge, w->message.data, w->now))
		return BRIDGE_LATE;
	return w->message.first ? first_message(w) : BRIDGE_NOT_BRIDGED;
}

/* Main Mode: messages 3 and 4 take a public value, 5 two secrets. Quick Mode: 1 and 2, if there is room for a public value. */
static bool session_is_slow(struct session *s, const struct isakmp_message *m, unsigned in)
{
	const bool from_initiator = in == initiator_leg(s->by_server);

	if (m->exchange_type == QUICK_MODE)
		return s->list == LIST_UP && m->length >= SLOW_QUICK_MIN && !quick_is_repeat(s, m->data, m->length);
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
	struct session *s;

	if (d->length < ISAKMP_HEADER_LEN || d->length > BRIDGE_MESSAGE_MAX)
		return false;
	memcpy(bridge->copy, d->message, d->length);
	if (isakmp_read_header(bridge->copy, d->length, &m) != ISAKMP_OK || m.first)
		return false;
	s = session_look_up(bridge, m.data);
	if (s)
		return !memcmp(s->cookies, m.data, ISAKMP_COOKIES_LEN) &&
		       (s->list == LIST_UP || endpoint_same_host(&s->client, client)) &&
		       session_is_slow(s, &m, to_server ? LEG_CLIENT : LEG_SERVER);
	o = fresh_find(bridge, m.data);
	return o && to_server && o->said[1] && m.exchange_type == ISAKMP_MAIN_MODE && !m.encrypted &&
	       !memcmp(o->cookies, m.data, ISAKMP_COOKIES_LEN) && endpoint_same_host(&o->client, client);
}

void bridge_message(struct bridge *bridge, uint64_t now_ms, const struct bridge_datagram *d,
		    struct bridge_result *result)
{
	const bool to_server = d->direction == IKE_TO_SERVER;
	struct work w = {.bridge = bridge,
			 .now = (int64_t)now_ms,
			 .d = d,
			 .result = result,
			 .in = to_server ? LEG_CLIENT : LEG_SERVER,
			 .out = to_server ? LEG_SERVER : LEG_CLIENT};

	*result = (struct bridge_result){.client = to_server ? d->src : d->dst, .track_s = BRIDGE_TRACK_S};
	result->reason = relay(&w);
	result->verdict = verdict_of(result->reason);
}
