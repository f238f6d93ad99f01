/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ruleset as text, against golden files: tests/vectors/rules/NAME.nft, one for each row of the table
 * below. After a wanted change run this with UPDATE_VECTORS=1 and read the difference. */
#include "rules/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const one[] = {"eth0"};
static const char *const two[] = {"eth0", "wan1"};

static const struct golden {
	const char *name, *lns4, *lns6;
	struct rules_options options;
} goldens[] = {
	{"minimal", NULL, NULL, {.interfaces = one, .interface_count = 1, .native_queue = true}},
	{"default",
	 NULL,
	 NULL,
	 {.interfaces = one,
	  .interface_count = 1,
	  .owner = true,
	  .native_queue = true,
	  .protect = true,
	  .liveness = true}},
	{"lns4",
	 "192.168.1.98",
	 NULL,
	 {.interfaces = one,
	  .interface_count = 1,
	  .owner = true,
	  .native_queue = true,
	  .protect = true,
	  .l2tp_control = true}},
	{"everything",
	 "192.168.1.98:1702",
	 "fd00::5",
	 {.interfaces = two,
	  .interface_count = 2,
	  .queue_number = 65534,
	  .owner = true,
	  .native_queue = true,
	  .protect = true,
	  .l2tp_control = true,
	  .l2tp_by_session = true,
	  .l2tp_from_lns = true,
	  .liveness = true,
	  .alive_timeout_s = 75,
	  .priority = -7}},
	{"bridge",
	 NULL,
	 NULL,
	 {.interfaces = one, .interface_count = 1, .native_queue = true, .bridge = true}},
	{"alias",
	 NULL,
	 NULL,
	 {.interfaces = two,
	  .interface_count = 2,
	  .native_queue = true,
	  .alias = true,
	  .alias_net = {.addr = {198, 18}, .addr_len = 4},
	  .alias_prefix = 16}},
	{"no-secpath",
	 "192.168.1.98",
	 NULL,
	 {.interfaces = one,
	  .interface_count = 1,
	  .protect = true,
	  .l2tp_control = true,
	  .no_secpath = true}},
	{"no-fib",
	 NULL,
	 "fd00::5",
	 {.interfaces = one,
	  .interface_count = 1,
	  .native_queue = true,
	  .no_fib = true,
	  .no_defrag = true,
	  .no_limit = true}},
};

static struct ruleset *build(const struct golden *golden)
{
	struct rules_options options = golden->options;
	struct ruleset *ruleset;

	options.dnat4 = golden->lns4 && endpoint_parse(golden->lns4, &options.lns4);
	options.dnat6 = golden->lns6 && endpoint_parse(golden->lns6, &options.lns6);
	ruleset = ruleset_build(&options);
	assert_non_null(ruleset);
	return ruleset;
}

static char *text_of(const struct ruleset *ruleset, size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);

	assert_non_null(out);
	assert_int_equal(rules_text(out, ruleset), 0);
	fclose(out);
	return text;
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		fail_msg("%s is missing", path);
	if (getdelim(&text, &size, '\0', file) < 0)
		text[0] = '\0';
	fclose(file);
	return text;
}

static void each_option_set_gives_its_golden_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		struct ruleset *ruleset = build(&goldens[i]);
		char path[128], *text, *want;
		size_t length = 0;

		text = text_of(ruleset, &length);
		snprintf(path, sizeof(path), "tests/vectors/rules/%s.nft", goldens[i].name);
		if (getenv("UPDATE_VECTORS")) {
			FILE *file = fopen(path, "w");
			assert_non_null(file);
			fputs(text, file);
			fclose(file);
		}
		want = read_file(path);
		assert_string_equal(text, want);
		free(want);
		free(text);
		ruleset_free(ruleset);
	}
}

static void bad_options_give_nothing(void **state)
{
	static const char *const bad[] = {"", "a name", "averyveryverylong", "quo\"te", "eth*"};
	const struct rules_options none = {.interface_count = 0};
	struct rules_options options = {.interfaces = one, .interface_count = 1, .dnat4 = true};

	(void)state;
	assert_null(ruleset_build(&none));
	assert_null(ruleset_build(&options)); /* no address */
	assert_true(endpoint_parse("fd00::5", &options.lns4));
	assert_null(ruleset_build(&options)); /* wrong family */
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct rules_options named = {.interfaces = &bad[i], .interface_count = 1};
		assert_null(ruleset_build(&named));
	}
	ruleset_free(NULL);
}

static void a_stream_that_fails_is_told(void **state)
{
	struct ruleset *ruleset = build(&goldens[0]);
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	assert_int_equal(rules_text(full, ruleset), -5 /* EIO */);
	fclose(full);
	ruleset_free(ruleset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_option_set_gives_its_golden_file),
		cmocka_unit_test(bad_options_give_nothing),
		cmocka_unit_test(a_stream_that_fails_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
