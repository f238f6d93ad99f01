/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One helper of natshim with the parent that keeps it, and with this process at its near ends in place of natshim-packets. This
 * process has one child, the parent, and that has one, the helper. For benches, too. */
#ifndef NATSHIM_TESTS_UNIT_ROLE_ALONE_H
#define NATSHIM_TESTS_UNIT_ROLE_ALONE_H

#include "shim/proc/parent.h"

#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

struct role_alone {
	struct parent parent;
	pid_t process; /* the parent's */
	int channel;   /* it ends when this is closed */
};

/* The near ends are in parent.near[0], and belong to whom they are given. */
static inline bool role_alone_begin(struct role_alone *alone, struct parent_role role)
{
	*alone = (struct role_alone){.parent = {.roles = {role}}};
	if (parent_pairs(&alone->parent, &alone->channel))
		return false;
	alone->process = fork();
	if (alone->process == 0) {
		for (unsigned k = 0; k < role.sockets; k++)
			close(alone->parent.near[0][k]);
		close(alone->channel);
		parent_watch(&alone->parent);
		_exit(0);
	}
	close(alone->parent.channel);
	for (unsigned k = 0; k < role.sockets; k++)
		close(alone->parent.far[0][k]);
	return alone->process > 0;
}

/* After the near ends were closed. */
static inline void role_alone_end(struct role_alone *alone)
{
	close(alone->channel);
	waitpid(alone->process, NULL, 0);
}

#endif
