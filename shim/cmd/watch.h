/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim status --watch: the terminal. */
#ifndef NATSHIM_SHIM_CMD_WATCH_H
#define NATSHIM_SHIM_CMD_WATCH_H

/* Shows the status until q, a signal, or the terminal's end; socket: the daemon's. Restores the terminal in any of these cases, and
 * then lets a signal do what it does. Returns the exit status; its errors go to stderr. */
int watch_status(const char *socket);

/* Of the terminal at that descriptor; 80 where it does not say. */
unsigned watch_terminal_width(int fd);

#endif
