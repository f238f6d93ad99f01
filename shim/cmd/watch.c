/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A screen that is drawn anew each second. Needs five sequences of ECMA-48 and xterm's second screen, which every terminal of the
 * supported releases knows; docs/design.md says why that is not ncurses. What stands in the lines is shim/status' matter. */
#include "shim/cmd/watch.h"

#include "shim/clock.h"
#include "shim/cmd/cmd.h"
#include "shim/daemon/control.h"
#include "shim/status/layout.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define EVERY_MS 1000
#define KEEP_GONE 5 /* answers */
#define ROWS_DEFAULT 24
#define COLUMNS_DEFAULT 80

#define ENTER "\033[?1049h\033[?25l" /* the second screen, no cursor */
#define LEAVE "\033[0m\033[?25h\033[?1049l"
#define HOME "\033[H"
#define END_OF_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static volatile sig_atomic_t end_signal, stop_wanted, resized;

struct watch {
	const char *socket;
	struct termios before;
	sigset_t unblocked; /* the mask while it waits */
	struct status *status;
	char error[CONTROL_ERROR_MAX];
	enum status_order order;
	size_t first, page; /* of the clients that are shown; page: how many there is room for */
	bool over;
};

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else if (number == SIGTSTP)
		stop_wanted = 1;
	else
		end_signal = number;
}

/* They are blocked but for the moments in which it waits, so that none is missed. */
static void catch_signals(struct watch *w)
{
	const struct sigaction caught = {.sa_handler = on_signal};
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaddset(&blocked, ends[i]);
	sigaddset(&blocked, SIGTSTP);
	sigaddset(&blocked, SIGWINCH);
	sigprocmask(SIG_BLOCK, &blocked, &w->unblocked);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaction(ends[i], &caught, NULL);
	sigaction(SIGTSTP, &caught, NULL);
	sigaction(SIGWINCH, &caught, NULL);
}

/* The terminal */

static bool write_all(const char *text, size_t length)
{
	while (length) {
		const ssize_t written = write(STDOUT_FILENO, text, length);

		if (written < 0 && errno != EINTR)
			return false;
		if (written > 0) {
			text += written;
			length -= (size_t)written;
		}
	}
	return true;
}

static bool enter(struct watch *w)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &w->before))
		return false;
	raw = w->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_oflag &= ~(tcflag_t)OPOST; /* the lines end with CR LF, whatever the terminal's settings */
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	return !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) && write_all(ENTER, strlen(ENTER));
}

static void leave(const struct watch *w)
{
	write_all(LEAVE, strlen(LEAVE));
	tcsetattr(STDIN_FILENO, TCSADRAIN, &w->before);
}

static void be_ended_by(int number)
{
	sigset_t its;

	signal(number, SIG_DFL);
	sigemptyset(&its);
	sigaddset(&its, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &its, NULL);
}

/* Ctrl-Z: until the shell says "fg". */
static void stop(struct watch *w)
{
	const struct sigaction caught = {.sa_handler = on_signal};
	sigset_t its;

	stop_wanted = 0;
	leave(w);
	be_ended_by(SIGTSTP);
	sigaction(SIGTSTP, &caught, NULL);
	sigemptyset(&its);
	sigaddset(&its, SIGTSTP);
	sigprocmask(SIG_BLOCK, &its, NULL);
	w->over = !enter(w);
}

static struct winsize size_of(int fd)
{
	struct winsize size = {.ws_col = 0};

