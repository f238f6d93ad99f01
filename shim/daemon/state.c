/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of the state directory. */
#include "shim/daemon/state.h"

#include "shim/hex.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEERS_HEADER "natshim peers 1\n"
#define LINE_MAX_LENGTH 160

int state_prepare(const char *dir)
{
	if (mkdir(dir, 0755) && errno != EEXIST)
		return -errno;
	return 0;
}

/* A record lock: it goes with this process, however that ends, and the kernel tells who has it. */
int state_lock(const char *dir, pid_t *holder)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX];
	int fd, rc;

	*holder = 0;
	snprintf(path, sizeof path, "%s/lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (!fcntl(fd, F_SETLK, &lock))
		return fd;
	rc = errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
	if (rc == -EBUSY && !fcntl(fd, F_GETLK, &lock) && lock.l_type != F_UNLCK && lock.l_pid > 0)
		*holder = lock.l_pid;
	close(fd);
	return rc;
}

struct writer {
	FILE *out;
	uint64_t now_ms;
};

#define PEER_ALONE "alone"

static void write_peer(void *ctx, const struct endpoint *peer, enum ike_dialect dialect, uint64_t age_ms,
		       bool alone)
{
	const struct writer *w = ctx;
	char text[ENDPOINT_TEXT_MAX];

	fprintf(w->out, "%s %s %" PRIu64 "%s\n", endpoint_text(peer, text), ike_dialect_name(dialect),
		w->now_ms - age_ms, alone ? " " PEER_ALONE : "");
}

void state_write_peers(FILE *out, const struct ike_table *table, uint64_t now_ms)
{
	struct writer w = {.out = out, .now_ms = now_ms};

	fputs(PEERS_HEADER, out);
	ike_table_each_peer(table, now_ms, write_peer, &w);
}

static bool restore_line(const char *line, struct ike_table *table, uint64_t now_ms)
{
	char where[ENDPOINT_TEXT_MAX], name[24], more[8] = "";
	struct endpoint peer;
	enum ike_dialect dialect;
	uint64_t seen_ms;

	/* NOLINTNEXTLINE(cert-err34-c): a number too big lies in the future, and is refused */
	if (sscanf(line, "%55s %23s %" SCNu64 " %7s", where, name, &seen_ms, more) < 3 || seen_ms > now_ms)
		return false;
	return endpoint_parse(where, &peer) && ike_dialect_parse(name, &dialect) &&
	       ike_table_restore_peer(table, now_ms, &peer, dialect, now_ms - seen_ms,
				      !strcmp(more, PEER_ALONE));
}

int state_load_peers(const char *dir, struct ike_table *table, uint64_t now_ms, unsigned *restored,
		     unsigned *bad)
{
	char path[PATH_MAX], line[LINE_MAX_LENGTH];
	FILE *in;

	*restored = *bad = 0;
	snprintf(path, sizeof path, "%s/peers", dir);
	in = fopen(path, "re");
	if (!in)
		return errno == ENOENT ? 0 : -errno;
	if (!fgets(line, sizeof line, in) || strcmp(line, PEERS_HEADER) != 0) {
		*bad = 1;
		goto out;
	}
	while (fgets(line, sizeof line, in))
		++*(restore_line(line, table, now_ms) ? restored : bad);
out:
	fclose(in);
	return 0;
}

#define TUNNELS_HEADER "natshim tunnels 1 %" PRIu64 "\n"

static void write_tunnel(void *ctx, const struct l2tp_tunnel_state *tunnel)
{
	const struct writer *w = ctx;
	char text[L2TP_STATE_TEXT_MAX];

	fputs(l2tp_state_text(tunnel, text), w->out);
	putc('\n', w->out);
}

void state_write_tunnels(FILE *out, const struct l2tp_table *table, uint64_t now_ms)
{
	struct writer w = {.out = out, .now_ms = now_ms};

	fprintf(out, TUNNELS_HEADER, now_ms);
	l2tp_table_each(table, now_ms, write_tunnel, &w);
}

static bool restore_tunnel(char *line, struct l2tp_table *table, uint64_t now_ms, uint64_t age_ms)
{
	struct l2tp_tunnel_state tunnel;

	line[strcspn(line, "\n")] = '\0';
	if (!l2tp_state_parse(line, &tunnel))
		return false;
	tunnel.age_ms += age_ms;
	return l2tp_table_restore(table, now_ms, &tunnel);
}

int state_load_tunnels(const char *dir, struct l2tp_table *table, uint64_t now_ms, unsigned *restored,
		       unsigned *bad)
{
	char path[PATH_MAX], line[L2TP_STATE_TEXT_MAX + 2];
	uint64_t written_ms;
	FILE *in;

	*restored = *bad = 0;
	snprintf(path, sizeof path, "%s/tunnels", dir);
	in = fopen(path, "re");
	if (!in)
		return errno == ENOENT ? 0 : -errno;
	/* NOLINTNEXTLINE(cert-err34-c): a number too big lies in the future, and is refused */
	if (!fgets(line, sizeof line, in) || sscanf(line, "natshim tunnels 1 %" SCNu64, &written_ms) != 1 ||
	    written_ms > now_ms) {
		*bad = 1;
		goto out;
	}
	while (fgets(line, sizeof line, in))
		++*(restore_tunnel(line, table, now_ms, now_ms - written_ms) ? restored : bad);
out:
	fclose(in);
	return 0;
}

