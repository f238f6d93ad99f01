/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VICI elements, read through one bounds-checked cursor and written through one. */
#include "shim/stack/vici.h"

#include <string.h>

bool vici_is(struct vici_text text, const char *word)
{
	return text.length == strlen(word) && !memcmp(text.bytes, word, text.length);
}

bool vici_number(struct vici_text text, unsigned base, uint64_t *out)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t value = 0;

	if (text.length == 0)
		return false;
	for (size_t i = 0; i < text.length; i++) {
		const char *digit = memchr(digits, text.bytes[i], base);

		if (!digit || value > (uint64_t)INT64_MAX / base - 1)
			return false;
		value = value * base + (uint64_t)(digit - digits);
	}
	*out = value;
	return true;
}

void vici_copy(struct vici_text text, char *out, size_t size)
{
	const size_t length = text.length < size - 1 ? text.length : size - 1;

	for (size_t i = 0; i < length; i++)
		out[i] = (char)(text.bytes[i] >= ' ' && text.bytes[i] < 0x7f ? text.bytes[i] : '?');
	out[length] = '\0';
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool take(struct vici_reader *r, unsigned length_bytes, struct vici_text *out)
{
	size_t length = 0;

	for (; length_bytes; length_bytes--) {
		if (r->at == r->end)
			return false;
		length = length << 8 | *r->at++;
	}
	if ((size_t)(r->end - r->at) < length)
		return false;
	*out = (struct vici_text){.bytes = r->at, .length = length};
	r->at += length;
	return true;
}

static bool has_name(enum vici_packet type)
{
	return type == VICI_REQUEST || type == VICI_REGISTER || type == VICI_UNREGISTER || type == VICI_EVENT;
}

bool vici_open(struct vici_reader *r, const uint8_t *packet, size_t length, enum vici_packet *type,
	       struct vici_text *name)
{
	*r = (struct vici_reader){.at = packet, .end = packet + length};
	*name = (struct vici_text){.bytes = packet};
	if (length == 0 || *packet > VICI_EVENT)
		return false;
	*type = (enum vici_packet) * r->at++;
	return !has_name(*type) || take(r, 1, name);
}

static bool take_parts(struct vici_reader *r, enum vici_element type, struct vici_text *name,
		       struct vici_text *value)
{
	switch (type) {
	case VICI_SECTION_START:
		return !r->in_list && r->depth++ < VICI_DEPTH_MAX && take(r, 1, name);
	case VICI_SECTION_END:
		return !r->in_list && r->depth-- > 0;
	case VICI_KEY_VALUE:
		return !r->in_list && take(r, 1, name) && take(r, 2, value);
	case VICI_LIST_START:
		if (r->in_list)
			return false;
		r->in_list = true;
		return take(r, 1, name);
	case VICI_LIST_ITEM:
		return r->in_list && take(r, 2, value);
	case VICI_LIST_END:
		if (!r->in_list)
			return false;
		r->in_list = false;
		return true;
	default:
		return false;
	}
}

enum vici_element vici_next(struct vici_reader *r, struct vici_text *name, struct vici_text *value)
{
	*name = *value = (struct vici_text){.bytes = r->end};
	if (r->at == r->end)
		return r->depth || r->in_list ? VICI_BAD : VICI_END;
	const enum vici_element type = (enum vici_element) * r->at++;

	if (take_parts(r, type, name, value))
		return type;
	r->at = r->end;
	r->depth = 1; /* once bad, always bad */
	return VICI_BAD;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void put(struct vici_writer *w, const void *bytes, size_t length)
{
	if (w->overflow || w->size - w->length < length) {
		w->overflow = true;
		return;
	}
	memcpy(w->bytes + w->length, bytes, length);
	w->length += length;
}

static void put_text(struct vici_writer *w, unsigned length_bytes, const char *text)
{
	const size_t length = strlen(text);
	const uint8_t header[2] = {(uint8_t)(length >> 8), (uint8_t)length};

	if (length >> (8 * length_bytes)) {
		w->overflow = true;
		return;
	}
	put(w, header + 2 - length_bytes, length_bytes);
	put(w, text, length);
}

static void put_byte(struct vici_writer *w, unsigned value)
{
	const uint8_t byte = (uint8_t)value;

	put(w, &byte, 1);
}

void vici_begin(struct vici_writer *w, uint8_t *bytes, size_t size, enum vici_packet type, const char *name)
{
	*w = (struct vici_writer){.size = size};
	w->bytes = bytes;
	put_byte(w, type);
	if (has_name(type))
		put_text(w, 1, name);
}

void vici_pair(struct vici_writer *w, const char *key, const char *value)
{
	put_byte(w, VICI_KEY_VALUE);
	put_text(w, 1, key);
	put_text(w, 2, value);
}
