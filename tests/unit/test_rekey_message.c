/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/xfrm/rekey_message: which SA is the one that is meant, and what of it goes back to the kernel. The SA is made here, as
 * linux/xfrm.h has it, with what newer kernels tell: its direction, and attributes that this build's header has no name for. */
#include "shim/xfrm/rekey_message.h"

#include "shim/xfrm/kernel_xfrm.h"
#include "shim/xfrm/netlink.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { ENC = 16, AUTH = 20, KEYS = ENC + AUTH, OSEQ = 100, UNKNOWN = XFRMA_MAX + 20, ESN_WORDS = 4 };

static const struct esp_sa own = {.cipher = "cbc(aes)", .auth = "hmac(sha1)"};
static uint8_t old_keys[KEYS], new_keys[KEYS];

static int keys(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KEYS; i++) {
		old_keys[i] = (uint8_t)(i + 1);
		new_keys[i] = (uint8_t)(200 - i);
	}
	return 0;
}

struct shape {
	int direction; /* 0: not told */
	bool esn;
	bool mark;
};

static void put_crypt(struct nl_msg *m)
{
	struct xfrm_algo *a = nla_data(nla_reserve(m, XFRMA_ALG_CRYPT, sizeof *a + ENC));

	memset(a, 0, sizeof *a);
	memcpy(a->alg_name, own.cipher, sizeof "cbc(aes)");
	a->alg_key_len = 8 * ENC;
	memcpy(a->alg_key, old_keys, ENC);
}

static void put_auth(struct nl_msg *m)
{
	struct xfrm_algo_auth *a = nla_data(nla_reserve(m, XFRMA_ALG_AUTH_TRUNC, sizeof *a + AUTH));

	memset(a, 0, sizeof *a);
	memcpy(a->alg_name, own.auth, sizeof "hmac(sha1)");
	a->alg_key_len = 8 * AUTH;
	a->alg_trunc_len = 96;
	memcpy(a->alg_key, old_keys + ENC, AUTH);
}

static void put_replay(struct nl_msg *m, bool esn)
{
	const struct xfrm_replay_state plain = {.oseq = OSEQ, .seq = 7, .bitmap = 0x7f};
	struct xfrm_replay_state_esn *e;

	if (!esn) {
		nla_put(m, XFRMA_REPLAY_VAL, sizeof plain, &plain);
		return;
	}
	e = nla_data(nla_reserve(m, XFRMA_REPLAY_ESN_VAL, sizeof *e + ESN_WORDS * sizeof(uint32_t)));
	memset(e, 0, sizeof *e + ESN_WORDS * sizeof(uint32_t));
	e->bmp_len = ESN_WORDS;
	e->oseq = OSEQ;
	e->seq = 7;
	e->replay_window = 128;
}

/* The caller frees it. */
static struct nl_msg *an_sa(const struct shape *shape)
{
	struct xfrm_usersa_info info = {.family = AF_INET, .reqid = 16401, .replay_window = 32};
	const struct xfrm_mark mark = {.v = 5, .m = 0xff};
	struct nl_msg *m = nlmsg_alloc_size(REKEY_MESSAGE_MAX);

	assert_non_null(m);
	info.id.proto = 50;
	info.id.spi = 0x01020304;
	memcpy(&info.id.daddr, "\306\063\144\007", 4);
	info.curlft.bytes = 1234;
	assert_non_null(nlmsg_put(m, 0, 0, XFRM_MSG_NEWSA, 0, 0));
	nlmsg_append(m, &info, sizeof info, NLMSG_ALIGNTO);
	nla_put(m, XFRMA_ALG_AUTH, sizeof(struct xfrm_algo), &(struct xfrm_algo){.alg_key_len = 0});
	put_auth(m);
	put_crypt(m);
	put_replay(m, shape->esn);
	nla_put_u32(m, XFRMA_LASTUSED, 1);
	if (shape->mark)
		nla_put(m, XFRMA_MARK, sizeof mark, &mark);
	nla_put(m, UNKNOWN, 5, "what?");
	if (shape->direction)
		nla_put_u8(m, KERNEL_XFRMA_SA_DIR, (uint8_t)shape->direction);
	return m;
}

