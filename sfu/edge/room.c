#include "sfu/edge/room_private.h"

#include <errno.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"

const struct error room_unknown_peer = {
	.code = "unknown", .message = "the media server does not know you; it was restarted"};

enum {
	CALM_TICKS = 5 /* one in so many is enough */
};
_Static_assert((int)CALM_TICKS <= (int)DUE_TICKS_MAX, "the wheel must reach as far");

/* ---- peers ---- */

struct room_peer *room_peer_find(const struct room *room, const char *peer_id)
{
	struct room_peer *peer;

	LIST_FOR_EACH (peer, &room->peers, link) {
		if (peer->kind != PEER_REMOTE && strcmp(peer->peer_id, peer_id) == 0)
			return peer;
	}
	return NULL;
}

/* They come from inside packet handling: noted here, acted on in the tick. */
static void on_connected(void *data)
{
	struct room_peer *peer = data;

	peer->is_connected = true;
	peer->room->has_news = true;
}

static void on_ended(void *data, const struct error *error)
{
	struct room_peer *peer = data;

	room_peer_end(peer);
	peer->failure = *error;
}

void room_peer_end(struct room_peer *peer)
{
	peer->has_ended = true;
	peer->room->has_news = true;
}

static void on_narrowed(void *data)
{
	room_peer_wake(data);
}

static const struct transport_events transport_events = {
	.connected = on_connected, .ended = on_ended, .narrowed = on_narrowed};

static int start_transport(struct room_peer *peer)
{
	const struct negotiation_identity *identity = &peer->negotiation.identity;
	struct transport_config config = {.room_id = peer->room->room_id,
					  .peer_id = peer->peer_id,
					  .port = peer->room->context->port,
					  .dtls = peer->room->context->dtls,
					  .ice_ufrag = identity->ice_ufrag,
					  .ice_password = identity->ice_password,
					  .cname = identity->cname,
					  .events = &transport_events,
					  .events_data = peer};
	char name[PEER_ID_MAX + 16];

	(void)snprintf(name, sizeof(name), "peer_%s", peer->peer_id);
	config.name = name;
	peer->transport = rtc_transport_new(&config);
	if (!peer->transport)
		return -ENOMEM;
	gst_object_ref_sink(peer->transport);
	(void)gst_bin_add(GST_BIN_CAST(peer->room->bin), GST_ELEMENT_CAST(peer->transport));
	(void)gst_element_set_state(GST_ELEMENT_CAST(peer->transport), GST_STATE_PLAYING);
	return 0;
}

void room_peer_free(struct room_peer *peer)
{
	struct room *room = peer->room;

	if (strcmp(room->speaker, peer->peer_id) == 0)
		*room->speaker = '\0';
	while (!list_is_empty(&peer->subscriptions))
		subscription_free(
			LIST_ITEM(list_first(&peer->subscriptions), struct subscription, link));
	while (!list_is_empty(&peer->tracks))
		room_track_free(LIST_ITEM(list_first(&peer->tracks), struct room_track, link));
	if (peer->transport) {
		rtc_transport_stop(peer->transport);
		(void)gst_element_set_state(GST_ELEMENT_CAST(peer->transport), GST_STATE_NULL);
		(void)gst_bin_remove(GST_BIN_CAST(room->bin), GST_ELEMENT_CAST(peer->transport));
		gst_object_unref(peer->transport);
	}
	list_remove(&peer->due_link);
	if (!list_is_empty(&peer->link)) {
		list_remove(&peer->link);
		room->peer_count -= peer->kind != PEER_REMOTE;
	}
	negotiation_fini(&peer->negotiation);
	json_decref(peer->state);
	explicit_bzero(&peer->negotiation, sizeof(peer->negotiation)); /* the ICE password */
	free(peer);
}

/* A name we do not know comes from a store that was filled by another version: it allows nothing.
 */
static void take_preferences(struct room_peer *peer, const json_t *codecs)
{
	struct codec_preferences *preferences = &peer->negotiation.preferences;
	struct error error;
	const json_t *name;
	size_t i;

	json_array_foreach (codecs, i, name) {
		const char *text = json_string_value(name);

		if (text && codec_preferences_add(preferences, text, &error) < 0)
			LOG(LOG_WARNING, LOG_WEBRTC, "codec_ignored",
			    LOG_TEXT("room", peer->room->room_id), LOG_ERR(&error));
	}
	if (preferences->count == 0)
		*preferences = peer->room->context->preferences;
}

static int peer_new(struct room *room, const struct peer_request *request,
		    struct room_peer **ret_peer)
{
	struct room_peer *peer = calloc(1, sizeof(*peer));
	int r;

