/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packet queue: netlink messages in, verdicts out. Messages are received by the batch, and verdicts leave
 * by the batch: a run of packets that stay as they are is answered by one NFQNL_MSG_VERDICT_BATCH, which
 * covers every packet up to the id it names and carries no payload, so it always goes ahead of the verdict of
 * a changed packet, and is not used while a packet is held. Nothing is allocated after nfq_queue_open(). */
#include "nfq/queue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
	BATCH = 64,            /* messages received by one system call */
	ATTRIBUTES_MAX = 4096, /* bytes of a message ahead of its payload; the kernel's are about 200 */
	SKEW = 320,            /* bytes; keeps the slots' beginnings out of one and the same cache set */
	SLOT_SIZE = 65536 + ATTRIBUTES_MAX + SKEW,
	VERDICT_MAX = 64, /* bytes of a verdict without its payload */
	/* Messages at most; a multiple of BATCH. What is done before verdicts takes the kernel milliseconds, however many follow. */
	VERDICTS_AFTER = 1024,
	SEND_GOAL = 60000, /* bytes; verdicts that go in one system call, unless one alone is longer */
	PARTS_MAX = 6,     /* system calls, one after the other */
	SEND_SIZE = PARTS_MAX * (NFQ_PACKET_MAX + 2 * VERDICT_MAX),
	DEFAULT_MAX_LENGTH = 4096,
	DEFAULT_BUFFER_SIZE = 4 << 20,
	ACK_TIMEOUT_MS = 1000,
	SILENCE_MS = 20, /* nothing for so long: the queue is empty */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): send and slots begin on lines of their own */
struct nfq_queue {
	struct mnl_socket *socket;
	int fd;
	uint16_t number;
	nfq_handler *handler;
	void (*before_verdicts)(void *ctx);
	void *ctx;
	struct nfq_stats stats;

	bool waits_for_ack;
	uint32_t sequence; /* of the last configuration message */
	int ack;           /* its answer: 0 or -errno */

	bool run; /* packets up to run_id stay as they are, and their verdict is not written yet */
	uint32_t run_id;
	size_t held;      /* packets that wait for nfq_queue_release(): a batch verdict would cover them */
	size_t send_used; /* bytes of verdicts in send[] */
	size_t part_count,
		part_begin
			[PARTS_MAX]; /* offsets in send[]; each but the last one ends where the next begins */

	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	struct sockaddr_nl senders[BATCH];
	_Alignas(NLMSG_ALIGNTO) uint8_t send[SEND_SIZE];
	_Alignas(64) uint8_t slots[BATCH][SLOT_SIZE];
};

_Static_assert(SLOT_SIZE % 64 == 0 && 65536 >= NFQ_PACKET_MAX, "slots stay aligned and hold any packet");
_Static_assert(NFQ_PACKET_MAX + NLA_HDRLEN <= UINT16_MAX, "a packet fits into one attribute");

/* Verdicts */

static void send_part(struct nfq_queue *queue, size_t begin, size_t end)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t sent;

	do {
		sent = sendto(queue->fd, queue->send + begin, end - begin, 0,
			      (const struct sockaddr *)&kernel, sizeof kernel);
	} while (sent < 0 && errno == EINTR);
	/* What could not be sent is made up for by the next batch verdict: it covers all that came before it.
	 */
	if (sent < 0)
		queue->stats.errors++;
}

static void send_verdicts(struct nfq_queue *queue)
{
	if (!queue->send_used)
		return;
	if (queue->before_verdicts)
		queue->before_verdicts(queue->ctx);
	for (size_t i = 0; i < queue->part_count; i++)
		send_part(queue, queue->part_begin[i],
			  i + 1 < queue->part_count ? queue->part_begin[i + 1] : queue->send_used);
	queue->send_used = 0;
	queue->part_count = 0;
}

