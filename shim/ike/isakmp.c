/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ISAKMP walker. All reading goes through struct cursor. */
#include "shim/ike/isakmp.h"

#include "shim/ike/cursor.h"

#include <string.h>

enum { PROPOSAL = 2, TRANSFORM = 3, SWAP_PART = 64 };
enum { DOI_IPSEC = 1, SIT_IDENTITY_ONLY = 1, ATTRIBUTE_HASH = 2 };

enum isakmp_status isakmp_read_header(uint8_t *data, size_t length, struct isakmp_message *out)
{
	static const uint8_t no_cookie[ISAKMP_COOKIES_LEN / 2];
	struct cursor c = {.data = data, .end = length};

	out->data = data;
	out->payloads = 0;
	const struct cursor cookies = take(&c, ISAKMP_COOKIES_LEN);

	out->first_payload = take8(&c);
	const uint8_t version = take8(&c);

	out->exchange_type = take8(&c);
	out->encrypted = take8(&c) & ISAKMP_FLAG_ENCRYPTION;
	take32(&c); /* message ID */
	out->length = take32(&c);
	if (c.failed)
		return ISAKMP_SHORT;
	out->first = !memcmp(cookies.data + sizeof no_cookie, no_cookie, sizeof no_cookie);
	if (version >> 4 != 1)
		return ISAKMP_OTHER_VERSION;
	if (out->length < ISAKMP_HEADER_LEN || out->length > length)
		return ISAKMP_BAD_LENGTH;
	return ISAKMP_OK;
}

enum isakmp_status isakmp_read_payloads(struct isakmp_message *message)
{
	struct cursor c = {.data = message->data, .at = ISAKMP_HEADER_LEN, .end = message->length};
	uint32_t type_at = ISAKMP_COOKIES_LEN;
	uint8_t type = message->first_payload;

	message->payloads = 0;
	while (type) {
		const size_t start = c.at;
		uint8_t next;
		const struct cursor body = take_payload(&c, &next);

		if (body.failed || c.failed || message->payloads == ISAKMP_PAYLOADS_MAX)
			return ISAKMP_BAD_PAYLOAD;
		message->payload[message->payloads++] = (struct isakmp_payload){
			.type = type,
			.type_at = type_at,
			.body_at = (uint32_t)body.at,
			.body_length = (uint32_t)(body.end - body.at),
		};
		type_at = (uint32_t)start;
		type = next;
	}
	return ISAKMP_OK;
}

const struct isakmp_payload *isakmp_find(const struct isakmp_message *message, uint8_t type)
{
	for (unsigned i = 0; i < message->payloads; i++)
		if (message->payload[i].type == type)
			return &message->payload[i];
	return NULL;
}

const uint8_t *isakmp_body(const struct isakmp_message *message, const struct isakmp_payload *payload)
{
	return message->data + payload->body_at;
}

static bool read_transform(struct cursor c, uint8_t *hash)
{
	unsigned hashes = 0;

	take32(&c); /* number, ID, reserved */
	while (!c.failed && c.at < c.end) {
		uint16_t type;
		const uint32_t value = take_attribute(&c, &type);

		if (type != ATTRIBUTE_HASH)
			continue;
		*hash = hashes++ || value > UINT8_MAX ? ISAKMP_HASH_NONE : (uint8_t)value;
	}
	return !c.failed;
}

static bool read_proposal(struct cursor c, uint8_t *first_hash)
{
	take16(&c); /* number, protocol */
	const uint8_t spi_size = take8(&c);
	const uint8_t transforms = take8(&c);

	take(&c, spi_size);
	for (unsigned i = 0; i < transforms; i++) {
		uint8_t next, hash = ISAKMP_HASH_NONE;
		const struct cursor transform = take_payload(&c, &next);
		const bool last = i + 1 == transforms;

		if (c.failed || next != (last ? 0 : TRANSFORM) || !read_transform(transform, &hash))
			return false;
		if (i == 0)
			*first_hash = hash;
	}
	return !c.failed;
}

bool isakmp_read_sa(const uint8_t *body, size_t length, uint8_t *hash)
{
	struct cursor c = {.data = body, .end = length};
	uint8_t next = PROPOSAL;

	*hash = ISAKMP_HASH_NONE;
	const uint32_t doi = take32(&c), situation = take32(&c);

	if (doi != DOI_IPSEC || situation != SIT_IDENTITY_ONLY)
		return false;
	for (unsigned i = 0; next == PROPOSAL; i++) {
		uint8_t first_hash = ISAKMP_HASH_NONE;
		const struct cursor proposal = take_payload(&c, &next);

		if (c.failed || !read_proposal(proposal, &first_hash))
			return false;
		if (i == 0)
			*hash = first_hash;
	}
	return next == 0;
}

void isakmp_set_type(struct isakmp_message *message, struct isakmp_payload *payload, uint8_t type)
{
	message->data[payload->type_at] = type;
	payload->type = type;
}

bool isakmp_set_body(struct isakmp_message *message, const struct isakmp_payload *payload,
		     const uint8_t *body, size_t length)
{
	if (length != payload->body_length)
		return false;
	memcpy(message->data + payload->body_at, body, length);
	return true;
}

bool isakmp_swap_bodies(struct isakmp_message *message, const struct isakmp_payload *a,
			const struct isakmp_payload *b)
{
	uint8_t *const x = message->data + a->body_at, *const y = message->data + b->body_at;

	if (a->body_length != b->body_length)
		return false;
	for (size_t at = 0, part; at < a->body_length; at += part) {
		uint8_t kept[SWAP_PART];

		part = a->body_length - at < sizeof kept ? a->body_length - at : sizeof kept;
		memcpy(kept, x + at, part);
		memcpy(x + at, y + at, part);
		memcpy(y + at, kept, part);
	}
	return true;
}
