/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection to charon over which VICI packets (vici.h) go. Blocks, with a time limit. */
#ifndef NATSHIM_SHIM_STACK_VICI_SOCKET_H
#define NATSHIM_SHIM_STACK_VICI_SOCKET_H

#include "shim/stack/vici.h"

/* path NULL: the usual places. A descriptor, or -errno with one line in text[size]. timeout_ms: of each later read and
 * write. A stale socket file survives charon, so only this tells that it runs. */
int vici_connect(const char *path, unsigned timeout_ms, char *text, size_t size);
/* 0 or -errno: -ETIMEDOUT, -EMSGSIZE, ... */
int vici_send(int fd, const struct vici_writer *writer);
/* One packet into packet[VICI_PACKET_MAX]. */
int vici_receive(int fd, uint8_t *packet, size_t *length);

#endif
