/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rules/nft*.c share: the socket, one batch of nf_tables messages, and the turning of items into
 * expressions. */
#ifndef NATSHIM_RULES_NFT_IMPL_H
#define NATSHIM_RULES_NFT_IMPL_H

#include "rules/nft.h"
#include "rules/ruleset_impl.h"

#include <libmnl/libmnl.h>
#include <libnftnl/rule.h>

/* A change of a set that waits for rules_nft_set_flush(). */
/* Two messages each at most, in one batch. Each batch costs some milliseconds, however many are in it: the kernel waits until
 * no packet sees the old state any more (so it seems: not shown). */
#define RULES_WAITING_MAX 2048
#define RULES_KEY_MAX 24
#define RULES_ELEMENT_MAX 128  /* bytes of a message about one element */
#define RULES_BATCH_ROOM 16384 /* bytes that a batch keeps free for its end */
struct rules_change {
	enum rules_set set;
	uint8_t key[RULES_KEY_MAX];
	uint8_t value[RULES_MAP_VALUE]; /* of an element of a map */
	size_t key_length, value_length;
	unsigned timeout_s;
	bool keep;
};

#define RULES_WAITING_SIZE (RULES_WAITING_MAX * 2ul * RULES_ELEMENT_MAX + RULES_BATCH_ROOM)

struct rules_nft {
	struct mnl_socket *socket; /* non-blocking: the kernel answers inside send */
	struct mnl_socket *events;
	uint32_t portid; /* of socket: the owner of natshim_queue, and the mark of our own events */
	uint32_t sequence;
	struct rules_change waiting[RULES_WAITING_MAX];
	size_t waiting_count;
	char waiting_buffer[RULES_WAITING_SIZE];
	rules_change_fn *on_change;
	void *change_ctx;
	uint64_t refused; /* changes that waited, and that the kernel did not take */
	uint64_t refused_until_ms
		[RULES_SETS];     /* CLOCK_MONOTONIC: full or not there, not asked again before; 0: neither */
	bool missing[RULES_SETS]; /* which of the two */
};

/* One message of a batch, for the error that names it. Static text, or the ruleset's. */
struct rules_message {
	const char *what; /* "table", "chain", ... */
	const char *name, *table;
	const struct rules_rule *rule;
};

#define RULES_MESSAGES_MAX (2ul * RULES_WAITING_MAX)
struct rules_batch {
	char *buffer;
	size_t capacity, used;
	uint32_t first_sequence;
	size_t message_count;
	bool overflow; /* or out of memory: nothing is sent */
	struct rules_message messages[RULES_MESSAGES_MAX];
};

/* The buffer is the caller's and outlives the batch. */
void rules_batch_begin(struct rules_nft *nft, struct rules_batch *batch, char *buffer, size_t capacity);
/* A new message at the end, to be filled and then closed by rules_batch_close(). NULL when it does not fit.
 */
struct nlmsghdr *rules_batch_open(struct rules_nft *nft, struct rules_batch *batch, uint16_t type,
				  uint16_t flags, struct rules_message message);
void rules_batch_close(struct rules_batch *batch, const struct nlmsghdr *message);
/* Ends and sends it: committed, or not at all. 0 or -errno; *failed is the message that the kernel refused,
 * NULL where it was the batch as a whole. */
int rules_batch_send(struct rules_nft *nft, struct rules_batch *batch, const struct rules_message **failed);

/* A dump or single get: fn for each answer. 0 or -errno. */
typedef void rules_answer_fn(void *ctx, const struct nlmsghdr *answer);
int rules_nft_get(struct rules_nft *nft, struct nlmsghdr *request, rules_answer_fn *fn, void *ctx);
/* 0, -ENOENT or another -errno; *owner (may be NULL): netlink port of the table's owner, 0 for none. */
int rules_nft_table_exists(struct rules_nft *nft, const char *table, uint32_t *owner);

/* The expressions of one item, at the end of the rule. 0 or -ENOMEM. */
int rules_nft_put_item(struct nftnl_rule *rule, const struct rules_item *item, bool native_queue);
/* What the kernel must have for this item ("nft_queue"), NULL for the core's own. */
const char *rules_nft_item_needs(enum rules_item_kind kind, bool native_queue);

#endif
