#include "tests/bench/relay_load.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "tests/unit/sfu/random.h"

enum {
	LATENCIES_MAX = 1 << 20,
	SLOT_US = 1000000 / LOAD_PACKETS_PER_SECOND,
	FEEDBACK_US = 100000,
	READ_US = 2000, /* how often the sockets are looked at: nobody is woken by a packet */
	REPORT_US = 1000000,
	SLOTS_TO_STAY_ALIVE = 20, /* while viewers join, whose handshakes need the core */
	FRAME_PACKETS = 5,
	PATTERN_SLOTS = 20, /* after so many, what a publisher sends repeats */
	FRAMES_TO_KEYFRAME = 30,
	BATCH = 32
};

/* ---- reading ---- */

static void read_one(struct relay_load *load, struct load_peer *peer)
{
	struct load_peer_drained drained = load_peer_drain(peer);
	unsigned count = atomic_load(&load->latency_count);

	if (drained.media > 0)
		(void)atomic_fetch_add(&load->received, (unsigned long)drained.media);
	if (drained.has_sample && count < LATENCIES_MAX) {
		load->latencies_us[count] = drained.latency_us;
		atomic_store(&load->latency_count, count + 1);
	}
}

/* Viewers give feedback one after the other, so that each does in its time. */
static void feed_back(struct relay_load *load, uint64_t *next_us, unsigned *turn)
{
	unsigned viewers = load->scenario->rooms * load->scenario->viewers;
	uint64_t now_us = clock_now_us();

	if (now_us > *next_us + FEEDBACK_US)
		*next_us = now_us; /* we were not let run: nobody makes up for feedback */
	for (; *next_us <= now_us; *next_us += FEEDBACK_US / viewers) {
		unsigned index =
			load->scenario->rooms * load->scenario->publishers + (*turn)++ % viewers;

		if (index < atomic_load(&load->watched_count) &&
		    load->peers[index].arrivals.has_packet)
			load_peer_feed_back(&load->peers[index]);
	}
}

/* Waking a reader would be charged to the server, which on a network wakes nobody. The kernel notes
 * when each packet came. */
static void *read_all(void *argument)
{
	struct relay_load *load = argument;
	struct epoll_event events[LOAD_PEERS_MAX];
	uint64_t next_us = clock_now_us();
	unsigned turn = 0;

	while (!atomic_load(&load->should_stop)) {
		int count = epoll_wait(load->epoll_fd, events, LOAD_PEERS_MAX, 0);

		for (int i = 0; i < count; i++)
			read_one(load, events[i].data.ptr);
		feed_back(load, &next_us, &turn);
		(void)usleep(READ_US);
	}
	return NULL;
}

/* ---- publishing ---- */

static void sleep_until(uint64_t due_us)
{
	uint64_t now_us = clock_now_us();
	struct timespec pause = {.tv_nsec = (long)(due_us - now_us) * 1000};

	if (due_us > now_us)
		(void)nanosleep(&pause, NULL);
}

/* The n-th packet of video: the first of a keyframe, of another frame, or a further one. */
static void publish_video(struct load_peer *peer, uint64_t number)
{
	bool is_last = number % FRAME_PACKETS == FRAME_PACKETS - 1;

	peer->sends_deltas = number / FRAME_PACKETS % FRAMES_TO_KEYFRAME != 0;
	if (number % FRAME_PACKETS == 0)
		load_peer_publish(peer, LOAD_VIDEO_BYTES, is_last);
	else
		load_peer_publish_more(peer, LOAD_VIDEO_BYTES, is_last);
}

/* What a publisher sends in its slot-th 5 ms; returns the packets. Of four slots one is sound. */
static unsigned publish_slot(struct load_peer *peer, uint64_t slot, bool in_bursts)
{
	uint64_t video = slot / 4 * 3 + slot % 4; /* packets of it before this slot */
	unsigned sent = 0;

	if (slot % (REPORT_US / SLOT_US) == 0)
		load_peer_report(peer);
	if (slot % 4 == 3) {
		load_peer_publish_audio(peer, LOAD_AUDIO_BYTES);
		sent = 1;
	} else if (!in_bursts) {
		publish_video(peer, video);
		sent = 1;
	} else if (video % FRAME_PACKETS == 0) {
		for (; sent < FRAME_PACKETS; sent++)
			publish_video(peer, video + sent);
	}
	return sent;
}

