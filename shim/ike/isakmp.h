/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ISAKMP messages (RFC 2408 section 3): the header, the chain of payloads, and of an SA payload as much as
 * phase 1 needs.
 *
 * Reads a message once and remembers where each payload's body and type byte lie, so that a type or a body
 * can be changed in place; a length never changes. Says nothing about what a payload means. Pure; every byte
 * is hostile. */
#ifndef NATSHIM_SHIM_IKE_ISAKMP_H
#define NATSHIM_SHIM_IKE_ISAKMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ISAKMP_HEADER_LEN 28  /* bytes */
#define ISAKMP_COOKIES_LEN 16 /* bytes: the initiator's cookie, then the responder's */
#define ISAKMP_FLAG_ENCRYPTION 1
#define ISAKMP_PAYLOADS_MAX 64 /* a longer chain counts as malformed */

enum isakmp_status {
	ISAKMP_OK,
	ISAKMP_SHORT,         /* no room for the header */
	ISAKMP_OTHER_VERSION, /* major version is not 1 */
	ISAKMP_BAD_LENGTH,    /* the header's length is less than a header, or more than the datagram */
	ISAKMP_BAD_PAYLOAD, /* a payload is shorter than its header, runs past the end, or is one too many */
};

enum isakmp_exchange {
	ISAKMP_MAIN_MODE = 2,
	ISAKMP_AGGRESSIVE_MODE = 4
};                                                                 /* section 3.1, RFC 2409 section 5 */
enum isakmp_payload_type { ISAKMP_SA = 1, ISAKMP_VENDOR_ID = 13 }; /* section 3.1 */

/* Hash Algorithm, attribute 2 of a phase-1 transform: RFC 2409 appendix A and the IANA registry. */
enum isakmp_hash {
	ISAKMP_HASH_NONE,
	ISAKMP_HASH_MD5 = 1,
	ISAKMP_HASH_SHA1 = 2,
	ISAKMP_HASH_SHA2_256 = 4,
	ISAKMP_HASH_SHA2_384 = 5,
	ISAKMP_HASH_SHA2_512 = 6
};

struct isakmp_payload {
	uint8_t type;
	uint32_t type_at; /* where that type stands: the "next payload" field of the header or of the previous
			     payload */
	uint32_t body_at; /* after the generic header */
	uint32_t body_length; /* bytes */
};

struct isakmp_message {
	uint8_t *data;   /* borrowed from the caller */
	uint32_t length; /* bytes, as the header states it; what follows in the datagram is not looked at */
	uint8_t first_payload, exchange_type;
	bool encrypted;
	bool first; /* the responder cookie is zero */
	unsigned payloads;
	struct isakmp_payload payload[ISAKMP_PAYLOADS_MAX];
};

/* The header alone; then, when that is ISAKMP_OK and the message is not encrypted, the chain. *out is good
 * for the header after ISAKMP_OK only, and keeps pointing into data. */
enum isakmp_status isakmp_read_header(uint8_t *data, size_t length, struct isakmp_message *out);
enum isakmp_status isakmp_read_payloads(struct isakmp_message *message);

/* The first payload of that type, or NULL. */
const struct isakmp_payload *isakmp_find(const struct isakmp_message *message, uint8_t type);
const uint8_t *isakmp_body(const struct isakmp_message *message, const struct isakmp_payload *payload);

/* Checks the inside of an SA payload (DOI, situation, proposals, transforms, attributes; RFC 2408
 * sections 3.4-3.6, RFC 2407 section 4.6.1) and tells the hash algorithm of the first transform: in an
 * answer, the one that was agreed. ISAKMP_HASH_NONE when there is none, or more than one, or one with a value
 * above 255. */
bool isakmp_read_sa(const uint8_t *body, size_t length, uint8_t *hash);

/* Edits in place. The latter two change nothing and return false when the lengths differ. */
void isakmp_set_type(struct isakmp_message *message, struct isakmp_payload *payload, uint8_t type);
bool isakmp_set_body(struct isakmp_message *message, const struct isakmp_payload *payload,
		     const uint8_t *body, size_t length);
bool isakmp_swap_bodies(struct isakmp_message *message, const struct isakmp_payload *a,
			const struct isakmp_payload *b);

#endif
