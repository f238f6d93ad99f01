/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop, and what happens at its start, at its end and at each of its events. Decides nothing about packets or
 * sessions: the pure rooms do; this file asks them and does what they say. */
#include "shim/daemon/daemon.h"

#include "rules/nft.h"
#include "shim/daemon/aliases.h"
#include "shim/daemon/bridge_mode.h"
#include "shim/clock.h"
#include "shim/proc/confine.h"
#include "shim/daemon/control.h"
#include "shim/proc/files.h"
#include "shim/firewall.h"
#include "shim/daemon/footprint.h"
#include "shim/hex.h"
#include "shim/log.h"
#include "shim/daemon/processes.h"
#include "shim/daemon/queues.h"
#include "shim/daemon/report.h"
#include "shim/daemon/ruleset_upkeep.h"
#include "shim/daemon/sas.h"
#include "shim/daemon/state.h"
#include "shim/daemon/packets.h"
#include "shim/daemon/sessions.h"

#include <errno.h>
#include <net/if.h>
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_MS 2000     /* at most, for what still waits in the queue at the end; silence ends it sooner */
#define DRAIN_ENDS_MS 100 /* likewise between two lots of bridged sessions that are ended */
#define ENDS_AT_ONCE 50
#define DRAIN_RELOAD_MS 200 /* likewise before rules are replaced, or those of the aliases removed */
#define TICK_MS 1000
#define METRICS_EVERY 15 /* ticks */

struct daemon {
	struct config config;
	int argc;
	char *const *argv;
	struct log log;
	uint64_t started_ms;

	struct event_base *loop;
	struct event *nft_event, *files_event, *parent_event, *tick, *sigterm;
	struct parent *parent;   /* its near ends are natshim-packets' */
	struct files *files;     /* the process that reads and writes files */
	struct secrets *secrets; /* the process that holds the pre-shared keys; NULL: without --bridge */
	struct sas *
		sas; /* the process that watches and changes SAs; NULL: not needed, or a kernel without XFRM */
	struct control_server *control;

	struct bridge_mode *bridge_mode;
	struct aliases *aliases; /* NULL: none are given */
	struct packets *packets;
	struct queues *queues;
	struct rules_nft *nft;
	struct rules_features features;
	struct ruleset *ruleset;
	struct ruleset_upkeep upkeep;
	struct sessions *sessions; /* NULL: sessions are left alone */

	unsigned ticks;
	bool metrics_complained; /* about a metrics file that can't be written */
};

/* Packets */

static enum nfq_verdict on_packet(void *ctx, struct nfq_packet *packet)
{
	struct daemon *d = ctx;

	return packets_handle(d->packets, packet);
}

static void on_before_verdicts(void *ctx)
{
	struct daemon *d = ctx;

	if (d->packets)
		packets_before_verdicts(d->packets);
}

static void allow_waiting(struct daemon *d, bool allowed)
{
	packets_allow_waiting(d->packets, allowed);
	bridge_mode_allow_waiting(d->bridge_mode, allowed);
}

/* Before base chains go: with them goes all that waits in the queues, also what natshim lets wait. Then nothing may, until
 * allow_waiting(). */
static void empty_queues(struct daemon *d)
{
	allow_waiting(d, false);
	queues_drain(d->queues, DRAIN_RELOAD_MS);
}

/* Rules */

static void fill_sets(void *ctx)
{
	struct daemon *d = ctx;

	packets_fill_sets(d->packets);
	sessions_fill_sets(d->sessions);
}

static void alias_gone(void *ctx)
{
	const struct daemon *d = ctx;

	aliases_table_gone(d->aliases);
}

static void on_nft_event(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)fd;
	(void)what;
	ruleset_upkeep_on_nft_event(&d->upkeep);
}

/* Aliases */

static struct session_life life_at(void *ctx, const struct endpoint *host, const struct endpoint *at)
{
	const struct daemon *d = ctx;

	return sessions_life(d->sessions, host, at);
}

static bool all_seen(void *ctx)
{
	const struct daemon *d = ctx;

	return sessions_complete(d->sessions);
}

static bool of_spi(void *ctx, const struct endpoint *host, uint32_t spi, struct endpoint *peer)
{
	const struct daemon *d = ctx;

	return sessions_of_spi(d->sessions, host, spi, peer);
}

