/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The subcommands, one file each (cmd_NAME.c). argv[0] is the subcommand's own name. They return the exit status of the
 * contract: 0 done, 1 failed, 2 usage; errors go to stderr as "natshim: what: why". */
#ifndef NATSHIM_SHIM_CMD_CMD_H
#define NATSHIM_SHIM_CMD_CMD_H

#include "shim/config.h"
#include "shim/daemon/control.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	/* Between a subcommand and main(), which prints them and exits with 0. */
	SHOW_HELP = 256,
	SHOW_VERSION
};

int cmd_run(int argc, char **argv);
int cmd_rules(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_rewrite(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_drop(int argc, char **argv);
int cmd_alias(int argc, char **argv);
int cmd_translate(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_check(int argc, char **argv);

/* For the commands that take run's options: prints the error of an outcome other than CONFIG_OK and returns the exit status, or
 * SHOW_HELP or SHOW_VERSION. */
int command_config_outcome(enum config_outcome outcome, const char *command, const char *error);

/* The ruleset that config asks for, as text on stdout. Returns the exit status. */
int command_print_rules(const struct config *config);

/* For the commands that speak to the daemon and know no option but --socket: -1 with *path set and optind at the first
 * word, or the exit status. */
int command_socket_options(int argc, char **argv, const char *usage, const char **path);

/* The whole of a command that asks the daemon about one address, its only word, and prints the answer. Returns the exit status. */
int command_ask_of(int argc, char **argv, const char *usage, enum control_operation operation);

#endif
