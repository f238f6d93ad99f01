/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each process of the daemon may still do once it is started: capabilities, system calls, files. Irrevocable, and
 * inherited by what is started afterwards. docs/security.md says why each list is as it is. */
#ifndef NATSHIM_SHIM_PROC_CONFINE_H
#define NATSHIM_SHIM_PROC_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

enum confine_role {
	CONFINE_PARENT, /* CAP_NET_ADMIN and CAP_NET_RAW; starts the others and hears single bytes. natshim-stack, which runs whack, has no
			   other, so only what nobody needs is forbidden */
	CONFINE_PACKETS, /* CAP_NET_ADMIN, no files, no exec, no new sockets */
	CONFINE_FILES,   /* no capability, no exec, no network; files only where it is told */
	/* no capability, no network, no exec, no new process; reads where it is told. Then: */
	CONFINE_SECRETS_READER,
	CONFINE_SECRETS, /* no files either: answers over the sockets that it has */
	/* CAP_NET_ADMIN, no files, no exec, no new socket: watches and changes SAs over those that it
	 * has */
	CONFINE_XFRM,
};

/* Directories that CONFINE_FILES and CONFINE_SECRETS_READER may read, and those that they may also change; NULL at the end of each. One that does not
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
