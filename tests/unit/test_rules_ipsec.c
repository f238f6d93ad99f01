/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules around IPsec: client - NAT - server - LNS as network namespaces, with SAs made by hand. What is decrypted goes
 * to the LNS, control messages come up and may be changed, replies leave encrypted, nothing in the clear comes in or gets
 * out. Needs root and a kernel with ESP (tests/vm/test_rules gives one); skipped without. */
#include "nfq/packet.h"
#include "nfq/queue.h"
#include "tests/unit/rules_netns.h"
#include "tests/unit/checksum.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sys/socket.h>

enum {
	QUEUE = 78,
	L2TP = 1701,
	CLIENT_PORT = 50123, /* floating */
	SPI = 0x101,
	OTHER_SPI = 0x111, /* of somebody else's SA */
	ENCAP_PORT = 4500,
	NAT_PORT = 21001, /* what the NAT makes of the client's 4500 */
	WAIT_MS = 5000,
	QUIET_MS = 300,
};

/* The addresses of one topology; the server sees the client as seen. */
struct addresses {
	const char *client, *seen, *server, *inside, *lns;
	bool ipv6, nat;
};
static const struct addresses plain4 = {"198.51.100.2", "198.51.100.2", "203.0.113.1", "192.168.1.1",
					"192.168.1.98", false,          false};
static const struct addresses natted4 = {"198.51.100.2", "203.0.113.2", "203.0.113.1", "192.168.1.1",
					 "192.168.1.98", false,         true};
static const struct addresses plain6 = {
	"2001:db8:1::2", "2001:db8:1::2", "2001:db8::1", "fd00::1", "fd00::98", true, false};

struct lab {
	const struct addresses *a;
	int client_netns, nat_netns, server_netns, lns_netns;
	int client_encap, server_encap;
	int wan_sniffer, lns_sniffer;
	int client, lns; /* their UDP sockets */
	struct rules_nft *nft;
	struct nfq_queue *queue;
};

