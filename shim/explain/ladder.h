/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables behind a report: clients by their addresses and cookies, attempts by cookie, rows by what is in them. Everything
 * has a bound (explain.h): where it is met, NULL comes back and the report counts it. */
#ifndef NATSHIM_SHIM_EXPLAIN_LADDER_H
#define NATSHIM_SHIM_EXPLAIN_LADDER_H

#include "shim/explain/explain.h"

/* One datagram on its way into the report. */
struct arrival {
	const struct explain_packet *packet;
	struct endpoint src, dst;
	struct endpoint client, server; /* the same two; with ports */
	bool on_4500;
	uint8_t *
		message; /* of IKE or L2TP; ladder_find_client and ladder_add_attempt want both cookies there */
	size_t length;
};

/* At that address and port, or (host) at that address: the one that was heard of last. NULL: none. */
struct explain_client *ladder_find_at(struct explain_report *report, const struct endpoint *place,
				      const struct endpoint *server);
struct explain_client *ladder_find_host(struct explain_report *report, const struct endpoint *host,
					const struct endpoint *server);
/* By the initiator's cookie, which survives the float to port 4500; else by address and port; else a new one. */
struct explain_client *ladder_find_client(struct explain_report *report, const struct arrival *a);
struct explain_client *ladder_add_client(struct explain_report *report, const struct arrival *a);
void ladder_free_client(struct explain_client *client);

void ladder_add_place(struct explain_client *client, const struct endpoint *place);
void ladder_touch(struct explain_report *report, struct explain_client *client, const struct arrival *a);

struct explain_attempt *ladder_find_attempt(struct explain_client *client, const uint8_t *cookie);
struct explain_attempt *ladder_add_attempt(struct explain_report *report, struct explain_client *client,
					   const struct arrival *a, const struct message_facts *facts);

/* Of the bytes that make a row: the same again is a repeat. seed: tells kinds of messages apart. */
uint64_t ladder_digest(const uint8_t *data, size_t length, uint64_t seed);
struct explain_row *ladder_find_row(struct explain_client *client, uint64_t digest,
				    enum ike_direction direction);
/* Encrypted notifications, dead peer detection for one, come by dozens and say nothing: those without another message between
 * them are one row for each direction. */
struct explain_row *ladder_find_same_kind(struct explain_client *client, const struct arrival *a,
					  const struct message_facts *facts);
struct explain_row *ladder_add_row(struct explain_report *report, struct explain_client *client,
				   const struct arrival *a, uint64_t digest, const struct words *title,
				   const struct words *detail, const char *change);
/* Another one for that row; see_again: with the same bytes, which at once after the last one is no repeat but the capture's copy. */
void ladder_count(const struct explain_client *client, struct explain_row *row, const struct arrival *a);
void ladder_see_again(const struct explain_client *client, struct explain_row *row, const struct arrival *a);

#endif
