/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/stack with its worker process and a whack of the test's own: a script that prints states as libreswan 4.10 does, takes
 * lines away on --deletestate, and notes what it was told. Also a whack that is missing, that hangs and that fails. */
#include "tests/unit/role_alone.h"
#include "shim/stack/stack.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char script[] =
	"#!/bin/sh\n"
	"here=${0%/*}\n"
	"echo \"$*\" | sed 's/ --ctlsocket [^ ]*//' >> $here/said\n"
	"[ -e $here/hang ] && exec sleep 1000\n"
	"[ -e $here/fail ] && { echo 'whack: Pluto is not running (no \"/run/pluto/pluto.ctl\")' >&2; exit "
	"33; }\n"
	"shift 3\n"
	"case $1 in\n"
	"--status) cat $here/ids $here/states ;;\n"
	"--showstates) cat $here/states ;;\n"
	"--deletestate)\n"
	"	[ -e $here/late ] && sed -i \"/^000 #$2: /d\" $here/states\n"
	"	grep -q \"#$2: \" $here/states || { echo \"021 no state #$2 to delete\"; exit 21; }\n"
	"	echo \"002 \\\"l2tp\\\"[2] 203.0.113.2 #$2: deleting state (STATE_QUICK_R2) aged 1s and "
	"sending notification\"\n"
	"	sed -i \"/^000 #$2: /d\" $here/states ;;\n"
	"esac\n";

/* Two clients behind 203.0.113.2, a site-to-site tunnel, and a third client whose new Quick Mode is under way. */
static const char states[] =
	"000 #1: \"l2tp\"[2] 203.0.113.2:21001 STATE_MAIN_R3 (IKE SA established); EXPIRE in 28791s; newest; "
	"nodpd; idle;\n"
	"000 #2: \"l2tp\"[2] 203.0.113.2:21001 STATE_QUICK_R2 (IPsec SA established); EXPIRE in 28799s; "
	"newest; eroute "
	"owner; ISAKMP SA #1; idle;\n"
	"000 #2: \"l2tp\"[2] 203.0.113.2 esp.b309119f@203.0.113.2 esp.6f3098d@203.0.113.1 Traffic: ESPin=0B "
	"ESPout=0B \n"
	"000 #3: \"l2tp\"[3] 203.0.113.2:21002 STATE_MAIN_R3 (IKE SA established); EXPIRE in 28791s; newest; "
	"nodpd; idle;\n"
	"000 #4: \"l2tp\"[3] 203.0.113.2:21002 STATE_QUICK_R2 (IPsec SA established); EXPIRE in 28799s; "
	"newest; eroute "
	"owner; ISAKMP SA #3; idle;\n"
	"000 #4: \"l2tp\"[3] 203.0.113.2 esp.1@203.0.113.2 esp.2@203.0.113.1 Traffic: ESPin=0B ESPout=0B \n"
	"000 #5: \"l2tp\"[3] 203.0.113.2:21002 STATE_QUICK_R2 (IPsec SA established); EXPIRE in 28799s; "
	"ISAKMP SA #3; idle;\n"
	"000 #5: \"l2tp\"[3] 203.0.113.2 esp.3@203.0.113.2 esp.4@203.0.113.1 Traffic: ESPin=0B ESPout=0B \n"
	"000 #6: \"site\":4500 STATE_V2_ESTABLISHED_IKE_SA (established IKE SA); REKEY in 9949s; newest; "
	"idle;\n"
	"000 #7: \"site\":4500 STATE_V2_ESTABLISHED_CHILD_SA (established Child SA); newest; eroute owner; "
	"IKE SA #6; idle;\n"
	"000 #7: \"site\" esp.b309119f@198.51.100.1 esp.6f3098d@203.0.113.1 tun.0@198.51.100.1 "
	"tun.0@203.0.113.1 Traffic: \n"
	"000 #8: \"l2tp\"[4] 203.0.113.8:4500 STATE_MAIN_R3 (IKE SA established); EXPIRE in 28791s; newest; "
	"nodpd; idle;\n"
	"000 #9: \"l2tp\"[4] 203.0.113.8:4500 STATE_QUICK_R2 (IPsec SA established); EXPIRE in 28799s; "
	"ISAKMP SA #8; idle;\n"
	"000 #9: \"l2tp\"[4] 203.0.113.8 esp.8@203.0.113.8 esp.9@203.0.113.1 Traffic: ESPin=0B ESPout=0B \n"
	"000 #10: \"l2tp\"[4] 203.0.113.8:4500 STATE_QUICK_R1 (sent Quick Mode reply, inbound IPsec SA "
	"installed); idle;\n"
	"000 #11: \"l2tp\"[2] 203.0.113.2:21001 STATE_QUICK_R2 (IPsec SA established); EXPIRE in 3s; ISAKMP "
	"SA #99; idle;\n"
	"000 #11: \"l2tp\"[2] 203.0.113.2 esp.ff@203.0.113.2 esp.fe@203.0.113.1 Traffic: ESPin=0B ESPout=0B "
	"\n";

