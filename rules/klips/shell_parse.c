/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See shell_parse.h. Recursive descent, bounded in depth; the end of the text ends everything. */
#include "rules/klips/shell_parse.h"

#include <ctype.h>
#include <string.h>

#define DEPTH_MAX 48

struct pending { /* a here-document whose text begins behind the next end of line */
	struct shell_node *node;
	size_t redirection;
};

struct parser {
	struct arena *arena;
	const char *at, *end;
	unsigned line;
	unsigned depth;
	struct pending *pending;
	size_t pending_count;
	struct shell_script *script;
};

static struct shell_node *parse_list(struct parser *p);
static struct shell_node *parse_command(struct parser *p);

static bool more(const struct parser *p)
{
	return p->at < p->end && !p->script->error;
}

static bool starts(const struct parser *p, const char *text)
{
	size_t length = strlen(text);

	return more(p) && (size_t)(p->end - p->at) >= length && !memcmp(p->at, text, length);
}

static void fail_at(struct parser *p, unsigned line, const char *why)
{
	if (p->script->error)
		return;
	p->script->error = why;
	p->script->error_line = line;
}

static char next_char(struct parser *p)
{
	if (*p->at == '\n')
		p->line++;
	return *p->at++;
}

/* In front of a backslash: it and what it hides. */
static void skip_escaped(struct parser *p)
{
	next_char(p);
	if (more(p) && *p->at == '\r' && p->at + 1 < p->end && p->at[1] == '\n')
		next_char(p);
	if (more(p))
		next_char(p);
}

/* Takes what closes a quote or the like that began in that line. */
static void close_quote(struct parser *p, unsigned line)
{
	if (more(p))
		next_char(p);
	else
		fail_at(p, line, "a quote or a bracket is not closed");
}

static void skip_single_quoted(struct parser *p)
{
	unsigned line = p->line;

	next_char(p);
	while (more(p) && *p->at != '\'')
		next_char(p);
	close_quote(p, line);
}

static void skip_backquoted(struct parser *p)
{
	unsigned line = p->line;

	next_char(p);
	while (more(p) && *p->at != '`') {
		if (*p->at == '\\')
			skip_escaped(p);
		else
			next_char(p);
	}
	close_quote(p, line);
}

/* In front of "(", "{" or a double quote: up to the one that closes it. */
static void skip_nested(struct parser *p, char closing)
{
	bool quoted = closing == '"';
	unsigned line = p->line;

	if (++p->depth > DEPTH_MAX)
		fail_at(p, p->line, "it is nested too deeply");
	next_char(p);
	while (more(p) && *p->at != closing) {
		if (*p->at == '\\')
			skip_escaped(p);
		else if (*p->at == '\'' && !quoted)
			skip_single_quoted(p);
		else if (*p->at == '`')
			skip_backquoted(p);
		else if (*p->at == '"')
			skip_nested(p, '"');
		else if (*p->at == '(' && (!quoted || p->at[-1] == '$'))
			skip_nested(p, ')');
		else if (*p->at == '{' && p->at[-1] == '$')
			skip_nested(p, '}');
		else
			next_char(p);
	}
	close_quote(p, line);
	p->depth--;
}

/* Blanks, lines that go on, and comments; not the end of a line. */
static void skip_blanks(struct parser *p)
{
	while (more(p)) {
		if (*p->at == ' ' || *p->at == '\t' || *p->at == '\r')
			next_char(p);
		else if (starts(p, "\\\n") || starts(p, "\\\r\n"))
			skip_escaped(p);
		else if (*p->at == '#')
			while (more(p) && *p->at != '\n')
				p->at++;
		else
			return;
	}
}

/* The delimiter without its quotes. */
static const char *delimiter_of(struct parser *p, const struct shell_slice *word, bool *quoted)
{
	char *text = arena_alloc(p->arena, (size_t)(word->end - word->begin) + 1), *out = text;

	for (const char *c = word->begin; c < word->end; c++) {
		if (*c == '\'' || *c == '"' || *c == '\\')
			*quoted = true;
		else
			*out++ = *c;
	}
	return text;
}

