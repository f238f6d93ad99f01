/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which debug lines are written, and how: by subject, and for the journal as debug. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "shim/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const enum log_event debug_event[LOG_SUBJECTS] = {[LOG_OF_PACKETS] = LOG_REWRITTEN,
							 [LOG_OF_SESSIONS] = LOG_SESSION_STAYS,
							 [LOG_OF_XFRM] = LOG_XFRM_EVENT,
							 [LOG_OF_BRIDGE] = LOG_PACKET_HELD,
							 [LOG_OF_RULES] = LOG_SET_CHANGED};

/* What one event writes to standard error. The caller frees it. */
static char *written(struct log *log, enum log_event event)
{
	char *text = calloc(1, 256);
	FILE *file = tmpfile();
	const int saved = dup(STDERR_FILENO);

	assert_non_null(text);
	assert_non_null(file);
	fflush(stderr);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	log_event(log, event, NULL, "%s", "what happened");
	fflush(stderr);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	rewind(file);
	text[fread(text, 1, 255, file)] = '\0';
	fclose(file);
	return text;
}

static bool writes(struct log *log, enum log_event event)
{
	char *text = written(log, event);
	const bool any = strstr(text, "what happened") != NULL;

	assert_int_equal(any, log_wants(log, event));
	free(text);
	return any;
}

static void each_subject_has_its_own_lines(void **state)
{
	(void)state;
	for (unsigned wanted = 0; wanted < LOG_SUBJECTS; wanted++) {
		struct log log;

		log_open(&log, LOG_SUBJECT_BIT(wanted), false);
		for (unsigned subject = 0; subject < LOG_SUBJECTS; subject++)
			assert_int_equal(writes(&log, debug_event[subject]), subject == wanted);
		assert_true(writes(&log, LOG_READY)); /* no debug line */
	}
}

static void without_subjects_no_debug_lines(void **state)
{
	struct log log;

	(void)state;
	log_open(&log, 0, false);
	for (unsigned subject = 0; subject < LOG_SUBJECTS; subject++)
		assert_false(writes(&log, debug_event[subject]));
	assert_true(writes(&log, LOG_READY));
}

/* For one release: whoever still looks for the ID of the last one finds it. */
static void a_renamed_event_has_both_ids(void **state)
{
	struct log log;
	char *text;

	(void)state;
	log_open(&log, 0, true);
	text = written(&log, LOG_XFRM_PROCESS_DIED);
	assert_non_null(
		strstr(text, "\"event\":\"xfrm-process-died\",\"former_event\":\"keys-process-died\""));
	free(text);
	text = written(&log, LOG_READY);
	assert_non_null(strstr(text, "\"event\":\"ready\""));
	assert_null(strstr(text, "former_event"));
	free(text);
}

static void the_journal_gets_debug(void **state)
{
	struct log log;
	char *text;

	(void)state;
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_open(&log, LOG_SUBJECT_BIT(LOG_OF_XFRM), false);
	unsetenv("JOURNAL_STREAM");
	text = written(&log, LOG_XFRM_EVENT);
	assert_string_equal(text, "<7>what happened\n");
	free(text);
	text = written(&log, LOG_READY);
	assert_string_equal(text, "<5>what happened\n");
	free(text);
}

static void json_says_debug(void **state)
{
	struct log log;
	char *text;

	(void)state;
	log_open(&log, LOG_SUBJECT_BIT(LOG_OF_SESSIONS), true);
	text = written(&log, LOG_SESSION_STAYS);
	assert_non_null(strstr(text, "\"event\":\"session-stays\",\"severity\":\"debug\""));
	free(text);
}

static void subjects_by_name(void **state)
{
	static const struct {
		const char *text;
		unsigned subjects;
	} good[] = {
		{"no", 0},
		{"yes", LOG_SUBJECT_BIT(LOG_OF_PACKETS)},
		{"packets", LOG_SUBJECT_BIT(LOG_OF_PACKETS)},
		{"xfrm,sessions", LOG_SUBJECT_BIT(LOG_OF_XFRM) | LOG_SUBJECT_BIT(LOG_OF_SESSIONS)},
		{"bridge,rules,bridge", LOG_SUBJECT_BIT(LOG_OF_BRIDGE) | LOG_SUBJECT_BIT(LOG_OF_RULES)},
		{"all", LOG_SUBJECT_BIT(LOG_SUBJECTS) - 1},
	};
	static const char *const bad[] = {"",  "packet",      "packets,", ",packets", "packets, xfrm",
					  "7", "xfrm,no-such"};
	unsigned subjects;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		subjects = 0xff;
		assert_true(log_parse_subjects(good[i].text, &subjects));
		assert_int_equal(subjects, good[i].subjects);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		subjects = 0xff;
		assert_false(log_parse_subjects(bad[i], &subjects));
		assert_int_equal(subjects, 0xff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_subject_has_its_own_lines),
		cmocka_unit_test(without_subjects_no_debug_lines),
		cmocka_unit_test(a_renamed_event_has_both_ids),
		cmocka_unit_test(the_journal_gets_debug),
		cmocka_unit_test(json_says_debug),
		cmocka_unit_test(subjects_by_name),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
