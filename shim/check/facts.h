/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `natshim check' knows about the system. The readers (read_*.c) fill it and judge nothing; the judges (judge_*.c) are
 * pure and read nothing else. A part that could not be looked at says why in blind: one line. */
#ifndef NATSHIM_SHIM_CHECK_FACTS_H
#define NATSHIM_SHIM_CHECK_FACTS_H

#include "shim/check/settings.h"

#include <netinet/in.h>
#include <sys/types.h>

#define FACTS_TEXT 200
#define FACTS_REASON 800
#define FACTS_WORD 32
#define FACTS_NAMES_MAX 32
#define FACTS_IFACES_MAX 16
#define FACTS_ADDRESSES_MAX 256

enum known { UNKNOWN, NO, YES };

/* A file with secrets. */
struct secrets_facts {
	char path[FACTS_TEXT], blind[FACTS_TEXT];
	bool others_read;        /* its mode lets others than owner and group read */
	unsigned psk_count;      /* strongSwan's */
	struct settings entries; /* libreswan's: ipsec_secrets.h */
};

/* Who has a UDP port open in this network namespace. */
struct port_holder {
	bool held;
	long pid; /* 0: not known, or the kernel */
	char program[32];
};

/* This host's own addresses, 127.0.0.0/8 and ::1 excepted, as text. */
struct host_facts {
	bool root;                           /* what is not seen is not there */
	struct port_holder ike, nat_t, l2tp; /* udp/500, udp/4500, xl2tpd's port */
	char name[65];                       /* gethostname() */
	char addresses[FACTS_ADDRESSES_MAX][INET6_ADDRSTRLEN];
	char ifaces[FACTS_ADDRESSES_MAX][16]; /* each address's */
	unsigned address_count;
	char default_address[INET_ADDRSTRLEN]; /* by its default route; "": not known */
};

struct libreswan_facts {
	bool present;                  /* there is something to check */
	const struct host_facts *host; /* never NULL where a judge sees it */
	char path[FACTS_TEXT], blind[FACTS_TEXT];
	char error[FACTS_REASON];    /* libreswan's parser refuses the configuration: its own words */
	char error_file[FACTS_TEXT]; /* with error_line: the place that they name; "": none */
	unsigned error_line;
	const char *
		error_script; /* for sed: what makes the whole of error_file readable; NULL: that line alone is wrong, or nothing is known */
	struct settings
		dropped; /* conns that libreswan does not load: section the conn, its own words: key "parser" of the file as it is, "why" of
				    pluto's log, "" where it was added later */
	char ike_error[FACTS_TEXT],
		esp_error[FACTS_TEXT]; /* what algparse says against the chosen conn's; "": nothing */
	unsigned version;              /* the first number of it: 4, 5 */
	struct settings config;        /* ipsec_conf.h */
	struct settings setup;         /* addconn --configsetup: defaults too */
	struct settings status;        /* whack --status; empty when pluto does not answer */
	bool pluto_runs;
	char boot[FACTS_WORD]; /* why systemd does not start it: check_read_boot() */
	char *ike, *esp;       /* what algparse makes of the chosen conn's ike= and esp=; NULL: not known */
	enum known modp1024;   /* of this build */
	struct secrets_facts secrets;
};

struct strongswan_facts {
	bool present;
	char path[FACTS_TEXT], blind[FACTS_TEXT];
	struct settings config; /* swanctl.conf with what it includes; else, from VICI, in the same shape */
	struct settings loaded; /* VICI's list-conns, in the same shape */
	bool starter;           /* the ipsec command is strongSwan's: ipsec.conf(5) of its own */
	char starter_path[FACTS_TEXT];
	struct settings starter_config;   /* ipsec_conf.h; empty: it could not be read */
	char starter_secrets[FACTS_TEXT]; /* its ipsec.secrets */
	enum known starter_psk;           /* that file, without what it includes, has a pre-shared key */
	bool from_vici;                   /* config is from VICI, which does not tell proposals */
	bool charon_runs;                 /* VICI answers */
	char service[FACTS_WORD], boot[FACTS_WORD]; /* why systemd does not start that one */
	enum known modp1024, triple_des;            /* get-algorithms */
	struct secrets_facts secrets;
};

struct certificate_facts {
	bool present;
	char source[FACTS_TEXT], blind[FACTS_TEXT]; /* the file, or the nickname in libreswan's database */
	char names[FACTS_NAMES_MAX][FACTS_TEXT];    /* subjectAltName: DNS names and addresses as text */
	unsigned name_count;
	bool has_eku, eku_ike, eku_server;
	long days_left;   /* until it expires; negative: it has */
	bool not_yet;     /* its validity begins in the future */
	enum known chain; /* up to a self-signed certificate that is there */
	char chain_error[FACTS_TEXT];
	char digest[32]; /* of its signature: "SHA1", "SHA256" */
	bool rsa;
	int key_bits;
	char id[FACTS_TEXT];          /* the server's IKE ID as configured (leftid), "" none */
	char server_name[FACTS_TEXT]; /* what users type; "" not told */
};

struct l2tp_facts {
	bool present;
	char path[FACTS_TEXT], blind[FACTS_TEXT];
	struct settings xl2tpd;
	char boot[FACTS_WORD]; /* why systemd does not start xl2tpd */
	char ppp_path[FACTS_TEXT],
		ppp_blind[FACTS_TEXT]; /* the file for this LNS; ppp_path "": none is named */
	bool ppp_missing;              /* that file is not there */
	struct settings ppp;           /* /etc/ppp/options, then that file; the section is the path */
	char ppp_error[FACTS_TEXT];    /* what pppd says of it; "": nothing, or it was not asked */
	unsigned ppp_error_line;       /* of that file; 0: not known */
	char users_path[FACTS_TEXT], users_blind[FACTS_TEXT];
	struct settings
		users; /* chap-secrets: the section is the line's number; "client", "server", "addresses" (how many, "0") */
	char radius_path
		[FACTS_TEXT]; /* the configuration that plugin radius.so reads and that is not there; "": it is, or there is no plugin */
};

struct kernel_facts {
	char blind[FACTS_TEXT]; /* why nftables could not be probed */
	enum known queue, secpath, owner;
	enum known xfrm, esp, ppp;
	long ip_forward, udp_timeout, udp_timeout_stream; /* -1: not known */
	long rp_filter;                                   /* the strictest of the interfaces */
	char rp_iface[64];                                /* the one it is of */
	unsigned queue_number;                            /* of natshim's two the one that is taken */
	unsigned queue_suggested;                         /* another --queue-num */
	pid_t queue_owner;                                /* 0: nobody */
	char queue_program[64];                           /* its name */
	char missing_iface[64];                           /* an interface that was named and is not there */
};

struct firewall_facts {
	char blind[FACTS_TEXT];
	char *ruleset;                 /* nft -j list ruleset */
	char *iptables, *legacy_rules; /* iptables-nft-save, iptables-legacy-save; NULL: none */
	const char *ifaces[FACTS_IFACES_MAX];
	unsigned iface_count; /* 0: any interface is meant */
	enum known legacy;    /* iptables-legacy has rules; UNKNOWN: and they could not be read */
};

/* How this host would send to an address. */
struct route_facts {
	char to[INET_ADDRSTRLEN], iface[16]; /* iface "": not known */
	int error;                           /* of the lookup, errno's; 0: there is a way */
};

/* Aliases: what natshim's configuration says (config_aliases()), and the way to them. */
struct alias_facts {
	bool given;
	char first[INET_ADDRSTRLEN]; /* of the range, and with its length: */
	char net[INET_ADDRSTRLEN + 3];
	struct route_facts routes[2]; /* to both ends of the range */
	char blind[FACTS_TEXT];       /* why natshim's configuration is not known */
};

struct check_facts {
	struct host_facts host;
	struct libreswan_facts libreswan;
	struct strongswan_facts strongswan;
	struct certificate_facts certificate;
	struct l2tp_facts l2tp;
	struct kernel_facts kernel;
	struct firewall_facts firewall;
	struct alias_facts alias;
};

#endif
