/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capture files for the offline commands, through libpcap: pcap and pcapng in, pcap out with the link type,
 * snapshot length and time-stamp precision of the input. Finds the IP packet behind Ethernet (with VLAN
 * tags), raw IP, Linux cooked (versions 1 and 2) and BSD loopback headers; the frame around it is kept as it
 * is. */
#ifndef NATSHIM_NFQ_PCAP_H
#define NATSHIM_NFQ_PCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#define CAPTURE_ERROR_MAX 512

struct capture_reader;
struct capture_writer;

struct capture_packet {
	uint64_t number; /* 1 is the file's first */
	uint64_t time_ms;
	struct timeval stamp; /* as in the file; tv_usec holds nanoseconds where the file does */
	uint8_t *frame; /* with its link-layer header; the reader's, may be changed in place, valid until the
			   next */
	size_t frame_length; /* bytes in the file */
	size_t wire_length;  /* bytes there were; more than frame_length when the capture cut the packet */
	uint8_t *ip;         /* in the frame; NULL: no IP packet */
	size_t ip_length;    /* bytes from there to the frame's end, padding included */
};

/* "-" is standard input. NULL: error says why (it names the file). */
struct capture_reader *capture_open(const char *path, char error[static CAPTURE_ERROR_MAX]);
void capture_close(struct capture_reader *reader);

enum capture_status { CAPTURE_PACKET, CAPTURE_END, CAPTURE_BROKEN };

/* CAPTURE_BROKEN: the rest of the file cannot be read, and error says why (it names file and packet). */
enum capture_status capture_next(struct capture_reader *reader, struct capture_packet *out,
				 char error[static CAPTURE_ERROR_MAX]);

/* "-" is standard output. A regular file appears under its name only in capture_finish(). Refuses to
 * overwrite the file that is being read. The reader must outlive the writer. */
struct capture_writer *capture_create(const char *path, const struct capture_reader *like,
				      char error[static CAPTURE_ERROR_MAX]);
void capture_write(struct capture_writer *writer, const struct capture_packet *packet);
/* Closes and frees the writer, also when it fails: then nothing was put in the place of an older file. */
bool capture_finish(struct capture_writer *writer, char error[static CAPTURE_ERROR_MAX]);

#endif