/* Its packets have the time in them when they leave: the reader, on the same core, must not come in
 * between. */
static void go_first(void)
{
	const struct sched_param least = {.sched_priority = 1};

	(void)pthread_setschedparam(pthread_self(), SCHED_RR, &least); /* not allowed: then not */
}

/* Whose turn it is, and where in its pattern it begins. */
struct lot {
	unsigned index, phase;
};

/* By chance, as people's cameras do, so that those of one room are no nearer to each other than to
 * anybody's; and the same for each server. While viewers still join, all begin alike, with a
 * picture: what memory is measured then must not depend on the draw. */
static void draw_lots(struct lot *lots, unsigned count)
{
	struct random random = {.state = 20};

	for (unsigned i = 0; i < count; i++) {
		unsigned other = random_below(&random, i + 1);

		lots[i] = lots[other];
		lots[other] =
			(struct lot){.index = i, .phase = random_below(&random, PATTERN_SLOTS)};
	}
}

static void *publish_all(void *argument)
{
	struct relay_load *load = argument;
	uint64_t started_us = clock_now_us();
	struct lot lots[LOAD_PEERS_MAX] = {0};

	draw_lots(lots, load->publisher_count);
	go_first();
	for (uint64_t turn = 0; !atomic_load(&load->should_stop); turn++) {
		uint64_t due_us = started_us + turn * SLOT_US / load->publisher_count;
		uint64_t slot = turn / load->publisher_count;
		const struct lot *lot = &lots[turn % load->publisher_count];
		bool is_full = atomic_load(&load->is_full);

		if (atomic_load(&load->is_paused)) {
			sleep_until(clock_now_us() + SLOT_US);
			started_us += clock_now_us() - due_us;
			turn--;
			continue;
		}
		/* They take turns within a slot. */
		sleep_until(due_us);
		if (!is_full && slot % SLOTS_TO_STAY_ALIVE != 0)
			continue;
		(void)atomic_fetch_add(&load->published,
				       publish_slot(&load->peers[lot->index],
						    is_full ? slot + lot->phase : slot,
						    load->scenario->in_bursts));
	}
	return NULL;
}

/* ---- its life ---- */

struct relay_load *relay_load_new(const struct relay_scenario *scenario)
{
	AUTO(relay_load) load = calloc(1, sizeof(*load));

	if (!load)
		return NULL;
	load->scenario = scenario;
	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load->latencies_us = malloc(LATENCIES_MAX * sizeof(uint32_t));
	for (unsigned i = 0; i < LOAD_PEERS_MAX; i++)
		load->peers[i].fd = -1;
	return load->latencies_us && load->epoll_fd >= 0 ? STEAL(load) : NULL;
}

static void stop(struct relay_load *load)
{
	if (!load->is_running)
		return;
	atomic_store(&load->should_stop, true);
	(void)pthread_join(load->publisher, NULL);
	(void)pthread_join(load->reader, NULL);
	load->is_running = false;
}

struct relay_load *relay_load_free(struct relay_load *load)
{
	if (!load)
		return NULL;
	stop(load);
	for (unsigned i = 0; i < LOAD_PEERS_MAX; i++)
		if (load->peers[i].identity)
			load_peer_fini(&load->peers[i]);
	if (load->epoll_fd >= 0)
		(void)close(load->epoll_fd);
	free(load->latencies_us);
	free(load);
	return NULL;
}

int relay_load_watch(struct relay_load *load, struct load_peer *viewer)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = viewer};

	(void)atomic_fetch_add(&load->watched_count, 1);
	return epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, viewer->fd, &event) < 0 ? -errno : 0;
}

