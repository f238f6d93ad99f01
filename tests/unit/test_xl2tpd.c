/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xl2tpd's listen-addr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/xl2tpd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char error[XL2TPD_ERROR_MAX];

static bool read_text(const char *text, struct endpoint *out)
{
	char path[] = "/tmp/natshim-test-XXXXXX";
	const int fd = mkstemp(path);
	bool ok;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ok = xl2tpd_listen_address(path, out, error);
	unlink(path);
	return ok;
}

static void test_found(void **state)
{
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint e;

	(void)state;
	assert_true(read_text("; comment\n[global]\nport = 1701\nlisten-addr = 192.168.1.98\n[lns default]\n"
			      "ip range = 10.0.0.2-10.0.0.9\nlocal ip = 10.0.0.1\n",
			      &e));
	assert_string_equal(endpoint_text(&e, text), "192.168.1.98");
	assert_true(read_text("[global]\nlisten-addr = 192.168.1.98\nport = 1702\n", &e));
	assert_string_equal(endpoint_text(&e, text), "192.168.1.98:1702");
	assert_true(read_text("[Global]\nListen-Addr = 192.168.1.99\n", &e));
	assert_string_equal(endpoint_text(&e, text), "192.168.1.99");
}

static void test_refused(void **state)
{
	struct endpoint e;

	(void)state;
	assert_false(read_text("[lns default]\nlisten-addr = 192.168.1.98\n", &e));
	assert_non_null(strstr(error, "no listen-addr"));
	assert_false(read_text("[global]\nlisten-addr = gateway\n", &e));
	assert_non_null(strstr(error, "gateway"));
	for (const char *const *bad =
		     (const char *const[]){"0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255", NULL};
	     *bad; bad++) {
		char file[64] = "[global]\nlisten-addr = ";

		assert_false(read_text(strcat(file, *bad), &e));
		assert_non_null(strstr(error, "clients' packets"));
	}
	assert_false(xl2tpd_listen_address("/nonexistent", &e, error));
	assert_non_null(strstr(error, "/nonexistent: cannot read"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_found), cmocka_unit_test(test_refused)};

	return cmocka_run_group_tests_name("xl2tpd", tests, NULL, NULL);
}
