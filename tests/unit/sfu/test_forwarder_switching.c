/* test_forwarder_switching.c - whatever arrives, in whatever order, of whichever layer that is
 * asked for: what leaves is one stream that a decoder can follow.
 *
 * Three layers on a way that loses, delays, doubles and repeats packets, several of them in a
 * picture; targets, stopgaps, pauses, cuts, silences and restarts at random. */
#include <string.h>

#include "sfu/model/forwarder.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/random.h"

enum {
	PICTURES = 40000,
	PICTURE_TICKS = 3000,
	PICTURE_US = 33333,
	PACKETS_MAX = 4,    /* of a picture */
	IN_FLIGHT_MAX = 64, /* packets that are delayed */
	LATE_MAX = 60,	    /* by so many packets that are sent meanwhile */
	NEAR = 400,	    /* the next one that arrived is not further, in numbers */
	RECENT = 20000	    /* arrivals; after that a number may be used again */
};

/* A packet of a layer. `input` goes on where the sequence number wraps and where it begins anew. */
struct source_packet {
	struct forwarder_input input;
	struct picture_numbers picture;
	uint64_t number;
	unsigned picture_number;
};

struct layer {
	uint16_t sequence_number;
	uint32_t timestamp_base;
	uint64_t number;
	struct picture_numbers picture;
};

/* What left under an output number. */
struct sent {
	uint32_t at; /* which arrival; 0: none yet */
	uint32_t run;
	bool is_start;
	uint8_t layer;
	uint64_t number;
	unsigned picture_number;
	uint32_t timestamp;
	uint16_t picture_id, frame_number;
	uint8_t tl0_index;
};

struct way {
	struct random random;
	struct forwarder forwarder;
	struct layer layers[LAYERS_MAX];
	struct {
		struct source_packet packet;
		unsigned due; /* 0: nothing */
	} in_flight[IN_FLIGHT_MAX];
	unsigned sent_count;
	uint32_t arrivals;
	/* What flows, from one start to the next. */
	bool is_flowing;
	uint32_t run;
	uint8_t run_layer;
	uint64_t run_number; /* of its first packet */
	uint64_t silent_us;  /* in all */
	unsigned late, doubled, switched, stopped_gaps;
	struct sent sent[65536];
};

static bool chance(struct way *way, uint32_t in)
{
	return random_below(&way->random, in) == 0;
}

/* ---- what left ---- */

static void assert_follows(const struct sent *before, const struct sent *after, uint16_t distance)
{
	uint16_t pictures = (uint16_t)(after->picture_id - before->picture_id) & 0x7fff;
	uint32_t ticks = after->timestamp - before->timestamp;
	bool is_same = before->run == after->run && before->picture_number == after->picture_number;

	assert_true(after->run >= before->run);
	if (after->run != before->run) /* a decoder has nothing else to begin with */
		assert_true(after->is_start);
	assert_int_equal((uint16_t)(after->frame_number - before->frame_number), pictures);
	assert_int_equal((uint8_t)(after->tl0_index - before->tl0_index), (uint8_t)pictures);
	if (is_same) {
		assert_int_equal(pictures, 0);
		assert_int_equal(ticks, 0);
	} else {
		assert_in_range(pictures, 1, distance);
		assert_in_range(ticks, 1, 90000u * 60);
	}
}

static const struct sent *neighbour(const struct way *way, uint16_t output, int step,
				    uint16_t *ret_distance)
{
	for (uint16_t i = 1; i < NEAR; i++) {
		const struct sent *sent = &way->sent[(uint16_t)(output + step * i)];

		if (sent->at && way->arrivals - sent->at < RECENT) {
			*ret_distance = i;
			return sent;
		}
	}
	return NULL;
}

static void take(struct way *way, uint16_t output, const struct sent *sent)
{
	struct sent *former = &way->sent[output];
	const struct sent *other;
	uint16_t distance;

	if (former->at && way->arrivals - former->at < RECENT) {
		/* Under one number, one packet alone. */
		assert_int_equal(former->layer, sent->layer);
		assert_int_equal(former->number, sent->number);
		assert_int_equal(former->timestamp, sent->timestamp);
		assert_int_equal(former->picture_id, sent->picture_id);
		way->doubled++;
		return;
	}
	other = neighbour(way, output, -1, &distance);
	if (other)
		assert_follows(other, sent, distance);
	else
		assert_int_equal(sent->run, 1);
	other = neighbour(way, output, 1, &distance);
	if (other) {
		assert_follows(sent, other, distance);
		way->late++;
	}
	*former = *sent;
}

