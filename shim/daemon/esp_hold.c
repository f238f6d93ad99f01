/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packets are held, where they wait, and when they are released. */
#include "shim/daemon/esp_hold.h"

#include "nfq/packet.h"
#include "shim/clock.h"
#include "shim/log.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum {
	HELD_MAX = 1024,   /* packets, of all clients: a quarter of what the queue takes */
	PACKET_MAX = 2048, /* bytes; longer ones are not held */
	TICK_US = 20000,
	LIFE_MS = 10000, /* until an SPI is forgotten for which no SA is installed */
	WAIT_MS = 2000,  /* the longest that a packet waits */
	LINGER_MS =
		1000, /* how long packets may still arrive that were encrypted before the keys were exchanged */
	SET_S = 15,   /* time-out of the kernel's element, should natshim die */
};

struct held_packet {
	struct held_packet *next;
	uint32_t id;
	size_t length;
	uint8_t data[PACKET_MAX]; /* the IP packet */
};

struct esp_hold {
	struct rules_nft *nft;
	struct pending_sas *pending; /* the caller's */
	esp_hold_random_fn *random;
	void *ctx;
	struct log *log;
	struct nfq_queue *queue; /* whose packets may be held; NULL: not started */
	struct event *tick;
	bool ticking, paused;
	size_t in_use; /* SAs whose packets are queued */
	struct esp_hold_stats stats;
	/* Places for packets: a list of those that are free again; from places[fresh] on they were never used. */
	struct held_packet *free;
	size_t fresh, occupied;
	struct held_packet places[HELD_MAX];
};

static struct pending_sa *next(struct esp_hold *h, struct pending_sa *last)
{
	do
		last = pending_sas_next(h->pending, last);
	while (last && !last->hold.ends_ms);
	return last;
}

static struct pending_sa *find(struct esp_hold *h, const struct endpoint *destination, const uint8_t *spi)
{
	if (!h->in_use)
		return NULL;
	for (struct pending_sa *sa = NULL; (sa = next(h, sa));)
		if (pending_sa_is(sa, destination, spi))
			return sa;
	return NULL;
}

static struct pending_sa *find_elsewhere(struct esp_hold *h, const uint8_t *spi)
{
	for (struct pending_sa *sa = NULL; (sa = next(h, sa));)
		if (!memcmp(sa->spi, spi, sizeof sa->spi))
			return sa;
	return NULL;
}

/* Encrypts with the client's keys what was encrypted with the server's. Whether the packet has changed. */
static bool reseal(struct esp_hold *h, const struct pending_sa *sa, uint8_t *data, size_t length)
{
	struct packet_esp packet;
	uint8_t iv[ESP_BLOCK_MAX];

	if (!sa->hold.rekeyed || !packet_parse_esp(data, length, &packet) ||
	    !h->random(h->ctx, iv, sizeof iv))
		return false;
	const struct packet_sum sum = packet.in_udp ? packet_sum_before(&packet.udp) : (struct packet_sum){0};

	if (esp_reseal(&sa->hold.before, &sa->hold.after, iv, packet.esp, packet.length) != ESP_RESEALED)
		return false;
	if (packet.in_udp)
		packet_sum_after(&packet.udp, sum);
	h->stats.resealed++;
	return true;
}

static unsigned long spi_of(const struct pending_sa *sa)
{
	return (unsigned long)sa->spi[0] << 24 | (unsigned long)sa->spi[1] << 16 |
	       (unsigned long)sa->spi[2] << 8 | sa->spi[3];
}

/* The first one of an SA; those after it wait for the same. */
static void log_held(const struct esp_hold *h, const struct pending_sa *sa)
{
	if (h->log)
		log_event(h->log, LOG_PACKET_HELD, &sa->client, "ESP packet held, SPI 0x%08lx: %s",
			  spi_of(sa),
			  sa->hold.rekeyed ? "the client does not have this SA yet"
					   : "this SA does not have the client's keys yet");
}

static void log_released(const struct esp_hold *h, const struct pending_sa *sa, size_t count)
{
	if (h->log && count)
		log_event(h->log, LOG_PACKET_HELD, &sa->client, "%zu held ESP packets go on, SPI 0x%08lx: %s",
			  count, spi_of(sa),
			  !sa->hold.rekeyed   ? "as they were, no keys were exchanged"
			  : sa->hold.ready_ms ? "with the client's keys"
					      : "with the client's keys, after the longest wait");
}

