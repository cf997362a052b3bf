/* mirror.c - a track on both sides of the bridge: the export where it is published, and the mirror
 * where others are shown it. */
#include "sfu/edge/pad_push.h"
#include "sfu/edge/parts_private.h"
#include "sfu/edge/track_events.h"
#include "sfu/edge/transport_private.h"

enum { BACKLOG_BYTES_MAX = 512 * 1024 };

/* ---- the export ---- */

static void post(struct export *export, struct parcel *parcel)
{
	if (parcel) {
		parcel->part = export->track->publisher->room->others[export->to];
		parcel->sender_part = export->track->publisher->room->part_id;
		parcel->mirror = export->id;
	}
	bridge_post(export->parts->end, export->to, parcel);
}

static void tell_damage(struct export *export, uint8_t layer)
{
	struct parcel *parcel = parcel_new(PARCEL_DAMAGED);

	if (parcel)
		parcel->layer = layer;
	post(export, parcel);
	export->damaged &= ~(1u << layer);
}

/* `list` is taken. */
static void send_packets(struct export *export, GstBufferList *list)
{
	struct packet *first = packet_of_buffer(gst_buffer_list_get(list, 0));
	uint8_t layer = first ? first->layer : 0;
	struct parcel *parcel = NULL;

	if (bridge_accepts(export->parts->end, export->to))
		parcel = parcel_new(PARCEL_PACKETS);
	if (!parcel) {
		bridge_note_dropped(export->parts->end, gst_buffer_list_length(list));
		gst_buffer_list_unref(list);
		export->damaged |= 1u << layer;
		return;
	}
	if (export->damaged & 1u << layer)
		tell_damage(export, layer);
	parcel->layer = layer;
	parcel->list = list;
	export->begun |= 1u << layer;
	post(export, parcel);
}

static GstFlowReturn export_chain_list(GstPad *pad, GstObject *parent, GstBufferList *list)
{
	(void)parent;
	send_packets(gst_pad_get_element_private(pad), list);
	return GST_FLOW_OK;
}

static GstFlowReturn export_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
	GstBufferList *list = gst_buffer_list_new_sized(1);

	gst_buffer_list_add(list, buffer);
	return export_chain_list(pad, parent, list);
}

static gboolean export_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
	struct export *export = gst_pad_get_element_private(pad);
	struct parcel *parcel = parcel_new(PARCEL_EVENT);

	(void)parent;
	if (parcel)
		parcel->event = event;
	else
		gst_event_unref(event);
	post(export, parcel);
	return TRUE;
}

static GstPad *bare_pad(const char *name, GstPadDirection direction, void *data)
{
	GstPad *pad = gst_pad_new(name, direction);

	gst_object_ref_sink(pad);
	gst_pad_set_element_private(pad, data);
	return pad;
}

struct export *export_find(const struct room_track *track, unsigned to)
{
	struct export *export;

	LIST_FOR_EACH (export, &track->exports, link) {
		if (export->to == to)
			return export;
	}
	return NULL;
}

static struct export *export_new(struct room_track *track, unsigned to)
{
	struct export *export = calloc(1, sizeof(*export));

	if (!export)
		return NULL;
	export->track = track;
	export->parts = track->publisher->room->context->parts;
	export->to = to;
	export->id = parts_new_id(export->parts);
	export->pad = bare_pad("export", GST_PAD_SINK, export);
	gst_pad_set_chain_function(export->pad, export_chain);
	gst_pad_set_chain_list_function(export->pad, export_chain_list);
	gst_pad_set_event_function(export->pad, export_event);
	(void)gst_pad_set_active(export->pad, TRUE);
	export->track_pad = rtc_track_add_consumer(track->element);
	list_append(&track->exports, &export->link);
	(void)g_hash_table_insert(export->parts->exports, &export->id, export);
	return export;
}

static struct parcel *describe(const struct room_track *track)
{
	struct parcel *parcel = parcel_new(PARCEL_TRACK);
	struct track_told *told = calloc(1, sizeof(*told));