static void on_moved(void *ctx, const struct endpoint *was, const struct endpoint *client)
{
	const struct daemon *d = ctx;

	sessions_moved(d->sessions, was, client);
}

static const struct aliases_sessions seen_by_sessions = {
	.life = life_at, .complete = all_seen, .of_spi = of_spi, .moved = on_moved};

/* State, status, control */

static struct report make_report(struct daemon *d)
{
	return (struct report){
		.config = &d->config,
		.now_ms = clock_now_ms(),
		.started_ms = d->started_ms,
		.packets = d->packets,
		.queues = d->queues,
		.nft = d->nft,
		.bridge_mode = d->bridge_mode,
		.aliases = d->aliases,
		.sessions = d->sessions,
		.rules_repaired = d->upkeep.repaired,
	};
}

/* The rules match names: an interface that comes later is served then. */
static void tell_absent(struct daemon *d)
{
	for (size_t i = 0; i < d->config.interface_count; i++)
		if (!files_find_interface(d->files, d->config.interfaces[i]))
			log_event(&d->log, LOG_IFACE_ABSENT, NULL,
				  "iface: %s does not exist yet; its clients are served as soon as it does",
				  d->config.interfaces[i]);
}

/* Names with commas between them. */
static void list_absent(struct daemon *d, char *out, size_t size)
{
	*out = '\0';
	for (size_t i = 0; i < d->config.interface_count; i++) {
		const size_t n = strlen(out);

		if (!files_find_interface(d->files, d->config.interfaces[i]))
			snprintf(out + n, size - n, "%s%s", n ? "," : "", d->config.interfaces[i]);
	}
}

/* Of several thousand sessions: a piece at a time. */
struct status_job {
	struct daemon *daemon;
	struct report_text *text;
};

static bool more_status(void *ctx, struct control_reply *reply)
{
	struct status_job *job = ctx;
	const struct report report = make_report(job->daemon);

	if (report_more(job->text, &report))
		return true;
	reply->text = report_take(job->text, &reply->length);
	reply->ok = reply->text != NULL;
	return false;
}

static void end_status(void *ctx)
{
	struct status_job *job = ctx;

	if (job->text)
		report_end(job->text);
	free(job);
}

static void begin_status(struct daemon *d, struct control_reply *reply)
{
	char absent[CONFIG_MAX_INTERFACES * IF_NAMESIZE];
	struct report report = make_report(d);
	struct status_job *job = calloc(1, sizeof *job);

	if (!job)
		return;
	list_absent(d, absent, sizeof absent);
	report.absent = absent;
	*job = (struct status_job){.daemon = d, .text = report_begin(&report)};
	if (!job->text) {
		end_status(job);
		return;
	}
	reply->job = job;
	reply->more = more_status;
	reply->end = end_status;
}

static void metrics_written(struct daemon *d, int rc)
{
	if (rc && !d->metrics_complained)
		log_event(&d->log, LOG_METRICS_UNWRITABLE, NULL, "--metrics-file %s: %s",
			  d->config.metrics_file, strerror(-rc));
	d->metrics_complained = rc != 0;
}

static void write_metrics(struct daemon *d)
{
	const struct report report = make_report(d);
	FILE *content;
	int rc;

	if (!d->config.metrics_file || d->ticks % METRICS_EVERY)
		return;
	content = files_begin();
	if (!content) {
		metrics_written(d, -errno);
		return;
	}
	report_metrics(content, &report);
	rc = files_finish(d->files, FILES_METRICS, content);
	if (rc)
		metrics_written(d, rc);
}

static void on_saved(void *ctx, enum files_target target, int error)
{
	struct daemon *d = ctx;

	if (target == FILES_METRICS)
		metrics_written(d, error);
	else if (target == FILES_ALIASES)
		aliases_saved(d->aliases, error);
	else
		journal_saved(packets_journal(d->packets), target, error);
}

static void on_files_died(void *ctx)
{
	struct daemon *d = ctx;

	log_event(&d->log, LOG_FILES_PROCESS_DIED, NULL,
		  "files: the process that writes state and metrics died and is restarted");
	if (d->packets)
		journal_write_again(packets_journal(d->packets));
	aliases_write_again(d->aliases);
}

static void on_files(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)fd;
	(void)what;
	files_read(d->files);
}