static void release(struct esp_hold *h, struct pending_sa *sa)
{
	sa->hold.released = true;
	sa->hold.release_ms = 0;
	while (sa->hold.first) {
		struct held_packet *p = sa->hold.first;
		const bool changed = reseal(h, sa, p->data, p->length);

		nfq_queue_release(h->queue, p->id, changed ? NFQ_CHANGED : NFQ_AS_IT_WAS, p->data, p->length);
		sa->hold.first = p->next;
		p->next = h->free;
		h->free = p;
	}
	h->occupied -= sa->hold.packets;
	log_released(h, sa, sa->hold.packets);
	sa->hold.packets = 0;
	sa->hold.last = NULL;
}

static void forget(struct esp_hold *h, struct pending_sa *sa)
{
	release(h, sa);
	rules_nft_set_delete(h->nft, RULES_SET_HELD, sa->spi, sizeof sa->spi);
	OPENSSL_cleanse(&sa->hold, sizeof sa->hold);
	h->in_use--;
	pending_sas_tidy(h->pending, sa);
}

/* The table needs the place for another SA. */
static void on_drop(void *ctx, struct pending_sa *sa)
{
	if (sa->hold.ends_ms)
		forget(ctx, sa);
}

static void look(struct esp_hold *h, struct pending_sa *sa, uint64_t now)
{
	const bool ready = sa->hold.rekeyed && sa->hold.ready_ms && now >= sa->hold.ready_ms;

	if (!sa->hold.released && (ready || (sa->hold.release_ms && now >= sa->hold.release_ms))) {
		release(h, sa);
		if (ready)
			sa->hold.ends_ms = now + LINGER_MS;
	}
	if (now >= sa->hold.ends_ms)
		forget(h, sa);
}

static void tick_while_needed(struct esp_hold *h)
{
	static const struct timeval period = {.tv_usec = TICK_US};

	if (h->ticking == (h->in_use > 0))
		return;
	h->ticking = h->in_use > 0;
	if (h->ticking)
		event_add(h->tick, &period);
	else
		event_del(h->tick);
}

static void look_at_all(struct esp_hold *h, uint64_t now)
{
	for (struct pending_sa *sa = NULL; (sa = next(h, sa));)
		look(h, sa, now);
	tick_while_needed(h);
	if (h->queue)
		nfq_queue_send(h->queue);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	look_at_all(ctx, clock_now_ms());
}

struct esp_hold *esp_hold_new(struct rules_nft *nft, struct pending_sas *pending, esp_hold_random_fn *random,
			      void *ctx)
{
	struct esp_hold *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->nft = nft;
	h->pending = pending;
	pending_sas_on_drop(pending, on_drop, h);
	h->random = random;
	h->ctx = ctx;
	return h;
}

void esp_hold_log(struct esp_hold *h, struct log *log)
{
	h->log = log;
}

void esp_hold_free(struct esp_hold *h)
{
	if (!h)
		return;
	if (h->tick)
		event_free(h->tick);
	pending_sas_on_drop(h->pending, NULL, NULL);
	free(h);
}

int esp_hold_start(struct esp_hold *h, struct nfq_queue *queue, struct event_base *loop)
{
	h->tick = event_new(loop, -1, EV_PERSIST, on_tick, h);
	if (!h->tick)
		return -ENOMEM;
	h->queue = queue;
	return 0;
}

static void put_into_set(struct esp_hold *h, const struct pending_sa *sa)
{
	rules_nft_set_add(h->nft, RULES_SET_HELD, sa->spi, sizeof sa->spi, SET_S);
}

void esp_hold_expect(struct esp_hold *h, const struct endpoint *client, const struct endpoint *destination,
		     const uint8_t spi[static 4])
{
	struct pending_sa *sa;

	if (!h->queue || find(h, destination, spi))
		return;
	sa = pending_sas_add(h->pending, client, destination, spi);
	sa->hold.ends_ms = clock_now_ms() + LIFE_MS;
	h->in_use++;
	put_into_set(h, sa);
	tick_while_needed(h);
}

void esp_hold_fill_set(struct esp_hold *h)
{
	for (struct pending_sa *sa = NULL; (sa = next(h, sa));)
		put_into_set(h, sa);
}

