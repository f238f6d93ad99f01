/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XFRM netlink messages to data, apart from any socket. The kernel's structures are copied out, never pointed into, and
 * every length is checked, so that recorded and damaged messages can be fed in as well. Kernel header linux/xfrm.h. */
#include "shim/xfrm/monitor.h"

#include "shim/xfrm/kernel_xfrm.h"

#include <arpa/inet.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

/* Where each kind of message has its parts. */
static const struct layout {
	uint16_t type;
	enum xfrm_kind kind;
	size_t header; /* bytes before the attributes */
	int inner; /* attribute that holds the SA or policy itself; 0: the header is it, or begins with it */
} layouts[] = {
	{XFRM_MSG_NEWSA, XFRM_KIND_SA, sizeof(struct xfrm_usersa_info), 0},
	{XFRM_MSG_UPDSA, XFRM_KIND_SA, sizeof(struct xfrm_usersa_info), 0},
	{XFRM_MSG_DELSA, XFRM_KIND_SA_GONE, sizeof(struct xfrm_usersa_id), XFRMA_SA},
	{XFRM_MSG_EXPIRE, XFRM_KIND_SA_GONE, sizeof(struct xfrm_user_expire), 0},
	{XFRM_MSG_FLUSHSA, XFRM_KIND_FLUSH, sizeof(struct xfrm_usersa_flush), 0},
	{XFRM_MSG_NEWPOLICY, XFRM_KIND_POLICY, sizeof(struct xfrm_userpolicy_info), 0},
	{XFRM_MSG_UPDPOLICY, XFRM_KIND_POLICY, sizeof(struct xfrm_userpolicy_info), 0},
	{XFRM_MSG_DELPOLICY, XFRM_KIND_POLICY_GONE, sizeof(struct xfrm_userpolicy_id), XFRMA_POLICY},
	{XFRM_MSG_MAPPING, XFRM_KIND_MAPPING, sizeof(struct xfrm_user_mapping), 0},
};

static bool take_address(struct endpoint *out, const xfrm_address_t *address, uint16_t family)
{
	*out = (struct endpoint){.addr_len = 0};
	if (family != AF_INET && family != AF_INET6)
		return false;
	out->addr_len = family == AF_INET ? 4 : 16;
	memcpy(out->addr, address, out->addr_len);
	return true;
}

/* A port that the mask covers only in part is no port. */
static uint16_t take_port(__be16 port, __be16 mask)
{
	return mask == UINT16_MAX ? ntohs(port) : 0;
}

static void take_selector(struct xfrm_message *out, const struct xfrm_selector *sel)
{
	out->upper_protocol = sel->proto;
	out->src_port = take_port(sel->sport, sel->sport_mask);
	out->dst_port = take_port(sel->dport, sel->dport_mask);
}

static bool take_sa(struct xfrm_message *out, const void *data, const struct nlattr *encap)
{
	struct xfrm_usersa_info sa;
	struct xfrm_encap_tmpl template;

	memcpy(&sa, data, sizeof sa);
	if (!take_address(&out->src, &sa.saddr, sa.family) ||
	    !take_address(&out->dst, &sa.id.daddr, sa.family))
		return false;
	out->spi = ntohl(sa.id.spi);
	out->protocol = sa.id.proto;
	out->reqid = sa.reqid;
	out->transport = sa.mode == XFRM_MODE_TRANSPORT;
	out->bytes = sa.curlft.bytes;
	out->packets = sa.curlft.packets;
	out->add_time_s = sa.curlft.add_time;
	take_selector(out, &sa.sel);
	if (!encap)
		return true;
	if ((size_t)nla_len(encap) < sizeof template)
		return false;
	memcpy(&template, nla_data(encap), sizeof template);
	out->src.port = ntohs(template.encap_sport);
	out->dst.port = ntohs(template.encap_dport);
	return true;
}

static bool take_policy(struct xfrm_message *out, const void *data, const struct nlattr *templates)
{
	struct xfrm_userpolicy_info policy;
	struct xfrm_user_tmpl template;

	memcpy(&policy, data, sizeof policy);
	if (!take_address(&out->src, &policy.sel.saddr, policy.sel.family) ||
	    !take_address(&out->dst, &policy.sel.daddr, policy.sel.family))
		return false;
	out->policy_dir = policy.dir;
	take_selector(out, &policy.sel);
	if (!templates)
		return true;
	if ((size_t)nla_len(templates) < sizeof template)
		return false;
	memcpy(&template, nla_data(templates), sizeof template);
	out->reqid = template.reqid;
	out->protocol = template.id.proto;
	out->transport = template.mode == XFRM_MODE_TRANSPORT;
	return true;
}

