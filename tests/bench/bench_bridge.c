/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridged handshakes a second on one core: the phase 1 of a test vector through a fresh exchange each time, as a ratio to
 * the Diffie-Hellman operations that are in it, measured with the same OpenSSL in the same run. In CPU time. The rest of it
 * is parsing, HMAC, CBC and memory. bench_bridge [--json], from the checkout's root */
#include "tests/unit/bridge_vectors.h"

#include <time.h>

enum { HANDSHAKES = 150, ROUNDS = 5, PHASE1 = 6 };

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const struct vector_exchange *find(const struct vector_exchange *exchanges, unsigned count,
					  const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(exchanges[i].name, name))
			return &exchanges[i];
	return NULL;
}

/* The random bytes are those of the vector each time, so that its HASHes fit. */
static bool handshake(struct bridge *bridge, const struct vector_exchange *x, unsigned *random_at)
{
	static uint8_t out[BRIDGE_MESSAGE_MAX + BRIDGE_GROWTH_MAX];
	static struct bridge_result result;

	for (unsigned k = 0; k < PHASE1; k++) {
		const struct vector_step *step = &x->step[k];
		const struct bridge_datagram d = {step->direction, step->src,     step->dst, step->in,
						  step->in_length, step->dialect, out,       sizeof out};

		bridge_message(bridge, VECTOR_NOW_MS, &d, &result);
		if (result.verdict != BRIDGE_REPLACE)
			return false;
	}
	(void)random_at;
	return result.actions & BRIDGE_ACT_ESTABLISHED;
}

/* One of each in each group, as a handshake has them. */
static void exponentiate(struct dh *dh, unsigned group)
{
	uint8_t secret[DH_SECRET_LEN], value[DH_LENGTH_MAX], shared[DH_LENGTH_MAX];
	unsigned at = 8;

	vector_random(&at, secret, sizeof secret);
	dh_public(dh, group, secret, value);
	dh_shared(dh, group, secret, value, dh_length(group), shared);
}

static double time_handshakes(const struct vector_exchange *x)
{
	double spent = 0;

	for (unsigned i = 0; i < HANDSHAKES; i++) {
		unsigned random_at;
		const struct bridge_config config = vector_config("needed", &random_at);
		struct bridge *bridge = bridge_new(&config);
		const double start = cpu_s();

		if (!bridge || !handshake(bridge, x, &random_at)) {
			fprintf(stderr, "bench_bridge: the handshake failed\n");
			exit(1);
		}
		spent += cpu_s() - start;
		bridge_free(bridge);
	}
	return spent / HANDSHAKES;
}

static double time_arithmetic(void)
{
	struct dh *dh = dh_new();
	const double start = cpu_s();

	for (unsigned i = 0; i < HANDSHAKES; i++) {
		exponentiate(dh, 2);
		exponentiate(dh, 14);
	}
	const double spent = cpu_s() - start;

	dh_free(dh);
	return spent / HANDSHAKES;
}

int main(int argc, char *argv[])
{
	struct vector_exchange *exchanges = calloc(VECTOR_EXCHANGES_MAX, sizeof *exchanges);
	const unsigned count = vector_load(exchanges);
	const struct vector_exchange *x = find(exchanges, count, "3des-sha1-modp1024");
	double best_handshake = 1e9, best_arithmetic = 1e9;

	if (!x) {
		fprintf(stderr, "bench_bridge: no vectors; run it from the checkout's root\n");
		return 1;
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		const double h = time_handshakes(x), a = time_arithmetic();

		best_handshake = h < best_handshake ? h : best_handshake;
		best_arithmetic = a < best_arithmetic ? a : best_arithmetic;
	}
	printf(argc > 1 && !strcmp(argv[1], "--json")
		       ? "{\"handshakes_per_s\": %.0f, \"arithmetic_per_s\": %.0f, \"ratio\": %.3f}\n"
		       : "bridged handshakes: %.0f a second; their Diffie-Hellman operations alone: %.0f; "
			 "ratio %.3f\n",
	       1 / best_handshake, 1 / best_arithmetic, best_arithmetic / best_handshake);
	vector_unload(exchanges, count);
	free(exchanges);
	return 0;
}
