/* The estimator against simulated links: seeded, in simulated time, so that every run is the same.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sfu/model/allocator.h"
#include "sfu/model/bandwidth.h"
#include "tests/unit/cmocka_all.h"

enum {
	TICK_US = 5000,
	FEEDBACK_US = 50000,
	PACKET_BYTES = 1000,
	FLIGHT_MAX = 4096,
	SECOND_US = 1000000
};

#define RECEIVER_PERIOD_US ((INT64_C(1) << 24) * 64000)

struct flying {
	uint64_t sent_us;
	double arrival_us; /* negative: lost */
	size_t byte_count;
	uint8_t probe;
};

struct simulation {
	struct bandwidth bandwidth;
	uint64_t now_us, feedback_us;
	double link_bps, queue_us, delay_us, jitter_us, loss;
	double burst; /* mean length of a loss, in packets; 0: one */
	bool is_losing;
	double free_at_us, last_arrival_us;
	int64_t receiver_ahead_us; /* its clock, of ours */
	double owed_bytes;
	struct flying flight[FLIGHT_MAX];
	size_t first, count;
	double queued_us_sum; /* of packets that arrived */
	size_t arrived_count, lost_count;
};

static void start(struct simulation *simulation, double link_bps)
{
	memset(simulation, 0, sizeof(*simulation));
	simulation->now_us = 100 * (uint64_t)SECOND_US;
	simulation->link_bps = link_bps;
	simulation->queue_us = 200000;
	simulation->delay_us = 20000;
	bandwidth_init(&simulation->bandwidth, simulation->now_us);
	srand(4);
}

static double chance(void)
{
	return (double)rand() / ((double)RAND_MAX + 1);
}

/* Gilbert's model. */
static bool is_lost(struct simulation *simulation)
{
	double loss = simulation->loss, burst = fmax(simulation->burst, 1);

	if (burst <= 1)
		simulation->is_losing = chance() < loss;
	else if (simulation->is_losing)
		simulation->is_losing = chance() >= 1 / burst;
	else
		simulation->is_losing = chance() < loss / (burst * (1 - loss));
	return simulation->is_losing;
}

static void send_packet(struct simulation *simulation, size_t byte_count, uint8_t probe)
{
	struct flying *flying =
		&simulation->flight[(simulation->first + simulation->count++) % FLIGHT_MAX];
	double start_us = fmax(simulation->free_at_us, (double)simulation->now_us);

	assert_true(simulation->count <= FLIGHT_MAX);
	*flying = (struct flying){simulation->now_us, -1, byte_count, probe};
	bandwidth_on_sent(&simulation->bandwidth, simulation->now_us, byte_count);
	if (is_lost(simulation) || start_us - (double)simulation->now_us > simulation->queue_us) {
		simulation->lost_count++;
		return;
	}
	simulation->free_at_us = start_us + (double)byte_count * 8e6 / simulation->link_bps;
	simulation->queued_us_sum += simulation->free_at_us - (double)simulation->now_us;
	simulation->arrived_count++;
	flying->arrival_us =
		simulation->free_at_us + simulation->delay_us + chance() * simulation->jitter_us;
	flying->arrival_us = fmax(flying->arrival_us, simulation->last_arrival_us);
	simulation->last_arrival_us = flying->arrival_us;
}

/* Everything up to the newest packet that has arrived is told, a way back later. */
static void feed_back(struct simulation *simulation)
{
	double heard_us = (double)simulation->now_us - simulation->delay_us;
	size_t told = 0;

	for (size_t i = 0; i < simulation->count; i++) {
		const struct flying *flying =
			&simulation->flight[(simulation->first + i) % FLIGHT_MAX];

		if (flying->arrival_us >= 0 && flying->arrival_us <= heard_us)
			told = i + 1;
	}
	for (size_t i = 0; i < told; i++) {
		const struct flying *flying =
			&simulation->flight[(simulation->first + i) % FLIGHT_MAX];

		bandwidth_on_result(&simulation->bandwidth, simulation->now_us, flying->sent_us,
				    flying->byte_count, flying->probe, flying->arrival_us >= 0,
				    ((int64_t)flying->arrival_us + simulation->receiver_ahead_us) /
					    250 * 250 % RECEIVER_PERIOD_US);
	}
	simulation->first = (simulation->first + told) % FLIGHT_MAX;
	simulation->count -= told;
	if (told > 0)
		bandwidth_on_feedback(&simulation->bandwidth, simulation->now_us,
				      (uint64_t)(2 * simulation->delay_us));
}

