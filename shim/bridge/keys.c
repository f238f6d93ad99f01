/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key schedule through OpenSSL. */
#include "shim/bridge/keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

static const struct hash_facts {
	const char *name;
	uint8_t length;
} hashes[] = {
	[ISAKMP_HASH_MD5] = {"MD5", 16},         [ISAKMP_HASH_SHA1] = {"SHA1", 20},
	[ISAKMP_HASH_SHA2_256] = {"SHA256", 32}, [ISAKMP_HASH_SHA2_384] = {"SHA384", 48},
	[ISAKMP_HASH_SHA2_512] = {"SHA512", 64},
};
static const struct cipher_facts {
	const char *name;
	uint8_t cipher;
	uint16_t key_bits;
	uint8_t key_length, block_length;
} ciphers[] = {
	{"DES-EDE3-CBC", ISAKMP_CIPHER_3DES_CBC, 0, 24, 8},
	{"AES-128-CBC", ISAKMP_CIPHER_AES_CBC, 128, 16, 16},
	{"AES-192-CBC", ISAKMP_CIPHER_AES_CBC, 192, 24, 16},
	{"AES-256-CBC", ISAKMP_CIPHER_AES_CBC, 256, 32, 16},
};
enum { HASHES = sizeof hashes / sizeof *hashes, CIPHERS = sizeof ciphers / sizeof *ciphers, PARTS_MAX = 6 };

struct crypto {
	EVP_MD *digest[HASHES];
	EVP_MAC_CTX *prf
		[HASHES]; /* HMAC of each, set up once: naming the digest each time would cost more than the HMAC */
	EVP_CIPHER *cipher[CIPHERS];
	EVP_MAC *hmac;
	EVP_MD_CTX *digest_context;
	EVP_CIPHER_CTX *cipher_context;
};

static void prepare_hash(struct crypto *crypto, unsigned hash)
{
	const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(
					     OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)hashes[hash].name, 0),
				     OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(crypto->hmac);

	if (context && EVP_MAC_CTX_set_params(context, params)) {
		crypto->prf[hash] = context;
		crypto->digest[hash] = EVP_MD_fetch(NULL, hashes[hash].name, NULL);
	} else {
		EVP_MAC_CTX_free(context);
	}
}

struct crypto *crypto_new(void)
{
	struct crypto *crypto = calloc(1, sizeof *crypto);

	if (!crypto)
		return NULL;
	crypto->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	crypto->digest_context = EVP_MD_CTX_new();
	crypto->cipher_context = EVP_CIPHER_CTX_new();
	for (unsigned i = 0; i < HASHES; i++)
		if (hashes[i].name && crypto->hmac)
			prepare_hash(crypto, i);
	for (unsigned i = 0; i < CIPHERS; i++)
		crypto->cipher[i] = EVP_CIPHER_fetch(NULL, ciphers[i].name, NULL);
	if (crypto->hmac && crypto->digest_context && crypto->cipher_context)
		return crypto;
	crypto_free(crypto);
	return NULL;
}

void crypto_free(struct crypto *crypto)
{
	if (!crypto)
		return;
	for (unsigned i = 0; i < HASHES; i++)
		EVP_MD_free(crypto->digest[i]);
	for (unsigned i = 0; i < HASHES; i++)
		EVP_MAC_CTX_free(crypto->prf[i]);
	for (unsigned i = 0; i < CIPHERS; i++)
		EVP_CIPHER_free(crypto->cipher[i]);
	EVP_MAC_free(crypto->hmac);
	EVP_MD_CTX_free(crypto->digest_context);
	EVP_CIPHER_CTX_free(crypto->cipher_context);
	free(crypto);
}

/* CIPHERS when there is none. */
static unsigned find_cipher(const struct keys_suite *suite)
{
	unsigned i = 0;

	while (i < CIPHERS && (ciphers[i].cipher != suite->cipher || ciphers[i].key_bits != suite->key_bits))
		i++;
	return i;
}

bool keys_suite_known(const struct crypto *crypto, const struct keys_suite *suite)
{
	const unsigned cipher = find_cipher(suite);

	return cipher < CIPHERS && crypto->cipher[cipher] && suite->hash < HASHES &&
	       crypto->digest[suite->hash];
}

