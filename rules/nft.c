/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ruleset into the kernel and out of it, and what this kernel can do: whole tables, one batch each time.
 * The errors name the object that the kernel refused, the reason and the mend. */
#include "rules/nft_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	BATCH_SIZE = 128 * 1024, /* bytes: below the default send buffer of a netlink socket */
	UDATA_MAX = 128,
};
#define PROBE_TABLE "natshim_probe"
#define PROBE_SET "probe4"
#define NO_PRIVILEGE "may not change nf_tables: needs CAP_NET_ADMIN; run as root"

/* nft's own numbers for the types of set keys: what it stores in a set, to list it in words. */
enum {
	NFT_TYPE_INTEGER = 4,
	NFT_TYPE_IPV4 = 7,
	NFT_TYPE_IPV6 = 8,
	NFT_TYPE_SERVICE = 13,
	NFT_TYPE_IFNAME = 41,
	NFT_TYPE_BITS = 6, /* of each part of a concatenation */
	NFT_BYTEORDER_HOST = 1,
	NFT_BYTEORDER_BIG_ENDIAN = 2,
	NFT_EXPR_PAYLOAD = 7,
	NFT_PROTO_TRANSPORT = 3,
	NFT_EXPR_CONCATENATION = 13,
	NFT_EXPR_XFRM = 27,
	NFT_HEADER_UDP = 6, /* headers and fields in them */
	NFT_UDP_SPORT = 1,
	NFT_HEADER_IPV4 = 12,
	NFT_IPV4_SADDR = 11,
	NFT_HEADER_IPV6 = 13,
	NFT_IPV6_SADDR = 8,
};

__attribute__((format(printf, 2, 3))) static void explain(char error[static RULES_ERROR_MAX],
							  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, RULES_ERROR_MAX, format, args);
	va_end(args);
}

/* A group to listen to needs privileges of its own; without one the kernel objects at the first batch. */
static int open_socket(struct mnl_socket **out, unsigned groups, char error[static RULES_ERROR_MAX])
{
	const int one = 1, room = RULES_WAITING_SIZE;
	int reason;

	*out = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (*out && mnl_socket_bind(*out, groups, MNL_SOCKET_AUTOPID) == 0) {
		/* Errors need not carry our own message back; where the kernel does not know this, they do.
		 */
		setsockopt(mnl_socket_get_fd(*out), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
		/* For a whole batch of waiting changes; where it is not granted, they go in smaller ones. */
		setsockopt(mnl_socket_get_fd(*out), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
		return 0;
	}
	reason = errno;
	if (reason == EPERM)
		explain(error, NO_PRIVILEGE);
	else
		explain(error, "the kernel gives no netfilter socket: %s; load the module nfnetlink",
			strerror(reason));
	return -reason;
}

/* In the kernel, before they take room: in a flood they are thousands a second, and the kernel lets other processes run
 * before it goes on with what made them when this socket is half full. What comes up all the same is told apart later. */
static void pass_over_own_events(const struct rules_nft *nft)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct nlmsghdr, nlmsg_pid)), /* of the first message: */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(nft->portid), 0,
			 1), /* a commit's messages come together */
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

	setsockopt(mnl_socket_get_fd(nft->events), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int rules_nft_open(struct rules_nft **out, char error[static RULES_ERROR_MAX])
{
	struct rules_nft *nft = calloc(1, sizeof(*nft));
	int result;

	if (!nft) {
		explain(error, "out of memory");
		return -ENOMEM;
	}
	nft->sequence = 1;
	result = open_socket(&nft->socket, 0, error);
	if (result == 0)
		result = open_socket(&nft->events, 1U << (NFNLGRP_NFTABLES - 1), error);
	if (result < 0) {
		rules_nft_close(nft);
		return result;
	}
	nft->portid = mnl_socket_get_portid(nft->socket);
	pass_over_own_events(nft);
	*out = nft;
	return 0;
}

void rules_nft_close(struct rules_nft *nft)
{
	if (!nft)
		return;
	if (nft->events)
		mnl_socket_close(nft->events);
	if (nft->socket)
		mnl_socket_close(nft->socket);
	free(nft);
}

static void add_table(struct rules_nft *nft, struct rules_batch *batch, uint16_t type, const char *name,
		      uint32_t flags)
{
	struct nlmsghdr *m = rules_batch_open(nft, batch, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0,
					      (struct rules_message){.what = "table", .name = name});

	if (!m)
		return;
	mnl_attr_put_strz(m, NFTA_TABLE_NAME, name);
	if (flags)
		mnl_attr_put_u32(m, NFTA_TABLE_FLAGS, htonl(flags));
	rules_batch_close(batch, m);
}

/* No error when it is not there: made first, then taken away. Without flags the first is a no-op on an owned
 * table. */
static void add_table_removal(struct rules_nft *nft, struct rules_batch *batch, const char *name)
{
	add_table(nft, batch, NFT_MSG_NEWTABLE, name, 0);
	add_table(nft, batch, NFT_MSG_DELTABLE, name, 0);
}

/* nft can't list a set of raw payload without knowing the expression that it was declared with. */
static void put_typeof_raw(struct nftnl_udata_buf *udata, uint32_t offset, uint32_t bits)
{
	struct nftnl_udata *key = nftnl_udata_nest_start(udata, NFTNL_UDATA_SET_KEY_TYPEOF);
	struct nftnl_udata *data;

	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_TYPEOF_EXPR, NFT_EXPR_PAYLOAD);
	data = nftnl_udata_nest_start(udata, NFTNL_UDATA_SET_TYPEOF_DATA);
	nftnl_udata_put_u32(udata, 0, 0); /* no protocol */
	nftnl_udata_put_u32(udata, 1, 0); /* no field of it */
	nftnl_udata_put_u32(udata, 2, NFT_PROTO_TRANSPORT);
	nftnl_udata_put_u32(udata, 3, offset);
	nftnl_udata_put_u32(udata, 4, bits);
	nftnl_udata_nest_end(udata, data);
	nftnl_udata_nest_end(udata, key);
}

