/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The UNIX socket that status, drop, alias and stop speak to: both of its ends. One request and one answer a connection, small
 * and typed; what a client sends, or does not send, can hold up nobody but itself.
 *
 *   request:  version (1 byte, 1), operation (1 byte), length of the argument (2 bytes), argument (text)
 *   answer:   version (1 byte, 1), status (1 byte: 0 done, 1 failed), 0 (2 bytes), length (4 bytes), text
 *
 * Numbers are big-endian. The text is JSON after CONTROL_STATUS, a sentence otherwise. */
#ifndef NATSHIM_SHIM_DAEMON_CONTROL_H
#define NATSHIM_SHIM_DAEMON_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#define CONTROL_ARGUMENT_MAX 128 /* bytes */
#define CONTROL_CLIENTS_MAX 16   /* more wait in the kernel's backlog */
#define CONTROL_TIMEOUT_S 5      /* for a whole request, and for taking an answer */
#define CONTROL_ERROR_MAX 256

enum control_operation { CONTROL_STATUS = 1, CONTROL_DROP, CONTROL_STOP, CONTROL_ALIAS, CONTROL_OPERATIONS };

struct control_reply;
/* The next piece of work for an answer that takes longer than the rest of the daemon should wait; false: it is done, and *reply is the
 * answer. */
typedef bool control_more_fn(void *job, struct control_reply *reply);
struct control_reply {
	bool ok;
	char *text;    /* malloc'ed by the handler, freed by the server */
	size_t length; /* of a long text; 0: to be counted */
	/* Set by the handler in place of text: more is called again and again, with everybody else's turn in between, and end once, when it
	 * is done or nobody waits for it any more. */
	void *job;
	control_more_fn *more;
	void (*end)(void *job);
};
typedef void control_handler(void *ctx, enum control_operation operation, const char *argument,
			     struct control_reply *reply);

struct event_base;
struct control_server;

/* Listens at path, mode 0660, group as named (NULL: as it is). 0 or -errno with a reason in error: -EADDRINUSE when
 * another daemon answers there; a socket that nobody answers at is replaced. */
int control_listen(struct control_server **out, struct event_base *base, const char *path, const char *group,
		   control_handler *handler, void *ctx, char error[static CONTROL_ERROR_MAX]);
void control_close(struct control_server *server); /* removes the socket; an open answer is not finished */

/* The client's side, blocking. 0 with *text (caller frees), or -errno with the reason in error. -ECONNREFUSED or
 * -ENOENT: nobody runs there. */
int control_ask(const char *path, enum control_operation operation, const char *argument, char **text,
		char error[static CONTROL_ERROR_MAX]);

#endif
