/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wires between xfrm, stack, session table and event loop. */
#include "shim/daemon/sessions.h"

#include "shim/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_S 5            /* between two looks at the SAs' counters and the alive sets */
#define DETECT_EVERY 2        /* samples between two looks for the stack, which may come, go and change */
#define SILENT_MS 30000       /* without the end of a dump that was asked for */
#define LONGEST_WAIT_MS 60000 /* the timer looks at the table at least that often */
#define IKE_PORT 500

/* Whose signs of life are asked for in one piece. */
struct alive_keys {
	uint8_t keys[RULES_GET_MAX * 20];
	size_t count;
};

/* An end that the stack was told and has not answered: told to the log with the answer, when it is known what has happened. */
struct told_end {
	struct session_action end;
	struct session_action gone; /* kind SESSION_ENDED: the SAs have gone meanwhile; told after it */
};

struct watch {
	unsigned alive_timeout_s;
	struct log *log;
	struct event_base *loop;
	struct rules_nft *nft;
	const struct ike_table *ike;

	struct session_table *table;
	struct stack *stack;
	struct swapper *swapper; /* the caller's; NULL: a kernel without XFRM */
	struct event *stack_event, *deadline, *sample;
	enum stack_kind kind;
	unsigned samples;
	bool detect_complained, alive_complained;
	bool dumped; /* every SA of the kernel has been seen once, */
	bool told;   /* and the log has said so: before that, sessions are found, not new */
	watch_end_fn *on_end;
	void *on_end_ctx;
	struct orphans *orphans; /* NULL: there are none */
	const struct bridge *bridge;
	uint64_t dump_at;               /* when the dump began that runs; */
	uint64_t dumped_at, alive_at;   /* the last whole one, and the last whole reading of the alive sets */
	uint64_t asked_at;              /* when a dump was asked for that has not ended; 0: none */
	bool silent;                    /* which was too long ago, and the log has said so */
	struct event *alive_event;      /* the next piece of the reading that runs: */
	uint64_t alive_began;           /* 0: none does */
	uint32_t alive_cursor;
	struct alive_keys alive_keys[2]; /* IPv4, IPv6 */
	bool by_sa; /* the kernel can tell by which SA L2TP came, so there are sets for it */
	struct told_end told_ends[STACK_REQUESTS_MAX];
	size_t told_count;
};

/* Actions */

static void log_end(struct watch *w, const struct session_action *a, const char *told)
{
	log_event(w->log, LOG_SESSION_ENDS, &a->peer, "session %s, idle %llu s: %s%s",
		  session_end_name(a->reason), (unsigned long long)(a->idle_ms / 1000), told,
		  a->attempt > 1 ? ", again" : "");
}

static void end_session(struct watch *w, const struct session_action *a)
{
	struct stack_end_request request = {.id = a->id,
					    .us = a->us,
					    .peer = a->peer,
					    .reqid = a->reqid,
					    .sa_count = (uint32_t)a->sa_count};
	int rc;

	if (a->attempt == 1 && w->on_end && w->on_end(w->on_end_ctx, a)) {
		log_end(w, a, "told both sides by Deletes");
		session_end_result(w->table, clock_now_ms(), a->id, 0, "");
		return;
	}
	for (size_t i = 0; i < a->sa_count; i++)
		request.sas[i] = (struct stack_sa_ref){.spi = a->sas[i].spi, .outbound = a->sas[i].outbound};
	rc = stack_end(w->stack, &request);
	if (rc) {
		log_event(w->log, LOG_STACK_FAILED, &a->peer, "session %s, and the stack cannot be told: %s",
			  session_end_name(a->reason), strerror(-rc));
		session_end_result(w->table, clock_now_ms(), a->id, rc, strerror(-rc));
		return;
	}
	if (w->told_count < STACK_REQUESTS_MAX)
		w->told_ends[w->told_count++] = (struct told_end){.end = *a};
	else
		log_end(w, a, "told the stack to end it");
}

static struct told_end *find_told_end(struct watch *w, uint64_t id)
{
	for (size_t i = 0; i < w->told_count; i++)
		if (w->told_ends[i].end.id == id)
			return &w->told_ends[i];
	return NULL;
}

