/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See klips_script.h. Here: simple commands, each by its name. */
#include "rules/klips/script.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* One command with its words. */
struct call {
	const struct shell_node *node;
	const struct shell_word *words;
	size_t count;
};

struct builtin {
	const char *name;
	enum outcome (*run)(struct script *s, const struct call *c);
};

static const char *original(struct script *s, const struct shell_node *n)
{
	return shell_one_line(&s->k->arena, n->source.begin, n->source.end);
}

/* ---- assignments ---- */

/* A value that depends on whether this runs. */
static void set(struct script *s, const char *name, size_t length, struct shell_variable v)
{
	if (s->unsure) {
		v.problem = arena_printf(&s->k->arena, "the value of %.*s depends on line %u", (int)length,
					 name, s->unsure_line);
		v.unset = false;
	}
	shell_set(&s->reader, name, length, v);
}

/* "NAME=value", "NAME+=value" */
static enum outcome assign(struct script *s, const struct shell_slice *word, size_t length)
{
	const char *value = word->begin + length;
	bool append = *value == '+';
	const struct shell_variable *old = shell_variable(&s->reader, word->begin, length);
	struct shell_variable v = {0};
	struct shell_command c = {0};

	value += append ? 2 : 1;
	if (value < word->end && *value == '(') {
		set(s, word->begin, length,
		    (struct shell_variable){.problem = "lists of bash are not followed"});
		return YES;
	}
	s->reader.line = word->line;
	shell_expand(&s->reader, value, word->end, SHELL_TEXT, &c);
	v = (struct shell_variable){.value = c.words[0].text, .problem = c.words[0].problem};
	if (append && old && !old->unset && !v.problem) {
		v.problem = old->problem;
		if (!old->problem)
			v.value = arena_printf(&s->k->arena, "%s%s", old->value, v.value);
	}
	set(s, word->begin, length, v);
	return v.problem ? MAYBE : YES;
}

static void unset(struct script *s, const char *name, const char *problem)
{
	set(s, name, strlen(name),
	    (struct shell_variable){.value = "", .problem = problem, .unset = !problem});
}

/* export, readonly, declare, local: with "NAME" or "NAME=value". */
static enum outcome declare(struct script *s, const struct call *c)
{
	bool local = !strcmp(c->words[0].text, "local");

	for (size_t i = 1; i < c->node->word_count; i++) {
		const struct shell_slice *w = &c->node->words[i];
		size_t length = shell_assigned_name(w->begin, w->end), all = (size_t)(w->end - w->begin);
		const struct shell_variable *old;

		if (*w->begin == '-')
			continue;
		if (local && s->calls) {
			const char *name = arena_strndup(&s->k->arena, w->begin, length ? length : all);

			old = shell_variable(&s->reader, name, strlen(name));
			s->locals = arena_grow(&s->k->arena, s->locals, s->local_count, sizeof(*s->locals));
			s->locals[s->local_count] = (struct saved_variable){.existed = old != NULL};
			if (old)
				s->locals[s->local_count].variable = *old;
			s->locals[s->local_count++].variable.name = name;
			if (!length)
				unset(s, name, NULL);
		}
		if (length)
			assign(s, w, length);
	}
	return YES;
}

static enum outcome forget(struct script *s, const struct call *c)
{
	for (size_t i = 1; i < c->count; i++)
		unset(s, c->words[i].text, NULL);
	return YES;
}

/* read, getopts: what they set only a running system knows. */
static enum outcome read_variables(struct script *s, const struct call *c)
{
	for (size_t i = 1; i < c->count; i++)
		if (c->words[i].text[0] != '-')
			unset(s, c->words[i].text, "what is read depends on the running system");
	s->why = "what is read depends on the running system";
	return MAYBE;
}

/* ---- control ---- */

static enum outcome leave(struct script *s, const struct call *c, enum leaving how)
{
	enum outcome outcome = YES;

	s->leaving = how;
	if (c->count > 1 &&
	    (c->words[1].problem || strspn(c->words[1].text, "0") != strlen(c->words[1].text)))
		outcome = c->words[1].problem ? MAYBE : NO;
	return outcome;
}

static enum outcome leave_script(struct script *s, const struct call *c)
{
	return leave(s, c, LEAVING_SCRIPT);
}

static enum outcome leave_function(struct script *s, const struct call *c)
{
	return leave(s, c, LEAVING_FUNCTION);
}

