/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/daemon/daemon: what happens, in this order, when the table of aliases goes. With its base chains the kernel drops all that waits
 * in the queues (nfq/queue.h), so nothing may. The rest of the daemon is played by this file (Makefile: --wrap). */
#include "shim/daemon/daemon.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* NOLINTBEGIN(bugprone-reserved-identifier) */
static bool packets_wait, bridge_waits, unload, drained;
static unsigned unloaded;

void __wrap_packets_allow_waiting(struct packets *packets, bool allowed);
void __wrap_bridge_mode_allow_waiting(struct bridge_mode *b, bool allowed);
bool __wrap_aliases_tick(struct aliases *aliases);
void __wrap_aliases_unload(struct aliases *aliases);
void __wrap_queues_drain(struct queues *queues, unsigned timeout_ms);
void __wrap_ruleset_upkeep_tick(struct ruleset_upkeep *upkeep);
void __wrap_journal_tick(struct journal *journal);
struct journal *__wrap_packets_journal(struct packets *packets);
void __wrap_parent_tell(struct parent *parent, enum parent_word word);

void __wrap_packets_allow_waiting(struct packets *packets, bool allowed)
{
	(void)packets;
	packets_wait = allowed;
}

void __wrap_bridge_mode_allow_waiting(struct bridge_mode *b, bool allowed)
{
	(void)b;
	bridge_waits = allowed;
}

bool __wrap_aliases_tick(struct aliases *aliases)
{
	(void)aliases;
	return unload;
}

void __wrap_aliases_unload(struct aliases *aliases)
{
	(void)aliases;
	assert_false(packets_wait);
	assert_false(bridge_waits);
	assert_true(drained);
	unloaded++;
}

void __wrap_queues_drain(struct queues *queues, unsigned timeout_ms)
{
	(void)queues;
	(void)timeout_ms;
	assert_false(packets_wait); /* else it would let some wait meanwhile */
	assert_false(bridge_waits);
	drained = true;
}

void __wrap_ruleset_upkeep_tick(struct ruleset_upkeep *upkeep)
{
	(void)upkeep;
}

void __wrap_journal_tick(struct journal *journal)
{
	(void)journal;
}

struct journal *__wrap_packets_journal(struct packets *packets)
{
	(void)packets;
	return NULL;
}

void __wrap_parent_tell(struct parent *parent, enum parent_word word)
{
	(void)parent;
	(void)word;
}

/* NOLINTEND(bugprone-reserved-identifier) */

static void nothing_waits_when_the_aliases_go(void **state)
{
	struct daemon d = {.ticks = 1};

	(void)state;
	packets_wait = bridge_waits = true;
	for (unsigned tick = 0; tick < 3; tick++) {
		unload = tick == 1;
		on_tick(-1, 0, &d);
		assert_int_equal(unloaded, tick >= 1);
		assert_int_equal(drained, tick >= 1);
		assert_true(packets_wait);
		assert_true(bridge_waits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_waits_when_the_aliases_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
