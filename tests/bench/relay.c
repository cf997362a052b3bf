/* relay.c - what a forwarded packet costs the SFU, beside the least it could cost.
 *
 *   bench_relay PATH-OF-REALTIME-SFU [SECONDS]
 *
 * Publishers and subscribers are in this process, on the loopback, without a browser. The floor, in
 * the same run and to the same sockets: encrypt each packet with OpenSSL's AES-128-GCM and send the
 * lot with sendmmsg, from a bare loop. CPU is the SFU's whole process (the floor's thread), user
 * and system time. Loopback charges the sender with the receiver's kernel work, so trust the
 * ratios.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "tests/bench/fake_hub.h"
#include "tests/bench/load_peer.h"

enum {
	PACKET_BYTES = 1200,
	PEERS_MAX = 512,
	LATENCIES_MAX = 1 << 20,
	MEDIA_PORT = 28400,
	BATCH = 32
};

struct scenario {
	const char *name;
	unsigned rooms, publishers, viewers; /* of each room */
	unsigned sees;			     /* publishers that each viewer watches */
	unsigned packets_per_second;	     /* of each publisher */
	unsigned burst;			     /* packets at once: 1 is evenly spaced */
};

static const struct scenario scenarios[] = {
	{"1 -> 50, 200 packets/s", 1, 1, 50, 1, 200, 1},
	{"1 -> 200, 200 packets/s", 1, 1, 200, 1, 200, 1},
	{"1 -> 100, 30 frames/s of 7", 1, 1, 100, 1, 210, 7},
	{"3 rooms of 10, 30 frames/s of 3", 3, 10, 10, 9, 90, 3},
};

struct load {
	const struct scenario *scenario;
	struct load_peer peers[PEERS_MAX]; /* publishers first */
	unsigned publishers, viewers;
	int epoll_fd;
	pthread_t reader;
	atomic_bool should_stop;
	atomic_ulong received;
	unsigned latency_count;
	uint32_t *latencies_us;
};

static void *read_all(void *argument)
{
	struct load *load = argument;
	struct epoll_event events[64];

	while (!atomic_load(&load->should_stop)) {
		int count = epoll_wait(load->epoll_fd, events, 64, 100);

		for (int i = 0; i < count; i++) {
			uint64_t sent_us, now_us;
			int got = load_peer_drain(events[i].data.ptr, &sent_us);

			atomic_fetch_add(&load->received, (unsigned long)(got > 0 ? got : 0));
			now_us = clock_now_us();
			if (sent_us && sent_us <= now_us && load->latency_count < LATENCIES_MAX)
				load->latencies_us[load->latency_count++] =
					(uint32_t)(now_us - sent_us);
		}
	}
	return NULL;
}

static void reader_start(struct load *load)
{
	atomic_store(&load->should_stop, false);
	atomic_store(&load->received, 0);
	load->latency_count = 0;
	(void)pthread_create(&load->reader, NULL, read_all, load);
}

static void reader_stop(struct load *load)
{
	(void)usleep(100000); /* what is still on its way */
	atomic_store(&load->should_stop, true);
	(void)pthread_join(load->reader, NULL);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* ---- the load ---- */

static int admit(struct load *load, struct fake_hub *hub, const char *room_id, unsigned index,
		 unsigned receive_count)
{
	struct load_peer *peer = &load->peers[index];
	AUTO_FREE char *offer = load_peer_offer(peer, receive_count);
	AUTO_FREE char *answer = NULL;
	char peer_id[32];
	int r;

	(void)snprintf(peer_id, sizeof(peer_id), "p%u", index);
	r = fake_hub_join(hub, room_id, peer_id, receive_count ? "whep" : "whip", offer, &answer);
	return r < 0 ? r : load_peer_connect(peer, answer);
}

static int connect_all(struct load *load, struct fake_hub *hub,
		       const struct dtls_identity *identity)
{
	const struct scenario *scenario = load->scenario;
	char room_id[32];
	int r = 0;

	load->publishers = scenario->rooms * scenario->publishers;
	load->viewers = scenario->rooms * scenario->viewers;
	for (unsigned i = 0; i < load->publishers + load->viewers; i++)
		if (load_peer_init(&load->peers[i], identity) < 0)
			return -errno;
	for (unsigned i = 0; r == 0 && i < load->publishers; i++) {
		(void)snprintf(room_id, sizeof(room_id), "bench%u", i / scenario->publishers);
		r = admit(load, hub, room_id, i, 0);
	}
	for (unsigned i = 0; r == 0 && i < load->viewers; i++) {
		struct epoll_event event = {.events = EPOLLIN,
					    .data.ptr = &load->peers[load->publishers + i]};

		(void)snprintf(room_id, sizeof(room_id), "bench%u", i / scenario->viewers);
		r = admit(load, hub, room_id, load->publishers + i, scenario->sees);
		if (r == 0)
			r = epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD,
				      load->peers[load->publishers + i].fd, &event);
	}
	return r;
}

