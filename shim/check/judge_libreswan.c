/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of libreswan's configuration, versions 4 and 5: ipsec.conf(5). Pure. */
#include "shim/check/check.h"
#include "shim/check/ipsec_conf.h"
#include "shim/check/ipsec_secrets.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The conn and its two ends; the peer is the end that is %any. */
struct ends {
	const char *conn, *us, *them;
};

static const char *get(const struct libreswan_facts *f, const char *conn, const char *key)
{
	return settings_get(&f->config, conn, key);
}

static bool is_address(const char *text)
{
	struct in6_addr ignored;

	return text && (inet_pton(AF_INET, text, &ignored) == 1 || inet_pton(AF_INET6, text, &ignored) == 1);
}

/* All addresses, in libreswan's spellings. */
static bool is_any(const char *end)
{
	return end && (!strcmp(end, "%any") || !strcmp(end, "%any4") || !strcmp(end, "0.0.0.0") ||
		       !strcmp(end, "0.0.0.0/0"));
}

/* An address of this host, or a word for one. */
static bool is_ours(const struct libreswan_facts *f, const char *end)
{
	if (!end || !strcmp(end, "%defaultroute"))
		return end;
	for (unsigned i = 0; i < f->host->address_count; i++)
		if (!strcmp(end, f->host->addresses[i]) ||
		    (*end == '%' && !strcmp(end + 1, f->host->ifaces[i])))
			return true;
	return false;
}

const char *check_libreswan_own_end(const struct libreswan_facts *f, const char *conn)
{
	const char *left = get(f, conn, "left"), *right = get(f, conn, "right");

	if (is_ours(f, left))
		return "left";
	return is_ours(f, right) || (is_any(left) && right && !is_any(right)) ? "right" : "left";
}

static struct ends ends_of(const struct libreswan_facts *f, const char *conn)
{
	const char *us = check_libreswan_own_end(f, conn);

	return (struct ends){conn, us, *us == 'l' ? "right" : "left"};
}

static const char *end_get(const struct libreswan_facts *f, struct ends e, const char *end,
			   const char *suffix)
{
	char key[64];

	snprintf(key, sizeof key, "%s%s", end, suffix);
	return get(f, e.conn, key);
}

/* The port of "17/PORT" or "udp/PORT", or NULL. */
static const char *udp_port(const char *protoport)
{
	if (protoport && !strncmp(protoport, "17/", 3))
		return protoport + 3;
	return protoport && !strncasecmp(protoport, "udp/", 4) ? protoport + 4 : NULL;
}

/* By number, or by one of the two names that services(5) has for it. */
static bool is_l2tp_port(const char *protoport)
{
	const char *port = udp_port(protoport);

	return port && (!strcmp(port, "1701") || !strcmp(port, "l2tp") || !strcmp(port, "l2f"));
}

static bool is_any_port(const char *protoport)
{
	const char *port = udp_port(protoport);

	return port && !strcmp(port, "%any");
}

static bool is_for_l2tp(const struct libreswan_facts *f, const char *conn)
{
	const struct ends e = ends_of(f, conn);

	return is_l2tp_port(end_get(f, e, "left", "protoport")) ||
	       is_l2tp_port(end_get(f, e, "right", "protoport")) ||
	       is_any_port(end_get(f, e, e.them, "protoport"));
}

/* `ipsec auto --COMMAND': libreswan 5 knows it without the "auto". */
static void run_ipsec(const struct libreswan_facts *f, const char *command, const char *conn,
		      struct check_result *r)
{
	check_mend(r, "run: ipsec %s%s %s", f->version < 5 ? "auto --" : "", command, conn);
}

static void reload(const struct libreswan_facts *f, const char *conn, struct check_result *r)
{
	if (f->pluto_runs)
		run_ipsec(f, "replace", conn, r);
}

/* The file where the conn stands, which may be an included one. */
static const char *file_of(const struct libreswan_facts *f, const char *conn)
{
	const struct setting *opening = settings_find(&f->config, conn, "");

	return opening && *opening->value ? opening->value : f->path;
}

/* The conn in which the key stands, which may have come by also=. */
static const char *conn_of(const struct libreswan_facts *f, const char *conn, const char *key)
{
	const char *from;
	char origin[96];

	snprintf(origin, sizeof origin, IPSEC_CONF_FROM "%s", key);
	from = get(f, conn, origin);
	return from ? from : conn;
}

/* The line "key=value" in that conn, by the name that the key has there. */
static void edit_conn(const struct libreswan_facts *f, const char *conn, struct check_result *r,
		      const char *line)
{
	const size_t n = strcspn(line, "=");
	const char *from, *name;
	char key[64], as[96];

	snprintf(key, sizeof key, "%.*s", (int)n, line);
	snprintf(as, sizeof as, IPSEC_CONF_AS "%s", key);
	from = conn_of(f, conn, key);
	name = get(f, conn, as);
	check_mend(r, "in %s, conn %s: %s%s", file_of(f, from), from, name ? name : key, line + n);
}

