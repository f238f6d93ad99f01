/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The near end: asks, waits a little, and believes nothing that does not fit the question. */
#include "shim/proc/secrets.h"

#include "shim/clock.h"
#include "shim/proc/helper.h"
#include "shim/proc/secrets_process.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOAD_MS 2000
#define END_MS 300

struct secrets {
	int socket; /* -1: gone */
	pid_t keeper;
	uint32_t sequence; /* of the last question */
	bool everybody;    /* there is a secret for whoever it may be */
	bool alive;        /* the process that answers */
	bool complained;   /* of its file, after it had died */
	uint64_t deaf_until_ms;
	uint64_t unanswered;
	secrets_news_fn *news;
	void *ctx;
};

static void tell(struct secrets *s, enum secrets_news news, const char *text)
{
	if (s->news)
		s->news(s->ctx, news, text);
}

static void gone(struct secrets *s)
{
	const int fd = s->socket;

	s->socket = -1;
	s->alive = false;
	tell(s, SECRETS_GONE, ""); /* while whoever watches it can still let go */
	close(fd);
}

/* What came of a process that began by itself. */
static void began(struct secrets *s, const struct secrets_answer *answer)
{
	s->alive = answer->done;
	if (answer->done) {
		s->complained = false;
		s->deaf_until_ms = 0;
		tell(s, SECRETS_BACK, "");
	} else if (!s->complained) {
		s->complained = true;
		tell(s, SECRETS_UNREADABLE, answer->text);
	}
}

/* True with an answer in *answer to whatever it was; news have been told. The caller wipes it. */
static bool next_answer(struct secrets *s, struct secrets_answer *answer)
{
	while (s->socket >= 0) {
		const int rc = helper_next(s->socket, answer, sizeof *answer);

		if (rc < 0)
			gone(s);
		if (rc <= 0)
			return false;
		answer->text[PSK_ERROR_MAX - 1] = '\0';
		s->deaf_until_ms = 0; /* it speaks, if late */
		if (answer->operation == SECRETS_LOAD && answer->done)
			s->everybody = answer->everybody;
		if (answer->operation == SECRETS_DEATH) {
			s->alive = false;
			tell(s, SECRETS_DIED, "");
		} else if (answer->operation == SECRETS_LOAD && !answer->sequence) {
			began(s, answer);
		} else {
			return true;
		}
	}
	return false;
}

