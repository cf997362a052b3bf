/* rtctrack.h - the GStreamer element of one published track.
 *
 *   rtctransport.src ──▶ sink │ rtctrack │ src_%u ──▶ rtctransport.sink of each subscriber
 *
 * It keeps the newest packets for retransmission and turns the keyframe requests of all its
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

#define RTC_TYPE_TRACK (rtc_track_get_type())
G_DECLARE_FINAL_TYPE(RtcTrack, rtc_track, RTC, TRACK, GstElement)

/* `port_now_us` is the worker's clock, borrowed. The reference is floating. */
RtcTrack *rtc_track_new(const char *name, bool is_video, const uint64_t *port_now_us);

/* A pad for one more subscriber, borrowed; and its end. */
GstPad *rtc_track_add_consumer(RtcTrack *track);
void rtc_track_remove_consumer(RtcTrack *track, GstPad *pad);

/* A packet for retransmission, borrowed until the next packet arrives; NULL if it is gone. */
struct packet *rtc_track_find_packet(RtcTrack *track, uint16_t sequence_number);

/* Repeat an unanswered keyframe request when it is time. Every 20 ms. */
void rtc_track_tick(RtcTrack *track);

/* Wishes for a keyframe travel as this event. */
GstEvent *rtc_keyframe_request_new(void);
bool rtc_keyframe_request_is(GstEvent *event);

#endif
