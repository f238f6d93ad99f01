/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Payload through a client's tunnel: an ICMP echo to its PPP address. Which PPP interface is the client's is known in two ways:
 * the kernel's L2TP tunnels name their peer (generic netlink "l2tp") and /proc/net/pppol2tp their interfaces; without kernel
 * L2TP, xl2tpd with "pass peer" gives pppd the client's address as "ipparam". Nobody waits for the answer: that it went out
 * and came back is seen in the SA's counters. An LNS on another host is out of reach. */
#ifndef NATSHIM_SHIM_STACK_PPP_H
#define NATSHIM_SHIM_STACK_PPP_H

#include "shim/stack/stack.h"

/* Sends the echo. client: with its L2TP port (0: any). 0, -ENOENT when no PPP interface is this client's, or -errno with what failed in text. */
int ppp_warm(const struct endpoint *client, char text[static STACK_TEXT_MAX]);

/* The argument behind "ipparam" in a command line as /proc/PID/cmdline has it: strings, each ended by a zero. */
bool ppp_ipparam(const char *cmdline, size_t length, struct endpoint *out);

/* The text of /proc/net/pppol2tp: the name of the n-th interface (from 0) of this tunnel. False: there are not so many. */
#define PPP_NAME_MAX 16
bool ppp_of_tunnel(const char *text, uint32_t tunnel, unsigned n, char out[static PPP_NAME_MAX]);

/* An echo request (RFC 792) of PPP_ECHO_LENGTH bytes, checksum included. */
#define PPP_ECHO_LENGTH 264 /* larger than any HELLO or LCP echo, so that it counts as payload */
void ppp_make_echo(uint8_t out[static PPP_ECHO_LENGTH], uint16_t identifier, uint16_t sequence);

#endif
