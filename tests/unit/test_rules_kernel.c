/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ruleset in a real kernel, in network namespaces of the test's own: the same rules as the text, whose
 * tables they are, what is noticed, what the sets do. Needs root and nft(8); skipped without. */
#include "tests/unit/rules_netns.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static const char *const interfaces[] = {"eth0", "wan1"};

static struct rules_options full_options(const struct rules_features *features)
{
	struct rules_options options = {
		.interfaces = interfaces,
		.interface_count = 2,
		.queue_number = 5,
		.protect = true,
		.liveness = true,
		.bridge = true,
		.l2tp_control = true,
		.l2tp_by_session = features->ipsec_spi,
		.l2tp_from_lns = true,
		.dnat4 = true,
		.dnat6 = true,
		.owner = features->owner,
		.native_queue = features->native_queue,
		.no_secpath = !features->secpath,
		.no_fib = !features->fib,
		.no_limit = !features->limit,
		.no_defrag = !features->defrag,
	};

	assert_true(endpoint_parse("192.168.1.98", &options.lns4));
	assert_true(endpoint_parse("[fd00::5]:1702", &options.lns6));
	return options;
}

/* Everything in nft's words. The x_tables queue target can't be loaded as text, so it is left out where it
 * stands for the native one; and so is the owner, who would take the table with him when nft ends. */
static char *list_rules(void)
{
	return output_of(
		"nft list ruleset 2>/dev/null | sed -E '/^#/d; s/ # progname.*//; /^\\tflags owner$/,+1d; "
		"s/ ?queue num [0-9]+ bypass//'");
}

static void load_text(const struct rules_options *options, bool native_queue)
{
	struct ruleset *ruleset = ruleset_build(options);
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length), *nft;

	assert_non_null(ruleset);
	assert_int_equal(rules_text(out, ruleset), 0);
	fclose(out);
	nft = popen(native_queue ? "nft -f -" : "sed 's/ queue num [0-9]* bypass//' | nft -f -", "w");
	assert_non_null(nft);
	fputs(text, nft);
	assert_int_equal(pclose(nft), 0);
	free(text);
	ruleset_free(ruleset);
}

static void install_alias(struct rules_nft *nft, const struct rules_options *options)
{
	struct ruleset *ruleset = ruleset_build(options);
	char error[RULES_ERROR_MAX] = "";

	assert_non_null(ruleset);
	if (options->alias && !options->no_secpath && rules_nft_install_alias(nft, ruleset, error) < 0)
		fail_msg("%s", error);
	ruleset_free(ruleset);
}

static void compare_with_text(const struct rules_options *options, const struct rules_features *features)
{
	struct rules_features again;
	struct rules_nft *nft;
	char *installed, *loaded;

	enter_new_netns();
	nft = open_nft(&again);
	install(nft, options);
	install_alias(nft, options);
	installed = list_rules();
	rules_nft_close(nft);
	enter_new_netns();
	load_text(options, features->native_queue);
	load_text(options, features->native_queue); /* the second load replaces the first */
	loaded = list_rules();
	assert_true(strlen(loaded) > 500);
	assert_string_equal(installed, loaded);
	free(installed);
	free(loaded);
}

static void installed_rules_are_the_printed_ones(void **state)
{
	struct rules_features features;
	struct rules_options options, all;

	(void)state;
	enter_new_netns();
	rules_nft_close(open_nft(&features));
	all = full_options(&features);
	compare_with_text(&all, &features);
	options = all;
	options.dnat6 = options.liveness = options.l2tp_from_lns = false;
	options.interface_count = 1;
	options.lns4.port = 1702;
	compare_with_text(&options, &features);
	options.dnat4 = options.protect = options.l2tp_control = false;
	options.priority = -7;
	compare_with_text(&options, &features);
	options = all;
	options.l2tp_by_session = false;
	compare_with_text(&options, &features);
	options.alias = true;
	assert_true(endpoint_parse("198.18.0.0", &options.alias_net));
	options.alias_prefix = 15;
	compare_with_text(&options, &features);
	options = all;
	options.no_fib = true;
	options.priority = 3;
	options.alive_timeout_s = 75;
	compare_with_text(&options, &features);
	options.no_secpath = true;
	compare_with_text(&options, &features);
}

