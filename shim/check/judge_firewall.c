/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the other rules on this host: would they drop what clients send, or let unencrypted L2TP in? A heuristic, see
 * packet_path.h. Pure. */
#include "shim/check/check.h"
#include "shim/check/packet_path.h"
#include "shim/check/xl2tpd_conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The packet on (of this host's own: to) each interface that was named; true: at *place on the first that suits. */
static bool on_any_iface(const struct firewall_facts *f, struct path_packet packet, const json_t *ruleset,
			 bool (*look)(const json_t *, const struct path_packet *, struct path_place *),
			 struct path_place *place)
{
	if (!f->iface_count)
		return look(ruleset, &packet, place);
	for (unsigned i = 0; i < f->iface_count; i++) {
		*(packet.out ? &packet.oiface : &packet.iface) = f->ifaces[i];
		if (look(ruleset, &packet, place))
			return true;
	}
	return false;
}

/* All rules; NULL: not known. */
static json_t *rules_of(const struct firewall_facts *f)
{
	json_t *ruleset = f->ruleset ? json_loads(f->ruleset, 0, NULL) : NULL;

	if (ruleset && f->iptables)
		path_add_iptables(ruleset, "iptables", f->iptables);
	if (ruleset && f->legacy_rules)
		path_add_iptables(ruleset, "iptables-legacy", f->legacy_rules);
	return ruleset;
}

/* The same packet in the words of nft and of iptables. */
struct words {
	const char *what, *nft, *iptables;
};

static void mend_dropped(const struct path_place *at, const struct words *words, struct check_result *r)
{
	if (!strncmp(at->family, "iptables", 8))
		check_mend(r, "run: %s -t %s -I %s %s -j ACCEPT", at->family, at->table, at->chain,
			   words->iptables);
	else
		check_mend(r, "run: nft insert rule %s %s %s %s accept", at->family, at->table, at->chain,
			   words->nft);
	check_mend(r, "and keep it: put the same into your firewall's own file");
}

static bool is_own(const struct host_facts *host, const char *address)
{
	for (unsigned i = 0; i < host->address_count; i++)
		if (!strcmp(host->addresses[i], address))
			return true;
	return false;
}

/* To another host, or port, by a DNAT that the packet surely meets. */
static bool is_sent_on(const struct check_facts *facts, struct path_packet packet, const json_t *ruleset,
		       struct path_place *at)
{
	packet.what = PATH_DNAT;
	return on_any_iface(&facts->firewall, packet, ruleset, path_drops, at) &&
	       (!at->to || !is_own(&facts->host, at->to));
}

static void judge_dropped(const struct check_facts *facts, struct path_packet packet,
			  const struct words *words, struct check_result *r)
{
	const struct firewall_facts *f = &facts->firewall;
	json_t *ruleset = rules_of(f);
	struct path_place at;

	packet.daddr = check_server_address(facts);
	if (ruleset && on_any_iface(f, packet, ruleset, path_drops, &at)) {
		check_found(r, "%s dropped by %s chain %s %s %s", words->what,
			    at.by_policy ? "the policy of" : "a rule in", at.family, at.table, at.chain);
		mend_dropped(&at, words, r);
	} else if (ruleset && packet.dport && !packet.secpath && !packet.forwarded &&
		   is_sent_on(facts, packet, ruleset, &at)) {
		check_found(r, "%s sent on to %s by a rule in %s chain %s %s", words->what,
			    at.to ? at.to : "another port", at.family, at.table, at.chain);
		mend_dropped(&at, words, r);
	} else if (ruleset && on_any_iface(f, packet, ruleset, path_perhaps_drops, &at)) {
		check_blind(r,
			    "%s dropped by %s chain %s %s %s, unless a rule before that accepts it whose "
			    "matches this check cannot decide",
			    words->what, at.by_policy ? "the policy of" : "a rule in", at.family, at.table,
			    at.chain);
		mend_dropped(&at, words, r);
	}
	json_decref(ruleset);
}

static void judge_read(const struct check_facts *facts, struct check_result *r)
{
	if (!*facts->firewall.blind)
		return;
	check_blind(r, "%s", facts->firewall.blind);
	check_mend(r, "run it as root where nft is installed");
}