/* An edit of the conn, and what makes it true. */
static void mend_conn(const struct libreswan_facts *f, const char *conn, struct check_result *r,
		      const char *line)
{
	edit_conn(f, conn, r, line);
	reload(f, conn, r);
}

/* ---- one setting of a conn each: true when it is wrong, with result (may be NULL) filled ------------------------- */

static bool bad_auto(const struct libreswan_facts *f, const char *conn, struct check_result *r)
{
	const char *value = get(f, conn, "auto");

	if (value && strcmp(value, "ignore") != 0)
		return false;
	if (r) {
		check_found(r, "conn %s is never loaded: auto=%s", conn, value ? value : "ignore");
		edit_conn(f, conn, r, "auto=add");
		if (f->pluto_runs)
			run_ipsec(f, "add", conn, r);
	}
	return true;
}

static bool bad_peer(const struct libreswan_facts *f, const char *conn, struct check_result *r)
{
	const struct ends e = ends_of(f, conn);
	const char *value = get(f, conn, e.them);

	char line[64];

	if (is_any(value))
		return false;
	if (r) {
		check_found(r, "conn %s takes only %s=%s", conn, e.them, value ? value : "(nothing)");
		snprintf(line, sizeof line, "%s=%%any", e.them);
		mend_conn(f, conn, r, line);
	}
	return true;
}

/* What pluto cannot take as the server's own side. Other addresses it judges itself: judge_oriented(). */
static bool bad_own(const struct libreswan_facts *f, const char *conn, struct check_result *r)
{
	const struct ends e = ends_of(f, conn);
	const char *value = get(f, conn, e.us);
	char line[64];

	if (value &&
	    (is_ours(f, value) || (!is_any(value) && *value != '%' && strncmp(value, "127.", 4) != 0 &&
				   strcmp(value, "localhost") != 0 && strcmp(value, "::") != 0)))
		return false;
	if (value && *value == '%' && !is_any(value) && !f->host->address_count)
		return false;
	if (r) {
		check_found(r, "conn %s: %s is %s: pluto does not know which address is its own", conn, e.us,
			    value ? value : "not set");
		snprintf(line, sizeof line, "%s=%s", e.us,
			 *f->host->default_address || !f->host->address_count ? "%defaultroute"
									      : f->host->addresses[0]);
		mend_conn(f, conn, r, line);
	}
	return true;
}

static bool bad_their_port(const struct libreswan_facts *f, const char *conn, struct check_result *r)
{
	const struct ends e = ends_of(f, conn);
	const char *value = end_get(f, e, e.them, "protoport");
	char line[64];

	if (is_any_port(value))
		return false;
	if (r) {
		snprintf(line, sizeof line, "%sprotoport=17/%%any", e.them);
		check_found(r, "conn %s: %sprotoport is %s", conn, e.them, value ? value : "not set");
		mend_conn(f, conn, r, line);
	}
	return true;
}

static bool bad_our_port(const struct libreswan_facts *f, const char *conn, struct check_result *r)
{
	const struct ends e = ends_of(f, conn);
	const char *value = end_get(f, e, e.us, "protoport");
	char line[64];

	if (is_l2tp_port(value))
		return false;
	if (r) {
		snprintf(line, sizeof line, "%sprotoport=17/1701", e.us);
		check_found(r, "conn %s: %sprotoport is %s", conn, e.us, value ? value : "not set");
		mend_conn(f, conn, r, line);
	}
	return true;
}

static bool bad_value(const struct libreswan_facts *f, const char *conn, struct check_result *r,
		      const char *key, const char *wanted)
{
	const char *value = get(f, conn, key);
	char line[64];

	if (value && !strcmp(value, wanted))
		return false;
	if (r) {
		snprintf(line, sizeof line, "%s=%s", key, wanted);
		check_found(r, "conn %s: %s is %s", conn, key, value ? value : "not set");
		mend_conn(f, conn, r, line);
	}
	return true;
}

/* Version 5 refuses the Quick Mode of a client that asks for transport mode; drop, reject and passthrough are for no client. */
static bool bad_type(const struct libreswan_facts *f, const char *conn, struct check_result *r)
{
	const bool bad = bad_value(f, conn, r, "type", "transport");
	const char *type = get(f, conn, "type");

	if (bad && r)
		r->grave = f->version >= 5 || (type && strcmp(type, "tunnel") != 0);
	return bad;
}

static bool bad_version(const struct libreswan_facts *f, const char *conn, struct check_result *r)
{
	const char *exchange = get(f, conn, "keyexchange");

	if (exchange && !strcmp(exchange, "ikev1"))
		return false;
	if (f->version >= 5 && (exchange || !get(f, conn, "ikev2")))
		return bad_value(f, conn, r, "keyexchange", "ikev1");
	return bad_value(f, conn, r, "ikev2", "no");
}

static bool bad_pfs(const struct libreswan_facts *f, const char *conn, struct check_result *r)
{
	return bad_value(f, conn, r, "pfs", "no");
}

static bool bad_aggressive(const struct libreswan_facts *f, const char *conn, struct check_result *r)
{
	const char *value = get(f, conn, "aggressive");

	if (!value || strcmp(value, "yes") != 0)
		return false;
	if (r) {
		check_found(r, "conn %s: aggressive=yes", conn);
		mend_conn(f, conn, r, "aggressive=no");
	}
	return true;
}

