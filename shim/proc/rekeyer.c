/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The near end: asks, waits a little, and believes nothing that does not fit the question. */
#include "shim/proc/rekeyer.h"

#include "shim/clock.h"
#include "shim/proc/helper.h"
#include "shim/proc/rekeyer_process.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPEN_MS 2000
#define END_MS 300

enum { REQUESTS, FACTS, SOCKETS };

struct rekeyer {
	int socket; /* requests and answers; -1: gone */
	int facts;
	pid_t keeper;
	uint32_t sequence; /* of the last question */
	bool alive;        /* the process that answers */
	uint64_t deaf_until_ms;
	bool dump_asked; /* and not ended yet */
	struct xfrm_stats stats;
	rekeyer_news_fn *news;
	void *ctx;
};

static void tell(struct rekeyer *s, enum rekeyer_news news)
{
	if (s->news)
		s->news(s->ctx, news);
}

static void gone(struct rekeyer *s)
{
	const int fd = s->socket;

	s->socket = -1;
	s->alive = false;
	tell(s, REKEYER_GONE); /* while whoever watches it can still let go */
	close(fd);
}

/* It speaks, if late: what it was not asked meanwhile it can be asked now. */
static void heard(struct rekeyer *s)
{
	if (!s->deaf_until_ms)
		return;
	s->deaf_until_ms = 0;
	tell(s, REKEYER_BACK);
}

static void began(struct rekeyer *s, int error)
{
	s->alive = !error;
	s->deaf_until_ms = 0;
	if (!error)
		tell(s, REKEYER_BACK);
}

static bool is_sound(const struct rekey_answer *answer)
{
	return (unsigned)answer->kind < REKEY_ANSWERS &&
	       answer->before.key_length <= sizeof answer->before.key &&
	       answer->before.auth_key_length <= sizeof answer->before.auth_key;
}

/* True with an answer to whatever question; the rest is told. The caller wipes it. */
static bool next_answer(struct rekeyer *s, struct rekey_answer *answer)
{
	while (s->socket >= 0) {
		const int rc = helper_next(s->socket, answer, sizeof *answer);

		if (rc < 0)
			gone(s);
		if (rc <= 0)
			return false;
		if (!is_sound(answer))
			continue;
		switch (answer->kind) {
		case REKEY_READY:
			began(s, answer->error);
			break;
		case REKEY_DEATH:
			s->alive = false;
			tell(s, REKEYER_DIED);
			break;
		default:
			heard(s);
			return true;
		}
	}
	return false;
}

static void read_news(struct rekeyer *s)
{
	struct rekey_answer late;

	while (next_answer(s, &late))
		OPENSSL_cleanse(&late, sizeof late);
}

/* 0 with the answer to this question. */
static int await(struct rekeyer *s, uint32_t sequence, struct rekey_answer *answer)
{
	const uint64_t until = clock_now_ms() + REKEYER_ANSWER_MS;
	struct pollfd ready = {.fd = s->socket, .events = POLLIN};

	for (uint64_t at = clock_now_ms(); s->alive && at < until; at = clock_now_ms()) {
		if (poll(&ready, 1, (int)(until - at)) < 0 && errno != EINTR)
			return -errno;
		while (next_answer(s, answer)) {
			if (answer->sequence == sequence)
				return 0;
			OPENSSL_cleanse(answer, sizeof *answer);
		}
	}
	if (!s->alive)
		return -EPIPE;
	s->deaf_until_ms = clock_now_ms() + REKEYER_DEAF_MS;
	tell(s, REKEYER_SILENT);
	return -ETIMEDOUT;
}

