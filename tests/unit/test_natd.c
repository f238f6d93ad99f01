/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAT-D hashes (RFC 3947 section 3.2): every hash algorithm of IKEv1, both address families, and what it does not know. The
 * digests were computed with Python's hashlib. */
#include "shim/ike/natd.h"

#include "shim/ike/isakmp.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t cookies[ISAKMP_COOKIES_LEN] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static struct endpoint endpoint(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

static void assert_hash(struct natd_hasher *hasher, uint8_t algorithm, const char *address, uint16_t port,
			const char *wanted)
{
	const struct endpoint e = endpoint(address);
	uint8_t digest[NATD_HASH_MAX];
	char text[2 * NATD_HASH_MAX + 1] = "";
	const size_t length = natd_hash(hasher, algorithm, cookies, &e, port, digest);

	for (size_t i = 0; i < length; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(text, wanted);
}

static void each_algorithm(void **state)
{
	struct natd_hasher *hasher = natd_hasher_new();

	(void)state;
	assert_non_null(hasher);
	assert_hash(hasher, ISAKMP_HASH_MD5, "192.0.2.1", 500, "8a2775835571bc7ffe85c581f5df4133");
	assert_hash(hasher, ISAKMP_HASH_SHA1, "192.0.2.1", 500, "cbdb568e416b17702d6a3fd9c2b2ba148cfc6944");
	assert_hash(hasher, ISAKMP_HASH_SHA2_256, "192.0.2.1", 500,
		    "6a5ad14a66a4a0a32a363de730a83b1a3f6af3e4e9de1f7122492014e48d7a8a");
	assert_hash(hasher, ISAKMP_HASH_SHA2_384, "192.0.2.1", 500,
		    "6059e2e23423d130dbbe37105aa1d047c39171783a0231dd"
		    "33295372675cb59df730d5eb78948da7dd13c60914839751");
	assert_hash(hasher, ISAKMP_HASH_SHA2_512, "192.0.2.1", 500,
		    "17cb22c1c19e13aedc57ac9ff1f90d81d75c3481667e9c79f323eb2f20c10eb2"
		    "8e421969ae9d475f74e1a2a430b4c1e8a539b88f4204880baf8b19fac1ecea23");
	assert_hash(hasher, ISAKMP_HASH_SHA1, "2001:db8::1", 4500,
		    "d3fcb40e1afa9852938f184400de7841af9cc87c");
	natd_hasher_free(hasher);
}

static void unknown_algorithms(void **state)
{
	struct natd_hasher *hasher = natd_hasher_new();

	(void)state;
	assert_non_null(hasher);
	for (unsigned algorithm = 0; algorithm <= UINT8_MAX; algorithm++)
		if (algorithm != ISAKMP_HASH_MD5 && algorithm != ISAKMP_HASH_SHA1 &&
		    algorithm != ISAKMP_HASH_SHA2_256 && algorithm != ISAKMP_HASH_SHA2_384 &&
		    algorithm != ISAKMP_HASH_SHA2_512)
			assert_hash(hasher, (uint8_t)algorithm, "192.0.2.1", 500, "");
	natd_hasher_free(hasher);
	natd_hasher_free(NULL);
}

/* OpenSSL's memory, and how much more of it there is. */
static unsigned allocations_left = UINT_MAX;

static bool may_allocate(void)
{
	if (!allocations_left)
		return false;
	allocations_left -= allocations_left != UINT_MAX;
	return true;
}

static void *allocate(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return may_allocate() ? malloc(size) : NULL;
}

static void *reallocate(void *old, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return may_allocate() ? realloc(old, size) : NULL;
}

static void release(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	free(memory);
}

/* However little memory there is: no hasher, or one that knows fewer algorithms and never a wrong hash. */
static void without_memory(void **state)
{
	const struct endpoint e = endpoint("192.0.2.1");
	uint8_t digest[NATD_HASH_MAX];
	unsigned none = 0, hashed = 0;

	(void)state;
	for (unsigned left = 0; left < 100; left++) {
		allocations_left = left;
		struct natd_hasher *hasher = natd_hasher_new();

		none += !hasher;
		for (unsigned more = 0; hasher && more < 4; more++) {
			allocations_left = more;
			const size_t length = natd_hash(hasher, ISAKMP_HASH_SHA1, cookies, &e, 500, digest);

			assert_true(length == 0 || (length == 20 && digest[0] == 0xcb));
			hashed += length != 0;
		}
		allocations_left = UINT_MAX;
		natd_hasher_free(hasher);
	}
	assert_true(none > 0 && hashed > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_algorithm),
		cmocka_unit_test(unknown_algorithms),
		cmocka_unit_test(without_memory),
	};

	if (!CRYPTO_set_mem_functions(allocate, reallocate,
				      release)) /* before OpenSSL has allocated anything */
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
