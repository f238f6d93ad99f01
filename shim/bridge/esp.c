/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening and sealing of ESP packets through OpenSSL: encrypt-then-MAC, RFC 2451 and RFC 3602 with RFC 2403, 2404, 4868. */
#include "shim/bridge/esp.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { HEADER = 8 /* bytes: SPI and sequence number */ };

static const struct cipher {
	const char *name;
	size_t key_length, block;
	const EVP_CIPHER *(*evp)(void);
} ciphers[] = {
	{"cbc(des3_ede)", 24, 8, EVP_des_ede3_cbc},
	{"cbc(aes)", 16, 16, EVP_aes_128_cbc},
	{"cbc(aes)", 24, 16, EVP_aes_192_cbc},
	{"cbc(aes)", 32, 16, EVP_aes_256_cbc},
};
static const struct mac {
	const char *name;
	size_t length;
	const EVP_MD *(*evp)(void);
} macs[] = {
	{"hmac(md5)", 16, EVP_md5},       {"hmac(sha1)", 20, EVP_sha1},     {"hmac(sha256)", 32, EVP_sha256},
	{"hmac(sha384)", 48, EVP_sha384}, {"hmac(sha512)", 64, EVP_sha512},
};

static const struct cipher *find_cipher(const struct esp_sa *sa)
{
	for (size_t i = 0; i < sizeof ciphers / sizeof *ciphers; i++)
		if (ciphers[i].key_length == sa->key_length && !strcmp(ciphers[i].name, sa->cipher))
			return &ciphers[i];
	return NULL;
}

static const struct mac *find_mac(const struct esp_sa *sa)
{
	for (size_t i = 0; i < sizeof macs / sizeof *macs; i++)
		if (macs[i].length == sa->auth_key_length && sa->icv_length &&
		    sa->icv_length <= macs[i].length && !strcmp(macs[i].name, sa->auth))
			return &macs[i];
	return NULL;
}

/* False: an algorithm, or the length of a key, that is not among those below. */
static bool esp_known(const struct esp_sa *sa)
{
	return find_cipher(sa) && find_mac(sa);
}

static bool make_icv(const struct esp_sa *sa, const uint8_t *packet, size_t length,
		     uint8_t out[EVP_MAX_MD_SIZE])
{
	return HMAC(find_mac(sa)->evp(), sa->auth_key, (int)sa->auth_key_length, packet, length, out, NULL) !=
	       NULL;
}

static bool cbc(const struct esp_sa *sa, const uint8_t *iv, uint8_t *data, size_t length, bool encrypt)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int written;
	const bool ok =
		context && EVP_CipherInit_ex(context, find_cipher(sa)->evp(), NULL, sa->key, iv, encrypt) &&
		EVP_CIPHER_CTX_set_padding(context, 0) &&
		EVP_CipherUpdate(context, data, &written, data, (int)length) && (size_t)written == length;

	EVP_CIPHER_CTX_free(context);
	return ok;
}

enum esp_outcome esp_reseal(const struct esp_sa *from, const struct esp_sa *to, const uint8_t *iv,
			    uint8_t *packet, size_t length)
{
	uint8_t icv[EVP_MAX_MD_SIZE];

	if (!esp_known(from) || !esp_known(to) || find_cipher(from) != find_cipher(to) ||
	    find_mac(from) != find_mac(to) || from->icv_length != to->icv_length)
		return ESP_FOREIGN;
	const size_t block = find_cipher(from)->block, around = HEADER + block + from->icv_length;

	if (length <= around || length > UINT16_MAX || (length - around) % block)
		return ESP_FOREIGN;
	const size_t sealed = length - from->icv_length;

	if (!make_icv(from, packet, sealed, icv))
		return ESP_FAILED;
	if (CRYPTO_memcmp(icv, packet + sealed, from->icv_length) != 0)
		return ESP_FOREIGN;
	if (!cbc(from, packet + HEADER, packet + HEADER + block, length - around, false))
		return ESP_FAILED;
	memcpy(packet + HEADER, iv, block);
	if (!cbc(to, iv, packet + HEADER + block, length - around, true) ||
	    !make_icv(to, packet, sealed, icv))
		return ESP_FAILED;
	memcpy(packet + sealed, icv, to->icv_length);
	return ESP_RESEALED;
}
