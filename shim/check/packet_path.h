/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a ruleset, as `nft -j list ruleset' prints it, would do to a packet: the hooks ingress, prerouting and input, or forward, or
 * output and postrouting, are walked, with jumps. A heuristic: matches that cannot be decided here (marks, limits, x_tables, addresses that are not known) count as
 * "perhaps", and a packet that is perhaps accepted is not called dropped. Pure. */
#ifndef NATSHIM_SHIM_CHECK_PACKET_PATH_H
#define NATSHIM_SHIM_CHECK_PACKET_PATH_H

#include <jansson.h>
#include <stdbool.h>

struct path_packet {
	const char *protocol; /* "udp", "esp" */
	int dport, sport;     /* udp; 0: not known */
	bool secpath;         /* came out of IPsec */
	const char *iface;    /* NULL: not known, but not lo */
	bool forwarded;       /* from iface to oiface: the hook forward, instead of prerouting and input */
	bool out; /* this host's own, to oiface: the hooks output and postrouting; whether it will be encrypted is not known */
	const char *oiface;        /* NULL: not known */
	const char *saddr, *daddr; /* IPv4 as text; NULL: not known */
	bool reply;                /* of a connection that is established; its ports are not known */
	enum path_what {
		PATH_VERDICT, /* accept and drop */
		PATH_DNAT, /* instead of a drop: a rule that gives it another destination (chains of type nat) */
		PATH_SNAT,    /* likewise another source, behind the hook forward */
		PATH_NOTRACK, /* instead of a drop: a rule that keeps it from connection tracking */
	} what;
};

/* The chain that decides, as nft(8) names it; strings of the JSON. Rules of iptables have the program's name as family. */
struct path_place {
	const char *family, *table, *chain; /* the base chain */
	bool by_policy;                     /* by its policy, not by a rule */
	const char *to;                     /* PATH_DNAT: the address; NULL: this host's, or not known */
};

/* A packet of a new connection. True: certainly dropped, at *place. */
bool path_drops(const json_t *ruleset, const struct path_packet *packet, struct path_place *place);
/* True: dropped, unless a rule that cannot be decided accepts it before that, at *place. */
bool path_perhaps_drops(const json_t *ruleset, const struct path_packet *packet, struct path_place *place);
/* True: certainly accepted by a rule that names its port, at *place. */
bool path_accepts_by_rule(const json_t *ruleset, const struct path_packet *packet, struct path_place *place);

/* True: what is looked for (not PATH_VERDICT) may happen, by a rule that cannot be decided. */
bool path_perhaps_happens(const json_t *ruleset, const struct path_packet *packet);

/* Whether a rule with this statement stands in a table of that name; statement NULL: any rule. */
bool path_table_has(const json_t *ruleset, const char *table, const char *statement);

/* Adds what iptables-save (program "iptables") or iptables-legacy-save ("iptables-legacy") printed to a ruleset; of the first, in
 * place of nft's own view of the same tables. */
void path_add_iptables(json_t *ruleset, const char *program, const char *saved);

#endif
