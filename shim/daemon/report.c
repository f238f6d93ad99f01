/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One table of figures; JSON by jansson, the Prometheus text format (version 0.0.4) by hand. */
#include "shim/daemon/report.h"

#include "shim/ike/dialect.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *interfaces(const struct config *config)
{
	char *joined = NULL;
	size_t size;
	FILE *out = open_memstream(&joined, &size);
	json_t *text;

	for (size_t i = 0; out && i < config->interface_count; i++)
		fprintf(out, "%s%s", i ? "," : "", config->interfaces[i]);
	if (out)
		fclose(out);
	text = json_string(joined ? joined : "");
	free(joined);
	return text;
}

struct peer_list {
	json_t *array;
};

static void add_peer(void *ctx, const struct endpoint *peer, enum ike_dialect dialect, uint64_t age_ms,
		     bool alone)
{
	struct peer_list *list = ctx;
	char text[ENDPOINT_TEXT_MAX];

	(void)alone;
	json_array_append_new(list->array,
			      json_pack("{s:s, s:s, s:o}", "peer", endpoint_text(peer, text), "dialect",
					ike_dialect_name(dialect), "age_s", number(age_ms / 1000)));
}

static json_t *peers(const struct report *r)
{
	struct peer_list list = {.array = json_array()};

	ike_table_each_peer(packets_ike(r->packets), r->now_ms, add_peer, &list);
	return list.array;
}

static json_t *spi_text(uint32_t spi)
{
	char text[9];

	snprintf(text, sizeof text, "%08x", spi);
	return json_string(text);
}

/* "idle in 540 s", "closed in 0 s", "-" */
static json_t *ends_text(const struct session_view *v)
{
	char text[64] = "-";

	if (v->ends_in_ms != UINT64_MAX)
		snprintf(text, sizeof text, "%s in %llu s", session_end_name(v->why),
			 (unsigned long long)(v->ends_in_ms / 1000));
	return json_string(text);
}

/* Whose ISAKMP SA is bridged, in order: a session is looked up in it, of which there may be thousands. */
struct bridged {
	struct endpoint *clients;
	size_t count, capacity;
};

static int by_endpoint(const void *left, const void *right)
{
	const struct endpoint *a = left, *b = right;
	const int order = memcmp(a->addr, b->addr, sizeof a->addr);

	if (order || a->addr_len != b->addr_len)
		return order ? order : a->addr_len - b->addr_len;
	return a->port - b->port;
}

static void add_bridged(void *ctx, const struct bridge_entry *entry)
{
	struct bridged *b = ctx;

	if (b->count < b->capacity)
		b->clients[b->count++] = entry->client;
}

/* Without memory for it nobody is in it. */
static struct bridged list_bridged(const struct report *r)
{
	const struct bridge *bridge = bridge_mode_bridge(r->bridge_mode);
	const struct bridge_stats stats = bridge ? bridge_stats(bridge) : (struct bridge_stats){0};
	struct bridged b = {.capacity = stats.half_open + stats.established};

	if (b.capacity)
		b.clients = calloc(b.capacity, sizeof *b.clients);
	if (!b.clients)
		return b;
	bridge_each_entry(bridge, add_bridged, &b);
	qsort(b.clients, b.count, sizeof *b.clients, by_endpoint);
	return b;
}

/* A session without NAT has no port: then any of that address. */
static bool is_bridged(const struct bridged *b, const struct endpoint *client)
{
	size_t low = 0, high = b->count;

	while (low < high) {
		const size_t middle = (low + high) / 2;

		if (by_endpoint(&b->clients[middle], client) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < b->count && endpoint_same_host(&b->clients[low], client) &&
	       (!client->port || b->clients[low].port == client->port);
}

/* What natshim does for a client, by the names in natshim(8). */
/* client: the session's, by its real address. */
static json_t *does_for(const struct report *r, const struct bridged *bridged, const struct session_view *v,
			const struct endpoint *client)
{
	const enum ike_dialect dialect = (enum ike_dialect)v->profile;
	const struct {
		bool done;
		const char *name;
	} all[] = {
		{dialect_facts(dialect)->shimmed, "nat-t"},
		{is_bridged(bridged, client), "bridge"},
		{v->hello_absorbed, "hello"},
		{r->config->profile[dialect].keep_warm != 0, "keep-warm"},
	};
	json_t *does = json_array();

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].done)
			json_array_append_new(does, json_string(all[i].name));
	return does;
}

