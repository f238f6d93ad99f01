/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/l2tp: the message walker and the repairs of single messages, each also at every truncation. */
#include "shim/l2tp/quirks.h"

#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define HEADER(length) 0xc8, 0x02, 0, length, 0, 0, 0, 0, 0, 0, 0, 0
#define MESSAGE_TYPE(type) 0x80, 8, 0, 0, 0, 0, 0, type
#define PROTOCOL_VERSION 0x80, 8, 0, 0, 0, 2, 1, 0
#define FRAMING 0x80, 10, 0, 0, 0, 3, 0, 0, 0, 3
#define TUNNEL_ID(id) 0x80, 8, 0, 0, 0, 9, 0, id
#define ANONYMOUS 0x80, 15, 0, 0, 0, 7, 'a', 'n', 'o', 'n', 'y', 'm', 'o', 'u', 's'

struct vector {
	const char *name;
	enum l2tp_direction direction;
	enum l2tp_reason reason;
	unsigned edits;
	size_t in_length, out_length;
	uint8_t in[128], out[128];
};

#define BYTES(...) sizeof((const uint8_t[]){__VA_ARGS__})
#define SAME(name, direction, reason, ...)                                                                   \
	{                                                                                                    \
		name, direction, reason, 0, BYTES(__VA_ARGS__), 0, {__VA_ARGS__},                            \
		{                                                                                            \
			0                                                                                    \
		}                                                                                            \
	}

