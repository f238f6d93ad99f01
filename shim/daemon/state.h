/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a restart needs, as small text files in the state directory (under /run: gone with a reboot, as it should be).
 * Times are CLOCK_BOOTTIME in ms, so that a jump of the wall clock changes nothing. Written whole by shim/proc/files.c. */
#ifndef NATSHIM_SHIM_DAEMON_STATE_H
#define NATSHIM_SHIM_DAEMON_STATE_H

#include "shim/alias/alias.h"
#include "shim/bridge/bridge.h"
#include "shim/ike/exchange.h"
#include "shim/l2tp/quirks.h"

#include <stdio.h>
#include <sys/types.h>

/* Makes the directory (0755) if it is not there. 0 or -errno. */
int state_prepare(const char *dir);
/* Takes the directory for this process, until it ends or closes the descriptor returned; before anything in it is changed. Or
 * -errno: -EBUSY when another process has it, *holder being its id (0: not known). */
int state_lock(const char *dir, pid_t *holder);

/* The peers whose dialect is known: "peers", one "ENDPOINT DIALECT LAST-SEEN [alone]" a line. Reading: 0 or -errno; a missing
 * file is 0 peers. An invalid line is ignored and counted in *bad. */
void state_write_peers(FILE *out, const struct ike_table *table, uint64_t now_ms);
int state_load_peers(const char *dir, struct ike_table *table, uint64_t now_ms, unsigned *restored,
		     unsigned *bad);

/* The L2TP tunnels: "tunnels", one l2tp_state_text() a line, age included, with the time of writing in the header. */
void state_write_tunnels(FILE *out, const struct l2tp_table *table, uint64_t now_ms);
int state_load_tunnels(const char *dir, struct l2tp_table *table, uint64_t now_ms, unsigned *restored,
		       unsigned *bad);

/* Who has which alias: "aliases", one line of alias_each_text() each, with the time of writing in the header. Reading: as below, and a line
 * that makes no sense is passed over and counted in *bad. */
void state_write_aliases(FILE *out, const struct alias_table *table, uint64_t now_ms);
int state_load_aliases(const char *dir, struct alias_table *table, uint64_t now_ms, unsigned *restored,
		       unsigned *bad);

/* The bridged sessions: "bridged", one state_bridged_text() a line. A later line with the same cookies stands in place of an
 * earlier one, so a line can be appended. Reading: another owner's file, or one that others may write, is refused (-EPERM). */
#define STATE_BRIDGED_HEADER "natshim bridged 1\n"
#define STATE_BRIDGED_MAX 400 /* bytes of a line, its end included */
const char *state_bridged_text(const struct bridge_entry *entry, char out[static STATE_BRIDGED_MAX]);
int state_load_bridged(const char *dir, bridge_entry_fn *fn, void *ctx, unsigned *bad);

#endif
