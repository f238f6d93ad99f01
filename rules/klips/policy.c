/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "-m policy" in nftables' words: what protects a packet, as XFRM knows it (iptables-extensions(8); net/netfilter/
 * xt_policy.c and nft_xfrm.c). Where the two mean different things, or nftables has no word, there is no translation. */
#include "rules/klips/model.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	bool value;
} options[] = {
	{"--reqid", true},      {"--spi", true},        {"--proto", true}, {"--mode", true},
	{"--tunnel-src", true}, {"--tunnel-dst", true}, {"--dir", true},   {"--pol", true},
	{"--strict", false},    {"--next", false},
};

#define DIR SA_KEYS /* the options behind those that name a property of the SA */
#define POL (SA_KEYS + 1)
#define STRICT (SA_KEYS + 2)

static size_t find_option(const char *name, size_t length)
{
	size_t i = 0;

	while (i < sizeof(options) / sizeof(options[0]) &&
	       (strlen(options[i].name) != length || memcmp(options[i].name, name, length) != 0))
		i++;
	return i;
}

bool klips_policy_option(const char *name, size_t length, bool current, bool *value_wanted)
{
	size_t i = find_option(name, length);

	if (i == sizeof(options) / sizeof(options[0]))
		return false;
	*value_wanted = options[i].value;
	return current || i != SA_MODE; /* "statistic" has a --mode, too */
}

const char *klips_policy_set(struct klips_policy *p, const char *name, size_t length, const char *value,
			     bool negated)
{
	size_t i = find_option(name, length);

	if (negated && i >= SA_KEYS)
		return "iptables knows no \"!\" before this option of a policy match";
	if (i < SA_KEYS && p->sa[i].text && !p->next)
		return "an option of the policy match stands twice";
	if (i < SA_KEYS)
		p->sa[i] = (struct klips_sa_value){.text = value, .negated = negated};
	else if (i == DIR)
		p->dir = value;
	else if (i == POL)
		p->pol = value;
	else if (i == STRICT)
		p->strict = true;
	else
		p->next = true;
	return NULL;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool klips_same_policies(const struct klips_rule *a, const struct klips_rule *b)
{
	if (a->policy_count != b->policy_count)
		return false;
	for (size_t i = 0; i < a->policy_count; i++) {
		const struct klips_policy *p = &a->policies[i], *q = &b->policies[i];

		if (!same(p->dir, q->dir) || !same(p->pol, q->pol) || p->strict != q->strict ||
		    p->next != q->next)
			return false;
		for (size_t key = 0; key < SA_KEYS; key++)
			if (!same(p->sa[key].text, q->sa[key].text) ||
			    p->sa[key].negated != q->sa[key].negated)
				return false;
	}
	return true;
}

static bool is_number(const char *text)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	return strtoull(text, &end, 0) <= UINT32_MAX && !*end;
}

/* An address, maybe with a mask; nft says whether it is one. */
static bool is_address(const char *text)
{
	return *text && text[strspn(text, "0123456789abcdefABCDEF.:/")] == '\0';
}

static bool names_any(const struct klips_policy *p)
{
	for (size_t key = 0; key < SA_KEYS; key++)
		if (p->sa[key].text)
			return true;
	return false;
}

static const char *why_not(struct arena *a, const struct klips_policy *p, unsigned hooks)
{
	const struct klips_sa_value *mode = &p->sa[SA_MODE], *proto = &p->sa[SA_PROTO];
	bool none = p->pol && !strcmp(p->pol, "none"), in = p->dir && !strcmp(p->dir, "in");

	if (!p->dir || (!in && strcmp(p->dir, "out") != 0) || !p->pol ||
	    (!none && strcmp(p->pol, "ipsec") != 0))
		return "a policy match wants --dir in or out, and --pol ipsec or none";
	if (hooks & ~(in ? HOOKS_IN : HOOKS_OUT))
		return arena_printf(
			a, "--dir %s makes no sense here: not every hook that leads here knows it", p->dir);
	if (none && (p->strict || p->next || names_any(p)))
		return "--pol none goes with no other option of a policy match";
	if (p->strict || p->next)
		return "nftables cannot ask whether a packet's SAs are these and no others (--strict, "
		       "--next)";
	if (proto->text &&
	    (proto->negated || (strcmp(proto->text, "esp") != 0 && strcmp(proto->text, "50") != 0)))
		return "nftables cannot ask for an SA's protocol; only --proto esp, the usual one, is taken "
		       "as "
		       "any";
	if (mode->text && (mode->negated || strcmp(mode->text, "tunnel") != 0))
		return "nftables cannot ask for an SA's mode, but for --mode tunnel";
	if ((p->sa[SA_TUNNEL_SRC].text || p->sa[SA_TUNNEL_DST].text) && !mode->text)
		return "nftables knows the addresses of tunnel mode only, iptables those of each SA: say "
		       "--mode "
		       "tunnel if it is meant";
	for (size_t key = SA_REQID; key <= SA_SPI; key++)
		if (p->sa[key].text && !is_number(p->sa[key].text))
			return arena_printf(a, "%s is no number of 32 bits", p->sa[key].text);
	for (size_t key = SA_TUNNEL_SRC; key <= SA_TUNNEL_DST; key++)
		if (p->sa[key].text && !is_address(p->sa[key].text))
			return arena_printf(a, "%s is no address", p->sa[key].text);
	return NULL;
}

static const char *value_match(struct arena *a, const char *before, const struct klips_policy *p,
			       const char *name, enum klips_sa_key key)
{
	const struct klips_sa_value *v = &p->sa[key];

	if (!v->text)
		return before;
	return arena_printf(a, "%sipsec %s %s %s%s ", before, p->dir, name, v->negated ? "!= " : "", v->text);
}

/* The SA's addresses, which nftables sees in tunnel mode only: so they tell that mode, too. */
static struct klips_matches tunnel_matches(struct arena *a, const char *before, const struct klips_policy *p)
{
	const struct klips_sa_value *src = &p->sa[SA_TUNNEL_SRC], *dst = &p->sa[SA_TUNNEL_DST];
	const char *named = src->text ? src->text : dst->text;
	const char *family = named && strchr(named, ':') ? "ip6" : "ip";
	const char *both;

	if (!named)
		return (struct klips_matches){
			.text = {arena_printf(a, "%sipsec %s ip saddr 0.0.0.0/0 ", before, p->dir),
				 arena_printf(a, "%sipsec %s ip6 saddr ::/0 ", before, p->dir)},
			.count = 2};
	both = value_match(a, before, p, arena_printf(a, "%s saddr", family), SA_TUNNEL_SRC);
	both = value_match(a, both, p, arena_printf(a, "%s daddr", family), SA_TUNNEL_DST);
	return (struct klips_matches){.text = {both}, .count = 1};
}

struct klips_matches klips_policy_matches(struct arena *a, const struct klips_policy *p, unsigned hooks,
					  const char **problem)
{
	const char *text = "", *why = why_not(a, p, hooks);
	bool in;

	if (why) {
		*problem = why;
		return (struct klips_matches){.text = {""}, .count = 1};
	}
	in = !strcmp(p->dir, "in");
	text = value_match(a, text, p, "reqid", SA_REQID);
	text = value_match(a, text, p, "spi", SA_SPI);
	if (p->sa[SA_MODE].text)
		return tunnel_matches(a, text, p);
	if (!*text)
		text = arena_printf(a, "%s %s ", in ? "meta secpath" : "rt ipsec",
				    !strcmp(p->pol, "ipsec") ? "exists" : "missing");
	return (struct klips_matches){.text = {text}, .count = 1};
}
