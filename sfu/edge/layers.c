/* layers.c - which layer of each video a peer is sent, from moment to moment, and which of them the
 * publisher need not send at all. */
#include "core/json.h"
#include "core/log.h"
#include "sfu/edge/room_private.h"

enum {
	STREAMS_MAX = 256,
	INTERVAL_US = 20000,
	SETTLED_INTERVAL_US = 100000, /* as often as a calm peer's tick comes: CALM_TICKS */
	TICK_EARLY_US = 5000,	      /* a tick may come a little before its time */
	MANY = 16,		      /* subscriptions: from here on, less often */
	GONE_US = 1000000 /* so long without a packet: the publisher does not send that layer */
};

static bool has_spatial(const struct room_track *track)
{
	return rtc_track_spatial_count(track->element) > 1;
}

uint8_t room_track_layer_count(const struct room_track *track)
{
	uint8_t spatial_count = rtc_track_spatial_count(track->element);

	if (!has_spatial(track))
		return track->layer_count;
	return spatial_count < LAYERS_MAX ? spatial_count : LAYERS_MAX;
}

/* VP9's own descriptor tells layers apart. Of AV1 who does not agree to the dependency descriptor
 * can make nothing of more than the lowest. */
static bool takes_spatial(const struct subscription *subscription)
{
	return !has_spatial(subscription->track) ||
	       subscription->track->format.codec->picture_numbers ||
	       rtc_transport_sends_dependencies(subscription->transport_pad);
}

/* What is sent to the subscriber now has just been left off by the publisher: another layer is
 * needed at once. */
static bool has_lost_layer(const struct subscription *subscription)
{
	uint8_t current = rtc_transport_layer(subscription->transport_pad);

	return current != LAYER_NONE &&
	       rtc_track_layer_activity(subscription->track->element, current).is_gone;
}

/* What the publisher sends of it now; and what it would if somebody wanted it, unless there is no
 * time to tell it so. */
static void observe(struct subscription *subscription)
{
	const struct room_track *track = subscription->track;
	struct allocator_stream *stream = &subscription->allocation;
	bool is_in_haste = has_lost_layer(subscription);
	uint64_t now_us = subscription->subscriber->room->context->port->now_us;

	stream->layer_count = takes_spatial(subscription) ? room_track_layer_count(track) : 1;
	stream->is_source_congested = room_track_source_is_congested(track);
	for (uint8_t i = 0; i < stream->layer_count; i++) {
		struct layer_activity activity = rtc_track_layer_activity(track->element, i);

		stream->layers[i] = (struct allocator_layer){
			.is_live =
				!activity.is_gone ||
				(!is_in_haste && layer_switch_may_come(&track->layers, i, now_us)),
			.bitrate_bps = activity.rates.bitrate_bps,
			.size = activity.size};
		memcpy(stream->layers[i].reduced_bps, activity.rates.reduced_bps,
		       sizeof(activity.rates.reduced_bps));
	}
}

/* It carries more than what should flow. */
static bool is_larger(const struct allocator_stream *stream, uint8_t current)
{
	return current != LAYER_NONE && stream->target != LAYER_NONE &&
	       stream->layers[current].bitrate_bps > stream->layers[stream->target].bitrate_bps;
}

/* What meanwhile() leaves of it: its lowest temporal layer. Where there is only all or nothing,
 * half of it: so much too much is borne for a moment. */
static uint64_t least_of(const struct allocator_layer *layer)
{
	bool has_less = layer->reduced_bps[0] && layer->reduced_bps[0] < layer->bitrate_bps;

	return has_less ? layer->reduced_bps[0] : layer->bitrate_bps / 2;
}

/* The way, of the publisher or of the subscriber, does not even carry what would be left of what
 * flows: to go on with that, or to repeat what was lost of it, until the smaller layer's keyframe
 * comes would only keep that from getting through. */
