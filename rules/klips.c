/* See klips.h. Here: which lines of the input are iptables commands, in shell scripts and in iptables-save
 * output. */
#include "rules/klips_model.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const char *const klips_hook_names[HOOKS] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};

static const struct table_kind kinds[] = {
	{"raw", HOOK_BIT(PREROUTING) | HOOK_BIT(OUTPUT), {-300, 0, 0, -300, 0}},
	{"mangle", (1u << HOOKS) - 1, {-150, -150, -150, -150, -150}},
	{"nat",
	 HOOK_BIT(PREROUTING) | HOOK_BIT(INPUT) | HOOK_BIT(OUTPUT) | HOOK_BIT(POSTROUTING),
	 {-100, 100, 0, -100, 100}},
	{"filter", HOOK_BIT(INPUT) | HOOK_BIT(FORWARD) | HOOK_BIT(OUTPUT), {0, 0, 0, 0, 0}},
	{"security", HOOK_BIT(INPUT) | HOOK_BIT(FORWARD) | HOOK_BIT(OUTPUT), {0, 50, 50, 50, 0}},
};

/* One line, whatever was in the input. */
static const char *printable(struct arena *a, const char *text)
{
	char *copy = arena_strndup(a, text, strlen(text));

	for (char *c = copy; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return copy;
}

const char *klips_refuse(struct klips *k, unsigned line, const char *reason)
{
	reason = printable(&k->arena, reason);
	k->summary->untranslated++;
	k->options->complain(k->options->ctx, line, reason);
	return reason;
}

void klips_note(struct klips *k, unsigned line, const char *original, const char *reason)
{
	k->notes = arena_grow(&k->arena, k->notes, k->note_count, sizeof(*k->notes));
	k->notes[k->note_count++] = (struct klips_note){
		.line = line, .original = original, .reason = klips_refuse(k, line, reason)};
}

static void add_base_chains(struct klips *k, struct klips_table *t)
{
	for (enum hook hook = 0; hook < HOOKS; hook++) {
		struct klips_chain *c;

		if (!(t->kind->hooks & 1u << hook))
			continue;
		c = arena_alloc(&k->arena, sizeof(*c));
		*c = (struct klips_chain){.name = klips_hook_names[hook], .base = true, .hook = hook};
		t->chains = arena_grow(&k->arena, t->chains, t->chain_count, sizeof(struct klips_chain *));
		t->chains[t->chain_count++] = c;
	}
}

struct klips_table *klips_table(struct klips *k, bool ipv6, const char *name)
{
	struct klips_table *t;

	for (size_t i = 0; i < k->table_count; i++)
		if (k->tables[i].ipv6 == ipv6 && !strcmp(k->tables[i].kind->name, name))
			return &k->tables[i];
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		k->tables = arena_grow(&k->arena, k->tables, k->table_count, sizeof(*k->tables));
		t = &k->tables[k->table_count++];
		*t = (struct klips_table){.kind = &kinds[i], .ipv6 = ipv6};
		add_base_chains(k, t);
		return t;
	}
	return NULL;
}

struct klips_chain *klips_chain(const struct klips_table *table, const char *name)
{
	for (size_t i = 0; i < table->chain_count; i++)
		if (!strcmp(table->chains[i]->name, name))
			return table->chains[i];
	return NULL;
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(word, *list))
			return true;
	return false;
}

/* iptables, ip6tables, iptables-legacy, /sbin/iptables, $IPTABLES, $IPT, $IP6TABLES, ... */
static bool is_iptables(const char *word, bool *ipv6)
{
	static const char *const programs[] = {
		"iptables",      "ip6tables", "iptables-legacy", "ip6tables-legacy", "iptables-nft",
		"ip6tables-nft", NULL};
	const char *slash = strrchr(word, '/'), *name = slash ? slash + 1 : word;
	bool variable = *name == '$';

	*ipv6 = strchr(name, '6') != NULL;
	return is_one_of(name, programs) ||
	       (variable && (!strncasecmp(name + 1, "ipt", 3) || !strncasecmp(name + 1, "ip6t", 4) ||
			     !strncasecmp(name + 1, "ip4t", 4) || strcasestr(name, "iptables")));
}

/* Words that may stand before a command's own. */
static bool is_prefix(const char *word)
{
	static const char *const prefixes[] = {"sudo", "exec", "command", "then", "else",
					       "do",   "!",    "{",       "(",    NULL};
	const char *equals = strchr(word, '=');

	return is_one_of(word, prefixes) ||
	       (equals && equals > word && (isalpha((unsigned char)*word) || *word == '_'));
}