/* A part may be longer than SEND_GOAL when a single verdict is. */
static struct nlmsghdr *new_verdict(struct nfq_queue *queue, int type, size_t payload)
{
	const size_t in_part =
		queue->part_count ? queue->send_used - queue->part_begin[queue->part_count - 1] : 0;
	const bool fits = in_part && in_part + VERDICT_MAX + payload <= SEND_GOAL;

	if (!fits && queue->part_count == PARTS_MAX)
		send_verdicts(queue);
	if (!fits)
		queue->part_begin[queue->part_count++] = queue->send_used;
	return nfq_nlmsg_put((char *)queue->send + queue->send_used, type, queue->number);
}

static void end_run(struct nfq_queue *queue)
{
	if (!queue->run)
		return;
	struct nlmsghdr *message = new_verdict(queue, NFQNL_MSG_VERDICT_BATCH, 0);

	nfq_nlmsg_verdict_put(message, (int)queue->run_id, NF_ACCEPT);
	queue->send_used += NLMSG_ALIGN(message->nlmsg_len);
	queue->run = false;
}

/* mark: NULL: as it was. */
static void put_verdict(struct nfq_queue *queue, uint32_t id, int verdict, const uint32_t *mark,
			const uint8_t *data, size_t length)
{
	end_run(queue);
	struct nlmsghdr *message = new_verdict(queue, NFQNL_MSG_VERDICT, length);

	nfq_nlmsg_verdict_put(message, (int)id, verdict);
	if (mark)
		nfq_nlmsg_verdict_put_mark(message, *mark);
	if (data)
		nfq_nlmsg_verdict_put_pkt(message, data, (uint32_t)length);
	queue->send_used += NLMSG_ALIGN(message->nlmsg_len);
}

static void stays_as_it_was(struct nfq_queue *queue, uint32_t id)
{
	if (queue->held) {
		put_verdict(queue, id, NF_ACCEPT, NULL, NULL, 0);
		return;
	}
	queue->run = true;
	queue->run_id = id;
}

/* Messages of the kernel */

struct attributes {
	const struct nfqnl_msg_packet_hdr *header;
	uint8_t *payload;
	size_t payload_length;
	uint32_t in_ifindex, out_ifindex, mark;
	bool cut; /* the kernel held some of the packet back */
};

static uint32_t attribute_be32(const struct nlattr *attribute)
{
	return mnl_attr_get_payload_len(attribute) >= sizeof(uint32_t) ? ntohl(mnl_attr_get_u32(attribute))
								       : 0;
}

static struct attributes parse_attributes(const struct nlmsghdr *message)
{
	struct attributes a = {.header = NULL};
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
	{
		switch (mnl_attr_get_type(attribute)) {
		case NFQA_PACKET_HDR:
			if (mnl_attr_get_payload_len(attribute) >= sizeof *a.header)
				a.header = mnl_attr_get_payload(attribute);
			break;
		case NFQA_PAYLOAD:
			a.payload = mnl_attr_get_payload(attribute);
			a.payload_length = mnl_attr_get_payload_len(attribute);
			break;
		case NFQA_IFINDEX_INDEV:
			a.in_ifindex = attribute_be32(attribute);
			break;
		case NFQA_IFINDEX_OUTDEV:
			a.out_ifindex = attribute_be32(attribute);
			break;
		case NFQA_MARK:
			a.mark = attribute_be32(attribute);
			break;
		case NFQA_CAP_LEN:
			a.cut = true;
			break;
		default:
			break;
		}
	}
	return a;
}

/* room: bytes from the payload's beginning that the handler may write to. */
static enum nfq_verdict ask_handler(struct nfq_queue *queue, const struct attributes *a, size_t room,
				    struct nfq_packet *packet)
{
	*packet = (struct nfq_packet){
		.queue = queue,
		.id = ntohl(a->header->packet_id),
		.data = a->payload,
		.length = a->payload_length,
		.hook = (enum nfq_hook)a->header->hook,
		.in_ifindex = a->in_ifindex,
		.out_ifindex = a->out_ifindex,
		.mark = a->mark,
		.truncated = a->cut || room < NFQ_PACKET_MAX,
	};
	if (!a->payload || a->header->hook > NF_INET_POST_ROUTING)
		return NFQ_AS_IT_WAS;
	const enum nfq_verdict verdict = queue->handler(queue->ctx, packet);

