/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridge mode against exchanges that an independent program computed (tests/vectors/bridge/make.py): as they are, with
 * every message repeated, lost, tampered with at every byte, cut short; and its bounds. */
#include "tests/unit/bridge_vectors.h"

#include <stdarg.h>
#include <openssl/bn.h>
#include <setjmp.h>
#include <cmocka.h>

static struct vector_exchange *exchanges;
static unsigned exchange_count, random_at;
static uint8_t out[BRIDGE_MESSAGE_MAX + BRIDGE_GROWTH_MAX];
static struct bridge_result result;

static int load(void **state)
{
	(void)state;
	exchanges = calloc(VECTOR_EXCHANGES_MAX, sizeof *exchanges);
	exchange_count = vector_load(exchanges);
	assert_true(exchange_count > 30);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	vector_unload(exchanges, exchange_count);
	free(exchanges);
	return 0;
}

static struct bridge *new_bridge(const char *when)
{
	const struct bridge_config config = vector_config(when, &random_at);
	struct bridge *bridge = bridge_new(&config);

	assert_non_null(bridge);
	return bridge;
}

/* The message in a block that ends where it does. */
static const struct bridge_result *send_bytes(struct bridge *bridge, const struct vector_step *step,
					      const uint8_t *message, size_t length, uint64_t now)
{
	uint8_t *copy = malloc(length ? length : 1);
	const struct bridge_datagram d = {.direction = step->direction,
					  .src = step->src,
					  .dst = step->dst,
					  .message = copy,
					  .length = length,
					  .dialect = step->dialect,
					  .out = out,
					  .capacity = sizeof out};

	memcpy(copy, message, length);
	bridge_message(bridge, now, &d, &result);
	free(copy);
	return &result;
}

static const struct bridge_result *send_step(struct bridge *bridge, const struct vector_step *step)
{
	return send_bytes(bridge, step, step->in, step->in_length, VECTOR_NOW_MS);
}

static void check_rekey(const struct vector_step *step)
{
	assert_true(result.actions & BRIDGE_ACT_REKEY_SAS);
	assert_memory_equal(result.rekey.spi_to_server, step->spi_to_server, 4);
	assert_memory_equal(result.rekey.spi_to_client, step->spi_to_client, 4);
	assert_memory_equal(result.rekey.key_to_server, step->key_to_server, KEYS_MATERIAL_LEN);
	assert_memory_equal(result.rekey.key_to_client, step->key_to_client, KEYS_MATERIAL_LEN);
	assert_memory_equal(result.rekey.old_to_server, step->old_to_server, KEYS_MATERIAL_LEN);
	assert_memory_equal(result.rekey.old_to_client, step->old_to_client, KEYS_MATERIAL_LEN);
}

static void check_step(const struct vector_exchange *x, const struct vector_step *step, const char *reason)
{
	if (strcmp(bridge_reason_name(result.reason), reason) != 0 || result.verdict != step->verdict ||
	    (step->out && (result.length != step->out_length || memcmp(out, step->out, result.length) != 0)))
		print_error("%s, message %d: %s\n", x->name, (int)(step - x->step) + 1,
			    bridge_reason_name(result.reason));
	assert_string_equal(bridge_reason_name(result.reason), reason);
	assert_int_equal(result.verdict, step->verdict);
	if (!step->out)
		return;
	assert_int_equal(result.length, step->out_length);
	assert_memory_equal(out, step->out, step->out_length);
}

static void as_computed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < exchange_count; i++) {
		const struct vector_exchange *x = &exchanges[i];
		struct bridge *bridge = new_bridge(x->when);

		for (unsigned k = 0; k < x->steps; k++) {
			send_step(bridge, &x->step[k]);
			check_step(x, &x->step[k], x->step[k].reason);
			assert_int_equal(result.actions, x->step[k].actions);
			if (x->step[k].rekey)
				check_rekey(&x->step[k]);
		}
		bridge_free(bridge);
	}
}

/* Each message three times: the answer is the same, and costs no arithmetic. */
static void repeated(void **state)
{
	(void)state;
	for (unsigned i = 0; i < exchange_count; i++) {
		const struct vector_exchange *x = &exchanges[i];
		struct bridge *bridge = new_bridge(x->when);

		for (unsigned k = 0; k < x->steps; k++) {
			send_step(bridge, &x->step[k]);
			const uint64_t cost = bridge_stats(bridge).exponentiations;

			for (unsigned n = 0; n < 2; n++) {
				send_step(bridge, &x->step[k]);
				if (!x->step[k].out)
					continue;
				assert_int_equal(result.verdict, BRIDGE_REPLACE);
				assert_int_equal(result.length, x->step[k].out_length);
				assert_memory_equal(out, x->step[k].out, result.length);
			}
			assert_int_equal(bridge_stats(bridge).exponentiations, cost);
		}
		/* All over again, in the end. */
		for (unsigned k = 0; k < x->steps; k++) {
			send_step(bridge, &x->step[k]);
			if (x->step[k].out)
				assert_memory_equal(out, x->step[k].out, x->step[k].out_length);
		}
		bridge_free(bridge);
	}
}

static const struct vector_exchange *find(const char *name)
{
	for (unsigned i = 0; i < exchange_count; i++)
		if (!strcmp(exchanges[i].name, name))
			return &exchanges[i];
	fail();
	return NULL;
}

static struct bridge *up_to(const struct vector_exchange *x, unsigned step)
{
	struct bridge *bridge = new_bridge(x->when);

	for (unsigned k = 0; k < step; k++)
		send_step(bridge, &x->step[k]);
	return bridge;
}

/* One bit of one byte behind the header: a message that is encrypted never gets through; none makes a session that was not
 * there; and the right message still does afterwards what it would have done (but where a clear one was taken for it). */
static void tampered(void **state)
{
	const struct vector_exchange *x = find("pfs-2");

	(void)state;
	for (unsigned k = 0; k < x->steps; k++) {
		const struct vector_step *step = &x->step[k];

		for (size_t at = 28; at < step->in_length; at++) {
			struct bridge *bridge = up_to(x, k);
			const size_t up = bridge_stats(bridge).established;

			step->in[at] ^= 1;
			send_step(bridge, step);
			step->in[at] ^= 1;
			assert_false(result.actions & BRIDGE_ACT_REKEY_SAS);
			assert_false(result.actions & BRIDGE_ACT_ESTABLISHED);
			assert_int_equal(bridge_stats(bridge).established, up);
			if (step->in[19] & 1) {
				assert_int_equal(result.verdict, BRIDGE_DROP);
				send_step(bridge, step);
				check_step(x, step, "relayed");
			}
			bridge_free(bridge);
		}
	}
}

