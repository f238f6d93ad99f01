/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What configuration files and the output of their own parsers hold: section, key, value, in the order found. The readers
 * are pure: text in, settings out; none of them judges. */
#ifndef NATSHIM_SHIM_CHECK_SETTINGS_H
#define NATSHIM_SHIM_CHECK_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#define SETTINGS_MAX 20000 /* entries; more are not kept */

struct setting {
	char *section, *key, *value; /* never NULL */
	unsigned line;               /* where it stands; 0: not kept */
};
struct settings {
	struct setting *items;
	size_t count, capacity;
};

/* Texts are copied. Out of memory, or too many: nothing is added. */
void settings_add(struct settings *settings, const char *section, const char *key, const char *value);
void settings_clear(struct settings *settings);

/* The last value that is not empty, or NULL. section NULL: of any section. */
const char *settings_get(const struct settings *settings, const char *section, const char *key);
/* Likewise the whole entry; an empty value counts here. */
const struct setting *settings_find(const struct settings *settings, const char *section, const char *key);
bool settings_is(const struct settings *settings, const char *section, const char *key, const char *value);

/* libreswan's `addconn --configsetup': lines like export name='value'; section "setup". */
void settings_read_exports(struct settings *out, const char *text);
/* libreswan's `whack --status'. Section "setup": ikev1-policy; of each loaded conn's section: loaded=yes, oriented. */
void settings_read_whack_status(struct settings *out, const char *text);
/* swanctl.conf and its kin: a section's name is its path, "connections/l2tp/children/l2tp". include is not followed: it
 * becomes a key "include" of its section. */
void settings_read_swanctl(struct settings *out, const char *text);
/* Options of pppd(8): each word is a key, the word behind it its value; with lines. */
void settings_read_ppp(struct settings *out, const char *section, const char *text);
/* chap-secrets: a section for each entry, the number of its line; keys "client", "server", and "addresses", how many: "0" is
 * none, "-" none by that word. Secrets are not kept. */
void settings_read_chap(struct settings *out, const char *text);

#endif
