/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SKEYID, HASH_I and HASH_R, the IVs and the CBC chains against the genuine client: what was taken from its captures, with the keys
 * that are known of them (tests/vectors/ike/apple-keys.txt), and the whole captures where these are (but 17, whose noted key is
 * not its own). SKEYID_d, _a and _e take a Diffie-Hellman secret, which nobody noted: whole exchanges with everything in them are
 * test_bridge's. And published primes. */
#include "nfq/packet.h"
#include "nfq/pcap.h"
#include "shim/bridge/dh.h"
#include "shim/bridge/offer.h"
#include "shim/bridge/payloads.h"

#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { MAIN_MODE = 2, QUICK_MODE = 32, KE = 4, ID = 5, HASH = 8, NONCE = 10, MESSAGE_MAX = 2048 };

static const struct genuine {
	const char *name, *cookie, *key, *id; /* id: body of the ID payload in message 5 */
	unsigned quick;                       /* Quick Mode messages that must be read */
} genuine[] = {
	{"1-pluto-stock-group5", "6f19afb9aa003901", "d897ae1aad9a1003bc153b745a2e908f16a0da38b29ea6bb",
	 "011101f4c0a84d02", 1},
	{"3-pluto-rewritten-group5", "eaa7a95c84dd52fb", "c20418f7dcdb4daba3134bab0fb9a518c12b705692dca731",
	 "011101f4c0a84d02", 3},
	{"10-own-responder-normal", "f473b4414326bf47", "4e7e7a8b004e03c31631ded53884792d5984484a93c22cfd",
	 "011101f4c0a84d02", 1},
	{"14-tiger-245.19-pluto-stock-group5", "ee41173660fae052",
	 "eed97156d724caf1397073c7ca669469693d3f12571bf023", "011101f4c0a84d02", 3},
	{"19-panther-176.4.1-pluto-rewritten-group5", "30d34af49cbfe85b",
	 "f82b8bf426b21fa3001b78201ebce0ff2f72775ed4e0a0c6", "011101f4c0a84d02", 3},
	{"20-leopard-ipsec34-pluto-stock-group5", "942c44f26773c56d",
	 "810f182334aade10c7fa2ef177f8e8c2b5346d2b6f792aac", "011101f4c0a84d02", 3},
};

struct reading {
	struct crypto *crypto;
	struct keys keys;
	uint8_t public_i[DH_LENGTH_MAX], public_r[DH_LENGTH_MAX];
	size_t public_i_length, public_r_length;
	uint8_t nonce_i[64], nonce_r[64], sa[256], cookies[ISAKMP_COOKIES_LEN]; /* sa: of message 1 */
	size_t nonce_i_length, nonce_r_length, sa_length;
	uint8_t seen[32][20]; /* of each message, so that a repeated one is passed over */
	unsigned seen_count;
	uint8_t quick_id[4], quick_iv[KEYS_BLOCK_MAX];
	unsigned phase1_read, quick_read;
	uint8_t id[64];
	size_t id_length;
};

static void hex(const char *text, uint8_t *out)
{
	for (; *text; text += 2) {
		const char pair[3] = {text[0], text[1], 0};

		*out++ = (uint8_t)strtoul(pair, NULL, 16);
	}
}

static bool is_repeated(struct reading *r, const uint8_t *message, size_t length)
{
	uint8_t hash[20];

	SHA1(message, length, hash);
	for (unsigned i = 0; i < r->seen_count; i++)
		if (!memcmp(r->seen[i], hash, sizeof hash))
			return true;
	assert_true(r->seen_count < 32);
	memcpy(r->seen[r->seen_count++], hash, sizeof hash);
	return false;
}

static void keep(const struct isakmp_message *message, uint8_t type, uint8_t *out, size_t capacity,
		 size_t *length)
{
	const struct isakmp_payload *payload = isakmp_find(message, type);

	assert_non_null(payload);
	assert_true(payload->body_length <= capacity);
	memcpy(out, isakmp_body(message, payload), *length = payload->body_length);
}

/* The first IV is the hash of both public values. */
static void first_iv(struct reading *r)
{
	uint8_t both[2 * DH_LENGTH_MAX], hash[20];

	memcpy(both, r->public_i, r->public_i_length);
	memcpy(both + r->public_i_length, r->public_r, r->public_r_length);
	SHA1(both, r->public_i_length + r->public_r_length, hash);
	memcpy(r->keys.iv, hash, r->keys.block_length);
}

