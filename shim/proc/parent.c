/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One loop over signals and words. It counts its own seconds, so that a machine that sleeps or stands still as a whole is no reason to
 * kill anybody. */
#include "shim/proc/parent.h"

#include "shim/clock.h"
#include "shim/proc/confine.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND_MS 1000
#define RESTART_MS 1000 /* at least, between two beginnings of one helper */
#define END_STEP_MS 10

/* Words with a helper that takes over: of it, and to it. */
enum { WORD_READY = 'r', WORD_SUCCESSOR = 'n', WORD_GO = 'g' };
#define WORD_MAX (1 + sizeof(uint32_t))

struct process {
	pid_t id;  /* 0: none */
	int words; /* -1: none */
};

/* A role's helper. */
struct post {
	struct process now, next; /* next: does not serve yet */
	bool next_ready;
	bool over;         /* it ended by itself */
	bool untold;       /* its death */
	uint64_t began_ms; /* the last one */
};

struct watch {
	struct parent *parent;
	struct post posts[PARENT_ROLES_MAX];
	int signals;
	bool packets_ended;
	int status;         /* of the process of the packets */
	uint64_t second_ms; /* when the last one was counted */
	unsigned silent_s;
};

/* Sockets */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_all(int fds[PARENT_ROLES_MAX][HELPER_SOCKETS_MAX])
{
	for (unsigned i = 0; i < PARENT_ROLES_MAX; i++)
		for (unsigned k = 0; k < HELPER_SOCKETS_MAX; k++)
			close_fd(&fds[i][k]);
}

static int make_pair(int *near, int *far)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	*near = pair[0];
	*far = pair[1];
	return 0;
}

int parent_pairs(struct parent *p, int *theirs)
{
	int rc;

	p->channel = *theirs = -1;
	memset(p->near, -1, sizeof p->near);
	memset(p->far, -1, sizeof p->far);
	rc = make_pair(&p->channel, theirs);
	for (unsigned i = 0; i < PARENT_ROLES_MAX && !rc; i++)
		for (unsigned k = 0; k < p->roles[i].sockets && !rc; k++)
			rc = make_pair(&p->near[i][k], &p->far[i][k]);
	return rc;
}

/* The process of the packets */

pid_t parent_split(struct parent *p, const char *name)
{
	const pid_t self = getpid();
	pid_t pid = -1;
	int theirs, rc = parent_pairs(p, &theirs);

	if (!rc) {
		pid = fork();
		rc = -errno;
	}
	if (pid < 0) {
		close_all(p->near);
		close_all(p->far);
		close_fd(&p->channel);
		close_fd(&theirs);
		return rc;
	}
	if (pid == 0) {
		helper_become(name);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != self)
			_exit(1);
		close_all(p->far);
		close(p->channel);
		p->channel = theirs;
	} else {
		close_all(p->near);
		close(theirs);
	}
	p->packets = pid;
	return pid;
}

