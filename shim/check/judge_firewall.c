/* Checks of the other rules on this host: would they drop what clients send, or let unencrypted L2TP in? A heuristic, see
 * packet_path.h. Pure. */
#include "shim/check/check.h"
#include "shim/check/packet_path.h"

#include <stdio.h>

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

static void judge_dropped(const struct check_facts *facts, struct path_packet packet, const char *what,
			  const char *match, struct check_result *r)
{
	const struct firewall_facts *f = &facts->firewall;
	json_t *ruleset = f->ruleset ? json_loads(f->ruleset, 0, NULL) : NULL;
	struct path_place at;

	if (ruleset && on_any_iface(f, packet, ruleset, path_drops, &at)) {
		check_found(r, "%s dropped by %s chain %s %s %s", what,
			    at.by_policy ? "the policy of" : "a rule in", at.family, at.table, at.chain);
		check_mend(r, "run: nft insert rule %s %s %s %s accept", at.family, at.table, at.chain,
			   match);
		check_mend(r, "and keep it: put the same into your firewall's own file");
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
	judge_dropped(facts, (struct path_packet){.protocol = "udp", .dport = 500}, "IKE (udp/500) is",
		      "udp dport 500", r);
}

static void judge_4500(const struct check_facts *facts, struct check_result *r)
{
	judge_dropped(facts, (struct path_packet){.protocol = "udp", .dport = 4500},
		      "NAT traversal (udp/4500) is", "udp dport 4500", r);
}

static void judge_esp(const struct check_facts *facts, struct check_result *r)
{
	judge_dropped(facts, (struct path_packet){.protocol = "esp"}, "ESP is", "meta l4proto esp", r);
}

static void judge_l2tp(const struct check_facts *facts, struct check_result *r)
{
	if (facts->l2tp.present)
		judge_dropped(facts, (struct path_packet){.protocol = "udp", .dport = 1701, .secpath = true},
			      "decrypted L2TP (udp/1701 out of IPsec) is",
			      "meta secpath exists udp dport 1701", r);
}

enum clear { CLOSED, OPEN, OPEN_BY_RULE };

#define PLACE_MAX 200

/* What becomes of unencrypted L2TP, and which chain lets it in by a rule, as nft(8) names it; natshim's own protection is a rule
 * like others here. */
static enum clear clear_l2tp(const struct firewall_facts *f, char place[static PLACE_MAX])
{
	const struct path_packet packet = {.protocol = "udp", .dport = 1701};
	json_t *ruleset = f->ruleset ? json_loads(f->ruleset, 0, NULL) : NULL;
	enum clear state = OPEN;
	struct path_place at;

	if (!ruleset || on_any_iface(f, packet, ruleset, path_drops, &at)) {
		state = CLOSED;
	} else if (on_any_iface(f, packet, ruleset, path_accepts_by_rule, &at)) {
		state = OPEN_BY_RULE;
		snprintf(place, PLACE_MAX, "%s %s %s", at.family, at.table, at.chain);
	}
	json_decref(ruleset);
	return state;
}

static void judge_clear(const struct check_facts *facts, struct check_result *r)
{
	char place[PLACE_MAX];

	if (clear_l2tp(&facts->firewall, place) != OPEN_BY_RULE)
		return;
	check_found(r, "a rule in %s accepts unencrypted L2TP (udp/1701)", place);
	check_mend(r, "run: nft insert rule %s udp dport 1701 meta secpath missing drop", place);
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

static void judge_legacy(const struct check_facts *facts, struct check_result *r)
{
	if (facts->firewall.legacy != YES)
		return;
	check_found(r, "there are rules of iptables-legacy, which this check does not read");
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
	{"firewall-legacy", CHECK_HINT, "the host's own rules may keep clients out", judge_legacy},
	{.id = NULL},
};