static enum outcome leave_loop(struct script *s, const struct call *c)
{
	unsigned long levels = c->count > 1 ? strtoul(c->words[1].text, NULL, 10) : 1;

	s->levels = levels > 1 && levels < 100 ? (unsigned)levels - 1 : 0;
	s->leaving = c->words[0].text[0] == 'b' ? LEAVING_BREAK : LEAVING_CONTINUE;
	return YES;
}

static enum outcome shift(struct script *s, const struct call *c)
{
	unsigned long by = c->count > 1 ? strtoul(c->words[1].text, NULL, 10) : 1;

	if (s->reader.no_parameters)
		return MAYBE;
	if (by > s->reader.parameter_count)
		return NO;
	s->reader.parameters += by;
	s->reader.parameter_count -= by;
	return YES;
}

/* "set -- a b" gives other parameters; all else is about how the shell runs. */
static enum outcome set_parameters(struct script *s, const struct call *c)
{
	size_t first = 1;
	const char **list;

	while (first < c->count && strcmp(c->words[first].text, "--") != 0 && c->words[first].text[0] == '-')
		first++;
	if (first < c->count && !strcmp(c->words[first].text, "--"))
		first++;
	else if (first == c->count)
		return YES;
	list = arena_alloc(&s->k->arena, (c->count - first + 1) * sizeof(*list));
	s->reader.no_parameters = s->unsure ? "what \"set\" does depends on a condition" : NULL;
	for (size_t i = first; i < c->count; i++) {
		list[i - first] = c->words[i].text;
		if (c->words[i].problem)
			s->reader.no_parameters = c->words[i].problem;
	}
	s->reader.parameters = list;
	s->reader.parameter_count = c->count - first;
	return YES;
}

/* ---- what is not followed ---- */

static enum outcome source(struct script *s, const struct call *c)
{
	struct shell_word none = {.text = ""};
	const struct shell_word *file = c->count > 1 ? &c->words[1] : &none;
	enum sourced kind = klips_sourced(file);

	if (kind == SOURCED_LIBRARY)
		return YES;
	s->reader.doubt =
		arena_printf(&s->k->arena, "%s (line %u) may do so", file->text, c->node->source.line);
	for (size_t i = 0; i < s->reader.variable_count; i++) {
		struct shell_variable *v = &s->reader.variables[i];

		if (strcmp(v->name, "IFS") != 0 && strcmp(v->name, "PATH") != 0 && !v->problem)
			v->problem = arena_printf(&s->k->arena, "%s (line %u) may give %s another value",
						  file->text, c->node->source.line, v->name);
	}
	if (kind == SOURCED_ANYTHING)
		klips_not_followed(s, c->node, "natshim reads no other file: put its text here");
	return YES;
}

static enum outcome not_run(struct script *s, const struct call *c)
{
	s->why = arena_printf(&s->k->arena, "the outcome of %s depends on the running system",
			      c->words[0].text);
	if (klips_hides_iptables(c->words, c->count) || !strcmp(c->words[0].text, "eval"))
		klips_not_followed(s, c->node, "cannot tell what this does to the rules");
	else if (!s->muted)
		klips_note(s->k, NOTE_REFUSED, c->node->source.line, original(s, c->node),
			   "no iptables command");
	return MAYBE;
}

/* ---- iptables-restore ---- */

/* Its own options: does it keep what there is, and is there a file? */
static bool restore_options(const struct call *c, struct klips_saved *saved, const char **file)
{
	saved->flushes = true;
	*file = NULL;
	for (size_t i = 1; i < c->count; i++) {
		const char *word = c->words[i].text;

		if (!strcmp(word, "-n") || !strcmp(word, "--noflush"))
			saved->flushes = false;
		else if (!strncmp(word, "-T", 2) || !strncmp(word, "--table", 7) || c->words[i].problem)
			return false;
		else if (word[0] != '-' && !(i > 1 && !strncmp(c->words[i - 1].text, "-w", 2)))
			*file = word;
	}
	return true;
}

/* Lines of text whose first one is at that line of the script. step: the script has a line for each. */
static void restore_text(struct script *s, struct klips_saved *saved, const char *text, unsigned line,
			 bool step, const char *problem)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		struct shell_reader reader = {
			.arena = &s->k->arena, .at = text, .end = text + length, .line = line};
		struct shell_command c;

		if (shell_next_line(&reader, &c)) {
			if (problem)
				c.words[c.count - 1].problem = problem;
			klips_saved_line(saved, &c);
		}
		text += length + (text[length] == '\n');
		line += step;
	}
}