static void truncated(void **state)
{
	const struct vector_exchange *x = find("natoa-draft-07");

	(void)state;
	for (unsigned k = 0; k < x->steps; k++) {
		const struct vector_step *step = &x->step[k];
		struct bridge *bridge = up_to(x, k);

		for (size_t length = 0; length < step->in_length; length++) {
			send_bytes(bridge, step, step->in, length, VECTOR_NOW_MS);
			assert_int_not_equal(result.verdict, BRIDGE_REPLACE);
		}
		send_step(bridge, step);
		check_step(x, step, "relayed");
		bridge_free(bridge);
	}
}

/* Every message lost once: what comes after it goes nowhere until it was there. */
static void out_of_order(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");

	(void)state;
	for (unsigned k = 0; k < 6; k++) {
		struct bridge *bridge = up_to(x, k);

		for (unsigned later = k + 1; later < x->steps; later++) {
			send_step(bridge, &x->step[later]);
			assert_int_not_equal(result.verdict, BRIDGE_REPLACE);
		}
		for (unsigned now = k; now < x->steps; now++) {
			send_step(bridge, &x->step[now]);
			check_step(x, &x->step[now], "relayed");
		}
		bridge_free(bridge);
	}
}

/* Another client's cookies, or none that are known. */
static void strangers(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024"), *other = find("pfs-2");
	struct bridge *bridge = up_to(x, 6);

	(void)state;
	for (unsigned k = 1; k < other->steps; k++) {
		send_step(bridge, &other->step[k]);
		assert_int_equal(result.reason, BRIDGE_NOT_BRIDGED);
		assert_int_equal(result.verdict, BRIDGE_PASS);
	}
	bridge_free(bridge);
}

/* Another exchange with the same cookie of the initiator, from elsewhere or with another answer: it goes its own way, and
 * the bridged one its own. */
static void same_cookie(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");

	(void)state;
	for (unsigned k = 1; k < x->steps; k++) {
		struct bridge *bridge = up_to(x, k);

		for (unsigned n = 0; n < x->steps; n++) {
			struct vector_step step = x->step[n];
			struct endpoint *client = step.direction == IKE_TO_SERVER ? &step.src : &step.dst;

			client->addr[3] ^= 1;
			if (n)
				step.in[8] ^= 1; /* the responder's cookie */
			send_step(bridge, &step);
			assert_int_equal(result.reason, BRIDGE_NOT_BRIDGED);
			assert_int_equal(result.actions, 0);
			client->addr[3] ^= 1;
			if (n && k > 1) { /* its own answer is not known before */
				send_step(bridge, &step);
				assert_int_equal(result.reason, BRIDGE_NOT_BRIDGED);
			}
			if (n)
				step.in[8] ^= 1;
		}
		for (unsigned n = k; n < x->steps; n++) {
			send_step(bridge, &x->step[n]);
			check_step(x, &x->step[n], "relayed");
		}
		bridge_free(bridge);
	}
}

/* With both cookies right, but from another address: no part of it before phase 1 is complete, afterwards the client has moved. */
static void another_address(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");

	(void)state;
	for (unsigned k = 2; k < x->steps; k++) {
		struct bridge *bridge = up_to(x, k);
		struct vector_step step = x->step[k];
		const uint64_t cost = bridge_stats(bridge).exponentiations;

		(step.direction == IKE_TO_SERVER ? &step.src : &step.dst)->addr[3] ^= 1;
		send_step(bridge, &step);
		if (k < 6) {
			assert_int_equal(result.reason, BRIDGE_UNEXPECTED);
			assert_int_equal(bridge_stats(bridge).exponentiations, cost);
			send_step(bridge, &x->step[k]);
		}
		check_step(x, &x->step[k], "relayed");
		bridge_free(bridge);
	}
}

/* The message with another public value in it; its KE payload is the first one. */
static size_t with_public(const struct vector_step *step, const uint8_t *value, size_t length,
			  uint8_t *message)
{
	const size_t old = (size_t)(step->in[30] << 8 | step->in[31]);
	const size_t rest = step->in_length - 28 - old, whole = 28 + 4 + length + rest;

	assert_int_equal(step->in[16], 4);
	memcpy(message, step->in, 32);
	message[26] = (uint8_t)(whole >> 8);
	message[27] = (uint8_t)whole;
	message[30] = (uint8_t)((4 + length) >> 8);
	message[31] = (uint8_t)(4 + length);
	memcpy(message + 32, value, length);
	memcpy(message + 32 + length, step->in + 28 + old, rest);
	return whole;
}

/* 0, 1, p-1, p, p+1, all ones, none at all, a byte too long: refused on either leg, at no cost, and what comes after it is as if it had
 * never been there. */
static void bad_publics(void **state)
{
	static const struct {
		unsigned k, group;
	} legs[] = {{2, 2}, {3, 14}};
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	BIGNUM *const primes[] = {BN_get_rfc2409_prime_1024(NULL), BN_get_rfc3526_prime_2048(NULL)};

	(void)state;
	for (unsigned leg = 0; leg < 2; leg++) {
		const struct vector_step *step = &x->step[legs[leg].k];
		const size_t length = dh_length(legs[leg].group);
		struct bridge *bridge = up_to(x, legs[leg].k);
		const unsigned random_before = random_at;
		const uint64_t cost = bridge_stats(bridge).exponentiations;
		uint8_t value[DH_LENGTH_MAX + 1], message[2048];

		for (unsigned n = 0; n < 9; n++) {
			size_t whole, wrong = length;

			BN_bn2binpad(primes[leg], value, (int)length); /* p, which is odd */
			if (n < 2)
				memset(value, 0, length), value[length - 1] = (uint8_t)n;
			else if (n == 2)
				value[length - 1] ^= 1;
			else if (n == 4)
				value[length - 1] = 0, value[length - 9]++; /* more than p */
			else if (n == 5)
				memset(value, 0xff, length);
			else if (n == 6)
				wrong = 0;
			else if (n == 7)
				memset(value, 0, sizeof value), value[length] = 2, wrong = length + 1;
			else if (n == 8)
				memset(value, 0, sizeof value), wrong = 1;
			whole = with_public(step, value, wrong, message);
			send_bytes(bridge, step, message, whole, VECTOR_NOW_MS);
			assert_int_equal(result.reason, BRIDGE_BAD_KE);
			assert_int_equal(result.verdict, BRIDGE_DROP);
			assert_int_equal(result.actions, BRIDGE_ACT_REPLY);
			assert_int_equal(result.reply_length, 40);
			assert_memory_equal(result.reply, step->in, 16);
			assert_int_equal(result.reply[18], 5);  /* Informational */
			assert_int_equal(result.reply[39], 17); /* INVALID-KEY-INFORMATION */
		}
		assert_int_equal(bridge_stats(bridge).exponentiations, cost);
		random_at = random_before;
		for (unsigned k = legs[leg].k; k < x->steps; k++) {
			send_step(bridge, &x->step[k]);
			check_step(x, &x->step[k], "relayed");
		}
		bridge_free(bridge);
		BN_free(primes[leg]);
	}
}

