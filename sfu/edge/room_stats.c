/* room_stats.c - a call as numbers: {room_id, speaker, peers: [{peer_id, kind, m_lines, tracks,
 * subscriptions, and what transport_stats.c tells}]}. */
#include "core/json.h"
#include "sfu/edge/room_private.h"

static json_t *describe_layer(const struct room_track *track, uint8_t layer)
{
	struct layer_activity activity = rtc_track_layer_activity(track->element, layer);
	const struct layer_rates *rates = &activity.rates;
	json_t *told = json_pack("{s:i, s:I, s:b, s:b}", "layer", (int)layer, "bitrate_bps",
				 (json_int_t)rates->bitrate_bps, "wanted",
				 rtc_track_is_wanted(track->element, layer), "off",
				 layer_switch_is_off(&track->layers, layer));
	json_t *reduced = json_array();

	for (size_t i = 0; i < TEMPORAL_REDUCED && rates->reduced_bps[i] < rates->bitrate_bps; i++)
		(void)json_array_append_new(reduced,
					    json_integer((json_int_t)rates->reduced_bps[i]));
	(void)json_object_set_new(told, "reduced_bps", reduced); /* of the lowest temporal layers */
	if (track->incoming.rid_count > layer)
		(void)json_object_set_new(told, "rid", json_string(track->incoming.rids[layer]));
	if (activity.size.width_px) {
		(void)json_object_set_new(told, "width", json_integer(activity.size.width_px));
		(void)json_object_set_new(told, "height", json_integer(activity.size.height_px));
	}
	return told;
}

static json_t *describe_tracks(const struct room_peer *peer)
{
	json_t *tracks = json_array();
	struct room_track *track;

	LIST_FOR_EACH (track, &peer->tracks, link) {
		json_t *layers = json_array();

		for (uint8_t i = 0; i < room_track_layer_count(track); i++)
			(void)json_array_append_new(layers, describe_layer(track, i));
		(void)json_array_append_new(
			tracks, json_pack("{s:s, s:s, s:s, s:s, s:b, s:o}", "track_id",
					  track->track_id, "mid", track->mid, "kind",
					  track->kind == MEDIA_VIDEO ? "video" : "audio", "codec",
					  track->format.codec->name, "muted", track->is_muted,
					  "layers", layers));
	}
	return tracks;
}

static json_t *describe_subscriptions(const struct room_peer *peer)
{
	json_t *subscriptions = json_array();
	struct subscription *subscription;

	LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
		const struct allocator_stream *allocation = &subscription->allocation;
		const struct room_track *track = subscription->track;
		json_t *told = json_pack(
			"{s:s, s:s, s:s, s:b, s:b, s:b}", "track_id", track->track_id, "kind",
			track->kind == MEDIA_VIDEO ? "video" : "audio", "publisher_peer_id",
			track->publisher->peer_id, "refused", subscription->is_refused, "paused",
			track->kind == MEDIA_VIDEO ? allocation->is_paused : !track->is_heard,
			"starved", track->kind == MEDIA_VIDEO && allocation->is_starved);

		if (subscription->transport_pad) {
			AUTO_JSON sent = rtc_transport_send_stats(subscription->transport_pad);

			(void)json_object_update(told, sent);
		}
		(void)json_array_append_new(subscriptions, told);
	}
	return subscriptions;
}

json_t *room_stats(const struct room *room)
{
	json_t *peers = json_array();
	struct room_peer *peer;

	LIST_FOR_EACH (peer, &room->peers, link) {
		json_t *told;

		if (peer->kind == PEER_REMOTE)
			continue;
		told = rtc_transport_stats(peer->transport);
		(void)json_object_set_new(told, "peer_id", json_string(peer->peer_id));
		(void)json_object_set_new(told, "kind", json_string(room_peer_kind(peer)));
		(void)json_object_set_new(told, "m_lines",
					  json_integer((json_int_t)peer->negotiation.line_count));
		(void)json_object_set_new(told, "tracks", describe_tracks(peer));
		(void)json_object_set_new(told, "subscriptions", describe_subscriptions(peer));
		(void)json_array_append_new(peers, told);
	}
	return json_pack("{s:s, s:s?, s:o}", "room_id", room->room_id, "speaker",
			 *room->speaker ? room->speaker : NULL, "peers", peers);
}
