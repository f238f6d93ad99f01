/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: whatever a client sends, in whatever pieces, gets one well-formed answer or none, the handler sees only
 * operations that there are with arguments that end, and the next client is served. The first byte says where to cut. */
#include "shim/daemon/control.h"

#include <errno.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static char directory[] = "/tmp/natshim-fuzz-XXXXXX", path[64];

static void handle(void *ctx, enum control_operation operation, const char *argument,
		   struct control_reply *reply)
{
	(void)ctx;
	if (operation < CONTROL_STATUS || operation >= CONTROL_OPERATIONS ||
	    strlen(argument) > CONTROL_ARGUMENT_MAX)
		abort();
	reply->ok = operation != CONTROL_DROP;
	reply->text = operation == CONTROL_STOP ? NULL : strdup(argument);
}

static void clean_up(void)
{
	unlink(path);
	rmdir(directory);
}

static void begin(void)
{
	struct control_server *server;
	char error[CONTROL_ERROR_MAX];

	base = event_base_new();
	if (!base || !mkdtemp(directory))
		abort();
	snprintf(path, sizeof path, "%s/s", directory);
	if (control_listen(&server, base, path, NULL, handle, NULL, error))
		abort();
	atexit(clean_up);
}

static int connect_client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address))
		abort();
	return fd;
}

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Bytes of one answer, 0: none. */
static size_t read_answer(int fd)
{
	uint8_t answer[1024];
	const ssize_t got = recv(fd, answer, sizeof answer, 0);

	if (got <= 0)
		return 0;
	if (got < 8 || answer[0] != 1 || answer[1] > 1 ||
	    (size_t)got != 8 + ((size_t)answer[6] << 8 | answer[7]) || answer[4] || answer[5])
		abort();
	return (size_t)got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t good[] = {1, CONTROL_STATUS, 0, 2, 'o', 'k'};
	size_t cut;
	int fd;

	if (!base)
		begin();
	if (!size)
		return 0;
	cut = data[0] < size ? data[0] : size - 1;
	data++;
	size--;
	fd = connect_client();
	send(fd, data, cut, MSG_NOSIGNAL);
	turn();
	send(fd, data + cut, size - cut, MSG_NOSIGNAL);
	turn();
	read_answer(fd);
	close(fd);
	turn();
	fd = connect_client();
	send(fd, good, sizeof good, MSG_NOSIGNAL);
	turn();
	if (read_answer(fd) != 8 + 2)
		abort();
	close(fd);
	turn();
	return 0;
}
