/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connects natshim-xfrm, the stack's process, the kernel's sets, the session table and the event loop. */
#include "shim/daemon/sessions.h"

#include "shim/clock.h"
#include "shim/daemon/aliases.h"
#include "shim/daemon/stale_sas.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_S 5      /* between two samples of the SAs' counters and the alive sets */
#define DETECT_EVERY 2  /* samples between two searches for the stack, which may start, stop and change */
#define SILENT_MS 30000 /* without the end of a requested dump */
#define LONGEST_WAIT_MS 60000 /* between two runs of the table's timer, at most */
#define IKE_PORT 500

#define ALIVE_A_PIECE 20 /* peers whose activity is read in one piece, some 60 us */

struct alive_keys {
	uint8_t keys[ALIVE_A_PIECE * 20];
	size_t count;
};

/* A session that the stack was asked to end, without an answer yet: logged with the answer, when the outcome is known. */
struct told_end {
	struct session_action end;
	struct session_action
		gone; /* kind SESSION_ENDED: the SAs were deleted meanwhile; logged after the end */
};

struct sessions {
	unsigned alive_timeout_s;
	struct log *log;
	struct event_base *loop;
	struct rules_nft *nft;
	const struct ike_table *ike;
	const struct aliases *aliases; /* NULL: there are none */

	struct session_table *table;
	struct stack *stack;
	struct rekeyer *rekeyer; /* the caller's; NULL: a kernel without XFRM */
	struct event *stack_event, *deadline, *sample;
	enum stack_kind kind;
	unsigned samples;
	bool detect_complained, alive_complained;
	bool dumped; /* every SA of the kernel has been seen once, */
	bool told;   /* and this was logged: sessions seen before are found, not new */
	const struct sessions_bridge *bridge; /* NULL: not set yet */
	void *bridge_ctx;
	uint64_t dump_at; /* when the present dump began; */
	uint64_t dumped_at,
		alive_at; /* begin of the last complete dump, and of the last complete reading of the alive sets */
	uint64_t asked_at;         /* when a dump was requested that has not ended; 0: none */
	bool silent;               /* that was too long ago, and it was logged */
	struct event *alive_event; /* the next piece of the present reading: */
	uint64_t alive_began;      /* 0: none does */
	uint32_t alive_cursor;
	struct alive_keys alive_keys[2]; /* IPv4, IPv6 */
	bool by_sa; /* the kernel can match the SA by which L2TP arrived, so the sets l2tp4 and l2tp6 exist */
	struct told_end told_ends[STACK_REQUESTS_MAX];
	size_t told_count;
};

/* Actions */

/* The address that people know a client by. */
static struct endpoint shown(const struct sessions *s, const struct endpoint *peer)
{
	struct endpoint at = *peer;

	aliases_real(s->aliases, &at);
	return at;
}

static void log_end(struct sessions *s, const struct session_action *a, const char *told)
{
	const struct endpoint peer = shown(s, &a->peer);

	log_event(s->log, LOG_SESSION_ENDS, &peer, "session %s, idle %llu s: %s%s",
		  session_end_name(a->reason), (unsigned long long)(a->idle_ms / 1000), told,
		  a->attempt > 1 ? ", again" : "");
}

static void end_session(struct sessions *s, const struct session_action *a)
{
	struct stack_end_request request = {.id = a->id,
					    .us = a->us,
					    .peer = a->peer,
					    .reqid = a->reqid,
					    .sa_count = (uint32_t)a->sa_count};
	int rc;

	if (a->attempt == 1 && s->bridge && s->bridge->end(s->bridge_ctx, a)) {
		log_end(s, a, "sent Deletes to both sides");
		session_end_result(s->table, clock_now_ms(), a->id, 0, "");
		return;
	}
	for (size_t i = 0; i < a->sa_count; i++)
		request.sas[i] = (struct stack_sa_ref){.spi = a->sas[i].spi, .outbound = a->sas[i].outbound};
	rc = stack_end(s->stack, &request);
	if (rc) {
		const struct endpoint peer = shown(s, &a->peer);

		log_event(s->log, LOG_STACK_FAILED, &peer,
			  "session %s, but asking the stack to end it failed: %s",
			  session_end_name(a->reason), strerror(-rc));
		session_end_result(s->table, clock_now_ms(), a->id, rc, strerror(-rc));
		return;
	}
	if (s->told_count < STACK_REQUESTS_MAX)
		s->told_ends[s->told_count++] = (struct told_end){.end = *a};
	else
		log_end(s, a, "asked the stack to end it");
}

