/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judges of natshim check: a good server is silent, and each fault, put into it alone, is named by its check with a mend.
 * No system is read here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/check/check.h"
#include "shim/check/ipsec_conf.h"
#include "shim/check/ipsec_secrets.h"
#include "shim/check/xl2tpd_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char good_ipsec[] = "config setup\n\tikev1-policy=accept\n\tuniqueids=no\nconn "
				 "l2tp\n\tleft=203.0.113.1\n\tleftprotoport=UDP/1701\n"
				 "\tright=%any\n\trightprotoport=UDP/"
				 "%any\n\ttype=transport\n\tikev2=no\n\tpfs=no\n\trekey=no\n\tdpddelay=40\n"
				 "\tdpdtimeout=130\n\tdpdaction=clear\n\tauthby=secret\n\tauto=add\n";
static const char good_status[] = "000 x, ikev1-policy=accept\n000 \"l2tp\":     oriented; my_ip=unset\n";
static const char good_swanctl[] = "connections { l2tp {\nversion = 1\nremote_addrs = %any\nunique = "
				   "never\nrekey_time = 0\ndpd_delay = 40s\n"
				   "proposals = aes128-sha1-modp2048,3des-sha1-modp1024\nchildren { l2tp "
				   "{\nmode = transport\nrekey_time = 0\n"
				   "local_ts = dynamic[udp/1701]\nremote_ts = "
				   "dynamic[udp/any]\nesp_proposals = aes128-sha1,3des-sha1\n} } } }\n";
static const char good_xl2tpd[] = "[global]\nlisten-addr = 10.0.0.1\n[lns default]\nip range = "
				  "10.9.0.10-20\nlocal ip = 10.9.0.1\nlength bit = yes\n";
static const char good_ppp[] = "auth\nrequire-mschap-v2\nnoccp\nmtu 1280\nmru 1280\n";
static const char good_rules[] = "{\"nftables\": [{\"chain\": {\"family\": \"inet\", \"table\": \"natshim\", "
				 "\"name\": \"guard\", \"hook\": \"prerouting\","
				 "\"prio\": -300, \"policy\": \"accept\"}}, {\"rule\": {\"family\": "
				 "\"inet\", \"table\": \"natshim\", \"chain\": \"guard\","
				 "\"expr\": [{\"match\": {\"op\": \"==\", \"left\": {\"payload\": "
				 "{\"protocol\": \"udp\", \"field\": \"dport\"}},"
				 "\"right\": 1701}}, {\"match\": {\"op\": \"==\", \"left\": {\"meta\": "
				 "{\"key\": \"ipsec\"}}, \"right\": false}},"
				 "{\"drop\": null}]}}]}";

/* One fault: in which text, what is replaced by what. */
enum part { IPSEC, STATUS, SWANCTL, XL2TPD, PPP, RULES, PARTS };
struct texts {
	char *part[PARTS];
};

static unsigned version = 4; /* libreswan's */

static void make_good(struct check_facts *f, const struct texts *t)
{
	struct settings lines = {.items = NULL};

	memset(f, 0, sizeof *f);
	f->libreswan.present = f->libreswan.pluto_runs = true;
	strcpy(f->libreswan.path, "/etc/ipsec.conf");
	strcpy(f->libreswan.secrets.path, "/etc/ipsec.secrets");
	f->libreswan.version = version;
	ipsec_conf_lines(&lines, t->part[IPSEC], "/etc/ipsec.conf");
	ipsec_conf_resolve(&lines, version, &f->libreswan.config);
	settings_clear(&lines);
	settings_read_whack_status(&f->libreswan.status, t->part[STATUS]);
	f->libreswan.ike = strdup("AES_CBC-HMAC_SHA1-MODP2048\n3DES_CBC-HMAC_SHA1-MODP1536\n");
	f->libreswan.esp = strdup("AES_CBC_128-HMAC_SHA1_96\n");
	f->libreswan.modp1024 = YES;
	f->libreswan.host = &f->host;
	ipsec_secrets_lines(&f->libreswan.secrets.entries, ": PSK \"x\"\n", "/etc/ipsec.secrets");
	f->strongswan.present = f->strongswan.charon_runs = true;
	strcpy(f->strongswan.path, "/etc/swanctl/swanctl.conf");
	settings_read_swanctl(&f->strongswan.config, t->part[SWANCTL]);
	settings_read_swanctl(&f->strongswan.loaded, good_swanctl);
	f->strongswan.modp1024 = f->strongswan.triple_des = YES;
	f->strongswan.secrets.psk_count = 1;
	f->certificate = (struct certificate_facts){.present = true,
						    .source = "vpn",
						    .names = {"vpn.example.org"},
						    .name_count = 1,
						    .has_eku = true,
						    .eku_ike = true,
						    .days_left = 300,
						    .chain = YES,
						    .digest = "SHA384",
						    .rsa = true,
						    .key_bits = 2048,
						    .id = "@vpn.example.org",
						    .server_name = "VPN.example.org"};
	f->l2tp.present = true;
	strcpy(f->l2tp.path, "/etc/xl2tpd/xl2tpd.conf");
	strcpy(f->l2tp.ppp_path, "/etc/ppp/options.xl2tpd");
	xl2tpd_conf_lines(&f->l2tp.xl2tpd, t->part[XL2TPD]);
	settings_read_chap(&f->l2tp.users, "alice * pw *\n");
	strcpy(f->l2tp.users_path, "/etc/ppp/chap-secrets");
	settings_read_ppp(&f->l2tp.ppp, f->l2tp.ppp_path, t->part[PPP]);
	f->kernel = (struct kernel_facts){.queue = YES,
					  .secpath = YES,
					  .owner = YES,
					  .xfrm = YES,
					  .esp = YES,
					  .ppp = YES,
					  .ip_forward = 1,
					  .udp_timeout = 30,
					  .udp_timeout_stream = 120,
					  .rp_filter = 2,
					  .queue_number = 1701,
					  .queue_suggested = 1703};
	f->firewall.ruleset = strdup(t->part[RULES]);
	f->firewall.legacy = NO;
}

