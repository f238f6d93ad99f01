/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The near end of the worker: sends requests without waiting and hands its answers on. It keeps a list of
 * what was asked, so that every request gets an answer, also when the worker dies. */
#include "shim/stack/stack.h"

#include "shim/proc/helper.h"
#include "shim/stack/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define LAST_WORD_MS 300 /* for the worker to end by itself */
#define BEGIN_MS 1000    /* for the worker to begin */

struct waiting {
	uint32_t sequence;
	enum stack_operation operation;
	uint64_t id;
	struct endpoint peer;
};

struct stack {
	struct stack_handlers handlers;
	void *ctx;
	struct helper helper; /* its socket -1: nobody starts a worker any more */
	pid_t worker;
	bool worker_died; /* since the last look */
	struct waiting
		waiting[STACK_REQUESTS_MAX]; /* in the order of the requests, which is that of the answers */
	size_t waiting_count;
};

static const char *const names[STACK_KINDS] = {"auto", "libreswan", "strongswan", "xfrm"};

const char *stack_kind_name(enum stack_kind kind)
{
	return kind < STACK_KINDS ? names[kind] : "unknown";
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void forget_first(struct stack *stack)
{
	if (!stack->waiting_count)
		return;
	stack->waiting_count--;
	memmove(stack->waiting, stack->waiting + 1, stack->waiting_count * sizeof *stack->waiting);
}

static void hand_on(struct stack *stack, const struct stack_answer *answer)
{
	const struct stack_handlers *h = &stack->handlers;

	switch (answer->kind) {
	case STACK_DETECTED:
		if (h->detected)
			h->detected(stack->ctx, answer->stack, answer->error, answer->text);
		break;
	case STACK_IKE_SA:
		if (h->ike_sa)
			h->ike_sa(stack->ctx, &answer->ike_sa);
		break;
	case STACK_LISTED:
		if (h->listed)
			h->listed(stack->ctx, &answer->peer, answer->error, answer->text);
		break;
	case STACK_ENDED:
		if (h->ended)
			h->ended(stack->ctx, answer->id, answer->error, answer->text);
		break;
	case STACK_WARMED:
		if (h->warmed)
			h->warmed(stack->ctx, &answer->peer, answer->error, answer->text);
		break;
	case STACK_WORKER:
	case STACK_ANSWERS:
		break;
	}
}

/* Handlers may send new requests, so the first is taken off the list before it is answered. */
static void answer_all(struct stack *stack)
{
	for (size_t left = stack->waiting_count; left; left--) {
		static const enum stack_answer_kind kinds[STACK_OPERATIONS] = {
			[STACK_DO_DETECT] = STACK_DETECTED,
			[STACK_DO_LIST] = STACK_LISTED,
			[STACK_DO_END] = STACK_ENDED,
			[STACK_DO_WARM] = STACK_WARMED};
		const struct waiting first = stack->waiting[0];
		const struct stack_answer answer = {.kind = kinds[first.operation],
						    .error = -EPIPE,
						    .text = "the worker process has died",
						    .id = first.id,
						    .peer = first.peer};

		forget_first(stack);
		hand_on(stack, &answer);
	}
}

static bool is_address(const struct endpoint *e)
{
	return e->addr_len == 0 || e->addr_len == 4 || e->addr_len == 16;
}

static bool is_sound(const struct stack_answer *answer)
{
	return is_address(&answer->peer) && is_address(&answer->ike_sa.peer) &&
	       (unsigned)answer->kind < STACK_ANSWERS;
}

static void on_worker(struct stack *stack, pid_t worker)
{
	stack->worker = worker;
	if (worker)
		return;
	stack->worker_died = true;
	answer_all(stack);
}

/* The worker speaks with other programs, so it is not believed either. Late answers, to what a dead worker was asked, have
 * been given already. */
static bool on_message(void *owner, void *message)
{
	struct stack *stack = owner;
	struct stack_answer *answer = message;

	answer->text[STACK_TEXT_MAX - 1] = '\0';
	answer->ike_sa.id[STACK_ID_MAX - 1] = '\0';
	if (!is_sound(answer))
		return false;
	if (answer->kind == STACK_WORKER) {
		on_worker(stack, answer->worker);
	} else if (answer->kind == STACK_IKE_SA) {
		hand_on(stack, answer);
	} else if (stack->waiting_count && answer->sequence == stack->waiting[0].sequence) {
		forget_first(stack);
		hand_on(stack, answer);
	}
	return false; /* nobody waits for one */
}

static void on_gone(void *owner)
{
	struct stack *stack = owner;

	stack->worker = 0;
	if (stack->handlers.gone)
		stack->handlers.gone(stack->ctx);
}

static const struct helper_protocol protocol = {.question = sizeof(struct stack_request),
						.answer = sizeof(struct stack_answer),
						.take = on_message,
						.gone = on_gone};
_Static_assert(sizeof(struct stack_answer) <= HELPER_MESSAGE_MAX, "an answer has room");

int stack_read(struct stack *stack)
{
	bool died;

	helper_read(&stack->helper);
	died = stack->worker_died;
	stack->worker_died = false;
	if (stack->helper.socket >= 0)
		return died ? -EPIPE : 0;
	answer_all(stack);
	return -ENOTCONN;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static int ask(struct stack *stack, struct stack_request *request)
{
	int rc;

	if (stack->waiting_count == STACK_REQUESTS_MAX)
		return -EAGAIN;
	rc = helper_post(&stack->helper, request, -1);
	if (rc)
		return rc;
	stack->waiting[stack->waiting_count++] = (struct waiting){.sequence = request->sequence,
								  .operation = request->operation,
								  .id = request->end.id,
								  .peer = request->peer};
	return 0;
}

int stack_detect(struct stack *stack)
{
	struct stack_request request = {.operation = STACK_DO_DETECT};

	return ask(stack, &request);
}

int stack_list(struct stack *stack, const struct endpoint *peer)
{
	struct stack_request request = {.operation = STACK_DO_LIST, .peer = *peer};

	return ask(stack, &request);
}

int stack_warm(struct stack *stack, const struct endpoint *peer)
{
	struct stack_request request = {.operation = STACK_DO_WARM, .peer = *peer};

	return ask(stack, &request);
}

int stack_end(struct stack *stack, const struct stack_end_request *end)
{
	struct stack_request request = {.operation = STACK_DO_END, .end = *end};

	return end->sa_count > STACK_SAS_MAX ? -EINVAL : ask(stack, &request);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

struct parent_role stack_role(const struct stack_options *options)
{
	return (struct parent_role){.name = "natshim-stack",
				    .sockets = 1,
				    .run = worker_process,
				    .ctx = options,
				    .tell = worker_tell,
				    .end_ms = LAST_WORD_MS};
}

int stack_open(struct stack **out, int socket, const struct stack_handlers *handlers, void *ctx)
{
	struct stack *stack = calloc(1, sizeof *stack);

	if (!stack)
		return -ENOMEM;
	stack->helper = (struct helper){.protocol = &protocol, .owner = stack, .socket = socket};
	stack->handlers = *handlers;
	stack->ctx = ctx;
	poll(&(struct pollfd){.fd = socket, .events = POLLIN}, 1, BEGIN_MS);
	stack_read(stack);
	*out = stack;
	return 0;
}

void stack_close(struct stack *stack)
{
	if (!stack)
		return;
	helper_close(&stack->helper);
	free(stack);
}

int stack_fd(const struct stack *stack)
{
	return stack->helper.socket;
}

pid_t stack_worker(const struct stack *stack)
{
	return stack->worker;
}
