/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A statement by itself, without running it: its words, and what is noted of it. */
#include "rules/klips/script.h"

#include <string.h>

void klips_not_followed(struct script *s, const struct shell_node *n, const char *reason)
{
	struct arena *a = &s->k->arena;

	if (!s->muted)
		klips_note(s->k, NOTE_NOT_FOLLOWED, n->source.line,
			   shell_one_line(a, n->source.begin, n->source.end), reason);
}

void klips_remark(struct script *s, const struct shell_node *n, const char *text)
{
	if (!s->muted)
		klips_note(s->k, NOTE_REMARK, n->source.line,
			   shell_one_line(&s->k->arena, n->source.begin, n->source.end), text);
}

struct function *klips_function(const struct script *s, const char *name)
{
	for (size_t i = 0; i < s->function_count; i++)
		if (!strcmp(s->functions[i].name, name))
			return &s->functions[i];
	return NULL;
}

bool klips_is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(word, *list))
			return true;
	return false;
}

/* How many assignments stand in front. */
size_t klips_assignments(const struct shell_node *n)
{
	size_t i = 0;

	while (i < n->word_count && shell_assigned_name(n->words[i].begin, n->words[i].end))
		i++;
	return i;
}

void klips_words(struct script *s, const struct shell_node *n, struct shell_command *out)
{
	static const char *const prefixes[] = {"sudo", "exec",    "command", "builtin", "nohup",
					       "env",  "busybox", "time",    "nice",    NULL};
	struct shell_command c = {0};
	size_t first = 0;

	*out = (struct shell_command){.line = n->source.line};
	for (size_t i = klips_assignments(n); i < n->word_count; i++) {
		s->reader.line = n->words[i].line;
		shell_expand(&s->reader, n->words[i].begin, n->words[i].end, SHELL_FIELDS, &c);
	}
	while (first + 1 < c.count &&
	       (klips_is_one_of(c.words[first].text, prefixes) ||
		(first && shell_assigned_name(c.words[first].text,
					      c.words[first].text + strlen(c.words[first].text)))))
		first++;
	/* Red Hat's: action "message" command... */
	if (first + 2 < c.count && !strcmp(c.words[first].text, "action"))
		first += 2;
	out->words = c.words ? c.words + first : NULL;
	out->count = c.count - first;
}
