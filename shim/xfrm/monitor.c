/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The XFRM monitor: an event socket, a dump socket, and the order between them. A dump is read piece by piece as the event
 * loop comes by, never in one go. What an overrun lost is found again by another dump. */
#include "shim/xfrm/monitor.h"

#include "shim/xfrm/kernel_xfrm.h"
#include "shim/xfrm/local.h"
#include "shim/xfrm/netlink.h"
#include "shim/xfrm/ports.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define EVENT_BUFFER (1024 * 1024)
#define MAPPINGS_BUFFER 16384 /* some dozens of them */
#define L2TP_PORT 1701
#define UDP 17
#define MAPPINGS_MAX 64 /* read at once */
#define REQIDS_MAX 256  /* reqids of SAs without ports that wait for their policy */

enum dump_state { DUMP_NONE, DUMP_POLICIES, DUMP_SAS };

struct xfrm_monitor {
	struct nl_sock *events, *dumps, *mappings;
	int epoll;
	struct xfrm_handlers handlers;
	void *ctx;
	struct local_addresses local;
	struct port_map ports;
	uint32_t own_port; /* whose changes are no news */
	uint32_t reqids[REQIDS_MAX];
	unsigned reqid_at;
	enum dump_state dump;
	uint32_t dump_sequence;
	bool dump_broken; /* the dump that runs is not complete */
	bool again;       /* dump once more: policies first */
	bool in_dump;     /* the message in hand is out of a dump */
	bool own;         /* or tells of a change of our own */
	bool own_gone;    /* we have deleted an SA, and not yet added it again: */
	struct sa_info deleted;
	uint64_t dump_began_ms;
	struct xfrm_stats stats;
	_Alignas(struct nlmsghdr) unsigned char buffer[BUFFER_BYTES];
};

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- what a message means ---------------------------------------------------------------------------------------- */

static void remember_reqid(struct xfrm_monitor *m, uint32_t reqid)
{
	m->reqids[m->reqid_at++ % REQIDS_MAX] = reqid;
}

/* True once: an SA of this reqid waited for its policy. */
static bool forget_reqid(struct xfrm_monitor *m, uint32_t reqid)
{
	bool waited = false;

	for (unsigned i = 0; i < REQIDS_MAX; i++) {
		if (m->reqids[i] != reqid)
			continue;
		m->reqids[i] = 0;
		waited = true;
	}
	return waited;
}

/* False: neither end is ours, or both are and the ports don't tell. */
static bool our_side(struct xfrm_monitor *m, const struct xfrm_message *message, bool *src_is_us)
{
	const bool known =
		local_remembered(&m->local, &message->src) != local_remembered(&m->local, &message->dst);

	if (known) {
		*src_is_us = local_remembered(&m->local, &message->src);
		return true;
	}
	const bool src = local_is(&m->local, &message->src);
	const bool dst = local_is(&m->local, &message->dst);

	*src_is_us = src && (!dst || message->src_port == L2TP_PORT);
	return src != dst || (src && message->src_port != message->dst_port);
}

/* It was not added again. */
static void tell_deleted(struct xfrm_monitor *m)
{
	if (m->own_gone)
		m->handlers.sa_gone(m->ctx, &m->deleted);
	m->own_gone = false;
}

static bool same_sa(const struct sa_info *a, const struct sa_info *b)
{
	return a->spi == b->spi && a->protocol == b->protocol && a->outbound == b->outbound &&
	       endpoint_same_host(&a->us, &b->us) && endpoint_same_host(&a->peer, &b->peer);
}

/* An exchange of keys is a deletion and an addition, with nothing of ours between them. The addition is told as out of a dump. */
static void take_own(struct xfrm_monitor *m, struct sa_info *sa, bool gone)
{
	if (m->own_gone && same_sa(&m->deleted, sa))
		m->own_gone = false;
	tell_deleted(m);
	if (gone) {
		m->own_gone = true;
		m->deleted = *sa;
		return;
	}
	sa->dumped = true;
}

