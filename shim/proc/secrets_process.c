/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keeper and the process that answers. The keeper may open the file of secrets but never does; it listens to nobody
 * but the one that it started. That one reads the file, gives up every right to open another, and serves. To read the file
 * anew a second one is started beside it, and takes its place only when it could. */
#include "shim/proc/secrets_process.h"

#include "shim/proc/confine.h"
#include "shim/proc/helper.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RESTART_MS 1000 /* between two that could not read the file, or died at once */

/* What the keeper and a process of its own say to each other: single bytes. */
enum { WORD_READY = 'r', WORD_GO = 'g', WORD_ANEW = 'n' };

/* The process that answers */

struct server {
	struct crypto *crypto;
	struct psk *psk;
	int keeper; /* the socket to it */
};

static void send_answer(const struct secrets_answer *answer)
{
	while (send(HELPER_FD, answer, sizeof *answer, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static bool is_address(const struct endpoint *e)
{
	return e->addr_len == 4 || e->addr_len == 16;
}

static bool is_nonce(uint16_t length)
{
	return length >= SECRETS_NONCE_MIN && length <= SECRETS_NONCE_MAX;
}

static bool is_sound(const struct secrets_request *request)
{
	if ((unsigned)request->operation >= SECRETS_OPERATIONS)
		return false;
	if (request->operation == SECRETS_LOAD)
		return true;
	if (!is_address(&request->server) || !is_address(&request->client))
		return false;
	return request->operation != SECRETS_SKEYID ||
	       (is_nonce(request->nonce_i_length) && is_nonce(request->nonce_r_length));
}

static void answer_one(const struct server *server, const struct secrets_request *request)
{
	struct secrets_answer answer = {.operation = request->operation, .sequence = request->sequence};
	const struct bytes psk = psk_find(server->psk, &request->server, &request->client);

	if (request->operation == SECRETS_SKEYID && psk.length)
		answer.skeyid_length = (uint8_t)keys_skeyid(
			server->crypto, request->hash, psk,
			(struct bytes){request->nonce_i, request->nonce_i_length},
			(struct bytes){request->nonce_r, request->nonce_r_length}, answer.skeyid);
	answer.done = request->operation == SECRETS_SKEYID ? answer.skeyid_length > 0 : psk.length > 0;
	send_answer(&answer);
	OPENSSL_cleanse(&answer, sizeof answer);
}

static void ask_for_another(const struct server *server, uint32_t sequence)
{
	uint8_t word[1 + sizeof sequence] = {WORD_ANEW};

	memcpy(word + 1, &sequence, sizeof sequence);
	send(server->keeper, word, sizeof word, MSG_NOSIGNAL);
}

static void serve(const struct server *server)
{
	struct secrets_request request;

	while (helper_receive(HELPER_FD, &request, sizeof request)) {
		if (!is_sound(&request))
			continue;
		if (request.operation == SECRETS_LOAD)
			ask_for_another(server, request.sequence);
		else if (request.operation < SECRETS_LOAD)
			answer_one(server, &request);
	}
}

/* Reads the file; then waits until it is its turn. False: nothing came of it. */
static bool prepare(struct server *server, const char *path, uint32_t sequence)
{
	struct secrets_answer answer = {.operation = SECRETS_LOAD, .sequence = sequence};
	char missing[CONFINE_TEXT_MAX];
	uint8_t word = WORD_READY;

	server->psk = psk_load(path, answer.text);
	confine(CONFINE_SECRETS, NULL, missing); /* the daemon, which lacks the same, says so */
	answer.done = server->psk && send(server->keeper, &word, 1, MSG_NOSIGNAL) == 1 &&
		      recv(server->keeper, &word, 1, 0) == 1 && word == WORD_GO;
	answer.everybody = answer.done && psk_everybody(server->psk);
	send_answer(&answer);
	return answer.done;
}

static _Noreturn void be_server(struct crypto *crypto, const char *path, uint32_t sequence, int keeper)
{
	struct server server = {.crypto = crypto, .keeper = keeper};
	bool done;

	prctl(PR_SET_NAME, "natshim-secrets");
	done = prepare(&server, path, sequence);
	if (done)
		serve(&server);
	psk_free(server.psk);
	crypto_free(crypto);
	_exit(done ? 0 : 1);
}

/* The keeper */

struct keeper {
	struct crypto *crypto;
	const char *path;
	struct child {
		pid_t process; /* 0: none */
		int socket;
	} child;
};

static void pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

/* The status it ended with, as of waitpid(). */
static int bury(struct child *child)
{
	int status = 0;

	while (waitpid(child->process, &status, 0) < 0 && errno == EINTR)
		;
	close(child->socket);
	*child = (struct child){.socket = -1};
	return status;
}

static bool start(const struct keeper *keeper, uint32_t sequence, struct child *out)
{
	uint8_t word = 0;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return false;
	*out = (struct child){.process = fork(), .socket = pair[0]};
	if (out->process == 0) {
		close(pair[0]);
		if (keeper->child.process)
			close(keeper->child.socket);
		be_server(keeper->crypto, keeper->path, sequence, pair[1]);
	}
	close(pair[1]);
	if (out->process < 0) {
		close(pair[0]);
		return false;
	}
	if (recv(out->socket, &word, 1, 0) == 1 && word == WORD_READY)
		return true;
	bury(out);
	return false;
}

/* Its predecessor must be gone before it says the first word: both have the same socket. */
static void install(struct keeper *keeper, struct child *successor)
{
	const uint8_t word = WORD_GO;

	if (keeper->child.process) {
		kill(keeper->child.process, SIGKILL);
		bury(&keeper->child);
	}
	keeper->child = *successor;
	send(keeper->child.socket, &word, 1, MSG_NOSIGNAL);
}

static bool begin(struct keeper *keeper, uint32_t sequence)
{
	struct child successor;

	if (!start(keeper, sequence, &successor))
		return false;
	install(keeper, &successor);
	return true;
}

/* True: it is over, since nobody is left to serve. */
static bool has_ended(struct keeper *keeper)
{
	const struct secrets_answer death = {.operation = SECRETS_DEATH};
	const int status = bury(&keeper->child);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	send_answer(&death);
	return false;
}

/* Whether the daemon is still there. */
static bool wanted(void)
{
	struct pollfd other_end = {.fd = HELPER_FD};

	return poll(&other_end, 1, 0) == 0 || !(other_end.revents & (POLLHUP | POLLERR));
}

static void keep(struct keeper *keeper)
{
	uint8_t word[1 + sizeof(uint32_t)];
	uint32_t sequence = 0;

	while (wanted()) {
		const ssize_t length =
			keeper->child.process ? recv(keeper->child.socket, word, sizeof word, 0) : 0;

		if (length < 0 && errno == EINTR)
			continue;
		if (length == (ssize_t)sizeof word && word[0] == WORD_ANEW) {
			memcpy(&sequence, word + 1, sizeof sequence);
			begin(keeper, sequence); /* what became of it, it says itself */
		} else if (length <= 0) {
			if (keeper->child.process && has_ended(keeper))
				return;
			pause_ms(RESTART_MS);
			begin(keeper, 0);
		}
	}
}

static void confine_keeper(const char *path)
{
	char directory[PATH_MAX], real[PATH_MAX], target[PATH_MAX], missing[CONFINE_TEXT_MAX];

	snprintf(directory, sizeof directory, "%s", path);
	snprintf(target, sizeof target, "%s", realpath(path, real) ? real : path);
	const char *const readable[] = {dirname(directory), dirname(target), NULL};
	const struct confine_files files = {.readable = readable};

	confine(CONFINE_SECRETS_KEEPER, &files, missing);
}

void secrets_keep(const void *ctx)
{
	/* Before Landlock: OpenSSL looks for its configuration. */
	struct keeper keeper = {.crypto = crypto_new(), .path = ctx, .child = {.socket = -1}};

	confine_keeper(keeper.path);
	if (keeper.crypto && begin(&keeper, 0))
		keep(&keeper);
	crypto_free(keeper.crypto);
}
