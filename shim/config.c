/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of options, and the two ways in which they arrive: getopt_long and natshim.conf (inih). Both end in the same
 * setters, so that a value is understood, bounded and refused in one place. No other I/O than reading the file. */
#include "shim/config.h"

#include "rules/ruleset.h"
#include "shim/bridge/dh.h"
#include "shim/log.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind {
	KIND_FLAG,     /* bool */
	KIND_TEXT,     /* char *, owned */
	KIND_NUMBER,   /* unsigned, between low and high */
	KIND_INTEGER,  /* int, between low and high */
	KIND_DURATION, /* unsigned, seconds: 30, 30s, 10m, 2h, off */
	KIND_CHOICE,   /* unsigned: the place of the word in choices */
	KIND_CUSTOM,   /* set() */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which the table below is read */
struct option_spec {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct config; for session keys in struct config_session */
	const char *argument;
	const char *help;
	const char *expected; /* for the error line */
	long low, high;
	const char *const *choices;
	const char *otherwise; /* where the value may be left out on the command line */
	const char *initial;   /* the default, as it would be written; NULL: none */
	bool (*set)(struct config *config, const char *value);
	void (*reset)(struct config *config); /* before the command line's first value replaces the file's */
	bool session;                         /* a member of struct config_session */
	bool by_dialect;                      /* allowed in a [dialect] section too */
	bool command_line_only;
	bool restart_only;    /* a reload keeps the running value */
	bool default_in_help; /* the help line tells the default in its own words, or need not */
	char letter;
};

static bool set_interface(struct config *c, const char *value)
{
	if (!*value || strlen(value) >= IF_NAMESIZE || strpbrk(value, " \t/\":") ||
	    c->interface_count == CONFIG_MAX_INTERFACES)
		return false;
	for (size_t i = 0; i < c->interface_count; i++)
		if (!strcmp(c->interfaces[i], value))
			return true;
	c->interfaces[c->interface_count] = strdup(value);
	return c->interfaces[c->interface_count++] != NULL;
}

static void reset_interfaces(struct config *c)
{
	while (c->interface_count)
		free(c->interfaces[--c->interface_count]);
}

static bool set_by_family(const char *value, struct endpoint *v4, struct endpoint *v6)
{
	struct endpoint e;

	if (!endpoint_parse(value, &e) || !endpoint_is_unicast(&e))
		return false;
	*(e.addr_len == 4 ? v4 : v6) = e;
	return true;
}

static bool set_lns(struct config *c, const char *value)
{
	if (!strcmp(value, "auto")) {
		c->lns_auto = true;
		return true;
	}
	return set_by_family(value, &c->lns4, &c->lns6);
}

static void reset_lns(struct config *c)
{
	c->lns_auto = false;
	c->lns4 = c->lns6 = (struct endpoint){.addr_len = 0};
}

/* ADDR/BITS, ADDR being the network's own. */
static bool set_alias_net(struct config *c, const char *value)
{
	char address[ENDPOINT_TEXT_MAX], *end;
	const char *const slash = strchr(value, '/');
	struct endpoint e;
	unsigned long bits;
	uint32_t host;

	if (!slash || (size_t)(slash - value) >= sizeof address || slash[1] < '0' || slash[1] > '9')
		return false;
	snprintf(address, sizeof address, "%.*s", (int)(slash - value), value);
	bits = strtoul(slash + 1, &end, 10);
	if (*end || bits < 8 || bits > 30 || !endpoint_parse(address, &e) || e.addr_len != 4 || e.port)
		return false;
	host = (uint32_t)e.addr[0] << 24 | (uint32_t)e.addr[1] << 16 | (uint32_t)e.addr[2] << 8 | e.addr[3];
	if (host & (UINT32_MAX >> bits))
		return false;
	c->alias_net = e;
	c->alias_prefix = (unsigned)bits;
	return true;
}

static bool set_public(struct config *c, const char *value)
{
	struct endpoint e;

	return endpoint_parse(value, &e) && !e.port && set_by_family(value, &c->public4, &c->public6);
}

static void reset_public(struct config *c)
{
	c->public4 = c->public6 = (struct endpoint){.addr_len = 0};
}

static bool set_text(char **place, const char *value)
{
	free(*place);
	*place = strdup(value);
	return *place != NULL;
}

