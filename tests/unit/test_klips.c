/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rules/klips/klips.c with a stand-in for iptables-translate that repeats its arguments: what is read out of scripts and
 * iptables-save output, what order the rules end in, what is refused and why. tests/net/test_translate has the real one. */
#include "rules/klips/keywords.h"
#include "rules/klips/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct heard {
	char reasons[4096];
	bool fails;
	const char *const *arguments;
	size_t argument_count;
};

/* "nft 'add rule ip TABLE CHAIN ARGS...'", a jump to a chain as nft writes it. */
static bool repeat(void *ctx, const char *const argv[], char **text)
{
	const struct heard *h = ctx;
	size_t length;
	FILE *f;

	if (h->fails) {
		*text = strdup("it does not want to");
		return false;
	}
	f = open_memstream(text, &length);
	fprintf(f, "nft 'add rule %s %s %s", strchr(argv[0], '6') ? "ip6" : "ip", argv[2], argv[4]);
	for (size_t i = 5; argv[i]; i++)
		if (!strcmp(argv[i], "-j"))
			fputs(" jump", f);
		else
			fprintf(f, " %s", argv[i]);
	fputs("'\n", f);
	fclose(f);
	return true;
}

static void remember(void *ctx, unsigned line, const char *reason)
{
	struct heard *h = ctx;
	size_t used = strlen(h->reasons);

	snprintf(h->reasons + used, sizeof(h->reasons) - used, "%u: %s\n", line, reason);
}

static const struct klips_binding eth0 = {.virtual = "ipsec0", .physical = "eth0"};

/* The rules that come out, without heading and tables, one a line; comments as "#". Owned by the caller. */
static char *translate(const char *input, size_t length, struct heard *h, struct klips_summary *summary)
{
	struct klips_options o = {.source = "in\nput",
				  .bindings = &eth0,
				  .binding_count = 1,
				  .run = repeat,
				  .arguments = h->arguments,
				  .argument_count = h->argument_count,
				  .complain = remember,
				  .ctx = h};
	char *text, *rules, *exact = malloc(length ? length : 1), *saved;
	size_t text_length, rules_length;
	FILE *out = open_memstream(&text, &text_length), *kept = open_memstream(&rules, &rules_length);

	memcpy(exact, input, length);
	assert_int_equal(klips_translate(out, exact, length, &o, summary), 0);
	free(exact);
	fclose(out);
	for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved)) {
		line += strspn(line, "\t");
		if (!strncmp(line, "not-whole # ", 12))
			line[9] = '\0';
		if (*line != '#' && *line != '}' && strncmp(line, "table ", 6) != 0 &&
		    strncmp(line, "delete ", 7) != 0 && strncmp(line, "type ", 5) != 0)
			fprintf(kept, "%s\n", line);
	}
	fclose(kept);
	free(text);
	return rules;
}

struct vector {
	const char *input, *rules, *reasons;
};

#define IN "iifname \"eth0\" meta secpath exists "
#define IN_CLEAR "iifname \"eth0\" meta secpath missing "

