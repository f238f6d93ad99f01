/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where xl2tpd listens, from its own configuration (xl2tpd.conf(5), section [global]: listen-addr, port). Reads, and
 * decides nothing. */
#ifndef NATSHIM_SHIM_XL2TPD_H
#define NATSHIM_SHIM_XL2TPD_H

#include "nfq/endpoint.h"

#define XL2TPD_CONFIG "/etc/xl2tpd/xl2tpd.conf"
#define XL2TPD_ERROR_MAX 256

/* out->port is 0 for xl2tpd's default. False with one line in error: no file, no listen-addr, one that is no address. */
bool xl2tpd_listen_address(const char *path, struct endpoint *out, char error[static XL2TPD_ERROR_MAX]);

#endif
