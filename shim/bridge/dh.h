/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Diffie-Hellman in the MODP groups 1, 2, 5 and 14 (RFC 2409 section 6, RFC 3526), generator 2.
 *
 * Holds each group's prime in the form that makes exponentiation fast. Secrets are the caller's: random bytes in, and
 * his to wipe. Exponentiation takes the same time whatever the secret. Pure but for OpenSSL's arithmetic. */
#ifndef NATSHIM_SHIM_BRIDGE_DH_H
#define NATSHIM_SHIM_BRIDGE_DH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DH_SECRET_LEN                                                                                        \
	32 /* bytes: 256 bits, twice the strength of the strongest group here (RFC 3526 section 8) */
#define DH_LENGTH_MAX 256 /* bytes of the longest prime */

/* The number that stands for all groups: a bit for each. */
#define DH_GROUP_BIT(group) (1U << (group))
#define DH_GROUPS_KNOWN (DH_GROUP_BIT(1) | DH_GROUP_BIT(2) | DH_GROUP_BIT(5) | DH_GROUP_BIT(14))

struct dh; /* owned by the caller; not thread-safe */

struct dh *dh_new(void); /* NULL: out of memory */
void dh_free(struct dh *dh);

/* Bytes of the group's prime, and of every public value and shared secret in it; 0: not known here. */
size_t dh_length(unsigned group);

/* Both write dh_length(group) bytes, leading zeros included. The peer's value may be shorter than the prime (leading
 * zeros taken off); false when it is longer, or not 1 < y < p - 1. */
bool dh_public(struct dh *dh, unsigned group, const uint8_t secret[static DH_SECRET_LEN], uint8_t *out);
bool dh_shared(struct dh *dh, unsigned group, const uint8_t secret[static DH_SECRET_LEN], const uint8_t *peer,
	       size_t peer_length, uint8_t *out);
/* The range alone: cheap. */
bool dh_in_range(const struct dh *dh, unsigned group, const uint8_t *peer, size_t peer_length);

#endif
