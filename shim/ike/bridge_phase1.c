/* Main Mode with a pre-shared key, relayed (RFC 2409 section 5.4). Message by message: what the initiator's leg says, and
 * what the responder's leg is told, and back. */
#include "shim/ike/bridge_impl.h"

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

/* Message 1: the other offer has been made already, by begin(). */
static enum bridge_reason relay_offer(struct work *w, struct session *s)
{
	struct payload *sa = payloads_only(&w->payloads, ISAKMP_SA);
	const struct leg *out = &s->leg[w->out];

	if (!sa)
		return BRIDGE_MALFORMED;
	sa->body = (struct bytes){out->sa, out->sa_length};
	return BRIDGE_RELAYED;
}

static bool was_offered(const struct leg *leg, const struct keys_suite *suite)
{
	struct offer offer;

	if (!offer_read((struct bytes){leg->sa, leg->sa_length}, &offer))
		return false;
	for (unsigned i = 0; i < offer.count; i++)
		if (offer.transform[i].authentication == OFFER_PRE_SHARED_KEY &&
		    offer_same_suite(&offer.transform[i].suite, suite))
			return true;
	return false;
}

/* Message 2: one of the transforms that we offered; the initiator hears the one that it offered. */
static enum bridge_reason relay_choice(struct work *w, struct session *s)
{
	struct payload *sa = payloads_only(&w->payloads, ISAKMP_SA);
	struct leg *in = &s->leg[w->in], *out = &s->leg[w->out];
	const struct offer_transform *usable;
	struct offer choice, offer;
	size_t length;

	if (!sa || w->message.first || !offer_read(sa->body, &choice) || choice.count != 1)
		return BRIDGE_MALFORMED;
	if (choice.transform[0].authentication != OFFER_PRE_SHARED_KEY ||
	    !was_offered(in, &choice.transform[0].suite) ||
	    !offer_read((struct bytes){out->sa, out->sa_length}, &offer))
		return BRIDGE_REFUSED;
	usable = bridge_usable(w->bridge, &offer);
	if (!usable)
		return BRIDGE_FAILED;
	in->suite = choice.transform[0].suite;
	out->suite = usable->suite;
	length = offer_write_choice(offer.proposal, usable, w->bridge->scratch, sizeof w->bridge->scratch);
	sa->body = (struct bytes){w->bridge->scratch, length};
	memcpy(s->cookies, w->message.data, ISAKMP_COOKIES_LEN);
	return length ? BRIDGE_RELAYED : BRIDGE_FAILED;
}

/* NAT-D hashes are made with the leg's hash algorithm. One that is of no address that we know becomes one that is of no
 * address at all. */
static const uint8_t *translate_natd(struct work *w, const struct session *s, struct bytes body, uint8_t *out,
				     size_t *length)
{
	const struct bridge_config *config = &w->bridge->config;
	const struct endpoint *const known[] = {&w->d->dst, &w->d->src, &config->public_addr4,
						&config->public_addr6};
	const uint8_t from = s->leg[w->in].suite.hash, to = s->leg[w->out].suite.hash;
	struct endpoint address = {.addr_len = 4};
	uint16_t port = 0;
	uint8_t hash[NATD_HASH_MAX];

	memcpy(address.addr, body.data, body.length < 4 ? body.length : 4);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const uint16_t its_port = known[i]->port ? known[i]->port : w->d->dst.port;
		const size_t size = known[i]->addr_len ? natd_hash(w->bridge->hasher, from, w->message.data,
								   known[i], its_port, hash)
						       : 0;

		if (!size || size != body.length || memcmp(hash, body.data, size) != 0)
			continue;
		address = *known[i];
		port = its_port;
		break;
	}
	*length = natd_hash(w->bridge->hasher, to, w->message.data, &address, port, out);
	return out;
}

static void translate_natds(struct work *w, const struct session *s)
{
	uint8_t *at = w->bridge->scratch;
	const uint8_t *const end = at + sizeof w->bridge->scratch;

	if (s->leg[w->in].suite.hash == s->leg[w->out].suite.hash)
		return;
	for (unsigned i = 0; i < w->payloads.count && end - at >= NATD_HASH_MAX; i++) {
		struct payload *p = &w->payloads.item[i];

		if (p->type != NATD_RFC_3947 && p->type != NATD_DRAFT_02)
			continue;
		p->body.data = translate_natd(w, s, p->body, at, &p->body.length);
		at += p->body.length;
	}
}

/* What messages 3 and 4 have in common: the public value and the nonce of their sender, and ours in their place. */
static enum bridge_reason relay_public(struct work *w, struct session *s, struct nonce *nonce)
{
	struct payload *ke = payloads_only(&w->payloads, PAYLOAD_KE);
	struct payload *n = payloads_only(&w->payloads, PAYLOAD_NONCE);
	struct leg *in = &s->leg[w->in], *out = &s->leg[w->out];

