/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/xfrm/monitor and the generic backend against a kernel with IPsec, in a network namespace of its own: SAs are made by
 * ip(8), sessions must come out. Skipped where the kernel has no ESP; tests/vm/test_xfrm runs it in one that has. */
#include "shim/session/session.h"
#include "shim/stack/stack.h"
#include "shim/xfrm/monitor.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define KEYS                                                                                                 \
	"auth-trunc 'hmac(sha1)' 0x1111111111111111111111111111111111111111 96 enc 'cbc(aes)' "              \
	"0x11111111111111111111111111111111"

static bool capable;

__attribute__((format(printf, 1, 2))) static int try(const char *format, ...)
{
	char *command;
	va_list args;

	va_start(args, format);
	assert_true(vasprintf(&command, format, args) >= 0);
	va_end(args);
	const int status = system(command);

	free(command);
	return status;
}
#define run(...) assert_int_equal(try(__VA_ARGS__), 0)

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- what the tests stand on ------------------------------------------------------------------------------------- */

struct watch {
	struct session_table *table;
	struct xfrm_monitor *xfrm;
	unsigned dumps, others, lost;
	int dump_error;
};

static void on_sa(void *ctx, const struct sa_info *sa)
{
	struct watch *w = ctx;

	w->others += !sa_is_l2tp(sa);
	session_sa(w->table, clock_ms(), sa, 0);
}

static void on_sa_gone(void *ctx, const struct sa_info *sa)
{
	session_sa_gone(((struct watch *)ctx)->table, clock_ms(), sa);
}

static void on_dump_begin(void *ctx)
{
	session_dump_begin(((struct watch *)ctx)->table);
}

static void on_dump_end(void *ctx, int error)
{
	struct watch *w = ctx;

	w->dumps++;
	w->dump_error = error;
	if (!error)
		session_dump_end(w->table, clock_ms());
}

static void on_lost(void *ctx)
{
	((struct watch *)ctx)->lost++;
}

/* Reads what comes, for at least ms and until nothing more is there: on a slow machine that takes longer. */
static void read_for(struct watch *w, unsigned ms)
{
	const uint64_t end = clock_ms() + ms;
	struct pollfd pfd = {.fd = xfrm_fd(w->xfrm), .events = POLLIN};
	struct session_action action;

	bool more;

	do {
		more = poll(&pfd, 1, 10) > 0;
		if (more)
			assert_int_equal(xfrm_read(w->xfrm, 0), 0);
		while (session_next_action(w->table, clock_ms(), &action))
			;
	} while (more || clock_ms() < end);
}

static int begin(void **state, uint32_t buffer_size)
{
	static const struct xfrm_handlers handlers = {.sa = on_sa,
						      .sa_gone = on_sa_gone,
						      .dump_begin = on_dump_begin,
						      .dump_end = on_dump_end,
						      .lost = on_lost};
	const struct xfrm_options options = {.buffer_size = buffer_size};
	struct session_config config;

	if (!capable)
		skip();
	struct watch *w = calloc(1, sizeof *w);

	session_config_default(&config);
	w->table = session_table_new(&config);
	assert_int_equal(xfrm_open(&w->xfrm, &options, &handlers, w), 0);
	*state = w;
	return 0;
}

static void finish(struct watch *w)
{
	xfrm_close(w->xfrm);
	session_table_free(w->table);
	free(w);
	run("ip xfrm state flush; ip xfrm policy flush");
}

static void add_client(unsigned n, const char *address, unsigned nat_port, unsigned l2tp_port)
{
	run("ip xfrm state add src %s dst 203.0.113.1 proto esp spi 0x%x reqid %u mode transport " KEYS
	    " encap espinudp %u 4500 0.0.0.0 sel src %s/32 dst 203.0.113.1/32 proto udp sport %u dport 1701",
	    address, 0x1000 + n, 100 + n, nat_port, address, l2tp_port);
	run("ip xfrm state add src 203.0.113.1 dst %s proto esp spi 0x%x reqid %u mode transport " KEYS
	    " encap espinudp 4500 %u 0.0.0.0 sel src 203.0.113.1/32 dst %s/32 proto udp sport 1701 dport %u",
	    address, 0x2000 + n, 100 + n, nat_port, address, l2tp_port);
	run("ip xfrm policy add dir in src %s/32 dst 203.0.113.1/32 proto udp sport %u dport 1701 tmpl proto "
	    "esp "
	    "reqid %u mode transport",
	    address, l2tp_port, 100 + n);
	run("ip xfrm policy add dir out src 203.0.113.1/32 dst %s/32 proto udp sport 1701 dport %u tmpl "
	    "proto esp "
	    "reqid %u mode transport",
	    address, l2tp_port, 100 + n);
}

