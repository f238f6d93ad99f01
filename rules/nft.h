/* The ruleset in the kernel: libnftnl over libmnl, one batch (all or nothing), one socket that owns natshim_queue. Every
 * function returns 0 or -errno and writes why into error. Kernel header: linux/netfilter/nf_tables.h. */
#ifndef NATSHIM_RULES_NFT_H
#define NATSHIM_RULES_NFT_H

#include "rules/ruleset.h"

#define RULES_ERROR_MAX 160

struct rules_nft;

struct rules_features {
	bool owner, native_queue, xt_queue, secpath, tables /* nf_tables at all */;
};

int rules_nft_open(struct rules_nft **out, char error[static RULES_ERROR_MAX]);
void rules_nft_close(struct rules_nft *nft); /* the kernel removes an owned natshim_queue with it; natshim stays */

/* What this kernel can do, found by trying in tables of its own name that are removed again. */
int rules_nft_probe(struct rules_nft *nft, struct rules_features *out, char error[static RULES_ERROR_MAX]);

/* Replaces natshim and natshim_queue as a whole, atomically; elements of the sets that are kept between two rulesets are
 * the caller's to put back. */
int rules_nft_install(struct rules_nft *nft, const struct ruleset *ruleset, char error[static RULES_ERROR_MAX]);
/* Only the table "natshim", after somebody's flush. */
int rules_nft_install_base(struct rules_nft *nft, const struct ruleset *ruleset, char error[static RULES_ERROR_MAX]);
/* Both tables; none there is no error. */
int rules_nft_remove(struct rules_nft *nft, char error[static RULES_ERROR_MAX]);

/* Adds or refreshes one element; committed when it returns (the packet path relies on that). Cheap: one send, no wait. */
int rules_nft_set_add(struct rules_nft *nft, enum rules_set set, const void *key, size_t key_length, unsigned timeout_s);
/* The elements of a kernel-filled set, with the time in ms until each expires. */
typedef void rules_element_fn(void *ctx, const void *key, size_t key_length, uint64_t expires_ms);
int rules_nft_set_dump(struct rules_nft *nft, enum rules_set set, rules_element_fn *fn, void *ctx);
/* Packets counted by the rule with this comment (rules carry comments as names: "clear-l2tp-dropped"). */
typedef void rules_counter_fn(void *ctx, const char *rule, uint64_t packets, uint64_t bytes);
int rules_nft_counters(struct rules_nft *nft, rules_counter_fn *fn, void *ctx);

/* Events of nf_tables on a second socket: tells that one of our tables was taken away by somebody else. */
int rules_nft_watch_fd(const struct rules_nft *nft);
/* True in *base_gone / *queue_gone when that table is no longer there. Reads all that is ready; an overrun counts as
 * "look yourself". */
int rules_nft_watch_read(struct rules_nft *nft, bool *base_gone, bool *queue_gone);

#endif
