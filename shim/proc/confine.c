/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capabilities (libcap-ng), no-new-privs, Landlock where the kernel has it, and a seccomp filter for each role. The filters
 * answer what is not on a list with an error and not with death: a libc that tries another way first must not take the
 * daemon down. What no honest code of ours ever calls, exec above all, is death. */
#include "shim/proc/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED 1 /* its runtime opens files and starts threads at the end */
#else
#define SANITIZED 0
#endif

/* Capabilities */

static bool drop_capabilities(enum confine_role role)
{
	capng_select_t sets = CAPNG_SELECT_CAPS;

	if (capng_get_caps_process())
		return false;
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		sets = CAPNG_SELECT_ALL; /* else the bounding set is what the service manager made it */
	capng_clear(CAPNG_SELECT_ALL);
	if (role == CONFINE_PACKETS || role == CONFINE_PARENT || role == CONFINE_XFRM)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
	if (role == CONFINE_PARENT) /* natshim-stack's ICMP echoes that keep a session warm */
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_RAW);
	return !capng_apply(sets);
}

bool confine_is_net_admin(void)
{
	return !capng_get_caps_process() && capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
}

/* Files */

#define LANDLOCK_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define LANDLOCK_CHANGE                                                                                      \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG)
#define LANDLOCK_ABI_1                                                                                       \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_READ | LANDLOCK_CHANGE | LANDLOCK_ACCESS_FS_REMOVE_DIR |      \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK |         \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static void allow_beneath(int rules, const char *const *directories, uint64_t access)
{
	for (; directories && *directories; directories++) {
		const int fd = open(*directories, O_PATH | O_DIRECTORY | O_CLOEXEC);
		const struct landlock_path_beneath_attr beneath = {.allowed_access = access, .parent_fd = fd};

		if (fd < 0)
			continue;
		syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
		close(fd);
	}
}

static bool restrict_files(const struct confine_files *files)
{
	const struct landlock_ruleset_attr handled = {.handled_access_fs = LANDLOCK_ABI_1};
	const int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
	bool done;

	if (rules < 0)
		return false;
	if (files) {
		allow_beneath(rules, files->readable, LANDLOCK_READ);
		allow_beneath(rules, files->writable, LANDLOCK_READ | LANDLOCK_CHANGE);
	}
	done = !syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
	return done;
}

/* System calls */

/* Memory, time, the end, and what the C library does by itself. */
static const char *const base_calls[] = {"brk",
					 "munmap",
					 "mremap",
					 "madvise",
					 "futex",
					 "getrandom",
					 "clock_gettime",
					 "gettimeofday",
					 "time",
					 "clock_nanosleep",
					 "nanosleep",
					 "restart_syscall",
					 "rt_sigreturn",
					 "rt_sigaction",
					 "rt_sigprocmask",
					 "exit",
					 "exit_group",
					 "getpid",
					 "gettid",
					 "getppid",
					 "sysinfo",
					 "sched_yield",
					 "close",
					 "read",
					 "write",
					 "readv",
					 "writev",
					 "lseek",
					 "fstat",
					 "poll",
					 "ppoll",
					 NULL};

/* Netlink, the queue, the control socket's clients, timers. */
static const char *const packets_calls[] = {
	"recvmsg",     "recvmmsg",     "recvfrom",  "sendto",          "sendmsg",      "getsockopt",
	"setsockopt",  "getsockname",  "bind",      "accept4",         "shutdown",     "epoll_wait",
	"epoll_pwait", "epoll_pwait2", "epoll_ctl", "timerfd_settime", "memfd_create", NULL};

static const char *const files_calls[] = {"recvmsg", "sendmsg",  "openat", "newfstatat", "rename", "renameat",
					  "unlink",  "unlinkat", "fcntl",  "pread64",    NULL};

static const char *const xfrm_calls[] = {"recvmsg", "recvfrom", "sendto", "sendmsg", "getsockname", NULL};

static const char *const secrets_calls[] = {"recvfrom", "sendto", NULL};

/* Whoever asks for these is not us any more. */
static const char *const deadly_calls[] = {"execve",           "execveat",          "fork", "vfork", "ptrace",
					   "process_vm_readv", "process_vm_writev", NULL};

/* While the secrets are read. What comes after it must be able to make a narrower filter. */
static const char *const reader_needless_calls[] = {"socket", "connect", "bind",   "listen",
						    "accept", "accept4", "setuid", NULL};

/* For a process that runs programs of others: what neither whack nor the ipsec script has any need of. */
static const char *const needless_calls[] = {"ptrace",
					     "process_vm_readv",
					     "process_vm_writev",
					     "process_madvise",
					     "kcmp",
					     "pidfd_getfd",
					     "bpf",
					     "perf_event_open",
					     "userfaultfd",
					     "io_uring_setup",
					     "io_uring_enter",
					     "io_uring_register",
					     "init_module",
					     "finit_module",
					     "delete_module",
					     "kexec_load",
					     "kexec_file_load",
					     "reboot",
					     "mount",
					     "umount2",
					     "pivot_root",
					     "chroot",
					     "move_mount",
					     "open_tree",
					     "fsopen",
					     "fsconfig",
					     "fsmount",
					     "fspick",
					     "mount_setattr",
					     "unshare",
					     "setns",
					     "swapon",
					     "swapoff",
					     "quotactl",
					     "acct",
					     "sethostname",
					     "setdomainname",
					     "settimeofday",
					     "clock_settime",
					     "clock_adjtime",
					     "adjtimex",
					     "iopl",
					     "ioperm",
					     "add_key",
					     "request_key",
					     "keyctl",
					     "open_by_handle_at",
					     "name_to_handle_at",
					     "lookup_dcookie",
					     "syslog",
					     "personality",
					     "modify_ldt",
					     "vhangup",
					     "nfsservctl",
					     "mknod",
					     "mknodat",
					     NULL};

