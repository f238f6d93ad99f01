/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes of our own beside the one that parses packets: each is forked before anything is opened, shares no memory with
 * it afterwards, and speaks over a socket pair of sequenced packets (one message, one operation), or several. It ends when the
 * other end of its socket is closed; the signals that reach a whole group of processes it ignores. */
#ifndef NATSHIM_SHIM_PROC_HELPER_H
#define NATSHIM_SHIM_PROC_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

#define HELPER_FD 3 /* the socket, in the new process, beside stdio, and further ones behind it: nothing else is open there */
#define HELPER_SOCKETS_MAX 2

/* Runs in the new process, which exits with status 0 when it returns. */
typedef void helper_run(const void *ctx);

/* name: what ps shows, at most 15 bytes. The process id, or -errno; *fd is the caller's end (close-on-exec). */
pid_t helper_start(int *fd, const char *name, helper_run *run, const void *ctx);
/* The same with count sockets (at most HELPER_SOCKETS_MAX): fds[i] is the other end of its HELPER_FD + i. */
pid_t helper_start_sockets(int fds[], unsigned count, const char *name, helper_run *run, const void *ctx);
/* In the new process. The next message of exactly that length; others are passed over. False: nobody is at the other end any more. */
bool helper_receive(int fd, void *message, size_t length);
/* At the caller's end, which does not wait: 1 with the next message of exactly that length (others are passed over), 0: there is none,
 * -EPIPE: nobody is at the other end any more. */
int helper_next(int fd, void *message, size_t length);
/* In the new process: runs fn in one of its own, with that name and the same socket, and in another one when it dies, at most one a
 * second, until one ends by itself. news: of each that begins, and 0 when it has died. */
typedef void helper_news_fn(pid_t process);
void helper_keep(const char *name, helper_run *fn, const void *ctx, helper_news_fn *news);

/* After *fd was closed: waits for its end, and kills it when that takes longer. */
void helper_reap(pid_t pid, unsigned timeout_ms);

#endif
