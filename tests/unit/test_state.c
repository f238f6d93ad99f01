/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state directory: what is written comes back, and what is damaged does no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/daemon/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/natshim-state-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) && !state_prepare(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof path, "%s/peers", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/tunnels", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/aliases", dir);
	unlink(path);
	return rmdir(dir);
}

static struct ike_table *new_table(void)
{
	const struct ike_config config = {.max_peers = 16};
	struct ike_table *table = ike_table_new(&config);

	assert_non_null(table);
	return table;
}

static void remember(struct ike_table *table, uint64_t now_ms, const char *peer, enum ike_dialect dialect)
{
	struct endpoint e;

	assert_true(endpoint_parse(peer, &e));
	assert_true(ike_table_restore_peer(table, now_ms, &e, dialect, 0, true));
}

static enum ike_dialect dialect_of(struct ike_table *table, uint64_t now_ms, const char *peer)
{
	struct endpoint e;

	assert_true(endpoint_parse(peer, &e));
	return ike_table_seen_dialect(table, now_ms, &e);
}

static FILE *begin(const char *name)
{
	char path[64];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	out = fopen(path, "w");
	assert_non_null(out);
	return out;
}

static void save_two(uint64_t now_ms)
{
	struct ike_table *table = new_table();

	remember(table, now_ms, "192.0.2.9:23412", IKE_DIALECT_APPLE);
	remember(table, now_ms, "[2001:db8::9]:500", IKE_DIALECT_DRAFT_07);
	FILE *out = begin("peers");

	state_write_peers(out, table, now_ms);
	assert_int_equal(fclose(out), 0);
	ike_table_free(table);
}

static void test_peers_there_and_back(void **state)
{
	struct ike_table *table = new_table();
	unsigned restored, bad;

	(void)state;
	save_two(1000000);
	assert_int_equal(state_load_peers(dir, table, 1060000, &restored, &bad), 0);
	assert_int_equal(restored, 2);
	assert_int_equal(bad, 0);
	assert_int_equal(dialect_of(table, 1060000, "192.0.2.9:23412"), IKE_DIALECT_APPLE);
	assert_int_equal(dialect_of(table, 1060000, "[2001:db8::9]:500"), IKE_DIALECT_DRAFT_07);
	/* The age came along: eight hours after it was seen, not after it was loaded. */
	assert_int_equal(dialect_of(table, 1000000 + 8 * 3600 * 1000 + 1, "192.0.2.9:23412"),
			 IKE_DIALECT_NONE);
	ike_table_free(table);
}

static void test_missing_file_is_none(void **state)
{
	struct ike_table *table = new_table();
	unsigned restored, bad;

	(void)state;
	assert_int_equal(state_load_peers("/nonexistent", table, 1, &restored, &bad), 0);
	assert_int_equal(restored + bad, 0);
	ike_table_free(table);
}

static void test_cannot_prepare(void **state)
{
	(void)state;
	assert_int_equal(state_prepare("/nonexistent/deep"), -ENOENT);
}

/* Cut anywhere, the file gives back whole lines or nothing, and never more than it held. */
static void test_every_truncation(void **state)
{
	char path[64], text[512];
	size_t size;
	FILE *f;

	(void)state;
	save_two(1000000);
	snprintf(path, sizeof path, "%s/peers", dir);
	f = fopen(path, "r");
	assert_non_null(f);
	size = fread(text, 1, sizeof text, f);
	fclose(f);
	for (size_t cut = 0; cut < size; cut++) {
		struct ike_table *table = new_table();
		unsigned restored, bad;

		f = fopen(path, "w");
		assert_int_equal(fwrite(text, 1, cut, f), cut);
		fclose(f);
		assert_int_equal(state_load_peers(dir, table, 1000001, &restored, &bad), 0);
		assert_true(restored + bad <= 2);
		assert_true(restored <= ike_table_stats(table).peers);
		ike_table_free(table);
	}
}

