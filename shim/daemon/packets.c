/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a packet to a verdict, and whatever else follows from it. */
#include "shim/daemon/packets.h"

#include "nfq/inject.h"
#include "shim/clock.h"
#include "shim/hex.h"
#include "shim/daemon/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define EXCHANGE_TIMEOUT_S 180 /* of a cookie in the kernel's set */
#define EXCHANGES_MAX 32768    /* half of what the kernel's set holds; a flood turns them over */
#define PEER_TIMEOUT_S                                                                                       \
	(8 * 3600)     /* of a known peer's address in the kernel's set, as in the table of peers */
#define ANSWER_MAX 128 /* bytes of a packet of our own */

struct state_file {
	enum files_target target;
	const char *name;
	bool changed;    /* since it was handed over */
	bool complained; /* that it cannot be written */
};

struct packets {
	const struct config *config;
	struct log *log;
	struct rules_nft *nft;
	struct sessions *sessions;
	struct bridge_mode *bridge_mode; /* NULL: without --bridge */
	struct ike_table *ike;
	struct l2tp_table *l2tp;
	struct files *files;
	struct filter filter;
	struct nfq_injector *injector; /* NULL: HELLOs cannot be answered, so they are not absorbed */
	struct state_file peers, tunnels, bridged;
	uint64_t bridge_changes; /* bridge_stats().changes when the journal was written last, */
	size_t stale_sas_written; /* and how many of a killed natshim's were in it */
	struct stale_sas *stale_sas;
	struct slow *slow; /* NULL: without --bridge */
	bool waiting_allowed;
	uint64_t set_errors, unanswered_hellos;
};

/* State */

/* What came of writing one: tried again while it fails, told once. */
static void written(struct packets *t, struct state_file *file, int rc)
{
	if (rc && !file->complained)
		log_event(t->log, LOG_STATE_UNWRITABLE, NULL,
			  "%s/%s: cannot write: %s; a restart will lose this state",
			  t->config->state_dir, file->name, strerror(-rc));
	file->complained = rc != 0;
	file->changed |= rc != 0;
}

void packets_saved(struct packets *packets, enum files_target target, int error)
{
	if (target == FILES_PEERS)
		written(packets, &packets->peers, error);
	else if (target == FILES_TUNNELS)
		written(packets, &packets->tunnels, error);
	else if (target == FILES_BRIDGED)
		written(packets, &packets->bridged, error);
}

static void write_entry(void *ctx, const struct bridge_entry *entry)
{
	char line[STATE_BRIDGED_MAX];

	fputs(state_bridged_text(entry, line), ctx);
}

static void write_bridged(struct packets *t, FILE *out)
{
	fputs(STATE_BRIDGED_HEADER, out);
	stale_sas_each(t->stale_sas, write_entry, out);
	if (t->filter.bridge)
		bridge_each_entry(t->filter.bridge, write_entry, out);
}

static void save(struct packets *t, struct state_file *file)
{
	FILE *content;
	int rc;

	if (!file->changed)
		return;
	content = files_begin();
	if (!content) {
		written(t, file, -errno);
		return;
	}
	if (file->target == FILES_PEERS)
		state_write_peers(content, t->ike, clock_now_ms());
	else if (file->target == FILES_BRIDGED)
		write_bridged(t, content);
	else
		state_write_tunnels(content, t->l2tp, clock_now_ms());
	file->changed = false;
	rc = files_finish(t->files, file->target, content);
	if (rc)
		written(t, file, rc);
}

/* A session has come to be, has other SAs than before, or has gone. */
static bool bridge_changed(struct packets *t)
{
	const uint64_t changes = t->filter.bridge ? bridge_stats(t->filter.bridge).changes : 0;
	const bool changed =
		changes != t->bridge_changes || stale_sas_count(t->stale_sas) != t->stale_sas_written;

	t->bridge_changes = changes;
	t->stale_sas_written = stale_sas_count(t->stale_sas);
	return changed;
}

/* Before the message goes on: from then on a natshim that is killed leaves SAs behind. The whole file follows with the next
 * tick. */
static void journal(struct packets *t, const uint8_t *cookie)
{
	struct bridge_entry entry;
	char line[STATE_BRIDGED_MAX];

	if (!bridge_changed(t))
		return;
	t->bridged.changed = true;
	if (bridge_entry_of(t->filter.bridge, cookie, &entry))
		files_append(t->files, FILES_BRIDGED, state_bridged_text(&entry, line));
}

void packets_save(struct packets *packets)
{
	if (packets->filter.bridge)
		bridge_tick(packets->filter.bridge, clock_now_ms());
	packets->bridged.changed |= bridge_changed(packets);
	save(packets, &packets->bridged);
	save(packets, &packets->peers);
	save(packets, &packets->tunnels);
}

static void tell_restored(struct packets *t, const char *file, int rc, unsigned restored, unsigned bad)
{
	if (rc || bad)
		log_event(t->log, LOG_STATE_DAMAGED, NULL, "%s/%s: %s", t->config->state_dir, file,
			  rc ? strerror(-rc) : "has invalid or outdated lines; ignored");
	if (restored)
		log_event(t->log, LOG_STATE_RESTORED, NULL, "%u %s restored from before the restart", restored,
			  file);
}

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

