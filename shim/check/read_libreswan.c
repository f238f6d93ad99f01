/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libreswan's configuration as the file has it (ipsec_conf.c); of libreswan's own programs, whether they take it (ipsec readwriteconf),
 * defaults (addconn --configsetup), algorithms (algparse), and what pluto has loaded (whack --status); and the entries of
 * ipsec.secrets(5) (ipsec_secrets.c). */
#include "shim/check/check.h"
#include "shim/check/ipsec_conf.h"
#include "shim/check/ipsec_secrets.h"
#include "shim/check/read.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/ipsec.conf"
#define DEFAULT_SECRETS "/etc/ipsec.secrets"
#define INCLUDE_DEPTH_MAX 10 /* as pluto */
#define PATH_LENGTH 512

unsigned check_read_libreswan_version(char blind[static FACTS_TEXT])
{
	const char *const argv[] = {"ipsec", "--version", NULL};
	struct command_result result;
	const char *name = NULL;
	unsigned version = 0;

	if (check_read_output(argv, &result, blind)) {
		name = strcasestr(result.out.text, "libreswan");
		if (name)
			version = (unsigned)strtoul(name + strcspn(name, "0123456789\n"), NULL, 10);
		if (!version)
			snprintf(blind, FACTS_TEXT, "%s",
				 name ? "ipsec --version does not say which libreswan this is"
				      : "the ipsec command here is not libreswan's");
	}
	command_result_clear(&result);
	return version;
}

/* "... FILE:LINE: ...", the first of them. */
static void place_of(const char *words, struct libreswan_facts *f)
{
	for (const char *colon = words; (colon = strchr(colon, ':')); colon++) {
		const char *start = colon;
		char *end;
		unsigned long line;

		while (start > words && !strchr(" \"'", start[-1]))
			start--;
		line = strtoul(colon + 1, &end, 10);
		if (start == colon || end == colon + 1 || *end != ':' || !line)
			continue;
		snprintf(f->error_file, sizeof f->error_file, "%.*s", (int)(colon - start), start);
		f->error_line = (unsigned)line;
		return;
	}
}

/* Each line of what a program said, without its newline. */
static char *next_line(const char **said)
{
	const size_t n = strcspn(*said, "\n");
	char *line = n || **said ? strndup(*said, n) : NULL;

	*said += n + ((*said)[n] == '\n');
	return line;
}

/* The first line that is not a mere warning, without the program's name. What the parser trips over stands in brackets: where that is a
 * line's end, the line is the one before the one that it names. */
static void first_error(const char *said, struct libreswan_facts *f)
{
	static const char lead[] = "readwriteconf: ", at_end[] = "syntax error [";
	char *line;
	size_t n;

	while (!*f->error && (line = next_line(&said))) {
		if (*line && !strcasestr(line, "warning:")) {
			snprintf(f->error, sizeof f->error, "%s",
				 strncmp(line, lead, sizeof lead - 1) ? line : line + sizeof lead - 1);
			place_of(f->error, f);
		}
		free(line);
	}
	n = strlen(f->error);
	if (n > sizeof at_end && !strcmp(f->error + n - (sizeof at_end - 1), at_end) && f->error_line > 1) {
		f->error_line--;
		snprintf(f->error + n, sizeof f->error - n, "end of line %u]", f->error_line);
	}
}

/* Files that an editor or a mailer has changed as a whole: the line that is named is the first of many. */
static void whole_file_fault(struct libreswan_facts *f)
{
	char ignored[FACTS_TEXT];
	char *text = *f->error_file ? check_read_file(f->error_file, ignored) : NULL;
	const char *line = text;

	for (unsigned i = 1; line && i < f->error_line; i++) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (text && !strncmp(text, "\xef\xbb\xbf", 3))
		f->error_script = "1s/^\\xef\\xbb\\xbf//";
	else if (text && strstr(text, "\r\n"))
		f->error_script = "s/\\r$//";
	else if (line &&
		 line[strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_ ")] ==
			 '=' &&
		 *line != ' ' && strcspn(line, "=") < strcspn(line, "\n"))
		f->error_script = "s/^[A-Za-z0-9_-]* *=/\t&/";
	free(text);
}

/* The parser says of some keys only that they are none of its: the line where the first of them stands. */
static void place_of_key(const struct settings *lines, struct libreswan_facts *f)
{
	static const char lead[] = "unexpected keyword '";
	const char *name = *f->error && !f->error_line ? strstr(f->error, lead) : NULL;
	const struct setting *opening = settings_find(lines, "setup", "");
	char key[64];

	if (!name || !opening)
		return;
	name += sizeof lead - 1;
	snprintf(key, sizeof key, "%.*s", (int)strcspn(name, "'"), name);
	for (size_t i = 0; *key && i < lines->count; i++) {
		if (strcmp(lines->items[i].section, "setup") != 0 || strcmp(lines->items[i].key, key) != 0)
			continue;
		f->error_line = lines->items[i].line;
		snprintf(f->error_file, sizeof f->error_file, "%s", opening->value);
		return;
	}
}

/* libreswan 4: "while loading 'CONN': WHY" */
static void dropped_by_parser_4(char *line, struct libreswan_facts *f)
{
	static const char lead[] = "while loading '";
	char *name = strstr(line, lead), *end = name ? strstr(name, "': ") : NULL;

	if (!end)
		return;
	*end = '\0';
	settings_add(&f->dropped, name + sizeof lead - 1, "parser", end + 3);
}

/* libreswan 5: "ipsec readwriteconf: WHY", and in it "... in conn CONN while ..." or "... needed by conn 'CONN'" */
static void dropped_by_parser_5(const char *line, struct libreswan_facts *f)
{
	static const char lead[] = "ipsec readwriteconf: ";
	static const char *const before[] = {" in conn ", " needed by conn '"};
	char conn[FACTS_TEXT];

	if (strncmp(line, lead, sizeof lead - 1) != 0 || strcasestr(line, "warning:"))
		return;
	for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
		const char *name = strstr(line, before[i]);

		if (!name)
			continue;
		name += strlen(before[i]);
		snprintf(conn, sizeof conn, "%.*s", (int)strcspn(name, " '"), name);
		settings_add(&f->dropped, conn, "parser", line + sizeof lead - 1);
		return;
	}
}

