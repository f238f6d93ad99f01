/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See shell_words.h. */
#include "rules/klips/shell_words.h"

#include <ctype.h>
#include <string.h>

#define EXPANSION_MAX (4 << 20) /* bytes in all: values that double themselves line by line end here */

#define DEPTH_MAX 16

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

/* A character that is quoted, or comes out of quotes. */
static void put_quoted(struct shell_reader *r, struct builder *b, char c)
{
	if (r->pattern && strchr("*?[]\\", c))
		put(r, b, '\\');
	put(r, b, c);
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

struct shell_variable *shell_variable(const struct shell_reader *r, const char *name, size_t length)
{
	for (size_t i = 0; i < r->variable_count; i++)
		if (strlen(r->variables[i].name) == length && !memcmp(r->variables[i].name, name, length))
			return &r->variables[i];
	return NULL;
}

void shell_set(struct shell_reader *r, const char *name, size_t length, struct shell_variable value)
{
	struct shell_variable *v = shell_variable(r, name, length);

	if (!v) {
		r->variables = arena_grow(r->arena, r->variables, r->variable_count, sizeof(*r->variables));
		v = &r->variables[r->variable_count++];
		v->name = arena_strndup(r->arena, name, length);
	}
	value.name = v->name;
	*v = value;
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

static void put_value(struct shell_reader *r, struct builder *b, struct shell_command *c, const char *value,
		      bool quoted);

/* What a substituted command says, where it is the same on every system that the script is for; NULL: it is not. */
static const char *known_output(struct arena *a, const char *text, size_t length)
{
	static const char *const lookups[] = {"which ", "command -v ", "type -p ", "type -P "};
	static const char *const tables[] = {"cat /proc/net/ip_tables_names",
					     "cat /proc/net/ip6_tables_names"};
	char *command = arena_strndup(a, text, length), *silent = strstr(command, "2>");

	if (silent && (!strcmp(silent, "2>/dev/null") || !strcmp(silent, "2> /dev/null")))
		*silent = '\0';
	while (*command == ' ')
		command++;
	for (size_t n = strlen(command); n && command[n - 1] == ' '; n--)
		command[n - 1] = '\0';
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (!strcmp(command, tables[i]))
			return "raw mangle nat filter";
	for (size_t i = 0; i < sizeof(lookups) / sizeof(lookups[0]); i++) {
		const char *name = command + strlen(lookups[i]);

		if (!strncmp(command, lookups[i], strlen(lookups[i])) && strstr(name, "tables") &&
		    !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789/-_.")])
			return name;
	}
	return NULL;
}

/* "$(...)" or "`...`", of which the beginning is taken. */
static void put_command(struct shell_reader *r, struct builder *b, struct shell_command *c, char opening,
			char closing, bool quoted)
{
	const char *end = r->at, *output;
	int depth = 1;

	for (; end < r->end; end++) {
		depth += *end == closing ? -1 : *end == opening && opening ? 1 : 0;
		if (!depth)
			break;
	}
	output = end < r->end ? known_output(r->arena, r->at, (size_t)(end - r->at)) : NULL;
	if (output) {
		r->at = end + 1;
		put_value(r, b, c, output, quoted);
		return;
	}
	put_text(r, b, opening ? "$(" : "`", opening ? 2 : 1);
	put_substitution(r, b, opening, closing);
}

/* A literal value splits into words where it is not quoted. */
static void put_value(struct shell_reader *r, struct builder *b, struct shell_command *c, const char *value,
		      bool quoted)
{
	const struct shell_variable *v;
	size_t length = strlen(value);

	if (length > EXPANSION_MAX - r->expanded) {
		problem(b, "too much is substituted");
		return;
	}
	r->expanded += length;
	if (quoted) {
		b->open = true;
		while (*value)
			put_quoted(r, b, *value++);
		return;
	}
	if (!c) {
		put_text(r, b, value, length);
		return;
	}
	v = shell_variable(r, "IFS", 3);
	if (v && !v->unset && (v->problem || !strchr(v->value, ' ') || v->value[strspn(v->value, " \t\n")]))
		problem(b, "IFS was changed, and only a running shell knows the words");
	for (; *value; value++) {
		if (isspace((unsigned char)*value))
			end_word(r, b, c);
		else
			put(r, b, *value);
	}
}

static void expand(struct shell_reader *r, struct builder *b, struct shell_command *c, bool quoted);

/* One of $1, $#, $@ and so on, which are one character long here. */
static struct shell_variable parameter(const struct shell_reader *r, const char *name, size_t length)
{
	size_t number = 0;

	if (*name == '?')
		return (struct shell_variable){.value = r->status,
					       .problem = r->status ? NULL : "only a running shell knows $?"};
	if (r->no_parameters && (isdigit((unsigned char)*name) || strchr("#@*", *name)))
		return (struct shell_variable){
			.problem = arena_printf(r->arena, "$%.*s: %s", (int)length, name, r->no_parameters),
			.unset = true};
	if (*name == '#')
		return (struct shell_variable){.value = arena_printf(r->arena, "%zu", r->parameter_count)};
	if (!isdigit((unsigned char)*name))
		return (struct shell_variable){.problem = "only a running shell knows this parameter"};
	for (size_t i = 0; i < length && number < 1000; i++)
		number = number * 10 + (size_t)(name[i] - '0');
	if (!number)
		return (struct shell_variable){.problem = "only a running shell knows $0"};
	if (number > r->parameter_count)
		return (struct shell_variable){.value = "", .unset = true};
	return (struct shell_variable){.value = r->parameters[number - 1]};
}

/* A variable that has no value: with the reason why there is none, or as an empty one. */
static struct shell_variable unset_variable(struct shell_reader *r, const char *name, size_t length)
{
	if (r->doubt)
		return (struct shell_variable){
			.problem = arena_printf(r->arena, "the variable %.*s is given no value here; %s",
						(int)length, name, r->doubt)};
	if (r->unset_is_empty) {
		r->taken_as_empty = arena_strndup(r->arena, name, length);
		return (struct shell_variable){.value = "", .unset = true};
	}
	return (struct shell_variable){
		.problem =
			arena_printf(r->arena, "the variable %.*s is given no value here", (int)length, name),
		.unset = true};
}

/* "$@" and "$*": all parameters, one word each where they may be words. */
static void put_parameters(struct shell_reader *r, struct builder *b, struct shell_command *c, bool separate,
			   bool quoted)
{
	if (r->no_parameters) {
		put_text(r, b, "$@", 2);
		problem(b, arena_printf(r->arena, "$@: %s", r->no_parameters));
		return;
	}
	for (size_t i = 0; i < r->parameter_count; i++) {
		if (i && separate && c)
			end_word(r, b, c);
		else if (i)
			put(r, b, ' ');
		put_value(r, b, c, r->parameters[i], quoted);
	}
	if (!r->parameter_count && separate && quoted && !b->length)
		b->open = false;
}

/* Text between braces in the mode that the word around it has. */
static void put_inner(struct shell_reader *r, struct builder *b, struct shell_command *c, const char *end,
		      bool quoted)
{
	const char *outer_end = r->end;

	if (r->depth == DEPTH_MAX) {
		problem(b, "it is nested too deeply");
	} else {
		r->depth++;
		r->end = end;
		expand(r, b, c, quoted);
		r->depth--;
		r->end = outer_end;
	}
	r->at = end;
}

/* "${NAME", and behind it ":-word}" or the like; false: it is none that is known. */
static bool put_operation(struct shell_reader *r, struct builder *b, struct shell_command *c, bool quoted,
			  const char *name, size_t length, struct shell_variable v)
{
	const char *operation = name + length, *end = operation;
	bool colon = end < r->end && *end == ':', empty;
	int depth = 1;
	char kind;

	operation += colon;
	if (operation >= r->end || !strchr("-=+?", *operation) || (v.problem && !v.unset))
		return false;
	kind = *operation++;
	for (end = operation; end < r->end; end++) {
		depth += *end == '{' ? 1 : *end == '}' ? -1 : 0;
		if (!depth)
			break;
	}
	if (end == r->end)
		return false;
	empty = v.unset || (colon && !*v.value);
	r->at = operation;
	if ((empty && (kind == '-' || kind == '=')) || (!empty && kind == '+'))
		put_inner(r, b, c, end, quoted);
	else if (!empty && v.value)
		put_value(r, b, c, v.value, quoted);
	else if (kind == '?')
		problem(b, arena_printf(r->arena, "the variable %.*s is given no value here", (int)length,
					name));
	r->at = end + 1;
	if (empty && kind == '=')
		shell_set(r, name, length,
			  (struct shell_variable){
				  .value = arena_strndup(r->arena, operation, (size_t)(end - operation))});
	return true;
}

static void put_unknown(struct shell_reader *r, struct builder *b, const char *name, size_t length,
			const char *why)
{
	put(r, b, '$');
	put_text(r, b, name, length);
	problem(b, why);
}

/* Behind the '$'. */
static void put_variable(struct shell_reader *r, struct builder *b, struct shell_command *c, bool quoted)
{
	bool braces = more(r) && *r->at == '{';
	const char *name = r->at + braces, *end = name;
	const struct shell_variable *known;
	struct shell_variable v;
	size_t length;

	if (starts(r, "(")) {
		r->at++;
		put_command(r, b, c, '(', ')', quoted);
		return;
	}
	if (end < r->end && (isdigit((unsigned char)*end) || (*end && strchr("@*#?$!-", *end)))) {
		end++;
		while (braces && end < r->end && isdigit((unsigned char)*end) &&
		       isdigit((unsigned char)*name))
			end++;
	} else {
		while (end < r->end && name_char(*end))
			end++;
	}
	length = (size_t)(end - name);
	if (!length) {
		put(r, b, '$');
		if (braces) {
			put(r, b, next_char(r));
			put_substitution(r, b, '{', '}');
		}
		return;
	}
	if ((*name == '@' || *name == '*') && (!braces || (end < r->end && *end == '}'))) {
		r->at = end + braces;
		put_parameters(r, b, c, *name == '@' || !quoted, quoted);
		return;
	}
	known = name_char(*name) && !isdigit((unsigned char)*name) ? shell_variable(r, name, length) : NULL;
	if (!name_char(*name) || isdigit((unsigned char)*name))
		v = parameter(r, name, length);
	else
		v = known && !known->unset ? *known : unset_variable(r, name, length);
	if (braces && put_operation(r, b, c, quoted, name, length, v))
		return;
	if (braces && (end == r->end || *end != '}')) {
		put(r, b, '$');
		put(r, b, next_char(r));
		put_substitution(r, b, '{', '}');
		return;
	}
	r->at = end + braces;
	if (v.problem || !v.value)
		put_unknown(r, b, name, length, v.problem ? v.problem : "only a running shell knows it");
	else
		put_value(r, b, c, v.value, quoted);
}

static void put_single_quoted(struct shell_reader *r, struct builder *b)
{
	b->open = true;
	while (more(r)) {
		char c = next_char(r);

		if (c == '\'')
			return;
		put_quoted(r, b, c);
	}
	problem(b, "a quote is not closed");
}

/* Characters up to the double quote that closes (or in a here-document to the end). */
static void put_in_quotes(struct shell_reader *r, struct builder *b, struct shell_command *command, bool here)
{
	b->open = true;
	while (more(r)) {
		char c = next_char(r);

		if (c == '"' && !here)
			return;
		if (c == '\\' && more(r) && strchr(here ? "$`\\\n" : "$`\"\\\n", *r->at)) {
			c = next_char(r);
			if (c != '\n')
				put_quoted(r, b, c);
		} else if (c == '$') {
			put_variable(r, b, command, true);
		} else if (c == '`') {
			put_command(r, b, command, '\0', '`', true);
		} else {
			put_quoted(r, b, c);
		}
	}
	if (!here)
		problem(b, "a quote is not closed");
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
		put_quoted(r, b, c);
}

/* bash makes several words of an unquoted "{a,b}" or "{1..9}", other shells do not. */
static bool is_braced_list(const struct shell_reader *r)
{
	for (const char *c = r->at; c < r->end && *c != '}'; c++)
		if (*c == ',' || (*c == '.' && c + 1 < r->end && c[1] == '.'))
			return memchr(c, '}', (size_t)(r->end - c)) != NULL;
	return false;
}

/* The characters from r->at to r->end, which are in no quotes, or in double ones. */
static void expand(struct shell_reader *r, struct builder *b, struct shell_command *command, bool quoted)
{
	while (more(r)) {
		char c = next_char(r);

		if (c == '\'' && !quoted) {
			put_single_quoted(r, b);
		} else if (c == '"') {
			put_in_quotes(r, b, command, false);
		} else if (c == '$') {
			put_variable(r, b, command, quoted);
		} else if (c == '`') {
			put_command(r, b, command, '\0', '`', quoted);
		} else if (c == '\\') {
			put_escaped(r, b);
		} else {
			if (c == '{' && command && is_braced_list(r))
				problem(b, "bash makes several words of {...}; write them out");
			put(r, b, c);
		}
	}
}

void shell_expand(struct shell_reader *r, const char *begin, const char *end, enum shell_mode mode,
		  struct shell_command *out)
{
	struct builder b = {.open = mode != SHELL_FIELDS};

	r->at = begin;
	r->end = end;
	r->pattern = mode == SHELL_PATTERN;
	if (mode == SHELL_HERE)
		put_in_quotes(r, &b, NULL, true);
	else
		expand(r, &b, mode == SHELL_FIELDS ? out : NULL, false);
	r->pattern = false;
	end_word(r, &b, out);
}

/* Between words; other white space, such as a vertical tab, is a word's as any character is. */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

size_t shell_assigned_name(const char *begin, const char *end)
{
	const char *at = begin;

	while (at < end && name_char(*at))
		at++;
	if (at == begin || isdigit((unsigned char)*begin) || at == end)
		return 0;
	if (*at == '=' || (*at == '+' && at + 1 < end && at[1] == '='))
		return (size_t)(at - begin);
	return 0;
}

const char *shell_one_line(struct arena *arena, const char *begin, const char *end)
{
	char *text, *out;

	while (begin < end && isspace((unsigned char)*begin))
		begin++;
	while (end > begin && isspace((unsigned char)end[-1]))
		end--;
	text = out = arena_strndup(arena, begin, (size_t)(end - begin));
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

/* Behind a double quote in iptables-save's output, where a backslash hides whatever follows it. */
static void put_saved_quote(struct shell_reader *r, struct builder *b)
{
	b->open = true;
	while (more(r)) {
		char c = next_char(r);

		if (c == '"')
			return;
		if (c == '\\' && more(r)) {
			c = next_char(r);
			if (c == '\n')
				continue;
		}
		put(r, b, c);
	}
	problem(b, "a quote is not closed");
}

bool shell_next_line(struct shell_reader *r, struct shell_command *out)
{
	while (more(r)) {
		const char *begin = NULL;
		struct builder b = {0};
		char c = '\0';

		*out = (struct shell_command){0};
		while (more(r) && c != '\n') {
			if (!begin && *r->at != '\n' && !is_blank(*r->at)) {
				begin = r->at;
				out->line = r->line;
			}
			c = next_char(r);
			if (is_blank(c) || c == '\n')
				end_word(r, &b, out);
			else if (c == '"')
				put_saved_quote(r, &b);
			else if (c == '#' && !b.open)
				while (more(r) && *r->at != '\n')
					r->at++;
			else
				put(r, &b, c);
		}
		end_word(r, &b, out);
		out->original = begin ? shell_one_line(r->arena, begin, r->at) : "";
		if (out->count)
			return true;
	}
	return false;
}