void parent_tell(const struct parent *p, enum parent_word word)
{
	const char byte = (char)word;

	send(p->channel, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A helper's words with this process */

bool parent_begin(int fd, uint32_t *sequence)
{
	return recv(fd, sequence, sizeof *sequence, 0) == (ssize_t)sizeof *sequence;
}

bool parent_wait_for_turn(int fd)
{
	char word = WORD_READY;

	return send(fd, &word, 1, MSG_NOSIGNAL) == 1 && recv(fd, &word, 1, 0) == 1 && word == WORD_GO;
}

void parent_ask_for_successor(int fd, uint32_t sequence)
{
	char word[WORD_MAX] = {WORD_SUCCESSOR};

	memcpy(word + 1, &sequence, sizeof sequence);
	send(fd, word, sizeof word, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Starting one */

static void begin(struct watch *w, unsigned i, uint32_t sequence)
{
	const struct parent_role *role = &w->parent->roles[i];
	struct post *post = &w->posts[i];
	int fds[HELPER_SOCKETS_MAX + 1], theirs = -1;
	struct process new = {.words = -1};

	post->began_ms = clock_now_ms();
	if (role->takes_over && make_pair(&new.words, &theirs))
		return;
	new.id = fork();
	if (new.id == 0) {
		memcpy(fds, w->parent->far[i], role->sockets * sizeof *fds);
		fds[role->sockets] = theirs;
		helper_become(role->name);
		helper_place(fds, role->sockets + role->takes_over);
		role->run(role->ctx);
		_exit(0);
	}
	close_fd(&theirs);
	if (new.id < 0) {
		close_fd(&new.words);
		return;
	}
	if (role->takes_over) {
		send(new.words, &sequence, sizeof sequence, MSG_NOSIGNAL | MSG_DONTWAIT);
		post->next = new;
		post->next_ready = false;
		return;
	}
	post->now = new;
	if (role->tell)
		role->tell(w->parent->far[i][0], new.id);
}

static void begin_missing(struct watch *w, unsigned i)
{
	const struct parent_role *role = &w->parent->roles[i];
	struct post *post = &w->posts[i];

	if (post->untold)
		post->untold = role->tell && role->tell(w->parent->far[i][0], 0) == -EAGAIN;
	if (!role->sockets || post->over || post->untold || post->now.id || post->next.id)
		return;
	if (!post->began_ms || clock_now_ms() - post->began_ms >= RESTART_MS)
		begin(w, i, 0);
}

/* Their words */

static void promote(struct post *post)
{
	const char word = WORD_GO;

	post->now = post->next;
	post->next = (struct process){.words = -1};
	send(post->now.words, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The one that serves is killed first, and its successor gets its turn when it is gone. */
static void on_ready(struct post *post)
{
	post->next_ready = true;
	if (post->now.id)
		kill(post->now.id, SIGKILL);
	else
		promote(post);
}

/* One that was asked for before, and is not ready yet, is not waited for. */
static void on_successor_wanted(struct watch *w, unsigned i, const char word[static WORD_MAX])
{
	struct post *post = &w->posts[i];
	uint32_t sequence;

	if (post->next.id && post->next_ready)
		return;
	if (post->next.id) {
		kill(post->next.id, SIGKILL);
		close_fd(&post->next.words);
		post->next.id = 0;
	}
	memcpy(&sequence, word + 1, sizeof sequence);
	begin(w, i, sequence);
}

/* At an end there is nothing to do: its process is about to be reaped. */
static void hear(struct watch *w, unsigned i, struct process *process)
{
	char word[WORD_MAX];
	const ssize_t length = recv(process->words, word, sizeof word, MSG_DONTWAIT);

	if (length == 0 || (length < 0 && errno != EAGAIN && !helper_again(errno)))
		close_fd(&process->words);
	else if (process == &w->posts[i].next && length == 1 && *word == WORD_READY &&
		 !w->posts[i].next_ready)
		on_ready(&w->posts[i]);
	else if (process == &w->posts[i].now && length == (ssize_t)sizeof word && *word == WORD_SUCCESSOR)
		on_successor_wanted(w, i, word);
}

static void hear_packets(struct watch *w)
{
	struct parent *p = w->parent;
	char word;

	while (p->channel >= 0) {
		const ssize_t length = recv(p->channel, &word, 1, MSG_DONTWAIT);

		if (length < 0 && helper_again(errno))
			continue;
		if (length < 0 && errno == EAGAIN)
			return;
		if (length <= 0) {
			close_fd(&p->channel); /* it is about to be reaped */
			w->packets_ended |= !p->packets;
			return;
		}
		w->silent_s = 0;
		if (p->heard)
			p->heard(p->ctx, (enum parent_word)word);
	}
}

/* Their ends */

static void bury(struct watch *w, struct post *post, int status)
{
	close_fd(&post->now.words);
	post->now.id = 0;
	if (post->next.id && post->next_ready) {
		promote(post);
		return;
	}
	post->over = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	post->untold = !post->over && !w->packets_ended;
}

static void on_end(struct watch *w, pid_t process, int status)
{
	if (process == w->parent->packets) {
		w->packets_ended = true;
		w->status = status;
		return;
	}
	for (unsigned i = 0; i < PARENT_ROLES_MAX; i++) {
		struct post *post = &w->posts[i];

		if (process == post->now.id) {
			bury(w, post, status);
		} else if (process == post->next.id) {
			close_fd(&post->next.words);
			post->next.id = 0;
		}
	}
}

static void reap(struct watch *w)
{
	pid_t process;
	int status;

	while ((process = waitpid(-1, &status, WNOHANG)) > 0)
		on_end(w, process, status);
}

/* Signals and time */

static void order(const struct watch *w, enum parent_order what)
{
	const char byte = (char)what;

	if (w->parent->channel >= 0)
		send(w->parent->channel, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_signal(struct watch *w)
{
	struct signalfd_siginfo signal;

	if (read(w->signals, &signal, sizeof signal) != (ssize_t)sizeof signal)
		return;
	if (signal.ssi_signo == SIGHUP)
		order(w, PARENT_RELOAD);
	else if (signal.ssi_signo == SIGTERM || signal.ssi_signo == SIGINT)
		order(w, PARENT_STOP);
}

static void count_second(struct watch *w)
{
	const uint64_t now = clock_now_ms();

	if (now - w->second_ms < SECOND_MS)
		return;
	w->second_ms = now;
	if (++w->silent_s >= PARENT_WATCHDOG_S && w->parent->packets > 0)
		kill(w->parent->packets, SIGKILL);
}

static void wait_for_something(struct watch *w)
{
	const uint64_t past = clock_now_ms() - w->second_ms;
	struct pollfd fds[2 + 2 * PARENT_ROLES_MAX] = {{.fd = w->signals, .events = POLLIN},
						       {.fd = w->parent->channel, .events = POLLIN}};

	for (unsigned i = 0; i < PARENT_ROLES_MAX; i++) {
		fds[2 + 2 * i] = (struct pollfd){.fd = w->posts[i].now.words, .events = POLLIN};
		fds[3 + 2 * i] = (struct pollfd){.fd = w->posts[i].next.words, .events = POLLIN};
	}
	if (poll(fds, sizeof fds / sizeof *fds, past < SECOND_MS ? (int)(SECOND_MS - past) : 0) <= 0)
		return;
	if (fds[0].revents)
		on_signal(w);
	if (fds[1].revents)
		hear_packets(w);
	for (unsigned i = 0; i < PARENT_ROLES_MAX; i++) {
		if (fds[2 + 2 * i].revents)
			hear(w, i, &w->posts[i].now);
		if (fds[3 + 2 * i].revents && w->posts[i].next.words == fds[3 + 2 * i].fd)
			hear(w, i, &w->posts[i].next);
	}
}

/* The helpers have their last work to do, and then end with their sockets. */
static void end_helpers(struct watch *w)
{
	for (unsigned waited = 0;; waited += END_STEP_MS) {
		unsigned left = 0;

		reap(w);
		for (unsigned i = 0; i < PARENT_ROLES_MAX; i++) {
			struct post *post = &w->posts[i];

			if (post->next.id)
				kill(post->next.id, SIGKILL);
			if (post->now.id && waited >= w->parent->roles[i].end_ms)
				kill(post->now.id, SIGKILL);
			left += (post->now.id != 0) + (post->next.id != 0);
		}
		if (!left)
			return;
		poll(NULL, 0, END_STEP_MS);
	}
}

/* Blocked, they wait in the descriptor; helper_become() unblocks them in the others. -1: none, so signals do what they do by default. */
static int open_signals(void)
{
	sigset_t wanted;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGHUP);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &wanted, NULL))
		return -1;
	return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

int parent_watch(struct parent *p)
{
	struct watch w = {.parent = p, .signals = open_signals(), .second_ms = clock_now_ms()};
	char missing[CONFINE_TEXT_MAX];

	for (unsigned i = 0; i < PARENT_ROLES_MAX; i++)
		w.posts[i] = (struct post){.now = {.words = -1}, .next = {.words = -1}};
	confine(CONFINE_PARENT, NULL,
		missing); /* the process of the packets, which lacks the same, says so */
	while (!w.packets_ended) {
		for (unsigned i = 0; i < PARENT_ROLES_MAX; i++)
			begin_missing(&w, i);
		wait_for_something(&w);
		count_second(&w);
		reap(&w);
	}
	hear_packets(&w); /* what it said last */
	end_helpers(&w);
	close_all(p->far);
	close_fd(&p->channel);
	close_fd(&w.signals);
	return w.status;
}