static void judge_500(const struct check_facts *facts, struct check_result *r)
{
	static const struct words words = {"IKE (udp/500) is", "udp dport 500", "-p udp --dport 500"};

	judge_dropped(facts, (struct path_packet){.protocol = "udp", .dport = 500}, &words, r);
}

static void judge_4500(const struct check_facts *facts, struct check_result *r)
{
	static const struct words words = {"NAT traversal (udp/4500) is", "udp dport 4500",
					   "-p udp --dport 4500"};

	judge_dropped(facts, (struct path_packet){.protocol = "udp", .dport = 4500}, &words, r);
}

static void judge_esp(const struct check_facts *facts, struct check_result *r)
{
	static const struct words words = {"ESP is", "meta l4proto esp", "-p esp"};

	judge_dropped(facts, (struct path_packet){.protocol = "esp"}, &words, r);
}

static void judge_l2tp(const struct check_facts *facts, struct check_result *r)
{
	static const struct words words = {"decrypted L2TP (udp/1701 out of IPsec) is",
					   "meta secpath exists udp dport 1701",
					   "-p udp --dport 1701 -m policy --dir in --pol ipsec"};

	if (facts->l2tp.present)
		judge_dropped(facts, (struct path_packet){.protocol = "udp", .dport = 1701, .secpath = true},
			      &words, r);
}

enum clear { CLOSED, OPEN, OPEN_BY_RULE };

#define PLACE_MAX 200

/* What becomes of unencrypted L2TP, and, where a rule lets it in, the beginning of the command for a rule before that; natshim's own
 * protection is a rule like others here. */
static enum clear clear_l2tp(const struct firewall_facts *f, char place[static PLACE_MAX])
{
	const struct path_packet packet = {.protocol = "udp", .dport = 1701};
	json_t *ruleset = rules_of(f);
	enum clear state = OPEN;
	struct path_place at;

	if (!ruleset || on_any_iface(f, packet, ruleset, path_drops, &at)) {
		state = CLOSED;
	} else if (on_any_iface(f, packet, ruleset, path_accepts_by_rule, &at)) {
		state = OPEN_BY_RULE;
		if (!strncmp(at.family, "iptables", 8))
			snprintf(place, PLACE_MAX, "%s -t %s -I %s", at.family, at.table, at.chain);
		else
			snprintf(place, PLACE_MAX, "nft insert rule %s %s %s", at.family, at.table, at.chain);
	}
	json_decref(ruleset);
	return state;
}

static void judge_clear(const struct check_facts *facts, struct check_result *r)
{
	char place[PLACE_MAX];

	if (clear_l2tp(&facts->firewall, place) != OPEN_BY_RULE)
		return;
	check_found(r, "a rule accepts unencrypted L2TP (udp/1701)");
	check_mend(r, "run: %s %s", place,
		   *place == 'n' ? "udp dport 1701 meta secpath missing drop"
				 : "-p udp --dport 1701 -m policy --dir in --pol none -j DROP");
	check_mend(r, "and keep it: put the same into your firewall's own file, before that rule");
	check_mend(r, "or let natshim run: it drops unencrypted udp/1701 ahead of all other rules");
}

static void judge_open(const struct check_facts *facts, struct check_result *r)
{
	char place[PLACE_MAX];

	if (clear_l2tp(&facts->firewall, place) != OPEN)
		return;
	check_found(r, "no rule drops unencrypted L2TP (udp/1701)");
	check_mend(r, "let natshim run: it does that");
}

/* The first address that a client gets; "": not known. */
static void client_address(const struct check_facts *facts, char out[static 32])
{
	const struct l2tp_facts *l2tp = &facts->l2tp;
	const char *lns = l2tp->present ? xl2tpd_conf_lns(&l2tp->xl2tpd) : NULL;
	const char *range = lns ? settings_get(&l2tp->xl2tpd, lns, "ip range") : NULL;

	snprintf(out, 32, "%.*s", range ? (int)strspn(range, "0123456789.") : 0, range ? range : "");
}

