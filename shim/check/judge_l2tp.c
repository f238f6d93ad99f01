/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of xl2tpd.conf(5) and of the options that pppd gets from it. Pure. */
#include "shim/check/check.h"
#include "shim/check/xl2tpd_conf.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MTU_MAX 1410 /* what ESP in UDP, L2TP and PPP leave of 1500 bytes, with some room */

static const struct l2tp_facts *seen(const struct check_facts *facts)
{
	const struct l2tp_facts *f = &facts->l2tp;

	return f->present && !*f->blind ? f : NULL;
}

static const char *lns_section(const struct l2tp_facts *f)
{
	return xl2tpd_conf_lns(&f->xl2tpd);
}

/* A key of a section, or NULL. */
static const char *value_of(const struct l2tp_facts *f, const char *section, const char *key)
{
	return section ? settings_get(&f->xl2tpd, section, key) : NULL;
}

static bool is_yes(const struct l2tp_facts *f, const char *section, const char *key)
{
	const char *value = value_of(f, section, key);

	return value && !strcmp(value, "yes");
}

/* The line, with section and key as the file spells them. */
static void mend_xl2tpd(const struct l2tp_facts *f, const char *section, const char *line,
			struct check_result *r)
{
	const struct setting *opening = settings_find(&f->xl2tpd, section, "");
	const size_t n = strcspn(line, "=");
	const char *spelling;
	char key[96];

	snprintf(key, sizeof key, XL2TPD_AS "%.*s", (int)(n ? n - 1 : 0), line);
	spelling = value_of(f, section, key);
	check_mend(r, "in %s, [%s]: %s %s", f->path, opening ? opening->value : section,
		   spelling ? spelling : key + sizeof XL2TPD_AS - 1, line + n);
	check_mend(r, "run: systemctl restart xl2tpd");
}

static void judge_config(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = &facts->l2tp;

	if (!f->present)
		return;
	if (*f->blind) {
		check_blind(r, "%s", f->blind);
		check_mend(
			r,
			"run it as root where xl2tpd is installed, or name its file: --xl2tpd-config FILE");
	} else if (!lns_section(f)) {
		check_found(r, "%s has no [lns default]", f->path);
		check_mend(r, "add one to %s: natshim check --emit xl2tpd prints it", f->path);
	}
}

static bool is_address(const char *text)
{
	struct in6_addr ignored;

	return text && (inet_pton(AF_INET, text, &ignored) == 1 || inet_pton(AF_INET6, text, &ignored) == 1);
}

/* The server's address towards its clients: the conn's, else the host's. */
static const char *client_side(const struct check_facts *facts)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = f->host ? check_libreswan_conn(f) : NULL, *own = facts->host.default_address;
	const char *end = conn ? settings_get(&f->config, conn, check_libreswan_own_end(f, conn)) : NULL;

	return is_address(end) ? end : *own ? own : "ADDRESS";
}

static bool is_own(const struct host_facts *host, const char *address)
{
	for (unsigned i = 0; i < host->address_count; i++)
		if (!strcmp(host->addresses[i], address))
			return true;
	return false;
}

/* Whether all that this host sends to clients comes from the address to which they send: the only one of its interface. */
static bool has_one_address(const struct check_facts *facts)
{
	const struct host_facts *host = &facts->host;
	const char *iface = NULL;
	unsigned count = 0;

	for (unsigned i = 0; i < host->address_count; i++)
		if (!strcmp(host->addresses[i], client_side(facts)) &&
		    !strcmp(host->addresses[i], host->default_address))
			iface = host->ifaces[i];
	for (unsigned i = 0; iface && i < host->address_count; i++)
		count += !strcmp(host->ifaces[i], iface) && !strchr(host->addresses[i], ':');
	return count == 1;
}

const char *check_server_address(const struct check_facts *facts)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = f->present && f->host ? check_libreswan_conn(f) : NULL;
	const char *end = conn ? settings_get(&f->config, conn, check_libreswan_own_end(f, conn)) : NULL;

	return end && is_address(end) ? end : has_one_address(facts) ? facts->host.default_address : NULL;
}

