/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packets the rules pick, told by their counters: crafted datagrams between two network namespaces of the test's
 * own. Nobody listens on the queue, so "bypass" lets everything through. Needs root, ip(8), nft(8); skipped without. */
#include "tests/unit/rules_netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#define CLIENT4 "192.0.2.2"
#define SERVER4 "192.0.2.1"
#define CLIENT6 "2001:db8::2"
#define SERVER6 "2001:db8::1"
enum { CLIENT_PORT = 40000, RULES_COUNTED_MAX = 48 };

struct lab {
	int client_netns, server_netns; /* descriptors */
	struct rules_nft *nft;          /* in the server's */
	struct rules_features features;
	bool alias; /* for the next make_lab() */
};
static struct lab lab;

static const char *const interfaces[] = {"eth0"};

static void make_lab(bool dnat)
{
	struct rules_options options = {
		.interfaces = interfaces,
		.interface_count = 1,
		.queue_number = 77,
		.protect = true,
		.liveness = true,
		.l2tp_control = true,
		.l2tp_from_lns = true,
		.dnat4 = dnat,
		.alias = lab.alias,
		.alias_net = {.addr = {198, 18}, .addr_len = 4},
		.alias_prefix = 16,
	};

	enter_new_netns();
	lab.client_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	run(strdup(
		"ip link set lo up && ip link add client type veth peer name eth0 && ip link set client up &&"
		"ip addr add " CLIENT4 "/24 dev client && ip addr add " CLIENT6 "/64 dev client nodad"));
	enter_new_netns();
	lab.server_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	run(format_text("nsenter --net=/proc/%d/fd/%d ip link set eth0 netns %d", getpid(), lab.client_netns,
			getpid()));
	run(strdup("ip link set lo up && ip link set eth0 up && ip addr add " SERVER4 "/24 dev eth0 &&"
		   "ip addr add " SERVER6 "/64 dev eth0 nodad"));
	lab.nft = open_nft(&lab.features);
	options.owner = lab.features.owner;
	options.native_queue = lab.features.native_queue;
	options.no_secpath = !lab.features.secpath;
	options.no_fib = !lab.features.fib;
	options.no_limit = !lab.features.limit;
	options.no_defrag = !lab.features.defrag;
	assert_true(endpoint_parse("192.0.2.99", &options.lns4));
	install(lab.nft, &options);
}

static void leave_lab(void)
{
	rules_nft_close(lab.nft);
	close(lab.client_netns);
	close(lab.server_netns);
}

static struct sockaddr_storage address(const char *text, uint16_t port, socklen_t *length)
{
	struct sockaddr_storage any = {.ss_family = AF_UNSPEC};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&any;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&any;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*length = sizeof(*v4);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*length = sizeof(*v6);
	}
	return any;
}

/* A UDP socket in one of the namespaces. */
static int udp_socket(int netns, const char *local, uint16_t port)
{
	socklen_t length;
	const struct sockaddr_storage own = address(local, port, &length);
	const int one = 1;
	int fd;

	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	fd = socket(own.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (const struct sockaddr *)&own, length), 0);
	assert_int_equal(setns(lab.server_netns, CLONE_NEWNET), 0);
	return fd;
}

static int send_once(int netns, const char *from, uint16_t sport, const char *to, uint16_t dport,
		     const void *data, size_t size)
{
	socklen_t length;
	const struct sockaddr_storage peer = address(to, dport, &length);
	int fd = udp_socket(netns, from, sport);
	int result = sendto(fd, data, size, 0, (const struct sockaddr *)&peer, length) < 0 ? -errno : 0;

	close(fd);
	return result;
}

struct counters {
	size_t count;
	struct {
		char name[32];
		uint64_t packets;
	} rule[RULES_COUNTED_MAX];
};

