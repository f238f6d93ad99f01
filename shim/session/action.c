/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the session table wants done, handed out one by one. A session stands in the line once, with a bit for
 * each kind of action that waits, so that the line needs no memory of its own however many sessions end at
 * once. */
#include "shim/session/table.h"

#include <string.h>

#define SAMPLE_EVERY_MS 1000 /* at least between two that are asked for: each reads every SA */

void action_push(struct session_table *table, uint32_t index, enum session_action_kind kind)
{
	struct session *s = table_session(table, index);
	const bool waits = s->in_line;

	s->pending |= (uint8_t)(1u << kind);
	if (waits)
		return;
	s->in_line = 1;
	s->next_action = 0;
	if (table->last_action)
		table_session(table, table->last_action)->next_action = index;
	else
		table->first_action = index;
	table->last_action = index;
}

void action_take_back(struct session_table *table, uint32_t index, enum session_action_kind kind)
{
	table_session(table, index)->pending &= (uint8_t) ~(1u << kind);
}

/* The first in the line with something to do; who has nothing left leaves it. 0: nobody. */
static uint32_t first_waiting(struct session_table *table)
{
	while (table->first_action) {
		const uint32_t index = table->first_action;
		struct session *s = table_session(table, index);

		if (s->pending)
			return index;
		s->in_line = 0;
		table->first_action = s->next_action;
		if (!table->first_action)
			table->last_action = 0;
	}
	return 0;
}

static void name_sas(const struct session_table *table, const struct session *s, struct session_action *out)
{
	for (uint32_t at = s->first_sa; at && out->sa_count < SESSION_SAS_MAX;
	     at = table_sa(table, at)->next_of_session) {
		out->sas[out->sa_count].spi = table_sa(table, at)->spi;
		out->sas[out->sa_count].outbound = table_sa(table, at)->outbound;
		out->sa_count++;
	}
}

static bool identify_action(struct session_table *table, struct session_action *out)
{
	for (size_t i = 0; i < table->identify_count; i++) {
		if (!table->identify[i].asked)
			continue;
		table->identify[i].asked = false;
		*out = (struct session_action){.kind = SESSION_IDENTIFY, .peer = table->identify[i].peer};
		out->peer.port = 0;
		return true;
	}
	return false;
}

static bool sample_action(struct session_table *table, uint64_t now_ms, struct session_action *out)
{
	if (!table->waiting || now_ms < table->sample_asked_at + SAMPLE_EVERY_MS)
		return false;
	table->sample_asked_at = now_ms;
	*out = (struct session_action){.kind = SESSION_SAMPLE};
	return true;
}

static void leave_line(struct session_table *table, uint32_t index)
{
	table->first_action = table_session(table, index)->next_action;
	if (!table->first_action)
		table->last_action = 0;
}

bool session_next_action(struct session_table *table, uint64_t now_ms, struct session_action *out)
{
	const uint32_t index = first_waiting(table);

	if (!index)
		return identify_action(table, out) || sample_action(table, now_ms, out);
	struct session *s = table_session(table, index);
	unsigned kind = 0;

	while (!(s->pending & (1u << kind)))
		kind++;
	s->pending &= (uint8_t) ~(1u << kind);
	*out = (struct session_action){.kind = (enum session_action_kind)kind,
				       .reason = (enum session_end)s->reason,
				       .id = s->id,
				       .us = s->us,
				       .peer = s->peer,
				       .l2tp_port = s->l2tp_port,
				       .reqid = s->reqid,
				       .attempt = s->attempts,
				       .profile = s->profile,
				       .age_ms = now_ms - s->since,
				       .idle_ms = now_ms - s->last_life,
				       .bytes_in = s->bytes_in,
				       .bytes_out = s->bytes_out};
	if (kind == SESSION_KEPT)
		out->reason = (enum session_end)s->taken_back;
	if (kind == SESSION_END)
		name_sas(table, s, out);
	if (kind == SESSION_ENDED) { /* always the last one of a session */
		leave_line(table, index);
		table_free_session(table, index);
	}
	return true;
}
