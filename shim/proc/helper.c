/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How one begins, and what goes over its sockets. */
#include "shim/proc/helper.h"

#include "shim/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a terminal, pkill or a service manager sends to all processes of natshim is natshim's own to answer: a helper ends with its
 * socket, and not before what was handed to it is done. A program that it runs gets the defaults back (shim/proc/command.c). */
static void ignore_signals(void)
{
	static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
				      SIGALRM, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU};

	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

void helper_become(const char *name)
{
	sigset_t none;

	ignore_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, name);
}

/* First out of each other's way. */
void helper_place(int fds[], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HELPER_FD + (int)count);
	for (unsigned i = 0; i < count; i++)
		dup2(fds[i], HELPER_FD + (int)i);
	close_range(HELPER_FD + count, ~0u, 0);
}

/* Messages */

union control {
	struct cmsghdr header; /* for its alignment */
	char room[CMSG_SPACE(sizeof(int))];
};

int helper_send(int fd, const void *message, size_t length, int passed, int flags)
{
	union control control = {.room = {0}};
	struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = length};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	if (passed >= 0) {
		header.msg_control = control.room;
		header.msg_controllen = sizeof control.room;
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof passed);
		memcpy(CMSG_DATA(c), &passed, sizeof passed);
	}
	do
		sent = sendmsg(fd, &header, flags | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* ECONNRESET is told once, and before what still waits (the kernel's unix_release_sock() and __skb_try_recv_datagram()). */
bool helper_again(int error)
{
	return error == EINTR || error == ECONNRESET;
}

static void close_passed(int *passed)
{
	if (*passed >= 0)
		close(*passed);
	*passed = -1;
}

/* 1 with a message of that length, and -1 or a descriptor in *passed; 0: none is there; -EPIPE: the other end is closed. */
static int receive(int fd, void *message, size_t length, int *passed, int flags)
{
	for (;;) {
		union control control = {.room = {0}};
		struct iovec part = {.iov_base = message, .iov_len = length};
		struct msghdr header = {.msg_iov = &part,
					.msg_iovlen = 1,
					.msg_control = control.room,
					.msg_controllen = sizeof control.room};
		const ssize_t got = recvmsg(fd, &header, flags | MSG_CMSG_CLOEXEC | MSG_TRUNC);
		const struct cmsghdr *c;

		*passed = -1;
		if (got < 0 && helper_again(errno))
			continue;
		if (got <= 0)
			return got < 0 && errno == EAGAIN ? 0 : -EPIPE;
		c = CMSG_FIRSTHDR(&header);
		if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    c->cmsg_len == CMSG_LEN(sizeof *passed))
			memcpy(passed, CMSG_DATA(c), sizeof *passed);
		if (got == (ssize_t)length)
			return 1;
		close_passed(passed);
	}
}

bool helper_receive_passed(int fd, void *message, size_t length, int *passed)
{
	return receive(fd, message, length, passed, 0) > 0;
}

/* recv() and not recvmsg(): most of these processes may not take descriptors at all (shim/proc/confine.c). */
bool helper_receive(int fd, void *message, size_t length)
{
	for (;;) {
		const ssize_t got = recv(fd, message, length, MSG_TRUNC);

		if (got == (ssize_t)length)
			return true;
		if (got == 0 || (got < 0 && !helper_again(errno)))
			return false;
	}
}

/* The near end */

static void lose(struct helper *h)
{
	const int fd = h->socket;

	h->socket = -1;
	h->alive = false;
	/* Before the socket is closed, so that the owner can remove its event. */
	if (h->protocol->gone)
		h->protocol->gone(h->owner);
	close(fd);
}

/* True with an answer, to whatever question; the rest has been dealt with. */
static bool next_answer(struct helper *h, void *answer, int *passed)
{
	while (h->socket >= 0) {
		const int rc = receive(h->socket, answer, h->protocol->answer, passed, MSG_DONTWAIT);

		if (rc < 0)
			lose(h);
		if (rc <= 0)
			return false;
		if (h->protocol->take(h->owner, answer)) {
			const bool was_deaf = h->deaf_until_ms;

			h->deaf_until_ms = 0;
			if (was_deaf && h->protocol->heard)
				h->protocol->heard(h->owner);
			return true;
		}
		close_passed(passed);
	}
	return false;
}

void helper_read(struct helper *h)
{
	_Alignas(max_align_t) uint8_t late[HELPER_MESSAGE_MAX];
	int passed;

	while (next_answer(h, late, &passed))
		close_passed(&passed);
	explicit_bzero(late, h->protocol->answer);
}

int helper_post(struct helper *h, void *question, int passed)
{
	int rc;

	if (h->socket < 0)
		return -EPIPE;
	h->sequence = h->sequence == UINT32_MAX ? 1 : h->sequence + 1;
	memcpy(question, &h->sequence, sizeof h->sequence);
	rc = helper_send(h->socket, question, h->protocol->question, passed, MSG_DONTWAIT);
	return !rc || rc == -EAGAIN ? rc : -EPIPE;
}

static bool is_answer(const struct helper *h, const void *answer)
{
	uint32_t sequence;

	memcpy(&sequence, answer, sizeof sequence);
	return sequence == h->sequence;
}

static int await(struct helper *h, void *answer, unsigned wait_ms, int *passed)
{
	const uint64_t until = clock_now_ms() + wait_ms;

	for (uint64_t at = clock_now_ms(); h->alive && at < until; at = clock_now_ms()) {
		struct pollfd ready = {.fd = h->socket, .events = POLLIN};

		if (poll(&ready, 1, (int)(until - at)) < 0 && errno != EINTR)
			return -errno;
		while (next_answer(h, answer, passed)) {
			if (is_answer(h, answer))
				return 0;
			close_passed(passed);
			explicit_bzero(answer, h->protocol->answer);
		}
	}
	return h->alive ? -ETIMEDOUT : -EPIPE;
}

int helper_ask(struct helper *h, void *question, void *answer, unsigned wait_ms, int *passed)
{
	int none = -1, *descriptor = passed ? passed : &none, rc;

	*descriptor = -1;
	helper_read(h); /* it may be that nobody is there any more, or somebody again */
	if (!h->alive)
		return -EPIPE;
	if (clock_now_ms() < h->deaf_until_ms)
		return -ETIMEDOUT;
	rc = helper_post(h, question, -1);
	if (rc)
		return rc == -EAGAIN ? -ETIMEDOUT : rc;
	rc = await(h, answer, wait_ms, descriptor);
	if (!passed)
		close_passed(&none);
	if (rc == -ETIMEDOUT) {
		h->deaf_until_ms = h->protocol->deaf_ms ? clock_now_ms() + h->protocol->deaf_ms : 0;
		if (h->protocol->silent)
			h->protocol->silent(h->owner);
	}
	return rc;
}

int helper_first(struct helper *h, void *answer, unsigned wait_ms)
{
	struct pollfd ready = {.fd = h->socket, .events = POLLIN};
	int passed;

	if (poll(&ready, 1, (int)wait_ms) != 1)
		return -ETIMEDOUT;
	if (receive(h->socket, answer, h->protocol->answer, &passed, MSG_DONTWAIT) != 1)
		return -EPIPE;
	close_passed(&passed);
	return 0;
}

void helper_close(struct helper *h)
{
	if (h->socket >= 0)
		close(h->socket);
	h->socket = -1;
}
