/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A text that grows up to a bound and says by "..." that it has met it. */
#ifndef NATSHIM_SHIM_EXPLAIN_WORDS_H
#define NATSHIM_SHIM_EXPLAIN_WORDS_H

#include <stddef.h>

#define WORDS_MAX 1536 /* bytes with the final zero */

struct words {
	char text[WORDS_MAX];
	size_t length;
};

void words_add(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of its own. */
void words_line(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
