/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the server's certificate: what Macs and iPhones ask of it, docs/recipes/certificates.md. Pure. */
#include "shim/check/check.h"

#include <string.h>
#include <strings.h>

#define SOON_DAYS 30

static const struct certificate_facts *seen(const struct check_facts *facts)
{
	const struct certificate_facts *c = &facts->certificate;

	return c->present && !*c->blind ? c : NULL;
}

static bool has_name(const struct certificate_facts *c, const char *name)
{
	for (unsigned i = 0; i < c->name_count; i++)
		if (!strcasecmp(c->names[i], name))
			return true;
	return false;
}

/* Without the @ that keeps libreswan from resolving it. */
static const char *bare(const char *id)
{
	return id + (*id == '@');
}

static void judge_read(const struct check_facts *facts, struct check_result *r)
{
	const struct certificate_facts *c = &facts->certificate;

	if (c->present && *c->blind) {
		check_blind(r, "%s", c->blind);
		check_mend(r, "give the server's certificate: --cert FILE (PEM)");
	}
}

static void judge_san_id(const struct check_facts *facts, struct check_result *r)
{
	const struct certificate_facts *c = seen(facts);

	if (!c || !*c->id || strchr(c->id, '=') || *c->id == '%' || has_name(c, bare(c->id)))
		return;
	check_found(r, "%s: no subjectAltName is %s, the server's ID", c->source, bare(c->id));
	check_mend(r, "issue it anew with subjectAltName %s: docs/recipes/certificates.md", bare(c->id));
}

static void judge_id(const struct check_facts *facts, struct check_result *r)
{
	const struct certificate_facts *c = seen(facts);

	if (!c || (*c->id && *c->id != '%' && !strchr(c->id, '=')))
		return;
	check_found(r, "the server's ID is %s, not a name or an address", *c->id ? c->id : "not set");
	check_mend(r, "in the conn: leftid=@%s",
		   *c->server_name ? c->server_name
		   : c->name_count ? c->names[0]
				   : "the.server.name");
}

static void judge_san_name(const struct check_facts *facts, struct check_result *r)
{
	const struct certificate_facts *c = seen(facts);

	if (!c)
		return;
	if (!*c->server_name && !c->name_count) {
		check_found(r, "%s has no subjectAltName with a DNS name or an address", c->source);
	} else if (!*c->server_name) {
		check_blind(r, "what users type as server address is not known");
		check_mend(r, "run it with --server-name NAME");
		return;
	} else if (!has_name(c, c->server_name)) {
		check_found(r, "%s: no subjectAltName is %s, which users type as server address", c->source,
			    c->server_name);
	} else {
		return;
	}
	check_mend(r, "issue it anew with subjectAltName %s: docs/recipes/certificates.md",
		   *c->server_name ? c->server_name : "DNS:the.server.name");
}

static void judge_eku(const struct check_facts *facts, struct check_result *r)
{
	const struct certificate_facts *c = seen(facts);

	if (!c || !c->has_eku || c->eku_ike)
		return;
	check_found(r, "%s has an extended key usage%s without ikeIntermediate (1.3.6.1.5.5.8.2.2)",
		    c->source, c->eku_server ? " (serverAuth)" : "");
	check_mend(r, "issue it anew with extendedKeyUsage = 1.3.6.1.5.5.8.2.2, serverAuth, or without that "
		      "extension: "
		      "docs/recipes/certificates.md");
}

static void judge_expired(const struct check_facts *facts, struct check_result *r)
{
	const struct certificate_facts *c = seen(facts);

	if (!c || (c->days_left >= 0 && !c->not_yet))
		return;
	if (c->not_yet)
		check_found(r, "%s is not valid yet", c->source);
	else
		check_found(r, "%s has expired %ld days ago", c->source, -c->days_left);
	check_mend(r, "issue it anew: docs/recipes/certificates.md");
}

static void judge_expires_soon(const struct check_facts *facts, struct check_result *r)
{
	const struct certificate_facts *c = seen(facts);

	if (!c || c->days_left < 0 || c->days_left >= SOON_DAYS)
		return;
	check_found(r, "%s expires in %ld days", c->source, c->days_left);
	check_mend(r, "issue it anew in time: docs/recipes/certificates.md");
}

static void judge_chain(const struct check_facts *facts, struct check_result *r)
{
	const struct certificate_facts *c = seen(facts);

	if (!c || c->chain == YES)
		return;
	if (c->chain == UNKNOWN)
		check_blind(r, "the issuer's certificate was not given");
	else
		check_found(r, "%s: its chain is not complete: %s", c->source, c->chain_error);
	check_mend(r, "give the issuers: --ca FILE; and to libreswan: certutil -A -d sql:/var/lib/ipsec/nss "
		      "-n ca -t CT,, -i ca.pem");
}

static void judge_digest_old(const struct check_facts *facts, struct check_result *r)
{
	const struct certificate_facts *c = seen(facts);

	if (!c || strncmp(c->digest, "SHA", 3) != 0 || !strcmp(c->digest, "SHA1"))
		return;
	check_found(r, "%s is signed with %s", c->source, c->digest);
	check_mend(
		r,
		"nothing, unless a Mac to 10.4 must use it: for such a client a pre-shared key is the way");
}

static void judge_digest_weak(const struct check_facts *facts, struct check_result *r)
{
	const struct certificate_facts *c = seen(facts);

	if (!c || (strcmp(c->digest, "SHA1") != 0 && strcmp(c->digest, "MD5") != 0))
		return;
	check_found(r, "%s is signed with %s", c->source, c->digest);
	check_mend(r, "issue it anew with SHA-256 (openssl x509 -sha256): docs/recipes/certificates.md");
}

static void judge_key(const struct check_facts *facts, struct check_result *r)
{
	const struct certificate_facts *c = seen(facts);

	if (!c || (c->rsa && c->key_bits >= 2048))
		return;
	if (c->rsa)
		check_found(r, "%s has an RSA key of %d bits", c->source, c->key_bits);
	else
		check_found(r, "%s has no RSA key", c->source);
	check_mend(r, "issue it anew with an RSA key of 2048 bits: docs/recipes/certificates.md");
}

const struct check check_certificate[] = {
	{"cert-read", CHECK_ERROR, "a conn with certificates fails without one", judge_read},
	{"cert-id", CHECK_ERROR, "Macs compare the server's ID with the server address that was typed",
	 judge_id},
	{"cert-san-id", CHECK_ERROR, "libreswan and Macs want the server's ID to stand in its certificate",
	 judge_san_id},
	{"cert-san-name", CHECK_ERROR,
	 "Macs refuse a certificate that does not carry the server address that was typed", judge_san_name},
	{"cert-eku", CHECK_ERROR, "Macs refuse a certificate whose extended key usage lacks ikeIntermediate",
	 judge_eku},
	{"cert-expired", CHECK_ERROR, "clients refuse it", judge_expired},
	{"cert-expires-soon", CHECK_WARNING, "clients will refuse it", judge_expires_soon},
	{"cert-chain", CHECK_ERROR,
	 "the client must be able to follow the signatures to a root that it trusts", judge_chain},
	{"cert-sha2", CHECK_HINT,
	 "old Macs (to 10.4 at least) may not know SHA-2 and then refuse the certificate", judge_digest_old},
	{"cert-weak-digest", CHECK_WARNING, "newer clients, and libreswan's NSS, refuse SHA-1 and MD5",
	 judge_digest_weak},
	{"cert-key", CHECK_WARNING,
	 "old clients know RSA only; libreswan's NSS may refuse RSA keys below 2048 bits", judge_key},
	{.id = NULL},
};
