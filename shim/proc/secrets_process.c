/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process reads the file, gives up every right to open another, and serves. To read the file anew it has another one started beside
 * it, which takes its place only if it could. */
#include "shim/proc/secrets_process.h"

#include "shim/proc/confine.h"
#include "shim/proc/parent.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PARENT_FD (HELPER_FD + 1)

struct server {
	struct crypto *crypto;
	struct psk *psk;
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

static void serve(const struct server *server)
{
	struct secrets_request request;

	while (helper_receive(HELPER_FD, &request, sizeof request)) {
		if (!is_sound(&request))
			continue;
		if (request.operation == SECRETS_LOAD)
			parent_ask_for_successor(PARENT_FD, request.sequence);
		else if (request.operation < SECRETS_LOAD)
			answer_one(server, &request);
	}
}

static void confine_reader(const char *path)
{
	char directory[PATH_MAX], real[PATH_MAX], target[PATH_MAX], missing[CONFINE_TEXT_MAX];

	snprintf(directory, sizeof directory, "%s", path);
	snprintf(target, sizeof target, "%s", realpath(path, real) ? real : path);
	const char *const readable[] = {dirname(directory), dirname(target), NULL};
	const struct confine_files files = {.readable = readable};

	confine(CONFINE_SECRETS_READER, &files, missing);
}

/* Reads the file; then waits until it is its turn. False: nothing came of it. */
static bool prepare(struct server *server, const char *path, uint32_t sequence)
{
	struct secrets_answer answer = {.operation = SECRETS_LOAD, .sequence = sequence};
	char missing[CONFINE_TEXT_MAX];

	confine_reader(path);
	server->psk = psk_load(path, answer.text);
	confine(CONFINE_SECRETS, NULL, missing); /* the daemon, which lacks the same, says so */
	answer.done = server->psk && parent_wait_for_turn(PARENT_FD);
	answer.everybody = answer.done && psk_everybody(server->psk);
	send_answer(&answer);
	return answer.done;
}

void secrets_process(const void *ctx)
{
	struct server server = {
		.crypto = crypto_new()}; /* before Landlock: OpenSSL looks for its configuration */
	uint32_t sequence;
	const bool done =
		server.crypto && parent_begin(PARENT_FD, &sequence) && prepare(&server, ctx, sequence);

	if (done)
		serve(&server);
	psk_free(server.psk);
	crypto_free(server.crypto);
	if (!done)
		_exit(1);
}

int secrets_tell_death(int fd, pid_t process)
{
	const struct secrets_answer death = {.operation = SECRETS_DEATH};

	return process ? 0 : helper_send(fd, &death, sizeof death, -1, MSG_DONTWAIT);
}
