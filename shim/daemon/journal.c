/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Three files: what has changed, and whether the last write failed. */
#include "shim/daemon/journal.h"

#include "shim/clock.h"
#include "shim/daemon/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct state_file {
	enum files_target target;
	const char *name;
	bool changed;    /* since the last write */
	bool complained; /* that the last write failed */
};

struct journal {
	char *dir;
	struct log *log;
	struct files *files;
	struct journal_tables tables;
	struct state_file peers, tunnels, bridged;
	uint64_t bridge_changes;  /* bridge_stats().changes when "bridged" was written last, */
	size_t stale_sas_written; /* and how many stale SAs were in it */
};

/* State */

/* The result of a write: a failed one is repeated with each tick, and logged once. */
static void written(struct journal *j, struct state_file *file, int rc)
{
	if (rc && !file->complained)
		log_event(j->log, LOG_STATE_UNWRITABLE, NULL,
			  "%s/%s: cannot write: %s; a restart will lose this state", j->dir, file->name,
			  strerror(-rc));
	file->complained = rc != 0;
	file->changed |= rc != 0;
}

void journal_saved(struct journal *j, enum files_target target, int error)
{
	if (target == FILES_PEERS)
		written(j, &j->peers, error);
	else if (target == FILES_TUNNELS)
		written(j, &j->tunnels, error);
	else if (target == FILES_BRIDGED)
		written(j, &j->bridged, error);
}

void journal_write_again(struct journal *j)
{
	j->peers.changed = j->tunnels.changed = j->bridged.changed = true;
}

static void write_entry(void *ctx, const struct bridge_entry *entry)
{
	char line[STATE_BRIDGED_MAX];

	fputs(state_bridged_text(entry, line), ctx);
}

static void write_bridged(struct journal *j, FILE *out)
{
	fputs(STATE_BRIDGED_HEADER, out);
	stale_sas_each(j->tables.stale_sas, write_entry, out);
	if (j->tables.bridge)
		bridge_each_entry(j->tables.bridge, write_entry, out);
}

static void save(struct journal *j, struct state_file *file)
{
	FILE *content;
	int rc;

	if (!file->changed)
		return;
	content = files_begin();
	if (!content) {
		written(j, file, -errno);
		return;
	}
	if (file->target == FILES_PEERS)
		state_write_peers(content, j->tables.ike, clock_now_ms());
	else if (file->target == FILES_BRIDGED)
		write_bridged(j, content);
	else
		state_write_tunnels(content, j->tables.l2tp, clock_now_ms());
	file->changed = false;
	rc = files_finish(j->files, file->target, content);
	if (rc)
		written(j, file, rc);
}

/* Whether an ISAKMP SA was made, got other child SAs or was deleted since the last call. */
static bool bridge_changed(struct journal *j)
{
	const uint64_t changes = j->tables.bridge ? bridge_stats(j->tables.bridge).changes : 0;
	const bool changed =
		changes != j->bridge_changes || stale_sas_count(j->tables.stale_sas) != j->stale_sas_written;

	j->bridge_changes = changes;
	j->stale_sas_written = stale_sas_count(j->tables.stale_sas);
	return changed;
}

void journal_append_bridged(struct journal *j, const uint8_t cookie[static IKE_COOKIE_LEN])
{
	struct bridge_entry entry;
	char line[STATE_BRIDGED_MAX];

	if (!bridge_changed(j))
		return;
	j->bridged.changed = true;
	if (bridge_entry_of(j->tables.bridge, cookie, &entry))
		files_append(j->files, FILES_BRIDGED, state_bridged_text(&entry, line));
}

void journal_peers_changed(struct journal *j)
{
	j->peers.changed = true;
}

void journal_tunnels_changed(struct journal *j)
{
	j->tunnels.changed = true;
}

void journal_save_tunnels(struct journal *j)
{
	save(j, &j->tunnels);
}

void journal_tick(struct journal *j)
{
	j->bridged.changed |= bridge_changed(j);
	save(j, &j->bridged);
	save(j, &j->peers);
	save(j, &j->tunnels);
}

static void tell_restored(struct journal *j, const char *file, int rc, unsigned restored, unsigned bad)
{
	if (rc || bad)
		log_event(j->log, LOG_STATE_DAMAGED, NULL, "%s/%s: %s", j->dir, file,
			  rc ? strerror(-rc) : "has invalid or outdated lines; ignored");
	if (restored)
		log_event(j->log, LOG_STATE_RESTORED, NULL, "%u %s restored from before the restart",
			  restored, file);
}

/* Writes the file at once, for lines can only be appended to one that exists. */
static void load_bridged(struct journal *j)
{
	unsigned bad;
	const int rc = state_load_bridged(j->dir, stale_sas_add, j->tables.stale_sas, &bad);

	if (rc == -EPERM)
		log_event(j->log, LOG_STATE_DAMAGED, NULL,
			  "%s/bridged: another user owns it or can write it; ignored", j->dir);
	else
		tell_restored(j, "bridged", rc, 0, bad);
	j->bridged.changed = j->tables.bridge || stale_sas_count(j->tables.stale_sas);
	save(j, &j->bridged);
}

static void load_all(struct journal *j)
{
	unsigned restored, bad;
	int rc = state_load_peers(j->dir, j->tables.ike, clock_now_ms(), &restored, &bad);

	tell_restored(j, "peers", rc, restored, bad);
	rc = state_load_tunnels(j->dir, j->tables.l2tp, clock_now_ms(), &restored, &bad);
	tell_restored(j, "tunnels", rc, restored, bad);
	load_bridged(j);
}

struct journal *journal_open(const char *dir, struct log *log, struct files *files,
			     const struct journal_tables *tables)
{
	struct journal *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	*j = (struct journal){.dir = strdup(dir),
			      .log = log,
			      .files = files,
			      .tables = *tables,
			      .peers = {.target = FILES_PEERS, .name = "peers"},
			      .tunnels = {.target = FILES_TUNNELS, .name = "tunnels"},
			      .bridged = {.target = FILES_BRIDGED, .name = "bridged"}};
	if (!j->dir) {
		free(j);
		return NULL;
	}
	load_all(j);
	return j;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	journal_tick(j);
	free(j->dir);
	free(j);
}
