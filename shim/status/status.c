/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings of the answer may be a stranger's (the stack's error can quote a client's ID), so none gets to a terminal as it is. */
#include "shim/status/status.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reading */

/* malloc'ed; NULL: out of memory. */
static char *printable(const char *text)
{
	char *out = malloc(4 * strlen(text) + 1), *at = out;

	if (!out)
		return NULL;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p >= ' ' && *p < 0x7f)
			*at++ = (char)*p;
		else
			at += sprintf(at, "\\x%02x", *p);
	}
	*at = '\0';
	return out;
}

/* A string of the answer, or "" where there is none. */
static char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return printable(text ? text : "");
}

static int64_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static char *peer_of(const json_t *session)
{
	const char *address = json_string_value(json_object_get(session, "peer"));
	const int64_t port = number_of(session, "port");
	char *with_port, *out;

	if (!address)
		return printable("?");
	if (!port)
		return printable(address);
	if (asprintf(&with_port, strchr(address, ':') ? "[%s]:%" PRId64 : "%s:%" PRId64, address, port) < 0)
		return NULL;
	out = printable(with_port);
	free(with_port);
	return out;
}

/* What is done for a client, with commas between the words. */
static char *does_of(const json_t *session)
{
	const json_t *array = json_object_get(session, "does");
	char *text = NULL, *out;
	size_t size, i;
	FILE *stream = open_memstream(&text, &size);
	json_t *word;

	if (!stream)
		return NULL;
	json_array_foreach(array, i, word)
	{
		fprintf(stream, "%s%s", i ? "," : "", json_is_string(word) ? json_string_value(word) : "?");
	}
	if (json_is_string(json_object_get(session, "alias")))
		fprintf(stream, "%salias", i ? "," : "");
	fclose(stream);
	if (!text)
		return NULL;
	out = printable(text);
	free(text);
	return out;
}

static bool read_client(struct status_client *c, const json_t *session)
{
	const json_t *ends = json_object_get(session, "ends_in_s");

	*c = (struct status_client){
		.peer = peer_of(session),
		.alias = text_of(session, "alias"),
		.dialect = text_of(session, "dialect"),
		.state = text_of(session, "state"),
		.does = does_of(session),
		.why = text_of(session, "ends_why"),
		.error = text_of(session, "error"),
		.nat = json_is_true(json_object_get(session, "nat")),
		.l2tp_port = number_of(session, "l2tp_port"),
		.age_s = number_of(session, "age_s"),
		.idle_s = number_of(session, "idle_s"),
		.bytes_in = number_of(session, "bytes_in"),
		.bytes_out = number_of(session, "bytes_out"),
		.attempts = number_of(session, "attempts"),
		.ends_in_s = json_is_integer(ends) ? json_integer_value(ends) : STATUS_NEVER,
	};
	return c->peer && c->alias && c->dialect && c->state && c->does && c->why && c->error;
}

static bool read_clients(struct status *s, const json_t *sessions)
{
	size_t i;
	json_t *session;

	s->clients = calloc(json_array_size(sessions) + 1, sizeof *s->clients);
	if (!s->clients)
		return false;
	json_array_foreach(sessions, i, session)
	{
		if (!read_client(&s->clients[s->client_count++], session))
			return false;
	}
	return true;
}

/* The address of "ADDR", "ADDR:PORT" or "[ADDR6]:PORT". */
static size_t host_of(const char *peer, const char **host)
{
	const char *colon = strchr(peer, ':');

	*host = peer + (*peer == '[');
	if (*peer == '[')
		return strcspn(*host, "]");
	return colon && colon == strrchr(peer, ':') ? (size_t)(colon - peer) : strlen(peer);
}

/* At any port: a peer is known by the port of its phase 1. */
static bool has_session(const struct status *s, const char *peer)
{
	const char *host, *other;
	const size_t length = host_of(peer, &host);

	for (size_t i = 0; i < s->client_count; i++)
		if (host_of(s->clients[i].peer, &other) == length && !memcmp(host, other, length))
			return true;
	return false;
}

