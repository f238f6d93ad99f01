/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the other rules on this host: would they drop what clients send, or let unencrypted L2TP in? A heuristic, see
 * packet_path.h. Pure. */
#include "shim/check/check.h"
#include "shim/check/packet_path.h"
#include "shim/check/xl2tpd_conf.h"

#include <stdio.h>
#include <string.h>

/* The packet on each interface that was named; true: at *place on the first that suits. */
static bool on_any_iface(const struct firewall_facts *f, struct path_packet packet, const json_t *ruleset,
			 bool (*look)(const json_t *, const struct path_packet *, struct path_place *),
			 struct path_place *place)
{
	if (!f->iface_count)
		return look(ruleset, &packet, place);
	for (unsigned i = 0; i < f->iface_count; i++) {
		packet.iface = f->ifaces[i];
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

const struct check check_firewall[] = {
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
	{"firewall-lns", CHECK_ERROR,
	 "decrypted L2TP goes to the address that the client used, where nothing listens", judge_lns},
	{"server-nat", CHECK_HINT, "Windows does not connect to a server behind a NAT by itself",
	 judge_server_nat},
	{"firewall-legacy", CHECK_HINT, "the host's own rules may keep clients out", judge_legacy},
	{.id = NULL},
};