static void note_counter(void *ctx, const char *rule, uint64_t packets, uint64_t bytes)
{
	struct counters *counters = ctx;

	(void)bytes;
	assert_true(counters->count < RULES_COUNTED_MAX);
	snprintf(counters->rule[counters->count].name, sizeof(counters->rule[0].name), "%s", rule);
	counters->rule[counters->count++].packets = packets;
}

static struct counters read_counters(void)
{
	struct counters counters = {.count = 0};

	assert_int_equal(rules_nft_counters(lab.nft, note_counter, &counters), 0);
	assert_true(counters.count >= 12);
	return counters;
}

/* Exactly this rule counted exactly one packet since before; NULL: none did. */
static void expect_only(const struct counters *before, const char *rule, const char *what)
{
	const struct counters after = read_counters();
	bool known = rule == NULL;

	for (size_t i = 0; i < after.count; i++) {
		const uint64_t moved = after.rule[i].packets - before->rule[i].packets;
		const bool wanted = rule && strcmp(after.rule[i].name, rule) == 0;
		known |= wanted;
		if (moved != (wanted ? 1 : 0))
			fail_msg("%s: rule %s counted %u", what, after.rule[i].name, (unsigned)moved);
	}
	if (!known)
		fail_msg("no rule is called %s", rule);
}

/* An ISAKMP message (RFC 2408 section 3.1), behind the marker on port 4500. */
struct message {
	const char *what;
	uint8_t version, exchange, flags;
	bool known;     /* initiator cookie in the set */
	bool first;     /* responder cookie zero */
	const char *in; /* the rule's name without port that picks it on its way in; NULL: none */
	const char *out, *out_to_peer;
};

static const struct message messages[] = {
	{"Main Mode, first", 0x10, 2, 0, false, true, "first", NULL, "out-first"},
	{"Aggressive Mode, first", 0x10, 4, 0, false, true, "first", NULL, "out-first"},
	{"minor version", 0x1f, 2, 0, false, true, "first", NULL, "out-first"},
	{"other flags", 0x10, 2, 0xfe, false, true, "first", NULL, "out-first"},
	{"Main Mode, later, unknown", 0x10, 2, 0, false, false, NULL, NULL, NULL},
	{"Main Mode, later, known", 0x10, 2, 0, true, false, "exchange", "out-exchange", "out-exchange"},
	{"Aggressive Mode, later, known", 0x10, 4, 0, true, false, "exchange", "out-exchange",
	 "out-exchange"},
	{"Main Mode, encrypted, known", 0x10, 2, 1, true, false, NULL, NULL, NULL},
	{"first but encrypted", 0x10, 2, 1, false, true, NULL, NULL, NULL},
	{"Quick Mode", 0x10, 32, 1, true, false, NULL, NULL, NULL},
	{"Quick Mode in clear", 0x10, 32, 0, true, true, NULL, NULL, NULL},
	{"Informational in clear", 0x10, 5, 0, true, true, NULL, NULL, NULL},
	{"Base Mode", 0x10, 1, 0, true, true, NULL, NULL, NULL},
	{"IKE_SA_INIT", 0x20, 34, 0x08, true, true, NULL, NULL, NULL},
	{"IKEv2 with a strange exchange", 0x20, 2, 0, true, true, NULL, NULL, NULL},
	{"version 0", 0x00, 2, 0, true, true, NULL, NULL, NULL},
};

static const uint8_t known_cookie[8] = {0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8};
enum { MESSAGE_LENGTH = 40, MARKER_LENGTH = 4, FLAGS_OFFSET = 19 };

static uint8_t first_payload = 1; /* SA */

static size_t build_message(const struct message *m, uint16_t port,
			    uint8_t out[static MARKER_LENGTH + MESSAGE_LENGTH])
{
	uint8_t *isakmp = port == 4500 ? out + MARKER_LENGTH : out;

	memset(out, 0, MARKER_LENGTH + MESSAGE_LENGTH);
	memcpy(isakmp, known_cookie, sizeof(known_cookie));
	if (!m->known)
		isakmp[7] ^= 1;
	if (!m->first)
		memset(isakmp + 8, 0x55, 8);
	isakmp[16] = first_payload;
	isakmp[17] = m->version;
	isakmp[18] = m->exchange;
	isakmp[FLAGS_OFFSET] = m->flags;
	isakmp[27] = MESSAGE_LENGTH;
	return (size_t)(isakmp - out) + MESSAGE_LENGTH;
}

