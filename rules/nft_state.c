/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changes while natshim runs: elements of the sets, counters of the rules, and the news that somebody
 * took one of our tables away. */
#include "rules/nft_impl.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <time.h>

enum {
	EVENTS_MAX = 32768,
	BATCH_SIZE = 16 * 1024,
	FULL_PAUSE_MS = 1000,
	MISSING_PAUSE_MS = 200,
};

/* A message with one element of a set, at the end of the batch. */
static void add_element(struct rules_nft *nft, struct rules_batch *batch, uint16_t type,
			const struct rules_set_place *place, const void *key, const void *value,
			unsigned timeout_s)
{
	struct nftnl_set *set = nftnl_set_alloc();
	struct nftnl_set_elem *elem = nftnl_set_elem_alloc();
	struct nlmsghdr *m;

	if (!set || !elem) {
		batch->overflow = true;
		if (elem)
			nftnl_set_elem_free(elem);
		goto out;
	}
	nftnl_set_set_str(set, NFTNL_SET_TABLE, place->table);
	nftnl_set_set_str(set, NFTNL_SET_NAME, place->name);
	nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, key, (uint32_t)ruleset_key_length(place->key));
	if (value)
		nftnl_set_elem_set(elem, NFTNL_SET_ELEM_DATA, value,
				   (uint32_t)ruleset_data_length(place->map));
	if (timeout_s)
		nftnl_set_elem_set_u64(elem, NFTNL_SET_ELEM_TIMEOUT, (uint64_t)timeout_s * 1000);
	nftnl_set_elem_add(set, elem);
	m = rules_batch_open(nft, batch, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0,
			     (struct rules_message){.what = "element of set", .name = place->name});
	if (m) {
		nftnl_set_elems_nlmsg_build_payload(m, set);
		rules_batch_close(batch, m);
	}
out:
	if (set)
		nftnl_set_free(set);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A message without an element means all of them. */
static int empty_set(struct rules_nft *nft, const struct rules_set_place *place)
{
	const struct rules_message *failed;
	struct rules_batch batch;
	char buffer[BATCH_SIZE];
	struct nlmsghdr *m;

	rules_batch_begin(nft, &batch, buffer, sizeof(buffer));
	m = rules_batch_open(nft, &batch, NFT_MSG_DELSETELEM, 0,
			     (struct rules_message){.what = "elements of set", .name = place->name});
	if (m) {
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, place->table);
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, place->name);
		rules_batch_close(&batch, m);
	}
	return rules_batch_send(nft, &batch, &failed);
}

/* Put in, taken out, and put in again, in one step: kernels before 6.12 can't change a time-out, and to take
 * out what is not there would be an error. */
static void put_change(struct rules_nft *nft, struct rules_batch *batch, const struct rules_set_place *place,
		       const void *key, const void *value, unsigned timeout_s, bool keep)
{
	add_element(nft, batch, NFT_MSG_NEWSETELEM, place, key, value, timeout_s);
	add_element(nft, batch, NFT_MSG_DELSETELEM, place, key, value, 0);
	if (keep)
		add_element(nft, batch, NFT_MSG_NEWSETELEM, place, key, value, timeout_s);
}

/* An element of a map that is there with another value, which the kernel does not change. */
static void put_in_place(struct rules_nft *nft, struct rules_batch *batch,
			 const struct rules_set_place *place, const void *key, const void *value,
			 unsigned timeout_s, bool keep)
{
	add_element(nft, batch, NFT_MSG_DELSETELEM, place, key, NULL, 0);
	if (keep)
		add_element(nft, batch, NFT_MSG_NEWSETELEM, place, key, value, timeout_s);
}

/* Errors must be rare: the kernel takes 20 ms to undo a batch, so a set that is full, or that is not there, is left alone for a
 * while. The error to give meanwhile, or 0. keep: something is to be added. */
static int known_refusal(const struct rules_nft *nft, enum rules_set set, bool keep)
{
	if (!nft->refused_until_ms[set] || now_ms() >= nft->refused_until_ms[set])
		return 0;
	return nft->missing[set] ? -ENOENT : keep ? -ENFILE : 0;
}

static void note_refusal(struct rules_nft *nft, enum rules_set set, int error)
{
	nft->missing[set] = error == -ENOENT;
	nft->refused_until_ms[set] = error == -ENFILE   ? now_ms() + FULL_PAUSE_MS
				     : error == -ENOENT ? now_ms() + MISSING_PAUSE_MS
							: 0;
}