/* RFC 2661 section 4.4.3: at least one octet; kept to what a host name may hold. */
static bool set_l2tp_hostname(struct config *c, const char *value)
{
	const size_t length = strlen(value);

	if (!length || length > 63)
		return false;
	for (const char *p = value; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *p))
			return false;
	return set_text(&c->l2tp_hostname, value);
}

static bool set_bridge_groups(struct config *c, const char *value)
{
	unsigned groups = 0;
	char *end;

	do {
		const unsigned long group = strtoul(value, &end, 10);

		if (end == value || group > 31 || !(DH_GROUPS_KNOWN & DH_GROUP_BIT(group)) ||
		    (*end && *end != ','))
			return false;
		groups |= DH_GROUP_BIT(group);
		value = end + 1;
	} while (*end);
	c->bridge_groups = groups;
	return true;
}

static bool set_verbose(struct config *c, const char *value)
{
	return log_parse_subjects(value, &c->verbose);
}

static const char *const bridge_choices[] = {"off", "needed", "always", NULL};
static const char *const alias_choices[] = {"off", "on", NULL};
static const char *const rules_choices[] = {"install", "external", NULL};
static const char *const log_choices[] = {"text", "json", NULL};
static const char *const hello_choices[] = {"pass", "absorb", NULL};
static const char *const stack_choices[] = {"auto", "libreswan", "strongswan", "xfrm", "none", NULL};

#define AT(member) offsetof(struct config, member)
#define AT_SESSION(member) offsetof(struct config_session, member)
#define SECONDS_EXPECTED "a time such as 30, 30s, 10m or 2h, or off"