static json_t *session_json(const struct report *r, const struct bridged *bridged,
			    const struct session_view *v)
{
	struct endpoint address = v->peer, alias = v->peer;
	char text[ENDPOINT_TEXT_MAX], alias_text[ENDPOINT_TEXT_MAX];
	const bool aliased = aliases_real(r->aliases, &address) && !endpoint_same_host(&address, &alias);
	const struct endpoint client = address;
	json_t *session;

	address.port = alias.port = 0;
	session = json_pack("{s:s, s:i, s:s, s:b, s:o, s:o, s:i, s:s}", "peer", endpoint_text(&address, text),
			    "port", client.port, "dialect", ike_dialect_name((enum ike_dialect)v->profile),
			    "nat", v->nat, "spi_in", spi_text(v->spi_in), "spi_out", spi_text(v->spi_out),
			    "l2tp_port", v->l2tp_port, "state", session_state_name(v->state));
	if (!session)
		return NULL;
	json_object_set_new(session, "alias",
			    aliased ? json_string(endpoint_text(&alias, alias_text)) : json_null());
	json_object_set_new(session, "idle_s", number(v->idle_ms / 1000));
	json_object_set_new(session, "age_s", number(v->age_ms / 1000));
	json_object_set_new(session, "bytes_in", number(v->bytes_in));
	json_object_set_new(session, "bytes_out", number(v->bytes_out));
	json_object_set_new(session, "ends", ends_text(v));
	json_object_set_new(session, "ends_why",
			    v->ends_in_ms == UINT64_MAX ? json_null()
							: json_string(session_end_name(v->why)));
	json_object_set_new(session, "ends_in_s",
			    v->ends_in_ms == UINT64_MAX ? json_null() : number(v->ends_in_ms / 1000));
	json_object_set_new(session, "hello_absorbed", json_boolean(v->hello_absorbed));
	json_object_set_new(session, "does", does_for(r, bridged, v, &client));
	json_object_set_new(session, "attempts", number(v->attempts));
	json_object_set_new(session, "error", v->error ? json_string(v->error) : json_null());
	return session;
}

static void add_rule(void *ctx, const char *rule, uint64_t packets, uint64_t bytes)
{
	(void)bytes;
	json_object_set_new(ctx, rule, number(packets));
}

/* By the rules that fill a set, beside those that natshim fills. */
static uint64_t refused_to_rules(json_t *rules)
{
	uint64_t refused = 0;
	const char *name;
	json_t *packets;

	json_object_foreach(rules, name, packets)
	{
		if (!strncmp(name, RULES_NAME_NOT_NOTED, strlen(RULES_NAME_NOT_NOTED)))
			refused += (uint64_t)json_integer_value(packets);
	}
	return refused;
}

/* Figures */

struct figure {
	const char *name; /* the JSON key; natshim_NAME, with _total behind a counter, in the metrics */
	bool gauge;
	uint64_t value;
	const char *help;
};

#define FIGURES_MAX 48

