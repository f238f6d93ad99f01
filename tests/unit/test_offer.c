/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The group of PFS in a Quick Mode's SA payload: changed wherever it stands, also at every truncation of the payload, and refused
 * in a form that such a number has no need of. (The rest of shim/bridge/offer.c is tested by whole exchanges in test_bridge.) */
#include "shim/bridge/offer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* DOI and situation; two ESP proposals with an SPI each, of two transforms and of one. */
static const uint8_t whole[] = {
	0, 0, 0, 1,  0, 0,  0, 1,                                        /* IPsec, identity only */
	2, 0, 0, 44, 1, 3,  4, 2, 0xaa, 0xbb, 0xcc, 0xdd,                /* proposal 1 */
	3, 0, 0, 16, 1, 12, 0, 0, 0x80, 3,    0,    2,    0x80, 4, 0, 2, /* AES, MODP1024 */
	0, 0, 0, 16, 2, 3,  0, 0, 0x80, 4,    0,    2,    0x80, 3, 0, 2, /* 3DES, MODP1024 */
	0, 0, 0, 24, 2, 3,  4, 1, 0x11, 0x22, 0x33, 0x44,                /* proposal 2 */
	0, 0, 0, 12, 1, 3,  0, 0, 0x80, 4,    0,    2,                   /* 3DES, no group */
};
enum { FIRST_GROUP = 31, SECOND_GROUP = 51, FIRST_FORM = 28 };

static bool set_group(const uint8_t *body, size_t length, uint16_t group, uint8_t *out)
{
	uint8_t *copy = malloc(length ? length : 1);
	bool good;

	memcpy(copy, body, length);
	good = offer_set_esp_group(copy, length, group);
	memcpy(out, copy, length);
	free(copy);
	return good;
}

static void everywhere(void **state)
{
	uint8_t out[sizeof whole], wanted[sizeof whole];
	struct offer_esp esp;

	(void)state;
	memcpy(wanted, whole, sizeof whole);
	wanted[FIRST_GROUP] = wanted[SECOND_GROUP] = 14;
	assert_true(set_group(whole, sizeof whole, 14, out));
	assert_memory_equal(out, wanted, sizeof whole);
	assert_true(offer_read_esp((struct bytes){out, sizeof out}, 1, &esp));
	assert_int_equal(esp.group, 14);
	assert_true(offer_read_esp((struct bytes){out, sizeof out}, 2, &esp));
	assert_int_equal(esp.group, 0);
}

static void cut(void **state)
{
	uint8_t out[sizeof whole];

	(void)state;
	for (size_t length = 0; length < sizeof whole; length++)
		assert_false(set_group(whole, length, 14, out));
}

/* A group in the long form, and a payload that is not for IPsec. */
static void other_forms(void **state)
{
	uint8_t changed[sizeof whole], out[sizeof whole];

	(void)state;
	memcpy(changed, whole, sizeof whole);
	changed[FIRST_FORM] = 0; /* now a length of two follows, and two bytes of it */
	assert_false(set_group(changed, sizeof changed, 14, out));
	memcpy(changed, whole, sizeof whole);
	changed[3] = 2;
	assert_false(set_group(changed, sizeof changed, 14, out));
}

/* Both SPIs; one that stands twice is said once; and how many there is room for. */
static void spis(void **state)
{
	enum { HEAD = 8, SECOND = 52, SPI = 8, PROPOSAL = 24, MANY = OFFER_SPIS_MAX + 1 };
	uint8_t changed[sizeof whole], many[HEAD + MANY * PROPOSAL], found[OFFER_SPIS_MAX][4];

	(void)state;
	assert_int_equal(offer_esp_spis((struct bytes){whole, sizeof whole}, found), 2);
	assert_memory_equal(found[0], "\xaa\xbb\xcc\xdd", 4);
	assert_memory_equal(found[1], "\x11\x22\x33\x44", 4);
	memcpy(changed, whole, sizeof whole);
	memcpy(changed + SECOND + SPI, "\xaa\xbb\xcc\xdd", 4);
	assert_int_equal(offer_esp_spis((struct bytes){changed, sizeof changed}, found), 1);
	changed[3] = 2;
	assert_int_equal(offer_esp_spis((struct bytes){changed, sizeof changed}, found), 0);

	memcpy(many, whole, HEAD);
	for (unsigned i = 0; i < MANY; i++) {
		uint8_t *proposal = many + HEAD + (size_t)i * PROPOSAL;

		memcpy(proposal, whole + SECOND, PROPOSAL);
		proposal[0] = i + 1 < MANY ? 2 : 0;
		proposal[SPI] = (uint8_t)i;
	}
	assert_int_equal(offer_esp_spis((struct bytes){many, sizeof many}, found), OFFER_SPIS_MAX + 1);
	many[HEAD + SPI] = 1; /* two are alike now */
	assert_int_equal(offer_esp_spis((struct bytes){many, sizeof many}, found), OFFER_SPIS_MAX);
	assert_int_equal(found[OFFER_SPIS_MAX - 1][0], OFFER_SPIS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spis),
		cmocka_unit_test(everywhere),
		cmocka_unit_test(cut),
		cmocka_unit_test(other_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
