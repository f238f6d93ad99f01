/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests that need a kernel: network namespaces of their own, made by root and gone with the test. */
#ifndef NATSHIM_TESTS_RULES_NETNS_H
#define NATSHIM_TESTS_RULES_NETNS_H

#include "rules/nft.h"
#include "rules/text.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A new, empty network namespace for this process, or the test is skipped. */
static inline void enter_new_netns(void)
{
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("no network namespace (not root?)\n");
		skip();
	}
}

__attribute__((format(printf, 1, 2))) static inline char *format_text(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	assert_true(vasprintf(&text, format, args) >= 0);
	va_end(args);
	return text;
}

/* Exit status 0, or the test fails with the command. Takes the command and frees it. */
static inline void run(char *command)
{
	int status = system(command);

	if (status != 0)
		fail_msg("status %d: %s", status, command);
	free(command);
}

/* What a command prints; the caller frees it. */
static inline char *output_of(const char *command)
{
	FILE *in = popen(command, "r");
	char *text = NULL;
	size_t size = 0;

	assert_non_null(in);
	if (getdelim(&text, &size, '\0', in) < 0)
		text[0] = '\0';
	pclose(in);
	return text;
}

static inline struct rules_nft *open_nft(struct rules_features *features)
{
	struct rules_nft *nft = NULL;
	char error[RULES_ERROR_MAX] = "";

	if (rules_nft_open(&nft, error) < 0 || rules_nft_probe(nft, features, error) < 0)
		fail_msg("%s", error);
	return nft;
}

static inline void install(struct rules_nft *nft, const struct rules_options *options)
{
	struct ruleset *ruleset = ruleset_build(options);
	char error[RULES_ERROR_MAX] = "";

	assert_non_null(ruleset);
	if (rules_nft_install(nft, ruleset, error) < 0)
		fail_msg("%s", error);
	ruleset_free(ruleset);
}

#endif
