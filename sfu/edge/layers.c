/* layers.c - which layer of each video a peer is sent, from moment to moment. */
#include "sfu/edge/room_private.h"

enum { STREAMS_MAX = 256 };

/* What the publisher sends of it now. A track of one layer is taken as it comes: its silence is no
 * reason to leave it. */
static void observe(struct subscription *subscription)
{
	const struct room_track *track = subscription->track;
	struct allocator_stream *stream = &subscription->allocation;
	uint64_t now_us = track->publisher->room->context->port->now_us;

	stream->layer_count = track->layer_count;
	for (uint8_t i = 0; i < track->layer_count; i++) {
		struct layer_activity activity = rtc_track_layer_activity(track->element, i);

		stream->layers[i] = (struct allocator_layer){
			.is_live = track->layer_count == 1 ||
				   (activity.last_packet_us &&
				    now_us - activity.last_packet_us < ALLOCATOR_SILENCE_US),
			.bitrate_bps = activity.bitrate_bps,
			.size = activity.size};
	}
}

/* The track pushes what flows and what is to flow: that begins with its keyframe. */
static void carry_out(struct subscription *subscription)
{
	uint8_t target = subscription->allocation.target;
	unsigned layers = 0;
	uint8_t current;

	rtc_transport_set_layer(subscription->transport_pad, target);
	current = rtc_transport_layer(subscription->transport_pad);
	if (target != LAYER_NONE)
		layers |= 1u << target;
	if (current != LAYER_NONE)
		layers |= 1u << current;
	rtc_track_set_layers(subscription->track->element, subscription->track_pad, layers);
}

static bool is_video_flowing(const struct subscription *subscription)
{
	return subscription->track_pad && subscription->track->kind == MEDIA_VIDEO;
}

void room_peer_choose_layers(struct room_peer *peer)
{
	struct allocator_stream *streams[STREAMS_MAX];
	struct subscription *subscription;
	size_t count = 0;

	LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
		if (!is_video_flowing(subscription) || count == STREAMS_MAX)
			continue;
		observe(subscription);
		streams[count++] = &subscription->allocation;
	}
	(void)allocator_run(streams, count, ALLOCATOR_BUDGET_UNLIMITED,
			    peer->room->context->port->now_us);
	LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
		if (is_video_flowing(subscription))
			carry_out(subscription);
	}
}
