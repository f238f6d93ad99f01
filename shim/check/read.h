/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the system into facts. Nothing is changed and nothing is judged; what cannot be read says so in the part's blind.
 * Each fills its part of facts, which is zero before. */
#ifndef NATSHIM_SHIM_CHECK_READ_H
#define NATSHIM_SHIM_CHECK_READ_H

#include "shim/check/facts.h"
#include "shim/config.h"
#include "shim/proc/command.h"

#include <netinet/in.h>

#define CHECK_FILE_MAX (1u << 20) /* bytes of a configuration file */

/* NULL: the usual place, and then no fault if there is none. */
struct check_options {
	const char *libreswan_config, *ipsec_secrets;
	const char *swanctl_dir, *vici;
	const char *xl2tpd_config, *ppp_options;
	const char *certificate, *authority, *server_name;
	const char *ifaces[FACTS_IFACES_MAX];
	unsigned iface_count;
	unsigned queue_number;
	const struct config *config; /* natshim's own; NULL: config_error says why */
	const char *config_error;
};

void check_read_host(struct host_facts *out);
/* Who has UDP port open here. */
void check_read_port(unsigned port, struct port_holder *out);
/* out->host is set. */
void check_read_libreswan(const struct check_options *options, struct libreswan_facts *out);
void check_read_strongswan(const struct check_options *options, struct strongswan_facts *out);
/* After the stacks: it takes certificate and ID from the conn. */
void check_read_certificate(const struct check_options *options, const struct libreswan_facts *libreswan,
			    struct certificate_facts *out);
void check_read_l2tp(const struct check_options *options, struct l2tp_facts *out);
void check_read_kernel(const struct check_options *options, struct kernel_facts *out);
void check_read_firewall(const struct check_options *options, struct firewall_facts *out);
void check_read_alias(const struct check_options *options, struct alias_facts *out);

void check_read_all(const struct check_options *options, struct check_facts *out);
void check_facts_clear(struct check_facts *facts);

/* The first number of the installed libreswan's version, or 0 with one line in blind. */
unsigned check_read_libreswan_version(char blind[static FACTS_TEXT]);

/* ---- for the readers --------------------------------------------------------------------------------------------- */

/* The whole file, zero-terminated, to be freed; NULL with one line in blind. */
char *check_read_file(const char *path, char blind[static FACTS_TEXT]);
/* Runs a program with child.h's limits. False: it is not there, hung or failed; then blind has one line. */
bool check_read_output(const char *const argv[], struct command_result *result,
		       char blind[static FACTS_TEXT]);
/* The number in a file under /proc/sys, or -1. */
long check_read_sysctl(const char *name);
/* Whether the service is started when the host boots: NO with systemd's word in state, "disabled" or "masked"; YES too where
 * /etc/rc.local names it; UNKNOWN where there is no such service, or no systemd. state is "" but for NO. */
enum known check_read_boot(const char *service, char state[static FACTS_WORD]);
/* The address that the default route gives to this host; false: there is none. */
bool check_read_own_address(char text[static INET_ADDRSTRLEN]);
/* What becomes of a file's mode: true when others may read it. */
bool check_others_read(const char *path);

#endif
