/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of IKEv1 with a pre-shared key, and what is done with them: RFC 2409 sections 5, 5.4, 5.5 and 5.7 and
 * appendix B. One struct keys is one leg of one ISAKMP SA.
 *
 * The prf is HMAC of the agreed hash. Everything here is bytes in and bytes out; the caller wipes what he was given
 * with OPENSSL_cleanse(). Pure but for OpenSSL. */
#ifndef NATSHIM_SHIM_BRIDGE_KEYS_H
#define NATSHIM_SHIM_BRIDGE_KEYS_H

#include "shim/ike/isakmp.h"

#define KEYS_HASH_MAX 64 /* bytes: SHA2-512 */
#define KEYS_KEY_MAX 32  /* AES-256 */
#define KEYS_BLOCK_MAX 16
#define KEYS_MATERIAL_LEN 128 /* of KEYMAT: more than AES-256 with SHA2-512 needs */

/* Encryption Algorithm, attribute 1 of a phase-1 transform: RFC 2409 appendix A, RFC 3602 section 5. */
enum isakmp_cipher { ISAKMP_CIPHER_3DES_CBC = 5, ISAKMP_CIPHER_AES_CBC = 7 };

struct keys_suite {
	uint8_t cipher;    /* enum isakmp_cipher */
	uint8_t hash;      /* enum isakmp_hash */
	uint8_t group;     /* Group Description */
	uint16_t key_bits; /* of AES: 128, 192, 256; else 0 */
};

struct bytes { /* borrowed */
	const uint8_t *data;
	size_t length;
};

struct keys {
	struct keys_suite suite;
	uint8_t hash_length, block_length, key_length; /* bytes */
	uint8_t skeyid[KEYS_HASH_MAX], skeyid_d[KEYS_HASH_MAX], skeyid_a[KEYS_HASH_MAX];
	uint8_t key[KEYS_KEY_MAX];
	uint8_t iv[KEYS_BLOCK_MAX]; /* of the next message of phase 1; in the end its last block */
};

struct crypto; /* algorithms, fetched once; owned by the caller, not thread-safe */

struct crypto *crypto_new(void); /* NULL: out of memory */
void crypto_free(struct crypto *crypto);

/* Cipher, key length and hash are known here, and OpenSSL has them. Says nothing of the group. */
bool keys_suite_known(const struct crypto *crypto, const struct keys_suite *suite);

/* SKEYID of a pre-shared key: prf(key, Ni_b | Nr_b). Its length in bytes, that of the hash; 0: a hash that is not known. */
size_t keys_skeyid(struct crypto *crypto, uint8_t hash, struct bytes psk, struct bytes nonce_i,
		   struct bytes nonce_r, uint8_t out[static KEYS_HASH_MAX]);

/* What phase 1 is made of on one leg. Public values as they stood on the wire: a short one stays short. */
struct keys_input {
	struct bytes skeyid, public_i, public_r, shared;
	const uint8_t *cookies; /* both */
};
bool keys_derive(struct crypto *crypto, const struct keys_suite *suite, const struct keys_input *input,
		 struct keys *out);

/* HASH_I or, with the publics and cookies of the other side first, HASH_R: hash_length bytes. sa: the body of the
 * initiator's SA payload; id: the body of the sender's ID payload. */
bool keys_hash_auth(struct crypto *crypto, const struct keys *keys, const struct keys_input *input,
		    bool responder, struct bytes sa, struct bytes id, uint8_t out[static KEYS_HASH_MAX]);

/* prf(SKEYID_a, parts): HASH(1) to HASH(3). */
bool keys_hash(struct crypto *crypto, const struct keys *keys, const struct bytes *parts, size_t count,
	       uint8_t out[static KEYS_HASH_MAX]);

/* The IV of the first message of an exchange after phase 1. message_id: as on the wire. */
bool keys_phase2_iv(struct crypto *crypto, const struct keys *keys, const uint8_t message_id[static 4],
		    uint8_t iv[static KEYS_BLOCK_MAX]);

/* CBC; length is a multiple of the block, in and out may be one. iv is moved on to the last block of ciphertext. */
bool keys_encrypt(struct crypto *crypto, const struct keys *keys, uint8_t *iv, const uint8_t *in,
		  size_t length, uint8_t *out);
bool keys_decrypt(struct crypto *crypto, const struct keys *keys, uint8_t *iv, const uint8_t *in,
		  size_t length, uint8_t *out);

/* KEYMAT of one ESP SA, as much of it as there can be use for. shared: the secret of PFS, or empty. */
bool keys_material(struct crypto *crypto, const struct keys *keys, struct bytes shared, uint8_t protocol,
		   struct bytes spi, struct bytes nonce_i, struct bytes nonce_r,
		   uint8_t out[static KEYS_MATERIAL_LEN]);

/* Constant time. */
bool bytes_equal_secret(const uint8_t *a, const uint8_t *b, size_t length);

#endif
