/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each process of the daemon may still do once it is started: capabilities, system calls, files. Irrevocable, and
 * inherited by what is started afterwards. docs/security.md says why each list is as it is. */
#ifndef NATSHIM_SHIM_PROC_CONFINE_H
#define NATSHIM_SHIM_PROC_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

enum confine_role {
	CONFINE_PACKETS,  /* CAP_NET_ADMIN, no files, no exec, no new sockets */
	CONFINE_FILES,    /* no capability, no exec, no network; files only where it is told */
	CONFINE_WATCHDOG, /* no capability; waits, and kills the daemon */
	CONFINE_SECRETS,  /* no capability, no files, no network: answers over the sockets that it has */
	CONFINE_SECRETS_KEEPER, /* no capability, no network, no exec; starts CONFINE_SECRETS, reads where it is told */
	CONFINE_XFRM,        /* CAP_NET_ADMIN, no files, no exec, no new socket: watches and changes SAs over those that it has */
	CONFINE_XFRM_KEEPER, /* CAP_NET_ADMIN, no files, no exec, sockets of NETLINK_XFRM and NETLINK_ROUTE only; starts CONFINE_XFRM */
	CONFINE_STACK, /* CAP_NET_ADMIN and CAP_NET_RAW; runs whack, so only what nobody needs is forbidden */
};

/* Directories that CONFINE_FILES and CONFINE_SECRETS_KEEPER may read, and those that they may also change; NULL at the end of each. One that does not
 * exist is passed over. */
struct confine_files {
	const char *const *readable, *const *writable;
};

#define CONFINE_TEXT_MAX 160

/* files: for the two roles that may have some, else NULL. False when something could not be had; missing says what, in one line, and the rest is in
 * force. */
bool confine(enum confine_role role, const struct confine_files *files,
	     char missing[static CONFINE_TEXT_MAX]);

/* Whether this process may change the firewall at all (CAP_NET_ADMIN, capabilities(7)); false also when that cannot be read. */
bool confine_is_net_admin(void);

#endif
