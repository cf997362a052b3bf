#include "sfu/edge/rtctrack.h"

#include "sfu/edge/kept_packets.h"
#include "sfu/edge/pad_push.h"
#include "sfu/edge/track_events.h"
#include "sfu/edge/transport_private.h"
#include "sfu/model/keyframe_gate.h"
#include "sfu/model/layer_pulse.h"
#include "sfu/model/padding_plan.h"

enum {
	VIDEO_PACKETS_KEPT = 1024,
	AUDIO_PACKETS_KEPT = 128,
	PADDED_AT_ONCE = 64,
	STILL_FRESH_US = 250000, /* such a keyframe is in the backlog for as long again */
	WIRE_OVERHEAD_BYTES = 44 /* IP, UDP and SRTP: what the way carries is counted with them */
};

struct layer {
	RtcTrack *track;
	uint8_t index;
	GstPad *sink; /* owned by the element; NULL: nobody sends this layer */
	struct kept_packets kept;
	struct keyframe_gate gate;
	struct layer_activity activity; /* a mirror's is told */
	struct layer_pulse pulse;
	struct layer_meter meter;
	bool is_told_wanted;
};

struct consumer {
	GstPad *pad;	 /* borrowed from the element */
	unsigned layers; /* bits */
};

struct _RtcTrack {
	GstElement parent;
	struct layer layers[LAYERS_MAX];
	GArray *consumers; /* of struct consumer */
	bool is_video, is_muted, is_mirror;
	bool finds_spatial;
	uint8_t spatial_count; /* layers seen inside layers[0]; what they carry is in `layers` */
	unsigned told_wanted;  /* these of them, as bits */
	struct voice voice;
	const uint64_t *now_us;
	uint64_t *keyframes_withheld; /* the worker's counter */
	guint next_pad;
};

G_DEFINE_TYPE(RtcTrack, rtc_track, GST_TYPE_ELEMENT)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
	"sink_%u", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS("application/x-rtp"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
	"src_%u", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS("application/x-rtp"));

static struct consumer *consumer_at(const RtcTrack *track, guint i)
{
	return &g_array_index(track->consumers, struct consumer, i);
}

static struct consumer *consumer_find(const RtcTrack *track, const GstPad *pad, guint *ret_index)
{
	for (guint i = 0; i < track->consumers->len; i++) {
		if (consumer_at(track, i)->pad != pad)
			continue;
		*ret_index = i;
		return consumer_at(track, i);
	}
	return NULL;
}

struct voice *rtc_track_voice(RtcTrack *track)
{
	return &track->voice;
}

bool rtc_track_is_wanted(const RtcTrack *track, uint8_t layer)
{
	for (guint i = 0; i < track->consumers->len; i++)
		if (consumer_at(track, i)->layers & 1u << layer)
			return true;
	return false;
}

/* ---- packets ---- */

/* A stream beside others is a layer as it is. */
static bool may_have_spatial(const RtcTrack *track)
{
	return track->finds_spatial && !track->layers[1].sink && !track->layers[2].sink;
}

static void note_spatial(RtcTrack *track, const struct packet *packet)
{
	uint8_t count = (uint8_t)(packet->picture.spatial_layer + 1);

	if (packet->sizes.count > count)
		count = packet->sizes.count;
	if (count > track->spatial_count && may_have_spatial(track))
		track->spatial_count = count;
}

/* The layer that a packet counts for: of spatial ones that are too many the last. */
static struct layer *layer_of(struct layer *layer, const struct packet *packet)
{
	RtcTrack *track = layer->track;
	uint8_t spatial = packet->picture.spatial_layer;

	if (track->spatial_count <= 1)
		return layer;
	return &track->layers[spatial < LAYERS_MAX ? spatial : LAYERS_MAX - 1];
}