static bool prf(struct crypto *crypto, uint8_t hash, struct bytes key, const struct bytes *parts,
		size_t count, uint8_t *out)
{
	static const uint8_t no_key[1];
	EVP_MAC_CTX *context = crypto->prf[hash];
	size_t written;
	bool ok = EVP_MAC_init(context, key.data, key.length, NULL);

	for (size_t i = 0; ok && i < count; i++)
		ok = EVP_MAC_update(context, parts[i].data, parts[i].length);
	ok = ok && EVP_MAC_final(context, out, &written, KEYS_HASH_MAX);
	EVP_MAC_init(context, no_key, sizeof no_key,
		     NULL); /* else it keeps this key until the next one comes */
	return ok;
}

static bool digest(struct crypto *crypto, uint8_t hash, struct bytes a, struct bytes b, uint8_t *out)
{
	EVP_MD_CTX *context = crypto->digest_context;

	return EVP_DigestInit_ex2(context, crypto->digest[hash], NULL) &&
	       EVP_DigestUpdate(context, a.data, a.length) && EVP_DigestUpdate(context, b.data, b.length) &&
	       EVP_DigestFinal_ex(context, out, NULL);
}

/* SKEYID_d, _a and _e: each from the one before it. */
static bool derive_one(struct crypto *crypto, const struct keys *keys, const struct keys_input *input,
		       const uint8_t *before, uint8_t number, uint8_t *out)
{
	const struct bytes parts[] = {{before, before ? keys->hash_length : 0},
				      input->shared,
				      {input->cookies, ISAKMP_COOKIES_LEN},
				      {&number, 1}};

	return prf(crypto, keys->suite.hash, (struct bytes){keys->skeyid, keys->hash_length}, parts, 4, out);
}

/* Appendix B: SKEYID_e itself, or K1 | K2 | ... where it is too short. */
static bool stretch(struct crypto *crypto, struct keys *keys, const uint8_t *skeyid_e)
{
	static const uint8_t zero;
	const struct bytes key = {skeyid_e, keys->hash_length};
	struct bytes last = {&zero, 1};
	uint8_t material[KEYS_KEY_MAX + KEYS_HASH_MAX] = {0};
	bool ok = true;

	if (keys->hash_length >= keys->key_length) {
		memcpy(keys->key, skeyid_e, keys->key_length);
		return true;
	}
	for (size_t at = 0; ok && at < keys->key_length; at += keys->hash_length) {
		ok = prf(crypto, keys->suite.hash, key, &last, 1, material + at);
		last = (struct bytes){material + at, keys->hash_length};
	}
	memcpy(keys->key, material, keys->key_length);
	OPENSSL_cleanse(material, sizeof material);
	return ok;
}

size_t keys_skeyid(struct crypto *crypto, uint8_t hash, struct bytes psk, struct bytes nonce_i,
		   struct bytes nonce_r, uint8_t out[static KEYS_HASH_MAX])
{
	const struct bytes nonces[] = {nonce_i, nonce_r};
	const bool known = hash < HASHES && crypto->digest[hash];

	return known && prf(crypto, hash, psk, nonces, 2, out) ? hashes[hash].length : 0;
}

bool keys_derive(struct crypto *crypto, const struct keys_suite *suite, const struct keys_input *input,
		 struct keys *out)
{
	uint8_t skeyid_e[KEYS_HASH_MAX], iv[KEYS_HASH_MAX];
	const unsigned cipher = find_cipher(suite);
	bool ok;

	if (!keys_suite_known(crypto, suite) || input->skeyid.length != hashes[suite->hash].length)
		return false;
	*out = (struct keys){.suite = *suite,
			     .hash_length = hashes[suite->hash].length,
			     .block_length = ciphers[cipher].block_length,
			     .key_length = ciphers[cipher].key_length};
	memcpy(out->skeyid, input->skeyid.data, input->skeyid.length);
	ok = derive_one(crypto, out, input, NULL, 0, out->skeyid_d) &&
	     derive_one(crypto, out, input, out->skeyid_d, 1, out->skeyid_a) &&
	     derive_one(crypto, out, input, out->skeyid_a, 2, skeyid_e) && stretch(crypto, out, skeyid_e) &&
	     digest(crypto, suite->hash, input->public_i, input->public_r, iv);
	OPENSSL_cleanse(skeyid_e, sizeof skeyid_e);
	if (ok)
		memcpy(out->iv, iv, out->block_length);
	else
		OPENSSL_cleanse(out, sizeof *out);
	return ok;
}