/* A NACK for what was just sent, or a moment ago, leads back to it. */
static void assert_leads_back(const struct way *way, uint16_t output)
{
	const struct sent *sent = &way->sent[output];
	const struct forwarder_span *span = forwarder_unmap(&way->forwarder, output);

	if (!sent->at || way->arrivals - sent->at > LATE_MAX || sent->run != way->run)
		return;
	assert_non_null(span);
	assert_int_equal(span->layer, sent->layer);
	assert_int_equal(span->timestamp_offset,
			 way->sent[output].timestamp - (way->layers[sent->layer].timestamp_base +
							sent->picture_number * PICTURE_TICKS));
}

/* ---- what arrives ---- */

static void note_start(struct way *way, const struct source_packet *packet)
{
	assert_true(packet->input.is_keyframe_start);
	way->switched += way->is_flowing;
	way->stopped_gaps += packet->input.layer != way->forwarder.target_layer;
	way->is_flowing = true;
	way->run++;
	way->run_layer = packet->input.layer;
	way->run_number = packet->number;
}

static void arrive(struct way *way, const struct source_packet *packet)
{
	const struct picture_numbers *picture = &packet->picture;
	struct forwarder_input input = packet->input;
	bool is_of_run = way->is_flowing && input.layer == way->run_layer &&
			 packet->number >= way->run_number;
	const struct forwarder_span *span;
	uint16_t output;

	way->arrivals++;
	input.picture = picture;
	input.arrival_us = 1000000 + way->silent_us + (uint64_t)way->sent_count * (PICTURE_US / 6);
	span = forwarder_map(&way->forwarder, &input);
	if (!span) {
		assert_false(is_of_run); /* a decoder would wait for it */
		return;
	}
	output = (uint16_t)(input.sequence_number + span->sequence_offset);
	assert_int_equal(span->layer, input.layer);
	if (!way->is_flowing || input.layer != way->run_layer)
		note_start(way, packet);
	else
		assert_true(is_of_run); /* what came before its start is nothing to it */
	take(way, output,
	     &(struct sent){.at = way->arrivals,
			    .run = way->run,
			    .is_start = packet->number == way->run_number,
			    .layer = input.layer,
			    .number = packet->number,
			    .picture_number = packet->picture_number,
			    .timestamp = input.rtp_timestamp + span->timestamp_offset,
			    .picture_id = (picture->picture_id + span->picture.picture_id) & 0x7fff,
			    .frame_number =
				    (uint16_t)(picture->frame_number + span->picture.frame_number),
			    .tl0_index = (uint8_t)(picture->tl0_index + span->picture.tl0_index)});
	assert_leads_back(way, output);
	assert_leads_back(way, (uint16_t)(output - random_below(&way->random, LATE_MAX)));
}

static void arrive_later(struct way *way, const struct source_packet *packet)
{
	size_t place = random_below(&way->random, IN_FLIGHT_MAX);

	if (way->in_flight[place].due) /* it was lost then, and this takes its place */
		way->in_flight[place].due = 0;
	way->in_flight[place].packet = *packet;
	way->in_flight[place].due = way->sent_count + 1 + random_below(&way->random, LATE_MAX);
}

static void go_on(struct way *way)
{
	for (size_t i = 0; i < IN_FLIGHT_MAX; i++) {
		if (!way->in_flight[i].due || way->in_flight[i].due > way->sent_count)
			continue;
		way->in_flight[i].due = 0;
		arrive(way, &way->in_flight[i].packet);
	}
}

static void send_packet(struct way *way, const struct source_packet *packet)
{
	uint32_t fate = random_below(&way->random, 100);

	way->sent_count++;
	if (fate < 3)
		return; /* lost */
	if (fate < 12)
		arrive_later(way, packet); /* out of order, or by a repeat */
	else
		arrive(way, packet);
	if (fate >= 97)
		arrive_later(way, packet); /* once more */
	go_on(way);
}

