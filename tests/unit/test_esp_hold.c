/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/daemon/esp_hold: what waits, in which order it goes on, and how long it does at most. The queue, the kernel's set, the clock and
 * the event loop are played by this file; the packets are those of tests/vectors/esp. */
#include "shim/daemon/esp_hold.h"

#include "nfq/packet.h"
#include "tests/unit/checksum.h"
#include "tests/unit/one_timer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RELEASED_MAX = 2048, ESP_MAX = 512, AROUND = 28 /* bytes: IP and UDP header */ };

static struct pending_sas *pending;
static struct esp_hold *esp_hold;
static struct endpoint client, server, stranger;
static const uint8_t spi[4] = {0x12, 0x34, 0xab, 0xcd}, other_spi[4] = {9, 9, 9, 9};
static struct esp_sa before, after;
static uint8_t sealed[ESP_MAX], resealed[ESP_MAX], vector_iv[ESP_BLOCK_MAX];
static size_t esp_length;

/* What the module under test is given in place of the real thing. */

static unsigned in_set, released_count;
static struct {
	uint32_t id;
	enum nfq_verdict verdict;
	uint8_t data[ESP_MAX + AROUND];
} released[RELEASED_MAX];

void nfq_queue_release(struct nfq_queue *queue, uint32_t id, enum nfq_verdict verdict, const uint8_t *data,
		       size_t length)
{
	(void)queue;
	assert_true(released_count < RELEASED_MAX && length <= sizeof released->data);
	released[released_count].id = id;
	released[released_count].verdict = verdict;
	memcpy(released[released_count++].data, data, length);
}

void nfq_queue_send(struct nfq_queue *queue)
{
	(void)queue;
}

int rules_nft_set_add(struct rules_nft *nft, enum rules_set set, const void *key, size_t length,
		      unsigned timeout_s)
{
	(void)nft;
	(void)key;
	assert_int_equal(set, RULES_SET_HELD);
	assert_int_equal(length, 4);
	assert_true(timeout_s > 0);
	in_set++;
	return 0;
}

int rules_nft_set_delete(struct rules_nft *nft, enum rules_set set, const void *key, size_t length)
{
	(void)nft;
	(void)set;
	(void)key;
	(void)length;
	in_set--;
	return 0;
}

static bool iv_of_the_vector(void *ctx, uint8_t *out, size_t length)
{
	(void)ctx;
	memcpy(out, vector_iv, length);
	return true;
}

/* The first vector: AES-128 and HMAC-MD5. */

static size_t hex(const char *text, uint8_t *out, size_t capacity)
{
	size_t length = 0;
	unsigned byte;

	while (length < capacity && sscanf(text + 2 * length, "%2x", &byte) == 1)
		out[length++] = (uint8_t)byte;
	return length;
}

static int load(void **state)
{
	FILE *f = fopen("tests/vectors/esp/packets.txt", "r");
	char line[8192], word[9][1024];

	(void)state;
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	assert_int_equal(fscanf(f, "%63s %63s %zu %1023s %1023s %1023s %1023s %1023s %1023s %1023s",
				before.cipher, before.auth, &before.icv_length, word[0], word[1], word[2],
				word[3], word[4], word[5], word[6]),
			 10);
	fclose(f);
	after = before;
	before.key_length = after.key_length = hex(word[0], before.key, sizeof before.key);
	before.auth_key_length = after.auth_key_length =
		hex(word[1], before.auth_key, sizeof before.auth_key);
	hex(word[2], after.key, sizeof after.key);
	hex(word[3], after.auth_key, sizeof after.auth_key);
	hex(word[4], vector_iv, sizeof vector_iv);
	esp_length = hex(word[5], sealed, sizeof sealed);
	assert_int_equal(hex(word[6], resealed, sizeof resealed), esp_length);
	assert_true(endpoint_parse("198.51.100.7:1025", &client) &&
		    endpoint_parse("203.0.113.1:4500", &server) &&
		    endpoint_parse("198.51.100.8:1025", &stranger));
	return 0;
}

static int begin(void **state)
{
	(void)state;
	now_ms = 1000000;
	in_set = released_count = 0;
	pending = pending_sas_new();
	assert_non_null(pending);
	esp_hold = esp_hold_new(NULL, pending, iv_of_the_vector, NULL);
	assert_non_null(esp_hold);
	assert_int_equal(esp_hold_start(esp_hold, (struct nfq_queue *)(uintptr_t)1, NULL), 0);
	return 0;
}