/* Media of up to `most_bps`, but not beyond the estimate; `wanted_bps` is what there could be. */
static void run(struct simulation *simulation, double seconds, double most_bps, double wanted_bps)
{
	uint64_t until_us = simulation->now_us + (uint64_t)(seconds * SECOND_US);

	for (; simulation->now_us < until_us; simulation->now_us += TICK_US) {
		double rate_bps = fmin(simulation->bandwidth.estimate_bps, most_bps);
		size_t probe_bytes;
		uint8_t probe;

		simulation->owed_bytes += rate_bps / 8 * TICK_US / 1e6;
		for (; simulation->owed_bytes >= PACKET_BYTES;
		     simulation->owed_bytes -= PACKET_BYTES)
			send_packet(simulation, PACKET_BYTES, 0);
		if (bandwidth_wants_probe(&simulation->bandwidth, simulation->now_us,
					  (uint64_t)wanted_bps, false, &probe, &probe_bytes))
			for (size_t sent = 0; sent < probe_bytes; sent += PACKET_BYTES)
				send_packet(simulation, PACKET_BYTES, probe);
		if (simulation->now_us - simulation->feedback_us >= FEEDBACK_US) {
			simulation->feedback_us = simulation->now_us;
			feed_back(simulation);
		}
	}
}

static double average_queue_ms(struct simulation *simulation)
{
	double average = simulation->queued_us_sum / (double)simulation->arrived_count / 1000;

	simulation->queued_us_sum = 0;
	simulation->arrived_count = 0;
	return average;
}

static double estimate_kbps(const struct simulation *simulation)
{
	return simulation->bandwidth.estimate_bps / 1000;
}

static void who_gives_no_feedback_is_sent_everything(void **state)
{
	struct bandwidth bandwidth;

	(void)state;
	bandwidth_init(&bandwidth, SECOND_US);
	assert_int_equal(bandwidth_budget_bps(&bandwidth, SECOND_US), BANDWIDTH_START_BPS);
	bandwidth_on_sent(&bandwidth, 2 * SECOND_US, 1000);
	assert_int_equal(bandwidth_budget_bps(&bandwidth, 4 * SECOND_US), BANDWIDTH_START_BPS);
	assert_int_equal(bandwidth_budget_bps(&bandwidth, 6 * SECOND_US),
			 ALLOCATOR_BUDGET_UNLIMITED);
}

/* Close to what the link carries, without a standing queue. */
static void it_settles_near_what_the_link_carries(void **state)
{
	static const double links_bps[] = {300e3, 600e3, 1e6, 2e6, 5e6, 20e6};
	struct simulation *simulation = *state;

	for (size_t i = 0; i < sizeof(links_bps) / sizeof(*links_bps); i++) {
		double queue_ms;

		start(simulation, links_bps[i]);
		run(simulation, 20, 1e9, 1e9);
		(void)average_queue_ms(simulation);
		run(simulation, 20, 1e9, 1e9);
		queue_ms = average_queue_ms(simulation);
		print_message("link %.0f kbit/s: estimate %.0f, queue %.0f ms\n",
			      links_bps[i] / 1000, estimate_kbps(simulation), queue_ms);
		assert_true(simulation->bandwidth.estimate_bps > 0.6 * links_bps[i]);
		assert_true(simulation->bandwidth.estimate_bps < 1.15 * links_bps[i]);
		assert_true(queue_ms < 110);
	}
}

