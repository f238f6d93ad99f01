/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole daemon, with its own rules and sets, against a program that accepts every packet and does nothing else
 * (bench_accept_all: "single" gives a verdict for each packet, "batch" one for many): first messages from many addresses, each with a
 * cookie of its own, from the client's socket to the server's. By turns in one run.
 *
 *   bench_whole [--json] [--rounds N] [--program FILE]
 *
 * Closed loop: WINDOW messages under way; the next is sent when one has arrived. One in flight: its time from send to receive. Each turn
 * begins with a natshim, or a queue, of its own. That the messages passed the queue says the kernel's count; that natshim rewrote the
 * old ones the server looks at in each. Needs root. */
#include "nfq/pcap.h"
#include "nfq/queue.h"
#include "tests/bench/round_trips.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CAPTURE "tests/vectors/rewrite/apple-main.in.pcap"
#define SERVER "192.0.2.1"
#define LOG "/run/bench.log"
#define RULE                                                                                                 \
	"iptables-nft -t mangle -%c PREROUTING -p udp --dport 500 -j NFQUEUE --queue-num %d --queue-bypass"

enum {
	QUEUE = 77,
	MESSAGES = 60000,  /* of one turn in the closed loop, and the addresses that they come from */
	ONE_BY_ONE = 8000, /* of one turn with one in flight */
	WINDOW = 64,
	ROUNDS_MAX = 51,
	MESSAGE_MAX = 1024,
	COOKIE = 8,
	READY_MS = 10000,
	SILENCE_S = 1, /* nothing for so long: what is missing is lost */
};

enum subject { SINGLE, BATCH, NATSHIM, SUBJECTS };
static const char *const subject_names[SUBJECTS] = {"nothing_single", "nothing_batch", "natshim"};
enum kind { OLD, ORDINARY, KINDS };
static const char *const kind_names[KINDS] = {"old", "ordinary"};

/* The MD5 of "draft-ietf-ipsec-nat-t-ike", which is Apple's, and that of "RFC 3947". */
static const uint8_t vendor_ids[KINDS][16] = {
	[OLD] = {0x4d, 0xf3, 0x79, 0x28, 0xe9, 0xfc, 0x4f, 0xd1, 0xb3, 0x26, 0x21, 0x70, 0xd5, 0x15, 0xc6,
		 0x62},
	[ORDINARY] = {0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95,
		      0x45, 0x2f},
};

struct outgoing {
	struct iphdr ip;
	struct udphdr udp;
	uint8_t message[MESSAGE_MAX];
};

static struct message {
	uint8_t bytes[MESSAGE_MAX];
	size_t length, vendor_id; /* where that is in it */
} messages[KINDS];
static int client, server, shared_fd;
static uint64_t random_state = 0x9e3779b97f4a7c15u;
static uint32_t address; /* counts the senders */
static const char *program = "./natshim";
static char directory[300] = "."; /* of this program */

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_whole: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void must(const char *command)
{
	if (system(command) != 0)
		die(command);
}

/* The messages */

/* An Apple client's first message, and the same with the ordinary vendor ID in place of Apple's. */
static void read_message(void)
{
	char error[CAPTURE_ERROR_MAX];
	struct capture_reader *reader = capture_open(CAPTURE, error);
	struct capture_packet packet = {.ip = NULL};
	const size_t headers = sizeof(struct iphdr) + sizeof(struct udphdr);
	uint8_t *at;

	while (reader && !packet.ip && capture_next(reader, &packet, error) == CAPTURE_PACKET)
		;
	if (!packet.ip || packet.ip_length < headers || packet.ip_length - headers > MESSAGE_MAX)
		die(CAPTURE);
	for (enum kind k = OLD; k < KINDS; k++) {
		messages[k].length = packet.ip_length - headers;
		memcpy(messages[k].bytes, packet.ip + headers, messages[k].length);
	}
	at = memmem(messages[OLD].bytes, messages[OLD].length, vendor_ids[OLD], sizeof vendor_ids[OLD]);
	if (!at)
		die("no vendor ID of Apple's in " CAPTURE);
	for (enum kind k = OLD; k < KINDS; k++)
		messages[k].vendor_id = (size_t)(at - messages[OLD].bytes);
	memcpy(messages[ORDINARY].bytes + messages[ORDINARY].vendor_id, vendor_ids[ORDINARY],
	       sizeof vendor_ids[ORDINARY]);
	capture_close(reader);
}

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void prepare(struct outgoing *out, enum kind kind)
{
	const struct message *m = &messages[kind];
	const uint64_t cookie = next_random() | 1;
	const size_t udp = sizeof out->udp + m->length;

	out->ip = (struct iphdr){.version = 4,
				 .ihl = 5,
				 .ttl = 64,
				 .protocol = IPPROTO_UDP,
				 .tot_len = htons((uint16_t)(sizeof out->ip + udp)),
				 .saddr = htonl(0x0b000000u + address++ % MESSAGES),
				 .daddr = inet_addr(SERVER)};
	out->udp = (struct udphdr){.source = htons(500), .dest = htons(500), .len = htons((uint16_t)udp)};
	memcpy(out->message, m->bytes, m->length);
	memcpy(out->message, &cookie, COOKIE);
}

