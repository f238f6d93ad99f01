/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text and comparison of endpoints. */
#include "nfq/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

const char *endpoint_text(const struct endpoint *e, char out[static ENDPOINT_TEXT_MAX])
{
	char addr[INET6_ADDRSTRLEN] = "none";
	const bool v6 = e->addr_len == 16;

	if (e->addr_len)
		inet_ntop(v6 ? AF_INET6 : AF_INET, e->addr, addr, sizeof addr);
	if (!e->port)
		snprintf(out, ENDPOINT_TEXT_MAX, "%s", addr);
	else
		snprintf(out, ENDPOINT_TEXT_MAX, v6 ? "[%s]:%u" : "%s:%u", addr, e->port);
	return out;
}

static bool parse_port(const char *text, uint16_t *port)
{
	unsigned value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > UINT16_MAX)
			return false;
	}
	*port = (uint16_t)value;
	return value != 0;
}

bool endpoint_parse(const char *text, struct endpoint *out)
{
	struct endpoint e = {.addr_len = 0};
	char addr[INET6_ADDRSTRLEN];
	const char *port = NULL;
	const char *end = text + strlen(text);

	if (*text == '[') {
		const char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return false;
		port = close[1] ? close + 2 : NULL;
		text++;
		end = close;
	} else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
		end = strchr(text, ':');
		port = end + 1;
	}
	const size_t len = (size_t)(end - text);

	if (len == 0 || len >= sizeof addr)
		return false;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (inet_pton(AF_INET6, addr, e.addr) == 1)
		e.addr_len = 16;
	else if (inet_pton(AF_INET, addr, e.addr) == 1)
		e.addr_len = 4;
	else
		return false;
	if (port && !parse_port(port, &e.port))
		return false;
	*out = e;
	return true;
}

bool endpoint_is_unicast(const struct endpoint *e)
{
	static const uint8_t loopback[16] = {[15] = 1}, nothing[16] = {0};

	if (e->addr_len == 4)
		return e->addr[0] != 0 && e->addr[0] != 127 && e->addr[0] < 224;
	return e->addr_len == 16 && e->addr[0] != 0xff && memcmp(e->addr, loopback, 16) != 0 &&
	       memcmp(e->addr, nothing, 16) != 0;
}

bool endpoint_same_host(const struct endpoint *a, const struct endpoint *b)
{
	return a->addr_len == b->addr_len && !memcmp(a->addr, b->addr, sizeof a->addr);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return endpoint_same_host(a, b) && a->port == b->port;
}
