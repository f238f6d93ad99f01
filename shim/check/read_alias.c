/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aliases: whether natshim gives any, and the routes to them. Kernel: rtnetlink(7). */
#include "shim/check/read.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static int read_iface(const struct nlmsghdr *answer, void *ctx)
{
	struct route_facts *out = ctx;
	struct nlattr *attr;
	char name[IF_NAMESIZE];

	mnl_attr_for_each(attr, answer, sizeof(struct rtmsg))
	{
		if (mnl_attr_get_type(attr) == RTA_OIF && if_indextoname(mnl_attr_get_u32(attr), name))
			snprintf(out->iface, sizeof out->iface, "%s", name);
	}
	return MNL_CB_OK;
}

/* 0, or errno: the kernel's own answer too, where no packet would go (ENETUNREACH; EINVAL: a blackhole). */
static int ask(struct mnl_socket *sock, in_addr_t to, struct route_facts *out)
{
	char buffer[4096] __attribute__((aligned(8)));
	struct nlmsghdr *question = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route;
	ssize_t n;

	question->nlmsg_type = RTM_GETROUTE;
	question->nlmsg_flags = NLM_F_REQUEST;
	question->nlmsg_seq = 1;
	route = mnl_nlmsg_put_extra_header(question, sizeof *route);
	route->rtm_family = AF_INET;
	route->rtm_dst_len = 32;
	mnl_attr_put_u32(question, RTA_DST, to);
	if (mnl_socket_sendto(sock, question, question->nlmsg_len) < 0)
		return errno;
	n = mnl_socket_recvfrom(sock, buffer, sizeof buffer);
	if (n < 0 || mnl_cb_run(buffer, (size_t)n, 1, mnl_socket_get_portid(sock), read_iface, out) < 0)
		return errno;
	return 0;
}

static void look_up(uint32_t to, struct route_facts *out)
{
	const in_addr_t address = htonl(to);
	struct mnl_socket *sock = mnl_socket_open(NETLINK_ROUTE);

	inet_ntop(AF_INET, &address, out->to, sizeof out->to);
	if (sock && !mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID))
		out->error = ask(sock, address, out);
	if (sock)
		mnl_socket_close(sock);
}

void check_read_alias(const struct check_options *options, struct alias_facts *out)
{
	const struct config *c = options->config;
	uint32_t net;

	if (!c)
		snprintf(out->blind, sizeof out->blind, "%s", options->config_error);
	if (!c || !config_aliases(c))
		return;
	out->given = true;
	memcpy(&net, c->alias_net.addr, sizeof net);
	inet_ntop(AF_INET, &net, out->net, INET_ADDRSTRLEN);
	snprintf(out->net + strlen(out->net), 4, "/%u", c->alias_prefix);
	net = ntohl(net);
	look_up(net + 1, &out->routes[0]);
	look_up((net | UINT32_MAX >> c->alias_prefix) - 1, &out->routes[1]);
	snprintf(out->first, sizeof out->first, "%s", out->routes[0].to);
}
