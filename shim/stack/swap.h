/* Other keys for ESP SAs that the VPN stack has installed, over XFRM netlink: an SA is deleted and added again in one send,
 * with every attribute that it had but the keys, so that neither the stack nor a packet notices. (UPDSA on a valid SA says
 * success and ignores the keys.) Decides nothing; the keys come from bridge mode. */
#ifndef NATSHIM_SHIM_STACK_SWAP_H
#define NATSHIM_SHIM_STACK_SWAP_H

#include "nfq/endpoint.h"
#include "shim/ike/esp.h"

struct swap; /* owned by the caller */

int swap_open(struct swap **out); /* 0 or -errno */
void swap_close(struct swap *swap);

/* The SA with this destination and SPI (network order). material: the encryption key, then the authentication key, as many
 * bytes of each as the SA has. Its sequence numbers go on SWAP_SEQUENCE_GAP later: what it sealed between the look at it and
 * its end must not be repeated, for the peer would take it for a replay; what was received keeps its place in the replay
 * window, and so do the counters. Waits for the kernel, which answers at once. before (NULL: not wanted) tells what the SA
 * was; the caller wipes it. 0, -ESRCH: there is no such SA, or no more of it than its SPI, -EMSGSIZE: it wants more key than there is, or another -errno. */
#define SWAP_SEQUENCE_GAP 4096
int swap_keys(struct swap *swap, const struct endpoint *destination, const uint8_t spi[static 4],
	      const uint8_t *material, size_t material_length, struct esp_sa *before);

/* Readable when an SA was added: call swap_read(), which calls fn for each that others than us have added, or completed after
 * they had its SPI. destination without an address: some have been missed, since they came too fast. */
int swap_fd(const struct swap *swap);
typedef void swap_added_fn(void *ctx, const struct endpoint *destination, const uint8_t spi[static 4]);
void swap_read(struct swap *swap, swap_added_fn *fn, void *ctx);

#endif
