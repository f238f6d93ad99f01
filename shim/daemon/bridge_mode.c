/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carries out the bridge's results: in the kernel's sets and SAs, on the network, in the log. */
#include "shim/daemon/bridge_mode.h"

#include "nfq/inject.h"
#include "nfq/packet.h"
#include "shim/clock.h"
#include "shim/proc/rekeyer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>

#define STALE_EVERY 5       /* seconds between two attempts to delete stale SAs */
#define OWN_MESSAGE_MAX 160 /* bytes of an IKE message that we send ourselves */
#define UDP_HEADERS_MAX 48  /* IPv6 and UDP */
#define PORT_IKE_NAT 4500

_Static_assert(OWN_MESSAGE_MAX >= BRIDGE_REPLY_MAX && OWN_MESSAGE_MAX >= BRIDGE_DELETE_MAX,
	       "what the bridge writes finds room");

struct bridge_mode {
	struct log *log;
	struct stale_sas *stale_sas;
	struct sessions *sessions; /* NULL: --stack none */
	struct aliases *aliases;   /* NULL: there are none */
	unsigned seconds;          /* since the start */
	struct event *event;       /* each second */
	struct bridge *bridge;     /* NULL: without --bridge; then the rest is zero */
	struct rules_nft *nft;
	struct secrets *secrets;
	struct rekeyer *rekeyer;       /* the caller's */
	struct nfq_injector *injector; /* NULL: refusals are not sent */
	struct pending_sas *pending;
	struct esp_hold *esp_hold;
	struct sa_keys keys;
	struct event *secrets_event;
	uint64_t set_errors;
};

static bool random_bytes(void *ctx, uint8_t *out, size_t length)
{
	(void)ctx;
	return getrandom(out, length, 0) == (ssize_t)length;
}

/* The secrets: the process natshim-secrets holds them */

static enum bridge_secret has_secret(void *ctx, const struct endpoint *server, const struct endpoint *client)
{
	const struct bridge_mode *b = ctx;

	return secrets_have(b->secrets, server, client);
}

static size_t skeyid(void *ctx, const struct endpoint *server, const struct endpoint *client, uint8_t hash,
		     struct bytes nonce_i, struct bytes nonce_r, uint8_t out[static KEYS_HASH_MAX])
{
	const struct bridge_mode *b = ctx;

	return secrets_skeyid(b->secrets, server, client, hash, nonce_i, nonce_r, out);
}

static void on_news(void *ctx, enum secrets_news news, const char *text)
{
	static const char *const words[] = {
		[SECRETS_DIED] = "the process that holds them died and is restarted",
		[SECRETS_BACK] = "read by the new process",
		[SECRETS_UNREADABLE] = "cannot read them, no client can be bridged: ",
		[SECRETS_SILENT] = "the process that holds them does not answer: no client can be bridged",
		[SECRETS_GONE] =
			"the process that holds them died, and nothing restarts it: no client can be bridged",
	};
	struct bridge_mode *b = ctx;

	log_event(b->log, news == SECRETS_BACK ? LOG_SECRETS_READ : LOG_SECRETS_FAILED, NULL, "secrets: %s%s",
		  words[news], text);
	if (news == SECRETS_GONE && b->secrets_event)
		event_del(b->secrets_event);
}

static void on_secrets(evutil_socket_t fd, short what, void *ctx)
{
	struct bridge_mode *b = ctx;

	(void)fd;
	(void)what;
	secrets_read(b->secrets);
}

bool bridge_mode_reload(struct bridge_mode *b, char error[static CONFIG_ERROR_MAX])
{
	char why[PSK_ERROR_MAX];

	if (!b->bridge || secrets_reload(b->secrets, why))
		return true;
	snprintf(error, CONFIG_ERROR_MAX, "--psk-file: %s", why);
	return false;
}

/* The kernel's SAs */

static enum bridge_spi find_spi(void *ctx, const struct endpoint *destination, const uint8_t (*spis)[4],
				size_t count)
{
	const struct bridge_mode *b = ctx;

	return sa_keys_find_spi(&b->keys, destination, spis, count);
}

void bridge_mode_sa(struct bridge_mode *b, const struct sa_info *sa)
{
	if (b->bridge)
		sa_keys_sa_added(&b->keys, sa);
}

