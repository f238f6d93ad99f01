/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command line and configuration file: what is understood, and how what is not is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/config.h"
#include "shim/log.h"
#include "shim/session/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGS_MAX 12
#define DEFAULT_GROUPS (1 << 1 | 1 << 2 | 1 << 5)

static char error[CONFIG_ERROR_MAX];

static enum config_outcome load(struct config *c, const char *const *words)
{
	char *argv[ARGS_MAX] = {strdup("natshim")};
	enum config_outcome outcome;
	int argc = 1;

	while (words[argc - 1]) {
		argv[argc] = strdup(words[argc - 1]);
		argc++;
	}
	error[0] = '\0';
	outcome = config_load(c, argc, argv, error);
	while (argc)
		free(argv[--argc]);
	return outcome;
}

static void write_file(char *path, const char *text)
{
	const int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static enum config_outcome load_file(struct config *c, const char *text)
{
	char path[] = "/tmp/natshim-test-XXXXXX";
	enum config_outcome outcome;

	write_file(path, text);
	outcome = load(c, (const char *const[]){"--config", path, NULL});
	unlink(path);
	return outcome;
}

static void test_defaults(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(load(&c, (const char *const[]){"--iface", "eth0", NULL}), CONFIG_OK);
	assert_int_equal(c.interface_count, 1);
	assert_string_equal(c.interfaces[0], "eth0");
	assert_int_equal(c.queue_number, 1701);
	assert_int_equal(c.session.dead_after, 30);
	assert_int_equal(c.profile[IKE_DIALECT_APPLE].idle_timeout, 600);
	assert_true(c.session.end_closed);
	assert_false(c.allow_clear);
	assert_false(c.hide_nat);
	assert_string_equal(c.socket_path, "/run/natshim/control.sock");
	config_free(&c);
}

/* shim/session has defaults of its own; they are what --help and the man page say. */
static void test_defaults_are_those_of_the_sessions(void **state)
{
	struct session_config sessions;
	struct config c;

	(void)state;
	session_config_default(&sessions);
	assert_int_equal(load(&c, (const char *const[]){"--iface", "eth0", NULL}), CONFIG_OK);
	assert_int_equal(sessions.profiles[0].dead_after_ms, c.session.dead_after * 1000);
	assert_int_equal(sessions.profiles[0].idle_timeout_ms, c.session.idle_timeout * 1000);
	assert_int_equal(sessions.profiles[0].supersede_after_ms, c.session.supersede_after * 1000);
	assert_int_equal(sessions.profiles[0].keep_warm_ms, SESSION_NEVER);
	assert_int_equal(c.session.keep_warm, 0);
	assert_true(c.session.end_closed);
	assert_int_not_equal(sessions.profiles[0].close_grace_ms, SESSION_NEVER);
	config_free(&c);
}

static void test_every_kind_of_value(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(
		load(&c, (const char *const[]){"--iface=eth0", "--iface=eth1", "--lns=192.168.1.98",
					       "--lns=[fd00::1]:1702", "--dead-after=2m", "--priority=-5",
					       "--hello=absorb", "-v", "--idle-timeout=off", NULL}),
		CONFIG_OK);
	assert_int_equal(c.interface_count, 2);
	assert_int_equal(c.lns4.addr_len, 4);
	assert_int_equal(c.lns6.port, 1702);
	assert_int_equal(c.session.dead_after, 120);
	assert_int_equal(c.session.idle_timeout, 0);
	assert_int_equal(c.priority, -5);
	assert_int_equal(c.hello, CONFIG_HELLO_ABSORB);
	assert_int_equal(c.verbose, LOG_SUBJECT_BIT(LOG_OF_PACKETS));
	config_free(&c);
}

static void test_file_and_command_line(void **state)
{
	char path[] = "/tmp/natshim-test-XXXXXX";
	struct config c;

	(void)state;
	write_file(path, "# comment\niface = eth0\n  iface = eth1\nlns = auto\nqueue-num = 7\nallow-clear = "
			 "yes\nhide-nat = yes\n\n"
			 "[leopard]\nidle-timeout = 75s\nkeep-warm = 30\n");
	assert_int_equal(load(&c, (const char *const[]){"--config", path, "--iface", "ppp0", "--idle-timeout",
							"5m", NULL}),
			 CONFIG_OK);
	unlink(path);
	assert_int_equal(c.interface_count, 1);
	assert_string_equal(c.interfaces[0], "ppp0");
	assert_true(c.lns_auto);
	assert_true(c.allow_clear);
	assert_true(c.hide_nat);
	assert_int_equal(c.queue_number, 7);
	assert_int_equal(c.profile[IKE_DIALECT_LEOPARD].idle_timeout, 75);
	assert_int_equal(c.profile[IKE_DIALECT_LEOPARD].keep_warm, 30);
	assert_true(c.profile[IKE_DIALECT_LEOPARD].end_closed);
	assert_int_equal(c.profile[IKE_DIALECT_LEOPARD].dead_after, 30);
	assert_int_equal(c.profile[IKE_DIALECT_APPLE].idle_timeout, 300);
	assert_int_equal(c.profile[IKE_DIALECT_APPLE].keep_warm, 0);
	config_free(&c);
}

static void test_bad_command_lines(void **state)
{
	static const struct {
		const char *words[4];
		const char *says; /* must stand in the error */
	} cases[] = {
		{{NULL}, "--iface is missing"},
		{{"--iface", NULL}, "--iface: needs a value"},
		{{"--no-such-option", NULL}, "--no-such-option: unknown"},
		{{"--verbose=3", NULL},
		 "--verbose 3: invalid value; expected yes, no, all or some of packets, sessions, xfrm, "
		 "bridge, rules"},
		{{"-v", "xfrm", NULL}, "--verbose xfrm: write it as one word, --verbose=xfrm"},
		{{"--allow-clear=3", NULL}, "--allow-clear=3: takes no value"},
		{{"--iface", "a-name-that-is-too-long", NULL}, "the name of a network interface"},
		{{"--iface", "", NULL}, "the name of a network interface"},
		{{"--lns", "192.168.1.300", NULL}, "--lns 192.168.1.300"},
		{{"--lns", "192.168.1.3:0", NULL}, "--lns 192.168.1.3:0"},
		{{"--lns", "0.0.0.0", NULL}, "--lns 0.0.0.0"},
		{{"--lns", "127.0.0.1", NULL}, "--lns 127.0.0.1"},
		{{"--lns", "224.0.0.1:1701", NULL}, "--lns 224.0.0.1:1701"},
		{{"--lns", "255.255.255.255", NULL}, "--lns 255.255.255.255"},
		{{"--lns", "[::1]:1701", NULL}, "--lns [::1]:1701"},
		{{"--public", "0.0.0.0", NULL}, "--public 0.0.0.0"},
		{{"--public", "127.0.0.1", NULL}, "--public 127.0.0.1"},
		{{"--public", "ff02::1", NULL}, "--public ff02::1"},
		{{"--public", "192.0.2.1:500", NULL}, "without a port"},
		{{"--queue-num", "65535", NULL}, "from 0 to 65534"},
		{{"--queue-num", "-1", NULL}, "from 0 to 65534"},
		{{"--queue-num", "7x", NULL}, "from 0 to 65534"},
		{{"--dead-after", "10d", NULL}, "a time such as"},
		{{"--dead-after", "0", NULL}, "a time such as"},
		{{"--dead-after", "99999999999999999999", NULL}, "a time such as"},
		{{"--hello", "maybe", NULL}, "pass|absorb"},
		{{"--l2tp-hostname", "", NULL}, "1 to 63"},
		{{"--l2tp-hostname", "a b", NULL}, "1 to 63"},
		{{"--iface", "eth0", "eth1"}, "eth1: unexpected word"},
		{{"--bridge=sometimes", NULL}, "--bridge sometimes"},
		{{"--bridge-groups", "2,", NULL}, "--bridge-groups 2,"},
		{{"--bridge-groups", "2;5", NULL}, "--bridge-groups 2;5"},
		{{"--bridge-groups", "32", NULL}, "--bridge-groups 32"},
		{{"--bridge-groups", "3", NULL}, "--bridge-groups 3"},
		{{"--bridge", "always", NULL}, "--bridge always: write it as one word, --bridge=always"},
		{{"--bridge", "sometimes", NULL}, "sometimes: unexpected word"},
		{{"--priority=50", NULL}, "from -49 to 49"},
		{{"--bridge-offer", "aes128-sha1-modp2048", NULL},
		 "--bridge-offer: no longer an option; remove it"},
		{{"--close-grace=200", NULL}, "--close-grace=200: no longer an option; remove it"},
		{{"--priority-dnat", "3", NULL}, "--priority-dnat: no longer an option; use priority"},
		{{"--priority-guard=3", NULL}, "--priority-guard=3: no longer an option; use priority"},
		{{"--priority-queue=3", NULL}, "--priority-queue=3: no longer an option; use priority"},
		{{"--psk-file", "", NULL}, "--psk-file"},
		{{"--iface=eth0", "--bridge", NULL}, "--bridge needs --psk-file"},
		{{"--iface=eth0", "--share-nat", NULL},
		 "--share-nat: no longer an option; it is not needed any more: with alias"},
		{{"--alias", "always", NULL}, "--alias always"},
		{{"--alias-net", "198.18.0.0", NULL}, "an IPv4 network of 8 to 30 bits"},
		{{"--alias-net", "198.18.0.0/", NULL}, "an IPv4 network of 8 to 30 bits"},
		{{"--alias-net", "198.18.0.0/31", NULL}, "an IPv4 network of 8 to 30 bits"},
		{{"--alias-net", "198.18.0.0/7", NULL}, "an IPv4 network of 8 to 30 bits"},
		{{"--alias-net", "198.18.0.0/16x", NULL}, "an IPv4 network of 8 to 30 bits"},
		{{"--alias-net", "198.18.0.1/16", NULL}, "an IPv4 network of 8 to 30 bits"},
		{{"--alias-net", "198.18.0.0:500/16", NULL}, "an IPv4 network of 8 to 30 bits"},
		{{"--alias-net", "2001:db8::/30", NULL}, "an IPv4 network of 8 to 30 bits"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *words[] = {cases[i].words[0], cases[i].words[1], cases[i].words[2], NULL};
		struct config c;

		assert_int_equal(load(&c, words), CONFIG_BAD_USAGE);
		if (!strstr(error, cases[i].says))
			fail_msg("case %zu: '%s' does not say '%s'", i, error, cases[i].says);
		config_free(&c);
	}
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"iface = eth0\nno-such-key = 1\n", ":2: no-such-key: unknown key"},
		{"iface = eth0\n\n# c\nqueue-num = many\n",
		 ":4: queue-num: invalid value 'many'; expected a number"},
		{"iface = eth0\nhello = pass\nhello = absorb\n", ":3: hello: duplicate key"},
		{"iface = eth0\nallow-clear = maybe\n",
		 ":2: allow-clear: invalid value 'maybe'; expected yes or no"},
		{"iface = eth0\nthis is no line\n", ":2: invalid line; expected key = value"},
		{"config = x\n", ":1: config: unknown key"},
		{"[no-dialect]\ndead-after = 3\n", ":2: no-dialect: unknown dialect"},
		{"[apple]\nqueue-num = 3\n",
		 ":2: queue-num: not allowed in a section; expected idle-timeout or keep-warm"},
		{"[apple]\ndead-after = 3\n", ":2: dead-after: not allowed in a section"},
		{"[apple]\nclose-grace = 3\n", ":2: close-grace: no longer an option; remove it"},
		{"verbose = loud\n",
		 ":1: verbose: invalid value 'loud'; expected yes, no, all or some of packets"},
		{"bridge-offer = x\n", ":1: bridge-offer: no longer an option; remove it"},
		{"priority-dnat = 3\n", ":1: priority-dnat: no longer an option; use priority"},
		{"iface = eth0\nshare-nat = yes\n",
		 ":2: share-nat: no longer an option; it is not needed any more: with alias"},
		{"[apple]\nidle-timeout = never\n", ":2: idle-timeout: invalid value; expected a time"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct config c;

		assert_int_equal(load_file(&c, cases[i].text), CONFIG_BAD_FILE);
		if (!strstr(error, cases[i].says))
			fail_msg("case %zu: '%s' does not say '%s'", i, error, cases[i].says);
		config_free(&c);
	}
}

static void test_too_many_overrides(void **state)
{
	enum { LINES = 400 };
	static char text[LINES * 26] = "iface = eth0\n";
	struct config c;

	(void)state;
	for (size_t i = 0; i < LINES; i++)
		strcat(text, "[apple]\nidle-timeout=3\n");
	assert_int_equal(load_file(&c, text), CONFIG_BAD_FILE);
	assert_non_null(strstr(error, "idle-timeout: too many lines in sections"));
	config_free(&c);
}

/* A file that opens, and then cannot be read. */
static void test_unreadable_file(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(load(&c, (const char *const[]){"--config", "/", NULL}), CONFIG_BAD_FILE);
	assert_non_null(strstr(error, "/: cannot read: Is a directory"));
	config_free(&c);
}

static void test_bridge_options(void **state)
{
	static const struct {
		const char *words[6];
		enum config_bridge bridge;
		unsigned groups;
		bool bridges;
	} cases[] = {
		{{"--iface=eth0", "--psk-file=x", "--bridge", NULL},
		 CONFIG_BRIDGE_NEEDED,
		 DEFAULT_GROUPS,
		 true},
		{{"--bridge", "--iface=eth0", "--psk-file=x", NULL},
		 CONFIG_BRIDGE_NEEDED,
		 DEFAULT_GROUPS,
		 true},
		{{"--iface=eth0", "--psk-file=x", "--bridge=always", "--bridge-groups=2,5", NULL},
		 CONFIG_BRIDGE_ALWAYS,
		 1 << 2 | 1 << 5,
		 true},
		{{"--iface=eth0", NULL}, CONFIG_BRIDGE_OFF, DEFAULT_GROUPS, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct config c;

		assert_int_equal(load(&c, cases[i].words), CONFIG_OK);
		assert_int_equal(c.bridge, cases[i].bridge);
		assert_int_equal(c.bridge_groups, cases[i].groups);
		assert_int_equal(config_bridges(&c), cases[i].bridges);
		config_free(&c);
	}
}

static void test_alias_options(void **state)
{
	static const struct {
		const char *words[6];
		bool aliases;
	} cases[] = {
		{{"--iface=eth0", NULL}, true},
		{{"--iface=eth0", "--alias=on", "--alias-net=10.64.0.0/24", NULL}, true},
		{{"--iface=eth0", "--alias=off", NULL}, false},
		{{"--iface=eth0", "--alias=on", "--stack=none", NULL}, false},
		{{"--iface=eth0", "--alias=on", "--rules=external", "--alias-net=10.64.0.0/24", NULL}, true},
		{{"--iface=eth0", "--alias=on", "--bridge", "--psk-file=x", "--alias-net=10.64.0.0/24", NULL},
		 true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct config c;

		assert_int_equal(load(&c, cases[i].words), CONFIG_OK);
		assert_int_equal(config_aliases(&c), cases[i].aliases);
		assert_int_equal(c.alias_prefix, cases[i].words[2] && cases[i].aliases ? 24 : 16);
		assert_int_equal(c.alias_net.addr[0], cases[i].words[2] && cases[i].aliases ? 10 : 198);
		config_free(&c);
	}
}

/* The kernel must remember who is alive for longer than any profile waits. */
static void test_alive_timeout(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(load_file(&c, "iface = eth0\nidle-timeout = 100\n[apple]\nidle-timeout = 900\n"),
			 CONFIG_OK);
	assert_int_equal(config_alive_timeout_s(&c), 960);
	config_free(&c);
}

static void test_verbose_by_subject(void **state)
{
	static const char *const words[][3] = {{"--iface=eth0", "-vsessions,xfrm"},
					       {"--iface=eth0", "--verbose=sessions,xfrm"}};
	struct config c;

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		assert_int_equal(load(&c, words[i]), CONFIG_OK);
		assert_int_equal(c.verbose, LOG_SUBJECT_BIT(LOG_OF_SESSIONS) | LOG_SUBJECT_BIT(LOG_OF_XFRM));
		config_free(&c);
	}
}

static void test_hostname_and_an_interface_twice(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(load(&c, (const char *const[]){"--iface=eth0", "--iface=eth0",
							"--l2tp-hostname=mac.example", NULL}),
			 CONFIG_OK);
	assert_int_equal(c.interface_count, 1);
	assert_string_equal(c.l2tp_hostname, "mac.example");
	config_free(&c);
}

static void test_prints_options(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	config_print_options(out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "      --iface NAME   "));
	assert_non_null(strstr(text, "  -v, --verbose[=SUBJECT,...]   "));
	assert_non_null(strstr(text, "      --psk-file FILE   "));
	free(text);
}

static void test_missing_file(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(load(&c, (const char *const[]){"--config", "/nonexistent/natshim.conf", NULL}),
			 CONFIG_BAD_FILE);
	assert_non_null(strstr(error, "/nonexistent/natshim.conf: cannot read: No such file"));
	config_free(&c);
}

static void test_help_and_version(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(load(&c, (const char *const[]){"--help", NULL}), CONFIG_HELP);
	config_free(&c);
	assert_int_equal(load(&c, (const char *const[]){"--version", NULL}), CONFIG_VERSION);
	config_free(&c);
}

/* Reloading */

struct text_file {
	const char *text;
};

static FILE *open_text(void *ctx, const char *path)
{
	const struct text_file *file = ctx;

	(void)path;
	return fmemopen((char *)(uintptr_t)file->text, strlen(file->text), "r");
}

/* With the same command line, which names the interface. */
static enum config_outcome reload(struct config *fresh, const struct config *running, const char *text,
				  char *kept)
{
	char name[] = "natshim", option[] = "--iface", value[] = "eth0";
	char *argv[] = {name, option, value, NULL};
	struct text_file file = {text};

	return config_reload(fresh, running, 3, argv, open_text, &file, kept, error);
}

static void assert_kept(const char *text, const char *expected)
{
	struct config running, once, twice;
	char kept[CONFIG_ERROR_MAX];

	assert_int_equal(load(&running, (const char *const[]){"--iface", "eth0", NULL}), CONFIG_OK);
	assert_int_equal(reload(&once, &running, text, kept), CONFIG_OK);
	assert_string_equal(kept, expected);
	/* What was kept is what the next reload compares with. */
	assert_int_equal(reload(&twice, &once, text, kept), CONFIG_OK);
	assert_string_equal(kept, expected);
	assert_int_equal(twice.queue_number, 1701);
	assert_int_equal(twice.stack, CONFIG_STACK_AUTO);
	assert_int_equal(twice.rules, CONFIG_RULES_INSTALL);
	assert_int_equal(twice.bridge, CONFIG_BRIDGE_OFF);
	assert_int_equal(twice.log_format, CONFIG_LOG_TEXT);
	assert_int_equal(twice.bridge_groups, DEFAULT_GROUPS);
	assert_int_equal(twice.public4.addr_len + twice.public6.addr_len, 0);
	assert_null(twice.psk_file);
	assert_null(twice.metrics_file);
	assert_null(twice.socket_group);
	assert_string_equal(twice.state_dir, "/run/natshim");
	assert_string_equal(twice.socket_path, "/run/natshim/control.sock");
	assert_string_equal(twice.l2tp_hostname, "anonymous");
	config_free(&running);
	config_free(&once);
	config_free(&twice);
}

static void test_reload_keeps(void **state)
{
	static const struct {
		const char *text, *kept;
	} cases[] = {
		{"stack = none\n", "stack"},
		{"rules = external\n", "rules"},
		{"queue-num = 7\n", "queue-num"},
		{"psk-file = /x\nbridge = needed\n", "bridge, psk-file"},
		{"hide-nat = yes\n", "hide-nat"},
		{"hide-nat = no\n", ""},
		{"bridge-groups = 2\n", "bridge-groups"},
		{"public = 192.0.2.1\npublic = 2001:db8::1\n", "public"},
		{"l2tp-hostname = mac\n", "l2tp-hostname"},
		{"state-dir = /x\n", "state-dir"},
		{"socket = /x\n", "socket"},
		{"socket-group = wheel\n", "socket-group"},
		{"metrics-file = /x\n", "metrics-file"},
		{"log-format = json\n", "log-format"},
		{"stack = none\nlog-format = json\nqueue-num = 8\n", "stack, queue-num, log-format"},
		{"\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_kept(cases[i].text, cases[i].kept);
}

static void test_reload_keeps_several_values(void **state)
{
	const char *const words[] = {"--iface",  "eth0",        "--public", "192.0.2.1",
				     "--public", "2001:db8::1", NULL};
	struct config running, fresh;
	char kept[CONFIG_ERROR_MAX];

	(void)state;
	assert_int_equal(load(&running, words), CONFIG_OK);
	assert_int_equal(reload(&fresh, &running, "public = 192.0.2.9\n", kept), CONFIG_OK);
	assert_string_equal(kept, "public");
	assert_memory_equal(&fresh.public4, &running.public4, sizeof fresh.public4);
	assert_memory_equal(&fresh.public6, &running.public6, sizeof fresh.public6);
	config_free(&running);
	config_free(&fresh);
}

static void test_reload_changes_the_rest(void **state)
{
	struct config running, fresh;
	char kept[CONFIG_ERROR_MAX];

	(void)state;
	assert_int_equal(load(&running, (const char *const[]){"--iface", "eth0", NULL}), CONFIG_OK);
	assert_int_equal(reload(&fresh, &running,
				"dead-after = 5\nhello = absorb\nlns = 192.0.2.7\nverbose = xfrm,rules\n",
				kept),
			 CONFIG_OK);
	assert_string_equal(kept, "");
	assert_int_equal(fresh.session.dead_after, 5);
	assert_int_equal(fresh.hello, CONFIG_HELLO_ABSORB);
	assert_int_equal(fresh.lns4.addr_len, 4);
	assert_int_equal(fresh.verbose, LOG_SUBJECT_BIT(LOG_OF_XFRM) | LOG_SUBJECT_BIT(LOG_OF_RULES));
	config_free(&fresh);
	assert_int_equal(reload(&fresh, &running, "stack = nobody\n", kept), CONFIG_BAD_FILE);
	config_free(&fresh);
	config_free(&running);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reload_keeps),
		cmocka_unit_test(test_reload_keeps_several_values),
		cmocka_unit_test(test_reload_changes_the_rest),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_defaults_are_those_of_the_sessions),
		cmocka_unit_test(test_every_kind_of_value),
		cmocka_unit_test(test_file_and_command_line),
		cmocka_unit_test(test_bad_command_lines),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_too_many_overrides),
		cmocka_unit_test(test_unreadable_file),
		cmocka_unit_test(test_bridge_options),
		cmocka_unit_test(test_alias_options),
		cmocka_unit_test(test_alive_timeout),
		cmocka_unit_test(test_verbose_by_subject),
		cmocka_unit_test(test_hostname_and_an_interface_twice),
		cmocka_unit_test(test_prints_options),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