static void take_sizes(struct layer *layer, const struct picture_sizes *sizes)
{
	RtcTrack *track = layer->track;

	if (track->spatial_count <= 1)
		layer->activity.size = picture_sizes_largest(sizes);
	else
		for (uint8_t i = 0; i < sizes->count; i++)
			track->layers[i].activity.size = sizes->layers[i];
}

static bool is_gone(const RtcTrack *track, uint8_t layer)
{
	for (uint8_t i = 0; i < LAYERS_MAX; i++)
		if (layer_pulse_is_gone(&track->layers[layer].pulse, &track->layers[i].pulse))
			return true;
	return false;
}

/* A spatial layer may have no pad, and so but a place. */
static void feel_pulse(RtcTrack *track, uint8_t layer, const struct packet *packet)
{
	struct layer_pulse *pulse = &track->layers[layer].pulse;

	if (is_gone(track, layer)) {
		layer_pulse_on_return(pulse, packet->arrival_us);
		layer_meter_interrupt(&track->layers[layer].meter);
	}
	layer_pulse_on_packet(pulse, packet->header.rtp_timestamp, packet->arrival_us);
}

static void measure(struct layer *layer, const struct packet *packet)
{
	struct layer *counted;

	if (packet->picture.spatial_layer > 0 || packet->sizes.count > 1)
		note_spatial(layer->track, packet);
	counted = layer_of(layer, packet);
	layer_meter_on_packet(&counted->meter, packet->picture.temporal_layer,
			      packet->length + WIRE_OVERHEAD_BYTES);
	counted->activity.last_packet_us = packet->arrival_us;
	if (layer->track->is_video)
		feel_pulse(layer->track, (uint8_t)(counted - layer->track->layers), packet);
}

static void keep(struct layer *layer, struct packet *packet)
{
	if (!layer->track->is_mirror)
		measure(layer, packet);
	if (!kept_packets_put(&layer->kept, packet))
		return;
	if (packet->is_keyframe_start)
		keyframe_gate_on_keyframe(&layer->gate);
	if (packet->sizes.count && !layer->track->is_mirror)
		take_sizes(layer, &packet->sizes);
}

/* Make its pieces equally long where little is missing, so that they leave as one. */
static void pad_runs(GstBufferList *list)
{
	struct padding_item items[PADDED_AT_ONCE];
	struct packet *packets[PADDED_AT_ONCE];
	guint count = gst_buffer_list_length(list);

	if (count > PADDED_AT_ONCE)
		count = PADDED_AT_ONCE; /* the rest leaves as it is */
	for (guint i = 0; i < count; i++) {
		struct packet *packet = packet_of_buffer(gst_buffer_list_get(list, i));
		size_t payload_bytes =
			packet ? rtp_payload_bytes(&packet->header, packet->length) : 0;

		packets[i] = packet;
		items[i] = (struct padding_item){0};
		/* Padding of the publisher's own is in the place of ours. */
		if (packet && packet->header.padding_bytes == 0 &&
		    packet->length + PADDING_MAX <= PACKET_BYTES_MAX)
			items[i] = (struct padding_item){packet->header.header_bytes,
							 (uint16_t)payload_bytes, 0};
	}
	padding_plan(items, count);
	for (guint i = 0; i < count; i++)
		if (items[i].padding_bytes > 0)
			packet_pad(packets[i], items[i].padding_bytes);
}

static void look_ahead(const RtcTrack *track, guint i)
{
	for (guint step = 0; step < PAD_PUSH_STEPS; step++) {
		guint ahead = i + PAD_PUSH_STEPS - step;

		if (ahead < track->consumers->len)
			pad_push_ask_for(consumer_at(track, ahead)->pad, step);
	}
}