/* Not at once: this may be called while natshim waits for an answer of natshim-xfrm. */
void bridge_mode_sas_lost(struct bridge_mode *b)
{
	if (!b->bridge || !b->event)
		return;
	sa_keys_retry(&b->keys);
	event_active(b->event, EV_TIMEOUT, 0);
}

/* Stale SAs: what a killed natshim left */

static void stale_result(struct bridge_mode *b, int error, const char *text)
{
	if (!stale_sas_result(b->stale_sas, clock_now_ms(), error))
		log_event(b->log, LOG_BRIDGE_STALE_SAS, NULL,
			  "cannot delete an SA of a bridged client from before the restart: %s; it stays "
			  "until it expires",
			  *text ? text : strerror(-error));
}

/* One at a time: for each the stack lists all of its states, and ends of sessions must get their turn. */
static void end_stale_sas(struct bridge_mode *b)
{
	struct stack_end_request request;
	int rc;

	if (!b->sessions || !stale_sas_next(b->stale_sas, clock_now_ms(), b->bridge, &request))
		return;
	rc = sessions_end_stale(b->sessions, &request);
	if (rc)
		stale_result(b, rc, "");
}

static void stale_ended(void *ctx, int error, const char *text)
{
	stale_result(ctx, error, text);
	end_stale_sas(ctx);
}

struct stale_sas *bridge_mode_stale_sas(struct bridge_mode *b)
{
	return b->stale_sas;
}

static void on_second(evutil_socket_t fd, short what, void *ctx)
{
	struct bridge_mode *b = ctx;

	(void)fd;
	(void)what;
	if (b->bridge) {
		bridge_tick(b->bridge, clock_now_ms());
		sa_keys_tick(&b->keys);
	}
	if (b->seconds++ % STALE_EVERY == 0)
		end_stale_sas(b);
}

/* The kernel's sets */

static void track_again(void *ctx, const uint8_t cookie[static IKE_COOKIE_LEN], unsigned seconds)
{
	struct bridge_mode *b = ctx;

	rules_nft_set_add_later(b->nft, RULES_SET_BRIDGED, cookie, IKE_COOKIE_LEN, seconds);
}

/* In a batch: in a flood each message evicts one. */
static void untrack(void *ctx, const uint8_t cookie[static IKE_COOKIE_LEN])
{
	struct bridge_mode *b = ctx;

	rules_nft_set_delete_later(b->nft, RULES_SET_BRIDGED, cookie, IKE_COOKIE_LEN);
}

void bridge_mode_fill_sets(struct bridge_mode *b)
{
	if (!b->bridge)
		return;
	bridge_each(b->bridge, clock_now_ms(), track_again, b);
	rules_nft_set_flush(b->nft);
	esp_hold_fill_set(b->esp_hold);
}

/* What else a result asks for */

static void track(struct bridge_mode *b, const struct bridge_result *r)
{
	/* In the batch before the verdicts; but an element whose time-out must begin anew is set at once. */
	if (!(r->actions & BRIDGE_ACT_ESTABLISHED) && r->track_s >= BRIDGE_TRACK_S)
		rules_nft_set_add_later(b->nft, RULES_SET_BRIDGED, r->cookie, IKE_COOKIE_LEN, r->track_s);
	else if (rules_nft_set_add(b->nft, RULES_SET_BRIDGED, r->cookie, IKE_COOKIE_LEN, r->track_s))
		b->set_errors++;
}

/* Sends a message of our own, on port 4500 with the marker of RFC 3948 section 2.2. */
static bool inject(struct bridge_mode *b, const struct endpoint *src, const struct endpoint *dst,
		   const uint8_t *message, size_t length)
{
	const size_t marker = dst->port == PORT_IKE_NAT || src->port == PORT_IKE_NAT ? 4 : 0;
	uint8_t payload[4 + OWN_MESSAGE_MAX] = {0}, packet[4 + OWN_MESSAGE_MAX + UDP_HEADERS_MAX];
	size_t size;

	if (!b->injector || length > OWN_MESSAGE_MAX)
		return false;
	memcpy(payload + marker, message, length);
	size = packet_build_udp(packet, sizeof packet, src, dst, payload, marker + length);
	return size && !nfq_inject(b->injector, packet, size);
}

