/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bridge mode frees holds no key any more: a session, a Quick Mode, the bridge itself, and what OpenSSL was given of
 * them; nor does the stack that a message was worked on, and what is not needed any more is not kept. Every free() of the
 * program under test comes through here (the linker's --wrap), and OpenSSL's own, too. */
#include "shim/bridge/impl.h"
#include "tests/unit/bridge_vectors.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

enum { NEEDLES_MAX = 4096, NEEDLE_LEN = 16, STACK_LEN = 1 << 20 };

/* The first bytes of each secret, as they are and in the order in which OpenSSL keeps a big number. */
static struct needle {
	uint8_t bytes[NEEDLE_LEN];
	const char *name;
} needles[NEEDLES_MAX];
static unsigned needle_count, freed, found;
static bool looking;
static const char *first_found;

void __real_free(void *block); /* NOLINT(bugprone-reserved-identifier): the linker's names */
void __wrap_free(void *block); /* NOLINT(bugprone-reserved-identifier) */

static void look(const void *block)
{
	const uint8_t *bytes = block;
	const size_t length = block ? malloc_usable_size((void *)(uintptr_t)block) : 0;

	freed += block != NULL;
	for (unsigned i = 0; i < needle_count; i++) {
		if (length < NEEDLE_LEN || !memmem(bytes, length, needles[i].bytes, NEEDLE_LEN))
			continue;
		found++;
		first_found = first_found ? first_found : needles[i].name;
	}
}

void __wrap_free(void *block) /* NOLINT(bugprone-reserved-identifier) */
{
	if (looking)
		look(block);
	__real_free(block);
}

static void openssl_free(void *block, const char *file, int line)
{
	(void)file;
	(void)line;
	__wrap_free(block);
}

static void *openssl_malloc(size_t length, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(length);
}

static void *openssl_realloc(void *block, size_t length, const char *file, int line)
{
	(void)file;
	(void)line;
	return realloc(block, length);
}

static void add_bytes(const uint8_t *bytes, const char *name)
{
	for (unsigned i = 0; i < needle_count; i++)
		if (!memcmp(needles[i].bytes, bytes, NEEDLE_LEN))
			return;
	assert_true(needle_count < NEEDLES_MAX);
	memcpy(needles[needle_count].bytes, bytes, NEEDLE_LEN);
	needles[needle_count++].name = name;
}

/* Nothing to look for before it is there. */
static void add(const uint8_t *secret, size_t length, const char *name)
{
	uint8_t reversed[NEEDLE_LEN];
	unsigned zeros = 0;

	for (unsigned i = 0; i < NEEDLE_LEN; i++) {
		reversed[i] = secret[length - 1 - i];
		zeros += !secret[i];
	}
	if (zeros > NEEDLE_LEN / 2)
		return;
	add_bytes(secret, name);
	add_bytes(reversed, name);
}

static void add_keys(const struct keys *keys)
{
	add(keys->skeyid, NEEDLE_LEN, "SKEYID");
	add(keys->skeyid_d, NEEDLE_LEN, "SKEYID_d");
	add(keys->skeyid_a, NEEDLE_LEN, "SKEYID_a");
	add(keys->key, NEEDLE_LEN, "the encryption key");
}

/* The secrets that were made for this message, and what each of them has in common with each public value of the peers. */
static uint8_t drawn[8][DH_SECRET_LEN];
static unsigned drawn_count;

static bool draw(void *ctx, uint8_t *out, size_t length)
{
	vector_random(ctx, out, length);
	if (length == DH_SECRET_LEN && drawn_count < 8)
		memcpy(drawn[drawn_count++], out, length);
	return true;
}

static void learn_shared(const struct leg *leg, const struct side *side)
{
	static struct dh *dh;
	uint8_t shared[DH_LENGTH_MAX];

	if (!dh)
		dh = dh_new();
	for (unsigned i = 0; i < drawn_count && side->peer.length; i++)
		if (dh_shared(dh, leg->suite.group, drawn[i], side->peer.value, side->peer.length, shared))
			add(shared, dh_length(leg->suite.group), "the shared secret of phase 1");
}

/* All secrets that a session has now. */
static void learn(const struct isakmp_sa *s)
{
	const struct quick *q;

	for (unsigned i = 0; i < drawn_count; i++)
		add(drawn[i], DH_SECRET_LEN, "a secret of Diffie-Hellman");
	for (unsigned leg = 0; leg < LEGS && s->passed == 4; leg++)
		learn_shared(&s->leg[leg], &s->phase1->side[leg]);

	for (unsigned leg = 0; leg < LEGS; leg++) {
		add_keys(&s->leg[leg].keys);
		if (s->phase1)
			add(s->phase1->side[leg].secret, DH_SECRET_LEN,
			    "the secret of phase 1's Diffie-Hellman");
	}
	DL_FOREACH(s->quicks, q)
	{
		for (unsigned leg = 0; leg < LEGS; leg++) {
			add(q->shared[leg], NEEDLE_LEN, "the shared secret of PFS");
			add(q->secret[leg], DH_SECRET_LEN, "the secret of PFS' Diffie-Hellman");
		}
	}
}

/* A secret of Diffie-Hellman is over once the keys are made of it. */
static void check_not_kept(const struct isakmp_sa *s)
{
	static const uint8_t nothing[DH_LENGTH_MAX];
	const struct quick *q;

	for (unsigned leg = 0; leg < LEGS && s->passed > 4 && s->phase1; leg++)
		assert_memory_equal(s->phase1->side[leg].secret, nothing, DH_SECRET_LEN);
	DL_FOREACH(s->quicks, q)
	for (unsigned leg = 0; leg < LEGS && q->passed > 1; leg++) {
		assert_memory_equal(q->secret[leg], nothing, DH_SECRET_LEN);
		if (q->passed == QUICK_MESSAGES)
			assert_memory_equal(q->shared[leg], nothing, DH_LENGTH_MAX);
	}
}

static struct vector_exchange *exchanges;
static unsigned exchange_count, random_at;

/* Each message is worked on by a thread whose stack is this one, so that it can be looked at afterwards. */
static uint8_t *stack;
static unsigned on_stack;
static struct call {
	struct bridge *bridge;
	const struct bridge_datagram *d;
	struct bridge_result *result;
	uint64_t now;
} call;

static void *work(void *unused)
{
	bridge_message(call.bridge, call.now, call.d, call.result);
	return unused;
}

static void call_on_stack(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	memset(stack, 0, STACK_LEN);
	assert_int_equal(pthread_attr_init(&attributes), 0);
	assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK_LEN), 0);
	assert_int_equal(pthread_create(&thread, &attributes, work, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attributes);
}

