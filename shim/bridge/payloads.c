/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of payloads. */
#include "shim/bridge/payloads.h"

#include "shim/ike/cursor.h"

#include <string.h>

enum { FIRST_PAYLOAD_AT = 16, LENGTH_AT = 24 };

void payloads_read(const struct isakmp_message *message, struct payloads *out)
{
	out->count = message->payloads;
	for (unsigned i = 0; i < message->payloads; i++) {
		const struct isakmp_payload *p = &message->payload[i];

		out->item[i] = (struct payload){p->type, {isakmp_body(message, p), p->body_length}};
	}
}

struct payload *payloads_nth(struct payloads *list, uint8_t type, unsigned n)
{
	for (unsigned i = 0; i < list->count; i++)
		if (list->item[i].type == type && n-- == 0)
			return &list->item[i];
	return NULL;
}

struct payload *payloads_only(struct payloads *list, uint8_t type)
{
	return payloads_nth(list, type, 1) ? NULL : payloads_nth(list, type, 0);
}

void payloads_remove(struct payloads *list, unsigned index)
{
	list->count--;
	memmove(&list->item[index], &list->item[index + 1], (list->count - index) * sizeof *list->item);
}

size_t payloads_write(const struct payloads *list, uint8_t *out, size_t capacity)
{
	size_t at = 0;

	for (unsigned i = 0; i < list->count; i++) {
		const struct bytes *body = &list->item[i].body;
		const size_t length = ISAKMP_GENERIC_HEADER_LEN + body->length;

		if (length > UINT16_MAX || capacity - at < length)
			return 0;
		out[at] = i + 1 < list->count ? list->item[i + 1].type : 0;
		out[at + 1] = 0;
		out[at + 2] = (uint8_t)(length >> 8);
		out[at + 3] = (uint8_t)length;
		if (body->length)
			memcpy(out + at + ISAKMP_GENERIC_HEADER_LEN, body->data, body->length);
		at += length;
	}
	return at;
}

void payloads_write_header(const uint8_t *like, uint8_t first_payload, size_t message_length, uint8_t *out)
{
	memmove(out, like, LENGTH_AT);
	out[FIRST_PAYLOAD_AT] = first_payload;
	for (unsigned i = 0; i < 4; i++)
		out[LENGTH_AT + i] = (uint8_t)(message_length >> (24 - 8 * i));
}