static struct nlattr *attribute(struct nl_msg *m, int type)
{
	return nlmsg_find_attr(nlmsg_hdr(m), sizeof(struct xfrm_usersa_info), type);
}

static uint32_t oseq(struct nl_msg *m)
{
	struct nlattr *plain = attribute(m, XFRMA_REPLAY_VAL), *esn = attribute(m, XFRMA_REPLAY_ESN_VAL);

	if (plain)
		return ((struct xfrm_replay_state *)nla_data(plain))->oseq;
	assert_non_null(esn);
	return ((struct xfrm_replay_state_esn *)nla_data(esn))->oseq;
}

static void check_keys(struct nl_msg *m, const uint8_t *expected)
{
	struct nlattr *crypt = attribute(m, XFRMA_ALG_CRYPT), *auth = attribute(m, XFRMA_ALG_AUTH_TRUNC);

	assert_int_equal(nla_len(crypt), sizeof(struct xfrm_algo) + ENC);
	assert_memory_equal(((struct xfrm_algo *)nla_data(crypt))->alg_key, expected, ENC);
	assert_int_equal(nla_len(auth), sizeof(struct xfrm_algo_auth) + AUTH);
	assert_memory_equal(((struct xfrm_algo_auth *)nla_data(auth))->alg_key, expected + ENC, AUTH);
}

/* The number of the next packet: of what is sent with alone, and the kernel knows better than the caller. */
static void numbers(void **state)
{
	static const struct {
		struct shape shape;
		bool outbound;
		uint32_t oseq;
	} cases[] = {
		{{0, false, false}, true, OSEQ + REKEY_SEQUENCE_GAP},
		{{0, false, false}, false, OSEQ},
		{{0, true, false}, true, OSEQ + REKEY_SEQUENCE_GAP},
		{{0, true, false}, false, OSEQ},
		{{KERNEL_XFRM_SA_DIR_IN, false, false}, false, OSEQ},
		{{KERNEL_XFRM_SA_DIR_IN, true, false}, true, OSEQ},
		{{KERNEL_XFRM_SA_DIR_OUT, true, false}, false, OSEQ + REKEY_SEQUENCE_GAP},
		{{KERNEL_XFRM_SA_DIR_OUT, false, false}, true, OSEQ + REKEY_SEQUENCE_GAP},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct nl_msg *dump = an_sa(&cases[i].shape);
		struct nl_msg *to = rekey_addition(nlmsg_hdr(dump), cases[i].outbound, new_keys, KEYS);
		struct nl_msg *back = rekey_addition(nlmsg_hdr(dump), cases[i].outbound, NULL, 0);

		assert_int_equal(oseq(to), cases[i].oseq);
		assert_int_equal(oseq(back), cases[i].oseq); /* it may have sealed packets since */
		check_keys(to, new_keys);
		check_keys(back, old_keys);
		nlmsg_free(dump);
		nlmsg_free(to);
		nlmsg_free(back);
	}
}

