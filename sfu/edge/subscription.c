/* subscription.c - tracks and subscriptions as pads that are linked and unlinked. */
#include <errno.h>
#include <stdio.h>

#include "core/log.h"
#include "sfu/edge/room_private.h"

/* ---- tracks ---- */

static struct room_track *track_find(const struct room_peer *peer, const char *mid)
{
	struct room_track *track;

	LIST_FOR_EACH (track, &peer->tracks, link) {
		if (strcmp(track->mid, mid) == 0)
			return track;
	}
	return NULL;
}

static bool id_is_taken(const struct room_track *besides, const char *id)
{
	struct room_peer *peer;

	LIST_FOR_EACH (peer, &besides->publisher->room->peers, link) {
		struct room_track *track;

		LIST_FOR_EACH (track, &peer->tracks, link) {
			if (track != besides && strcmp(track->track_id, id) == 0)
				return true;
		}
	}
	return false;
}

/* The publisher's own name for it (NULL: it has none) if nobody else's track is called so: two of a
 * kind (GStreamer calls each one's "webrtctransceiver1") would be taken for each other, and anybody
 * may copy a name. */
static void choose_id(struct room_track *track, const char *wanted)
{
	char id[TRACK_ID_MAX + 1] = "";

	if (wanted && strlen(wanted) <= TRACK_ID_MAX)
		(void)snprintf(id, sizeof(id), "%s", wanted);
	for (unsigned n = 1; !*id || id_is_taken(track, id); n++) {
		int length =
			snprintf(id, sizeof(id), "%.40s-%s", track->publisher->peer_id, track->mid);

		if (n > 1)
			(void)snprintf(id + length, sizeof(id) - (size_t)length, "-%u", n);
	}
	memcpy(track->track_id, id, sizeof(track->track_id));
}

struct room_track *room_track_new(struct room_peer *peer, const char *mid, enum media_kind kind)
{
	struct room_track *track = calloc(1, sizeof(*track));
	struct media_port *port = peer->room->context->port;
	gchar *name;

	if (!track)
		return NULL;
	name = g_strdup_printf("track%u_%s_%s", peer->room->track_count++, peer->peer_id, mid);
	track->element = rtc_track_new(name, kind == MEDIA_VIDEO, &port->now_us,
				       &port->counters.keyframes_withheld);
	g_free(name);
	if (!track->element) {
		free(track);
		return NULL;
	}
	track->publisher = peer;
	list_init(&track->exports);
	(void)snprintf(track->mid, sizeof(track->mid), "%s", mid);
	(void)snprintf(track->source, sizeof(track->source), "%s",
		       kind == MEDIA_VIDEO ? "camera" : "microphone");
	track->kind = kind;
	track->is_heard = true; /* until there are too many */
	rtc_track_set_muted(track->element, room_track_is_muted_by_moderator(track));
	gst_object_ref_sink(track->element);
	(void)gst_bin_add(GST_BIN_CAST(peer->room->bin), GST_ELEMENT_CAST(track->element));
	(void)gst_element_set_state(GST_ELEMENT_CAST(track->element), GST_STATE_PLAYING);
	list_append(&peer->tracks, &track->link);
	return track;
}

/* `id` is what it was called before; "": nothing. */
static struct room_track *track_of_line(struct room_peer *peer, const struct media_line *line,
					const char *id)
{
	struct room_track *track = room_track_new(peer, line->mid, line->kind);

	if (!track)
		return NULL;
	if (line->remote.msid_track)
		(void)snprintf(track->own_id, sizeof(track->own_id), "%s", line->remote.msid_track);
	choose_id(track, *id ? id : track->own_id);
	LOG(LOG_INFO, LOG_WEBRTC, "track_published", LOG_TEXT("room", peer->room->room_id),
	    LOG_TEXT("peer", peer->peer_id), LOG_TEXT("mid", track->mid),
	    LOG_TEXT("track", track->track_id), LOG_TEXT("codec", line->format.codec->name),
	    LOG_TEXT("fmtp", line->format.fmtp));
	return track;
}

static void unsubscribe_all(struct room_track *track)
{
	struct room *room = track->publisher->room;
	struct room_peer *peer;

	LIST_FOR_EACH (peer, &room->peers, link) {
		struct subscription *subscription;

		LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
			if (subscription->track == track &&
			    !subscription_show_another(subscription))
				subscription_free(subscription);
		}
	}
}

void room_track_free(struct room_track *track)
{
	struct room *room = track->publisher->room;

	list_remove(&track->link); /* nobody shall be shown it instead of itself */
	unsubscribe_all(track);
	room_track_end_exports(track);
	mirror_free(track->mirror);
	(void)gst_element_set_state(GST_ELEMENT_CAST(track->element), GST_STATE_NULL);
	(void)gst_bin_remove(GST_BIN_CAST(room->bin), GST_ELEMENT_CAST(track->element));
	gst_object_unref(track->element);
	free(track);
}