static void dropped_by_parser(const char *said, struct libreswan_facts *f)
{
	char *line;

	while ((line = next_line(&said))) {
		dropped_by_parser_5(line, f);
		dropped_by_parser_4(line, f);
		free(line);
	}
}

/* pluto's log: what it said last of each conn that it did not add. */
static void dropped_by_pluto(const char *log, struct libreswan_facts *f)
{
	static const char failed[] = "failed to add ";
	char *line;

	while ((line = next_line(&log))) {
		char *name = strchr(line, '"'), *end = name ? strstr(name + 1, "\": ") : NULL;
		const char *why = end ? strstr(end, failed) : NULL, *words = why ? strstr(why, ": ") : NULL;

		if (words || (end && !strncmp(end + 3, "added ", 6))) {
			*end = '\0';
			settings_add(&f->dropped, name + 1, "why", words ? words + 2 : "");
		}
		free(line);
	}
}

#define LOG_END (1L << 20) /* bytes of a log that are looked at */

static char *read_end(const char *path)
{
	FILE *in = fopen(path, "re");
	char *text = in ? malloc(LOG_END + 1) : NULL;

	if (text) {
		if (fseek(in, -LOG_END, SEEK_END))
			rewind(in);
		text[fread(text, 1, LOG_END, in)] = '\0';
	}
	if (in)
		fclose(in);
	return text;
}

/* The file to which the running pluto logs, from its command line or ipsec.conf; false: to syslog. */
static bool log_file(const struct libreswan_facts *f, char path[static FACTS_TEXT])
{
	const char *set = settings_get(&f->setup, "setup", "logfile");
	char name[64], words[4096];
	size_t n = 0;
	FILE *in;

	snprintf(name, sizeof name, "/proc/%ld/cmdline", f->host->ike.pid);
	in = f->host->ike.pid ? fopen(name, "re") : NULL;
	if (in) {
		n = fread(words, 1, sizeof words - 1, in);
		fclose(in);
	}
	words[n] = '\0';
	for (size_t at = 0; at < n; at += strlen(words + at) + 1)
		if (!strcmp(words + at, "--logfile") && at + 10 < n)
			set = words + at + 10;
	snprintf(path, FACTS_TEXT, "%s", set ? set : "");
	return *path == '/';
}

/* Only where pluto runs: what an earlier one said does not count, but its last word of a conn does. */
static void read_log(struct libreswan_facts *f)
{
	const char *const journal[] = {"journalctl", "-u",         "ipsec", "-b",  "-n",
				       "4000",       "--no-pager", "-o",    "cat", NULL};
	char path[FACTS_TEXT], ignored[FACTS_TEXT];
	struct command_result result;
	char *text;

	if (log_file(f, path)) {
		text = read_end(path);
		if (text)
			dropped_by_pluto(text, f);
		free(text);
		return;
	}
	if (!access("/run/systemd/system", F_OK)) {
		if (check_read_output(journal, &result, ignored))
			dropped_by_pluto(result.out.text, f);
		command_result_clear(&result);
	}
}

static void read_config(struct libreswan_facts *f)
{
	const char *const conf[] = {"ipsec", "readwriteconf", "--config", f->path, NULL};
	const char *const setup[] = {"ipsec", "addconn", "--config", f->path, "--configsetup", NULL};
	const char *const status[] = {"ipsec", "whack", "--status", NULL};
	struct settings lines = {.items = NULL};
	char ignored[FACTS_TEXT];
	struct command_result result;

	if (check_read_output(conf, &result, ignored))
		dropped_by_parser(result.err.text, f);
	else if (result.err.text)
		first_error(result.err.text, f);
	else
		snprintf(f->error, sizeof f->error, "%s", ignored);
	command_result_clear(&result);
	if (ipsec_conf_read(&lines, f->path, f->blind))
		ipsec_conf_resolve(&lines, f->version, &f->config);
	place_of_key(&lines, f);
	whole_file_fault(f);
	settings_clear(&lines);
	if (check_read_output(setup, &result, ignored))
		settings_read_exports(&f->setup, result.out.text);
	command_result_clear(&result);
	if (check_read_output(status, &result, ignored)) {
		f->pluto_runs = true;
		settings_read_whack_status(&f->status, result.out.text);
		read_log(f);
	}
	command_result_clear(&result);
}