/* Forged Quick Modes, each with a message ID of its own, do not push out the one that is under way. */
static void forged_quick_modes(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct bridge *bridge = up_to(x, 8);
	struct vector_step forged = x->step[7];

	(void)state;
	assert_int_equal(forged.in[18], 32);
	forged.in = malloc(forged.in_length);
	memcpy(forged.in, x->step[7].in, forged.in_length);
	for (unsigned i = 1; i < 1000; i++) {
		memcpy(forged.in + 20, &i, sizeof i);
		send_step(bridge, &forged);
		assert_int_equal(result.reason, BRIDGE_BAD_HASH);
		assert_int_equal(result.actions, 0);
	}
	free(forged.in);
	for (unsigned k = 8; k < x->steps; k++) {
		send_step(bridge, &x->step[k]);
		check_step(x, &x->step[k], "relayed");
	}
	bridge_free(bridge);
}

static enum bridge_secret no_secret(void *ctx, const struct endpoint *server, const struct endpoint *client)
{
	(void)ctx;
	(void)server;
	(void)client;
	return BRIDGE_SECRET_NONE;
}

static enum bridge_secret secret_unknown(void *ctx, const struct endpoint *server,
					 const struct endpoint *client)
{
	(void)ctx;
	(void)server;
	(void)client;
	return BRIDGE_SECRET_UNKNOWN;
}

static void without_a_secret(void **state)
{
	struct bridge_config config = vector_config("needed", &random_at);
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct bridge *bridge;

	(void)state;
	config.has_secret = no_secret;
	bridge = bridge_new(&config);
	send_step(bridge, &x->step[0]);
	assert_int_equal(result.reason, BRIDGE_NO_PSK);
	assert_int_equal(result.verdict, BRIDGE_PASS);
	bridge_free(bridge);
}

static bool silent;
static uint8_t silent_for; /* this hash alone */

static size_t sometimes(void *ctx, const struct endpoint *server, const struct endpoint *client, uint8_t hash,
			struct bytes nonce_i, struct bytes nonce_r, uint8_t to[static KEYS_HASH_MAX])
{
	return silent || hash == silent_for ? 0
					    : vector_skeyid(ctx, server, client, hash, nonce_i, nonce_r, to);
}

/* Who has the secrets does not answer: nobody is bridged any more; a fifth message goes nowhere, and its repeat is relayed when there is
 * an answer. */
static void no_answer(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct bridge_config config = vector_config("needed", &random_at);
	struct bridge *bridge;

	(void)state;
	config.has_secret = secret_unknown;
	bridge = bridge_new(&config);
	send_step(bridge, &x->step[0]);
	assert_int_equal(result.reason, BRIDGE_NO_ANSWER);
	assert_int_equal(result.verdict, BRIDGE_PASS);
	bridge_free(bridge);

	config = vector_config("needed", &random_at);
	config.skeyid = sometimes;
	bridge = bridge_new(&config);
	for (unsigned k = 0; k < 4; k++)
		send_step(bridge, &x->step[k]);
	for (unsigned which = 0; which < 3; which++) { /* both, the client's side's, the server's */
		silent = which == 0;
		silent_for = which == 1 ? ISAKMP_HASH_SHA1 : which == 2 ? ISAKMP_HASH_SHA2_256 : 0;
		send_step(bridge, &x->step[4]);
		assert_int_equal(result.reason, BRIDGE_SECRETS);
		assert_int_equal(result.verdict, BRIDGE_DROP);
		assert_int_equal(result.actions, 0);
	}
	silent = false;
	silent_for = 0;
	for (unsigned k = 4; k < 6; k++) {
		send_step(bridge, &x->step[k]);
		check_step(x, &x->step[k], x->step[k].reason);
	}
	assert_true(result.actions & BRIDGE_ACT_ESTABLISHED);
	bridge_free(bridge);
}

/* What the kernel has: one SA, or nobody says. */
static struct {
	uint8_t spi[4];
	struct endpoint destination;
	bool silent;
	unsigned asked;
	size_t last_count;
} kernel;

static enum bridge_spi spi_of_kernel(void *ctx, const struct endpoint *destination, const uint8_t (*spis)[4],
				     size_t count)
{
	(void)ctx;
	kernel.asked++;
	kernel.last_count = count;
	if (kernel.silent)
		return BRIDGE_SPI_UNKNOWN;
	for (size_t i = 0; i < count; i++)
		if (!memcmp(spis[i], kernel.spi, sizeof kernel.spi) &&
		    endpoint_same_host(destination, &kernel.destination))
			return BRIDGE_SPI_THERE;
	return BRIDGE_SPI_FREE;
}

/* The step at which the client names its SPI, in the exchange's first or a later Quick Mode. */
static unsigned naming_step(const struct vector_exchange *x, unsigned which)
{
	unsigned k = 0;

	while (!(x->step[k].actions & BRIDGE_ACT_EXPECT) || which--)
		k++;
	return k;
}

static struct bridge *beside_kernel(const struct vector_exchange *x)
{
	struct bridge_config config = vector_config(x->when, &random_at);
	struct bridge *bridge;

	memset(&kernel, 0, sizeof kernel);
	config.find_spi = spi_of_kernel;
	bridge = bridge_new(&config);
	assert_non_null(bridge);
	return bridge;
}

/* A client that names the SPI of an SA that there is: the server does not hear of it, nothing is expected of that SA, and no
 * exponentiation is spent. What is not dropped is not asked about again when it is repeated: by then the SA is its own. */
