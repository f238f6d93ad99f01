/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Peers whose dialect has been proven, for the exchanges that the server starts by itself (rekey).
 *
 * Found by address and port; or by the address alone, but only while nobody else was seen there who speaks
 * otherwise, and nobody may have been forgotten who was: then nothing is known. What is proven is unlearned by
 * proof only, for anybody can forge a first message. Bounded, with the least recently seen going first. Pure; times
 * in ms. */
#ifndef NATSHIM_SHIM_IKE_PEERS_H
#define NATSHIM_SHIM_IKE_PEERS_H

#include "shim/ike/exchange.h"

struct peers; /* owned by the caller */

struct peers *peers_new(size_t capacity, int64_t ttl_ms, uint64_t seed); /* NULL: out of memory */
void peers_free(struct peers *peers);

/* seen_ms may lie in the past (a peer put back from a file). */
void peers_remember(struct peers *peers, int64_t seen_ms, const struct endpoint *peer,
		    enum ike_dialect dialect);
/* A first message that needs no translation came from this endpoint, or was forged. True: an old client is proven
 * at that address, so that it matters whether a client is there, and peers_prove_ordinary() or peers_doubt() is to
 * follow if that turns out, or can't be found out any more. */
bool peers_offer_ordinary(struct peers *peers, int64_t now_ms, const struct endpoint *peer,
			  enum ike_dialect dialect);
/* A client that needs no translation is at this endpoint, and can receive there. True: less is known than before. */
bool peers_prove_ordinary(struct peers *peers, int64_t now_ms, const struct endpoint *peer);
/* A client of that dialect is at this endpoint, and can receive there; its order of NAT-D is not proven. True: less is known than before. */
bool peers_prove_other(struct peers *peers, int64_t now_ms, const struct endpoint *peer,
		       enum ike_dialect dialect);
/* One may be at this address: nothing is known by the address alone any more. True: it was. */
bool peers_doubt(struct peers *peers, int64_t now_ms, const struct endpoint *peer);
void peers_expire(struct peers *peers, int64_t now_ms);

enum ike_dialect peers_dialect(const struct peers *peers, int64_t now_ms, const struct endpoint *peer);
/* Likewise, by address and port only. */
enum ike_dialect peers_proven(const struct peers *peers, int64_t now_ms, const struct endpoint *peer);
/* What the peer speaks: proven, or else what was last offered from its address. */
enum ike_dialect peers_seen(const struct peers *peers, int64_t now_ms, const struct endpoint *peer);
void peers_each(const struct peers *peers, int64_t now_ms, ike_peer_fn *fn, void *ctx);
size_t peers_count(const struct peers *peers);
uint64_t peers_evicted(const struct peers *peers);

#endif
