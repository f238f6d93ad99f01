/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/proc/command.c against real programs: /bin/sh stands for a VPN stack's tool that talks, fails, hangs or is
 * not there. */
#include "shim/proc/command.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static int sh(const char *script, const struct command_options *o, struct command_result *r)
{
	const char *const argv[] = {"sh", "-c", script, NULL};

	return command_run(argv, o, r);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void output_and_status(void **state)
{
	struct command_result r;

	(void)state;
	assert_int_equal(sh("echo out; echo err >&2; exit 3", NULL, &r), 0);
	assert_string_equal(r.out.text, "out\n");
	assert_string_equal(r.err.text, "err\n");
	assert_int_equal(r.status, 3);
	assert_int_equal(r.signal, 0);
	assert_false(r.timed_out || r.out.cut || command_succeeded(&r));
	command_result_clear(&r);
	assert_int_equal(sh("exit 0", NULL, &r), 0);
	assert_true(command_succeeded(&r));
	assert_string_equal(r.out.text, "");
	command_result_clear(&r);
}

static void input_is_given_or_empty(void **state)
{
	static char big[300000];
	struct command_options o = {.input = "a\nb\n", .input_length = 4};
	struct command_result r;

	(void)state;
	assert_int_equal(sh("cat", &o, &r), 0);
	assert_string_equal(r.out.text, "a\nb\n");
	command_result_clear(&r);
	assert_int_equal(sh("cat; echo end", NULL, &r), 0);
	assert_string_equal(r.out.text, "end\n");
	command_result_clear(&r);
	/* More than a pipe holds, to a program that reads none of it. */
	memset(big, 'x', sizeof(big));
	o = (struct command_options){.input = big, .input_length = sizeof(big)};
	assert_int_equal(sh("true", &o, &r), 0);
	assert_true(command_succeeded(&r));
	command_result_clear(&r);
}

static void no_shell_between(void **state)
{
	const char *const argv[] = {"echo", "$HOME; `id` > x", "", NULL};
	struct command_result r;

	(void)state;
	assert_int_equal(command_run(argv, NULL, &r), 0);
	assert_string_equal(r.out.text, "$HOME; `id` > x \n");
	command_result_clear(&r);
}

static void missing_program(void **state)
{
	const char *const argv[] = {"natshim-no-such-program", NULL};
	int before = open_descriptors();
	struct command_result r;

	(void)state;
	assert_int_equal(command_run(argv, NULL, &r), -ENOENT);
	command_result_clear(&r);
	assert_int_equal(open_descriptors(), before);
}

/* No such process, or a zombie that only its parent could put away. */
static bool is_dead(int pid)
{
	char path[64], line[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return true;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	return !line[0] || strstr(line, ") Z ") != NULL;
}

static void hanging_program_is_killed_with_its_children(void **state)
{
	struct command_options o = {.timeout_ms = 200};
	double start = seconds();
	struct command_result r;
	int grandchild, i;

	(void)state;
	assert_int_equal(sh("trap '' TERM; sleep 30 & echo $!; wait; sleep 30", &o, &r), 0);
	assert_true(r.timed_out);
	assert_false(command_succeeded(&r));
	assert_int_equal(r.status, -1);
	assert_int_equal(r.signal, SIGKILL);
	assert_true(seconds() - start < 5);
	grandchild = atoi(r.out.text);
	assert_true(grandchild > 1);
	for (i = 0; i < 100 && !is_dead(grandchild); i++)
		usleep(20000);
	assert_true(i < 100);
	command_result_clear(&r);
}

static void background_grandchild_holds_nobody_up(void **state)
{
	double start = seconds();
	struct command_result r;

	(void)state;
	assert_int_equal(sh("sleep 3 & echo done", NULL, &r), 0);
	assert_true(seconds() - start < 2);
	assert_string_equal(r.out.text, "done\n");
	assert_true(command_succeeded(&r));
	command_result_clear(&r);
}

static void output_is_bounded(void **state)
{
	struct command_options o = {.output_max = 1000};
	struct command_result r;

	(void)state;
	assert_int_equal(sh("head -c 1000000 /dev/zero; echo x >&2", &o, &r), 0);
	assert_int_equal(r.out.length, 1000);
	assert_true(r.out.cut);
	assert_false(r.err.cut);
	assert_true(command_succeeded(&r));
	command_result_clear(&r);
}

static void no_descriptor_leaks(void **state)
{
	int before = open_descriptors(), extra = dup(0); /* without CLOEXEC */
	struct command_result r;

	(void)state;
	assert_int_equal(sh("exec ls /proc/self/fd", NULL, &r), 0);
	assert_string_equal(r.out.text, "0\n1\n2\n3\n"); /* 3: the directory it lists */
	command_result_clear(&r);
	close(extra);
	assert_int_equal(open_descriptors(), before);
}

static void given_up_by_its_owner(void **state)
{
	const char *const argv[] = {"sleep", "30", NULL};
	int before = open_descriptors();
	struct command *c;
	pid_t pid;

	(void)state;
	assert_int_equal(command_start(&c, argv, NULL), 0);
	assert_true(command_fd(c) >= 0);
	assert_false(command_step(c));
	pid = command_pid(c);
	command_finish(c, NULL);
	assert_true(kill(pid, 0) < 0);
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_and_status),
		cmocka_unit_test(input_is_given_or_empty),
		cmocka_unit_test(no_shell_between),
		cmocka_unit_test(missing_program),
		cmocka_unit_test(hanging_program_is_killed_with_its_children),
		cmocka_unit_test(background_grandchild_holds_nobody_up),
		cmocka_unit_test(output_is_bounded),
		cmocka_unit_test(no_descriptor_leaks),
		cmocka_unit_test(given_up_by_its_owner),
	};

	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
