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

static void check_swap(const struct vector_step *step)
{
	assert_true(result.actions & BRIDGE_ACT_SWAP);
	assert_memory_equal(result.swap.spi_to_server, step->spi_to_server, 4);
	assert_memory_equal(result.swap.spi_to_client, step->spi_to_client, 4);
	assert_memory_equal(result.swap.key_to_server, step->key_to_server, KEYS_MATERIAL_LEN);
	assert_memory_equal(result.swap.key_to_client, step->key_to_client, KEYS_MATERIAL_LEN);
	assert_memory_equal(result.swap.old_to_server, step->old_to_server, KEYS_MATERIAL_LEN);
	assert_memory_equal(result.swap.old_to_client, step->old_to_client, KEYS_MATERIAL_LEN);
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
			if (x->step[k].swap)
				check_swap(&x->step[k]);
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
			assert_false(result.actions & BRIDGE_ACT_SWAP);
			assert_false(result.actions & BRIDGE_ACT_UP);
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

static size_t sometimes(void *ctx, const struct endpoint *server, const struct endpoint *client, uint8_t hash,
			struct bytes nonce_i, struct bytes nonce_r, uint8_t to[static KEYS_HASH_MAX])
{
	return silent ? 0 : vector_skeyid(ctx, server, client, hash, nonce_i, nonce_r, to);
}

/* Who has the secrets does not answer: nobody is bridged any more; a third message's answer goes nowhere, and its repeat is
 * relayed when there is an answer. */
static void no_answer(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct bridge_config config = vector_config("needed", &random_at);
	struct bridge *bridge;
	unsigned before;

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
	for (unsigned k = 0; k < 3; k++)
		send_step(bridge, &x->step[k]);
	before = random_at;
	silent = true;
	send_step(bridge, &x->step[3]);
	assert_int_equal(result.reason, BRIDGE_SECRETS);
	assert_int_equal(result.verdict, BRIDGE_DROP);
	silent = false;
	random_at = before; /* the vector's public value is made of these */
	for (unsigned k = 3; k < 6; k++) {
		send_step(bridge, &x->step[k]);
		check_step(x, &x->step[k], x->step[k].reason);
	}
	assert_true(result.actions & BRIDGE_ACT_UP);
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
	unsigned swap = named;
	uint64_t cost;

	for (unsigned k = 0; k < named; k++)
		send_step(bridge, &x->step[k]);
	assert_int_equal(kernel.asked, which);
	while (!x->step[swap].swap)
		swap++;
	memcpy(kernel.spi, x->step[swap].spi_to_client, sizeof kernel.spi);
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
	for (unsigned k = named; k <= swap; k++) {
		send_step(bridge, &x->step[k]);
		check_step(x, &x->step[k], k == named ? "repeated" : "relayed");
	}
	check_swap(&x->step[swap]);
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

/* Forged first messages from everywhere, and third ones: bounded, and a real client comes through. */
static void floods(void **state)
{
	const struct vector_exchange *x = find("3des-sha1-modp1024");
	struct vector_step first = x->step[0], third = x->step[2];
	struct bridge *bridge = new_bridge("needed");
	uint64_t cost;

	(void)state;
	first.in = malloc(first.in_length);
	memcpy(first.in, x->step[0].in, first.in_length);
	for (unsigned i = 0; i < 50000; i++) {
		memcpy(first.in, &i, sizeof i);
		first.src.addr[1] = (uint8_t)(i >> 16);
		first.src.addr[2] = (uint8_t)(i >> 8);
		first.src.addr[3] = (uint8_t)i;
		send_bytes(bridge, &first, first.in, first.in_length, VECTOR_NOW_MS);
	}
	assert_true(bridge_stats(bridge).half_open <= 2048);
	assert_int_equal(bridge_stats(bridge).exponentiations, 0);
	/* From one address: a few only. */
	for (unsigned i = 0; i < 200; i++) {
		memcpy(first.in, &i, sizeof i);
		first.in[7] ^= 0x55;
		first.src = x->step[0].src;
		first.src.addr[0] = 77;
		send_bytes(bridge, &first, first.in, first.in_length, VECTOR_NOW_MS);
	}
	assert_int_equal(result.reason, BRIDGE_BUSY);
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
	for (unsigned k = 2; k < x->steps; k++) {
		send_step(bridge, &x->step[k]);
		assert_int_equal(result.verdict, BRIDGE_REPLACE);
	}
	assert_int_equal(bridge_stats(bridge).established, 1);
	free(first.in);
	free(third.in);
	bridge_free(bridge);
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

static unsigned swap_step(const struct vector_exchange *x)
{
	unsigned k = 0;

	while (k < x->steps && !x->step[k].swap)
		k++;
	assert_in_range(k, 6, x->steps - 2);
	return k;
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
	const unsigned swap = swap_step(x);
	struct bridge *bridge = up_to(x, swap + 2);
	const struct bridge_sa stranger = {.spi = {1, 2, 3, 4}};
	struct bridge_sa sas[2] = {{.to_client = false}, {.to_client = true}};
	const struct endpoint *client = &x->step[swap].dst;
	struct endpoint other = *client;
	struct said said = {.count = 0};
	struct bridge_entry entry;

	(void)state;
	other.addr[3] ^= 1;
	memcpy(sas[0].spi, x->step[swap].spi_to_server, 4);
	memcpy(sas[1].spi, x->step[swap].spi_to_client, 4);
	assert_false(bridge_end(bridge, VECTOR_NOW_MS, client, &stranger, 1, keep_delete, &said));
	assert_false(
		bridge_end(bridge, VECTOR_NOW_MS, &other, sas, 2, keep_delete, &said)); /* the same SPIs */
	assert_int_equal(said.count, 0);
	assert_true(bridge_end(bridge, VECTOR_NOW_MS, client, sas, 2, keep_delete, &said));
	assert_int_equal(said.count, 4);
	for (unsigned i = 0; i < 4; i++) {
		const struct bridge_delete *d = &said.delete[i];

		assert_int_equal(d->to_server, i % 2 == 0);
		assert_memory_equal(d->message, x->step[swap].in, IKE_COOKIE_LEN);
		assert_int_equal(d->message[18], 5);
		assert_true(endpoint_equal(&d->client, &x->step[swap].dst));
		assert_true(endpoint_equal(&d->server, &x->step[swap].src));
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
	const unsigned swap = swap_step(x);

	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		struct bridge *bridge = new_bridge(x->when);
		const unsigned before = random_at; /* both vectors begin with these */
		struct bridge_sa sa = {.to_client = true};
		struct said said = {.count = 0};

		memcpy(sa.spi, x->step[swap].spi_to_client, 4);
		for (unsigned k = 0; k < swap + 2; k++)
			send_step(bridge, &x->step[k]);
		random_at = before;
		for (unsigned k = 0; k < 6; k++)
			send_step(bridge, &again->step[k]);
		assert_true(result.actions & BRIDGE_ACT_UP);
		assert_true(bridge_end(bridge, VECTOR_NOW_MS + late * 11000, &x->step[swap].dst, &sa, 1,
				       keep_delete, &said));
		assert_int_equal(said.count, late ? 6 : 4); /* ESP, and one ISAKMP SA or both */
		bridge_free(bridge);
	}
}

static void count_entry(void *ctx, const struct bridge_entry *entry)
{
	unsigned *count = ctx;

	*count += 1 + 10 * entry->child_count;
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
	const unsigned swap = swap_step(x);
	struct bridge *bridge = new_bridge(x->when);
	struct bridge_entry entry;
	struct said said = {.count = 0};
	uint64_t changes = 0;

	(void)state;
	for (unsigned k = 0; k < swap + 2; k++) {
		const unsigned before = entries(bridge);

		send_step(bridge, &x->step[k]);
		assert_int_equal(entries(bridge), k < 4 ? 0 : k < swap ? 1 : 11);
		if (entries(bridge) != before)
			assert_true(bridge_stats(bridge).changes > changes);
		changes = bridge_stats(bridge).changes;
	}
	assert_true(bridge_entry_of(bridge, x->step[0].in, &entry));
	assert_memory_equal(entry.cookies, x->step[swap].in, ISAKMP_COOKIES_LEN);
	assert_memory_equal(entry.children[0].spi_to_client, x->step[swap].spi_to_client, 4);
	assert_memory_equal(entry.children[0].spi_to_server, x->step[swap].spi_to_server, 4);
	assert_true(bridge_has_client(bridge, &entry.client));
	entry.client.port++;
	assert_false(bridge_has_client(bridge, &entry.client));
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