static void spi_of_another(const struct vector_exchange *x, unsigned which)
{
	const unsigned named = naming_step(x, which);
	struct bridge *bridge = beside_kernel(x);
	unsigned rekey = named;
	uint64_t cost;

	for (unsigned k = 0; k < named; k++)
		send_step(bridge, &x->step[k]);
	assert_int_equal(kernel.asked, which);
	while (!x->step[rekey].rekey)
		rekey++;
	memcpy(kernel.spi, x->step[rekey].spi_to_client, sizeof kernel.spi);
	kernel.destination = x->step[named].src;
	kernel.destination.port = 0;
	cost = bridge_stats(bridge).exponentiations;
	for (unsigned n = 0; n < 2; n++) {
		send_step(bridge, &x->step[named]);
		assert_string_equal(bridge_reason_name(result.reason), "spi_taken");
		assert_int_equal(result.verdict, BRIDGE_DROP);
		assert_int_equal(result.actions, 0);
		assert_int_equal(kernel.asked, which + n + 1);
	}
	assert_int_equal(bridge_stats(bridge).exponentiations, cost);

	kernel.silent = true;
	send_step(bridge, &x->step[named]);
	assert_string_equal(bridge_reason_name(result.reason), "spi_unanswered");
	assert_int_equal(result.verdict, BRIDGE_DROP);
	kernel.silent = false;

	kernel.destination.addr[3] ^= 1; /* the same SPI towards another address is another SA */
	send_step(bridge, &x->step[named]);
	check_step(x, &x->step[named], "relayed");
	kernel.destination.addr[3] ^= 1;
	for (unsigned k = named; k <= rekey; k++) {
		send_step(bridge, &x->step[k]);
		check_step(x, &x->step[k], k == named ? "repeated" : "relayed");
	}
	check_rekey(&x->step[rekey]);
	bridge_free(bridge);
}

static void spis_of_others(void **state)
{
	(void)state;
	spi_of_another(find("3des-sha1-modp1024"), 0);
	spi_of_another(find("pfs-2"), 0);
	spi_of_another(find("second-proposal"), 0); /* the last one is chosen: all are looked for */
	assert_int_equal(kernel.last_count, 2);
	spi_of_another(find("server-rekeys-pfs-14"), 1); /* the client names it in its answer */
}

static unsigned rekey_step(const struct vector_exchange *x)
{
	unsigned k = 0;

	while (k < x->steps && !x->step[k].rekey)
		k++;
	assert_in_range(k, 6, x->steps - 2);
	return k;
}

/* Of the exchange x, with another cookie of its initiator, from another address or port. */
static const struct bridge_result *send_forged(struct bridge *bridge, const struct vector_exchange *x,
					       unsigned k, unsigned number, const struct endpoint *client,
					       uint64_t now)
{
	struct vector_step step = x->step[k];
	uint8_t message[2048];

	assert_in_range(step.in_length, 28, sizeof message);
	memcpy(message, step.in, step.in_length);
	memcpy(message, &number, sizeof number);
	memset(message + 4, 0x55, 4);
	if (client)
		*(step.direction == IKE_TO_SERVER ? &step.src : &step.dst) = *client;
	return send_bytes(bridge, &step, message, step.in_length, now);
}

static struct endpoint forged_client(unsigned number)
{
	return (struct endpoint){
		.addr = {11, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number},
		.addr_len = 4,
		.port = 500};
}

static void relays_all(struct bridge *bridge, const struct vector_exchange *x, unsigned from)
{
	for (unsigned k = from; k < x->steps; k++) {
		send_step(bridge, &x->step[k]);
		check_step(x, &x->step[k], "relayed");
	}
}

/* Forged first messages from everywhere, and third ones: bounded, and a real client comes through. */
static void floods(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct vector_step third = x->step[2];
	struct bridge *bridge = new_bridge("needed");
	uint64_t cost;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		const struct endpoint client = forged_client(i);

		send_forged(bridge, x, 0, i, &client, VECTOR_NOW_MS);
		assert_int_equal(result.reason, BRIDGE_RELAYED);
	}
	assert_int_equal(bridge_stats(bridge).half_open, 65536);
	assert_int_equal(bridge_stats(bridge).exponentiations, 0);
	for (unsigned k = 0; k < 2; k++)
		send_step(bridge, &x->step[k]);
	/* With a wrong cookie of the responder: no arithmetic. */
	third.in = malloc(third.in_length);
	memcpy(third.in, x->step[2].in, third.in_length);
	cost = bridge_stats(bridge).exponentiations;
	for (unsigned i = 0; i < 5000; i++) {
		memcpy(third.in + 8, &i, sizeof i);
		send_bytes(bridge, &third, third.in, third.in_length, VECTOR_NOW_MS);
		assert_int_equal(result.reason, BRIDGE_NOT_BRIDGED);
	}
	assert_int_equal(bridge_stats(bridge).exponentiations, cost);
	relays_all(bridge, x, 2);
	assert_int_equal(bridge_stats(bridge).established, 1);
	free(third.in);
	bridge_free(bridge);
}

/* Forged first messages with a client's own address, however many, keep it from nothing. */
static void nobody_is_locked_out(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024"), *strong = find("strong-group");
	const struct bridge_config config = vector_config("needed", &random_at);
	struct bridge *bridge = bridge_new(&config);

	(void)state;
	assert_non_null(bridge);
	for (unsigned i = 0; i < 1000; i++)
		send_forged(bridge, x, 0, i, NULL, VECTOR_NOW_MS);
	send_step(bridge, &strong->step[0]);
	assert_int_equal(result.verdict, BRIDGE_PASS);
	relays_all(bridge, x, 0);
	bridge_free(bridge);
}

static struct bridge *bounded_bridge(size_t fresh, size_t half_open, size_t sessions)
{
	struct bridge_config config = vector_config("needed", &random_at);
	struct bridge *bridge;

	config.max_fresh = fresh;
	config.max_half_open_per_address = half_open;
	config.max_per_address = sessions;
	bridge = bridge_new(&config);
	assert_non_null(bridge);
	return bridge;
}

/* Thirty times as many forged exchanges as there is room for, within one round trip of a client that the server has answered. */
static void answered_ones_stay(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct bridge *bridge = bounded_bridge(64, 0, 0);

	(void)state;
	for (unsigned k = 0; k < 2; k++)
		send_step(bridge, &x->step[k]);
	for (unsigned i = 0; i < 64 * 30; i++)
		send_forged(bridge, x, 0, i, NULL, VECTOR_NOW_MS + i / 4);
	assert_int_equal(bridge_stats(bridge).half_open, 64);
	relays_all(bridge, x, 2);
	bridge_free(bridge);
}

/* Not by age alone: where the server answers the forged ones, too, and there are more of them in a round trip than there is room for,
 * some of those that waited that long are still there, and young ones nearly all. */