static void drop_sessions(struct daemon *d, const char *argument, struct control_reply *reply)
{
	struct endpoint peer;
	size_t count;

	if (!endpoint_parse(argument, &peer)) {
		reply->text = strdup("not an address; expected ADDR, ADDR:PORT or [ADDR6]:PORT");
		return;
	}
	count = sessions_drop(d->sessions, &peer);
	reply->ok = count > 0;
	if (asprintf(&reply->text, count ? "%s: %zu ending" : "%s: no such session", argument, count) < 0)
		reply->text = NULL;
	log_event(&d->log, LOG_DROP, NULL, "drop %s: %zu sessions", argument, count);
}

struct alias_answer {
	FILE *out;
	unsigned count;
};

static void add_name(void *ctx, const struct endpoint *at)
{
	struct alias_answer *answer = ctx;
	char text[ENDPOINT_TEXT_MAX];

	fprintf(answer->out, "%s%s", answer->count++ ? "\n" : "", endpoint_text(at, text));
}

/* An alias' client; the alias of a client's port, or every one of its address. */
static void tell_alias(const struct daemon *d, const char *argument, struct control_reply *reply)
{
	struct alias_answer answer = {.count = 0};
	struct endpoint at;
	size_t length;

	if (!endpoint_parse(argument, &at)) {
		reply->text = strdup("not an address; expected ADDR or ADDR:PORT");
		return;
	}
	answer.out = open_memstream(&reply->text, &length);
	if (!answer.out)
		return;
	if (aliases_real(d->aliases, &at)) {
		add_name(&answer, &at);
	} else if (aliases_alias(d->aliases, &at)) {
		at.port = 0;
		add_name(&answer, &at);
	} else if (!at.port) {
		aliases_each_of(d->aliases, &at, add_name, &answer);
	}
	reply->ok = answer.count > 0;
	if (!reply->ok)
		fprintf(answer.out, "%s: %s", argument,
			d->aliases ? "no alias, and has none" : "no aliases are given (--alias)");
	fclose(answer.out);
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
	case CONTROL_ALIAS:
		tell_alias(d, argument, reply);
		break;
	case CONTROL_STATUS:
		begin_status(d, reply);
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
	ruleset_upkeep_tick(&d->upkeep);
	journal_tick(packets_journal(d->packets));
	if (aliases_tick(d->aliases)) {
		empty_queues(d);
		aliases_unload(d->aliases);
		allow_waiting(d, true);
	}
	write_metrics(d);
	d->ticks++;
	parent_tell(d->parent, PARENT_ALIVE);
}

/* Reload: config_reload() keeps what only a restart can change. */

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
	d->upkeep.ruleset = ruleset;
	empty_queues(d);
	rc = ruleset_upkeep_install(&d->upkeep, error);
	allow_waiting(d, true);
	if (rc) {
		d->ruleset = old;
		d->upkeep.ruleset = old;
		ruleset_free(ruleset);
		return false;
	}
	aliases_use(d->aliases, &seen_by_sessions, d, ruleset);
	ruleset_free(old);
	config_free(&d->config);
	d->config = *fresh;
	d->log.subjects = d->config.verbose;
	sessions_configure(d->sessions, &d->config);
	packets_configure(d->packets, &d->config);
	return true;
}

/* The question of shim/firewall.h, put to the process that may open files. */
static bool find_lns(struct daemon *d, struct config *config, char error[static CONFIG_ERROR_MAX])
{
	struct endpoint lns;

	if (!config->lns_auto)
		return true;
	if (!files_find_lns(d->files, &lns, error))
		return false;
	firewall_set_lns(config, &lns);
	return true;
}

static void reload(struct daemon *d)
{
	struct config fresh;
	char error[CONFIG_ERROR_MAX] = "", kept[CONFIG_ERROR_MAX];
	const enum config_outcome outcome =
		config_reload(&fresh, &d->config, d->argc, d->argv, files_open_config, d->files, kept, error);

	parent_tell(d->parent, PARENT_RELOADING);
	if (outcome == CONFIG_OK && find_lns(d, &fresh, error) && bridge_mode_reload(d->bridge_mode, error)) {
		if (adopt(d, &fresh, error)) {
			if (*kept)
				log_event(&d->log, LOG_RELOAD_PARTIAL, NULL,
					  "reload: these changed options need a restart: %s", kept);
			log_event(&d->log, LOG_RELOADED, NULL, "reload: done");
			tell_absent(d);
			parent_tell(d->parent, PARENT_READY);
			return;
		}
	}
	config_free(&fresh);
	log_event(&d->log, LOG_RELOAD_REFUSED, NULL, "reload: %s; the old configuration stays", error);
	parent_tell(d->parent, PARENT_READY);
}

