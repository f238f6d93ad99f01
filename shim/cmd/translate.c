/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim translate: old iptables rules for KLIPS in, nftables rules for XFRM out. The work is rules/klips/klips.c's; here are
 * the options, the files, and iptables-translate as a child process. */
#include "rules/klips/klips.h"
#include "shim/proc/command.h"
#include "shim/cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (4u << 20) /* bytes */
#define BINDINGS_MAX 8
#define ARGUMENTS_MAX 32
#define TRANSLATOR_TIMEOUT_MS 5000

struct translate {
	const char *file; /* NULL: standard input */
	const char *source;
	struct klips_binding bindings[BINDINGS_MAX];
	size_t binding_count;
	const char *arguments[ARGUMENTS_MAX + 1]; /* --arg */
	size_t argument_count;
	bool argued; /* --arg was given, be it an empty one */
	bool ipv6, help;
};

static const char usage_text[] =
	"Usage: natshim translate [OPTION]... [FILE]\n"
	"Translate iptables rules of KLIPS times into nftables rules for XFRM. FILE (or standard input) is a "
	"shell\n"
	"script, or the output of iptables-save or ip6tables-save. -i ipsec0 becomes \"meta secpath "
	"exists\", -o ipsec0\n"
	"\"rt ipsec exists\"; iptables-translate does the rest. The output is for nft -f.\n"
	"  --iface NAME          the interface that ipsec0 was bound to; rules for NAME itself then mean "
	"unprotected\n"
	"                        packets only, as with KLIPS\n"
	"  --iface ipsecN=NAME   likewise for ipsecN (repeatable)\n"
	"  --ipv6                iptables-save output without its heading is ip6tables'\n"
	"  --arg WORD            an argument of the script, such as start (repeatable: $1, $2, ...); without "
	"it, a script\n"
	"                        whose branches depend on it is not translated; --arg '' is a call without "
	"arguments\n"
	"  -h, --help            this text\n"
	"Exit status: 0 everything is translated, 1 something is left as a comment with the reason, 2 usage. "
	"If a script\n"
	"cannot be followed (loops over input, conditions that only a running system decides), nft refuses "
	"the output.\n";

static bool usage_error(const char *what, const char *why)
{
	fprintf(stderr, "natshim: translate: %s: %s\n", what, why);
	return false;
}

/* IFNAMSIZ is 16 with its end; the characters are those that need no quoting anywhere. */
static bool is_interface(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:@-");

	return length && length < 16 && !name[length] && strncmp(name, "ipsec", 5) != 0;
}

static bool add_binding(struct translate *t, char *value)
{
	char *equals = strchr(value, '=');
	const char *virtual = "ipsec0", *physical = value;

	if (equals) {
		*equals = '\0';
		virtual = value;
		physical = equals + 1;
		if (strncmp(virtual, "ipsec", 5) != 0 || !virtual[5] ||
		    virtual[5 + strspn(virtual + 5, "0123456789")])
			return usage_error(virtual,
					   "is no KLIPS interface, they are called ipsec0, ipsec1, ...");
	}
	if (!is_interface(physical))
		return usage_error(physical, "is no name of a physical interface");
	for (size_t i = 0; i < t->binding_count; i++)
		if (!strcmp(t->bindings[i].virtual, virtual))
			return usage_error(virtual, "is bound twice");
	if (t->binding_count == BINDINGS_MAX)
		return usage_error(physical, "is one interface too many");
	t->bindings[t->binding_count++] = (struct klips_binding){.virtual = virtual, .physical = physical};
	return true;
}

/* An empty one alone is a call without words. */
static bool add_argument(struct translate *t, const char *word)
{
	if (t->argument_count == ARGUMENTS_MAX)
		return usage_error(word, "is one --arg too many");
	if (t->argued && !t->argument_count)
		t->arguments[t->argument_count++] = "";
	t->argued = true;
	if (*word || t->argument_count)
		t->arguments[t->argument_count++] = word;
	return true;
}