static bool has_table(const char *name)
{
	char *text = output_of("nft list tables");
	char *line = format_text("table inet %s\n", name);
	bool found = strstr(text, line) != NULL;

	free(line);
	free(text);
	return found;
}

static void probing_leaves_nothing(void **state)
{
	struct rules_features features;
	struct rules_nft *nft;
	char *text;

	(void)state;
	enter_new_netns();
	nft = open_nft(&features);
	assert_true(features.tables);
	assert_true(features.native_queue || features.xt_queue);
	text = output_of("nft list ruleset");
	assert_string_equal(text, "");
	free(text);
	rules_nft_close(nft);
}

/* The child is a natshim that is killed. */
static void a_killed_owner_leaves_only_the_base(void **state)
{
	struct rules_features features;
	struct rules_nft *nft;
	int ready[2];
	pid_t child;
	char byte;

	(void)state;
	enter_new_netns();
	rules_nft_close(open_nft(&features));
	if (!features.owner)
		skip();
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		struct rules_options options = full_options(&features);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		nft = open_nft(&features);
		install(nft, &options);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_true(has_table("natshim") && has_table("natshim_queue"));
	run(strdup("nft flush ruleset"));
	assert_false(has_table("natshim"));
	assert_true(has_table("natshim_queue"));
	run(strdup("nft add table inet natshim"));
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_true(has_table("natshim"));
	assert_false(has_table("natshim_queue"));
	close(ready[0]);
	close(ready[1]);
}

static void a_second_natshim_is_told_and_harms_nothing(void **state)
{
	struct rules_features features;
	struct rules_options options;
	struct rules_nft *first, *second;
	struct ruleset *ruleset;
	char error[RULES_ERROR_MAX] = "", *before, *after;

	(void)state;
	enter_new_netns();
	first = open_nft(&features);
	if (!features.owner) {
		rules_nft_close(first);
		skip();
	}
	options = full_options(&features);
	install(first, &options);
	before = list_rules();
	second = open_nft(&features);
	ruleset = ruleset_build(&options);
	assert_int_equal(rules_nft_install(second, ruleset, error), -EPERM);
	assert_non_null(strstr(error, "another natshim owns table natshim_queue"));
	assert_int_equal(rules_nft_remove(second, error), -EPERM);
	after = list_rules();
	assert_string_equal(before, after);
	assert_int_equal(rules_nft_remove(first, error), 0);
	assert_int_equal(rules_nft_remove(first, error), 0); /* nothing there is no error */
	assert_false(has_table("natshim") || has_table("natshim_queue"));
	assert_int_equal(rules_nft_install(second, ruleset, error), 0);
	rules_nft_close(first);
	assert_true(has_table("natshim_queue"));
	rules_nft_close(second);
	assert_true(has_table("natshim"));
	assert_false(has_table("natshim_queue"));
	ruleset_free(ruleset);
	free(before);
	free(after);
}

static struct rules_options alias_options(const struct rules_features *features)
{
	struct rules_options options = full_options(features);

	options.alias = true;
	assert_true(endpoint_parse("198.18.0.0", &options.alias_net));
	options.alias_prefix = 16;
	return options;
}

/* Of 192.0.2.7 port 4500 to port 4500, in network order. */
static const uint8_t flow[12] = {192, 0, 2, 7, 0x11, 0x94, 0, 0, 0x11, 0x94};

static void change_alias(struct rules_nft *nft, uint8_t number, bool there)
{
	const uint8_t value[RULES_MAP_VALUE] = {198, 18, 0, number, 0x11, 0x94};

	rules_nft_map_change_later(nft, RULES_SET_ALIAS_IN, flow, sizeof(flow), value, there);
}

static void assert_alias(const char *wanted)
{
	char *text = output_of(
		"nft list map inet natshim_alias alias_in 2>&1 | grep -o '[0-9.]* . 4500 . 4500 : .*[0-9]'");

	assert_string_equal(text, wanted);
	free(text);
}