/* From whom a second natshim has told the process id of the queue's owner. All other signals are the parent's alone: who sends SIGHUP to all
 * processes wants one reload. */
static void on_sigterm(evutil_socket_t number, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)number;
	(void)what;
	event_base_loopbreak(d->loop);
}

static void on_parent(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;
	char order;
	const ssize_t length = recv(fd, &order, 1, MSG_DONTWAIT);

	(void)what;
	if (!length) /* it has died: the kernel is about to kill this process, too */
		event_del(d->parent_event);
	else if (length > 0 && order == PARENT_RELOAD)
		reload(d);
	else if (length > 0 && order == PARENT_STOP)
		event_base_loopbreak(d->loop);
}

/* Start and end */

static bool fail(struct daemon *d, const char *what, const char *why)
{
	log_event(&d->log, LOG_START_FAILED, NULL, "%s: %s", what, why);
	return false;
}

static bool open_queues(struct daemon *d)
{
	char what[32], why[QUEUES_ERROR_MAX];

	if (queues_open(&d->queues, d->config.queue_number, on_packet, on_before_verdicts, d, &d->log, why))
		return true;
	snprintf(what, sizeof what, "--queue-num %u", d->config.queue_number);
	return fail(d, what, why);
}

static void on_set_change(void *ctx, const char *set, const uint8_t *key, size_t key_length, bool added)
{
	struct daemon *d = ctx;
	char text[2 * 64 + 1];

	if (!log_wants(&d->log, LOG_SET_CHANGED) || key_length > sizeof text / 2)
		return;
	hex_write(key, key_length, text);
	log_event(&d->log, LOG_SET_CHANGED, NULL, "rules: set %s: %s %s", set, text,
		  added ? "added" : "removed");
}

static bool open_rules(struct daemon *d)
{
	static const struct ruleset_upkeep_handlers handlers = {.fill_sets = fill_sets,
								.alias_gone = alias_gone};
	char error[RULES_ERROR_MAX] = "";

	if (rules_nft_open(&d->nft, error) || rules_nft_probe(d->nft, &d->features, error))
		return fail(d, "rules", error);
	rules_nft_on_change(d->nft, on_set_change, d);
	if (d->config.rules == CONFIG_RULES_INSTALL && !d->features.native_queue && !d->features.xt_queue)
		return fail(
			d, "rules",
			"this kernel has neither nftables' queue nor the x_tables NFQUEUE target; load the "
			"module nft_queue");
	d->ruleset = firewall_ruleset(&d->config, &d->features);
	d->upkeep = (struct ruleset_upkeep){.log = &d->log,
					    .nft = d->nft,
					    .ruleset = d->ruleset,
					    .external = d->config.rules == CONFIG_RULES_EXTERNAL,
					    .handlers = &handlers,
					    .ctx = d};
	return d->ruleset ? true : fail(d, "rules", "out of memory");
}

static bool open_packets(struct daemon *d)
{
	char error[CONFIG_ERROR_MAX];

	return (bridge_mode_open(&d->bridge_mode, &d->config, &d->log, d->nft, d->secrets,
				 sas_rekeyer(d->sas), error) &&
		packets_open(&d->packets, &d->config, &d->log, d->nft, d->sessions, d->bridge_mode, d->files,
			     error) &&
		aliases_open(&d->aliases, &d->config, &d->features, &d->log, d->nft, d->files, error)) ||
	       fail(d, "start", error);
}

