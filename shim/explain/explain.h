/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens in a capture, told for each client in it: who it is, its exchange as rows of a ladder, where it stops and why. Packets
 * in, a report out; what natshim would have done to them comes from shim/filter.h, as in the daemon. Pure; a capture from the field is
 * hostile: everything has a bound, and what goes beyond it is counted. */
#ifndef NATSHIM_SHIM_EXPLAIN_EXPLAIN_H
#define NATSHIM_SHIM_EXPLAIN_EXPLAIN_H

#include "shim/bridge/bridge.h"
#include "shim/explain/message.h"

#define EXPLAIN_CLIENTS_MAX 64  /* of one capture */
#define EXPLAIN_ATTEMPTS_MAX 32 /* of one client: ISAKMP SAs, also those that come to nothing */
#define EXPLAIN_ROWS_MAX 256    /* of one client, repeats folded */
#define EXPLAIN_PLACES_MAX 8    /* addresses and ports that one client is remembered by */
#define EXPLAIN_QUICK_MAX 8     /* Quick Modes of one attempt */
#define EXPLAIN_PHASE1_MAX 6    /* messages of Main Mode */
#define EXPLAIN_QUICK_MESSAGES 3
#define EXPLAIN_DIRECTIONS 2 /* enum ike_direction */

struct explain_config {
	struct endpoint public_addr4,
		public_addr6;   /* the server's address as clients know it; addr_len 0: no other */
	unsigned bridge_groups; /* of --bridge-groups: DH_GROUP_BIT of each */
};

struct explain_row {
	uint64_t packet;            /* number in the capture, of the first one */
	uint64_t first_ms, last_ms; /* of the capture's clock */
	unsigned times;
	enum ike_direction direction;
	unsigned attempt; /* from 1; 0: of none */
	unsigned phase1;  /* which message of phase 1; 0: none */
	bool on_4500;
	bool informational; /* an encrypted one */
	char *title;        /* one line */
	char *detail;       /* lines; "" none */
	char *change;       /* what natshim would change in it; "" nothing */
	uint64_t digest;
};

struct explain_quick {
	uint32_t id;
	bool by_client;
	unsigned seen[EXPLAIN_QUICK_MESSAGES + 1]; /* by the message's number, from 1 */
};

/* One ISAKMP SA, or the try to get one. */
struct explain_attempt {
	uint8_t cookies[ISAKMP_COOKIES_LEN];
	uint64_t first_ms, last_ms;
	bool ikev2, by_server, from_start;     /* from_start: its first message is in the capture */
	uint8_t mode;                          /* MESSAGE_MAIN, MESSAGE_AGGRESSIVE; 0 not seen */
	unsigned seen[EXPLAIN_PHASE1_MAX + 1]; /* by the message's number, from 1; repeats too */
	struct explain_quick quick[EXPLAIN_QUICK_MAX];
	unsigned quicks;
	unsigned informational[EXPLAIN_DIRECTIONS]; /* encrypted ones */
	unsigned transactions;
	unsigned notification; /* the server's last one in the clear; 0 none */
	/* Of what the client says: */
	enum ike_dialect dialect;
	unsigned vendors, windows, server_vendors;
	struct offer offer;        /* the initiator's */
	enum bridge_reason bridge; /* of its first message, with --bridge */
	bool bridge_asked;
	/* Of the messages with NAT-D, by direction: the payload type, 0 none. */
	uint8_t natd[EXPLAIN_DIRECTIONS];
	enum nat_seen client_nat, server_nat;
	uint8_t hash, group; /* as chosen */
	unsigned ke_length[EXPLAIN_DIRECTIONS];
	bool floated;
	unsigned changes; /* messages that natshim would have changed */
};

struct explain_verdict { /* texts are constant, or "" */
	const char *id;
	bool works;
	const char *where, *why;
	const char *causes[EXPLAIN_PLACES_MAX]; /* IDs of natshim check; ends with NULL */
	const char *help;                       /* which option of natshim helps */
};

struct explain_client {
	struct endpoint server; /* port 0 */
	struct endpoint place[EXPLAIN_PLACES_MAX];
	unsigned places;
	bool guessed; /* which side is the client was not seen */
	struct explain_attempt *attempt;
	unsigned attempts, attempts_lost;
	struct explain_row *row;
	unsigned rows;
	uint64_t rows_lost;
	uint64_t esp[EXPLAIN_DIRECTIONS], esp_first_ms, esp_last_ms, keepalives;
	uint64_t l2tp[EXPLAIN_DIRECTIONS]; /* messages outside ESP */
	uint64_t last_ms;
	/* After explain_end(): */
	const char *who, *who_why;
	struct explain_verdict verdict;
};

struct explain_report {
	struct explain_client client[EXPLAIN_CLIENTS_MAX];
	unsigned clients;
	uint64_t first_ms, last_ms; /* of what the ladders show */
	uint64_t other_packets;     /* neither IKE, ESP nor L2TP */
	uint64_t stray_esp;         /* of no client that is in the capture */
	uint64_t lost_messages;     /* of clients beyond the bound */
	uint64_t out_of_memory;
};

struct explain_packet {
	uint64_t number, time_ms;
	enum ike_direction direction;
	bool guessed;      /* the direction is */
	const uint8_t *ip; /* whole: fragments are put together before */
	size_t length;
};

struct explain; /* owned by the caller; not thread-safe */

struct explain *explain_new(const struct explain_config *config); /* NULL: out of memory */
void explain_free(struct explain *explain);
void explain_add(struct explain *explain, const struct explain_packet *packet);
/* Judges. The report is explain's, and valid as long as that. */
const struct explain_report *explain_end(struct explain *explain);

/* shim/explain/identify.c, verdict.c */
void explain_identify(struct explain_client *client);
void explain_judge(struct explain_client *client, const struct explain_report *report);
/* The attempt that is judged; NULL: there is none. */
const struct explain_attempt *explain_judged(const struct explain_client *client);
/* The n-th row of the table of verdicts, for tests and docs; NULL after the last. */
const struct explain_verdict *explain_verdict_at(size_t n);
/* Messages that natshim would have changed. */
unsigned explain_changes(const struct explain_client *client);

#endif
