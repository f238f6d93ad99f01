/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What follows from each queued packet: its verdict, and the actions that come before it. */
#include "shim/daemon/packets.h"

#include "nfq/inject.h"
#include "shim/clock.h"
#include "shim/daemon/l2tp_wait.h"
#include "shim/hex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define EXCHANGES_MAX                                                                                        \
	131072 /* three quarters of it: the first messages of half a second at 196,000 a second */
/* More exchanges than that are a flood, and half of it is its end. Meanwhile first messages are not noted, as the kernel's set, which
 * evicts nothing, would be full at once: each answer of the server comes up, and natshim notes those exchanges, for ten seconds from
 * each of their messages on. */
#define EXCHANGES_QUIET 8192
#define PEER_TIMEOUT_S                                                                                       \
	(8 * 3600)     /* of a known peer's address in the kernel's set, as in the table of peers */
#define ANSWER_MAX 128 /* bytes of a packet of our own */

struct packets {
	const struct config *config;
	struct log *log;
	struct rules_nft *nft;
	struct sessions *sessions;
	struct bridge_mode *bridge_mode;
	struct aliases *aliases; /* NULL: none are given */
	struct ike_table *ike;
	struct l2tp_table *l2tp;
	struct journal *journal;
	struct filter filter;
	struct nfq_injector *injector; /* NULL: HELLOs cannot be answered, so they are not absorbed */
	struct slow *slow;             /* NULL: without --bridge */
	struct l2tp_wait *l2tp_wait;   /* NULL: not started */
	struct nfq_queue *queue;       /* whose packets may wait in it */
	bool waiting_allowed;
	/* Of the packet that is worked on: its exchange's later messages are to be queued. Done by the rules where it can be
	 * (RULES_MARK_NOTE). */
	uint32_t note; /* 0: no; or the mark */
	uint8_t noted[IKE_COOKIE_LEN];
	bool rules_note; /* the rules that do it are there */
	bool flood;      /* RULES_SET_ANY_ANSWER is filled */
	uint64_t set_errors, unanswered_hellos;
};

/* The kernel's sets */

static void add_peer_to_set(struct packets *t, const struct endpoint *peer, uint64_t age_ms)
{
	const enum rules_set set = peer->addr_len == 4 ? RULES_SET_PEERS4 : RULES_SET_PEERS6;
	const unsigned age_s = (unsigned)(age_ms / 1000);

	if (age_s < PEER_TIMEOUT_S &&
	    rules_nft_set_add(t->nft, set, peer->addr, peer->addr_len, PEER_TIMEOUT_S - age_s))
		t->set_errors++;
}

static void fill_peer(void *ctx, const struct endpoint *peer, enum ike_dialect dialect, uint64_t age_ms,
		      bool alone)
{
	(void)dialect;
	(void)alone;
	add_peer_to_set(ctx, peer, age_ms);
}

/* Has the answers to all first messages come up, or no longer. False where the rules do not have that set. */
static bool fill_any_answer(struct packets *t, bool fill)
{
	static const uint8_t headers[][4] = {RULES_ANSWER_MAIN, RULES_ANSWER_AGGRESSIVE};
	bool done = true;

	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
		if (fill)
			done &= !rules_nft_set_add(t->nft, RULES_SET_ANY_ANSWER, headers[i],
						   sizeof headers[i], 0);
		else
			rules_nft_set_delete(t->nft, RULES_SET_ANY_ANSWER, headers[i], sizeof headers[i]);
	return done;
}

void packets_fill_sets(struct packets *packets)
{
	if (!fill_any_answer(packets, packets->flood))
		packets->flood = false;
	ike_table_each_peer(packets->ike, clock_now_ms(), fill_peer, packets);
	bridge_mode_fill_sets(packets->bridge_mode);
}

/* IKE */

