/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of vendor IDs, and those that are text themselves. */
#include "shim/explain/vendors.h"

#include "shim/hex.h"
#include "shim/ike/vendor.h"

#include <stdio.h>
#include <string.h>

enum { WINDOWS_VERSION_LEN = 4, SHOWN = 24 };

const struct known_vendor known_vendors[] = {
	{"draft-ietf-ipsec-nat-t-ike-00",
	 {0x44, 0x85, 0x15, 0x2d, 0x18, 0xb6, 0xbb, 0xcd, 0x0b, 0xe8, 0xa8, 0x46, 0x95, 0x79, 0xdd, 0xcc},
	 16,
	 VENDOR_MARK_DRAFT_00,
	 "NAT-T draft 00"},
	{"draft-ietf-ipsec-nat-t-ike-01",
	 {0x16, 0xf6, 0xca, 0x16, 0xe4, 0xa4, 0x06, 0x6d, 0x83, 0x82, 0x1a, 0x0f, 0x0a, 0xea, 0xa8, 0x62},
	 16,
	 VENDOR_MARK_DRAFT_OTHER,
	 "NAT-T draft 01"},
	{"draft-stenberg-ipsec-nat-traversal-01",
	 {0x27, 0xba, 0xb5, 0xdc, 0x01, 0xea, 0x07, 0x60, 0xea, 0x4e, 0x31, 0x90, 0xac, 0x27, 0xc0, 0xd0},
	 16,
	 VENDOR_MARK_DRAFT_OTHER,
	 NULL},
	{"draft-stenberg-ipsec-nat-traversal-02",
	 {0x61, 0x05, 0xc4, 0x22, 0xe7, 0x68, 0x47, 0xe4, 0x3f, 0x96, 0x84, 0x80, 0x12, 0x92, 0xae, 0xcd},
	 16,
	 VENDOR_MARK_DRAFT_OTHER,
	 NULL},
	{"draft-huttunen-ipsec-esp-in-udp-00.txt",
	 {0x6a, 0x74, 0x34, 0xc1, 0x9d, 0x7e, 0x36, 0x34, 0x80, 0x90, 0xa0, 0x23, 0x34, 0xc9, 0xc8, 0x05},
	 16,
	 VENDOR_MARK_DRAFT_OTHER,
	 NULL},
	{"ESPThruNAT",
	 {0x50, 0x76, 0x0f, 0x62, 0x4c, 0x63, 0xe5, 0xc5, 0x3e, 0xea, 0x38, 0x6c, 0x68, 0x5c, 0xa0, 0x83},
	 16,
	 VENDOR_MARK_DRAFT_OTHER,
	 NULL},
	{"FRAGMENTATION",
	 {0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3},
	 16,
	 VENDOR_MARK_FRAGMENTATION,
	 "IKE fragmentation"},
	{"draft-ietf-ipsra-isakmp-xauth-06.txt",
	 {0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12, 0x80, 0xa2, 0x24, 0xde, 0xc3, 0x3b, 0x81, 0xe5},
	 8,
	 VENDOR_MARK_XAUTH,
	 "XAUTH"},
	{"CISCO-UNITY",
	 {0x12, 0xf5, 0xf2, 0x8c, 0x45, 0x71, 0x68, 0xa9, 0x70, 0x2d, 0x9f, 0xe2, 0x74, 0xcc, 0x02, 0xd4},
	 14,
	 VENDOR_MARK_UNITY,
	 "Cisco Unity"},
	{"ALTIGA GATEWAY",
	 {0x1f, 0x07, 0xf7, 0x0e, 0xaa, 0x65, 0x14, 0xd3, 0xb0, 0xfa, 0x96, 0x54, 0x2a, 0x50, 0x6e, 0x7d},
	 14,
	 VENDOR_MARK_CISCO,
	 "Cisco VPN 3000"},
	{"ALTIGA NETWORKS",
	 {0xf6, 0xf7, 0xef, 0xc7, 0xf5, 0xae, 0xb8, 0xcb, 0x15, 0x8c, 0xb9, 0xd0, 0x94, 0xba, 0x69, 0xe7},
	 14,
	 VENDOR_MARK_CISCO,
	 "Cisco VPN 3000"},
	{"KAME/racoon",
	 {0x70, 0x03, 0xcb, 0xc1, 0x09, 0x7d, 0xbe, 0x9c, 0x26, 0x00, 0xba, 0x69, 0x83, 0xbc, 0x8b, 0x35},
	 16,
	 VENDOR_MARK_RACOON,
	 NULL},
	{"strongSwan",
	 {0x88, 0x2f, 0xe5, 0x6d, 0x6f, 0xd2, 0x0d, 0xbc, 0x22, 0x51, 0x61, 0x3b, 0x2e, 0xbe, 0x5b, 0xeb},
	 16,
	 VENDOR_MARK_STRONGSWAN,
	 NULL},
	{"MS NT5 ISAKMPOAKLEY",
	 {0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d, 0x7c, 0x96, 0xfc, 0xbf, 0xb5, 0x87, 0xe4, 0x61},
	 16,
	 VENDOR_MARK_WINDOWS,
	 "Microsoft"},
	{"MS-Negotiation Discovery Capable",
	 {0xfb, 0x1d, 0xe3, 0xcd, 0xf3, 0x41, 0xb7, 0xea, 0x16, 0xb7, 0xe5, 0xbe, 0x08, 0x55, 0xf1, 0x20},
	 16,
	 VENDOR_MARK_OTHER,
	 NULL},
	{"Vid-Initial-Contact",
	 {0x26, 0x24, 0x4d, 0x38, 0xed, 0xdb, 0x61, 0xb3, 0x17, 0x2a, 0x36, 0xe3, 0xd0, 0xcf, 0xb8, 0x19},
	 16,
	 VENDOR_MARK_OTHER,
	 NULL},
	{"IKE CGA version 1",
	 {0xe3, 0xa5, 0x96, 0x6a, 0x76, 0x37, 0x9f, 0xe7, 0x07, 0x22, 0x82, 0x31, 0xe5, 0xce, 0x86, 0x52},
	 16,
	 VENDOR_MARK_OTHER,
	 NULL},
	{"MS-MamieExists",
	 {0x21, 0x4c, 0xa4, 0xfa, 0xff, 0xa7, 0xf3, 0x2d, 0x67, 0x48, 0xe5, 0x30, 0x33, 0x95, 0xae, 0x83},
	 16,
	 VENDOR_MARK_OTHER,
	 NULL},
	{"GSSAPI",
	 {0x62, 0x1b, 0x04, 0xbb, 0x09, 0x88, 0x2a, 0xc1, 0xe1, 0x59, 0x35, 0xfe, 0xfa, 0x24, 0xae, 0xee},
	 16,
	 VENDOR_MARK_OTHER,
	 NULL},
	{"A GSS-API Authentication Method for IKE",
	 {0xad, 0x2c, 0x0d, 0xd0, 0xb9, 0xc3, 0x20, 0x83, 0xcc, 0xba, 0x25, 0xb8, 0x86, 0x1e, 0xc4, 0x55},
	 16,
	 VENDOR_MARK_OTHER,
	 NULL},
	{"FORTIGATE",
	 {0x82, 0x99, 0x03, 0x17, 0x57, 0xa3, 0x60, 0x82, 0xc6, 0xa6, 0x21, 0xde, 0x3a, 0xc6, 0x80, 0xa3},
	 12,
	 VENDOR_MARK_FORTINET,
	 "Fortinet FortiGate"},
	{.text = NULL},
};

