/* nfq/pcap: where the IP packet begins behind each link layer, with the frame cut at every length. Formats, broken files and
 * output files are tests/net/test_rewrite's. */
#include "nfq/pcap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_ip),
		cmocka_unit_test(names_what_it_does_not_know),
		cmocka_unit_test(names_the_broken_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