/* Answers a message, with its addresses swapped. Only a client's: our own pluto ignores unauthenticated notifications. */
static void reply(struct bridge_mode *b, const struct filter_outcome *o)
{
	struct endpoint client = o->src;

	aliases_alias(b->aliases, &client);
	if (endpoint_same_host(&o->src, &o->bridge.client))
		inject(b, &o->dst, &client, o->bridge.reply, o->bridge.reply_length);
}

/* Deletes */

static void send_delete(void *ctx, const struct bridge_delete *d)
{
	struct bridge_mode *b = ctx;
	struct endpoint client = d->client;

	if (!d->to_server) {
		aliases_alias(b->aliases, &client);
		inject(b, &d->server, &client, d->message, d->length);
		return;
	}
	aliases_begin_speaking(b->aliases, &client, &d->server);
	inject(b, &client, &d->server, d->message, d->length);
	aliases_end_speaking(b->aliases, &client, &d->server);
}

static bool end_session(void *ctx, const struct session_action *a)
{
	struct bridge_mode *b = ctx;
	struct bridge_sa sas[SESSION_SAS_MAX];
	struct endpoint client = a->peer;

	aliases_real(b->aliases, &client);
	if (!b->bridge || !b->injector)
		return false;
	for (size_t i = 0; i < a->sa_count; i++) {
		const uint32_t spi = htonl(a->sas[i].spi);

		memcpy(sas[i].spi, &spi, sizeof spi);
		sas[i].to_client = a->sas[i].outbound;
	}
	return bridge_end(b->bridge, clock_now_ms(), &client, sas, a->sa_count, send_delete, b);
}

size_t bridge_mode_end_some(struct bridge_mode *b, size_t max)
{
	return b && b->bridge && b->injector ? bridge_end_some(b->bridge, clock_now_ms(), max, send_delete, b)
					     : 0;
}

static void stack_found(void *ctx, enum stack_kind stack)
{
	struct bridge_mode *b = ctx;

	if (b->bridge)
		bridge_set_strongswan_answers(b->bridge, stack == STACK_STRONGSWAN);
}

void bridge_mode_join_sessions(struct bridge_mode *b, struct sessions *sessions)
{
	static const struct sessions_bridge handlers = {
		.end = end_session, .stack_found = stack_found, .stale_ended = stale_ended};

	if (!sessions)
		return;
	b->sessions = b->keys.sessions = sessions;
	sessions_set_bridge(sessions, &handlers, b);
	if (stale_sas_count(b->stale_sas))
		log_event(b->log, LOG_BRIDGE_STALE_SAS, NULL,
			  "%zu bridged clients from before the restart: deleting their SAs",
			  stale_sas_count(b->stale_sas));
	end_stale_sas(b);
}

static void tell_up(struct bridge_mode *b, const struct bridge_result *r)
{
	char client[OFFER_TEXT_MAX], server[OFFER_TEXT_MAX], alias[80] = "";

	if (r->renamed)
		snprintf(alias, sizeof alias,
			 "; the server sees the ID %u.%u.%u.%u, as another client uses the same ID",
			 r->alias[0], r->alias[1], r->alias[2], r->alias[3]);
	log_event(b->log, LOG_BRIDGE_UP, &r->client,
		  "phase 1 complete: %s with the client, %s with the server%s",
		  offer_suite_text(&r->client_suite, client), offer_suite_text(&r->server_suite, server),
		  alias);
}

