/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The datagrams that wait, and the pieces of each in one buffer with a bit for every eight bytes of it. */
#include "shim/explain/fragments.h"

#include "shim/ike/cursor.h"

#include <stdlib.h>
#include <string.h>

enum {
	IPV4_HEADER = 20, /* bytes */
	IPV6_HEADER = 40,
	IPV6_FRAGMENT = 44, /* next header */
	FRAGMENT_HEADER = 8,
	HEADER_MAX = 60,
	PAYLOAD_MAX = 65535,
	UNIT = 8,
	UNITS = (PAYLOAD_MAX + UNIT) / UNIT,
	KEY_MAX = 2 * 16 + 4 + 1 + 1, /* addresses, ID, protocol, version */
	MORE_FRAGMENTS = 0x2000,
	OFFSET_MASK = 0x1fff,
	BITS = 8,
};

/* One fragment taken apart. */
struct piece {
	uint8_t key[KEY_MAX];
	const uint8_t *header, *data;
	size_t header_length, length;
	size_t offset; /* bytes */
	uint8_t next;  /* IPv6: what follows the fragment header */
	bool more, ipv6;
};

struct datagram {
	uint8_t key[KEY_MAX];
	uint64_t turn; /* when it was used last; 0: free */
	uint8_t header[HEADER_MAX];
	size_t header_length; /* 0: the first fragment is not there yet */
	uint8_t next;
	bool ipv6;
	size_t end;      /* of the payload; 0: the last one is not there yet */
	size_t have;     /* bytes */
	size_t farthest; /* end of any piece */
	uint8_t there[(UNITS + BITS - 1) / BITS];
	uint8_t data[PAYLOAD_MAX];
};

struct fragments {
	struct datagram *datagram[FRAGMENTS_DATAGRAMS_MAX]; /* made when needed */
	uint64_t turn;
	uint8_t *whole;
	struct fragments_stats stats;
};

struct fragments *fragments_new(void)
{
	return calloc(1, sizeof(struct fragments));
}

void fragments_free(struct fragments *fragments)
{
	if (!fragments)
		return;
	for (unsigned i = 0; i < FRAGMENTS_DATAGRAMS_MAX; i++)
		free(fragments->datagram[i]);
	free(fragments->whole);
	free(fragments);
}

struct fragments_stats fragments_stats(const struct fragments *fragments)
{
	struct fragments_stats stats = fragments->stats;

	for (unsigned i = 0; i < FRAGMENTS_DATAGRAMS_MAX; i++)
		stats.waiting += fragments->datagram[i] && fragments->datagram[i]->turn;
	return stats;
}

static enum fragment_status read_ipv4(const uint8_t *ip, size_t length, struct piece *out)
{
	struct cursor c = {.data = ip, .end = length};
	const size_t header = (size_t)(take8(&c) & 15) * 4;

	take8(&c);
	const uint16_t total = take16(&c), id = take16(&c), place = take16(&c);

	take8(&c);
	const uint8_t protocol = take8(&c);

	take16(&c);
	const struct cursor addresses = take(&c, 8);

	if (c.failed || header < IPV4_HEADER || total < header || total > length)
		return FRAGMENT_NONE;
	if (!(place & (MORE_FRAGMENTS | OFFSET_MASK)))
		return FRAGMENT_NONE;
	out->key[0] = 4;
	out->key[1] = protocol;
	out->key[2] = (uint8_t)(id >> BITS);
	out->key[3] = (uint8_t)id;
	memcpy(out->key + 4, ip + addresses.at, 8);
	out->header = ip;
	out->header_length = header;
	out->data = ip + header;
	out->length = total - header;
	out->offset = (size_t)(place & OFFSET_MASK) * UNIT;
	out->more = place & MORE_FRAGMENTS;
	return FRAGMENT_WAITS;
}

/* The fragment header right behind the fixed one: others before it are rare, and such a packet is told as a fragment. */
static enum fragment_status read_ipv6(const uint8_t *ip, size_t length, struct piece *out)
{
	struct cursor c = {.data = ip, .end = length};

	take32(&c);
	const size_t total = IPV6_HEADER + (size_t)take16(&c);
	const uint8_t next = take8(&c);

	take8(&c);
	const struct cursor addresses = take(&c, 32);

	if (c.failed || next != IPV6_FRAGMENT || total > length)
		return FRAGMENT_NONE;
	out->next = take8(&c);
	take8(&c);
	const uint16_t place = take16(&c);
	const struct cursor id = take(&c, 4);