	if (!parcel || !told) {
		free(told);
		return parcel_free(parcel);
	}
	memcpy(told->peer_id, track->publisher->peer_id, sizeof(told->peer_id));
	memcpy(told->mid, track->mid, sizeof(told->mid));
	memcpy(told->track_id, track->track_id, sizeof(told->track_id));
	memcpy(told->source, track->source, sizeof(told->source));
	told->kind = track->kind;
	told->layer_count = track->layer_count;
	told->format = track->format;
	told->incoming = track->incoming;
	parcel->body = told;
	return parcel;
}

void export_to(struct room_track *track, unsigned to)
{
	struct export *export = export_find(track, to);
	bool is_new = !export;

	if (is_new)
		export = export_new(track, to);
	if (!export)
		return; /* without memory: tried again with the track's next change */
	post(export, describe(track));
	if (is_new) /* what it has to say first is said on a mirror that is there */
		(void)gst_pad_link_full(export->track_pad, export->pad, GST_PAD_LINK_CHECK_NOTHING);
}

void export_free(struct export *export)
{
	(void)gst_pad_unlink(export->track_pad, export->pad);
	rtc_track_remove_consumer(export->track->element, export->track_pad);
	(void)gst_pad_set_active(export->pad, FALSE);
	gst_object_unref(export->pad);
	post(export, parcel_new(PARCEL_TRACK_GONE));
	(void)g_hash_table_remove(export->parts->exports, &export->id);
	list_remove(&export->link);
	free(export);
}

bool export_status(struct export *export, struct track_status *ret_status)
{
	const struct room_track *track = export->track;
	const struct voice *voice = rtc_track_voice(track->element);

	if (track->kind == MEDIA_AUDIO && voice->heard_at_us == export->told_voice_us)
		return false;
	export->told_voice_us = voice->heard_at_us;
	*ret_status = (struct track_status){
		.mirror = export->id,
		.voice = *voice,
		.off = track->layers.off,
		.spatial_count = rtc_track_spatial_count(track->element),
		.is_congested = rtc_transport_uplink_has_collapsed(track->publisher->transport)};
	for (uint8_t i = 0; i < LAYERS_MAX; i++)
		ret_status->layers[i] = rtc_track_layer_activity(track->element, i);
	return true;
}

/* A mirror that has never had this layer begins with what is there of it. */
static void send_backlog(struct export *export, uint8_t layer)
{
	GstBufferList *list = rtc_track_backlog(export->track->element, layer, BACKLOG_BYTES_MAX);

	/* By way of the track's pad, which has things to say before its first packet. */
	if (list)
		(void)gst_pad_push_list(export->track_pad, list);
}

void export_on_wanted(struct export *export, unsigned layers)
{
	const struct room_track *track = export->track;
	unsigned news = layers & ~export->wanted & ~export->begun;

	export->wanted = layers;
	for (uint8_t i = 0; i < track->layer_count; i++)
		if (track->kind == MEDIA_VIDEO && news & 1u << i)
			send_backlog(export, i);
	rtc_track_set_layers(track->element, export->track_pad, layers);
}

void export_on_keyframe_wanted(struct export *export, uint8_t layer)
{
	(void)gst_pad_push_event(export->pad, keyframe_request_event_new(layer));
}

void room_track_use_exported_layers(struct room_track *track)
{
	uint64_t now_us = track->publisher->room->context->port->now_us;
	struct export *export;

	LIST_FOR_EACH (export, &track->exports, link) {
		for (uint8_t i = 0; i < LAYERS_MAX; i++)
			if (export->wanted & 1u << i)
				layer_switch_use(&track->layers, i, now_us);
	}
}

void room_track_end_exports(struct room_track *track)
{
	while (!list_is_empty(&track->exports))
		export_free(LIST_ITEM(list_first(&track->exports), struct export, link));
}

