/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PPP interfaces over rtnetlink, their pppd's arguments, and an ICMP echo into one. */
#include "shim/stack/ppp.h"

#include "shim/xfrm/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/if_arp.h>
#include <linux/l2tp.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINKS_MAX 4096
#define TUNNELS_MAX 64 /* of one client: behind one address there may be several */
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

/* "  SESSION 'name' 00000000/1701 5CB0/9A3D -> ..." (tunnel first), followed by a line "   interface ppp0". */
bool ppp_of_tunnel(const char *text, uint32_t tunnel, unsigned n, char out[static PPP_NAME_MAX])
{
	bool in_it = false;

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		int ids = 0;

		line += *line == '\n';
		if (sscanf(line, " SESSION '%*[^']' %*[0-9A-Fa-f]/%*[0-9] %n", &ids) == 0 && ids)
			in_it = strtoul(line + ids, NULL, 16) == tunnel;
		else if (in_it && sscanf(line, " interface %15[a-zA-Z0-9_.-]", out) == 1 && n-- == 0)
			return true;
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

/* ---- which tunnel ------------------------------------------------------------------------------------------------ */

struct tunnels {
	const struct endpoint *client;
	uint32_t ids[TUNNELS_MAX];
	size_t count;
};

static void take_family(void *ctx, struct nlmsghdr *message)
{
	struct nlattr *id = nlmsg_find_attr(message, GENL_HDRLEN, CTRL_ATTR_FAMILY_ID);

	if (id && nla_len(id) >= 2)
		*(uint16_t *)ctx = nla_get_u16(id);
}

static struct nl_msg *generic_message(uint16_t family, uint8_t command, int flags)
{
	struct genlmsghdr header = {.cmd = command, .version = 1};
	struct nl_msg *message = nlmsg_alloc_simple(family, NLM_F_REQUEST | flags);

	if (!message || !nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO))
		return message;
	nlmsg_free(message);
	return NULL;
}

static void look_at_tunnel(void *ctx, struct nlmsghdr *message)
{
	struct tunnels *tunnels = ctx;
	const struct endpoint *client = tunnels->client;
	const int address_type = client->addr_len == 16 ? L2TP_ATTR_IP6_DADDR : L2TP_ATTR_IP_DADDR;
	struct nlattr *id = nlmsg_find_attr(message, GENL_HDRLEN, L2TP_ATTR_CONN_ID);
	struct nlattr *address = nlmsg_find_attr(message, GENL_HDRLEN, address_type);
	struct nlattr *port = nlmsg_find_attr(message, GENL_HDRLEN, L2TP_ATTR_UDP_DPORT);

	if (!id || nla_len(id) < 4 || !address || nla_len(address) < client->addr_len || !port ||
	    nla_len(port) < 2)
		return;
	if (memcmp(nla_data(address), client->addr, client->addr_len) != 0 ||
	    (client->port && nla_get_u16(port) != client->port) || tunnels->count == TUNNELS_MAX)
		return;
	tunnels->ids[tunnels->count++] = nla_get_u32(id);
}

/* A kernel without L2TP has no tunnels; that is no error. */
static void find_tunnels(struct tunnels *tunnels)
{
	struct nl_msg *message;
	struct nl_sock *sock;
	uint16_t family = 0;

	if (netlink_open(&sock, NETLINK_GENERIC))
		return;
	message = generic_message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	if (message && !nla_put_string(message, CTRL_ATTR_FAMILY_NAME, L2TP_GENL_NAME))
		netlink_request(sock, message, take_family, &family);
	if (family)
		netlink_request(sock, generic_message(family, L2TP_CMD_TUNNEL_GET, NLM_F_DUMP),
				look_at_tunnel, tunnels);
	nl_socket_free(sock);
}

static char *read_sessions(void)
{
	FILE *file = fopen("/proc/net/pppol2tp", "re");
	char *text = NULL;
	size_t size = 0;

	if (file && getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	if (file)
		fclose(file);
	return text;
}

static bool in_tunnels(const struct tunnels *tunnels, const char *sessions, const char *name)
{
	char found[PPP_NAME_MAX];

	for (size_t i = 0; sessions && i < tunnels->count; i++)
		for (unsigned n = 0; ppp_of_tunnel(sessions, tunnels->ids[i], n, found); n++)
			if (!strcmp(found, name))
				return true;
	return false;
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
	struct tunnels tunnels = {.client = client};
	int rc = links.all ? read_links(&links) : -ENOMEM;
	char *sessions;
	unsigned sent = 0;

	find_tunnels(&tunnels);
	sessions = read_sessions();
	for (size_t i = 0; i < links.count && !rc; i++) {
		const struct link *link = &links.all[i];

		if (!link->peer || !(in_tunnels(&tunnels, sessions, link->name) || is_of(link, client)))
			continue;
		rc = send_echo(link);
		sent++;
	}
	free(sessions);
	free(links.all);
	if (rc)
		snprintf(text, STACK_TEXT_MAX, "ppp: %s", strerror(-rc));
	else if (!sent)
		snprintf(text, STACK_TEXT_MAX, "ppp: no PPP interface is this client's");
	return !rc && !sent ? -ENOENT : rc;
}
