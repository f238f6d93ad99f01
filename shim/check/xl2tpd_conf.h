/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xl2tpd.conf as xl2tpd 1.3.18 reads it: comments begin with ";" alone, names of keys and sections are case-blind, and one line that it
 * does not understand keeps it from starting. Pure. */
#ifndef NATSHIM_SHIM_CHECK_XL2TPD_CONF_H
#define NATSHIM_SHIM_CHECK_XL2TPD_CONF_H

#include "shim/check/settings.h"

/* Sections are "global", "lns NAME", "lac NAME"; each is opened by an entry with an empty key, whose value is the name as it stands there
 * (without brackets). Keys in lower case; a key that is written otherwise has a second entry, XL2TPD_AS before its name, with its
 * spelling. Flags are "yes" or "no". A line that xl2tpd refuses is in section XL2TPD_REFUSED, with the number of the line as key and the
 * reason as value. */
#define XL2TPD_AS "as:"
#define XL2TPD_REFUSED "refused"
void xl2tpd_conf_lines(struct settings *out, const char *text);

/* The section of the LNS that clients reach: the default one, else the first with a range of clients (lac =), else the first; NULL: none. */
const char *xl2tpd_conf_lns(const struct settings *lines);

#endif
