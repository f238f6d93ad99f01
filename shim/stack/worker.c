/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop of the worker: one request after the other, each with the backend that runs on this host. It may block, nobody
 * waits for it. What comes over the socket is checked like anything else that comes from outside. */
#include "shim/stack/worker.h"

#include "shim/proc/helper.h"
#include "shim/stack/ppp.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

struct worker {
	int fd;
	const struct stack_options *options;
	uint32_t sequence; /* of the request in hand */
};

static int send_answer(int fd, const struct stack_answer *answer)
{
	ssize_t sent;

	do
		sent = send(fd, answer, sizeof *answer, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* With "auto" the stack is looked for each time: it may have been started, stopped or changed meanwhile. Bare XFRM is
 * taken only when it is asked for, or when SAs are to end whose stack has gone. */
static const struct stack_backend *choose(const struct stack_options *options, bool bare, int *error,
					  char text[static STACK_TEXT_MAX])
{
	static const struct stack_backend *const all[] = {&stack_libreswan, &stack_strongswan, &stack_xfrm};

	*error = -ESRCH;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (options->kind != STACK_AUTO && options->kind != all[i]->kind)
			continue;
		if (options->kind == STACK_AUTO && all[i]->kind == STACK_XFRM && !bare)
			continue;
		*error = all[i]->detect(options, text);
		if (!*error)
			return all[i];
	}
	if (options->kind == STACK_AUTO)
		snprintf(text, STACK_TEXT_MAX, "neither libreswan nor strongSwan runs here");
	return NULL;
}

static void detect(const struct worker *worker)
{
	struct stack_answer answer = {.kind = STACK_DETECTED, .sequence = worker->sequence};
	const struct stack_backend *backend = choose(worker->options, false, &answer.error, answer.text);

	if (backend)
		answer.stack = backend->kind;
	send_answer(worker->fd, &answer);
}

static void report_ike_sa(void *ctx, const struct stack_ike_sa *ike_sa)
{
	const int *fd = ctx;
	const struct stack_answer answer = {.kind = STACK_IKE_SA, .ike_sa = *ike_sa};

	send_answer(*fd, &answer);
}

static void list(const struct worker *worker, const struct stack_request *request)
{
	struct stack_answer answer = {
		.kind = STACK_LISTED, .sequence = worker->sequence, .peer = request->peer};
	int fd = worker->fd;
	const struct stack_report report = {.ctx = &fd, .ike_sa = report_ike_sa};
	const struct stack_backend *backend = choose(worker->options, true, &answer.error, answer.text);

	if (backend)
		answer.error = backend->list(worker->options, &request->peer, &report, answer.text);
	send_answer(worker->fd, &answer);
}

static void end(const struct worker *worker, const struct stack_request *request)
{
	struct stack_answer answer = {
		.kind = STACK_ENDED, .sequence = worker->sequence, .id = request->end.id};
	const struct stack_backend *backend = choose(worker->options, true, &answer.error, answer.text);

	if (backend)
		answer.error = backend->end(worker->options, &request->end, answer.text);
	if (answer.error >= 0)
		answer.text[0] = '\0';
	send_answer(worker->fd, &answer);
}

static void warm(const struct worker *worker, const struct stack_request *request)
{
	struct stack_answer answer = {
		.kind = STACK_WARMED, .sequence = worker->sequence, .peer = request->peer};

	answer.error = ppp_warm(&request->peer, answer.text);
	send_answer(worker->fd, &answer);
}

static bool is_address(const struct endpoint *e)
{
	return e->addr_len == 0 || e->addr_len == 4 || e->addr_len == 16;
}

static bool is_sound(const struct stack_request *request)
{
	if (!is_address(&request->peer) || !is_address(&request->end.peer) || !is_address(&request->end.us))
		return false;
	return (unsigned)request->operation < STACK_OPERATIONS && request->end.sa_count <= STACK_SAS_MAX;
}

void worker_process(const void *ctx)
{
	struct stack_options own = *(const struct stack_options *)ctx;
	struct worker worker = {.fd = HELPER_FD, .options = &own};
	struct stack_request request;

	own.hangup_fd = worker.fd + 1;
	while (helper_receive(worker.fd, &request, sizeof request)) {
		if (!is_sound(&request))
			continue;
		worker.sequence = request.sequence;
		switch (request.operation) {
		case STACK_DO_DETECT:
			detect(&worker);
			break;
		case STACK_DO_LIST:
			list(&worker, &request);
			break;
		case STACK_DO_END:
			end(&worker, &request);
			break;
		case STACK_DO_WARM:
			warm(&worker, &request);
			break;
		case STACK_OPERATIONS:
			break;
		}
	}
}

int worker_tell(int fd, pid_t process)
{
	const struct stack_answer answer = {.kind = STACK_WORKER, .worker = process};

	return helper_send(fd, &answer, sizeof answer, -1, MSG_DONTWAIT);
}
