/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/daemon/bridge_mode: what becomes of the keys that a Quick Mode has agreed, where the kernel has the SA, has it not yet, or
 * loses it; what is in the kernel's set after the rules were installed anew; who ends what a killed natshim left. The pure bridge, the
 * queue's hold and the table of pending SAs are the real ones; the kernel and the other processes are played by this file. */
#include "shim/daemon/bridge_mode.h"

#include "nfq/inject.h"
#include "shim/clock.h"
#include "shim/daemon/stale_sas.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t spi_in[4] = {1, 2, 3, 4}, spi_out[4] = {5, 6, 7, 8};
static struct bridge_mode *mode;
static struct event_base *loop;
static struct log log_of_test;
static struct config config;
static struct endpoint client, server, alias; /* alias: the client's towards the server; addr_len 0: none */
static int nowhere[2];

/* The kernel and the other processes */

static int rekey_in, rekey_out; /* what comes of giving keys to either SA */
static unsigned asked_in, asked_out;
static uint8_t last_key;
static struct endpoint asked_at; /* the destination of the last SA to the client */

int rekeyer_rekey(struct rekeyer *rekeyer, const struct rekey_change *change, struct esp_sa *before)
{
	(void)rekeyer;
	(void)before;
	last_key = change->material[0];
	if (change->outbound)
		asked_at = change->destination;
	*(change->outbound ? &asked_out : &asked_in) += 1;
	assert_memory_equal(change->spi, change->outbound ? spi_out : spi_in, 4);
	return change->outbound ? rekey_out : rekey_in;
}

int rekeyer_look(struct rekeyer *rekeyer, const struct endpoint *destination, const uint8_t (*spis)[4],
		 size_t count)
{
	(void)rekeyer;
	(void)spis;
	(void)count;
	asked_at = *destination;
	return 0;
}

static const struct sessions_bridge *handlers;
static void *handlers_ctx;
static unsigned gone_count, end_count;
static struct sa_info gone;
static struct endpoint ended;
static int end_rc;

void sessions_set_bridge(struct sessions *sessions, const struct sessions_bridge *bridge, void *ctx)
{
	(void)sessions;
	handlers = bridge;
	handlers_ctx = ctx;
}

int sessions_end_stale(struct sessions *sessions, const struct stack_end_request *request)
{
	(void)sessions;
	assert_true(stale_sas_is(request->id));
	ended = request->peer;
	end_count++;
	return end_rc;
}

void sessions_sa_gone(struct sessions *sessions, const struct sa_info *sa)
{
	(void)sessions;
	gone = *sa;
	gone_count++;
}

enum bridge_secret secrets_have(struct secrets *secrets, const struct endpoint *at, const struct endpoint *of)
{
	(void)secrets;
	(void)at;
	(void)of;
	return BRIDGE_SECRET_NONE;
}

size_t secrets_skeyid(struct secrets *secrets, const struct endpoint *at, const struct endpoint *of,
		      uint8_t hash, struct bytes nonce_i, struct bytes nonce_r,
		      uint8_t out[static KEYS_HASH_MAX])
{
	(void)secrets;
	(void)at;
	(void)of;
	(void)hash;
	(void)nonce_i;
	(void)nonce_r;
	(void)out;
	return 0;
}

bool secrets_reload(struct secrets *secrets, char error[static PSK_ERROR_MAX])
{
	(void)secrets;
	(void)error;
	return true;
}

void secrets_on_news(struct secrets *secrets, secrets_news_fn *fn, void *ctx)
{
	(void)secrets;
	(void)fn;
	(void)ctx;
}

int secrets_fd(const struct secrets *secrets)
{
	(void)secrets;
	return nowhere[0];
}

void secrets_read(struct secrets *secrets)
{
	(void)secrets;
}

uint64_t secrets_unanswered(const struct secrets *secrets)
{
	(void)secrets;
	return 0;
}

bool aliases_alias(const struct aliases *aliases, struct endpoint *at)
{
	const bool known = aliases && alias.addr_len && endpoint_equal(at, &client);

	if (known)
		*at = alias;
	return known;
}

