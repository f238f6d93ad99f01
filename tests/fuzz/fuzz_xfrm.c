/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XFRM netlink messages: taken or refused without reading past the end, and what is taken has addresses and ports that
 * the session table can believe. */
#include "shim/xfrm/monitor.h"

#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xfrm_message message;
	struct sa_info sa;
	uint8_t *exact;

	if (size < sizeof(struct nlmsghdr))
		return 0;
	exact = malloc(size);
	if (!exact)
		abort();
	memcpy(exact, data, size);
	if (xfrm_parse((const struct nlmsghdr *)(const void *)exact, size, &message)) {
		if ((message.kind == XFRM_KIND_SA || message.kind == XFRM_KIND_SA_GONE) &&
		    (message.src.addr_len > 16 || message.dst.addr_len > 16))
			abort();
		if (message.kind == XFRM_KIND_SA) {
			xfrm_to_sa(&message, true, &sa);
			xfrm_to_sa(&message, false, &sa);
		}
	}
	free(exact);
	return 0;
}
