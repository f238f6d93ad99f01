/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L2TPv2 control messages on the wire: header, walk over the AVPs, and the one way to change their length.
 * Knows the format and no meaning. Pure. RFC 2661 section 3.1 (header), 4.1 (AVP), 4.4 (AVP types). */
#ifndef NATSHIM_SHIM_L2TP_MESSAGE_H
#define NATSHIM_SHIM_L2TP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define L2TP_HEADER_LEN                                                                                      \
	12 /* bytes: a control message's header has always all of T, L and S, never O or P                   \
	    */
#define L2TP_AVP_HEADER_LEN 6
#define L2TP_AVP_LENGTH_MAX 1023 /* bytes with its header: the length has ten bits */

/* Why a message was left alone, or what was done. Counted one by one; names through l2tp_reason_name(). */
enum l2tp_reason {
	L2TP_REWRITTEN,     /* bytes were changed */
	L2TP_ABSORBED,      /* the LNS' HELLO: not to be sent on, answered instead */
	L2TP_ORDINARY,      /* understood, nothing to do */
	L2TP_DATA,          /* not a control message */
	L2TP_OTHER_VERSION, /* not L2TPv2 */
	L2TP_SHORT,         /* shorter than a control header */
	L2TP_BAD_HEADER,    /* L or S missing, or O or P set, in a control message */
	L2TP_BAD_LENGTH,    /* the header's Length is below the header's own or runs past the datagram */
	L2TP_BAD_AVP,       /* an AVP is shorter than its header, or runs past the end */
	L2TP_BAD_TYPE,      /* the first AVP is no readable Message Type */
	L2TP_NO_ROOM,       /* would have had to grow past the buffer */
	L2TP_REASONS
};
/* Stable, for JSON and logs: "rewritten", "absorbed", "bad_avp", ... */
const char *l2tp_reason_name(enum l2tp_reason reason);

/* RFC 2661 section 3.2, and 0 for a message without a body (zero-length body: a bare acknowledgement). */
enum l2tp_message_type {
	L2TP_ZLB = 0,
	L2TP_SCCRQ = 1,
	L2TP_SCCRP = 2,
	L2TP_SCCCN = 3,
	L2TP_STOPCCN = 4,
	L2TP_HELLO = 6,
	L2TP_ICRQ = 10,
	L2TP_ICRP = 11,
	L2TP_ICCN = 12,
	L2TP_CDN = 14,
};

enum l2tp_avp_type {
	L2TP_AVP_MESSAGE_TYPE = 0,
	L2TP_AVP_RESULT_CODE = 1,
	L2TP_AVP_HOST_NAME = 7,
	L2TP_AVP_ASSIGNED_TUNNEL_ID = 9,
	L2TP_AVP_ASSIGNED_SESSION_ID = 14,
};

struct l2tp_header {     /* host order */
	uint16_t length; /* of the message, header included; a datagram may have bytes behind it */
	uint16_t tunnel_id, session_id;
	uint16_t ns, nr;
};

struct l2tp_avp {
	size_t offset;         /* of its header, from the message's begin */
	size_t length;         /* bytes with its header */
	const uint8_t *value;  /* length - L2TP_AVP_HEADER_LEN bytes, in the message */
	uint16_t vendor, type; /* vendor 0: the IETF's */
	bool mandatory;        /* the M bit */
	bool opaque;           /* hidden (H bit), or with reserved bits set: its value is not ours to read */
};

/* L2TP_ORDINARY for a control message whose header is sound, and the header in *out; otherwise why not. */
enum l2tp_reason l2tp_header_read(const uint8_t *message, size_t length, struct l2tp_header *out);

/* Walks all AVPs of a message whose header is sound: L2TP_ORDINARY and its type, or BAD_AVP, BAD_TYPE. */
enum l2tp_reason l2tp_check(const uint8_t *message, const struct l2tp_header *header, uint16_t *type);

/* The first AVP with this type and vendor 0, in a message that l2tp_check() found sound. */
bool l2tp_find(const uint8_t *message, const struct l2tp_header *header, enum l2tp_avp_type type,
	       struct l2tp_avp *out);
/* The value of such an AVP of two bytes, host order. False: not there, opaque, or of another length. */
bool l2tp_find_u16(const uint8_t *message, const struct l2tp_header *header, enum l2tp_avp_type type,
		   uint16_t *out);

size_t l2tp_value_length(const struct l2tp_avp *avp);
uint16_t l2tp_get_u16(const uint8_t *at); /* two bytes in network order */
void l2tp_put_u16(uint8_t *at, uint16_t value);

void l2tp_set_sequence(uint8_t *message, uint16_t ns, uint16_t nr);
/* Writes an AVP's header; the value is the caller's. length: with the header. Vendor 0, M bit set. */
void l2tp_put_avp_header(uint8_t *at, enum l2tp_avp_type type, size_t length);

/* Replaces removed bytes at offset by the inserted ones and sets the header's Length. length: of the
 * datagram. Returns the datagram's new length, or 0 (and nothing changed) when that does not fit into
 * capacity or into the Length field. */
size_t l2tp_splice(uint8_t *message, size_t length, size_t capacity, size_t offset, size_t removed,
		   const void *bytes, size_t inserted);

#endif
