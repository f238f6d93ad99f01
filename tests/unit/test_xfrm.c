/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/stack/xfrm_parse on recorded messages, whole, at every truncation and with every byte changed; shim/stack/ports. */
#include "shim/xfrm/kernel_xfrm.h"
#include "shim/xfrm/ports.h"
#include "shim/xfrm/monitor.h"
#include "tests/unit/xfrm_recorded.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static bool parse(const void *bytes, size_t length, struct xfrm_message *out)
{
	unsigned char *exact = malloc(length ? length : 1);

	memcpy(exact, bytes, length);
	const bool good = xfrm_parse((const struct nlmsghdr *)(void *)exact, length, out);

	free(exact);
	return good;
}

static struct endpoint at(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

static void test_inbound_sa(void **state)
{
	const struct endpoint us = at("203.0.113.1:4500"), peer = at("203.0.113.2:28798");
	struct xfrm_message message;
	struct sa_info sa;

	(void)state;
	assert_true(parse(upd_sa, sizeof upd_sa, &message));
	assert_int_equal(message.kind, XFRM_KIND_SA);
	xfrm_to_sa(&message, false, &sa);
	assert_true(endpoint_equal(&sa.us, &us));
	assert_true(endpoint_equal(&sa.peer, &peer));
	assert_true(message.keyed);
	assert_int_equal(sa.spi, 0x5855dfae);
	assert_int_equal(sa.reqid, 16401);
	assert_int_equal(sa.our_port, 1701);
	assert_int_equal(sa.peer_port, 1701);
	assert_false(sa.outbound);
	assert_int_not_equal(sa.add_time_s, 0);
	assert_true(sa_is_l2tp(&sa));
}

static void test_outbound_sa(void **state)
{
	const struct endpoint us = at("203.0.113.1:4500"), peer = at("203.0.113.2:28798");
	struct xfrm_message message;
	struct sa_info sa;

	(void)state;
	assert_true(parse(new_sa, sizeof new_sa, &message));
	xfrm_to_sa(&message, true, &sa);
	assert_true(endpoint_equal(&sa.us, &us));
	assert_true(endpoint_equal(&sa.peer, &peer));
	assert_int_equal(sa.spi, 0x29825466);
	assert_true(sa.outbound);
	assert_true(sa_is_l2tp(&sa));
}

static void test_policies(void **state)
{
	const struct endpoint us = at("203.0.113.1"), peer = at("203.0.113.2");
	struct xfrm_message message;

	(void)state;
	assert_true(parse(upd_policy_out, sizeof upd_policy_out, &message));
	assert_int_equal(message.kind, XFRM_KIND_POLICY);
	assert_int_equal(message.reqid, 16401);
	assert_int_equal(message.upper_protocol, 17);
	assert_true(message.transport);
	const bool out = message.policy_dir == XFRM_POLICY_OUT;

	assert_true(endpoint_equal(out ? &message.src : &message.dst, &us));
	assert_true(endpoint_equal(out ? &message.dst : &message.src, &peer));
	assert_true(parse(upd_policy_in, sizeof upd_policy_in, &message));
	assert_int_not_equal(message.policy_dir == XFRM_POLICY_OUT, out);
}

/* Messages that no recording has are made of the recorded SA. */
struct built {
	_Alignas(8) unsigned char bytes[1024];
	size_t length;
};

static void begin(struct built *b, uint16_t type)
{
	memset(b, 0, sizeof *b);
	b->length = sizeof(struct nlmsghdr);
	((struct nlmsghdr *)(void *)b->bytes)->nlmsg_type = type;
}

static void append(struct built *b, const void *data, size_t length)
{
	memcpy(b->bytes + b->length, data, length);
	b->length += NLMSG_ALIGN(length);
	((struct nlmsghdr *)(void *)b->bytes)->nlmsg_len = (uint32_t)b->length;
}

static void test_deleted(void **state)
{
	struct xfrm_usersa_id id = {.family = AF_INET};
	struct nlattr attribute = {.nla_type = XFRMA_SA,
				   .nla_len = NLA_HDRLEN + sizeof(struct xfrm_usersa_info)};
	struct xfrm_message message;
	struct built b;

	(void)state;
	begin(&b, XFRM_MSG_DELSA);
	append(&b, &id, sizeof id);
	assert_false(parse(b.bytes, b.length, &message)); /* without the SA it says nothing of use */
	append(&b, &attribute, sizeof attribute);
	append(&b, upd_sa + sizeof(struct nlmsghdr), sizeof(struct xfrm_usersa_info));
	assert_true(parse(b.bytes, b.length, &message));
	assert_int_equal(message.kind, XFRM_KIND_SA_GONE);
	assert_int_equal(message.spi, 0x5855dfae);
	for (size_t cut = 0; cut < b.length; cut++)
		assert_false(parse(b.bytes, cut, &message));
}

static void test_expired(void **state)
{
	struct xfrm_user_expire expire = {.hard = 1};
	struct xfrm_message message;
	struct built b;

	(void)state;
	memcpy(&expire.state, upd_sa + sizeof(struct nlmsghdr), sizeof expire.state);
	begin(&b, XFRM_MSG_EXPIRE);
	append(&b, &expire, sizeof expire);
	assert_true(parse(b.bytes, b.length, &message));
	assert_int_equal(message.kind, XFRM_KIND_SA_GONE);
	assert_int_equal(message.spi, 0x5855dfae);
	expire.hard = 0; /* a soft one is only a warning */
	begin(&b, XFRM_MSG_EXPIRE);
	append(&b, &expire, sizeof expire);
	assert_true(parse(b.bytes, b.length, &message));
	assert_int_equal(message.kind, XFRM_KIND_OTHER);
}

static void test_flush_and_unknown(void **state)
{
	const struct xfrm_usersa_flush flush = {.proto = 50};
	struct xfrm_message message;
	struct built b;

	(void)state;
	begin(&b, XFRM_MSG_FLUSHSA);
	append(&b, &flush, sizeof flush);
	assert_true(parse(b.bytes, b.length, &message));
	assert_int_equal(message.kind, XFRM_KIND_FLUSH);
	begin(&b, XFRM_MSG_REPORT);
	append(&b, &flush, sizeof flush);
	assert_true(parse(b.bytes, b.length, &message));
	assert_int_equal(message.kind, XFRM_KIND_OTHER);
}

static void assert_endpoint(const struct endpoint *is, const char *wanted)
{
	const struct endpoint e = at(wanted);

	assert_true(endpoint_equal(is, &e));
}

/* net/xfrm/xfrm_user.c, build_mapping(). */
static void test_mapping(void **state)
{
	struct xfrm_user_mapping mapping = {.id = {.family = AF_INET, .proto = 50, .spi = htonl(0x12345678)},
					    .reqid = 16385,
					    .old_sport = htons(4501),
					    .new_sport = htons(4502)};
	struct xfrm_message message;
	struct built b;

	(void)state;
	mapping.id.daddr.a4 = htonl(0xcb007101);
	mapping.old_saddr.a4 = htonl(0xc0000207);
	mapping.new_saddr.a4 = htonl(0xc0000208);
	begin(&b, XFRM_MSG_MAPPING);
	append(&b, &mapping, sizeof mapping);
	assert_true(parse(b.bytes, b.length, &message));
	assert_int_equal(message.kind, XFRM_KIND_MAPPING);
	assert_int_equal(message.spi, 0x12345678);
	assert_int_equal(message.protocol, 50);
	assert_endpoint(&message.src, "192.0.2.7:4501");
	assert_endpoint(&message.dst, "203.0.113.1");
	assert_endpoint(&message.from, "192.0.2.8:4502");
	for (size_t cut = 0; cut < b.length; cut++)
		assert_false(parse(b.bytes, cut, &message));
	mapping.id.family = 77;
	begin(&b, XFRM_MSG_MAPPING);
	append(&b, &mapping, sizeof mapping);
	assert_false(parse(b.bytes, b.length, &message));
}

static void test_partly_masked_port_is_none(void **state)
{
	struct xfrm_usersa_info info;
	struct xfrm_message message;
	struct built b;

	(void)state;
	memcpy(&info, upd_sa + sizeof(struct nlmsghdr), sizeof info);
	info.sel.dport_mask = 0x00ff;
	begin(&b, XFRM_MSG_NEWSA);
	append(&b, &info, sizeof info);
	assert_true(parse(b.bytes, b.length, &message));
	assert_int_equal(message.dst_port, 0);
	assert_int_equal(message.src_port, 1701);
	assert_int_equal(message.src.port, 0); /* no encapsulation attribute */
	assert_false(message.keyed);           /* nor keys: still being negotiated */
	info.family = AF_UNIX;
	begin(&b, XFRM_MSG_NEWSA);
	append(&b, &info, sizeof info);
	assert_false(parse(b.bytes, b.length, &message));
}

static const struct {
	const unsigned char *bytes;
	size_t length;
} recorded[] = {
	{new_sa, sizeof new_sa},
	{upd_sa, sizeof upd_sa},
	{upd_policy_out, sizeof upd_policy_out},
	{upd_policy_in, sizeof upd_policy_in},
};

static void test_every_truncation(void **state)
{
	struct xfrm_message message;

	(void)state;
	for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++)
		for (size_t cut = 0; cut < recorded[i].length; cut++) {
			unsigned char copy[1024];

			assert_false(parse(recorded[i].bytes, cut, &message)); /* it claims to be longer */
			if (cut < sizeof(struct nlmsghdr))
				continue;
			memcpy(copy, recorded[i].bytes, cut);
			((struct nlmsghdr *)(void *)copy)->nlmsg_len = (uint32_t)cut;
			parse(copy, cut,
			      &message); /* and now it does not: whatever comes out, within its bounds */
		}
}

