/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of struct ruleset, for rules/ only: tables > sets, chains > rules > items. An item is one phrase
 * of the nft language ("udp dport 500", "counter"); rules/nft_expr.c turns it into kernel expressions,
 * rules/text.c into words. */
#ifndef NATSHIM_RULES_RULESET_IMPL_H
#define NATSHIM_RULES_RULESET_IMPL_H

#include "rules/ruleset.h"

#include <net/if.h>

#define RULES_NAME_MAX 24
#define RULES_INTERFACES "interfaces" /* each table's own set of interface names */

enum rules_key {
	RULES_KEY_IFNAME,
	RULES_KEY_IPV4,
	RULES_KEY_IPV6,
	RULES_KEY_COOKIE,
	RULES_KEY_IPV4_PORT,
	RULES_KEY_IPV6_PORT,
	RULES_KEY_RAW_WORD, /* four bytes read from the packet: an SPI, or a part of a header */
	RULES_KEY_SPI_IPV4_PORT,
	RULES_KEY_SPI_IPV6_PORT,
	RULES_KEY_IPV4_PORT_PORT,
	RULES_KEY_IPV4_PORT_COOKIE,
	RULES_KEY_IPV4_COOKIES, /* the initiator's, the responder's */
};

enum rules_map {
	RULES_MAP_NONE, /* a set */
	RULES_MAP_IPV4_PORT,
};

enum rules_item_kind {
	ITEM_IIF,       /* iifname @interfaces */
	ITEM_OIF,       /* oifname @interfaces */
	ITEM_UDP_SPORT, /* udp sport VALUE */
	ITEM_UDP_DPORT, /* udp dport VALUE */
	ITEM_ESP,       /* meta l4proto esp */
	ITEM_RAW,       /* @th,OFFSET,BITS VALUE: inside one 8-byte word, whole bytes or a part of one byte */
	ITEM_RAW_IN,    /* @th,OFFSET,BITS @NAME */
	ITEM_IPV4,      /* meta nfproto ipv4 */
	ITEM_IPV6,      /* meta nfproto ipv6 */
	ITEM_SADDR4_IN, /* ip saddr @NAME */
	ITEM_DADDR4_IN, /* ip daddr @NAME */
	ITEM_DADDR6_IN, /* ip6 daddr @NAME */
	ITEM_SECPATH,   /* meta secpath exists (VALUE 1) or missing (VALUE 0): came in through IPsec */
	ITEM_RT_IPSEC,  /* rt ipsec exists or missing: will go out through IPsec */
	ITEM_DNATED,    /* ct status dnat: of a connection whose destination was changed */
	ITEM_CT_NEW,    /* ct state new */
	ITEM_DADDR4,    /* ip daddr ENDPOINT, which has no port */
	ITEM_DADDR_LOCAL,    /* fib daddr type local */
	ITEM_SADDR4_PORT_IN, /* ip saddr . udp sport @NAME */
	ITEM_SADDR6_PORT_IN, /* ip6 saddr . udp sport @NAME */
	ITEM_SEEN4, /* update @NAME { ip saddr . udp sport }; behind ITEM_SADDR4_PORT_IN, which says that it is UDP and IPv4 */
	ITEM_SEEN6,      /* update @NAME { ip6 saddr . udp sport }; likewise */
	ITEM_OWN_L2TP4,  /* ipsec in spi . ip saddr . udp sport @NAME */
	ITEM_OWN_L2TP6,  /* ipsec in spi . ip6 saddr . udp sport @NAME */
	ITEM_MARK,       /* meta mark VALUE */
	ITEM_NO_MARK,    /* meta mark set 0 */
	ITEM_NOTE,       /* update @NAME { @th,OFFSET,BITS }, for VALUE seconds where that is not 0 */
	ITEM_TO_FLOW_IN, /* ip daddr . udp dport . @th,OFFSET,BITS @NAME */
	ITEM_FROM_IN,    /* ip saddr . @th,OFFSET,BITS @NAME */
	ITEM_NOTE_TO, /* update @NAME { ip daddr . @th,OFFSET,BITS }; behind ITEM_TO_FLOW_IN, which says that it is IPv4 */
	ITEM_OVER4,       /* update @NAME { ip saddr limit rate over VALUE/second burst BURST packets } */
	ITEM_OVER6,       /* likewise, ip6 saddr & ffff:ffff:ffff:ffff:: */
	ITEM_SADDR4_NET,  /* ip saddr ENDPOINT/VALUE */
	ITEM_ALIAS_IN,    /* snat ip to ip saddr . udp sport . udp dport map @NAME */
	ITEM_ALIAS_OUT,   /* dnat ip to ip daddr . udp dport . udp sport map @NAME */
	ITEM_NO_CHECKSUM, /* udp checksum set 0 */
	ITEM_COUNTER,     /* counter */
	ITEM_QUEUE,       /* queue num VALUE bypass */
	ITEM_DROP,        /* drop */
	ITEM_ACCEPT,      /* accept */
	ITEM_RETURN,      /* return */
	ITEM_JUMP,        /* jump NAME */
	ITEM_GOTO,        /* goto NAME: what comes to its end has passed the base chain */
	ITEM_DNAT,        /* dnat ip|ip6 to ENDPOINT */
	ITEM_DEFRAGMENT,  /* meta l4proto udp tproxy to :1: never reached; see add_defragment() */
	ITEM_KINDS
};

