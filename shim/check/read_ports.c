/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has a UDP port open: /proc/net/udp and udp6 name the socket, /proc/PID/fd who has it. */
#include "shim/check/read.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INODES_MAX 32

struct inodes {
	uint64_t of[INODES_MAX];
	unsigned count;
	bool held;
};

static void find_sockets(const char *path, unsigned port, struct inodes *found)
{
	FILE *in = fopen(path, "re");
	char line[256];

	while (in && fgets(line, sizeof line, in)) {
		unsigned here;
		uint64_t inode;

		/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote them */
		if (sscanf(line, " %*u: %*[0-9A-F]:%x %*s %*s %*s %*s %*s %*s %*s %" SCNu64, &here, &inode) !=
			    2 ||
		    here != port)
			continue;
		found->held = true;
		if (inode && found->count < INODES_MAX)
			found->of[found->count++] = inode;
	}
	if (in)
		fclose(in);
}

static bool is_one_of(const struct inodes *inodes, const char *link)
{
	uint64_t inode;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
	if (sscanf(link, "socket:[%" SCNu64, &inode) != 1)
		return false;
	for (unsigned i = 0; i < inodes->count; i++)
		if (inodes->of[i] == inode)
			return true;
	return false;
}

static bool process_has(const char *pid, const struct inodes *inodes)
{
	char path[320], link[64];
	const struct dirent *one;
	bool has = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%.32s/fd", pid);
	dir = opendir(path);
	while (dir && !has && (one = readdir(dir))) {
		ssize_t n;

		snprintf(path, sizeof path, "/proc/%.32s/fd/%.256s", pid, one->d_name);
		n = readlink(path, link, sizeof link - 1);
		link[n < 0 ? 0 : n] = '\0';
		has = is_one_of(inodes, link);
	}
	if (dir)
		closedir(dir);
	return has;
}

static void read_name(const char *pid, struct port_holder *out)
{
	char path[64];
	FILE *in;

	out->pid = strtol(pid, NULL, 10);
	snprintf(path, sizeof path, "/proc/%.32s/comm", pid);
	in = fopen(path, "re");
	if (in && fgets(out->program, sizeof out->program, in))
		out->program[strcspn(out->program, "\n")] = '\0';
	if (in)
		fclose(in);
}

void check_read_port(unsigned port, struct port_holder *out)
{
	struct inodes inodes = {.count = 0};
	const struct dirent *one;
	DIR *proc;

	memset(out, 0, sizeof *out);
	find_sockets("/proc/net/udp", port, &inodes);
	find_sockets("/proc/net/udp6", port, &inodes);
	out->held = inodes.held;
	proc = inodes.count ? opendir("/proc") : NULL;
	while (proc && !out->pid && (one = readdir(proc)))
		if (strspn(one->d_name, "0123456789") == strlen(one->d_name) &&
		    process_has(one->d_name, &inodes))
			read_name(one->d_name, out);
	if (proc)
		closedir(proc);
}