static int new_netns(void)
{
	int fd;

	enter_new_netns();
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* A shell command inside a namespace. */
__attribute__((format(printf, 2, 3))) static void run_in(int netns, const char *format, ...)
{
	char command[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	run(strdup(command));
}

/* Many commands of ip(8) in one process: a whole kernel in emulation is slow at starting programs. */
static FILE *begin_ip(int netns)
{
	FILE *ip;

	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	ip = popen("ip -batch -", "w");
	assert_non_null(ip);
	fputs("link set lo up\n", ip);
	return ip;
}

static void end_ip(FILE *ip)
{
	assert_int_equal(pclose(ip), 0);
}

static void give_address(FILE *ip, const char *name, const char *text)
{
	fprintf(ip, "address add %s%s dev %s\nlink set %s up\n", text,
		strchr(text, ':') ? "/64 nodad" : "/24", name, name);
}

static void give_link(FILE *ip, const char *name, const char *other_name, int other)
{
	fprintf(ip, "link add %s type veth peer name %s netns /proc/%d/fd/%d\n", name, other_name, getpid(),
		other);
}

static void forward(int netns)
{
	static const char *const switches[] = {"/proc/sys/net/ipv4/ip_forward",
					       "/proc/sys/net/ipv6/conf/all/forwarding"};

	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	for (size_t i = 0; i < 2; i++) {
		int fd = open(switches[i], O_WRONLY | O_CLOEXEC);
		assert_int_equal(write(fd, "1", 1), 1);
		close(fd);
	}
}

static void put_sa(FILE *ip, const char *from, const char *to, const char *spi, const char *rest)
{
	fprintf(ip,
		"xfrm state add src %s dst %s proto esp spi %s reqid 1 replay-window 32 auth-trunc "
		"hmac(sha1) "
		"0x1111111111111111111111111111111111111111 96 enc cbc(aes) "
		"0x11111111111111111111111111111111 %s\n",
		from, to, spi, rest);
}

/* L2TP road warrior: the client from any port, the server's 1701. */
static void put_policies(FILE *ip, const char *client, const char *server, const char *in, const char *out)
{
	const int prefix = strchr(client, ':') ? 128 : 32;

	fprintf(ip,
		"xfrm policy add dir %s src %s/%d dst %s/%d proto udp dport 1701 tmpl proto esp reqid 1 mode "
		"transport\n"
		"xfrm policy add dir %s src %s/%d dst %s/%d proto udp sport 1701 tmpl proto esp reqid 1 mode "
		"transport\n",
		in, client, prefix, server, prefix, out, server, prefix, client, prefix);
}

static void make_client(struct lab *lab, const char *gateway)
{
	const struct addresses *a = lab->a;
	const char *const mode =
		a->nat ? "mode transport encap espinudp 4500 4500 0.0.0.0" : "mode transport";
	FILE *ip = begin_ip(lab->client_netns);

	give_link(ip, "eth0", "lan", lab->nat_netns);
	give_address(ip, "eth0", a->client);
	fprintf(ip, "route add default via %s\n", gateway);
	put_sa(ip, a->client, a->server, "0x101", mode);
	put_sa(ip, a->server, a->client, "0x201", mode);
	put_policies(ip, a->client, a->server, "out", "in");
	end_ip(ip);
}

static void make_server(struct lab *lab, const char *gateway)
{
	const struct addresses *a = lab->a;
	char in[64] = "mode transport", out[64] = "mode transport";
	FILE *ip = begin_ip(lab->server_netns);

	if (a->nat) {
		snprintf(in, sizeof(in), "mode transport encap espinudp %d %d 0.0.0.0", NAT_PORT, ENCAP_PORT);
		snprintf(out, sizeof(out), "mode transport encap espinudp %d %d 0.0.0.0", ENCAP_PORT,
			 NAT_PORT);
	}
	give_link(ip, "lan", "eth0", lab->lns_netns);
	give_address(ip, "wan", a->server);
	give_address(ip, "lan", a->inside);
	fprintf(ip, "route add default via %s\n", gateway);
	put_sa(ip, a->seen, a->server, "0x101", in);
	put_sa(ip, a->server, a->seen, "0x201", out);
	put_policies(ip, a->seen, a->server, "in", "out");
	end_ip(ip);
}

static void make_hosts(struct lab *lab, const struct addresses *a)
{
	const char *const lan = a->ipv6 ? "2001:db8:1::1" : "198.51.100.1", *const wan =
										    a->ipv6 ? "2001:db8::2"
											    : "203.0.113.2";
	FILE *ip;

	lab->a = a;
	lab->client_netns = new_netns();
	lab->nat_netns = new_netns();
	lab->server_netns = new_netns();
	lab->lns_netns = new_netns();
	make_client(lab, lan);
	ip = begin_ip(lab->nat_netns);
	give_link(ip, "wan", "wan", lab->server_netns);
	give_address(ip, "wan", wan);
	give_address(ip, "lan", lan);
	end_ip(ip);
	make_server(lab, wan);
	ip = begin_ip(lab->lns_netns);
	give_address(ip, "eth0", a->lns);
	fprintf(ip, "route add default via %s\n", a->inside);
	end_ip(ip);
	forward(lab->nat_netns);
	forward(lab->server_netns);
	if (a->nat)
		run_in(lab->nat_netns,
		       "printf 'table ip nat {\\nchain post {\\ntype nat hook postrouting priority srcnat;\\n"
		       "oifname wan udp sport 4500 snat to %s:%d\\n}\\n}\\n' | nft -f -",
		       a->seen, NAT_PORT);
}

static struct sockaddr_storage address(const char *text, uint16_t port, socklen_t *length)
{
	struct sockaddr_storage any = {.ss_family = AF_UNSPEC};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&any;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&any;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*length = sizeof(*v4);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*length = sizeof(*v6);
	}
	return any;
}

static int udp_socket(int netns, const char *local, uint16_t port)
{
	socklen_t length;
	const struct sockaddr_storage own = address(local, port, &length);
	int fd;

	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	fd = socket(own.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&own, length), 0);
	return fd;
}

