/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Server over libevent's listener and one event a client (no buffer events: libevent 2.1.12 crashes when it gets no memory
 * for one), client over plain blocking calls. */
#include "shim/daemon/control.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define VERSION 1
#define REQUEST_HEADER 4
#define ANSWER_HEADER 8
#define PIECE 16384 /* bytes of an answer between two turns of other events */

struct control_server {
	struct event_base *base;
	struct evconnlistener *listener;
	char *path;
	control_handler *handler;
	void *ctx;
	struct client {
		struct control_server *server;
		bool taken;
		int fd;
		struct event event; /* readable until the request is whole, then writable */
		struct event
			deadline; /* for the whole request, then for the whole answer, however it dribbles */
		uint8_t request[REQUEST_HEADER + CONTROL_ARGUMENT_MAX];
		size_t received;
		uint8_t header[ANSWER_HEADER]; /* of the answer, sent before text */
		char *text;                    /* malloc'ed; NULL: not answered yet */
		struct control_reply reply;    /* job: it is being made */
		size_t length, sent;           /* of header and text together */
	} clients[CONTROL_CLIENTS_MAX];
	unsigned client_count;
};

static bool make_address(const char *path, struct sockaddr_un *out, char *error)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof out->sun_path) {
		snprintf(error, CONTROL_ERROR_MAX,
			 "%s: the path is longer than %zu bytes; choose another --socket", path,
			 sizeof out->sun_path - 1);
		return false;
	}
	memcpy(out->sun_path, path, strlen(path) + 1);
	return true;
}

/* Server */

static void drop_client(struct client *c)
{
	struct control_server *s = c->server;

	event_del(&c->event);
	event_del(&c->deadline);
	if (c->reply.job)
		c->reply.end(c->reply.job);
	close(c->fd);
	free(c->text);
	*c = (struct client){.taken = false};
	if (s->client_count-- == CONTROL_CLIENTS_MAX)
		evconnlistener_enable(s->listener);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	drop_client(ctx);
}

/* False: nothing more can be had of this client. */
static bool wait_for(struct client *c, short what, event_callback_fn then)
{
	static const struct timeval timeout = {.tv_sec = CONTROL_TIMEOUT_S};

	return !event_assign(&c->event, c->server->base, c->fd, (short)(what | EV_PERSIST), then, c) &&
	       !event_add(&c->event, NULL) && !event_add(&c->deadline, &timeout);
}

static bool would_wait(ssize_t rc)
{
	return rc < 0 && (errno == EAGAIN || errno == EINTR);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct client *c = ctx;
	const bool in_header = c->sent < ANSWER_HEADER;
	const void *from =
		in_header ? (const void *)(c->header + c->sent) : c->text + (c->sent - ANSWER_HEADER);
	const size_t left = (in_header ? ANSWER_HEADER : c->length) - c->sent;
	const size_t piece = left < PIECE ? left : PIECE;
	const ssize_t sent = send(fd, from, piece, MSG_NOSIGNAL | (in_header ? MSG_MORE : 0));

	(void)what;
	if (sent > 0)
		c->sent += (size_t)sent;
	if (c->sent == c->length || (sent < 0 && !would_wait(sent)))
		drop_client(c);
}

/* Takes over text, which may be NULL where there was no memory for it; length: as in struct control_reply. */
static void answer(struct client *c, bool ok, char *text, size_t length)
{

	c->text = text;
	length = length || !text ? length : strlen(text);
	c->length = ANSWER_HEADER + length;
	c->header[0] = VERSION;
	c->header[1] = !ok;
	for (size_t i = 0; i < 4; i++)
		c->header[4 + i] = (uint8_t)(length >> (24 - 8 * i));
	event_del(&c->event);
	if (!text || !wait_for(c, EV_WRITE, on_writable))
		drop_client(c);
}

