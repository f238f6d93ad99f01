/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes are looked at where the kernel wrote them; only keys and sequence numbers change. */
#include "shim/xfrm/rekey_message.h"

#include "shim/bridge/keys.h"
#include "shim/xfrm/kernel_xfrm.h"
#include "shim/xfrm/netlink.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

enum { FIXED = sizeof(struct xfrm_usersa_info), KEYS_MAX = 3 };

static struct nlattr *find(const struct nlmsghdr *dump, int type)
{
	return nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)dump, FIXED, type);
}

bool rekey_has_keys(const struct nlmsghdr *dump)
{
	return find(dump, XFRMA_ALG_CRYPT) || find(dump, XFRMA_ALG_AEAD) || find(dump, XFRMA_ALG_AUTH_TRUNC);
}

/* An algorithm's attribute: its fields, and its key behind them. */
struct algorithm {
	const struct nlattr *attr;
	size_t head, key_length; /* bytes */
};

static const uint8_t *key_of(const struct algorithm *a)
{
	return (const uint8_t *)nla_data(a->attr) + a->head;
}

static bool read_algorithm(const struct nlattr *attr, struct algorithm *out)
{
	const size_t length = (size_t)nla_len(attr);
	const struct xfrm_algo *crypt = nla_data(attr);
	const struct xfrm_algo_aead *aead = nla_data(attr);
	const struct xfrm_algo_auth *auth = nla_data(attr);
	unsigned bits;

	out->attr = attr;
	out->head = nla_type(attr) == XFRMA_ALG_CRYPT  ? sizeof *crypt
		    : nla_type(attr) == XFRMA_ALG_AEAD ? sizeof *aead
						       : sizeof *auth;
	if (length < out->head)
		return false;
	bits = nla_type(attr) == XFRMA_ALG_CRYPT  ? crypt->alg_key_len
	       : nla_type(attr) == XFRMA_ALG_AEAD ? aead->alg_key_len
						  : auth->alg_key_len;
	out->key_length = bits / 8 + (bits % 8 != 0);
	return length - out->head >= out->key_length;
}

/* In the order of KEYMAT: encryption, then authentication. Their number; 0: malformed, or there are none. */
static size_t read_algorithms(const struct nlmsghdr *dump, struct algorithm out[static KEYS_MAX])
{
	static const int types[KEYS_MAX] = {XFRMA_ALG_CRYPT, XFRMA_ALG_AEAD, XFRMA_ALG_AUTH_TRUNC};
	size_t count = 0;

	for (unsigned i = 0; i < KEYS_MAX; i++) {
		const struct nlattr *attr = find(dump, types[i]);

		if (attr && !read_algorithm(attr, &out[count++]))
			return 0;
	}
	return count;
}

int rekey_match(const struct nlmsghdr *dump, const uint8_t *expected, size_t length)
{
	struct algorithm algorithms[KEYS_MAX];
	const size_t count = read_algorithms(dump, algorithms), given = length;
	bool same = true;

	for (size_t i = 0; i < count; i++) {
		const size_t key = algorithms[i].key_length;

		if (key > length)
			return -EMSGSIZE;
		same &= bytes_equal_secret(key_of(&algorithms[i]), expected, key);
		expected += key;
		length -= key;
	}
	if (!count)
		return -EMSGSIZE;
	return same && length < given ? 0 : -EKEYREJECTED; /* keys of no length prove nothing */
}

/* Its fields as they are, and the next bytes of the material, if there is such, behind them. */
static bool put_algorithm(struct nl_msg *message, const struct algorithm *a, const uint8_t **material,
			  size_t *left)
{
	struct nlattr *attr;

	if (*material && a->key_length > *left)
		return false;
	attr = nla_reserve(message, nla_type(a->attr), (int)(a->head + a->key_length));
	if (!attr)
		return false;
	memcpy(nla_data(attr), nla_data(a->attr), a->head);
	memcpy((uint8_t *)nla_data(attr) + a->head, *material ? *material : key_of(a), a->key_length);
	if (*material) {
		*material += a->key_length;
		*left -= a->key_length;
	}
	return true;
}

static bool put_keys(struct nl_msg *message, const struct nlmsghdr *dump, const uint8_t *material,
		     size_t length)
{
	struct algorithm algorithms[KEYS_MAX];
	const size_t count = read_algorithms(dump, algorithms);

	for (size_t i = 0; i < count; i++)
		if (!put_algorithm(message, &algorithms[i], &material, &length))
			return false;
	return count > 0;
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
	return sequence > UINT32_MAX - REKEY_SEQUENCE_GAP ? UINT32_MAX : sequence + REKEY_SEQUENCE_GAP;
}

static void move_on(int type, void *copy, size_t length)
{
	struct xfrm_replay_state *replay = copy;
	struct xfrm_replay_state_esn *esn = copy;

	if (type == XFRMA_REPLAY_VAL && length >= sizeof *replay)
		replay->oseq = later(replay->oseq);
	else if (type == XFRMA_REPLAY_ESN_VAL && length >= sizeof *esn)
		esn->oseq = later(esn->oseq);
}

