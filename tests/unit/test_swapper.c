/* shim/stack/swapper and the processes at its other end: what they refuse, and what comes of a process that dies or stops. Skipped
 * where the kernel has no XFRM; tests/vm/test_xfrm runs test_swap_kernel in one that has ESP, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/clock.h"
#include "shim/stack/swap_process.h"
#include "shim/stack/swapper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static const uint8_t spi[4] = {0, 0, 0x10, 1}, material[SWAP_MATERIAL_MAX];
static struct endpoint somebody;
static struct swapper *swapper;
static unsigned heard[SWAPPER_GONE + 1];

static void on_news(void *ctx, enum swapper_news news)
{
	(void)ctx;
	heard[news]++;
}

static int begin(void **state)
{
	(void)state;
	memset(heard, 0, sizeof heard);
	assert_true(endpoint_parse("192.0.2.9", &somebody));
	if (swapper_open(&swapper))
		swapper = NULL;
	else
		swapper_on_news(swapper, on_news, NULL);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	swapper_close(swapper);
	return 0;
}

static int ask(void)
{
	if (!swapper)
		skip();
	return swapper_keys(swapper, &somebody, spi, material, sizeof material, NULL);
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

static pid_t worker(void)
{
	const pid_t found = child_of(child_of(getpid()));

	assert_true(found > 0);
	return found;
}

static void test_refuses(void **state)
{
	struct swap_request request = {
		.operation = SWAP_DO_KEYS, .destination = somebody, .material_length = 128};

	(void)state;
	assert_true(swap_request_sound(&request));
	request.material_length++;
	assert_false(swap_request_sound(&request));
	request.material_length = 0;
	request.destination.addr_len = 5;
	assert_false(swap_request_sound(&request));
	request.destination.addr_len = 16;
	assert_true(swap_request_sound(&request));
	request.operation = SWAP_OPERATIONS;
	assert_false(swap_request_sound(&request));
}

static void test_answers(void **state)
{
	(void)state;
	assert_int_equal(ask(), -ESRCH);
	assert_int_equal(swapper_keys(swapper, &somebody, spi, material, sizeof material + 1, NULL),
			 -EMSGSIZE);
	somebody.addr_len = 7; /* not even answered: it waits, and then not at all for a while */
	assert_int_equal(ask(), -ETIMEDOUT);
	assert_int_equal(heard[SWAPPER_SILENT], 1);
}

static void await_news(enum swapper_news news)
{
	const uint64_t until = clock_now_ms() + 5000;

	while (!heard[news] && clock_now_ms() < until) {
		struct pollfd ready = {.fd = swapper_fd(swapper), .events = POLLIN};

		poll(&ready, 1, 100);
		swapper_read(swapper, NULL, NULL);
	}
	assert_int_equal(heard[news], 1);
}

static void test_dies(void **state)
{
	(void)state;
	assert_int_equal(ask(), -ESRCH);
	kill(worker(), SIGKILL);
	await_news(SWAPPER_DIED);
	assert_int_equal(ask(), -EPIPE);
	await_news(SWAPPER_BACK);
	assert_int_equal(ask(), -ESRCH);
}

static void test_stops(void **state)
{
	pid_t stopped;

	(void)state;
	assert_int_equal(ask(), -ESRCH);
	stopped = worker();
	kill(stopped, SIGSTOP);
	assert_int_equal(ask(), -ETIMEDOUT);
	assert_int_equal(ask(), -ETIMEDOUT);
	assert_int_equal(heard[SWAPPER_SILENT], 1);
	kill(stopped, SIGCONT);
	for (int i = 0; i < 50 && ask() != -ESRCH; i++) /* its late answer is not taken for another's */
		usleep(100000);
	assert_int_equal(ask(), -ESRCH);
	assert_int_equal(heard[SWAPPER_BACK], 1); /* or nobody would ask again for what found it stopped */
}

static void test_all_gone(void **state)
{
	pid_t last;

	(void)state;
	assert_int_equal(ask(), -ESRCH);
	last = worker();
	kill(child_of(getpid()), SIGKILL);
	kill(last, SIGKILL);
	await_news(SWAPPER_GONE);
	assert_int_equal(swapper_fd(swapper), -1);
	assert_int_equal(ask(), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refuses, begin, finish),
		cmocka_unit_test_setup_teardown(test_answers, begin, finish),
		cmocka_unit_test_setup_teardown(test_dies, begin, finish),
		cmocka_unit_test_setup_teardown(test_stops, begin, finish),
		cmocka_unit_test_setup_teardown(test_all_gone, begin, finish),
	};

	return cmocka_run_group_tests_name("swapper", tests, NULL, NULL);
}