bool aliases_real(const struct aliases *aliases, struct endpoint *at)
{
	const bool known = aliases && alias.addr_len && endpoint_equal(at, &alias);

	if (known)
		*at = client;
	return known;
}

void aliases_begin_speaking(struct aliases *aliases, struct endpoint *at, const struct endpoint *to)
{
	(void)aliases;
	(void)at;
	(void)to;
}

void aliases_end_speaking(struct aliases *aliases, const struct endpoint *at, const struct endpoint *to)
{
	(void)aliases;
	(void)at;
	(void)to;
}

static unsigned held_in, held_out; /* times that each SPI was put into the set */

int rules_nft_set_add(struct rules_nft *nft, enum rules_set set, const void *key, size_t length,
		      unsigned timeout_s)
{
	(void)nft;
	(void)length;
	(void)timeout_s;
	assert_int_equal(set, RULES_SET_HELD);
	held_in += !memcmp(key, spi_in, 4);
	held_out += !memcmp(key, spi_out, 4);
	return 0;
}

int rules_nft_set_delete(struct rules_nft *nft, enum rules_set set, const void *key, size_t length)
{
	(void)nft;
	(void)set;
	(void)key;
	(void)length;
	return 0;
}

void rules_nft_set_add_later(struct rules_nft *nft, enum rules_set set, const void *key, size_t length,
			     unsigned timeout_s)
{
	rules_nft_set_add(nft, set, key, length, timeout_s);
}

void rules_nft_set_delete_later(struct rules_nft *nft, enum rules_set set, const void *key, size_t length)
{
	rules_nft_set_delete(nft, set, key, length);
}

void rules_nft_set_flush(struct rules_nft *nft)
{
	(void)nft;
}

void nfq_queue_release(struct nfq_queue *queue, uint32_t id, enum nfq_verdict verdict, const uint8_t *data,
		       size_t length)
{
	(void)queue;
	(void)id;
	(void)verdict;
	(void)data;
	(void)length;
}

void nfq_queue_send(struct nfq_queue *queue)
{
	(void)queue;
}

int nfq_inject_open(struct nfq_injector **out)
{
	*out = NULL;
	return -EPERM;
}

void nfq_inject_close(struct nfq_injector *injector)
{
	(void)injector;
}

int nfq_inject(struct nfq_injector *injector, const uint8_t *packet, size_t length)
{
	(void)injector;
	(void)packet;
	(void)length;
	return -EPERM;
}

/* A process that forbids its core dumps cannot be looked through for leaks. */
int prctl(int option, ...)
{
	(void)option;
	return 0;
}

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	(void)resource;
	(void)limit;
	return 0;
}

/* The test's own steps */

static void open_mode(void)
{
	char error[CONFIG_ERROR_MAX];

	assert_true(bridge_mode_open(&mode, &config, &log_of_test, NULL, NULL, NULL, error));
	assert_int_equal(bridge_mode_start(mode, (struct nfq_queue *)(uintptr_t)1, loop), 0);
}

static int begin(void **state)
{
	(void)state;
	assert_int_equal(pipe(nowhere), 0);
	loop = event_base_new();
	assert_non_null(loop);
	config = (struct config){.bridge = CONFIG_BRIDGE_ALWAYS, .stack = CONFIG_STACK_LIBRESWAN};
	assert_true(endpoint_parse("198.51.100.7:4500", &client) &&
		    endpoint_parse("203.0.113.1:4500", &server));
	rekey_in = rekey_out = end_rc = 0;
	alias = (struct endpoint){.addr_len = 0};
	asked_in = asked_out = gone_count = end_count = held_in = held_out = 0;
	log_open(&log_of_test, 0, false);
	open_mode();
	return 0;
}

static int end(void **state)
{
	(void)state;
	bridge_mode_close(mode);
	event_base_free(loop);
	close(nowhere[0]);
	close(nowhere[1]);
	return 0;
}