static void log_gone(struct watch *w, const struct session_action *a)
{
	log_event(w->log, LOG_SESSION_GONE, &a->peer, "session gone (%s), %llu bytes in, %llu out, %llu s",
		  session_end_name(a->reason), (unsigned long long)a->bytes_in,
		  (unsigned long long)a->bytes_out, (unsigned long long)(a->age_ms / 1000));
}

/* The stack's answer is here. Where nothing was left to end, the client's own Delete or the stack was faster, and that the
 * session has gone is all there is to say. */
static void log_told_end(struct watch *w, uint64_t id, int error)
{
	struct told_end *told = find_told_end(w, id);

	if (!told)
		return;
	if (error != STACK_NOTHING)
		log_end(w, &told->end, "told the stack to end it");
	if (told->gone.kind == SESSION_ENDED)
		log_gone(w, &told->gone);
	*told = w->told_ends[--w->told_count];
}

static void session_gone(struct watch *w, const struct session_action *a)
{
	struct told_end *told = find_told_end(w, a->id);

	if (told)
		told->gone = *a;
	else
		log_gone(w, a);
}

static void log_session(struct watch *w, const struct session_action *a)
{
	switch (a->kind) {
	case SESSION_STARTED:
		if (w->told)
			log_event(w->log, LOG_SESSION_UP, &a->peer, "session up, L2TP port %u, %s",
				  a->l2tp_port, ike_dialect_name((enum ike_dialect)a->profile));
		break;
	case SESSION_ENDED:
		session_gone(w, a);
		break;
	case SESSION_KEPT:
		log_event(w->log, LOG_SESSION_KEPT, &a->peer, "session has life in it again (%s taken back)",
			  session_end_name(a->reason));
		break;
	default:
		break;
	}
}

static void keep_warm(struct watch *w, const struct session_action *a)
{
	struct endpoint client = a->peer;

	client.port = a->l2tp_port;
	stack_warm(w->stack, &client);
}

static void take_sample(struct watch *w);

static void act(struct watch *w, const struct session_action *a)
{
	switch (a->kind) {
	case SESSION_END:
		end_session(w, a);
		break;
	case SESSION_IDENTIFY:
		if (stack_list(w->stack, &a->peer))
			session_identified(w->table, clock_now_ms(), &a->peer);
		break;
	case SESSION_KEEP_WARM:
		keep_warm(w, a);
		break;
	case SESSION_SAMPLE:
		take_sample(w);
		break;
	default:
		log_session(w, a);
	}
}

