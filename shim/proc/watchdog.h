/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that watches whether the daemon still turns. A daemon that hangs holds up the packets in its queue, and with them
 * every client's first message; a dead one holds up nothing, because the kernel lets them by. So one that gives no sign of life
 * for WATCHDOG_S seconds is killed. */
#ifndef NATSHIM_SHIM_PROC_WATCHDOG_H
#define NATSHIM_SHIM_PROC_WATCHDOG_H

#include <sys/types.h>

#define WATCHDOG_S 10 /* longer than any honest pause, shorter than any client's patience (33 s: old Macs) */

struct watchdog {
	int socket; /* -1: none */
	pid_t process;
};

/* Forks; before anything else is opened. 0 or -errno. */
int watchdog_start(struct watchdog *watchdog);
void watchdog_feed(const struct watchdog *watchdog); /* at least every other second */
void watchdog_stop(struct watchdog *watchdog);

#endif