/* From 3 Mbit/s to 300 kbit/s and back: down within a second, up within some. */
static void it_follows_a_link_that_becomes_narrow_and_wide_again(void **state)
{
	struct simulation *simulation = *state;
	double down_s = 0, up_s = 0;

	start(simulation, 3e6);
	run(simulation, 8, 1.9e6, 2.1e6);
	print_message("at 3 Mbit/s: %.0f\n", estimate_kbps(simulation));
	assert_true(simulation->bandwidth.estimate_bps > 1.9e6);
	simulation->link_bps = 300e3;
	while (simulation->bandwidth.estimate_bps > 330e3 && down_s < 5) {
		run(simulation, 0.05, 1.9e6, 2.1e6);
		down_s += 0.05;
	}
	run(simulation, 10 - down_s, 1.9e6, 2.1e6);
	print_message("down in %.2f s; at 300 kbit/s: %.0f\n", down_s, estimate_kbps(simulation));
	assert_true(down_s < 1);
	assert_true(simulation->bandwidth.estimate_bps > 150e3 &&
		    simulation->bandwidth.estimate_bps < 400e3);
	simulation->link_bps = 3e6;
	while (simulation->bandwidth.estimate_bps < 2.0e6 && up_s < 20) {
		run(simulation, 0.05, 1.9e6, 2.1e6);
		up_s += 0.05;
	}
	print_message("up in %.2f s\n", up_s);
	assert_true(up_s < 8);
}

/* A way that drops 15 % of any traffic carries as much as another. */
static void loss_that_is_not_ours_is_borne(void **state)
{
	static const double losses[] = {0.05, 0.15, 0.25};
	struct simulation *simulation = *state;

	for (size_t i = 0; i < 3; i++) {
		start(simulation, 5e6);
		simulation->loss = losses[i];
		run(simulation, 10, 2e6, 2.2e6);
		print_message("%.0f %% lost: %.0f\n", losses[i] * 100, estimate_kbps(simulation));
		assert_true(simulation->bandwidth.estimate_bps > 1.5e6);
	}
}

/* Now and then a burst takes most of what is sent in a moment; on average it is little. */
static void loss_in_bursts_is_borne_as_well(void **state)
{
	static const double bursts[] = {3, 5, 10};
	struct simulation *simulation = *state;

	for (size_t i = 0; i < 3; i++) {
		double least_bps = INFINITY;

		start(simulation, 10e6);
		simulation->loss = 0.05;
		simulation->burst = bursts[i];
		run(simulation, 5, 2e6, 2.2e6);
		for (int ms = 0; ms < 60000; ms += 100) {
			run(simulation, 0.1, 2e6, 2.2e6);
			least_bps = fmin(least_bps, simulation->bandwidth.estimate_bps);
		}
		print_message("5 %% lost in bursts of %.0f: never below %.0f\n", bursts[i],
			      least_bps / 1000);
		assert_true(least_bps > 1.5e6);
	}
}

static void jitter_is_no_queue(void **state)
{
	static const double jitters_us[] = {10000, 30000, 60000};
	struct simulation *simulation = *state;

	for (size_t i = 0; i < 3; i++) {
		start(simulation, 20e6);
		simulation->delay_us = 100000;
		simulation->jitter_us = jitters_us[i];
		run(simulation, 20, 2e6, 2.2e6);
		print_message("jitter %.0f ms: %.0f\n", jitters_us[i] / 1000,
			      estimate_kbps(simulation));
		assert_true(simulation->bandwidth.estimate_bps > 1.5e6);
	}
}

/* Another route, or radio cell: every packet takes longer from one moment on, and no queue builds
 * up; nor does one where the way stands still for a moment. */
