/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of two hosts in a capture is the VPN server: the one that was named, else the one that is sent the
 * first message of an exchange; and once a server, always the server of that client, also when it starts an
 * exchange itself. Pure. */
#ifndef NATSHIM_SHIM_CMD_ROLES_H
#define NATSHIM_SHIM_CMD_ROLES_H

#include "shim/ike/exchange.h"

struct roles; /* owned by the caller */

struct roles *roles_new(void); /* NULL: out of memory */
void roles_free(struct roles *roles);

/* After the first call only the hosts named this way are servers. False: out of memory. */
bool roles_name_server(struct roles *roles, const struct endpoint *host);

/* Ports do not matter. first_message: the responder cookie is zero. False, and *out untouched: neither is
 * known to be a server. */
bool roles_direction(struct roles *roles, const struct endpoint *src, const struct endpoint *dst,
		     bool first_message, enum ike_direction *out);

#endif
