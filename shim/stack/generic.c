/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The backend for any other stack: SAs and policies are deleted over XFRM netlink. The IKE daemon is not told, so this is
 * the last resort. A policy goes only when no SA of its reqid is left: clients behind one NAT may share it. */
#include "shim/xfrm/kernel_xfrm.h"
#include "shim/xfrm/netlink.h"
#include "shim/stack/stack.h"
#include "shim/xfrm/monitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define L2TP_PORT 1701
#define ESP 50

/* What a deletion must name beside its key, as found in the dump. */
struct marks {
	struct xfrm_mark mark;
	uint32_t if_id;
	bool has_mark, has_if_id;
};

struct victim {
	bool policy;
	struct xfrm_usersa_id sa;
	struct xfrm_userpolicy_id id;
	struct marks marks;
};

struct work {
	const struct stack_end_request *request;
	struct victim *victims;
	size_t count, capacity;
	bool reqid_in_use; /* by an SA that is not meant */
	bool deleted;      /* something was there to be deleted */
	bool out_of_memory;
};

static void read_marks(struct nlmsghdr *message, int header, struct marks *marks)
{
	struct nlattr *mark = nlmsg_find_attr(message, header, XFRMA_MARK);
	struct nlattr *if_id = nlmsg_find_attr(message, header, XFRMA_IF_ID);

	if (mark && nla_len(mark) >= (int)sizeof marks->mark) {
		memcpy(&marks->mark, nla_data(mark), sizeof marks->mark);
		marks->has_mark = true;
	}
	if (if_id && nla_len(if_id) >= (int)sizeof marks->if_id) {
		marks->if_id = nla_get_u32(if_id);
		marks->has_if_id = true;
	}
}

static struct victim *add_victim(struct work *work)
{
	if (work->count == work->capacity) {
		const size_t capacity = work->capacity ? work->capacity * 2 : 16;
		struct victim *victims = realloc(work->victims, capacity * sizeof *victims);

		if (!victims) {
			work->out_of_memory = true;
			return NULL;
		}
		work->victims = victims;
		work->capacity = capacity;
	}
	memset(&work->victims[work->count], 0, sizeof *work->victims);
	return &work->victims[work->count++];
}

static bool is_meant(const struct stack_end_request *request, const struct xfrm_message *sa)
{
	for (uint32_t i = 0; i < request->sa_count; i++) {
		const bool out = request->sas[i].outbound;

		if (request->sas[i].spi == sa->spi && sa->protocol == ESP &&
		    endpoint_same_host(out ? &request->peer : &request->us, &sa->dst) &&
		    endpoint_same_host(out ? &request->us : &request->peer, &sa->src))
			return true;
	}
	return false;
}

static void look_at_sa(void *ctx, struct nlmsghdr *message)
{
	struct work *work = ctx;
	struct xfrm_message sa;

	if (!xfrm_parse(message, message->nlmsg_len, &sa) || sa.kind != XFRM_KIND_SA)
		return;
	if (!is_meant(work->request, &sa)) {
		if (work->request->reqid && sa.reqid == work->request->reqid)
			work->reqid_in_use = true;
		return;
	}
	struct victim *victim = add_victim(work);

	if (!victim)
		return;
	memcpy(&victim->sa.daddr, sa.dst.addr, sa.dst.addr_len);
	victim->sa.spi = htonl(sa.spi);
	victim->sa.family = sa.dst.addr_len == 16 ? AF_INET6 : AF_INET;
	victim->sa.proto = sa.protocol;
	read_marks(message, sizeof(struct xfrm_usersa_info), &victim->marks);
}

static bool policy_is_meant(const struct stack_end_request *request, const struct xfrm_message *policy)
{
	const bool out = policy->policy_dir == XFRM_POLICY_OUT;

	return policy->kind == XFRM_KIND_POLICY && policy->transport && policy->upper_protocol == 17 &&
	       policy->reqid == request->reqid && (out ? policy->src_port : policy->dst_port) == L2TP_PORT &&
	       endpoint_same_host(out ? &policy->dst : &policy->src, &request->peer);
}