static GstFlowReturn sink_chain_list(GstPad *pad, GstObject *parent, GstBufferList *list)
{
	RtcTrack *track = (RtcTrack *)parent;
	struct layer *layer = gst_pad_get_element_private(pad);
	guint count = gst_buffer_list_length(list);
	unsigned bit = 1u << layer->index;

	if (track->is_muted) { /* nor kept: what was said meanwhile is asked for in vain later */
		gst_buffer_list_unref(list);
		return GST_FLOW_OK;
	}
	for (guint i = 0; i < count; i++) {
		struct packet *packet = packet_of_buffer(gst_buffer_list_get(list, i));

		if (!packet)
			continue;
		keep(layer, packet);
		if (!track->is_video && !track->is_mirror)
			voice_on_packet(&track->voice, packet->audio_level, packet->arrival_us);
	}
	if (track->is_video && count > 1 && !track->is_mirror)
		pad_runs(list);
	/* A subscriber that is not linked or not ready is its own business, never the others'. */
	for (guint i = 0; i < track->consumers->len; i++) {
		look_ahead(track, i);
		if (consumer_at(track, i)->layers & bit)
			pad_push_list(consumer_at(track, i)->pad, list);
	}
	gst_buffer_list_unref(list);
	return GST_FLOW_OK;
}

static GstFlowReturn sink_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
	GstBufferList *list = gst_buffer_list_new_sized(1);

	gst_buffer_list_add(list, buffer);
	return sink_chain_list(pad, parent, list);
}

struct packet *rtc_track_find_packet(RtcTrack *track, uint8_t layer, uint16_t sequence_number)
{
	return layer < LAYERS_MAX ? kept_packets_find(&track->layers[layer].kept, sequence_number)
				  : NULL;
}

GstBufferList *rtc_track_backlog(RtcTrack *track, uint8_t layer, size_t bytes_max)
{
	if (track->is_muted)
		return NULL;
	return kept_packets_since_keyframe(&track->layers[layer].kept, *track->now_us, bytes_max);
}

bool rtc_track_may_still_come(const RtcTrack *track, uint8_t layer, uint16_t sequence_number)
{
	return kept_packets_may_still_come(&track->layers[layer].kept, sequence_number);
}

struct layer_activity rtc_track_layer_activity(const RtcTrack *track, uint8_t layer)
{
	struct layer_activity activity = track->layers[layer].activity;

	if (track->is_mirror)
		return activity; /* it is told all of it */
	activity.is_gone = is_gone(track, layer);
	if (track->spatial_count <= 1 || !activity.rates.bitrate_bps)
		return activity;
	for (uint8_t i = 0; i < layer; i++)
		layer_rates_add(&activity.rates, &track->layers[i].activity.rates);
	return activity;
}

void rtc_track_set_layer_activity(RtcTrack *track, uint8_t layer, struct layer_activity activity)
{
	track->layers[layer].activity = activity;
}

void rtc_track_be_mirror(RtcTrack *track)
{
	track->is_mirror = true;
}

void rtc_track_find_spatial(RtcTrack *track)
{
	track->finds_spatial = true;
}

uint8_t rtc_track_spatial_count(const RtcTrack *track)
{
	return track->spatial_count;
}

void rtc_track_set_spatial_count(RtcTrack *track, uint8_t count)
{
	track->spatial_count = count;
}

static bool ask_for_keyframe(struct layer *layer)
{
	if (gst_pad_push_event(layer->sink, keyframe_request_event_new(layer->index)))
		return true;
	keyframe_gate_put_off(&layer->gate);
	return false;
}

/* Sound has none. Nor is one asked of what is muted: when that ends it is. */
static void want_keyframe(struct layer *layer)
{
	const RtcTrack *track = layer->track;

	if (!layer->sink || !track->is_video || track->is_muted)
		return;
	if (!keyframe_gate_want(&layer->gate, *track->now_us) || !ask_for_keyframe(layer))
		(*track->keyframes_withheld)++;
}

/* NULL: none comes, or there is a choice. */
static struct layer *only_layer(RtcTrack *track)
{
	struct layer *only = NULL;

