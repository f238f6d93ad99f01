/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim status: what the running daemon tells over its control socket: for people, whole as text, or as the JSON it came in. */
#include "shim/cmd/cmd.h"
#include "shim/cmd/watch.h"
#include "shim/daemon/control.h"
#include "shim/status/layout.h"

#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

/* For a terminal: one line a client, and of all else what is out of the ordinary. */
static void print_for_people(struct status *status, unsigned width)
{
	struct layout layout;
	char age[LAYOUT_SPAN_MAX];

	layout_summary(stdout, status, width);
	puts("");
	if (*status->iface_absent)
		printf("does not exist yet: %s\n", status->iface_absent);
	if (*status->trouble)
		printf("look at: %s\n", status->trouble);
	if (status->client_count) {
		puts("");
		layout_choose(&layout, status, width, false);
		layout_heading(stdout, &layout);
		puts("");
	}
	status_sort(status, STATUS_BY_END);
	for (size_t i = 0; i < status->client_count; i++) {
		layout_client(stdout, &layout, &status->clients[i]);
		puts("");
	}
	for (size_t i = 0; i < status->peer_count; i++)
		if (!status->peers[i].connected)
			printf("known, not connected: %s (%s, %s ago)\n", status->peers[i].peer,
			       status->peers[i].dialect, layout_span(status->peers[i].age_s, age));
}

static void print_counters(const json_t *counters, const char *indent)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)counters, key, value)
	{
		if (json_is_object(value)) {
			printf("%s%s\n", indent, key);
			print_counters(value, "    ");
		} else if (json_integer_value(value)) {
			printf("%s%-28s %12" JSON_INTEGER_FORMAT "\n", indent, key,
			       json_integer_value(value));
		}
	}
}

static void print_sessions(const struct status *status)
{
	struct layout layout;

	if (!status->client_count) {
		printf("sessions: none\n");
		return;
	}
	layout_choose(&layout, status, LAYOUT_ANY_WIDTH, false);
	layout_heading(stdout, &layout);
	puts("");
	for (size_t i = 0; i < status->client_count; i++) {
		layout_client(stdout, &layout, &status->clients[i]);
		puts("");
		if (*status->clients[i].error)
			printf("    %s\n", status->clients[i].error);
	}
}

/* For anything else: all of it, in a form that natshim(8) promises. */
static void print_whole(const struct status *status, const char *text)
{
	char span[LAYOUT_SPAN_MAX];
	json_t *root = json_loads(text, 0, NULL);

	printf("natshim %s on %s, up %s, stack %s\n", status->version, status->iface,
	       layout_span(status->uptime_s, span), status->stack);
	if (*status->iface_absent)
		printf("does not exist yet: %s\n", status->iface_absent);
	printf("\n");
	print_sessions(status);
	printf("\n");
	if (status->peer_count)
		printf("%-48s %-11s %s\n", "KNOWN PEER", "DIALECT", "SEEN");
	for (size_t i = 0; i < status->peer_count; i++)
		printf("%-48s %-11s %s ago\n", status->peers[i].peer, status->peers[i].dialect,
		       layout_span(status->peers[i].age_s, span));
	printf("counters (those that are not 0)\n");
	print_counters(json_object_get(root, "counters"), "  ");
	json_decref(root);
}

static bool print(const char *text)
{
	char error[STATUS_ERROR_MAX];
	struct status *status = status_read(text, error);

	if (!status) {
		fprintf(stderr, "natshim: status: %s\n", error);
		return false;
	}
	if (isatty(STDOUT_FILENO))
		print_for_people(status, watch_terminal_width(STDOUT_FILENO));
	else
		print_whole(status, text);
	status_free(status);
	return true;
}

static int show(const char *path, bool as_json)
{
	char error[CONTROL_ERROR_MAX], *text;
	bool done;

	if (control_ask(path, CONTROL_STATUS, "", &text, error)) {
		fprintf(stderr, "natshim: status: %s\n", error);
		return EXIT_FAILED;
	}
	done = as_json ? puts(text) != EOF : print(text);
	free(text);
	return done && !fflush(stdout) ? EXIT_DONE : EXIT_FAILED;
}

int cmd_status(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"watch", no_argument, NULL, 'w'},
						{"socket", required_argument, NULL, 's'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	const char *path = CONFIG_DEFAULT_STATE_DIR "/control.sock";
	bool as_json = false, watch = false;
	int c, rc;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			as_json = true;
			break;
		case 'w':
			watch = true;
			break;
		case 's':
			path = optarg;
			break;
		case 'h':
			puts("Usage: natshim status [--json] [--watch] [--socket PATH]");
			return EXIT_DONE;
		default:
			fprintf(stderr,
				"natshim: status: %s: not understood; expected --json, --watch or --socket "
				"PATH\n",
				argv[optind - 1]);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "natshim: status: %s: unexpected word\n", argv[optind]);
		return EXIT_USAGE;
	}
	if (watch && !as_json)
		return watch_status(path);
	do {
		rc = show(path, as_json);
	} while (watch && rc == EXIT_DONE && !sleep(1));
	return rc;
}
