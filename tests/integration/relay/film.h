/* film.h - a publisher of three layers of VP8 whose packets say of themselves what a decoder would
 * have to know: so that whoever receives them can tell whether the picture could be shown.
 *
 * Each layer has three temporal layers (0 2 1 2, as browsers do it), numbers, timestamps and
 * picture ids of its own, and reports that tell what its clock shows. Keyframes are sent when they
 * are asked for; what is lost on the way, at random, is sent again when it is. Thread: one.
 */
#ifndef TESTS_INTEGRATION_RELAY_FILM_H
#define TESTS_INTEGRATION_RELAY_FILM_H

#include "tests/integration/relay/pair.h"
#include "tests/unit/sfu/random.h"

enum {
	FILM_LAYERS = 3,
	FILM_NEEDS = 2,
	FILM_DESCRIPTOR_BYTES = 6, /* X, I with 15 bits, L, T and K */
	FILM_HISTORY = 1024,	   /* packets of a layer that can be sent again */
	FILM_NOTHING = -1
};

/* Behind the descriptor, in each packet. */
struct film_mark {
	uint8_t header[10]; /* as a VP8 picture begins */
	uint8_t layer, temporal_layer, packet_index, packet_count;
	uint8_t is_keyframe, spare; /* nothing is between them: they are compared as bytes */
	int32_t picture;	    /* of the layer, from 0 on */
	int32_t needs[FILM_NEEDS];  /* the pictures of it that it refers to, or FILM_NOTHING */
	uint32_t rtp_timestamp;	    /* as it was published */
	uint64_t captured_us;
};

/* As it was sent, but for the encryption. */
struct film_packet {
	bool is_there;
	uint16_t sequence_number;
	size_t payload_bytes;
	uint8_t header[RTP_HEADER_BYTES], payload[400];
};

struct film_layer {
	uint16_t sequence_number, picture_id;
	uint8_t tl0_index, key_index;
	uint32_t timestamp_offset;
	int32_t picture, last_of[2]; /* of the lower temporal layers */
	unsigned phase;		     /* in the pattern of temporal layers */
	struct film_packet history[FILM_HISTORY];
};

struct film {
	struct load_peer publisher;
	struct random *random;
	struct film_layer layers[FILM_LAYERS];
	unsigned sent_layers;	   /* as bits */
	unsigned refused_layers;   /* of these no keyframe is sent, whoever asks */
	unsigned wanted_keyframes; /* of these one will be */
	unsigned lost_percent;
	uint64_t next_picture_us, next_report_us;
};

/* Join the room "relay" as the peer "film". The film is the caller's, large, and ends with
 * film_end(). */
void film_begin(struct film *film, struct pair *pair, struct random *random);
void film_end(struct film *film);
/* Hear what is asked for, and send what is due. */
void film_go_on(struct film *film);

#endif