static void a_longer_way_is_no_queue(void **state)
{
	static const struct {
		double longer_us, jitter_us, seconds;
	} changes[] = {{60e3, 0, 5},	 {100e3, 0, 5},	   {100e3, 30e3, 5},
		       {100e3, 60e3, 5}, {300e3, 30e3, 5}, {150e3, 5e3, 0.2}};
	struct simulation *simulation = *state;

	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		double least_bps = INFINITY;

		for (int seed = 0; seed < 10; seed++) {
			start(simulation, 10e6);
			srand((unsigned)seed);
			run(simulation, 8, 1.6e6, 1.7e6);
			simulation->delay_us += changes[i].longer_us;
			simulation->jitter_us = changes[i].jitter_us;
			for (double s = 0; s < 5; s += 0.05) {
				if (s >= changes[i].seconds)
					simulation->delay_us = 20000;
				run(simulation, 0.05, 1.6e6, 1.7e6);
				least_bps = fmin(least_bps, simulation->bandwidth.estimate_bps);
			}
		}
		print_message("%.0f ms more, %.0f ms jitter: never below %.0f\n",
			      changes[i].longer_us / 1000, changes[i].jitter_us / 1000,
			      least_bps / 1000);
		assert_true(least_bps > 1.3e6);
	}
}

/* But of a way so narrow that single packets come late, that is soon known. */
static void a_way_that_becomes_very_narrow_is_found_out(void **state)
{
	static const double links_bps[] = {80e3, 150e3, 600e3};
	struct simulation *simulation = *state;

	for (size_t i = 0; i < sizeof(links_bps) / sizeof(*links_bps); i++) {
		double down_s = 0;

		start(simulation, 5e6);
		simulation->queue_us = 2e6; /* nothing is lost, all waits */
		run(simulation, 8, 1.6e6, 1.7e6);
		simulation->link_bps = links_bps[i];
		while (simulation->bandwidth.estimate_bps > 1.1 * links_bps[i] && down_s < 10) {
			run(simulation, 0.05, 1.6e6, 1.7e6);
			down_s += 0.05;
		}
		print_message("%.0f kbit/s is found in %.2f s\n", links_bps[i] / 1000, down_s);
		assert_true(down_s < 2.5);
	}
}

/* Its 24 bits are over after 12.4 days, in the middle of a call. */
static void the_receivers_clock_may_begin_anew(void **state)
{
	struct simulation *simulation = *state;
	double before_bps;

	start(simulation, 2e6);
	simulation->receiver_ahead_us =
		RECEIVER_PERIOD_US - (int64_t)simulation->now_us - 20 * SECOND_US;
	run(simulation, 19.5, 3e6, 3e6);
	before_bps = simulation->bandwidth.estimate_bps;
	for (int i = 0; i < 50; i++) {
		run(simulation, 0.1, 3e6, 3e6);
		assert_true(simulation->bandwidth.estimate_bps > 0.7 * before_bps);
		assert_true(simulation->bandwidth.estimate_bps < 1.5 * before_bps);
	}
}

/* What is sent proves little; a burst now and then shows the rest, and costs little. */
static void probes_find_what_is_not_used(void **state)
{
	struct simulation *simulation = *state;

	start(simulation, 5e6);
	simulation->bandwidth.estimate_bps = 300e3;
	run(simulation, 4, 150e3, 150e3);
	assert_true(simulation->bandwidth.estimate_bps < 400e3); /* nobody wants more */
	run(simulation, 4, 150e3, 2e6);
	print_message("after 4 s of probing: %.0f\n", estimate_kbps(simulation));
	assert_true(simulation->bandwidth.estimate_bps > 2e6);
	/* And where there is no more, they find none, and do not fill the queue. */
	start(simulation, 400e3);
	simulation->bandwidth.estimate_bps = 300e3;
	run(simulation, 20, 250e3, 2e6);
	print_message("400 kbit/s probed: %.0f, queue %.0f ms\n", estimate_kbps(simulation),
		      average_queue_ms(simulation));
	assert_true(simulation->bandwidth.estimate_bps < 500e3);
}

