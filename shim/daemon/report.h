/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's state for people and programs: as JSON (what `natshim status --json' prints; its keys are stable and stand in
 * docs/natshim.8) and as a Prometheus text file. Both are filled from one table of figures. */
#ifndef NATSHIM_SHIM_DAEMON_REPORT_H
#define NATSHIM_SHIM_DAEMON_REPORT_H

#include "shim/daemon/queues.h"
#include "rules/nft.h"
#include "shim/config.h"
#include "shim/daemon/packets.h"
#include "shim/daemon/sessions.h"

#include <stdio.h>

struct report {
	const struct config *config;
	const char *absent; /* interfaces that do not exist, with commas; for report_begin() */
	uint64_t now_ms, started_ms;
	const struct packets *packets;
	const struct queues *queues;
	struct rules_nft *nft;
	const struct bridge_mode *bridge_mode;
	const struct aliases *aliases;   /* NULL: none are given */
	const struct sessions *sessions; /* NULL: sessions are left alone */
	uint64_t rules_repaired;         /* times that somebody took our tables away and they were put back */
};

/* The JSON, made in pieces, since it can be long: report_more() until it is false, with the report of that moment, then report_take(). */
struct report_text; /* owned by the caller */

struct report_text *report_begin(const struct report *report); /* NULL: out of memory */
bool report_more(struct report_text *text, const struct report *report);
char *report_take(struct report_text *text,
		  size_t *length); /* malloc'ed, a string of that length; NULL: out of memory */
void report_end(struct report_text *text);

/* All figures for Prometheus, in its text format. */
void report_metrics(FILE *out, const struct report *report);

#endif
