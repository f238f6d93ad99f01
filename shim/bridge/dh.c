/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Diffie-Hellman through OpenSSL's big numbers. */
#include "shim/bridge/dh.h"

#include <openssl/bn.h>
#include <stdlib.h>

static const struct group {
	unsigned number;
	size_t length;
	BIGNUM *(*prime)(BIGNUM *out);
} groups[] = {
	{1, 96, BN_get_rfc2409_prime_768},
	{2, 128, BN_get_rfc2409_prime_1024},
	{5, 192, BN_get_rfc3526_prime_1536},
	{14, 256, BN_get_rfc3526_prime_2048},
};
enum { GROUPS = sizeof groups / sizeof *groups };

struct dh {
	BN_CTX *context;
	BIGNUM *generator;
	struct modulus {
		BIGNUM *prime, *prime_minus_1;
		BN_MONT_CTX *montgomery;
	} modulus[GROUPS];
};

static int index_of(unsigned number)
{
	for (int i = 0; i < GROUPS; i++)
		if (groups[i].number == number)
			return i;
	return -1;
}

size_t dh_length(unsigned number)
{
	const int i = index_of(number);

	return i < 0 ? 0 : groups[i].length;
}

static bool prepare(struct modulus *m, const struct group *group, BN_CTX *context)
{
	m->prime = group->prime(NULL);
	m->prime_minus_1 = m->prime ? BN_dup(m->prime) : NULL;
	m->montgomery = BN_MONT_CTX_new();
	return m->prime_minus_1 && m->montgomery && BN_sub_word(m->prime_minus_1, 1) &&
	       BN_MONT_CTX_set(m->montgomery, m->prime, context);
}

struct dh *dh_new(void)
{
	struct dh *dh = calloc(1, sizeof *dh);
	bool ok;

	if (!dh)
		return NULL;
	dh->context = BN_CTX_secure_new();
	dh->generator = BN_new();
	ok = dh->context && dh->generator && BN_set_word(dh->generator, 2);
	for (int i = 0; ok && i < GROUPS; i++)
		ok = prepare(&dh->modulus[i], &groups[i], dh->context);
	if (ok)
		return dh;
	dh_free(dh);
	return NULL;
}

void dh_free(struct dh *dh)
{
	if (!dh)
		return;
	for (int i = 0; i < GROUPS; i++) {
		BN_free(dh->modulus[i].prime);
		BN_free(dh->modulus[i].prime_minus_1);
		BN_MONT_CTX_free(dh->modulus[i].montgomery);
	}
	BN_free(dh->generator);
	BN_CTX_free(dh->context);
	free(dh);
}

static bool raise(struct dh *dh, int group, const BIGNUM *base, const uint8_t *secret, uint8_t *out)
{
	const struct modulus *m = &dh->modulus[group];
	BIGNUM *exponent = BN_secure_new(), *result = BN_secure_new();
	bool ok = exponent && result && BN_bin2bn(secret, DH_SECRET_LEN, exponent);

	if (ok) {
		BN_set_flags(exponent, BN_FLG_CONSTTIME);
		ok = BN_mod_exp_mont_consttime(result, base, exponent, m->prime, dh->context,
					       m->montgomery) &&
		     BN_bn2binpad(result, out, (int)groups[group].length) > 0;
	}
	BN_clear_free(exponent);
	BN_clear_free(result);
	return ok;
}

bool dh_public(struct dh *dh, unsigned number, const uint8_t secret[static DH_SECRET_LEN], uint8_t *out)
{
	const int group = index_of(number);

	return group >= 0 && raise(dh, group, dh->generator, secret, out);
}

/* The peer's value, if it is fit to be used; the caller frees it. */
static BIGNUM *read_peer(const struct dh *dh, int group, const uint8_t *peer, size_t length)
{
	const struct modulus *m;
	BIGNUM *value;

	if (group < 0 || length > groups[group].length)
		return NULL;
	m = &dh->modulus[group];
	value = BN_bin2bn(peer, (int)length, NULL);
	if (value && !BN_is_zero(value) && !BN_is_one(value) && BN_cmp(value, m->prime_minus_1) < 0)
		return value;
	BN_free(value);
	return NULL;
}

bool dh_in_range(const struct dh *dh, unsigned number, const uint8_t *peer, size_t peer_length)
{
	BIGNUM *value = read_peer(dh, index_of(number), peer, peer_length);

	BN_free(value);
	return value != NULL;
}

bool dh_shared(struct dh *dh, unsigned number, const uint8_t secret[static DH_SECRET_LEN],
	       const uint8_t *peer, size_t peer_length, uint8_t *out)
{
	const int group = index_of(number);
	BIGNUM *value = read_peer(dh, group, peer, peer_length);
	const bool ok = value && raise(dh, group, value, secret, out);

	BN_free(value);
	return ok;
}
