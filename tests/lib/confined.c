/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tries what each confined process must not be able to do, and what it must; speaks TAP. Built with the release flags: the
 * sanitizers' runtime could not live under these filters. */
#include "shim/proc/confine.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int capng_get_caps_process(void);

static bool capabilities_unreadable; /* from now on capget(2) fails, as far as libcap-ng tells */

int capng_get_caps_process(void)
{
	const union {
		void *object;
		int (*function)(void);
	} real = {.object = dlsym(RTLD_NEXT, "capng_get_caps_process")};

	return capabilities_unreadable ? -1 : real.function();
}

static char allowed[] = "/tmp/natshim-confined-XXXXXX";

/* Each: 0 when it could be done, else the errno. */

static int open_file(void)
{
	const int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? errno : 0;
}

static int make_file(const char *directory)
{
	char path[64];

	snprintf(path, sizeof path, "%s/file", directory);
	const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return unlink(path) ? errno : 0;
}

static int make_allowed_file(void)
{
	return make_file(allowed);
}

/* It was made before. */
static int read_allowed_file(void)
{
	char path[64];

	snprintf(path, sizeof path, "%s/there", allowed);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int make_other_file(void)
{
	return make_file("/run");
}

static int run_program(void)
{
	char *const argv[] = {(char *)(uintptr_t) "true", NULL};

	execve("/bin/true", argv, NULL);
	return errno;
}

static int split(void)
{
	const pid_t pid = (pid_t)syscall(SYS_fork); /* itself, as an intruder would call it */

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}

static int reach_unix_socket(void)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : 0;
}

static int reach_network(void)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : 0;
}

static int run_own_memory(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? errno : 0;
}

static int use_memory(void)
{
	void *big = malloc(16 << 20);

	if (!big)
		return ENOMEM;
	memset(big, 1, 16 << 20);
	free(big);
	return 0;
}

static int signal_init(void)
{
	return kill(1, 0) ? errno : 0;
}

static int trace_parent(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) ? errno : 0;
}

static int set_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return clock_settime(CLOCK_REALTIME, &now) ? errno : 0;
}

static int raw_socket(void)
{
	const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

	return fd < 0 ? errno : 0;
}

static int netlink_socket(int protocol)
{
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	return fd < 0 ? errno : 0;
}

static int xfrm_socket(void)
{
	return netlink_socket(NETLINK_XFRM);
}

static int route_socket(void)
{
	return netlink_socket(NETLINK_ROUTE);
}

static int become_other(void)
{
	return setuid(65534) ? errno : 0;
}

#define DIES (-1)
#define REFUSED (-2) /* with any error */