static void clear(struct check_facts *f)
{
	settings_clear(&f->libreswan.config);
	settings_clear(&f->libreswan.status);
	settings_clear(&f->libreswan.secrets.entries);
	free(f->libreswan.ike);
	free(f->libreswan.esp);
	settings_clear(&f->strongswan.config);
	settings_clear(&f->strongswan.loaded);
	settings_clear(&f->l2tp.xl2tpd);
	settings_clear(&f->l2tp.ppp);
	settings_clear(&f->l2tp.users);
	free(f->firewall.ruleset);
}

struct seen {
	char ids[2048];
	char mend[CHECK_TEXT_MAX]; /* of the last finding */
	bool empty;                /* a finding without words */
	enum check_severity severity;
};

/* cert-sha2, strongswan-old-macs and l2tp-masquerade are said of good servers too. */
static void note(void *ctx, const struct check_finding *finding)
{
	struct seen *seen = ctx;
	const size_t length = strlen(seen->ids);

	seen->empty |= !*finding->found || !*finding->why || !*finding->mend;
	if (!strcmp(finding->id, "cert-sha2") || !strcmp(finding->id, "l2tp-masquerade") ||
	    !strcmp(finding->id, "strongswan-old-macs"))
		return;
	snprintf(seen->ids + length, sizeof seen->ids - length, "%s%s", length ? " " : "", finding->id);
	snprintf(seen->mend, sizeof seen->mend, "%s", finding->mend);
	seen->severity = finding->severity;
}

static struct seen judge(const struct check_facts *facts)
{
	struct seen seen = {.empty = false};

	check_run(facts, note, &seen);
	assert_false(seen.empty);
	return seen;
}

static const struct texts good = {{
	(char *)(uintptr_t)good_ipsec,
	(char *)(uintptr_t)good_status,
	(char *)(uintptr_t)good_swanctl,
	(char *)(uintptr_t)good_xl2tpd,
	(char *)(uintptr_t)good_ppp,
	(char *)(uintptr_t)good_rules,
}};

static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *out;

	assert_non_null(at);
	assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	return out;
}

static void test_good(void **state)
{
	struct check_facts f;

	(void)state;
	make_good(&f, &good);
	assert_string_equal(judge(&f).ids, "");
	clear(&f);
}

/* Version 5: obsolete words are no fault, and what is to be mended is in its own. */
static void test_libreswan_5(void **state)
{
	static const struct {
		const char *from, *to, *ids, *mend;
		enum check_severity severity;
	} cases[] = {
		{"ikev2=no", "ikev2=yes", "libreswan-ikev2", "conn l2tp: ikev2=no", CHECK_ERROR},
		{"ikev2=no", "keyexchange=ikev1", "", "", CHECK_ERROR},
		{"ikev2=no", "keyexchange=ikev1\n\tikev2=yes", "", "", CHECK_ERROR},
		{"ikev2=no", "keyexchange=ikev2", "libreswan-ikev2", "conn l2tp: keyexchange=ikev1",
		 CHECK_ERROR},
		{"\tikev2=no\n", "", "libreswan-ikev2", "conn l2tp: keyexchange=ikev1", CHECK_ERROR},
		{"dpdaction=clear", "dpdaction=hold", "", "", CHECK_ERROR},
		{"\tdpdaction=clear\n", "", "", "", CHECK_ERROR},
		{"dpdtimeout=130", "ikev1-dpdtimeout=130", "", "", CHECK_ERROR},
		{"\tdpdtimeout=130\n", "", "libreswan-dpd", "conn l2tp: ikev1-dpdtimeout=130", CHECK_HINT},
		{"type=transport", "type=tunnel", "libreswan-type", "run: ipsec replace l2tp", CHECK_ERROR},
		{"conn l2tp", "conn new", "libreswan-loaded", "run: ipsec add new", CHECK_ERROR},
	};

	(void)state;
	version = 5;
	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
		struct texts t = good;
		struct check_facts f;
		struct seen seen;

		t.part[IPSEC] = replaced(good.part[IPSEC], cases[c].from, cases[c].to);
		make_good(&f, &t);
		seen = judge(&f);
		if (strcmp(seen.ids, cases[c].ids) != 0 || !strstr(seen.mend, cases[c].mend) ||
		    (*seen.ids && seen.severity != cases[c].severity))
			fail_msg("%s: found \"%s\", mend \"%s\"", cases[c].to, seen.ids, seen.mend);
		clear(&f);
		free(t.part[IPSEC]);
	}
	version = 4;
}

