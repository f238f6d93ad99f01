/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of exchanges: what is remembered from one message to the next, and which translation each one
 * gets. */
#include "shim/ike/exchange.h"

#include "shim/ike/dialect.h"
#include "shim/ike/hide_nat.h"
#include "shim/ike/isakmp.h"
#include "shim/ike/lru.h"
#include "shim/ike/natd.h"
#include "shim/ike/peers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_EXCHANGES 4096
#define DEFAULT_PEERS 4096
#define DEFAULT_EXCHANGE_TTL_MS 120000
#define DEFAULT_PEER_TTL_MS (INT64_C(8) * 3600 * 1000)

static_assert(2 * IKE_COOKIE_LEN == ISAKMP_COOKIES_LEN, "two cookies in the header");

struct exchange {
	enum ike_dialect dialect; /* the client's; one that needs no translation: it is only watched */
	bool server_initiated;
	bool hides_nat;                           /* the server's, from this client */
	uint8_t server_known;                     /* enum hide_nat_known */
	uint8_t type;                             /* enum isakmp_exchange */
	uint8_t hash;                             /* enum isakmp_hash, as agreed */
	uint8_t responder_cookie[IKE_COOKIE_LEN]; /* zero until it is answered */
	struct endpoint
		client; /* where its cookie was sent that the client must show: the responder's, with the answer,
				 * or the server's own; before that, where the first message came from */
};

struct ike_table {
	/* Initiator cookie -> struct exchange: those of which only the first message is known, which anybody can forge, and those
	 * that were answered. The former push out none of the latter. */
	struct lru *fresh, *answered;
	struct peers *peers;
	struct natd_hasher *hasher;
	struct endpoint public_addr4, public_addr6;
	bool hide_nat;
	int64_t peer_ttl_ms;
};

static const char *const reason_names[IKE_REASONS] = {
	[IKE_REWRITTEN] = "rewritten",
	[IKE_ORDINARY] = "ordinary",
	[IKE_UNKNOWN] = "unknown",
	[IKE_ENCRYPTED] = "encrypted",
	[IKE_OTHER_EXCHANGE] = "other_exchange",
	[IKE_OTHER_VERSION] = "other_version",
	[IKE_SHORT] = "short",
	[IKE_BAD_LENGTH] = "bad_length",
	[IKE_BAD_PAYLOAD] = "bad_payload",
	[IKE_BAD_SA] = "bad_sa",
};

static const enum ike_reason status_reasons[] = {
	[ISAKMP_OK] = IKE_ORDINARY,
	[ISAKMP_SHORT] = IKE_SHORT,
	[ISAKMP_OTHER_VERSION] = IKE_OTHER_VERSION,
	[ISAKMP_BAD_LENGTH] = IKE_BAD_LENGTH,
	[ISAKMP_BAD_PAYLOAD] = IKE_BAD_PAYLOAD,
};

const char *ike_reason_name(enum ike_reason reason)
{
	return reason < IKE_REASONS ? reason_names[reason] : "?";
}

struct ike_table *ike_table_new(const struct ike_config *config)
{
	const size_t exchanges = config->max_exchanges ? config->max_exchanges : DEFAULT_EXCHANGES;
	const size_t answered = (exchanges + 3) / 4;
	const size_t peers = config->max_peers ? config->max_peers : DEFAULT_PEERS;
	const uint64_t ttl = config->exchange_ttl_ms ? config->exchange_ttl_ms : DEFAULT_EXCHANGE_TTL_MS;
	struct ike_table *table = calloc(1, sizeof *table);

	if (!table)
		return NULL;
	table->peer_ttl_ms = config->peer_ttl_ms ? (int64_t)config->peer_ttl_ms : DEFAULT_PEER_TTL_MS;
	table->public_addr4 = config->public_addr4;
	table->public_addr6 = config->public_addr6;
	table->hide_nat = config->hide_nat;
	table->fresh = lru_new(exchanges - answered, IKE_COOKIE_LEN, sizeof(struct exchange), (int64_t)ttl,
			       config->seed);
	table->answered =
		lru_new(answered, IKE_COOKIE_LEN, sizeof(struct exchange), (int64_t)ttl, config->seed);
	table->peers = peers_new(peers, table->peer_ttl_ms, config->seed);
	table->hasher = natd_hasher_new();
	if (!table->fresh || !table->answered || !table->peers || !table->hasher) {
		ike_table_free(table);
		return NULL;
	}
	return table;
}