static struct told_end *find_told_end(struct sessions *s, uint64_t id)
{
	for (size_t i = 0; i < s->told_count; i++)
		if (s->told_ends[i].end.id == id)
			return &s->told_ends[i];
	return NULL;
}

static void log_gone(struct sessions *s, const struct session_action *a)
{
	const struct endpoint peer = shown(s, &a->peer);

	log_event(s->log, LOG_SESSION_GONE, &peer, "session gone (%s), %llu bytes in, %llu out, %llu s",
		  session_end_name(a->reason), (unsigned long long)a->bytes_in,
		  (unsigned long long)a->bytes_out, (unsigned long long)(a->age_ms / 1000));
}

/* The stack has answered. If it had nothing to end, the client's own Delete or the stack itself was faster: then only the session's
 * end is logged. */
static void log_told_end(struct sessions *s, uint64_t id, int error)
{
	struct told_end *told = find_told_end(s, id);

	if (!told)
		return;
	if (error != STACK_NOTHING)
		log_end(s, &told->end, "asked the stack to end it");
	if (told->gone.kind == SESSION_ENDED)
		log_gone(s, &told->gone);
	*told = s->told_ends[--s->told_count];
}

static void session_gone(struct sessions *s, const struct session_action *a)
{
	struct told_end *told = find_told_end(s, a->id);

	if (told)
		told->gone = *a;
	else
		log_gone(s, a);
}

static void log_up(struct sessions *s, const struct session_action *a)
{
	struct endpoint alias = a->peer, peer = a->peer;
	const bool aliased = aliases_real(s->aliases, &peer);
	char text[ENDPOINT_TEXT_MAX] = "";

	const bool shows = aliased && !endpoint_same_host(&alias, &peer);

	alias.port = 0;
	log_event(s->log, LOG_SESSION_UP, &peer, "session up, L2TP port %u, %s%s%s", a->l2tp_port,
		  ike_dialect_name((enum ike_dialect)a->profile), shows ? ", alias " : "",
		  shows ? endpoint_text(&alias, text) : "");
}

static void log_session(struct sessions *s, const struct session_action *a)
{
	const struct endpoint peer = shown(s, &a->peer);

	switch (a->kind) {
	case SESSION_STARTED:
		if (s->told)
			log_up(s, a);
		break;
	case SESSION_ENDED:
		session_gone(s, a);
		break;
	case SESSION_KEPT:
		log_event(s->log, LOG_SESSION_KEPT, &peer, "session active again, termination cancelled (%s)",
			  session_end_name(a->reason));
		break;
	default:
		break;
	}
}

static void keep_warm(struct sessions *s, const struct session_action *a)
{
	struct endpoint client = a->peer;

	client.port = a->l2tp_port;
	stack_warm(s->stack, &client);
}

static void take_sample(struct sessions *s);

/* The stack knows a client by its alias, the session table the clients of one NAT by their real address. */
static void identify(void *ctx, const struct endpoint *at)
{
	struct sessions *s = ctx;
	const struct endpoint host = shown(s, at);

	if (stack_list(s->stack, at))
		session_identified(s->table, clock_now_ms(), &host);
}

static void act(struct sessions *s, const struct session_action *a)
{
	switch (a->kind) {
	case SESSION_END:
		end_session(s, a);
		break;
	case SESSION_IDENTIFY:
		identify(s, &a->peer);
		aliases_each_of(s->aliases, &a->peer, identify, s);
		break;
	case SESSION_KEEP_WARM:
		keep_warm(s, a);
		break;
	case SESSION_SAMPLE:
		take_sample(s);
		break;
	default:
		log_session(s, a);
	}
}

