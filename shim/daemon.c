/* The event loop, and what happens at its start, at its end and at each of its events. Decides nothing about packets or
 * sessions: the pure rooms do; this file asks them and does what they say. */
#include "shim/daemon.h"

#include "nfq/inject.h"
#include "nfq/queue.h"
#include "rules/nft.h"
#include "shim/commands.h"
#include "shim/control.h"
#include "shim/filter.h"
#include "shim/firewall.h"
#include "shim/log.h"
#include "shim/report.h"
#include "shim/state.h"
#include "shim/watch.h"

#include <cap-ng.h>
#include <errno.h>
#include <event2/event.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#define EXCHANGE_TIMEOUT_S 180 /* of a cookie in the kernel's set */
#define PEER_TIMEOUT_S                                                                                       \
	(9 * 3600) /* of a known peer's address in the kernel's set; a little more than the table's own */
#define PACKETS_PER_TURN 256 /* then the other events get their chance */
#define DRAIN_MS 200         /* for what still waits in the queue at the end */
#define TICK_MS 1000
#define REPAIR_RETRY_MAX 60 /* ticks between two attempts to put the rules back */

struct daemon {
	struct config config;
	int argc;
	char *const *argv;
	struct log log;
	uint64_t started_ms;

	struct event_base *loop;
	struct event *queue_event, *watch_event, *tick, *signals[3];
	struct control_server *control;

	struct ike_table *ike;
	struct l2tp_table *l2tp;
	struct filter filter;
	struct nfq_injector *injector; /* NULL: HELLOs cannot be answered, so they are not absorbed */
	struct nfq_queue *queue;
	struct rules_nft *nft;
	struct rules_features features;
	struct ruleset *ruleset;
	struct watch *watch; /* NULL: sessions are left alone */

