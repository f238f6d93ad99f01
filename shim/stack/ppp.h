/* Payload through a client's tunnel: an ICMP echo to its PPP address. Which PPP interface is the client's: pppd's pid file is
 * named after the interface, and xl2tpd passes the client's address to pppd as "ipparam". Several clients behind one address
 * all get one. Nobody waits for the answer: that it went out and came back is seen in the SA's counters. */
#ifndef NATSHIM_SHIM_STACK_PPP_H
#define NATSHIM_SHIM_STACK_PPP_H

#include "shim/stack/stack.h"

/* Sends the echo. 0, -ENOENT when no PPP interface is this client's, or -errno with what failed in text. */
int ppp_warm(const struct endpoint *client, char text[static STACK_TEXT_MAX]);

/* The argument behind "ipparam" in a command line as /proc/PID/cmdline has it: strings, each ended by a zero. */
bool ppp_ipparam(const char *cmdline, size_t length, struct endpoint *out);

/* An echo request (RFC 792) of PPP_ECHO_LENGTH bytes, checksum included. */
#define PPP_ECHO_LENGTH 264 /* larger than any HELLO or LCP echo, so that it counts as payload */
void ppp_make_echo(uint8_t out[static PPP_ECHO_LENGTH], uint16_t identifier, uint16_t sequence);

#endif
