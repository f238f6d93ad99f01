/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/daemon/queues against the real kernel: datagrams to two ports over the loopback interface of a network namespace of the test's own,
 * each port in a queue of its own. What is sent waits there until the event loop is run. */
#include "shim/daemon/queues.h"

#include "nfq/packet.h"
#include "rules/ruleset.h"
#include "tests/unit/rules_netns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

enum { QUEUE = 7, FIRST_PORT = 5500, KNOWN_PORT = 5501, FLOOD = 6000, TURN = 256 };

static struct event_base *loop;
static struct log quiet;
static unsigned strangers, known; /* handled */
static unsigned before_known;     /* strangers that were handled before the first known one */
static struct nfq_queue *came_by;

static enum nfq_verdict count(void *ctx, struct nfq_packet *packet)
{
	struct packet_udp udp;

	(void)ctx;
	assert_int_equal(packet_parse_udp(packet->data, packet->length, &udp), PACKET_UDP);
	if (udp.dst.port == FIRST_PORT) {
		strangers++;
		return NFQ_AS_IT_WAS;
	}
	if (!known++)
		before_known = strangers;
	came_by = packet->queue;
	return NFQ_AS_IT_WAS;
}

static int enter(void **state)
{
	(void)state;
	enter_new_netns();
	run(format_text("ip link set lo up"));
	for (unsigned i = 0; i < 2; i++)
		run(format_text(
			"iptables-nft -A INPUT -p udp --dport %d -j NFQUEUE --queue-num %d --queue-bypass",
			FIRST_PORT + i, QUEUE + i));
	log_open(&quiet, 0, false);
	loop = event_base_new();
	assert_non_null(loop);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	event_base_free(loop);
	return 0;
}

static int udp_to(uint16_t port)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void send_some(uint16_t port, unsigned datagrams)
{
	const int fd = udp_to(port);

	for (unsigned i = 0; i < datagrams; i++)
		send(fd, "x", 1, 0); /* nobody listens: the errors that come back are of no interest */
	close(fd);
}

static struct queues *open_queues(void)
{
	char error[QUEUES_ERROR_MAX] = "";
	struct queues *queues = NULL;

	if (!queues_open(&queues, QUEUE, count, NULL, NULL, &quiet, error))
		fail_msg("%s", error);
	strangers = known = 0;
	return queues;
}

/* More strangers than a queue has room for, then a few who are known: these are all handled, after one turn of strangers at most. */
static void strangers_cost_no_known_one_its_place(void **state)
{
	struct queues *queues = open_queues();

	(void)state;
	assert_int_equal(queues_start(queues, loop), 0);
	send_some(FIRST_PORT, FLOOD);
	send_some(KNOWN_PORT, 3);
	assert_int_equal(event_base_loop(loop, EVLOOP_ONCE), 0);
	assert_int_equal(known, 3);
	assert_true(before_known <= TURN);
	assert_ptr_equal(came_by, queues_known(queues));
	queues_drain(queues, 5000);
	assert_in_range(strangers, TURN, FLOOD - 1); /* the queue was full */
	assert_int_equal(queues_stats(queues).packets, strangers + known);
	queues_close(queues, 0);
}

/* By whom, as far as it is known: of the second number only that it is. */
static void a_number_that_is_taken_is_named(void **state)
{
	const struct nfq_options second = {.number = RULES_QUEUE_KNOWN(QUEUE)};
	struct nfq_queue *holder = NULL;
	struct queues *queues = NULL;
	char error[QUEUES_ERROR_MAX] = "";

	(void)state;
	assert_int_equal(nfq_queue_open(&holder, &second, count, NULL), 0);
	assert_false(queues_open(&queues, QUEUE, count, NULL, NULL, &quiet, error));
	assert_non_null(strstr(error, "the next one, 8, is taken by "));
	assert_non_null(strstr(error, "choose another number"));
	queues_close(queues, 0);
	nfq_queue_drain_and_close(holder, 0);
	queues = open_queues(); /* the first one was given back */
	queues_close(queues, 0);
	queues_drain(NULL, 0);
	queues_close(NULL, 0);
	assert_null(queues_known(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(strangers_cost_no_known_one_its_place, enter, leave),
		cmocka_unit_test_setup_teardown(a_number_that_is_taken_is_named, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
