/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each packet tells, and what natshim would have done to it. */
#include "shim/explain/ladder.h"

#include "nfq/packet.h"
#include "shim/bridge/dh.h"
#include "shim/filter.h"
#include "shim/l2tp/message.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PORT_IKE = 500,
	PORT_IKE_NAT = 4500,
	PORT_L2TP = 1701,
	KEEPALIVE = 0xff, /* RFC 3948 section 4 */
	PACKET_MAX = 65535 + 40,
};

static_assert(IKE_TO_SERVER < EXPLAIN_DIRECTIONS && IKE_TO_CLIENT < EXPLAIN_DIRECTIONS,
	      "arrays by direction");

struct explain {
	struct explain_config config;
	struct explain_report report;
	struct filter filter;
	struct bridge *bridge;
	struct bridge_result bridge_result;
	struct filter_outcome outcome; /* of the packet's copy */
	struct natd_hasher *hasher;
	uint8_t copy[PACKET_MAX];
	uint8_t bridged[BRIDGE_MESSAGE_MAX + BRIDGE_GROWTH_MAX];
};

/* What bridge mode asks for: it is asked whether it would begin, and never goes on. */

static enum bridge_secret has_secret(void *ctx, const struct endpoint *server, const struct endpoint *client)
{
	(void)ctx;
	(void)server;
	(void)client;
	return BRIDGE_SECRET_THERE;
}

static size_t no_skeyid(void *ctx, const struct endpoint *server, const struct endpoint *client, uint8_t hash,
			struct bytes nonce_i, struct bytes nonce_r, uint8_t out[static KEYS_HASH_MAX])
{
	(void)ctx;
	(void)server;
	(void)client;
	(void)hash;
	(void)nonce_i;
	(void)nonce_r;
	memset(out, 0, KEYS_HASH_MAX);
	return 0;
}

static enum bridge_spi no_spi(void *ctx, const struct endpoint *destination, const uint8_t (*spis)[4],
			      size_t count)
{
	(void)ctx;
	(void)destination;
	(void)spis;
	(void)count;
	return BRIDGE_SPI_UNKNOWN;
}

static bool not_random(void *ctx, uint8_t *out, size_t length)
{
	(void)ctx;
	memset(out, 1, length);
	return true;
}

static struct bridge *make_bridge(const struct explain_config *config)
{
	struct bridge_config bridge = {
		.when = BRIDGE_NEEDED,
		.weak_groups = config->bridge_groups,
		.offer_count = 1,
		.offer = {{ISAKMP_CIPHER_AES_CBC, ISAKMP_HASH_SHA2_256, 14, 256}},
		.has_secret = has_secret,
		.skeyid = no_skeyid,
		.find_spi = no_spi,
		.random = not_random,
		.max_fresh = EXPLAIN_CLIENTS_MAX,
		.max_gone = EXPLAIN_CLIENTS_MAX,
		.max_half_open = 1,
		.max_sessions = 1,
	};

	return bridge_new(&bridge);
}

struct explain *explain_new(const struct explain_config *config)
{
	const struct ike_config ike = {.public_addr4 = config->public_addr4,
				       .public_addr6 = config->public_addr6};
	struct explain *explain = calloc(1, sizeof *explain);

	if (!explain)
		return NULL;
	explain->config = *config;
	explain->hasher = natd_hasher_new();
	explain->filter.ike = ike_table_new(&ike);
	explain->bridge = make_bridge(config);
	if (explain->hasher && explain->filter.ike && explain->bridge)
		return explain;
	explain_free(explain);
	return NULL;
}

void explain_free(struct explain *explain)
{
	if (!explain)
		return;
	for (unsigned i = 0; i < explain->report.clients; i++)
		ladder_free_client(&explain->report.client[i]);
	bridge_free(explain->bridge);
	ike_table_free(explain->filter.ike);
	natd_hasher_free(explain->hasher);
	free(explain);
}

