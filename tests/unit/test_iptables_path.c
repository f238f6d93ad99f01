/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of iptables on the way of a packet: what would become of it. */
#include "shim/check/packet_path.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define HEAD "*filter\n:INPUT DROP [3:4]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
#define USER HEAD ":vpn - [0:0]\n"

enum fate { PASSES, DROPPED, PERHAPS };

static const struct {
	const char *rules;
	enum fate ike, esp, l2tp; /* of udp/500, ESP, udp/1701 out of IPsec */
} cases[] = {
	{HEAD, DROPPED, DROPPED, DROPPED},
	{"*filter\n:INPUT ACCEPT [0:0]\n", PASSES, PASSES, PASSES},
	{HEAD "-A INPUT -p udp -m udp --dport 500 -j ACCEPT\n", PASSES, DROPPED, DROPPED},
	{HEAD "-A INPUT -p udp -m multiport --dports 4500,400:600 -j ACCEPT\n", PASSES, DROPPED, DROPPED},
	{HEAD "-A INPUT -p udp -m multiport ! --dports 500 -j ACCEPT\n", DROPPED, DROPPED, PASSES},
	{HEAD "-A INPUT -p esp -j ACCEPT\n", DROPPED, PASSES, DROPPED},
	{HEAD "-A INPUT -p 50 -j ACCEPT\n-A INPUT -p 17 -j ACCEPT\n", PASSES, PASSES, PASSES},
	{HEAD "-A INPUT ! -p udp -j ACCEPT\n", DROPPED, PASSES, DROPPED},
	{HEAD "-A INPUT -i lo -j ACCEPT\n-A INPUT -i ppp+ -j ACCEPT\n", DROPPED, DROPPED, DROPPED},
	{HEAD "-A INPUT -i eth+ -j ACCEPT\n", PASSES, PASSES, PASSES},
	{HEAD "-A INPUT ! -i eth0 -j ACCEPT\n", DROPPED, DROPPED, DROPPED},
	{HEAD "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n", DROPPED, DROPPED, DROPPED},
	{HEAD "-A INPUT -m state --state NEW -j ACCEPT\n", PASSES, PASSES, PASSES},
	{HEAD "-A INPUT -m conntrack --ctstate DNAT,NEW -j ACCEPT\n", PERHAPS, PERHAPS, PERHAPS},
	{HEAD "-A INPUT -p udp --dport 1701 -m policy --dir in --pol ipsec -j ACCEPT\n", DROPPED, DROPPED,
	 PASSES},
	{HEAD "-A INPUT -m policy --dir in --pol none -j ACCEPT\n", PASSES, PASSES, DROPPED},
	{HEAD "-A INPUT -s 192.0.2.0/24 -j ACCEPT\n", PERHAPS, PERHAPS, PERHAPS},
	{HEAD "-A INPUT -m limit --limit 3/min -j LOG --log-prefix \"[a -j ACCEPT] \"\n", DROPPED, DROPPED,
	 DROPPED},
	{HEAD "-A INPUT -m comment --comment \"say \\\"hello\\\" -j DROP\" -j ACCEPT\n", PASSES, PASSES,
	 PASSES},
	{HEAD "-A INPUT -p udp -j NFQUEUE --queue-num 3\n", PASSES, DROPPED, PASSES},
	{USER "-A INPUT -j vpn\n-A vpn -p udp -m udp --dport 500 -j ACCEPT\n-A vpn -j REJECT\n", PASSES,
	 DROPPED, DROPPED},
	{USER "-A INPUT -p udp -g vpn\n-A INPUT -j ACCEPT\n", DROPPED, PASSES, DROPPED},
	/* A return that cannot be decided: the rules after the jump decide as well. */
	{USER "-A INPUT -j vpn\n-A vpn -m addrtype --dst-type LOCAL -j RETURN\n-A vpn -j DROP\n", DROPPED,
	 DROPPED, DROPPED},
	{USER "-A INPUT -j vpn\n-A INPUT -p udp -j ACCEPT\n-A vpn -m addrtype --dst-type LOCAL -j RETURN\n-A "
	      "vpn -j DROP\n",
	 PASSES, DROPPED, PASSES},
	{USER "-A INPUT -j vpn\n-A vpn -m addrtype --dst-type LOCAL -j RETURN\n-A vpn -j ACCEPT\n", PERHAPS,
	 PERHAPS, PERHAPS},
	{"*nat\n:PREROUTING DROP [0:0]\n:INPUT DROP [0:0]\nCOMMIT\n", PASSES, PASSES, PASSES},
	{"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 500 -j DROP\n", DROPPED, PASSES,
	 PASSES},
	{"# a comment\n*filter\n-A\n:\n-A INPUT\n-A INPUT -p\n-A INPUT \"\n", PASSES, PASSES, PASSES},
};

static enum fate fate_of(const json_t *ruleset, struct path_packet packet, struct path_place *at)
{
	packet.iface = "eth0";
	return path_drops(ruleset, &packet, at)           ? DROPPED
	       : path_perhaps_drops(ruleset, &packet, at) ? PERHAPS
							  : PASSES;
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *ruleset = json_pack("{s:[]}", "nftables");
		struct path_place at;

		path_add_iptables(ruleset, "iptables", cases[i].rules);
		if (fate_of(ruleset, (struct path_packet){.protocol = "udp", .dport = 500}, &at) !=
			    cases[i].ike ||
		    fate_of(ruleset, (struct path_packet){.protocol = "esp"}, &at) != cases[i].esp ||
		    fate_of(ruleset, (struct path_packet){.protocol = "udp", .dport = 1701, .secpath = true},
			    &at) != cases[i].l2tp)
			fail_msg("case %zu: %s", i, cases[i].rules);
		json_decref(ruleset);
	}
}

/* nft's view of the same table goes, that of others stays; the place names the program. */
static void test_views(void **state)
{
	static const char view[] = "{\"nftables\": [{\"chain\": {\"family\": \"ip\", \"table\": \"filter\", "
				   "\"name\": \"INPUT\", \"hook\": \"input\","
				   " \"policy\": \"drop\"}}, {\"rule\": {\"family\": \"ip\", \"table\": "
				   "\"filter\", \"chain\": \"INPUT\", \"expr\": "
				   "[{\"xt\": null}, {\"accept\": null}]}}]}";
	const struct path_packet ike = {.protocol = "udp", .dport = 500, .iface = "eth0"};
	json_t *ruleset = json_loads(view, 0, NULL);
	struct path_place at;

	(void)state;
	assert_true(path_perhaps_drops(ruleset, &ike, &at));
	path_add_iptables(ruleset, "iptables-legacy", "*filter\n:INPUT ACCEPT [0:0]\n");
	assert_true(path_perhaps_drops(ruleset, &ike, &at));
	assert_string_equal(at.family, "ip");
	path_add_iptables(ruleset, "iptables", HEAD);
	assert_true(path_drops(ruleset, &ike, &at));
	assert_string_equal(at.family, "iptables");
	assert_string_equal(at.table, "filter");
	assert_string_equal(at.chain, "INPUT");
	assert_true(at.by_policy);
	json_decref(ruleset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_views)};

	return cmocka_run_group_tests_name("iptables path", tests, NULL, NULL);
}