static bool parse_arguments(struct translate *t, int argc, char **argv)
{
	static const struct option options[] = {
		{"iface", required_argument, NULL, 'i'},
		{"arg", required_argument, NULL, 'a'},
		{"ipv6", no_argument, NULL, '6'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == 'i' && !add_binding(t, optarg))
			return false;
		if (option == 'a' && !add_argument(t, optarg))
			return false;
		if (option == ':')
			return usage_error(argv[optind - 1], "wants a value");
		if (option == '?')
			return usage_error(argv[optind - 1],
					   "is no option of it (see natshim translate --help)");
		t->ipv6 = t->ipv6 || option == '6';
		t->help = t->help || option == 'h';
	}
	if (argc - optind > 1)
		return usage_error(argv[optind + 1],
				   "one FILE is all it reads (see natshim translate --help)");
	if (optind < argc && strcmp(argv[optind], "-") != 0)
		t->file = argv[optind];
	t->source = t->file ? t->file : "standard input";
	return true;
}

/* The first line, without the program's own name in front. */
static char *first_line(const char *text)
{
	const char *colon = strstr(text, "): ");
	size_t length;

	if (colon && colon < text + strcspn(text, "\n"))
		text = colon + 3;
	length = strcspn(text, "\n");
	return strndup(text, length);
}

static bool run_translator(void *ctx, const char *const argv[], char **text)
{
	const struct command_options options = {.timeout_ms = TRANSLATOR_TIMEOUT_MS};
	struct command_result r;
	int rc = command_run(argv, &options, &r);

	(void)ctx;
	*text = NULL;
	if (rc == 0 && command_succeeded(&r) && !r.out.cut) {
		*text = r.out.text;
		r.out.text = NULL;
	} else if (rc) {
		if (asprintf(text, "%s cannot be run: %s", argv[0], strerror(-rc)) < 0)
			*text = NULL;
	} else if (r.timed_out) {
		if (asprintf(text, "%s did not end within %d s", argv[0], TRANSLATOR_TIMEOUT_MS / 1000) < 0)
			*text = NULL;
	} else {
		*text = first_line(*r.err.text ? r.err.text : r.out.text);
	}
	rc = rc == 0 && command_succeeded(&r) && !r.out.cut;
	command_result_clear(&r);
	return rc;
}

static void complain(void *ctx, unsigned line, const char *reason)
{
	const struct translate *t = ctx;

	fprintf(stderr, "natshim: %s:%u: %s\n", t->source, line, reason);
}

/* All of it, or NULL and errno. */
static char *read_all(FILE *in, size_t *length)
{
	size_t capacity = 65536;
	char *text = NULL;

	*length = 0;
	do {
		char *grown = realloc(text, capacity);

		if (!grown) {
			free(text);
			return NULL;
		}
		text = grown;
		*length += fread(text + *length, 1, capacity - *length, in);
		if (*length < capacity)
			break;
		capacity *= 2;
	} while (capacity <= INPUT_MAX);
	if (ferror(in) || *length > INPUT_MAX / 2) {
		errno = ferror(in) ? errno : EFBIG;
		free(text);
		return NULL;
	}
	return text;
}

static int translate(const struct translate *t, FILE *in)
{
	struct klips_options options = {.source = t->source,
					.bindings = t->bindings,
					.binding_count = t->binding_count,
					.ipv6 = t->ipv6,
					.arguments = t->argued ? t->arguments : NULL,
					.argument_count = t->argument_count,
					.run = run_translator,
					.complain = complain};
	struct translate copy = *t;
	struct klips_summary summary;
	size_t length;
	char *text = read_all(in, &length);
	int rc;

	if (!text) {
		fprintf(stderr, "natshim: %s: %s\n", t->source, strerror(errno));
		return EXIT_FAILED;
	}
	options.ctx = &copy;
	rc = klips_translate(stdout, text, length, &options, &summary);
	free(text);
	if (rc) {
		fprintf(stderr, "natshim: standard output: %s\n", strerror(-rc));
		return EXIT_FAILED;
	}
	return summary.untranslated ? EXIT_FAILED : EXIT_DONE;
}

int cmd_translate(int argc, char **argv)
{
	struct translate t = {0};
	FILE *file;
	int status;

	if (!parse_arguments(&t, argc, argv))
		return EXIT_USAGE;
	if (t.help) {
		fputs(usage_text, stdout);
		return EXIT_DONE;
	}
	if (!t.file)
		return translate(&t, stdin);
	file = fopen(t.file, "re");
	if (!file) {
		fprintf(stderr, "natshim: %s: %s\n", t.file, strerror(errno));
		return EXIT_FAILED;
	}
	status = translate(&t, file);
	fclose(file);
	return status;
}
