/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One iptables command: what it does to the ruleset, and which of its interfaces are ours to translate.
 * iptables(8). */
#include "rules/klips/model.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum verb {
	VERB_NONE,
	VERB_APPEND,
	VERB_INSERT,
	VERB_DELETE,
	VERB_REPLACE,
	VERB_NEW,
	VERB_DELETE_CHAIN,
	VERB_FLUSH,
	VERB_POLICY,
	VERB_SHOW, /* -L, -S, -Z, -V, -h: says nothing about what is to be */
	VERB_CHECK,
	VERB_RENAME,
};

/* What a word at the beginning of an option does; the rest is iptables-translate's. */
enum role {
	ROLE_VERB,  /* sets the verb; the chain may follow */
	ROLE_TABLE, /* value: the table */
	ROLE_IN,    /* value: interface */
	ROLE_OUT,
	ROLE_TARGET,  /* value: target; stays in the rule */
	ROLE_IGNORE,  /* no value: dropped */
	ROLE_FAMILY4, /* -4 and -6 in rules for both */
	ROLE_FAMILY6,
};

struct option_word {
	char letter;
	const char *name;
	enum role role;
	enum verb verb;
};

static const struct option_word option_words[] = {
	{'A', "append", ROLE_VERB, VERB_APPEND},     {'I', "insert", ROLE_VERB, VERB_INSERT},
	{'D', "delete", ROLE_VERB, VERB_DELETE},     {'R', "replace", ROLE_VERB, VERB_REPLACE},
	{'N', "new-chain", ROLE_VERB, VERB_NEW},     {'X', "delete-chain", ROLE_VERB, VERB_DELETE_CHAIN},
	{'F', "flush", ROLE_VERB, VERB_FLUSH},       {'P', "policy", ROLE_VERB, VERB_POLICY},
	{'L', "list", ROLE_VERB, VERB_SHOW},         {'S', "list-rules", ROLE_VERB, VERB_SHOW},
	{'Z', "zero", ROLE_VERB, VERB_SHOW},         {'V', "version", ROLE_VERB, VERB_SHOW},
	{'C', "check", ROLE_VERB, VERB_CHECK},       {'E', "rename-chain", ROLE_VERB, VERB_RENAME},
	{'t', "table", ROLE_TABLE, VERB_NONE},       {'i', "in-interface", ROLE_IN, VERB_NONE},
	{'o', "out-interface", ROLE_OUT, VERB_NONE}, {'j', "jump", ROLE_TARGET, VERB_NONE},
	{'g', "goto", ROLE_TARGET, VERB_NONE},       {'w', "wait", ROLE_IGNORE, VERB_NONE},
	{'v', "verbose", ROLE_IGNORE, VERB_NONE},    {'n', "numeric", ROLE_IGNORE, VERB_NONE},
	{'4', "ipv4", ROLE_FAMILY4, VERB_NONE},      {'6', "ipv6", ROLE_FAMILY6, VERB_NONE},
};

struct command {
	struct klips *k;
	const struct shell_command *shell;
	const struct shell_word *words;
	size_t count, at;
	bool ipv6, other_family; /* -4 in ip6tables or the reverse: not for us */
	const char *table;
	enum verb verb;
	const char *chain;  /* NULL: none was named */
	const char *second; /* policy, new name, or a number as it was written */
	struct klips_rule *rule;
	bool negated;   /* a "!" stands before the word at hand */
	bool in_policy; /* the last match that was named is "policy" */
};

/* The option that a word is or begins with; *value is what is glued to it ("-iipsec0", "--table=nat"), or
 * NULL. */
