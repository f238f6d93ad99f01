/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Throughput of the real queue: natshim's way of a packet (queue, view, translation, checksum) that rewrites every packet,
 * against a program that accepts every packet and does nothing else (bench_accept_all) and against one in Python that rewrites
 * every packet too (rewriter.py), in the same run, by turns.
 *
 *   bench_queue [--json] [--rounds N] [--packets N]
 *
 * A client in a network namespace of its own sends an Apple client's messages 1 and 3 of Main Mode over a veth pair; the rule
 * sends them up. No more packets are under way than the queue holds, so that none passes by it. Needs root. */
#include "nfq/pcap.h"
#include "nfq/queue.h"
#include "shim/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REWRITER "tests/bench/rewriter.py"
#define CAPTURE "tests/vectors/rewrite/apple-main.in.pcap"
#define CLIENT "192.0.2.9"
#define SERVER "198.51.100.1"

enum { QUEUE = 77, WINDOW = 2048, BURST = 32, ROUNDS_MAX = 101, MESSAGE_MAX = 2048, CAPTURE_PACKETS = 6 };

/* Shared by all processes. */
struct shared {
	_Atomic uint64_t handled; /* by the program under test; at offset 0, for bench_accept_all */
	_Atomic uint64_t sent;    /* by the client */
	_Atomic uint64_t wanted;  /* by the client in all */
};

enum subject { ACCEPT_SINGLE, ACCEPT_BATCH, PYTHON, NATSHIM, SUBJECTS };
static const char *const subject_names[SUBJECTS] = {"accept-all", "accept-all, batched", "Python, rewriting",
						    "natshim, rewriting"};

struct measurement {
	double packets_per_second, cpu_ns; /* of the program, per packet */
};

static struct shared *shared;
static int shared_fd;
static const char *directory; /* of this program */
static struct capture_message {
	uint8_t packet[MESSAGE_MAX];
	size_t length;
} capture[CAPTURE_PACKETS];

static void die(const char *what)
{
	fprintf(stderr, "bench_queue: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void must(const char *command)
{
	if (system(command) != 0)
		die(command);
}

/* The client's messages 1 to 4 of Main Mode, behind an ARP packet in the capture. */
static void read_capture(void)
{
	char error[CAPTURE_ERROR_MAX];
	struct capture_reader *reader = capture_open(CAPTURE, error);
	struct capture_packet packet;

	if (!reader) {
		fprintf(stderr, "bench_queue: %s\n", error);
		exit(1);
	}
	for (unsigned i = 0; i < CAPTURE_PACKETS && capture_next(reader, &packet, error) == CAPTURE_PACKET;
	     i++) {
		if (!packet.ip || packet.ip_length > MESSAGE_MAX)
			continue;
		memcpy(capture[i].packet, packet.ip, packet.ip_length);
		capture[i].length = packet.ip_length;
	}
	capture_close(reader);
}

/* The client */

static void fill_burst(struct mmsghdr messages[static BURST], struct iovec vectors[static 2])
{
	static const unsigned sent[2] = {1, 3}; /* messages 1 and 3 */

	for (unsigned i = 0; i < 2; i++) {
		struct packet_udp udp;

		if (packet_parse_udp(capture[sent[i]].packet, capture[sent[i]].length, &udp) != PACKET_UDP)
			die(CAPTURE);
		vectors[i] = (struct iovec){udp.payload, udp.payload_length};
	}
	for (unsigned i = 0; i < BURST; i++)
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i % 2], .msg_iovlen = 1};
}

static int client_socket(void)
{
	const struct sockaddr_in own = {
		.sin_family = AF_INET, .sin_port = htons(500), .sin_addr.s_addr = inet_addr(CLIENT)};
	const struct sockaddr_in peer = {
		.sin_family = AF_INET, .sin_port = htons(500), .sin_addr.s_addr = inet_addr(SERVER)};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof own) < 0 ||
	    connect(fd, (const struct sockaddr *)&peer, sizeof peer) < 0)
		die("client");
	return fd;
}

/* control: says "n" when the namespace is there, is told when it has its interface. */
static _Noreturn void run_client(int control)
{
	struct mmsghdr messages[BURST] = {0};
	struct iovec vectors[2];
	char byte = 'n';

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fill_burst(messages, vectors);
	if (unshare(CLONE_NEWNET) < 0 || write(control, &byte, 1) != 1 || read(control, &byte, 1) != 1)
		die("client");
	must("ip addr add " CLIENT "/32 dev bench1 && ip link set bench1 up && ip route add " SERVER
	     " dev bench1");
	const int fd = client_socket();

	if (write(control, &byte, 1) != 1)
		die("client");
	for (;;) {
		if (shared->sent >= shared->wanted || shared->sent - shared->handled >= WINDOW) {
			sched_yield();
			continue;
		}
		const int n = sendmmsg(fd, messages, BURST, 0);

		if (n > 0)
			shared->sent += (uint64_t)n;
	}
}

