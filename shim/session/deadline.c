/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deadlines of the sessions as a binary heap, soonest first. A deadline is a time at which to look, and may
 * come too early: a sign of life moves what the rules would say, not the heap, so that a fact costs no more
 * than O(1). */
#include "shim/session/table.h"

#include <stdlib.h>

static uint64_t due_at(const struct session_table *table, size_t slot)
{
	return table_session(table, table->due[slot])->due;
}

static void put(struct session_table *table, size_t slot, uint32_t session)
{
	table->due[slot] = session;
	table_session(table, session)->due_slot = (uint32_t)slot;
}

static void sift_up(struct session_table *table, size_t slot)
{
	const uint32_t session = table->due[slot];
	const uint64_t due = table_session(table, session)->due;

	for (; slot > 1 && due_at(table, slot / 2) > due; slot /= 2)
		put(table, slot, table->due[slot / 2]);
	put(table, slot, session);
}

static void sift_down(struct session_table *table, size_t slot)
{
	const uint32_t session = table->due[slot];
	const uint64_t due = table_session(table, session)->due;

	for (size_t child; (child = slot * 2) <= table->due_count; slot = child) {
		if (child < table->due_count && due_at(table, child + 1) < due_at(table, child))
			child++;
		if (due_at(table, child) >= due)
			break;
		put(table, slot, table->due[child]);
	}
	put(table, slot, session);
}

int deadline_add(struct session_table *table, uint32_t session)
{
	if (table->due_count + 1 >= table->due_capacity) {
		const size_t capacity =
			table->due_capacity ? table->due_capacity + table->due_capacity / 2 : 64;
		uint32_t *due = realloc(table->due, capacity * sizeof *due);

		if (!due)
			return -1;
		table->due = due;
		table->due_capacity = capacity;
	}
	put(table, ++table->due_count, session);
	sift_up(table, table->due_count);
	return 0;
}

void deadline_remove(struct session_table *table, uint32_t session)
{
	const size_t slot = table_session(table, session)->due_slot;
	const uint32_t last = table->due[table->due_count--];

	if (slot > table->due_count)
		return;
	put(table, slot, last);
	sift_down(table, slot);
	sift_up(table, table_session(table, last)->due_slot);
}

void deadline_set(struct session_table *table, uint32_t session, uint64_t due)
{
	struct session *s = table_session(table, session);
	const uint64_t before = s->due;

	s->due = due;
	if (due < before)
		sift_up(table, s->due_slot);
	else
		sift_down(table, s->due_slot);
}
