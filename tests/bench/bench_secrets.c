/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long the packet path waits for an answer of the process with the secrets: round trips for SKEYID, wall clock.
 * bench_secrets [--json] */
#include "shim/proc/secrets.h"
#include "tests/bench/round_trips.h"
#include "tests/unit/role_alone.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char secret[] = ": PSK \"secret\"\n";

static bool ask(void *ctx)
{
	static const struct endpoint server = {.addr_len = 4, .addr = {203, 0, 113, 1}};
	static const uint8_t nonce[20] = {1};
	const struct bytes n = {nonce, sizeof nonce};
	uint8_t skeyid[KEYS_HASH_MAX];

	return secrets_skeyid(ctx, &server, &server, ISAKMP_HASH_SHA1, n, n, skeyid) > 0;
}

int main(int argc, char *argv[])
{
	struct round_trips spent;
	char path[] = "/tmp/natshim-bench-XXXXXX", error[PSK_ERROR_MAX] = "no file";
	struct secrets *secrets = NULL;
	struct role_alone alone;
	const int fd = mkstemp(path);
	bool done = fd >= 0 && write(fd, secret, strlen(secret)) == (ssize_t)strlen(secret) &&
		    role_alone_begin(&alone, secrets_role(path)) &&
		    secrets_open(&secrets, alone.parent.near[0][0], error) &&
		    round_trips(ask, secrets, &spent);

	secrets_close(secrets);
	unlink(path);
	if (!done) {
		fprintf(stderr, "bench_secrets: %s\n", error);
		return 1;
	}
	printf(argc > 1 && !strcmp(argv[1], "--json") ? "{\"skeyid_p50_us\": %.1f, \"skeyid_p99_us\": %.1f}\n"
						      : "SKEYID from the process with the secrets: %.1f us "
							"(half of them), %.1f us (99 of 100)\n",
	       spent.p50_us, spent.p99_us);
	return 0;
}
