/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading libreswan's status lines through a bounds-checked cursor. */
#include "shim/stack/whack.h"

#include <string.h>

struct cursor {
	const char *at, *end;
};

static bool skip(struct cursor *c, const char *word)
{
	const size_t length = strlen(word);

	if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0)
		return false;
	c->at += length;
	return true;
}

static void skip_spaces(struct cursor *c)
{
	while (c->at < c->end && *c->at == ' ')
		c->at++;
}

/* Decimal, at least one digit, below 2^63. */
static bool take_number(struct cursor *c, uint64_t *out)
{
	const char *start = c->at;
	uint64_t value = 0;

	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		if (value > INT64_MAX / 10 - 1)
			return false;
		value = value * 10 + (uint64_t)(*c->at - '0');
	}
	*out = value;
	return c->at > start;
}

static bool take_hex(struct cursor *c, uint32_t *out)
{
	static const char digits[] = {'0', '1', '2', '3', '4', '5', '6', '7',
				      '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
	const char *start = c->at;
	uint32_t value = 0;

	for (; c->at < c->end; c->at++) {
		const char *digit = memchr(digits, *c->at, sizeof digits);

		if (!digit)
			break;
		if (c->at - start == 8)
			return false;
		value = value << 4 | (uint32_t)(digit - digits);
	}
	*out = value;
	return c->at > start;
}

/* Up to the next blank, into a string. */
static bool take_word(struct cursor *c, char *out, size_t size)
{
	const char *start = c->at;

	while (c->at < c->end && *c->at != ' ')
		c->at++;
	const size_t length = (size_t)(c->at - start);

	if (length == 0 || length >= size)
		return false;
	memcpy(out, start, length);
	out[length] = '\0';
	return true;
}

/* IDs are the peer's own words, and end up in logs. */
static void copy_printable(char *out, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		out[i] = (char)(text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?');
	out[length] = '\0';
}

static bool contains(struct cursor c, const char *word, struct cursor *after)
{
	for (; c.at < c.end; c.at++) {
		struct cursor here = c;

		if (skip(&here, word)) {
			if (after)
				*after = here;
			return true;
		}
	}
	return false;
}

/* "name" and, of an instance, [number]. */
static bool take_connection(struct cursor *c, char out[static WHACK_CONNECTION_MAX])
{
	const char *start = c->at;
	uint64_t instance;

	if (!skip(c, "\""))
		return false;
	const char *quote = memchr(c->at, '"', (size_t)(c->end - c->at));

	if (!quote)
		return false;
	c->at = quote + 1;
	if (skip(c, "[") && !(take_number(c, &instance) && skip(c, "]")))
		return false;
	const size_t length = (size_t)(c->at - start);

	if (length >= WHACK_CONNECTION_MAX)
		return false;
	copy_printable(out, start, length);
	return true;
}

/* esp.HEX@ADDRESS */
static bool take_said(struct cursor c, uint32_t *spi, struct endpoint *address, struct cursor *after)
{
	char text[ENDPOINT_TEXT_MAX];
	struct cursor at;

	if (!contains(c, " esp.", &at) || !take_hex(&at, spi) || !skip(&at, "@") ||
	    !take_word(&at, text, sizeof text) || !endpoint_parse(text, address))
		return false;
	*after = at;
	return true;
}

static bool take_sas(struct cursor c, struct whack_line *out)
{
	struct endpoint ours;

	if (!take_said(c, &out->spi_out, &out->peer, &c) || !take_said(c, &out->spi_in, &ours, &c))
		return false;
	out->kind = WHACK_SAS;
	return true;
}

/* The peer: ":4500", " 203.0.113.2:4500", " ...203.0.113.2:4500" and for IPv6 " 2001:db8::2:4500"; maybe "(tcp)" behind. */
static bool take_peer(struct cursor *c, struct endpoint *peer)
{
	char word[ENDPOINT_TEXT_MAX + 16];
	uint64_t port;

	skip_spaces(c);
	if (!take_word(c, word, sizeof word))
		return false;
	char *colon = strrchr(word, ':');

	if (!colon)
		return false;
	struct cursor digits = {.at = colon + 1, .end = word + strlen(word)};

	if (!take_number(&digits, &port) || port > UINT16_MAX ||
	    (digits.at < digits.end && *digits.at != '('))
		return false;
	*colon = '\0';
	const char *address = word + strspn(word, ".");

	*peer = (struct endpoint){.addr_len = 0};
	if (*address && !endpoint_parse(address, peer))
		return false;
	peer->port = (uint16_t)port;
	return true;
}

static bool take_state(struct cursor c, struct whack_line *out)
{
	static const char *const parents[] = {"ISAKMP SA #", "IKE SA #", "isakmp#"};

	if (!take_peer(&c, &out->peer))
		return false;
	out->established = contains(c, "SA established", NULL) || contains(c, " established I", NULL) ||
			   contains(c, "(established ", NULL) || contains(c, " established C", NULL);
	out->quick = contains(c, "QUICK_", NULL) || contains(c, "CHILD_SA", NULL) ||
		     contains(c, "Child SA", NULL) || contains(c, "IPsec SA", NULL);
	for (size_t i = 0; i < sizeof parents / sizeof *parents && !out->parent; i++) {
		struct cursor at;

		if (contains(c, parents[i], &at) && !take_number(&at, &out->parent))
			out->parent = 0;
	}
	out->quick = out->quick || out->parent;
	out->kind = WHACK_STATE;
	return true;
}

static bool take_id(struct cursor c, struct whack_line *out)
{
	struct cursor at;

	if (!skip(&c, ":") || !contains(c, "their id=", &at))
		return false;
	const char *end = memchr(at.at, ';', (size_t)(at.end - at.at));
	const size_t length = (size_t)((end ? end : at.end) - at.at);

	if (length == 0 || length >= WHACK_ID_MAX || *at.at == '(')
		return false;
	copy_printable(out->id, at.at, length);
	out->kind = WHACK_ID;
	return true;
}

static bool parse_line(const char *line, size_t length, struct whack_line *out)
{
	struct cursor c = {.at = line, .end = line + length};

	memset(out, 0, sizeof *out);
	skip(&c, "000 ");
	if (!skip(&c, "#"))
		return take_connection(&c, out->connection) && take_id(c, out);
	if (!take_number(&c, &out->number) || !skip(&c, ":"))
		return false;
	skip_spaces(&c);
	if (!take_connection(&c, out->connection))
		return false;
	return take_sas(c, out) || take_state(c, out);
}

void whack_parse(const char *text, size_t length, whack_line_fn *fn, void *ctx)
{
	const char *end = text + length;
	struct whack_line line;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline ? newline : end;

		if (parse_line(text, (size_t)(stop - text), &line))
			fn(ctx, &line);
		text = stop + 1;
	}
}
