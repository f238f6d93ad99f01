/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands in a message: facts first, then words. */
#include "shim/explain/message.h"

#include "shim/explain/vendors.h"
#include "shim/ike/cursor.h"
#include "shim/ike/dialect.h"

#include <stdio.h>
#include <string.h>

enum {
	PAYLOAD_KE = 4,
	PAYLOAD_ID = 5,
	PAYLOAD_CERTIFICATE = 6,
	PAYLOAD_CERTIFICATE_REQUEST = 7,
	PAYLOAD_HASH = 8,
	PAYLOAD_SIGNATURE = 9,
	PAYLOAD_NONCE = 10,
	PAYLOAD_NOTIFICATION = 11,
	PAYLOAD_DELETE = 12,
	NATD_DRAFT = 15,
	NATD_RFC = 20,
	NATD_OLD_DRAFT = 130,
	TRANSFORMS_SHOWN = 16,
};

static const struct name {
	unsigned number;
	const char *text;
} notifications[] = {
	{1, "INVALID-PAYLOAD-TYPE"},
	{2, "DOI-NOT-SUPPORTED"},
	{3, "SITUATION-NOT-SUPPORTED"},
	{4, "INVALID-COOKIE"},
	{5, "INVALID-MAJOR-VERSION"},
	{6, "INVALID-MINOR-VERSION"},
	{7, "INVALID-EXCHANGE-TYPE"},
	{8, "INVALID-FLAGS"},
	{9, "INVALID-MESSAGE-ID"},
	{10, "INVALID-PROTOCOL-ID"},
	{11, "INVALID-SPI"},
	{12, "INVALID-TRANSFORM-ID"},
	{13, "ATTRIBUTES-NOT-SUPPORTED"},
	{NOTIFY_NO_PROPOSAL_CHOSEN, "NO-PROPOSAL-CHOSEN"},
	{15, "BAD-PROPOSAL-SYNTAX"},
	{NOTIFY_PAYLOAD_MALFORMED, "PAYLOAD-MALFORMED"},
	{NOTIFY_INVALID_KEY_INFORMATION, "INVALID-KEY-INFORMATION"},
	{NOTIFY_INVALID_ID_INFORMATION, "INVALID-ID-INFORMATION"},
	{19, "INVALID-CERT-ENCODING"},
	{20, "INVALID-CERTIFICATE"},
	{21, "CERT-TYPE-UNSUPPORTED"},
	{22, "INVALID-CERT-AUTHORITY"},
	{NOTIFY_INVALID_HASH_INFORMATION, "INVALID-HASH-INFORMATION"},
	{NOTIFY_AUTHENTICATION_FAILED, "AUTHENTICATION-FAILED"},
	{25, "INVALID-SIGNATURE"},
	{26, "ADDRESS-NOTIFICATION"},
	{27, "NOTIFY-SA-LIFETIME"},
	{28, "CERTIFICATE-UNAVAILABLE"},
	{29, "UNSUPPORTED-EXCHANGE-TYPE"},
	{30, "UNEQUAL-PAYLOAD-LENGTHS"},
	{16384, "CONNECTED"},
	{24576, "RESPONDER-LIFETIME"},
	{24577, "REPLAY-STATUS"},
	{24578, "INITIAL-CONTACT"},
	{36136, "R-U-THERE (dead peer detection)"},
	{36137, "R-U-THERE-ACK (dead peer detection)"},
	{0, NULL},
};

static const struct name ciphers[] = {{1, "DES"},  {2, "IDEA"}, {3, "Blowfish"}, {4, "RC5"}, {5, "3DES"},
				      {6, "CAST"}, {7, "AES"},  {8, "Camellia"}, {0, NULL}};
static const struct name hashes[] = {{1, "MD5"},      {2, "SHA1"},     {3, "Tiger"}, {4, "SHA2-256"},
				     {5, "SHA2-384"}, {6, "SHA2-512"}, {0, NULL}};
static const struct name groups[] = {{1, "MODP768"},   {2, "MODP1024"},  {5, "MODP1536"},  {14, "MODP2048"},
				     {15, "MODP3072"}, {16, "MODP4096"}, {17, "MODP6144"}, {18, "MODP8192"},
				     {19, "ECP256"},   {20, "ECP384"},   {21, "ECP521"},   {0, NULL}};
static const struct name authentications[] = {{1, "pre-shared key"},
					      {2, "DSS signatures"},
					      {3, "RSA signatures"},
					      {65001, "XAUTH with a pre-shared key"},
					      {0, NULL}};
static const struct name ikev2_exchanges[] = {
	{34, "IKE_SA_INIT"}, {35, "IKE_AUTH"}, {36, "CREATE_CHILD_SA"}, {37, "INFORMATIONAL"}, {0, NULL}};

