/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which NAT-D payload is whose: the first is the destination's, those behind it are the sender's (RFC 3947 section 3.2). */
#include "shim/ike/hide_nat.h"

#include <string.h>

/* RFC 3947, and drafts 02 and 03, which older versions of Windows speak. */
enum { NATD_RFC_3947 = 20, NATD_EARLY_DRAFT = 130 };

/* MD5 of "MS NT5 ISAKMPOAKLEY"; four bytes with the version follow. */
static const uint8_t microsoft[] = {0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d,
				    0x7c, 0x96, 0xfc, 0xbf, 0xb5, 0x87, 0xe4, 0x61};
enum { MICROSOFT_LEN = sizeof microsoft + 4 };

bool hide_nat_is_wanted(const struct isakmp_message *message)
{
	for (unsigned i = 0; i < message->payloads; i++) {
		const struct isakmp_payload *p = &message->payload[i];

		if (p->type == ISAKMP_VENDOR_ID && p->body_length == MICROSOFT_LEN &&
		    !memcmp(isakmp_body(message, p), microsoft, sizeof microsoft))
			return true;
	}
	return false;
}

static unsigned find_natd(const struct isakmp_message *message,
			  const struct isakmp_payload *out[static ISAKMP_PAYLOADS_MAX])
{
	unsigned count = 0;

	for (unsigned i = 0; i < message->payloads; i++)
		if (message->payload[i].type == NATD_RFC_3947 || message->payload[i].type == NATD_EARLY_DRAFT)
			out[count++] = &message->payload[i];
	return count;
}

static bool has_hash(const struct isakmp_message *message, const uint8_t *hash, size_t length)
{
	const struct isakmp_payload *natd[ISAKMP_PAYLOADS_MAX];
	const unsigned count = find_natd(message, natd);

	for (unsigned i = 0; i < count; i++)
		if (natd[i]->body_length == length && !memcmp(isakmp_body(message, natd[i]), hash, length))
			return true;
	return false;
}

/* 0: no such address, or no such hash here. */
static size_t hash_of(const struct hide_nat_context *c, enum hide_nat_known known,
		      const struct isakmp_message *message, uint8_t out[static NATD_HASH_MAX])
{
	const struct endpoint *address = known == HIDE_NAT_AS_PUBLIC ? c->public : c->own;

	if (!address->addr_len)
		return 0;
	return natd_hash(c->hasher, c->hash, message->data, address, c->own->port, out);
}

enum hide_nat_known hide_nat_look(const struct hide_nat_context *context,
				  const struct isakmp_message *message)
{
	static const enum hide_nat_known ways[] = {HIDE_NAT_AS_OWN, HIDE_NAT_AS_PUBLIC};
	uint8_t hash[NATD_HASH_MAX];

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		const size_t length = hash_of(context, ways[i], message, hash);

		if (length && has_hash(message, hash, length))
			return ways[i];
	}
	return HIDE_NAT_UNKNOWN;
}

bool hide_nat_edit(const struct hide_nat_context *context, enum hide_nat_known known,
		   struct isakmp_message *message)
{
	static const struct endpoint nobody = {.addr_len = 4}; /* 0.0.0.0, port 0: no client's */
	const struct isakmp_payload *natd[ISAKMP_PAYLOADS_MAX];
	uint8_t server[NATD_HASH_MAX], client[NATD_HASH_MAX];
	size_t length;

	if (known == HIDE_NAT_UNKNOWN || find_natd(message, natd) < 2)
		return false;
	length = hash_of(context, known, message, server);
	if (!length || has_hash(message, server, length) || natd[0]->body_length != length ||
	    natd[1]->body_length != length ||
	    natd_hash(context->hasher, context->hash, message->data, &nobody, 0, client) != length)
		return false;
	return isakmp_set_body(message, natd[0], client, length) &&
	       isakmp_set_body(message, natd[1], server, length);
}
