/* The ruleset that a run of iptables commands leads to; inside of klips*.c only. */
#ifndef NATSHIM_RULES_KLIPS_MODEL_H
#define NATSHIM_RULES_KLIPS_MODEL_H

#include "rules/klips.h"
#include "rules/shell_words.h"

enum hook { HOOK_PREROUTING, HOOK_INPUT, HOOK_FORWARD, HOOK_OUTPUT, HOOK_POSTROUTING, HOOKS };

/* An interface match that is ours to translate. */
struct side {
	const char *name; /* NULL: none, or one that iptables-translate can have */
	bool negated;
};

struct klips_rule {
	unsigned line;
	const char *original;
	const char **args; /* matches and target, without table, chain, command and our interfaces */
	size_t arg_count;
	struct side in, out;
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

struct klips_note { /* a line that is no rule */
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
};

extern const char *const klips_hook_names[HOOKS]; /* as iptables calls its base chains */

struct klips_table *klips_table(struct klips *k, bool ipv6, const char *name); /* NULL: iptables has none */
struct klips_chain *klips_chain(const struct klips_table *table, const char *name);
/* Counts and reports something that is not translated. Returns the reason as it is safe to print. */
const char *klips_refuse(struct klips *k, unsigned line, const char *reason);
/* Leaves a line that is no rule as a comment. */
void klips_note(struct klips *k, unsigned line, const char *original, const char *reason);

/* One iptables command: words[0] is the first argument. */
void klips_command(struct klips *k, bool ipv6, const char *table, const struct shell_command *c,
		   const struct shell_word *words, size_t count);
/* Prints all. 0 or -errno. */
int klips_print(struct klips *k, FILE *out);

#endif
