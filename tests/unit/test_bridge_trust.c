/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bridge mode takes from a client that has the group's secret, and so the keys of a session of its own: no message out of
 * its order, none in clear, and no Delete that means another's. The messages that no vector has are sealed here. */
#include "shim/bridge/impl.h"
#include "tests/unit/bridge_vectors.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

enum { QUICK_1 = 7, QUICK_2 = 8, QUICK_3 = 9 };

static struct vector_exchange *exchanges;
static const struct vector_exchange *x;
static unsigned exchange_count, random_at,
	random_begun; /* random_begun: where a vector's first number stands */
static struct crypto *crypto;
static uint8_t out[BRIDGE_MESSAGE_MAX + BRIDGE_GROWTH_MAX];
static struct bridge_result result;

static int load(void **state)
{
	(void)state;
	exchanges = calloc(VECTOR_EXCHANGES_MAX, sizeof *exchanges);
	exchange_count = vector_load(exchanges);
	crypto = crypto_new();
	x = &exchanges[0];
	assert_string_equal(x->name, "3des-sha1-modp1024");
	return crypto ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	vector_unload(exchanges, exchange_count);
	free(exchanges);
	crypto_free(crypto);
	return 0;
}

static const char *send_bytes(struct bridge *bridge, const struct vector_step *step, const uint8_t *message,
			      size_t length)
{
	const struct bridge_datagram d = {.direction = step->direction,
					  .src = step->src,
					  .dst = step->dst,
					  .message = message,
					  .length = length,
					  .dialect = step->dialect,
					  .out = out,
					  .capacity = sizeof out};

	bridge_message(bridge, VECTOR_NOW_MS, &d, &result);
	return bridge_reason_name(result.reason);
}

static const char *send_step(struct bridge *bridge, unsigned k)
{
	return send_bytes(bridge, &x->step[k], x->step[k].in, x->step[k].in_length);
}

static struct bridge *up_to(unsigned step)
{
	const struct bridge_config config = vector_config(x->when, &random_at);
	struct bridge *bridge = bridge_new(&config);

	assert_non_null(bridge);
	random_begun = random_at;
	for (unsigned k = 0; k < step; k++)
		send_step(bridge, k);
	return bridge;
}

/* Before the client has proven that it knows the secret there is nothing to agree on. */
static void not_before_phase_1(void **state)
{
	(void)state;
	for (unsigned k = 2; k < 6; k++) {
		struct bridge *bridge = up_to(k);

		for (unsigned quick = QUICK_1; quick <= QUICK_3; quick++) {
			assert_string_equal(send_step(bridge, quick), "unexpected");
			assert_int_equal(result.verdict, BRIDGE_DROP);
			assert_int_equal(result.actions, 0);
		}
		bridge_free(bridge);
	}
}

/* The third message comes after the second one, and the second after the first. */
static void in_their_order(void **state)
{
	struct bridge *bridge = up_to(QUICK_1);

	(void)state;
	send_step(bridge, QUICK_1);
	assert_string_equal(send_step(bridge, QUICK_3), "unexpected");
	assert_int_equal(result.actions, 0);
	assert_string_equal(send_step(bridge, QUICK_2), "relayed");
	assert_string_equal(send_step(bridge, QUICK_3), "relayed");
	assert_int_equal(result.actions, BRIDGE_ACT_READY);
	assert_int_equal(result.ready_ms, 30); /* racoon computes its keys after that message */
	bridge_free(bridge);
}

/* With the flag of RFC 2408 section 3.1 taken away it is another message, whatever its bytes are. */
static void in_clear(void **state)
{
	struct bridge *bridge = up_to(QUICK_1);
	uint8_t copy[BRIDGE_MESSAGE_MAX];

	(void)state;
	for (unsigned quick = QUICK_1; quick <= QUICK_3; quick++) {
		memcpy(copy, x->step[quick].in, x->step[quick].in_length);
		copy[FLAGS_AT] = 0;
		assert_string_equal(send_bytes(bridge, &x->step[quick], copy, x->step[quick].in_length),
				    "unexpected");
		assert_int_equal(result.actions, 0);
		assert_string_equal(send_step(bridge, quick), "relayed");
	}
	memcpy(copy, x->step[QUICK_1 - 1].in, x->step[QUICK_1 - 1].in_length); /* an Informational */
	copy[FLAGS_AT] = 0;
	assert_string_equal(send_bytes(bridge, &x->step[QUICK_1 - 1], copy, x->step[QUICK_1 - 1].in_length),
			    "clear");
	assert_int_equal(result.verdict, BRIDGE_PASS);
	bridge_free(bridge);
}

