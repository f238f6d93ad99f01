/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts that come into the session table, and what each changes. What follows from the passing of time is
 * in rules.c, what has to be done is handed out by action.c. */
#include "shim/session/table.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 20000 /* a stack that says nothing for so long has failed */
#define VANISH_MS 2000  /* after "done", the SAs' own events have so long */
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
#define PAYLOAD_BYTES 128 /* HELLO, LCP echo and their answers are smaller packets than this */
#define TICK_MAX 1000     /* sessions looked at in one tick: the packet path does not wait for more */
#define SAMPLE_WAIT_MS 1000
#define IDENTIFY_FIRST_MS 500
#define IDENTIFY_TRIES 4

void session_config_default(struct session_config *config)
{
	config->max_sessions = 131072;
	for (size_t i = 0; i < SESSION_PROFILES; i++)
		config->profiles[i] = (struct session_profile)SESSION_PROFILE_DEFAULT;
}

static void adopt_config(struct session_table *table, const struct session_config *config)
{
	table->config = *config;
	if (!table->config.max_sessions)
		table->config.max_sessions = 131072;
}

struct session_table *session_table_new(const struct session_config *config)
{
	struct session_table *table = calloc(1, sizeof *table);

	if (!table)
		return NULL;
	adopt_config(table, config);
	pool_init(&table->sessions, sizeof(struct session));
	pool_init(&table->sas, sizeof(struct sa));
	return table;
}

void session_table_free(struct session_table *table)
{
	if (!table)
		return;
	for (size_t i = 1; i <= table->due_count; i++)
		free(table_session(table, table->due[i])->error);
	while (table->first_action) {
		const uint32_t index = table->first_action;
		struct session *s = table_session(table, index);

		table->first_action = s->next_action;
		if (s->gone)
			free(s->error);
	}
	for (unsigned i = 0; i < TABLE_INDEXES; i++)
		free(table->buckets[i]);
	free(table->sa_buckets);
	free(table->due);
	pool_clear(&table->sessions);
	pool_clear(&table->sas);
	free(table);
}

/* ---- states
 * ------------------------------------------------------------------------------------------------------ */

static bool is_open(const struct session *s)
{
	return s->state == SESSION_NEW || s->state == SESSION_UP;
}

static void set_error(struct session *s, const char *text)
{
	free(s->error);
	s->error = text && *text ? strdup(text) : NULL;
}

static uint64_t next_look(const struct session_table *table, const struct session *s)
{
	if (!is_open(s))
		return s->at;
	const uint64_t end = rules_next_end(table, s).at;
	const uint64_t warm = rules_keep_warm_at(table, s);

	return end < warm ? end : warm;
}

static void schedule(struct session_table *table, uint32_t index)
{
	deadline_set(table, index, next_look(table, table_session(table, index)));
}

static void tell_stack(struct session_table *table, uint32_t index, uint64_t now_ms)
{
	struct session *s = table_session(table, index);

	s->state = SESSION_ENDING;
	if (s->attempts < UINT8_MAX)
		s->attempts++;
	s->at = now_ms + ANSWER_MS;
	action_push(table, index, SESSION_END);
	schedule(table, index);
}

static void begin_end(struct session_table *table, uint32_t index, uint64_t now_ms, enum session_end reason)
{
	struct session *s = table_session(table, index);

	s->reason = (uint8_t)reason;
	s->attempts = 0;
	tell_stack(table, index, now_ms);
}

static void reopen(struct session_table *table, uint32_t index)
{
	struct session *s = table_session(table, index);

	s->state = s->sas_in && s->sas_out ? SESSION_UP : SESSION_NEW;
	s->reason = SESSION_NOT_ENDED;
	s->attempts = 0;
	set_error(s, NULL);
	action_take_back(table, index, SESSION_END);
	schedule(table, index);
}

void session_on_stay(struct session_table *table, session_stay_fn *fn, void *ctx)
{
	table->on_stay = fn;
	table->stay_ctx = ctx;
}

static void stays(const struct session_table *table, uint32_t index, uint64_t now_ms, enum session_stay why)
{
	if (!table->on_stay)
		return;
	const struct session_view view = view_of(table, now_ms, table_session(table, index));

	table->on_stay(table->stay_ctx, why, &view);
}

