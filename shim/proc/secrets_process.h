/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of shim/proc/secrets: the messages on its socket pair, and the process at the other end. Fixed structures in
 * sequenced packets between processes of one program; both ends check what comes in. */
#ifndef NATSHIM_SHIM_PROC_SECRETS_PROCESS_H
#define NATSHIM_SHIM_PROC_SECRETS_PROCESS_H

#include "shim/bridge/keys.h"
#include "shim/proc/psk.h"

#include <sys/types.h>

#define SECRETS_NONCE_MIN 8 /* bytes: RFC 2409 section 5 */
#define SECRETS_NONCE_MAX 256

enum secrets_operation {
	SECRETS_HAVE,   /* is there one for these addresses? */
	SECRETS_SKEYID, /* SKEYID with these nonces */
	SECRETS_LOAD,   /* read the file anew */
	SECRETS_DEATH,  /* an answer that nobody asked for: the process has died */
	SECRETS_OPERATIONS
};

struct secrets_request {
	uint32_t sequence; /* comes back with the answer */
	enum secrets_operation operation;
	struct endpoint server, client;
	uint8_t hash;
	uint16_t nonce_i_length, nonce_r_length;
	uint8_t nonce_i[SECRETS_NONCE_MAX], nonce_r[SECRETS_NONCE_MAX];
};

struct secrets_answer {
	uint32_t sequence; /* 0: nobody asked */
	enum secrets_operation operation;
	bool done;      /* there is one; here is SKEYID; the file was read */
	bool everybody; /* SECRETS_LOAD: there is one for whoever it may be, no need to ask */
	uint8_t skeyid_length;
	uint8_t skeyid[KEYS_HASH_MAX];
	char text[PSK_ERROR_MAX]; /* SECRETS_LOAD that failed */
};

/* The process: reads the file, whose path ctx is, and answers on the helper's socket until the other end closes it. */
void secrets_process(const void *ctx);
/* Of its parent (struct parent_role). */
int secrets_tell_death(int fd, pid_t process);

#endif
