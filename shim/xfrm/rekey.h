/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other keys for ESP SAs that the VPN stack has installed, over XFRM netlink: an SA is deleted and added again in one send,
 * with every attribute that it had but the keys, so that neither the stack nor a packet notices. (UPDSA on a valid SA says
 * success and ignores the keys.) Decides nothing but this: an SA whose keys are not the expected ones is not touched. */
#ifndef NATSHIM_SHIM_XFRM_REKEY_H
#define NATSHIM_SHIM_XFRM_REKEY_H

#include "nfq/endpoint.h"
#include "shim/bridge/esp.h"

#define REKEY_MATERIAL_MAX 128 /* bytes: KEYS_MATERIAL_LEN */
#define REKEY_LOOK_MAX 16      /* SPIs of one question to natshim-xfrm */

struct rekey; /* owned by the caller */

int rekey_open(struct rekey **out); /* 0 or -errno */
void rekey_close(struct rekey *rekey);

/* Each material: the encryption key, then the authentication key, as many bytes of each as the SA has. The caller wipes it. */
struct rekey_change {
	struct endpoint destination;
	uint8_t spi[4]; /* network order */
	bool outbound; /* this host sends with it. Where the kernel knows that itself, the kernel's word counts */
	uint16_t material_length; /* bytes of each */
	uint8_t expected[REKEY_MATERIAL_MAX], material[REKEY_MATERIAL_MAX];
};

/* Of the SA with this destination and SPI, if its keys are the expected ones: the SPI comes from somebody who may not be the one
 * whose SA it is. The sequence numbers of an outbound SA go on REKEY_SEQUENCE_GAP later: what it sealed between the look at it and
 * its end must not be repeated, for the peer would take it for a replay; what was received keeps its place in the replay
 * window, and so do the counters. Waits for the kernel, which answers at once. before (NULL: not wanted) tells what the SA
 * was; the caller wipes it.
 *
 * 0; or else the SA is as it was: -ESRCH: there is none, or no more of it than its SPI, -EKEYREJECTED: it has other keys,
 * -EMSGSIZE: it wants more key than there is, or another -errno of the kernel, which is asked first whether it would take the
 * SA. But -ENOTRECOVERABLE: the kernel took it neither with these keys nor, then, with its old ones: it is lost. */
#define REKEY_SEQUENCE_GAP 4096
int rekey_sa(struct rekey *rekey, const struct rekey_change *change, struct esp_sa *before);

/* Whether the kernel has an ESP SA with one of these SPIs towards that destination, and be it no more of it than its SPI. 0: none,
 * -EEXIST: there is one, or another -errno: it is not known. */
int rekey_look(struct rekey *rekey, const struct endpoint *destination, const uint8_t (*spis)[4],
	       size_t count);

/* The netlink port that the kernel names in what it tells others of these changes. */
uint32_t rekey_port(const struct rekey *rekey);

#endif