/* An end that a time-out began is taken back when the same rule, asked again, would not begin it now. */
static void reconsider(struct session_table *table, uint32_t index, uint64_t now_ms)
{
	const struct session *s = table_session(table, index);
	const bool told = s->state == SESSION_ENDING || s->state == SESSION_FAILED;

	if (!told || s->reason == SESSION_CLOSED || s->reason == SESSION_DROPPED)
		return;
	if (rules_next_end(table, s).at <= now_ms)
		return;
	table_session(table, index)->taken_back = s->reason;
	reopen(table, index);
	table->stats.kept++;
	action_push(table, index, SESSION_KEPT);
}

static void forget(struct session_table *table, uint32_t index)
{
	struct session *s = table_session(table, index);

	if (s->state != SESSION_ENDING && s->state != SESSION_FAILED)
		s->reason = SESSION_BY_STACK;
	table->stats.ended[s->reason]++;
	deadline_remove(table, index);
	table_unlink(table, index);
	s->gone = 1;
	action_take_back(table, index, SESSION_END);
	action_take_back(table, index, SESSION_KEPT);
	action_take_back(table, index, SESSION_KEEP_WARM);
	action_push(table, index, SESSION_ENDED);
}

/* ---- signs of life
 * ----------------------------------------------------------------------------------------------- */

static void sign_of_life(struct session_table *table, uint32_t index, uint64_t now_ms, uint64_t seen,
			 bool own)
{
	struct session *s = table_session(table, index);

	if (seen > s->last_life)
		s->last_life = seen;
	if (own && seen > s->last_own)
		s->last_own = seen;
	if (s->unanswered != NO_TIME && seen >= s->unanswered)
		s->unanswered = NO_TIME;
	reconsider(table, index, now_ms);
}

static void packet_went_out(struct session_table *table, uint32_t index, uint64_t now_ms)
{
	struct session *s = table_session(table, index);

	/* Seen in the same dump as an inbound packet: which came first can't be told. */
	if (s->unanswered != NO_TIME || (table->dumping && s->in_generation == table->generation))
		return;
	s->unanswered = now_ms;
	if (next_look(table, s) < s->due)
		schedule(table, index);
}

static void count(struct session_table *table, uint32_t index, uint64_t now_ms, struct sa *sa,
		  const struct sa_info *info)
{
	struct session *s = table_session(table, sa->session);
	const uint64_t bytes = info->bytes > sa->bytes ? info->bytes - sa->bytes : 0;
	const uint64_t packets = info->packets > sa->packets ? info->packets - sa->packets : 0;

	sa->bytes = info->bytes;
	sa->packets = info->packets;
	*(sa->outbound ? &s->bytes_out : &s->bytes_in) += bytes;
	if (bytes > packets * PAYLOAD_BYTES)
		s->last_payload = now_ms;
	if (!packets)
		return;
	if (sa->outbound) {
		packet_went_out(table, index, now_ms);
		return;
	}
	s->in_generation = table->generation;
	sign_of_life(table, index, now_ms, now_ms, true);
}

/* ---- the same client again
 * --------------------------------------------------------------------------------------- */

static void ask_identity(struct session_table *table, const struct endpoint *peer, uint64_t at)
{
	for (size_t i = 0; i < table->identify_count; i++)
		if (endpoint_same_host(&table->identify[i].peer, peer)) {
			table->identify[i].tries = 0;
			return;
		}
	if (table->identify_count < IDENTIFY_MAX)
		table->identify[table->identify_count++] = (struct identify){.peer = *peer, .at = at};
}

static void set_rival(struct session_table *table, uint32_t index, enum rival rival)
{
	struct session *s = table_session(table, index);

	if (s->rival)
		return;
	s->rival = (uint8_t)rival;
	if (is_open(s))
		schedule(table, index);
}

static enum rival same_client(const struct session *older, const struct session *newer)
{
	if (older->identity && newer->identity) {
		if (older->identity != newer->identity)
			return NO_RIVAL;
		if (older->peer.port && older->peer.port == newer->peer.port)
			return RIVAL_SAME_ENDPOINT;
		return older->id_is_address && newer->id_is_address ? RIVAL_SAME_ADDRESS_ID : RIVAL_SAME_ID;
	}
	return older->peer.port && older->peer.port == newer->peer.port ? RIVAL_SAME_ENDPOINT : NO_RIVAL;
}

/* newer has both its SAs: what does that say of the older sessions of its address? True: ask for identities.
 */
