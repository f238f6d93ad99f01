/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the ipsec.conf and ipsec.secrets that strongSwan's starter reads: its conn for L2TP, by the settings without which no client
 * gets in, as seen with strongSwan 5.9. Pure. */
#include "shim/check/check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* UDP with this port, or any. */
static bool is_udp(const char *protoport)
{
	return protoport && (!strncmp(protoport, "17", 2) || !strncasecmp(protoport, "udp", 3));
}

static bool is_one_of(const char *value, const char *const list[])
{
	for (size_t i = 0; value && list[i]; i++)
		if (!strcasecmp(value, list[i]))
			return true;
	return false;
}

/* What the conn must have; the first of good is the one to write. */
static const struct {
	const char *key;
	bool unset_is_good;
	const char *good[6];
} keys[] = {
	{"auto", false, {"add", "route", "start", NULL}},
	{"keyexchange", true, {"ikev1", "ike", NULL}}, /* ike: a responder takes both */
	{"type", false, {"transport", NULL}},
	{"leftprotoport", true, {"17/1701", "udp/1701", "udp/l2tp", "17/l2tp", "17/%any", NULL}},
	{"rightprotoport", true, {"17/%any", "udp/%any", "17", "udp", NULL}},
	{"right", true, {"%any", "%any4", "0.0.0.0", "0.0.0.0/0", NULL}},
	{"aggressive", true, {"no", NULL}},
};

static bool is_good(const struct settings *config, const char *conn, size_t i)
{
	const char *value = settings_get(config, conn, keys[i].key);

	return value ? is_one_of(value, keys[i].good) : keys[i].unset_is_good;
}

const char *check_starter_conn(const struct strongswan_facts *f)
{
	const struct settings *config = &f->starter_config;
	const char *best = NULL;
	unsigned fewest = 0;

	for (size_t i = 0; f->starter && i < config->count; i++) {
		const char *conn = config->items[i].section;
		unsigned wrong = 0;

		if (*config->items[i].key || !strcmp(conn, "%default") ||
		    (!is_udp(settings_get(config, conn, "leftprotoport")) &&
		     !is_udp(settings_get(config, conn, "rightprotoport"))))
			continue;
		for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
			wrong += !is_good(config, conn, k);
		if (!best || wrong < fewest) {
			best = conn;
			fewest = wrong;
		}
	}
	return best;
}

/* An edit of the conn, which charon takes at "ipsec reload". */
static void edit_conn(const struct strongswan_facts *f, const char *conn, const char *line,
		      struct check_result *r)
{
	const struct setting *opening = settings_find(&f->starter_config, conn, "");

	check_mend(r, "in %s, conn %s: %s", opening && *opening->value ? opening->value : f->starter_path,
		   conn, line);
}

static void judge_conn(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	const char *conn = check_starter_conn(f);
	char line[96];

	if (!f->starter || (f->present && !conn))
		return;
	for (size_t i = 0; conn && i < sizeof keys / sizeof *keys; i++) {
		const char *value = settings_get(&f->starter_config, conn, keys[i].key);

		if (is_good(&f->starter_config, conn, i))
			continue;
		if (!r->found)
			check_found(r, "%s (strongSwan's): conn %s: %s is %s", f->starter_path, conn,
				    keys[i].key, value ? value : "not set");
		snprintf(line, sizeof line, "%s=%s", keys[i].key, keys[i].good[0]);
		edit_conn(f, conn, line, r);
	}
	if (r->found) {
		check_mend(r, "run: ipsec reload");
		return;
	}
	if (conn)
		check_blind(
			r,
			"strongSwan is configured by %s, of which check reads only the conn's main settings",
			f->starter_path);
	else
		check_found(r, "strongSwan is here, and %s has no conn for L2TP (udp/1701)", f->starter_path);
	check_mend(r, "the newer form of its configuration is read whole: natshim check --emit strongswan "
		      "prints a swanctl.conf");
}

