/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's IPsec SAs over XFRM netlink (libnl-3; kernel header linux/xfrm.h): events as they come, dumps
 * for the start, for the counters and after an overrun. Decides nothing. What comes has the keys of every SA in it: it is
 * wiped as soon as it is read, and read in natshim-xfrm only (shim/proc/rekeyer_process.h). Deleting SAs and policies is the generic
 * backend, stack_xfrm. */
#ifndef NATSHIM_SHIM_XFRM_MONITOR_H
#define NATSHIM_SHIM_XFRM_MONITOR_H

#include "shim/session/sa.h"

#include <linux/netlink.h>

/* All optional but sa and sa_gone. Called from xfrm_read() only. */
struct xfrm_handlers {
	void (*sa)(void *ctx, const struct sa_info *sa); /* new, changed, or out of a dump (with counters) */
	void (*sa_gone)(void *ctx,
			const struct sa_info *sa); /* deleted or hard expired: spi, outbound, peer, us */
	void (*dump_begin)(void *ctx);
	void (*dump_end)(void *ctx,
			 int error); /* error: incomplete, nothing may be concluded from what was not seen */
	void (*lost)(void *ctx);     /* events were lost; another dump begins by itself */
	/* A packet of this inbound SA, whose integrity was checked, came from there and not from sa->peer: of sa, only us, peer, spi and
	 * protocol are known. Called from xfrm_read_mappings() only. */
	void (*moved)(void *ctx, const struct sa_info *sa, const struct endpoint *from);
};

struct xfrm_options {
	uint32_t buffer_size; /* receive buffer of the event socket, bytes; 0: 1 MiB */
	/* Our own netlink port, which deletes SAs and adds them again with other keys; 0: none. The deletion is told only if no
	 * addition follows it; the addition is told as out of a dump, for the kernel puts it where a dump that runs has been
	 * already, and would not show it. */
	uint32_t own_port;
};

struct xfrm_stats {
	uint64_t events, dumps, overruns, malformed;
	uint64_t dump_ms; /* how long the last dump took */
};

struct xfrm_monitor; /* owned by the caller */

/* 0 or -errno (-EPROTONOSUPPORT: a kernel without XFRM; -EPERM). A first dump is begun at once. */
int xfrm_open(struct xfrm_monitor **out, const struct xfrm_options *options,
	      const struct xfrm_handlers *handlers, void *ctx);
void xfrm_close(struct xfrm_monitor *monitor);

int xfrm_fd(const struct xfrm_monitor *monitor); /* readable: call xfrm_read */
/* Handles what is ready, at most about max messages (0: 512), without blocking; the fd stays readable when
 * more waits. An overrun (ENOBUFS) begins a dump by itself. 0 or -errno. */
int xfrm_read(struct xfrm_monitor *monitor, unsigned max);
/* Begins a dump of all SAs: the sampling of the counters. While one is running: no effect. */
int xfrm_dump(struct xfrm_monitor *monitor);
struct xfrm_stats xfrm_stats(const struct xfrm_monitor *monitor);

/* What the kernel tells of peers behind another address or port, once for each of their packets, over a socket of its own: when that is
 * full more is lost, which the next packet makes good. Readable: call xfrm_read_mappings(), which reads all that is there, but not for a
 * while (XFRM_MAPPINGS_MS) after that. */
#define XFRM_MAPPINGS_MS 250
int xfrm_mappings_fd(const struct xfrm_monitor *monitor);
void xfrm_read_mappings(struct xfrm_monitor *monitor);

/* ---- parsing, apart from the sockets
 * --------------------------------------------------------------------------- */

enum xfrm_kind {
	XFRM_KIND_SA,
	XFRM_KIND_SA_GONE,
	XFRM_KIND_FLUSH,
	XFRM_KIND_POLICY,
	XFRM_KIND_POLICY_GONE,
	XFRM_KIND_MAPPING, /* src, dst, spi, protocol; from */
	XFRM_KIND_OTHER
};

/* An SA as the message has it: which end is ours is not in it. */
struct xfrm_message {
	enum xfrm_kind kind;
	struct endpoint src, dst; /* outer addresses, encapsulation ports; of a policy: of its selectors */
	struct endpoint from;     /* of a mapping: where a packet of src's has come from */
	uint32_t spi, reqid;      /* host order; of a policy: reqid of its first template */
	uint8_t protocol, upper_protocol;
	uint16_t src_port, dst_port; /* of the selectors, host order; 0: any (also when it is masked) */
	uint8_t policy_dir;          /* XFRM_POLICY_IN, _OUT, _FWD */
	bool transport;
	bool keyed; /* false: an SA still being negotiated, only its SPI is reserved (XFRM_MSG_ALLOCSPI) */
	uint64_t bytes, packets, add_time_s;
};
/* One netlink message of length bytes; every length in it is checked. False: malformed. */
bool xfrm_parse(const struct nlmsghdr *message, size_t length, struct xfrm_message *out);
/* The same seen from this host. */
void xfrm_to_sa(const struct xfrm_message *message, bool src_is_us, struct sa_info *out);

#endif