static const char *name_of(const struct name *table, unsigned number)
{
	while (table->text && table->number != number)
		table++;
	return table->text;
}

static void add_name(struct words *words, const struct name *table, unsigned number, const char *what)
{
	const char *name = name_of(table, number);

	if (name)
		words_add(words, "%s", name);
	else
		words_add(words, "%s %u", what, number);
}

/* Facts */

static void read_header(const uint8_t *data, size_t length, struct message_facts *out)
{
	struct cursor c = {.data = data, .end = length};
	const struct cursor cookies = take(&c, ISAKMP_COOKIES_LEN);

	if (c.failed)
		return;
	memcpy(out->cookies, cookies.data, ISAKMP_COOKIES_LEN);
	take8(&c);
	out->ikev2 = take8(&c) >> 4 == 2;
	out->exchange = take8(&c);
	take8(&c);
	out->id = take32(&c);
	const uint32_t stated = take32(&c);

	out->readable = !c.failed && stated >= ISAKMP_HEADER_LEN && stated <= length;
}

static void read_sa(const struct isakmp_message *message, struct message_facts *out)
{
	const struct isakmp_payload *sa = isakmp_find(message, ISAKMP_SA);

	out->has_sa = sa;
	if (sa && !offer_read((struct bytes){isakmp_body(message, sa), sa->body_length}, &out->offer))
		out->offer.count = 0;
	for (unsigned i = 0; i < out->offer.count; i++)
		out->offer.transform[i].whole = (struct bytes){NULL, 0}; /* it would outlive the message */
}

static void read_vendors(const struct isakmp_message *message, struct message_facts *out)
{
	char name[VENDOR_NAME_MAX];

	for (unsigned i = 0; i < message->payloads; i++) {
		const struct isakmp_payload *p = &message->payload[i];
		const uint8_t *body = isakmp_body(message, p);
		unsigned windows;

		if (p->type != ISAKMP_VENDOR_ID)
			continue;
		out->vendors |= VENDOR_BIT(vendor_name(body, p->body_length, name));
		windows = vendor_windows_version(body, p->body_length);
		out->windows = windows ? windows : out->windows;
	}
	out->dialect = dialect_classify(message);
}

static bool is_natd(uint8_t type)
{
	return type == NATD_DRAFT || type == NATD_RFC || type == NATD_OLD_DRAFT;
}

static bool has_natd(const struct isakmp_message *message, uint8_t type, const uint8_t *hash, size_t length)
{
	for (unsigned i = 0; length && i < message->payloads; i++) {
		const struct isakmp_payload *p = &message->payload[i];

		if (p->type == type && p->body_length == length &&
		    !memcmp(isakmp_body(message, p), hash, length))
			return true;
	}
	return false;
}

/* Whether one of the NAT-D payloads is the hash of that address and port. */
static enum nat_seen find_nat(const struct isakmp_message *message, const struct message_context *context,
			      uint8_t type, const struct endpoint *address)
{
	uint8_t hash[NATD_HASH_MAX];
	const size_t length =
		natd_hash(context->hasher, context->hash, message->data, address, address->port, hash);

	if (!length)
		return NAT_UNKNOWN;
	return has_natd(message, type, hash, length) ? NAT_NO : NAT_YES;
}

/* The server's address as its clients know it stands for its own. */
static enum nat_seen find_nat_of(const struct isakmp_message *message, const struct message_context *context,
				 uint8_t type, const struct endpoint *address, bool is_server)
{
	struct endpoint seen = context->server_public;
	const enum nat_seen found = find_nat(message, context, type, address);

	if (found != NAT_YES || !is_server || !seen.addr_len)
		return found;
	seen.port = address->port;
	return find_nat(message, context, type, &seen) == NAT_NO ? NAT_NO : NAT_YES;
}

static void read_natd(const struct isakmp_message *message, const struct message_context *context,
		      struct message_facts *out)
{
	for (unsigned i = 0; !out->natd && i < message->payloads; i++)
		if (is_natd(message->payload[i].type))
			out->natd = message->payload[i].type;
	if (!out->natd)
		return;
	out->nat_src = find_nat_of(message, context, out->natd, &context->src, !context->from_client);
	out->nat_dst = find_nat_of(message, context, out->natd, &context->dst, context->from_client);
}

/* RFC 2408 section 3.14: DOI, protocol, length of the SPI, type. */
static unsigned read_notification(const struct isakmp_message *message, const struct isakmp_payload *payload)
{
	struct cursor c = {.data = isakmp_body(message, payload), .end = payload->body_length};

	take32(&c);
	take16(&c);
	const uint16_t type = take16(&c);

	return c.failed ? 0 : type;
}

