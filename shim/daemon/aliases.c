/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a decision to the kernel's maps. */
#include "shim/daemon/aliases.h"

#include "nfq/conntrack.h"
#include "shim/clock.h"
#include "shim/daemon/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define FOLLOW_TIMEOUT_S 60 /* of a cookie in the kernel's set */
#define EXPIRE_EVERY 5      /* ticks */
#define SAVE_EVERY 60       /* ticks, though nothing has changed in the kernel */
#define UNLOAD_AFTER 60     /* ticks without an alias */
#define RETRY_AFTER 30      /* ticks: to refuse a table costs the kernel milliseconds */
#define HEARD_MAX 64        /* SAs whose clients were heard from another port, and wait */
#define HEARD_WAIT_MS 1000  /* for the server to follow by itself */

/* Of a client of which the server believes that it is "at". */
struct heard {
	uint32_t spi;
	struct endpoint us, at, from;
	uint64_t due_ms;
};

struct aliases {
	struct log *log;
	struct rules_nft *nft;
	struct files *files;
	char *state_dir; /* owned, as interface: a reload frees the configuration's */
	struct alias_table *table;
	struct conntrack *conntrack;
	const struct aliases_sessions *sessions;
	void *sessions_ctx;
	const struct ruleset *ruleset;
	bool external; /* the admin's own tables: --rules external */
	struct endpoint net;
	unsigned prefix;
	char *interface;  /* of those towards the clients the first at the start */
	int route_socket; /* nothing is sent over it */
	bool loaded;      /* the kernel's table is there */
	bool complained;  /* that none can be given */
	unsigned retry;   /* the tick from which on a table that was refused is tried again */
	bool untracked;   /* and that it has no effect */
	bool unforgotten; /* and that connection tracking does not forget */
	bool changed, save_complained;
	unsigned ticks, empty;
	struct heard heard[HEARD_MAX];
	size_t heard_count;
};

/* State */

void aliases_saved(struct aliases *a, int error)
{
	if (!a)
		return;
	if (error && !a->save_complained)
		log_event(a->log, LOG_STATE_UNWRITABLE, NULL,
			  "%s/aliases: cannot be written: %s; a restart would not know who has which alias",
			  a->state_dir, strerror(-error));
	a->save_complained = error != 0;
	a->changed |= error != 0;
}

void aliases_write_again(struct aliases *a)
{
	if (a)
		a->changed = true;
}

static void save(struct aliases *a)
{
	FILE *content = files_begin();
	int rc;

	if (!content) {
		aliases_saved(a, -errno);
		return;
	}
	state_write_aliases(content, a->table, clock_now_ms());
	a->changed = false;
	rc = files_finish(a->files, FILES_ALIASES, content);
	if (rc)
		aliases_saved(a, rc);
}

static void load(struct aliases *a)
{
	unsigned restored, bad;
	const int rc = state_load_aliases(a->state_dir, a->table, clock_now_ms(), &restored, &bad);

	if (rc || bad)
		log_event(a->log, LOG_STATE_DAMAGED, NULL, "%s/aliases: %s", a->state_dir,
			  rc == -EPERM ? "belongs to another user, or others may write it; not read"
			  : rc         ? strerror(-rc)
				       : "has lines that are not understood; passed over");
	if (restored)
		log_event(a->log, LOG_STATE_RESTORED, NULL, "%u known aliases from before the restart",
			  restored);
}

/* The kernel */

/* Keys and values: nftables pads each part of a concatenation to four bytes. */
#define FLOW_LEN RULES_MAP_VALUE
#define PAIR_KEY (FLOW_LEN + 4)
#define FLOW_KEY (FLOW_LEN + IKE_COOKIE_LEN)
#define ANSWER_KEY (4 + 2 * IKE_COOKIE_LEN)

/* Address and port. */
static void put_flow(uint8_t out[static FLOW_LEN], const struct endpoint *at)
{
	const uint16_t port = htons(at->port);

	memset(out, 0, FLOW_LEN);
	memcpy(out, at->addr, 4);
	memcpy(out + 4, &port, sizeof port);
}

static void put_pair_key(uint8_t out[static PAIR_KEY], const struct endpoint *at, uint16_t server_port)
{
	const uint16_t port = htons(server_port);

	memset(out, 0, PAIR_KEY);
	put_flow(out, at);
	memcpy(out + FLOW_LEN, &port, sizeof port);
}

