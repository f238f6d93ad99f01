/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nfq/pcap: where the IP packet begins behind each link layer, with the frame cut at every length; byte orders, resolutions and
 * pcapng, cut at every length too; what is written, and what cannot be. The whole command is tests/net/test_rewrite's. */
#include "nfq/pcap.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { FRAME_MAX = 128 };

struct file {
	int fd;
	char path[64];
};

static struct file make_file(void)
{
	struct file file = {.fd = memfd_create("capture", 0)};

	assert_true(file.fd >= 0);
	snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
	return file;
}

static void put(const struct file *file, const void *data, size_t length)
{
	assert_int_equal(write(file->fd, data, length), length);
}

static void put_header(const struct file *file, uint32_t link)
{
	const uint32_t header[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, link};

	put(file, header, sizeof header);
}

/* The same file as a machine of the other byte order writes it, or with nanoseconds. */
static uint32_t in_order(uint32_t value, bool swapped)
{
	return swapped ? __builtin_bswap32(value) : value;
}

static void put_variant(const struct file *file, bool swapped, bool nano)
{
	const uint32_t words[] = {nano ? 0xa1b23c4d : 0xa1b2c3d4, 0, 0, 0, 65535, 101, 1700000000,
				  nano ? 250000001 : 250000,      5, 9};
	const uint16_t version[2] = {2, 4};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		const uint32_t word = in_order(words[i], swapped);

		if (i == 1)
			put(file,
			    (const uint16_t[]){swapped ? 0x0200 : version[0], swapped ? 0x0400 : version[1]},
			    4);
		else
			put(file, &word, sizeof word);
	}
	put(file, "EEEEE", 5);
}

static void put_frame(const struct file *file, const uint8_t *frame, uint32_t length)
{
	const uint32_t header[4] = {1700000000, 250000, length, length};

	put(file, header, sizeof header);
	put(file, frame, length);
}

static const struct link_case {
	uint32_t link; /* LINKTYPE_ number */
	const char *header;
	int length; /* bytes of the header; below zero: what follows is no IP */
} cases[] = {
	{1, "\1\2\3\4\5\6\1\2\3\4\5\6\x08\x00", 14},
	{1, "\1\2\3\4\5\6\1\2\3\4\5\6\x86\xdd", 14},
	{1, "\1\2\3\4\5\6\1\2\3\4\5\6\x08\x06", -14},                                /* ARP */
	{1, "\1\2\3\4\5\6\1\2\3\4\5\6\x81\x00\x00\x05\x08\x00", 18},                 /* VLAN */
	{1, "\1\2\3\4\5\6\1\2\3\4\5\6\x88\xa8\x00\x05\x81\x00\x00\x05\x08\x00", 22}, /* 802.1ad */
	{1, "\1\2\3\4\5\6\1\2\3\4\5\6\x91\x00\x00\x05\x81\x00\x00\x05\x08\x06", -22},
	{101, "", 0},
	{228, "", 0},
	{229, "", 0},
	{113, "\0\4\0\1\0\6\1\2\3\4\5\6\0\0\x08\x00", 16},
	{113, "\0\4\0\1\0\6\1\2\3\4\5\6\0\0\x81\x00\x00\x05\x86\xdd", 20},
	{113, "\0\4\0\1\0\6\1\2\3\4\5\6\0\0\x00\x04", -16},
	{276, "\x08\x00\0\0\0\0\0\2\0\1\4\6\1\2\3\4\5\6\0\0", 20},
	{276, "\x08\x06\0\0\0\0\0\2\0\1\4\6\1\2\3\4\5\6\0\0", -20},
	{0, "\2\0\0\0", 4},
	{0, "\0\0\0\2", 4},
	{0, "\x0a\0\0\0", 4},
	{0, "\x1e\0\0\0", 4},
	{0, "\7\0\0\0", -4},
	{0, "\2\0\0\2", -4},
	{0, "\2\1\0\0", -4},
	{108, "\0\0\0\x18", 4},
};