static const struct option_spec options[] = {
	{.name = "iface",
	 .kind = KIND_CUSTOM,
	 .argument = "NAME",
	 .set = set_interface,
	 .reset = reset_interfaces,
	 .expected = "the name of a network interface (at most 16 of them; eth0:1 is no interface but an "
		     "address of eth0)",
	 .help = "the interface towards the clients; repeatable"},
	{.name = "lns",
	 .kind = KIND_CUSTOM,
	 .argument = "ADDR[:PORT]|auto",
	 .set = set_lns,
	 .reset = reset_lns,
	 .expected = "an address of a host (not 0.0.0.0, loopback, multicast or broadcast), ADDR:PORT, "
		     "[ADDR6]:PORT, or auto",
	 .help = "send decrypted L2TP to this address; once per address family; auto: xl2tpd's listen-addr"},
	{.name = "public",
	 .kind = KIND_CUSTOM,
	 .argument = "ADDR",
	 .set = set_public,
	 .reset = reset_public,
	 .expected = "an address of a host (not 0.0.0.0, loopback, multicast or broadcast) without a port",
	 .help = "the server's address as clients see it, if the server is behind a NAT",
	 .restart_only = true},
	{.name = "hide-nat",
	 .kind = KIND_FLAG,
	 .offset = AT(hide_nat),
	 .help = "hide from Windows that the server is behind a NAT (error 809); needs --public",
	 .restart_only = true,
	 .initial = "no",
	 .default_in_help = true},
	{.name = "allow-clear",
	 .kind = KIND_FLAG,
	 .offset = AT(allow_clear),
	 .help = "do not drop unencrypted L2TP (udp/1701) on the interfaces"},
	{.name = "l2tp-hostname",
	 .kind = KIND_CUSTOM,
	 .argument = "NAME",
	 .set = set_l2tp_hostname,
	 .expected = "1 to 63 letters, digits, dots, hyphens or underscores",
	 .help = "the Host Name for a client that sends none",
	 .initial = "anonymous",
	 .restart_only = true},
	{.name = "hello",
	 .kind = KIND_CHOICE,
	 .offset = AT(hello),
	 .argument = "pass|absorb",
	 .choices = hello_choices,
	 .help = "pass the LNS' HELLO to a Mac, or absorb and answer it",
	 .initial = "pass"},
	{.name = "stack",
	 .kind = KIND_CHOICE,
	 .offset = AT(stack),
	 .argument = "auto|libreswan|strongswan|xfrm|none",
	 .choices = stack_choices,
	 .help = "the stack that ends sessions; auto: the one that runs; none: end no sessions",
	 .initial = "auto",
	 .restart_only = true},
	{.name = "dead-after",
	 .kind = KIND_DURATION,
	 .offset = AT_SESSION(dead_after),
	 .argument = "TIME",
	 .session = true,
	 .expected = SECONDS_EXPECTED,
	 .high = 86400,
	 .help = "end a session if packets go out and nothing comes back for that long",
	 .initial = "30s"},
	{.name = "idle-timeout",
	 .kind = KIND_DURATION,
	 .offset = AT_SESSION(idle_timeout),
	 .argument = "TIME",
	 .session = true,
	 .by_dialect = true,
	 .expected = SECONDS_EXPECTED,
	 .high = 604800,
	 .help = "end a session without activity for that long",
	 .initial = "10m"},
	{.name = "supersede-after",
	 .kind = KIND_DURATION,
	 .offset = AT_SESSION(supersede_after),
	 .argument = "TIME",
	 .session = true,
	 .expected = SECONDS_EXPECTED,
	 .high = 86400,
	 .help = "when a client connects again, end its old session if silent for that long",
	 .initial = "22s"},
	{.name = "end-closed",
	 .kind = KIND_CHOICE,
	 .offset = AT_SESSION(end_closed),
	 .argument = "yes|no",
	 .session = true,
	 .help = "end a session when its client closes the L2TP tunnel",
	 .initial = "yes"},
	{.name = "keep-warm",
	 .kind = KIND_DURATION,
	 .offset = AT_SESSION(keep_warm),
	 .argument = "TIME",
	 .session = true,
	 .by_dialect = true,
	 .expected = SECONDS_EXPECTED,
	 .high = 3600,
	 .help = "send an ICMP echo through a tunnel that carried no payload for that long",
	 .initial = "off"},
	{.name = "bridge",
	 .kind = KIND_CHOICE,
	 .offset = AT(bridge),
	 .argument = "off|needed|always",
	 .otherwise = "needed",
	 .choices = bridge_choices,
	 .help = "relay phase 1 for clients that the server's policy refuses; needs --psk-file",
	 .initial = "off",
	 .restart_only = true},
	{.name = "alias",
	 .kind = KIND_CHOICE,
	 .offset = AT(alias),
	 .argument = "on|off",
	 .choices = alias_choices,
	 .help = "several clients behind one NAT: the server sees all but the first at aliases",
	 .initial = "on",
	 .restart_only = true},
	{.name = "alias-net",
	 .kind = KIND_CUSTOM,
	 .argument = "ADDR/BITS",
	 .set = set_alias_net,
	 .expected = "an IPv4 network of 8 to 30 bits, like 198.18.0.0/16",
	 .help = "take the aliases from this network, which must be unused",
	 .initial = "198.18.0.0/16",
	 .restart_only = true},
	{.name = "psk-file",
	 .kind = KIND_TEXT,
	 .offset = AT(psk_file),
	 .argument = "FILE",
	 .expected = "a file",
	 .help = "the pre-shared keys for bridge, as in ipsec.secrets; readable by root only",
	 .restart_only = true},
	{.name = "bridge-groups",
	 .kind = KIND_CUSTOM,
	 .argument = "LIST",
	 .set = set_bridge_groups,
	 .expected = "some of 1, 2, 5 and 14, with commas between them",
	 .help = "bridge a client that offers only these Diffie-Hellman groups",
	 .initial = "1,2,5",
	 .restart_only = true},
	{.name = "queue-num",
	 .kind = KIND_NUMBER,
	 .offset = AT(queue_number),
	 .argument = "N",
	 .high = RULES_QUEUE_MAX,
	 .expected = "a number from 0 to 65534",
	 .help = "the NFQUEUE numbers: this one and the next",
	 .initial = "1701",
	 .restart_only = true},
	{.name = "rules",
	 .kind = KIND_CHOICE,
	 .offset = AT(rules),
	 .argument = "install|external",
	 .choices = rules_choices,
	 .help = "external: install no rules; your own firewall has what `natshim rules' prints",
	 .initial = "install",
	 .restart_only = true},
	{.name = "priority",
	 .kind = KIND_INTEGER,
	 .offset = AT(priority),
	 .argument = "N",
	 .low = -49,
	 .high = 49,
	 .expected = "a number from -49 to 49",
	 .help = "move the hook priorities of all rules by N",
	 .initial = "0"},
	{.name = "state-dir",
	 .kind = KIND_TEXT,
	 .offset = AT(state_dir),
	 .argument = "DIR",
	 .expected = "a directory",
	 .help = "keep the state for a restart in this directory",
	 .initial = CONFIG_DEFAULT_STATE_DIR,
	 .restart_only = true},
	{.name = "socket",
	 .kind = KIND_TEXT,
	 .offset = AT(socket_path),
	 .argument = "PATH",
	 .expected = "a path",
	 .help = "the control socket (control.sock in the state directory)",
	 .restart_only = true},
	{.name = "socket-group",
	 .kind = KIND_TEXT,
	 .offset = AT(socket_group),
	 .argument = "GROUP",
	 .expected = "the name of a group",
	 .help = "the group that may use the control socket besides root",
	 .restart_only = true},
	{.name = "metrics-file",
	 .kind = KIND_TEXT,
	 .offset = AT(metrics_file),
	 .argument = "FILE",
	 .expected = "a file",
	 .help = "write counters to this file every 15 s, for node_exporter's text file collector",
	 .restart_only = true},
	{.name = "log-format",
	 .kind = KIND_CHOICE,
	 .offset = AT(log_format),
	 .argument = "text|json",
	 .choices = log_choices,
	 .help = "the format of the lines on standard error",
	 .initial = "text",
	 .restart_only = true},
	{.name = "verbose",
	 .letter = 'v',
	 .kind = KIND_CUSTOM,
	 .argument = "SUBJECT,...",
	 .otherwise = "packets",
	 .set = set_verbose,
	 .expected = "yes, no, all or some of " LOG_SUBJECT_NAMES ", with commas between them",
	 .help = "log details: of packets, or of the subjects named (" LOG_SUBJECT_NAMES ", all)"},
	{.name = "config",
	 .kind = KIND_TEXT,
	 .offset = AT(file),
	 .argument = "FILE",
	 .command_line_only = true,
	 .expected = "a file",
	 .help = "read this file (default: " CONFIG_DEFAULT_FILE " if it exists)"},
	{.name = "dry-run",
	 .kind = KIND_FLAG,
	 .offset = AT(dry_run),
	 .command_line_only = true,
	 .help = "check the options and print the rules; change nothing"},
};
/* What natshim had once: refused, with what to do instead. */
static const struct {
	const char *name, *instead;
} removed_options[] = {
	{"bridge-offer", "remove it (natshim offers AES and 3DES, and the server's policy chooses)"},
	{"close-grace", "remove it (natshim waits 300 ms for the client's Delete)"},
	{"priority-dnat", "use priority, which moves all rules"},
	{"priority-guard", "use priority, which moves all rules"},
	{"priority-queue", "use priority, which moves all rules"},
	{"share-nat", "it is not needed any more: with alias each client behind a NAT gets an address of its "
		      "own, without a "
		      "secret"},
};