static void judge_listen(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);
	const char *value = f ? value_of(f, "global", "listen-addr") : NULL;
	char line[96], script[128];

	if (!f || (value && (!is_address(value) || is_own(&facts->host, value))))
		return;
	if (!value || !strcmp(value, "0.0.0.0")) {
		r->mild = has_one_address(facts);
		check_found(r, "%s: listen-addr is %s%s", f->path, value ? value : "not set",
			    r->mild ? ", which does no harm while the interface has one address" : "");
	} else if (!strncmp(value, "127.", 4)) {
		check_found(r, "%s: listen-addr is %s, which no client's packet reaches", f->path, value);
		r->grave = true;
	} else if (facts->host.address_count) {
		check_found(r, "%s: listen-addr is %s, which is no address of this host: xl2tpd ends",
			    f->path, value);
		r->grave = true;
	} else {
		return;
	}
	snprintf(line, sizeof line, "listen-addr = %s", client_side(facts));
	if (settings_find(&f->xl2tpd, "global", "")) {
		mend_xl2tpd(f, "global", line, r);
	} else {
		snprintf(script, sizeof script, "1i [global]\\n%s", line);
		check_mend_sed(r, script, f->path);
		check_mend(r, "run: systemctl restart xl2tpd");
	}
	check_mend(r, "that is the address that clients use; with natshim --lns ADDR it is ADDR instead");
}

/* Lines that keep xl2tpd from starting: each becomes a comment. */
static void judge_refused(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);
	char script[512] = "";

	for (size_t i = 0; f && i < f->xl2tpd.count; i++) {
		const struct setting *one = &f->xl2tpd.items[i];
		const size_t n = strlen(script);

		if (strcmp(one->section, XL2TPD_REFUSED) != 0)
			continue;
		if (!r->found)
			check_found(r, "xl2tpd does not start: %s, line %s: %s", f->path, one->key,
				    one->value);
		if (n + 32 < sizeof script)
			snprintf(script + n, sizeof script - n, "%s%ss/^/;/", n ? ";" : "", one->key);
	}
	if (!r->found)
		return;
	check_mend_sed(r, script, f->path);
	check_mend(r, "run: systemctl restart xl2tpd");
}

/* As xl2tpd reads it: the number with which the word begins; what is none becomes another port. */
static bool is_port(const char *text)
{
	const long port = strtol(text, NULL, 10);

	return port > 0 && port <= UINT16_MAX;
}

static void judge_running(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);
	const struct port_holder *by = &facts->host.l2tp;
	const char *port = f ? value_of(f, "global", "port") : NULL;

	if (!f || !facts->host.root || (port && !is_port(port)) ||
	    (by->held && (!by->pid || !strcmp(by->program, "xl2tpd"))))
		return;
	port = port ? port : "1701";
	if (by->held) {
		check_found(r, "xl2tpd does not run: udp/%s is held by %s (process %ld)", port, by->program,
			    by->pid);
		check_mend(r, "end that program, and keep it from starting again");
	} else {
		check_found(r, "xl2tpd does not run: nothing listens on udp/%s", port);
	}
	check_mend(r, "run: systemctl start xl2tpd");
}

static void judge_boot(const struct check_facts *facts, struct check_result *r)
{
	if (seen(facts))
		check_boot(r, "xl2tpd", facts->l2tp.boot);
}