/* ---- the mirror ---- */

static void post_upstream(struct mirror *mirror, struct parcel *parcel)
{
	if (parcel)
		parcel->mirror = mirror->id;
	bridge_post(mirror->parts->end, mirror->from, parcel);
}

static void tell_wanted(struct mirror *mirror)
{
	struct parcel *parcel = parcel_new(PARCEL_WANTED);

	for (uint8_t i = 0; parcel && i < LAYERS_MAX; i++)
		if (rtc_track_is_wanted(mirror->track->element, i))
			parcel->layers |= 1u << i;
	post_upstream(mirror, parcel);
}

/* What the mirror wants is asked of the original. */
static gboolean mirror_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
	struct mirror *mirror = gst_pad_get_element_private(pad);
	struct parcel *parcel;
	bool is_wanted;
	uint8_t layer;

	(void)parent;
	if (layer_wanted_event_is(event, &is_wanted)) {
		tell_wanted(mirror);
	} else if (keyframe_request_event_is(event, &layer)) {
		parcel = parcel_new(PARCEL_KEYFRAME);
		if (parcel)
			parcel->layer = layer;
		post_upstream(mirror, parcel);
	}
	gst_event_unref(event);
	return TRUE;
}

static gboolean copy_sticky_event(GstPad *pad, GstEvent **event, gpointer data)
{
	(void)pad;
	(void)gst_pad_store_sticky_event(data, *event);
	return TRUE;
}

static void add_pads(struct mirror *mirror, uint8_t layer_count)
{
	for (uint8_t i = 0; i < layer_count && i < LAYERS_MAX; i++) {
		GstPad *sink = mirror->pads[i] ? NULL : rtc_track_sink(mirror->track->element, i);

		if (!sink)
			continue;
		mirror->pads[i] = bare_pad("mirror", GST_PAD_SRC, mirror);
		gst_pad_set_event_function(mirror->pads[i], mirror_event);
		(void)gst_pad_set_active(mirror->pads[i], TRUE);
		if (i > 0 && mirror->pads[0])
			gst_pad_sticky_events_foreach(mirror->pads[0], copy_sticky_event,
						      mirror->pads[i]);
		(void)gst_pad_link_full(mirror->pads[i], sink, GST_PAD_LINK_CHECK_NOTHING);
	}
}

static struct room_peer *remote_peer(struct room *room, const char *peer_id, unsigned worker)
{
	struct room_peer *peer;

	LIST_FOR_EACH (peer, &room->peers, link) {
		if (peer->kind == PEER_REMOTE && peer->worker == worker &&
		    strcmp(peer->peer_id, peer_id) == 0)
			return peer;
	}
	return room_peer_new_remote(room, peer_id, worker);
}

static struct room_track *mirror_new(struct room *room, const struct parcel *parcel)
{
	const struct track_told *told = parcel->body;
	struct room_peer *peer = remote_peer(room, told->peer_id, parcel->from);
	struct mirror *mirror = calloc(1, sizeof(*mirror));
	struct room_track *track =
		peer && mirror ? room_track_new(peer, told->mid, told->kind) : NULL;

	if (!track) {
		free(mirror);
		room_peer_free_if_empty(peer);
		return NULL;
	}
	rtc_track_be_mirror(track->element);
	mirror->parts = room->context->parts;
	mirror->track = track;
	mirror->from = parcel->from;
	mirror->id = parcel->mirror;
	track->mirror = mirror;
	memcpy(track->source, told->source, sizeof(track->source));
	(void)g_hash_table_insert(mirror->parts->mirrors, &mirror->id, mirror);
	return track;
}

/* Both were published before either worker heard of the other's: the lower worker's keeps the name.
 */