static bool read_peers(struct status *s, const json_t *peers)
{
	size_t i;
	json_t *one;

	s->peers = calloc(json_array_size(peers) + 1, sizeof *s->peers);
	if (!s->peers)
		return false;
	json_array_foreach(peers, i, one)
	{
		const char *peer = json_string_value(json_object_get(one, "peer"));
		struct status_peer *to = &s->peers[s->peer_count++];

		to->peer = printable(peer ? peer : "?");
		to->dialect = text_of(one, "dialect");
		to->age_s = number_of(one, "age_s");
		if (!to->peer || !to->dialect)
			return false;
		to->connected = has_session(s, to->peer);
	}
	return true;
}

/* Each of these means that some client was not served as it should be. */
static char *find_trouble(const json_t *counters)
{
	static const char *const names[] = {
		"queue_overruns",     "queue_errors",      "set_errors",
		"session_failures",   "session_unwatched", "unanswered_hellos",
		"bridge_swap_errors", "bridge_swap_lost",  "bridge_wait_refused",
		"aliases_refused",    "xfrm_overruns",     "bridge_secrets_unanswered"};
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	bool several = false;

	if (!stream)
		return NULL;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const int64_t value = number_of(counters, names[i]);

		if (!value)
			continue;
		fprintf(stream, "%s%" PRId64 " %s", several ? ", " : "", value, names[i]);
		several = true;
	}
	fclose(stream);
	return text;
}

static bool read_all(struct status *s, const json_t *root)
{
	s->version = text_of(root, "version");
	s->iface = text_of(root, "iface");
	s->iface_absent = text_of(root, "iface_absent");
	s->stack = text_of(root, "stack");
	s->uptime_s = number_of(root, "uptime_s");
	s->trouble = find_trouble(json_object_get(root, "counters"));
	return s->version && s->iface && s->iface_absent && s->stack && s->trouble &&
	       read_clients(s, json_object_get(root, "sessions")) &&
	       read_peers(s, json_object_get(root, "peers"));
}

struct status *status_read(const char *json, char error[static STATUS_ERROR_MAX])
{
	json_error_t why;
	json_t *root = json_loads(json, 0, &why);
	struct status *s;

	if (!json_is_object(root)) {
		snprintf(error, STATUS_ERROR_MAX, "the answer is not JSON: %s",
			 root ? "no object" : why.text);
		json_decref(root);
		return NULL;
	}
	s = calloc(1, sizeof *s);
	if (s && !read_all(s, root)) {
		status_free(s);
		s = NULL;
	}
	json_decref(root);
	if (!s)
		snprintf(error, STATUS_ERROR_MAX, "out of memory");
	return s;
}

static void free_client(struct status_client *c)
{
	free(c->peer);
	free(c->alias);
	free(c->dialect);
	free(c->state);
	free(c->does);
	free(c->why);
	free(c->error);
}

void status_free(struct status *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->clients && i < s->client_count; i++)
		free_client(&s->clients[i]);
	for (size_t i = 0; s->peers && i < s->peer_count; i++) {
		free(s->peers[i].peer);
		free(s->peers[i].dialect);
	}
	free(s->clients);
	free(s->peers);
	free(s->version);
	free(s->iface);
	free(s->iface_absent);
	free(s->stack);
	free(s->trouble);
	free(s);
}

/* Order */

const char *status_order_name(enum status_order order)
{
	static const char *const names[STATUS_ORDERS] = {"end", "traffic", "age", "client"};

	return order < STATUS_ORDERS ? names[order] : "?";
}

