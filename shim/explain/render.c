/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words that text, JSON and HTML have in common. */
#include "shim/explain/render.h"

#include "shim/ike/dialect.h"

#include <inttypes.h>
#include <string.h>

enum { MS = 1000, TENTH_MS = 100 };

const char render_nobody[] = "There is no client in this capture that speaks IKE, nor L2TP.";

const char *render_places(const struct explain_client *client, char out[static RENDER_NAME_MAX])
{
	size_t used;
	char text[ENDPOINT_TEXT_MAX];

	used = (size_t)snprintf(out, RENDER_NAME_MAX, "%s", endpoint_text(&client->place[0], text));
	for (unsigned i = 1; i < client->places && used < RENDER_NAME_MAX; i++)
		used += (size_t)snprintf(out + used, RENDER_NAME_MAX - used, ", :%u", client->place[i].port);
	return out;
}

const char *render_repeats(const struct explain_row *row, char out[static RENDER_NAME_MAX])
{
	const uint64_t ms = row->last_ms - row->first_ms;

	*out = '\0';
	if (row->times > 1)
		snprintf(out, RENDER_NAME_MAX, "%u times in %" PRIu64 ".%" PRIu64 " s", row->times, ms / MS,
			 ms % MS / TENTH_MS);
	return out;
}

/* An old client, answered in its own dialect: what comes out of natshim looks so. */
static bool is_served(const struct explain_attempt *attempt)
{
	const struct dialect *dialect = dialect_facts(attempt->dialect);

	return dialect->natd && attempt->natd[IKE_TO_CLIENT] == dialect->natd;
}

static void add(char *out, const char *sentence)
{
	const size_t used = strlen(out);

	snprintf(out + used, WORDS_MAX - used, " %s", sentence);
}

const char *render_changes(const struct explain_client *client, char out[static WORDS_MAX])
{
	const struct explain_attempt *judged = explain_judged(client);
	const unsigned changes = explain_changes(client);

	if (changes)
		snprintf(out, WORDS_MAX, "It would have changed %u message%s of this client, as marked.",
			 changes, changes == 1 ? "" : "s");
	else
		snprintf(out, WORDS_MAX, "It would have changed nothing of this client.");
	if (judged && is_served(judged))
		add(out, "The server's answers are in this client's dialect already: natshim is at work, or "
			 "the server speaks it.");
	if (judged && judged->bridge_asked && !client->verdict.works &&
	    (judged->bridge == BRIDGE_RELAYED || judged->bridge == BRIDGE_REPEATED))
		add(out, "With --bridge it would have relayed the exchange, for the client offers no group "
			 "but those of --bridge-groups.");
	return out;
}

const char *render_fix(const struct explain_verdict *verdict)
{
	if (verdict->works)
		return NULL;
	return verdict->causes[0]
		       ? "Run natshim check on the server: it finds which of these it is, and prints the fix."
		       : NULL;
}

static void say(char *out, uint64_t n, const char *one, const char *many)
{
	snprintf(out, WORDS_MAX, "%" PRIu64 " %s", n, n == 1 ? one : many);
}

static uint64_t rows_lost(const struct explain_report *report)
{
	uint64_t lost = 0;

	for (unsigned i = 0; i < report->clients; i++)
		lost += report->client[i].rows_lost + report->client[i].attempts_lost;
	return lost;
}

bool render_caveat(const struct explain_report *report, const struct render_source *source, size_t n,
		   char out[static WORDS_MAX])
{
	const struct fragments_stats *f = &source->fragments;
	const struct {
		uint64_t count;
		const char *one, *many;
	} counts[] = {
		{source->cut, "packet is cut short by the capture: tcpdump -s 0 keeps them whole",
		 "packets are cut short by the capture: tcpdump -s 0 keeps them whole"},
		{f->joined, "datagram came in IP fragments and was put together",
		 "datagrams came in IP fragments and were put together"},
		{f->waiting + f->lost, "datagram came in IP fragments of which not all are here",
		 "datagrams came in IP fragments of which not all are here"},
		{report->stray_esp, "packet of ESP belongs to no client of this capture",
		 "packets of ESP belong to no client of this capture"},
		{report->clients ? 0 : report->other_packets, "packet is something else, or damaged",
		 "packets are something else, or damaged"},
		{report->lost_messages, "message of further clients is left out: there are too many clients",
		 "messages of further clients are left out: there are too many clients"},
		{rows_lost(report), "message is left out of the ladders, which have a bound",
		 "messages are left out of the ladders, which have a bound"},
		{report->out_of_memory, "message is left out for lack of memory",
		 "messages are left out for lack of memory"},
	};

	if (source->damage && n-- == 0) {
		snprintf(out, WORDS_MAX, "the capture is damaged; this is what stands before the damage: %s",
			 source->damage);
		return true;
	}
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		if (!counts[i].count || n-- > 0)
			continue;
		say(out, counts[i].count, counts[i].one, counts[i].many);
		return true;
	}
	return false;
}

size_t render_wrap(const char *text, size_t width)
{
	const size_t line = strcspn(text, "\n");
	size_t end;

	if (line <= width)
		return line;
	for (end = width; end > 0 && text[end] != ' ';)
		end--;
	return end ? end : width;
}

const char *render_next_line(const char *text, size_t length)
{
	text += length;
	return *text == '\n' || *text == ' ' ? text + 1 : text;
}
