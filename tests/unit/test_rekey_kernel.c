/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/xfrm/rekey against a kernel with IPsec, in a network namespace of its own: other keys and a later sequence number, and
 * nothing else; an SA with other keys than were expected, or that the kernel would not take back, is as it was. Skipped where the kernel has no ESP; tests/vm/test_xfrm runs it in one that has. */
#include "shim/xfrm/rekey.h"

#include "shim/xfrm/kernel_xfrm.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define SA "src 203.0.113.1 dst 198.51.100.7 proto esp spi 0x1001"
#define KEYS                                                                                                 \
	"auth-trunc 'hmac(sha1)' 0x1111111111111111111111111111111111111111 96 enc 'cbc(aes)' "              \
	"0x22222222222222222222222222222222"

static bool capable;
static struct rekey *rekey;
static const uint8_t spi[1][4] = {{0, 0, 0x10, 0x01}};
static struct endpoint client;

/* What happens to the additions that go out, in this order; what the kernel then says is its own word. */
enum fault {
	NOTHING,
	SPOIL, /* it is none for ESP any more: the kernel refuses it */
	FLUSH, /* the SA's owner deletes it just before */
};
static struct {
	enum fault fault[4];
	unsigned additions;
} faults;

static void run(const char *command);

static void meet_fault(struct nlmsghdr *addition)
{
	struct xfrm_usersa_info *info = NLMSG_DATA(addition);
	const unsigned n = faults.additions++;

	if (n >= sizeof faults.fault / sizeof *faults.fault)
		return;
	if (faults.fault[n] == SPOIL)
		info->id.proto = 0;
	if (faults.fault[n] == FLUSH)
		run("ip xfrm state flush");
}

/* In place of the C library's. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	for (size_t i = 0; i < message->msg_iovlen; i++) {
		struct nlmsghdr *header = message->msg_iov[i].iov_base;

		if (message->msg_iov[i].iov_len >= sizeof *header && header->nlmsg_type == XFRM_MSG_NEWSA)
			meet_fault(header);
	}
	return syscall(SYS_sendmsg, fd, message, flags);
}

/* What a command prints; the caller frees it. */
static char *output(const char *command)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = popen(command, "r");

	assert_non_null(f);
	if (getdelim(&text, &size, '\0', f) < 0)
		text[0] = '\0';
	pclose(f);
	return text;
}

static void run(const char *command)
{
	assert_int_equal(system(command), 0);
}

static void begin(void)
{
	if (!capable)
		skip();
	assert_int_equal(rekey_open(&rekey), 0);
}

static int finish(void **state)
{
	(void)state;
	memset(&faults, 0, sizeof faults);
	if (!rekey)
		return 0;
	rekey_close(rekey);
	rekey = NULL;
	return system("ip xfrm state flush; ip xfrm policy flush");
}

/* From the keys of the SA above to others. */
static struct rekey_change a_change(bool outbound)
{
	struct rekey_change c = {.destination = client, .outbound = outbound, .material_length = 36};

	memcpy(c.spi, spi[0], sizeof c.spi);
	memset(c.expected, 0x22, 16);
	memset(c.expected + 16, 0x11, 20);
	memset(c.material, 0x44, 16);
	memset(c.material + 16, 0x33, 20);
	return c;
}

static int try_to_give(struct esp_sa *before)
{
	const struct rekey_change c = a_change(true);

	return rekey_sa(rekey, &c, before);
}

static void give(struct esp_sa *before)
{
	assert_int_equal(try_to_give(before), 0);
}

static void expect(const char *text, const char *wanted)
{
	if (!strstr(text, wanted))
		fail_msg("no \"%s\" in:\n%s", wanted, text);
}

/* The words of the state as it was, with the keys that it shall have. */
static void keys_and_nothing_else(void **state)
{
	const char *const show =
		"ip -d xfrm state | sed -e 's/0x1\\{40\\}/AUTH/; s/0x3\\{40\\}/AUTH/; s/0x2\\{32\\}/ENC/; "
		"s/0x4\\{32\\}/ENC/; s/oseq 0x[0-9a-f]*/oseq N/'";
	struct esp_sa before;
	char *was, *is;

	(void)state;
	begin();
	run("ip xfrm state add " SA
	    " reqid 7 mode transport replay-window 32 replay-oseq 100 replay-seq 7 flag noecn " KEYS
	    " encap espinudp 4500 1025 0.0.0.0 sel src 203.0.113.1/32 dst 198.51.100.7/32 proto udp sport "
	    "1701 dport 1701");
	was = output(show);
	give(&before);
	is = output(show);
	assert_string_equal(is, was);
	expect(is, "seq 0x7, oseq N");
	free(was);
	free(is);
	is = output("ip -d xfrm state");
	expect(is, "0x44444444444444444444444444444444");
	expect(is, "0x3333333333333333333333333333333333333333");
	expect(is, "oseq 0x1064"); /* 100 + REKEY_SEQUENCE_GAP */
	free(is);
	assert_string_equal(before.cipher, "cbc(aes)");
	assert_string_equal(before.auth, "hmac(sha1)");
	assert_int_equal(before.key_length, 16);
	assert_int_equal(before.auth_key_length, 20);
	assert_int_equal(before.icv_length, 12);
	assert_int_equal(before.key[15], 0x22);
	assert_int_equal(before.auth_key[19], 0x11);
}

