/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See klips_script.h. Here: control flow, from the tree to the commands that are reached. Bounded in depth and in steps. */
#include "rules/klips/script.h"

#include <fnmatch.h>
#include <string.h>

#define DEPTH_MAX 250
#define STEPS_MAX 20000
#define CALLS_MAX 24

static enum outcome run_statement(struct script *s, const struct shell_node *n);

static const char not_known[] = "an argument of the script, which --arg gives";

/* Runs it though whether it runs is not known: no rules come of it, and what it sets has no value any more. */
static void run_unsure(struct script *s, const struct shell_node *n, bool muted)
{
	enum leaving leaving = s->leaving;
	bool was_muted = s->muted;

	if (!s->unsure++)
		s->unsure_line = n->source.line;
	s->muted = s->muted || muted;
	run_statement(s, n);
	s->muted = was_muted;
	s->unsure--;
	s->leaving = leaving;
}

static enum outcome run_asked(struct script *s, const struct shell_node *n)
{
	bool asked = s->asked;
	enum outcome outcome;

	s->asked = true;
	outcome = run_statement(s, n);
	s->asked = asked;
	return outcome;
}

static bool touches_any(struct script *s, const struct shell_node *n, size_t first)
{
	for (size_t i = first; i < n->child_count; i++)
		if (klips_touches(s, n->children[i]))
			return true;
	return false;
}

/* Why iptables commands are reached or not is not known. */
static void refuse_condition(struct script *s, const struct shell_node *n)
{
	const char *why = s->why ? s->why : "it depends on the running system";

	if (s->assumed)
		why = arena_printf(&s->k->arena, "the variable %s is given no value here", s->assumed);
	klips_not_followed(
		s, n,
		arena_printf(&s->k->arena,
			     "cannot tell whether this holds, and iptables commands depend on it: %s", why));
}

/* The outcome that a condition is taken to have, whose own is MAYBE or rests on a variable without a value. MAYBE: it does
 * not matter, or it was refused (*refused). child is what runs if it is "wanted". */
static enum outcome settle_chain(struct script *s, const struct shell_node *n, size_t child,
				 enum outcome hint, bool *refused)
{
	bool or_else = n->children[child]->or_else;
	enum outcome wanted = or_else ? NO : YES, other = or_else ? YES : NO;

	if (klips_leaves(s, n->children[child])) {
		klips_remark(s, n, "assumed that the script goes on here");
		return other;
	}
	for (size_t i = child + 1; i < n->child_count && !or_else; i++)
		if (n->children[i]->or_else && klips_leaves(s, n->children[i])) {
			klips_remark(s, n, "assumed that the script goes on here");
			return wanted;
		}
	if (hint == wanted || (hint == other && !klips_touches(s, n->children[child])))
		return hint;
	if (!touches_any(s, n, child))
		return MAYBE;
	refuse_condition(s, n);
	*refused = true;
	return MAYBE;
}

static enum outcome run_chain(struct script *s, const struct shell_node *n)
{
	enum outcome outcome = run_asked(s, n->children[0]);
	const char *assumed = NULL;
	bool refused = false;

	for (size_t i = 1; i < n->child_count && !s->leaving; i++) {
		const struct shell_node *child = n->children[i];

		assumed = s->assumed ? s->assumed : assumed;
		if (!refused && (outcome == MAYBE || s->assumed))
			outcome = settle_chain(s, n, i, outcome, &refused);
		s->assumed = NULL;
		if (outcome == MAYBE)
			run_unsure(s, child, refused);
		else if (outcome == (child->or_else ? NO : YES))
			outcome = i + 1 < n->child_count ? run_asked(s, child) : run_statement(s, child);
	}
	if (!s->assumed)
		s->assumed = assumed;
	return outcome;
}

/* As settle_chain() for the condition children[i] of an "if". */
static enum outcome settle_if(struct script *s, const struct shell_node *n, size_t i, enum outcome hint,
			      bool *refused)
{
	const struct shell_node *body = n->children[i + 1];
	bool body_touches = klips_touches(s, body), rest_touches = touches_any(s, n, i + 2);

	if (klips_leaves(s, body)) {
		klips_remark(s, n, "assumed that the script goes on here");
		return NO;
	}
	if (i + 3 == n->child_count && klips_leaves(s, n->children[i + 2])) {
		klips_remark(s, n, "assumed that the script goes on here");
		return YES;
	}
	if ((hint == YES && !rest_touches) || (hint == NO && !body_touches))
		return hint;
	if (!body_touches && !rest_touches)
		return MAYBE;
	refuse_condition(s, n);
	*refused = true;
	return MAYBE;
}