/* What an IKE daemon does with its port 4500. */
static int encap_socket(int netns, const char *local)
{
	const int espinudp = 2; /* UDP_ENCAP_ESPINUDP */
	int fd = udp_socket(netns, local, ENCAP_PORT);

	assert_int_equal(setsockopt(fd, IPPROTO_UDP, 100 /* UDP_ENCAP */, &espinudp, sizeof(espinudp)), 0);
	return fd;
}

/* Control messages grow by their own mark at the end, so that a change of length is proven too. */
static const char mark[] = "+seen";

static enum nfq_verdict grow(void *ctx, struct nfq_packet *packet)
{
	struct packet_udp udp;
	uint8_t payload[512];

	(void)ctx;
	if (packet_parse_udp(packet->data, packet->length, &udp) != PACKET_UDP ||
	    udp.payload_length + sizeof(mark) > sizeof(payload))
		return NFQ_AS_IT_WAS;
	memcpy(payload, udp.payload, udp.payload_length);
	memcpy(payload + udp.payload_length, mark, sizeof(mark));
	packet->length =
		packet_replace_payload(&udp, NFQ_PACKET_MAX, payload, udp.payload_length + sizeof(mark));
	/* as natshim does: out of ESP it may be wrong, and now the kernel looks at it */
	packet_compute_checksum(&udp);
	return NFQ_CHANGED;
}

static int sniffer(int netns)
{
	int fd;

	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	assert_true(fd >= 0);
	return fd;
}

/* As natshim does when the session's SA appears. */
static void know_session(struct lab *lab)
{
	const uint32_t spi = htonl(SPI);
	const uint16_t port = htons(CLIENT_PORT);
	const size_t length = lab->a->ipv6 ? 16 : 4;
	uint8_t key[24] = {0};

	memcpy(key, &spi, sizeof(spi));
	assert_int_equal(inet_pton(lab->a->ipv6 ? AF_INET6 : AF_INET, lab->a->seen, key + 4), 1);
	memcpy(key + 4 + length, &port, sizeof(port));
	assert_int_equal(rules_nft_set_add(lab->nft, lab->a->ipv6 ? RULES_SET_L2TP6 : RULES_SET_L2TP4, key,
					   4 + length + 4, 0),
			 0);
}

static void install_rules(struct lab *lab, const char *lns)
{
	static const char *const interfaces[] = {"wan"};
	const struct nfq_options queue = {.number = RULES_QUEUE_KNOWN(QUEUE)};
	struct rules_features features;
	struct rules_options options = {
		.interfaces = interfaces,
		.interface_count = 1,
		.queue_number = QUEUE,
		.protect = true,
		.liveness = true,
		.l2tp_control = true,
		.l2tp_by_session = true,
		.l2tp_from_lns = true,
		.dnat4 = !lab->a->ipv6,
		.dnat6 = lab->a->ipv6,
	};

	assert_int_equal(setns(lab->server_netns, CLONE_NEWNET), 0);
	lab->nft = open_nft(&features);
	assert_true(features.secpath && features.fib && features.ipsec_spi);
	options.owner = features.owner;
	options.native_queue = features.native_queue;
	assert_true(endpoint_parse(lns, lab->a->ipv6 ? &options.lns6 : &options.lns4));
	assert_int_equal(nfq_queue_open(&lab->queue, &queue, grow, NULL), 0);
	install(lab->nft, &options);
	know_session(lab);
}