/* Flags that keep every client out. */
static void judge_flags(const struct check_facts *facts, struct check_result *r)
{
	static const struct {
		const char *section; /* NULL: the LNS's */
		const char *key, *why, *unless;
	} flags[] = {
		{NULL, "challenge", "clients have no tunnel secret to answer the challenge with", NULL},
		{"global", "access control", "only clients of a range (lac =) get in then", "lac"},
		{NULL, "unix authentication",
		 "pppd then wants the system's passwords, which CHAP cannot check", NULL},
		{NULL, "unix auth", "pppd then wants the system's passwords, which CHAP cannot check", NULL},
	};
	const struct l2tp_facts *f = seen(facts);
	const char *lns = f ? lns_section(f) : NULL, *retries;
	char line[64];

	for (size_t i = 0; lns && i < sizeof flags / sizeof *flags; i++) {
		const char *section = flags[i].section ? flags[i].section : lns;

		if (!is_yes(f, section, flags[i].key) ||
		    (flags[i].unless && value_of(f, lns, flags[i].unless)))
			continue;
		if (!r->found)
			check_found(r, "%s: %s = yes: %s", f->path, flags[i].key, flags[i].why);
		snprintf(line, sizeof line, "%s = no", flags[i].key);
		mend_xl2tpd(f, section, line, r);
	}
	retries = f ? value_of(f, "global", "max retries") : NULL;
	if (!r->found && retries && strtol(retries, NULL, 10) <= 0) {
		check_found(r, "%s: max retries = %s: xl2tpd gives a client up before it can answer", f->path,
			    retries);
		mend_xl2tpd(f, "global", "max retries = 5", r);
	}
}

static void judge_lns(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);
	const char *lns = f ? lns_section(f) : NULL;
	const struct setting *opening = lns ? settings_find(&f->xl2tpd, lns, "") : NULL;

	if (!opening || !strcmp(lns, "lns default") || value_of(f, lns, "lac"))
		return;
	check_found(r,
		    "%s: [%s] is for clients of its range (lac =), and it has none; for all others is [lns "
		    "default] only",
		    f->path, opening->value);
	mend_xl2tpd(f, lns, "lac = 0.0.0.0-255.255.255.255", r);
}

/* ---- addresses of PPP -------------------------------------------------------------------------------------------- */

/* The range that serves clients beside local, "": any local. */
static void print_range(char out[static 64], const char *local)
{
	unsigned a = 10, b = 99, c = 0, d = 1;

	/* NOLINTNEXTLINE(cert-err34-c): a larger number is another address */
	if (!local || sscanf(local, "%u.%u.%u.%u", &a, &b, &c, &d) != 4) {
		a = 10;
		b = 99;
		c = 0;
		d = 1;
	}
	snprintf(out, 64, "%u.%u.%u.%u-%u.%u.%u.%u", a, b, c, d < 100 ? 101U : 10U, a, b, c,
		 d < 100 ? 150U : 50U);
}

static void judge_range(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);
	const char *lns = f ? lns_section(f) : NULL, *assign = value_of(f, lns, "assign ip");
	char range[64], line[96];

	if (!lns || value_of(f, lns, "ip range") || (assign && !strcmp(assign, "no")))
		return;
	print_range(range, value_of(f, lns, "local ip"));
	check_found(r, "%s: [%s] has no ip range", f->path, lns);
	snprintf(line, sizeof line, "ip range = %s", range);
	mend_xl2tpd(f, lns, line, r);
}

/* The first and the last address of "A-B", of which B may be the end only. False: names, or not understood. */
static bool parse_range(const char *text, uint32_t *first, uint32_t *last)
{
	char copy[64], *dash;
	struct in_addr a, b;
	size_t n;

	snprintf(copy, sizeof copy, "%s", text);
	dash = strchr(copy, '-');
	if (dash)
		*dash++ = '\0';
	for (n = strlen(copy); n && copy[n - 1] == ' '; n--)
		copy[n - 1] = '\0';
	if (inet_pton(AF_INET, copy, &a) != 1)
		return false;
	*first = *last = ntohl(a.s_addr);
	if (!dash)
		return true;
	dash += strspn(dash, " ");
	if (inet_pton(AF_INET, dash, &b) == 1)
		*last = ntohl(b.s_addr);
	else if (strspn(dash, "0123456789") == strlen(dash))
		*last = (*first & 0xffffff00) | (strtoul(dash, NULL, 10) & 0xff);
	else
		return false;
	return true;
}