/* Behind the end of a line: the text of one here-document. */
static void read_here(struct parser *p, struct shell_redirection *r)
{
	const char *delimiter = delimiter_of(p, &r->target, &r->here_quoted);
	size_t length = strlen(delimiter);

	r->target = (struct shell_slice){.begin = p->at, .line = p->line};
	while (p->at < p->end) {
		const char *line = p->at, *end;

		while (p->at < p->end && next_char(p) != '\n')
			;
		end = p->at;
		while (end > line && (end[-1] == '\n' || end[-1] == '\r'))
			end--;
		r->target.end = line;
		while (r->here_tabs && line < end && *line == '\t')
			line++;
		if ((size_t)(end - line) == length && !memcmp(line, delimiter, length))
			return;
	}
	r->target.end = p->end;
	fail_at(p, r->target.line,
		arena_printf(p->arena, "the here-document's end %s is missing", delimiter));
}

static void take_newline(struct parser *p)
{
	next_char(p);
	for (size_t i = 0; i < p->pending_count; i++)
		read_here(p, &p->pending[i].node->redirections[p->pending[i].redirection]);
	p->pending_count = 0;
}

static void skip_newlines(struct parser *p)
{
	skip_blanks(p);
	while (more(p) && *p->at == '\n') {
		take_newline(p);
		skip_blanks(p);
	}
}

/* Does the word at hand end behind so many characters? */
static bool ends_word(const struct parser *p, size_t length)
{
	const char *behind = p->at + length;

	return behind >= p->end || strchr(" \t\r\n;&|<>()", *behind) || !*behind;
}

static bool is_reserved(struct parser *p, const char *word)
{
	return starts(p, word) && ends_word(p, strlen(word));
}

static bool take_reserved(struct parser *p, const char *word)
{
	skip_blanks(p);
	if (!is_reserved(p, word))
		return false;
	p->at += strlen(word);
	return true;
}

static void expect(struct parser *p, const char *word, unsigned line, const char *of)
{
	skip_newlines(p);
	if (!take_reserved(p, word))
		fail_at(p, line, arena_printf(p->arena, "%s without its \"%s\"", of, word));
}

/* True: a word, as it stands. */
static bool read_word(struct parser *p, struct shell_slice *word)
{
	const char *begin = p->at;

	*word = (struct shell_slice){.begin = begin, .line = p->line};
	while (more(p) && !strchr(" \t\r\n;&|<>", *p->at)) {
		bool array = *p->at == '(' && p->at > begin && p->at[-1] == '=';

		if (*p->at == '\\')
			skip_escaped(p);
		else if (*p->at == '\'')
			skip_single_quoted(p);
		else if (*p->at == '"')
			skip_nested(p, '"');
		else if (*p->at == '`')
			skip_backquoted(p);
		else if (*p->at == '{' && p->at > begin && p->at[-1] == '$')
			skip_nested(p, '}');
		else if (array || (*p->at == '(' && p->at > begin && p->at[-1] == '$'))
			skip_nested(p, ')');
		else if (*p->at == '(' || *p->at == ')')
			break;
		else
			next_char(p);
	}
	/* strchr() finds the end of its string, too. */
	if (more(p) && !*p->at && p->at == begin)
		p->at++;
	word->end = p->at;
	return p->at > begin;
}

static struct shell_node *new_node(struct parser *p, enum shell_kind kind)
{
	struct shell_node *n = arena_alloc(p->arena, sizeof(*n));

	n->kind = kind;
	n->source = (struct shell_slice){.begin = p->at, .end = p->at, .line = p->line};
	return n;
}

static void add_child(struct parser *p, struct shell_node *n, struct shell_node *child)
{
	n->children = arena_grow(p->arena, n->children, n->child_count, sizeof(struct shell_node *));
	n->children[n->child_count++] = child;
}

static void add_word(struct parser *p, struct shell_node *n, struct shell_slice word)
{
	n->words = arena_grow(p->arena, n->words, n->word_count, sizeof(*n->words));
	n->words[n->word_count++] = word;
}