int relay_load_start(struct relay_load *load)
{
	for (unsigned i = 0; i < load->publisher_count; i++) { /* what they are told is read, too */
		int r = relay_load_watch(load, &load->peers[i]);

		if (r < 0)
			return r;
	}
	if (pthread_create(&load->reader, NULL, read_all, load) != 0)
		return -EAGAIN;
	if (pthread_create(&load->publisher, NULL, publish_all, load) != 0) {
		atomic_store(&load->should_stop, true);
		(void)pthread_join(load->reader, NULL);
		return -EAGAIN;
	}
	load->is_running = true;
	return 0;
}

void relay_load_fill(struct relay_load *load)
{
	atomic_store(&load->is_full, true);
}

void relay_load_pause(struct relay_load *load)
{
	unsigned long before;
	int patience = 20; /* a server that is far behind is not waited for */

	atomic_store(&load->is_paused, true);
	do { /* until what is under way has come */
		before = atomic_load(&load->received);
		(void)usleep(150000);
	} while (atomic_load(&load->received) > before && --patience > 0);
}

void relay_load_resume(struct relay_load *load)
{
	atomic_store(&load->is_paused, false);
}

unsigned long relay_load_expected(const struct relay_load *load, unsigned long published)
{
	const struct relay_scenario *scenario = load->scenario;

	return published * scenario->viewers * scenario->sees / scenario->publishers;
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
	(void)EVP_EncryptUpdate(context, out + 12, &length, plain + 12, LOAD_VIDEO_BYTES - 12 - 16);
	(void)EVP_EncryptFinal_ex(context, out + LOAD_VIDEO_BYTES - 16, &length);
	(void)EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out + LOAD_VIDEO_BYTES - 16);
}

/* Let the viewers' sockets hear anyone. */
static void open_viewers(const struct relay_load *load, struct sockaddr_in *ret_addresses)
{
	const struct sockaddr_in any = {.sin_family = AF_UNSPEC};

	for (unsigned i = 0; i < load->viewer_count; i++) {
		socklen_t length = sizeof(ret_addresses[i]);
		int viewer = load->peers[load->publisher_count + i].fd;

		(void)getsockname(viewer, (struct sockaddr *)&ret_addresses[i], &length);
		(void)connect(viewer, (const struct sockaddr *)&any, sizeof(any));
	}
}

static unsigned long send_floor(const struct relay_load *load, int fd, EVP_CIPHER_CTX *context,
				const struct sockaddr_in *targets, double seconds)
{
	static uint8_t plain[LOAD_VIDEO_BYTES] = {0x80, 96}, arena[BATCH][LOAD_VIDEO_BYTES];
	struct mmsghdr messages[BATCH] = {0};
	struct iovec iovecs[BATCH];
	const struct relay_scenario *scenario = load->scenario;
	unsigned per_turn = scenario->viewers * scenario->sees / scenario->publishers;
	uint64_t started_us = clock_now_us(), until_us = started_us + (uint64_t)(seconds * 1e6);
	unsigned long sent = 0;

	for (uint64_t turn = 0; clock_now_us() < until_us; turn++) {
		sleep_until(started_us + turn * SLOT_US / load->publisher_count);
		for (unsigned i = 0; i < per_turn;) {
			unsigned count = 0;

			for (; count < BATCH && i < per_turn; count++, i++) {
				encrypt(context, plain, arena[count]);
				iovecs[count] = (struct iovec){.iov_base = arena[count],
							       .iov_len = LOAD_VIDEO_BYTES};
				messages[count].msg_hdr = (struct msghdr){
					.msg_name = (void *)(uintptr_t)&targets[(sent + count) %
										load->viewer_count],
					.msg_namelen = sizeof(targets[0]),
					.msg_iov = &iovecs[count],
					.msg_iovlen = 1};
			}
			(void)sendmmsg(fd, messages, count, 0);
			sent += count;
		}
	}
	return sent;
}

double relay_load_floor_us(struct relay_load *load, double seconds)
{
	static const uint8_t key[16];
	struct sockaddr_in targets[LOAD_PEERS_MAX];
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	double before = thread_cpu_us();
	unsigned long sent;

	(void)EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), NULL, key, key);
	open_viewers(load, targets);
	sent = send_floor(load, fd, context, targets, seconds);
	EVP_CIPHER_CTX_free(context);
	(void)close(fd);
	return (thread_cpu_us() - before) / (double)(sent ? sent : 1);
}