/* A window above 32 has another form. */
static void large_window(void **state)
{
	char *is;

	(void)state;
	begin();
	run("ip xfrm state add " SA
	    " mode transport replay-window 128 flag esn replay-oseq 100 replay-seq 7 " KEYS);
	give(NULL);
	is = output("ip -d xfrm state");
	expect(is, "replay_window 128");
	expect(is, "seq 0x7, oseq-hi 0x0, oseq 0x1064");
	free(is);
}

static void last_number(void **state)
{
	char *is;

	(void)state;
	begin();
	run("ip xfrm state add " SA " mode transport replay-window 32 replay-oseq 0xffffff00 " KEYS);
	give(NULL);
	is = output("ip -d xfrm state");
	expect(is, "oseq 0xffffffff");
	free(is);
}

static void counters_stay(void **state)
{
	char *is;

	(void)state;
	begin();
	run("ip xfrm state add " SA " mode transport reqid 7 " KEYS " && "
	    "ip xfrm policy add dir out src 203.0.113.1 dst 198.51.100.7 tmpl proto esp mode transport reqid "
	    "7 && "
	    "{ ping -q -c 3 -i 0.1 -W 0.1 198.51.100.7 > /dev/null; true; }");
	give(NULL);
	is = output("ip -s xfrm state");
	expect(is, "3(packets)");
	free(is);
}

static void none_there(void **state)
{
	struct rekey_change c;

	(void)state;
	begin();
	c = a_change(true);
	assert_int_equal(rekey_sa(rekey, &c, NULL), -ESRCH);
	run("ip xfrm state add " SA " mode transport " KEYS);
	c.material_length = 35;
	assert_int_equal(rekey_sa(rekey, &c, NULL), -EMSGSIZE);
	c.material_length = 36;
	assert_int_equal(rekey_sa(rekey, &c, NULL), 0);
}

static const char *const show_all = "ip -d xfrm state; ip xfrm state count";

/* Whoever named its SPI: an SA with other keys is somebody else's, and is not touched. */
static void keys_of_another(void **state)
{
	static const unsigned wrong[] = {0, 15, 16, 35}; /* first and last byte of either key */
	char *was, *is;

	(void)state;
	begin();
	run("ip xfrm state add " SA " reqid 7 mode transport replay-window 32 replay-oseq 100 " KEYS);
	was = output(show_all);
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct rekey_change c = a_change(true);
		struct esp_sa before = {.key_length = 0};

		c.expected[wrong[i]] ^= 1;
		assert_int_equal(rekey_sa(rekey, &c, &before), -EKEYREJECTED);
		assert_int_equal(before.key_length, 0); /* nor does anybody hear of its keys */
		is = output(show_all);
		assert_string_equal(is, was);
		free(is);
	}
	assert_int_equal(faults.additions, 0); /* not for a moment */
	free(was);
	give(NULL);
}

/* One key for both, and a salt at its end. */
static void aead(void **state)
{
	struct rekey_change c = a_change(true);
	char *is;

	(void)state;
	begin();
	run("ip xfrm state add " SA " mode transport aead 'rfc4106(gcm(aes))' "
	    "0x2222222222222222222222222222222211111111 128");
	c.expected[19] ^= 1;
	assert_int_equal(rekey_sa(rekey, &c, NULL), -EKEYREJECTED);
	c.expected[19] ^= 1;
	assert_int_equal(rekey_sa(rekey, &c, NULL), 0);
	is = output("ip -d xfrm state");
	expect(is, "0x4444444444444444444444444444444433333333");
	free(is);
}

/* What is received with has no number of its own: from Linux 6.10 on the kernel refuses one that says so. */
static void inbound(void **state)
{
	struct rekey_change c = a_change(false);
	char *is;

	(void)state;
	begin();
	run("ip xfrm state add " SA " mode transport replay-window 32 replay-seq 7 " KEYS);
	assert_int_equal(rekey_sa(rekey, &c, NULL), 0);
	is = output("ip -d xfrm state");
	expect(is, "seq 0x7, oseq 0x0,");
	expect(is, "0x44444444444444444444444444444444");
	free(is);
}

/* As libreswan 5.2 installs them. The kernel's word counts, whatever the caller says: it would refuse the number after it has
 * deleted the SA. */
