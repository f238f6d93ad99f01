/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sends one packet many times, and says how long each took: for tests/bench/data_path, in whose machine the clock counts
 * instructions, and the kernel receives a packet while it is sent.
 *
 *   bench_packets frame INTERFACE BATCHES COUNT < FRAME          a whole Ethernet frame
 *   bench_packets udp FROM TO PORT BATCHES COUNT < PAYLOAD       a datagram, from PORT to PORT (IPv4)
 *
 * Prints the mean of each batch in ns, one a line. */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PACKET_MAX = 2048 };

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int open_frame(const char *interface)
{
	const struct sockaddr_ll at = {.sll_family = AF_PACKET,
				       .sll_ifindex = (int)if_nametoindex(interface)};
	const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at))
		die(interface);
	return fd;
}

static int open_udp(const char *from, const char *to, const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
	    inet_pton(AF_INET, from, &at.sin_addr) != 1 || bind(fd, (const struct sockaddr *)&at, sizeof at))
		die(from);
	if (inet_pton(AF_INET, to, &at.sin_addr) != 1 || connect(fd, (const struct sockaddr *)&at, sizeof at))
		die(to);
	return fd;
}

int main(int argc, char *argv[])
{
	uint8_t packet[PACKET_MAX];
	const size_t length = fread(packet, 1, sizeof packet, stdin);
	int fd;

	if (argc == 5 && !strcmp(argv[1], "frame"))
		fd = open_frame(argv[2]);
	else if (argc == 7 && !strcmp(argv[1], "udp"))
		fd = open_udp(argv[2], argv[3], argv[4]);
	else
		return 2;
	const int batches = atoi(argv[argc - 2]), count = atoi(argv[argc - 1]);

	for (int b = 0; b < batches; b++) {
		const uint64_t began = now_ns();

		for (int i = 0; i < count; i++)
			if (send(fd, packet, length, 0) < 0)
				die("send");
		printf("%.1f\n", (double)(now_ns() - began) / count);
	}
	return 0;
}
