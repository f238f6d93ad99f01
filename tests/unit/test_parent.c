/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/proc/parent: a whole natshim in small, with processes that do what the near end tells them. This process starts it as a service
 * manager would; natshim-packets' part is a function of each test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/clock.h"
#include "shim/proc/parent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOON_MS 20000 /* for what comes at once, on a machine however busy */

/* What the near end writes to a helper, a byte each; it answers with its process id. */
enum wish { WHO = 'w', DIE = 'd', END = 'e', RENEW = 'n', RENEW_IN_VAIN = 'v', LINGER = 'l' };
enum { PLAIN, SUCCEEDED, ROLES }; /* places */

/* What the processes tell this one. */
static struct shared {
	pid_t packets, helper;
	unsigned heard[128]; /* by word, in the parent */
	bool spoilt;         /* the next one that would take over cannot */
	bool lingered, reached_end;
	char order;
} * shared;

static int tell(int fd, pid_t process)
{
	const pid_t news = process ? -process : 0; /* so that no answer looks like it */

	return helper_send(fd, &news, sizeof news, -1, MSG_DONTWAIT);
}

static void answer(void)
{
	const pid_t self = getpid();

	send(HELPER_FD, &self, sizeof self, MSG_NOSIGNAL);
}

static void serve_plain(const void *ctx)
{
	char wish;

	(void)ctx;
	shared->helper = getpid();
	while (helper_receive(HELPER_FD, &wish, 1)) {
		if (wish == DIE)
			_exit(3);
		if (wish == END)
			return;
		if (wish == LINGER)
			shared->lingered = true;
		answer();
	}
	if (shared->lingered)
		pause();
	shared->reached_end = true;
}

static void serve_succeeded(const void *ctx)
{
	uint32_t sequence;
	char wish;

	(void)ctx;
	if (!parent_begin(HELPER_FD + 1, &sequence) || shared->spoilt || !parent_wait_for_turn(HELPER_FD + 1))
		_exit(1);
	if (sequence)
		answer(); /* only the one that has its turn says anything */
	while (helper_receive(HELPER_FD, &wish, 1)) {
		if (wish == DIE)
			_exit(3);
		if (wish == RENEW || wish == RENEW_IN_VAIN) {
			shared->spoilt = wish == RENEW_IN_VAIN;
			parent_ask_for_successor(HELPER_FD + 1, 7);
		}
		if (wish == WHO)
			answer();
	}
}

static void on_word(void *ctx, enum parent_word word)
{
	(void)ctx;
	shared->heard[(unsigned)word % 128]++;
}

/* The near end */

static pid_t next(const struct parent *p, unsigned role)
{
	pid_t got = 1; /* nothing came in time */

	if (poll(&(struct pollfd){.fd = p->near[role][0], .events = POLLIN}, 1, SOON_MS) == 1)
		recv(p->near[role][0], &got, sizeof got, 0);
	return got;
}

static void wish(const struct parent *p, unsigned role, char what)
{
	send(p->near[role][0], &what, 1, MSG_NOSIGNAL);
}

static pid_t ask(const struct parent *p, unsigned role)
{
	wish(p, role, WHO);
	return next(p, role);
}

static char next_order(const struct parent *p)
{
	char order = 0;

	if (poll(&(struct pollfd){.fd = p->channel, .events = POLLIN}, 1, SOON_MS) == 1)
		recv(p->channel, &order, 1, 0);
	return order;
}

/* Runs natshim with that as its natshim-packets, which says 0 when all is well. Its process id. */
static pid_t start(int (*packets)(struct parent *))
{
	static const struct parent_role roles[ROLES] = {
		[PLAIN] = {.name = "plain", .sockets = 1, .run = serve_plain, .tell = tell, .end_ms = 300},
		[SUCCEEDED] = {.name = "succeeded",
			       .sockets = 1,
			       .run = serve_succeeded,
			       .tell = tell,
			       .takes_over = true}};
	struct parent parent = {.roles = {roles[PLAIN], roles[SUCCEEDED]}, .heard = on_word};
	pid_t pid;
	int status;

	memset(shared, 0, sizeof *shared);
	pid = fork();
	if (pid)
		return pid;
	if (!parent_split(&parent, "test-packets")) {
		shared->packets = getpid();
		_exit(packets(&parent));
	}
	status = parent_watch(&parent);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status));
}

static int status_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int run(int (*packets)(struct parent *))
{
	return status_of(start(packets));
}

#define CHECK(condition)                                                                                     \
	do                                                                                                   \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "line %d: not %s\n", __LINE__, #condition);                          \
			return 1;                                                                            \
		}                                                                                            \
	while (0)

/* The tests */

static int dies_and_ends(struct parent *p)
{
	const pid_t first = -next(p, PLAIN);
	pid_t second;

	CHECK(first > 1 && ask(p, PLAIN) == first);
	wish(p, PLAIN, DIE);
	wish(p, PLAIN, WHO); /* waits for the other one */
	CHECK(next(p, PLAIN) == 0);
	second = -next(p, PLAIN);
	CHECK(second > 1 && second != first);
	CHECK(next(p, PLAIN) == second);
	wish(p, PLAIN, END); /* no death, and no other one */
	wish(p, PLAIN, WHO);
	CHECK(!poll(&(struct pollfd){.fd = p->near[PLAIN][0], .events = POLLIN}, 1, 2500));
	return 0;
}

static void another_one_follows(void **state)
{
	(void)state;
	assert_int_equal(run(dies_and_ends), 0);
}

static int dies_often(struct parent *p)
{
	const uint64_t began = clock_now_ms();
	unsigned deaths = 0;

	next(p, PLAIN);
	while (clock_now_ms() - began < 2500) {
		wish(p, PLAIN, DIE);
		CHECK(next(p, PLAIN) == 0);
		CHECK(next(p, PLAIN) < 0);
		deaths++;
	}
	CHECK(deaths <= 4);
	return 0;
}

