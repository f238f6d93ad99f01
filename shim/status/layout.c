/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One table of columns, each with its rank: the highest ranks leave first where the width does not suffice. */
#include "shim/status/layout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CELL_MAX 96
#define MARK_WIDTH 2
#define END_LEAST 13  /* "idle in 9m59s" */
#define END_WANTED 24 /* a longer one, with the stack's error, does not drive out another column */
#define PEER_COLUMN 0
#define DOES_COLUMN 9
#define END_COLUMN 10

typedef void cell_fn(const struct status_client *client, char out[static CELL_MAX]);

const char *layout_span(int64_t seconds, char out[static LAYOUT_SPAN_MAX])
{
	if (seconds < 60)
		snprintf(out, LAYOUT_SPAN_MAX, "%" PRId64 "s", seconds);
	else if (seconds < 3600)
		snprintf(out, LAYOUT_SPAN_MAX, "%" PRId64 "m%02" PRId64 "s", seconds / 60, seconds % 60);
	else if (seconds < 360000)
		snprintf(out, LAYOUT_SPAN_MAX, "%" PRId64 "h%02" PRId64 "m", seconds / 3600,
			 seconds / 60 % 60);
	else
		snprintf(out, LAYOUT_SPAN_MAX, "%" PRId64 "d%02" PRId64 "h", seconds / 86400,
			 seconds / 3600 % 24);
	return out;
}