static void an_element_of_a_map_can_get_another_value(void **state)
{
	struct rules_features features;
	struct rules_options options;
	struct rules_nft *nft;
	char error[RULES_ERROR_MAX] = "";

	(void)state;
	enter_new_netns();
	nft = open_nft(&features);
	options = alias_options(&features);
	if (options.no_secpath)
		skip();
	install(nft, &options);
	change_alias(nft, 1, true); /* the table is not there */
	rules_nft_set_flush(nft);
	assert_int_equal(rules_nft_set_refused(nft), 1);
	install_alias(nft, &options);
	assert_alias("");
	change_alias(nft, 1, true);
	rules_nft_set_flush(nft);
	assert_alias("192.0.2.7 . 4500 . 4500 : 198.18.0.1 . 4500\n");
	change_alias(nft, 1, false); /* at once, in one batch */
	change_alias(nft, 2, true);
	rules_nft_set_flush(nft);
	assert_alias("192.0.2.7 . 4500 . 4500 : 198.18.0.2 . 4500\n");
	change_alias(nft, 3, true); /* without taking the other out */
	rules_nft_set_flush(nft);
	assert_alias("192.0.2.7 . 4500 . 4500 : 198.18.0.3 . 4500\n");
	install(nft, &options); /* the other tables */
	assert_alias("192.0.2.7 . 4500 . 4500 : 198.18.0.3 . 4500\n");
	change_alias(nft, 3, false);
	change_alias(nft, 3, false); /* no error */
	rules_nft_set_flush(nft);
	assert_alias("");
	assert_int_equal(rules_nft_set_refused(nft), 1);
	assert_int_equal(rules_nft_remove_alias(nft, error), 0);
	assert_int_equal(rules_nft_remove_alias(nft, error), 0);
	assert_false(has_table("natshim_alias"));
	assert_true(has_table("natshim"));
	install_alias(nft, &options);
	assert_int_equal(rules_nft_remove(nft, error), 0);
	assert_false(has_table("natshim_alias"));
	rules_nft_close(nft);
}

static void what_others_remove_is_noticed(void **state)
{
	struct rules_features features;
	struct rules_options options;
	struct rules_nft *nft;
	struct ruleset *ruleset;
	char error[RULES_ERROR_MAX] = "";
	bool base, queue, alias;
	const int tiny = 1;

	(void)state;
	enter_new_netns();
	nft = open_nft(&features);
	options = full_options(&features);
	options.owner = false; /* so that others can take natshim_queue too */
	ruleset = ruleset_build(&options);
	install(nft, &options);
	install(nft, &options);
	assert_int_equal(rules_nft_watch_read(nft, &base, &queue, &alias), 0);
	assert_false(base || queue); /* our own doing */
	run(strdup("nft add table inet other; nft delete table inet other; nft add table ip natshim; "
		   "nft delete table ip natshim_queue 2>/dev/null; nft add chain inet natshim theirs"));
	rules_nft_watch_read(nft, &base, &queue, &alias);
	assert_false(base || queue);
	run(strdup("nft flush ruleset"));
	rules_nft_watch_read(nft, &base, &queue, &alias);
	assert_true(base && queue);
	install(nft, &options);
	run(strdup("nft delete table inet natshim_queue"));
	rules_nft_watch_read(nft, &base, &queue, &alias);
	assert_true(!base && queue && !alias);
	run(strdup("nft add table inet natshim_alias; nft delete table inet natshim_alias"));
	rules_nft_watch_read(nft, &base, &queue, &alias);
	assert_true(!base && !queue && alias);
	install(nft, &options);
	run(strdup("nft flush chain inet natshim incoming"));
	rules_nft_watch_read(nft, &base, &queue, &alias);
	assert_true(base && !queue);
	/* The reader is late and events were lost. */
	install(nft, &options);
	rules_nft_watch_read(nft, &base, &queue, &alias);
	assert_int_equal(setsockopt(rules_nft_watch_fd(nft), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)), 0);
	for (int i = 0; i < 3; i++)
		install(nft, &options);
	run(strdup("nft delete table inet natshim"));
	rules_nft_watch_read(nft, &base, &queue, &alias);
	assert_true(base && !queue);
	assert_int_equal(rules_nft_install_base(nft, ruleset, error), 0);
	assert_true(has_table("natshim"));
	ruleset_free(ruleset);
	rules_nft_close(nft);
}

struct seen {
	size_t count;
	uint8_t key[24];
	size_t key_length;
	uint64_t expires_ms;
};

static void note_element(void *ctx, const void *key, size_t key_length, uint64_t expires_ms)
{
	struct seen *seen = ctx;

	seen->count++;
	assert_true(key_length <= sizeof(seen->key));
	memcpy(seen->key, key, key_length);
	seen->key_length = key_length;
	seen->expires_ms = expires_ms;
}

