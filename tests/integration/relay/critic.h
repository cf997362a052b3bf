/* critic.h - looks at every packet of what a viewer is sent of a film (film.h), in its order, as a
 * decoder would, and finds fault with whatever could not be shown:
 *
 * - one count of packets, in which each is the same however often it comes;
 * - pictures whole, in one piece, with the marker on the last packet and nowhere else; but for the
 *   last one before a keyframe, which may be broken off;
 * - picture ids, TL0PICIDX and KEYIDX that go on whichever layer flows; and so do the frame numbers
 *   of dependency descriptors, which are on each packet and lead to the frames that it refers to;
 * - a layer that begins with its keyframe, or in a stream of layers from the one below; and no
 *   frame without those that it refers to; another film as another layer;
 * - timestamps that increase and keep the time in which the pictures were captured.
 *
 * It asks for what is missing. What never comes is counted, and until the next keyframe, which it
 * then asks for, nothing is asked of references and counts. Thread: one.
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
	struct load_peer *peer; /* the viewer, borrowed; so is its name */
	const char *name;
	uint32_t ssrc, rtx_ssrc;
	bool is_svc; /* the stream has layers of its own; set it at once */
	struct critic_packet window[CRITIC_WINDOW];
	bool has_begun;
	uint16_t next, newest;	   /* to be judged; that came */
	uint64_t asked_us;	   /* last */
	struct critic_packet last; /* of a picture */
	bool has_picture;	   /* `last` is one */
	bool is_broken;		   /* until the next keyframe */
	uint64_t complained_us;	   /* last, of that */
	/* Empty packets since: a picture may have been left out after its id was left free. */
	unsigned left_open;
	/* Since the keyframe. */
	struct critic_frame {
		int32_t picture;
		uint16_t number; /* as it was sent, of AV1 */
		uint8_t layer;
	} frames[CRITIC_FRAMES];
	unsigned frame_count;
	uint8_t top_layer;	   /* of the last whole picture */
	uint32_t origin_timestamp; /* of the first picture, and when that was captured */
	uint64_t origin_us;
	/* A layer began with a picture that was captured so long before what had been shown: it was
	 * repeated, and time does not go back. */
	int64_t behind_us;
	int64_t drift_ticks; /* the most that the timestamps were away from that */
	unsigned long shown[FILM_LAYERS], shown_temporal[3];
	unsigned long empty, repeats, holes, switches, other_films;
};

void critic_begin(struct critic *critic, struct load_peer *peer, const char *name, uint32_t ssrc,
		  uint32_t rtx_ssrc);
/* Take a packet, decrypted; false: it is of another stream. */
bool critic_take(struct critic *critic, const uint8_t *packet, size_t length);
/* Judge what has come, ask for what has not. */
void critic_go_on(struct critic *critic);
/* Print how much of it happened. */
void critic_account(const struct critic *critic);

#endif