static bool is_urgent(const struct allocator_stream *stream, uint8_t current, int64_t budget_bps)
{
	if (!is_larger(stream, current))
		return false;
	return stream->is_source_congested ||
	       (budget_bps != ALLOCATOR_BUDGET_UNLIMITED &&
		least_of(&stream->layers[current]) > (uint64_t)budget_bps);
}

/* What flowed has ended, and the keyframe of the layer that should has not come: the publisher may
 * have left that one off meanwhile. Any smaller one is better than nothing. */
static unsigned stopgaps(const struct subscription *subscription)
{
	const struct allocator_stream *stream = &subscription->allocation;
	unsigned layers = 0;

	if (has_spatial(subscription->track) || stream->target == LAYER_NONE ||
	    !rtc_transport_is_dark(subscription->transport_pad) ||
	    rtc_transport_layer(subscription->transport_pad) == stream->target)
		return 0;
	for (size_t i = 0; i < stream->layer_count; i++)
		if (stream->layers[i].bitrate_bps < stream->layers[stream->target].bitrate_bps)
			layers |= 1u << i;
	return layers;
}

/* Until the keyframe of a smaller layer comes, as little as can be of the one that is too large. */
static uint8_t meanwhile(const struct allocator_stream *stream, uint8_t current)
{
	return stream->is_starved && is_larger(stream, current) ? 0 : TEMPORAL_LAYER_MAX;
}

/* Layers that are streams. Returns what flows and what is to flow, as bits: that begins with its
 * keyframe. */
static unsigned choose_stream(struct subscription *subscription, int64_t budget_bps)
{
	const struct allocator_stream *stream = &subscription->allocation;
	GstPad *pad = subscription->transport_pad;
	uint8_t current = rtc_transport_layer(pad);
	unsigned layers = 0;

	rtc_transport_set_temporal(pad, stream->target_temporal, meanwhile(stream, current));
	rtc_transport_set_spatial(pad, 0, SPATIAL_LAYER_MAX);
	rtc_transport_set_layer(pad, stream->target, is_urgent(stream, current, budget_bps));
	current = rtc_transport_layer(pad);
	if (stream->target != LAYER_NONE)
		layers |= 1u << stream->target;
	if (current != LAYER_NONE)
		layers |= 1u << current;
	return layers;
}

/* The target is the highest one that there is. One that comes (back) above it then flows with the
 * keyframe that it comes with, rather than after one more; once it is known what it costs it is
 * chosen or not. */
static bool is_top(const struct allocator_stream *stream)
{
	for (size_t i = stream->target + 1u; i < stream->layer_count; i++)
		if (stream->layers[i].is_live && stream->layers[i].bitrate_bps)
			return false;
	return true;
}

/* Layers inside one stream. There is nothing to wait for on the way down: what is too much is left
 * out from the next picture on. Returns the layers of use, as bits. */
static unsigned choose_spatial(struct subscription *subscription)
{
	const struct allocator_stream *stream = &subscription->allocation;
	GstPad *pad = subscription->transport_pad;
	uint8_t highest = stream->target, current;

	rtc_transport_set_temporal(pad, stream->target_temporal, TEMPORAL_LAYER_MAX);
	if (stream->target != LAYER_NONE)
		rtc_transport_set_spatial(pad, stream->target,
					  is_top(stream) && takes_spatial(subscription)
						  ? SPATIAL_LAYER_MAX
						  : stream->target);
	rtc_transport_set_layer(pad, stream->target == LAYER_NONE ? LAYER_NONE : 0, false);
	if (stream->target == LAYER_NONE)
		return 0;
	current = rtc_transport_spatial(pad);
	if (current < stream->layer_count && current > highest)
		highest = current;
	return (2u << highest) - 1;
}

static void carry_out(struct subscription *subscription, int64_t budget_bps, uint64_t now_us)
{
	struct room_track *track = subscription->track;
	unsigned layers = has_spatial(track) ? choose_spatial(subscription)
					     : choose_stream(subscription, budget_bps);
	unsigned others = stopgaps(subscription);

	for (uint8_t i = 0; i < LAYERS_MAX; i++)
		if (layers & 1u << i)
			layer_switch_use(&track->layers, i, now_us);
	rtc_transport_set_stopgaps(subscription->transport_pad, others);
	rtc_track_set_layers(track->element, subscription->track_pad, layers | others);
}