/* A redirection at hand, with a number in front or without. False: there is none. */
static bool take_redirection(struct parser *p, struct shell_node *n)
{
	const char *op = p->at;
	struct shell_redirection r = {0};

	while (op < p->end && isdigit((unsigned char)*op))
		op++;
	if (op + 1 < p->end && op[0] == '&' && op[1] == '>')
		op++;
	if (op == p->end || (*op != '<' && *op != '>'))
		return false;
	r.out = *op == '>';
	r.fd = op == p->at ? (int)r.out : op[-1] == '&' ? 2 : op[-1] - '0';
	p->at = op;
	r.here_string = starts(p, "<<<");
	r.here = starts(p, "<<") && !r.here_string;
	r.here_tabs = starts(p, "<<-");
	while (more(p) && strchr("<>&|", *p->at))
		p->at++;
	if (r.here_tabs)
		p->at++;
	skip_blanks(p);
	if (!read_word(p, &r.target) && more(p) && *p->at == '(') /* bash's <(...) */
		skip_nested(p, ')');
	r.target.end = p->at;
	n->redirections = arena_grow(p->arena, n->redirections, n->redirection_count, sizeof(r));
	n->redirections[n->redirection_count++] = r;
	if (r.here) {
		p->pending = arena_grow(p->arena, p->pending, p->pending_count, sizeof(*p->pending));
		p->pending[p->pending_count++] =
			(struct pending){.node = n, .redirection = n->redirection_count - 1};
	}
	return true;
}

static struct shell_node *parse_function(struct parser *p, struct shell_node *n)
{
	n->kind = SHELL_FUNCTION;
	n->source.end = p->at;
	skip_newlines(p);
	add_child(p, n, parse_command(p));
	return n;
}

/* Words and redirections up to the end of the command; or "name()". */
static struct shell_node *parse_simple(struct parser *p)
{
	struct shell_node *n = new_node(p, SHELL_SIMPLE);

	for (;;) {
		struct shell_slice word;

		skip_blanks(p);
		if (take_redirection(p, n)) {
			n->source.end = p->at;
			continue;
		}
		if (more(p) && *p->at == '(' && n->word_count == 1 && !n->redirection_count) {
			next_char(p);
			skip_blanks(p);
			if (more(p) && *p->at == ')') {
				next_char(p);
				return parse_function(p, n);
			}
			fail_at(p, n->source.line, "a \"(\" stands where the shell wants none");
			return n;
		}
		if (!more(p) || !read_word(p, &word))
			break;
		add_word(p, n, word);
		n->source.end = p->at;
	}
	if (more(p) && *p->at == '(')
		fail_at(p, p->line, "a \"(\" stands where the shell wants none");
	return n;
}

/* bash's "[[ ... ]]": "&&", "||", "<", "(" and the like are words in it. */
static struct shell_node *parse_double_bracket(struct parser *p)
{
	struct shell_node *n = new_node(p, SHELL_SIMPLE);
	unsigned line = p->line;

	for (;;) {
		struct shell_slice word;

		skip_newlines(p);
		if (!more(p)) {
			fail_at(p, line, "\"[[\" without its \"]]\"");
			return n;
		}
		if (!read_word(p, &word)) {
			while (more(p) && strchr("&|<>();", *p->at) && p->at < word.begin + 2)
				p->at++;
			word.end = p->at;
		}
		add_word(p, n, word);
		n->source.end = p->at;
		if (word.end - word.begin == 2 && !memcmp(word.begin, "]]", 2))
			return n;
	}
}

/* "for" is taken. */
static struct shell_node *parse_for(struct parser *p, struct shell_node *n)
{
	struct shell_slice word;

	skip_blanks(p);
	if (starts(p, "((")) {
		skip_nested(p, ')');
		n->kind = SHELL_WHILE; /* whose condition is not known */
		add_child(p, n, new_node(p, SHELL_ARITHMETIC));
		n->source.end = p->at;
	} else if (read_word(p, &word)) {
		add_word(p, n, word);
		n->source.end = p->at;
		skip_newlines(p);
		n->no_values = !take_reserved(p, "in");
		while (!n->no_values && more(p)) {
			skip_blanks(p);
			if (!read_word(p, &word))
				break;
			add_word(p, n, word);
			n->source.end = p->at;
		}
	} else {
		fail_at(p, n->source.line, "\"for\" without a name");
	}
	skip_blanks(p);
	if (more(p) && *p->at == ';')
		p->at++;
	expect(p, "do", n->source.line, "\"for\"");
	add_child(p, n, parse_list(p));
	expect(p, "done", n->source.line, "\"for\"");
	return n;
}

