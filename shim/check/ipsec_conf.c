/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipsec.conf(5) of libreswan 4 and 5: lines, include, also=, %default. It knows the file's form and which spellings mean the same, and
 * judges nothing. Tried against both versions' readwriteconf (docs/design.md). */
#include "shim/check/ipsec_conf.h"
#include "shim/check/read.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLANK " \t\r"
#define INCLUDE_DEPTH_MAX 10 /* as libreswan's lexer */
#define ALSO_MAX 32          /* as libreswan 4 */
#define DEFAULT "%default"
#define ALSO "also"

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

/* The text before a comment (a # at the beginning or behind a blank, outside of quotes), without blanks at its ends. */
static char *statement_of(char *line)
{
	char quote = '\0';
	size_t n;

	line += strspn(line, BLANK);
	for (n = 0; line[n]; n++) {
		if (quote ? line[n] == quote : line[n] == '"')
			quote = (char)(quote ? '\0' : line[n]);
		if (!quote && line[n] == '#' && (!n || strchr(BLANK, line[n - 1])))
			break;
	}
	while (n && strchr(BLANK, line[n - 1]))
		n--;
	line[n] = '\0';
	return line;
}

/* Without blanks at its beginning and one pair of quotes or braces. */
static char *bare(char *value)
{
	size_t n;

	value += strspn(value, BLANK);
	n = strlen(value);
	if (n >= 2 && ((*value == '"' && value[n - 1] == '"') || (*value == '{' && value[n - 1] == '}'))) {
		value[n - 1] = '\0';
		value++;
	}
	return value;
}

/* The argument of a line that begins with word, or NULL. */
static char *argument(char *line, const char *word)
{
	const size_t n = strlen(word);

	return !strncasecmp(line, word, n) && line[n] && strchr(BLANK, line[n]) ? bare(line + n) : NULL;
}

/* A line that begins in the first column: it opens a section, or includes. */
static void open_section(struct settings *out, char *line, char **section, const char *file)
{
	char *name = argument(line, "conn"), *what = argument(line, "config");
	char *pattern = argument(line, "include");

	if (pattern) {
		settings_add(out, "", "include", pattern);
		return;
	}
	if (!name && what && !strcmp(what, "setup"))
		name = what;
	if (!name)
		return;
	free(*section);
	*section = strdup(name);
	settings_add(out, name, "", file);
}

static void add_line(struct settings *out, char *line, const char *section, unsigned number)
{
	char *equals = strchr(line, '=');
	const size_t before = out->count;

	if (!equals)
		return;
	*equals = '\0';
	line[strcspn(line, BLANK)] = '\0';
	lower(line);
	settings_add(out, section, line, bare(equals + 1));
	if (out->count > before)
		out->items[before].line = number;
}

void ipsec_conf_lines(struct settings *out, const char *text, const char *file)
{
	char *copy = strdup(text), *rest = copy, *line, *section = NULL;

	for (unsigned number = 1; copy && (line = strsep(&rest, "\n")); number++) {
		const bool inside = *line && strchr(BLANK, *line);
		char *statement = statement_of(line);

		if (!inside)
			open_section(out, statement, &section, file);
		else if (section)
			add_line(out, statement, section, number);
	}
	free(section);
	free(copy);
}

/* ---- include ----------------------------------------------------------------------------------------------------- */

static bool read_file(struct settings *out, const char *path, unsigned depth, char *blind);

/* A pattern is relative to the current directory, as libreswan has it; without a match it is no fault. */
static void include(struct settings *out, const char *pattern, unsigned depth)
{
	char ignored[FACTS_TEXT];
	glob_t found;

	if (depth == INCLUDE_DEPTH_MAX || glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		read_file(out, found.gl_pathv[i], depth + 1, ignored);
	globfree(&found);
}

static void add_as_is(struct settings *out, const struct setting *one)
{
	const size_t before = out->count;

	settings_add(out, one->section, one->key, one->value);
	if (out->count > before)
		out->items[before].line = one->line;
}

static bool read_file(struct settings *out, const char *path, unsigned depth, char *blind)
{
	struct settings own = {.items = NULL};
	char *text = check_read_file(path, blind);

	if (!text)
		return false;
	ipsec_conf_lines(&own, text, path);
	for (size_t i = 0; i < own.count; i++) {
		const struct setting *one = &own.items[i];

		if (!*one->section)
			include(out, one->value, depth);
		else
			add_as_is(out, one);
	}
	settings_clear(&own);
	free(text);
	return true;
}

bool ipsec_conf_read(struct settings *out, const char *path, char *blind)
{
	return read_file(out, path, 0, blind);
}

/* ---- what holds -------------------------------------------------------------------------------------------------- */

/* Keys that mean another one. */
static const struct {
	const char *name, *meant;
} synonyms[] = {
	{"aggrmode", "aggressive"}, {"phase2alg", "esp"},       {"ikev1-dpdtimeout", "dpdtimeout"},
	{"keylife", "salifetime"},  {"lifetime", "salifetime"}, {"ah", "esp"},
};

/* Keys whose value is one word of several, in upper or lower case; flags are yes or no, in several spellings. */
static const struct {
	const char *key;
	bool is_flag;
} words[] = {
	{"pfs", true},        {"rekey", true},         {"uniqueids", true},
	{"aggressive", true}, {"ikev2", true},         {"keyexchange", false},
	{"type", false},      {"auto", false},         {"encapsulation", false},
	{"dpdaction", false}, {"ikev1-policy", false}, {"left", false},
	{"right", false},
};
static const char *const spellings[][2] = {
	{"true", "yes"}, {"on", "yes"}, {"1", "yes"}, {"insist", "yes"}, {"propose", "yes"},
	{"false", "no"}, {"off", "no"}, {"0", "no"},  {"never", "no"},   {"permit", "no"},
};

const char *ipsec_conf_meant(const char *key)
{
	for (size_t i = 0; i < sizeof synonyms / sizeof *synonyms; i++)
		if (!strcmp(key, synonyms[i].name))
			return synonyms[i].meant;
	return key;
}

/* The value of a flag as yes or no; another one as it is. */
static const char *flag(const char *value)
{
	for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
		if (!strcmp(value, spellings[i][0]))
			return spellings[i][1];
	return value;
}

static void add(struct settings *out, const char *section, const char *key, const char *value)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		char *text;

		if (strcmp(key, words[i].key) != 0)
			continue;
		text = strdup(value);
		if (!text)
			return;
		lower(text);
		settings_add(out, section, key, words[i].is_flag ? flag(text) : text);
		free(text);
		return;
	}
	settings_add(out, section, key, value);
}