__attribute__((no_sanitize_address)) static void look_at_stack(const struct vector_exchange *x, unsigned step)
{
	for (unsigned i = 0; i < needle_count; i++)
		if (memmem(stack, STACK_LEN, needles[i].bytes, NEEDLE_LEN)) {
			print_error("%s, message %u: %s is on the stack\n", x->name, step + 1,
				    needles[i].name);
			on_stack++;
		}
}

static void send(struct bridge *bridge, const struct vector_step *step, uint64_t now)
{
	static uint8_t out[BRIDGE_MESSAGE_MAX + BRIDGE_GROWTH_MAX];
	const struct bridge_datagram d = {.direction = step->direction,
					  .src = step->src,
					  .dst = step->dst,
					  .message = step->in,
					  .length = step->in_length,
					  .dialect = step->dialect,
					  .out = out,
					  .capacity = sizeof out};
	struct bridge_result result;
	const struct isakmp_sa *s;

	call = (struct call){bridge, &d, &result, now};
	call_on_stack();
	s = isakmp_sa_by_cookie(bridge, step->in);
	if (s) {
		learn(s);
		check_not_kept(s);
	}
	for (size_t at = 0; result.actions & BRIDGE_ACT_REKEY_SAS && at < KEYS_MATERIAL_LEN;
	     at += NEEDLE_LEN) {
		add(result.rekey.key_to_client + at, NEEDLE_LEN, "KEYMAT");
		add(result.rekey.key_to_server + at, NEEDLE_LEN, "KEYMAT");
		add(result.rekey.old_to_client + at, NEEDLE_LEN, "KEYMAT");
		add(result.rekey.old_to_server + at, NEEDLE_LEN, "KEYMAT");
	}
}

static void run(const char *name, void (*end)(struct bridge *bridge))
{
	unsigned all_needles = 0;

	freed = 0;
	for (unsigned i = 0; i < exchange_count; i++) {
		const struct vector_exchange *x = &exchanges[i];
		struct bridge_config config = vector_config(x->when, &random_at);
		struct bridge *bridge;

		config.random = draw;
		bridge = bridge_new(&config);
		drawn_count = 0;
		needle_count = found = 0;
		first_found = NULL;
		looking = true;
		for (unsigned k = 0; k < x->steps; k++) {
			send(bridge, &x->step[k], VECTOR_NOW_MS);
			look_at_stack(x, k);
		}
		end(bridge);
		looking = false;
		if (found)
			print_error("%s, %s: %u of %u freed blocks, %s first\n", x->name, name, found, freed,
				    first_found);
		assert_int_equal(found, 0);
		all_needles += needle_count;
	}
	assert_true(freed && all_needles > 1000);
	assert_int_equal(on_stack, 0);
}

static void end_freed(struct bridge *bridge)
{
	bridge_free(bridge);
}

/* Long after: by what the next first message finds. */
static void end_expired(struct bridge *bridge)
{
	const uint64_t later = VECTOR_NOW_MS + 8ULL * 24 * 3600 * 1000;

	send(bridge, &exchanges[0].step[0], later);
	assert_true(bridge_stats(bridge).established == 0);
	looking = false; /* what is left is that new one */
	bridge_free(bridge);
}

/* Long after, and no message has come. */
static void end_ticked(struct bridge *bridge)
{
	bridge_tick(bridge, VECTOR_NOW_MS + 8ULL * 24 * 3600 * 1000);
	assert_true(bridge_stats(bridge).established == 0);
	bridge_free(bridge);
}

static void wiped_at_the_end(void **state)
{
	(void)state;
	run("bridge_free()", end_freed);
}

static void wiped_when_over(void **state)
{
	(void)state;
	run("expired", end_expired);
	run("expired without a message", end_ticked);
}

/* The hook sees what it is there for. Called by a pointer, so that the compiler does not leave out what is written before. */
static void the_hook_finds(void **state)
{
	void (*volatile release)(void *) = free;
	uint8_t *block = malloc(64);

	(void)state;
	needle_count = found = 0;
	memset(block, 0x5a, 64);
	add(block, NEEDLE_LEN, "a test's");
	looking = true;
	release(block);
	looking = false;
	assert_true(needle_count == 1 && found == 1);
}

static int load(void **state)
{
	(void)state;
	exchanges = calloc(VECTOR_EXCHANGES_MAX, sizeof *exchanges);
	exchange_count = vector_load(exchanges);
	assert_true(exchange_count > 30);
	stack = aligned_alloc(4096, STACK_LEN);
	assert_non_null(stack);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	vector_unload(exchanges, exchange_count);
	free(exchanges);
	free(stack);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hook_finds),
		cmocka_unit_test(wiped_at_the_end),
		cmocka_unit_test(wiped_when_over),
	};

	if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free))
		return 1;
	return cmocka_run_group_tests(tests, load, unload);
}