	if (c.failed || total < IPV6_HEADER + FRAGMENT_HEADER)
		return FRAGMENT_BAD;
	out->ipv6 = true;
	out->key[0] = 6;
	out->key[1] = out->next;
	memcpy(out->key + 2, ip + id.at, 4);
	memcpy(out->key + 6, ip + addresses.at, 32);
	out->header = ip;
	out->header_length = IPV6_HEADER;
	out->data = ip + IPV6_HEADER + FRAGMENT_HEADER;
	out->length = total - IPV6_HEADER - FRAGMENT_HEADER;
	out->offset = place & ~7U;
	out->more = place & 1;
	return FRAGMENT_WAITS;
}

/* For that piece's datagram; NULL: out of memory. */
static struct datagram *renewed(struct datagram **place, const struct piece *piece)
{
	struct datagram *d = *place ? *place : malloc(sizeof *d);

	*place = d;
	if (!d)
		return NULL;
	memset(d, 0, offsetof(struct datagram, data));
	memcpy(d->key, piece->key, sizeof piece->key);
	return d;
}

static struct datagram *find(struct fragments *fragments, const struct piece *piece)
{
	struct datagram **oldest = &fragments->datagram[0];

	for (unsigned i = 0; i < FRAGMENTS_DATAGRAMS_MAX; i++) {
		struct datagram **at = &fragments->datagram[i];

		if (*at && (*at)->turn && !memcmp((*at)->key, piece->key, sizeof piece->key))
			return *at;
		if (*oldest && (!*at || (*at)->turn < (*oldest)->turn))
			oldest = at;
	}
	if (*oldest && (*oldest)->turn)
		fragments->stats.lost++;
	return renewed(oldest, piece);
}

static bool is_there(const struct datagram *d, size_t unit)
{
	return d->there[unit / BITS] >> unit % BITS & 1;
}

/* False: it contradicts what is there. What comes twice is taken once. */
static bool put(struct datagram *d, const struct piece *piece)
{
	const size_t end = piece->offset + piece->length;

	if (end > PAYLOAD_MAX || (piece->more && piece->length % UNIT) || !piece->length)
		return false;
	if (d->end && (end > d->end || (!piece->more && end != d->end)))
		return false;
	if (!piece->more && d->farthest > end)
		return false;
	if (!piece->more)
		d->end = end;
	d->farthest = end > d->farthest ? end : d->farthest;
	if (piece->offset == 0) {
		memcpy(d->header, piece->header, piece->header_length);
		d->header_length = piece->header_length;
		d->next = piece->next;
		d->ipv6 = piece->ipv6;
	}
	for (size_t at = piece->offset; at < end; at += UNIT) {
		const size_t length = end - at < UNIT ? end - at : UNIT;

		if (is_there(d, at / UNIT))
			continue;
		d->there[at / UNIT / BITS] |= (uint8_t)(1U << at / UNIT % BITS);
		memcpy(d->data + at, piece->data + (at - piece->offset), length);
		d->have += length;
	}
	return true;
}

static void put_be16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> BITS);
	at[1] = (uint8_t)value;
}

static bool join(struct fragments *fragments, const struct datagram *d, const uint8_t **whole, size_t *length)
{
	uint8_t *packet = malloc(d->header_length + d->end);

	if (!packet || (!d->ipv6 && d->header_length + d->end > PAYLOAD_MAX)) {
		free(packet);
		return false;
	}
	free(fragments->whole);
	fragments->whole = packet;
	memcpy(packet, d->header, d->header_length);
	memcpy(packet + d->header_length, d->data, d->end);
	if (d->ipv6) {
		put_be16(packet + 4, d->end);
		packet[6] = d->next;
	} else {
		put_be16(packet + 2, d->header_length + d->end);
		put_be16(packet + 6, 0);
	}
	*whole = packet;
	*length = d->header_length + d->end;
	return true;
}

enum fragment_status fragments_add(struct fragments *fragments, const uint8_t *ip, size_t length,
				   const uint8_t **whole, size_t *whole_length)
{
	struct piece piece = {.length = 0};
	enum fragment_status status = FRAGMENT_NONE;
	struct datagram *d;

	if (length && ip[0] >> 4 == 4)
		status = read_ipv4(ip, length, &piece);
	else if (length && ip[0] >> 4 == 6)
		status = read_ipv6(ip, length, &piece);
	if (status != FRAGMENT_WAITS)
		return status;
	fragments->stats.seen++;
	d = find(fragments, &piece);
	if (!d || !put(d, &piece)) {
		fragments->stats.lost++;
		if (d)
			d->turn = 0;
		return FRAGMENT_BAD;
	}
	d->turn = ++fragments->turn;
	if (!d->end || !d->header_length || d->have < d->end)
		return FRAGMENT_WAITS;
	d->turn = 0;
	if (!join(fragments, d, whole, whole_length))
		return FRAGMENT_BAD;
	fragments->stats.joined++;
	return FRAGMENT_WHOLE;
}