static void mend_forward(const struct path_place *at, struct check_result *r)
{
	static const char *const ends[][2] = {{"-i", "iifname"}, {"-o", "oifname"}};

	for (size_t i = 0; i < 2; i++) {
		if (!strncmp(at->family, "iptables", 8))
			check_mend(r, "run: %s -t %s -I %s %s ppp+ -j ACCEPT", at->family, at->table,
				   at->chain, ends[i][0]);
		else
			check_mend(r, "run: nft 'insert rule %s %s %s %s \"ppp*\" accept'", at->family,
				   at->table, at->chain, ends[i][1]);
	}
	check_mend(r, "and keep it: put the same into your firewall's own file");
}

/* What clients send into the tunnel and out on the interface that they came in on, and its answers: "connected, but no internet". */
static void judge_forward(const struct check_facts *facts, struct check_result *r)
{
	const struct firewall_facts *f = &facts->firewall;
	const char *wan = f->iface_count ? f->ifaces[0] : NULL;
	char client[32];
	const struct path_packet there = {.protocol = "tcp",
					  .dport = 443,
					  .iface = "ppp0",
					  .oiface = wan,
					  .forwarded = true,
					  .saddr = client};
	const struct path_packet back = {.protocol = "tcp",
					 .iface = wan,
					 .oiface = "ppp0",
					 .forwarded = true,
					 .daddr = client,
					 .reply = true};
	json_t *ruleset = facts->l2tp.present ? rules_of(f) : NULL;
	struct path_place at = {.family = ""};

	client_address(facts, client);
	if (ruleset && path_drops(ruleset, &there, &at))
		check_found(r, "what comes from the clients (ppp*) is dropped by %s chain %s %s %s",
			    at.by_policy ? "the policy of" : "a rule in", at.family, at.table, at.chain);
	else if (ruleset && path_drops(ruleset, &back, &at))
		check_found(r, "answers to the clients (ppp*) are dropped by %s chain %s %s %s",
			    at.by_policy ? "the policy of" : "a rule in", at.family, at.table, at.chain);
	if (r->found)
		mend_forward(&at, r);
	json_decref(ruleset);
}

static bool is_private(const char *range)
{
	unsigned a = 0, b = 0;

	/* NOLINTNEXTLINE(cert-err34-c): a larger number is another address */
	return range && sscanf(range, "%u.%u.", &a, &b) == 2 &&
	       (a == 10 || (a == 172 && b >= 16 && b < 32) || (a == 192 && b == 168));
}

static void judge_masquerade(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *l2tp = &facts->l2tp;
	const char *lns = l2tp->present ? xl2tpd_conf_lns(&l2tp->xl2tpd) : NULL;
	const char *range = lns ? settings_get(&l2tp->xl2tpd, lns, "ip range") : NULL;
	json_t *ruleset = is_private(range) ? rules_of(&facts->firewall) : NULL;
	char client[32];
	const struct path_packet out = {.protocol = "tcp",
					.dport = 443,
					.iface = "ppp0",
					.oiface = facts->firewall.iface_count ? facts->firewall.ifaces[0]
									      : NULL,
					.forwarded = true,
					.saddr = client,
					.what = PATH_SNAT};
	struct path_place at;

	client_address(facts, client);
	if (ruleset && !path_drops(ruleset, &out, &at) && !path_perhaps_happens(ruleset, &out) &&
	    !settings_find(&l2tp->ppp, NULL, "proxyarp")) {
		check_found(r, "no rule masquerades what the clients (%s) send out", range);
		check_mend(r, "if they are to reach the internet: nft add table ip vpn; nft 'add chain ip "
			      "vpn out { type nat hook "
			      "postrouting priority srcnat; }'; nft 'add rule ip vpn out iifname \"ppp*\" "
			      "masquerade'");
	}
	json_decref(ruleset);
}

static void judge_notrack(const struct check_facts *facts, struct check_result *r)
{
	struct path_packet packet = {.protocol = "udp", .dport = 1701, .secpath = true, .what = PATH_NOTRACK};
	json_t *ruleset = facts->l2tp.present ? rules_of(&facts->firewall) : NULL;
	struct path_place at;

	if (ruleset && on_any_iface(&facts->firewall, packet, ruleset, path_drops, &at)) {
		check_found(r,
			    "decrypted L2TP (udp/1701) is kept from connection tracking by a rule in %s "
			    "chain %s %s",
			    at.family, at.table, at.chain);
		if (!strncmp(at.family, "iptables", 8))
			check_mend(r, "run: %s -t %s -I %s -p udp --dport 1701 -j ACCEPT", at.family,
				   at.table, at.chain);
		else
			check_mend(r, "run: nft insert rule %s %s %s udp dport 1701 accept", at.family,
				   at.table, at.chain);
	}
	json_decref(ruleset);
}

