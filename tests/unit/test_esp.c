/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/bridge/esp against packets that the test client's ESP made (tests/vectors/esp/make.py): every algorithm; what is not
 * sealed with the keys, or is damaged at any byte, or cut, stays as it is. */
#include "shim/bridge/esp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PACKET_MAX = 2048, VECTORS_MAX = 256 };

static struct vector {
	struct esp_sa from, to;
	uint8_t iv[ESP_BLOCK_MAX], in[PACKET_MAX], out[PACKET_MAX];
	size_t length;
} * vectors;
static unsigned vector_count;

static size_t hex(const char *text, uint8_t *out, size_t capacity)
{
	size_t length = 0;
	unsigned byte;

	while (length < capacity && sscanf(text + 2 * length, "%2x", &byte) == 1)
		out[length++] = (uint8_t)byte;
	return length;
}

static bool next_word(char **line, const char **word)
{
	*word = strtok_r(NULL, " \n", line);
	return *word != NULL;
}

static void read_vector(char *line, struct vector *v)
{
	const char *word;

	snprintf(v->from.cipher, sizeof v->from.cipher, "%s", strtok_r(line, " \n", &line));
	assert_true(next_word(&line, &word));
	snprintf(v->from.auth, sizeof v->from.auth, "%s", word);
	assert_true(next_word(&line, &word));
	v->from.icv_length = strtoul(word, NULL, 10);
	v->to = v->from;
	for (struct esp_sa *sa = &v->from; sa; sa = sa == &v->from ? &v->to : NULL) {
		assert_true(next_word(&line, &word));
		sa->key_length = hex(word, sa->key, sizeof sa->key);
		assert_true(next_word(&line, &word));
		sa->auth_key_length = hex(word, sa->auth_key, sizeof sa->auth_key);
	}
	assert_true(next_word(&line, &word));
	assert_int_equal(hex(word, v->iv, sizeof v->iv), sizeof v->iv);
	assert_true(next_word(&line, &word));
	v->length = hex(word, v->in, sizeof v->in);
	assert_true(next_word(&line, &word));
	assert_int_equal(hex(word, v->out, sizeof v->out), v->length);
}

static int load(void **state)
{
	static char line[16384];
	FILE *f = fopen("tests/vectors/esp/packets.txt", "r");

	(void)state;
	vectors = calloc(VECTORS_MAX, sizeof *vectors);
	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		if (line[0] != '#' && vector_count < VECTORS_MAX)
			read_vector(line, &vectors[vector_count++]);
	fclose(f);
	assert_true(vector_count >= 100);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	free(vectors);
	return 0;
}

/* The packet in a block that ends where it does. */
static enum esp_outcome reseal(const struct vector *v, const uint8_t *packet, size_t length, uint8_t *out)
{
	uint8_t *copy = malloc(length ? length : 1);
	enum esp_outcome outcome;

	memcpy(copy, packet, length);
	outcome = esp_reseal(&v->from, &v->to, v->iv, copy, length);
	memcpy(out, copy, length);
	free(copy);
	return outcome;
}

static void as_computed(void **state)
{
	static uint8_t out[PACKET_MAX];

	(void)state;
	for (unsigned i = 0; i < vector_count; i++) {
		assert_int_equal(reseal(&vectors[i], vectors[i].in, vectors[i].length, out), ESP_RESEALED);
		assert_memory_equal(out, vectors[i].out, vectors[i].length);
		/* What has the new keys already. */
		assert_int_equal(reseal(&vectors[i], vectors[i].out, vectors[i].length, out), ESP_FOREIGN);
		assert_memory_equal(out, vectors[i].out, vectors[i].length);
	}
}

static void damaged(void **state)
{
	static uint8_t packet[PACKET_MAX], out[PACKET_MAX];

	(void)state;
	for (unsigned i = 0; i < vector_count; i++) {
		const struct vector *v = &vectors[i];

		memcpy(packet, v->in, v->length);
		for (size_t at = 0; at < v->length && v->length < 200; at++) {
			packet[at] ^= 0x10;
			assert_int_equal(reseal(v, packet, v->length, out), ESP_FOREIGN);
			assert_memory_equal(out, packet, v->length);
			packet[at] ^= 0x10;
			assert_int_equal(reseal(v, packet, at, out), ESP_FOREIGN);
		}
	}
}

static void unknown(void **state)
{
	struct vector v = vectors[0];
	uint8_t out[PACKET_MAX];

	(void)state;
	v.to.key_length = 24;
	assert_int_equal(reseal(&v, v.in, v.length, out), ESP_FOREIGN);
	v = vectors[0];
	v.from.icv_length = v.to.icv_length = 0;
	assert_int_equal(reseal(&v, v.in, v.length, out), ESP_FOREIGN);
	v = vectors[0];
	snprintf(v.from.cipher, sizeof v.from.cipher, "rfc4106(gcm(aes))");
	assert_int_equal(reseal(&v, v.in, v.length, out), ESP_FOREIGN);
	memset(&v.from, 0, sizeof v.from);
	assert_int_equal(reseal(&v, v.in, v.length, out), ESP_FOREIGN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_computed),
		cmocka_unit_test(damaged),
		cmocka_unit_test(unknown),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