	if (!peer)
		return -ENOMEM;
	peer->room = room;
	(void)snprintf(peer->peer_id, sizeof(peer->peer_id), "%s", request->peer_id);
	peer->kind = request->kind;
	peer->state = json_deep_copy(request->state);
	peer->mutes = request->mutes;
	peer->joined_us = room->context->port->now_us;
	list_init(&peer->link);
	list_init(&peer->due_link);
	list_init(&peer->tracks);
	list_init(&peer->subscriptions);
	r = room_peer_start_negotiation(peer);
	peer->negotiation.may_publish = request->may_publish;
	take_preferences(peer, request->codecs);
	if (r == 0)
		r = start_transport(peer);
	if (r < 0) {
		room_peer_free(peer);
		return r;
	}
	*ret_peer = peer;
	return 0;
}

/* ---- peers of other parts ---- */

struct room_peer *room_peer_new_remote(struct room *room, const char *peer_id, unsigned worker)
{
	struct room_peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->room = room;
	(void)snprintf(peer->peer_id, sizeof(peer->peer_id), "%s", peer_id);
	peer->kind = PEER_REMOTE;
	peer->worker = worker;
	list_init(&peer->tracks);
	list_init(&peer->subscriptions);
	list_init(&peer->due_link);
	list_init(&peer->link);
	list_append(&room->peers, &peer->link);
	due_wheel_add(room->context->wheel, &peer->due_link, 1);
	return peer;
}

void room_peer_free_if_empty(struct room_peer *peer)
{
	if (peer && peer->kind == PEER_REMOTE && list_is_empty(&peer->tracks))
		room_peer_free(peer);
}

/* ---- who is there ---- */

/* Peers that offer themselves (call) get everyone's tracks by offers of ours. */
static void subscribe_to_all(struct room_peer *peer)
{
	struct room_peer *other;

	LIST_FOR_EACH (other, &peer->room->peers, link) {
		struct room_track *track;

		if (other == peer)
			continue;
		LIST_FOR_EACH (track, &other->tracks, link) {
			room_peer_subscribe(peer, track);
		}
	}
}

int room_join(struct room *room, const struct peer_request *request, char **ret_answer,
	      struct error *reterr)
{
	struct room_peer *peer;
	int r;

	*ret_answer = NULL;
	if (strlen(request->peer_id) > PEER_ID_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "peer_id",
				       "peer_id must have at most %d bytes", PEER_ID_MAX);
	if (room_peer_find(room, request->peer_id))
		return error_set_field(reterr, -EEXIST, "peer_exists", "peer_id",
				       "%s is in %s already", request->peer_id, room->room_id);
	r = peer_new(room, request, &peer);
	if (r < 0)
		return r;
	list_append(&room->peers, &peer->link);
	due_wheel_add(room->context->wheel, &peer->due_link, 1);
	room->peer_count++;
	if (peer->kind == PEER_CALL)
		subscribe_to_all(peer);
	else
		r = room_peer_take_offer(peer, request->sdp, request->publishers, ret_answer,
					 reterr);
	if (r < 0) {
		room_peer_free(peer);
		return r;
	}
	LOG(LOG_INFO, LOG_WEBRTC, "peer_joined", LOG_TEXT("room", room->room_id),
	    LOG_TEXT("peer", peer->peer_id), LOG_INT("peers", room->peer_count));
	room_negotiate_all(room);
	return 0;
}

static void remove_peer(struct room_peer *peer, const struct error *why)
{
	struct room *room = peer->room;

	LOG(LOG_INFO, LOG_WEBRTC, "peer_left", LOG_TEXT("room", room->room_id),
	    LOG_TEXT("peer", peer->peer_id), LOG_TEXT("reason", why->code),
	    LOG_TEXT("detail", why->message), LOG_INT("peers", room->peer_count - 1));
	room_peer_free(peer);
	room_negotiate_all(room);
}

void room_leave(struct room *room, const char *peer_id)
{
	struct room_peer *peer = room_peer_find(room, peer_id);

	if (peer)
		remove_peer(peer, &(struct error){.code = "left"});
}

void room_publish_changed(struct room_peer *peer)
{
	const struct room_context *context = peer->room->context;

	context->events->tracks(context->events_data, peer->room->room_id, peer->peer_id,
				room_tracks_to_json(peer));
}

/* Its publisher may go by its own name for it, and by that of the world. */
static bool is_called(const struct room_track *track, const char *mid, const char *track_id)
{
	if (mid && strcmp(track->mid, mid) != 0)
		return false;
	return track_id ? strcmp(track->own_id, track_id) == 0 ||
				  strcmp(track->track_id, track_id) == 0
			: mid != NULL;
}