/* natshim's own rules tell whether it sends L2TP on. */
static void judge_lns(const struct check_facts *facts, struct check_result *r)
{
	const char *listen =
		facts->l2tp.present ? settings_get(&facts->l2tp.xl2tpd, "global", "listen-addr") : NULL;
	const char *conn = facts->libreswan.host && facts->libreswan.present
				   ? check_libreswan_conn(&facts->libreswan)
				   : NULL;
	const char *outside = conn ? settings_get(&facts->libreswan.config, conn,
						  check_libreswan_own_end(&facts->libreswan, conn))
				   : NULL;
	json_t *ruleset = listen ? rules_of(&facts->firewall) : NULL;

	if (outside && !is_own(&facts->host, outside))
		outside = strcmp(outside, "%defaultroute") ? NULL : facts->host.default_address;
	if (ruleset && outside && is_own(&facts->host, listen) && strcmp(outside, listen) != 0 &&
	    path_table_has(ruleset, "natshim", NULL) && !path_table_has(ruleset, "natshim", "dnat")) {
		check_found(r, "xl2tpd listens on %s, clients come in on %s, and natshim runs without --lns",
			    listen, outside);
		check_mend(r, "in %s, [global]: listen-addr = %s", facts->l2tp.path, outside);
		check_mend(r, "run: systemctl restart xl2tpd");
		check_mend(r, "or run natshim with --lns auto");
	}
	json_decref(ruleset);
}

/* What makes the server say that it is behind a NAT, or NULL. */
static const char *feigned_nat(const struct check_facts *facts)
{
	if (facts->libreswan.present && settings_is(&facts->libreswan.config, NULL, "encapsulation", "yes"))
		return "encapsulation=yes";
	if (facts->strongswan.present && settings_is(&facts->strongswan.config, NULL, "encap", "yes"))
		return "encap = yes";
	return NULL;
}

/* Windows refuses a server behind a NAT unless it is told otherwise. */
static void judge_server_nat(const struct check_facts *facts, struct check_result *r)
{
	const char *own = facts->host.default_address, *feigned = feigned_nat(facts);
	const bool behind = is_private(own) && (facts->libreswan.present || facts->strongswan.present);

	if (!behind && !feigned)
		return;
	if (behind)
		check_found(r, "this host's address is %s: its clients reach it through a NAT", own);
	else
		check_found(r, "%s: its clients see a NAT at the server", feigned);
	check_mend(r, "for Windows (error 809): run natshim with --hide-nat%s",
		   behind ? " and --public with the outer address" : "");
	check_mend(r, "or on each Windows: the DWORD AssumeUDPEncapsulationContextOnSendRule=2 in "
		      "HKLM\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent, and a restart");
	if (behind)
		check_mend(r, "natshim needs --public with the outer address; udp/500 and udp/4500 are to be "
			      "forwarded to this host");
}

static void judge_legacy(const struct check_facts *facts, struct check_result *r)
{
	if (facts->firewall.legacy != UNKNOWN || !facts->firewall.ruleset)
		return;
	check_blind(r, "there are rules of iptables-legacy, and iptables-legacy-save did not print them");
	check_mend(r, "look at them: iptables-legacy-save; udp/500, udp/4500 and esp must pass");
}

/* ---- clients behind one NAT, whom the server sees at aliases -------------------------------------------------------- */

static void judge_config(const struct check_facts *facts, struct check_result *r)
{
	if (!*facts->alias.blind)
		return;
	if (!facts->host.root) {
		check_blind(r, "%s", facts->alias.blind);
		check_mend(r, "run it as root");
		return;
	}
	check_found(r, "%s", facts->alias.blind);
	check_mend(r, "correct that; natshim rules tells whether all is right");
}

static bool is_served(const struct firewall_facts *f, const char *iface)
{
	for (unsigned i = 0; i < f->iface_count; i++)
		if (!strcmp(f->ifaces[i], iface))
			return true;
	return !*iface || (!f->iface_count && strcmp(iface, "lo") != 0);
}