	if (verdict != NFQ_CHANGED)
		return verdict;
	if (packet->truncated || packet->length > NFQ_PACKET_MAX) {
		queue->stats.errors++;
		return NFQ_AS_IT_WAS;
	}
	return NFQ_CHANGED;
}

static void handle_packet(struct nfq_queue *queue, const struct nlmsghdr *message, const uint8_t *slot_end)
{
	const struct attributes a = parse_attributes(message);
	struct nfq_packet packet;

	if (!a.header) {
		queue->stats.errors++;
		return;
	}
	const uint32_t id = ntohl(a.header->packet_id);

	queue->stats.packets++;
	const enum nfq_verdict verdict =
		ask_handler(queue, &a, a.payload ? (size_t)(slot_end - a.payload) : 0, &packet);
	const int accepted = packet.repeat ? NF_REPEAT : NF_ACCEPT;
	const uint32_t *mark = packet.mark != a.mark ? &packet.mark : NULL;

	switch (verdict) {
	case NFQ_CHANGED:
		queue->stats.changed++;
		put_verdict(queue, id, accepted, mark, packet.data, packet.length);
		break;
	case NFQ_DROP:
		queue->stats.dropped++;
		put_verdict(queue, id, NF_DROP, NULL, NULL, 0);
		break;
	case NFQ_AS_IT_WAS:
		if (mark || packet.repeat)
			put_verdict(queue, id, accepted, mark, NULL, 0);
		else
			stays_as_it_was(queue, id);
		break;
	case NFQ_HELD:
		end_run(queue);
		queue->held++;
		break;
	}
}

void nfq_queue_release(struct nfq_queue *queue, uint32_t id, enum nfq_verdict verdict, const uint8_t *data,
		       size_t length)
{
	const bool changed = verdict == NFQ_CHANGED && length <= NFQ_PACKET_MAX;

	queue->held--;
	queue->stats.changed += changed;
	queue->stats.dropped += verdict == NFQ_DROP;
	put_verdict(queue, id, verdict == NFQ_DROP ? NF_DROP : NF_ACCEPT, NULL, changed ? data : NULL,
		    changed ? length : 0);
}

static void handle_error(struct nfq_queue *queue, const struct nlmsghdr *message)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

	const bool whole = mnl_nlmsg_get_payload_len(message) >= sizeof *error;

	if (whole && queue->waits_for_ack && message->nlmsg_seq == queue->sequence) {
		queue->waits_for_ack = false;
		queue->ack = error->error;
	} else if (!whole || error->error) {
		queue->stats.errors++;
	}
}

/* Returns the number of packets in the datagram. */
static unsigned handle_datagram(struct nfq_queue *queue, const uint8_t *slot, size_t length)
{
	const struct nlmsghdr *message = (const void *)slot;
	int left = (int)length;
	unsigned packets = 0;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_type == NLMSG_ERROR) {
			handle_error(queue, message);
		} else if (message->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) &&
			   mnl_nlmsg_get_payload_len(message) >= sizeof(struct nfgenmsg)) {
			/* Room to grow there is only behind the last message. */
			const bool last = (size_t)left <= NLMSG_ALIGN(message->nlmsg_len);

			handle_packet(queue, message,
				      last ? slot + SLOT_SIZE : mnl_nlmsg_get_payload_tail(message));
			packets++;
		}
	}
	if (left > 0)
		queue->stats.errors++;
	return packets;
}

/* Receiving */

static int receive(struct nfq_queue *queue, unsigned count)
{
	for (;;) {
		const int n = recvmmsg(queue->fd, queue->messages, count, MSG_DONTWAIT, NULL);

		if (n >= 0)
			return n;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return 0;
		if (errno == ENOBUFS)
			continue; /* counted by the kernel, see nfq_queue_stats() */
		if (errno != EINTR)
			return -errno;
	}
}

