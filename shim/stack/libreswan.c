/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libreswan through its own program whack: states are found by their SPIs and deleted by their numbers, children first, the
 * IKE state only when it has no child left. Never by name, ID or address: those take other clients with them. Whack's
 * binary protocol changes with every version, so the program is run. */
#include "shim/proc/command.h"
#include "shim/stack/stack.h"
#include "shim/stack/whack.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_MAX ((size_t)64 * 1024 * 1024) /* 10,000 clients with the connection list are 20 MB */
#define NUMBER_TEXT 24
#define ARGUMENTS 8

static void say(char text[static STACK_TEXT_MAX], const char *what, const char *why)
{
	snprintf(text, STACK_TEXT_MAX, "%s: %.*s", what, (int)strcspn(why, "\r\n"), why);
}

/* The program itself where it can be found: the "ipsec" script around it costs a shell for each command. */
static void whack_command(const struct stack_options *options, const char *command, const char *number,
			  const char *argv[ARGUMENTS])
{
	static const char *const programs[] = {"/usr/libexec/ipsec/whack", "/usr/lib/ipsec/whack",
					       "/usr/local/libexec/ipsec/whack"};
	size_t n = 0;

	for (size_t i = 0; !options->ipsec_path && i < sizeof programs / sizeof *programs && n == 0; i++)
		if (access(programs[i], X_OK) == 0)
			argv[n++] = programs[i];
	if (n == 0) {
		argv[n++] = options->ipsec_path ? options->ipsec_path : "ipsec";
		argv[n++] = "whack";
	}
	if (options->pluto_ctl) {
		argv[n++] = "--ctlsocket";
		argv[n++] = options->pluto_ctl;
	}
	argv[n++] = command;
	argv[n++] = number;
}

/* As command_run(), but the program is killed when nobody waits for the answer any more. */
static int run(const struct stack_options *options, const char *const argv[],
	       const struct command_options *limits, struct command_result *result)
{
	struct command *command;
	const int rc = command_start(&command, argv, limits);

	if (rc) {
		*result = (struct command_result){.status = -1};
		return rc;
	}
	struct pollfd fds[] = {{.fd = command_fd(command), .events = POLLIN}, {.fd = options->hangup_fd - 1}};

	while (!command_step(command) && !(fds[1].revents & (POLLHUP | POLLERR)))
		poll(fds, 2, -1);
	command_finish(command, result);
	return 0;
}

/* 0, or -errno with the program's own words in text. The caller clears result. */
static int run_whack(const struct stack_options *options, const char *command, const char *number,
		     struct command_result *result, char text[static STACK_TEXT_MAX])
{
	const struct command_options limits = {.timeout_ms = options->timeout_ms, .output_max = OUTPUT_MAX};
	const char *argv[ARGUMENTS] = {NULL};
	char what[64];
	int rc;

	snprintf(what, sizeof what, "whack %s%s%s", command, number ? " " : "", number ? number : "");
	whack_command(options, command, number, argv);
	rc = run(options, argv, &limits, result);
	if (rc) {
		snprintf(text, STACK_TEXT_MAX, "%s: cannot run %s: %s", what, argv[0], strerror(-rc));
	} else if (result->timed_out) {
		snprintf(text, STACK_TEXT_MAX, "%s: no answer within %u ms", what,
			 options->timeout_ms ? options->timeout_ms : 5000);
		rc = -ETIMEDOUT;
	} else if (!command_succeeded(result)) {
		say(text, what,
		    result->err.length   ? result->err.text
		    : result->out.length ? result->out.text
					 : "failed");
		rc = -EIO;
	}
	return rc;
}

/* ---- the states -------------------------------------------------------------------------------------------------- */

struct states {
	struct whack_line *lines;
	size_t count, capacity;
	const struct endpoint *peer; /* only this address; NULL: all */
	bool out_of_memory;
};

static bool wanted(const struct states *states, const struct whack_line *line)
{
	if (line->kind == WHACK_ID || !states->peer || !line->peer.addr_len)
		return true;
	return endpoint_same_host(&line->peer, states->peer);
}

static void keep(void *ctx, const struct whack_line *line)
{
	struct states *states = ctx;

	if (!wanted(states, line))
		return;
	if (states->count == states->capacity) {
		const size_t capacity = states->capacity ? states->capacity * 2 : 64;
		struct whack_line *lines = realloc(states->lines, capacity * sizeof *lines);

		if (!lines) {
			states->out_of_memory = true;
			return;
		}
		states->lines = lines;
		states->capacity = capacity;
	}
	states->lines[states->count++] = *line;
}

static int read_states(const struct stack_options *options, const char *command, struct states *states,
		       const struct endpoint *peer, char text[static STACK_TEXT_MAX])
{
	struct command_result result;
	int rc = run_whack(options, command, NULL, &result, text);

	*states = (struct states){.peer = peer};
	if (!rc) {
		whack_parse(result.out.text, result.out.length, keep, states);
		if (result.out.cut || states->out_of_memory) {
			say(text, command, "too many states to read");
			free(states->lines);
			rc = -E2BIG;
		}
	}
	command_result_clear(&result);
	return rc;
}

