/* The peers file. */
#include "shim/state.h"

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

int state_save_peers(const char *dir, const struct ike_table *table, uint64_t now_ms)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	struct writer w = {.now_ms = now_ms};
	int rc = 0;

	snprintf(path, sizeof path, "%s/peers", dir);
	snprintf(fresh, sizeof fresh, "%s/peers.new", dir);
	w.out = fopen(fresh, "we");
	if (!w.out)
		return -errno;
	fputs(PEERS_HEADER, w.out);
	ike_table_each_peer(table, now_ms, write_peer, &w);
	if (ferror(w.out) || fflush(w.out))
		rc = -(errno ? errno : EIO);
	if (fclose(w.out) && !rc)
		rc = -errno;
	if (!rc && rename(fresh, path))
		rc = -errno;
	if (rc)
		unlink(fresh);
	return rc;
}

static bool restore_line(const char *line, struct ike_table *table, uint64_t now_ms)
{
	char where[ENDPOINT_TEXT_MAX], name[24];
	struct endpoint peer;
	enum ike_dialect dialect;
	uint64_t seen_ms;

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
	if (!fgets(line, sizeof line, in) || strcmp(line, PEERS_HEADER)) {
		*bad = 1;
		goto out;
	}
	while (fgets(line, sizeof line, in))
		++*(restore_line(line, table, now_ms) ? restored : bad);
out:
	fclose(in);
	return 0;
}