static void log_message(struct packets *t, const struct ike_result *r)
{
	char cookie[2 * IKE_COOKIE_LEN + 1], text[FILTER_TEXT_MAX];
	const char *dialect = ike_dialect_name(r->dialect);

	hex_write(r->cookie, IKE_COOKIE_LEN, cookie);
	if (r->actions & IKE_ACT_NAT_HIDDEN)
		log_event(t->log, LOG_NAT_HIDDEN, &r->peer,
			  "Windows, cookie %s: the server's NAT is hidden from it", cookie);
	if (!r->edits && (r->watched || !r->actions))
		return;
	if (r->message_number == 1 && (r->actions & IKE_ACT_TRACK))
		log_event(t->log, LOG_PHASE1_BEGINS, &r->peer,
			  "%s %s mode begins, cookie %s: translated to RFC 3947%s", dialect,
			  r->exchange_type == 4 ? "aggressive" : "main", cookie,
			  r->server_initiated ? ", server-initiated" : "");
	if (r->actions & IKE_ACT_REMEMBER_PEER)
		log_event(t->log, LOG_NATT_AGREED, &r->peer, "%s NAT-T agreed, cookie %s", dialect, cookie);
	if (r->edits && log_wants(t->log, LOG_REWRITTEN)) /* the text costs as much as the rewriting */
		log_event(t->log, LOG_REWRITTEN, NULL, "%s", filter_rewrite_text(r, text));
}

static void look_for_flood(struct packets *t)
{
	const size_t exchanges = ike_table_stats(t->ike).exchanges;

	if (!t->flood && exchanges > EXCHANGES_QUIET) {
		t->flood = fill_any_answer(t, true);
	} else if (t->flood && exchanges < EXCHANGES_QUIET / 2) {
		fill_any_answer(t, false);
		t->flood = false;
	}
}

/* Whether later messages of this exchange must be queued, and how long. In a flood that is said again with each. */
static uint32_t note_for(struct packets *t, const struct ike_result *r)
{
	look_for_flood(t);
	if (r->actions & IKE_ACT_TRACK)
		return t->flood && !r->server_initiated ? 0 : RULES_MARK_NOTE;
	if (r->message_number == 2 || (t->flood && r->message_number == 3))
		return t->flood ? RULES_MARK_NOTE_10S : RULES_MARK_NOTE;
	return 0;
}

static unsigned note_seconds(uint32_t mark)
{
	return mark == RULES_MARK_NOTE_10S ? 10 : 0;
}

/* By a message of ours to the kernel, with those before the next verdicts (packets_before_verdicts): for what can't meet the rules
 * again. */
static void note_by_message(struct packets *t)
{
	if (t->note)
		rules_nft_set_add_later(t->nft, RULES_SET_EXCHANGES, t->noted, sizeof t->noted,
					note_seconds(t->note));
	t->note = 0;
}

static void tell_noted(const struct packets *t)
{
	char cookie[2 * IKE_COOKIE_LEN + 1];

	if (!log_wants(t->log, LOG_SET_CHANGED))
		return;
	hex_write(t->noted, sizeof t->noted, cookie);
	log_event(t->log, LOG_SET_CHANGED, NULL, "rules: set exchanges: %s added, by the rules", cookie);
}

/* Somebody else's mark stays: no rule could tell it and ours apart, and give it back. */
static void note_by_rules(struct packets *t, struct nfq_packet *packet, enum nfq_verdict verdict)
{
	const bool accepted = verdict == NFQ_AS_IT_WAS || verdict == NFQ_CHANGED;

	if (!t->note || !accepted || packet->mark || !t->rules_note) {
		note_by_message(t);
		return;
	}
	packet->mark = t->note;
	packet->repeat = true;
	tell_noted(t);
	t->note = 0;
}

static enum nfq_verdict on_ike(struct packets *t, struct filter_outcome *o, bool to_server)
{
	const struct ike_result *r = &o->ike;
	enum nfq_verdict verdict = o->changed ? NFQ_CHANGED : NFQ_AS_IT_WAS;
	bool known = false, stopped;

	if (r->message_number == 1 && !r->server_initiated)
		sessions_phase1_begins(t->sessions, &r->peer);
	t->note = note_for(t, r);
	memcpy(t->noted, r->cookie, sizeof t->noted);
	/* Before natshim speaks to anybody: the kernel must know by then who is who. */
	stopped = aliases_message(t->aliases, o, to_server);
	if (t->filter.bridge) {
		if (o->bridge.actions & BRIDGE_ACT_REPLY) {
			note_by_message(t);
			rules_nft_set_flush(
				t->nft); /* natshim sends the reply at once, not with the verdicts */
		}
		journal_append_bridged(t->journal, o->bridge.cookie);
		verdict = bridge_mode_act(t->bridge_mode, o, &known);
	}
	if (known || r->actions & IKE_ACT_REMEMBER_PEER)
		add_peer_to_set(t, &r->peer, 0);
	if (r->actions & (IKE_ACT_REMEMBER_PEER | IKE_ACT_FORGET_PEER))
		journal_peers_changed(t->journal);
	log_message(t, r);
	return stopped ? NFQ_DROP : verdict;
}

/* L2TP */

