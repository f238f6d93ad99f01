/* The near end of the worker: starts it, sends requests without waiting, hands its answers on, and starts another one when
 * it has died. It keeps a list of what was asked, so that every request gets an answer. */
#include "shim/stack/stack.h"

#include "shim/stack/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAITING_MAX 256  /* requests that may be under way */
#define RESTART_MS 1000  /* between two workers */
#define LAST_WORD_MS 300 /* for a worker to end by itself */

struct waiting {
	enum stack_operation operation;
	uint64_t id;
	struct endpoint peer;
};

struct stack {
	struct stack_options options;
	char *paths[3];
	struct stack_handlers handlers;
	void *ctx;
	int epoll, socket; /* socket -1: no worker */
	pid_t worker;
	uint64_t started_ms;
	struct waiting waiting[WAITING_MAX]; /* in the order of the requests, which is that of the answers */
	size_t waiting_count;
};

static const char *const names[STACK_KINDS] = {"auto", "libreswan", "strongswan", "xfrm"};

const char *stack_kind_name(enum stack_kind kind)
{
	return kind < STACK_KINDS ? names[kind] : "unknown";
}

bool stack_kind_parse(const char *name, enum stack_kind *out)
{
	for (unsigned i = 0; i < STACK_KINDS; i++)
		if (!strcmp(name, names[i])) {
			*out = (enum stack_kind)i;
			return true;
		}
	return false;
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- the process ------------------------------------------------------------------------------------------------- */

/* In the new process: nothing of the parent's but the socket. When that is closed, it ends. */
static _Noreturn void become_worker(int fd, const struct stack_options *options)
{
	static const int defaults[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGPIPE, SIGUSR1, SIGUSR2};
	sigset_t none;

	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
		signal(defaults[i], SIG_DFL);
	signal(SIGINT, SIG_IGN); /* the terminal's Ctrl-C goes to both; the parent ends the worker */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd != 3) {
		dup2(fd, 3);
		fd = 3;
	}
	close_range(4, ~0u, 0);
	prctl(PR_SET_NAME, "natshim-stack");
	worker_run(fd, options);
	_exit(0);
}

static int start_worker(struct stack *stack)
{
	struct epoll_event event = {.events = EPOLLIN};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	stack->started_ms = clock_ms();
	const pid_t pid = fork();

	if (pid == 0)
		become_worker(pair[1], &stack->options);
	const int rc = pid < 0 ? -errno : 0;

	close(pair[1]);
	if (rc || epoll_ctl(stack->epoll, EPOLL_CTL_ADD, pair[0], &event)) {
		close(pair[0]);
		return rc ? rc : -errno;
	}
	stack->socket = pair[0];
	stack->worker = pid;
	return 0;
}

static void reap(pid_t worker)
{
	for (unsigned waited = 0; waited < LAST_WORD_MS; waited += 10) {
		if (waitpid(worker, NULL, WNOHANG))
			return;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	kill(worker, SIGKILL);
	waitpid(worker, NULL, 0);
}

static void stop_worker(struct stack *stack)
{
	if (stack->socket < 0)
		return;
	close(stack->socket); /* leaves the epoll set with it */
	stack->socket = -1;
	reap(stack->worker);
	stack->worker = 0;
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

int stack_read(struct stack *stack)
{
	struct stack_answer answer;

	while (stack->socket >= 0) {
		const ssize_t length = recv(stack->socket, &answer, sizeof answer, MSG_DONTWAIT);

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno == EAGAIN)
			return 0;
		if (length <= 0) {
			stop_worker(stack);
			start_worker(stack);
			answer_all(stack);
			return -EPIPE;
		}
		if (length != (ssize_t)sizeof answer)
			continue;
		answer.text[STACK_TEXT_MAX - 1] = '\0';
		if (answer.kind != STACK_IKE_SA)
			forget_first(stack);
		hand_on(stack, &answer);
	}
	return 0;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static int ask(struct stack *stack, const struct stack_request *request)
{
	if (stack->waiting_count == WAITING_MAX)
		return -EAGAIN;
	if (stack->socket < 0 && (clock_ms() - stack->started_ms < RESTART_MS || start_worker(stack)))
		return -EPIPE;
	if (send(stack->socket, request, sizeof *request, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return errno == EAGAIN ? -EAGAIN : -EPIPE;
	stack->waiting[stack->waiting_count++] = (struct waiting){
		.operation = request->operation, .id = request->end.id, .peer = request->peer};
	return 0;
}

int stack_detect(struct stack *stack)
{
	const struct stack_request request = {.operation = STACK_DO_DETECT};

	return ask(stack, &request);
}

int stack_list(struct stack *stack, const struct endpoint *peer)
{
	const struct stack_request request = {.operation = STACK_DO_LIST, .peer = *peer};

	return ask(stack, &request);
}

int stack_warm(struct stack *stack, const struct endpoint *peer)
{
	const struct stack_request request = {.operation = STACK_DO_WARM, .peer = *peer};

	return ask(stack, &request);
}

int stack_end(struct stack *stack, const struct stack_end_request *end)
{
	const struct stack_request request = {.operation = STACK_DO_END, .end = *end};

	return end->sa_count > STACK_SAS_MAX ? -EINVAL : ask(stack, &request);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int copy_options(struct stack *stack, const struct stack_options *options)
{
	const char *const from[] = {options->ipsec_path, options->vici_path, options->pluto_ctl};

	for (size_t i = 0; i < sizeof from / sizeof *from; i++)
		if (from[i] && !(stack->paths[i] = strdup(from[i])))
			return -ENOMEM;
	stack->options = *options;
	stack->options.ipsec_path = stack->paths[0];
	stack->options.vici_path = stack->paths[1];
	stack->options.pluto_ctl = stack->paths[2];
	return 0;
}

int stack_open(struct stack **out, const struct stack_options *options, const struct stack_handlers *handlers,
	       void *ctx)
{
	struct stack *stack = calloc(1, sizeof *stack);
	int rc;

	if (!stack)
		return -ENOMEM;
	stack->socket = -1;
	stack->handlers = *handlers;
	stack->ctx = ctx;
	stack->epoll = epoll_create1(EPOLL_CLOEXEC);
	rc = stack->epoll < 0 ? -errno : copy_options(stack, options);
	if (!rc)
		rc = start_worker(stack);
	if (rc) {
		stack_close(stack);
		return rc;
	}
	*out = stack;
	return 0;
}

void stack_close(struct stack *stack)
{
	if (!stack)
		return;
	stop_worker(stack);
	if (stack->epoll >= 0)
		close(stack->epoll);
	for (size_t i = 0; i < sizeof stack->paths / sizeof *stack->paths; i++)
		free(stack->paths[i]);
	free(stack);
}

int stack_fd(const struct stack *stack)
{
	return stack->epoll;
}

pid_t stack_worker(const struct stack *stack)
{
	return stack->worker;
}