/* One of a comma-separated list has all of these words. */
static bool proposes(const char *proposals, const char *first, const char *second, const char *third)
{
	for (const char *at = proposals; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		char one[128];

		snprintf(one, sizeof one, "%.*s", (int)strcspn(at, ","), at);
		if (strcasestr(one, first) && strcasestr(one, second) && strcasestr(one, third))
			return true;
	}
	return false;
}

/* Without "!" strongSwan's default proposals follow, which newer clients know. */
static void judge_ike(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	const char *conn = check_starter_conn(f),
		   *ike = conn ? settings_get(&f->starter_config, conn, "ike") : NULL;

	if (!conn || proposes(ike, "3des", "sha", "modp1024"))
		return;
	r->mild = !ike || !strchr(ike, '!') || proposes(ike, "aes", "sha", "modp2048");
	check_found(r, "conn %s: ike= has no 3des-sha1-modp1024%s", conn,
		    r->mild ? ": old clients alone are kept out" : "");
	edit_conn(f, conn,
		  "ike=aes256-sha256-modp2048,aes256-sha1-modp2048,aes256-sha1-modp1024,3des-sha1-modp1024!",
		  r);
	check_mend(r, "run: ipsec reload");
}

static void judge_esp(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	const char *conn = check_starter_conn(f),
		   *esp = conn ? settings_get(&f->starter_config, conn, "esp") : NULL;

	if (!esp || !strchr(esp, '!') || proposes(esp, "aes128", "sha1", "") ||
	    proposes(esp, "3des", "sha1", ""))
		return;
	check_found(r, "conn %s: esp=%s has neither aes128-sha1 nor 3des-sha1", conn, esp);
	edit_conn(f, conn, "esp=aes256-sha256,aes256-sha1,aes128-sha1,3des-sha1!", r);
	check_mend(r, "run: ipsec reload");
}

static void judge_psk(const struct check_facts *facts, struct check_result *r)
{
	static const char *const shared[] = {"psk", "secret", NULL};
	const struct strongswan_facts *f = &facts->strongswan;
	const char *conn = check_starter_conn(f);

	if (!conn || f->starter_psk != NO ||
	    !is_one_of(settings_get(&f->starter_config, conn, "authby"), shared))
		return;
	check_found(r, "%s has no pre-shared key", f->starter_secrets);
	check_mend(r, "in %s: : PSK \"a long random secret\"", f->starter_secrets);
	check_mend(r, "run: ipsec rereadsecrets");
}

static void judge_running(const struct check_facts *facts, struct check_result *r)
{
	const struct port_holder *by = &facts->host.ike;

	if (!check_starter_conn(&facts->strongswan) || facts->strongswan.charon_runs || !facts->host.root ||
	    (by->held && (!by->pid || !strncmp(by->program, "charon", 6))))
		return;
	if (by->held) {
		check_found(r, "charon does not run: udp/500 is held by %s (process %ld)", by->program,
			    by->pid);
		check_mend(r, "end that program, and keep it from starting again");
	} else {
		check_found(r, "charon does not run: nothing listens on udp/500");
	}
	check_mend(r, "run: systemctl start strongswan-starter");
}

const struct check check_starter[] = {
	{"strongswan-starter", CHECK_ERROR, "clients are served by the conn that charon has from it",
	 judge_conn},
	{"starter-ike", CHECK_ERROR, "a client whose phase-1 algorithms are missing gets NO_PROPOSAL_CHOSEN",
	 judge_ike},
	{"starter-esp", CHECK_ERROR, "a client whose ESP algorithms are missing gets NO_PROPOSAL_CHOSEN",
	 judge_esp},
	{"starter-psk", CHECK_ERROR, "without the key phase 1 fails at its last messages", judge_psk},
	{"starter-running", CHECK_ERROR, "clients are served by what runs, not by what is configured",
	 judge_running},
	{.id = NULL},
};
