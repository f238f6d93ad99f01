/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/proc/rekeyer and the processes at its other end: what they refuse, and what comes of a process that dies or stops. Skipped
 * where the kernel has no XFRM; tests/vm/test_xfrm runs test_rekey_kernel in one that has ESP, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/clock.h"
#include "shim/proc/helper.h"
#include "shim/proc/rekeyer_process.h"
#include "shim/proc/rekeyer.h"
#include "tests/unit/role_alone.h"

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
static struct rekeyer *rekeyer;
static struct role_alone alone;
static unsigned heard[REKEYER_GONE + 1];

static void on_news(void *ctx, enum rekeyer_news news)
{
	(void)ctx;
	heard[news]++;
}

static int begin(void **state)
{
	(void)state;
	memset(heard, 0, sizeof heard);
	assert_true(endpoint_parse("192.0.2.9", &somebody));
	assert_true(role_alone_begin(&alone, rekeyer_role()));
	if (rekeyer_open(&rekeyer, alone.parent.near[0]))
		rekeyer = NULL;
	else
		rekeyer_on_news(rekeyer, on_news, NULL);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	rekeyer_close(rekeyer);
	role_alone_end(&alone);
	return 0;
}

static int ask(void)
{
	if (!rekeyer)
		skip();
	const struct rekey_change change = {
		.destination = somebody, .spi = {0, 0, 0x10, 1}, .material_length = REKEY_MATERIAL_MAX};

	return rekeyer_rekey(rekeyer, &change, NULL);
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
	struct rekey_request request = {.operation = REKEY_DO_KEYS,
					.change = {.destination = somebody, .material_length = 128},
					.spi_count = REKEY_LOOK_MAX};

	(void)state;
	assert_true(rekey_request_sound(&request));
	request.spi_count++;
	assert_false(rekey_request_sound(&request));
	request.spi_count = 0;
	request.change.material_length++;
	assert_false(rekey_request_sound(&request));
	request.change.material_length = 0;
	request.change.destination.addr_len = 5;
	assert_false(rekey_request_sound(&request));
	request.change.destination.addr_len = 16;
	assert_true(rekey_request_sound(&request));
	request.operation = REKEY_OPERATIONS;
	assert_false(rekey_request_sound(&request));
}

static void test_believes_no_nonsense(void **state)
{
	struct sa_facts facts = {.count = 2, .facts = {{.kind = SA_FACT_SA}, {.kind = SA_FACT_DUMP_END}}};
	struct sa_info *sa = &facts.facts[0].sa;

	(void)state;
	sa->us.addr_len = sa->peer.addr_len = 4;
	assert_true(sa_facts_sound(&facts, sa_facts_size(2)));
	assert_false(sa_facts_sound(&facts, sa_facts_size(1)));
	assert_false(sa_facts_sound(&facts, sa_facts_size(2) + 1));
	assert_false(sa_facts_sound(&facts, sizeof facts.stats));
	sa->peer.addr_len = 0;
	assert_false(sa_facts_sound(&facts, sa_facts_size(2)));
	sa->peer.addr_len = 17;
	assert_false(sa_facts_sound(&facts, sa_facts_size(2)));
	sa->peer.addr_len = 16;
	facts.facts[1].kind = SA_FACTS;
	assert_false(sa_facts_sound(&facts, sa_facts_size(2)));
	facts.facts[1].kind = SA_FACT_ERROR;
	facts.facts[1].error = 5;
	assert_false(sa_facts_sound(&facts, sa_facts_size(2)));
	facts.facts[1].error = -5;
	facts.count = SA_FACTS_MAX + 1;
	assert_false(sa_facts_sound(&facts, sizeof facts));
}

static unsigned lost, begun, ended;

static void on_sa(void *ctx, const struct sa_info *sa)
{
	(void)ctx;
	(void)sa;
}

static void on_lost(void *ctx)
{
	(void)ctx;
	lost++;
}

static void on_begin(void *ctx, uint64_t at_ms)
{
	(void)ctx;
	assert_in_range(at_ms, 1, clock_now_ms());
	begun++;
}

static void on_end(void *ctx, int error)
{
	(void)ctx;
	assert_int_equal(error, 0);
	ended++;
}

static void on_failed(void *ctx, int error)
{
	(void)ctx;
	fail_msg("xfrm: %s", strerror(-error));
}

static const struct rekeyer_handlers handlers = {.sa = on_sa,
						 .sa_gone = on_sa,
						 .dump_begin = on_begin,
						 .dump_end = on_end,
						 .lost = on_lost,
						 .failed = on_failed};

static void await_dumps(unsigned count)
{
	const uint64_t until = clock_now_ms() + 10000;

	while (ended < count && clock_now_ms() < until) {
		struct pollfd ready = {.fd = rekeyer_facts_fd(rekeyer), .events = POLLIN};

		if (poll(&ready, 1, 100) > 0)
			assert_int_equal(rekeyer_read_facts(rekeyer, 1, &handlers, NULL), 0);
	}
	assert_int_equal(ended, count);
	assert_int_equal(begun, count);
}