static void note(struct settings *out, const char *conn, const char *what, const char *key, const char *value)
{
	char name[128];

	snprintf(name, sizeof name, "%s%s", what, key);
	settings_add(out, conn, name, value);
}

/* Unless the conn has that key already; an also= and the entry that opens it are not its keys. */
static void add_first(struct settings *out, const char *conn, const struct setting *line)
{
	const char *key = ipsec_conf_meant(line->key);
	const bool own = !strcmp(line->section, conn);
	char number[16];
	size_t before;

	if (!*key || !strcmp(key, ALSO))
		return;
	if (settings_find(out, conn, key)) {
		snprintf(number, sizeof number, "%u", line->line);
		if (own)
			note(out, conn, IPSEC_CONF_AGAIN, key, number);
		return;
	}
	before = out->count;
	add(out, conn, key, line->value);
	if (out->count > before)
		out->items[before].line = line->line;
	if (key != line->key)
		note(out, conn, IPSEC_CONF_AS, key, line->key);
	if (!own && strcmp(line->section, DEFAULT) != 0)
		note(out, conn, IPSEC_CONF_FROM, key, line->section);
}

/* The conns on the way: none is gone into twice. */
struct visit {
	const struct settings *lines;
	const char *conn; /* whose settings are gathered */
	struct settings *out;
	const char *seen[ALSO_MAX];
	unsigned count;
};

static bool is_new(struct visit *v, const char *section)
{
	for (unsigned i = 0; i < v->count; i++)
		if (!strcmp(v->seen[i], section))
			return false;
	if (v->count == ALSO_MAX)
		return false;
	v->seen[v->count++] = section;
	return true;
}

/* Version 5: an also= is as good as the lines of that conn in its place. */
static void gather_in_place(struct visit *v, const char *section)
{
	for (size_t i = 0; i < v->lines->count; i++) {
		const struct setting *line = &v->lines->items[i];

		if (strcmp(line->section, section) != 0)
			continue;
		if (strcmp(line->key, ALSO) != 0)
			add_first(v->out, v->conn, line);
		else if (is_new(v, line->value))
			gather_in_place(v, line->value);
	}
}

/* Version 4: first the conn's own lines, then those of each also= met, in the order met. */
static void gather_in_turn(struct visit *v)
{
	for (unsigned at = 0; at < v->count; at++) {
		for (size_t i = 0; i < v->lines->count; i++) {
			const struct setting *line = &v->lines->items[i];

			if (strcmp(line->section, v->seen[at]) != 0)
				continue;
			if (!strcmp(line->key, ALSO))
				is_new(v, line->value);
			else
				add_first(v->out, v->conn, line);
		}
	}
}

static void resolve_conn(const struct settings *lines, unsigned version, const char *conn, const char *file,
			 struct settings *out)
{
	struct visit v = {.lines = lines, .conn = conn, .out = out};

	settings_add(out, conn, "", file);
	is_new(&v, conn);
	if (version >= 5)
		gather_in_place(&v, conn);
	else
		gather_in_turn(&v);
	for (size_t i = 0; i < lines->count; i++)
		if (!strcmp(lines->items[i].section, DEFAULT))
			add_first(out, conn, &lines->items[i]);
}

void ipsec_conf_resolve(const struct settings *lines, unsigned version, struct settings *out)
{
	for (size_t i = 0; i < lines->count; i++) {
		const struct setting *line = &lines->items[i];

		if (!strcmp(line->section, "setup"))
			add(out, line->section, ipsec_conf_meant(line->key), line->value);
		else if (!*line->key && strcmp(line->section, DEFAULT) != 0 &&
			 !settings_find(out, line->section, ""))
			resolve_conn(lines, version, line->section, line->value, out);
	}
}