	if (ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
		size = (struct winsize){.ws_col = COLUMNS_DEFAULT, .ws_row = ROWS_DEFAULT};
	return size;
}

unsigned watch_terminal_width(int fd)
{
	return size_of(fd).ws_col;
}

/* The daemon */

/* Signals come through meanwhile: a daemon that hangs is waited for no longer than the user likes. */
static void ask(struct watch *w)
{
	struct status *now = NULL;
	sigset_t blocked;
	char *text;
	int rc;

	w->error[0] = '\0';
	sigprocmask(SIG_SETMASK, &w->unblocked, &blocked);
	rc = control_ask(w->socket, CONTROL_STATUS, "", &text, w->error);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	if (rc == -EINTR)
		return;
	if (!rc) {
		now = status_read(text, w->error);
		free(text);
	}
	if (now && w->status && !status_compare(now, w->status, KEEP_GONE))
		snprintf(w->error, sizeof w->error, "out of memory");
	status_free(w->status);
	w->status = now;
	if (now)
		status_sort(now, w->order);
}

/* The screen */

struct screen {
	FILE *out;
	unsigned rows, row, width;
};

/* The next line; NULL: the screen is full. */
static FILE *next_line(struct screen *s)
{
	if (s->row == s->rows)
		return NULL;
	if (s->row++)
		fputs(END_OF_LINE "\r\n", s->out);
	return s->out;
}

static void put_line(struct screen *s, const char *text)
{
	if (next_line(s))
		layout_cut(s->out, text, s->width);
}

static void put_note(struct screen *s, const char *what, const char *text)
{
	char line[STATUS_ERROR_MAX + 32];

	if (!*text)
		return;
	snprintf(line, sizeof line, "%s: %s", what, text);
	put_line(s, line);
}

static void put_clients(struct screen *s, struct watch *w)
{
	const struct status *status = w->status;
	struct layout layout;

	layout_choose(&layout, status, s->width, true);
	if (next_line(s))
		layout_heading(s->out, &layout);
	w->page = s->rows - s->row;
	if (w->first >= status->client_count)
		w->first = 0;
	for (size_t i = w->first; i < status->client_count && next_line(s); i++)
		layout_client(s->out, &layout, &status->clients[i]);
}

static void put_keys(struct screen *s, const struct watch *w)
{
	char line[160];
	const size_t count = w->status->client_count;

	snprintf(line, sizeof line, "by %s; s: next order, space and b: page (from %zu of %zu), q: quit",
		 status_order_name(w->order), count ? w->first + 1 : 0, count);
	put_line(s, line);
}

static void put_all(struct screen *s, struct watch *w)
{
	if (*w->error)
		put_note(s, "natshim", w->error);
	if (!w->status)
		return;
	if (next_line(s))
		layout_summary(s->out, w->status, s->width);
	put_keys(s, w);
	put_note(s, "does not exist yet", w->status->iface_absent);
	put_note(s, "look at", w->status->trouble);
	put_clients(s, w);
}

static void draw(struct watch *w)
{
	const struct winsize size = size_of(STDOUT_FILENO);
	char *text = NULL;
	size_t length;
	struct screen s = {.out = open_memstream(&text, &length), .rows = size.ws_row, .width = size.ws_col};

	resized = 0;
	if (!s.out)
		return;
	fputs(HOME, s.out);
	put_all(&s, w);
	fputs(END_OF_LINE CLEAR_BELOW, s.out);
	if (fclose(s.out) || !write_all(text, length))
		w->over = true;
	free(text);
}

/* Keys and time */

static void on_key(struct watch *w, char key)
{
	const size_t count = w->status ? w->status->client_count : 0;

	switch (key) {
	case 'q':
		w->over = true;
		break;
	case 's':
		w->order = (w->order + 1) % STATUS_ORDERS;
		w->first = 0;
		if (w->status)
			status_sort(w->status, w->order);
		break;
	case ' ':
		if (w->first + w->page < count)
			w->first += w->page;
		break;
	case 'b':
		w->first -= w->first < w->page ? w->first : w->page;
		break;
	default:
		break;
	}
}

/* A key that sends several bytes (an arrow) means nothing, whatever letter it ends with. */
static void read_keys(struct watch *w)
{
	char keys[64];
	const ssize_t got = read(STDIN_FILENO, keys, sizeof keys);

	if (!got || (got < 0 && errno != EINTR))
		w->over = true;
	for (ssize_t i = 0; i < got && keys[i] != '\033'; i++)
		on_key(w, keys[i]);
}

/* Until then, or until something happened that the screen must show. */
static void wait_until(struct watch *w, uint64_t until_ms)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	const uint64_t now = clock_now_ms();
	const uint64_t left = until_ms > now ? until_ms - now : 0;
	const struct timespec timeout = {.tv_sec = (time_t)(left / 1000),
					 .tv_nsec = (long)(left % 1000) * 1000000};

	if (ppoll(&input, 1, &timeout, &w->unblocked) > 0)
		read_keys(w);
}

static void run(struct watch *w)
{
	while (!w->over && !end_signal) {
		const uint64_t until = clock_now_ms() + EVERY_MS;

		ask(w);
		draw(w);
		while (!w->over && !end_signal && clock_now_ms() < until) {
			wait_until(w, until);
			if (stop_wanted)
				stop(w);
			if (!w->over && !end_signal && clock_now_ms() < until)
				draw(w);
		}
	}
}

/* Whether a screen can be had; an error line otherwise. */
static bool can_watch(void)
{
	const char *term = getenv("TERM");
	const char *why = NULL;

	if (!isatty(STDIN_FILENO))
		why = "standard input is no terminal";
	else if (!isatty(STDOUT_FILENO))
		why = "standard output is no terminal";
	else if (!term || !*term || !strcmp(term, "dumb"))
		why = "TERM names none";
	if (why)
		fprintf(stderr,
			"natshim: status: --watch needs a terminal: %s; for a program use --json, with "
			"--watch for "
			"one object a second\n",
			why);
	return !why;
}

int watch_status(const char *socket)
{
	struct watch w = {.socket = socket};

	if (!can_watch())
		return EXIT_USAGE;
	sigprocmask(SIG_BLOCK, NULL, &w.unblocked);
	ask(&w);
	if (*w.error) {
		fprintf(stderr, "natshim: status: %s\n", w.error);
		status_free(w.status);
		return EXIT_FAILED;
	}
	catch_signals(&w);
	if (!enter(&w)) {
		fprintf(stderr, "natshim: status: --watch: the terminal cannot be used: %s\n",
			strerror(errno));
		status_free(w.status);
		return EXIT_FAILED;
	}
	run(&w);
	leave(&w);
	status_free(w.status);
	if (end_signal)
		be_ended_by(end_signal);
	return EXIT_DONE;
}
