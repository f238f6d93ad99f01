/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's ESP SAs by way of a process of its own, natshim-xfrm: what XFRM tells of SAs has their keys in it, so that
 * process alone reads it, and hands over facts without keys; and it gives SAs other keys (shim/xfrm/rekey.h). It reads nothing
 * that comes from the network; whoever parses packets asks it for one SA at a time. A keeper beside it starts another one when
 * it dies.
 *
 * Requests and facts have a socket each. A question waits for its answer, which takes some hundred microseconds, but never
 * long: SWAPPER_ANSWER_MS, and after that for SWAPPER_DEAF_MS not at all. Facts lie in their own socket meanwhile, which stays
 * readable. */
#ifndef NATSHIM_SHIM_PROC_REKEYER_H
#define NATSHIM_SHIM_PROC_REKEYER_H

#include "shim/xfrm/rekey.h"
#include "shim/xfrm/monitor.h"

#define SWAPPER_ANSWER_MS 200
#define SWAPPER_DEAF_MS 5000

struct swapper; /* owned by the caller */

/* Forks; before anything else is opened. 0 or -errno, also the process' own: -EPROTONOSUPPORT, a kernel without XFRM. */
int swapper_open(struct swapper **out);
void swapper_close(struct swapper *swapper);

/* As swap_keys(), and -ETIMEDOUT: no answer, or none is waited for now; -EPIPE: there is no process, or it has just died. */
int swapper_keys(struct swapper *swapper, const struct swap_change *change, struct esp_sa *before);
/* As swap_look(), and the same; -E2BIG: more SPIs than a question takes. */
int swapper_look(struct swapper *swapper, const struct endpoint *destination, const uint8_t (*spis)[4],
		 size_t count);

/* Late answers and news. Readable: call swapper_read(). -1 when they are gone. */
int swapper_fd(const struct swapper *swapper);
void swapper_read(struct swapper *swapper);

/* What happens unasked. Called from within swapper_keys(), swapper_look() and swapper_read(). */
enum swapper_news {
	SWAPPER_DIED,   /* the process has; another one begins */
	SWAPPER_BACK,   /* and has begun, or answers again: what it was not asked meanwhile it can be asked now */
	SWAPPER_SILENT, /* a question got no answer in time */
	SWAPPER_GONE,   /* and there will be none any more: the keeper has died, too */
};
typedef void swapper_news_fn(void *ctx, enum swapper_news news);
void swapper_on_news(struct swapper *swapper, swapper_news_fn *fn, void *ctx);

/* Facts of the kernel's SAs, from the first dump on, which begins by itself. Our own changes are told as if out of a dump. All handlers are wanted.
 * A process that takes the place of one that died begins with a dump: between the two nothing is told, and of a dump that was
 * not ended nothing may be concluded. */
struct swapper_handlers {
	void (*sa)(void *ctx, const struct sa_info *sa); /* new, changed, or out of a dump (with counters) */
	void (*sa_gone)(void *ctx, const struct sa_info *sa); /* deleted or hard expired: spi, outbound, peer, us */
	void (*dump_begin)(void *ctx, uint64_t at_ms); /* clock_now_ms() when it did */
	void (*dump_end)(void *ctx, int error); /* error: incomplete, nothing may be concluded from what was not seen */
	void (*lost)(void *ctx);             /* events were lost, or not watched for; a dump follows by itself */
	void (*failed)(void *ctx, int error); /* the kernel could not be read: -errno */
};
int swapper_facts_fd(const struct swapper *swapper); /* readable: call swapper_read_facts() */
/* Hands out what is there, at most that many messages of up to 64 facts (SA_FACTS_MAX), and does not wait. 0, or -EPIPE: nothing will come any more. */
int swapper_read_facts(struct swapper *swapper, unsigned messages, const struct swapper_handlers *handlers,
		       void *ctx);
/* Asks for a dump: the sampling of the counters. While one was asked for and has not ended: no effect. */
void swapper_dump(struct swapper *swapper);
/* Of that process, as of the last fact. */
struct xfrm_stats swapper_stats(const struct swapper *swapper);

#endif