static const struct option_word *find_option(const char *word, const char **value)
{
	const struct option_word *found = NULL;
	size_t length;

	*value = NULL;
	if (word[0] != '-' || !word[1])
		return NULL;
	if (word[1] != '-') {
		for (size_t i = 0; i < sizeof(option_words) / sizeof(option_words[0]); i++)
			if (option_words[i].letter == word[1])
				found = &option_words[i];
		*value = word[2] ? word + 2 : NULL;
		return found;
	}
	length = strcspn(word + 2, "=");
	if (word[2 + length])
		*value = word + 2 + length + 1;
	for (size_t i = 0; length && i < sizeof(option_words) / sizeof(option_words[0]); i++) {
		const char *name = option_words[i].name;

		if (strncmp(name, word + 2, length) != 0)
			continue;
		if (strlen(name) == length)
			return &option_words[i];
		if (found || length < 3) /* not clear which: let iptables-translate say so */
			return NULL;
		found = &option_words[i];
	}
	return found;
}

static void add_arg(struct command *c, const char *text)
{
	struct klips_rule *r = c->rule;

	r->args = arena_grow(&c->k->arena, r->args, r->arg_count, sizeof(*r->args));
	r->args[r->arg_count++] = text;
}

static void refuse(struct command *c, const char *reason)
{
	if (!c->rule->problem)
		c->rule->problem = reason;
}

static bool is_word(const struct command *c, const char *text)
{
	return c->at < c->count && !strcmp(c->words[c->at].text, text);
}

/* Takes the word at hand; what is not known of it is the rule's problem. */
static const char *take_word(struct command *c)
{
	const struct shell_word *w = &c->words[c->at++];

	if (w->problem)
		refuse(c, w->problem);
	return w->text;
}

/* An option's value: glued to it, or the next word; an old "-i ! eth0" is a "! -i eth0". */
static const char *take_value(struct command *c, const char *glued)
{
	if (glued)
		return glued;
	if (is_word(c, "!")) {
		c->negated = true;
		c->at++;
	}
	if (c->at < c->count)
		return take_word(c);
	refuse(c, "a value is missing at the end");
	return "";
}

static bool is_ours(const struct klips *k, const char *interface)
{
	if (!strncmp(interface, "ipsec", 5) && interface[5 + strspn(interface + 5, "0123456789+")] == '\0' &&
	    interface[5])
		return true;
	for (size_t i = 0; i < k->options->binding_count; i++)
		if (!strcmp(interface, k->options->bindings[i].physical))
			return true;
	return false;
}

static void take_interface(struct command *c, enum role role, const char *glued)
{
	struct side *side = role == ROLE_IN ? &c->rule->in : &c->rule->out;
	const char *name = take_value(c, glued);

	c->k->names_ipsec = c->k->names_ipsec || !strncmp(name, "ipsec", 5);
	if (is_ours(c->k, name)) {
		*side = (struct side){.name = name, .negated = c->negated};
	} else {
		if (c->negated)
			add_arg(c, "!");
		add_arg(c, role == ROLE_IN ? "-i" : "-o");
		add_arg(c, name);
	}
	c->negated = false;
}

