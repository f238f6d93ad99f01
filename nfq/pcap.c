/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capture files. libpcap knows the file formats; here are the link-layer headers and the care for the output
 * file. */
#include "nfq/pcap.h"

#include "nfq/libpcap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SHOWN 384 /* bytes of a path in a message: the reason must fit in too */

struct capture_reader {
	char name[NAME_SHOWN]; /* for messages */
	const struct libpcap *lib;
	pcap_t *pcap;
	const struct link_type *link;
	uint64_t packets;
	dev_t device; /* of the file */
	ino_t inode;
	uint8_t *frame;
};

struct capture_writer {
	char name[NAME_SHOWN]; /* for messages */
	const struct libpcap *lib;
	char path[PATH_MAX];      /* where the finished file goes; empty: it is there already */
	char temporary[PATH_MAX]; /* where it is meanwhile */
	pcap_dumper_t *dumper;
};

static void say(char error[static CAPTURE_ERROR_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(char error[static CAPTURE_ERROR_MAX], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	// NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is started
	vsnprintf(error, CAPTURE_ERROR_MAX, format, arguments);
	va_end(arguments);
}

/* Link layer */

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_QINQ_OLD = 0x9100,
	VLAN_TAG = 4, /* bytes */
};

struct link_type {
	int dlt;
	size_t header; /* bytes */
	bool (*is_ip)(const struct link_type *link, const uint8_t *frame, size_t length, size_t *ip_at);
	size_t type_at; /* offset of the EtherType */
};

static unsigned get_be16(const uint8_t *at)
{
	return (unsigned)(at[0] << 8 | at[1]);
}

static bool ip_by_ethertype(const struct link_type *link, const uint8_t *frame, size_t length, size_t *ip_at)
{
	unsigned type = get_be16(frame + link->type_at);

	*ip_at = link->header;
	while (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ || type == ETHERTYPE_QINQ_OLD) {
		if (length - *ip_at < VLAN_TAG)
			return false;
		type = get_be16(frame + *ip_at + 2);
		*ip_at += VLAN_TAG;
	}
	return type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6;
}

/* An address family in the byte order and with the numbers of the system that captured: 2 is IPv4 on all of
 * them, IPv6 is 10 on Linux, 24, 28 or 30 on the BSDs and Darwin. */
static bool ip_by_family(const struct link_type *link, const uint8_t *frame, size_t length, size_t *ip_at)
{
	static const uint8_t families[] = {2, 10, 24, 28, 30};
	const bool little = frame[0] != 0;
	const uint8_t family = little ? frame[0] : frame[3], far_end = little ? frame[3] : frame[0];

	(void)length;
	*ip_at = link->header;
	if (frame[1] || frame[2] || far_end)
		return false;
	return memchr(families, family, sizeof families) != NULL;
}

static bool ip_always(const struct link_type *link, const uint8_t *frame, size_t length, size_t *ip_at)
{
	(void)frame;
	(void)length;
	*ip_at = link->header;
	return true;
}

static const struct link_type link_types[] = {
	{DLT_EN10MB, 14, ip_by_ethertype, 12},
	{DLT_LINUX_SLL, 16, ip_by_ethertype, 14},
	{DLT_LINUX_SLL2, 20, ip_by_ethertype, 0},
	{DLT_NULL, 4, ip_by_family, 0},
	{DLT_LOOP, 4, ip_by_family, 0},
	{DLT_RAW, 0, ip_always, 0},
	{DLT_IPV4, 0, ip_always, 0},
	{DLT_IPV6, 0, ip_always, 0},
};

static const struct link_type *find_link_type(int dlt)
{
	for (size_t i = 0; i < sizeof link_types / sizeof *link_types; i++)
		if (link_types[i].dlt == dlt)
			return &link_types[i];
	return NULL;
}

static void find_ip(const struct capture_reader *reader, struct capture_packet *packet)
{
	const struct link_type *link = reader->link;
	size_t at;

	if (packet->frame_length < link->header ||
	    !link->is_ip(link, packet->frame, packet->frame_length, &at))
		return;
	if (at == packet->frame_length)
		return;
	packet->ip = packet->frame + at;
	packet->ip_length = packet->frame_length - at;
}

/* Reading */

/* libpcap scales time stamps to what it is asked for, but does not tell what the file has: look at its first
 * bytes. */
static unsigned stamp_precision(FILE *file)
{
	static const uint8_t nanosecond_magics[][4] = {
		{0xa1, 0xb2, 0x3c, 0x4d},
		{0x4d, 0x3c, 0xb2, 0xa1},
		{0x0a, 0x0d, 0x0d, 0x0a}, /* pcapng: each interface has its own; keep what there may be */
	};
	uint8_t magic[4];
	const size_t got = fread(magic, 1, sizeof magic, file);

	for (size_t i = ferror(file) ? 0 : got; i > 0; i--)
		ungetc(magic[i - 1], file);
	for (size_t i = 0; got == sizeof magic && i < sizeof nanosecond_magics / sizeof *nanosecond_magics;
	     i++)
		if (!memcmp(magic, nanosecond_magics[i], sizeof magic))
			return PCAP_TSTAMP_PRECISION_NANO;
	return PCAP_TSTAMP_PRECISION_MICRO;
}

static bool open_file(struct capture_reader *reader, const char *path, char error[static CAPTURE_ERROR_MAX])
{
	const bool standard = !strcmp(path, "-");
	FILE *file = standard ? stdin : fopen(path, "rbe");
	char reason[PCAP_ERRBUF_SIZE];
	struct stat info;

	snprintf(reader->name, sizeof reader->name, "%s", standard ? "standard input" : path);
	if (!file) {
		say(error, "%s: %s", reader->name, strerror(errno));
		return false;
	}
	if (fstat(fileno(file), &info) == 0) {
		reader->device = info.st_dev;
		reader->inode = info.st_ino;
	}
	reader->pcap = reader->lib->fopen_offline(file, stamp_precision(file), reason);
	if (!reader->pcap) {
		say(error, "%s: %s", reader->name, reason);
		if (!standard)
			fclose(file);
		return false;
	}
	return true;
}

struct capture_reader *capture_open(const char *path, char error[static CAPTURE_ERROR_MAX])
{
	struct capture_reader *reader = calloc(1, sizeof *reader);

	say(error, "%s: %s", path, strerror(ENOMEM));
	if (!reader)
		return NULL;
	reader->lib = libpcap_load(error);
	if (!reader->lib || !open_file(reader, path, error))
		goto fail;
	const int dlt = reader->lib->datalink(reader->pcap);
	const char *name = reader->lib->datalink_name(dlt);

	reader->link = find_link_type(dlt);
	if (reader->link)
		return reader;
	say(error, "%s: link type %s (%d) is not supported", reader->name, name ? name : "unknown", dlt);
fail:
	capture_close(reader);
	return NULL;
}

void capture_close(struct capture_reader *reader)
{
	if (!reader)
		return;
	if (reader->pcap)
		reader->lib->close(reader->pcap);
	free(reader->frame);
	free(reader);
}

/* Memory of just that size each time: whoever reads past a frame's end is found out by a sanitizer. */
static bool keep_frame(struct capture_reader *reader, const u_char *frame, size_t length)
{
	uint8_t *kept = malloc(length ? length : 1);

	if (!kept)
		return false;
	memcpy(kept, frame, length);
	free(reader->frame);
	reader->frame = kept;
	return true;
}

static uint64_t stamp_ms(const struct capture_reader *reader, const struct timeval *stamp)
{
	const bool nano = reader->lib->get_precision(reader->pcap) == PCAP_TSTAMP_PRECISION_NANO;

	return (uint64_t)stamp->tv_sec * 1000 + (uint64_t)stamp->tv_usec / (nano ? 1000000 : 1000);
}

enum capture_status capture_next(struct capture_reader *reader, struct capture_packet *out,
				 char error[static CAPTURE_ERROR_MAX])
{
	struct pcap_pkthdr *header;
	const u_char *frame;
	const int got = reader->lib->next_ex(reader->pcap, &header, &frame);

	if (got == PCAP_ERROR_BREAK)
		return CAPTURE_END;
	reader->packets++;
	if (got != 1 || !keep_frame(reader, frame, header->caplen)) {
		say(error, "%s: packet %llu: %s", reader->name, (unsigned long long)reader->packets,
		    got != 1 ? reader->lib->geterr(reader->pcap) : strerror(ENOMEM));
		return CAPTURE_BROKEN;
	}
	*out = (struct capture_packet){
		.number = reader->packets,
		.time_ms = stamp_ms(reader, &header->ts),
		.stamp = header->ts,
		.frame = reader->frame,
		.frame_length = header->caplen,
		.wire_length = header->len,
	};
	find_ip(reader, out);
	return CAPTURE_PACKET;
}

/* Writing */

/* Where the output goes: beside the file that it will replace, or into what is no regular file itself. */
static FILE *open_output(struct capture_writer *writer, const struct capture_reader *reader, const char *path)
{
	const mode_t mask = umask(0);
	struct stat info = {.st_mode = S_IFREG | (0666 & ~mask)};
	const bool exists = stat(path, &info) == 0;

	umask(mask);
	if (exists && info.st_dev == reader->device && info.st_ino == reader->inode) {
		errno = EEXIST;
		return NULL;
	}
	if (!S_ISREG(info.st_mode))
		return fopen(path, "wbe");
	if (exists && !realpath(path, writer->path))
		return NULL;
	if (!exists)
		snprintf(writer->path, sizeof writer->path, "%s", path);
	if (snprintf(writer->temporary, PATH_MAX, "%s.XXXXXX", exists ? writer->path : path) >= PATH_MAX) {
		writer->temporary[0] = '\0';
		errno = ENAMETOOLONG;
		return NULL;
	}
	const int fd = mkostemp(writer->temporary, O_CLOEXEC);

	if (fd < 0) {
		writer->temporary[0] = '\0';
		return NULL;
	}
	fchmod(fd, info.st_mode & 07777);
	return fdopen(fd, "wb");
}

static void remove_temporary(const struct capture_writer *writer)
{
	if (writer->temporary[0])
		unlink(writer->temporary);
}

struct capture_writer *capture_create(const char *path, const struct capture_reader *like,
				      char error[static CAPTURE_ERROR_MAX])
{
	const bool standard = !strcmp(path, "-");
	struct capture_writer *writer = calloc(1, sizeof *writer);
	FILE *file = NULL;

	say(error, "%s: %s", path, strerror(ENOMEM));
	if (!writer)
		return NULL;
	writer->lib = like->lib;
	snprintf(writer->name, sizeof writer->name, "%s", standard ? "standard output" : path);
	file = standard ? stdout : open_output(writer, like, path);
	if (!file) {
		say(error, "%s: %s", writer->name,
		    errno == EEXIST ? "is the file that is being read" : strerror(errno));
		goto fail;
	}
	writer->dumper = like->lib->dump_fopen(like->pcap, file);
	if (writer->dumper)
		return writer;
	say(error, "%s: %s", writer->name, like->lib->geterr(like->pcap));
	if (!standard)
		fclose(file);
fail:
	remove_temporary(writer);
	free(writer);
	return NULL;
}

void capture_write(struct capture_writer *writer, const struct capture_packet *packet)
{
	const struct pcap_pkthdr header = {.ts = packet->stamp,
					   .caplen = (bpf_u_int32)packet->frame_length,
					   .len = (bpf_u_int32)packet->wire_length};

	writer->lib->dump((u_char *)writer->dumper, &header, packet->frame);
}

bool capture_finish(struct capture_writer *writer, char error[static CAPTURE_ERROR_MAX])
{
	bool ok = writer->lib->dump_flush(writer->dumper) == 0 &&
		  !ferror(writer->lib->dump_file(writer->dumper));

	if (!ok)
		say(error, "%s: %s", writer->name, strerror(errno));
	writer->lib->dump_close(writer->dumper);
	if (ok && writer->path[0] && rename(writer->temporary, writer->path) < 0) {
		say(error, "%s: %s", writer->name, strerror(errno));
		ok = false;
	}
	if (!ok)
		remove_temporary(writer);
	free(writer);
	return ok;
}
