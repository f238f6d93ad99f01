/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and writing SA payloads, and the names of suites. */
#include "shim/bridge/offer.h"

#include "shim/ike/cursor.h"

#include <stdio.h>
#include <string.h>

enum { DOI_IPSEC = 1, SIT_IDENTITY_ONLY = 1, PROTO_ISAKMP = 1, PROTO_ESP = 3, KEY_IKE = 1, LIFE_SECONDS = 1 };
enum { PAYLOAD_PROPOSAL = 2, PAYLOAD_TRANSFORM = 3 };
enum phase1_attribute { /* RFC 2409 appendix A */
			ATTRIBUTE_CIPHER = 1,
			ATTRIBUTE_HASH = 2,
			ATTRIBUTE_AUTHENTICATION = 3,
			ATTRIBUTE_GROUP = 4,
			ATTRIBUTE_LIFE_TYPE = 11,
			ATTRIBUTE_LIFE_DURATION = 12,
			ATTRIBUTE_KEY_LENGTH = 14,
};
enum { ESP_SPI_LEN = 4 };
enum { IPSEC_ATTRIBUTE_GROUP = 3 }; /* RFC 2407 section 4.5 */
enum { ATTRIBUTE_SHORT = 0x80 };    /* in its first byte: type and value, no length */

static struct bytes rest_of(const struct cursor *c)
{
	return (struct bytes){c->data + c->at, c->end - c->at};
}

static uint8_t as_byte(uint32_t value)
{
	return value > UINT8_MAX ? 0 : (uint8_t)value;
}

static bool read_transform(struct cursor c, struct offer_transform *out)
{
	uint32_t life_type = 0;

	*out = (struct offer_transform){.whole = rest_of(&c)};
	take32(&c); /* number, ID, reserved */
	while (!c.failed && c.at < c.end) {
		uint16_t type;
		const uint32_t value = take_attribute(&c, &type);

		switch (type) {
		case ATTRIBUTE_CIPHER:
			out->suite.cipher = as_byte(value);
			break;
		case ATTRIBUTE_HASH:
			out->suite.hash = as_byte(value);
			break;
		case ATTRIBUTE_AUTHENTICATION:
			out->authentication = value > UINT16_MAX ? 0 : (uint16_t)value;
			break;
		case ATTRIBUTE_GROUP:
			out->suite.group = as_byte(value);
			break;
		case ATTRIBUTE_LIFE_TYPE:
			life_type = value;
			break;
		case ATTRIBUTE_LIFE_DURATION:
			if (life_type == LIFE_SECONDS)
				out->life_s = value;
			break;
		case ATTRIBUTE_KEY_LENGTH:
			out->suite.key_bits = value > UINT16_MAX ? 0 : (uint16_t)value;
			break;
		default:
			break;
		}
	}
	return !c.failed;
}

/* The head of a proposal; the cursor stands at its transforms then. */
struct proposal {
	uint8_t number, protocol, transforms;
	struct bytes spi;
};
static struct proposal take_proposal_head(struct cursor *c)
{
	struct proposal p;
	uint8_t spi_size;

	p.number = take8(c);
	p.protocol = take8(c);
	spi_size = take8(c);
	p.transforms = take8(c);
	const struct cursor spi = take(c, spi_size);

	p.spi = rest_of(&spi);
	return p;
}

static bool begin_sa(struct bytes body, struct cursor *c)
{
	*c = (struct cursor){.data = body.data, .end = body.length};
	const uint32_t doi = take32(c), situation = take32(c);

	return doi == DOI_IPSEC && situation == SIT_IDENTITY_ONLY && !c->failed;
}

static bool read_phase1_proposal(struct cursor c, struct offer *out)
{
	const struct proposal p = take_proposal_head(&c);

	if (c.failed || p.protocol != PROTO_ISAKMP)
		return false;
	if (out->count == 0)
		out->proposal = p.number;
	for (unsigned i = 0; i < p.transforms; i++) {
		uint8_t next;
		const struct cursor transform = take_payload(&c, &next);

		if (c.failed || out->count == OFFER_TRANSFORMS_MAX ||
		    !read_transform(transform, &out->transform[out->count]))
			return false;
		out->count++;
	}
	return true;
}

