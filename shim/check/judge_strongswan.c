/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of strongSwan's configuration: swanctl.conf, and what charon says that it has loaded. Pure. */
#include "shim/check/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATH_LENGTH 256

/* A connection and one of its children, as paths in the settings. */
struct pair {
	char conn[PATH_LENGTH], child[PATH_LENGTH];
};

static const char *get(const struct strongswan_facts *f, const char *section, const char *key)
{
	return settings_get(&f->config, section, key);
}

static void mend(const struct strongswan_facts *f, const char *section, const char *line,
		 struct check_result *r)
{
	check_mend(r, "in %s, %s: %s", f->path, section, line);
	if (f->charon_runs)
		check_mend(r, "run: swanctl --load-all");
}

/* A traffic selector with udp and one of these ports ("": the selector has no port). */
static bool selector_has(const char *selector, const char *const ports[])
{
	const char *at = selector ? strstr(selector, "[udp") : NULL;

	at = at || !selector ? at : strstr(selector, "[17");
	if (!at)
		return false;
	at = at + strcspn(at, "/]");
	for (size_t i = 0; ports[i]; i++) {
		const size_t n = strlen(ports[i]);

		if (n ? *at == '/' && !strncmp(at + 1, ports[i], n) && at[n + 1] == ']' : *at == ']')
			return true;
	}
	return false;
}

static const char *const l2tp_port[] = {"1701", "l2f", "l2tp", NULL};
static const char *const any_port[] = {"", "any", NULL};

static bool is_child(const char *section)
{
	const char *children = strstr(section, "/children/");

	return !strncmp(section, "connections/", 12) && children && !strchr(children + 10, '/');
}

static bool is_for_l2tp(const struct strongswan_facts *f, const char *child)
{
	return selector_has(get(f, child, "local_ts"), l2tp_port) ||
	       selector_has(get(f, child, "remote_ts"), l2tp_port) ||
	       selector_has(get(f, child, "remote_ts"), any_port);
}

/* How much of a child suits, to find the one that is meant. */
static unsigned suits(const struct strongswan_facts *f, const char *child)
{
	const char *mode = get(f, child, "mode");

	return 1u + selector_has(get(f, child, "local_ts"), l2tp_port) +
	       (mode && !strcmp(mode, "transport")) + selector_has(get(f, child, "remote_ts"), any_port);
}

static bool choose(const struct check_facts *facts, struct pair *out)
{
	const struct strongswan_facts *f = &facts->strongswan;
	unsigned best = 0;

	if (!f->present || *f->blind)
		return false;
	for (size_t i = 0; i < f->config.count; i++) {
		const char *child = f->config.items[i].section;

		if (*f->config.items[i].key || !is_child(child) || !is_for_l2tp(f, child) ||
		    suits(f, child) <= best)
			continue;
		best = suits(f, child);
		snprintf(out->child, sizeof out->child, "%s", child);
		snprintf(out->conn, sizeof out->conn, "%.*s", (int)(strstr(child, "/children/") - child),
			 child);
	}
	return best != 0;
}

static void judge_config(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;

	if (f->present && *f->blind) {
		check_blind(r, "%s", f->blind);
		check_mend(r, "run it as root, or name the directory: --swanctl-dir DIR");
	}
}

static void judge_conn(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	struct pair p;

	if (!f->present || *f->blind || choose(facts, &p) || check_starter_conn(f))
		return;
	check_found(r, "%s has no connection for L2TP (a child with udp/1701)", f->path);
	check_mend(r, "add a connection to %s: natshim check --emit strongswan prints one", f->path);
}

/* What a key must be; else found and mended. */
static void judge_value(const struct check_facts *facts, const char *section, const char *key,
			const char *wanted, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	const char *value = get(f, section, key);
	char line[96];

	if (value && !strcmp(value, wanted))
		return;
	snprintf(line, sizeof line, "%s = %s", key, wanted);
	check_found(r, "%s: %s is %s", section, key, value ? value : "not set");
	mend(f, section, line, r);
}

static void judge_version(const struct check_facts *facts, struct check_result *r)
{
	struct pair p;

	if (choose(facts, &p) && get(&facts->strongswan, p.conn, "version") &&
	    !settings_is(&facts->strongswan.config, p.conn, "version", "0"))
		judge_value(facts, p.conn, "version", "1", r);
}

