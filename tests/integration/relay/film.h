/* film.h - a publisher whose packets say of themselves what a decoder would have to know: so that
 * whoever receives them can tell whether the picture could be shown.
 *
 * It has three layers: as many streams of VP8, or one of VP9 in which each picture has them all
 * (SVC), where the SFU chooses among these (pair.with_svc). Each layer has three temporal layers (0
 * 2 1 2, as browsers do it), each stream numbers, timestamps and picture ids of its own, and
 * reports that tell what its clock shows. There may be several, who speak as well. Keyframes are
 * sent when they are asked for; what is lost on the way, at random, is sent again when it is.
 * Thread: one.
 */
#ifndef TESTS_INTEGRATION_RELAY_FILM_H
#define TESTS_INTEGRATION_RELAY_FILM_H

#include "tests/integration/relay/pair.h"
#include "tests/unit/sfu/random.h"

enum {
	FILM_LAYERS = 3,
	FILM_NEEDS = 2,
	FILM_HISTORY = 1024, /* packets of a stream that can be sent again */
	FILM_PAYLOAD_MIN = 150,
	FILM_DESCRIPTOR_MAX = 24,
	FILM_NOTHING = -1
};

/* What the payload descriptor says, and its length. */
struct film_numbers {
	uint16_t picture_id;
	uint8_t temporal_layer, spatial_layer;
	uint8_t tl0_index, key_index; /* where it has one, else 0 */
	bool has_tl0_index;
	uint8_t descriptor_bytes;
};

/* Behind the descriptor, in each packet. A frame is what a picture has in one layer. */
struct film_mark {
	uint8_t header[10]; /* as a VP8 picture begins */
	uint8_t layer, temporal_layer, packet_index, packet_count;
	uint8_t is_keyframe : 1, needs_below : 1;
	uint8_t film;		   /* which; nothing is between these: they are compared as bytes */
	int32_t picture;	   /* of the stream, from 0 on */
	int32_t needs[FILM_NEEDS]; /* the frames of its layer that it refers to, or FILM_NOTHING */
	uint32_t rtp_timestamp;	   /* as it was published */
	uint64_t captured_us;
};

extern const struct film_size {
	uint16_t width_px, height_px;
	uint8_t packets; /* of a frame; of a keyframe twice as many */
	size_t payload_bytes;
} film_sizes[FILM_LAYERS];

/* As it was sent, but for the encryption. */
struct film_packet {
	bool is_there;
	uint16_t sequence_number;
	size_t payload_bytes;
	uint8_t header[RTP_HEADER_BYTES], payload[400];
};

struct film_stream {
	uint16_t sequence_number, picture_id;
	uint8_t tl0_index, key_index;
	uint32_t timestamp_offset;
	int32_t picture;
	unsigned phase; /* in the pattern of temporal layers */
	struct film_packet history[FILM_HISTORY];
};

struct film {
	struct load_peer publisher;
	struct random *random;
	char peer_id[16];
	uint8_t number;
	bool is_heard, speaks; /* its sound; and is it loud? */
	bool is_svc;
	/* SVC: layers need each other at keyframes alone, as in L3T3_KEY; references are in the
	 * descriptor, and no TL0PICIDX. */
	bool is_key_only, is_flexible;
	struct film_stream streams[FILM_LAYERS];
	uint8_t stream_count;
	int32_t last_of[FILM_LAYERS][2]; /* frames of the lower temporal layers */
	uint8_t active_layers;		 /* SVC: of the last picture */
	unsigned sent_layers;		 /* as bits; of SVC as many as there are */
	unsigned refused_layers;	 /* of these streams no keyframe is sent, whoever asks */
	unsigned wanted_keyframes;	 /* of these one will be */
	unsigned lost_percent;
	uint64_t next_picture_us, next_report_us;
};

/* Join the room "relay" as the peer "film0" or whatever its number is, `is_heard` with sound. The
 * film is the caller's, large, and ends with film_end(). */
void film_begin(struct film *film, struct pair *pair, struct random *random, uint8_t number,
		bool is_heard);
void film_end(struct film *film);
/* Hear what is asked for, and send what is due. */
void film_go_on(struct film *film);

/* The payload descriptor of a packet that is about to be sent (RFC 7741 or RFC 9628); its length.
 */
size_t film_descriptor_write(const struct film *film, const struct film_stream *stream,
			     const struct film_mark *mark, uint8_t out[FILM_DESCRIPTOR_MAX]);
/* Of one of its packets, wherever it came by. */
struct film_numbers film_numbers_read(const uint8_t *payload, bool is_svc);

#endif
