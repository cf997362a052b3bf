/* film.h - a publisher whose packets say of themselves what a decoder would have to know: so that
 * whoever receives them can tell whether the picture could be shown.
 *
 * It has three layers: as many streams of VP8, VP9 or AV1, or one in which each picture has them
 * all (SVC, of the latter two), where the SFU chooses among these (pair.with_svc). Each layer has
 * three temporal layers (0 2 1 2, as browsers do it), each stream numbers, timestamps and picture
 * ids of its own, and reports that tell what its clock shows. There may be several, who speak as
 * well. Keyframes are sent when they are asked for; what is lost on the way, at random, is sent
 * again when it is.
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
	FILM_DEPENDENCIES_MAX = 128, /* bytes */
	FILM_NOTHING = -1
};

/* What the payload descriptor says, and its length; of AV1 what the dependency descriptor does. */
struct film_numbers {
	uint16_t picture_id; /* of AV1 the frame number */
	uint8_t temporal_layer, spatial_layer, template_id;
	uint8_t tl0_index, key_index; /* where it has one, else 0 */
	bool has_tl0_index, is_frame_start, is_frame_end, is_extended;
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
	uint32_t rtp_timestamp;	   /* as it was published; so are these, of AV1: */
	uint16_t frame_number, needs_numbers[FILM_NEEDS];
	uint8_t template_id, template_index; /* the second without the structure's offset */
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
	size_t header_bytes, payload_bytes;
	uint8_t header[RTP_HEADER_BYTES + FILM_DEPENDENCIES_MAX], payload[400];
};

struct film_stream {
	uint16_t sequence_number, picture_id, frame_number;
	uint8_t tl0_index, key_index, template_offset;
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
	/* SVC: layers need each other at keyframes alone, as in L3T3_KEY. VP9 and AV1: each picture
	 * tells its references itself, and there is no TL0PICIDX. */
	bool is_key_only, is_flexible;
	struct film_stream streams[FILM_LAYERS];
	uint8_t stream_count;
	/* Of each layer, the last frames of the lower temporal layers. */
	struct film_frame {
		int32_t picture;
		uint16_t number;
	} last_of[FILM_LAYERS][2];
	uint8_t active_layers;	   /* SVC: of the last picture */
	unsigned sent_layers;	   /* as bits; of SVC as many as there are */
	unsigned refused_layers;   /* of these streams no keyframe is sent, whoever asks */
	unsigned wanted_keyframes; /* of these one will be */
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

/* The payload descriptor of a packet that is about to be sent (RFC 7741, RFC 9628 or AV1 RTP 1.0
 * section 4.4); its length. */
size_t film_descriptor_write(const struct film *film, const struct film_stream *stream,
			     const struct film_mark *mark, uint8_t out[FILM_DESCRIPTOR_MAX]);
/* AV1: and its dependency descriptor (appendix A). */
size_t film_dependencies_write(const struct film *film, const struct film_stream *stream,
			       const struct film_mark *mark, uint8_t out[FILM_DEPENDENCIES_MAX]);
/* What a frame is called in it: by what it refers to. */
uint8_t film_template_index(const struct film *film, const struct film_mark *mark);
/* A keyframe's structure has so many. */
uint8_t film_template_count(const struct film *film);
/* Of one of its packets, wherever it came by. */
struct film_numbers film_numbers_read(uint8_t video, struct slice dependencies,
				      const uint8_t *payload);

#endif