static const char ids[] =
	"000 \"l2tp\"[2]:   our idtype: ID_IPV4_ADDR; our id=203.0.113.1; their idtype: ID_IPV4_ADDR; "
	"their id=192.168.50.11\n"
	"000 \"l2tp\"[3]:   our idtype: ID_IPV4_ADDR; our id=203.0.113.1; their idtype: ID_FQDN; their "
	"id=@mac\n";

struct heard {
	struct role_alone alone;
	struct stack_options options;
	struct stack *stack;
	char dir[64], ipsec[128], ctl[128];
	unsigned detected, ended, listed;
	enum stack_kind kind;
	int error;
	uint64_t id;
	char text[STACK_TEXT_MAX];
	struct stack_ike_sa sas[8];
	size_t sa_count;
};

static void on_detected(void *ctx, enum stack_kind kind, int error, const char *text)
{
	struct heard *h = ctx;

	h->detected++;
	h->kind = kind;
	h->error = error;
	snprintf(h->text, sizeof h->text, "%s", text);
}

static void on_ike_sa(void *ctx, const struct stack_ike_sa *sa)
{
	struct heard *h = ctx;

	assert_true(h->sa_count < 8);
	h->sas[h->sa_count++] = *sa;
}

static void on_listed(void *ctx, const struct endpoint *peer, int error, const char *text)
{
	struct heard *h = ctx;

	(void)peer;
	h->listed++;
	h->error = error;
	snprintf(h->text, sizeof h->text, "%s", text);
}

static void on_ended(void *ctx, uint64_t id, int error, const char *text)
{
	struct heard *h = ctx;

	h->ended++;
	h->id = id;
	h->error = error;
	snprintf(h->text, sizeof h->text, "%s", text);
}

