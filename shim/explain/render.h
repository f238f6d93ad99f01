/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A report as text, as JSON, and as one HTML page that needs nothing else: its ladders are SVG, and it has no script. What comes from
 * the capture is escaped. */
#ifndef NATSHIM_SHIM_EXPLAIN_RENDER_H
#define NATSHIM_SHIM_EXPLAIN_RENDER_H

#include "shim/explain/explain.h"
#include "shim/explain/fragments.h"

#include <stdio.h>

struct render_source {
	const char *name;   /* of the capture, for people */
	uint64_t packets;   /* read */
	uint64_t cut;       /* of these, cut short by the capture (snap length) */
	const char *damage; /* where and why reading ended early; NULL: it did not */
	struct fragments_stats fragments;
};

void render_text(FILE *out, const struct explain_report *report, const struct render_source *source);
/* False: out of memory. */
bool render_json(FILE *out, const struct explain_report *report, const struct render_source *source);
void render_html(FILE *out, const struct explain_report *report, const struct render_source *source);

/* What the three share. */

#define RENDER_NAME_MAX 128
/* "203.0.113.2:500, :4500". */
const char *render_places(const struct explain_client *client, char out[static RENDER_NAME_MAX]);
/* "11 times in 30.0 s"; "" for a row that came once. */
const char *render_repeats(const struct explain_row *row, char out[static RENDER_NAME_MAX]);
/* What keeps the report from being whole, one line each; false: there is no n-th. */
bool render_caveat(const struct explain_report *report, const struct render_source *source, size_t n,
		   char out[static WORDS_MAX]);
/* For a report without clients. */
extern const char render_nobody[];
/* What natshim would have done to this client's messages, in a sentence. */
const char *render_changes(const struct explain_client *client, char out[static WORDS_MAX]);
/* What to do next; NULL: nothing but what natshim's own part says. */
const char *render_fix(const struct explain_verdict *verdict);

/* The length of the next line of text, of at most width characters, cut at a blank where there is one, and before a newline. */
size_t render_wrap(const char *text, size_t width);
/* What follows that line. */
const char *render_next_line(const char *text, size_t length);

#endif
