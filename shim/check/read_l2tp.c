/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xl2tpd.conf and pppd's options. */
#include "shim/check/read.h"
#include "shim/check/xl2tpd_conf.h"
#include "shim/xl2tpd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PPP_COMMON "/etc/ppp/options"

#define USERS "/etc/ppp/chap-secrets"
#define RADIUS_CONFIG "/etc/radiusclient/radiusclient.conf" /* of radius.so in pppd 2.4 and 2.5 */

/* The options without those of logfile, which pppd makes at once. */
static void blank_logfile(char *text)
{
	for (char *at = text; (at = strstr(at, "logfile")); at += 7)
		if (at == text || strchr(" \t\n", at[-1]))
			memset(at, ' ', strcspn(at, "\n"));
}

/* The line of pppd's that is a complaint; of those that are none: it has no device here. */
static const char *complaint_in(char *said)
{
	static const char *const complaints[] = {"unrecognized option",
						 "too few parameters",
						 "invalid numeric parameter",
						 "invalid address parameter",
						 "value must be",
						 "Couldn't load",
						 "Can't open options file",
						 "Can't parse",
						 "is unknown",
						 "must be"};

	for (char *save, *line = strtok_r(said, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++)
			if (strstr(line, complaints[i]) && !strstr(line, "must be root"))
				return strncmp(line, "pppd: ", 6) ? line : line + 6;
	return NULL;
}

static unsigned line_with(const struct l2tp_facts *f, const char *word)
{
	for (size_t i = 0; i < f->ppp.count; i++)
		if (!strcmp(f->ppp.items[i].section, f->ppp_path) && !strcmp(f->ppp.items[i].key, word))
			return f->ppp.items[i].line;
	return 0;
}

/* The line of the last word of a complaint that stands in the options. */
static unsigned line_of(const struct l2tp_facts *f, const char *complaint)
{
	char copy[FACTS_TEXT];
	unsigned line = 0;

	snprintf(copy, sizeof copy, "%s", complaint);
	for (char *save, *word = strtok_r(copy, " '", &save); word; word = strtok_r(NULL, " '", &save)) {
		unsigned here = line_with(f, word);

		if (!here && strlen(word) > 1 && word[strlen(word) - 1] == ':') {
			word[strlen(word) - 1] = '\0';
			here = line_with(f, word);
		}
		line = here ? here : line;
	}
	return line;
}

/* pppd reads the options and ends: without L2TP's plugin, which wants the kernel's PPP. */
static void ask_pppd(struct l2tp_facts *f, char *text)
{
	static const char stdin_path[] = "/proc/self/fd/0";
	const char *const argv[] = {"pppd", "dryrun", "nodetach", "file", stdin_path, NULL};
	struct command_options options = {.input = text, .timeout_ms = 10000};
	struct command_result result;
	const char *complaint, *place;

	blank_logfile(text);
	options.input_length = strlen(text);
	if (!command_run(argv, &options, &result) && (complaint = complaint_in(result.err.text))) {
		place = strstr(complaint, stdin_path);
		f->ppp_error_line = line_of(f, complaint);
		snprintf(f->ppp_error, sizeof f->ppp_error, "%.*s%.80s%.100s",
			 place && place - complaint < 16 ? (int)(place - complaint) : 0, complaint,
			 place ? f->ppp_path : "", place ? place + sizeof stdin_path - 1 : complaint);
	}
	command_result_clear(&result);
}

/* What pppd says of a logfile where there is no directory for it: that option is not shown to it. */
static void look_at_logfile(struct l2tp_facts *f)
{
	const struct setting *log = settings_find(&f->ppp, f->ppp_path, "logfile");
	const char *slash = log ? strrchr(log->value, '/') : NULL;
	char directory[FACTS_TEXT];

	if (!slash || slash == log->value || *f->ppp_error)
		return;
	snprintf(directory, sizeof directory, "%.*s", (int)(slash - log->value), log->value);
	if (!access(directory, F_OK))
		return;
	snprintf(f->ppp_error, sizeof f->ppp_error, "Can't open log file %.100s: No such file or directory",
		 log->value);
	f->ppp_error_line = log->line;
}

static void read_users(struct l2tp_facts *f)
{
	char *text = check_read_file(USERS, f->users_blind);

	snprintf(f->users_path, sizeof f->users_path, "%s", USERS);
	if (!text && access(USERS, F_OK))
		*f->users_blind = '\0'; /* it is not there: no users */
	if (!text)
		return;
	settings_read_chap(&f->users, text);
	explicit_bzero(text, strlen(text));
	free(text);
}

static void read_radius(struct l2tp_facts *f)
{
	const char *config = settings_get(&f->ppp, NULL, "radius-config-file");

	config = config ? config : RADIUS_CONFIG;
	for (size_t i = 0; i < f->ppp.count; i++)
		if (!strcmp(f->ppp.items[i].key, "plugin") && strstr(f->ppp.items[i].value, "radius.so") &&
		    access(config, F_OK))
			snprintf(f->radius_path, sizeof f->radius_path, "%.150s", config);
}

static void read_ppp(struct l2tp_facts *f)
{
	char ignored[FACTS_TEXT];
	char *text = check_read_file(PPP_COMMON, ignored);

	if (text)
		settings_read_ppp(&f->ppp, PPP_COMMON, text);
	free(text);
	if (!*f->ppp_path)
		return;
	text = check_read_file(f->ppp_path, f->ppp_blind);
	f->ppp_missing = !text && access(f->ppp_path, F_OK);
	if (text) {
		settings_read_ppp(&f->ppp, f->ppp_path, text);
		ask_pppd(f, text);
		look_at_logfile(f);
		explicit_bzero(text, strlen(text));
	}
	free(text);
	read_users(f);
	read_radius(f);
}

static bool is_installed(void)
{
	return !access("/usr/sbin/xl2tpd", X_OK) || !access("/usr/local/sbin/xl2tpd", X_OK);
}

/* Of the LNS that clients reach, else of any. */
static const char *pppoptfile(const struct settings *xl2tpd)
{
	const char *section = xl2tpd_conf_lns(xl2tpd);

	return section ? settings_get(xl2tpd, section, "pppoptfile") : NULL;
}

void check_read_l2tp(const struct check_options *options, struct l2tp_facts *out)
{
	const char *path = options->xl2tpd_config ? options->xl2tpd_config : XL2TPD_CONFIG, *ppp;
	char *text;

	snprintf(out->path, sizeof out->path, "%s", path);
	out->present = options->xl2tpd_config || options->ppp_options || is_installed();
	if (!out->present)
		return;
	check_read_boot("xl2tpd", out->boot);
	text = check_read_file(path, out->blind);
	if (text)
		xl2tpd_conf_lines(&out->xl2tpd, text);
	free(text);
	ppp = options->ppp_options ? options->ppp_options : pppoptfile(&out->xl2tpd);
	snprintf(out->ppp_path, sizeof out->ppp_path, "%s", ppp ? ppp : "");
	read_ppp(out);
}
