/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both queues: opened, read by turns, drained. */
#include "shim/daemon/queues.h"

#include "rules/ruleset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	FIRST_PER_TURN = 256, /* strangers; then the known ones and the other events get their chance */
	KNOWN_PER_TURN = 1024,
	/* For a natshim whose parent was killed: its other processes follow within moments. */
	DEPARTURE_MS = 1000,
	DEPARTURE_STEP_MS = 10,
};

enum which { FIRST, KNOWN, QUEUES };

struct one {
	struct nfq_queue *queue;
	struct event *event;
	struct log *log;
	unsigned number, per_turn;
};

struct queues {
	struct one of[QUEUES];
};

static int open_one(struct one *one, const struct nfq_options *options, nfq_handler *handler, void *ctx)
{
	int rc = nfq_queue_open(&one->queue, options, handler, ctx);

	for (unsigned waited = 0; rc == -EBUSY && waited < DEPARTURE_MS; waited += DEPARTURE_STEP_MS) {
		nanosleep(&(struct timespec){.tv_nsec = DEPARTURE_STEP_MS * 1000000L}, NULL);
		rc = nfq_queue_open(&one->queue, options, handler, ctx);
	}
	return rc;
}

static void explain(const struct one *one, bool second, int rc, char error[static QUEUES_ERROR_MAX])
{
	const pid_t owner = rc == -EBUSY ? nfq_queue_owner((uint16_t)one->number) : 0;
	char who[32] = "another program", next[40] = "";

	if (rc != -EBUSY) {
		snprintf(error, QUEUES_ERROR_MAX, "%s; is the kernel module nfnetlink_queue there?",
			 strerror(-rc));
		return;
	}
	if (owner)
		snprintf(who, sizeof who, "process %d", (int)owner);
	if (second)
		snprintf(next, sizeof next, "the next one, %u, is ", one->number);
	snprintf(error, QUEUES_ERROR_MAX, "%staken by %s; %schoose another number", next, who,
		 owner ? "stop it, or " : "");
}

bool queues_open(struct queues **out, unsigned number, nfq_handler *handler,
		 void (*before_verdicts)(void *ctx), void *ctx, struct log *log,
		 char error[static QUEUES_ERROR_MAX])
{
	struct queues *queues = calloc(1, sizeof *queues);

	if (!queues) {
		snprintf(error, QUEUES_ERROR_MAX, "out of memory");
		return false;
	}
	*out = queues;
	queues->of[FIRST] = (struct one){.log = log, .number = number, .per_turn = FIRST_PER_TURN};
	queues->of[KNOWN] =
		(struct one){.log = log, .number = RULES_QUEUE_KNOWN(number), .per_turn = KNOWN_PER_TURN};
	/* The first one's socket bears our process id, by which a second natshim can name us. */
	for (enum which w = FIRST; w < QUEUES; w++) {
		struct one *one = &queues->of[w];
		const struct nfq_options options = {.number = (uint16_t)one->number,
						    .before_verdicts = before_verdicts};
		const int rc = open_one(one, &options, handler, ctx);

		if (rc) {
			explain(one, w == KNOWN, rc, error);
			return false;
		}
	}
	return true;
}

static void on_ready(evutil_socket_t fd, short what, void *ctx)
{
	const struct one *one = ctx;
	const int rc = nfq_queue_read(one->queue, one->per_turn);

	(void)fd;
	(void)what;
	if (rc < 0)
		log_event(one->log, LOG_QUEUE_ERROR, NULL, "queue %u: %s", one->number, strerror(-rc));
}

int queues_start(struct queues *queues, struct event_base *loop)
{
	for (enum which w = FIRST; w < QUEUES; w++) {
		struct one *one = &queues->of[w];

		one->event = event_new(loop, nfq_queue_fd(one->queue), EV_READ | EV_PERSIST, on_ready, one);
		if (!one->event || event_add(one->event, NULL))
			return -ENOMEM;
	}
	return 0;
}

struct nfq_queue *queues_known(const struct queues *queues)
{
	return queues ? queues->of[KNOWN].queue : NULL;
}

struct nfq_stats queues_stats(const struct queues *queues)
{
	struct nfq_stats sum = {.packets = 0};

	for (enum which w = FIRST; queues && w < QUEUES; w++) {
		const struct nfq_stats stats = nfq_queue_stats(queues->of[w].queue);

		sum.packets += stats.packets;
		sum.changed += stats.changed;
		sum.dropped += stats.dropped;
		sum.overruns += stats.overruns;
		sum.errors += stats.errors;
	}
	return sum;
}

void queues_drain(struct queues *queues, unsigned timeout_ms)
{
	for (enum which w = FIRST; queues && w < QUEUES; w++)
		nfq_queue_drain(queues->of[w].queue, timeout_ms);
}

void queues_close(struct queues *queues, unsigned drain_ms)
{
	for (enum which w = FIRST; queues && w < QUEUES; w++) {
		struct one *one = &queues->of[w];

		if (one->event)
			event_free(one->event);
		if (one->queue)
			nfq_queue_drain_and_close(one->queue, drain_ms);
	}
	free(queues);
}