/* The interface of the clients; NULL: not known. */
static const char *towards_clients(const struct check_facts *facts)
{
	const struct host_facts *host = &facts->host;

	if (facts->firewall.iface_count)
		return facts->firewall.ifaces[0];
	for (unsigned i = 0; i < host->address_count; i++)
		if (*host->default_address && !strcmp(host->addresses[i], host->default_address))
			return host->ifaces[i];
	return NULL;
}

/* The fib's words for how a packet ends that no interface takes: fib_props in the kernel's net/ipv4/fib_semantics.c. */
static const char *no_way(int error)
{
	return error == EINVAL         ? "a blackhole route swallows what is sent to"
	       : error == EHOSTUNREACH ? "an unreachable route refuses what is sent to"
	       : error == EACCES       ? "a prohibit route refuses what is sent to"
				       : "no route leads to";
}

static void judge_alias_route(const struct check_facts *facts, struct check_result *r)
{
	const struct alias_facts *a = &facts->alias;
	const char *wan = towards_clients(facts);

	for (unsigned i = 0; a->given && !r->found && i < sizeof a->routes / sizeof *a->routes; i++) {
		const struct route_facts *route = &a->routes[i];

		if (route->error)
			check_found(r, "%s %s, an alias (%s)", no_way(route->error), route->to, a->net);
		else if (!is_served(&facts->firewall, route->iface))
			check_found(r, "the route to %s, an alias (%s), leads to %s, where no clients are",
				    route->to, a->net, route->iface);
	}
	if (!r->found)
		return;
	if (wan)
		check_mend(r, "run: ip route replace %s dev %s", a->net, wan);
	else
		check_mend(r, "ip route replace %s dev WAN, the interface that clients come in on", a->net);
	check_mend(r, "if that does not help, take away the narrower one: ip route show root %s", a->net);
	check_mend(r, "and keep it: put the same into this host's network configuration");
	check_mend(r, "or choose an unused range that has a route: natshim --alias-net");
}

/* A packet that would pass if its address were another one. */
static bool drops_alias(const struct firewall_facts *f, const json_t *ruleset, struct path_packet packet,
			struct path_place *at)
{
	struct path_packet other = packet;
	struct path_place elsewhere;

	*(packet.out ? &other.daddr : &other.saddr) = NULL;
	return on_any_iface(f, packet, ruleset, path_drops, at) &&
	       !on_any_iface(f, other, ruleset, path_drops, &elsewhere);
}

/* What comes out of IPsec has the alias as its source, what the LNS answers has it as its destination; outer packets have the client's
 * own address in these hooks. */
static void judge_alias_l2tp(const struct check_facts *facts, struct check_result *r)
{
	const struct alias_facts *a = &facts->alias;
	const struct path_packet in = {
		.protocol = "udp",
		.dport = 1701,
		.secpath = true,
		.saddr = a->first,
		.daddr = check_server_address(facts),
	};
	const struct path_packet out = {
		.protocol = "udp",
		.sport = 1701,
		.out = true,
		.reply = true,
		.saddr = check_server_address(facts),
		.daddr = a->first,
	};
	json_t *ruleset = a->given && facts->l2tp.present ? rules_of(&facts->firewall) : NULL;
	char nft[2][128], iptables[2][128];
	const char *what = NULL;
	struct path_place at;
	int i = 0;

	if (ruleset && drops_alias(&facts->firewall, ruleset, in, &at))
		what = "decrypted L2TP from an alias";
	else if (ruleset && drops_alias(&facts->firewall, ruleset, out, &at)) {
		what = "L2TP to an alias";
		i = 1;
	}
	if (what) {
		snprintf(nft[0], sizeof nft[0], "meta secpath exists ip saddr %s udp dport 1701", a->net);
		snprintf(nft[1], sizeof nft[1], "ip daddr %s udp sport 1701", a->net);
		snprintf(iptables[0], sizeof iptables[0],
			 "-s %s -p udp --dport 1701 -m policy --dir in --pol ipsec", a->net);
		snprintf(iptables[1], sizeof iptables[1], "-d %s -p udp --sport 1701", a->net);
		check_found(r, "%s (%s) is dropped by %s chain %s %s %s", what, a->net,
			    at.by_policy ? "the policy of" : "a rule in", at.family, at.table, at.chain);
		mend_dropped(&at, &(struct words){.nft = nft[i], .iptables = iptables[i]}, r);
	}
	json_decref(ruleset);
}