void rules_nft_on_change(struct rules_nft *nft, rules_change_fn *fn, void *ctx)
{
	nft->on_change = fn;
	nft->change_ctx = ctx;
}

static void tell_change(const struct rules_nft *nft, const struct rules_set_place *place, const void *key,
			size_t key_length, bool added)
{
	if (nft->on_change)
		nft->on_change(nft->change_ctx, place->name, key, key_length, added);
}

/* value: of an element of a map, as on the wire; else NULL. */
static int change_element(struct rules_nft *nft, enum rules_set set, const void *key, size_t key_length,
			  const void *value, unsigned timeout_s, bool keep)
{
	const struct rules_set_place *place = ruleset_set_place(set);
	const struct rules_message *failed;
	struct rules_batch batch;
	char buffer[BATCH_SIZE];
	int result;

	if (!place || key_length != ruleset_key_length(place->key))
		return -EINVAL;
	result = known_refusal(nft, set, keep);
	if (result)
		return result;
	tell_change(nft, place, key, key_length, keep);
	rules_batch_begin(nft, &batch, buffer, sizeof(buffer));
	put_change(nft, &batch, place, key, value, timeout_s, keep);
	result = rules_batch_send(nft, &batch, &failed);
	if (value && (result == -EBUSY || result == -EEXIST)) {
		rules_batch_begin(nft, &batch, buffer, sizeof(buffer));
		put_in_place(nft, &batch, place, key, value, timeout_s, keep);
		result = rules_batch_send(nft, &batch, &failed);
	}
	note_refusal(nft, set, result);
	return result;
}

int rules_nft_set_add(struct rules_nft *nft, enum rules_set set, const void *key, size_t key_length,
		      unsigned timeout_s)
{
	return change_element(nft, set, key, key_length, NULL, timeout_s, true);
}

int rules_nft_set_delete(struct rules_nft *nft, enum rules_set set, const void *key, size_t key_length)
{
	return change_element(nft, set, key, key_length, NULL, 0, false);
}

static const void *value_of(const struct rules_change *c)
{
	return c->value_length ? c->value : NULL;
}

static void change_later(struct rules_nft *nft, struct rules_change change, const void *key)
{
	const struct rules_set_place *place = ruleset_set_place(change.set);

	if (!place || change.key_length != ruleset_key_length(place->key) ||
	    change.value_length != ruleset_data_length(place->map)) {
		nft->refused++;
		return;
	}
	if (nft->waiting_count == RULES_WAITING_MAX)
		rules_nft_set_flush(nft);
	tell_change(nft, place, key, change.key_length, change.keep);
	memcpy(change.key, key, change.key_length);
	nft->waiting[nft->waiting_count++] = change;
}

void rules_nft_set_add_later(struct rules_nft *nft, enum rules_set set, const void *key, size_t key_length,
			     unsigned timeout_s)
{
	change_later(nft,
		     (struct rules_change){
			     .set = set, .key_length = key_length, .timeout_s = timeout_s, .keep = true},
		     key);
}

void rules_nft_set_delete_later(struct rules_nft *nft, enum rules_set set, const void *key, size_t key_length)
{
	change_later(nft, (struct rules_change){.set = set, .key_length = key_length}, key);
}

void rules_nft_map_change_later(struct rules_nft *nft, enum rules_set map, const void *key, size_t key_length,
				const uint8_t value[static RULES_MAP_VALUE], bool there)
{
	struct rules_change change = {
		.set = map, .key_length = key_length, .value_length = RULES_MAP_VALUE, .keep = there};

	memcpy(change.value, value, RULES_MAP_VALUE);
	change_later(nft, change, key);
}

/* One message to put it in, which changes nothing where it is already; two to take it out, which would be an error where it is
 * not. */
static void put_waiting(struct rules_nft *nft, struct rules_batch *batch, const struct rules_change *c)
{
	const struct rules_set_place *place = ruleset_set_place(c->set);

	add_element(nft, batch, NFT_MSG_NEWSETELEM, place, c->key, value_of(c), c->timeout_s);
	if (!c->keep)
		add_element(nft, batch, NFT_MSG_DELSETELEM, place, c->key, value_of(c), 0);
}

