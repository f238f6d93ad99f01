/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that has the secrets, the real one: what it answers, what becomes of it when its file changes, when it dies,
 * stops, or is sent nonsense. */
#include "shim/proc/secrets.h"

#include "shim/clock.h"
#include "shim/proc/secrets_process.h"
#include "tests/unit/role_alone.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

enum { WAIT_MS = 5000, CHILDREN_MAX = 8 };

static const struct endpoint server = {.addr_len = 4, .addr = {203, 0, 113, 1}};
static const struct endpoint one = {.addr_len = 4, .addr = {203, 0, 113, 2}};
static const struct endpoint other = {.addr_len = 4, .addr = {203, 0, 113, 3}};
static const uint8_t nonces[2 * SECRETS_NONCE_MAX + 2] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
static const struct bytes ni = {nonces, 16}, nr = {nonces + 16, 20};

static char directory[] = "/tmp/natshim-secrets-XXXXXX", path[64], error[PSK_ERROR_MAX];
static unsigned told[SECRETS_GONE + 1];
static char said[PSK_ERROR_MAX];

static void on_news(void *ctx, enum secrets_news news, const char *text)
{
	(void)ctx;
	told[news]++;
	if (*text)
		snprintf(said, sizeof said, "%s", text);
}

static void write_file(const char *text, mode_t mode)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static struct role_alone alone;

static bool begin(struct secrets **out)
{
	return role_alone_begin(&alone, secrets_role(path)) &&
	       secrets_open(out, alone.parent.near[0][0], error);
}

static void end(struct secrets *secrets)
{
	secrets_close(secrets);
	role_alone_end(&alone);
}

static struct secrets *open_with(const char *text)
{
	struct secrets *secrets;

	write_file(text, 0600);
	memset(told, 0, sizeof told);
	if (!begin(&secrets))
		fail_msg("%s", error);
	secrets_on_news(secrets, on_news, NULL);
	return secrets;
}

/* The process ids of pid's children. */
static unsigned children(pid_t pid, pid_t out[static CHILDREN_MAX])
{
	char name[64];
	unsigned count = 0;
	FILE *file;

	snprintf(name, sizeof name, "/proc/%d/task/%d/children", (int)pid, (int)pid);
	file = fopen(name, "re");
	while (file && count < CHILDREN_MAX && fscanf(file, "%d", &out[count]) == 1)
		count++;
	if (file)
		fclose(file);
	return count;
}

static pid_t parent(void)
{
	pid_t found[CHILDREN_MAX];

	assert_int_equal(children(getpid(), found), 1);
	return found[0];
}

static pid_t process(void)
{
	pid_t found[CHILDREN_MAX];

	assert_int_equal(children(parent(), found), 1);
	return found[0];
}

/* Until that news has come. */
static void await(struct secrets *secrets, enum secrets_news news)
{
	const uint64_t until = clock_now_ms() + WAIT_MS;

	while (!told[news] && clock_now_ms() < until) {
		poll(&(struct pollfd){.fd = secrets_fd(secrets), .events = POLLIN}, 1, 100);
		secrets_read(secrets);
	}
	assert_int_equal(told[news], 1);
}

static void check_skeyid(struct secrets *secrets, const struct endpoint *client, const char *secret)
{
	uint8_t wanted[KEYS_HASH_MAX], got[KEYS_HASH_MAX];
	struct crypto *crypto = crypto_new();
	const struct bytes psk = {(const uint8_t *)secret, strlen(secret)};

	for (uint8_t hash = ISAKMP_HASH_MD5; hash <= ISAKMP_HASH_SHA2_512; hash++) {
		const size_t length = keys_skeyid(crypto, hash, psk, ni, nr, wanted);

		assert_int_equal(secrets_skeyid(secrets, &server, client, hash, ni, nr, got), length);
		assert_memory_equal(got, wanted, length);
	}
	crypto_free(crypto);
}