static bool is_untracked(const struct check_facts *facts, const json_t *ruleset, int port, bool out,
			 struct path_place *at)
{
	const struct path_packet packet = {
		.protocol = "udp",
		.dport = out ? 0 : port,
		.sport = out ? port : 0,
		.out = out,
		.reply = out,
		.daddr = out ? NULL : check_server_address(facts),
		.what = PATH_NOTRACK,
	};

	return on_any_iface(&facts->firewall, packet, ruleset, path_drops, at);
}

static void judge_alias_notrack(const struct check_facts *facts, struct check_result *r)
{
	json_t *ruleset = facts->alias.given ? rules_of(&facts->firewall) : NULL;
	struct path_place at;

	for (unsigned i = 0; ruleset && !r->found && i < 4; i++) {
		const int port = i & 1 ? 4500 : 500;
		const bool out = i & 2;
		char rule[64];

		if (!is_untracked(facts, ruleset, port, out, &at))
			continue;
		check_found(r, "udp/%d%s is kept from connection tracking by a rule in %s chain %s %s", port,
			    out ? ", what the server sends," : "", at.family, at.table, at.chain);
		if (!strncmp(at.family, "iptables", 8)) {
			snprintf(rule, sizeof rule, "-p udp -m multiport --%cports 500,4500",
				 out ? 's' : 'd');
			check_mend(r, "run: %s -t %s -I %s %s -j ACCEPT", at.family, at.table, at.chain,
				   rule);
		} else {
			check_mend(r, "run: nft insert rule %s %s %s udp %cport { 500, 4500 } accept",
				   at.family, at.table, at.chain, out ? 's' : 'd');
		}
		check_mend(r, "and keep it: put the same into your firewall's own file");
	}
	json_decref(ruleset);
}

const struct check check_firewall[] = {
	{"natshim-config", CHECK_ERROR, "natshim does not start with it", judge_config},
	{"firewall-read", CHECK_ERROR, "the host's own rules may keep clients out", judge_read},
	{"firewall-500", CHECK_ERROR, "phase 1 begins on udp/500", judge_500},
	{"firewall-4500", CHECK_ERROR, "clients behind a NAT go on to udp/4500", judge_4500},
	{"firewall-esp", CHECK_WARNING, "clients that are behind no NAT send ESP (IP protocol 50)",
	 judge_esp},
	{"firewall-l2tp", CHECK_ERROR, "what comes out of IPsec passes the rules once more, as udp/1701",
	 judge_l2tp},
	{"firewall-clear-l2tp", CHECK_WARNING, "if IPsec fails, clients and server then connect in the clear",
	 judge_clear},
	{"firewall-clear-open", CHECK_HINT, "if IPsec fails, clients and server then connect in the clear",
	 judge_open},
	{"firewall-forward", CHECK_WARNING, "clients connect, and reach this host only", judge_forward},
	{"l2tp-masquerade", CHECK_HINT, "the internet sends nothing back to a private address",
	 judge_masquerade},
	{"firewall-notrack", CHECK_WARNING,
	 "natshim --lns and the answers of an LNS need connection tracking", judge_notrack},
	{"alias-route", CHECK_WARNING,
	 "of several clients behind one NAT the server sees all but the first at aliases, and answers there",
	 judge_alias_route},
	{"alias-l2tp", CHECK_WARNING,
	 "of several clients behind one NAT all but the first have L2TP from an alias, and do not get in",
	 judge_alias_l2tp},
	{"alias-notrack", CHECK_WARNING,
	 "aliases need connection tracking: of several clients behind one NAT only one can connect",
	 judge_alias_notrack},
	{"firewall-lns", CHECK_ERROR,
	 "decrypted L2TP goes to the address that the client used, where nothing listens", judge_lns},
	{"server-nat", CHECK_HINT, "Windows does not connect to a server behind a NAT by itself",
	 judge_server_nat},
	{"firewall-legacy", CHECK_HINT, "the host's own rules may keep clients out", judge_legacy},
	{.id = NULL},
};