void packets_fill_sets(struct packets *packets)
{
	ike_table_each_peer(packets->ike, clock_now_ms(), fill_peer, packets);
	bridge_mode_fill_sets(packets->bridge_mode);
}

/* IKE */

static void log_message(struct packets *t, const struct ike_result *r)
{
	char cookie[2 * IKE_COOKIE_LEN + 1], text[FILTER_TEXT_MAX];
	const char *dialect = ike_dialect_name(r->dialect);

	if (r->watched || (!r->edits && !r->actions))
		return;
	hex_write(r->cookie, IKE_COOKIE_LEN, cookie);
	if (r->message_number == 1 && (r->actions & IKE_ACT_TRACK))
		log_event(t->log, LOG_PHASE1_BEGINS, &r->peer,
			  "%s %s mode begins, cookie %s: translated to RFC 3947%s", dialect,
			  r->exchange_type == 4 ? "aggressive" : "main", cookie,
			  r->server_initiated ? ", server-initiated" : "");
	if (r->actions & IKE_ACT_REMEMBER_PEER)
		log_event(t->log, LOG_NATT_AGREED, &r->peer, "%s NAT-T agreed, cookie %s", dialect, cookie);
	if (r->edits)
		log_event(t->log, LOG_REWRITTEN, NULL, "%s", filter_rewrite_text(r, text));
}

/* The cookie must be in the set before the verdict is sent (packets_before_verdicts): the answer to this very message has to
 * come up. */
static enum nfq_verdict on_ike(struct packets *t, struct filter_outcome *o)
{
	const struct ike_result *r = &o->ike;
	enum nfq_verdict verdict = o->changed ? NFQ_CHANGED : NFQ_AS_IT_WAS;
	bool known = false;

	if (r->message_number == 1 && !r->server_initiated)
		sessions_phase1_begins(t->sessions, &r->peer);
	if (r->actions & IKE_ACT_UNTRACK)
		rules_nft_set_delete_later(t->nft, RULES_SET_EXCHANGES, r->evicted, IKE_COOKIE_LEN);
	if (r->actions & IKE_ACT_TRACK)
		rules_nft_set_add_later(t->nft, RULES_SET_EXCHANGES, r->cookie, IKE_COOKIE_LEN,
					EXCHANGE_TIMEOUT_S);
	if (t->bridge_mode) {
		if (o->bridge.actions & BRIDGE_ACT_REPLY)
			rules_nft_set_flush(t->nft); /* it sends by itself; verdicts come after the sets anyway */
		journal(t, o->bridge.cookie);
		verdict = bridge_mode_act(t->bridge_mode, o, &known);
	}
	if (known || r->actions & IKE_ACT_REMEMBER_PEER)
		add_peer_to_set(t, &r->peer, 0);
	if (r->actions & (IKE_ACT_REMEMBER_PEER | IKE_ACT_FORGET_PEER))
		t->peers.changed = true;
	log_message(t, r);
	return verdict;
}

/* L2TP */

/* The acknowledgement of an absorbed HELLO, as from the client to the address that it knows the LNS by. */
static bool answer_lns(struct packets *t, const struct filter_outcome *o)
{
	uint8_t packet[ANSWER_MAX];
	const size_t length = packet_build_udp(packet, sizeof packet, &o->dst, &o->src, o->l2tp.reply,
					       o->l2tp.reply_length);

	return length && !nfq_inject(t->injector, packet, length);
}

/* What the client said of its tunnel, for the session table. */
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
			  "%s does not end the session: the client has another tunnel or call, or natshim has not "
			  "seen this one begin",
			  o->l2tp.event == L2TP_EVENT_TUNNEL_CLOSED ? "StopCCN" : "CDN");
	sessions_l2tp(t->sessions, &o->src, what);
}

static enum nfq_verdict on_l2tp(struct packets *t, const struct filter_outcome *o, bool to_lns)
{
	const struct l2tp_result *r = &o->l2tp;

	if (r->edits)
		log_event(t->log, LOG_L2TP_REPAIRED, to_lns ? &o->src : &o->dst,
			  "L2TP message %u: repaired%s%s%s", r->message_type,
			  r->edits & L2TP_EDIT_HOST_NAME ? ", Host Name" : "",
			  r->edits & L2TP_EDIT_RESULT_CODE ? ", Result Code" : "",
			  r->edits & L2TP_EDIT_SEQUENCE ? ", sequence numbers" : "");
	/* Where HELLOs are absorbed, a restart needs the exact sequence numbers: before the packet goes on. Else it can wait. */
	if (r->actions & L2TP_ACT_SAVE)
		t->tunnels.changed = true;
	if (t->filter.absorb_hello)
		save(t, &t->tunnels);
	if (to_lns)
		tell_sessions(t, o);
	if ((r->actions & L2TP_ACT_REPLY) && !answer_lns(t, o))
		t->unanswered_hellos++;
	if (r->actions & L2TP_ACT_DROP)
		return NFQ_DROP;
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

