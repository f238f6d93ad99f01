/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session table with 0 to 100,000 sessions: memory for each, and what a tick, a fact and a whole sample of the counters
 * cost. bench_session [--json] */
#include "shim/session/session.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FACTS = 100000, TICKS = 1000 };

static const size_t sizes[] = {0, 1000, 10000, 100000};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Sixteen clients behind each address. */
static struct sa_info sa_of(size_t i, bool outbound, uint64_t packets)
{
	struct sa_info sa = {.spi = (uint32_t)(2 * i + outbound + 256),
			     .reqid = (uint32_t)(16384 + i),
			     .protocol = 50,
			     .upper_protocol = 17,
			     .our_port = 1701,
			     .peer_port = (uint16_t)(49152 + i % 16),
			     .outbound = outbound,
			     .transport = true,
			     .packets = packets,
			     .bytes = packets * 100};
	const uint32_t us = htonl(0xcb007101), peer = htonl((uint32_t)(0x0a000000 + i / 16));

	sa.us.addr_len = sa.peer.addr_len = 4;
	memcpy(sa.us.addr, &us, sizeof us);
	memcpy(sa.peer.addr, &peer, sizeof peer);
	sa.us.port = 4500;
	sa.peer.port = (uint16_t)(20000 + i % 16);
	return sa;
}

static void discard_actions(struct session_table *table, uint64_t now)
{
	struct session_action action;

	while (session_next_action(table, now, &action))
		if (action.kind == SESSION_SAMPLE)
			session_sampled(table, now);
}

static void sample(struct session_table *table, size_t count, uint64_t now, uint64_t packets)
{
	session_dump_begin(table);
	for (size_t i = 0; i < count; i++)
		for (int outbound = 0; outbound < 2; outbound++) {
			const struct sa_info sa = sa_of(i, outbound, packets);

			session_sa(table, now, &sa, 0);
		}
	session_dump_end(table, now);
	discard_actions(table, now);
}

struct figures {
	size_t sessions, memory;
	uint64_t sample_ns, tick_ns, tick_worst_ns, fact_ns;
};

/* 1000 seconds of ticks while every session lives; the deadlines of all come once. */
static void measure_ticks(struct session_table *table, size_t count, uint64_t *now, struct figures *out)
{
	for (unsigned i = 0; i < TICKS; i++) {
		const uint64_t began = clock_ns();

		*now += 1000;
		session_tick(table, *now);
		discard_actions(table, *now);
		const uint64_t took = clock_ns() - began;

		out->tick_ns += took;
		if (took > out->tick_worst_ns)
			out->tick_worst_ns = took;
		if (i % 300 == 299)
			sample(table, count, *now, 3 + i);
	}
	out->tick_ns /= TICKS;
}

static struct figures measure(size_t count)
{
	struct session_config config;
	struct figures out = {.sessions = count};
	uint64_t now = 1000000;

	session_config_default(&config);
	struct session_table *table = session_table_new(&config);

	if (!table)
		exit(1);
	sample(table, count, now, 1);
	out.memory = session_stats(table).memory;
	uint64_t began = clock_ns();

	sample(table, count, now += 5000, 2);
	out.sample_ns = clock_ns() - began;
	measure_ticks(table, count, &now, &out);
	began = clock_ns();
	for (size_t i = 0; i < FACTS; i++) {
		const struct sa_info sa = sa_of(count ? i % count : i, false, 0);

		session_alive(table, now, &sa.peer, 10);
	}
	out.fact_ns = (clock_ns() - began) / FACTS;
	session_table_free(table);
	return out;
}

int main(int argc, char **argv)
{
	const bool json = argc > 1 && !strcmp(argv[1], "--json");

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const struct figures f = measure(sizes[i]);
		const double each = f.sessions ? (double)f.memory / (double)f.sessions : 0;

		if (json)
			printf("%s\"%zu\": {\"memory_bytes\": %zu, \"memory_per_session\": %.0f, "
			       "\"tick_ns\": %llu, "
			       "\"tick_worst_ns\": %llu, \"fact_ns\": %llu, \"sample_ns\": %llu}%s\n",
			       i ? " " : "{", f.sessions, f.memory, each, (unsigned long long)f.tick_ns,
			       (unsigned long long)f.tick_worst_ns, (unsigned long long)f.fact_ns,
			       (unsigned long long)f.sample_ns,
			       i + 1 < sizeof sizes / sizeof *sizes ? "," : "}");
		else
			printf("%6zu sessions: %5.1f MiB (%3.0f bytes each), tick %6llu ns (worst %8llu), "
			       "a fact %4llu ns, sample of all %6.2f ms\n",
			       f.sessions, (double)f.memory / 1048576, each, (unsigned long long)f.tick_ns,
			       (unsigned long long)f.tick_worst_ns, (unsigned long long)f.fact_ns,
			       (double)f.sample_ns / 1e6);
	}
	return 0;
}