/* "first" and 500 -> "first-500", for the outgoing first ones with the family behind it. */
static char *rule_name(const char *stem, uint16_t port, bool ipv6)
{
	if (!stem)
		return NULL;
	return format_text("%s-%u%s", stem, port, strcmp(stem, "out-first") ? "" : ipv6 ? "-ip6" : "-ip");
}

static void try_in(const struct message *m, uint16_t port, bool ipv6, size_t cut)
{
	uint8_t data[MARKER_LENGTH + MESSAGE_LENGTH];
	size_t length = build_message(m, port, data);
	const struct counters before = read_counters();
	const bool whole = cut == 0 || cut > (size_t)FLAGS_OFFSET + (port == 4500 ? MARKER_LENGTH : 0);
	char *rule = rule_name(whole ? m->in : NULL, port, ipv6);

	assert_int_equal(send_once(lab.client_netns, ipv6 ? CLIENT6 : CLIENT4, CLIENT_PORT,
				   ipv6 ? SERVER6 : SERVER4, port, data, cut ? cut : length),
			 0);
	expect_only(&before, rule, m->what);
	free(rule);
}

static void try_out(const struct message *m, uint16_t port, bool ipv6, bool peer)
{
	uint8_t data[MARKER_LENGTH + MESSAGE_LENGTH];
	size_t length = build_message(m, port, data);
	const struct counters before = read_counters();
	char *rule = rule_name(peer ? m->out_to_peer : m->out, port, ipv6);

	assert_int_equal(send_once(lab.server_netns, ipv6 ? SERVER6 : SERVER4, port, ipv6 ? CLIENT6 : CLIENT4,
				   CLIENT_PORT, data, length),
			 0);
	expect_only(&before, rule, m->what);
	free(rule);
}

static const uint16_t ports[] = {500, 4500};

/* Marks. A packet of another host has none, so these go out. */

#define OTHERS_MARK 0x00c0ffeeU
/* Of an unknown exchange, as build_message() has it. */
static const uint8_t sent_cookie[8] = {0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa9};

static void send_marked(const struct message *m, uint16_t port, bool ipv6, uint32_t mark)
{
	uint8_t data[MARKER_LENGTH + MESSAGE_LENGTH];
	const size_t size = build_message(m, port, data);
	socklen_t length;
	const struct sockaddr_storage peer = address(ipv6 ? CLIENT6 : CLIENT4, CLIENT_PORT, &length);
	const int fd = udp_socket(lab.server_netns, ipv6 ? SERVER6 : SERVER4, port);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark), 0);
	assert_int_equal(sendto(fd, data, size, 0, (const struct sockaddr *)&peer, length), size);
	close(fd);
}

static void note_expiry(void *ctx, const void *key, size_t length, uint64_t expires_ms)
{
	(void)key;
	(void)length;
	*(uint64_t *)ctx = expires_ms;
}

/* How many ms the cookie still stands in the set; 0: it does not. */
static uint64_t noted_for(const uint8_t cookie[8])
{
	uint64_t expires_ms = 0;

	assert_int_equal(rules_nft_set_get(lab.nft, RULES_SET_EXCHANGES, cookie, 1, note_expiry, &expires_ms),
			 0);
	return expires_ms;
}

/* How many packets left the host, after all rules of ours, with this mark. */
static unsigned left_with(const char *mark)
{
	char *command = format_text(
		"nft list chain inet after out | grep 'mark %s ' | grep -o 'packets [0-9]*'", mark);
	char *text = output_of(command);
	unsigned count = 0;

	assert_int_equal(sscanf(text, "packets %u", &count), 1);
	free(text);
	free(command);
	return count;
}

