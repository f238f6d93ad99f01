/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The yardstick of bench_queue: a program that accepts every packet of a queue and does nothing else. Written for itself on
 * libmnl alone, as simply as can be; it shares no code with natshim.
 *
 *   bench_accept_all QUEUE single|batch FD
 *
 * single: one receive and one verdict for each packet, as every introduction to NFQUEUE has it. batch: many at a time, the
 * least that the kernel can be asked for. FD: shared memory, a uint64_t that counts the packets. */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { BATCH = 64, MESSAGE_MAX = 4096, BUFFER_SIZE = 4 << 20, MAX_LENGTH = 4096 };

static uint16_t queue;
static struct mnl_socket *netlink;
static _Atomic uint64_t *handled;

static struct nlmsghdr *put_header(char *buffer, int type)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *general = mnl_nlmsg_put_extra_header(message, sizeof *general);

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST;
	general->version = NFNETLINK_V0;
	general->res_id = htons(queue);
	return message;
}

static void send_message(const struct nlmsghdr *message)
{
	if (mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0) {
		perror("bench_accept_all: send");
		exit(1);
	}
}

static void bind_queue(void)
{
	char buffer[256];
	struct nlmsghdr *message = put_header(buffer, NFQNL_MSG_CONFIG);
	const struct nfqnl_msg_config_cmd command = {.command = NFQNL_CFG_CMD_BIND};
	const struct nfqnl_msg_config_params parameters = {.copy_range = htonl(0xffff),
							   .copy_mode = NFQNL_COPY_PACKET};

	mnl_attr_put(message, NFQA_CFG_CMD, sizeof command, &command);
	mnl_attr_put(message, NFQA_CFG_PARAMS, sizeof parameters, &parameters);
	mnl_attr_put_u32(message, NFQA_CFG_QUEUE_MAXLEN, htonl(MAX_LENGTH));
	mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_FAIL_OPEN));
	mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_FAIL_OPEN));
	send_message(message);
}

static uint32_t id_of(const char *buffer)
{
	const struct nlmsghdr *message = (const void *)buffer;
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) == NFQA_PACKET_HDR)
			return ((const struct nfqnl_msg_packet_hdr *)mnl_attr_get_payload(attribute))
				->packet_id;
	}
	return 0;
}

static void accept_packets(int type, uint32_t id)
{
	char buffer[256];
	struct nlmsghdr *message = put_header(buffer, type);
	const struct nfqnl_msg_verdict_hdr verdict = {.verdict = htonl(NF_ACCEPT), .id = id};

	mnl_attr_put(message, NFQA_VERDICT_HDR, sizeof verdict, &verdict);
	send_message(message);
}

static void run_single(void)
{
	static char buffer[MESSAGE_MAX];

	while (recv(mnl_socket_get_fd(netlink), buffer, sizeof buffer, 0) > 0) {
		accept_packets(NFQNL_MSG_VERDICT, id_of(buffer));
		atomic_fetch_add_explicit(handled, 1, memory_order_relaxed);
	}
}

static void run_batch(void)
{
	static char buffers[BATCH][MESSAGE_MAX];
	static struct mmsghdr messages[BATCH];
	static struct iovec vectors[BATCH];

	for (unsigned i = 0; i < BATCH; i++) {
		vectors[i] = (struct iovec){buffers[i], sizeof buffers[i]};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
	}
	for (;;) {
		const int got = recvmmsg(mnl_socket_get_fd(netlink), messages, BATCH, MSG_WAITFORONE, NULL);

		if (got <= 0)
			return;
		accept_packets(NFQNL_MSG_VERDICT_BATCH, id_of(buffers[got - 1]));
		atomic_fetch_add_explicit(handled, (uint64_t)got, memory_order_relaxed);
	}
}

int main(int argc, char **argv)
{
	const int size = BUFFER_SIZE;

	if (argc != 4) {
		fprintf(stderr, "usage: bench_accept_all QUEUE single|batch FD\n");
		return 2;
	}
	queue = (uint16_t)atoi(argv[1]);
	handled = mmap(NULL, sizeof *handled, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[3]), 0);
	netlink = mnl_socket_open(NETLINK_NETFILTER);
	if (handled == MAP_FAILED || !netlink || mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0) {
		perror("bench_accept_all");
		return 1;
	}
	setsockopt(mnl_socket_get_fd(netlink), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	bind_queue();
	if (!strcmp(argv[2], "batch"))
		run_batch();
	else
		run_single();
	return 1; /* it is ended from outside */
}
