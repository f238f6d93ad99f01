/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words that nft's grammar keeps for itself. */
#ifndef NATSHIM_RULES_KLIPS_KEYWORDS_H
#define NATSHIM_RULES_KLIPS_KEYWORDS_H

#include <stdbool.h>

bool nft_is_keyword(const char *word);

#endif
