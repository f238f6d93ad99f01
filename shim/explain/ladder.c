/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients, their attempts and the rows of their ladders: found again, or added while there is room. */
#include "shim/explain/ladder.h"

#include <stdlib.h>
#include <string.h>

enum {
	ROWS_FIRST = 16,
	ATTEMPTS_FIRST = 2,
	COPY_MS =
		3, /* the same message again so soon is a copy by the capture (two interfaces), not a repeat */
};
#define FNV_OFFSET 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

void ladder_free_client(struct explain_client *client)
{
	for (unsigned i = 0; i < client->rows; i++) {
		free(client->row[i].title);
		free(client->row[i].detail);
		free(client->row[i].change);
	}
	free(client->row);
	free(client->attempt);
}

/* Clients and attempts */

static bool is_at(const struct explain_client *client, const struct endpoint *place)
{
	for (unsigned i = 0; i < client->places; i++)
		if (endpoint_equal(&client->place[i], place))
			return true;
	return false;
}

void ladder_add_place(struct explain_client *client, const struct endpoint *place)
{
	if (!is_at(client, place) && client->places < EXPLAIN_PLACES_MAX)
		client->place[client->places++] = *place;
}

struct explain_client *ladder_find_at(struct explain_report *report, const struct endpoint *place,
				      const struct endpoint *server)
{
	for (unsigned i = report->clients; i-- > 0;)
		if (is_at(&report->client[i], place) && endpoint_same_host(&report->client[i].server, server))
			return &report->client[i];
	return NULL;
}

/* Of those at that address, whatever the port: the one heard of last. */
struct explain_client *ladder_find_host(struct explain_report *report, const struct endpoint *host,
					const struct endpoint *server)
{
	struct explain_client *found = NULL;

	for (unsigned i = 0; i < report->clients; i++) {
		struct explain_client *client = &report->client[i];

		if (endpoint_same_host(&client->place[0], host) &&
		    endpoint_same_host(&client->server, server) &&
		    (!found || client->last_ms >= found->last_ms))
			found = client;
	}
	return found;
}

struct explain_client *ladder_add_client(struct explain_report *report, const struct arrival *a)
{
	struct explain_client *client;

	if (report->clients == EXPLAIN_CLIENTS_MAX) {
		report->lost_messages++;
		return NULL;
	}
	client = &report->client[report->clients++];
	client->server = a->server;
	client->server.port = 0;
	client->guessed = a->packet->guessed;
	ladder_add_place(client, &a->client);
	return client;
}

struct explain_attempt *ladder_find_attempt(struct explain_client *client, const uint8_t *cookie)
{
	for (unsigned i = client->attempts; i-- > 0;)
		if (!memcmp(client->attempt[i].cookies, cookie, IKE_COOKIE_LEN))
			return &client->attempt[i];
	return NULL;
}

static bool is_client_of(const struct explain_client *client, const struct arrival *a)
{
	return endpoint_same_host(&client->place[0], &a->client) &&
	       endpoint_same_host(&client->server, &a->server);
}

/* By the initiator's cookie first: a client that floats to port 4500 comes from another port, behind a NAT any one. */
struct explain_client *ladder_find_client(struct explain_report *report, const struct arrival *a)
{
	struct explain_client *client;

	for (unsigned i = 0; i < report->clients; i++)
		if (is_client_of(&report->client[i], a) &&
		    ladder_find_attempt(&report->client[i], a->message))
			return &report->client[i];
	client = ladder_find_at(report, &a->client, &a->server);
	return client ? client : ladder_add_client(report, a);
}

/* Twice as many entries where the array is full; NULL: out of memory, or the bound is met. */
static void *grown(void *array, unsigned count, unsigned first, unsigned most, size_t size)
{
	if (count && (count < first || count & (count - 1)))
		return array;
	if (count >= most)
		return NULL;
	return realloc(array, (count ? 2 * (size_t)count : first) * size);
}

static bool is_first(const struct arrival *a)
{
	static const uint8_t none[IKE_COOKIE_LEN];

	return !memcmp(a->message + IKE_COOKIE_LEN, none, sizeof none);
}

