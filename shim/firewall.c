/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options -> ruleset. */
#include "shim/firewall.h"
#include "shim/xl2tpd.h"

struct ruleset *firewall_ruleset(const struct config *config, const struct rules_features *features)
{
	const char *names[CONFIG_MAX_INTERFACES];
	const bool sessions = config->stack != CONFIG_STACK_NONE;
	const bool l2tp = !sessions || features->ipsec_spi;
	const struct rules_options options = {
		.interfaces = names,
		.interface_count = config->interface_count,
		.queue_number = (uint16_t)config->queue_number,
		.dnat4 = config->lns4.addr_len,
		.dnat6 = config->lns6.addr_len,
		.lns4 = config->lns4,
		.lns6 = config->lns6,
		.protect = !config->allow_clear,
		.l2tp_control = l2tp,
		.l2tp_by_session = sessions,
		.l2tp_from_lns = l2tp && config->hello == CONFIG_HELLO_ABSORB,
		.bridge = config_bridges(config),
		.alias = config_aliases(config) && features->secpath,
		.alias_net = config->alias_net,
		.alias_prefix = config->alias_prefix,
		.liveness = sessions,
		.alive_timeout_s = config_alive_timeout_s(config),
		.priority = config->priority,
		.owner = features->owner && config->rules == CONFIG_RULES_INSTALL,
		.native_queue = features->native_queue,
		.no_secpath = !features->secpath,
		.no_fib = !features->fib,
		.no_limit = !features->limit,
		.no_defrag = !features->defrag,
	};

	for (size_t i = 0; i < config->interface_count; i++)
		names[i] = config->interfaces[i];
	return ruleset_build(&options);
}

struct rules_features firewall_current_kernel(void)
{
	return (struct rules_features){.tables = true,
				       .owner = true,
				       .native_queue = true,
				       .secpath = true,
				       .ipsec_spi = true,
				       .fib = true,
				       .limit = true,
				       .defrag = true};
}

void firewall_set_lns(struct config *config, const struct endpoint *lns)
{
	*(lns->addr_len == 4 ? &config->lns4 : &config->lns6) = *lns;
}

bool firewall_find_lns(struct config *config, char error[static CONFIG_ERROR_MAX])
{
	struct endpoint lns;

	if (!config->lns_auto)
		return true;
	if (!xl2tpd_listen_address(XL2TPD_CONFIG, &lns, error))
		return false;
	firewall_set_lns(config, &lns);
	return true;
}
