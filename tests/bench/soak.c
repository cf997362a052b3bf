/* soak.c - participants come and go at random for a long time, and nothing of them stays.
 *
 *   soak [-s SLOWNESS] PATH-OF-REALTIME-SFU [SECONDS [SEED]]
 *
 * In rounds of 10 s publishers and viewers join rooms, send, watch, ask for keyframes and repeats,
 * and leave: with a goodbye, by being told to go, with the room closed under them, or without a
 * word. After each round all leave, and the SFU must come back to no room, no peer and no track,
 * with as many descriptors as after the first round and, once it has settled, no more memory.
 * Run it under AddressSanitizer: leaks and bad accesses show when the SFU ends. A failure prints
 * the seed.
 *
 * With a slowness of 5 all of that happens in slow motion, in rounds of 50 s, for a fifth of the
 * CPU: so that it can go on for long beside something else. Nothing is expected within a time that
 * a busy machine could not keep.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "sfu/wire/rtcp.h"
#include "tests/bench/fake_hub.h"
#include "tests/bench/load_peer.h"
#include "tests/unit/sfu/random.h"

enum {
	WORKERS = 2,
	ROOMS = 4,
	PEERS = 24,
	SEES_MAX = 3,
	ROUND_US = 10000000,
	TURN_US = 10000,
	QUIET_US =
		90000000, /* who said nothing is let go after 15 s; a busy machine takes longer */
	/* Pools, and the heap under a sanitizer, grow less and less, to what the worst moment took:
	 * by some 5 MiB between 300 who came and 1100. A whole participant is a tenth of one. */
	SETTLED_JOINS = 300,
	GROWTH_KIB_MAX = 12288
};

struct participant {
	struct load_peer peer;
	bool is_here, publishes;
	unsigned room, number;
	uint64_t fed_back_us;
};

struct soak {
	struct fake_hub hub;
	struct dtls_identity *identity;
	struct random random;
	unsigned slowness; /* turns and rounds take so many times as long */
	struct participant participants[PEERS];
	unsigned next_number;
	unsigned long joins, refusals, packets;
	long fds;	  /* after the first round */
	long settled_kib; /* after a third of the time, and so many joins; 0: not yet */
};

static volatile sig_atomic_t is_told_to_stop;

static void on_stop(int signal_number)
{
	(void)signal_number;
	is_told_to_stop = 1;
}

/* ---- what the process holds ---- */

