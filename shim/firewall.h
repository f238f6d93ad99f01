/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the configuration to the ruleset: the one place that knows which option asks for which rule. Used by run, by its
 * dry run and by `natshim rules', so that what is printed is what is installed. */
#ifndef NATSHIM_SHIM_FIREWALL_H
#define NATSHIM_SHIM_FIREWALL_H

#include "rules/nft.h"
#include "rules/ruleset.h"
#include "shim/config.h"

/* NULL: out of memory. The strings stay the configuration's. */
struct ruleset *firewall_ruleset(const struct config *config, const struct rules_features *features);

/* For text: what a current kernel has. */
struct rules_features firewall_current_kernel(void);

/* Replaces `--lns auto' by what xl2tpd's configuration says. */
bool firewall_find_lns(struct config *config, char error[static CONFIG_ERROR_MAX]);

void firewall_set_lns(struct config *config, const struct endpoint *lns);

#endif
