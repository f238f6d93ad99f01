/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All readers, one after the other, and which of two VPN stacks is meant. */
#include "shim/check/read.h"

#include <stdlib.h>
#include <string.h>

/* Both may be installed: the one that does not run, while the other does, is not meant (unless its files were named). */
static void choose_stack(const struct check_options *options, struct check_facts *facts)
{
	if (facts->strongswan.charon_runs && !facts->libreswan.pluto_runs && !options->libreswan_config)
		facts->libreswan.present = false;
	if (facts->libreswan.pluto_runs && !facts->strongswan.charon_runs && !options->swanctl_dir)
		facts->strongswan.present = false;
}

static void read_l2tp_port(struct check_facts *facts)
{
	const char *port = settings_get(&facts->l2tp.xl2tpd, "global", "port");

	check_read_port(port ? (unsigned)strtoul(port, NULL, 10) : 1701, &facts->host.l2tp);
}

void check_read_all(const struct check_options *options, struct check_facts *out)
{
	memset(out, 0, sizeof *out);
	check_read_host(&out->host);
	out->libreswan.host = &out->host;
	check_read_libreswan(options, &out->libreswan);
	check_read_strongswan(options, &out->strongswan);
	if (out->strongswan.starter)
		out->libreswan.present = false; /* the ipsec command can be one only's */
	choose_stack(options, out);
	check_read_certificate(options, &out->libreswan, &out->certificate);
	check_read_l2tp(options, &out->l2tp);
	read_l2tp_port(out);
	check_read_kernel(options, &out->kernel);
	check_read_firewall(options, &out->firewall);
	check_read_alias(options, &out->alias);
}

void check_facts_clear(struct check_facts *facts)
{
	settings_clear(&facts->libreswan.config);
	settings_clear(&facts->libreswan.setup);
	settings_clear(&facts->libreswan.status);
	settings_clear(&facts->libreswan.secrets.entries);
	settings_clear(&facts->libreswan.dropped);
	free(facts->libreswan.ike);
	free(facts->libreswan.esp);
	settings_clear(&facts->strongswan.config);
	settings_clear(&facts->strongswan.loaded);
	settings_clear(&facts->strongswan.starter_config);
	settings_clear(&facts->l2tp.xl2tpd);
	settings_clear(&facts->l2tp.ppp);
	settings_clear(&facts->l2tp.users);
	free(facts->firewall.ruleset);
	free(facts->firewall.iptables);
	free(facts->firewall.legacy_rules);
	memset(facts, 0, sizeof *facts);
}