void room_describe_track(struct room *room, const char *peer_id, const json_t *description)
{
	struct room_peer *peer = room_peer_find(room, peer_id);
	const char *mid = json_string_value(json_object_get(description, "mid"));
	const char *track_id = json_string_value(json_object_get(description, "track_id"));
	const char *source = json_string_value(json_object_get(description, "source"));
	const json_t *muted = json_object_get(description, "muted");
	struct room_track *track;

	if (!peer)
		return;
	LIST_FOR_EACH (track, &peer->tracks, link) {
		if (!is_called(track, mid, track_id))
			continue;
		if (source && (strcmp(source, "camera") == 0 || strcmp(source, "microphone") == 0 ||
			       strcmp(source, "screen") == 0))
			(void)snprintf(track->source, sizeof(track->source), "%s", source);
		if (json_is_boolean(muted))
			track->is_muted = json_is_true(muted);
		room_publish_changed(peer);
	}
}

bool room_track_is_muted_by_moderator(const struct room_track *track)
{
	const struct mutes *mutes = &track->publisher->mutes;

	return track->kind == MEDIA_VIDEO ? mutes->video : mutes->audio;
}

int room_mute(struct room *room, const char *peer_id, const struct mutes *mutes, json_t *state,
	      json_t **ret_tracks, struct error *reterr)
{
	struct room_peer *peer = room_peer_find(room, peer_id);
	struct room_track *track;

	if (!peer)
		return error_set_field(reterr, -ENOENT, "unknown_peer", "peer_id",
				       "%s is not in %s", peer_id, room->room_id);
	peer->mutes = *mutes;
	if (state) {
		json_decref(peer->state);
		peer->state = json_deep_copy(state);
	}
	LIST_FOR_EACH (track, &peer->tracks, link) {
		rtc_track_set_muted(track->element, room_track_is_muted_by_moderator(track));
	}
	LOG(LOG_INFO, LOG_WEBRTC, "peer_muted", LOG_TEXT("room", room->room_id),
	    LOG_TEXT("peer", peer_id), LOG_INT("audio", mutes->audio),
	    LOG_INT("video", mutes->video));
	*ret_tracks = room_tracks_to_json(peer);
	return 0;
}

/* ---- time ---- */

static void welcome(struct room_peer *peer)
{
	room_peer_sync_subscriptions(peer);
	room_peer_tell_connected(peer);
	room_tell_speaker(peer->room); /* it has not heard yet */
}

static void let_go(struct room_peer *peer)
{
	const struct room_context *context = peer->room->context;
	char room_name[ROOM_ID_MAX + 1], peer_name[PEER_ID_MAX + 1];
	const struct error failure = peer->failure;

	memcpy(room_name, peer->room->room_id, sizeof(room_name));
	memcpy(peer_name, peer->peer_id, sizeof(peer_name));
	remove_peer(peer, &failure);
	context->events->gone(context->events_data, room_name, peer_name, &failure);
}

static bool let_one_go(struct room *room)
{
	struct room_peer *peer;

	LIST_FOR_EACH (peer, &room->peers, link) {
		if (peer->has_ended) {
			let_go(peer);
			return true;
		}
	}
	return false;
}

static void tick_remote_peer(const struct room_peer *peer)
{
	struct room_track *track;

	LIST_FOR_EACH (track, &peer->tracks, link) {
		rtc_track_tick(track->element);
		room_track_watch_layers(track);
	}
}

/* Most of a broadcast's peers are, at most times: they watch what fits them, and nothing is going
 * on. To look after each of them takes longer than to send it a packet. */
static bool is_calm(const struct room_peer *peer)
{
	return list_is_empty(&peer->tracks) && peer->connection == CONNECTION_CONNECTED &&
	       peer->has_settled && !peer->negotiation.is_dirty &&
	       rtc_transport_is_calm(peer->transport);
}

static void tick_peer(struct room_peer *peer)
{
	struct room_track *track;

	if (peer->kind == PEER_REMOTE) {
		tick_remote_peer(peer);
		due_wheel_add(peer->room->context->wheel, &peer->due_link, 1);
		return;
	}
	rtc_transport_tick(peer->transport);
	if (!peer->has_ended)
		room_peer_check_connection(peer);
	if (peer->has_ended)
		return; /* nor is it due again */
	LIST_FOR_EACH (track, &peer->tracks, link) {
		rtc_track_tick(track->element);
		room_track_use_exported_layers(track);
		room_track_switch_layers(track);
		room_track_watch_layers(track);
	}
	room_peer_tick_layers(peer);
	room_peer_negotiate(peer);
	peer->is_calm = is_calm(peer);
	due_wheel_add(peer->room->context->wheel, &peer->due_link, peer->is_calm ? CALM_TICKS : 1);
}

