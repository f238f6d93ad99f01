/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of secrets: what it may say, who gets which, and what is refused. */
#include "shim/proc/psk.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct endpoint at(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

/* A file "secrets" of that text, which only its owner can read. */
static struct psk *load(const char *text, char error[static PSK_ERROR_MAX])
{
	char directory[] = "/tmp/natshim-psk-XXXXXX", path[64];
	const mode_t mask = umask(077);
	struct psk *psk;
	FILE *file;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/secrets", directory);
	file = fopen(path, "w");
	umask(mask);
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	psk = psk_load(path, error);
	unlink(path);
	rmdir(directory);
	return psk;
}

static void gives(const struct psk *psk, const char *server, const char *client, const char *secret)
{
	const struct endpoint s = at(server), c = at(client);
	const struct bytes found = psk_find(psk, &s, &c);

	assert_int_equal(found.length, strlen(secret));
	if (found.length)
		assert_memory_equal(found.data, secret, found.length);
}

static void the_best_fits(void **state)
{
	char error[PSK_ERROR_MAX];
	struct psk *psk = load("# a comment\n"
			       ": PSK \"for all\"\n"
			       "\n"
			       "203.0.113.1 %any : PSK 'for that server' # another\n"
			       "203.0.113.1 192.0.2.9 : PSK \"for both\"\n"
			       "192.0.2.10\n  203.0.113.1\n\t: psk\n  \"over lines\"\n"
			       "2001:db8::9 : PSK 0x736978\n"
			       "192.0.2.11 203.0.113.1 : PSK 0sc2VjcmV0\n"
			       "@road.example 203.0.113.1 : RSA {\n  # key\n  Modulus: 0x03\n  }\n"
			       ": XAUTH \"not that\"\n",
			       error);

	(void)state;
	assert_non_null(psk);
	gives(psk, "203.0.113.7", "192.0.2.9", "for all");
	gives(psk, "203.0.113.1", "192.0.2.77", "for that server");
	gives(psk, "203.0.113.1", "192.0.2.9", "for both");
	gives(psk, "203.0.113.1", "192.0.2.10", "over lines");
	gives(psk, "2001:db8::1", "2001:db8::9", "six");
	gives(psk, "203.0.113.1", "192.0.2.11", "secret");
	psk_free(psk);
}

static void only_whom_it_names(void **state)
{
	char error[PSK_ERROR_MAX];
	struct psk *psk = load("192.0.2.9 203.0.113.1 : PSK \"x\"\n@name : PSK \"y\"", error);

	(void)state;
	assert_non_null(psk);
	gives(psk, "203.0.113.1", "192.0.2.9", "x");
	gives(psk, "203.0.113.1", "192.0.2.8", "");
	gives(psk, "203.0.113.2", "192.0.2.9", "");
	psk_free(psk);
	psk = load("%any : PSK \"x\"", error);
	gives(psk, "203.0.113.1", "192.0.2.8", "x");
	psk_free(psk);
}

static void bad_lines(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{"", "no PSK in it"},
		{"# nothing\n", "no PSK in it"},
		{"PSK \"x\"\n", "secrets:1: no colon"},
		{"\n\n: PSK \"hush\n", "secrets:3: the closing quotation mark"},
		{": PSK hush\n", "secrets:1: the secret must be in quotation marks"},
		{": PSK\n", "secrets:1: PSK without a secret"},
		{": PSK \"\"\n", "the secret must have 1 to 256 bytes"},
		{": PSK \"hush\" hush\n", "unexpected text after the secret"},
		{": PSK 0xhush\n", "not followed by valid digits"},
		{": PSK 0s*\n", "not followed by valid digits"},
		{"include /etc/ipsec.d/hush\n", "include is not supported"},
	};
	char error[PSK_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_null(load(bad[i].text, error));
		assert_non_null(strstr(error, bad[i].error));
		assert_null(strstr(error, "hush"));
	}
}

/* At every truncation: nothing is read past the end, nothing crashes. */
static void truncated(void **state)
{
	static const char text[] =
		"203.0.113.1 %any : PSK \"secret\"\n192.0.2.10\n  203.0.113.1 : PSK 0sc2VjcmV0\n";
	char error[PSK_ERROR_MAX];

	(void)state;
	for (size_t length = 0; length < sizeof text; length++) {
		char *copy = malloc(length + 1);

		memcpy(copy, text, length);
		copy[length] = '\0';
		psk_free(load(copy, error));
		free(copy);
	}
}

static void files(void **state)
{
	char path[] = "/tmp/natshim-psk-XXXXXX", error[PSK_ERROR_MAX];
	const int fd = mkstemp(path);
	struct psk *psk;

	(void)state;
	assert_true(fd >= 0 && write(fd, ": PSK \"x\"\n", 10) == 10);
	psk = psk_load(path, error);
	assert_non_null(psk);
	psk_free(psk);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_null(psk_load(path, error));
	assert_non_null(strstr(error, "chmod 600"));
	close(fd);
	unlink(path);
	assert_null(psk_load(path, error));
	assert_non_null(strstr(error, "No such file"));
	assert_null(psk_load("/dev/null", error));
	assert_non_null(strstr(error, "not a regular file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_fits), cmocka_unit_test(only_whom_it_names),
		cmocka_unit_test(bad_lines),     cmocka_unit_test(truncated),
		cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
