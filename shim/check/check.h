/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of checks: one function each, that judges facts and reads nothing. An id is stable: scripts know checks by it, and
 * natshim(8) explains each. */
#ifndef NATSHIM_SHIM_CHECK_CHECK_H
#define NATSHIM_SHIM_CHECK_CHECK_H

#include "shim/check/facts.h"

#define CHECK_TEXT_MAX 1024

enum check_severity { CHECK_ERROR, CHECK_WARNING, CHECK_HINT };
const char *check_severity_name(enum check_severity severity);

struct check_result {
	bool found; /* there is something to say */
	bool blind; /* but only that it could not look: a hint */
	bool grave; /* here it is an error, whatever the check's severity */
	bool mild;  /* here it is a hint */
	char text[CHECK_TEXT_MAX];
	char mend
		[CHECK_TEXT_MAX]; /* steps, one a line; "run: COMMAND" is a command, "in FILE, SECTION: LINE" an edit */
};

struct check {
	const char *id;
	enum check_severity severity;
	const char *why; /* it matters */
	void (*judge)(const struct check_facts *facts, struct check_result *result);
};

/* Each ends with a row without id. */
extern const struct check check_libreswan[], check_strongswan[], check_starter[], check_certificate[],
	check_l2tp[], check_kernel[], check_firewall[];

/* NULL: no check has that ID. For others that name a cause by it (shim/explain). */
const struct check *check_find(const char *id);

struct check_finding {
	const char *id;
	enum check_severity severity;
	const char *found, *why, *mend; /* valid during the call */
};
typedef void check_finding_fn(void *ctx, const struct check_finding *finding);
/* Runs all checks in the table's order; fn hears what was found. */
void check_run(const struct check_facts *facts, check_finding_fn *fn, void *ctx);

/* For the judges. check_mend adds a step. */
void check_found(struct check_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_blind(struct check_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_mend(struct check_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A step that runs a script of sed on a file, in place: the file stays the same one, also where it is mounted. */
void check_mend_sed(struct check_result *result, const char *script, const char *file);
/* Likewise that line becomes a comment. */
void check_mend_comment(struct check_result *result, char sign, unsigned line, const char *file);
/* Found and mended: systemd does not start the service when the host boots; state as check_read_boot() has it. Nothing where it is "". */
void check_boot(struct check_result *result, const char *service, const char *state);

/* The conn that serves L2TP clients best, that is, with the fewest errors: its name, or NULL when none is for L2TP. */
const char *check_libreswan_conn(const struct libreswan_facts *facts);
/* The end of a conn that is this host: "left" or "right". */
const char *check_libreswan_own_end(const struct libreswan_facts *facts, const char *conn);
/* The address of this host to which clients send; NULL: not known, or there are several. */
const char *check_server_address(const struct check_facts *facts);
/* The conn for L2TP of the ipsec.conf that strongSwan's starter reads, with the fewest errors; NULL: none, or there is no starter. */
const char *check_starter_conn(const struct strongswan_facts *facts);

#endif
