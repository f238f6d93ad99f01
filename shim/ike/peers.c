/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Three bounded tables: proven peers by endpoint, what is spoken at an address where one was seen, and
 * addresses of ordinary clients. Anybody can forge the last, so they must not push out the others; and once one of them
 * had to make room, any address may be that of an ordinary client. */
#include "shim/ike/peers.h"

#include "shim/ike/lru.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

struct host {
	enum ike_dialect dialect; /* of the proven peers there */
	bool mixed; /* another dialect, or an ordinary client, was seen there too, or may have been */
};

struct peers {
	struct lru *endpoints; /* struct endpoint -> enum ike_dialect */
	struct lru *hosts;     /* struct endpoint without port -> struct host */
	struct lru *ordinary;  /* struct endpoint without port -> enum ike_dialect, as last offered */
	int64_t forgotten_ms;  /* when one of these had to make room last; INT64_MIN: never */
	int64_t ttl_ms;
};

static_assert(sizeof(struct endpoint) == 20, "endpoints are hashed as bytes");

struct peers *peers_new(size_t capacity, int64_t ttl_ms, uint64_t seed)
{
	struct peers *peers = calloc(1, sizeof *peers);

	if (!peers)
		return NULL;
	peers->ttl_ms = ttl_ms;
	peers->forgotten_ms = INT64_MIN;
	peers->endpoints = lru_new(capacity, sizeof(struct endpoint), sizeof(enum ike_dialect), ttl_ms, seed);
	peers->hosts = lru_new(capacity, sizeof(struct endpoint), sizeof(struct host), ttl_ms, seed);
	peers->ordinary = lru_new(capacity, sizeof(struct endpoint), sizeof(enum ike_dialect), ttl_ms, seed);
	if (!peers->endpoints || !peers->hosts || !peers->ordinary) {
		peers_free(peers);
		return NULL;
	}
	return peers;
}

void peers_free(struct peers *peers)
{
	if (!peers)
		return;
	lru_free(peers->endpoints);
	lru_free(peers->hosts);
	lru_free(peers->ordinary);
	free(peers);
}

static struct endpoint address_of(const struct endpoint *peer)
{
	struct endpoint address = *peer;

	address.port = 0;
	return address;
}

/* Whether an ordinary client may have been seen at this address. */
static bool maybe_ordinary(const struct peers *peers, int64_t now_ms, const struct endpoint *address)
{
	return lru_find(peers->ordinary, now_ms, address) ||
	       (peers->forgotten_ms != INT64_MIN && now_ms - peers->forgotten_ms < peers->ttl_ms);
}

void peers_remember(struct peers *peers, int64_t seen_ms, const struct endpoint *peer,
		    enum ike_dialect dialect)
{
	const struct endpoint address = address_of(peer);
	enum ike_dialect *known = lru_put(peers->endpoints, seen_ms, peer);
	struct host *host = lru_put(peers->hosts, seen_ms, &address);

	*known = dialect;
	if (host->dialect == IKE_DIALECT_NONE)
		*host = (struct host){dialect, maybe_ordinary(peers, seen_ms, &address)};
	else if (host->dialect != dialect)
		host->mixed = true;
}

bool peers_offer_ordinary(struct peers *peers, int64_t now_ms, const struct endpoint *peer,
			  enum ike_dialect dialect)
{
	const struct endpoint address = address_of(peer);
	const uint64_t evicted = lru_evicted(peers->ordinary);

	*(enum ike_dialect *)lru_put(peers->ordinary, now_ms, &address) = dialect;
	if (lru_evicted(peers->ordinary) != evicted)
		peers->forgotten_ms = now_ms;
	return lru_find(peers->hosts, now_ms, &address);
}

bool peers_prove_ordinary(struct peers *peers, int64_t now_ms, const struct endpoint *peer)
{
	const bool was_known = lru_remove(peers->endpoints, peer);

	return peers_doubt(peers, now_ms, peer) || was_known;
}

bool peers_prove_other(struct peers *peers, int64_t now_ms, const struct endpoint *peer,
		       enum ike_dialect dialect)
{
	const struct endpoint address = address_of(peer);
	const struct host *host = lru_find(peers->hosts, now_ms, &address);

	return host && host->dialect != dialect && peers_doubt(peers, now_ms, peer);
}

bool peers_doubt(struct peers *peers, int64_t now_ms, const struct endpoint *peer)
{
	const struct endpoint address = address_of(peer);
	struct host *host = lru_find(peers->hosts, now_ms, &address);

	if (!host || host->mixed)
		return false;
	host->mixed = true;
	return true;
}

void peers_expire(struct peers *peers, int64_t now_ms)
{
	lru_expire(peers->endpoints, now_ms);
	lru_expire(peers->hosts, now_ms);
	lru_expire(peers->ordinary, now_ms);
}

enum ike_dialect peers_proven(const struct peers *peers, int64_t now_ms, const struct endpoint *peer)
{
	const enum ike_dialect *known = lru_find(peers->endpoints, now_ms, peer);

	return known ? *known : IKE_DIALECT_NONE;
}

enum ike_dialect peers_dialect(const struct peers *peers, int64_t now_ms, const struct endpoint *peer)
{
	const struct endpoint address = address_of(peer);
	const enum ike_dialect proven = peers_proven(peers, now_ms, peer);
	const struct host *host;

	if (proven != IKE_DIALECT_NONE)
		return proven;
	host = lru_find(peers->hosts, now_ms, &address);
	return host && !host->mixed ? host->dialect : IKE_DIALECT_NONE;
}

enum ike_dialect peers_seen(const struct peers *peers, int64_t now_ms, const struct endpoint *peer)
{
	const struct endpoint address = address_of(peer);
	const enum ike_dialect proven = peers_dialect(peers, now_ms, peer);
	const enum ike_dialect *offered = lru_find(peers->ordinary, now_ms, &address);

	if (proven != IKE_DIALECT_NONE)
		return proven;
	return offered ? *offered : IKE_DIALECT_NONE;
}

static bool is_alone(const struct peers *peers, int64_t now_ms, const struct endpoint *peer)
{
	const struct endpoint address = address_of(peer);
	const struct host *host = lru_find(peers->hosts, now_ms, &address);

	return host && !host->mixed;
}

void peers_each(const struct peers *peers, int64_t now_ms, ike_peer_fn *fn, void *ctx)
{
	for (const enum ike_dialect *d = lru_oldest(peers->endpoints); d; d = lru_newer(d)) {
		const int64_t age_ms = now_ms - lru_seen_ms(d);
		const struct endpoint *peer = lru_key(peers->endpoints, d);

		if (age_ms < peers->ttl_ms)
			fn(ctx, peer, *d, age_ms > 0 ? (uint64_t)age_ms : 0, is_alone(peers, now_ms, peer));
	}
}

size_t peers_count(const struct peers *peers)
{
	return lru_count(peers->endpoints);
}

uint64_t peers_evicted(const struct peers *peers)
{
	return lru_evicted(peers->endpoints);
}
