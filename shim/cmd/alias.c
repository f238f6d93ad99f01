/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim alias: asks the running daemon who is behind an alias, or which aliases a peer has. */
#include "nfq/endpoint.h"
#include "shim/cmd/cmd.h"
#include "shim/daemon/control.h"

#include <stdlib.h>
#include <unistd.h>

int cmd_alias(int argc, char **argv)
{
	static const char usage[] = "alias [--socket PATH] ADDR[:PORT]";
	char error[CONTROL_ERROR_MAX];
	struct endpoint address;
	const char *path;
	char *text;
	const int rc = command_socket_options(argc, argv, usage, &path);

	if (rc >= 0)
		return rc;
	if (argc - optind != 1) {
		fprintf(stderr, "natshim: alias: one address is expected; usage: natshim %s\n", usage);
		return EXIT_USAGE;
	}
	if (!endpoint_parse(argv[optind], &address)) {
		fprintf(stderr, "natshim: alias: %s: not an address; expected ADDR or ADDR:PORT\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	if (control_ask(path, CONTROL_ALIAS, argv[optind], &text, error)) {
		fprintf(stderr, "natshim: alias: %s\n", error);
		return EXIT_FAILED;
	}
	puts(text);
	free(text);
	return EXIT_DONE;
}
