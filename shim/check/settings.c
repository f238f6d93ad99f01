/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of settings, and the readers that fill it. */
#include "shim/check/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANK " \t\r"
#define PATH_LENGTH 512

static void free_item(struct setting *item)
{
	free(item->section);
	free(item->key);
	free(item->value);
}

static bool grow(struct settings *s)
{
	const size_t capacity = s->capacity ? 2 * s->capacity : 64;
	struct setting *items;

	if (s->count < s->capacity)
		return true;
	if (capacity > SETTINGS_MAX)
		return false;
	items = reallocarray(s->items, capacity, sizeof *items);
	if (!items)
		return false;
	s->items = items;
	s->capacity = capacity;
	return true;
}

void settings_add(struct settings *s, const char *section, const char *key, const char *value)
{
	struct setting *item;

	if (!grow(s))
		return;
	item = &s->items[s->count];
	item->section = strdup(section);
	item->key = strdup(key);
	item->value = strdup(value);
	item->line = 0;
	if (item->section && item->key && item->value)
		s->count++;
	else
		free_item(item);
}

void settings_clear(struct settings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free_item(&s->items[i]);
	free(s->items);
	*s = (struct settings){.items = NULL};
}

static const struct setting *find(const struct settings *s, const char *section, const char *key, bool filled)
{
	for (size_t i = s->count; i-- > 0;) {
		const struct setting *item = &s->items[i];

		if ((!section || !strcmp(item->section, section)) && !strcmp(item->key, key) &&
		    (!filled || *item->value))
			return item;
	}
	return NULL;
}

const char *settings_get(const struct settings *s, const char *section, const char *key)
{
	const struct setting *item = find(s, section, key, true);

	return item ? item->value : NULL;
}

const struct setting *settings_find(const struct settings *s, const char *section, const char *key)
{
	return find(s, section, key, false);
}

bool settings_is(const struct settings *s, const char *section, const char *key, const char *value)
{
	const char *found = settings_get(s, section, key);

	return found && !strcmp(found, value);
}

/* ---- the readers ------------------------------------------------------------------------------------------------- */

/* Cuts blanks at both ends, and one pair of quotes. */
static char *trim(char *text)
{
	size_t length;

	text += strspn(text, BLANK);
	length = strlen(text);
	while (length && strchr(BLANK, text[length - 1]))
		text[--length] = '\0';
	if (length >= 2 && (*text == '"' || *text == '\'') && text[length - 1] == *text) {
		text[length - 1] = '\0';
		text++;
	}
	return text;
}

typedef void line_fn(struct settings *out, char *line, char *section);

/* Each line in a copy; section is kept between them, PATH_LENGTH bytes. */
static void each_line(struct settings *out, const char *text, line_fn *fn)
{
	char *copy = strdup(text), *rest = copy, *line;
	char section[PATH_LENGTH] = "";

	while (copy && (line = strsep(&rest, "\n")))
		fn(out, line, section);
	free(copy);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is a line_fn */
static void export_line(struct settings *out, char *line, char *section)
{
	char *equals = strchr(line, '=');

	(void)section;
	if (strncmp(line, "export ", 7) != 0 || !equals)
		return;
	*equals = '\0';
	settings_add(out, "setup", trim(line + 7), trim(equals + 1));
}

void settings_read_exports(struct settings *out, const char *text)
{
	each_line(out, text, export_line);
}

/* The word behind mark, up to one of ",; ": a value of whack's "key:value; key:value". */
static void take_word(struct settings *out, const char *section, const char *line, const char *mark,
		      const char *key)
{
	const char *at = strstr(line, mark);
	char word[64];

	if (!at)
		return;
	at += strlen(mark);
	snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ",; \t"), at);
	settings_add(out, section, key, word);
}

static void whack_line(struct settings *out, char *line, char *section)
{
	char *end;

	line += strncmp(line, "000 ", 4) ? 0 : 4;
	take_word(out, "setup", line, "ikev1-policy=", "ikev1-policy");
	if (*line != '"' || !(end = strchr(line + 1, '"')) || end[1] != ':')
		return;
	*end = '\0';
	snprintf(section, PATH_LENGTH, "%s", line + 1);
	line = end + 2;
	settings_add(out, section, "loaded", "yes");
	if (strstr(line, "oriented;"))
		settings_add(out, section, "oriented", strstr(line, "unoriented;") ? "no" : "yes");
}

