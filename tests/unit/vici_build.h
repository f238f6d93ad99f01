/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sections and lists as charon sends them (strongSwan's src/libcharon/plugins/vici/README.md, "Encoding"): behind what
 * vici_begin() and vici_pair() have written. */
#ifndef NATSHIM_TESTS_VICI_BUILD_H
#define NATSHIM_TESTS_VICI_BUILD_H

#include "shim/stack/vici.h"

#include <string.h>

/* The element's type, then its text behind a length of length_bytes; NULL: none. */
static inline void vici_put_element(struct vici_writer *w, enum vici_element type, unsigned length_bytes,
				    const char *text)
{
	const size_t length = text ? strlen(text) : 0;
	const uint8_t head[] = {(uint8_t)type, (uint8_t)(length_bytes == 2 ? length >> 8 : length),
				(uint8_t)length};

	if (w->overflow || length >> (8 * length_bytes) || w->size - w->length < 1 + length_bytes + length) {
		w->overflow = true;
		return;
	}
	memcpy(w->bytes + w->length, head, 1 + length_bytes);
	if (length)
		memcpy(w->bytes + w->length + 1 + length_bytes, text, length);
	w->length += 1 + length_bytes + length;
}

static inline void vici_section(struct vici_writer *w, const char *name)
{
	vici_put_element(w, VICI_SECTION_START, 1, name);
}

static inline void vici_section_end(struct vici_writer *w)
{
	vici_put_element(w, VICI_SECTION_END, 0, NULL);
}

static inline void vici_list(struct vici_writer *w, const char *name)
{
	vici_put_element(w, VICI_LIST_START, 1, name);
}

static inline void vici_item(struct vici_writer *w, const char *value)
{
	vici_put_element(w, VICI_LIST_ITEM, 2, value);
}

static inline void vici_list_end(struct vici_writer *w)
{
	vici_put_element(w, VICI_LIST_END, 0, NULL);
}

#endif
