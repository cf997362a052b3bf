/* room_signaling.c - offers and answers between a peer and the room. */
#include <errno.h>
#include <stdio.h>

#include "core/json.h"
#include "core/log.h"
#include "sfu/edge/room_private.h"
#include "sfu/wire/sdp_fragment.h"

enum {
	/* The client's own first offer goes first: a plain client sends it right after joining, and
	 * an offer of ours at the same time would only collide with it. */
	FIRST_OFFER_PATIENCE_US = 500000,
	UFRAG_CHARS = 12,
	PASSWORD_CHARS = 32
};

int room_peer_start_negotiation(struct room_peer *peer)
{
	const struct room_context *context = peer->room->context;
	struct negotiation_identity identity = {.candidates = context->port->candidates,
						.candidate_count = context->port->candidate_count};
	uint64_t session_id;

	id_random_chars(identity.ice_ufrag, UFRAG_CHARS);
	id_random_chars(identity.ice_password, PASSWORD_CHARS);
	id_random_chars(identity.cname, 16);
	memcpy(identity.fingerprint_sha256, dtls_identity_fingerprint_sha256(context->dtls),
	       sizeof(identity.fingerprint_sha256));
	random_bytes(&session_id, sizeof(session_id));
	negotiation_init(&peer->negotiation, &identity,
			 session_id >> 2); /* 62 bits: RFC 9429 5.2.1 */
	return 0;
}

/* The peer has restarted ICE: our answer has new credentials as well. */
static void restart_ice(struct room_peer *peer)
{
	struct negotiation_identity *identity = &peer->negotiation.identity;

	id_random_chars(identity->ice_ufrag, UFRAG_CHARS);
	id_random_chars(identity->ice_password, PASSWORD_CHARS);
	rtc_transport_restart_ice(peer->transport, identity->ice_ufrag, identity->ice_password);
	LOG(LOG_INFO, LOG_WEBRTC, "ice_restarted", LOG_TEXT("room", peer->room->room_id),
	    LOG_TEXT("peer", peer->peer_id));
}

/* ---- the peer offers ---- */

static struct room_track *track_of_kind(const struct room_peer *peer, enum media_kind kind)
{
	struct room_track *track;

	LIST_FOR_EACH (track, &peer->tracks, link) {
		if (track->kind == kind)
			return track;
	}
	return NULL;
}

/* Of whichever part. */
static struct room_peer *publisher_find(const struct room *room, const char *peer_id)
{
	struct room_peer *peer = room_peer_find(room, peer_id), *remote;

	LIST_FOR_EACH (remote, &room->peers, link) {
		if (!peer && strcmp(remote->peer_id, peer_id) == 0)
			peer = remote;
	}
	return peer;
}

/* WHEP: the publishers to watch, in the order of the request. -ENOENT names an unknown one. */
static int collect_publishers(struct room_peer *viewer, const json_t *wanted, GPtrArray *found,
			      struct error *reterr)
{
	struct room_peer *peer;
	const json_t *name;
	size_t i;

	if (!wanted || json_array_size(wanted) == 0) {
		LIST_FOR_EACH (peer, &viewer->room->peers, link) {
			if (peer != viewer && !list_is_empty(&peer->tracks))
				g_ptr_array_add(found, peer);
		}
		return 0;
	}
	json_array_foreach (wanted, i, name) {
		const char *text = json_string_value(name);

		peer = text ? publisher_find(viewer->room, text) : NULL;
		if (!peer)
			return error_set_field(reterr, -ENOENT, "unknown_publisher", "publisher",
					       "nobody called %s publishes in %s",
					       text ? text : "?", viewer->room->room_id);
		g_ptr_array_add(found, peer);
	}
	return 0;
}

static int bind_track(struct room_peer *viewer, struct media_line *line, struct room_track *track,
		      struct error *reterr)
{
	struct subscription *subscription;
	struct send_stream stream;
	int r = subscription_new(viewer, track, &subscription);

	if (r < 0)
		return r;
	stream = subscription_stream(subscription);
	return negotiation_bind_send(&viewer->negotiation, line, &stream, reterr);
}

/* The n-th section of a kind that wants to receive shows the n-th publisher. */
static int bind_viewer(struct room_peer *viewer, const json_t *wanted, struct error *reterr)
{
	g_autoptr(GPtrArray) publishers = g_ptr_array_new();
	guint next[2] = {0, 0};
	int r = collect_publishers(viewer, wanted, publishers, reterr);

	for (size_t i = 0; r == 0 && i < viewer->negotiation.line_count; i++) {
		struct media_line *line = viewer->negotiation.lines[i];
		struct room_track *track;
		guint *position;

		if (line->is_rejected || !(line->remote.direction & DIRECTION_RECEIVE))
			continue;
		position = &next[line->kind == MEDIA_VIDEO];
		if (*position >= publishers->len)
			continue;
		track = track_of_kind(g_ptr_array_index(publishers, *position), line->kind);
		(*position)++;
		if (track)
			r = bind_track(viewer, line, track, reterr);
	}
	return r;
}

