/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one way in which shim/ike reads wire formats: a cursor that cannot leave its bounds. Once it would have, it reads
 * zeros and says so in failed, which the caller looks at before it believes anything. Pure. */
#ifndef NATSHIM_SHIM_IKE_CURSOR_H
#define NATSHIM_SHIM_IKE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ISAKMP_GENERIC_HEADER_LEN 4 /* bytes: next payload, reserved, length (RFC 2408 section 3.2) */

struct cursor {
	const uint8_t *data;
	size_t at, end;
	bool failed;
};

static inline bool has(struct cursor *c, size_t bytes)
{
	if (c->end - c->at < bytes)
		c->failed = true;
	return !c->failed;
}

static inline uint8_t take8(struct cursor *c)
{
	return has(c, 1) ? c->data[c->at++] : 0;
}

static inline uint16_t take16(struct cursor *c)
{
	if (!has(c, 2))
		return 0;
	c->at += 2;
	return (uint16_t)(c->data[c->at - 2] << 8 | c->data[c->at - 1]);
}

static inline uint32_t take32(struct cursor *c)
{
	const uint32_t high = take16(c);

	return high << 16 | take16(c);
}

/* The next bytes as a cursor of their own. */
static inline struct cursor take(struct cursor *c, size_t bytes)
{
	struct cursor part = {.data = c->data, .at = c->at, .end = c->at};

	if (!has(c, bytes)) {
		part.failed = true;
		return part;
	}
	c->at += bytes;
	part.end = c->at;
	return part;
}

/* A payload, proposal or transform after its generic header (next payload, reserved, length). */
static inline struct cursor take_payload(struct cursor *c, uint8_t *next)
{
	*next = take8(c);
	take8(c);
	const uint16_t length = take16(c);

	if (length < ISAKMP_GENERIC_HEADER_LEN)
		c->failed = true;
	return take(c, c->failed ? 0 : length - ISAKMP_GENERIC_HEADER_LEN);
}

/* The value of one attribute (RFC 2408 section 3.3): in the type/value form, or in the long one as far as it fits into
 * 32 bits; UINT32_MAX where it does not. */
static inline uint32_t take_attribute(struct cursor *c, uint16_t *type)
{
	const uint16_t format = take16(c);
	const uint16_t value_or_length = take16(c);
	uint32_t value = value_or_length;

	*type = format & 0x7fff;
	if (format & 0x8000)
		return value;
	struct cursor v = take(c, value_or_length);

	if (v.end - v.at > sizeof value)
		return UINT32_MAX;
	for (value = 0; v.at < v.end;)
		value = value << 8 | take8(&v);
	return value;
}

#endif