/* The result of the bridge for a message of Quick Mode. */
static void act(unsigned actions, uint8_t key)
{
	struct filter_outcome o = {.bridge = {.verdict = BRIDGE_PASS, .actions = actions, .client = client}};
	bool known;

	memcpy(o.bridge.spi_to_client, spi_out, 4);
	o.bridge.rekey.client = client;
	o.bridge.rekey.server = server;
	memcpy(o.bridge.rekey.spi_to_server, spi_in, 4);
	memcpy(o.bridge.rekey.spi_to_client, spi_out, 4);
	memset(o.bridge.rekey.key_to_server, key, sizeof o.bridge.rekey.key_to_server);
	memset(o.bridge.rekey.key_to_client, key, sizeof o.bridge.rekey.key_to_client);
	bridge_mode_act(mode, &o, &known);
}

static void kernel_adds_to(const struct endpoint *peer, bool outbound)
{
	const struct sa_info sa = {.us = server,
				   .peer = *peer,
				   .spi = outbound ? 0x05060708 : 0x01020304,
				   .protocol = 50,
				   .outbound = outbound};

	bridge_mode_sa(mode, &sa);
}

static void kernel_adds(bool outbound)
{
	kernel_adds_to(&client, outbound);
}

static void at_once(void **state)
{
	(void)state;
	act(BRIDGE_ACT_REKEY_SAS, 7);
	assert_int_equal(asked_in, 1);
	assert_int_equal(asked_out, 1);
	assert_int_equal(last_key, 7);
	assert_int_equal(bridge_mode_stats(mode).rekeyed, 2);
	assert_int_equal(bridge_mode_stats(mode).waiting, 0);
	assert_int_equal(gone_count, 0);
}

/* strongSwan: neither SA is there yet; each gets its keys when the kernel reports it, once. */
static void later(void **state)
{
	(void)state;
	rekey_in = rekey_out = -ESRCH;
	act(BRIDGE_ACT_REKEY_SAS, 7);
	assert_int_equal(bridge_mode_stats(mode).waiting, 2);
	assert_int_equal(held_in, 1); /* the client may use it at once */
	rekey_in = rekey_out = 0;
	kernel_adds(false);
	assert_int_equal(bridge_mode_stats(mode).waiting, 1);
	kernel_adds(true);
	kernel_adds(true);
	assert_int_equal(asked_in, 2);
	assert_int_equal(asked_out, 2);
	assert_int_equal(bridge_mode_stats(mode).waiting, 0);
	assert_int_equal(bridge_mode_stats(mode).rekey_errors, 0);
}

/* The process that gives keys is away: they wait until it is back. */
static void process_away(void **state)
{
	(void)state;
	rekey_in = rekey_out = -EPIPE;
	act(BRIDGE_ACT_REKEY_SAS, 7);
	assert_int_equal(bridge_mode_stats(mode).waiting, 2);
	rekey_in = rekey_out = 0;
	bridge_mode_sas_lost(mode);
	event_base_loop(loop, EVLOOP_ONCE);
	assert_int_equal(bridge_mode_stats(mode).waiting, 0);
	assert_int_equal(bridge_mode_stats(mode).rekeyed, 2);
}

/* The kernel took an SA neither with its new keys nor with its old ones: the sessions hear that it has gone. */
static void lost_in_the_exchange(void **state)
{
	(void)state;
	bridge_mode_join_sessions(mode, (struct sessions *)(uintptr_t)1);
	rekey_out = -ENOTRECOVERABLE;
	act(BRIDGE_ACT_REKEY_SAS, 7);
	assert_int_equal(gone_count, 1);
	assert_int_equal(gone.spi, 0x05060708);
	assert_true(gone.outbound);
	assert_true(endpoint_equal(&gone.peer, &client));
	assert_int_equal(bridge_mode_stats(mode).rekey_lost, 1);
	assert_int_equal(bridge_mode_stats(mode).waiting, 0);
}

/* The rules are installed anew in the middle of a rekey, with empty sets: what is expected is in the set again. */
static void rules_reinstalled(void **state)
{
	(void)state;
	act(BRIDGE_ACT_EXPECT, 0);
	assert_int_equal(held_out, 1);
	bridge_mode_allow_waiting(mode, false); /* a reload drains the queue first */
	bridge_mode_fill_sets(mode);
	bridge_mode_allow_waiting(mode, true);
	assert_int_equal(held_out, 2);
	assert_int_equal(held_in, 0);
}