static void finds_ip(void **state)
{
	static const char packet[] = "EEEE behind its header";

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct link_case *c = &cases[i];
		const size_t header = (size_t)abs(c->length), whole = header + sizeof packet;
		const struct file file = make_file();
		uint8_t frame[FRAME_MAX];
		char error[CAPTURE_ERROR_MAX];
		struct capture_packet got;

		memcpy(frame, c->header, header);
		memcpy(frame + header, packet, sizeof packet);
		put_header(&file, c->link);
		for (size_t length = 0; length <= whole; length++)
			put_frame(&file, frame, (uint32_t)length);
		struct capture_reader *reader = capture_open(file.path, error);

		assert_non_null(reader);
		for (size_t length = 0; length <= whole; length++) {
			assert_int_equal(capture_next(reader, &got, error), CAPTURE_PACKET);
			assert_int_equal(got.number, length + 1);
			assert_int_equal(got.time_ms, 1700000000250);
			assert_int_equal(got.frame_length, length);
			if (c->length < 0 || length <= header) {
				assert_null(got.ip);
				continue;
			}
			assert_ptr_equal(got.ip, got.frame + header);
			assert_int_equal(got.ip_length, length - header);
		}
		assert_int_equal(capture_next(reader, &got, error), CAPTURE_END);
		capture_close(reader);
		close(file.fd);
	}
}

static void names_what_it_does_not_know(void **state)
{
	const struct file file = make_file();
	char error[CAPTURE_ERROR_MAX];

	(void)state;
	put_header(&file, 105); /* 802.11 */
	assert_null(capture_open(file.path, error));
	assert_non_null(strstr(error, "link type IEEE802_11 (105) is not supported"));
	close(file.fd);
	assert_null(capture_open("/nonexistent", error));
	assert_string_equal(error, "/nonexistent: No such file or directory");
	capture_close(NULL);
}

static void names_the_broken_packet(void **state)
{
	const struct file file = make_file();
	char error[CAPTURE_ERROR_MAX] = "";
	struct capture_packet got;

	(void)state;
	put_header(&file, 101);
	put_frame(&file, (const uint8_t *)"one", 3);
	put(&file, "cut", 3);
	struct capture_reader *reader = capture_open(file.path, error);

	assert_int_equal(capture_next(reader, &got, error), CAPTURE_PACKET);
	assert_int_equal(capture_next(reader, &got, error), CAPTURE_BROKEN);
	assert_non_null(strstr(error, ": packet 2: "));
	capture_close(reader);
	close(file.fd);
}

static void byte_orders_and_resolutions(void **state)
{
	(void)state;
	for (int variant = 0; variant < 4; variant++) {
		const struct file file = make_file();
		char error[CAPTURE_ERROR_MAX];
		struct capture_packet got;

		put_variant(&file, variant & 1, variant & 2);
		struct capture_reader *reader = capture_open(file.path, error);

		assert_non_null(reader);
		assert_int_equal(capture_next(reader, &got, error), CAPTURE_PACKET);
		assert_int_equal(got.time_ms, 1700000000250);
		assert_int_equal(got.stamp.tv_usec, variant & 2 ? 250000001 : 250000);
		assert_int_equal(got.frame_length, 5);
		assert_int_equal(got.wire_length, 9);
		assert_int_equal(capture_next(reader, &got, error), CAPTURE_END);
		capture_close(reader);
		close(file.fd);
	}
}

/* A section, an interface (raw IP, nanoseconds) and one packet. */
static const uint32_t
	pcapng
		[] =
			{
				0x0a0d0d0a, 28, 0x1a2b3c4d, 0x00000001, 0xffffffff,
				0xffffffff, 28, /* section header */
				1,          32, 101,        65535,      0x00010009,
				9,          0,  32, /* interface description: if_tsresol 9 */
				6,          40, 0,          0x1797ac40, 0x00000001,
				5,          5,  0x45454545, 0x45,       40, /* enhanced packet */
};

static void reads_pcapng(void **state)
{
	const struct file file = make_file();
	char error[CAPTURE_ERROR_MAX];
	struct capture_packet got;

	(void)state;
	put(&file, pcapng, sizeof pcapng);
	struct capture_reader *reader = capture_open(file.path, error);

	assert_non_null(reader);
	assert_int_equal(capture_next(reader, &got, error), CAPTURE_PACKET);
	assert_int_equal(got.time_ms, ((uint64_t)0x1797ac40 << 32 | 1) / 1000000);
	assert_int_equal(got.ip_length, 5);
	assert_memory_equal(got.ip, "EEEEE", 5);
	assert_int_equal(capture_next(reader, &got, error), CAPTURE_END);
	capture_close(reader);
	close(file.fd);
}

/* It opens or not, the packet is there or not: but never more than the file holds, and what is wrong is named. */
static void cut(const void *data, size_t size)
{
	for (size_t length = 0; length < size; length++) {
		const struct file file = make_file();
		char error[CAPTURE_ERROR_MAX] = "";
		struct capture_packet got;
		enum capture_status status;

		put(&file, data, length);
		struct capture_reader *reader = capture_open(file.path, error);

		if (reader) {
			status = capture_next(reader, &got, error);
			assert_int_not_equal(status, CAPTURE_PACKET);
			assert_true(status == CAPTURE_END || strstr(error, ": packet 1: "));
			capture_close(reader);
		} else {
			assert_memory_equal(error, file.path, strlen(file.path));
		}
		close(file.fd);
	}
}