static void old_ones_have_a_chance(void **state)
{
	enum { ROOM = 1024, OLD = 512, FLOOD = ROOM + ROOM / 4 };
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct bridge *bridge = bounded_bridge(ROOM, 0, 0);
	unsigned left = 0, young = 0;

	(void)state;
	for (unsigned i = 0; i < OLD + FLOOD; i++) {
		send_forged(bridge, x, 0, i, NULL, VECTOR_NOW_MS + i);
		send_forged(bridge, x, 1, i, NULL, VECTOR_NOW_MS + i);
		assert_int_equal(result.reason, BRIDGE_RELAYED);
	}
	for (unsigned i = OLD + FLOOD - 256; i < OLD + FLOOD; i++)
		young += send_forged(bridge, x, 1, i, NULL, VECTOR_NOW_MS + OLD + FLOOD)->reason ==
			 BRIDGE_REPEATED;
	for (unsigned i = 0; i < OLD; i++)
		left += send_forged(bridge, x, 1, i, NULL, VECTOR_NOW_MS + OLD + FLOOD)->reason ==
			BRIDGE_REPEATED;
	assert_in_range(left, 1, OLD / 2);
	assert_in_range(young, 250, 256);
	bridge_free(bridge);
}

static unsigned untracked;

static void count_untracked(void *ctx, const uint8_t cookie[static IKE_COOKIE_LEN])
{
	(void)ctx;
	(void)cookie;
	untracked++;
}

/* What the server says to natshim's own offer does not go to the client when the exchange has had to go; nor does what the client says
 * then. Its first message again begins it again. */
static void late_messages(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");

	(void)state;
	for (unsigned k = 1; k < 4; k++) {
		struct bridge_config config = vector_config("needed", &random_at);
		struct bridge *bridge;
		uint64_t now = VECTOR_NOW_MS;

		config.max_fresh = 4;
		config.max_half_open = 1;
		config.untrack = count_untracked;
		untracked = 0;
		bridge = bridge_new(&config);
		for (unsigned i = 0; i < k; i++)
			send_step(bridge, &x->step[i]);
		for (unsigned i = 0; i < 256; i++, now++)
			send_forged(bridge, x, 0, i, NULL, now);
		/* in the end all are answered, and those who can have come to message 3 */
		for (unsigned i = 0; i < 256; i++, now++) {
			send_forged(bridge, x, 0, i, NULL, now);
			send_forged(bridge, x, 1, i, NULL, now);
			if (i % 8 == 7)
				send_forged(bridge, x, 2, i, NULL, now);
		}
		assert_int_equal(untracked, 0); /* their messages must come up still, to go nowhere */
		for (unsigned n = 1; n < x->steps; n++) {
			send_bytes(bridge, &x->step[n], x->step[n].in, x->step[n].in_length, now);
			assert_int_equal(result.reason, BRIDGE_LATE);
			assert_int_equal(result.verdict, BRIDGE_DROP);
			assert_int_equal(result.actions, 0);
		}
		random_at = 8;
		for (unsigned n = 0; n < x->steps; n++) {
			send_bytes(bridge, &x->step[n], x->step[n].in, x->step[n].in_length, now);
			check_step(x, &x->step[n], "relayed");
		}
		for (unsigned i = 0; i < 1000; i++) /* two minutes later nothing is known of them */
			send_forged(bridge, x, 0, i, NULL, now + 121000 + i);
		assert_in_range(untracked, 100, 1300);
		assert_int_equal(send_forged(bridge, x, 1, 2, NULL, now + 300000)->reason,
				 BRIDGE_NOT_BRIDGED);
		bridge_free(bridge);
	}
}

/* Long SA payloads: bounded by their bytes, and their senders lose by it, not a client with a short one. */
static void long_offers(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct bridge_config config = vector_config("needed", &random_at);
	const struct vector_step *first = &x->step[0];
	const size_t sa = (size_t)(first->in[30] << 8 | first->in[31]), transform = sa - 4 - 8 - 8;
	const size_t longer = first->in_length + 20 * transform;
	uint8_t *message = calloc(1, longer);
	struct bridge *bridge;

	(void)state;
	config.max_fresh_bytes = 16 * (sa + 20 * transform);
	bridge = bridge_new(&config);
	memcpy(message, first->in, 28 + sa);
	for (unsigned i = 1; i <= 20; i++) {
		memcpy(message + 28 + sa + (i - 1) * transform, first->in + 28 + sa - transform, transform);
		message[28 + sa + i * transform - 2 * transform] = 3; /* another transform follows */
		message[28 + sa + (i - 1) * transform + 4] = (uint8_t)(i + 1);
	}
	memcpy(message + 28 + sa + 20 * transform, first->in + 28 + sa, first->in_length - 28 - sa);
	message[26] = (uint8_t)(longer >> 8), message[27] = (uint8_t)longer;
	message[30] = (uint8_t)((sa + 20 * transform) >> 8), message[31] = (uint8_t)(sa + 20 * transform);
	message[42] = (uint8_t)((sa - 12 + 20 * transform) >> 8),
	message[43] = (uint8_t)(sa - 12 + 20 * transform);
	message[47] = 21;
	send_step(bridge, first);
	for (unsigned i = 0; i < 1000; i++) {
		memcpy(message, &i, sizeof i);
		send_bytes(bridge, first, message, longer, VECTOR_NOW_MS + 10);
		assert_int_equal(result.reason, BRIDGE_RELAYED);
		assert_in_range(bridge_stats(bridge).half_open, 1, 17);
	}
	relays_all(bridge, x, 1);
	free(message);
	bridge_free(bridge);
}

/* Third messages with the right cookie of the server, from one host: those that the server does not answer make room for each other,
 * and a client of that host whose phase 1 goes on stays. What each costs: a public value, another one when it is answered, and one
 * secret when it goes on with what is no message 5. */
static void proven_ones(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct bridge *bridge = bounded_bridge(0, 8, 0);
	uint64_t cost;

	(void)state;
	for (unsigned k = 0; k < 4; k++)
		send_step(bridge, &x->step[k]);
	cost = bridge_stats(bridge).exponentiations;
	for (unsigned i = 0; i < 100; i++)
		for (unsigned k = 0; k < 3; k++)
			send_forged(bridge, x, k, i, NULL, VECTOR_NOW_MS);
	assert_int_equal(bridge_stats(bridge).half_open, 8);
	assert_int_equal(bridge_stats(bridge).exponentiations, cost + 100);
	for (unsigned n = 0; n < 3; n++) {
		send_forged(bridge, x, 3, 99, NULL, VECTOR_NOW_MS);
		send_forged(bridge, x, 4, 99, NULL, VECTOR_NOW_MS);
		assert_int_equal(result.reason, BRIDGE_BAD_HASH);
		assert_int_equal(bridge_stats(bridge).exponentiations, cost + 102);
	}
	relays_all(bridge, x, 4);
	bridge_free(bridge);
}

