/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several subcommands share. */
#include "shim/cmd/cmd.h"

#include "nfq/endpoint.h"
#include "rules/text.h"
#include "shim/firewall.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

int command_config_outcome(enum config_outcome outcome, const char *command, const char *error)
{
	switch (outcome) {
	case CONFIG_HELP:
		return SHOW_HELP;
	case CONFIG_VERSION:
		return SHOW_VERSION;
	case CONFIG_BAD_FILE:
		fprintf(stderr, "natshim: %s\n", error);
		return EXIT_FAILED;
	default:
		fprintf(stderr, "natshim: %s%s%s\n", command, *command ? ": " : "", error);
		return EXIT_USAGE;
	}
}

int command_socket_options(int argc, char **argv, const char *usage, const char **path)
{
	static const struct option options[] = {{"socket", required_argument, NULL, 's'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	int c;

	*path = CONFIG_DEFAULT_STATE_DIR "/control.sock";
	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h') {
			printf("Usage: natshim %s\n", usage);
			return EXIT_DONE;
		}
		if (c != 's') {
			fprintf(stderr, "natshim: %s: %s: not understood; usage: natshim %s\n", argv[0],
				argv[optind - 1], usage);
			return EXIT_USAGE;
		}
		*path = optarg;
	}
	return -1;
}

int command_ask_of(int argc, char **argv, const char *usage, enum control_operation operation)
{
	char error[CONTROL_ERROR_MAX];
	struct endpoint address;
	const char *path;
	char *text;
	const int rc = command_socket_options(argc, argv, usage, &path);

	if (rc >= 0)
		return rc;
	if (argc - optind != 1) {
		fprintf(stderr, "natshim: %s: one address is expected; usage: natshim %s\n", argv[0], usage);
		return EXIT_USAGE;
	}
	if (!endpoint_parse(argv[optind], &address)) {
		fprintf(stderr, "natshim: %s: %s: not an address; expected ADDR, ADDR:PORT or [ADDR6]:PORT\n",
			argv[0], argv[optind]);
		return EXIT_USAGE;
	}
	if (control_ask(path, operation, argv[optind], &text, error)) {
		fprintf(stderr, "natshim: %s: %s\n", argv[0], error);
		return EXIT_FAILED;
	}
	puts(text);
	free(text);
	return EXIT_DONE;
}

int command_print_rules(const struct config *config)
{
	const struct rules_features features = firewall_current_kernel();
	struct ruleset *ruleset = firewall_ruleset(config, &features);
	int rc;

	if (!ruleset) {
		fprintf(stderr, "natshim: rules: out of memory\n");
		return EXIT_FAILED;
	}
	rc = rules_text(stdout, ruleset);
	ruleset_free(ruleset);
	if (rc || fflush(stdout)) {
		fprintf(stderr, "natshim: rules: cannot be written: %s\n", strerror(rc ? -rc : EIO));
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}