static void judge_remote(const struct check_facts *facts, struct check_result *r)
{
	struct pair p;

	if (choose(facts, &p) && get(&facts->strongswan, p.conn, "remote_addrs"))
		judge_value(facts, p.conn, "remote_addrs", "%any", r);
}

static void judge_mode(const struct check_facts *facts, struct check_result *r)
{
	struct pair p;

	if (choose(facts, &p))
		judge_value(facts, p.child, "mode", "transport", r);
}

static void judge_local_ts(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	struct pair p;

	if (!choose(facts, &p) || selector_has(get(f, p.child, "local_ts"), l2tp_port))
		return;
	check_found(r, "%s: local_ts is %s", p.child,
		    get(f, p.child, "local_ts") ? get(f, p.child, "local_ts") : "not set");
	mend(f, p.child, "local_ts = dynamic[udp/1701]", r);
}

static void judge_remote_ts(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	const char *value;
	struct pair p;

	if (!choose(facts, &p))
		return;
	value = get(f, p.child, "remote_ts");
	if (selector_has(value, any_port))
		return;
	check_found(r, "%s: remote_ts is %s%s", p.child, value ? value : "not set",
		    value && strstr(value, "%any]") ? ", which swanctl rejects with the whole connection"
						    : "");
	mend(f, p.child, "remote_ts = dynamic[udp/any]", r);
}

static void judge_aggressive(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	struct pair p;

	if (choose(facts, &p) && settings_is(&f->config, p.conn, "aggressive", "yes")) {
		check_found(r, "%s: aggressive = yes", p.conn);
		mend(f, p.conn, "aggressive = no", r);
	}
}

static void judge_unique(const struct check_facts *facts, struct check_result *r)
{
	struct pair p;

	if (choose(facts, &p))
		judge_value(facts, p.conn, "unique", "never", r);
}

/* Seconds, whatever the unit: only zero or not counts. */
static bool is_zero(const char *value)
{
	return value && strtol(value, NULL, 10) == 0;
}

static void judge_rekey(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	struct pair p;

	if (!choose(facts, &p) ||
	    (is_zero(get(f, p.conn, "rekey_time")) && is_zero(get(f, p.child, "rekey_time"))))
		return;
	check_found(
		r, "%s: the server rekeys by itself (rekey_time is not 0 in the connection and in its child)",
		p.conn);
	check_mend(r, "in %s, %s: rekey_time = 0", f->path, p.conn);
	mend(f, p.child, "rekey_time = 0", r);
}

static void judge_dpd(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	const char *delay;
	struct pair p;

	if (!choose(facts, &p))
		return;
	delay = get(f, p.conn, "dpd_delay");
	if (delay && !is_zero(delay))
		return;
	check_found(r, "%s: dead peer detection is off", p.conn);
	check_mend(r, "in %s, %s: dpd_delay = 40s", f->path, p.conn);
	mend(f, p.conn, "dpd_timeout = 130s", r);
}

/* One of a comma-separated list begins with all these words: "3des-sha1-modp1024". */
static bool proposes(const char *proposals, const char *start)
{
	const size_t n = strlen(start);

	for (const char *at = proposals; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		at += strspn(at, " \t");
		if (!strncmp(at, start, n))
			return true;
	}
	return false;
}

/* What newer clients offer; strongSwan's own default, which is meant where nothing is set, has it. */
static bool serves_newer(const char *proposals)
{
	for (const char *at = proposals; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		const size_t n = strcspn(at, ",");
		char one[128];

		snprintf(one, sizeof one, "%.*s", (int)n, at);
		if (strstr(one, "default") || (strstr(one, "aes") && strstr(one, "modp2048")))
			return true;
	}
	return !proposals;
}

