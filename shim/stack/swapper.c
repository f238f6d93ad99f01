/* The near end: asks, waits a little, and believes nothing that does not fit the question. */
#include "shim/stack/swapper.h"

#include "shim/clock.h"
#include "shim/helper.h"
#include "shim/stack/swap_process.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPEN_MS 2000
#define END_MS 300
#define ADDED_MAX 256 /* kept while a question waits; what is more counts as missed */

struct added {
	struct endpoint destination;
	uint8_t spi[4];
};

struct swapper {
	int socket; /* -1: gone */
	pid_t keeper;
	uint32_t sequence; /* of the last question */
	bool alive;        /* the process that answers */
	uint64_t deaf_until_ms;
	struct added added[ADDED_MAX];
	size_t added_count;
	swapper_news_fn *news;
	void *ctx;
};

static void tell(struct swapper *s, enum swapper_news news)
{
	if (s->news)
		s->news(s->ctx, news);
}

static void gone(struct swapper *s)
{
	const int fd = s->socket;

	s->socket = -1;
	s->alive = false;
	tell(s, SWAPPER_GONE); /* while whoever watches it can still let go */
	close(fd);
}

static void keep_added(struct swapper *s, const struct swap_answer *answer)
{
	struct added added = {.destination = answer->destination};

	if (s->added_count == ADDED_MAX) { /* this one word says it all */
		s->added_count = 0;
		added.destination = (struct endpoint){.addr_len = 0};
	}
	memcpy(added.spi, answer->spi, sizeof added.spi);
	s->added[s->added_count++] = added;
}

/* It speaks, if late: what it was not asked meanwhile it can be asked now. */
static void heard(struct swapper *s)
{
	if (!s->deaf_until_ms)
		return;
	s->deaf_until_ms = 0;
	tell(s, SWAPPER_BACK);
}

static void began(struct swapper *s, int error)
{
	s->alive = !error;
	s->deaf_until_ms = 0;
	if (!error)
		tell(s, SWAPPER_BACK);
}

static bool is_sound(const struct swap_answer *answer)
{
	return (unsigned)answer->kind < SWAP_ANSWERS &&
	       answer->destination.addr_len <= sizeof answer->destination.addr &&
	       answer->before.key_length <= sizeof answer->before.key &&
	       answer->before.auth_key_length <= sizeof answer->before.auth_key;
}

/* True with an answer to whatever question; the rest is kept, or told. The caller wipes it. */
static bool next_answer(struct swapper *s, struct swap_answer *answer)
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
		case SWAP_ADDED:
			keep_added(s, answer);
			heard(s);
			break;
		case SWAP_READY:
			began(s, answer->error);
			break;
		case SWAP_DEATH:
			s->alive = false;
			tell(s, SWAPPER_DIED);
			break;
		default:
			heard(s);
			return true;
		}
	}
	return false;
}

static void read_news(struct swapper *s)
{
	struct swap_answer late;

	while (next_answer(s, &late))
		OPENSSL_cleanse(&late, sizeof late);
}

/* 0 with the answer to this question. */
static int await(struct swapper *s, uint32_t sequence, struct swap_answer *answer)
{
	const uint64_t until = clock_now_ms() + SWAPPER_ANSWER_MS;
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
	s->deaf_until_ms = clock_now_ms() + SWAPPER_DEAF_MS;
	tell(s, SWAPPER_SILENT);
	return -ETIMEDOUT;
}

static int put_question(struct swapper *s, struct swap_request *request, struct swap_answer *answer)
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

/* Whatever the answer is: what was read on the way to it must not wait until something else is there to be read. */
static int ask(struct swapper *s, struct swap_request *request, struct swap_answer *answer)
{
	const int rc = put_question(s, request, answer);

	if (s->added_count)
		tell(s, SWAPPER_ADDED);
	return rc;
}

int swapper_keys(struct swapper *s, const struct swap_change *change, struct esp_sa *before)
{
	struct swap_request request = {.operation = SWAP_DO_KEYS, .change = *change};
	struct swap_answer answer = {.kind = SWAP_DONE};
	const int rc = change->material_length > SWAP_MATERIAL_MAX ? -EMSGSIZE : ask(s, &request, &answer);

	if (!rc && before)
		*before = answer.before;
	OPENSSL_cleanse(&request, sizeof request);
	OPENSSL_cleanse(&answer, sizeof answer);
	return rc;
}

int swapper_look(struct swapper *s, const struct endpoint *destination, const uint8_t (*spis)[4],
		 size_t count)
{
	struct swap_request request = {
		.operation = SWAP_DO_LOOK, .change.destination = *destination, .spi_count = (uint8_t)count};
	struct swap_answer answer = {.kind = SWAP_DONE};

	if (count > SWAP_LOOK_MAX)
		return -E2BIG;
	memcpy(request.spis, spis, count * sizeof *spis);
	return ask(s, &request, &answer);
}

int swapper_fd(const struct swapper *s)
{
	return s->socket;
}

/* fn may put questions, in whose time others come in: those are for the next call. */
void swapper_read(struct swapper *s, swap_added_fn *fn, void *ctx)
{
	struct added added[ADDED_MAX];
	size_t count;

	read_news(s);
	count = s->added_count;
	memcpy(added, s->added, count * sizeof *added);
	s->added_count = 0;
	for (size_t i = 0; i < count; i++)
		fn(ctx, &added[i].destination, added[i].spi);
}

void swapper_on_news(struct swapper *s, swapper_news_fn *fn, void *ctx)
{
	s->news = fn;
	s->ctx = ctx;
}

/* Start and end */

/* The first word of the first process: whether it has its sockets. */
static int await_first(struct swapper *s)
{
	struct pollfd ready = {.fd = s->socket, .events = POLLIN};
	struct swap_answer answer = {.kind = SWAP_DONE};

	if (poll(&ready, 1, OPEN_MS) != 1)
		return -ETIMEDOUT;
	if (helper_next(s->socket, &answer, sizeof answer) != 1 || !is_sound(&answer) ||
	    answer.kind != SWAP_READY)
		return -EPIPE;
	s->alive = !answer.error;
	return answer.error;
}

int swapper_open(struct swapper **out)
{
	struct swapper *s = calloc(1, sizeof *s);
	int rc;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->keeper = helper_start(&s->socket, "natshim-xkeeper", swap_process_keep, NULL);
	if (s->keeper < 0) {
		rc = s->keeper;
		free(s);
		return rc;
	}
	rc = await_first(s);
	if (rc) {
		swapper_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void swapper_close(struct swapper *s)
{
	if (!s)
		return;
	if (s->socket >= 0)
		close(s->socket);
	helper_reap(s->keeper, END_MS);
	free(s);
}
