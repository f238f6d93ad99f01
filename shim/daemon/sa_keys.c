/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request for each SA, and what follows from each answer. */
#include "shim/daemon/sa_keys.h"

#include "shim/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#define KEYS_WAIT_MS 60000 /* for an SA that the stack has not installed; after that it will not */
#define PROTOCOL_ESP 50

_Static_assert(REKEY_MATERIAL_MAX == KEYS_MATERIAL_LEN && REKEY_LOOK_MAX >= OFFER_SPIS_MAX,
	       "what the bridge asks for finds room");

static void wait_for_sa(struct sa_keys *k, const struct endpoint *client, const struct rekey_change *change,
			uint64_t since_ms)
{
	struct pending_sa *sa = pending_sas_add(k->pending, client, &change->destination, change->spi);

	sa->keys.change = *change;
	sa->keys.since_ms = since_ms;
}

static void forget_keys(struct sa_keys *k, struct pending_sa *sa)
{
	OPENSSL_cleanse(&sa->keys, sizeof sa->keys);
	pending_sas_tidy(k->pending, sa);
}

/* The same SA with the keys that it has now. */
static struct esp_sa with_key(const struct esp_sa *before, const uint8_t *key)
{
	struct esp_sa after = *before;

	memcpy(after.key, key, after.key_length);
	memcpy(after.auth_key, key + after.key_length, after.auth_key_length);
	return after;
}

/* The kernel's SA belongs to another client: its packets must not wait for keys that never come. */
static void refused(struct sa_keys *k, const struct rekey_change *change)
{
	const uint8_t *spi = change->spi;

	k->refused++;
	esp_hold_refused(k->esp_hold, &change->destination, spi);
	log_event(k->log, LOG_BRIDGE_KEYS_REFUSED, &change->destination,
		  "SA %02x%02x%02x%02x not changed: its keys are not those agreed with the server, so it "
		  "is another client's",
		  spi[0], spi[1], spi[2], spi[3]);
}

/* As the kernel's SAs have it. */
static struct endpoint kernels(const struct sa_keys *k, const struct endpoint *at)
{
	struct endpoint known = *at;

	aliases_alias(k->aliases, &known);
	return known;
}

/* The kernel has lost the SA in the exchange of keys, and reports no event for it. */
static void lost(struct sa_keys *k, const struct endpoint *client, const struct rekey_change *change)
{
	const uint8_t *spi = change->spi;
	const struct sa_info sa = {.peer = kernels(k, client),
				   .spi = (uint32_t)spi[0] << 24 | (uint32_t)spi[1] << 16 |
					  (uint32_t)spi[2] << 8 | spi[3],
				   .protocol = PROTOCOL_ESP,
				   .outbound = change->outbound};

	k->lost++;
	sessions_sa_gone(k->sessions, &sa);
}

/* Until the stack installs the SA, or natshim-xfrm answers again. */
static bool is_to_wait(int rc)
{
	return rc == -ESRCH || rc == -EPIPE || rc == -ETIMEDOUT;
}

/* since_ms: when these keys were agreed. 0 or -errno, of which is_to_wait() are tried again. */
static int give_key(struct sa_keys *k, const struct endpoint *client, const struct rekey_change *change,
		    uint64_t since_ms)
{
	struct esp_sa before = {.key_length = 0}, after;
	struct rekey_change asked = *change;
	int rc;

	asked.destination = kernels(k, &change->destination);
	rc = rekeyer_rekey(k->rekeyer, &asked, &before);
	OPENSSL_cleanse(&asked, sizeof asked);
	if (!rc) {
		k->given++;
		after = with_key(&before, change->material);
		esp_hold_rekeyed(k->esp_hold, &change->destination, change->spi, &before, &after);
		OPENSSL_cleanse(&after, sizeof after);
	}
	OPENSSL_cleanse(&before, sizeof before);
	if (!rc)
		return 0;
	if (is_to_wait(rc))
		wait_for_sa(k, client, change, since_ms);
	if (rc == -EKEYREJECTED)
		refused(k, change);
	else if (rc != -ESRCH)
		k->errors++;
	if (rc == -ENOTRECOVERABLE)
		lost(k, client, change);
	return rc;
}

/* Not strerror's text, which its next call may overwrite: a line tells two outcomes. */
static const char *outcome_text(int rc)
{
	const char *text = strerrordesc_np(-rc);

	switch (rc) {
	case 0:
		return "installed";
	case -ESRCH:
		return "waiting for the server to install the SA";
	case -EKEYREJECTED:
		return "refused, another client's SA";
	case -ENOTRECOVERABLE:
		return "the kernel accepted neither the new nor the old keys: SA lost";
	default:
		return text ? text : "unknown error";
	}
}

/* Waiting for the SA is no failure; a refusal has its own log line. */
static bool is_failure(int rc)
{
	return rc && rc != -ESRCH && rc != -EKEYREJECTED;
}