static void test_every_byte_changed(void **state)
{
	static const unsigned char changes[] = {0x01, 0x80, 0xff};
	struct xfrm_message message;

	(void)state;
	for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++)
		for (size_t at_byte = 0; at_byte < recorded[i].length; at_byte++)
			for (size_t c = 0; c < sizeof changes; c++) {
				unsigned char copy[1024];

				memcpy(copy, recorded[i].bytes, recorded[i].length);
				copy[at_byte] ^= changes[c];
				parse(copy, recorded[i].length, &message);
			}
}

static void test_port_map(void **state)
{
	enum { REQIDS = 3000 };
	struct port_map map = {.entries = NULL};
	uint16_t port;

	(void)state;
	assert_false(port_map_set(&map, 0, 1));
	assert_false(port_map_get(&map, 7, &port));
	port_map_remove(&map, 7);
	for (uint32_t i = 1; i <= REQIDS; i++)
		assert_true(port_map_set(&map, i * 64, (uint16_t)i));
	for (uint32_t i = 1; i <= REQIDS; i += 3)
		port_map_remove(&map, i * 64);
	port_map_remove(&map, 12345);
	assert_true(port_map_set(&map, 2 * 64, 777)); /* changed */
	for (uint32_t i = 1; i <= REQIDS; i++) {
		assert_int_equal(port_map_get(&map, i * 64, &port), i % 3 != 1);
		if (i % 3 != 1)
			assert_int_equal(port, i == 2 ? 777 : i);
	}
	assert_int_equal(map.count, REQIDS - REQIDS / 3);
	port_map_clear(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inbound_sa),       cmocka_unit_test(test_outbound_sa),
		cmocka_unit_test(test_policies),         cmocka_unit_test(test_deleted),
		cmocka_unit_test(test_expired),          cmocka_unit_test(test_flush_and_unknown),
		cmocka_unit_test(test_mapping),          cmocka_unit_test(test_partly_masked_port_is_none),
		cmocka_unit_test(test_every_truncation), cmocka_unit_test(test_every_byte_changed),
		cmocka_unit_test(test_port_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