#define OPTION_COUNT (sizeof options / sizeof *options)
_Static_assert(OPTION_COUNT <= CONFIG_OPTIONS_MAX, "the text of each option finds room");

static const char *const yes_no[] = {"no", "yes", NULL};

static bool parse_long(const char *text, long low, long high, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return *text && !*end && !errno && *out >= low && *out <= high;
}

static bool parse_duration(const char *text, long high, unsigned *out)
{
	static const struct {
		char letter;
		unsigned seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
	unsigned long value;
	unsigned unit = 1;
	char *end;

	if (!strcmp(text, "off")) {
		*out = 0;
		return true;
	}
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	for (size_t i = 0; *end && i < sizeof units / sizeof *units; i++) {
		if (*end != units[i].letter)
			continue;
		unit = units[i].seconds;
		end++;
		break;
	}
	if (*end || errno || !value || value > (unsigned long)high / unit)
		return false;
	*out = (unsigned)value * unit;
	return true;
}

static bool choose(const char *const *choices, const char *value, unsigned *out)
{
	for (unsigned i = 0; choices[i]; i++) {
		if (strcmp(choices[i], value) != 0)
			continue;
		*out = i;
		return true;
	}
	return false;
}

/* One value into the place at base + offset. */
static bool assign(const struct option_spec *o, struct config *config, char *base, const char *value)
{
	void *place = base + o->offset;
	unsigned word;
	long number;

	switch (o->kind) {
	case KIND_CUSTOM:
		return o->set(config, value);
	case KIND_FLAG:
		if (!choose(yes_no, value, &word))
			return false;
		*(bool *)place = word;
		return true;
	case KIND_TEXT:
		if (!*value)
			return false;
		return set_text(place, value);
	case KIND_NUMBER:
	case KIND_INTEGER:
		if (!parse_long(value, o->low, o->high, &number))
			return false;
		if (o->kind == KIND_NUMBER)
			*(unsigned *)place = (unsigned)number;
		else
			*(int *)place = (int)number;
		return true;
	case KIND_DURATION:
		return parse_duration(value, o->high, place);
	case KIND_CHOICE:
		if (!o->choices) { /* yes|no into a bool */
			if (!choose(yes_no, value, &word))
				return false;
			*(bool *)place = word;
			return true;
		}
		return choose(o->choices, value, place);
	}
	return false;
}

/* The texts that an option was given, so that a reload can compare and keep them: several of one that takes several. */
static bool note_text(const struct option_spec *o, struct config *config, const char *value)
{
	char **given = &config->given[o - options], *joined;

	if (!o->restart_only)
		return true;
	if (!*given || !o->reset)
		return set_text(given, value);
	if (asprintf(&joined, "%s %s", *given, value) < 0)
		return false;
	free(*given);
	*given = joined;
	return true;
}

static bool give(const struct option_spec *o, struct config *config, struct config_session *session,
		 const char *value)
{
	return value && assign(o, config, o->session ? (char *)session : (char *)config, value) &&
	       note_text(o, config, value);
}

/* As if it had not been given. Only for options without a default, or when another value follows. */
static void take_back(const struct option_spec *o, struct config *config)
{
	if (o->reset) {
		o->reset(config);
	} else if (o->kind == KIND_TEXT) {
		char **place = (char **)(void *)((char *)config + o->offset);

		free(*place);
		*place = NULL;
	}
	free(config->given[o - options]);
	config->given[o - options] = NULL;
}

static const char *expected_text(const struct option_spec *o)
{
	if (o->expected)
		return o->expected;
	return o->kind == KIND_FLAG ? "yes or no" : o->argument;
}

static const struct option_spec *find_option(const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (!strcmp(options[i].name, name))
			return &options[i];
	return NULL;
}

/* NULL: natshim never had it. length: of the name, which may be followed by a value. */
static const char *instead_of(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof removed_options / sizeof *removed_options; i++)
		if (strlen(removed_options[i].name) == length &&
		    !strncmp(removed_options[i].name, name, length))
			return removed_options[i].instead;
	return NULL;
}