static unsigned handle_batch(struct nfq_queue *queue, unsigned count)
{
	unsigned packets = 0;

	for (unsigned i = 0; i < count; i++) {
		struct msghdr *header = &queue->messages[i].msg_hdr;

		if (queue->senders[i].nl_pid != 0 || (header->msg_flags & MSG_TRUNC))
			queue->stats.errors++;
		else
			packets += handle_datagram(queue, queue->slots[i], queue->messages[i].msg_len);
		header->msg_namelen = sizeof queue->senders[i];
	}
	return packets;
}

static void flush_verdicts(struct nfq_queue *queue)
{
	end_run(queue);
	send_verdicts(queue);
}

int nfq_queue_read(struct nfq_queue *queue, unsigned max)
{
	unsigned packets = 0, messages = 0;
	int error = 0;

	while (!max || messages < max) {
		const unsigned want = max && max - messages < BATCH ? max - messages : BATCH;
		const int got = receive(queue, want);

		if (got < 0)
			error = got;
		if (got <= 0)
			break;
		packets += handle_batch(queue, (unsigned)got);
		messages += (unsigned)got;
		if ((unsigned)got < want)
			break;
		if (messages % VERDICTS_AFTER == 0)
			flush_verdicts(queue);
	}
	flush_verdicts(queue);
	if (error)
		return error;
	return packets > INT32_MAX ? INT32_MAX : (int)packets;
}

void nfq_queue_send(struct nfq_queue *queue)
{
	flush_verdicts(queue);
}

/* Opening */

static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Sends a configuration message and waits for its answer; packets that come meanwhile are handled. */
static int configure(struct nfq_queue *queue, struct nlmsghdr *message)
{
	const uint64_t deadline = monotonic_ms() + ACK_TIMEOUT_MS;

	message->nlmsg_flags |= NLM_F_ACK;
	message->nlmsg_seq = ++queue->sequence;
	queue->waits_for_ack = true;
	if (mnl_socket_sendto(queue->socket, message, message->nlmsg_len) < 0)
		return -errno;
	while (queue->waits_for_ack) {
		const int got = nfq_queue_read(queue, BATCH);

		if (got < 0)
			return got;
		if (queue->waits_for_ack && monotonic_ms() > deadline)
			return -ETIMEDOUT;
		if (queue->waits_for_ack)
			poll(&(struct pollfd){.fd = queue->fd, .events = POLLIN}, 1, 10);
	}
	return queue->ack;
}

/* Everything in one message, so that no packet finds a queue that is bound but not yet told what to do. */
static int bind_queue(struct nfq_queue *queue, uint32_t max_length)
{
	char buffer[256] = {0};
	struct nlmsghdr *message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, queue->number);

	nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, NFQ_PACKET_MAX);
	nfq_nlmsg_cfg_put_qmaxlen(message, max_length);
	mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_FAIL_OPEN));
	mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO));
	return configure(queue, message);
}

/* The kernel says EPERM both for a queue of somebody else's and for a missing capability. This command does
 * nothing, on any kernel since 3.8, but asks for the capability. */
static int may_configure(struct nfq_queue *queue)
{
	char buffer[256] = {0};
	struct nlmsghdr *message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, 0);

	nfq_nlmsg_cfg_put_cmd(message, AF_INET, NFQNL_CFG_CMD_PF_BIND);
	return configure(queue, message);
}

