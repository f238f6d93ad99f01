/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libpcap, loaded by the commands that read capture files. Linked, it would bring seven libraries that it needs for other
 * things (D-Bus, systemd, compression, cryptography) into the daemon, which parses hostile packets and holds CAP_NET_ADMIN. */
#ifndef NATSHIM_NFQ_LIBPCAP_H
#define NATSHIM_NFQ_LIBPCAP_H

#include <pcap/pcap.h>

/* Each is the function of libpcap that stands beside it in libpcap.c. */
struct libpcap {
	__typeof__(pcap_fopen_offline_with_tstamp_precision) *fopen_offline;
	__typeof__(pcap_close) *close;
	__typeof__(pcap_datalink) *datalink;
	__typeof__(pcap_datalink_val_to_name) *datalink_name;
	__typeof__(pcap_get_tstamp_precision) *get_precision;
	__typeof__(pcap_next_ex) *next_ex;
	__typeof__(pcap_geterr) *geterr;
	__typeof__(pcap_dump_fopen) *dump_fopen;
	__typeof__(pcap_dump) *dump;
	__typeof__(pcap_dump_flush) *dump_flush;
	__typeof__(pcap_dump_file) *dump_file;
	__typeof__(pcap_dump_close) *dump_close;
};

#define LIBPCAP_ERROR_MAX 160

/* Loaded by the first call, and never unloaded. NULL: error says why. */
const struct libpcap *libpcap_load(char error[static LIBPCAP_ERROR_MAX]);

#endif