const char *state_bridged_text(const struct bridge_entry *entry, char out[static STATE_BRIDGED_MAX])
{
	char client[ENDPOINT_TEXT_MAX], server[ENDPOINT_TEXT_MAX];
	size_t length =
		(size_t)snprintf(out, STATE_BRIDGED_MAX, "%s %s ", endpoint_text(&entry->client, client),
				 endpoint_text(&entry->server, server));

	length += hex_write(entry->cookies, sizeof entry->cookies, out + length);
	for (unsigned i = 0; i < entry->child_sa_count && i < BRIDGE_CHILD_SAS_MAX; i++) {
		out[length++] = ' ';
		length += hex_write(entry->child_sas[i].spi_to_server, 4, out + length);
		length += hex_write(entry->child_sas[i].spi_to_client, 4, out + length);
	}
	snprintf(out + length, STATE_BRIDGED_MAX - length, "\n");
	return out;
}

static bool read_child_sa(const char *word, struct bridge_entry *out)
{
	struct bridge_child_sa *child = &out->child_sas[out->child_sa_count];

	if (out->child_sa_count++ == BRIDGE_CHILD_SAS_MAX || strlen(word) != 16)
		return false;
	return hex_read(word, child->spi_to_server, 4) && hex_read(word + 8, child->spi_to_client, 4);
}

/* Without the newline a line is not whole: its writer was stopped in the middle. */
static bool read_bridged(char *line, struct bridge_entry *out)
{
	char *at = NULL;
	const char *client = strtok_r(line, " ", &at), *server = strtok_r(NULL, " ", &at),
		   *cookies = strtok_r(NULL, " \n", &at), *word;

	*out = (struct bridge_entry){.child_sa_count = 0};
	if (!client || !server || !cookies || strlen(cookies) != 2 * sizeof out->cookies ||
	    !endpoint_parse(client, &out->client) || !endpoint_parse(server, &out->server) ||
	    !hex_read(cookies, out->cookies, sizeof out->cookies))
		return false;
	while ((word = strtok_r(NULL, " \n", &at)))
		if (!read_child_sa(word, out))
			return false;
	return out->client.port && out->server.port && out->client.addr_len == out->server.addr_len;
}

static FILE *open_private(const char *path, int *error)
{
	const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
	struct stat info;

	*error = -errno;
	if (!in) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (!fstat(fd, &info) && S_ISREG(info.st_mode) && info.st_uid == geteuid() &&
	    !(info.st_mode & (S_IWGRP | S_IWOTH)))
		return in;
	*error = -EPERM;
	fclose(in);
	return NULL;
}

/* How many lines made no sense. */
static unsigned read_entries(FILE *in, bridge_entry_fn *fn, void *ctx)
{
	char line[STATE_BRIDGED_MAX];
	struct bridge_entry entry;
	unsigned bad = 0;

	if (!fgets(line, sizeof line, in) || strcmp(line, STATE_BRIDGED_HEADER) != 0)
		return 1;
	while (fgets(line, sizeof line, in)) {
		if (strchr(line, '\n') && read_bridged(line, &entry))
			fn(ctx, &entry);
		else
			bad++;
	}
	return bad;
}

int state_load_bridged(const char *dir, bridge_entry_fn *fn, void *ctx, unsigned *bad)
{
	char path[PATH_MAX];
	FILE *in;
	int rc;

	*bad = 0;
	snprintf(path, sizeof path, "%s/bridged", dir);
	in = open_private(path, &rc);
	if (!in)
		return rc == -ENOENT ? 0 : rc;
	*bad = read_entries(in, fn, ctx);
	fclose(in);
	return 0;
}

#define ALIASES_HEADER "natshim aliases 1 %" PRIu64 "\n"

static void write_alias(void *ctx, const char *line)
{
	fprintf(ctx, "%s\n", line);
}

void state_write_aliases(FILE *out, const struct alias_table *table, uint64_t now_ms)
{
	fprintf(out, ALIASES_HEADER, now_ms);
	alias_each_text(table, now_ms, write_alias, out);
}

static void read_aliases(FILE *in, struct alias_table *table, uint64_t now_ms, unsigned *restored,
			 unsigned *bad)
{
	char line[ALIAS_TEXT_MAX + 2], *end;
	uint64_t written_ms;

	/* NOLINTNEXTLINE(cert-err34-c): a number too big lies in the future, and is refused */
	if (!fgets(line, sizeof line, in) || sscanf(line, "natshim aliases 1 %" SCNu64, &written_ms) != 1 ||
	    written_ms > now_ms) {
		*bad = 1;
		return;
	}
	while (fgets(line, sizeof line, in)) {
		end = strchr(line, '\n');
		if (end)
			*end = '\0';
		++*(end && alias_restore(table, now_ms, line, now_ms - written_ms) ? restored : bad);
	}
}

int state_load_aliases(const char *dir, struct alias_table *table, uint64_t now_ms, unsigned *restored,
		       unsigned *bad)
{
	char path[PATH_MAX];
	FILE *in;
	int rc;

	*restored = *bad = 0;
	snprintf(path, sizeof path, "%s/aliases", dir);
	in = open_private(path, &rc);
	if (!in)
		return rc == -ENOENT ? 0 : rc;
	read_aliases(in, table, now_ms, restored, bad);
	fclose(in);
	return 0;
}