typedef bool conn_check(const struct libreswan_facts *f, const char *conn, struct check_result *r);

static conn_check *const conn_checks[] = {bad_auto, bad_own,     bad_peer, bad_their_port, bad_our_port,
					  bad_type, bad_version, bad_pfs,  bad_aggressive};

const char *check_libreswan_conn(const struct libreswan_facts *f)
{
	const char *best = NULL;
	unsigned fewest = 0;

	for (size_t i = 0; i < f->config.count; i++) {
		const char *conn = f->config.items[i].section;
		unsigned wrong = 0;

		if (*f->config.items[i].key || !strcmp(conn, "%default") || !is_for_l2tp(f, conn))
			continue;
		for (size_t c = 0; c < sizeof conn_checks / sizeof *conn_checks; c++)
			wrong += conn_checks[c](f, conn, NULL);
		if (!best || wrong < fewest) {
			best = conn;
			fewest = wrong;
		}
	}
	return best;
}

/* The conn to judge, or NULL when there is none (which is another check's to say). */
static const char *chosen(const struct libreswan_facts *f)
{
	return f->present && !*f->blind && !*f->error ? check_libreswan_conn(f) : NULL;
}

static void judge_with(const struct check_facts *facts, conn_check *check, struct check_result *r)
{
	const char *conn = chosen(&facts->libreswan);

	if (conn)
		check(&facts->libreswan, conn, r);
}

/* ---- the judges -------------------------------------------------------------------------------------------------- */

static void judge_config(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;

	if (!f->present && !facts->strongswan.present && !facts->strongswan.starter) {
		check_found(r, "neither libreswan nor strongSwan was found here");
		check_mend(r, "run: apt-get install libreswan xl2tpd");
		check_mend(r, "natshim check --emit libreswan prints an ipsec.conf for it");
	} else if (f->present && *f->error) {
		check_found(r, "libreswan refuses %s: %s", f->path, f->error);
		if (f->error_script)
			check_mend_sed(r, f->error_script, f->error_file);
		else if (f->error_line)
			check_mend_comment(r, '#', f->error_line, f->error_file);
		if (f->error_line && f->pluto_runs)
			check_mend(r, "run: systemctl restart ipsec");
		check_mend(r, "or correct that line; a working file: natshim check --emit libreswan");
	} else if (f->present && *f->blind) {
		check_blind(r, "%s", f->blind);
		check_mend(r, "run it as root where libreswan is installed, or name its file: "
			      "--libreswan-config FILE");
	}
}

static void judge_ikev1(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *value;

	if (!f->present || *f->blind || *f->error)
		return;
	value = settings_get(&f->config, "setup", "ikev1-policy");
	value = value ? value : settings_get(&f->setup, "setup", "ikev1_policy");
	if (!value) {
		check_blind(r, "neither %s nor addconn --configsetup has ikev1-policy", f->path);
		check_mend(r, "in %s, config setup: ikev1-policy=accept", f->path);
		return;
	}
	if (!strcmp(value, "accept") || !strcmp(value, "0")) { /* 0: as addconn prints it */
		if (!settings_get(&f->status, "setup", "ikev1-policy") ||
		    settings_is(&f->status, "setup", "ikev1-policy", "accept"))
			return;
		check_found(r, "the running pluto does not accept IKEv1, though %s now says so", f->path);
	} else {
		check_found(r, "%s: ikev1-policy is not accept (libreswan's default is drop)", f->path);
		check_mend(r, "in %s, config setup: ikev1-policy=accept", f->path);
	}
	if (f->pluto_runs)
		check_mend(r, "run: systemctl restart ipsec");
}

static void judge_conn(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;

	if (!f->present || *f->blind || *f->error || chosen(f))
		return;
	check_found(r, "%s has no conn for L2TP (udp/1701)", f->path);
	check_mend(r, "add a conn to %s: natshim check --emit libreswan prints one", f->path);
}

static void judge_auto(const struct check_facts *facts, struct check_result *r)
{
	judge_with(facts, bad_auto, r);
}

static void judge_peer(const struct check_facts *facts, struct check_result *r)
{
	judge_with(facts, bad_peer, r);
}

static void judge_own(const struct check_facts *facts, struct check_result *r)
{
	judge_with(facts, bad_own, r);
}

static void judge_their_port(const struct check_facts *facts, struct check_result *r)
{
	judge_with(facts, bad_their_port, r);
}

static void judge_our_port(const struct check_facts *facts, struct check_result *r)
{
	judge_with(facts, bad_our_port, r);
}

static void judge_type(const struct check_facts *facts, struct check_result *r)
{
	judge_with(facts, bad_type, r);
}

static void judge_version(const struct check_facts *facts, struct check_result *r)
{
	judge_with(facts, bad_version, r);
}

static void judge_pfs(const struct check_facts *facts, struct check_result *r)
{
	judge_with(facts, bad_pfs, r);
}

