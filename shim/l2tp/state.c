/* A tunnel's state as one line of text for the state file: "l2tp1 CLIENT field=number ... absorbed=N,N
 * sessions=N,N". */
#include "shim/l2tp/quirks.h"

#include <stdarg.h>
#include <stdio.h>
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

static void append(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(char *out, const char *format, ...)
{
	size_t used = strlen(out);
	va_list args;

	va_start(args, format);
	vsnprintf(out + used, L2TP_STATE_TEXT_MAX - used, format, args);
	va_end(args);
}

static void append_list(char *out, const char *name, const uint16_t *numbers, unsigned count)
{
	append(out, " %s=", name);
	for (unsigned i = 0; i < count; i++)
		append(out, "%s%u", i ? "," : "", (unsigned)numbers[i]);
}

const char *l2tp_state_text(const struct l2tp_tunnel_state *state, char out[static L2TP_STATE_TEXT_MAX])
{
	char client[ENDPOINT_TEXT_MAX];

	out[0] = '\0';
	append(out, MAGIC " %s", endpoint_text(&state->client, client));
	for (size_t i = 0; i < FIELDS; i++) {
		uint16_t number;

		memcpy(&number, (const char *)state + fields[i].offset, sizeof(number));
		append(out, " %s=%u", fields[i].name, (unsigned)number);
	}
	append(out, " from_start=%d closed=%d heard=%d age_ms=%llu", state->from_start, state->closed,
	       state->heard, (unsigned long long)state->age_ms);
	append_list(out, "absorbed", state->absorbed, state->absorbed_count);
	append_list(out, "sessions", state->sessions, state->session_count);
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
