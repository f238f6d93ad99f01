/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saves the tables that must outlive a restart in the state directory: peers, tunnels, bridged clients (formats: shim/daemon/state.h).
 * Loads them at the start, writes what has changed once a second, and appends a bridged client at once: natshim may be killed
 * right after the message that makes its SAs. Another process does the writing (shim/proc/files.h). */
#ifndef NATSHIM_SHIM_DAEMON_JOURNAL_H
#define NATSHIM_SHIM_DAEMON_JOURNAL_H

#include "shim/bridge/bridge.h"
#include "shim/daemon/stale_sas.h"
#include "shim/ike/exchange.h"
#include "shim/l2tp/quirks.h"
#include "shim/log.h"
#include "shim/proc/files.h"

struct journal; /* owned by the caller */

/* The tables that are loaded and saved; all but the log and the process belong to the caller and outlive the journal. */
struct journal_tables {
	struct ike_table *ike;
	struct l2tp_table *l2tp;
	struct bridge *bridge; /* NULL: without --bridge */
	struct stale_sas *stale_sas;
};

/* Fills the tables from the directory; what cannot be read is logged. NULL: out of memory. */
struct journal *journal_open(const char *dir, struct log *log, struct files *files,
			     const struct journal_tables *tables);
void journal_close(struct journal *journal); /* writes what has changed; NULL: nothing */

/* The peers or the tunnels have changed: written by the next tick. */
void journal_peers_changed(struct journal *journal);
void journal_tunnels_changed(struct journal *journal);
/* Writes the tunnels now, if they have changed. */
void journal_save_tunnels(struct journal *journal);
/* Before a message of the exchange with this initiator cookie goes on: appends its ISAKMP SA if it, or any, has changed. */
void journal_append_bridged(struct journal *journal, const uint8_t cookie[static IKE_COOKIE_LEN]);
/* Once a second: writes what has changed. */
void journal_tick(struct journal *journal);
/* The result of a write: 0 or -errno. Other targets than the journal's are ignored. */
void journal_saved(struct journal *journal, enum files_target target, int error);
/* The process that writes has died: the next tick writes everything again. */
void journal_write_again(struct journal *journal);

#endif