static bool take_mapping(struct xfrm_message *out, const void *data)
{
	struct xfrm_user_mapping mapping;

	memcpy(&mapping, data, sizeof mapping);
	if (!take_address(&out->src, &mapping.old_saddr, mapping.id.family) ||
	    !take_address(&out->dst, &mapping.id.daddr, mapping.id.family) ||
	    !take_address(&out->from, &mapping.new_saddr, mapping.id.family))
		return false;
	out->spi = ntohl(mapping.id.spi);
	out->protocol = mapping.id.proto;
	out->reqid = mapping.reqid;
	out->src.port = ntohs(mapping.old_sport);
	out->from.port = ntohs(mapping.new_sport);
	return true;
}

static const struct layout *layout_of(uint16_t type)
{
	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
		if (layouts[i].type == type)
			return &layouts[i];
	return NULL;
}

static bool is_soft_expiry(uint16_t type, const void *header)
{
	struct xfrm_user_expire expire;

	if (type != XFRM_MSG_EXPIRE)
		return false;
	memcpy(&expire, header, sizeof expire);
	return !expire.hard;
}

bool xfrm_parse(const struct nlmsghdr *message, size_t length, struct xfrm_message *out)
{
	const struct nlattr *attributes[XFRMA_MAX + 1] = {NULL};

	*out = (struct xfrm_message){.kind = XFRM_KIND_OTHER};
	if (length < sizeof *message || message->nlmsg_len < sizeof *message || message->nlmsg_len > length)
		return false;
	const struct layout *layout = layout_of(message->nlmsg_type);

	if (!layout)
		return true;
	const size_t body = message->nlmsg_len - sizeof *message;
	const unsigned char *data = (const unsigned char *)message + NLMSG_HDRLEN;

	if (body < layout->header)
		return false;
	if (is_soft_expiry(message->nlmsg_type, data))
		return true;
	if (layout->kind == XFRM_KIND_FLUSH) {
		out->kind = layout->kind;
		return true;
	}
	if (layout->kind == XFRM_KIND_MAPPING) {
		out->kind = layout->kind;
		return take_mapping(out, data);
	}
	size_t left = body > NLMSG_ALIGN(layout->header) ? body - NLMSG_ALIGN(layout->header) : 0;
	const unsigned char *at = data + NLMSG_ALIGN(layout->header);

	while (left >= sizeof(struct nlattr)) {
		const struct nlattr *attribute = (const struct nlattr *)(const void *)at;

		if (attribute->nla_len < sizeof *attribute || attribute->nla_len > left)
			return false;
		if (nla_type(attribute) <= XFRMA_MAX)
			attributes[nla_type(attribute)] = attribute;
		const size_t step = NLA_ALIGN(attribute->nla_len);

		at += step < left ? step : left;
		left -= step < left ? step : left;
	}
	const bool policy = layout->kind == XFRM_KIND_POLICY || layout->kind == XFRM_KIND_POLICY_GONE;
	const size_t wanted = policy ? sizeof(struct xfrm_userpolicy_info) : sizeof(struct xfrm_usersa_info);

	if (layout->inner) {
		if (!attributes[layout->inner] || (size_t)nla_len(attributes[layout->inner]) < wanted)
			return false;
		data = nla_data(attributes[layout->inner]);
	}
	out->kind = layout->kind;
	out->keyed = attributes[XFRMA_ALG_CRYPT] || attributes[XFRMA_ALG_AEAD] ||
		     attributes[XFRMA_ALG_AUTH] || attributes[XFRMA_ALG_AUTH_TRUNC];
	return policy ? take_policy(out, data, attributes[XFRMA_TMPL])
		      : take_sa(out, data, attributes[XFRMA_ENCAP]);
}

void xfrm_to_sa(const struct xfrm_message *message, bool src_is_us, struct sa_info *out)
{
	*out = (struct sa_info){
		.us = src_is_us ? message->src : message->dst,
		.peer = src_is_us ? message->dst : message->src,
		.spi = message->spi,
		.reqid = message->reqid,
		.protocol = message->protocol,
		.upper_protocol = message->upper_protocol,
		.our_port = src_is_us ? message->src_port : message->dst_port,
		.peer_port = src_is_us ? message->dst_port : message->src_port,
		.outbound = src_is_us,
		.transport = message->transport,
		.bytes = message->bytes,
		.packets = message->packets,
		.add_time_s = message->add_time_s,
	};
}
