/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that the service manager knows, natshim itself: it parses nothing. It starts the process that parses packets and the
 * helper processes (shim/proc/helper.h), starts another helper when one dies, hands on signals, and kills the process of the packets
 * when that hangs: a hanging one holds up the packets in its queue, a dead one holds up nothing, because the kernel lets them by.
 *
 * It has the far end of each helper's sockets and hands it to each successor, so the near end, which the process of the packets has,
 * never changes. What it hears are single bytes of the process of the packets, and five at most of a helper that takes_over. When it
 * dies, however that is, the kernel kills the process of the packets, and the helpers end with their sockets. */
#ifndef NATSHIM_SHIM_PROC_PARENT_H
#define NATSHIM_SHIM_PROC_PARENT_H

#include "shim/proc/helper.h"

#define PARENT_ROLES_MAX 4
#define PARENT_WATCHDOG_S                                                                                    \
	10 /* longer than any honest pause, shorter than any client's patience (33 s: old Macs) */

/* A helper: how it is started, and how the near end learns of it. */
struct parent_role {
	const char *name; /* what ps shows, at most 15 bytes */
	unsigned sockets; /* at most HELPER_SOCKETS_MAX, from HELPER_FD on; 0: there is no such helper */
	helper_run *
		/* ends with status 0 when it is not needed any more; with any other it is started again */
		run;
	const void *ctx;
	/* Sends to the near end, by way of the far end of the first socket and without waiting, that a process begins (its id) or has
	 * died (0). 0 or -errno; a death that finds no room is told later, and no other one begins before. May be NULL. */
	int (*tell)(int fd, pid_t process);
	unsigned end_ms; /* that it may take to end by itself; then it is killed */
	/* It has a further socket behind its own, for words with this process: parent_wait_for_turn(), parent_ask_for_successor(). */
	bool takes_over;
};

/* Of the process of the packets to this one; each of them is a sign of life, wanted at least every other second. */
enum parent_word { PARENT_ALIVE = 'a', PARENT_READY = 'r', PARENT_RELOADING = 'l', PARENT_STOPPING = 's' };
/* And back. */
enum parent_order { PARENT_RELOAD = 'h', PARENT_STOP = 't' };

struct parent {
	struct parent_role roles[PARENT_ROLES_MAX];
	int near[PARENT_ROLES_MAX][HELPER_SOCKETS_MAX]; /* in the process of the packets: its ends; else -1 */
	int far[PARENT_ROLES_MAX][HELPER_SOCKETS_MAX];  /* in this one */
	int channel;                                    /* in each of the two: its end */
	pid_t packets;
	void (*heard)(void *ctx, enum parent_word word); /* in this process; may be NULL */
	void *ctx;
};

/* roles, heard and ctx are set. Forks, before anything is opened: 0 in the new process, whose name that is and to which the near
 * ends belong; its process id in this one; or -errno. */
pid_t parent_split(struct parent *parent, const char *name);
/* Its first half, for tests: all socket pairs; channel has the end of this one, and *theirs the other. A parent whose packets is 0 has no
 * such process to see to, and ends when *theirs is closed. 0 or -errno. */
int parent_pairs(struct parent *parent, int *theirs);
/* In this process: starts the helpers and sees to all of them until the process of the packets has ended and they have. Its status, as
 * of waitpid(). */
int parent_watch(struct parent *parent);
/* In the process of the packets. */
void parent_tell(const struct parent *parent, enum parent_word word);

/* In a helper that takes_over, whose words socket is fd. Its first act; *sequence: of the request for it, or 0. False: nobody is there. */
bool parent_begin(int fd, uint32_t *sequence);
/* It can take over: waits until its predecessor is gone, since both have the same sockets. False: it is not to. */
bool parent_wait_for_turn(int fd);
/* Has another one started beside this process. If that one gets its turn this process is killed. */
void parent_ask_for_successor(int fd, uint32_t sequence);

#endif
