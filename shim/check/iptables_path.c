/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables-save(8)'s output as chains and rules in nft's JSON, for the walk of packet_path.c. Matches that it does not know become
 * ones that cannot be decided. Only chains of the hooks that the walk knows. Pure. */
#include "shim/check/packet_path.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table {
	json_t *objects;
	const char *family; /* the program's name */
	char name[32];
};

static bool is_one_of(const char *word, const char *const list[])
{
	for (size_t i = 0; list[i]; i++)
		if (!strcmp(word, list[i]))
			return true;
	return false;
}

/* The next word of a line, in place: words are separated by spaces, or stand in double quotes. NULL at the end. */
static char *next_word(char **line)
{
	char *at = *line + strspn(*line, " "), *start = at, *to = at;
	const bool quoted = *at == '"';

	if (!*at)
		return NULL;
	for (at += quoted; *at && (quoted ? *at != '"' : *at != ' '); at++) {
		if (quoted && *at == '\\' && at[1])
			at++;
		*to++ = *at;
	}
	*line = *at ? at + 1 : at;
	*to = '\0';
	return start;
}

/* ---- one rule ---------------------------------------------------------------------------------------------------- */

static void add_match(json_t *exprs, json_t *left, bool negated, json_t *right)
{
	json_array_append_new(exprs, json_pack("{s:{s:s, s:o, s:o}}", "match", "op",
					       negated ? "!=" : "==", "left", left, "right", right));
}

static void add_meta(json_t *exprs, const char *key, bool negated, json_t *right)
{
	add_match(exprs, json_pack("{s:{s:s}}", "meta", "key", key), negated, right);
}

static void add_undecidable(json_t *exprs)
{
	json_array_append_new(exprs, json_pack("{s:n}", "xt"));
}

static void add_protocol(json_t *exprs, const char *word, bool negated)
{
	const char *name = !strcmp(word, "17") ? "udp" : !strcmp(word, "50") ? "esp" : word;

	if (strcmp(name, "all") != 0)
		add_meta(exprs, "l4proto", negated, json_string(name));
}

static void add_interface(json_t *exprs, const char *key, char *word, bool negated)
{
	const size_t n = strlen(word);

	if (n && word[n - 1] == '+')
		word[n - 1] = '*';
	add_meta(exprs, key, negated, json_string(word));
}

/* "10.0.0.0/8" */
static void add_address(json_t *exprs, const char *field, const char *word, bool negated)
{
	const char *slash = strchr(word, '/');
	const size_t n = slash ? (size_t)(slash - word) : strlen(word);
	const long bits = slash ? strtol(slash + 1, NULL, 10) : 32;

	if (slash && strchr(slash, '.')) { /* a mask that is no prefix */
		add_undecidable(exprs);
		return;
	}
	add_match(exprs, json_pack("{s:{s:s, s:s}}", "payload", "protocol", "ip", "field", field), negated,
		  json_pack("{s:{s:s%, s:I}}", "prefix", "addr", word, n, "len", (json_int_t)bits));
}

