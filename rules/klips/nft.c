/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ruleset as nftables text: each rule through iptables-translate, our interface matches put in front, all in tables
 * that load by themselves. nft(8); hooks of "meta secpath" as in the kernel's nft_meta.c. */
#include "rules/klips/keywords.h"
#include "rules/klips/model.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POLICIES_MAX 4 /* in one rule; two make sense */

static const char *const nft_hook_names[HOOKS] = {"prerouting", "input", "forward", "output", "postrouting"};

/* The words of one direction. */
struct direction {
	const char *option, *interface, *protected_match;
	unsigned hooks;
};

static const struct direction way_in = {"-i", "iifname", "meta secpath", HOOKS_IN};
static const struct direction way_out = {"-o", "oifname", "rt ipsec", HOOKS_OUT};

static const char *physical_of(const struct klips_options *o, const char *interface)
{
	for (size_t i = 0; i < o->binding_count; i++)
		if (!strcmp(interface, o->bindings[i].virtual))
			return o->bindings[i].physical;
	return NULL;
}

static bool is_ipsec(const char *interface)
{
	return !strncmp(interface, "ipsec", 5);
}

static struct klips_matches one(const char *text)
{
	return (struct klips_matches){.text = {text}, .count = 1};
}

/* -i eth0 where ipsec0 was bound to it: what came in unprotected. */
static struct klips_matches physical_matches(struct arena *a, const struct direction *d,
					     const struct side *side)
{
	if (!side->negated)
		return one(arena_printf(a, "%s \"%s\" %s missing ", d->interface, side->name,
					d->protected_match));
	return (struct klips_matches){.text = {arena_printf(a, "%s != \"%s\" ", d->interface, side->name),
					       arena_printf(a, "%s \"%s\" %s exists ", d->interface,
							    side->name, d->protected_match)},
				      .count = 2};
}

static struct klips_matches ipsec_matches(struct arena *a, const struct direction *d, const struct side *side,
					  const char *physical, bool others)
{
	const char *state = side->negated ? "missing" : "exists";

	if (!physical ||
	    (side->negated && !others)) /* no other ipsec interface: all that is protected is this one's */
		return one(arena_printf(a, "%s %s ", d->protected_match, state));
	if (!side->negated)
		return one(arena_printf(a, "%s \"%s\" %s %s ", d->interface, physical, d->protected_match,
					state));
	return (struct klips_matches){.text = {arena_printf(a, "%s != \"%s\" ", d->interface, physical),
					       arena_printf(a, "%s \"%s\" %s %s ", d->interface, physical,
							    d->protected_match, state)},
				      .count = 2};
}

/* Sets *problem where there can be no match. */
static struct klips_matches side_matches(struct klips *k, const struct klips_chain *chain,
					 const struct direction *d, const struct side *side, bool xfrm,
					 const char **problem)
{
	const struct klips_options *o = k->options;
	bool all = side->name && strchr(side->name, '+'), possible = !(chain->hooks & ~d->hooks);
	const char *physical;

	if (!side->name)
		return one("");
	if (!is_ipsec(side->name)) {
		if (possible && !xfrm)
			return physical_matches(&k->arena, d, side);
		return one(arena_printf(&k->arena, "%s %s\"%s\" ", d->interface, side->negated ? "!= " : "",
					side->name));
	}
	if (!possible) {
		*problem = arena_printf(
			&k->arena, "%s %s makes no sense here: %s is not known in every hook that leads here",
			d->option, side->name, d->protected_match);
		return one("");
	}
	physical =
		all ? (o->binding_count == 1 ? o->bindings[0].physical : NULL) : physical_of(o, side->name);
	if (!all && !physical && (o->binding_count || strcmp(side->name, "ipsec0") != 0))
		*problem = arena_printf(&k->arena,
					"which interface %s was bound to is not known (--iface %s=NAME)",
					side->name, side->name);
	return ipsec_matches(&k->arena, d, side, physical, !all && o->binding_count > 1);
}

static bool is_nft_name(const char *name)
{
	if (!isalpha((unsigned char)name[0]) && name[0] != '_')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("_.-", *name))
			return false;
	return true;
}

static bool is_taken(const struct klips_table *t, const char *nft_name,
		     const struct klips_chain *by_other_than)
{
	for (size_t i = 0; i < t->chain_count; i++) {
		const struct klips_chain *chain = t->chains[i];

		if (chain != by_other_than && (!strcmp(chain->name, nft_name) ||
					       (chain->nft_name && !strcmp(chain->nft_name, nft_name))))
			return true;
	}
	return false;
}