static void cut_anywhere(void **state)
{
	uint8_t classic[24 + 16 + 5];
	const struct file file = make_file();

	(void)state;
	put_variant(&file, false, false);
	assert_int_equal(pread(file.fd, classic, sizeof classic, 0), sizeof classic);
	close(file.fd);
	cut(classic, sizeof classic);
	cut(pcapng, sizeof pcapng);
}

static void no_capture_at_all(void **state)
{
	static const char *const texts[] = {"", "GET", "#!/bin/sh and more", "\0\0\0\0\0\0\0\0"};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const struct file file = make_file();
		char error[CAPTURE_ERROR_MAX] = "";

		put(&file, texts[i], i == 3 ? 8 : strlen(texts[i]));
		assert_null(capture_open(file.path, error));
		assert_memory_equal(error, file.path, strlen(file.path));
		close(file.fd);
	}
}

/* Standard input and output are what they are while the block runs. */
static int put_in_place(int fd, int place)
{
	const int kept = dup(place);

	assert_true(kept >= 0 && dup2(fd, place) == place);
	return kept;
}

static void put_back(int kept, int place)
{
	assert_int_equal(dup2(kept, place), place);
	close(kept);
}

static void reads_standard_input(void **state)
{
	const struct file file = make_file(), broken = make_file();
	char error[CAPTURE_ERROR_MAX];
	struct capture_packet got;
	int kept;

	(void)state;
	put(&broken, "no capture", 10);
	assert_int_equal(lseek(broken.fd, 0, SEEK_SET), 0);
	kept = put_in_place(broken.fd, STDIN_FILENO);
	assert_null(capture_open("-", error));
	assert_memory_equal(error, "standard input: ", 16);
	put_back(kept, STDIN_FILENO);
	rewind(stdin);
	put_variant(&file, false, false);
	assert_int_equal(lseek(file.fd, 0, SEEK_SET), 0);
	kept = put_in_place(file.fd, STDIN_FILENO);
	struct capture_reader *reader = capture_open("-", error);

	assert_non_null(reader);
	assert_int_equal(capture_next(reader, &got, error), CAPTURE_PACKET);
	capture_close(reader);
	put_back(kept, STDIN_FILENO);
	close(file.fd);
	close(broken.fd);
}

/* Output */

struct scene {
	char directory[32], path[64];
	struct file file;
	struct capture_reader *reader;
	struct capture_packet packet;
};

static void set_scene(struct scene *s, bool nano)
{
	char error[CAPTURE_ERROR_MAX];

	snprintf(s->directory, sizeof s->directory, "/tmp/natshim-test-XXXXXX");
	assert_non_null(mkdtemp(s->directory));
	snprintf(s->path, sizeof s->path, "%s/out.pcap", s->directory);
	s->file = make_file();
	put_variant(&s->file, false, nano);
	s->reader = capture_open(s->file.path, error);
	assert_non_null(s->reader);
	assert_int_equal(capture_next(s->reader, &s->packet, error), CAPTURE_PACKET);
}

static void empty_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	assert_non_null(directory);
	while ((entry = readdir(directory)))
		unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
}

static void strike_scene(struct scene *s)
{
	capture_close(s->reader);
	close(s->file.fd);
	unlink(s->path);
	assert_int_equal(rmdir(s->directory), 0); /* nothing else was left there */
}

static size_t read_whole(const char *path, uint8_t *out, size_t size)
{
	FILE *in = fopen(path, "rb");
	size_t got;

	assert_non_null(in);
	got = fread(out, 1, size, in);
	fclose(in);
	return got;
}

static void writes_what_it_read(void **state)
{
	(void)state;
	for (int nano = 0; nano < 2; nano++) {
		uint8_t in[128], out[128];
		char error[CAPTURE_ERROR_MAX];
		struct scene s;

		set_scene(&s, nano);
		for (int again = 0; again < 2; again++) { /* the second time the file is there */
			struct capture_writer *writer = capture_create(s.path, s.reader, error);

			assert_non_null(writer);
			assert_int_equal(access(s.path, F_OK), again - 1); /* not before it is whole */
			capture_write(writer, &s.packet);
			assert_true(capture_finish(writer, error));
			const size_t length = read_whole(s.file.path, in, sizeof in);

			assert_int_equal(read_whole(s.path, out, sizeof out), length);
			assert_memory_equal(out, in, length);
		}
		strike_scene(&s);
	}
}

