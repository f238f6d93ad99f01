/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: its protocol, and clients that do not keep to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/daemon/control.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char dir[] = "/tmp/natshim-control-XXXXXX";
static char path[64];
static pid_t server;
static char error[CONTROL_ERROR_MAX];
static char big_buffer[65536];

#define BIG_ANSWER 3000000 /* bytes: more than any socket buffer */

#define PIECES 200

static unsigned pieces_ended; /* in the server's process */

static bool next_piece(void *job, struct control_reply *reply)
{
	unsigned *count = job;

	if (++*count < PIECES)
		return true;
	reply->ok = asprintf(&reply->text, "%u pieces, %u ended before", *count, pieces_ended) > 0;
	return false;
}

static void end_pieces(void *job)
{
	pieces_ended++;
	free(job);
}

static void answer(void *ctx, enum control_operation operation, const char *argument,
		   struct control_reply *reply)
{
	(void)ctx;
	if (operation == CONTROL_STATUS && !strcmp(argument, "big")) {
		reply->text = malloc(BIG_ANSWER + 1);
		memset(reply->text, 'x', BIG_ANSWER);
		reply->text[BIG_ANSWER] = '\0';
		reply->ok = true;
		return;
	}
	if (operation == CONTROL_STATUS && !strcmp(argument, "pieces")) {
		reply->job = calloc(1, sizeof(unsigned));
		reply->more = next_piece;
		reply->end = end_pieces;
		return;
	}
	reply->ok = operation != CONTROL_STOP;
	if (asprintf(&reply->text, "operation %d, '%s'", (int)operation, argument) < 0)
		reply->text = NULL;
}

static int serve(int ready)
{
	struct event_base *base = event_base_new();
	struct control_server *s;

	signal(SIGPIPE, SIG_IGN);
	if (control_listen(&s, base, path, NULL, answer, NULL, error))
		return 1;
	if (write(ready, "r", 1) != 1)
		return 1;
	event_base_dispatch(base);
	return 0;
}

static int start_server(void **state)
{
	int pipes[2];
	char byte;

	(void)state;
	if (!mkdtemp(dir) || pipe(pipes))
		return -1;
	snprintf(path, sizeof path, "%s/control.sock", dir);
	server = fork();
	if (!server)
		_exit(serve(pipes[1]));
	close(pipes[1]);
	return read(pipes[0], &byte, 1) == 1 ? 0 : -1;
}

static int stop_server(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	unlink(path);
	return rmdir(dir);
}

static int connect_raw(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const struct timeval timeout = {.tv_sec = 20};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(to.sun_path, path, strlen(path) + 1);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	return fd;
}

static void assert_served(void)
{
	char *text;

	assert_int_equal(control_ask(path, CONTROL_STATUS, "", &text, error), 0);
	assert_string_equal(text, "operation 1, ''");
	free(text);
}

static void test_request_and_answer(void **state)
{
	char *text;

	(void)state;
	assert_served();
	assert_int_equal(control_ask(path, CONTROL_DROP, "192.0.2.1:4500", &text, error), 0);
	assert_string_equal(text, "operation 2, '192.0.2.1:4500'");
	free(text);
}

static void test_failure_is_told_in_its_words(void **state)
{
	char *text;

	(void)state;
	assert_int_equal(control_ask(path, CONTROL_STOP, "", &text, error), -EREMOTEIO);
	assert_string_equal(error, "operation 3, ''");
	assert_null(text);
}

static void test_big_answer(void **state)
{
	char *text;

	(void)state;
	assert_int_equal(control_ask(path, CONTROL_STATUS, "big", &text, error), 0);
	assert_int_equal(strlen(text), BIG_ANSWER);
	free(text);
}

/* Requests that are none get an answer with status 1, or the connection's end; the server lives. */
static void test_bad_requests(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t length;
		bool answered;
	} cases[] = {
		{{2, 1, 0, 0}, 4, true}, /* another version */
		{{1, 0, 0, 0}, 4, true}, /* no operation */
		{{1, CONTROL_OPERATIONS, 0, 0}, 4, true},
		{{1, 255, 0, 0}, 4, true},
		{{1, 1, 0xff, 0xff}, 4, true}, /* an argument that is too long */
		{{1, 1, 0, 129}, 4, true},
		{{1, 1, 0, 8, 'a', 'b'}, 6, false}, /* and the rest never comes */
		{{1}, 1, false},
		{{0}, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const int fd = connect_raw();
		uint8_t header[8] = {0};

		if (cases[i].length)
			assert_int_equal(send(fd, cases[i].bytes, cases[i].length, 0),
					 (ssize_t)cases[i].length);
		shutdown(fd, SHUT_WR);
		if (cases[i].answered) {
			assert_int_equal(recv(fd, header, sizeof header, MSG_WAITALL), sizeof header);
			assert_int_equal(header[0], 1);
			assert_int_equal(header[1], 1);
		} else {
			assert_int_equal(recv(fd, header, sizeof header, MSG_WAITALL), 0);
		}
		close(fd);
		assert_served();
	}
}

/* More silent clients than there are places: they lose theirs after the time-out, and nobody is shut out for longer. */
static void test_silent_clients(void **state)
{
	int fds[CONTROL_CLIENTS_MAX];
	struct timespec begin, end;

	(void)state;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fds[i] = connect_raw();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_served();
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec <= CONTROL_TIMEOUT_S + 2);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
}

