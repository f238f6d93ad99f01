/* Two operations, and one kind of news. */
#include "shim/stack/swap_process.h"

#include "shim/confine.h"
#include "shim/helper.h"
#include "shim/stack/swap.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

static void send_answer(const struct swap_answer *answer)
{
	while (send(HELPER_FD, answer, sizeof *answer, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

bool swap_request_sound(const struct swap_request *request)
{
	return (unsigned)request->operation < SWAP_OPERATIONS &&
	       (request->change.destination.addr_len == 4 || request->change.destination.addr_len == 16) &&
	       request->change.material_length <= SWAP_MATERIAL_MAX && request->spi_count <= SWAP_LOOK_MAX;
}

static void answer_one(struct swap *swap, const struct swap_request *request)
{
	struct swap_answer answer = {.kind = SWAP_DONE, .sequence = request->sequence};

	if (request->operation == SWAP_DO_KEYS)
		answer.error = swap_keys(swap, &request->change, &answer.before);
	else
		answer.error = swap_look(swap, &request->change.destination, request->spis,
					 request->spi_count);
	send_answer(&answer);
	OPENSSL_cleanse(&answer, sizeof answer);
}

/* Nobody is waited for who does not read: what finds no room is told later, as missed. */
static void tell_added(void *ctx, const struct endpoint *destination, const uint8_t spi[static 4])
{
	struct swap_answer answer = {.kind = SWAP_ADDED, .destination = *destination};
	bool *missed = ctx;

	memcpy(answer.spi, spi, sizeof answer.spi);
	*missed |= send(HELPER_FD, &answer, sizeof answer, MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
}

static void tell_missed(bool *missed)
{
	static const struct endpoint any;

	*missed = false;
	tell_added(missed, &any, (const uint8_t[4]){0});
}

static void serve(struct swap *swap)
{
	struct pollfd fds[] = {{.fd = HELPER_FD}, {.fd = swap_fd(swap), .events = POLLIN}};
	struct swap_request request;
	bool missed = false;

	for (;;) {
		fds[0].events = (short)(POLLIN | (missed ? POLLOUT : 0));
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			swap_read(swap, tell_added, &missed);
		if (fds[0].revents & POLLOUT)
			tell_missed(&missed);
		if (!(fds[0].revents & ~POLLOUT))
			continue;
		if (!helper_receive(HELPER_FD, &request, sizeof request))
			return;
		if (swap_request_sound(&request))
			answer_one(swap, &request);
		OPENSSL_cleanse(&request, sizeof request);
	}
}

static void run(const void *ctx)
{
	struct swap_answer ready = {.kind = SWAP_READY};
	char missing[CONFINE_TEXT_MAX];
	struct swap *swap = NULL;

	(void)ctx;
	ready.error = swap_open(&swap);
	confine(CONFINE_XFRM, NULL, missing); /* the daemon, which lacks the same, says so */
	send_answer(&ready);
	if (!ready.error)
		serve(swap);
	swap_close(swap);
}

static void announce(pid_t process)
{
	const struct swap_answer death = {.kind = SWAP_DEATH};

	if (!process)
		send_answer(&death);
}

void swap_process_keep(const void *ctx)
{
	char missing[CONFINE_TEXT_MAX];

	confine(CONFINE_XFRM_KEEPER, NULL, missing);
	helper_keep("natshim-xfrm", run, ctx, announce);
}