static enum outcome run_if(struct script *s, const struct shell_node *n)
{
	size_t i = 0;

	for (; i + 1 < n->child_count; i += 2) {
		enum outcome outcome = run_asked(s, n->children[i]);
		bool refused = false;

		if (s->leaving)
			return outcome;
		if (outcome == MAYBE || s->assumed)
			outcome = settle_if(s, n, i, outcome, &refused);
		s->assumed = NULL;
		if (outcome == YES)
			return run_statement(s, n->children[i + 1]);
		for (size_t rest = i + 1; outcome == MAYBE && rest < n->child_count; rest++)
			run_unsure(s, n->children[rest], refused);
		if (outcome == MAYBE)
			return MAYBE;
	}
	return i < n->child_count ? run_statement(s, n->children[i]) : YES;
}

static struct shell_word one_word(struct script *s, const struct shell_slice *word, enum shell_mode mode)
{
	struct shell_command c = {0};

	s->reader.line = word->line;
	shell_expand(&s->reader, word->begin, word->end, mode, &c);
	return c.count ? c.words[0] : (struct shell_word){.text = ""};
}

/* "start, stop, restart" */
static const char *branch_names(struct script *s, const struct shell_node *n)
{
	const char *names = "";

	for (size_t i = 0; i < n->child_count; i++)
		for (size_t j = 0; j < n->children[i]->word_count; j++)
			names = arena_printf(&s->k->arena, "%s%s%s", names, *names ? ", " : "",
					     one_word(s, &n->children[i]->words[j], SHELL_TEXT).text);
	return names;
}

/* The branch that the subject chooses, child_count if none, or -1: a pattern is not known. */
static long find_branch(struct script *s, const struct shell_node *n, const char *subject)
{
	for (size_t i = 0; i < n->child_count; i++) {
		for (size_t j = 0; j < n->children[i]->word_count; j++) {
			struct shell_word pattern = one_word(s, &n->children[i]->words[j], SHELL_PATTERN);

			if (pattern.problem)
				return -1;
			if (!fnmatch(pattern.text, subject, 0))
				return (long)i;
		}
	}
	return (long)n->child_count;
}

static bool touches_other(struct script *s, const struct shell_node *n, long chosen)
{
	for (size_t i = 0; i < n->child_count; i++)
		if ((long)i != chosen && klips_touches(s, n->children[i]->children[0]))
			return true;
	return false;
}

static enum outcome run_case(struct script *s, const struct shell_node *n)
{
	struct shell_word subject;
	long branch = -1;
	enum outcome outcome = YES;

	s->reader.unset_is_empty = true;
	s->reader.taken_as_empty = NULL;
	subject = one_word(s, &n->words[0], SHELL_TEXT);
	s->reader.unset_is_empty = false;
	if (!subject.problem)
		branch = find_branch(s, n, subject.text);
	if (branch >= 0 && s->reader.taken_as_empty && touches_other(s, n, branch)) {
		subject.problem = arena_printf(&s->k->arena, "the variable %s is given no value here",
					       s->reader.taken_as_empty);
		branch = -1;
	}
	if (branch < 0) {
		bool touches = touches_other(s, n, -1);

		if (touches)
			klips_not_followed(
				s, n,
				arena_printf(&s->k->arena, "cannot tell which branch runs: %s; branches: %s",
					     subject.problem ? subject.problem : "a pattern is not known",
					     branch_names(s, n)));
		for (size_t i = 0; i < n->child_count; i++)
			run_unsure(s, n->children[i]->children[0], touches);
		return MAYBE;
	}
	for (; (size_t)branch < n->child_count; branch++) {
		outcome = run_statement(s, n->children[branch]->children[0]);
		if (!n->children[branch]->falls_through || s->leaving)
			break;
	}
	return outcome;
}

/* After a round of a loop: does it go on? */
static bool goes_on(struct script *s)
{
	if (s->leaving != LEAVING_BREAK && s->leaving != LEAVING_CONTINUE)
		return !s->leaving;
	if (s->levels) {
		s->levels--;
		return false;
	}
	if (s->leaving == LEAVING_CONTINUE) {
		s->leaving = LEAVING_NOTHING;
		return true;
	}
	s->leaving = LEAVING_NOTHING;
	return false;
}

/* Is a word a pattern for the names of files? */
static bool is_glob(const struct shell_slice *word)
{
	for (const char *c = word->begin; c < word->end; c++) {
		if (strchr("'\"\\$", *c))
			return false;
		if (strchr("*?[", *c))
			return true;
	}
	return false;
}

