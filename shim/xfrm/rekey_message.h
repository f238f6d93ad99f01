/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The XFRM messages of an exchange of keys, made of what the kernel says of the SA, and whether that SA is the one that is meant.
 * Pure: no system call. For shim/xfrm/rekey.c. */
#ifndef NATSHIM_SHIM_XFRM_REKEY_MESSAGE_H
#define NATSHIM_SHIM_XFRM_REKEY_MESSAGE_H

#include "shim/xfrm/rekey.h"

#define REKEY_MESSAGE_MAX 8192 /* bytes; no SA takes so many */

struct nl_msg;
struct nlmsghdr;

/* Each dump is an XFRM_MSG_NEWSA, and not shorter than its fixed part. */

/* It has keys at all. What was made by ALLOCSPI has none until the stack completes it. */
bool rekey_has_keys(const struct nlmsghdr *dump);
/* Its encryption key and its authentication key are the first bytes of expected, in this order; in constant time. 0,
 * -EKEYREJECTED: they are others, -EMSGSIZE: there are not so many bytes, or the message is not one of the kernel's. */
int rekey_match(const struct nlmsghdr *dump, const uint8_t *expected, size_t length);
/* XFRM_MSG_NEWSA: the same SA, with every attribute, known here or not, and other keys (material NULL: its own). The number of its
 * next packet is REKEY_SEQUENCE_GAP later if it is sent with: XFRMA_SA_DIR says so, or outbound where that is not told.
 * NULL: out of memory, or not enough material. The caller wipes it. */
struct nl_msg *rekey_addition(const struct nlmsghdr *dump, bool outbound, const uint8_t *material,
			      size_t length);
struct nl_msg *rekey_deletion(const struct nlmsghdr *dump); /* XFRM_MSG_DELSA; NULL: out of memory */
/* What it is; all zero where it is of another kind than struct esp_sa can tell. */
void rekey_read_sa(const struct nlmsghdr *dump, struct esp_sa *out);

#endif