	bool peers_changed;               /* since the state file was written */
	bool state_complained;            /* about a state file that can't be written */
	bool base_missing, queue_missing; /* tables that somebody took away, not back yet */
	unsigned repair_wait;             /* ticks until the next attempt */
	unsigned repair_step;             /* ticks to wait after it, if it fails */
	struct report_events events;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Once, not at every attempt. */
static void complain_about_state(struct daemon *d, const char *file, int rc)
{
	if (rc && !d->state_complained)
		log_line(&d->log, LOG_LEVEL_WARNING,
			 "%s/%s: cannot be written: %s; a restart would not know what stands in it",
			 d->config.state_dir, file, strerror(-rc));
	d->state_complained = rc != 0;
}

/* Packets */

static enum rules_set peer_set(const struct endpoint *peer)
{
	return peer->addr_len == 4 ? RULES_SET_PEERS4 : RULES_SET_PEERS6;
}

static void let_peer_up(struct daemon *d, const struct endpoint *peer, uint64_t age_ms)
{
	const unsigned age_s = (unsigned)(age_ms / 1000);

	if (age_s < PEER_TIMEOUT_S &&
	    rules_nft_set_add(d->nft, peer_set(peer), peer->addr, peer->addr_len, PEER_TIMEOUT_S - age_s))
		d->events.set_errors++;
}

static const char *cookie_text(const uint8_t cookie[IKE_COOKIE_LEN], char out[static 2 * IKE_COOKIE_LEN + 1])
{
	for (size_t i = 0; i < IKE_COOKIE_LEN; i++)
		snprintf(out + 2 * i, 3, "%02x", cookie[i]);
	return out;
}

static void log_message(struct daemon *d, const struct ike_result *r, bool new_peer)
{
	char peer[ENDPOINT_TEXT_MAX], cookie[2 * IKE_COOKIE_LEN + 1], text[FILTER_TEXT_MAX];
	const char *mode = r->exchange_type == 4 ? "aggressive" : "main";

	if (!r->edits && !r->actions)
		return;
	endpoint_text(&r->peer, peer);
	cookie_text(r->cookie, cookie);
	if (r->message_number == 1 && (r->actions & IKE_ACT_TRACK))
		log_line(&d->log, LOG_LEVEL_NOTICE,
			 "%s: %s %s mode begins, cookie %s: translated to RFC 3947%s", peer,
			 ike_dialect_name(r->dialect), mode, cookie,
			 r->server_initiated ? ", server-initiated" : "");
	if (new_peer)
		log_line(&d->log, LOG_LEVEL_NOTICE, "%s: %s NAT-T agreed, cookie %s", peer,
			 ike_dialect_name(r->dialect), cookie);
	if (r->edits)
		log_line(&d->log, LOG_LEVEL_DEBUG, "%s", filter_rewrite_text(r, text));
}

static void follow_actions(struct daemon *d, const struct ike_result *r)
{
	const bool new_peer = r->actions & IKE_ACT_REMEMBER_PEER;

	if (r->message_number == 1 && !r->server_initiated)
		watch_phase1_begins(d->watch, &r->peer);
	if ((r->actions & IKE_ACT_TRACK) &&
	    rules_nft_set_add(d->nft, RULES_SET_EXCHANGES, r->cookie, IKE_COOKIE_LEN, EXCHANGE_TIMEOUT_S))
		d->events.set_errors++;
	if (new_peer)
		let_peer_up(d, &r->peer, 0);
	if (r->actions & (IKE_ACT_REMEMBER_PEER | IKE_ACT_FORGET_PEER))
		d->peers_changed = true;
	log_message(d, r, new_peer);
}

static void save_tunnels(struct daemon *d)
{
	const int rc = state_save_tunnels(d->config.state_dir, d->l2tp, now_ms());

	complain_about_state(d, "tunnels", rc);
}

/* The acknowledgement of an absorbed HELLO, as from the client to the address that it knows the LNS by. */
static bool answer_lns(struct daemon *d, const struct filter_outcome *r)
{
	uint8_t packet[128];
	const size_t length = packet_build_udp(packet, sizeof packet, &r->dst, &r->src, r->l2tp.reply,
					       r->l2tp.reply_length);

	return length && !nfq_inject(d->injector, packet, length);
}

/* What the client said of its tunnel, for the session table. */
static void tell_watch(struct daemon *d, const struct filter_outcome *r)
{
	enum session_l2tp what = SESSION_L2TP_OTHER;

	if (r->l2tp.actions & L2TP_ACT_CLOSED)
		what = SESSION_L2TP_CLOSE;
	else if (r->l2tp.event == L2TP_EVENT_TUNNEL_REQUEST || r->l2tp.event == L2TP_EVENT_SESSION_UP)
		what = SESSION_L2TP_OPEN;
	watch_l2tp(d->watch, &r->src, what);
}

static enum nfq_verdict on_l2tp(struct daemon *d, const struct filter_outcome *r, bool to_lns)
{
	char client[ENDPOINT_TEXT_MAX];

	if (r->l2tp.edits)
		log_line(&d->log, LOG_LEVEL_DEBUG, "%s: L2TP message %u: repaired%s%s%s",
			 endpoint_text(to_lns ? &r->src : &r->dst, client), r->l2tp.message_type,
			 r->l2tp.edits & L2TP_EDIT_HOST_NAME ? ", Host Name" : "",
			 r->l2tp.edits & L2TP_EDIT_RESULT_CODE ? ", Result Code" : "",
			 r->l2tp.edits & L2TP_EDIT_SEQUENCE ? ", sequence numbers" : "");
	if (r->l2tp.actions & L2TP_ACT_SAVE)
		save_tunnels(d);
	if (to_lns)
		tell_watch(d, r);
	if ((r->l2tp.actions & L2TP_ACT_REPLY) && !answer_lns(d, r))
		d->events.unanswered_hellos++;
	if (r->l2tp.actions & L2TP_ACT_DROP)
		return NFQ_DROP;
	return r->changed ? NFQ_CHANGED : NFQ_AS_IT_WAS;
}

static enum nfq_verdict on_packet(void *ctx, struct nfq_packet *packet)
{
	struct daemon *d = ctx;
	const bool inbound = packet->hook == NFQ_PREROUTING || packet->hook == NFQ_INPUT;
	struct filter_outcome r;

