/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim rules: prints the ruleset that run would install, and touches nothing. */
#include "shim/cmd/cmd.h"
#include "shim/firewall.h"

int cmd_rules(int argc, char **argv)
{
	struct config config;
	char error[CONFIG_ERROR_MAX];
	const enum config_outcome outcome = config_load(&config, argc, argv, error);
	int status = EXIT_FAILED;

	if (outcome != CONFIG_OK)
		status = command_config_outcome(outcome, "rules", error);
	else if (firewall_find_lns(&config, error))
		status = command_print_rules(&config);
	else
		fprintf(stderr, "natshim: rules: --lns auto: %s\n", error);
	config_free(&config);
	return status;
}
