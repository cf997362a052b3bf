/* track_events.h - what the elements on a track's way tell one another, besides packets.
 *
 * GStreamer events on the pads between the publisher's rtctransport, the rtctrack (or its mirror on
 * another worker) and the subscribers' rtctransports. Upstream a wish for a keyframe, which is
 * GStreamer's own force-key-unit so that other elements can send it, and whether anybody wants a
 * layer; downstream that a layer is damaged, or begins anew. Each `_is` says whether an event is of
 * its kind, and leaves what it would tell alone if not. Thread: worker.
 */
#ifndef SFU_EDGE_TRACK_EVENTS_H
#define SFU_EDGE_TRACK_EVENTS_H

#include <gst/gst.h>
#include <stdbool.h>
#include <stdint.h>

/* Somebody needs a keyframe of this layer. */
GstEvent *keyframe_request_event_new(uint8_t layer);
bool keyframe_request_event_is(GstEvent *event, uint8_t *ret_layer);

/* Is the layer whose pad it goes up by wanted by anybody? What is not need not be repaired. */
GstEvent *layer_wanted_event_new(bool is_wanted);
bool layer_wanted_event_is(GstEvent *event, bool *ret_is_wanted);

/* Packets of this layer are lost for good: whoever is sent it needs a keyframe. */
GstEvent *layer_damaged_event_new(void);
bool layer_damaged_event_is(GstEvent *event);

/* A layer begins anew, under another SSRC: other numbers, other contents. */
GstEvent *source_restart_event_new(uint8_t layer);
bool source_restart_event_is(GstEvent *event, uint8_t *ret_layer);

#endif
