/* What several subcommands share. */
#include "shim/cmd/cmd.h"

#include "shim/daemon/control.h"

#include <getopt.h>

int command_config_outcome(enum config_outcome outcome, const char *command, const char *error)
{
	switch (outcome) {
	case CONFIG_HELP:
		command_print_help();
		return EXIT_DONE;
	case CONFIG_VERSION:
		command_print_version();
		return EXIT_DONE;
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
