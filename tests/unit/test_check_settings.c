/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The readers of configuration texts: what libreswan's programs print, swanctl.conf, xl2tpd.conf, pppd's options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/check/ipsec_secrets.h"
#include "shim/check/settings.h"
#include "shim/check/xl2tpd_conf.h"

#include <stdlib.h>
#include <string.h>

/* As libreswan 4.10 prints them, but for "five", which is as 5.2 does. */
static const char export_text[] = "export ikev1_policy='0'\nexport uniqueids='no'\nnothing\nexport bad\n";
static const char status_text[] =
	"000 using kernel interface: xfrm\n"
	"000 ddos-cookies-threshold=25000, ddos-mode=auto, ikev1-policy=accept\n"
	"000 \"l2tp\": 203.0.113.1/32:UDP/1701===203.0.113.1...%any===0.0.0.0/0:UDP/0-65535; unrouted; "
	"eroute owner: #0\n"
	"000 \"l2tp\":     oriented; my_ip=unset; their_ip=unset; my_updown=ipsec _updown;\n"
	"000 \"far\":     unoriented; my_ip=unset; their_ip=unset\n"
	"\"five\": 203.0.113.1/32/UDP/1701===203.0.113.1...%any; unrouted; my_ip=unset; their_ip=unset;\n"
	"\"five\":   host: oriented; local: 203.0.113.1; remote: %any;\n"
	"\"five\"[1]: 203.0.113.1/32/UDP/1701===203.0.113.1...203.0.113.9; routed-tunnel;\n";
static const char swanctl_text[] =
	"# comment {\nconnections {\n  l2tp {\n    version = 1 # one\n"
	"    local { auth = psk }\n    children { l2tp {\n      mode = transport\n"
	"      remote_ts = dynamic[udp/any]\n    } }\n  }\n}\n"
	"secrets {\n  ike-l2tp {\n    secret = \"se#cr}et\"\n  }\n}\ninclude conf.d/*.conf\n";
static const char ppp_text[] =
	"# mtu 9\nmtu 1280 mru 1270\nrequire-mschap-v2\nms-dns 10.0.0.1 \"name\" 'a b'\nnoccp";

static void want(const struct settings *s, const char *section, const char *key, const char *value)
{
	const char *found = settings_get(s, section, key);

	if (!value) {
		assert_null(found);
	} else {
		assert_non_null(found);
		assert_string_equal(found, value);
	}
}

static void test_exports_and_status(void **state)
{
	struct settings s = {.items = NULL};

	(void)state;
	settings_read_exports(&s, export_text);
	want(&s, "setup", "ikev1_policy", "0");
	assert_int_equal(s.count, 2);
	settings_read_whack_status(&s, status_text);
	want(&s, "setup", "ikev1-policy", "accept");
	want(&s, "l2tp", "loaded", "yes");
	want(&s, "l2tp", "oriented", "yes");
	want(&s, "far", "oriented", "no");
	want(&s, "five", "loaded", "yes");
	want(&s, "five", "oriented", "yes");
	settings_clear(&s);
}

static void test_swanctl(void **state)
{
	struct settings s = {.items = NULL};

	(void)state;
	settings_read_swanctl(&s, swanctl_text);
	want(&s, "connections/l2tp", "version", "1");
	want(&s, "connections/l2tp/local", "auth", "psk");
	want(&s, "connections/l2tp/children/l2tp", "mode", "transport");
	want(&s, "connections/l2tp/children/l2tp", "remote_ts", "dynamic[udp/any]");
	want(&s, "secrets/ike-l2tp", "secret", "se#cr}et");
	want(&s, "", "include", "conf.d/*.conf");
	settings_clear(&s);
}

static void test_xl2tpd_conf(void **state)
{
	static const char text[] =
		"[Global]\r\nListen-Addr = 10.0.0.1 ; ours\n; x\n[LNS Default]\n IP Range = 10.0.0.9 - 20\n"
		"length bit = TRUE\n[lns b]\nlac = 10.0.0.1\n";
	/* Each alone keeps xl2tpd 1.3.18 from starting. */
	static const char *const refused[] = {"# c\n",
					      "[foo]\n",
					      "[global\n",
					      "[ lns default ]\n",
					      "port = 1\n",
					      "[global]\nfoo = 1\n",
					      "[lns default]\nlength bit = 1\n",
					      "[lns default]\nlength bit\n",
					      "[lns default]\nlisten-addr = 10.0.0.1\n",
					      "[lns default]\nip range = 10.0.0.9-10.0.0.1\n",
					      "[lns default]\nip range = 10.0.0.0/24\n",
					      "[lns default]\nlocal ip = 10.0.0.1/24\n",
					      "[lns default]\nip  range = 10.0.0.1\n",
					      "[lns default]\nrefuse mschap = yes\n",
					      "[lns default]\nredial = yes\n",
					      "[lns default]\n# x = y\n",
					      "[lns default]\nip range = -\n"};
	struct settings s = {.items = NULL};

	(void)state;
	xl2tpd_conf_lines(&s, text);
	want(&s, "global", "listen-addr", "10.0.0.1");
	want(&s, "global", XL2TPD_AS "listen-addr", "Listen-Addr");
	want(&s, "lns default", "ip range", "10.0.0.9 - 20");
	want(&s, "lns default", "", "LNS Default");
	want(&s, "lns default", "length bit", "yes");
	want(&s, "lns b", "lac", "10.0.0.1");
	want(&s, XL2TPD_REFUSED, "1", NULL);
	assert_string_equal(xl2tpd_conf_lns(&s), "lns default");
	settings_clear(&s);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		xl2tpd_conf_lines(&s, refused[i]);
		assert_true(s.count && !strcmp(s.items[s.count - 1].section, XL2TPD_REFUSED));
		settings_clear(&s);
	}
	xl2tpd_conf_lines(&s, "[lns a]\n[lns b]\nlac = 10.0.0.1\n");
	assert_string_equal(xl2tpd_conf_lns(&s), "lns b");
	settings_clear(&s);
	for (size_t n = 0; n <= sizeof text; n++) {
		char *cut = strndup(text, n);

		xl2tpd_conf_lines(&s, cut);
		free(cut);
		settings_clear(&s);
	}
}