/* lns: which of the addresses, the server's own internal one or the host's behind it. */
static void make_lab(struct lab *lab, const struct addresses *a, bool lns_elsewhere)
{
	make_hosts(lab, a);
	lab->client_encap = a->nat ? encap_socket(lab->client_netns, a->client) : -1;
	lab->server_encap = a->nat ? encap_socket(lab->server_netns, a->server) : -1;
	install_rules(lab, lns_elsewhere ? a->lns : a->inside);
	lab->lns = udp_socket(lns_elsewhere ? lab->lns_netns : lab->server_netns,
			      lns_elsewhere ? a->lns : a->inside, L2TP);
	lab->client = udp_socket(lab->client_netns, a->client, CLIENT_PORT);
	lab->wan_sniffer = sniffer(lab->nat_netns);
	lab->lns_sniffer = sniffer(lab->lns_netns);
}

static void leave_lab(struct lab *lab)
{
	const int fds[] = {lab->client_netns, lab->nat_netns,    lab->server_netns, lab->lns_netns,
			   lab->client_encap, lab->server_encap, lab->wan_sniffer,  lab->lns_sniffer,
			   lab->client,       lab->lns};

	assert_int_equal(nfq_queue_stats(lab->queue).errors, 0);
	rules_nft_close(lab->nft);
	nfq_queue_drain_and_close(lab->queue, 1000);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void send_to(int fd, const char *to, const void *data, size_t length)
{
	socklen_t size;
	const struct sockaddr_storage peer = address(to, L2TP, &size);

	assert_int_equal(sendto(fd, data, length, 0, (const struct sockaddr *)&peer, size), (ssize_t)length);
}

/* Handles the queue until something arrives. Its length, or -1 after wait_ms. */
static ssize_t receive(struct lab *lab, int fd, char data[static 512], struct sockaddr_storage *from,
		       int wait_ms)
{
	struct pollfd ready[2] = {{.fd = fd, .events = POLLIN},
				  {.fd = nfq_queue_fd(lab->queue), .events = POLLIN}};

	for (int waited = 0; waited < wait_ms;) {
		socklen_t size = sizeof(*from);
		ssize_t got = recvfrom(fd, data, 511, 0, (struct sockaddr *)from, &size);
		if (got >= 0) {
			data[got] = '\0';
			return got;
		}
		if (poll(ready, 2, 50) == 0)
			waited += 50;
		nfq_queue_read(lab->queue, 0);
	}
	return -1;
}

static const uint8_t control[] = {0xc8, 0x02, 'c', 'o', 'n', 't', 'r', 'o', 'l'}; /* T bit, version 2 */
static const uint8_t payload[] = {0x40, 0x02, 'p', 'a', 'y', 'l', 'o', 'a', 'd'};

/* One message from the client to the LNS and the same back. Both arrive, both with the mark or both without, and the client
 * sees the answer come from the server it knows. Returns the client as the LNS sees it. */
static struct sockaddr_storage exchange(struct lab *lab, const uint8_t *message, size_t length, bool marked)
{
	const size_t arrives = length + (marked ? sizeof(mark) : 0);
	struct sockaddr_storage client, from;
	socklen_t size;
	struct sockaddr_storage server = address(lab->a->server, L2TP, &size);
	char data[512];

	send_to(lab->client, lab->a->server, message, length);
	assert_int_equal(receive(lab, lab->lns, data, &client, WAIT_MS), arrives);
	assert_memory_equal(data, message, length);
	assert_int_equal(sendto(lab->lns, message, length, 0, (struct sockaddr *)&client, size),
			 (ssize_t)length);
	assert_int_equal(receive(lab, lab->client, data, &from, WAIT_MS), arrives);
	assert_memory_equal(data, message, length);
	assert_memory_equal(&from, &server,
			    lab->a->ipv6 ? offsetof(struct sockaddr_in6, sin6_scope_id)
					 : offsetof(struct sockaddr_in, sin_zero));
	return client;
}

struct wanted {
	const char *rule;
	uint64_t packets;
	bool found;
};

static void look_for_rule(void *ctx, const char *rule, uint64_t packets, uint64_t bytes)
{
	struct wanted *wanted = ctx;

	(void)bytes;
	if (strcmp(rule, wanted->rule) == 0) {
		wanted->found = true;
		wanted->packets = packets;
	}
}

static uint64_t counted(struct lab *lab, const char *rule)
{
	struct wanted wanted = {.rule = rule};

	assert_int_equal(rules_nft_counters(lab->nft, look_for_rule, &wanted), 0);
	if (!wanted.found)
		fail_msg("no rule is called %s", rule);
	return wanted.packets;
}

static const char *l2tp_in(const struct lab *lab)
{
	return lab->a->ipv6 ? "l2tp-in-ip6" : "l2tp-in-ip";
}

/* What the NAT's host saw: encrypted packets, and clear ones of L2TP. */
static void count_frames(int fd, unsigned *encrypted, unsigned *clear)
{
	uint8_t data[2048];
	ssize_t got;

	*encrypted = *clear = 0;
	while ((got = recv(fd, data, sizeof(data), 0)) > 0) {
		struct packet_udp udp;
		enum packet_kind kind = packet_parse_udp(data, (size_t)got, &udp);
		const unsigned protocol = data[0] >> 4 == 6 ? data[6] : data[9];
		if (kind == PACKET_UDP && (udp.src.port == L2TP || udp.dst.port == L2TP))
			++*clear;
		else if (protocol == IPPROTO_ESP ||
			 (kind == PACKET_UDP && (udp.src.port == 4500 || udp.dst.port == 4500)))
			++*encrypted;
	}
}

/* Of what went by on the LNS' own wire to its port 1701. */
static void count_checksums(int fd, unsigned *good, unsigned *bad)
{
	uint8_t data[2048];
	struct sockaddr_ll link;
	socklen_t size = sizeof(link);
	ssize_t got;

	*good = *bad = 0;
	while ((got = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&link, &size)) > 0) {
		struct packet_udp udp;
		size = sizeof(link);
		if (link.sll_pkttype != PACKET_HOST ||
		    packet_parse_udp(data, (size_t)got, &udp) != PACKET_UDP || udp.dst.port != L2TP)
			continue;
		++*(packet_checksum_ok(&udp) ? good : bad);
	}
}

