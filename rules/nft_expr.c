/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Items of the ruleset as nf_tables expressions, in the same shape as nft(8) makes them, so that nft lists
 * them in its own words. One function for each kind of item, in a table. Kernel header:
 * linux/netfilter/nf_tables.h. */
#include "rules/nft_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
	UDP_SOURCE = 0, /* bytes */
	UDP_DESTINATION = 2,
	UDP_CHECKSUM = 6,
	IPV4_SOURCE = 12,
	IPV4_DESTINATION = 16,
	IPV6_SOURCE = 8,
	IPV6_DESTINATION = 24,
};

struct builder {
	struct nftnl_rule *rule;
	bool native_queue;
	bool failed; /* out of memory */
};

/* NULL when out of memory; the setters below take that. */
static struct nftnl_expr *put(struct builder *b, const char *name)
{
	struct nftnl_expr *expr = nftnl_expr_alloc(name);

	if (expr)
		nftnl_rule_add_expr(b->rule, expr);
	else
		b->failed = true;
	return expr;
}

static void set_u32(struct nftnl_expr *expr, uint16_t attribute, uint32_t value)
{
	if (expr)
		nftnl_expr_set_u32(expr, attribute, value);
}

static void set_u16(struct nftnl_expr *expr, uint16_t attribute, uint16_t value)
{
	if (expr)
		nftnl_expr_set_u16(expr, attribute, value);
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored                                                                               \
	"-Wanalyzer-malloc-leak" /* "target" keeps and frees what it is given, and gcc can't know that */
#endif
static void set_data(struct builder *b, struct nftnl_expr *expr, uint16_t attribute, const void *data,
		     size_t length)
{
	if (expr && nftnl_expr_set(expr, attribute, data, (uint32_t)length) < 0)
		b->failed = true;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

static void put_compare_as(struct builder *b, enum nft_cmp_ops how, const void *data, size_t length)
{
	struct nftnl_expr *expr = put(b, "cmp");

	set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_CMP_OP, how);
	set_data(b, expr, NFTNL_EXPR_CMP_DATA, data, length);
}

static void put_compare(struct builder *b, const void *data, size_t length)
{
	put_compare_as(b, NFT_CMP_EQ, data, length);
}

static void put_compare_byte(struct builder *b, uint8_t value)
{
	put_compare(b, &value, sizeof(value));
}

static void put_lookup(struct builder *b, const char *set)
{
	struct nftnl_expr *expr = put(b, "lookup");

	set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	set_data(b, expr, NFTNL_EXPR_LOOKUP_SET, set, strlen(set) + 1);
}

static void put_meta(struct builder *b, enum nft_meta_keys key)
{
	struct nftnl_expr *expr = put(b, "meta");

	set_u32(expr, NFTNL_EXPR_META_KEY, key);
	set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void put_payload(struct builder *b, enum nft_payload_bases base, uint32_t offset, uint32_t length,
			enum nft_registers into)
{
	struct nftnl_expr *expr = put(b, "payload");

	set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, into);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, length);
}

static void put_mask(struct builder *b, const void *mask, size_t length)
{
	struct nftnl_expr *expr = put(b, "bitwise");
	static const uint8_t zero[16]; /* as long as the longest mask */

	set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_BITWISE_LEN, (uint32_t)length);
	set_data(b, expr, NFTNL_EXPR_BITWISE_MASK, mask, length);
	set_data(b, expr, NFTNL_EXPR_BITWISE_XOR, zero, length);
}

static void put_immediate(struct builder *b, enum nft_registers into, const void *data, size_t length)
{
	struct nftnl_expr *expr = put(b, "immediate");

	set_u32(expr, NFTNL_EXPR_IMM_DREG, into);
	set_data(b, expr, NFTNL_EXPR_IMM_DATA, data, length);
}

static struct nftnl_expr *put_verdict(struct builder *b, int verdict)
{
	struct nftnl_expr *expr = put(b, "immediate");

	set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	return expr;
}

