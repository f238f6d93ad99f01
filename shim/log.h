/* One line an event, on stderr, with a syslog priority in front where systemd's journal reads it. At most a burst of lines
 * a second, and then one that says how many were left out: a flood of packets must not become a flood of lines. */
#ifndef NATSHIM_SHIM_LOG_H
#define NATSHIM_SHIM_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_NOTICE = 5, LOG_LEVEL_DEBUG = 7 };

struct log {
	bool verbose;    /* debug lines too */
	bool journal;    /* "<5>" in front of each line */
	uint64_t second; /* of the present burst, CLOCK_MONOTONIC */
	unsigned lines;  /* in it */
	unsigned suppressed;
};

#define LOG_LINES_PER_SECOND 50

void log_open(struct log *log, bool verbose);
void log_line(struct log *log, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