static void keeps_the_mode_of_what_it_replaces(void **state)
{
	char error[CAPTURE_ERROR_MAX], link[96];
	struct scene s;
	struct stat info;

	(void)state;
	set_scene(&s, false);
	close(open(s.path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(chmod(s.path, 0640), 0);
	snprintf(link, sizeof link, "%s/link", s.directory);
	assert_int_equal(symlink(s.path, link), 0);
	struct capture_writer *writer = capture_create(link, s.reader, error);

	assert_non_null(writer);
	assert_true(capture_finish(writer, error));
	assert_int_equal(lstat(link, &info), 0);
	assert_true(S_ISLNK(info.st_mode)); /* the file behind it was replaced */
	assert_int_equal(stat(s.path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0640);
	assert_int_equal(info.st_size, 24);
	unlink(link);
	strike_scene(&s);
}

static void refuses_outputs(void **state)
{
	char error[CAPTURE_ERROR_MAX], path[5000];
	struct scene s;

	(void)state;
	set_scene(&s, false);
	assert_null(capture_create(s.file.path, s.reader, error));
	assert_non_null(strstr(error, ": is the file that is being read"));
	snprintf(path, sizeof path, "%s/none/out.pcap", s.directory);
	assert_null(capture_create(path, s.reader, error));
	assert_non_null(strstr(error, ": No such file or directory"));
	assert_null(capture_create(s.directory, s.reader, error));
	assert_non_null(strstr(error, ": Is a directory"));
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	assert_null(capture_create(path, s.reader, error));
	assert_non_null(strstr(error, "File name too long"));
	strike_scene(&s);
}

/* A full disk, met at the end at the latest: it is said, and no half a file stays. */
static void full_disk(void **state)
{
	char error[CAPTURE_ERROR_MAX] = "";
	struct scene s;

	(void)state;
	set_scene(&s, false);
	struct capture_writer *writer = capture_create("/dev/full", s.reader, error);

	if (writer) {
		capture_write(writer, &s.packet);
		assert_false(capture_finish(writer, error));
	}
	assert_non_null(strstr(error, "/dev/full: No space left on device"));
	strike_scene(&s);
}

/* The directory goes while the file is written. */
static void place_that_goes(void **state)
{
	char error[CAPTURE_ERROR_MAX], away[48];
	struct scene s;

	(void)state;
	set_scene(&s, false);
	struct capture_writer *writer = capture_create(s.path, s.reader, error);

	assert_non_null(writer);
	snprintf(away, sizeof away, "%s.away", s.directory);
	assert_int_equal(rename(s.directory, away), 0);
	assert_false(capture_finish(writer, error));
	assert_non_null(strstr(error, "out.pcap: No such file or directory"));
	assert_int_equal(rename(away, s.directory), 0);
	empty_directory(s.directory);
	strike_scene(&s);
}

/* In a process of its own, since libpcap closes it. */
static void writes_to_standard_output(void **state)
{
	const struct file out = make_file();
	uint8_t in[128], written[128];
	int status;
	struct scene s;

	(void)state;
	set_scene(&s, false);
	fflush(stdout);
	const pid_t child = fork();

	if (child == 0) {
		char error[CAPTURE_ERROR_MAX];

		dup2(out.fd, STDOUT_FILENO);
		struct capture_writer *writer = capture_create("-", s.reader, error);

		if (!writer)
			_exit(1);
		capture_write(writer, &s.packet);
		_exit(capture_finish(writer, error) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	const size_t length = read_whole(s.file.path, in, sizeof in);

	assert_int_equal(pread(out.fd, written, sizeof written, 0), length);
	assert_memory_equal(written, in, length);
	close(out.fd);
	strike_scene(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_ip),
		cmocka_unit_test(names_what_it_does_not_know),
		cmocka_unit_test(names_the_broken_packet),
		cmocka_unit_test(byte_orders_and_resolutions),
		cmocka_unit_test(reads_pcapng),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(no_capture_at_all),
		cmocka_unit_test(reads_standard_input),
		cmocka_unit_test(writes_what_it_read),
		cmocka_unit_test(keeps_the_mode_of_what_it_replaces),
		cmocka_unit_test(refuses_outputs),
		cmocka_unit_test(full_disk),
		cmocka_unit_test(place_that_goes),
		cmocka_unit_test(writes_to_standard_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