static void put_family(struct builder *b, uint8_t nfproto)
{
	put_meta(b, NFT_META_NFPROTO);
	put_compare_byte(b, nfproto);
}

static void put_udp(struct builder *b)
{
	put_meta(b, NFT_META_L4PROTO);
	put_compare_byte(b, IPPROTO_UDP);
}

static void put_esp(struct builder *b, const struct rules_item *item)
{
	(void)item;
	put_meta(b, NFT_META_L4PROTO);
	put_compare_byte(b, IPPROTO_ESP);
}

static void put_iif(struct builder *b, const struct rules_item *item)
{
	put_meta(b, NFT_META_IIFNAME);
	put_lookup(b, item->name);
}

static void put_oif(struct builder *b, const struct rules_item *item)
{
	put_meta(b, NFT_META_OIFNAME);
	put_lookup(b, item->name);
}

static void put_port(struct builder *b, const struct rules_item *item)
{
	const uint16_t be = htons((uint16_t)item->value);

	put_udp(b);
	put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER,
		    item->kind == ITEM_UDP_SPORT ? UDP_SOURCE : UDP_DESTINATION, sizeof(be), NFT_REG_1);
	put_compare(b, &be, sizeof(be));
}

static void put_raw(struct builder *b, const struct rules_item *item)
{
	const uint32_t first = item->offset / 8, length = (item->bits + 7U) / 8;
	uint8_t value[8] = {0};

	put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, first, length, NFT_REG_1);
	if (item->bits % 8) {
		const unsigned shift = 8 - item->offset % 8U - item->bits;
		const uint8_t mask = (uint8_t)(((1U << item->bits) - 1) << shift);
		put_mask(b, &mask, sizeof(mask));
		put_compare_byte(b, (uint8_t)(item->value << shift));
		return;
	}
	for (uint32_t i = 0; i < length; i++)
		value[i] = (uint8_t)(item->value >> 8 * (length - 1 - i));
	put_compare(b, value, length);
}

static void put_raw_in(struct builder *b, const struct rules_item *item)
{
	put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, item->offset / 8U, item->bits / 8U, NFT_REG_1);
	put_lookup(b, item->name);
}

static void put_ip_family(struct builder *b, const struct rules_item *item)
{
	put_family(b, item->kind == ITEM_IPV4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
}

static void put_daddr_in(struct builder *b, const struct rules_item *item)
{
	const bool v4 = item->kind == ITEM_DADDR4_IN;

	put_family(b, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, v4 ? IPV4_DESTINATION : IPV6_DESTINATION, v4 ? 4 : 16,
		    NFT_REG_1);
	put_lookup(b, item->name);
}

static void put_saddr4_in(struct builder *b, const struct rules_item *item)
{
	put_family(b, NFPROTO_IPV4);
	put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, IPV4_SOURCE, 4, NFT_REG_1);
	put_lookup(b, item->name);
}

static void put_secpath(struct builder *b, const struct rules_item *item)
{
	put_meta(b, NFT_META_SECPATH);
	put_compare_byte(b, (uint8_t)item->value);
}

static void put_rt_ipsec(struct builder *b, const struct rules_item *item)
{
	struct nftnl_expr *expr = put(b, "rt");

	set_u32(expr, NFTNL_EXPR_RT_KEY, NFT_RT_XFRM);
	set_u32(expr, NFTNL_EXPR_RT_DREG, NFT_REG_1);
	put_compare_byte(b, (uint8_t)item->value);
}

