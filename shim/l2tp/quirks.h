/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is repaired in L2TP control messages between a client and its LNS, and what they tell about the
 * session.
 *
 * One call for each datagram. Towards the LNS: an SCCRQ without a Host Name gets one; Apple's Result Code AVP
 * is made valid. Towards the client: the LNS' HELLO can be absorbed (the caller drops it and sends the
 * acknowledgement given in the result), at once or when the client has left one unanswered; from then on the
 * sequence numbers of that tunnel are translated in both directions until it ends (shim/l2tp/tunnel.h says how). Pure: no system call, no clock, no global;
 * fixed bounds on memory. RFC 2661. */
#ifndef NATSHIM_SHIM_L2TP_QUIRKS_H
#define NATSHIM_SHIM_L2TP_QUIRKS_H

#include "nfq/endpoint.h"
#include "shim/l2tp/message.h"

#define L2TP_HOSTNAME_MAX 64                                      /* bytes */
#define L2TP_GROWTH_MAX (L2TP_AVP_HEADER_LEN + L2TP_HOSTNAME_MAX) /* bytes by which a message may grow */

enum l2tp_direction { L2TP_TO_LNS, L2TP_TO_CLIENT };

/* What becomes of the LNS' HELLOs to a client. */
enum l2tp_hello {
	L2TP_HELLO_PASS, /* they go on */
	L2TP_HELLO_LEARN, /* they go on until the LNS has sent L2TP_HELLO_COPIES from the tunnel's beginning and the client has
			    * acknowledged none; what it has not acknowledged by then and all later ones are absorbed */
	L2TP_HELLO_ABSORB, /* all are absorbed */
};
#define L2TP_HELLO_COPIES 3 /* xl2tpd sends five and l2tpns more before they close the tunnel */

/* What was edited (bits), for the log. */
enum l2tp_edit { L2TP_EDIT_HOST_NAME = 1, L2TP_EDIT_RESULT_CODE = 2, L2TP_EDIT_SEQUENCE = 4 };

/* What the caller should do besides sending the message on (bits). */
enum l2tp_action {
	L2TP_ACT_DROP = 1,  /* do not send it on */
	L2TP_ACT_REPLY = 2, /* send result.reply to the LNS, as from the client */
	L2TP_ACT_SAVE =
		4, /* a tunnel's state changed: write the state file (l2tp_table_each). With L2TP_ACT_DROP do
		    * it before the reply goes out, or a crash would break the tunnel */
	L2TP_ACT_HELLO_UNANSWERED =
		16, /* from now on HELLOs are absorbed, for the client leaves them unanswered (L2TP_HELLO_LEARN) */
	L2TP_ACT_WAIT =
		32, /* hold it for L2TP_WAIT_MS, then send it on: an SCCRQ, behind result.stops, that names the tunnel of one of them */
	L2TP_ACT_CLOSED =
		8, /* the client has ended it: StopCCN, or CDN for the tunnel's last session; of a tunnel that is
			      * known, and the client's last one */
};

/* What happened, for the session table; retransmissions show up again. */
enum l2tp_event {
	L2TP_EVENT_NONE,
	L2TP_EVENT_TUNNEL_REQUEST, /* SCCRQ */
	L2TP_EVENT_TUNNEL_UP,      /* SCCCN */
	L2TP_EVENT_SESSION_UP,     /* ICCN */
	L2TP_EVENT_HELLO,
	L2TP_EVENT_SESSION_CLOSED, /* CDN */
	L2TP_EVENT_TUNNEL_CLOSED,  /* StopCCN */
	L2TP_EVENTS
};

struct l2tp_datagram {
	enum l2tp_direction direction;
	struct endpoint client; /* address and port as seen inside IPsec; the same in both directions */
	struct endpoint lns;    /* for the log only: before and behind the DNAT it is not the same */
	uint8_t *message;       /* the UDP payload; rewritten in place */
	size_t length;          /* bytes */
	size_t capacity; /* bytes there are at message; L2TP_GROWTH_MAX more than length is always enough */
	enum l2tp_hello hello;
};

#define L2TP_STOP_LEN                                                                                        \
	38 /* bytes: the header, Message Type, Assigned Tunnel ID, Result Code with an error code */
#define L2TP_STOPS_MAX 8
/* The LNS' acknowledgement of such a StopCCN goes to the client. One that uses the old tunnel's ID again takes it for that of its SCCRQ
 * (RFC 2661 section 5.8: an Nr acknowledges all Ns before it), which it will not repeat. So that one request must not meet the
 * old tunnel: xl2tpd ends it in milliseconds, if its host is not busy. */
#define L2TP_WAIT_MS 2000