static void read_clear(struct reading *r, struct isakmp_message *message)
{
	assert_int_equal(isakmp_read_payloads(message), ISAKMP_OK);
	if (message->first)
		keep(message, ISAKMP_SA, r->sa, sizeof r->sa, &r->sa_length);
	if (!isakmp_find(message, KE))
		return;
	if (!r->public_i_length) {
		keep(message, KE, r->public_i, sizeof r->public_i, &r->public_i_length);
		keep(message, NONCE, r->nonce_i, sizeof r->nonce_i, &r->nonce_i_length);
		return;
	}
	keep(message, KE, r->public_r, sizeof r->public_r, &r->public_r_length);
	keep(message, NONCE, r->nonce_r, sizeof r->nonce_r, &r->nonce_r_length);
	memcpy(r->cookies, message->data, sizeof r->cookies);
	first_iv(r);
}

/* HASH_I or HASH_R, with the pre-shared key of all these captures: "secret". */
static void check_hash(struct reading *r, const struct isakmp_message *message, bool responder)
{
	const struct bytes psk = {(const uint8_t *)"secret", 6}, nonce_i = {r->nonce_i, r->nonce_i_length},
			   nonce_r = {r->nonce_r, r->nonce_r_length}, sa = {r->sa, r->sa_length};
	const struct isakmp_payload *id = isakmp_find(message, ID), *hash = isakmp_find(message, HASH);
	const struct keys_input input = {.public_i = {r->public_i, r->public_i_length},
					 .public_r = {r->public_r, r->public_r_length},
					 .cookies = r->cookies};
	uint8_t own[KEYS_HASH_MAX];

	assert_non_null(id);
	assert_non_null(hash);
	assert_int_equal(hash->body_length, 20);
	assert_int_equal(keys_skeyid(r->crypto, ISAKMP_HASH_SHA1, psk, nonce_i, nonce_r, r->keys.skeyid), 20);
	assert_true(keys_hash_auth(r->crypto, &r->keys, &input, responder, sa,
				   (struct bytes){isakmp_body(message, id), id->body_length}, own));
	assert_memory_equal(own, isakmp_body(message, hash), 20);
}

static void open_it(struct reading *r, struct isakmp_message *message, uint8_t *iv)
{
	uint8_t *body = message->data + ISAKMP_HEADER_LEN;

	assert_true(keys_decrypt(r->crypto, &r->keys, iv, body, message->length - ISAKMP_HEADER_LEN, body));
	assert_int_equal(isakmp_read_payloads(message), ISAKMP_OK);
}

static void read_quick(struct reading *r, struct isakmp_message *message)
{
	const uint8_t *id = message->data + 20;
	uint8_t iv[KEYS_BLOCK_MAX];
	struct offer_esp esp;
	const struct isakmp_payload *sa;

	if (memcmp(id, r->quick_id, 4) != 0)
		assert_true(keys_phase2_iv(r->crypto, &r->keys, id, iv));
	else
		memcpy(iv, r->quick_iv, sizeof iv);
	open_it(r, message, iv);
	assert_int_equal(message->payload[0].type, HASH);
	assert_int_equal(message->payload[0].body_length, 20);
	sa = isakmp_find(message, ISAKMP_SA);
	if (sa)
		assert_true(
			offer_read_esp((struct bytes){isakmp_body(message, sa), sa->body_length}, 0, &esp));
	memcpy(r->quick_id, id, 4);
	memcpy(r->quick_iv, iv, sizeof iv);
	r->quick_read++;
}

static void read_one(struct reading *r, const uint8_t *cookie, uint8_t *data, size_t length)
{
	struct isakmp_message message;

	if (isakmp_read_header(data, length, &message) != ISAKMP_OK || memcmp(data, cookie, 8) != 0 ||
	    is_repeated(r, data, length))
		return;
	if (!message.encrypted) {
		if (message.exchange_type == MAIN_MODE)
			read_clear(r, &message);
	} else if (message.exchange_type == MAIN_MODE) {
		open_it(r, &message, r->keys.iv);
		check_hash(r, &message, r->phase1_read == 1);
		if (r->phase1_read++ == 0)
			keep(&message, ID, r->id, sizeof r->id, &r->id_length);
	} else if (message.exchange_type == QUICK_MODE) {
		read_quick(r, &message);
	}
}