static const struct attempt {
	enum confine_role role;
	const char *name;
	int (*try)(void);
	int outcome; /* 0, DIES or REFUSED */
} attempts[] = {
	{CONFINE_PACKETS, "packets: opens no file", open_file, REFUSED},
	{CONFINE_PACKETS, "packets: makes no file", make_allowed_file, REFUSED},
	{CONFINE_PACKETS, "packets: exec is death", run_program, DIES},
	{CONFINE_PACKETS, "packets: fork is death", split, DIES},
	{CONFINE_PACKETS, "packets: ptrace is death", trace_parent, DIES},
	{CONFINE_PACKETS, "packets: no UNIX socket (pluto, D-Bus, systemd)", reach_unix_socket, REFUSED},
	{CONFINE_PACKETS, "packets: no new socket to the network", reach_network, REFUSED},
	{CONFINE_PACKETS, "packets: no memory that runs", run_own_memory, REFUSED},
	{CONFINE_PACKETS, "packets: memory is to be had", use_memory, 0},
	{CONFINE_PACKETS, "packets: signals nobody", signal_init, REFUSED},
	{CONFINE_FILES, "files: writes where it may", make_allowed_file, 0},
	{CONFINE_FILES, "files: and nowhere else", make_other_file, REFUSED},
	{CONFINE_FILES, "files: reads nothing else", open_file, REFUSED},
	{CONFINE_FILES, "files: exec is death", run_program, DIES},
	{CONFINE_FILES, "files: fork is death", split, DIES},
	{CONFINE_FILES, "files: no socket to the network", reach_network, REFUSED},
	{CONFINE_FILES, "files: no stream socket (pluto, D-Bus, systemd)", reach_unix_socket, REFUSED},
	{CONFINE_FILES, "files: signals nobody", signal_init, REFUSED},
	{CONFINE_SECRETS, "secrets: opens no file", open_file, REFUSED},
	{CONFINE_SECRETS, "secrets: makes no file", make_allowed_file, REFUSED},
	{CONFINE_SECRETS, "secrets: exec is death", run_program, DIES},
	{CONFINE_SECRETS, "secrets: fork is death", split, DIES},
	{CONFINE_SECRETS, "secrets: ptrace is death", trace_parent, DIES},
	{CONFINE_SECRETS, "secrets: no UNIX socket (pluto, D-Bus, systemd)", reach_unix_socket, REFUSED},
	{CONFINE_SECRETS, "secrets: no socket to the network", reach_network, REFUSED},
	{CONFINE_SECRETS, "secrets: no memory that runs", run_own_memory, REFUSED},
	{CONFINE_SECRETS, "secrets: memory is to be had", use_memory, 0},
	{CONFINE_SECRETS, "secrets: signals nobody", signal_init, REFUSED},
	{CONFINE_SECRETS_READER, "reader of the secrets: reads where it may", read_allowed_file, 0},
	{CONFINE_SECRETS_READER, "reader of the secrets: and nowhere else", open_file, REFUSED},
	{CONFINE_SECRETS_READER, "reader of the secrets: writes nothing", make_allowed_file, REFUSED},
	{CONFINE_SECRETS_READER, "reader of the secrets: exec is death", run_program, DIES},
	{CONFINE_SECRETS_READER, "reader of the secrets: fork is death", split, DIES},
	{CONFINE_SECRETS_READER, "reader of the secrets: ptrace is death", trace_parent, DIES},
	{CONFINE_SECRETS_READER, "reader of the secrets: no socket to the network", reach_network, REFUSED},
	{CONFINE_SECRETS_READER, "reader of the secrets: no UNIX socket (pluto, D-Bus, systemd)",
	 reach_unix_socket, REFUSED},
	{CONFINE_SECRETS_READER, "reader of the secrets: does not change its user", become_other, REFUSED},
	{CONFINE_XFRM, "xfrm: opens no file", open_file, REFUSED},
	{CONFINE_XFRM, "xfrm: exec is death", run_program, DIES},
	{CONFINE_XFRM, "xfrm: fork is death", split, DIES},
	{CONFINE_XFRM, "xfrm: ptrace is death", trace_parent, DIES},
	{CONFINE_XFRM, "xfrm: no UNIX socket (pluto, D-Bus, systemd)", reach_unix_socket, REFUSED},
	{CONFINE_XFRM, "xfrm: no new socket, not of its own kind either", xfrm_socket, REFUSED},
	{CONFINE_XFRM, "xfrm: nor one of the kind that tells own addresses", route_socket, REFUSED},
	{CONFINE_XFRM, "xfrm: no memory that runs", run_own_memory, REFUSED},
	{CONFINE_XFRM, "xfrm: signals nobody", signal_init, REFUSED},
	{CONFINE_PACKETS, "packets: no new XFRM socket", xfrm_socket, REFUSED},
	{CONFINE_PACKETS, "packets: nor another netlink socket", route_socket, REFUSED},
	{CONFINE_PARENT, "parent: starts processes", split, 0},
	{CONFINE_PARENT, "parent and stack: runs programs", run_program, 0},
	{CONFINE_PARENT, "parent and stack: speaks to pluto and charon", reach_unix_socket, 0},
	{CONFINE_PARENT, "parent and stack: sends ICMP", raw_socket, 0},
	{CONFINE_PARENT, "parent and stack: traces nobody", trace_parent, REFUSED},
	{CONFINE_PARENT, "parent and stack: does not set the clock", set_clock, REFUSED},
	{CONFINE_PARENT, "parent and stack: does not change its user", become_other, REFUSED},
};

static int child(const struct attempt *a)
{
	const char *const directories[] = {allowed, NULL};
	const struct confine_files writable = {.writable = directories}, readable = {.readable = directories};
	const struct confine_files *const files[] = {
		[CONFINE_FILES] = &writable, [CONFINE_SECRETS_READER] = &readable, [CONFINE_XFRM] = NULL};
	char missing[CONFINE_TEXT_MAX];

	if (!confine(a->role, files[a->role], missing)) {
		fprintf(stderr, "# not confined by: %s\n", missing);
		return 255;
	}
	return a->try();
}

static bool holds(const struct attempt *a, int status)
{
	if (a->outcome == DIES)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 255)
		return false;
	return a->outcome == REFUSED ? WEXITSTATUS(status) != 0 : WEXITSTATUS(status) == 0;
}

/* Where the capabilities cannot be read, they are still held: confine() must say so. For a process of its own. */
static int child_unreadable(void)
{
	char missing[CONFINE_TEXT_MAX];

	capabilities_unreadable = true;
	return confine(CONFINE_SECRETS, NULL, missing) || !strstr(missing, "capabilities") ||
	       confine_is_net_admin();
}

static bool report(size_t number, const char *name, bool good, int status)
{
	printf("%sok %zu - %s\n", good ? "" : "not ", number, name);
	if (!good)
		printf("# status %#x\n", (unsigned)status);
	fflush(stdout);
	return good;
}

int main(void)
{
	const size_t count = sizeof attempts / sizeof *attempts;
	int status = 0;
	pid_t pid;
	char there[64];
	unsigned failed = 0;

	if (!mkdtemp(allowed))
		return 1;
	snprintf(there, sizeof there, "%s/there", allowed);
	close(open(there, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	for (size_t i = 0; i < count; i++) {
		pid = fork();
		if (pid == 0)
			_exit(child(&attempts[i]));
		waitpid(pid, &status, 0);
		failed += !report(i + 1, attempts[i].name, holds(&attempts[i], status), status);
	}
	pid = fork();
	if (pid == 0)
		_exit(child_unreadable());
	waitpid(pid, &status, 0);
	failed += !report(count + 1, "capabilities that cannot be read: not confined, and said so",
			  status == 0, status);
	unlink(there);
	rmdir(allowed);
	printf("1..%zu\n", count + 1);
	return failed ? 1 : 0;
}
