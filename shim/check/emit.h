/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Known-good configurations of the daemons that natshim runs beside, for these clients. The tests in a whole kernel run on
 * them, so that they are true. */
#ifndef NATSHIM_SHIM_CHECK_EMIT_H
#define NATSHIM_SHIM_CHECK_EMIT_H

#include <stdbool.h>
#include <stdio.h>

/* what: "libreswan", "strongswan", "xl2tpd" or "pppd". address: the server's own, towards the clients; NULL: by its default
 * route. lns: where xl2tpd listens; NULL: there too. libreswan's is in the words of the installed version, or of version 4, which 5
 * understands. False: no such what. */
bool emit_config(FILE *out, const char *what, const char *address, const char *lns);

#endif