	bridge_mode_set_stack(t->bridge_mode, sessions_stack(t->sessions));
	outcome = filter_packet(&t->filter, clock_now_ms(), direction, packet->data, packet->length,
				NFQ_PACKET_MAX);
	packet->length = outcome.length;
	switch (outcome.protocol) {
	case FILTER_IKE:
		return on_ike(t, &outcome);
	case FILTER_L2TP:
		return on_l2tp(t, &outcome, direction == IKE_TO_SERVER);
	default:
		return NFQ_AS_IT_WAS;
	}
}

enum nfq_verdict packets_handle(void *ctx, struct nfq_packet *packet)
{
	struct packets *t = ctx;
	struct endpoint host;
	enum nfq_verdict esp;

	if (packet->truncated)
		return NFQ_AS_IT_WAS;
	esp = bridge_mode_packet(t->bridge_mode, packet);
	if (esp != NFQ_AS_IT_WAS)
		return esp;
	if (t->waiting_allowed &&
	    filter_is_slow(&t->filter, direction_of(packet), packet->data, packet->length, &host)) {
		log_event(t->log, LOG_PACKET_HELD, &host, "IKE message waits for its turn: it needs Diffie-Hellman");
		return slow_wait(t->slow, packet, &host);
	}
	return work_on(t, packet);
}

int packets_start(struct packets *t, struct nfq_queue *queue, struct event_base *loop)
{
	int rc;

	if (!t->filter.bridge)
		return 0;
	t->slow = slow_new(work_on, t);
	if (!t->slow)
		return -ENOMEM;
	rc = slow_start(t->slow, queue, loop);
	t->waiting_allowed = !rc;
	return rc;
}

void packets_allow_waiting(struct packets *t, bool allowed)
{
	if (!t->slow)
		return;
	if (!allowed)
		slow_finish(t->slow);
	t->waiting_allowed = allowed;
}

/* Start and end */

void packets_before_verdicts(struct packets *packets)
{
	rules_nft_set_flush(packets->nft);
}

void packets_configure(struct packets *packets, const struct config *config)
{
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

/* The file is there from the start, for lines to be appended to. */
static void load_bridged(struct packets *t)
{
	unsigned bad;
	const int rc = state_load_bridged(t->config->state_dir, stale_sas_add, t->stale_sas, &bad);

	if (rc == -EPERM)
		log_event(t->log, LOG_STATE_DAMAGED, NULL,
			  "%s/bridged: another user owns it or can write it; ignored",
			  t->config->state_dir);
	else
		tell_restored(t, "bridged", rc, 0, bad);
	t->bridged.changed = t->filter.bridge || stale_sas_count(t->stale_sas);
	save(t, &t->bridged);
}

static void load_state(struct packets *t)
{
	unsigned restored, bad;
	int rc = state_load_peers(t->config->state_dir, t->ike, clock_now_ms(), &restored, &bad);

	tell_restored(t, "peers", rc, restored, bad);
	rc = state_load_tunnels(t->config->state_dir, t->l2tp, clock_now_ms(), &restored, &bad);
	tell_restored(t, "tunnels", rc, restored, bad);
	load_bridged(t);
}

bool packets_open(struct packets **out, const struct config *config, struct log *log, struct rules_nft *nft,
		  struct sessions *sessions, struct bridge_mode *bridge_mode, struct files *files,
		  char error[static CONFIG_ERROR_MAX])
{
	struct ike_config ike = {.max_exchanges = EXCHANGES_MAX,
				 .public_addr4 = config->public4,
				 .public_addr6 = config->public6};
	const struct l2tp_config l2tp = {.hostname = config->l2tp_hostname};
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
			      .files = files,
			      .peers = {.target = FILES_PEERS, .name = "peers"},
			      .tunnels = {.target = FILES_TUNNELS, .name = "tunnels"},
			      .bridged = {.target = FILES_BRIDGED, .name = "bridged"}};
	t->filter.bridge = bridge_mode_bridge(bridge_mode);
	t->ike = t->filter.ike = ike_table_new(&ike);
	t->l2tp = t->filter.l2tp = l2tp_table_new(&l2tp);
	*out = t;
	t->stale_sas = stale_sas_new();
	if (!t->ike || !t->l2tp || !t->stale_sas)
		return false;
	load_state(t);
	open_injector(t);
	packets_configure(t, config);
	return true;
}

void packets_close(struct packets *packets)
{
	if (!packets)
		return;
	if (packets->ike && packets->l2tp && packets->stale_sas)
		packets_save(packets);
	stale_sas_free(packets->stale_sas);
	ike_table_free(packets->ike);
	l2tp_table_free(packets->l2tp);
	nfq_inject_close(packets->injector);
	slow_free(packets->slow);
	free(packets);
}

const struct ike_table *packets_ike(const struct packets *packets)
{
	return packets->ike;
}

struct stale_sas *packets_stale_sas(struct packets *packets)
{
	return packets->stale_sas;
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
