/* Forking and reaping them. */
#include "shim/helper.h"

#include <errno.h>
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
 * socket, and not before what was handed to it is done. A program that it runs gets the defaults back (shim/child.c). */
static void ignore_signals(void)
{
	static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
				      SIGALRM, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU};

	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

static _Noreturn void become_helper(int fd, const char *name, helper_run *run, const void *ctx)
{
	sigset_t none;

	ignore_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd != HELPER_FD)
		dup2(fd, HELPER_FD);
	close_range(HELPER_FD + 1, ~0u, 0);
	prctl(PR_SET_NAME, name);
	run(ctx);
	_exit(0);
}

pid_t helper_start(int *fd, const char *name, helper_run *run, const void *ctx)
{
	int pair[2], rc;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (pid == 0)
		become_helper(pair[1], name, run, ctx);
	rc = -errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return rc;
	}
	*fd = pair[0];
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
