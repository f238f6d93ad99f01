/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SPIs whose packets come up, the packets that wait, and when they go on. */
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
	EXPECTED_MAX = 256, /* SPIs at a time */
	HELD_MAX = 1024,    /* packets, of all of them together: a quarter of what the queue takes */
	PACKET_MAX = 2048,  /* bytes; a longer one does not wait */
	TICK_US = 20000,
	LIFE_MS = 10000,  /* of an SPI that no SA follows */
	WAIT_MS = 2000,   /* the longest that a packet waits */
	LINGER_MS = 1000, /* how long packets still come up that were sealed before the keys were exchanged */
	SET_S = 15,       /* the kernel forgets it by itself, whatever becomes of us */
};

struct held {
	struct held *next;
	uint32_t id;
	size_t length;
	uint8_t data[PACKET_MAX]; /* the IP packet */
};

struct expected {
	struct endpoint destination;
	uint8_t spi[4];
	uint64_t ends_ms;    /* 0: this place is free */
	uint64_t ready_ms;   /* when the client has its SA; 0: not known yet */
	uint64_t release_ms; /* when its packets go on at the latest; 0: none waits */
	bool rekeyed, released;
	struct esp_sa before, after; /* with swapped */
	struct held *first, *last;   /* the packets that wait */
};

struct esp_hold {
	struct rules_nft *nft;
	esp_hold_random_fn *random;
	void *ctx;
	struct log *log;
	struct nfq_queue *queue; /* NULL: not started */
	struct event *tick;
	bool ticking;
	size_t in_use; /* SPIs */
	struct esp_hold_stats stats;
	struct expected expected[EXPECTED_MAX];
	/* Places for packets: those that were used and are free again, and how many of the others were never touched. */
	struct held *free;
	size_t fresh;
	struct held places[HELD_MAX];
};

static struct expected *find(struct esp_hold *h, const struct endpoint *destination, const uint8_t *spi)
{
	for (size_t i = 0; h->in_use && i < EXPECTED_MAX; i++) {
		struct expected *e = &h->expected[i];

		if (e->ends_ms && !memcmp(e->spi, spi, sizeof e->spi) &&
		    endpoint_same_host(&e->destination, destination))
			return e;
	}
	return NULL;
}

static struct expected *find_elsewhere(struct esp_hold *h, const uint8_t *spi)
{
	for (size_t i = 0; i < EXPECTED_MAX; i++)
		if (h->expected[i].ends_ms && !memcmp(h->expected[i].spi, spi, sizeof h->expected[i].spi))
			return &h->expected[i];
	return NULL;
}

/* A packet that the server's keys have sealed gets the client's; whether it has become another one. */
static bool reseal(struct esp_hold *h, const struct expected *e, uint8_t *data, size_t length)
{
	struct packet_esp packet;
	uint8_t iv[ESP_BLOCK_MAX];

	if (!e->rekeyed || !packet_parse_esp(data, length, &packet) || !h->random(h->ctx, iv, sizeof iv))
		return false;
	const struct packet_sum sum = packet.in_udp ? packet_sum_before(&packet.udp) : (struct packet_sum){0};

	if (esp_reseal(&e->before, &e->after, iv, packet.esp, packet.length) != ESP_RESEALED)
		return false;
	if (packet.in_udp)
		packet_sum_after(&packet.udp, sum);
	h->stats.resealed++;
	return true;
}

static unsigned long spi_of(const struct expected *e)
{
	return (unsigned long)e->spi[0] << 24 | (unsigned long)e->spi[1] << 16 | (unsigned long)e->spi[2] << 8 |
	       e->spi[3];
}

/* The first one of an SA; those after it wait for the same. */
static void log_held(const struct esp_hold *h, const struct expected *e)
{
	if (h->log)
		log_event(h->log, LOG_PACKET_HELD, &e->destination, "ESP packet held, SPI 0x%08lx: %s", spi_of(e),
			  e->rekeyed ? "the client does not have this SA yet"
				     : "this SA does not have the client's keys yet");
}

static void log_released(const struct esp_hold *h, const struct expected *e, unsigned count)
{
	if (h->log && count)
		log_event(h->log, LOG_PACKET_HELD, &e->destination, "%u held ESP packets go on, SPI 0x%08lx: %s", count,
			  spi_of(e),
			  !e->rekeyed   ? "as they were, no keys were exchanged"
			  : e->ready_ms ? "with the client's keys"
					: "with the client's keys, after the longest wait");
}

static void release(struct esp_hold *h, struct expected *e)
{
	unsigned count = 0;

	e->released = true;
	e->release_ms = 0;
	for (; e->first; count++) {
		struct held *p = e->first;
		const bool changed = reseal(h, e, p->data, p->length);

		nfq_queue_release(h->queue, p->id, changed ? NFQ_CHANGED : NFQ_AS_IT_WAS, p->data, p->length);
		e->first = p->next;
		p->next = h->free;
		h->free = p;
	}
	e->last = NULL;
	log_released(h, e, count);
}

static void forget(struct esp_hold *h, struct expected *e)
{
	release(h, e);
	rules_nft_set_delete(h->nft, RULES_SET_HELD, e->spi, sizeof e->spi);
	OPENSSL_cleanse(e, sizeof *e);
	h->in_use--;
}

