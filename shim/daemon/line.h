/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line in which packets wait whose handling is slow: bounded, and fair to the hosts that they come from. Who stands in it is
 * served in turns, a packet of each host; when it is full, the host with most of them loses its newest. Pure: knows packets as
 * bytes. */
#ifndef NATSHIM_SHIM_DAEMON_LINE_H
#define NATSHIM_SHIM_DAEMON_LINE_H

#include "nfq/endpoint.h"
#include "nfq/queue.h"

#define LINE_MAX_PACKETS 256
#define LINE_PACKET_MAX 4224 /* bytes: the longest message of bridge mode, and its headers */

struct line; /* owned by the caller */

struct line *line_new(void); /* NULL: out of memory */
void line_free(struct line *line);

/* host: as bridge_host_of() makes it. LINE_IN: it was copied. LINE_INSTEAD: the same, and the packet *other had to leave for it. LINE_FULL: it is
 * too long, or of the host that has most. */
enum line_outcome { LINE_IN, LINE_INSTEAD, LINE_FULL };
enum line_outcome line_put(struct line *line, const struct nfq_packet *packet, const struct endpoint *host,
			   uint32_t *other);
/* The next one, which has left the line then; its bytes are copied to *packet's data, where capacity are. False: nobody waits. */
bool line_take(struct line *line, struct nfq_packet *packet, size_t capacity);
size_t line_count(const struct line *line);

#endif