static void judge_proposals(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	const char *value;
	struct pair p;

	if (!choose(facts, &p))
		return;
	value = get(f, p.conn, "proposals");
	if (value && proposes(value, "3des-sha1-modp1024"))
		return;
	if (f->from_vici) {
		check_blind(r, "charon does not tell its proposals, and %s could not be read", f->path);
		check_mend(r, "name the directory: --swanctl-dir DIR");
		return;
	}
	r->mild = serves_newer(value);
	check_found(r, "%s: proposals %s no 3des-sha1-modp1024%s", p.conn,
		    value ? "has" : "is not set, and the default has",
		    r->mild ? ": old clients alone are kept out" : "");
	mend(f, p.conn,
	     "proposals = "
	     "aes256-sha256-modp2048,aes256-sha1-modp2048,aes256-sha1-modp1024,aes128-sha1-modp1536,"
	     "3des-sha1-modp2048,3des-sha1-modp1536,3des-sha1-modp1024",
	     r);
}

static void judge_esp(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	const char *value;
	struct pair p;

	if (!choose(facts, &p))
		return;
	value = get(f, p.child, "esp_proposals");
	if (!value || proposes(value, "aes128-sha1") || proposes(value, "3des-sha1") ||
	    proposes(value, "default"))
		return;
	check_found(r, "%s: esp_proposals has neither aes128-sha1 nor 3des-sha1", p.child);
	mend(f, p.child, "esp_proposals = aes256-sha256,aes256-sha1,aes128-sha1,3des-sha1", r);
}

/* A proposal without a group is there for clients that bring none. */
static bool has_proposal_without_group(const char *proposals)
{
	for (const char *at = proposals; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		const size_t n = strcspn(at, ",");
		char one[128];

		snprintf(one, sizeof one, "%.*s", (int)n, at);
		if (!strstr(one, "modp") && !strstr(one, "ecp") && !strstr(one, "curve") &&
		    !strstr(one, "x25519"))
			return true;
	}
	return false;
}

static void judge_pfs(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	const char *value;
	struct pair p;

	if (!choose(facts, &p))
		return;
	value = get(f, p.child, "esp_proposals");
	if (!value || has_proposal_without_group(value))
		return;
	check_found(r, "%s: every one of esp_proposals has a Diffie-Hellman group, that is, requires PFS",
		    p.child);
	mend(f, p.child, "esp_proposals = aes256-sha256,aes256-sha1,aes128-sha1,3des-sha1", r);
}

static void judge_algorithms(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	struct pair p;

	if (!choose(facts, &p) || !f->charon_runs)
		return;
	if (f->modp1024 == NO || f->triple_des == NO) {
		check_found(r, "this charon has no %s", f->modp1024 == NO ? "MODP1024" : "3DES");
		check_mend(r,
			   "run: apt-get install libstrongswan-standard-plugins libstrongswan-extra-plugins");
		check_mend(r, "run: systemctl restart strongswan");
	}
}

static void judge_running(const struct check_facts *facts, struct check_result *r)
{
	struct pair p;

	const struct port_holder *by = &facts->host.ike;

	if (!choose(facts, &p) || facts->strongswan.charon_runs)
		return;
	r->grave = facts->host.root && strcmp(by->program, "pluto") != 0;
	if (r->grave && by->held && by->pid)
		check_found(r, "charon does not answer over VICI: udp/500 is held by %s (process %ld)",
			    by->program, by->pid);
	else if (r->grave && !by->held)
		check_found(r, "charon does not run: nothing listens on udp/500");
	else
		check_found(r, "charon does not answer over VICI: what it has loaded is not known");
	check_mend(r, "run: systemctl start strongswan");
}

static void judge_boot(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;

	if ((f->present && !*f->blind) || f->starter)
		check_boot(r, f->service, f->boot);
}

static void judge_loaded(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	struct pair p;

	if (!choose(facts, &p) || !f->charon_runs || settings_find(&f->loaded, p.child, ""))
		return;
	check_found(r,
		    "charon has not loaded %s (swanctl rejects a connection as a whole for one wrong value)",
		    p.child);
	check_mend(r, "run: swanctl --load-all");
}

static void judge_psk(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;
	struct pair p;

	if (!choose(facts, &p))
		return;
	if (*f->secrets.blind) {
		check_blind(r, "%s", f->secrets.blind);
		check_mend(r, "run it as root, or name the directory: --swanctl-dir DIR");
	} else if (!f->secrets.psk_count) {
		check_found(r, "%s has no pre-shared key (section secrets, ike*)", f->path);
		check_mend(r, "in %s: secrets { ike-l2tp { secret = \"a long random secret\" } }", f->path);
		if (f->charon_runs)
			check_mend(r, "run: swanctl --load-all");
	}
}

