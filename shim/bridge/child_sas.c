/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The child SAs (ESP) of each ISAKMP SA: lists them, reports them for a restart, and ends them by Deletes as if the client or the
 * server had sent them (RFC 2408 section 3.15, RFC 2409 section 5.7). */
#include "shim/bridge/impl.h"

#include <openssl/crypto.h>

enum { FRESH_MS = 10000 }; /* since phase 1 was complete */
enum {
	VERSION_AT = 17,
	VERSION_1_0 = 0x10,
	DOI_IPSEC = 1,
	DELETE_MAX = DELETE_HEAD + BRIDGE_CHILD_SAS_MAX * SPI_LEN
};

/* Keeping them */

static void remove_child_sa(struct bridge *bridge, struct isakmp_sa *s, unsigned index)
{
	s->child_sa_count--;
	memmove(&s->child_sas[index], &s->child_sas[index + 1],
		(s->child_sa_count - index) * sizeof s->child_sas[0]);
	bridge->changes++;
}

void isakmp_sa_add_child_sa(struct bridge *bridge, struct isakmp_sa *s, const uint8_t *spi_to_server,
			    const uint8_t *spi_to_client)
{
	struct bridge_child_sa *child;

	if (s->child_sa_count == BRIDGE_CHILD_SAS_MAX)
		remove_child_sa(bridge, s, 0);
	child = &s->child_sas[s->child_sa_count++];
	memcpy(child->spi_to_server, spi_to_server, SPI_LEN);
	memcpy(child->spi_to_client, spi_to_client, SPI_LEN);
	s->had_child_sa = true;
	bridge->changes++;
}

static bool same_client(const struct isakmp_sa *s, const struct endpoint *client)
{
	return s->client.port == client->port && endpoint_same_host(&s->client, client);
}

/* The SPI by which each side names a child in a Delete of its own: that of the SA that it receives with. */
static const uint8_t *spi_of(const struct bridge_child_sa *child, unsigned teller)
{
	return teller == LEG_CLIENT ? child->spi_to_client : child->spi_to_server;
}

static void forget_spi(struct bridge *bridge, struct isakmp_sa *s, unsigned teller, const uint8_t *spi)
{
	for (unsigned i = s->child_sa_count; i-- > 0;)
		if (!memcmp(spi_of(&s->child_sas[i], teller), spi, SPI_LEN))
			remove_child_sa(bridge, s, i);
}

/* It may come in another ISAKMP SA than the one that the child was agreed in. */
void bridge_forget_child_sas(struct bridge *bridge, const struct endpoint *client, unsigned teller,
			     struct bytes spis)
{
	struct isakmp_sa *s;

	DL_FOREACH(bridge->head[LIST_ESTABLISHED], s)
	if (s->child_sa_count && same_client(s, client))
		for (size_t at = 0; at + SPI_LEN <= spis.length; at += SPI_LEN)
			forget_spi(bridge, s, teller, spis.data + at);
}

/* What a restart must know */

/* The server may have an ISAKMP SA from message 5 or 6 on. */
static bool is_entry(const struct isakmp_sa *s)
{
	return s->passed >= PHASE1_MESSAGES - 1 && s->passed <= PHASE1_MESSAGES &&
	       (!s->closed || s->child_sa_count);
}

static struct bridge_entry entry_of(const struct isakmp_sa *s)
{
	struct bridge_entry entry = {
		.client = s->client, .server = s->server, .child_sa_count = s->child_sa_count};

	memcpy(entry.cookies, s->cookies, sizeof entry.cookies);
	memcpy(entry.child_sas, s->child_sas, sizeof entry.child_sas);
	return entry;
}

bool bridge_entry_of(const struct bridge *bridge, const uint8_t cookie[static IKE_COOKIE_LEN],
		     struct bridge_entry *out)
{
	const struct isakmp_sa *s = isakmp_sa_by_cookie(bridge, cookie);

	if (!s || !is_entry(s))
		return false;
	*out = entry_of(s);
	return true;
}

