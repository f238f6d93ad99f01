/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts of shim/ike (vendor IDs, names), its bounded table, and its walker at the edges. */
#include "shim/ike/dialect.h"
#include "shim/ike/isakmp.h"
#include "shim/ike/lru.h"
#include "shim/ike/vendor.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void vendor_ids_are_the_md5_of_their_text(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VENDORS; v++) {
		uint8_t md5[EVP_MAX_MD_SIZE];
		unsigned length;

		assert_non_null(vendor_ids[v].text);
		assert_true(EVP_Digest(vendor_ids[v].text, strlen(vendor_ids[v].text), md5, &length,
				       EVP_md5(), NULL));
		assert_int_equal(length, VENDOR_ID_LEN);
		assert_memory_equal(vendor_ids[v].md5, md5, VENDOR_ID_LEN);
		assert_int_equal(vendor_find(md5, VENDOR_ID_LEN), v);
		assert_int_equal(vendor_find(md5, VENDOR_ID_LEN - 1), VENDOR_UNKNOWN);
		md5[VENDOR_ID_LEN - 1] ^= 1;
		assert_int_equal(vendor_find(md5, VENDOR_ID_LEN), VENDOR_UNKNOWN);
	}
}

static void names(void **state)
{
	static const char *const dialects[IKE_DIALECTS] = {"none",     "rfc3947",  "apple",      "tiger-late",
							   "leopard",  "draft-04", "draft-05",   "draft-06",
							   "draft-07", "draft-08", "draft-02/03"};
	enum ike_dialect dialect = IKE_DIALECT_NONE;

	(void)state;
	for (unsigned i = 0; i < IKE_DIALECTS; i++) {
		assert_string_equal(ike_dialect_name((enum ike_dialect)i), dialects[i]);
		assert_true(ike_dialect_parse(dialects[i], &dialect));
		assert_int_equal(dialect, i);
	}
	assert_false(ike_dialect_parse("Apple", &dialect));
	assert_false(ike_dialect_parse("", &dialect));
	for (unsigned i = 0; i < IKE_REASONS; i++)
		assert_non_null(ike_reason_name((enum ike_reason)i));
	assert_string_equal(ike_reason_name(IKE_BAD_LENGTH), "bad_length");
	assert_string_equal(ike_reason_name(IKE_REASONS), "?");
}

/* The bounded table. */

static void lru_evicts_the_least_recently_used(void **state)
{
	struct lru *lru = lru_new(3, 4, sizeof(int), 1000, 42);

	(void)state;
	for (uint32_t key = 1; key <= 3; key++)
		*(int *)lru_put(lru, key, &key) = (int)key * 10;
	assert_non_null(lru_use(lru, 4, &(uint32_t){1}));
	assert_int_equal(*(int *)lru_put(lru, 5, &(uint32_t){4}), 0);
	assert_int_equal(lru_count(lru), 3);
	assert_int_equal(lru_evicted(lru), 1);
	assert_null(lru_find(lru, 5, &(uint32_t){2}));
	assert_int_equal(*(int *)lru_find(lru, 5, &(uint32_t){1}), 10);
	assert_int_equal(*(int *)lru_find(lru, 5, &(uint32_t){3}), 30);
	assert_true(lru_remove(lru, &(uint32_t){3}));
	assert_false(lru_remove(lru, &(uint32_t){3}));
	assert_int_equal(lru_count(lru), 2);
	assert_int_equal(*(int *)lru_put(lru, 6, &(uint32_t){3}), 0);
	assert_int_equal(lru_evicted(lru), 1);
	lru_free(lru);
}

static void lru_forgets_after_its_time(void **state)
{
	struct lru *lru = lru_new(4, 4, sizeof(int), 100, 42);
	uint32_t key = 7;

	(void)state;
	*(int *)lru_put(lru, 1000, &key) = 1;
	assert_non_null(lru_find(lru, 1099, &key));
	assert_null(lru_find(lru, 1100, &key));
	assert_null(lru_use(lru, 1100, &key));
	assert_int_equal(*(int *)lru_put(lru, 1100, &key), 0); /* not what it was */
	assert_int_equal(lru_count(lru), 1);
	lru_expire(lru, 1200);
	assert_int_equal(lru_count(lru), 0);
	assert_int_equal(lru_evicted(lru), 0);
	assert_null(lru_oldest(lru));
	lru_free(lru);
}