/* A client that asks and does not read loses the connection; others are served meanwhile. */
static void test_client_that_does_not_read(void **state)
{
	static const uint8_t request[] = {1, CONTROL_STATUS, 0, 3, 'b', 'i', 'g'};
	const int fd = connect_raw();
	uint8_t buffer[65536];
	size_t got = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(send(fd, request, sizeof request, 0), sizeof request);
	assert_served();
	sleep(CONTROL_TIMEOUT_S + 2);
	while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
		got += (size_t)n;
	assert_true(got < BIG_ANSWER);
	close(fd);
}

static void test_one_server_a_socket(void **state)
{
	struct event_base *base = event_base_new();
	struct control_server *second;

	(void)state;
	assert_int_equal(control_listen(&second, base, path, NULL, answer, NULL, error), -EADDRINUSE);
	assert_non_null(strstr(error, "another natshim runs"));
	assert_served();
	event_base_free(base);
}

static void test_mode(void **state)
{
	struct stat s;

	(void)state;
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0660);
}

static void test_stale_socket_is_replaced(void **state)
{
	struct event_base *base = event_base_new();
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct control_server *s;
	char *text;
	int fd;

	(void)state;
	snprintf(at.sun_path, sizeof at.sun_path, "%s/stale.sock", dir);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
	close(fd);
	assert_int_equal(control_ask(at.sun_path, CONTROL_STATUS, "", &text, error), -ECONNREFUSED);
	assert_int_equal(control_listen(&s, base, at.sun_path, NULL, answer, NULL, error), 0);
	control_close(s);
	assert_int_equal(access(at.sun_path, F_OK), -1);
	event_base_free(base);
}

static void test_bad_places(void **state)
{
	struct event_base *base = event_base_new();
	struct control_server *s;
	char long_path[160], *text;

	(void)state;
	memset(long_path, 'a', sizeof long_path - 1);
	long_path[sizeof long_path - 1] = '\0';
	assert_int_equal(control_listen(&s, base, long_path, NULL, answer, NULL, error), -ENAMETOOLONG);
	assert_int_equal(control_ask(long_path, CONTROL_STATUS, "", &text, error), -ENAMETOOLONG);
	assert_int_equal(control_listen(&s, base, "/nonexistent/c.sock", NULL, answer, NULL, error), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/c.sock: cannot listen there"));
	snprintf(long_path, sizeof long_path, "%s/group.sock", dir);
	assert_int_equal(control_listen(&s, base, long_path, "no-such-group", answer, NULL, error), -ENOENT);
	assert_non_null(strstr(error, "no-such-group"));
	assert_int_equal(access(long_path, F_OK), -1);
	assert_int_equal(control_ask("/nonexistent/c.sock", CONTROL_STATUS, "", &text, error), -ENOENT);
	assert_non_null(strstr(error, "no natshim runs here"));
	event_base_free(base);
}

/* Whoever goes before it is done costs nothing but its own answer. */
static void test_answer_in_pieces(void **state)
{
	const uint8_t request[] = {1, CONTROL_STATUS, 0, 6, 'p', 'i', 'e', 'c', 'e', 's'};
	const int gone = connect_raw();
	char *text;

	(void)state;
	assert_int_equal(send(gone, request, sizeof request, MSG_NOSIGNAL), sizeof request);
	close(gone);
	assert_int_equal(control_ask(path, CONTROL_STATUS, "pieces", &text, error), 0);
	assert_string_equal(text, "200 pieces, 1 ended before");
	free(text);
	assert_int_equal(control_ask(path, CONTROL_STATUS, "pieces", &text, error), 0);
	assert_string_equal(text, "200 pieces, 2 ended before");
	free(text);
	assert_served();
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* One byte from time to time: a place here is not held for longer than a quick client may hold it. */
static void test_dribblers(void **state)
{
	const uint8_t big[] = {1, CONTROL_STATUS, 0, 3, 'b', 'i', 'g'};
	const int writer = connect_raw(), reader = connect_raw();
	const double began = seconds();
	static const uint8_t slow[CONTROL_ARGUMENT_MAX] = {1, CONTROL_STATUS, 0, CONTROL_ARGUMENT_MAX};
	uint8_t byte;
	size_t taken = 0, sent = 0;
	ssize_t got;

	(void)state;
	assert_int_equal(send(reader, big, sizeof big, MSG_NOSIGNAL), sizeof big);
	while (send(writer, &slow[sent++], 1, MSG_NOSIGNAL) == 1 && seconds() < began + 15) {
		usleep(500000);
		taken += recv(reader, &byte, 1, 0) == 1;
	}
	assert_in_range((unsigned)(seconds() - began), CONTROL_TIMEOUT_S - 1, CONTROL_TIMEOUT_S + 2);
	usleep(600000);
	while ((got = recv(reader, big_buffer, sizeof big_buffer, 0)) > 0)
		taken += (size_t)got;
	assert_in_range(taken, 1, BIG_ANSWER - 1);
	assert_served();
	close(writer);
	close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_and_answer),
		cmocka_unit_test(test_failure_is_told_in_its_words),
		cmocka_unit_test(test_big_answer),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_silent_clients),
		cmocka_unit_test(test_client_that_does_not_read),
		cmocka_unit_test(test_dribblers),
		cmocka_unit_test(test_answer_in_pieces),
		cmocka_unit_test(test_one_server_a_socket),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_stale_socket_is_replaced),
		cmocka_unit_test(test_bad_places),
	};

	return cmocka_run_group_tests_name("control", tests, start_server, stop_server);
}