/* After every fact and every tick: carries out the table's actions, and sets the timer to the table's next deadline. */
static void run_actions(struct sessions *s)
{
	struct session_action action;
	uint64_t deadline, wait_ms = LONGEST_WAIT_MS;
	struct timeval wait;

	session_tick(s->table,
		     clock_now_ms()); /* here, since a timer that is set again and again never fires */
	while (session_next_action(s->table, clock_now_ms(), &action))
		act(s, &action);
	deadline = session_next_deadline(s->table);
	if (deadline < clock_now_ms() + wait_ms)
		wait_ms = deadline > clock_now_ms() ? deadline - clock_now_ms() : 0;
	wait = (struct timeval){.tv_sec = (time_t)(wait_ms / 1000),
				.tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
	event_add(s->deadline, &wait);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct sessions *s = ctx;

	(void)fd;
	(void)what;
	run_actions(s);
}

/* Facts from the kernel */

void sessions_sa(struct sessions *s, const struct sa_info *sa)
{
	const uint64_t now = clock_now_ms();
	struct sa_info known = *sa;

	if (!s)
		return;
	known.host = shown(s, &sa->peer);
	session_sa(s->table, now, &known, aliases_dialect(s->aliases, s->ike, now, &sa->peer));
}

void sessions_sa_gone(struct sessions *s, const struct sa_info *sa)
{
	if (s)
		session_sa_gone(s->table, clock_now_ms(), sa);
}

void sessions_dump_begin(struct sessions *s, uint64_t at_ms)
{
	if (!s)
		return;
	s->dump_at = at_ms;
	session_dump_begin(s->table);
}

static void tell_sampled(struct sessions *s)
{
	session_sampled(s->table, s->alive_at < s->dumped_at ? s->alive_at : s->dumped_at);
}

void sessions_dump_end(struct sessions *s, int error)
{
	if (!s)
		return;
	s->asked_at = 0;
	s->silent = false;
	if (error)
		return;
	session_dump_end(s->table, clock_now_ms());
	s->dumped = true;
	s->dumped_at = s->dump_at;
	tell_sampled(s);
}

/* Once, after the first whole dump: the table is complete. */
static void tell_found(struct sessions *s)
{
	const struct session_stats stats = session_stats(s->table);

	if (s->told || !s->dumped)
		return;
	s->told = true;
	log_event(s->log, LOG_SESSIONS_FOUND, NULL, "sessions: %zu found, with %zu SAs, in %llu ms",
		  stats.sessions, stats.sas, (unsigned long long)rekeyer_stats(s->rekeyer).dump_ms);
}

void sessions_run_actions(struct sessions *s)
{
	if (!s)
		return;
	rules_nft_set_flush(
		s->nft); /* the changes of on_mark_...(): a client's first L2TP message follows within milliseconds */
	run_actions(s);
	tell_found(s);
}

/* The kernel's sets of each session's own keys. Each part of a key fills whole four bytes, in network order. */

static size_t put_key(uint8_t *at, const struct endpoint *peer)
{
	const uint16_t port = htons(peer->port);

	memcpy(at, peer->addr, peer->addr_len);
	memset(at + peer->addr_len, 0, 4);
	memcpy(at + peer->addr_len, &port, sizeof port);
	return peer->addr_len + 4U;
}

static void change_set(struct sessions *s, enum rules_set set, const uint8_t *key, size_t length, bool there)
{
	if (there)
		rules_nft_set_add_later(s->nft, set, key, length, 0);
	else
		rules_nft_set_delete_later(s->nft, set, key, length);
}

static void on_stay(void *ctx, enum session_stay why, const struct session_view *v)
{
	static const char *const reasons[SESSION_STAYS] = {
		[SESSION_STAY_AMBIGUOUS] =
			"StopCCN or CDN, but several sessions of this address could be meant",
		[SESSION_STAY_OFF] = "the client closed its tunnel, but end-closed = no",
		[SESSION_STAY_REOPENED] = "the client closed its tunnel and opened one again",
		[SESSION_STAY_ACTIVE] = "activity since the time-out began",
		[SESSION_STAY_UNKNOWN] = "a time-out is over, but the SAs' counters are read first",
	};
	const struct sessions *s = ctx;
	const struct endpoint peer = shown(s, &v->peer);

	if (v->ends_in_ms == UINT64_MAX || why == SESSION_STAY_AMBIGUOUS)
		log_event(s->log, LOG_SESSION_STAYS, &peer, "session stays: %s", reasons[why]);
	else
		log_event(s->log, LOG_SESSION_STAYS, &peer,
			  "session stays: %s; idle %llu s, would end in %llu s (%s)", reasons[why],
			  (unsigned long long)(v->idle_ms / 1000), (unsigned long long)(v->ends_in_ms / 1000),
			  session_end_name(v->why));
}

static void on_mark_l2tp(void *ctx, uint32_t spi, const struct endpoint *client, bool there)
{
	struct sessions *s = ctx;
	const uint32_t be = htonl(spi);
	uint8_t key[24];

	if (!s->by_sa)
		return;
	memcpy(key, &be, sizeof be);
	change_set(s, client->addr_len == 4 ? RULES_SET_L2TP4 : RULES_SET_L2TP6, key,
		   sizeof be + put_key(key + sizeof be, client), there);
}

/* The flow of a session that ends is another one's meanwhile: its client came back from the same port of the NAT, with an alias. */
static bool is_anothers(const struct sessions *s, const struct endpoint *client, const struct endpoint *peer)
{
	struct endpoint alias = *client;

	return aliases_alias(s->aliases, &alias) && !endpoint_equal(&alias, peer) &&
	       sessions_life(s, client, &alias).lives;
}

static void on_mark_endpoint(void *ctx, const struct endpoint *peer, bool there)
{
	const struct endpoint client = shown(ctx, peer);
	uint8_t key[20];
	const size_t length = put_key(key, &client);

	if (!there && is_anothers(ctx, &client, peer))
		return;
	change_set(ctx, client.addr_len == 4 ? RULES_SET_WATCHED4 : RULES_SET_WATCHED6, key, length, there);
}

void sessions_moved(struct sessions *s, const struct endpoint *was, const struct endpoint *client)
{
	uint8_t key[20];
	struct endpoint real;

	if (!s || !s->nft)
		return;
	real = shown(s, was); /* of a session that the server still knows by that flow, another one */
	change_set(s, RULES_SET_WATCHED4, key, put_key(key, was),
		   endpoint_equal(&real, was) && sessions_life(s, was, was).lives);
	change_set(s, RULES_SET_WATCHED4, key, put_key(key, client), true);
}

void sessions_fill_sets(struct sessions *sessions)
{
	if (!sessions || !sessions->nft)
		return;
	session_tell_marks(sessions->table);
	rules_nft_set_flush(sessions->nft);
}

/* While natshim-xfrm does not answer, no session ends. */
static void ask_for_dump(struct sessions *s)
{
	const uint64_t now = clock_now_ms();

	if (!s->rekeyer)
		return;
	if (!s->asked_at)
		s->asked_at = now;
	if (!s->silent && now > s->asked_at + SILENT_MS) {
		s->silent = true;
		log_event(s->log, LOG_XFRM_ERROR, NULL,
			  "xfrm: the process that watches the kernel's SAs does not answer; no session ends "
			  "until it does");
	}
	rekeyer_dump(s->rekeyer);
}

/* Key: address, then the port in the first two of four bytes (nftables pads each part of a concatenation). */
static void on_alive(void *ctx, const void *key, size_t key_length, uint64_t expires_ms)
{
	struct sessions *s = ctx;
	const uint64_t timeout_ms = (uint64_t)s->alive_timeout_s * 1000;
	struct endpoint peer = {.addr_len = (uint8_t)(key_length - 4)};
	uint16_t port;

	if (key_length != 8 && key_length != 20)
		return;
	memcpy(peer.addr, key, peer.addr_len);
	memcpy(&port, (const uint8_t *)key + peer.addr_len, sizeof port);
	peer.port = ntohs(port);
	aliases_alias(s->aliases, &peer);
	session_alive(s->table, clock_now_ms(), &peer, expires_ms < timeout_ms ? timeout_ms - expires_ms : 0);
}

static void note_key(void *ctx, const struct session_view *view)
{
	struct sessions *s = ctx;
	struct alive_keys *to = &s->alive_keys[view->peer.addr_len != 4];
	struct endpoint peer = shown(s, &view->peer);

	if (!peer.port)
		peer.port = IKE_PORT; /* plain ESP */
	to->count++;
	put_key(to->keys + (to->count - 1) * (peer.addr_len + 4U), &peer);
}

/* If the alive sets cannot be read, no session ends for silence. */
static void alive_read(struct sessions *s, int rc)
{
	if (!rc)
		s->alive_at = s->alive_began;
	else if (!s->alive_complained)
		log_event(s->log, LOG_ALIVE_UNREADABLE, NULL,
			  "sessions: cannot read the sets of active peers: %s; no session ends for silence "
			  "until then",
			  strerror(-rc));
	s->alive_complained = rc != 0;
	s->alive_began = 0;
	tell_sampled(s);
}

/* Some sessions at a time, so that packets get their turn. */
static void on_alive_piece(evutil_socket_t fd, short what, void *ctx)
{
	static const enum rules_set sets[] = {RULES_SET_ALIVE4, RULES_SET_ALIVE6};
	static const struct timeval at_once = {.tv_sec = 0};
	struct sessions *s = ctx;
	bool more;
	int rc = 0;

	(void)fd;
	(void)what;
	s->alive_keys[0].count = s->alive_keys[1].count = 0;
	more = session_each_of(s->table, clock_now_ms(), &s->alive_cursor, ALIVE_A_PIECE, note_key, s);
	for (size_t i = 0; i < 2 && !rc; i++)
		rc = rules_nft_set_get(s->nft, sets[i], s->alive_keys[i].keys, s->alive_keys[i].count,
				       on_alive, s);
	if (more && !rc)
		event_add(s->alive_event, &at_once);
	else
		alive_read(s, rc);
	run_actions(s);
}

static void begin_alive(struct sessions *s)
{
	static const struct timeval at_once = {.tv_sec = 0};

	if (s->alive_began || !session_stats(s->table).sessions)
		return;
	s->alive_began = clock_now_ms();
	s->alive_cursor = 0;
	event_add(s->alive_event, &at_once);
}

/* Both are read in pieces, from the event loop. */
static void take_sample(struct sessions *s)
{
	begin_alive(s);
	ask_for_dump(s);
}

static void on_sample(evutil_socket_t fd, short what, void *ctx)
{
	struct sessions *s = ctx;

	(void)fd;
	(void)what;
	take_sample(s);
	if (s->samples++ % DETECT_EVERY == 0)
		stack_detect(s->stack);
	run_actions(s);
}

/* Answers of the stack */

static void on_detected(void *ctx, enum stack_kind kind, int error, const char *text)
{
	struct sessions *s = ctx;

	if (error) {
		if (s->kind != STACK_AUTO)
			log_event(s->log, LOG_STACK_NOT_FOUND, NULL, "stack: %s no longer runs: %s",
				  stack_kind_name(s->kind), text);
		else if (!s->detect_complained)
			log_event(s->log, LOG_STACK_NOT_FOUND, NULL, "stack: none found yet: %s", text);
		s->kind = STACK_AUTO;
		s->detect_complained = true;
		return;
	}
	if (s->kind != kind)
		log_event(s->log, LOG_STACK_FOUND, NULL, "stack: %s", stack_kind_name(kind));
	s->kind = kind;
	if (s->bridge)
		s->bridge->stack_found(s->bridge_ctx, kind);
}

/* FNV-1a: identities are only compared with each other. */
static uint64_t hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ULL;
	return hash;
}