static void put_flow_key(uint8_t out[static FLOW_KEY], const struct endpoint *flow,
			 const uint8_t cookie[static IKE_COOKIE_LEN])
{
	put_flow(out, flow);
	memcpy(out + FLOW_LEN, cookie, IKE_COOKIE_LEN);
}

static void put_answer_key(uint8_t out[static ANSWER_KEY], const struct endpoint *at,
			   const uint8_t cookie[static IKE_COOKIE_LEN],
			   const uint8_t responder[static IKE_COOKIE_LEN])
{
	memcpy(out, at->addr, 4);
	memcpy(out + 4, cookie, IKE_COOKIE_LEN);
	memcpy(out + 4 + IKE_COOKIE_LEN, responder, IKE_COOKIE_LEN);
}

/* Whose packets are known, and whose address has some that are. */
static void note_known(struct aliases *a, const struct alias_change *pair)
{
	uint8_t key[FLOW_LEN];

	put_flow(key, &pair->real);
	if (pair->server.port == 4500 && pair->there)
		rules_nft_set_add_later(a->nft, RULES_SET_ALIAS_FLOWS, key, sizeof key, 0);
	else if (pair->server.port == 4500)
		rules_nft_set_delete_later(a->nft, RULES_SET_ALIAS_FLOWS, key, sizeof key);
	if (alias_is_mapped(a->table, &pair->real))
		rules_nft_set_add_later(a->nft, RULES_SET_ALIAS_HOSTS, key, 4, 0);
	else
		rules_nft_set_delete_later(a->nft, RULES_SET_ALIAS_HOSTS, key, 4);
}

static void put_pair(struct aliases *a, const struct alias_change *pair)
{
	uint8_t key[PAIR_KEY], value[RULES_MAP_VALUE];

	put_pair_key(key, &pair->real, pair->server.port);
	put_flow(value, &pair->alias);
	rules_nft_map_change_later(a->nft, RULES_SET_ALIAS_IN, key, sizeof key, value, pair->there);
	put_pair_key(key, &pair->alias, pair->server.port);
	put_flow(value, &pair->real);
	rules_nft_map_change_later(a->nft, RULES_SET_ALIAS_OUT, key, sizeof key, value, pair->there);
	note_known(a, pair);
}

/* What is tracked already would go on as it was: from the client, and what the server began. */
static void forget(struct aliases *a, const struct alias_change *pair)
{
	const int client = conntrack_forget(a->conntrack, &pair->real, &pair->server),
		  server = conntrack_forget(a->conntrack, &pair->server, &pair->alias);

	if ((!client && !server) || a->unforgotten)
		return;
	a->unforgotten = true;
	log_event(a->log, LOG_ALIAS_FAILED, &pair->real,
		  "alias: connection tracking does not forget an entry: %s; until it does by itself, its "
		  "packets go "
		  "where they went before",
		  strerror(client ? -client : -server));
}

static void fill_pair(void *ctx, const struct alias_change *pair)
{
	put_pair(ctx, pair);
}

static void forget_pair(void *ctx, const struct alias_change *pair)
{
	forget(ctx, pair);
}

/* False: why is in error. */
static bool make_table(struct aliases *a, char error[static RULES_ERROR_MAX])
{
	const char *missing = "";
	int rc;

	if (!a->external)
		return !rules_nft_install_alias(a->nft, a->ruleset, error);
	rc = rules_nft_empty_alias(a->nft, &missing);
	if (rc == -ENOENT)
		snprintf(error, RULES_ERROR_MAX,
			 "the set %s is not in your tables: load what `natshim rules' prints", missing);
	else if (rc)
		snprintf(error, RULES_ERROR_MAX, "the set %s in your tables: %s", missing, strerror(-rc));
	return !rc;
}