/* The kernel's SAs of a client with an alias are at the alias, whatever else is at the client's own address. */
static void with_an_alias(void **state)
{
	(void)state;
	assert_true(endpoint_parse("198.18.0.1:4500", &alias));
	bridge_mode_join_sessions(mode, (struct sessions *)(uintptr_t)1);
	bridge_mode_use_aliases(mode, (struct aliases *)(uintptr_t)1);
	act(BRIDGE_ACT_REKEY_SAS, 7);
	assert_true(endpoint_equal(&asked_at, &alias));
	rekey_out = -ESRCH;
	act(BRIDGE_ACT_REKEY_SAS, 8);
	assert_int_equal(bridge_mode_stats(mode).waiting, 1);
	rekey_out = 0;
	kernel_adds(true); /* another client's, who has chosen the same SPI */
	assert_int_equal(bridge_mode_stats(mode).waiting, 1);
	kernel_adds_to(&alias, true);
	assert_int_equal(bridge_mode_stats(mode).waiting, 0);
	assert_true(endpoint_equal(&asked_at, &alias));
	rekey_out = -ENOTRECOVERABLE;
	act(BRIDGE_ACT_REKEY_SAS, 9);
	assert_int_equal(gone_count, 1);
	assert_true(endpoint_equal(&gone.peer, &alias));
}

/* It is asked for by the alias that it had before the restart, though the client has another one meanwhile. */
static void stale_with_an_alias(void **state)
{
	const struct bridge_entry entry = {.client = client, .server = server};
	struct endpoint old;

	(void)state;
	assert_true(endpoint_parse("198.18.0.1:4500", &alias));
	old = alias;
	stale_sas_add(bridge_mode_stale_sas(mode), &entry);
	bridge_mode_use_aliases(mode, (struct aliases *)(uintptr_t)1);
	assert_true(endpoint_parse("198.18.0.2:4500", &alias));
	bridge_mode_join_sessions(mode, (struct sessions *)(uintptr_t)1);
	assert_int_equal(end_count, 1);
	assert_true(endpoint_equal(&ended, &old));
	handlers->stale_ended(handlers_ctx, 0, "");
}

/* Ended by the stack one after the other, with and without --bridge, and not where no stack is asked. */
static void stale(void **state)
{
	struct bridge_entry entry = {.client = client, .server = server};
	const bool bridged = !*state;

	if (!bridged) {
		bridge_mode_close(mode);
		config.bridge = CONFIG_BRIDGE_OFF;
		open_mode();
		assert_null(bridge_mode_bridge(mode));
	}
	for (uint8_t i = 1; i <= 3; i++) {
		entry.cookies[0] = i;
		stale_sas_add(bridge_mode_stale_sas(mode), &entry);
	}
	bridge_mode_join_sessions(mode, NULL);
	assert_int_equal(end_count, 0);
	bridge_mode_join_sessions(mode, (struct sessions *)(uintptr_t)1);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(end_count, i);
		handlers->stale_ended(handlers_ctx, 0, "");
	}
	assert_int_equal(end_count, 3);
	assert_int_equal(stale_sas_count(bridge_mode_stale_sas(mode)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(at_once, begin, end),
		cmocka_unit_test_setup_teardown(later, begin, end),
		cmocka_unit_test_setup_teardown(process_away, begin, end),
		cmocka_unit_test_setup_teardown(lost_in_the_exchange, begin, end),
		cmocka_unit_test_setup_teardown(rules_reinstalled, begin, end),
		cmocka_unit_test_setup_teardown(with_an_alias, begin, end),
		cmocka_unit_test_setup_teardown(stale_with_an_alias, begin, end),
		cmocka_unit_test_setup_teardown(stale, begin, end),
		cmocka_unit_test_prestate_setup_teardown(stale, begin, end, (void *)(uintptr_t)1),
	};

	return cmocka_run_group_tests_name("bridge_mode", tests, NULL, NULL);
}
