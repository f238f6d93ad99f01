/* How long the packet path waits for an answer of the process with the secrets: round trips for SKEYID, wall clock.
 * bench_secrets [--json] */
#include "shim/secrets.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROUND_TRIPS = 20000 };

static const char secret[] = ": PSK \"secret\"\n";

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static bool measure(struct secrets *secrets, double *spent)
{
	static const struct endpoint server = {.addr_len = 4, .addr = {203, 0, 113, 1}};
	static const uint8_t nonce[20] = {1};
	const struct bytes n = {nonce, sizeof nonce};
	uint8_t skeyid[KEYS_HASH_MAX];

	for (unsigned i = 0; i < ROUND_TRIPS; i++) {
		const double began = now_us();

		if (!secrets_skeyid(secrets, &server, &server, ISAKMP_HASH_SHA1, n, n, skeyid))
			return false;
		spent[i] = now_us() - began;
	}
	qsort(spent, ROUND_TRIPS, sizeof *spent, compare);
	return true;
}

int main(int argc, char *argv[])
{
	static double spent[ROUND_TRIPS];
	char path[] = "/tmp/natshim-bench-XXXXXX", error[PSK_ERROR_MAX] = "no file";
	struct secrets *secrets = NULL;
	const int fd = mkstemp(path);
	bool done = fd >= 0 && write(fd, secret, strlen(secret)) == (ssize_t)strlen(secret) &&
		    secrets_open(&secrets, path, error) && measure(secrets, spent);

	secrets_close(secrets);
	unlink(path);
	if (!done) {
		fprintf(stderr, "bench_secrets: %s\n", error);
		return 1;
	}
	printf(argc > 1 && !strcmp(argv[1], "--json") ? "{\"skeyid_p50_us\": %.1f, \"skeyid_p99_us\": %.1f}\n"
						      : "SKEYID from the process with the secrets: %.1f us "
							"(half of them), %.1f us (99 of 100)\n",
	       spent[ROUND_TRIPS / 2], spent[ROUND_TRIPS * 99 / 100]);
	return 0;
}
