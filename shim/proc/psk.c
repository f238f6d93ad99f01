/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of secrets. */
#include "shim/proc/psk.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENDS_MAX = 8, SECRET_MAX = 256, FILE_MAX = 1 << 20, ENTRIES_MAX = 4096 };

struct entry {
	unsigned ends;
	bool any; /* one of the ends is %any */
	struct endpoint end[ENDS_MAX];
	uint8_t secret[SECRET_MAX];
	size_t length;
};

struct psk {
	struct entry *entries;
	size_t count, capacity;
};

void psk_free(struct psk *psk)
{
	if (!psk)
		return;
	if (psk->entries)
		OPENSSL_cleanse(psk->entries, psk->capacity * sizeof *psk->entries);
	free(psk->entries);
	free(psk);
}

bool psk_everybody(const struct psk *psk)
{
	for (size_t i = 0; i < psk->count; i++)
		if (psk->entries[i].ends == 0)
			return true;
	return false;
}

/* Both ends named: 4 and more; one: 2; %any: 1 more. 0: not for them. */
static unsigned fitness(const struct entry *e, const struct endpoint *server, const struct endpoint *client)
{
	bool names_server = false, names_client = false;

	if (e->ends == 0 && !e->any)
		return 1;
	for (unsigned i = 0; i < e->ends; i++) {
		names_server |= endpoint_same_host(&e->end[i], server);
		names_client |= endpoint_same_host(&e->end[i], client);
	}
	if (e->ends == 1 && !e->any)
		return names_server || names_client ? 3 : 0;
	if (names_client)
		return names_server ? 5 : e->any ? 4 : 0;
	return e->any ? (names_server ? 3 : e->ends ? 0 : 2) : 0;
}

struct bytes psk_find(const struct psk *psk, const struct endpoint *server, const struct endpoint *client)
{
	const struct entry *best = NULL;
	unsigned best_fitness = 0;

	for (size_t i = 0; i < psk->count; i++) {
		const unsigned f = fitness(&psk->entries[i], server, client);

		if (f <= best_fitness)
			continue;
		best = &psk->entries[i];
		best_fitness = f;
	}
	return best ? (struct bytes){best->secret, best->length} : (struct bytes){NULL, 0};
}

/* Reading: words, a colon, the kind, the secret. An entry may go on in lines that are indented. */

struct reader {
	const char *at, *name;
	unsigned line;
	char *error;
};

static bool bad(struct reader *r, const char *why)
{
	snprintf(r->error, PSK_ERROR_MAX, "%s:%u: %s", r->name, r->line, why);
	return false;
}

/* To the next word of this entry; false at its end. */
static bool skip_space(struct reader *r)
{
	for (;;) {
		r->at += strspn(r->at, " \t\r");
		if (*r->at == '#')
			r->at += strcspn(r->at, "\n");
		if (*r->at != '\n')
			return *r->at != '\0';
		if (r->at[1] != ' ' && r->at[1] != '\t')
			return false;
		r->at++;
		r->line++;
	}
}

static size_t word_length(const char *at)
{
	return strcspn(at, " \t\r\n");
}

static bool read_end(struct reader *r, struct entry *e, size_t length)
{
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint address;

	if (length < sizeof text) {
		memcpy(text, r->at, length);
		text[length] = '\0';
		if (!strcmp(text, "%any") || !strcmp(text, "0.0.0.0") || !strcmp(text, "::") ||
		    !strcmp(text, "%any6")) {
			e->any = true;
			return true;
		}
		if (endpoint_parse(text, &address) && !address.port) {
			if (e->ends == ENDS_MAX)
				return bad(r, "too many addresses before one secret");
			e->end[e->ends++] = address;
			return true;
		}
	}
	/* A name: nothing that we could compare, but it restricts the secret to others. */
	if (e->ends == ENDS_MAX)
		return bad(r, "too many names before one secret");
	e->end[e->ends++] = (struct endpoint){.addr_len = 0};
	return true;
}

static bool read_hex(const char *at, size_t length, struct entry *e)
{
	for (size_t i = 0; i + 1 < length; i += 2) {
		unsigned byte;

		/* NOLINTNEXTLINE(cert-err34-c): two digits are never too many */
		if (e->length == SECRET_MAX || sscanf(at + i, "%2x", &byte) != 1)
			return false;
		e->secret[e->length++] = (uint8_t)byte;
	}
	return length && length % 2 == 0;
}

static bool read_base64(const char *at, size_t length, struct entry *e)
{
	uint8_t out[SECRET_MAX + 3];
	int written;

	if (length == 0 || length % 4 || length / 4 * 3 > sizeof out)
		return false;
	written = EVP_DecodeBlock(out, (const uint8_t *)at, (int)length);
	for (size_t i = 0; i < 2 && written > 0 && at[length - 1 - i] == '='; i++)
		written--;
	if (written > 0 && written <= SECRET_MAX) {
		memcpy(e->secret, out, (size_t)written);
		e->length = (size_t)written;
	}
	OPENSSL_cleanse(out, sizeof out);
	return e->length > 0;
}