/* The values of a "for"; NULL in *problem: they are all known. */
static struct shell_command for_values(struct script *s, const struct shell_node *n, const char **problem)
{
	static const char all[] = "\"$@\"";
	struct shell_command values = {0};

	*problem = NULL;
	if (n->no_values)
		shell_expand(&s->reader, all, all + sizeof(all) - 1, SHELL_FIELDS, &values);
	for (size_t i = 1; i < n->word_count; i++) {
		s->reader.line = n->words[i].line;
		shell_expand(&s->reader, n->words[i].begin, n->words[i].end, SHELL_FIELDS, &values);
		if (is_glob(&n->words[i]))
			*problem = "which files exist depends on the running system";
	}
	for (size_t i = 0; i < values.count && !*problem; i++)
		*problem = values.words[i].problem;
	return values;
}

static enum outcome run_for(struct script *s, const struct shell_node *n)
{
	const char *problem;
	struct shell_command values = for_values(s, n, &problem);
	const struct shell_slice *name = &n->words[0];
	size_t length = (size_t)(name->end - name->begin);
	enum outcome outcome = YES;

	if (problem) {
		bool touches = klips_touches(s, n->children[0]);

		if (touches)
			klips_not_followed(s, n,
					   arena_printf(&s->k->arena,
							"cannot tell the words of this loop: %s", problem));
		shell_set(&s->reader, name->begin, length, (struct shell_variable){.problem = problem});
		run_unsure(s, n->children[0], touches);
		return MAYBE;
	}
	for (size_t i = 0; i < values.count; i++) {
		shell_set(&s->reader, name->begin, length,
			  (struct shell_variable){.value = values.words[i].text,
						  .problem = s->unsure ? "its value depends on a condition"
								       : NULL});
		outcome = run_statement(s, n->children[0]);
		if (!goes_on(s))
			break;
	}
	return outcome;
}

static enum outcome run_loop(struct script *s, const struct shell_node *n)
{
	if (n->child_count < 2)
		return MAYBE;
	for (;;) {
		enum outcome outcome = run_asked(s, n->children[0]);

		if (s->leaving)
			return outcome;
		if (outcome == MAYBE || s->assumed || s->unsure) {
			bool touches = touches_any(s, n, 0);

			if (touches)
				klips_not_followed(
					s, n,
					arena_printf(&s->k->arena, "cannot tell how often this loop runs: %s",
						     s->why ? s->why : "it depends on the running system"));
			s->assumed = NULL;
			run_unsure(s, n->children[1], touches);
			return MAYBE;
		}
		if (outcome == (n->kind == SHELL_WHILE ? NO : YES))
			return YES;
		run_statement(s, n->children[1]);
		if (!goes_on(s))
			return YES;
	}
}

/* Variables and parameters are what they were; only the rules have changed. */
static enum outcome run_subshell(struct script *s, const struct shell_node *n)
{
	struct shell_reader outer = s->reader;
	size_t size = outer.variable_count * sizeof(*outer.variables);
	enum outcome outcome;

	/* Of its own, for it grows and is written to. */
	s->reader.variables = NULL;
	s->reader.variable_count = 0;
	for (size_t i = 0; i < outer.variable_count; i++) {
		s->reader.variables =
			arena_grow(&s->k->arena, s->reader.variables, i, sizeof(*outer.variables));
		s->reader.variables[i] = outer.variables[i];
		s->reader.variable_count = i + 1;
	}
	s->steps += (unsigned)(size / 128);
	outcome = run_statement(s, n);
	outer.expanded = s->reader.expanded;
	s->reader = outer;
	s->leaving = LEAVING_NOTHING;
	return outcome;
}

static enum outcome run_pipe(struct script *s, const struct shell_node *n)
{
	const struct shell_node *last = n->children[n->child_count - 1];
	enum outcome outcome = YES;

	if (n->child_count == 2 && klips_is_restore(s, last))
		return klips_restore_from(s, last, n->children[0]);
	for (size_t i = 0; i < n->child_count; i++)
		outcome = run_subshell(s, n->children[i]);
	return outcome;
}

/* Keeps a function; one that is defined twice is the later one. */
static void define(struct script *s, const struct shell_node *n)
{
	size_t length = (size_t)(n->words[0].end - n->words[0].begin);
	const char *name = arena_strndup(&s->k->arena, n->words[0].begin, length);
	struct function *f = klips_function(s, name);

	if (!f) {
		s->functions =
			arena_grow(&s->k->arena, s->functions, s->function_count, sizeof(*s->functions));
		f = &s->functions[s->function_count++];
	}
	*f = (struct function){.name = name, .node = n};
}

