/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipsec.secrets(5), see ipsec_secrets.h. The lexer's rules are pluto's: words end at blanks, a colon at a word's end is a word of its
 * own, a quote at a word's beginning opens a string that ends in its line. */
#include "shim/check/ipsec_secrets.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLANK " \t"
#define WORDS_MAX 256 /* of one record; more are not looked at */
#define TEXT_MAX 2048
#define CONTINUED "an indented line is part of the entry before it; each entry begins in the first column"

struct word {
	const char *text;
	char quote; /* it stood in these; '\0': in none */
	unsigned line;
};
struct record {
	struct word words[WORDS_MAX];
	unsigned count, line;
	bool indented; /* it has no beginning: the file's first words are indented */
	struct settings *out;
	const char *file;
};

/* ---- what a record means ----------------------------------------------------------------------------------------- */

static void add(const struct record *r, const char *kind, unsigned line, const char *value)
{
	char place[512];

	snprintf(place, sizeof place, "%.480s:%u", r->file, line);
	settings_add(r->out, kind, place, value);
}

static void fault(const struct record *r, unsigned line, const char *why)
{
	add(r, "fault", line, why);
}

static bool is_word(const struct word *w, const char *text)
{
	return !strcasecmp(w->text, text);
}

/* An index as pluto compares it, or NULL where it says "index ..." and goes on without. Names are looked up there: they are kept. */
static const char *index_of(const struct word *w)
{
	struct in6_addr address;

	if (!strcmp(w->text, "%any") || !strcmp(w->text, "%any6"))
		return "%any";
	if (inet_pton(AF_INET, w->text, &address) == 1 || inet_pton(AF_INET6, w->text, &address) == 1)
		return strspn(w->text, "0.:") == strlen(w->text) ? "%any" : w->text;
	if (strpbrk(w->text, "@="))
		return strcmp(w->text, "=") ? w->text : NULL;
	if (!strcasecmp(w->text, "localhost"))
		return "127.0.0.1"; /* of names without a dot the one that each host knows */
	if (!strchr(w->text, '.') || strpbrk(w->text, "/,%*: ") ||
	    !strpbrk(w->text, "abcdefghijklmnopqrstuvwxyz"))
		return NULL;
	return w->text;
}

/* Unquoted data: 0x, 0s, 0t. */
static bool is_data(const char *text)
{
	const char *digits = text + 2;
	size_t n;

	if (text[0] != '0' || !text[1] || !*digits)
		return false;
	if (text[1] == 't' || text[1] == 'T')
		return true;
	for (n = 0; digits[n] && (text[1] == 's' || text[1] == 'S'); n++)
		if (!isalnum((unsigned char)digits[n]) && !strchr("+/=", digits[n]))
			return false;
	if (n)
		return true;
	for (n = 0; *digits && strchr("0123456789abcdefABCDEF_", *digits); digits++)
		n += *digits != '_';
	return (text[1] == 'x' || text[1] == 'X') && !*digits && n % 2 == 0;
}

static const char *key_fault(const struct word *key)
{
	if (key->quote == '"' || key->quote == '\'')
		return *key->text ? NULL : IPSEC_SECRETS_EMPTY;
	if (*key->text == '"' || *key->text == '\'')
		return "the key's quote is not closed in its line";
	if (!key->quote && is_data(key->text))
		return NULL;
	if (!strncasecmp(key->text, "0x", 2))
		return "a key in 0x has two digits for each byte, and nothing else";
	if (!strncmp(key->text, "\xe2\x80", 2) || !strncmp(key->text, "\xc2", 1))
		return "the key stands in typographic quotes; pluto knows \" and ' only";
	return "the key stands in no quotes";
}

/* Behind the colon: the words from at on. True: a pre-shared key. */
static bool is_key(const struct record *r, unsigned at)
{
	const char *why;

	if (at == r->count) {
		fault(r, r->line, "nothing stands behind the colon");
		return false;
	}
	if (is_word(&r->words[at], "rsa") || is_word(&r->words[at], "ecdsa") ||
	    is_word(&r->words[at], "xauth") || is_word(&r->words[at], "ppks")) {
		for (unsigned i = at; i < r->count; i++)
			if (is_word(&r->words[i], ":"))
				fault(r, r->words[i].line, CONTINUED);
		return false; /* another kind */
	}
	if (!is_word(&r->words[at], "psk")) {
		fault(r, r->words[at].line,
		      strncasecmp(r->words[at].text, "psk", 3)
			      ? "behind the colon stands neither PSK nor another kind of secret"
			      : "there is no blank between PSK and what follows it");
		return false;
	}
	if (at + 1 == r->count) {
		fault(r, r->words[at].line, "no key stands behind PSK");
		return false;
	}
	why = key_fault(&r->words[at + 1]);
	if (!why && at + 2 < r->count)
		why = r->words[at + 2].line == r->words[at + 1].line ? "something stands behind the key"
								     : CONTINUED;
	if (why)
		fault(r, r->words[at + 1].line, why);
	return !why;
}

