/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of dialects and the translation of one message. */
#include "shim/ike/dialect.h"

#include <string.h>

enum { RFC_3947_NATD = 20, RFC_3947_NATOA = 21 };

static const struct dialect dialects[IKE_DIALECTS] = {
	[IKE_DIALECT_NONE] = {.name = "none", .vendor = VENDOR_UNKNOWN},
	[IKE_DIALECT_RFC3947] = {.name = "rfc3947", .vendor = VENDOR_UNKNOWN},
	[IKE_DIALECT_APPLE] = {"apple", VENDOR_APPLE, NATD_OWN_FIRST, NATD_OWN_FIRST, 15, 0, true},
	[IKE_DIALECT_TIGER_LATE] = {"tiger-late", VENDOR_UNKNOWN, NATD_ANY, NATD_ANY, 0, 0, true},
	[IKE_DIALECT_LEOPARD] = {.name = "leopard", .vendor = VENDOR_UNKNOWN},
	[IKE_DIALECT_DRAFT_04] = {"draft-04", VENDOR_DRAFT_04, NATD_DESTINATION_FIRST, NATD_ANY, 15, 16,
				  true},
	[IKE_DIALECT_DRAFT_05] = {"draft-05", VENDOR_DRAFT_05, NATD_DESTINATION_FIRST, NATD_ANY, 15, 16,
				  true},
	[IKE_DIALECT_DRAFT_06] = {"draft-06", VENDOR_DRAFT_06, NATD_DESTINATION_FIRST, NATD_ANY, 15, 16,
				  true},
	[IKE_DIALECT_DRAFT_07] = {"draft-07", VENDOR_DRAFT_07, NATD_DESTINATION_FIRST, NATD_ANY, 15, 16,
				  true},
	[IKE_DIALECT_DRAFT_08] = {"draft-08", VENDOR_DRAFT_08, NATD_DESTINATION_FIRST, NATD_ANY, 15, 16,
				  true},
	[IKE_DIALECT_DRAFT_02_03] = {.name = "draft-02/03", .vendor = VENDOR_UNKNOWN},
};

/* What a client speaks by what it offers: the first row all of whose vendor IDs, and any of the others, are
 * there. */
#define OFFERS(vendor) (1U << (vendor))
#define DRAFTS_04_TO_08                                                                                      \
	(OFFERS(VENDOR_DRAFT_04) | OFFERS(VENDOR_DRAFT_05) | OFFERS(VENDOR_DRAFT_06) |                       \
	 OFFERS(VENDOR_DRAFT_07) | OFFERS(VENDOR_DRAFT_08))
static const struct {
	unsigned all, any; /* any: 0 asks for nothing */
	enum ike_dialect dialect;
} offers[] = {
	{OFFERS(VENDOR_RFC_3947) | OFFERS(VENDOR_APPLE), DRAFTS_04_TO_08, IKE_DIALECT_LEOPARD},
	{OFFERS(VENDOR_RFC_3947) | OFFERS(VENDOR_APPLE), 0, IKE_DIALECT_TIGER_LATE},
	{OFFERS(VENDOR_RFC_3947), 0, IKE_DIALECT_RFC3947},
	{OFFERS(VENDOR_DRAFT_08), 0, IKE_DIALECT_DRAFT_08},
	{OFFERS(VENDOR_DRAFT_07), 0, IKE_DIALECT_DRAFT_07},
	{OFFERS(VENDOR_DRAFT_06), 0, IKE_DIALECT_DRAFT_06},
	{OFFERS(VENDOR_DRAFT_05), 0, IKE_DIALECT_DRAFT_05},
	{OFFERS(VENDOR_DRAFT_04), 0, IKE_DIALECT_DRAFT_04},
	{OFFERS(VENDOR_APPLE), 0, IKE_DIALECT_APPLE},
	{0, OFFERS(VENDOR_DRAFT_02) | OFFERS(VENDOR_DRAFT_02_NEWLINE) | OFFERS(VENDOR_DRAFT_03),
	 IKE_DIALECT_DRAFT_02_03},
	{0, 0, IKE_DIALECT_NONE},
};

const struct dialect *dialect_facts(enum ike_dialect dialect)
{
	return &dialects[dialect < IKE_DIALECTS ? dialect : IKE_DIALECT_NONE];
}

const char *ike_dialect_name(enum ike_dialect dialect)
{
	return dialect_facts(dialect)->name;
}

bool ike_dialect_parse(const char *name, enum ike_dialect *out)
{
	for (unsigned i = 0; i < IKE_DIALECTS; i++) {
		if (strcmp(name, dialects[i].name) != 0)
			continue;
		*out = (enum ike_dialect)i;
		return true;
	}
	return false;
}

static enum vendor vendor_of(const struct isakmp_message *message, const struct isakmp_payload *payload)
{
	if (payload->type != ISAKMP_VENDOR_ID)
		return VENDOR_UNKNOWN;
	return vendor_find(isakmp_body(message, payload), payload->body_length);
}

enum ike_dialect dialect_classify(const struct isakmp_message *message)
{
	unsigned offered = 0, row = 0;

	for (unsigned i = 0; i < message->payloads; i++)
		offered |= OFFERS(vendor_of(message, &message->payload[i]));
	while ((offered & offers[row].all) != offers[row].all ||
	       (offers[row].any && !(offered & offers[row].any)))
		row++;
	return offers[row].dialect;
}