static void lru_keeps_the_order_of_time(void **state)
{
	static const int64_t seen[] = {500, 100, 300, 200, 400};
	struct lru *lru = lru_new(5, 4, 0, 1000, 42);
	int64_t last = 0;
	unsigned count = 0;

	(void)state;
	for (uint32_t key = 0; key < 5; key++)
		lru_put(lru, seen[key], &key);
	lru_put(lru, 50, &(uint32_t){0}); /* an older sighting does not make it older */
	for (const void *value = lru_oldest(lru); value; value = lru_newer(value), count++) {
		const uint32_t key = *(const uint32_t *)lru_key(lru, value);

		assert_int_equal(lru_seen_ms(value), seen[key]);
		assert_true(lru_seen_ms(value) > last);
		last = lru_seen_ms(value);
	}
	assert_int_equal(count, 5);
	lru_free(lru);
}

/* Many keys, against a plain array. */
static void lru_under_load(void **state)
{
	enum { KEYS = 1000, CAPACITY = 64, STEPS = 50000 };
	static int64_t last_use[KEYS];
	struct lru *lru = lru_new(CAPACITY, 8, sizeof(uint64_t), INT64_MAX / 2, 1);
	uint32_t random = 1;

	(void)state;
	for (int64_t now = 1; now <= STEPS; now++) {
		random = random * 1664525U + 1013904223U;
		const uint64_t key = (random >> 8) % KEYS;
		uint64_t *value = lru_put(lru, now, &key);

		assert_true(*value == 0 || *value == key + 1);
		*value = key + 1;
		last_use[key] = now;
		assert_true(lru_count(lru) <= CAPACITY);
	}
	for (uint64_t key = 0; key < KEYS; key++) {
		unsigned newer = 0;

		for (unsigned other = 0; other < KEYS; other++)
			newer += last_use[other] > last_use[key];
		assert_int_equal(lru_find(lru, STEPS, &key) != NULL, newer < CAPACITY);
	}
	lru_free(lru);
}

/* The walker. */

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* A header with a chain of equal payloads behind it, flush with its allocation. */
static uint8_t *chain(unsigned payloads, uint8_t type, size_t body, size_t *length)
{
	uint8_t *m;

	*length = ISAKMP_HEADER_LEN + payloads * (4 + body);
	m = calloc(1, *length);
	m[16] = payloads ? type : 0;
	m[17] = 0x10;
	m[18] = ISAKMP_MAIN_MODE;
	put16(m + 26, *length);
	for (unsigned i = 0; i < payloads; i++) {
		m[ISAKMP_HEADER_LEN + i * (4 + body)] = i + 1 < payloads ? type : 0;
		put16(m + ISAKMP_HEADER_LEN + i * (4 + body) + 2, 4 + body);
	}
	return m;
}

static enum isakmp_status read_all(uint8_t *data, size_t length, struct isakmp_message *out)
{
	const enum isakmp_status status = isakmp_read_header(data, length, out);

	return status == ISAKMP_OK ? isakmp_read_payloads(out) : status;
}

