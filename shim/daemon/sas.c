/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Passes on what natshim-xfrm reports. */
#include "shim/daemon/sas.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_PER_TURN 1 /* of up to 64 facts; then packets get their turn */

struct sas {
	struct log *log;
	struct rekeyer *rekeyer;
	struct sessions *sessions;
	struct bridge_mode *bridge_mode;
	struct aliases *aliases;
	struct event *answers, *facts;
};

/* Facts */

/* What a dump shows every five seconds is no event. */
static void log_sa(struct sas *s, const struct sa_info *sa, const char *what)
{
	if (!sa->dumped)
		log_event(s->log, LOG_XFRM_EVENT, &sa->peer,
			  "XFRM: SA %s %s, SPI 0x%08x, L2TP port %u, reqid %u%s", sa->outbound ? "out" : "in",
			  what, sa->spi, sa->peer_port, sa->reqid,
			  sa_is_l2tp(sa) ? "" : ": no SA of an L2TP client, ignored");
}

static void on_sa(void *ctx, const struct sa_info *sa)
{
	struct sas *s = ctx;

	log_sa(s, sa, "added or updated");
	aliases_sa(s->aliases, sa);
	sessions_sa(s->sessions, sa);
	bridge_mode_sa(s->bridge_mode, sa);
}

static void on_sa_gone(void *ctx, const struct sa_info *sa)
{
	struct sas *s = ctx;

	log_event(s->log, LOG_XFRM_EVENT, &sa->peer, "XFRM: SA %s deleted, SPI 0x%08x",
		  sa->outbound ? "out" : "in", sa->spi);
	sessions_sa_gone(s->sessions, sa);
}

static void on_moved(void *ctx, const struct sa_info *sa, const struct endpoint *from)
{
	const struct sas *s = ctx;

	aliases_heard(s->aliases, sa, from);
}

static void on_dump_begin(void *ctx, uint64_t at_ms)
{
	struct sas *s = ctx;

	sessions_dump_begin(s->sessions, at_ms);
}

static void on_dump_end(void *ctx, int error)
{
	struct sas *s = ctx;

	if (error)
		log_event(s->log, LOG_XFRM_EVENT, NULL, "XFRM: a dump of the SAs is not whole: %s",
			  strerror(-error));
	sessions_dump_end(s->sessions, error);
}

static void on_lost(void *ctx)
{
	struct sas *s = ctx;

	bridge_mode_sas_lost(s->bridge_mode);
}

static void on_failed(void *ctx, int error)
{
	struct sas *s = ctx;

	log_event(s->log, LOG_XFRM_ERROR, NULL, "xfrm: %s", strerror(-error));
}

static void on_facts(evutil_socket_t fd, short what, void *ctx)
{
	static const struct rekeyer_handlers handlers = {.sa = on_sa,
							 .sa_gone = on_sa_gone,
							 .moved = on_moved,
							 .dump_begin = on_dump_begin,
							 .dump_end = on_dump_end,
							 .lost = on_lost,
							 .failed = on_failed};
	struct sas *s = ctx;

	(void)fd;
	(void)what;
	if (rekeyer_read_facts(s->rekeyer, MESSAGES_PER_TURN, &handlers, s))
		event_del(s->facts);
	sessions_run_actions(s->sessions);
}

/* News */

static void on_news(void *ctx, enum rekeyer_news news)
{
	static const char *const words[] = {
		[REKEYER_DIED] = "died and is restarted",
		[REKEYER_BACK] = "is running again",
		[REKEYER_SILENT] = "does not answer",
		[REKEYER_GONE] = "died, and nothing restarts it",
	};
	static const char *const bridged[] = {
		[REKEYER_DIED] = "",
		[REKEYER_BACK] = "",
		[REKEYER_SILENT] = ": bridged clients get no keys",
		[REKEYER_GONE] = ": sessions are not watched and bridged clients get no keys any more",
	};
	static const char *const watched[] = {
		[REKEYER_DIED] = "",
		[REKEYER_BACK] = "",
		[REKEYER_SILENT] = "",
		[REKEYER_GONE] = ": sessions are not watched any more",
	};
	struct sas *s = ctx;

	log_event(s->log, news == REKEYER_BACK ? LOG_XFRM_PROCESS_BACK : LOG_XFRM_PROCESS_DIED, NULL,
		  "xfrm: the process that watches the kernel's SAs %s%s", words[news],
		  bridge_mode_bridge(s->bridge_mode) ? bridged[news] : watched[news]);
	if (news == REKEYER_GONE && s->answers)
		event_del(s->answers);
	if (news == REKEYER_BACK)
		bridge_mode_sas_lost(s->bridge_mode);
}

static void on_answers(evutil_socket_t fd, short what, void *ctx)
{
	struct sas *s = ctx;

	(void)fd;
	(void)what;
	rekeyer_read(s->rekeyer);
}

/* Start and end */

bool sas_open(struct sas **out, const struct config *config, const int sockets[static REKEYER_SOCKETS],
	      struct log *log, char error[static CONFIG_ERROR_MAX])
{
	struct sas *s;
	int rc;

	*out = NULL;
	if (config->stack == CONFIG_STACK_NONE && !config_bridges(config))
		return true;
	s = calloc(1, sizeof *s);
	rc = s ? rekeyer_open(&s->rekeyer, sockets) : -ENOMEM;
	if (!s || rc) {
		free(s);
		snprintf(error, CONFIG_ERROR_MAX, "this kernel's IPsec cannot be reached: %s", strerror(-rc));
		if (rc != -EPROTONOSUPPORT || config_bridges(config))
			return false;
		log_event(log, LOG_XFRM_MISSING, NULL,
			  "xfrm: this kernel has no IPsec; natshim watches no sessions");
		return true;
	}
	s->log = log;
	rekeyer_on_news(s->rekeyer, on_news, s);
	*out = s;
	return true;
}

int sas_start(struct sas *s, struct event_base *loop, struct sessions *sessions,
	      struct bridge_mode *bridge_mode, struct aliases *aliases)
{
	if (!s)
		return 0;
	s->sessions = sessions;
	s->bridge_mode = bridge_mode;
	s->aliases = aliases;
	s->answers = event_new(loop, rekeyer_fd(s->rekeyer), EV_READ | EV_PERSIST, on_answers, s);
	s->facts = event_new(loop, rekeyer_facts_fd(s->rekeyer), EV_READ | EV_PERSIST, on_facts, s);
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
	rekeyer_close(s->rekeyer);
	free(s);
}

struct rekeyer *sas_rekeyer(const struct sas *s)
{
	return s ? s->rekeyer : NULL;
}
