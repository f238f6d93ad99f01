/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ESP packets (RFC 4303) from one pair of keys to another: CBC with a truncated HMAC, without extended sequence numbers, as
 * IKEv1 negotiates it with old clients. Bridge mode needs it for the few packets that the kernel has sealed with the
 * server's keys before it had the client's.
 *
 * SPI, sequence number, length and what is inside stay the same; the IV is a fresh one. Pure but for OpenSSL. */
#ifndef NATSHIM_SHIM_BRIDGE_ESP_H
#define NATSHIM_SHIM_BRIDGE_ESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESP_KEY_MAX 32 /* bytes: AES-256 */
#define ESP_AUTH_KEY_MAX 64
#define ESP_NAME_MAX 64
#define ESP_BLOCK_MAX 16

/* One SA, with the algorithms' names as Linux has them ("cbc(aes)", "hmac(sha1)"). The caller wipes it. */
struct esp_sa {
	char cipher[ESP_NAME_MAX], auth[ESP_NAME_MAX];
	uint8_t key[ESP_KEY_MAX], auth_key[ESP_AUTH_KEY_MAX];
	size_t key_length, auth_key_length, icv_length; /* bytes */
};

enum esp_outcome {
	ESP_RESEALED, /* it was sealed with from's keys, and now is with to's */
	ESP_FOREIGN,  /* it was not: left as it is */
	ESP_FAILED,   /* OpenSSL; the packet may be spoilt */
};

/* packet: from the SPI on to the end of the ICV, changed in place. from and to differ in their keys alone. iv:
 * ESP_BLOCK_MAX unpredictable bytes. */
enum esp_outcome esp_reseal(const struct esp_sa *from, const struct esp_sa *to, const uint8_t *iv,
			    uint8_t *packet, size_t length);

#endif
