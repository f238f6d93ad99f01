/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's SAs in the running daemon: asks natshim-xfrm (shim/proc/rekeyer.h), and carries its facts to the sessions
 * (sessions.h), to bridge mode (bridge_mode.h) and to the aliases (aliases.h). Decides nothing. */
#ifndef NATSHIM_SHIM_DAEMON_SAS_H
#define NATSHIM_SHIM_DAEMON_SAS_H

#include "shim/daemon/aliases.h"
#include "shim/daemon/bridge_mode.h"
#include "shim/config.h"
#include "shim/log.h"
#include "shim/proc/rekeyer.h"
#include "shim/daemon/sessions.h"

struct event_base;
struct sas; /* owned by the caller */

/* sockets: natshim-xfrm's. NULL in *out, and true, where nobody needs it: with --stack none and no --bridge, or, which
 * is logged, in a kernel without XFRM. False: with --bridge no kernel is without; one line in error. */
bool sas_open(struct sas **out, const struct config *config, const int sockets[static REKEYER_SOCKETS],
	      struct log *log, char error[static CONFIG_ERROR_MAX]);
/* Joins the event loop. sessions (may be NULL), bridge_mode and aliases (may be NULL) stay the caller's and must outlive it. 0 or -errno. */
int sas_start(struct sas *sas, struct event_base *loop, struct sessions *sessions,
	      struct bridge_mode *bridge_mode, struct aliases *aliases);
void sas_close(struct sas *sas);

/* For requests; NULL: there is no such process. */
struct rekeyer *sas_rekeyer(const struct sas *sas);

#endif