struct explain_attempt *ladder_add_attempt(struct explain_report *report, struct explain_client *client,
					   const struct arrival *a, const struct message_facts *facts)
{
	struct explain_attempt *attempt;
	void *array = client->attempts < EXPLAIN_ATTEMPTS_MAX
			      ? grown(client->attempt, client->attempts, ATTEMPTS_FIRST, EXPLAIN_ATTEMPTS_MAX,
				      sizeof *client->attempt)
			      : NULL;

	if (!array) {
		client->attempts_lost++;
		report->out_of_memory += client->attempts < EXPLAIN_ATTEMPTS_MAX;
		return NULL;
	}
	client->attempt = array;
	attempt = &client->attempt[client->attempts++];
	*attempt = (struct explain_attempt){.first_ms = a->packet->time_ms,
					    .ikev2 = facts->ikev2,
					    .from_start = is_first(a),
					    .by_server = is_first(a) && a->packet->direction == IKE_TO_CLIENT,
					    .bridge = BRIDGE_NOT_BRIDGED};
	memcpy(attempt->cookies, a->message, ISAKMP_COOKIES_LEN);
	return attempt;
}

/* Rows */

uint64_t ladder_digest(const uint8_t *data, size_t length, uint64_t seed)
{
	uint64_t digest = FNV_OFFSET ^ seed;

	for (size_t i = 0; i < length; i++)
		digest = (digest ^ data[i]) * FNV_PRIME;
	return digest;
}

struct explain_row *ladder_find_row(struct explain_client *client, uint64_t digest,
				    enum ike_direction direction)
{
	for (unsigned i = client->rows; i-- > 0;)
		if (client->row[i].digest == digest && client->row[i].direction == direction)
			return &client->row[i];
	return NULL;
}

struct explain_row *ladder_find_same_kind(struct explain_client *client, const struct arrival *a,
					  const struct message_facts *facts)
{
	if (facts->exchange != MESSAGE_INFORMATIONAL || !facts->encrypted)
		return NULL;
	for (unsigned back = 1; back <= EXPLAIN_DIRECTIONS && back <= client->rows; back++) {
		struct explain_row *row = &client->row[client->rows - back];

		if (!row->informational || !row->attempt ||
		    memcmp(client->attempt[row->attempt - 1].cookies, a->message, IKE_COOKIE_LEN) != 0)
			return NULL;
		if (row->direction == a->packet->direction)
			return row;
	}
	return NULL;
}

void ladder_count(const struct explain_client *client, struct explain_row *row, const struct arrival *a)
{
	row->times++;
	row->last_ms = a->packet->time_ms;
	if (!row->attempt)
		return;
	client->attempt[row->attempt - 1].seen[row->phase1]++;
	client->attempt[row->attempt - 1].last_ms = a->packet->time_ms;
	client->attempt[row->attempt - 1].informational[row->direction] += row->informational;
}

void ladder_see_again(const struct explain_client *client, struct explain_row *row, const struct arrival *a)
{
	if (a->packet->time_ms >= row->last_ms + COPY_MS)
		ladder_count(client, row, a);
}

struct explain_row *ladder_add_row(struct explain_report *report, struct explain_client *client,
				   const struct arrival *a, uint64_t digest, const struct words *title,
				   const struct words *detail, const char *change)
{
	struct explain_row row = {.packet = a->packet->number,
				  .first_ms = a->packet->time_ms,
				  .last_ms = a->packet->time_ms,
				  .times = 1,
				  .direction = a->packet->direction,
				  .on_4500 = a->on_4500,
				  .digest = digest};
	void *array = client->rows < EXPLAIN_ROWS_MAX
			      ? grown(client->row, client->rows, ROWS_FIRST, EXPLAIN_ROWS_MAX, sizeof row)
			      : NULL;

	if (!array) {
		client->rows_lost++;
		return NULL;
	}
	client->row = array;
	row.title = strdup(title->text);
	row.detail = strdup(detail ? detail->text : "");
	row.change = strdup(change);
	client->row[client->rows++] = row;
	if (row.title && row.detail && row.change)
		return &client->row[client->rows - 1];
	report->out_of_memory++;
	client->rows--;
	free(row.title);
	free(row.detail);
	free(row.change);
	return NULL;
}

void ladder_touch(struct explain_report *report, struct explain_client *client, const struct arrival *a)
{
	const uint64_t now = a->packet->time_ms;

	if (!report->first_ms || now < report->first_ms)
		report->first_ms = now;
	if (now > report->last_ms)
		report->last_ms = now;
	client->last_ms = now > client->last_ms ? now : client->last_ms;
}