static void count_what_leaves(void)
{
	run(strdup("nft 'table inet after { chain out { type filter hook postrouting priority 350; "
		   "oifname eth0 udp dport 40000 meta mark 0x00000000 counter; meta mark 0x00c0ffee counter; "
		   "}; }'"));
}

/* The rules note the exchange of a message with natshim's mark, for as long as the mark says, and take the mark off; it is not queued.
 * Other marks are nothing to them. */
static void marked_messages_are_noted(void **state)
{
	static const struct {
		uint32_t mark;
		const char *rule;
		unsigned least, most; /* ms */
	} notes[] = {
		{RULES_MARK_NOTE, "noted", 60000, 120000},
		{RULES_MARK_NOTE_10S, "noted-10s", 1, 10000},
	};

	(void)state;
	for (size_t p = 0; p < 2; p++)
		for (int ipv6 = 0; ipv6 < 2; ipv6++) {
			make_lab(false);
			count_what_leaves();
			for (size_t n = 0; n < 2; n++) {
				const struct counters before = read_counters();
				char *rule = rule_name(notes[n].rule, ports[p], ipv6);
				uint64_t left;

				send_marked(&messages[0], ports[p], ipv6, notes[n].mark);
				left = noted_for(sent_cookie);
				expect_only(&before, rule, "marked");
				assert_in_range(left, notes[n].least, notes[n].most);
				free(rule);
			}
			assert_int_equal(left_with("0x00000000"), 2);
			assert_int_equal(rules_nft_set_delete(lab.nft, RULES_SET_EXCHANGES, sent_cookie, 8),
					 0);
			send_marked(&messages[0], ports[p], ipv6, OTHERS_MARK);
			assert_int_equal(noted_for(sent_cookie), 0);
			assert_int_equal(left_with("0x00c0ffee"), 1);
			leave_lab();
		}
}

/* Then it goes on all the same, without its mark, and is counted. */
static void a_full_set_takes_no_note(void **state)
{
	enum { ROOM = 65535 }; /* the kernel's own bound */
	struct counters before;

	(void)state;
	make_lab(false);
	count_what_leaves();
	for (uint64_t i = 0; i < ROOM; i++) {
		const uint64_t cookie = 0xff00000000000000 | i;

		rules_nft_set_add_later(lab.nft, RULES_SET_EXCHANGES, &cookie, sizeof cookie, 0);
	}
	rules_nft_set_flush(lab.nft);
	assert_int_equal(rules_nft_set_refused(lab.nft), 0);
	before = read_counters();
	send_marked(&messages[0], 500, false, RULES_MARK_NOTE);
	expect_only(&before, "not-noted-500", "the set is full");
	assert_int_equal(noted_for(sent_cookie), 0);
	before = read_counters();
	send_marked(&messages[0], 4500, false, RULES_MARK_NOTE_10S);
	expect_only(&before, "not-noted-10s-4500", "the set is full");
	assert_int_equal(left_with("0x00000000"), 2);
	leave_lab();
}

static void add_known_cookie(void)
{
	assert_int_equal(rules_nft_set_add(lab.nft, RULES_SET_EXCHANGES, known_cookie, 8, 3600), 0);
}

static void clients_messages(void **state)
{
	(void)state;
	make_lab(false);
	add_known_cookie();
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		for (size_t p = 0; p < 2; p++) {
			try_in(&messages[i], ports[p], false, 0);
			try_in(&messages[i], ports[p], true, 0);
		}
	leave_lab();
}

static void clients_messages_cut_short(void **state)
{
	(void)state;
	make_lab(false);
	add_known_cookie();
	for (size_t p = 0; p < 2; p++)
		for (size_t cut = 1; cut < MESSAGE_LENGTH; cut++) {
			try_in(&messages[0], ports[p], false, cut);
			try_in(&messages[5], ports[p], true, cut);
		}
	leave_lab();
}