static long memory_kib(pid_t pid)
{
	char path[64];
	long pages = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	if (file)
		(void)fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static long descriptors(pid_t pid)
{
	char path[64];
	long count = 0;
	DIR *folder;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	folder = opendir(path);
	while (folder && readdir(folder))
		count++;
	if (folder)
		(void)closedir(folder);
	return count;
}

/* Rooms, peers and tracks that the SFU knows of; -1 if it does not say. */
static json_int_t what_is_left(struct soak *soak)
{
	AUTO_JSON status = fake_hub_status(&soak->hub);
	const json_t *worker;
	json_int_t left;
	size_t i;

	if (!status)
		return -1;
	left = json_integer_value(json_object_get(status, "rooms")) +
	       json_integer_value(json_object_get(status, "peers"));
	json_array_foreach (json_object_get(status, "workers"), i, worker)
		left += json_integer_value(json_object_get(worker, "tracks"));
	return left;
}

/* ---- participants ---- */

static void room_name(unsigned room, char text[static 16])
{
	(void)snprintf(text, 16, "soak%u", room);
}

static void name(const struct participant *participant, char room[static 16], char peer[static 16])
{
	room_name(participant->room, room);
	(void)snprintf(peer, 16, "p%u", participant->number);
}

static void come(struct soak *soak, struct participant *participant)
{
	unsigned sees =
		random_below(&soak->random, 2) ? 0 : 1 + random_below(&soak->random, SEES_MAX);
	AUTO_FREE char *answer = NULL;
	AUTO_FREE char *offer = NULL;
	char room[16], peer[16];
	int r;

	*participant = (struct participant){.publishes = sees == 0,
					    .room = random_below(&soak->random, ROOMS),
					    .number = soak->next_number++};
	if (load_peer_init(&participant->peer, soak->identity) < 0)
		return;
	participant->peer.with_audio = random_below(&soak->random, 2);
	participant->peer.with_transport_cc = random_below(&soak->random, 4) > 0;
	participant->peer.without_rtx = random_below(&soak->random, 4) == 0;
	offer = load_peer_offer(&participant->peer, sees);
	name(participant, room, peer);
	r = fake_hub_join(&soak->hub, room, peer, sees ? "whep" : "whip", offer, &answer);
	/* One in ten never checks, and is let go by itself. */
	if (r == 0 && random_below(&soak->random, 10) > 0)
		r = load_peer_connect(&participant->peer, answer);
	if (r < 0 || !participant->peer.out) {
		load_peer_fini(&participant->peer);
		soak->refusals++;
		return;
	}
	participant->is_here = true;
	soak->joins++;
}

static void go(struct soak *soak, struct participant *participant)
{
	char room[16], peer[16];

	name(participant, room, peer);
	switch (random_below(&soak->random, 3)) {
	case 0: /* goodbye, with load_peer_fini() */
		break;
	case 1:
		fake_hub_leave(&soak->hub, room, peer);
		break;
	case 2: /* without a word */
		participant->peer.link = dtls_link_free(participant->peer.link);
		break;
	}
	load_peer_fini(&participant->peer);
	participant->is_here = false;
}

static void close_room(struct soak *soak, unsigned room)
{
	char text[16];

	room_name(room, text);
	fake_hub_close_room(&soak->hub, text);
	for (size_t i = 0; i < PEERS; i++)
		if (soak->participants[i].is_here && soak->participants[i].room == room) {
			load_peer_fini(&soak->participants[i].peer);
			soak->participants[i].is_here = false;
		}
}

/* Ask for a keyframe, or for packets that may have been. */
static void bother(struct soak *soak, struct load_peer *viewer)
{
	uint16_t numbers[20];
	uint8_t packet[512];
	struct writer writer = writer_over(packet, 400);
	uint16_t first = (uint16_t)random_u64(&soak->random);

	for (uint16_t i = 0; i < ARRAY_LEN(numbers); i++)
		numbers[i] = (uint16_t)(first + i);
	if (random_below(&soak->random, 2))
		rtcp_write_pli(&writer, 1, viewer->receive_ssrc);
	else
		rtcp_write_nack(&writer, 1, viewer->receive_ssrc, numbers, ARRAY_LEN(numbers));
	load_peer_send_rtcp(viewer, packet, writer.offset, sizeof(packet));
}

static void take_part(struct soak *soak, struct participant *participant, uint64_t now_us)
{
	struct load_peer *peer = &participant->peer;

	if (participant->publishes) {
		if (random_below(&soak->random, 50) == 0)
			peer->ssrc ^= 0x5a5a5a5a; /* another source */
		if (random_below(&soak->random, 20) == 0)
			peer->sequence_number++; /* a loss */
		peer->sends_deltas = random_below(&soak->random, 30) > 0;
		load_peer_publish(peer, 200 + random_below(&soak->random, 1000), true);
		if (peer->with_audio)
			load_peer_publish_audio(peer, 160);
	} else if (random_below(&soak->random, 40) == 0) {
		bother(soak, peer);
	}
	for (;;) {
		struct load_peer_drained drained = load_peer_drain(peer);

		if (drained.packets <= 0)
			break;
		soak->packets += (unsigned long)drained.media;
	}
	if (now_us - participant->fed_back_us > 100000) {
		participant->fed_back_us = now_us;
		load_peer_feed_back(peer);
		if (participant->publishes)
			load_peer_report(peer);
	}
}

/* ---- rounds ---- */

static void turn(struct soak *soak)
{
	uint64_t now_us = clock_now_us();

	for (size_t i = 0; i < PEERS; i++) {
		struct participant *participant = &soak->participants[i];

		if (participant->is_here && random_below(&soak->random, 200) == 0)
			go(soak, participant);
		else if (participant->is_here)
			take_part(soak, participant, now_us);
		else if (random_below(&soak->random, 50) == 0)
			come(soak, participant);
	}
	if (random_below(&soak->random, 500) == 0)
		close_room(soak, random_below(&soak->random, ROOMS));
}

/* Everybody leaves; some of them only seem to. */
static int come_to_rest(struct soak *soak)
{
	uint64_t started_us = clock_now_us();

	for (size_t i = 0; i < PEERS; i++)
		if (soak->participants[i].is_here)
			go(soak, &soak->participants[i]);
	while (what_is_left(soak) != 0) {
		if (is_told_to_stop)
			return -EINTR;
		if (clock_now_us() - started_us > QUIET_US) {
			(void)fprintf(stderr,
				      "after %d s of quiet %lld rooms, peers and tracks are left\n",
				      QUIET_US / 1000000, (long long)what_is_left(soak));
			return -EBUSY;
		}
		(void)usleep(100000);
	}
	return 0;
}

static int check_round(struct soak *soak, double share_of_time)
{
	long fds = descriptors(soak->hub.sfu), kib = memory_kib(soak->hub.sfu);

	(void)printf("%3.0f %%: %lu joins, %lu that never came to be, %lu packets; %ld "
		     "descriptors, %ld KiB\n",
		     share_of_time * 100, soak->joins, soak->refusals, soak->packets, fds, kib);
	(void)fflush(stdout);
	if (!soak->fds)
		soak->fds = fds;
	if (fds != soak->fds) {
		(void)fprintf(stderr, "%ld descriptors, %ld after the first round\n", fds,
			      soak->fds);
		return -EMFILE;
	}
	if (soak->joins >= SETTLED_JOINS && share_of_time >= 1.0 / 3 && !soak->settled_kib)
		soak->settled_kib = kib;
	if (soak->settled_kib && kib > soak->settled_kib + GROWTH_KIB_MAX) {
		(void)fprintf(stderr, "%ld KiB, %ld when it had settled\n", kib, soak->settled_kib);
		return -ENOMEM;
	}
	return 0;
}

static int run(struct soak *soak, uint64_t length_us)
{
	uint64_t started_us = clock_now_us(), now_us = started_us;
	int r = 0;

	while (r == 0 && now_us - started_us < length_us) {
		uint64_t until_us = now_us + (uint64_t)ROUND_US * soak->slowness;

		while ((now_us = clock_now_us()) < until_us && !is_told_to_stop) {
			turn(soak);
			(void)usleep(TURN_US * soak->slowness);
		}
		r = come_to_rest(soak);
		now_us = clock_now_us();
		if (r == 0)
			r = check_round(soak, (double)(now_us - started_us) / (double)length_us);
	}
	if (r == 0 && (soak->joins < 10 || soak->packets < 100)) {
		(void)fprintf(stderr, "hardly anything happened\n");
		r = -ENODATA;
	}
	return r;
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: soak [-s SLOWNESS] PATH-OF-REALTIME-SFU [SECONDS [SEED]]\n");
	return 2;
}

/* Returns how it went: 0, or less. */
static int start_and_run(struct soak *soak, const char *program, uint64_t length_us)
{
	int r = dtls_identity_new(&soak->identity, NULL);

	if (r == 0)
		r = fake_hub_start(&soak->hub, program, WORKERS);
	if (r < 0)
		(void)fprintf(stderr, "cannot start %s: %s\n", program, strerror(-r));
	else
		r = run(soak, length_us);
	for (size_t i = 0; i < PEERS; i++)
		if (soak->participants[i].is_here)
			load_peer_fini(&soak->participants[i].peer);
	if (fake_hub_stop(&soak->hub) < 0) {
		(void)fprintf(stderr, "realtime-sfu did not end well\n");
		r = -EIO;
	}
	soak->identity = dtls_identity_free(soak->identity);
	return r;
}

int main(int argc, char **argv)
{
	struct soak *soak = calloc(1, sizeof(*soak));
	uint64_t seed, seconds;
	int option, r;

	if (!soak)
		return 2;
	soak->slowness = 1;
	while ((option = getopt(argc, argv, "s:")) != -1)
		soak->slowness = option == 's' ? (unsigned)strtoul(optarg, NULL, 10) : 0;
	if (optind >= argc || soak->slowness < 1 || soak->slowness > 50) {
		free(soak);
		return usage();
	}
	seconds = optind + 1 < argc ? strtoull(argv[optind + 1], NULL, 0) : 60;
	seed = optind + 2 < argc ? strtoull(argv[optind + 2], NULL, 0) : 0;
	if (!seed)
		seed = clock_unix_us();
	soak->random = (struct random){seed};
	(void)printf("seed %llu\n", (unsigned long long)seed);
	(void)fflush(stdout);
	(void)signal(SIGTERM, on_stop);
	(void)signal(SIGINT, on_stop);
	r = start_and_run(soak, argv[optind], seconds * 1000000);
	if (r == -EINTR)
		(void)fprintf(stderr, "interrupted\n");
	else if (r < 0)
		(void)fprintf(stderr, "failed; again with: soak -s %u PATH SECONDS %llu\n",
			      soak->slowness, (unsigned long long)seed);
	free(soak);
	return r < 0;
}