/* RFC 3706 section 5.1: bytes of its own, then the version 1.0. */
static const uint8_t dpd[] = {0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1,
			      0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57};

/* Vendor IDs that are readable: libreswan's and Openswan's begin so (their source, vendor.c), Netscreen's is this word. */
static const struct {
	const char *begin;
	size_t length; /* of the whole; 0: any */
	enum vendor_mark mark;
} texts[] = {
	{"OE-Libreswan-", 0, VENDOR_MARK_LIBRESWAN},
	{"OE", 12, VENDOR_MARK_OPENSWAN},
	{"HeartBeat_Notify", 0, VENDOR_MARK_OTHER},
};

static bool begins(const uint8_t *body, size_t length, const void *with, size_t with_length)
{
	return length >= with_length && !memcmp(body, with, with_length);
}

static bool is_printable(const uint8_t *body, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (body[i] < ' ' || body[i] > '~')
			return false;
	return length > 0;
}

static enum vendor_mark name_text(const uint8_t *body, size_t length, char *out)
{
	const size_t shown = length < SHOWN ? length : SHOWN;

	snprintf(out, VENDOR_NAME_MAX, "\"%.*s%s\"", (int)shown, (const char *)body,
		 shown < length ? "..." : "");
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (begins(body, length, texts[i].begin, strlen(texts[i].begin)) &&
		    (!texts[i].length || texts[i].length == length))
			return texts[i].mark;
	return VENDOR_MARK_UNKNOWN;
}