static void servers_messages(void **state)
{
	struct endpoint peer;

	(void)state;
	make_lab(false);
	add_known_cookie();
	for (int known_peer = 0; known_peer < 2; known_peer++) {
		for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
			for (size_t p = 0; p < 2; p++) {
				try_out(&messages[i], ports[p], false, known_peer);
				try_out(&messages[i], ports[p], true, known_peer);
			}
		endpoint_parse(CLIENT4, &peer);
		assert_int_equal(rules_nft_set_add(lab.nft, RULES_SET_PEERS4, peer.addr, 4, 3600), 0);
		endpoint_parse(CLIENT6, &peer);
		assert_int_equal(rules_nft_set_add(lab.nft, RULES_SET_PEERS6, peer.addr, 16, 3600), 0);
	}
	leave_lab();
}

/* In a flood: the beginning of a responder's first answer, of whatever exchange, and nothing else that is clear. */
static void servers_answers_in_a_flood(void **state)
{
	static const uint8_t headers[][4] = {RULES_ANSWER_MAIN, RULES_ANSWER_AGGRESSIVE};

	(void)state;
	make_lab(false);
	add_known_cookie();
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(rules_nft_set_add(lab.nft, RULES_SET_ANY_ANSWER, headers[i], 4, 0), 0);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		for (size_t p = 0; p < 2; p++) {
			struct message m = messages[i];

			if (!m.known && m.version == 0x10 && !m.flags)
				m.out = "out-answer";
			try_out(&m, ports[p], false, false);
			try_out(&m, ports[p], true, false);
			if (!m.known)
				m.out = NULL;
			first_payload = 4; /* KE: message 4 */
			try_out(&m, ports[p], p == 1, false);
			first_payload = 1;
		}
	leave_lab();
}

/* Same bytes as a first message in all but what makes it none. */
static void everything_else_passes_by(void **state)
{
	static const uint8_t keepalive[] = {0xff};
	uint8_t first[MARKER_LENGTH + MESSAGE_LENGTH], esp[MARKER_LENGTH + MESSAGE_LENGTH];
	struct counters before;

	(void)state;
	make_lab(false);
	build_message(&messages[0], 4500, first);
	memcpy(esp, first, sizeof(esp));
	esp[0] = 0xc0; /* an SPI where the marker was */
	before = read_counters();
	send_once(lab.client_netns, CLIENT4, CLIENT_PORT, SERVER4, 4500, keepalive, sizeof(keepalive));
	send_once(lab.client_netns, CLIENT4, CLIENT_PORT, SERVER4, 4500, esp, sizeof(esp));
	send_once(lab.client_netns, CLIENT4, 500, SERVER4, 501, first + MARKER_LENGTH, MESSAGE_LENGTH);
	send_once(lab.client_netns, CLIENT4, 4500, SERVER4, 4501, first, sizeof(first));
	send_once(lab.server_netns, "127.0.0.1", 500, "127.0.0.1", 500, first + MARKER_LENGTH,
		  MESSAGE_LENGTH);
	send_once(lab.server_netns, SERVER4, CLIENT_PORT, CLIENT4, 500, first + MARKER_LENGTH,
		  MESSAGE_LENGTH);
	expect_only(&before, NULL, "keep-alive, ESP in UDP, other ports, other interface, other direction");
	leave_lab();
}

/* In fragments: the first one alone is picked, or the whole where conntrack puts it together before. */
static void a_message_in_fragments_is_picked_once(void **state)
{
	uint8_t data[4000] = {0};

	(void)state;
	for (int dnat = 0; dnat < 2; dnat++) {
		struct counters before;
		make_lab(dnat);
		build_message(&messages[0], 500, data);
		before = read_counters();
		assert_int_equal(
			send_once(lab.client_netns, CLIENT4, CLIENT_PORT, SERVER4, 500, data, sizeof(data)),
			0);
		expect_only(&before, "first-500", "in fragments");
		leave_lab();
	}
}

