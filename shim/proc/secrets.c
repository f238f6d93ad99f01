/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The near end: what is asked of natshim-secrets, and what its answers and news mean. */
#include "shim/proc/secrets.h"

#include "shim/clock.h"
#include "shim/proc/helper.h"
#include "shim/proc/secrets_process.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_MS 2000
#define END_MS 300

struct secrets {
	struct helper helper;
	bool everybody;  /* there is a secret for whoever it may be */
	bool complained; /* of its file, after it had died */
	uint64_t unanswered;
	secrets_news_fn *news;
	void *ctx;
};

static void tell(struct secrets *s, enum secrets_news news, const char *text)
{
	if (s->news)
		s->news(s->ctx, news, text);
}

static void on_gone(void *owner)
{
	tell(owner, SECRETS_GONE, "");
}

static void on_silent(void *owner)
{
	tell(owner, SECRETS_SILENT, "");
}

/* What came of a process that began by itself. */
static void began(struct secrets *s, const struct secrets_answer *answer)
{
	s->helper.alive = answer->done;
	s->helper.deaf_until_ms = 0;
	if (answer->done) {
		s->complained = false;
		tell(s, SECRETS_BACK, "");
	} else if (!s->complained) {
		s->complained = true;
		tell(s, SECRETS_UNREADABLE, answer->text);
	}
}

static bool on_message(void *owner, void *message)
{
	struct secrets *s = owner;
	struct secrets_answer *answer = message;

	answer->text[PSK_ERROR_MAX - 1] = '\0';
	if (answer->operation == SECRETS_LOAD && answer->done)
		s->everybody = answer->everybody;
	if (answer->operation == SECRETS_DEATH) {
		s->helper.alive = false;
		tell(s, SECRETS_DIED, "");
		return false;
	}
	if (answer->operation == SECRETS_LOAD && !answer->sequence) {
		began(s, answer);
		return false;
	}
	return true;
}

static const struct helper_protocol protocol = {.question = sizeof(struct secrets_request),
						.answer = sizeof(struct secrets_answer),
						.deaf_ms = SECRETS_DEAF_MS,
						.take = on_message,
						.silent = on_silent,
						.gone = on_gone};
_Static_assert(sizeof(struct secrets_answer) <= HELPER_MESSAGE_MAX, "an answer has room");

static bool put_question(struct secrets *s, struct secrets_request *request, struct secrets_answer *answer)
{
	const bool answered = !helper_ask(&s->helper, request, answer, SECRETS_ANSWER_MS, NULL);

	s->unanswered += !answered;
	return answered;
}

enum bridge_secret secrets_have(struct secrets *s, const struct endpoint *server,
				const struct endpoint *client)
{
	struct secrets_request request = {.operation = SECRETS_HAVE, .server = *server, .client = *client};
	struct secrets_answer answer;

	if (s->everybody && s->helper.socket >= 0 && clock_now_ms() >= s->helper.deaf_until_ms)
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

	if (helper_ask(&s->helper, &request, &answer, LOAD_MS, NULL)) {
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
	return s->helper.socket;
}

void secrets_read(struct secrets *s)
{
	helper_read(&s->helper);
}

uint64_t secrets_unanswered(const struct secrets *s)
{
	return s->unanswered;
}

/* Start and end */

/* The first word of the first process: whether it could read the file. */
static bool await_first(struct secrets *s, char error[static PSK_ERROR_MAX])
{
	struct secrets_answer answer;

	snprintf(error, PSK_ERROR_MAX, "the process that reads it does not answer");
	if (helper_first(&s->helper, &answer, LOAD_MS) || answer.operation != SECRETS_LOAD)
		return false;
	answer.text[PSK_ERROR_MAX - 1] = '\0';
	snprintf(error, PSK_ERROR_MAX, "%s", answer.text);
	s->helper.alive = answer.done;
	s->everybody = answer.everybody;
	return answer.done;
}

struct parent_role secrets_role(const char *path)
{
	return (struct parent_role){.name = "natshim-secrets",
				    .sockets = 1,
				    .run = secrets_process,
				    .ctx = path,
				    .tell = secrets_tell_death,
				    .end_ms = END_MS,
				    .takes_over = true};
}

bool secrets_open(struct secrets **out, int socket, char error[static PSK_ERROR_MAX])
{
	struct secrets *s = calloc(1, sizeof *s);

	*out = NULL;
	if (!s) {
		snprintf(error, PSK_ERROR_MAX, "out of memory");
		return false;
	}
	s->helper = (struct helper){.protocol = &protocol, .owner = s, .socket = socket};
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
	helper_close(&s->helper);
	free(s);
}