static void hear_news(struct room *room)
{
	struct room_peer *peer;

	room->has_news = false;
	LIST_FOR_EACH (peer, &room->peers, link) {
		if (peer->is_connected && peer->connection != CONNECTION_CONNECTED &&
		    !peer->has_ended)
			welcome(peer); /* before anybody who has come has the floor */
	}
	while (let_one_go(room)) {
		/* letting one go may change the list around it */
	}
}

void room_tick(struct room *room)
{
	if (room->has_news)
		hear_news(room);
	room_listen(room);
	parts_tick(room);
}

void room_tick_due_peers(struct due_wheel *wheel, uint64_t until_us)
{
	struct list *link;

	while (clock_now_us() < until_us && (link = due_wheel_take(wheel)))
		tick_peer(LIST_ITEM(link, struct room_peer, due_link));
}

/* ---- telling ---- */

const char *room_peer_kind(const struct room_peer *peer)
{
	static const char *const names[] = {"call", "whip", "whep"};

	return names[peer->kind];
}

json_t *room_tracks_to_json(const struct room_peer *peer)
{
	json_t *tracks = json_array();
	struct room_track *track;

	LIST_FOR_EACH (track, &peer->tracks, link) {
		(void)json_array_append_new(
			tracks,
			json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "track_id", track->track_id,
				  "mid", track->mid, "kind",
				  track->kind == MEDIA_VIDEO ? "video" : "audio", "source",
				  track->source, "muted",
				  track->is_muted || room_track_is_muted_by_moderator(track),
				  "codec", track->format.codec->name));
	}
	return tracks;
}

json_t *room_describe(const struct room *room)
{
	json_t *peers = json_array();
	struct room_peer *peer;

	LIST_FOR_EACH (peer, &room->peers, link) {
		json_t *told;

		if (peer->kind == PEER_REMOTE)
			continue;
		told = json_pack("{s:s, s:s, s:O?, s:o}", "peer_id", peer->peer_id, "kind",
				 room_peer_kind(peer), "state", peer->state, "tracks",
				 room_tracks_to_json(peer));
		room_peer_add_connection(peer, told);
		(void)json_array_append_new(peers, told);
	}
	return json_pack("{s:s, s:o}", "room_id", room->room_id, "peers", peers);
}

gchar *room_graph(const struct room *room)
{
	return gst_debug_bin_to_dot_data(GST_BIN_CAST(room->bin), GST_DEBUG_GRAPH_SHOW_ALL);
}

void room_add_totals(const struct room *room, struct room_totals *totals)
{
	struct room_peer *peer;

	totals->rooms += room_decides(room);
	LIST_FOR_EACH (peer, &room->peers, link) {
		struct room_track *track;
		struct subscription *subscription;

		if (peer->kind == PEER_REMOTE)
			continue;
		totals->peers++;
		rtc_transport_add_totals(peer->transport, &totals->transports);
		LIST_FOR_EACH (track, &peer->tracks, link) {
			totals->tracks++;
		}
		LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
			totals->subscriptions += subscription->track_pad != NULL;
		}
	}
}

/* ---- life ---- */

int room_new(const char *id, const struct room_context *context, struct room **ret_room)
{
	struct room *room = calloc(1, sizeof(*room));

	if (!room)
		return -ENOMEM;
	(void)snprintf(room->room_id, sizeof(room->room_id), "%s", id);
	room->context = context;
	list_init(&room->peers);
	room->bin = gst_bin_new(NULL);
	gst_object_ref_sink(room->bin);
	(void)gst_element_set_state(room->bin, GST_STATE_PLAYING);
	parts_add_room(room);
	*ret_room = room;
	return 0;
}

struct room *room_free(struct room *room)
{
	if (!room)
		return NULL;
	while (!list_is_empty(&room->peers))
		room_peer_free(LIST_ITEM(list_first(&room->peers), struct room_peer, link));
	parts_remove_room(room);
	(void)gst_element_set_state(room->bin, GST_STATE_NULL);
	gst_object_unref(room->bin);
	free(room);
	return NULL;
}

const char *room_id(const struct room *room)
{
	return room->room_id;
}

bool room_is_empty(const struct room *room)
{
	return room->peer_count == 0 && room->awaited == 0;
}

bool room_is_whole(const struct room *room)
{
	return room->awaited == 0;
}

void room_for_each_peer_id(const struct room *room, void (*visit)(void *data, const char *peer_id),
			   void *data)
{
	struct room_peer *peer;

	LIST_FOR_EACH (peer, &room->peers, link) {
		if (peer->kind != PEER_REMOTE)
			visit(data, peer->peer_id);
	}
}