/* An Informational exchange with one Delete, of the client whose Quick Mode message that step is, or of the server whose it is, sealed
 * as RFC 2409 section 5.7 says; what became of it. */
static const char *send_delete(struct bridge *bridge, const struct vector_step *step, const uint8_t *body,
			       size_t length)
{
	static uint8_t id;
	const unsigned leg = step->direction == IKE_TO_SERVER ? LEG_CLIENT : LEG_SERVER;
	const struct keys *keys = &isakmp_sa_by_cookie(bridge, step->in)->leg[leg].keys;
	const size_t hash = 4 + (size_t)keys->hash_length, chain = hash + 4 + length;
	const size_t sealed = (chain + keys->block_length - 1) / keys->block_length * keys->block_length;
	uint8_t plain[256] = {PAYLOAD_DELETE, 0, 0, (uint8_t)hash}, iv[KEYS_BLOCK_MAX], message[512];
	struct bytes parts[2];

	memcpy(message, step->in, ISAKMP_HEADER_LEN);
	message[16] = PAYLOAD_HASH;
	message[EXCHANGE_TYPE_AT] = INFORMATIONAL;
	message[MESSAGE_ID_AT] = ++id;
	message[26] = 0;
	message[27] = (uint8_t)(ISAKMP_HEADER_LEN + sealed);
	plain[hash + 3] = (uint8_t)(4 + length);
	memcpy(plain + hash + 4, body, length);
	parts[0] = (struct bytes){message + MESSAGE_ID_AT, MESSAGE_ID_LEN};
	parts[1] = (struct bytes){plain + hash, 4 + length};
	assert_true(keys_hash(crypto, keys, parts, 2, plain + 4));
	assert_true(keys_phase2_iv(crypto, keys, message + MESSAGE_ID_AT, iv));
	assert_true(keys_encrypt(crypto, keys, iv, plain, sealed, message + ISAKMP_HEADER_LEN));
	return send_bytes(bridge, step, message, ISAKMP_HEADER_LEN + sealed);
}

static const char *delete_isakmp(struct bridge *bridge, const struct vector_step *step,
				 const uint8_t *cookies)
{
	uint8_t body[DELETE_HEAD + ISAKMP_COOKIES_LEN] = {0, 0, 0, 1, PROTO_ISAKMP, ISAKMP_COOKIES_LEN, 0, 1};

	memcpy(body + DELETE_HEAD, cookies, ISAKMP_COOKIES_LEN);
	return send_delete(bridge, step, body, sizeof body);
}

static const char *delete_esp(struct bridge *bridge, const struct vector_step *step, const uint8_t *spi)
{
	uint8_t body[DELETE_HEAD + SPI_LEN] = {0, 0, 0, 1, PROTO_ESP, SPI_LEN, 0, 1};

	memcpy(body + DELETE_HEAD, spi, SPI_LEN);
	return send_delete(bridge, step, body, sizeof body);
}

static void a_delete_of_another_session(void **state)
{
	const struct vector_step *quick = &x->step[QUICK_1];
	struct bridge *bridge = up_to(QUICK_3 + 1);
	uint8_t cookies[ISAKMP_COOKIES_LEN];

	(void)state;
	memcpy(cookies, quick->in, sizeof cookies);
	for (unsigned at = 0; at < sizeof cookies; at++) {
		cookies[at] ^= 1;
		assert_string_equal(delete_isakmp(bridge, quick, cookies), "relayed");
		assert_true(bridge_has_client(bridge, &quick->src));
		cookies[at] ^= 1;
	}
	assert_string_equal(delete_isakmp(bridge, quick, cookies), "relayed");
	assert_false(bridge_has_client(bridge, &quick->src));
	bridge_free(bridge);
}