static void judge_aggressive(const struct check_facts *facts, struct check_result *r)
{
	judge_with(facts, bad_aggressive, r);
}

static void judge_rekey(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f);

	if (conn)
		bad_value(f, conn, r, "rekey", "no");
}

static void judge_uniqueids(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *value;

	if (!f->present || *f->blind || *f->error)
		return;
	value = settings_get(&f->config, "setup", "uniqueids");
	value = value ? value : settings_get(&f->setup, "setup", "uniqueids");
	if (value && !strcmp(value, "no"))
		return;
	check_found(r, "%s: uniqueids is %s", f->path, value ? value : "not set, which is yes");
	check_mend(r, "in %s, config setup: uniqueids=no", f->path);
	if (f->pluto_runs)
		check_mend(r, "run: systemctl restart ipsec");
}

static bool is_positive(const char *number)
{
	return number && strtol(number, NULL, 10) > 0;
}

static void judge_dpd_off(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f), *delay = conn ? get(f, conn, "dpddelay") : NULL,
		   *limit = conn ? get(f, conn, "dpdtimeout") : NULL;

	if (!conn || (is_positive(delay) && is_positive(limit)))
		return;
	check_found(r, "conn %s: dead peer detection is off (dpddelay and dpdtimeout make it)", conn);
	edit_conn(f, conn, r, "dpddelay=40");
	edit_conn(f, conn, r, f->version < 5 ? "dpdtimeout=130" : "ikev1-dpdtimeout=130");
	if (f->version < 5)
		edit_conn(f, conn, r, "dpdaction=clear");
	reload(f, conn, r);
}

/* libreswan 5 has no other action. */
static void judge_dpd_action(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f), *delay = conn ? get(f, conn, "dpddelay") : NULL, *action;

	if (!is_positive(delay) || f->version >= 5)
		return;
	action = get(f, conn, "dpdaction");
	if (action && !strcmp(action, "clear"))
		return;
	check_found(r, "conn %s: dpdaction is %s", conn, action ? action : "not set, which is hold");
	mend_conn(f, conn, r, "dpdaction=clear");
}

static void judge_encapsulation(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f), *value = conn ? get(f, conn, "encapsulation") : NULL;

	if (!value || strcmp(value, "no") != 0)
		return;
	check_found(r, "conn %s: encapsulation=no", conn);
	mend_conn(f, conn, r, "encapsulation=auto");
}

/* Old Macs and iPhones: 3DES-SHA1; MODP1024 if the build has it, which is another check's. */
static void judge_ike(const struct check_facts *facts, struct check_result *r)
{
	static const char good[] = "ike=aes256-sha2_256;modp2048,aes256-sha1;modp2048,aes128-sha1;modp1536,"
				   "3des-sha1;modp2048,3des-sha1;modp1536";
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f);
	bool old, newer;

	if (!conn)
		return;
	if (*f->ike_error) {
		check_found(r, "conn %s: libreswan refuses ike=%s: %s", conn,
			    get(f, conn, "ike") ? get(f, conn, "ike") : "", f->ike_error);
		mend_conn(f, conn, r, good);
		return;
	}
	if (!f->ike) {
		check_blind(r, "ipsec algparse did not tell the algorithms of conn %s", conn);
		edit_conn(f, conn, r, good);
		return;
	}
	old = strstr(f->ike, "3DES_CBC-HMAC_SHA1-MODP1536") || strstr(f->ike, "3DES_CBC-HMAC_SHA1-MODP1024");
	newer = strstr(f->ike, "-MODP2048") && strstr(f->ike, "AES_CBC");
	if (old && newer)
		return;
	r->mild = old || newer;
	check_found(r, "conn %s: ike= has no %s", conn,
		    newer ? "3DES-SHA1 with MODP1536 or less: old Macs alone are kept out"
		    : old ? "AES with MODP2048: newer clients alone are kept out"
			  : "3DES-SHA1 with MODP1536 or less, for old Macs, and no AES with MODP2048, for "
			    "newer clients");
	mend_conn(f, conn, r, good);
}

static void judge_esp(const struct check_facts *facts, struct check_result *r)
{
	static const char good[] = "esp=aes256-sha2_256,aes256-sha1,aes128-sha1,3des-sha1";
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f);

	if (!conn)
		return;
	if (*f->esp_error) {
		check_found(r, "conn %s: libreswan refuses esp=%s: %s", conn,
			    get(f, conn, "esp") ? get(f, conn, "esp") : "", f->esp_error);
		mend_conn(f, conn, r, good);
		return;
	}
	if (!f->esp) {
		check_blind(r, "ipsec algparse did not tell the ESP algorithms of conn %s", conn);
		mend_conn(f, conn, r, good);
		return;
	}
	if (strstr(f->esp, "AES_CBC-HMAC_SHA1") || strstr(f->esp, "AES_CBC_128-HMAC_SHA1") ||
	    strstr(f->esp, "3DES_CBC-HMAC_SHA1"))
		return;
	check_found(r, "conn %s: esp= has neither AES-128 nor 3DES with SHA-1", conn);
	mend_conn(f, conn, r, good);
}