static const struct whack_line *find(const struct states *states, enum whack_kind kind, uint64_t number)
{
	for (size_t i = 0; i < states->count; i++)
		if (states->lines[i].kind == kind && states->lines[i].number == number)
			return &states->lines[i];
	return NULL;
}

/* ---- list -------------------------------------------------------------------------------------------------------- */

static void add_child(struct stack_ike_sa *ike, const struct whack_line *sas)
{
	if (ike->child_count < STACK_SAS_MAX)
		ike->spis_in[ike->child_count] = sas->spi_in;
	ike->child_count++;
}

static void name_it(const struct states *states, const char *connection, char id[static STACK_ID_MAX])
{
	for (size_t i = 0; i < states->count; i++)
		if (states->lines[i].kind == WHACK_ID && !strcmp(states->lines[i].connection, connection))
			snprintf(id, STACK_ID_MAX, "%s", states->lines[i].id);
}

/* Children belong to the connection instance, which is what has the ID; their IKE SA may be gone already. */
static void report_state(const struct states *states, const struct whack_line *state,
			 const struct stack_report *report)
{
	struct stack_ike_sa ike = {.peer = state->peer, .number = state->number};

	name_it(states, state->connection, ike.id);
	for (size_t i = 0; i < states->count; i++) {
		const struct whack_line *sas = &states->lines[i];
		const struct whack_line *child =
			sas->kind == WHACK_SAS ? find(states, WHACK_STATE, sas->number) : NULL;

		if (child && (child->parent == state->number || child == state))
			add_child(&ike, sas);
	}
	report->ike_sa(report->ctx, &ike);
}

static int libreswan_list(const struct stack_options *options, const struct endpoint *peer,
			  const struct stack_report *report, char text[static STACK_TEXT_MAX])
{
	struct states states;
	int rc = read_states(options, "--status", &states, peer, text);

	if (rc)
		return rc;
	for (size_t i = 0; i < states.count; i++) {
		const struct whack_line *state = &states.lines[i];
		const bool orphan = state->parent && !find(&states, WHACK_STATE, state->parent);

		if (state->kind == WHACK_STATE && state->established && state->peer.addr_len &&
		    (!state->quick || orphan))
			report_state(&states, state, report);
	}
	free(states.lines);
	return 0;
}

/* ---- end --------------------------------------------------------------------------------------------------------- */

#define TARGETS_MAX ((size_t)2 * STACK_SAS_MAX)
struct targets {
	uint64_t children[TARGETS_MAX], parents[TARGETS_MAX];
	size_t child_count, parent_count;
	bool deleted; /* one of them was there to be deleted */
};

static void add_once(uint64_t numbers[static TARGETS_MAX], size_t *count, uint64_t number)
{
	for (size_t i = 0; i < *count; i++)
		if (numbers[i] == number)
			return;
	if (number && *count < TARGETS_MAX)
		numbers[(*count)++] = number;
}

static bool is_meant(const struct stack_end_request *request, const struct whack_line *sas)
{
	for (uint32_t i = 0; i < request->sa_count; i++)
		if (request->sas[i].spi == (request->sas[i].outbound ? sas->spi_out : sas->spi_in))
			return true;
	return false;
}

static void find_targets(const struct states *states, const struct stack_end_request *request,
			 struct targets *targets)
{
	for (size_t i = 0; i < states->count; i++) {
		const struct whack_line *sas = &states->lines[i];

		if (sas->kind != WHACK_SAS || !is_meant(request, sas))
			continue;
		const struct whack_line *child = find(states, WHACK_STATE, sas->number);

		add_once(targets->children, &targets->child_count, sas->number);
		add_once(targets->parents, &targets->parent_count, child ? child->parent : 0);
	}
}

/* Of exactly this address and port. */
static void find_ike_states(const struct states *states, const struct endpoint *peer, struct targets *targets)
{
	for (size_t i = 0; i < states->count; i++) {
		const struct whack_line *line = &states->lines[i];

		if (line->kind == WHACK_STATE && line->established && !line->quick &&
		    line->peer.port == peer->port && endpoint_same_host(&line->peer, peer))
			add_once(targets->parents, &targets->parent_count, line->number);
	}
}

/* Quick Modes under way, likewise. */
static void find_half_way(const struct states *states, const struct endpoint *peer, struct targets *targets)
{
	for (size_t i = 0; i < states->count; i++) {
		const struct whack_line *line = &states->lines[i];

		if (line->kind == WHACK_STATE && !line->established && line->quick &&
		    line->peer.port == peer->port && endpoint_same_host(&line->peer, peer))
			add_once(targets->children, &targets->child_count, line->number);
	}
}

static bool is_target(const struct targets *targets, uint64_t child)
{
	for (size_t i = 0; i < targets->child_count; i++)
		if (targets->children[i] == child)
			return true;
	return false;
}

/* Another one than those that are to go. A Quick Mode that is still under way does not name its parent, so any one of the
 * same instance counts. */