void ike_table_free(struct ike_table *table)
{
	if (!table)
		return;
	lru_free(table->fresh);
	lru_free(table->answered);
	peers_free(table->peers);
	natd_hasher_free(table->hasher);
	free(table);
}

static struct dialect_context context_of(const struct ike_table *table, const struct exchange *exchange,
					 const struct ike_datagram *d)
{
	const struct endpoint *public_addr =
		d->dst.addr_len == 4 ? &table->public_addr4 : &table->public_addr6;

	return (struct dialect_context){
		.dialect = exchange->dialect,
		.direction = d->direction,
		.hasher = table->hasher,
		.hash = exchange->hash,
		.destination = &d->dst,
		.destination_seen = d->direction == IKE_TO_SERVER ? public_addr : NULL,
	};
}

static bool is_watched(const struct exchange *exchange)
{
	return !dialect_facts(exchange->dialect)->shimmed;
}

static struct exchange *use_exchange(struct ike_table *table, int64_t now, const uint8_t *cookie)
{
	struct exchange *answered = lru_use(table->answered, now, cookie);

	return answered ? answered : lru_use(table->fresh, now, cookie);
}

/* In the place of the one that was not used for the longest time. Of a watched one nobody will know any more whether a client was
 * there. */
static struct exchange *put_in(struct ike_table *table, struct lru *lru, int64_t now, const uint8_t *cookie,
			       struct ike_result *result)
{
	const void *victim = lru_victim(lru, cookie);
	const struct exchange *lost = victim ? lru_find(lru, now, victim) : NULL;

	if (lost && is_watched(lost) && peers_doubt(table->peers, now, &lost->client))
		result->actions |= IKE_ACT_FORGET_PEER;
	return lru_put(lru, now, cookie);
}

/* A new one where it must be. */
static struct exchange *put_exchange(struct ike_table *table, int64_t now, const uint8_t *cookie,
				     struct ike_result *result)
{
	struct exchange *answered = lru_use(table->answered, now, cookie);

	return answered ? answered : put_in(table, table->fresh, now, cookie, result);
}

/* It is answered: from here on it gives way to others that are, only. */
static struct exchange *promote(struct ike_table *table, int64_t now, const uint8_t *cookie,
				struct exchange *exchange, struct ike_result *result)
{
	struct exchange *answered;

	if (lru_find(table->answered, now, cookie))
		return exchange;
	answered = put_in(table, table->answered, now, cookie, result);
	*answered = *exchange;
	lru_remove(table->fresh, cookie);
	return answered;
}

/* A client's first message tells its dialect; one whose dialect needs nothing is not followed, but where an old client is
 * known: there it is watched until the client has shown that it is one. */
static struct exchange *learn_client(struct ike_table *table, int64_t now,
				     const struct isakmp_message *message, struct ike_result *result)
{
	struct exchange *exchange;
	bool hides_nat;

	result->dialect = dialect_classify(message);
	result->watched = !dialect_facts(result->dialect)->shimmed;
	hides_nat = table->hide_nat && result->watched && message->exchange_type == ISAKMP_MAIN_MODE &&
		    hide_nat_is_wanted(message);
	if (result->watched && !peers_offer_ordinary(table->peers, now, &result->peer, result->dialect) &&
	    !hides_nat) {
		lru_remove(table->fresh, message->data);
		lru_remove(table->answered, message->data);
		return NULL;
	}
	exchange = put_exchange(table, now, message->data, result);
	if (!exchange->client.addr_len || exchange->dialect != result->dialect || exchange->server_initiated)
		*exchange = (struct exchange){.dialect = result->dialect, .client = result->peer};
	exchange->hides_nat = hides_nat;
	return exchange;
}

/* The server starts by itself: what its peer speaks is known from before, or not at all. */
static struct exchange *learn_server(struct ike_table *table, int64_t now,
				     const struct isakmp_message *message, struct ike_result *result)
{
	struct exchange *exchange = use_exchange(table, now, message->data);
	enum ike_dialect dialect;

	if (exchange && exchange->server_initiated) {
		result->dialect = exchange->dialect;
		return exchange;
	}
	dialect = peers_dialect(table->peers, now, &result->peer);
	if (dialect == IKE_DIALECT_NONE)
		return NULL;
	result->dialect = dialect;
	exchange = put_exchange(table, now, message->data, result);
	*exchange = (struct exchange){.dialect = dialect, .server_initiated = true, .client = result->peer};
	return exchange;
}

