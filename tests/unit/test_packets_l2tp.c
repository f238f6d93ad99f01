/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/daemon/packets: the request of a client that left a tunnel behind. When it waits, and that it goes on where it can't. The raw
 * socket and the place to wait are played by this file (Makefile: --wrap). */
#include "shim/daemon/packets.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static unsigned injected, waiting;
static int inject_error;
static bool has_room;

/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __wrap_nfq_inject(struct nfq_injector *injector, const uint8_t *packet, size_t length);
bool __wrap_l2tp_wait_put(struct l2tp_wait *w, const struct nfq_packet *packet, bool changed);
void __wrap_sessions_l2tp(struct sessions *s, const struct endpoint *client, enum session_l2tp what);

int __wrap_nfq_inject(struct nfq_injector *injector, const uint8_t *packet, size_t length)
{
	assert_non_null(injector);
	assert_non_null(packet);
	assert_true(length > L2TP_STOP_LEN);
	injected++;
	return inject_error;
}

bool __wrap_l2tp_wait_put(struct l2tp_wait *w, const struct nfq_packet *packet, bool changed)
{
	(void)w;
	(void)packet;
	(void)changed;
	waiting += has_room;
	return has_room;
}

void __wrap_sessions_l2tp(struct sessions *s, const struct endpoint *client, enum session_l2tp what)
{
	(void)s;
	(void)client;
	assert_int_equal(what, SESSION_L2TP_OPEN);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static struct log log_of_test;
static uint8_t some[3]; /* addresses of things that nobody looks into */
static struct packets packets_of_test;
static struct nfq_packet packet_of_test;

static enum nfq_verdict request(unsigned actions, bool changed)
{
	struct filter_outcome o = {.changed = changed, .protocol = FILTER_L2TP};

	assert_true(endpoint_parse("192.0.2.1:1701", &o.src));
	assert_true(endpoint_parse("192.0.2.9:1701", &o.dst));
	o.l2tp.event = L2TP_EVENT_TUNNEL_REQUEST;
	o.l2tp.actions = actions;
	o.l2tp.stop_count = 2;
	return on_l2tp(&packets_of_test, &packet_of_test, &o, true);
}

static int set_up(void **state)
{
	(void)state;
	log_open(&log_of_test, 0, false);
	injected = waiting = 0;
	inject_error = 0;
	has_room = true;
	packets_of_test = (struct packets){.log = &log_of_test,
					   .injector = (void *)&some[0],
					   .queue = (void *)&some[1],
					   .waiting_allowed = true};
	packet_of_test = (struct nfq_packet){.queue = (void *)&some[1]};
	return 0;
}

static void waits_for_the_old_tunnel(void **state)
{
	(void)state;
	assert_int_equal(request(L2TP_ACT_WAIT, false), NFQ_HELD);
	assert_int_equal(request(L2TP_ACT_WAIT, true), NFQ_HELD);
	assert_int_equal(waiting, 2);
	assert_int_equal(request(0, false), NFQ_AS_IT_WAS);
	assert_int_equal(request(0, true), NFQ_CHANGED);
	assert_int_equal(waiting, 2);
	assert_int_equal(injected, 8);
}

static void goes_on_where_it_cannot_wait(void **state)
{
	(void)state;
	packets_of_test.waiting_allowed = false;
	assert_int_equal(request(L2TP_ACT_WAIT, false), NFQ_AS_IT_WAS);
	packets_of_test.waiting_allowed = true;
	packet_of_test.queue = (void *)&some[2];
	assert_int_equal(request(L2TP_ACT_WAIT, true), NFQ_CHANGED);
	packet_of_test.queue = (void *)&some[1];
	has_room = false;
	assert_int_equal(request(L2TP_ACT_WAIT, true), NFQ_CHANGED);
	assert_int_equal(waiting, 0);
	assert_int_equal(injected, 6);
}

/* The LNS does not hear of it, so nothing of its comes that the client could take for an answer: it repeats its request. */
static void goes_on_without_a_raw_socket(void **state)
{
	(void)state;
	inject_error = -EPERM;
	assert_int_equal(request(L2TP_ACT_WAIT, false), NFQ_AS_IT_WAS);
	assert_int_equal(injected, 2);
	packets_of_test.injector = NULL;
	assert_int_equal(request(L2TP_ACT_WAIT, true), NFQ_CHANGED);
	assert_int_equal(injected, 2);
	assert_int_equal(waiting, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(waits_for_the_old_tunnel, set_up),
		cmocka_unit_test_setup(goes_on_where_it_cannot_wait, set_up),
		cmocka_unit_test_setup(goes_on_without_a_raw_socket, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