static const uint8_t key[24] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
				12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22};

static struct seen get(struct rules_nft *nft, enum rules_set set)
{
	struct seen seen = {.count = 0};

	assert_int_equal(rules_nft_set_get(nft, set, key, 1, note_element, &seen), 0);
	return seen;
}

static void elements_come_and_go(void **state)
{
	static const size_t lengths[] = {8, 4, 16};
	struct rules_features features;
	struct rules_options options;
	struct rules_nft *nft;

	(void)state;
	enter_new_netns();
	nft = open_nft(&features);
	options = full_options(&features);
	assert_int_equal(rules_nft_set_add(nft, RULES_SET_EXCHANGES, key, 8, 5), -ENOENT);
	install(nft, &options);
	for (enum rules_set set = RULES_SET_EXCHANGES; set <= RULES_SET_PEERS6; set++) {
		struct seen seen;
		assert_int_equal(rules_nft_set_add(nft, set, key, lengths[set] + 1, 5), -EINVAL);
		assert_int_equal(rules_nft_set_add(nft, set, key, lengths[set], 5), 0);
		seen = get(nft, set);
		assert_int_equal(seen.count, 1);
		assert_int_equal(seen.key_length, lengths[set]);
		assert_memory_equal(seen.key, key, lengths[set]);
		assert_in_range(seen.expires_ms, 1, 5000);
		assert_int_equal(rules_nft_set_add(nft, set, key, lengths[set], 50), 0);
		assert_in_range(get(nft, set).expires_ms, 40000, 50000);
		assert_int_equal(rules_nft_set_delete(nft, set, key, lengths[set]), 0);
		assert_int_equal(rules_nft_set_delete(nft, set, key, lengths[set]), 0);
		assert_int_equal(get(nft, set).count, 0);
	}
	assert_int_equal(rules_nft_set_add(nft, RULES_SETS, key, 8, 5), -EINVAL);
	assert_int_equal(rules_nft_set_add(nft, RULES_SET_EXCHANGES, key, 8, 0), 0);
	assert_in_range(get(nft, RULES_SET_EXCHANGES).expires_ms, 110000, 120000);
	rules_nft_close(nft);
}

/* natshim has just been refused by a set that was not there, and the admin loads it: it is filled as soon as it is found, also
 * where another one is still missing. */
static void a_set_that_is_found_is_filled(void **state)
{
	struct rules_features features;
	struct rules_options options;
	struct ruleset *ruleset;
	struct rules_nft *nft;

	(void)state;
	enter_new_netns();
	nft = open_nft(&features);
	options = full_options(&features);
	ruleset = ruleset_build(&options);
	assert_non_null(ruleset);
	assert_string_equal(rules_nft_missing_set(nft, ruleset), "exchanges");
	assert_int_equal(rules_nft_set_add(nft, RULES_SET_PEERS4, key, 4, 5), -ENOENT);
	run(format_text("nft 'add table inet natshim_queue; add set inet natshim_queue peers4 "
			"{ type ipv4_addr; flags timeout; }'"));
	assert_string_equal(rules_nft_missing_set(nft, ruleset), "exchanges");
	assert_int_equal(rules_nft_set_add(nft, RULES_SET_PEERS4, key, 4, 5), 0);
	assert_int_equal(rules_nft_set_add(nft, RULES_SET_PEERS6, key, 16, 5), -ENOENT);
	load_text(&options, features.native_queue);
	assert_null(rules_nft_missing_set(nft, ruleset));
	assert_int_equal(rules_nft_set_add(nft, RULES_SET_PEERS6, key, 16, 5), 0);
	ruleset_free(ruleset);
	rules_nft_close(nft);
}

