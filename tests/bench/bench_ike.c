/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one translation costs in memory, in nanoseconds of CPU time: the median of many short rounds, so that a busy
 * machine disturbs it little. The messages are test vectors; each call gets a fresh copy, which is counted in.
 *
 *   bench_ike [--json]     from the checkout's root */
#include "shim/ike/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 101, CALLS = 2000, LENGTH_MAX = 2048, MESSAGES = 4 };

struct message {
	enum ike_direction direction;
	struct endpoint src, dst;
	uint8_t data[LENGTH_MAX];
	size_t length;
};

struct bench {
	const char *name, *file, *exchange;
	unsigned message;    /* the one that is measured, from 1 */
	bool before;         /* the ones before it are translated first, so that its exchange is known */
	bool another_cookie; /* each time: a flood of forged first messages */
};

#define SYNTHETIC "tests/vectors/ike/synthetic.txt"
#define GENUINE "tests/vectors/ike/genuine.txt"
static const struct bench benches[] = {
	{"first message, rewritten", GENUINE, "apple/3", 1, true, false},
	{"second message, rewritten", GENUINE, "apple/3, server answers in RFC 3947", 2, true, false},
	{"third message, order proven by SHA1", GENUINE, "apple/3", 3, true, false},
	{"third message, order proven by MD5", SYNTHETIC, "main/apple/md5", 3, true, false},
	{"third message, order proven by SHA2-256", SYNTHETIC, "main/apple/sha256", 3, true, false},
	{"third message, order proven by SHA2-512", SYNTHETIC, "main/apple/sha512", 3, true, false},
	{"third message, server behind NAT, two proofs", SYNTHETIC, "server-nat-public/main/apple", 3, true,
	 false},
	{"fourth message, order proven by SHA1", GENUINE, "apple/3, server answers in RFC 3947", 4, true,
	 false},
	{"ordinary first message, RFC 3947", SYNTHETIC, "main/rfc3947", 1, true, false},
	{"ordinary first message, Leopard", GENUINE, "leopard/20", 1, true, false},
	{"message of no known exchange", GENUINE, "leopard/20", 3, false, false},
	{"encrypted message", GENUINE, "apple/3", 5, false, false},
	{"IKEv2", SYNTHETIC, "ikev2", 1, false, false},
	{"flood of forged first messages", GENUINE, "apple/3", 1, false, true},
};

static size_t read_hex(const char *text, uint8_t *out)
{
	size_t length = 0;
	unsigned byte;

	while (length < LENGTH_MAX && sscanf(text + 2 * length, "%2x", &byte) == 1)
		out[length++] = (uint8_t)byte;
	return length;
}

/* The first messages of the exchange; how many there are. */
static unsigned load(const struct bench *bench, struct message *messages, struct ike_config *config)
{
	static char line[2 * LENGTH_MAX + 16];
	char direction[16], a[ENDPOINT_TEXT_MAX], b[ENDPOINT_TEXT_MAX];
	FILE *f = fopen(bench->file, "r");
	unsigned count = 0;
	bool found = false;

	while (f && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "exchange ", 9)) {
			found = !strcmp(line + 9, bench->exchange);
		} else if (!found || count > bench->message) {
			continue;
		} else if (!strncmp(line, "public ", 7)) {
			endpoint_parse(line + 7, &config->public_addr4);
		} else if (!strncmp(line, "in ", 3)) {
			messages[count - 1].length = read_hex(line + 3, messages[count - 1].data);
		} else if (!strncmp(line, "to-", 3) && count++ < bench->message &&
			   sscanf(line, "%15s %55s %55s", direction, a, b) == 3) {
			messages[count - 1].direction = strcmp(direction, "to-server") != 0;
			endpoint_parse(a, &messages[count - 1].src);
			endpoint_parse(b, &messages[count - 1].dst);
		}
	}
	if (f)
		fclose(f);
	return count < bench->message ? count : bench->message;
}

static void translate(struct ike_table *table, const struct message *m, uint32_t cookie)
{
	uint8_t copy[LENGTH_MAX];
	struct ike_datagram d = {m->direction, m->src, m->dst, copy, m->length};

	memcpy(copy, m->data, m->length);
	if (cookie)
		memcpy(copy, &cookie, sizeof cookie);
	ike_translate(table, cookie, &d);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median of the rounds; negative when the vector is not there. */
static double measure(const struct bench *bench)
{
	static struct message messages[MESSAGES * 2];
	struct ike_config config = {.seed = 1};
	double round[ROUNDS];
	uint32_t cookie = 0;
	struct ike_table *table;

	if (load(bench, messages, &config) < bench->message || !(table = ike_table_new(&config)))
		return -1;
	for (unsigned i = 0; bench->before && i + 1 < bench->message; i++)
		translate(table, &messages[i], 0);
	for (unsigned r = 0; r < ROUNDS; r++) {
		const double start = now_ns();

		for (unsigned i = 0; i < CALLS; i++)
			translate(table, &messages[bench->message - 1], bench->another_cookie ? ++cookie : 0);
		round[r] = (now_ns() - start) / CALLS;
	}
	ike_table_free(table);
	qsort(round, ROUNDS, sizeof *round, compare);
	return round[ROUNDS / 2];
}

int main(int argc, char **argv)
{
	const bool json = argc > 1 && !strcmp(argv[1], "--json");
	const size_t count = sizeof benches / sizeof *benches;

	for (size_t i = 0; i < count; i++) {
		const double ns = measure(&benches[i]);

		if (ns < 0) {
			fprintf(stderr, "bench_ike: %s: no exchange '%s' with %u messages\n", benches[i].file,
				benches[i].exchange, benches[i].message);
			return 1;
		}
		if (json)
			printf("%s\"%s\": %.1f%s", i ? ", " : "{", benches[i].name, ns,
			       i + 1 < count ? "" : "}\n");
		else
			printf("%s: %.0f\n", benches[i].name, ns);
	}
	return 0;
}
