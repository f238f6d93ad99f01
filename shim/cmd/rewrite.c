/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim rewrite: what the daemon does to packets, done to a capture file. Which side of an exchange is the
 * server, roles.c says. */
#include "nfq/pcap.h"
#include "shim/cmd/cmd.h"
#include "shim/filter.h"
#include "shim/ike/dialect.h"
#include "shim/cmd/roles.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum view { VIEW_WIRE, VIEW_SERVER };

struct rewrite {
	const char *in, *out;
	enum view view;
	bool verbose, help, servers_named;
	struct ike_config ike;
	struct roles *roles;
	struct filter filter;
	struct natd_hasher *hasher; /* for VIEW_SERVER */
	uint64_t now_ms;            /* of the capture; never goes back */
	uint64_t packets, not_ip, no_server;
};

/* Options */

static const char usage_text[] =
	"Usage: natshim rewrite [OPTION]... IN OUT\n"
	"Rewrite the IKE messages in a capture as the daemon would. \"-\" is standard input or output.\n"
	"  --server ADDR        this host is a server (repeatable); default: who is sent an exchange's first "
	"message\n"
	"  --public ADDR        the server's address as clients see it, if the server is behind a NAT\n"
	"  --hide-nat           hide the server's NAT from Windows\n"
	"  --view wire|server   wire (default): clients' messages become RFC 3947, and the server's RFC "
	"3947\n"
	"                       messages become the client's dialect; server: the server's messages that "
	"are\n"
	"                       in the client's dialect become RFC 3947 too\n"
	"  -v, --verbose        a line on standard error for each rewritten message\n"
	"  -h, --help           this text\n";

static bool usage_error(const char *what, const char *why)
{
	fprintf(stderr, "natshim: rewrite: %s: %s\n", what, why);
	return false;
}

static bool parse_address(const char *text, struct endpoint *out)
{
	if (endpoint_parse(text, out) && out->port == 0)
		return true;
	return usage_error(text, "is no IP address");
}

static bool parse_option(struct rewrite *r, int option, const char *value, const char *word)
{
	struct endpoint addr;

	switch (option) {
	case 's':
		r->servers_named = true;
		return parse_address(value, &addr) && roles_name_server(r->roles, &addr);
	case 'p':
		if (!parse_address(value, &addr))
			return false;
		*(addr.addr_len == 4 ? &r->ike.public_addr4 : &r->ike.public_addr6) = addr;
		return true;
	case 'n':
		r->ike.hide_nat = true;
		return true;
	case 'w':
		r->view = strcmp(value, "server") == 0 ? VIEW_SERVER : VIEW_WIRE;
		return r->view == VIEW_SERVER || strcmp(value, "wire") == 0 ||
		       usage_error(value, "a view is wire or server");
	case 'v':
		r->verbose = true;
		return true;
	case 'h':
		r->help = true;
		return true;
	case ':':
		return usage_error(word, "wants a value");
	default:
		return usage_error(word, "is no option of it (see natshim rewrite --help)");
	}
}

static bool parse_arguments(struct rewrite *r, int argc, char **argv)
{
	static const struct option options[] = {
		{"server", required_argument, NULL, 's'},
		{"public", required_argument, NULL, 'p'},
		{"hide-nat", no_argument, NULL, 'n'},
		{"view", required_argument, NULL, 'w'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":vh", options, NULL)) != -1)
		if (!parse_option(r, option, optarg, argv[optind - 1]))
			return false;
	if (r->help)
		return true;
	if (argc - optind != 2)
		return usage_error("IN OUT", "wants two files (see natshim rewrite --help)");
	r->in = argv[optind];
	r->out = argv[optind + 1];
	return true;
}

/* Packets */

/* The responder cookie (RFC 2408 section 3.1) is zero in an exchange's first message. */
static bool is_first_message(const uint8_t *message, size_t length)
{
	static const uint8_t none[IKE_COOKIE_LEN];

	return length >= sizeof none + IKE_COOKIE_LEN && !memcmp(message + IKE_COOKIE_LEN, none, sizeof none);
}

