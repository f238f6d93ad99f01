/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What it costs that SAs get their keys from a process of its own: a question for an SA that is not there, to the kernel at
 * once and by way of natshim-xfrm. bench_swap [--json] */
#include "shim/proc/rekeyer.h"
#include "tests/bench/round_trips.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct endpoint nobody = {.addr_len = 4, .addr = {203, 0, 113, 1}};
static struct swap_change change(void)
{
	return (struct swap_change){
		.destination = nobody, .spi = {0, 0, 0x10, 1}, .material_length = SWAP_MATERIAL_MAX};
}

static bool ask_kernel(void *ctx)
{
	const struct swap_change c = change();

	return swap_keys(ctx, &c, NULL) == -ESRCH;
}

static bool ask_process(void *ctx)
{
	const struct swap_change c = change();

	return swapper_keys(ctx, &c, NULL) == -ESRCH;
}

int main(int argc, char *argv[])
{
	struct round_trips kernel, process;
	struct swapper *swapper = NULL;
	struct swap *swap = NULL;
	int rc = swapper_open(&swapper);
	bool done;

	if (!rc)
		rc = swap_open(&swap);
	done = !rc && round_trips(ask_kernel, swap, &kernel) && round_trips(ask_process, swapper, &process);
	swap_close(swap);
	swapper_close(swapper);
	if (rc == -EPROTONOSUPPORT) { /* a kernel without XFRM */
		puts("{}");
		return 0;
	}
	if (!done) {
		fprintf(stderr, "bench_swap: %s\n", rc ? strerror(-rc) : "no answer");
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
