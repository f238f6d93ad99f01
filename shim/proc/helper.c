/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forking and reaping them. */
#include "shim/proc/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REAP_STEP_MS 10
#define RESTART_MS 1000 /* at least, between two of a keeper's */

/* What a terminal, pkill or a service manager sends to all processes of natshim is the daemon's to answer: a helper ends with its
 * socket, and not before what was handed to it is done. A program that it runs gets the defaults back (shim/proc/child.c). */
static void ignore_signals(void)
{
	static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
				      SIGALRM, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU};

	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

/* The sockets move to where the new process expects them; first out of each other's way. */
static void place_sockets(int fds[], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HELPER_FD + HELPER_SOCKETS_MAX);
	for (unsigned i = 0; i < count; i++)
		dup2(fds[i], HELPER_FD + (int)i);
	close_range(HELPER_FD + count, ~0u, 0);
}

static _Noreturn void become_helper(int fds[], unsigned count, const char *name, helper_run *run,
				    const void *ctx)
{
	sigset_t none;

	ignore_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	place_sockets(fds, count);
	prctl(PR_SET_NAME, name);
	run(ctx);
	_exit(0);
}

static void close_all(const int fds[], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

pid_t helper_start_sockets(int fds[], unsigned count, const char *name, helper_run *run, const void *ctx)
{
	int theirs[HELPER_SOCKETS_MAX], rc;
	pid_t pid;

	for (unsigned i = 0; i < count; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
			rc = -errno;
			close_all(fds, i);
			close_all(theirs, i);
			return rc;
		}
		fds[i] = pair[0];
		theirs[i] = pair[1];
	}
	pid = fork();
	if (pid == 0)
		become_helper(theirs, count, name, run, ctx);
	rc = -errno;
	close_all(theirs, count);
	if (pid > 0)
		return pid;
	close_all(fds, count);
	return rc;
}

pid_t helper_start(int *fd, const char *name, helper_run *run, const void *ctx)
{
	int made = -1;
	const pid_t pid = helper_start_sockets(&made, 1, name, run, ctx);

	if (pid > 0)
		*fd = made;
	return pid;
}

bool helper_receive(int fd, void *message, size_t length)
{
	for (;;) {
		const ssize_t got = recv(fd, message, length, MSG_TRUNC);

		if (got == (ssize_t)length)
			return true;
		if (got == 0 || (got < 0 && errno != EINTR))
			return false;
	}
}

int helper_next(int fd, void *message, size_t length)
{
	for (;;) {
		const ssize_t got = recv(fd, message, length, MSG_DONTWAIT | MSG_TRUNC);

		if (got == (ssize_t)length)
			return 1;
		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got == 0 || (got < 0 && errno != EINTR))
			return -EPIPE;
	}
}

/* Keeping one */

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void wait_ms(uint64_t ms)
{
	nanosleep(&(struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000},
		  NULL);
}

/* One process from its beginning to its end; true when it ended because nobody is left to work for. */
static bool keep_one(const char *name, helper_run *fn, const void *ctx, helper_news_fn *news)
{
	int status = 0;
	const pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_NAME, name);
		fn(ctx);
		_exit(0);
	}
	if (pid < 0)
		return false;
	news(pid);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void helper_keep(const char *name, helper_run *fn, const void *ctx, helper_news_fn *news)
{
	for (;;) {
		const uint64_t began = clock_ms();

		if (keep_one(name, fn, ctx, news))
			return;
		news(0);
		if (clock_ms() - began < RESTART_MS)
			wait_ms(RESTART_MS - (clock_ms() - began));
	}
}

void helper_reap(pid_t pid, unsigned timeout_ms)
{
	for (unsigned waited = 0; waited < timeout_ms; waited += REAP_STEP_MS) {
		if (waitpid(pid, NULL, WNOHANG))
			return;
		nanosleep(&(struct timespec){.tv_nsec = REAP_STEP_MS * 1000000L}, NULL);
	}
	if (!kill(pid, SIGKILL)) /* a confined process may not; the helper ends with its socket */
		waitpid(pid, NULL, 0);
}