static bool read_secret(struct reader *r, struct entry *e)
{
	const char *at = r->at;
	size_t length;

	if (*at == '"' || *at == '\'') {
		const char *end = strchr(at + 1, *at), *line_end = at + strcspn(at, "\n");

		if (!end || end > line_end)
			return bad(r, "the closing quotation mark is missing");
		length = (size_t)(end - at - 1);
		if (!length || length > SECRET_MAX)
			return bad(r, "the secret must have 1 to 256 bytes");
		memcpy(e->secret, at + 1, length);
		e->length = length;
		r->at = end + 1;
		return true;
	}
	length = word_length(at);
	r->at += length;
	if (length > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 's'))
		return (at[1] == 'x' ? read_hex : read_base64)(at + 2, length - 2, e) ||
		       bad(r, "0x or 0s is not followed by valid digits");
	return bad(r, "the secret must be in quotation marks (or begin with 0x or 0s)");
}

static bool read_kind(struct reader *r, struct entry *e, bool *wanted)
{
	size_t length;

	if (!skip_space(r))
		return bad(r, "expected PSK and a secret after the colon");
	length = word_length(r->at);
	*wanted = length == 3 && !strncasecmp(r->at, "PSK", 3);
	if (!*wanted)
		return true;
	r->at += length;
	if (!skip_space(r))
		return bad(r, "PSK without a secret");
	return read_secret(r, e) && (!skip_space(r) || bad(r, "unexpected text after the secret"));
}

static bool read_entry(struct reader *r, struct entry *e, bool *wanted)
{
	*wanted = false;
	while (skip_space(r)) {
		const size_t length = word_length(r->at);

		if (*r->at == ':') {
			r->at++;
			return read_kind(r, e, wanted);
		}
		if (length == 7 && !strncmp(r->at, "include", 7))
			return bad(r, "include is not supported; name that file instead");
		if (!read_end(r, e, length))
			return false;
		r->at += length;
	}
	return bad(r, "no colon; expected [ADDR...] : PSK \"secret\"");
}

static bool keep(struct psk *psk, const struct entry *e)
{
	if (psk->count == psk->capacity) {
		const size_t capacity = psk->capacity ? psk->capacity * 2 : 4;
		struct entry *grown = capacity > ENTRIES_MAX ? NULL : calloc(capacity, sizeof *grown);

		if (!grown)
			return false;
		if (psk->entries) {
			memcpy(grown, psk->entries, psk->count * sizeof *grown);
			OPENSSL_cleanse(psk->entries, psk->capacity * sizeof *psk->entries);
		}
		free(psk->entries);
		psk->entries = grown;
		psk->capacity = capacity;
	}
	psk->entries[psk->count++] = *e;
	return true;
}

static bool read_all(struct reader *r, struct psk *psk)
{
	for (; *r->at; r->line++) {
		struct entry e = {.ends = 0};
		bool wanted = false, ok = true;

		/* What is indented, or closes a brace, belongs to a key of another kind. */
		if (!strchr(" \t\r\n#}", *r->at))
			ok = read_entry(r, &e, &wanted) &&
			     (!wanted || keep(psk, &e) || bad(r, "too many secrets"));
		OPENSSL_cleanse(&e, sizeof e);
		if (!ok)
			return false;
		r->at += strcspn(r->at, "\n");
		r->at += *r->at == '\n';
	}
	return true;
}

/* name stands in the errors. */
static struct psk *parse(const char *text, const char *name, char error[static PSK_ERROR_MAX])
{
	struct reader reader = {.at = text, .name = name, .line = 1, .error = error};
	struct psk *psk = calloc(1, sizeof *psk);

	snprintf(error, PSK_ERROR_MAX, "out of memory");
	if (psk && read_all(&reader, psk)) {
		if (psk->count)
			return psk;
		snprintf(error, PSK_ERROR_MAX, "%s: no PSK in it", name);
	}
	psk_free(psk);
	return NULL;
}

static bool is_safe(int fd, const char *path, struct stat *st, char *error)
{
	const char *why = NULL;

	if (fstat(fd, st))
		why = strerror(errno);
	else if (!S_ISREG(st->st_mode))
		why = "not a regular file";
	else if (st->st_uid != 0 && st->st_uid != geteuid())
		why = "another user owns it; chown root";
	else if (st->st_mode & 077)
		why = "users other than root can read it; chmod 600";
	else if (st->st_size > FILE_MAX)
		why = "larger than 1 MiB";
	if (why)
		snprintf(error, PSK_ERROR_MAX, "%s: %s", path, why);
	return !why;
}

static bool read_whole(int fd, char *text, size_t size)
{
	size_t at = 0;

	while (at < size) {
		const ssize_t length = read(fd, text + at, size - at);

		if (length < 0)
			return false;
		if (length == 0)
			break;
		at += (size_t)length;
	}
	text[at] = '\0';
	return true;
}

struct psk *psk_load(const char *path, char error[static PSK_ERROR_MAX])
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to wait for a FIFO's other end */
	struct psk *psk = NULL;
	struct stat st;
	char *text;

	if (fd < 0) {
		snprintf(error, PSK_ERROR_MAX, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if (is_safe(fd, path, &st, error)) {
		text = malloc((size_t)st.st_size + 1);
		if (text && read_whole(fd, text, (size_t)st.st_size))
			psk = parse(text, path, error);
		else
			snprintf(error, PSK_ERROR_MAX, "%s: cannot read", path);
		if (text)
			OPENSSL_cleanse(text, (size_t)st.st_size + 1);
		free(text);
	}
	close(fd);
	return psk;
}
