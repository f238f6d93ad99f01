/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both ends of it. */
#include "shim/proc/files.h"

#include "shim/proc/confine.h"
#include "shim/proc/atomic_file.h"
#include "shim/proc/helper.h"
#include "shim/xl2tpd.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MS 2000 /* for the questions of a reload */
#define END_MS 10000   /* for what is still to be written */
#define SIZE_MAX_SAVED (64L << 20)

enum operation {
	SAVE,
	APPEND,
	OPEN_CONFIG,
	FIND_INTERFACE,
	FIND_LNS,
	REMOVE_SOCKET,
	OPERATIONS,
	DEATH /* an answer that nobody asked for */
};

struct request {
	uint32_t sequence; /* comes back with the answer */
	enum operation operation;
	enum files_target target;  /* SAVE, with a descriptor of the content; APPEND */
	char name[IFNAMSIZ];       /* FIND_INTERFACE */
	char line[FILES_LINE_MAX]; /* APPEND */
};

struct answer {
	uint32_t sequence;
	enum operation operation;
	enum files_target target;
	int error; /* 0 or -errno; OPEN_CONFIG: with a descriptor */
	struct endpoint lns;
	char text[CONFIG_ERROR_MAX]; /* FIND_LNS that failed */
};

struct files {
	struct helper helper;
	files_saved_fn *saved;
	files_died_fn *died;
	void *ctx;
};

/* The process: paths are its own, from the start. */

struct server {
	const struct config *config;
	char paths[FILES_TARGETS][PATH_MAX];
};

static mode_t mode_of(enum files_target target)
{
	return target == FILES_BRIDGED || target == FILES_ALIASES ? 0600 : 0666;
}

static int copy(int from, FILE *out)
{
	char block[16384];
	off_t at = 0;
	ssize_t got = 0;

	while (at < SIZE_MAX_SAVED && (got = pread(from, block, sizeof block, at)) > 0) {
		if (fwrite(block, 1, (size_t)got, out) != (size_t)got)
			break; /* atomic_file_finish() says why */
		at += got;
	}
	return got < 0 ? -errno : 0;
}

static bool is_target(const struct server *server, enum files_target target)
{
	return target < FILES_TARGETS && *server->paths[target];
}