/* Sends a message in the client's name, to the address that the client knows as the LNS. */
static bool tell_lns(struct packets *t, const struct endpoint *client, const struct endpoint *lns,
		     const uint8_t *message, size_t length)
{
	uint8_t packet[ANSWER_MAX];
	const size_t size = packet_build_udp(packet, sizeof packet, client, lns, message, length);

	return size && t->injector && !nfq_inject(t->injector, packet, size);
}

/* The LNS hears the request by the socket of the tunnel that ends, and loses it with that. The client sends it again in a second, or it
 * waits here (L2TP_ACT_WAIT). False: the LNS is told of none, and acknowledges none. */
static bool stop_left(struct packets *t, const struct filter_outcome *o)
{
	bool some_told = false;

	for (size_t i = 0; i < o->l2tp.stop_count; i++) {
		const bool told = tell_lns(t, &o->src, &o->dst, o->l2tp.stops[i], L2TP_STOP_LEN);

		log_event(t->log, LOG_TUNNEL_LEFT, &o->src,
			  "asks for an L2TP tunnel by a new SA; the one that it left behind %s",
			  told ? "is ended at the LNS" : "stays at the LNS: natshim has no raw socket");
		some_told |= told;
	}
	return some_told;
}

/* Reports to the session table what the client does with its tunnel. */
static void tell_sessions(struct packets *t, const struct filter_outcome *o)
{
	const bool closed =
		o->l2tp.event == L2TP_EVENT_TUNNEL_CLOSED || o->l2tp.event == L2TP_EVENT_SESSION_CLOSED;
	enum session_l2tp what = SESSION_L2TP_OTHER;

	if (o->l2tp.actions & L2TP_ACT_CLOSED)
		what = SESSION_L2TP_CLOSE;
	else if (o->l2tp.event == L2TP_EVENT_TUNNEL_REQUEST || o->l2tp.event == L2TP_EVENT_SESSION_UP)
		what = SESSION_L2TP_OPEN;
	else if (closed)
		log_event(t->log, LOG_SESSION_STAYS, &o->src,
			  "%s does not end the session: the client has another tunnel or call, or natshim "
			  "has not "
			  "seen this one begin",
			  o->l2tp.event == L2TP_EVENT_TUNNEL_CLOSED ? "StopCCN" : "CDN");
	sessions_l2tp(t->sessions, &o->src, what);
}

static enum nfq_verdict on_l2tp(struct packets *t, const struct nfq_packet *packet,
				const struct filter_outcome *o, bool to_lns)
{
	const struct l2tp_result *r = &o->l2tp;
	bool stops_told;

	if (r->edits)
		log_event(t->log, LOG_L2TP_REPAIRED, to_lns ? &o->src : &o->dst,
			  "L2TP message %u: repaired%s%s%s", r->message_type,
			  r->edits & L2TP_EDIT_HOST_NAME ? ", Host Name" : "",
			  r->edits & L2TP_EDIT_RESULT_CODE ? ", Result Code" : "",
			  r->edits & L2TP_EDIT_SEQUENCE ? ", sequence numbers" : "");
	/* With --hello absorb a restart needs the exact sequence numbers: written before the packet goes on. Otherwise the tick does. */
	if (r->actions & L2TP_ACT_SAVE)
		journal_tunnels_changed(t->journal);
	if (t->filter.absorb_hello)
		journal_save_tunnels(t->journal);
	stops_told = stop_left(t, o);
	if (to_lns)
		tell_sessions(t, o);
	if (r->actions & L2TP_ACT_HELLO_UNANSWERED)
		log_event(t->log, LOG_HELLO_UNANSWERED, &o->dst,
			  "the client has left %d HELLOs of the LNS unanswered: natshim answers them for it",
			  L2TP_HELLO_COPIES);
	if (r->reason == L2TP_ABSORBED)
		sessions_hello_absorbed(t->sessions, &o->dst);
	if ((r->actions & L2TP_ACT_REPLY) && !tell_lns(t, &o->dst, &o->src, r->reply, r->reply_length))
		t->unanswered_hellos++;
	if (r->actions & L2TP_ACT_DROP)
		return NFQ_DROP;
	if ((r->actions & L2TP_ACT_WAIT) && stops_told && t->waiting_allowed && packet->queue == t->queue &&
	    l2tp_wait_put(t->l2tp_wait, packet, o->changed))
		return NFQ_HELD;
	return o->changed ? NFQ_CHANGED : NFQ_AS_IT_WAS;
}

