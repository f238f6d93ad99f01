/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VICI messages. Every name and value must lie within the message, sections and lists must balance, and what was read can be
 * written again, byte for byte. */
#include "shim/stack/vici.h"
#include "tests/unit/vici_build.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool inside(struct vici_text text, const uint8_t *data, size_t size)
{
	return text.bytes >= data && text.bytes + text.length <= data + size;
}

/* A C string of it; false: it has a zero in it, and can't be written. */
static bool as_string(struct vici_text text, char *out)
{
	memcpy(out, text.bytes, text.length);
	out[text.length] = '\0';
	return strlen(out) == text.length;
}

static void write_again(struct vici_writer *w, enum vici_element element, const char *name, const char *value)
{
	switch (element) {
	case VICI_SECTION_START:
		vici_section(w, name);
		break;
	case VICI_SECTION_END:
		vici_section_end(w);
		break;
	case VICI_KEY_VALUE:
		vici_pair(w, name, value);
		break;
	case VICI_LIST_START:
		vici_list(w, name);
		break;
	case VICI_LIST_ITEM:
		vici_item(w, value);
		break;
	case VICI_LIST_END:
		vici_list_end(w);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name_text[256], value_text[65536];
	static uint8_t copy[VICI_PACKET_MAX];
	struct vici_reader reader;
	struct vici_writer writer;
	struct vici_text name, value;
	enum vici_packet type;
	enum vici_element element;
	uint64_t number;
	char text[32];
	bool writable;

	if (size > sizeof copy || !vici_open(&reader, data, size, &type, &name))
		return 0;
	require(inside(name, data, size));
	writable = as_string(name, name_text);
	vici_begin(&writer, copy, sizeof copy, type, name_text);
	while ((element = vici_next(&reader, &name, &value)) != VICI_END && element != VICI_BAD) {
		require(inside(name, data, size) && inside(value, data, size));
		require(reader.depth <= VICI_DEPTH_MAX + 1);
		vici_number(value, 10, &number);
		vici_number(value, 16, &number);
		vici_copy(value, text, sizeof text);
		writable = as_string(name, name_text) && as_string(value, value_text) && writable;
		if (writable)
			write_again(&writer, element, name_text, value_text);
	}
	require(vici_next(&reader, &name, &value) == element); /* the end stays the end */
	if (element == VICI_END && writable)
		require(!writer.overflow && writer.length == size && !memcmp(copy, data, size));
	return 0;
}
