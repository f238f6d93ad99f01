/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel: what nftables can do (found by trying, rules/nft.h), IPsec and PPP, some sysctls, who holds the queue number. */
#include "nfq/queue.h"
#include "rules/nft.h"
#include "rules/ruleset.h"
#include "shim/check/read.h"

#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static enum known known(bool yes)
{
	return yes ? YES : NO;
}

static void probe_nftables(struct kernel_facts *k)
{
	struct rules_features features;
	struct rules_nft *nft = NULL;
	char error[RULES_ERROR_MAX] = "";

	if (rules_nft_open(&nft, error)) {
		snprintf(k->blind, sizeof k->blind, "%s", error);
		return;
	}
	if (rules_nft_probe(nft, &features, error)) {
		snprintf(k->blind, sizeof k->blind, "%s", error);
	} else if (!features.tables) {
		snprintf(k->blind, sizeof k->blind, "this kernel has no nf_tables");
	} else {
		k->queue = known(features.native_queue || features.xt_queue);
		k->secpath = known(features.secpath);
		k->owner = known(features.owner);
	}
	rules_nft_close(nft);
}

static enum known has_xfrm(void)
{
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);

	if (fd < 0)
		return errno == EPROTONOSUPPORT ? NO : UNKNOWN;
	close(fd);
	return YES;
}

/* Loaded, or to be had: modprobe -n loads nothing. */
static enum known has_module(const char *name)
{
	const char *const argv[] = {"modprobe", "-n", "-q", name, NULL};
	char path[128], ignored[FACTS_TEXT];
	struct command_result result;
	bool there;

	snprintf(path, sizeof path, "/sys/module/%s", name);
	if (!access(path, F_OK))
		return YES;
	if (access("/lib/modules", F_OK))
		return UNKNOWN;
	there = check_read_output(argv, &result, ignored);
	command_result_clear(&result);
	return there ? YES : UNKNOWN; /* not NO: perhaps it is built in where no list says so */
}

static void read_rp_filter(const struct check_options *options, struct kernel_facts *k)
{
	char name[128];

	k->rp_filter = check_read_sysctl("net/ipv4/conf/all/rp_filter");
	snprintf(k->rp_iface, sizeof k->rp_iface, "all interfaces");
	for (unsigned i = 0; i < options->iface_count; i++) {
		long value;

		snprintf(name, sizeof name, "net/ipv4/conf/%s/rp_filter", options->ifaces[i]);
		value = check_read_sysctl(name);
		if (value > k->rp_filter || (value == k->rp_filter && value == 1)) {
			k->rp_filter = value; /* the kernel takes the larger one */
			snprintf(k->rp_iface, sizeof k->rp_iface, "%s", options->ifaces[i]);
		}
	}
}

/* By its program's file: its processes have names of their own. */
static bool is_natshim(pid_t pid)
{
	static const char name[] = "/natshim";
	char path[64], target[512];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%ld/exe", (long)pid);
	n = readlink(path, target, sizeof target - 1);
	if (n < (ssize_t)sizeof name)
		return false;
	target[n] = '\0';
	return !strcmp(strrchr(target, '/'), name) || strstr(target, "/natshim (deleted)");
}

/* False: nobody, or natshim, as it should be. */
static bool read_queue_owner(unsigned number, struct kernel_facts *k)
{
	char path[64];
	FILE *in;

	k->queue_number = number;
	k->queue_owner = nfq_queue_owner((uint16_t)number);
	if (!k->queue_owner)
		return false;
	snprintf(path, sizeof path, "/proc/%ld/comm", (long)k->queue_owner);
	in = fopen(path, "re");
	if (!in)
		return true;
	if (fgets(k->queue_program, sizeof k->queue_program, in))
		k->queue_program[strcspn(k->queue_program, "\n")] = '\0';
	fclose(in);
	if (is_natshim(k->queue_owner))
		k->queue_owner = 0;
	return k->queue_owner != 0;
}

static void read_queues(unsigned number, struct kernel_facts *k)
{
	if (!read_queue_owner(number, k))
		read_queue_owner(RULES_QUEUE_KNOWN(number), k);
	k->queue_suggested = (number + 2) % RULES_QUEUE_MAX;
}

void check_read_kernel(const struct check_options *options, struct kernel_facts *out)
{
	probe_nftables(out);
	out->xfrm = has_xfrm();
	out->esp = has_module("esp4");
	out->ppp = known(!access("/dev/ppp", F_OK));
	if (out->ppp == NO)
		out->ppp = has_module("ppp_generic") == YES ? YES : NO;
	out->ip_forward = check_read_sysctl("net/ipv4/ip_forward");
	out->udp_timeout = check_read_sysctl("net/netfilter/nf_conntrack_udp_timeout");
	out->udp_timeout_stream = check_read_sysctl("net/netfilter/nf_conntrack_udp_timeout_stream");
	read_rp_filter(options, out);
	read_queues(options->queue_number, out);
	for (unsigned i = 0; i < options->iface_count; i++)
		if (!if_nametoindex(options->ifaces[i]))
			snprintf(out->missing_iface, sizeof out->missing_iface, "%s", options->ifaces[i]);
}
