/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of subcommands, and the choice between them. Without a subcommand, but with options: run. */
#include "shim/cmd/cmd.h"

#include <stdio.h>
#include <string.h>

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *synopsis;
	const char *summary;
};

static int cmd_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return SHOW_HELP;
}

static const struct command commands[] = {
	{"run", cmd_run, "[run] --iface NAME [OPTION]...", "serve the clients, in the foreground"},
	{"rules", cmd_rules, "rules --iface NAME [OPTION]...",
	 "print the ruleset for nft -f; change nothing"},
	{"status", cmd_status, "status [--json] [--watch]", "show clients, sessions and counters"},
	{"rewrite", cmd_rewrite, "rewrite [OPTION]... IN OUT", "rewrite a capture file as the daemon would"},
	{"explain", cmd_explain, "explain [OPTION]... CAPTURE",
	 "explain each client in a capture file: what it is, where it stops and why"},
	{"drop", cmd_drop, "drop PEER[:PORT]", "end a session as if the client had sent Delete"},
	{"alias", cmd_alias, "alias ADDR[:PORT]", "show who is behind an alias, or a peer's aliases"},
	{"translate", cmd_translate, "translate [--iface NAME] [FILE]",
	 "translate old iptables rules for ipsec0 to nftables"},
	{"check", cmd_check, "check [--json] [OPTION]...",
	 "find what prevents clients from connecting, and the fix"},
	{"stop", cmd_stop, "stop", "stop the running natshim, or remove what a killed one left"},
	{"help", cmd_help, "help", "this text"},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void print_help(void)
{
	printf("natshim lets old and odd L2TP/IPsec clients use an unmodified Linux VPN server.\n\nUsage:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  natshim %-44s %s\n", commands[i].synopsis, commands[i].summary);
	printf("\nOptions of run and rules (the same names stand in natshim.conf):\n");
	config_print_options(stdout);
	printf("  %-34s  %s\n  %-34s  %s\n", "-h, --help", "this text", "    --version", "the version");
	printf("\nExit status: 0 done, 1 failed, 2 usage. See natshim(8) and natshim.conf(5).\n");
}

/* The exit status of the process, of what a subcommand returned. */
static int end(int status)
{
	if (status == SHOW_HELP)
		print_help();
	else if (status == SHOW_VERSION)
		printf("natshim %s\n", NATSHIM_VERSION);
	else
		return status;
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "natshim: --iface is missing: name the interface towards the clients; "
				"see natshim --help\n");
		return EXIT_USAGE;
	}
	if (*argv[1] == '-')
		return end(cmd_run(argc, argv));
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(argv[1], commands[i].name))
			return end(commands[i].run(argc - 1, argv + 1));
	fprintf(stderr, "natshim: %s: no such command; natshim --help lists them\n", argv[1]);
	return EXIT_USAGE;
}