bool offer_read(struct bytes body, struct offer *out)
{
	uint8_t next = PAYLOAD_PROPOSAL;
	struct cursor c;

	out->count = 0;
	if (!begin_sa(body, &c))
		return false;
	while (next == PAYLOAD_PROPOSAL) {
		const struct cursor proposal = take_payload(&c, &next);

		if (c.failed || !read_phase1_proposal(proposal, out))
			return false;
	}
	return next == 0 && out->count > 0;
}

/* Writing: bytes go in as long as there is room; failed tells when there was none. */
struct writer {
	uint8_t *out;
	size_t at, capacity;
	bool failed;
};

static void put(struct writer *ctx, const void *bytes, size_t length)
{
	ctx->failed |= ctx->capacity - ctx->at < length;
	if (ctx->failed)
		return;
	memcpy(ctx->out + ctx->at, bytes, length);
	ctx->at += length;
}

static void put16(struct writer *ctx, unsigned value)
{
	put(ctx, (const uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void put32(struct writer *ctx, uint32_t value)
{
	put16(ctx, value >> 16);
	put16(ctx, value & UINT16_MAX);
}

static void put_attribute(struct writer *ctx, unsigned type, uint32_t value)
{
	put16(ctx, value > UINT16_MAX ? type : type | 0x8000);
	if (value > UINT16_MAX) {
		put16(ctx, sizeof value);
		put32(ctx, value);
	} else {
		put16(ctx, value);
	}
}

/* A generic header whose length is not known yet; end_payload() fills it in. */
static size_t begin_payload(struct writer *ctx, unsigned next)
{
	const size_t start = ctx->at;

	put16(ctx, next << 8);
	put16(ctx, 0);
	return start;
}

static void end_payload(struct writer *ctx, size_t start)
{
	const size_t length = ctx->at - start;

	if (ctx->failed)
		return;
	ctx->out[start + 2] = (uint8_t)(length >> 8);
	ctx->out[start + 3] = (uint8_t)length;
}

static size_t begin_proposal(struct writer *ctx, uint8_t number, size_t transforms)
{
	size_t start;

	put32(ctx, DOI_IPSEC);
	put32(ctx, SIT_IDENTITY_ONLY);
	start = begin_payload(ctx, 0);
	put(ctx, (const uint8_t[]){number, PROTO_ISAKMP, 0, (uint8_t)transforms}, 4);
	return start;
}

static void put_suite(struct writer *ctx, const struct keys_suite *suite, uint32_t life_s)
{
	put_attribute(ctx, ATTRIBUTE_CIPHER, suite->cipher);
	put_attribute(ctx, ATTRIBUTE_HASH, suite->hash);
	put_attribute(ctx, ATTRIBUTE_AUTHENTICATION, OFFER_PRE_SHARED_KEY);
	put_attribute(ctx, ATTRIBUTE_GROUP, suite->group);
	if (suite->key_bits)
		put_attribute(ctx, ATTRIBUTE_KEY_LENGTH, suite->key_bits);
	if (!life_s)
		return;
	put_attribute(ctx, ATTRIBUTE_LIFE_TYPE, LIFE_SECONDS);
	put_attribute(ctx, ATTRIBUTE_LIFE_DURATION, life_s);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the writer writes to out */
size_t offer_write(const struct keys_suite *suites, size_t count, uint32_t life_s, uint8_t *out,
		   size_t capacity)
{
	struct writer ctx = {.out = out, .capacity = capacity};
	const size_t proposal = begin_proposal(&ctx, 1, count);

	for (size_t i = 0; i < count; i++) {
		const size_t transform = begin_payload(&ctx, i + 1 < count ? PAYLOAD_TRANSFORM : 0);

		put(&ctx, (const uint8_t[]){(uint8_t)(i + 1), KEY_IKE, 0, 0}, 4);
		put_suite(&ctx, &suites[i], life_s);
		end_payload(&ctx, transform);
	}
	end_payload(&ctx, proposal);
	return ctx.failed ? 0 : ctx.at;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the writer writes to out */
size_t offer_write_choice(uint8_t proposal_number, const struct offer_transform *transform, uint8_t *out,
			  size_t capacity)
{
	struct writer ctx = {.out = out, .capacity = capacity};
	const size_t proposal = begin_proposal(&ctx, proposal_number, 1);
	const size_t start = begin_payload(&ctx, 0);

	put(&ctx, transform->whole.data, transform->whole.length);
	end_payload(&ctx, start);
	end_payload(&ctx, proposal);
	return ctx.failed ? 0 : ctx.at;
}

bool offer_same_suite(const struct keys_suite *a, const struct keys_suite *b)
{
	return a->cipher == b->cipher && a->hash == b->hash && a->group == b->group &&
	       a->key_bits == b->key_bits;
}

/* 14, 5, 2, 1: their numbers are in the order of their primes. The bits of AES' key are more than 3DES has; the hashes' numbers
 * are in the order of their strength, too. */
static unsigned long strength(const struct keys_suite *s)
{
	return (unsigned long)s->group << 24 | (unsigned long)s->key_bits << 8 | s->hash;
}

bool offer_is_stronger(const struct keys_suite *a, const struct keys_suite *b)
{
	return strength(a) > strength(b);
}

/* Names, as libreswan writes them. */

static const struct suite_name {
	const char *name;
	uint16_t key_bits;
	uint8_t value;
} cipher_names[] =
	{
		{"3des", 0, ISAKMP_CIPHER_3DES_CBC},    {"aes128", 128, ISAKMP_CIPHER_AES_CBC},
		{"aes192", 192, ISAKMP_CIPHER_AES_CBC}, {"aes256", 256, ISAKMP_CIPHER_AES_CBC},
		{"aes", 128, ISAKMP_CIPHER_AES_CBC},    {NULL, 0, 0},
},
  hash_names[] =
	  {
		  {"md5", 0, ISAKMP_HASH_MD5},           {"sha1", 0, ISAKMP_HASH_SHA1},
		  {"sha2_256", 0, ISAKMP_HASH_SHA2_256}, {"sha2_384", 0, ISAKMP_HASH_SHA2_384},
		  {"sha2_512", 0, ISAKMP_HASH_SHA2_512}, {"sha256", 0, ISAKMP_HASH_SHA2_256},
		  {"sha384", 0, ISAKMP_HASH_SHA2_384},   {"sha512", 0, ISAKMP_HASH_SHA2_512},
		  {"sha2", 0, ISAKMP_HASH_SHA2_256},     {NULL, 0, 0},
},
  group_names[] = {
	  {"modp768", 0, 1}, {"modp1024", 0, 2}, {"modp1536", 0, 5}, {"modp2048", 0, 14}, {NULL, 0, 0},
};

static const struct suite_name *find_name(const struct suite_name *names, const char *text, size_t length)
{
	for (; names->name; names++)
		if (strlen(names->name) == length && !strncmp(names->name, text, length))
			return names;
	return NULL;
}

static bool parse_suite(const char *text, size_t length, struct keys_suite *out)
{
	static const struct suite_name *const names[] = {cipher_names, hash_names, group_names};
	const struct suite_name *found[3];
	const char *const end = text + length;

	for (unsigned i = 0; i < 3; i++) {
		const char *dash = i < 2 ? memchr(text, '-', (size_t)(end - text)) : end;

		if (!dash)
			return false;
		found[i] = find_name(names[i], text, (size_t)(dash - text));
		if (!found[i])
			return false;
		text = i < 2 ? dash + 1 : end;
	}
	*out = (struct keys_suite){found[0]->value, found[1]->value, found[2]->value, found[0]->key_bits};
	return true;
}

bool offer_parse(const char *text, struct keys_suite out[static OFFER_SUITES_MAX], size_t *count,
		 const char **bad, size_t *bad_length)
{
	for (*count = 0;; text += *bad_length + 1) {
		text += strspn(text, " \t");
		*bad = text;
		*bad_length = strcspn(text, ", \t");
		if (*count == OFFER_SUITES_MAX || !parse_suite(text, *bad_length, &out[*count]))
			return false;
		++*count;
		if (!text[*bad_length])
			return true;
	}
}

static const char *name_of(const struct suite_name *names, uint8_t value, uint16_t key_bits)
{
	for (; names->name; names++)
		if (names->value == value && names->key_bits == key_bits)
			return names->name;
	return "?";
}

const char *offer_suite_text(const struct keys_suite *suite, char out[static OFFER_TEXT_MAX])
{
	snprintf(out, OFFER_TEXT_MAX, "%s-%s-%s", name_of(cipher_names, suite->cipher, suite->key_bits),
		 name_of(hash_names, suite->hash, 0), name_of(group_names, suite->group, 0));
	return out;
}

/* Quick Mode */

static uint32_t pfs_group(struct cursor c, unsigned transforms)
{
	uint32_t group = 0;

	for (unsigned i = 0; i < transforms && !c.failed && !group; i++) {
		uint8_t next;
		struct cursor transform = take_payload(&c, &next);

		take32(&transform);
		while (!transform.failed && transform.at < transform.end) {
			uint16_t type;
			const uint32_t value = take_attribute(&transform, &type);

			if (type == IPSEC_ATTRIBUTE_GROUP)
				group = value;
		}
	}
	return group;
}

/* The next ESP proposal with an SPI of four bytes; *in stands at its transforms then. *next: of the cursor, kept by the caller. */
static bool next_esp(struct cursor *c, uint8_t *next, struct proposal *out, struct cursor *in)
{
	while (*next == PAYLOAD_PROPOSAL) {
		*in = take_payload(c, next);
		if (c->failed)
			return false;
		*out = take_proposal_head(in);
		if (in->failed)
			return false;
		if (out->protocol == PROTO_ESP && out->spi.length == ESP_SPI_LEN)
			return true;
	}
	return false;
}

bool offer_read_esp(struct bytes body, uint8_t number, struct offer_esp *out)
{
	uint8_t next = PAYLOAD_PROPOSAL;
	struct cursor c, transforms;
	struct proposal p;

	if (!begin_sa(body, &c))
		return false;
	while (next_esp(&c, &next, &p, &transforms)) {
		if (number && p.number != number)
			continue;
		out->proposal = p.number;
		memcpy(out->spi, p.spi.data, sizeof out->spi);
		out->group = pfs_group(transforms, p.transforms);
		return true;
	}
	return false;
}

static bool has_spi(const uint8_t (*spis)[ESP_SPI_LEN], size_t count, const uint8_t *spi)
{
	for (size_t i = 0; i < count; i++)
		if (!memcmp(spis[i], spi, ESP_SPI_LEN))
			return true;
	return false;
}

size_t offer_esp_spis(struct bytes body, uint8_t out[static OFFER_SPIS_MAX][ESP_SPI_LEN])
{
	uint8_t next = PAYLOAD_PROPOSAL;
	struct cursor c, transforms;
	struct proposal p;
	size_t count = 0;

	if (!begin_sa(body, &c))
		return 0;
	while (next_esp(&c, &next, &p, &transforms)) {
		if (has_spi((const uint8_t(*)[ESP_SPI_LEN])out, count, p.spi.data))
			continue;
		if (count == OFFER_SPIS_MAX)
			return OFFER_SPIS_MAX + 1;
		memcpy(out[count++], p.spi.data, ESP_SPI_LEN);
	}
	return count;
}

static bool set_group(struct cursor transform, uint8_t *body, uint16_t group)
{
	take32(&transform); /* number and ID */
	while (!transform.failed && transform.at < transform.end) {
		const size_t at = transform.at;
		uint16_t type;

		take_attribute(&transform, &type);
		if (type != IPSEC_ATTRIBUTE_GROUP || transform.failed)
			continue;
		if (!(body[at] & ATTRIBUTE_SHORT))
			return false;
		body[at + 2] = (uint8_t)(group >> 8);
		body[at + 3] = (uint8_t)group;
	}
	return !transform.failed;
}

bool offer_set_esp_group(uint8_t *body, size_t length, uint16_t group)
{
	uint8_t next = PAYLOAD_PROPOSAL, ignored;
	struct cursor c;

	if (!begin_sa((struct bytes){body, length}, &c))
		return false;
	while (next == PAYLOAD_PROPOSAL) {
		struct cursor proposal = take_payload(&c, &next);

		if (c.failed)
			return false;
		for (unsigned i = take_proposal_head(&proposal).transforms; i && !proposal.failed; i--)
			if (!set_group(take_payload(&proposal, &ignored), body, group))
				return false;
		if (proposal.failed)
			return false;
	}
	return true;
}