static bool ask(struct secrets *s, struct secrets_request *request, struct secrets_answer *answer,
		unsigned wait_ms)
{
	const uint64_t now = clock_now_ms(), until = now + wait_ms;
	struct pollfd ready = {.fd = s->socket, .events = POLLIN};

	/* First what has come in meanwhile: it may be that nobody is there any more, or somebody again. */
	while (next_answer(s, answer))
		OPENSSL_cleanse(answer, sizeof *answer);
	if (!s->alive || now < s->deaf_until_ms)
		return false;
	s->sequence = s->sequence == UINT32_MAX ? 1 : s->sequence + 1;
	request->sequence = s->sequence;
	if (send(s->socket, request, sizeof *request, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return false;
	for (uint64_t at = now; s->alive && at < until; at = clock_now_ms()) {
		if (poll(&ready, 1, (int)(until - at)) < 0 && errno != EINTR)
			return false;
		while (next_answer(s, answer)) {
			if (answer->operation == request->operation && answer->sequence == request->sequence)
				return true;
			OPENSSL_cleanse(answer, sizeof *answer);
		}
	}
	if (s->alive) {
		s->deaf_until_ms = clock_now_ms() + SECRETS_DEAF_MS;
		tell(s, SECRETS_SILENT, "");
	}
	return false;
}

static bool put_question(struct secrets *s, struct secrets_request *request, struct secrets_answer *answer)
{
	const bool answered = ask(s, request, answer, SECRETS_ANSWER_MS);

	s->unanswered += !answered;
	return answered;
}

enum bridge_secret secrets_have(struct secrets *s, const struct endpoint *server,
				const struct endpoint *client)
{
	struct secrets_request request = {.operation = SECRETS_HAVE, .server = *server, .client = *client};
	struct secrets_answer answer;

	if (s->everybody && s->socket >= 0 && clock_now_ms() >= s->deaf_until_ms)
		return BRIDGE_SECRET_THERE;
	if (!put_question(s, &request, &answer))
		return BRIDGE_SECRET_UNKNOWN;
	return answer.done ? BRIDGE_SECRET_THERE : BRIDGE_SECRET_NONE;
}

size_t secrets_skeyid(struct secrets *s, const struct endpoint *server, const struct endpoint *client,
		      uint8_t hash, struct bytes nonce_i, struct bytes nonce_r,
		      uint8_t out[static KEYS_HASH_MAX])
{
	struct secrets_request request = {.operation = SECRETS_SKEYID,
					  .server = *server,
					  .client = *client,
					  .hash = hash,
					  .nonce_i_length = (uint16_t)nonce_i.length,
					  .nonce_r_length = (uint16_t)nonce_r.length};
	struct secrets_answer answer;
	size_t length = 0;

	if (nonce_i.length > SECRETS_NONCE_MAX || nonce_r.length > SECRETS_NONCE_MAX)
		return 0;
	memcpy(request.nonce_i, nonce_i.data, nonce_i.length);
	memcpy(request.nonce_r, nonce_r.data, nonce_r.length);
	if (put_question(s, &request, &answer) && answer.done && answer.skeyid_length <= KEYS_HASH_MAX) {
		length = answer.skeyid_length;
		memcpy(out, answer.skeyid, length);
	}
	OPENSSL_cleanse(&answer, sizeof answer);
	return length;
}

bool secrets_reload(struct secrets *s, char error[static PSK_ERROR_MAX])
{
	struct secrets_request request = {.operation = SECRETS_LOAD};
	struct secrets_answer answer;

	if (!ask(s, &request, &answer, LOAD_MS)) {
		snprintf(error, PSK_ERROR_MAX, "the process that reads it does not answer");
		return false;
	}
	if (!answer.done)
		snprintf(error, PSK_ERROR_MAX, "%s", answer.text);
	return answer.done;
}

void secrets_on_news(struct secrets *s, secrets_news_fn *fn, void *ctx)
{
	s->news = fn;
	s->ctx = ctx;
}

int secrets_fd(const struct secrets *s)
{
	return s->socket;
}

void secrets_read(struct secrets *s)
{
	struct secrets_answer answer;

	while (next_answer(s, &answer))
		OPENSSL_cleanse(&answer, sizeof answer);
}

uint64_t secrets_unanswered(const struct secrets *s)
{
	return s->unanswered;
}

/* Start and end */

/* The first word of the first process: whether it could read the file. */
static bool await_first(struct secrets *s, char error[static PSK_ERROR_MAX])
{
	struct pollfd ready = {.fd = s->socket, .events = POLLIN};
	struct secrets_answer answer = {.done = false};
	ssize_t length = -1;

	snprintf(error, PSK_ERROR_MAX, "the process that reads it does not answer");
	if (poll(&ready, 1, LOAD_MS) == 1)
		length = recv(s->socket, &answer, sizeof answer, MSG_DONTWAIT);
	if (length != (ssize_t)sizeof answer || answer.operation != SECRETS_LOAD)
		return false;
	answer.text[PSK_ERROR_MAX - 1] = '\0';
	snprintf(error, PSK_ERROR_MAX, "%s", answer.text);
	s->alive = answer.done;
	s->everybody = answer.everybody;
	return answer.done;
}

bool secrets_open(struct secrets **out, const char *path, char error[static PSK_ERROR_MAX])
{
	struct secrets *s = calloc(1, sizeof *s);

	*out = NULL;
	if (!s) {
		snprintf(error, PSK_ERROR_MAX, "out of memory");
		return false;
	}
	s->keeper = helper_start(&s->socket, "natshim-keys", secrets_keep, path);
	if (s->keeper < 0) {
		snprintf(error, PSK_ERROR_MAX, "no process for it: %s", strerror(-s->keeper));
		free(s);
		return false;
	}
	if (await_first(s, error)) {
		*out = s;
		return true;
	}
	secrets_close(s);
	return false;
}

void secrets_close(struct secrets *s)
{
	if (!s)
		return;
	if (s->socket >= 0)
		close(s->socket);
	helper_reap(s->keeper, END_MS);
	free(s);
}
