/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libFuzzer: klips_translate() with a stand-in for iptables-translate. The first byte chooses: bit 0 --iface, bit 1 --ipv6,
 * bits 2-3 how the stand-in answers (a rule, two rules, nothing of use, failure), bit 5 --arg start. Checked: every line that comes out has a
 * form of our own, or is a comment, or holds the stand-in's rule; so nothing of the input is taken for nft's language. */
#include "rules/klips/klips.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RULE "counter comment \"of the stand-in\""

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct klips_binding bindings[] = {{"ipsec0", "eth0"}, {"ipsec1", "eth1"}};

static const char *const arguments[] = {"start"};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool answer(void *ctx, const char *const argv[], char **text)
{
	const uint8_t *how = ctx;
	const char *family = strchr(argv[0], '6') ? "ip6" : "ip";
	int rc;

	check(!strcmp(argv[1], "-t") && !strcmp(argv[3], "-A"));
	for (size_t i = 5; argv[i]; i++)
		check(!strpbrk(argv[i], "\"\n"));
	switch (*how >> 2 & 3) {
	case 0:
		rc = asprintf(text, "nft 'add rule %s %s %s " RULE "'\n", family, argv[2], argv[4]);
		return rc > 0;
	case 1:
		rc = asprintf(text,
			      "nft 'add rule %s %s %s " RULE "'\nnft 'add rule %s %s %s " RULE " jump %s'\n",
			      family, argv[2], argv[4], family, argv[2], argv[4], argv[5] ? argv[5] : "");
		return rc > 0;
	case 2:
		*text = strdup("nft # of no use\n");
		return true;
	default:
		*text = NULL;
		return false;
	}
}

static void ignore(void *ctx, unsigned line, const char *reason)
{
	(void)ctx;
	check(line > 0 && *reason && !strchr(reason, '\n'));
}

static bool has_form(const char *line)
{
	static const char *const begins[] = {"#",      "}",     "table ip",    "delete table ip",
					     "chain ", "type ", "not-whole # "};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (!strncmp(line, begins[i], strlen(begins[i])))
			return true;
	return !*line || strstr(line, RULE);
}

/* What is not whole must not load. */
static void check_whole(const char *text, const struct klips_summary *summary)
{
	check(summary->not_followed <= summary->untranslated);
	check(!summary->not_followed == !strstr(text, "\nnot-whole # "));
}

static void check_output(char *text, size_t length)
{
	int depth = 0;
	char *saved;

	check(strlen(text) == length);
	for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved)) {
		line += strspn(line, "\t");
		check(has_form(line));
		/* the stand-in's rule may end with a word of the input */
		depth += *line != '#' && line[strlen(line) - 1] == '{' && !strstr(line, RULE);
		depth -= *line == '}';
		check(depth >= 0 && depth <= 2);
	}
	check(depth == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct klips_options o = {.source = "fuzz", .run = answer, .complain = ignore};
	struct klips_summary summary;
	uint8_t how = size ? data[0] : 0;
	size_t length = 0;
	char *text = NULL;
	FILE *out;

	if (!size)
		return 0;
	o.bindings = how & 1 ? bindings : NULL;
	o.binding_count = how & 1 ? 1 + (how >> 4 & 1) : 0;
	o.ipv6 = how & 2;
	o.arguments = how & 32 ? arguments : NULL;
	o.argument_count = how & 32 ? 1 : 0;
	o.ctx = &how;
	out = open_memstream(&text, &length);
	check(!klips_translate(out, (const char *)data + 1, size - 1, &o, &summary));
	fclose(out);
	check_whole(text, &summary);
	check_output(text, length);
	free(text);
	return 0;
}
