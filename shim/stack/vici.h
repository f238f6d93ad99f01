/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The messages of strongSwan's VICI protocol (its README.md in libcharon/plugins/vici): packets and their elements, encoded
 * and decoded. A packet here is what stands behind the 4-byte length of the transport. Pure. */
#ifndef NATSHIM_SHIM_STACK_VICI_H
#define NATSHIM_SHIM_STACK_VICI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VICI_PACKET_MAX ((size_t)512 * 1024) /* bytes, the protocol's own bound */
#define VICI_DEPTH_MAX 16

enum vici_packet {
	VICI_REQUEST,
	VICI_RESPONSE,
	VICI_UNKNOWN_REQUEST,
	VICI_REGISTER,
	VICI_UNREGISTER,
	VICI_CONFIRM,
	VICI_UNKNOWN_EVENT,
	VICI_EVENT,
};

enum vici_element {
	VICI_END, /* of the message; not on the wire */
	VICI_SECTION_START,
	VICI_SECTION_END,
	VICI_KEY_VALUE,
	VICI_LIST_START,
	VICI_LIST_ITEM,
	VICI_LIST_END,
	VICI_BAD, /* malformed; not on the wire */
};

/* Bytes of the message, not terminated. */
struct vici_text {
	const uint8_t *bytes;
	size_t length;
};
bool vici_is(struct vici_text text, const char *word);
bool vici_number(struct vici_text text, unsigned base, uint64_t *out); /* all of it digits; at most 2^63 */
void vici_copy(struct vici_text text, char *out,
	       size_t size); /* cut to size - 1, zero-terminated, printable */

struct vici_reader {
	const uint8_t *at, *end;
	unsigned depth; /* open sections */
	bool in_list;
};

/* Type, and name where the type has one; what follows are elements. False: malformed. */
bool vici_open(struct vici_reader *reader, const uint8_t *packet, size_t length, enum vici_packet *type,
	       struct vici_text *name);
/* The next element with its name (sections, lists, pairs) and value (pairs, items). VICI_END only where all is closed. */
enum vici_element vici_next(struct vici_reader *reader, struct vici_text *name, struct vici_text *value);

/* Writing: elements that don't fit, or names and values that are too long, set overflow and write nothing more. */
struct vici_writer {
	uint8_t *bytes;
	size_t length, size;
	bool overflow;
};
void vici_begin(struct vici_writer *writer, uint8_t *bytes, size_t size, enum vici_packet type,
		const char *name);
void vici_pair(struct vici_writer *writer, const char *key, const char *value);

#endif