static void write_file(const struct heard *h, const char *name, const char *content)
{
	char path[160];

	snprintf(path, sizeof path, "%s/%s", h->dir, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(content, file);
	fclose(file);
}

static char *read_file(const struct heard *h, const char *name)
{
	static char content[8192];
	char path[160];

	snprintf(path, sizeof path, "%s/%s", h->dir, name);
	FILE *file = fopen(path, "r");
	const size_t length = file ? fread(content, 1, sizeof content - 1, file) : 0;

	if (file)
		fclose(file);
	content[length] = '\0';
	return content;
}

static const struct stack_handlers handlers = {
	.detected = on_detected, .ike_sa = on_ike_sa, .listed = on_listed, .ended = on_ended};

static int begin(void **state)
{
	struct heard *h = calloc(1, sizeof *h);
	char pid[32];

	strcpy(h->dir, "/tmp/natshim-stack-XXXXXX");
	if (!mkdtemp(h->dir))
		return -1;
	snprintf(h->ipsec, sizeof h->ipsec, "%s/ipsec", h->dir);
	snprintf(h->ctl, sizeof h->ctl, "%s/pluto.ctl", h->dir);
	snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	write_file(h, "ipsec", script);
	chmod(h->ipsec, 0755);
	write_file(h, "states", states);
	write_file(h, "ids", ids);
	write_file(h, "said", "");
	write_file(h, "pluto.ctl", "");
	write_file(h, "pluto.pid", pid);
	*state = h;
	h->options = (struct stack_options){
		.kind = STACK_LIBRESWAN, .ipsec_path = h->ipsec, .pluto_ctl = h->ctl, .timeout_ms = 2000};

	if (!role_alone_begin(&h->alone, stack_role(&h->options)))
		return -1;
	return stack_open(&h->stack, h->alone.parent.near[0][0], &handlers, h);
}

static int finish(void **state)
{
	struct heard *h = *state;
	char command[128];

	stack_close(h->stack);
	role_alone_end(&h->alone);
	snprintf(command, sizeof command, "rm -r %s", h->dir);
	free(h);
	return system(command);
}

/* Reads answers until *counter moves; false: none within 10 s. */
static bool wait_for(struct heard *h, const unsigned *counter)
{
	struct pollfd pfd = {.fd = stack_fd(h->stack), .events = POLLIN};
	const unsigned before = *counter;

	while (*counter == before) {
		if (poll(&pfd, 1, 10000) <= 0)
			return false;
		stack_read(h->stack);
	}
	return true;
}

static struct stack_end_request end_of(const char *peer, uint32_t in, uint32_t out)
{
	struct stack_end_request request = {.id = 4711, .sa_count = 2, .sas = {{in, false}, {out, true}}};

	assert_true(endpoint_parse(peer, &request.peer) && endpoint_parse("203.0.113.1:4500", &request.us));
	return request;
}

static void end_session(struct heard *h, const struct stack_end_request *request)
{
	assert_int_equal(stack_end(h->stack, request), 0);
	assert_true(wait_for(h, &h->ended));
	assert_int_equal(h->id, 4711);
}

static void test_detect(void **state)
{
	struct heard *h = *state;

	assert_int_equal(stack_detect(h->stack), 0);
	assert_true(wait_for(h, &h->detected));
	assert_int_equal(h->error, 0);
	assert_int_equal(h->kind, STACK_LIBRESWAN);
	write_file(h, "pluto.pid", "999999999\n");
	assert_int_equal(stack_detect(h->stack), 0);
	assert_true(wait_for(h, &h->detected));
	assert_int_equal(h->error, -ESRCH);
	assert_non_null(strstr(h->text, "pluto does not run"));
}

static void test_children_first_then_the_ike_state(void **state)
{
	struct heard *h = *state;
	const struct stack_end_request request = end_of("203.0.113.2:21001", 0x06f3098d, 0xb309119f);

	end_session(h, &request);
	assert_int_equal(h->error, 0);
	assert_string_equal(read_file(h, "said"),
			    "whack --showstates\nwhack --deletestate 2\nwhack --deletestate 1\n");
	const char *left = read_file(h, "states");

	assert_null(strstr(left, "#1:"));
	assert_null(strstr(left, "#2:"));
	assert_non_null(strstr(left, "#7: \"site\" esp.b309119f"));
	assert_non_null(strstr(left, "#4:"));
}

/* The client's own Delete was faster: it came between the look at the states and the deletion. */
static void test_what_has_gone_by_itself(void **state)
{
	struct heard *h = *state;
	const struct stack_end_request request = end_of("203.0.113.2:21002", 2, 1);

	write_file(h, "late", "");
	end_session(h, &request);
	assert_int_equal(h->error, STACK_NOTHING);
	assert_string_equal(h->text, "");
	assert_string_equal(read_file(h, "said"), "whack --showstates\nwhack --deletestate 4\n");
}

static void test_an_ike_state_with_another_child_stays(void **state)
{
	struct heard *h = *state;
	const struct stack_end_request request = end_of("203.0.113.2:21002", 2, 1);

	end_session(h, &request);
	assert_int_equal(h->error, 0);
	assert_string_equal(read_file(h, "said"), "whack --showstates\nwhack --deletestate 4\n");
}

static void test_an_ike_state_with_a_quick_mode_under_way_stays(void **state)
{
	struct heard *h = *state;
	const struct stack_end_request request = end_of("203.0.113.8:4500", 9, 8);

	end_session(h, &request);
	assert_string_equal(read_file(h, "said"), "whack --showstates\nwhack --deletestate 9\n");
}

/* What a killed natshim left of a client: pluto 5 takes no other Quick Mode of that instance while one is half-way. */
static void test_a_quick_mode_under_way_goes_on_demand(void **state)
{
	struct heard *h = *state;
	struct stack_end_request request = end_of("203.0.113.8:4500", 9, 8);

	request.sa_count = 0;
	request.ike_sa_too = request.quick_too = true;
	end_session(h, &request);
	assert_string_equal(read_file(h, "said"), "whack --showstates\nwhack --deletestate 10\n");
	request.peer.port = 4501; /* another client behind that NAT */
	end_session(h, &request);
	assert_string_equal(read_file(h, "said"),
			    "whack --showstates\nwhack --deletestate 10\nwhack --showstates\n");
}

static void test_a_child_without_its_parent(void **state)
{
	struct heard *h = *state;
	const struct stack_end_request request = end_of("203.0.113.2:21001", 0xfe, 0xff);

	end_session(h, &request);
	assert_int_equal(h->error, 0);
	assert_string_equal(read_file(h, "said"), "whack --showstates\nwhack --deletestate 11\n");
}

static void test_list(void **state)
{
	struct heard *h = *state;
	struct endpoint peer;

	assert_true(endpoint_parse("203.0.113.2", &peer));
	assert_int_equal(stack_list(h->stack, &peer), 0);
	assert_true(wait_for(h, &h->listed));
	assert_int_equal(h->error, 0);
	assert_int_equal(h->sa_count, 3);
	assert_int_equal(h->sas[0].number, 1);
	assert_string_equal(h->sas[0].id, "192.168.50.11");
	assert_int_equal(h->sas[0].peer.port, 21001);
	assert_int_equal(h->sas[0].child_count, 1);
	assert_int_equal(h->sas[0].spis_in[0], 0x06f3098d);
	assert_string_equal(h->sas[1].id, "@mac");
	assert_int_equal(h->sas[1].child_count, 2);
	assert_int_equal(h->sas[2].number, 11); /* its IKE SA is gone, it has an ID all the same */
	assert_string_equal(h->sas[2].id, "192.168.50.11");
	assert_int_equal(h->sas[2].spis_in[0], 0xfe);
}

static void test_whack_that_fails(void **state)
{
	struct heard *h = *state;
	const struct stack_end_request request = end_of("203.0.113.2:21001", 0x06f3098d, 0xb309119f);

	write_file(h, "fail", "");
	end_session(h, &request);
	assert_int_equal(h->error, -EIO);
	assert_string_equal(h->text,
			    "whack --showstates: whack: Pluto is not running (no \"/run/pluto/pluto.ctl\")");
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void test_whack_that_hangs(void **state)
{
	struct heard *h = *state;
	const struct stack_end_request request = end_of("203.0.113.2:21001", 0x06f3098d, 0xb309119f);
	const uint64_t began = clock_ms();

	write_file(h, "hang", "");
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(stack_end(h->stack, &request), 0);
		assert_int_equal(stack_read(h->stack), 0);
	}
	assert_true(clock_ms() - began < 500); /* nobody waited */
	assert_true(wait_for(h, &h->ended));
	assert_int_equal(h->error, -ETIMEDOUT);
	assert_string_equal(h->text, "whack --showstates: no answer within 2000 ms");
}

static void test_whack_that_is_missing(void **state)
{
	struct heard *h = *state;
	const struct stack_end_request request = end_of("203.0.113.2:21001", 0x06f3098d, 0xb309119f);

	assert_int_equal(unlink(h->ipsec), 0);
	end_session(h, &request);
	assert_int_equal(h->error, -ENOENT);
	assert_non_null(strstr(h->text, "cannot run"));
}

static void test_worker_that_dies(void **state)
{
	struct heard *h = *state;
	const struct stack_end_request request = end_of("203.0.113.2:21001", 0x06f3098d, 0xb309119f);
	const pid_t first = stack_worker(h->stack);

	write_file(h, "hang", "");
	assert_int_equal(stack_end(h->stack, &request), 0);
	assert_int_equal(stack_end(h->stack, &request), 0);
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_true(wait_for(h, &h->ended));
	assert_int_equal(h->ended, 2);
	assert_int_equal(h->error, -EPIPE);
	assert_int_not_equal(stack_worker(h->stack), first);
	char path[160];

	snprintf(path, sizeof path, "%s/hang", h->dir);
	assert_int_equal(unlink(path), 0);
	end_session(h,
		    /* by its successor, on the same descriptor, which may have found the second request
		 * there */
		    &request);
	assert_true(h->error == 0 || h->error == STACK_NOTHING);
}

static void test_too_many_requests(void **state)
{
	struct heard *h = *state;
	const struct stack_end_request request = end_of("203.0.113.2:21001", 0x06f3098d, 0xb309119f);
	unsigned taken = 0;
	int rc;

	write_file(h, "hang", "");
	while ((rc = stack_end(h->stack, &request)) == 0)
		taken++;
	assert_int_equal(rc, -EAGAIN);
	assert_true(taken >= 100 && taken <= 256);
	struct stack_end_request big = request;

	big.sa_count = STACK_SAS_MAX + 1;
	assert_int_equal(stack_end(h->stack, &big), -EINVAL);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(stack_kind_name(STACK_XFRM), "xfrm");
}

int main(void)
{
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, begin, finish)
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(test_detect),
		IN_DIRECTORY(test_children_first_then_the_ike_state),
		IN_DIRECTORY(test_what_has_gone_by_itself),
		IN_DIRECTORY(test_an_ike_state_with_another_child_stays),
		IN_DIRECTORY(test_an_ike_state_with_a_quick_mode_under_way_stays),
		IN_DIRECTORY(test_a_quick_mode_under_way_goes_on_demand),
		IN_DIRECTORY(test_a_child_without_its_parent),
		IN_DIRECTORY(test_list),
		IN_DIRECTORY(test_whack_that_fails),
		IN_DIRECTORY(test_whack_that_hangs),
		IN_DIRECTORY(test_whack_that_is_missing),
		IN_DIRECTORY(test_worker_that_dies),
		IN_DIRECTORY(test_too_many_requests),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