static const struct vector vectors[] = {
	/* how a command may look */
	{"iptables -A INPUT -i ipsec0 -j NONE", "chain INPUT {\n",
	 "1: the table filter has no chain NONE here\n"},
	{"/sbin/iptables -A INPUT -p x", "chain INPUT {\n-p x\n", ""},
	{"sudo LANG=C iptables -A INPUT -p x", "chain INPUT {\n-p x\n", ""},
	{"$IPTABLES -A INPUT -p x", "chain INPUT {\n-p x\n", ""},
	{"\"${IPT}\" -A INPUT -p x", "chain INPUT {\n-p x\n", ""},
	{"IPT='/sbin/iptables -w'\n$IPT -A INPUT -p x", "chain INPUT {\n-p x\n", ""},
	{"iptables -A INPUT -p x # why\n# iptables -A INPUT -p y", "chain INPUT {\n-p x\n", ""},
	{"iptables -A INPUT \\\n  -p x \\\r\n -s y\r\n", "chain INPUT {\n-p x -s y\n", ""},
	{"iptables -A INPUT -p x;iptables -A INPUT -p y&&iptables -A INPUT -p z||exit 1",
	 "chain INPUT {\n-p x\n-p y\n-p z\n", ""},
	{"iptables -A INPUT -p x >/dev/null 2>&1 </dev/null", "chain INPUT {\n-p x\n", ""},
	{"iptables -A INPUT -p 'a b' \"c d\" e\\ f", "chain INPUT {\n-p a b c d e f\n", ""},
	{"modprobe ip_tables", "", ""},
	{"ipset create x", "", "1: no iptables command\n"},
	/* variables */
	{"A=x\nexport B=\"$A y\"\niptables -A INPUT -p $B -s \"$B\" -d '$B'",
	 "chain INPUT {\n-p x y -s x y -d $B\n", ""},
	{"iptables -A INPUT -s $A", "chain INPUT {\n", "1: the variable A is given no value here\n"},
	{"A=$(id)\niptables -A INPUT -s $A", "chain INPUT {\n",
	 "2: only a running shell knows what is substituted here\n"},
	{"iptables -A INPUT -s `id`", "chain INPUT {\n",
	 "1: only a running shell knows what is substituted here\n"},
	{"iptables -A INPUT -s $1", "chain INPUT {\n",
	 "1: $1: an argument of the script, which --arg gives\n"},
	{"iptables -A INPUT -s $$", "chain INPUT {\n", "1: only a running shell knows this parameter\n"},
	{"iptables -A INPUT -s ${A#b}", "chain INPUT {\n",
	 "1: only a running shell knows what is substituted here\n"},
	{"iptables -A INPUT -s ${A:-b}", "chain INPUT {\n-s b\n", ""},
	{"A=\niptables -A INPUT -s ${A:-b} -d ${A-c}${A:+d} -p ${B:=e} ${B+f}",
	 "chain INPUT {\n-s b -d -p e f\n", ""},
	{"A=x\nA+=y\niptables -A INPUT -s $A", "chain INPUT {\n-s xy\n", ""},
	{"A=(x y)\niptables -A INPUT -s ${A[0]} -d $A", "chain INPUT {\n",
	 "2: only a running shell knows what is substituted here\n"},
	{"A=(x y)\niptables -A INPUT -s $A", "chain INPUT {\n", "2: lists of bash are not followed\n"},
	{"IFS=,\nA=x,y\niptables -A INPUT -s $A", "chain INPUT {\n",
	 "3: IFS was changed, and only a running shell knows the words\n"},
	{"iptables -A INPUT -s {x,y}", "chain INPUT {\n",
	 "1: bash makes several words of {...}; write them out\n"},
	{"read A\niptables -A INPUT -s $A", "chain INPUT {\n",
	 "2: what is read depends on the running system\n"},
	{"if [ -f /x ]; then A=y; fi\niptables -A INPUT -s $A", "chain INPUT {\n",
	 "2: the value of A depends on line 1\n"},
	{". /etc/default/fw\niptables -A INPUT -s $A", "chain INPUT {\n",
	 "2: the variable A is given no value here; /etc/default/fw (line 1) may do so\n"},
	{"A=x\n. /etc/default/fw\niptables -A INPUT -s $A", "chain INPUT {\n",
	 "3: /etc/default/fw (line 2) may give A another value\n"},
	{"IPT=iptables\n. /etc/default/fw\nA=x\n$IPT -A INPUT -s $A", "chain INPUT {\n-s x\n", ""},
	{"A=x\n. /lib/lsb/init-functions\niptables -A INPUT -s $A", "chain INPUT {\n-s x\n", ""},
	{"iptables -A $C -s x", "", "1: the variable C is given no value here\n"},
	{"iptables -A INPUT -s 'x", "not-whole\nchain INPUT {\n",
	 "1: no shell script: a quote or a bracket is not closed\n1: a quote is not closed\n"},
	/* interfaces */
	{"iptables -A INPUT --in-interface=ipsec0 -p x", "chain INPUT {\n" IN "-p x\n", ""},
	{"iptables -A INPUT -iipsec+ -p x", "chain INPUT {\n" IN "-p x\n", ""},
	{"iptables -A INPUT -i ! ipsec0 -p x", "chain INPUT {\nmeta secpath missing -p x\n", ""},
	{"iptables -A INPUT ! -i ipsec0 -p x", "chain INPUT {\nmeta secpath missing -p x\n", ""},
	{"iptables -A INPUT -i eth0 -p x", "chain INPUT {\n" IN_CLEAR "-p x\n", ""},
	{"iptables -A INPUT ! -i eth0 -p x", "chain INPUT {\niifname != \"eth0\" -p x\n" IN "-p x\n", ""},
	{"iptables -A INPUT -i eth1 -p x", "chain INPUT {\n-i eth1 -p x\n", ""},
	{"iptables -A INPUT -i ! eth1 -p x", "chain INPUT {\n! -i eth1 -p x\n", ""},
	{"iptables -A INPUT -i ipsecret -p x", "chain INPUT {\n-i ipsecret -p x\n", ""},
	{"iptables -A FORWARD -i ipsec0 -o ipsec0 -p x",
	 "chain FORWARD {\n" IN "oifname \"eth0\" rt ipsec exists -p x\n", ""},
	{"iptables -A INPUT -i ipsec1 -p x", "chain INPUT {\n",
	 "1: which interface ipsec1 was bound to is not known (--iface ipsec1=NAME)\n"},
	{"iptables -A OUTPUT -i ipsec0 -p x", "chain OUTPUT {\n",
	 "1: -i ipsec0 makes no sense here: meta secpath is not known in every hook that leads here\n"},
	{"iptables -t nat -A PREROUTING -o ipsec0 -p x", "chain PREROUTING {\n",
	 "1: -o ipsec0 makes no sense here: rt ipsec is not known in every hook that leads here\n"},
	{"iptables -N c\niptables -A INPUT -j c\niptables -A c -o ipsec0 -p x",
	 "chain c {\nchain INPUT {\njump c\n",
	 "3: -o ipsec0 makes no sense here: rt ipsec is not known in every hook that leads here\n"},
	{"iptables -N c\niptables -A c -o ipsec0 -p x", "chain c {\noifname \"eth0\" rt ipsec exists -p x\n",
	 ""},
	/* what is left to iptables-translate */
	{"iptables -A INPUT -p tcp --dport ! 22 ! -s y -d ! z",
	 "chain INPUT {\n-p tcp ! --dport 22 ! -s y ! -d z\n", ""},
	{"iptables -A INPUT -p tcp ! --syn", "chain INPUT {\n-p tcp ! --syn\n", ""},
	{"iptables -A INPUT -p x -m comment --comment 'a\"b'", "chain INPUT {\n",
	 "1: nftables has no way to write a double quote or a control character in a string\n"},
	/* policy matches: of XFRM's time, so -i and -o mean all packets */
	{"iptables -A INPUT -m policy --pol ipsec --dir in -p x", "chain INPUT {\nmeta secpath exists -p x\n",
	 ""},
	{"iptables -A INPUT -mpolicy --dir=in --pol=none -p x", "chain INPUT {\nmeta secpath missing -p x\n",
	 ""},
	{"iptables -A INPUT -i eth0 -m policy --dir in --pol ipsec -p x",
	 "chain INPUT {\niifname \"eth0\" meta secpath exists -p x\n", ""},
	{"iptables -A FORWARD -o eth0 -m policy --dir in --pol ipsec -p x",
	 "chain FORWARD {\noifname \"eth0\" meta secpath exists -p x\n", ""},
	{"iptables -A INPUT ! -i eth0 -m policy --dir in --pol ipsec -p x",
	 "chain INPUT {\niifname != \"eth0\" meta secpath exists -p x\n", ""},
	{"iptables -A OUTPUT -o eth0 -m policy --pol none --dir out -p x",
	 "chain OUTPUT {\noifname \"eth0\" rt ipsec missing -p x\n", ""},
	{"iptables -A INPUT -m policy --dir in --pol ipsec -p x\niptables -A INPUT -i eth0 -p y",
	 "chain INPUT {\nmeta secpath exists -p x\niifname \"eth0\" -p y\n", ""},
	{"iptables -A INPUT -m policy --dir in --pol ipsec -p x\niptables -A INPUT -i eth0 -p y\n"
	 "iptables -A INPUT -i ipsec0 -p z",
	 "chain INPUT {\nmeta secpath exists -p x\n" IN_CLEAR "-p y\n" IN "-p z\n", ""},
	{"iptables -N c\niptables -N d\niptables -A INPUT -i ipsec0 -p z\niptables -A INPUT -i eth0 -j c\n"
	 "iptables -A c -j d\niptables -A d -m policy --dir in --pol ipsec -p x",
	 "chain c {\njump d\nchain d {\nmeta secpath exists -p x\nchain INPUT {\n" IN
	 "-p z\niifname \"eth0\" jump c\n",
	 ""},
	{"iptables -A FORWARD -m policy --dir in --pol ipsec --reqid 1 --proto esp -p x",
	 "chain FORWARD {\nipsec in reqid 1 -p x\n", ""},
	{"iptables -A FORWARD -m policy --dir out --pol ipsec ! --reqid 1 --spi 0x1f -p x",
	 "chain FORWARD {\nipsec out reqid != 1 ipsec out spi 0x1f -p x\n", ""},
	{"iptables -A FORWARD -m policy --dir in --pol ipsec -m policy --dir out --pol none -p x",
	 "chain FORWARD {\nmeta secpath exists rt ipsec missing -p x\n", ""},
	{"iptables -A FORWARD -m policy --dir in --pol ipsec --mode tunnel --reqid 1 -p x",
	 "chain FORWARD {\nipsec in reqid 1 ipsec in ip saddr 0.0.0.0/0 -p x\n"
	 "ipsec in reqid 1 ipsec in ip6 saddr ::/0 -p x\n",
	 ""},
	{"iptables -A FORWARD -m policy --dir out --pol ipsec --mode tunnel --tunnel-src 1.2.3.4 ! "
	 "--tunnel-dst "
	 "10.0.0.0/8 -p x",
	 "chain FORWARD {\nipsec out ip saddr 1.2.3.4 ipsec out ip daddr != 10.0.0.0/8 -p x\n", ""},
	{"iptables -A FORWARD -m policy --dir in --pol ipsec -m statistic --mode random -p x",
	 "chain FORWARD {\nmeta secpath exists -m statistic --mode random -p x\n", ""},
	{"iptables -A INPUT -m policy --dir in --pol ipsec --reqid 1 -p x\n"
	 "iptables -D INPUT -m policy --dir in --pol ipsec --reqid 2 -p x\n"
	 "iptables -D INPUT -m policy --dir in --pol ipsec --reqid 1 -p x",
	 "", "2: there is no such rule before it\n"},
#define REFUSED(chain, options, reason)                                                                      \
	{                                                                                                    \
		"iptables -A " chain " -m policy " options " -p x", "chain " chain " {\n", "1: " reason "\n" \
	}
	REFUSED("INPUT", "--dir out --pol ipsec",
		"--dir out makes no sense here: not every hook that leads here knows it"),
	REFUSED("OUTPUT", "--dir in --pol none",
		"--dir in makes no sense here: not every hook that leads here knows it"),
	REFUSED("INPUT", "--pol ipsec", "a policy match wants --dir in or out, and --pol ipsec or none"),
	REFUSED("INPUT", "--dir in", "a policy match wants --dir in or out, and --pol ipsec or none"),
	REFUSED("INPUT", "--dir up --pol ipsec",
		"a policy match wants --dir in or out, and --pol ipsec or none"),
	REFUSED("INPUT", "--dir in --pol none --reqid 1",
		"--pol none goes with no other option of a policy match"),
	REFUSED("INPUT", "--dir in --pol ipsec --strict --reqid 1",
		"nftables cannot ask whether a packet's SAs are these and no others (--strict, --next)"),
	REFUSED("INPUT", "--dir in --pol ipsec --proto ah",
		"nftables cannot ask for an SA's protocol; only --proto esp, the usual one, is taken as any"),
	REFUSED("INPUT", "--dir in --pol ipsec ! --proto esp",
		"nftables cannot ask for an SA's protocol; only --proto esp, the usual one, is taken as any"),
	REFUSED("INPUT", "--dir in --pol ipsec --mode transport",
		"nftables cannot ask for an SA's mode, but for --mode tunnel"),
	REFUSED("INPUT", "--dir in --pol ipsec --tunnel-src 1.2.3.4",
		"nftables knows the addresses of tunnel mode only, iptables those of each SA: say --mode "
		"tunnel if it "
		"is meant"),
	REFUSED("INPUT", "--dir in --pol ipsec --reqid 5000000000", "5000000000 is no number of 32 bits"),
	REFUSED("INPUT", "--dir in --pol ipsec --spi 1x", "1x is no number of 32 bits"),
	REFUSED("INPUT", "--dir in --pol ipsec --mode tunnel --tunnel-src 'a b'", "a b is no address"),
	REFUSED("INPUT", "--dir in ! --pol ipsec",
		"iptables knows no \"!\" before this option of a policy match"),
	REFUSED("INPUT", "--dir in --pol ipsec --reqid 1 --reqid 2",
		"an option of the policy match stands twice"),
	REFUSED("INPUT", "--dir in --pol ipsec --reqid $R", "the variable R is given no value here"),
	REFUSED("INPUT", "--dir in --pol none --dir in -m policy --dir in --pol ipsec",
		"it can never match: \"meta secpath missing\" excludes \"meta secpath exists\""),
	/* no rule that can never match */
	REFUSED("INPUT", "--dir in --pol none -i ipsec0",
		"it can never match: \"meta secpath exists\" excludes \"meta secpath missing\""),
	/* what commands do */
	{"iptables -A INPUT -p b\niptables -I INPUT -p a\niptables -I INPUT 2 -p i\niptables -I INPUT 9 -p i",
	 "chain INPUT {\n-p a\n-p i\n-p b\n", "4: the chain has not so many rules\n"},
	{"iptables -A INPUT -p a\niptables -A INPUT -p b\niptables -D INPUT -p a", "chain INPUT {\n-p b\n",
	 ""},
	{"iptables -A INPUT -i ipsec0 -p a\niptables -D INPUT -i eth0 -p a", "chain INPUT {\n" IN "-p a\n",
	 "2: there is no such rule before it\n"},
	{"iptables -A INPUT -p a\niptables -R INPUT 1 -p b", "chain INPUT {\n-p b\n", ""},
	{"iptables -A INPUT -p a\niptables -F\niptables -nvL\niptables -Z", "", ""},
	{"iptables -N c\niptables -N d\niptables -A d -p a\niptables -X", "chain d {\n-p a\n", ""},
	{"iptables -N c\niptables -N c", "chain c {\n", "2: there is such a chain already\n"},
	{"iptables -N 'a b'", "", "1: no chain can be called so\n"},
	{"iptables -P INPUT DROP\niptables -P FORWARD", "chain INPUT {\n",
	 "2: a policy is ACCEPT or DROP, and a base chain's\n"},
	{"iptables -A PREROUTING -p x", "", "1: the table filter has no chain PREROUTING here\n"},
	{"iptables -t x -A INPUT -p x", "", "1: iptables has no table x\n"},
	{"iptables -A INPUT -D INPUT -p x", "", "1: it has two commands\n"},
	{"iptables -p x", "", "1: it has no command like -A\n"},
	{"iptables -A", "", "1: it names no chain\n"},
	{"iptables -A INPUT -i", "chain INPUT {\n", "1: a value is missing at the end\n"},
	{"iptables -N tcp\niptables -N tcp_\niptables -N '1+1'\niptables -A INPUT -j tcp",
	 "chain tcp__ {\nchain tcp_ {\nchain c_1_1 {\nchain INPUT {\njump tcp__\n", ""},
	{"ip6tables -A INPUT -i ipsec0 -p x", "chain INPUT {\n" IN "-p x\n", ""},
	/* found by fuzzing: white space that is none to a shell, with a line number all the same */
	{"\v\v\n\v# x\n", "", "1: no iptables command\n2: no iptables command\n"},
/* what is not followed */
#define NOT_TOLD "cannot tell whether this holds, and iptables commands depend on it: "
	{"if [ -f /x ]; then iptables -A INPUT -p x; fi", "not-whole\n",
	 "1: " NOT_TOLD "whether /x exists depends on the running system\n"},
	{"[ -f /x ] && iptables -F", "not-whole\n",
	 "1: " NOT_TOLD "whether /x exists depends on the running system\n"},
	{"[ -f /x ] || iptables -F", "not-whole\n",
	 "1: " NOT_TOLD "whether /x exists depends on the running system\n"},
	{"[ -n \"$X\" ] && iptables -F", "not-whole\n",
	 "1: " NOT_TOLD "the variable X is given no value here\n"},
	{"if [ -n \"$X\" ] && [ -f /x ]; then iptables -F; fi", "not-whole\n",
	 "1: " NOT_TOLD "the variable X is given no value here\n"},
	{"if [ -z \"$X\" ]; then iptables -P INPUT DROP; else iptables -F; fi", "not-whole\n",
	 "1: " NOT_TOLD "the variable X is given no value here\n"},
	{"if [ \"$1\" = stop ]; then\niptables -F\nexit 0\nfi\niptables -A INPUT -p x",
	 "not-whole\nchain INPUT {\n-p x\n",
	 "1: " NOT_TOLD "$1: an argument of the script, which --arg gives\n"},
	{"if grep -q x /y; then\niptables -F\nfi", "not-whole\n",
	 "1: " NOT_TOLD "the outcome of grep depends on the running system\n"},
	{"if [[ x =~ y ]]; then iptables -F; fi", "not-whole\n",
	 "1: " NOT_TOLD "regular expressions are not followed\n"},
	{"if ((1)); then iptables -F; fi", "not-whole\n", "1: " NOT_TOLD "arithmetic is not followed\n"},
	{"f() { iptables -F; }\nif [ -f /x ]; then f; fi", "not-whole\n",
	 "2: " NOT_TOLD "whether /x exists depends on the running system\n"},
	{"case \"$1\" in start) iptables -P INPUT DROP;; stop|halt) iptables -F;; esac", "not-whole\n",
	 "1: cannot tell which branch runs: $1: an argument of the script, which --arg gives; branches: "
	 "start, "
	 "stop, halt\n"},
	{"case `uname` in a) iptables -F;; esac", "not-whole\n",
	 "1: cannot tell which branch runs: only a running shell knows what is substituted here; branches: "
	 "a\n"},
	{"while read a; do iptables -A INPUT -s $a; done < /x", "not-whole\n",
	 "1: cannot tell how often this loop runs: what is read depends on the running system\n"},
	{"for a in `cat /x`; do iptables -A INPUT -s $a; done", "not-whole\n",
	 "1: cannot tell the words of this loop: only a running shell knows what is substituted here\n"},
	{"for a in /etc/fw/*; do iptables -A INPUT -s $a; done", "not-whole\n",
	 "1: cannot tell the words of this loop: which files exist depends on the running system\n"},
	{"for ((i=0;i<3;i++)); do iptables -A INPUT -s $i; done", "not-whole\n",
	 "1: cannot tell how often this loop runs: arithmetic is not followed\n"},
	{"for a in {1..3}; do iptables -A INPUT -s $a; done", "not-whole\n",
	 "1: cannot tell the words of this loop: bash makes several words of {...}; write them out\n"},
	{"while true; do iptables -A INPUT -p x; break; done\nwhile :; do iptables -N x; iptables -X x; done",
	 "not-whole\nchain INPUT {\n-p x\n", "2: the script runs too long, or calls itself too often\n"},
	{"f() { iptables -N x; iptables -X x; f; }\nf", "not-whole\n",
	 "1: functions call each other too deeply\n"},
	{"iptables -P INPUT DROP\n. /usr/local/lib/fw.sh", "not-whole\nchain INPUT {\n",
	 "2: natshim reads no other file: put its text here\n"},
	{"eval \"iptables -F\"", "not-whole\n", "1: cannot tell what this does to the rules\n"},
	{"sh -c 'iptables -F'", "not-whole\n", "1: cannot tell what this does to the rules\n"},
	{"xargs -n 1 iptables -A INPUT -s", "not-whole\n", "1: cannot tell what this does to the rules\n"},
	{"service iptables stop", "not-whole\n", "1: cannot tell what this does to the rules\n"},
	{"/etc/init.d/iptables restart", "not-whole\n", "1: cannot tell what this does to the rules\n"},
	{"$FW -A INPUT -p x", "not-whole\n", "1: cannot tell what this does to the rules\n"},
	{"iptables-restore < /etc/iptables.rules", "not-whole\n",
	 "1: natshim reads no other file: translate it by itself, or put its text here (<<END)\n"},
	{"iptables-restore /etc/iptables.rules", "not-whole\n",
	 "1: natshim reads no other file: translate it by itself, or put its text here (<<END)\n"},
	{"iptables-save | grep -v x | iptables-restore", "not-whole\n",
	 "1: natshim reads no other file: translate it by itself, or put its text here (<<END)\n"},
	{"start() { iptables -F; }\nstop() { iptables -X; }", "not-whole\n",
	 "1: the script runs no iptables command; it would with --arg and one of: start, stop\n"},
	{"#!/sbin/openrc-run\nstart() { iptables -F; }\nstop() { iptables -X; }", "not-whole\n",
	 "2: cannot tell which function runs: give it with --arg; functions: start, stop\n"},
	{"iptables -P INPUT DROP\nif true; then", "not-whole\nchain INPUT {\n",
	 "2: no shell script: \"if\" without its \"fi\"\n"},
	{"iptables -P INPUT DROP\nfi", "not-whole\nchain INPUT {\n",
	 "2: no shell script: \"f\" ends nothing here\n"},
	{"iptables -P INPUT DROP\ncat <<END\nx", "not-whole\nchain INPUT {\n",
	 "3: no shell script: the here-document's end END is missing\n"},
	/* what every system has */
	{"FW=$(which iptables)\n$FW -A INPUT -p x\nFW=`command -v ip6tables 2>/dev/null`\n$FW -A INPUT -p y",
	 "chain INPUT {\n-p x\nchain INPUT {\n-p y\n", ""},
	{"iptables -t nat -A OUTPUT -p x\nfor t in $(cat /proc/net/ip_tables_names); do iptables -t $t -F; "
	 "done",
	 "", ""},
	{"if [ -f /proc/net/if_inet6 ]; then ip6tables -A INPUT -p x; fi", "chain INPUT {\n-p x\n", ""},
	{"iptables -A INPUT -s $(which id)", "chain INPUT {\n",
	 "1: only a running shell knows what is substituted here\n"},
	{"trap 'exit 1' INT\nexec 2> /dev/null", "", ""},
	{"trap 'iptables -F' EXIT", "not-whole\n", "1: cannot tell what this does to the rules\n"},
	/* what is harmless */
	{"if [ -f /x ]; then echo y; fi\nwhile read a; do echo $a; done\nfor f in /x/*; do echo $f; done", "",
	 ""},
	{"[ -f /x ] || exit 0\n[ -r /y ] && . /y.conf\niptables -A INPUT -p x", "chain INPUT {\n-p x\n", ""},
	{"if [ -x /sbin/iptables ]; then iptables -A INPUT -p x; else exit 1; fi", "chain INPUT {\n-p x\n",
	 ""},
	{"if [ -f /x ]; then iptables -A INPUT -p x; else exit 1; fi", "chain INPUT {\n-p x\n", ""},
	{"[ -f /x ] && iptables -A INPUT -p x || exit 1", "chain INPUT {\n-p x\n", ""},
	{"f() { iptables -F; }\niptables -A INPUT -p x", "chain INPUT {\n-p x\n", ""},
	{"case \"$1\" in start) echo y;; esac\niptables -A INPUT -p x", "chain INPUT {\n-p x\n", ""},
	{"iptables -A INPUT -p x\nexit 0\niptables -F\nif", "chain INPUT {\n-p x\n", ""},
	{"iptables-restore <<END\n*filter\n-A INPUT -p x\n-A INPUT -p $Y\nCOMMIT\nEND",
	 "chain INPUT {\n-p x\n", "4: the variable Y is given no value here\n"},
	{"iptables-restore <<'END'\n*filter\n-A INPUT -p $Y\nCOMMIT\nEND", "chain INPUT {\n-p $Y\n", ""},
	{"A='*filter\n-A INPUT -p x\nCOMMIT'\niptables-restore <<< \"$A\"", "chain INPUT {\n-p x\n", ""},
	/* iptables-save */
	{"*filter\n:INPUT DROP [0:0]\n:c - [0:0]\n[1:2] -A INPUT -i ipsec0 -j c\n-A c -p \"a b\" -s 'x\n-A c "
	 "-d $y;z\nCOMMIT\n-A c",
	 "chain c {\n-p a b -s 'x\n-d $y;z\nchain INPUT {\n" IN "jump c\n",
	 "8: no \"*table\" line stands before it\n"},
};