static void one_a_second(void **state)
{
	(void)state;
	assert_int_equal(run(dies_often), 0);
}

/* Nothing is read, so the news of a death have no room: they come when there is some, and before those of the next beginning. */
static int full(struct parent *p)
{
	unsigned answers = 0;
	pid_t got;

	CHECK(next(p, PLAIN) < 0);
	for (unsigned i = 0; i < 100000 && send(p->near[PLAIN][0], "w", 1, MSG_DONTWAIT) == 1; i++)
		poll(NULL, 0, i > 200 ? 1 : 0);
	CHECK(!kill(shared->helper, SIGKILL));
	poll(NULL, 0, 1500);
	while ((got = next(p, PLAIN)) > 1)
		answers++;
	CHECK(answers > 10);
	CHECK(got == 0);
	CHECK(next(p, PLAIN) < 0);
	return 0;
}

static void a_death_is_told_when_there_is_room(void **state)
{
	(void)state;
	assert_int_equal(run(full), 0);
}

static int taken_over(struct parent *p)
{
	const pid_t first = ask(p, SUCCEEDED);
	pid_t second, third;

	CHECK(first > 1);
	wish(p, SUCCEEDED, RENEW_IN_VAIN);
	CHECK(ask(p, SUCCEEDED) == first); /* it goes on */
	wish(p, SUCCEEDED, RENEW);
	second = next(p, SUCCEEDED); /* the new one's own first word, and no news of a death */
	CHECK(second > 1 && second != first);
	CHECK(kill(first, 0) && errno == ESRCH);
	CHECK(ask(p, SUCCEEDED) == second);
	wish(p, SUCCEEDED, DIE);
	CHECK(next(p, SUCCEEDED) == 0);
	third = ask(p, SUCCEEDED);
	CHECK(third > 1 && third != second);
	return 0;
}

static void a_successor_takes_over_when_it_can(void **state)
{
	(void)state;
	assert_int_equal(run(taken_over), 0);
}

static int obeys(struct parent *p)
{
	parent_tell(p, PARENT_READY);
	CHECK(next_order(p) == PARENT_RELOAD);
	parent_tell(p, PARENT_RELOADING);
	CHECK(next_order(p) == PARENT_STOP);
	CHECK(next_order(p) == PARENT_STOP);
	parent_tell(p, PARENT_STOPPING);
	return 42;
}

static void await_word(enum parent_word word)
{
	for (unsigned i = 0; i < SOON_MS && !shared->heard[word]; i++)
		poll(NULL, 0, 1);
	assert_int_equal(shared->heard[word], 1);
}

static void signals_and_words_go_through(void **state)
{
	const pid_t pid = start(obeys);

	(void)state;
	await_word(PARENT_READY);
	kill(pid, SIGHUP);
	await_word(PARENT_RELOADING);
	kill(pid, SIGTERM);
	poll(NULL, 0, 50);
	kill(pid, SIGINT);
	assert_int_equal(status_of(pid), 42);
	assert_int_equal(shared->heard[PARENT_STOPPING], 1); /* though it was said with the last breath */
	assert_true(shared->reached_end);
}

static int feeds_then_hangs(struct parent *p)
{
	for (unsigned i = 0; i < PARENT_WATCHDOG_S + 3; i++) {
		parent_tell(p, PARENT_ALIVE);
		poll(NULL, 0, 1000);
	}
	shared->order = '!'; /* it has lived longer than the watchdog's time */
	pause();
	return 0;
}

static void a_hanging_one_is_killed(void **state)
{
	(void)state;
	assert_int_equal(run(feeds_then_hangs), 100 + SIGKILL);
	assert_int_equal(shared->order, '!');
	assert_in_range(shared->heard[PARENT_ALIVE], PARENT_WATCHDOG_S + 3, PARENT_WATCHDOG_S + 3);
}

static int waits(struct parent *p)
{
	next(p, PLAIN);
	parent_tell(p, PARENT_READY);
	pause();
	return 0;
}

static void await_end(pid_t pid)
{
	for (unsigned i = 0; i < SOON_MS && !kill(pid, 0); i++)
		poll(NULL, 0, 1);
	assert_int_equal(kill(pid, 0), -1);
}

/* The kernel sees to that, so that the queue goes with natshim, however it ends. */
static void none_outlives_a_killed_parent(void **state)
{
	const pid_t pid = start(waits);

	(void)state;
	await_word(PARENT_READY);
	kill(pid, SIGKILL);
	assert_int_equal(status_of(pid), -SIGKILL);
	await_end(shared->packets);
	await_end(shared->helper);
}

static int lingers(struct parent *p)
{
	next(p, PLAIN);
	wish(p, PLAIN, LINGER);
	CHECK(next(p, PLAIN) == shared->helper);
	return 5;
}

static void a_helper_that_does_not_end_is_killed(void **state)
{
	(void)state;
	assert_int_equal(run(lingers), 5);
	assert_true(shared->lingered);
	assert_int_equal(kill(shared->helper, 0), -1);
}

static int prepare(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_one_follows),
		cmocka_unit_test(one_a_second),
		cmocka_unit_test(a_death_is_told_when_there_is_room),
		cmocka_unit_test(a_successor_takes_over_when_it_can),
		cmocka_unit_test(signals_and_words_go_through),
		cmocka_unit_test(a_hanging_one_is_killed),
		cmocka_unit_test(none_outlives_a_killed_parent),
		cmocka_unit_test(a_helper_that_does_not_end_is_killed),
	};

	return cmocka_run_group_tests_name("parent", tests, prepare, NULL);
}
