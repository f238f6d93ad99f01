/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Synchronous netlink requests. */
#include "shim/xfrm/netlink.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ANSWER_S 5 /* the kernel answers at once; this is for a kernel that does not */

int netlink_errno(int nl_error)
{
	static const struct {
		int nl, error;
	} known[] = {
		{NLE_PERM, EPERM},           {NLE_NOMEM, ENOBUFS},
		{NLE_AGAIN, EAGAIN},         {NLE_EXIST, EEXIST},
		{NLE_OBJ_NOTFOUND, ESRCH},   {NLE_INVAL, EINVAL},
		{NLE_BUSY, EBUSY},           {NLE_NOACCESS, EACCES},
		{NLE_DUMP_INTR, EINTR},      {NLE_INTR, EINTR},
		{NLE_OPNOTSUPP, EOPNOTSUPP}, {NLE_PROTO_MISMATCH, EPROTONOSUPPORT},
		{NLE_NODEV, ENODEV},         {NLE_AF_NOSUPPORT, EAFNOSUPPORT},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].nl == -nl_error)
			return -known[i].error;
	return nl_error ? -EIO : 0;
}

int netlink_open(struct nl_sock **out, int protocol)
{
	struct nl_sock *sock = nl_socket_alloc();
	const struct timeval limit = {.tv_sec = ANSWER_S};

	if (!sock)
		return -ENOMEM;
	const int rc = nl_connect(sock, protocol);

	if (rc) {
		nl_socket_free(sock);
		return netlink_errno(rc);
	}
	setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	*out = sock;
	return 0;
}

/* What is read is read here and wiped, for a dump of SAs has their keys: libnl would leave copies in freed memory. */

#define BUFFER_BYTES 65536 /* the kernel makes no longer part of an answer */

struct answer {
	uint32_t sequence; /* of the request */
	netlink_message_fn *fn;
	void *ctx;
	bool interrupted; /* something changed during the dump */
	bool over;
	int error;
};

/* Of NLMSG_ERROR and of NLMSG_DONE, whose body begins with it. */
static int error_of(struct nlmsghdr *header)
{
	int error = 0;

	if (nlmsg_datalen(header) >= (int)sizeof error)
		memcpy(&error, nlmsg_data(header), sizeof error);
	return error < 0 ? error : 0;
}

static void take_part(struct answer *a, void *buffer, size_t length)
{
	int left = (int)length;

	for (struct nlmsghdr *h = buffer; nlmsg_ok(h, left) && !a->over; h = nlmsg_next(h, &left)) {
		if (h->nlmsg_seq != a->sequence)
			continue; /* to a request that was given up */
		a->interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
			a->error = error_of(h);
			a->over = true;
			continue;
		}
		if (a->fn)
			a->fn(a->ctx, h);
		a->over = !(h->nlmsg_flags & NLM_F_MULTI);
	}
	if (a->over && a->interrupted && !a->error)
		a->error = -EINTR;
}

static int read_answer(int fd, struct answer *a)
{
	unsigned char *buffer = malloc(BUFFER_BYTES);

	if (!buffer)
		return -ENOMEM;
	while (!a->over) {
		struct sockaddr_nl from = {.nl_family = AF_NETLINK};
		struct iovec part = {.iov_base = buffer, .iov_len = BUFFER_BYTES};
		struct msghdr header = {
			.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1};
		const ssize_t got = recvmsg(fd, &header, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || header.msg_flags & MSG_TRUNC) {
			a->error = got < 0 ? -errno : -EMSGSIZE;
			break;
		}
		if (!from.nl_pid) /* only the kernel is believed */
			take_part(a, buffer, (size_t)got);
		OPENSSL_cleanse(buffer, (size_t)got);
	}
	if (a->error)
		OPENSSL_cleanse(buffer, BUFFER_BYTES);
	free(buffer);
	return a->error;
}

static int ask(struct nl_sock *sock, struct nl_msg *message, struct answer *answer)
{
	const int rc = nl_send_auto(sock, message);

	answer->sequence = nlmsg_hdr(message)->nlmsg_seq;
	nlmsg_free(message);
	return rc < 0 ? netlink_errno(rc) : read_answer(nl_socket_get_fd(sock), answer);
}

int netlink_change(struct nl_sock *sock, struct nl_msg *message)
{
	struct answer answer = {.fn = NULL};

	return message ? ask(sock, message, &answer) : -ENOMEM;
}

int netlink_request(struct nl_sock *sock, struct nl_msg *message, netlink_message_fn *fn, void *ctx)
{
	struct answer answer = {.fn = fn, .ctx = ctx};
	int rc;

	if (!message)
		return -ENOMEM;
	nl_socket_disable_auto_ack(sock); /* the answer is enough, an ACK would be left for nobody */
	rc = ask(sock, message, &answer);
	nl_socket_enable_auto_ack(sock);
	return rc;
}
