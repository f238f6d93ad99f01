/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Faults for a natshim that runs (LD_PRELOAD): failing allocations, failing netlink calls, clocks that jump. Armed and counted
 * in a page of shared memory, the file that INJECT_FILE names, so that a confined process can be reached too.
 *
 * Two ways to fail. "sites": each place that allocates (its return address), or each kind of netlink message, once.
 * "every": each N-th call. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

int seccomp_load(void *filter);

#define SITES 4096
#define CLOCKS 12

enum kind { ALLOCATION, SEND, RECEIVE, ANSWER, KINDS };

/* tests/lib/inject.py knows this layout. */
struct control {
	struct arm {
		uint32_t sites, every; /* 0: off */
		int32_t error;         /* errno of SEND, RECEIVE, ANSWER */
		uint32_t calls, failed;
	} arms[KINDS];
	int64_t offset_ms[CLOCKS]; /* by clockid_t */
	uint64_t seen[KINDS][SITES];
};

static struct control *control;

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("INJECT_FILE");
	const int fd = path && !strcmp(program_invocation_short_name, "natshim")
			       ? open(path, O_RDWR | O_CLOEXEC)
			       : -1;
	void *page;

	if (fd < 0)
		return;
	page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page != MAP_FAILED)
		control = page;
}

static bool is_new(enum kind kind, uint64_t site)
{
	uint64_t *seen = control->seen[kind];
	size_t at = (size_t)(site * 0x9e3779b97f4a7c15u >> 52) % SITES;

	for (size_t n = 0; n < SITES; n++, at = (at + 1) % SITES) {
		if (seen[at] == site)
			return false;
		if (!seen[at]) {
			seen[at] = site;
			return true;
		}
	}
	return false;
}

static bool fails(enum kind kind, uint64_t site)
{
	struct arm *arm;

	if (!control)
		return false;
	arm = &control->arms[kind];
	if (!arm->sites && !arm->every)
		return false;
	arm->calls++;
	if (arm->sites ? !is_new(kind, site) : arm->calls % arm->every)
		return false;
	arm->failed++;
	return true;
}

#define CALLER ((uint64_t)(uintptr_t)__builtin_return_address(0))

void *malloc(size_t size)
{
	if (fails(ALLOCATION, CALLER)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	if (fails(ALLOCATION, CALLER)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	if (size && fails(ALLOCATION, CALLER)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(old, size);
}

/* Netlink. A site is the types of the first two messages: a batch begins with a header that says nothing. */

static bool is_netlink(int fd)
{
	int domain = 0;
	socklen_t length = sizeof domain;

	return control && !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) && domain == AF_NETLINK;
}

static uint64_t site_of(const void *data, size_t length)
{
	struct nlmsghdr first, second = {.nlmsg_type = 0};

	if (length < sizeof first)
		return 1;
	memcpy(&first, data, sizeof first);
	const size_t next = NLMSG_ALIGN(first.nlmsg_len);

	if (length >= sizeof second && next <= length - sizeof second)
		memcpy(&second, (const char *)data + next, sizeof second);
	return (uint64_t)1 << 32 | (uint64_t)first.nlmsg_type << 16 | second.nlmsg_type;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

static bool sending_fails(int fd, const void *data, size_t length)
{
	if (!is_netlink(fd) || !fails(SEND, site_of(data, length)))
		return false;
	errno = control->arms[SEND].error;
	return true;
}

ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to,
	       socklen_t to_length)
{
	if (sending_fails(fd, data, length))
		return -1;
	return REAL(sendto)(fd, data, length, flags, to, to_length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (message->msg_iovlen && sending_fails(fd, message->msg_iov->iov_base, message->msg_iov->iov_len))
		return -1;
	return REAL(sendmsg)(fd, message, flags);
}

/* What the kernel said becomes an error of the same sequence number. */
static ssize_t maybe_spoil(void *data, ssize_t got)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} message;
	struct nlmsghdr first;

	if (got < (ssize_t)sizeof message || !fails(ANSWER, site_of(data, (size_t)got)))
		return got;
	memcpy(&first, data, sizeof first);
	memset(&message, 0, sizeof message);
	message.header = (struct nlmsghdr){.nlmsg_len = sizeof message,
					   .nlmsg_type = NLMSG_ERROR,
					   .nlmsg_seq = first.nlmsg_seq,
					   .nlmsg_pid = first.nlmsg_pid};
	message.error.error = -control->arms[ANSWER].error;
	message.error.msg = first;
	memcpy(data, &message, sizeof message);
	return sizeof message;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t got;

	if (!is_netlink(fd))
		return REAL(recvmsg)(fd, message, flags);
	if (fails(RECEIVE, (uint64_t)fd + 1)) {
		errno = control->arms[RECEIVE].error;
		return -1;
	}
	got = REAL(recvmsg)(fd, message, flags);
	if (got > 0 && message->msg_iovlen == 1 && !(flags & MSG_PEEK))
		got = maybe_spoil(message->msg_iov->iov_base, got);
	return got;
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	if (is_netlink(fd) && fails(RECEIVE, (uint64_t)fd + 1)) {
		errno = control->arms[RECEIVE].error;
		return -1;
	}
	return REAL(recvmmsg)(fd, messages, count, flags, timeout);
}

/* INJECT_XFRM_BUFFER: the receive buffer of XFRM sockets, bytes, whatever the program asks for. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	const char *bytes = getenv("INJECT_XFRM_BUFFER");
	const bool sizes = level == SOL_SOCKET && (name == SO_RCVBUF || name == SO_RCVBUFFORCE);
	const int capped = bytes ? atoi(bytes) : 0;
	int protocol = -1;
	socklen_t protocol_length = sizeof protocol;

	if (bytes && sizes && !getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_length) &&
	    protocol == NETLINK_XFRM)
		value = &capped;
	return REAL(setsockopt)(fd, level, name, value, length);
}

/* For valgrind, whose own system calls the filter would hit. */
int seccomp_load(void *filter)
{
	return getenv("INJECT_NO_FILTER") ? 0 : ((int (*)(void *))dlsym(RTLD_NEXT, "seccomp_load"))(filter);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	static __typeof__(&clock_gettime) real;
	int rc;

	if (!real)
		real = REAL(clock_gettime);
	rc = real(clock, out);
	if (!rc && control && clock >= 0 && clock < CLOCKS && control->offset_ms[clock]) {
		const int64_t ns = (int64_t)out->tv_nsec + control->offset_ms[clock] % 1000 * 1000000;

		out->tv_sec += control->offset_ms[clock] / 1000 + (ns < 0 ? -1 : ns >= 1000000000 ? 1 : 0);
		out->tv_nsec = (ns + 1000000000) % 1000000000;
	}
	return rc;
}