void bridge_each_entry(const struct bridge *bridge, bridge_entry_fn *fn, void *ctx)
{
	const struct isakmp_sa *s;

	for (enum list list = LIST_HALF_OPEN; list < LISTS; list++)
		DL_FOREACH(bridge->head[list], s)
	if (is_entry(s)) {
		const struct bridge_entry entry = entry_of(s);

		fn(ctx, &entry);
	}
}

bool bridge_has_client(const struct bridge *bridge, const struct endpoint *client)
{
	const struct isakmp_sa *s;

	for (size_t i = 0; i < bridge->fresh.count; i++)
		if (endpoint_equal(&bridge->fresh.at[i].client, client))
			return true;
	for (enum list list = LIST_HALF_OPEN; list < LISTS; list++)
		DL_FOREACH(bridge->head[list], s)
	if (!s->closed && same_client(s, client))
		return true;
	return false;
}

bool bridge_is_established(const struct bridge *bridge, const struct endpoint *client)
{
	const struct isakmp_sa *s;

	DL_FOREACH(bridge->head[LIST_ESTABLISHED], s)
	if (!s->closed && same_client(s, client))
		return true;
	return false;
}

/* Deletes */

struct teller {
	struct bridge *bridge;
	bridge_delete_fn *fn;
	void *ctx;
};

static void note_id(struct told *told, const uint8_t *id)
{
	memcpy(told->ids[told->id_count++ % TOLD_MAX], id, MESSAGE_ID_LEN);
}

static void note_spi(struct told *told, const uint8_t *spi)
{
	memcpy(told->spis[told->spi_count++ % BRIDGE_CHILD_SAS_MAX], spi, SPI_LEN);
}

bool isakmp_sa_told_by(const struct isakmp_sa *s, const uint8_t *id)
{
	for (unsigned i = 0; i < s->told.id_count && i < TOLD_MAX; i++)
		if (!memcmp(s->told.ids[i], id, MESSAGE_ID_LEN))
			return true;
	return false;
}

/* In whichever ISAKMP SA. */
static bool was_told_spi(const struct bridge *bridge, const struct endpoint *client, const uint8_t *spi)
{
	const struct isakmp_sa *s;

	DL_FOREACH(bridge->head[LIST_ESTABLISHED], s)
	for (unsigned i = 0; i < s->told.spi_count && i < BRIDGE_CHILD_SAS_MAX; i++)
		if (!memcmp(s->told.spis[i], spi, SPI_LEN) && same_client(s, client))
			return true;
	return false;
}

bool isakmp_sa_was_told(const struct bridge *bridge, const struct isakmp_sa *s, struct bytes delete)
{
	if (delete.length <= DELETE_HEAD)
		return false;
	if (delete.data[PROTOCOL_AT] == PROTO_ISAKMP)
		return s->told.end;
	if (delete.data[PROTOCOL_AT] != PROTO_ESP || delete.data[SPI_SIZE_AT] != SPI_LEN ||
	    (delete.length - DELETE_HEAD) % SPI_LEN)
		return false;
	for (size_t at = DELETE_HEAD; at < delete.length; at += SPI_LEN)
		if (!was_told_spi(bridge, &s->client, delete.data + at))
			return false;
	return true;
}

static bool seal_delete(struct bridge *bridge, const struct isakmp_sa *s, struct bytes body,
			struct bridge_delete *out)
{
	const struct bridge_datagram d = {.out = out->message, .capacity = sizeof out->message};
	struct bridge_result result = {.length = 0};
	struct message_ctx ctx = {.bridge = bridge, .d = &d, .result = &result};
	const struct keys *keys = &s->leg[LEG_SERVER].keys;
	uint8_t *head = bridge->copy, iv[KEYS_BLOCK_MAX];

