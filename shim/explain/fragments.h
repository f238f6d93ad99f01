/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP fragments put together again (RFC 791 section 3.2, RFC 8200 section 4.5). Bounded: the oldest datagram goes first. Pure. */
#ifndef NATSHIM_SHIM_EXPLAIN_FRAGMENTS_H
#define NATSHIM_SHIM_EXPLAIN_FRAGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAGMENTS_DATAGRAMS_MAX 32 /* that wait for more */

struct fragments; /* owned by the caller */

struct fragments *fragments_new(void); /* NULL: out of memory */
void fragments_free(struct fragments *fragments);

enum fragment_status { FRAGMENT_NONE, FRAGMENT_WAITS, FRAGMENT_WHOLE, FRAGMENT_BAD };

/* An IP packet. FRAGMENT_NONE: it is none. FRAGMENT_WHOLE: it was the last one; *whole and *whole_length are the datagram as one
 * packet (its checksum is not made anew), valid until the next call. */
enum fragment_status fragments_add(struct fragments *fragments, const uint8_t *ip, size_t length,
				   const uint8_t **whole, size_t *whole_length);

struct fragments_stats {
	uint64_t seen, joined; /* fragments; datagrams */
	size_t waiting;        /* datagrams */
	uint64_t lost;         /* that had to make room, or were damaged */
};
struct fragments_stats fragments_stats(const struct fragments *fragments);

#endif