static const struct vector vectors[] = {
	{"SCCRQ without a Host Name",
	 L2TP_TO_LNS,
	 L2TP_REWRITTEN,
	 L2TP_EDIT_HOST_NAME,
	 46,
	 61,
	 {HEADER(46), MESSAGE_TYPE(1), PROTOCOL_VERSION, FRAMING, TUNNEL_ID(9)},
	 {HEADER(61), MESSAGE_TYPE(1), ANONYMOUS, PROTOCOL_VERSION, FRAMING, TUNNEL_ID(9)}},
	{"SCCRQ with an empty Host Name",
	 L2TP_TO_LNS,
	 L2TP_REWRITTEN,
	 L2TP_EDIT_HOST_NAME,
	 52,
	 61,
	 {HEADER(52), MESSAGE_TYPE(1), PROTOCOL_VERSION, FRAMING, 0x80, 6, 0, 0, 0, 7, TUNNEL_ID(9)},
	 {HEADER(61), MESSAGE_TYPE(1), PROTOCOL_VERSION, FRAMING, ANONYMOUS, TUNNEL_ID(9)}},
	{"SCCRQ with a Host Name of one NUL, M bit missing, and bytes behind the message",
	 L2TP_TO_LNS,
	 L2TP_REWRITTEN,
	 L2TP_EDIT_HOST_NAME,
	 38,
	 46,
	 {HEADER(35), MESSAGE_TYPE(1), 0, 7, 0, 0, 0, 7, 0, TUNNEL_ID(9), 'x', 'y', 'z'},
	 {HEADER(43), MESSAGE_TYPE(1), ANONYMOUS, TUNNEL_ID(9), 'x', 'y', 'z'}},
	SAME("SCCRQ with a Host Name", L2TP_TO_LNS, L2TP_ORDINARY, HEADER(36), MESSAGE_TYPE(1), TUNNEL_ID(9),
	     0x80, 8, 0, 0, 0, 7, 'm', 0),
	SAME("SCCRQ with a hidden Host Name", L2TP_TO_LNS, L2TP_ORDINARY, HEADER(34), MESSAGE_TYPE(1),
	     TUNNEL_ID(9), 0xc0, 6, 0, 0, 0, 7),
	{"a vendor's AVP 7 is no Host Name",
	 L2TP_TO_LNS,
	 L2TP_REWRITTEN,
	 L2TP_EDIT_HOST_NAME,
	 36,
	 51,
	 {HEADER(36), MESSAGE_TYPE(1), TUNNEL_ID(9), 0x80, 8, 0, 9, 0, 7, 'm', 'y'},
	 {HEADER(51), MESSAGE_TYPE(1), ANONYMOUS, TUNNEL_ID(9), 0x80, 8, 0, 9, 0, 7, 'm', 'y'}},
	SAME("an SCCRQ from the LNS is not ours", L2TP_TO_CLIENT, L2TP_ORDINARY, HEADER(28), MESSAGE_TYPE(1),
	     TUNNEL_ID(9)),
	/* As published: length 14, result in the host's order, six bytes left over from an older message. */
	{"Apple's StopCCN, Intel",
	 L2TP_TO_LNS,
	 L2TP_REWRITTEN,
	 L2TP_EDIT_RESULT_CODE,
	 42,
	 38,
	 {HEADER(42), MESSAGE_TYPE(4), TUNNEL_ID(9), 0x80, 14, 0, 0, 0, 1, 1, 0, 0x80, 0x0a, 0, 0, 0, 3},
	 {HEADER(38), MESSAGE_TYPE(4), TUNNEL_ID(9), 0x80, 10, 0, 0, 0, 1, 0, 1, 0, 0}},
	{"Apple's StopCCN, PowerPC",
	 L2TP_TO_LNS,
	 L2TP_REWRITTEN,
	 L2TP_EDIT_RESULT_CODE,
	 42,
	 38,
	 {HEADER(42), MESSAGE_TYPE(4), TUNNEL_ID(9), 0x80, 14, 0, 0, 0, 1, 0, 1, 0x80, 0x0a, 0, 0, 0, 3},
	 {HEADER(38), MESSAGE_TYPE(4), TUNNEL_ID(9), 0x80, 10, 0, 0, 0, 1, 0, 1, 0, 0}},
	{"Apple's StopCCN, zeros left over",
	 L2TP_TO_LNS,
	 L2TP_REWRITTEN,
	 L2TP_EDIT_RESULT_CODE,
	 42,
	 38,
	 {HEADER(42), MESSAGE_TYPE(4), TUNNEL_ID(9), 0x80, 14, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0},
	 {HEADER(38), MESSAGE_TYPE(4), TUNNEL_ID(9), 0x80, 10, 0, 0, 0, 1, 0, 6, 0, 0}},
	{"Apple's CDN, AVPs behind it",
	 L2TP_TO_LNS,
	 L2TP_REWRITTEN,
	 L2TP_EDIT_RESULT_CODE,
	 42,
	 38,
	 {HEADER(42), MESSAGE_TYPE(14),
	  0x80,       14,
	  0,          0,
	  0,          1,
	  3,          0,
	  0xff,       0xff,
	  1,          2,
	  3,          4,
	  0x80,       8,
	  0,          0,
	  0,          14,
	  0,          7},
	 {HEADER(38), MESSAGE_TYPE(14), 0x80, 10, 0, 0, 0, 1, 0, 3, 0, 0, 0x80, 8, 0, 0, 0, 14, 0, 7}},
	{"Apple's StopCCN with an error and a message: the message stays",
	 L2TP_TO_LNS,
	 L2TP_REWRITTEN,
	 L2TP_EDIT_RESULT_CODE,
	 39,
	 33,
	 {HEADER(39), MESSAGE_TYPE(4), 0x80, 19, 0, 0, 0, 1, 2, 0, 6, 0, 'b', 'y', 'e', 1, 2, 3, 4, 5, 6},
	 {HEADER(33), MESSAGE_TYPE(4), 0x80, 13, 0, 0, 0, 1, 0, 2, 0, 6, 'b', 'y', 'e'}},
	{"only the byte order is wrong",
	 L2TP_TO_LNS,
	 L2TP_REWRITTEN,
	 L2TP_EDIT_RESULT_CODE,
	 28,
	 28,
	 {HEADER(28), MESSAGE_TYPE(4), 0x80, 8, 0, 0, 0, 1, 1, 0},
	 {HEADER(28), MESSAGE_TYPE(4), 0x80, 8, 0, 0, 0, 1, 0, 1}},
	SAME("StopCCN, result alone", L2TP_TO_LNS, L2TP_ORDINARY, HEADER(28), MESSAGE_TYPE(4), 0x80, 8, 0, 0,
	     0, 1, 0, 1),
	SAME("StopCCN, result and error", L2TP_TO_LNS, L2TP_ORDINARY, HEADER(30), MESSAGE_TYPE(4), 0x80, 10,
	     0, 0, 0, 1, 0, 2, 0, 6),
	SAME("StopCCN, a message of four letters", L2TP_TO_LNS, L2TP_ORDINARY, HEADER(34), MESSAGE_TYPE(4),
	     0x80, 14, 0, 0, 0, 1, 0, 1, 0, 0, 'b', 'y', 'e', '!'),
	SAME("StopCCN, a message in UTF-8 with its NUL", L2TP_TO_LNS, L2TP_ORDINARY, HEADER(35),
	     MESSAGE_TYPE(4), 0x80, 15, 0, 0, 0, 1, 0, 1, 0, 0, 0xe2, 0x82, 0xac, '!', 0),
	SAME("StopCCN, hidden", L2TP_TO_LNS, L2TP_ORDINARY, HEADER(34), MESSAGE_TYPE(4), 0xc0, 14, 0, 0, 0, 1,
	     1, 0, 9, 9, 9, 9, 9, 9),
	SAME("the LNS' StopCCN", L2TP_TO_CLIENT, L2TP_ORDINARY, HEADER(34), MESSAGE_TYPE(4), 0x80, 14, 0, 0,
	     0, 1, 1, 0, 9, 9, 9, 9, 9, 9),
	SAME("ZLB", L2TP_TO_LNS, L2TP_ORDINARY, HEADER(12)),
	SAME("data", L2TP_TO_LNS, L2TP_DATA, 0x40, 2, 0, 10, 0, 1, 0, 2, 0xff, 3),
	SAME("L2TPv3", L2TP_TO_LNS, L2TP_OTHER_VERSION, 0xc8, 3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0),
	SAME("L2F", L2TP_TO_LNS, L2TP_OTHER_VERSION, 0xc8, 1, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0),
	SAME("no Length", L2TP_TO_LNS, L2TP_BAD_HEADER, 0x88, 2, 0, 0, 0, 0, 0, 0, 0, 0),
	SAME("no Ns and Nr", L2TP_TO_LNS, L2TP_BAD_HEADER, 0xc0, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0),
	SAME("an Offset", L2TP_TO_LNS, L2TP_BAD_HEADER, 0xca, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0),
	SAME("Priority", L2TP_TO_LNS, L2TP_BAD_HEADER, 0xc9, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0),
	SAME("Length below the header's", L2TP_TO_LNS, L2TP_BAD_LENGTH, HEADER(11)),
	SAME("Length past the end", L2TP_TO_LNS, L2TP_BAD_LENGTH, HEADER(13)),
	SAME("AVP shorter than its header", L2TP_TO_LNS, L2TP_BAD_AVP, HEADER(26), MESSAGE_TYPE(1), 0x80, 5,
	     0, 0, 0, 7),
	SAME("AVP past the end", L2TP_TO_LNS, L2TP_BAD_AVP, HEADER(26), MESSAGE_TYPE(1), 0x80, 7, 0, 0, 0, 7),
	SAME("half an AVP header", L2TP_TO_LNS, L2TP_BAD_AVP, HEADER(25), MESSAGE_TYPE(1), 0x80, 5, 0, 0, 0),
	SAME("AVP past the message, within the datagram", L2TP_TO_LNS, L2TP_BAD_AVP, HEADER(26),
	     MESSAGE_TYPE(1), 0x80, 8, 0, 0, 0, 7, 'a', 'b'),
	SAME("Message Type is not the first", L2TP_TO_LNS, L2TP_BAD_TYPE, HEADER(28), TUNNEL_ID(9),
	     MESSAGE_TYPE(1)),
	SAME("Message Type of three bytes", L2TP_TO_LNS, L2TP_BAD_TYPE, HEADER(21), 0x80, 9, 0, 0, 0, 0, 0, 1,
	     0),
	SAME("Message Type hidden", L2TP_TO_LNS, L2TP_BAD_TYPE, HEADER(20), 0xc0, 8, 0, 0, 0, 0, 0, 1),
	SAME("unknown type", L2TP_TO_LNS, L2TP_ORDINARY, HEADER(20), MESSAGE_TYPE(99)),
};

