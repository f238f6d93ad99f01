/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of them a configuration wants, and what systemd is told of what natshim-packets says. */
#include "shim/daemon/processes.h"

#include "shim/daemon/notify.h"
#include "shim/daemon/state.h"
#include "shim/proc/files.h"
#include "shim/proc/rekeyer.h"
#include "shim/proc/secrets.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool fail(struct log *log, const char *what, const char *why)
{
	log_event(log, LOG_START_FAILED, NULL, "%s: %s", what, why);
	return false;
}

/* Whoever is refused here has changed nothing yet, of whatever belongs to the natshim that runs. */
static bool lock_state(struct processes *p, const struct config *config, struct log *log)
{
	char what[CONFIG_ERROR_MAX], why[160];
	pid_t holder = 0;
	int rc = state_prepare(config->state_dir);

	snprintf(what, sizeof what, "--state-dir %s", config->state_dir);
	if (rc)
		return fail(log, what, strerror(-rc));
	p->lock = state_lock(config->state_dir, &holder);
	if (p->lock >= 0)
		return true;
	if (p->lock != -EBUSY)
		snprintf(why, sizeof why, "its file lock: %s", strerror(-p->lock));
	else if (holder)
		snprintf(why, sizeof why,
			 "another natshim, process %d, has it; stop it, or choose another --state-dir and "
			 "--queue-num",
			 (int)holder);
	else
		snprintf(why, sizeof why,
			 "another natshim has it; stop it, or choose another --state-dir and --queue-num");
	return fail(log, what, why);
}

static void choose_roles(struct processes *p, const struct config *config)
{
	static const enum stack_kind kinds[] = {[CONFIG_STACK_AUTO] = STACK_AUTO,
						[CONFIG_STACK_LIBRESWAN] = STACK_LIBRESWAN,
						[CONFIG_STACK_STRONGSWAN] = STACK_STRONGSWAN,
						[CONFIG_STACK_XFRM] = STACK_XFRM};
	const bool bridges = config_bridges(config), watches = config->stack != CONFIG_STACK_NONE;

	p->parent.roles[PROCESS_FILES] = files_role(config);
	if (bridges)
		p->parent.roles[PROCESS_SECRETS] = secrets_role(config->psk_file);
	if (bridges || watches)
		p->parent.roles[PROCESS_XFRM] = rekeyer_role();
	if (!watches)
		return;
	p->stack = (struct stack_options){.kind = kinds[config->stack]};
	p->parent.roles[PROCESS_STACK] = stack_role(&p->stack);
}

static void on_word(void *ctx, enum parent_word word)
{
	const struct processes *p = ctx;

	switch (word) {
	case PARENT_ALIVE:
		notify_tell(p->notify, "WATCHDOG=1");
		break;
	case PARENT_READY:
		notify_tell(p->notify, "READY=1");
		break;
	case PARENT_RELOADING:
		notify_tell(p->notify, "RELOADING=1");
		break;
	case PARENT_STOPPING:
		notify_tell(p->notify, "STOPPING=1");
		break;
	}
}

pid_t processes_split(struct processes *p, const struct config *config, struct log *log)
{
	pid_t pid;

	*p = (struct processes){.lock = -1, .notify = -1, .parent = {.heard = on_word, .ctx = p}};
	if (!lock_state(p, config, log))
		return -1;
	choose_roles(p, config);
	pid = parent_split(&p->parent, "natshim-packets");
	if (pid < 0)
		fail(log, "processes", strerror((int)-pid));
	if (pid > 0)
		p->notify = notify_open();
	else
		close(p->lock); /* a record lock: it stays the parent's */
	return pid;
}

int processes_watch(struct processes *p, struct log *log)
{
	const int status = parent_watch(&p->parent);

	notify_close(p->notify);
	close(p->lock); /* last: all is written */
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	log_event(log, LOG_PACKETS_PROCESS_DIED, NULL,
		  "packets: the process that parses them died (%s): natshim ends, and packets pass unchanged",
		  strsignal(WTERMSIG(status)));
	signal(WTERMSIG(status), SIG_DFL);
	kill(getpid(), WTERMSIG(status));
	return EXIT_FAILURE;
}