static void judge_modp1024(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;

	if (!chosen(f) || f->modp1024 == YES)
		return;
	if (f->modp1024 == UNKNOWN) {
		check_blind(r, "ipsec algparse did not say whether this build has MODP1024");
		check_mend(r, "run: ipsec algparse ike=3des-sha1-modp1024");
		return;
	}
	check_found(r, "this build of libreswan has no MODP1024");
	check_mend(r, "such clients need natshim's bridge mode (with a pre-shared key), or strongSwan, which "
		      "has it");
}

static bool uses_psk(const struct libreswan_facts *f, const char *conn)
{
	const char *by = get(f, conn, "authby");

	return by && (strcasestr(by, "secret") || strcasestr(by, "psk"));
}

static void judge_authby(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f), *by = conn ? get(f, conn, "authby") : NULL;
	struct ends e;

	if (!conn)
		return;
	e = ends_of(f, conn);
	if (uses_psk(f, conn) ? !strcmp(by, "secret") : end_get(f, e, e.us, "cert") != NULL)
		return;
	if (uses_psk(f, conn))
		check_found(r, "conn %s: authby=%s; with IKEv1 a conn has one method, secret or rsasig", conn,
			    by);
	else
		check_found(r,
			    "conn %s has neither a pre-shared key (authby=secret) nor a certificate (%scert)",
			    conn, e.us);
	mend_conn(f, conn, r, "authby=secret");
}

/* ---- settings that keep an L2TP client out, each by itself -------------------------------------------------------- */

enum side { CONN, EITHER };

static const struct { /* NOLINT(clang-analyzer-optin.performance.Padding): in the order in which it is read */
	const char *key;
	enum side side;   /* EITHER: "left" or "right" stands before the key */
	const char *bad;  /* NULL: any value */
	const char *good; /* NULL: without the line */
	unsigned before;  /* this version of libreswan; 0: any */
	const char *why;
} hindrances[] = {
	{"nat-ikev1-method", CONN, "none", "both", 0, "clients behind a NAT find no NAT traversal"},
	{"nat-ikev1-method", CONN, "drafts", "both", 0, "newer clients find no NAT traversal"},
	{"phase2", CONN, "ah", "esp", 0, "clients ask for ESP"},
	{"xauthserver", EITHER, "yes", NULL, 0, "L2TP clients know no XAUTH"},
	{"xauthclient", EITHER, "yes", NULL, 0, "L2TP clients know no XAUTH"},
	{"xauthserver", EITHER, NULL, NULL, 5,
	 "L2TP clients know no XAUTH, and libreswan 4 asks for it whatever the value"},
	{"xauthclient", EITHER, NULL, NULL, 5,
	 "L2TP clients know no XAUTH, and libreswan 4 asks for it whatever the value"},
	{"narrowing", CONN, "yes", NULL, 5, "it is IKEv2's, and libreswan does not load the conn"},
	{"mobike", CONN, "yes", "no", 0, "it is IKEv2's, and libreswan does not load the conn"},
};

static void judge_hindrance(const struct libreswan_facts *f, const char *conn, size_t i, const char *end,
			    struct check_result *r)
{
	const struct setting *found;
	char key[64], line[96];

	snprintf(key, sizeof key, "%s%s", end, hindrances[i].key);
	found = settings_find(&f->config, conn, key);
	if (!found || (hindrances[i].bad && strcasecmp(found->value, hindrances[i].bad) != 0) ||
	    (hindrances[i].before && f->version >= hindrances[i].before) ||
	    (!hindrances[i].bad && !strcasecmp(found->value, "yes")))
		return;
	if (!r->found)
		check_found(r, "conn %s: %s=%s: %s", conn, key, found->value, hindrances[i].why);
	if (hindrances[i].good) {
		snprintf(line, sizeof line, "%s=%s", key, hindrances[i].good);
		edit_conn(f, conn, r, line);
	} else {
		check_mend_comment(r, '#', found->line, file_of(f, conn_of(f, conn, key)));
	}
}

static void judge_hindrances(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f);

	for (size_t i = 0; conn && i < sizeof hindrances / sizeof *hindrances; i++) {
		if (hindrances[i].side == CONN) {
			judge_hindrance(f, conn, i, "", r);
			continue;
		}
		judge_hindrance(f, conn, i, "left", r);
		judge_hindrance(f, conn, i, "right", r);
	}
	if (r->found)
		reload(f, conn, r);
}

/* Seconds of "3600", "3600s", "60m", "8h", "1d"; 0: not understood. */
static unsigned long seconds_of(const char *time)
{
	static const struct {
		char unit;
		unsigned long seconds;
	} units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	char *end;
	const unsigned long number = strtoul(time, &end, 10);

	for (size_t i = 0; end != time && i < sizeof units / sizeof *units; i++)
		if (*end == units[i].unit && (!*end || !end[1]))
			return number * units[i].seconds;
	return 0;
}

#define LIFETIME_MIN (8 * 3600UL) /* what Windows and Android propose for phase 1; libreswan's default */