static void expect_all_encrypted(struct lab *lab, unsigned at_least)
{
	unsigned encrypted, clear;

	count_frames(lab->wan_sniffer, &encrypted, &clear);
	assert_int_equal(clear, 0);
	assert_true(encrypted >= at_least);
}

/* Clear packets from the very port of a protected session. */
static void clear_packets_stay_out(struct lab *lab)
{
	struct sockaddr_storage from;
	unsigned encrypted, clear;
	char data[512];

	run_in(lab->client_netns, "ip xfrm policy flush");
	send_to(lab->client, lab->a->server, control, sizeof(control));
	send_to(lab->client, lab->a->server, payload, sizeof(payload));
	assert_int_equal(receive(lab, lab->lns, data, &from, QUIET_MS), -1);
	assert_int_equal(counted(lab, RULES_NAME_CLEAR_L2TP), 2);
	assert_int_equal(counted(lab, l2tp_in(lab)), 2);
	count_frames(lab->wan_sniffer, &encrypted, &clear);
	assert_true(clear >= 2); /* the sniffer does see such packets */
}

/* The SAs are gone, and the LNS goes on talking to its client. */
static void the_lns_does_not_talk_in_the_clear(struct lab *lab, const struct sockaddr_storage *client)
{
	const socklen_t size = lab->a->ipv6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	struct sockaddr_storage from;
	char data[512];

	run_in(lab->server_netns, "ip xfrm policy flush; ip xfrm state flush");
	sendto(lab->lns, payload, sizeof(payload), 0, (const struct sockaddr *)client, size);
	assert_int_equal(receive(lab, lab->client, data, &from, QUIET_MS), -1);
	expect_all_encrypted(lab, 0);
	assert_int_equal(counted(lab, RULES_NAME_CLEAR_L2TP_OUT), 1);
}

