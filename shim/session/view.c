/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session table as a person sees it: names, one view for each session, the counters. */
#include "shim/session/table.h"

const char *session_state_name(enum session_state state)
{
	static const char *const names[SESSION_STATES] = {"new", "up", "closing", "ending", "failed"};

	return state < SESSION_STATES ? names[state] : "unknown";
}

const char *session_end_name(enum session_end end)
{
	static const char *const names[SESSION_ENDS] = {"none",       "closed",  "dead", "idle",
							"superseded", "dropped", "stack"};

	return end < SESSION_ENDS ? names[end] : "unknown";
}

static uint64_t until(uint64_t at, uint64_t now_ms)
{
	if (at == NO_TIME)
		return UINT64_MAX;
	return at > now_ms ? at - now_ms : 0;
}

static uint32_t newest_spi(const struct session_table *table, const struct session *s, bool outbound)
{
	for (uint32_t at = s->first_sa; at; at = table_sa(table, at)->next_of_session)
		if (table_sa(table, at)->outbound == outbound)
			return table_sa(table, at)->spi;
	return 0;
}

static uint64_t packets(const struct session_table *table, const struct session *s, bool outbound)
{
	uint64_t sum = 0;

	for (uint32_t at = s->first_sa; at; at = table_sa(table, at)->next_of_session)
		if (table_sa(table, at)->outbound == outbound)
			sum += table_sa(table, at)->packets;
	return sum;
}

struct session_view view_of(const struct session_table *table, uint64_t now_ms, const struct session *s)
{
	const bool open = s->state == SESSION_NEW || s->state == SESSION_UP;
	const struct rule_answer next = rules_next_end(table, s);

	return (struct session_view){
		.id = s->id,
		.us = s->us,
		.peer = s->peer,
		.l2tp_port = s->l2tp_port,
		.profile = s->profile,
		.nat = s->peer.port != 0,
		.state = (enum session_state)s->state,
		.why = open ? next.reason : (enum session_end)s->reason,
		.ends_in_ms = open ? until(next.at, now_ms) : until(s->at, now_ms),
		.age_ms = now_ms - s->since,
		.idle_ms = now_ms - s->last_life,
		.silent_ms = now_ms - s->last_own,
		.spi_in = newest_spi(table, s, false),
		.spi_out = newest_spi(table, s, true),
		.sa_count = (unsigned)s->sas_in + s->sas_out,
		.bytes_in = s->bytes_in,
		.bytes_out = s->bytes_out,
		.packets_in = packets(table, s, false),
		.packets_out = packets(table, s, true),
		.hello_absorbed = s->hello_absorbed,
		.attempts = s->attempts,
		.error = s->error,
	};
}

/* By their places, which never change; who has none among those that are due is not there. */
bool session_each_of(const struct session_table *table, uint64_t now_ms, uint32_t *cursor, unsigned max,
		     session_view_fn *fn, void *ctx)
{
	for (; *cursor + 1 < table->sessions.next_fresh && max; max--) {
		const struct session *s = table_session(table, ++*cursor);

		if (s->due_slot) {
			const struct session_view view = view_of(table, now_ms, s);

			fn(ctx, &view);
		}
	}
	return *cursor + 1 < table->sessions.next_fresh;
}

struct session_life session_life(const struct session_table *table, uint64_t now_ms,
				 const struct endpoint *host, const struct endpoint *peer)
{
	struct session_life life = {.quiet_ms = UINT64_MAX};

	for (uint32_t at = table_first(table, BY_ADDRESS, host, 0); at;
	     at = table_next(table, BY_ADDRESS, at)) {
		const struct session *s = table_session(table, at);

		if (s->gone || !endpoint_same_host(&s->peer, peer) ||
		    (peer->port && s->peer.port != peer->port))
			continue;
		life.lives = true;
		life.plain |= !s->peer.port;
		if (now_ms - s->last_own < life.quiet_ms)
			life.quiet_ms = now_ms - s->last_own;
	}
	return life;
}

static bool has_spi(const struct session_table *table, const struct session *s, uint32_t spi)
{
	uint32_t at = s->first_sa;

	while (at && (table_sa(table, at)->spi != spi || table_sa(table, at)->outbound))
		at = table_sa(table, at)->next_of_session;
	return at;
}

bool session_of_spi(const struct session_table *table, const struct endpoint *host, uint32_t spi,
		    struct endpoint *peer)
{
	for (uint32_t at = table_first(table, BY_ADDRESS, host, 0); at;
	     at = table_next(table, BY_ADDRESS, at)) {
		const struct session *s = table_session(table, at);

		if (s->gone || !has_spi(table, s, spi))
			continue;
		*peer = s->peer;
		return true;
	}
	return false;
}

struct session_stats session_stats(const struct session_table *table)
{
	struct session_stats stats = table->stats;

	stats.sessions = table->live;
	stats.sas = table->sas.used;
	stats.memory = sizeof *table + pool_memory(&table->sessions) + pool_memory(&table->sas) +
		       TABLE_INDEXES * table->bucket_count * sizeof(uint32_t) +
		       table->sa_bucket_count * sizeof(uint32_t) + table->due_capacity * sizeof(uint32_t);
	return stats;
}
