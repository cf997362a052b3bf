#include "sfu/edge/rtctrack.h"

#include <gst/video/video.h>

#include "sfu/model/keyframe_gate.h"
#include "sfu/model/packet_ring.h"

enum { VIDEO_PACKETS_KEPT = 1024, AUDIO_PACKETS_KEPT = 128 };

struct _RtcTrack {
	GstElement parent;
	GstPad *sink;	 /* owned by the element */
	GPtrArray *pads; /* of the subscribers' pads, borrowed from the element */
	struct packet_ring *ring;
	struct keyframe_gate gate;
	const uint64_t *now_us;
	guint next_pad;
};

G_DEFINE_TYPE(RtcTrack, rtc_track, GST_TYPE_ELEMENT)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
	"sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("application/x-rtp"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
	"src_%u", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS("application/x-rtp"));

GstEvent *rtc_keyframe_request_new(void)
{
	return gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0);
}

bool rtc_keyframe_request_is(GstEvent *event)
{
	return gst_video_event_is_force_key_unit(event);
}

/* ---- packets ---- */

static void keep(RtcTrack *track, struct packet *packet)
{
	struct packet *replaced;

	/* The first packet under a number stays: a subscriber may have been sent it, and must never
	 * be sent another under the same number. */
	if (packet_ring_find(track->ring, packet->header.sequence_number))
		return;
	(void)gst_buffer_ref(packet->buffer);
	replaced = packet_ring_put(track->ring, packet->header.sequence_number, packet);
	if (replaced)
		packet_release(replaced);
	if (packet->is_keyframe_start)
		keyframe_gate_on_keyframe(&track->gate);
}

static GstFlowReturn sink_chain_list(GstPad *pad, GstObject *parent, GstBufferList *list)
{
	RtcTrack *track = (RtcTrack *)parent;
	guint count = gst_buffer_list_length(list);

	(void)pad;
	for (guint i = 0; i < count; i++) {
		struct packet *packet = packet_of_buffer(gst_buffer_list_get(list, i));

		if (packet)
			keep(track, packet);
	}
	/* A subscriber that is not linked or not ready is its own business, never the others'. */
	for (guint i = 0; i < track->pads->len; i++)
		(void)gst_pad_push_list(g_ptr_array_index(track->pads, i),
					gst_buffer_list_ref(list));
	gst_buffer_list_unref(list);
	return GST_FLOW_OK;
}

static GstFlowReturn sink_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
	GstBufferList *list = gst_buffer_list_new_sized(1);

	gst_buffer_list_add(list, buffer);
	return sink_chain_list(pad, parent, list);
}

struct packet *rtc_track_find_packet(RtcTrack *track, uint16_t sequence_number)
{
	return packet_ring_find(track->ring, sequence_number);
}

/* What was kept must not answer for the numbers that come now. */
static void forget_packets(RtcTrack *track)
{
	struct packet *packet;

	while ((packet = packet_ring_take_any(track->ring)))
		packet_release(packet);
}

static gboolean sink_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
	RtcTrack *track = (RtcTrack *)parent;

	if (GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM) {
		forget_packets(track);
		if (keyframe_gate_want(&track->gate,
				       *track->now_us)) /* all subscribers wait again */
			(void)gst_pad_push_event(track->sink, rtc_keyframe_request_new());
	}
	return gst_pad_event_default(pad, parent, event);
}

/* ---- keyframes ---- */

static gboolean src_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
	RtcTrack *track = (RtcTrack *)parent;

	(void)pad;
	if (rtc_keyframe_request_is(event) && keyframe_gate_want(&track->gate, *track->now_us))
		return gst_pad_push_event(track->sink, event);
	gst_event_unref(event);
	return TRUE;
}

void rtc_track_tick(RtcTrack *track)
{
	if (keyframe_gate_tick(&track->gate, *track->now_us))
		(void)gst_pad_push_event(track->sink, rtc_keyframe_request_new());
}

/* ---- pads ---- */

static gboolean copy_sticky_event(GstPad *pad, GstEvent **event, gpointer data)
{
	(void)pad;
	(void)gst_pad_store_sticky_event(data, *event);
	return TRUE;
}

GstPad *rtc_track_add_consumer(RtcTrack *track)
{
	gchar *name = g_strdup_printf("src_%u", track->next_pad++);
	GstPad *pad = gst_pad_new_from_static_template(&src_template, name);

	g_free(name);
	gst_pad_set_event_function(pad, src_event);
	(void)gst_pad_set_active(pad, TRUE);
	gst_pad_sticky_events_foreach(track->sink, copy_sticky_event, pad);
	(void)gst_element_add_pad(GST_ELEMENT_CAST(track), pad);
	g_ptr_array_add(track->pads, pad);
	return pad;
}

void rtc_track_remove_consumer(RtcTrack *track, GstPad *pad)
{
	(void)g_ptr_array_remove_fast(track->pads, pad);
	(void)gst_pad_set_active(pad, FALSE);
	(void)gst_element_remove_pad(GST_ELEMENT_CAST(track), pad);
}

/* ---- class ---- */

static void rtc_track_finalize(GObject *object)
{
	RtcTrack *track = (RtcTrack *)object;

	if (track->ring)
		forget_packets(track);
	track->ring = packet_ring_free(track->ring);
	g_ptr_array_unref(track->pads);
	G_OBJECT_CLASS(rtc_track_parent_class)->finalize(object);
}

static void rtc_track_class_init(RtcTrackClass *class)
{
	G_OBJECT_CLASS(class)->finalize = rtc_track_finalize;
	gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(class), &sink_template);
	gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(class), &src_template);
	gst_element_class_set_static_metadata(
		GST_ELEMENT_CLASS(class), "Published track", "Generic/Network",
		"Fans a track out, keeps packets for retransmission", "realtime");
}

static void rtc_track_init(RtcTrack *track)
{
	track->pads = g_ptr_array_new();
	track->sink = gst_pad_new_from_static_template(&sink_template, "sink");
	gst_pad_set_chain_function(track->sink, sink_chain);
	gst_pad_set_chain_list_function(track->sink, sink_chain_list);
	gst_pad_set_event_function(track->sink, sink_event);
	(void)gst_element_add_pad(GST_ELEMENT_CAST(track), track->sink);
}

RtcTrack *rtc_track_new(const char *name, bool is_video, const uint64_t *port_now_us)
{
	RtcTrack *track = g_object_new(RTC_TYPE_TRACK, "name", name, NULL);

	track->now_us = port_now_us;
	track->ring = packet_ring_new(is_video ? VIDEO_PACKETS_KEPT : AUDIO_PACKETS_KEPT);
	if (!track->ring) {
		gst_object_ref_sink(track);
		gst_object_unref(track);
		return NULL;
	}
	return track;
}