static void answers(void **state)
{
	struct secrets *secrets = open_with("203.0.113.1 203.0.113.2 : PSK \"first\"\n");
	uint8_t got[KEYS_HASH_MAX];

	(void)state;
	assert_int_equal(secrets_have(secrets, &server, &one), BRIDGE_SECRET_THERE);
	assert_int_equal(secrets_have(secrets, &server, &other), BRIDGE_SECRET_NONE);
	check_skeyid(secrets, &one, "first");
	assert_int_equal(secrets_skeyid(secrets, &server, &other, ISAKMP_HASH_SHA1, ni, nr, got), 0);
	assert_int_equal(secrets_skeyid(secrets, &server, &one, 3, ni, nr, got), 0); /* Tiger: unknown */
	assert_int_equal(secrets_unanswered(secrets), 0);
	end(secrets);
}

static void for_everybody(void **state)
{
	struct secrets *secrets = open_with(": PSK \"for all\"\n203.0.113.3 %any : PSK \"for one\"\n");

	(void)state;
	kill(process(), SIGSTOP); /* whether there is one need not be asked */
	assert_int_equal(secrets_have(secrets, &server, &one), BRIDGE_SECRET_THERE);
	kill(process(), SIGCONT);
	check_skeyid(secrets, &one, "for all");
	check_skeyid(secrets, &other, "for one");
	end(secrets);
}

