/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ruleset that a run of iptables commands leads to; inside of rules/klips only. */
#ifndef NATSHIM_RULES_KLIPS_MODEL_H
#define NATSHIM_RULES_KLIPS_MODEL_H

#include "rules/klips/klips.h"
#include "rules/klips/shell_words.h"

enum hook { HOOK_PREROUTING, HOOK_INPUT, HOOK_FORWARD, HOOK_OUTPUT, HOOK_POSTROUTING, HOOKS };

/* An interface match that is ours to translate. */
struct side {
	const char *name; /* NULL: none, or one that iptables-translate can have */
	bool negated;
};

/* What stands in front of a rule: alternatives of which no packet matches two, so that a rule may stand once for
 * each. "" matches all. */
struct klips_matches {
	const char *text[2];
	unsigned count;
};

/* One option of a policy match that names a property of the SA. */
struct klips_sa_value {
	const char *text; /* NULL: not named */
	bool negated;
};

enum klips_sa_key { SA_REQID, SA_SPI, SA_PROTO, SA_MODE, SA_TUNNEL_SRC, SA_TUNNEL_DST, SA_KEYS };

/* "-m policy", iptables-extensions(8). */
struct klips_policy {
	const char *dir, *pol; /* as written; NULL: not said */
	bool strict, next;
	struct klips_sa_value sa[SA_KEYS];
};

struct klips_rule {
	unsigned line;
	const char *original;
	const char **args; /* matches and target, without table, chain, command and our interfaces */
	size_t arg_count;
	struct side in, out;
	struct klips_policy *policies;
	size_t policy_count;
	const char *target;  /* of -j or -g; NULL: none */
	const char *problem; /* why it cannot be translated; NULL so far */
};

struct klips_chain {
	const char *name;
	const char *nft_name; /* set when printing */
	bool base;
	enum hook hook; /* of a base chain */
	bool drop;      /* its policy */
	unsigned hooks; /* bits: from where it is reached; set when printing */
	bool xfrm; /* a rule in it, or in a chain that it jumps to, has a policy match; set when printing */
	struct klips_rule **rules;
	size_t rule_count;
};

struct table_kind { /* what iptables knows of its tables: priorities and hooks, linux/netfilter_ipv4.h */
	const char *name;
	unsigned hooks; /* bits */
	int priority[HOOKS];
};

struct klips_table {
	const struct table_kind *kind;
	bool ipv6;
	struct klips_chain **chains;
	size_t chain_count;
};

enum outcome { NO, YES, MAYBE };

enum note_kind {
	NOTE_REFUSED,      /* not translated */
	NOTE_REMARK,       /* nothing is wrong */
	NOTE_NOT_FOLLOWED, /* not translated, and what else it does to the rules is not known */
};

struct klips_note { /* a line that is no rule */
	enum note_kind kind;
	unsigned line;
	const char *original, *reason;
};

struct klips {
	struct arena arena;
	const struct klips_options *options;
	const char *source; /* the options', safe to print */
	struct klips_table *tables;
	size_t table_count;
	struct klips_note *notes;
	size_t note_count;
	struct klips_summary *summary;
	bool names_ipsec, names_policy; /* some rule has an interface of KLIPS, or a policy match */
	bool drops_proto;               /* some has --proto esp, for which nftables has no word */
};

#define HOOK_BIT(hook) (1u << HOOK_##hook)
/* The kernel's: "meta secpath" and "ipsec in" (nft_meta.c, nft_xfrm.c), "ipsec out"; "rt ipsec" says something there only. */
#define HOOKS_IN (HOOK_BIT(PREROUTING) | HOOK_BIT(INPUT) | HOOK_BIT(FORWARD))
#define HOOKS_OUT (HOOK_BIT(FORWARD) | HOOK_BIT(OUTPUT) | HOOK_BIT(POSTROUTING))

/* One line, whatever was in the input. */
const char *klips_printable(struct arena *a, const char *text);
struct klips_table *klips_table(struct klips *k, bool ipv6, const char *name); /* NULL: iptables has none */
struct klips_chain *klips_chain(const struct klips_table *table, const char *name);
/* Counts and reports something that is not translated. Returns the reason as it is safe to print. */
const char *klips_refuse(struct klips *k, unsigned line, const char *reason);
/* Leaves a line that is no rule as a comment. */
void klips_note(struct klips *k, enum note_kind kind, unsigned line, const char *original,
		const char *reason);

/* One iptables command: words[0] is the first argument. asked: the script looks at the outcome, or does not want to hear
 * of a failure, so that one of those that a script reckons with ("there is no such rule") is not reported. */
enum outcome klips_command(struct klips *k, bool ipv6, const char *table, const struct shell_command *c,
			   const struct shell_word *words, size_t count, bool asked);

/* The shell script, or iptables-save's output. */
void klips_script(struct klips *k, const char *text, size_t length);

/* iptables-save's output line by line. */
struct klips_saved {
	struct klips *k;
	const char *table; /* NULL: none is open */
	bool ipv6;
	bool flushes; /* as iptables-restore does, which takes away what the table had */
};
void klips_saved_line(struct klips_saved *saved, struct shell_command *line);
void klips_saved(struct klips *k, const char *text, size_t length);
/* Takes all rules and chains of one's own away. */
void klips_clear(struct klips_table *table);

/* True: the word at hand, an option without its value, belongs to a policy match. *value_wanted: a value follows. */
bool klips_policy_option(const char *name, size_t length, bool current, bool *value_wanted);
/* Enters an option into the match; value is NULL where none is wanted. NULL, or why it cannot be. */
const char *klips_policy_set(struct klips_policy *policy, const char *name, size_t length, const char *value,
			     bool negated);
bool klips_same_policies(const struct klips_rule *a, const struct klips_rule *b);
/* The match in nftables' words, for a chain that is reached from these hooks (bits). Sets *problem where nftables has
 * none. */
struct klips_matches klips_policy_matches(struct arena *arena, const struct klips_policy *policy,
					  unsigned hooks, const char **problem);
/* What in a rule of nftables excludes the rest of it, as a sentence; NULL: nothing that can be seen. */
const char *klips_contradiction(struct arena *arena, const char *rule);

/* Prints all. 0 or -errno. */
int klips_print(struct klips *k, FILE *out);

#endif
