/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A message as a list of payloads that can be edited and written again, of another length too. The bodies are borrowed
 * from where they were read. Pure. RFC 2408 section 3. */
#ifndef NATSHIM_SHIM_BRIDGE_PAYLOADS_H
#define NATSHIM_SHIM_BRIDGE_PAYLOADS_H

#include "shim/bridge/keys.h"

struct payload {
	uint8_t type;
	struct bytes body;
};
struct payloads {
	unsigned count;
	struct payload item[ISAKMP_PAYLOADS_MAX];
};

void payloads_read(const struct isakmp_message *message, struct payloads *out);
/* The only one of that type; NULL: there is none, or more than one. */
struct payload *payloads_only(struct payloads *list, uint8_t type);
/* The n-th one of that type, from 0. */
struct payload *payloads_nth(struct payloads *list, uint8_t type, unsigned n);
void payloads_remove(struct payloads *list, unsigned index);

/* The chain alone, without a header; 0: no room, or empty. */
size_t payloads_write(const struct payloads *list, uint8_t *out, size_t capacity);
/* The 28 bytes of a header: cookies, version, exchange type, flags and message ID as in like. */
void payloads_write_header(const uint8_t *like, uint8_t first_payload, size_t message_length, uint8_t *out);

#endif
