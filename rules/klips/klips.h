/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From KLIPS to XFRM: iptables rules that name ipsec0 become nftables rules.
 *
 * With KLIPS a decrypted packet came in through ipsec0 and one to be encrypted went out through it; the
 * physical interface saw only what was not protected, and ESP. With XFRM there is one interface for all, and
 * "meta secpath" (on the way in) and "rt ipsec" (on the way out) tell protected packets from others. So, with
 * ipsec0 once bound to eth0: -i ipsec0  ->  iifname "eth0" meta secpath exists        -o ipsec0  ->  oifname
 * "eth0" rt ipsec exists -i eth0    ->  iifname "eth0" meta secpath missing       -o eth0    ->  oifname
 * "eth0" rt ipsec missing All else of a rule is left to iptables-translate. Reads shell scripts with iptables
 * commands, and the output of iptables-save; applies -A, -I, -D, -R, -F, -N, -X, -P in order and prints the
 * ruleset they lead to, as tables of their own that load by themselves. What cannot be translated stays in
 * its place as a comment with the reason. Runs no program itself; ends the process when memory runs out
 * (rules/klips/arena.h). */
#ifndef NATSHIM_RULES_KLIPS_KLIPS_H
#define NATSHIM_RULES_KLIPS_KLIPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct klips_binding {
	const char *virtual;  /* "ipsec0" */
	const char *physical; /* "eth0" */
};

/* Runs argv (iptables-translate or ip6tables-translate, NULL at the end). True: *text is its standard output.
 * False: *text says why not, in one line. The text is malloc'ed; NULL counts as empty. */
typedef bool klips_run_fn(void *ctx, const char *const argv[], char **text);
/* Told of everything that was not translated. */
typedef void klips_complain_fn(void *ctx, unsigned line, const char *reason);

struct klips_options {
	const char *source;                   /* the input's name in messages and comments */
	const struct klips_binding *bindings; /* none: matches without an interface */
	size_t binding_count;
	bool ipv6;                    /* iptables-save output without a heading is ip6tables' */
	const char *const *arguments; /* a script's: $1 and so on; NULL: not known */
	size_t argument_count;
	klips_run_fn *run;
	klips_complain_fn *complain;
	void *ctx; /* for both */
};

struct klips_summary {
	unsigned rules;        /* translated */
	unsigned untranslated; /* rules, commands and lines left as comments */
	unsigned
		not_followed; /* of these: what else they do is not known; nft does not load what is printed */
};

/* 0, or -errno of the stream. */
int klips_translate(FILE *out, const char *text, size_t length, const struct klips_options *options,
		    struct klips_summary *summary);

#endif