struct l2tp_result {
	enum l2tp_reason reason;
	enum l2tp_event event;
	uint16_t message_type; /* enum l2tp_message_type or another of RFC 2661; 0 too where it could not be
				  read */
	bool changed;
	size_t length;    /* of the message now */
	unsigned edits;   /* enum l2tp_edit */
	unsigned actions; /* enum l2tp_action */
	/* As assigned by each side; 0: not known. */
	uint16_t client_tunnel, lns_tunnel, client_session;
	/* With an SCCRQ: to be sent to the LNS, as from the client, before it goes on. A StopCCN for each tunnel that the client has left
	 * behind: it has got new SAs since it was heard there. The LNS would go on with that tunnel, and what comes from its address and
	 * port goes to the oldest one. */
	size_t stop_count;
	uint8_t stops[L2TP_STOPS_MAX][L2TP_STOP_LEN];
	uint8_t reply[L2TP_HEADER_LEN];
	size_t reply_length; /* bytes; 0 without L2TP_ACT_REPLY */
};

/* When the client has got the newest of the SAs that it sends by, by the clock of l2tp_translate(); 0: not known. */
typedef uint64_t l2tp_renewed_fn(void *ctx, const struct endpoint *client);

struct l2tp_config {
	const char *hostname;     /* NULL: "anonymous"; cut at L2TP_HOSTNAME_MAX */
	size_t max_tunnels;       /* bound of the table; the least recently used go first, those with absorbed
				 * HELLOs last, and no client has more than 8. 0: 16384 */
	uint64_t idle_ttl_ms;     /* a tunnel without any control message; 0: 24 h */
	uint64_t closed_ttl_ms;   /* after StopCCN, for retransmissions; 0: 60 s */
	l2tp_renewed_fn *renewed; /* called within l2tp_translate(); NULL: never known */
	void *ctx;
};

struct l2tp_table; /* owned by the caller; not thread-safe */

struct l2tp_table *l2tp_table_new(const struct l2tp_config *config); /* NULL: out of memory */
void l2tp_table_free(struct l2tp_table *table);

/* Never fails: what it does not understand is left as it is and explained by result.reason. now_ms: any
 * monotonic clock. */
struct l2tp_result l2tp_translate(struct l2tp_table *table, uint64_t now_ms, struct l2tp_datagram *d);

/* A tunnel as it is kept across a restart of natshim. A tunnel with absorbed HELLOs whose state is lost
 * cannot go on: the client would see a gap of that many messages. With it, an interruption is bridged by the
 * retransmissions of both ends (about 15 s with xl2tpd). Sequence numbers are the LNS' own, if nothing else
 * is said. */
#define L2TP_ABSORBED_MAX 32
#define L2TP_SESSIONS_MAX 8
struct l2tp_tunnel_state {
	struct endpoint client;
	uint16_t client_tunnel, lns_tunnel; /* one of them may be 0: not known */
	uint16_t lns_next;                  /* one after the newest Ns seen from the LNS */
	uint16_t client_next;               /* the Ns of the client's next message */
	uint16_t client_nr;                 /* the client's newest Nr, as it wrote it */
	uint16_t forgotten;                 /* absorbed HELLOs before those in absorbed[], modulo 65536 */
	uint16_t absorbed_count;
	uint16_t absorbed[L2TP_ABSORBED_MAX]; /* their Ns, ascending */
	uint16_t session_count;
	uint16_t sessions[L2TP_SESSIONS_MAX]; /* as assigned by the client */
	bool from_start;                      /* seen from its SCCRQ on, so sessions[] is all there are */
	bool closed;
	bool heard;      /* client_next and client_nr are known */
	uint64_t age_ms; /* since its last control message */
};

typedef void l2tp_tunnel_fn(void *ctx, const struct l2tp_tunnel_state *state);
void l2tp_table_each(const struct l2tp_table *table, uint64_t now_ms, l2tp_tunnel_fn *fn, void *ctx);
/* Put back one from the state file. False: already too old, not consistent, or out of memory. */
bool l2tp_table_restore(struct l2tp_table *table, uint64_t now_ms, const struct l2tp_tunnel_state *state);

/* One line of text (no newline) for the state file, and back. False: not such a line. */
#define L2TP_STATE_TEXT_MAX 512
const char *l2tp_state_text(const struct l2tp_tunnel_state *state, char out[static L2TP_STATE_TEXT_MAX]);
bool l2tp_state_parse(const char *text, struct l2tp_tunnel_state *out);

struct l2tp_table_stats {
	size_t tunnels;
	uint64_t evicted;  /* tunnels that had to go before their time */
	uint64_t absorbed; /* HELLOs, retransmitted ones included */
};
struct l2tp_table_stats l2tp_table_stats(const struct l2tp_table *table);

#endif