/* One that the kernel refuses takes the others of its batch with it: then each half is tried by itself, until it stands alone.
 * After that its set is known to be full or missing, and others of it are left out. */
static void flush_some(struct rules_nft *nft, const struct rules_change *changes, size_t count)
{
	const struct rules_message *failed;
	struct rules_batch batch;
	size_t left_out = 0;

	if (count == 1 && change_element(nft, changes->set, changes->key, changes->key_length,
					 value_of(changes), changes->timeout_s, changes->keep))
		nft->refused++;
	if (count <= 1)
		return;
	rules_batch_begin(nft, &batch, nft->waiting_buffer, count * 2 * RULES_ELEMENT_MAX + RULES_BATCH_ROOM);
	for (size_t i = 0; i < count; i++) {
		if (known_refusal(nft, changes[i].set, changes[i].keep))
			left_out++;
		else
			put_waiting(nft, &batch, &changes[i]);
	}
	if (left_out == count || !rules_batch_send(nft, &batch, &failed)) {
		nft->refused += left_out;
		return;
	}
	flush_some(nft, changes, count / 2);
	flush_some(nft, changes + count / 2, count - count / 2);
}

void rules_nft_set_flush(struct rules_nft *nft)
{
	flush_some(nft, nft->waiting, nft->waiting_count);
	nft->waiting_count = 0;
}

uint64_t rules_nft_set_refused(const struct rules_nft *nft)
{
	return nft->refused;
}

struct element_dump {
	rules_element_fn *fn;
	void *ctx;
};

static int tell_element(struct nftnl_set_elem *elem, void *ctx)
{
	const struct element_dump *dump = ctx;
	uint32_t length = 0;
	const void *key = nftnl_set_elem_get(elem, NFTNL_SET_ELEM_KEY, &length);
	uint64_t expires = 0;

	if (nftnl_set_elem_is_set(elem, NFTNL_SET_ELEM_EXPIRATION))
		expires = nftnl_set_elem_get_u64(elem, NFTNL_SET_ELEM_EXPIRATION);
	if (key)
		dump->fn(dump->ctx, key, length, expires);
	return 0;
}

static void tell_elements(void *ctx, const struct nlmsghdr *answer)
{
	struct nftnl_set *set = nftnl_set_alloc();

	if (set && nftnl_set_elems_nlmsg_parse(answer, set) == 0)
		nftnl_set_elem_foreach(set, tell_element, ctx);
	if (set)
		nftnl_set_free(set);
}

/* A question for one element: with several in one message the kernel stops at the first that it does not have. */
static size_t put_question(struct rules_nft *nft, char *at, const struct rules_set_place *place,
			   const void *key)
{
	struct nlmsghdr *m = nftnl_nlmsg_build_hdr(at, NFT_MSG_GETSETELEM, NFPROTO_INET, 0, nft->sequence++);
	struct nlattr *elements, *element, *part;

	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, place->table);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, place->name);
	elements = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
	part = mnl_attr_nest_start(m, NFTA_SET_ELEM_KEY);
	mnl_attr_put(m, NFTA_DATA_VALUE, ruleset_key_length(place->key), key);
	mnl_attr_nest_end(m, part);
	mnl_attr_nest_end(m, element);
	mnl_attr_nest_end(m, elements);
	return NLMSG_ALIGN(m->nlmsg_len);
}

/* Whether the set itself is there: else its elements are not found, all of them. */
static size_t put_set_question(struct rules_nft *nft, char *at, const struct rules_set_place *place)
{
	struct nlmsghdr *m = nftnl_nlmsg_build_hdr(at, NFT_MSG_GETSET, NFPROTO_INET, 0, nft->sequence++);

	mnl_attr_put_strz(m, NFTA_SET_TABLE, place->table);
	mnl_attr_put_strz(m, NFTA_SET_NAME, place->name);
	return NLMSG_ALIGN(m->nlmsg_len);
}

/* One answer for each question, the first for the set. */
struct answers {
	uint32_t first;
	size_t count;
	int error;
	struct element_dump dump;
};

static void take_answer(struct answers *a, const struct nlmsghdr *answer)
{
	const uint32_t index = answer->nlmsg_seq - a->first;
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(answer);
	const bool is_error = answer->nlmsg_type == NLMSG_ERROR;

	if (index > RULES_GET_MAX)
		return; /* of something else */
	a->count++;
	if (is_error && e->error && !(index && e->error == -ENOENT) && !a->error)
		a->error = e->error;
	if (!is_error && index && (answer->nlmsg_type & 0xff) == NFT_MSG_NEWSETELEM)
		tell_elements(&a->dump, answer);
}