static void pass(unsigned ms)
{
	for (unsigned i = 0; i < ms && timer.pending; i += 20) {
		now_ms += 20;
		timer.call(-1, 0, timer.ctx);
	}
}

static int end(void **state)
{
	(void)state;
	pass(20000);
	assert_int_equal(in_set, 0);
	assert_false(timer.pending);
	assert_null(pending_sas_next(pending, NULL));
	esp_hold_free(esp_hold);
	pending_sas_free(pending);
	return 0;
}

static enum nfq_verdict send_to(const struct endpoint *to, const uint8_t *esp, uint32_t id, uint8_t *out)
{
	uint8_t data[ESP_MAX + AROUND];
	struct nfq_packet packet = {
		.queue = (struct nfq_queue *)(uintptr_t)1, .id = id, .data = data, .hook = NFQ_POSTROUTING};
	enum nfq_verdict verdict;

	packet.length = packet_build_udp(data, sizeof data, &server, to, esp, esp_length);
	assert_true(packet.length > 0);
	verdict = esp_hold_packet(esp_hold, &packet);
	if (out)
		memcpy(out, data, packet.length);
	return verdict;
}

/* The same SPI, in an inbound packet, which anybody can forge. */
static enum nfq_verdict receive_from(const struct endpoint *from, uint32_t id)
{
	uint8_t data[ESP_MAX + AROUND];
	struct nfq_packet packet = {
		.queue = (struct nfq_queue *)(uintptr_t)1, .id = id, .data = data, .hook = NFQ_PREROUTING};

	packet.length = packet_build_udp(data, sizeof data, from, &server, sealed, esp_length);
	assert_true(packet.length > 0);
	return esp_hold_packet(esp_hold, &packet);
}

static void check_resealed(const uint8_t *packet)
{
	uint8_t copy[ESP_MAX + AROUND];
	struct packet_udp udp;

	memcpy(copy, packet, AROUND + esp_length);
	assert_memory_equal(copy + AROUND, resealed, esp_length);
	assert_int_equal(packet_parse_udp(copy, AROUND + esp_length, &udp), PACKET_UDP);
	assert_true(packet_checksum_ok(&udp));
}

/* libreswan: installed, sealed with, exchanged; then the client is ready. */
static void in_order(void **state)
{
	uint8_t packet[ESP_MAX + AROUND];

	(void)state;
	assert_int_equal(send_to(&client, sealed, 1, NULL), NFQ_AS_IT_WAS);
	esp_hold_expect(esp_hold, &client, &client, spi);
	assert_int_equal(in_set, 1);
	assert_int_equal(receive_from(&stranger, 2), NFQ_AS_IT_WAS);
	assert_int_equal(send_to(&client, sealed, 3, NULL), NFQ_HELD);
	esp_hold_rekeyed(esp_hold, &client, spi, &before, &after);
	assert_int_equal(send_to(&client, resealed, 4, NULL), NFQ_HELD);
	assert_int_equal(send_to(&client, sealed, 5, NULL), NFQ_HELD);
	assert_int_equal(released_count, 0);
	esp_hold_ready(esp_hold, &client, spi, 0);
	assert_int_equal(released_count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(released[i].id, 3 + i);
		assert_int_equal(released[i].verdict, i == 1 ? NFQ_AS_IT_WAS : NFQ_CHANGED);
		check_resealed(released[i].data);
	}
	/* What was under way goes on at once, for a while. */
	assert_int_equal(send_to(&client, sealed, 6, packet), NFQ_CHANGED);
	check_resealed(packet);
	assert_int_equal(send_to(&client, resealed, 7, NULL), NFQ_AS_IT_WAS);
	pass(1500);
	assert_int_equal(in_set, 0);
	assert_false(timer.pending);
	assert_int_equal(send_to(&client, sealed, 8, NULL), NFQ_AS_IT_WAS);
	assert_int_equal(esp_hold_stats(esp_hold).held, 3);
	assert_int_equal(esp_hold_stats(esp_hold).resealed, 3);
}

/* strongSwan: the client is ready before the server has its SA. */
static void ready_first(void **state)
{
	(void)state;
	esp_hold_expect(esp_hold, &client, &client, spi);
	esp_hold_ready(esp_hold, &client, spi, 0);
	assert_int_equal(send_to(&client, sealed, 1, NULL), NFQ_HELD);
	pass(200);
	assert_int_equal(released_count, 0);
	esp_hold_rekeyed(esp_hold, &client, spi, &before, &after);
	assert_int_equal(released_count, 1);
	assert_int_equal(released[0].verdict, NFQ_CHANGED);
}