static const struct endpoint client = {.addr = {192, 0, 2, 1}, .addr_len = 4, .port = 51701};

/* One message through a fresh table. The buffer is exactly as large as said, so that ASan sees every byte too
 * many. */
static struct l2tp_result run(const uint8_t *in, size_t length, size_t capacity,
			      enum l2tp_direction direction, uint8_t **out)
{
	struct l2tp_table *table = l2tp_table_new(NULL);
	struct l2tp_datagram d = {
		.direction = direction, .client = client, .length = length, .capacity = capacity};
	struct l2tp_result r;

	d.message = malloc(capacity ? capacity : 1);
	if (length)
		memcpy(d.message, in, length);
	if (!capacity) /* a pointer to no byte at all */
		d.message = realloc(d.message, 1), d.message++;
	r = l2tp_translate(table, 1000, &d);
	l2tp_table_free(table);
	assert_int_equal(r.length, d.length);
	assert_true(d.length <= capacity);
	*out = malloc(d.length + 1);
	if (d.length)
		memcpy(*out, d.message, d.length);
	free(capacity ? d.message : d.message - 1);
	return r;
}

static void each_vector(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		bool same = v->reason != L2TP_REWRITTEN;
		uint8_t *out;
		struct l2tp_result r =
			run(v->in, v->in_length, v->in_length + L2TP_GROWTH_MAX, v->direction, &out);

		if (r.reason != v->reason || r.edits != v->edits || r.changed == same)
			fail_msg("%s: reason %s, edits %u", v->name, l2tp_reason_name(r.reason), r.edits);
		assert_int_equal(r.length, same ? v->in_length : v->out_length);
		if (memcmp(out, same ? v->in : v->out, r.length) != 0)
			fail_msg("%s: other bytes than expected", v->name);
		free(out);
	}
}

