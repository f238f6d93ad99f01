/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command line and natshim.conf -> one struct, constant until the next SIGHUP. Each option is one row of the table in
 * config.c: its name is the long option and the key in the file, its help line is what --help prints. */
#ifndef NATSHIM_SHIM_CONFIG_H
#define NATSHIM_SHIM_CONFIG_H

#include "nfq/endpoint.h"
#include "shim/ike/exchange.h"

#include <stdbool.h>
#include <stdio.h>

#define CONFIG_MAX_INTERFACES 16
#define CONFIG_ERROR_MAX 256
#define CONFIG_OPTIONS_MAX 48
#define CONFIG_DEFAULT_FILE "/etc/natshim.conf"
#define CONFIG_DEFAULT_STATE_DIR "/run/natshim"

enum config_rules { CONFIG_RULES_INSTALL, CONFIG_RULES_EXTERNAL };
enum config_log { CONFIG_LOG_TEXT, CONFIG_LOG_JSON };
enum config_hello { CONFIG_HELLO_PASS, CONFIG_HELLO_ABSORB };
enum config_bridge { CONFIG_BRIDGE_OFF, CONFIG_BRIDGE_NEEDED, CONFIG_BRIDGE_ALWAYS };
enum config_stack {
	CONFIG_STACK_AUTO,
	CONFIG_STACK_LIBRESWAN,
	CONFIG_STACK_STRONGSWAN,
	CONFIG_STACK_XFRM,
	CONFIG_STACK_NONE
};

/* When a session ends, in seconds; 0: never for that reason. */
struct config_session {
	unsigned dead_after;
	unsigned idle_timeout;
	bool end_closed;
	unsigned supersede_after;
	unsigned keep_warm;
};

struct config {
	char *interfaces[CONFIG_MAX_INTERFACES];
	size_t interface_count;
	struct endpoint lns4, lns6; /* addr_len 0: none */
	bool lns_auto;              /* take the address from xl2tpd's listen-addr */
	struct endpoint public4, public6;
	bool hide_nat;         /* from Windows */
	unsigned queue_number; /* and the next one: rules/ruleset.h */
	unsigned rules;        /* enum config_rules */
	int priority;          /* all hook priorities are moved by it */
	bool allow_clear;
	char *l2tp_hostname;
	unsigned hello;                /* enum config_hello */
	unsigned stack;                /* enum config_stack */
	struct config_session session; /* the defaults */
	struct config_session
		profile[IKE_DIALECTS]; /* by dialect: the defaults with the file's [dialect] sections */
	unsigned bridge;               /* enum config_bridge */
	unsigned alias;                /* not 0: several clients behind one NAT get addresses of their own, */
	struct endpoint alias_net;     /* of this range, IPv4 */
	unsigned alias_prefix;         /* bits */
	char *psk_file;                /* NULL: none */
	unsigned bridge_groups;        /* DH_GROUP_BIT of each group that is bridged */
	char *state_dir, *socket_path, *socket_group; /* socket_group NULL: root's only */
	char *file;                                   /* what was read; NULL: none */
	unsigned log_format;                          /* enum config_log */
	char *metrics_file;                           /* NULL: none */
	bool dry_run;
	unsigned verbose;                /* LOG_SUBJECT_BIT of each subject whose debug lines are wanted */
	char *given[CONFIG_OPTIONS_MAX]; /* config.c's own: the text of each option that a reload keeps */
};

enum config_outcome { CONFIG_OK, CONFIG_BAD_USAGE, CONFIG_BAD_FILE, CONFIG_HELP, CONFIG_VERSION };

/* Reads the file (--config, else CONFIG_DEFAULT_FILE where it exists), then the command line over it. On CONFIG_BAD_*
 * error holds one line without the leading "natshim: ". The caller frees *out with config_free in every case. */
enum config_outcome config_load(struct config *out, int argc, char *const argv[],
				char error[static CONFIG_ERROR_MAX]);
/* After a SIGHUP: the same, with another way to open the file (a stream, or NULL with errno), while running stays the caller's.
 * Options that take effect with a restart only keep their running value; kept names those that differ, "" if none does. */
typedef FILE *config_open_fn(void *ctx, const char *path);
enum config_outcome config_reload(struct config *out, const struct config *running, int argc,
				  char *const argv[], config_open_fn *open, void *ctx,
				  char kept[static CONFIG_ERROR_MAX], char error[static CONFIG_ERROR_MAX]);
void config_free(struct config *config);

/* Bridge mode is on, for whichever clients. */
bool config_bridges(const struct config *config);

/* Aliases are given: not where natshim watches no sessions, or relays the client's IKE itself. */
bool config_aliases(const struct config *config);

/* How long the kernel's alive sets must remember, seconds: longer than any idle time-out that is asked for. */
unsigned config_alive_timeout_s(const struct config *config);

/* The option lines of --help. */
void config_print_options(FILE *out);

#endif