static struct shell_node *parse_loop(struct parser *p, struct shell_node *n, const char *of)
{
	add_child(p, n, parse_list(p));
	n->source.end = n->children[0]->source.end;
	expect(p, "do", n->source.line, of);
	add_child(p, n, parse_list(p));
	expect(p, "done", n->source.line, of);
	return n;
}

/* "if" is taken. */
static struct shell_node *parse_if(struct parser *p, struct shell_node *n)
{
	do {
		add_child(p, n, parse_list(p));
		if (n->child_count == 1)
			n->source.end = n->children[0]->source.end;
		expect(p, "then", n->source.line, "\"if\"");
		add_child(p, n, parse_list(p));
		skip_newlines(p);
	} while (more(p) && take_reserved(p, "elif"));
	if (take_reserved(p, "else"))
		add_child(p, n, parse_list(p));
	expect(p, "fi", n->source.line, "\"if\"");
	return n;
}

/* The ";;" behind a branch, where it is not the last. */
static void take_branch_end(struct parser *p, struct shell_node *branch)
{
	skip_newlines(p);
	branch->falls_through = starts(p, ";&") || starts(p, ";;&");
	if (starts(p, ";;&"))
		p->at += 3;
	else if (starts(p, ";;") || starts(p, ";&"))
		p->at += 2;
}

/* "case" is taken. */
static struct shell_node *parse_case(struct parser *p, struct shell_node *n)
{
	struct shell_slice word;

	skip_blanks(p);
	if (!read_word(p, &word)) {
		fail_at(p, n->source.line, "\"case\" without a word");
		return n;
	}
	add_word(p, n, word);
	n->source.end = p->at;
	expect(p, "in", n->source.line, "\"case\"");
	skip_newlines(p);
	while (more(p) && !is_reserved(p, "esac")) {
		struct shell_node *branch = new_node(p, SHELL_BRANCH);

		if (*p->at == '(')
			p->at++;
		do {
			skip_blanks(p);
			if (!read_word(p, &word))
				break;
			add_word(p, branch, word);
			skip_blanks(p);
		} while (starts(p, "|") && p->at++);
		if (!more(p) || *p->at != ')' || !branch->word_count) {
			fail_at(p, branch->source.line, "a branch of \"case\" without its \")\"");
			return n;
		}
		branch->source.end = p->at;
		p->at++;
		add_child(p, branch, parse_list(p));
		add_child(p, n, branch);
		take_branch_end(p, branch);
		skip_newlines(p);
	}
	expect(p, "esac", n->source.line, "\"case\"");
	return n;
}

/* "function name", with or without "()"; the word "function" is taken. */
static struct shell_node *parse_function_word(struct parser *p, struct shell_node *n)
{
	struct shell_slice word;

	skip_blanks(p);
	if (!read_word(p, &word)) {
		fail_at(p, n->source.line, "\"function\" without a name");
		return n;
	}
	add_word(p, n, word);
	skip_blanks(p);
	if (starts(p, "(")) {
		p->at++;
		skip_blanks(p);
		if (starts(p, ")"))
			p->at++;
	}
	return parse_function(p, n);
}

/* "(" or "{" is at hand. */
static struct shell_node *parse_group(struct parser *p)
{
	bool subshell = *p->at == '(';
	struct shell_node *n = new_node(p, subshell ? SHELL_SUBSHELL : SHELL_LIST);

	if (starts(p, "((")) {
		n->kind = SHELL_ARITHMETIC;
		skip_nested(p, ')');
		n->source.end = p->at;
		return n;
	}
	p->at++;
	n->source.end = p->at;
	add_child(p, n, parse_list(p));
	skip_newlines(p);
	if (subshell && starts(p, ")"))
		p->at++;
	else if (subshell || !take_reserved(p, "}"))
		fail_at(p, n->source.line,
			subshell ? "a \"(\" without its \")\"" : "a \"{\" without its \"}\"");
	if (p->line == n->source.line)
		n->source.end = p->at;
	return n;
}

static struct shell_node *parse_compound(struct parser *p)
{
	struct shell_node *n = new_node(p, SHELL_SIMPLE);

