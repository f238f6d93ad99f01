/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a ruleset, as `nft -j list ruleset' prints it, would do to a packet: the hooks prerouting and input are walked, with
 * jumps. A heuristic: matches that cannot be decided here (source addresses, marks, limits, x_tables) count as "perhaps", and a
 * packet that is perhaps accepted is not called dropped. Pure. */
#ifndef NATSHIM_SHIM_CHECK_PACKET_PATH_H
#define NATSHIM_SHIM_CHECK_PACKET_PATH_H

#include <jansson.h>
#include <stdbool.h>

struct path_packet {
	const char *protocol; /* "udp", "esp" */
	int dport;            /* udp */
	bool secpath;         /* came out of IPsec */
	const char *iface;    /* NULL: not known, but not lo */
	bool forwarded;       /* from iface to oiface: the hook forward, instead of prerouting and input */
	const char *oiface;   /* NULL: not known */
	enum path_what {
		PATH_VERDICT, /* accept and drop */
		PATH_DNAT, /* instead of a drop: a rule that gives it another destination (chains of type nat) */
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

/* Whether a rule of this kind stands anywhere: "masquerade", "snat". */
bool path_has_statement(const json_t *ruleset, const char *statement);
/* Likewise in a table of that name (NULL: any); statement NULL: any rule. */
bool path_table_has(const json_t *ruleset, const char *table, const char *statement);

/* Adds what iptables-save (program "iptables") or iptables-legacy-save ("iptables-legacy") printed to a ruleset; of the first, in
 * place of nft's own view of the same tables. */
void path_add_iptables(json_t *ruleset, const char *program, const char *saved);

#endif