/* Facts of a message into those of its attempt */

/* Which one it is of its exchange: by who sends it, and by what is in it. */
static unsigned phase1_number(const struct explain_attempt *attempt, const struct message_facts *facts,
			      bool from_initiator)
{
	if (facts->exchange == MESSAGE_AGGRESSIVE)
		return !from_initiator ? 2 : facts->has_sa ? 1 : 3;
	if (facts->exchange != MESSAGE_MAIN || attempt->ikev2)
		return 0;
	if (facts->encrypted)
		return from_initiator ? 5 : 6;
	if (facts->has_sa)
		return from_initiator ? 1 : 2;
	return !facts->has_ke ? 0 : from_initiator ? 3 : 4;
}

static struct explain_quick *find_quick(struct explain_attempt *attempt, uint32_t id, bool from_client)
{
	for (unsigned i = 0; i < attempt->quicks; i++)
		if (attempt->quick[i].id == id)
			return &attempt->quick[i];
	if (attempt->quicks == EXPLAIN_QUICK_MAX)
		return NULL;
	attempt->quick[attempt->quicks] = (struct explain_quick){.id = id, .by_client = from_client};
	return &attempt->quick[attempt->quicks++];
}

static unsigned quick_number(struct explain_attempt *attempt, const struct message_facts *facts,
			     bool from_client)
{
	const struct explain_quick *quick = find_quick(attempt, facts->id, from_client);

	if (!quick)
		return 0;
	if (quick->by_client != from_client)
		return 2;
	return quick->seen[1] ? 3 : 1;
}

static unsigned number_of(struct explain_attempt *attempt, const struct message_facts *facts,
			  bool from_client)
{
	if (!facts->readable || facts->broken || facts->ikev2)
		return 0;
	if (facts->exchange == MESSAGE_QUICK)
		return quick_number(attempt, facts, from_client);
	return phase1_number(attempt, facts, from_client != attempt->by_server);
}

static void learn_sa(struct explain_attempt *attempt, const struct message_facts *facts, unsigned number)
{
	if (!facts->offer.count)
		return;
	if (number == 1) {
		attempt->offer = facts->offer;
	} else if (number == 2) {
		attempt->hash = facts->offer.transform[0].suite.hash;
		attempt->group = facts->offer.transform[0].suite.group;
	}
}

static void learn_nat(struct explain_attempt *attempt, const struct message_facts *facts,
		      enum ike_direction direction)
{
	const bool up = direction == IKE_TO_SERVER;
	const enum nat_seen client = up ? facts->nat_src : facts->nat_dst,
			    server = up ? facts->nat_dst : facts->nat_src;

	attempt->natd[direction] = facts->natd;
	/* One look at a NAT is enough: which of the two sides of it the capture was made on shows in one direction only. */
	attempt->client_nat = client > attempt->client_nat ? client : attempt->client_nat;
	attempt->server_nat = server > attempt->server_nat ? server : attempt->server_nat;
}

static void learn_clear(struct explain_attempt *attempt, const struct message_facts *facts, unsigned number,
			enum ike_direction direction)
{
	learn_sa(attempt, facts, number);
	if (facts->natd)
		learn_nat(attempt, facts, direction);
	if (facts->has_ke)
		attempt->ke_length[direction] = facts->ke_length;
	if (direction == IKE_TO_CLIENT) {
		attempt->server_vendors |= facts->vendors;
		attempt->notification = facts->notification ? facts->notification : attempt->notification;
		return;
	}
	attempt->vendors |= facts->vendors;
	attempt->windows = facts->windows ? facts->windows : attempt->windows;
	if (facts->has_sa)
		attempt->dialect = facts->dialect;
}