bool keys_hash_auth(struct crypto *crypto, const struct keys *keys, const struct keys_input *input,
		    bool responder, struct bytes sa, struct bytes id, uint8_t out[static KEYS_HASH_MAX])
{
	const struct bytes cookie_i = {input->cookies, ISAKMP_COOKIES_LEN / 2};
	const struct bytes cookie_r = {input->cookies + ISAKMP_COOKIES_LEN / 2, ISAKMP_COOKIES_LEN / 2};
	const struct bytes parts[] = {responder ? input->public_r : input->public_i,
				      responder ? input->public_i : input->public_r,
				      responder ? cookie_r : cookie_i,
				      responder ? cookie_i : cookie_r,
				      sa,
				      id};

	return prf(crypto, keys->suite.hash, (struct bytes){keys->skeyid, keys->hash_length}, parts, 6, out);
}

bool keys_hash(struct crypto *crypto, const struct keys *keys, const struct bytes *parts, size_t count,
	       uint8_t out[static KEYS_HASH_MAX])
{
	return prf(crypto, keys->suite.hash, (struct bytes){keys->skeyid_a, keys->hash_length}, parts, count,
		   out);
}

bool keys_phase2_iv(struct crypto *crypto, const struct keys *keys, const uint8_t message_id[static 4],
		    uint8_t iv[static KEYS_BLOCK_MAX])
{
	uint8_t hash[KEYS_HASH_MAX];

	if (!digest(crypto, keys->suite.hash, (struct bytes){keys->iv, keys->block_length},
		    (struct bytes){message_id, 4}, hash))
		return false;
	memcpy(iv, hash, keys->block_length);
	return true;
}

static bool cbc(struct crypto *crypto, const struct keys *keys, const uint8_t *iv, const uint8_t *in,
		size_t length, uint8_t *out, bool encrypt)
{
	EVP_CIPHER_CTX *context = crypto->cipher_context;
	int written;
	bool ok;

	if (length == 0 || length % keys->block_length || length > UINT16_MAX)
		return false;
	ok = EVP_CipherInit_ex2(context, crypto->cipher[find_cipher(&keys->suite)], keys->key, iv, encrypt,
				NULL) &&
	     EVP_CIPHER_CTX_set_padding(context, 0) &&
	     EVP_CipherUpdate(context, out, &written, in, (int)length) && (size_t)written == length;
	EVP_CIPHER_CTX_reset(context);
	return ok;
}

bool keys_encrypt(struct crypto *crypto, const struct keys *keys, uint8_t *iv, const uint8_t *in,
		  size_t length, uint8_t *out)
{
	if (!cbc(crypto, keys, iv, in, length, out, true))
		return false;
	memcpy(iv, out + length - keys->block_length, keys->block_length);
	return true;
}

bool keys_decrypt(struct crypto *crypto, const struct keys *keys, uint8_t *iv, const uint8_t *in,
		  size_t length, uint8_t *out)
{
	uint8_t last[KEYS_BLOCK_MAX];

	if (length < keys->block_length)
		return false;
	memcpy(last, in + length - keys->block_length, keys->block_length);
	if (!cbc(crypto, keys, iv, in, length, out, false))
		return false;
	memcpy(iv, last, keys->block_length);
	return true;
}

bool keys_material(struct crypto *crypto, const struct keys *keys, struct bytes shared, uint8_t protocol,
		   struct bytes spi, struct bytes nonce_i, struct bytes nonce_r,
		   uint8_t out[static KEYS_MATERIAL_LEN])
{
	uint8_t block[KEYS_HASH_MAX];
	struct bytes parts[PARTS_MAX] = {{NULL, 0}, shared, {&protocol, 1}, spi, nonce_i, nonce_r};
	size_t at = 0;
	bool ok = true;

	while (ok && at < KEYS_MATERIAL_LEN) {
		const size_t rest = KEYS_MATERIAL_LEN - at;
		const size_t part = rest < keys->hash_length ? rest : keys->hash_length;

		ok = prf(crypto, keys->suite.hash, (struct bytes){keys->skeyid_d, keys->hash_length}, parts,
			 PARTS_MAX, block);
		memcpy(out + at, block, part);
		parts[0] = (struct bytes){block, keys->hash_length};
		at += part;
	}
	OPENSSL_cleanse(block, sizeof block);
	return ok;
}

bool bytes_equal_secret(const uint8_t *a, const uint8_t *b, size_t length)
{
	return CRYPTO_memcmp(a, b, length) == 0;
}