static bool compare_with_older(struct session_table *table, uint32_t newer)
{
	const struct session *n = table_session(table, newer);
	uint32_t at = table_first(table, BY_ADDRESS, &n->host, 0);
	bool unknown = false;

	for (; at; at = table_next(table, BY_ADDRESS, at)) {
		const struct session *o = table_session(table, at);

		if (o->id >= n->id || o->rival)
			continue;
		const enum rival rival = same_client(o, n);

		if (rival)
			set_rival(table, at, rival);
		else if (!o->identity || !n->identity)
			unknown = true;
	}
	return unknown;
}

static void session_is_up(struct session_table *table, uint32_t index, uint64_t now_ms)
{
	struct session *s = table_session(table, index);

	s->state = SESSION_UP;
	schedule(table, index);
	if (!s->started) {
		s->started = 1;
		table->stats.started++;
		action_push(table, index, SESSION_STARTED);
	}
	if (compare_with_older(table, index))
		ask_identity(table, &s->host, now_ms + IDENTIFY_FIRST_MS);
}

void session_phase1_begins(struct session_table *table, uint64_t now_ms, const struct endpoint *peer)
{
	uint32_t at = table_first(table, BY_ADDRESS, peer, 0);

	while (at && table_session(table, at)->identity)
		at = table_next(table, BY_ADDRESS, at);
	if (at)
		ask_identity(table, peer, now_ms + IDENTIFY_FIRST_MS);
}

void session_ike_sa(struct session_table *table, uint64_t now_ms, const struct session_ike_sa *ike)
{
	(void)now_ms;
	for (size_t i = 0; i < ike->spi_count && i < SESSION_SAS_MAX; i++) {
		const uint32_t sa = table_find_sa(table, &ike->peer, ike->spis_in[i], false);

		if (!sa)
			continue;
		struct session *s = table_session(table, table_sa(table, sa)->session);

		s->identity = ike->identity;
		s->id_is_address = ike->identity_is_address;
	}
}

void session_identified(struct session_table *table, uint64_t now_ms, const struct endpoint *peer)
{
	uint32_t at = table_first(table, BY_ADDRESS, peer, 0);
	bool unknown = false;

	(void)now_ms;
	for (; at; at = table_next(table, BY_ADDRESS, at))
		if (table_session(table, at)->state == SESSION_UP && compare_with_older(table, at))
			unknown = true;
	for (size_t i = 0; i < table->identify_count && !unknown; i++)
		if (endpoint_same_host(&table->identify[i].peer, peer)) {
			table->identify[i] = table->identify[--table->identify_count];
			return;
		}
}

/* ---- SAs
 * ---------------------------------------------------------------------------------------------------------
 */

static uint32_t open_session_for(const struct session_table *table, const struct sa_info *info)
{
	uint32_t at = table_first(table, BY_ENDPOINT, &info->peer, 0);

	for (; at; at = table_next(table, BY_ENDPOINT, at)) {
		const struct session *s = table_session(table, at);

		if (is_open(s) && s->l2tp_port == info->peer_port)
			return at;
	}
	return 0;
}

static uint32_t new_session(struct session_table *table, uint64_t now_ms, const struct sa_info *info,
			    unsigned profile)
{
	const uint32_t index = table_add_session(table, info);

	if (!index) {
		table->stats.unwatched++;
		return 0;
	}
	struct session *s = table_session(table, index);

	s->profile = (uint8_t)(profile < SESSION_PROFILES ? profile : 0);
	s->since = s->last_life = s->last_own = s->last_payload = now_ms;
	s->unanswered = NO_TIME;
	s->due = next_look(table, s);
	if (deadline_add(table, index)) {
		table_unlink(table, index);
		table_free_session(table, index);
		table->stats.unwatched++;
		return 0;
	}
	return index;
}

static void add_sa(struct session_table *table, uint64_t now_ms, const struct sa_info *info, unsigned profile)
{
	uint32_t index = open_session_for(table, info);
	const bool fresh = !index;

	if (fresh)
		index = new_session(table, now_ms, info, profile);
	if (!index)
		return;
	if (!table_add_sa(table, index, info)) {
		table->stats.unwatched++;
		if (fresh) {
			deadline_remove(table, index);
			table_unlink(table, index);
			table_free_session(table, index);
		}
		return;
	}
	struct session *s = table_session(table, index);

	if (!info->outbound && table->looked)
		s->renewed = now_ms;
	s->reqid = info->reqid;
	*(info->outbound ? &s->bytes_out : &s->bytes_in) += info->bytes;
	if (!fresh)
		sign_of_life(table, index, now_ms, now_ms, true); /* a rekey: the client took part in it */
	if (s->state == SESSION_NEW && s->sas_in && s->sas_out)
		session_is_up(table, index, now_ms);
}