static void on_ike_sa(void *ctx, const struct stack_ike_sa *sa)
{
	struct sessions *s = ctx;
	struct endpoint address;
	struct session_ike_sa fact = {
		.peer = sa->peer,
		.number = sa->number,
		.identity = *sa->id ? hash_text(sa->id) : 0,
		.identity_is_address = endpoint_parse(sa->id, &address),
	};

	for (; fact.spi_count < sa->child_count && fact.spi_count < SESSION_SAS_MAX; fact.spi_count++)
		fact.spis_in[fact.spi_count] = sa->spis_in[fact.spi_count];
	session_ike_sa(s->table, clock_now_ms(), &fact);
}

static void on_listed(void *ctx, const struct endpoint *peer, int error, const char *text)
{
	struct sessions *s = ctx;
	const struct endpoint host = shown(s, peer);

	if (error)
		log_event(s->log, LOG_STACK_FAILED, NULL, "stack: cannot list its SAs: %s", text);
	session_identified(s->table, clock_now_ms(), &host);
}

static void on_ended(void *ctx, uint64_t id, int error, const char *text)
{
	struct sessions *s = ctx;

	const int failed = error < 0 ? error : 0;

	if (stale_sas_is(id)) {
		if (s->bridge)
			s->bridge->stale_ended(s->bridge_ctx, failed, text);
		return;
	}
	log_told_end(s, id, error);
	if (failed)
		log_event(s->log, LOG_STACK_FAILED, NULL, "stack: cannot end a session: %s",
			  *text ? text : strerror(-error));
	session_end_result(s->table, clock_now_ms(), id, failed, text);
}

