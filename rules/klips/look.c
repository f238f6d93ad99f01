/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See klips_script.h. Here: what a statement may do, without running it, and what kinds of commands there are. */
#include "rules/klips/script.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 200
#define LOOKED_MAX 1000000

static bool is_one_of(const char *word, const char *const *patterns)
{
	for (; *patterns; patterns++)
		if (!fnmatch(*patterns, word, 0))
			return true;
	return false;
}

static const char *base_name(const char *word)
{
	const char *slash = strrchr(word, '/');

	return slash ? slash + 1 : word;
}

/* iptables, ip6tables, iptables-legacy, $IPTABLES, $IPT, $IP6TABLES, ...: a variable that was given no value names the
 * program that it is called after. */
static bool is_iptables(const char *name)
{
	static const char *const programs[] = {
		"iptables",      "ip6tables", "iptables-legacy", "ip6tables-legacy", "iptables-nft",
		"ip6tables-nft", NULL};
	bool variable = *name == '$';

	return is_one_of(name, programs) ||
	       (variable && (!strncasecmp(name + 1, "ipt", 3) || !strncasecmp(name + 1, "ip6t", 4) ||
			     !strncasecmp(name + 1, "ip4t", 4) || strcasestr(name, "iptables")));
}

enum program klips_program(const char *word, bool *ipv6)
{
	static const char *const restores[] = {"ip*tables-restore", "ip*tables-legacy-restore",
					       "ip*tables-nft-restore", "iptables-apply", NULL};
	static const char *const idles[] = {
		/* the shell's, and messages */
		":", "true", "false", "echo", "printf", "logger", "log_*", "ebegin", "eend", "einfo*",
		"ewarn*", "eerror", "success", "failure", "warning", "passed", "echo_*", "rc_*", "umask",
		"ulimit", "cd", "pwd", "wait", "exec", "hash", "type", "which", "jobs", "times", "sync",
		"clear", "tput", "stty", "exit", "return", "checkconfig", "checkpath", "depend", "need",
		"use", "before", "after", "provide",
		/* look at something */
		"sleep", "usleep", "date", "id", "whoami", "hostname", "uname", "cat", "grep", "egrep",
		"fgrep", "cut", "tr", "head", "tail", "wc", "sort", "uniq", "ls", "ps", "pidof", "pgrep",
		"test", "expr", "basename", "dirname", "seq", "getent", "lsmod", "diff", "cmp", "file",
		"readlink", "stat", "ip*tables-save", "ip*tables-legacy-save", "ip*tables-nft-save",
		"start-stop-daemon", NULL};
	static const char *const systems[] = {"trap",    "alias",  "modprobe", "insmod",    "rmmod", "depmod",
					      "sysctl",  "ip",     "ifconfig", "route",     "arp",   "brctl",
					      "bridge",  "tc",     "ethtool",  "conntrack", "touch", "rm",
					      "mkdir",   "rmdir",  "chmod",    "chown",     "ln",    "cp",
					      "mv",      "mktemp", "mkfifo",   "tee",       "sed",   "awk",
					      "install", "mount",  "kill",     "killall",   NULL};
	const char *name = base_name(word);

	*ipv6 = strchr(name, '6') != NULL;
	if (!strncmp(word, "/etc/", 5)) /* an init script, be it called iptables */
		return PROGRAM_OTHER;
	if (is_one_of(name, restores) || (*name == '$' && strcasestr(name, "restore") &&
					  (strcasestr(name, "ipt") || strcasestr(name, "ip6t"))))
		return PROGRAM_RESTORE;
	if (*name == '$' && strcasestr(name, "save") && strcasestr(name, "ip"))
		return PROGRAM_IDLE;
	if (is_iptables(name))
		return PROGRAM_IPTABLES;
	if (is_one_of(name, idles))
		return PROGRAM_IDLE;
	return is_one_of(name, systems) ? PROGRAM_SYSTEM : PROGRAM_OTHER;
}

/* "service iptables stop" and the like, with which distributions take rules away or bring their own. */
static bool is_service(const struct shell_word *words, size_t count)
{
	static const char *const programs[] = {"service",    "invoke-rc.d", "systemctl",
					       "rc-service", "systemctl",   NULL};
	static const char *const names[] = {"iptables",
					    "ip6tables",
					    "iptables.service",
					    "ip6tables.service",
					    "netfilter-persistent",
					    "firewalld",
					    "firewalld.service",
					    "ufw",
					    NULL};
	static const char *const actions[] = {"start", "stop",  "restart", "reload",      "flush",
					      "load",  "clear", "panic",   "try-restart", NULL};
	bool named = !strncmp(words[0].text, "/etc/", 5) && is_one_of(base_name(words[0].text), names);
	bool called = is_one_of(base_name(words[0].text), programs), acts = false;

	for (size_t i = 1; i < count; i++) {
		named = named || (called && is_one_of(words[i].text, names));
		acts = acts || is_one_of(words[i].text, actions);
	}
	return named && acts;
}

