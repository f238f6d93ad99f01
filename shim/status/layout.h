/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The columns of `natshim status': which fit into a width, and the lines that they make, one a client. Text in, text out; knows
 * no terminal but for the two attributes with which it marks what changed (ECMA-48: bold, and off). Pure. */
#ifndef NATSHIM_SHIM_STATUS_LAYOUT_H
#define NATSHIM_SHIM_STATUS_LAYOUT_H

#include "shim/status/status.h"

#include <stdio.h>

#define LAYOUT_ANY_WIDTH 0 /* no terminal: all columns, nothing is cut */
#define LAYOUT_COLUMNS 11

struct layout {
	unsigned width;
	bool marks; /* each line begins with what changed: "+ ", "- ", "* " or nothing */
	unsigned columns[LAYOUT_COLUMNS]; /* width of each; 0: left out */
	bool shown[LAYOUT_COLUMNS];
};

/* width: of the terminal, or LAYOUT_ANY_WIDTH. At 80 there is always room for a client of IPv6, what natshim does for it and its end. */
void layout_choose(struct layout *layout, const struct status *status, unsigned width, bool marks);

/* Lines without a newline, never wider than the terminal. The first two are only for a terminal. */
void layout_summary(FILE *out, const struct status *status, unsigned width);
void layout_heading(FILE *out, const struct layout *layout);
void layout_client(FILE *out, const struct layout *layout, const struct status_client *client);

/* At most 9 bytes: 59s, 59m59s, 99h59m, 4d04h. */
#define LAYOUT_SPAN_MAX 24
const char *layout_span(int64_t seconds, char out[static LAYOUT_SPAN_MAX]);
/* Cuts a text that is wider than width, and ends it with "+" then. */
void layout_cut(FILE *out, const char *text, unsigned width);

#endif