/* One part of a concatenation: what kind of expression, and its numbers in order. */
static void put_typeof_part(struct nftnl_udata_buf *udata, uint8_t index, uint32_t kind,
			    const uint32_t *numbers, uint8_t count)
{
	struct nftnl_udata *part = nftnl_udata_nest_start(udata, index), *data;

	nftnl_udata_put_u32(udata, 0, kind);
	data = nftnl_udata_nest_start(udata, 1);
	for (uint8_t i = 0; i < count; i++)
		nftnl_udata_put_u32(udata, i, numbers[i]);
	nftnl_udata_nest_end(udata, data);
	nftnl_udata_nest_end(udata, part);
}

/* Nor one that has an SPI in it. */
static void put_typeof_own(struct nftnl_udata_buf *udata, bool v4)
{
	const uint32_t spi[] = {NFT_XFRM_KEY_SPI, 0, 0 /* in */}, sport[] = {NFT_HEADER_UDP, NFT_UDP_SPORT},
		       saddr[] = {v4 ? NFT_HEADER_IPV4 : NFT_HEADER_IPV6,
				  v4 ? NFT_IPV4_SADDR : NFT_IPV6_SADDR};
	struct nftnl_udata *key = nftnl_udata_nest_start(udata, NFTNL_UDATA_SET_KEY_TYPEOF);
	struct nftnl_udata *parts;

	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_TYPEOF_EXPR, NFT_EXPR_CONCATENATION);
	parts = nftnl_udata_nest_start(udata, NFTNL_UDATA_SET_TYPEOF_DATA);
	put_typeof_part(udata, 0, NFT_EXPR_XFRM, spi, 3);
	put_typeof_part(udata, 1, NFT_EXPR_PAYLOAD, saddr, 2);
	put_typeof_part(udata, 2, NFT_EXPR_PAYLOAD, sport, 2);
	nftnl_udata_nest_end(udata, parts);
	nftnl_udata_nest_end(udata, key);
}

