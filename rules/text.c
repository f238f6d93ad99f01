/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ruleset in the words of nft(8): one phrase for each kind of item, in a table. Decides nothing. */
#include "rules/text.h"

#include "rules/ruleset_impl.h"

#include <errno.h>
#include <inttypes.h>

/* Placeholders: %n name, %v value, %x value in hexadecimal, %s value as a time-out, %u burst, %o offset, %b bits, %e exists or missing, %f family, %t address and port.
 */
static const char *const phrases[ITEM_KINDS] = {
	[ITEM_IIF] = "iifname @%n",
	[ITEM_OIF] = "oifname @%n",
	[ITEM_UDP_SPORT] = "udp sport %v",
	[ITEM_UDP_DPORT] = "udp dport %v",
	[ITEM_ESP] = "meta l4proto esp",
	[ITEM_RAW] = "@th,%o,%b %v",
	[ITEM_RAW_IN] = "@th,%o,%b @%n",
	[ITEM_IPV4] = "meta nfproto ipv4",
	[ITEM_IPV6] = "meta nfproto ipv6",
	[ITEM_SADDR4_IN] = "ip saddr @%n",
	[ITEM_DADDR4_IN] = "ip daddr @%n",
	[ITEM_DADDR6_IN] = "ip6 daddr @%n",
	[ITEM_SECPATH] = "meta secpath %e",
	[ITEM_RT_IPSEC] = "rt ipsec %e",
	[ITEM_DNATED] = "ct status dnat",
	[ITEM_CT_NEW] = "ct state new",
	[ITEM_DADDR4] = "ip daddr %t",
	[ITEM_DADDR_LOCAL] = "fib daddr type local",
	[ITEM_SADDR4_PORT_IN] = "ip saddr . udp sport @%n",
	[ITEM_SADDR6_PORT_IN] = "ip6 saddr . udp sport @%n",
	[ITEM_OWN_L2TP4] = "ipsec in spi . ip saddr . udp sport @%n",
	[ITEM_OWN_L2TP6] = "ipsec in spi . ip6 saddr . udp sport @%n",
	[ITEM_SEEN4] = "update @%n { ip saddr . udp sport }",
	[ITEM_SEEN6] = "update @%n { ip6 saddr . udp sport }",
	[ITEM_MARK] = "meta mark %x",
	[ITEM_NO_MARK] = "meta mark set 0",
	[ITEM_NOTE] = "update @%n { @th,%o,%b%s }",
	[ITEM_TO_FLOW_IN] = "ip daddr . udp dport . @th,%o,%b @%n",
	[ITEM_FROM_IN] = "ip saddr . @th,%o,%b @%n",
	[ITEM_NOTE_TO] = "update @%n { ip daddr . @th,%o,%b }",
	[ITEM_OVER4] = "update @%n { ip saddr limit rate over %v/second burst %u packets }",
	[ITEM_OVER6] =
		"update @%n { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate over %v/second burst %u packets }",
	[ITEM_SADDR4_NET] = "ip saddr %t/%v",
	[ITEM_ALIAS_IN] = "snat ip to ip saddr . udp sport . udp dport map @%n",
	[ITEM_ALIAS_OUT] = "dnat ip to ip daddr . udp dport . udp sport map @%n",
	[ITEM_NO_CHECKSUM] = "udp checksum set 0",
	[ITEM_COUNTER] = "counter",
	[ITEM_QUEUE] = "queue num %v bypass",
	[ITEM_DROP] = "drop",
	[ITEM_ACCEPT] = "accept",
	[ITEM_RETURN] = "return",
	[ITEM_JUMP] = "jump %n",
	[ITEM_GOTO] = "goto %n",
	[ITEM_DNAT] = "dnat %f to %t",
	[ITEM_DEFRAGMENT] = "meta l4proto udp tproxy to :1",
};

static void print_placeholder(FILE *out, char placeholder, const struct rules_item *item)
{
	char text[ENDPOINT_TEXT_MAX];

	switch (placeholder) {
	case 'n':
		fputs(item->name, out);
		break;
	case 'v':
		fprintf(out, "%" PRIu64, item->value);
		break;
	case 'x':
		fprintf(out, "0x%08" PRIx64, item->value);
		break;
	case 's':
		if (item->value)
			fprintf(out, " timeout %" PRIu64 "s", item->value);
		break;
	case 'u':
		fprintf(out, "%" PRIu32, item->burst);
		break;
	case 'o':
		fprintf(out, "%u", item->offset);
		break;
	case 'b':
		fprintf(out, "%u", item->bits);
		break;
	case 'e':
		fputs(item->value ? "exists" : "missing", out);
		break;
	case 'f':
		fputs(item->to.addr_len == 4 ? "ip" : "ip6", out);
		break;
	case 't':
		fputs(endpoint_text(&item->to, text), out);
		break;
	default:
		break;
	}
}

static void print_item(FILE *out, const struct rules_item *item)
{
	for (const char *c = phrases[item->kind]; *c; c++) {
		if (*c == '%')
			print_placeholder(out, *++c, item);
		else
			fputc(*c, out);
	}
}