static void tell(struct bridge_mode *b, const struct bridge_result *r)
{
	static const char *const not_bridged[BRIDGE_REASONS] = {
		[BRIDGE_NO_PSK] = "no pre-shared key for it in --psk-file",
		[BRIDGE_AGGRESSIVE] = "it uses Aggressive Mode; set the client to main mode",
		[BRIDGE_CERTIFICATE] = "it offers no pre-shared key",
		[BRIDGE_NO_ANSWER] = "the process that holds the secrets does not answer",
	};
	static const char *const refused[BRIDGE_REASONS] = {
		[BRIDGE_BUSY] = "too many sessions from this address, all with SAs in use",
		[BRIDGE_SECRETS] = "the process that holds the secrets did not answer",
		[BRIDGE_SPI_TAKEN] = "its SPI is in use by another client at the same address",
		[BRIDGE_SPI_UNANSWERED] = "natshim-xfrm did not answer whether the client's SPI is free",
		[BRIDGE_MALFORMED] = "a malformed message",
		[BRIDGE_BAD_KE] = "a public value out of range",
		[BRIDGE_BAD_HASH] = "authentication failed: another pre-shared key, or a forged message",
		[BRIDGE_REFUSED] = "the answer was not offered",
		[BRIDGE_FAILED] = "out of memory or random numbers",
	};
	char client[OFFER_TEXT_MAX];

	if (not_bridged[r->reason])
		log_event(b->log, LOG_BRIDGE_NOT, &r->client, "not bridged: %s", not_bridged[r->reason]);
	if (refused[r->reason] && !r->again)
		log_event(b->log, LOG_BRIDGE_REFUSED, &r->client, "bridged exchange: %s", refused[r->reason]);
	if (r->actions & BRIDGE_ACT_BEGUN && r->reason == BRIDGE_RELAYED)
		log_event(b->log, LOG_BRIDGE_BEGINS, &r->client, "bridged: %s with the client",
			  offer_suite_text(&r->client_suite, client));
	if (r->actions & BRIDGE_ACT_ESTABLISHED)
		tell_up(b, r);
}

enum nfq_verdict bridge_mode_act(struct bridge_mode *b, struct filter_outcome *o, bool *known)
{
	const struct bridge_result *r = &o->bridge;
	const bool drop = r->verdict == BRIDGE_DROP;

	*known = r->actions & BRIDGE_ACT_ESTABLISHED;
	if (r->actions & BRIDGE_ACT_TRACK)
		track(b, r);
	if (r->actions & BRIDGE_ACT_EXPECT)
		esp_hold_expect(b->esp_hold, &r->client, &r->client, r->spi_to_client);
	if (r->actions & BRIDGE_ACT_REKEY_SAS)
		sa_keys_give(&b->keys, &r->rekey);
	if (r->actions & BRIDGE_ACT_READY)
		esp_hold_ready(b->esp_hold, &r->client, r->spi_to_client, r->ready_ms);
	if (r->actions & BRIDGE_ACT_REPLY)
		reply(b, o);
	tell(b, r);
	OPENSSL_cleanse(&o->bridge, sizeof o->bridge);
	return drop ? NFQ_DROP : o->changed ? NFQ_CHANGED : NFQ_AS_IT_WAS;
}

/* Start and end */

static void forbid_core_dumps(struct bridge_mode *b)
{
	static const struct rlimit none = {0, 0};

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || setrlimit(RLIMIT_CORE, &none))
		log_event(b->log, LOG_PRIVILEGES_KEPT, NULL, "cannot disable core dumps: %s",
			  strerror(errno));
}

/* Offered to the server in place of the client's proposal, the best first. */
#define OFFERED                                                                                              \
	"aes256-sha2_256-modp2048,aes128-sha2_256-modp2048,aes256-sha1-modp2048,aes128-sha1-modp2048,"       \
	"3des-sha1-modp2048,aes256-sha2_256-modp1536,aes128-sha1-modp1536,3des-sha1-modp1536"

static struct bridge *make_bridge(struct bridge_mode *b, const struct config *config)
{
	struct bridge_config bridge = {
		.when = config->bridge == CONFIG_BRIDGE_ALWAYS ? BRIDGE_ALWAYS : BRIDGE_NEEDED,
		.strongswan_answers = config->stack == CONFIG_STACK_STRONGSWAN,
		.weak_groups = config->bridge_groups,
		.public_addr4 = config->public4,
		.public_addr6 = config->public6,
		.has_secret = has_secret,
		.skeyid = skeyid,
		.find_spi = find_spi,
		.random = random_bytes,
		.untrack = untrack,
		.ctx = b,
	};
	const char *bad;
	size_t bad_length;

	return offer_parse(OFFERED, bridge.offer, &bridge.offer_count, &bad, &bad_length)
		       ? bridge_new(&bridge)
		       : NULL;
}