static int write_answer(struct room_peer *peer, char **ret_answer)
{
	AUTO(sdp) answer = NULL;
	int r = negotiation_write(&peer->negotiation, false, &answer);

	if (r < 0)
		return r;
	*ret_answer = sdp_format(answer);
	return *ret_answer ? 0 : -ENOMEM;
}

/* What is published goes out by all workers that have a part of the room. */
static bool has_too_much_to_do(const struct room *room)
{
	return room->context->overload->refuses || parts_are_busy(room);
}

/* Who publishes already may go on, and change what it publishes. */
static int check_load(const struct room_peer *peer, const struct sdp *offer, struct error *reterr)
{
	if (!list_is_empty(&peer->tracks) || !peer->negotiation.may_publish ||
	    !has_too_much_to_do(peer->room))
		return 0;
	for (size_t i = 0; i < offer->media_count; i++)
		if (!offer->media[i].rejected && (offer->media[i].direction & DIRECTION_SEND))
			return error_set(reterr, -EAGAIN, "media_overloaded",
					 "the media server has no room for another publisher; "
					 "try again in a moment, or watch only");
	return 0;
}

static int take_offer(struct room_peer *peer, const char *text, const json_t *publishers,
		      char **ret_answer, struct error *reterr)
{
	AUTO(sdp) offer = NULL;
	AUTO(sdp) answer = NULL;
	bool is_restart = false;
	int r;

	if (!text)
		return json_missing("sdp", reterr);
	r = sdp_parse(text, strlen(text), &offer, reterr);
	if (r == 0 && peer->kind != PEER_WHEP)
		r = check_load(peer, offer, reterr);
	if (r == 0) {
		is_restart = negotiation_is_ice_restart(&peer->negotiation, offer);
		r = negotiation_take_offer(&peer->negotiation, offer, &answer, reterr);
	}
	if (r == 0 && is_restart)
		restart_ice(peer);
	for (size_t i = 0; r == 0 && peer->kind == PEER_WHEP && i < peer->negotiation.line_count;
	     i++)
		peer->negotiation.lines[i]->is_publishing = false; /* it came to watch */
	if (r == 0 && peer->kind == PEER_WHEP)
		r = bind_viewer(peer, publishers, reterr);
	if (r == 0)
		r = write_answer(peer, ret_answer);
	if (r < 0)
		return r;
	peer->has_offered = true;
	rtc_transport_set_fingerprint(peer->transport, peer->negotiation.remote_fingerprint_sha256);
	room_peer_await_connection(peer);
	if (room_peer_sync_tracks(peer))
		room_publish_changed(peer);
	if (peer->kind == PEER_WHEP)
		room_peer_prepare_subscriptions(peer); /* while it connects */
	room_peer_sync_subscriptions(peer);
	return 0;
}

static int on_offer(struct room_peer *peer, const json_t *signal, struct error *reterr)
{
	const struct room_context *context = peer->room->context;
	AUTO_FREE char *answer = NULL;
	const char *text = NULL;
	int r = json_get_text(signal, "sdp", 1, SDP_FIELD_MAX, &text, reterr);

	if (r >= 0)
		r = take_offer(peer, text, NULL, &answer, reterr);
	if (r < 0)
		return r;
	context->events->signal(context->events_data, peer->room->room_id, peer->peer_id, "answer",
				answer, 0, json_object_get(signal, "id"));
	return 0;
}

/* ---- we offer ---- */

static void send_offer(struct room_peer *peer)
{
	const struct room_context *context = peer->room->context;
	AUTO(sdp) offer = NULL;
	AUTO_FREE char *text = NULL;

	if (negotiation_make_offer(&peer->negotiation, &offer) < 0)
		return; /* without memory: the tick comes back to it */
	text = sdp_format(offer);
	if (!text)
		return;
	context->events->signal(context->events_data, peer->room->room_id, peer->peer_id, "offer",
				text, peer->negotiation.offer_id, NULL);
	room_peer_prepare_subscriptions(peer); /* while it answers */
}

