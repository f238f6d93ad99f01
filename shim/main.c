/* The table of subcommands, and the choice between them. Without a subcommand: run. */
#include "shim/commands.h"

#include <stdio.h>
#include <string.h>

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{"rewrite", "rewrite a capture as the daemon would", cmd_rewrite},
	{NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
	for (const struct command *c = commands; argc > 1 && c->name; c++)
		if (!strcmp(argv[1], c->name))
			return c->run(argc - 1, argv + 1);
	fprintf(stderr, "natshim: no command yet\n");
	return EXIT_USAGE;
}