struct key {
	uint8_t bytes[20];
	size_t length, found, count;
};

static void look_for_key(void *ctx, const void *key, size_t length, uint64_t expires_ms)
{
	struct key *wanted = ctx;

	wanted->count++;
	if (length == wanted->length && memcmp(key, wanted->bytes, length) == 0 && expires_ms > 590000)
		wanted->found++;
}

/* How many elements of the set nft lists. */
static size_t elements_of(const char *set)
{
	char *command = format_text("nft list set inet natshim_queue %s", set);
	char *text = output_of(command);
	size_t count = 0;

	assert_non_null(strstr(text, set));
	for (const char *at = text; (at = strstr(at, "expires")); at++)
		count++;
	free(text);
	free(command);
	return count;
}

static bool is_alive(enum rules_set set, const struct key *wanted)
{
	struct key key = *wanted;

	key.found = 0;
	assert_int_equal(rules_nft_set_get(lab.nft, set, key.bytes, 1, look_for_key, &key), 0);
	return key.found == 1;
}

/* Only of who is watched. */
static void signs_of_life_are_noted(void **state)
{
	static const uint8_t keepalive[] = {0xff}, ike[] = {0, 0, 0, 0, 0xa1}, esp[] = {0, 0, 1, 0, 0xa1},
			     cut[] = {0, 0, 0}, two[] = {0xff, 0xff};
	struct key v4 = {.length = 8}, v6 = {.length = 20};
	const uint16_t port = htons(CLIENT_PORT);

	(void)state;
	make_lab(false);
	assert_int_equal(inet_pton(AF_INET, CLIENT4, v4.bytes), 1);
	memcpy(v4.bytes + 4, &port, sizeof(port));
	assert_int_equal(inet_pton(AF_INET6, CLIENT6, v6.bytes), 1);
	memcpy(v6.bytes + 16, &port, sizeof(port));
	send_once(lab.client_netns, CLIENT4, CLIENT_PORT, SERVER4, 4500, keepalive, sizeof(keepalive));
	send_once(lab.client_netns, CLIENT6, CLIENT_PORT, SERVER6, 4500, keepalive, sizeof(keepalive));
	assert_int_equal(elements_of("alive4") + elements_of("alive6"), 0);
	assert_int_equal(rules_nft_set_add(lab.nft, RULES_SET_WATCHED4, v4.bytes, v4.length, 0), 0);
	assert_int_equal(rules_nft_set_add(lab.nft, RULES_SET_WATCHED6, v6.bytes, v6.length, 0), 0);
	send_once(lab.client_netns, CLIENT4, CLIENT_PORT, SERVER4, 4501, keepalive, sizeof(keepalive));
	send_once(lab.server_netns, SERVER4, CLIENT_PORT, CLIENT4, 4500, keepalive, sizeof(keepalive));
	/* ESP moves its SA's own counters, and what is neither tells nothing. */
	send_once(lab.client_netns, CLIENT4, CLIENT_PORT, SERVER4, 4500, esp, sizeof(esp));
	send_once(lab.client_netns, CLIENT4, CLIENT_PORT, SERVER4, 4500, cut, sizeof(cut));
	send_once(lab.client_netns, CLIENT4, CLIENT_PORT, SERVER4, 4500, two, sizeof(two));
	/* Nor does a neighbour. */
	send_once(lab.client_netns, CLIENT4, CLIENT_PORT + 1, SERVER4, 4500, ike, sizeof(ike));
	assert_int_equal(elements_of("alive4"), 0);
	send_once(lab.client_netns, CLIENT4, CLIENT_PORT, SERVER4, 4500, ike, sizeof(ike));
	assert_true(is_alive(RULES_SET_ALIVE4, &v4));
	assert_int_equal(rules_nft_set_delete(lab.nft, RULES_SET_ALIVE4, v4.bytes, v4.length), 0);
	send_once(lab.client_netns, CLIENT4, CLIENT_PORT, SERVER4, 4500, keepalive, sizeof(keepalive));
	send_once(lab.client_netns, CLIENT4, 500, SERVER4, 500, keepalive, sizeof(keepalive));
	send_once(lab.client_netns, CLIENT6, CLIENT_PORT, SERVER6, 4500, keepalive, sizeof(keepalive));
	assert_true(is_alive(RULES_SET_ALIVE4, &v4));
	assert_int_equal(elements_of("alive4"), 1);
	assert_true(is_alive(RULES_SET_ALIVE6, &v6));
	assert_int_equal(elements_of("alive6"), 1);
	/* IKE of who has ESP without UDP. */
	v4.bytes[4] = 500 >> 8;
	v4.bytes[5] = 500 & 0xff;
	assert_int_equal(rules_nft_set_add(lab.nft, RULES_SET_WATCHED4, v4.bytes, v4.length, 0), 0);
	send_once(lab.client_netns, CLIENT4, 500, SERVER4, 500, keepalive, sizeof(keepalive));
	assert_true(is_alive(RULES_SET_ALIVE4, &v4));
	leave_lab();
}