static void take_sa(struct xfrm_monitor *m, struct xfrm_message *message)
{
	struct sa_info sa;
	bool src_is_us;

	if (!our_side(m, message, &src_is_us))
		return;
	xfrm_to_sa(message, src_is_us, &sa);
	sa.dumped = m->in_dump;
	if (m->own)
		take_own(m, &sa, message->kind == XFRM_KIND_SA_GONE);
	else if (message->kind == XFRM_KIND_SA_GONE)
		m->handlers.sa_gone(m->ctx, &sa);
	if (message->kind == XFRM_KIND_SA_GONE || !message->keyed)
		return;
	if (sa.transport && !sa.upper_protocol && sa.reqid) {
		if (port_map_get(&m->ports, sa.reqid, &sa.peer_port)) {
			sa.upper_protocol = UDP;
			sa.our_port = L2TP_PORT;
		} else {
			remember_reqid(m, sa.reqid);
		}
	}
	m->handlers.sa(m->ctx, &sa);
}

static void take_policy(struct xfrm_monitor *m, const struct xfrm_message *message)
{
	const bool out = message->policy_dir == XFRM_POLICY_OUT;
	const uint16_t ours = out ? message->src_port : message->dst_port;
	const uint16_t theirs = out ? message->dst_port : message->src_port;

	if (message->policy_dir > XFRM_POLICY_OUT || !message->transport || message->upper_protocol != UDP ||
	    ours != L2TP_PORT)
		return;
	if (message->kind == XFRM_KIND_POLICY_GONE) {
		port_map_remove(&m->ports, message->reqid);
		return;
	}
	port_map_set(&m->ports, message->reqid, theirs);
	if (message->reqid && forget_reqid(m, message->reqid) && m->dump != DUMP_POLICIES)
		m->again = true; /* else the SAs come next anyway */
}

static void take_message(struct xfrm_monitor *m, const struct nlmsghdr *header, size_t length)
{
	struct xfrm_message message;

	if (!xfrm_parse(header, length, &message)) {
		m->stats.malformed++;
		return;
	}
	switch (message.kind) {
	case XFRM_KIND_SA:
	case XFRM_KIND_SA_GONE:
		take_sa(m, &message);
		break;
	case XFRM_KIND_FLUSH:
		m->again = true;
		break;
	case XFRM_KIND_POLICY:
	case XFRM_KIND_POLICY_GONE:
		take_policy(m, &message);
		break;
	case XFRM_KIND_MAPPING:
	case XFRM_KIND_OTHER:
		break;
	}
}

/* ---- dumps ------------------------------------------------------------------------------------------------------- */

static int send_dump(struct xfrm_monitor *m, enum dump_state what)
{
	const int type = what == DUMP_POLICIES ? XFRM_MSG_GETPOLICY : XFRM_MSG_GETSA;
	struct nl_msg *message = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_DUMP);
	int rc;

	if (!message)
		return -ENOMEM;
	rc = nl_send_auto(m->dumps, message);
	m->dump_sequence = nlmsg_hdr(message)->nlmsg_seq;
	nlmsg_free(message);
	if (rc < 0)
		return netlink_errno(rc);
	m->dump = what;
	m->dump_broken = false;
	if (what == DUMP_SAS && m->handlers.dump_begin)
		m->handlers.dump_begin(m->ctx);
	return 0;
}

static int begin_dump(struct xfrm_monitor *m, bool policies)
{
	int rc;

	m->again = false;
	m->dump_began_ms = clock_ms();
	local_forget(&m->local);
	rc = send_dump(m, policies ? DUMP_POLICIES : DUMP_SAS);
	if (rc)
		m->again = true;
	return rc;
}

static int dump_done(struct xfrm_monitor *m, int error)
{
	const enum dump_state done = m->dump;

	m->dump = DUMP_NONE;
	if (done == DUMP_POLICIES && !error)
		return send_dump(m, DUMP_SAS);
	if (m->dump_broken && !error)
		error = -EINTR;
	if (error)
		m->again = true;
	m->stats.dumps++;
	m->stats.dump_ms = clock_ms() - m->dump_began_ms;
	if (done == DUMP_SAS && m->handlers.dump_end)
		m->handlers.dump_end(m->ctx, error);
	return 0;
}