/* The server began: the client is ready a little later. */
static void ready_later(void **state)
{
	(void)state;
	esp_hold_expect(esp_hold, &client, &client, spi);
	esp_hold_rekeyed(esp_hold, &client, spi, &before, &after);
	esp_hold_ready(esp_hold, &client, spi, 100);
	assert_int_equal(send_to(&client, resealed, 1, NULL), NFQ_HELD);
	pass(80);
	assert_int_equal(released_count, 0);
	pass(40);
	assert_int_equal(released_count, 1);
}

/* Nothing waits for longer than two seconds, whatever does not come. */
static void not_for_ever(void **state)
{
	(void)state;
	esp_hold_expect(esp_hold, &client, &client, spi);
	pass(3000);
	assert_int_equal(send_to(&client, sealed, 1, NULL), NFQ_HELD);
	pass(1900);
	assert_int_equal(send_to(&client, sealed, 2, NULL), NFQ_HELD);
	pass(200);
	assert_int_equal(released_count, 2);
	assert_int_equal(released[0].verdict, NFQ_AS_IT_WAS);
	assert_int_equal(send_to(&client, sealed, 3, NULL), NFQ_AS_IT_WAS);
	pass(6000);
	assert_int_equal(in_set, 0);
}

/* One client has half of the places for packets and 32 of those for SAs; what finds no room goes on as it is. */
static void bounds_of_a_client(void **state)
{
	(void)state;
	esp_hold_expect(esp_hold, &client, &client, spi);
	for (uint32_t i = 0; i < 512; i++)
		assert_int_equal(send_to(&client, sealed, i, NULL), NFQ_HELD);
	assert_int_equal(send_to(&client, sealed, 512, NULL), NFQ_AS_IT_WAS);
	/* A second client: half of the rest, and so on. */
	esp_hold_expect(esp_hold, &stranger, &stranger, spi);
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(send_to(&stranger, sealed, i, NULL), NFQ_HELD);
	assert_int_equal(send_to(&stranger, sealed, 256, NULL), NFQ_AS_IT_WAS);
	for (uint32_t i = 0; i < 31; i++) {
		const uint8_t many[4] = {1, 0, 0, (uint8_t)i};

		esp_hold_expect(esp_hold, &client, &client, many);
		esp_hold_expect(esp_hold, &client, &client, many); /* a second time is no other one */
	}
	assert_int_equal(in_set, 33);
	esp_hold_ready(esp_hold, &client, other_spi, 0); /* of none that is known */
	esp_hold_rekeyed(esp_hold, &server, spi, &before, &after);
	assert_int_equal(released_count, 0);
	esp_hold_expect(esp_hold, &client, &client, other_spi); /* in the place of its oldest */
	assert_int_equal(in_set, 33);
	assert_int_equal(released_count, 512);
	assert_int_equal(send_to(&stranger, sealed, 2, NULL), NFQ_HELD); /* there are more free places now */
}

/* Many clients with 32 SAs each: the table is full, and one that has a single SA keeps it. */
static void bounds_of_all(void **state)
{
	(void)state;
	esp_hold_expect(esp_hold, &client, &client, spi);
	for (uint32_t i = 0; i < 300; i++) {
		struct endpoint other = stranger;
		const uint8_t many[4] = {2, 0, (uint8_t)(i >> 8), (uint8_t)i};

		other.port = (uint16_t)(2000 + i % 10);
		esp_hold_expect(esp_hold, &other, &other, many);
	}
	assert_int_equal(in_set, 256);
	assert_int_equal(send_to(&client, sealed, 1, NULL), NFQ_HELD);
}

/* The rules were removed by another program and are back, with empty sets: the SAs are in theirs again, and their packets wait. */
static void rules_reinstalled(void **state)
{
	(void)state;
	esp_hold_expect(esp_hold, &client, &client, spi);
	esp_hold_expect(esp_hold, &client, &server, other_spi);
	in_set = 0;
	esp_hold_fill_set(esp_hold);
	assert_int_equal(in_set, 2);
	assert_int_equal(send_to(&client, sealed, 1, NULL), NFQ_HELD);
}

