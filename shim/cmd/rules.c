/* natshim rules: prints the ruleset that run would install, and touches nothing. */
#include "rules/text.h"
#include "shim/cmd/cmd.h"
#include "shim/firewall.h"

#include <errno.h>
#include <string.h>

int command_print_rules(const struct config *config)
{
	const struct rules_features features = firewall_current_kernel();
	struct ruleset *ruleset = firewall_ruleset(config, &features);
	int rc;

	if (!ruleset) {
		fprintf(stderr, "natshim: rules: out of memory\n");
		return EXIT_FAILED;
	}
	rc = rules_text(stdout, ruleset);
	ruleset_free(ruleset);
	if (rc || fflush(stdout)) {
		fprintf(stderr, "natshim: rules: cannot be written: %s\n", strerror(rc ? -rc : EIO));
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

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
