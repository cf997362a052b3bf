/* test_slots.c - a room of two hundred, of whom each viewer has a few m-lines: those go on with
 * whoever speaks, and nothing is negotiated any more. */
#include "tests/integration/relay/pair.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "sfu/wire/rtcp.h"

enum {
	PUBLISHERS = 200,
	SPEAKERS = 7, /* of them, more than there are slots */
	VIEWERS = 3,
	AUDIO_SLOTS = 3,
	VIDEO_SLOTS = 4,
	OWN_LINES = 2, /* of a viewer's first offer */
	TURN_MS = 20,
	/* Less than the 15 s after which those who say nothing are let go: nobody shall wait for a
	 * slot until then. */
	WAIT_US = 8000000
};

struct viewer {
	struct load_peer peer;
	char peer_id[16];
	char *answer; /* to its offer; owned */
	unsigned offers, slot_count;
	size_t line_count; /* of the last offer */
	size_t sent_count; /* so many of them are for the tracks of others */
	struct {
		bool audio, video;
	} shows[SPEAKERS]; /* has it been told so since it was cleared? */
};

struct hall {
	struct pair *pair;
	struct viewer viewers[VIEWERS];
	struct load_peer speakers[SPEAKERS], silent;
};

/* ---- what the viewers are told ---- */

static size_t count_of(const char *text, const char *what)
{
	size_t count = 0;

	for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
		count++;
	return count;
}

static void take_signal(struct hall *hall, struct viewer *viewer, const json_t *body)
{
	const char *sdp = json_text_of(body, "sdp");
	AUTO_FREE char *answer = NULL;

	if (strcmp(json_text_of(body, "signal_type"), "answer") == 0) {
		free(viewer->answer);
		viewer->answer = strdup(sdp);
		return;
	}
	assert_string_equal(json_text_of(body, "signal_type"), "offer");
	viewer->offers++;
	viewer->line_count = count_of(sdp, "\r\nm=");
	viewer->sent_count = count_of(sdp, "\r\na=sendonly") + count_of(sdp, "\r\na=sendrecv");
	answer = load_peer_answer(&viewer->peer, sdp);
	fake_hub_signal(&hall->pair->hub, "hall", viewer->peer_id, "answer", answer);
}

/* Its first m-line is sound, its second the picture. */
static void take_slot(struct viewer *viewer, const json_t *body)
{
	const char *track_id = json_text_of(body, "track_id");
	unsigned speaker;
	char mid;

	viewer->slot_count++;
	if (sscanf(track_id, "speaker%u-%c", &speaker, &mid) != 2)
		return;
	assert_in_range(speaker, 0, SPEAKERS - 1);
	if (mid == '0')
		viewer->shows[speaker].audio = true;
	else
		viewer->shows[speaker].video = true;
}

static void on_event(void *data, const struct bus_frame *frame)
{
	struct hall *hall = data;
	const char *peer_id = json_text_of(frame->body, "peer_id");

	for (size_t i = 0; i < VIEWERS; i++) {
		if (strcmp(hall->viewers[i].peer_id, peer_id) != 0)
			continue;
		if (frame->message == BUS_PEER_SIGNAL)
			take_signal(hall, &hall->viewers[i], frame->body);
		else if (frame->message == BUS_PEER_SLOT)
			take_slot(&hall->viewers[i], frame->body);
		assert_int_not_equal(frame->message, BUS_PEER_ERROR);
		assert_int_not_equal(frame->message, BUS_PEER_GONE);
	}
}

/* ---- coming ---- */

static void join_viewer(struct hall *hall, size_t i)
{
	struct viewer *viewer = &hall->viewers[i];
	AUTO_FREE char *offer = NULL;

	(void)snprintf(viewer->peer_id, sizeof(viewer->peer_id), "viewer%zu", i);
	assert_int_equal(load_peer_init(&viewer->peer, hall->pair->identity), 0);
	viewer->peer.with_audio = true;
	offer = load_peer_offer(&viewer->peer, 1);
	assert_int_equal(fake_hub_join_call(&hall->pair->hub, "hall", viewer->peer_id), 0);
	fake_hub_signal(&hall->pair->hub, "hall", viewer->peer_id, "offer", offer);
	for (int j = 0; j < 1000 && !viewer->answer; j++)
		assert_int_equal(fake_hub_listen(&hall->pair->hub, TURN_MS), 0);
	assert_non_null(viewer->answer);
	assert_int_equal(load_peer_connect(&viewer->peer, viewer->answer), 0);
}

