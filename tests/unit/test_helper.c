/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/proc/helper: the near end of a helper process, with a process at the far end that does what each question says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/clock.h"
#include "shim/proc/helper.h"
#include "tests/unit/role_alone.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOON_MS 20000 /* for what comes at once, on a machine however busy */
#define DEAF_MS 100

enum wish {
	ANSWER,
	ANSWER_WITH_FILE, /* a descriptor comes along */
	ANSWER_LATE,      /* not before the next question, then both */
	ANSWER_WRONG,     /* first one of another length, and one that take() refuses */
	TELL,             /* only news */
	END
};

struct message {
	uint32_t sequence;
	enum wish wish;
	uint32_t value; /* comes back */
};

static void answer(const struct message *m, int passed)
{
	helper_send(HELPER_FD, m, sizeof *m, passed, 0); /* or the other end has gone */
}

static void serve(const void *ctx)
{
	struct message m, late = {.sequence = 0};
	int passed;

	(void)ctx;
	while (helper_receive_passed(HELPER_FD, &m, sizeof m, &passed) && m.wish != END) {
		const struct message nonsense = {.sequence = m.sequence, .wish = END};

		if (passed >= 0) /* what was handed over goes back */
			m.value = 1000;
		if (late.sequence)
			answer(&late, STDIN_FILENO);
		late.sequence = 0;
		if (m.wish == ANSWER_LATE) {
			late = m;
			continue;
		}
		if (m.wish == ANSWER_WRONG) {
			helper_send(HELPER_FD, "too short", 9, STDIN_FILENO, 0);
			answer(&nonsense, STDIN_FILENO);
		}
		answer(&m, passed >= 0 ? passed : m.wish == ANSWER_WITH_FILE ? STDIN_FILENO : -1);
		if (passed >= 0)
			close(passed);
	}
}

static struct {
	struct helper helper;
	struct role_alone alone;
	unsigned told, silent, heard, gone;
} end;

static bool take(void *owner, void *message)
{
	const struct message *m = message;

	assert_ptr_equal(owner, &end);
	end.told += m->wish == TELL;
	return m->wish != TELL && m->wish != END;
}

static void on_silent(void *owner)
{
	(void)owner;
	end.silent++;
}

static void on_heard(void *owner)
{
	(void)owner;
	end.heard++;
}

static void on_gone(void *owner)
{
	(void)owner;
	assert_int_equal(end.helper.socket, -1);
	end.gone++;
}

static const struct helper_protocol protocol = {.question = sizeof(struct message),
						.answer = sizeof(struct message),
						.deaf_ms = DEAF_MS,
						.take = take,
						.silent = on_silent,
						.heard = on_heard,
						.gone = on_gone};

static int begin(void **state)
{
	(void)state;
	end.told = end.silent = end.heard = end.gone = 0;
	end.helper = (struct helper){.protocol = &protocol, .owner = &end, .socket = -1, .alive = true};
	if (!role_alone_begin(
		    &end.alone,
		    (struct parent_role){.name = "test-helper", .sockets = 1, .run = serve, .end_ms = 5000}))
		return -1;
	end.helper.socket = end.alone.parent.near[0][0];
	return 0;
}

static int finish(void **state)
{
	(void)state;
	helper_close(&end.helper);
	role_alone_end(&end.alone);
	return 0;
}

static unsigned open_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* The value that came back. */
static uint32_t ask(enum wish wish, uint32_t value)
{
	struct message question = {.wish = wish, .value = value}, got;

	assert_int_equal(helper_ask(&end.helper, &question, &got, SOON_MS, NULL), 0);
	assert_int_equal(got.wish, wish);
	return got.value;
}

static void asks_and_is_answered(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(ask(ANSWER, i), i);
	assert_int_equal(end.helper.sequence, 3);
	end.helper.sequence = UINT32_MAX; /* 0 is nobody's number */
	assert_int_equal(ask(ANSWER, 7), 7);
	assert_int_equal(end.helper.sequence, 1);
}

static void passes_over_nonsense(void **state)
{
	const unsigned open = open_files();

	(void)state;
	assert_int_equal(ask(ANSWER_WRONG, 5), 5);
	assert_int_equal(open_files(), open);
}

static void a_late_answer_is_not_the_next_ones(void **state)
{
	struct message question = {.wish = ANSWER_LATE, .value = 1}, got;
	const unsigned open = open_files();

	(void)state;
	assert_int_equal(helper_ask(&end.helper, &question, &got, 1, NULL), -ETIMEDOUT);
	assert_int_equal(end.silent, 1);
	end.helper.deaf_until_ms = 1; /* over */
	assert_int_equal(ask(ANSWER, 2), 2);
	assert_int_equal(end.heard, 1);
	assert_int_equal(open_files(), open); /* nor stays what came along with it */
}

