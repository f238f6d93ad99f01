/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes of our own beside the one that parses packets: shim/proc/parent.h starts them. Each shares no memory with the others, and
 * speaks over a socket pair of sequenced packets (one message, one operation), or several. It ends when the other end of its
 * sockets is closed; the signals that reach a whole group of processes it ignores. */
#ifndef NATSHIM_SHIM_PROC_HELPER_H
#define NATSHIM_SHIM_PROC_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The socket, in the new process, beside stdio, and further ones behind it: nothing else is open there. */
#define HELPER_FD 3
#define HELPER_SOCKETS_MAX 2 /* and one for words with its parent (shim/proc/parent.h) */

/* What a new process does; it exits with status 0 when this returns. */
typedef void helper_run(const void *ctx);

/* In a new process, first of all: its name, and no more signals of a group. */
void helper_become(const char *name);
/* Then: its sockets move to HELPER_FD and behind, and everything else but stdio is closed. fds is written to. */
void helper_place(int fds[], unsigned count);

/* Whether recv() is to be called again after this errno: the process was interrupted, or the other end has closed without reading all
 * that was sent to it. What it had sent before comes with the next call. */
bool helper_again(int error);

/* In the new process. The next message of exactly that length; others are passed over. False: nobody is at the other end any more. */
bool helper_receive(int fd, void *message, size_t length);
/* The same with the descriptor that came along: -1, or the caller's to close. */
bool helper_receive_passed(int fd, void *message, size_t length, int *passed);
/* Either end: one message with at most one descriptor (passed: -1, none; stays the caller's). flags as of send(). 0 or -errno. */
int helper_send(int fd, const void *message, size_t length, int passed, int flags);

/* The near end: questions, their answers, and news that nobody asked for. Every question and every answer is a structure that begins
 * with a uint32_t: the question's number (from 1 on), which comes back with the answer. */

#define HELPER_MESSAGE_MAX 1024 /* bytes of an answer */

struct helper_protocol {
	size_t question, answer; /* bytes of each */
	/* After a question without an answer in time no other is asked for so long; 0: they are. */
	unsigned deaf_ms;
	/* Looks at what has come. True: an answer; false: news, which it has dealt with, or nothing that can be meant. */
	bool (*take)(void *owner, void *answer);
	void (*silent)(void *owner); /* a question got no answer in time. May be NULL, as the next two */
	void (*heard)(void *owner);  /* it speaks again after that */
	void (*gone)(void *owner);   /* the other end is closed, and the socket is about to be */
};

struct helper {
	const struct helper_protocol *protocol;
	void *owner;            /* for the functions above */
	int socket;             /* -1: gone */
	bool alive;             /* there is a process that answers; take() keeps it up to date */
	uint32_t sequence;      /* of the last question */
	uint64_t deaf_until_ms; /* 0: not deaf */
};

/* All that has come; never waits. */
void helper_read(struct helper *helper);
/* Sends a question whose answer, if it has one, is left to take(). 0, -EAGAIN: too much waits already, or -EPIPE. */
int helper_post(struct helper *helper, void *question, int passed);
/* Sends a question, and waits for its answer. 0 with the answer (the caller wipes it where there is need), -EPIPE: there is no
 * process, or it has just died; -ETIMEDOUT: no answer, or none is waited for now. passed: a descriptor that came along, -1 or
 * the caller's to close; NULL: none is wanted. */
int helper_ask(struct helper *helper, void *question, void *answer, unsigned wait_ms, int *passed);
/* Waits for the first word that comes, whatever it is. 0, -ETIMEDOUT or -EPIPE. */
int helper_first(struct helper *helper, void *answer, unsigned wait_ms);
/* Closes the socket; the process ends with it. */
void helper_close(struct helper *helper);

#endif