static int by_number(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int by_client(const void *left, const void *right)
{
	const struct status_client *a = left, *b = right;
	const int order = strcmp(a->peer, b->peer);

	return order ? order : by_number(a->l2tp_port, b->l2tp_port);
}

/* Who has gone, then who is being ended, then by the time that is left. */
static int64_t end_rank(const struct status_client *c)
{
	if (c->change & STATUS_IS_GONE)
		return -2;
	if (c->attempts)
		return -1;
	return c->ends_in_s == STATUS_NEVER ? INT64_MAX : c->ends_in_s;
}

static int by_end(const void *left, const void *right)
{
	const int order = by_number(end_rank(left), end_rank(right));

	return order ? order : by_client(left, right);
}

static int by_traffic(const void *left, const void *right)
{
	const struct status_client *a = left, *b = right;
	const int order = by_number(b->bytes_in + b->bytes_out, a->bytes_in + a->bytes_out);

	return order ? order : by_client(left, right);
}

static int by_age(const void *left, const void *right)
{
	const struct status_client *a = left, *b = right;
	const int order = by_number(a->age_s, b->age_s);

	return order ? order : by_client(left, right);
}

void status_sort(struct status *status, enum status_order order)
{
	static int (*const orders[STATUS_ORDERS])(const void *, const void *) = {by_end, by_traffic, by_age,
										 by_client};

	qsort(status->clients, status->client_count, sizeof *status->clients, orders[order]);
}

/* Changes */

static unsigned changes(const struct status_client *now, const struct status_client *before)
{
	unsigned change = 0;

	if (before->change & STATUS_IS_GONE || now->age_s < before->age_s)
		return STATUS_IS_NEW; /* it is back */
	if (strcmp(now->state, before->state) != 0)
		change |= STATUS_STATE;
	if (now->bytes_in != before->bytes_in)
		change |= STATUS_IN;
	if (now->bytes_out != before->bytes_out)
		change |= STATUS_OUT;
	if (strcmp(now->does, before->does) != 0 || strcmp(now->alias, before->alias) != 0)
		change |= STATUS_DOES;
	if (strcmp(now->why, before->why) != 0 || strcmp(now->error, before->error) != 0 ||
	    now->attempts != before->attempts)
		change |= STATUS_END;
	return change;
}

static bool copy_client(struct status_client *to, const struct status_client *from)
{
	*to = *from;
	to->peer = strdup(from->peer);
	to->alias = strdup(from->alias);
	to->dialect = strdup(from->dialect);
	to->state = strdup(from->state);
	to->does = strdup(from->does);
	to->why = strdup(from->why);
	to->error = strdup(from->error);
	return to->peer && to->alias && to->dialect && to->state && to->does && to->why && to->error;
}

static bool add_gone(struct status *now, const struct status_client *client)
{
	struct status_client *more = realloc(now->clients, (now->client_count + 2) * sizeof *now->clients);
	struct status_client *gone;

	if (!more)
		return false;
	now->clients = more;
	gone = &now->clients[now->client_count++];
	if (!copy_client(gone, client))
		return false;
	gone->change = STATUS_IS_GONE;
	gone->gone_for = client->change & STATUS_IS_GONE ? client->gone_for + 1 : 0;
	return true;
}

/* Both by client, side by side. */
bool status_compare(struct status *now, const struct status *before, unsigned keep)
{
	const size_t count = now->client_count;
	struct status_client *old = calloc(before->client_count + 1, sizeof *old);
	size_t at = 0;
	bool done = old != NULL;

	if (!old)
		return false;
	memcpy(old, before->clients, before->client_count * sizeof *old);
	qsort(old, before->client_count, sizeof *old, by_client);
	status_sort(now, STATUS_BY_CLIENT);
	for (size_t i = 0; i < before->client_count && done; i++) {
		while (at < count && by_client(&now->clients[at], &old[i]) < 0)
			now->clients[at++].change = STATUS_IS_NEW;
		if (at < count && !by_client(&now->clients[at], &old[i])) {
			now->clients[at].change = changes(&now->clients[at], &old[i]);
			at++;
		} else if (!(old[i].change & STATUS_IS_GONE) || old[i].gone_for + 1 < keep) {
			done = add_gone(now, &old[i]);
		}
	}
	while (at < count)
		now->clients[at++].change = STATUS_IS_NEW;
	free(old);
	return done;
}