void message_read(uint8_t *data, size_t length, const struct message_context *context,
		  struct message_facts *out)
{
	struct isakmp_message message;
	const struct isakmp_payload *found;

	*out = (struct message_facts){.readable = false};
	read_header(data, length, out);
	if (!out->readable || out->ikev2)
		return;
	if (isakmp_read_header(data, length, &message) != ISAKMP_OK) {
		out->readable = false;
		return;
	}
	out->encrypted = message.encrypted;
	if (message.encrypted)
		return;
	out->broken = isakmp_read_payloads(&message) != ISAKMP_OK;
	if (out->broken)
		return;
	read_sa(&message, out);
	read_vendors(&message, out);
	read_natd(&message, context, out);
	found = isakmp_find(&message, PAYLOAD_KE);
	out->has_ke = found;
	out->ke_length = found ? found->body_length : 0;
	found = isakmp_find(&message, PAYLOAD_NOTIFICATION);
	out->notification = found ? read_notification(&message, found) : 0;
}

/* Words */

static void add_transform(struct words *words, const struct offer_transform *t)
{
	add_name(words, ciphers, t->suite.cipher, "cipher");
	if (t->suite.key_bits)
		words_add(words, "-%u", t->suite.key_bits);
	words_add(words, " ");
	add_name(words, hashes, t->suite.hash, "hash");
	words_add(words, " ");
	add_name(words, groups, t->suite.group, "group");
}

static bool same_authentication(const struct offer *offer)
{
	for (unsigned i = 1; i < offer->count; i++)
		if (offer->transform[i].authentication != offer->transform[0].authentication ||
		    offer->transform[i].life_s != offer->transform[0].life_s)
			return false;
	return true;
}

static void add_offer(const struct offer *offer, struct words *detail)
{
	words_line(detail, "algorithms: ");
	for (unsigned i = 0; i < offer->count && i < TRANSFORMS_SHOWN; i++) {
		words_add(detail, "%s", i ? ", " : "");
		add_transform(detail, &offer->transform[i]);
	}
	if (offer->count > TRANSFORMS_SHOWN)
		words_add(detail, ", and %u more", offer->count - TRANSFORMS_SHOWN);
	words_add(detail, "; ");
	add_name(detail, authentications, offer->transform[0].authentication, "authentication method");
	if (offer->transform[0].life_s)
		words_add(detail, ", lifetime %u s", offer->transform[0].life_s);
	if (!same_authentication(offer))
		words_add(detail, " (that of the first)");
}

static void add_vendors(const struct isakmp_message *message, struct words *detail)
{
	const char *separator = "vendor IDs: ";

	for (unsigned i = 0; i < message->payloads; i++) {
		const struct isakmp_payload *p = &message->payload[i];
		char name[VENDOR_NAME_MAX];

		if (p->type != ISAKMP_VENDOR_ID)
			continue;
		vendor_name(isakmp_body(message, p), p->body_length, name);
		if (*separator == 'v')
			words_line(detail, "%s%s", separator, name);
		else
			words_add(detail, "%s%s", separator, name);
		separator = ", ";
	}
}

/* The sender hashes its own address as it knows it, and the receiver's as it sees it; both are compared with those of the packet. */
static void add_nat(const struct message_context *context, const struct message_facts *facts,
		    struct words *detail)
{
	const char *own = context->from_client ? "client" : "server",
		   *other = context->from_client ? "server" : "client";

	if (facts->nat_src == NAT_UNKNOWN) {
		words_add(detail,
			  "which side is behind a NAT cannot be told, for the agreed hash is not known");
		return;
	}
	if (facts->nat_src == NAT_YES)
		words_add(detail, "the %s's own address is not the one seen here, so it is behind a NAT",
			  own);
	else
		words_add(detail, "the %s's own address is the one seen here", own);
	if (facts->nat_dst == NAT_YES)
		words_add(detail, "; it sees the %s at another address than here, so a NAT lies between",
			  other);
	else
		words_add(detail, "; it sees the %s at the address seen here", other);
}

static void add_natd(const struct message_context *context, const struct message_facts *facts,
		     struct words *detail)
{
	static const char *const kinds[] = {"15, older than RFC 3947", "20, RFC 3947", "130, draft 02 or 03"};

	if (!facts->natd)
		return;
	words_line(detail, "NAT-D (type %s): ",
		   kinds[facts->natd == NATD_DRAFT ? 0
			 : facts->natd == NATD_RFC ? 1
						   : 2]);
	add_nat(context, facts, detail);
}