/* How long until the estimate has come to `bps`, of which that much is wanted; at most 10 s. */
static double seconds_until(struct simulation *simulation, double bps)
{
	uint64_t began_us = simulation->now_us;

	while (simulation->bandwidth.estimate_bps < bps &&
	       simulation->now_us - began_us < 10 * (uint64_t)SECOND_US)
		run(simulation, 0.05, bps, bps);
	return (double)(simulation->now_us - began_us) / SECOND_US;
}

/* Others fill the way for a moment while we send next to nothing on it: the estimate falls to what
 * we send, which says nothing of the way. What it was is tried at once when it is wanted. */
static void somebody_elses_queue_says_little_of_the_way(void **state)
{
	struct simulation *simulation = *state;
	double seconds, queue_ms;

	start(simulation, 6e6);
	simulation->bandwidth.estimate_bps = 5e6;
	run(simulation, 3, 200e3, 200e3);
	assert_true(simulation->bandwidth.application.is_limited);
	for (int i = 0; i < 40; i++) { /* 120 ms of it, packet by packet */
		simulation->free_at_us =
			fmax(simulation->free_at_us, (double)simulation->now_us) + 3000 + TICK_US;
		run(simulation, TICK_US / 1e6, 200e3, 200e3);
	}
	run(simulation, 1, 200e3, 200e3);
	print_message("after others' queue: %.0f\n", estimate_kbps(simulation));
	assert_true(simulation->bandwidth.estimate_bps < 1e6); /* it may be ours, for all we know */
	seconds = seconds_until(simulation, 2.5e6);
	print_message("2500 kbit/s after %.1f s\n", seconds);
	assert_true(seconds < 0.8);
	/* Where the way has become narrow meanwhile, the attempt shows that, and fills nothing. */
	start(simulation, 6e6);
	simulation->bandwidth.estimate_bps = 5e6;
	run(simulation, 3, 200e3, 200e3);
	simulation->link_bps = 150e3;
	run(simulation, 3, 200e3, 200e3);
	(void)average_queue_ms(simulation);
	run(simulation, 10, 2.5e6, 2.5e6);
	queue_ms = average_queue_ms(simulation);
	print_message("150 kbit/s now: %.0f, queue %.0f ms\n", estimate_kbps(simulation), queue_ms);
	assert_true(simulation->bandwidth.estimate_bps < 200e3);
	assert_true(queue_ms < 180);
}

/* ---- with pictures, that are chosen by the estimate ---- */

enum {
	SOUND_BPS = 40000,
	PADDING_PACKET_BYTES = 12 + 8 + 255 + 16 + 28 /* with SRTP's tag, IP and UDP */
};

static struct allocator_stream picture(void)
{
	static const struct allocator_layer layers[LAYERS_MAX] = {{true, 150000, {320, 180}},
								  {true, 500000, {640, 360}},
								  {true, 1700000, {1280, 720}}};
	struct allocator_stream stream;

	allocator_stream_init(&stream);
	memcpy(stream.layers, layers, sizeof(layers));
	stream.layer_count = LAYERS_MAX;
	return stream;
}

/* Sound, and of `stream` what fits, which begins with a keyframe `keyframe_us` after it was chosen.
 * What it would take to see the smallest layer is wanted meanwhile. Probes are repeats of pictures
 * that flow; of padding as well, if that `can_pad`. Returns whether the picture flows in the end.
 */
