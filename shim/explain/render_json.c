/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report for programs. Names of members and of verdicts are stable. */
#include "shim/explain/render.h"

#include "shim/check/check.h"
#include "shim/hex.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_S 1000.0

static const char *const directions[] = {[IKE_TO_SERVER] = "client", [IKE_TO_CLIENT] = "server"};
static const char *const nat_names[] = {[NAT_UNKNOWN] = "unknown", [NAT_NO] = "no", [NAT_YES] = "yes"};

static json_t *seconds(uint64_t ms, uint64_t start_ms)
{
	return json_real((double)(ms - start_ms) / MS_PER_S);
}

static json_t *lines_of(const char *text)
{
	json_t *array = json_array();

	while (*text) {
		const size_t length = strcspn(text, "\n");

		json_array_append_new(array, json_stringn(text, length));
		text = render_next_line(text, length);
	}
	return array;
}

static json_t *pack_row(const struct explain_row *row, uint64_t start_ms)
{
	return json_pack("{s:I, s:s, s:i, s:o, s:o, s:i, s:i, s:s, s:o, s:o}", "packet",
			 (json_int_t)row->packet, "from", directions[row->direction], "port",
			 row->on_4500 ? 4500 : 500, "time_s", seconds(row->first_ms, start_ms), "last_s",
			 seconds(row->last_ms, start_ms), "times", (int)row->times, "attempt",
			 (int)row->attempt, "text", row->title, "detail", lines_of(row->detail),
			 "natshim_changes", *row->change ? json_string(row->change) : json_null());
}

static json_t *pack_attempt(const struct explain_attempt *attempt)
{
	char cookie[2 * IKE_COOKIE_LEN + 1];

	hex_write(attempt->cookies, IKE_COOKIE_LEN, cookie);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i}", "cookie", cookie, "begun_by",
			 directions[attempt->by_server ? IKE_TO_CLIENT : IKE_TO_SERVER], "dialect",
			 ike_dialect_name(attempt->dialect), "client_behind_nat",
			 nat_names[attempt->client_nat], "server_behind_nat", nat_names[attempt->server_nat],
			 "combinations", (int)attempt->offer.count, "natshim_changes", (int)attempt->changes);
}

static json_t *pack_causes(const struct explain_verdict *verdict)
{
	json_t *array = json_array();

	for (unsigned i = 0; verdict->causes[i]; i++) {
		const struct check *check = check_find(verdict->causes[i]);

		json_array_append_new(array, json_pack("{s:s, s:s}", "id", verdict->causes[i], "why",
						       check ? check->why : ""));
	}
	return array;
}

static json_t *pack_verdict(const struct explain_verdict *verdict)
{
	return json_pack("{s:s, s:b, s:s, s:s, s:o, s:s}", "id", verdict->id, "works", verdict->works,
			 "stops", verdict->where, "why", verdict->why, "causes", pack_causes(verdict),
			 "natshim", verdict->help);
}

static json_t *pack_places(const struct explain_client *client)
{
	json_t *array = json_array();
	char text[ENDPOINT_TEXT_MAX];

	for (unsigned i = 0; i < client->places; i++)
		json_array_append_new(array, json_string(endpoint_text(&client->place[i], text)));
	return array;
}

static json_t *pack_client(const struct explain_client *client, uint64_t start_ms)
{
	json_t *attempts = json_array(), *ladder = json_array();
	char server[ENDPOINT_TEXT_MAX];

	for (unsigned i = 0; i < client->attempts; i++)
		json_array_append_new(attempts, pack_attempt(&client->attempt[i]));
	for (unsigned i = 0; i < client->rows; i++)
		json_array_append_new(ladder, pack_row(&client->row[i], start_ms));
	return json_pack("{s:o, s:s, s:b, s:s, s:s, s:o, s:i, s:o, s:{s:I, s:I}, s:I, s:o}", "client",
			 pack_places(client), "server", endpoint_text(&client->server, server), "guessed",
			 client->guessed, "is", client->who, "because", client->who_why, "verdict",
			 pack_verdict(&client->verdict), "natshim_changes", (int)explain_changes(client),
			 "attempts", attempts, "esp", "to_server", (json_int_t)client->esp[IKE_TO_SERVER],
			 "to_client", (json_int_t)client->esp[IKE_TO_CLIENT], "keepalives",
			 (json_int_t)client->keepalives, "ladder", ladder);
}

/* A name with bytes that are no UTF-8 is no string of JSON. */
static json_t *pack_name(const char *name)
{
	json_t *string = json_string(name);

	return string ? string : json_string("?");
}

bool render_json(FILE *out, const struct explain_report *report, const struct render_source *source)
{
	json_t *clients = json_array(), *notes = json_array(), *all;
	char line[WORDS_MAX];
	bool done;

	for (unsigned i = 0; i < report->clients; i++)
		json_array_append_new(clients, pack_client(&report->client[i], report->first_ms));
	for (size_t n = 0; render_caveat(report, source, n, line); n++)
		json_array_append_new(notes, pack_name(line));
	all = json_pack("{s:o, s:I, s:b, s:o, s:o}", "capture", pack_name(source->name), "packets",
			(json_int_t)source->packets, "damaged", source->damage != NULL, "notes", notes,
			"clients", clients);
	done = all &&
	       json_dumpf(all, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12)) == 0;
	json_decref(all);
	if (done)
		fputc('\n', out);
	return done;
}