static void join_speaker(struct hall *hall, size_t i)
{
	struct load_peer *speaker = &hall->speakers[i];
	AUTO_FREE char *offer = NULL;
	AUTO_FREE char *answer = NULL;
	char peer_id[16];

	(void)snprintf(peer_id, sizeof(peer_id), "speaker%zu", i);
	assert_int_equal(load_peer_init(speaker, hall->pair->identity), 0);
	speaker->with_audio = speaker->with_levels = true;
	offer = load_peer_offer(speaker, 0);
	assert_int_equal(fake_hub_join(&hall->pair->hub, "hall", peer_id, "whip", offer, &answer),
			 0);
	assert_int_equal(load_peer_connect(speaker, answer), 0);
}

/* They publish, and say nothing: one socket does for all. */
static void join_silent(struct hall *hall, unsigned count)
{
	AUTO_FREE char *offer = NULL;

	assert_int_equal(load_peer_init(&hall->silent, hall->pair->identity), 0);
	hall->silent.with_audio = hall->silent.with_levels = true;
	offer = load_peer_offer(&hall->silent, 0);
	for (unsigned i = 0; i < count; i++) {
		AUTO_FREE char *answer = NULL;
		char peer_id[16];

		(void)snprintf(peer_id, sizeof(peer_id), "silent%u", i);
		assert_int_equal(
			fake_hub_join(&hall->pair->hub, "hall", peer_id, "whip", offer, &answer),
			0);
	}
}

/* ---- a call ---- */

static void say(struct hall *hall, size_t i, uint8_t level)
{
	struct load_peer *speaker = &hall->speakers[i];

	pair_speak(speaker, &(struct spoken){.payload_type = LOAD_OPUS,
					     .sequence_number = speaker->audio_sequence_number++,
					     .ssrc = speaker->audio_ssrc,
					     .level_id = LOAD_LEVEL_ID,
					     .level = level,
					     .first_byte = (uint8_t)i}); /* tells whose it is */
}

static void report(struct load_peer *peer)
{
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_receiver_report(&writer, 1, NULL, 0);
	load_peer_send_rtcp(peer, packet, writer.offset, sizeof(packet));
}

/* A moment in which `speaker` speaks, and the other ones are there. */
static void go_on(struct hall *hall, size_t speaker)
{
	for (size_t i = 0; i < SPEAKERS; i++)
		say(hall, i, i == speaker ? 10 : 127);
	for (size_t i = 0; i < VIEWERS; i++)
		report(&hall->viewers[i].peer);
	assert_int_equal(fake_hub_listen(&hall->pair->hub, TURN_MS), 0);
}

static bool hears(struct viewer *viewer, size_t speaker)
{
	struct rtp_header header;
	uint8_t packet[2048];
	size_t length;

	while ((length = load_peer_receive(&viewer->peer, 1, packet)) > 0)
		if (packet_kind_of(packet, length) == PACKET_RTP &&
		    rtp_header_decode(packet, length, false, &header) == 0 &&
		    header.payload_type == LOAD_OPUS && packet[header.header_bytes] == speaker)
			return true;
	return false;
}

static bool all_show(const struct hall *hall, size_t speaker)
{
	for (size_t i = 0; i < VIEWERS; i++)
		if (!hall->viewers[i].shows[speaker].audio ||
		    !hall->viewers[i].shows[speaker].video)
			return false;
	return true;
}

