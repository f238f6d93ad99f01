/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One message for each entry. */
#include "nfq/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REQUEST_MAX 256 /* bytes */
#define ANSWER_MAX 1024

struct conntrack {
	struct mnl_socket *socket;
	uint32_t sequence;
};

int conntrack_open(struct conntrack **out)
{
	struct conntrack *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return -ENOMEM;
	c->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (c->socket && !mnl_socket_bind(c->socket, 0, MNL_SOCKET_AUTOPID)) {
		*out = c;
		return 0;
	}
	rc = -errno;
	conntrack_close(c);
	return rc;
}

void conntrack_close(struct conntrack *c)
{
	if (!c)
		return;
	if (c->socket)
		mnl_socket_close(c->socket);
	free(c);
}

static void put_tuple(struct nlmsghdr *m, const struct endpoint *src, const struct endpoint *dst)
{
	struct nlattr *tuple = mnl_attr_nest_start(m, CTA_TUPLE_ORIG), *part;

	part = mnl_attr_nest_start(m, CTA_TUPLE_IP);
	mnl_attr_put(m, CTA_IP_V4_SRC, 4, src->addr);
	mnl_attr_put(m, CTA_IP_V4_DST, 4, dst->addr);
	mnl_attr_nest_end(m, part);
	part = mnl_attr_nest_start(m, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(m, CTA_PROTO_NUM, IPPROTO_UDP);
	mnl_attr_put_u16(m, CTA_PROTO_SRC_PORT, htons(src->port));
	mnl_attr_put_u16(m, CTA_PROTO_DST_PORT, htons(dst->port));
	mnl_attr_nest_end(m, part);
	mnl_attr_nest_end(m, tuple);
}

static struct nlmsghdr *begin(struct conntrack *c, char buffer[static REQUEST_MAX], uint16_t type,
			      uint16_t flags, const struct endpoint *src, const struct endpoint *dst)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *family = mnl_nlmsg_put_extra_header(m, sizeof *family);

	m->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	m->nlmsg_flags = NLM_F_REQUEST | flags;
	m->nlmsg_seq = ++c->sequence;
	family->nfgen_family = AF_INET;
	family->version = NFNETLINK_V0;
	put_tuple(m, src, dst);
	return m;
}

static int send_request(struct conntrack *c, const struct nlmsghdr *m)
{
	while (mnl_socket_sendto(c->socket, m, m->nlmsg_len) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* What is of an earlier request is passed over. */
static int receive(struct conntrack *c, char buffer[static ANSWER_MAX], const struct nlmsghdr **answer)
{
	for (;;) {
		const ssize_t got = mnl_socket_recvfrom(c->socket, buffer, ANSWER_MAX);
		const struct nlmsghdr *m = (const void *)buffer;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!mnl_nlmsg_ok(m, (int)got) || m->nlmsg_seq != c->sequence)
			continue;
		*answer = m;
		if (m->nlmsg_type != NLMSG_ERROR)
			return 0;
		return mnl_nlmsg_get_payload_len(m) < sizeof(int32_t)
			       ? -EPROTO
			       : ((const struct nlmsgerr *)mnl_nlmsg_get_payload(m))->error;
	}
}

int conntrack_forget(struct conntrack *c, const struct endpoint *src, const struct endpoint *dst)
{
	char buffer[REQUEST_MAX] = {0}, answer[ANSWER_MAX];
	const struct nlmsghdr *m;
	int rc;

	if (src->addr_len != 4 || dst->addr_len != 4)
		return -EINVAL;
	rc = send_request(c, begin(c, buffer, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, src, dst));
	if (!rc)
		rc = receive(c, answer, &m);
	return rc == -ENOENT ? 0 : rc;
}

static const struct nlattr *part_of(const struct nlattr *nest, uint16_t type)
{
	struct nlattr *part;

	mnl_attr_for_each_nested(part, nest)
	{
		if (mnl_attr_get_type(part) == type)
			return part;
	}
	return NULL;
}

static bool goes_to(const struct nlattr *tuple, const struct endpoint *to)
{
	const struct nlattr *const ip = part_of(tuple, CTA_TUPLE_IP);
	const struct nlattr *const dst = ip ? part_of(ip, CTA_IP_V4_DST) : NULL;

	return dst && mnl_attr_get_payload_len(dst) == 4 && !memcmp(mnl_attr_get_payload(dst), to->addr, 4);
}

/* The entry may have begun in either direction. */
int conntrack_translates(struct conntrack *c, const struct endpoint *src, const struct endpoint *dst,
			 const struct endpoint *to)
{
	char buffer[REQUEST_MAX] = {0}, answer[ANSWER_MAX];
	const struct nlmsghdr *m = NULL;
	struct nlattr *attribute;
	int rc;

	if (src->addr_len != 4 || dst->addr_len != 4 || to->addr_len != 4)
		return -EINVAL;
	rc = send_request(c, begin(c, buffer, IPCTNL_MSG_CT_GET, 0, src, dst));
	if (!rc)
		rc = receive(c, answer, &m);
	if (rc || !m)
		return rc == -ENOENT ? 0 : rc;
	mnl_attr_for_each(attribute, m, sizeof(struct nfgenmsg))
	{
		const uint16_t type = mnl_attr_get_type(attribute);

		if ((type == CTA_TUPLE_ORIG || type == CTA_TUPLE_REPLY) && goes_to(attribute, to))
			return 1;
	}
	return 0;
}