/* With what comes of an exchange's messages up to steps, of a client there. The vectors' random bytes all begin alike. */
static enum bridge_reason run(struct bridge *bridge, const char *name, const struct endpoint *client,
			      unsigned steps, uint64_t now)
{
	const struct vector_exchange *x = find(name);

	random_at = 8;
	for (unsigned k = 0; k < steps; k++) {
		struct vector_step step = x->step[k];

		*(step.direction == IKE_TO_SERVER ? &step.src : &step.dst) = *client;
		send_bytes(bridge, &step, step.in, step.in_length, now);
		if (result.reason != BRIDGE_RELAYED)
			return result.reason;
	}
	return BRIDGE_RELAYED;
}

static bool lives(struct bridge *bridge, const char *name)
{
	struct bridge_entry entry;

	return bridge_entry_of(bridge, find(name)->step[0].in, &entry);
}

static struct endpoint client_at(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

/* So many clients of one host, each with a session in which SAs live; one more finds no place and pushes nobody
 * out. Who has one already loses his own older one; one without a child, or that has ended, goes first. */
static void sessions_of_a_host(void **state)
{
	static const char *const hosts[] = {"198.51.100.7:1001", "198.51.100.7:1002", "198.51.100.7:1003",
					    "198.51.100.7:1004", "198.51.100.8:1001"};
	struct bridge *bridge = bounded_bridge(0, 0, 3);
	struct endpoint c[5];
	const uint64_t now = VECTOR_NOW_MS, later = now + 11000;
	const unsigned child = rekey_step(find("3des-sha1-modp1024")) + 2;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		c[i] = client_at(hosts[i]);
	assert_int_equal(run(bridge, "3des-sha1-modp1024", &c[0], child, now), BRIDGE_RELAYED);
	assert_int_equal(run(bridge, "client-3des-md5-2", &c[1], child, now), BRIDGE_RELAYED);
	assert_int_equal(run(bridge, "client-aes128-sha1-2", &c[2], 6, now), BRIDGE_RELAYED);
	/* The third has no child, but is new. */
	assert_int_equal(run(bridge, "client-aes256-sha1-5", &c[3], child, now), BRIDGE_BUSY);
	assert_int_equal(run(bridge, "client-3des-sha1-1", &c[4], 5, now), BRIDGE_RELAYED);
	assert_int_equal(bridge_stats(bridge).established, 3);
	/* Later it still has none. */
	assert_int_equal(run(bridge, "server-aes128-sha1-14", &c[3], child, later), BRIDGE_RELAYED);
	assert_false(lives(bridge, "client-aes128-sha1-2"));
	assert_int_equal(run(bridge, "server-3des-sha1-14", &c[2], child, later), BRIDGE_BUSY);
	/* The first one's own. */
	assert_int_equal(run(bridge, "server-aes128-sha1-5", &c[0], child, later), BRIDGE_RELAYED);
	assert_false(lives(bridge, "3des-sha1-modp1024"));
	assert_true(lives(bridge, "client-3des-md5-2") && lives(bridge, "server-aes128-sha1-14") &&
		    lives(bridge, "server-aes128-sha1-5"));
	assert_int_equal(bridge_stats(bridge).established, 3);
	bridge_free(bridge);
}

/* The addresses of one IPv6 network of 64 bits are one host's. (Each has a name of its own towards the server, so that the vectors are good
 * for five messages.) */
static void addresses_of_a_network(void **state)
{
	static const char *const names[] = {"3des-sha1-modp1024", "client-3des-md5-2", "client-aes128-sha1-2",
					    "client-aes256-sha1-5", "client-3des-sha1-1"};
	static const char *const hosts[] = {"[2001:db8::1]:500", "[2001:db8::2]:500",
					    "[2001:db8::ffff:0:0:1]:500", "[2001:db8::4]:500",
					    "[2001:db8:0:1::1]:500"};
	struct bridge *bridge = bounded_bridge(0, 0, 3);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		const struct endpoint client = client_at(hosts[i]);

		assert_int_equal(run(bridge, names[i], &client, 5, VECTOR_NOW_MS),
				 i == 3 ? BRIDGE_BUSY : BRIDGE_RELAYED);
	}
	bridge_free(bridge);
}

/* When all have too many, the host that has most of them loses one. */
static void fullest_host_loses(void **state)
{
	struct bridge_config config = vector_config("needed", &random_at);
	const unsigned child = rekey_step(find("3des-sha1-modp1024")) + 2;
	struct endpoint a = client_at("198.51.100.7:1001"), b = client_at("198.51.100.8:1001");
	struct bridge *bridge;

	(void)state;
	config.max_sessions = 3;
	bridge = bridge_new(&config);
	assert_int_equal(run(bridge, "same-name-fqdn", &b, child, VECTOR_NOW_MS), BRIDGE_RELAYED);
	assert_int_equal(run(bridge, "client-3des-md5-2", &a, child, VECTOR_NOW_MS), BRIDGE_RELAYED);
	a.port++;
	assert_int_equal(run(bridge, "client-aes128-sha1-2", &a, child, VECTOR_NOW_MS), BRIDGE_RELAYED);
	a.port++;
	assert_int_equal(run(bridge, "client-aes256-sha1-5", &a, child, VECTOR_NOW_MS), BRIDGE_RELAYED);
	assert_int_equal(bridge_stats(bridge).established, 3);
	assert_true(lives(bridge, "same-name-fqdn"));
	assert_false(lives(bridge, "client-3des-md5-2"));
	bridge_free(bridge);
}

static struct endpoint known_at(const struct bridge *bridge, const struct vector_exchange *x)
{
	struct bridge_entry entry;

	assert_true(bridge_entry_of(bridge, x->step[0].in, &entry));
	return entry.client;
}

/* Only what is new moves a client. A message said again from another host goes nowhere, or at least moves nobody; from another port of
 * its host it is answered. */
