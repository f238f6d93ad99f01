/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All wait for the same time: a ring, and one timer for the first of them. */
#include "shim/daemon/l2tp_wait.h"

#include "shim/clock.h"
#include "shim/l2tp/quirks.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

struct waiting {
	uint64_t due_ms;
	uint32_t id;
	size_t length; /* of data; 0: the packet is as the kernel has it */
	uint8_t data[L2TP_WAIT_PACKET_MAX];
};

struct l2tp_wait {
	struct nfq_queue *queue;
	struct event *turn;
	size_t first, count;
	struct waiting places[L2TP_WAIT_PLACES];
};

static void set_timer(const struct l2tp_wait *w)
{
	const uint64_t now = clock_now_ms(), due = w->places[w->first].due_ms,
		       left = due > now ? due - now : 0;
	const struct timeval pause = {.tv_sec = (time_t)(left / 1000),
				      .tv_usec = (suseconds_t)(left % 1000 * 1000)};

	if (w->count)
		event_add(w->turn, &pause);
	else
		event_del(w->turn);
}

static void release_until(struct l2tp_wait *w, uint64_t until_ms)
{
	while (w->count && w->places[w->first].due_ms <= until_ms) {
		const struct waiting *p = &w->places[w->first];

		nfq_queue_release(w->queue, p->id, p->length ? NFQ_CHANGED : NFQ_AS_IT_WAS, p->data,
				  p->length);
		w->first = (w->first + 1) % L2TP_WAIT_PLACES;
		w->count--;
	}
	nfq_queue_send(w->queue);
	set_timer(w);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	release_until(ctx, clock_now_ms());
}

struct l2tp_wait *l2tp_wait_new(struct nfq_queue *queue, struct event_base *loop)
{
	struct l2tp_wait *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->queue = queue;
	w->turn = event_new(loop, -1, 0, on_turn, w);
	if (w->turn)
		return w;
	free(w);
	return NULL;
}

void l2tp_wait_free(struct l2tp_wait *w)
{
	if (!w)
		return;
	event_free(w->turn);
	free(w);
}

bool l2tp_wait_put(struct l2tp_wait *w, const struct nfq_packet *packet, bool changed)
{
	struct waiting *p = &w->places[(w->first + w->count) % L2TP_WAIT_PLACES];

	if (w->count == L2TP_WAIT_PLACES || (changed && packet->length > sizeof p->data))
		return false;
	p->due_ms = clock_now_ms() + L2TP_WAIT_MS;
	p->id = packet->id;
	p->length = changed ? packet->length : 0;
	memcpy(p->data, packet->data, p->length);
	if (!w->count++)
		set_timer(w);
	return true;
}

void l2tp_wait_finish(struct l2tp_wait *w)
{
	release_until(w, UINT64_MAX);
}
