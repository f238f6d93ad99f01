/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VPN stack beside which natshim runs, seen as something that can be asked for its SAs and told to end a
 * session.
 *
 * Everything that may block or needs root happens in a process of its own, the worker: it takes typed
 * requests from a socket pair, one enum value for each privileged operation, and answers in the same way. So
 * a hanging whack never holds up the packet path. It decides nothing. The backends (libreswan.c,
 * strongswan.c, xfrm.c) run inside the worker. */
#ifndef NATSHIM_SHIM_STACK_STACK_H
#define NATSHIM_SHIM_STACK_STACK_H

#include "nfq/endpoint.h"
#include "shim/proc/parent.h"

#include <sys/types.h>

#define STACK_TEXT_MAX 200 /* the stack's own words, cut to this */
#define STACK_ID_MAX 128
#define STACK_SAS_MAX 16
#define STACK_REQUESTS_MAX 256 /* that may be under way */
#define STACK_NOTHING 1        /* in place of an error: all that was to end had gone by itself */

enum stack_kind { STACK_AUTO, STACK_LIBRESWAN, STACK_STRONGSWAN, STACK_XFRM, STACK_KINDS };
const char *stack_kind_name(enum stack_kind kind); /* "auto", "libreswan", "strongswan", "xfrm" */

struct stack_options {
	enum stack_kind kind;
	const char *ipsec_path; /* program; NULL: /usr/sbin/ipsec */
	const char *vici_path;  /* socket; NULL: /run/charon.vici, else /var/run/charon.vici */
	const char *pluto_ctl;  /* socket; NULL: /run/pluto/pluto.ctl */
	unsigned timeout_ms;    /* of one command or one answer; 0: 5000 */
	/* 1 + a descriptor whose other end is closed when nobody waits any more; the worker sets it */
	int hangup_fd;
};

struct stack_sa_ref {
	uint32_t spi; /* host order */
	bool outbound;
};

/* What is to go: these SAs, by the stack's own means, then their IKE SA if it has no other child. With ike_sa_too also the one with
 * these cookies, even if it has none of these SAs; libreswan does not tell cookies, so there it is each childless one of exactly
 * this peer's address and port. With quick_too also what this peer's address and port have left half-way: libreswan 5 refuses every
 * Quick Mode of a connection instance until such a one has timed out; strongSwan has none (it keeps them within the IKE SA). */
struct stack_end_request {
	uint64_t id; /* comes back with the answer */
	struct endpoint us, peer;
	uint32_t reqid;
	bool ike_sa_too, quick_too;
	uint8_t cookies[16]; /* the initiator's, the responder's */
	uint32_t sa_count;   /* <= STACK_SAS_MAX */
	struct stack_sa_ref sas[STACK_SAS_MAX];
};

/* One established IKE SA with the inbound SPIs of its children. */
struct stack_ike_sa {
	struct endpoint peer;  /* address and IKE port */
	uint64_t number;       /* state number (libreswan), unique id (strongSwan): grows with time */
	char id[STACK_ID_MAX]; /* the peer's phase-1 ID as the stack prints it; "" not known */
	uint32_t child_count;  /* of all its children; spis holds the first STACK_SAS_MAX */
	uint32_t spis_in[STACK_SAS_MAX]; /* host order */
};

/* Each may be NULL. error: 0 or -errno, for ended also STACK_NOTHING; text: "" or what the stack said about it. Valid during the
 * call. */
struct stack_handlers {
	void (*detected)(void *ctx, enum stack_kind kind, int error, const char *text);
	void (*ike_sa)(void *ctx, const struct stack_ike_sa *sa);
	void (*listed)(void *ctx, const struct endpoint *peer, int error, const char *text);
	void (*ended)(void *ctx, uint64_t id, int error, const char *text);
	void (*warmed)(void *ctx, const struct endpoint *peer, int error, const char *text);
	void (*gone)(void *ctx); /* there will be no worker any more; the descriptor is about to be closed */
};

struct stack; /* owned by the caller */

/* The worker, and the near end: socket is that of the role's first, and belongs to it from now on. 0 or -errno. options must outlive
 * the worker. */
struct parent_role stack_role(const struct stack_options *options);
int stack_open(struct stack **out, int socket, const struct stack_handlers *handlers, void *ctx);
void stack_close(struct stack *stack); /* the worker ends; what it still had to do is dropped */

/* Readable: call stack_read. -1 when it is gone. */
int stack_fd(const struct stack *stack);
/* Hands all answers that are there to the handlers; never blocks. 0; -EPIPE when the worker had died: every
 * request it had was answered with an error, and another worker begins within a second; -ENOTCONN when there
 * will be none any more, because its parent is gone. */
int stack_read(struct stack *stack);

/* Requests; none blocks. 0, -EAGAIN when too many wait already, or -EPIPE without a worker. */
int stack_detect(struct stack *stack);                            /* -> detected */
int stack_list(struct stack *stack, const struct endpoint *peer); /* -> ike_sa ..., listed; port ignored */
int stack_end(struct stack *stack, const struct stack_end_request *request); /* -> ended */
int stack_warm(struct stack *stack,
	       const struct endpoint *peer);   /* an ICMP echo to its PPP address -> warmed */
pid_t stack_worker(const struct stack *stack); /* for tests and for status */

/* ---- what a backend is; all of it runs in the worker and may block for options.timeout_ms
 * ---------------------- */

struct stack_report { /* how a backend hands out what it finds */
	void *ctx;
	void (*ike_sa)(void *ctx, const struct stack_ike_sa *sa);
};
struct stack_backend {
	enum stack_kind kind;
	/* 0 when this stack runs here, else -errno. */
	int (*detect)(const struct stack_options *options, char text[static STACK_TEXT_MAX]);
	/* peer NULL: all. */
	int (*list)(const struct stack_options *options, const struct endpoint *peer,
		    const struct stack_report *report, char text[static STACK_TEXT_MAX]);
	/* 0: gone. STACK_NOTHING: was not there any more. */
	int (*end)(const struct stack_options *options, const struct stack_end_request *request,
		   char text[static STACK_TEXT_MAX]);
};
extern const struct stack_backend stack_libreswan, stack_strongswan, stack_xfrm;

#endif
