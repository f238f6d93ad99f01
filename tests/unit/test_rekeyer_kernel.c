/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/proc/rekeyer against a kernel with IPsec, in a network namespace of its own: what natshim-xfrm tells of SAs, and that it
 * answers meanwhile. Skipped where the kernel has no ESP; tests/vm/test_xfrm runs it in one that has. */
#include "shim/clock.h"
#include "shim/proc/rekeyer.h"
#include "tests/unit/role_alone.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#define KEYS                                                                                                 \
	"auth-trunc hmac(sha1) 0x1111111111111111111111111111111111111111 96 enc cbc(aes) "                  \
	"0x22222222222222222222222222222222"
#define FIRST_SPI 0x10000u
#define MANY 3000u
#define PATIENCE_MS 60000

static bool capable;
static struct rekeyer *rekeyer;
static struct role_alone alone;
static struct endpoint client;

static struct heard {
	unsigned begun, ended, lost, gone, events; /* events: SAs told of outside a dump */
	unsigned seen[MANY];                       /* by SPI, in the dump that was begun last */
	uint32_t last_gone;
} heard;

static void on_sa(void *ctx, const struct sa_info *sa)
{
	(void)ctx;
	if (sa->dumped)
		heard.seen[(sa->spi - FIRST_SPI) % MANY]++;
	else
		heard.events++;
	assert_true(sa->outbound);
	assert_true(endpoint_same_host(&sa->peer, &client));
}

static void on_sa_gone(void *ctx, const struct sa_info *sa)
{
	(void)ctx;
	heard.gone++;
	heard.last_gone = sa->spi;
}

static void on_dump_begin(void *ctx, uint64_t at_ms)
{
	(void)ctx;
	assert_in_range(at_ms, 1, clock_now_ms());
	heard.begun++;
	memset(heard.seen, 0, sizeof heard.seen);
}

static void on_dump_end(void *ctx, int error)
{
	(void)ctx;
	assert_int_equal(error, 0);
	heard.ended++;
}

static void on_lost(void *ctx)
{
	(void)ctx;
	heard.lost++;
}

static void on_failed(void *ctx, int error)
{
	(void)ctx;
	fail_msg("xfrm: %s", strerror(-error));
}

static const struct rekeyer_handlers handlers = {.sa = on_sa,
						 .sa_gone = on_sa_gone,
						 .dump_begin = on_dump_begin,
						 .dump_end = on_dump_end,
						 .lost = on_lost,
						 .failed = on_failed};

static unsigned seen(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MANY; i++)
		count += heard.seen[i] > 0;
	return count;
}

/* Reads facts until *counter is at least that. */
static void await(const unsigned *counter, unsigned wanted)
{
	const uint64_t until = clock_now_ms() + PATIENCE_MS;

	while (*counter < wanted && clock_now_ms() < until) {
		struct pollfd ready = {.fd = rekeyer_facts_fd(rekeyer), .events = POLLIN};

		if (poll(&ready, 1, 100) > 0)
			assert_int_equal(rekeyer_read_facts(rekeyer, 1, &handlers, NULL), 0);
	}
	assert_in_range(*counter, wanted, UINT32_MAX);
}

/* What has come after all that came before it. */
static void await_dump(void)
{
	const unsigned ended = heard.ended;

	rekeyer_dump(rekeyer);
	await(&heard.ended, ended + 1);
}

static void run(const char *command)
{
	assert_int_equal(system(command), 0);
}

static void each_sa(const char *verb, const char *rest, unsigned count)
{
	FILE *batch = popen("ip -batch -", "w");

	assert_non_null(batch);
	for (unsigned i = 0; i < count; i++)
		fprintf(batch, "xfrm state %s src 203.0.113.1 dst 198.51.100.7 proto esp spi %u %s\n", verb,
			FIRST_SPI + i, rest);
	assert_int_equal(pclose(batch), 0);
}

static void add_sas(unsigned count)
{
	each_sa("add", "mode transport " KEYS, count);
}

static void begin(void)
{
	if (!capable)
		skip();
	memset(&heard, 0, sizeof heard);
	assert_true(role_alone_begin(&alone, rekeyer_role()));
	assert_int_equal(rekeyer_open(&rekeyer, alone.parent.near[0]), 0);
}

static int finish(void **state)
{
	(void)state;
	if (!rekeyer)
		return 0;
	rekeyer_close(rekeyer);
	role_alone_end(&alone);
	rekeyer = NULL;
	return system("ip xfrm state flush");
}

static int give_key(uint32_t number)
{
	struct rekey_change change = {.destination = client,
				      .spi = {0, 1, (uint8_t)(number >> 8), (uint8_t)number},
				      .outbound = true,
				      .material_length = 36};

	memset(change.expected, 0x22, 16);
	memset(change.expected + 16, 0x11, 20);
	memset(change.material, 0x44, 36);
	return rekeyer_rekey(rekeyer, &change, NULL);
}

