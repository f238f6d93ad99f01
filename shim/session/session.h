/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of L2TP/IPsec sessions: facts in, time in, actions out.
 *
 * A session is what the kernel's SAs show: an inbound and an outbound SA with the same peer (address, and
 * with NAT the encapsulation port) and the same L2TP port of the client. It ends in one of four ways (enum
 * session_end). The table says what to do; it does nothing itself. Two promises: never a session with life in
 * it, and never another client's behind the same address. Pure: no system call, no clock, no global. Times
 * are ms of any monotonic clock. */
#ifndef NATSHIM_SHIM_SESSION_SESSION_H
#define NATSHIM_SHIM_SESSION_SESSION_H

#include "shim/session/sa.h"

#define SESSION_NEVER UINT32_MAX /* a time-out that is switched off */
#define SESSION_PROFILES 32      /* numbers 0 .. 31 are the caller's: the daemon uses enum ike_dialect */
#define SESSION_SAS_MAX 16       /* SAs named in one action; more of a session follow in the next one */

/* All in ms; SESSION_NEVER: off. */
struct session_profile {
	uint32_t close_grace_ms; /* closed: from the client's StopCCN until the SAs go, by the client's own
				       * Deletes if they come by then. Default 300 */
	uint32_t dead_after_ms;  /* dead: packets go out and nothing comes back. Default 30000 */
	uint32_t dead_after_plain_ms; /* the same without NAT, where no keep-alives tell of life: the LNS'
				       * HELLO (60 s) must have had time to be answered. Default 90000, at
				       * least dead_after_ms */
	uint32_t idle_timeout_ms;     /* idle: no sign of life at all. Default 600000 */
	uint32_t supersede_after_ms;  /* superseded: how long the old session must have been silent; one NAT
				       * keep-alive and a little. Default 22000 */
	uint32_t keep_warm_ms; /* SESSION_KEEP_WARM when the tunnel carried no payload for so long: HELLO, LCP
				* echo and their answers don't count. Default off */
};
#define SESSION_PROFILE_DEFAULT                                                                              \
	{                                                                                                    \
		.close_grace_ms = 300, .dead_after_ms = 30000, .dead_after_plain_ms = 90000,                 \
		.idle_timeout_ms = 600000, .supersede_after_ms = 22000, .keep_warm_ms = SESSION_NEVER        \
	}

struct session_config {
	size_t max_sessions; /* bound of the table; what comes above is not watched, and counted. 0: 131072 */
	struct session_profile profiles[SESSION_PROFILES];
};
void session_config_default(struct session_config *config);

enum session_state {
	SESSION_NEW,     /* one direction only so far */
	SESSION_UP,      /* both directions */
	SESSION_CLOSING, /* the client said goodbye; the grace runs */
	SESSION_ENDING,  /* the stack was told */
	SESSION_FAILED,  /* the stack could not; told again later */
	SESSION_STATES
};
const char *session_state_name(enum session_state state); /* "new", "up", "closing", "ending", "failed" */

enum session_end {
	SESSION_NOT_ENDED,
	SESSION_CLOSED,     /* StopCCN or the last CDN of the client */
	SESSION_DEAD,       /* packets went out, nothing came back */
	SESSION_IDLE,       /* no sign of life */
	SESSION_SUPERSEDED, /* the same client is back with a new phase 1 */
	SESSION_DROPPED,    /* the admin's "natshim drop" */
	SESSION_BY_STACK,   /* the stack took the SAs away itself (Delete, DPD, lifetime, restart) */
	SESSION_ENDS
};
const char *
session_end_name(enum session_end end); /* "closed", "dead", "idle", "superseded", "dropped", "stack" */

struct session_table; /* owned by the caller; not thread-safe */
struct session_table *session_table_new(const struct session_config *config); /* NULL: out of memory */
void session_table_free(struct session_table *table);
/* After a SIGHUP: deadlines follow the new profiles from the next tick on. */
void session_table_configure(struct session_table *table, uint64_t now_ms,
			     const struct session_config *config);

/* What the kernel's sets have to hold for the sessions that are there. Told as it changes, and perhaps again as it was. */
struct session_marks {
	/* L2TP that comes by this inbound SA (SPI in host order), from this address and port inside, is its own client's. */
	void (*l2tp)(void *ctx, uint32_t spi, const struct endpoint *client, bool there);
	/* IKE and NAT keep-alives from here are a session's. */
	void (*endpoint)(void *ctx, const struct endpoint *peer, bool there);
};
/* NULL: nobody wants to know. Called from within the functions below, and must not call them. */
void session_on_marks(struct session_table *table, const struct session_marks *marks, void *ctx);
/* All that is there, once more: after the kernel's sets were emptied. */
void session_tell_marks(const struct session_table *table);

