/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables-save's output, from a file or from a script's here-document for iptables-restore: "*table",
 * ":CHAIN POLICY", "[packets:bytes] -A ...", "COMMIT". iptables-restore(8). */
#include "rules/klips/model.h"

#include <string.h>

/* ":CHAIN POLICY [packets:bytes]" is -P for a base chain and -N for another. */
static void saved_chain(struct klips_saved *s, const struct shell_command *c)
{
	struct shell_word words[3] = {{.text = "-P"}, {.text = c->words[0].text + 1}, {.text = "ACCEPT"}};

	if (c->count > 1 && strcmp(c->words[1].text, "-") != 0) {
		words[2].text = c->words[1].text;
		klips_command(s->k, s->ipv6, s->table, c, words, 3, false);
		return;
	}
	words[0].text = "-N";
	klips_command(s->k, s->ipv6, s->table, c, words, 2, false);
}

void klips_saved_line(struct klips_saved *s, struct shell_command *c)
{
	size_t first = c->words[0].text[0] == '[' ? 1 : 0;

	if (c->words[0].text[0] == '*') {
		struct klips_table *t = klips_table(s->k, s->ipv6, c->words[0].text + 1);

		s->table = c->words[0].text + 1;
		if (t && s->flushes)
			klips_clear(t);
	} else if (!strcmp(c->words[0].text, "COMMIT")) {
		s->table = NULL;
	} else if (!s->table) {
		klips_note(s->k, NOTE_REFUSED, c->line, c->original, "no \"*table\" line stands before it");
	} else if (c->words[0].text[0] == ':') {
		saved_chain(s, c);
	} else {
		klips_command(s->k, s->ipv6, s->table, c, c->words + first, c->count - first, false);
	}
}

void klips_saved(struct klips *k, const char *text, size_t length)
{
	struct shell_reader reader = {.arena = &k->arena, .at = text, .end = text + length, .line = 1};
	struct klips_saved saved = {.k = k, .ipv6 = k->options->ipv6};
	const char *seen = text;
	struct shell_command c;

	while (shell_next_line(&reader, &c)) {
		/* The comment above a table says whose output it is. */
		if (memmem(seen, (size_t)(reader.at - seen), "by ip6tables-save", 17))
			saved.ipv6 = true;
		else if (memmem(seen, (size_t)(reader.at - seen), "by iptables-save", 16))
			saved.ipv6 = false;
		seen = reader.at;
		klips_saved_line(&saved, &c);
	}
}
