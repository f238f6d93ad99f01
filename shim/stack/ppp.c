/* PPP interfaces over rtnetlink, their pppd's arguments, and an ICMP echo into one. */
#include "shim/stack/ppp.h"

#include "shim/stack/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINKS_MAX 4096
#define ICMP_ECHO_REQUEST 8

bool ppp_ipparam(const char *cmdline, size_t length, struct endpoint *out)
{
	const char *end = cmdline + length;
	bool next_is_it = false;

	while (cmdline < end) {
		const char *zero = memchr(cmdline, '\0', (size_t)(end - cmdline));

		if (!zero)
			return false;
		if (next_is_it)
			return endpoint_parse(cmdline, out) && out->port == 0;
		next_is_it = !strcmp(cmdline, "ipparam");
		cmdline = zero + 1;
	}
	return false;
}

void ppp_make_echo(uint8_t out[static PPP_ECHO_LENGTH], uint16_t identifier, uint16_t sequence)
{
	uint32_t sum = 0;

	memset(out, 0, PPP_ECHO_LENGTH);
	out[0] = ICMP_ECHO_REQUEST;
	out[4] = (uint8_t)(identifier >> 8);
	out[5] = (uint8_t)identifier;
	out[6] = (uint8_t)(sequence >> 8);
	out[7] = (uint8_t)sequence;
	for (size_t i = 0; i < PPP_ECHO_LENGTH; i += 2)
		sum += (uint32_t)out[i] << 8 | out[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16)) & 0xffff;
	out[2] = (uint8_t)(sum >> 8);
	out[3] = (uint8_t)sum;
}

/* ---- which interface --------------------------------------------------------------------------------------------- */

struct link {
	int index;
	char name[IFNAMSIZ];
	uint32_t peer; /* its far end, network order; 0: none yet */
};
struct links {
	struct link *all;
	size_t count;
};

static void look_at_link(void *ctx, struct nlmsghdr *message)
{
	struct links *links = ctx;
	struct ifinfomsg info;
	struct nlattr *name;

	if (message->nlmsg_type != RTM_NEWLINK || !nlmsg_valid_hdr(message, sizeof info))
		return;
	memcpy(&info, nlmsg_data(message), sizeof info);
	name = nlmsg_find_attr(message, sizeof info, IFLA_IFNAME);
	if (info.ifi_type != ARPHRD_PPP || !name || links->count == LINKS_MAX)
		return;
	links->all[links->count] = (struct link){.index = info.ifi_index};
	nla_strlcpy(links->all[links->count++].name, name, IFNAMSIZ);
}

static void look_at_address(void *ctx, struct nlmsghdr *message)
{
	struct links *links = ctx;
	struct ifaddrmsg info;
	struct nlattr *peer;

	if (message->nlmsg_type != RTM_NEWADDR || !nlmsg_valid_hdr(message, sizeof info))
		return;
	memcpy(&info, nlmsg_data(message), sizeof info);
	peer = nlmsg_find_attr(message, sizeof info, IFA_ADDRESS);
	if (info.ifa_family != AF_INET || !peer || nla_len(peer) < 4)
		return;
	for (size_t i = 0; i < links->count; i++)
		if (links->all[i].index == (int)info.ifa_index)
			links->all[i].peer = nla_get_u32(peer);
}

static int dump(struct nl_sock *sock, int type, const void *header, size_t length, netlink_message_fn *fn,
		struct links *links)
{
	struct nl_msg *message = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_DUMP);
	char copy[32] = {0};

	memcpy(copy, header, length);
	if (!message)
		return -ENOMEM;
	if (nlmsg_append(message, copy, length, NLMSG_ALIGNTO)) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(sock, message, fn, links);
}

static int read_links(struct links *links)
{
	const struct ifinfomsg any_link = {.ifi_family = AF_UNSPEC};
	const struct ifaddrmsg any_address = {.ifa_family = AF_INET};
	struct nl_sock *sock;
	int rc = netlink_open(&sock, NETLINK_ROUTE);

	if (rc)
		return rc;
	rc = dump(sock, RTM_GETLINK, &any_link, sizeof any_link, look_at_link, links);
	if (!rc)
		rc = dump(sock, RTM_GETADDR, &any_address, sizeof any_address, look_at_address, links);
	nl_socket_free(sock);
	return rc;
}

static size_t read_small_file(const char *path, char *out, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t length = fd < 0 ? -1 : read(fd, out, size);

	if (fd >= 0)
		close(fd);
	return length > 0 ? (size_t)length : 0;
}

static bool is_of(const struct link *link, const struct endpoint *client)
{
	char path[64], text[4096];
	struct endpoint address;

	snprintf(path, sizeof path, "/run/%s.pid", link->name);
	text[read_small_file(path, text, sizeof text - 1)] = '\0';
	snprintf(path, sizeof path, "/proc/%ld/cmdline", strtol(text, NULL, 10));
	const size_t length = read_small_file(path, text, sizeof text);

	return ppp_ipparam(text, length, &address) && endpoint_same_host(&address, client);
}

/* ---- the echo ---------------------------------------------------------------------------------------------------- */

static int send_echo(const struct link *link)
{
	const struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = link->peer};
	const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	uint8_t echo[PPP_ECHO_LENGTH];
	int rc = 0;

	if (fd < 0)
		return -errno;
	ppp_make_echo(echo, (uint16_t)getpid(), 1);
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link->name, (socklen_t)strlen(link->name) + 1) ||
	    sendto(fd, echo, sizeof echo, MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof to) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int ppp_warm(const struct endpoint *client, char text[static STACK_TEXT_MAX])
{
	struct links links = {.all = malloc(LINKS_MAX * sizeof(struct link))};
	int rc = links.all ? read_links(&links) : -ENOMEM;
	unsigned sent = 0;

	for (size_t i = 0; i < links.count && !rc; i++) {
		if (!links.all[i].peer || !is_of(&links.all[i], client))
			continue;
		rc = send_echo(&links.all[i]);
		sent++;
	}
	free(links.all);
	if (rc)
		snprintf(text, STACK_TEXT_MAX, "ppp: %s", strerror(-rc));
	else if (!sent)
		snprintf(text, STACK_TEXT_MAX, "ppp: no PPP interface is this client's");
	return !rc && !sent ? -ENOENT : rc;
}