	memset(head, 0, ISAKMP_HEADER_LEN);
	memcpy(head, s->cookies, sizeof s->cookies);
	head[VERSION_AT] = VERSION_1_0;
	head[EXCHANGE_TYPE_AT] = INFORMATIONAL;
	head[FLAGS_AT] = ISAKMP_FLAG_ENCRYPTION;
	ctx.message.data = head;
	ctx.id = head + MESSAGE_ID_AT;
	ctx.payloads.count = 2;
	ctx.payloads.item[0] = (struct payload){.type = PAYLOAD_HASH};
	ctx.payloads.item[1] = (struct payload){PAYLOAD_DELETE, body};
	if (!bridge_random(bridge, head + MESSAGE_ID_AT, MESSAGE_ID_LEN) ||
	    !keys_phase2_iv(bridge->crypto, keys, ctx.id, iv) ||
	    !message_seal(&ctx, keys, (struct bytes){0}, NULL, iv))
		return false;
	out->length = result.length;
	return true;
}

static size_t write_head(uint8_t *out, unsigned protocol, size_t spi_size, size_t count)
{
	const uint8_t head[DELETE_HEAD] = {0,
					   0,
					   0,
					   DOI_IPSEC,
					   (uint8_t)protocol,
					   (uint8_t)spi_size,
					   (uint8_t)(count >> 8),
					   (uint8_t)count};

	memcpy(out, head, sizeof head);
	return sizeof head;
}

/* To the server as from the client, or to the client as from the server, whose message is sealed for the server's leg like
 * every other of the server's: it is relayed on its way. */
static bool tell_one(const struct teller *t, struct isakmp_sa *s, unsigned teller, struct bytes body)
{
	struct bridge_delete delete = {
		.client = s->client, .server = s->server, .to_server = teller == LEG_CLIENT};

	if (!seal_delete(t->bridge, s, body, &delete))
		return false;
	if (!delete.to_server)
		note_id(&s->told, delete.message + MESSAGE_ID_AT);
	t->fn(t->ctx, &delete);
	return true;
}

/* The children of s that are meant, in the ISAKMP SA of carrier. */
static bool tell_child_sas(const struct teller *t, struct isakmp_sa *carrier, const struct isakmp_sa *s)
{
	for (unsigned teller = 0; teller < LEGS; teller++) {
		uint8_t body[DELETE_MAX];
		size_t length = DELETE_HEAD;
		unsigned count = 0;

		for (unsigned i = 0; i < s->child_sa_count; i++) {
			if (!(s->ending & 1U << i))
				continue;
			memcpy(body + length, spi_of(&s->child_sas[i], teller), SPI_LEN);
			if (teller == LEG_SERVER)
				note_spi(&carrier->told, body + length);
			length += SPI_LEN;
			count++;
		}
		write_head(body, PROTO_ESP, SPI_LEN, count);
		if (!tell_one(t, carrier, teller, (struct bytes){body, length}))
			return false;
	}
	return true;
}

static bool tell_isakmp(const struct teller *t, struct isakmp_sa *s)
{
	uint8_t body[DELETE_HEAD + ISAKMP_COOKIES_LEN];
	const size_t head = write_head(body, PROTO_ISAKMP, ISAKMP_COOKIES_LEN, 1);
	const struct bytes whole = {body, sizeof body};

	memcpy(body + head, s->cookies, ISAKMP_COOKIES_LEN);
	s->told.end = true;
	return tell_one(t, s, LEG_CLIENT, whole) && tell_one(t, s, LEG_SERVER, whole);
}

void isakmp_sa_close(struct bridge *bridge, struct isakmp_sa *s, int64_t now)
{
	s->ends_ms = now + CLOSED_S * 1000L;
	s->closed = true;
	bridge->changes++;
}

static bool can_carry(const struct isakmp_sa *s, const struct endpoint *client)
{
	return !s->closed && s->passed == PHASE1_MESSAGES && same_client(s, client);
}

/* The ISAKMP SA that they were agreed in, or else another one with this client. */
static struct isakmp_sa *carrier_of(const struct bridge *bridge, struct isakmp_sa *s)
{
	struct isakmp_sa *other;

	if (can_carry(s, &s->client))
		return s;
	DL_FOREACH(bridge->head[LIST_ESTABLISHED], other)
	if (can_carry(other, &s->client))
		return other;
	return NULL;
}