/* Why a session does not end, for the log. */
enum session_stay {
	/* a close that may be of several sessions: view has the address and L2TP port alone */
	SESSION_STAY_AMBIGUOUS,
	SESSION_STAY_OFF,      /* a close, and the profile has no end for that */
	SESSION_STAY_REOPENED, /* within the grace after a close the client opened a tunnel again */
	/* the time-out that was next has been moved by activity since: view has the next one */
	SESSION_STAY_ACTIVE,
	SESSION_STAY_UNKNOWN, /* a time-out is over, and the counters and alive sets are read first */
	SESSION_STAYS
};
struct session_view;
/* NULL: nobody wants to know. Called from within the functions below, and must not call them. */
typedef void session_stay_fn(void *ctx, enum session_stay why, const struct session_view *view);
void session_on_stay(struct session_table *table, session_stay_fn *fn, void *ctx);

/* ---- facts
 * ---------------------------------------------------------------------------------------------------- */

/* A new or changed SA (XFRM_MSG_NEWSA, XFRM_MSG_UPDSA), or one out of a dump, which is the same and carries
 * counters. SAs that are not an L2TP road warrior's are ignored here, so everything may be passed in.
 * profile: for this peer. */
void session_sa(struct session_table *table, uint64_t now_ms, const struct sa_info *sa, unsigned profile);
/* An SA that is gone (deleted, or a hard expiry). Only spi, outbound and the peer's address need to be set.
 */
void session_sa_gone(struct session_table *table, uint64_t now_ms, const struct sa_info *sa);
/* Around a complete dump: what it did not show, and what did not come in meanwhile, is gone. */
void session_dump_begin(struct session_table *table);
void session_dump_end(struct session_table *table, uint64_t now_ms);

/* The counters of all SAs and what the alive sets say, as of began_ms or later, have all been handed in: the answer to
 * SESSION_SAMPLE, and welcome at any time. No time-out ends a session on older knowledge than its own deadline. */
void session_sampled(struct session_table *table, uint64_t began_ms);

/* The peer was seen on UDP 500 or 4500 age_ms ago (the kernel's alive sets): keep-alive or IKE.
 */
void session_alive(struct session_table *table, uint64_t now_ms, const struct endpoint *peer,
		   uint64_t age_ms);

enum session_l2tp {
	SESSION_L2TP_OPEN,  /* SCCRQ or ICRQ of the client: takes back a close that was noted */
	SESSION_L2TP_OTHER, /* any other control message of the client: a sign of life */
	SESSION_L2TP_CLOSE, /* StopCCN, or CDN of the tunnel's last call */
};
/* A HELLO of the LNS was answered for this client: no sign of life, but the view tells it. */
void session_hello_absorbed(struct session_table *table, uint64_t now_ms, const struct endpoint *client);

/* When the newest SA was installed that the client (as in session_l2tp()) sends by. 0: that was before natshim looked, or sessions of
 * several endpoints are at that address and L2TP port. */
uint64_t session_renewed(const struct session_table *table, const struct endpoint *client);

/* A control message of the client, which came by an SA of its session: source address and UDP port as the LNS sees them. */
void session_l2tp(struct session_table *table, uint64_t now_ms, const struct endpoint *client,
		  enum session_l2tp what);

/* First message of an IKE exchange that this peer, by its real address, began: if it has sessions, their identities will be wanted
 * soon. */
void session_phase1_begins(struct session_table *table, uint64_t now_ms, const struct endpoint *peer);

/* The answer to SESSION_IDENTIFY: one call for each established IKE SA of that address, then
 * session_identified(). */
struct session_ike_sa {
	struct endpoint peer;     /* with the port that IKE uses */
	uint64_t number;          /* the stack's own; only for the log */
	uint64_t identity;        /* hash of the peer's phase-1 ID; 0: not known */
	bool identity_is_address; /* the ID is an IP address: behind one NAT no two clients have the same */
	size_t spi_count;
	uint32_t spis_in[SESSION_SAS_MAX]; /* inbound SPIs of its children, host order */
};
void session_ike_sa(struct session_table *table, uint64_t now_ms, const struct session_ike_sa *ike);
void session_identified(struct session_table *table, uint64_t now_ms, const struct endpoint *peer);

/* The admin's word. port 0: every session of that real address; else the one at that endpoint as the server sees it. Returns how many. */
size_t session_drop(struct session_table *table, uint64_t now_ms, const struct endpoint *peer);