void room_track_renamed(const struct room_track *track)
{
	struct room_peer *peer;

	LIST_FOR_EACH (peer, &track->publisher->room->peers, link) {
		struct subscription *subscription;

		LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
			if (subscription->track == track && peer->kind == PEER_CALL)
				peer->negotiation.is_dirty = true; /* what it has is the name */
		}
	}
}

void room_track_rename(struct room_track *track)
{
	choose_id(track, NULL);
	LOG(LOG_INFO, LOG_WEBRTC, "track_renamed",
	    LOG_TEXT("room", track->publisher->room->room_id),
	    LOG_TEXT("peer", track->publisher->peer_id), LOG_TEXT("mid", track->mid),
	    LOG_TEXT("track", track->track_id));
	room_track_export(track);
	room_track_renamed(track);
	room_publish_changed(track->publisher);
}

static void link_receive_pads(struct room_track *track, GstPad *const pads[LAYERS_MAX])
{
	for (uint8_t layer = 0; layer < LAYERS_MAX && pads[layer]; layer++) {
		GstPad *sink = rtc_track_sink(track->element, layer);

		if (sink && !gst_pad_is_linked(sink))
			(void)gst_pad_link_full(pads[layer], sink, GST_PAD_LINK_CHECK_NOTHING);
	}
}

static struct track_names names_of(const struct sdp_media *remote)
{
	struct track_names names = {.rid_count = remote->rid_count};

	memcpy(names.extension_ids, remote->extension_ids, sizeof(names.extension_ids));
	memcpy(names.rids, remote->rids, sizeof(names.rids));
	return names;
}

/* The line publishes: have a track for it, with its present numbers. True: it is new. */
static bool publish(struct room_peer *peer, const struct media_line *line)
{
	struct room_track *track = track_find(peer, line->mid);
	bool is_new;
	GstPad *pads[LAYERS_MAX];
	char id[TRACK_ID_MAX + 1] = "";

	if (track && !media_format_is_same(&track->format, &line->format)) {
		/* It goes on in another codec: to its subscribers that is another track. To the
		 * transport it is the same stream, under SSRCs that it may not be told again. */
		memcpy(id, track->track_id, sizeof(id));
		room_track_free(track);
		track = NULL;
	}
	is_new = !track;
	if (rtc_transport_receive(peer->transport, line, pads) < 0)
		return false;
	if (!track)
		track = track_of_line(peer, line, id);
	if (!track)
		return false;
	track->format = line->format;
	track->incoming = names_of(&line->remote);
	track->layer_count = media_line_layer_count(line);
	if (peer->room->context->with_svc)
		rtc_track_find_spatial(track->element);
	link_receive_pads(track, pads);
	room_track_export(track);
	return is_new;
}

void room_offer_track(struct room_track *track)
{
	struct room_peer *publisher = track->publisher, *other;

	LIST_FOR_EACH (other, &publisher->room->peers, link) {
		if (other != publisher && other->kind == PEER_CALL)
			room_peer_subscribe(other, track);
	}
}

bool room_peer_sync_tracks(struct room_peer *peer)
{
	bool has_changed = false;

	for (size_t i = 0; i < peer->negotiation.line_count; i++) {
		const struct media_line *line = peer->negotiation.lines[i];
		struct room_track *track = track_find(peer, line->mid);

		if (line->is_publishing) {
			if (!publish(peer, line))
				continue;
			has_changed = true;
			room_offer_track(track_find(peer, line->mid));
		} else if (track) {
			room_track_free(track);
			rtc_transport_receive_end(peer->transport, line->mid);
			has_changed = true;
		}
	}
	return has_changed;
}

/* ---- subscriptions ---- */

int subscription_new(struct room_peer *subscriber, struct room_track *track,
		     struct subscription **ret_subscription)
{
	struct subscription *subscription = calloc(1, sizeof(*subscription));

	if (!subscription)
		return -ENOMEM;
	subscription->subscriber = subscriber;
	subscription->track = track;
	allocator_stream_init(&subscription->allocation);
	subscription->priority = ALLOCATOR_PRIORITY_DEFAULT;
	list_append(&subscriber->subscriptions, &subscription->link);
	subscriber->subscription_count++;
	*ret_subscription = subscription;
	return 0;
}

static void unlink_pads(struct subscription *subscription)
{
	if (!subscription->track_pad)
		return;
	(void)gst_pad_unlink(subscription->track_pad, subscription->transport_pad);
	rtc_track_remove_consumer(subscription->track->element, subscription->track_pad);
	rtc_transport_send_end(subscription->subscriber->transport, subscription->transport_pad);
	subscription->track_pad = subscription->transport_pad = NULL;
}

void subscription_free(struct subscription *subscription)
{
	unlink_pads(subscription);
	negotiation_remove_send(&subscription->subscriber->negotiation, subscription);
	list_remove(&subscription->link);
	subscription->subscriber->subscription_count--;
	free(subscription);
}

struct send_stream subscription_stream(struct subscription *subscription)
{
	const struct room_track *track = subscription->track;
	struct send_stream stream = {.binding = subscription,
				     .format = track->format,
				     .stream_id = track->publisher->peer_id,
				     .track_id = track->track_id};

