/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gives the kernel's SAs of bridged clients their clients' keys, through natshim-xfrm (shim/proc/rekeyer.h). Where the stack has not
 * installed an SA yet, or natshim-xfrm does not answer, the keys wait in pending_sas, a minute at most. Tells esp_hold which keys
 * an SA has had and has now.
 *
 * Clients are named by their real addresses here and in pending_sas and esp_hold, for outer packets have those; where a client has an
 * alias, the kernel's SA towards it has the alias as its destination: shim/daemon/aliases.h. */
#ifndef NATSHIM_SHIM_DAEMON_SA_KEYS_H
#define NATSHIM_SHIM_DAEMON_SA_KEYS_H

#include "shim/bridge/bridge.h"
#include "shim/daemon/aliases.h"
#include "shim/daemon/esp_hold.h"
#include "shim/daemon/pending_sas.h"
#include "shim/daemon/sessions.h"
#include "shim/log.h"
#include "shim/proc/rekeyer.h"

/* The caller sets the first group, and zeroes the rest; all stay the caller's. */
struct sa_keys {
	struct log *log;
	struct rekeyer *rekeyer;
	struct pending_sas *pending;
	struct esp_hold *esp_hold;
	struct sessions *sessions;     /* hear of SAs that the kernel lost; NULL: --stack none */
	const struct aliases *aliases; /* NULL: there are none */

	/* SAs that got other keys; that did not; left alone, as another client's; of the errors: that the kernel lost. To be read. */
	uint64_t given, errors, refused, lost;

	bool retry; /* sa_keys.c's own */
};

/* Both SAs of a Quick Mode. Logs the outcome. */
void sa_keys_give(struct sa_keys *keys, const struct bridge_rekey *rekey);
/* The kernel has added an SA: it gets the keys that wait for it. */
void sa_keys_sa_added(struct sa_keys *keys, const struct sa_info *sa);
/* Events may have been missed, or natshim-xfrm was away: the next tick tries all keys that wait. */
void sa_keys_retry(struct sa_keys *keys);
/* Once a second, and after sa_keys_retry(). */
void sa_keys_tick(struct sa_keys *keys);
/* Whether the kernel has an SA with one of these SPIs towards that destination, a client or the server. */
enum bridge_spi sa_keys_find_spi(const struct sa_keys *keys, const struct endpoint *destination,
				 const uint8_t (*spis)[4], size_t count);

#endif
