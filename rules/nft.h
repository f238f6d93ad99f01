/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ruleset in the kernel: libnftnl over libmnl, one batch (all or nothing), one socket that owns
 * natshim_queue. Every function returns 0 or -errno; those with an error buffer write why, as one line
 * without a full stop that names the thing, the reason and the mend ("another natshim owns table
 * natshim_queue ..."), to be printed behind "natshim: rules: ". Nothing here waits: the kernel answers
 * nf_tables messages inside sendmsg(). One thread only. Kernel header: linux/netfilter/nf_tables.h. */
#ifndef NATSHIM_RULES_NFT_H
#define NATSHIM_RULES_NFT_H

#include "rules/ruleset.h"

#define RULES_ERROR_MAX 160

struct rules_nft;

struct rules_features {
	bool tables;       /* nf_tables at all */
	bool owner;        /* tables with an owner (Linux 5.12) */
	bool native_queue; /* the queue expression */
	bool xt_queue;     /* NFQUEUE of x_tables through nft_compat */
	bool secpath;      /* meta secpath, that is IPsec */
	bool ipsec_spi;    /* the xfrm expression: by which SA a packet came */
	bool fib;          /* fib daddr type */
	bool limit;        /* limit in a dynamic set */
	bool defrag;       /* tproxy, which has datagrams put together */
};

int rules_nft_open(struct rules_nft **out, char error[static RULES_ERROR_MAX]);
void rules_nft_close(
	struct rules_nft *nft); /* the kernel removes an owned natshim_queue with it; natshim stays */

/* What this kernel can do, found by trying: in one batch with its own removal, so that nobody ever sees it.
 */
int rules_nft_probe(struct rules_nft *nft, struct rules_features *out, char error[static RULES_ERROR_MAX]);

/* Replaces natshim and natshim_queue as a whole, atomically; elements of the sets that are kept between two
 * rulesets are the caller's to put back. */
int rules_nft_install(struct rules_nft *nft, const struct ruleset *ruleset,
		      char error[static RULES_ERROR_MAX]);
/* Only the table "natshim", after somebody's flush. */
int rules_nft_install_base(struct rules_nft *nft, const struct ruleset *ruleset,
			   char error[static RULES_ERROR_MAX]);
/* Only the table "natshim_alias", which the two above leave as it is: its maps are empty then. And away with it. */
int rules_nft_install_alias(struct rules_nft *nft, const struct ruleset *ruleset,
			    char error[static RULES_ERROR_MAX]);
int rules_nft_remove_alias(struct rules_nft *nft, char error[static RULES_ERROR_MAX]);
/* Somebody else has loaded that table, and natshim_queue with its sets for aliases: takes all elements out of the table's maps. -ENOENT
 * where one of them is missing; its name is in *missing. */
int rules_nft_empty_alias(struct rules_nft *nft, const char **missing);
/* Takes the rules out of natshim_queue's base chains: nothing comes up any more. All else stays, for the removal of a hook makes the
 * kernel drop what waits in the queue (of a base chain, and of defragmentation with its rule): drain it between this and
 * rules_nft_remove(). */
int rules_nft_quiet(struct rules_nft *nft, char error[static RULES_ERROR_MAX]);
/* All three tables, or none: a natshim_queue that another natshim owns is an error. None there is no error. */
int rules_nft_remove(struct rules_nft *nft, char error[static RULES_ERROR_MAX]);

#define RULES_MAP_VALUE 8

/* Adds one element, or begins its time-out anew; committed when it returns (the packet path relies on that).
 * Cheap: one send, no wait, about 30 us. timeout_s 0: the set's own (2 min for exchanges, 8 h for peers).
 * -ENFILE when the set is full, -ENOENT when the table is not there (then for a second, or 200 ms, without asking
 * the kernel, whose refusals are slow): count it and go on. */
int rules_nft_set_add(struct rules_nft *nft, enum rules_set set, const void *key, size_t key_length,
		      unsigned timeout_s);
/* No error when it is not in the set (any more). */
int rules_nft_set_delete(struct rules_nft *nft, enum rules_set set, const void *key, size_t key_length);
/* The same for many changes, cheaper; the time-out of one that is in the set already does not begin anew. They wait for each other until the flush, which is to come before
 * whatever relies on them. More than fit flush by themselves. */
void rules_nft_set_add_later(struct rules_nft *nft, enum rules_set set, const void *key, size_t key_length,
			     unsigned timeout_s);
void rules_nft_set_delete_later(struct rules_nft *nft, enum rules_set set, const void *key,
				size_t key_length);
/* The same for a map to an address and port (value, as on the wire: 8 bytes, the port in the first two of the last four). To take one out,
 * the value that it has is needed. */
void rules_nft_map_change_later(struct rules_nft *nft, enum rules_set map, const void *key, size_t key_length,
				const uint8_t value[static RULES_MAP_VALUE], bool there);
void rules_nft_set_flush(struct rules_nft *nft);
/* Called with each change of an element before it goes to the kernel; NULL: nobody wants to know. */
typedef void rules_change_fn(void *ctx, const char *set, const uint8_t *key, size_t key_length, bool added);
void rules_nft_on_change(struct rules_nft *nft, rules_change_fn *fn, void *ctx);
uint64_t
rules_nft_set_refused(const struct rules_nft *nft); /* of these, those that the kernel did not take */

/* Those of these keys that are in the set, with the time in ms until each expires (0: never). keys: count of them, at most
 * RULES_GET_MAX, one right after the other. Asks for each by itself, about 3 us: what else is in the set costs nothing, and none
 * is missed when it changes meanwhile, as it may be in a dump. -ENOENT: there is no such set. */
#define RULES_GET_MAX 100
typedef void rules_element_fn(void *ctx, const void *key, size_t key_length, uint64_t expires_ms);
int rules_nft_set_get(struct rules_nft *nft, enum rules_set set, const void *keys, size_t count,
		      rules_element_fn *fn, void *ctx);
/* The name of a set that the ruleset has in natshim_queue and the kernel has not; NULL: none. Static text. Those that are there can be
 * filled at once, also where they were not a moment ago. */
const char *rules_nft_missing_set(struct rules_nft *nft, const struct ruleset *ruleset);
/* Packets counted by each rule that has a name (its comment, see rules/ruleset.h): "clear-l2tp". */
typedef void rules_counter_fn(void *ctx, const char *rule, uint64_t packets, uint64_t bytes);
int rules_nft_counters(struct rules_nft *nft, rules_counter_fn *fn, void *ctx);
/* Those of one table (RULES_TABLE, RULES_QUEUE_TABLE, RULES_ALIAS_TABLE), for a caller who does it in pieces. */
int rules_nft_counters_of(struct rules_nft *nft, const char *table, rules_counter_fn *fn, void *ctx);

/* Events of nf_tables on a second socket: tells that one of our tables was taken away by somebody else. */
int rules_nft_watch_fd(const struct rules_nft *nft);
/* True in *base_gone / *queue_gone / *alias_gone when somebody else removed that table (alias_gone: or it was never there), or a chain, rule or set of it:
 * install it again. Reads all that is ready; after an overrun it looks for the tables itself. */
int rules_nft_watch_read(struct rules_nft *nft, bool *base_gone, bool *queue_gone, bool *alias_gone);

#endif
