/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of our own into the host's output path, with whatever source address (raw sockets with the IP header included).
 * Used to answer for a client. Needs CAP_NET_RAW when it is opened, and nothing later. */
#ifndef NATSHIM_NFQ_INJECT_H
#define NATSHIM_NFQ_INJECT_H

#include <stddef.h>
#include <stdint.h>

struct nfq_injector;

int nfq_inject_open(struct nfq_injector **out); /* 0 or -errno */
void nfq_inject_close(struct nfq_injector *injector);
/* A whole IP packet. 0 or -errno; never waits. */
int nfq_inject(struct nfq_injector *injector, const uint8_t *packet, size_t length);

#endif