static void a_full_set_is_an_error_that_costs_nothing(void **state)
{
	struct rules_features features;
	struct rules_options options;
	struct rules_nft *nft;
	const uint8_t first[] = {10, 0, 0, 0}, last[] = {10, 0, 255, 254};
	struct seen seen = {.count = 0};

	(void)state;
	enter_new_netns();
	nft = open_nft(&features);
	options = full_options(&features);
	options.owner = false;
	install(nft, &options);
	run(strdup("seq 0 65534 | awk '{ printf \"add element inet natshim_queue peers4 { 10.0.%d.%d }\\n\", "
		   "$1 / 256, $1 "
		   "% 256 }' | nft -f -"));
	assert_int_equal(rules_nft_set_get(nft, RULES_SET_PEERS4, first, 1, note_element, &seen), 0);
	assert_int_equal(rules_nft_set_get(nft, RULES_SET_PEERS4, last, 1, note_element, &seen), 0);
	assert_int_equal(seen.count, 2);
	for (int i = 0; i < 10000; i++) /* each would take 20 ms if the kernel were asked */
		assert_int_equal(rules_nft_set_add(nft, RULES_SET_PEERS4, key, 4, 60), -ENFILE);
	assert_int_equal(rules_nft_set_add(nft, RULES_SET_EXCHANGES, "01234567", 8, 60), 0);
	run(strdup("nft delete element inet natshim_queue peers4 { 10.0.0.0 }"));
	usleep(1100 * 1000);
	assert_int_equal(rules_nft_set_add(nft, RULES_SET_PEERS4, key, 4, 60), 0);
	rules_nft_close(nft);
}

static char *output_and_free(char *command)
{
	char *text = output_of(command);

	free(command);
	return text;
}

/* Both kinds of what is a session's own, as their sets' words have it. */
static void sets_of_sessions_hold_their_keys(void **state)
{
	static const struct {
		enum rules_set set;
		size_t length;
		const char *words, *where;
	} sets[] = {
		{RULES_SET_WATCHED4, 8, "1.2.3.4 . 1286", "natshim_queue watched4"},
		{RULES_SET_WATCHED6, 20, "102:304:506:708:90a:b0c:d0e:f10 . 4370", "natshim_queue watched6"},
		{RULES_SET_L2TP4, 12, "16909060 . 5.6.7.8 . 2314", "natshim_queue l2tp4"},
		{RULES_SET_L2TP6, 24, "16909060 . 506:708:90a:b0c:d0e:f10:1112:1314 . 5398",
		 "natshim_queue l2tp6"},
	};
	struct rules_features features;
	struct rules_options options;
	struct rules_nft *nft;

	(void)state;
	enter_new_netns();
	nft = open_nft(&features);
	options = full_options(&features);
	install(nft, &options);
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		uint8_t padded[24];
		char *listed;

		if (i >= 2 && !features.ipsec_spi)
			break;
		memcpy(padded, key, sizeof(padded));
		memset(padded + sets[i].length - 2, 0, 2);
		rules_nft_set_add_later(nft, sets[i].set, padded, sets[i].length, 0);
		rules_nft_set_add_later(nft, sets[i].set, padded, sets[i].length, 0); /* twice is once */
		rules_nft_set_flush(nft);
		listed = output_and_free(format_text("nft list set inet %s", sets[i].where));
		if (!strstr(listed, sets[i].words))
			fail_msg("%s has no %s: %s", sets[i].where, sets[i].words, listed);
		free(listed);
		rules_nft_set_delete_later(nft, sets[i].set, padded, sets[i].length);
		rules_nft_set_delete_later(nft, sets[i].set, padded, sets[i].length);
		rules_nft_set_flush(nft);
		listed = output_and_free(format_text("nft list set inet %s", sets[i].where));
		assert_null(strstr(listed, "elements"));
		free(listed);
	}
	assert_int_equal(rules_nft_set_refused(nft), 0);
	rules_nft_close(nft);
}

static void many_keys_are_asked_for_at_once(void **state)
{
	uint8_t keys[RULES_GET_MAX][8] = {{0}};
	struct rules_features features;
	struct rules_options options;
	struct rules_nft *nft;
	struct seen seen = {.count = 0};

	(void)state;
	enter_new_netns();
	nft = open_nft(&features);
	options = full_options(&features);
	assert_int_equal(rules_nft_set_get(nft, RULES_SET_EXCHANGES, keys, 1, note_element, &seen), -ENOENT);
	install(nft, &options);
	assert_int_equal(
		rules_nft_set_get(nft, RULES_SET_EXCHANGES, keys, RULES_GET_MAX + 1, note_element, &seen),
		-EINVAL);
	for (unsigned i = 0; i < RULES_GET_MAX; i++) {
		keys[i][0] = (uint8_t)i;
		if (i % 2)
			rules_nft_set_add_later(nft, RULES_SET_EXCHANGES, keys[i], 8, 60);
	}
	rules_nft_set_flush(nft);
	assert_int_equal(
		rules_nft_set_get(nft, RULES_SET_EXCHANGES, keys, RULES_GET_MAX, note_element, &seen), 0);
	assert_int_equal(seen.count, RULES_GET_MAX / 2);
	/* What was asked for does not disturb what is done next. */
	assert_int_equal(rules_nft_set_delete(nft, RULES_SET_EXCHANGES, keys[1], 8), 0);
	seen.count = 0;
	assert_int_equal(rules_nft_set_get(nft, RULES_SET_EXCHANGES, keys, 0, note_element, &seen), 0);
	assert_int_equal(
		rules_nft_set_get(nft, RULES_SET_EXCHANGES, keys, RULES_GET_MAX, note_element, &seen), 0);
	assert_int_equal(seen.count, RULES_GET_MAX / 2 - 1);
	rules_nft_close(nft);
}