static void one_session(const struct addresses *a, bool lns_elsewhere)
{
	struct lab lab;
	struct sockaddr_storage client;
	unsigned good, bad;

	make_lab(&lab, a, lns_elsewhere);
	run_in(lab.server_netns,
	       "printf 'table inet admin {\\nchain input {\\ntype filter hook input priority -350;\\n"
	       "ct state established,new accept\\n}\\n}\\n' | nft -f -");
	exchange(&lab, control, sizeof(control), true);
	exchange(&lab, payload, sizeof(payload), false);
	client = exchange(&lab, control, sizeof(control), true);
	expect_all_encrypted(&lab, 6);
	assert_int_equal(counted(&lab, l2tp_in(&lab)), 2);
	assert_int_equal(counted(&lab, "l2tp-out"), 2);
	assert_int_equal(nfq_queue_stats(lab.queue).packets, 4);
	assert_int_equal(counted(&lab, a->ipv6 ? "to-lns-ip6" : "to-lns-ip"), 1);
	assert_int_equal(counted(&lab, RULES_NAME_CLEAR_L2TP), 0);
	assert_int_equal(counted(&lab, RULES_NAME_CLEAR_L2TP_OUT), 0);
	if (lns_elsewhere) {
		count_checksums(lab.lns_sniffer, &good, &bad);
		assert_int_equal(bad, 0);
		assert_int_equal(good, 3);
	}
	clear_packets_stay_out(&lab);
	the_lns_does_not_talk_in_the_clear(&lab, &client);
	leave_lab(&lab);
}

static void lns_on_an_internal_address(void **state)
{
	(void)state;
	one_session(&plain4, false);
	one_session(&natted4, false);
	one_session(&plain6, false);
}

static void lns_on_another_host(void **state)
{
	(void)state;
	one_session(&plain4, true);
	one_session(&natted4, true);
	one_session(&plain6, true);
}

/* That the checksum rule is what mends: without it the LNS' wire carries a wrong one. */
static void without_the_checksum_rule_it_is_wrong(void **state)
{
	struct lab lab;
	unsigned good, bad;
	struct sockaddr_storage from;
	char data[512];

	(void)state;
	make_lab(&lab, &natted4, true);
	run_in(lab.server_netns, "nft flush chain inet natshim checksum");
	send_to(lab.client, lab.a->server, payload, sizeof(payload));
	receive(&lab, lab.lns, data, &from, WAIT_MS);
	count_checksums(lab.lns_sniffer, &good, &bad);
	assert_int_equal(bad, 1);
	leave_lab(&lab);
}

/* What goes through to another host is none of ours: a tunnel-mode client may talk L2TP to anybody. */
static void transit_is_not_sent_to_the_lns(void **state)
{
	struct lab lab;
	struct sockaddr_storage from;
	char data[512];
	int other;

	(void)state;
	make_lab(&lab, &plain4, false);
	for (int i = 0; i < 2; i++) {
		FILE *ip = begin_ip(i ? lab.server_netns : lab.client_netns);
		fputs("xfrm policy flush\nxfrm state flush\n", ip);
		put_sa(ip, plain4.client, plain4.server, "0x301", "mode tunnel");
		fprintf(ip,
			"xfrm policy add dir %s src %s/32 dst %s/32 tmpl src %s dst %s proto esp reqid 1 "
			"mode tunnel\n",
			i ? "fwd" : "out", plain4.client, plain4.lns, plain4.client, plain4.server);
		end_ip(ip);
	}
	other = udp_socket(lab.lns_netns, plain4.lns, L2TP);
	send_to(lab.client, plain4.lns, payload, sizeof(payload));
	assert_int_equal(receive(&lab, other, data, &from, WAIT_MS), sizeof(payload));
	assert_int_equal(counted(&lab, "to-lns-ip"), 0);
	close(other);
	leave_lab(&lab);
}