/* Nor one with a cookie, or two, behind an IPv4 address. */
static void put_typeof_cookies(struct nftnl_udata_buf *udata, bool port, uint32_t bits)
{
	const uint32_t saddr[] = {NFT_HEADER_IPV4, NFT_IPV4_SADDR}, sport[] = {NFT_HEADER_UDP, NFT_UDP_SPORT},
		       cookies[] = {0, 0, NFT_PROTO_TRANSPORT, 64, bits};
	struct nftnl_udata *key = nftnl_udata_nest_start(udata, NFTNL_UDATA_SET_KEY_TYPEOF);
	struct nftnl_udata *parts;

	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_TYPEOF_EXPR, NFT_EXPR_CONCATENATION);
	parts = nftnl_udata_nest_start(udata, NFTNL_UDATA_SET_TYPEOF_DATA);
	put_typeof_part(udata, 0, NFT_EXPR_PAYLOAD, saddr, 2);
	if (port)
		put_typeof_part(udata, 1, NFT_EXPR_PAYLOAD, sport, 2);
	put_typeof_part(udata, port ? 2 : 1, NFT_EXPR_PAYLOAD, cookies, 5);
	nftnl_udata_nest_end(udata, parts);
	nftnl_udata_nest_end(udata, key);
}

static int put_set_udata(struct nftnl_set *set, enum rules_key key)
{
	struct nftnl_udata_buf *udata = nftnl_udata_buf_alloc(UDATA_MAX);

	if (!udata)
		return -ENOMEM;
	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_KEYBYTEORDER,
			    key == RULES_KEY_IFNAME ? NFT_BYTEORDER_HOST : NFT_BYTEORDER_BIG_ENDIAN);
	if (key == RULES_KEY_COOKIE)
		put_typeof_raw(udata, 64, 64);
	if (key == RULES_KEY_RAW_WORD)
		put_typeof_raw(udata, 0, 32);
	if (key == RULES_KEY_SPI_IPV4_PORT || key == RULES_KEY_SPI_IPV6_PORT)
		put_typeof_own(udata, key == RULES_KEY_SPI_IPV4_PORT);
	if (key == RULES_KEY_IPV4_PORT_COOKIE || key == RULES_KEY_IPV4_COOKIES)
		put_typeof_cookies(udata, key == RULES_KEY_IPV4_PORT_COOKIE,
				   key == RULES_KEY_IPV4_PORT_COOKIE ? 64 : 128);
	nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(udata), nftnl_udata_buf_len(udata));
	nftnl_udata_buf_free(udata);
	return 0;
}

static void put_interfaces(struct nftnl_set *set, const struct ruleset *ruleset, bool *failed)
{
	for (size_t i = 0; i < ruleset->interface_count; i++) {
		struct nftnl_set_elem *elem = nftnl_set_elem_alloc();
		if (!elem) {
			*failed = true;
			return;
		}
		nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, ruleset->interfaces[i], IFNAMSIZ);
		nftnl_set_elem_add(set, elem);
	}
}

