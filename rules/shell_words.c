/* See shell_words.h. */
#include "rules/shell_words.h"

#include <ctype.h>
#include <string.h>

#define EXPANSION_MAX (4 << 20) /* bytes in all: values that double themselves line by line end here */

struct shell_variable {
	const char *name, *value, *problem;
};

/* The word that is being put together. */
struct builder {
	char *text;
	size_t length;
	const char *problem;
	bool open; /* a word has begun, be it an empty one */
};

static void put(struct shell_reader *r, struct builder *b, char c)
{
	b->text = arena_grow(r->arena, b->text, b->length, 1);
	b->text[b->length++] = c;
	b->open = true;
}

static void put_text(struct shell_reader *r, struct builder *b, const char *text, size_t length)
{
	b->open = true;
	for (size_t i = 0; i < length; i++)
		put(r, b, text[i]);
}

static void end_word(struct shell_reader *r, struct builder *b, struct shell_command *c)
{
	if (b->open) {
		c->words = arena_grow(r->arena, c->words, c->count, sizeof(*c->words));
		c->words[c->count++] = (struct shell_word){
			.text = arena_strndup(r->arena, b->text, b->length), .problem = b->problem};
	}
	*b = (struct builder){0};
}

static bool more(const struct shell_reader *r)
{
	return r->at < r->end;
}

static char next_char(struct shell_reader *r)
{
	if (*r->at == '\n')
		r->line++;
	return *r->at++;
}

static bool starts(const struct shell_reader *r, const char *text)
{
	size_t length = strlen(text);

	return (size_t)(r->end - r->at) >= length && !memcmp(r->at, text, length);
}

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static struct shell_variable *find_variable(const struct shell_reader *r, const char *name, size_t length)
{
	for (size_t i = 0; i < r->variable_count; i++)
		if (strlen(r->variables[i].name) == length && !memcmp(r->variables[i].name, name, length))
			return &r->variables[i];
	return NULL;
}

static void set_variable(struct shell_reader *r, const char *name, size_t length, struct shell_variable value)
{
	struct shell_variable *v = find_variable(r, name, length);

	if (!v) {
		r->variables = arena_grow(r->arena, r->variables, r->variable_count, sizeof(*r->variables));
		v = &r->variables[r->variable_count++];
		v->name = arena_strndup(r->arena, name, length);
	}
	v->value = value.value;
	v->problem = value.problem;
}

static void problem(struct builder *b, const char *why)
{
	if (!b->problem)
		b->problem = why;
}

/* Up to the closing character, nested pairs included; the text stays in the word as it is. */
static void put_substitution(struct shell_reader *r, struct builder *b, char opening, char closing)
{
	int depth = 1;

	while (more(r) && depth) {
		char c = next_char(r);

		if (c == closing)
			depth--;
		else if (c == opening)
			depth++;
		if (c == '\n')
			c = ' ';
		put(r, b, c);
	}
	problem(b, "only a running shell knows what is substituted here");
}

/* A literal value splits into words where it is not quoted. */
static void put_value(struct shell_reader *r, struct builder *b, struct shell_command *c, const char *value,
		      bool quoted)
{
	size_t length = strlen(value);

	if (length > EXPANSION_MAX - r->expanded) {
		problem(b, "too much is substituted");
		return;
	}
	r->expanded += length;
	if (quoted || !c) {
		put_text(r, b, value, length);
		return;
	}
	for (; *value; value++) {
		if (isspace((unsigned char)*value))
			end_word(r, b, c);
		else
			put(r, b, *value);
	}
}

/* Behind the '$'. */
static void put_variable(struct shell_reader *r, struct builder *b, struct shell_command *c, bool quoted)
{
	bool braces = more(r) && *r->at == '{';
	const char *name = r->at + braces, *end = name;
	const struct shell_variable *v;

	while (end < r->end && name_char(*end))
		end++;
	if (starts(r, "(")) {
		put_text(r, b, "$(", 2);
		r->at++;
		put_substitution(r, b, '(', ')');
		return;
	}
	if (end == name || isdigit((unsigned char)*name) || (braces && (end == r->end || *end != '}'))) {
		put(r, b, '$');
		if (braces) {
			put(r, b, next_char(r));
			put_substitution(r, b, '{', '}');
		} else if (more(r) && (isalnum((unsigned char)*r->at) || strchr("@*#?$!-", *r->at))) {
			put(r, b, next_char(r));
			problem(b, "only a running shell knows this parameter");
		}
		return;
	}
	r->at = end + braces;
	v = find_variable(r, name, (size_t)(end - name));
	if (v && !v->problem) {
		put_value(r, b, c, v->value, quoted);
		return;
	}
	put(r, b, '$');
	put_text(r, b, name, (size_t)(end - name));
	problem(b, v ? v->problem
		     : arena_printf(r->arena, "the variable %.*s is given no value here", (int)(end - name),
				    name));
}

static void put_single_quoted(struct shell_reader *r, struct builder *b)
{
	b->open = true;
	while (more(r)) {
		char c = next_char(r);

		if (c == '\'')
			return;
		put(r, b, c);
	}
	problem(b, "a quote is not closed");
}

static void put_double_quoted(struct shell_reader *r, struct builder *b, struct shell_command *command)
{
	b->open = true;
	while (more(r)) {
		char c = next_char(r);

		if (c == '"')
			return;
		if (c == '\\' && more(r) && (r->literal || strchr("$`\"\\\n", *r->at))) {
			c = next_char(r);
			if (c != '\n')
				put(r, b, c);
		} else if (c == '$' && !r->literal) {
			put_variable(r, b, command, true);
		} else if (c == '`' && !r->literal) {
			put(r, b, c);
			put_substitution(r, b, '\0', '`');
		} else {
			put(r, b, c);
		}
	}
	problem(b, "a quote is not closed");
}