static void judge_lifetime(const struct check_facts *facts, struct check_result *r)
{
	static const char *const keys[] = {"ikelifetime", "salifetime"};
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f);
	char line[64];

	for (size_t i = 0; conn && i < 2; i++) {
		const char *value = get(f, conn, keys[i]);
		const unsigned long seconds = value ? seconds_of(value) : 0;

		if (!seconds || seconds >= LIFETIME_MIN)
			continue;
		if (!r->found)
			check_found(r, "conn %s: %s is %s, shorter than what clients expect", conn, keys[i],
				    value);
		snprintf(line, sizeof line, "%s=24h", keys[i]);
		edit_conn(f, conn, r, line);
	}
	if (r->found)
		reload(f, conn, r);
}

static void judge_truncbug(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f), *value = conn ? get(f, conn, "sha2-truncbug") : NULL;

	if (!value || strcasecmp(value, "yes") != 0 || !f->esp || !strstr(f->esp, "SHA2_256"))
		return;
	check_found(r, "conn %s: sha2-truncbug=yes, and esp= has SHA2-256", conn);
	mend_conn(f, conn, r, "sha2-truncbug=no");
	check_mend(r, "Android to 7 truncates as it says: for those leave it, and take sha2_256 out of esp= "
		      "for all others");
}

/* Clients that are told nothing else have their address as ID, which differs. */
static void judge_their_id(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f), *id;
	struct ends e;
	char line[64];

	if (!conn || !uses_psk(f, conn))
		return;
	e = ends_of(f, conn);
	id = end_get(f, e, e.them, "id");
	if (!id || !*id || !strcasecmp(id, "%any") || !strcmp(id, "%none") || !strcmp(id, "0.0.0.0"))
		return;
	check_found(r, "conn %s: %sid=%s is for the client alone that has this ID", conn, e.them, id);
	snprintf(line, sizeof line, "%sid=%%any", e.them);
	mend_conn(f, conn, r, line);
}

/* The ID by which pluto looks for the server's key; NULL: not known. */
static const char *own_id(const struct libreswan_facts *f, struct ends e)
{
	const char *id = end_get(f, e, e.us, "id"), *address = get(f, e.conn, e.us);

	if (id)
		return *id == '@' || is_address(id) ? id : NULL;
	if (address && !strcmp(address, "%defaultroute") && *f->host->default_address)
		return f->host->default_address;
	return is_address(address) ? address : NULL;
}

/* FILE:LINE becomes a comment. */
static void mend_place(const char *place, struct check_result *r)
{
	const char *colon = strrchr(place, ':');
	char file[FACTS_TEXT];

	if (!colon)
		return;
	snprintf(file, sizeof file, "%.*s", (int)(colon - place), place);
	check_mend_comment(r, '#', (unsigned)strtoul(colon + 1, NULL, 10), file);
}

/* Why there is no key, if a line tells. */
static void found_no_psk(const struct secrets_facts *s, struct check_result *r)
{
	const struct setting *fault = NULL, *other = NULL;

	for (size_t i = s->entries.count; i-- > 0;) {
		if (!strcmp(s->entries.items[i].section, "fault"))
			fault = &s->entries.items[i];
		else if (!strcmp(s->entries.items[i].section, "psk"))
			other = &s->entries.items[i];
	}
	if (fault) {
		check_found(r, "%s has no pre-shared key that pluto finds for a client: %s: %s", s->path,
			    fault->key, fault->value);
		if (!strcmp(fault->value, IPSEC_SECRETS_EMPTY))
			mend_place(fault->key, r);
		check_mend(r,
			   "correct %s, or add the line below; the entry is : PSK \"KEY\", from the first "
			   "column on",
			   fault->key);
	} else if (other) {
		check_found(r,
			    "%s has no pre-shared key that pluto finds for a client: %s is for \"%s\" only",
			    s->path, other->key, other->value);
	} else {
		check_found(r, "%s has no pre-shared key", s->path);
	}
}

static void judge_psk(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const struct secrets_facts *s = &f->secrets;
	const char *conn = chosen(f);

	if (!conn || !uses_psk(f, conn))
		return;
	if (*s->blind) {
		check_blind(r, "%s", s->blind);
		check_mend(r, "run it as root, or name the file: --ipsec-secrets FILE");
	} else if (!ipsec_secrets_serve(&s->entries, own_id(f, ends_of(f, conn)))) {
		found_no_psk(s, r);
		check_mend(r, "in %s: : PSK \"a long random secret\"", s->path);
		if (f->pluto_runs)
			check_mend(r, "run: ipsec %srereadsecrets", f->version < 5 ? "auto --" : "");
	}
}

static void judge_secrets_mode(const struct check_facts *facts, struct check_result *r)
{
	const struct secrets_facts *s = &facts->libreswan.secrets;

	if (!facts->libreswan.present || !s->others_read)
		return;
	check_found(r, "everybody on this host may read %s", s->path);
	check_mend(r, "run: chmod 600 %s", s->path);
}