/* Whatever a newer kernel tells, by its number alone; but not what it would not take. */
static void what_else(void **state)
{
	struct nl_msg *dump = an_sa(&(struct shape){KERNEL_XFRM_SA_DIR_OUT, false, true});
	struct nl_msg *to = rekey_addition(nlmsg_hdr(dump), true, new_keys, KEYS);
	const struct xfrm_usersa_info *info = nlmsg_data(nlmsg_hdr(to));
	struct xfrm_lifetime_cur counters;

	(void)state;
	assert_int_equal(nlmsg_hdr(to)->nlmsg_type, XFRM_MSG_NEWSA);
	assert_int_equal(info->reqid, 16401);
	assert_int_equal(info->replay_window, 32);
	assert_non_null(attribute(to, XFRMA_MARK));
	assert_int_equal(nla_get_u8(attribute(to, KERNEL_XFRMA_SA_DIR)), KERNEL_XFRM_SA_DIR_OUT);
	assert_int_equal(nla_len(attribute(to, UNKNOWN)), 5);
	assert_memory_equal(nla_data(attribute(to, UNKNOWN)), "what?", 5);
	assert_null(attribute(to, XFRMA_ALG_AUTH));
	assert_null(attribute(to, XFRMA_LASTUSED));
	memcpy(&counters, nla_data(attribute(to, XFRMA_LTIME_VAL)), sizeof counters);
	assert_int_equal(counters.bytes, 1234);
	nlmsg_free(to);
	to = rekey_deletion(nlmsg_hdr(dump));
	const struct xfrm_usersa_id *id = nlmsg_data(nlmsg_hdr(to));

	assert_int_equal(nlmsg_hdr(to)->nlmsg_type, XFRM_MSG_DELSA);
	assert_int_equal(id->spi, 0x01020304);
	assert_int_equal(id->proto, 50);
	assert_int_equal(id->family, AF_INET);
	assert_memory_equal(&id->daddr, "\306\063\144\007", 4);
	assert_non_null(nlmsg_find_attr(nlmsg_hdr(to), sizeof *id, XFRMA_MARK));
	nlmsg_free(to);
	nlmsg_free(dump);
}

/* Every bit of both keys counts, and no byte behind them. */
static void matches(void **state)
{
	struct nl_msg *dump = an_sa(&(struct shape){0, false, false});
	const struct nlmsghdr *sa = nlmsg_hdr(dump);
	uint8_t expected[REKEY_MATERIAL_MAX];

	(void)state;
	memset(expected, 0xff, sizeof expected);
	memcpy(expected, old_keys, KEYS);
	assert_true(rekey_has_keys(sa));
	assert_int_equal(rekey_match(sa, expected, sizeof expected), 0);
	assert_int_equal(rekey_match(sa, expected, KEYS), 0);
	assert_int_equal(rekey_match(sa, expected, KEYS - 1), -EMSGSIZE);
	assert_int_equal(rekey_match(sa, expected, 0), -EMSGSIZE);
	for (unsigned bit = 0; bit < 8 * KEYS; bit++) {
		expected[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(rekey_match(sa, expected, sizeof expected), -EKEYREJECTED);
		expected[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(rekey_match(sa, new_keys, KEYS), -EKEYREJECTED);
	nlmsg_free(dump);
}

/* No keys, keys of no length, and keys that are longer than what they stand in. */
static void none_to_compare(void **state)
{
	struct nl_msg *dump = an_sa(&(struct shape){0, false, false});
	struct xfrm_algo *crypt = nla_data(attribute(dump, XFRMA_ALG_CRYPT));
	struct xfrm_algo_auth *auth = nla_data(attribute(dump, XFRMA_ALG_AUTH_TRUNC));

	(void)state;
	crypt->alg_key_len = auth->alg_key_len = 0;
	assert_int_equal(rekey_match(nlmsg_hdr(dump), old_keys, KEYS), -EKEYREJECTED);
	crypt->alg_key_len = 8 * ENC + 1;
	assert_int_equal(rekey_match(nlmsg_hdr(dump), old_keys, KEYS), -EMSGSIZE);
	crypt->alg_key_len = UINT32_MAX;
	assert_int_equal(rekey_match(nlmsg_hdr(dump), old_keys, KEYS), -EMSGSIZE);
	assert_null(rekey_addition(nlmsg_hdr(dump), true, new_keys, KEYS));
	attribute(dump, XFRMA_ALG_CRYPT)->nla_type = attribute(dump, XFRMA_ALG_AUTH_TRUNC)->nla_type =
		UNKNOWN;
	assert_false(rekey_has_keys(nlmsg_hdr(dump)));
	assert_int_equal(rekey_match(nlmsg_hdr(dump), old_keys, KEYS), -EMSGSIZE);
	nlmsg_free(dump);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(what_else),
		cmocka_unit_test(matches),
		cmocka_unit_test_setup(none_to_compare, keys),
	};

	return cmocka_run_group_tests_name("rekey_message", tests, keys, NULL);
}