static void skip_line(struct shell_reader *r)
{
	while (more(r) && *r->at != '\n')
		r->at++;
}

/* Where the output goes is nothing to a rule: the operator, the file behind it and a number before it are
 * dropped. */
static void skip_redirection(struct shell_reader *r, struct builder *b, struct shell_command *c)
{
	struct builder target = {0};
	bool number = b->open;

	for (size_t i = 0; i < b->length; i++)
		number = number && isdigit((unsigned char)b->text[i]);
	if (number)
		*b = (struct builder){0};
	end_word(r, b, c);
	while (more(r) && strchr("<>&|", *r->at))
		r->at++;
	while (more(r) && (*r->at == ' ' || *r->at == '\t'))
		r->at++;
	while (more(r) && !strchr(" \t\r\n;&|<>", *r->at)) {
		char ch = next_char(r);

		if (ch == '"')
			put_double_quoted(r, &target, NULL);
		else if (ch == '\'')
			put_single_quoted(r, &target);
	}
}

/* Behind a backslash: the character as it is, or a line that goes on. */
static void put_escaped(struct shell_reader *r, struct builder *b)
{
	char c;

	if (!more(r))
		return;
	c = next_char(r);
	if (c == '\r' && more(r) && *r->at == '\n')
		c = next_char(r);
	if (c != '\n')
		put(r, b, c);
}

/* A character that means something in a script only. False: it means nothing. */
static bool take_special(struct shell_reader *r, struct builder *b, struct shell_command *command, char c)
{
	switch (c) {
	case '\'':
		put_single_quoted(r, b);
		return true;
	case '$':
		put_variable(r, b, command, false);
		return true;
	case '`':
		put(r, b, c);
		put_substitution(r, b, '\0', '`');
		return true;
	case '<':
	case '>':
		skip_redirection(r, b, command);
		return true;
	case '\\':
		put_escaped(r, b);
		return true;
	default:
		return false;
	}
}

/* Between words; other white space, such as a vertical tab, is a word's as any character is. */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* One character that is in no quotes. False: the command ends with it. */
static bool take_unquoted(struct shell_reader *r, struct builder *b, struct shell_command *command)
{
	char c = next_char(r);

	if (c == '\n' || (!r->literal && strchr(";&|", c))) {
		while (c != '\n' && !r->literal && more(r) && strchr(";&|", *r->at))
			r->at++;
		return false;
	}
	if (is_blank(c))
		end_word(r, b, command);
	else if (c == '"')
		put_double_quoted(r, b, command);
	else if (c == '#' && !b->open)
		skip_line(r);
	else if (r->literal || !take_special(r, b, command, c))
		put(r, b, c);
	return true;
}

/* Length of NAME in "NAME=value"; 0: it is no assignment. */
static size_t assigned_name(const char *word)
{
	size_t n = 0;

	while (name_char(word[n]))
		n++;
	return n && !isdigit((unsigned char)word[0]) && word[n] == '=' ? n : 0;
}

/* Takes "NAME=value" words (and a leading export or the like) off; false: there is more to the command than
 * that. */
static bool only_assigns(struct shell_reader *r, const struct shell_command *c)
{
	static const char *const declarations[] = {"export", "readonly", "declare", "local", "typeset"};
	size_t first = 0;

	for (size_t i = 0; i < sizeof(declarations) / sizeof(declarations[0]); i++)
		if (!strcmp(c->words[0].text, declarations[i]))
			first = 1;
	for (size_t i = first; i < c->count; i++)
		if (!assigned_name(c->words[i].text) && !first)
			return false;
	for (size_t i = first; i < c->count; i++) {
		const struct shell_word *w = &c->words[i];
		size_t n = assigned_name(w->text);

		if (n)
			set_variable(
				r, w->text, n,
				(struct shell_variable){.value = w->text + n + 1, .problem = w->problem});
	}
	return true;
}

static const char *one_line(struct shell_reader *r, const char *begin, const char *end)
{
	char *text, *out;

	while (begin < end && isspace((unsigned char)*begin))
		begin++;
	while (end > begin && (isspace((unsigned char)end[-1]) || (!r->literal && strchr(";&|", end[-1]))))
		end--;
	text = out = arena_strndup(r->arena, begin, (size_t)(end - begin));
	for (const char *in = text; in < text + (end - begin); in++) {
		if (in[0] == '\\' && (in[1] == '\n' || (in[1] == '\r' && in[2] == '\n')))
			continue;
		if (isspace((unsigned char)*in)) {
			if (out > text && out[-1] != ' ')
				*out++ = ' ';
			continue;
		}
		*out = *in;
		if ((unsigned char)*in < ' ' || *in == 0x7f)
			*out = '?';
		out++;
	}
	*out = '\0';
	return text;
}

bool shell_next(struct shell_reader *r, struct shell_command *out)
{
	while (more(r)) {
		const char *begin = NULL;
		struct builder b = {0};
		bool goes_on = true;

		*out = (struct shell_command){0};
		while (more(r) && goes_on) {
			if (!begin && *r->at != '\n' && !is_blank(*r->at)) {
				begin = r->at;
				out->line = r->line;
			}
			goes_on = take_unquoted(r, &b, out);
		}
		end_word(r, &b, out);
		out->original = begin ? one_line(r, begin, r->at) : "";
		if (out->count && (r->literal || !only_assigns(r, out)))
			return true;
	}
	return false;
}