/* Names that nft accepts: other characters become "_", and a keyword gets one behind it. */
static void name_chains(struct arena *a, const struct klips_table *t)
{
	for (size_t i = 0; i < t->chain_count; i++)
		t->chains[i]->nft_name = NULL;
	for (size_t i = 0; i < t->chain_count; i++) {
		struct klips_chain *chain = t->chains[i];
		char *name = arena_printf(a, "%s%s", is_nft_name(chain->name) ? "" : "c_", chain->name);

		for (char *c = name; *c; c++)
			if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
				*c = '_';
		while (nft_is_keyword(name) || is_taken(t, name, chain))
			name = arena_printf(a, "%s_", name);
		chain->nft_name = name;
	}
}

/* From which hooks each chain is reached, over all jumps. */
static void find_hooks(const struct klips_table *t)
{
	bool changed = true;

	for (size_t i = 0; i < t->chain_count; i++)
		t->chains[i]->hooks = t->chains[i]->base ? 1u << t->chains[i]->hook : 0;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < t->chain_count; i++) {
			const struct klips_chain *from = t->chains[i];

			for (size_t j = 0; j < from->rule_count; j++) {
				const char *target = from->rules[j]->target;
				struct klips_chain *to = target ? klips_chain(t, target) : NULL;

				if (!to || !(from->hooks & ~to->hooks))
					continue;
				to->hooks |= from->hooks;
				changed = true;
			}
		}
	}
}

/* Which chains are of XFRM's time, over all jumps from them. */
static void find_xfrm(const struct klips_table *t)
{
	bool changed = true;

	for (size_t i = 0; i < t->chain_count; i++)
		t->chains[i]->xfrm = false;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < t->chain_count; i++) {
			struct klips_chain *chain = t->chains[i];

			for (size_t j = 0; j < chain->rule_count && !chain->xfrm; j++) {
				const struct klips_rule *r = chain->rules[j];
				const struct klips_chain *to = r->target ? klips_chain(t, r->target) : NULL;

				chain->xfrm = r->policy_count || (to && to->xfrm);
				changed = changed || chain->xfrm;
			}
		}
	}
}

/* The line's rule in "nft 'add rule FAMILY TABLE CHAIN RULE'"; NULL: there is none in it. */
static char *rule_in(struct arena *a, const char *line, size_t length)
{
	static const char begin[] = "nft 'add rule ";
	const char *at = line, *end = line + length;

	while (end > at && isspace((unsigned char)end[-1]))
		end--;
	if ((size_t)(end - at) < sizeof(begin) || memcmp(at, begin, sizeof(begin) - 1) != 0 ||
	    end[-1] != '\'')
		return NULL;
	end--;
	at += sizeof(begin) - 1;
	for (int words = 0; words < 3; words++) {
		at = memchr(at, ' ', (size_t)(end - at));
		if (!at)
			return NULL;
		at++;
	}
	if (at == end || *at == '#')
		return NULL;
	return arena_strndup(a, at, (size_t)(end - at));
}

static bool ends_with(const char *text, const char *tail)
{
	size_t a = strlen(text), b = strlen(tail);

	return a >= b && !strcmp(text + a - b, tail);
}

/* "... jump CHAIN" with the chain's name as nft has it. */
static const char *with_target(struct klips *k, const struct klips_table *t, const struct klips_rule *r,
			       char *rule, const char **problem)
{
	static const char *const ways[] = {"jump", "goto"};
	const struct klips_chain *to;

	for (size_t i = 0; r->target && i < 2; i++) {
		const char *tail = arena_printf(&k->arena, "%s %s", ways[i], r->target);

		if (!ends_with(rule, tail))
			continue;
		to = klips_chain(t, r->target);
		if (!to) {
			*problem = arena_printf(&k->arena, "the table %s has no chain %s here", t->kind->name,
						r->target);
			return rule;
		}
		rule[strlen(rule) - strlen(tail)] = '\0';
		return arena_printf(&k->arena, "%s%s %s", rule, ways[i], to->nft_name);
	}
	return rule;
}

static const char **build_argv(struct klips *k, const struct klips_table *t, const struct klips_chain *chain,
			       const struct klips_rule *r)
{
	const char **argv = arena_alloc(&k->arena, (r->arg_count + 6) * sizeof(*argv));
	size_t n = 0;

	argv[n++] = t->ipv6 ? "ip6tables-translate" : "iptables-translate";
	argv[n++] = "-t";
	argv[n++] = t->kind->name;
	argv[n++] = "-A";
	argv[n++] = chain->name;
	for (size_t i = 0; i < r->arg_count; i++)
		argv[n++] = r->args[i];
	return argv;
}

