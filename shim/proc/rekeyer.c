/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The near end: what is asked of natshim-xfrm, what its answers and news mean, and its facts. */
#include "shim/proc/rekeyer.h"

#include "shim/clock.h"
#include "shim/proc/helper.h"
#include "shim/proc/rekeyer_process.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPEN_MS 2000
#define END_MS 300

struct rekeyer {
	struct helper helper; /* requests and answers */
	int facts;
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

static void on_gone(void *owner)
{
	tell(owner, REKEYER_GONE);
}

static void on_silent(void *owner)
{
	tell(owner, REKEYER_SILENT);
}

/* If late: what it was not asked meanwhile it can be asked now. */
static void on_heard(void *owner)
{
	tell(owner, REKEYER_BACK);
}

static void began(struct rekeyer *s, int error)
{
	s->helper.alive = !error;
	s->helper.deaf_until_ms = 0;
	if (!error)
		tell(s, REKEYER_BACK);
}

static bool is_sound(const struct rekey_answer *answer)
{
	return (unsigned)answer->kind < REKEY_ANSWERS &&
	       answer->before.key_length <= sizeof answer->before.key &&
	       answer->before.auth_key_length <= sizeof answer->before.auth_key;
}

static bool on_message(void *owner, void *message)
{
	struct rekeyer *s = owner;
	const struct rekey_answer *answer = message;

	if (!is_sound(answer))
		return false;
	if (answer->kind == REKEY_READY) {
		began(s, answer->error);
	} else if (answer->kind == REKEY_DEATH) {
		s->helper.alive = false;
		tell(s, REKEYER_DIED);
	}
	return answer->kind == REKEY_DONE;
}

static const struct helper_protocol protocol = {.question = sizeof(struct rekey_request),
						.answer = sizeof(struct rekey_answer),
						.deaf_ms = REKEYER_DEAF_MS,
						.take = on_message,
						.silent = on_silent,
						.heard = on_heard,
						.gone = on_gone};
_Static_assert(sizeof(struct rekey_answer) <= HELPER_MESSAGE_MAX, "an answer has room");

static int ask(struct rekeyer *s, struct rekey_request *request, struct rekey_answer *answer)
{
	const int rc = helper_ask(&s->helper, request, answer, REKEYER_ANSWER_MS, NULL);

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
	return s->helper.socket;
}

void rekeyer_read(struct rekeyer *s)
{
	helper_read(&s->helper);
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
	case SA_FACT_MOVED:
		handlers->moved(ctx, &fact->sa, &fact->from);
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

		if (got < 0 && errno != EAGAIN && !helper_again(errno))
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

	if (!s->dump_asked)
		s->dump_asked = !helper_post(&s->helper, &request, -1);
}

struct xfrm_stats rekeyer_stats(const struct rekeyer *s)
{
	return s->stats;
}

/* Start and end */

/* The first word of the first process: whether it has its sockets. */
static int await_first(struct rekeyer *s)
{
	struct rekey_answer answer;
	const int rc = helper_first(&s->helper, &answer, OPEN_MS);

	if (rc)
		return rc;
	if (!is_sound(&answer) || answer.kind != REKEY_READY)
		return -EPIPE;
	s->helper.alive = !answer.error;
	return answer.error;
}

struct parent_role rekeyer_role(void)
{
	return (struct parent_role){.name = "natshim-xfrm",
				    .sockets = REKEYER_SOCKETS,
				    .run = rekeyer_process,
				    .tell = rekeyer_tell_death,
				    .end_ms = END_MS};
}

int rekeyer_open(struct rekeyer **out, const int sockets[static REKEYER_SOCKETS])
{
	struct rekeyer *s = calloc(1, sizeof *s);
	int rc;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->helper = (struct helper){.protocol = &protocol, .owner = s, .socket = sockets[0]};
	s->facts = sockets[1];
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
	helper_close(&s->helper);
	close(s->facts);
	free(s);
}
