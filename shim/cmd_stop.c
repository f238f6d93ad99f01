/* natshim stop: ends the running daemon; with none running, removes the tables that a killed one has left. */
#include "rules/nft.h"
#include "shim/commands.h"
#include "shim/control.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

static int remove_tables(void)
{
	char error[RULES_ERROR_MAX];
	struct rules_nft *nft;
	int rc = rules_nft_open(&nft, error);

	if (!rc) {
		rc = rules_nft_remove(nft, error);
		rules_nft_close(nft);
	}
	if (rc)
		fprintf(stderr, "natshim: stop: %s\n", error);
	return rc ? EXIT_FAILED : EXIT_DONE;
}

int cmd_stop(int argc, char **argv)
{
	static const struct option options[] = {{"socket", required_argument, NULL, 's'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	const char *path = CONFIG_DEFAULT_STATE_DIR "/control.sock";
	char error[CONTROL_ERROR_MAX];
	char *text;
	int c, rc;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 's') {
			path = optarg;
			continue;
		}
		if (c == 'h') {
			puts("Usage: natshim stop [--socket PATH]");
			return EXIT_DONE;
		}
		fprintf(stderr, "natshim: stop: %s: not understood; expected --socket PATH\n",
			argv[optind - 1]);
		return EXIT_USAGE;
	}
	if (optind < argc) {
		fprintf(stderr, "natshim: stop: %s: unexpected word\n", argv[optind]);
		return EXIT_USAGE;
	}
	rc = control_ask(path, CONTROL_STOP, "", &text, error);
	free(text);
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return remove_tables();
	if (rc) {
		fprintf(stderr, "natshim: stop: %s\n", error);
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}
