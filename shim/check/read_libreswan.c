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
	struct child_result result;
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
	child_result_clear(&result);
	return version;
}

/* The first line that is not a mere warning. */
static void first_error(const char *said, char error[static FACTS_TEXT])
{
	while (*said) {
		const size_t n = strcspn(said, "\n");
		char line[FACTS_TEXT];

		snprintf(line, sizeof line, "%.*s", (int)n, said);
		if (n && !strcasestr(line, "warning:")) {
			memcpy(error, line, sizeof line);
			return;
		}
		said += n + (said[n] == '\n');
	}
}

static void read_config(struct libreswan_facts *f)
{
	const char *const conf[] = {"ipsec", "readwriteconf", "--config", f->path, NULL};
	const char *const setup[] = {"ipsec", "addconn", "--config", f->path, "--configsetup", NULL};
	const char *const status[] = {"ipsec", "whack", "--status", NULL};
	struct settings lines = {.items = NULL};
	char ignored[FACTS_TEXT];
	struct child_result result;

	if (!check_read_output(conf, &result, f->error) && result.err.text)
		first_error(result.err.text, f->error);
	child_result_clear(&result);
	if (ipsec_conf_read(&lines, f->path, f->blind))
		ipsec_conf_resolve(&lines, f->version, &f->config);
	settings_clear(&lines);
	if (check_read_output(setup, &result, ignored))
		settings_read_exports(&f->setup, result.out.text);
	child_result_clear(&result);
	if (check_read_output(status, &result, ignored)) {
		f->pluto_runs = true;
		settings_read_whack_status(&f->status, result.out.text);
	}
	child_result_clear(&result);
}

/* What `ipsec algparse -v1 KIND=VALUE' prints; without a value libreswan's default. NULL: not known. */
static char *algorithms(const char *kind, const char *value)
{
	char word[512], ignored[FACTS_TEXT];
	const char *const argv[] = {"ipsec", "algparse", "-v1", word, NULL};
	struct child_result result;
	char *text = NULL;

	snprintf(word, sizeof word, "%s%s%s", kind, value ? "=" : "", value ? value : "");
	if (check_read_output(argv, &result, ignored))
		text = strdup(result.out.text);
	child_result_clear(&result);
	return text;
}

static enum known has_modp1024(void)
{
	const char *const argv[] = {"ipsec", "algparse", "-v1", "ike=3des-sha1-modp1024", NULL};
	char ignored[FACTS_TEXT];
	struct child_result result;
	enum known has = UNKNOWN;

	if (check_read_output(argv, &result, ignored))
		has = YES;
	else if (result.out.text &&
		 (strstr(result.out.text, "not supported") || strstr(result.err.text, "not supported")))
		has = NO;
	child_result_clear(&result);
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
	conn = check_libreswan_conn(out);
	out->ike = algorithms("ike", conn ? settings_get(&out->config, conn, "ike") : NULL);
	out->esp = algorithms("esp", conn ? settings_get(&out->config, conn, "esp") : NULL);
	out->modp1024 = has_modp1024();
	path = options->ipsec_secrets ? options->ipsec_secrets
				      : settings_get(&out->setup, "setup", "secretsfile");
	snprintf(out->secrets.path, sizeof out->secrets.path, "%s", path ? path : DEFAULT_SECRETS);
	read_secrets(&out->secrets, path ? path : DEFAULT_SECRETS, 0);
}
