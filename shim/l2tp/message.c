/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See message.h. All reading goes through struct cursor, all changes of length through l2tp_splice(). */
#include "shim/l2tp/message.h"

#include <string.h>

#define FLAG_TYPE 0x8000 /* T: control message */
#define FLAG_LENGTH 0x4000
#define FLAG_SEQUENCE 0x0800
#define FLAG_OFFSET 0x0200
#define FLAG_PRIORITY 0x0100
#define VERSION_MASK 0x000f
#define VERSION_L2TPV2 2

#define AVP_MANDATORY 0x8000
#define AVP_HIDDEN 0x4000
#define AVP_RESERVED 0x3c00
#define AVP_LENGTH 0x03ff

#define OFFSET_LENGTH 2 /* of the header's fields that are written */
#define OFFSET_NS 8
#define OFFSET_NR 10

/* Reads from a bounded buffer; past its end it says bad and gives zeros. */
struct cursor {
	const uint8_t *data;
	size_t length, offset;
	bool bad;
};

static const char *const reason_names[L2TP_REASONS] = {
	[L2TP_REWRITTEN] = "rewritten",
	[L2TP_ABSORBED] = "absorbed",
	[L2TP_ORDINARY] = "ordinary",
	[L2TP_DATA] = "data",
	[L2TP_OTHER_VERSION] = "other_version",
	[L2TP_SHORT] = "short",
	[L2TP_BAD_HEADER] = "bad_header",
	[L2TP_BAD_LENGTH] = "bad_length",
	[L2TP_BAD_AVP] = "bad_avp",
	[L2TP_BAD_TYPE] = "bad_type",
	[L2TP_NO_ROOM] = "no_room",
};

const char *l2tp_reason_name(enum l2tp_reason reason)
{
	return reason < L2TP_REASONS ? reason_names[reason] : "unknown";
}

static const uint8_t *take(struct cursor *c, size_t bytes)
{
	const uint8_t *at = c->data + c->offset;

	if (c->bad || c->length - c->offset < bytes) {
		c->bad = true;
		return NULL;
	}
	c->offset += bytes;
	return at;
}

static uint16_t take_u16(struct cursor *c)
{
	const uint8_t *at = take(c, 2);

	return at ? l2tp_get_u16(at) : 0;
}

uint16_t l2tp_get_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

void l2tp_put_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

enum l2tp_reason l2tp_header_read(const uint8_t *message, size_t length, struct l2tp_header *out)
{
	struct cursor c = {.data = message, .length = length};
	uint16_t flags = take_u16(&c);

	if (c.bad)
		return L2TP_SHORT;
	if ((flags & VERSION_MASK) != VERSION_L2TPV2)
		return L2TP_OTHER_VERSION;
	if (!(flags & FLAG_TYPE))
		return L2TP_DATA;
	if (!(flags & FLAG_LENGTH) || !(flags & FLAG_SEQUENCE) || flags & (FLAG_OFFSET | FLAG_PRIORITY))
		return L2TP_BAD_HEADER;
	out->length = take_u16(&c);
	out->tunnel_id = take_u16(&c);
	out->session_id = take_u16(&c);
	out->ns = take_u16(&c);
	out->nr = take_u16(&c);
	if (c.bad)
		return L2TP_SHORT;
	return out->length < L2TP_HEADER_LEN || out->length > length ? L2TP_BAD_LENGTH : L2TP_ORDINARY;
}

static struct cursor start_walk(const uint8_t *message, const struct l2tp_header *header)
{
	return (struct cursor){.data = message, .length = header->length, .offset = L2TP_HEADER_LEN};
}

/* False at the end, and when what follows is no AVP (then c->bad). */
static bool next_avp(struct cursor *c, struct l2tp_avp *avp)
{
	size_t offset = c->offset;
	uint16_t flags;

	if (c->bad || offset == c->length)
		return false;
	flags = take_u16(c);
	*avp = (struct l2tp_avp){
		.offset = offset,
		.length = flags & AVP_LENGTH,
		.vendor = take_u16(c),
		.type = take_u16(c),
		.mandatory = flags & AVP_MANDATORY,
		.opaque = flags & (AVP_HIDDEN | AVP_RESERVED),
	};
	if (avp->length < L2TP_AVP_HEADER_LEN)
		c->bad = true;
	else
		avp->value = take(c, avp->length - L2TP_AVP_HEADER_LEN);
	return !c->bad;
}

static bool is_u16(const struct l2tp_avp *avp, enum l2tp_avp_type type)
{
	return avp->vendor == 0 && avp->type == type && !avp->opaque && l2tp_value_length(avp) == 2;
}

enum l2tp_reason l2tp_check(const uint8_t *message, const struct l2tp_header *header, uint16_t *type)
{
	struct cursor c = start_walk(message, header);
	struct l2tp_avp avp;
	bool typed = false;

	*type = L2TP_ZLB;
	if (header->length == L2TP_HEADER_LEN)
		return L2TP_ORDINARY;
	for (bool first = true; next_avp(&c, &avp); first = false) {
		if (first && is_u16(&avp, L2TP_AVP_MESSAGE_TYPE)) {
			typed = true;
			*type = l2tp_get_u16(avp.value);
		}
	}
	if (c.bad)
		return L2TP_BAD_AVP;
	return typed ? L2TP_ORDINARY : L2TP_BAD_TYPE;
}

bool l2tp_find(const uint8_t *message, const struct l2tp_header *header, enum l2tp_avp_type type,
	       struct l2tp_avp *out)
{
	struct cursor c = start_walk(message, header);

	while (next_avp(&c, out))
		if (out->vendor == 0 && out->type == type)
			return true;
	return false;
}

bool l2tp_find_u16(const uint8_t *message, const struct l2tp_header *header, enum l2tp_avp_type type,
		   uint16_t *out)
{
	struct l2tp_avp avp;

	if (!l2tp_find(message, header, type, &avp) || !is_u16(&avp, type))
		return false;
	*out = l2tp_get_u16(avp.value);
	return true;
}

size_t l2tp_value_length(const struct l2tp_avp *avp)
{
	return avp->length - L2TP_AVP_HEADER_LEN;
}

void l2tp_set_sequence(uint8_t *message, uint16_t ns, uint16_t nr)
{
	l2tp_put_u16(message + OFFSET_NS, ns);
	l2tp_put_u16(message + OFFSET_NR, nr);
}

void l2tp_put_avp_header(uint8_t *at, enum l2tp_avp_type type, size_t length)
{
	l2tp_put_u16(at, (uint16_t)(AVP_MANDATORY | length));
	l2tp_put_u16(at + 2, 0);
	l2tp_put_u16(at + 4, (uint16_t)type);
}

size_t l2tp_splice(uint8_t *message, size_t length, size_t capacity, size_t offset, size_t removed,
		   const void *bytes, size_t inserted)
{
	size_t grown = length - removed + inserted;
	size_t message_length = l2tp_get_u16(message + OFFSET_LENGTH) - removed + inserted;

	if (grown > capacity || message_length > UINT16_MAX)
		return 0;
	memmove(message + offset + inserted, message + offset + removed, length - offset - removed);
	if (inserted)
		memcpy(message + offset, bytes, inserted);
	l2tp_put_u16(message + OFFSET_LENGTH, (uint16_t)message_length);
	return grown;
}