struct found {
	struct session_view views[8];
	size_t count;
};

static void keep_view(void *ctx, const struct session_view *view)
{
	struct found *found = ctx;

	if (found->count < 8)
		found->views[found->count] = *view;
	found->count++;
}

static struct found sessions(struct watch *w)
{
	struct found found = {.count = 0};

	session_each_of(w->table, clock_ms(), &(uint32_t){0}, UINT32_MAX, keep_view, &found);
	return found;
}

static unsigned lines(const char *command)
{
	FILE *in = popen(command, "r");
	unsigned count = 0;

	for (int c; (c = getc(in)) != EOF;)
		count += c == '\n';
	pclose(in);
	return count;
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

static void test_dump_at_the_start(void **state)
{
	struct watch *w;

	if (!capable)
		skip();
	add_client(1, "198.51.100.7", 21001, 49152);
	add_client(2, "198.51.100.7", 21002, 1701);
	run("ip xfrm state add src 203.0.113.1 dst 198.51.100.50 proto esp spi 0x99 reqid 9 mode "
	    "tunnel " KEYS);
	begin((void **)&w, 0);
	*state = w;
	read_for(w, 200);
	const struct found f = sessions(w);

	assert_int_equal(w->dumps, 1);
	assert_int_equal(w->dump_error, 0);
	assert_int_equal(w->others, 1);
	assert_int_equal(f.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const unsigned n = f.views[i].peer.port - 21000;

		assert_int_equal(f.views[i].state, SESSION_UP);
		assert_int_equal(f.views[i].spi_in, 0x1000 + n);
		assert_int_equal(f.views[i].spi_out, 0x2000 + n);
		assert_int_equal(f.views[i].l2tp_port, n == 1 ? 49152 : 1701);
		assert_int_equal(f.views[i].us.port, 4500);
	}
	finish(w);
}

static void test_events(void **state)
{
	struct watch *w;

	begin(state, 0);
	w = *state;
	read_for(w, 100);
	add_client(3, "198.51.100.8", 21003, 50000);
	read_for(w, 100);
	assert_int_equal(sessions(w).count, 1);
	assert_int_equal(w->dumps, 1);
	run("ip xfrm state delete src 198.51.100.8 dst 203.0.113.1 proto esp spi 0x1003");
	read_for(w, 50);
	assert_int_equal(sessions(w).views[0].sa_count, 1);
	run("ip xfrm state delete src 203.0.113.1 dst 198.51.100.8 proto esp spi 0x2003");
	read_for(w, 50);
	assert_int_equal(sessions(w).count, 0);
	run("ip xfrm state add src 198.51.100.8 dst 203.0.113.1 proto esp spi 0x1004 mode transport " KEYS
	    " limit time-hard 2 sel src 198.51.100.8/32 dst 203.0.113.1/32 proto udp sport 7 dport 1701");
	read_for(w, 50);
	assert_int_equal(sessions(w).count, 1);
	read_for(w, 4000);
	assert_int_equal(sessions(w).count, 0);
	add_client(4, "198.51.100.18", 21003, 50000);
	read_for(w, 50);
	assert_int_equal(sessions(w).count, 1);
	run("ip xfrm state flush");
	read_for(w, 200);
	assert_int_equal(sessions(w).count, 0);
	finish(w);
}

static void send_packets(const char *to, uint16_t port, unsigned count)
{
	const struct sockaddr_in from = {
		.sin_family = AF_INET, .sin_port = htons(1701), .sin_addr.s_addr = inet_addr("203.0.113.1")};
	const struct sockaddr_in dst = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(to)};
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof from), 0);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(sendto(fd, "payload!", 8, 0, (const struct sockaddr *)&dst, sizeof dst), 8);
	close(fd);
}