static void put_ct_bit(struct builder *b, uint32_t key, uint32_t bit)
{
	const uint32_t zero = 0;
	struct nftnl_expr *expr = put(b, "ct");

	set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	set_u32(expr, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	put_mask(b, &bit, sizeof(bit));
	put_compare_as(b, NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void put_dnated(struct builder *b, const struct rules_item *item)
{
	(void)item;
	put_ct_bit(b, NFT_CT_STATUS, IPS_DST_NAT);
}

static void put_ct_new(struct builder *b, const struct rules_item *item)
{
	(void)item;
	put_ct_bit(b, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW));
}

static void put_daddr4(struct builder *b, const struct rules_item *item)
{
	put_family(b, NFPROTO_IPV4);
	put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, IPV4_DESTINATION, item->to.addr_len, NFT_REG_1);
	put_compare(b, item->to.addr, item->to.addr_len);
}

static void put_saddr4_net(struct builder *b, const struct rules_item *item)
{
	const uint32_t mask = htonl(item->value ? UINT32_MAX << (32 - item->value) : 0);

	put_family(b, NFPROTO_IPV4);
	put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, IPV4_SOURCE, item->to.addr_len, NFT_REG_1);
	put_mask(b, &mask, sizeof(mask));
	put_compare(b, item->to.addr, item->to.addr_len);
}

static void put_daddr_local(struct builder *b, const struct rules_item *item)
{
	struct nftnl_expr *expr = put(b, "fib");
	const uint32_t local = RTN_LOCAL;

	(void)item;
	set_u32(expr, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	set_u32(expr, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	put_compare(b, &local, sizeof(local));
}

/* The key is made of parts side by side: the address, and the port in a register of its own behind it. Registers of four bytes
 * are counted from the first of them. */
static void put_saddr_port(struct builder *b, bool v4, unsigned address)
{
	put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, v4 ? IPV4_SOURCE : IPV6_SOURCE, v4 ? 4 : 16,
		    address ? NFT_REG32_00 + address : NFT_REG_1);
	put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, UDP_SOURCE, 2, NFT_REG32_00 + address + (v4 ? 1 : 4));
}

static void put_saddr_port_in(struct builder *b, const struct rules_item *item)
{
	const bool v4 = item->kind == ITEM_SADDR4_PORT_IN;

	put_family(b, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	put_udp(b);
	put_saddr_port(b, v4, 0);
	put_lookup(b, item->name);
}

static void put_seen(struct builder *b, const struct rules_item *item)
{
	struct nftnl_expr *expr;

	put_saddr_port(b, item->kind == ITEM_SEEN4, 0);
	expr = put(b, "dynset");
	set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	set_data(b, expr, NFTNL_EXPR_DYNSET_SET_NAME, item->name, strlen(item->name) + 1);
}

static void put_mark(struct builder *b, const struct rules_item *item)
{
	const uint32_t mark = (uint32_t)item->value; /* host order, as the kernel has it */

	put_meta(b, NFT_META_MARK);
	put_compare(b, &mark, sizeof mark);
}

static void put_no_mark(struct builder *b, const struct rules_item *item)
{
	const uint32_t none = 0;
	struct nftnl_expr *expr;

	(void)item;
	put_immediate(b, NFT_REG_1, &none, sizeof none);
	expr = put(b, "meta");
	set_u32(expr, NFTNL_EXPR_META_KEY, NFT_META_MARK);
	set_u32(expr, NFTNL_EXPR_META_SREG, NFT_REG_1);
}

static void put_note(struct builder *b, const struct rules_item *item)
{
	struct nftnl_expr *expr;

	put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, item->offset / 8U, item->bits / 8U, NFT_REG_1);
	expr = put(b, "dynset");
	set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	if (expr && item->value)
		nftnl_expr_set_u64(expr, NFTNL_EXPR_DYNSET_TIMEOUT, item->value * 1000);
	set_data(b, expr, NFTNL_EXPR_DYNSET_SET_NAME, item->name, strlen(item->name) + 1);
}

/* One register of four bytes after the other: address, port where there is one, cookies. */
static void put_address_cookies(struct builder *b, bool source, bool port, const struct rules_item *item)
{
	put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, source ? IPV4_SOURCE : IPV4_DESTINATION, 4, NFT_REG_1);
	if (port)
		put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, source ? UDP_SOURCE : UDP_DESTINATION, 2,
			    NFT_REG32_01);
	put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, item->offset / 8U, item->bits / 8U,
		    port ? NFT_REG32_02 : NFT_REG32_01);
}

