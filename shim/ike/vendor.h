/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vendor IDs of NAT-T (RFC 3947 section 3.1 and its drafts): the MD5 of a text, as payload type 13 carries
 * it. Pure facts; a unit test computes each MD5 anew from the text beside it. */
#ifndef NATSHIM_SHIM_IKE_VENDOR_H
#define NATSHIM_SHIM_IKE_VENDOR_H

#include <stddef.h>
#include <stdint.h>

#define VENDOR_ID_LEN 16 /* bytes */

enum vendor {
	VENDOR_RFC_3947,
	VENDOR_APPLE, /* the draft's name without a number: what Mac OS X sends */
	VENDOR_DRAFT_02,
	VENDOR_DRAFT_02_NEWLINE, /* the text was hashed with its line end by many; they all answer to it */
	VENDOR_DRAFT_03,
	VENDOR_DRAFT_04,
	VENDOR_DRAFT_05,
	VENDOR_DRAFT_06,
	VENDOR_DRAFT_07,
	VENDOR_DRAFT_08,
	VENDORS,
	VENDOR_UNKNOWN = VENDORS
};

struct vendor_id {
	const char *text;
	uint8_t md5[VENDOR_ID_LEN];
};
extern const struct vendor_id vendor_ids[VENDORS];

/* Which one this payload body is; VENDOR_UNKNOWN for all others. */
enum vendor vendor_find(const uint8_t *body, size_t length);

#endif
