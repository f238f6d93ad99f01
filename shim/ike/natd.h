/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAT-D hashes: HASH(CKY-I | CKY-R | address | port), RFC 3947 section 3.2, with the hash algorithm of
 * phase 1. Holds OpenSSL's digests, fetched once, and one context for all: a fetch for each hash would cost
 * more than the hash. */
#ifndef NATSHIM_SHIM_IKE_NATD_H
#define NATSHIM_SHIM_IKE_NATD_H

#include "nfq/endpoint.h"

#define NATD_HASH_MAX 64 /* bytes */

struct natd_hasher; /* owned by the caller; not thread-safe */

struct natd_hasher *natd_hasher_new(void); /* NULL: out of memory */
void natd_hasher_free(struct natd_hasher *hasher);

/* Of this address and port; address->port is not looked at. Returns the hash's length in bytes; 0 when the
 * algorithm (enum isakmp_hash) is unknown, or OpenSSL has not got it. cookies: both, as they stand in the
 * message. */
size_t natd_hash(struct natd_hasher *hasher, uint8_t algorithm, const uint8_t *cookies,
		 const struct endpoint *address, uint16_t port, uint8_t out[static NATD_HASH_MAX]);

#endif