static void read_capture(const struct genuine *g, struct reading *r)
{
	char path[256], error[CAPTURE_ERROR_MAX];
	uint8_t cookie[8];
	struct capture_reader *reader;
	struct capture_packet packet;

	snprintf(path, sizeof path, "../shared/captures/apple/%s-client.pcap", g->name);
	hex(g->cookie, cookie);
	reader = capture_open(path, error);
	assert_non_null(reader);
	while (capture_next(reader, &packet, error) == CAPTURE_PACKET) {
		uint8_t copy[MESSAGE_MAX], *message;
		struct packet_udp udp;
		size_t length;

		if (!packet.ip || packet_parse_udp(packet.ip, packet.ip_length, &udp) != PACKET_UDP ||
		    !packet_ike_message(&udp, &message, &length) || length > sizeof copy)
			continue;
		memcpy(copy, message, length);
		read_one(r, cookie, copy, length);
	}
	capture_close(reader);
}

static void begin(struct reading *r, const char *key)
{
	*r = (struct reading){.crypto = crypto_new()};
	r->keys = (struct keys){.suite = {ISAKMP_CIPHER_3DES_CBC, ISAKMP_HASH_SHA1, 5, 0},
				.hash_length = 20,
				.block_length = 8,
				.key_length = 24};
	hex(key, r->keys.key);
}

static void check_end(struct reading *r, const struct genuine *g)
{
	uint8_t id[8];

	assert_int_equal(r->phase1_read, 2);
	assert_true(r->quick_read >= g->quick);
	assert_int_equal(r->id_length, sizeof id);
	hex(g->id, id);
	assert_memory_equal(r->id, id, sizeof id);
	crypto_free(r->crypto);
}

static void genuine_captures(void **state)
{
	(void)state;
	if (access("../shared/captures/apple", R_OK) != 0)
		skip();
	for (size_t i = 0; i < sizeof genuine / sizeof *genuine; i++) {
		struct reading r;

		begin(&r, genuine[i].key);
		read_capture(&genuine[i], &r);
		check_end(&r, &genuine[i]);
	}
}

static const struct genuine *find_genuine(const char *name)
{
	for (size_t i = 0; i < sizeof genuine / sizeof *genuine; i++)
		if (!strcmp(genuine[i].name, name))
			return &genuine[i];
	fail();
	return NULL;
}

/* The exchanges that were taken from them, each message and its plaintext, which another program has computed. */
static void genuine_exchanges(void **state)
{
	static char line[2 * MESSAGE_MAX + 16];
	static uint8_t data[MESSAGE_MAX], plain[MESSAGE_MAX];
	FILE *file = fopen("tests/vectors/ike/apple-keys.txt", "r");
	const struct genuine *g = NULL;
	unsigned exchanges = 0, plains = 0;
	struct reading r;
	uint8_t cookie[8];

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "exchange ", 9)) {
			if (g)
				check_end(&r, g);
			g = find_genuine(line + 9);
			hex(g->cookie, cookie);
			exchanges++;
		} else if (!strncmp(line, "key ", 4)) {
			begin(&r, line + 4);
		} else if (!strncmp(line, "message ", 8)) {
			hex(line + 8, data);
			read_one(&r, cookie, data, strlen(line + 8) / 2);
		} else if (!strncmp(line, "plain ", 6)) {
			hex(line + 6, plain);
			assert_memory_equal(data + ISAKMP_HEADER_LEN, plain, strlen(line + 6) / 2);
			plains++;
		}
	}
	fclose(file);
	assert_non_null(g);
	check_end(&r, g);
	assert_int_equal(exchanges, sizeof genuine / sizeof *genuine);
	assert_int_equal(plains, 28);
}