static void first_message(struct ike_table *table, int64_t now, const struct ike_datagram *d,
			  struct isakmp_message *message, struct ike_result *result)
{
	struct exchange *exchange;

	result->server_initiated = d->direction == IKE_TO_CLIENT;
	result->message_number = 1;
	exchange = (result->server_initiated ? learn_server : learn_client)(table, now, message, result);
	if (!exchange)
		return;
	exchange->type = message->exchange_type;
	result->actions |= IKE_ACT_TRACK;
	const struct dialect_context context = context_of(table, exchange, d);

	result->edits = dialect_translate_vendor_id(&context, message);
}

/* The responder's SA payload is its choice: it tells the hash algorithm, and comes with its cookie. */
static void learn_answer(struct exchange *exchange, const struct isakmp_message *message, uint8_t hash,
			 const struct endpoint *client)
{
	const uint8_t *cookie = message->data + IKE_COOKIE_LEN;

	exchange->hash = hash;
	if (!exchange->server_initiated && memcmp(exchange->responder_cookie, cookie, IKE_COOKIE_LEN) != 0)
		exchange->client = *client;
	memcpy(exchange->responder_cookie, cookie, IKE_COOKIE_LEN);
}

static unsigned number_of(const struct exchange *exchange, bool from_responder, bool has_sa)
{
	if (!from_responder)
		return 3;
	return has_sa || exchange->type == ISAKMP_AGGRESSIVE_MODE ? 2 : 4;
}

/* The client is where the cookie of this exchange was sent, and holds it: so it can receive there. With Aggressive Mode it may
 * have floated to another port by now (RFC 3947 section 4). */
static bool proves_client(const struct exchange *exchange, const struct ike_datagram *d,
			  const struct isakmp_message *message)
{
	struct endpoint client = exchange->client;

	if (exchange->type == ISAKMP_AGGRESSIVE_MODE)
		client.port = d->src.port;
	return d->direction == IKE_TO_SERVER && endpoint_equal(&client, &d->src) &&
	       !memcmp(exchange->responder_cookie, message->data + IKE_COOKIE_LEN, IKE_COOKIE_LEN);
}

/* And its NAT-D payloads have shown that it speaks what it said. */
static bool proves_dialect(const struct exchange *exchange, const struct ike_datagram *d,
			   const struct isakmp_message *message, unsigned edits)
{
	return edits & (IKE_EDIT_NATD_TYPE | IKE_EDIT_NATD_ORDER) && proves_client(exchange, d, message);
}

/* Message 3 says by which address the client knows the server; message 4 is changed. */
static void hide_nat(const struct ike_table *table, struct exchange *exchange, const struct ike_datagram *d,
		     struct isakmp_message *message, struct ike_result *result)
{
	const bool to_server = d->direction == IKE_TO_SERVER;
	const struct endpoint *own = to_server ? &d->dst : &d->src;
	const struct hide_nat_context context = {
		.hasher = table->hasher,
		.hash = exchange->hash,
		.own = own,
		.public = own->addr_len == 4 ? &table->public_addr4 : &table->public_addr6,
	};

	if (to_server) {
		const enum hide_nat_known known = hide_nat_look(&context, message);

		if (known != HIDE_NAT_UNKNOWN)
			exchange->server_known = (uint8_t)known;
	} else if (hide_nat_edit(&context, exchange->server_known, message)) {
		result->edits |= IKE_EDIT_NATD_HASHES;
		result->actions |= IKE_ACT_NAT_HIDDEN;
	}
}

static void later_message(struct ike_table *table, int64_t now, const struct ike_datagram *d,
			  struct isakmp_message *message, bool has_sa, uint8_t hash,
			  struct ike_result *result)
{
	struct exchange *exchange = use_exchange(table, now, message->data);
	bool from_responder;

	if (!exchange || exchange->type != message->exchange_type) {
		result->reason = IKE_UNKNOWN;
		return;
	}
	result->dialect = exchange->dialect;
	result->server_initiated = exchange->server_initiated;
	from_responder = exchange->server_initiated == (d->direction == IKE_TO_SERVER);
	result->message_number = number_of(exchange, from_responder, has_sa);
	if (from_responder && has_sa) {
		exchange = promote(table, now, message->data, exchange, result);
		learn_answer(exchange, message, hash, &result->peer);
	}
	if (exchange->hides_nat && !has_sa)
		hide_nat(table, exchange, d, message, result);
	result->watched = is_watched(exchange);
	if (result->watched) {
		if (proves_client(exchange, d, message) &&
		    peers_prove_ordinary(table->peers, now, &result->peer))
			result->actions |= IKE_ACT_FORGET_PEER;
		return;
	}
	const struct dialect_context context = context_of(table, exchange, d);

