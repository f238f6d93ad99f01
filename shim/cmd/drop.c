/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim drop: asks the running daemon to end the sessions of a peer. */
#include "nfq/endpoint.h"
#include "shim/cmd/cmd.h"
#include "shim/daemon/control.h"

#include <stdlib.h>
#include <unistd.h>

int cmd_drop(int argc, char **argv)
{
	static const char usage[] = "drop [--socket PATH] PEER[:PORT]";
	char error[CONTROL_ERROR_MAX];
	struct endpoint peer;
	const char *path;
	char *text;
	const int rc = command_socket_options(argc, argv, usage, &path);

	if (rc >= 0)
		return rc;
	if (argc - optind != 1) {
		fprintf(stderr, "natshim: drop: one peer is expected; usage: natshim %s\n", usage);
		return EXIT_USAGE;
	}
	if (!endpoint_parse(argv[optind], &peer)) {
		fprintf(stderr,
			"natshim: drop: %s: not an address; expected ADDR, ADDR:PORT or [ADDR6]:PORT\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	if (control_ask(path, CONTROL_DROP, argv[optind], &text, error)) {
		fprintf(stderr, "natshim: drop: %s\n", error);
		return EXIT_FAILED;
	}
	puts(text);
	free(text);
	return EXIT_DONE;
}