static void restore_locals(struct script *s, size_t first)
{
	while (s->local_count > first) {
		const struct saved_variable *l = &s->locals[--s->local_count];
		struct shell_variable v = l->variable;

		v.unset = v.unset || !l->existed;
		shell_set(&s->reader, v.name, strlen(v.name), v);
	}
}

static const char *const *parameters(struct script *s, const struct shell_word *words, size_t count,
				     const char **problem)
{
	const char **list = arena_alloc(&s->k->arena, (count + 1) * sizeof(*list));

	*problem = NULL;
	for (size_t i = 0; i < count; i++) {
		list[i] = words[i].text;
		if (words[i].problem && !*problem)
			*problem = words[i].problem;
	}
	return list;
}

/* With other parameters, which end with the call. */
static enum outcome run_with(struct script *s, const struct shell_node *n, const struct shell_word *words,
			     size_t count)
{
	struct shell_reader outer = s->reader;
	size_t first_local = s->local_count;
	enum outcome outcome;

	if (s->calls == CALLS_MAX) {
		klips_not_followed(s, n, "functions call each other too deeply");
		return MAYBE;
	}
	s->calls++;
	s->inside++;
	s->reader.parameters = parameters(s, words, count, &s->reader.no_parameters);
	s->reader.parameter_count = count;
	outcome = run_statement(s, n);
	restore_locals(s, first_local);
	s->reader.parameters = outer.parameters;
	s->reader.parameter_count = outer.parameter_count;
	s->reader.no_parameters = outer.no_parameters;
	s->inside--;
	s->calls--;
	return outcome;
}

static enum outcome call(struct script *s, struct function *f, const struct shell_word *words, size_t count)
{
	const struct shell_node *body = f->node->children[0];
	enum outcome outcome;

	f->called = true;
	outcome = run_with(s, body, words, count);
	if (s->leaving != LEAVING_SCRIPT)
		s->leaving = LEAVING_NOTHING;
	return outcome;
}

static enum outcome run_again(struct script *s, const struct shell_word *words, size_t count)
{
	struct shell_reader outer = s->reader;
	enum outcome outcome;

	s->reader.variables = NULL;
	s->reader.variable_count = 0;
	s->reader.doubt = NULL;
	outcome = run_with(s, s->root, words, count);
	outer.expanded = s->reader.expanded;
	s->reader = outer;
	s->leaving = LEAVING_NOTHING;
	return outcome;
}

static enum outcome run_list(struct script *s, const struct shell_node *n)
{
	enum outcome outcome = YES;

	for (size_t i = 0; i < n->child_count && !s->leaving; i++)
		outcome = run_statement(s, n->children[i]);
	return outcome;
}

static enum outcome run_kind(struct script *s, const struct shell_node *n)
{
	enum outcome outcome;

	switch (n->kind) {
	case SHELL_SIMPLE:
		return klips_simple(s, n);
	case SHELL_LIST:
	case SHELL_BRANCH:
		return run_list(s, n);
	case SHELL_CHAIN:
		return run_chain(s, n);
	case SHELL_NOT:
		outcome = run_asked(s, n->children[0]);
		return outcome == MAYBE ? MAYBE : outcome == YES ? NO : YES;
	case SHELL_PIPE:
		return run_pipe(s, n);
	case SHELL_SUBSHELL:
		return n->child_count ? run_subshell(s, n->children[0]) : YES;
	case SHELL_IF:
		return run_if(s, n);
	case SHELL_FOR:
	case SHELL_WHILE:
	case SHELL_UNTIL:
		s->inside++;
		outcome = n->kind != SHELL_FOR              ? run_loop(s, n)
			  : n->child_count && n->word_count ? run_for(s, n)
							    : MAYBE;
		s->inside--;
		return outcome;
	case SHELL_CASE:
		return n->word_count ? run_case(s, n) : MAYBE;
	case SHELL_FUNCTION:
		if (n->child_count)
			define(s, n);
		return YES;
	case SHELL_ARITHMETIC:
		break;
	}
	s->why = "arithmetic is not followed";
	return MAYBE;
}

static enum outcome run_statement(struct script *s, const struct shell_node *n)
{
	enum outcome outcome;