static int read_answers(struct rules_nft *nft, struct answers *a, size_t wanted)
{
	char buffer[EVENTS_MAX];

	for (;;) {
		ssize_t got = mnl_socket_recvfrom(nft->socket, buffer, sizeof(buffer));
		int left = (int)got;
		if (got < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (got < 0 && errno != EAGAIN)
			return -errno;
		if (got < 0)
			return a->error ? a->error : a->count < wanted ? -EIO : 0;
		for (const struct nlmsghdr *n = (void *)buffer; mnl_nlmsg_ok(n, left);
		     n = mnl_nlmsg_next(n, &left))
			take_answer(a, n);
	}
}

int rules_nft_set_get(struct rules_nft *nft, enum rules_set set, const void *keys, size_t count,
		      rules_element_fn *fn, void *ctx)
{
	const struct rules_set_place *place = ruleset_set_place(set);
	struct answers answers = {.first = nft->sequence, .dump = {fn, ctx}};
	char buffer[(RULES_GET_MAX + 1) * RULES_ELEMENT_MAX] = {0};
	size_t used;

	if (!place || count > RULES_GET_MAX)
		return -EINVAL;
	used = put_set_question(nft, buffer, place);
	for (size_t i = 0; i < count; i++)
		used += put_question(nft, buffer + used, place,
				     (const char *)keys + i * ruleset_key_length(place->key));
	while (mnl_socket_sendto(nft->socket, buffer, used) < 0)
		if (errno != EINTR)
			return -errno;
	return read_answers(nft, &answers, count + 1);
}

static bool has_set(const struct rules_table *table, const char *name)
{
	for (size_t i = 0; i < table->set_count; i++)
		if (!strcmp(table->sets[i].name, name))
			return true;
	return false;
}

const char *rules_nft_missing_set(struct rules_nft *nft, const struct ruleset *ruleset)
{
	const char *missing = NULL;

	for (size_t i = 0; i < RULES_SETS; i++) {
		const struct rules_set_place *place = ruleset_set_place((enum rules_set)i);
		int result;

		if (strcmp(place->table, RULES_QUEUE_TABLE) != 0 ||
		    !has_set(&ruleset->tables[RULES_TABLE_QUEUE], place->name))
			continue;
		result = rules_nft_set_get(nft, (enum rules_set)i, NULL, 0, NULL, NULL);
		if (result == -ENOENT && !missing)
			missing = place->name;
		if (!result && nft->missing[i])
			nft->refused_until_ms[i] = 0;
	}
	return missing;
}

static void ignore_element(void *ctx, const void *key, size_t key_length, uint64_t expires_ms)
{
	(void)ctx;
	(void)key;
	(void)key_length;
	(void)expires_ms;
}

int rules_nft_empty_alias(struct rules_nft *nft, const char **missing)
{
	static const uint8_t any_key[RULES_KEY_MAX];

	for (size_t i = 0; i < RULES_SETS; i++) {
		const enum rules_set set = (enum rules_set)i;
		const struct rules_set_place *place = ruleset_set_place(set);
		int result = 0;

		if (!strcmp(place->table, RULES_ALIAS_TABLE))
			result = empty_set(nft, place);
		else if (set == RULES_SET_ALIASED || set == RULES_SET_ANSWERED)
			result = rules_nft_set_get(nft, set, any_key, 1, ignore_element, NULL);
		if (result) {
			*missing = place->name;
			return result;
		}
		nft->refused_until_ms[i] = 0;
	}
	return 0;
}

struct counter_dump {
	rules_counter_fn *fn;
	void *ctx;
	const char *comment;
};

static int note_comment(const struct nftnl_udata *attribute, void *ctx)
{
	const char *text = nftnl_udata_get(attribute);
	const uint8_t length = nftnl_udata_len(attribute);

	if (nftnl_udata_type(attribute) == NFTNL_UDATA_RULE_COMMENT && length && text[length - 1] == '\0')
		((struct counter_dump *)ctx)->comment = text;
	return 0;
}

static int tell_counter(struct nftnl_expr *expr, void *ctx)
{
	const struct counter_dump *dump = ctx;

	if (strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), "counter") == 0)
		dump->fn(dump->ctx, dump->comment, nftnl_expr_get_u64(expr, NFTNL_EXPR_CTR_PACKETS),
			 nftnl_expr_get_u64(expr, NFTNL_EXPR_CTR_BYTES));
	return 0;
}

