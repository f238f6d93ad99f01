/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of a shell script, as far as firewall scripts need them: quotes, variables that were given a literal value
 * before, parameters that are known. Runs nothing. What only a running shell could know (command substitution, unset
 * variables) is a word's problem. POSIX.1-2017, Shell Command Language, section 2.2, 2.5 and 2.6. */
#ifndef NATSHIM_RULES_KLIPS_SHELL_WORDS_H
#define NATSHIM_RULES_KLIPS_SHELL_WORDS_H

#include "rules/klips/arena.h"

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

struct shell_variable {
	const char *name, *value;
	const char *problem; /* why its value is not known; NULL: it is */
	bool unset;
};

struct shell_reader {
	struct arena *arena;
	const char *at, *end;
	unsigned line;
	struct shell_variable *variables;
	size_t variable_count;
	const char *const *parameters; /* $1 and so on */
	size_t parameter_count;
	const char *no_parameters; /* why they are not known; NULL: they are */
	const char *status;        /* $?; NULL: not known */
	const char *doubt;         /* why a variable without a value may have one all the same, or NULL */
	bool unset_is_empty;       /* a variable without a value is taken as empty, and named: */
	const char *taken_as_empty;
	size_t expanded; /* bytes that came from variables so far */
	unsigned depth;  /* of "${A:-${B:-...}}" */
	bool pattern;    /* what is quoted is kept from being one */
};

enum shell_mode {
	SHELL_FIELDS,  /* a command's words: values split where they are not quoted */
	SHELL_TEXT,    /* one word whatever is in it: an assignment, a case's subject */
	SHELL_PATTERN, /* likewise, for fnmatch(): quoted characters have a backslash in front */
	SHELL_HERE     /* likewise, where quotes mean nothing: a here-document */
};

/* Appends what the text from begin to end (one word as it was written) means to the command's words. */
void shell_expand(struct shell_reader *reader, const char *begin, const char *end, enum shell_mode mode,
		  struct shell_command *out);
/* The next line with at least one word of text that is no script (iptables-save): only double quotes mean something. */
bool shell_next_line(struct shell_reader *reader, struct shell_command *out);

/* The length of NAME in "NAME=value" or "NAME+=value"; 0: it is no assignment. */
size_t shell_assigned_name(const char *begin, const char *end);
struct shell_variable *shell_variable(const struct shell_reader *reader, const char *name, size_t length);
/* The name of v is copied, value and problem are kept as they are. */
void shell_set(struct shell_reader *reader, const char *name, size_t length, struct shell_variable v);

/* Text on one line, without control characters. */
const char *shell_one_line(struct arena *arena, const char *begin, const char *end);

#endif