void settings_read_whack_status(struct settings *out, const char *text)
{
	each_line(out, text, whack_line);
}

/* Up to the end of a value: a newline, a comment or a brace outside of quotes. */
static size_t swanctl_value_length(const char *at)
{
	bool quoted = false;
	size_t n = 0;

	for (; at[n] && (quoted || !strchr("\n#{}", at[n])); n++)
		if (at[n] == '"')
			quoted = !quoted;
	return n;
}

static void path_down(char *path, const char *name)
{
	const size_t length = strlen(path);

	snprintf(path + length, PATH_LENGTH - length, "%s%s", length ? "/" : "", name);
}

static void path_up(char *path)
{
	char *slash = strrchr(path, '/');

	*(slash ? slash : path) = '\0';
}

/* One statement at text, its length returned; word holds its name. */
static void swanctl_statement(struct settings *out, const char *path, char *statement)
{
	char *equals = strchr(statement, '=');

	if (equals) {
		*equals = '\0';
		settings_add(out, path, trim(statement), trim(equals + 1));
	} else if (!strncmp(statement, "include ", 8)) {
		settings_add(out, path, "include", trim(statement + 8));
	}
}

void settings_read_swanctl(struct settings *out, const char *text)
{
	char path[PATH_LENGTH] = "";

	while (*text) {
		const size_t n = swanctl_value_length(text);
		char *copy = strndup(text, n);

		if (!copy)
			return;
		text += n;
		if (*text == '{') {
			path_down(path, trim(copy));
			settings_add(out, path, "", "");
		} else {
			swanctl_statement(out, path, trim(copy));
		}
		free(copy);
		if (*text == '#')
			text += strcspn(text, "\n");
		if (*text == '}')
			path_up(path);
		text += *text != '\0';
	}
}

/* The next word of pppd's options, quotes and comments as pppd reads them; false at the end. */
static bool ppp_word(const char **at, char *word, size_t size)
{
	char quote = '\0';
	size_t n = 0;

	for (;;) {
		*at += strspn(*at, " \t\r\n");
		if (**at != '#')
			break;
		*at += strcspn(*at, "\n");
	}
	if (!**at)
		return false;
	for (; **at && (quote || !strchr(" \t\r\n", **at)); (*at)++) {
		if (quote ? **at == quote : **at == '"' || **at == '\'') {
			quote = (char)(quote ? '\0' : **at);
			continue;
		}
		if (**at == '\\' && (*at)[1])
			(*at)++;
		if (n + 1 < size)
			word[n++] = **at;
	}
	word[n] = '\0';
	return true;
}

void settings_read_ppp(struct settings *out, const char *section, const char *text)
{
	const char *const whole = text;
	char word[256], next[256];
	bool more = ppp_word(&text, word, sizeof word);
	unsigned line = 1;
	const char *counted = whole;

	while (more) {
		const size_t before = out->count;

		/* text stands right behind the word, in its line */
		for (; counted < text; counted++)
			line += *counted == '\n';
		more = ppp_word(&text, next, sizeof next);
		settings_add(out, section, word, more ? next : "");
		if (out->count > before)
			out->items[before].line = line;
		memcpy(word, next, sizeof word);
	}
}

static void chap_line(struct settings *out, const char *text, unsigned line)
{
	char word[256], section[16];
	unsigned words = 0, addresses = 0;
	bool none = false;

	snprintf(section, sizeof section, "%u", line);
	for (; ppp_word(&text, word, sizeof word); words++) {
		if (words < 2)
			settings_add(out, section, words ? "server" : "client", word);
		else if (words > 2)
			addresses++;
		if (words == 3)
			none = !strcmp(word, "-"); /* pppd(8): no address at all */
	}
	explicit_bzero(word, sizeof word);
	if (words > 2) {
		snprintf(word, sizeof word, "%u", addresses);
		settings_add(out, section, "addresses", none ? "-" : word);
	}
}

void settings_read_chap(struct settings *out, const char *text)
{
	char *copy = strdup(text), *rest = copy, *line;
	const size_t length = strlen(text);

	for (unsigned number = 1; copy && (line = strsep(&rest, "\n")); number++)
		chap_line(out, line, number);
	if (copy)
		explicit_bzero(copy, length);
	free(copy);
}