struct rules_item {
	enum rules_item_kind kind;
	uint16_t offset, bits; /* bits from the start of the UDP header */
	uint32_t burst;
	uint64_t value;   /* host order */
	const char *name; /* of a set or a chain; static text */
	struct endpoint to;
};

#define RULES_ITEMS_MAX 10
struct rules_rule {
	char name[RULES_NAME_MAX]; /* its nft comment; may be empty */
	size_t item_count;
	struct rules_item items[RULES_ITEMS_MAX];
};

enum rules_hook {
	RULES_HOOK_NONE,
	RULES_HOOK_PREROUTING,
	RULES_HOOK_INPUT,
	RULES_HOOK_FORWARD,
	RULES_HOOK_OUTPUT,
	RULES_HOOK_POSTROUTING
};

#define RULES_RULES_MAX 8
struct rules_chain {
	const char *name;
	enum rules_hook hook; /* NONE: only jumped to */
	bool nat;             /* type nat, else filter */
	int priority;
	size_t rule_count;
	struct rules_rule rules[RULES_RULES_MAX];
};

struct rules_set_def {
	const char *name;
	enum rules_key key;
	bool timed;         /* elements have time-outs */
	bool kernel_filled; /* flags dynamic */
	enum rules_map map;
	unsigned timeout_s; /* default of its elements; 0: none */
	unsigned gc_s; /* between two searches for elements whose time is over; 0: the kernel's own, 1 s */
	unsigned size; /* bound; 0: none, or the kernel's own (65535) where rules fill it */
};

#define RULES_SETS_MAX 17
#define RULES_CHAINS_MAX 21
struct rules_table {
	const char *name;
	bool owner;
	size_t set_count, chain_count;
	struct rules_set_def sets[RULES_SETS_MAX];
	struct rules_chain chains[RULES_CHAINS_MAX]; /* those that are jumped to before those that jump */
};

enum { RULES_TABLE_BASE, RULES_TABLE_QUEUE, RULES_TABLE_ALIAS, RULES_TABLES };
struct ruleset {
	bool native_queue;
	size_t interface_count;
	char (*interfaces)[IFNAMSIZ];            /* zero-padded: the elements of every RULES_INTERFACES set */
	struct rules_table tables[RULES_TABLES]; /* one without a name is not wanted */
};

/* Where a set of the contract lives, and the length of its keys in bytes. */
struct rules_set_place {
	const char *table, *name;
	enum rules_key key;
	enum rules_map map;
};
const struct rules_set_place *ruleset_set_place(enum rules_set set);
size_t ruleset_key_length(enum rules_key key);
size_t ruleset_data_length(enum rules_map map); /* of an element's value; 0: it has none */

#endif