static void count(struct explain_attempt *attempt, const struct message_facts *facts, unsigned number,
		  enum ike_direction direction)
{
	if (facts->exchange == MESSAGE_QUICK) {
		struct explain_quick *quick = find_quick(attempt, facts->id, direction == IKE_TO_SERVER);

		if (quick && number)
			quick->seen[number]++;
	} else if (number) {
		attempt->mode = facts->exchange;
		attempt->seen[number]++;
	} else if (facts->exchange == MESSAGE_INFORMATIONAL && facts->encrypted) {
		attempt->informational[direction]++;
	} else if (facts->exchange == MESSAGE_TRANSACTION) {
		attempt->transactions++;
	}
}

/* What natshim says to it */

/* The same packet through the daemon's own filter; a client's first message then to bridge mode, as the filter would. */
static void filter(struct explain *explain, const struct arrival *a)
{
	memcpy(explain->copy, a->packet->ip, a->packet->length);
	explain->outcome = filter_packet(&explain->filter, a->packet->time_ms, a->packet->direction,
					 explain->copy, a->packet->length, a->packet->length);
}

static void ask_bridge(struct explain *explain, struct explain_attempt *attempt, const struct arrival *a)
{
	struct packet_udp udp;
	struct bridge_datagram d = {.direction = IKE_TO_SERVER,
				    .src = a->src,
				    .dst = a->dst,
				    .dialect = explain->outcome.ike.dialect,
				    .out = explain->bridged,
				    .capacity = sizeof explain->bridged};
	uint8_t *message;

	if (packet_parse_udp(explain->copy, a->packet->length, &udp) != PACKET_UDP ||
	    !packet_ike_message(&udp, &message, &d.length))
		return;
	d.message = message;
	bridge_message(explain->bridge, a->packet->time_ms, &d, &explain->bridge_result);
	attempt->bridge = explain->bridge_result.reason;
	attempt->bridge_asked = true;
}

static const char *change_of(const struct filter_outcome *outcome, char text[static FILTER_TEXT_MAX])
{
	const char *found = NULL;

	if (!outcome->changed)
		return "";
	for (const char *at = filter_rewrite_text(&outcome->ike, text); (at = strstr(at, ": ")); at += 2)
		found = at + 2;
	return found ? found : "";
}

static struct endpoint public_of(const struct explain *explain, const struct endpoint *server)
{
	return server->addr_len == 4 ? explain->config.public_addr4 : explain->config.public_addr6;
}

static void add_message(struct explain *explain, struct explain_client *client,
			struct explain_attempt *attempt, struct arrival *a, struct message_facts *facts,
			uint64_t digest)
{
	const enum ike_direction direction = a->packet->direction;
	struct message_context context = {.hasher = explain->hasher,
					  .hash = attempt->hash,
					  .src = a->src,
					  .dst = a->dst,
					  .server_public = public_of(explain, &a->server),
					  .from_client = direction == IKE_TO_SERVER};
	struct words title = {.length = 0}, detail = {.length = 0};
	char change[FILTER_TEXT_MAX];
	struct explain_row *row;

	message_read(a->message, a->length, &context, facts); /* again: now the hash is known */
	context.number = number_of(attempt, facts, context.from_client);
	count(attempt, facts, context.number, direction);
	learn_clear(attempt, facts, context.number, direction);
	attempt->floated |= a->on_4500;
	message_words(a->message, a->length, &context, facts, &title, &detail);
	filter(explain, a);
	attempt->changes += explain->outcome.changed;
	if (context.number == 1 && context.from_client && facts->exchange != MESSAGE_QUICK)
		ask_bridge(explain, attempt, a);
	row = ladder_add_row(&explain->report, client, a, digest, &title, &detail,
			     change_of(&explain->outcome, change));
	if (!row)
		return;
	row->attempt = (unsigned)(attempt - client->attempt) + 1;
	row->phase1 = facts->exchange == MESSAGE_QUICK ? 0 : context.number;
	row->informational = facts->exchange == MESSAGE_INFORMATIONAL && facts->encrypted;
}