static bool end_child_sas(const struct teller *t, struct isakmp_sa *s)
{
	struct isakmp_sa *carrier = carrier_of(t->bridge, s);

	if (!carrier || !tell_child_sas(t, carrier, s))
		return false;
	for (unsigned i = s->child_sa_count; i-- > 0;)
		if (s->ending & 1U << i)
			remove_child_sa(t->bridge, s, i);
	s->ending = 0;
	return true;
}

/* In which nothing is left. Where nothing has been yet, a client that comes back may be about to begin its Quick Mode. */
static bool is_empty(const struct isakmp_sa *s, int64_t now)
{
	return !s->child_sa_count && (s->had_child_sa || now >= s->touched_ms + FRESH_MS);
}

static bool end_empty(const struct teller *t, const struct endpoint *client, int64_t now)
{
	struct isakmp_sa *s;

	DL_FOREACH(t->bridge->head[LIST_ESTABLISHED], s)
	if (can_carry(s, client) && is_empty(s, now)) {
		if (!tell_isakmp(t, s))
			return false;
		isakmp_sa_close(t->bridge, s, now);
	}
	return true;
}

/* The SAs of one client. */
struct named {
	const struct endpoint *client;
	const struct bridge_sa *sas;
	size_t count;
};

/* By the SPI that the server has chosen: no two of one server are the same. */
static bool has_own_spi(const struct named *n, const struct bridge_child_sa *child)
{
	for (size_t i = 0; i < n->count; i++)
		if (!n->sas[i].to_client && !memcmp(n->sas[i].spi, child->spi_to_server, SPI_LEN))
			return true;
	return false;
}

/* A client may have moved to another port. But there may be others at its address, with the same SPI: clients choose theirs. */
static bool is_meant(const struct isakmp_sa *s, const struct bridge_child_sa *child, const struct named *n,
		     const struct bridge_sa *sa)
{
	return !memcmp(spi_of(child, sa->to_client ? LEG_CLIENT : LEG_SERVER), sa->spi, SPI_LEN) &&
	       (same_client(s, n->client) ||
		(endpoint_same_host(&s->client, n->client) && has_own_spi(n, child)));
}

static struct isakmp_sa *mark_child_sa(struct bridge *bridge, const struct named *n,
				       const struct bridge_sa *sa)
{
	struct isakmp_sa *s;

	DL_FOREACH(bridge->head[LIST_ESTABLISHED], s)
	for (unsigned i = 0; i < s->child_sa_count; i++)
		if (is_meant(s, &s->child_sas[i], n, sa)) {
			s->ending |= (uint8_t)(1U << i);
			return s;
		}
	return NULL;
}

bool bridge_end(struct bridge *bridge, uint64_t now_ms, const struct endpoint *client,
		const struct bridge_sa *sas, size_t count, bridge_delete_fn *fn, void *ctx)
{
	const struct teller t = {bridge, fn, ctx};
	const struct named named = {client, sas, count};
	struct endpoint known = *client;
	struct isakmp_sa *s;
	bool all = count > 0;

	for (size_t i = 0; i < count; i++) {
		s = mark_child_sa(bridge, &named, &sas[i]);
		all &= s != NULL;
		known = s ? s->client : known;
	}
	DL_FOREACH(bridge->head[LIST_ESTABLISHED], s)
	if (s->ending) {
		all = all && end_child_sas(&t, s);
		s->ending = 0;
	}
	return all && end_empty(&t, &known, (int64_t)now_ms);
}

size_t bridge_end_some(struct bridge *bridge, uint64_t now_ms, size_t max, bridge_delete_fn *fn, void *ctx)
{
	const struct teller t = {bridge, fn, ctx};
	size_t count = 0;
	struct isakmp_sa *s;

	DL_FOREACH(bridge->head[LIST_ESTABLISHED], s)
	{
		if (count == max)
			break;
		/* cppcheck-suppress uninitvar; the macro sets it */
		if (s->closed)
			continue;
		s->ending = (uint8_t)((1U << s->child_sa_count) - 1);
		if (s->ending)
			end_child_sas(&t, s);
		s->ending = 0;
		tell_isakmp(&t, s);
		isakmp_sa_close(bridge, s, (int64_t)now_ms);
		count++;
	}
	return count;
}
