/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How little memory the daemon stays in. Only called where nothing else runs yet: at its start. */
#ifndef NATSHIM_SHIM_DAEMON_FOOTPRINT_H
#define NATSHIM_SHIM_DAEMON_FOOTPRINT_H

/* Before the first use of OpenSSL: it reads no openssl.cnf and no texts of errors, since nobody will look at either. That saves
 * half a MiB, and keeps a setting of the host's (FIPS has no MD5) from making the hashes of old clients unknown. */
void footprint_prepare(void);

/* When everything is set up: gives back what only the start needed, free heap and pages of libraries' code. A page that is
 * wanted again comes from the page cache. */
void footprint_trim(void);

#endif