	if (take_reserved(p, "if")) {
		n->kind = SHELL_IF;
		return parse_if(p, n);
	}
	if (take_reserved(p, "case")) {
		n->kind = SHELL_CASE;
		return parse_case(p, n);
	}
	if (take_reserved(p, "for") || take_reserved(p, "select")) {
		n->kind = SHELL_FOR;
		return parse_for(p, n);
	}
	if (take_reserved(p, "while")) {
		n->kind = SHELL_WHILE;
		return parse_loop(p, n, "\"while\"");
	}
	if (take_reserved(p, "until")) {
		n->kind = SHELL_UNTIL;
		return parse_loop(p, n, "\"until\"");
	}
	if (take_reserved(p, "function"))
		return parse_function_word(p, n);
	if (*p->at == '(' || is_reserved(p, "{"))
		return parse_group(p);
	return NULL;
}

/* Reserved words that end a list; at the beginning of a command they end whatever holds it. */
static bool at_list_end(struct parser *p)
{
	static const char *const ends[] = {"then", "elif", "else", "fi", "do", "done", "esac", "}"};

	if (!more(p) || *p->at == ')' || starts(p, ";;") || starts(p, ";&"))
		return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (is_reserved(p, ends[i]))
			return true;
	return false;
}

static struct shell_node *parse_command(struct parser *p)
{
	struct shell_node *n = NULL;

	if (++p->depth > DEPTH_MAX)
		fail_at(p, p->line, "it is nested too deeply");
	if (!more(p) || at_list_end(p)) {
		fail_at(p, p->line, "a command is missing");
		n = new_node(p, SHELL_LIST);
	} else if (is_reserved(p, "[[")) {
		n = parse_double_bracket(p);
	} else {
		n = parse_compound(p);
		while (n && n->kind != SHELL_FUNCTION && n->kind != SHELL_SIMPLE) {
			skip_blanks(p);
			if (!more(p) || !take_redirection(p, n))
				break;
		}
		if (!n)
			n = parse_simple(p);
	}
	p->depth--;
	return n;
}

static struct shell_node *parse_pipeline(struct parser *p)
{
	struct shell_node *n = new_node(p, SHELL_PIPE), *negation = NULL;

	if (take_reserved(p, "!")) {
		negation = new_node(p, SHELL_NOT);
		skip_blanks(p);
	}
	for (;;) {
		add_child(p, n, parse_command(p));
		skip_blanks(p);
		if (!starts(p, "|") || starts(p, "||"))
			break;
		p->at += starts(p, "|&") ? 2 : 1;
		skip_newlines(p);
	}
	n->source.end = p->at;
	if (n->child_count == 1)
		n = n->children[0];
	if (!negation)
		return n;
	negation->source = n->source;
	add_child(p, negation, n);
	return negation;
}

static struct shell_node *parse_chain(struct parser *p)
{
	struct shell_node *n = new_node(p, SHELL_CHAIN);

	add_child(p, n, parse_pipeline(p));
	n->source = n->children[0]->source;
	for (;;) {
		struct shell_node *child;
		bool or_else;

		skip_blanks(p);
		if (!starts(p, "&&") && !starts(p, "||"))
			break;
		or_else = *p->at == '|';
		p->at += 2;
		skip_newlines(p);
		child = parse_pipeline(p);
		child->or_else = or_else;
		add_child(p, n, child);
		n->source.end = child->source.end;
	}
	return n->child_count == 1 ? n->children[0] : n;
}

static struct shell_node *parse_list(struct parser *p)
{
	struct shell_node *n;

	skip_newlines(p);
	n = new_node(p, SHELL_LIST);
	while (!at_list_end(p)) {
		const char *before = p->at;

		add_child(p, n, parse_chain(p));
		n->source.end = n->children[n->child_count - 1]->source.end;
		skip_blanks(p);
		if (more(p) && (*p->at == '&' || (*p->at == ';' && !starts(p, ";;") && !starts(p, ";&"))))
			p->at++;
		skip_newlines(p);
		if (p->at == before)
			fail_at(p, p->line, "a command is missing");
	}
	return n;
}

void shell_parse(struct arena *arena, const char *text, size_t length, struct shell_script *script)
{
	struct parser p = {.arena = arena, .at = text, .end = text + length, .line = 1, .script = script};

	*script = (struct shell_script){0};
	script->root = parse_list(&p);
	if (more(&p))
		fail_at(&p, p.line,
			arena_printf(arena, "\"%.*s\" ends nothing here", *p.at == ';' ? 2 : 1, p.at));
}