static void let_speak(struct hall *hall, size_t speaker)
{
	uint64_t until_us = clock_now_us() + WAIT_US;

	while (!all_show(hall, speaker) && clock_now_us() < until_us)
		go_on(hall, speaker);
	assert_true(all_show(hall, speaker));
	for (size_t i = 0; i < VIEWERS; i++) {
		while (!hears(&hall->viewers[i], speaker) && clock_now_us() < until_us)
			go_on(hall, speaker);
		assert_true(clock_now_us() < until_us);
	}
}

static bool has_all_lines(const struct hall *hall)
{
	for (size_t i = 0; i < VIEWERS; i++)
		if (hall->viewers[i].sent_count < AUDIO_SLOTS + VIDEO_SLOTS)
			return false;
	return true;
}

static void settle(struct hall *hall)
{
	uint64_t until_us = clock_now_us() + WAIT_US;

	while (!has_all_lines(hall) && clock_now_us() < until_us)
		go_on(hall, SPEAKERS); /* nobody */
	for (size_t i = 0; i < VIEWERS; i++) {
		assert_int_equal(hall->viewers[i].sent_count, AUDIO_SLOTS + VIDEO_SLOTS);
		assert_int_equal(hall->viewers[i].line_count,
				 OWN_LINES + AUDIO_SLOTS + VIDEO_SLOTS);
		hall->viewers[i].offers = 0;
	}
}

static void assert_nothing_was_negotiated(const struct hall *hall)
{
	for (size_t i = 0; i < VIEWERS; i++)
		assert_int_equal(hall->viewers[i].offers, 0);
}

/* Whose places are taken by others at once. */
static void let_some_go(struct hall *hall)
{
	uint64_t until_us = clock_now_us() + WAIT_US;
	unsigned before = hall->viewers[0].slot_count;
	char peer_id[16];

	for (size_t i = SPEAKERS - 2; i < SPEAKERS; i++) {
		(void)snprintf(peer_id, sizeof(peer_id), "speaker%zu", i);
		fake_hub_leave(&hall->pair->hub, "hall", peer_id);
	}
	while (hall->viewers[0].slot_count < before + 4 && clock_now_us() < until_us)
		go_on(hall, 0);
	assert_true(hall->viewers[0].slot_count >= before + 4); /* sound and picture of two */
}

static void who_speaks_is_seen_and_heard_over_the_lines_that_there_are(void **state)
{
	struct hall *hall = calloc(1, sizeof(*hall));

	assert_non_null(hall);
	hall->pair = *state;
	hall->pair->hub.on_event = on_event;
	hall->pair->hub.events_data = hall;
	for (size_t i = 0; i < VIEWERS; i++)
		join_viewer(hall, i);
	join_silent(hall, PUBLISHERS - SPEAKERS);
	for (size_t i = 0; i < SPEAKERS; i++)
		join_speaker(hall, i);
	settle(hall);
	for (size_t i = 0; i < SPEAKERS; i++)
		let_speak(hall, i);
	assert_nothing_was_negotiated(hall);
	let_some_go(hall);
	assert_nothing_was_negotiated(hall);

	hall->pair->hub.on_event = NULL;
	fake_hub_close_room(&hall->pair->hub, "hall");
	for (size_t i = 0; i < VIEWERS; i++) {
		load_peer_fini(&hall->viewers[i].peer);
		free(hall->viewers[i].answer);
	}
	for (size_t i = 0; i < SPEAKERS; i++)
		load_peer_fini(&hall->speakers[i]);
	load_peer_fini(&hall->silent);
	free(hall);
}

static int start_with_slots(void **state)
{
	char text[8];

	(void)snprintf(text, sizeof(text), "%d", AUDIO_SLOTS);
	(void)setenv("WEBRTC_AUDIO_STREAMS", text, 1);
	(void)snprintf(text, sizeof(text), "%d", VIDEO_SLOTS);
	(void)setenv("WEBRTC_VIDEO_STREAMS", text, 1);
	return pair_start_sfu(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_speaks_is_seen_and_heard_over_the_lines_that_there_are),
	};

	return cmocka_run_group_tests(tests, start_with_slots, pair_stop_sfu);
}
