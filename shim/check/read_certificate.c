/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's certificate through OpenSSL: from a file, or out of libreswan's NSS database through certutil. */
#include "shim/check/check.h"
#include "shim/check/read.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IKE_INTERMEDIATE "1.3.6.1.5.5.8.2.2"
#define DEFAULT_NSS "/var/lib/ipsec/nss"
#define AUTHORITIES_MAX 64

/* ---- what stands in it ------------------------------------------------------------------------------------------- */

static void add_name(struct certificate_facts *c, const void *text, size_t length)
{
	if (c->name_count < FACTS_NAMES_MAX && length < FACTS_TEXT)
		snprintf(c->names[c->name_count++], FACTS_TEXT, "%.*s", (int)length, (const char *)text);
}

static void read_names(X509 *x, struct certificate_facts *c)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const ASN1_STRING *string = name->d.ia5;
		const int length =
			name->type == GEN_DNS || name->type == GEN_IPADD ? ASN1_STRING_length(string) : 0;
		char text[INET6_ADDRSTRLEN];

		if (name->type == GEN_DNS)
			add_name(c, ASN1_STRING_get0_data(string), (size_t)length);
		else if ((length == 4 || length == 16) &&
			 inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(string), text,
				   sizeof text))
			add_name(c, text, strlen(text));
	}
	GENERAL_NAMES_free(names);
}

static void read_eku(X509 *x, struct certificate_facts *c)
{
	EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);

	c->has_eku = usage != NULL;
	for (int i = 0; i < sk_ASN1_OBJECT_num(usage); i++) {
		char oid[64] = "";

		OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(usage, i), 1);
		c->eku_ike |= !strcmp(oid, IKE_INTERMEDIATE);
		c->eku_server |= OBJ_obj2nid(sk_ASN1_OBJECT_value(usage, i)) == NID_server_auth;
	}
	EXTENDED_KEY_USAGE_free(usage);
}

static void read_dates(X509 *x, struct certificate_facts *c)
{
	int days = 0, seconds = 0;

	c->not_yet = X509_cmp_current_time(X509_get0_notBefore(x)) > 0;
	if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x)))
		c->days_left = seconds < 0 && !days ? -1 : days;
}

static void read_algorithms(X509 *x, struct certificate_facts *c)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	int digest = NID_undef;

	if (X509_get_signature_info(x, &digest, NULL, NULL, NULL))
		snprintf(c->digest, sizeof c->digest, "%s", OBJ_nid2sn(digest));
	c->rsa = key && EVP_PKEY_base_id(key) == EVP_PKEY_RSA;
	c->key_bits = key ? EVP_PKEY_bits(key) : 0;
}

