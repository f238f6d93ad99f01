/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's L2TP port by reqid, from the policies. strongSwan leaves protocol and ports out of its SAs' selectors, so
 * what an SA carries can be told only from the policy with the same reqid. Pure but for malloc. */
#ifndef NATSHIM_SHIM_XFRM_PORTS_H
#define NATSHIM_SHIM_XFRM_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port_entry {
	uint32_t reqid; /* 0: empty */
	uint16_t port;  /* host order; 0: any */
};
struct port_map {
	struct port_entry *entries;
	size_t count, capacity; /* capacity: a power of two, or 0 */
};

void port_map_clear(struct port_map *map);
bool port_map_set(struct port_map *map, uint32_t reqid, uint16_t port); /* false: out of memory, or reqid 0 */
void port_map_remove(struct port_map *map, uint32_t reqid);
bool port_map_get(const struct port_map *map, uint32_t reqid, uint16_t *port);

#endif
