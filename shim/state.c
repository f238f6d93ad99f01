/* The files of the state directory. */
#include "shim/state.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PEERS_HEADER "natshim peers 1\n"
#define LINE_MAX_LENGTH 160

int state_prepare(const char *dir)
{
	if (mkdir(dir, 0755) && errno != EEXIST)
		return -errno;
	return 0;
}

struct writer {
	FILE *out;
	uint64_t now_ms;
};

static void write_peer(void *ctx, const struct endpoint *peer, enum ike_dialect dialect, uint64_t age_ms)
{
	const struct writer *w = ctx;
	char text[ENDPOINT_TEXT_MAX];

	fprintf(w->out, "%s %s %" PRIu64 "\n", endpoint_text(peer, text), ike_dialect_name(dialect),
		w->now_ms - age_ms);
}

void state_write_peers(FILE *out, const struct ike_table *table, uint64_t now_ms)
{
	struct writer w = {.out = out, .now_ms = now_ms};

	fputs(PEERS_HEADER, out);
	ike_table_each_peer(table, now_ms, write_peer, &w);
}

static bool restore_line(const char *line, struct ike_table *table, uint64_t now_ms)
{
	char where[ENDPOINT_TEXT_MAX], name[24];
	struct endpoint peer;
	enum ike_dialect dialect;
	uint64_t seen_ms;

	/* NOLINTNEXTLINE(cert-err34-c): a number too big lies in the future, and is refused */
	if (sscanf(line, "%55s %23s %" SCNu64, where, name, &seen_ms) != 3 || seen_ms > now_ms)
		return false;
	return endpoint_parse(where, &peer) && ike_dialect_parse(name, &dialect) &&
	       ike_table_restore_peer(table, now_ms, &peer, dialect, now_ms - seen_ms);
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

	fprintf(w->out, "%s\n", l2tp_state_text(tunnel, text));
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