static bool has_child(const struct states *states, const struct whack_line *ike,
		      const struct targets *targets)
{
	for (size_t i = 0; i < states->count; i++) {
		const struct whack_line *line = &states->lines[i];

		if (line->kind != WHACK_STATE || !line->quick || is_target(targets, line->number))
			continue;
		if (line->parent == ike->number)
			return true;
		if (!line->parent && !strcmp(line->connection, ike->connection) &&
		    line->peer.port == ike->peer.port)
			return true;
	}
	return false;
}

/* A state that is gone already is as good as deleted. */
static int delete_state(const struct stack_options *options, uint64_t number, struct targets *targets,
			char text[static STACK_TEXT_MAX])
{
	struct command_result result;
	char digits[NUMBER_TEXT];
	bool had_gone;
	int rc;

	snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
	rc = run_whack(options, "--deletestate", digits, &result, text);
	had_gone = rc == -EIO && result.out.length && strstr(result.out.text, "no state #");
	if (had_gone || (rc == -EIO && result.out.length && strstr(result.out.text, "deleting state")))
		rc = 0;
	targets->deleted |= !rc && !had_gone;
	command_result_clear(&result);
	return rc;
}

/* Deleting an IKE state leaves its other children alone, so one look at the states is enough unless there were some. */
static int delete_parents(const struct stack_options *options, const struct states *states,
			  struct targets *targets, char text[static STACK_TEXT_MAX])
{
	int rc = 0;

	for (size_t i = 0; i < targets->parent_count && !rc; i++) {
		const struct whack_line *ike = find(states, WHACK_STATE, targets->parents[i]);

		if (ike && !has_child(states, ike, targets))
			rc = delete_state(options, ike->number, targets, text);
	}
	return rc;
}

/* A child that pluto was slow to delete may be gone all the same, and its IKE state must not be left behind then: where
 * that is not known, the states are read again. */
static int delete_again(const struct stack_options *options, const struct stack_end_request *request,
			const struct targets *targets, char text[static STACK_TEXT_MAX])
{
	struct targets left = {.child_count = 0};
	struct states states;
	int rc = read_states(options, "--showstates", &states, &request->peer, text);

	if (rc)
		return rc;
	find_targets(&states, request, &left);
	left.parent_count = targets->parent_count;
	memcpy(left.parents, targets->parents, sizeof left.parents);
	for (size_t i = 0; i < left.child_count && !rc; i++)
		rc = delete_state(options, left.children[i], &left, text);
	if (!rc)
		rc = delete_parents(options, &states, &left, text);
	free(states.lines);
	return rc;
}

static int libreswan_end(const struct stack_options *options, const struct stack_end_request *request,
			 char text[static STACK_TEXT_MAX])
{
	struct targets targets = {.child_count = 0};
	struct states states;
	int rc = read_states(options, "--showstates", &states, &request->peer, text);

	if (rc)
		return rc;
	find_targets(&states, request, &targets);
	if (request->quick_too)
		find_half_way(&states, &request->peer, &targets);
	if (request->ike_sa_too)
		find_ike_states(&states, &request->peer, &targets);
	for (size_t i = 0; i < targets.child_count && !rc; i++)
		rc = delete_state(options, targets.children[i], &targets, text);
	if (!rc)
		rc = delete_parents(options, &states, &targets, text);
	free(states.lines);
	if (!targets.child_count &&
	    !rc) /* pluto knows nothing of these SAs: left over in the kernel, or gone meanwhile */
		rc = stack_xfrm.end(options, request, text);
	else if (!rc && !targets.deleted)
		rc = STACK_NOTHING;
	if (rc == STACK_NOTHING && targets.deleted) /* the ISAKMP SA was left */
		rc = 0;
	return rc == -ETIMEDOUT ? delete_again(options, request, &targets, text) : rc;
}

/* ---- detect ------------------------------------------------------------------------------------------------------ */

/* By the pid file beside its socket: connecting to the socket would make pluto complain about an empty command. */
static int libreswan_detect(const struct stack_options *options, char text[static STACK_TEXT_MAX])
{
	const char *ctl = options->pluto_ctl ? options->pluto_ctl : "/run/pluto/pluto.ctl";
	const int directory = (int)(strrchr(ctl, '/') ? strrchr(ctl, '/') - ctl : 0);
	char path[256], process[64];
	long pid = 0;

	snprintf(path, sizeof path, "%.*s/pluto.pid", directory, ctl);
	FILE *file = fopen(path, "re");

	if (file) {
		if (fgets(process, sizeof process, file))
			pid = strtol(process, NULL, 10);
		fclose(file);
	}
	snprintf(process, sizeof process, "/proc/%ld", pid);
	if (pid > 0 && access(ctl, F_OK) == 0 && access(process, F_OK) == 0)
		return 0;
	snprintf(text, STACK_TEXT_MAX, "libreswan's pluto does not run (%.120s)", path);
	return -ESRCH;
}

const struct stack_backend stack_libreswan = {
	.kind = STACK_LIBRESWAN,
	.detect = libreswan_detect,
	.list = libreswan_list,
	.end = libreswan_end,
};