/* After every fact and every tick: what is to be done is done, and the timer set to when it is the table's turn again. */
static void follow(struct watch *w)
{
	struct session_action action;
	uint64_t deadline, wait_ms = LONGEST_WAIT_MS;
	struct timeval wait;

	session_tick(w->table,
		     clock_now_ms()); /* here, for a timer that is set again and again never fires */
	while (session_next_action(w->table, clock_now_ms(), &action))
		act(w, &action);
	deadline = session_next_deadline(w->table);
	if (deadline < clock_now_ms() + wait_ms)
		wait_ms = deadline > clock_now_ms() ? deadline - clock_now_ms() : 0;
	wait = (struct timeval){.tv_sec = (time_t)(wait_ms / 1000),
				.tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
	event_add(w->deadline, &wait);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct watch *w = ctx;

	(void)fd;
	(void)what;
	follow(w);
}

/* Facts from the kernel */

void watch_sa(struct watch *w, const struct sa_info *sa)
{
	const uint64_t now = clock_now_ms();

	if (w)
		session_sa(w->table, now, sa, ike_table_seen_dialect(w->ike, now, &sa->peer));
}

void watch_sa_gone(struct watch *w, const struct sa_info *sa)
{
	if (w)
		session_sa_gone(w->table, clock_now_ms(), sa);
}

void watch_dump_begin(struct watch *w, uint64_t at_ms)
{
	if (!w)
		return;
	w->dump_at = at_ms;
	session_dump_begin(w->table);
}

static void tell_sampled(struct watch *w)
{
	session_sampled(w->table, w->alive_at < w->dumped_at ? w->alive_at : w->dumped_at);
}

void watch_dump_end(struct watch *w, int error)
{
	if (!w)
		return;
	w->asked_at = 0;
	w->silent = false;
	if (error)
		return;
	session_dump_end(w->table, clock_now_ms());
	w->dumped = true;
	w->dumped_at = w->dump_at;
	tell_sampled(w);
}

/* Once, after the first whole dump: the table is complete. */
static void tell_found(struct watch *w)
{
	const struct session_stats stats = session_stats(w->table);

	if (w->told || !w->dumped)
		return;
	w->told = true;
	log_event(w->log, LOG_SESSIONS_FOUND, NULL, "sessions: %zu found, with %zu SAs, in %llu ms",
		  stats.sessions, stats.sas, (unsigned long long)swapper_stats(w->swapper).dump_ms);
}

void watch_follow(struct watch *w)
{
	if (!w)
		return;
	rules_nft_set_flush(w->nft); /* what on_mark_...() changed: a client's first L2TP follows within milliseconds */
	follow(w);
	tell_found(w);
}

/* The kernel's sets of what is a session's own. Keys: parts of whole four bytes, in network order. */

static size_t put_key(uint8_t *at, const struct endpoint *peer)
{
	const uint16_t port = htons(peer->port);

	memcpy(at, peer->addr, peer->addr_len);
	memset(at + peer->addr_len, 0, 4);
	memcpy(at + peer->addr_len, &port, sizeof port);
	return peer->addr_len + 4U;
}

static void change_set(struct watch *w, enum rules_set set, const uint8_t *key, size_t length, bool there)
{
	if (there)
		rules_nft_set_add_later(w->nft, set, key, length, 0);
	else
		rules_nft_set_delete_later(w->nft, set, key, length);
}

static void on_mark_l2tp(void *ctx, uint32_t spi, const struct endpoint *client, bool there)
{
	struct watch *w = ctx;
	const uint32_t be = htonl(spi);
	uint8_t key[24];

	if (!w->by_sa)
		return;
	memcpy(key, &be, sizeof be);
	change_set(w, client->addr_len == 4 ? RULES_SET_L2TP4 : RULES_SET_L2TP6, key,
		   sizeof be + put_key(key + sizeof be, client), there);
}

static void on_mark_endpoint(void *ctx, const struct endpoint *peer, bool there)
{
	uint8_t key[20];

	change_set(ctx, peer->addr_len == 4 ? RULES_SET_WATCHED4 : RULES_SET_WATCHED6, key, put_key(key, peer), there);
}

void watch_fill_sets(struct watch *watch)
{
	if (!watch || !watch->nft)
		return;
	session_tell_marks(watch->table);
	rules_nft_set_flush(watch->nft);
}

const char *watch_missing_set(struct watch *watch)
{
	static const struct {
		enum rules_set set;
		const char *name;
	} sets[] = {{RULES_SET_WATCHED4, "watched4"},
		    {RULES_SET_WATCHED6, "watched6"},
		    {RULES_SET_L2TP4, "l2tp4"},
		    {RULES_SET_L2TP6, "l2tp6"}};

	for (size_t i = 0; watch && watch->nft && i < sizeof sets / sizeof *sets; i++)
		if ((watch->by_sa || sets[i].set < RULES_SET_L2TP4) &&
		    rules_nft_set_get(watch->nft, sets[i].set, NULL, 0, NULL, NULL) == -ENOENT)
			return sets[i].name;
	return NULL;
}

/* A process that stands still tells nothing, and so ends no session. */
static void ask_for_dump(struct watch *w)
{
	const uint64_t now = clock_now_ms();

	if (!w->swapper)
		return;
	if (!w->asked_at)
		w->asked_at = now;
	if (!w->silent && now > w->asked_at + SILENT_MS) {
		w->silent = true;
		log_event(w->log, LOG_XFRM_ERROR, NULL,
			  "xfrm: the process that watches the kernel's SAs is silent; sessions stay as they "
			  "are until it speaks");
	}
	swapper_dump(w->swapper);
}

/* Key: address, then the port in the first two of four bytes (nftables pads each part of a concatenation). */
static void on_alive(void *ctx, const void *key, size_t key_length, uint64_t expires_ms)
{
	struct watch *w = ctx;
	const uint64_t timeout_ms = (uint64_t)w->alive_timeout_s * 1000;
	struct endpoint peer = {.addr_len = (uint8_t)(key_length - 4)};
	uint16_t port;

	if (key_length != 8 && key_length != 20)
		return;
	memcpy(peer.addr, key, peer.addr_len);
	memcpy(&port, (const uint8_t *)key + peer.addr_len, sizeof port);
	peer.port = ntohs(port);
	session_alive(w->table, clock_now_ms(), &peer, expires_ms < timeout_ms ? timeout_ms - expires_ms : 0);
}

static void note_key(void *ctx, const struct session_view *view)
{
	struct watch *w = ctx;
	struct alive_keys *to = &w->alive_keys[view->peer.addr_len != 4];
	struct endpoint peer = view->peer;

	if (!peer.port)
		peer.port = IKE_PORT; /* plain ESP */
	to->count++;
	put_key(to->keys + (to->count - 1) * (peer.addr_len + 4U), &peer);
}

/* Without the alive sets nobody knows who is silent: then no session ends for that. */
static void alive_read(struct watch *w, int rc)
{
	if (!rc)
		w->alive_at = w->alive_began;
	else if (!w->alive_complained)
		log_event(w->log, LOG_ALIVE_UNREADABLE, NULL,
			  "sessions: the sets of peers seen alive cannot be read: %s; no session is ended "
			  "for silence until they can",
			  strerror(-rc));
	w->alive_complained = rc != 0;
	w->alive_began = 0;
	tell_sampled(w);
}

/* Some sessions at a time, between which packets have their turn. */
static void on_alive_piece(evutil_socket_t fd, short what, void *ctx)
{
	static const enum rules_set sets[] = {RULES_SET_ALIVE4, RULES_SET_ALIVE6};
	static const struct timeval at_once = {.tv_sec = 0};
	struct watch *w = ctx;
	bool more;
	int rc = 0;

	(void)fd;
	(void)what;
	w->alive_keys[0].count = w->alive_keys[1].count = 0;
	more = session_each_of(w->table, clock_now_ms(), &w->alive_cursor, RULES_GET_MAX, note_key, w);
	for (size_t i = 0; i < 2 && !rc; i++)
		rc = rules_nft_set_get(w->nft, sets[i], w->alive_keys[i].keys, w->alive_keys[i].count, on_alive, w);
	if (more && !rc)
		event_add(w->alive_event, &at_once);
	else
		alive_read(w, rc);
	follow(w);
}

static void begin_alive(struct watch *w)
{
	static const struct timeval at_once = {.tv_sec = 0};

	if (w->alive_began || !session_stats(w->table).sessions)
		return;
	w->alive_began = clock_now_ms();
	w->alive_cursor = 0;
	event_add(w->alive_event, &at_once);
}

/* Both are read in pieces, as the event loop comes by. */
static void take_sample(struct watch *w)
{
	begin_alive(w);
	ask_for_dump(w);
}

static void orphan_result(struct watch *w, int error, const char *text)
{
	if (!orphans_result(w->orphans, clock_now_ms(), error))
		log_event(w->log, LOG_BRIDGE_ORPHANS, NULL,
			  "an SA of a bridged client from before the restart cannot be ended: %s; it ends by "
			  "itself",
			  *text ? text : strerror(-error));
}

/* One at a time: each wants the whole list of the stack's states, and the sessions' own ends come between. */
static void end_orphans(struct watch *w)
{
	struct stack_end_request request;
	int rc;

	if (!orphans_next(w->orphans, clock_now_ms(), w->bridge, &request))
		return;
	rc = stack_end(w->stack, &request);
	if (rc)
		orphan_result(w, rc, "");
}

static void on_sample(evutil_socket_t fd, short what, void *ctx)
{
	struct watch *w = ctx;

	(void)fd;
	(void)what;
	take_sample(w);
	if (w->samples++ % DETECT_EVERY == 0)
		stack_detect(w->stack);
	end_orphans(w);
	follow(w);
}

/* Answers of the stack */

static void on_detected(void *ctx, enum stack_kind kind, int error, const char *text)
{
	struct watch *w = ctx;

	if (error) {
		if (w->kind != STACK_AUTO)
			log_event(w->log, LOG_STACK_NOT_FOUND, NULL, "stack: %s has gone: %s",
				  stack_kind_name(w->kind), text);
		else if (!w->detect_complained)
			log_event(w->log, LOG_STACK_NOT_FOUND, NULL, "stack: none found yet: %s", text);
		w->kind = STACK_AUTO;
		w->detect_complained = true;
		return;
	}
	if (w->kind != kind)
		log_event(w->log, LOG_STACK_FOUND, NULL, "stack: %s", stack_kind_name(kind));
	w->kind = kind;
}

/* FNV-1a: an identity only has to differ where the names do. */
static uint64_t hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ULL;
	return hash;
}