static void fill_set(struct nftnl_set *set, const char *table, const struct rules_set_def *def, uint32_t id)
{
	static const uint32_t types[] = {
		[RULES_KEY_IFNAME] = NFT_TYPE_IFNAME,
		[RULES_KEY_IPV4] = NFT_TYPE_IPV4,
		[RULES_KEY_IPV6] = NFT_TYPE_IPV6,
		[RULES_KEY_COOKIE] = NFT_TYPE_INTEGER,
		[RULES_KEY_IPV4_PORT] = NFT_TYPE_IPV4 << NFT_TYPE_BITS | NFT_TYPE_SERVICE,
		[RULES_KEY_IPV6_PORT] = NFT_TYPE_IPV6 << NFT_TYPE_BITS | NFT_TYPE_SERVICE,
		[RULES_KEY_RAW_WORD] = NFT_TYPE_INTEGER,
		[RULES_KEY_SPI_IPV4_PORT] = (NFT_TYPE_INTEGER << NFT_TYPE_BITS | NFT_TYPE_IPV4)
						    << NFT_TYPE_BITS |
					    NFT_TYPE_SERVICE,
		[RULES_KEY_SPI_IPV6_PORT] = (NFT_TYPE_INTEGER << NFT_TYPE_BITS | NFT_TYPE_IPV6)
						    << NFT_TYPE_BITS |
					    NFT_TYPE_SERVICE,
		[RULES_KEY_IPV4_PORT_PORT] = (NFT_TYPE_IPV4 << NFT_TYPE_BITS | NFT_TYPE_SERVICE)
						     << NFT_TYPE_BITS |
					     NFT_TYPE_SERVICE,
		[RULES_KEY_IPV4_PORT_COOKIE] = (NFT_TYPE_IPV4 << NFT_TYPE_BITS | NFT_TYPE_SERVICE)
						       << NFT_TYPE_BITS |
					       NFT_TYPE_INTEGER,
		[RULES_KEY_IPV4_COOKIES] = NFT_TYPE_IPV4 << NFT_TYPE_BITS | NFT_TYPE_INTEGER,
	};
	static const uint32_t data_types[] = {
		[RULES_MAP_IPV4_PORT] = NFT_TYPE_IPV4 << NFT_TYPE_BITS | NFT_TYPE_SERVICE,
	};

	nftnl_set_set_str(set, NFTNL_SET_TABLE, table);
	nftnl_set_set_str(set, NFTNL_SET_NAME, def->name);
	nftnl_set_set_u32(set, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_u32(set, NFTNL_SET_ID, id);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, types[def->key]);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, (uint32_t)ruleset_key_length(def->key));
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS,
			  (def->timed ? NFT_SET_TIMEOUT : 0U) | (def->kernel_filled ? NFT_SET_EVAL : 0U) |
				  (def->map ? NFT_SET_MAP : 0U));
	if (def->map) {
		nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, data_types[def->map]);
		nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN, (uint32_t)ruleset_data_length(def->map));
	}
	if (def->timeout_s)
		nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, (uint64_t)def->timeout_s * 1000);
	if (def->gc_s)
		nftnl_set_set_u32(set, NFTNL_SET_GC_INTERVAL, def->gc_s * 1000);
	if (def->size)
		nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, def->size);
}

static void add_set(struct rules_nft *nft, struct rules_batch *batch, const struct ruleset *ruleset,
		    const char *table, const struct rules_set_def *def, uint32_t id)
{
	const struct rules_message message = {.what = "set", .name = def->name, .table = table};
	struct nftnl_set *set = nftnl_set_alloc();
	struct nlmsghdr *m = NULL;

	if (!set || put_set_udata(set, def->key) < 0) {
		batch->overflow = true;
		goto out;
	}
	fill_set(set, table, def, id);
	m = rules_batch_open(nft, batch, NFT_MSG_NEWSET, NLM_F_CREATE, message);
	if (!m)
		goto out;
	nftnl_set_nlmsg_build_payload(m, set);
	rules_batch_close(batch, m);
	if (def->key != RULES_KEY_IFNAME)
		goto out;
	put_interfaces(set, ruleset, &batch->overflow);
	m = rules_batch_open(nft, batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, message);
	if (!m)
		goto out;
	nftnl_set_elems_nlmsg_build_payload(m, set);
	rules_batch_close(batch, m);
out:
	if (set)
		nftnl_set_free(set);
}