static void wait_for(int control, char byte)
{
	if (read(control, &byte, 1) != 1)
		die("client");
}

static pid_t start_client(void)
{
	char command[400];
	int control[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0)
		die("socketpair");
	pid = fork();
	if (pid == 0)
		run_client(control[1]);
	wait_for(control[0], 0);
	snprintf(command, sizeof command,
		 "ip link add bench0 type veth peer name bench1 netns %d && ip addr add " SERVER
		 "/32 dev bench0 && ip link set bench0 up && ip route add " CLIENT " dev bench0",
		 (int)pid);
	must(command);
	if (write(control[0], "g", 1) != 1)
		die("client");
	wait_for(control[0], 0);
	return pid;
}

/* The server's host: what passed the queue ends in a socket that nobody reads. */
static void prepare_server(void)
{
	const struct sockaddr_in own = {
		.sin_family = AF_INET, .sin_port = htons(500), .sin_addr.s_addr = INADDR_ANY};
	const int size = 1;
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char command[200];

	must("ip link set lo up");
	if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof own) < 0)
		die("server");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	snprintf(command, sizeof command,
		 "iptables-nft -t mangle -A PREROUTING -p udp --dport 500 -j NFQUEUE --queue-num %d "
		 "--queue-bypass",
		 QUEUE);
	must(command);
}

/* natshim, as far as a packet meets it */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum nfq_verdict handle(void *ctx, struct nfq_packet *packet)
{
	const struct filter_outcome outcome =
		filter_packet(ctx, now_ms(), IKE_TO_SERVER, packet->data, packet->length, packet->length);

	if (!outcome.changed) {
		fprintf(stderr, "bench_queue: a packet was not rewritten\n");
		exit(1);
	}
	return NFQ_CHANGED;
}

static _Noreturn void run_natshim(void)
{
	struct filter filter = {.ike = ike_table_new(&(struct ike_config){.max_exchanges = 0})};
	struct nfq_queue *queue;

	for (unsigned i = 1; i < CAPTURE_PACKETS; i++) { /* the exchange is known, and its hash agreed */
		uint8_t copy[MESSAGE_MAX];

		memcpy(copy, capture[i].packet, capture[i].length);
		filter_packet(&filter, now_ms(), i % 2 ? IKE_TO_SERVER : IKE_TO_CLIENT, copy,
			      capture[i].length, sizeof copy);
	}
	errno = -nfq_queue_open(&queue, &(struct nfq_options){.number = QUEUE}, handle, &filter);
	if (errno)
		die("queue");
	for (;;) {
		struct pollfd ready = {.fd = nfq_queue_fd(queue), .events = POLLIN};

		if (poll(&ready, 1, -1) < 0)
			die("poll");
		const int n = nfq_queue_read(queue, 256);

		if (n < 0)
			die("read");
		shared->handled += (uint64_t)n;
	}
}

/* Measuring */

static pid_t start_subject(enum subject subject)
{
	const pid_t pid = fork();
	char program[400], number[16], fd[16];

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (subject == NATSHIM)
		run_natshim();
	snprintf(number, sizeof number, "%d", QUEUE);
	snprintf(fd, sizeof fd, "%d", shared_fd);
	if (subject == PYTHON) {
		execl(REWRITER, REWRITER, number, fd, (char *)NULL);
		die(REWRITER);
	}
	snprintf(program, sizeof program, "%s/bench_accept_all", directory);
	execl(program, program, number, subject == ACCEPT_BATCH ? "batch" : "single", fd, (char *)NULL);
	die(program);
	return -1;
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Until the packets are handled, or none has been for a while. */
static double wait_until_handled(uint64_t target)
{
	double last_progress = seconds(CLOCK_MONOTONIC);
	uint64_t seen = shared->handled;

	while (shared->handled < target) {
		usleep(100);
		if (shared->handled != seen) {
			seen = shared->handled;
			last_progress = seconds(CLOCK_MONOTONIC);
		} else if (seconds(CLOCK_MONOTONIC) - last_progress > 0.5) {
			return last_progress;
		}
	}
	return seconds(CLOCK_MONOTONIC);
}

static struct measurement measure(enum subject subject, uint64_t packets)
{
	const pid_t pid = start_subject(subject);
	clockid_t cpu;

	while (nfq_queue_owner(QUEUE) == 0) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			exit(1);
		usleep(1000);
	}
	clock_getcpuclockid(pid, &cpu);
	shared->handled = (uint64_t)shared->sent; /* what was lost before is not waited for */
	const uint64_t first = shared->handled;
	const double start = seconds(CLOCK_MONOTONIC), cpu_start = seconds(cpu);

	shared->wanted = shared->sent + packets;
	const double end = wait_until_handled(first + packets), cpu_end = seconds(cpu);
	const double handled = (double)(shared->handled - first);

	shared->wanted = 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (handled < (double)packets * 0.99) {
		fprintf(stderr, "bench_queue: %s handled only %.0f of %llu packets\n", subject_names[subject],
			handled, (unsigned long long)packets);
		exit(1);
	}
	return (struct measurement){handled / (end - start), (cpu_end - cpu_start) / handled * 1e9};
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *values, unsigned count)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, count * sizeof *values);
	qsort(sorted, count, sizeof *sorted, compare);
	return sorted[count / 2];
}

