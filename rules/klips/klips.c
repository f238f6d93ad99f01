/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See klips.h. Here: what kind of input it is, and the way from there to nft's text. */
#include "rules/klips/model.h"

/* The first word of the input decides: iptables-save begins with "*table". */
static bool is_saved(const char *text, size_t length)
{
	struct arena arena = {0};
	struct shell_reader reader = {.arena = &arena, .at = text, .end = text + length};
	struct shell_command c;
	bool saved = shell_next_line(&reader, &c) && c.words[0].text[0] == '*';

	arena_free(&arena);
	return saved;
}

int klips_translate(FILE *out, const char *text, size_t length, const struct klips_options *options,
		    struct klips_summary *summary)
{
	struct klips k = {.options = options, .summary = summary};
	int rc;

	k.source = klips_printable(&k.arena, options->source);
	*summary = (struct klips_summary){0};
	if (is_saved(text, length))
		klips_saved(&k, text, length);
	else
		klips_script(&k, text, length);
	rc = klips_print(&k, out);
	arena_free(&k.arena);
	return rc;
}