static bool wants_second(enum verb verb)
{
	return verb == VERB_POLICY || verb == VERB_RENAME;
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* The chain behind a verb, and what may follow it: a number, a policy, a new name. */
static void take_chain(struct command *c, enum verb verb, const char *glued)
{
	if (c->verb != VERB_NONE && c->verb != verb && verb != VERB_SHOW)
		refuse(c, "it has two commands");
	c->verb = verb;
	if (glued)
		c->chain = glued;
	else if (c->at < c->count && c->words[c->at].text[0] != '-')
		c->chain = take_word(c);
	if (c->at == c->count)
		return;
	if (wants_second(verb) || ((verb == VERB_INSERT || verb == VERB_DELETE || verb == VERB_REPLACE) &&
				   is_number(c->words[c->at].text)))
		c->second = take_word(c);
}

/* A word that is not ours: iptables-translate's. "--dport ! 22" is put the way it reads now, "! --dport 22".
 */
static void pass_on(struct command *c)
{
	const char *word = take_word(c);
	bool old_negation = word[0] == '-' && is_word(c, "!") && c->at + 1 < c->count &&
			    c->words[c->at + 1].text[0] != '-';

	if (c->negated || old_negation)
		add_arg(c, "!");
	c->negated = false;
	if (old_negation)
		c->at++;
	add_arg(c, word);
}

static void take_option(struct command *c, const struct option_word *o, const char *glued)
{
	switch (o->role) {
	case ROLE_VERB:
		take_chain(c, o->verb, glued);
		break;
	case ROLE_TABLE:
		c->table = take_value(c, glued);
		break;
	case ROLE_IN:
	case ROLE_OUT:
		take_interface(c, o->role, glued);
		break;
	case ROLE_TARGET:
		add_arg(c, o->letter == 'j' ? "-j" : "-g");
		c->rule->target = take_value(c, glued);
		add_arg(c, c->rule->target);
		break;
	case ROLE_FAMILY4:
		c->other_family = c->other_family || c->ipv6;
		break;
	case ROLE_FAMILY6:
		c->other_family = c->other_family || !c->ipv6;
		break;
	case ROLE_IGNORE: /* -w may have a number behind it; "-nvL" is a -L */
		if (glued && strpbrk(glued, "LS"))
			c->verb = VERB_SHOW;
		if (o->letter == 'w' && c->at < c->count && is_number(c->words[c->at].text))
			c->at++;
		break;
	}
}

/* "-m NAME" where the name is "policy". True: it was, and is taken. */
static bool take_policy_match(struct command *c)
{
	const char *word = c->words[c->at].text, *name = NULL;
	struct klips_rule *r = c->rule;
	size_t taken = 1;

	if (!strcmp(word, "-m") || !strcmp(word, "--match")) {
		name = c->at + 1 < c->count ? c->words[c->at + 1].text : "";
		taken = 2;
	} else if (!strncmp(word, "-m", 2)) {
		name = word + 2;
	} else if (!strncmp(word, "--match=", 8)) {
		name = word + 8;
	}
	if (!name)
		return false;
	c->in_policy = !strcmp(name, "policy");
	if (!c->in_policy)
		return false;
	c->at += taken;
	c->k->names_policy = true;
	r->policies = arena_grow(&c->k->arena, r->policies, r->policy_count, sizeof(*r->policies));
	r->policies[r->policy_count++] = (struct klips_policy){0};
	return true;
}

/* An option of the last policy match. True: it was one, and is taken. */
static bool take_policy_option(struct command *c)
{
	const char *word = c->words[c->at].text, *value = NULL, *problem;
	size_t length = strcspn(word, "=");
	bool value_wanted;

	if (!c->rule->policy_count || !klips_policy_option(word, length, c->in_policy, &value_wanted))
		return false;
	take_word(c);
	if (value_wanted)
		value = take_value(c, word[length] ? word + length + 1 : NULL);
	problem = klips_policy_set(&c->rule->policies[c->rule->policy_count - 1], word, length, value,
				   c->negated);
	if (problem)
		refuse(c, problem);
	c->k->drops_proto = c->k->drops_proto || !strcmp(word, "--proto");
	c->negated = false;
	return true;
}

/* Everything in its order; what is no option of ours goes to the rule. */
static void read_words(struct command *c)
{
	while (c->at < c->count) {
		const struct option_word *o;
		const char *glued;

		if (is_word(c, "!")) {
			c->negated = true;
			c->at++;
			continue;
		}
		if (take_policy_match(c) || take_policy_option(c))
			continue;
		o = find_option(c->words[c->at].text, &glued);
		if (o && !c->words[c->at].problem && !strchr(c->words[c->at].text, ' ')) {
			c->at++;
			take_option(c, o, glued);
		} else {
			pass_on(c);
		}
	}
}

static bool same_rule(const struct klips_rule *a, const struct klips_rule *b)
{
	if (a->arg_count != b->arg_count || a->in.negated != b->in.negated ||
	    a->out.negated != b->out.negated || !a->in.name != !b->in.name || !a->out.name != !b->out.name)
		return false;
	if ((a->in.name && strcmp(a->in.name, b->in.name) != 0) ||
	    (a->out.name && strcmp(a->out.name, b->out.name) != 0))
		return false;
	for (size_t i = 0; i < a->arg_count; i++)
		if (strcmp(a->args[i], b->args[i]) != 0)
			return false;
	return klips_same_policies(a, b);
}

static void insert_rule(struct klips *k, struct klips_chain *chain, size_t position, struct klips_rule *rule)
{
	chain->rules = arena_grow(&k->arena, chain->rules, chain->rule_count, sizeof(struct klips_rule *));
	memmove(chain->rules + position + 1, chain->rules + position,
		(chain->rule_count - position) * sizeof(struct klips_rule *));
	chain->rules[position] = rule;
	chain->rule_count++;
}

static void remove_rule(struct klips_chain *chain, size_t position)
{
	chain->rule_count--;
	memmove(chain->rules + position, chain->rules + position + 1,
		(chain->rule_count - position) * sizeof(struct klips_rule *));
}

/* The rule that -D means, or rule_count. */
static size_t find_rule(const struct klips_chain *chain, const struct command *c)
{
	size_t number = c->second ? strtoul(c->second, NULL, 10) : 0;

	if (c->second)
		return number && number <= chain->rule_count ? number - 1 : chain->rule_count;
	for (size_t i = 0; i < chain->rule_count; i++)
		if (same_rule(chain->rules[i], c->rule))
			return i;
	return chain->rule_count;
}

static const char *change_rules(struct command *c, struct klips_chain *chain)
{
	size_t number = c->second ? strtoul(c->second, NULL, 10) : 1, found;

	switch (c->verb) {
	case VERB_APPEND:
		insert_rule(c->k, chain, chain->rule_count, c->rule);
		return NULL;
	case VERB_INSERT:
		if (!number || number - 1 > chain->rule_count)
			return "the chain has not so many rules";
		insert_rule(c->k, chain, number - 1, c->rule);
		return NULL;
	default:
		found = find_rule(chain, c);
		if (found == chain->rule_count)
			return "there is no such rule before it";
		remove_rule(chain, found);
		if (c->verb == VERB_REPLACE)
			insert_rule(c->k, chain, found, c->rule);
		return NULL;
	}
}

static const char *set_policy(struct klips_chain *chain, const char *policy)
{
	if (!chain->base || !policy || (strcmp(policy, "ACCEPT") != 0 && strcmp(policy, "DROP") != 0))
		return "a policy is ACCEPT or DROP, and a base chain's";
	chain->drop = policy[0] == 'D';
	return NULL;
}

static const char *new_chain(struct klips *k, struct klips_table *t, const char *name)
{
	struct klips_chain *chain;

	if (klips_chain(t, name))
		return "there is such a chain already";
	for (const char *at = name; *at; at++)
		if (!isgraph((unsigned char)*at) || strchr("\"'\\", *at))
			return "no chain can be called so";
	chain = arena_alloc(&k->arena, sizeof(*chain));
	chain->name = name;
	t->chains = arena_grow(&k->arena, t->chains, t->chain_count, sizeof(struct klips_chain *));
	t->chains[t->chain_count++] = chain;
	return NULL;
}

/* -X without a name: all of one's own chains (that are empty, which -F has seen to). */
static void delete_chains(struct klips_table *t, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->chain_count; i++) {
		struct klips_chain *chain = t->chains[i];

		if (chain->base || (name ? strcmp(chain->name, name) != 0 : chain->rule_count != 0))
			t->chains[kept++] = chain;
	}
	t->chain_count = kept;
}

