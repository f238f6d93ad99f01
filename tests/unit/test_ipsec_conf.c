/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader of ipsec.conf(5), versions 4 and 5: what is expected here is what `ipsec readwriteconf' and pluto of libreswan 4.10 and 5.2
 * make of such files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/check/facts.h"
#include "shim/check/ipsec_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char text[] = "version 2.0\n"
			   "# pfs=yes\n"
			   "config setup   # words\n"
			   "\tuniqueids=yes\n"
			   "\tuniqueids=No   # the later one\n"
			   "\n"
			   "conn %default\n"
			   "\tikelifetime=3h\n"
			   "\tdpddelay=55\n"
			   "\tretransmit-timeout=12\n"
			   "conn deep\n"
			   "\tdpddelay=99\n"
			   "\tretransmit-timeout=31\n"
			   "\talso=l2tp\n"
			   "conn base\n"
			   "    dpddelay=11\n"
			   "    ike=aes256-sha1;modp2048\n"
			   "    also=deep\n"
			   "# pfs=yes\n"
			   "\n"
			   "\t# pfs=yes\n"
			   "conn l2tp\n"
			   "\tALSO=base\n"
			   "\tIKEV2=Never\n"
			   "\tType = {Transport}\n"
			   "\tleftid=\"@a # b\"\n"
			   "\tright=%Any\n"
			   "\tpfs=off\n"
			   "\taggrmode=\n"
			   "\tikev1-dpdtimeout=44s # seconds\n"
			   "\tphase2alg=3des-sha1#x\n"
			   "\tauto=add\n"
			   "conn after\n"
			   "\talso=\"l2tp\"\n"
			   "\tdpddelay=66\n"
			   "\tauto=ignore\n"
			   "conn before\n"
			   "\tdpddelay=67\n"
			   "\talso=l2tp\n"
			   "conn two\n"
			   "\talso=l2tp\n"
			   "\talso=other\n"
			   "conn other\n"
			   "\tike=aes128-sha1;modp2048\n"
			   "\tdpddelay=1\n"
			   "\talso=nowhere\n";

static struct settings resolved(const char *file, unsigned version)
{
	struct settings lines = {.items = NULL}, out = {.items = NULL};

	ipsec_conf_lines(&lines, file, "/etc/ipsec.conf");
	ipsec_conf_resolve(&lines, version, &out);
	settings_clear(&lines);
	return out;
}

static void want(const struct settings *s, const char *section, const char *key, const char *value)
{
	const char *found = settings_get(s, section, key);

	if (found ? !value || strcmp(found, value) != 0 : value != NULL)
		fail_msg("%s, %s: %s, wanted %s", section, key, found ? found : "(none)",
			 value ? value : "(none)");
}

static void test_values(void **state)
{
	(void)state;
	for (unsigned version = 4; version <= 5; version++) {
		struct settings s = resolved(text, version);

		want(&s, "setup", "uniqueids", "no");
		want(&s, "l2tp", "ikev2", "no");
		want(&s, "l2tp", "type", "transport");
		want(&s, "l2tp", "leftid", "@a # b");
		want(&s, "l2tp", "right", "%any");
		want(&s, "l2tp", "pfs", "no");
		want(&s, "l2tp", "aggressive", NULL);
		want(&s, "l2tp", "dpdtimeout", "44s");
		want(&s, "l2tp", "esp", "3des-sha1#x");
		want(&s, "l2tp", "auto", "add");
		want(&s, "l2tp", "also", NULL);
		want(&s, "base", "pfs", "no"); /* by deep, from l2tp: also= may go round in a ring */
		assert_null(settings_find(&s, "%default", ""));
		assert_string_equal(settings_find(&s, "l2tp", "")->value, "/etc/ipsec.conf");
		settings_clear(&s);
	}
}

/* also= and %default: the conn's own value, an also= and %default disagree. */
static void test_order(void **state)
{
	struct settings four = resolved(text, 4), five = resolved(text, 5);

	(void)state;
	want(&four, "l2tp", "dpddelay", "11");
	want(&five, "l2tp", "dpddelay", "11");
	want(&four, "after", "dpddelay", "66");
	want(&five, "after", "dpddelay", "11");
	want(&four, "after", "auto", "ignore");
	want(&five, "after", "auto", "add");
	want(&four, "before", "dpddelay", "67");
	want(&five, "before", "dpddelay", "67");
	want(&four, "two", "dpddelay", "1");
	want(&five, "two", "dpddelay", "11");
	want(&four, "two", IPSEC_CONF_FROM "dpddelay", "other");
	want(&five, "two", IPSEC_CONF_FROM "dpddelay", "base");
	want(&five, "two", IPSEC_CONF_FROM "ikelifetime", NULL); /* %default: its own value would win */
	want(&four, "after", IPSEC_CONF_FROM "dpddelay", NULL);
	want(&four, "two", "ike", "aes128-sha1;modp2048");
	want(&five, "two", "ike", "aes256-sha1;modp2048");
	want(&four, "two", "retransmit-timeout", "31");
	want(&five, "two", "retransmit-timeout", "31");
	want(&four, "two", "ikelifetime", "3h");
	want(&five, "other", "retransmit-timeout", "12");
	settings_clear(&four);
	settings_clear(&five);
}

static void write_file(const char *directory, const char *name, const char *what)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(what, out);
	fclose(out);
}

/* An include in its place, by a pattern too, in a ring too; the conn knows its file. */
static void test_include(void **state)
{
	char directory[] = "/tmp/natshim-conf-XXXXXX", path[128], main_file[256], blind[FACTS_TEXT] = "";
	struct settings lines = {.items = NULL}, s = {.items = NULL};

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(main_file, sizeof main_file,
		 "config setup\n\tuniqueids=no\ninclude %s/*.inc\nconn last\n\talso=b\ninclude %s/none\n",
		 directory, directory);
	write_file(directory, "main", main_file);
	write_file(directory, "a.inc", "conn a\n\tpfs=no\n");
	snprintf(main_file, sizeof main_file, "include \"%s/b.inc\"\nconn b\n\trekey=no\n", directory);
	write_file(directory, "b.inc", main_file);
	snprintf(path, sizeof path, "%s/main", directory);
	assert_true(ipsec_conf_read(&lines, path, blind));
	ipsec_conf_resolve(&lines, 5, &s);
	want(&s, "setup", "uniqueids", "no");
	want(&s, "a", "pfs", "no");
	want(&s, "last", "rekey", "no");
	assert_string_equal(settings_find(&s, "last", "")->value, path);
	snprintf(path, sizeof path, "%s/a.inc", directory);
	assert_string_equal(settings_find(&s, "a", "")->value, path);
	unlink(path);
	snprintf(path, sizeof path, "%s/b.inc", directory);
	unlink(path);
	snprintf(path, sizeof path, "%s/main", directory);
	unlink(path);
	rmdir(directory);
	assert_false(ipsec_conf_read(&lines, path, blind));
	assert_non_null(strstr(blind, path));
	settings_clear(&lines);
	settings_clear(&s);
}

/* At every truncation, flush to the end of its buffer; and what is no configuration. */
static void test_odd(void **state)
{
	static const char *const odd[] = {"=",
					  "\t=",
					  "\t=x\nconn\nconn \n\ta=b",
					  "config\nconfig x\n\ta=b\n",
					  "conn x\n\t\"\n\ta=\"\n\tb={\n\t{}=}",
					  "include\ninclude \n",
					  "\r\n\r\n\tconn x\r\n\tpfs=no\r\n",
					  "conn x\n\talso=\n\talso=x"};

	(void)state;
	for (size_t n = 0; n <= strlen(text); n++) {
		char *cut = strndup(text, n);

		for (unsigned version = 4; version <= 5; version++) {
			struct settings s = resolved(cut, version);

			settings_clear(&s);
		}
		free(cut);
	}
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		struct settings s = resolved(odd[i], 5);

		settings_clear(&s);
	}
	struct settings s = resolved("conn x\r\n\tpfs=no\r\n", 4);

	want(&s, "x", "pfs", "no");
	settings_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