static void test_counters(void **state)
{
	struct watch *w;

	begin(state, 0);
	w = *state;
	add_client(5, "198.51.100.9", 21005, 50005);
	read_for(w, 100);
	send_packets("198.51.100.9", 50005, 7);
	assert_int_equal(xfrm_dump(w->xfrm), 0);
	read_for(w, 100);
	const struct found f = sessions(w);

	assert_int_equal(f.count, 1);
	assert_int_equal(f.views[0].packets_out, 7);
	assert_int_equal(f.views[0].packets_in, 0);
	assert_true(f.views[0].bytes_out >= 7 * 8);
	assert_int_equal(f.views[0].why, SESSION_DEAD);
	finish(w);
}

/* strongSwan: no ports in the SAs' selectors, and the policies come last. */
static void test_ports_from_the_policies(void **state)
{
	struct watch *w;

	begin(state, 0);
	w = *state;
	read_for(w, 100);
	run("ip xfrm state add src 198.51.100.10 dst 203.0.113.1 proto esp spi 0x1010 reqid 7 mode "
	    "transport " KEYS
	    " encap espinudp 21010 4500 0.0.0.0 sel src 198.51.100.10/32 dst 203.0.113.1/32");
	run("ip xfrm state add src 203.0.113.1 dst 198.51.100.10 proto esp spi 0x2010 reqid 7 mode "
	    "transport " KEYS
	    " encap espinudp 4500 21010 0.0.0.0 sel src 203.0.113.1/32 dst 198.51.100.10/32");
	run("ip xfrm state add src 198.51.100.11 dst 203.0.113.1 proto esp spi 0x1011 reqid 8 mode "
	    "transport " KEYS);
	read_for(w, 100);
	assert_int_equal(sessions(w).count, 0);
	run("ip xfrm policy add dir in src 198.51.100.10/32 dst 203.0.113.1/32 proto udp sport 49160 dport "
	    "1701 tmpl "
	    "src 198.51.100.10 dst 203.0.113.1 proto esp reqid 7 mode transport");
	run("ip xfrm policy add dir in src 198.51.100.11/32 dst 203.0.113.1/32 proto tcp dport 22 tmpl "
	    "src 198.51.100.11 dst 203.0.113.1 proto esp reqid 8 mode transport");
	read_for(w, 200);
	const struct found f = sessions(w);

	assert_int_equal(f.count, 1);
	assert_int_equal(f.views[0].l2tp_port, 49160);
	assert_int_equal(w->dumps, 2); /* one for the policy that was waited for, and no more */
	assert_int_equal(f.views[0].state, SESSION_UP);
	finish(w);
}

static void add_many(unsigned count, const char *what)
{
	FILE *batch = fopen("/tmp/natshim-xfrm-batch", "w");

	assert_non_null(batch);
	for (unsigned i = 0; i < count; i++) {
		const unsigned a = i / 250, b = i % 250 + 1;

		fprintf(batch,
			"xfrm state %s src 10.0.%u.%u dst 203.0.113.1 proto esp spi 0x%x reqid %u mode "
			"transport %s "
			"encap espinudp %u 4500 0.0.0.0 sel src 10.0.%u.%u/32 dst 203.0.113.1/32 proto udp "
			"sport 1701 "
			"dport 1701\n",
			what, a, b, 0x100000 + i, 1000 + i, KEYS, 20000 + i % 40000, a, b);
		fprintf(batch,
			"xfrm state %s src 203.0.113.1 dst 10.0.%u.%u proto esp spi 0x%x reqid %u mode "
			"transport %s "
			"encap espinudp 4500 %u 0.0.0.0 sel src 203.0.113.1/32 dst 10.0.%u.%u/32 proto udp "
			"sport 1701 "
			"dport 1701\n",
			what, a, b, 0x200000 + i, 1000 + i, KEYS, 20000 + i % 40000, a, b);
	}
	fclose(batch);
	run("sed -i \"s/'//g\" /tmp/natshim-xfrm-batch; ip -batch /tmp/natshim-xfrm-batch; rm "
	    "/tmp/natshim-xfrm-batch");
}

