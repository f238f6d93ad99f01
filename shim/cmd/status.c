/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim status: what the running daemon tells over its control socket, as a table or as the JSON it came in. */
#include "shim/cmd/cmd.h"
#include "shim/daemon/control.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *span(json_int_t seconds, char out[static 24])
{
	if (seconds < 60)
		snprintf(out, 24, "%" JSON_INTEGER_FORMAT "s", seconds);
	else if (seconds < 3600)
		snprintf(out, 24, "%" JSON_INTEGER_FORMAT "m%02" JSON_INTEGER_FORMAT "s", seconds / 60,
			 seconds % 60);
	else
		snprintf(out, 24, "%" JSON_INTEGER_FORMAT "h%02" JSON_INTEGER_FORMAT "m", seconds / 3600,
			 seconds / 60 % 60);
	return out;
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

/* 999, 1.2K, 34M */
static const char *amount(json_int_t bytes, char out[static 24])
{
	static const char units[] = " KMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 999.5 && unit + 2 < sizeof units; unit++)
		value /= 1000;
	if (unit == 0)
		snprintf(out, 24, "%" JSON_INTEGER_FORMAT, bytes);
	else
		snprintf(out, 24, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return out;
}

/* "idle in 9m40s", "closed, told 3 times", "never" */
static const char *ending(const json_t *session, char out[static 64])
{
	const json_t *in_s = json_object_get(session, "ends_in_s");
	const json_int_t attempts = number_of(session, "attempts");
	const char *hello =
		json_is_true(json_object_get(session, "hello_absorbed")) ? "; HELLO answered for it" : "";
	char in[24];

	if (attempts)
		snprintf(out, 64, "%s, told %s%s", text_of(session, "ends_why"),
			 attempts == 1 ? "the stack" : "the stack again", hello);
	else if (json_is_integer(in_s))
		snprintf(out, 64, "%s in %s%s", text_of(session, "ends_why"),
			 span(json_integer_value(in_s), in), hello);
	else
		snprintf(out, 64, "by itself only%s", hello);
	return out;
}

static void print_session(const json_t *s)
{
	char peer[80], idle[24], age[24], in[24], out[24], ends[64];
	const char *address = text_of(s, "peer");
	const char *error = json_string_value(json_object_get(s, "error"));

	if (!number_of(s, "port"))
		snprintf(peer, sizeof peer, "%s", address);
	else
		snprintf(peer, sizeof peer, strchr(address, ':') ? "[%s]:%d" : "%s:%d", address,
			 (int)number_of(s, "port"));
	printf("%-22s %-10s %-3s %5d %-7s %6s %6s %6s %6s  %s\n", peer, text_of(s, "dialect"),
	       json_is_true(json_object_get(s, "nat")) ? "yes" : "no", (int)number_of(s, "l2tp_port"),
	       text_of(s, "state"), span(number_of(s, "age_s"), age), span(number_of(s, "idle_s"), idle),
	       amount(number_of(s, "bytes_in"), in), amount(number_of(s, "bytes_out"), out), ending(s, ends));
	if (error)
		printf("    %s\n", error);
}

static void print_sessions(const json_t *sessions)
{
	size_t i;
	json_t *s;

	if (!json_array_size(sessions)) {
		printf("sessions: none\n");
		return;
	}
	printf("%-22s %-10s %-3s %5s %-7s %6s %6s %6s %6s  %s\n", "PEER", "DIALECT", "NAT", "L2TP", "STATE",
	       "AGE", "IDLE", "IN", "OUT", "WILL END");
	json_array_foreach(sessions, i, s)
	{
		print_session(s);
	}
}

static void print_peers(const json_t *peers)
{
	char age[24];
	size_t i;
	json_t *p;

	if (json_array_size(peers))
		printf("%-48s %-11s %s\n", "KNOWN PEER", "DIALECT", "SEEN");
	json_array_foreach(peers, i, p)
	{
		printf("%-48s %-11s %s ago\n", text_of(p, "peer"), text_of(p, "dialect"),
		       span(number_of(p, "age_s"), age));
	}
}

static void print_table(const json_t *status)
{
	char up[24];

	printf("natshim %s on %s, up %s, stack %s\n", text_of(status, "version"), text_of(status, "iface"),
	       span(number_of(status, "uptime_s"), up), text_of(status, "stack"));
	if (*text_of(status, "iface_absent"))
		printf("does not exist yet: %s\n", text_of(status, "iface_absent"));
	printf("\n");
	print_sessions(json_object_get(status, "sessions"));
	printf("\n");
	print_peers(json_object_get(status, "peers"));
	printf("counters (those that are not 0)\n");
	print_counters(json_object_get(status, "counters"), "  ");
}

static int show(const char *path, bool as_json, bool clear)
{
	char error[CONTROL_ERROR_MAX];
	json_error_t why;
	json_t *status;
	char *text;

	if (control_ask(path, CONTROL_STATUS, "", &text, error)) {
		fprintf(stderr, "natshim: status: %s\n", error);
		return EXIT_FAILED;
	}
	if (clear && isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	status = json_loads(text, 0, &why);
	if (as_json)
		puts(text);
	else if (status)
		print_table(status);
	else
		fprintf(stderr, "natshim: status: the answer is not JSON: %s\n", why.text);
	free(text);
	json_decref(status);
	return status && !fflush(stdout) ? EXIT_DONE : EXIT_FAILED;
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
	do {
		rc = show(path, as_json, watch && !as_json);
	} while (watch && rc == EXIT_DONE && !sleep(1));
	return rc;
}
