/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim explain: what a capture says about each client in it. Reads and prints; shim/explain judges. */
#include "nfq/pcap.h"
#include "nfq/packet.h"
#include "shim/cmd/cmd.h"
#include "shim/cmd/roles.h"
#include "shim/explain/render.h"
#include "shim/proc/atomic_file.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SHOWN = 200 };

struct explain_command {
	const char *in, *html;
	bool json, help, servers_named;
	struct roles *roles, *guesses; /* guesses: of hosts whose first message was not seen, or not yet */
	struct explain_config config;
	struct explain *explain;
	struct fragments *fragments;
	struct render_source source;
	uint64_t now_ms; /* of the capture; never goes back */
	char name[NAME_SHOWN], damage[CAPTURE_ERROR_MAX];
};

/* Options */

static const char usage_text[] =
	"Usage: natshim explain [OPTION]... CAPTURE\n"
	"Say what a capture tells about each client in it: what it is, its exchange as a ladder, where it "
	"stops and "
	"why.\n"
	"\"-\" is standard input: tcpdump -U -w - 'udp port 500 or udp port 4500 or esp' | natshim explain "
	"-\n"
	"  --server ADDR   this host is a server (repeatable); default: who is sent an exchange's first "
	"message\n"
	"  --public ADDR   the server's address as clients see it, when it is behind a NAT itself\n"
	"  --json          for programs\n"
	"  --html FILE     write a page with the ladders into FILE, too\n"
	"  -h, --help      this text\n"
	"Exit status: 0 the whole capture was read, 1 it could not be, or only in part, 2 usage.\n";

static bool usage_error(const char *what, const char *why)
{
	fprintf(stderr, "natshim: explain: %s: %s\n", what, why);
	return false;
}

static bool parse_address(const char *text, struct endpoint *out)
{
	if (endpoint_parse(text, out) && out->port == 0)
		return true;
	return usage_error(text, "is no IP address");
}

static bool parse_option(struct explain_command *c, int option, const char *value, const char *word)
{
	struct endpoint addr;

	switch (option) {
	case 's':
		c->servers_named = true;
		return parse_address(value, &addr) && roles_name_server(c->roles, &addr);
	case 'p':
		if (!parse_address(value, &addr))
			return false;
		*(addr.addr_len == 4 ? &c->config.public_addr4 : &c->config.public_addr6) = addr;
		return true;
	case 'j':
		c->json = true;
		return true;
	case 'w':
		c->html = value;
		return true;
	case 'h':
		c->help = true;
		return true;
	case ':':
		return usage_error(word, "wants a value");
	default:
		return usage_error(word, "is no option of it (see natshim explain --help)");
	}
}