	if (!ke || !n || !nonce_keep(nonce, n->body))
		return BRIDGE_MALFORMED;
	if (!work_peer_public(w, in->suite.group, ke->body, &in->peer))
		return BRIDGE_BAD_KE;
	if (!work_own_public(w, out->suite.group, out->secret, &out->own))
		return BRIDGE_FAILED;
	ke->body = public_bytes(&out->own);
	translate_natds(w, s);
	return BRIDGE_RELAYED;
}

/* The names of RFC 2409 on one leg. */
static struct keys_input input_of(const struct session *s, unsigned leg)
{
	const struct leg *l = &s->leg[leg];
	const bool peer_is_initiator = leg == initiator_leg(s->by_server);

	return (struct keys_input){
		.public_i = public_bytes(peer_is_initiator ? &l->peer : &l->own),
		.public_r = public_bytes(peer_is_initiator ? &l->own : &l->peer),
		.cookies = s->cookies,
	};
}

static bool derive_leg(struct work *w, struct session *s, unsigned leg, struct bytes skeyid)
{
	struct keys_input input = input_of(s, leg);
	struct leg *l = &s->leg[leg];
	uint8_t shared[DH_LENGTH_MAX];
	bool ok;

	input.skeyid = skeyid;
	input.shared = (struct bytes){shared, dh_length(l->suite.group)};
	ok = work_shared(w, l->suite.group, l->secret, &l->peer, shared) &&
	     keys_derive(w->bridge->crypto, &l->suite, &input, &l->keys);
	OPENSSL_cleanse(shared, sizeof shared);
	OPENSSL_cleanse(l->secret, sizeof l->secret);
	return ok;
}

static size_t ask_skeyid(struct work *w, const struct session *s, unsigned leg,
			 uint8_t out[static KEYS_HASH_MAX])
{
	const struct bridge_config *config = &w->bridge->config;
	const struct bridge_datagram *d = w->d;
	const bool to_server = d->direction == IKE_TO_SERVER;

	return config->skeyid(config->ctx, to_server ? &d->dst : &d->src, to_server ? &d->src : &d->dst,
			      s->leg[leg].suite.hash, nonce_bytes(&s->nonce_i), nonce_bytes(&s->nonce_r),
			      out);
}

/* Both are asked for before anything is computed: without an answer nothing has happened yet, and a repeat may have one. */
static enum bridge_reason derive_keys(struct work *w, struct session *s)
{
	uint8_t skeyid[LEGS][KEYS_HASH_MAX];
	size_t length[LEGS];
	enum bridge_reason reason = BRIDGE_SECRETS;

	length[w->in] = ask_skeyid(w, s, w->in, skeyid[w->in]);
	length[w->out] = length[w->in] ? ask_skeyid(w, s, w->out, skeyid[w->out]) : 0;
	if (length[w->out])
		reason = derive_leg(w, s, w->in, (struct bytes){skeyid[w->in], length[w->in]}) &&
					 derive_leg(w, s, w->out,
						    (struct bytes){skeyid[w->out], length[w->out]})
				 ? BRIDGE_RELAYED
				 : BRIDGE_FAILED;
	OPENSSL_cleanse(skeyid, sizeof skeyid);
	return reason;
}

/* Messages 5 and 6: HASH_I or HASH_R of this leg is verified, and only then made for the other. */
static enum bridge_reason relay_hash(struct work *w, struct session *s, bool responder,
				     uint8_t hash[KEYS_HASH_MAX], uint8_t *iv)
{
	struct crypto *crypto = w->bridge->crypto;
	const struct leg *in = &s->leg[w->in], *out = &s->leg[w->out];
	const struct keys_input input_in = input_of(s, w->in), input_out = input_of(s, w->out);
	struct payload *id, *h;

	if (!work_decrypt(w, &in->keys, iv))
		return BRIDGE_BAD_HASH;
	id = payloads_only(&w->payloads, PAYLOAD_ID);
	h = payloads_only(&w->payloads, PAYLOAD_HASH);
	if (!id || !h || h->body.length != in->keys.hash_length)
		return BRIDGE_BAD_HASH;
	if (!keys_hash_auth(crypto, &in->keys, &input_in, responder, (struct bytes){in->sa, in->sa_length},
			    id->body, hash))
		return BRIDGE_FAILED;
	if (!bytes_equal_secret(hash, h->body.data, h->body.length))
		return BRIDGE_BAD_HASH;
	if (w->in == LEG_CLIENT)
		bridge_name_client(w, s, id);
	if (!keys_hash_auth(crypto, &out->keys, &input_out, responder,
			    (struct bytes){out->sa, out->sa_length}, id->body, hash))
		return BRIDGE_FAILED;
	h->body = (struct bytes){hash, out->keys.hash_length};
	return BRIDGE_RELAYED;
}