static bool is_switching(const struct subscription *subscription)
{
	GstPad *pad = subscription->transport_pad;
	uint8_t current = has_spatial(subscription->track) ? rtc_transport_spatial(pad)
							   : rtc_transport_layer(pad);

	return current != subscription->allocation.target;
}

static unsigned live_layers(const struct allocator_stream *stream)
{
	unsigned bits = 0;

	for (uint8_t i = 0; i < stream->layer_count; i++)
		bits |= stream->layers[i].is_live ? 1u << i : 0;
	return bits;
}

/* Why somebody's picture changed is asked often. */
static void note_change(const struct subscription *subscription, uint8_t before, int64_t budget_bps)
{
	const struct allocator_stream *stream = &subscription->allocation;
	const struct room_track *track = subscription->track;

	LOG(LOG_DEBUG, LOG_WEBRTC, "layer_chosen",
	    LOG_TEXT("room", subscription->subscriber->room->room_id),
	    LOG_TEXT("peer", subscription->subscriber->peer_id), LOG_TEXT("track", track->track_id),
	    LOG_INT("from", before == LAYER_NONE ? -1 : before),
	    LOG_INT("to", stream->target == LAYER_NONE ? -1 : stream->target),
	    LOG_INT("temporal", stream->target_temporal),
	    LOG_INT("bps", allocator_stream_bps(stream)), LOG_INT("budget_bps", budget_bps),
	    LOG_INT("live", live_layers(stream)),
	    LOG_INT("source_congested", stream->is_source_congested));
}

static bool is_video_flowing(const struct subscription *subscription)
{
	return subscription->track_pad && subscription->track->kind == MEDIA_VIDEO;
}

/* Sound goes first: what it takes is not there for pictures. */
static uint64_t audio_bps(const struct room_peer *peer)
{
	struct subscription *subscription;
	uint64_t sum_bps = 0;

	LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
		if (subscription->track_pad && subscription->track->kind == MEDIA_AUDIO)
			sum_bps += rtc_track_layer_activity(subscription->track->element, 0)
					   .rates.bitrate_bps;
	}
	return sum_bps;
}

static uint64_t total_bps(struct allocator_stream *const *streams, size_t count)
{
	uint64_t sum_bps = 0;

	for (size_t i = 0; i < count; i++)
		sum_bps += allocator_stream_bps(streams[i]);
	return sum_bps;
}

/* What the smallest layer costs of a picture that the subscriber has paused and may want back. */
static uint64_t paused_bps(const struct subscription *subscription)
{
	const struct allocator_stream *stream = &subscription->allocation;
	uint64_t least = 0;

	for (size_t i = 0; i < stream->layer_count && subscription->is_unwanted; i++) {
		const struct allocator_layer *layer = &stream->layers[i];

		if (layer->is_live && layer->bitrate_bps && (!least || layer->bitrate_bps < least))
			least = layer->bitrate_bps;
	}
	return least;
}

/* What the subscriber calls important, then who spoke last. */
static int compare_importance(const void *a, const void *b)
{
	const struct subscription *one = *(struct subscription *const *)a;
	const struct subscription *two = *(struct subscription *const *)b;
	uint64_t one_us = room_peer_spoke_at_us(one->track->publisher);
	uint64_t two_us = room_peer_spoke_at_us(two->track->publisher);

	if (one->priority != two->priority)
		return one->priority > two->priority ? -1 : 1;
	return (one_us < two_us) - (one_us > two_us);
}

static size_t collect_videos(struct room_peer *peer, struct subscription *videos[STREAMS_MAX])
{
	struct subscription *subscription;
	size_t count = 0;

	LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
		if (is_video_flowing(subscription) && count < STREAMS_MAX)
			videos[count++] = subscription;
	}
	return count;
}

