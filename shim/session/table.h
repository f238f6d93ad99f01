/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the session table: its records and the ways to find them. Only the files of shim/session include
 * this. table.c keeps the records and their indexes, deadline.c the order of their deadlines, rules.c says
 * when a session ends, session.c takes in the facts, action.c hands out what is to be done. */
#ifndef NATSHIM_SHIM_SESSION_TABLE_H
#define NATSHIM_SHIM_SESSION_TABLE_H

#include "shim/session/pool.h"
#include "shim/session/session.h"

#define NO_TIME UINT64_MAX

/* By which a session is found: all but the last by the address that the server sees. Indexes are chains of sessions, newest first. */
enum table_index { BY_ENDPOINT, BY_L2TP, BY_ADDRESS, TABLE_INDEXES };

#define GENERATION_BITS 15

/* 32 bytes: there are two of them for each session. */
struct sa {
	uint32_t spi, session;
	uint32_t next_in_bucket, next_of_session; /* SA indexes */
	uint64_t bytes;
	uint64_t packets : 63 - GENERATION_BITS;
	uint64_t outbound : 1;
	uint64_t generation : GENERATION_BITS; /* table_generation() of the last dump that showed it */
};

enum rival { NO_RIVAL, RIVAL_SAME_ENDPOINT, RIVAL_SAME_ADDRESS_ID, RIVAL_SAME_ID };

struct session {
	uint64_t id;
	struct endpoint us, peer;
	struct endpoint host; /* the real address, port 0 */
	uint16_t l2tp_port;
	uint8_t profile, state, reason, attempts;
	uint8_t rival : 2;   /* enum rival: the same client has a newer session, and how that is known */
	uint8_t pending : 6; /* bits of enum session_action_kind that wait to be handed out */
	uint8_t id_is_address : 1;  /* identity is that of an IP address */
	uint8_t started : 1;        /* SESSION_STARTED was said */
	uint8_t hello_absorbed : 1; /* see the view */
	uint8_t gone : 1;           /* no SA left: waits for SESSION_ENDED to be handed out */
	uint8_t in_line : 1;        /* stands in the line of actions */
	uint8_t waits : 1;          /* a time-out is over: ended if the next sample shows no life */
	uint8_t taken_back : 3;     /* SESSION_KEPT waits: the end that was */
	uint16_t sas_in, sas_out;
	uint32_t reqid;
	uint32_t first_sa;      /* newest first */
	uint32_t in_generation; /* dump in which inbound packets were seen */
	uint32_t next_action, due_slot;
	struct {
		uint32_t next, prev;
	} link[TABLE_INDEXES];
	uint64_t since, last_life, last_own, last_payload;
	uint64_t renewed;    /* the client's newest inbound SA was installed; 0: before natshim looked */
	uint64_t unanswered; /* when the first packet went out that nothing came back for; NO_TIME */
	uint64_t at;         /* closing, ending, failed: when the next step is due */
	uint64_t due;        /* when the rules must look again; never later than they would act */
	uint64_t identity;
	uint64_t bytes_in, bytes_out;
	char *error;
};

struct identify {
	struct endpoint peer;
	uint64_t at;
	unsigned tries;
	bool asked; /* the action waits to be handed out */
};
#define IDENTIFY_MAX 64

_Static_assert(SESSION_ENDS <= 1 << 3 && SESSION_KEEP_WARM < 6 && RIVAL_SAME_ID < 1 << 2,
	       "the bit fields hold them");

#define GONE_MAX 64

struct session_table {
	struct session_config config;
	struct session_marks marks;
	void *marks_ctx;
	session_stay_fn *on_stay;
	void *stay_ctx;
	struct pool sessions, sas;
	uint32_t *buckets[TABLE_INDEXES], *sa_buckets;
	size_t bucket_count, sa_bucket_count; /* powers of two */
	uint32_t *due;                        /* binary heap of session indexes, from 1 */
	size_t due_count, due_capacity;
	uint32_t first_action, last_action;
	uint32_t generation;
	bool dumping;
	bool looked;  /* one dump was whole */
	bool waiting; /* some sessions do */
	uint64_t sampled_at, sample_asked_at;
	/* SAs whose end was told while a dump runs: it may still show them. With more of them than this, nothing new is
	 * believed of that dump. */
	struct gone_sa {
		struct endpoint peer;
		uint32_t spi;
		bool outbound;
	} gone[GONE_MAX];
	size_t gone_count;
	uint64_t serial;
	struct identify identify[IDENTIFY_MAX];
	size_t identify_count;
	struct session_stats stats;
	size_t live; /* sessions that are not gone */
};

/* table.c */
struct session *table_session(const struct session_table *table, uint32_t index);
struct sa *table_sa(const struct session_table *table, uint32_t index);
/* As SAs keep it. None goes unseen for so many dumps that it could be mistaken: the first one that does not show it ends it. */
unsigned table_generation(const struct session_table *table);
uint32_t table_add_session(struct session_table *table,
			   const struct sa_info *sa); /* 0: full or out of memory */
void table_unlink(struct session_table *table,
		  uint32_t session); /* not found any more; still there by its index */
void table_free_session(struct session_table *table, uint32_t session);
void table_move(struct session_table *table, uint32_t session,
		const struct endpoint *peer); /* a new NAT mapping */
/* First of a chain, and the next one; 0: no more. match_next skips what only shares the bucket. */
uint32_t table_first(const struct session_table *table, enum table_index index, const struct endpoint *peer,
		     uint16_t l2tp_port);
uint32_t table_next(const struct session_table *table, enum table_index index, uint32_t session);
uint32_t table_find_sa(const struct session_table *table, const struct endpoint *peer, uint32_t spi,
		       bool outbound);
uint32_t table_add_sa(struct session_table *table, uint32_t session,
		      const struct sa_info *sa); /* 0: out of memory */
void table_remove_sa(struct session_table *table, uint32_t sa);

/* marks.c: called after the change, but before an SA or a session goes. */
void marks_sa(const struct session_table *table, uint32_t sa, bool there);
void marks_session(const struct session_table *table, uint32_t session, bool there);

/* deadline.c */
int deadline_add(struct session_table *table, uint32_t session); /* by session.due; 0 or -1: out of memory */
void deadline_remove(struct session_table *table, uint32_t session);
void deadline_set(struct session_table *table, uint32_t session, uint64_t due);

/* action.c */
void action_push(struct session_table *table, uint32_t session, enum session_action_kind kind);
void action_take_back(struct session_table *table, uint32_t session, enum session_action_kind kind);

/* view.c */
struct session_view view_of(const struct session_table *table, uint64_t now_ms,
			    const struct session *session);

/* rules.c */
struct rule_answer {
	enum session_end reason;
	uint64_t at; /* NO_TIME: never */
};
/* Which rule would end this session first if nothing more happened. Only for NEW and UP. */
struct rule_answer rules_next_end(const struct session_table *table, const struct session *session);
uint32_t rules_supersede_after(const struct session_table *table, const struct session *session);

/* NO_TIME: not wanted */
uint64_t rules_keep_warm_at(const struct session_table *table, const struct session *session);

#endif