/* False: the packet belongs to hosts of which none is a server. */
static bool find_direction(struct rewrite *r, uint8_t *ip, size_t length, enum ike_direction *direction)
{
	struct packet_udp udp;
	uint8_t *message;
	size_t message_length;

	*direction =
		IKE_TO_SERVER; /* an exchange whose beginning is not in the file: left alone either way */
	if (packet_parse_udp(ip, length, &udp) != PACKET_UDP ||
	    !packet_ike_message(&udp, &message, &message_length))
		return true;
	return roles_direction(r->roles, &udp.src, &udp.dst, is_first_message(message, message_length),
			       direction) ||
	       !r->servers_named;
}

/* The hash algorithm of phase 1, by the length of a NAT-D payload. */
static uint8_t hash_of(const struct isakmp_message *message, uint8_t natd)
{
	static const struct {
		uint32_t length;
		uint8_t hash;
	} hashes[] = {{16, ISAKMP_HASH_MD5},
		      {20, ISAKMP_HASH_SHA1},
		      {32, ISAKMP_HASH_SHA2_256},
		      {48, ISAKMP_HASH_SHA2_384},
		      {64, ISAKMP_HASH_SHA2_512}};
	const struct isakmp_payload *payload = isakmp_find(message, natd);

	for (size_t i = 0; payload && i < sizeof hashes / sizeof *hashes; i++)
		if (hashes[i].length == payload->body_length)
			return hashes[i].hash;
	return ISAKMP_HASH_NONE;
}

/* A message of the server's that is in the client's dialect, turned into RFC 3947. */
static unsigned translate_reply(const struct rewrite *r, enum ike_dialect dialect,
				const struct packet_udp *udp)
{
	struct dialect_context context = {.dialect = dialect,
					  .direction = IKE_TO_SERVER,
					  .hasher = r->hasher,
					  .destination = &udp->dst};
	struct isakmp_message message;
	unsigned edits = 0;
	uint8_t *data;
	size_t length;

	if (!packet_ike_message(udp, &data, &length) ||
	    isakmp_read_header(data, length, &message) != ISAKMP_OK ||
	    isakmp_read_payloads(&message) != ISAKMP_OK)
		return 0;
	context.hash = hash_of(&message, dialect_facts(dialect)->natd);
	if (isakmp_find(&message, ISAKMP_SA))
		edits |= dialect_translate_vendor_id(&context, &message);
	if (!message.first)
		edits |= dialect_translate_natd(&context, &message);
	return edits;
}

/* As the server says it: what the filter did to its message is undone, and what it did not do is done the
 * other way. */
static void show_servers_side(struct rewrite *r, const struct capture_packet *packet, const uint8_t *original,
			      struct filter_outcome *outcome)
{
	struct packet_udp udp;

	if (outcome->changed) {
		memcpy(packet->ip, original, packet->ip_length);
		outcome->ike.edits = 0;
	} else if (outcome->protocol == FILTER_IKE && outcome->ike.reason == IKE_ORDINARY &&
		   packet_parse_udp(packet->ip, packet->ip_length, &udp) == PACKET_UDP) {
		const struct packet_sum sum = packet_sum_before(&udp);

		outcome->ike.edits = translate_reply(r, outcome->ike.dialect, &udp);
		packet_sum_after(&udp, sum);
	} else {
		return;
	}
	r->filter.counters.reasons[outcome->ike.reason]--;
	outcome->changed = outcome->ike.edits != 0;
	outcome->ike.reason = outcome->changed ? IKE_REWRITTEN : IKE_ORDINARY;
	r->filter.counters.reasons[outcome->ike.reason]++;
}

static struct filter_outcome filter_in_view(struct rewrite *r, const struct capture_packet *packet,
					    enum ike_direction direction)
{
	uint8_t *original = NULL;
	struct filter_outcome outcome;

	if (r->view == VIEW_SERVER && direction == IKE_TO_CLIENT)
		original = malloc(packet->ip_length);
	if (original)
		memcpy(original, packet->ip, packet->ip_length);
	outcome = filter_packet(&r->filter, r->now_ms, direction, packet->ip, packet->ip_length,
				packet->ip_length);
	if (original)
		show_servers_side(r, packet, original, &outcome);
	free(original);
	return outcome;
}

