#include "sfu/edge/track_events.h"

#include <gst/video/video.h>

#include "sfu/model/forwarder.h"

static const char layer_field[] = "layer";
static const char wanted_event_name[] = "rtc-layer-wanted";
static const char damaged_event_name[] = "rtc-layer-damaged";
static const char restart_event_name[] = "rtc-source-restart";

GstEvent *keyframe_request_event_new(uint8_t layer)
{
	GstEvent *event = gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0);

	gst_structure_set(gst_event_writable_structure(event), layer_field, G_TYPE_UINT,
			  (guint)layer, NULL);
	return event;
}

bool keyframe_request_event_is(GstEvent *event, uint8_t *ret_layer)
{
	guint layer = 0;

	if (!gst_video_event_is_force_key_unit(event))
		return false;
	/* Elements that are not ours, such as a recorder's, know of no layers. */
	(void)gst_structure_get_uint(gst_event_get_structure(event), layer_field, &layer);
	*ret_layer = layer < LAYERS_MAX ? (uint8_t)layer : 0;
	return true;
}

GstEvent *layer_wanted_event_new(bool is_wanted)
{
	return gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
				    gst_structure_new(wanted_event_name, "wanted", G_TYPE_BOOLEAN,
						      (gboolean)is_wanted, NULL));
}

bool layer_wanted_event_is(GstEvent *event, bool *ret_is_wanted)
{
	gboolean is_wanted;

	if (!gst_event_has_name(event, wanted_event_name) ||
	    !gst_structure_get_boolean(gst_event_get_structure(event), "wanted", &is_wanted))
		return false;
	*ret_is_wanted = is_wanted;
	return true;
}

GstEvent *layer_damaged_event_new(void)
{
	return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
				    gst_structure_new_empty(damaged_event_name));
}

bool layer_damaged_event_is(GstEvent *event)
{
	return gst_event_has_name(event, damaged_event_name);
}

GstEvent *source_restart_event_new(uint8_t layer)
{
	return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
				    gst_structure_new(restart_event_name, layer_field, G_TYPE_UINT,
						      (guint)layer, NULL));
}

bool source_restart_event_is(GstEvent *event, uint8_t *ret_layer)
{
	guint layer;

	if (!gst_event_has_name(event, restart_event_name) ||
	    !gst_structure_get_uint(gst_event_get_structure(event), layer_field, &layer) ||
	    layer >= LAYERS_MAX)
		return false;
	*ret_layer = (uint8_t)layer;
	return true;
}
