/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim check: what keeps these clients out, and how to mend it; changes nothing. Here are the options and the printing;
 * the checks are shim/check's. */
#include "rules/ruleset.h"
#include "shim/check/check.h"
#include "shim/check/emit.h"
#include "shim/check/read.h"
#include "shim/cmd/cmd.h"
#include "shim/config.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_QUEUE 1701

struct check_command {
	struct check_options options;
	const char *emit, *address, *lns;
	const char *config_file; /* natshim's; NULL: the usual one */
	bool json, help;
};

static const char usage_text[] =
	"Usage: natshim check [OPTION]...\n"
	"Find what keeps L2TP/IPsec clients out, and say how to mend it. Changes nothing.\n"
	"  --iface NAME               the interface that clients come in on (repeatable)\n"
	"  --server-name NAME         what users type as server address\n"
	"  --libreswan-config FILE    /etc/ipsec.conf\n"
	"  --ipsec-secrets FILE       /etc/ipsec.secrets\n"
	"  --swanctl-dir DIR          /etc/swanctl\n"
	"  --vici PATH                charon's socket\n"
	"  --xl2tpd-config FILE       /etc/xl2tpd/xl2tpd.conf\n"
	"  --ppp-options FILE         what xl2tpd's pppoptfile names\n"
	"  --cert FILE                the server's certificate (PEM); else the conn's leftcert\n"
	"  --ca FILE                  the certificates of its issuers (PEM)\n"
	"  --config FILE              natshim's own (/etc/natshim.conf)\n"
	"  --queue-num N              the first NFQUEUE number of natshim (1701)\n"
	"  --json                     the findings as JSON\n"
	"  --emit WHAT                print a known-good configuration instead: libreswan, strongswan, "
	"xl2tpd, pppd\n"
	"  --address ADDR             for --emit: the server's own address towards the clients\n"
	"  --lns ADDR                 for --emit xl2tpd: the address on which xl2tpd listens\n"
	"  -h, --help                 this text\n"
	"Exit status: 0 nothing to mend (hints alone are no reason), 1 something, 2 usage.\n";

static bool usage_error(const char *what, const char *why)
{
	fprintf(stderr, "natshim: check: %s: %s\n", what, why);
	return false;
}

static bool add_iface(struct check_options *o, const char *name)
{
	if (o->iface_count == FACTS_IFACES_MAX)
		return usage_error(name, "is one interface too many");
	if (!*name || strlen(name) > 15 || strchr(name, '/'))
		return usage_error(name, "is no name of an interface");
	o->ifaces[o->iface_count++] = name;
	return true;
}

static bool set_queue(struct check_options *o, const char *text)
{
	char *end;
	const unsigned long value = strtoul(text, &end, 10);

	if (!*text || *end || value > RULES_QUEUE_MAX)
		return usage_error(text, "is no queue number, 0 to 65534");
	o->queue_number = (unsigned)value;
	return true;
}

enum option_id {
	OPT_IFACE = 256,
	OPT_QUEUE,
	OPT_JSON,
	OPT_TEXT, /* OPT_TEXT + index in text_place(): a word that is kept */
};

static const struct option long_options[] = {
	{"iface", required_argument, NULL, OPT_IFACE},
	{"queue-num", required_argument, NULL, OPT_QUEUE},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{"server-name", required_argument, NULL, OPT_TEXT},
	{"libreswan-config", required_argument, NULL, OPT_TEXT + 1},
	{"ipsec-secrets", required_argument, NULL, OPT_TEXT + 2},
	{"swanctl-dir", required_argument, NULL, OPT_TEXT + 3},
	{"vici", required_argument, NULL, OPT_TEXT + 4},
	{"xl2tpd-config", required_argument, NULL, OPT_TEXT + 5},
	{"ppp-options", required_argument, NULL, OPT_TEXT + 6},
	{"cert", required_argument, NULL, OPT_TEXT + 7},
	{"ca", required_argument, NULL, OPT_TEXT + 8},
	{"emit", required_argument, NULL, OPT_TEXT + 9},
	{"address", required_argument, NULL, OPT_TEXT + 10},
	{"lns", required_argument, NULL, OPT_TEXT + 11},
	{"config", required_argument, NULL, OPT_TEXT + 12},
	{NULL, 0, NULL, 0},
};

static const char **text_place(struct check_command *c, int index)
{
	struct check_options *o = &c->options;
	const char **const places[] = {
		&o->server_name,   &o->libreswan_config,
		&o->ipsec_secrets, &o->swanctl_dir,
		&o->vici,          &o->xl2tpd_config,
		&o->ppp_options,   &o->certificate,
		&o->authority,     &c->emit,
		&c->address,       &c->lns,
		&c->config_file,
	};

	return places[index];
}

