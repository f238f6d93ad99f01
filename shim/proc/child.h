/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running another program: an argument vector (never a shell), a time limit, its output caught up to a bound.
 * The child gets stdin, stdout and stderr and no other descriptor of ours, default signals, and a process
 * group of its own, which is killed as a whole when the time is over. Two ways: child_run() waits;
 * child_start() gives one descriptor that an event loop can watch, so that a program that hangs holds up
 * nobody. */
#ifndef NATSHIM_SHIM_PROC_CHILD_H
#define NATSHIM_SHIM_PROC_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child_options {
	const void *input;   /* what it reads on stdin; NULL: /dev/null */
	size_t input_length; /* bytes */
	unsigned timeout_ms; /* 0: 5000 */
	size_t output_max; /* bytes kept of stdout and of stderr each; the rest is read and thrown away. 0: 64
			      KiB */
};

struct child_output {
	char *text; /* never NULL in a result; zero-terminated behind length bytes (which may contain zeros)
		     */
	size_t length; /* bytes */
	bool cut;      /* there was more than output_max */
};

struct child_result {
	bool timed_out; /* killed by us, the time was over */
	int status;     /* exit status, or -1 when it did not exit by itself */
	int signal;     /* the signal that ended it, or 0 */
	struct child_output out, err;
};

/* argv[0] is looked up in PATH if it has no slash; argv ends with NULL. options: NULL for all defaults. 0, or
 * -errno when the program could not be started (-ENOENT: there is none); then *result is empty. A program
 * that was started and failed is no error here: look at *result. The caller frees with child_result_clear(),
 * after an error too if he likes. */
int child_run(const char *const argv[], const struct child_options *options, struct child_result *result);
void child_result_clear(struct child_result *result);
/* It ran to its end and said 0. */
bool child_succeeded(const struct child_result *result);

struct child;

/* The same without waiting. On 0 *out is the caller's, to be ended by child_finish(). */
int child_start(struct child **out, const char *const argv[], const struct child_options *options);
int child_fd(const struct child *child); /* readable: call child_step() */
bool child_step(struct child *child);    /* handles what is ready, never blocks; true: it has ended */
/* Moves the result out and frees the child; one that still runs is killed (and counts as timed out). result
 * may be NULL. */
void child_finish(struct child *child, struct child_result *result);
pid_t child_pid(const struct child *child);

#endif