static void flush(struct klips_table *t, const char *name)
{
	for (size_t i = 0; i < t->chain_count; i++)
		if (!name || !strcmp(t->chains[i]->name, name))
			t->chains[i]->rule_count = 0;
}

void klips_clear(struct klips_table *t)
{
	flush(t, NULL);
	delete_chains(t, NULL);
}

/* -F, -X, -N, -D and -C, with which scripts ask, or tidy up. Returns NULL, or why iptables fails. */
static const char *apply_lightly(struct command *c, struct klips_table *t, struct klips_chain *chain)
{
	const char *missing = c->chain && !chain ? "there is no such chain before it" : NULL;

	switch (c->verb) {
	case VERB_FLUSH:
		flush(t, c->chain);
		return missing;
	case VERB_DELETE_CHAIN:
		delete_chains(t, c->chain);
		return missing;
	case VERB_NEW:
		return c->chain ? new_chain(c->k, t, c->chain) : "it names no chain";
	case VERB_CHECK:
		return chain && find_rule(chain, c) < chain->rule_count ? NULL
									: "there is no such rule before it";
	default:
		return chain ? change_rules(c, chain)
			     : arena_printf(&c->k->arena, "the table %s has no chain %s here", t->kind->name,
					    c->chain);
	}
}

/* NULL, or why the command cannot be followed. */
static const char *apply(struct command *c, struct klips_table *t)
{
	struct klips_chain *chain = c->chain ? klips_chain(t, c->chain) : NULL;

	switch (c->verb) {
	case VERB_SHOW:
		return NULL;
	case VERB_NONE:
		return "it has no command like -A";
	case VERB_RENAME:
		return "-E is not followed; rename the chain in the input";
	case VERB_CHECK:
		return "-C only asks";
	case VERB_FLUSH:
	case VERB_DELETE_CHAIN:
	case VERB_NEW:
	case VERB_POLICY:
	case VERB_APPEND:
	case VERB_INSERT:
	case VERB_DELETE:
	case VERB_REPLACE:
		break;
	}
	if (!c->chain)
		return "it names no chain";
	if (!chain)
		return arena_printf(&c->k->arena, "the table %s has no chain %s here", t->kind->name,
				    c->chain);
	return c->verb == VERB_POLICY ? set_policy(chain, c->second) : change_rules(c, chain);
}

