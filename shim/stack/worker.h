/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker process of shim/stack: the messages on its socket pair, one enum value for each operation, and its loop.
 * Messages are fixed structures in sequenced packets between two processes of one program. Its parent (shim/proc/parent.h)
 * starts the worker, and another one when it dies. */
#ifndef NATSHIM_SHIM_STACK_WORKER_H
#define NATSHIM_SHIM_STACK_WORKER_H

#include "shim/stack/stack.h"

enum stack_operation { STACK_DO_DETECT, STACK_DO_LIST, STACK_DO_END, STACK_DO_WARM, STACK_OPERATIONS };

struct stack_request {
	uint32_t sequence; /* comes back with the answer */
	enum stack_operation operation;
	struct endpoint peer;         /* STACK_DO_LIST, STACK_DO_WARM */
	struct stack_end_request end; /* STACK_DO_END */
};

enum stack_answer_kind {
	STACK_DETECTED,
	STACK_IKE_SA,
	STACK_LISTED,
	STACK_ENDED,
	STACK_WARMED,
	STACK_WORKER, /* of its parent, unasked: a worker begins, or has died */
	STACK_ANSWERS
};

struct stack_answer {
	uint32_t sequence; /* but STACK_IKE_SA and STACK_WORKER */
	enum stack_answer_kind kind;
	int error;
	char text[STACK_TEXT_MAX];
	enum stack_kind stack;      /* STACK_DETECTED */
	struct endpoint peer;       /* STACK_LISTED, STACK_WARMED */
	uint64_t id;                /* STACK_ENDED */
	struct stack_ike_sa ike_sa; /* STACK_IKE_SA */
	pid_t worker;               /* STACK_WORKER; 0: died */
};

/* The worker: answers on the helper's socket until the other end closes it. ctx: struct stack_options. Its parent's confinement is its own
 * (CONFINE_PARENT): programs of others need what that leaves. */
void worker_process(const void *ctx);
/* Of its parent (struct parent_role). */
int worker_tell(int fd, pid_t process);

#endif