/* rules: packets by rule. */
static size_t collect(const struct report *r, json_t *rules, struct figure out[static FIGURES_MAX])
{
	const struct packets_stats packets = packets_stats(r->packets);
	const struct filter_counters *c = packets.filter;
	const struct nfq_stats queue = queues_stats(r->queues);
	const struct session_stats session = sessions_stats(r->sessions);
	const struct xfrm_stats xfrm = sessions_xfrm_stats(r->sessions);
	const struct bridge_mode_stats bridge = bridge_mode_stats(r->bridge_mode);
	const struct alias_stats alias = aliases_stats(r->aliases);
	const struct figure figures[] = {
		{"packets", false, queue.packets, "Packets that the kernel queued."},
		{"rewritten", false, c->reasons[IKE_REWRITTEN], "IKE messages that were changed."},
		{"fragments", false, c->kinds[PACKET_FRAGMENT], "Queued IP fragments, passed unchanged."},
		{"not_udp", false, c->kinds[PACKET_OTHER], "Packets that were not UDP."},
		{"bad_packets", false, c->kinds[PACKET_BAD], "Malformed packets, passed unchanged."},
		{"not_ike", false, c->not_ike, "UDP packets that were neither IKE nor L2TP."},
		{"exchanges", true, packets.ike.exchanges, "Phase 1 exchanges that are being translated."},
		{"peers", true, packets.ike.peers, "Peers known to speak an old dialect of NAT-T."},
		{"tunnels", true, packets.l2tp.tunnels, "Known L2TP tunnels."},
		{"evicted", false, packets.ike.evicted + packets.l2tp.evicted,
		 "Table entries evicted before their time-out."},
		{"absorbed_hellos", false, packets.l2tp.absorbed, "HELLOs answered for a client."},
		{"unanswered_hellos", false, packets.unanswered_hellos,
		 "HELLOs whose answer could not be sent."},
		{"queue_overruns", false, queue.overruns,
		 "Packets passed unseen because the socket was full."},
		{"queue_errors", false, queue.errors, "Failed queue messages and verdicts."},
		{"rules_repaired", false, r->rules_repaired,
		 "How often the rules were removed and installed again."},
		{"set_errors", false, packets.set_errors + refused_to_rules(rules),
		 "Set elements that the kernel refused."},
		{"bridge_half_open", true, bridge.bridge.half_open,
		 "Bridged exchanges whose phase 1 is not complete."},
		{"bridge_established", true, bridge.bridge.established, "Bridged ISAKMP SAs."},
		{"bridge_evicted", false, bridge.bridge.evicted,
		 "Bridged exchanges evicted before their time-out."},
		{"bridge_waited", false, packets.slow.waited, "Messages that waited for Diffie-Hellman."},
		{"bridge_wait_refused", false, packets.slow.refused,
		 "Of these, messages dropped because too many waited."},
		{"bridge_exponentiations", false, bridge.bridge.exponentiations,
		 "Diffie-Hellman operations."},
		{"bridge_swapped", false, bridge.rekeyed,
		 "ESP SAs of the kernel that got the client's keys."},
		{"bridge_secrets_unanswered", false, bridge.unanswered,
		 "Requests to the process with the secrets without an answer in time."},
		{"bridge_swap_errors", false, bridge.rekey_errors,
		 "ESP SAs that did not get the client's keys."},
		{"bridge_swap_refused", false, bridge.rekey_refused,
		 "ESP SAs that did not get them because they are another client's."},
		{"bridge_swap_lost", false, bridge.rekey_lost,
		 "ESP SAs that the kernel refused with the client's keys and then with their own."},
		{"bridge_esp_held", false, bridge.esp_hold.held,
		 "ESP packets held until their client had its SA."},
		{"bridge_esp_resealed", false, bridge.esp_hold.resealed,
		 "Held ESP packets encrypted again with the client's keys."},
		{"aliases", true, alias.aliases, "Aliases in use by clients behind a NAT."},
		{"aliases_given", false, alias.given,
		 "Aliases given at a first message, which may have been forged."},
		{"aliases_refused", false, alias.refused, "First messages for which no alias was free."},
		{"aliases_moved", false, alias.moved,
		 "Times that a NAT gave a client another port in mid-session, and the session went on."},
		{"aliases_trials", false, alias.trials,
		 "New ports that were tried for a client by a packet that may have been forged."},
		{"aliases_trials_refused", false, alias.trials_refused,
		 "New ports that were not tried, since too many were."},
		{"aliases_rekeys", false, alias.rekeys,
		 "Messages dropped because a client with a session began phase 1 from a new port of its "
		 "NAT."},
		{"sessions", true, session.sessions, "L2TP/IPsec sessions."},
		{"sessions_started", false, session.started, "Sessions that came up."},
		{"sessions_kept", false, session.kept,
		 "Terminations cancelled because the client was active again."},
		{"session_failures", false, session.failures, "Terminations that failed in the VPN stack."},
		{"session_ambiguous", false, session.ambiguous,
		 "StopCCNs that could be of several sessions."},
		{"session_unwatched", false, session.unwatched, "SAs for which the table was full."},
		{"xfrm_events", false, xfrm.events, "Events of the kernel's SAs."},
		{"xfrm_dumps", false, xfrm.dumps, "Dumps of the kernel's SAs."},
		{"xfrm_overruns", false, xfrm.overruns, "How often events were lost and replaced by a dump."},
	};
	_Static_assert(sizeof figures / sizeof *figures <= FIGURES_MAX, "FIGURES_MAX is too small");

	memcpy(out, figures, sizeof figures);
	return sizeof figures / sizeof *figures;
}

/* A figure with one label: how many values there are, and each one's label and value. */
struct family {
	const char *key;    /* in the JSON */
	const char *metric; /* without natshim_ and _total */
	const char *label;
	const char *help;
	size_t count;
	const char *(*name)(size_t i);
	uint64_t (*value)(const struct report *r, size_t i);
};