/* A here-document: line by line, for only the lines with what is not known are spoilt by it. */
static void restore_here(struct script *s, struct klips_saved *saved, const struct shell_redirection *r)
{
	const char *at = r->target.begin;
	unsigned line = r->target.line;

	while (at < r->target.end) {
		const char *end = memchr(at, '\n', (size_t)(r->target.end - at));
		struct shell_command c = {0};

		if (!end)
			end = r->target.end;
		while (r->here_tabs && at < end && *at == '\t')
			at++;
		if (r->here_quoted)
			restore_text(s, saved, arena_strndup(&s->k->arena, at, (size_t)(end - at)), line,
				     false, NULL);
		else {
			s->reader.line = line;
			shell_expand(&s->reader, at, end, SHELL_HERE, &c);
			restore_text(s, saved, c.words[0].text, line, false, c.words[0].problem);
		}
		at = end + (end < r->target.end);
		line++;
	}
}

/* The here-document, or bash's here-string, that is the statement's input; NULL: it has none. */
static const struct shell_redirection *here_of(const struct shell_node *n)
{
	for (size_t i = 0; i < n->redirection_count; i++)
		if (n->redirections[i].here || n->redirections[i].here_string)
			return &n->redirections[i];
	return NULL;
}

static bool has_input(const struct shell_node *n)
{
	for (size_t i = 0; i < n->redirection_count; i++)
		if (!n->redirections[i].out)
			return true;
	return false;
}

static enum outcome restore(struct script *s, const struct call *c, const struct shell_node *input)
{
	struct klips_saved saved = {.k = s->k};
	const struct shell_redirection *here = here_of(input ? input : c->node);
	struct shell_command words = {0};
	const char *file;

	s->commands++;
	klips_program(c->words[0].text, &saved.ipv6);
	if (s->unsure)
		return MAYBE;
	if (input)
		klips_words(s, input, &words);
	if (!restore_options(c, &saved, &file) || file || (!here && !input)) {
		klips_not_followed(
			s, c->node,
			"natshim reads no other file: translate it by itself, or put its text here "
			"(<<END)");
	} else if (here && here->here &&
		   (!input || (words.count == 1 && !strcmp(words.words[0].text, "cat")))) {
		restore_here(s, &saved, here);
	} else if (here && !input) {
		s->reader.line = here->target.line;
		shell_expand(&s->reader, here->target.begin, here->target.end, SHELL_TEXT, &words);
		restore_text(s, &saved, words.words[0].text, here->target.line, false,
			     words.words[0].problem);
	} else if (words.count == 2 && !strcmp(words.words[0].text, "echo") &&
		   words.words[1].text[0] != '-') {
		restore_text(s, &saved, words.words[1].text, input->source.line, false,
			     words.words[1].problem);
	} else {
		klips_not_followed(s, input ? input : c->node,
				   "cannot tell what comes through the pipe to iptables-restore");
	}
	return YES;
}

/* ---- which command it is ---- */

static const struct builtin builtins[] = {
	{"export", declare},        {"readonly", declare},       {"declare", declare},
	{"typeset", declare},       {"local", declare},          {"unset", forget},
	{"read", read_variables},   {"getopts", read_variables}, {"exit", leave_script},
	{"return", leave_function}, {"break", leave_loop},       {"continue", leave_loop},
	{"shift", shift},           {"set", set_parameters},     {".", source},
	{"source", source},
};

static bool hides_errors(const struct shell_node *n)
{
	for (size_t i = 0; i < n->redirection_count; i++)
		if (n->redirections[i].out && n->redirections[i].fd == 2)
			return true;
	return false;
}

/* Does it write to a file? */
static bool writes(const struct shell_node *n)
{
	static const char null[] = "/dev/null";

	for (size_t i = 0; i < n->redirection_count; i++) {
		const struct shell_slice *t = &n->redirections[i].target;

		if (n->redirections[i].out && n->redirections[i].fd != 2 && t->end > t->begin &&
		    !isdigit((unsigned char)*t->begin) && *t->begin != '-' &&
		    !((size_t)(t->end - t->begin) == sizeof(null) - 1 &&
		      !memcmp(t->begin, null, sizeof(null) - 1)))
			return true;
	}
	return false;
}

