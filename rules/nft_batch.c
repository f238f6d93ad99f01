/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Batches and questions on the nf_tables socket. The kernel handles a message inside sendmsg(), so the answer
 * lies in the socket when that returns: nothing here ever waits. Kernel header: linux/netfilter/nfnetlink.h.
 */
#include "rules/nft_impl.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

enum {
	MESSAGE_ROOM = 4096, /* bytes; no message of ours comes near it */
	ANSWER_MAX = 32768,
};

void rules_batch_begin(struct rules_nft *nft, struct rules_batch *batch, char *buffer, size_t capacity)
{
	struct nlmsghdr *begin;

	memset(buffer, 0, capacity); /* the padding between attributes goes to the kernel too */
	batch->buffer = buffer;
	batch->capacity = capacity;
	batch->used = 0;
	batch->message_count = 0;
	batch->overflow = false;
	batch->first_sequence = nft->sequence;
	begin = nftnl_batch_begin(buffer, nft->sequence++);
	batch->used = NLMSG_ALIGN(begin->nlmsg_len);
}

struct nlmsghdr *rules_batch_open(struct rules_nft *nft, struct rules_batch *batch, uint16_t type,
				  uint16_t flags, struct rules_message message)
{
	if (batch->message_count == RULES_MESSAGES_MAX ||
	    batch->capacity - batch->used < (size_t)2 * MESSAGE_ROOM)
		batch->overflow = true;
	if (batch->overflow)
		return NULL;
	batch->messages[batch->message_count++] = message;
	return nftnl_nlmsg_build_hdr(batch->buffer + batch->used, type, NFPROTO_INET, flags, nft->sequence++);
}

void rules_batch_close(struct rules_batch *batch, const struct nlmsghdr *message)
{
	batch->used += NLMSG_ALIGN(message->nlmsg_len);
}

/* The first error among the answers, 0 if there is none. Reads all that is there, also when some did not fit into the socket:
 * what stays would leave no room for the answers to the next batch. */
static int read_errors(struct rules_nft *nft, uint32_t first, uint32_t *sequence)
{
	char buffer[ANSWER_MAX];
	int error = 0;
	bool lost = false;

	for (;;) {
		ssize_t got = mnl_socket_recvfrom(nft->socket, buffer, sizeof(buffer));
		int left = (int)got;
		if (got < 0 && errno == ENOBUFS)
			lost = true;
		if (got < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (got < 0)
			return error ? error : errno != EAGAIN ? -errno : lost ? -ENOBUFS : 0;
		for (const struct nlmsghdr *n = (void *)buffer; mnl_nlmsg_ok(n, left);
		     n = mnl_nlmsg_next(n, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(n);
			if (n->nlmsg_type != NLMSG_ERROR || n->nlmsg_seq - first > RULES_MESSAGES_MAX + 1U)
				continue;
			if (e->error == 0 || error != 0)
				continue;
			error = e->error;
			*sequence = n->nlmsg_seq;
		}
	}
}

int rules_batch_send(struct rules_nft *nft, struct rules_batch *batch, const struct rules_message **failed)
{
	struct nlmsghdr *end;
	uint32_t sequence = batch->first_sequence;
	size_t index;
	int error;

	*failed = NULL;
	if (batch->overflow)
		return -ENOMEM;
	end = nftnl_batch_end(batch->buffer + batch->used, nft->sequence++);
	batch->used += NLMSG_ALIGN(end->nlmsg_len);
	while (mnl_socket_sendto(nft->socket, batch->buffer, batch->used) < 0)
		if (errno != EINTR)
			return -errno;
	error = read_errors(nft, batch->first_sequence, &sequence);
	index = sequence - batch->first_sequence; /* 0: the batch itself */
	if (error && index >= 1 && index <= batch->message_count)
		*failed = &batch->messages[index - 1];
	return error;
}

int rules_nft_get(struct rules_nft *nft, struct nlmsghdr *request, rules_answer_fn *fn, void *ctx)
{
	char buffer[ANSWER_MAX];
	const uint32_t sequence = request->nlmsg_seq;

	if (mnl_socket_sendto(nft->socket, request, request->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(nft->socket, buffer, sizeof(buffer));
		int left = (int)got;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? -EIO : -errno;
		for (const struct nlmsghdr *n = (void *)buffer; mnl_nlmsg_ok(n, left);
		     n = mnl_nlmsg_next(n, &left)) {
			if (n->nlmsg_seq != sequence)
				continue;
			if (n->nlmsg_type == NLMSG_DONE)
				return 0;
			if (n->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(n))->error;
			fn(ctx, n);
			if (!(n->nlmsg_flags & NLM_F_MULTI))
				return 0;
		}
	}
}

static void note_owner(void *ctx, const struct nlmsghdr *answer)
{
	struct nftnl_table *table = nftnl_table_alloc();

	if (table && nftnl_table_nlmsg_parse(answer, table) == 0 &&
	    nftnl_table_is_set(table, NFTNL_TABLE_OWNER))
		*(uint32_t *)ctx = nftnl_table_get_u32(table, NFTNL_TABLE_OWNER);
	nftnl_table_free(table);
}

int rules_nft_table_exists(struct rules_nft *nft, const char *table, uint32_t *owner)
{
	char buffer[512] = {0};
	uint32_t port = 0;
	struct nlmsghdr *request =
		nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, NFPROTO_INET, 0, nft->sequence++);
	int error;

	mnl_attr_put_strz(request, NFTA_TABLE_NAME, table);
	error = rules_nft_get(nft, request, note_owner, &port);
	if (owner)
		*owner = port;
	return error;
}
