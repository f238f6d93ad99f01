/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs the table of checks, and helps the judges to say what they found. */
#include "shim/check/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct check *const tables[] = {
	check_libreswan, check_strongswan, check_starter,  check_certificate,
	check_l2tp,      check_kernel,     check_firewall,
};

const char *check_severity_name(enum check_severity severity)
{
	static const char *const names[] = {"error", "warning", "hint"};

	return names[severity];
}

const struct check *check_find(const char *id)
{
	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (const struct check *check = tables[t]; check->id; check++)
			if (!strcmp(check->id, id))
				return check;
	return NULL;
}

void check_run(const struct check_facts *facts, check_finding_fn *fn, void *ctx)
{
	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
		for (const struct check *check = tables[t]; check->id; check++) {
			struct check_result result = {.found = false};

			check->judge(facts, &result);
			if (!result.found)
				continue;
			fn(ctx, &(struct check_finding){
					.id = check->id,
					.severity = result.blind || result.mild ? CHECK_HINT
						    : result.grave              ? CHECK_ERROR
										: check->severity,
					.found = result.text,
					.why = check->why,
					.mend = result.mend,
				});
		}
	}
}

void check_found(struct check_result *result, const char *format, ...)
{
	va_list args;

	result->found = true;
	va_start(args, format);
	vsnprintf(result->text, sizeof result->text, format, args);
	va_end(args);
}

void check_blind(struct check_result *result, const char *format, ...)
{
	static const char lead[] = "could not look: ";
	va_list args;

	result->found = result->blind = true;
	memcpy(result->text, lead, sizeof lead);
	va_start(args, format);
	vsnprintf(result->text + sizeof lead - 1, sizeof result->text - sizeof lead + 1, format, args);
	va_end(args);
}

void check_mend(struct check_result *result, const char *format, ...)
{
	size_t length = strlen(result->mend);
	va_list args;

	if (length && length + 1 < sizeof result->mend)
		result->mend[length++] = '\n';
	va_start(args, format);
	vsnprintf(result->mend + length, sizeof result->mend - length, format, args);
	va_end(args);
}

void check_mend_sed(struct check_result *result, const char *script, const char *file)
{
	check_mend(result, "run: sh -c 'new=$(sed \"%s\" %s) && printf \"%%s\\n\" \"$new\" > %s'", script,
		   file, file);
}

void check_mend_comment(struct check_result *result, char sign, unsigned line, const char *file)
{
	char script[32];

	snprintf(script, sizeof script, "%us/^/%c/", line, sign);
	check_mend_sed(result, script, file);
}

void check_boot(struct check_result *result, const char *service, const char *state)
{
	if (!*state)
		return;
	check_found(result, "systemd does not start %s when this host boots: the service is %s", service,
		    state);
	if (!strcmp(state, "masked"))
		check_mend(result, "run: systemctl unmask %s", service);
	check_mend(result, "run: systemctl enable %s", service);
}
