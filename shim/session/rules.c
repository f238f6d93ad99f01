/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a session ends: dead, idle and superseded, as times that follow from what is known of it. (Closed and
 * dropped are facts, not times: session.c.) Every rule counts from a sign of life, so a session with life in
 * it is never named. */
#include "shim/session/table.h"

static const struct session_profile *profile_of(const struct session_table *table, const struct session *s)
{
	return &table->config.profiles[s->profile];
}

static uint64_t after(uint64_t from, uint32_t ms)
{
	return from == NO_TIME || ms == SESSION_NEVER ? NO_TIME : from + ms;
}

/* Without NAT no keep-alives come: only the answers to what the LNS sends tell that the client lives. */
static uint64_t dead_at(const struct session_table *table, const struct session *s)
{
	const struct session_profile *p = profile_of(table, s);

	if (s->peer.port || p->dead_after_ms == SESSION_NEVER)
		return after(s->unanswered, p->dead_after_ms);
	return after(s->unanswered,
		     p->dead_after_plain_ms > p->dead_after_ms ? p->dead_after_plain_ms : p->dead_after_ms);
}

uint32_t rules_supersede_after(const struct session_table *table, const struct session *s)
{
	return profile_of(table, s)->supersede_after_ms;
}

/* Behind one endpoint the keep-alives are the newcomer's, so only the session's own SAs count. An ID that is
 * no address may be shared by a group of clients: then one lost keep-alive must not look like silence. */
static uint64_t superseded_at(const struct session_table *table, const struct session *s)
{
	const uint32_t ms = rules_supersede_after(table, s);

	switch ((enum rival)s->rival) {
	case RIVAL_SAME_ENDPOINT:
		return after(s->last_own, ms);
	case RIVAL_SAME_ADDRESS_ID:
		return after(s->last_life, ms);
	case RIVAL_SAME_ID:
		return after(after(s->last_life, ms), ms);
	case NO_RIVAL:
		break;
	}
	return NO_TIME;
}

struct rule_answer rules_next_end(const struct session_table *table, const struct session *s)
{
	const struct rule_answer all[] = {
		{SESSION_SUPERSEDED, superseded_at(table, s)},
		{SESSION_DEAD, dead_at(table, s)},
		{SESSION_IDLE, after(s->last_life, profile_of(table, s)->idle_timeout_ms)},
	};
	struct rule_answer first = {SESSION_NOT_ENDED, NO_TIME};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i].at < first.at)
			first = all[i];
	return first;
}

uint64_t rules_keep_warm_at(const struct session_table *table, const struct session *s)
{
	return s->state == SESSION_UP ? after(s->last_payload, profile_of(table, s)->keep_warm_ms) : NO_TIME;
}