/* The last two clients of a vector of several: the first message of each one's Quick Mode, and the answer. */
static const struct vector_step *one, *one_answer, *other, *other_answer;

static struct bridge *several(void)
{
	enum { STEPS = 9 }; /* of a client: phase 1 and Quick Mode */
	struct bridge *bridge;

	for (unsigned i = 0; i < exchange_count; i++)
		if (!strcmp(exchanges[i].name, "same-name"))
			x = &exchanges[i];
	one = &x->step[x->steps - 3];
	other = one - STEPS;
	one_answer = one + 1;
	other_answer = other + 1;
	bridge = up_to(x->steps);
	x = &exchanges[0];
	assert_true(one_answer->rekey && other_answer->rekey);
	assert_false(endpoint_same_host(&one->src, &other->src));
	return bridge;
}

static void count_child_sas(void *ctx, const struct bridge_entry *entry)
{
	*(unsigned *)ctx += entry->child_sa_count;
}

static unsigned child_sas_of(const struct bridge *bridge)
{
	unsigned count = 0;

	bridge_each_entry(bridge, count_child_sas, &count);
	return count;
}

/* SPIs of a neighbour's, which stand in his packets, in a Delete of one's own. */
static void a_delete_of_anothers_sas(void **state)
{
	struct bridge *bridge = several();
	const unsigned count = child_sas_of(bridge);

	(void)state;
	assert_string_equal(delete_esp(bridge, one, other_answer->spi_to_client), "relayed");
	assert_int_equal(child_sas_of(bridge), count);
	assert_string_equal(delete_esp(bridge, one, one_answer->spi_to_client), "relayed");
	assert_int_equal(child_sas_of(bridge), count - 1);
	bridge_free(bridge);
}

static void count_deletes(void *ctx, const struct bridge_delete *delete)
{
	(void)delete;
	++*(unsigned *)ctx;
}

/* A session whose ISAKMP SA is over is ended by nobody else's. */
static void no_delete_by_another_session(void **state)
{
	struct bridge *bridge = several();
	struct bridge_sa sa = {.to_client = true};
	unsigned deletes = 0;

	(void)state;
	memcpy(sa.spi, other_answer->spi_to_client, SPI_LEN);
	assert_string_equal(delete_isakmp(bridge, other, other->in), "relayed");
	assert_false(bridge_end(bridge, VECTOR_NOW_MS, &other->src, &sa, 1, count_deletes, &deletes));
	assert_int_equal(deletes, 0);
	memcpy(sa.spi, one_answer->spi_to_client, SPI_LEN);
	assert_true(bridge_end(bridge, VECTOR_NOW_MS, &one->src, &sa, 1, count_deletes, &deletes));
	assert_true(deletes > 0);
	bridge_free(bridge);
}

struct kept_deletes {
	struct bridge_delete at[8];
	unsigned count;
};

static void keep_delete(void *ctx, const struct bridge_delete *delete)
{
	struct kept_deletes *kept = ctx;

	assert_in_range(kept->count, 0, 7);
	kept->at[kept->count++] = *delete;
}

/* What natshim's own Deletes have told the client, the server says as well: once is enough. What they have not told goes on. */
static void told_once(void **state)
{
	struct bridge *bridge = several();
	struct kept_deletes kept = {.count = 0};
	struct bridge_sa sa = {.to_client = true};

	(void)state;
	assert_string_equal(delete_esp(bridge, other_answer, other_answer->spi_to_server), "relayed");
	memcpy(sa.spi, one_answer->spi_to_client, SPI_LEN);
	assert_true(bridge_end(bridge, VECTOR_NOW_MS, &one->src, &sa, 1, keep_delete, &kept));
	assert_string_equal(delete_esp(bridge, one_answer, other_answer->spi_to_server), "relayed");
	assert_string_equal(delete_esp(bridge, one_answer, one_answer->spi_to_client), "relayed");
	assert_string_equal(delete_esp(bridge, one_answer, one_answer->spi_to_server), "told");
	assert_int_equal(result.verdict, BRIDGE_DROP);
	assert_string_equal(delete_isakmp(bridge, one_answer, one->in), "told");
	assert_int_equal(kept.count, 4);
	for (unsigned i = 0; i < kept.count; i++)
		if (!kept.at[i].to_server)
			assert_string_equal(
				send_bytes(bridge, one_answer, kept.at[i].message, kept.at[i].length),
				"relayed");
	bridge_free(bridge);
}

