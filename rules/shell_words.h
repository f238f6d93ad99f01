/* The words of a shell script, as far as firewall scripts need them: quotes, comments, continued lines,
 * separators, redirections (dropped), and variables that were given a literal value before. Runs nothing.
 * What only a running shell could know (command substitution, parameters, unset variables) is a word's
 * problem. POSIX.1-2017, Shell Command Language, section 2.2 to 2.6. */
#ifndef NATSHIM_RULES_SHELL_WORDS_H
#define NATSHIM_RULES_SHELL_WORDS_H

#include "rules/arena.h"

#include <stdbool.h>

struct shell_word {
	const char *text;
	const char *problem; /* why its value is not known; NULL: it is, and it is text */
};

struct shell_command {
	unsigned line;        /* where it begins, from 1 */
	const char *original; /* as it was written, on one line */
	struct shell_word *words;
	size_t count;
};

struct shell_variable;

struct shell_reader {
	struct arena *arena;
	const char *at, *end;
	unsigned line;
	struct shell_variable *variables;
	size_t variable_count;
	size_t expanded; /* bytes that came from variables so far */
	bool literal;    /* iptables-save: only double quotes mean something, and every line is one command */
};

/* The next command with at least one word. Assignments ("NAME=value") are kept as variables and not returned.
 */
bool shell_next(struct shell_reader *reader, struct shell_command *out);

#endif