static void test_nonsense_is_counted(void **state)
{
	static const char text[] = "natshim peers 1\n"
				   "192.0.2.9:500 apple 5\n"
				   "192.0.2.9:500 klingon 5\n"
				   "192.0.2.999:500 apple 5\n"
				   "192.0.2.8:500 apple\n"
				   "192.0.2.7:500 apple 99999999999\n"
				   "192.0.2.6:500 rfc3947 5\n";
	struct ike_table *table = new_table();
	unsigned restored, bad;
	char path[64];
	FILE *f;

	(void)state;
	snprintf(path, sizeof path, "%s/peers", dir);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	assert_int_equal(state_load_peers(dir, table, 10, &restored, &bad), 0);
	assert_int_equal(restored, 1);
	assert_int_equal(bad, 5);
	ike_table_free(table);
}

static void test_tunnels_there_and_back(void **state)
{
	const struct l2tp_config config = {.hostname = "x"};
	struct l2tp_table *first = l2tp_table_new(&config), *second = l2tp_table_new(&config);
	struct l2tp_tunnel_state tunnel = {.client_tunnel = 5,
					   .lns_tunnel = 6,
					   .lns_next = 9,
					   .forgotten = 0,
					   .absorbed_count = 2,
					   .absorbed = {3, 7},
					   .from_start = true};
	unsigned restored, bad;

	(void)state;
	assert_true(endpoint_parse("192.0.2.9:54321", &tunnel.client));
	assert_true(l2tp_table_restore(first, 1000, &tunnel));
	FILE *out = begin("tunnels");

	state_write_tunnels(out, first, 1000);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(state_load_tunnels(dir, second, 5000, &restored, &bad), 0);
	assert_int_equal(restored, 1);
	assert_int_equal(bad, 0);
	assert_int_equal(l2tp_table_stats(second).tunnels, 1);
	/* From another boot: the clock stands before the time of writing. */
	assert_int_equal(state_load_tunnels(dir, second, 10, &restored, &bad), 0);
	assert_int_equal(restored, 0);
	assert_int_equal(bad, 1);
	l2tp_table_free(first);
	l2tp_table_free(second);
}

static unsigned entries;
static struct bridge_entry last_entry;

static void keep_entry(void *ctx, const struct bridge_entry *entry)
{
	(void)ctx;
	entries++;
	last_entry = *entry;
}

static struct bridge_entry whole_entry(const char *client, const char *server)
{
	struct bridge_entry entry = {.child_sa_count = BRIDGE_CHILD_SAS_MAX};

	assert_true(endpoint_parse(client, &entry.client));
	assert_true(endpoint_parse(server, &entry.server));
	for (unsigned i = 0; i < sizeof entry.cookies; i++)
		entry.cookies[i] = (uint8_t)(0xf0 + i);
	memset(entry.child_sas, 0xa5, sizeof entry.child_sas);
	entry.child_sas[7].spi_to_client[3] = 7;
	return entry;
}

static void test_bridged_there_and_back(void **state)
{
	const struct bridge_entry six = whole_entry("[2001:db8:1111:2222:3333:4444:5555:6666]:65535",
						    "[2001:db8:1111:2222:3333:4444:5555:7777]:4500"),
				  four = whole_entry("192.0.2.9:23412", "198.51.100.1:4500");
	char line[STATE_BRIDGED_MAX];
	unsigned bad;
	FILE *out = begin("bridged");

	(void)state;
	fputs(STATE_BRIDGED_HEADER, out);
	assert_true(fputs(state_bridged_text(&four, line), out) >= 0);
	assert_true(fputs(state_bridged_text(&six, line), out) >= 0);
	assert_int_equal(fclose(out), 0);
	entries = 0;
	assert_int_equal(state_load_bridged(dir, keep_entry, NULL, &bad), 0);
	assert_int_equal(entries, 2);
	assert_int_equal(bad, 0);
	assert_memory_equal(&last_entry, &six, sizeof six);
}

/* Cut anywhere: whole lines, or nothing of them. */
static void test_bridged_cut_short(void **state)
{
	const struct bridge_entry entry = whole_entry("192.0.2.9:23412", "198.51.100.1:4500");
	char line[STATE_BRIDGED_MAX];
	const size_t length = strlen(state_bridged_text(&entry, line));

	(void)state;
	for (size_t cut = 0; cut < length; cut++) {
		unsigned bad;
		FILE *out = begin("bridged");

		fprintf(out, "%s%.*s", STATE_BRIDGED_HEADER, (int)cut, line);
		assert_int_equal(fclose(out), 0);
		entries = 0;
		assert_int_equal(state_load_bridged(dir, keep_entry, NULL, &bad), 0);
		assert_int_equal(entries, 0);
		assert_int_equal(bad, cut > 0);
	}
}

