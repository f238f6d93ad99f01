/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests before facts, and facts never faster than they are read: what the other end has not taken yet waits here, and
 * meanwhile nothing more is read from the kernel, which keeps a dump's place, and its events up to its buffer's size. */
#include "shim/proc/rekeyer_process.h"

#include "shim/clock.h"
#include "shim/proc/confine.h"
#include "shim/proc/helper.h"
#include "shim/xfrm/rekey.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FACTS_FD (HELPER_FD + 1)
#define FACTS_BUFFER 16384 /* bytes on their way: an event never waits for more of a dump than that */
#define READ_AT_ONCE 32    /* netlink messages between two looks for a request */
#define PENDING_MAX                                                                                          \
	1024 /* facts; more than come of one look at the kernel: two buffers of its shortest messages */

struct pending {
	struct sa_fact facts[PENDING_MAX];
	size_t count, sent;
};

struct server {
	struct rekey *rekey;
	struct xfrm_monitor *xfrm;
	struct pending pending;
	uint64_t mappings_at; /* when they may be read again */
};

static void send_answer(const struct rekey_answer *answer)
{
	while (send(HELPER_FD, answer, sizeof *answer, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static bool is_address(const struct endpoint *e)
{
	return e->addr_len == 4 || e->addr_len == 16;
}

bool rekey_request_sound(const struct rekey_request *request)
{
	const struct rekey_change *change = &request->change;

	if ((unsigned)request->operation >= REKEY_OPERATIONS)
		return false;
	return request->operation == REKEY_DO_DUMP ||
	       (is_address(&change->destination) && change->material_length <= REKEY_MATERIAL_MAX &&
		request->spi_count <= REKEY_LOOK_MAX);
}

static bool fact_sound(const struct sa_fact *fact)
{
	if ((unsigned)fact->kind >= SA_FACTS || fact->error > 0)
		return false;
	if (fact->kind == SA_FACT_MOVED && !is_address(&fact->from))
		return false;
	return (fact->kind != SA_FACT_SA && fact->kind != SA_FACT_GONE && fact->kind != SA_FACT_MOVED) ||
	       (is_address(&fact->sa.us) && is_address(&fact->sa.peer));
}

bool sa_facts_sound(const struct sa_facts *facts, size_t length)
{
	if (length < sa_facts_size(0) || facts->count > SA_FACTS_MAX || length != sa_facts_size(facts->count))
		return false;
	for (uint32_t i = 0; i < facts->count; i++)
		if (!fact_sound(&facts->facts[i]))
			return false;
	return true;
}

/* Facts */

/* Field by field into cleared memory: what lies between the fields may be left from keys. */
static void copy_sa(struct sa_info *to, const struct sa_info *from)
{
	to->us = from->us;
	to->peer = from->peer;
	to->spi = from->spi;
	to->reqid = from->reqid;
	to->protocol = from->protocol;
	to->upper_protocol = from->upper_protocol;
	to->our_port = from->our_port;
	to->peer_port = from->peer_port;
	to->outbound = from->outbound;
	to->transport = from->transport;
	to->dumped = from->dumped;
	to->bytes = from->bytes;
	to->packets = from->packets;
	to->add_time_s = from->add_time_s;
}

static struct sa_fact *next_fact(struct server *s, enum sa_fact_kind kind)
{
	struct pending *p = &s->pending;
	struct sa_fact *fact;

	if (p->count == PENDING_MAX) /* cannot be; if it is, the next process tells it all anew */
		_exit(1);
	fact = &p->facts[p->count++];
	memset(fact, 0, sizeof *fact);
	fact->kind = kind;
	return fact;
}

static void on_sa(void *ctx, const struct sa_info *sa)
{
	copy_sa(&next_fact(ctx, SA_FACT_SA)->sa, sa);
}

static void on_sa_gone(void *ctx, const struct sa_info *sa)
{
	copy_sa(&next_fact(ctx, SA_FACT_GONE)->sa, sa);
}

/* What there is no room for, the next packet tells again. */
static void on_moved(void *ctx, const struct sa_info *sa, const struct endpoint *from)
{
	struct server *s = ctx;
	struct sa_fact *fact;

	if (s->pending.count > PENDING_MAX / 2)
		return;
	fact = next_fact(s, SA_FACT_MOVED);
	copy_sa(&fact->sa, sa);
	fact->from = *from;
}

static void tell_error(struct server *s, enum sa_fact_kind kind, int error)
{
	next_fact(s, kind)->error = error;
}

static void on_dump_begin(void *ctx)
{
	next_fact(ctx, SA_FACT_DUMP_BEGIN)->at_ms = clock_now_ms();
}

static void on_dump_end(void *ctx, int error)
{
	tell_error(ctx, SA_FACT_DUMP_END, error);
}

static void on_lost(void *ctx)
{
	next_fact(ctx, SA_FACT_LOST);
}

static size_t waiting(const struct server *s)
{
	return s->pending.count - s->pending.sent;
}

/* As much as there is room for. */
static void send_facts(struct server *s)
{
	struct pending *p = &s->pending;
	struct sa_facts message;

	memset(&message, 0, sa_facts_size(0));
	while (waiting(s)) {
		message.stats = xfrm_stats(s->xfrm);
		message.count = (uint32_t)(waiting(s) < SA_FACTS_MAX ? waiting(s) : SA_FACTS_MAX);
		memcpy(message.facts, p->facts + p->sent, message.count * sizeof *message.facts);
		if (send(FACTS_FD, &message, sa_facts_size(message.count), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return;
		p->sent += message.count;
	}
	p->sent = p->count = 0;
}

static void watch(struct server *s)
{
	const int rc = xfrm_read(s->xfrm, READ_AT_ONCE);

	if (rc)
		tell_error(s, SA_FACT_ERROR, rc);
	send_facts(s);
}

/* Requests */

static void answer_one(struct rekey *rekey, const struct rekey_request *request)
{
	struct rekey_answer answer = {.kind = REKEY_DONE, .sequence = request->sequence};

	if (request->operation == REKEY_DO_KEYS)
		answer.error = rekey_sa(rekey, &request->change, &answer.before);
	else
		answer.error =
			rekey_look(rekey, &request->change.destination, request->spis, request->spi_count);
	send_answer(&answer);
	OPENSSL_cleanse(&answer, sizeof answer);
}

static void begin_dump(struct server *s)
{
	const int rc = xfrm_dump(s->xfrm);

	if (rc)
		tell_error(s, SA_FACT_DUMP_END, rc);
	send_facts(s);
}

static void do_one(struct server *s, const struct rekey_request *request)
{
	if (!rekey_request_sound(request))
		return;
	if (request->operation == REKEY_DO_DUMP)
		begin_dump(s);
	else
		answer_one(s->rekey, request);
}

/* Until mappings are read again; 0: at once. */
static int wait_ms(const struct server *s)
{
	const uint64_t now = clock_now_ms();

	return s->mappings_at > now ? (int)(s->mappings_at - now) : 0;
}

static void read_mappings(struct server *s)
{
	xfrm_read_mappings(s->xfrm);
	s->mappings_at = clock_now_ms() + XFRM_MAPPINGS_MS;
	send_facts(s);
}

static void serve(struct server *s)
{
	struct pollfd fds[] = {{.fd = HELPER_FD, .events = POLLIN}, {.fd = FACTS_FD}, {.fd = -1}, {.fd = -1}};
	struct rekey_request request;

	for (;;) {
		fds[1].events = waiting(s) ? POLLOUT : 0;
		fds[2] = (struct pollfd){.fd = waiting(s) ? -1 : xfrm_fd(s->xfrm), .events = POLLIN};
		fds[3] = (struct pollfd){.fd = wait_ms(s) ? -1 : xfrm_mappings_fd(s->xfrm), .events = POLLIN};
		if (poll(fds, 4, wait_ms(s) ? wait_ms(s) : -1) <= 0)
			continue;
		if (fds[0].revents) {
			const bool there = helper_receive(HELPER_FD, &request, sizeof request);

			if (there)
				do_one(s, &request);
			OPENSSL_cleanse(&request, sizeof request);
			if (!there)
				return;
		} else if (fds[1].revents & POLLOUT) {
			send_facts(s);
		} else if (fds[2].revents) {
			watch(s);
		} else if (fds[3].revents) {
			read_mappings(s);
		} else if (fds[1].revents) {
			return; /* nobody is there to tell */
		}
	}
}

/* Start */

static int open_all(struct server *s)
{
	static const struct xfrm_handlers handlers = {.sa = on_sa,
						      .sa_gone = on_sa_gone,
						      .dump_begin = on_dump_begin,
						      .dump_end = on_dump_end,
						      .lost = on_lost,
						      .moved = on_moved};
	struct xfrm_options options = {.own_port = 0};
	const int bytes = FACTS_BUFFER;
	int rc = rekey_open(&s->rekey);

	setsockopt(FACTS_FD, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	if (rc)
		return rc;
	options.own_port = rekey_port(s->rekey);
	next_fact(s, SA_FACT_BEGAN);
	return xfrm_open(&s->xfrm, &options, &handlers, s);
}

void rekeyer_process(const void *ctx)
{
	struct rekey_answer ready = {.kind = REKEY_READY};
	struct server *server = calloc(1, sizeof *server);
	char missing[CONFINE_TEXT_MAX];

	(void)ctx;
	if (!server)
		_exit(1);
	ready.error = open_all(server);
	confine(CONFINE_XFRM, NULL, missing); /* the daemon, which lacks the same, says so */
	send_answer(&ready);
	if (!ready.error) {
		send_facts(server);
		serve(server);
	}
	xfrm_close(server->xfrm);
	rekey_close(server->rekey);
	free(server);
}

int rekeyer_tell_death(int fd, pid_t process)
{
	const struct rekey_answer death = {.kind = REKEY_DEATH};

	return process ? 0 : helper_send(fd, &death, sizeof death, -1, MSG_DONTWAIT);
}