unsigned dialect_translate_vendor_id(const struct dialect_context *context, struct isakmp_message *message)
{
	const struct dialect *dialect = dialect_facts(context->dialect);
	const bool to_server = context->direction == IKE_TO_SERVER;
	const enum vendor from = to_server ? dialect->vendor : VENDOR_RFC_3947;
	const enum vendor to = to_server ? VENDOR_RFC_3947 : dialect->vendor;
	const struct isakmp_payload *found = NULL;

	if (dialect->vendor == VENDOR_UNKNOWN)
		return 0;
	for (unsigned i = 0; i < message->payloads; i++) {
		const enum vendor vendor = vendor_of(message, &message->payload[i]);

		if (vendor == to)
			return 0;
		if (vendor == from && !found)
			found = &message->payload[i];
	}
	if (!found || !isakmp_set_body(message, found, vendor_ids[to].md5, VENDOR_ID_LEN))
		return 0;
	return IKE_EDIT_VENDOR_ID;
}

static bool translate_type(struct isakmp_message *message, uint8_t from, uint8_t to)
{
	bool changed = false;

	for (unsigned i = 0; from != to && i < message->payloads; i++) {
		if (message->payload[i].type != from)
			continue;
		isakmp_set_type(message, &message->payload[i], to);
		changed = true;
	}
	return changed;
}

/* Which of the NAT-D payloads is the hash of this address; count when none is, or it cannot be told. */
static unsigned find_address(const struct dialect_context *context, const struct isakmp_message *message,
			     const struct endpoint *address, struct isakmp_payload *const *natd,
			     unsigned count)
{
	uint8_t hash[NATD_HASH_MAX];
	const size_t length = natd_hash(context->hasher, context->hash, message->data, address,
					context->destination->port, hash);

	for (unsigned i = 0; length && i < count; i++)
		if (natd[i]->body_length == length && !memcmp(isakmp_body(message, natd[i]), hash, length))
			return i;
	return count;
}

static unsigned find_destination(const struct dialect_context *context, const struct isakmp_message *message,
				 struct isakmp_payload *const *natd, unsigned count)
{
	const struct endpoint *seen = context->destination_seen;
	const unsigned found = find_address(context, message, context->destination, natd, count);

	if (found < count || !seen || !seen->addr_len)
		return found;
	return find_address(context, message, seen, natd, count);
}

/* Towards the server the destination's hash must come first: by proof, or else where the vendor ID tells that
 * it does not (and the message still is in the dialect: one that passes a second time must not be turned
 * back). */
static bool put_destination_first(const struct dialect_context *context, struct isakmp_message *message,
				  struct isakmp_payload *const *natd, unsigned count, bool was_dialect)
{
	const unsigned destination = find_destination(context, message, natd, count);

	if (destination < count)
		return destination > 0 && isakmp_swap_bodies(message, natd[0], natd[destination]);
	return was_dialect && count == 2 && dialect_facts(context->dialect)->sends == NATD_OWN_FIRST &&
	       isakmp_swap_bodies(message, natd[0], natd[1]);
}

/* Towards a client that wants its peer's own address first. Without proof: servers send the destination
 * first. */
static bool put_own_first(const struct dialect_context *context, struct isakmp_message *message,
			  struct isakmp_payload *const *natd, unsigned count)
{
	return count == 2 && find_destination(context, message, natd, count) != 1 &&
	       isakmp_swap_bodies(message, natd[0], natd[1]);
}

unsigned dialect_translate_natd(const struct dialect_context *context, struct isakmp_message *message)
{
	const struct dialect *dialect = dialect_facts(context->dialect);
	const bool to_server = context->direction == IKE_TO_SERVER;
	const uint8_t dialect_natd = dialect->natd ? dialect->natd : RFC_3947_NATD;
	const uint8_t dialect_natoa = dialect->natoa ? dialect->natoa : RFC_3947_NATOA;
	const uint8_t natd_to = to_server ? RFC_3947_NATD : dialect_natd;
	const uint8_t natoa_to = to_server ? RFC_3947_NATOA : dialect_natoa;
	struct isakmp_payload *natd[ISAKMP_PAYLOADS_MAX];
	unsigned count = 0, edits = 0;
	bool swapped = false;

	if (translate_type(message, to_server ? dialect_natd : RFC_3947_NATD, natd_to))
		edits |= IKE_EDIT_NATD_TYPE;
	if (translate_type(message, to_server ? dialect_natoa : RFC_3947_NATOA, natoa_to))
		edits |= IKE_EDIT_NATOA_TYPE;
	for (unsigned i = 0; i < message->payloads; i++)
		if (message->payload[i].type == natd_to)
			natd[count++] = &message->payload[i];
	if (count < 2)
		return edits;
	if (to_server)
		swapped = put_destination_first(context, message, natd, count, edits & IKE_EDIT_NATD_TYPE);
	else if (dialect->wants == NATD_OWN_FIRST && edits & IKE_EDIT_NATD_TYPE)
		swapped = put_own_first(context, message, natd, count);
	return edits | (swapped ? IKE_EDIT_NATD_ORDER : 0);
}