/* A fault in a text: exactly these checks speak, the last with such a mend. */
static void test_texts(void **state)
{
	static const struct {
		enum part part;
		const char *from, *to, *ids, *mend;
	} cases[] = {
		{IPSEC, "policy=accept", "policy=drop", "libreswan-ikev1-policy",
		 "config setup: ikev1-policy=accept"},
		{STATUS, "policy=accept", "policy=drop", "libreswan-ikev1-policy",
		 "run: systemctl restart ipsec"},
		{IPSEC, "uniqueids=no", "uniqueids=yes", "libreswan-uniqueids", "config setup: uniqueids=no"},
		{IPSEC, "\tuniqueids=no\n", "", "libreswan-uniqueids", "config setup: uniqueids=no"},
		{IPSEC, "UDP/%any", "UDP/1701", "libreswan-rightprotoport",
		 "conn l2tp: rightprotoport=17/%any"},
		{IPSEC, "UDP/%any", "UDP/l2tp", "libreswan-rightprotoport",
		 "conn l2tp: rightprotoport=17/%any"},
		{IPSEC, "UDP/1701", "UDP/500", "libreswan-leftprotoport", "conn l2tp: leftprotoport=17/1701"},
		{IPSEC, "right=%any", "right=198.51.100.7", "libreswan-right", "conn l2tp: right=%any"},
		{IPSEC, "type=transport", "type=tunnel", "libreswan-type", "conn l2tp: type=transport"},
		{IPSEC, "ikev2=no", "ikev2=yes", "libreswan-ikev2", "conn l2tp: ikev2=no"},
		{IPSEC, "pfs=no", "pfs=yes", "libreswan-pfs", "conn l2tp: pfs=no"},
		{IPSEC, "rekey=no", "rekey=yes", "libreswan-rekey", "conn l2tp: rekey=no"},
		{IPSEC, "pfs=no", "pfs=no\n\taggressive=yes", "libreswan-aggressive",
		 "conn l2tp: aggressive=no"},
		{IPSEC, "pfs=no", "pfs=no\n\tencapsulation=no", "libreswan-encapsulation",
		 "conn l2tp: encapsulation=auto"},
		{IPSEC, "dpddelay=40", "dpddelay=0", "libreswan-dpd", "conn l2tp: dpddelay=40"},
		{IPSEC, "action=clear", "action=hold", "libreswan-dpdaction", "conn l2tp: dpdaction=clear"},
		{IPSEC, "authby=secret", "authby=rsasig", "libreswan-authby", "conn l2tp: authby=secret"},
		{IPSEC, "auto=add", "auto=add\n\tkeylife=1h", "libreswan-lifetime", "conn l2tp: keylife=24h"},
		{IPSEC, "auto=add", "auto=add\n\tikelifetime=3600s", "libreswan-lifetime",
		 "conn l2tp: ikelifetime=24h"},
		{IPSEC, "auto=add", "auto=add\n\tikelifetime=24h\n\tsalifetime=480m\n\tsha2-truncbug=yes", "",
		 ""},
		{IPSEC, "auto=add", "auto=ignore", "libreswan-auto", "conn l2tp: auto=add"},
		{IPSEC, "conn l2tp", "conn new", "libreswan-loaded", "run: ipsec auto --add new"},
		{STATUS, "    oriented", "    unoriented", "libreswan-oriented", "left=%defaultroute"},
		{IPSEC, "conn l2tp",
		 "conn l2tp\n\tauto=add\nconn other\n\tauto=add\n\tx=", "libreswan-loaded", "--add other"},
		{IPSEC,
		 "conn "
		 "l2tp\n\tleft=203.0.113.1\n\tleftprotoport=UDP/1701\n\tright=%any\n\trightprotoport=UDP/"
		 "%any",
		 "conn l2tp\n\tleft=203.0.113.1\n\tright=%any", "libreswan-conn", "--emit libreswan"},
		{SWANCTL, "version = 1", "version = 2", "strongswan-version", "version = 1"},
		{SWANCTL, "= %any", "= 198.51.100.7", "strongswan-remote-addrs", "remote_addrs = %any"},
		{SWANCTL, "mode = transport", "mode = tunnel", "strongswan-mode", "mode = transport"},
		{SWANCTL, "local_ts = dynamic[udp/1701]\nremote_ts = dynamic[udp/any]",
		 "local_ts = dynamic\nremote_ts = dynamic[udp/1701]",
		 "strongswan-local-ts strongswan-remote-ts", "remote_ts = dynamic[udp/any]"},
		{SWANCTL, "udp/any", "udp/1701", "strongswan-remote-ts", "remote_ts = dynamic[udp/any]"},
		{SWANCTL, "udp/any", "udp/%any", "strongswan-remote-ts", "remote_ts = dynamic[udp/any]"},
		{SWANCTL, "version = 1", "version = 1\naggressive = yes", "strongswan-aggressive",
		 "aggressive = no"},
		{SWANCTL, ",3des-sha1-modp1024", "", "strongswan-proposals", "3des-sha1-modp1024"},
		{SWANCTL, "aes128-sha1,3des-sha1\n", "aes256gcm16\n", "strongswan-esp", "aes128-sha1"},
		{SWANCTL, "aes128-sha1,3des-sha1\n", "aes128-sha1-modp1024\n", "strongswan-pfs",
		 "esp_proposals = "},
		{SWANCTL, "unique = never", "unique = replace", "strongswan-unique", "unique = never"},
		{SWANCTL, "rekey_time = 0", "rekey_time = 4h", "strongswan-rekey", "rekey_time = 0"},
		{SWANCTL, "dpd_delay = 40s", "dpd_delay = 0", "strongswan-dpd", "dpd_delay = 40s"},
		{SWANCTL, "children { l2tp {", "children { new {", "strongswan-loaded",
		 "run: swanctl --load-all"},
		{SWANCTL, "[udp/1701]\nremote_ts = dynamic[udp/any]", "\nremote_ts = dynamic",
		 "strongswan-conn", "--emit strongswan"},
		{XL2TPD, "listen-addr = 10.0.0.1\n", "", "l2tp-listen-addr", "[global]: listen-addr"},
		{XL2TPD, "listen", "port = 1702\nlisten", "l2tp-port", "[global]: port = 1701"},
		{XL2TPD, "length bit = yes", "length bit = no", "l2tp-length-bit",
		 "[lns default]: length bit = yes"},
		{XL2TPD, "[lns default]\nip range = 10.9.0.10-20\n", "[lac x]\n", "l2tp-config",
		 "--emit xl2tpd"},
		{XL2TPD, "length bit", "require pap = yes\nlength bit", "", ""},
		{XL2TPD, "length bit", "Challenge = Yes\nlength bit", "l2tp-flags",
		 "[lns default]: Challenge = no"},
		{XL2TPD, "listen", "access control = yes\nlisten", "l2tp-flags",
		 "[global]: access control = no"},
		{XL2TPD, "length bit", "unix auth = yes\nlength bit", "l2tp-flags", "unix auth = no"},
		{XL2TPD, "lns default", "lns mine", "l2tp-lns", "[lns mine]: lac = 0.0.0.0-255.255.255.255"},
		{XL2TPD, "ip range = 10.9.0.10-20\n", "", "l2tp-ip-range",
		 "ip range = 10.9.0.101-10.9.0.150"},
		{XL2TPD, "ip range = 10.9.0.10-20\n", "assign ip = no\n", "", ""},
		{XL2TPD, "local ip = 10.9.0.1\n", "", "l2tp-local-ip", "local ip = 10.9.0.9"},
		{XL2TPD, "local ip = 10.9.0.1\n", "local ip range = 10.9.0.1\n", "", ""},
		{XL2TPD, "local ip = 10.9.0.1\n", "local ip = 10.9.0.20\n", "l2tp-local-ip",
		 "local ip = 10.9.0.9"},
		{XL2TPD, "10.0.0.1", "127.0.0.1", "l2tp-listen-addr", "listen-addr = 203.0.113.1"},
		{XL2TPD, "10.0.0.1", "0.0.0.0", "l2tp-listen-addr", "listen-addr = 203.0.113.1"},
		{XL2TPD, "listen", "# x\nlisten", "l2tp-refused", "sed \"2s/^/;/\""},
		{XL2TPD, "listen", "foo=1\nbar=2\nlisten", "l2tp-refused", "sed \"2s/^/;/;3s/^/;/\""},
		{XL2TPD, "[global]\nlisten-addr", "[GLOBAL]\nListen-Addr", "", ""},
		{PPP, "noccp", "crtscts", "ppp-tty", "sed \"3s,"},
		{PPP, "noccp", "noccp modem", "ppp-tty", "sed \"3s,"},
		{PPP, "noccp", "115200", "ppp-tty", "115200"},
		{PPP, "noccp", "connect /bin/true", "ppp-tty", "sed \"3s/^/#/\""},
		{PPP, "noccp", "name local\nipparam modem\nms-dns 10.0.0.1\nlcp-echo-interval 300", "", ""},
		{PPP, "noccp", "lock", "ppp-lock", "remove lock"},
		{PPP, "noccp", "require-mppe-128", "ppp-mppe", "remove require-mppe-128"},
		{PPP, "noccp", "mppe required,stateless", "ppp-mppe", "remove mppe required"},
		{PPP, "mtu 1280\n", "", "ppp-mtu", "mtu 1280"},
		{PPP, "mru 1280", "mru 1500", "ppp-mtu", "mru 1280"},
		{PPP, "require-mschap-v2", "require-eap", "ppp-auth", "require-mschap-v2"},
		{PPP, "require-mschap-v2", "refuse-chap\nrefuse-mschap-v2", "ppp-auth",
		 "remove refuse-mschap-v2"},
		{PPP, "require-mschap-v2", "require-pap", "ppp-auth", "remove require-pap"},
		{PPP, "require-mschap-v2", "require-chap", "", ""},
		{PPP, "auth\n", "noauth\n", "ppp-noauth", "remove noauth"},
		{RULES, "false", "true", "firewall-l2tp firewall-clear-open", "natshim"},
		{RULES, "1701", "500", "firewall-500 firewall-clear-open", "natshim"},
		{RULES, "1701", "{\"range\": [4000, 5000]}", "firewall-4500 firewall-clear-open", "natshim"},
		{RULES, "{\"drop\"", "{\"accept\"", "firewall-clear-l2tp",
		 "run: nft insert rule inet natshim guard udp dport 1701 meta secpath missing drop"},
		{RULES, "\"accept\"", "\"drop\"", "firewall-500 firewall-4500 firewall-esp firewall-l2tp",
		 "run: nft insert rule inet natshim guard meta secpath exists udp dport 1701 accept"},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
		struct texts t = good;
		struct check_facts f;
		struct seen seen;

		t.part[cases[c].part] = replaced(good.part[cases[c].part], cases[c].from, cases[c].to);
		make_good(&f, &t);
		seen = judge(&f);
		if (strcmp(seen.ids, cases[c].ids) != 0 || !strstr(seen.mend, cases[c].mend))
			fail_msg("%s -> %s: found \"%s\", mend \"%s\"", cases[c].from, cases[c].to, seen.ids,
				 seen.mend);
		clear(&f);
		free(t.part[cases[c].part]);
	}
}