static void add_ike(struct explain *explain, struct arrival *a)
{
	const uint64_t digest = ladder_digest(a->message, a->length, 0);
	const struct message_context context = {.hasher = explain->hasher};
	struct explain_client *client;
	struct explain_attempt *attempt;
	struct explain_row *row;
	struct message_facts facts;

	message_read(a->message, a->length, &context, &facts);
	if (a->length < ISAKMP_HEADER_LEN) {
		explain->report.other_packets++;
		return;
	}
	client = ladder_find_client(&explain->report, a);
	if (!client)
		return;
	ladder_touch(&explain->report, client, a);
	ladder_add_place(client, &a->client);
	row = ladder_find_row(client, digest, a->packet->direction);
	if (row) {
		ladder_see_again(client, row, a);
		return;
	}
	row = ladder_find_same_kind(client, a, &facts);
	if (row) {
		ladder_count(client, row, a);
		return;
	}
	attempt = ladder_find_attempt(client, a->message);
	attempt = attempt ? attempt : ladder_add_attempt(&explain->report, client, a, &facts);
	if (!attempt) {
		client->rows_lost++;
		return;
	}
	attempt->last_ms = a->packet->time_ms;
	add_message(explain, client, attempt, a, &facts, digest);
}

/* ESP, keep-alives, L2TP in the clear */

static void add_esp(struct explain *explain, struct arrival *a, const struct packet_esp *esp)
{
	const uint64_t digest = ladder_digest(esp->esp, 4, esp->in_udp ? 1 : 2);
	struct explain_client *client = ladder_find_at(&explain->report, &a->client, &a->server);
	struct explain_row *row;
	struct words title = {.length = 0};

	client = client ? client : ladder_find_host(&explain->report, &a->client, &a->server);
	if (!client) {
		explain->report.stray_esp++;
		return;
	}
	ladder_touch(&explain->report, client, a);
	if (!client->esp_first_ms)
		client->esp_first_ms = a->packet->time_ms;
	client->esp_last_ms = a->packet->time_ms;
	client->esp[a->packet->direction]++;
	row = ladder_find_row(client, digest, a->packet->direction);
	if (row) {
		ladder_count(client, row, a);
		return;
	}
	words_add(&title, "ESP%s, SPI %02x%02x%02x%02x, encrypted", esp->in_udp ? " in UDP" : "", esp->esp[0],
		  esp->esp[1], esp->esp[2], esp->esp[3]);
	ladder_add_row(&explain->report, client, a, digest, &title, NULL, "");
}

static void add_keepalive(struct explain *explain, struct arrival *a)
{
	struct explain_client *client = ladder_find_at(&explain->report, &a->client, &a->server);
	struct explain_row *row;
	struct words title = {.length = 0};

	if (!client) {
		explain->report.other_packets++;
		return;
	}
	ladder_touch(&explain->report, client, a);
	client->keepalives++;
	row = ladder_find_row(client, KEEPALIVE, a->packet->direction);
	if (row) {
		ladder_count(client, row, a);
		return;
	}
	words_add(&title, "NAT keep-alive");
	ladder_add_row(&explain->report, client, a, KEEPALIVE, &title, NULL, "");
}

static const char *l2tp_name(uint16_t type)
{
	static const struct {
		uint16_t type;
		const char *name;
	} names[] = {{L2TP_ZLB, "acknowledgement"}, {L2TP_SCCRQ, "SCCRQ"},
		     {L2TP_SCCRP, "SCCRP"},         {L2TP_SCCCN, "SCCCN"},
		     {L2TP_STOPCCN, "StopCCN"},     {L2TP_HELLO, "HELLO"},
		     {L2TP_ICRQ, "ICRQ"},           {L2TP_ICRP, "ICRP"},
		     {L2TP_ICCN, "ICCN"},           {L2TP_CDN, "CDN"}};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].type == type)
			return names[i].name;
	return "another message";
}

