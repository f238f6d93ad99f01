/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SA payloads of phase 1 and of Quick Mode, as far as bridge mode reads and writes them: RFC 2408 sections 3.4-3.6,
 * RFC 2409 appendix A, RFC 2407 section 4.5. Pure; every byte that is read is hostile. */
#ifndef NATSHIM_SHIM_BRIDGE_OFFER_H
#define NATSHIM_SHIM_BRIDGE_OFFER_H

#include "shim/bridge/keys.h"

#define OFFER_TRANSFORMS_MAX 64
#define OFFER_SUITES_MAX 16
#define OFFER_TEXT_MAX 48

struct offer_transform {
	struct keys_suite suite;
	uint16_t authentication; /* 1: pre-shared key */
	uint32_t life_s;         /* 0: none stated in seconds */
	struct bytes whole;      /* after its generic header: number, ID, attributes */
};
struct offer {
	uint8_t proposal; /* the first one's number */
	unsigned count;   /* of the transforms of all proposals */
	struct offer_transform transform[OFFER_TRANSFORMS_MAX];
};

#define OFFER_PRE_SHARED_KEY 1

/* A phase-1 SA payload's body; *out borrows from it. False: malformed, or not for ISAKMP. */
bool offer_read(struct bytes body, struct offer *out);

/* The bodies of a phase-1 SA payload: with a transform for each suite; and with the one transform that is chosen.
 * Their length, 0 when there is no room. life_s 0: no lifetime. */
size_t offer_write(const struct keys_suite *suites, size_t count, uint32_t life_s, uint8_t *out,
		   size_t capacity);
size_t offer_write_choice(uint8_t proposal, const struct offer_transform *transform, uint8_t *out,
			  size_t capacity);

bool offer_same_suite(const struct keys_suite *a, const struct keys_suite *b);
/* natshim's own order: by the Diffie-Hellman group first (14, 5, 2, 1), for whoever breaks that has the keys of every cipher; then by
 * cipher (AES by its key, 3DES) and hash (SHA2 by its length, SHA1, MD5). */
bool offer_is_stronger(const struct keys_suite *a, const struct keys_suite *b);

/* "aes256-sha2_256-modp2048,3des-sha1-modp1536": how an admin writes them. False: *bad and *bad_length tell the part
 * that is not understood. */
bool offer_parse(const char *text, struct keys_suite out[static OFFER_SUITES_MAX], size_t *count,
		 const char **bad, size_t *bad_length);
const char *offer_suite_text(const struct keys_suite *suite, char out[static OFFER_TEXT_MAX]);

/* What Quick Mode agrees on: the ESP proposal of that number (0: the first one), its SPI, and the group of PFS (0: none).
 * False: malformed, or no ESP proposal with an SPI of four bytes. */
struct offer_esp {
	uint8_t proposal;
	uint8_t spi[4];
	uint32_t group;
};
bool offer_read_esp(struct bytes body, uint8_t proposal, struct offer_esp *out);
/* The SPIs of all such proposals, each once, for any of them may be chosen. Their number; OFFER_SPIS_MAX + 1: more than have room;
 * 0: malformed, or there are none. */
#define OFFER_SPIS_MAX 16
size_t offer_esp_spis(struct bytes body, uint8_t out[static OFFER_SPIS_MAX][4]);
/* Another group of PFS in every transform that names one. False: malformed, or one names it in another form than RFC 2408
 * section 3.3 has for so small a number. */
bool offer_set_esp_group(uint8_t *body, size_t length, uint16_t group);

#endif
