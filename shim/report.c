/* JSON by jansson. */
#include "shim/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *interfaces(const struct config *config)
{
	size_t length = 1;
	json_t *text;
	char *joined;

	for (size_t i = 0; i < config->interface_count; i++)
		length += strlen(config->interfaces[i]) + 1;
	joined = calloc(1, length);
	for (size_t i = 0; joined && i < config->interface_count; i++) {
		if (i)
			strcat(joined, ",");
		strcat(joined, config->interfaces[i]);
	}
	text = json_string(joined ? joined : "");
	free(joined);
	return text;
}

struct peer_list {
	json_t *array;
};

static void add_peer(void *ctx, const struct endpoint *peer, enum ike_dialect dialect, uint64_t age_ms)
{
	struct peer_list *list = ctx;
	char text[ENDPOINT_TEXT_MAX];

	json_array_append_new(list->array,
			      json_pack("{s:s, s:s, s:o}", "peer", endpoint_text(peer, text), "dialect",
					ike_dialect_name(dialect), "age_s", number(age_ms / 1000)));
}

static json_t *peers(const struct report *r)
{
	struct peer_list list = {.array = json_array()};

	ike_table_each_peer(r->filter->ike, r->now_ms, add_peer, &list);
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

static void add_session(void *ctx, const struct session_view *v)
{
	struct endpoint address = v->peer;
	char text[ENDPOINT_TEXT_MAX];
	json_t *session;

	address.port = 0;
	session = json_pack("{s:s, s:i, s:s, s:b, s:o, s:o, s:i, s:s}", "peer", endpoint_text(&address, text),
			    "port", v->peer.port, "dialect", ike_dialect_name((enum ike_dialect)v->profile),
			    "nat", v->nat, "spi_in", spi_text(v->spi_in), "spi_out", spi_text(v->spi_out),
			    "l2tp_port", v->l2tp_port, "state", session_state_name(v->state));
	if (!session)
		return;
	json_object_set_new(session, "idle_s", number(v->idle_ms / 1000));
	json_object_set_new(session, "age_s", number(v->age_ms / 1000));
	json_object_set_new(session, "bytes_in", number(v->bytes_in));
	json_object_set_new(session, "bytes_out", number(v->bytes_out));
	json_object_set_new(session, "ends", ends_text(v));
	json_object_set_new(session, "error", v->error ? json_string(v->error) : json_null());
	json_array_append_new(ctx, session);
}

static json_t *sessions(const struct report *r)
{
	json_t *array = json_array();

	watch_each(r->watch, add_session, array);
	return array;
}

static json_t *ended_by_reason(const struct session_stats *s)
{
	json_t *object = json_object();

	for (size_t i = SESSION_NOT_ENDED + 1; i < SESSION_ENDS; i++)
		json_object_set_new(object, session_end_name((enum session_end)i), number(s->ended[i]));
	return object;
}

static void add_rule(void *ctx, const char *rule, uint64_t packets, uint64_t bytes)
{
	(void)bytes;
	json_object_set_new(ctx, rule, number(packets));
}

static json_t *rule_counters(const struct report *r)
{
	json_t *object = json_object();

	rules_nft_counters(r->nft, add_rule, object);
	return object;
}

static json_t *ike_reasons(const struct filter_counters *c)
{
	json_t *object = json_object();

	for (size_t i = 0; i < IKE_REASONS; i++)
		json_object_set_new(object, ike_reason_name((enum ike_reason)i), number(c->reasons[i]));
	return object;
}

static json_t *l2tp_reasons(const struct filter_counters *c)
{
	json_t *object = json_object();

	for (size_t i = 0; i < L2TP_REASONS; i++)
		json_object_set_new(object, l2tp_reason_name((enum l2tp_reason)i),
				    number(c->l2tp_reasons[i]));
	return object;
}

static json_t *counters(const struct report *r)
{
	const struct filter_counters *c = &r->filter->counters;
	const struct nfq_stats queue = nfq_queue_stats(r->queue);
	const struct ike_table_stats ike = ike_table_stats(r->filter->ike);
	const struct l2tp_table_stats l2tp = l2tp_table_stats(r->l2tp);
	const struct session_stats session = watch_stats(r->watch);
	const struct xfrm_stats xfrm = watch_xfrm_stats(r->watch);
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{"packets", queue.packets},
		{"rewritten", c->reasons[IKE_REWRITTEN]},
		{"fragments", c->kinds[PACKET_FRAGMENT]},
		{"not_udp", c->kinds[PACKET_OTHER]},
		{"bad_packets", c->kinds[PACKET_BAD]},
		{"not_ike", c->not_ike},
		{"exchanges", ike.exchanges},
		{"peers", ike.peers},
		{"evicted", ike.evicted + l2tp.evicted},
		{"tunnels", l2tp.tunnels},
		{"absorbed_hellos", l2tp.absorbed},
		{"unanswered_hellos", r->events.unanswered_hellos},
		{"queue_overruns", queue.overruns},
		{"queue_errors", queue.errors},
		{"rules_repaired", r->events.rules_repaired},
		{"set_errors", r->events.set_errors},
		{"sessions", session.sessions},
		{"sessions_started", session.started},
		{"sessions_kept", session.kept},
		{"session_failures", session.failures},
		{"session_ambiguous", session.ambiguous},
		{"session_unwatched", session.unwatched},
		{"xfrm_events", xfrm.events},
		{"xfrm_dumps", xfrm.dumps},
		{"xfrm_overruns", xfrm.overruns},
	};
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		json_object_set_new(object, numbers[i].name, number(numbers[i].value));
	json_object_set_new(object, "by_reason", ike_reasons(c));
	json_object_set_new(object, "l2tp_by_reason", l2tp_reasons(c));
	json_object_set_new(object, "ended", ended_by_reason(&session));
	json_object_set_new(object, "rules", rule_counters(r));
	return object;
}

char *report_json(const struct report *r)
{
	const enum stack_kind stack = watch_stack(r->watch);
	json_t *root =
		json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o}", "version", NATSHIM_VERSION, "uptime_s",
			  number((r->now_ms - r->started_ms) / 1000), "iface", interfaces(r->config), "stack",
			  stack == STACK_AUTO ? "none" : stack_kind_name(stack), "sessions", sessions(r),
			  "peers", peers(r), "counters", counters(r));
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

	json_decref(root);
	return text;
}