static void test_chap(void **state)
{
	struct settings s = {.items = NULL};

	(void)state;
	settings_read_chap(
		&s, "# x\nalice * \"a b\" *\n\n'bob' srv pw\ncarol *\ndave * pw 10.0.0.1 10.0.0.2 # y\n");
	want(&s, "2", "client", "alice");
	want(&s, "2", "addresses", "1");
	want(&s, "4", "server", "srv");
	want(&s, "4", "addresses", "0");
	want(&s, "5", "addresses", NULL);
	want(&s, "6", "addresses", "2");
	for (size_t i = 0; i < s.count; i++)
		assert_null(strstr(s.items[i].value, "pw")); /* no secret is kept */
	settings_clear(&s);
}

static void test_ppp(void **state)
{
	struct settings s = {.items = NULL};

	(void)state;
	settings_read_ppp(&s, "file", ppp_text);
	want(&s, "file", "mtu", "1280");
	assert_int_equal(settings_find(&s, "file", "mru")->line, 2);
	assert_int_equal(settings_find(&s, "file", "noccp")->line, 5);
	want(&s, "file", "mru", "1270");
	want(&s, NULL, "name", "a b");
	assert_non_null(settings_find(&s, "file", "noccp"));
	assert_non_null(settings_find(&s, "file", "require-mschap-v2"));
	settings_clear(&s);
}

/* Every text at every truncation, flush to the end of its buffer: no reader may look behind it. */
static void test_truncated(void **state)
{
	static const struct {
		const char *text;
		void (*read)(struct settings *, const char *);
	} cases[] = {
		{export_text, settings_read_exports},
		{status_text, settings_read_whack_status},
		{swanctl_text, settings_read_swanctl},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
		for (size_t n = 0; n <= strlen(cases[c].text); n++) {
			char *cut = strndup(cases[c].text, n);
			struct settings s = {.items = NULL};

			cases[c].read(&s, cut);
			settings_clear(&s);
			free(cut);
		}
	}
	for (size_t n = 0; n <= strlen(ppp_text); n++) {
		char *cut = strndup(ppp_text, n);
		struct settings s = {.items = NULL};

		settings_read_ppp(&s, "f", cut);
		settings_clear(&s);
		free(cut);
	}
}

/* No bound of a text is trusted: long words, deep sections. */
static void test_long(void **state)
{
	struct settings s = {.items = NULL};
	char *text = malloc(6001);

	(void)state;
	for (size_t i = 0; i < 3000; i++)
		memcpy(text + 2 * i, "a{", 2);
	text[6000] = '\0';
	settings_read_swanctl(&s, text);
	assert_true(s.count > 0);
	settings_clear(&s);
	memset(text, 'w', 6000);
	settings_read_ppp(&s, "f", text);
	assert_int_equal(s.count, 1);
	settings_clear(&s);
	free(text);
}

/* Records, and which of them pluto finds for a client; the forms that admins write are tests/net/test_check_secrets', with pluto. */
static void test_secrets(void **state)
{
	static const char text[] = "# no\n192.0.2.9 %any6: PSK \"a#b\" # x\n@a\n  : psk 0sYQ==\n:PSK \"c\"\n"
				   "include \"more\"\n : PSK 'd'\n: PSK \"e\n";
	struct settings s = {.items = NULL};

	(void)state;
	ipsec_secrets_lines(&s, text, "/s");
	assert_int_equal(s.count, 5);
	want(&s, "psk", "/s:2", "192.0.2.9 %any");
	want(&s, "psk", "/s:3", "@a");
	assert_non_null(settings_get(&s, "fault", "/s:5"));
	assert_string_equal(settings_get(&s, "fault", "/s:6"), "include takes one name");
	assert_non_null(strstr(settings_get(&s, "fault", "/s:8"), "not closed"));
	assert_true(ipsec_secrets_serve(&s, "203.0.113.1"));
	settings_clear(&s);
	for (size_t n = 0; n <= sizeof text; n++) {
		char *cut = strndup(text, n);

		ipsec_secrets_lines(&s, cut, "/s");
		for (size_t i = 0; i < s.count; i++)
			assert_null(strstr(s.items[i].value, "a#b")); /* no key is kept */
		settings_clear(&s);
		free(cut);
	}
	ipsec_secrets_lines(&s, "203.0.113.1 : PSK \"x\"\n@vpn.example.org : PSK \"y\"\n", "/s");
	assert_true(ipsec_secrets_serve(&s, "203.0.113.1"));
	assert_true(ipsec_secrets_serve(&s, "@VPN.example.org"));
	assert_true(ipsec_secrets_serve(&s, NULL));
	assert_false(ipsec_secrets_serve(&s, "203.0.113.2"));
	settings_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exports_and_status),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_swanctl),
		cmocka_unit_test(test_xl2tpd_conf),
		cmocka_unit_test(test_chap),
		cmocka_unit_test(test_ppp),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests_name("check_settings", tests, NULL, NULL);
}
