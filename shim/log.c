/* Lines on stderr, rate-limited. */
#include "shim/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void log_open(struct log *log, bool verbose)
{
	*log = (struct log){.verbose = verbose, .journal = getenv("JOURNAL_STREAM") != NULL};
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
}

static void put(const struct log *log, enum log_level level, const char *text)
{
	if (log->journal)
		fprintf(stderr, "<%d>%s\n", (int)level, text);
	else
		fprintf(stderr, "natshim: %s\n", text);
}

/* True while the present second's burst is not used up. Errors always pass. */
static bool may_write(struct log *log, enum log_level level)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((uint64_t)now.tv_sec != log->second) {
		char text[64];

		if (log->suppressed) {
			snprintf(text, sizeof text, "%u more lines were left out", log->suppressed);
			put(log, LOG_LEVEL_NOTICE, text);
		}
		log->second = (uint64_t)now.tv_sec;
		log->lines = 0;
		log->suppressed = 0;
	}
	if (log->lines++ < LOG_LINES_PER_SECOND ||
	    (level == LOG_LEVEL_ERROR && log->lines < 2 * LOG_LINES_PER_SECOND))
		return true;
	log->suppressed++;
	return false;
}

void log_line(struct log *log, enum log_level level, const char *format, ...)
{
	char text[512];
	va_list arguments;

	if ((level == LOG_LEVEL_DEBUG && !log->verbose) || !may_write(log, level))
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	put(log, level, text);
}
