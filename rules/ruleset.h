/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nftables ruleset as data: what natshim installs, built once from the options, put into the kernel by
 * rules/nft.c and printed by rules/text.c, which therefore always say the same. Pure: no system call. Knows
 * nftables, not the daemon.
 *
 * natshim: protection of udp/1701, DNAT to the LNS, liveness. It stays after a crash, so that sessions go on.
 * natshim_queue: what goes up to userspace, and the sets that decide it. Gone with the process.
 *
 * Every rule that decides something has a counter and a comment, which is its name (RULES_NAMES below). */
#ifndef NATSHIM_RULES_RULESET_H
#define NATSHIM_RULES_RULESET_H

#include "nfq/endpoint.h"

#define RULES_TABLE "natshim"             /* stays after a crash: DNAT, protection of udp/1701, liveness */
#define RULES_QUEUE_TABLE "natshim_queue" /* flags owner: gone with the process */
#define RULES_ALIAS_TABLE                                                                                    \
	"natshim_alias" /* there as long as a client has an alias; stays after a crash, too */

/* The sets that the daemon fills or reads. Keys are in network order. */
enum rules_set {
	RULES_SET_EXCHANGES, /* initiator cookie, 8 bytes: clear messages that must come up. Minutes. The rules fill it (RULES_MARK_NOTE) */
	RULES_SET_PEERS4,    /* IPv4 address, 4 bytes: server-initiated exchanges come up. Hours. */
	RULES_SET_PEERS6,    /* IPv6 address, 16 bytes */
	RULES_SET_ANY_ANSWER, /* the four bytes of an ISAKMP header behind the cookies, RULES_ANSWER_*: a clear message of the server's that has
			      them comes up, whatever its exchange. Empty but in a flood. No time-out */
	RULES_SET_ALIVE4, /* kernel-filled: address . UDP source port (4 + 4 bytes, the port in the first two
			     of its four): IKE or a NAT keep-alive seen within the time-out (ESP moves its
			     SA's own counters), from who is watched. Anybody can forge that he is it */
	RULES_SET_ALIVE6, /* likewise (16 + 4 bytes) */
	RULES_SET_WATCHED4, /* the same keys: where the IKE and keep-alives of known sessions come from. No time-out */
	RULES_SET_WATCHED6, /* likewise */
	RULES_SET_L2TP4, /* SPI . address . UDP source port (4 + 4 + 4 bytes): the inbound SAs of known sessions, and
			    from where their L2TP comes inside. Only such control messages come up. No time-out */
	RULES_SET_L2TP6, /* likewise (4 + 16 + 4 bytes) */
	RULES_SET_BRIDGED, /* initiator cookie, 8 bytes: all messages come up, encrypted ones too, both ways. Hours. */
	RULES_SET_HELD,    /* SPI, 4 bytes: ESP with it comes up. Seconds, around a bridged Quick Mode. */
	RULES_SET_ALIASED, /* IPv4 address . UDP port . initiator cookie (4 + 4 + 8 bytes, the port as above): a flow to port 500, and its
			      exchange, whose answers are noted. A minute */
	RULES_SET_ANSWERED, /* kernel-filled: IPv4 address . both cookies (4 + 16 bytes) of what the server has answered to these. What comes
			       to port 4500 from that address with both comes up. A minute */
	RULES_SET_ALIAS_IN, /* map: IPv4 address . UDP source port . destination port (4 + 4 + 4 bytes, ports as above) of what comes in
			       -> alias . port (4 + 4 bytes) that the server sees as its source. No time-out */
	RULES_SET_ALIAS_OUT, /* map: alias . UDP destination port . source port of what goes out -> the client's own address . port */
	RULES_SET_ALIAS_HOSTS, /* IPv4 address, 4 bytes: public ones of clients in these maps. What comes from there to port 4500, from a
				  port that nobody is known by, comes up. No time-out */
	RULES_SET_ALIAS_FLOWS, /* IPv4 address . UDP source port (4 + 4 bytes): the known ones of RULES_SET_ALIAS_IN, to port 4500 */
	RULES_SETS
};

/* The base chains of natshim_queue, and of natshim. */
#define RULES_CHAIN_IN "incoming"
#define RULES_CHAIN_OUT "outgoing"

/* Names of the rules that count (their nft comments), for status and tests.
 *   natshim_queue  in:  bridged-500 bridged-4500 aliased-4500
 *                  limited-500-ip limited-500-ip6 limited-4500-ip limited-4500-ip6 (not sent up)
 *                  noted-500 noted-10s-500 (both ways; the same with 4500), and when the set is full
 *                  not-noted-500 not-noted-10s-500 (likewise)
 *                  first-500 first-4500 exchange-500 exchange-4500 held-4500 held-esp l2tp-in-ip l2tp-in-ip6
 *                  (l2tp-in without l2tp_by_session)
 *                  out: answered-500 (noted, not sent up)
 *                  out-bridged-500 out-bridged-4500 out-exchange-500 out-exchange-4500 out-answer-500 out-answer-4500 out-first-500-ip out-first-500-ip6
 * out-first-4500-ip out-first-4500-ip6 out-held-4500 out-held-esp l2tp-out natshim        clear-l2tp clear-l2tp-out (dropped),
 * checksum-ip (cleared), to-lns-ip to-lns-ip6 (connections) */