/* Cut short, a message is untouched and called malformed, with room behind it or without. */
static void every_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		size_t message_length = v->in_length >= 4 ? (size_t)(v->in[2] << 8 | v->in[3]) : 0;

		for (size_t n = 0; n < v->in_length; n++) {
			for (size_t room = 0; room <= L2TP_GROWTH_MAX; room += L2TP_GROWTH_MAX) {
				uint8_t *out;
				struct l2tp_result r = run(v->in, n, n + room, v->direction, &out);

				if (n < message_length && v->reason <= L2TP_ORDINARY)
					assert_true(r.reason == L2TP_SHORT || r.reason == L2TP_BAD_LENGTH);
				if (!r.changed)
					assert_true(r.length == n && !memcmp(out, v->in, n));
				free(out);
			}
		}
	}
}

/* The Length field follows the truncation: what is left is walked to its end. */
static void every_truncation_with_its_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint8_t in[128];

		memcpy(in, vectors[i].in, sizeof(in));
		for (size_t n = L2TP_HEADER_LEN; n <= vectors[i].in_length; n++) {
			struct l2tp_result r;
			uint8_t *out;

			in[2] = 0;
			in[3] = (uint8_t)n;
			r = run(in, n, n, vectors[i].direction, &out);
			if (!r.changed)
				assert_true(r.length == n && !memcmp(out, in, n));
			free(out);
		}
	}
}

static void no_room_to_grow(void **state)
{
	const struct vector *v = &vectors[0];

	(void)state;
	for (size_t room = 0; room < 15; room++) {
		uint8_t *out;
		struct l2tp_result r = run(v->in, v->in_length, v->in_length + room, L2TP_TO_LNS, &out);

		assert_int_equal(r.reason, L2TP_NO_ROOM);
		assert_false(r.changed);
		assert_memory_equal(out, v->in, v->in_length);
		free(out);
	}
}