static enum ike_direction direction_of(const struct nfq_packet *packet)
{
	return packet->hook == NFQ_PREROUTING || packet->hook == NFQ_INPUT ? IKE_TO_SERVER : IKE_TO_CLIENT;
}

/* IKE and L2TP */
static enum nfq_verdict work_on(void *ctx, struct nfq_packet *packet)
{
	struct packets *t = ctx;
	const enum ike_direction direction = direction_of(packet);
	struct filter_outcome outcome;

	outcome = filter_packet(&t->filter, clock_now_ms(), direction, packet->data, packet->length,
				NFQ_PACKET_MAX);
	packet->length = outcome.length;
	switch (outcome.protocol) {
	case FILTER_IKE:
		return on_ike(t, &outcome, direction == IKE_TO_SERVER);
	case FILTER_L2TP:
		return on_l2tp(t, packet, &outcome, direction == IKE_TO_SERVER);
	default:
		return NFQ_AS_IT_WAS;
	}
}

/* After it has waited, when its verdict can't have it meet the rules again. */
static enum nfq_verdict work_on_slow(void *ctx, struct nfq_packet *packet)
{
	const enum nfq_verdict verdict = work_on(ctx, packet);

	note_by_message(ctx);
	return verdict;
}

static bool is_marked(const struct nfq_packet *packet)
{
	return packet->mark == RULES_MARK_NOTE || note_seconds(packet->mark);
}

/* Queued again in spite of its mark: the rules are those of an older natshim (--rules external). */
static enum nfq_verdict on_marked(struct packets *t, struct nfq_packet *packet)
{
	struct packet_udp udp;
	uint8_t *message;
	size_t length;

	if (t->rules_note)
		log_event(
			t->log, LOG_RULES_MISSING, NULL,
			"rules: your tables are those of an older natshim: load what `natshim rules' prints");
	t->rules_note = false;
	t->note = packet->mark;
	packet->mark = 0;
	if (packet_parse_udp(packet->data, packet->length, &udp) != PACKET_UDP ||
	    !packet_ike_message(&udp, &message, &length) || length < IKE_COOKIE_LEN)
		return NFQ_AS_IT_WAS;
	memcpy(t->noted, message, sizeof t->noted);
	note_by_message(t);
	return NFQ_AS_IT_WAS;
}

/* The one chain on the way in to this host is that of natshim_alias; its packets have been here before, if they are of interest to the
 * others. */
static enum nfq_verdict on_stray(const struct packets *t, struct nfq_packet *packet)
{
	struct packet_udp udp;

	if (packet_parse_udp(packet->data, packet->length, &udp) == PACKET_UDP)
		aliases_stray(t->aliases, &udp);
	return NFQ_AS_IT_WAS;
}

enum nfq_verdict packets_handle(void *ctx, struct nfq_packet *packet)
{
	struct packets *t = ctx;
	struct endpoint host;
	enum nfq_verdict esp, verdict;

	t->note = 0;
	if (packet->hook == NFQ_INPUT)
		return on_stray(t, packet);
	if (packet->truncated)
		return NFQ_AS_IT_WAS;
	if (is_marked(packet))
		return on_marked(t, packet);
	esp = bridge_mode_packet(t->bridge_mode, packet);
	if (esp != NFQ_AS_IT_WAS)
		return esp;
	if (t->waiting_allowed && packet->queue == t->queue &&
	    filter_is_slow(&t->filter, direction_of(packet), packet->data, packet->length, &host)) {
		log_event(t->log, LOG_PACKET_HELD, &host,
			  "IKE message waits for its turn: it needs Diffie-Hellman");
		return slow_wait(t->slow, packet, &host);
	}
	verdict = work_on(t, packet);
	note_by_rules(t, packet, verdict);
	return verdict;
}

void packets_allow_marks(struct packets *packets, bool allowed)
{
	packets->rules_note = allowed;
}

static enum ike_dialect dialect_at(void *ctx, uint64_t now_ms, const struct endpoint *at)
{
	const struct packets *t = ctx;

	return aliases_dialect(t->aliases, t->ike, now_ms, at);
}

void packets_use_aliases(struct packets *packets, struct aliases *aliases)
{
	packets->aliases = aliases;
	packets->filter.dialect = dialect_at;
	packets->filter.dialect_ctx = packets;
}

