/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/stack/vici: elements read and written, at every truncation, and the strongSwan backend against a small charon of the
 * test's own behind a UNIX socket. */
#include "shim/stack/stack.h"
#include "shim/stack/vici.h"
#include "tests/unit/vici_build.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static size_t example(uint8_t *out, size_t size)
{
	struct vici_writer w;

	vici_begin(&w, out, size, VICI_EVENT, "list-sa");
	vici_section(&w, "l2tp");
	vici_pair(&w, "uniqueid", "7");
	vici_list(&w, "local-ts");
	vici_item(&w, "203.0.113.1/32[udp/l2f]");
	vici_item(&w, "");
	vici_list_end(&w);
	vici_section_end(&w);
	assert_false(w.overflow);
	return w.length;
}

static void test_elements(void **state)
{
	static const enum vici_element expected[] = {VICI_SECTION_START, VICI_KEY_VALUE, VICI_LIST_START,
						     VICI_LIST_ITEM,     VICI_LIST_ITEM, VICI_LIST_END,
						     VICI_SECTION_END,   VICI_END};
	uint8_t packet[256];
	const size_t length = example(packet, sizeof packet);
	struct vici_reader reader;
	struct vici_text name, value;
	enum vici_packet type;
	uint64_t number;

	(void)state;
	assert_true(vici_open(&reader, packet, length, &type, &name));
	assert_int_equal(type, VICI_EVENT);
	assert_true(vici_is(name, "list-sa"));
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		assert_int_equal(vici_next(&reader, &name, &value), expected[i]);
		if (i == 0)
			assert_true(vici_is(name, "l2tp"));
		if (i == 1)
			assert_true(vici_is(name, "uniqueid") && vici_number(value, 10, &number) &&
				    number == 7);
		if (i == 3)
			assert_true(vici_is(value, "203.0.113.1/32[udp/l2f]"));
	}
}

static void test_every_truncation(void **state)
{
	uint8_t packet[256];
	const size_t length = example(packet, sizeof packet);

	(void)state;
	for (size_t cut = 0; cut < length; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);
		struct vici_reader reader;
		struct vici_text name, value;
		enum vici_packet type;
		enum vici_element element = VICI_BAD;

		memcpy(exact, packet, cut);
		if (vici_open(&reader, exact, cut, &type, &name))
			while ((element = vici_next(&reader, &name, &value)) != VICI_END &&
			       element != VICI_BAD)
				;
		/* Complete only where nothing is open: right behind the name. */
		assert_int_equal(element == VICI_END, cut == 9);
		free(exact);
	}
}

static void test_malformed(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} bad[] = {
		{"\x01\x02", 2},                             /* a section ends that never began */
		{"\x01\x06", 2},                             /* a list */
		{"\x01\x05\x00\x01x", 5},                    /* an item outside of a list */
		{"\x01\x04\x01l\x04\x01m\x06\x06", 9},       /* a list in a list */
		{"\x01\x04\x01l\x03\x01k\x00\x01v\x06", 11}, /* a pair in a list */
		{"\x01\x00", 2},                             /* no such element */
		{"\x01\x09", 2},
		{"\x01\x03\x01k\xff\xff", 6}, /* a value longer than the message */
		{"\x08", 1},                  /* no such packet */
		{"\x07\x05"
		 "abcd",
		 6},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		uint8_t *exact = malloc(bad[i].length);
		struct vici_reader reader;
		struct vici_text name, value;
		enum vici_packet type;
		enum vici_element element = VICI_BAD;

		memcpy(exact, bad[i].bytes, bad[i].length);
		if (vici_open(&reader, exact, bad[i].length, &type, &name))
			while ((element = vici_next(&reader, &name, &value)) != VICI_END &&
			       element != VICI_BAD)
				;
		if (element != VICI_BAD)
			fail_msg("number %zu was taken", i);
		free(exact);
	}
}

static void test_depth_is_bounded(void **state)
{
	uint8_t packet[256] = {VICI_RESPONSE};
	struct vici_reader reader;
	struct vici_text name, value;
	enum vici_packet type;
	unsigned depth = 0;

	(void)state;
	for (size_t i = 1; i < sizeof packet; i += 2)
		packet[i] = VICI_SECTION_START;
	assert_true(vici_open(&reader, packet, sizeof packet, &type, &name));
	while (vici_next(&reader, &name, &value) == VICI_SECTION_START)
		depth++;
	assert_int_equal(depth, VICI_DEPTH_MAX);
}