/* Reading the file. Session keys in a [dialect] section are noted and applied after the defaults are final. */

#define MAX_OVERRIDES 128

struct file_reader {
	struct config *config;
	config_open_fn *open;
	void *open_ctx;
	FILE *stream;
	const char *path;
	unsigned line;
	char *error;
	bool failed;
	bool seen[OPTION_COUNT];
	struct override {
		enum ike_dialect dialect;
		const struct option_spec *option;
		struct config_session value; /* only the option's member counts: seconds */
	} overrides[MAX_OVERRIDES];
	size_t override_count;
};

/* inih joins an indented line to the one before it; here a line is a line. */
static char *read_line(char *buffer, int size, void *stream)
{
	struct file_reader *r = stream;
	char *line;

	if (r->failed || !fgets(buffer, size, r->stream))
		return NULL;
	r->line++;
	line = buffer + strspn(buffer, " \t");
	memmove(buffer, line, strlen(line) + 1);
	return buffer;
}

static int refuse(struct file_reader *r, const char *key, const char *why, const char *expected)
{
	if (!r->failed)
		snprintf(r->error, CONFIG_ERROR_MAX, "%s:%u: %s: %s%s%s", r->path, r->line, key, why,
			 expected ? "; expected " : "", expected ? expected : "");
	r->failed = true;
	return 0;
}