static void test_bridged_of_others(void **state)
{
	char path[64];
	unsigned bad;

	(void)state;
	fclose(begin("bridged"));
	snprintf(path, sizeof path, "%s/bridged", dir);
	assert_int_equal(chmod(path, 0620), 0);
	assert_int_equal(state_load_bridged(dir, keep_entry, NULL, &bad), -EPERM);
	unlink(path);
	assert_int_equal(state_load_bridged(dir, keep_entry, NULL, &bad), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(state_load_bridged(dir, keep_entry, NULL, &bad), -ELOOP);
	unlink(path);
}

static struct alias_life nobody(void *ctx, const struct endpoint *at)
{
	(void)ctx;
	(void)at;
	return (struct alias_life){.lives = false};
}

static struct alias_table *new_aliases(void)
{
	const struct alias_config config = {
		.net = {.addr = {198, 18}, .addr_len = 4}, .prefix = 16, .seed = 7, .life = nobody};
	struct alias_table *table = alias_table_new(&config);

	assert_non_null(table);
	return table;
}

static void expect_aliases(const char *content, int rc, unsigned restored, unsigned bad)
{
	struct alias_table *table = new_aliases();
	FILE *out = begin("aliases");
	unsigned got_restored, got_bad;

	fputs(content, out);
	fclose(out);
	assert_int_equal(state_load_aliases(dir, table, 9000, &got_restored, &got_bad), rc);
	assert_int_equal(got_restored, restored);
	assert_int_equal(got_bad, bad);
	assert_int_equal(alias_stats(table).clients, restored);
	alias_table_free(table);
}

#define ALIAS_LINE "198.18.0.3 203.0.113.1 192.0.2.7:500 192.0.2.7:4500 100\n"

static void aliases_come_back(void **state)
{
	struct alias_table *table = new_aliases();
	struct endpoint at = {.addr = {198, 18, 0, 3}, .addr_len = 4}, real;
	unsigned restored, bad;
	char path[64];
	FILE *out;

	(void)state;
	assert_int_equal(state_load_aliases(dir, table, 9000, &restored, &bad), 0); /* none there */
	assert_true(alias_restore(table, 9000, "198.18.0.3 203.0.113.1 192.0.2.7:500 192.0.2.7:4500 100", 0));
	out = begin("aliases");
	state_write_aliases(out, table, 9000);
	fclose(out);
	alias_table_free(table);
	table = new_aliases();
	assert_int_equal(state_load_aliases(dir, table, 9500, &restored, &bad), 0);
	assert_true(restored == 1 && bad == 0);
	assert_true(alias_real(table, &at, &real) && real.port == 4500 && real.addr[3] == 7);
	alias_table_free(table);
	expect_aliases("natshim aliases 1 8000\n" ALIAS_LINE, 0, 1, 0);
	expect_aliases("natshim aliases 1 8000\n" ALIAS_LINE ALIAS_LINE "nonsense\n", 0, 1, 2);
	expect_aliases("natshim aliases 1 8000\n198.18.0.3 203.0.113.1 192.0.2.7:500 192.0.2.7:4500 1", 0, 0,
		       1);                                              /* cut */
	expect_aliases("natshim aliases 1 9001\n" ALIAS_LINE, 0, 0, 1); /* written in the future */
	expect_aliases("natshim aliases 2 8000\n" ALIAS_LINE, 0, 0, 1);
	expect_aliases("", 0, 0, 1);
	snprintf(path, sizeof path, "%s/aliases", dir);
	assert_int_equal(chmod(path, 0666), 0);
	expect_aliases("natshim aliases 1 8000\n" ALIAS_LINE, -EPERM, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aliases_come_back),           cmocka_unit_test(test_peers_there_and_back),
		cmocka_unit_test(test_missing_file_is_none),   cmocka_unit_test(test_cannot_prepare),
		cmocka_unit_test(test_every_truncation),       cmocka_unit_test(test_nonsense_is_counted),
		cmocka_unit_test(test_tunnels_there_and_back), cmocka_unit_test(test_bridged_there_and_back),
		cmocka_unit_test(test_bridged_cut_short),      cmocka_unit_test(test_bridged_of_others),
	};

	return cmocka_run_group_tests_name("state", tests, make_dir, remove_dir);
}
