/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One raw socket a family. */
#include "nfq/inject.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IPV6_HEADER_LEN 40
#define IPV4_HEADER_LEN 20

struct nfq_injector {
	int v4, v6; /* v6 is -1 on a host without IPv6 */
};

int nfq_inject_open(struct nfq_injector **out)
{
	const int type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, one = 1;
	struct nfq_injector *i = calloc(1, sizeof *i);
	int rc;

	if (!i)
		return -ENOMEM;
	i->v4 = socket(AF_INET, type, IPPROTO_RAW); /* implies IP_HDRINCL: raw(7) */
	if (i->v4 < 0) {
		rc = -errno;
		free(i);
		return rc;
	}
	i->v6 = socket(AF_INET6, type, IPPROTO_RAW);
	if (i->v6 >= 0 && setsockopt(i->v6, IPPROTO_IPV6, IPV6_HDRINCL, &one, sizeof one)) {
		close(i->v6);
		i->v6 = -1;
	}
	*out = i;
	return 0;
}

void nfq_inject_close(struct nfq_injector *injector)
{
	if (!injector)
		return;
	close(injector->v4);
	if (injector->v6 >= 0)
		close(injector->v6);
	free(injector);
}

int nfq_inject(struct nfq_injector *injector, const uint8_t *packet, size_t length)
{
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
	struct sockaddr_in to4 = {.sin_family = AF_INET};
	ssize_t sent;

	if (length >= IPV6_HEADER_LEN && packet[0] >> 4 == 6) {
		memcpy(&to6.sin6_addr, packet + 24, sizeof to6.sin6_addr);
		sent = sendto(injector->v6, packet, length, 0, (const struct sockaddr *)&to6, sizeof to6);
	} else if (length >= IPV4_HEADER_LEN && packet[0] >> 4 == 4) {
		memcpy(&to4.sin_addr, packet + 16, sizeof to4.sin_addr);
		sent = sendto(injector->v4, packet, length, 0, (const struct sockaddr *)&to4, sizeof to4);
	} else {
		return -EINVAL;
	}
	return sent < 0 ? -errno : 0;
}