static bool parse_arguments(struct explain_command *c, int argc, char **argv)
{
	static const struct option options[] = {
		{"server", required_argument, NULL, 's'}, {"public", required_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},         {"html", required_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1)
		if (!parse_option(c, option, optarg, argv[optind - 1]))
			return false;
	if (c->help)
		return true;
	if (argc - optind != 1)
		return usage_error("CAPTURE", "wants one file, or - (see natshim explain --help)");
	c->in = argv[optind];
	return true;
}

/* Packets */

static int fail(const char *error)
{
	fprintf(stderr, "natshim: explain: %s\n", error);
	return EXIT_FAILED;
}

static bool is_server_port(const struct endpoint *e)
{
	return e->port == 500 || e->port == 4500;
}

/* Who sends to whom, and whether that is a first message; false: it is nothing that a client would send. */
static bool find_ends(uint8_t *ip, size_t length, struct endpoint *src, struct endpoint *dst, bool *first)
{
	static const uint8_t none[IKE_COOKIE_LEN];
	struct packet_udp udp;
	struct packet_esp esp;
	uint8_t *message;
	size_t message_length;

	*first = false;
	if (packet_parse_udp(ip, length, &udp) == PACKET_UDP) {
		*src = udp.src;
		*dst = udp.dst;
		*first = packet_ike_message(&udp, &message, &message_length) &&
			 message_length >= 2 * sizeof none &&
			 !memcmp(message + sizeof none, none, sizeof none);
		return true;
	}
	if (!packet_parse_esp(ip, length, &esp))
		return false;
	*src = esp.src;
	*dst = esp.dst;
	return true;
}

/* Of two hosts whose first message was not seen: the one without a server's port is the client, else the one heard first. */
static enum ike_direction guess_direction(struct roles *guesses, const struct endpoint *src,
					  const struct endpoint *dst)
{
	const bool from_server = is_server_port(src) && !is_server_port(dst);
	enum ike_direction direction = IKE_TO_SERVER;

	if (from_server && roles_direction(guesses, dst, src, true, &direction))
		return direction == IKE_TO_SERVER ? IKE_TO_CLIENT : IKE_TO_SERVER;
	roles_direction(guesses, src, dst, true, &direction);
	return direction;
}

static void explain_packet(struct explain_command *c, uint64_t number, const uint8_t *ip, size_t length)
{
	struct explain_packet packet = {.number = number, .time_ms = c->now_ms, .ip = ip, .length = length};
	struct endpoint src, dst;
	uint8_t *copy = malloc(length); /* the parsers take what they may change */
	bool first, ends;

	if (!copy)
		return;
	memcpy(copy, ip, length);
	ends = find_ends(copy, length, &src, &dst, &first);
	free(copy);
	if (ends && !roles_direction(c->roles, &src, &dst, first, &packet.direction)) {
		if (c->servers_named)
			return;
		packet.direction = guess_direction(c->guesses, &src, &dst);
		packet.guessed = true;
	}
	explain_add(c->explain, &packet);
}

static void take_packet(struct explain_command *c, const struct capture_packet *captured)
{
	const uint8_t *ip = captured->ip;
	size_t length = captured->ip_length;

	c->source.packets++;
	c->source.cut += captured->frame_length < captured->wire_length;
	if (!ip)
		return;
	if (captured->time_ms > c->now_ms)
		c->now_ms = captured->time_ms;
	switch (fragments_add(c->fragments, ip, length, &ip, &length)) {
	case FRAGMENT_NONE:
	case FRAGMENT_WHOLE:
		explain_packet(c, captured->number, ip, length);
		break;
	default:
		break;
	}
}

/* Output */

static int write_html(const struct explain_command *c, const struct explain_report *report)
{
	FILE *out = atomic_file_begin(c->html, 0644);
	int rc = out ? 0 : -errno;

	if (out) {
		render_html(out, report, &c->source);
		rc = atomic_file_finish(out, c->html);
	}
	if (!rc)
		return EXIT_DONE;
	fprintf(stderr, "natshim: explain: %s: %s\n", c->html, strerror(-rc));
	return EXIT_FAILED;
}

static int print_report(struct explain_command *c)
{
	const struct explain_report *report;
	int status = c->source.damage ? EXIT_FAILED : EXIT_DONE;

	c->source.fragments = fragments_stats(c->fragments);
	report = explain_end(c->explain);
	if (!c->json)
		render_text(stdout, report, &c->source);
	else if (!render_json(stdout, report, &c->source))
		return fail("out of memory");
	if (fflush(stdout) || ferror(stdout))
		return fail("standard output cannot be written");
	if (c->source.damage)
		fail(c->source.damage);
	if (c->html && write_html(c, report))
		status = EXIT_FAILED;
	return status;
}

/* The name of a file may hold anything: what is printed to a terminal may not. */
static void set_name(struct explain_command *c)
{
	snprintf(c->name, sizeof c->name, "%s", strcmp(c->in, "-") != 0 ? c->in : "standard input");
	for (char *at = c->name; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	c->source.name = c->name;
}

static int explain_capture(struct explain_command *c)
{
	char error[CAPTURE_ERROR_MAX];
	struct capture_reader *reader = capture_open(c->in, error);
	struct capture_packet packet;
	enum capture_status status;

	if (!reader)
		return fail(error);
	set_name(c);
	while ((status = capture_next(reader, &packet, c->damage)) == CAPTURE_PACKET)
		take_packet(c, &packet);
	c->source.damage = status == CAPTURE_BROKEN ? c->damage : NULL;
	capture_close(reader);
	return print_report(c);
}

/* What bridge mode takes for a weak group is an option, with a default. */
static bool learn_defaults(struct explain_command *c)
{
	char command[] = "explain", iface[] = "--iface=none", file[] = "--config=/dev/null";
	char *const words[] = {command, iface, file, NULL};
	struct config config;
	char error[CONFIG_ERROR_MAX];
	const bool done =
		config_load(&config, (int)(sizeof words / sizeof *words) - 1, words, error) == CONFIG_OK;

	c->config.bridge_groups = config.bridge_groups;
	config_free(&config);
	return done || usage_error("defaults", error);
}

int cmd_explain(int argc, char **argv)
{
	struct explain_command c = {
		.roles = roles_new(), .guesses = roles_new(), .fragments = fragments_new()};
	int status = EXIT_USAGE;

	if (!c.roles || !c.guesses || !c.fragments) {
		status = fail("out of memory");
	} else if (parse_arguments(&c, argc, argv)) {
		if (c.help)
			fputs(usage_text, stdout);
		else if (learn_defaults(&c))
			c.explain = explain_new(&c.config);
		status = c.help ? EXIT_DONE : c.explain ? explain_capture(&c) : fail("out of memory");
	}
	explain_free(c.explain);
	fragments_free(c.fragments);
	roles_free(c.roles);
	roles_free(c.guesses);
	return status;
}
