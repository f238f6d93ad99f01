/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The running natshim: puts the rooms together, and carries facts between them. */
#ifndef NATSHIM_SHIM_DAEMON_DAEMON_H
#define NATSHIM_SHIM_DAEMON_DAEMON_H

#include "shim/config.h"

/* Runs until SIGTERM, SIGINT or `natshim stop'. Takes over *config (and frees it). argc and argv are what config_load had:
 * SIGHUP loads once more. Returns the exit status. */
int daemon_run(struct config *config, int argc, char *const argv[]);

#endif
