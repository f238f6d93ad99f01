/* The host's own rules: `nft -j list ruleset', and whether iptables-legacy has any beside them. */
#include "shim/check/read.h"

#include <stdlib.h>
#include <string.h>

/* Only where its tables are there already: asking would make them. */
static enum known has_legacy_rules(void)
{
	const char *const argv[] = {"iptables-legacy-save", NULL};
	char ignored[FACTS_TEXT];
	struct child_result result;
	enum known has = NO;
	char *names = check_read_file("/proc/net/ip_tables_names", ignored);
	const bool tables = names && *names;

	free(names);
	if (!tables)
		return NO;
	if (!check_read_output(argv, &result, ignored))
		has = UNKNOWN;
	else if (strstr(result.out.text, "\n-A ") || strstr(result.out.text, " DROP ["))
		has = YES;
	child_result_clear(&result);
	return has;
}

void check_read_firewall(const struct check_options *options, struct firewall_facts *out)
{
	const char *const argv[] = {"nft", "-j", "list", "ruleset", NULL};
	struct child_result result;

	out->iface_count = options->iface_count;
	memcpy(out->ifaces, options->ifaces, sizeof out->ifaces);
	if (check_read_output(argv, &result, out->blind))
		out->ruleset = strdup(result.out.text);
	child_result_clear(&result);
	out->legacy = has_legacy_rules();
}