	if (packet->truncated)
		return NFQ_AS_IT_WAS;
	r = filter_packet(&d->filter, now_ms(), inbound ? IKE_TO_SERVER : IKE_TO_CLIENT, packet->data,
			  packet->length, NFQ_PACKET_MAX);
	packet->length = r.length;
	if (r.protocol == FILTER_IKE)
		follow_actions(d, &r.ike);
	else if (r.protocol == FILTER_L2TP)
		return on_l2tp(d, &r, inbound);
	return r.changed ? NFQ_CHANGED : NFQ_AS_IT_WAS;
}

static void on_queue(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;
	const int rc = nfq_queue_read(d->queue, PACKETS_PER_TURN);

	(void)fd;
	(void)what;
	if (rc < 0)
		log_line(&d->log, LOG_LEVEL_ERROR, "queue %u: %s", d->config.queue_number, strerror(-rc));
}

/* Rules */

static void restore_peer_element(void *ctx, const struct endpoint *peer, enum ike_dialect dialect,
				 uint64_t age_ms)
{
	(void)dialect;
	let_peer_up(ctx, peer, age_ms);
}

static int install_rules(struct daemon *d, char error[static RULES_ERROR_MAX])
{
	int rc;

	if (d->config.rules == CONFIG_RULES_EXTERNAL)
		return 0;
	rc = rules_nft_install(d->nft, d->ruleset, error);
	if (rc)
		return rc;
	d->base_missing = d->queue_missing = false;
	ike_table_each_peer(d->ike, now_ms(), restore_peer_element, d);
	return 0;
}

/* Puts back what somebody (a firewall reload) took away: at once, and after a failure again, ever less often. */
static void repair_rules(struct daemon *d)
{
	char error[RULES_ERROR_MAX] = "";
	int rc;

	if (!d->base_missing && !d->queue_missing)
		return;
	if (d->repair_wait && d->repair_wait--)
		return;
	if (d->queue_missing)
		rc = install_rules(d, error);
	else
		rc = rules_nft_install_base(d->nft, d->ruleset, error);
	if (!rc) {
		d->base_missing = d->queue_missing = false;
		d->repair_step = 0;
		d->events.rules_repaired++;
		log_line(&d->log, LOG_LEVEL_NOTICE, "rules: taken away by another program, put back");
		return;
	}
	d->repair_step = d->repair_step ? d->repair_step * 2 : 1;
	if (d->repair_step > REPAIR_RETRY_MAX)
		d->repair_step = REPAIR_RETRY_MAX;
	d->repair_wait = d->repair_step;
	log_line(&d->log, LOG_LEVEL_ERROR,
		 "rules: taken away by another program, and not put back: %s; next attempt in %u s", error,
		 d->repair_step);
}

static void on_watch(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;
	bool base_gone = false, queue_gone = false;

	(void)fd;
	(void)what;
	rules_nft_watch_read(d->nft, &base_gone, &queue_gone);
	if (d->config.rules == CONFIG_RULES_EXTERNAL || (!base_gone && !queue_gone))
		return;
	d->base_missing |= base_gone;
	d->queue_missing |= queue_gone;
	d->repair_wait = 0;
	repair_rules(d);
}

/* State, status, control */

static void save_state(struct daemon *d)
{
	int rc;

	if (!d->peers_changed)
		return;
	rc = state_save_peers(d->config.state_dir, d->ike, now_ms());
	complain_about_state(d, "peers", rc);
	d->peers_changed = rc != 0;
}

static char *status_json(struct daemon *d)
{
	const struct report report = {
		.config = &d->config,
		.now_ms = now_ms(),
		.started_ms = d->started_ms,
		.filter = &d->filter,
		.l2tp = d->l2tp,
		.watch = d->watch,
		.queue = d->queue,
		.nft = d->nft,
		.events = d->events,
	};

	return report_json(&report);
}

static void drop_sessions(struct daemon *d, const char *argument, struct control_reply *reply)
{
	struct endpoint peer;
	size_t count;

	if (!endpoint_parse(argument, &peer)) {
		reply->text = strdup("not an address; expected ADDR, ADDR:PORT or [ADDR6]:PORT");
		return;
	}
	count = watch_drop(d->watch, &peer);
	reply->ok = count > 0;
	if (asprintf(&reply->text, count ? "%s: %zu ending" : "%s: no such session", argument, count) < 0)
		reply->text = NULL;
	log_line(&d->log, LOG_LEVEL_NOTICE, "drop %s: %zu sessions", argument, count);
}

static void on_control(void *ctx, enum control_operation operation, const char *argument,
		       struct control_reply *reply)
{
	static const struct timeval soon = {.tv_usec = 50000}; /* lets the answer out first */
	struct daemon *d = ctx;