static void test_numbers_and_texts(void **state)
{
	const struct vici_text odd = {.bytes = (const uint8_t *)"a\001\xffz", .length = 4};
	uint64_t number;
	char text[8];

	(void)state;
#define TEXT(s) ((struct vici_text){.bytes = (const uint8_t *)(s), .length = strlen(s)})
	assert_true(vici_number(TEXT("0a637b88"), 16, &number) && number == 0xa637b88);
	assert_false(vici_number(TEXT("0a"), 10, &number));
	assert_false(vici_number(TEXT(""), 10, &number));
	assert_false(vici_number(TEXT("99999999999999999999"), 10, &number));
	vici_copy(odd, text, sizeof text);
	assert_string_equal(text, "a??z");
	vici_copy(TEXT("longer than that"), text, sizeof text);
	assert_string_equal(text, "longer ");
}

static void test_writer_overflow(void **state)
{
	uint8_t packet[256];
	const size_t length = example(packet, sizeof packet);
	char long_name[300];
	struct vici_writer w;

	(void)state;
	for (size_t size = 0; size < length; size++) {
		uint8_t *exact = malloc(size ? size : 1);

		vici_begin(&w, exact, size, VICI_EVENT, "list-sa");
		vici_section(&w, "l2tp");
		vici_pair(&w, "uniqueid", "7");
		vici_list(&w, "local-ts");
		vici_item(&w, "203.0.113.1/32[udp/l2f]");
		vici_item(&w, "");
		vici_list_end(&w);
		vici_section_end(&w);
		assert_true(w.overflow);
		free(exact);
	}
	memset(long_name, 'x', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	vici_begin(&w, packet, sizeof packet, VICI_REQUEST, long_name);
	assert_true(w.overflow);
}

/* ---- a small charon ---------------------------------------------------------------------------------------------- */

/* Two IKE SAs of 203.0.113.2: number 1 with the children 11 and 12, number 2 with child 21. What it was told to terminate
 * comes back through the pipe. */
static struct {
	int pipe[2];
	char path[64];
	pid_t pid;
} charon;

static const struct {
	const char *id, *ike;
	const char *spi_in, *spi_out;
} children[] = {{"11", "1", "c0000011", "0a637b11"},
		{"12", "1", "c0000012", "0a637b12"},
		{"21", "2", "c0000021", "0a637b21"}};

static void write_packet(int fd, const struct vici_writer *w)
{
	const uint8_t header[4] = {0, 0, (uint8_t)(w->length >> 8), (uint8_t)w->length};

	if (write(fd, header, 4) != 4 || write(fd, w->bytes, w->length) != (ssize_t)w->length)
		_exit(1);
}

static void write_ike(int fd, const char *id, const bool gone[3])
{
	uint8_t bytes[2048];
	struct vici_writer w;

	vici_begin(&w, bytes, sizeof bytes, VICI_EVENT, "list-sa");
	vici_section(&w, "l2tp");
	vici_pair(&w, "uniqueid", id);
	vici_pair(&w, "state", "ESTABLISHED");
	vici_pair(&w, "remote-host", "203.0.113.2");
	vici_pair(&w, "remote-port", *id == '1' ? "21001" : "21002");
	vici_pair(&w, "remote-id", *id == '1' ? "192.168.50.11" : "C=CA, CN=road");
	vici_section(&w, "child-sas");
	for (int i = 0; i < 3; i++) {
		if (gone[i] || strcmp(children[i].ike, id) != 0)
			continue;
		vici_section(&w, "l2tp-1");
		vici_pair(&w, "uniqueid", children[i].id);
		vici_pair(&w, "state", "INSTALLED");
		vici_pair(&w, "spi-in", children[i].spi_in);
		vici_pair(&w, "spi-out", children[i].spi_out);
		vici_list(&w, "local-ts");
		vici_item(&w, "203.0.113.1/32[udp/l2f]");
		vici_list_end(&w);
		vici_section_end(&w);
	}
	vici_section_end(&w);
	vici_section_end(&w);
	write_packet(fd, &w);
}

static void answer_terminate(int fd, struct vici_reader *reader, bool gone[3], bool slow)
{
	struct vici_text name, value;
	uint8_t bytes[256];
	struct vici_writer w;
	bool done = false, limited = false;
	char line[32] = "";

	while (vici_next(reader, &name, &value) == VICI_KEY_VALUE) {
		char id[16];

		limited = limited || vici_is(name, "timeout");
		vici_copy(value, id, sizeof id);
		for (int i = 0; i < 3; i++)
			if (vici_is(name, "child-id") && !strcmp(children[i].id, id) && !slow)
				done = gone[i] = true;
		for (int i = 0; i < 3; i++)
			if (vici_is(name, "ike-id") && !strcmp(children[i].ike, id))
				done = gone[i] = true;
		if (!vici_is(name, "timeout"))
			snprintf(line, sizeof line, "%.*s %s\n", (int)name.length, (const char *)name.bytes,
				 id);
	}
	if (!limited || write(charon.pipe[1], line, strlen(line)) < 0)
		_exit(1);
	vici_begin(&w, bytes, sizeof bytes, VICI_RESPONSE, NULL);
	vici_pair(&w, "success", done ? "yes" : "no");
	if (!done)
		vici_pair(&w, "errmsg", "CHILD_SA termination timed out");
	write_packet(fd, &w);
}

static void serve(int fd, bool gone[3], bool slow)
{
	uint8_t header[4], packet[1024], bytes[16];
	struct vici_writer w;
	struct vici_reader reader;
	struct vici_text name;
	enum vici_packet type;

	while (read(fd, header, 4) == 4) {
		const size_t length = (size_t)(header[2] << 8 | header[3]);

		if (read(fd, packet, length) != (ssize_t)length ||
		    !vici_open(&reader, packet, length, &type, &name))
			_exit(1);
		if (type == VICI_REGISTER) {
			vici_begin(&w, bytes, sizeof bytes, VICI_CONFIRM, NULL);
			write_packet(fd, &w);
		} else if (vici_is(name, "list-sas")) {
			write_ike(fd, "1", gone);
			if (!gone[2])
				write_ike(fd, "2", gone);
			vici_begin(&w, bytes, sizeof bytes, VICI_RESPONSE, NULL);
			write_packet(fd, &w);
		} else {
			answer_terminate(fd, &reader, gone, slow);
		}
	}
}

static void start_charon(bool slow, bool silent)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	bool gone[3] = {false};

	snprintf(charon.path, sizeof charon.path, "/tmp/natshim-vici-%d", (int)getpid());
	strcpy(address.sun_path, charon.path);
	unlink(charon.path);
	assert_int_equal(pipe(charon.pipe), 0);
	const int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 5), 0);
	charon.pid = fork();
	if (charon.pid == 0) {
		for (;;) {
			const int fd = accept(listener, NULL, NULL);

			if (silent)
				pause();
			serve(fd, gone, slow);
			close(fd);
		}
	}
	close(listener);
}

