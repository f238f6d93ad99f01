/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state files: whatever stands in them, whole entries come back or nothing, within the tables' bounds. The first byte
 * says which file it is. */
#include "shim/daemon/stale_sas.h"
#include "shim/daemon/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PEERS_MAX = 16 };

static char directory[] = "/tmp/natshim-fuzz-XXXXXX", path[64];

static void clean_up(void)
{
	snprintf(path, sizeof path, "%s/peers", directory);
	unlink(path);
	snprintf(path, sizeof path, "%s/tunnels", directory);
	unlink(path);
	snprintf(path, sizeof path, "%s/bridged", directory);
	unlink(path);
	snprintf(path, sizeof path, "%s/aliases", directory);
	unlink(path);
	rmdir(directory);
}

static void write_file(const char *name, const uint8_t *data, size_t size)
{
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	out = fopen(path, "w");
	if (!out || fwrite(data, 1, size, out) != size || fclose(out))
		abort();
}

static void load_peers(void)
{
	const struct ike_config config = {.max_peers = PEERS_MAX, .max_exchanges = 4};
	struct ike_table *table = ike_table_new(&config);
	unsigned restored, bad;

	if (!table || state_load_peers(directory, table, 1u << 30, &restored, &bad) ||
	    ike_table_stats(table).peers > PEERS_MAX || ike_table_stats(table).peers > restored)
		abort();
	ike_table_free(table);
}

static void load_tunnels(void)
{
	const struct l2tp_config config = {.hostname = "anonymous"};
	struct l2tp_table *table = l2tp_table_new(&config);
	unsigned restored, bad;

	if (!table || state_load_tunnels(directory, table, 1u << 30, &restored, &bad))
		abort();
	l2tp_table_free(table);
}

/* What was understood is written as something that is understood again, and the same. */
static void check_entry(void *ctx, const struct bridge_entry *entry)
{
	char line[STATE_BRIDGED_MAX], again[STATE_BRIDGED_MAX];
	const char *const text = state_bridged_text(entry, line);

	if (strlen(text) < 32 || entry->child_sa_count > BRIDGE_CHILD_SAS_MAX ||
	    strcmp(text, state_bridged_text(entry, again)) != 0)
		abort();
	stale_sas_add(ctx, entry);
}

static void load_bridged(void)
{
	struct stale_sas *stale_sas = stale_sas_new();
	struct stack_end_request request;
	unsigned bad;

	if (!stale_sas || state_load_bridged(directory, check_entry, stale_sas, &bad))
		abort();
	while (stale_sas_next(stale_sas, 0, NULL, &request)) {
		if (request.sa_count > STACK_SAS_MAX || !stale_sas_is(request.id))
			abort();
		stale_sas_result(stale_sas, 0, 0);
	}
	if (stale_sas_count(stale_sas))
		abort();
	stale_sas_free(stale_sas);
}

static struct alias_life nobody_lives(void *ctx, const struct endpoint *at)
{
	(void)ctx;
	(void)at;
	return (struct alias_life){.quiet_ms = UINT64_MAX};
}

static const char *offer_name(uint8_t offer)
{
	return ike_dialect_name((enum ike_dialect)offer);
}

static bool offer_word(const char *word, uint8_t *offer)
{
	enum ike_dialect dialect = IKE_DIALECT_NONE;
	const bool known = ike_dialect_parse(word, &dialect);

	*offer = (uint8_t)dialect;
	return known;
}

static struct alias_table *load_alias_table(unsigned *restored)
{
	const struct alias_config config = {.net = {.addr = {198, 18}, .addr_len = 4},
					    .prefix = 16,
					    .life = nobody_lives,
					    .offer_name = offer_name,
					    .offer_parse = offer_word};
	struct alias_table *table = alias_table_new(&config);
	unsigned bad;

	if (!table || state_load_aliases(directory, table, 1u << 30, restored, &bad) ||
	    alias_stats(table).clients != *restored || alias_stats(table).aliases > *restored)
		abort();
	return table;
}

/* What was understood is written as something that is understood again, and the same. */
static void load_aliases(void)
{
	unsigned restored, again;
	struct alias_table *table = load_alias_table(&restored);
	const size_t aliases = alias_stats(table).aliases;
	FILE *out;

	snprintf(path, sizeof path, "%s/aliases", directory);
	out = fopen(path, "w");
	if (!out)
		abort();
	state_write_aliases(out, table, 1u << 30);
	if (fclose(out))
		abort();
	alias_table_free(table);
	table = load_alias_table(&again);
	if (again != restored || alias_stats(table).aliases != aliases)
		abort();
	alias_table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		const char *name;
		void (*load)(void);
	} files[] = {{"peers", load_peers},
		     {"tunnels", load_tunnels},
		     {"bridged", load_bridged},
		     {"aliases", load_aliases}};
	static bool begun;

	if (!begun) {
		if (!mkdtemp(directory))
			abort();
		atexit(clean_up);
		begun = true;
	}
	if (!size)
		return 0;
	const size_t which = data[0] % 4U;

	write_file(files[which].name, data + 1, size - 1);
	files[which].load();
	return 0;
}