	switch (operation) {
	case CONTROL_DROP:
		drop_sessions(d, argument, reply);
		break;
	case CONTROL_STATUS:
		reply->text = status_json(d);
		reply->ok = reply->text != NULL;
		break;
	case CONTROL_STOP:
		event_base_loopexit(d->loop, &soon);
		reply->ok = true;
		reply->text = strdup("stopping");
		break;
	default:
		reply->text = strdup("not an operation of this version");
	}
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)fd;
	(void)what;
	repair_rules(d);
	save_state(d);
	sd_notify(0, "WATCHDOG=1");
}

/* Reload: what can change while running does; the rest asks for a restart. */

static void keep_fixed(struct daemon *d, struct config *fresh)
{
	const struct config *old = &d->config;

	if (fresh->queue_number != old->queue_number || strcmp(fresh->state_dir, old->state_dir) ||
	    strcmp(fresh->socket_path, old->socket_path) || fresh->rules != old->rules ||
	    strcmp(fresh->l2tp_hostname, old->l2tp_hostname) || fresh->stack != old->stack)
		log_line(&d->log, LOG_LEVEL_WARNING,
			 "reload: queue-num, rules, stack, l2tp-hostname, state-dir and socket change with a "
			 "restart only");
	fresh->queue_number = old->queue_number;
	fresh->rules = old->rules;
}

static bool adopt(struct daemon *d, struct config *fresh, char error[static CONFIG_ERROR_MAX])
{
	struct ruleset *ruleset = firewall_ruleset(fresh, &d->features);
	struct ruleset *old = d->ruleset;
	int rc;

	if (!ruleset) {
		snprintf(error, CONFIG_ERROR_MAX, "out of memory");
		return false;
	}
	d->ruleset = ruleset;
	rc = install_rules(d, error);
	if (rc) {
		d->ruleset = old;
		ruleset_free(ruleset);
		return false;
	}
	ruleset_free(old);
	config_free(&d->config);
	d->config = *fresh;
	d->log.verbose = d->config.verbose;
	watch_configure(d->watch, &d->config);
	d->filter.absorb_hello = d->injector && d->config.hello == CONFIG_HELLO_ABSORB;
	return true;
}

static void reload(struct daemon *d)
{
	struct config fresh;
	char error[CONFIG_ERROR_MAX] = "";
	const enum config_outcome outcome = config_load(&fresh, d->argc, d->argv, error);

	sd_notify(0, "RELOADING=1");
	if (outcome == CONFIG_OK && firewall_check_interfaces(&fresh, error) &&
	    firewall_find_lns(&fresh, error)) {
		keep_fixed(d, &fresh);
		if (adopt(d, &fresh, error)) {
			log_line(&d->log, LOG_LEVEL_NOTICE, "reload: done");
			sd_notify(0, "READY=1");
			return;
		}
	}
	config_free(&fresh);
	log_line(&d->log, LOG_LEVEL_ERROR, "reload: %s; the old configuration stays", error);
	sd_notify(0, "READY=1");
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)what;
	if (number == SIGHUP)
		reload(d);
	else
		event_base_loopbreak(d->loop);
}

/* Start and end */

static bool fail(struct daemon *d, const char *what, const char *why)
{
	log_line(&d->log, LOG_LEVEL_ERROR, "%s: %s", what, why);
	return false;
}

