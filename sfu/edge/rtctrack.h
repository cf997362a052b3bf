/* rtctrack.h - the GStreamer element of one published track.
 *
 *   rtctransport.src ──▶ sink_%u │ rtctrack │ src_%u ──▶ rtctransport.sink of each subscriber
 *
 * A sink pad for each layer (simulcast); a consumer is pushed the layers it wants. It keeps the
 * newest packets of each layer for retransmission and turns the keyframe requests of all its
 * subscribers (GStreamer's force-key-unit events, upstream) into few to the publisher. Packets pass
 * in GstBufferLists, one push per subscriber; nothing is copied.
 *
 * Thread: worker, for every function and every push.
 */
#ifndef SFU_EDGE_RTCTRACK_H
#define SFU_EDGE_RTCTRACK_H

#include <gst/gst.h>
#include <stdbool.h>

#include "sfu/edge/packet.h"
#include "sfu/model/active_speaker.h"
#include "sfu/model/allocator.h"
#include "sfu/model/forwarder.h"
#include "sfu/model/layer_meter.h"

#define RTC_TYPE_TRACK (rtc_track_get_type())
G_DECLARE_FINAL_TYPE(RtcTrack, rtc_track, RTC, TRACK, GstElement)

/* `port_now_us` is the worker's clock, `keyframes_withheld` where it counts wishes that the
 * publisher does not get to hear of; borrowed. The reference is floating. */
RtcTrack *rtc_track_new(const char *name, bool is_video, const uint64_t *port_now_us,
			uint64_t *keyframes_withheld);

/* The pad that takes a layer, borrowed, made when it is first asked for. NULL without memory. */
GstPad *rtc_track_sink(RtcTrack *track, uint8_t layer);

/* Where what comes in one stream has spatial layers (SVC), they are the track's layers: from now on
 * it finds out. Otherwise the stream is one layer, whatever it consists of. */
void rtc_track_find_spatial(RtcTrack *track);
/* How many spatial layers have come, which may be more than LAYERS_MAX; 0 or 1: it has none. */
uint8_t rtc_track_spatial_count(const RtcTrack *track);

/* What a layer carries now; a spatial layer with those below it, which it needs. */
struct layer_activity {
	uint64_t last_packet_us;  /* 0: nothing came yet */
	bool is_gone;		  /* the others go on without it */
	struct layer_rates rates; /* while it came last */
	struct picture_size size; /* 0: not known */
};
struct layer_activity rtc_track_layer_activity(const RtcTrack *track, uint8_t layer);

/* It is a mirror of one on another worker (parts.h): its packets are shared with others, and what
 * it carries is told instead of measured. */
void rtc_track_be_mirror(RtcTrack *track);
void rtc_track_set_spatial_count(RtcTrack *track, uint8_t count);
void rtc_track_set_layer_activity(RtcTrack *track, uint8_t layer, struct layer_activity activity);

/* The voice of an audio track, borrowed. */
struct voice *rtc_track_voice(RtcTrack *track);
bool rtc_track_is_wanted(const RtcTrack *track, uint8_t layer);

/* A pad for one more subscriber, borrowed; and its end. It is pushed no layer at first. */
GstPad *rtc_track_add_consumer(RtcTrack *track);
void rtc_track_remove_consumer(RtcTrack *track, GstPad *pad);
/* Which layers it is pushed: bit 0 for layer 0 and so on. With the lowest of the spatial layers in
 * one stream come all of them; the bits say which of them are of use. */
void rtc_track_set_layers(RtcTrack *track, GstPad *pad, unsigned layers);

/* A packet for retransmission, borrowed until the next packet arrives; NULL if it is gone. */
struct packet *rtc_track_find_packet(RtcTrack *track, uint8_t layer, uint16_t sequence_number);

/* All of a layer since its last keyframe, for who begins with it: if that is not long ago, nothing
 * of it is missing, and it is at most `bytes_max`. The caller's; NULL otherwise. */
GstBufferList *rtc_track_backlog(RtcTrack *track, uint8_t layer, size_t bytes_max);

/* Somebody will begin with it as soon as it has answered, or is connected: a keyframe asked for now
 * is in the backlog by then. Only where one layer comes, as which of several it will be is open. */
void rtc_track_prepare(RtcTrack *track);

/* Is a packet that is not there one of the newest, so that the publisher may still send it again?
 */
bool rtc_track_may_still_come(const RtcTrack *track, uint8_t layer, uint16_t sequence_number);

/* Forward nothing, however much comes, until it is taken back. */
void rtc_track_set_muted(RtcTrack *track, bool is_muted);

/* Repeat an unanswered keyframe request when it is time. Every 20 ms. */
void rtc_track_tick(RtcTrack *track);

#endif