/* Behind one NAT, each with an alias, two clients may have one SPI: who ends a session there ends no neighbour's. The server's own SPI
 * is proof that it is the same client, from another port. */
static void same_spi_behind_one_nat(void **state)
{
	struct bridge *bridge = several();
	struct bridge_sa sas[2] = {{.to_client = true}, {.to_client = false}};
	struct endpoint neighbour = one->src;
	unsigned deletes = 0;

	(void)state;
	neighbour.port++;
	memcpy(sas[0].spi, one_answer->spi_to_client, SPI_LEN);
	assert_false(bridge_end(bridge, VECTOR_NOW_MS, &neighbour, sas, 1, count_deletes, &deletes));
	assert_false(bridge_end(bridge, VECTOR_NOW_MS, &neighbour, sas, 2, count_deletes, &deletes));
	assert_int_equal(deletes, 0);
	memcpy(sas[1].spi, one_answer->spi_to_server, SPI_LEN);
	assert_true(bridge_end(bridge, VECTOR_NOW_MS, &neighbour, sas, 2, count_deletes, &deletes));
	assert_true(deletes > 0);
	bridge_free(bridge);
}

/* Message 5 with the right key, but a HASH of another length: nothing, the beginning of the right one, more than it. */
static void a_hash_of_another_length(void **state)
{
	static const size_t lengths[] = {0, 1, 19, 21, 40};
	const struct vector_step *fifth = &x->step[4];
	const size_t sealed = fifth->in_length - ISAKMP_HEADER_LEN;

	(void)state;
	for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct bridge *bridge = up_to(4);
		uint8_t message[512], plain[256] = {0}, iv[KEYS_BLOCK_MAX];
		const struct keys *keys;
		size_t hash, length;

		memcpy(message, fifth->in, fifth->in_length);
		message[ISAKMP_HEADER_LEN] ^= 1;
		assert_string_equal(send_bytes(bridge, fifth, message, fifth->in_length), "bad_hash");
		keys = &isakmp_sa_by_cookie(bridge, fifth->in)->leg[LEG_CLIENT].keys;
		memcpy(iv, keys->iv, sizeof iv);
		assert_true(keys_decrypt(crypto, keys, iv, fifth->in + ISAKMP_HEADER_LEN, sealed, plain));
		hash = (size_t)(plain[2] << 8 | plain[3]); /* behind the ID */
		plain[hash + 3] = (uint8_t)(4 + lengths[i]);
		length = hash + 4 + lengths[i];
		length = (length + keys->block_length - 1) / keys->block_length * keys->block_length;
		message[26] = 0;
		message[27] = (uint8_t)(ISAKMP_HEADER_LEN + length);
		memcpy(iv, keys->iv, sizeof iv);
		assert_true(keys_encrypt(crypto, keys, iv, plain, length, message + ISAKMP_HEADER_LEN));
		assert_string_equal(send_bytes(bridge, fifth, message, ISAKMP_HEADER_LEN + length),
				    "bad_hash");
		assert_string_equal(send_step(bridge, 4), "relayed");
		bridge_free(bridge);
	}
}

/* Main Mode's message ID is 0 (RFC 2408 section 3.1). */
static void another_message_id(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 6; k++) {
		struct bridge *bridge = up_to(k);
		uint8_t message[BRIDGE_MESSAGE_MAX];

		memcpy(message, x->step[k].in, x->step[k].in_length);
		message[MESSAGE_ID_AT + 3] = 1;
		send_bytes(bridge, &x->step[k], message, x->step[k].in_length);
		assert_int_not_equal(result.verdict, BRIDGE_REPLACE);
		assert_string_equal(send_step(bridge, k), "relayed");
		bridge_free(bridge);
	}
}