static void sleep_until(uint64_t due_us)
{
	uint64_t now_us = clock_now_us();
	struct timespec pause = {.tv_nsec = (long)(due_us - now_us) * 1000};

	if (due_us > now_us)
		(void)nanosleep(&pause, NULL);
}

/* Publish at the scenario's rate for `seconds`; returns the packets sent. */
static unsigned long publish(struct load *load, double seconds)
{
	const struct scenario *scenario = load->scenario;
	uint64_t interval_us = 1000000ull * scenario->burst / scenario->packets_per_second;
	uint64_t started_us = clock_now_us(), until_us = started_us + (uint64_t)(seconds * 1e6);
	unsigned long sent = 0;
	uint64_t turn = 0;

	while (clock_now_us() < until_us) {
		/* The publishers take turns within an interval, as cameras do. */
		struct load_peer *peer = &load->peers[turn % load->publishers];

		sleep_until(started_us + turn * interval_us / load->publishers);
		for (unsigned i = 0; i < scenario->burst; i++)
			load_peer_publish(peer, PACKET_BYTES, i + 1 == scenario->burst);
		sent += scenario->burst;
		turn++;
	}
	return sent;
}

/* ---- figures ---- */

struct figures {
	double cpu_us_per_packet, packets_per_second, lost_percent;
	uint32_t p50_us, p99_us;
	double packets_per_call;
};

static json_int_t process_cpu_us(pid_t pid)
{
	char path[64];
	unsigned long user = 0, system = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		   &system) != 2)
		user = system = 0;
	(void)fclose(file);
	return (json_int_t)(user + system) * 1000000 / sysconf(_SC_CLK_TCK);
}

static json_int_t total_of(struct fake_hub *hub, const char *name)
{
	json_t *status = fake_hub_status(hub);
	json_t *worker;
	json_int_t total = 0;
	size_t i;

	json_array_foreach (json_object_get(status, "workers"), i, worker)
		total += json_integer_value(json_object_get(worker, name));
	json_decref(status);
	return total;
}

static struct figures measure(struct load *load, struct fake_hub *hub, double seconds)
{
	struct figures figures = {0};
	json_int_t cpu_before, out_before, calls_before, out, calls;
	unsigned long published, expected;

	reader_start(load);
	(void)publish(load, 1); /* warm up: first keyframes, caches, reports */
	reader_stop(load);
	reader_start(load);
	out_before = total_of(hub, "packets_out");
	calls_before = total_of(hub, "system_calls_out");
	cpu_before = process_cpu_us(hub->sfu);
	published = publish(load, seconds);
	reader_stop(load);
	figures.cpu_us_per_packet = (double)(process_cpu_us(hub->sfu) - cpu_before);
	out = total_of(hub, "packets_out") - out_before;
	calls = total_of(hub, "system_calls_out") - calls_before;
	expected = published / load->publishers * load->viewers * load->scenario->sees;
	figures.cpu_us_per_packet /= (double)expected;
	figures.packets_per_second = (double)expected / seconds;
	figures.lost_percent =
		100.0 * (1.0 - (double)atomic_load(&load->received) / (double)expected);
	figures.packets_per_call = (double)out / (double)(calls ? calls : 1);
	qsort(load->latencies_us, load->latency_count, sizeof(uint32_t), compare_u32);
	if (load->latency_count > 0) {
		figures.p50_us = load->latencies_us[load->latency_count / 2];
		figures.p99_us = load->latencies_us[(uint64_t)load->latency_count * 99 / 100];
	}
	return figures;
}

/* ---- the floor ---- */

static double thread_cpu_us(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_THREAD, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void encrypt(EVP_CIPHER_CTX *context, const uint8_t *plain, uint8_t *out)
{
	static uint8_t nonce[12];
	int length;

	nonce[0]++;
	(void)EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce);
	(void)EVP_EncryptUpdate(context, NULL, &length, plain, 12);
	memcpy(out, plain, 12);
	(void)EVP_EncryptUpdate(context, out + 12, &length, plain + 12, PACKET_BYTES - 12 - 16);
	(void)EVP_EncryptFinal_ex(context, out + PACKET_BYTES - 16, &length);
	(void)EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out + PACKET_BYTES - 16);
}

/* Let the viewers' sockets hear anyone; before the reader starts, as it uses them as they are. */
static void open_viewers(struct load *load, struct sockaddr_in *ret_addresses)
{
	const struct sockaddr_in any = {.sin_family = AF_UNSPEC};

	for (unsigned i = 0; i < load->viewers; i++) {
		socklen_t length = sizeof(ret_addresses[i]);
		int viewer = load->peers[load->publishers + i].fd;

		(void)getsockname(viewer, (struct sockaddr *)&ret_addresses[i], &length);
		(void)connect(viewer, (const struct sockaddr *)&any, sizeof(any));
	}
}

