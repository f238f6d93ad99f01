/* Server over libevent's listener and buffer events, client over plain blocking calls. */
#include "shim/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
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

struct control_server {
	struct event_base *base;
	struct evconnlistener *listener;
	char *path;
	control_handler *handler;
	void *ctx;
	struct client {
		struct control_server *server;
		struct bufferevent *stream; /* NULL: free */
		bool answered;
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

	bufferevent_free(c->stream);
	c->stream = NULL;
	if (s->client_count-- == CONTROL_CLIENTS_MAX)
		evconnlistener_enable(s->listener);
}

static void answer(struct client *c, bool ok, const char *text)
{
	const size_t length = strlen(text);
	const uint8_t header[ANSWER_HEADER] = {VERSION,
					       !ok,
					       0,
					       0,
					       (uint8_t)(length >> 24),
					       (uint8_t)(length >> 16),
					       (uint8_t)(length >> 8),
					       (uint8_t)length};

	c->answered = true;
	bufferevent_disable(c->stream, EV_READ);
	bufferevent_write(c->stream, header, sizeof header);
	bufferevent_write(c->stream, text, length);
}

static void on_readable(struct bufferevent *stream, void *ctx)
{
	struct client *c = ctx;
	struct evbuffer *in = bufferevent_get_input(stream);
	char argument[CONTROL_ARGUMENT_MAX + 1] = "";
	uint8_t header[REQUEST_HEADER];
	struct control_reply reply = {.ok = false};
	size_t length;

	if (c->answered || evbuffer_copyout(in, header, sizeof header) < REQUEST_HEADER)
		return;
	length = (size_t)header[2] << 8 | header[3];
	if (header[0] != VERSION || !header[1] || header[1] >= CONTROL_OPERATIONS ||
	    length > CONTROL_ARGUMENT_MAX) {
		answer(c, false, "not a request of this version of natshim");
		return;
	}
	if (evbuffer_get_length(in) < REQUEST_HEADER + length)
		return;
	evbuffer_drain(in, REQUEST_HEADER);
	evbuffer_remove(in, argument, length);
	c->server->handler(c->server->ctx, header[1], argument, &reply);
	answer(c, reply.ok, reply.text ? reply.text : "out of memory");
	free(reply.text);
}

static void on_written(struct bufferevent *stream, void *ctx)
{
	struct client *c = ctx;

	if (c->answered && !evbuffer_get_length(bufferevent_get_output(stream)))
		drop_client(c);
}

/* The peer is gone, was too slow, or sent nothing. */
static void on_end(struct bufferevent *stream, short what, void *ctx)
{
	(void)stream;
	(void)what;
	drop_client(ctx);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
			  int length, void *ctx)
{
	static const struct timeval timeout = {.tv_sec = CONTROL_TIMEOUT_S};
	struct control_server *s = ctx;
	struct client *c = s->clients;

	(void)address;
	(void)length;
	while (c->stream)
		c++; /* one is free: the listener sleeps otherwise */
	c->stream = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->stream) {
		close(fd);
		return;
	}
	c->server = s;
	c->answered = false;
	if (++s->client_count == CONTROL_CLIENTS_MAX)
		evconnlistener_disable(listener);
	bufferevent_setcb(c->stream, on_readable, on_written, on_end, c);
	bufferevent_setwatermark(c->stream, EV_READ, 0, REQUEST_HEADER + CONTROL_ARGUMENT_MAX);
	bufferevent_set_timeouts(c->stream, &timeout, &timeout);
	bufferevent_enable(c->stream, EV_READ | EV_WRITE);
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
		if (server->clients[i].stream)
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
	static const struct timeval timeout = {.tv_sec = 2 * CONTROL_TIMEOUT_S};
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
		snprintf(error, CONTROL_ERROR_MAX, "no natshim runs here (nobody answers at %s)", path);
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
