/* The inside of shim/stack/swapper: the messages on its socket pair, and the two processes at the other end: one that has the
 * XFRM sockets over which SAs are changed, and its keeper. Fixed structures in sequenced packets between processes of one
 * program; both ends check what comes in. */
#ifndef NATSHIM_SHIM_STACK_SWAP_PROCESS_H
#define NATSHIM_SHIM_STACK_SWAP_PROCESS_H

#include "shim/stack/swap.h"

enum swap_operation {
	SWAP_DO_KEYS, /* swap_keys(): change */
	SWAP_DO_LOOK, /* swap_look(): spis towards change.destination */
	SWAP_OPERATIONS
};

struct swap_request {
	enum swap_operation operation;
	uint32_t sequence; /* comes back with the answer */
	struct swap_change change;
	uint8_t spi_count;
	uint8_t spis[SWAP_LOOK_MAX][4]; /* network order */
};

enum swap_answer_kind {
	SWAP_DONE,  /* to a request: error, before */
	SWAP_ADDED, /* unasked: somebody has added this SA; without an address: some have been missed */
	SWAP_READY, /* unasked: a process begins; error: it could not, and there will be none */
	SWAP_DEATH, /* of the keeper, unasked: the process has died */
	SWAP_ANSWERS
};

struct swap_answer {
	enum swap_answer_kind kind;
	uint32_t sequence; /* SWAP_DONE */
	int error;         /* 0 or -errno */
	struct endpoint destination;
	uint8_t spi[4];
	struct esp_sa before;
};

/* Whether it can be meant. */
bool swap_request_sound(const struct swap_request *request);

/* Keeps a process that answers running on the helper's socket until the other end closes it. ctx: nothing. */
void swap_process_keep(const void *ctx);

#endif