static const char *ike_name(size_t i)
{
	return ike_reason_name((enum ike_reason)i);
}

static uint64_t ike_value(const struct report *r, size_t i)
{
	return packets_stats(r->packets).filter->reasons[i];
}

static const char *l2tp_name(size_t i)
{
	return l2tp_reason_name((enum l2tp_reason)i);
}

static uint64_t l2tp_value(const struct report *r, size_t i)
{
	return packets_stats(r->packets).filter->l2tp_reasons[i];
}

static const char *bridge_name(size_t i)
{
	return bridge_reason_name((enum bridge_reason)i);
}

static uint64_t bridge_value(const struct report *r, size_t i)
{
	return packets_stats(r->packets).filter->bridge_reasons[i];
}

/* Not "not ended". */
static const char *end_name(size_t i)
{
	return session_end_name((enum session_end)(i + 1));
}

static uint64_t end_value(const struct report *r, size_t i)
{
	return sessions_stats(r->sessions).ended[i + 1];
}

static const struct family families[] = {
	{"by_reason", "ike_messages", "reason", "Queued IKE messages by result.", IKE_REASONS, ike_name,
	 ike_value},
	{"l2tp_by_reason", "l2tp_messages", "reason", "Queued L2TP control messages by result.", L2TP_REASONS,
	 l2tp_name, l2tp_value},
	{"bridge_by_reason", "bridge_messages", "reason", "IKE messages that bridge mode handled, by result.",
	 BRIDGE_REASONS, bridge_name, bridge_value},
	{"ended", "sessions_ended", "reason", "Ended sessions by reason.", SESSION_ENDS - 1, end_name,
	 end_value},
};
#define FAMILY_COUNT (sizeof families / sizeof *families)

static json_t *counters(const struct report *r, json_t *rules)
{
	struct figure figures[FIGURES_MAX];
	const size_t count = collect(r, rules, figures);
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++)
		json_object_set_new(object, figures[i].name, number(figures[i].value));
	for (size_t i = 0; i < FAMILY_COUNT; i++) {
		json_t *values = json_object();

		for (size_t j = 0; j < families[i].count; j++)
			json_object_set_new(values, families[i].name(j), number(families[i].value(r, j)));
		json_object_set_new(object, families[i].key, values);
	}
	json_object_set(object, "rules", rules);
	return object;
}

static const char *stack_name(const struct report *r)
{
	const enum stack_kind stack = sessions_stack(r->sessions);

	return stack == STACK_AUTO ? "none" : stack_kind_name(stack);
}

/* The whole */

#define SESSIONS_A_PIECE 4 /* some 20 us */

/* Each a piece of the work, some 100 us at most: the rules are the kernel's work, too. */
enum stage { BASE_RULES, QUEUE_RULES, ALIAS_RULES, BEGINNING, SESSIONS };

struct report_text {
	enum stage stage;
	const struct report *report; /* while report_more() runs */
	char *absent;
	json_t *rules;          /* packets by rule */
	struct bridged bridged; /* as of the beginning */
	FILE *out;              /* over text */
	char *text;
	size_t length, capacity;
	uint32_t cursor; /* of the session table */
	bool several, failed;
};

#define TEXT_FIRST 65536 /* bytes */

/* Twice as long each time: a long one is moved by its pages, where a memory stream copies it and clears what is new. */
static ssize_t append(void *cookie, const char *data, size_t length)
{
	struct report_text *t = cookie;
	size_t capacity = t->capacity ? t->capacity : TEXT_FIRST;
	char *text;

	while (capacity <= t->length + length) /* one more, for the end of the string */
		capacity *= 2;
	text = capacity == t->capacity ? t->text : realloc(t->text, capacity);
	if (!text)
		return 0;
	memcpy(text + t->length, data, length);
	t->text = text;
	t->capacity = capacity;
	t->length += length;
	return (ssize_t)length;
}

/* Its closing brace is left for the end, behind the sessions. */
static bool write_beginning(struct report_text *t, const struct report *r)
{
	json_t *root = json_pack("{s:s, s:o, s:o, s:s, s:s, s:o, s:o}", "version", NATSHIM_VERSION,
				 "uptime_s", number((r->now_ms - r->started_ms) / 1000), "iface",
				 interfaces(r->config), "iface_absent", t->absent, "stack", stack_name(r),
				 "peers", peers(r), "counters", counters(r, t->rules));
	char *head = root ? json_dumps(root, JSON_COMPACT) : NULL;
	const bool done = head && fprintf(t->out, "%.*s,\"sessions\":[", (int)strlen(head) - 1, head) > 0;

	json_decref(root);
	free(head);
	return done;
}