/* pppd's options name the address: "10.0.0.1:". */
static bool ppp_has_address(const struct l2tp_facts *f)
{
	for (size_t i = 0; i < f->ppp.count; i++)
		if (strchr(f->ppp.items[i].key, ':') &&
		    strspn(f->ppp.items[i].key, "0123456789.:") == strlen(f->ppp.items[i].key))
			return true;
	return false;
}

static void judge_local(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);
	const char *lns = f ? lns_section(f) : NULL, *local = value_of(f, lns, "local ip"),
		   *range = value_of(f, lns, "ip range");
	uint32_t first = 0, last = 0, better;
	struct in_addr address;
	bool known = range && parse_range(range, &first, &last);
	char line[64];

	if (!lns || value_of(f, lns, "local ip range") || ppp_has_address(f))
		return;
	if (!local)
		check_found(r, "%s: [%s] has no local ip", f->path, lns);
	else if (known && inet_pton(AF_INET, local, &address) == 1 && ntohl(address.s_addr) >= first &&
		 ntohl(address.s_addr) <= last)
		check_found(r, "%s: local ip %s lies in the ip range %s: a client gets it, too", f->path,
			    local, range);
	else
		return;
	if (!known)
		first = last = 0x0a63000a; /* 10.99.0.10 */
	better = (first & 0xff) > 1 ? first - 1 : last + 1;
	snprintf(line, sizeof line, "local ip = %u.%u.%u.%u", better >> 24, better >> 16 & 0xff,
		 better >> 8 & 0xff, better & 0xff);
	mend_xl2tpd(f, lns, line, r);
}

static void judge_port(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);
	const char *port = f ? settings_get(&f->xl2tpd, "global", "port") : NULL;

	if (!port || strtol(port, NULL, 10) == 1701)
		return;
	r->grave = !is_port(port);
	check_found(r, "%s: port is %s%s", f->path, port, r->grave ? ", which is none" : "");
	mend_xl2tpd(f, "global", "port = 1701", r);
	if (!r->grave)
		check_mend(r, "or start natshim with --lns ADDRESS:%s, or --lns auto", port);
}

static void judge_length_bit(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);
	const char *section = f ? lns_section(f) : NULL;

	if (!section || settings_is(&f->xl2tpd, section, "length bit", "yes"))
		return;
	check_found(r, "%s: length bit is not set to yes", f->path);
	mend_xl2tpd(f, section, "length bit = yes", r);
}

static void mend_ppp_file(const char *path, struct check_result *r)
{
	check_mend(r, "run: sh -c 'natshim check --emit pppd > %s'", path);
}

static void judge_ppp_file(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);

	if (f && f->ppp_missing) {
		check_found(r, "%s names the pppoptfile %s, which is not there: pppd ends", f->path,
			    f->ppp_path);
		r->grave = true;
		mend_ppp_file(f->ppp_path, r);
	} else if (f && *f->ppp_blind) {
		check_blind(r, "%s", f->ppp_blind);
		check_mend(r, "name the file: --ppp-options FILE");
	} else if (f && lns_section(f) && !*f->ppp_path) {
		check_found(r, "%s names no pppoptfile, and no --ppp-options was given", f->path);
		mend_xl2tpd(f, lns_section(f), "pppoptfile = /etc/ppp/options.xl2tpd", r);
		mend_ppp_file("/etc/ppp/options.xl2tpd", r);
	}
}

static const struct l2tp_facts *ppp_seen(const struct check_facts *facts)
{
	const struct l2tp_facts *f = seen(facts);

	return f && *f->ppp_path && !*f->ppp_blind ? f : NULL;
}

static void judge_mppe(const struct check_facts *facts, struct check_result *r)
{
	static const char *const words[] = {"require-mppe", "require-mppe-40", "require-mppe-128",
					    "+mppe",        "+mppe-40",        "+mppe-128"};
	const struct l2tp_facts *f = ppp_seen(facts);

	for (size_t i = 0; f && i < sizeof words / sizeof *words; i++) {
		const struct setting *found = settings_find(&f->ppp, NULL, words[i]);

		if (!found)
			continue;
		check_found(r, "%s: %s", found->section, words[i]);
		check_mend(r, "in %s: remove %s", found->section, words[i]);
		return;
	}
	const struct setting *mppe = f ? settings_find(&f->ppp, NULL, "mppe") : NULL;

	if (mppe && strstr(mppe->value, "required")) {
		check_found(r, "%s: mppe %s", mppe->section, mppe->value);
		check_mend(r, "in %s: remove mppe %s", mppe->section, mppe->value);
	}
}