static bool open_loop(struct daemon *d)
{
	static const struct timeval second = {.tv_sec = TICK_MS / 1000};
	char error[CONTROL_ERROR_MAX];

	d->loop = event_base_new();
	if (!d->loop)
		return fail(d, "event loop", "cannot be made");
	if (control_listen(&d->control, d->loop, d->config.socket_path, d->config.socket_group, on_control, d,
			   error))
		return fail(d, "control socket", error);
	d->nft_event = event_new(d->loop, rules_nft_watch_fd(d->nft), EV_READ | EV_PERSIST, on_nft_event, d);
	d->files_event = event_new(d->loop, files_fd(d->files), EV_READ | EV_PERSIST, on_files, d);
	d->parent_event = event_new(d->loop, d->parent->channel, EV_READ | EV_PERSIST, on_parent, d);
	d->tick = event_new(d->loop, -1, EV_PERSIST, on_tick, d);
	if (queues_start(d->queues, d->loop) || !d->nft_event || !d->files_event || !d->parent_event ||
	    !d->tick)
		return fail(d, "event loop", "out of memory");
	event_add(d->nft_event, NULL);
	event_add(d->files_event, NULL);
	event_add(d->parent_event, NULL);
	event_add(d->tick, &second);
	d->sigterm = evsignal_new(d->loop, SIGTERM, on_sigterm, d);
	if (!d->sigterm || event_add(d->sigterm, NULL))
		return fail(d, "event loop", "cannot watch signals");
	return true;
}

/* Nothing is opened from here on. What libraries would do at their first use, and could not later, they do now. */
static void confine_self(struct daemon *d)
{
	char missing[CONFINE_TEXT_MAX];

	tzset();
	json_object_seed(0);
	if (!confine(CONFINE_PACKETS, NULL, missing))
		log_event(&d->log, LOG_PRIVILEGES_KEPT, NULL, "sandbox incomplete, unavailable: %s", missing);
}

static bool open_files(struct daemon *d)
{
	const int rc = files_open(&d->files, d->parent->near[PROCESS_FILES][0]);

	if (rc)
		return fail(d, "files", strerror(-rc));
	files_on_news(d->files, on_saved, on_files_died, d);
	return true;
}

static bool open_secrets(struct daemon *d)
{
	char why[PSK_ERROR_MAX];

	return !config_bridges(&d->config) ||
	       secrets_open(&d->secrets, d->parent->near[PROCESS_SECRETS][0], why) ||
	       fail(d, "--psk-file", why);
}

static bool open_sas(struct daemon *d)
{
	char why[CONFIG_ERROR_MAX];

	return sas_open(&d->sas, &d->config, d->parent->near[PROCESS_XFRM], &d->log, why) ||
	       fail(d, config_bridges(&d->config) ? "--bridge" : "sessions", why);
}

static bool start(struct daemon *d)
{
	char error[RULES_ERROR_MAX] = "";
	int rc;

	if (!open_files(d) || !open_secrets(d) || !open_sas(d))
		return false;
	rc = sessions_prepare(&d->sessions, &d->config, d->parent->near[PROCESS_STACK][0], &d->log);
	if (rc)
		return fail(d, "sessions", strerror(-rc));
	if (!open_queues(d) || !open_rules(d) || !open_packets(d) || !open_loop(d))
		return false;
	if (ruleset_upkeep_install(&d->upkeep, error))
		return fail(d, "rules", error);
	packets_use_aliases(d->packets, d->aliases);
	bridge_mode_use_aliases(d->bridge_mode, d->aliases);
	sessions_use_aliases(d->sessions, d->aliases);
	aliases_use(d->aliases, &seen_by_sessions, d, d->ruleset);
	if (!d->aliases && d->config.rules == CONFIG_RULES_INSTALL)
		rules_nft_remove_alias(d->nft, error); /* what a killed natshim left that gave some */
	rc = bridge_mode_start(d->bridge_mode, queues_known(d->queues), d->loop);
	if (rc)
		return fail(d, "bridge", strerror(-rc));
	rc = packets_start(d->packets, queues_known(d->queues), d->loop);
	if (rc)
		return fail(d, "bridge", strerror(-rc));
	rc = sessions_start(d->sessions, d->loop, d->nft, &d->features, packets_ike(d->packets),
			    sas_rekeyer(d->sas));
	if (!rc)
		rc = sas_start(d->sas, d->loop, d->sessions, d->bridge_mode, d->aliases);
	if (rc)
		return fail(d, "sessions", strerror(-rc));
	if (d->config.rules == CONFIG_RULES_EXTERNAL)
		fill_sets(d); /* the sessions' own ones, too: they can from now on */
	bridge_mode_join_sessions(d->bridge_mode, d->sessions);
	footprint_trim();
	confine_self(d);
	return true;
}

