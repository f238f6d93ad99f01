/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for one run of a command: taken in small pieces, given back at once. When there is none left the
 * process ends with a message, so this is for one-shot commands, never for the daemon. */
#ifndef NATSHIM_RULES_KLIPS_ARENA_H
#define NATSHIM_RULES_KLIPS_ARENA_H

#include <stddef.h>

struct arena {
	struct arena_block *blocks;
};

void *arena_alloc(struct arena *arena, size_t size); /* zeroed */
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A list of count elements of that size with room for one more; grown by doubling. list may be NULL with
 * count 0. */
void *arena_grow(struct arena *arena, void *list, size_t count, size_t size);
void arena_free(struct arena *arena);

#endif
