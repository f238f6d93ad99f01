/* SPDX-License-Identifier: GPL-2.0-or-later */
/* strongSwan: swanctl.conf with what it includes, and over VICI what charon has loaded (list-conns) and can do
 * (get-algorithms). list-conns is told in the words of swanctl.conf, so that one judge serves both. */
#include "shim/check/ipsec_conf.h"
#include "shim/check/read.h"
#include "shim/stack/vici_socket.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_DIR "/etc/swanctl"
#define TIMEOUT_MS 5000
#define INCLUDE_DEPTH_MAX 4
#define PATH_LENGTH 512

/* ---- swanctl.conf ------------------------------------------------------------------------------------------------ */

static void read_file(struct strongswan_facts *f, const char *path, unsigned depth);

static void include(struct strongswan_facts *f, const char *from, const char *pattern, unsigned depth)
{
	const char *slash = strrchr(from, '/');
	char full[PATH_LENGTH];
	glob_t found;

	snprintf(full, sizeof full, "%.*s%s", *pattern == '/' || !slash ? 0 : (int)(slash - from + 1), from,
		 pattern);
	if (depth == INCLUDE_DEPTH_MAX || glob(full, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		read_file(f, found.gl_pathv[i], depth + 1);
	globfree(&found);
}

static void read_file(struct strongswan_facts *f, const char *path, unsigned depth)
{
	const size_t first = f->config.count;
	char blind[FACTS_TEXT];
	char *text = check_read_file(path, blind);
	size_t end;

	if (!text) {
		if (!depth)
			memcpy(f->blind, blind, sizeof blind);
		return;
	}
	settings_read_swanctl(&f->config, text);
	explicit_bzero(text, strlen(text));
	free(text);
	end = f->config.count;
	for (size_t i = first; i < end; i++) {
		struct setting *item = &f->config.items[i];

		if (!strncmp(item->section, "secrets/ike", 11) && !strncmp(item->key, "secret", 6)) {
			f->secrets.psk_count++;
			explicit_bzero(item->value, strlen(item->value));
			if (check_others_read(path)) {
				f->secrets.others_read = true;
				snprintf(f->secrets.path, sizeof f->secrets.path, "%s", path);
			}
		}
		if (!strcmp(item->key, "include")) {
			char *pattern = strdup(item->value); /* items may move */

			if (pattern)
				include(f, path, pattern, depth);
			free(pattern);
		}
	}
}

/* ---- VICI -------------------------------------------------------------------------------------------------------- */

/* The path in swanctl.conf of the section at which the reader stands. */
struct place {
	char path[PATH_LENGTH];
	char list[64]; /* the list that is open */
	char joined[PATH_LENGTH];
};

static void add_loaded(struct settings *out, const char *section, const char *key, const char *value)
{
	static const struct {
		const char *key, *from, *to; /* from NULL: any */
	} words[] = {
		{"version", "IKEv1", "1"},           {"version", "IKEv2", "2"},
		{"version", "IKEv1/2", "0"},         {"unique", "UNIQUE_NO", "no"},
		{"unique", "UNIQUE_NEVER", "never"}, {"unique", "UNIQUE_REPLACE", "replace"},
		{"unique", "UNIQUE_KEEP", "keep"},   {"mode", "TRANSPORT", "transport"},
		{"mode", "TUNNEL", "tunnel"},        {"class", "pre-shared key", "psk"},
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strcmp(key, words[i].key) && !strcmp(value, words[i].from))
			value = words[i].to;
	settings_add(out, section, !strcmp(key, "class") ? "auth" : key, value);
}

static void open_section(struct settings *out, struct place *at, struct vici_text name)
{
	const size_t length = strlen(at->path);
	char text[128];

	vici_copy(name, text, sizeof text);
	snprintf(at->path + length, sizeof at->path - length, "/%s", text);
	settings_add(out, at->path, "", "");
}

static void take_conns(struct settings *out, struct vici_reader *reader)
{
	struct place at = {.path = "connections"};
	struct vici_text name, value;
	char key[64], text[256];
	size_t length;

	for (;;) {
		switch (vici_next(reader, &name, &value)) {
		case VICI_END:
		case VICI_BAD:
			return;
		case VICI_SECTION_START:
			open_section(out, &at, name);
			break;
		case VICI_SECTION_END:
			*strrchr(at.path, '/') = '\0';
			break;
		case VICI_KEY_VALUE:
			vici_copy(name, key, sizeof key);
			vici_copy(value, text, sizeof text);
			add_loaded(out, at.path, key, text);
			break;
		case VICI_LIST_START:
			vici_copy(name, at.list, sizeof at.list);
			for (char *dash = at.list; (dash = strchr(dash, '-'));)
				*dash = '_'; /* local-ts: in the file, local_ts */
			*at.joined = '\0';
			break;
		case VICI_LIST_ITEM:
			vici_copy(value, text, sizeof text);
			length = strlen(at.joined);
			snprintf(at.joined + length, sizeof at.joined - length, "%s%s", length ? "," : "",
				 text);
			break;
		case VICI_LIST_END:
			settings_add(out, at.path, at.list, at.joined);
			break;
		}
	}
}

static void take_algorithms(struct strongswan_facts *f, struct vici_reader *reader)
{
	struct vici_text name, value;
	enum vici_element element;

	f->modp1024 = f->triple_des = NO;
	while ((element = vici_next(reader, &name, &value)) != VICI_END && element != VICI_BAD) {
		if (element != VICI_KEY_VALUE)
			continue;
		if (vici_is(name, "MODP_1024"))
			f->modp1024 = YES;
		if (vici_is(name, "3DES_CBC"))
			f->triple_des = YES;
	}
}

/* Until a response, or what else ends it; its type, events taken meanwhile. */
static enum vici_packet await(struct strongswan_facts *f, int fd, uint8_t *packet, struct vici_reader *reader)
{
	struct vici_text name;
	enum vici_packet type;
	size_t length;

	for (;;) {
		if (vici_receive(fd, packet, &length) || !vici_open(reader, packet, length, &type, &name))
			return VICI_UNKNOWN_REQUEST;
		if (type == VICI_EVENT && vici_is(name, "list-conn"))
			take_conns(&f->loaded, reader);
		else if (type != VICI_EVENT && type != VICI_CONFIRM)
			return type;
	}
}

static bool ask(int fd, enum vici_packet type, const char *what)
{
	uint8_t bytes[64];
	struct vici_writer w;

	vici_begin(&w, bytes, sizeof bytes, type, what);
	return !vici_send(fd, &w);
}

static void ask_charon(const struct check_options *options, struct strongswan_facts *f)
{
	char text[FACTS_TEXT];
	const int fd = vici_connect(options->vici, TIMEOUT_MS, text, sizeof text);
	uint8_t *packet = fd < 0 ? NULL : malloc(VICI_PACKET_MAX);
	struct vici_reader reader;

	if (packet && ask(fd, VICI_REGISTER, "list-conn") && ask(fd, VICI_REQUEST, "list-conns") &&
	    await(f, fd, packet, &reader) == VICI_RESPONSE) {
		f->charon_runs = true;
		if (ask(fd, VICI_REQUEST, "get-algorithms") && await(f, fd, packet, &reader) == VICI_RESPONSE)
			take_algorithms(f, &reader);
	}
	free(packet);
	if (fd >= 0)
		close(fd);
}

/* Without a file of ours to read: judge what is loaded. */
static void take_loaded(struct strongswan_facts *f)
{
	for (size_t i = 0; i < f->loaded.count; i++) {
		const struct setting *item = &f->loaded.items[i];

		settings_add(&f->config, item->section, item->key, item->value);
	}
	f->from_vici = true;
	snprintf(f->secrets.blind, sizeof f->secrets.blind, "%s", f->blind);
	*f->blind = '\0';
}

/* Whether ipsec.secrets has a line [INDICES] : PSK KEY. UNKNOWN where it includes others and has none, or cannot be read. */
static enum known has_psk(const char *path)
{
	char ignored[FACTS_TEXT];
	char *text = check_read_file(path, ignored), *save = NULL;
	const size_t length = text ? strlen(text) : 0;
	enum known has = text ? NO : UNKNOWN;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *kind = strstr(line, "PSK");

		line += strspn(line, " \t");
		if (!strncmp(line, "include", 7) && has == NO)
			has = UNKNOWN;
		if (kind && *line != '#' && memchr(line, ':', (size_t)(kind - line)))
			has = YES;
	}
	if (text)
		explicit_bzero(text, length);
	free(text);
	return has;
}

/* The ipsec command of strongSwan's starter, and its ipsec.conf, which has the form of libreswan's. */
static void read_starter(const struct check_options *options, struct strongswan_facts *f)
{
	const char *const argv[] = {"ipsec", "--version", NULL};
	const char *path = options->libreswan_config ? options->libreswan_config : "/etc/ipsec.conf";
	struct settings lines = {.items = NULL};
	char ignored[FACTS_TEXT];
	struct command_result result;

	snprintf(f->starter_secrets, sizeof f->starter_secrets, "%.150s",
		 options->ipsec_secrets ? options->ipsec_secrets : "/etc/ipsec.secrets");
	f->starter = check_read_output(argv, &result, ignored) && strcasestr(result.out.text, "strongswan");
	command_result_clear(&result);
	if (!f->starter)
		return;
	snprintf(f->starter_path, sizeof f->starter_path, "%.180s", path);
	if (ipsec_conf_read(&lines, path, ignored))
		ipsec_conf_resolve(&lines, 4, &f->starter_config);
	settings_clear(&lines);
	f->starter_psk = has_psk(f->starter_secrets);
}

/* Either of two services starts charon: with swanctl.conf, or with ipsec.conf. */
static void read_boot(struct strongswan_facts *f)
{
	static const char *const services[] = {"strongswan", "strongswan-starter"};
	char state[2][FACTS_WORD];
	const enum known boot[2] = {check_read_boot(services[0], state[0]),
				    check_read_boot(services[1], state[1])};
	const unsigned which = boot[0] != NO;

	if (boot[which] != NO || boot[!which] == YES)
		return;
	snprintf(f->service, sizeof f->service, "%s", services[which]);
	memcpy(f->boot, state[which], sizeof f->boot);
}

void check_read_strongswan(const struct check_options *options, struct strongswan_facts *out)
{
	const char *dir = options->swanctl_dir ? options->swanctl_dir : DEFAULT_DIR;

	snprintf(out->path, sizeof out->path, "%.180s/swanctl.conf", dir);
	ask_charon(options, out);
	read_starter(options, out);
	read_boot(out);
	out->present = out->charon_runs || options->swanctl_dir || !access(out->path, F_OK);
	if (!out->present)
		return;
	read_file(out, out->path, 0);
	if (*out->blind && out->loaded.count)
		take_loaded(out);
}