static void on_ike_sa(void *ctx, const struct stack_ike_sa *sa)
{
	struct watch *w = ctx;
	struct endpoint address;
	struct session_ike_sa fact = {
		.peer = sa->peer,
		.number = sa->number,
		.identity = *sa->id ? hash_text(sa->id) : 0,
		.identity_is_address = endpoint_parse(sa->id, &address),
	};

	for (; fact.spi_count < sa->child_count && fact.spi_count < SESSION_SAS_MAX; fact.spi_count++)
		fact.spis_in[fact.spi_count] = sa->spis_in[fact.spi_count];
	session_ike_sa(w->table, clock_now_ms(), &fact);
}

static void on_listed(void *ctx, const struct endpoint *peer, int error, const char *text)
{
	struct watch *w = ctx;

	if (error)
		log_event(w->log, LOG_STACK_FAILED, NULL, "stack: cannot list its SAs: %s", text);
	session_identified(w->table, clock_now_ms(), peer);
}

static void on_ended(void *ctx, uint64_t id, int error, const char *text)
{
	struct watch *w = ctx;

	const int failed = error < 0 ? error : 0;

	if (orphans_is(id)) {
		orphan_result(w, failed, text);
		end_orphans(w);
		return;
	}
	log_told_end(w, id, error);
	if (failed)
		log_event(w->log, LOG_STACK_FAILED, NULL, "stack: cannot end a session: %s",
			  *text ? text : strerror(-error));
	session_end_result(w->table, clock_now_ms(), id, failed, text);
}

