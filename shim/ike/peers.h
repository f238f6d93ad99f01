/* Peers whose dialect has been proven, for the exchanges that the server starts by itself (rekey).
 *
 * Found by address and port; or by the address alone, but only while nobody else was seen there who speaks
 * otherwise: then nothing is known. Bounded, with the least recently seen going first. Pure; times in ms. */
#ifndef NATSHIM_SHIM_IKE_PEERS_H
#define NATSHIM_SHIM_IKE_PEERS_H

#include "shim/ike/exchange.h"

struct peers; /* owned by the caller */

struct peers *peers_new(size_t capacity, int64_t ttl_ms, uint64_t seed); /* NULL: out of memory */
void peers_free(struct peers *peers);

/* seen_ms may lie in the past (a peer put back from a file). */
void peers_remember(struct peers *peers, int64_t seen_ms, const struct endpoint *peer,
		    enum ike_dialect dialect);
/* A client that needs no translation is at this endpoint now. True: it was known as one that does. */
bool peers_note_ordinary(struct peers *peers, int64_t now_ms, const struct endpoint *peer,
			 enum ike_dialect dialect);
void peers_expire(struct peers *peers, int64_t now_ms);

enum ike_dialect peers_dialect(const struct peers *peers, int64_t now_ms, const struct endpoint *peer);
/* What the peer speaks: proven, or else what was last offered from its address. */
enum ike_dialect peers_seen(const struct peers *peers, int64_t now_ms, const struct endpoint *peer);
void peers_each(const struct peers *peers, int64_t now_ms, ike_peer_fn *fn, void *ctx);
size_t peers_count(const struct peers *peers);
uint64_t peers_evicted(const struct peers *peers);

#endif
