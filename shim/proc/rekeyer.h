/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's ESP SAs by way of a process of its own, natshim-xfrm: what XFRM tells of SAs has their keys in it, so that
 * process alone reads it, and hands over facts without keys; and it gives SAs other keys (shim/xfrm/rekey.h). It reads nothing
 * that comes from the network; whoever parses packets asks it for one SA at a time.
 *
 * Requests and facts have a socket each. A question waits for its answer, which takes some hundred microseconds, but never
 * long: REKEYER_ANSWER_MS, and after that for REKEYER_DEAF_MS not at all. Facts lie in their own socket meanwhile, which stays
 * readable. */
#ifndef NATSHIM_SHIM_PROC_REKEYER_H
#define NATSHIM_SHIM_PROC_REKEYER_H

#include "shim/proc/parent.h"
#include "shim/xfrm/rekey.h"
#include "shim/xfrm/monitor.h"

#define REKEYER_ANSWER_MS 200
#define REKEYER_DEAF_MS 5000

struct rekeyer; /* owned by the caller */

#define REKEYER_SOCKETS 2 /* requests and answers; facts */

/* The process, and the near end: sockets are those of the role, and belong to it from now on. 0 or -errno, also the process' own:
 * -EPROTONOSUPPORT, a kernel without XFRM. */
struct parent_role rekeyer_role(void);
int rekeyer_open(struct rekeyer **out, const int sockets[static REKEYER_SOCKETS]);
void rekeyer_close(struct rekeyer *rekeyer);

/* As rekey_sa(), and -ETIMEDOUT: no answer, or none is waited for now; -EPIPE: there is no process, or it has just died. */
int rekeyer_rekey(struct rekeyer *rekeyer, const struct rekey_change *change, struct esp_sa *before);
/* As rekey_look(), and the same; -E2BIG: more SPIs than a question takes. */
int rekeyer_look(struct rekeyer *rekeyer, const struct endpoint *destination, const uint8_t (*spis)[4],
		 size_t count);

/* Late answers and news. Readable: call rekeyer_read(). -1 when they are gone. */
int rekeyer_fd(const struct rekeyer *rekeyer);
void rekeyer_read(struct rekeyer *rekeyer);

/* What happens unasked. Called from within rekeyer_rekey(), rekeyer_look() and rekeyer_read(). */
enum rekeyer_news {
	REKEYER_DIED, /* the process has; another one begins */
	/* and has begun, or answers again: what it was not asked meanwhile it can be asked now */
	REKEYER_BACK,
	REKEYER_SILENT, /* a question got no answer in time */
	REKEYER_GONE,   /* and there will be none any more: its parent has died, too */
};
typedef void rekeyer_news_fn(void *ctx, enum rekeyer_news news);
void rekeyer_on_news(struct rekeyer *rekeyer, rekeyer_news_fn *fn, void *ctx);

/* Facts of the kernel's SAs, from the first dump on, which begins by itself. Our own changes are told as if out of a dump. All handlers are wanted.
 * A process that takes the place of one that died begins with a dump: between the two nothing is told, and of a dump that was
 * not ended nothing may be concluded. */
struct rekeyer_handlers {
	void (*sa)(void *ctx, const struct sa_info *sa); /* new, changed, or out of a dump (with counters) */
	void (*sa_gone)(void *ctx,
			const struct sa_info *sa); /* deleted or hard expired: spi, outbound, peer, us */
	void (*moved)(void *ctx, const struct sa_info *sa,
		      const struct endpoint *from);    /* as in xfrm_handlers */
	void (*dump_begin)(void *ctx, uint64_t at_ms); /* clock_now_ms() when it did */
	void (*dump_end)(void *ctx,
			 int error); /* error: incomplete, nothing may be concluded from what was not seen */
	void (*lost)(void *ctx);     /* events were lost, or not watched for; a dump follows by itself */
	void (*failed)(void *ctx, int error); /* the kernel could not be read: -errno */
};
int rekeyer_facts_fd(const struct rekeyer *rekeyer); /* readable: call rekeyer_read_facts() */
/* Hands out what is there, at most that many messages of up to 64 facts (SA_FACTS_MAX), and does not wait. 0, or -EPIPE: nothing will come any more. */
int rekeyer_read_facts(struct rekeyer *rekeyer, unsigned messages, const struct rekeyer_handlers *handlers,
		       void *ctx);
/* Asks for a dump: the sampling of the counters. While one was asked for and has not ended: no effect. */
void rekeyer_dump(struct rekeyer *rekeyer);
/* Of that process, as of the last fact. */
struct xfrm_stats rekeyer_stats(const struct rekeyer *rekeyer);

#endif
