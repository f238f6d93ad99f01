/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of events, and how a line of each is written. */
#include "shim/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As in syslog(3), which the journal understands. */
enum severity { ERROR = 3, WARNING = 4, NOTICE = 5, DEBUG = 7 };

static const char *const severity_names[] = {
	[ERROR] = "error", [WARNING] = "warning", [NOTICE] = "notice", [DEBUG] = "debug"};

static const struct {
	const char *name;
	enum severity severity;
} events[LOG_EVENTS] = {
	[LOG_READY] = {"ready", NOTICE},
	[LOG_CLEAR_ALLOWED] = {"clear-allowed", WARNING},
	[LOG_FRAGMENTS_PASS] = {"fragments-pass", WARNING},
	[LOG_STOPPING] = {"stopping", NOTICE},
	[LOG_START_FAILED] = {"start-failed", ERROR},
	[LOG_RELOADED] = {"reloaded", NOTICE},
	[LOG_RELOAD_REFUSED] = {"reload-refused", ERROR},
	[LOG_RELOAD_PARTIAL] = {"reload-partial", WARNING},
	[LOG_IFACE_ABSENT] = {"iface-absent", WARNING},
	[LOG_PHASE1_BEGINS] = {"phase1-begins", DEBUG},
	[LOG_NATT_AGREED] = {"natt-agreed", NOTICE},
	[LOG_NAT_HIDDEN] = {"nat-hidden", NOTICE},
	[LOG_REWRITTEN] = {"rewritten", DEBUG},
	[LOG_L2TP_REPAIRED] = {"l2tp-repaired", DEBUG},
	[LOG_HELLO_NOT_ABSORBED] = {"hello-not-absorbed", WARNING},
	[LOG_HELLO_UNANSWERED] = {"hello-unanswered", NOTICE},
	[LOG_TUNNEL_LEFT] = {"tunnel-left", NOTICE},
	[LOG_QUEUE_ERROR] = {"queue-error", ERROR},
	[LOG_RULES_REPAIRED] = {"rules-repaired", NOTICE},
	[LOG_RULES_MISSING] = {"rules-missing", ERROR},
	[LOG_RULES_LEFT] = {"rules-left", WARNING},
	[LOG_STATE_RESTORED] = {"state-restored", NOTICE},
	[LOG_STATE_DAMAGED] = {"state-damaged", WARNING},
	[LOG_STATE_UNWRITABLE] = {"state-unwritable", WARNING},
	[LOG_PRIVILEGES_KEPT] = {"privileges-kept", WARNING},
	[LOG_STACK_FOUND] = {"stack-found", NOTICE},
	[LOG_STACK_NOT_FOUND] = {"stack-not-found", WARNING},
	[LOG_STACK_FAILED] = {"stack-failed", WARNING},
	[LOG_STACK_PROCESS_DIED] = {"stack-process-died", ERROR},
	[LOG_L2TP_NOT_SEEN] = {"l2tp-not-seen", WARNING},
	[LOG_XFRM_MISSING] = {"xfrm-missing", WARNING},
	[LOG_XFRM_ERROR] = {"xfrm-error", WARNING},
	[LOG_SESSIONS_FOUND] = {"sessions-found", NOTICE},
	[LOG_ALIVE_UNREADABLE] = {"alive-unreadable", WARNING},
	[LOG_SESSION_UP] = {"session-up", NOTICE},
	[LOG_SESSION_ENDS] = {"session-ends", NOTICE},
	[LOG_SESSION_KEPT] = {"session-kept", NOTICE},
	[LOG_SESSION_GONE] = {"session-gone", NOTICE},
	[LOG_DROP] = {"drop", NOTICE},
	[LOG_ALIAS_GIVEN] = {"alias-given", NOTICE},
	[LOG_ALIAS_ENDS] = {"alias-ends", NOTICE},
	[LOG_ALIAS_REKEY] = {"alias-rekey", NOTICE},
	[LOG_ALIAS_MOVED] = {"alias-moved", NOTICE},
	[LOG_ALIAS_FAILED] = {"alias-failed", ERROR},
	[LOG_BRIDGE_BEGINS] = {"bridge-begins", NOTICE},
	[LOG_BRIDGE_UP] = {"bridge-up", NOTICE},
	[LOG_BRIDGE_KEYS] = {"bridge-keys", NOTICE},
	[LOG_BRIDGE_KEYS_REFUSED] = {"bridge-keys-refused", WARNING},
	[LOG_BRIDGE_REFUSED] = {"bridge-refused", WARNING},
	[LOG_BRIDGE_NOT] = {"bridge-not", WARNING},
	[LOG_BRIDGE_FAILED] = {"bridge-failed", ERROR},
	[LOG_XFRM_PROCESS_DIED] = {"xfrm-process-died", ERROR},
	[LOG_XFRM_PROCESS_BACK] = {"xfrm-process-back", NOTICE},
	[LOG_BRIDGE_STALE_SAS] = {"bridge-orphans", NOTICE},
	[LOG_BRIDGE_ENDS] = {"bridge-ends", NOTICE},
	[LOG_SECRETS_READ] = {"secrets-read", NOTICE},
	[LOG_SECRETS_FAILED] = {"secrets-failed", ERROR},
	[LOG_METRICS_UNWRITABLE] = {"metrics-unwritable", WARNING},
	[LOG_FILES_PROCESS_DIED] = {"files-process-died", ERROR},
	[LOG_PACKETS_PROCESS_DIED] = {"packets-process-died", ERROR},
	[LOG_SUPPRESSED] = {"suppressed", NOTICE},
	[LOG_PACKET_HELD] = {"packet-held", DEBUG},
	[LOG_SESSION_STAYS] = {"session-stays", DEBUG},
	[LOG_XFRM_EVENT] = {"xfrm-event", DEBUG},
	[LOG_SET_CHANGED] = {"set-changed", DEBUG},
};