/* Only ends something, or says nothing about packets. */
static bool is_idle(const char *word)
{
	static const char *const idle[] = {"fi", "done", "esac", "}",    ")", ";;",
					   ":",  "true", "set",  "exit", NULL};

	return is_one_of(word, idle);
}

static bool is_control_flow(const char *word)
{
	static const char *const words[] = {"if", "elif", "for", "while", "until", "case", "function", NULL};

	return is_one_of(word, words) || strstr(word, "()");
}

static void shell_command(struct klips *k, const struct shell_command *c)
{
	size_t i = 0;
	bool ipv6;

	while (i < c->count && is_prefix(c->words[i].text))
		i++;
	if (i == c->count || is_idle(c->words[i].text))
		return;
	if (is_iptables(c->words[i].text, &ipv6))
		klips_command(k, ipv6, NULL, c, c->words + i + 1, c->count - i - 1);
	else if (is_control_flow(c->words[i].text))
		klips_note(k, c->line, c->original,
			   "the shell decides here; the rules are translated as if they always ran");
	else
		klips_note(k, c->line, c->original, "no iptables command");
}

static void translate_script(struct klips *k, const char *text, size_t length)
{
	struct shell_reader reader = {.arena = &k->arena, .at = text, .end = text + length, .line = 1};
	struct shell_command c;

	while (shell_next(&reader, &c))
		shell_command(k, &c);
}

/* ":CHAIN POLICY [packets:bytes]" is -P for a base chain and -N for another. */
static void saved_chain(struct klips *k, bool ipv6, const char *table, const struct shell_command *c)
{
	struct shell_word words[3] = {{.text = "-P"}, {.text = c->words[0].text + 1}, {.text = "ACCEPT"}};

	if (c->count > 1 && strcmp(c->words[1].text, "-") != 0) {
		words[2].text = c->words[1].text;
		klips_command(k, ipv6, table, c, words, 3);
		return;
	}
	words[0].text = "-N";
	klips_command(k, ipv6, table, c, words, 2);
}

/* iptables-save: "*table", ":CHAIN POLICY", "[packets:bytes] -A ...", "COMMIT". */
static void translate_saved(struct klips *k, const char *text, size_t length)
{
	struct shell_reader reader = {
		.arena = &k->arena, .at = text, .end = text + length, .line = 1, .literal = true};
	const char *table = NULL, *seen = text;
	bool ipv6 = k->options->ipv6;
	struct shell_command c;

	while (shell_next(&reader, &c)) {
		size_t first = c.words[0].text[0] == '[' ? 1 : 0;

		/* The comment above a table says whose output it is. */
		if (memmem(seen, (size_t)(reader.at - seen), "by ip6tables-save", 17))
			ipv6 = true;
		else if (memmem(seen, (size_t)(reader.at - seen), "by iptables-save", 16))
			ipv6 = false;
		seen = reader.at;
		if (c.words[0].text[0] == '*')
			table = c.words[0].text + 1;
		else if (!strcmp(c.words[0].text, "COMMIT"))
			table = NULL;
		else if (!table)
			klips_note(k, c.line, c.original, "no \"*table\" line stands before it");
		else if (c.words[0].text[0] == ':')
			saved_chain(k, ipv6, table, &c);
		else
			klips_command(k, ipv6, table, &c, c.words + first, c.count - first);
	}
}

/* The first word of the input decides: iptables-save begins with "*table". */
static bool is_saved(const char *text, size_t length)
{
	struct arena arena = {0};
	struct shell_reader reader = {.arena = &arena, .at = text, .end = text + length, .literal = true};
	struct shell_command c;
	bool saved = shell_next(&reader, &c) && c.words[0].text[0] == '*';

	arena_free(&arena);
	return saved;
}

int klips_translate(FILE *out, const char *text, size_t length, const struct klips_options *options,
		    struct klips_summary *summary)
{
	struct klips k = {.options = options, .summary = summary};
	int rc;

	k.source = printable(&k.arena, options->source);
	*summary = (struct klips_summary){0};
	if (is_saved(text, length))
		translate_saved(&k, text, length);
	else
		translate_script(&k, text, length);
	rc = klips_print(&k, out);
	arena_free(&k.arena);
	return rc;
}