static void judge_running(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;

	const struct port_holder *by = &facts->host.ike;

	if (!f->present || *f->blind || f->pluto_runs || (!facts->host.root && !chosen(f)))
		return;
	r->grave = facts->host.root && strcmp(by->program, "charon") != 0;
	if (r->grave && by->held && by->pid)
		check_found(r, "pluto does not run: udp/500 is held by %s (process %ld)", by->program,
			    by->pid);
	else if (r->grave)
		check_found(r, "pluto does not run");
	else
		check_found(
			r,
			"pluto does not answer (it does not run, or this is not root): what it has loaded is "
			"not known");
	if (r->grave && by->held && by->pid && strcmp(by->program, "pluto") != 0)
		check_mend(r, "end that program, and keep it from starting again");
	check_mend(r, "run: systemctl start ipsec");
}

static void judge_boot(const struct check_facts *facts, struct check_result *r)
{
	if (facts->libreswan.present && !*facts->libreswan.blind)
		check_boot(r, "ipsec", facts->libreswan.boot);
}

/* The last word on it. */
static const char *why_dropped(const struct libreswan_facts *f, const char *conn)
{
	const struct setting *last = settings_find(&f->dropped, conn, "why");
	const char *now = settings_get(&f->dropped, conn, "parser");

	return now ? now : last && *last->value ? last->value : NULL;
}

/* A reason that names keys, as "leftauth= and rightauth= must both be set": those lines become comments. */
static bool mend_named_keys(const struct libreswan_facts *f, const char *conn, const char *why,
			    struct check_result *r)
{
	bool any = false;

	for (const char *equals = why; (equals = strstr(equals, "= ")); equals++) {
		const struct setting *found;
		const char *start = equals;
		char key[64];

		while (start > why && start[-1] != ' ')
			start--;
		snprintf(key, sizeof key, "%.*s", (int)(equals - start), start);
		found = settings_find(&f->config, conn, ipsec_conf_meant(key));
		if (!*key || !found || !found->line)
			continue;
		check_mend_comment(r, '#', found->line, file_of(f, conn_of(f, conn, ipsec_conf_meant(key))));
		any = true;
	}
	return any;
}

/* A step for a reason; false: there is none that a program can follow. */
static bool mend_dropped(const struct libreswan_facts *f, const char *conn, const char *why,
			 struct check_result *r)
{
	static const char doubled[] = "duplicate key '";
	/* Reasons, and the key without which there is none. */
	static const struct {
		const char *reason, *key;
	} causes[] = {
		{"VTI requires tunnel mode", "vti-interface"},
		{"Invalid mark value", "mark"},
		{"left certificate", "leftcert"},
		{"right certificate", "rightcert"},
		{"MOBIKE", "mobike"},
		{"narrowing=yes requires IKEv2", "narrowing"}, /* libreswan 5.2 says so of narrowing=no */
		{"ID cannot be specified as %fromcert", "leftid"},
	};
	const char *at = strstr(why, doubled), *line;
	char key[64], second[80];

	for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
		const struct setting *found = settings_find(&f->config, conn, causes[i].key);

		if (!strstr(why, causes[i].reason) || !found || !found->line)
			continue;
		check_mend_comment(r, '#', found->line, file_of(f, conn_of(f, conn, causes[i].key)));
		return true;
	}
	if (!at)
		return mend_named_keys(f, conn, why, r);
	at += sizeof doubled - 1;
	snprintf(key, sizeof key, "%.*s", (int)strcspn(at, "'"), at);
	snprintf(second, sizeof second, IPSEC_CONF_AGAIN "%s", ipsec_conf_meant(key));
	line = get(f, conn, second);
	if (!line)
		return false;
	check_mend_comment(r, '#', (unsigned)strtoul(line, NULL, 10), file_of(f, conn));
	return true;
}

static void judge_loaded(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f), *why = conn ? why_dropped(f, conn) : NULL;

	if (!conn || bad_auto(f, conn, NULL))
		return;
	if (f->pluto_runs && settings_is(&f->status, conn, "loaded", "yes"))
		return;
	if (!f->pluto_runs && !why)
		return;
	if (!why) {
		check_found(r, "pluto has not loaded conn %s", conn);
		run_ipsec(f, "add", conn, r);
		return;
	}
	check_found(r, "libreswan does not load conn %s: %s", conn, why);
	if (!mend_dropped(f, conn, why, r))
		check_mend(r, "correct conn %s in %s", conn, file_of(f, conn));
	if (f->pluto_runs)
		check_mend(r, "run: sh -c 'ipsec %sadd %s || true'", f->version < 5 ? "auto --" : "", conn);
}

static void judge_oriented(const struct check_facts *facts, struct check_result *r)
{
	const struct libreswan_facts *f = &facts->libreswan;
	const char *conn = chosen(f);
	char line[64];
	const struct setting *offload = conn ? settings_find(&f->config, conn, "nic-offload") : NULL;
	struct ends e;

	if (!conn || !settings_is(&f->status, conn, "oriented", "no"))
		return;
	if (offload && offload->line && settings_is(&f->config, conn, "nic-offload", "yes")) {
		check_found(r, "conn %s: nic-offload=yes, and no interface of this host can do that", conn);
		check_mend_comment(r, '#', offload->line, file_of(f, conn_of(f, conn, "nic-offload")));
		run_ipsec(f, "replace", conn, r);
		return;
	}
	e = ends_of(f, conn);
	check_found(r, "conn %s: %s=%s is no address of this host", conn, e.us, get(f, conn, e.us));
	snprintf(line, sizeof line, "%s=%%defaultroute", e.us);
	mend_conn(f, conn, r, line);
}