/* Double quotes and control characters: iptables-translate puts them into nft's strings as they are. */
static bool breaks_a_string(const struct klips_rule *r)
{
	for (size_t i = 0; i < r->arg_count; i++)
		for (const char *c = r->args[i]; *c; c++)
			if (*c == '"' || (unsigned char)*c < ' ' || *c == 0x7f)
				return true;
	return false;
}

/* The translator's rules for one of ours; several where it names several addresses. NULL in *problem if all went well. */
static const char **translate_rule(struct klips *k, const struct klips_table *t,
				   const struct klips_chain *chain, const struct klips_rule *r, size_t *count,
				   const char **problem)
{
	const char **rules = NULL;
	char *text = NULL, *line;

	*count = 0;
	if (!k->options->run(k->options->ctx, build_argv(k, t, chain, r), &text)) {
		*problem = arena_printf(&k->arena, "%s", text ? text : "iptables-translate failed");
		free(text);
		return NULL;
	}
	for (line = text; line && *line && !*problem;) {
		size_t length = strcspn(line, "\n");
		char *rule = rule_in(&k->arena, line, length);

		if (!rule) {
			*problem = "iptables-translate has no translation for it";
			break;
		}
		rules = arena_grow(&k->arena, rules, *count, sizeof(*rules));
		rules[(*count)++] = with_target(k, t, r, rule, problem);
		line += length + (line[length] == '\n');
	}
	free(text);
	if (!*count && !*problem)
		*problem = "iptables-translate says nothing to it";
	for (size_t i = 0; i < *count && !t->ipv6; i++)
		if (strstr(rules[i], "ip6 ")) /* the TOS target of iptables-translate 1.8.9 */
			*problem = "iptables-translate makes an IPv6 rule of it";
	return rules;
}

static void print_comment(FILE *out, const char *indent, const struct klips *k, unsigned line,
			  const char *original, const char *reason)
{
	fprintf(out, "%s# %s:%u: not translated: %s\n%s#   %s\n", indent, k->source, line, reason, indent,
		original);
}

/* Whole rules, and how many of them can never match. */
struct printed {
	const char **rules;
	size_t count;
	const char *contradiction; /* of the last such one; NULL: there was none */
};

/* Each rule behind each of the alternatives; what contradicts itself is left out. */
static void combine(struct klips *k, struct printed *p, const struct klips_matches *matches,
		    size_t match_count, const char *before, const char *rule)
{
	const char *why;

	for (unsigned i = 0; match_count && i < matches->count; i++)
		combine(k, p, matches + 1, match_count - 1,
			arena_printf(&k->arena, "%s%s", before, matches->text[i]), rule);
	if (match_count)
		return;
	rule = arena_printf(&k->arena, "%s%s", before, rule);
	why = klips_contradiction(&k->arena, rule);
	if (why) {
		p->contradiction = why;
		return;
	}
	p->rules = arena_grow(&k->arena, p->rules, p->count, sizeof(*p->rules));
	p->rules[p->count++] = rule;
}

/* What stands in front of the rule: its two interfaces' matches and its policies'. */
static struct klips_matches *rule_matches(struct klips *k, const struct klips_table *t,
					  const struct klips_chain *chain, const struct klips_rule *r,
					  const char **problem)
{
	struct klips_matches *m = arena_alloc(&k->arena, (2 + r->policy_count) * sizeof(*m));
	const struct klips_chain *to = r->target ? klips_chain(t, r->target) : NULL;
	/* A rule with a policy match was written for XFRM, where eth0 means decrypted packets as well. */
	bool xfrm = r->policy_count || (to && to->xfrm) || (k->names_policy && !k->names_ipsec);

	m[0] = side_matches(k, chain, &way_in, &r->in, xfrm, problem);
	if (!*problem)
		m[1] = side_matches(k, chain, &way_out, &r->out, xfrm, problem);
	for (size_t i = 0; i < r->policy_count && !*problem; i++)
		m[2 + i] = klips_policy_matches(&k->arena, &r->policies[i], chain->hooks, problem);
	return m;
}

static void print_rule(struct klips *k, FILE *out, const struct klips_table *t,
		       const struct klips_chain *chain, const struct klips_rule *r)
{
	const char *problem = r->problem, **rules = NULL;
	struct klips_matches *matches = NULL;
	struct printed p = {0};
	size_t count = 0;

	if (!problem && breaks_a_string(r))
		problem = "nftables has no way to write a double quote or a control character in a string";
	if (!problem && r->policy_count > POLICIES_MAX)
		problem = "it has too many policy matches";
	if (!problem)
		matches = rule_matches(k, t, chain, r, &problem);
	if (!problem)
		rules = translate_rule(k, t, chain, r, &count, &problem);
	for (size_t i = 0; i < count && !problem; i++)
		combine(k, &p, matches, 2 + r->policy_count, "", rules[i]);
	if (!problem && !p.count)
		problem = p.contradiction;
	if (problem) {
		print_comment(out, "\t\t", k, r->line, r->original, klips_refuse(k, r->line, problem));
		return;
	}
	k->summary->rules++;
	for (size_t i = 0; i < p.count; i++)
		fprintf(out, "\t\t%s\n", p.rules[i]);
}

