/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to the kernel over netlink (libnl-3) that are answered at once: a change with its acknowledgement, or a dump
 * message by message. Waits for the kernel's answer; for event sockets see xfrm.c. Errors are -errno. */
#ifndef NATSHIM_SHIM_XFRM_NETLINK_H
#define NATSHIM_SHIM_XFRM_NETLINK_H

#include <netlink/msg.h>
#include <netlink/netlink.h>

int netlink_open(struct nl_sock **out, int protocol);
int netlink_errno(int nl_error); /* libnl's error number as -errno */

/* Sends message (and frees it, whatever happens) and waits for the acknowledgement. */
int netlink_change(struct nl_sock *sock, struct nl_msg *message);
/* The same for a request that is answered by messages: fn gets each, in a buffer that is wiped afterwards. A late answer to an earlier
 * request is passed over. -EINTR: a dump during which something changed. */
typedef void netlink_message_fn(void *ctx, struct nlmsghdr *message);
int netlink_request(struct nl_sock *sock, struct nl_msg *message, netlink_message_fn *fn, void *ctx);

#endif