/* One dump by itself, and one for whoever asks, also of the process that takes the place of one that died. */
static void test_dumps(void **state)
{
	(void)state;
	lost = begun = ended = 0;
	assert_int_equal(ask(), -ESRCH);
	await_dumps(1);
	assert_int_equal(lost, 1); /* nobody watched before it began */
	rekeyer_dump(rekeyer);
	rekeyer_dump(rekeyer);
	await_dumps(2);
	assert_int_equal(rekeyer_stats(rekeyer).dumps, 2);
	kill(worker(), SIGKILL);
	await_dumps(3);
	assert_int_equal(lost, 2);
	rekeyer_dump(rekeyer);
	await_dumps(4);
}

/* What is told before a question, or while it waits, lies where it is read afterwards: whoever watches is woken for it, whatever
 * the answer was. */
static void test_told_meanwhile(void **state)
{
	static const struct sa_facts told = {.count = 1, .facts = {{.kind = SA_FACT_LOST}}};
	struct pollfd ready;
	int process, fd;

	(void)state;
	lost = begun = ended = 0;
	assert_int_equal(ask(), -ESRCH);
	await_dumps(1);
	process = pidfd_open(worker(), 0);
	fd = process < 0 ? -1 : pidfd_getfd(process, HELPER_FD + 1, 0);
	close(process);
	if (fd < 0)
		skip(); /* not root */
	ready = (struct pollfd){.fd = rekeyer_facts_fd(rekeyer), .events = POLLIN};
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(send(fd, &told, sa_facts_size(1), 0), sa_facts_size(1));
		assert_int_equal(i == 1 ? ask() : rekeyer_look(rekeyer, &somebody, spi, 1),
				 i == 1 ? -ESRCH : 0);
		assert_int_equal(poll(&ready, 1, 0), 1);
		assert_int_equal(rekeyer_read_facts(rekeyer, 10, &handlers, NULL), 0);
		assert_int_equal(lost, 1 + i);
		assert_int_equal(poll(&ready, 1, 0), 0);
	}
	close(fd);
}

/* All that were there to tell have gone. */
static void test_no_more_facts(void **state)
{
	pid_t last;

	(void)state;
	lost = begun = ended = 0;
	assert_int_equal(ask(), -ESRCH);
	await_dumps(1);
	last = worker();
	kill(child_of(getpid()), SIGKILL);
	kill(last, SIGKILL);
	for (int i = 0; i < 100 && !rekeyer_read_facts(rekeyer, 1, &handlers, NULL); i++)
		usleep(50000);
	assert_int_equal(rekeyer_read_facts(rekeyer, 1, &handlers, NULL), -EPIPE);
	rekeyer_dump(rekeyer); /* asks nobody */
}

static void test_answers(void **state)
{
	(void)state;
	assert_int_equal(ask(), -ESRCH);
	assert_int_equal(rekeyer_rekey(rekeyer,
				       &(struct rekey_change){.destination = somebody,
							      .material_length = REKEY_MATERIAL_MAX + 1},
				       NULL),
			 -EMSGSIZE);
	assert_int_equal(rekeyer_look(rekeyer, &somebody, spi, 1), 0);
	assert_int_equal(rekeyer_look(rekeyer, &somebody, spi, REKEY_LOOK_MAX + 1), -E2BIG);
	somebody.addr_len = 7; /* not even answered: it waits, and then not at all for a while */
	assert_int_equal(ask(), -ETIMEDOUT);
	assert_int_equal(heard[REKEYER_SILENT], 1);
}

static void await_news(enum rekeyer_news news)
{
	const uint64_t until = clock_now_ms() + 5000;

	while (!heard[news] && clock_now_ms() < until) {
		struct pollfd ready = {.fd = rekeyer_fd(rekeyer), .events = POLLIN};

		poll(&ready, 1, 100);
		rekeyer_read(rekeyer);
	}
	assert_int_equal(heard[news], 1);
}

static void test_dies(void **state)
{
	(void)state;
	assert_int_equal(ask(), -ESRCH);
	kill(worker(), SIGKILL);
	await_news(REKEYER_DIED);
	assert_int_equal(ask(), -EPIPE);
	await_news(REKEYER_BACK);
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
	assert_int_equal(heard[REKEYER_SILENT], 1);
	kill(stopped, SIGCONT);
	for (int i = 0; i < 50 && ask() != -ESRCH; i++) /* its late answer is not taken for another's */
		usleep(100000);
	assert_int_equal(ask(), -ESRCH);
	assert_int_equal(heard[REKEYER_BACK], 1); /* or nobody would ask again for what found it stopped */
}

static void test_all_gone(void **state)
{
	pid_t last;

	(void)state;
	assert_int_equal(ask(), -ESRCH);
	last = worker();
	kill(child_of(getpid()), SIGKILL);
	kill(last, SIGKILL);
	await_news(REKEYER_GONE);
	assert_int_equal(rekeyer_fd(rekeyer), -1);
	assert_int_equal(ask(), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refuses, begin, finish),
		cmocka_unit_test_setup_teardown(test_believes_no_nonsense, begin, finish),
		cmocka_unit_test_setup_teardown(test_answers, begin, finish),
		cmocka_unit_test_setup_teardown(test_dumps, begin, finish),
		cmocka_unit_test_setup_teardown(test_told_meanwhile, begin, finish),
		cmocka_unit_test_setup_teardown(test_no_more_facts, begin, finish),
		cmocka_unit_test_setup_teardown(test_dies, begin, finish),
		cmocka_unit_test_setup_teardown(test_stops, begin, finish),
		cmocka_unit_test_setup_teardown(test_all_gone, begin, finish),
	};

	return cmocka_run_group_tests_name("rekeyer", tests, NULL, NULL);
}