/* While the queue is drained nothing is held; what is expected then waits again. */
static void paused(void **state)
{
	(void)state;
	esp_hold_expect(esp_hold, &client, &client, spi);
	assert_int_equal(send_to(&client, sealed, 1, NULL), NFQ_HELD);
	esp_hold_pause(esp_hold, true);
	assert_int_equal(released_count, 1);
	assert_int_equal(send_to(&client, sealed, 2, NULL), NFQ_AS_IT_WAS);
	esp_hold_pause(esp_hold, false);
	assert_int_equal(send_to(&client, sealed, 3, NULL), NFQ_HELD);
	esp_hold_rekeyed(esp_hold, &client, spi, &before, &after);
	esp_hold_ready(esp_hold, &client, spi, 0);
	assert_int_equal(released_count, 2);
	assert_int_equal(released[1].verdict, NFQ_CHANGED);
}

/* The SA that came under the expected SPI is another's: his packets go on at once, as they are, and no more of them come up. */
static void of_another(void **state)
{
	(void)state;
	esp_hold_expect(esp_hold, &client, &client, spi);
	assert_int_equal(send_to(&client, sealed, 1, NULL), NFQ_HELD);
	assert_int_equal(send_to(&client, sealed, 2, NULL), NFQ_HELD);
	esp_hold_refused(esp_hold, &stranger, spi);
	assert_int_equal(released_count, 0);
	esp_hold_refused(esp_hold, &client, spi);
	assert_int_equal(released_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(released[i].verdict, NFQ_AS_IT_WAS);
		assert_memory_equal(released[i].data + AROUND, sealed, esp_length);
	}
	assert_int_equal(in_set, 0);
	assert_int_equal(send_to(&client, sealed, 3, NULL), NFQ_AS_IT_WAS);
	esp_hold_refused(esp_hold, &client, spi); /* a second time is nothing */
	assert_int_equal(in_set, 0);
}

/* This host has an SA towards somebody else with the SPI that a client has named: none of his packets waits, and only the first
 * comes up. */
static void same_spi_elsewhere(void **state)
{
	(void)state;
	esp_hold_expect(esp_hold, &client, &client, spi);
	esp_hold_expect(esp_hold, &client, &client, other_spi);
	assert_int_equal(send_to(&client, sealed, 1, NULL), NFQ_HELD);
	assert_int_equal(send_to(&stranger, sealed, 2, NULL), NFQ_AS_IT_WAS);
	assert_int_equal(in_set, 1); /* the other one alone */
	assert_int_equal(released_count, 1);
	assert_int_equal(released[0].verdict, NFQ_AS_IT_WAS);
	assert_int_equal(send_to(&client, sealed, 3, NULL), NFQ_AS_IT_WAS);
}

/* The same with a neighbour behind the client's NAT: with aliases both may have that SPI. */
static void same_spi_behind_one_nat(void **state)
{
	struct endpoint neighbour = client;

	(void)state;
	neighbour.port++;
	esp_hold_expect(esp_hold, &client, &client, spi);
	assert_int_equal(send_to(&neighbour, sealed, 1, NULL), NFQ_AS_IT_WAS);
	assert_int_equal(in_set, 0);
	assert_int_equal(send_to(&client, sealed, 2, NULL), NFQ_AS_IT_WAS);
}

static void not_started(void **state)
{
	struct pending_sas *none = pending_sas_new();
	struct esp_hold *idle = esp_hold_new(NULL, none, iv_of_the_vector, NULL);

	(void)state;
	esp_hold_expect(idle, &client, &client, spi);
	assert_int_equal(in_set, 0);
	esp_hold_pause(idle, true);
	esp_hold_free(idle);
	pending_sas_free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, begin, end),
		cmocka_unit_test_setup_teardown(ready_first, begin, end),
		cmocka_unit_test_setup_teardown(ready_later, begin, end),
		cmocka_unit_test_setup_teardown(not_for_ever, begin, end),
		cmocka_unit_test_setup_teardown(bounds_of_a_client, begin, end),
		cmocka_unit_test_setup_teardown(bounds_of_all, begin, end),
		cmocka_unit_test_setup_teardown(rules_reinstalled, begin, end),
		cmocka_unit_test_setup_teardown(paused, begin, end),
		cmocka_unit_test_setup_teardown(of_another, begin, end),
		cmocka_unit_test_setup_teardown(same_spi_elsewhere, begin, end),
		cmocka_unit_test_setup_teardown(same_spi_behind_one_nat, begin, end),
		cmocka_unit_test_setup_teardown(not_started, begin, end),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