static void remember_gone(struct session_table *table, const struct sa_info *info)
{
	if (!table->dumping || table->gone_count > GONE_MAX)
		return;
	if (table->gone_count < GONE_MAX)
		table->gone[table->gone_count] =
			(struct gone_sa){.peer = info->peer, .spi = info->spi, .outbound = info->outbound};
	table->gone_count++;
}

static bool is_gone(const struct session_table *table, const struct sa_info *info)
{
	if (table->gone_count > GONE_MAX)
		return true; /* perhaps; the next dump will tell */
	for (size_t i = 0; i < table->gone_count; i++)
		if (table->gone[i].spi == info->spi && table->gone[i].outbound == info->outbound &&
		    endpoint_same_host(&table->gone[i].peer, &info->peer))
			return true;
	return false;
}

void session_sa(struct session_table *table, uint64_t now_ms, const struct sa_info *info, unsigned profile)
{
	const uint32_t found = table_find_sa(table, &info->peer, info->spi, info->outbound);

	if (!found) {
		if (sa_is_l2tp(info) && !(info->dumped && is_gone(table, info)))
			add_sa(table, now_ms, info, profile);
		return;
	}
	struct sa *sa = table_sa(table, found);
	const uint32_t index = sa->session;

	sa->generation = table_generation(table);
	if (table_session(table, index)->peer.port != info->peer.port)
		table_move(table, index, &info->peer);
	count(table, index, now_ms, sa, info);
}

static void remove_sa(struct session_table *table, uint32_t sa)
{
	const uint32_t index = table_sa(table, sa)->session;

	table_remove_sa(table, sa);
	if (!table_session(table, index)->first_sa)
		forget(table, index);
}

void session_sa_gone(struct session_table *table, uint64_t now_ms, const struct sa_info *info)
{
	const uint32_t sa = table_find_sa(table, &info->peer, info->spi, info->outbound);

	(void)now_ms;
	remember_gone(table, info);
	if (sa)
		remove_sa(table, sa);
}

void session_dump_begin(struct session_table *table)
{
	table->generation++;
	table->dumping = true;
	table->gone_count = 0;
}

void session_dump_end(struct session_table *table, uint64_t now_ms)
{
	(void)now_ms;
	table->dumping = false;
	table->looked = true;
	for (size_t b = 0; b < table->bucket_count; b++)
		for (uint32_t at = table->buckets[BY_ADDRESS][b], next; at; at = next) {
			next = table_session(table, at)->link[BY_ADDRESS].next;
			for (uint32_t sa = table_session(table, at)->first_sa, following; sa;
			     sa = following) {
				following = table_sa(table, sa)->next_of_session;
				if (table_sa(table, sa)->generation != table_generation(table))
					remove_sa(table, sa);
			}
		}
}

/* ---- life, goodbye and the admin
 * --------------------------------------------------------------------------------- */

void session_alive(struct session_table *table, uint64_t now_ms, const struct endpoint *peer, uint64_t age_ms)
{
	struct endpoint key = *peer;
	uint32_t index = table_first(table, BY_ENDPOINT, &key, 0);

	if (!index) { /* plain ESP: IKE's port says nothing, the address does */
		key.port = 0;
		index = table_first(table, BY_ENDPOINT, &key, 0);
	}
	if (index)
		sign_of_life(table, index, now_ms, now_ms > age_ms ? now_ms - age_ms : 0, false);
}

/* This one, or the next in its chain, that anything can come in by. */
static uint32_t with_inbound(const struct session_table *table, uint32_t at)
{
	while (at && !table_session(table, at)->sas_in)
		at = table_next(table, BY_L2TP, at);
	return at;
}

/* Whose control message is it? It came by an SA of one of them, but not even the kernel's set says of which. Sessions of one
 * address and L2TP port are told apart only when they are the same client's (then it is the newest's), or when all but one
 * are silent. 0: can't be told. */
