/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libreswan's status lines. What is taken must fit its buffers and name a state, a pair of SPIs or an ID. */
#include "shim/stack/whack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(void *ctx, const struct whack_line *line)
{
	(void)ctx;
	if (memchr(line->connection, '\0', sizeof line->connection) == NULL ||
	    memchr(line->id, '\0', sizeof line->id) == NULL || line->connection[0] != '"')
		abort();
	if (line->kind == WHACK_OTHER || (line->kind == WHACK_ID) != (line->id[0] != '\0'))
		abort();
	if (line->kind == WHACK_SAS && !line->peer.addr_len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	whack_parse((const char *)data, size, check, NULL);
	return 0;
}
