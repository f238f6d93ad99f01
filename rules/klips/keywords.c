/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words that nft's grammar keeps for itself: no chain can be called so. Found by trying each word of its
 * manual and of its library as a chain's name (nftables 1.0.6). */
#include "rules/klips/keywords.h"

#include <stdlib.h>
#include <string.h>

static const char *const keywords[] = {
	/* sorted */
	"accept",   "add",      "ah",        "all",      "and",       "arp",      "auto-merge",  "bridge",
	"cgroup",   "chain",    "comment",   "comp",     "constant",  "continue", "counter",     "cpu",
	"create",   "ct",       "day",       "dccp",     "define",    "delete",   "describe",    "device",
	"devices",  "dnat",     "drop",      "dst",      "dup",       "dynamic",  "ecn",         "element",
	"elements", "esp",      "ether",     "exists",   "expires",   "export",   "exthdr",      "fib",
	"flags",    "flow",     "flowtable", "flush",    "frag",      "fwd",      "gc-interval", "get",
	"goto",     "handle",   "hbh",       "hook",     "hour",      "ibriport", "ibrname",     "icmp",
	"icmpv6",   "igmp",     "iif",       "iifgroup", "iifname",   "iiftype",  "import",      "include",
	"index",    "inet",     "insert",    "interval", "ip",        "ip6",      "ipsec",       "jhash",
	"jump",     "limit",    "list",      "log",      "lt",        "map",      "mark",        "masquerade",
	"meta",     "meter",    "mh",        "missing",  "monitor",   "netdev",   "nftrace",     "not",
	"notrack",  "numgen",   "obriport",  "obrname",  "offload",   "oif",      "oifgroup",    "oifname",
	"oiftype",  "or",       "osf",       "pkttype",  "policy",    "position", "priority",    "queue",
	"quota",    "random",   "redefine",  "redirect", "reject",    "rename",   "replace",     "reset",
	"return",   "rt",       "rt0",       "rt2",      "rtclassid", "rule",     "ruleset",     "sctp",
	"secmark",  "set",      "size",      "skgid",    "skuid",     "snat",     "socket",      "srh",
	"symhash",  "synproxy", "table",     "tcp",      "th",        "time",     "timeout",     "tproxy",
	"type",     "typeof",   "udp",       "udplite",  "undefine",  "update",   "vlan",        "vmap",
	"xt",
};

static int compare(const void *a, const void *b)
{
	return strcmp(a, *(const char *const *)b);
}

bool nft_is_keyword(const char *word)
{
	return bsearch(word, keywords, sizeof(keywords) / sizeof(keywords[0]), sizeof(keywords[0]),
		       compare) != NULL;
}