static void test_nothing_is_lost_in_an_overrun(void **state)
{
	struct watch *w;

	begin(state, 2048);
	w = *state;
	read_for(w, 100);
	add_many(400, "add"); /* nobody reads meanwhile */
	read_for(w, 1500);
	assert_true(xfrm_stats(w->xfrm).overruns > 0);
	assert_int_equal(w->lost, xfrm_stats(w->xfrm).overruns);
	assert_int_equal(session_stats(w->table).sessions, 400);
	assert_int_equal(session_stats(w->table).sas, 800);
	run("ip xfrm state flush");
	read_for(w, 500);
	assert_int_equal(session_stats(w->table).sessions, 0);
	finish(w);
}

static void test_two_thousand(void **state)
{
	struct watch *w;

	if (!capable)
		skip();
	add_many(1000, "add");
	begin(state, 0);
	w = *state;
	for (int i = 0; i < 100 && !w->dumps; i++)
		read_for(w, 100);
	assert_int_equal(session_stats(w->table).sas, 2000);
	print_message("# 2000 SAs: a dump takes %llu ms, %zu bytes a session\n",
		      (unsigned long long)xfrm_stats(w->xfrm).dump_ms, session_stats(w->table).memory / 1000);
	finish(w);
}

/* The generic backend takes the SAs and their policies, and nothing of anybody else. */
static void test_generic_end(void **state)
{
	struct stack_end_request request = {
		.id = 1, .reqid = 121, .sa_count = 2, .sas = {{0x1015, false}, {0x2015, true}}};
	const struct stack_options options = {.kind = STACK_XFRM};
	char text[STACK_TEXT_MAX] = "";

	(void)state;
	if (!capable)
		skip();
	assert_true(endpoint_parse("203.0.113.1:4500", &request.us));
	assert_true(endpoint_parse("198.51.100.7:21021", &request.peer));
	add_client(0x15, "198.51.100.7", 21021, 49152);
	add_client(0x16, "198.51.100.7", 21022, 49153);
	assert_int_equal(stack_xfrm.detect(&options, text), 0);
	assert_int_equal(stack_xfrm.end(&options, &request, text), 0);
	assert_int_equal(lines("ip xfrm state | grep '^src'"), 2);
	assert_int_equal(lines("ip xfrm state | grep 'spi 0x00001016\\|spi 0x00002016'"), 2);
	assert_int_equal(lines("ip xfrm policy | grep '^src 203\\|^src 198'"), 2);
	assert_int_equal(stack_xfrm.end(&options, &request, text), STACK_NOTHING); /* gone is gone */
	/* A second pair of the same reqid keeps the policies. */
	run("ip xfrm state add src 198.51.100.7 dst 203.0.113.1 proto esp spi 0x3016 reqid 122 mode "
	    "transport " KEYS);
	request.reqid = 122;
	request.sas[0].spi = 0x1016;
	request.sas[1].spi = 0x2016;
	assert_int_equal(stack_xfrm.end(&options, &request, text), 0);
	assert_int_equal(lines("ip xfrm state | grep '^src'"), 1);
	assert_int_equal(lines("ip xfrm policy | grep '^src 203\\|^src 198'"), 2);
	run("ip xfrm state flush; ip xfrm policy flush");
}

static int enter(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET))
		return 0;
	capable = !try(
		"ip link set lo up && ip link add d0 type dummy && ip link set d0 up && "
		"ip addr add 203.0.113.1/24 dev d0 && ip route add default dev d0 && "
		"ip xfrm state add src 203.0.113.1 dst 198.51.100.50 proto esp spi 0x99 mode transport " KEYS
		" 2>/dev/null && ip xfrm state flush");
	if (!capable)
		print_message("# no IPsec in this kernel, or not root\n");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dump_at_the_start),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_ports_from_the_policies),
		cmocka_unit_test(test_nothing_is_lost_in_an_overrun),
		cmocka_unit_test(test_two_thousand),
		cmocka_unit_test(test_generic_end),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