static enum outcome run_iptables(struct script *s, const struct call *c, bool ipv6)
{
	struct shell_command shell = {.line = c->node->source.line, .original = original(s, c->node)};

	s->commands++;
	if (s->unsure)
		return MAYBE;
	return klips_command(s->k, ipv6, NULL, &shell, c->words + 1, c->count - 1,
			     s->asked || hides_errors(c->node));
}

/* What only says something has a known outcome where it says nothing about the system. */
static enum outcome run_idle(struct script *s, const struct call *c)
{
	static const char *const asking[] = {"grep", "egrep", "fgrep", "pidof",  "pgrep",
					     "ls",   "cat",   "expr",  "getent", "cmp",
					     "diff", "ps",    "file",  "stat",   NULL};
	static const char *const lookups[] = {"which", "type", "hash", "-v", "-V", NULL}; /* "command -v" */
	bool ipv6;

	if (writes(c->node))
		klips_remark(s, c->node, "no firewall rule, left out");
	if (!strcmp(c->words[0].text, "false"))
		return NO;
	s->why = arena_printf(&s->k->arena, "the outcome of %s depends on the running system",
			      c->words[0].text);
	if (klips_is_one_of(c->words[0].text, lookups))
		return c->count > 1 && klips_program(c->words[c->count - 1].text, &ipv6) == PROGRAM_IPTABLES
			       ? YES
			       : MAYBE;
	return klips_is_one_of(c->words[0].text, asking) ? MAYBE : YES;
}

static enum outcome run_named(struct script *s, const struct call *c)
{
	struct function *f = c->words[0].problem ? NULL : klips_function(s, c->words[0].text);
	bool ipv6;

	if (f)
		return s->call(s, f, c->words + 1, c->count - 1);
	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++)
		if (!strcmp(c->words[0].text, builtins[i].name))
			return builtins[i].run(s, c);
	if (!strcmp(c->words[0].text, "-v") || !strcmp(c->words[0].text, "-V"))
		return run_idle(s, c);
	if (!strcmp(c->words[0].text, "$0"))
		return s->run_again(s, c->words + 1, c->count - 1);
	switch (klips_program(c->words[0].text, &ipv6)) {
	case PROGRAM_IPTABLES:
		return run_iptables(s, c, ipv6);
	case PROGRAM_RESTORE:
		return restore(s, c, NULL);
	case PROGRAM_IDLE:
		return run_idle(s, c);
	case PROGRAM_SYSTEM:
		if (klips_hides_iptables(c->words, c->count))
			return not_run(s, c);
		klips_remark(s, c->node, "no firewall rule, left out");
		return YES;
	case PROGRAM_OTHER:
		break;
	}
	return not_run(s, c);
}

static bool is_test(const struct shell_node *n)
{
	static const char *const names[] = {"[", "[[", "test"};
	size_t length = (size_t)(n->words[0].end - n->words[0].begin);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && !memcmp(n->words[0].begin, names[i], length))
			return true;
	return false;
}

enum outcome klips_simple(struct script *s, const struct shell_node *n)
{
	size_t assignments = klips_assignments(n);
	struct shell_command words;
	enum outcome outcome = YES;

	if (n->word_count && assignments == n->word_count) {
		for (size_t i = 0; i < n->word_count; i++)
			outcome = assign(s, &n->words[i],
					 shell_assigned_name(n->words[i].begin, n->words[i].end));
		return outcome;
	}
	if (n->word_count && is_test(n))
		return klips_test(s, n);
	klips_words(s, n, &words);
	if (!words.count)
		return YES;
	return run_named(s, &(struct call){.node = n, .words = words.words, .count = words.count});
}

bool klips_is_restore(struct script *s, const struct shell_node *n)
{
	struct shell_command c = {0};
	bool ipv6;

	if (n->kind != SHELL_SIMPLE || has_input(n))
		return false;
	klips_words(s, n, &c);
	return c.count && klips_program(c.words[0].text, &ipv6) == PROGRAM_RESTORE;
}

enum outcome klips_restore_from(struct script *s, const struct shell_node *n, const struct shell_node *input)
{
	struct shell_command c;

	klips_words(s, n, &c);
	if (!c.count || !c.words)
		return MAYBE;
	return restore(s, &(struct call){.node = n, .words = c.words, .count = c.count}, input);
}
