/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/firewall.c: what the rules are to be, from options and from what the kernel can. */
#include "rules/text.h"
#include "shim/firewall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *text_of(const struct config *config, const struct rules_features *features)
{
	struct ruleset *ruleset = firewall_ruleset(config, features);
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(ruleset);
	assert_non_null(out);
	assert_int_equal(rules_text(out, ruleset), 0);
	fclose(out);
	ruleset_free(ruleset);
	return text;
}

static bool says(const struct config *config, const struct rules_features *features, const char *words)
{
	char *text = text_of(config, features);
	const bool found = strstr(text, words) != NULL;

	free(text);
	return found;
}

static struct config one_interface(void)
{
	static char name[] = "eth0";
	struct config config = {.interface_count = 1, .hello = CONFIG_HELLO_ABSORB};

	config.interfaces[0] = name;
	return config;
}

static void l2tp_comes_up_by_its_sa(void **state)
{
	const struct config config = one_interface();
	const struct rules_features features = firewall_current_kernel();

	(void)state;
	assert_true(says(&config, &features, "ipsec in spi . ip saddr . udp sport @l2tp4"));
	assert_true(says(&config, &features, "\"l2tp-out\""));
	assert_false(says(&config, &features, "\"l2tp-in\""));
}

/* Neither way: of a tunnel that is half seen nothing can be absorbed. */
static void without_the_expression_none_does(void **state)
{
	const struct config config = one_interface();
	struct rules_features features = firewall_current_kernel();

	(void)state;
	features.ipsec_spi = false;
	assert_false(says(&config, &features, "l2tp4"));
	assert_false(says(&config, &features, "\"l2tp-"));
	assert_true(says(&config, &features, "\"clear-l2tp\"")); /* the protection stays */
}

static void without_sessions_no_sa_is_asked_for(void **state)
{
	struct config config = one_interface();
	struct rules_features features = firewall_current_kernel();

	(void)state;
	config.stack = CONFIG_STACK_NONE;
	features.ipsec_spi = false;
	assert_true(says(&config, &features, "\"l2tp-in\""));
	assert_true(says(&config, &features, "\"l2tp-out\""));
	assert_false(says(&config, &features, "l2tp4"));
	assert_false(says(&config, &features, "watched4"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(l2tp_comes_up_by_its_sa),
		cmocka_unit_test(without_the_expression_none_does),
		cmocka_unit_test(without_sessions_no_sa_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
