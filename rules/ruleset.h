/* The nftables ruleset as data: what natshim installs, built once from the options, put into the kernel by rules/nft.c and
 * printed by rules/text.c, which therefore always say the same. Pure: no system call. Knows nftables, not the daemon. */
#ifndef NATSHIM_RULES_RULESET_H
#define NATSHIM_RULES_RULESET_H

#include "nfq/endpoint.h"

#define RULES_TABLE "natshim"	      /* stays after a crash: DNAT, protection of udp/1701, liveness */
#define RULES_QUEUE_TABLE "natshim_queue" /* flags owner: gone with the process */

/* The sets that the daemon fills or reads. Keys are in network order. */
enum rules_set {
	RULES_SET_EXCHANGES, /* initiator cookie, 8 bytes: clear messages that must come up. Minutes. */
	RULES_SET_PEERS4,    /* IPv4 address, 4 bytes: server-initiated exchanges come up. Hours. */
	RULES_SET_PEERS6,    /* IPv6 address, 16 bytes */
	RULES_SET_ALIVE4,    /* kernel-filled: address . UDP source port (4 + 4 bytes): seen on 500/4500 within the time-out */
	RULES_SET_ALIVE6,    /* likewise (16 + 4 bytes) */
	RULES_SETS
};

struct rules_options {
	const char *const *interfaces; /* names, at least one */
	size_t interface_count;
	uint16_t queue_number;
	bool dnat4, dnat6;	    /* send decrypted udp/1701 to lns4 / lns6 */
	struct endpoint lns4, lns6; /* port 0: 1701 */
	bool protect;		    /* drop clear udp/1701 (false: --allow-clear) */
	bool l2tp_control;	    /* client's L2TP control messages come up */
	bool l2tp_from_lns;	    /* the LNS' too */
	bool liveness;		    /* fill the alive sets */
	unsigned alive_timeout_s;   /* 0: 600 */
	int priority_dnat;	    /* offsets from the defaults of docs/natshim.8; 0: the default itself */
	int priority_queue;
	int priority_guard;
	bool owner;		    /* the kernel knows "flags owner" */
	bool native_queue;	    /* the kernel has the queue expression; false: x_tables NFQUEUE through nft_compat */
};

struct ruleset; /* tables, sets, chains, rules; owned by the caller */

struct ruleset *ruleset_build(const struct rules_options *options); /* NULL: out of memory or no interface */
void ruleset_free(struct ruleset *ruleset);

#endif