static int ask(struct rekeyer *s, struct rekey_request *request, struct rekey_answer *answer)
{
	int rc;

	read_news(s); /* it may be that nobody is there any more, or somebody again */
	if (!s->alive)
		return -EPIPE;
	if (clock_now_ms() < s->deaf_until_ms)
		return -ETIMEDOUT;
	request->sequence = ++s->sequence;
	if (send(s->socket, request, sizeof *request, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -EPIPE;
	rc = await(s, request->sequence, answer);
	return rc ? rc : answer->error;
}

int rekeyer_rekey(struct rekeyer *s, const struct rekey_change *change, struct esp_sa *before)
{
	struct rekey_request request = {.operation = REKEY_DO_KEYS, .change = *change};
	struct rekey_answer answer = {.kind = REKEY_DONE};
	const int rc = change->material_length > REKEY_MATERIAL_MAX ? -EMSGSIZE : ask(s, &request, &answer);

	if (!rc && before)
		*before = answer.before;
	OPENSSL_cleanse(&request, sizeof request);
	OPENSSL_cleanse(&answer, sizeof answer);
	return rc;
}

int rekeyer_look(struct rekeyer *s, const struct endpoint *destination, const uint8_t (*spis)[4],
		 size_t count)
{
	struct rekey_request request = {
		.operation = REKEY_DO_LOOK, .change.destination = *destination, .spi_count = (uint8_t)count};
	struct rekey_answer answer = {.kind = REKEY_DONE};

	if (count > REKEY_LOOK_MAX)
		return -E2BIG;
	memcpy(request.spis, spis, count * sizeof *spis);
	return ask(s, &request, &answer);
}

int rekeyer_fd(const struct rekeyer *s)
{
	return s->socket;
}

void rekeyer_read(struct rekeyer *s)
{
	read_news(s);
}

void rekeyer_on_news(struct rekeyer *s, rekeyer_news_fn *fn, void *ctx)
{
	s->news = fn;
	s->ctx = ctx;
}

/* Facts */

static void hand_out(struct rekeyer *s, const struct sa_fact *fact, const struct rekeyer_handlers *handlers,
		     void *ctx)
{
	const uint64_t now = clock_now_ms();

	switch (fact->kind) {
	case SA_FACT_SA:
		handlers->sa(ctx, &fact->sa);
		break;
	case SA_FACT_GONE:
		handlers->sa_gone(ctx, &fact->sa);
		break;
	case SA_FACT_DUMP_BEGIN:
		handlers->dump_begin(ctx, fact->at_ms < now ? fact->at_ms : now);
		break;
	case SA_FACT_DUMP_END:
		s->dump_asked = false;
		handlers->dump_end(ctx, fact->error);
		break;
	case SA_FACT_BEGAN:
		s->dump_asked = false;
		handlers->lost(ctx);
		break;
	case SA_FACT_LOST:
		handlers->lost(ctx);
		break;
	case SA_FACT_ERROR:
		handlers->failed(ctx, fact->error);
		break;
	case SA_FACTS:
		break;
	}
}

int rekeyer_facts_fd(const struct rekeyer *s)
{
	return s->facts;
}

int rekeyer_read_facts(struct rekeyer *s, unsigned messages, const struct rekeyer_handlers *handlers,
		       void *ctx)
{
	struct sa_facts message;

	while (messages--) {
		const ssize_t got = recv(s->facts, &message, sizeof message, MSG_DONTWAIT | MSG_TRUNC);

		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -EPIPE;
		if (got <= 0)
			return got ? 0 : -EPIPE;
		if (!sa_facts_sound(&message, (size_t)got))
			continue;
		s->stats = message.stats;
		for (uint32_t i = 0; i < message.count; i++)
			hand_out(s, &message.facts[i], handlers, ctx);
	}
	return 0;
}

void rekeyer_dump(struct rekeyer *s)
{
	struct rekey_request request = {.operation = REKEY_DO_DUMP};

	if (s->dump_asked || s->socket < 0)
		return;
	s->dump_asked = send(s->socket, &request, sizeof request, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

struct xfrm_stats rekeyer_stats(const struct rekeyer *s)
{
	return s->stats;
}

/* Start and end */

/* The first word of the first process: whether it has its sockets. */
static int await_first(struct rekeyer *s)
{
	struct pollfd ready = {.fd = s->socket, .events = POLLIN};
	struct rekey_answer answer = {.kind = REKEY_DONE};

	if (poll(&ready, 1, OPEN_MS) != 1)
		return -ETIMEDOUT;
	if (helper_next(s->socket, &answer, sizeof answer) != 1 || !is_sound(&answer) ||
	    answer.kind != REKEY_READY)
		return -EPIPE;
	s->alive = !answer.error;
	return answer.error;
}

int rekeyer_open(struct rekeyer **out)
{
	struct rekeyer *s = calloc(1, sizeof *s);
	int sockets[SOCKETS], rc;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->keeper = helper_start_sockets(sockets, SOCKETS, "natshim-xkeeper", rekeyer_process_keep, NULL);
	if (s->keeper < 0) {
		rc = s->keeper;
		free(s);
		return rc;
	}
	s->socket = sockets[REQUESTS];
	s->facts = sockets[FACTS];
	rc = await_first(s);
	if (rc) {
		rekeyer_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void rekeyer_close(struct rekeyer *s)
{
	if (!s)
		return;
	if (s->socket >= 0)
		close(s->socket);
	close(s->facts);
	helper_reap(s->keeper, END_MS);
	free(s);
}