const struct check check_libreswan[] = {
	{"libreswan-config", CHECK_ERROR,
	 "without a configuration that the server can read no client gets in", judge_config},
	{"libreswan-ikev1-policy", CHECK_ERROR,
	 "L2TP/IPsec clients speak IKEv1; libreswan drops their first message in silence and loads no IKEv1 "
	 "conn",
	 judge_ikev1},
	{"libreswan-conn", CHECK_ERROR, "no client's proposal of transport mode for udp/1701 finds a conn",
	 judge_conn},
	{"libreswan-auto", CHECK_ERROR, "a conn that is not loaded serves nobody", judge_auto},
	{"libreswan-left", CHECK_ERROR, "a conn belongs to one of this host's addresses", judge_own},
	{"libreswan-right", CHECK_ERROR, "road warriors come from any address", judge_peer},
	{"libreswan-rightprotoport", CHECK_ERROR,
	 "Macs and iPhones send L2TP from a floating port: with 17/1701 IPsec comes up and their L2TP gets "
	 "no answer",
	 judge_their_port},
	{"libreswan-leftprotoport", CHECK_ERROR,
	 "clients ask for udp/1701 of the server and for nothing else", judge_our_port},
	{"libreswan-type", CHECK_WARNING,
	 "L2TP/IPsec (RFC 3193) is transport mode; libreswan 5 refuses clients, libreswan 4 where the conn's "
	 "ports are fixed, too",
	 judge_type},
	{"libreswan-ikev2", CHECK_ERROR, "L2TP/IPsec clients speak IKEv1 only", judge_version},
	{"libreswan-pfs", CHECK_ERROR,
	 "Macs propose Quick Mode without PFS, and are refused where it is required", judge_pfs},
	{"libreswan-aggressive", CHECK_ERROR,
	 "clients with an address or a certificate as ID use Main Mode, which an aggressive conn does not "
	 "answer",
	 judge_aggressive},
	{"libreswan-ike", CHECK_ERROR,
	 "a client whose phase-1 algorithms are missing gets NO_PROPOSAL_CHOSEN", judge_ike},
	{"libreswan-esp", CHECK_ERROR, "a client whose ESP algorithms are missing gets NO_PROPOSAL_CHOSEN",
	 judge_esp},
	{"libreswan-modp1024", CHECK_HINT,
	 "Macs to 10.10 and old iPhones offer the group MODP1024 only, and get NO_PROPOSAL_CHOSEN",
	 judge_modp1024},
	{"libreswan-authby", CHECK_ERROR, "client and server must be able to prove who they are",
	 judge_authby},
	{"libreswan-rightid", CHECK_ERROR, "L2TP clients have their own address as ID, each another one",
	 judge_their_id},
	{"libreswan-hindrance", CHECK_ERROR, "such a setting keeps L2TP clients out", judge_hindrances},
	{"libreswan-lifetime", CHECK_WARNING,
	 "the server drops an SA that the client does not renew yet: it is cut off after that time",
	 judge_lifetime},
	{"libreswan-sha2-truncbug", CHECK_WARNING,
	 "all clients but Android to 7 then connect and nothing passes, if they choose SHA2-256",
	 judge_truncbug},
	{"libreswan-psk", CHECK_ERROR, "without the key phase 1 fails at its last messages", judge_psk},
	{"libreswan-secrets-mode", CHECK_WARNING, "who knows the key can pose as the server",
	 judge_secrets_mode},
	{"libreswan-encapsulation", CHECK_ERROR, "a client behind a NAT needs ESP in UDP",
	 judge_encapsulation},
	{"libreswan-uniqueids", CHECK_WARNING,
	 "two clients with the same private address behind two NATs have the same ID: the newer deletes the "
	 "older in silence",
	 judge_uniqueids},
	{"libreswan-rekey", CHECK_WARNING,
	 "old Macs refuse a rekey that the server starts, and behind a NAT it rarely reaches them",
	 judge_rekey},
	{"libreswan-dpd", CHECK_HINT,
	 "a client that leaves without a word keeps its SAs until they expire; natshim ends such sessions "
	 "where it runs",
	 judge_dpd_off},
	{"libreswan-dpdaction", CHECK_WARNING, "only clear removes what a road warrior leaves behind",
	 judge_dpd_action},
	{"libreswan-running", CHECK_HINT, "clients are served by what runs, not by what is configured",
	 judge_running},
	{"libreswan-boot", CHECK_WARNING, "after the next boot no client gets in", judge_boot},
	{"libreswan-loaded", CHECK_ERROR, "clients are served by what runs, not by what is configured",
	 judge_loaded},
	{"libreswan-oriented", CHECK_ERROR, "pluto does not use a conn of which neither end is this host",
	 judge_oriented},
	{.id = NULL},
};
