/* The subcommands, one file each (cmd_NAME.c). argv[0] is the subcommand's own name. They return the exit status of
 * DESIGN: 0 done, 1 failed, 2 usage; errors go to stderr as "natshim: what: why". */
#ifndef NATSHIM_SHIM_COMMANDS_H
#define NATSHIM_SHIM_COMMANDS_H

enum exit_status { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int cmd_rewrite(int argc, char **argv);

#endif
