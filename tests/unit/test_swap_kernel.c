/* shim/stack/swap against a kernel with IPsec, in a network namespace of its own: other keys and a later sequence number, and
 * nothing else. Skipped where the kernel has no ESP; tests/vm/test_xfrm runs it in one that has. */
#include "shim/stack/swap.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SA "src 203.0.113.1 dst 198.51.100.7 proto esp spi 0x1001"
#define KEYS                                                                                                 \
	"auth-trunc 'hmac(sha1)' 0x1111111111111111111111111111111111111111 96 enc 'cbc(aes)' "              \
	"0x22222222222222222222222222222222"

static bool capable;
static struct swap *swap;
static const uint8_t spi[4] = {0, 0, 0x10, 0x01};
static struct endpoint client;

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
	assert_int_equal(swap_open(&swap), 0);
}

static int finish(void **state)
{
	(void)state;
	if (!swap)
		return 0;
	swap_close(swap);
	swap = NULL;
	return system("ip xfrm state flush; ip xfrm policy flush");
}

static void material(uint8_t out[36])
{
	memset(out, 0x44, 16);
	memset(out + 16, 0x33, 20);
}

static void give(struct esp_sa *before)
{
	uint8_t keys[36];

	material(keys);
	assert_int_equal(swap_keys(swap, &client, spi, keys, sizeof keys, before), 0);
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
	expect(is, "oseq 0x1064"); /* 100 + SWAP_SEQUENCE_GAP */
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
	uint8_t keys[36];

	(void)state;
	begin();
	material(keys);
	assert_int_equal(swap_keys(swap, &client, spi, keys, sizeof keys, NULL), -ESRCH);
	run("ip xfrm state add " SA " mode transport " KEYS);
	assert_int_equal(swap_keys(swap, &client, spi, keys, 35, NULL), -EMSGSIZE);
	assert_int_equal(swap_keys(swap, &client, spi, keys, 36, NULL), 0);
}

struct heard {
	unsigned added, missed;
};

static void count_added(void *ctx, const struct endpoint *destination, const uint8_t added_spi[static 4])
{
	struct heard *heard = ctx;

	(void)added_spi;
	if (destination->addr_len)
		heard->added++;
	else
		heard->missed++;
}

/* More SAs at once than there is room to tell of: then that is told. */
static void too_many_to_tell(void **state)
{
	struct heard heard = {.added = 0};
	unsigned before;

	(void)state;
	begin();
	run("ip xfrm state add " SA " mode transport " KEYS);
	swap_read(swap, count_added, &heard);
	assert_int_equal(heard.added, 1);
	assert_int_equal(heard.missed, 0);
	run("for n in $(seq 8193 12192); do echo \"xfrm state add src 203.0.113.1 dst 198.51.100.7 proto esp "
	    "spi $n "
	    "mode transport " KEYS "\"; done | ip -batch -");
	do {
		before = heard.added + heard.missed;
		swap_read(swap, count_added, &heard);
	} while (heard.added + heard.missed != before);
	assert_in_range(heard.added, 100, 3999);
	assert_int_equal(heard.missed, 1);
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
		cmocka_unit_test_teardown(too_many_to_tell, finish),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
