/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `natshim status' shows: the daemon's answer (JSON, keys in natshim(8)) as one struct a client, in an order, and what changed
 * of it since the answer before. Knows nothing of columns (layout.h) or terminals. Pure. */
#ifndef NATSHIM_SHIM_STATUS_STATUS_H
#define NATSHIM_SHIM_STATUS_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATUS_ERROR_MAX 256
#define STATUS_NEVER (-1)

/* What is different of a client (bits). Times are not: they always are. */
enum status_change {
	STATUS_IS_NEW = 1,
	STATUS_IS_GONE = 2, /* was there before, and is not now */
	STATUS_STATE = 4,
	STATUS_IN = 8,
	STATUS_OUT = 16,
	STATUS_DOES = 32,
	STATUS_END = 64, /* why, or how often the stack was asked, or its error */
};

/* Texts are printable ASCII: any other byte is escaped as \xNN. None is NULL. */
struct status_client {
	char *peer;  /* real address, with its port where there is one: ADDR:PORT, [ADDR6]:PORT */
	char *alias; /* the address that the server sees instead, or "" */
	char *dialect, *state;
	char *does; /* what natshim does for it, with commas: "nat-t,bridge", or "" */
	char *why;  /* why it will end, or "" */
	char *error;
	bool nat;
	int64_t l2tp_port, age_s, idle_s, bytes_in, bytes_out, attempts;
	int64_t ends_in_s; /* or STATUS_NEVER */
	unsigned change;   /* enum status_change */
	unsigned gone_for; /* answers since it was there */
};

struct status_peer { /* speaks an old dialect */
	char *peer, *dialect;
	int64_t age_s;
	bool connected; /* a client above is at its address */
};

struct status {
	char *version, *iface, *iface_absent, *stack;
	int64_t uptime_s;
	struct status_client *clients;
	size_t client_count;
	struct status_peer *peers;
	size_t peer_count;
	char *trouble; /* counters that should be 0: "3 session_failures, ...", or "" */
};

/* NULL with one line in error: not the daemon's JSON, or out of memory. */
struct status *status_read(const char *json, char error[static STATUS_ERROR_MAX]);
void status_free(struct status *status);

enum status_order {
	STATUS_BY_END,     /* what is being ended, then what will end soonest */
	STATUS_BY_TRAFFIC, /* most bytes first */
	STATUS_BY_AGE,     /* the newest first */
	STATUS_BY_CLIENT,  /* by address, as text */
	STATUS_ORDERS
};
const char *status_order_name(enum status_order order); /* "end", "traffic", "age", "client" */
void status_sort(struct status *status, enum status_order order);

/* Notes in now what has changed since before, and adds clients that have gone, for keep answers. False: out of memory. */
bool status_compare(struct status *now, const struct status *before, unsigned keep);

#endif