/* What passed while the table was not there may be tracked as it was then. wanted: somebody should have an alias. False: nobody can. */
static bool install(struct aliases *a, bool wanted)
{
	char error[RULES_ERROR_MAX];

	if (a->ticks < a->retry)
		return false;
	if (!make_table(a, error)) {
		if (wanted && !a->complained)
			log_event(a->log, LOG_ALIAS_FAILED, NULL,
				  "alias: %s; of several clients behind one NAT only one can connect", error);
		a->complained |= wanted;
		a->retry = a->ticks + RETRY_AFTER;
		return a->loaded = false;
	}
	a->complained = false;
	a->loaded = true;
	alias_each_pair(a->table, fill_pair, a);
	rules_nft_set_flush(a->nft);
	alias_each_pair(a->table, forget_pair, a);
	return true;
}

/* To the first alias; the kernel looks the route up and sends nothing, as for a path that is probed and confirmed (linux/socket.h). */
static bool is_routed(const struct aliases *a)
{
	const int probe = 0x10 | MSG_CONFIRM;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(500)};

	memcpy(&to.sin_addr, a->net.addr, sizeof to.sin_addr);
	to.sin_addr.s_addr |= htonl(1);
	return !sendto(a->route_socket, NULL, 0, probe, (const struct sockaddr *)&to, sizeof to);
}

/* Without one, a client stays where it would be without natshim: at its own address. */
static bool is_ready(void *ctx)
{
	struct aliases *a = ctx;
	const bool routed = is_routed(a);
	char net[ENDPOINT_TEXT_MAX];

	if (!routed && !a->complained)
		log_event(a->log, LOG_ALIAS_FAILED, NULL,
			  "alias: no route leads to %s/%u, so of several clients behind one NAT only one can "
			  "connect; ip "
			  "route add %s/%u dev %s",
			  endpoint_text(&a->net, net), a->prefix, net, a->prefix, a->interface);
	a->complained |= !routed;
	if (!routed || (!a->loaded && !install(a, true)))
		return false;
	a->complained = false;
	return true;
}

/* at_once: the maps change before the entries go, so that no packet in between makes a new one by the old map. Else the maps change with
 * the next verdicts, many in one batch. */
static void carry_out(struct aliases *a, const struct alias_result *r, bool at_once)
{
	char alias[ENDPOINT_TEXT_MAX];

	if (r->change_count && !a->loaded && !install(a, true)) /* taken away, and not there again */
		return;
	for (size_t i = 0; i < r->change_count; i++)
		if (!r->changes[i].tracked_only)
			put_pair(a, &r->changes[i]);
	if (at_once && r->change_count)
		rules_nft_set_flush(a->nft);
	for (size_t i = 0; i < r->change_count; i++)
		forget(a, &r->changes[i]);
	if (r->settled)
		log_event(a->log, LOG_ALIAS_GIVEN, &r->client,
			  "is %s for the server: another client is behind that address",
			  endpoint_text(&r->alias, alias));
	if (r->ended)
		log_event(a->log, LOG_ALIAS_ENDS, &r->client, "is %s for the server no more",
			  endpoint_text(&r->alias, alias));
	if (r->moved) {
		log_event(a->log, LOG_ALIAS_MOVED, &r->client,
			  "its NAT has given it this port in place of %u; its session goes on", r->was.port);
		a->sessions->moved(a->sessions_ctx, &r->was, &r->client);
	}
	a->changed |= r->change_count != 0;
}

/* Messages */

/* A client uses its alias from now on: if the kernel has not translated its messages to port 500, it translates none. */
static void look_whether_translated(struct aliases *a, const struct filter_outcome *o,
				    const struct alias_result *r)
{
	struct endpoint server = o->dst;

	server.port = 500;
	if (!r->settled || a->untracked || !a->loaded ||
	    conntrack_translates(a->conntrack, &r->flow, &server, &r->alias))
		return;
	a->untracked = true;
	log_event(a->log, LOG_ALIAS_FAILED, &r->flow,
		  "has an alias, but the kernel does not translate its packets: is there a notrack rule for "
		  "udp/500 "
		  "or udp/4500?");
}

static struct alias_result ask(struct aliases *a, const struct filter_outcome *o, bool to_server)
{
	const struct alias_result nothing = {.drop = false};
	const struct ike_result *m = &o->ike;
	const uint64_t now = clock_now_ms();
	struct alias_result r;

