/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim stop: ends the running daemon; with none running, removes the tables that a killed one has left. */
#include "rules/nft.h"
#include "shim/cmd/cmd.h"
#include "shim/daemon/control.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

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
	char error[CONTROL_ERROR_MAX];
	const char *path;
	char *text;
	int rc = command_socket_options(argc, argv, "stop [--socket PATH]", &path);

	if (rc >= 0)
		return rc;
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
