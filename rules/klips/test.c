/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See klips_script.h. Here: "[", "test" and "[[". What is asked of the system (is there a file) is MAYBE; that there is
 * an iptables is taken for granted. POSIX.1-2017, test. */
#include "rules/klips/script.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32

struct expression {
	struct script *s;
	const struct shell_word *words,
		*patterns; /* the same words; patterns: what stands behind "==" in "[[" */
	size_t count, at;
	bool brackets; /* "[[" */
	unsigned depth;
};

static enum outcome either(struct expression *e);

static enum outcome maybe(struct expression *e, const char *why)
{
	e->s->why = why;
	return MAYBE;
}

static bool is_at(const struct expression *e, const char *text)
{
	return e->at < e->count && !strcmp(e->words[e->at].text, text);
}

static bool take(struct expression *e, const char *text)
{
	if (!is_at(e, text))
		return false;
	e->at++;
	return true;
}

static enum outcome sure(bool holds)
{
	return holds ? YES : NO;
}

static enum outcome opposite(enum outcome outcome)
{
	return outcome == MAYBE ? MAYBE : sure(outcome == NO);
}

static bool is_binary(const char *op)
{
	static const char *const ops[] = {"=",   "==",  "!=", "-eq", "-ne", "-lt", "-le",
					  "-gt", "-ge", "=~", "<",   ">",   "-nt", "-ot"};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(ops[i], op))
			return true;
	return false;
}

static bool is_unary(const char *op)
{
	return op[0] == '-' && op[1] && !op[2] && strchr("abcdefghknprstuvwxzGLNOS", op[1]);
}

static bool integer(const char *text, long *value)
{
	char *end;

	errno = 0;
	*value = strtol(text, &end, 10);
	return *text && !*end && !errno;
}

static enum outcome compare_numbers(struct expression *e, const char *left, const char *op, const char *right)
{
	long a, b;

	if (!integer(left, &a) || !integer(right, &b))
		return maybe(e, "it compares what is no number");
	if (!strcmp(op, "-eq"))
		return sure(a == b);
	if (!strcmp(op, "-ne"))
		return sure(a != b);
	if (!strcmp(op, "-lt"))
		return sure(a < b);
	if (!strcmp(op, "-le"))
		return sure(a <= b);
	return sure(!strcmp(op, "-gt") ? a > b : a >= b);
}

static enum outcome binary(struct expression *e)
{
	const struct shell_word *left = &e->words[e->at], *right = &e->words[e->at + 2];
	const char *op = e->words[e->at + 1].text, *pattern = e->patterns[e->at + 2].text;
	bool equal;

	e->at += 3;
	if (left->problem || right->problem)
		return maybe(e, left->problem ? left->problem : right->problem);
	if (op[0] == '-' && strcmp(op, "-nt") != 0 && strcmp(op, "-ot") != 0)
		return compare_numbers(e, left->text, op, right->text);
	if (op[0] != '=' && op[0] != '!')
		return maybe(e, "this comparison is not followed");
	if (!strcmp(op, "=~"))
		return maybe(e, "regular expressions are not followed");
	equal = e->brackets ? !fnmatch(pattern, left->text, 0) : !strcmp(left->text, right->text);
	return sure(equal == (op[0] == '='));
}

/* What each system has that the rules are for: iptables itself, and IPv6. */
static bool is_granted(const char *path)
{
	static const char *const files[] = {"/proc/net/if_inet6", "/proc/net/ip_tables_names",
					    "/proc/net/ip6_tables_names", "/proc/sys/net/ipv6"};
	bool ipv6;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!strcmp(path, files[i]))
			return true;
	return klips_program(path, &ipv6) == PROGRAM_IPTABLES ||
	       klips_program(path, &ipv6) == PROGRAM_RESTORE;
}

static enum outcome unary(struct expression *e)
{
	char op = e->words[e->at].text[1];
	const struct shell_word *word = &e->words[e->at + 1];

	e->at += 2;
	if (op == 'z' || op == 'n') {
		if (word->problem)
			return maybe(e, word->problem);
		return sure((op == 'z') == !*word->text);
	}
	if (strchr("efxrsd", op) && is_granted(word->text))
		return YES;
	return maybe(e, arena_printf(&e->s->k->arena, "whether %s exists depends on the running system",
				     word->text));
}

static enum outcome primary(struct expression *e)
{
	const struct shell_word *word;
	size_t left = e->count - e->at;
	enum outcome outcome;

	if (!left)
		return NO;
	word = &e->words[e->at];
	if (left >= 3 && is_binary(e->words[e->at + 1].text))
		return binary(e);
	if (++e->depth > DEPTH_MAX)
		return maybe(e, "it is nested too deeply");
	if (left > 1 && take(e, "!"))
		return opposite(primary(e));
	if (left > 1 && take(e, "(")) {
		outcome = either(e);
		return take(e, ")") ? outcome : maybe(e, "a bracket is missing in it");
	}
	if (left > 1 && is_unary(word->text))
		return unary(e);
	e->at++;
	return word->problem ? maybe(e, word->problem) : sure(*word->text != '\0');
}

static enum outcome both(struct expression *e)
{
	enum outcome outcome = primary(e);

	while (take(e, "-a") || take(e, "&&")) {
		enum outcome right = primary(e);

		if (outcome == NO || right == NO)
			outcome = NO;
		else if (outcome == MAYBE || right == MAYBE)
			outcome = MAYBE;
	}
	return outcome;
}

static enum outcome either(struct expression *e)
{
	enum outcome outcome = both(e);

	while (take(e, "-o") || take(e, "||")) {
		enum outcome right = both(e);

		if (outcome == YES || right == YES)
			outcome = YES;
		else if (outcome == MAYBE || right == MAYBE)
			outcome = MAYBE;
	}
	return outcome;
}

enum outcome klips_test(struct script *s, const struct shell_node *n)
{
	struct expression e = {.s = s};
	struct shell_command words = {0}, patterns = {0};
	enum outcome outcome;

	e.brackets = n->words[0].end - n->words[0].begin == 2;
	s->reader.unset_is_empty = true;
	s->reader.taken_as_empty = NULL;
	for (size_t i = 1; i < n->word_count; i++) {
		const struct shell_slice *w = &n->words[i];

		shell_expand(&s->reader, w->begin, w->end, e.brackets ? SHELL_TEXT : SHELL_FIELDS, &words);
		if (e.brackets)
			shell_expand(&s->reader, w->begin, w->end, SHELL_PATTERN, &patterns);
	}
	s->reader.unset_is_empty = false;
	e.words = words.words;
	e.patterns = e.brackets ? patterns.words : words.words;
	e.count = words.count;
	if (e.count && !strcmp(e.words[e.count - 1].text, e.brackets ? "]]" : "]"))
		e.count--;
	outcome = either(&e);
	if (e.at < e.count)
		outcome = maybe(&e, "it is not understood");
	s->assumed = s->reader.taken_as_empty;
	return outcome;
}