	if (s->leaving)
		return MAYBE;
	s->steps += s->inside > 0;
	if (s->steps > STEPS_MAX || s->depth == DEPTH_MAX) {
		s->muted = false;
		klips_not_followed(s, n, "the script runs too long, or calls itself too often");
		s->leaving = LEAVING_SCRIPT;
		return MAYBE;
	}
	s->depth++;
	s->why = NULL;
	s->assumed = NULL;
	outcome = run_kind(s, n);
	s->depth--;
	s->reader.status = outcome == MAYBE ? NULL : outcome == YES ? "0" : "1";
	return outcome;
}

/* Gentoo's and OpenWrt's init scripts only define functions, and one of them is called by what runs them. */
static bool is_framework(const char *text, size_t length)
{
	const char *end = memchr(text, '\n', length);
	size_t first = end ? (size_t)(end - text) : length;

	return length > 2 && !memcmp(text, "#!", 2) &&
	       (memmem(text, first, "runscript", 9) || memmem(text, first, "openrc-run", 10) ||
		memmem(text, first, "rc.common", 9));
}

static const char *function_names(struct script *s)
{
	const char *names = "";

	for (size_t i = 0; i < s->function_count; i++)
		if (klips_touches(s, s->functions[i].node))
			names = arena_printf(&s->k->arena, "%s%s%s", names, *names ? ", " : "",
					     s->functions[i].name);
	return names;
}

static void run_framework(struct script *s)
{
	const char *name = s->reader.parameter_count ? s->reader.parameters[0] : "";
	struct function *f = klips_function(s, name);

	if (!f && !strcmp(name, "restart")) {
		struct function *stop = klips_function(s, "stop");

		if (stop)
			call(s, stop, NULL, 0);
		f = klips_function(s, "start");
	} else if (!f && !strcmp(name, "boot")) {
		f = klips_function(s, "start");
	}
	s->leaving = LEAVING_NOTHING;
	if (f)
		call(s, f, NULL, 0);
	else
		klips_not_followed(
			s, s->root,
			arena_printf(&s->k->arena,
				     "cannot tell which function runs: give it with --arg; functions: "
				     "%s",
				     function_names(s)));
}

/* The first case of $1 in the tree, or NULL. */
static const struct shell_node *find_case(const struct shell_node *n)
{
	const struct shell_node *found = NULL;

	if (n->kind == SHELL_CASE && n->word_count) {
		const struct shell_slice *w = &n->words[0];

		if (memchr(w->begin, '$', (size_t)(w->end - w->begin)) &&
		    memchr(w->begin, '1', (size_t)(w->end - w->begin)))
			return n;
	}
	for (size_t i = 0; i < n->child_count && !found; i++)
		found = find_case(n->children[i]);
	return found;
}

/* Says what is left out, and whether that is all. */
static void close_script(struct script *s)
{
	const struct shell_node *where = find_case(s->root), *first = NULL;
	const char *names;

	for (size_t i = 0; i < s->function_count; i++) {
		const struct function *f = &s->functions[i];

		if (f->called || !klips_touches(s, f->node))
			continue;
		klips_remark(s, f->node, "function not called, its rules are left out");
		first = first ? first : f->node;
	}
	if (s->commands || s->k->summary->not_followed)
		return;
	if (!where && !first && !klips_touches(s, s->root))
		return;
	names = where ? branch_names(s, where) : function_names(s);
	where = where ? where : first ? first : s->root;
	klips_not_followed(s, where,
			   arena_printf(&s->k->arena, "the script runs no iptables command%s%s",
					*names ? "; it would with --arg and one of: " : "", names));
}

/* True: the script ends before its last statement, and a shell would never have read that. */
static bool run_root(struct script *s, const struct shell_node *root)
{
	size_t i = 0;

	for (; i < root->child_count && !s->leaving; i++)
		run_statement(s, root->children[i]);
	return s->leaving && i < root->child_count;
}

void klips_script(struct klips *k, const char *text, size_t length)
{
	const struct klips_options *o = k->options;
	struct script s = {.k = k,
			   .call = call,
			   .run_again = run_again,
			   .reader = {.arena = &k->arena,
				      .line = 1,
				      .parameters = o->arguments,
				      .parameter_count = o->argument_count,
				      .no_parameters = o->arguments ? NULL : not_known}};
	struct shell_script script;
	bool ended;

	shell_parse(&k->arena, text, length, &script);
	s.root = script.root;
	ended = run_root(&s, script.root);
	s.leaving = LEAVING_NOTHING;
	s.steps = 0;
	if (is_framework(text, length))
		run_framework(&s);
	if (script.error && !ended)
		klips_note(k, NOTE_NOT_FOLLOWED, script.error_line, "(all that follows)",
			   arena_printf(&k->arena, "no shell script: %s", script.error));
	close_script(&s);
}
