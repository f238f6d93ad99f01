/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes as two lower-case hexadecimal digits each. */
#ifndef NATSHIM_SHIM_HEX_H
#define NATSHIM_SHIM_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

/* Writes 2 * length characters and a zero; returns how many, without it. */
static inline size_t hex_write(const uint8_t *bytes, size_t length, char *out)
{
	for (size_t i = 0; i < length; i++) {
		out[2 * i] = hex_digits[bytes[i] >> 4];
		out[2 * i + 1] = hex_digits[bytes[i] & 15];
	}
	out[2 * length] = '\0';
	return 2 * length;
}

/* Reads 2 * length characters of text. False: one is no such digit. */
static inline bool hex_read(const char *text, uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < 2 * length; i++) {
		const char *digit = text[i] ? strchr(hex_digits, text[i]) : NULL;

		if (!digit)
			return false;
		bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | (digit - hex_digits));
	}
	return true;
}

#endif