/* A turn of the event loop for each piece. */
static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	static const struct timeval now = {.tv_sec = 0};
	struct client *c = ctx;
	struct control_reply *r = &c->reply;

	(void)fd;
	(void)what;
	if (r->more(r->job, r)) {
		if (event_add(&c->event, &now))
			drop_client(c);
		return;
	}
	r->end(r->job);
	r->job = NULL;
	answer(c, r->ok, r->text, r->length);
}

/* The client is not listened to meanwhile, and cannot hold it up: whether it has gone is seen when it is answered. */
static void begin_job(struct client *c)
{
	event_del(&c->event);
	event_del(&c->deadline);
	if (evtimer_assign(&c->event, c->server->base, on_turn, c))
		drop_client(c);
	else
		on_turn(-1, 0, c);
}

static void on_request(struct client *c)
{
	char argument[CONTROL_ARGUMENT_MAX + 1] = "";
	const uint8_t *header = c->request;
	size_t length;

	if (c->received < REQUEST_HEADER)
		return;
	length = (size_t)header[2] << 8 | header[3];
	if (header[0] != VERSION || !header[1] || header[1] >= CONTROL_OPERATIONS ||
	    length > CONTROL_ARGUMENT_MAX) {
		answer(c, false, strdup("not a request of this version of natshim"), 0);
		return;
	}
	if (c->received < REQUEST_HEADER + length)
		return;
	memcpy(argument, c->request + REQUEST_HEADER, length);
	c->server->handler(c->server->ctx, header[1], argument, &c->reply);
	if (c->reply.job)
		begin_job(c);
	else
		answer(c, c->reply.ok, c->reply.text, c->reply.length);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct client *c = ctx;
	const ssize_t got = recv(fd, c->request + c->received, sizeof c->request - c->received, 0);

	(void)what;
	if (would_wait(got))
		return;
	if (got <= 0) {
		drop_client(c);
		return;
	}
	c->received += (size_t)got;
	on_request(c);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
			  int length, void *ctx)
{
	struct control_server *s = ctx;
	struct client *c = s->clients;

	(void)address;
	(void)length;
	while (c->taken)
		c++; /* one is free: the listener sleeps otherwise */
	*c = (struct client){.server = s, .taken = true, .fd = fd};
	evtimer_assign(&c->deadline, s->base, on_deadline, c);
	if (++s->client_count == CONTROL_CLIENTS_MAX)
		evconnlistener_disable(listener);
	if (!wait_for(c, EV_READ, on_readable))
		drop_client(c);
}

static bool somebody_answers(const struct sockaddr_un *address)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answers;

	if (fd < 0)
		return false;
	answers = !connect(fd, (const struct sockaddr *)address, sizeof *address) || errno == EAGAIN;
	close(fd);
	return answers;
}

static int set_group(const char *path, const char *group, char *error)
{
	const struct group *g;

	if (!group)
		return 0;
	g = getgrnam(group);
	if (!g) {
		snprintf(error, CONTROL_ERROR_MAX, "--socket-group %s: no such group", group);
		return -ENOENT;
	}
	if (chown(path, (uid_t)-1, g->gr_gid)) {
		const int rc = -errno;

		snprintf(error, CONTROL_ERROR_MAX, "%s: cannot be given to group %s: %s", path, group,
			 strerror(-rc));
		return rc;
	}
	return 0;
}

