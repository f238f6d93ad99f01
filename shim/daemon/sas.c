/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the process that reads XFRM to whom it concerns. */
#include "shim/daemon/sas.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_PER_TURN 2 /* of up to 64 facts; then packets get their turn */

struct sas {
	struct log *log;
	struct swapper *swapper;
	struct watch *watch;
	struct bridging *bridging;
	struct event *answers, *facts;
};

/* Facts */

static void on_sa(void *ctx, const struct sa_info *sa)
{
	struct sas *s = ctx;

	watch_sa(s->watch, sa);
	bridging_sa(s->bridging, sa);
}

static void on_sa_gone(void *ctx, const struct sa_info *sa)
{
	struct sas *s = ctx;

	watch_sa_gone(s->watch, sa);
}

static void on_dump_begin(void *ctx, uint64_t at_ms)
{
	struct sas *s = ctx;

	watch_dump_begin(s->watch, at_ms);
}

static void on_dump_end(void *ctx, int error)
{
	struct sas *s = ctx;

	watch_dump_end(s->watch, error);
}

static void on_lost(void *ctx)
{
	struct sas *s = ctx;

	bridging_sas_lost(s->bridging);
}

static void on_failed(void *ctx, int error)
{
	struct sas *s = ctx;

	log_event(s->log, LOG_XFRM_ERROR, NULL, "xfrm: %s", strerror(-error));
}

static void on_facts(evutil_socket_t fd, short what, void *ctx)
{
	static const struct swapper_handlers handlers = {.sa = on_sa,
							 .sa_gone = on_sa_gone,
							 .dump_begin = on_dump_begin,
							 .dump_end = on_dump_end,
							 .lost = on_lost,
							 .failed = on_failed};
	struct sas *s = ctx;

	(void)fd;
	(void)what;
	if (swapper_read_facts(s->swapper, MESSAGES_PER_TURN, &handlers, s))
		event_del(s->facts);
	watch_follow(s->watch);
}

/* News */

static void on_news(void *ctx, enum swapper_news news)
{
	static const char *const words[] = {
		[SWAPPER_DIED] = "has died, another one begins",
		[SWAPPER_BACK] = "is there again",
		[SWAPPER_SILENT] = "does not answer",
		[SWAPPER_GONE] = "has died, and its keeper too",
	};
	static const char *const bridged[] = {
		[SWAPPER_DIED] = "",
		[SWAPPER_BACK] = "",
		[SWAPPER_SILENT] = ": bridged clients get no keys",
		[SWAPPER_GONE] =
			": sessions are not watched and bridged clients get no keys any more; restart natshim",
	};
	static const char *const watched[] = {
		[SWAPPER_DIED] = "",
		[SWAPPER_BACK] = "",
		[SWAPPER_SILENT] = "",
		[SWAPPER_GONE] = ": sessions are not watched any more; restart natshim",
	};
	struct sas *s = ctx;

	log_event(s->log, news == SWAPPER_BACK ? LOG_KEYS_PROCESS_BACK : LOG_KEYS_PROCESS_DIED, NULL,
		  "xfrm: the process that watches the kernel's SAs %s%s", words[news],
		  s->bridging ? bridged[news] : watched[news]);
	if (news == SWAPPER_GONE && s->answers)
		event_del(s->answers);
	if (news == SWAPPER_BACK)
		bridging_sas_lost(s->bridging);
}

static void on_answers(evutil_socket_t fd, short what, void *ctx)
{
	struct sas *s = ctx;

	(void)fd;
	(void)what;
	swapper_read(s->swapper);
}

/* Start and end */

bool sas_open(struct sas **out, const struct config *config, struct log *log,
	      char error[static CONFIG_ERROR_MAX])
{
	struct sas *s;
	int rc;

	*out = NULL;
	if (config->stack == CONFIG_STACK_NONE && !config_bridges(config))
		return true;
	s = calloc(1, sizeof *s);
	rc = s ? swapper_open(&s->swapper) : -ENOMEM;
	if (rc) {
		free(s);
		snprintf(error, CONFIG_ERROR_MAX, "this kernel's IPsec cannot be reached: %s", strerror(-rc));
		if (rc != -EPROTONOSUPPORT || config_bridges(config))
			return false;
		log_event(log, LOG_XFRM_MISSING, NULL,
			  "xfrm: this kernel has none, so there are no sessions to watch");
		return true;
	}
	s->log = log;
	swapper_on_news(s->swapper, on_news, s);
	*out = s;
	return true;
}

int sas_start(struct sas *s, struct event_base *loop, struct watch *watch, struct bridging *bridging)
{
	if (!s)
		return 0;
	s->watch = watch;
	s->bridging = bridging;
	s->answers = event_new(loop, swapper_fd(s->swapper), EV_READ | EV_PERSIST, on_answers, s);
	s->facts = event_new(loop, swapper_facts_fd(s->swapper), EV_READ | EV_PERSIST, on_facts, s);
	if (!s->answers || !s->facts || event_add(s->answers, NULL) || event_add(s->facts, NULL))
		return -ENOMEM;
	return 0;
}

void sas_close(struct sas *s)
{
	if (!s)
		return;
	if (s->answers)
		event_free(s->answers);
	if (s->facts)
		event_free(s->facts);
	swapper_close(s->swapper);
	free(s);
}

struct swapper *sas_swapper(const struct sas *s)
{
	return s ? s->swapper : NULL;
}