/* The same packets at the same pace to the same viewers' sockets, with nothing in between. */
static double floor_us_per_packet(struct load *load, double seconds)
{
	static uint8_t plain[PACKET_BYTES] = {0x80, 96}, arena[BATCH][PACKET_BYTES];
	struct mmsghdr messages[BATCH] = {0};
	struct sockaddr_in targets[PEERS_MAX];
	struct iovec iovecs[BATCH];
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	const struct scenario *scenario = load->scenario;
	/* What one publisher's turn comes to: its burst, to everyone who watches it. */
	unsigned per_turn =
		scenario->viewers * scenario->sees * scenario->burst / scenario->publishers;
	uint64_t interval_us =
		1000000ull * scenario->burst / scenario->packets_per_second / load->publishers;
	uint64_t until_us, due_us;
	unsigned long sent = 0;
	double before, used;

	(void)EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), NULL, plain, plain);
	open_viewers(load, targets);
	reader_start(load);
	before = thread_cpu_us();
	due_us = clock_now_us();
	until_us = due_us + (uint64_t)(seconds * 1e6);
	for (; due_us < until_us; due_us += interval_us) {
		sleep_until(due_us);
		for (unsigned i = 0; i < per_turn;) {
			unsigned count = 0;

			for (; count < BATCH && i < per_turn; count++, i++) {
				encrypt(context, plain, arena[count]);
				iovecs[count] = (struct iovec){.iov_base = arena[count],
							       .iov_len = PACKET_BYTES};
				messages[count].msg_hdr = (struct msghdr){
					.msg_name = &targets[(sent + count) % load->viewers],
					.msg_namelen = sizeof(targets[0]),
					.msg_iov = &iovecs[count],
					.msg_iovlen = 1};
			}
			(void)sendmmsg(fd, messages, count, 0);
			sent += count;
		}
	}
	used = thread_cpu_us() - before;
	reader_stop(load);
	EVP_CIPHER_CTX_free(context);
	(void)close(fd);
	return used / (double)sent;
}

/* ---- one scenario ---- */

static int run_scenario(const struct scenario *scenario, struct fake_hub *hub,
			const struct dtls_identity *identity, double seconds)
{
	struct load *load = calloc(1, sizeof(*load));
	struct figures figures;
	double least;
	int r;

	load->scenario = scenario;
	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load->latencies_us = malloc(LATENCIES_MAX * sizeof(uint32_t));
	r = connect_all(load, hub, identity);
	if (r < 0) {
		(void)fprintf(stderr, "%s: cannot connect: %s\n", scenario->name, strerror(-r));
		return r;
	}
	figures = measure(load, hub, seconds);
	if (atomic_load(&load->received) == 0) {
		(void)fprintf(stderr, "%s: nothing arrived\n", scenario->name);
		return -EIO;
	}
	least = floor_us_per_packet(load, seconds / 2);
	(void)printf("%-32s %8.0f %9.2f %9.2f %7.2f %9.1f %8.2f %8.2f %6.2f\n", scenario->name,
		     figures.packets_per_second, figures.cpu_us_per_packet, least,
		     figures.cpu_us_per_packet / least, figures.packets_per_call,
		     figures.p50_us / 1000.0, figures.p99_us / 1000.0, figures.lost_percent);
	(void)fflush(stdout);
	for (unsigned i = 0; i < scenario->rooms; i++) {
		char room_id[32];

		(void)snprintf(room_id, sizeof(room_id), "bench%u", i);
		fake_hub_close_room(hub, room_id);
	}
	for (unsigned i = 0; i < load->publishers + load->viewers; i++)
		load_peer_fini(&load->peers[i]);
	(void)close(load->epoll_fd);
	free(load->latencies_us);
	free(load);
	return 0;
}

int main(int argc, char **argv)
{
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 8;
	struct dtls_identity *identity;
	struct fake_hub hub;
	int r;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: bench_relay PATH-OF-REALTIME-SFU [SECONDS]\n");
		return 2;
	}
	r = dtls_identity_new(&identity, NULL);
	if (r == 0)
		r = fake_hub_start(&hub, argv[1], MEDIA_PORT, 1);
	if (r < 0) {
		(void)fprintf(stderr, "cannot start %s: %s\n", argv[1], strerror(-r));
		return 1;
	}
	(void)printf("%-32s %8s %9s %9s %7s %9s %8s %8s %6s\n", "1,200-byte packets, one worker",
		     "packets/s", "us/packet", "floor us", "ratio", "pkts/call", "p50 ms", "p99 ms",
		     "lost %");
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(scenarios); i++)
		r = run_scenario(&scenarios[i], &hub, identity, seconds);
	if (fake_hub_stop(&hub) < 0) {
		(void)fprintf(stderr, "realtime-sfu did not end well\n");
		r = -EIO;
	}
	(void)dtls_identity_free(identity);
	return r < 0;
}