static void on_warmed(void *ctx, const struct endpoint *peer, int error, const char *text)
{
	struct sessions *s = ctx;

	if (error)
		log_event(s->log, LOG_STACK_FAILED, peer, "stack: cannot keep a session warm: %s", text);
}

static void on_stack_gone(void *ctx)
{
	struct sessions *s = ctx;

	if (s->stack_event)
		event_del(s->stack_event);
}

static void on_stack(evutil_socket_t fd, short what, void *ctx)
{
	struct sessions *s = ctx;

	(void)fd;
	(void)what;
	switch (stack_read(s->stack)) {
	case -EPIPE:
		log_event(s->log, LOG_STACK_PROCESS_DIED, NULL,
			  "stack: the process that talks to it died and is restarted");
		break;
	case -ENOTCONN:
		log_event(s->log, LOG_STACK_PROCESS_DIED, NULL,
			  "stack: the process that talks to it died, and nothing restarts it: no session can "
			  "be ended");
		break;
	default:
		break;
	}
	run_actions(s);
}

/* Start and end */

static uint32_t or_never(unsigned seconds)
{
	return seconds ? seconds * 1000 : SESSION_NEVER;
}

static void make_session_config(const struct config *config, struct session_config *out)
{
	session_config_default(out);
	for (size_t i = 0; i < IKE_DIALECTS; i++) {
		const struct config_session *from = &config->profile[i];
		struct session_profile *to = &out->profiles[i];

		if (!from->end_closed)
			to->close_grace_ms = SESSION_NEVER;
		to->dead_after_ms = or_never(from->dead_after);
		if (!from->dead_after)
			to->dead_after_plain_ms = SESSION_NEVER;
		to->idle_timeout_ms = or_never(from->idle_timeout);
		to->supersede_after_ms = or_never(from->supersede_after);
		to->keep_warm_ms = or_never(from->keep_warm);
	}
}