static void rewrite_packet(struct rewrite *r, const struct capture_packet *packet)
{
	struct filter_outcome outcome;
	enum ike_direction direction;
	char text[FILTER_TEXT_MAX];

	r->packets++;
	if (!packet->ip) {
		r->not_ip++;
		return;
	}
	if (!find_direction(r, packet->ip, packet->ip_length, &direction)) {
		r->no_server++;
		return;
	}
	if (packet->time_ms > r->now_ms)
		r->now_ms = packet->time_ms;
	outcome = filter_in_view(r, packet, direction);
	if (outcome.changed && r->verbose)
		fprintf(stderr, "natshim: packet %" PRIu64 ": %s\n", packet->number,
			filter_rewrite_text(&outcome.ike, text));
}

static void print_count(uint64_t count, const char *name, const char **separator)
{
	if (!count)
		return;
	fprintf(stderr, "%s%" PRIu64 " %s", *separator, count, name);
	*separator = ", ";
}

static void print_counts(const struct rewrite *r)
{
	const struct filter_counters *c = &r->filter.counters;
	const char *separator = "; ike: ";

	fprintf(stderr, "natshim: %" PRIu64 " packets, %" PRIu64 " rewritten", r->packets,
		c->reasons[IKE_REWRITTEN]);
	for (int reason = 0; reason < IKE_REASONS; reason++)
		print_count(c->reasons[reason], ike_reason_name((enum ike_reason)reason), &separator);
	print_count(r->no_server, "without a named server", &separator);
	separator = "; not ike: ";
	print_count(c->not_ike, packet_kind_name(PACKET_UDP), &separator);
	for (int kind = PACKET_UDP + 1; kind < PACKET_KINDS; kind++)
		print_count(c->kinds[kind], packet_kind_name((enum packet_kind)kind), &separator);
	print_count(r->not_ip, "not ip", &separator);
	fputc('\n', stderr);
}

/* Files */

static int fail(const char *error)
{
	fprintf(stderr, "natshim: %s\n", error);
	return EXIT_FAILED;
}

/* What can be read is written, also when the input then turns out to be broken. */
static int copy(struct rewrite *r, struct capture_reader *reader)
{
	char read_error[CAPTURE_ERROR_MAX], error[CAPTURE_ERROR_MAX];
	struct capture_writer *writer = capture_create(r->out, reader, error);
	struct capture_packet packet;
	enum capture_status status;

	if (!writer)
		return fail(error);
	while ((status = capture_next(reader, &packet, read_error)) == CAPTURE_PACKET) {
		rewrite_packet(r, &packet);
		capture_write(writer, &packet);
	}
	if (!capture_finish(writer, error))
		return fail(error);
	print_counts(r);
	return status == CAPTURE_BROKEN ? fail(read_error) : EXIT_DONE;
}

static int rewrite_file(struct rewrite *r)
{
	char error[CAPTURE_ERROR_MAX];
	struct capture_reader *reader = capture_open(r->in, error);
	int status;

	if (!reader)
		return fail(error);
	r->filter.ike = ike_table_new(&r->ike);
	r->hasher = natd_hasher_new();
	status = r->filter.ike && r->hasher ? copy(r, reader) : fail("rewrite: out of memory");
	ike_table_free(r->filter.ike);
	natd_hasher_free(r->hasher);
	capture_close(reader);
	return status;
}

int cmd_rewrite(int argc, char **argv)
{
	struct rewrite r = {.view = VIEW_WIRE, .roles = roles_new()};
	int status = EXIT_USAGE;

	if (!r.roles)
		return fail("rewrite: out of memory");
	if (parse_arguments(&r, argc, argv)) {
		status = EXIT_DONE;
		if (r.help)
			fputs(usage_text, stdout);
		else
			status = rewrite_file(&r);
	}
	roles_free(r.roles);
	return status;
}