struct report_text *report_begin(const struct report *r)
{
	static const cookie_io_functions_t functions = {.write = append};
	struct report_text *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->bridged = list_bridged(r);
	t->absent = strdup(r->absent ? r->absent : "");
	t->rules = json_object();
	t->out = fopencookie(t, "w", functions);
	if (t->absent && t->rules && t->out)
		return t;
	report_end(t);
	return NULL;
}

static void write_session(void *ctx, const struct session_view *v)
{
	struct report_text *t = ctx;
	json_t *session = session_json(t->report, &t->bridged, v);

	if (t->several)
		fputc(',', t->out);
	t->several = true;
	t->failed |= !session || json_dumpf(session, t->out, JSON_COMPACT);
	json_decref(session);
}

bool report_more(struct report_text *t, const struct report *r)
{
	t->report = r;
	switch (t->stage++) {
	case BASE_RULES:
		rules_nft_counters_of(r->nft, RULES_TABLE, add_rule, t->rules);
		return true;
	case QUEUE_RULES:
		rules_nft_counters_of(r->nft, RULES_QUEUE_TABLE, add_rule, t->rules);
		return true;
	case ALIAS_RULES:
		rules_nft_counters_of(r->nft, RULES_ALIAS_TABLE, add_rule, t->rules);
		return true;
	case BEGINNING:
		t->failed |= !write_beginning(t, r);
		return true;
	case SESSIONS:
		break;
	}
	t->stage = SESSIONS;
	return sessions_each_of(r->sessions, &t->cursor, SESSIONS_A_PIECE, write_session, t);
}

char *report_take(struct report_text *t, size_t *length)
{
	char *text = NULL;

	fputs("]}", t->out);
	t->failed |= ferror(t->out) != 0;
	t->failed |= fclose(t->out) != 0;
	t->out = NULL;
	if (t->failed || !t->text)
		return NULL;
	text = t->text;
	text[t->length] = '\0';
	*length = t->length;
	t->text = NULL;
	return text;
}

void report_end(struct report_text *t)
{
	if (t->out)
		fclose(t->out);
	json_decref(t->rules);
	free(t->absent);
	free(t->bridged.clients);
	free(t->text);
	free(t);
}

/* Prometheus */

static void write_head(FILE *out, const char *name, bool gauge, const char *help)
{
	const char *suffix = gauge ? "" : "_total";

	fprintf(out, "# HELP natshim_%s%s %s\n# TYPE natshim_%s%s %s\n", name, suffix, help, name, suffix,
		gauge ? "gauge" : "counter");
}

void report_metrics(FILE *out, const struct report *r)
{
	struct figure figures[FIGURES_MAX];
	json_t *rules = json_object(), *packets;
	const char *rule;
	size_t count;

	rules_nft_counters(r->nft, add_rule, rules);
	count = collect(r, rules, figures);
	write_head(out, "info", true, "Always 1; the labels have the version and the VPN stack.");
	fprintf(out, "natshim_info{version=\"%s\",stack=\"%s\"} 1\n", NATSHIM_VERSION, stack_name(r));
	write_head(out, "uptime_seconds", true, "Seconds since the start.");
	fprintf(out, "natshim_uptime_seconds %" PRIu64 "\n", (r->now_ms - r->started_ms) / 1000);
	for (size_t i = 0; i < count; i++) {
		write_head(out, figures[i].name, figures[i].gauge, figures[i].help);
		fprintf(out, "natshim_%s%s %" PRIu64 "\n", figures[i].name, figures[i].gauge ? "" : "_total",
			figures[i].value);
	}
	for (size_t i = 0; i < FAMILY_COUNT; i++) {
		write_head(out, families[i].metric, false, families[i].help);
		for (size_t j = 0; j < families[i].count; j++)
			fprintf(out, "natshim_%s_total{%s=\"%s\"} %" PRIu64 "\n", families[i].metric,
				families[i].label, families[i].name(j), families[i].value(r, j));
	}
	write_head(out, "rule_packets", false, "Packets by rule of the installed tables.");
	json_object_foreach(rules, rule, packets)
	{
		fprintf(out, "natshim_rule_packets_total{rule=\"%s\"} %" JSON_INTEGER_FORMAT "\n", rule,
			json_integer_value(packets));
	}
	json_decref(rules);
}
