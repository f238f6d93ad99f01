/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line an event, on stderr: as text, with a syslog priority in front where systemd's journal reads it, or as a JSON
 * object. Each event has a stable ID (the table in log.c, explained in docs/events.md) and one severity. At most a burst of
 * lines a second, and then one that says how many were left out: a flood of packets must not become a flood of lines. */
#ifndef NATSHIM_SHIM_LOG_H
#define NATSHIM_SHIM_LOG_H

#include "nfq/endpoint.h"

enum log_event {
	LOG_READY,
	LOG_CLEAR_ALLOWED,
	LOG_FRAGMENTS_PASS,
	LOG_STOPPING,
	LOG_START_FAILED,
	LOG_RELOADED,
	LOG_RELOAD_REFUSED,
	LOG_RELOAD_PARTIAL,
	LOG_IFACE_ABSENT,
	LOG_PHASE1_BEGINS,
	LOG_NATT_AGREED,
	LOG_NAT_HIDDEN,
	LOG_REWRITTEN,
	LOG_L2TP_REPAIRED,
	LOG_HELLO_NOT_ABSORBED,
	LOG_HELLO_UNANSWERED,
	LOG_TUNNEL_LEFT,
	LOG_QUEUE_ERROR,
	LOG_RULES_REPAIRED,
	LOG_RULES_MISSING,
	LOG_RULES_LEFT,
	LOG_STATE_RESTORED,
	LOG_STATE_DAMAGED,
	LOG_STATE_UNWRITABLE,
	LOG_PRIVILEGES_KEPT,
	LOG_STACK_FOUND,
	LOG_STACK_NOT_FOUND,
	LOG_STACK_FAILED,
	LOG_STACK_PROCESS_DIED,
	LOG_L2TP_NOT_SEEN,
	LOG_XFRM_MISSING,
	LOG_XFRM_ERROR,
	LOG_SESSIONS_FOUND,
	LOG_ALIVE_UNREADABLE,
	LOG_SESSION_UP,
	LOG_SESSION_ENDS,
	LOG_SESSION_KEPT,
	LOG_SESSION_GONE,
	LOG_DROP,
	LOG_ALIAS_GIVEN,
	LOG_ALIAS_ENDS,
	LOG_ALIAS_REKEY,
	LOG_ALIAS_MOVED,
	LOG_ALIAS_FAILED,
	LOG_BRIDGE_BEGINS,
	LOG_BRIDGE_UP,
	LOG_BRIDGE_KEYS,
	LOG_BRIDGE_KEYS_REFUSED,
	LOG_BRIDGE_REFUSED,
	LOG_BRIDGE_NOT,
	LOG_BRIDGE_FAILED,
	LOG_BRIDGE_STALE_SAS,
	LOG_XFRM_PROCESS_DIED,
	LOG_XFRM_PROCESS_BACK,
	LOG_BRIDGE_ENDS,
	LOG_SECRETS_READ,
	LOG_SECRETS_FAILED,
	LOG_METRICS_UNWRITABLE,
	LOG_FILES_PROCESS_DIED,
	LOG_PACKETS_PROCESS_DIED,
	LOG_SUPPRESSED,
	LOG_PACKET_HELD,
	LOG_SESSION_STAYS,
	LOG_XFRM_EVENT,
	LOG_SET_CHANGED,
	LOG_EVENTS
};

/* What debug lines are about. An event of severity debug belongs to one subject. */
enum log_subject { LOG_OF_PACKETS, LOG_OF_SESSIONS, LOG_OF_XFRM, LOG_OF_BRIDGE, LOG_OF_RULES, LOG_SUBJECTS };
#define LOG_SUBJECT_BIT(subject) (1U << (subject))
#define LOG_SUBJECT_NAMES "packets, sessions, xfrm, bridge, rules"

/* "packets,xfrm", "all", or "yes" (packets) and "no", as --verbose takes them -> bits. False: a word is none of these. */
bool log_parse_subjects(const char *text, unsigned *subjects);

struct log {
	unsigned subjects; /* LOG_SUBJECT_BIT of those whose debug lines are written */
	bool json;         /* one object a line: time, event, severity, peer, text */
	bool journal;      /* "<5>" in front of each line of text */
	uint64_t second;   /* of the present burst, CLOCK_MONOTONIC */
	unsigned lines;    /* in it */
	unsigned suppressed;
};

#define LOG_LINES_PER_SECOND 50

void log_open(struct log *log, unsigned subjects, bool json);
/* Whether this event's lines are written: where what the line tells costs something to find out. */
bool log_wants(const struct log *log, enum log_event event);
/* peer NULL: the event has none; else it stands in front of the text. */
void log_event(struct log *log, enum log_event event, const struct endpoint *peer, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