	if (!to_server || m->reason == IKE_SHORT || m->reason == IKE_OTHER_VERSION ||
	    m->reason == IKE_BAD_LENGTH)
		return nothing;
	if (a->sessions->complete(a->sessions_ctx))
		alias_sas_known(a->table);
	if (m->message_number == 1 && !m->server_initiated) {
		r = alias_first(a->table, now, &o->src, &o->dst, m->cookie);
		alias_offers(a->table, &o->src, &o->dst, m->cookie, (uint8_t)m->dialect);
		return r;
	}
	return o->dst.port == 4500 ? alias_float(a->table, now, &o->src, m->cookie, m->responder) : nothing;
}

/* Both cookies of the message; the kernel notes what the server answers. */
static void follow(struct aliases *a, const struct alias_result *r, const struct ike_result *m)
{
	uint8_t flow[FLOW_KEY], answer[ANSWER_KEY];

	put_flow_key(flow, &r->flow, m->cookie);
	if (r->follow && (a->loaded || !r->change_count))
		rules_nft_set_add_later(a->nft, RULES_SET_ALIASED, flow, sizeof flow, FOLLOW_TIMEOUT_S);
	if (!r->unfollow)
		return;
	put_answer_key(answer, &r->flow, m->cookie, m->responder);
	rules_nft_set_delete_later(a->nft, RULES_SET_ALIASED, flow, sizeof flow);
	rules_nft_set_delete_later(a->nft, RULES_SET_ANSWERED, answer, sizeof answer);
}

bool aliases_message(struct aliases *a, const struct filter_outcome *o, bool to_server)
{
	struct alias_result r;

	if (!a)
		return false;
	r = ask(a, o, to_server);
	look_whether_translated(a, o, &r);
	/* A first message proves nothing, and there may be very many. */
	carry_out(a, &r, o->ike.message_number != 1);
	follow(a, &r, &o->ike);
	if (r.drop && r.change_count) /* not its repeats */
		log_event(a->log, LOG_ALIAS_REKEY, &o->src,
			  "phase 1 came from a port that another client was known by; dropped, its next try "
			  "is right");
	if (r.settled)
		save(a); /* before the session is there */
	return r.drop;
}

/* Another port in mid-session */

void aliases_stray(struct aliases *a, const struct packet_udp *udp)
{
	const uint64_t now = clock_now_ms();
	struct alias_result r = {.drop = false};
	struct endpoint at;
	uint8_t *ike;
	size_t length;
	uint32_t spi;

	if (!a || !a->loaded)
		return;
	if (packet_ike_message(udp, &ike, &length)) {
		if (length >= (size_t)2 * ALIAS_COOKIE_LEN)
			r = alias_stray_ike(a->table, now, &udp->src, ike, ike + ALIAS_COOKIE_LEN);
	} else if (udp->payload_length >= sizeof spi) {
		memcpy(&spi, udp->payload, sizeof spi);
		if (a->sessions->of_spi(a->sessions_ctx, &udp->src, ntohl(spi), &at))
			r = alias_stray_esp(a->table, now, &udp->src, &at);
	}
	carry_out(a, &r, false);
}

void aliases_sa(struct aliases *a, const struct sa_info *sa)
{
	struct alias_result r;

	if (!a || !sa->outbound || !sa->peer.port)
		return;
	r = alias_followed(a->table, clock_now_ms(), &sa->peer);
	carry_out(a, &r, true);
}

void aliases_heard(struct aliases *a, const struct sa_info *sa, const struct endpoint *from)
{
	struct heard *h;

	if (!a || sa->peer.addr_len != 4 || from->addr_len != 4)
		return;
	for (h = a->heard; h < a->heard + a->heard_count; h++)
		if (h->spi == sa->spi && endpoint_equal(&h->at, &sa->peer))
			break;
	if (h == a->heard + HEARD_MAX)
		return; /* its next packet says so again */
	if (h == a->heard + a->heard_count) {
		a->heard_count++;
		h->due_ms = clock_now_ms() + HEARD_WAIT_MS;
	}
	h->spi = sa->spi;
	h->us = sa->us;
	h->us.port = 4500;
	h->at = sa->peer;
	h->from = *from;
}

/* Whether the server has followed shows in its SA. */
static void look_where(struct aliases *a, const struct heard *h)
{
	struct endpoint host = h->at, is;
	struct alias_result r;

	aliases_real(a, &host);
	if (!a->sessions->of_spi(a->sessions_ctx, &host, h->spi, &is))
		return;
	if (!endpoint_equal(&is, &h->at) && !endpoint_equal(&is, &h->from))
		return;
	r = alias_moved(a->table, clock_now_ms(), &h->us, &h->at, &h->from, endpoint_equal(&is, &h->from));
	carry_out(a, &r, true);
}