static int profile_entry(struct file_reader *r, const char *section, const struct option_spec *o,
			 const char *value)
{
	enum ike_dialect dialect;
	struct override *v;

	if (!ike_dialect_parse(section, &dialect))
		return refuse(r, section, "unknown dialect", "a section such as [apple] or [leopard]");
	if (!o->by_dialect)
		return refuse(
			r, o->name, "not allowed in a section",
			"idle-timeout or keep-warm; the others go above the first section, for all clients");
	if (r->override_count == MAX_OVERRIDES)
		return refuse(r, o->name, "too many lines in sections", NULL);
	v = &r->overrides[r->override_count++];
	v->dialect = dialect;
	v->option = o;
	if (!give(o, r->config, &v->value, value))
		return refuse(r, o->name, "invalid value", expected_text(o));
	return 1;
}

static int file_entry(void *user, const char *section, const char *name, const char *value)
{
	struct file_reader *r = user;
	const struct option_spec *o = find_option(name);
	char text[128];

	if (!o && instead_of(name, strlen(name))) {
		snprintf(text, sizeof text, "no longer an option; %s", instead_of(name, strlen(name)));
		return refuse(r, name, text, NULL);
	}
	if (!o || o->command_line_only)
		return refuse(r, name, "unknown key", "a long option's name; see natshim.conf(5)");
	if (*section)
		return profile_entry(r, section, o, value);
	if (r->seen[o - options] && !o->reset)
		return refuse(r, name, "duplicate key", "one line for it");
	r->seen[o - options] = true;
	snprintf(text, sizeof text, "invalid value '%.60s'", value);
	if (!give(o, r->config, &r->config->session, value))
		return refuse(r, name, text, expected_text(o));
	return 1;
}

static bool read_file(struct file_reader *r, bool must_exist)
{
	int rc;

	r->stream = r->open(r->open_ctx, r->path);
	if (!r->stream) {
		if (errno == ENOENT && !must_exist)
			return true;
		snprintf(r->error, CONFIG_ERROR_MAX, "%s: cannot read: %s", r->path, strerror(errno));
		return false;
	}
	rc = ini_parse_stream(read_line, r, file_entry, r);
	if (!r->failed && ferror(r->stream)) {
		r->failed = true;
		snprintf(r->error, CONFIG_ERROR_MAX, "%s: cannot read: %s", r->path, strerror(errno));
	}
	fclose(r->stream);
	if (!r->failed && rc) {
		r->failed = true;
		snprintf(r->error, CONFIG_ERROR_MAX, "%s:%d: invalid line; expected key = value", r->path,
			 rc);
	}
	return !r->failed;
}

static void apply_profiles(const struct file_reader *r)
{
	struct config *c = r->config;

	for (size_t i = 0; i < IKE_DIALECTS; i++)
		c->profile[i] = c->session;
	for (size_t i = 0; i < r->override_count; i++) {
		const struct override *v = &r->overrides[i];

		memcpy((char *)&c->profile[v->dialect] + v->option->offset,
		       (const char *)&v->value + v->option->offset, sizeof(unsigned));
	}
}

/* The command line. */

enum { VALUE_HELP = 1000, VALUE_VERSION };

static void build_getopt(struct option *table, char *letters)
{
	size_t n = 0;

	*letters++ = '+'; /* stop at the first word that is no option */
	*letters++ = ':'; /* and tell a missing argument from an unknown option */
	for (; n < OPTION_COUNT; n++) {
		table[n] = (struct option){.name = options[n].name,
					   .has_arg = options[n].otherwise  ? optional_argument
						      : options[n].argument ? required_argument
									    : no_argument,
					   .val = (int)n + 256};
		if (!options[n].letter)
			continue;
		*letters++ = options[n].letter;
		if (options[n].otherwise)
			letters = stpcpy(letters, "::");
	}
	table[n++] = (struct option){.name = "help", .val = VALUE_HELP};
	table[n++] = (struct option){.name = "version", .val = VALUE_VERSION};
	table[n] = (struct option){.name = NULL};
	*letters++ = 'h';
	*letters = '\0';
}

/* NULL: none, such as getopt's : and ? */
static const struct option_spec *option_of(int value)
{
	if (value >= 256 && value < 256 + (int)OPTION_COUNT)
		return &options[value - 256];
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (options[i].letter == value)
			return &options[i];
	return NULL;
}