static void bad_files(void **state)
{
	struct secrets *secrets;

	(void)state;
	write_file(": PSK \"secret\"\n", 0644);
	assert_false(begin(&secrets));
	end(NULL);
	assert_non_null(strstr(error, "chmod 600"));
	write_file(": PSK secret\n", 0600);
	assert_false(begin(&secrets));
	end(NULL);
	assert_non_null(strstr(error, "quotation"));
	assert_null(strstr(error, "PSK secret"));
	unlink(path);
	assert_false(begin(&secrets));
	end(NULL);
	assert_non_null(strstr(error, "No such file"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(begin(&secrets));
	end(NULL);
	assert_non_null(strstr(error, "not a regular file"));
	unlink(path);
	assert_null(secrets);
}

static void read_anew(void **state)
{
	struct secrets *secrets = open_with(": PSK \"old\"\n");

	(void)state;
	write_file(": PSK \"new\"\n", 0600);
	check_skeyid(secrets, &one, "old");
	assert_true(secrets_reload(secrets, error));
	check_skeyid(secrets, &one, "new");
	write_file("nonsense\n", 0600);
	assert_false(secrets_reload(secrets, error));
	assert_non_null(strstr(error, ":1: no colon"));
	check_skeyid(secrets, &one, "new");
	/* Another file in its place, as editors do it. */
	unlink(path);
	write_file("203.0.113.2 %any : PSK \"newest\"\n", 0600);
	assert_true(secrets_reload(secrets, error));
	check_skeyid(secrets, &one, "newest");
	assert_int_equal(secrets_have(secrets, &server, &other), BRIDGE_SECRET_NONE);
	process(); /* there is exactly one */
	for (unsigned i = 0; i <= SECRETS_GONE; i++)
		assert_int_equal(told[i], 0);
	end(secrets);
}

static void dies(void **state)
{
	struct secrets *secrets = open_with("203.0.113.2 %any : PSK \"secret\"\n");
	const uint64_t began = clock_now_ms();

	(void)state;
	kill(process(), SIGKILL);
	await(secrets, SECRETS_DIED);
	assert_int_equal(secrets_have(secrets, &server, &one), BRIDGE_SECRET_UNKNOWN);
	assert_true(clock_now_ms() - began < SECRETS_DEAF_MS / 2); /* it did not wait */
	await(secrets, SECRETS_BACK);
	check_skeyid(secrets, &one, "secret");
	end(secrets);
}

/* Its file is bad when it dies: said once, and mended, it goes on. */
static void dies_without_a_file(void **state)
{
	struct secrets *secrets = open_with(": PSK \"secret\"\n");

	(void)state;
	write_file(": PSK \"secret\"\n", 0644);
	kill(process(), SIGKILL);
	await(secrets, SECRETS_UNREADABLE);
	assert_non_null(strstr(said, "chmod 600"));
	assert_int_equal(told[SECRETS_DIED], 1);
	usleep(1200 * 1000); /* it tries again */
	secrets_read(secrets);
	assert_int_equal(told[SECRETS_UNREADABLE], 1);
	chmod(path, 0600);
	await(secrets, SECRETS_BACK);
	check_skeyid(secrets, &one, "secret");
	end(secrets);
}

static void hangs(void **state)
{
	struct secrets *secrets = open_with(": PSK \"secret\"\n");
	const pid_t pid = process();
	uint8_t got[KEYS_HASH_MAX];
	uint64_t began = clock_now_ms();

	(void)state;
	kill(pid, SIGSTOP);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(secrets_skeyid(secrets, &server, &one, ISAKMP_HASH_SHA1, ni, nr, got), 0);
	assert_true(clock_now_ms() - began < 10 * SECRETS_ANSWER_MS);
	assert_int_equal(told[SECRETS_SILENT], 1);
	assert_int_equal(secrets_unanswered(secrets), 1000);
	assert_int_equal(secrets_have(secrets, &server, &one), BRIDGE_SECRET_UNKNOWN);
	/* It wakes, and its late answer is thrown away. */
	kill(pid, SIGCONT);
	began = clock_now_ms();
	while (!secrets_skeyid(secrets, &server, &one, ISAKMP_HASH_SHA1, ni, nr, got))
		assert_true(clock_now_ms() - began < SECRETS_DEAF_MS);
	check_skeyid(secrets, &one, "secret");
	end(secrets);
}

/* Both processes gone: never again an answer, and never a wait. */
static void gone(void **state)
{
	struct secrets *secrets = open_with(": PSK \"secret\"\n");
	const pid_t pid = process();
	const uint64_t began = clock_now_ms();

	(void)state;
	kill(parent(), SIGKILL);
	check_skeyid(secrets, &one, "secret");
	kill(pid, SIGKILL);
	await(secrets, SECRETS_GONE);
	assert_int_equal(secrets_fd(secrets), -1);
	assert_int_equal(secrets_have(secrets, &server, &one), BRIDGE_SECRET_UNKNOWN);
	assert_false(secrets_reload(secrets, error));
	assert_true(clock_now_ms() - began < 2 * SECRETS_ANSWER_MS + 1000);
	end(secrets);
}

/* What a parser that was taken over might say. */
static void nonsense(void **state)
{
	struct secrets *secrets = open_with(": PSK \"secret\"\n");
	struct secrets_request good = {.operation = SECRETS_SKEYID,
				       .sequence = 77,
				       .server = server,
				       .client = one,
				       .hash = ISAKMP_HASH_SHA1,
				       .nonce_i_length = 16,
				       .nonce_r_length = 16};
	struct secrets_request bad[8];
	struct secrets_answer answer;
	const int fd = secrets_fd(secrets);

	(void)state;
	for (size_t i = 0; i < 8; i++)
		bad[i] = good;
	bad[0].operation = (enum secrets_operation)17;
	bad[1].operation = SECRETS_DEATH;
	bad[2].server.addr_len = 255;
	bad[3].client.addr_len = 5;
	bad[4].nonce_i_length = UINT16_MAX;
	bad[5].nonce_r_length = SECRETS_NONCE_MAX + 1;
	bad[6].nonce_i_length = 0;
	bad[7].operation = (enum secrets_operation) - 1;
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(send(fd, &bad[i], sizeof bad[i], 0), (ssize_t)sizeof bad[i]);
	for (size_t length = 1; length < sizeof good; length += 7)
		assert_int_equal(send(fd, &good, length, 0), (ssize_t)length);
	/* To none of them an answer: the first is the one to this. */
	assert_int_equal(send(fd, &good, sizeof good, 0), (ssize_t)sizeof good);
	assert_int_equal(recv(fd, &answer, sizeof answer, 0), (ssize_t)sizeof answer);
	assert_int_equal(answer.operation, SECRETS_SKEYID);
	assert_int_equal(answer.sequence, 77);
	assert_true(answer.done);
	check_skeyid(secrets, &one, "secret");
	end(secrets);
}

static int prepare(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof path, "%s/secrets", directory);
	return 0;
}

static int tidy(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),   cmocka_unit_test(for_everybody),
		cmocka_unit_test(bad_files), cmocka_unit_test(read_anew),
		cmocka_unit_test(dies),      cmocka_unit_test(dies_without_a_file),
		cmocka_unit_test(hangs),     cmocka_unit_test(gone),
		cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests(tests, prepare, tidy);
}