void esp_hold_rekeyed(struct esp_hold *h, const struct endpoint *destination, const uint8_t spi[static 4],
		      const struct esp_sa *before, const struct esp_sa *after)
{
	struct pending_sa *sa = find(h, destination, spi);

	if (!sa || sa->hold.rekeyed)
		return;
	sa->hold.before = *before;
	sa->hold.after = *after;
	sa->hold.rekeyed = true;
	look_at_all(h, clock_now_ms());
}

/* Releases its packets, and queues no more of them. */
static void give_up(struct esp_hold *h, struct pending_sa *sa)
{
	forget(h, sa);
	tick_while_needed(h);
	if (h->queue)
		nfq_queue_send(h->queue);
}

void esp_hold_refused(struct esp_hold *h, const struct endpoint *destination, const uint8_t spi[static 4])
{
	struct pending_sa *sa = find(h, destination, spi);

	if (sa)
		give_up(h, sa);
}

/* The kernel's set holds SPIs without destinations. If this host has another SA with the same SPI, to another destination, the packets
 * of that SA must not be queued because of a client, which may have chosen the SPI on purpose. Only a packet that this host sends is
 * proof of such an SA: others may be forged. */
static void make_way(struct esp_hold *h, const struct nfq_packet *packet, const uint8_t *spi)
{
	struct pending_sa *sa = packet->hook == NFQ_POSTROUTING ? find_elsewhere(h, spi) : NULL;

	if (sa)
		give_up(h, sa);
}

void esp_hold_ready(struct esp_hold *h, const struct endpoint *destination, const uint8_t spi[static 4],
		    unsigned after_ms)
{
	struct pending_sa *sa = find(h, destination, spi);

	if (!sa || sa->hold.ready_ms)
		return;
	sa->hold.ready_ms = clock_now_ms() + after_ms;
	look_at_all(h, clock_now_ms());
}

/* A client may hold as many packets as places stay free. A single client gets half of all places, and however many clients take all
 * they can, the next one still finds some. */
static bool has_room(struct esp_hold *h, const struct pending_sa *sa)
{
	return pending_sas_packets_of(h->pending, &sa->client) < HELD_MAX - h->occupied;
}

static struct held_packet *take_place(struct esp_hold *h)
{
	struct held_packet *p = h->free;

	if (p)
		h->free = p->next;
	else
		p = &h->places[h->fresh++];
	h->occupied++;
	return p;
}

static bool hold(struct esp_hold *h, struct pending_sa *sa, const struct nfq_packet *packet)
{
	struct held_packet *p;

	if (h->paused || packet->queue != h->queue || packet->length > PACKET_MAX || !has_room(h, sa))
		return false;
	p = take_place(h);
	p->next = NULL;
	p->id = packet->id;
	p->length = packet->length;
	memcpy(p->data, packet->data, packet->length);
	h->stats.held++;
	if (!sa->hold.release_ms)
		sa->hold.release_ms = clock_now_ms() + WAIT_MS;
	if (sa->hold.last) {
		sa->hold.last->next = p;
	} else {
		sa->hold.first = p;
		log_held(h, sa);
	}
	sa->hold.last = p;
	sa->hold.packets++;
	return true;
}

enum nfq_verdict esp_hold_packet(struct esp_hold *h, struct nfq_packet *packet)
{
	struct packet_esp esp;
	struct pending_sa *sa;

	if (!h->in_use || !packet_parse_esp(packet->data, packet->length, &esp))
		return NFQ_AS_IT_WAS;
	sa = find(h, &esp.dst, esp.esp);
	if (!sa) {
		make_way(h, packet, esp.esp);
		return NFQ_AS_IT_WAS;
	}
	if (!sa->hold.released && hold(h, sa, packet))
		return NFQ_HELD;
	return reseal(h, sa, packet->data, packet->length) ? NFQ_CHANGED : NFQ_AS_IT_WAS;
}

void esp_hold_pause(struct esp_hold *h, bool paused)
{
	h->paused = paused;
	for (struct pending_sa *sa = NULL; paused && (sa = next(h, sa));) {
		const bool released = sa->hold.released;

		release(h, sa);
		sa->hold.released = released;
	}
	if (h->queue)
		nfq_queue_send(h->queue);
}

struct esp_hold_stats esp_hold_stats(const struct esp_hold *h)
{
	return h->stats;
}