	if (from_responder && has_sa)
		result->edits |= dialect_translate_vendor_id(&context, message);
	result->edits |= dialect_translate_natd(&context, message);
	if (proves_dialect(exchange, d, message, result->edits)) {
		peers_remember(table->peers, now, &result->peer, exchange->dialect);
		result->actions |= IKE_ACT_REMEMBER_PEER;
	} else if (proves_client(exchange, d, message) &&
		   peers_prove_other(table->peers, now, &result->peer, exchange->dialect)) {
		result->actions |= IKE_ACT_FORGET_PEER;
	}
}

static enum ike_reason read_message(struct isakmp_message *message, const struct ike_datagram *d,
				    struct ike_result *result)
{
	enum isakmp_status status = isakmp_read_header(d->message, d->length, message);

	if (status == ISAKMP_SHORT)
		return IKE_SHORT;
	memcpy(result->cookie, message->data, IKE_COOKIE_LEN);
	memcpy(result->responder, message->data + IKE_COOKIE_LEN, IKE_COOKIE_LEN);
	if (status != ISAKMP_OK)
		return status_reasons[status];
	if (message->exchange_type != ISAKMP_MAIN_MODE && message->exchange_type != ISAKMP_AGGRESSIVE_MODE)
		return IKE_OTHER_EXCHANGE;
	result->exchange_type = message->exchange_type;
	if (message->encrypted)
		return IKE_ENCRYPTED;
	return status_reasons[isakmp_read_payloads(message)];
}

struct ike_result ike_translate(struct ike_table *table, uint64_t now_ms, struct ike_datagram *d)
{
	struct ike_result result = {.peer = d->direction == IKE_TO_SERVER ? d->src : d->dst};
	const int64_t now = (int64_t)now_ms;
	struct isakmp_message message;
	const struct isakmp_payload *sa;
	uint8_t hash = ISAKMP_HASH_NONE;

	result.reason = read_message(&message, d, &result);
	if (result.reason != IKE_ORDINARY)
		return result;
	sa = isakmp_find(&message, ISAKMP_SA);
	if (sa ? !isakmp_read_sa(isakmp_body(&message, sa), sa->body_length, &hash) : message.first) {
		result.reason = IKE_BAD_SA;
		return result;
	}
	lru_expire(table->fresh, now);
	lru_expire(table->answered, now);
	peers_expire(table->peers, now);
	if (message.first)
		first_message(table, now, d, &message, &result);
	else
		later_message(table, now, d, &message, sa, hash, &result);
	if (result.edits)
		result.reason = IKE_REWRITTEN;
	return result;
}

void ike_table_each_peer(const struct ike_table *table, uint64_t now_ms, ike_peer_fn *fn, void *ctx)
{
	peers_each(table->peers, (int64_t)now_ms, fn, ctx);
}

bool ike_table_restore_peer(struct ike_table *table, uint64_t now_ms, const struct endpoint *peer,
			    enum ike_dialect dialect, uint64_t age_ms, bool alone)
{
	if (!dialect_facts(dialect)->shimmed || age_ms >= (uint64_t)table->peer_ttl_ms || !peer->addr_len)
		return false;
	peers_remember(table->peers, (int64_t)(now_ms - age_ms), peer, dialect);
	if (!alone)
		peers_doubt(table->peers, (int64_t)now_ms, peer);
	return true;
}

enum ike_dialect ike_table_proven_dialect(const struct ike_table *table, uint64_t now_ms,
					  const struct endpoint *peer)
{
	return peers_proven(table->peers, (int64_t)now_ms, peer);
}

enum ike_dialect ike_table_seen_dialect(const struct ike_table *table, uint64_t now_ms,
					const struct endpoint *peer)
{
	return peers_seen(table->peers, (int64_t)now_ms, peer);
}

struct ike_table_stats ike_table_stats(const struct ike_table *table)
{
	return (struct ike_table_stats){
		.exchanges = lru_count(table->fresh) + lru_count(table->answered),
		.peers = peers_count(table->peers),
		.evicted = lru_evicted(table->fresh) + lru_evicted(table->answered) +
			   peers_evicted(table->peers),
	};
}