/* A fault in a fact that is no text. */
#define FACT(change, names, mend_part)                                                                       \
	do {                                                                                                 \
		struct check_facts f;                                                                        \
		struct seen seen;                                                                            \
                                                                                                             \
		make_good(&f, &good);                                                                        \
		change;                                                                                      \
		seen = judge(&f);                                                                            \
		if (strcmp(seen.ids, names) != 0 || !strstr(seen.mend, mend_part))                           \
			fail_msg("%s: found \"%s\", mend \"%s\"", #change, seen.ids, seen.mend);             \
		clear(&f);                                                                                   \
	} while (0)

static const char unbound_xl2tpd[] =
	"[global]\n[lns default]\nip range = 10.9.0.10-20\nlocal ip = 10.9.0.1\nlength bit = yes\n";

/* The server's address, on wan, and another one. */
static void has_addresses(struct check_facts *f, const char *other)
{
	f->host.address_count = 2;
	strcpy(f->host.default_address, "203.0.113.1");
	strcpy(f->host.addresses[0], "203.0.113.1");
	strcpy(f->host.ifaces[0], "wan");
	strcpy(f->host.addresses[1], "172.17.0.1");
	strcpy(f->host.ifaces[1], other);
}

static void test_facts(void **state)
{
	(void)state;
	FACT(strcpy(f.libreswan.error, "bad line"), "libreswan-config", "--emit libreswan");
	FACT(settings_clear(&f.libreswan.secrets.entries), "libreswan-psk", "PSK");
	FACT(f.libreswan.secrets.others_read = true, "libreswan-secrets-mode",
	     "chmod 600 /etc/ipsec.secrets");
	FACT(strcpy(f.libreswan.ike, "AES_CBC-HMAC_SHA1-MODP2048"), "libreswan-ike", "3des-sha1;modp1536");
	FACT(strcpy(f.libreswan.ike, "3DES_CBC-HMAC_SHA1-MODP1536"), "libreswan-ike", "modp2048");
	FACT((strcpy(f.libreswan.ike, "AES_CBC-HMAC_SHA1-MODP2048"),
	      assert_int_equal(judge(&f).severity, CHECK_HINT)),
	     "libreswan-ike", "3des-sha1;modp1536");
	FACT((strcpy(f.libreswan.ike, "AES_CBC-HMAC_SHA1-MODP1536"),
	      assert_int_equal(judge(&f).severity, CHECK_ERROR)),
	     "libreswan-ike", "3des-sha1;modp1536");
	FACT(strcpy(f.libreswan.boot, "disabled"), "libreswan-boot", "run: systemctl enable ipsec");
	FACT(strcpy(f.l2tp.boot, "masked"), "l2tp-boot", "run: systemctl unmask xl2tpd");
	FACT((strcpy(f.strongswan.boot, "disabled"), strcpy(f.strongswan.service, "strongswan-starter")),
	     "strongswan-boot", "run: systemctl enable strongswan-starter");
	FACT((f.libreswan.esp = realloc(f.libreswan.esp, 200),
	      strcpy(f.libreswan.esp, "AES_CBC_128-HMAC_SHA1_96 AES_CBC_256-HMAC_SHA2_256_128"),
	      settings_add(&f.libreswan.config, "l2tp", "sha2-truncbug", "yes")),
	     "libreswan-sha2-truncbug", "sha2-truncbug=no");
	FACT(strcpy(f.host.default_address, "192.168.1.5"), "server-nat",
	     "AssumeUDPEncapsulationContextOnSendRule");
	FACT(strcpy(f.host.default_address, "192.168.1.5"), "server-nat",
	     "run natshim with --hide-nat and --public");
	FACT(settings_add(&f.libreswan.config, "l2tp", "encapsulation", "yes"), "server-nat",
	     "for Windows (error 809): run natshim with --hide-nat\n");
	FACT(settings_add(&f.strongswan.config, "connections/l2tp", "encap", "yes"), "server-nat",
	     "for Windows (error 809): run natshim with --hide-nat\n");
	FACT(settings_add(&f.strongswan.config, "connections/l2tp", "encap", "no"), "", "");
	FACT(strcpy(f.libreswan.esp, "AES_GCM_C_128"), "libreswan-esp", "aes128-sha1");
	FACT(f.libreswan.modp1024 = NO, "libreswan-modp1024", "bridge mode");
	FACT(f.libreswan.pluto_runs = false, "libreswan-running", "systemctl start ipsec");
	FACT(f.strongswan.modp1024 = NO, "strongswan-algorithms", "apt-get");
	FACT(f.strongswan.secrets.psk_count = 0, "strongswan-psk", "secret =");
	FACT(f.strongswan.secrets.others_read = true, "strongswan-secrets-mode", "chmod 600");
	FACT(f.strongswan.charon_runs = false, "strongswan-running", "systemctl start strongswan");
	FACT(f.libreswan.present = f.strongswan.present = false, "libreswan-config", "--emit libreswan");
	FACT((f.host.root = true, f.host.l2tp.held = true, f.host.l2tp.pid = 7), "l2tp-running",
	     "systemctl start xl2tpd");
	FACT(f.host.root = true, "l2tp-running", "systemctl start xl2tpd");
	FACT((f.host.root = f.host.l2tp.held = true, f.host.l2tp.pid = 7,
	      strcpy(f.host.l2tp.program, "xl2tpd")),
	     "", "");
	FACT((f.host.address_count = 1, strcpy(f.host.addresses[0], "10.0.0.2")), "l2tp-listen-addr",
	     "listen-addr = ");
	FACT((f.host.address_count = 1, strcpy(f.host.addresses[0], "10.0.0.1")), "", "");
	FACT((settings_clear(&f.l2tp.xl2tpd), xl2tpd_conf_lines(&f.l2tp.xl2tpd, unbound_xl2tpd),
	      has_addresses(&f, "br0"), assert_int_equal(judge(&f).severity, CHECK_HINT)),
	     "l2tp-listen-addr", "listen-addr = 203.0.113.1");
	FACT((settings_clear(&f.l2tp.xl2tpd), xl2tpd_conf_lines(&f.l2tp.xl2tpd, unbound_xl2tpd),
	      has_addresses(&f, "wan"), assert_int_equal(judge(&f).severity, CHECK_WARNING)),
	     "l2tp-listen-addr", "listen-addr = 203.0.113.1");
	FACT(f.l2tp.ppp_missing = true, "ppp-options", "natshim check --emit pppd > ");
	FACT((strcpy(f.l2tp.ppp_error, "unrecognized option 'x'"), f.l2tp.ppp_error_line = 3), "ppp-words",
	     "sed \"3s/^/#/\"");
	FACT(strcpy(f.l2tp.radius_path, "/r"), "ppp-radius", "radiusclient");
	FACT(settings_clear(&f.l2tp.users), "ppp-users", "/etc/ppp/chap-secrets: alice");
	FACT((settings_clear(&f.l2tp.users), settings_read_chap(&f.l2tp.users, "a srv pw *\n")), "ppp-users",
	     ": name srv");
	FACT((settings_clear(&f.l2tp.users), settings_read_chap(&f.l2tp.users, "#\na * pw\n")), "ppp-users",
	     ";2s/$/ */\"");
	FACT((settings_clear(&f.l2tp.users), settings_read_chap(&f.l2tp.users, "a * pw - *\n")), "ppp-users",
	     "sed \"1s/[ \\t]-[ \\t]*$//;1s/$/ */\"");
	FACT((settings_clear(&f.l2tp.users), settings_read_chap(&f.l2tp.users, "a srv pw *\nb l2tp pw *\n"),
	      settings_add(&f.l2tp.ppp, f.l2tp.ppp_path, "name", "l2tp")),
	     "", "");
	FACT(strcpy(f.certificate.names[0], "other.example.org"), "cert-san-id cert-san-name",
	     "subjectAltName");
	FACT(strcpy(f.certificate.server_name, "203.0.113.1"), "cert-san-name", "203.0.113.1");
	FACT(strcpy(f.certificate.id, "C=CH, CN=vpn"), "cert-id", "leftid=@VPN.example.org");
	FACT(strcpy(f.certificate.id, ""), "cert-id", "leftid=@VPN.example.org");
	FACT((f.certificate.eku_ike = false, f.certificate.eku_server = true), "cert-eku",
	     "1.3.6.1.5.5.8.2.2");
	FACT((f.certificate.eku_ike = f.certificate.has_eku = false), "", "");
	FACT(f.certificate.days_left = -3, "cert-expired", "issue it anew");
	FACT(f.certificate.not_yet = true, "cert-expired", "issue it anew");
	FACT(f.certificate.days_left = 9, "cert-expires-soon", "issue it anew");
	FACT(f.certificate.chain = NO, "cert-chain", "--ca");
	FACT(strcpy(f.certificate.digest, "SHA1"), "cert-weak-digest", "SHA-256");
	FACT(f.certificate.key_bits = 1024, "cert-key", "2048");
	FACT(f.certificate.rsa = false, "cert-key", "RSA");
	FACT(*f.l2tp.ppp_path = '\0', "ppp-options", "--emit pppd");
	FACT(f.kernel.queue = NO, "kernel-queue", "nft_queue");
	FACT(f.kernel.secpath = NO, "kernel-secpath", "nft_xfrm");
	FACT(f.kernel.owner = NO, "kernel-owner", "5.12");
	FACT(f.kernel.esp = NO, "kernel-esp", "esp4");
	FACT(f.kernel.ppp = NO, "kernel-ppp", "ppp_generic");
	FACT(f.kernel.ip_forward = 0, "kernel-ip-forward", "ip_forward=1");
	FACT(f.kernel.rp_filter = 1, "kernel-rp-filter", "rp_filter=2");
	FACT(f.kernel.udp_timeout = 10, "kernel-conntrack-udp", "udp_timeout=30");
	FACT(f.kernel.udp_timeout_stream = 60, "kernel-conntrack-udp", "udp_timeout_stream=120");
	FACT(f.kernel.queue_owner = 77, "queue-number", "--queue-num 1703");
	FACT(strcpy(f.kernel.missing_iface, "eth9"), "iface", "name the interface");
	FACT(f.firewall.legacy = UNKNOWN, "firewall-legacy", "iptables-legacy-save");
	FACT((f.host.root = f.host.l2tp.held = true, strcpy(f.alias.blind, "/etc/natshim.conf:3: x")),
	     "natshim-config", "natshim rules");
}

static void give_aliases(struct check_facts *f)
{
	f->alias = (struct alias_facts){
		.given = true,
		.first = "198.18.0.1",
		.net = "198.18.0.0/16",
		.routes = {{.to = "198.18.0.1", .iface = "wan"}, {.to = "198.18.255.254", .iface = "wan"}}};
	f->firewall.ifaces[0] = "wan";
	f->firewall.iface_count = 1;
}

/* An nft rule in a table of its own, beside natshim's good one. */
static void put_rule(struct check_facts *f, const char *hook, const char *exprs)
{
	char rules[2048];

	snprintf(
		rules, sizeof rules,
		"%.*s, {\"chain\": {\"family\": \"ip\", \"table\": \"t\", \"name\": \"c\", \"hook\": \"%s\", "
		"\"type\": \"filter\", \"policy\": \"accept\"}}, {\"rule\": {\"family\": \"ip\", \"table\": "
		"\"t\", \"chain\": \"c\", \"expr\": [%s]}}]}",
		(int)strlen(good_rules) - 2, good_rules, hook, exprs);
	free(f->firewall.ruleset);
	f->firewall.ruleset = strdup(rules);
}

#define ADDRESS_IS(field)                                                                                    \
	"{\"match\": {\"op\": \"==\", \"left\": {\"payload\": {\"protocol\": \"ip\", \"field\": \"" field    \
	"\"}}, \"right\": {\"prefix\": {\"addr\": \"198.18.0.0\", \"len\": 15}}}}"
#define PORT_IS(field)                                                                                       \
	"{\"match\": {\"op\": \"==\", \"left\": {\"payload\": {\"protocol\": \"udp\", \"field\": \"" field   \
	"\"}}, \"right\": 4500}}"
#define IS_INVALID                                                                                           \
	"{\"match\": {\"op\": \"in\", \"left\": {\"ct\": {\"key\": \"state\"}}, \"right\": \"invalid\"}}"

/* What several clients behind one NAT need, as long as natshim gives them aliases. */
static void test_aliases(void **state)
{
	(void)state;
	FACT(give_aliases(&f), "", "");
	FACT((give_aliases(&f), f.alias.routes[0].error = ENETUNREACH), "alias-route",
	     "run: ip route replace 198.18.0.0/16 dev wan");
	FACT((give_aliases(&f), f.alias.routes[1].error = EINVAL), "alias-route",
	     "run: ip route replace 198.18.0.0/16 dev wan");
	FACT((give_aliases(&f), strcpy(f.alias.routes[1].iface, "lan")), "alias-route", "dev wan");
	FACT((give_aliases(&f), f.firewall.iface_count = 0), "", "");
	FACT((give_aliases(&f), f.firewall.iface_count = 0, strcpy(f.alias.routes[0].iface, "lo")),
	     "alias-route", "dev WAN");
	FACT((give_aliases(&f), put_rule(&f, "input", ADDRESS_IS("saddr") ", {\"drop\": null}")),
	     "alias-l2tp",
	     "run: nft insert rule ip t c meta secpath exists ip saddr 198.18.0.0/16 udp dport 1701 accept");
	FACT((give_aliases(&f), put_rule(&f, "output", ADDRESS_IS("daddr") ", {\"drop\": null}")),
	     "alias-l2tp", "run: nft insert rule ip t c ip daddr 198.18.0.0/16 udp sport 1701 accept");
	FACT((give_aliases(&f), put_rule(&f, "output", ADDRESS_IS("saddr") ", {\"drop\": null}")), "", "");
	FACT(put_rule(&f, "input", ADDRESS_IS("saddr") ", {\"drop\": null}"), "", "");
	FACT((give_aliases(&f), put_rule(&f, "prerouting", PORT_IS("dport") ", {\"notrack\": null}")),
	     "alias-notrack", "run: nft insert rule ip t c udp dport { 500, 4500 } accept");
	FACT((give_aliases(&f), put_rule(&f, "output", PORT_IS("sport") ", {\"notrack\": null}")),
	     "alias-notrack", "run: nft insert rule ip t c udp sport { 500, 4500 } accept");
	FACT((give_aliases(&f), put_rule(&f, "output", PORT_IS("dport") ", {\"notrack\": null}")), "", "");
	FACT(put_rule(&f, "prerouting", PORT_IS("dport") ", {\"notrack\": null}"), "", "");
	FACT((give_aliases(&f), put_rule(&f, "input", IS_INVALID ", {\"drop\": null}")), "", "");
	FACT((give_aliases(&f), put_rule(&f, "output", IS_INVALID ", {\"drop\": null}")), "", "");
}

/* strongSwan by ipsec.conf: the good one's changed line, what is found of it, and its severity. */
static void test_starter(void **state)
{
	static const char good_conf[] =
		"conn l2tp\n\ttype=transport\n\tleftprotoport=17/1701\n\trightprotoport=17/%any\n"
		"\tike=aes256-sha1-modp2048,3des-sha1-modp1024!\n\tesp=aes128-sha1!\n\tauthby=psk\n\tauto="
		"add\n";
	static const struct {
		const char *from, *to, *ids, *mend;
		enum check_severity severity;
	} cases[] = {
		{"l2tp", "l2tp", "strongswan-starter", "--emit strongswan", CHECK_HINT},
		{"auto=add", "auto=ignore", "strongswan-starter", "conn l2tp: auto=add", CHECK_ERROR},
		{"\tauto=add", "\tkeyexchange=ike\n\tauto=route", "strongswan-starter", "--emit strongswan",
		 CHECK_HINT},
		{"type=transport", "type=tunnel", "strongswan-starter", "conn l2tp: type=transport",
		 CHECK_ERROR},
		{"17/1701", "17/1702", "strongswan-starter", "leftprotoport=17/1701", CHECK_ERROR},
		{",3des-sha1-modp1024!", "!", "strongswan-starter starter-ike", "ike=", CHECK_HINT},
		{"esp=aes128-sha1!", "esp=aes256gcm16!", "strongswan-starter starter-esp",
		 "esp=", CHECK_ERROR},
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
		char *text = replaced(good_conf, cases[c].from, cases[c].to);
		struct settings lines = {.items = NULL};
		struct check_facts f;
		struct seen seen;

		make_good(&f, &good);
		f.libreswan.present = f.strongswan.present = false;
		f.strongswan.starter = true;
		f.strongswan.starter_psk = YES;
		ipsec_conf_lines(&lines, text, "/etc/ipsec.conf");
		ipsec_conf_resolve(&lines, 4, &f.strongswan.starter_config);
		settings_clear(&lines);
		seen = judge(&f);
		if (strcmp(seen.ids, cases[c].ids) != 0 || !strstr(seen.mend, cases[c].mend) ||
		    seen.severity != cases[c].severity)
			fail_msg("%s: found \"%s\", mend \"%s\"", cases[c].to, seen.ids, seen.mend);
		settings_clear(&f.strongswan.starter_config);
		clear(&f);
		free(text);
	}
}

/* What could not be looked at is a hint, whatever its check's severity, and nothing else of its part is said. */
static void test_blind(void **state)
{
	(void)state;
	FACT((strcpy(f.libreswan.blind, "no ipsec"), assert_int_equal(judge(&f).severity, CHECK_HINT)),
	     "libreswan-config", "--libreswan-config");
	FACT((strcpy(f.strongswan.blind, "no file"), assert_int_equal(judge(&f).severity, CHECK_HINT)),
	     "strongswan-config", "--swanctl-dir");
	FACT(strcpy(f.libreswan.secrets.blind, "no file"), "libreswan-psk", "--ipsec-secrets");
	FACT(strcpy(f.certificate.blind, "no certutil"), "cert-read", "--cert");
	FACT(f.certificate.chain = UNKNOWN, "cert-chain", "--ca");
	FACT(strcpy(f.l2tp.blind, "no file"), "l2tp-config", "--xl2tpd-config");
	FACT(strcpy(f.l2tp.ppp_blind, "no file"), "ppp-options", "--ppp-options");
	FACT(strcpy(f.kernel.blind, "no permission"), "kernel-nftables", "as root");
	FACT((f.kernel.queue = UNKNOWN, f.kernel.esp = UNKNOWN), "kernel-esp", "CONFIG_INET_ESP");
	FACT(strcpy(f.firewall.blind, "no nft"), "firewall-read", "as root");
	FACT((free(f.libreswan.ike), f.libreswan.ike = NULL), "libreswan-ike", "ike=");
}

/* Nothing is known of anything: no crash, and no claim but that no stack is here. */
static void test_nothing(void **state)
{
	struct check_facts *f = calloc(1, sizeof *f);

	(void)state;
	f->kernel.ip_forward = f->kernel.udp_timeout = f->kernel.udp_timeout_stream = f->kernel.rp_filter =
		-1;
	assert_string_equal(judge(f).ids, "libreswan-config kernel-esp");
	f->firewall.legacy = NO;
	f->firewall.ruleset = strdup(
		"{\"nftables\": [1, {\"chain\": 3}, {\"rule\": {}}, {\"chain\": {\"hook\": \"input\"}}]}");
	judge(f);
	free(f->firewall.ruleset);
	f->firewall.ruleset = strdup("not JSON");
	assert_string_equal(judge(f).ids, "libreswan-config kernel-esp");
	free(f->firewall.ruleset);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),    cmocka_unit_test(test_libreswan_5),
		cmocka_unit_test(test_texts),   cmocka_unit_test(test_facts),
		cmocka_unit_test(test_starter), cmocka_unit_test(test_blind),
		cmocka_unit_test(test_nothing), cmocka_unit_test(test_aliases),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