static void add_notification(struct words *detail, unsigned type)
{
	words_line(detail, "notification: ");
	add_name(detail, notifications, type, "type");
}

/* titled: the first notification stands in the title already. */
static void add_others(const struct isakmp_message *message, bool titled, struct words *detail)
{
	for (unsigned i = 0; i < message->payloads; i++) {
		const struct isakmp_payload *p = &message->payload[i];

		if (p->type == PAYLOAD_NOTIFICATION && titled)
			titled = false;
		else if (p->type == PAYLOAD_NOTIFICATION)
			add_notification(detail, read_notification(message, p));
		else if (p->type == PAYLOAD_DELETE)
			words_line(detail, "Delete (in the clear: a server ignores it)");
		else if (p->type == PAYLOAD_CERTIFICATE_REQUEST)
			words_line(detail, "asks for a certificate");
	}
}

static bool is_notification(const struct message_facts *facts)
{
	return facts->exchange == MESSAGE_INFORMATIONAL && facts->notification;
}

static void title_of_clear(const struct message_context *context, const struct message_facts *facts,
			   struct words *title)
{
	if (is_notification(facts)) {
		words_add(title, "notification ");
		add_name(title, notifications, facts->notification, "type");
		return;
	}
	if (facts->has_sa && facts->offer.count && context->number == 2) {
		words_add(title, "chooses ");
		add_transform(title, &facts->offer.transform[0]);
	} else if (facts->has_sa && facts->offer.count == 1) {
		words_add(title, "offers ");
		add_transform(title, &facts->offer.transform[0]);
		words_add(title, " and nothing else");
	} else if (facts->has_sa && facts->offer.count) {
		words_add(title, "offers %u combinations of algorithms", facts->offer.count);
	} else if (facts->has_sa) {
		words_add(title, "an SA payload that cannot be read");
	} else if (facts->has_ke) {
		words_add(title, "key exchange%s", facts->natd ? " and NAT detection" : ", no NAT detection");
	} else {
		words_add(title, "in the clear");
	}
}

static void title_of_encrypted(const struct message_context *context, const struct message_facts *facts,
			       struct words *title)
{
	switch (facts->exchange) {
	case MESSAGE_MAIN:
		words_add(title, "identity and proof of the key, encrypted");
		break;
	case MESSAGE_AGGRESSIVE:
		words_add(title, "proof of the key, encrypted");
		break;
	case MESSAGE_QUICK:
		words_add(title, "%s, encrypted",
			  context->number == 1   ? "asks for ESP"
			  : context->number == 2 ? "answers"
			  : context->number == 3 ? "confirms"
						 : "Quick Mode");
		break;
	case MESSAGE_TRANSACTION:
		words_add(title, "XAUTH or configuration, encrypted");
		break;
	default:
		words_add(title, "encrypted: a notification or a Delete");
	}
}

static void add_exchange(const struct message_context *context, const struct message_facts *facts,
			 struct words *title)
{
	static const struct name names[] = {{MESSAGE_MAIN, "Main Mode"},
					    {MESSAGE_AGGRESSIVE, "Aggressive Mode"},
					    {MESSAGE_INFORMATIONAL, "Informational"},
					    {MESSAGE_TRANSACTION, "Transaction"},
					    {MESSAGE_QUICK, "Quick Mode"},
					    {0, NULL}};

	add_name(title, names, facts->exchange, "exchange type");
	if (context->number)
		words_add(title, " %u", context->number);
	words_add(title, ": ");
}

void message_words(uint8_t *data, size_t length, const struct message_context *context,
		   const struct message_facts *facts, struct words *title, struct words *detail)
{
	struct isakmp_message message;

	if (facts->ikev2) {
		words_add(title, "IKEv2: ");
		add_name(title, ikev2_exchanges, facts->exchange, "exchange type");
		return;
	}
	if (!facts->readable) {
		words_add(title, "no IKE message: its header is damaged or cut short");
		return;
	}
	add_exchange(context, facts, title);
	if (facts->encrypted) {
		title_of_encrypted(context, facts, title);
		return;
	}
	if (facts->broken || isakmp_read_header(data, length, &message) != ISAKMP_OK ||
	    isakmp_read_payloads(&message) != ISAKMP_OK) {
		words_add(title, "its payloads are damaged");
		return;
	}
	title_of_clear(context, facts, title);
	if (facts->offer.count > 1 ||
	    (facts->offer.count && facts->offer.transform[0].authentication != OFFER_PRE_SHARED_KEY))
		add_offer(&facts->offer, detail);
	add_vendors(&message, detail);
	add_natd(context, facts, detail);
	add_others(&message, is_notification(facts), detail);
}