static void print_chain(struct klips *k, FILE *out, const struct klips_table *t,
			const struct klips_chain *chain)
{
	if (chain->base && !chain->rule_count && !chain->drop)
		return;
	fprintf(out, "\n\tchain %s {\n", chain->nft_name);
	if (chain->base) {
		/* A mangle OUTPUT chain has the packet routed anew, as iptables' has. */
		bool route = !strcmp(t->kind->name, "mangle") && chain->hook == HOOK_OUTPUT;

		fprintf(out, "\t\ttype %s hook %s priority %d; policy %s;\n",
			!strcmp(t->kind->name, "nat") ? "nat"
			: route                       ? "route"
						      : "filter",
			nft_hook_names[chain->hook], t->kind->priority[chain->hook],
			chain->drop ? "drop" : "accept");
	}
	for (size_t i = 0; i < chain->rule_count; i++)
		print_rule(k, out, t, chain, chain->rules[i]);
	fprintf(out, "\t}\n");
}

static bool is_used(const struct klips_table *t)
{
	for (size_t i = 0; i < t->chain_count; i++)
		if (!t->chains[i]->base || t->chains[i]->rule_count || t->chains[i]->drop)
			return true;
	return false;
}

static void print_table(struct klips *k, FILE *out, const struct klips_table *t)
{
	const char *family = t->ipv6 ? "ip6" : "ip", *name = t->kind->name;

	find_hooks(t);
	find_xfrm(t);
	name_chains(&k->arena, t);
	fprintf(out, "\ntable %s klips_%s\ndelete table %s klips_%s\ntable %s klips_%s {", family, name,
		family, name, family, name);
	/* One's own chains first: a jump needs its target. */
	for (size_t i = 0; i < t->chain_count; i++)
		if (!t->chains[i]->base)
			print_chain(k, out, t, t->chains[i]);
	for (size_t i = 0; i < t->chain_count; i++)
		if (t->chains[i]->base)
			print_chain(k, out, t, t->chains[i]);
	fprintf(out, "}\n");
}

static void print_notes(const struct klips *k, FILE *out)
{
	if (k->note_count)
		fputc('\n', out);
	for (size_t i = 0; i < k->note_count; i++) {
		const struct klips_note *n = &k->notes[i];

		if (n->kind == NOTE_REMARK)
			fprintf(out, "# %s:%u: %s\n#   %s\n", k->source, n->line, n->reason, n->original);
		else
			print_comment(out, "", k, n->line, n->original, n->reason);
	}
	if (!k->summary->not_followed)
		return;
	/* A syntax error: what is not whole must not be loaded. */
	fprintf(out, "\nnot-whole # natshim could not follow line");
	for (size_t i = 0, said = 0; i < k->note_count; i++)
		if (k->notes[i].kind == NOTE_NOT_FOLLOWED)
			fprintf(out, "%s %u", said++ ? "," : "", k->notes[i].line);
	fprintf(out, ": nft refuses this file until that is put in and this line is deleted.\n");
}

int klips_print(struct klips *k, FILE *out)
{
	fprintf(out,
		"#!/usr/sbin/nft -f\n"
		"# Made by \"natshim translate\" from %s. The tables are called klips_... so that they stand "
		"beside\n"
		"# those of iptables-nft (\"nat\", \"filter\"), which nft must not change. Loading this file "
		"again replaces\n"
		"# them. Take the old rules away, or both apply.\n",
		k->source);
	if (!k->options->binding_count)
		fprintf(out, "# No --iface was given: rules for the physical interface now match decrypted "
			     "packets too.\n");
	if (k->options->binding_count && k->names_policy && !k->names_ipsec)
		fprintf(out, "# No rule names an interface of KLIPS, and some have a policy match: -i and -o "
			     "mean all "
			     "packets.\n");
	if (k->drops_proto)
		fprintf(out, "# nftables cannot ask for an SA's protocol: --proto esp matches AH as well.\n");
	print_notes(k, out);
	for (size_t i = 0; i < k->table_count; i++)
		if (is_used(&k->tables[i]))
			print_table(k, out, &k->tables[i]);
	return fflush(out) || ferror(out) ? -EIO : 0;
}