static void add_chain(struct rules_nft *nft, struct rules_batch *batch, const char *table,
		      const struct rules_chain *def)
{
	static const uint32_t hooks[] = {
		[RULES_HOOK_PREROUTING] = NF_INET_PRE_ROUTING,   [RULES_HOOK_INPUT] = NF_INET_LOCAL_IN,
		[RULES_HOOK_FORWARD] = NF_INET_FORWARD,          [RULES_HOOK_OUTPUT] = NF_INET_LOCAL_OUT,
		[RULES_HOOK_POSTROUTING] = NF_INET_POST_ROUTING,
	};
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *m;

	if (!chain) {
		batch->overflow = true;
		return;
	}
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, table);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, def->name);
	if (def->hook != RULES_HOOK_NONE) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, def->nat ? "nat" : "filter");
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hooks[def->hook]);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, def->priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	}
	m = rules_batch_open(nft, batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE,
			     (struct rules_message){.what = "chain", .name = def->name, .table = table});
	if (m) {
		nftnl_chain_nlmsg_build_payload(m, chain);
		rules_batch_close(batch, m);
	}
	nftnl_chain_free(chain);
}

static int put_comment(struct nftnl_rule *rule, const char *comment)
{
	struct nftnl_udata_buf *udata;

	if (!comment[0])
		return 0;
	udata = nftnl_udata_buf_alloc(UDATA_MAX);
	if (!udata)
		return -ENOMEM;
	nftnl_udata_put_strz(udata, NFTNL_UDATA_RULE_COMMENT, comment);
	nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(udata),
			    nftnl_udata_buf_len(udata));
	nftnl_udata_buf_free(udata);
	return 0;
}

static void add_rule(struct rules_nft *nft, struct rules_batch *batch, const char *table, const char *chain,
		     const struct rules_rule *def, bool native_queue)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nlmsghdr *m;

	if (!rule || put_comment(rule, def->name) < 0)
		goto failed;
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, table);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
	for (size_t i = 0; i < def->item_count; i++)
		if (rules_nft_put_item(rule, &def->items[i], native_queue) < 0)
			goto failed;
	m = rules_batch_open(
		nft, batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
		(struct rules_message){.what = "rule", .name = chain, .table = table, .rule = def});
	if (m) {
		nftnl_rule_nlmsg_build_payload(m, rule);
		rules_batch_close(batch, m);
	}
	nftnl_rule_free(rule);
	return;
failed:
	batch->overflow = true;
	if (rule)
		nftnl_rule_free(rule);
}

static void replace_table(struct rules_nft *nft, struct rules_batch *batch, const struct ruleset *ruleset,
			  const struct rules_table *table)
{
	add_table_removal(nft, batch, table->name);
	add_table(nft, batch, NFT_MSG_NEWTABLE, table->name, table->owner ? NFT_TABLE_F_OWNER : 0U);
	for (size_t i = 0; i < table->set_count; i++)
		add_set(nft, batch, ruleset, table->name, &table->sets[i], (uint32_t)i + 1);
	for (size_t i = 0; i < table->chain_count; i++) {
		const struct rules_chain *chain = &table->chains[i];
		add_chain(nft, batch, table->name, chain);
		for (size_t r = 0; r < chain->rule_count; r++)
			add_rule(nft, batch, table->name, chain->name, &chain->rules[r],
				 ruleset->native_queue);
	}
}

/* "nft_nat, nft_fib_inet" */
static void list_needs(const struct rules_rule *rule, bool native_queue, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < rule->item_count && used < size; i++) {
		const char *needs = rules_nft_item_needs(rule->items[i].kind, native_queue);
		if (needs)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", needs);
	}
}

static void explain_rule(const struct rules_message *failed, int reason, bool native_queue,
			 char error[static RULES_ERROR_MAX])
{
	const char *label = failed->rule->name[0] ? failed->rule->name : "(no name)";
	char needs[80];

	list_needs(failed->rule, native_queue, needs, sizeof(needs));
	explain(error, "rule %s of chain %s: %s%s%s", label, failed->name, strerror(-reason),
		needs[0] ? "; it needs in the kernel: " : "", needs);
}