/* Ends it, and returns what it was told to terminate, line by line. */
static char *stop_charon(void)
{
	static char said[512];

	kill(charon.pid, SIGKILL);
	waitpid(charon.pid, NULL, 0);
	close(charon.pipe[1]);
	const ssize_t length = read(charon.pipe[0], said, sizeof said - 1);

	said[length > 0 ? length : 0] = '\0';
	close(charon.pipe[0]);
	unlink(charon.path);
	return said;
}

static struct stack_options options_of(void)
{
	return (struct stack_options){.kind = STACK_STRONGSWAN, .vici_path = charon.path, .timeout_ms = 300};
}

static struct stack_end_request end_of(uint32_t spi_in, uint32_t spi_out)
{
	struct stack_end_request request = {
		.id = 1, .sa_count = 2, .sas = {{spi_in, false}, {spi_out, true}}};

	assert_true(endpoint_parse("203.0.113.1:4500", &request.us));
	assert_true(endpoint_parse("203.0.113.2:21001", &request.peer));
	return request;
}

static void take_ike(void *ctx, const struct stack_ike_sa *sa)
{
	struct stack_ike_sa *all = ctx;

	while (all->number)
		all++;
	*all = *sa;
}

static void test_list(void **state)
{
	struct stack_ike_sa found[4] = {{.number = 0}};
	const struct stack_report report = {.ctx = found, .ike_sa = take_ike};
	char text[STACK_TEXT_MAX] = "";
	struct endpoint peer, other;

	(void)state;
	start_charon(false, false);
	const struct stack_options options = options_of();

	assert_true(endpoint_parse("203.0.113.2", &peer) && endpoint_parse("203.0.113.3", &other));
	assert_int_equal(stack_strongswan.detect(&options, text), 0);
	assert_int_equal(stack_strongswan.list(&options, &other, &report, text), 0);
	assert_int_equal(found[0].number, 0);
	assert_int_equal(stack_strongswan.list(&options, &peer, &report, text), 0);
	assert_int_equal(found[0].number, 1);
	assert_string_equal(found[0].id, "192.168.50.11");
	assert_int_equal(found[0].peer.port, 21001);
	assert_int_equal(found[0].child_count, 2);
	assert_int_equal(found[0].spis_in[0], 0xc0000011);
	assert_int_equal(found[0].spis_in[1], 0xc0000012);
	assert_string_equal(found[1].id, "C=CA, CN=road");
	assert_int_equal(found[2].number, 0);
	stop_charon();
}