/* Signatures up to a self-signed certificate among those given. Dates are another check's. */
static void read_chain(X509 *x, STACK_OF(X509) * others, struct certificate_facts *c)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	if (store && X509_self_signed(x, 0))
		X509_STORE_add_cert(store, x);
	for (int i = 0; store && i < sk_X509_num(others); i++)
		if (X509_self_signed(sk_X509_value(others, i), 0))
			X509_STORE_add_cert(store, sk_X509_value(others, i));
	if (store && ctx && X509_STORE_CTX_init(ctx, store, x, others)) {
		X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
		c->chain = X509_verify_cert(ctx) == 1 ? YES : NO;
		snprintf(c->chain_error, sizeof c->chain_error, "%s",
			 X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
		if (c->chain == NO && !sk_X509_num(others))
			c->chain = UNKNOWN;
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
}

/* ---- where it comes from ----------------------------------------------------------------------------------------- */

/* All certificates of a PEM text. */
static void add_pem(STACK_OF(X509) * list, const char *text)
{
	BIO *in = BIO_new_mem_buf(text, -1);
	X509 *x;

	while (in && sk_X509_num(list) < AUTHORITIES_MAX && (x = PEM_read_bio_X509(in, NULL, NULL, NULL)))
		if (!sk_X509_push(list, x))
			X509_free(x);
	BIO_free(in);
}

static bool add_file(STACK_OF(X509) * list, const char *path, char blind[static FACTS_TEXT])
{
	const int before = sk_X509_num(list);
	char *text = check_read_file(path, blind);

	if (!text)
		return false;
	add_pem(list, text);
	free(text);
	if (sk_X509_num(list) == before)
		snprintf(blind, FACTS_TEXT, "%.150s holds no certificate in PEM", path);
	return sk_X509_num(list) > before;
}

static bool add_nss(STACK_OF(X509) * list, const char *database, const char *nickname,
		    char blind[static FACTS_TEXT])
{
	const char *const argv[] = {"certutil", "-L", "-d", database, "-n", nickname, "-a", NULL};
	struct command_result result;
	const bool there = check_read_output(argv, &result, blind);

	if (there)
		add_pem(list, result.out.text);
	command_result_clear(&result);
	return there;
}

/* Cuts a line of certutil's list to its nickname: what stands before the last word, the trust flags ("CT,,"). */
static bool cut_to_nickname(char *line)
{
	size_t n = strlen(line);

	while (n && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	while (n && line[n - 1] != ' ')
		n--;
	if (!strchr(line + n, ',') || strchr(line + n, '/'))
		return false; /* a heading */
	while (n && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	return n != 0;
}

/* Every certificate of the database. */
static void add_nss_all(STACK_OF(X509) * list, const char *database)
{
	const char *const argv[] = {"certutil", "-L", "-d", database, NULL};
	char ignored[FACTS_TEXT];
	struct command_result result;
	char *rest, *line;

	if (check_read_output(argv, &result, ignored)) {
		rest = result.out.text;
		while ((line = strsep(&rest, "\n")) && sk_X509_num(list) < AUTHORITIES_MAX)
			if (cut_to_nickname(line))
				add_nss(list, database, line, ignored);
	}
	command_result_clear(&result);
}

static bool collect(const struct check_options *options, const struct libreswan_facts *libreswan,
		    const char *nickname, STACK_OF(X509) * list, struct certificate_facts *out)
{
	const char *dir = settings_get(&libreswan->setup, "setup", "nssdir");
	char database[FACTS_TEXT];

	snprintf(database, sizeof database, "sql:%s", dir ? dir : DEFAULT_NSS);
	if (options->certificate) {
		if (!add_file(list, options->certificate, out->blind))
			return false;
	} else if (!add_nss(list, database, nickname, out->blind)) {
		return false;
	}
	if (options->authority && !add_file(list, options->authority, out->blind))
		return false;
	if (!options->certificate)
		add_nss_all(list, database);
	return true;
}

void check_read_certificate(const struct check_options *options, const struct libreswan_facts *libreswan,
			    struct certificate_facts *out)
{
	const char *conn = libreswan->present ? check_libreswan_conn(libreswan) : NULL;
	const bool left_is_any = conn && settings_is(&libreswan->config, conn, "left", "%any");
	const char *nickname =
		conn ? settings_get(&libreswan->config, conn, left_is_any ? "rightcert" : "leftcert") : NULL;
	const char *id =
		conn ? settings_get(&libreswan->config, conn, left_is_any ? "rightid" : "leftid") : NULL;
	STACK_OF(X509) * list;
	X509 *own;

	out->present = options->certificate || nickname;
	if (!out->present)
		return;
	snprintf(out->source, sizeof out->source, "%s",
		 options->certificate ? options->certificate : nickname);
	id = id ? id : options->server_name; /* a file alone has no conn */
	snprintf(out->id, sizeof out->id, "%s", id && (nickname || options->server_name) ? id : "");
	snprintf(out->server_name, sizeof out->server_name, "%s",
		 options->server_name ? options->server_name : "");
	list = sk_X509_new_null();
	if (list && collect(options, libreswan, nickname, list, out)) {
		own = sk_X509_shift(list);
		read_names(own, out);
		read_eku(own, out);
		read_dates(own, out);
		read_algorithms(own, out);
		read_chain(own, list, out);
		X509_free(own);
	}
	sk_X509_pop_free(list, X509_free);
}