void sessions_configure(struct sessions *sessions, const struct config *config)
{
	struct session_config session_config;

	if (!sessions)
		return;
	make_session_config(config, &session_config);
	sessions->alive_timeout_s = config_alive_timeout_s(config);
	session_table_configure(sessions->table, clock_now_ms(), &session_config);
	run_actions(sessions);
}

int sessions_prepare(struct sessions **out, const struct config *config, int stack_socket, struct log *log)
{
	static const struct stack_handlers handlers = {.detected = on_detected,
						       .ike_sa = on_ike_sa,
						       .listed = on_listed,
						       .ended = on_ended,
						       .warmed = on_warmed,
						       .gone = on_stack_gone};
	struct session_config session_config;
	struct sessions *s;
	int rc = -ENOMEM;

	*out = NULL;
	if (config->stack == CONFIG_STACK_NONE)
		return 0;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->log = log;
	s->alive_timeout_s = config_alive_timeout_s(config);
	make_session_config(config, &session_config);
	s->table = session_table_new(&session_config);
	if (s->table)
		rc = stack_open(&s->stack, stack_socket, &handlers, s);
	if (rc) {
		sessions_stop(s);
		return rc;
	}
	*out = s;
	return 0;
}

int sessions_start(struct sessions *sessions, struct event_base *loop, struct rules_nft *nft,
		   const struct rules_features *features, const struct ike_table *ike,
		   struct rekeyer *rekeyer)
{
	static const struct session_marks marks = {.l2tp = on_mark_l2tp, .endpoint = on_mark_endpoint};
	static const struct timeval sample = {.tv_sec = SAMPLE_S};

	if (!sessions)
		return 0;
	sessions->loop = loop;
	sessions->nft = nft;
	sessions->ike = ike;
	sessions->rekeyer = rekeyer;
	sessions->by_sa = features->secpath && features->ipsec_spi;
	if (features->secpath && !features->ipsec_spi)
		log_event(sessions->log, LOG_L2TP_NOT_SEEN, NULL,
			  "l2tp: this kernel cannot tell by which SA a message arrived (modprobe nft_xfrm): "
			  "natshim "
			  "repairs no Host Name, absorbs no HELLO and ends no session on StopCCN");
	session_on_marks(sessions->table, &marks, sessions);
	session_on_stay(sessions->table, on_stay, sessions);
	sessions->deadline = evtimer_new(loop, on_deadline, sessions);
	sessions->sample = event_new(loop, -1, EV_PERSIST, on_sample, sessions);
	sessions->stack_event =
		event_new(loop, stack_fd(sessions->stack), EV_READ | EV_PERSIST, on_stack, sessions);
	sessions->alive_event = evtimer_new(loop, on_alive_piece, sessions);
	if (!sessions->deadline || !sessions->sample || !sessions->stack_event || !sessions->alive_event)
		return -ENOMEM;
	event_add(sessions->stack_event, NULL);
	event_add(sessions->sample, &sample);
	stack_detect(sessions->stack);
	return 0;
}