struct results {
	unsigned rounds;
	double rate[SUBJECTS][ROUNDS_MAX], cpu[SUBJECTS][ROUNDS_MAX];
	double ratio[SUBJECTS][ROUNDS_MAX]; /* natshim's rate by this one's, of the same round */
};

static void run_rounds(struct results *r, uint64_t packets)
{
	for (int subject = 0; subject < SUBJECTS; subject++)
		measure((enum subject)subject, packets / 10); /* warm */
	for (unsigned round = 0; round < r->rounds; round++) {
		for (unsigned turn = 0; turn < SUBJECTS; turn++) {
			const enum subject subject = (enum subject)((turn + round) % SUBJECTS);
			const struct measurement m = measure(subject, packets);

			r->rate[subject][round] = m.packets_per_second;
			r->cpu[subject][round] = m.cpu_ns;
		}
		for (int subject = 0; subject < SUBJECTS; subject++)
			r->ratio[subject][round] = r->rate[NATSHIM][round] / r->rate[subject][round];
	}
}

static void print_results(const struct results *r, bool json)
{
	static const char *const keys[SUBJECTS] = {"accept_all", "accept_all_batched", "python_rewriter",
						   "natshim"};

	if (json)
		printf("{\"rounds\": %u", r->rounds);
	for (int subject = 0; subject < SUBJECTS; subject++) {
		const double rate = median(r->rate[subject], r->rounds),
			     cpu = median(r->cpu[subject], r->rounds),
			     ratio = median(r->ratio[subject], r->rounds);

		if (json)
			printf(", \"%s\": {\"packets_per_second\": %.0f, \"cpu_ns_per_packet\": %.0f",
			       keys[subject], rate, cpu);
		else
			printf("%-24s %9.0f packets/s %7.0f ns CPU/packet", subject_names[subject], rate,
			       cpu);
		if (subject != NATSHIM)
			printf(json ? ", \"natshim_ratio\": %.3f" : "   natshim's rate is %.3f of it", ratio);
		fputs(json ? "}" : "\n", stdout);
	}
	if (json)
		printf("}\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"rounds", required_argument, NULL, 'r'},
						{"packets", required_argument, NULL, 'p'},
						{NULL, 0, NULL, 0}};
	static struct results results = {.rounds = 7};
	uint64_t packets = 100000;
	bool json = false;
	char *slash;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'r')
			results.rounds = (unsigned)atoi(optarg);
		else if (option == 'p')
			packets = (uint64_t)atoll(optarg);
	}
	if (optind != argc || option == '?' || results.rounds < 1 || results.rounds > ROUNDS_MAX ||
	    packets < 1000) {
		fprintf(stderr, "usage: bench_queue [--json] [--rounds 1..%d] [--packets N]\n", ROUNDS_MAX);
		return 2;
	}
	slash = strrchr(argv[0], '/');
	directory = slash ? strndup(argv[0], (size_t)(slash - argv[0])) : ".";
	read_capture();
	shared_fd = memfd_create("bench", 0);
	if (shared_fd < 0 || ftruncate(shared_fd, sizeof *shared) < 0)
		die("shared memory");
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
	if (unshare(CLONE_NEWNET) < 0)
		die("network namespace");
	prepare_server();
	const pid_t client = start_client();

	run_rounds(&results, packets);
	print_results(&results, json);
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
	return 0;
}