/* Only with --bridge. */
static bool open_bridge(struct bridge_mode *b, const struct config *config)
{
	forbid_core_dumps(b);
	b->bridge = make_bridge(b, config);
	b->pending = pending_sas_new();
	if (b->pending)
		b->esp_hold = esp_hold_new(b->nft, b->pending, random_bytes, NULL);
	if (!b->bridge || !b->esp_hold)
		return false;
	esp_hold_log(b->esp_hold, b->log);
	b->keys = (struct sa_keys){
		.log = b->log, .rekeyer = b->rekeyer, .pending = b->pending, .esp_hold = b->esp_hold};
	if (nfq_inject_open(&b->injector))
		b->injector = NULL;
	secrets_on_news(b->secrets, on_news, b);
	return true;
}

bool bridge_mode_open(struct bridge_mode **out, const struct config *config, struct log *log,
		      struct rules_nft *nft, struct secrets *secrets, struct rekeyer *rekeyer,
		      char error[static CONFIG_ERROR_MAX])
{
	struct bridge_mode *b = *out = calloc(1, sizeof *b);

	if (b)
		b->stale_sas = stale_sas_new();
	if (!b || !b->stale_sas) {
		snprintf(error, CONFIG_ERROR_MAX, "out of memory");
		return false;
	}
	b->log = log;
	b->nft = nft;
	b->secrets = secrets;
	b->rekeyer = rekeyer;
	if (!config_bridges(config) || open_bridge(b, config))
		return true;
	snprintf(error, CONFIG_ERROR_MAX, "bridge: out of memory");
	return false;
}

int bridge_mode_start(struct bridge_mode *b, struct nfq_queue *queue, struct event_base *loop)
{
	static const struct timeval second = {.tv_sec = 1};
	int rc;

	b->event = event_new(loop, -1, EV_PERSIST, on_second, b);
	if (!b->event || event_add(b->event, &second))
		return -ENOMEM;
	if (!b->bridge)
		return 0;
	rc = esp_hold_start(b->esp_hold, queue, loop);
	if (rc)
		return rc;
	b->secrets_event = event_new(loop, secrets_fd(b->secrets), EV_READ | EV_PERSIST, on_secrets, b);
	return b->secrets_event && !event_add(b->secrets_event, NULL) ? 0 : -ENOMEM;
}

static void name_of(void *ctx, struct endpoint *client)
{
	aliases_alias(ctx, client);
}

void bridge_mode_use_aliases(struct bridge_mode *b, struct aliases *aliases)
{
	b->aliases = aliases;
	b->keys.aliases = aliases;
	stale_sas_name(b->stale_sas, name_of, aliases);
}

void bridge_mode_allow_waiting(struct bridge_mode *b, bool allowed)
{
	if (b && b->bridge)
		esp_hold_pause(b->esp_hold, !allowed);
}

enum nfq_verdict bridge_mode_packet(struct bridge_mode *b, struct nfq_packet *packet)
{
	return b->bridge ? esp_hold_packet(b->esp_hold, packet) : NFQ_AS_IT_WAS;
}

void bridge_mode_close(struct bridge_mode *b)
{
	if (!b)
		return;
	if (b->event)
		event_free(b->event);
	esp_hold_free(b->esp_hold);
	pending_sas_free(b->pending);
	if (b->secrets_event)
		event_free(b->secrets_event);
	if (b->secrets)
		secrets_on_news(b->secrets, NULL, NULL);
	stale_sas_free(b->stale_sas);
	nfq_inject_close(b->injector);
	bridge_free(b->bridge);
	OPENSSL_cleanse(b, sizeof *b);
	free(b);
}

struct bridge *bridge_mode_bridge(const struct bridge_mode *b)
{
	return b->bridge;
}

struct bridge_mode_stats bridge_mode_stats(const struct bridge_mode *b)
{
	struct bridge_mode_stats stats = {0};

	if (!b->bridge)
		return stats;
	stats = (struct bridge_mode_stats){.bridge = bridge_stats(b->bridge),
					   .rekeyed = b->keys.given,
					   .rekey_errors = b->keys.errors,
					   .rekey_refused = b->keys.refused,
					   .rekey_lost = b->keys.lost,
					   .unanswered = secrets_unanswered(b->secrets),
					   .set_errors = b->set_errors,
					   .esp_hold = esp_hold_stats(b->esp_hold),
					   .waiting = pending_sas_with_keys(b->pending)};
	return stats;
}
