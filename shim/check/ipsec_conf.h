/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libreswan's ipsec.conf(5), read without libreswan: of versions 4 and 5, whose own readwriteconf leaves out or garbles values, each
 * in another way. Whether libreswan takes the file at all is not said here: what it refuses must be asked of it. */
#ifndef NATSHIM_SHIM_CHECK_IPSEC_CONF_H
#define NATSHIM_SHIM_CHECK_IPSEC_CONF_H

#include "shim/check/settings.h"

/* The lines of a file as they stand, in order: sections "setup" and the names of the conns (each opened by an entry with an empty key,
 * whose value is file); keys in lower case, also= and, with section "", include among them. Pure. */
void ipsec_conf_lines(struct settings *out, const char *text, const char *file);

/* Likewise a file and what it includes, each included file's lines in the place of its include. False with one line in blind when the
 * first file cannot be read. blind: FACTS_TEXT bytes. */
bool ipsec_conf_read(struct settings *out, const char *path, char *blind);

/* What holds for "setup" and for each conn, %default and also= followed, synonyms and spellings of a value made one. Of two
 * values libreswan takes in "setup" the later one, in a conn the one that it comes to first: version 4 all lines of a conn before those
 * of its also=, version 5 an also= in its place; then %default. The entry that opens a conn is the first. A key that comes by an also=
 * has a second entry, IPSEC_CONF_FROM before its name, with the conn that it stands in: version 4 refuses a conn that has its own
 * value beside it, and version 5 ignores that one if it comes later, so it must be changed where it stands. Pure. */
#define IPSEC_CONF_FROM "from:"
/* A key by another name than the one that it means (phase2alg: esp) has an entry with this before its name, the value being the name; a key that
 * stands a second time in the conn itself, which libreswan 4 refuses, one with the number of that line. */
#define IPSEC_CONF_AS "as:"
#define IPSEC_CONF_AGAIN "again:"
void ipsec_conf_resolve(const struct settings *lines, unsigned version, struct settings *out);
/* The key that is meant by this name of it, or the name itself. Pure. */
const char *ipsec_conf_meant(const char *key);

#endif
