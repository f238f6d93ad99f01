/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tunnel's state as one line of text for the state file: "l2tp1 CLIENT field=number ... absorbed=N,N
 * sessions=N,N". */
#include "shim/l2tp/quirks.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC "l2tp1" /* changes with the format */
#define FIELDS (sizeof(fields) / sizeof(fields[0]))
#define NUMBER(member)                                                                                       \
	{                                                                                                    \
#member, offsetof(struct l2tp_tunnel_state, member)                                          \
	}

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
	NUMBER(client_tunnel), NUMBER(lns_tunnel), NUMBER(lns_next),
	NUMBER(client_next),   NUMBER(client_nr),  NUMBER(forgotten),
};

/* Written by hand: the lines of 10,000 tunnels hold up packets for 5 ms then, and for 10 with printf(3). */
struct line {
	char *out; /* L2TP_STATE_TEXT_MAX bytes; what does not fit is cut off */
	size_t used;
};

static void put_text(struct line *line, const char *text)
{
	size_t length = strlen(text);

	if (length > L2TP_STATE_TEXT_MAX - 1 - line->used)
		length = L2TP_STATE_TEXT_MAX - 1 - line->used;
	memcpy(line->out + line->used, text, length);
	line->used += length;
	line->out[line->used] = '\0';
}

static void put_number(struct line *line, const char *before, uint64_t number)
{
	char digits[24], *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	put_text(line, before);
	put_text(line, at);
}

static void put_list(struct line *line, const char *before, const uint16_t *numbers, unsigned count)
{
	put_text(line, before);
	for (unsigned i = 0; i < count; i++)
		put_number(line, i ? "," : "", numbers[i]);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written to by way of line */
const char *l2tp_state_text(const struct l2tp_tunnel_state *state, char out[static L2TP_STATE_TEXT_MAX])
{
	char client[ENDPOINT_TEXT_MAX];
	struct line line = {.out = out};

	put_text(&line, MAGIC " ");
	put_text(&line, endpoint_text(&state->client, client));
	for (size_t i = 0; i < FIELDS; i++) {
		uint16_t number;

		memcpy(&number, (const char *)state + fields[i].offset, sizeof(number));
		put_text(&line, " ");
		put_text(&line, fields[i].name);
		put_number(&line, "=", number);
	}
	put_number(&line, " from_start=", state->from_start);
	put_number(&line, " closed=", state->closed);
	put_number(&line, " heard=", state->heard);
	put_number(&line, " age_ms=", state->age_ms);
	put_list(&line, " absorbed=", state->absorbed, state->absorbed_count);
	put_list(&line, " sessions=", state->sessions, state->session_count);
	return out;
}

/* Takes "name=" off the front of *at. */
static bool take_name(const char **at, const char *name)
{
	size_t length = strlen(name);

	if (strncmp(*at, name, length) != 0 || (*at)[length] != '=')
		return false;
	*at += length + 1;
	return true;
}

static bool take_number(const char **at, unsigned long long max, unsigned long long *out)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	*out = strtoull(*at, &end, 10);
	*at = end;
	return *out <= max;
}

/* "name=number " */
static bool take_field(const char **at, const char *name, unsigned long long max, unsigned long long *out)
{
	if (!take_name(at, name) || !take_number(at, max, out) || **at != ' ')
		return false;
	++*at;
	return true;
}

static bool take_flag(const char **at, const char *name, bool *out)
{
	unsigned long long number;

	if (!take_field(at, name, 1, &number))
		return false;
	*out = number;
	return true;
}

static bool take_list(const char **at, const char *name, uint16_t *numbers, unsigned max, uint16_t *count)
{
	unsigned long long number;

	*count = 0;
	if (!take_name(at, name))
		return false;
	while (**at && **at != ' ') {
		if (*count == max || (*count && *(*at)++ != ',') || !take_number(at, UINT16_MAX, &number))
			return false;
		numbers[(*count)++] = (uint16_t)number;
	}
	return true;
}

static bool take_client(const char **at, struct endpoint *client)
{
	char text[ENDPOINT_TEXT_MAX];
	size_t length = strcspn(*at, " ");

	if (length >= sizeof(text) || (*at)[length] != ' ')
		return false;
	memcpy(text, *at, length);
	text[length] = '\0';
	*at += length + 1;
	return endpoint_parse(text, client);
}

bool l2tp_state_parse(const char *text, struct l2tp_tunnel_state *out)
{
	struct l2tp_tunnel_state s = {0};
	const char *at = text;
	unsigned long long number;

	if (strncmp(at, MAGIC " ", sizeof(MAGIC)) != 0)
		return false;
	at += sizeof(MAGIC);
	if (!take_client(&at, &s.client))
		return false;
	for (size_t i = 0; i < FIELDS; i++) {
		uint16_t value;

		if (!take_field(&at, fields[i].name, UINT16_MAX, &number))
			return false;
		value = (uint16_t)number;
		memcpy((char *)&s + fields[i].offset, &value, sizeof(value));
	}
	if (!take_flag(&at, "from_start", &s.from_start) || !take_flag(&at, "closed", &s.closed) ||
	    !take_flag(&at, "heard", &s.heard) || !take_field(&at, "age_ms", UINT64_MAX, &number))
		return false;
	s.age_ms = number;
	if (!take_list(&at, "absorbed", s.absorbed, L2TP_ABSORBED_MAX, &s.absorbed_count) || *at++ != ' ')
		return false;
	if (!take_list(&at, "sessions", s.sessions, L2TP_SESSIONS_MAX, &s.session_count) || *at)
		return false;
	*out = s;
	return true;
}