static void look(struct esp_hold *h, struct expected *e, uint64_t now)
{
	const bool ready = e->rekeyed && e->ready_ms && now >= e->ready_ms;

	if (!e->released && (ready || (e->release_ms && now >= e->release_ms))) {
		release(h, e);
		if (ready)
			e->ends_ms = now + LINGER_MS;
	}
	if (now >= e->ends_ms)
		forget(h, e);
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
	for (size_t i = 0; i < EXPECTED_MAX; i++)
		if (h->expected[i].ends_ms)
			look(h, &h->expected[i], now);
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

struct esp_hold *esp_hold_new(struct rules_nft *nft, esp_hold_random_fn *random, void *ctx)
{
	struct esp_hold *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->nft = nft;
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
	OPENSSL_cleanse(h->expected, sizeof h->expected);
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

void esp_hold_expect(struct esp_hold *h, const struct endpoint *destination, const uint8_t spi[static 4])
{
	struct expected *e = find(h, destination, spi);

	for (size_t i = 0; !e && i < EXPECTED_MAX; i++)
		if (!h->expected[i].ends_ms)
			e = &h->expected[i];
	if (!e || e->ends_ms || !h->queue)
		return;
	e->destination = *destination;
	memcpy(e->spi, spi, sizeof e->spi);
	e->ends_ms = clock_now_ms() + LIFE_MS;
	h->in_use++;
	rules_nft_set_add(h->nft, RULES_SET_HELD, spi, sizeof e->spi, SET_S);
	tick_while_needed(h);
}

void esp_hold_rekeyed(struct esp_hold *h, const struct endpoint *destination, const uint8_t spi[static 4],
		      const struct esp_sa *before, const struct esp_sa *after)
{
	struct expected *e = find(h, destination, spi);

	if (!e || e->rekeyed)
		return;
	e->before = *before;
	e->after = *after;
	e->rekeyed = true;
	look_at_all(h, clock_now_ms());
}

/* Nothing of it is held any more. */
static void give_up(struct esp_hold *h, struct expected *e)
{
	forget(h, e);
	tick_while_needed(h);
	if (h->queue)
		nfq_queue_send(h->queue);
}

void esp_hold_refused(struct esp_hold *h, const struct endpoint *destination, const uint8_t spi[static 4])
{
	struct expected *e = find(h, destination, spi);

	if (e)
		give_up(h, e);
}

/* The kernel's set knows SPIs alone, and this host has another SA with that one, towards somebody else: his packets are not to come
 * up for the sake of a client's, who may have chosen it for that. Only what this host sends says so: the rest may be forged. */
static void make_way(struct esp_hold *h, const struct nfq_packet *packet, const uint8_t *spi)
{
	struct expected *e = packet->hook == NFQ_POSTROUTING ? find_elsewhere(h, spi) : NULL;

	if (e)
		give_up(h, e);
}

void esp_hold_ready(struct esp_hold *h, const struct endpoint *destination, const uint8_t spi[static 4],
		    unsigned after_ms)
{
	struct expected *e = find(h, destination, spi);

	if (!e || e->ready_ms)
		return;
	e->ready_ms = clock_now_ms() + after_ms;
	look_at_all(h, clock_now_ms());
}

static struct held *free_place(struct esp_hold *h)
{
	struct held *p = h->free;

	if (p)
		h->free = p->next;
	else if (h->fresh < HELD_MAX)
		p = &h->places[h->fresh++];
	return p;
}

static bool hold(struct esp_hold *h, struct expected *e, const struct nfq_packet *packet)
{
	struct held *p = packet->length <= PACKET_MAX ? free_place(h) : NULL;

	if (!p)
		return false;
	p->next = NULL;
	p->id = packet->id;
	p->length = packet->length;
	memcpy(p->data, packet->data, packet->length);
	h->stats.held++;
	if (!e->release_ms)
		e->release_ms = clock_now_ms() + WAIT_MS;
	if (e->last) {
		e->last->next = p;
	} else {
		e->first = p;
		log_held(h, e);
	}
	e->last = p;
	return true;
}

enum nfq_verdict esp_hold_packet(struct esp_hold *h, struct nfq_packet *packet)
{
	struct packet_esp esp;
	struct expected *e;

	if (!h->in_use || !packet_parse_esp(packet->data, packet->length, &esp))
		return NFQ_AS_IT_WAS;
	e = find(h, &esp.dst, esp.esp);
	if (!e) {
		make_way(h, packet, esp.esp);
		return NFQ_AS_IT_WAS;
	}
	if (!e->released && hold(h, e, packet))
		return NFQ_HELD;
	return reseal(h, e, packet->data, packet->length) ? NFQ_CHANGED : NFQ_AS_IT_WAS;
}

void esp_hold_release_all(struct esp_hold *h)
{
	for (size_t i = 0; h->in_use && i < EXPECTED_MAX; i++)
		if (h->expected[i].ends_ms)
			forget(h, &h->expected[i]);
	tick_while_needed(h);
	if (h->queue)
		nfq_queue_send(h->queue);
}

struct esp_hold_stats esp_hold_stats(const struct esp_hold *h)
{
	return h->stats;
}