static void take_include(const struct record *r)
{
	if (r->count == 2)
		settings_add(r->out, "include", r->file, r->words[1].text);
	else
		fault(r, r->line, r->count < 2 ? "include names no file" : "include takes one name");
}

static bool mentions_psk(const struct record *r)
{
	for (unsigned i = 0; i < r->count; i++)
		if (strcasestr(r->words[i].text, "psk"))
			return true;
	return false;
}

static void take_record(struct record *r)
{
	char indices[TEXT_MAX] = "";
	unsigned at;

	if (!r->count)
		return;
	if (r->indented) {
		fault(r, r->line,
		      "the file's first entry is indented: that makes it part of an entry before it");
		return;
	}
	if (is_word(&r->words[0], "include")) {
		take_include(r);
		return;
	}
	for (at = 0; at < r->count && strcmp(r->words[at].text, ":") != 0; at++) {
		const char *const one = index_of(&r->words[at]);
		const size_t n = strlen(indices);

		if (one)
			snprintf(indices + n, sizeof indices - n, "%s%s", n ? " " : "", one);
	}
	if (at == r->count) {
		if (mentions_psk(r))
			fault(r, r->line,
			      "no colon stands alone or at a word's end: blanks go on both sides of it");
		return;
	}
	if (is_key(r, at + 1))
		add(r, "psk", r->line, indices);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static void add_word(struct record *r, const char *text, char quote, unsigned line)
{
	if (r->count < WORDS_MAX)
		r->words[r->count++] = (struct word){text, quote, line};
}

/* The words of a line, cut up in place. */
static void take_words(struct record *r, char *at, unsigned line)
{
	for (;;) {
		char *word, *end, quote = '\0';
		size_t n;

		at += strspn(at, BLANK);
		if (!*at || *at == '#')
			return;
		word = at;
		if (strchr("\"'`", *at)) {
			end = strchr(at + 1, *at);
			if (end) {
				quote = *word++;
				*end = '\0';
				at = end + 1;
			} else {
				at += strlen(at);
			}
			add_word(r, word, quote, line);
			continue;
		}
		n = strncmp(at, "0t", 2) ? strcspn(at, BLANK) : strlen(at);
		at += n;
		if (*at)
			*at++ = '\0';
		if (n > 1 && word[n - 1] == ':') {
			word[n - 1] = '\0';
			add_word(r, word, '\0', line);
			add_word(r, ":", '\0', line);
		} else {
			add_word(r, word, '\0', line);
		}
	}
}

static void trim_end(char *line)
{
	size_t n = strlen(line);

	while (n && isspace((unsigned char)line[n - 1]))
		line[--n] = '\0';
}

void ipsec_secrets_lines(struct settings *out, const char *text, const char *file)
{
	char *copy = strdup(text), *rest = copy, *line;
	struct record *r = calloc(1, sizeof *r);
	const size_t length = strlen(text);

	if (r && copy) {
		*r = (struct record){.out = out, .file = file, .indented = true, .line = 1};
		for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
			trim_end(line);
			if (*line && !strchr(BLANK "#", *line)) {
				take_record(r);
				r->count = 0;
				r->line = number;
				r->indented = false;
			} else if (r->indented && !r->count) {
				r->line = number;
			}
			take_words(r, line, number);
		}
		take_record(r);
	}
	if (copy)
		explicit_bzero(copy, length);
	free(copy);
	free(r);
}

/* ---- which record serves ----------------------------------------------------------------------------------------- */

static bool is_own(const char *word, const char *own)
{
	struct in6_addr a, b;

	if (!own)
		return true;
	if ((inet_pton(AF_INET, word, &a) == 1 && inet_pton(AF_INET, own, &b) == 1) ||
	    (inet_pton(AF_INET6, word, &a) == 1 && inet_pton(AF_INET6, own, &b) == 1))
		return !strcmp(word, own);
	/* a name without @ is looked up by pluto: that it is the server's cannot be excluded */
	return !strcasecmp(word, own) ||
	       (!strpbrk(word, "@=") && !inet_pton(AF_INET, word, &a) && !inet_pton(AF_INET6, word, &a));
}

/* Where the peer is not known: no index; one that is %any; or one alone, the server's own. */
static bool serves(const char *indices, const char *own)
{
	char copy[TEXT_MAX];
	unsigned count = 0;
	bool any = false, ours = false;

	snprintf(copy, sizeof copy, "%s", indices);
	for (char *save, *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		count++;
		any |= !strcmp(word, "%any");
		ours |= is_own(word, own);
	}
	return !count || any || (count == 1 && ours);
}

bool ipsec_secrets_serve(const struct settings *lines, const char *own)
{
	for (size_t i = 0; i < lines->count; i++)
		if (!strcmp(lines->items[i].section, "psk") && serves(lines->items[i].value, own))
			return true;
	return false;
}