static void test_end_leaves_other_children(void **state)
{
	const struct stack_end_request request = end_of(0xc0000011, 0x0a637b11);
	char text[STACK_TEXT_MAX] = "";

	(void)state;
	start_charon(false, false);
	const struct stack_options options = options_of();

	assert_int_equal(stack_strongswan.end(&options, &request, text), 0);
	assert_string_equal(stop_charon(), "child-id 11\n");
}

static void test_end_takes_an_empty_ike_sa_along(void **state)
{
	struct stack_end_request request = end_of(0xc0000011, 0x0a637b11);
	char text[STACK_TEXT_MAX] = "";

	(void)state;
	start_charon(false, false);
	const struct stack_options options = options_of();

	request.sa_count = 4;
	request.sas[2] = (struct stack_sa_ref){0xc0000012, false};
	request.sas[3] = (struct stack_sa_ref){0x0a637b12, true};
	assert_int_equal(stack_strongswan.end(&options, &request, text), 0);
	assert_string_equal(stop_charon(), "child-id 11\nchild-id 12\nike-id 1\n");
}

/* A rekey in flight: the child does not go within its time, so its IKE SA does, if there is nothing else in it. */
static void test_end_of_a_child_that_will_not(void **state)
{
	struct stack_end_request request = end_of(0xc0000021, 0x0a637b21);
	char text[STACK_TEXT_MAX] = "";

	(void)state;
	start_charon(true, false);
	const struct stack_options options = options_of();

	assert_int_equal(stack_strongswan.end(&options, &request, text), 0);
	request = end_of(0xc0000011, 0x0a637b11);
	assert_int_equal(stack_strongswan.end(&options, &request, text), -EIO);
	assert_string_equal(text, "vici: terminate: CHILD_SA termination timed out");
	assert_string_equal(stop_charon(), "child-id 21\nike-id 2\nchild-id 11\n");
}

static void test_no_charon(void **state)
{
	const struct stack_end_request request = end_of(1, 2);
	char text[STACK_TEXT_MAX] = "";

	(void)state;
	start_charon(false, false);
	stop_charon();
	const struct stack_options options = options_of();

	assert_int_equal(stack_strongswan.detect(&options, text), -ENOENT);
	assert_int_equal(stack_strongswan.end(&options, &request, text), -ENOENT);
	assert_non_null(strstr(text, "No such file"));
}

static void test_charon_that_hangs(void **state)
{
	const struct stack_end_request request = end_of(1, 2);
	char text[STACK_TEXT_MAX] = "";

	(void)state;
	start_charon(false, true);
	const struct stack_options options = options_of();

	assert_int_equal(stack_strongswan.end(&options, &request, text), -ETIMEDOUT);
	assert_non_null(strstr(text, "list-sas"));
	stop_charon();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_numbers_and_texts),
		cmocka_unit_test(test_writer_overflow),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_end_leaves_other_children),
		cmocka_unit_test(test_end_takes_an_empty_ike_sa_along),
		cmocka_unit_test(test_end_of_a_child_that_will_not),
		cmocka_unit_test(test_no_charon),
		cmocka_unit_test(test_charon_that_hangs),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
