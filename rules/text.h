/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ruleset as text for nft -f. */
#ifndef NATSHIM_RULES_TEXT_H
#define NATSHIM_RULES_TEXT_H

#include "rules/ruleset.h"

#include <stdio.h>

/* 0, or -errno of the stream. Begins with the lines that make a second load replace the first. */
int rules_text(FILE *out, const struct ruleset *ruleset);

#endif