bool klips_hides_iptables(const struct shell_word *words, size_t count)
{
	bool ipv6;

	if (!count)
		return false;
	if (is_service(words, count))
		return true;
	for (size_t i = 1; i < count; i++) {
		enum program program = klips_program(words[i].text, &ipv6);

		if (program == PROGRAM_RESTORE || strstr(words[i].text, "tables -") ||
		    strstr(words[i].text, "tables-restore"))
			return true;
		if (program == PROGRAM_IPTABLES && i + 1 < count && words[i + 1].text[0] == '-')
			return true;
	}
	/* A program that is not known, with iptables' words behind it. */
	for (size_t i = 1; words[0].problem && i < count; i++)
		if (words[i].text[0] == '-' && words[i].text[1] && strchr("AIDFPNXRt", words[i].text[1]) &&
		    !words[i].text[2])
			return true;
	return false;
}

enum sourced klips_sourced(const struct shell_word *file)
{
	static const char *const libraries[] = {"/lib/lsb/init-functions",
						"/etc/rc.d/init.d/functions",
						"/etc/init.d/functions",
						"/etc/init.d/functions.sh",
						"/etc/rc.d/functions",
						"/etc/rc.status",
						"/etc/rc.subr",
						"/lib/functions.sh",
						"/lib/functions/*.sh",
						"/etc/functions.sh",
						"/lib/init/vars.sh",
						"/usr/share/debconf/confmodule",
						"/usr/share/openwrt*/functions.sh",
						"/lib/rc/sh/functions.sh",
						"/lib/gentoo/functions.sh",
						"/lib/init/*.sh",
						NULL};
	static const char *const variables[] = {
		"/etc/default/*",  "/etc/sysconfig/*", "/etc/conf.d/*", "/etc/rc.conf", "/etc/rc.config",
		"/etc/os-release", "/etc/lsb-release", "*.conf",        "*.cfg",        NULL};

	if (file->problem)
		return SOURCED_ANYTHING;
	if (is_one_of(file->text, libraries))
		return SOURCED_LIBRARY;
	return is_one_of(file->text, variables) ? SOURCED_VARIABLES : SOURCED_ANYTHING;
}

static bool touches(struct script *s, const struct shell_node *n, unsigned depth);

static bool function_touches(struct script *s, struct function *f, unsigned depth)
{
	size_t index = (size_t)(f - s->functions);
	bool found;

	if (f->looked == s->looks)
		return f->touches;
	f->looked = s->looks; /* while it is being looked at, it touches nothing by calling itself */
	f->touches = false;
	found = touches(s, f->node->children[0], depth + 1);
	s->functions[index].touches = found;
	return found;
}

static bool simple_touches(struct script *s, const struct shell_node *n, unsigned depth)
{
	struct shell_command c = {0};
	struct function *f;
	enum program program;
	bool ipv6;

	klips_words(s, n, &c);
	if (!c.count)
		return false;
	f = klips_function(s, c.words[0].text);
	if (f)
		return function_touches(s, f, depth);
	program = klips_program(c.words[0].text, &ipv6);
	if (program == PROGRAM_IPTABLES || program == PROGRAM_RESTORE)
		return true;
	if (program == PROGRAM_IDLE)
		return false;
	if (!strcmp(c.words[0].text, ".") || !strcmp(c.words[0].text, "source"))
		return c.count > 1 && klips_sourced(&c.words[1]) == SOURCED_ANYTHING;
	if (!strcmp(c.words[0].text, "eval") && c.count > 1 && c.words[1].problem)
		return true;
	if (!strcmp(c.words[0].text, "$0"))
		return true;
	return klips_hides_iptables(c.words, c.count);
}

static bool touches(struct script *s, const struct shell_node *n, unsigned depth)
{
	if (depth == DEPTH_MAX || ++s->looked > LOOKED_MAX)
		return true;
	if (n->kind == SHELL_SIMPLE)
		return simple_touches(s, n, depth);
	for (size_t i = 0; i < n->child_count; i++)
		if (touches(s, n->children[i], depth + 1))
			return true;
	return false;
}

bool klips_touches(struct script *s, const struct shell_node *n)
{
	s->looks++;
	return touches(s, n, 0);
}

static bool leaves(struct script *s, const struct shell_node *n, bool called, unsigned depth)
{
	struct shell_command c = {0};
	const struct function *f;

	if (depth == DEPTH_MAX / 10)
		return false;
	if (n->kind == SHELL_LIST || n->kind == SHELL_CHAIN) {
		for (size_t i = 0; i < n->child_count; i++)
			if (!n->children[i]->or_else && leaves(s, n->children[i], called, depth + 1))
				return true;
		return false;
	}
	if (n->kind != SHELL_SIMPLE)
		return false;
	klips_words(s, n, &c);
	if (!c.count)
		return false;
	f = klips_function(s, c.words[0].text);
	if (f)
		return leaves(s, f->node->children[0], true, depth + 1);
	return !strcmp(c.words[0].text, "exit") || (!called && !strcmp(c.words[0].text, "return"));
}

bool klips_leaves(struct script *s, const struct shell_node *n)
{
	return leaves(s, n, false, 0) && !klips_touches(s, n);
}
