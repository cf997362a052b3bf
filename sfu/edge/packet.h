/* packet.h - RTP packets as GstBuffers that are made once and go round.
 *
 * A packet is a GstBuffer around one block of memory, with its decoded header beside the bytes, so
 * that a subscriber finds everything without parsing again. When the last reference goes, wherever
 * that is, the buffer returns to its pool instead of the heap: in steady state nothing is
 * allocated.
 *
 * Thread: a pool belongs to one worker; the last reference may go on any thread.
 */
#ifndef SFU_EDGE_PACKET_H
#define SFU_EDGE_PACKET_H

#include <gst/gst.h>
#include <stdbool.h>

#include "sfu/wire/picture_numbers.h"
#include "sfu/wire/picture_size.h"
#include "sfu/wire/red.h"
#include "sfu/wire/rtp.h"

enum { PACKET_BYTES_MAX = 2048 }; /* more than any path MTU we will see; longer ones are dropped */

struct packet_pool;

struct packet {
	GstMemory memory; /* first: GStreamer sees this */
	GstBuffer *buffer;
	struct packet_pool *pool;
	struct packet *next_free;
	size_t length;
	uint64_t arrival_us; /* when it reached the socket: not later than this turn's time */
	struct rtp_header header;
	bool is_keyframe_start;
	uint8_t layer;	       /* of its track */
	uint8_t audio_level;   /* RFC 6464, in -dBov; SPEAKER_LEVEL_UNKNOWN */
	uint8_t added_padding; /* bytes of it after the payload, for whoever forwards the packet */
	struct red_layout red; /* zero: not redundant */
	struct picture_numbers picture;
	struct picture_sizes sizes; /* of the picture that begins here */
	uint8_t bytes[PACKET_BYTES_MAX];
};

struct packet_pool *packet_pool_new(void);
/* The pool lives on until its last packet has come home. */
void packet_pool_release(struct packet_pool *pool);

/* A packet nobody else holds, its length 0. NULL without memory. */
struct packet *packet_take(struct packet_pool *pool);
/* Give up the caller's reference. */
static inline void packet_release(struct packet *packet)
{
	gst_buffer_unref(packet->buffer);
}

/* Say how long it is, for readers that use GStreamer's functions. */
void packet_set_length(struct packet *packet, size_t length);

/* Have RTP padding of `byte_count` bytes behind what the packet holds now; who reads the packet
 * itself sees nothing of it. There must be room, and no padding yet. */
void packet_pad(struct packet *packet, uint8_t byte_count);

/* The packet inside a buffer of ours, borrowed; NULL if somebody else made the buffer. */
struct packet *packet_of_buffer(GstBuffer *buffer);

#endif
