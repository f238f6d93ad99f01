/* Synchronous netlink requests. */
#include "shim/stack/netlink.h"

#include <errno.h>
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

int netlink_change(struct nl_sock *sock, struct nl_msg *message)
{
	if (!message)
		return -ENOMEM;
	return netlink_errno(nl_send_sync(sock, message));
}

struct receiver {
	netlink_message_fn *fn;
	void *ctx;
};

static int hand_over(struct nl_msg *message, void *arg)
{
	const struct receiver *receiver = arg;

	receiver->fn(receiver->ctx, nlmsg_hdr(message));
	return NL_OK;
}

int netlink_request(struct nl_sock *sock, struct nl_msg *message, netlink_message_fn *fn, void *ctx)
{
	struct receiver receiver = {.fn = fn, .ctx = ctx};
	int rc = -NLE_NOMEM;

	if (!message)
		return -ENOMEM;
	struct nl_cb *own = nl_socket_get_cb(sock);
	struct nl_cb *cb = nl_cb_clone(own);

	nl_cb_put(own);
	if (cb) {
		nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, hand_over, &receiver);
		nl_socket_disable_auto_ack(
			sock); /* the answer is enough, an ACK would be taken for the next one's */
		rc = nl_send_auto(sock, message);
		if (rc >= 0)
			rc = nl_recvmsgs(sock, cb);
		nl_socket_enable_auto_ack(sock);
		nl_cb_put(cb);
	}
	nlmsg_free(message);
	return netlink_errno(rc < 0 ? rc : 0);
}