static bool is_light(enum verb verb)
{
	return verb == VERB_FLUSH || verb == VERB_DELETE_CHAIN || verb == VERB_NEW || verb == VERB_DELETE ||
	       verb == VERB_CHECK;
}

/* Is a failure nothing that should be reported? */
static bool is_expected(const struct command *c, bool asked)
{
	return c->verb == VERB_FLUSH || c->verb == VERB_DELETE_CHAIN || (asked && is_light(c->verb));
}

enum outcome klips_command(struct klips *k, bool ipv6, const char *table, const struct shell_command *shell,
			   const struct shell_word *words, size_t count, bool asked)
{
	struct klips_rule *rule = arena_alloc(&k->arena, sizeof(*rule));
	struct command c = {.k = k,
			    .shell = shell,
			    .words = words,
			    .count = count,
			    .ipv6 = ipv6,
			    .table = table ? table : "filter",
			    .rule = rule};
	struct klips_table *t;
	const char *problem;
	bool takes_rule, light;

	*rule = (struct klips_rule){.line = shell->line, .original = shell->original};
	read_words(&c);
	if (c.other_family)
		return YES;
	takes_rule = c.verb == VERB_APPEND || c.verb == VERB_INSERT || c.verb == VERB_REPLACE;
	light = is_light(c.verb) && !(c.verb == VERB_CHECK && !asked);
	t = klips_table(k, ipv6, c.table);
	if (!t)
		problem = arena_printf(&k->arena, "iptables has no table %s", c.table);
	else if (rule->problem && !(takes_rule && c.chain && klips_chain(t, c.chain)))
		problem = rule->problem;
	else if (light && (c.chain || is_expected(&c, false)))
		problem = apply_lightly(&c, t, c.chain ? klips_chain(t, c.chain) : NULL);
	else
		problem = apply(&c, t);
	if (!problem)
		return YES;
	if (!t || rule->problem || !light || !is_expected(&c, asked))
		klips_note(k, NOTE_REFUSED, shell->line, shell->original, problem);
	return rule->problem ? MAYBE : NO;
}