/* "500,4500", "4000:5000" */
static void add_ports(json_t *exprs, const char *field, char *word, bool negated)
{
	json_t *list = json_array();

	for (char *save, *one = strtok_r(word, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		char *end;
		const long first = strtol(one, &end, 10),
			   last = *end == ':' ? strtol(end + 1, NULL, 10) : first;

		json_array_append_new(list, first == last ? json_integer(first)
							  : json_pack("{s:[I, I]}", "range",
								      (json_int_t)first, (json_int_t)last));
	}
	add_match(exprs, json_pack("{s:{s:s, s:s}}", "payload", "protocol", "th", "field", field), negated,
		  json_pack("{s:o}", "set", list));
}

/* "RELATED,ESTABLISHED" */
static void add_state(json_t *exprs, char *word, bool negated)
{
	json_t *list = json_array();

	if (strstr(word, "NAT")) /* DNAT and SNAT are no states of nft's */
		add_undecidable(exprs);
	for (char *at = word; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	for (char *save, *one = strtok_r(word, ",", &save); one; one = strtok_r(NULL, ",", &save))
		json_array_append_new(list, json_string(one));
	add_match(exprs, json_pack("{s:{s:s}}", "ct", "key", "state"), negated,
		  json_pack("{s:o}", "set", list));
}

static bool is_chain(const struct table *t, const char *name)
{
	size_t i;
	json_t *object;

	json_array_foreach(t->objects, i, object)
	{
		const json_t *chain = json_object_get(object, "chain");

		if (chain && !strcmp(json_string_value(json_object_get(chain, "family")), t->family) &&
		    !strcmp(json_string_value(json_object_get(chain, "table")), t->name) &&
		    !strcmp(json_string_value(json_object_get(chain, "name")), name))
			return true;
	}
	return false;
}

/* What is no verdict (LOG, MARK and so on) lets the packet go on. */
static void add_target(const struct table *t, json_t *exprs, const char *word, const char *how, char *rest)
{
	static const char *const nat[] = {"SNAT", "MASQUERADE", "REDIRECT", NULL};
	static const char *const statements[] = {"snat", "masquerade", "redirect"};
	const char *to = strstr(rest, "--to-destination ");

	static const struct {
		const char *target, *verdict;
	} verdicts[] = {{"ACCEPT", "accept"}, {"DROP", "drop"},   {"REJECT", "reject"},
			{"RETURN", "return"}, {"QUEUE", "queue"}, {"NFQUEUE", "queue"}};

	for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
		if (!strcmp(word, verdicts[i].target))
			json_array_append_new(exprs, json_pack("{s:n}", verdicts[i].verdict));
	for (size_t i = 0; nat[i]; i++)
		if (!strcmp(word, nat[i]))
			json_array_append_new(exprs, json_pack("{s:n}", statements[i]));
	if (!strcmp(word, "DNAT")) {
		to = to ? to + strlen("--to-destination ") : "";
		json_array_append_new(exprs, json_pack("{s:{s:s%}}", "dnat", "addr", to, strcspn(to, " :-")));
	}
	if (!strcmp(word, "NOTRACK") || (!strcmp(word, "CT") && strstr(rest, "--notrack")))
		json_array_append_new(exprs, json_pack("{s:n}", "notrack"));
	if (is_chain(t, word))
		json_array_append_new(exprs, json_pack("{s:{s:s}}", how, "target", word));
}

/* One option with its value. Of -m only modules whose options are known say nothing by themselves. */
static void add_option(const struct table *t, json_t *exprs, const char *option, char *value, bool negated,
		       char *rest)
{
	static const char *const silent[] = {"udp",       "tcp",   "multiport", "comment",
					     "conntrack", "state", "policy",    NULL};
	static const char *const ports[] = {"--dport", "--dports", "--destination-port",
					    "--destination-ports", NULL};
	static const char *const from[] = {"--sport", "--sports", "--source-port", "--source-ports", NULL};
	static const char *const states[] = {"--ctstate", "--state", NULL};
	static const char *const nothing[] = {"--comment", "--dir", NULL};

	if (!strcmp(option, "-p"))
		add_protocol(exprs, value, negated);
	else if (!strcmp(option, "-i"))
		add_interface(exprs, "iifname", value, negated);
	else if (!strcmp(option, "-o"))
		add_interface(exprs, "oifname", value, negated);
	else if (!strcmp(option, "-s"))
		add_address(exprs, "saddr", value, negated);
	else if (!strcmp(option, "-d"))
		add_address(exprs, "daddr", value, negated);
	else if (is_one_of(option, ports))
		add_ports(exprs, "dport", value, negated);
	else if (is_one_of(option, from))
		add_ports(exprs, "sport", value, negated);
	else if (is_one_of(option, states))
		add_state(exprs, value, negated);
	else if (!strcmp(option, "--pol"))
		add_meta(exprs, "ipsec", negated, json_boolean(!strcmp(value, "ipsec")));
	else if (!strcmp(option, "-j"))
		add_target(t, exprs, value, "jump", rest);
	else if (!strcmp(option, "-g"))
		add_target(t, exprs, value, "goto", rest);
	else if (!is_one_of(option, nothing) && (strcmp(option, "-m") != 0 || !is_one_of(value, silent)))
		add_undecidable(exprs);
}

/* The rest of "-A ": a chain, matches, and the target with what belongs to it at the end. */
static void add_rule(const struct table *t, char *line)
{
	const char *chain = next_word(&line);
	json_t *exprs = json_array();
	bool negated = false, ended = false;

	for (char *word = next_word(&line); chain && word && !ended; word = next_word(&line)) {
		if (!strcmp(word, "!")) {
			negated = true;
			continue;
		}
		if (*word == '-') {
			char *const value = next_word(&line);

			if (value)
				add_option(t, exprs, word, value, negated, line);
			ended = !strcmp(word, "-j") || !strcmp(word, "-g");
		}
		negated = false;
	}
	if (chain)
		json_array_append_new(t->objects,
				      json_pack("{s:{s:s, s:s, s:s, s:O}}", "rule", "family", t->family,
						"table", t->name, "chain", chain, "expr", exprs));
	json_decref(exprs);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* nft's own view of a chain of iptables-nft, in which most matches have no name. Chains of nft's own may stand in the same table. */
static void remove_view(json_t *objects, const char *table, const char *chain)
{
	for (size_t i = json_array_size(objects); i-- > 0;) {
		json_t *object = json_array_get(objects, i), *inner = json_object_get(object, "chain");
		const char *family, *in, *name = json_string_value(json_object_get(inner, "name"));

		if (!inner) {
			inner = json_object_get(object, "rule");
			name = json_string_value(json_object_get(inner, "chain"));
		}
		family = json_string_value(json_object_get(inner, "family"));
		in = json_string_value(json_object_get(inner, "table"));
		if (family && in && name && !strcmp(family, "ip") && !strcmp(in, table) &&
		    !strcmp(name, chain))
			json_array_remove(objects, i);
	}
}

/* The rest of ":": a name, and the policy of a base chain, which begins with a capital as no other may. */
static void add_chain(const struct table *t, char *line)
{
	const bool nat = !strcmp(t->name, "nat"); /* iptables(8) refuses DROP there */
	const char *name = next_word(&line), *policy = next_word(&line);
	const char *hook = !name                          ? NULL
			   : !strcmp(name, "INPUT")       ? "input"
			   : !strcmp(name, "FORWARD")     ? "forward"
			   : !strcmp(name, "OUTPUT")      ? "output"
			   : !strcmp(name, "PREROUTING")  ? "prerouting"
			   : !strcmp(name, "POSTROUTING") ? "postrouting"
							  : NULL;

	if (name && !strcmp(t->family, "iptables"))
		remove_view(t->objects, t->name, name);
	if (hook && policy)
		json_array_append_new(t->objects,
				      json_pack("{s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "chain", "family",
						t->family, "table", t->name, "name", name, "hook", hook,
						"policy", !nat && !strcmp(policy, "DROP") ? "drop" : "accept",
						"type", nat ? "nat" : "filter"));
	else if (name)
		json_array_append_new(t->objects,
				      json_pack("{s:{s:s, s:s, s:s, s:s}}", "chain", "family", t->family,
						"table", t->name, "name", name, "hook", ""));
}

void path_add_iptables(json_t *ruleset, const char *program, const char *saved)
{
	static const char *const tables[] = {"filter", "mangle", "raw", "security", "nat", NULL};
	struct table t = {json_object_get(ruleset, "nftables"), program, ""};
	char *copy = strdup(saved);

	for (char *save, *line = copy ? strtok_r(copy, "\n", &save) : NULL; line && t.objects;
	     line = strtok_r(NULL, "\n", &save)) {
		if (*line == '*') {
			snprintf(t.name, sizeof t.name, "%s", line + 1);
			if (!is_one_of(t.name, tables))
				*t.name = '\0';
		} else if (*t.name && *line == ':') {
			add_chain(&t, line + 1);
		} else if (*t.name && !strncmp(line, "-A ", 3)) {
			add_rule(&t, line + 3);
		}
	}
	free(copy);
}
