/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that has the pre-shared keys: it reads the file of secrets, and from then on answers two questions, whether
 * there is a secret for two addresses and what SKEYID it makes with two nonces. The secret itself never leaves it, so
 * whoever takes over the process that parses packets cannot carry it away. Once it has read the file it can do nothing but
 * answer. To read the file anew another one is started (shim/proc/parent.h), which takes its place only if it could.
 *
 * A question waits for its answer, which takes some microseconds, but never long: SECRETS_ANSWER_MS, and after that for
 * SECRETS_DEAF_MS not at all. Without an answer bridge mode refuses, and nobody else notices. */
#ifndef NATSHIM_SHIM_PROC_SECRETS_H
#define NATSHIM_SHIM_PROC_SECRETS_H

#include "shim/bridge/bridge.h"
#include "shim/proc/parent.h"
#include "shim/proc/psk.h"

#define SECRETS_ANSWER_MS 100
#define SECRETS_DEAF_MS 5000

struct secrets; /* owned by the caller */

/* The process, and the near end: socket is that of the role's first, and belongs to it from now on. False: the file is not as it must
 * be, or the process does not answer; one line in error. path must outlive the process. */
struct parent_role secrets_role(const char *path);
bool secrets_open(struct secrets **out, int socket, char error[static PSK_ERROR_MAX]);
void secrets_close(struct secrets *secrets); /* the process ends, and what it knows with it */

enum bridge_secret secrets_have(struct secrets *secrets, const struct endpoint *server,
				const struct endpoint *client);
/* As bridge_skeyid_fn. */
size_t secrets_skeyid(struct secrets *secrets, const struct endpoint *server, const struct endpoint *client,
		      uint8_t hash, struct bytes nonce_i, struct bytes nonce_r,
		      uint8_t out[static KEYS_HASH_MAX]);

/* Reads the file anew. False: the old secrets stay, and error says why. Waits for two seconds at most. */
bool secrets_reload(struct secrets *secrets, char error[static PSK_ERROR_MAX]);

/* What happens unasked. text: why, for SECRETS_UNREADABLE. Called from within every function above. */
enum secrets_news {
	SECRETS_DIED,       /* the process has; another one begins */
	SECRETS_BACK,       /* and has read the file */
	SECRETS_UNREADABLE, /* it could not read the file; tried again every second, told once */
	SECRETS_SILENT,     /* a question got no answer in time */
	SECRETS_GONE,       /* and there will be none any more: its parent has died, too */
};
typedef void secrets_news_fn(void *ctx, enum secrets_news news, const char *text);
void secrets_on_news(struct secrets *secrets, secrets_news_fn *fn, void *ctx);

/* Readable: call secrets_read(). -1 when they are gone. */
int secrets_fd(const struct secrets *secrets);
void secrets_read(struct secrets *secrets);

uint64_t secrets_unanswered(const struct secrets *secrets); /* questions */

#endif
