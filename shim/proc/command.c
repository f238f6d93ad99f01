/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See command.h. One epoll descriptor holds all that can happen to the child: output, its end (a pidfd), the
 * time-out. */
#include "shim/proc/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_MS 5000
#define DEFAULT_OUTPUT_MAX 65536

enum source { SOURCE_OUT, SOURCE_ERR, SOURCE_END, SOURCE_TIME, SOURCES };

struct command {
	pid_t pid;
	int epoll;
	int fd[SOURCES]; /* -1: closed */
	size_t output_max;
	bool ended;
	struct command_result result;
};

static int epoll_add(struct command *c, enum source source, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = source};

	c->fd[source] = fd;
	return epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Descriptors 0 to 2 are kept free of ours, so that making the child's stdio cannot overwrite one that is
 * still needed. */
static int above_stdio(int fd)
{
	int higher;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	higher = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(fd);
	return higher;
}

static int make_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	ends[0] = above_stdio(ends[0]);
	ends[1] = above_stdio(ends[1]);
	if (ends[0] < 0 || ends[1] < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK))
		return -errno;
	return 0;
}

/* A memory file, not a pipe: nothing can block and nobody gets SIGPIPE. */
static int open_input(const struct command_options *o)
{
	const char *bytes = o->input;
	size_t done = 0;
	int fd = above_stdio(o->input ? memfd_create("stdin", MFD_CLOEXEC)
				      : open("/dev/null", O_RDONLY | O_CLOEXEC));

	while (fd >= 0 && o->input && done < o->input_length) {
		ssize_t n = write(fd, bytes + done, o->input_length - done);

		if (n < 0 && errno != EINTR) {
			int err = errno;

			close(fd);
			errno = err;
			return -1;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Returns 0 or an errno (as posix_spawn does). */
static int spawn(pid_t *pid, const char *const argv[], int in, int out, int err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	char **args;
	int rc;

	memcpy(&args, &argv, sizeof(args)); /* posix_spawnp takes it without const, and changes nothing */
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr,
				 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	if (!rc)
		rc = posix_spawnp(pid, args[0], &files, &attr, args, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return rc;
}

static int start_timer(struct command *c, unsigned timeout_ms)
{
	struct itimerspec when = {
		.it_value = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L}};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &when, NULL))
		return -errno;
	return epoll_add(c, SOURCE_TIME, fd);
}

static int watch_process(struct command *c)
{
	int fd = pidfd_open(c->pid, 0);

	return fd < 0 ? -errno : epoll_add(c, SOURCE_END, fd);
}

static struct command *command_new(const struct command_options *o)
{
	struct command *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	for (int i = 0; i < SOURCES; i++)
		c->fd[i] = -1;
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->output_max = o->output_max ? o->output_max : DEFAULT_OUTPUT_MAX;
	c->result.status = -1;
	c->result.out.text = calloc(1, 1);
	c->result.err.text = calloc(1, 1);
	return c;
}

int command_start(struct command **out, const char *const argv[], const struct command_options *options)
{
	const struct command_options o = options ? *options : (struct command_options){0};
	int in = -1, out_pipe[2] = {-1, -1}, err_pipe[2] = {-1, -1}, rc = -ENOMEM;
	struct command *c = command_new(&o);

	*out = NULL;
	if (!c || c->epoll < 0 || !c->result.out.text || !c->result.err.text)
		goto failed;
	in = open_input(&o);
	if (in < 0) {
		rc = -errno;
		goto failed;
	}
	if ((rc = make_pipe(out_pipe)) || (rc = make_pipe(err_pipe)))
		goto failed;
	if ((rc = start_timer(c, o.timeout_ms ? o.timeout_ms : DEFAULT_TIMEOUT_MS)))
		goto failed;
	if ((rc = epoll_add(c, SOURCE_OUT, out_pipe[0])) || (rc = epoll_add(c, SOURCE_ERR, err_pipe[0])))
		goto failed;
	if ((rc = -spawn(&c->pid, argv, in, out_pipe[1], err_pipe[1])) || (rc = watch_process(c)))
		goto failed;
	close_fd(&in);
	close_fd(&out_pipe[1]);
	close_fd(&err_pipe[1]);
	*out = c;
	return 0;
failed:
	close_fd(&in);
	for (int i = 0; i < 2; i++) {
		/* The reading ends that c already watches are closed with it. */
		if (!c || out_pipe[i] != c->fd[SOURCE_OUT])
			close_fd(&out_pipe[i]);
		if (!c || err_pipe[i] != c->fd[SOURCE_ERR])
			close_fd(&err_pipe[i]);
	}
	command_finish(c, NULL);
	return rc;
}

int command_fd(const struct command *command)
{
	return command->epoll;
}

pid_t command_pid(const struct command *command)
{
	return command->pid;
}

static void keep_output(struct command *c, struct command_output *output, const char *bytes, size_t length)
{
	size_t room = c->output_max - output->length;
	char *grown;

	if (length > room) {
		output->cut = true;
		length = room;
	}
	if (!length)
		return;
	grown = realloc(output->text, output->length + length + 1);
	if (!grown) {
		output->cut = true;
		return;
	}
	memcpy(grown + output->length, bytes, length);
	output->text = grown;
	output->length += length;
	grown[output->length] = '\0';
}

/* Reads one bufferful; false when there was none. */
static bool read_output(struct command *c, enum source source)
{
	struct command_output *output = source == SOURCE_OUT ? &c->result.out : &c->result.err;
	char buffer[4096];
	ssize_t n = c->fd[source] < 0 ? 0 : read(c->fd[source], buffer, sizeof(buffer));

	if (n > 0) {
		keep_output(c, output, buffer, (size_t)n);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(&c->fd[source]);
	return n < 0 && errno == EINTR;
}

/* Its last words first: what is in the pipes when it has ended. Bounded, for a grandchild may go on writing.
 */
static void collect(struct command *c)
{
	int status = 0;

	for (size_t left = c->output_max / 4096 + 16; left && read_output(c, SOURCE_OUT); left--)
		;
	for (size_t left = c->output_max / 4096 + 16; left && read_output(c, SOURCE_ERR); left--)
		;
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	c->ended = true;
	if (WIFEXITED(status))
		c->result.status = WEXITSTATUS(status);
	else if (WIFSIGNALED(status))
		c->result.signal = WTERMSIG(status);
}

static void kill_and_collect(struct command *c)
{
	kill(-c->pid, SIGKILL); /* the group; not there yet or no longer: the process itself */
	kill(c->pid, SIGKILL);
	c->result.timed_out = true;
	collect(c);
}

bool command_step(struct command *c)
{
	struct epoll_event events[SOURCES];
	int n = c->ended ? 0 : epoll_wait(c->epoll, events, SOURCES, 0);
	bool over = false, late = false;

	for (int i = 0; i < n; i++) {
		switch ((enum source)events[i].data.u32) {
		case SOURCE_OUT:
		case SOURCE_ERR:
			read_output(c, (enum source)events[i].data.u32);
			break;
		case SOURCE_END:
			over = true;
			break;
		case SOURCE_TIME:
			late = true;
			break;
		case SOURCES:
			break;
		}
	}
	if (over)
		collect(c);
	else if (late)
		kill_and_collect(c);
	return c->ended;
}

void command_finish(struct command *c, struct command_result *result)
{
	if (!c)
		return;
	if (c->pid > 0 && !c->ended)
		kill_and_collect(c);
	for (int i = 0; i < SOURCES; i++)
		close_fd(&c->fd[i]);
	close_fd(&c->epoll);
	if (result)
		*result = c->result;
	else
		command_result_clear(&c->result);
	free(c);
}

int command_run(const char *const argv[], const struct command_options *options,
		struct command_result *result)
{
	struct command *c;
	int rc;

	*result = (struct command_result){.status = -1};
	rc = command_start(&c, argv, options);
	if (rc || !c)
		return rc;
	while (!command_step(c)) {
		struct pollfd ready = {.fd = command_fd(c), .events = POLLIN};

		poll(&ready, 1, -1);
	}
	command_finish(c, result);
	return 0;
}

void command_result_clear(struct command_result *result)
{
	free(result->out.text);
	free(result->err.text);
	*result = (struct command_result){.status = -1};
}

bool command_succeeded(const struct command_result *result)
{
	return !result->timed_out && result->status == 0;
}
