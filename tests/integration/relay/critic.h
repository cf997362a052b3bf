/* critic.h - a viewer of a film (film.h) who looks at every packet in its order, as a decoder
 * would, and finds fault with whatever could not be shown:
 *
 * - one count of packets, in which each is the same however often it comes;
 * - pictures whole, in one piece, with the marker on the last packet and nowhere else; but for the
 *   last one before a keyframe, which may be broken off;
 * - picture ids, TL0PICIDX and KEYIDX that go on whichever layer flows;
 * - a layer that begins with its keyframe, or in a stream of layers from the one below; and no
 *   frame without those that it refers to;
 * - timestamps that increase and keep the time in which the pictures were captured.
 *
 * It loses packets at random and asks for them again. What never comes is counted, and until the
 * next keyframe, which it then asks for, nothing is asked of references and counts. Thread: one.
 */
#ifndef TESTS_INTEGRATION_RELAY_CRITIC_H
#define TESTS_INTEGRATION_RELAY_CRITIC_H

#include "tests/integration/relay/film.h"

enum { CRITIC_WINDOW = 2048, CRITIC_FRAMES = 64 };

/* One packet, as it came first. */
struct critic_packet {
	bool is_there, has_marker, is_empty; /* empty: no payload, which belongs to no picture */
	uint16_t sequence_number;
	uint32_t rtp_timestamp;
	struct film_numbers numbers;
	struct film_mark mark;
	uint64_t missing_since_us; /* if it is not there */
};

struct critic {
	struct load_peer peer;
	const char *peer_id;
	struct random *random;
	unsigned lost_percent;
	bool is_svc;
	struct critic_packet window[CRITIC_WINDOW];
	bool has_begun;
	uint16_t next, newest;		/* to be judged; that came */
	uint64_t asked_us, fed_back_us; /* last */
	struct critic_packet last;	/* of a picture */
	bool has_picture;		/* `last` is one */
	bool is_broken;			/* until the next keyframe */
	uint64_t complained_us;		/* last, of that */
	/* Empty packets since: a picture may have been left out after its id was left free. */
	unsigned left_open;
	/* Since the keyframe. */
	struct critic_frame {
		int32_t picture;
		uint8_t layer;
	} frames[CRITIC_FRAMES];
	unsigned frame_count;
	uint8_t top_layer; /* of the last whole picture */
	bool has_origin;
	uint32_t origin_timestamp; /* of the first picture, and when that was captured */
	uint64_t origin_us;
	int64_t drift_ticks; /* the most that the timestamps were away from that */
	unsigned long shown[FILM_LAYERS], shown_temporal[3];
	unsigned long empty, repeats, holes, switches;
};

/* Join the room "relay" to see the film: with RTX, or what is missed comes again as it was; with
 * transport-wide feedback, or by what critic_tell_estimate() says. */
void critic_begin(struct critic *critic, struct pair *pair, struct random *random,
		  const char *peer_id, bool without_rtx, bool with_transport_cc);
void critic_end(struct critic *critic);
/* Take and judge what has come, ask for what has not. */
void critic_go_on(struct critic *critic);
/* REMB: so much its way carries. */
void critic_tell_estimate(struct critic *critic, uint64_t bitrate_bps);

#endif