static void judge_secrets_mode(const struct check_facts *facts, struct check_result *r)
{
	const struct strongswan_facts *f = &facts->strongswan;

	if (!f->present || !f->secrets.others_read)
		return;
	check_found(r, "everybody on this host may read %s", f->secrets.path);
	check_mend(r, "run: chmod 600 %s", f->secrets.path);
}

static void judge_old_macs(const struct check_facts *facts, struct check_result *r)
{
	struct pair p;

	if (!choose(facts, &p))
		return;
	check_found(
		r, "Mac OS X 10.3.6 to 10.4.3 behind a NAT fail on strongSwan in phase 2, translated or not");
	check_mend(r,
		   "if you have such clients: natshim's bridge mode (with a pre-shared key), or libreswan");
}

const struct check check_strongswan[] = {
	{"strongswan-config", CHECK_ERROR,
	 "without a configuration that the server can read no client gets in", judge_config},
	{"strongswan-conn", CHECK_ERROR,
	 "no client's proposal of transport mode for udp/1701 finds a connection", judge_conn},
	{"strongswan-version", CHECK_ERROR, "L2TP/IPsec clients speak IKEv1 only", judge_version},
	{"strongswan-remote-addrs", CHECK_ERROR, "road warriors come from any address", judge_remote},
	{"strongswan-mode", CHECK_ERROR,
	 "L2TP/IPsec (RFC 3193) is transport mode; clients propose nothing else", judge_mode},
	{"strongswan-local-ts", CHECK_ERROR, "clients ask for udp/1701 of the server and for nothing else",
	 judge_local_ts},
	{"strongswan-remote-ts", CHECK_ERROR,
	 "Macs and iPhones send L2TP from a floating port; a fixed one keeps them out "
	 "(INVALID_ID_INFORMATION)",
	 judge_remote_ts},
	{"strongswan-aggressive", CHECK_ERROR,
	 "with a pre-shared key and an address as ID clients use Main Mode", judge_aggressive},
	{"strongswan-proposals", CHECK_ERROR,
	 "Macs to 10.10 and old iPhones offer the group MODP1024 only, and get NO_PROPOSAL_CHOSEN",
	 judge_proposals},
	{"strongswan-esp", CHECK_ERROR, "a client whose ESP algorithms are missing gets NO_PROPOSAL_CHOSEN",
	 judge_esp},
	{"strongswan-pfs", CHECK_ERROR, "Macs propose Quick Mode without PFS", judge_pfs},
	{"strongswan-algorithms", CHECK_ERROR, "old clients offer nothing else", judge_algorithms},
	{"strongswan-psk", CHECK_ERROR, "without the key phase 1 fails at its last messages", judge_psk},
	{"strongswan-secrets-mode", CHECK_WARNING, "who knows the key can pose as the server",
	 judge_secrets_mode},
	{"strongswan-unique", CHECK_WARNING,
	 "two clients with the same private address behind two NATs have the same ID: the newer replaces the "
	 "older",
	 judge_unique},
	{"strongswan-rekey", CHECK_WARNING,
	 "old Macs refuse a rekey that the server starts, and behind a NAT it rarely reaches them",
	 judge_rekey},
	{"strongswan-dpd", CHECK_HINT,
	 "a client that leaves without a word keeps its SAs for an hour; natshim ends such sessions where it "
	 "runs",
	 judge_dpd},
	{"strongswan-running", CHECK_HINT, "clients are served by what runs, not by what is configured",
	 judge_running},
	{"strongswan-boot", CHECK_WARNING, "after the next boot no client gets in", judge_boot},
	{"strongswan-loaded", CHECK_ERROR, "clients are served by what runs, not by what is configured",
	 judge_loaded},
	{"strongswan-old-macs", CHECK_HINT,
	 "its Quick Mode answer carries NAT-OA and the NAT's address as ID, inside the encryption; those "
	 "Macs accept neither",
	 judge_old_macs},
	{.id = NULL},
};