/* Not the same again is no repeat: what the server has heard, and the client, stays. */
static void another_content(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 6; k++) {
		struct bridge *bridge = up_to(k + 1);
		uint8_t message[BRIDGE_MESSAGE_MAX];

		memcpy(message, x->step[k].in, x->step[k].in_length);
		message[x->step[k].in_length - 1] ^= 1;
		assert_string_equal(send_bytes(bridge, &x->step[k], message, x->step[k].in_length),
				    "unexpected");
		assert_int_equal(result.verdict, BRIDGE_DROP);
		bridge_free(bridge);
	}
}

/* Offered was a pre-shared key, and nothing else is understood. */
static void a_choice_of_another_authentication(void **state)
{
	static const uint8_t pre_shared[] = {0x80, 3, 0, 1}; /* RFC 2409 appendix A */
	const struct vector_step *answer = &x->step[1];
	struct bridge *bridge = up_to(1);
	uint8_t message[BRIDGE_MESSAGE_MAX], *at;

	(void)state;
	memcpy(message, answer->in, answer->in_length);
	at = memmem(message, answer->in_length, pre_shared, sizeof pre_shared);
	assert_non_null(at);
	at[3] = 3; /* RSA signatures */
	assert_string_equal(send_bytes(bridge, answer, message, answer->in_length), "refused");
	assert_string_equal(send_step(bridge, 1), "relayed");
	bridge_free(bridge);
}

static void longer_than_there_is_room(void **state)
{
	static uint8_t message[2 * BRIDGE_MESSAGE_MAX];
	struct bridge *bridge = up_to(6);

	(void)state;
	memcpy(message, x->step[QUICK_1].in, ISAKMP_HEADER_LEN);
	message[26] = (uint8_t)((BRIDGE_MESSAGE_MAX + 4) >> 8);
	message[27] = (uint8_t)(BRIDGE_MESSAGE_MAX + 4);
	assert_string_equal(send_bytes(bridge, &x->step[QUICK_1], message, BRIDGE_MESSAGE_MAX + 4),
			    "not_bridged");
	bridge_free(bridge);
}

/* Two clients of one address that are not alike: to a port that is neither's the server says what it likes. */
static void ambiguous_neighbours(void **state)
{
	const struct vector_exchange *another = &exchanges[2], *rekeys = NULL;
	struct bridge *bridge = up_to(QUICK_3 + 1);
	struct vector_step begins;

	(void)state;
	assert_string_equal(another->name, "client-3des-md5-2");
	for (unsigned i = 0; i < exchange_count; i++)
		if (!strcmp(exchanges[i].name, "server-rekeys"))
			rekeys = &exchanges[i];
	begins = rekeys->step[0];
	for (unsigned k = 0; k < rekeys->steps && (begins.direction != IKE_TO_CLIENT || begins.in[8]); k++)
		begins = rekeys->step[k];
	begins.dst.port = 7777;
	assert_string_equal(send_bytes(bridge, &begins, begins.in, begins.in_length), "relayed");
	bridge_free(bridge);

	bridge = up_to(QUICK_3 + 1);
	random_at = random_begun;
	for (unsigned k = 0; k <= QUICK_3; k++)
		assert_string_equal(send_bytes(bridge, &another->step[k], another->step[k].in,
					       another->step[k].in_length),
				    "relayed");
	assert_string_equal(send_bytes(bridge, &begins, begins.in, begins.in_length), "not_bridged");
	bridge_free(bridge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_before_phase_1),
		cmocka_unit_test(in_their_order),
		cmocka_unit_test(in_clear),
		cmocka_unit_test(a_delete_of_another_session),
		cmocka_unit_test(a_delete_of_anothers_sas),
		cmocka_unit_test(no_delete_by_another_session),
		cmocka_unit_test(same_spi_behind_one_nat),
		cmocka_unit_test(told_once),
		cmocka_unit_test(a_hash_of_another_length),
		cmocka_unit_test(another_message_id),
		cmocka_unit_test(another_content),
		cmocka_unit_test(a_choice_of_another_authentication),
		cmocka_unit_test(longer_than_there_is_room),
		cmocka_unit_test(ambiguous_neighbours),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
