/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long one question takes, asked over and over: wall clock. */
#ifndef NATSHIM_TESTS_BENCH_ROUND_TRIPS_H
#define NATSHIM_TESTS_BENCH_ROUND_TRIPS_H

#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum { ROUND_TRIPS = 20000 };

struct round_trips {
	double p50_us, p99_us;
};

static double round_trips_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int round_trips_compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* ask: false ends it, and the whole. */
static inline bool round_trips(bool (*ask)(void *ctx), void *ctx, struct round_trips *out)
{
	static double spent[ROUND_TRIPS];

	for (unsigned i = 0; i < ROUND_TRIPS; i++) {
		const double began = round_trips_now_us();

		if (!ask(ctx))
			return false;
		spent[i] = round_trips_now_us() - began;
	}
	qsort(spent, ROUND_TRIPS, sizeof *spent, round_trips_compare);
	*out = (struct round_trips){spent[ROUND_TRIPS / 2], spent[ROUND_TRIPS * 99 / 100]};
	return true;
}

#endif
