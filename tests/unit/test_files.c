/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that has the file system: an answer that is late is never taken for that to a later question, and its end is told. */
#include "shim/proc/files.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define NO_SUCH_INTERFACE "no-such-iface"

static char dir[] = "/tmp/natshim-files-XXXXXX";
static char config_path[64], socket_path[64];
static struct files *files;
static pid_t process;

static void write_config(const char *text)
{
	FILE *out = fopen(config_path, "we");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

/* The only child of this one. */
static pid_t child(void)
{
	char path[64], text[32] = "";
	FILE *in;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	in = fopen(path, "re");
	assert_non_null(in);
	assert_non_null(fgets(text, sizeof text, in));
	fclose(in);
	return (pid_t)strtol(text, NULL, 10);
}

static int open_all(void **state)
{
	static struct config config;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(config_path, sizeof config_path, "%s/natshim.conf", dir);
	snprintf(socket_path, sizeof socket_path, "%s/control.sock", dir);
	config.state_dir = dir;
	config.file = config_path;
	config.socket_path = socket_path;
	write_config("first\n");
	if (files_open(&files, &config))
		return -1;
	process = child();
	return 0;
}

static int close_all(void **state)
{
	char command[64];

	(void)state;
	files_close(files);
	snprintf(command, sizeof command, "rm -r %s", dir);
	return system(command); /* NOLINT(cert-env33-c): a path of our own */
}

/* Whatever it is asked while it is stopped is answered too late. */
static void stop_process(void)
{
	int status;

	assert_return_code(kill(process, SIGSTOP), 0);
	assert_int_equal(waitpid(process, &status, WUNTRACED), process);
	assert_true(WIFSTOPPED(status));
}

static void questions_are_answered(void **state)
{
	char line[16] = "";
	FILE *in;

	(void)state;
	assert_true(files_find_interface(files, "lo"));
	assert_false(files_find_interface(files, NO_SUCH_INTERFACE));
	in = files_open_config(files, "");
	assert_non_null(in);
	assert_non_null(fgets(line, sizeof line, in));
	assert_string_equal(line, "first\n");
	fclose(in);
}

static void a_late_answer_is_not_that_to_the_next_question(void **state)
{
	(void)state;
	stop_process();
	assert_false(files_find_interface(files, "lo")); /* no answer in time */
	kill(process, SIGCONT);
	assert_false(files_find_interface(files, NO_SUCH_INTERFACE));
	assert_true(files_find_interface(files, "lo"));
	stop_process();
	assert_false(files_find_interface(files, NO_SUCH_INTERFACE));
	kill(process, SIGCONT);
	assert_true(files_find_interface(files, "lo"));
}

static void a_late_configuration_is_not_read(void **state)
{
	struct pollfd ready = {.fd = files_fd(files), .events = POLLIN};

	(void)state;
	stop_process();
	assert_null(files_open_config(files, ""));
	kill(process, SIGCONT);
	assert_int_equal(poll(&ready, 1, 60000), 1); /* the late answer is there, with the file as it was */
	assert_return_code(unlink(config_path), 0);
	assert_null(files_open_config(files, ""));
	assert_int_equal(errno, ENOENT);
	write_config("second\n");
}

static unsigned saved[FILES_TARGETS];

static void on_saved(void *ctx, enum files_target target, int error)
{
	(void)ctx;
	assert_int_equal(error, 0);
	saved[target]++;
}

/* Answers to what was saved come in between, and are told once each. */
static void saving_between_questions(void **state)
{
	FILE *content;

	(void)state;
	files_on_news(files, on_saved, NULL, NULL);
	stop_process();
	for (unsigned i = 0; i < 2; i++) {
		content = files_begin();
		assert_non_null(content);
		fputs("natshim peers 1\n", content);
		assert_int_equal(files_finish(files, i ? FILES_TUNNELS : FILES_PEERS, content), 0);
	}
	kill(process, SIGCONT);
	assert_false(files_find_interface(files, NO_SUCH_INTERFACE));
	assert_int_equal(saved[FILES_PEERS], 1);
	assert_int_equal(saved[FILES_TUNNELS], 1);
	assert_int_equal(saved[FILES_BRIDGED], 0);
}

static void kill_process(int signal_number)
{
	(void)signal_number;
	kill(process, SIGKILL);
}

static unsigned gone;

static void on_gone(void *ctx)
{
	(void)ctx;
	assert_true(files_fd(files) == -1);
	gone++;
}

/* It dies while a question waits; whoever watches the socket learns of it all the same, and once. */
static void its_end_is_told(void **state)
{
	(void)state;
	files_on_news(files, on_saved, on_gone, NULL);
	files_read(files);
	assert_int_equal(gone, 0);
	stop_process();
	signal(SIGALRM, kill_process);
	assert_return_code(setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 50000}}, NULL),
			   0);
	assert_false(files_find_interface(files, "lo"));
	assert_int_equal(gone, 1);
	files_read(files);
	assert_int_equal(gone, 1);
	assert_int_equal(files_append(files, FILES_BRIDGED, "x\n"), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_are_answered),
		cmocka_unit_test(a_late_answer_is_not_that_to_the_next_question),
		cmocka_unit_test(a_late_configuration_is_not_read),
		cmocka_unit_test(saving_between_questions),
		cmocka_unit_test(its_end_is_told),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