static int bind_socket(const char *path, char *error)
{
	struct sockaddr_un address;
	mode_t mask;
	int fd, rc;

	if (!make_address(path, &address, error))
		return -ENAMETOOLONG;
	if (somebody_answers(&address)) {
		snprintf(error, CONTROL_ERROR_MAX,
			 "%s: another natshim runs and answers there; stop it, or choose another "
			 "--state-dir and --queue-num",
			 path);
		return -EADDRINUSE;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	mask = umask(0117);
	rc = bind(fd, (const struct sockaddr *)&address, sizeof address) ? -errno : 0;
	umask(mask);
	if (rc) {
		snprintf(error, CONTROL_ERROR_MAX, "%s: cannot listen there: %s", path, strerror(-rc));
		close(fd);
		return rc;
	}
	return fd;
}

int control_listen(struct control_server **out, struct event_base *base, const char *path, const char *group,
		   control_handler *handler, void *ctx, char error[static CONTROL_ERROR_MAX])
{
	struct control_server *s;
	int rc, fd;

	snprintf(error, CONTROL_ERROR_MAX, "%s: cannot listen there", path);
	fd = bind_socket(path, error);
	if (fd < 0)
		return fd;
	rc = set_group(path, group, error);
	if (rc)
		goto fail;
	rc = -ENOMEM;
	s = calloc(1, sizeof *s);
	if (!s)
		goto fail;
	s->base = base;
	s->handler = handler;
	s->ctx = ctx;
	s->path = strdup(path);
	s->listener =
		evconnlistener_new(base, on_connection, s, LEV_OPT_CLOSE_ON_FREE, CONTROL_CLIENTS_MAX, fd);
	if (!s->path || !s->listener) {
		free(s->path);
		free(s);
		goto fail;
	}
	*out = s;
	return 0;
fail:
	close(fd);
	unlink(path);
	return rc;
}

void control_close(struct control_server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (server->clients[i].taken)
			drop_client(&server->clients[i]);
	evconnlistener_free(server->listener);
	unlink(server->path);
	free(server->path);
	free(server);
}

/* Client */

static int send_all(int fd, const uint8_t *data, size_t length)
{
	while (length) {
		const ssize_t n = send(fd, data, length, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

static int receive_all(int fd, void *data, size_t length)
{
	uint8_t *at = data;

	while (length) {
		const ssize_t n = recv(fd, at, length, 0);

		if (n < 0)
			return -errno;
		if (!n)
			return -ECONNRESET;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

static int exchange(int fd, enum control_operation operation, const char *argument, char **text, bool *ok)
{
	const size_t length = strlen(argument);
	uint8_t request[REQUEST_HEADER + CONTROL_ARGUMENT_MAX] = {VERSION, (uint8_t)operation,
								  (uint8_t)(length >> 8), (uint8_t)length};
	uint8_t header[ANSWER_HEADER];
	size_t size;
	int rc;

	if (length > CONTROL_ARGUMENT_MAX)
		return -E2BIG;
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): its length goes ahead of it */
	memcpy(request + REQUEST_HEADER, argument, length);
	rc = send_all(fd, request, REQUEST_HEADER + length);
	if (!rc)
		rc = receive_all(fd, header, sizeof header);
	if (rc)
		return rc;
	if (header[0] != VERSION)
		return -EPROTO;
	*ok = !header[1];
	size = (size_t)header[4] << 24 | (size_t)header[5] << 16 | (size_t)header[6] << 8 | header[7];
	*text = malloc(size + 1);
	if (!*text)
		return -ENOMEM;
	(*text)[size] = '\0';
	rc = receive_all(fd, *text, size);
	if (rc) {
		free(*text);
		*text = NULL;
	}
	return rc;
}

int control_ask(const char *path, enum control_operation operation, const char *argument, char **text,
		char error[static CONTROL_ERROR_MAX])
{
	static const struct timeval timeout = {.tv_sec = 2L * CONTROL_TIMEOUT_S};
	struct sockaddr_un address;
	bool ok = false;
	int fd, rc;

	*text = NULL;
	if (!make_address(path, &address, error))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	rc = connect(fd, (const struct sockaddr *)&address, sizeof address) ? -errno : 0;
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		snprintf(error, CONTROL_ERROR_MAX, "no natshim runs here (no answer at %s)", path);
	else if (rc)
		snprintf(error, CONTROL_ERROR_MAX, "%s: %s", path, strerror(-rc));
	if (!rc) {
		rc = exchange(fd, operation, argument, text, &ok);
		if (rc)
			snprintf(error, CONTROL_ERROR_MAX, "%s: no answer: %s", path, strerror(-rc));
	}
	close(fd);
	if (!rc && !ok) {
		snprintf(error, CONTROL_ERROR_MAX, "%s", *text);
		free(*text);
		*text = NULL;
		rc = -EREMOTEIO;
	}
	return rc;
}
