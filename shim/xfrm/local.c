/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Own addresses, by route lookup. */
#include "shim/xfrm/local.h"

#include "shim/xfrm/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

int local_open(struct local_addresses *local)
{
	*local = (struct local_addresses){.route = NULL};
	return netlink_open(&local->route, NETLINK_ROUTE);
}

void local_close(struct local_addresses *local)
{
	if (local->route)
		nl_socket_free(local->route);
	*local = (struct local_addresses){.route = NULL};
}

void local_forget(struct local_addresses *local)
{
	local->count = 0;
}

bool local_remembered(const struct local_addresses *local, const struct endpoint *address)
{
	for (unsigned i = 0; i < local->count; i++)
		if (endpoint_same_host(&local->known[i], address))
			return true;
	return false;
}

static void read_type(void *ctx, struct nlmsghdr *message)
{
	struct rtmsg route;

	if (message->nlmsg_type != RTM_NEWROUTE || !nlmsg_valid_hdr(message, sizeof route))
		return;
	memcpy(&route, nlmsg_data(message), sizeof route);
	*(bool *)ctx = route.rtm_type == RTN_LOCAL;
}

static int ask(struct nl_sock *sock, const struct endpoint *address, bool *is_local)
{
	struct rtmsg route = {.rtm_family = address->addr_len == 16 ? AF_INET6 : AF_INET,
			      .rtm_dst_len = (unsigned char)(address->addr_len * 8)};
	struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST);

	*is_local = false;
	if (!message)
		return -ENOMEM;
	if (nlmsg_append(message, &route, sizeof route, NLMSG_ALIGNTO) ||
	    nla_put(message, RTA_DST, address->addr_len, address->addr)) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(sock, message, read_type, is_local);
}

bool local_is(struct local_addresses *local, const struct endpoint *address)
{
	bool is_local;

	if (local_remembered(local, address))
		return true;
	if (ask(local->route, address, &is_local) || !is_local)
		return false;
	if (local->count == LOCAL_MAX)
		local->count = 0;
	local->known[local->count] = *address;
	local->known[local->count++].port = 0;
	return true;
}