int packets_start(struct packets *t, struct nfq_queue *queue, struct event_base *loop)
{
	int rc = 0;

	t->l2tp_wait = l2tp_wait_new(queue, loop);
	if (t->filter.bridge)
		t->slow = slow_new(work_on_slow, t);
	if (!t->l2tp_wait || (t->filter.bridge && !t->slow))
		return -ENOMEM;
	t->queue = queue;
	if (t->slow)
		rc = slow_start(t->slow, queue, loop);
	t->waiting_allowed = !rc;
	return rc;
}

void packets_allow_waiting(struct packets *t, bool allowed)
{
	if (!t->queue)
		return;
	if (!allowed) {
		l2tp_wait_finish(t->l2tp_wait);
		if (t->slow)
			slow_finish(t->slow);
	}
	t->waiting_allowed = allowed;
}

/* Start and end */

void packets_before_verdicts(struct packets *packets)
{
	rules_nft_set_flush(packets->nft);
}

void packets_configure(struct packets *packets, const struct config *config)
{
	packets->rules_note = true;
	packets->config = config;
	packets->filter.absorb_hello = packets->injector && config->hello == CONFIG_HELLO_ABSORB;
}

static void open_injector(struct packets *t)
{
	const int rc = nfq_inject_open(&t->injector);

	if (rc && t->config->hello == CONFIG_HELLO_ABSORB)
		log_event(t->log, LOG_HELLO_NOT_ABSORBED, NULL,
			  "--hello absorb: no raw socket: %s; HELLOs pass", strerror(-rc));
}

static struct journal *open_journal(struct packets *t, struct files *files)
{
	const struct journal_tables tables = {.ike = t->ike,
					      .l2tp = t->l2tp,
					      .bridge = t->filter.bridge,
					      .stale_sas = bridge_mode_stale_sas(t->bridge_mode)};

	return journal_open(t->config->state_dir, t->log, files, &tables);
}

static uint64_t renewed(void *ctx, const struct endpoint *client)
{
	return sessions_renewed(ctx, client);
}

bool packets_open(struct packets **out, const struct config *config, struct log *log, struct rules_nft *nft,
		  struct sessions *sessions, struct bridge_mode *bridge_mode, struct files *files,
		  char error[static CONFIG_ERROR_MAX])
{
	struct ike_config ike = {.max_exchanges = EXCHANGES_MAX,
				 .public_addr4 = config->public4,
				 .public_addr6 = config->public6,
				 .hide_nat = config->hide_nat};
	const struct l2tp_config l2tp = {
		.hostname = config->l2tp_hostname, .renewed = renewed, .ctx = sessions};
	struct packets *t;

	if (getrandom(&ike.seed, sizeof ike.seed, 0) != sizeof ike.seed) {
		snprintf(error, CONFIG_ERROR_MAX, "no random numbers: %s", strerror(errno));
		return false;
	}
	snprintf(error, CONFIG_ERROR_MAX, "out of memory");
	t = calloc(1, sizeof *t);
	if (!t)
		return false;
	*t = (struct packets){.config = config,
			      .log = log,
			      .nft = nft,
			      .sessions = sessions,
			      .bridge_mode = bridge_mode,
			      .rules_note = true};
	t->filter.bridge = bridge_mode_bridge(bridge_mode);
	t->ike = t->filter.ike = ike_table_new(&ike);
	t->l2tp = t->filter.l2tp = l2tp_table_new(&l2tp);
	*out = t;
	if (!t->ike || !t->l2tp)
		return false;
	t->journal = open_journal(t, files);
	if (!t->journal)
		return false;
	open_injector(t);
	packets_configure(t, config);
	return true;
}

void packets_close(struct packets *packets)
{
	if (!packets)
		return;
	journal_close(packets->journal);
	ike_table_free(packets->ike);
	l2tp_table_free(packets->l2tp);
	nfq_inject_close(packets->injector);
	slow_free(packets->slow);
	l2tp_wait_free(packets->l2tp_wait);
	free(packets);
}

const struct ike_table *packets_ike(const struct packets *packets)
{
	return packets->ike;
}

struct journal *packets_journal(struct packets *packets)
{
	return packets->journal;
}

struct packets_stats packets_stats(const struct packets *packets)
{
	return (struct packets_stats){
		.filter = &packets->filter.counters,
		.ike = ike_table_stats(packets->ike),
		.l2tp = l2tp_table_stats(packets->l2tp),
		.set_errors = packets->set_errors + rules_nft_set_refused(packets->nft),
		.unanswered_hellos = packets->unanswered_hellos,
		.slow = packets->slow ? slow_stats(packets->slow) : (struct slow_stats){0},
	};
}