	for (uint8_t i = 0; i < LAYERS_MAX; i++) {
		struct layer_activity activity = rtc_track_layer_activity(track, i);

		if (!track->layers[i].sink || !activity.last_packet_us || activity.is_gone)
			continue;
		if (only)
			return NULL;
		only = &track->layers[i];
	}
	return only;
}

void rtc_track_prepare(RtcTrack *track)
{
	struct layer *layer = only_layer(track);

	if (layer && kept_packets_keyframe_age_us(&layer->kept, *track->now_us) > STILL_FRESH_US)
		want_keyframe(layer);
}

/* Whoever is sent this layer waits for one. */
static void want_keyframe_for_all(struct layer *layer)
{
	if (rtc_track_is_wanted(layer->track, layer->index))
		want_keyframe(layer);
}

static gboolean sink_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
	struct layer *layer = gst_pad_get_element_private(pad);

	if (layer_damaged_event_is(event)) {
		keyframe_gate_on_damage(&layer->gate);
		want_keyframe_for_all(layer);
		gst_event_unref(event);
		return TRUE;
	}
	if (GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM) {
		kept_packets_forget(
			&layer->kept); /* they must not answer for the numbers to come */
		want_keyframe_for_all(layer);
	}
	return gst_pad_event_default(pad, parent, event);
}

/* ---- keyframes ---- */

static gboolean src_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
	RtcTrack *track = (RtcTrack *)parent;
	uint8_t index;

	(void)pad;
	if (keyframe_request_event_is(event, &index))
		want_keyframe(&track->layers[index]);
	gst_event_unref(event);
	return TRUE;
}

void rtc_track_tick(RtcTrack *track)
{
	for (uint8_t i = 0; i < LAYERS_MAX; i++) {
		struct layer *layer = &track->layers[i];

		if (is_gone(track, i))
			layer_meter_interrupt(&layer->meter);
		if (layer->sink || i < track->spatial_count)
			layer_meter_tick(&layer->meter, *track->now_us, &layer->activity.rates);
		if (!layer->sink || !layer->gate.is_wanted || track->is_muted)
			continue;
		if (!rtc_track_is_wanted(track, i)) /* whoever asked has gone to another layer */
			keyframe_gate_on_keyframe(&layer->gate);
		else if (keyframe_gate_tick(&layer->gate, *track->now_us))
			(void)ask_for_keyframe(layer);
	}
}

/* A mirror's original hears which spatial layers are of use. */
static void tell_wanted_spatial(RtcTrack *track)
{
	unsigned wanted = 0;

	for (uint8_t i = 0; i < LAYERS_MAX && track->spatial_count > 1; i++)
		wanted |= rtc_track_is_wanted(track, i) ? 1u << i : 0;
	if (wanted == track->told_wanted || !track->layers[0].sink)
		return;
	track->told_wanted = wanted;
	(void)gst_pad_push_event(track->layers[0].sink,
				 layer_wanted_event_new(track->layers[0].is_told_wanted));
}

/* Upstream hears of a change at once: from here on what is lost is asked for again, or is not. */
static void tell_wanted(RtcTrack *track)
{
	for (uint8_t i = 0; i < LAYERS_MAX; i++) {
		struct layer *layer = &track->layers[i];
		bool is_wanted = !track->is_muted && rtc_track_is_wanted(track, i);

		if (!layer->sink || layer->is_told_wanted == is_wanted)
			continue;
		layer->is_told_wanted = is_wanted;
		(void)gst_pad_push_event(layer->sink, layer_wanted_event_new(is_wanted));
	}
	tell_wanted_spatial(track);
}

/* ---- muting ---- */

void rtc_track_set_muted(RtcTrack *track, bool is_muted)
{
	bool resumes = track->is_muted && !is_muted;

	track->is_muted = is_muted;
	tell_wanted(track);
	/* To the subscribers it is as if the source had begun anew: their numbers go on where they
	 * stopped, with a keyframe, which is asked for at once. */
	for (uint8_t i = 0; resumes && i < LAYERS_MAX; i++)
		if (track->layers[i].sink)
			(void)gst_pad_send_event(track->layers[i].sink,
						 source_restart_event_new(i));
}