static bool run_call(struct simulation *simulation, double seconds, struct allocator_stream *stream,
		     uint64_t keyframe_us, bool can_pad)
{
	uint64_t until_us = simulation->now_us + (uint64_t)(seconds * SECOND_US);
	uint64_t chosen_us = simulation->now_us;
	bool flows = false;

	for (; simulation->now_us < until_us; simulation->now_us += TICK_US) {
		int64_t budget_bps = (int64_t)simulation->bandwidth.estimate_bps - SOUND_BPS;
		uint64_t missing_bps = allocator_run(&stream, 1, budget_bps > 0 ? budget_bps : 0,
						     simulation->now_us);
		double rate_bps = SOUND_BPS;
		size_t probe_bytes, packet_bytes;
		uint8_t probe;

		if (stream->target == LAYER_NONE) {
			chosen_us = simulation->now_us;
			missing_bps = stream->layers[0].bitrate_bps;
		}
		flows = stream->target != LAYER_NONE &&
			simulation->now_us - chosen_us >= keyframe_us;
		if (flows)
			rate_bps += (double)allocator_stream_bps(stream);
		simulation->owed_bytes += rate_bps / 8 * TICK_US / 1e6;
		for (size_t bytes = flows ? PACKET_BYTES : SOUND_BPS / 8 / 50;
		     simulation->owed_bytes >= (double)bytes;
		     simulation->owed_bytes -= (double)bytes)
			send_packet(simulation, bytes, 0);
		packet_bytes = flows ? PACKET_BYTES : PADDING_PACKET_BYTES;
		if (missing_bps && (flows || can_pad) &&
		    bandwidth_wants_probe(&simulation->bandwidth, simulation->now_us,
					  SOUND_BPS + allocator_stream_bps(stream) + missing_bps,
					  !flows, &probe, &probe_bytes))
			for (size_t sent = 0; sent < probe_bytes; sent += packet_bytes)
				send_packet(simulation, packet_bytes, probe);
		if (simulation->now_us - simulation->feedback_us >= FEEDBACK_US) {
			simulation->feedback_us = simulation->now_us;
			feed_back(simulation);
		}
	}
	return flows;
}

/* A way of 5 Mbit/s that was narrow for a time. */
static void narrow_for_a_time(struct simulation *simulation, struct allocator_stream *stream)
{
	start(simulation, 5e6);
	(void)run_call(simulation, 5, stream, 0, true);
	simulation->link_bps = 60e3;
	(void)run_call(simulation, 10, stream, 0, true);
	assert_true(simulation->bandwidth.estimate_bps < 120e3);
	simulation->link_bps = 5e6;
	simulation->free_at_us = 0;
	(void)run_call(simulation, 1, stream, 0, false);
}

/* Where only sound flows, which proves little more than itself, and nothing else can be sent, the
 * estimate stays low for good; packets that hold nothing show what there is. */
static void where_nothing_can_be_repeated_padding_finds_the_way_back(void **state)
{
	struct simulation *simulation = *state;
	struct allocator_stream stream = picture();

	for (int can_pad = 0; can_pad < 2; can_pad++) {
		stream = picture();
		narrow_for_a_time(simulation, &stream);
		stream.is_paused = true; /* by who watches */
		(void)run_call(simulation, 30, &stream, 0, can_pad);
		print_message("30 s of sound, %s padding: %.0f\n", can_pad ? "with" : "without",
			      estimate_kbps(simulation));
		if (can_pad)
			assert_true(simulation->bandwidth.estimate_bps > 190e3);
		else
			assert_true(simulation->bandwidth.estimate_bps < 120e3);
	}
	/* And the picture begins with what it stopped with: nothing has to be found out first. */
	stream.is_paused = false;
	assert_true(run_call(simulation, 0.1, &stream, 0, true));
	assert_true(allocator_stream_bps(&stream) <= simulation->bandwidth.estimate_bps);
}

/* A keyframe that takes its time (the publisher is away, or its way is bad): what it will need is
 * found out meanwhile. */
