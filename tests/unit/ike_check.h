/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold of every translation, whatever came in: shared by the unit tests and the fuzz target. Walks
 * the original message by itself, with a walker of its own. */
#ifndef NATSHIM_TESTS_UNIT_IKE_CHECK_H
#define NATSHIM_TESTS_UNIT_IKE_CHECK_H

#include "shim/ike/exchange.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Marks the bytes that may change: "next payload" fields, and the bodies of vendor IDs and of NAT-D payloads
 * of the dialects that are translated. False where the chain is broken: then nothing may change. */
static inline bool ike_check_mark(const uint8_t *m, size_t length, bool *may_change)
{
	const uint32_t stated =
		length < 28 ? 0
			    : (uint32_t)m[24] << 24 | (uint32_t)m[25] << 16 | (uint32_t)m[26] << 8 | m[27];
	size_t at = 28;

	if (stated < 28 || stated > length || m[17] >> 4 != 1 || (m[18] != 2 && m[18] != 4) || m[19] & 1)
		return false;
	may_change[16] = true;
	for (uint8_t type = m[16]; type;) {
		size_t size;

		if (stated - at < 4)
			return false;
		size = (size_t)(m[at + 2] << 8 | m[at + 3]);
		if (size < 4 || size > stated - at)
			return false;
		may_change[at] = true;
		for (size_t i = at + 4; i < at + size; i++)
			may_change[i] = (type == 13 && size == 20) || type == 15 || type == 20 ||
					type == 130; /* as Windows XP has it */
		type = m[at];
		at += size;
	}
	return true;
}

/* The first byte that changed and must not have; length when all is well. */
static inline size_t ike_check_unchanged(const uint8_t *before, const uint8_t *after, size_t length)
{
	bool *may_change = calloc(length + 1, sizeof *may_change);
	const bool chain = ike_check_mark(before, length, may_change);
	size_t at = 0;

	while (at < length && (before[at] == after[at] || (chain && may_change[at])))
		at++;
	/* What came out must have a good chain as well. */
	if (at == length && chain && !ike_check_mark(after, length, may_change))
		at = 16;
	free(may_change);
	return at;
}

#endif