static bool open_queue(struct daemon *d)
{
	const struct nfq_options options = {.number = (uint16_t)d->config.queue_number};
	const int rc = nfq_queue_open(&d->queue, &options, on_packet, d);
	char what[32], why[160];

	if (!rc)
		return true;
	snprintf(what, sizeof what, "--queue-num %u", d->config.queue_number);
	if (rc == -EBUSY) {
		const pid_t owner = nfq_queue_owner(options.number);

		snprintf(why, sizeof why,
			 owner ? "taken by process %d; stop it, or choose another number"
			       : "taken by another program; choose another number",
			 (int)owner);
	} else if (rc == -EPERM) {
		snprintf(why, sizeof why, "not permitted; natshim needs CAP_NET_ADMIN: run it as root");
	} else {
		snprintf(why, sizeof why, "%s; is the kernel module nfnetlink_queue there?", strerror(-rc));
	}
	return fail(d, what, why);
}

static bool open_rules(struct daemon *d)
{
	char error[RULES_ERROR_MAX] = "";

	if (rules_nft_open(&d->nft, error) || rules_nft_probe(d->nft, &d->features, error))
		return fail(d, "rules", error);
	if (d->config.rules == CONFIG_RULES_INSTALL && !d->features.native_queue && !d->features.xt_queue)
		return fail(
			d, "rules",
			"this kernel has neither nftables' queue nor the x_tables NFQUEUE target; load the "
			"module nft_queue");
	d->ruleset = firewall_ruleset(&d->config, &d->features);
	return d->ruleset ? true : fail(d, "rules", "out of memory");
}

static void tell_restored(struct daemon *d, const char *file, int rc, unsigned restored, unsigned bad)
{
	if (rc || bad)
		log_line(&d->log, LOG_LEVEL_WARNING, "%s/%s: %s", d->config.state_dir, file,
			 rc ? strerror(-rc) : "has lines that are not understood or too old; passed over");
	if (restored)
		log_line(&d->log, LOG_LEVEL_NOTICE, "%u known %s from before the restart", restored, file);
}

static void open_injector(struct daemon *d)
{
	const int rc = nfq_inject_open(&d->injector);

	d->filter.absorb_hello = !rc && d->config.hello == CONFIG_HELLO_ABSORB;
	if (rc && d->config.hello == CONFIG_HELLO_ABSORB)
		log_line(&d->log, LOG_LEVEL_WARNING, "--hello absorb: no raw socket: %s; HELLOs pass",
			 strerror(-rc));
}

static bool open_tables(struct daemon *d)
{
	const struct l2tp_config l2tp = {.hostname = d->config.l2tp_hostname};
	struct ike_config ike = {.public_addr4 = d->config.public4, .public_addr6 = d->config.public6};
	unsigned restored, bad;
	int rc = state_prepare(d->config.state_dir);

	if (getrandom(&ike.seed, sizeof ike.seed, 0) != sizeof ike.seed)
		return fail(d, "random numbers", strerror(errno));
	if (rc)
		return fail(d, d->config.state_dir, strerror(-rc));
	d->ike = d->filter.ike = ike_table_new(&ike);
	d->l2tp = d->filter.l2tp = l2tp_table_new(&l2tp);
	if (!d->ike || !d->l2tp)
		return fail(d, "start", "out of memory");
	rc = state_load_peers(d->config.state_dir, d->ike, now_ms(), &restored, &bad);
	tell_restored(d, "peers", rc, restored, bad);
	rc = state_load_tunnels(d->config.state_dir, d->l2tp, now_ms(), &restored, &bad);
	tell_restored(d, "tunnels", rc, restored, bad);
	open_injector(d);
	return true;
}