static void explain_owner(struct rules_nft *nft, const char *table, char error[static RULES_ERROR_MAX])
{
	uint32_t owner = 0;

	rules_nft_table_exists(nft, table, &owner);
	if (owner)
		explain(error,
			"another natshim owns table %s (netlink port %u, mostly its pid): stop that one "
			"first",
			table, owner);
	else
		explain(error, "table %s: %s", table, strerror(EPERM));
}

static void explain_failure(struct rules_nft *nft, const struct rules_message *failed, int reason,
			    bool native_queue, char error[static RULES_ERROR_MAX])
{
	if (!failed && reason == -EPERM)
		explain(error, NO_PRIVILEGE);
	else if (!failed && reason == -EOPNOTSUPP)
		explain(error, "the kernel has no nf_tables: load the module nf_tables");
	else if (!failed)
		explain(error, "nf_tables refused the ruleset: %s", strerror(-reason));
	else if (failed->rule)
		explain_rule(failed, reason, native_queue, error);
	else if (reason == -EPERM)
		explain_owner(nft, failed->table ? failed->table : failed->name, error);
	else
		explain(error, "%s %s: %s; needs Linux 5.2 or later with nf_tables", failed->what,
			failed->name, strerror(-reason));
}

static int send_batch(struct rules_nft *nft, struct rules_batch *batch, bool native_queue,
		      char error[static RULES_ERROR_MAX])
{
	const struct rules_message *failed;
	int result = rules_batch_send(nft, batch, &failed);

	if (result < 0)
		explain_failure(nft, failed, result, native_queue, error);
	return result;
}

/* Of the tables first .. last. */
static int install(struct rules_nft *nft, const struct ruleset *ruleset, size_t first, size_t last,
		   char error[static RULES_ERROR_MAX])
{
	char *buffer = malloc(BATCH_SIZE);
	struct rules_batch batch;
	int result;

	if (!buffer) {
		explain(error, "out of memory");
		return -ENOMEM;
	}
	rules_batch_begin(nft, &batch, buffer, BATCH_SIZE);
	for (size_t i = first; i <= last; i++)
		replace_table(nft, &batch, ruleset, &ruleset->tables[i]);
	result = send_batch(nft, &batch, ruleset->native_queue, error);
	free(buffer);
	if (!result)
		memset(nft->refused_until_ms, 0, sizeof(nft->refused_until_ms));
	return result;
}

int rules_nft_install(struct rules_nft *nft, const struct ruleset *ruleset,
		      char error[static RULES_ERROR_MAX])
{
	return install(nft, ruleset, RULES_TABLE_BASE, RULES_TABLE_QUEUE, error);
}

int rules_nft_install_base(struct rules_nft *nft, const struct ruleset *ruleset,
			   char error[static RULES_ERROR_MAX])
{
	return install(nft, ruleset, RULES_TABLE_BASE, RULES_TABLE_BASE, error);
}

int rules_nft_install_alias(struct rules_nft *nft, const struct ruleset *ruleset,
			    char error[static RULES_ERROR_MAX])
{
	return install(nft, ruleset, RULES_TABLE_ALIAS, RULES_TABLE_ALIAS, error);
}

static int remove_tables(struct rules_nft *nft, const char *const *names, size_t count,
			 char error[static RULES_ERROR_MAX])
{
	char buffer[32 * 1024];
	struct rules_batch batch;

	rules_batch_begin(nft, &batch, buffer, sizeof(buffer));
	for (size_t i = 0; i < count; i++)
		add_table_removal(nft, &batch, names[i]);
	return send_batch(nft, &batch, true, error);
}

int rules_nft_remove_alias(struct rules_nft *nft, char error[static RULES_ERROR_MAX])
{
	static const char *const name = RULES_ALIAS_TABLE;

	return remove_tables(nft, &name, 1, error);
}

