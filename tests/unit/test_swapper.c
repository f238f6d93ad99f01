/* shim/stack/swapper and the processes at its other end: what they refuse, and what comes of a process that dies or stops. Skipped
 * where the kernel has no XFRM; tests/vm/test_xfrm runs test_swap_kernel in one that has ESP, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/clock.h"
#include "shim/helper.h"
#include "shim/stack/swap_process.h"
#include "shim/stack/swapper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static const uint8_t spi[1][4] = {{0, 0, 0x10, 1}};
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
	const struct swap_change change = {
		.destination = somebody, .spi = {0, 0, 0x10, 1}, .material_length = SWAP_MATERIAL_MAX};

	return swapper_keys(swapper, &change, NULL);
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
	struct swap_request request = {.operation = SWAP_DO_KEYS,
				       .change = {.destination = somebody, .material_length = 128},
				       .spi_count = SWAP_LOOK_MAX};

	(void)state;
	assert_true(swap_request_sound(&request));
	request.spi_count++;
	assert_false(swap_request_sound(&request));
	request.spi_count = 0;
	request.change.material_length++;
	assert_false(swap_request_sound(&request));
	request.change.material_length = 0;
	request.change.destination.addr_len = 5;
	assert_false(swap_request_sound(&request));
	request.change.destination.addr_len = 16;
	assert_true(swap_request_sound(&request));
	request.operation = SWAP_OPERATIONS;
	assert_false(swap_request_sound(&request));
}

static void test_answers(void **state)
{
	(void)state;
	assert_int_equal(ask(), -ESRCH);
	assert_int_equal(swapper_keys(swapper,
				      &(struct swap_change){.destination = somebody,
							    .material_length = SWAP_MATERIAL_MAX + 1},
				      NULL),
			 -EMSGSIZE);
	assert_int_equal(swapper_look(swapper, &somebody, spi, 1), 0);
	assert_int_equal(swapper_look(swapper, &somebody, spi, SWAP_LOOK_MAX + 1), -E2BIG);
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

/* The processes' end of the socket. */
static int far_end(void)
{
	const int process = pidfd_open(worker(), 0);
	const int fd = process < 0 ? -1 : pidfd_getfd(process, HELPER_FD, 0);

	close(process);
	return fd;
}

static unsigned added;

static void count_added(void *ctx, const struct endpoint *destination, const uint8_t of[static 4])
{
	(void)ctx;
	assert_true(endpoint_same_host(destination, &somebody));
	assert_memory_equal(of, spi[0], 4);
	added++;
}

/* An SA that is told of while a question waits, or before it: nothing is readable afterwards, so that whoever watches must be told,
 * whatever the answer was, of each that came in since. */
static void test_added_meanwhile(void **state)
{
	struct swap_answer told = {.kind = SWAP_ADDED, .destination = somebody};
	struct pollfd ready;
	int fd;

	(void)state;
	assert_int_equal(ask(), -ESRCH);
	assert_int_equal(heard[SWAPPER_ADDED], 0);
	fd = far_end();
	if (fd < 0)
		skip(); /* not root */
	memcpy(told.spi, spi[0], sizeof told.spi);
	ready = (struct pollfd){.fd = swapper_fd(swapper), .events = POLLIN};
	added = 0;
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(send(fd, &told, sizeof told, 0), sizeof told);
		assert_int_equal(i == 1 ? ask() : swapper_look(swapper, &somebody, spi, 1),
				 i == 1 ? -ESRCH : 0);
		assert_int_equal(heard[SWAPPER_ADDED], i);
		assert_int_equal(poll(&ready, 1, 0), 0);
		swapper_read(swapper, count_added, NULL);
		assert_int_equal(added, i);
	}
	assert_int_equal(ask(), -ESRCH);
	assert_int_equal(heard[SWAPPER_ADDED], 2);
	close(fd);
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
		cmocka_unit_test_setup_teardown(test_added_meanwhile, begin, finish),
		cmocka_unit_test_setup_teardown(test_dies, begin, finish),
		cmocka_unit_test_setup_teardown(test_stops, begin, finish),
		cmocka_unit_test_setup_teardown(test_all_gone, begin, finish),
	};

	return cmocka_run_group_tests_name("swapper", tests, NULL, NULL);
}