static void judge_mtu(const struct check_facts *facts, struct check_result *r)
{
	static const char *const keys[] = {"mtu", "mru"};
	const struct l2tp_facts *f = ppp_seen(facts);

	for (size_t i = 0; f && i < 2; i++) {
		const char *value = settings_get(&f->ppp, NULL, keys[i]);

		if (value && strtol(value, NULL, 10) <= MTU_MAX)
			continue;
		if (!r->found)
			check_found(r, "%s: %s is %s", f->ppp_path, keys[i],
				    value ? value : "not set, which is 1500");
		check_mend(r, "in %s: %s 1280", f->ppp_path, keys[i]);
	}
}

/* ---- authentication ---------------------------------------------------------------------------------------------- */

enum method { PAP, CHAP, MSCHAP, MSCHAP_V2, EAP, METHODS };

static const struct {
	const char *name, *require, *plus, *refuse, *minus;
} methods[METHODS] = {
	{"pap", "require-pap", "+pap", "refuse-pap", "-pap"},
	{"chap", "require-chap", "+chap", "refuse-chap", "-chap"},
	{"mschap", "require-mschap", "+mschap", "refuse-mschap", "-mschap"},
	{"mschap-v2", "require-mschap-v2", "+mschap-v2", "refuse-mschap-v2", "-mschap-v2"},
	{"eap", "require-eap", "+eap", "refuse-eap", "-eap"},
};

static bool has(const struct l2tp_facts *f, const char *word, const char *other)
{
	return settings_find(&f->ppp, NULL, word) || settings_find(&f->ppp, NULL, other);
}

/* xl2tpd's own "require chap = yes", "refuse pap = yes". */
static bool xl2tpd_says(const struct l2tp_facts *f, const char *verb, const char *method)
{
	char key[64];

	snprintf(key, sizeof key, "%s %s", verb, method);
	return lns_section(f) && settings_is(&f->xl2tpd, lns_section(f), key, "yes");
}

/* Bit by method: what the LNS lets a client use. */
static unsigned allowed(const struct l2tp_facts *f)
{
	unsigned required = 0, refused = 0;

	for (int m = 0; m < METHODS; m++) {
		if (has(f, methods[m].require, methods[m].plus) || xl2tpd_says(f, "require", methods[m].name))
			required |= 1u << m;
		if (has(f, methods[m].refuse, methods[m].minus) || xl2tpd_says(f, "refuse", methods[m].name))
			refused |= 1u << m;
	}
	return (required ? required : (1u << METHODS) - 1) & ~refused;
}

static void judge_auth(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = ppp_seen(facts);

	if (!f || (allowed(f) & (1u << CHAP | 1u << MSCHAP_V2)))
		return;
	check_found(r, "%s: neither CHAP nor MS-CHAPv2 is allowed%s", f->ppp_path,
		    allowed(f) & 1u << PAP ? ", only PAP, which Macs know from 10.4.4 on" : "");
	for (int m = 0; m < METHODS; m++) {
		if (m != MSCHAP_V2 && has(f, methods[m].require, methods[m].plus))
			check_mend(r, "in %s: remove %s", f->ppp_path, methods[m].require);
		if (m != MSCHAP_V2 && xl2tpd_says(f, "require", methods[m].name))
			check_mend(r, "in %s, [%s]: require %s = no", f->path, lns_section(f),
				   methods[m].name);
	}
	if (has(f, methods[MSCHAP_V2].refuse, methods[MSCHAP_V2].minus))
		check_mend(r, "in %s: remove %s", f->ppp_path, methods[MSCHAP_V2].refuse);
	check_mend(r, "in %s: %s", f->ppp_path, methods[MSCHAP_V2].require);
	check_mend(r, "run: systemctl restart xl2tpd");
}