static void direction_known(void **state)
{
	struct rekey_change c = a_change(true);
	char *is;

	(void)state;
	begin();
	if (system("ip xfrm state add " SA
		   " mode transport replay-window 128 flag esn replay-seq 7 dir in " KEYS " 2> /dev/null"))
		skip(); /* neither this kernel nor this iproute2 knows of it */
	assert_int_equal(rekey_sa(rekey, &c, NULL), 0);
	is = output("ip -d xfrm state");
	expect(is, "dir in");
	expect(is, "seq 0x7, oseq-hi 0x0, oseq 0x0");
	expect(is, "0x44444444444444444444444444444444");
	free(is);
	run("ip xfrm state flush; ip xfrm state add " SA " mode transport replay-oseq 100 dir out " KEYS);
	c.outbound = false;
	assert_int_equal(rekey_sa(rekey, &c, NULL), 0);
	is = output("ip -d xfrm state");
	expect(is, "dir out");
	expect(is, "oseq 0x1064");
	free(is);
}

static void looks(void **state)
{
	const uint8_t spis[3][4] = {{0, 0, 0x20, 1}, {0, 0, 0x20, 2}, {0, 0, 0x10, 1}};
	struct endpoint other;

	(void)state;
	begin();
	assert_true(endpoint_parse("198.51.100.8", &other));
	assert_int_equal(rekey_look(rekey, &client, spis, 3), 0);
	run("ip xfrm state add " SA " mode transport " KEYS);
	assert_int_equal(rekey_look(rekey, &client, spis, 2), 0);
	assert_int_equal(rekey_look(rekey, &client, spis, 3), -EEXIST);
	assert_int_equal(rekey_look(rekey, &other, spis, 3), 0);
	run("ip xfrm state flush; ip xfrm state allocspi src 203.0.113.1 dst 198.51.100.7 proto esp min "
	    "0x1001 max 0x1001 > /dev/null");
	assert_int_equal(rekey_look(rekey, &client, spis, 3), -EEXIST);
}

static void expect_as_it_was(const char *was)
{
	char *is = output("ip -d xfrm state | sed -e 's/oseq 0x[0-9a-f]*/oseq N/'");

	assert_string_equal(is, was);
	free(is);
}

/* The kernel refuses what it is asked to take: before the SA is deleted; and then, which it must not do; and the old one, too. */
static void refused(void **state)
{
	static const struct {
		enum fault fault[4]; /* trial, addition, the old one */
		unsigned additions;
		int outcome;
	} cases[] = {
		{{SPOIL}, 1, -EINVAL},
		{{NOTHING, SPOIL}, 3, -EINVAL},
		{{NOTHING, SPOIL, SPOIL}, 3, -ENOTRECOVERABLE},
	};

	(void)state;
	begin();
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *was;

		run("ip xfrm state flush; ip xfrm state add " SA
		    " reqid 7 mode transport replay-window 32 replay-oseq 100 replay-seq 7 " KEYS);
		was = output("ip -d xfrm state | sed -e 's/oseq 0x[0-9a-f]*/oseq N/'");
		memset(&faults, 0, sizeof faults);
		memcpy(faults.fault, cases[i].fault, sizeof faults.fault);
		assert_int_equal(try_to_give(NULL), cases[i].outcome);
		expect_as_it_was(cases[i].outcome == -ENOTRECOVERABLE ? "" : was);
		assert_int_equal(faults.additions, cases[i].additions);
		free(was);
	}
}

/* Whose owner deletes it meanwhile: there is none afterwards either, at whichever point that was. */
static void ends_meanwhile(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 2; i++) {
		run("ip xfrm state add " SA " mode transport " KEYS);
		memset(&faults, 0, sizeof faults);
		faults.fault[i] = FLUSH;
		assert_int_equal(try_to_give(NULL), -ESRCH);
		expect_as_it_was("");
	}
}

static int enter(void **state)
{
	(void)state;
	assert_true(endpoint_parse("198.51.100.7", &client));
	if (unshare(CLONE_NEWNET))
		return 0;
	capable = !system("ip link set lo up && ip link add d0 type dummy && ip link set d0 up && "
			  "ip addr add 203.0.113.1/24 dev d0 && ip route add default dev d0 && "
			  "ip xfrm state add " SA " mode transport " KEYS
			  " 2>/dev/null && ip xfrm state flush");
	if (!capable)
		print_message("# no IPsec in this kernel, or not root\n");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(keys_and_nothing_else, finish),
		cmocka_unit_test_teardown(large_window, finish),
		cmocka_unit_test_teardown(last_number, finish),
		cmocka_unit_test_teardown(counters_stay, finish),
		cmocka_unit_test_teardown(none_there, finish),
		cmocka_unit_test_teardown(keys_of_another, finish),
		cmocka_unit_test_teardown(aead, finish),
		cmocka_unit_test_teardown(inbound, finish),
		cmocka_unit_test_teardown(direction_known, finish),
		cmocka_unit_test_teardown(looks, finish),
		cmocka_unit_test_teardown(refused, finish),
		cmocka_unit_test_teardown(ends_meanwhile, finish),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
