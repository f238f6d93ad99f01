/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report for a terminal: 100 columns, no colours. */
#include "shim/explain/render.h"

#include "shim/check/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 100, LADDER_INDENT = 24, FIELD_INDENT = 12, MS = 1000 };

/* Wrapped, with what begins the first line already there. */
static void print_wrapped(FILE *out, const char *text, size_t indent)
{
	static const char blanks[LADDER_INDENT + 1] = "                        ";
	const char *separator = "";

	do {
		const size_t length = render_wrap(text, COLUMNS - indent);

		fprintf(out, "%s%.*s\n", separator, (int)length, text);
		text = render_next_line(text, length);
		separator = &blanks[LADDER_INDENT - indent];
	} while (*text);
}

static void print_field(FILE *out, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	fprintf(out, "  %-10s", name);
	print_wrapped(out, text, FIELD_INDENT);
}

static void print_row(FILE *out, const struct explain_row *row, uint64_t start_ms)
{
	char repeats[RENDER_NAME_MAX], line[WORDS_MAX + RENDER_NAME_MAX];
	const uint64_t ms = row->first_ms - start_ms;

	render_repeats(row, repeats);
	snprintf(line, sizeof line, "%s%s%s%s", row->title, *repeats ? " (" : "", repeats,
		 *repeats ? ")" : "");
	fprintf(out, "%7" PRIu64 ".%03" PRIu64 "  %s %-4s  ", ms / MS, ms % MS,
		row->direction == IKE_TO_SERVER ? "--->" : "<---", row->on_4500 ? "4500" : "");
	print_wrapped(out, line, LADDER_INDENT);
	if (*row->detail) {
		fprintf(out, "%*s", LADDER_INDENT, "");
		print_wrapped(out, row->detail, LADDER_INDENT);
	}
	if (*row->change)
		fprintf(out, "%*snatshim would change: %s\n", LADDER_INDENT, "", row->change);
}

static void print_ladder(FILE *out, const struct explain_client *client, uint64_t start_ms)
{
	unsigned attempt = 0;

	fprintf(out, "\n     time s       port  ---> from the client, <--- from the server\n");
	for (unsigned i = 0; i < client->rows; i++) {
		const struct explain_row *row = &client->row[i];

		if (row->attempt && row->attempt != attempt && client->attempts > 1)
			fprintf(out, "%*sattempt %u of %u\n", LADDER_INDENT, "", row->attempt,
				client->attempts);
		attempt = row->attempt ? row->attempt : attempt;
		print_row(out, row, start_ms);
	}
	fputc('\n', out);
}

static void print_causes(FILE *out, const struct explain_verdict *verdict)
{
	const char *name = "causes:";

	for (unsigned i = 0; verdict->causes[i]; i++) {
		const struct check *check = check_find(verdict->causes[i]);
		char line[WORDS_MAX];

		snprintf(line, sizeof line, "%s: %s", verdict->causes[i], check ? check->why : "");
		print_field(out, name, line);
		name = "";
	}
}

static void print_client(FILE *out, const struct explain_client *client, unsigned number, uint64_t start_ms)
{
	const struct explain_verdict *verdict = &client->verdict;
	char name[RENDER_NAME_MAX], server[ENDPOINT_TEXT_MAX], text[WORDS_MAX];

	fprintf(out, "\nClient %u: %s, server %s%s\n", number, render_places(client, name),
		endpoint_text(&client->server, server),
		client->guessed ? " (a guess: --server ADDR tells which side is the server)" : "");
	print_field(out, "is:", client->who);
	print_field(out, "known by:", client->who_why);
	print_field(out,
		    verdict->works ? "result:" : "stops:", verdict->works ? verdict->why : verdict->where);
	print_field(out, "why:", verdict->works ? NULL : verdict->why);
	print_causes(out, verdict);
	print_field(out, "fix:", render_fix(verdict));
	print_field(out, "natshim:", verdict->help);
	print_field(out, "", render_changes(client, text));
	print_ladder(out, client, start_ms);
}

void render_text(FILE *out, const struct explain_report *report, const struct render_source *source)
{
	char line[WORDS_MAX];

	fprintf(out, "%s: %" PRIu64 " packet%s, %u client%s\n", source->name, source->packets,
		source->packets == 1 ? "" : "s", report->clients, report->clients == 1 ? "" : "s");
	for (size_t n = 0; render_caveat(report, source, n, line); n++)
		fprintf(out, "note: %s\n", line);
	if (!report->clients)
		fprintf(out, "%s\n", render_nobody);
	for (unsigned i = 0; i < report->clients; i++)
		print_client(out, &report->client[i], i + 1, report->first_ms);
}