static void judge_noauth(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = ppp_seen(facts);
	const struct setting *noauth = f ? settings_find(&f->ppp, f->ppp_path, "noauth") : NULL;

	if (!noauth)
		return;
	check_found(r, "%s: noauth", noauth->section);
	check_mend(r, "in %s: remove noauth", noauth->section);
	check_mend(r, "in %s: auth", noauth->section);
}

/* ---- words of pppd's options ------------------------------------------------------------------------------------- */

static bool is_one_of(const char *word, const char *const list[])
{
	for (size_t i = 0; list[i]; i++)
		if (!strcmp(word, list[i]))
			return true;
	return false;
}

/* Options of serial lines. pppd knows them only while it has no other kind of line. */
static const char *const tty_words[] = {
	"crtscts", "cdtrcts", "nocrtscts", "-crtscts", "nocdtrcts", "-cdtrcts", "xonxoff",    "modem",
	"local",   "nolock",  "sync",      "datarate", "escape",    "connect",  "disconnect", "init",
	"welcome", "pty",     "notty",     "socket",   "record",    NULL};
static const char *const with_value[] = {"datarate", "escape", "connect", "disconnect", "init",
					 "welcome",  "pty",    "socket",  "record",     NULL};
/* Options behind which another one may stand in the same line. */
static const char *const plain_words[] = {"auth",
					  "noauth",
					  "noccp",
					  "novj",
					  "nobsdcomp",
					  "nodeflate",
					  "debug",
					  "nodetach",
					  "proxyarp",
					  "lock",
					  "modem",
					  "crtscts",
					  "local",
					  "hide-password",
					  "nodefaultroute",
					  "silent",
					  "passive",
					  "persist",
					  "noipx",
					  "usepeerdns",
					  "nopcomp",
					  "noaccomp",
					  "ipcp-accept-local",
					  "ipcp-accept-remote",
					  "require-mschap-v2",
					  "require-chap",
					  "refuse-pap",
					  "refuse-chap",
					  "refuse-mschap",
					  "refuse-eap",
					  "require-pap",
					  NULL};

/* An option, not the value of the one before it. */
static bool is_option(const struct l2tp_facts *f, size_t i)
{
	const struct setting *one = &f->ppp.items[i], *before = i ? one - 1 : NULL;

	return !before || strcmp(before->section, one->section) != 0 || before->line != one->line ||
	       is_one_of(before->key, plain_words);
}

static bool is_tty_word(const char *word)
{
	return is_one_of(word, tty_words) || !strncmp(word, "/dev/", 5) || !strncmp(word, "tty", 3) ||
	       (strlen(word) > 2 && strspn(word, "0123456789") == strlen(word));
}

/* The line of the options becomes a comment. */
static void mend_ppp_line(const struct l2tp_facts *f, unsigned line, struct check_result *r)
{
	check_mend_comment(r, '#', line, f->ppp_path);
}

static void judge_tty(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = ppp_seen(facts);
	char script[128];

	if (!f || is_yes(f, "global", "force userspace") || is_yes(f, "global", "ipsec saref"))
		return; /* then pppd has a serial line */
	for (size_t i = 0; i < f->ppp.count; i++) {
		const struct setting *one = &f->ppp.items[i];

		if (strcmp(one->section, f->ppp_path) != 0 || !is_tty_word(one->key) || !is_option(f, i))
			continue;
		if (!r->found)
			check_found(r, "%s, line %u: %s is an option of serial lines: pppd ends", f->ppp_path,
				    one->line, one->key);
		if (is_one_of(one->key, with_value)) {
			mend_ppp_line(f, one->line, r);
			continue;
		}
		snprintf(script, sizeof script, "%us,\\(^\\|[ \\t]\\)%s\\([ \\t]\\|$\\),\\1\\2,", one->line,
			 one->key);
		check_mend_sed(r, script, f->ppp_path);
	}
}