#define RULES_NAME_CLEAR_L2TP "clear-l2tp"
#define RULES_NAME_CLEAR_L2TP_OUT "clear-l2tp-out"

/* Where the chains hook in; the offsets of struct rules_options are added. Conntrack is at -200 and must stay
 * between guard and DNAT; the encryption lookup after source NAT is at 100 and must stay before the outgoing
 * queue chains. */
enum rules_priority {
	RULES_PRIORITY_QUEUE_IN = -300,
	RULES_PRIORITY_QUEUE_OUT = 300,
	RULES_PRIORITY_GUARD = -300,
	RULES_PRIORITY_GUARD_OUT = 300,
	RULES_PRIORITY_ALIAS_GUARD =
		-290, /* behind the queue, whose packets would else begin again where this chain comes or goes */
	RULES_PRIORITY_ALIAS_MOVED = 80, /* behind everybody's filters, before the next */
	RULES_PRIORITY_ALIAS_IN = 90,    /* before the admin's own NAT at 100, and -100 */
	RULES_PRIORITY_ALIAS_OUT = -110,
	RULES_PRIORITY_DNAT = -100,
	RULES_PRIORITY_CHECKSUM = -150, /* of what is forwarded, before the admin's filters */
};

/* The marks of a message whose verdict is NF_REPEAT: natshim_queue takes them off again and notes the message's initiator cookie in
 * RULES_SET_EXCHANGES, for the set's own time, or for 10 seconds. Whole values, so that no bit of anybody
 * else's mark is in the way; natshim gives them to messages that have none only. */
#define RULES_MARK_NOTE 0x6e736c01U
#define RULES_MARK_NOTE_10S 0x6e736c03U
/* Keys of RULES_SET_ANY_ANSWER, as on the wire (RFC 2408 section 3.1): an SA payload comes first, version 1.0, Main or Aggressive Mode, no
 * flag. So begins a responder's first answer. */
#define RULES_ANSWER_MAIN                                                                                    \
	{                                                                                                    \
		1, 0x10, 2, 0                                                                                \
	}
#define RULES_ANSWER_AGGRESSIVE                                                                              \
	{                                                                                                    \
		1, 0x10, 4, 0                                                                                \
	}
#define RULES_NAME_NOT_NOTED "not-noted" /* -500, -4500 */

/* First messages from one address that come up; what is more goes on untouched. Many clients behind one NAT that all come
 * back at once stay within the burst. */
#define RULES_FIRST_PER_SECOND 50
#define RULES_FIRST_BURST 200

/* The queue beside it, whose packets wait for no stranger: later messages of known exchanges, and all that is not IKE. */
#define RULES_QUEUE_KNOWN(number) ((number) + 1U)
#define RULES_QUEUE_MAX 65534

struct rules_options {
	const char *const *interfaces; /* names, at least one, each shorter than IFNAMSIZ */
	size_t interface_count;
	uint16_t
		queue_number; /* of first messages; RULES_QUEUE_KNOWN() of it: of all else. At most RULES_QUEUE_MAX */
	bool dnat4, dnat6;          /* send decrypted udp/1701 to lns4 / lns6 */
	struct endpoint lns4, lns6; /* port 0: 1701 */
	bool protect;               /* drop clear udp/1701 (false: --allow-clear) */
	bool l2tp_control;          /* client's L2TP control messages come up */
	bool l2tp_by_session;       /* only those that come by a known session's own SA: needs nft_xfrm */
	bool l2tp_from_lns;         /* the LNS' too */
	bool bridge;                /* all messages of bridged exchanges come up */
	bool alias;                 /* clients behind one NAT get addresses of alias_net */
	struct endpoint alias_net;  /* IPv4 */
	unsigned alias_prefix;      /* bits */
	bool liveness;              /* fill the alive sets */
	unsigned alive_timeout_s;   /* 0: 600 */
	int priority;               /* every hook's is moved by it, -49 to 49 */
	bool owner;                 /* the kernel knows "flags owner" */
	bool native_queue; /* the kernel has the queue expression; false: x_tables NFQUEUE through nft_compat
			    */
	bool no_secpath; /* the kernel has no IPsec at all: no DNAT, no L2TP; all udp/1701 counts as clear */
	bool no_defrag; /* the kernel has no tproxy expression: fragments pass, where nothing else asks for whole datagrams */
	bool no_limit; /* the kernel has no limit expression: first messages come up at any rate */
	bool no_fib;   /* the kernel has no fib expression: DNAT also of what is not addressed to this host */
};

struct ruleset; /* tables, sets, chains, rules; owned by the caller */

/* NULL: out of memory, no interface, a name too long, or an LNS address of the wrong family. */
struct ruleset *ruleset_build(const struct rules_options *options);
void ruleset_free(struct ruleset *ruleset);

#endif
