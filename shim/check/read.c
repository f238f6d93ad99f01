/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the readers share: files, programs, sysctls. */
#include "shim/check/read.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUT_MAX (4u << 20)
#define TIMEOUT_MS 10000

char *check_read_file(const char *path, char blind[static FACTS_TEXT])
{
	FILE *in = fopen(path, "re");
	struct stat st;
	char *text;
	size_t n;

	if (!in || fstat(fileno(in), &st) || !S_ISREG(st.st_mode)) {
		snprintf(blind, FACTS_TEXT, "%.120s: %.60s", path, in ? "is no file" : strerror(errno));
		if (in)
			fclose(in);
		return NULL;
	}
	text = malloc(CHECK_FILE_MAX + 1);
	n = text ? fread(text, 1, CHECK_FILE_MAX, in) : 0;
	if (text)
		text[n] = '\0';
	else
		snprintf(blind, FACTS_TEXT, "out of memory");
	fclose(in);
	return text;
}

bool check_read_output(const char *const argv[], struct command_result *result, char blind[static FACTS_TEXT])
{
	const struct command_options options = {.timeout_ms = TIMEOUT_MS, .output_max = OUTPUT_MAX};
	const int rc = command_run(argv, &options, result);

	if (rc) {
		snprintf(blind, FACTS_TEXT, "%.60s: %.100s", argv[0], strerror(-rc));
		return false;
	}
	if (command_succeeded(result))
		return true;
	if (result->timed_out)
		snprintf(blind, FACTS_TEXT, "%.60s %.60s gave no answer", argv[0], argv[1] ? argv[1] : "");
	else
		snprintf(blind, FACTS_TEXT, "%.40s %.40s: %.*s", argv[0], argv[1] ? argv[1] : "",
			 (int)(strcspn(result->err.text, "\n") < 100 ? strcspn(result->err.text, "\n") : 100),
			 *result->err.text ? result->err.text : "failed");
	return false;
}

long check_read_sysctl(const char *name)
{
	char path[256], text[32] = "", *end;
	long value;
	FILE *in;

	snprintf(path, sizeof path, "/proc/sys/%s", name);
	in = fopen(path, "re");
	if (!in)
		return -1;
	if (!fgets(text, sizeof text, in))
		*text = '\0';
	fclose(in);
	value = strtol(text, &end, 10);
	return end == text ? -1 : value;
}

static bool rc_local_names(const char *service)
{
	char ignored[FACTS_TEXT];
	char *text = access("/etc/rc.local", X_OK) ? NULL : check_read_file("/etc/rc.local", ignored);
	const bool named = text && strstr(text, service);

	free(text);
	return named;
}

/* With --root systemctl reads the links itself: no manager has to answer. It ends with 1 where a service is disabled. */
enum known check_read_boot(const char *service, char state[static FACTS_WORD])
{
	const char *const argv[] = {"systemctl", "--root=/", "is-enabled", service, NULL};
	char ignored[FACTS_TEXT];
	struct command_result result;
	enum known boot = UNKNOWN;

	*state = '\0';
	if (access("/run/systemd/system", F_OK))
		return UNKNOWN;
	if (check_read_output(argv, &result, ignored))
		boot = YES;
	else if (result.out.text &&
		 (!strncmp(result.out.text, "disabled", 8) || !strncmp(result.out.text, "masked", 6)))
		boot = rc_local_names(service) ? YES : NO;
	if (boot == NO)
		snprintf(state, FACTS_WORD, "%s", *result.out.text == 'd' ? "disabled" : "masked");
	command_result_clear(&result);
	return boot;
}

/* A connected UDP socket has the address, and sends nothing. */
bool check_read_own_address(char text[static INET_ADDRSTRLEN])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0xc0000201)};
	socklen_t length = sizeof address;
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found;

	if (fd < 0)
		return false;
	found = !connect(fd, (struct sockaddr *)&address, sizeof address) &&
		!getsockname(fd, (struct sockaddr *)&address, &length) &&
		inet_ntop(AF_INET, &address.sin_addr, text, INET_ADDRSTRLEN);
	close(fd);
	return found;
}

/* The address, or NULL: 127.0.0.0/8 and ::1 are no address of this host's. What else lo has is: a gateway behind a director has the clients'
 * address there, and some give their LNS one. */
static const void *address_of(const struct ifaddrs *one)
{
	const struct sockaddr *a = one->ifa_addr;

	if (a && a->sa_family == AF_INET) {
		const struct in_addr *address = &((const struct sockaddr_in *)(const void *)a)->sin_addr;

		return ntohl(address->s_addr) >> 24 == IN_LOOPBACKNET ? NULL : address;
	}
	if (a && a->sa_family == AF_INET6) {
		const struct in6_addr *address = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(address) ? NULL : address;
	}
	return NULL;
}

void check_read_host(struct host_facts *out)
{
	struct ifaddrs *all;

	out->root = geteuid() == 0;
	check_read_port(500, &out->ike);
	check_read_port(4500, &out->nat_t);
	if (gethostname(out->name, sizeof out->name - 1))
		*out->name = '\0';
	if (!check_read_own_address(out->default_address))
		*out->default_address = '\0';
	if (getifaddrs(&all))
		return;
	for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
		const void *address = address_of(one);

		if (address && out->address_count < FACTS_ADDRESSES_MAX &&
		    inet_ntop(one->ifa_addr->sa_family, address, out->addresses[out->address_count],
			      INET6_ADDRSTRLEN)) {
			snprintf(out->ifaces[out->address_count], sizeof out->ifaces[0], "%s", one->ifa_name);
			out->address_count++;
		}
	}
	freeifaddrs(all);
}

bool check_others_read(const char *path)
{
	struct stat st;

	return !stat(path, &st) && (st.st_mode & S_IROTH);
}