static bool parse_arguments(struct check_command *c, int argc, char **argv)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (option == 'h')
			c->help = true;
		else if (option == OPT_JSON)
			c->json = true;
		else if ((option == OPT_IFACE && !add_iface(&c->options, optarg)) ||
			 (option == OPT_QUEUE && !set_queue(&c->options, optarg)))
			return false;
		else if (option >= OPT_TEXT)
			*text_place(c, option - OPT_TEXT) = optarg;
		else if (option == ':')
			return usage_error(argv[optind - 1], "wants a value");
		else if (option == '?')
			return usage_error(argv[optind - 1],
					   "not understood; natshim check --help lists the options");
	}
	if (optind < argc)
		return usage_error(argv[optind], "not understood; natshim check takes options only");
	return true;
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

struct printer {
	json_t *array; /* NULL: text */
	unsigned count[CHECK_HINT + 1];
};

static void print_mend(const char *mend)
{
	const char *lead = "    mend: ";

	while (*mend) {
		const size_t n = strcspn(mend, "\n");

		printf("%s%.*s\n", lead, (int)n, mend);
		mend += n + (mend[n] == '\n');
		lead = "          ";
	}
}

static void print_finding(void *ctx, const struct check_finding *f)
{
	struct printer *p = ctx;

	p->count[f->severity]++;
	if (p->array) {
		json_array_append_new(p->array, json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", f->id,
							  "severity", check_severity_name(f->severity),
							  "found", f->found, "why", f->why, "mend", f->mend));
		return;
	}
	printf("%s %s: %s\n    why:  %s\n", check_severity_name(f->severity), f->id, f->found, f->why);
	print_mend(f->mend);
}

static void print_summary(const struct printer *p)
{
	const unsigned errors = p->count[CHECK_ERROR], warnings = p->count[CHECK_WARNING],
		       hints = p->count[CHECK_HINT];

	if (errors + warnings == 0)
		printf("nothing to mend (%u hint%s)\n", hints, hints == 1 ? "" : "s");
	else
		printf("%u error%s, %u warning%s, %u hint%s\n", errors, errors == 1 ? "" : "s", warnings,
		       warnings == 1 ? "" : "s", hints, hints == 1 ? "" : "s");
}

/* natshim's own configuration, as run would have it on the interfaces that were named. False: why is in error. */
static bool load_config(const struct check_command *c, struct config *config,
			char error[static CONFIG_ERROR_MAX])
{
	char *words[FACTS_IFACES_MAX + 3], *texts[FACTS_IFACES_MAX + 1];
	int count = 0, made = 0;
	char name[] = "check";
	bool done = true;

	words[count++] = name;
	for (unsigned i = 0; done && i < (c->options.iface_count ? c->options.iface_count : 1); i++) {
		done = asprintf(&texts[made], "--iface=%s",
				c->options.iface_count ? c->options.ifaces[i] : "any") > 0;
		words[count++] = texts[made];
		made += done;
	}
	if (done && c->config_file) {
		done = asprintf(&texts[made], "--config=%s", c->config_file) > 0;
		words[count++] = texts[made];
		made += done;
	}
	words[count] = NULL;
	snprintf(error, CONFIG_ERROR_MAX, "out of memory");
	done = done && config_load(config, count, words, error) == CONFIG_OK;
	while (made)
		free(texts[--made]);
	return done;
}

static int run_checks(const struct check_command *c)
{
	struct printer printer = {.array = c->json ? json_array() : NULL};
	struct check_facts *facts = malloc(sizeof *facts);
	struct check_options options = c->options;
	struct config config = {.interface_count = 0};
	char error[CONFIG_ERROR_MAX];
	int status = EXIT_FAILED;

	if (!facts || (c->json && !printer.array)) {
		fprintf(stderr, "natshim: check: out of memory\n");
		free(facts);
		return EXIT_FAILED;
	}
	if (load_config(c, &config, error))
		options.config = &config;
	options.config_error = error;
	check_read_all(&options, facts);
	check_run(facts, print_finding, &printer);
	check_facts_clear(facts);
	config_free(&config);
	free(facts);
	if (!printer.count[CHECK_ERROR] && !printer.count[CHECK_WARNING])
		status = EXIT_DONE;
	if (c->json) {
		json_t *all = json_pack("{s:o}", "checks", printer.array);

		json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
		json_decref(all);
	} else {
		print_summary(&printer);
	}
	return status;
}

int cmd_check(int argc, char **argv)
{
	struct check_command c = {.options.queue_number = DEFAULT_QUEUE};

	if (!parse_arguments(&c, argc, argv))
		return EXIT_USAGE;
	if (c.help) {
		fputs(usage_text, stdout);
		return EXIT_DONE;
	}
	if (!c.emit)
		return run_checks(&c);
	if (!emit_config(stdout, c.emit, c.address, c.lns)) {
		usage_error(c.emit, "is not libreswan, strongswan, xl2tpd or pppd");
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}
