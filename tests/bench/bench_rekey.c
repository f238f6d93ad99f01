/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What it costs that SAs get their keys from a process of its own: a question for an SA that is not there, to the kernel at
 * once and by way of natshim-xfrm. bench_rekey [--json] */
#include "shim/proc/rekeyer.h"
#include "tests/bench/round_trips.h"
#include "tests/unit/role_alone.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct endpoint nobody = {.addr_len = 4, .addr = {203, 0, 113, 1}};
static struct rekey_change change(void)
{
	return (struct rekey_change){
		.destination = nobody, .spi = {0, 0, 0x10, 1}, .material_length = REKEY_MATERIAL_MAX};
}

static bool ask_kernel(void *ctx)
{
	const struct rekey_change c = change();

	return rekey_sa(ctx, &c, NULL) == -ESRCH;
}

static bool ask_process(void *ctx)
{
	const struct rekey_change c = change();

	return rekeyer_rekey(ctx, &c, NULL) == -ESRCH;
}

int main(int argc, char *argv[])
{
	struct round_trips kernel, process;
	struct rekeyer *rekeyer = NULL;
	struct rekey *rekey = NULL;
	struct role_alone alone;
	int rc = role_alone_begin(&alone, rekeyer_role()) ? rekeyer_open(&rekeyer, alone.parent.near[0])
							  : -ECHILD;
	bool done;

	if (!rc)
		rc = rekey_open(&rekey);
	done = !rc && round_trips(ask_kernel, rekey, &kernel) && round_trips(ask_process, rekeyer, &process);
	rekey_close(rekey);
	rekeyer_close(rekeyer);
	if (rc == -EPROTONOSUPPORT) { /* a kernel without XFRM */
		puts("{}");
		return 0;
	}
	if (!done) {
		fprintf(stderr, "bench_rekey: %s\n", rc ? strerror(-rc) : "no answer");
		return 1;
	}
	printf(argc > 1 && !strcmp(argv[1], "--json")
		       ? "{\"kernel_p50_us\": %.1f, \"kernel_p99_us\": %.1f, \"process_p50_us\": %.1f, "
			 "\"process_p99_us\": %.1f}\n"
		       : "an SA looked for: by the kernel %.1f us (half of them), %.1f us (99 of 100); by "
			 "way of natshim-xfrm %.1f us, "
			 "%.1f us\n",
	       kernel.p50_us, kernel.p99_us, process.p50_us, process.p99_us);
	return 0;
}