void room_peer_negotiate(struct room_peer *peer)
{
	if (peer->kind != PEER_CALL || !peer->negotiation.is_dirty ||
	    peer->negotiation.state != NEGOTIATION_STABLE)
		return;
	if (!peer->has_offered &&
	    peer->room->context->port->now_us - peer->joined_us < FIRST_OFFER_PATIENCE_US)
		return; /* the tick comes back to it */
	send_offer(peer);
}

static int on_answer(struct room_peer *peer, const json_t *signal, struct error *reterr)
{
	AUTO(sdp) answer = NULL;
	const char *text = NULL;
	int64_t offer_id = 0;
	int r = json_get_text(signal, "sdp", 1, SDP_FIELD_MAX, &text, reterr);

	if (r == 0)
		r = json_missing("sdp", reterr);
	if (r > 0)
		r = json_get_int(signal, "offer_id", 1, INT64_MAX, &offer_id, reterr);
	if (r >= 0)
		r = sdp_parse(text, strlen(text), &answer, reterr);
	if (r == 0)
		r = negotiation_take_answer(&peer->negotiation, answer, (uint64_t)offer_id, reterr);
	if (r < 0)
		return r;
	rtc_transport_set_fingerprint(peer->transport, peer->negotiation.remote_fingerprint_sha256);
	if (peer->connection == CONNECTION_NEW)
		room_peer_await_connection(peer);
	if (room_peer_sync_tracks(peer))
		room_publish_changed(peer);
	room_peer_sync_subscriptions(peer);
	return 0;
}

/* ---- ICE by HTTP ---- */

/* Our own ufrag: it is another one after each restart. */
const char *room_ice_session(const struct room *room, const char *peer_id)
{
	const struct room_peer *peer = room_peer_find(room, peer_id);

	return peer ? peer->negotiation.identity.ice_ufrag : "";
}

static bool is_current(const struct room_peer *peer, const json_t *ice_sessions)
{
	const json_t *name;
	size_t i;

	json_array_foreach (ice_sessions, i, name) {
		const char *text = json_string_value(name);

		if (text && strcmp(text, peer->negotiation.identity.ice_ufrag) == 0)
			return true;
	}
	return false;
}

static int write_fragment(const struct room_peer *peer, json_t *answer)
{
	AUTO(sdp) sdp = NULL;
	AUTO_FREE char *text = NULL;
	int r = negotiation_write(&peer->negotiation, false, &sdp);

	if (r < 0)
		return r;
	text = sdp_fragment_format(sdp);
	return text && json_object_set_new(answer, "sdp_fragment", json_string(text)) == 0
		       ? 0
		       : -ENOMEM;
}

static int patch_ice(struct room_peer *peer, const struct sdp_fragment *fragment, json_t *sessions,
		     json_t *answer, struct error *reterr)
{
	bool is_any = !sessions, is_restart = false;

	if (!is_any && !is_current(peer, sessions))
		return error_set_field(reterr, -ESTALE, "ice_session_changed", "If-Match",
				       "ICE was restarted since: its ETag is another one now");
	if (is_any && !*fragment->ice_ufrag)
		return error_set_field(reterr, -ENOTUNIQ, "no_ice_credentials", "a=ice-ufrag",
				       "If-Match: * is for a restart, which needs a=ice-ufrag and "
				       "a=ice-pwd; candidates belong to one ICE session");
	if (*fragment->ice_ufrag)
		is_restart = negotiation_restart_ice(&peer->negotiation, fragment->ice_ufrag);
	if (is_restart) {
		restart_ice(peer);
		room_peer_await_connection(peer);
	}
	(void)json_object_set_new(answer, "ice_session",
				  json_string(peer->negotiation.identity.ice_ufrag));
	/* Asked for once more, it may be that the answer was lost. */
	return is_restart || is_any ? write_fragment(peer, answer) : 0;
}

int room_patch_ice(struct room *room, const char *peer_id, const json_t *patch, json_t **ret_answer,
		   struct error *reterr)
{
	struct room_peer *peer = room_peer_find(room, peer_id);
	AUTO_JSON answer = json_object();
	struct sdp_fragment fragment;
	json_t *sessions = NULL;
	const char *text = NULL;
	int r = json_get_text(patch, "sdp_fragment", 0, SDP_FIELD_MAX, &text, reterr);

	if (r == 0)
		return json_missing("sdp_fragment", reterr);
	if (r > 0)
		r = json_get_container(patch, "ice_sessions", JSON_ARRAY, &sessions, reterr);
	if (r < 0)
		return r;
	if (!peer || peer->kind == PEER_CALL)
		return error_set_field(reterr, -ENOENT, "session_not_found", "session_id",
				       "%s is no session in %s", peer_id, room->room_id);
	r = sdp_fragment_parse(text, strlen(text), &fragment, reterr);
	if (r == 0)
		r = patch_ice(peer, &fragment, sessions, answer, reterr);
	explicit_bzero(&fragment, sizeof(fragment));
	if (r == 0)
		*ret_answer = STEAL(answer);
	return r;
}