void sessions_stop(struct sessions *sessions)
{
	struct event *events[4];

	if (!sessions)
		return;
	while (sessions->told_count) /* the stack will not answer any more */
		log_told_end(sessions, sessions->told_ends[0].end.id, -EPIPE);
	events[0] = sessions->deadline;
	events[1] = sessions->sample;
	events[2] = sessions->stack_event;
	events[3] = sessions->alive_event;
	for (size_t i = 0; i < 4; i++)
		if (events[i])
			event_free(events[i]);
	if (sessions->stack)
		stack_close(sessions->stack);
	session_table_free(sessions->table);
	free(sessions);
}

/* Facts from the packet path */

void sessions_phase1_begins(struct sessions *sessions, const struct endpoint *peer)
{
	if (!sessions)
		return;
	session_phase1_begins(sessions->table, clock_now_ms(), peer);
	run_actions(sessions);
}

void sessions_hello_absorbed(struct sessions *sessions, const struct endpoint *client)
{
	if (sessions)
		session_hello_absorbed(sessions->table, clock_now_ms(), client);
}

uint64_t sessions_renewed(const struct sessions *sessions, const struct endpoint *client)
{
	return sessions ? session_renewed(sessions->table, client) : 0;
}

void sessions_l2tp(struct sessions *sessions, const struct endpoint *client, enum session_l2tp what)
{
	if (!sessions)
		return;
	session_l2tp(sessions->table, clock_now_ms(), client, what);
	run_actions(sessions);
}

void sessions_set_bridge(struct sessions *sessions, const struct sessions_bridge *bridge, void *ctx)
{
	sessions->bridge = bridge;
	sessions->bridge_ctx = ctx;
	if (sessions->kind != STACK_AUTO)
		bridge->stack_found(ctx, sessions->kind);
}

int sessions_end_stale(struct sessions *sessions, const struct stack_end_request *request)
{
	return stack_end(sessions->stack, request);
}

/* By the real address or by an alias: a port is that of one client; without one, all behind a real address are meant. */
size_t sessions_drop(struct sessions *sessions, const struct endpoint *peer)
{
	struct endpoint at = *peer;
	size_t count;

	if (!sessions)
		return 0;
	if (peer->port || aliases_real(sessions->aliases, &at))
		aliases_alias(sessions->aliases, &at); /* of an alias alone: with its port */
	count = session_drop(sessions->table, clock_now_ms(), &at);
	run_actions(sessions);
	return count;
}

void sessions_use_aliases(struct sessions *sessions, const struct aliases *aliases)
{
	if (sessions)
		sessions->aliases = aliases;
}

struct session_life sessions_life(const struct sessions *sessions, const struct endpoint *host,
				  const struct endpoint *at)
{
	return sessions ? session_life(sessions->table, clock_now_ms(), host, at)
			: (struct session_life){.lives = false};
}

bool sessions_of_spi(const struct sessions *sessions, const struct endpoint *host, uint32_t spi,
		     struct endpoint *peer)
{
	return sessions && session_of_spi(sessions->table, host, spi, peer);
}

bool sessions_complete(const struct sessions *sessions)
{
	return sessions && sessions->dumped;
}

/* Status */

enum stack_kind sessions_stack(const struct sessions *sessions)
{
	return sessions ? sessions->kind : STACK_AUTO;
}

bool sessions_each_of(const struct sessions *sessions, uint32_t *cursor, unsigned max, session_view_fn *fn,
		      void *ctx)
{
	return sessions && session_each_of(sessions->table, clock_now_ms(), cursor, max, fn, ctx);
}

struct session_stats sessions_stats(const struct sessions *sessions)
{
	return sessions ? session_stats(sessions->table) : (struct session_stats){.sessions = 0};
}

struct xfrm_stats sessions_xfrm_stats(const struct sessions *sessions)
{
	return sessions && sessions->rekeyer ? rekeyer_stats(sessions->rekeyer)
					     : (struct xfrm_stats){.events = 0};
}