static void repeats_move_nobody(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	const unsigned last = rekey_step(x) + 2;
	struct bridge *bridge = up_to(x, last);
	const struct endpoint at = known_at(bridge, x);
	struct endpoint now_at;

	(void)state;
	for (unsigned k = 0; k < last; k++) {
		struct vector_step step = x->step[k];
		struct endpoint *client = step.direction == IKE_TO_SERVER ? &step.src : &step.dst;
		const struct endpoint its = *client;

		client->addr[3] ^= 1;
		send_step(bridge, &step);
		assert_int_equal(result.reason, k == 0             ? BRIDGE_NOT_BRIDGED
						: step.in[18] == 5 ? BRIDGE_RELAYED
								   : BRIDGE_UNEXPECTED);
		now_at = known_at(bridge, x);
		assert_true(endpoint_equal(&now_at, &at));
		*client = its;
		client->port ^= 1;
		send_step(bridge, &step);
		assert_int_equal(result.reason, step.in[18] == 5 ? BRIDGE_RELAYED : BRIDGE_REPEATED);
		now_at = known_at(bridge, x);
		assert_true(endpoint_equal(&now_at, &at));
	}
	/* Two minutes later the Quick Mode itself is forgotten, but not that there was one. */
	for (unsigned other = 0; other < 2; other++) {
		struct vector_step step = x->step[7];

		assert_int_equal(step.in[18], 32);
		step.src.addr[3] ^= (uint8_t)other;
		send_bytes(bridge, &step, step.in, step.in_length, VECTOR_NOW_MS + 130000);
		assert_int_equal(result.reason, BRIDGE_UNEXPECTED);
		now_at = known_at(bridge, x);
		assert_true(endpoint_equal(&now_at, &at));
	}
	bridge_free(bridge);

	/* And a new one does. */
	bridge = up_to(x, 7);
	struct vector_step step = x->step[7];

	step.src.addr[3] ^= 1;
	send_step(bridge, &step);
	assert_int_equal(result.reason, BRIDGE_RELAYED);
	now_at = known_at(bridge, x);
	assert_true(endpoint_equal(&now_at, &step.src));
	bridge_free(bridge);
}

static bool is_slow(struct bridge *bridge, const struct vector_step *step)
{
	const struct bridge_datagram d = {.direction = step->direction,
					  .src = step->src,
					  .dst = step->dst,
					  .message = step->in,
					  .length = step->in_length};

	return bridge_is_slow(bridge, &d);
}

/* It is foretold of each message that takes arithmetic, and of no repeat, nor of anybody's first message, nor of one with a wrong
 * cookie. */
static void slow_ones_are_foretold(void **state)
{
	(void)state;
	for (unsigned i = 0; i < exchange_count; i++) {
		const struct vector_exchange *x = &exchanges[i];
		struct bridge *bridge = new_bridge(x->when);

		for (unsigned k = 0; k < x->steps; k++) {
			const struct vector_step *step = &x->step[k];
			const bool slow = is_slow(bridge, step);
			const uint64_t cost = bridge_stats(bridge).exponentiations;

			if (k) {
				step->in[8] ^= 1;
				assert_false(is_slow(bridge, step));
				step->in[8] ^= 1;
			} else {
				assert_false(slow);
			}
			send_step(bridge, step);
			if (bridge_stats(bridge).exponentiations > cost)
				assert_true(slow);
			if (!strcmp(x->name, "3des-sha1-modp1024"))
				assert_int_equal(slow, (k >= 2 && k <= 4) || (step->in[18] == 32 &&
									      step->in_length >= 128));
			if (result.verdict == BRIDGE_REPLACE && strcmp(x->name, "not-offered") != 0)
				assert_false(is_slow(bridge, step));
		}
		bridge_free(bridge);
	}
}

static void expires(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024"), *other = find("pfs-2");
	struct bridge *bridge = up_to(x, 2);
	const struct vector_step *last = &x->step[x->steps - 1];

	(void)state;
	assert_int_equal(bridge_stats(bridge).half_open, 1);
	send_bytes(bridge, &other->step[0], other->step[0].in, other->step[0].in_length,
		   VECTOR_NOW_MS + 31000);
	assert_int_equal(bridge_stats(bridge).half_open, 1);
	bridge_free(bridge);

	/* A deleted one a minute later. */
	bridge = up_to(x, x->steps);
	assert_int_equal(bridge_stats(bridge).established, 1);
	send_bytes(bridge, last, last->in, last->in_length, VECTOR_NOW_MS + 59000);
	assert_int_equal(result.verdict, BRIDGE_REPLACE);
	send_bytes(bridge, &x->step[6], x->step[6].in, x->step[6].in_length, VECTOR_NOW_MS + 61000 + 59000);
	assert_int_equal(result.reason, BRIDGE_NOT_BRIDGED);
	bridge_free(bridge);
}

/* Ends */

struct said {
	struct bridge_delete delete[8];
	unsigned count;
};

static void keep_delete(void *ctx, const struct bridge_delete *delete)
{
	struct said *said = ctx;

	assert_in_range(said->count, 0, 7);
	said->delete[said->count++] = *delete;
}

/* A message of the server's to the client, or one of the client's. */
static void send_delete(struct bridge *bridge, const struct bridge_delete *d, enum ike_direction direction)
{
	const struct vector_step as = {.direction = direction,
				       .src = direction == IKE_TO_SERVER ? d->client : d->server,
				       .dst = direction == IKE_TO_SERVER ? d->server : d->client};

	send_bytes(bridge, &as, d->message, d->length, VECTOR_NOW_MS);
}

/* ESP first, then ISAKMP; to each side. What pluto thinks of those for the server: tests/vm/test_bridge_life. */
static void deletes_for_both(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	const unsigned rekey = rekey_step(x);
	struct bridge *bridge = up_to(x, rekey + 2);
	const struct bridge_sa stranger = {.spi = {1, 2, 3, 4}};
	struct bridge_sa sas[2] = {{.to_client = false}, {.to_client = true}};
	const struct endpoint *client = &x->step[rekey].dst;
	struct endpoint other = *client;
	struct said said = {.count = 0};
	struct bridge_entry entry;

	(void)state;
	other.addr[3] ^= 1;
	memcpy(sas[0].spi, x->step[rekey].spi_to_server, 4);
	memcpy(sas[1].spi, x->step[rekey].spi_to_client, 4);
	assert_false(bridge_end(bridge, VECTOR_NOW_MS, client, &stranger, 1, keep_delete, &said));
	assert_false(
		bridge_end(bridge, VECTOR_NOW_MS, &other, sas, 2, keep_delete, &said)); /* the same SPIs */
	assert_int_equal(said.count, 0);
	assert_true(bridge_end(bridge, VECTOR_NOW_MS, client, sas, 2, keep_delete, &said));
	assert_int_equal(said.count, 4);
	for (unsigned i = 0; i < 4; i++) {
		const struct bridge_delete *d = &said.delete[i];

		assert_int_equal(d->to_server, i % 2 == 0);
		assert_memory_equal(d->message, x->step[rekey].in, IKE_COOKIE_LEN);
		assert_int_equal(d->message[18], 5);
		assert_true(endpoint_equal(&d->client, &x->step[rekey].dst));
		assert_true(endpoint_equal(&d->server, &x->step[rekey].src));
		if (d->to_server) /* sealed with keys that the client has not got */
			send_delete(bridge, d, IKE_TO_SERVER);
		assert_int_equal(result.reason, d->to_server ? BRIDGE_BAD_HASH : result.reason);
		if (!d->to_server)
			send_delete(bridge, d, IKE_TO_CLIENT);
		assert_int_equal(result.reason, d->to_server ? BRIDGE_BAD_HASH : BRIDGE_RELAYED);
	}
	assert_false(bridge_entry_of(bridge, x->step[0].in, &entry));
	assert_false(bridge_end(bridge, VECTOR_NOW_MS, client, sas, 2, keep_delete, &said));
	assert_int_equal(bridge_end_some(bridge, VECTOR_NOW_MS, 9, keep_delete, &said), 0);
	assert_int_equal(said.count, 4);
	bridge_free(bridge);
}

