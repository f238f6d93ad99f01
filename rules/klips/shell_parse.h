/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The statements of a shell script as a tree: POSIX.1-2017, Shell Command Language, section 2.9 and 2.10, with bash's
 * "[[", "function" and array assignments. Words stay as they were written; what they mean is shell_words.h's. Runs
 * nothing. The tree points into the text and lies in the arena. */
#ifndef NATSHIM_RULES_KLIPS_SHELL_PARSE_H
#define NATSHIM_RULES_KLIPS_SHELL_PARSE_H

#include "rules/klips/arena.h"

#include <stdbool.h>

struct shell_slice {
	const char *begin, *end;
	unsigned line; /* of its first character, from 1 */
};

struct shell_redirection {
	int fd; /* as written, or what the operator means by itself */
	bool out;
	bool here;                 /* "<<": the target is its text, without the end's line */
	bool here_string;          /* bash's "<<<": the target is the word that is its text */
	bool here_quoted;          /* nothing is substituted in it */
	bool here_tabs;            /* "<<-": tabs at the beginning of its lines are dropped */
	struct shell_slice target; /* a word */
};

enum shell_kind {
	SHELL_SIMPLE,    /* words */
	SHELL_LIST,      /* children one after the other; also "{ ...; }" */
	SHELL_CHAIN,     /* children, each but the first behind "&&" or "||" */
	SHELL_NOT,       /* one child */
	SHELL_PIPE,      /* children */
	SHELL_SUBSHELL,  /* one child */
	SHELL_IF,        /* condition, what then, condition, what then, ...; at the end maybe what else */
	SHELL_FOR,       /* words: name, then values; one child */
	SHELL_WHILE,     /* condition and body */
	SHELL_UNTIL,     /* condition and body */
	SHELL_CASE,      /* words: the subject; children: one SHELL_BRANCH each */
	SHELL_BRANCH,    /* words: patterns; one child */
	SHELL_FUNCTION,  /* words: its name; one child */
	SHELL_ARITHMETIC /* "((...))" */
};

struct shell_node {
	enum shell_kind kind;
	struct shell_slice source; /* the statement; of a compound one its first line */
	struct shell_slice *words;
	size_t word_count;
	struct shell_redirection *redirections;
	size_t redirection_count;
	struct shell_node **children;
	size_t child_count;
	bool or_else;       /* of a chain's child: "||" stands before it */
	bool falls_through; /* of a branch: ";&" */
	bool no_values;     /* of a for: no "in", so the parameters */
};

struct shell_script {
	struct shell_node *root; /* what could be read, even where there is an error behind it */
	const char *error;       /* NULL: the whole text was read */
	unsigned error_line;
};

void shell_parse(struct arena *arena, const char *text, size_t length, struct shell_script *script);

#endif