/* One control message from this socket; it arrives, and whether it came up before shows in its mark. */
static void send_control(struct lab *lab, int from, bool marked)
{
	struct sockaddr_storage client;
	char data[512];

	send_to(from, lab->a->server, control, sizeof(control));
	assert_int_equal(receive(lab, lab->lns, data, &client, WAIT_MS),
			 sizeof(control) + (marked ? sizeof(mark) : 0));
}

/* The same addresses and ports by another SA, and another port by the session's own: neither is the session's. */
static void only_what_its_own_sa_brings(const struct addresses *a)
{
	char spi[16];
	struct lab lab;
	int neighbour;

	make_lab(&lab, a, false);
	neighbour = udp_socket(lab.client_netns, a->client, CLIENT_PORT + 1);
	send_control(&lab, lab.client, true);
	send_control(&lab, neighbour, false);
	for (int i = 0; i < 2; i++) {
		FILE *ip = begin_ip(i ? lab.server_netns : lab.client_netns);
		const char *const from = i ? a->seen : a->client;
		char mode[64] = "mode transport";

		if (a->nat)
			snprintf(mode, sizeof(mode), "mode transport encap espinudp %d %d 0.0.0.0",
				 i ? NAT_PORT : ENCAP_PORT, ENCAP_PORT);
		if (!i)
			fprintf(ip, "xfrm state delete src %s dst %s proto esp spi 0x%x\n", from, a->server,
				SPI);
		snprintf(spi, sizeof(spi), "0x%x", OTHER_SPI);
		put_sa(ip, from, a->server, spi, mode);
		end_ip(ip);
	}
	send_control(&lab, lab.client, false);
	assert_int_equal(counted(&lab, l2tp_in(&lab)), 1);
	close(neighbour);
	leave_lab(&lab);
}

static void l2tp_comes_up_by_its_own_sa_only(void **state)
{
	(void)state;
	only_what_its_own_sa_brings(&plain4);
	only_what_its_own_sa_brings(&natted4);
	only_what_its_own_sa_brings(&plain6);
}

/* Beside iptables of both kinds, with their own NAT. */
static void beside_iptables(void **state)
{
	static const char *const programs[] = {"iptables-nft", "iptables-legacy"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct lab lab;
		make_lab(&lab, &natted4, true);
		run_in(lab.server_netns,
		       "%s -P FORWARD DROP && %s -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j "
		       "ACCEPT && "
		       "%s -A FORWARD -i wan -p udp --dport 1701 -j ACCEPT && "
		       "%s -t nat -A POSTROUTING -o wan -j MASQUERADE",
		       programs[i], programs[i], programs[i], programs[i]);
		exchange(&lab, control, sizeof(control), true);
		exchange(&lab, payload, sizeof(payload), false);
		expect_all_encrypted(&lab, 4);
		leave_lab(&lab);
	}
}

/* As a test of its own in place of all others, so that one skipped test stands in the count. */
static void this_kernel_has_no_esp(void **state)
{
	(void)state;
	skip();
}

static bool kernel_has_esp(void)
{
	return unshare(CLONE_NEWNET) == 0 && system("ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp "
						    "spi 1 mode transport enc cipher_null '' "
						    "auth digest_null '' 2>/dev/null") == 0;
}

int main(void)
{
	const struct CMUnitTest without[] = {cmocka_unit_test(this_kernel_has_no_esp)};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lns_on_an_internal_address),
		cmocka_unit_test(lns_on_another_host),
		cmocka_unit_test(without_the_checksum_rule_it_is_wrong),
		cmocka_unit_test(transit_is_not_sent_to_the_lns),
		cmocka_unit_test(l2tp_comes_up_by_its_own_sa_only),
		cmocka_unit_test(beside_iptables),
	};

	if (!kernel_has_esp())
		return cmocka_run_group_tests(without, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