static void look_at_policy(void *ctx, struct nlmsghdr *message)
{
	struct work *work = ctx;
	struct xfrm_userpolicy_info info;
	struct xfrm_message policy;

	if (!xfrm_parse(message, message->nlmsg_len, &policy) || !policy_is_meant(work->request, &policy))
		return;
	struct victim *victim = add_victim(work);

	if (!victim)
		return;
	memcpy(&info, nlmsg_data(message), sizeof info);
	victim->policy = true;
	victim->id.sel = info.sel;
	victim->id.dir = info.dir;
	read_marks(message, sizeof info, &victim->marks);
}

static int dump(struct nl_sock *sock, int type, netlink_message_fn *fn, struct work *work)
{
	const int rc = netlink_request(sock, nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_DUMP), fn, work);

	return work->out_of_memory ? -ENOMEM : rc;
}

static struct nl_msg *deletion(struct victim *victim)
{
	struct nl_msg *message =
		nlmsg_alloc_simple(victim->policy ? XFRM_MSG_DELPOLICY : XFRM_MSG_DELSA, NLM_F_REQUEST);
	const struct marks *marks = &victim->marks;
	int rc;

	if (!message)
		return NULL;
	rc = victim->policy ? nlmsg_append(message, &victim->id, sizeof victim->id, NLMSG_ALIGNTO)
			    : nlmsg_append(message, &victim->sa, sizeof victim->sa, NLMSG_ALIGNTO);
	if (!rc && marks->has_mark)
		rc = nla_put(message, XFRMA_MARK, sizeof marks->mark, &marks->mark);
	if (!rc && marks->has_if_id && victim->policy)
		rc = nla_put_u32(message, XFRMA_IF_ID, marks->if_id);
	if (!rc)
		return message;
	nlmsg_free(message);
	return NULL;
}

static int delete_all(struct nl_sock *sock, struct work *work)
{
	int worst = 0;

	for (size_t i = 0; i < work->count; i++) {
		const int rc = netlink_change(sock, deletion(&work->victims[i]));

		if (rc && rc != -ESRCH)
			worst = rc;
		work->deleted |= !rc;
	}
	work->count = 0;
	return worst;
}

static int end_over(struct nl_sock *sock, struct work *work)
{
	int rc = dump(sock, XFRM_MSG_GETSA, look_at_sa, work);

	if (!rc)
		rc = delete_all(sock, work);
	if (rc || work->reqid_in_use || !work->request->reqid)
		return rc;
	rc = dump(sock, XFRM_MSG_GETPOLICY, look_at_policy, work);
	return rc ? rc : delete_all(sock, work);
}

static int generic_end(const struct stack_options *options, const struct stack_end_request *request,
		       char text[static STACK_TEXT_MAX])
{
	struct work work = {.request = request};
	struct nl_sock *sock;
	int rc = netlink_open(&sock, NETLINK_XFRM);

	(void)options;
	if (!rc) {
		rc = end_over(sock, &work);
		nl_socket_free(sock);
	}
	free(work.victims);
	if (rc)
		snprintf(text, STACK_TEXT_MAX, "xfrm: cannot delete: %s", strerror(-rc));
	else if (!work.deleted)
		rc = STACK_NOTHING;
	return rc;
}

/* Nothing but the kernel is asked, and it knows no IKE SA. */
static int generic_list(const struct stack_options *options, const struct endpoint *peer,
			const struct stack_report *report, char text[static STACK_TEXT_MAX])
{
	(void)options;
	(void)peer;
	(void)report;
	text[0] = '\0';
	return 0;
}

static int generic_detect(const struct stack_options *options, char text[static STACK_TEXT_MAX])
{
	struct nl_sock *sock;
	const int rc = netlink_open(&sock, NETLINK_XFRM);

	(void)options;
	if (rc)
		snprintf(text, STACK_TEXT_MAX, "xfrm: this kernel has none: %s", strerror(-rc));
	else
		nl_socket_free(sock);
	return rc;
}

const struct stack_backend stack_xfrm = {
	.kind = STACK_XFRM,
	.detect = generic_detect,
	.list = generic_list,
	.end = generic_end,
};
