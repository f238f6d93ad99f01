/* Other keys for ESP SAs that the VPN stack has installed, over XFRM netlink: an SA is deleted and added again in one send,
 * with every attribute that it had but the keys, so that neither the stack nor a packet notices. (UPDSA on a valid SA says
 * success and ignores the keys.) Decides nothing; the keys come from bridge mode. */
#ifndef NATSHIM_SHIM_STACK_SWAP_H
#define NATSHIM_SHIM_STACK_SWAP_H

#include "nfq/endpoint.h"

struct swap; /* owned by the caller */

int swap_open(struct swap **out); /* 0 or -errno */
void swap_close(struct swap *swap);

/* The SA with this destination and SPI (network order). material: the encryption key, then the authentication key, as many
 * bytes of each as the SA has. Waits for the kernel, which answers at once. 0, -ESRCH: there is no such SA, -EMSGSIZE: it
 * wants more key than there is, or another -errno. */
int swap_keys(struct swap *swap, const struct endpoint *destination, const uint8_t spi[static 4],
	      const uint8_t *material, size_t material_length);

/* Readable when an SA was added: call swap_read(), which calls fn for each that others than us have added. */
int swap_fd(const struct swap *swap);
typedef void swap_added_fn(void *ctx, const struct endpoint *destination, const uint8_t spi[static 4]);
void swap_read(struct swap *swap, swap_added_fn *fn, void *ctx);

#endif
