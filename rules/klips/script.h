/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running a script in thought: which of its iptables commands are reached, with which words. Inside of rules/klips only.
 *
 * What only a running system knows has the outcome MAYBE. Where iptables commands depend on it the script cannot be
 * followed, which is reported with the line; where none do it does not matter. Two things are taken for granted: that a
 * script does not end where it may ("[ -x /sbin/iptables ] || exit 0"), and that a variable that it never sets is empty
 * in a condition whose other branch has no rules. */
#ifndef NATSHIM_RULES_KLIPS_SCRIPT_H
#define NATSHIM_RULES_KLIPS_SCRIPT_H

#include "rules/klips/model.h"
#include "rules/klips/shell_parse.h"

enum leaving { LEAVING_NOTHING, LEAVING_CONTINUE, LEAVING_BREAK, LEAVING_FUNCTION, LEAVING_SCRIPT };

struct function {
	const char *name;
	const struct shell_node *node;
	bool called;
	unsigned looked; /* the look (see klips_touches) that knows already: */
	bool touches;
};

struct saved_variable { /* by "local" */
	struct shell_variable variable;
	bool existed;
};

struct script {
	/* Of script.c, for the commands that lead back there: a function, and the script's root anew, as "$0 WORD..." does. */
	enum outcome (*call)(struct script *s, struct function *f, const struct shell_word *words,
			     size_t count);
	enum outcome (*run_again)(struct script *s, const struct shell_word *words, size_t count);
	struct klips *k;
	struct shell_reader reader;
	const struct shell_node *root;
	struct function *functions;
	size_t function_count;
	struct saved_variable *locals;
	size_t local_count;
	enum leaving leaving;
	unsigned levels; /* of loops that "break" or "continue" leaves, beyond the innermost */
	unsigned depth, calls;
	unsigned inside;        /* loops and calls that this runs in */
	unsigned steps;         /* statements run in them: the text bounds all others */
	unsigned looks, looked; /* klips_touches(): calls, and statements looked at */
	unsigned
		unsure; /* > 0: whether this runs is not known; no rules in it, and what it sets is not known */
	unsigned unsure_line; /* where that began */
	bool muted;           /* what is in here has been reported as not followed already */
	bool asked;           /* the outcome of what runs is looked at */
	const char *why;      /* why the last outcome is MAYBE */
	const char *assumed;  /* a variable that the last outcome took as empty, or NULL */
	unsigned commands;    /* iptables commands that were reached */
};

struct function *klips_function(const struct script *s, const char *name);

enum outcome klips_simple(struct script *s, const struct shell_node *n);
/* How many of a statement's words are assignments in front of its command. */
size_t klips_assignments(const struct shell_node *n);
bool klips_is_one_of(const char *word, const char *const *list); /* which ends with NULL */
/* Words of a simple command, without the assignments in front of it. */
void klips_words(struct script *s, const struct shell_node *n, struct shell_command *out);
/* "iptables-restore" whose input comes through a pipe from this statement. */
bool klips_is_restore(struct script *s, const struct shell_node *n);
enum outcome klips_restore_from(struct script *s, const struct shell_node *n, const struct shell_node *input);

/* "[", "test" and "[[". */
enum outcome klips_test(struct script *s, const struct shell_node *n);

/* May the statement, or a function that it calls, change the ruleset, or do what is not followed? */
bool klips_touches(struct script *s, const struct shell_node *n);
/* Does it end the script or the function, and touch nothing? */
bool klips_leaves(struct script *s, const struct shell_node *n);

/* Reports that a statement is not followed: what is printed is then not whole. */
void klips_not_followed(struct script *s, const struct shell_node *n, const char *reason);
void klips_remark(struct script *s, const struct shell_node *n, const char *text);

/* What kind of command a word names. */
enum program {
	PROGRAM_OTHER,
	PROGRAM_IPTABLES,
	PROGRAM_RESTORE,
	PROGRAM_IDLE,   /* says something, or looks at something: nothing to a ruleset */
	PROGRAM_SYSTEM, /* sets the system, but no rule of iptables */
};
enum program klips_program(const char *word, bool *ipv6);
/* Does a word that is no command of its own hide an iptables command ("sh -c 'iptables -F'", "xargs iptables -A ...")? */
bool klips_hides_iptables(const struct shell_word *words, size_t count);
/* What a file that is sourced is likely to be: a library of functions, variables, or anything. */
enum sourced { SOURCED_LIBRARY, SOURCED_VARIABLES, SOURCED_ANYTHING };
enum sourced klips_sourced(const struct shell_word *file);

#endif