/* 999, 1.2K, 34M */
static void amount(int64_t bytes, char out[static CELL_MAX])
{
	static const char units[] = " KMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 999.5 && unit + 2 < sizeof units; unit++)
		value /= 1000;
	if (unit == 0)
		snprintf(out, CELL_MAX, "%" PRId64, bytes);
	else
		snprintf(out, CELL_MAX, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

static void peer_cell(const struct status_client *c, char out[static CELL_MAX])
{
	snprintf(out, CELL_MAX, "%s", c->peer);
}

static void dialect_cell(const struct status_client *c, char out[static CELL_MAX])
{
	snprintf(out, CELL_MAX, "%s", *c->dialect ? c->dialect : "-");
}

static void nat_cell(const struct status_client *c, char out[static CELL_MAX])
{
	snprintf(out, CELL_MAX, "%s", c->nat ? "yes" : "no");
}

static void l2tp_cell(const struct status_client *c, char out[static CELL_MAX])
{
	snprintf(out, CELL_MAX, "%" PRId64, c->l2tp_port);
}

static void state_cell(const struct status_client *c, char out[static CELL_MAX])
{
	snprintf(out, CELL_MAX, "%s", c->change & STATUS_IS_GONE ? "gone" : c->state);
}

static void age_cell(const struct status_client *c, char out[static CELL_MAX])
{
	layout_span(c->age_s, out);
}

static void idle_cell(const struct status_client *c, char out[static CELL_MAX])
{
	layout_span(c->idle_s, out);
}

static void in_cell(const struct status_client *c, char out[static CELL_MAX])
{
	amount(c->bytes_in, out);
}

static void out_cell(const struct status_client *c, char out[static CELL_MAX])
{
	amount(c->bytes_out, out);
}

static void does_cell(const struct status_client *c, char out[static CELL_MAX])
{
	snprintf(out, CELL_MAX, "%s", *c->does ? c->does : "-");
}

/* "idle in 9m40s", "closed, ending", "closed, asked 3 times" */
static void end_cell(const struct status_client *c, char out[static CELL_MAX])
{
	char in[LAYOUT_SPAN_MAX];

	if (c->change & STATUS_IS_GONE)
		snprintf(out, CELL_MAX, "gone");
	else if (c->attempts > 1)
		snprintf(out, CELL_MAX, "%s, asked %" PRId64 " times", c->why, c->attempts);
	else if (c->attempts)
		snprintf(out, CELL_MAX, "%s, ending", c->why);
	else if (c->ends_in_s != STATUS_NEVER)
		snprintf(out, CELL_MAX, "%s in %s", c->why, layout_span(c->ends_in_s, in));
	else
		snprintf(out, CELL_MAX, "no time-out");
}

static const struct column {
	const char *heading;
	cell_fn *cell;
	unsigned rank; /* 0: always there */
	bool right;
	unsigned change; /* what of a client is marked in it */
} columns[LAYOUT_COLUMNS] = {
	{"PEER", peer_cell, 0, false, STATUS_IS_NEW | STATUS_IS_GONE},
	{"DIALECT", dialect_cell, 6, false, 0},
	{"NAT", nat_cell, 9, false, 0},
	{"L2TP", l2tp_cell, 8, true, 0},
	{"STATE", state_cell, 7, false, STATUS_STATE},
	{"AGE", age_cell, 4, true, 0},
	{"IDLE", idle_cell, 2, true, 0},
	{"IN", in_cell, 3, true, STATUS_IN},
	{"OUT", out_cell, 3, true, STATUS_OUT},
	[DOES_COLUMN] = {"DOES", does_cell, 0, false, STATUS_DOES},
	[END_COLUMN] = {"WILL END", end_cell, 0, false, STATUS_END},
};

/* The error that stands beside a failed end, where there is room for it. */
static void whole_end(const struct status_client *c, char *out, size_t size)
{
	char cell[CELL_MAX];

	end_cell(c, cell);
	snprintf(out, size, *c->error ? "%s: %s" : "%s", cell, c->error);
}

static void measure(struct layout *l, const struct status *s)
{
	char cell[CELL_MAX];

	for (size_t i = 0; i < LAYOUT_COLUMNS; i++) {
		l->shown[i] = true;
		l->columns[i] = (unsigned)strlen(columns[i].heading);
		for (size_t j = 0; j < s->client_count; j++) {
			columns[i].cell(&s->clients[j], cell);
			if (strlen(cell) > l->columns[i])
				l->columns[i] = (unsigned)strlen(cell);
		}
	}
}

/* What the columns take, with one blank between two. */
static unsigned needed(const struct layout *l)
{
	unsigned sum = l->marks ? MARK_WIDTH : 0;

	for (size_t i = 0; i < LAYOUT_COLUMNS; i++)
		if (l->shown[i])
			sum += l->columns[i] + 1;
	return sum - 1;
}

static void leave_out(struct layout *l, unsigned rank)
{
	for (size_t i = 0; i < LAYOUT_COLUMNS; i++)
		if (columns[i].rank == rank)
			l->shown[i] = false;
}

/* What is missing is taken from the end's details first; from the address only where no terminal is so narrow. */
static void shorten(struct layout *l)
{
	static const struct {
		unsigned column, least;
	} order[] = {{END_COLUMN, END_LEAST}, {DOES_COLUMN, 5}, {END_COLUMN, 5}, {PEER_COLUMN, 8}};

	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		unsigned *width = &l->columns[order[i].column];
		const unsigned sum = needed(l);
		const unsigned over = sum > l->width ? sum - l->width : 0;
		const unsigned spare = *width > order[i].least ? *width - order[i].least : 0;

		*width -= over < spare ? over : spare;
	}
}

void layout_choose(struct layout *l, const struct status *s, unsigned width, bool marks)
{
	*l = (struct layout){.width = width, .marks = marks};
	measure(l, s);
	if (width == LAYOUT_ANY_WIDTH)
		return;
	if (l->columns[END_COLUMN] > END_WANTED)
		l->columns[END_COLUMN] = END_WANTED;
	for (unsigned rank = 9; rank && needed(l) > width; rank--)
		leave_out(l, rank);
	shorten(l);
	if (needed(l) < width)
		l->columns[END_COLUMN] += width - needed(l);
}

void layout_cut(FILE *out, const char *text, unsigned width)
{
	if (width == LAYOUT_ANY_WIDTH || strlen(text) <= width)
		fputs(text, out);
	else
		fprintf(out, "%.*s+", (int)width - 1, text);
}

/* The last column is not padded. */
static void put_cell(FILE *out, const struct layout *l, size_t i, const char *text, bool marked)
{
	const int width = (int)l->columns[i];
	const int length = (int)strlen(text);
	const int pad = length < width ? width - length : 0;

	if (columns[i].right)
		fprintf(out, "%*s", pad, "");
	if (marked)
		fputs("\033[1m", out);
	if (l->width == LAYOUT_ANY_WIDTH)
		fputs(text, out);
	else
		layout_cut(out, text, l->columns[i]);
	if (marked)
		fputs("\033[0m", out);
	if (!columns[i].right && i + 1 < LAYOUT_COLUMNS)
		fprintf(out, "%*s", pad, "");
	if (i + 1 < LAYOUT_COLUMNS)
		fputc(' ', out);
}

void layout_heading(FILE *out, const struct layout *l)
{
	if (l->marks)
		fputs("  ", out);
	for (size_t i = 0; i < LAYOUT_COLUMNS; i++)
		if (l->shown[i])
			put_cell(out, l, i, columns[i].heading, false);
}

static const char *mark_of(unsigned change)
{
	if (change & STATUS_IS_GONE)
		return "- ";
	if (change & STATUS_IS_NEW)
		return "+ ";
	return change ? "* " : "  ";
}

void layout_client(FILE *out, const struct layout *l, const struct status_client *c)
{
	char cell[CELL_MAX + STATUS_ERROR_MAX];

	if (l->marks)
		fputs(mark_of(c->change), out);
	for (size_t i = 0; i < LAYOUT_COLUMNS; i++) {
		if (!l->shown[i])
			continue;
		if (i == END_COLUMN && l->width != LAYOUT_ANY_WIDTH)
			whole_end(c, cell, sizeof cell);
		else
			columns[i].cell(c, cell);
		put_cell(out, l, i, cell, l->marks && (c->change & columns[i].change));
	}
}

static size_t count_state(const struct status *s, const char *state)
{
	size_t count = 0;

	for (size_t i = 0; i < s->client_count; i++)
		count += !(s->clients[i].change & STATUS_IS_GONE) && !strcmp(s->clients[i].state, state);
	return count;
}

void layout_summary(FILE *out, const struct status *s, unsigned width)
{
	static const char *const states[] = {"new", "up", "closing", "ending", "failed"};
	char up[LAYOUT_SPAN_MAX], *text = NULL;
	size_t size, there = 0;
	FILE *line = open_memstream(&text, &size);

	if (!line)
		return;
	for (size_t i = 0; i < s->client_count; i++)
		there += !(s->clients[i].change & STATUS_IS_GONE);
	fprintf(line, "natshim %s on %s, up %s, stack %s: %zu client%s", s->version, s->iface,
		layout_span(s->uptime_s, up), s->stack, there, there == 1 ? "" : "s");
	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		const size_t count = count_state(s, states[i]);

		if (count && count < there)
			fprintf(line, ", %zu %s", count, states[i]);
	}
	fclose(line);
	if (text)
		layout_cut(out, text, width);
	free(text);
}
