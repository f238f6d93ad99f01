/* Other keys for ESP SAs (shim/stack/swap.h), by a process of its own: it has the XFRM sockets for changes and reads nothing that
 * comes from the network; whoever parses packets asks it for one SA at a time. A keeper beside it starts another one when it
 * dies.
 *
 * A question waits for its answer, which takes some hundred microseconds, but never long: SWAPPER_ANSWER_MS, and after that for
 * SWAPPER_DEAF_MS not at all. */
#ifndef NATSHIM_SHIM_STACK_SWAPPER_H
#define NATSHIM_SHIM_STACK_SWAPPER_H

#include "shim/stack/swap.h"

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

/* SAs that others have added, as swap_read(). Readable: call swapper_read(). What came in while a question waited makes nothing
 * readable: SWAPPER_ADDED says so. -1 when they are gone. */
int swapper_fd(const struct swapper *swapper);
void swapper_read(struct swapper *swapper, swap_added_fn *fn, void *ctx);

/* What happens unasked. Called from within swapper_keys(), swapper_look() and swapper_read(). */
enum swapper_news {
	SWAPPER_ADDED, /* during a question; call swapper_read(), but not from within fn, as soon as that has been answered */
	SWAPPER_DIED, /* the process has; another one begins */
	SWAPPER_BACK, /* and has begun, or answers again: of SAs that were added meanwhile perhaps nobody has told */
	SWAPPER_SILENT, /* a question got no answer in time */
	SWAPPER_GONE,   /* and there will be none any more: the keeper has died, too */
};
typedef void swapper_news_fn(void *ctx, enum swapper_news news);
void swapper_on_news(struct swapper *swapper, swapper_news_fn *fn, void *ctx);

#endif
