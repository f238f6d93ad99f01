/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the kernel: what natshim and IPsec need of it, and settings that get in the way. Pure. */
#include "shim/check/check.h"

/* A client's keep-alive comes every 20 s or so, xl2tpd's HELLO each minute. */
#define UDP_TIMEOUT_MIN 30
#define UDP_STREAM_MIN 90

static void judge_nftables(const struct check_facts *facts, struct check_result *r)
{
	if (!*facts->kernel.blind)
		return;
	check_blind(r, "%s", facts->kernel.blind);
	check_mend(r, "run it as root, on a kernel with nf_tables");
}

static void judge_queue(const struct check_facts *facts, struct check_result *r)
{
	if (facts->kernel.queue != NO)
		return;
	check_found(r, "this kernel has neither the queue expression of nftables nor the NFQUEUE target");
	check_mend(r, "run: modprobe nft_queue");
}

static void judge_secpath(const struct check_facts *facts, struct check_result *r)
{
	if (facts->kernel.secpath != NO)
		return;
	check_found(r, "this kernel's nftables cannot tell decrypted packets (meta secpath)");
	check_mend(r, "run: modprobe nft_xfrm");
}

static void judge_owner(const struct check_facts *facts, struct check_result *r)
{
	if (facts->kernel.owner != NO)
		return;
	check_found(r, "this kernel has no tables with an owner (Linux 5.12)");
	check_mend(r, "use a kernel from 5.12 on; until then run natshim stop after a crash of natshim");
}

static void judge_xfrm(const struct check_facts *facts, struct check_result *r)
{
	const struct kernel_facts *k = &facts->kernel;

	if (k->xfrm == NO || k->esp == NO) {
		check_found(r, "this kernel has no %s", k->xfrm == NO ? "IPsec (XFRM)" : "ESP");
		check_mend(r, "run: modprobe -a xfrm_user esp4");
		check_mend(r, "use a kernel with CONFIG_XFRM_USER and CONFIG_INET_ESP");
	} else if (k->xfrm == UNKNOWN || k->esp == UNKNOWN) {
		check_blind(r, "whether this kernel has ESP: no module list here");
		check_mend(r, "look for CONFIG_INET_ESP in the kernel's configuration");
	}
}

static void judge_ppp(const struct check_facts *facts, struct check_result *r)
{
	if (!facts->l2tp.present || facts->kernel.ppp != NO)
		return;
	check_found(r, "this kernel has no PPP (/dev/ppp)");
	check_mend(r, "run: modprobe ppp_generic");
}

static void judge_forward(const struct check_facts *facts, struct check_result *r)
{
	if (facts->kernel.ip_forward != 0)
		return;
	check_found(r, "net.ipv4.ip_forward is 0");
	check_mend(r, "run: sysctl -w net.ipv4.ip_forward=1");
	check_mend(r, "and keep it: net.ipv4.ip_forward=1 in /etc/sysctl.d/60-vpn.conf");
}

static void judge_rp_filter(const struct check_facts *facts, struct check_result *r)
{
	const struct kernel_facts *k = &facts->kernel;

	if (k->rp_filter != 1)
		return;
	check_found(r, "rp_filter is strict (1) on %s", k->rp_iface);
	check_mend(r, "run: sysctl -w net.ipv4.conf.all.rp_filter=2");
	check_mend(r, "and keep it: net.ipv4.conf.all.rp_filter=2 in /etc/sysctl.d/60-vpn.conf");
}

static void judge_conntrack(const struct check_facts *facts, struct check_result *r)
{
	const struct kernel_facts *k = &facts->kernel;

	if (k->udp_timeout >= 0 && k->udp_timeout < UDP_TIMEOUT_MIN) {
		check_found(r, "nf_conntrack_udp_timeout is %ld s", k->udp_timeout);
		check_mend(r, "run: sysctl -w net.netfilter.nf_conntrack_udp_timeout=30");
	}
	if (k->udp_timeout_stream >= 0 && k->udp_timeout_stream < UDP_STREAM_MIN) {
		check_found(r, "nf_conntrack_udp_timeout_stream is %ld s", k->udp_timeout_stream);
		check_mend(r, "run: sysctl -w net.netfilter.nf_conntrack_udp_timeout_stream=120");
	}
}

static void judge_queue_number(const struct check_facts *facts, struct check_result *r)
{
	const struct kernel_facts *k = &facts->kernel;

	if (!k->queue_owner)
		return;
	check_found(r, "queue number %u is taken by process %ld%s%s", k->queue_number, (long)k->queue_owner,
		    *k->queue_program ? ", " : "", k->queue_program);
	check_mend(r, "run natshim with --queue-num %u, or end that program", k->queue_suggested);
}

static void judge_iface(const struct check_facts *facts, struct check_result *r)
{
	if (!*facts->kernel.missing_iface)
		return;
	check_found(r, "there is no interface %s", facts->kernel.missing_iface);
	check_mend(r, "name the interface that clients come in on: ip route get 192.0.2.1 shows it");
}

const struct check check_kernel[] = {
	{"kernel-nftables", CHECK_ERROR, "natshim works through nftables", judge_nftables},
	{"kernel-queue", CHECK_ERROR, "natshim sees the clients' first messages through a packet queue",
	 judge_queue},
	{"kernel-secpath", CHECK_ERROR, "only decrypted L2TP may go to the LNS", judge_secpath},
	{"kernel-owner", CHECK_HINT, "with it the queue rules go by themselves when natshim dies",
	 judge_owner},
	{"kernel-esp", CHECK_ERROR, "without ESP no client gets further than phase 1", judge_xfrm},
	{"kernel-ppp", CHECK_ERROR, "L2TP carries PPP", judge_ppp},
	{"kernel-ip-forward", CHECK_WARNING, "clients reach this host only, and no LNS on another host",
	 judge_forward},
	{"kernel-rp-filter", CHECK_WARNING,
	 "strict reverse-path filtering drops clients whose way back is another interface", judge_rp_filter},
	{"kernel-conntrack-udp", CHECK_WARNING,
	 "a mapping that is forgotten between two keep-alives cuts L2TP off from its LNS", judge_conntrack},
	{"queue-number", CHECK_ERROR, "one program only can serve a queue", judge_queue_number},
	{"iface", CHECK_WARNING, "natshim waits for it, and serves nobody there meanwhile", judge_iface},
	{.id = NULL},
};
