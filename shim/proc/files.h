/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that has the file system for the confined daemon: it writes the state and metrics files, reads what a reload
 * needs, and does nothing else. One operation a message; which file is meant is an enum, its path was fixed at the start,
 * so a daemon that was taken over can name none. Saving and appending never wait; the questions of a reload do, for a bounded time. */
#ifndef NATSHIM_SHIM_PROC_FILES_H
#define NATSHIM_SHIM_PROC_FILES_H

#include "shim/config.h"
#include "shim/proc/parent.h"

#include <stdio.h>

enum files_target { FILES_PEERS, FILES_TUNNELS, FILES_BRIDGED, FILES_ALIASES, FILES_METRICS, FILES_TARGETS };
#define FILES_LINE_MAX 512 /* bytes of one that is appended, its end included */

struct files; /* owned by the caller */

/* What became of a file that was saved: error 0 or -errno. */
typedef void files_saved_fn(void *ctx, enum files_target target, int error);

/* The process, and the near end: socket is that of the role's first, and belongs to it from now on. 0 or -errno. config stays the
 * caller's, and must outlive the process. */
struct parent_role files_role(const struct config *config);
int files_open(struct files **out, int socket);
/* What was handed over is still written. */
void files_close(struct files *files);
/* The process has died, and another one begins; what was handed to the one that died may not be written. Called from within any function
 * here. */
typedef void files_died_fn(void *ctx);
void files_on_news(struct files *files, files_saved_fn *saved, files_died_fn *died, void *ctx);

/* A stream for the whole new content (in memory), and its handing over; the stream is closed in any case. NULL with errno;
 * 0 or -errno: -EAGAIN when earlier ones wait still. */
FILE *files_begin(void);
int files_finish(struct files *files, enum files_target target, FILE *content);
/* Adds a line to a file that is there. Once this has returned the line is written even if this process is killed. 0 or -errno, as
 * above; what has come of it is told as of a whole file. */
int files_append(struct files *files, enum files_target target, const char *line);
/* Hands what has become of them to the functions above; does not block. */
void files_read(struct files *files);
int files_fd(const struct files *files); /* readable: call files_read */

/* For a reload: the configuration file as config_reload() wants it (ctx: the struct files), the two questions of
 * shim/firewall.h, and at the end the control socket's removal. errno and results as of the functions they stand for. */
FILE *files_open_config(void *ctx, const char *path);
bool files_find_interface(struct files *files, const char *name);
bool files_find_lns(struct files *files, struct endpoint *out, char error[static CONFIG_ERROR_MAX]);
int files_remove_socket(struct files *files);

#endif