static void put_cookies_in(struct builder *b, const struct rules_item *item)
{
	const bool to_flow = item->kind == ITEM_TO_FLOW_IN;

	put_family(b, NFPROTO_IPV4);
	if (to_flow)
		put_udp(b);
	put_address_cookies(b, !to_flow, to_flow, item);
	put_lookup(b, item->name);
}

static void put_note_to(struct builder *b, const struct rules_item *item)
{
	struct nftnl_expr *expr;

	put_address_cookies(b, false, false, item);
	expr = put(b, "dynset");
	set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	set_data(b, expr, NFTNL_EXPR_DYNSET_SET_NAME, item->name, strlen(item->name) + 1);
}

/* The limit is the element's own: one bucket for each address. */
static void put_over(struct builder *b, const struct rules_item *item)
{
	static const uint8_t network[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const bool v4 = item->kind == ITEM_OVER4;
	struct nftnl_expr *expr, *limit;

	put_family(b, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, v4 ? IPV4_SOURCE : IPV6_SOURCE, v4 ? 4 : 16, NFT_REG_1);
	if (!v4)
		put_mask(b, network, sizeof network);
	expr = put(b, "dynset");
	limit = nftnl_expr_alloc("limit");
	if (!expr || !limit) {
		b->failed = true;
		if (limit)
			nftnl_expr_free(limit);
		return;
	}
	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_RATE, item->value);
	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_UNIT, 1); /* second */
	set_u32(limit, NFTNL_EXPR_LIMIT_BURST, item->burst);
	set_u32(limit, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	set_u32(limit, NFTNL_EXPR_LIMIT_FLAGS, NFT_LIMIT_F_INV);
	set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	set_data(b, expr, NFTNL_EXPR_DYNSET_SET_NAME, item->name, strlen(item->name) + 1);
	nftnl_expr_set(expr, NFTNL_EXPR_DYNSET_EXPR, limit, 0); /* it is the dynset's now */
}

/* The value that the map has for what stands in the first register; where it has none, the rule ends. */
static void put_map(struct builder *b, const char *map)
{
	struct nftnl_expr *expr = put(b, "lookup");

	set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1);
	set_data(b, expr, NFTNL_EXPR_LOOKUP_SET, map, strlen(map) + 1);
}

/* Of the SA that the packet came by; where there is none, the rule ends. */
static void put_ipsec_spi(struct builder *b)
{
	struct nftnl_expr *expr = put(b, "xfrm");

	set_u32(expr, NFTNL_EXPR_XFRM_DREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_XFRM_KEY, NFT_XFRM_KEY_SPI);
	set_u32(expr, NFTNL_EXPR_XFRM_SPNUM, 0);
	if (expr)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_XFRM_DIR, XFRM_POLICY_IN);
}

static void put_own_l2tp(struct builder *b, const struct rules_item *item)
{
	const bool v4 = item->kind == ITEM_OWN_L2TP4;

	put_family(b, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	put_udp(b);
	put_ipsec_spi(b);
	put_saddr_port(b, v4, 1);
	put_lookup(b, item->name);
}

/* What comes in has another source, what goes out another destination. The map's value is an address, and a port in the register of four
 * bytes behind it. */
static void put_alias(struct builder *b, const struct rules_item *item)
{
	const bool in = item->kind == ITEM_ALIAS_IN;
	struct nftnl_expr *expr;

	put_family(b, NFPROTO_IPV4);
	put_payload(b, NFT_PAYLOAD_NETWORK_HEADER, in ? IPV4_SOURCE : IPV4_DESTINATION, 4, NFT_REG_1);
	put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, in ? UDP_SOURCE : UDP_DESTINATION, 2, NFT_REG32_01);
	put_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, in ? UDP_DESTINATION : UDP_SOURCE, 2, NFT_REG32_02);
	put_map(b, item->name);
	expr = put(b, "nat");
	set_u32(expr, NFTNL_EXPR_NAT_TYPE, in ? NFT_NAT_SNAT : NFT_NAT_DNAT);
	set_u32(expr, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
	set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG32_01);
	set_u32(expr, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
}