int xfrm_dump(struct xfrm_monitor *m)
{
	if (m->dump != DUMP_NONE)
		return 0;
	return begin_dump(m, m->again);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* They had keys in them. */
static void wipe_buffer(struct xfrm_monitor *m, ssize_t used)
{
	OPENSSL_cleanse(m->buffer, used > 0 ? (size_t)used : sizeof m->buffer);
}

/* Bytes in the buffer, 0: nothing there, or -errno. What is more than 0 the caller wipes. */
static ssize_t receive(struct xfrm_monitor *m, struct nl_sock *sock)
{
	struct sockaddr_nl from;
	struct iovec part = {.iov_base = m->buffer, .iov_len = sizeof m->buffer};
	struct msghdr header = {
		.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1};
	const ssize_t got = recvmsg(nl_socket_get_fd(sock), &header, MSG_DONTWAIT);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!(header.msg_flags & MSG_TRUNC) && !from.nl_pid)
		return got;
	wipe_buffer(m, 0);
	return header.msg_flags & MSG_TRUNC ? -ENOBUFS : 0; /* only the kernel is believed */
}

/* True: the dump is over, *rc is what came of it. */
static bool take_dumped(struct xfrm_monitor *m, struct nlmsghdr *h, size_t length, int *rc)
{
	int error = 0;

	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		m->dump_broken = true;
	if (h->nlmsg_type == NLMSG_ERROR && h->nlmsg_len >= NLMSG_LENGTH(sizeof error)) {
		memcpy(&error, nlmsg_data(h), sizeof error);
		if (error)
			*rc = dump_done(m, error);
		return error;
	}
	if (h->nlmsg_type == NLMSG_DONE) {
		*rc = dump_done(m, 0);
		return true;
	}
	m->in_dump = true;
	take_message(m, h, length);
	m->in_dump = false;
	return false;
}

static int read_dump(struct xfrm_monitor *m, unsigned *budget)
{
	while (m->dump != DUMP_NONE && *budget) {
		const ssize_t got = receive(m, m->dumps);
		bool over = false;
		int left = (int)got, rc = 0;

		if (got == 0)
			return 0;
		if (got < 0)
			return dump_done(m, (int)got);
		for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)m->buffer; nlmsg_ok(h, left) && !over;
		     h = nlmsg_next(h, &left)) {
			if (h->nlmsg_seq != m->dump_sequence)
				continue;
			*budget -= *budget > 0;
			over = take_dumped(m, h, (size_t)left, &rc);
		}
		wipe_buffer(m, got);
		if (over)
			return rc;
	}
	return 0;
}

static int read_events(struct xfrm_monitor *m, unsigned *budget)
{
	while (*budget) {
		const ssize_t got = receive(m, m->events);
		int left = (int)got;

		if (got == 0) {
			tell_deleted(m); /* an exchange is told of as a whole, so nothing will come */
			return 0;
		}
		if (got == -ENOBUFS) {
			m->stats.overruns++;
			m->again = m->dump_broken = true;
			m->own_gone = false; /* that dump tells */
			if (m->handlers.lost)
				m->handlers.lost(m->ctx);
			continue;
		}
		if (got < 0)
			return (int)got;
		for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)m->buffer; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left)) {
			m->stats.events++;
			*budget -= *budget > 0;
			m->own = m->own_port && h->nlmsg_pid == m->own_port;
			take_message(m, h, (size_t)left);
			m->own = false;
		}
		wipe_buffer(m, got);
	}
	return 0;
}

static void take_mapping(struct xfrm_monitor *m, const struct nlmsghdr *header, size_t length)
{
	struct xfrm_message message;
	struct sa_info sa;

	if (!xfrm_parse(header, length, &message)) {
		m->stats.malformed++;
		return;
	}
	if (message.kind != XFRM_KIND_MAPPING || !m->handlers.moved)
		return;
	xfrm_to_sa(&message, false, &sa);
	m->handlers.moved(m->ctx, &sa, &message.from);
}

