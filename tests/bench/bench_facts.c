/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the process that parses packets spends on one message of natshim-xfrm: 64 SAs of a dump, received, checked, and looked up in
 * a table of 5,000 sessions. bench_facts [--json] */
#include "shim/session/session.h"
#include "shim/proc/rekeyer_process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { SAS = 10000, MESSAGES = 2000 };

static double clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Sixteen clients behind each address; each has two SAs. */
static struct sa_info sa_of(unsigned i, uint64_t packets)
{
	const unsigned client = i / 2;
	struct sa_info sa = {.us = {.addr_len = 4, .addr = {203, 0, 113, 1}, .port = 4500},
			     .peer = {.addr_len = 4, .port = (uint16_t)(20000 + client % 16)},
			     .spi = 256 + i,
			     .reqid = 16384 + client,
			     .protocol = 50,
			     .upper_protocol = 17,
			     .our_port = 1701,
			     .peer_port = (uint16_t)(49152 + client % 16),
			     .outbound = i % 2,
			     .transport = true,
			     .dumped = true,
			     .packets = packets,
			     .bytes = packets * 100};

	sa.peer.addr[0] = 10;
	sa.peer.addr[1] = (uint8_t)(client / 16 >> 8);
	sa.peer.addr[2] = (uint8_t)(client / 16);
	return sa;
}

static void make(struct sa_facts *message, unsigned number)
{
	memset(message, 0, sizeof *message);
	message->count = SA_FACTS_MAX;
	for (unsigned i = 0; i < SA_FACTS_MAX; i++) {
		message->facts[i].kind = SA_FACT_SA;
		message->facts[i].sa = sa_of((number * SA_FACTS_MAX + i) % SAS, number);
	}
}

static bool take(int fd, struct session_table *table, uint64_t now)
{
	struct sa_facts message;
	const ssize_t got = recv(fd, &message, sizeof message, MSG_TRUNC);

	if (got < 0 || !sa_facts_sound(&message, (size_t)got))
		return false;
	for (uint32_t i = 0; i < message.count; i++)
		session_sa(table, now, &message.facts[i].sa, 0);
	return true;
}

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char *argv[])
{
	static double took[MESSAGES];
	struct session_config config;
	struct session_action action;
	struct sa_facts message;
	int pair[2];

	session_config_default(&config);
	struct session_table *table = session_table_new(&config);

	if (!table || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return 1;
	for (unsigned i = 0; i < SAS; i++) {
		const struct sa_info sa = sa_of(i, 0);

		session_sa(table, 1000, &sa, 0);
	}
	while (session_next_action(table, 1000, &action))
		;
	for (unsigned i = 0; i < MESSAGES; i++) {
		make(&message, i);
		if (send(pair[0], &message, sa_facts_size(message.count), 0) < 0)
			return 1;
		const double began = clock_us();

		if (!take(pair[1], table, 2000 + i))
			return 1;
		took[i] = clock_us() - began;
	}
	session_table_free(table);
	qsort(took, MESSAGES, sizeof *took, by_size);
	printf(argc > 1 && !strcmp(argv[1], "--json")
		       ? "{\"p50_us\": %.1f, \"p99_us\": %.1f, \"longest_us\": %.1f, \"bytes\": %zu}\n"
		       : "64 SAs of a dump: %.1f us (half of them), %.1f us (99 of 100), %.1f us (the "
			 "longest), %zu "
			 "bytes\n",
	       took[MESSAGES / 2], took[MESSAGES * 99 / 100], took[MESSAGES - 1],
	       sa_facts_size(SA_FACTS_MAX));
	return 0;
}