static void length_field_cannot_overflow(void **state)
{
	static uint8_t big[UINT16_MAX];
	size_t at = 20;
	struct l2tp_result r;
	uint8_t *out;

	(void)state;
	memcpy(big, (const uint8_t[]){0xc8, 2, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, MESSAGE_TYPE(1)}, 20);
	while (at < sizeof(big)) { /* filled with a vendor's AVPs */
		size_t left = sizeof(big) - at, n = left > 1000 ? 500 : left > 500 ? left / 2 : left;

		big[at] = (uint8_t)(n >> 8);
		big[at + 1] = (uint8_t)n;
		big[at + 3] = 9;
		at += n;
	}
	r = run(big, sizeof(big), sizeof(big) + L2TP_GROWTH_MAX, L2TP_TO_LNS, &out);
	assert_int_equal(r.reason, L2TP_NO_ROOM);
	assert_memory_equal(out, big, sizeof(big));
	free(out);
}

static void configured_host_name(void **state)
{
	struct l2tp_config config = {
		.hostname = "a-name-that-is-much-longer-than-the-sixty-four-bytes-there-are-for-it.example"};
	struct l2tp_table *table = l2tp_table_new(&config);
	uint8_t message[128] = {HEADER(28), MESSAGE_TYPE(1), TUNNEL_ID(9)};
	struct l2tp_datagram d = {
		.client = client, .message = message, .length = 28, .capacity = 28 + L2TP_GROWTH_MAX};

	(void)state;
	assert_int_equal(l2tp_translate(table, 0, &d).reason, L2TP_REWRITTEN);
	assert_int_equal(d.length, 28 + L2TP_GROWTH_MAX);
	assert_int_equal(message[21], L2TP_GROWTH_MAX);
	assert_memory_equal(message + 26, config.hostname, L2TP_HOSTNAME_MAX);
	/* Once repaired it is ordinary. */
	assert_int_equal(l2tp_translate(table, 0, &d).reason, L2TP_ORDINARY);
	l2tp_table_free(table);
}

static void repaired_once_is_enough(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		uint8_t *out;
		struct l2tp_result r;

		if (v->reason != L2TP_REWRITTEN)
			continue;
		r = run(v->out, v->out_length, v->out_length + L2TP_GROWTH_MAX, v->direction, &out);
		if (r.changed)
			fail_msg("%s: changed twice", v->name);
		free(out);
	}
}

static void names(void **state)
{
	(void)state;
	for (int i = 0; i < L2TP_REASONS; i++)
		assert_non_null(l2tp_reason_name((enum l2tp_reason)i));
	assert_string_equal(l2tp_reason_name(L2TP_BAD_AVP), "bad_avp");
	assert_string_equal(l2tp_reason_name(L2TP_REASONS), "unknown");
}

/* tcpdump's capture of malformed messages. Its UDP payload is all that is behind the headers. */
static void malformed_capture(void **state)
{
	const char *path = "../shared/captures/l2tp-avp-overflow.pcap";
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const u_char *bytes;
	int malformed = 0, packets = 0;
	pcap_t *pcap;

	(void)state;
	if (access(path, R_OK))
		skip();
	pcap = pcap_open_offline(path, error);
	assert_non_null(pcap);
	while (pcap_next_ex(pcap, &h, &bytes) == 1) {
		for (size_t n = 42; n <= h->caplen; n++) {
			uint8_t *out;
			struct l2tp_result r = run(bytes + 42, n - 42, n - 42, L2TP_TO_LNS, &out);

			assert_false(r.changed);
			assert_memory_equal(out, bytes + 42, n - 42);
			malformed += n == h->caplen && r.reason >= L2TP_OTHER_VERSION;
			free(out);
		}
		packets++;
	}
	pcap_close(pcap);
	assert_true(packets > 5 && malformed > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_vector),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(every_truncation_with_its_length),
		cmocka_unit_test(no_room_to_grow),
		cmocka_unit_test(length_field_cannot_overflow),
		cmocka_unit_test(configured_host_name),
		cmocka_unit_test(repaired_once_is_enough),
		cmocka_unit_test(names),
		cmocka_unit_test(malformed_capture),
	};

	return cmocka_run_group_tests_name("l2tp_message", tests, NULL, NULL);
}