/* What came of a SESSION_END. error 0: the stack says done (the SAs' own events remove the session; while
 * they stay it is told again after 2 s). Else it is told again with back-off, 1 s to 60 s; text (may be NULL)
 * is kept for the view. */
void session_end_result(struct session_table *table, uint64_t now_ms, uint64_t id, int error,
			const char *text);

/* ---- time and actions
 * ----------------------------------------------------------------------------------------- */

/* Call at session_next_deadline() or later. Cost: the sessions whose deadline has come, at
 * most 1000 of them; when there are more, the next deadline is in the past and it wants to be called again. */
void session_tick(struct session_table *table, uint64_t now_ms);
uint64_t session_next_deadline(const struct session_table *table); /* UINT64_MAX: none */

enum session_action_kind {
	SESSION_STARTED,   /* for the log: both directions are there */
	SESSION_END,       /* tell the stack: these SAs, and their IKE SA when it has no other child */
	SESSION_ENDED,     /* for the log: gone; reason says why, text the stack's part */
	SESSION_KEPT,      /* for the log: life came back, the end was taken back */
	SESSION_IDENTIFY,  /* ask the stack for the IKE SAs of peer's address */
	SESSION_KEEP_WARM, /* send something through the tunnel of this client */
	SESSION_SAMPLE,    /* of no session: look at counters and alive sets now, then session_sampled() */
};
struct session_action {
	enum session_action_kind kind;
	enum session_end reason;
	uint64_t id; /* of the session; never used again for another */
	struct endpoint us, peer;
	uint16_t l2tp_port; /* the client's */
	uint32_t reqid;
	unsigned attempt; /* SESSION_END: 1 the first time */
	unsigned profile;
	uint64_t age_ms, idle_ms, bytes_in, bytes_out;
	size_t sa_count;
	struct {
		uint32_t spi; /* host order */
		bool outbound;
	} sas[SESSION_SAS_MAX];
};
/* The next thing to do; false: nothing. Call it until false after every fact and every tick. */
bool session_next_action(struct session_table *table, uint64_t now_ms, struct session_action *out);

/* ---- for status
 * ----------------------------------------------------------------------------------------------- */

struct session_view {
	uint64_t id;
	struct endpoint us, peer;
	uint16_t l2tp_port;
	unsigned profile;
	bool nat; /* ESP in UDP */
	enum session_state state;
	enum session_end why; /* why it is ending, or why it will end if nothing happens */
	uint64_t ends_in_ms;  /* UINT64_MAX: nothing will end it */
	uint64_t age_ms, idle_ms,
		silent_ms;        /* since the start, the last sign of life, the last packet of its own SAs */
	uint32_t spi_in, spi_out; /* the newest; 0: none */
	unsigned sa_count;
	uint64_t bytes_in, bytes_out;     /* since the start */
	uint64_t packets_in, packets_out; /* of the SAs that are there */
	bool hello_absorbed;              /* the LNS' HELLOs are answered for this client */
	unsigned attempts;
	const char *error; /* the stack's own words of the last failure, or NULL; valid during the call */
};
typedef void session_view_fn(void *ctx, const struct session_view *view);
/* Every session, in pieces between which the table may change: looks at max places of it at most, from *cursor on (0 at first). Whoever is
 * there all the time is seen once, and nobody twice. False: that was the end. */
bool session_each_of(const struct session_table *table, uint64_t now_ms, uint32_t *cursor, unsigned max,
		     session_view_fn *fn, void *ctx);

/* Whether the server sees anything at that address, with port 0: at any port of it. host: the real address of whoever may be there. */
struct session_life {
	bool lives;
	bool plain;        /* ESP without UDP */
	uint64_t quiet_ms; /* since the last packet of its own SAs; of several sessions the shortest */
};
struct session_life session_life(const struct session_table *table, uint64_t now_ms,
				 const struct endpoint *host, const struct endpoint *peer);
/* Where the server believes the client to be that sends with this SPI; host: its real address. False: nobody there does. */
bool session_of_spi(const struct session_table *table, const struct endpoint *host, uint32_t spi,
		    struct endpoint *peer);

struct session_stats {
	size_t sessions, sas, memory; /* memory: bytes that the table holds */
	uint64_t started, ended[SESSION_ENDS];
	uint64_t failures;  /* ends that the stack could not do */
	uint64_t kept;      /* ends taken back since life returned */
	uint64_t unwatched; /* SAs that did not fit */
	uint64_t ambiguous; /* StopCCNs that could be of several sessions */
};
struct session_stats session_stats(const struct session_table *table);

#endif