/* Tries again the keys that wait for an SA. If they must wait longer, their time-out does not begin anew. */
static void give_late_key(struct sa_keys *k, struct pending_sa *sa)
{
	const struct endpoint client = sa->client;
	struct pending_keys keys = sa->keys;
	int rc;

	forget_keys(k, sa);
	rc = give_key(k, &client, &keys.change, keys.since_ms);
	if (is_failure(rc) && !is_to_wait(rc))
		log_event(k->log, LOG_BRIDGE_FAILED, &keys.change.destination,
			  "cannot give the client's keys to the kernel's SA: %s", outcome_text(rc));
	OPENSSL_cleanse(&keys, sizeof keys);
}

/* By the kernel's own addresses: a real one may be that of several clients with the same SPI. */
static bool is_that_sa(const struct sa_keys *k, const struct pending_sa *p, const struct sa_info *sa,
		       const uint8_t *spi)
{
	const struct endpoint at = kernels(k, &p->destination);

	return !memcmp(p->spi, spi, sizeof p->spi) &&
	       endpoint_same_host(&at, sa->outbound ? &sa->peer : &sa->us);
}

void sa_keys_sa_added(struct sa_keys *k, const struct sa_info *sa)
{
	const uint32_t wire = htonl(sa->spi);
	uint8_t spi[4];

	if (sa->dumped || sa->protocol != PROTOCOL_ESP)
		return;
	memcpy(spi, &wire, sizeof spi);
	for (struct pending_sa *p = NULL; (p = pending_sas_next(k->pending, p));)
		if (p->keys.since_ms && is_that_sa(k, p, sa, spi))
			give_late_key(k, p);
}

/* After a time in which no process could give keys, or report an SA. */
static void retry_waiting(struct sa_keys *k)
{
	k->retry = false;
	for (struct pending_sa *sa = NULL; (sa = pending_sas_next(k->pending, sa));)
		if (sa->keys.since_ms)
			give_late_key(k, sa);
}

/* Keys of SAs that the stack will not install any more. */
static void forget_overdue(struct sa_keys *k)
{
	const uint64_t now = clock_now_ms();

	for (struct pending_sa *sa = NULL; (sa = pending_sas_next(k->pending, sa));)
		if (sa->keys.since_ms && now > sa->keys.since_ms + KEYS_WAIT_MS)
			forget_keys(k, sa);
}

static struct rekey_change change_of(const struct endpoint *destination, const uint8_t *spi, bool outbound,
				     const uint8_t *old, const uint8_t *key)
{
	struct rekey_change change = {
		.destination = *destination, .outbound = outbound, .material_length = KEYS_MATERIAL_LEN};

	memcpy(change.spi, spi, sizeof change.spi);
	memcpy(change.expected, old, sizeof change.expected);
	memcpy(change.material, key, sizeof change.material);
	return change;
}

void sa_keys_give(struct sa_keys *k, const struct bridge_rekey *s)
{
	struct rekey_change to_server =
		change_of(&s->server, s->spi_to_server, false, s->old_to_server, s->key_to_server);
	struct rekey_change to_client =
		change_of(&s->client, s->spi_to_client, true, s->old_to_client, s->key_to_client);
	const int in = give_key(k, &s->client, &to_server, clock_now_ms());
	const int out = give_key(k, &s->client, &to_client, clock_now_ms());

	OPENSSL_cleanse(&to_server, sizeof to_server);
	OPENSSL_cleanse(&to_client, sizeof to_client);
	/* The server installs it later, but the client may use it at once. */
	if (in == -ESRCH) {
		esp_hold_expect(k->esp_hold, &s->client, &s->server, s->spi_to_server);
		esp_hold_ready(k->esp_hold, &s->server, s->spi_to_server, 0);
	}
	log_event(k->log, is_failure(in) || is_failure(out) ? LOG_BRIDGE_FAILED : LOG_BRIDGE_KEYS, &s->client,
		  "client's keys: SA %02x%02x%02x%02x (in) %s; SA %02x%02x%02x%02x (out) %s",
		  s->spi_to_server[0], s->spi_to_server[1], s->spi_to_server[2], s->spi_to_server[3],
		  outcome_text(in), s->spi_to_client[0], s->spi_to_client[1], s->spi_to_client[2],
		  s->spi_to_client[3], outcome_text(out));
}

void sa_keys_retry(struct sa_keys *k)
{
	k->retry = true;
}

void sa_keys_tick(struct sa_keys *k)
{
	forget_overdue(k);
	if (k->retry)
		retry_waiting(k);
}

enum bridge_spi sa_keys_find_spi(const struct sa_keys *k, const struct endpoint *destination,
				 const uint8_t (*spis)[4], size_t count)
{
	const struct endpoint at = kernels(k, destination);
	const int rc = rekeyer_look(k->rekeyer, &at, spis, count);

	return rc == 0 ? BRIDGE_SPI_FREE : rc == -EEXIST ? BRIDGE_SPI_THERE : BRIDGE_SPI_UNKNOWN;
}
