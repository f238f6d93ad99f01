/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's own rules: `nft -j list ruleset', and what the two iptables have of them, which tell their matches by name. */
#include "shim/check/read.h"

#include <stdlib.h>
#include <string.h>

/* What a program prints, or NULL; blind says why. */
static char *output_of(const char *const argv[], char blind[static FACTS_TEXT])
{
	struct command_result result;
	char *text = check_read_output(argv, &result, blind) ? strdup(result.out.text) : NULL;

	command_result_clear(&result);
	return text;
}

/* Only where its tables are there already: asking would make them. */
static void read_legacy(struct firewall_facts *out)
{
	const char *const argv[] = {"iptables-legacy-save", NULL};
	char ignored[FACTS_TEXT];
	char *names = check_read_file("/proc/net/ip_tables_names", ignored);

	out->legacy = NO;
	if (names && *names) {
		out->legacy_rules = output_of(argv, ignored);
		out->legacy = out->legacy_rules ? YES : UNKNOWN;
	}
	free(names);
}

void check_read_firewall(const struct check_options *options, struct firewall_facts *out)
{
	const char *const nft[] = {"nft", "-j", "list", "ruleset", NULL}, *const iptables[] = {
										  "iptables-nft-save", NULL};
	char ignored[FACTS_TEXT];

	out->iface_count = options->iface_count;
	memcpy(out->ifaces, options->ifaces, sizeof out->ifaces);
	out->ruleset = output_of(nft, out->blind);
	out->iptables = output_of(iptables, ignored);
	read_legacy(out);
}