/* Who speaks comes first among equals; of many, those beyond the bound wait. */
static void set_importance(struct room_peer *peer, struct subscription **videos, size_t count)
{
	const struct room *room = peer->room;
	size_t most = room->context->video_streams_max;

	if (most && count > most)
		qsort(videos, count, sizeof(struct subscription *), compare_importance);
	for (size_t i = 0; i < count; i++) {
		struct allocator_stream *stream = &videos[i]->allocation;

		stream->priority =
			2 * videos[i]->priority +
			(strcmp(videos[i]->track->publisher->peer_id, room->speaker) == 0);
		stream->is_paused = videos[i]->is_unwanted || (most && i >= most);
	}
}

void room_peer_choose_layers(struct room_peer *peer)
{
	struct subscription *videos[STREAMS_MAX];
	struct allocator_stream *streams[STREAMS_MAX];
	struct {
		uint8_t layer, temporal;
	} before[STREAMS_MAX];
	int64_t budget_bps = rtc_transport_budget_bps(peer->transport);
	uint64_t sound_bps = audio_bps(peer), missing_bps, wanted_bps = 0;
	size_t count = collect_videos(peer, videos);
	unsigned share_percent = peer->room->context->overload->share_percent;

	peer->layers_chosen_us = peer->room->context->port->now_us;
	peer->has_settled = true;
	if (count == 0) {
		rtc_transport_set_wanted(peer->transport, 0);
		return;
	}
	set_importance(peer, videos, count);
	for (size_t i = 0; i < count; i++) {
		observe(videos[i]);
		streams[i] = &videos[i]->allocation;
		before[i].layer = streams[i]->target;
		before[i].temporal = streams[i]->target_temporal;
	}
	if (budget_bps != ALLOCATOR_BUDGET_UNLIMITED)
		budget_bps = budget_bps > (int64_t)sound_bps ? budget_bps - (int64_t)sound_bps : 0;
	if (share_percent != OVERLOAD_SHARE_ALL) /* this worker is too busy (overload.h) */
		budget_bps = allocator_bound_by_share(streams, count, share_percent, budget_bps);
	missing_bps = allocator_run(streams, count, budget_bps, peer->layers_chosen_us);
	for (size_t i = 0; i < count; i++)
		wanted_bps += paused_bps(videos[i]);
	if (missing_bps || wanted_bps)
		wanted_bps += total_bps(streams, count) + missing_bps + sound_bps;
	rtc_transport_set_wanted(peer->transport, wanted_bps);
	peer->has_settled = wanted_bps == 0 && share_percent == OVERLOAD_SHARE_ALL;
	for (size_t i = 0; i < count; i++) {
		if (streams[i]->target != before[i].layer ||
		    streams[i]->target_temporal != before[i].temporal)
			note_change(videos[i], before[i].layer, budget_bps);
		carry_out(videos[i], budget_bps, peer->layers_chosen_us);
		peer->has_settled &= !is_switching(videos[i]);
	}
}

void room_peer_tick_layers(struct room_peer *peer)
{
	uint64_t elapsed_us = peer->room->context->port->now_us - peer->layers_chosen_us;
	uint64_t interval_us = INTERVAL_US * (1 + peer->subscription_count / MANY);

	if (peer->has_settled && interval_us < SETTLED_INTERVAL_US)
		interval_us = SETTLED_INTERVAL_US;
	if (elapsed_us + TICK_EARLY_US >= interval_us)
		room_peer_choose_layers(peer);
}

/* Of what observe() finds, all that does not change by itself with every picture. */
static uint32_t appearance(const struct room_track *track)
{
	uint64_t now_us = track->publisher->room->context->port->now_us;
	uint32_t sum = room_track_source_is_congested(track);

	for (uint8_t i = 0; i < room_track_layer_count(track); i++) {
		struct layer_activity activity = rtc_track_layer_activity(track->element, i);

		sum = 31 * sum + activity.size.width_px;
		sum = 31 * sum + activity.size.height_px;
		sum = 8 * sum + 4 * activity.is_gone + 2 * (activity.rates.bitrate_bps > 0) +
		      layer_switch_may_come(&track->layers, i, now_us);
	}
	return sum;
}

