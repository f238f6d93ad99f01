/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libreswan prints about its states, line by line: "whack --showstates" and "whack --status" of 4.x (each line begins
 * with "000 ") and 5.x (without). Pure; the text is another program's, so nothing in it is trusted. */
#ifndef NATSHIM_SHIM_STACK_WHACK_H
#define NATSHIM_SHIM_STACK_WHACK_H

#include "nfq/endpoint.h"

#define WHACK_CONNECTION_MAX 80
#define WHACK_ID_MAX 128

enum whack_kind {
	WHACK_OTHER,
	WHACK_STATE, /* #2: "l2tp"[2] 203.0.113.2:4500 STATE_QUICK_R2 (IPsec SA established); ... */
	WHACK_SAS,   /* #2: "l2tp"[2] 203.0.113.2 esp.6e4e8947@203.0.113.2 esp.6a6402e4@203.0.113.1 ... */
	WHACK_ID,    /* "l2tp"[2]:   our idtype: ...; their id=192.168.50.11 */
};

struct whack_line {
	enum whack_kind kind;
	char connection[WHACK_CONNECTION_MAX]; /* with its instance: "l2tp"[2], quotes included */
	uint64_t number;                       /* of the state */
	/* WHACK_STATE */
	struct endpoint
		peer; /* port: the remote IKE port; address: none for a connection that is no instance.
			       * WHACK_SAS: the address of the outbound SA */
	uint64_t
		parent; /* of an established child: its IKE SA's number; 0: this is an IKE SA, or not up yet */
	bool established;
	bool quick; /* a Quick Mode or Child SA state, established or not */
	/* WHACK_SAS */
	uint32_t spi_out, spi_in; /* host order */
	/* WHACK_ID */
	char id[WHACK_ID_MAX];
};

/* Calls fn for each line of a whole output that is not WHACK_OTHER. */
typedef void whack_line_fn(void *ctx, const struct whack_line *line);
void whack_parse(const char *text, size_t length, whack_line_fn *fn, void *ctx);

#endif