/* A name that this architecture (or this libseccomp) does not know is no loss. */
static int add_rules(scmp_filter_ctx filter, uint32_t action, const char *const names[])
{
	for (; *names; names++) {
		const int number = seccomp_syscall_resolve_name(*names);

		if (number == __NR_SCMP_ERROR)
			continue;
		const int rc = seccomp_rule_add(filter, action, number, 0);

		if (rc)
			return rc;
	}
	return 0;
}

static bool is_listed(const char *const names[], const char *name)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

/* An argument of a call, by its place: equal to a value, or in the bits of mask. */
static struct scmp_arg_cmp equal(unsigned place, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = place, .op = SCMP_CMP_EQ, .datum_a = value};
}

static struct scmp_arg_cmp equal_in(unsigned place, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){
		.arg = place, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

/* Memory that can be run is never made. */
static int add_memory(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp no_exec = equal_in(2, PROT_EXEC, 0);
	const int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec);

	return rc ? rc : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec);
}

static int add_packets(scmp_filter_ctx filter)
{
	static const int descriptor_commands[] = {F_GETFL, F_SETFL, F_GETFD, F_SETFD};
	int rc = add_rules(filter, SCMP_ACT_ALLOW, packets_calls);

	for (size_t i = 0; i < sizeof descriptor_commands / sizeof *descriptor_commands && !rc; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				      equal(1, (scmp_datum_t)descriptor_commands[i]));
	if (!rc) /* how much there is to read */
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, equal(1, FIONREAD));
	return rc;
}

/* if_nametoindex() makes a datagram socket, only to ask its question over. */
static int add_files(scmp_filter_ctx filter)
{
	int rc = add_rules(filter, SCMP_ACT_ALLOW, files_calls);

	if (!rc)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, equal(0, AF_UNIX),
				      equal_in(1, 0xf, SOCK_DGRAM));
	if (!rc)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, equal(1, SIOCGIFINDEX));
	return rc;
}

static int add_reader(scmp_filter_ctx filter)
{
	int rc = add_rules(filter, SCMP_ACT_KILL_PROCESS, deadly_calls);

	if (!rc)
		rc = add_rules(filter, SCMP_ACT_ERRNO(EPERM), reader_needless_calls);
	for (const char *const *name = needless_calls; *name && !rc; name++) {
		const char *const one[] = {*name, NULL};

		if (!is_listed(deadly_calls, *name))
			rc = add_rules(filter, SCMP_ACT_ERRNO(EPERM), one);
	}
	return rc;
}

static int add_role(scmp_filter_ctx filter, enum confine_role role)
{
	switch (role) {
	case CONFINE_PACKETS:
		return add_packets(filter);
	case CONFINE_FILES:
		return add_files(filter);
	case CONFINE_XFRM:
		return add_rules(filter, SCMP_ACT_ALLOW, xfrm_calls);
	default:
		return add_rules(filter, SCMP_ACT_ALLOW, secrets_calls);
	}
}

/* What starts others, or confines itself once more, has a list of what is forbidden, the rest one of what is allowed. */
static bool has_more_to_do(enum confine_role role)
{
	return role == CONFINE_PARENT || role == CONFINE_SECRETS_READER;
}

static int fill_filter(scmp_filter_ctx filter, enum confine_role role)
{
	int rc;

	if (role == CONFINE_PARENT)
		return add_rules(filter, SCMP_ACT_ERRNO(EPERM), needless_calls);
	if (role == CONFINE_SECRETS_READER)
		return add_reader(filter);
	rc = add_rules(filter, SCMP_ACT_ALLOW, base_calls);
	if (!rc)
		rc = add_memory(filter);
	if (!rc)
		rc = add_role(filter, role);
	return rc ? rc : add_rules(filter, SCMP_ACT_KILL_PROCESS, deadly_calls);
}

static bool filter_calls(enum confine_role role)
{
	const uint32_t others = has_more_to_do(role) ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS);
	scmp_filter_ctx filter = seccomp_init(others);
	bool done;

	if (!filter)
		return false;
	done = !fill_filter(filter, role) && !seccomp_load(filter);
	seccomp_release(filter);
	return done;
}

/* All of it */

static void note(char *missing, bool there, const char *what)
{
	const size_t used = strlen(missing);

	if (!there)
		snprintf(missing + used, CONFINE_TEXT_MAX - used, "%s%s", used ? ", " : "", what);
}

bool confine(enum confine_role role, const struct confine_files *files, char missing[static CONFINE_TEXT_MAX])
{
	missing[0] = '\0';
	note(missing, drop_capabilities(role), "some capabilities are still held");
	note(missing, !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	prctl(PR_SET_DUMPABLE, 0);
	if (role != CONFINE_PARENT && !SANITIZED)
		note(missing, restrict_files(files), "Landlock (Linux 5.13)");
	if (!SANITIZED)
		note(missing, filter_calls(role), "seccomp filters");
	return !*missing;
}