static void each_vector(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct heard h = {0};
		struct klips_summary summary;
		char *rules = translate(v->input, strlen(v->input), &h, &summary);
		size_t complaints = 0;

		for (const char *c = v->reasons; *c; c++)
			complaints += *c == '\n';
		if (strcmp(h.reasons, v->reasons) != 0)
			fail_msg("%s\ncomplains: %s", v->input, h.reasons);
		if (strcmp(rules, v->rules) != 0)
			fail_msg("%s\ngives:\n%s", v->input, rules);
		assert_int_equal(summary.untranslated, complaints);
		free(rules);
	}
}

static void every_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		for (size_t n = 0; n < strlen(vectors[i].input); n++) {
			struct heard h = {0};
			struct klips_summary summary;

			free(translate(vectors[i].input, n, &h, &summary));
		}
	}
}

/* Nothing of the input gets out of its comment, were it in the file's name, a variable or a chain. */
static void nothing_escapes(void **state)
{
	static const char input[] = "iptables -A 'x\nflush ruleset' -p x\n"
				    "iptables -N 'y\nflush ruleset'\n"
				    "A='\nflush ruleset\n'\niptables -A INPUT -m comment --comment \"$A\"\n"
				    "unknown 'a\nflush ruleset'\n"
				    "echo 'a\nflush ruleset' > /x\n"
				    "eval 'a\nflush ruleset'\n"
				    "case $1 in 'a\nflush ruleset') iptables -F;; esac\n";
	struct heard h = {0};
	struct klips_summary summary;
	char *rules = translate(input, sizeof(input) - 1, &h, &summary);

	(void)state;
	assert_null(strstr(rules, "flush"));
	assert_int_equal(summary.untranslated, 6);
	assert_int_equal(summary.not_followed, 2);
	free(rules);
}