/* "--bridge always" and "-v xfrm" are an option and a stray word for getopt_long: the error says how to write it. */
static bool value_is_next_word(const struct option_spec *o, int argc, char *const argv[])
{
	unsigned word;

	if (optind >= argc)
		return false;
	return o->choices ? choose(o->choices, argv[optind], &word) : log_parse_subjects(argv[optind], &word);
}

/* What getopt_long(3) means by '?' and ':': it leaves in optopt the option that it knows, but for one that is used wrongly. */
static const char *misuse(int value)
{
	if (value == ':')
		return "needs a value";
	return optopt && (optopt >= 256 || option_of(optopt)) ? "takes no value"
							      : "unknown or ambiguous option";
}

static void explain_misuse(int value, const char *word, char *error)
{
	const char *name = word + strspn(word, "-");
	const char *instead = instead_of(name, strcspn(name, "="));

	if (instead)
		snprintf(error, CONFIG_ERROR_MAX, "%s: no longer an option; %s", word, instead);
	else
		snprintf(error, CONFIG_ERROR_MAX, "%s: %s; natshim --help lists the options", word,
			 misuse(value));
}

static enum config_outcome read_command_line(struct config *config, int argc, char *const argv[],
					     bool only_config, char *error)
{
	struct option table[OPTION_COUNT + 3];
	char letters[3 * OPTION_COUNT + 4];
	bool seen[OPTION_COUNT] = {false};
	int value;

	build_getopt(table, letters);
	optind = 0;
	opterr = 0;
	while ((value = getopt_long(argc, argv, letters, table, NULL)) != -1) {
		const struct option_spec *o = option_of(value);
		const char *given;

		if (value == VALUE_HELP || value == 'h')
			return CONFIG_HELP;
		if (value == VALUE_VERSION)
			return CONFIG_VERSION;
		if (!o) {
			explain_misuse(value, argv[optind - 1], error);
			return CONFIG_BAD_USAGE;
		}
		if (o->otherwise && !optarg && value_is_next_word(o, argc, argv)) {
			snprintf(error, CONFIG_ERROR_MAX, "--%s %s: write it as one word, --%s=%s", o->name,
				 argv[optind], o->name, argv[optind]);
			return CONFIG_BAD_USAGE;
		}
		given = optarg ? optarg : o->otherwise ? o->otherwise : "yes";
		if (only_config != !strcmp(o->name, "config"))
			continue;
		if (o->reset && !seen[o - options])
			take_back(o, config);
		seen[o - options] = true;
		if (!give(o, config, &config->session, given)) {
			snprintf(error, CONFIG_ERROR_MAX, "--%s %.80s: invalid value; expected %s", o->name,
				 given, expected_text(o));
			return CONFIG_BAD_USAGE;
		}
	}
	if (optind < argc) {
		snprintf(error, CONFIG_ERROR_MAX, "%.80s: unexpected word; natshim --help lists the options",
			 argv[optind]);
		return CONFIG_BAD_USAGE;
	}
	return CONFIG_OK;
}

static bool set_defaults(struct config *c)
{
	*c = (struct config){.interface_count = 0};
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (options[i].initial && !give(&options[i], c, &c->session, options[i].initial))
			return false;
	return true;
}

/* Reloading: what only a restart can change stays as it runs. */

static bool keep_running_value(const struct option_spec *o, struct config *fresh,
			       const struct config *running)
{
	char *texts = strdup(running->given[o - options] ? running->given[o - options] : ""), *rest = texts;
	bool ok = texts != NULL;

	take_back(o, fresh);
	while (ok && rest && *rest)
		ok = give(o, fresh, &fresh->session, o->reset ? strsep(&rest, " ") : strsep(&rest, ""));
	free(texts);
	return ok;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* False: out of memory. kept gets the names of the options that differ, with commas between them. */
static bool keep_restart_only(struct config *fresh, const struct config *running,
			      char kept[static CONFIG_ERROR_MAX])
{
	size_t used = 0;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (!options[i].restart_only || same_text(fresh->given[i], running->given[i]))
			continue;
		if (!keep_running_value(&options[i], fresh, running))
			return false;
		if (used < CONFIG_ERROR_MAX)
			used += (size_t)snprintf(kept + used, CONFIG_ERROR_MAX - used, "%s%s",
						 used ? ", " : "", options[i].name);
	}
	return true;
}