static uint32_t speaker(struct session_table *table, uint64_t now_ms, const struct endpoint *client)
{
	uint32_t first = with_inbound(table, table_first(table, BY_L2TP, client, client->port));
	uint32_t lively = 0;
	unsigned lively_count = 0;
	bool one_client = true;

	if (!first)
		first = with_inbound(table, table_first(table, BY_L2TP, client, 0));
	for (uint32_t at = first; at; at = with_inbound(table, table_next(table, BY_L2TP, at))) {
		const struct session *s = table_session(table, at);
		const uint32_t silent_ms = rules_supersede_after(table, s);

		if (at != first && same_client(s, table_session(table, first)) == NO_RIVAL)
			one_client = false;
		if (silent_ms == SESSION_NEVER || now_ms - s->last_life < silent_ms) {
			lively = at;
			lively_count++;
		}
	}
	if (one_client)
		return first;
	return lively_count == 1 ? lively : 0;
}

/* Of several clients none: whose an SA is, nobody can tell then. */
uint64_t session_renewed(const struct session_table *table, const struct endpoint *client)
{
	uint32_t first = with_inbound(table, table_first(table, BY_L2TP, client, client->port));
	uint64_t newest = 0;

	if (!first)
		first = with_inbound(table, table_first(table, BY_L2TP, client, 0));
	for (uint32_t at = first; at; at = with_inbound(table, table_next(table, BY_L2TP, at))) {
		const struct session *s = table_session(table, at);

		if (!endpoint_equal(&s->peer, &table_session(table, first)->peer))
			return 0;
		if (s->renewed > newest)
			newest = s->renewed;
	}
	return newest;
}

static void close_session(struct session_table *table, uint32_t index, uint64_t now_ms)
{
	struct session *s = table_session(table, index);
	const uint32_t grace = table->config.profiles[s->profile].close_grace_ms;

	if (!is_open(s))
		return;
	if (grace == SESSION_NEVER) {
		stays(table, index, now_ms, SESSION_STAY_OFF);
		return;
	}
	if (grace == 0) {
		begin_end(table, index, now_ms, SESSION_CLOSED);
		return;
	}
	s->state = SESSION_CLOSING;
	s->reason = SESSION_CLOSED;
	s->at = now_ms + grace;
	schedule(table, index);
}

void session_l2tp(struct session_table *table, uint64_t now_ms, const struct endpoint *client,
		  enum session_l2tp what)
{
	const uint32_t index = speaker(table, now_ms, client);

	if (!index) {
		if (what == SESSION_L2TP_CLOSE && table_first(table, BY_L2TP, client, client->port)) {
			const struct session_view view = {.peer = *client, .l2tp_port = client->port};

			table->stats.ambiguous++;
			if (table->on_stay)
				table->on_stay(table->stay_ctx, SESSION_STAY_AMBIGUOUS, &view);
		}
		return;
	}
	sign_of_life(table, index, now_ms, now_ms, true);
	if (what == SESSION_L2TP_CLOSE)
		close_session(table, index, now_ms);
	else if (what == SESSION_L2TP_OPEN && table_session(table, index)->state == SESSION_CLOSING) {
		reopen(table, index);
		stays(table, index, now_ms, SESSION_STAY_REOPENED);
	}
}

void session_hello_absorbed(struct session_table *table, uint64_t now_ms, const struct endpoint *client)
{
	const uint32_t index = speaker(table, now_ms, client);

	if (index)
		table_session(table, index)->hello_absorbed = true;
}

size_t session_drop(struct session_table *table, uint64_t now_ms, const struct endpoint *peer)
{
	const enum table_index by = peer->port ? BY_ENDPOINT : BY_ADDRESS;
	uint32_t at = table_first(table, by, peer, 0);
	size_t dropped = 0;

	for (; at; at = table_next(table, by, at)) {
		if (table_session(table, at)->state != SESSION_ENDING)
			begin_end(table, at, now_ms, SESSION_DROPPED);
		dropped++;
	}
	return dropped;
}

/* ---- time
 * -------------------------------------------------------------------------------------------------------- */

/* An id is the record's index below a serial number, so that it is found at once and never means another
 * session. */
static uint32_t find_by_id(const struct session_table *table, uint64_t id)
{
	const uint32_t index = (uint32_t)id;

	if (index == 0 || index >= table->sessions.next_fresh)
		return 0;
	const struct session *s = table_session(table, index);

	return s->id == id && !s->gone ? index : 0;
}