/* A dump that nobody takes is begun and not ended: a question is answered all the same, nothing is lost of the dump, and what
 * happened meanwhile is told, too. */
static void test_dump_that_nobody_reads(void **state)
{
	(void)state;
	if (!capable)
		skip();
	add_sas(MANY);
	begin();
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(give_key(i), 0); /* within REKEYER_ANSWER_MS, each */
		usleep(10000);
	}
	run("ip xfrm state delete src 203.0.113.1 dst 198.51.100.7 proto esp spi 68535"); /* the last one */
	await(&heard.ended, 1);
	await(&heard.gone, 1);
	assert_int_equal(heard.last_gone, FIRST_SPI + MANY - 1);
	assert_int_equal(heard.begun, 1);
	assert_in_range(seen(), MANY - 1, MANY);
	await_dump();
	assert_int_equal(seen(), MANY - 1);
	assert_int_equal(heard.seen[MANY - 1], 0);
	assert_int_equal(heard.gone, 1);
	assert_int_equal(rekeyer_stats(rekeyer).dumps, 2);
}

/* Deleted and added again by ourselves: no end, and no beginning. By others: both. */
static void test_own_changes(void **state)
{
	(void)state;
	begin();
	await(&heard.ended, 1);
	add_sas(2);
	await(&heard.events, 2);
	assert_int_equal(give_key(0), 0);
	assert_int_equal(give_key(1), 0);
	await_dump();
	assert_int_equal(heard.events, 2);
	assert_int_equal(heard.gone, 0);
	assert_int_equal(seen(), 2);
	each_sa("delete", "", 1);
	await(&heard.gone, 1);
	add_sas(1);
	await(&heard.events, 3);
}

/* The first child of a process. */
static pid_t child_of(pid_t process)
{
	char path[64];
	int child = 0;
	FILE *in;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)process, (int)process);
	in = fopen(path, "r");
	assert_non_null(in);
	if (fscanf(in, "%d", &child) != 1)
		child = 0;
	fclose(in);
	return child;
}

/* It dies in the middle of a dump; what nobody watched is in the next one's, and nothing was told as gone. */
static void test_dies_in_a_dump(void **state)
{
	(void)state;
	if (!capable)
		skip();
	add_sas(MANY);
	begin();
	await(&heard.begun, 1);
	assert_int_equal(heard.ended, 0); /* facts are on their way, and more wait for room */
	assert_int_equal(kill(child_of(getpid()), SIGSTOP),
			 0); /* the parent, so that there is none meanwhile */
	assert_int_equal(kill(child_of(child_of(getpid())), SIGKILL), 0);
	each_sa("delete", "", 7);
	assert_int_equal(kill(child_of(getpid()), SIGCONT), 0);
	await(&heard.lost, 2); /* the first process' own beginning is the first */
	await(&heard.ended, 1);
	assert_int_equal(heard.begun, 2);
	assert_int_equal(seen(), MANY - 7);
	assert_int_equal(heard.gone, 0);
	await_dump(); /* of it, too, one can be asked for */
	assert_int_equal(heard.begun, 3);
}

/* Stopped, it tells nothing; going on, it tells all of it. */
static void test_stopped(void **state)
{
	pid_t process;

	(void)state;
	begin();
	await(&heard.ended, 1);
	process = child_of(child_of(getpid()));
	kill(process, SIGSTOP);
	add_sas(100);
	for (unsigned i = 0; i < 1000; i++) /* which are not piled up */
		rekeyer_dump(rekeyer);
	assert_int_equal(rekeyer_read_facts(rekeyer, 10, &handlers, NULL), 0);
	assert_int_equal(heard.events, 0);
	kill(process, SIGCONT);
	await(&heard.events, 100);
	await(&heard.ended, 2);
	assert_int_equal(seen(), 100);
	await_dump();
	assert_int_equal(heard.ended, 3);
}

static int enter(void **state)
{
	(void)state;
	assert_true(endpoint_parse("198.51.100.7", &client));
	if (unshare(CLONE_NEWNET))
		return 0;
	capable = !system("ip link set lo up && ip link add d0 type dummy && ip link set d0 up && "
			  "ip addr add 203.0.113.1/24 dev d0 && ip route add default dev d0 && "
			  "ip xfrm state add src 203.0.113.1 dst 198.51.100.7 proto esp spi 1 mode transport "
			  "auth-trunc 'hmac(sha1)' 0x1111111111111111111111111111111111111111 96 enc "
			  "'cbc(aes)' 0x22222222222222222222222222222222 2>/dev/null && ip xfrm state flush");
	if (!capable)
		print_message("# no IPsec in this kernel, or not root\n");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_dump_that_nobody_reads, finish),
		cmocka_unit_test_teardown(test_own_changes, finish),
		cmocka_unit_test_teardown(test_dies_in_a_dump, finish),
		cmocka_unit_test_teardown(test_stopped, finish),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