static void the_way_is_tried_out_while_a_picture_is_waited_for(void **state)
{
	struct simulation *simulation = *state;
	double estimates_bps[2];

	for (int can_pad = 0; can_pad < 2; can_pad++) {
		struct allocator_stream stream = picture();

		narrow_for_a_time(simulation, &stream);
		stream.target = LAYER_NONE;
		assert_false(run_call(simulation, 8, &stream, 10 * SECOND_US, can_pad));
		estimates_bps[can_pad] = simulation->bandwidth.estimate_bps;
	}
	print_message("8 s of waiting: %.0f without, %.0f with padding\n", estimates_bps[0] / 1000,
		      estimates_bps[1] / 1000);
	assert_true(estimates_bps[0] < 150e3);
	assert_true(estimates_bps[1] > 500e3);
}

/* A way that is narrow stays known to be: the bursts fill it for a moment, now and then. */
static void padding_does_not_fill_a_narrow_way(void **state)
{
	struct simulation *simulation = *state;
	struct allocator_stream stream = picture();

	start(simulation, 100e3);
	simulation->bandwidth.estimate_bps = 80e3;
	stream.is_paused = true;
	(void)run_call(simulation, 10, &stream, 0, true);
	simulation->lost_count = simulation->arrived_count = 0;
	(void)run_call(simulation, 60, &stream, 0, true);
	print_message("100 kbit/s: estimate %.0f, %zu lost of %zu\n", estimate_kbps(simulation),
		      simulation->lost_count, simulation->lost_count + simulation->arrived_count);
	assert_true(simulation->bandwidth.estimate_bps < 130e3);
	assert_true(simulation->lost_count * 20 < simulation->arrived_count);
}

/* Any feedback of any receiver: the estimate stays within its bounds. */
static void nonsense_does_no_harm(void **state)
{
	struct simulation *simulation = *state;
	uint64_t now_us = SECOND_US;

	start(simulation, 1e6);
	bandwidth_init(&simulation->bandwidth, now_us);
	for (unsigned i = 0; i < 300000; i++) {
		now_us += (uint64_t)(rand() % 20000);
		bandwidth_on_sent(&simulation->bandwidth, now_us, (size_t)(rand() % 1500));
		bandwidth_on_result(&simulation->bandwidth, now_us,
				    now_us - (uint64_t)(rand() % 900000), (size_t)(rand() % 1500),
				    (uint8_t)rand(), rand() % 2,
				    ((int64_t)rand() - RAND_MAX / 2) * (rand() % 3000));
		if (rand() % 10 == 0)
			bandwidth_on_feedback(&simulation->bandwidth, now_us,
					      (uint64_t)rand() % 3000000);
		assert_true(simulation->bandwidth.estimate_bps >= BANDWIDTH_MIN_BPS);
		assert_true(simulation->bandwidth.estimate_bps <= BANDWIDTH_MAX_BPS);
	}
}

static int make_simulation(void **state)
{
	*state = malloc(sizeof(struct simulation));
	return *state ? 0 : -1;
}

static int free_simulation(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_gives_no_feedback_is_sent_everything),
		cmocka_unit_test(it_settles_near_what_the_link_carries),
		cmocka_unit_test(it_follows_a_link_that_becomes_narrow_and_wide_again),
		cmocka_unit_test(loss_that_is_not_ours_is_borne),
		cmocka_unit_test(loss_in_bursts_is_borne_as_well),
		cmocka_unit_test(jitter_is_no_queue),
		cmocka_unit_test(a_longer_way_is_no_queue),
		cmocka_unit_test(a_way_that_becomes_very_narrow_is_found_out),
		cmocka_unit_test(the_receivers_clock_may_begin_anew),
		cmocka_unit_test(probes_find_what_is_not_used),
		cmocka_unit_test(somebody_elses_queue_says_little_of_the_way),
		cmocka_unit_test(where_nothing_can_be_repeated_padding_finds_the_way_back),
		cmocka_unit_test(the_way_is_tried_out_while_a_picture_is_waited_for),
		cmocka_unit_test(padding_does_not_fill_a_narrow_way),
		cmocka_unit_test(nonsense_does_no_harm),
	};
	return cmocka_run_group_tests(tests, make_simulation, free_simulation);
}