/* After exit natshim can relay no Delete: both sides get them now, and the queue is drained so that those to clients are relayed. */
static void end_bridged(struct daemon *d)
{
	size_t count = 0, some;

	while ((some = bridge_mode_end_some(d->bridge_mode, ENDS_AT_ONCE)) > 0) {
		count += some;
		queues_drain(d->queues, DRAIN_ENDS_MS);
	}
	if (count)
		log_event(&d->log, LOG_BRIDGE_ENDS, NULL,
			  "bridge: %zu phase 1 with clients ended, by Deletes to both sides", count);
}

static void stop(struct daemon *d)
{
	const bool installed = d->nft && d->config.rules == CONFIG_RULES_INSTALL;
	char error[RULES_ERROR_MAX];

	parent_tell(d->parent, PARENT_STOPPING);
	packets_allow_waiting(d->packets, false);
	end_bridged(d);
	packets_allow_marks(d->packets, false);
	/* It fails if the table was removed: then nothing is queued either. */
	if (installed)
		rules_nft_quiet(d->nft, error);
	bridge_mode_allow_waiting(d->bridge_mode, false);
	queues_close(d->queues, DRAIN_MS);
	d->queues = NULL;
	if (installed && rules_nft_remove(d->nft, error))
		log_event(&d->log, LOG_RULES_LEFT, NULL, "rules: %s", error);
}

static void release(struct daemon *d)
{
	struct event *events[] = {d->nft_event, d->files_event, d->parent_event, d->tick, d->sigterm};

	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		if (events[i])
			event_free(events[i]);
	sessions_stop(d->sessions);
	control_close(d->control);
	if (d->control)
		files_remove_socket(d->files);
	packets_close(d->packets);
	aliases_close(d->aliases);
	bridge_mode_close(d->bridge_mode);
	secrets_close(d->secrets);
	sas_close(d->sas);
	if (d->loop)
		event_base_free(d->loop);
	files_close(d->files);
	if (d->nft)
		rules_nft_close(d->nft);
	ruleset_free(d->ruleset);
	config_free(&d->config);
}

/* That it is ready comes last: who waits for it finds the warnings before it. */
static void tell_started(struct daemon *d)
{
	tell_absent(d);
	if (d->config.allow_clear)
		log_event(&d->log, LOG_CLEAR_ALLOWED, NULL,
			  "allow-clear: unencrypted L2TP reaches the server on every interface");
	if (!d->features.defrag)
		log_event(&d->log, LOG_FRAGMENTS_PASS, NULL,
			  "rules: this kernel has no tproxy expression (nft_tproxy), so IKE in IP "
			  "fragments is translated only where connection tracking is on");
	log_event(&d->log, LOG_READY, NULL, "ready: %s%s, queues %u and %u%s, %s", d->config.interfaces[0],
		  d->config.interface_count > 1 ? " and others" : "", d->config.queue_number,
		  RULES_QUEUE_KNOWN(d->config.queue_number), d->features.native_queue ? "" : " (x_tables)",
		  d->config.rules == CONFIG_RULES_INSTALL ? "rules installed"
							  : "rules not installed (--rules external)");
}

/* natshim-packets. */
static int serve(struct config *config, int argc, char *const argv[], const struct log *log,
		 struct parent *parent)
{
	struct daemon d = {.config = *config, .argc = argc, .argv = argv, .log = *log, .parent = parent};
	int status = EXIT_FAILURE;

	d.started_ms = clock_now_ms();
	if (start(&d)) {
		tell_started(&d);
		parent_tell(d.parent, PARENT_READY);
		event_base_dispatch(d.loop);
		log_event(&d.log, LOG_STOPPING, NULL, "stopping");
		status = EXIT_SUCCESS;
		stop(&d);
	} else {
		queues_close(d.queues, 0);
	}
	release(&d);
	return status;
}

int daemon_run(struct config *config, int argc, char *const argv[])
{
	struct processes processes;
	struct log log;
	pid_t packets;
	int status = EXIT_FAILURE;

	log_open(&log, config->verbose, config->log_format == CONFIG_LOG_JSON);
	if (!confine_is_net_admin()) {
		log_event(&log, LOG_START_FAILED, NULL,
			  "run: not permitted; natshim needs CAP_NET_ADMIN: run it as root");
		config_free(config);
		return status;
	}
	footprint_prepare(); /* for natshim-secrets, too */
	packets = processes_split(&processes, config, &log);
	if (!packets)
		return serve(config, argc, argv, &log, &processes.parent);
	if (packets > 0)
		status = processes_watch(&processes, &log);
	config_free(config);
	return status;
}