/* Also where the admin's rules let in what is "established". */
static void clear_l2tp_stays_out_and_in(void **state)
{
	static const struct {
		const char *client, *server;
	} families[] = {{CLIENT4, SERVER4}, {CLIENT6, SERVER6}};
	char byte;

	(void)state;
	make_lab(false);
	run(strdup("printf 'table inet admin {\\nchain input {\\ntype filter hook input priority 0; policy "
		   "accept;\\n"
		   "ct state established accept\\n}\\n}\\n' | nft -f -"));
	for (size_t i = 0; i < 2; i++) {
		const char *client = families[i].client, *server = families[i].server;
		int lns = udp_socket(lab.server_netns, server, 1701);
		struct counters before = read_counters();

		assert_int_equal(send_once(lab.client_netns, client, 1701, server, 1701, "x", 1), 0);
		assert_int_equal(recv(lns, &byte, 1, 0), -1);
		expect_only(&before, RULES_NAME_CLEAR_L2TP, "clear L2TP in");
		before = read_counters();
		send_once(lab.server_netns, server, 1701, client, 1701, "x", 1);
		expect_only(&before, RULES_NAME_CLEAR_L2TP_OUT, "clear L2TP out");
		assert_int_equal(send_once(lab.client_netns, client, 1701, server, 1701, "x", 1), 0);
		assert_int_equal(recv(lns, &byte, 1, 0), -1);
		/* Other ports are nobody's business. */
		before = read_counters();
		assert_int_equal(send_once(lab.client_netns, client, 1701, server, 1702, "x", 1), 0);
		assert_int_equal(send_once(lab.server_netns, server, 1702, client, 1701, "x", 1), 0);
		expect_only(&before, NULL, "other ports");
		close(lns);
	}
	leave_lab();
}

static void send_cookies(bool to_server, const char *client, uint16_t client_port, uint16_t server_port,
			 uint8_t initiator, uint8_t responder)
{
	uint8_t data[MARKER_LENGTH + MESSAGE_LENGTH] = {0};
	uint8_t *isakmp = server_port == 4500 ? data + MARKER_LENGTH : data;

	memset(isakmp, initiator, 8);
	memset(isakmp + 8, responder, 8);
	isakmp[17] = 0x10;
	isakmp[18] = 2;
	isakmp[FLAGS_OFFSET] = 1;
	assert_int_equal(to_server ? send_once(lab.client_netns, client, client_port, SERVER4, server_port,
					       data, sizeof data)
				   : send_once(lab.server_netns, SERVER4, server_port, client, client_port,
					       data, sizeof data),
			 0);
}

/* The server's answer to the flow of a followed exchange is noted; what brings its cookie to 4500 from that address, and only that, is
 * queued. */