static void set_receive_buffer(const struct nfq_queue *queue, uint32_t size)
{
	const int bytes = size > INT32_MAX / 2 ? INT32_MAX / 2 : (int)size;

	if (setsockopt(queue->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
		setsockopt(queue->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

static int open_socket(struct nfq_queue *queue, uint32_t buffer_size)
{
	int on = 1;

	queue->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!queue->socket || mnl_socket_bind(queue->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	queue->fd = mnl_socket_get_fd(queue->socket);
	/* An overrun must not stop the socket until it is read empty; answers need no copy of what was sent.
	 */
	if (mnl_socket_setsockopt(queue->socket, NETLINK_NO_ENOBUFS, &on, sizeof on) < 0 ||
	    mnl_socket_setsockopt(queue->socket, NETLINK_CAP_ACK, &on, sizeof on) < 0)
		return -errno;
	set_receive_buffer(queue, buffer_size);
	return 0;
}

static void prepare_slots(struct nfq_queue *queue)
{
	for (unsigned i = 0; i < BATCH; i++) {
		queue->vectors[i] = (struct iovec){.iov_base = queue->slots[i], .iov_len = SLOT_SIZE};
		queue->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &queue->senders[i],
			.msg_namelen = sizeof queue->senders[i],
			.msg_iov = &queue->vectors[i],
			.msg_iovlen = 1,
		};
	}
}

static void close_queue(struct nfq_queue *queue)
{
	if (queue->socket)
		mnl_socket_close(queue->socket);
	free(queue);
}

int nfq_queue_open(struct nfq_queue **out, const struct nfq_options *options, nfq_handler *handler, void *ctx)
{
	struct nfq_queue *queue = aligned_alloc(_Alignof(struct nfq_queue), sizeof *queue);
	int error;

	if (!queue)
		return -ENOMEM;
	memset(queue, 0, offsetof(struct nfq_queue, send));
	queue->number = options->number;
	queue->handler = handler;
	queue->before_verdicts = options->before_verdicts;
	queue->ctx = ctx;
	prepare_slots(queue);
	error = open_socket(queue, options->buffer_size ? options->buffer_size : DEFAULT_BUFFER_SIZE);
	if (!error)
		error = bind_queue(queue, options->max_length ? options->max_length : DEFAULT_MAX_LENGTH);
	if (error == -EPERM && may_configure(queue) == 0)
		error = -EBUSY;
	if (error) {
		close_queue(queue);
		return error;
	}
	*out = queue;
	return 0;
}

int nfq_queue_fd(const struct nfq_queue *queue)
{
	return queue->fd;
}

/* Closing */

void nfq_queue_drain(struct nfq_queue *queue, unsigned timeout_ms)
{
	const uint64_t deadline = monotonic_ms() + timeout_ms;

	/* What waits for a verdict has been sent to this socket: silence means that nothing waits. */
	while (monotonic_ms() < deadline) {
		struct pollfd ready = {.fd = queue->fd, .events = POLLIN};

		if (poll(&ready, 1, SILENCE_MS) == 0 || nfq_queue_read(queue, BATCH) < 0)
			break;
	}
}

void nfq_queue_drain_and_close(struct nfq_queue *queue, unsigned timeout_ms)
{
	char buffer[256] = {0};
	struct nlmsghdr *message;

	nfq_queue_drain(queue, timeout_ms);
	message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, queue->number);

	nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_UNBIND);
	if (mnl_socket_sendto(queue->socket, message, message->nlmsg_len) < 0)
		queue->stats.errors++;
	close_queue(queue);
}

/* Knowing */

struct nfq_stats nfq_queue_stats(const struct nfq_queue *queue)
{
	uint32_t memory[SK_MEMINFO_VARS] = {0};
	socklen_t length = sizeof memory;
	struct nfq_stats stats = queue->stats;

	if (getsockopt(queue->fd, SOL_SOCKET, SO_MEMINFO, memory, &length) == 0)
		stats.overruns = memory[SK_MEMINFO_DROPS];
	return stats;
}

pid_t nfq_queue_owner(uint16_t number)
{
	FILE *file = fopen("/proc/net/netfilter/nfnetlink_queue", "re");
	pid_t owner = 0;
	char line[160];

	if (!file)
		return 0;
	while (!owner && fgets(line, sizeof line, file)) {
		char *rest;
		const unsigned long queue = strtoul(line, &rest, 10), port = strtoul(rest, NULL, 10);

		if (rest != line && queue == number && port <= INT32_MAX)
			owner = (pid_t)port;
	}
	fclose(file);
	return owner;
}