static void walker_counts_payloads(void **state)
{
	static const struct {
		unsigned payloads;
		size_t body;
		enum isakmp_status status;
	} cases[] = {
		{0, 0, ISAKMP_OK},
		{1, 0, ISAKMP_OK},
		{2, 20, ISAKMP_OK},
		{ISAKMP_PAYLOADS_MAX, 0, ISAKMP_OK},
		{ISAKMP_PAYLOADS_MAX + 1, 0, ISAKMP_BAD_PAYLOAD},
		{1, 0xfffb, ISAKMP_OK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct isakmp_message message;
		size_t length;
		uint8_t *m = chain(cases[i].payloads, 13, cases[i].body, &length);

		if (length > 0xffff)
			put16(m + 24, length >> 16);
		assert_int_equal(read_all(m, length, &message), cases[i].status);
		if (cases[i].status == ISAKMP_OK)
			assert_int_equal(message.payloads, cases[i].payloads);
		free(m);
	}
}

static void walker_tells_where_types_stand(void **state)
{
	struct isakmp_message message;
	size_t length;
	uint8_t *m = chain(3, 15, 8, &length);

	(void)state;
	assert_int_equal(read_all(m, length, &message), ISAKMP_OK);
	isakmp_set_type(&message, &message.payload[0], 20);
	isakmp_set_type(&message, &message.payload[2], 21);
	assert_int_equal(m[16], 20);
	assert_int_equal(m[28], 15);
	assert_int_equal(m[40], 21);
	assert_int_equal(m[52], 0);
	assert_ptr_equal(isakmp_find(&message, 15), &message.payload[1]);
	assert_null(isakmp_find(&message, 1));
	free(m);
}

static void walker_refuses_bad_lengths(void **state)
{
	static const struct {
		size_t at;
		uint16_t value;
		enum isakmp_status status;
	} cases[] = {
		{26, 0, ISAKMP_BAD_LENGTH},
		{26, 27, ISAKMP_BAD_LENGTH},
		{26, 28, ISAKMP_BAD_PAYLOAD},
		{26, 53, ISAKMP_BAD_LENGTH},
		{24, 0xffff, ISAKMP_BAD_LENGTH},
		{26, 0xffff, ISAKMP_BAD_LENGTH},
		{30, 0, ISAKMP_BAD_PAYLOAD},
		{30, 3, ISAKMP_BAD_PAYLOAD},
		{30, 25, ISAKMP_BAD_PAYLOAD},
		{30, 0xffff, ISAKMP_BAD_PAYLOAD},
		{42, 3, ISAKMP_BAD_PAYLOAD},
		{42, 13, ISAKMP_BAD_PAYLOAD},
		{42, 11, ISAKMP_OK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct isakmp_message message;
		size_t length;
		uint8_t *m = chain(2, 13, 8, &length);

		assert_int_equal(length, 52);
		put16(m + cases[i].at, cases[i].value);
		assert_int_equal(read_all(m, length, &message), cases[i].status);
		free(m);
	}
}

static void bodies_of_other_lengths_are_not_touched(void **state)
{
	static const uint8_t body[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct isakmp_message message;
	size_t length;
	uint8_t *m = chain(2, 15, 200, &length);

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		m[32 + i] = (uint8_t)i;
	assert_int_equal(read_all(m, length, &message), ISAKMP_OK);
	assert_false(isakmp_set_body(&message, &message.payload[0], body, sizeof body));
	assert_true(isakmp_swap_bodies(&message, &message.payload[0], &message.payload[1]));
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(m[32 + i], 0);
		assert_int_equal(m[236 + i], i);
	}
	message.payload[1].body_length--;
	assert_false(isakmp_swap_bodies(&message, &message.payload[0], &message.payload[1]));
	free(m);
}

/* SA payloads: hex, whether they are good, and the hash algorithm of the answer. */
#define SITUATION "0000000100000001"
static const struct {
	const char *what, *hex;
	bool good;
	uint8_t hash;
} sa_cases[] = {
	{"SHA1",
	 SITUATION "00000018"
		   "01010001"
		   "00000010"
		   "01010000"
		   "80010005"
		   "80020002",
	 true, 2},
	{"MD5",
	 SITUATION "00000014"
		   "01010001"
		   "0000000c"
		   "01010000"
		   "80020001",
	 true, 1},
	{"SHA2-512 in the long form",
	 SITUATION "00000016"
		   "01010001"
		   "0000000e"
		   "01010000"
		   "0002000200"
		   "06",
	 true, 6},
	{"long form of no bytes",
	 SITUATION "00000014"
		   "01010001"
		   "0000000c"
		   "01010000"
		   "00020000",
	 true, 0},
	{"a value that is no algorithm",
	 SITUATION "00000014"
		   "01010001"
		   "0000000c"
		   "01010000"
		   "80020102",
	 true, 0},
	{"long form of five bytes",
	 SITUATION "00000019"
		   "01010001"
		   "00000011"
		   "01010000"
		   "000200050000000002",
	 true, 0},
	{"hash told twice",
	 SITUATION "00000018"
		   "01010001"
		   "00000010"
		   "01010000"
		   "80020002"
		   "80020001",
	 true, 0},
	{"no hash",
	 SITUATION "00000014"
		   "01010001"
		   "0000000c"
		   "01010000"
		   "80010005",
	 true, 0},
	{"no attributes",
	 SITUATION "00000010"
		   "01010001"
		   "00000008"
		   "01010000",
	 true, 0},
	{"no transform",
	 SITUATION "00000008"
		   "01010000",
	 true, 0},
	{"an SPI",
	 SITUATION "0000001c"
		   "01010801"
		   "0011223344556677"
		   "0000000c"
		   "01010000"
		   "80020002",
	 true, 2},
	{"two transforms: the first",
	 SITUATION "00000020"
		   "01010002"
		   "0300000c"
		   "01010000"
		   "80020004"
		   "0000000c"
		   "02010000"
		   "80020002",
	 true, 4},
	{"two proposals: the first",
	 SITUATION "02000014"
		   "01010001"
		   "0000000c"
		   "01010000"
		   "80020005"
		   "00000014"
		   "02010001"
		   "0000000c"
		   "01010000"
		   "80020002",
	 true, 5},
	{"bytes after it",
	 SITUATION "00000014"
		   "01010001"
		   "0000000c"
		   "01010000"
		   "80020002"
		   "ffff",
	 true, 2},
	{"another DOI",
	 "0000000200000001"
	 "00000014"
	 "01010001"
	 "0000000c"
	 "01010000"
	 "80020002",
	 false, 0},
	{"another situation",
	 "0000000100000003"
	 "00000014"
	 "01010001"
	 "0000000c"
	 "01010000"
	 "80020002",
	 false, 0},
	{"a transform less than stated",
	 SITUATION "00000014"
		   "01010002"
		   "0300000c"
		   "01010000"
		   "80020002",
	 false, 0},
	{"a transform more than stated",
	 SITUATION "00000014"
		   "01010001"
		   "0300000c"
		   "01010000"
		   "80020002",
	 false, 0},
	{"proposals without end",
	 SITUATION "02000014"
		   "01010001"
		   "0000000c"
		   "01010000"
		   "80020002",
	 false, 0},
	{"an odd next payload",
	 SITUATION "05000014"
		   "01010001"
		   "0000000c"
		   "01010000"
		   "80020002",
	 false, 0},
	{"SPI past the end",
	 SITUATION "00000014"
		   "0101ff01"
		   "0000000c"
		   "01010000"
		   "80020002",
	 false, 0},
	{"attribute past the end",
	 SITUATION "00000014"
		   "01010001"
		   "0000000c"
		   "01010000"
		   "00020001",
	 false, 0},
	{"half an attribute",
	 SITUATION "00000012"
		   "01010001"
		   "0000000a"
		   "01010000"
		   "8002",
	 false, 0},
	{"transform of length 3",
	 SITUATION "00000014"
		   "01010001"
		   "00000003"
		   "01010000"
		   "80020002",
	 false, 0},
	{"proposal past the end",
	 SITUATION "00000018"
		   "01010001"
		   "0000000c"
		   "01010000"
		   "80020002",
	 false, 0},
	{"nothing", "", false, 0},
};

static uint8_t *from_hex(const char *hex, size_t *length)
{
	uint8_t *out;

	*length = strlen(hex) / 2;
	out = malloc(*length);
	for (size_t i = 0; i < *length; i++) {
		const char byte[] = {hex[2 * i], hex[2 * i + 1], '\0'};

		out[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return out;
}

static void sa_payloads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof sa_cases / sizeof *sa_cases; i++) {
		size_t length;
		uint8_t *body = from_hex(sa_cases[i].hex, &length), hash;
		const bool good = isakmp_read_sa(body, length, &hash);

		if (good != sa_cases[i].good || (good && hash != sa_cases[i].hash))
			print_error("SA: %s\n", sa_cases[i].what);
		assert_int_equal(good, sa_cases[i].good);
		if (good)
			assert_int_equal(hash, sa_cases[i].hash);
		free(body);
	}
}

/* Cut short anywhere, none of them is good any more, but for bytes that follow it. */
static void sa_payloads_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof sa_cases / sizeof *sa_cases; i++) {
		size_t whole;
		uint8_t *body = from_hex(sa_cases[i].hex, &whole);

		for (size_t length = 0; length < whole; length++) {
			uint8_t *cut = malloc(length), hash;

			if (length)
				memcpy(cut, body, length);
			const bool good = isakmp_read_sa(cut, length, &hash);

			assert_int_equal(good,
					 !strcmp(sa_cases[i].what, "bytes after it") && length + 2 >= whole);
			free(cut);
		}
		free(body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vendor_ids_are_the_md5_of_their_text),
		cmocka_unit_test(names),
		cmocka_unit_test(lru_evicts_the_least_recently_used),
		cmocka_unit_test(lru_forgets_after_its_time),
		cmocka_unit_test(lru_keeps_the_order_of_time),
		cmocka_unit_test(lru_under_load),
		cmocka_unit_test(walker_counts_payloads),
		cmocka_unit_test(walker_tells_where_types_stand),
		cmocka_unit_test(walker_refuses_bad_lengths),
		cmocka_unit_test(bodies_of_other_lengths_are_not_touched),
		cmocka_unit_test(sa_payloads),
		cmocka_unit_test(sa_payloads_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