/* The end of an old session comes while its client is coming back: the new ISAKMP SA has no child yet, and stays. */
static void comes_back_meanwhile(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024"), *again = find("pfs-2");
	const unsigned rekey = rekey_step(x);

	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		struct bridge *bridge = new_bridge(x->when);
		const unsigned before = random_at; /* both vectors begin with these */
		struct bridge_sa sa = {.to_client = true};
		struct said said = {.count = 0};

		memcpy(sa.spi, x->step[rekey].spi_to_client, 4);
		for (unsigned k = 0; k < rekey + 2; k++)
			send_step(bridge, &x->step[k]);
		random_at = before;
		for (unsigned k = 0; k < 6; k++)
			send_step(bridge, &again->step[k]);
		assert_true(result.actions & BRIDGE_ACT_ESTABLISHED);
		assert_true(bridge_end(bridge, VECTOR_NOW_MS + late * 11000, &x->step[rekey].dst, &sa, 1,
				       keep_delete, &said));
		assert_int_equal(said.count, late ? 6 : 4); /* ESP, and one ISAKMP SA or both */
		bridge_free(bridge);
	}
}

static void count_entry(void *ctx, const struct bridge_entry *entry)
{
	unsigned *count = ctx;

	*count += 1 + 10 * entry->child_sa_count;
}

static unsigned entries(const struct bridge *bridge)
{
	unsigned count = 0;

	bridge_each_entry(bridge, count_entry, &count);
	return count;
}

/* What a restart would find, after each message. */
static void what_is_left(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	const unsigned rekey = rekey_step(x);
	struct bridge *bridge = new_bridge(x->when);
	struct bridge_entry entry;
	struct said said = {.count = 0};
	uint64_t changes = 0;

	(void)state;
	for (unsigned k = 0; k < rekey + 2; k++) {
		const unsigned before = entries(bridge);

		send_step(bridge, &x->step[k]);
		assert_int_equal(entries(bridge), k < 4 ? 0 : k < rekey ? 1 : 11);
		if (entries(bridge) != before)
			assert_true(bridge_stats(bridge).changes > changes);
		changes = bridge_stats(bridge).changes;
	}
	assert_true(bridge_entry_of(bridge, x->step[0].in, &entry));
	assert_memory_equal(entry.cookies, x->step[rekey].in, ISAKMP_COOKIES_LEN);
	assert_memory_equal(entry.child_sas[0].spi_to_client, x->step[rekey].spi_to_client, 4);
	assert_memory_equal(entry.child_sas[0].spi_to_server, x->step[rekey].spi_to_server, 4);
	assert_true(bridge_has_client(bridge, &entry.client));
	assert_true(bridge_is_established(bridge, &entry.client));
	entry.client.port++;
	assert_false(bridge_has_client(bridge, &entry.client));
	assert_false(bridge_is_established(bridge, &entry.client));
	assert_int_equal(bridge_end_some(bridge, VECTOR_NOW_MS, 9, keep_delete, &said), 1);
	assert_int_equal(said.count, 4);
	assert_int_equal(entries(bridge), 0);
	assert_true(bridge_stats(bridge).changes > changes);
	bridge_free(bridge);
}

/* The client's own Deletes. */
static void forgets_what_is_deleted(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct bridge *bridge = up_to(x, x->steps);

	(void)state;
	assert_int_equal(bridge_stats(bridge).established, 1);
	assert_int_equal(entries(bridge), 0);
	bridge_free(bridge);
}

/* No room for the answer: nothing is written past the end, and the exchange is dropped, not passed on. */
static void no_room(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct bridge_datagram d = {.direction = x->step[0].direction,
				    .src = x->step[0].src,
				    .dst = x->step[0].dst,
				    .message = x->step[0].in,
				    .length = x->step[0].in_length};

	(void)state;
	for (size_t capacity = 0; capacity < x->step[0].out_length; capacity++) {
		struct bridge *bridge = new_bridge("needed");

		d.out = malloc(capacity ? capacity : 1);
		d.capacity = capacity;
		bridge_message(bridge, VECTOR_NOW_MS, &d, &result);
		assert_int_equal(result.reason, BRIDGE_FAILED);
		free(d.out);
		bridge_free(bridge);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_computed),
		cmocka_unit_test(repeated),
		cmocka_unit_test(tampered),
		cmocka_unit_test(truncated),
		cmocka_unit_test(out_of_order),
		cmocka_unit_test(strangers),
		cmocka_unit_test(without_a_secret),
		cmocka_unit_test(no_answer),
		cmocka_unit_test(spis_of_others),
		cmocka_unit_test(floods),
		cmocka_unit_test(nobody_is_locked_out),
		cmocka_unit_test(answered_ones_stay),
		cmocka_unit_test(old_ones_have_a_chance),
		cmocka_unit_test(late_messages),
		cmocka_unit_test(long_offers),
		cmocka_unit_test(proven_ones),
		cmocka_unit_test(sessions_of_a_host),
		cmocka_unit_test(addresses_of_a_network),
		cmocka_unit_test(fullest_host_loses),
		cmocka_unit_test(repeats_move_nobody),
		cmocka_unit_test(slow_ones_are_foretold),
		cmocka_unit_test(expires),
		cmocka_unit_test(no_room),
		cmocka_unit_test(same_cookie),
		cmocka_unit_test(another_address),
		cmocka_unit_test(bad_publics),
		cmocka_unit_test(forged_quick_modes),
		cmocka_unit_test(deletes_for_both),
		cmocka_unit_test(comes_back_meanwhile),
		cmocka_unit_test(what_is_left),
		cmocka_unit_test(forgets_what_is_deleted),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
