/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xl2tpd.conf, see xl2tpd_conf.h: the table of keys is xl2tpd's, as are the reasons. */
#include "shim/check/xl2tpd_conf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_LENGTH 128

enum context { GLOBAL = 1, LNS = 2, LAC = 4 };
enum kind { TEXT, FLAG, ADDRESS, RANGE, SOURCE, POSITIVE };

static const struct {
	const char *name;
	unsigned contexts;
	enum kind kind;
} keys[] = {
	{"listen-addr", GLOBAL, ADDRESS},
	{"port", GLOBAL, TEXT},
	{"saref refinfo", GLOBAL, TEXT},
	{"rand source", GLOBAL, SOURCE},
	{"auth file", GLOBAL, TEXT},
	{"access control", GLOBAL, FLAG},
	{"force userspace", GLOBAL, FLAG},
	{"ipsec saref", GLOBAL, FLAG},
	{"debug avp", GLOBAL, FLAG},
	{"debug network", GLOBAL, FLAG},
	{"debug packet", GLOBAL, FLAG},
	{"debug tunnel", GLOBAL, FLAG},
	{"debug state", GLOBAL, FLAG},
	{"max retries", GLOBAL, TEXT},
	{"cap backoff", GLOBAL, TEXT},
	{"exclusive", LNS, FLAG},
	{"ip range", LNS, RANGE},
	{"no ip range", LNS, RANGE},
	{"lac", LNS, RANGE},
	{"no lac", LNS, RANGE},
	{"assign ip", LNS, FLAG},
	{"local ip range", LNS, RANGE},
	{"unix authentication", LNS, FLAG},
	{"unix auth", LNS, FLAG},
	{"local ip", LNS | LAC, ADDRESS},
	{"length bit", LNS | LAC, FLAG},
	{"hidden bit", LNS | LAC, FLAG},
	{"flow bit", LNS | LAC, TEXT},
	{"require pap", LNS | LAC, FLAG},
	{"require chap", LNS | LAC, FLAG},
	{"require authentication", LNS | LAC, FLAG},
	{"require auth", LNS | LAC, FLAG},
	{"refuse pap", LNS | LAC, FLAG},
	{"refuse chap", LNS | LAC, FLAG},
	{"refuse authentication", LNS | LAC, FLAG},
	{"refuse auth", LNS | LAC, FLAG},
	{"name", LNS | LAC, TEXT},
	{"hostname", LNS | LAC, TEXT},
	{"ppp debug", LNS | LAC, FLAG},
	{"pass peer", LNS | LAC, FLAG},
	{"pppoptfile", LNS | LAC, TEXT},
	{"call rws", LNS | LAC, TEXT},
	{"tunnel rws", LNS | LAC, POSITIVE},
	{"challenge", LNS | LAC, FLAG},
	{"tx bps", LNS | LAC, POSITIVE},
	{"rx bps", LNS | LAC, POSITIVE},
	{"bps", LNS | LAC, POSITIVE},
	{"lns", LAC, TEXT},
	{"remote ip", LAC, ADDRESS},
	{"autodial", LAC, FLAG},
	{"redial", LAC, FLAG},
	{"redial timeout", LAC, TEXT},
	{"max redials", LAC, TEXT},
	{"defaultroute", LAC, FLAG},
};

struct place {
	struct settings *out;
	unsigned line;
	enum context context; /* 0: before the first section */
	char section[NAME_LENGTH];
};

static void refuse(const struct place *at, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void refuse(const struct place *at, const char *format, ...)
{
	char number[16], why[256];
	va_list args;

	snprintf(number, sizeof number, "%u", at->line);
	va_start(args, format);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is */
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	settings_add(at->out, XL2TPD_REFUSED, number, why);
}

/* As xl2tpd has it, which reads bytes as signed ones: a byte order mark is blank, too. */
static bool is_blank(char c)
{
	return (signed char)c < 33;
}

static char *trim(char *text)
{
	size_t n;

	while (*text && is_blank(*text))
		text++;
	for (n = strlen(text); n && is_blank(text[n - 1]); n--)
		;
	text[n] = '\0';
	return text;
}

static void take_section(struct place *at, char *line)
{
	static const struct {
		const char *name;
		enum context context;
	} contexts[] = {{"global", GLOBAL}, {"lns", LNS}, {"lac", LAC}};
	char *end = strchr(line, ']'), *name;

	if (!end) {
		refuse(at, "No closing bracket");
		return;
	}
	*end = '\0';
	line++;
	name = line + strcspn(line, " ");
	for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
		const size_t n = strlen(contexts[i].name);

		if ((size_t)(name - line) != n || strncasecmp(line, contexts[i].name, n) != 0)
			continue;
		at->context = contexts[i].context;
		name += *name == ' ';
		snprintf(at->section, sizeof at->section, "%s%s%s", contexts[i].name,
			 at->context == GLOBAL ? "" : " ",
			 at->context == GLOBAL          ? ""
			 : !strcasecmp(name, "default") ? "default"
							: name);
		settings_add(at->out, at->section, "", line);
		return;
	}
	refuse(at, "unknown context '%.60s'", line);
}

