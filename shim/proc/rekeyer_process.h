/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of shim/proc/rekeyer: the messages on its two socket pairs, and the process at the other end, which has the
 * XFRM sockets over which SAs are watched and changed. Over one pair go requests and their answers, over the
 * other facts of the kernel's SAs, so that neither waits for the other. Structures in sequenced packets between processes of one
 * program; both ends check what comes in. No fact has a key in it. */
#ifndef NATSHIM_SHIM_PROC_REKEYER_PROCESS_H
#define NATSHIM_SHIM_PROC_REKEYER_PROCESS_H

#include "shim/session/sa.h"
#include "shim/xfrm/rekey.h"
#include "shim/xfrm/monitor.h"

#include <sys/types.h>

enum rekey_operation {
	REKEY_DO_KEYS, /* rekey_sa(): change */
	REKEY_DO_LOOK, /* rekey_look(): spis towards change.destination */
	REKEY_DO_DUMP, /* has no answer but the facts of a dump */
	REKEY_OPERATIONS
};

struct rekey_request {
	uint32_t sequence; /* comes back with the answer */
	enum rekey_operation operation;
	struct rekey_change change;
	uint8_t spi_count;
	uint8_t spis[REKEY_LOOK_MAX][4]; /* network order */
};

enum rekey_answer_kind {
	REKEY_DONE,  /* to a request: error, before */
	REKEY_READY, /* unasked: a process begins; error: it could not, and there will be none */
	REKEY_DEATH, /* of its parent, unasked: the process has died */
	REKEY_ANSWERS
};

struct rekey_answer {
	uint32_t sequence; /* REKEY_DONE */
	enum rekey_answer_kind kind;
	int error; /* 0 or -errno */
	struct esp_sa before;
};

enum sa_fact_kind {
	SA_FACT_SA,         /* sa: new, changed, or out of a dump */
	SA_FACT_GONE,       /* sa: deleted or expired */
	SA_FACT_MOVED,      /* sa's peer is behind another address or port, from: as in xfrm_handlers */
	SA_FACT_DUMP_BEGIN, /* at_ms */
	SA_FACT_DUMP_END,   /* error: incomplete */
	SA_FACT_LOST,       /* events were; a dump follows */
	SA_FACT_BEGAN,      /* a process begins; what the one before it had begun to tell is over */
	SA_FACT_ERROR,      /* error: the kernel's answer could not be read */
	SA_FACTS
};

struct sa_fact {
	enum sa_fact_kind kind;
	int error;      /* 0 or -errno */
	uint64_t at_ms; /* clock_now_ms() */
	struct sa_info sa;
	struct endpoint from;
};

/* A message: only the first count facts are sent. */
#define SA_FACTS_MAX 64
struct sa_facts {
	struct xfrm_stats stats; /* as they are now */
	uint32_t count;
	struct sa_fact facts[SA_FACTS_MAX];
};
static inline size_t sa_facts_size(uint32_t count)
{
	return offsetof(struct sa_facts, facts) + count * sizeof(struct sa_fact);
}
/* Whether a message of length bytes is whole, and each of its facts can be meant. */
bool sa_facts_sound(const struct sa_facts *facts, size_t length);

/* Whether it can be meant. */
bool rekey_request_sound(const struct rekey_request *request);

/* The process: answers and tells on the helper's two sockets, until the other end closes them. ctx: nothing. */
void rekeyer_process(const void *ctx);
/* Of its parent (struct parent_role). */
int rekeyer_tell_death(int fd, pid_t process);

#endif
