/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processes that natshim consists of: natshim itself, which is their parent, natshim-packets, which runs shim/daemon/daemon.c, and
 * the helpers. docs/security.md says what each of them may do. */
#ifndef NATSHIM_SHIM_DAEMON_PROCESSES_H
#define NATSHIM_SHIM_DAEMON_PROCESSES_H

#include "shim/config.h"
#include "shim/log.h"
#include "shim/proc/parent.h"
#include "shim/stack/stack.h"

/* Places in struct parent's roles, and in its near ends. */
enum process_role { PROCESS_FILES, PROCESS_SECRETS, PROCESS_XFRM, PROCESS_STACK };

struct processes {
	struct parent parent;
	struct stack_options stack;
	int lock;   /* on the state directory; negative: none */
	int notify; /* systemd's socket; -1: none */
};

/* Locks the state directory and forks, before anything else is opened. 0: this is natshim-packets, which has the near ends; its
 * process id: this is the parent; negative: neither, and log has said why. config must outlive all. */
pid_t processes_split(struct processes *processes, const struct config *config, struct log *log);
/* In the parent, until all others have ended. The exit status; or it ends as natshim-packets did, by the same signal. */
int processes_watch(struct processes *processes, struct log *log);

#endif