static const char *const key_types[] = {
	[RULES_KEY_IFNAME] = "type ifname",
	[RULES_KEY_IPV4] = "type ipv4_addr",
	[RULES_KEY_IPV6] = "type ipv6_addr",
	[RULES_KEY_COOKIE] = "typeof @th,64,64",
	[RULES_KEY_IPV4_PORT] = "type ipv4_addr . inet_service",
	[RULES_KEY_IPV6_PORT] = "type ipv6_addr . inet_service",
	[RULES_KEY_RAW_WORD] = "typeof @th,0,32",
	[RULES_KEY_SPI_IPV4_PORT] = "typeof ipsec in spi . ip saddr . udp sport",
	[RULES_KEY_SPI_IPV6_PORT] = "typeof ipsec in spi . ip6 saddr . udp sport",
	[RULES_KEY_IPV4_PORT_PORT] = "type ipv4_addr . inet_service . inet_service",
	[RULES_KEY_IPV4_PORT_COOKIE] = "typeof ip saddr . udp sport . @th,64,64",
	[RULES_KEY_IPV4_COOKIES] = "typeof ip saddr . @th,64,128",
};

static const char *data_type(const struct rules_set_def *set)
{
	static const char *const types[] = {
		[RULES_MAP_NONE] = "", [RULES_MAP_IPV4_PORT] = " : ipv4_addr . inet_service"};

	return types[set->map];
}

static void print_set(FILE *out, const struct ruleset *ruleset, const struct rules_set_def *set)
{
	fprintf(out, "\t%s %s {\n\t\t%s%s\n", set->map ? "map" : "set", set->name, key_types[set->key],
		data_type(set));
	if (set->size)
		fprintf(out, "\t\tsize %u\n", set->size);
	if (set->timed)
		fprintf(out, "\t\tflags %stimeout\n", set->kernel_filled ? "dynamic," : "");
	if (set->timeout_s)
		fprintf(out, "\t\ttimeout %us\n", set->timeout_s);
	if (set->gc_s)
		fprintf(out, "\t\tgc-interval %us\n", set->gc_s);
	if (set->key == RULES_KEY_IFNAME) {
		fputs("\t\telements = { ", out);
		for (size_t i = 0; i < ruleset->interface_count; i++)
			fprintf(out, "%s\"%s\"", i ? ", " : "", ruleset->interfaces[i]);
		fputs(" }\n", out);
	}
	fputs("\t}\n", out);
}

static void print_rule(FILE *out, const struct rules_rule *rule)
{
	fputc('\t', out);
	for (size_t i = 0; i < rule->item_count; i++) {
		fputc(i ? ' ' : '\t', out);
		print_item(out, &rule->items[i]);
	}
	if (rule->name[0])
		fprintf(out, " comment \"%s\"", rule->name);
	fputc('\n', out);
}

static void print_chain(FILE *out, const struct rules_chain *chain)
{
	static const char *const hooks[] = {
		[RULES_HOOK_PREROUTING] = "prerouting",   [RULES_HOOK_INPUT] = "input",
		[RULES_HOOK_FORWARD] = "forward",         [RULES_HOOK_OUTPUT] = "output",
		[RULES_HOOK_POSTROUTING] = "postrouting",
	};

	fprintf(out, "\tchain %s {\n", chain->name);
	if (chain->hook != RULES_HOOK_NONE)
		fprintf(out, "\t\ttype %s hook %s priority %d; policy accept;\n",
			chain->nat ? "nat" : "filter", hooks[chain->hook], chain->priority);
	for (size_t i = 0; i < chain->rule_count; i++)
		print_rule(out, &chain->rules[i]);
	fputs("\t}\n", out);
}

static void print_table(FILE *out, const struct ruleset *ruleset, const struct rules_table *table)
{
	fprintf(out, "\nadd table inet %s\ndelete table inet %s\n", table->name, table->name);
	if (table->owner)
		fputs("# natshim itself adds \"flags owner\" here: the kernel removes this table when "
		      "natshim ends\n",
		      out);
	fprintf(out, "table inet %s {\n", table->name);
	for (size_t i = 0; i < table->set_count; i++)
		print_set(out, ruleset, &table->sets[i]);
	for (size_t i = 0; i < table->chain_count; i++)
		print_chain(out, &table->chains[i]);
	fputs("}\n", out);
}

int rules_text(FILE *out, const struct ruleset *ruleset)
{
	fputs("# The ruleset of natshim, for nft -f. A second load replaces the first.\n", out);
	if (!ruleset->native_queue)
		fputs("# This kernel has no \"queue\" expression: in its place natshim installs the x_tables "
		      "target NFQUEUE,\n"
		      "# which nft can't load from text.\n",
		      out);
	for (size_t i = 0; i < RULES_TABLES; i++)
		if (ruleset->tables[i].name)
			print_table(out, ruleset, &ruleset->tables[i]);
	return ferror(out) || fflush(out) != 0 ? -EIO : 0;
}