static void put_no_checksum(struct builder *b, const struct rules_item *item)
{
	const uint16_t zero = 0;
	struct nftnl_expr *expr;

	(void)item;
	put_immediate(b, NFT_REG_1, &zero, sizeof(zero));
	expr = put(b, "payload");
	set_u32(expr, NFTNL_EXPR_PAYLOAD_SREG, NFT_REG_1);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, UDP_CHECKSUM);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, sizeof(zero));
	set_u32(expr, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, UDP_CHECKSUM);
	set_u32(expr, NFTNL_EXPR_PAYLOAD_FLAGS, 0);
}

static void put_counter(struct builder *b, const struct rules_item *item)
{
	(void)item;
	put(b, "counter");
}

/* struct xt_NFQ_info_v3, aligned as x_tables wants it; libnftnl frees what it is given. */
static void put_xt_queue(struct builder *b, uint16_t number)
{
	const size_t length = (sizeof(struct xt_NFQ_info_v3) + 7) / 8 * 8;
	struct nftnl_expr *expr = put(b, "target");
	struct xt_NFQ_info_v3 *info = calloc(1, length);

	if (!expr || !info) {
		b->failed = true;
		free(info);
		return;
	}
	info->queuenum = number;
	info->queues_total = 1;
	info->flags = NFQ_FLAG_BYPASS;
	set_data(b, expr, NFTNL_EXPR_TG_NAME, "NFQUEUE", sizeof("NFQUEUE"));
	set_u32(expr, NFTNL_EXPR_TG_REV, 3);
	set_data(b, expr, NFTNL_EXPR_TG_INFO, info, length);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it is libnftnl's now */
}

static void put_queue(struct builder *b, const struct rules_item *item)
{
	struct nftnl_expr *expr;

	if (!b->native_queue) {
		put_xt_queue(b, (uint16_t)item->value);
		return;
	}
	expr = put(b, "queue");
	set_u16(expr, NFTNL_EXPR_QUEUE_NUM, (uint16_t)item->value);
	set_u16(expr, NFTNL_EXPR_QUEUE_TOTAL, 1);
	set_u16(expr, NFTNL_EXPR_QUEUE_FLAGS, NFT_QUEUE_FLAG_BYPASS);
}

static void put_drop(struct builder *b, const struct rules_item *item)
{
	(void)item;
	put_verdict(b, NF_DROP);
}

static void put_accept(struct builder *b, const struct rules_item *item)
{
	(void)item;
	put_verdict(b, NF_ACCEPT);
}

static void put_return(struct builder *b, const struct rules_item *item)
{
	(void)item;
	put_verdict(b, NFT_RETURN);
}

static void put_jump(struct builder *b, const struct rules_item *item)
{
	struct nftnl_expr *expr = put_verdict(b, item->kind == ITEM_GOTO ? NFT_GOTO : NFT_JUMP);

	set_data(b, expr, NFTNL_EXPR_IMM_CHAIN, item->name, strlen(item->name) + 1);
}

