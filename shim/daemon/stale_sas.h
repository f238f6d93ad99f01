/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SAs of bridged clients of a natshim that was killed. Their keys are lost with it, so neither side can rekey them or delete them by
 * IKE. Bridge mode asks the VPN stack to delete one client's after another; until then they stay in the journal
 * (shim/daemon/journal.h). Makes no system call. */
#ifndef NATSHIM_SHIM_DAEMON_STALE_SAS_H
#define NATSHIM_SHIM_DAEMON_STALE_SAS_H

#include "shim/bridge/bridge.h"
#include "shim/stack/stack.h"

#define STALE_SAS_MAX 8192 /* more are ignored */
#define STALE_SAS_TRIES 5
#define STALE_SAS_WAIT_MS 2000 /* between two attempts for one client */

struct stale_sas; /* owned by the caller */

struct stale_sas *stale_sas_new(void); /* NULL: out of memory */
void stale_sas_free(struct stale_sas *stale_sas);
/* Adds one, or replaces the one with the same cookies. A bridge_entry_fn; ctx: a struct stale_sas. */
void stale_sas_add(void *ctx, const struct bridge_entry *entry);
/* How the stack knows a client of before the restart, where that is not by its own address: changes *client. At once for all that are there. */
typedef void stale_sas_name_fn(void *ctx, struct endpoint *client);
void stale_sas_name(struct stale_sas *stale_sas, stale_sas_name_fn *fn, void *ctx);
size_t stale_sas_count(const struct stale_sas *stale_sas);
void stale_sas_each(const struct stale_sas *stale_sas, bridge_entry_fn *fn, void *ctx);

/* The next request for the stack; false if there is none now, or one has no result yet. Then stale_sas_result(). bridge (may be NULL):
 * a client that has come back keeps its new ISAKMP SA, which the stack cannot tell from the old one. */
bool stale_sas_next(struct stale_sas *stale_sas, uint64_t now_ms, const struct bridge *bridge,
		    struct stack_end_request *out);
/* The stack's answer. error 0: deleted; else natshim asks again. False: that was the last attempt. */
bool stale_sas_result(struct stale_sas *stale_sas, uint64_t now_ms, int error);
/* Whether this is the id of a request of stale_sas_next(). */
bool stale_sas_is(uint64_t id);

#endif
