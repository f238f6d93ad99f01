/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of xl2tpd.conf(5) and of the options that pppd gets from it. Pure. */
#include "shim/check/check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MTU_MAX 1410 /* what ESP in UDP, L2TP and PPP leave of 1500 bytes, with some room */

static const struct l2tp_facts *seen(const struct check_facts *facts)
{
	const struct l2tp_facts *f = &facts->l2tp;

	return f->present && !*f->blind ? f : NULL;
}

/* The first [lns NAME] section, or NULL. */
static const char *lns_section(const struct l2tp_facts *f)
{
	for (size_t i = 0; i < f->xl2tpd.count; i++)
		if (!strncmp(f->xl2tpd.items[i].section, "lns", 3))
			return f->xl2tpd.items[i].section;
	return NULL;
}

static void mend_xl2tpd(const struct l2tp_facts *f, const char *section, const char *line,
			struct check_result *r)
{
	check_mend(r, "in %s, [%s]: %s", f->path, section, line);
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
	const char *conn = check_libreswan_conn(&facts->libreswan), *own = facts->host.default_address;
	const bool left_is_any = conn && settings_is(&facts->libreswan.config, conn, "left", "%any");
	const char *end =
		conn ? settings_get(&facts->libreswan.config, conn, left_is_any ? "right" : "left") : NULL;

	return is_address(end) ? end : *own ? own : "ADDRESS";
}

static void judge_listen(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);
	char line[96];

	if (!f || settings_get(&f->xl2tpd, "global", "listen-addr"))
		return;
	check_found(r, "%s: listen-addr is not set", f->path);
	snprintf(line, sizeof line, "listen-addr = %s", client_side(facts));
	mend_xl2tpd(f, "global", line, r);
	check_mend(r, "that is the address that clients use; with natshim --lns ADDR it is ADDR instead");
}

static void judge_port(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);
	const char *port = f ? settings_get(&f->xl2tpd, "global", "port") : NULL;

	if (!port || !strcmp(port, "1701"))
		return;
	check_found(r, "%s: port is %s", f->path, port);
	mend_xl2tpd(f, "global", "port = 1701", r);
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

static void judge_ppp_file(const struct check_facts *facts, struct check_result *r)
{
	const struct l2tp_facts *f = seen(facts);

	if (f && *f->ppp_blind) {
		check_blind(r, "%s", f->ppp_blind);
		check_mend(r, "name the file: --ppp-options FILE");
	} else if (f && lns_section(f) && !*f->ppp_path) {
		check_found(r, "%s names no pppoptfile, and no --ppp-options was given", f->path);
		mend_xl2tpd(f, lns_section(f), "pppoptfile = /etc/ppp/options.xl2tpd", r);
		check_mend(r, "run: natshim check --emit pppd > /etc/ppp/options.xl2tpd");
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
	{"ppp-lock", CHECK_ERROR, "pppd over the kernel's L2TP rejects the option and ends", judge_lock},
	{.id = NULL},
};