static enum bridge_reason relay_encrypted(struct work *w, struct session *s, unsigned number)
{
	struct leg *in = &s->leg[w->in], *out = &s->leg[w->out];
	uint8_t hash[KEYS_HASH_MAX], iv_in[KEYS_BLOCK_MAX], iv_out[KEYS_BLOCK_MAX];
	enum bridge_reason reason;

	memcpy(iv_in, in->keys.iv, sizeof iv_in);
	memcpy(iv_out, out->keys.iv, sizeof iv_out);
	reason = relay_hash(w, s, number == SECOND_HASH, hash, iv_in);
	if (reason == BRIDGE_RELAYED && (!work_write_chain(w) || !work_emit_sealed(w, &out->keys, iv_out)))
		reason = BRIDGE_FAILED;
	if (reason == BRIDGE_BAD_HASH)
		work_refuse(w, AUTHENTICATION_FAILED);
	if (reason != BRIDGE_RELAYED)
		return reason;
	memcpy(in->keys.iv, iv_in, sizeof iv_in);
	memcpy(out->keys.iv, iv_out, sizeof iv_out);
	return BRIDGE_RELAYED;
}

static enum bridge_reason relay_clear(struct work *w, struct session *s, unsigned number)
{
	enum bridge_reason reason;

	switch (number) {
	case FIRST_MESSAGE:
		reason = relay_offer(w, s);
		break;
	case ANSWER:
		reason = relay_choice(w, s);
		break;
	case FIRST_KE:
		reason = relay_public(w, s, &s->nonce_i);
		break;
	default:
		reason = relay_public(w, s, &s->nonce_r);
		if (reason == BRIDGE_RELAYED)
			reason = derive_keys(w, s);
	}
	if (reason == BRIDGE_BAD_KE)
		work_refuse(w, INVALID_KEY_INFORMATION);
	if (reason != BRIDGE_RELAYED)
		return reason;
	remove_fragmentation(&w->payloads);
	return work_write_chain(w) && work_emit_clear(w) ? BRIDGE_RELAYED : BRIDGE_FAILED;
}

static unsigned number_of(struct work *w, const struct session *s)
{
	const bool from_initiator = w->in == initiator_leg(s->by_server);

	if (w->message.encrypted)
		return from_initiator ? FIRST_HASH : SECOND_HASH;
	if (payloads_nth(&w->payloads, ISAKMP_SA, 0))
		return from_initiator ? FIRST_MESSAGE : ANSWER;
	return from_initiator ? FIRST_KE : SECOND_KE;
}

static void complete(struct work *w, struct session *s)
{
	const uint32_t said = s->life_s ? s->life_s : DEFAULT_LIFE_S;
	const uint32_t life = (said < LIFE_MAX_S ? said : LIFE_MAX_S) + AFTER_LIFE_S;

	s->ends_ms = w->now + (int64_t)life * 1000;
	session_remember_client(w, s);
	w->result->track_s = life;
	w->result->client_suite = s->leg[LEG_CLIENT].suite;
	w->result->server_suite = s->leg[LEG_SERVER].suite;
	w->result->actions |= BRIDGE_ACT_UP;
	bridge_tell_alias(s, w->result);
}

static void moved_on(struct work *w, struct session *s, unsigned number)
{
	static const enum list lists[PHASE1_MESSAGES + 1] = {LIST_FRESH, LIST_FRESH, LIST_FRESH, LIST_KEYED,
							     LIST_KEYED, LIST_KEYED, LIST_UP};

	s->passed = number;
	s->touched_ms = w->now;
	session_move(w->bridge, s, lists[number]);
	if (number == FIRST_HASH)
		w->bridge->changes++; /* from now on a restart must know of it */
	if (number == SECOND_HASH)
		complete(w, s);
	w->result->actions |= BRIDGE_ACT_TRACK;
}

enum bridge_reason bridge_phase1(struct work *w, struct session *s)
{
	enum bridge_reason reason;
	static const uint8_t no_id[MESSAGE_ID_LEN];
	unsigned number;

	if (memcmp(w->id, no_id, sizeof no_id) != 0)
		return BRIDGE_UNEXPECTED;
	if (!w->message.encrypted) {
		if (isakmp_read_payloads(&w->message) != ISAKMP_OK)
			return BRIDGE_MALFORMED;
		payloads_read(&w->message, &w->payloads);
	}
	number = number_of(w, s);
	if (memory_same(&s->memory[number], w))
		return memory_answer(&s->memory[number], w) ? BRIDGE_REPEATED : BRIDGE_FAILED;
	if (number != s->passed + 1)
		return BRIDGE_UNEXPECTED;
	reason = w->message.encrypted ? relay_encrypted(w, s, number) : relay_clear(w, s, number);
	if (reason == BRIDGE_RELAYED && !memory_store(&s->memory[number], w))
		reason = BRIDGE_FAILED;
	if (reason == BRIDGE_RELAYED)
		moved_on(w, s, number);
	else if (reason == BRIDGE_FAILED)
		s->passed = BROKEN; /* half of it may be done: it must not be done again with what is left */
	return reason;
}