/* Each in packets of its own, all layers' between each other. */
static void send_picture(struct way *way, unsigned picture_number)
{
	unsigned counts[LAYERS_MAX], left = 0, sent[LAYERS_MAX] = {0};
	bool is_keyframe[LAYERS_MAX];

	for (uint8_t i = 0; i < LAYERS_MAX; i++) {
		left += counts[i] = 1 + random_below(&way->random, PACKETS_MAX);
		is_keyframe[i] = chance(way, 12);
		way->layers[i].picture.picture_id++;
		way->layers[i].picture.frame_number++;
		way->layers[i].picture.tl0_index++;
	}
	while (left > 0) {
		uint8_t i = (uint8_t)random_below(&way->random, LAYERS_MAX);
		struct layer *layer = &way->layers[i];
		struct source_packet packet = {
			.input = {.layer = i,
				  .is_keyframe_start = is_keyframe[i] && sent[i] == 0,
				  .is_picture_end = sent[i] + 1 == counts[i],
				  .rtp_timestamp =
					  layer->timestamp_base + picture_number * PICTURE_TICKS},
			.picture_number = picture_number,
			.picture = layer->picture};

		if (sent[i] == counts[i])
			continue;
		packet.input.sequence_number = layer->sequence_number++;
		packet.number = layer->number++;
		sent[i]++;
		left--;
		send_packet(way, &packet);
	}
}

/* ---- what is asked for ---- */

static void begin_layer(struct way *way, uint8_t i, bool has_report)
{
	struct random *random = &way->random;
	struct layer *layer = &way->layers[i];
	struct rtcp_sender_info report = {.ntp = (ntp_time)1000 << 32};

	layer->sequence_number = (uint16_t)random_u64(random);
	layer->timestamp_base = (uint32_t)random_u64(random);
	layer->picture = (struct picture_numbers){.picture_id = (uint16_t)random_u64(random),
						  .tl0_index = (uint8_t)random_u64(random),
						  .frame_number = (uint16_t)random_u64(random),
						  .picture_id_at = 2,
						  .picture_id_is_long = true,
						  .tl0_index_at = 4,
						  .descriptor_bytes = 5};
	report.rtp_timestamp = layer->timestamp_base;
	forwarder_on_report(&way->forwarder, i, has_report ? &report : NULL);
}

/* The publisher goes on with other numbers; who hands packets over drops what still comes of the
 * former ones. */
static void restart_layer(struct way *way, uint8_t i)
{
	for (size_t j = 0; j < IN_FLIGHT_MAX; j++)
		if (way->in_flight[j].packet.input.layer == i)
			way->in_flight[j].due = 0;
	forwarder_restart(&way->forwarder, i);
	forwarder_on_report(&way->forwarder, i, NULL);
	if (way->run_layer == i)
		way->is_flowing = false;
	begin_layer(way, i, chance(way, 2));
}

static void ask(struct way *way)
{
	uint8_t layer = (uint8_t)random_below(&way->random, LAYERS_MAX);

	if (chance(way, 15))
		forwarder_set_target(&way->forwarder, layer);
	if (chance(way, 200)) {
		forwarder_set_target(&way->forwarder, LAYER_NONE);
		way->is_flowing = false;
	}
	if (chance(way, 200)) {
		forwarder_cut(&way->forwarder);
		way->is_flowing = false;
	}
	if (chance(way, 20))
		forwarder_set_stopgaps(&way->forwarder,
				       random_below(&way->random, 1u << LAYERS_MAX));
	if (chance(way, 100))
		way->silent_us += 2 * FORWARDER_DARK_US;
	if (chance(way, 500))
		restart_layer(way, layer);
}

static void whatever_comes_one_stream_leaves(void **state)
{
	static struct way way;

	(void)state;
	memset(&way, 0, sizeof(way));
	way.random = random_from_environment();
	forwarder_init(&way.forwarder, true, (uint16_t)random_u64(&way.random),
		       (uint32_t)random_u64(&way.random));
	forwarder_set_target(&way.forwarder, 0);
	for (uint8_t i = 0; i < LAYERS_MAX; i++)
		begin_layer(&way, i, true);
	for (unsigned number = 0; number < PICTURES; number++) {
		ask(&way);
		send_picture(&way, number);
	}
	/* All of it happened. */
	assert_true(way.switched > 500);
	assert_true(way.stopped_gaps > 20);
	assert_true(way.late > 2000);
	assert_true(way.doubled > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_comes_one_stream_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