static bool open_loop(struct daemon *d)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	static const struct timeval second = {.tv_sec = TICK_MS / 1000};
	char error[CONTROL_ERROR_MAX];

	signal(SIGPIPE, SIG_IGN);
	d->loop = event_base_new();
	if (!d->loop)
		return fail(d, "event loop", "cannot be made");
	if (control_listen(&d->control, d->loop, d->config.socket_path, d->config.socket_group, on_control, d,
			   error))
		return fail(d, "control socket", error);
	d->queue_event = event_new(d->loop, nfq_queue_fd(d->queue), EV_READ | EV_PERSIST, on_queue, d);
	d->watch_event = event_new(d->loop, rules_nft_watch_fd(d->nft), EV_READ | EV_PERSIST, on_watch, d);
	d->tick = event_new(d->loop, -1, EV_PERSIST, on_tick, d);
	if (!d->queue_event || !d->watch_event || !d->tick)
		return fail(d, "event loop", "out of memory");
	event_add(d->queue_event, NULL);
	event_add(d->watch_event, NULL);
	event_add(d->tick, &second);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		d->signals[i] = evsignal_new(d->loop, numbers[i], on_signal, d);
		if (!d->signals[i] || event_add(d->signals[i], NULL))
			return fail(d, "event loop", "cannot watch signals");
	}
	return true;
}

/* Keeps CAP_NET_ADMIN and nothing else; nothing that is executed later can gain more. */
static void drop_privileges(struct daemon *d)
{
	capng_clear(CAPNG_SELECT_BOTH);
	capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN);
	if (capng_apply(CAPNG_SELECT_BOTH) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		log_line(&d->log, LOG_LEVEL_WARNING, "privileges: could not all be dropped: %s",
			 strerror(errno));
}

static bool start(struct daemon *d)
{
	char error[RULES_ERROR_MAX] = "";
	int rc;

	/* First: its worker process must not inherit what is opened later. */
	rc = watch_prepare(&d->watch, &d->config, &d->log);
	if (rc)
		return fail(d, "sessions", strerror(-rc));
	if (!open_queue(d) || !open_rules(d) || !open_tables(d) || !open_loop(d))
		return false;
	if (install_rules(d, error))
		return fail(d, "rules", error);
	rc = watch_start(d->watch, d->loop, d->nft, d->ike);
	if (rc)
		return fail(d, "sessions", strerror(-rc));
	drop_privileges(d);
	return true;
}

static void stop(struct daemon *d)
{
	char error[RULES_ERROR_MAX];

	sd_notify(0, "STOPPING=1");
	if (d->nft && d->config.rules == CONFIG_RULES_INSTALL && rules_nft_remove(d->nft, error))
		log_line(&d->log, LOG_LEVEL_WARNING, "rules: %s", error);
	if (d->queue)
		nfq_queue_drain_and_close(d->queue, DRAIN_MS);
	if (d->ike)
		save_state(d);
	if (d->l2tp)
		save_tunnels(d);
}

static void release(struct daemon *d)
{
	struct event *events[] = {d->queue_event, d->watch_event, d->tick,
				  d->signals[0],  d->signals[1],  d->signals[2]};

	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		if (events[i])
			event_free(events[i]);
	watch_stop(d->watch);
	control_close(d->control);
	if (d->loop)
		event_base_free(d->loop);
	if (d->nft)
		rules_nft_close(d->nft);
	ruleset_free(d->ruleset);
	ike_table_free(d->ike);
	l2tp_table_free(d->l2tp);
	nfq_inject_close(d->injector);
	config_free(&d->config);
}

int daemon_run(struct config *config, int argc, char *const argv[])
{
	struct daemon d = {.config = *config, .argc = argc, .argv = argv};
	int status = EXIT_FAILED;

	log_open(&d.log, d.config.verbose);
	d.started_ms = now_ms();
	if (start(&d)) {
		log_line(&d.log, LOG_LEVEL_NOTICE, "ready: %s%s, queue %u%s, %s", d.config.interfaces[0],
			 d.config.interface_count > 1 ? " and others" : "", d.config.queue_number,
			 d.features.native_queue ? "" : " (x_tables)",
			 d.config.rules == CONFIG_RULES_INSTALL ? "rules installed"
								: "rules left to the admin");
		sd_notify(0, "READY=1");
		event_base_dispatch(d.loop);
		log_line(&d.log, LOG_LEVEL_NOTICE, "stopping");
		status = EXIT_DONE;
		stop(&d);
	} else if (d.queue) {
		nfq_queue_drain_and_close(d.queue, 0);
	}
	release(&d);
	return status;
}
