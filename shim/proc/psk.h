/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pre-shared keys out of a file in the syntax of ipsec.secrets: `: PSK "secret"' for everybody, `ADDR ADDR : PSK "secret"'
 * for the two ends (either order; %any stands for all). Other kinds of keys are passed over, include is not followed.
 * Reads the file and nothing else; keeps the secrets until psk_free(), which wipes them. */
#ifndef NATSHIM_SHIM_PROC_PSK_H
#define NATSHIM_SHIM_PROC_PSK_H

#include "shim/bridge/keys.h"
#include "nfq/endpoint.h"

#define PSK_ERROR_MAX 192

struct psk; /* owned by the caller */

/* The file must be a regular one of root (or of whoever we are) that nobody else may read. NULL: error says why, and how
 * to mend it; never a secret. */
struct psk *psk_load(const char *path, char error[static PSK_ERROR_MAX]);
void psk_free(struct psk *psk);

/* The one that fits best: both ends named, one of them, %any, everybody's. Length 0: none. Borrowed. */
struct bytes psk_find(const struct psk *psk, const struct endpoint *server, const struct endpoint *client);
bool psk_everybody(const struct psk *psk); /* one of them is everybody's: there is always one to be found */

#endif