static void put_dnat(struct builder *b, const struct rules_item *item)
{
	const uint16_t port = htons(item->to.port);
	struct nftnl_expr *expr;

	put_immediate(b, NFT_REG_1, item->to.addr, item->to.addr_len);
	if (port)
		put_immediate(b, NFT_REG_2, &port, sizeof(port));
	expr = put(b, "nat");
	set_u32(expr, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	set_u32(expr, NFTNL_EXPR_NAT_FAMILY, item->to.addr_len == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	if (port) {
		set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_2);
		set_u32(expr, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
	}
}

/* Without a family it is for both. */
static void put_defragment(struct builder *b, const struct rules_item *item)
{
	const uint16_t port = htons(1);
	struct nftnl_expr *expr;

	(void)item;
	put_udp(b);
	put_immediate(b, NFT_REG_1, &port, sizeof(port));
	expr = put(b, "tproxy");
	set_u32(expr, NFTNL_EXPR_TPROXY_FAMILY, NFPROTO_UNSPEC);
	set_u32(expr, NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_1);
}

static const struct {
	void (*put)(struct builder *b, const struct rules_item *item);
	const char *needs;
} kinds[ITEM_KINDS] = {
	[ITEM_IIF] = {put_iif, NULL},
	[ITEM_OIF] = {put_oif, NULL},
	[ITEM_UDP_SPORT] = {put_port, NULL},
	[ITEM_UDP_DPORT] = {put_port, NULL},
	[ITEM_ESP] = {put_esp, NULL},
	[ITEM_RAW] = {put_raw, NULL},
	[ITEM_RAW_IN] = {put_raw_in, NULL},
	[ITEM_IPV4] = {put_ip_family, NULL},
	[ITEM_IPV6] = {put_ip_family, NULL},
	[ITEM_SADDR4_IN] = {put_saddr4_in, NULL},
	[ITEM_DADDR4_IN] = {put_daddr_in, NULL},
	[ITEM_DADDR6_IN] = {put_daddr_in, NULL},
	[ITEM_SECPATH] = {put_secpath, "XFRM (IPsec)"},
	[ITEM_RT_IPSEC] = {put_rt_ipsec, "XFRM (IPsec)"},
	[ITEM_DNATED] = {put_dnated, "nft_ct"},
	[ITEM_CT_NEW] = {put_ct_new, "nft_ct"},
	[ITEM_DADDR4] = {put_daddr4, NULL},
	[ITEM_DADDR_LOCAL] = {put_daddr_local, "nft_fib_inet"},
	[ITEM_SADDR4_PORT_IN] = {put_saddr_port_in, NULL},
	[ITEM_SADDR6_PORT_IN] = {put_saddr_port_in, NULL},
	[ITEM_OWN_L2TP4] = {put_own_l2tp, "nft_xfrm"},
	[ITEM_OWN_L2TP6] = {put_own_l2tp, "nft_xfrm"},
	[ITEM_SEEN4] = {put_seen, NULL},
	[ITEM_SEEN6] = {put_seen, NULL},
	[ITEM_MARK] = {put_mark, NULL},
	[ITEM_NO_MARK] = {put_no_mark, NULL},
	[ITEM_NOTE] = {put_note, NULL},
	[ITEM_TO_FLOW_IN] = {put_cookies_in, NULL},
	[ITEM_FROM_IN] = {put_cookies_in, NULL},
	[ITEM_NOTE_TO] = {put_note_to, NULL},
	[ITEM_OVER4] = {put_over, "nft_limit"},
	[ITEM_OVER6] = {put_over, "nft_limit"},
	[ITEM_SADDR4_NET] = {put_saddr4_net, NULL},
	[ITEM_ALIAS_IN] = {put_alias, "nft_nat"},
	[ITEM_ALIAS_OUT] = {put_alias, "nft_nat"},
	[ITEM_NO_CHECKSUM] = {put_no_checksum, NULL},
	[ITEM_COUNTER] = {put_counter, NULL},
	[ITEM_QUEUE] = {put_queue, "nft_queue"},
	[ITEM_DROP] = {put_drop, NULL},
	[ITEM_ACCEPT] = {put_accept, NULL},
	[ITEM_RETURN] = {put_return, NULL},
	[ITEM_JUMP] = {put_jump, NULL},
	[ITEM_GOTO] = {put_jump, NULL},
	[ITEM_DNAT] = {put_dnat, "nft_nat"},
	[ITEM_DEFRAGMENT] = {put_defragment, "nft_tproxy"},
};

int rules_nft_put_item(struct nftnl_rule *rule, const struct rules_item *item, bool native_queue)
{
	struct builder b = {.rule = rule, .native_queue = native_queue};

	kinds[item->kind].put(&b, item);
	return b.failed ? -ENOMEM : 0;
}

const char *rules_nft_item_needs(enum rules_item_kind kind, bool native_queue)
{
	return kind == ITEM_QUEUE && !native_queue ? "nft_compat and xt_NFQUEUE" : kinds[kind].needs;
}