	do {
		random_bytes(&stream.ssrc, sizeof(stream.ssrc));
		random_bytes(&stream.rtx_ssrc, sizeof(stream.rtx_ssrc));
	} while (stream.ssrc == 0 || stream.rtx_ssrc == 0 || stream.ssrc == stream.rtx_ssrc);
	return stream;
}

/* Silence would look like a fault: the peer hears what it is that it does not get, and why. */
static void tell_refused(struct subscription *subscription, const struct error *error)
{
	const struct room_track *track = subscription->track;
	const struct room *room = track->publisher->room;
	const struct room_context *context = room->context;

	subscription->is_refused = true;
	LOG(LOG_INFO, LOG_WEBRTC, "track_refused", LOG_TEXT("room", room->room_id),
	    LOG_TEXT("peer", subscription->subscriber->peer_id), LOG_TEXT("track", track->track_id),
	    LOG_ERR(error));
	context->events->track_refused(context->events_data, room->room_id,
				       subscription->subscriber->peer_id, track->publisher->peer_id,
				       track->track_id, error);
}

/* Give it an m-line. One that cannot be taken stays, and is tried again when the peer says more of
 * what it can take. */
static void bind_line(struct subscription *subscription)
{
	struct room_peer *peer = subscription->subscriber;
	struct send_stream stream = subscription_stream(subscription);
	struct error error = {0};
	int r = negotiation_add_send(&peer->negotiation, &stream, &error);

	if (r == 0) {
		subscription->is_refused = false;
	} else if (r == -EPROTONOSUPPORT) {
		if (!subscription->is_refused)
			tell_refused(subscription, &error);
	} else {
		LOG(LOG_WARNING, LOG_WEBRTC, "subscribe_failed",
		    LOG_TEXT("room", peer->room->room_id), LOG_TEXT("peer", peer->peer_id),
		    LOG_ERR(&error));
		subscription_free(subscription);
	}
}

void room_peer_subscribe(struct room_peer *peer, struct room_track *track)
{
	struct subscription *subscription;

	if (room_peer_has_slot(peer, track->kind) &&
	    subscription_new(peer, track, &subscription) == 0)
		bind_line(subscription);
}

/* What the last offer or answer took the line from, and what had none. */
static void bind_missing_lines(struct room_peer *peer)
{
	struct subscription *subscription;

	LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
		if (negotiation_has_send(&peer->negotiation, subscription))
			continue;
		unlink_pads(subscription);
		bind_line(subscription);
	}
}

static void link_pads(struct subscription *subscription, const struct media_line *line)
{
	RtcTransport *transport = subscription->subscriber->transport;
	struct room_track *track = subscription->track;
	uint8_t abs_send_time_id =
		negotiation_abs_send_time_id(&subscription->subscriber->negotiation, line);

	if (rtc_transport_send(transport, line, track->element, track->incoming.extension_ids,
			       abs_send_time_id, &subscription->transport_pad) < 0)
		return; /* without memory: tried again after the next negotiation */
	subscription->payload_type = line->send_payload_type;
	subscription->track_pad = rtc_track_add_consumer(track->element);
	(void)gst_pad_link_full(subscription->track_pad, subscription->transport_pad,
				GST_PAD_LINK_CHECK_NOTHING);
	if (track->kind == MEDIA_VIDEO)
		room_peer_choose_layers(subscription->subscriber);
	else
		subscription_set_heard(subscription);
}

/* Once each: a peer that never answers, or refuses again and again, shall not have keyframes made.
 */
void room_peer_prepare_subscriptions(struct room_peer *peer)
{
	struct subscription *subscription;

	LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
		if (subscription->is_prepared || subscription->track->kind != MEDIA_VIDEO ||
		    !negotiation_has_send(&peer->negotiation, subscription))
			continue;
		subscription->is_prepared = true;
		rtc_track_prepare(subscription->track->element);
	}
}

/* An SSRC is never begun twice under one key: what was interrupted is offered anew. */
static void renew(struct subscription *subscription)
{
	unlink_pads(subscription);
	negotiation_remove_send(&subscription->subscriber->negotiation, subscription);
	bind_line(subscription);
}

void room_peer_sync_subscriptions(struct room_peer *peer)
{
	if (peer->kind == PEER_CALL)
		bind_missing_lines(peer);
	if (!peer->is_connected)
		return; /* nothing can be sent yet; done again when it connects */
	for (size_t i = 0; i < peer->negotiation.line_count; i++) {
		const struct media_line *line = peer->negotiation.lines[i];
		struct subscription *subscription =
			line->is_sending_wanted ? line->send.binding : NULL;

		if (!subscription)
			continue;
		if (subscription->track_pad &&
		    (!line->is_sending_live ||
		     subscription->payload_type != line->send_payload_type))
			renew(subscription);
		else if (!subscription->track_pad && line->is_sending_live)
			link_pads(subscription, line);
	}
}