/* ---- both ---- */

/* `type` is what the peer says it is. */
static void count_refusal(const struct room *room, const char *type, const struct error *error)
{
	struct media_port_counters *counters = &room->context->port->counters;
	const char *reason = *error->code ? error->code : "no_memory";

	if (strcmp(type, "offer") == 0)
		tally_add(&counters->refused_offers, reason);
	else if (strcmp(type, "answer") == 0)
		tally_add(&counters->refused_answers, reason);
}

int room_peer_take_offer(struct room_peer *peer, const char *text, const json_t *publishers,
			 char **ret_answer, struct error *reterr)
{
	struct error error = {0};
	int r = take_offer(peer, text, publishers, ret_answer, &error);

	if (r < 0)
		count_refusal(peer->room, "offer", &error);
	if (r < 0 && reterr && error.number)
		*reterr = error;
	return r;
}

static int handle_signal(struct room_peer *peer, const json_t *signal, struct error *reterr)
{
	const char *type = NULL;
	int r = json_get_text(signal, "signal_type", 1, 32, &type, reterr);

	if (r == 0)
		r = json_missing("signal_type", reterr);
	if (r < 0)
		return r;
	if (strcmp(type, "offer") == 0)
		return on_offer(peer, signal, reterr);
	if (strcmp(type, "answer") == 0)
		return on_answer(peer, signal, reterr);
	if (strcmp(type, "ice-candidate") == 0)
		return 0; /* an ICE-lite agent answers checks and needs no candidates */
	if (strcmp(type, "renegotiate") == 0) {
		if (peer->negotiation.state == NEGOTIATION_OFFERED)
			send_offer(peer); /* the first one, or its answer, was lost */
		else
			peer->negotiation.is_dirty = true;
		return 0;
	}
	if (strcmp(type, "bye") == 0) {
		room_peer_end(peer);
		(void)error_set(&peer->failure, -ECONNRESET, "bye", "the peer said goodbye");
		return 0;
	}
	return error_set_field(reterr, -EINVAL, "bad_field", "signal_type",
			       "signal_type must be offer, answer, ice-candidate, renegotiate or "
			       "bye");
}

void room_negotiate_all(struct room *room)
{
	struct room_peer *peer;

	LIST_FOR_EACH (peer, &room->peers, link) {
		room_peer_negotiate(peer);
	}
}

static void refuse(const struct room *room, const char *peer_id, const json_t *signal,
		   const struct error *error)
{
	const struct room_context *context = room->context;

	LOG(LOG_INFO, LOG_WEBRTC, "signal_refused", LOG_TEXT("room", room->room_id),
	    LOG_TEXT("peer", peer_id), LOG_ERR(error));
	context->events->refused(context->events_data, room->room_id, peer_id, error,
				 json_object_get(signal, "id"));
}

void room_signal(struct room *room, const char *peer_id, const json_t *signal)
{
	struct room_peer *peer = room_peer_find(room, peer_id);
	const char *type = json_string_value(json_object_get(signal, "signal_type"));
	struct error error = {0};
	int r;

	if (!peer)
		r = error_set_field(&error, -ENOENT, "unknown_peer", "peer_id", "%s is not in %s",
				    peer_id, room->room_id);
	else
		r = handle_signal(peer, signal, &error);
	if (r < 0)
		refuse(room, peer_id, signal, &error);
	if (r < 0 && type)
		count_refusal(room, type, &error);
	/* While it had an offer of its own open it passed over ours. */
	if (r < 0 && peer && type && strcmp(type, "offer") == 0 &&
	    peer->negotiation.state == NEGOTIATION_OFFERED)
		send_offer(peer);
	room_negotiate_all(room);
}

void room_resume(struct room *room, const char *peer_id)
{
	struct room_peer *peer = room_peer_find(room, peer_id);
	struct room_track *track;

	if (!peer) {
		room->context->events->gone(room->context->events_data, room->room_id, peer_id,
					    &room_unknown_peer);
		return;
	}
	room_publish_changed(peer);
	room_peer_tell_connection(peer);
	/* What was said while its signalling was away is lost; a layer that it believes to be off
	 * would never come. */
	LIST_FOR_EACH (track, &peer->tracks, link) {
		room_track_tell_layers(track);
	}
	if (peer->negotiation.state == NEGOTIATION_OFFERED)
		send_offer(peer);
}