/* What an event was called in the release before this one. */
static const char *const former_ids[LOG_EVENTS] = {
	[LOG_STACK_PROCESS_DIED] = "stack-worker-died",
	[LOG_XFRM_PROCESS_DIED] = "keys-process-died",
	[LOG_XFRM_PROCESS_BACK] = "keys-process-back",
};

/* Of the events of severity DEBUG. */
static const enum log_subject subjects[LOG_EVENTS] = {
	[LOG_PHASE1_BEGINS] = LOG_OF_PACKETS,  [LOG_REWRITTEN] = LOG_OF_PACKETS,
	[LOG_L2TP_REPAIRED] = LOG_OF_PACKETS,  [LOG_PACKET_HELD] = LOG_OF_BRIDGE,
	[LOG_SESSION_STAYS] = LOG_OF_SESSIONS, [LOG_XFRM_EVENT] = LOG_OF_XFRM,
	[LOG_SET_CHANGED] = LOG_OF_RULES,
};

static bool parse_subject(const char *word, size_t length, unsigned *wanted)
{
	static const struct {
		const char *name;
		unsigned subjects;
	} words[] = {
		{"no", 0},
		{"yes", LOG_SUBJECT_BIT(LOG_OF_PACKETS)},
		{"all", LOG_SUBJECT_BIT(LOG_SUBJECTS) - 1},
		{"packets", LOG_SUBJECT_BIT(LOG_OF_PACKETS)},
		{"sessions", LOG_SUBJECT_BIT(LOG_OF_SESSIONS)},
		{"xfrm", LOG_SUBJECT_BIT(LOG_OF_XFRM)},
		{"bridge", LOG_SUBJECT_BIT(LOG_OF_BRIDGE)},
		{"rules", LOG_SUBJECT_BIT(LOG_OF_RULES)},
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i].name) == length && !strncmp(words[i].name, word, length)) {
			*wanted |= words[i].subjects;
			return true;
		}
	return false;
}

bool log_parse_subjects(const char *text, unsigned *wanted)
{
	unsigned found = 0;

	for (;; text++) {
		const size_t length = strcspn(text, ",");

		if (!parse_subject(text, length, &found))
			return false;
		text += length;
		if (!*text)
			break;
	}
	*wanted = found;
	return true;
}

void log_open(struct log *log, unsigned wanted, bool json)
{
	*log = (struct log){.subjects = wanted, .json = json, .journal = getenv("JOURNAL_STREAM") != NULL};
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
}

static void put_json(enum log_event event, const char *peer, const char *text)
{
	struct timespec now;
	char when[40], fraction[16];
	struct tm utc;
	json_t *line;
	char *dump;

	clock_gettime(CLOCK_REALTIME, &now);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
	snprintf(fraction, sizeof fraction, ".%03dZ", (int)(now.tv_nsec / 1000000));
	line = json_pack("{s:s+, s:s, s:s*, s:s, s:s?, s:s}", "time", when, fraction, "event",
			 events[event].name, "former_event", former_ids[event], "severity",
			 severity_names[events[event].severity], "peer", peer, "text", text);
	dump = line ? json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
	if (dump)
		fprintf(stderr, "%s\n", dump);
	free(dump);
	json_decref(line);
}

static void put(const struct log *log, enum log_event event, const char *peer, const char *text)
{
	const char *separator = peer ? ": " : "";

	if (log->json)
		put_json(event, peer, text);
	else if (log->journal)
		fprintf(stderr, "<%d>%s%s%s\n", (int)events[event].severity, peer ? peer : "", separator,
			text);
	else
		fprintf(stderr, "natshim: %s%s%s\n", peer ? peer : "", separator, text);
}

/* True while the present second's burst is not used up; errors have a second one of their own. */
static bool may_write(struct log *log, enum log_event event)
{
	const unsigned limit =
		events[event].severity == ERROR ? 2 * LOG_LINES_PER_SECOND : LOG_LINES_PER_SECOND;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((uint64_t)now.tv_sec != log->second) {
		char text[48];

		if (log->suppressed) {
			snprintf(text, sizeof text, "%u more lines were left out", log->suppressed);
			put(log, LOG_SUPPRESSED, NULL, text);
		}
		log->second = (uint64_t)now.tv_sec;
		log->lines = 0;
		log->suppressed = 0;
	}
	if (log->lines < limit) {
		log->lines++;
		return true;
	}
	log->suppressed++;
	return false;
}

bool log_wants(const struct log *log, enum log_event event)
{
	return events[event].severity != DEBUG || log->subjects & LOG_SUBJECT_BIT(subjects[event]);
}

void log_event(struct log *log, enum log_event event, const struct endpoint *peer, const char *format, ...)
{
	char text[512], name[ENDPOINT_TEXT_MAX];
	va_list arguments;

	if (!log_wants(log, event) || !may_write(log, event))
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	put(log, event, peer ? endpoint_text(peer, name) : NULL, text);
}