static void judge_words(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = ppp_seen(facts);

	if (!f || !*f->ppp_error)
		return;
	check_found(r, "pppd refuses its options: %s", f->ppp_error);
	if (f->ppp_error_line)
		mend_ppp_line(f, f->ppp_error_line, r);
	else
		check_mend(r, "correct it in %s; see pppd(8)", f->ppp_path);
}

static void judge_radius(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = ppp_seen(facts);

	if (!f || !*f->radius_path)
		return;
	check_found(r, "%s: plugin radius.so wants %s, which is not there: no password is taken", f->ppp_path,
		    f->radius_path);
	for (size_t i = 0; i < f->ppp.count; i++)
		if (strstr(f->ppp.items[i].key, "radius") && !strcmp(f->ppp.items[i].section, f->ppp_path) &&
		    strcmp(f->ppp.items[i].key, "radius.so") != 0)
			mend_ppp_line(f, f->ppp.items[i].line, r);
	for (size_t i = 0; i < f->ppp.count; i++)
		if (!strcmp(f->ppp.items[i].key, "plugin") && strstr(f->ppp.items[i].value, "radius") &&
		    !strcmp(f->ppp.items[i].section, f->ppp_path))
			mend_ppp_line(f, f->ppp.items[i].line, r);
	check_mend(r, "or write that file: radiusclient.conf(5)");
}

/* ---- chap-secrets ------------------------------------------------------------------------------------------------ */

/* The name by which pppd looks for users: its option, xl2tpd's, the host's. */
static const char *ppp_name(const struct check_facts *facts)
{
	const struct l2tp_facts *f = &facts->l2tp;
	const char *own = settings_get(&f->ppp, f->ppp_path, "name"),
		   *of_lns = value_of(f, lns_section(f), "name"),
		   *common = settings_get(&f->ppp, NULL, "name");

	if (settings_find(&f->ppp, NULL, "usehostname"))
		return facts->host.name;
	return own ? own : of_lns ? of_lns : common ? common : facts->host.name;
}

static bool checks_passwords_elsewhere(const struct l2tp_facts *f)
{
	return settings_find(&f->ppp, f->ppp_path, "noauth") || settings_find(&f->ppp, NULL, "plugin") ||
	       settings_find(&f->ppp, NULL, "login");
}

/* Of the entries: how many are there, are for this server, have addresses; and what tells of the first that is not so. */
struct users {
	unsigned count, here, good;
	const char *server;    /* of an entry for another one */
	const char *lines[16]; /* of entries for this one without addresses */
	unsigned line_count;
};

static struct users look_at_users(const struct l2tp_facts *f, const char *name)
{
	struct users u = {.count = 0};

	for (size_t i = 0; i < f->users.count; i++) {
		const struct setting *one = &f->users.items[i];
		const char *server, *addresses;

		if (strcmp(one->key, "client") != 0)
			continue;
		server = settings_get(&f->users, one->section, "server");
		addresses = settings_get(&f->users, one->section, "addresses");
		if (!server || !addresses)
			continue; /* half an entry is none */
		u.count++;
		if (strcmp(server, "*") != 0 && strcmp(server, name) != 0) {
			u.server = server;
			continue;
		}
		u.here++;
		if (strcmp(addresses, "0") != 0 && strcmp(addresses, "-") != 0)
			u.good++;
		else if (u.line_count < sizeof u.lines / sizeof *u.lines)
			u.lines[u.line_count++] = one->section;
	}
	return u;
}