static void on_warmed(void *ctx, const struct endpoint *peer, int error, const char *text)
{
	struct watch *w = ctx;

	if (error)
		log_event(w->log, LOG_STACK_FAILED, peer, "stack: cannot keep a session warm: %s", text);
}

static void on_stack(evutil_socket_t fd, short what, void *ctx)
{
	struct watch *w = ctx;

	(void)fd;
	(void)what;
	switch (stack_read(w->stack)) {
	case -EPIPE:
		log_event(w->log, LOG_STACK_WORKER_DIED, NULL,
			  "stack: its worker process has died, another one begins");
		break;
	case -ENOTCONN:
		log_event(
			w->log, LOG_STACK_WORKER_DIED, NULL,
			"stack: its processes have died: sessions can't be ended any more; restart natshim");
		break;
	default:
		break;
	}
	follow(w);
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

void watch_configure(struct watch *watch, const struct config *config)
{
	struct session_config sessions;

	if (!watch)
		return;
	make_session_config(config, &sessions);
	watch->alive_timeout_s = config_alive_timeout_s(config);
	session_table_configure(watch->table, clock_now_ms(), &sessions);
	follow(watch);
}

int watch_prepare(struct watch **out, const struct config *config, struct log *log)
{
	static const struct stack_handlers handlers = {.detected = on_detected,
						       .ike_sa = on_ike_sa,
						       .listed = on_listed,
						       .ended = on_ended,
						       .warmed = on_warmed};
	static const enum stack_kind kinds[] = {[CONFIG_STACK_AUTO] = STACK_AUTO,
						[CONFIG_STACK_LIBRESWAN] = STACK_LIBRESWAN,
						[CONFIG_STACK_STRONGSWAN] = STACK_STRONGSWAN,
						[CONFIG_STACK_XFRM] = STACK_XFRM};
	struct session_config sessions;
	struct stack_options options;
	struct watch *w;
	int rc = -ENOMEM;

	*out = NULL;
	if (config->stack == CONFIG_STACK_NONE)
		return 0;
	w = calloc(1, sizeof *w);
	if (!w)
		return -ENOMEM;
	w->log = log;
	w->alive_timeout_s = config_alive_timeout_s(config);
	make_session_config(config, &sessions);
	w->table = session_table_new(&sessions);
	options = (struct stack_options){.kind = kinds[config->stack]};
	if (w->table)
		rc = stack_open(&w->stack, &options, &handlers, w);
	if (rc) {
		watch_stop(w);
		return rc;
	}
	*out = w;
	return 0;
}

int watch_start(struct watch *watch, struct event_base *loop, struct rules_nft *nft,
		const struct rules_features *features, const struct ike_table *ike, struct swapper *swapper)
{
	static const struct session_marks marks = {.l2tp = on_mark_l2tp, .endpoint = on_mark_endpoint};
	static const struct timeval sample = {.tv_sec = SAMPLE_S};

	if (!watch)
		return 0;
	watch->loop = loop;
	watch->nft = nft;
	watch->ike = ike;
	watch->swapper = swapper;
	watch->by_sa = features->secpath && features->ipsec_spi;
	if (features->secpath && !features->ipsec_spi)
		log_event(watch->log, LOG_L2TP_NOT_SEEN, NULL,
			  "l2tp: this kernel cannot tell by which SA a message came (modprobe nft_xfrm): no Host Name is "
			  "mended, no HELLO absorbed, and no session ends with its StopCCN");
	session_on_marks(watch->table, &marks, watch);
	watch->deadline = evtimer_new(loop, on_deadline, watch);
	watch->sample = event_new(loop, -1, EV_PERSIST, on_sample, watch);
	watch->stack_event = event_new(loop, stack_fd(watch->stack), EV_READ | EV_PERSIST, on_stack, watch);
	watch->alive_event = evtimer_new(loop, on_alive_piece, watch);
	if (!watch->deadline || !watch->sample || !watch->stack_event || !watch->alive_event)
		return -ENOMEM;
	event_add(watch->stack_event, NULL);
	event_add(watch->sample, &sample);
	stack_detect(watch->stack);
	return 0;
}

void watch_stop(struct watch *watch)
{
	struct event *events[4];

	if (!watch)
		return;
	while (watch->told_count) /* no answer will come any more */
		log_told_end(watch, watch->told_ends[0].end.id, -EPIPE);
	events[0] = watch->deadline;
	events[1] = watch->sample;
	events[2] = watch->stack_event;
	events[3] = watch->alive_event;
	for (size_t i = 0; i < 4; i++)
		if (events[i])
			event_free(events[i]);
	if (watch->stack)
		stack_close(watch->stack);
	session_table_free(watch->table);
	free(watch);
}

/* Facts from the packet path */

void watch_phase1_begins(struct watch *watch, const struct endpoint *peer)
{
	if (!watch)
		return;
	session_phase1_begins(watch->table, clock_now_ms(), peer);
	follow(watch);
}

void watch_l2tp(struct watch *watch, const struct endpoint *client, enum session_l2tp what)
{
	if (!watch)
		return;
	session_l2tp(watch->table, clock_now_ms(), client, what);
	follow(watch);
}

void watch_on_end(struct watch *watch, watch_end_fn *fn, void *ctx)
{
	if (!watch)
		return;
	watch->on_end = fn;
	watch->on_end_ctx = ctx;
}

void watch_end_orphans(struct watch *watch, struct orphans *orphans, const struct bridge *bridge)
{
	if (!watch || !orphans_count(orphans))
		return;
	log_event(watch->log, LOG_BRIDGE_ORPHANS, NULL,
		  "%zu bridged clients from before the restart: their SAs are ended", orphans_count(orphans));
	watch->orphans = orphans;
	watch->bridge = bridge;
	end_orphans(watch);
}

size_t watch_drop(struct watch *watch, const struct endpoint *peer)
{
	size_t count;

	if (!watch)
		return 0;
	count = session_drop(watch->table, clock_now_ms(), peer);
	follow(watch);
	return count;
}

/* Status */

enum stack_kind watch_stack(const struct watch *watch)
{
	return watch ? watch->kind : STACK_AUTO;
}

bool watch_each_of(const struct watch *watch, uint32_t *cursor, unsigned max, session_view_fn *fn, void *ctx)
{
	return watch && session_each_of(watch->table, clock_now_ms(), cursor, max, fn, ctx);
}

struct session_stats watch_stats(const struct watch *watch)
{
	return watch ? session_stats(watch->table) : (struct session_stats){.sessions = 0};
}

struct xfrm_stats watch_xfrm_stats(const struct watch *watch)
{
	return watch && watch->swapper ? swapper_stats(watch->swapper) : (struct xfrm_stats){.events = 0};
}
