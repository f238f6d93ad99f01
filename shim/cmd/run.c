/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim --iface ...: the daemon itself, in the foreground; with --dry-run only what it would install. */
#include "shim/cmd/cmd.h"
#include "shim/daemon/daemon.h"
#include "shim/firewall.h"

int cmd_run(int argc, char **argv)
{
	struct config config;
	char error[CONFIG_ERROR_MAX];
	const enum config_outcome outcome = config_load(&config, argc, argv, error);
	int status = EXIT_FAILED;

	if (outcome != CONFIG_OK)
		status = command_config_outcome(outcome, "run", error);
	else if (!firewall_find_lns(&config, error))
		fprintf(stderr, "natshim: run: %s\n", error);
	else if (config.dry_run)
		status = command_print_rules(&config);
	else
		return daemon_run(&config, argc, argv);
	config_free(&config);
	return status;
}
