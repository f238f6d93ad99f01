/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridged sessions of a natshim that was killed: their keys are gone, so neither side can rekey them or say in IKE that they
 * end. Each is handed to the VPN stack to be ended, one after the other; while it is not, it stays in the journal
 * (shim/daemon/state.h). Makes no system call. */
#ifndef NATSHIM_SHIM_DAEMON_STALE_SAS_H
#define NATSHIM_SHIM_DAEMON_STALE_SAS_H

#include "shim/bridge/bridge.h"
#include "shim/stack/stack.h"

#define STALE_SAS_MAX 8192 /* what is above is passed over */
#define STALE_SAS_TRIES 5
#define STALE_SAS_WAIT_MS 2000 /* between two tries of one */

struct stale_sas; /* owned by the caller */

struct stale_sas *stale_sas_new(void); /* NULL: out of memory */
void stale_sas_free(struct stale_sas *stale_sas);
/* In place of one with the same cookies. ctx: a struct stale_sas; a bridge_entry_fn. */
void stale_sas_add(void *ctx, const struct bridge_entry *entry);
size_t stale_sas_count(const struct stale_sas *stale_sas);
void stale_sas_each(const struct stale_sas *stale_sas, bridge_entry_fn *fn, void *ctx);

/* The next one to be asked of the stack, if none is under way; then stale_sas_result(). bridge (may be NULL): a client that is in it again is
 * not to lose a new ISAKMP SA that cannot be told from the old one. */
bool stale_sas_next(struct stale_sas *stale_sas, uint64_t now_ms, const struct bridge *bridge,
		    struct stack_end_request *out);
/* What the stack said: error 0, or it will be asked again. False: that was the last try. */
bool stale_sas_result(struct stale_sas *stale_sas, uint64_t now_ms, int error);
/* Whether this is the id of a request of stale_sas_next(). */
bool stale_sas_is(uint64_t id);

#endif
