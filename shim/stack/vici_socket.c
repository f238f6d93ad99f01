/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transport of VICI: a UNIX stream socket, each packet behind its length (4 bytes, network order). */
#include "shim/stack/vici_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int try_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, rc = 0;

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof address))
		rc = -errno;
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

int vici_connect(const char *asked, unsigned timeout_ms, char *text, size_t size)
{
	static const char *const usual[] = {"/run/charon.vici", "/var/run/charon.vici"};
	const struct timeval limit = {.tv_sec = timeout_ms / 1000,
				      .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
	const char *path = asked ? asked : usual[0];
	int fd = try_connect(path);

	if (fd == -ENOENT && !asked)
		fd = try_connect(path = usual[1]);
	if (fd < 0) {
		snprintf(text, size, "vici: %s: %s", path, strerror(-fd));
		return fd;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	return fd;
}

static int read_all(int fd, void *out, size_t length)
{
	for (size_t got = 0; got < length;) {
		const ssize_t n = read(fd, (uint8_t *)out + got, length - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n == 0)
			return -ECONNRESET;
		got += (size_t)n;
	}
	return 0;
}

int vici_send(int fd, const struct vici_writer *w)
{
	const uint32_t n = (uint32_t)w->length;
	uint8_t frame[4 + 512] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

	if (w->overflow || n > sizeof frame - 4)
		return -EMSGSIZE;
	memcpy(frame + 4, w->bytes, n);
	const ssize_t sent = send(fd, frame, n + 4, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return sent == 4 + (ssize_t)n ? 0 : -EIO;
}

int vici_receive(int fd, uint8_t *packet, size_t *length)
{
	uint8_t header[4];
	int rc = read_all(fd, header, sizeof header);

	if (rc)
		return rc;
	*length = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
	if (*length > VICI_PACKET_MAX)
		return -EMSGSIZE;
	return read_all(fd, packet, *length);
}
