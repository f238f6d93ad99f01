/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that has the file system: an answer that is late is never taken for that to a later question, and another one follows one that dies. */
#include "shim/proc/files.h"

#include "shim/clock.h"
#include "tests/unit/role_alone.h"

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

static struct role_alone alone;

/* The only child of the parent; 0: there is none. */
static pid_t child(void)
{
	char path[64], text[32] = "";
	FILE *in;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)alone.process, (int)alone.process);
	in = fopen(path, "re");
	assert_non_null(in);
	if (!fgets(text, sizeof text, in))
		text[0] = '\0';
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
	if (!role_alone_begin(&alone, files_role(&config)) || files_open(&files, alone.parent.near[0][0]))
		return -1;
	assert_true(files_find_interface(files, "lo")); /* it has begun */
	process = child();
	return process <= 0;
}

static int close_all(void **state)
{
	char command[64];

	(void)state;
	files_close(files);
	role_alone_end(&alone);
	snprintf(command, sizeof command, "rm -r %s", dir);
	return system(command); /* NOLINT(cert-env33-c): a path of our own */
}

static char state_of(pid_t pid)
{
	char path[64], state = 0;
	FILE *in;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	in = fopen(path, "re");
	assert_non_null(in);
	assert_int_equal(fscanf(in, "%*d (%*[^)]) %c", &state), 1);
	fclose(in);
	return state;
}

/* Whatever it is asked while it is stopped is answered too late. */
static void stop_process(void)
{
	assert_return_code(kill(process, SIGSTOP), 0);
	for (unsigned i = 0; i < 10000 && state_of(process) != 'T'; i++)
		usleep(1000);
	assert_int_equal(state_of(process), 'T');
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

static unsigned deaths;

static void on_died(void *ctx)
{
	(void)ctx;
	deaths++;
}

/* It dies while a question waits: that is told, and another one has the same socket, and answers what waits there. */
static void another_one_follows(void **state)
{
	const pid_t first = process;

	(void)state;
	files_on_news(files, on_saved, on_died, NULL);
	files_read(files);
	assert_int_equal(deaths, 0);
	stop_process();
	signal(SIGALRM, kill_process);
	assert_return_code(setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 50000}}, NULL),
			   0);
	for (unsigned i = 0; i < 10 && !files_find_interface(files, "lo"); i++)
		;
	assert_int_equal(deaths, 1);
	process = child();
	assert_int_not_equal(process, first);
	assert_true(files_find_interface(files, "lo"));
	assert_int_equal(deaths, 1);
}

/* With what was handed over, if it is written or not: the end waits for it. */
static void what_waits_at_the_end_is_written(void **state)
{
	char path[64], line[32] = "";
	FILE *content = files_begin(), *in;

	(void)state;
	files_on_news(files, NULL, NULL, NULL);
	assert_non_null(content);
	fputs("natshim peers 1\nlast\n", content);
	stop_process();
	assert_int_equal(files_finish(files, FILES_PEERS, content), 0);
	kill(process, SIGCONT);
	files_close(files);
	role_alone_end(&alone);
	files = NULL;
	snprintf(path, sizeof path, "%s/peers", dir);
	in = fopen(path, "re");
	assert_non_null(in);
	assert_non_null(fgets(line, sizeof line, in));
	assert_non_null(fgets(line, sizeof line, in));
	assert_string_equal(line, "last\n");
	fclose(in);
	assert_true(role_alone_begin(&alone, (struct parent_role){.sockets = 0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_are_answered),
		cmocka_unit_test(a_late_answer_is_not_that_to_the_next_question),
		cmocka_unit_test(a_late_configuration_is_not_read),
		cmocka_unit_test(saving_between_questions),
		cmocka_unit_test(another_one_follows),
		cmocka_unit_test(what_waits_at_the_end_is_written),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