static void add_l2tp(struct explain *explain, struct arrival *a)
{
	struct explain_client *client = ladder_find_at(&explain->report, &a->client, &a->server);
	struct l2tp_header header;
	struct words title = {.length = 0};
	struct explain_row *row;
	uint64_t digest = PORT_L2TP;
	uint16_t type = 0;

	client = client ? client : ladder_find_host(&explain->report, &a->client, &a->server);
	client = client ? client : ladder_add_client(&explain->report, a);
	if (!client)
		return;
	ladder_touch(&explain->report, client, a);
	client->l2tp[a->packet->direction]++;
	words_add(&title, "L2TP, not inside ESP: ");
	if (l2tp_header_read(a->message, a->length, &header) != L2TP_ORDINARY) {
		words_add(&title, "data, or damaged");
	} else if (l2tp_check(a->message, &header, &type) != L2TP_ORDINARY) {
		words_add(&title, "a damaged control message");
	} else {
		words_add(&title, "%s", l2tp_name(type));
		digest = ladder_digest(a->message, a->length, PORT_L2TP);
	}
	row = ladder_find_row(client, digest, a->packet->direction);
	if (row)
		ladder_see_again(client, row, a);
	else
		ladder_add_row(&explain->report, client, a, digest, &title, NULL, "");
}

/* Packets */

static void set_sides(struct arrival *a, const struct endpoint *src, const struct endpoint *dst)
{
	const bool up = a->packet->direction == IKE_TO_SERVER;

	a->src = *src;
	a->dst = *dst;
	a->client = up ? *src : *dst;
	a->server = up ? *dst : *src;
	a->on_4500 = src->port == PORT_IKE_NAT || dst->port == PORT_IKE_NAT;
}

static bool is_keepalive(const struct packet_udp *udp)
{
	return (udp->src.port == PORT_IKE_NAT || udp->dst.port == PORT_IKE_NAT) && udp->payload_length == 1 &&
	       *udp->payload == KEEPALIVE;
}

static bool is_l2tp(const struct packet_udp *udp)
{
	return udp->src.port == PORT_L2TP || udp->dst.port == PORT_L2TP;
}

void explain_add(struct explain *explain, const struct explain_packet *packet)
{
	struct arrival a = {.packet = packet};
	struct packet_udp udp;
	struct packet_esp esp;
	enum packet_kind kind;

	if (packet->length > sizeof explain->copy) {
		explain->report.other_packets++;
		return;
	}
	/* Memory of just that size, which the parsers may point into: whoever reads past its end is found out by a sanitizer. */
	uint8_t *data = malloc(packet->length ? packet->length : 1);

	if (!data) {
		explain->report.out_of_memory++;
		return;
	}
	memcpy(data, packet->ip, packet->length);
	kind = packet_parse_udp(data, packet->length, &udp);
	if (packet_parse_esp(data, packet->length, &esp)) {
		set_sides(&a, &esp.src, &esp.dst);
		add_esp(explain, &a, &esp);
	} else if (kind != PACKET_UDP) {
		explain->report.other_packets++;
	} else {
		set_sides(&a, &udp.src, &udp.dst);
		a.message = udp.payload;
		a.length = udp.payload_length;
		if (is_keepalive(&udp))
			add_keepalive(explain, &a);
		else if (packet_ike_message(&udp, &a.message, &a.length))
			add_ike(explain, &a);
		else if (is_l2tp(&udp))
			add_l2tp(explain, &a);
		else
			explain->report.other_packets++;
	}
	free(data);
}

unsigned explain_changes(const struct explain_client *client)
{
	unsigned changes = 0;

	for (unsigned i = 0; i < client->attempts; i++)
		changes += client->attempt[i].changes;
	return changes;
}

const struct explain_report *explain_end(struct explain *explain)
{
	for (unsigned i = 0; i < explain->report.clients; i++) {
		explain_identify(&explain->report.client[i]);
		explain_judge(&explain->report.client[i], &explain->report);
	}
	return &explain->report;
}