static bool put_same(struct nl_msg *message, const struct nlattr *attr, bool outbound)
{
	const int length = nla_len(attr);

	if (nla_put(message, nla_type(attr), length, nla_data(attr)))
		return false;
	if (outbound)
		move_on(nla_type(attr),
			(uint8_t *)nlmsg_tail(nlmsg_hdr(message)) - NLA_ALIGN((unsigned)length),
			(size_t)length);
	return true;
}

/* The counters stand in the fixed part of what the kernel tells, where it does not take them from. */
static bool put_counters(struct nl_msg *message, const struct xfrm_usersa_info *info)
{
	return nla_put(message, XFRMA_LTIME_VAL, sizeof info->curlft, &info->curlft) == 0;
}

static bool is_outbound(const struct nlmsghdr *dump, bool otherwise)
{
	const struct nlattr *direction = find(dump, KERNEL_XFRMA_SA_DIR);

	if (!direction || nla_len(direction) < 1)
		return otherwise;
	return nla_get_u8(direction) == KERNEL_XFRM_SA_DIR_OUT;
}

struct nl_msg *rekey_addition(const struct nlmsghdr *dump, bool outbound, const uint8_t *material,
			      size_t length)
{
	struct nlmsghdr *from = (struct nlmsghdr *)(uintptr_t)dump;
	struct nl_msg *message = nlmsg_alloc_size(REKEY_MESSAGE_MAX);
	struct nlattr *attr;
	int rest;

	if (!message)
		return NULL;
	outbound = is_outbound(dump, outbound);
	if (!nlmsg_put(message, 0, 0, XFRM_MSG_NEWSA, 0, NLM_F_REQUEST | NLM_F_ACK) ||
	    nlmsg_append(message, nlmsg_data(dump), FIXED, NLMSG_ALIGNTO))
		goto fail;
	nlmsg_for_each_attr(attr, from, FIXED, rest)
	{
		if (!is_left_out(nla_type(attr)) && !put_same(message, attr, outbound))
			goto fail;
	}
	if (put_counters(message, nlmsg_data(dump)) && put_keys(message, dump, material, length))
		return message;
fail:
	OPENSSL_cleanse(nlmsg_hdr(message), nlmsg_hdr(message)->nlmsg_len);
	nlmsg_free(message);
	return NULL;
}

struct nl_msg *rekey_deletion(const struct nlmsghdr *dump)
{
	const struct xfrm_usersa_info *info = nlmsg_data(dump);
	struct xfrm_usersa_id id = {.family = info->family, .proto = info->id.proto, .spi = info->id.spi};
	const struct nlattr *mark = find(dump, XFRMA_MARK);
	struct nl_msg *message = nlmsg_alloc_simple(XFRM_MSG_DELSA, NLM_F_REQUEST | NLM_F_ACK);

	if (!message)
		return NULL;
	memcpy(&id.daddr, &info->id.daddr, sizeof id.daddr);
	if (!nlmsg_append(message, &id, sizeof id, NLMSG_ALIGNTO) &&
	    (!mark || !nla_put(message, XFRMA_MARK, nla_len(mark), nla_data(mark))))
		return message;
	nlmsg_free(message);
	return NULL;
}

static bool read_cipher(const struct algorithm *a, struct esp_sa *out)
{
	const struct xfrm_algo *crypt = nla_data(a->attr);

	if (nla_type(a->attr) != XFRMA_ALG_CRYPT || a->key_length > sizeof out->key)
		return false;
	out->key_length = a->key_length;
	snprintf(out->cipher, sizeof out->cipher, "%.*s", (int)sizeof crypt->alg_name, crypt->alg_name);
	memcpy(out->key, key_of(a), a->key_length);
	return true;
}

static bool read_auth(const struct algorithm *a, struct esp_sa *out)
{
	const struct xfrm_algo_auth *auth = nla_data(a->attr);

	if (nla_type(a->attr) != XFRMA_ALG_AUTH_TRUNC || a->key_length > sizeof out->auth_key)
		return false;
	out->auth_key_length = a->key_length;
	out->icv_length = auth->alg_trunc_len / 8;
	snprintf(out->auth, sizeof out->auth, "%.*s", (int)sizeof auth->alg_name, auth->alg_name);
	memcpy(out->auth_key, key_of(a), a->key_length);
	return true;
}

void rekey_read_sa(const struct nlmsghdr *dump, struct esp_sa *out)
{
	struct algorithm algorithms[KEYS_MAX];

	memset(out, 0, sizeof *out);
	if (read_algorithms(dump, algorithms) != 2 || !read_cipher(&algorithms[0], out) ||
	    !read_auth(&algorithms[1], out))
		OPENSSL_cleanse(out, sizeof *out);
}