static bool complete(struct config *c, char *error)
{
	if (!c->interface_count) {
		snprintf(error, CONFIG_ERROR_MAX,
			 "--iface is missing: name the interface towards the clients");
		return false;
	}
	if (config_bridges(c) && !c->psk_file) {
		snprintf(error, CONFIG_ERROR_MAX,
			 "--bridge needs --psk-file: the file with the pre-shared keys");
		return false;
	}
	if (!c->socket_path && asprintf(&c->socket_path, "%s/control.sock", c->state_dir) < 0) {
		c->socket_path = NULL;
		snprintf(error, CONFIG_ERROR_MAX, "out of memory");
		return false;
	}
	return true;
}

/* running and kept: NULL at the start. */
static enum config_outcome load(struct config *out, const struct config *running, int argc,
				char *const argv[], config_open_fn *open, void *ctx, char *kept, char *error)
{
	struct file_reader *reader = calloc(1, sizeof *reader);
	enum config_outcome outcome = CONFIG_BAD_USAGE;

	snprintf(error, CONFIG_ERROR_MAX, "out of memory");
	if (!set_defaults(out) || !reader)
		goto done;
	outcome = read_command_line(out, argc, argv, true, error);
	if (outcome != CONFIG_OK)
		goto done;
	outcome = CONFIG_BAD_FILE;
	reader->config = out;
	reader->open = open;
	reader->open_ctx = ctx;
	reader->error = error;
	reader->path = out->file ? out->file : CONFIG_DEFAULT_FILE;
	if (!read_file(reader, out->file != NULL))
		goto done;
	outcome = read_command_line(out, argc, argv, false, error);
	if (outcome != CONFIG_OK)
		goto done;
	apply_profiles(reader);
	if (running && !keep_restart_only(out, running, kept))
		goto done;
	outcome = complete(out, error) ? CONFIG_OK : CONFIG_BAD_USAGE;
done:
	free(reader);
	return outcome;
}

static FILE *open_path(void *ctx, const char *path)
{
	(void)ctx;
	return fopen(path, "re");
}

enum config_outcome config_load(struct config *out, int argc, char *const argv[],
				char error[static CONFIG_ERROR_MAX])
{
	return load(out, NULL, argc, argv, open_path, NULL, NULL, error);
}

enum config_outcome config_reload(struct config *out, const struct config *running, int argc,
				  char *const argv[], config_open_fn *open, void *ctx,
				  char kept[static CONFIG_ERROR_MAX], char error[static CONFIG_ERROR_MAX])
{
	*kept = '\0';
	return load(out, running, argc, argv, open, ctx, kept, error);
}

void config_free(struct config *config)
{
	reset_interfaces(config);
	free(config->l2tp_hostname); /* KIND_CUSTOM */
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (options[i].kind == KIND_TEXT)
			free(*(char **)((char *)config + options[i].offset));
		free(config->given[i]);
	}
	*config = (struct config){.interface_count = 0};
}

bool config_bridges(const struct config *config)
{
	return config->bridge != CONFIG_BRIDGE_OFF;
}

bool config_aliases(const struct config *config)
{
	return config->alias && config->stack != CONFIG_STACK_NONE;
}

#define ALIVE_MARGIN_S 60

unsigned config_alive_timeout_s(const struct config *config)
{
	unsigned longest = 0;

	for (size_t i = 0; i < IKE_DIALECTS; i++)
		if (config->profile[i].idle_timeout > longest)
			longest = config->profile[i].idle_timeout;
	return longest + ALIVE_MARGIN_S;
}

void config_print_options(FILE *out)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_spec *o = &options[i];
		const bool tell_default = o->initial && !o->default_in_help;
		char left[64], otherwise[64] = "";

		if (tell_default)
			snprintf(otherwise, sizeof otherwise, " (%s)", o->initial);
		snprintf(left, sizeof left, "%c%c%s --%s%s%s%s", o->letter ? '-' : ' ',
			 o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
			 o->otherwise  ? "[="
			 : o->argument ? " "
				       : "",
			 o->argument ? o->argument : "", o->otherwise ? "]" : "");
		if (strlen(left) > 34)
			fprintf(out, "  %s\n  %-34s  %s%s\n", left, "", o->help, otherwise);
		else
			fprintf(out, "  %-34s  %s%s\n", left, o->help, otherwise);
	}
}