static void look_at_heard(struct aliases *a)
{
	const uint64_t now = clock_now_ms();

	for (size_t i = 0; i < a->heard_count;) {
		const struct heard due = a->heard[i];

		if (due.due_ms > now) {
			i++;
			continue;
		}
		a->heard[i] = a->heard[--a->heard_count];
		look_where(a, &due);
	}
}

/* Time */

static bool is_needed(const struct aliases *a)
{
	const struct alias_stats stats = alias_stats(a->table);

	return stats.aliases || stats.moved_now;
}

bool aliases_tick(struct aliases *a)
{
	struct alias_result r;

	if (!a)
		return false;
	a->ticks++;
	look_at_heard(a);
	while (a->ticks % EXPIRE_EVERY == 0 && a->sessions->complete(a->sessions_ctx) &&
	       alias_expire(a->table, clock_now_ms(), &r))
		carry_out(a, &r, true);
	/* Not each second: beside 10,000 clients a save takes 5 ms. */
	a->changed |= a->ticks % EXPIRE_EVERY == 0 && alias_text_changed(a->table);
	a->changed |= a->ticks % SAVE_EVERY == 0 && alias_stats(a->table).clients; /* lone clients, too */
	if (a->changed)
		save(a);
	a->empty = is_needed(a) ? 0 : a->empty + 1;
	return a->loaded && !a->external && a->empty > UNLOAD_AFTER;
}

void aliases_unload(struct aliases *a)
{
	char error[RULES_ERROR_MAX];

	if (rules_nft_remove_alias(a->nft, error))
		log_event(a->log, LOG_RULES_LEFT, NULL, "rules: %s", error);
	a->loaded = false;
}

void aliases_table_gone(struct aliases *a)
{
	if (!a || !(a->loaded || a->external))
		return;
	a->retry = 0;
	install(a, is_needed(a));
}

/* Start and end */

static struct alias_life life_of(void *ctx, const struct endpoint *at)
{
	const struct aliases *a = ctx;
	struct endpoint host = *at;
	struct session_life life;

	aliases_real(a, &host);
	life = a->sessions->life(a->sessions_ctx, &host, at);
	return (struct alias_life){.lives = life.lives, .plain = life.plain, .quiet_ms = life.quiet_ms};
}

static void note_found(void *ctx, const void *key, size_t key_length, uint64_t expires_ms)
{
	(void)key;
	(void)key_length;
	(void)expires_ms;
	*(bool *)ctx = true;
}

/* Most such messages come up because of it; others because they are clear ones, or bridged. */
static bool is_answered(void *ctx, const struct endpoint *from, const uint8_t cookie[static ALIAS_COOKIE_LEN],
			const uint8_t responder[static ALIAS_COOKIE_LEN])
{
	const struct aliases *a = ctx;
	uint8_t key[ANSWER_KEY];
	bool found = false;

	put_answer_key(key, from, cookie, responder);
	rules_nft_set_get(a->nft, RULES_SET_ANSWERED, key, 1, note_found, &found);
	return found;
}

static const char *offer_word(uint8_t offer)
{
	return ike_dialect_name((enum ike_dialect)offer);
}

static bool offer_of_word(const char *word, uint8_t *offer)
{
	enum ike_dialect dialect;

	if (!ike_dialect_parse(word, &dialect))
		return false;
	*offer = (uint8_t)dialect;
	return true;
}