void xfrm_read_mappings(struct xfrm_monitor *m)
{
	for (unsigned i = 0; i < MAPPINGS_MAX; i++) {
		const ssize_t got = receive(m, m->mappings);
		int left = (int)got;

		if (got == 0)
			return;
		if (got < 0) /* too many: those that are left are there still */
			continue;
		for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)m->buffer; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left))
			take_mapping(m, h, (size_t)left);
		wipe_buffer(m, got);
	}
}

int xfrm_read(struct xfrm_monitor *m, unsigned max)
{
	unsigned budget = max ? max : 512;
	int rc = read_events(m, &budget);

	budget = max ? max : 512;
	if (!rc)
		rc = read_dump(m, &budget);
	if (!rc && m->again && m->dump == DUMP_NONE)
		rc = begin_dump(m, true);
	return rc;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int open_socket(struct nl_sock **out)
{
	int rc = netlink_open(out, NETLINK_XFRM);

	if (!rc)
		rc = netlink_errno(nl_socket_set_nonblocking(*out));
	return rc;
}

static int subscribe(struct xfrm_monitor *m, const struct xfrm_options *options)
{
	const uint32_t size = options->buffer_size ? options->buffer_size : EVENT_BUFFER;
	const int bytes = size > INT32_MAX / 2 ? INT32_MAX / 2 : (int)size;
	int rc = netlink_errno(nl_socket_set_buffer_size(m->events, bytes, 0));

	setsockopt(nl_socket_get_fd(m->events), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
	if (!rc)
		rc = netlink_errno(nl_socket_add_memberships(m->events, XFRMNLGRP_SA, XFRMNLGRP_EXPIRE,
							     XFRMNLGRP_POLICY, 0));
	return rc;
}

/* The group is not that of the other events: a flood of these must not make the kernel lose one of SAs. */
static int open_mappings(struct xfrm_monitor *m)
{
	int rc = open_socket(&m->mappings);

	if (!rc)
		rc = netlink_errno(nl_socket_set_buffer_size(m->mappings, MAPPINGS_BUFFER, 0));
	if (!rc)
		rc = netlink_errno(nl_socket_add_memberships(m->mappings, XFRMNLGRP_MAPPING, 0));
	return rc;
}

static int watch(struct xfrm_monitor *m, struct nl_sock *sock)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(m->epoll, EPOLL_CTL_ADD, nl_socket_get_fd(sock), &event) ? -errno : 0;
}

int xfrm_open(struct xfrm_monitor **out, const struct xfrm_options *options,
	      const struct xfrm_handlers *handlers, void *ctx)
{
	struct xfrm_monitor *m = calloc(1, sizeof *m);
	int rc;

	if (!m)
		return -ENOMEM;
	m->handlers = *handlers;
	m->ctx = ctx;
	m->own_port = options->own_port;
	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	rc = m->epoll < 0 ? -errno : open_socket(&m->events);
	if (!rc)
		rc = open_socket(&m->dumps);
	if (!rc)
		rc = local_open(&m->local);
	if (!rc)
		rc = subscribe(m, options);
	if (!rc)
		rc = open_mappings(m);
	if (!rc)
		rc = watch(m, m->events);
	if (!rc)
		rc = watch(m, m->dumps);
	if (!rc)
		rc = begin_dump(m, true);
	if (rc) {
		xfrm_close(m);
		return rc;
	}
	*out = m;
	return 0;
}

void xfrm_close(struct xfrm_monitor *m)
{
	if (!m)
		return;
	if (m->events)
		nl_socket_free(m->events);
	if (m->dumps)
		nl_socket_free(m->dumps);
	if (m->mappings)
		nl_socket_free(m->mappings);
	if (m->epoll >= 0)
		close(m->epoll);
	local_close(&m->local);
	port_map_clear(&m->ports);
	wipe_buffer(m, 0);
	free(m);
}

int xfrm_mappings_fd(const struct xfrm_monitor *m)
{
	return nl_socket_get_fd(m->mappings);
}

int xfrm_fd(const struct xfrm_monitor *m)
{
	return m->epoll;
}

struct xfrm_stats xfrm_stats(const struct xfrm_monitor *m)
{
	return m->stats;
}