void room_track_watch_layers(struct room_track *track)
{
	uint32_t before = track->appearance;
	struct room_peer *peer;

	track->appearance = appearance(track);
	if (track->appearance == before)
		return;
	LIST_FOR_EACH (peer, &track->publisher->room->peers, link) {
		room_peer_wake(peer);
	}
}

/* ---- what the subscriber says ---- */

static void take_number(const json_t *view, const char *name, uint16_t *ret_number)
{
	const json_t *number = json_object_get(view, name);

	if (json_is_integer(number) && json_integer_value(number) >= 0)
		*ret_number = (uint16_t)json_integer_value(number);
}

void room_describe_view(struct room *room, const char *peer_id, const json_t *view)
{
	struct room_peer *peer = room_peer_find(room, peer_id);
	const char *track_id = json_string_value(json_object_get(view, "track_id"));
	const json_t *paused = json_object_get(view, "paused");
	struct subscription *subscription;

	if (!peer || !track_id)
		return;
	LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
		struct allocator_stream *stream = &subscription->allocation;
		uint16_t priority = (uint16_t)subscription->priority;

		if (strcmp(subscription->track->track_id, track_id) != 0)
			continue;
		take_number(view, "width", &stream->shown.width_px);
		take_number(view, "height", &stream->shown.height_px);
		take_number(view, "priority", &priority);
		subscription->priority = priority;
		room_peer_wake(peer);
		if (json_is_boolean(paused))
			subscription->is_unwanted = json_is_true(paused);
	}
}

/* ---- what the publisher is told ---- */

static uint8_t smallest_layer(const struct room_track *track)
{
	uint64_t least_bps = UINT64_MAX;
	uint8_t smallest = 0;

	for (uint8_t i = 0; i < room_track_layer_count(track); i++) {
		uint64_t bps = rtc_track_layer_activity(track->element, i).rates.bitrate_bps;

		if (bps && bps < least_bps) {
			least_bps = bps;
			smallest = i;
		}
	}
	return smallest;
}

/* Only who signals can be told, and of streams only by RID which is meant. */
static bool can_be_told(const struct room_track *track)
{
	return track->publisher->kind == PEER_CALL &&
	       (has_spatial(track) || (track->layer_count > 1 && track->incoming.rid_count > 0));
}

static json_t *describe_switch(const struct room_track *track, uint8_t layer)
{
	bool is_active = !layer_switch_is_off(&track->layers, layer);

	return has_spatial(track)
		       ? json_pack("{s:i, s:b}", "spatial_layer", (int)layer, "active", is_active)
		       : json_pack("{s:s, s:b}", "rid", track->incoming.rids[layer], "active",
				   is_active);
}

void room_track_tell_layers(const struct room_track *track)
{
	const struct room_context *context = track->publisher->room->context;
	json_t *layers;

	if (!can_be_told(track))
		return;
	layers = json_array();
	for (uint8_t i = 0; i < room_track_layer_count(track); i++)
		(void)json_array_append_new(layers, describe_switch(track, i));
	context->events->layers(context->events_data, track->publisher->room->room_id,
				track->publisher->peer_id, track->mid, layers);
}

static unsigned sent_layers(const struct room_track *track, uint64_t now_us)
{
	unsigned bits = 0;

	for (uint8_t i = 0; i < room_track_layer_count(track); i++) {
		struct layer_activity activity = rtc_track_layer_activity(track->element, i);

		bits |= now_us - activity.last_packet_us < GONE_US ? 1u << i : 0;
	}
	return bits;
}

void room_track_switch_layers(struct room_track *track)
{
	uint64_t now_us = track->publisher->room->context->port->now_us;

	if (can_be_told(track) &&
	    layer_switch_run(&track->layers, room_track_layer_count(track), smallest_layer(track),
			     sent_layers(track, now_us), now_us))
		room_track_tell_layers(track);
}