static void judge_users(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = ppp_seen(facts);
	const char *name;
	char script[768] = "";
	struct users u;

	if (!f || checks_passwords_elsewhere(f) || !*f->users_path)
		return;
	if (*f->users_blind) {
		check_blind(r, "%s", f->users_blind);
		check_mend(r, "run it as root");
		return;
	}
	name = ppp_name(facts);
	u = look_at_users(f, name);
	if (u.good && !u.line_count)
		return;
	r->grave = !u.good;
	if (!u.count) {
		check_found(r, "%s has no user (name, server, password, addresses)", f->users_path);
		check_mend(r, "in %s: alice * \"a password\" *", f->users_path);
		check_mend(r, "with each user's own name and password; mode 600");
	} else if (!u.here) {
		check_found(r, "%s has users of the server %s only, and pppd's name here is %s",
			    f->users_path, u.server, name);
		check_mend(r, "in %s: name %s", f->ppp_path, u.server);
	} else if (u.line_count) {
		check_found(r,
			    "%s, line %s: the fourth column is missing, or -: this user may have no address",
			    f->users_path, u.lines[0]);
		for (unsigned i = 0; i < u.line_count; i++)
			snprintf(script + strlen(script), sizeof script - strlen(script),
				 "%s%ss/[ \\t]-[ \\t]*$//;%ss/$/ */", i ? ";" : "", u.lines[i], u.lines[i]);
		check_mend_sed(r, script, f->users_path);
	}
}

static void judge_lock(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = ppp_seen(facts);
	const struct setting *lock = f ? settings_find(&f->ppp, f->ppp_path, "lock") : NULL;

	if (!lock)
		return;
	check_found(r, "%s: lock", lock->section);
	check_mend(r, "in %s: remove lock", lock->section);
}

const struct check check_l2tp[] = {
	{"l2tp-config", CHECK_ERROR, "IPsec carries L2TP; somebody must answer it", judge_config},
	{"l2tp-refused", CHECK_ERROR, "one line that xl2tpd does not understand keeps it from starting",
	 judge_refused},
	{"l2tp-running", CHECK_ERROR, "IPsec carries L2TP; somebody must answer it", judge_running},
	{"l2tp-boot", CHECK_WARNING, "after the next boot no client gets in", judge_boot},
	{"l2tp-lns", CHECK_ERROR, "xl2tpd refuses a client for which it has no LNS", judge_lns},
	{"l2tp-flags", CHECK_ERROR, "such a setting keeps every client out", judge_flags},
	{"l2tp-ip-range", CHECK_ERROR, "each client needs an address", judge_range},
	{"l2tp-local-ip", CHECK_ERROR, "PPP needs an address on the server's side that no client has",
	 judge_local},
	{"l2tp-listen-addr", CHECK_WARNING,
	 "without it xl2tpd may answer from another of the host's addresses, past the IPsec policy: in the "
	 "clear, or not at all",
	 judge_listen},
	{"l2tp-port", CHECK_WARNING, "clients send to port 1701", judge_port},
	{"l2tp-length-bit", CHECK_WARNING, "some clients expect the length field in data messages",
	 judge_length_bit},
	{"ppp-options", CHECK_WARNING,
	 "pppd's defaults do not suit L2TP/IPsec: no authentication method, an MTU of 1500", judge_ppp_file},
	{"ppp-mppe", CHECK_ERROR,
	 "the client does not encrypt again what IPsec encrypts: \"MPPE required but peer negotiation "
	 "failed\"",
	 judge_mppe},
	{"ppp-mtu", CHECK_WARNING,
	 "larger packets do not fit into ESP in UDP: small pages load, large ones hang", judge_mtu},
	{"ppp-auth", CHECK_ERROR, "Macs know CHAP and MS-CHAPv2 (and PAP from 10.4.4 on)", judge_auth},
	{"ppp-noauth", CHECK_WARNING, "whoever has the pre-shared key gets in without a password",
	 judge_noauth},
	{"ppp-tty", CHECK_ERROR, "pppd over the kernel's L2TP rejects the option and ends", judge_tty},
	{"ppp-words", CHECK_ERROR, "pppd ends at the first option that it does not understand", judge_words},
	{"ppp-radius", CHECK_ERROR, "whom nobody can authenticate does not get in", judge_radius},
	{"ppp-users", CHECK_WARNING,
	 "whom nobody can authenticate does not get in, and no more does who may have no address",
	 judge_users},
	{"ppp-lock", CHECK_ERROR, "pppd over the kernel's L2TP rejects the option and ends", judge_lock},
	{.id = NULL},
};