/* What `ipsec algparse -v1 KIND=VALUE' prints; without a value libreswan's default. NULL: not known, or refused, with the reason in
 * error. */
static char *algorithms(const char *kind, const char *value, char error[static FACTS_TEXT])
{
	char word[512], ignored[FACTS_TEXT];
	const char *const argv[] = {"ipsec", "algparse", "-v1", word, NULL};
	struct command_result result;
	const char *reason;
	char *text = NULL;

	snprintf(word, sizeof word, "%s%s%s", kind, value ? "=" : "", value ? value : "");
	if (check_read_output(argv, &result, ignored)) {
		text = strdup(result.out.text);
	} else if (result.out.text) {
		reason = strstr(result.out.text, "ERROR: ");
		reason = reason ? reason : strstr(result.err.text, "ERROR: ");
		if (reason)
			snprintf(error, FACTS_TEXT, "%.*s", (int)strcspn(reason + 7, "\n"), reason + 7);
	}
	command_result_clear(&result);
	return text;
}

static enum known has_modp1024(void)
{
	const char *const argv[] = {"ipsec", "algparse", "-v1", "ike=3des-sha1-modp1024", NULL};
	char ignored[FACTS_TEXT];
	struct command_result result;
	enum known has = UNKNOWN;

	if (check_read_output(argv, &result, ignored))
		has = YES;
	else if (result.out.text &&
		 (strstr(result.out.text, "not supported") || strstr(result.err.text, "not supported")))
		has = NO;
	command_result_clear(&result);
	return has;
}

/* ---- ipsec.secrets ----------------------------------------------------------------------------------------------- */

static void read_secrets(struct secrets_facts *s, const char *path, unsigned depth);

/* A pattern is relative to the file that includes it. */
static void include(struct secrets_facts *s, const char *from, const char *pattern, unsigned depth)
{
	const char *slash = *pattern == '/' ? NULL : strrchr(from, '/');
	char full[PATH_LENGTH];
	glob_t found;

	snprintf(full, sizeof full, "%.*s%s", slash ? (int)(slash - from + 1) : 0, from, pattern);
	if (depth == INCLUDE_DEPTH_MAX || glob(full, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		read_secrets(s, found.gl_pathv[i], depth + 1);
	globfree(&found);
}

static void read_secrets(struct secrets_facts *s, const char *path, unsigned depth)
{
	char blind[FACTS_TEXT];
	char *text = check_read_file(path, blind);
	const size_t first = s->entries.count;

	if (!text) {
		if (!depth)
			memcpy(s->blind, blind, sizeof blind);
		return;
	}
	if (check_others_read(path)) {
		s->others_read = true;
		snprintf(s->path, sizeof s->path, "%s", path);
	}
	ipsec_secrets_lines(&s->entries, text, path);
	explicit_bzero(text, strlen(text));
	free(text);
	for (size_t i = first, end = s->entries.count; i < end; i++) {
		char *const pattern = strcmp(s->entries.items[i].section, "include")
					      ? NULL
					      : strdup(s->entries.items[i].value); /* items may move */

		if (pattern)
			include(s, path, pattern, depth);
		free(pattern);
	}
}

void check_read_libreswan(const struct check_options *options, struct libreswan_facts *out)
{
	const char *path = options->libreswan_config ? options->libreswan_config : DEFAULT_CONFIG;
	char blind[FACTS_TEXT] = "";
	const char *conn;

	snprintf(out->path, sizeof out->path, "%s", path);
	out->version = check_read_libreswan_version(blind);
	if (!out->version) {
		out->present = options->libreswan_config != NULL;
		memcpy(out->blind, blind, sizeof blind);
		return;
	}
	out->present = true;
	if (access(path, R_OK)) {
		snprintf(out->blind, sizeof out->blind, "%.150s cannot be read", path);
		return;
	}
	read_config(out);
	check_read_boot("ipsec", out->boot);
	conn = check_libreswan_conn(out);
	out->ike = algorithms("ike", conn ? settings_get(&out->config, conn, "ike") : NULL, out->ike_error);
	out->esp = algorithms("esp", conn ? settings_get(&out->config, conn, "esp") : NULL, out->esp_error);
	out->modp1024 = has_modp1024();
	path = options->ipsec_secrets ? options->ipsec_secrets
				      : settings_get(&out->setup, "setup", "secretsfile");
	snprintf(out->secrets.path, sizeof out->secrets.path, "%s", path ? path : DEFAULT_SECRETS);
	read_secrets(&out->secrets, path ? path : DEFAULT_SECRETS, 0);
}