/* An admin's own tables that are those of an older natshim: the kernel, whose refusals are slow, is not asked thousands of times. */
static void a_missing_set_costs_little(void **state)
{
	struct rules_features features;
	struct rules_options options;
	struct rules_nft *nft;
	uint8_t peer[8] = {10};
	char *listed;

	(void)state;
	enter_new_netns();
	nft = open_nft(&features);
	options = full_options(&features);
	options.liveness = false;
	install(nft, &options);
	for (unsigned i = 0; i < 10000; i++) {
		peer[1] = (uint8_t)(i >> 8);
		peer[2] = (uint8_t)i;
		rules_nft_set_add_later(nft, RULES_SET_WATCHED4, peer, sizeof(peer), 0);
		if (i % 1000 == 0)
			rules_nft_set_add_later(nft, RULES_SET_PEERS4, peer, 4, 60);
	}
	rules_nft_set_flush(nft);
	assert_int_equal(rules_nft_set_refused(nft), 10000);
	listed = output_of("nft list set inet natshim_queue peers4");
	assert_non_null(strstr(listed, "10.35.40.0")); /* i 9000 */
	free(listed);
	rules_nft_close(nft);
}

/* A child without privileges says by its exit status that the error is the expected one. */
static void without_privilege_the_error_says_so(void **state)
{
	int status = 0;
	pid_t child;

	(void)state;
	enter_new_netns();
	child = fork();
	if (child == 0) {
		struct rules_nft *nft;
		char error[RULES_ERROR_MAX] = "";
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(1);
		if (rules_nft_open(&nft, error) != -EPERM)
			_exit(2);
		_exit(strstr(error, "CAP_NET_ADMIN") ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void a_refused_rule_is_named(void **state)
{
	struct rules_features features;
	struct rules_options options;
	struct rules_nft *nft;
	struct ruleset *ruleset;
	char error[RULES_ERROR_MAX] = "";

	(void)state;
	enter_new_netns();
	nft = open_nft(&features);
	if (features.native_queue) { /* nothing to refuse: the kernel has all we use */
		rules_nft_close(nft);
		return;
	}
	options = full_options(&features);
	options.native_queue = true;
	ruleset = ruleset_build(&options);
	assert_int_equal(rules_nft_install(nft, ruleset, error), -ENOENT);
	assert_non_null(strstr(error, "first-4500"));
	assert_non_null(strstr(error, "nft_queue"));
	assert_false(has_table("natshim"));
	ruleset_free(ruleset);
	rules_nft_close(nft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probing_leaves_nothing),
		cmocka_unit_test(installed_rules_are_the_printed_ones),
		cmocka_unit_test(a_killed_owner_leaves_only_the_base),
		cmocka_unit_test(a_second_natshim_is_told_and_harms_nothing),
		cmocka_unit_test(an_element_of_a_map_can_get_another_value),
		cmocka_unit_test(what_others_remove_is_noticed),
		cmocka_unit_test(elements_come_and_go),
		cmocka_unit_test(a_set_that_is_found_is_filled),
		cmocka_unit_test(a_full_set_is_an_error_that_costs_nothing),
		cmocka_unit_test(sets_of_sessions_hold_their_keys),
		cmocka_unit_test(many_keys_are_asked_for_at_once),
		cmocka_unit_test(a_missing_set_costs_little),
		cmocka_unit_test(without_privilege_the_error_says_so),
		cmocka_unit_test(a_refused_rule_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
