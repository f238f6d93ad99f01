/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nfq/pcap: any bytes as a capture file, read to its end or its first fault and written again. */
#include "nfq/pcap.h"
#include "nfq/packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void copy(const char *path)
{
	char error[CAPTURE_ERROR_MAX] = "";
	struct capture_reader *reader = capture_open(path, error);
	struct capture_writer *writer;
	struct capture_packet packet;
	struct packet_udp udp;
	uint8_t *message;
	size_t length;

	if (!reader) {
		if (!*error)
			abort();
		return;
	}
	writer = capture_create("/dev/null", reader, error);
	if (!writer)
		abort();
	while (capture_next(reader, &packet, error) == CAPTURE_PACKET) {
		if (packet.ip && packet_parse_udp(packet.ip, packet.ip_length, &udp) == PACKET_UDP)
			packet_ike_message(&udp, &message, &length);
		capture_write(writer, &packet);
	}
	capture_finish(writer, error);
	capture_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int fd = memfd_create("capture", MFD_CLOEXEC);
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	copy(path);
	close(fd);
	return 0;
}
