/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nfq/queue against the real kernel: a network namespace of the test's own, datagrams over its loopback
 * interface, and the NFQUEUE target on the way. Everything happens in one thread: what was sent waits in the
 * queue until the test reads it. */
#include "nfq/packet.h"
#include "nfq/queue.h"
#include "tests/unit/checksum.h"

#include <arpa/inet.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { QUEUE = 7, PORT = 5500, DATAGRAM_MAX = 65536 };

static int sender, receiver;   /* IPv4 */
static int sender6, receiver6; /* IPv6 */
static uint8_t received[DATAGRAM_MAX];
static unsigned rules; /* rules in the chain */

/* Surroundings */

static void must(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void queue_rule(const char *chain)
{
	char command[200];

	snprintf(command, sizeof command,
		 "for i in iptables-nft ip6tables-nft; do $i -A %s -p udp --dport %d -j NFQUEUE --queue-num "
		 "%d --queue-bypass "
		 "|| exit 1; done",
		 chain, PORT, QUEUE);
	must(command);
	rules++;
}

static void no_rules(void)
{
	must("for i in iptables-nft ip6tables-nft; do $i -F || exit 1; done");
	rules = 0;
}

static int udp_socket(int family, bool bound)
{
	const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_in v4 = {
		.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(PORT), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const bool is_v6 = family == AF_INET6;
	const struct sockaddr *addr = is_v6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;
	const socklen_t length = is_v6 ? sizeof v6 : sizeof v4;
	const int size = 8 << 20;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	assert_int_equal(bound ? bind(fd, addr, length) : connect(fd, addr, length), 0);
	return fd;
}

static int enter_namespace(void **state)
{
	(void)state;
	must("ip link set lo up mtu 65536");
	receiver = udp_socket(AF_INET, true);
	sender = udp_socket(AF_INET, false);
	receiver6 = udp_socket(AF_INET6, true);
	sender6 = udp_socket(AF_INET6, false);
	return 0;
}

static int clear(void **state)
{
	(void)state;
	if (rules)
		no_rules();
	while (recv(receiver, received, sizeof received, MSG_DONTWAIT) >= 0)
		;
	return 0;
}

static void send_numbered(unsigned first, unsigned count, size_t size)
{
	static uint8_t data[DATAGRAM_MAX];

	for (unsigned i = 0; i < count; i++) {
		memset(data, 'a', size);
		memcpy(data, &(uint32_t){first + i}, sizeof(uint32_t));
		assert_int_equal(send(sender, data, size, 0), size);
	}
}

/* The number in the next datagram, -1: there is none. */
static long next_number(size_t *size)
{
	const ssize_t n = recv(receiver, received, sizeof received, MSG_DONTWAIT);
	uint32_t number;

	if (size)
		*size = n < 0 ? 0 : (size_t)n;
	if (n < (ssize_t)sizeof number)
		return -1;
	memcpy(&number, received, sizeof number);
	return number;
}

static unsigned count_received(void)
{
	unsigned count = 0;

	while (next_number(NULL) >= 0)
		count++;
	return count;
}

static struct nfq_queue *open_queue(const struct nfq_options *options, nfq_handler *handler, void *ctx)
{
	struct nfq_queue *queue = NULL;

	assert_int_equal(nfq_queue_open(&queue, options, handler, ctx), 0);
	assert_non_null(queue);
	return queue;
}

static const struct nfq_options usual = {.number = QUEUE};

/* Handlers */

static enum nfq_verdict accept_all(void *ctx, struct nfq_packet *packet)
{
	if (ctx)
		*(struct nfq_packet *)ctx = *packet;
	return NFQ_AS_IT_WAS;
}

/* Even numbers as they are, numbers of the form 4n+1 changed, 4n+3 dropped. */
static enum nfq_verdict by_number(void *ctx, struct nfq_packet *packet)
{
	struct packet_udp udp;

	(void)ctx;
	assert_int_equal(packet_parse_udp(packet->data, packet->length, &udp), PACKET_UDP);
	assert_true(packet_checksum_ok(&udp));
	if (udp.payload[0] % 2 == 0)
		return NFQ_AS_IT_WAS;
	if (udp.payload[0] % 4 == 3)
		return NFQ_DROP;
	const struct packet_sum before = packet_sum_before(&udp);

	udp.payload[4] = '!';
	packet_sum_after(&udp, before);
	return NFQ_CHANGED;
}

enum { MARK = 0x42, OTHERS_MARK = 7 };

/* Gives each packet a mark and has it meet the rules once more; every other one is changed. One that has a mark already stays. */
static enum nfq_verdict mark_and_repeat(void *ctx, struct nfq_packet *packet)
{
	const enum nfq_verdict verdict = by_number(ctx, packet);

	if (packet->mark)
		return NFQ_AS_IT_WAS;
	packet->mark = MARK;
	packet->repeat = true;
	return verdict;
}

/* ctx: the new payload's size */
static enum nfq_verdict resize(void *ctx, struct nfq_packet *packet)
{
	static uint8_t payload[DATAGRAM_MAX];
	struct packet_udp udp;

	assert_int_equal(packet_parse_udp(packet->data, packet->length, &udp), PACKET_UDP);
	memset(payload, 'z', sizeof payload);
	memcpy(payload, udp.payload, 4);
	packet->length = packet_replace_payload(&udp, NFQ_PACKET_MAX, payload, *(size_t *)ctx);
	assert_true(packet->length > 0);
	return NFQ_CHANGED;
}

/* Tests */

static void accepts(void **state)
{
	(void)state;
	struct nfq_packet last = {.length = 0};
	struct nfq_queue *queue = open_queue(&usual, accept_all, &last);

	queue_rule("INPUT");
	send_numbered(0, 5, 100);
	assert_int_equal(next_number(NULL), -1);
	assert_int_equal(nfq_queue_read(queue, 0), 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(next_number(NULL), i);
	assert_int_equal(nfq_queue_read(queue, 0), 0);
	assert_int_equal(last.hook, NFQ_INPUT);
	assert_int_equal(last.length, 128);
	assert_int_equal(last.in_ifindex, 1);
	assert_int_equal(last.out_ifindex, 0);
	assert_false(last.truncated);
	const struct nfq_stats stats = nfq_queue_stats(queue);

	assert_int_equal(stats.packets, 5);
	assert_int_equal(stats.changed + stats.dropped + stats.overruns + stats.errors, 0);
	nfq_queue_drain_and_close(queue, 100);
}

static void tells_the_hook(void **state)
{
	(void)state;
	struct nfq_packet last = {.length = 0};
	struct nfq_queue *queue = open_queue(&usual, accept_all, &last);

	queue_rule("OUTPUT");
	send_numbered(0, 1, 100);
	assert_int_equal(nfq_queue_read(queue, 0), 1);
	assert_int_equal(last.hook, NFQ_OUTPUT);
	assert_int_equal(last.out_ifindex, 1);
	assert_int_equal(count_received(), 1);
	nfq_queue_drain_and_close(queue, 100);
}

static void mixes_verdicts_in_order(void **state)
{
	(void)state;
	struct nfq_queue *queue = open_queue(&usual, by_number, NULL);

	queue_rule("INPUT");
	send_numbered(0, 200, 100); /* more than one batch */
	assert_int_equal(nfq_queue_read(queue, 0), 200);
	for (unsigned i = 0; i < 200; i++) {
		if (i % 4 == 3)
			continue;
		assert_int_equal(next_number(NULL), i);
		assert_int_equal(received[4], i % 4 == 1 ? '!' : 'a');
	}
	assert_int_equal(next_number(NULL), -1);
	const struct nfq_stats stats = nfq_queue_stats(queue);

	assert_int_equal(stats.packets, 200);
	assert_int_equal(stats.changed, 50);
	assert_int_equal(stats.dropped, 50);
	assert_int_equal(stats.errors, 0);
	nfq_queue_drain_and_close(queue, 100);
}

/* How many packets have gone by a rule of this mark. */
static unsigned counted(const char *table, unsigned mark)
{
	char command[200];
	unsigned count = 0;

	snprintf(command, sizeof command,
		 "iptables-nft -t %s -nvxL INPUT | awk '/mark match 0x%x/ {print $1}'", table, mark);
	FILE *listed = popen(command, "r");

	assert_non_null(listed);
	assert_int_equal(fscanf(listed, "%u", &count), 1);
	pclose(listed);
	return count;
}

static void marks_and_repeats(void **state)
{
	struct nfq_queue *queue = open_queue(&usual, mark_and_repeat, NULL);
	char command[300];

	(void)state;
	snprintf(command, sizeof command,
		 "iptables-nft -A INPUT -m mark --mark %d -j ACCEPT; for m in %d %d; do iptables-nft -t "
		 "security -A INPUT -m mark "
		 "--mark $m; done",
		 MARK, MARK, OTHERS_MARK);
	must(command);
	queue_rule("INPUT");
	send_numbered(0, 16, 100);
	assert_int_equal(nfq_queue_read(queue, 0), 16);
	assert_int_equal(nfq_queue_read(queue, 0), 0);
	assert_int_equal(counted("filter", MARK), 12); /* the rule before it had them the second time */
	assert_int_equal(count_received(), 12);
	assert_int_equal(counted("security", MARK), 12);
	must("iptables-nft -t mangle -A OUTPUT -p udp -j MARK --set-mark 7");
	send_numbered(0, 16, 100);
	assert_int_equal(nfq_queue_read(queue, 0), 16);
	assert_int_equal(count_received(), 16);
	assert_int_equal(counted("security", OTHERS_MARK), 16);
	assert_int_equal(nfq_queue_stats(queue).errors, 0);
	must("iptables-nft -t mangle -F; iptables-nft -t security -F");
	nfq_queue_drain_and_close(queue, 100);
}

/* Every third packet, until the test gives it its verdict; of the rest every other one is changed. */
struct holder {
	uint32_t id[64];
	unsigned count;
};
static enum nfq_verdict hold_some(void *ctx, struct nfq_packet *packet)
{
	struct holder *holder = ctx;
	uint32_t number;

	memcpy(&number, packet->data + 28, sizeof number);
	if (number % 3 == 0) {
		holder->id[holder->count++] = packet->id;
		return NFQ_HELD;
	}
	return number % 3 == 1 ? NFQ_AS_IT_WAS : by_number(NULL, packet);
}

/* What stays as it is behind a held packet goes on without it. */
static void holds_packets(void **state)
{
	static uint8_t changed[28 + 100];
	struct holder holder = {.count = 0};
	struct nfq_queue *queue = open_queue(&usual, hold_some, &holder);
	unsigned seen = 0;

	(void)state;
	queue_rule("INPUT");
	send_numbered(0, 90, 100);
	assert_int_equal(nfq_queue_read(queue, 0), 90);
	assert_int_equal(holder.count, 30);
	for (long number; (number = next_number(NULL)) >= 0; seen++)
		assert_int_not_equal(number % 3, 0);
	assert_true(seen >= 30);
	for (unsigned i = 0; i < holder.count; i++)
		nfq_queue_release(queue, holder.id[i], i % 3 == 2 ? NFQ_DROP : NFQ_AS_IT_WAS, changed, 0);
	assert_int_equal(next_number(NULL), -1);
	nfq_queue_send(queue);
	for (unsigned i = 0; i < holder.count; i++)
		if (i % 3 != 2)
			assert_int_equal(next_number(NULL), i * 3);
	assert_int_equal(next_number(NULL), -1);
	/* And then as before. */
	send_numbered(1, 1, 100);
	assert_int_equal(nfq_queue_read(queue, 0), 1);
	assert_int_equal(next_number(NULL), 1);
	assert_int_equal(nfq_queue_stats(queue).errors, 0);
	nfq_queue_drain_and_close(queue, 100);
}

static void changes_long_packets(void **state)
{
	(void)state;
	struct nfq_queue *queue = open_queue(&usual, by_number, NULL);

	queue_rule("INPUT");
	for (unsigned i = 0; i < 50; i++)
		send_numbered(1, 1, i % 3 ? 1400 : 60000);
	assert_int_equal(nfq_queue_read(queue, 0), 50);
	for (unsigned i = 0; i < 50; i++) {
		size_t size;

		assert_int_equal(next_number(&size), 1);
		assert_int_equal(size, i % 3 ? 1400 : 60000);
		assert_int_equal(received[4], '!');
	}
	assert_int_equal(nfq_queue_stats(queue).errors, 0);
	nfq_queue_drain_and_close(queue, 100);
}

static void changes_the_length(void **state)
{
	(void)state;
	static const size_t sizes[] = {4, 99, 101, 1400, 9000, NFQ_PACKET_MAX - 28};
	size_t wanted;
	struct nfq_queue *queue = open_queue(&usual, resize, &wanted);

	queue_rule("INPUT");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t size;

		wanted = sizes[i];
		send_numbered(9, 3, 100);
		assert_int_equal(nfq_queue_read(queue, 0), 3);
		for (unsigned n = 9; n < 12; n++) {
			assert_int_equal(next_number(&size), n);
			assert_int_equal(size, wanted);
		}
	}
	assert_int_equal(nfq_queue_stats(queue).errors, 0);
	nfq_queue_drain_and_close(queue, 100);
}

static enum nfq_verdict too_long(void *ctx, struct nfq_packet *packet)
{
	(void)ctx;
	packet->length = NFQ_PACKET_MAX + 1;
	return NFQ_CHANGED;
}

static void refuses_an_impossible_change(void **state)
{
	(void)state;
	struct nfq_queue *queue = open_queue(&usual, too_long, NULL);

	queue_rule("INPUT");
	send_numbered(3, 1, 100);
	assert_int_equal(nfq_queue_read(queue, 0), 1);
	assert_int_equal(next_number(NULL), 3);
	assert_int_equal(nfq_queue_stats(queue).errors, 1);
	nfq_queue_drain_and_close(queue, 100);
}

static void says_that_a_packet_is_cut(void **state)
{
	(void)state;
	struct nfq_packet last = {.truncated = false};
	struct nfq_queue *queue = open_queue(&usual, accept_all, &last);
	size_t size;

	queue_rule("INPUT");
	send_numbered(4, 1, 65535 - 28);
	assert_int_equal(nfq_queue_read(queue, 0), 1);
	assert_true(last.truncated);
	assert_int_equal(next_number(&size), 4);
	assert_int_equal(size, 65535 - 28);
	nfq_queue_drain_and_close(queue, 100);
}

static void takes_ipv6(void **state)
{
	(void)state;
	struct nfq_queue *queue = open_queue(&usual, by_number, NULL);
	uint8_t data[6] = {1, 2, 3, 4, 5, 6};

	queue_rule("INPUT");
	assert_int_equal(send(sender6, data, sizeof data, 0), sizeof data);
	assert_int_equal(recv(receiver6, data, sizeof data, MSG_DONTWAIT), -1);
	assert_int_equal(nfq_queue_read(queue, 0), 1);
	assert_int_equal(recv(receiver6, data, sizeof data, MSG_DONTWAIT), sizeof data);
	assert_memory_equal(data, "\1\2\3\4!\6", sizeof data);
	nfq_queue_drain_and_close(queue, 100);
}

static void reads_no_more_than_asked(void **state)
{
	(void)state;
	struct nfq_queue *queue = open_queue(&usual, accept_all, NULL);

	queue_rule("INPUT");
	send_numbered(0, 150, 100);
	assert_int_equal(nfq_queue_read(queue, 3), 3);
	assert_int_equal(count_received(), 3);
	assert_int_equal(nfq_queue_read(queue, 100), 100);
	assert_int_equal(nfq_queue_read(queue, 100), 47);
	assert_int_equal(count_received(), 147);
	nfq_queue_drain_and_close(queue, 100);
}

static void full_queue_lets_through(void **state)
{
	(void)state;
	struct nfq_queue *queue =
		open_queue(&(struct nfq_options){.number = QUEUE, .max_length = 4}, accept_all, NULL);

	queue_rule("INPUT");
	send_numbered(0, 20, 100);
	assert_int_equal(count_received(), 16);
	assert_int_equal(nfq_queue_read(queue, 0), 4);
	assert_int_equal(count_received(), 4);
	nfq_queue_drain_and_close(queue, 100);
}

static void overrun_lets_through(void **state)
{
	(void)state;
	struct nfq_queue *queue =
		open_queue(&(struct nfq_options){.number = QUEUE, .buffer_size = 1}, accept_all, NULL);

	queue_rule("INPUT");
	for (unsigned round = 1; round <= 3; round++) {
		send_numbered(0, 200, 100);
		const unsigned unseen = count_received();
		const int seen = nfq_queue_read(queue, 0);

		assert_true(unseen > 0);
		assert_true(seen > 0);
		assert_int_equal(unseen + (unsigned)seen, 200);
		assert_int_equal(count_received(), seen);
		assert_true(nfq_queue_stats(queue).overruns >= unseen * round / 2);
	}
	assert_int_equal(nfq_queue_stats(queue).errors, 0);
	nfq_queue_drain_and_close(queue, 100);
}

static void names_the_owner_of_a_taken_number(void **state)
{
	(void)state;
	struct nfq_queue *queue = open_queue(&usual, accept_all, NULL), *second = NULL;

	assert_int_equal(nfq_queue_owner(QUEUE), getpid());
	assert_int_equal(nfq_queue_open(&second, &usual, accept_all, NULL), -EBUSY);
	assert_null(second);
	assert_int_equal(nfq_queue_owner(QUEUE + 1), 0);
	/* The first one's queue is as it was. */
	queue_rule("INPUT");
	send_numbered(0, 1, 100);
	assert_int_equal(nfq_queue_read(queue, 0), 1);
	assert_int_equal(count_received(), 1);
	nfq_queue_drain_and_close(queue, 100);
	assert_int_equal(nfq_queue_owner(QUEUE), 0);
}

static void needs_the_capability(void **state)
{
	(void)state;
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		struct nfq_queue *queue;

		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(1);
		_exit(nfq_queue_open(&queue, &usual, accept_all, NULL) == -EPERM ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void drains(void **state)
{
	(void)state;
	struct nfq_queue *queue = open_queue(&usual, by_number, NULL);

	queue_rule("INPUT");
	for (unsigned i = 0; i < 300; i++)
		send_numbered(i % 2, 1, 100);
	assert_int_equal(count_received(), 0);
	no_rules();
	nfq_queue_drain_and_close(queue, 1000);
	assert_int_equal(count_received(), 300);
}

static void outlives_a_link_that_goes_down(void **state)
{
	(void)state;
	struct nfq_queue *queue = open_queue(&usual, accept_all, NULL);

	queue_rule("INPUT");
	send_numbered(0, 3, 100);
	must("ip link set lo down && ip link set lo up"); /* the kernel throws away what waits */
	assert_int_equal(nfq_queue_read(queue, 0), 3);
	nfq_queue_read(queue, 0);
	assert_int_equal(nfq_queue_stats(queue).errors, 1); /* the verdict found nothing */
	send_numbered(0, 3, 100);
	assert_int_equal(nfq_queue_read(queue, 0), 3);
	assert_int_equal(count_received(), 3);
	nfq_queue_drain_and_close(queue, 100);
}

static void wakes_the_reader(void **state)
{
	(void)state;
	struct nfq_queue *queue = open_queue(&usual, accept_all, NULL);
	struct pollfd ready = {.fd = nfq_queue_fd(queue), .events = POLLIN};

	queue_rule("INPUT");
	assert_int_equal(poll(&ready, 1, 0), 0);
	send_numbered(0, 1, 100);
	assert_int_equal(poll(&ready, 1, 1000), 1);
	nfq_queue_read(queue, 0);
	assert_int_equal(poll(&ready, 1, 0), 0);
	assert_int_equal(count_received(), 1);
	nfq_queue_drain_and_close(queue, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(accepts, clear),
		cmocka_unit_test_teardown(tells_the_hook, clear),
		cmocka_unit_test_teardown(mixes_verdicts_in_order, clear),
		cmocka_unit_test_teardown(marks_and_repeats, clear),
		cmocka_unit_test_teardown(holds_packets, clear),
		cmocka_unit_test_teardown(changes_long_packets, clear),
		cmocka_unit_test_teardown(changes_the_length, clear),
		cmocka_unit_test_teardown(refuses_an_impossible_change, clear),
		cmocka_unit_test_teardown(says_that_a_packet_is_cut, clear),
		cmocka_unit_test_teardown(takes_ipv6, clear),
		cmocka_unit_test_teardown(reads_no_more_than_asked, clear),
		cmocka_unit_test_teardown(full_queue_lets_through, clear),
		cmocka_unit_test_teardown(overrun_lets_through, clear),
		cmocka_unit_test_teardown(names_the_owner_of_a_taken_number, clear),
		cmocka_unit_test_teardown(needs_the_capability, clear),
		cmocka_unit_test_teardown(drains, clear),
		cmocka_unit_test_teardown(outlives_a_link_that_goes_down, clear),
		cmocka_unit_test_teardown(wakes_the_reader, clear),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		printf("1..1\nok 1 - queue # SKIP no network namespace: %s\n", strerror(errno));
		return 0;
	}
	if (system("iptables-nft -A INPUT -p udp -j NFQUEUE --queue-num 1 --queue-bypass && iptables-nft "
		   "-F") != 0) {
		printf("1..1\nok 1 - queue # SKIP no NFQUEUE target in this kernel, or no iptables-nft\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