static void a_failing_translator(void **state)
{
	struct heard h = {.fails = true};
	struct klips_summary summary;
	char *rules = translate("iptables -A INPUT -p x", 22, &h, &summary);

	(void)state;
	assert_string_equal(rules, "chain INPUT {\n");
	assert_string_equal(h.reasons, "1: it does not want to\n");
	free(rules);
}

/* Values that double line by line must not eat the memory. */
static void expansion_is_bounded(void **state)
{
	char input[4096] = "A=xxxxxxxxxxxxxxxx\n";
	struct heard h = {0};
	struct klips_summary summary;

	(void)state;
	for (int i = 0; i < 64; i++)
		strcat(input, "A=$A$A\n");
	strcat(input, "iptables -A INPUT -p $A\n");
	free(translate(input, strlen(input), &h, &summary));
	assert_string_equal(h.reasons, "66: too much is substituted\n");
}

/* The last look at each rule: which texts exclude themselves. */
static void contradictions(void **state)
{
	static const char *const never[] = {
		"meta secpath exists meta secpath missing accept",
		"iifname \"eth0\" rt ipsec missing tcp dport 1 rt ipsec exists accept",
		"iifname \"eth0\" iifname \"eth1\" accept",
		"iifname \"ppp*\" iifname \"eth1\" accept",
		"iifname != \"eth0\" iifname \"eth0\" accept",
		"iifname != \"ppp*\" iifname \"ppp0\" accept",
		"ipsec in reqid 1 ipsec in reqid 2 accept",
		"ipsec in reqid != 1 ipsec in reqid 1 accept",
		"meta secpath missing ipsec in reqid 1 accept",
		"rt ipsec missing ipsec out ip saddr 1.2.3.4 accept",
	};
	static const char *const fine[] = {
		"",
		"accept",
		"meta secpath",
		"ipsec in",
		"iifname",
		"iifname !=",
		"rt ipsec",
		"meta secpath exists rt ipsec missing accept",
		"iifname \"eth0\" oifname \"eth1\" accept",
		"iifname \"ppp*\" iifname \"ppp1\" accept",
		"iifname \"ppp*\" iifname != \"ppp1\" accept",
		"iifname != \"ppp0\" iifname \"ppp1\" accept",
		"ipsec in reqid 1 ipsec out reqid 2 meta secpath exists rt ipsec exists accept",
		"ipsec in ip saddr 1.2.3.4 ipsec in ip saddr 1.2.0.0/16 accept",
		"meta secpath exists counter accept comment \"not meta secpath missing here\"",
		"meta secpath exists counter log prefix \"meta secpath missing",
	};
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (!klips_contradiction(&arena, never[i]))
			fail_msg("not seen: %s", never[i]);
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		if (klips_contradiction(&arena, fine[i]))
			fail_msg("%s: %s", fine[i], klips_contradiction(&arena, fine[i]));
	arena_free(&arena);
}

