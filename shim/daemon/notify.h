/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What systemd is told (sd_notify(3)), over a socket that is made while sockets may still be made. Without NOTIFY_SOCKET in
 * the environment nothing happens. */
#ifndef NATSHIM_SHIM_DAEMON_NOTIFY_H
#define NATSHIM_SHIM_DAEMON_NOTIFY_H

int notify_open(void); /* a descriptor, or -1: nobody is to be told */
void notify_tell(int fd, const char *state);
void notify_close(int fd);

#endif
