/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packet queue: libnetfilter_queue over libmnl. Receives what the rules send up, asks one function what
 * to do with each packet, and gives the verdict. It decides nothing, and drops nothing: the verdict is always
 * "accept", with the packet as it was or as it was rewritten. Fail-open and ENOBUFS-proof (kernel header
 * linux/netfilter/nfnetlink_queue.h). */
#ifndef NATSHIM_NFQ_QUEUE_H
#define NATSHIM_NFQ_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum nfq_hook { NFQ_PREROUTING, NFQ_INPUT, NFQ_FORWARD, NFQ_OUTPUT, NFQ_POSTROUTING };

struct nfq_packet {
	struct nfq_queue *queue; /* that it waits in; with its id for nfq_queue_release() */
	uint32_t id;
	uint8_t *data; /* the IP packet; may be changed in place, valid during the call only */
	size_t length; /* bytes */
	enum nfq_hook hook;
	uint32_t in_ifindex, out_ifindex; /* 0: none */
	uint32_t
		mark; /* 0: none. A handler of nfq_queue_read() may change it, with NFQ_AS_IT_WAS or NFQ_CHANGED */
	bool repeat; /* set by such a handler: accepted, the packet meets the rules of its hook once more (NF_REPEAT) */
	bool truncated; /* not the whole packet: leave it alone */
};

enum nfq_verdict {
	NFQ_AS_IT_WAS, /* accept what the kernel holds */
	NFQ_CHANGED,   /* accept with data[0..length) as the new packet (length may have changed, <=
			  NFQ_PACKET_MAX) */
	NFQ_DROP,      /* only where the caller answers the packet itself (absorbed HELLO, bridge mode) */
	NFQ_HELD,      /* it waits in the kernel; the caller gives its verdict with nfq_queue_release() */
};
#define NFQ_PACKET_MAX 65531 /* bytes; what one netlink attribute carries */

typedef enum nfq_verdict nfq_handler(void *ctx, struct nfq_packet *packet);

struct nfq_options {
	uint16_t number;
	uint32_t max_length;                /* packets that may wait in the kernel; 0: 4096 */
	uint32_t buffer_size;               /* socket receive buffer, bytes; 0: 4 MiB */
	void (*before_verdicts)(void *ctx); /* called before a batch of verdicts leaves; may be NULL */
};

struct nfq_stats {
	uint64_t packets, changed, dropped; /* by verdict, packets = all */
	uint64_t overruns; /* packets that went on unseen because the socket buffer was full */
	uint64_t errors;   /* messages that could not be parsed, verdicts that could not be sent */
};

struct nfq_queue;

/* 0 or -errno: -EBUSY when the number is taken, -EPERM without CAP_NET_ADMIN. *out is owned by the caller. */
int nfq_queue_open(struct nfq_queue **out, const struct nfq_options *options, nfq_handler *handler,
		   void *ctx);
int nfq_queue_fd(const struct nfq_queue *queue); /* readable: call nfq_queue_read */
/* Handles what is ready, at most max messages (0: no bound), without blocking. Number of packets, or -errno.
 */
int nfq_queue_read(struct nfq_queue *queue, unsigned max);
/* The verdict for a packet that is held (another one than NFQ_HELD); data and length only with NFQ_CHANGED. It leaves with
 * the next nfq_queue_send(), or with the verdicts of nfq_queue_read(). */
void nfq_queue_release(struct nfq_queue *queue, uint32_t id, enum nfq_verdict verdict, const uint8_t *data,
		       size_t length);
void nfq_queue_send(struct nfq_queue *queue);
/* Handles all that still waits. At most timeout_ms; a silence of 20 ms ends it sooner. */
void nfq_queue_drain(struct nfq_queue *queue, unsigned timeout_ms);
/* Drains, then closes: call it when no rule sends packets up any more, but before the hooks are gone. When a base
 * chain is removed, whoever it belongs to, the kernel drops all that waits in the queues of the namespace. */
void nfq_queue_drain_and_close(struct nfq_queue *queue, unsigned timeout_ms);
struct nfq_stats nfq_queue_stats(const struct nfq_queue *queue);

/* Who holds a queue number, from /proc/net/netfilter/nfnetlink_queue: the netlink port, which is the process
 * id of its first netlink socket. 0: nobody, or it cannot be known. */
pid_t nfq_queue_owner(uint16_t number);

#endif