/* The same script with each of its arguments. */
static void arguments(void **state)
{
	static const char script[] = "start() { iptables -A INPUT -p \"$1\"; }\n"
				     "case \"$1\" in\n"
				     "start) start a ;;\n"
				     "stop) iptables -F ;;\n"
				     "re*) $0 stop; $0 start; shift; start \"$1$#\" ;;\n"
				     "*) exit 1 ;;\n"
				     "esac\n";
	static const struct {
		const char *words[3];
		size_t count;
		const char *rules;
		unsigned not_followed;
	} runs[] = {
		{{"start"}, 1, "chain INPUT {\n-p a\n", 0},
		{{"stop"}, 1, "", 0},
		{{"reload", "b"}, 2, "chain INPUT {\n-p a\n-p b1\n", 0},
		{{"strat"}, 1, "not-whole\n", 1},
		{{""}, 0, "not-whole\n", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		struct heard h = {.arguments = runs[i].words, .argument_count = runs[i].count};
		struct klips_summary summary;
		char *rules = translate(script, sizeof(script) - 1, &h, &summary);

		if (strcmp(rules, runs[i].rules) != 0)
			fail_msg("%s gives:\n%s", runs[i].words[0], rules);
		assert_int_equal(summary.not_followed, runs[i].not_followed);
		free(rules);
	}
}

static void keywords(void **state)
{
	(void)state;
	assert_true(nft_is_keyword("dnat") && nft_is_keyword("accept") && nft_is_keyword("xt"));
	assert_false(nft_is_keyword("INPUT") || nft_is_keyword("vpn") || nft_is_keyword(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_vector),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(nothing_escapes),
		cmocka_unit_test(a_failing_translator),
		cmocka_unit_test(expansion_is_bounded),
		cmocka_unit_test(contradictions),
		cmocka_unit_test(arguments),
		cmocka_unit_test(keywords),
	};

	return cmocka_run_group_tests_name("klips", tests, NULL, NULL);
}