static void tell_rule(void *ctx, const struct nlmsghdr *answer)
{
	struct counter_dump *dump = ctx;
	struct nftnl_rule *rule = nftnl_rule_alloc();
	const void *udata;
	uint32_t length = 0;

	dump->comment = NULL;
	if (rule && nftnl_rule_nlmsg_parse(answer, rule) == 0) {
		udata = nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &length);
		if (udata && nftnl_udata_parse(udata, length, note_comment, dump) >= 0 && dump->comment)
			nftnl_expr_foreach(rule, tell_counter, dump);
	}
	if (rule)
		nftnl_rule_free(rule);
}

int rules_nft_counters_of(struct rules_nft *nft, const char *table, rules_counter_fn *fn, void *ctx)
{
	struct counter_dump dump = {.fn = fn, .ctx = ctx};
	char buffer[512] = {0};
	struct nlmsghdr *request =
		nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP, nft->sequence++);
	int result;

	mnl_attr_put_strz(request, NFTA_RULE_TABLE, table);
	result = rules_nft_get(nft, request, tell_rule, &dump);
	return result == -ENOENT ? 0 : result;
}

int rules_nft_counters(struct rules_nft *nft, rules_counter_fn *fn, void *ctx)
{
	static const char *const tables[] = {RULES_TABLE, RULES_QUEUE_TABLE, RULES_ALIAS_TABLE};
	int result = 0;

	for (size_t i = 0; !result && i < sizeof(tables) / sizeof(*tables); i++)
		result = rules_nft_counters_of(nft, tables[i], fn, ctx);
	return result;
}

int rules_nft_watch_fd(const struct rules_nft *nft)
{
	return mnl_socket_get_fd(nft->events);
}

/* The table's name has the number 1 in every kind of message. */
static int note_table(const struct nlattr *attribute, void *ctx)
{
	if (mnl_attr_get_type(attribute) == NFTA_TABLE_NAME &&
	    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
		*(const char **)ctx = mnl_attr_get_str(attribute);
	return MNL_CB_OK;
}

/* Something of ours was removed by somebody else: the table, or a chain, rule or set of it. Elements come and
 * go. */
static void judge_event(const struct rules_nft *nft, const struct nlmsghdr *event, bool *base_gone,
			bool *queue_gone, bool *alias_gone)
{
	const char *table = NULL;

	if (event->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || event->nlmsg_pid == nft->portid)
		return;
	switch (event->nlmsg_type & 0xff) {
	case NFT_MSG_DELTABLE:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_DELRULE:
	case NFT_MSG_DELSET:
		break;
	default:
		return;
	}
	mnl_attr_parse(event, sizeof(struct nfgenmsg), note_table, &table);
	if (table && strcmp(table, RULES_TABLE) == 0)
		*base_gone = true;
	if (table && strcmp(table, RULES_QUEUE_TABLE) == 0)
		*queue_gone = true;
	if (table && strcmp(table, RULES_ALIAS_TABLE) == 0)
		*alias_gone = true;
}

int rules_nft_watch_read(struct rules_nft *nft, bool *base_gone, bool *queue_gone, bool *alias_gone)
{
	char buffer[EVENTS_MAX];

	*base_gone = *queue_gone = *alias_gone = false;
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(nft->events, buffer, sizeof(buffer));
		int left = (int)got;
		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != ENOBUFS)
			return -errno;
		if (got < 0) { /* events were lost */
			*base_gone |= rules_nft_table_exists(nft, RULES_TABLE, NULL) == -ENOENT;
			*queue_gone |= rules_nft_table_exists(nft, RULES_QUEUE_TABLE, NULL) == -ENOENT;
			*alias_gone |= rules_nft_table_exists(nft, RULES_ALIAS_TABLE, NULL) == -ENOENT;
			continue;
		}
		for (const struct nlmsghdr *n = (void *)buffer; mnl_nlmsg_ok(n, left);
		     n = mnl_nlmsg_next(n, &left))
			judge_event(nft, n, base_gone, queue_gone, alias_gone);
	}
}
