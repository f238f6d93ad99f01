/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts, with a mark where an address goes. */
#include "shim/check/emit.h"
#include "shim/check/read.h"

#include <string.h>

static const char libreswan[] = "# libreswan for L2TP/IPsec clients, old Macs and iPhones among them: "
				"/etc/ipsec.conf, or what it includes.\n"
				"# The key: in /etc/ipsec.secrets (mode 600) the line\n"
				"#     : PSK \"a long random secret\"\n"
				"# Certificates instead of the key: authby=rsasig, leftcert=NICKNAME, "
				"leftid=@the.server.name, rightid=%fromcert,\n"
				"# rightca=%same; see docs/recipes/certificates.md.\n"
				"\n"
				"config setup\n"
				"\tikev1-policy=accept\n"
				"\tuniqueids=no\n"
				"\tvirtual-private=%v4:10.0.0.0/8,%v4:192.168.0.0/16,%v4:172.16.0.0/12\n"
				"\n"
				"conn l2tp\n"
				"\tauthby=secret\n"
				"\ttype=transport\n"
				"\tleft=@ADDRESS@\n"
				"\tleftprotoport=17/1701\n"
				"\tright=%any\n"
				"\trightprotoport=17/%any\n"
				"\tike=aes256-sha2_256;modp2048,aes256-sha1;modp2048,aes128-sha1;modp1536,"
				"3des-sha1;modp2048,3des-sha1;modp1536\n"
				"\tesp=aes256-sha2_256,aes256-sha1,aes128-sha1,3des-sha1\n"
				"\tpfs=no\n"
				"\trekey=no\n";
/* What follows in that conn, by libreswan's major version: 4 refuses 5's, 5 takes 4's with a warning. */
static const char libreswan_4[] = "\tikev2=no\n"
				  "\tdpddelay=40\n"
				  "\tdpdtimeout=130\n"
				  "\tdpdaction=clear\n"
				  "\tauto=add\n";
static const char libreswan_5[] = "\tkeyexchange=ikev1\n"
				  "\tdpddelay=40\n"
				  "\tikev1-dpdtimeout=130\n"
				  "\tauto=add\n";

static const char strongswan[] =
	"# strongSwan for L2TP/IPsec clients, old Macs and iPhones among them: "
	"/etc/swanctl/conf.d/l2tp.conf, mode 600.\n"
	"# Mac OS X 10.3.6 to 10.4.3 behind a NAT need natshim's bridge mode beside it.\n"
	"\n"
	"connections {\n"
	"\tl2tp {\n"
	"\t\tversion = 1\n"
	"\t\tlocal_addrs = @ADDRESS@\n"
	"\t\tremote_addrs = %any\n"
	"\t\tproposals = "
	"aes256-sha256-modp2048,aes256-sha1-modp2048,aes256-sha1-modp1024,aes128-sha1-modp1536,"
	"3des-sha1-modp2048,3des-sha1-modp1536,3des-sha1-modp1024\n"
	"\t\tunique = never\n"
	"\t\trekey_time = 0\n"
	"\t\tdpd_delay = 40s\n"
	"\t\tdpd_timeout = 130s\n"
	"\t\tlocal {\n"
	"\t\t\tauth = psk\n"
	"\t\t}\n"
	"\t\tremote {\n"
	"\t\t\tauth = psk\n"
	"\t\t}\n"
	"\t\tchildren {\n"
	"\t\t\tl2tp {\n"
	"\t\t\t\tmode = transport\n"
	"\t\t\t\tlocal_ts = dynamic[udp/1701]\n"
	"\t\t\t\tremote_ts = dynamic[udp/any]\n"
	"\t\t\t\tesp_proposals = aes256-sha256,aes256-sha1,aes128-sha1,3des-sha1\n"
	"\t\t\t\trekey_time = 0\n"
	"\t\t\t\tdpd_action = clear\n"
	"\t\t\t}\n"
	"\t\t}\n"
	"\t}\n"
	"}\n"
	"secrets {\n"
	"\tike-l2tp {\n"
	"\t\tsecret = \"a long random secret\"\n"
	"\t}\n"
	"}\n";

static const char xl2tpd[] = "; xl2tpd for L2TP/IPsec clients: /etc/xl2tpd/xl2tpd.conf. Its pppd options: "
			     "natshim check --emit pppd\n"
			     "[global]\n"
			     "port = 1701\n"
			     "listen-addr = @LNS@\n"
			     "\n"
			     "[lns default]\n"
			     "ip range = 10.99.0.10-10.99.0.50\n"
			     "local ip = 10.99.0.1\n"
			     "require authentication = yes\n"
			     "name = l2tp\n"
			     "length bit = yes\n"
			     "pppoptfile = /etc/ppp/options.xl2tpd\n";

static const char pppd[] = "# pppd under xl2tpd: /etc/ppp/options.xl2tpd. Users: a line each in "
			   "/etc/ppp/chap-secrets (mode 600),\n"
			   "#     alice * password *\n"
			   "name l2tp\n"
			   "auth\n"
			   "require-mschap-v2\n"
			   "noccp\n"
			   "mtu 1280\n"
			   "mru 1280\n"
			   "nodefaultroute\n"
			   "# for the clients:\n"
			   "# ms-dns 192.168.1.53\n";

/* For the admin to replace where it is not known, as documentation's address shows. */
static const char *own_address(char text[static INET_ADDRSTRLEN])
{
	return check_read_own_address(text) ? text : "192.0.2.1";
}

/* text has the mark. */
static void print(FILE *out, const char *text, const char *mark, const char *value)
{
	const char *at = strstr(text, mark);

	fwrite(text, 1, (size_t)(at - text), out);
	fputs(value, out);
	fputs(at + strlen(mark), out);
}

bool emit_config(FILE *out, const char *what, const char *address, const char *lns)
{
	char own[INET_ADDRSTRLEN], ignored[FACTS_TEXT];

	if (!strcmp(what, "libreswan")) {
		print(out, libreswan, "@ADDRESS@", address ? address : "%defaultroute");
		fputs(check_read_libreswan_version(ignored) < 5 ? libreswan_4 : libreswan_5, out);
	} else if (!strcmp(what, "strongswan"))
		print(out, strongswan, "@ADDRESS@", address ? address : "%any");
	else if (!strcmp(what, "xl2tpd"))
		print(out, xl2tpd, "@LNS@", lns ? lns : address ? address : own_address(own));
	else if (!strcmp(what, "pppd"))
		fputs(pppd, out);
	else
		return false;
	return true;
}