/* Computed by the test client's formula for the primes. */
static void public_values(void **state)
{
	static const struct {
		unsigned group;
		const char *first; /* of 2^secret mod p */
	} known[] = {
		{1, "2002119f47b6ef040d0c814d13a0743c"},
		{2, "457120764f3a1e6fd58103e41a4093a6"},
		{5, "c49abe8aa5377f182061fda2a016cd36"},
		{14, "ce8736a3ad7c8260e0c5e5a457931ad1"},
	};
	uint8_t secret[DH_SECRET_LEN], value[DH_LENGTH_MAX], first[16];
	struct dh *dh = dh_new();

	(void)state;
	assert_non_null(dh);
	for (unsigned i = 0; i < DH_SECRET_LEN; i++)
		secret[i] = (uint8_t)(i + 1);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		assert_true(dh_public(dh, known[i].group, secret, value));
		hex(known[i].first, first);
		assert_memory_equal(value, first, sizeof first);
	}
	assert_int_equal(dh_length(3), 0);
	assert_false(dh_public(dh, 3, secret, value));
	dh_free(dh);
}

static void ranges(void **state)
{
	struct dh *dh = dh_new();
	uint8_t secret[DH_SECRET_LEN] = {1}, value[DH_LENGTH_MAX + 1] = {0}, shared[DH_LENGTH_MAX];

	(void)state;
	assert_false(dh_in_range(dh, 2, value, 0));
	assert_false(dh_in_range(dh, 2, value, 128)); /* 0 */
	value[127] = 1;
	assert_false(dh_in_range(dh, 2, value, 128)); /* 1 */
	assert_false(dh_shared(dh, 2, secret, value, 128, shared));
	value[127] = 2;
	assert_true(dh_in_range(dh, 2, value, 128));
	assert_false(dh_in_range(dh, 2, value, 129)); /* longer than the prime */
	memset(value, 0xff, 128);
	assert_false(dh_in_range(dh, 2, value, 128)); /* above the prime */
	value[0] = 0x7f;
	assert_true(dh_in_range(dh, 2, value, 128));
	assert_true(dh_in_range(dh, 2, value + 1, 127)); /* a short one */
	dh_free(dh);
}

static void suites(void **state)
{
	struct keys_suite out[OFFER_SUITES_MAX];
	char text[OFFER_TEXT_MAX];
	const char *bad;
	size_t count, length;

	(void)state;
	assert_true(offer_parse("aes256-sha2_256-modp2048, 3des-md5-modp768", out, &count, &bad, &length));
	assert_int_equal(count, 2);
	assert_string_equal(offer_suite_text(&out[0], text), "aes256-sha2_256-modp2048");
	assert_string_equal(offer_suite_text(&out[1], text), "3des-md5-modp768");
	for (const char *const *p = (const char *const[]){"", "aes", "aes256-sha1", "aes256-sha1-modp4096",
							  "des-sha1-modp1024", "3des-sha1-modp1024,",
							  "3des-sha1-modp1024-x", NULL};
	     *p; p++)
		assert_false(offer_parse(*p, out, &count, &bad, &length));
}

/* Every phase-1 SA payload that is made is read again as it was meant, and not at any truncation. */
static void offers(void **state)
{
	struct keys_suite suites_in[OFFER_SUITES_MAX];
	const char *bad;
	size_t count, length;
	uint8_t body[1024];
	struct offer offer;

	(void)state;
	assert_true(offer_parse("aes256-sha2_256-modp2048,3des-md5-modp768,aes128-sha1-modp1024", suites_in,
				&count, &bad, &length));
	length = offer_write(suites_in, count, 100000, body, sizeof body);
	assert_true(offer_read((struct bytes){body, length}, &offer));
	assert_int_equal(offer.count, count);
	for (unsigned i = 0; i < count; i++) {
		assert_true(offer_same_suite(&offer.transform[i].suite, &suites_in[i]));
		assert_int_equal(offer.transform[i].life_s, 100000);
		assert_int_equal(offer.transform[i].authentication, OFFER_PRE_SHARED_KEY);
	}
	for (size_t cut = 0; cut < length; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);

		memcpy(copy, body, cut);
		assert_false(offer_read((struct bytes){copy, cut}, &offer));
		free(copy);
		assert_int_equal(offer_write(suites_in, count, 100000, body, cut), 0);
		offer_write(suites_in, count, 100000, body, sizeof body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(genuine_exchanges),
		cmocka_unit_test(genuine_captures),
		cmocka_unit_test(public_values),
		cmocka_unit_test(ranges),
		cmocka_unit_test(suites),
		cmocka_unit_test(offers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
