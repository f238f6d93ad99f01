/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vendor IDs by name: what a payload of type 13 says of its sender, beside NAT-T's (shim/ike/vendor.h). Each is the MD5 of a text,
 * of which some are sent without the last bytes, or with a version behind them; a unit test computes each from its text. Pure. */
#ifndef NATSHIM_SHIM_EXPLAIN_VENDORS_H
#define NATSHIM_SHIM_EXPLAIN_VENDORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vendor_mark {                    /* what they tell of a sender; a set of them is a mask of VENDOR_BIT */
		   VENDOR_MARK_NAT_T, /* one of shim/ike/vendor.h */
		   VENDOR_MARK_DRAFT_00,
		   VENDOR_MARK_DRAFT_OTHER,
		   VENDOR_MARK_DPD,
		   VENDOR_MARK_FRAGMENTATION,
		   VENDOR_MARK_XAUTH,
		   VENDOR_MARK_UNITY,
		   VENDOR_MARK_RACOON,
		   VENDOR_MARK_STRONGSWAN,
		   VENDOR_MARK_LIBRESWAN,
		   VENDOR_MARK_OPENSWAN,
		   VENDOR_MARK_WINDOWS,
		   VENDOR_MARK_CISCO,
		   VENDOR_MARK_FORTINET,
		   VENDOR_MARK_OTHER, /* known by name, and nothing follows from it */
		   VENDOR_MARK_UNKNOWN,
};
#define VENDOR_BIT(mark) (1U << (mark))

struct known_vendor {
	const char *text; /* whose MD5 it begins with */
	uint8_t id[16];
	uint8_t same; /* bytes of id that the payload must begin with; what follows may differ */
	enum vendor_mark mark;
	const char *name; /* NULL: the text is its name */
};
/* Ends with a row without text. */
extern const struct known_vendor known_vendors[];

/* A name for people ("DPD", "KAME/racoon", "unknown 0123..."), without control characters; and what it tells. */
#define VENDOR_NAME_MAX 96
enum vendor_mark vendor_name(const uint8_t *body, size_t length, char out[static VENDOR_NAME_MAX]);

/* The number behind Microsoft's vendor ID (the version of its IKE); 0: it is not that, or has none. */
unsigned vendor_windows_version(const uint8_t *body, size_t length);

#endif