static void rename_namesake(struct room *room, const struct parcel *parcel)
{
	const struct track_told *told = parcel->body;
	struct room_peer *peer;

	if (parcel->from > room->context->parts->worker)
		return;
	LIST_FOR_EACH (peer, &room->peers, link) {
		struct room_track *track;

		LIST_FOR_EACH (track, &peer->tracks, link) {
			if (!track->mirror && strcmp(track->track_id, told->track_id) == 0) {
				room_track_rename(track);
				return;
			}
		}
	}
}

void mirror_on_track(struct room *room, const struct parcel *parcel)
{
	const struct track_told *told = parcel->body;
	struct mirror *mirror = g_hash_table_lookup(room->context->parts->mirrors, &parcel->mirror);
	struct room_track *track = mirror ? mirror->track : mirror_new(room, parcel);

	if (!track)
		return;
	track->format = told->format;
	track->incoming = told->incoming;
	track->layer_count = told->layer_count;
	if (strcmp(track->track_id, told->track_id) != 0) {
		memcpy(track->track_id, told->track_id, sizeof(track->track_id));
		rename_namesake(room, parcel);
		room_track_renamed(track);
	}
	add_pads(track->mirror, told->layer_count);
	if (!mirror)
		room_offer_track(track); /* the tick negotiates it */
}

/* Before its track goes. */
void mirror_free(struct mirror *mirror)
{
	if (!mirror)
		return;
	(void)g_hash_table_remove(mirror->parts->mirrors, &mirror->id);
	for (uint8_t i = 0; i < LAYERS_MAX; i++) {
		GstPad *sink = mirror->pads[i] ? gst_pad_get_peer(mirror->pads[i]) : NULL;

		if (sink)
			(void)gst_pad_unlink(mirror->pads[i], sink);
		g_clear_object(&sink);
		if (mirror->pads[i])
			(void)gst_pad_set_active(mirror->pads[i], FALSE);
		g_clear_object(&mirror->pads[i]);
	}
	free(mirror);
}

void mirror_on_gone(struct mirror *mirror)
{
	struct room_peer *peer = mirror->track->publisher;

	room_track_free(mirror->track);
	room_peer_free_if_empty(peer);
}

void mirror_on_packets(struct mirror *mirror, struct parcel *parcel)
{
	if (parcel->layer < LAYERS_MAX && mirror->pads[parcel->layer])
		pad_push_list(mirror->pads[parcel->layer], parcel->list);
}

/* What a pad must have heard before its first packet is said to each, the rest once. */
void mirror_on_event(struct mirror *mirror, struct parcel *parcel)
{
	GstEvent *event = parcel->event;
	bool is_for_all = GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START ||
			  GST_EVENT_TYPE(event) == GST_EVENT_CAPS ||
			  GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT;
	uint8_t layer = 0;

	(void)source_restart_event_is(event, &layer);
	for (uint8_t i = 0; i < LAYERS_MAX; i++)
		if (mirror->pads[i] && (is_for_all || i == layer))
			(void)gst_pad_push_event(mirror->pads[i], gst_event_ref(event));
}

void mirror_on_damaged(struct mirror *mirror, uint8_t layer)
{
	if (layer < LAYERS_MAX && mirror->pads[layer])
		(void)gst_pad_push_event(mirror->pads[layer], layer_damaged_event_new());
}

void mirror_on_status(struct mirror *mirror, const struct track_status *status)
{
	struct room_track *track = mirror->track;
	struct voice *voice = rtc_track_voice(track->element);
	uint64_t louder_since_us = voice->louder_since_us; /* as this room compares them */

	*voice = status->voice;
	voice->louder_since_us = louder_since_us;
	track->layers.off = status->off;
	mirror->is_source_congested = status->is_congested;
	rtc_track_set_spatial_count(track->element, status->spatial_count);
	for (uint8_t i = 0; i < LAYERS_MAX; i++)
		rtc_track_set_layer_activity(track->element, i, status->layers[i]);
}

bool room_track_source_is_congested(const struct room_track *track)
{
	return track->mirror ? track->mirror->is_source_congested
			     : rtc_transport_uplink_has_collapsed(track->publisher->transport);
}