static uint64_t retry_after(unsigned attempts)
{
	uint64_t ms = RETRY_MIN_MS;

	for (unsigned i = 1; i < attempts && ms < RETRY_MAX_MS; i++)
		ms *= 2;
	return ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS;
}

void session_end_result(struct session_table *table, uint64_t now_ms, uint64_t id, int error,
			const char *text)
{
	const uint32_t index = find_by_id(table, id);

	if (!index || table_session(table, index)->state != SESSION_ENDING)
		return;
	struct session *s = table_session(table, index);

	if (!error) {
		s->at = now_ms + VANISH_MS;
	} else {
		s->state = SESSION_FAILED;
		s->at = now_ms + retry_after(s->attempts);
		set_error(s, text);
		table->stats.failures++;
	}
	schedule(table, index);
}

/* What is known of a session is as old as the last sample. One that began before the deadline may have missed the sign of
 * life that would have moved it. */
static void wait_for_sample(struct session_table *table, uint32_t index, uint64_t now_ms)
{
	table_session(table, index)->waits = 1;
	table->waiting = true;
	deadline_set(table, index, now_ms + SAMPLE_WAIT_MS);
}

void session_sampled(struct session_table *table, uint64_t began_ms)
{
	if (began_ms > table->sampled_at)
		table->sampled_at = began_ms;
	if (!table->waiting)
		return;
	table->waiting = false;
	for (size_t b = 0; b < table->bucket_count; b++)
		for (uint32_t at = table->buckets[BY_ADDRESS][b]; at;
		     at = table_session(table, at)->link[BY_ADDRESS].next)
			if (table_session(table, at)->waits)
				deadline_set(table, at, began_ms);
}

static void session_due(struct session_table *table, uint64_t now_ms, uint32_t index)
{
	struct session *s = table_session(table, index);
	const bool waited = s->waits;

	s->waits = 0;
	if (is_open(s)) {
		const struct rule_answer end = rules_next_end(table, s);

		if (end.at <= now_ms && table->sampled_at < end.at) {
			if (!waited)
				stays(table, index, now_ms, SESSION_STAY_UNKNOWN);
			wait_for_sample(table, index, now_ms);
			return;
		}
		if (end.at <= now_ms) {
			begin_end(table, index, now_ms, end.reason);
			return;
		}
		if (rules_keep_warm_at(table, s) <= now_ms) {
			s->last_payload = now_ms;
			action_push(table, index, SESSION_KEEP_WARM);
		} else {
			stays(table, index, now_ms, SESSION_STAY_ACTIVE);
		}
		schedule(table, index);
	} else if (s->at > now_ms) {
		schedule(table, index);
	} else if (s->state == SESSION_CLOSING) {
		begin_end(table, index, now_ms, SESSION_CLOSED);
	} else {
		reconsider(table, index, now_ms);
		if (!is_open(s))
			tell_stack(table, index, now_ms);
	}
}

static void identify_due(struct session_table *table, uint64_t now_ms)
{
	for (size_t i = 0; i < table->identify_count;) {
		struct identify *wanted = &table->identify[i];

		if (wanted->at > now_ms) {
			i++;
		} else if (wanted->tries >= IDENTIFY_TRIES) {
			*wanted = table->identify[--table->identify_count];
		} else {
			wanted->asked = true;
			wanted->at = now_ms + ((uint64_t)IDENTIFY_FIRST_MS << (2 * ++wanted->tries));
			i++;
		}
	}
}

void session_tick(struct session_table *table, uint64_t now_ms)
{
	for (unsigned n = 0; n < TICK_MAX && table->due_count; n++) {
		if (table_session(table, table->due[1])->due > now_ms)
			break;
		session_due(table, now_ms, table->due[1]);
	}
	identify_due(table, now_ms);
}

uint64_t session_next_deadline(const struct session_table *table)
{
	uint64_t next = table->due_count ? table_session(table, table->due[1])->due : NO_TIME;

	for (size_t i = 0; i < table->identify_count; i++)
		if (table->identify[i].at < next)
			next = table->identify[i].at;
	return next;
}

void session_table_configure(struct session_table *table, uint64_t now_ms,
			     const struct session_config *config)
{
	adopt_config(table, config);
	for (size_t i = 1; i <= table->due_count; i++)
		table_session(table, table->due[i])->due = now_ms; /* all alike, so still a heap */
}
