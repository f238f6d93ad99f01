/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line, the timer that serves it, and the verdicts. */
#include "shim/daemon/slow.h"

#include "shim/daemon/line.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

enum { PAUSE_MAX_US = 200000, US_PER_S = 1000000 };

struct slow {
	struct line *line;
	nfq_handler *handler;
	void *ctx;
	struct nfq_queue *queue;
	struct event *turn;
	struct slow_stats stats;
	uint8_t buffer[NFQ_PACKET_MAX]; /* of the one that is worked on: it may grow */
};

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static void work_on_next(struct slow *s)
{
	struct nfq_packet packet = {.data = s->buffer};
	enum nfq_verdict verdict;

	if (!line_take(s->line, &packet, sizeof s->buffer))
		return;
	verdict = s->handler(s->ctx, &packet);
	nfq_queue_release(s->queue, packet.id, verdict, packet.data, packet.length);
	nfq_queue_send(s->queue);
}

/* The next turn comes when as much time as this one took has passed: the rest is others'. */
static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct slow *s = ctx;
	const int64_t begun = now_us();
	struct timeval pause = {0};

	(void)fd;
	(void)what;
	work_on_next(s);
	const int64_t took = now_us() - begun;

	pause.tv_usec = took < PAUSE_MAX_US ? (suseconds_t)took : PAUSE_MAX_US;
	if (line_count(s->line))
		event_add(s->turn, &pause);
}

struct slow *slow_new(nfq_handler *handler, void *ctx)
{
	struct slow *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->handler = handler;
	s->ctx = ctx;
	s->line = line_new();
	if (s->line)
		return s;
	free(s);
	return NULL;
}

void slow_free(struct slow *s)
{
	if (!s)
		return;
	if (s->turn)
		event_free(s->turn);
	line_free(s->line);
	free(s);
}

int slow_start(struct slow *s, struct nfq_queue *queue, struct event_base *loop)
{
	s->queue = queue;
	s->turn = evtimer_new(loop, on_turn, s);
	return s->turn ? 0 : -ENOMEM;
}

enum nfq_verdict slow_wait(struct slow *s, const struct nfq_packet *packet, const struct endpoint *host)
{
	static const struct timeval soon = {0};
	uint32_t other;

	s->stats.waited++;
	switch (line_put(s->line, packet, host, &other)) {
	case LINE_FULL:
		s->stats.refused++;
		return NFQ_DROP;
	case LINE_INSTEAD:
		s->stats.refused++;
		nfq_queue_release(s->queue, other, NFQ_DROP, NULL, 0);
		break;
	case LINE_IN:
		break;
	}
	if (!event_pending(s->turn, EV_TIMEOUT, NULL))
		event_add(s->turn, &soon);
	return NFQ_HELD;
}

void slow_finish(struct slow *s)
{
	while (line_count(s->line))
		work_on_next(s);
	event_del(s->turn);
}

struct slow_stats slow_stats(const struct slow *s)
{
	return s->stats;
}
