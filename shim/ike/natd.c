/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAT-D hashes through OpenSSL. */
#include "shim/ike/natd.h"

#include "shim/ike/isakmp.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const char *const algorithm_names[] = {
	[ISAKMP_HASH_MD5] = "MD5",         [ISAKMP_HASH_SHA1] = "SHA1",
	[ISAKMP_HASH_SHA2_256] = "SHA256", [ISAKMP_HASH_SHA2_384] = "SHA384",
	[ISAKMP_HASH_SHA2_512] = "SHA512",
};
enum { ALGORITHMS = sizeof algorithm_names / sizeof *algorithm_names };

struct natd_hasher {
	EVP_MD *digest[ALGORITHMS]; /* NULL where there is none (MD5 in a FIPS configuration) */
	EVP_MD_CTX *context;
};

struct natd_hasher *natd_hasher_new(void)
{
	struct natd_hasher *hasher = calloc(1, sizeof *hasher);

	if (hasher)
		hasher->context = EVP_MD_CTX_new();
	if (!hasher || !hasher->context) {
		free(hasher);
		return NULL;
	}
	for (unsigned i = 0; i < ALGORITHMS; i++)
		if (algorithm_names[i])
			hasher->digest[i] = EVP_MD_fetch(NULL, algorithm_names[i], NULL);
	return hasher;
}

void natd_hasher_free(struct natd_hasher *hasher)
{
	if (!hasher)
		return;
	for (unsigned i = 0; i < ALGORITHMS; i++)
		EVP_MD_free(hasher->digest[i]);
	EVP_MD_CTX_free(hasher->context);
	free(hasher);
}

size_t natd_hash(struct natd_hasher *hasher, uint8_t algorithm, const uint8_t *cookies,
		 const struct endpoint *address, uint16_t port, uint8_t out[static NATD_HASH_MAX])
{
	uint8_t input[ISAKMP_COOKIES_LEN + sizeof address->addr + sizeof port];
	size_t length = ISAKMP_COOKIES_LEN;
	unsigned written = 0;

	if (algorithm >= ALGORITHMS || !hasher->digest[algorithm])
		return 0;
	memcpy(input, cookies, ISAKMP_COOKIES_LEN);
	memcpy(input + length, address->addr, address->addr_len);
	length += address->addr_len;
	input[length++] = (uint8_t)(port >> 8);
	input[length++] = (uint8_t)port;
	if (!EVP_DigestInit_ex2(hasher->context, hasher->digest[algorithm], NULL) ||
	    !EVP_DigestUpdate(hasher->context, input, length) ||
	    !EVP_DigestFinal_ex(hasher->context, out, &written))
		return 0;
	return written;
}
