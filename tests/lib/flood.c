/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forged first messages: flood ADDRESS SECONDS SOURCES RATE < message. UDP to port 500 of ADDRESS (IPv4) from port 500 of SOURCES
 * random addresses of 11.0.0.0/8 (0: of all), each with an initiator cookie of its own; RATE a second, 0: as
 * fast as it goes. Prints how many were sent a second. */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, MESSAGE_MAX = 1400, HEADERS = sizeof(struct iphdr) + sizeof(struct udphdr), COOKIE = 8 };

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint8_t packets[BATCH][HEADERS + MESSAGE_MAX];

static void prepare(size_t length, struct in_addr to)
{
	for (int i = 0; i < BATCH; i++) {
		struct iphdr *ip = (void *)packets[i];
		struct udphdr *udp = (void *)(packets[i] + sizeof *ip);

		if (i)
			memcpy(packets[i], packets[0], HEADERS + length);
		*ip = (struct iphdr){.version = 4,
				     .ihl = 5,
				     .ttl = 64,
				     .protocol = IPPROTO_UDP,
				     .tot_len = htons((uint16_t)(HEADERS + length)),
				     .daddr = to.s_addr};
		*udp = (struct udphdr){.source = htons(500),
				       .dest = htons(500),
				       .len = htons((uint16_t)(sizeof *udp + length))};
	}
}

static void forge(int i, uint64_t sources)
{
	struct iphdr *ip = (void *)packets[i];
	const uint64_t cookie = next_random() | 1, random = next_random();

	ip->saddr = htonl(0x0b000000u + (uint32_t)(sources ? random % sources : random & 0xffffff));
	memcpy(packets[i] + HEADERS, &cookie, COOKIE);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	const int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	const ssize_t length = read(STDIN_FILENO, packets[0] + HEADERS, MESSAGE_MAX);
	uint64_t sent = 0, sources, rate;
	double began, end;

	if (argc != 5 || fd < 0 || length < COOKIE || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	sources = strtoull(argv[3], NULL, 10);
	rate = strtoull(argv[4], NULL, 10);
	prepare((size_t)length, to.sin_addr);
	memset(messages, 0, sizeof messages);
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){packets[i], HEADERS + (size_t)length};
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &parts[i], .msg_iovlen = 1};
	}
	state ^= (uint64_t)getpid() << 32;
	began = now();
	end = began + strtod(argv[2], NULL);
	while (now() < end) {
		if (rate && (double)sent > (now() - began) * (double)rate) {
			usleep(1000);
			continue;
		}
		for (int i = 0; i < BATCH; i++)
			forge(i, sources);
		const int n = sendmmsg(fd, messages, BATCH, 0);

		sent += n > 0 ? (uint64_t)n : 0;
	}
	printf("%llu\n", (unsigned long long)((double)sent / (now() - began)));
	return 0;
}