bool aliases_open(struct aliases **out, const struct config *config, const struct rules_features *features,
		  struct log *log, struct rules_nft *nft, struct files *files,
		  char error[static CONFIG_ERROR_MAX])
{
	struct alias_config table = {.net = config->alias_net,
				     .prefix = config->alias_prefix,
				     .life = life_of,
				     .answered = is_answered,
				     .ready = is_ready,
				     .offer_name = offer_word,
				     .offer_parse = offer_of_word};
	struct aliases *a;
	int rc;

	*out = NULL;
	if (!config_aliases(config) || !features->secpath)
		return true;
	a = calloc(1, sizeof *a);
	*out = a;
	snprintf(error, CONFIG_ERROR_MAX, "out of memory");
	if (!a)
		return false;
	*a = (struct aliases){.log = log,
			      .nft = nft,
			      .files = files,
			      .state_dir = strdup(config->state_dir),
			      .external = config->rules == CONFIG_RULES_EXTERNAL,
			      .net = config->alias_net,
			      .prefix = config->alias_prefix,
			      .interface = strdup(config->interfaces[0]),
			      .route_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
	table.ctx = a;
	if (!a->state_dir || !a->interface)
		return false;
	if (getrandom(&table.seed, sizeof table.seed, 0) != sizeof table.seed) {
		snprintf(error, CONFIG_ERROR_MAX, "no random numbers: %s", strerror(errno));
		return false;
	}
	rc = conntrack_open(&a->conntrack);
	if (rc) {
		snprintf(error, CONFIG_ERROR_MAX, "no netfilter socket: %s", strerror(-rc));
		return false;
	}
	a->table = alias_table_new(&table);
	if (!a->table)
		return false;
	load(a);
	return true;
}

void aliases_use(struct aliases *a, const struct aliases_sessions *sessions, void *sessions_ctx,
		 const struct ruleset *ruleset)
{
	if (!a)
		return;
	a->sessions = sessions;
	a->sessions_ctx = sessions_ctx;
	a->ruleset = ruleset;
	if (a->external && a->loaded)
		return; /* a reload changes nothing in the admin's tables */
	if (a->external || a->loaded || is_needed(a))
		install(a, is_needed(a));
	else
		aliases_unload(a); /* what a killed natshim left */
}

void aliases_close(struct aliases *a)
{
	if (!a)
		return;
	if (a->table && a->sessions)
		save(a);
	alias_table_free(a->table);
	conntrack_close(a->conntrack);
	if (a->route_socket >= 0)
		close(a->route_socket);
	free(a->state_dir);
	free(a->interface);
	free(a);
}

/* Names */

bool aliases_real(const struct aliases *a, struct endpoint *at)
{
	struct endpoint real;
	const bool known = a && alias_real(a->table, at, &real);

	if (known)
		*at = real;
	return known;
}

bool aliases_alias(const struct aliases *a, struct endpoint *at)
{
	struct endpoint alias;
	const bool known = a && alias_of(a->table, at, &alias);

	if (known)
		*at = alias;
	return known;
}

/* On its way over the loopback interface the message meets connection tracking, but not the rules of what comes in. Where the client's flow
 * is tracked, the kernel translates the real address, and the alias would collide with that entry; else the alias must stand there. */
void aliases_begin_speaking(struct aliases *a, struct endpoint *client, const struct endpoint *server)
{
	struct endpoint alias = *client;

	if (aliases_alias(a, &alias) && conntrack_translates(a->conntrack, client, server, &alias) != 1)
		*client = alias;
}

/* An entry that was made by the alias as a source would keep the server's answers from being translated. */
void aliases_end_speaking(struct aliases *a, const struct endpoint *client, const struct endpoint *server)
{
	struct endpoint real = *client;

	if (aliases_real(a, &real))
		conntrack_forget(a->conntrack, client, server);
}

enum ike_dialect aliases_dialect(const struct aliases *a, const struct ike_table *ike, uint64_t now_ms,
				 const struct endpoint *seen)
{
	struct endpoint flow;
	uint8_t offer;

	switch (a ? alias_offer_of(a->table, seen, &offer) : ALIAS_OFFER_NOBODY) {
	case ALIAS_OFFER_KNOWN:
		return (enum ike_dialect)offer;
	case ALIAS_OFFER_UNKNOWN:
		return alias_ike_flow(a->table, seen, &flow) ? ike_table_proven_dialect(ike, now_ms, &flow)
							     : IKE_DIALECT_NONE;
	default:
		return ike_table_seen_dialect(ike, now_ms, seen);
	}
}

void aliases_each_of(const struct aliases *a, const struct endpoint *host, alias_fn *fn, void *ctx)
{
	if (a)
		alias_each_of(a->table, host, fn, ctx);
}

struct alias_stats aliases_stats(const struct aliases *a)
{
	return a ? alias_stats(a->table) : (struct alias_stats){.clients = 0};
}