static enum vendor_mark name_unknown(const uint8_t *body, size_t length, char *out)
{
	const size_t shown = length < SHOWN ? length : SHOWN;
	char hex[2 * SHOWN + 1];

	if (is_printable(body, length))
		return name_text(body, length, out);
	hex_write(body, shown, hex);
	snprintf(out, VENDOR_NAME_MAX, "unknown %s%s", length ? hex : "(empty)", shown < length ? "..." : "");
	return VENDOR_MARK_UNKNOWN;
}

static enum vendor_mark name_nat_t(enum vendor vendor, char *out)
{
	static const char draft[] = "draft-ietf-ipsec-nat-t-ike";
	const char *text = vendor_ids[vendor].text;

	if (vendor == VENDOR_APPLE)
		snprintf(out, VENDOR_NAME_MAX, "Apple's NAT-T (%s)", draft);
	else if (vendor == VENDOR_DRAFT_02_NEWLINE)
		snprintf(out, VENDOR_NAME_MAX, "NAT-T draft 02 with a newline");
	else if (!strncmp(text, draft, strlen(draft)))
		snprintf(out, VENDOR_NAME_MAX, "NAT-T draft %s", text + strlen(draft) + 1);
	else
		snprintf(out, VENDOR_NAME_MAX, "%s", text);
	return VENDOR_MARK_NAT_T;
}

unsigned vendor_windows_version(const uint8_t *body, size_t length)
{
	const struct known_vendor *known = known_vendors;

	while (known->mark != VENDOR_MARK_WINDOWS)
		known++;
	if (length != sizeof known->id + WINDOWS_VERSION_LEN ||
	    !begins(body, length, known->id, sizeof known->id))
		return 0;
	return body[length - 1];
}

enum vendor_mark vendor_name(const uint8_t *body, size_t length, char out[static VENDOR_NAME_MAX])
{
	const enum vendor vendor = vendor_find(body, length);

	if (vendor != VENDOR_UNKNOWN)
		return name_nat_t(vendor, out);
	if (begins(body, length, dpd, sizeof dpd)) {
		snprintf(out, VENDOR_NAME_MAX, "DPD");
		return VENDOR_MARK_DPD;
	}
	for (const struct known_vendor *known = known_vendors; known->text; known++) {
		const unsigned version = vendor_windows_version(body, length);

		if (!begins(body, length, known->id, known->same))
			continue;
		snprintf(out, VENDOR_NAME_MAX, "%s", known->name ? known->name : known->text);
		if (known->mark == VENDOR_MARK_WINDOWS && version)
			snprintf(out, VENDOR_NAME_MAX, "Microsoft, version %u", version);
		return known->mark;
	}
	return name_unknown(body, length, out);
}
