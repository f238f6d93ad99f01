/* DELSA and NEWSA in one send. */
#include "shim/stack/swap.h"

#include "shim/stack/kernel_xfrm.h"
#include "shim/stack/netlink.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ESP = 50, MESSAGE_MAX = 8192, EVENTS_PER_READ = 64, REPLACE_TRIES = 8, EVENT_BUFFER = 1 << 20 };

struct swap {
	struct nl_sock *requests, *events;
	uint8_t dump[MESSAGE_MAX]; /* the SA as the kernel tells it */
	size_t dump_length;
};

static int open_events(struct nl_sock **out)
{
	const int bytes = EVENT_BUFFER;
	int rc = netlink_open(out, NETLINK_XFRM);

	if (rc)
		return rc;
	nl_socket_disable_seq_check(*out);
	rc = nl_socket_add_memberships(*out, XFRMNLGRP_SA, 0);
	if (!rc)
		rc = nl_socket_set_nonblocking(*out);
	if (!rc)
		rc = nl_socket_set_buffer_size(*out, bytes, 0);
	if (!rc) /* past the system's limit; where that is not allowed it stays at it */
		setsockopt(nl_socket_get_fd(*out), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
	return netlink_errno(rc);
}

/* Answers to what goes out by sendmsg() are read past libnl, which then would miss numbers in its sequence. */
static int open_requests(struct nl_sock **out)
{
	const int rc = netlink_open(out, NETLINK_XFRM);

	if (!rc)
		nl_socket_disable_seq_check(*out);
	return rc;
}

int swap_open(struct swap **out)
{
	struct swap *swap = calloc(1, sizeof *swap);
	int rc;

	if (!swap)
		return -ENOMEM;
	rc = open_requests(&swap->requests);
	if (!rc)
		rc = open_events(&swap->events);
	if (rc) {
		swap_close(swap);
		return rc;
	}
	*out = swap;
	return 0;
}

void swap_close(struct swap *swap)
{
	if (!swap)
		return;
	nl_socket_free(swap->requests);
	nl_socket_free(swap->events);
	OPENSSL_cleanse(swap, sizeof *swap);
	free(swap);
}

static void keep_dump(void *ctx, struct nlmsghdr *message)
{
	struct swap *swap = ctx;

	if (message->nlmsg_type != XFRM_MSG_NEWSA || message->nlmsg_len > sizeof swap->dump ||
	    message->nlmsg_len < NLMSG_HDRLEN + sizeof(struct xfrm_usersa_info))
		return;
	memcpy(swap->dump, message, message->nlmsg_len);
	swap->dump_length = message->nlmsg_len;
}

static int find_sa(struct swap *swap, const struct xfrm_usersa_id *id)
{
	struct nl_msg *message = nlmsg_alloc_simple(XFRM_MSG_GETSA, NLM_F_REQUEST);
	int rc;

	if (!message)
		return -ENOMEM;
	if (nlmsg_append(message, (void *)(uintptr_t)id, sizeof *id, NLMSG_ALIGNTO)) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	swap->dump_length = 0;
	rc = netlink_request(swap->requests, message, keep_dump, swap);
	return rc ? rc : swap->dump_length ? 0 : -ESRCH;
}

/* The next bytes of the material. */
struct material {
	const uint8_t *at;
	size_t left;
};
static const uint8_t *take_key(struct material *m, unsigned bits)
{
	const size_t length = (bits + 7) / 8;
	const uint8_t *key = m->at;

	if (length > m->left)
		return NULL;
	m->at += length;
	m->left -= length;
	return key;
}

/* An algorithm's attribute: its fields as they are, and another key behind them. */
static bool put_algorithm(struct nl_msg *message, const struct nlattr *old, size_t head, unsigned bits,
			  struct material *material)
{
	const size_t key_length = (bits + 7) / 8;
	const uint8_t *key = take_key(material, bits);
	struct nlattr *attr;

	if (!key || (size_t)nla_len(old) < head + key_length)
		return false;
	attr = nla_reserve(message, nla_type(old), (int)(head + key_length));
	if (!attr)
		return false;
	memcpy(nla_data(attr), nla_data(old), head);
	memcpy((uint8_t *)nla_data(attr) + head, key, key_length);
	return true;
}

/* In the order of KEYMAT: encryption, then authentication. */
static bool put_keys(struct nl_msg *message, struct nlattr *attrs[], struct material *material)
{
	const struct nlattr *crypt = attrs[XFRMA_ALG_CRYPT], *aead = attrs[XFRMA_ALG_AEAD],
			    *auth = attrs[XFRMA_ALG_AUTH_TRUNC];

	if (crypt) {
		const struct xfrm_algo *a = nla_data(crypt);

		if ((size_t)nla_len(crypt) < sizeof *a ||
		    !put_algorithm(message, crypt, sizeof *a, a->alg_key_len, material))
			return false;
	}
	if (aead) {
		const struct xfrm_algo_aead *a = nla_data(aead);

		if ((size_t)nla_len(aead) < sizeof *a ||
		    !put_algorithm(message, aead, sizeof *a, a->alg_key_len, material))
			return false;
	}
	if (auth) {
		const struct xfrm_algo_auth *a = nla_data(auth);

		if ((size_t)nla_len(auth) < sizeof *a ||
		    !put_algorithm(message, auth, sizeof *a, a->alg_key_len, material))
			return false;
	}
	return crypt || aead || auth;
}

/* The legacy twin of ALG_AUTH_TRUNC must not come back, and the time of the last use is told, not set. */
static bool is_left_out(int type)
{
	return type == XFRMA_ALG_CRYPT || type == XFRMA_ALG_AEAD || type == XFRMA_ALG_AUTH_TRUNC ||
	       type == XFRMA_ALG_AUTH || type == XFRMA_LASTUSED || type == XFRMA_LTIME_VAL ||
	       type == XFRMA_PAD;
}

static uint32_t later(uint32_t sequence)
{
	return sequence > UINT32_MAX - SWAP_SEQUENCE_GAP ? UINT32_MAX : sequence + SWAP_SEQUENCE_GAP;
}

/* An attribute as it was; of the replay state only the number of the next packet changes. */
static bool put_same(struct nl_msg *message, const struct nlattr *attr)
{
	const int length = nla_len(attr);
	uint8_t *copy;

	if (nla_put(message, nla_type(attr), length, nla_data(attr)))
		return false;
	copy = nlmsg_tail(nlmsg_hdr(message));
	copy -= NLA_ALIGN(length);
	if (nla_type(attr) == XFRMA_REPLAY_VAL && (size_t)length >= sizeof(struct xfrm_replay_state)) {
		struct xfrm_replay_state *replay = (void *)copy;

		replay->oseq = later(replay->oseq);
	} else if (nla_type(attr) == XFRMA_REPLAY_ESN_VAL &&
		   (size_t)length >= sizeof(struct xfrm_replay_state_esn)) {
		struct xfrm_replay_state_esn *replay = (void *)copy;

		replay->oseq = later(replay->oseq);
	}
	return true;
}

/* The counters stand in the fixed part of what the kernel tells, where it does not take them from. */
static bool put_counters(struct nl_msg *message, const struct xfrm_usersa_info *info)
{
	return nla_put(message, XFRMA_LTIME_VAL, sizeof info->curlft, &info->curlft) == 0;
}

static struct nl_msg *addition(struct swap *swap, struct material *material)
{
	struct nlmsghdr *dump = (struct nlmsghdr *)(void *)swap->dump;
	struct nl_msg *message = nlmsg_alloc_size(MESSAGE_MAX);
	struct nlattr *attrs[XFRMA_MAX + 1] = {NULL}, *attr;
	int rest;

	if (!message)
		return NULL;
	if (!nlmsg_put(message, 0, 0, XFRM_MSG_NEWSA, 0, NLM_F_REQUEST | NLM_F_ACK) ||
	    nlmsg_append(message, nlmsg_data(dump), sizeof(struct xfrm_usersa_info), NLMSG_ALIGNTO))
		goto fail;
	nlmsg_for_each_attr(attr, dump, sizeof(struct xfrm_usersa_info), rest)
	{
		if (nla_type(attr) <= XFRMA_MAX)
			attrs[nla_type(attr)] = attr;
		if (!is_left_out(nla_type(attr)) && !put_same(message, attr))
			goto fail;
	}
	if (put_counters(message, nlmsg_data(dump)) && put_keys(message, attrs, material))
		return message;
fail:
	nlmsg_free(message);
	return NULL;
}

static struct nl_msg *deletion(struct swap *swap, const struct xfrm_usersa_id *id)
{
	struct nlmsghdr *dump = (struct nlmsghdr *)(void *)swap->dump;
	struct nlattr *mark = nlmsg_find_attr(dump, sizeof(struct xfrm_usersa_info), XFRMA_MARK);
	struct nl_msg *message = nlmsg_alloc_simple(XFRM_MSG_DELSA, NLM_F_REQUEST | NLM_F_ACK);

	if (!message)
		return NULL;
	if (!nlmsg_append(message, (void *)(uintptr_t)id, sizeof *id, NLMSG_ALIGNTO) &&
	    (!mark || !nla_put(message, XFRMA_MARK, nla_len(mark), nla_data(mark))))
		return message;
	nlmsg_free(message);
	return NULL;
}

/* Two acknowledgements; the first error of either. */
static int read_acks(struct nl_sock *sock, uint32_t first_seq)
{
	uint8_t answer[MESSAGE_MAX];
	unsigned acks = 0;
	int worst = 0;

	while (acks < 2) {
		ssize_t length = recv(nl_socket_get_fd(sock), answer, sizeof answer, 0);
		struct nlmsghdr *header = (struct nlmsghdr *)(void *)answer;

		if (length < 0)
			return -errno;
		for (int left = (int)length; nlmsg_ok(header, left); header = nlmsg_next(header, &left)) {
			const struct nlmsgerr *error = nlmsg_data(header);

			if (header->nlmsg_type != NLMSG_ERROR || header->nlmsg_seq - first_seq > 1)
				continue;
			acks++;
			if (!worst)
				worst = error->error;
		}
	}
	return worst;
}

/* Both in one send: the kernel handles them without letting go in between. With our own port as the sender, so that the
 * notifications that follow can be told from others'. */
static int send_both(struct nl_sock *sock, struct nl_msg *first, struct nl_msg *second)
{
	struct nlmsghdr *headers[] = {nlmsg_hdr(first), nlmsg_hdr(second)};
	struct iovec parts[2];
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	for (unsigned i = 0; i < 2; i++) {
		headers[i]->nlmsg_pid = nl_socket_get_local_port(sock);
		headers[i]->nlmsg_seq = nl_socket_use_seq(sock);
		parts[i] = (struct iovec){headers[i], NLMSG_ALIGN(headers[i]->nlmsg_len)};
	}
	if (sendmsg(nl_socket_get_fd(sock), &message, 0) < 0)
		return -errno;
	return read_acks(sock, headers[0]->nlmsg_seq);
}

static void wipe(struct nl_msg *message)
{
	if (!message)
		return;
	OPENSSL_cleanse(nlmsg_data(nlmsg_hdr(message)), (size_t)nlmsg_datalen(nlmsg_hdr(message)));
	nlmsg_free(message);
}

static bool read_cipher(const struct nlattr *attr, struct esp_sa *out)
{
	const struct xfrm_algo *a = attr ? nla_data(attr) : NULL;

	if (!a || (size_t)nla_len(attr) < sizeof *a)
		return false;
	out->key_length = (a->alg_key_len + 7) / 8;
	if (out->key_length > sizeof out->key || (size_t)nla_len(attr) < sizeof *a + out->key_length)
		return false;
	snprintf(out->cipher, sizeof out->cipher, "%.*s", (int)sizeof a->alg_name, a->alg_name);
	memcpy(out->key, a->alg_key, out->key_length);
	return true;
}

static bool read_auth(const struct nlattr *attr, struct esp_sa *out)
{
	const struct xfrm_algo_auth *a = attr ? nla_data(attr) : NULL;

	if (!a || (size_t)nla_len(attr) < sizeof *a)
		return false;
	out->auth_key_length = (a->alg_key_len + 7) / 8;
	out->icv_length = a->alg_trunc_len / 8;
	if (out->auth_key_length > sizeof out->auth_key ||
	    (size_t)nla_len(attr) < sizeof *a + out->auth_key_length)
		return false;
	snprintf(out->auth, sizeof out->auth, "%.*s", (int)sizeof a->alg_name, a->alg_name);
	memcpy(out->auth_key, a->alg_key, out->auth_key_length);
	return true;
}

/* What was made by ALLOCSPI has none until the stack completes it. */
static bool has_keys(struct swap *swap)
{
	struct nlmsghdr *dump = (struct nlmsghdr *)(void *)swap->dump;
	const int fixed = sizeof(struct xfrm_usersa_info);

	return nlmsg_find_attr(dump, fixed, XFRMA_ALG_CRYPT) ||
	       nlmsg_find_attr(dump, fixed, XFRMA_ALG_AEAD) ||
	       nlmsg_find_attr(dump, fixed, XFRMA_ALG_AUTH_TRUNC);
}

/* What the SA is now; all zero where it is of another kind than struct esp_sa can tell. */
static void read_sa(struct swap *swap, struct esp_sa *out)
{
	struct nlmsghdr *dump = (struct nlmsghdr *)(void *)swap->dump;
	const int fixed = sizeof(struct xfrm_usersa_info);

	memset(out, 0, sizeof *out);
	if (!read_cipher(nlmsg_find_attr(dump, fixed, XFRMA_ALG_CRYPT), out) ||
	    !read_auth(nlmsg_find_attr(dump, fixed, XFRMA_ALG_AUTH_TRUNC), out))
		OPENSSL_cleanse(out, sizeof *out);
}

/* A packet between the two finds no SA, and where the policy names the SPI (strongSwan's does) the kernel notes down under that
 * very SPI that one is wanted: EEXIST for ours, until that note is deleted in its place. */
static int replace(struct swap *swap, struct nl_msg *del, struct nl_msg *add)
{
	int rc = send_both(swap->requests, del, add);

	for (unsigned i = 0; rc == -EEXIST && i < REPLACE_TRIES; i++)
		rc = send_both(swap->requests, del, add);
	return rc;
}

int swap_keys(struct swap *swap, const struct endpoint *destination, const uint8_t spi[static 4],
	      const uint8_t *material, size_t material_length, struct esp_sa *before)
{
	struct material m = {material, material_length};
	struct xfrm_usersa_id id = {.family = destination->addr_len == 16 ? AF_INET6 : AF_INET, .proto = ESP};
	struct nl_msg *del = NULL, *add = NULL;
	int rc;

	memcpy(&id.daddr, destination->addr, destination->addr_len);
	memcpy(&id.spi, spi, sizeof id.spi);
	rc = find_sa(swap, &id);
	if (!rc && !has_keys(swap))
		rc = -ESRCH;
	if (rc)
		return rc;
	if (before)
		read_sa(swap, before);
	add = addition(swap, &m);
	del = add ? deletion(swap, &id) : NULL;
	rc = del ? replace(swap, del, add) : -EMSGSIZE;
	wipe(add);
	nlmsg_free(del);
	OPENSSL_cleanse(swap->dump, sizeof swap->dump);
	return rc;
}

int swap_fd(const struct swap *swap)
{
	return nl_socket_get_fd(swap->events);
}

void swap_read(struct swap *swap, swap_added_fn *fn, void *ctx)
{
	uint8_t event[MESSAGE_MAX];

	for (unsigned i = 0; i < EVENTS_PER_READ; i++) {
		const ssize_t length =
			recv(nl_socket_get_fd(swap->events), event, sizeof event, MSG_DONTWAIT);
		struct nlmsghdr *header = (struct nlmsghdr *)(void *)event;
		int left = (int)length;

		if (length < 0 && errno == ENOBUFS)
			fn(ctx, &(struct endpoint){.addr_len = 0}, (const uint8_t[4]){0});
		if (length < 0)
			break;
		for (; nlmsg_ok(header, left); header = nlmsg_next(header, &left)) {
			const struct xfrm_usersa_info *sa = nlmsg_data(header);
			struct endpoint destination = {.addr_len = 0};
			uint8_t spi[4];

			if ((header->nlmsg_type != XFRM_MSG_NEWSA && header->nlmsg_type != XFRM_MSG_UPDSA) ||
			    header->nlmsg_pid == nl_socket_get_local_port(swap->requests) ||
			    nlmsg_datalen(header) < (int)sizeof *sa || sa->id.proto != ESP)
				continue;
			destination.addr_len = sa->family == AF_INET6 ? 16 : 4;
			memcpy(destination.addr, &sa->id.daddr, destination.addr_len);
			memcpy(spi, &sa->id.spi, sizeof spi);
			fn(ctx, &destination, spi);
		}
	}
	OPENSSL_cleanse(event, sizeof event);
}