/* ---- pads ---- */

GstPad *rtc_track_sink(RtcTrack *track, uint8_t index)
{
	struct layer *layer = &track->layers[index];
	gchar *name;

	if (layer->sink)
		return layer->sink;
	if (kept_packets_init(&layer->kept,
			      track->is_video ? VIDEO_PACKETS_KEPT : AUDIO_PACKETS_KEPT) < 0)
		return NULL;
	layer->track = track;
	layer->index = index;
	if (index > 0)
		track->spatial_count = 0; /* the stream is one of several now */
	name = g_strdup_printf("sink_%u", index);
	layer->sink = gst_pad_new_from_static_template(&sink_template, name);
	g_free(name);
	gst_pad_set_element_private(layer->sink, layer);
	gst_pad_set_chain_function(layer->sink, sink_chain);
	gst_pad_set_chain_list_function(layer->sink, sink_chain_list);
	gst_pad_set_event_function(layer->sink, sink_event);
	/* Else a subscriber from before the first packet gets the segment, but never the caps. */
	GST_PAD_SET_PROXY_CAPS(layer->sink);
	(void)gst_pad_set_active(layer->sink, TRUE);
	(void)gst_element_add_pad(GST_ELEMENT_CAST(track), layer->sink);
	return layer->sink;
}

static gboolean copy_sticky_event(GstPad *pad, GstEvent **event, gpointer data)
{
	(void)pad;
	(void)gst_pad_store_sticky_event(data, *event);
	return TRUE;
}

GstPad *rtc_track_add_consumer(RtcTrack *track)
{
	gchar *name = g_strdup_printf("src_%u", track->next_pad++);
	struct consumer consumer = {.pad = gst_pad_new_from_static_template(&src_template, name)};

	g_free(name);
	gst_pad_set_event_function(consumer.pad, src_event);
	(void)gst_pad_set_active(consumer.pad, TRUE);
	for (uint8_t i = 0; i < LAYERS_MAX; i++)
		if (track->layers[i].sink)
			gst_pad_sticky_events_foreach(track->layers[i].sink, copy_sticky_event,
						      consumer.pad);
	(void)gst_element_add_pad(GST_ELEMENT_CAST(track), consumer.pad);
	g_array_append_val(track->consumers, consumer);
	return consumer.pad;
}

void rtc_track_remove_consumer(RtcTrack *track, GstPad *pad)
{
	guint index;

	if (consumer_find(track, pad, &index))
		(void)g_array_remove_index_fast(track->consumers, index);
	tell_wanted(track);
	(void)gst_pad_set_active(pad, FALSE);
	(void)gst_element_remove_pad(GST_ELEMENT_CAST(track), pad);
}

void rtc_track_set_layers(RtcTrack *track, GstPad *pad, unsigned layers)
{
	guint index;
	struct consumer *consumer = consumer_find(track, pad, &index);

	if (!consumer || consumer->layers == layers)
		return;
	consumer->layers = layers;
	tell_wanted(track);
}

/* ---- class ---- */

static void rtc_track_finalize(GObject *object)
{
	RtcTrack *track = (RtcTrack *)object;

	for (uint8_t i = 0; i < LAYERS_MAX; i++)
		kept_packets_end(&track->layers[i].kept);
	g_array_unref(track->consumers);
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
	track->consumers = g_array_new(FALSE, FALSE, sizeof(struct consumer));
}

RtcTrack *rtc_track_new(const char *name, bool is_video, const uint64_t *port_now_us,
			uint64_t *keyframes_withheld)
{
	RtcTrack *track = g_object_new(RTC_TYPE_TRACK, "name", name, NULL);

	track->is_video = is_video;
	track->now_us = port_now_us;
	track->keyframes_withheld = keyframes_withheld;
	return track;
}
