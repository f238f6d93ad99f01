/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libreswan's ipsec.secrets(5), read as pluto reads it: a record begins in the first column and goes on in indented lines; indices, a
 * colon that stands alone or ends a word, the kind, the key. What pluto only logs and passes over is a fault here. Keys are not
 * kept. Tried against pluto 4.10 and 5.2 (tests/net/test_check_secrets). Pure. */
#ifndef NATSHIM_SHIM_CHECK_IPSEC_SECRETS_H
#define NATSHIM_SHIM_CHECK_IPSEC_SECRETS_H

#include "shim/check/settings.h"

/* Why a record is left out that pluto does take: with it pluto 4.10 ends (an assertion fails) at the first client that gets as far. */
#define IPSEC_SECRETS_EMPTY "the key is empty, and pluto may end at a client's message"

/* Adds to out, in the file's order: section "psk", key "FILE:LINE", value the indices, separated by blanks (those that pluto cannot
 * take are left out, as it does); section "fault", key "FILE:LINE", value why pluto leaves the record out; section "include", key the
 * file, value the pattern. */
void ipsec_secrets_lines(struct settings *out, const char *text, const char *file);

/* Whether pluto finds a record of these for a client that may come from any address: it looks before the client has told its ID. own:
 * the server's ID, an address or @name; NULL: not known, then any may be it. */
bool ipsec_secrets_serve(const struct settings *lines, const char *own);

#endif