static void proof_of_a_followed_exchange(void **state)
{
	static const struct {
		const char *what;
		bool to_server;
		const char *client;
		uint16_t client_port, server_port;
		uint8_t initiator, responder;
		const char *rule;
	} steps[] = {
		{"nothing is answered", true, CLIENT4, 5500, 4500, 'i', 'r', NULL},
		{"answer to another port", false, CLIENT4, CLIENT_PORT + 1, 500, 'i', 'r', NULL},
		{"answer to another address", false, "192.0.2.3", CLIENT_PORT, 500, 'i', 'r', NULL},
		{"answer in another exchange", false, CLIENT4, CLIENT_PORT, 500, 'j', 'r', NULL},
		{"from 4500", false, CLIENT4, CLIENT_PORT, 4500, 'i', 'r', NULL},
		{"none of it is a proof", true, CLIENT4, 5500, 4500, 'i', 'r', NULL},
		{"the answer", false, CLIENT4, CLIENT_PORT, 500, 'i', 'r', "answered-500"},
		{"from another address", true, "192.0.2.3", 5500, 4500, 'i', 'r', NULL},
		{"another responder cookie", true, CLIENT4, 5500, 4500, 'i', 's', NULL},
		{"another exchange", true, CLIENT4, 5500, 4500, 'j', 'r', NULL},
		{"to 500", true, CLIENT4, CLIENT_PORT, 500, 'i', 'r', NULL},
		{"the float", true, CLIENT4, 5500, 4500, 'i', 'r', "aliased-4500"},
		{"once more, from another port", true, CLIENT4, 5501, 4500, 'i', 'r', "aliased-4500"},
	};
	static const uint8_t answer[20] = {192, 0,   2,   2,   'i', 'i', 'i', 'i', 'i', 'i',
					   'i', 'i', 'r', 'r', 'r', 'r', 'r', 'r', 'r', 'r'};
	static const uint8_t flow[16] = {
		192, 0,   2,   2,  CLIENT_PORT >> 8, CLIENT_PORT & 0xff, 0, 0, 'i', 'i', 'i', 'i',
		'i', 'i', 'i', 'i'};
	uint64_t expires_ms = 0;
	struct counters before;

	(void)state;
	lab.alias = true;
	make_lab(false);
	lab.alias = false;
	run(format_text("nsenter --net=/proc/%d/fd/%d ip addr add 192.0.2.3/24 dev client", getpid(),
			lab.client_netns));
	rules_nft_set_add_later(lab.nft, RULES_SET_ALIASED, flow, sizeof flow, 60);
	rules_nft_set_flush(lab.nft);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		before = read_counters();
		send_cookies(steps[i].to_server, steps[i].client, steps[i].client_port, steps[i].server_port,
			     steps[i].initiator, steps[i].responder);
		expect_only(&before, steps[i].rule, steps[i].what);
	}
	assert_int_equal(rules_nft_set_get(lab.nft, RULES_SET_ANSWERED, answer, 1, note_expiry, &expires_ms),
			 0);
	assert_in_range(expires_ms, 1, 60000);
	rules_nft_set_delete_later(lab.nft, RULES_SET_ANSWERED, answer, sizeof answer);
	rules_nft_set_flush(lab.nft);
	before = read_counters();
	send_cookies(true, CLIENT4, 5500, 4500, 'i', 'r');
	expect_only(&before, NULL, "it is forgotten");
	assert_int_equal(rules_nft_set_refused(lab.nft), 0);
	leave_lab();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_messages),
		cmocka_unit_test(clients_messages_cut_short),
		cmocka_unit_test(servers_messages),
		cmocka_unit_test(servers_answers_in_a_flood),
		cmocka_unit_test(marked_messages_are_noted),
		cmocka_unit_test(a_full_set_takes_no_note),
		cmocka_unit_test(everything_else_passes_by),
		cmocka_unit_test(a_message_in_fragments_is_picked_once),
		cmocka_unit_test(signs_of_life_are_noted),
		cmocka_unit_test(clear_l2tp_stays_out_and_in),
		cmocka_unit_test(proof_of_a_followed_exchange),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
