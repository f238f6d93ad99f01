/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xl2tpd.conf is an INI file: inih reads it. */
#include "shim/xl2tpd.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct global {
	char address[ENDPOINT_TEXT_MAX];
	unsigned long port;
};

static int entry(void *user, const char *section, const char *name, const char *value)
{
	struct global *g = user;

	if (strcasecmp(section, "global") != 0)
		return 1;
	if (!strcasecmp(name, "listen-addr"))
		snprintf(g->address, sizeof g->address, "%s", value);
	if (!strcasecmp(name, "port"))
		g->port = strtoul(value, NULL, 10);
	return 1;
}

bool xl2tpd_listen_address(const char *path, struct endpoint *out, char error[static XL2TPD_ERROR_MAX])
{
	struct global g = {.port = 0};
	FILE *in = fopen(path, "re");

	if (!in) {
		snprintf(error, XL2TPD_ERROR_MAX,
			 "%s: cannot read: %s; give the LNS' address instead of auto", path, strerror(errno));
		return false;
	}
	ini_parse_file(in, entry, &g); /* lines that only xl2tpd understands are not ours to judge */
	fclose(in);
	if (!*g.address) {
		snprintf(error, XL2TPD_ERROR_MAX,
			 "%s: has no listen-addr in [global]; set it, or give the LNS' address instead of "
			 "auto",
			 path);
		return false;
	}
	if (!endpoint_parse(g.address, out) || out->port || g.port > UINT16_MAX) {
		snprintf(error, XL2TPD_ERROR_MAX, "%s: listen-addr %s, port %lu: not an address and a port",
			 path, g.address, g.port);
		return false;
	}
	if (!endpoint_is_unicast(out)) {
		snprintf(error, XL2TPD_ERROR_MAX,
			 "%s: listen-addr %s is no address that clients' packets can be sent to; set it to "
			 "one of this host's",
			 path, g.address);
		return false;
	}
	if (g.port != 1701)
		out->port = (uint16_t)g.port;
	return true;
}
