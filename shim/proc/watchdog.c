/* SPDX-License-Identifier: GPL-2.0-or-later */
/* It counts its own seconds, so that a machine that sleeps or stands still as a whole is no reason. */
#include "shim/proc/watchdog.h"

#include "shim/proc/confine.h"
#include "shim/proc/helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define END_MS 300

static void run(const void *ctx)
{
	const pid_t daemon = *(const pid_t *)ctx;
	char missing[CONFINE_TEXT_MAX], sign[64];
	unsigned silent = 0;

	confine(CONFINE_WATCHDOG, NULL, missing); /* the daemon, which lacks the same, says so */
	for (;;) {
		struct pollfd ready = {.fd = HELPER_FD, .events = POLLIN};
		const int rc = poll(&ready, 1, 1000);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc > 0) {
			if (recv(HELPER_FD, sign, sizeof sign, 0) <= 0)
				return;
			silent = 0;
		} else if (++silent >= WATCHDOG_S && getppid() == daemon) {
			kill(daemon, SIGKILL);
		}
	}
}

int watchdog_start(struct watchdog *watchdog)
{
	const pid_t self = getpid();
	const pid_t pid = helper_start(&watchdog->socket, "natshim-dog", run, &self);

	if (pid < 0) {
		watchdog->socket = -1;
		return (int)pid;
	}
	watchdog->process = pid;
	return 0;
}

void watchdog_feed(const struct watchdog *watchdog)
{
	if (watchdog->socket >= 0)
		send(watchdog->socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void watchdog_stop(struct watchdog *watchdog)
{
	if (watchdog->socket < 0)
		return;
	close(watchdog->socket);
	watchdog->socket = -1;
	helper_reap(watchdog->process, END_MS);
}