int rules_nft_quiet(struct rules_nft *nft, char error[static RULES_ERROR_MAX])
{
	static const char *const chains[] = {RULES_CHAIN_IN, RULES_CHAIN_OUT};
	char buffer[32 * 1024];
	struct rules_batch batch;

	rules_batch_begin(nft, &batch, buffer, sizeof(buffer));
	for (size_t i = 0; i < sizeof(chains) / sizeof(*chains); i++) {
		struct nlmsghdr *m = rules_batch_open(
			nft, &batch, NFT_MSG_DELRULE, 0,
			(struct rules_message){.what = "rules of table", .name = RULES_QUEUE_TABLE});
		if (!m)
			break;
		mnl_attr_put_strz(m, NFTA_RULE_TABLE, RULES_QUEUE_TABLE);
		mnl_attr_put_strz(m, NFTA_RULE_CHAIN, chains[i]);
		rules_batch_close(&batch, m);
	}
	return send_batch(nft, &batch, true, error);
}

int rules_nft_remove(struct rules_nft *nft, char error[static RULES_ERROR_MAX])
{
	static const char *const names[] = {RULES_TABLE, RULES_QUEUE_TABLE, RULES_ALIAS_TABLE};

	return remove_tables(nft, names, sizeof(names) / sizeof(*names), error);
}

/* One rule in a table that is made and removed within the batch: nobody ever sees it, but the kernel has
 * judged it. */
static int try_item(struct rules_nft *nft, uint32_t table_flags, const struct rules_item *item,
		    bool native_queue, const struct rules_message **failed, struct rules_batch *batch)
{
	static const struct rules_chain chain = {.name = "probe"};
	static const struct rules_set_def set = {
		.name = PROBE_SET, .key = RULES_KEY_IPV4, .timed = true, .kernel_filled = true, .size = 1};
	struct rules_rule rule = {.item_count = item ? 1 : 0};
	char buffer[32 * 1024];

	if (item)
		rule.items[0] = *item;
	rules_batch_begin(nft, batch, buffer, sizeof(buffer));
	add_table(nft, batch, NFT_MSG_NEWTABLE, PROBE_TABLE, table_flags);
	add_chain(nft, batch, PROBE_TABLE, &chain);
	if (item && item->name)
		add_set(nft, batch, NULL, PROBE_TABLE, &set, 1);
	if (item)
		add_rule(nft, batch, PROBE_TABLE, chain.name, &rule, native_queue);
	add_table(nft, batch, NFT_MSG_DELTABLE, PROBE_TABLE, 0);
	return rules_batch_send(nft, batch, failed);
}

int rules_nft_probe(struct rules_nft *nft, struct rules_features *out, char error[static RULES_ERROR_MAX])
{
	const struct rules_item queue = {.kind = ITEM_QUEUE}, secpath = {.kind = ITEM_SECPATH, .value = 1},
				fib = {.kind = ITEM_DADDR_LOCAL}, defragment = {.kind = ITEM_DEFRAGMENT},
				own = {.kind = ITEM_OWN_L2TP4, .name = PROBE_SET},
				limit = {.kind = ITEM_OVER4, .name = PROBE_SET, .value = 1, .burst = 1};
	const struct rules_message *failed;
	struct rules_batch batch;
	int result;

	*out = (struct rules_features){.tables = false};
	result = try_item(nft, 0, NULL, true, &failed, &batch);
	if (result < 0) {
		explain_failure(nft, failed, result, true, error);
		return result;
	}
	out->tables = true;
	out->owner = try_item(nft, NFT_TABLE_F_OWNER, NULL, true, &failed, &batch) == 0;
	out->native_queue = try_item(nft, 0, &queue, true, &failed, &batch) == 0;
	out->xt_queue = try_item(nft, 0, &queue, false, &failed, &batch) == 0;
	out->secpath = try_item(nft, 0, &secpath, true, &failed, &batch) == 0;
	out->ipsec_spi = try_item(nft, 0, &own, true, &failed, &batch) == 0;
	out->limit = try_item(nft, 0, &limit, true, &failed, &batch) == 0;
	out->fib = try_item(nft, 0, &fib, true, &failed, &batch) == 0;
	out->defrag = try_item(nft, 0, &defragment, true, &failed, &batch) == 0;
	return 0;
}
