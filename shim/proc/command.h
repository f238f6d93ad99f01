/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running another program: an argument vector (never a shell), a time limit, its output caught up to a bound.
 * The child gets stdin, stdout and stderr and no other descriptor of ours, default signals, and a process
 * group of its own, which is killed as a whole when the time is over. Two ways: command_run() waits;
 * command_start() gives one descriptor that an event loop can watch, so that a program that hangs holds up
 * nobody. */
#ifndef NATSHIM_SHIM_PROC_COMMAND_H
#define NATSHIM_SHIM_PROC_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct command_options {
	const void *input;   /* what it reads on stdin; NULL: /dev/null */
	size_t input_length; /* bytes */
	unsigned timeout_ms; /* 0: 5000 */
	size_t output_max; /* bytes kept of stdout and of stderr each; the rest is read and thrown away. 0: 64
			      KiB */
};

struct command_output {
	char *text; /* never NULL in a result; zero-terminated behind length bytes (which may contain zeros)
		     */
	size_t length; /* bytes */
	bool cut;      /* there was more than output_max */
};

struct command_result {
	bool timed_out; /* killed by us, the time was over */
	int status;     /* exit status, or -1 when it did not exit by itself */
	int signal;     /* the signal that ended it, or 0 */
	struct command_output out, err;
};

/* argv[0] is looked up in PATH if it has no slash; argv ends with NULL. options: NULL for all defaults. 0, or
 * -errno when the program could not be started (-ENOENT: there is none); then *result is empty. A program
 * that was started and failed is no error here: look at *result. The caller frees with command_result_clear(),
 * after an error too if he likes. */
int command_run(const char *const argv[], const struct command_options *options,
		struct command_result *result);
void command_result_clear(struct command_result *result);
/* It ran to its end and said 0. */
bool command_succeeded(const struct command_result *result);

struct command;

/* The same without waiting. On 0 *out is the caller's, to be ended by command_finish(). */
int command_start(struct command **out, const char *const argv[], const struct command_options *options);
int command_fd(const struct command *command); /* readable: call command_step() */
bool command_step(struct command *command);    /* handles what is ready, never blocks; true: it has ended */
/* Moves the result out and frees the child; one that still runs is killed (and counts as timed out). result
 * may be NULL. */
void command_finish(struct command *command, struct command_result *result);
pid_t command_pid(const struct command *command);

#endif
