/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The model's tables, chains and notes. */
#include "rules/klips/model.h"

#include <string.h>

/* As iptables calls its base chains. */
static const char *const hook_names[HOOKS] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};

static const struct table_kind kinds[] = {
	{"raw", HOOK_BIT(PREROUTING) | HOOK_BIT(OUTPUT), {-300, 0, 0, -300, 0}},
	{"mangle", (1u << HOOKS) - 1, {-150, -150, -150, -150, -150}},
	{"nat",
	 HOOK_BIT(PREROUTING) | HOOK_BIT(INPUT) | HOOK_BIT(OUTPUT) | HOOK_BIT(POSTROUTING),
	 {-100, 100, 0, -100, 100}},
	{"filter", HOOK_BIT(INPUT) | HOOK_BIT(FORWARD) | HOOK_BIT(OUTPUT), {0, 0, 0, 0, 0}},
	{"security", HOOK_BIT(INPUT) | HOOK_BIT(FORWARD) | HOOK_BIT(OUTPUT), {0, 50, 50, 50, 0}},
};

const char *klips_printable(struct arena *a, const char *text)
{
	char *copy = arena_strndup(a, text, strlen(text));

	for (char *c = copy; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return copy;
}

const char *klips_refuse(struct klips *k, unsigned line, const char *reason)
{
	reason = klips_printable(&k->arena, reason);
	k->summary->untranslated++;
	k->options->complain(k->options->ctx, line, reason);
	return reason;
}

/* A loop says the same again and again. */
static bool is_noted(const struct klips *k, enum note_kind kind, unsigned line, const char *reason)
{
	size_t first = k->note_count > 64 ? k->note_count - 64 : 0;

	for (size_t i = first; i < k->note_count; i++)
		if (k->notes[i].kind == kind && k->notes[i].line == line &&
		    !strcmp(k->notes[i].reason, reason))
			return true;
	return false;
}

void klips_note(struct klips *k, enum note_kind kind, unsigned line, const char *original, const char *reason)
{
	reason = klips_printable(&k->arena, reason);
	if (is_noted(k, kind, line, reason))
		return;
	if (kind != NOTE_REMARK)
		klips_refuse(k, line, reason);
	k->summary->not_followed += kind == NOTE_NOT_FOLLOWED;
	k->notes = arena_grow(&k->arena, k->notes, k->note_count, sizeof(*k->notes));
	k->notes[k->note_count++] =
		(struct klips_note){.kind = kind, .line = line, .original = original, .reason = reason};
}

static void add_base_chains(struct klips *k, struct klips_table *t)
{
	for (enum hook hook = 0; hook < HOOKS; hook++) {
		struct klips_chain *c;

		if (!(t->kind->hooks & 1u << hook))
			continue;
		c = arena_alloc(&k->arena, sizeof(*c));
		*c = (struct klips_chain){.name = hook_names[hook], .base = true, .hook = hook};
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
