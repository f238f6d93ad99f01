/* The state files: whatever stands in them, whole entries come back or nothing, within the tables' bounds. The first byte
 * says which file it is. */
#include "shim/state.h"

#include <stdio.h>
#include <stdlib.h>
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;

	if (!begun) {
		if (!mkdtemp(directory))
			abort();
		atexit(clean_up);
		begun = true;
	}
	if (!size)
		return 0;
	write_file(data[0] & 1 ? "tunnels" : "peers", data + 1, size - 1);
	if (data[0] & 1)
		load_tunnels();
	else
		load_peers();
	return 0;
}