/* A file that is not there is no error of the disk: the next whole one brings the line along. */
static int append(const struct server *server, enum files_target target, const char *line)
{
	const size_t length = strnlen(line, FILES_LINE_MAX);
	ssize_t written;
	int fd, rc;

	if (!is_target(server, target) || length == FILES_LINE_MAX)
		return -EINVAL;
	fd = open(server->paths[target], O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	written = write(fd, line, length);
	rc = written == (ssize_t)length ? 0 : written < 0 ? -errno : -ENOSPC;
	close(fd);
	return rc;
}

static int save(const struct server *server, enum files_target target, int content)
{
	FILE *out;
	int rc;

	if (!is_target(server, target) || content < 0)
		return -EINVAL;
	out = atomic_file_begin(server->paths[target], mode_of(target));
	if (!out)
		return -errno;
	rc = copy(content, out);
	if (!rc)
		return atomic_file_finish(out, server->paths[target]);
	atomic_file_cancel(out, server->paths[target]);
	return rc;
}

/* *fd: what goes along with the answer. */
static void serve(const struct server *server, struct request *request, int content, struct answer *answer,
		  int *fd)
{
	switch (request->operation) {
	case SAVE:
		answer->error = save(server, request->target, content);
		break;
	case APPEND:
		answer->error = append(server, request->target, request->line);
		break;
	case OPEN_CONFIG:
		*fd = open(server->config->file ? server->config->file : CONFIG_DEFAULT_FILE,
			   O_RDONLY | O_CLOEXEC);
		answer->error = *fd < 0 ? -errno : 0;
		break;
	case FIND_INTERFACE:
		request->name[IFNAMSIZ - 1] = '\0';
		answer->error = if_nametoindex(request->name) ? 0 : -ENODEV;
		break;
	case FIND_LNS:
		answer->error =
			xl2tpd_listen_address(XL2TPD_CONFIG, &answer->lns, answer->text) ? 0 : -ENOENT;
		break;
	case REMOVE_SOCKET:
		answer->error = unlink(server->config->socket_path) ? -errno : 0;
		break;
	case OPERATIONS:
	case DEATH:
		break;
	}
}

static void confine_server(const struct server *server)
{
	const char *const files[] = {server->config->file ? server->config->file : CONFIG_DEFAULT_FILE,
				     XL2TPD_CONFIG, server->config->socket_path,
				     server->config->metrics_file ? server->config->metrics_file
								  : server->config->socket_path};
	char directories[4][PATH_MAX];
	const char *above[4];
	char missing[CONFINE_TEXT_MAX];

	for (size_t i = 0; i < 4; i++) {
		snprintf(directories[i], sizeof directories[i], "%s", files[i]);
		above[i] = dirname(directories[i]);
	}
	const char *const readable[] = {above[0], above[1], NULL};
	const char *const writable[] = {server->config->state_dir, above[2], above[3], NULL};
	const struct confine_files allowed = {.readable = readable, .writable = writable};

	confine(CONFINE_FILES, &allowed, missing); /* the daemon, which lacks the same, says so */
}

static void run(const void *ctx)
{
	struct server server = {.config = ctx};
	struct request request;
	int content;

	snprintf(server.paths[FILES_PEERS], PATH_MAX, "%s/peers", server.config->state_dir);
	snprintf(server.paths[FILES_TUNNELS], PATH_MAX, "%s/tunnels", server.config->state_dir);
	snprintf(server.paths[FILES_BRIDGED], PATH_MAX, "%s/bridged", server.config->state_dir);
	snprintf(server.paths[FILES_ALIASES], PATH_MAX, "%s/aliases", server.config->state_dir);
	if (server.config->metrics_file)
		snprintf(server.paths[FILES_METRICS], PATH_MAX, "%s", server.config->metrics_file);
	confine_server(&server);
	while (helper_receive_passed(HELPER_FD, &request, sizeof request, &content)) {
		struct answer answer = {.operation = request.operation,
					.sequence = request.sequence,
					.target = request.target};
		int fd = -1;

		if (request.operation < OPERATIONS)
			serve(&server, &request, content, &answer, &fd);
		helper_send(HELPER_FD, &answer, sizeof answer, fd, 0);
		if (fd >= 0)
			close(fd);
		if (content >= 0)
			close(content);
	}
}

/* The daemon's end */

/* Of its parent. */
static int tell_death(int fd, pid_t process)
{
	const struct answer death = {.operation = DEATH};

	return process ? 0 : helper_send(fd, &death, sizeof death, -1, MSG_DONTWAIT);
}

static void on_death(struct files *files)
{
	if (files->died)
		files->died(files->ctx);
}

static bool on_message(void *owner, void *message)
{
	struct files *files = owner;
	struct answer *answer = message;

	answer->text[CONFIG_ERROR_MAX - 1] = '\0';
	if ((answer->operation == SAVE || answer->operation == APPEND) && files->saved &&
	    answer->target < FILES_TARGETS)
		files->saved(files->ctx, answer->target, answer->error);
	if (answer->operation == DEATH)
		on_death(files);
	return answer->operation < OPERATIONS;
}

static const struct helper_protocol protocol = {
	.question = sizeof(struct request), .answer = sizeof(struct answer), .take = on_message};
_Static_assert(sizeof(struct answer) <= HELPER_MESSAGE_MAX, "an answer has room");

struct parent_role files_role(const struct config *config)
{
	return (struct parent_role){.name = "natshim-files",
				    .sockets = 1,
				    .run = run,
				    .ctx = config,
				    .tell = tell_death,
				    .end_ms = END_MS};
}

int files_open(struct files **out, int socket)
{
	struct files *files = calloc(1, sizeof *files);

	if (!files)
		return -ENOMEM;
	files->helper =
		(struct helper){.protocol = &protocol, .owner = files, .socket = socket, .alive = true};
	*out = files;
	return 0;
}

void files_close(struct files *files)
{
	if (!files)
		return;
	helper_close(&files->helper);
	free(files);
}

void files_on_news(struct files *files, files_saved_fn *saved, files_died_fn *died, void *ctx)
{
	files->saved = saved;
	files->died = died;
	files->ctx = ctx;
}

FILE *files_begin(void)
{
	const int fd = memfd_create("natshim", MFD_CLOEXEC);
	FILE *content = fd < 0 ? NULL : fdopen(fd, "w");

	if (fd >= 0 && !content)
		close(fd);
	return content;
}

int files_finish(struct files *files, enum files_target target, FILE *content)
{
	struct request request = {.operation = SAVE, .target = target};
	int rc;

	errno = 0;
	if (fflush(content) || ferror(content))
		rc = errno ? -errno : -EIO;
	else
		rc = helper_post(&files->helper, &request, fileno(content));
	fclose(content);
	return rc;
}

int files_append(struct files *files, enum files_target target, const char *line)
{
	struct request request = {.operation = APPEND, .target = target};

	snprintf(request.line, sizeof request.line, "%s", line);
	return helper_post(&files->helper, &request, -1);
}

int files_fd(const struct files *files)
{
	return files->helper.socket;
}

void files_read(struct files *files)
{
	helper_read(&files->helper);
}

static int ask_simply(struct files *files, struct request *request, struct answer *answer)
{
	const int rc = helper_ask(&files->helper, request, answer, ANSWER_MS, NULL);

	return rc ? rc : answer->error;
}

FILE *files_open_config(void *ctx, const char *path)
{
	struct files *files = ctx;
	struct request request = {.operation = OPEN_CONFIG};
	struct answer answer = {.error = 0};
	FILE *in;
	int fd;
	const int rc = helper_ask(&files->helper, &request, &answer, ANSWER_MS, &fd);

	(void)path; /* the process knows it */
	if (rc || answer.error || fd < 0) {
		errno = rc ? -rc : answer.error ? -answer.error : EPROTO;
		return NULL;
	}
	in = fdopen(fd, "r");
	if (!in)
		close(fd);
	return in;
}

bool files_find_interface(struct files *files, const char *name)
{
	struct request request = {.operation = FIND_INTERFACE};
	struct answer answer;

	snprintf(request.name, sizeof request.name, "%s", name);
	return !ask_simply(files, &request, &answer);
}

bool files_find_lns(struct files *files, struct endpoint *out, char error[static CONFIG_ERROR_MAX])
{
	struct request request = {.operation = FIND_LNS};
	struct answer answer = {.text = ""};
	const int rc = ask_simply(files, &request, &answer);

	if (rc)
		snprintf(error, CONFIG_ERROR_MAX, "%s", *answer.text ? answer.text : strerror(-rc));
	else
		*out = answer.lns;
	return !rc;
}

int files_remove_socket(struct files *files)
{
	struct request request = {.operation = REMOVE_SOCKET};
	struct answer answer;

	return ask_simply(files, &request, &answer);
}