/* While it is deaf it is not even asked: it would answer this at once. */
static void is_deaf_after_a_silence(void **state)
{
	struct message question = {.wish = ANSWER_LATE}, got;

	(void)state;
	assert_int_equal(helper_ask(&end.helper, &question, &got, 1, NULL), -ETIMEDOUT);
	assert_true(end.helper.deaf_until_ms > clock_now_ms());
	end.helper.deaf_until_ms = UINT64_MAX;
	question.wish = ANSWER;
	assert_int_equal(helper_ask(&end.helper, &question, &got, SOON_MS, NULL), -ETIMEDOUT);
	assert_int_equal(end.helper.sequence, 1);
	assert_int_equal(end.silent, 1); /* told once */
}

static void descriptors_go_both_ways(void **state)
{
	struct message question = {.wish = ANSWER_WITH_FILE}, got;
	const unsigned open = open_files();
	int pipes[2], passed = -1;
	char byte = 0;

	(void)state;
	assert_int_equal(helper_ask(&end.helper, &question, &got, SOON_MS, &passed), 0);
	assert_true(passed >= 0);
	assert_int_equal(fcntl(passed, F_GETFD), FD_CLOEXEC);
	close(passed);
	assert_int_equal(ask(ANSWER_WITH_FILE, 0), 0); /* not wanted: closed */
	assert_int_equal(open_files(), open);

	assert_int_equal(pipe(pipes), 0);
	question.wish = ANSWER;
	assert_int_equal(helper_post(&end.helper, &question, pipes[1]), 0);
	assert_int_equal(poll(&(struct pollfd){.fd = end.helper.socket, .events = POLLIN}, 1, SOON_MS), 1);
	helper_read(&end.helper); /* it came back, and was closed */
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 0); /* nobody has it */
	close(pipes[0]);
}

static void news_are_taken_before_a_question(void **state)
{
	struct message news = {.wish = TELL};

	(void)state;
	assert_int_equal(helper_post(&end.helper, &news, -1), 0);
	assert_int_equal(ask(ANSWER, 1), 1);
	assert_int_equal(end.told, 1);
}

static void the_end_is_told_once(void **state)
{
	struct message question = {.wish = END}, got;

	(void)state;
	kill(end.alone.process, SIGKILL); /* or it would keep the far end for another one */
	assert_int_equal(helper_ask(&end.helper, &question, &got, SOON_MS, NULL), -EPIPE);
	assert_int_equal(end.gone, 1);
	assert_int_equal(end.silent, 0);
	assert_int_equal(helper_ask(&end.helper, &question, &got, SOON_MS, NULL), -EPIPE);
	assert_int_equal(helper_post(&end.helper, &question, -1), -EPIPE);
	helper_read(&end.helper);
	assert_int_equal(end.gone, 1);
}

/* The last thing that natshim hands over before it ends is done, though it has not read the answers to what was before. */
static void the_last_message_arrives(void **state)
{
	for (int with_descriptor = 0; with_descriptor < 2; with_descriptor++) {
		struct message last = {.sequence = 1, .value = 7}, got = {.sequence = 0};
		int pair[2], passed = -1;

		(void)state;
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		assert_int_equal(helper_send(pair[1], &last, sizeof last, -1, 0),
				 0); /* an answer that nobody reads */
		assert_int_equal(
			helper_send(pair[0], &last, sizeof last, with_descriptor ? STDIN_FILENO : -1, 0), 0);
		close(pair[0]);
		assert_true(with_descriptor ? helper_receive_passed(pair[1], &got, sizeof got, &passed)
					    : helper_receive(pair[1], &got, sizeof got));
		assert_int_equal(got.value, 7);
		assert_int_equal(passed >= 0, with_descriptor);
		close(passed);
		assert_false(helper_receive_passed(pair[1], &got, sizeof got, &passed));
		close(pair[1]);
	}
}

static void too_much_is_not_waited_for(void **state)
{
	struct message question = {.wish = ANSWER};
	int rc = 0;

	(void)state;
	for (unsigned i = 0; i < 1000000 && !rc;
	     i++) /* its answers find no room, and then it reads no more */
		rc = helper_post(&end.helper, &question, -1);
	assert_int_equal(rc, -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(asks_and_is_answered, begin, finish),
		cmocka_unit_test_setup_teardown(passes_over_nonsense, begin, finish),
		cmocka_unit_test_setup_teardown(a_late_answer_is_not_the_next_ones, begin, finish),
		cmocka_unit_test_setup_teardown(is_deaf_after_a_silence, begin, finish),
		cmocka_unit_test_setup_teardown(descriptors_go_both_ways, begin, finish),
		cmocka_unit_test_setup_teardown(news_are_taken_before_a_question, begin, finish),
		cmocka_unit_test_setup_teardown(the_end_is_told_once, begin, finish),
		cmocka_unit_test(the_last_message_arrives),
		cmocka_unit_test_setup_teardown(too_much_is_not_waited_for, begin, finish),
	};

	return cmocka_run_group_tests_name("helper", tests, NULL, NULL);
}