static bool is_yes(const char *value)
{
	return !strcasecmp(value, "yes") || !strcasecmp(value, "y") || !strcasecmp(value, "true");
}

static bool is_no(const char *value)
{
	return !strcasecmp(value, "no") || !strcasecmp(value, "n") || !strcasecmp(value, "false");
}

/* Names are looked up by xl2tpd; what looks like an address must be one. */
static bool is_host(const char *text)
{
	struct in_addr ignored;

	return inet_pton(AF_INET, text, &ignored) == 1 ||
	       (*text && strspn(text, "0123456789.") != strlen(text) &&
		text[strcspn(text, " ,;/%*_\"'")] == '\0');
}

/* "FIRST - LAST", of the last one only the end may stand there. */
static const char *range_fault(const char *value)
{
	char first[NAME_LENGTH];
	const char *dash = strchr(value, '-'), *last = dash ? dash + 1 + strspn(dash + 1, " \t") : NULL;
	struct in_addr a, b;

	snprintf(first, sizeof first, "%.*s", (int)(dash ? dash - value : (int)strlen(value)), value);
	trim(first);
	if (!*first || (last && !*last))
		return "the form is <host or ip> - <host or ip>";
	if (!is_host(first) || (last && strchr(last, '/')))
		return "Unknown host";
	if (last && inet_pton(AF_INET, first, &a) == 1 && inet_pton(AF_INET, last, &b) == 1 &&
	    ntohl(a.s_addr) > ntohl(b.s_addr))
		return "start is greater than end";
	return NULL;
}

static const char *excluded(const struct place *at, const char *name)
{
	static const char *const pair[] = {"local ip", "local ip range"};

	for (size_t i = 0; i < 2; i++)
		if (!strcmp(name, pair[i]) && settings_find(at->out, at->section, pair[!i]))
			return "stands beside 'local ip' or 'local ip range', which exclude each other";
	return NULL;
}

static void take_value(struct place *at, const char *spelling, size_t key, const char *value)
{
	const char *const name = keys[key].name;
	const char *fault = NULL;
	char as[NAME_LENGTH];

	if (keys[key].kind == FLAG && !is_yes(value) && !is_no(value))
		fault = "must be 'yes' or 'no'";
	else if (keys[key].kind == ADDRESS && !is_host(value))
		fault = "is no address";
	else if (keys[key].kind == RANGE)
		fault = range_fault(value);
	else if (keys[key].kind == SOURCE && strcasecmp(value, "dev") != 0 && strcasecmp(value, "sys") != 0)
		fault = "must be 'dev' or 'sys'";
	else if (keys[key].kind == POSITIVE && strtol(value, NULL, 10) <= 0)
		fault = "must be greater than zero";
	if (!fault)
		fault = excluded(at, name);
	if (fault) {
		refuse(at, "%s %s", name, fault);
		return;
	}
	if (keys[key].kind == FLAG)
		value = is_yes(value) ? "yes" : "no";
	settings_add(at->out, at->section, name, value);
	snprintf(as, sizeof as, XL2TPD_AS "%s", name);
	if (strcmp(spelling, name) != 0)
		settings_add(at->out, at->section, as, spelling);
}

static void take_line(struct place *at, char *line)
{
	char *equals = strchr(line, '=');

	if (!at->context) {
		refuse(at, "'%.60s' occurs with no context%s", line,
		       *line == '#' ? ": comments begin with ;" : "");
		return;
	}
	if (!equals) {
		refuse(at, "no '=' in data%s", *line == '#' ? ": comments begin with ;" : "");
		return;
	}
	*equals = '\0';
	trim(line);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (strcasecmp(line, keys[i].name) != 0)
			continue;
		if (keys[i].contexts & at->context)
			take_value(at, line, i, trim(equals + 1));
		else
			refuse(at, "'%s' not valid in this context, [%s]", keys[i].name, at->section);
		return;
	}
	refuse(at, "Unknown field '%.60s'%s", line, *line == '#' ? ": comments begin with ;" : "");
}

void xl2tpd_conf_lines(struct settings *out, const char *text)
{
	char *copy = strdup(text), *rest = copy, *line;
	struct place at = {.out = out};

	while (copy && (line = strsep(&rest, "\n"))) {
		at.line++;
		line[strcspn(line, ";")] = '\0';
		line = trim(line);
		if (*line == '[')
			take_section(&at, line);
		else if (*line)
			take_line(&at, line);
	}
	free(copy);
}

const char *xl2tpd_conf_lns(const struct settings *lines)
{
	const char *first = NULL, *reached = NULL;

	for (size_t i = 0; i < lines->count; i++) {
		const struct setting *one = &lines->items[i];

		if (strncmp(one->section, "lns ", 4) != 0)
			continue;
		if (!strcmp(one->section, "lns default"))
			return one->section;
		first = first ? first : one->section;
		if (!reached && !strcmp(one->key, "lac"))
			reached = one->section;
	}
	return reached ? reached : first;
}