static size_t outgoing_length(enum kind kind)
{
	return offsetof(struct outgoing, message) + messages[kind].length;
}

/* Client and server */

static struct sockaddr_in to_server(void)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(500), .sin_addr.s_addr = inet_addr(SERVER)};
}

static void send_some(enum kind kind, unsigned count)
{
	static struct outgoing packets[WINDOW];
	struct sockaddr_in to = to_server();
	struct mmsghdr headers[WINDOW] = {0};
	struct iovec parts[WINDOW];

	to.sin_port = 0;
	for (unsigned i = 0; i < count; i++) {
		prepare(&packets[i], kind);
		parts[i] = (struct iovec){&packets[i], outgoing_length(kind)};
		headers[i].msg_hdr = (struct msghdr){
			.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &parts[i], .msg_iovlen = 1};
	}
	for (unsigned sent = 0; sent < count;) {
		const int n = sendmmsg(client, headers + sent, count - sent, 0);

		if (n < 0 && errno != ENOBUFS && errno != EAGAIN)
			die("send");
		sent += n > 0 ? (unsigned)n : 0;
	}
}

/* How many arrived, waiting for one; 0 after a silence. *translated: of these, with the ordinary vendor ID. */
static unsigned receive_some(enum kind kind, unsigned *translated)
{
	static uint8_t buffers[WINDOW][MESSAGE_MAX];
	struct mmsghdr headers[WINDOW] = {0};
	struct iovec parts[WINDOW];

	for (unsigned i = 0; i < WINDOW; i++) {
		parts[i] = (struct iovec){buffers[i], MESSAGE_MAX};
		headers[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	}
	const int n = recvmmsg(server, headers, WINDOW, MSG_WAITFORONE, NULL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("receive");
	for (int i = 0; i < n; i++)
		*translated += !memcmp(buffers[i] + messages[kind].vendor_id, vendor_ids[ORDINARY],
				       sizeof vendor_ids[ORDINARY]);
	return n > 0 ? (unsigned)n : 0;
}

static void become_two_hosts(void)
{
	const int one = 1, room = 8 << 20;
	const struct timeval silence = {.tv_sec = SILENCE_S};
	const struct sockaddr_in own = to_server();
	char command[300];
	int outside, inside;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755") < 0)
		die("namespaces");
	outside = open("/proc/self/ns/net", O_RDONLY);
	client = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (unshare(CLONE_NEWNET) < 0)
		die("namespaces");
	inside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (outside < 0 || client < 0 || inside < 0 || server < 0)
		die("sockets");
	snprintf(command, sizeof command,
		 "ip link set lo up && ip link add bench0 type veth peer name bench1 netns /proc/%d/fd/%d && "
		 "ip addr add " SERVER
		 "/24 dev bench0 && ip link set bench0 up && ip route add 11.0.0.0/8 dev bench0",
		 (int)getpid(), outside);
	must(command);
	if (setns(outside, CLONE_NEWNET) < 0)
		die("namespaces");
	must("ip addr add 192.0.2.9/24 dev bench1 && ip link set bench1 up");
	if (setns(inside, CLONE_NEWNET) < 0 ||
	    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	    setsockopt(server, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0 ||
	    setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence) < 0 ||
	    bind(server, (const struct sockaddr *)&own, sizeof own) < 0)
		die("server");
}

/* The subjects */

static bool says_ready(void)
{
	char text[8192];
	const int fd = open(LOG, O_RDONLY | O_CLOEXEC);
	const ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	text[length > 0 ? length : 0] = '\0';
	return strstr(text, "natshim: ready");
}

static _Noreturn void become(enum subject subject)
{
	char path[400], number[16], fd[16];
	const int log = open(LOG, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(number, sizeof number, "%d", QUEUE);
	if (subject == NATSHIM) {
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		execl(program, program, "--iface", "bench0", "--queue-num", number, (char *)NULL);
		die(program);
	}
	snprintf(fd, sizeof fd, "%d", shared_fd);
	snprintf(path, sizeof path, "%s/bench_accept_all", directory);
	execl(path, path, number, subject == BATCH ? "batch" : "single", fd, (char *)NULL);
	die(path);
}

static void change_rule(char how)
{
	char command[200];

	snprintf(command, sizeof command, RULE, how, QUEUE);
	must(command);
}

static pid_t start(enum subject subject)
{
	pid_t pid;

	unlink(LOG);
	pid = fork();
	if (pid == 0)
		become(subject);
	if (subject != NATSHIM)
		change_rule('A');
	for (unsigned waited = 0; !nfq_queue_owner(QUEUE) || (subject == NATSHIM && !says_ready());
	     waited++) {
		if (waited == READY_MS || waitpid(pid, NULL, WNOHANG) == pid) {
			errno = ETIME;
			die(subject_names[subject]);
		}
		usleep(1000);
	}
	return pid;
}

static void stop(enum subject subject, pid_t pid)
{
	kill(pid, subject == NATSHIM ? SIGTERM : SIGKILL);
	waitpid(pid, NULL, 0);
	while (nfq_queue_owner(QUEUE))
		usleep(1000);
	if (subject != NATSHIM)
		change_rule('D');
}

/* Packets that the kernel has put into the queue since somebody bound it. */
static unsigned long queued(void)
{
	unsigned number;
	unsigned long id = 0, found = 0;
	char line[200];
	FILE *queues = fopen("/proc/self/net/netfilter/nfnetlink_queue", "re");

	while (queues && fgets(line, sizeof line, queues))
		if (sscanf(line, "%u %*u %*u %*u %*u %*u %*u %lu", &number, &id) == 2 && number == QUEUE)
			found = id;
	if (queues)
		fclose(queues);
	return found;
}

/* Measuring */

struct measurement {
	double rate, cpu_ns; /* closed loop: messages a second; CPU time of the program for each */
	double p50_us, p99_us, longest_us; /* one in flight */
};

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void check(enum subject subject, enum kind kind, unsigned sent, unsigned arrived, unsigned translated,
		  unsigned long passed)
{
	const unsigned ordinary = subject == NATSHIM || kind == ORDINARY ? arrived : 0;

	if (arrived == sent && passed >= sent && translated == ordinary)
		return;
	fprintf(stderr,
		"bench_whole: %s, %s messages: of %u sent %lu were queued, %u arrived, %u with the ordinary "
		"vendor ID\n",
		subject_names[subject], kind_names[kind], sent, passed, arrived, translated);
	exit(1);
}

static void closed_loop(enum subject subject, enum kind kind, clockid_t cpu, struct measurement *out)
{
	const unsigned long before = queued();
	unsigned sent = 0, arrived = 0, translated = 0, got = 1;
	const double began = seconds(CLOCK_MONOTONIC), cpu_began = seconds(cpu);

	while (arrived < MESSAGES && got) {
		const unsigned room = WINDOW - (sent - arrived), left = MESSAGES - sent;
		const unsigned next = room < left ? room : left;

		send_some(kind, next);
		sent += next;
		got = receive_some(kind, &translated);
		arrived += got;
	}
	out->rate = arrived / (seconds(CLOCK_MONOTONIC) - began);
	out->cpu_ns = (seconds(cpu) - cpu_began) / arrived * 1e9;
	check(subject, kind, sent, arrived, translated, queued() - before);
}

static void one_in_flight(enum subject subject, enum kind kind, struct measurement *out)
{
	static double spent[ONE_BY_ONE];
	const unsigned long before = queued();
	unsigned arrived = 0, translated = 0;

	for (unsigned i = 0; i < ONE_BY_ONE; i++) {
		const double began = round_trips_now_us();

		send_some(kind, 1);
		arrived += receive_some(kind, &translated);
		spent[i] = round_trips_now_us() - began;
	}
	check(subject, kind, ONE_BY_ONE, arrived, translated, queued() - before);
	qsort(spent, ONE_BY_ONE, sizeof *spent, round_trips_compare);
	out->p50_us = spent[ONE_BY_ONE / 2];
	out->p99_us = spent[ONE_BY_ONE * 99 / 100];
	out->longest_us = spent[ONE_BY_ONE - 1];
}

static struct measurement measure(enum subject subject, enum kind kind)
{
	struct measurement m;
	clockid_t cpu;
	pid_t pid = start(subject);

	if (clock_getcpuclockid(nfq_queue_owner(QUEUE), &cpu))
		die("CPU time");
	one_in_flight(subject, kind, &m);
	stop(subject, pid);
	pid = start(subject);
	if (clock_getcpuclockid(nfq_queue_owner(QUEUE), &cpu))
		die("CPU time");
	closed_loop(subject, kind, cpu, &m);
	stop(subject, pid);
	return m;
}

static double median(const double *values, unsigned count)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, count * sizeof *values);
	qsort(sorted, count, sizeof *sorted, round_trips_compare);
	return sorted[count / 2];
}

struct series {
	struct measurement of[SUBJECTS][ROUNDS_MAX];
	unsigned rounds;
};

/* The median of natshim's value by the other's of the same round, or of that one's own value with other SUBJECTS. */
static double middle(const struct series *s, size_t field, enum subject subject, enum subject other)
{
	double values[ROUNDS_MAX];

	for (unsigned r = 0; r < s->rounds; r++) {
		values[r] = *(const double *)((const char *)&s->of[subject][r] + field);
		if (other != SUBJECTS)
			values[r] /= *(const double *)((const char *)&s->of[other][r] + field);
	}
	return median(values, s->rounds);
}

static const struct {
	const char *name;
	size_t field;
	int digits;
} figures[] = {
	{"messages_per_second", offsetof(struct measurement, rate), 0},
	{"cpu_ns_per_message", offsetof(struct measurement, cpu_ns), 0},
	{"p50_us", offsetof(struct measurement, p50_us), 1},
	{"p99_us", offsetof(struct measurement, p99_us), 1},
	{"longest_us", offsetof(struct measurement, longest_us), 0},
};
enum { FIGURES = sizeof figures / sizeof *figures };

static void print_series(const struct series *s, enum kind kind, bool json)
{
	printf(json ? "\"%s\": {" : "%s first messages\n", kind_names[kind]);
	for (enum subject subject = 0; subject < SUBJECTS; subject++) {
		printf(json ? "%s\"%s\": {" : "%s  %-16s", json && subject ? ", " : "",
		       subject_names[subject]);
		for (unsigned f = 0; f < FIGURES; f++)
			printf(json ? "%s\"%s\": %.*f" : "%s %s %.*f", json && f ? ", " : "", figures[f].name,
			       figures[f].digits, middle(s, figures[f].field, subject, SUBJECTS));
		puts(json ? "}" : "");
	}
	for (enum subject other = 0; other < NATSHIM; other++)
		printf(json ? ", \"natshim_by_%s\": {\"throughput\": %.3f, \"p50\": %.3f, \"p99\": %.3f}"
			    : "  natshim by %s: throughput %.3f, p50 %.3f, p99 %.3f\n",
		       subject_names[other], middle(s, offsetof(struct measurement, rate), NATSHIM, other),
		       middle(s, offsetof(struct measurement, p50_us), NATSHIM, other),
		       middle(s, offsetof(struct measurement, p99_us), NATSHIM, other));
	if (json)
		fputs("}", stdout);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"rounds", required_argument, NULL, 'r'},
						{"program", required_argument, NULL, 'p'},
						{NULL, 0, NULL, 0}};
	static struct series series[KINDS];
	unsigned rounds = 7;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'r')
			rounds = (unsigned)atoi(optarg);
		else if (option == 'p')
			program = optarg;
	}
	if (optind != argc || option == '?' || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: bench_whole [--json] [--rounds 1..%d] [--program FILE]\n",
			ROUNDS_MAX);
		return 2;
	}
	if (strrchr(argv[0], '/'))
		snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(argv[0], '/') - argv[0]),
			 argv[0]);
	read_message();
	shared_fd = memfd_create("bench", 0);
	if (shared_fd < 0 || ftruncate(shared_fd, 4096) < 0)
		die("shared memory");
	become_two_hosts();
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned turn = 0; turn < SUBJECTS * KINDS; turn++) {
			const enum subject subject = (turn + round) % SUBJECTS;
			const enum kind kind = turn / SUBJECTS;

			series[kind].of[subject][round] = measure(subject, kind);
		}
	if (json)
		printf("{\"rounds\": %u, ", rounds);
	for (enum kind kind = OLD; kind < KINDS; kind++) {
		series[kind].rounds = rounds;
		if (json && kind)
			printf(", ");
		print_series(&series[kind], kind, json);
	}
	if (json)
		puts("}");
	return 0;
}
