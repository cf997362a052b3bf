#include "realtime/model/switchboard.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "realtime/model/switchboard_private.h"
#include "realtime/wire/reply.h"

int switchboard_init(struct switchboard *board, const struct switchboard_events *events,
		     void *events_data, uint64_t now_us)
{
	*board = (struct switchboard){
		.started_at_us = now_us, .events = events, .events_data = events_data};
	list_init(&board->waiting);
	board->kicked_ids = json_object();
	board->ended = json_array();
	if (board->kicked_ids && board->ended && table_init(&board->rooms) == 0) {
		if (table_init(&board->peers) == 0)
			return 0;
		table_fini(&board->rooms);
	}
	json_decref(board->kicked_ids);
	json_decref(board->ended);
	return -ENOMEM;
}

struct peer *switchboard_peer_find(const struct switchboard *board, const char *peer_id)
{
	struct table_link *link = table_find(&board->peers, peer_id);

	return link ? TABLE_ITEM(link, struct peer, by_id) : NULL;
}

struct call_room *switchboard_room_find(const struct switchboard *board, const char *room_id)
{
	struct table_link *link = table_find(&board->rooms, room_id);

	return link ? TABLE_ITEM(link, struct call_room, by_id) : NULL;
}

static struct call_room *room_find_or_add(struct switchboard *board, const char *room_id)
{
	struct call_room *room = switchboard_room_find(board, room_id);

	if (room)
		return room;
	room = call_room_new(room_id);
	if (room)
		table_add(&board->rooms, room->room_id, &room->by_id);
	return room;
}

/* Rooms live here only while somebody is in them. */
static void room_settle(struct switchboard *board, struct call_room *room)
{
	if (!list_is_empty(&room->peers))
		return;
	table_remove(&board->rooms, &room->by_id);
	(void)call_room_free(room);
}

static struct peer *peer_add(struct switchboard *board, struct call_room *room, enum peer_kind kind,
			     const char *peer_id)
{
	struct peer *peer = peer_new(room, kind, peer_id);

	if (peer)
		table_add(&board->peers, peer->peer_id, &peer->by_id);
	return peer;
}

static void peer_remove(struct switchboard *board, struct peer *peer)
{
	struct call_room *room = peer->room;

	table_remove(&board->peers, &peer->by_id);
	(void)peer_free(peer);
	room_settle(board, room);
}

void switchboard_fini(struct switchboard *board)
{
	struct table_link *link;

	assert(list_is_empty(&board->waiting));
	while ((link = table_first(&board->peers)))
		peer_remove(board, TABLE_ITEM(link, struct peer, by_id));
	table_fini(&board->peers);
	table_fini(&board->rooms);
	json_decref(board->kicked_ids);
	json_decref(board->ended);
}

/* ---- telling ---- */

void peer_tell(const struct peer *peer, json_t *taken)
{
	if (peer->session)
		outbox_push_take(peer->session->outbox, reply_frame_take(taken));
	else
		json_decref(taken);
}

void switchboard_tell_room(const struct call_room *room, const struct peer *besides, json_t *taken)
{
	AUTO(frame) frame = reply_frame_take(taken);
	struct peer *peer;

	LIST_FOR_EACH (peer, &room->peers, room_link)
		if (peer != besides && peer->session)
			outbox_push(peer->session->outbox, frame);
}

void peer_announce(const struct peer *peer, const char *type, const struct peer *besides)
{
	json_t *body = reply_new(type, NULL);

	(void)json_object_set_new(body, "room_id", json_string(peer->room->room_id));
	(void)json_object_set_new(body, "peer", peer_to_json(peer));
	switchboard_tell_room(peer->room, besides, body);
}

static void tell_joined(const struct switchboard *board, const struct peer *peer,
			const char *resume_token, bool is_resumed)
{
	json_t *body = reply_new("joined", NULL);
	json_t *svc =
		peer->room->is_mesh ? NULL : board->events->svc(board->events_data, peer->room);

	(void)json_object_set_new(body, "peer_id", json_string(peer->peer_id));
	(void)json_object_set_new(body, "room_id", json_string(peer->room->room_id));
	(void)json_object_set_new(body, "mode", json_string(peer->room->is_mesh ? "mesh" : "sfu"));
	(void)json_object_set_new(body, "peers", call_room_peers_to_json(peer->room, peer));
	(void)json_object_set_new(body, "ice_servers",
				  board->events->ice_servers(board->events_data, peer));
	if (svc)
		(void)json_object_set_new(body, "svc", svc);
	(void)json_object_set_new(body, "resume_token", json_string(resume_token));
	if (is_resumed)
		(void)json_object_set_new(body, "resumed", json_true());
	peer_tell(peer, body);
}

/* ---- coming and going ---- */

void peer_close_session(struct peer *peer, enum close_code code, const char *reason)
{
	struct signaling_session *session = peer->session;

	if (!session)
		return;
	session->peer = NULL;
	session->state = SIGNALING_CLOSED;
	peer->session = NULL;
	outbox_end(session->outbox, code, reason);
}

static int room_enter(struct switchboard *board, const struct room_facts *facts,
		      enum peer_kind kind, struct call_room **ret_room, struct error *reterr)
{
	struct call_room *room = room_find_or_add(board, facts->room_id);

	if (!room)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	if (list_is_empty(&room->peers)) /* those who are in a call go on as they began */
		room->is_mesh = facts->is_mesh;
	room->max_participants = facts->max_participants;
	json_decref(room->codecs);
	room->codecs = json_deep_copy(facts->codecs);
	if (room->is_mesh && kind != PEER_CALL) {
		room_settle(board, room);
		return error_set(reterr, -EINVAL, "mesh_room",
				 "%s is a mesh room: it has no media server", facts->room_id);
	}
	if (kind != PEER_WHEP && call_room_participant_count(room) >= room->max_participants) {
		room_settle(board, room);
		return error_set(reterr, -EUSERS, "room_full", "%s holds %lld participants already",
				 facts->room_id, (long long)facts->max_participants);
	}
	*ret_room = room;
	return 0;
}

static int peer_enter(struct switchboard *board, const struct room_facts *facts,
		      enum peer_kind kind, int64_t now_unix_ms, struct peer **ret_peer,
		      struct error *reterr)
{
	struct call_room *room = NULL;
	struct peer *peer;
	char peer_id[ID_SIZE + sizeof("peer")];
	int r = room_enter(board, facts, kind, &room, reterr);

	if (r < 0)
		return r;
	id_new("peer", peer_id, sizeof(peer_id));
	peer = peer_add(board, room, kind, peer_id);
	if (!peer) {
		room_settle(board, room);
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	}
	peer->joined_at_unix_ms = now_unix_ms;
	*ret_peer = peer;
	return 0;
}

struct mutes {
	bool audio, video;
};

/* Who comes anew with the token of a peer that is still here is the same one: the old one goes, or
 * one place of an invite would do for many. What it was muted to is left in *former. */
static void replace_former_self(struct switchboard *board, const struct signaling_session *session,
				struct mutes *former)
{
	struct call_room *room = switchboard_room_find(board, session->room_id);
	struct peer *peer;

	if (!room || !*session->resume_token)
		return;
	LIST_FOR_EACH (peer, &room->peers, room_link) {
		if (!peer_can_resume(peer, session->resume_token))
			continue;
		former->audio = peer->audio_muted;
		former->video = peer->video_muted;
		peer_close_session(peer, CLOSE_KICKED, "came anew elsewhere");
		switchboard_leave(board, peer, "replaced", true); /* perhaps with its room */
		return;
	}
}

int switchboard_join(struct switchboard *board, struct signaling_session *session,
		     const struct room_facts *facts, int64_t now_unix_ms, struct error *reterr)
{
	struct peer *peer;
	struct mutes former = {0};
	int r;

	replace_former_self(board, session, &former);
	r = peer_enter(board, facts, PEER_CALL, now_unix_ms, &peer, reterr);
	if (r < 0)
		return r;
	resume_token_hash(session->own_token, peer->resume_hash);
	(void)snprintf(peer->name, sizeof(peer->name), "%s",
		       *session->name || !facts->guest_name ? session->name : facts->guest_name);
	memcpy(peer->user_id, session->user_id, sizeof(peer->user_id));
	peer->audio_muted = former.audio;
	peer->video_muted = former.video;
	peer_recall_muted(peer);
	peer->may_publish = session->may_publish;
	peer->session = session;
	peer->is_announced = true;
	session->peer = peer;
	session->state = SIGNALING_JOINED;
	tell_joined(board, peer, session->own_token, false);
	peer_announce(peer, "peer-joined", peer);
	board->events->joined(board->events_data, peer);
	if (board->is_sfu_connected && !peer->room->is_mesh)
		board->events->sfu_join(board->events_data, peer, 0, peer_join_body(peer));
	return 0;
}

int switchboard_resume(struct switchboard *board, struct signaling_session *session,
		       struct error *reterr)
{
	struct peer *peer = switchboard_peer_find(board, session->resume_peer_id);

	if (!peer || strcmp(peer->room->room_id, session->room_id) != 0)
		return 0;
	if (!peer_can_resume(peer, session->resume_token))
		return error_set_field(reterr, -EACCES, "bad_resume_token", "resume_token",
				       "resume_token is not the one that %s was given",
				       session->resume_peer_id);
	/* What this user may do there is not what the other one might. */
	if (strcmp(peer->user_id, session->user_id) != 0)
		return error_set(reterr, -EACCES, "forbidden", "%s is another user's",
				 session->resume_peer_id);
	peer->may_publish = peer->may_publish && session->may_publish;
	/* An old connection that has not noticed its end yet makes way for the new one. */
	peer_close_session(peer, CLOSE_KICKED, "resumed elsewhere");
	peer->session = session;
	session->peer = peer;
	session->state = SIGNALING_JOINED;
	tell_joined(board, peer, session->resume_token, true);
	if (!peer->room->is_mesh)
		board->events->sfu_event(board->events_data, BUS_PEER_RESUMED,
					 json_pack("{s:s, s:s}", "room_id", peer->room->room_id,
						   "peer_id", peer->peer_id));
	return 1;
}

void switchboard_leave(struct switchboard *board, struct peer *peer, const char *reason,
		       bool tell_sfu)
{
	if (peer->connection == CONNECTION_FAILED && strcmp(reason, "left") == 0)
		reason = peer->failure.code;
	if (tell_sfu && !peer->room->is_mesh)
		board->events->sfu_event(board->events_data, BUS_PEER_LEAVE,
					 json_pack("{s:s, s:s}", "room_id", peer->room->room_id,
						   "peer_id", peer->peer_id));
	if (peer->is_announced) {
		json_t *body = reply_new("peer-left", NULL);

		(void)json_object_set_new(body, "room_id", json_string(peer->room->room_id));
		(void)json_object_set_new(body, "peer_id", json_string(peer->peer_id));
		(void)json_object_set_new(body, "reason", json_string(reason));
		switchboard_tell_room(peer->room, peer, body);
	}
	board->events->left(board->events_data, peer, reason);
	peer_remove(board, peer);
}

/* ---- HTTP sessions ---- */

int switchboard_http_start(struct switchboard *board, const struct room_facts *facts,
			   enum peer_kind kind, const json_t *request, uint64_t token,
			   int64_t now_unix_ms, struct error *reterr)
{
	json_t *body, *publishers = json_object_get(request, "publishers");
	struct peer *peer;
	int r;

	if (facts->is_mesh)
		return error_set(reterr, -EINVAL, "mesh_room",
				 "%s is a mesh room: it has no media server", facts->room_id);
	if (!board->is_sfu_connected)
		return error_set(reterr, -ENOTCONN, "sfu_unavailable", "the media server is away");
	r = peer_enter(board, facts, kind, now_unix_ms, &peer, reterr);
	if (r < 0)
		return r;
	peer_state_from_json(peer, request); /* name and user_id */
	peer_recall_muted(peer);
	if (facts->guest_name && !*peer->name)
		(void)snprintf(peer->name, sizeof(peer->name), "%s", facts->guest_name);
	peer->joined_at_unix_ms = now_unix_ms;
	*peer->resume_hash = '\0';
	body = peer_join_body(peer);
	(void)json_object_set(body, "sdp", json_object_get(request, "sdp"));
	if (publishers)
		(void)json_object_set(body, "publishers", publishers);
	board->events->sfu_join(board->events_data, peer, token, body);
	return 0;
}

void switchboard_on_sfu_answer(struct switchboard *board, const char *peer_id, uint64_t token,
			       const json_t *answer, const struct error *error)
{
	struct peer *peer = switchboard_peer_find(board, peer_id);

	if (token == 0) {
		if (peer && error)
			peer_tell(peer, reply_new_error(NULL, error));
		return;
	}
	if (peer && error) {
		/* A late answer may still have made it there. */
		board->events->sfu_event(board->events_data, BUS_PEER_LEAVE,
					 json_pack("{s:s, s:s}", "room_id", peer->room->room_id,
						   "peer_id", peer->peer_id));
		peer_remove(board, peer);
	} else if (peer) {
		peer->is_announced = peer->kind == PEER_WHIP;
		if (peer->is_announced)
			peer_announce(peer, "peer-joined", peer);
		board->events->joined(board->events_data, peer);
	}
	board->events->http_started(board->events_data, token, peer_id, answer, error);
}

void switchboard_note_ended(struct switchboard *board, const struct peer *peer, const char *code,
			    const char *detail)
{
	if (peer->kind == PEER_CALL)
		return; /* it was told */
	if (json_array_size(board->ended) == ENDED_MAX)
		(void)json_array_remove(board->ended, 0);
	(void)json_array_append_new(
		board->ended,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "room_id", peer->room->room_id,
			  "peer_id", peer->peer_id, "user_id", peer->user_id, "kind",
			  peer_kind_name(peer->kind), "code", code, "detail", detail));
}

static bool was_of_caller(const json_t *ended, const struct caller *caller)
{
	struct peer peer = {0};

	if (peer_kind_parse(json_text_of(ended, "kind"), &peer.kind) < 0)
		return false;
	(void)snprintf(peer.user_id, sizeof(peer.user_id), "%s", json_text_of(ended, "user_id"));
	return peer_check_caller(&peer, caller, NULL) == 0;
}

static int session_not_found(const struct switchboard *board, const char *room_id,
			     const char *peer_id, const struct caller *caller, struct error *reterr)
{
	const json_t *ended;
	size_t i;

	json_array_foreach (board->ended, i, ended)
		if (strcmp(json_text_of(ended, "peer_id"), peer_id) == 0 &&
		    strcmp(json_text_of(ended, "room_id"), room_id) == 0 &&
		    was_of_caller(ended, caller))
			return error_set(reterr, -ENOENT, "session_not_found",
					 "the session has ended (%s): %s",
					 json_text_of(ended, "code"),
					 json_text_of(ended, "detail"));
	return error_set(reterr, -ENOENT, "session_not_found", "there is no such session in %s",
			 room_id);
}

int switchboard_http_find(const struct switchboard *board, const char *room_id, const char *peer_id,
			  const struct caller *caller, struct peer **ret_peer, struct error *reterr)
{
	struct peer *peer = switchboard_peer_find(board, peer_id);

	if (!peer || peer->kind == PEER_CALL || strcmp(peer->room->room_id, room_id) != 0)
		return session_not_found(board, room_id, peer_id, caller, reterr);
	if (peer_check_caller(peer, caller, reterr) < 0)
		return -EACCES;
	*ret_peer = peer;
	return 0;
}

/* ---- what the API says of rooms ---- */

void switchboard_on_room_updated(struct switchboard *board, const json_t *body)
{
	const char *room_id = json_string_value(json_object_get(body, "room_id"));
	const json_t *limit = json_object_get(body, "max_participants");
	struct call_room *room = room_id ? switchboard_room_find(board, room_id) : NULL;
	json_t *news;

	if (!room)
		return;
	if (json_is_integer(limit))
		room->max_participants = json_integer_value(limit);
	news = reply_new("room-updated", NULL);
	(void)json_object_set_new(news, "room", json_deep_copy(body));
	switchboard_tell_room(room, NULL, news);
}

void switchboard_on_room_deleted(struct switchboard *board, const char *room_id)
{
	struct call_room *room = switchboard_room_find(board, room_id);
	size_t left;

	if (!room)
		return;
	if (!room->is_mesh)
		board->events->sfu_event(board->events_data, BUS_ROOM_CLOSED,
					 json_pack("{s:s}", "room_id", room_id));
	left = 0;
	for (const struct list *link = room->peers.next; link != &room->peers; link = link->next)
		left++;
	while (left-- > 0) {
		struct peer *peer = LIST_ITEM(list_first(&room->peers), struct peer, room_link);

		peer_tell_kicked(peer, "room_deleted", NULL);
		peer_close_session(peer, CLOSE_KICKED, "room deleted");
		peer->is_announced = false; /* they all hear it for themselves */
		switchboard_leave(board, peer, "room_deleted", false); /* frees the last's room */
	}
}

/* ---- looking at it ---- */

static void add_occupancy(json_t *rooms, const struct call_room *room)
{
	struct peer *peer;
	json_int_t viewers = 0;
	json_t *entry = json_object();

	LIST_FOR_EACH (peer, &room->peers, room_link)
		viewers += peer->kind == PEER_WHEP;
	(void)json_object_set_new(entry, "participants", call_room_participants_to_json(room));
	(void)json_object_set_new(entry, "viewers", json_integer(viewers));
	(void)json_object_set_new(rooms, room->room_id, entry);
}

static void visit_room(void *data, struct table_link *link)
{
	add_occupancy(data, TABLE_ITEM(link, struct call_room, by_id));
}

json_t *switchboard_occupancy(const struct switchboard *board, const json_t *room_ids)
{
	json_t *rooms = json_object(), *item;
	size_t i;

	if (!json_is_array(room_ids)) {
		table_for_each(&board->rooms, visit_room, rooms);
		return rooms;
	}
	json_array_foreach (room_ids, i, item) {
		const char *room_id = json_string_value(item);
		const struct call_room *room =
			room_id ? switchboard_room_find(board, room_id) : NULL;

		if (room)
			add_occupancy(rooms, room);
	}
	return rooms;
}

static void visit_count(void *data, struct table_link *link)
{
	const struct call_room *room = TABLE_ITEM(link, struct call_room, by_id);
	size_t count = call_room_participant_count(room);

	if (count > 0)
		(void)json_object_set_new(data, room->room_id, json_integer((json_int_t)count));
}

json_t *switchboard_counts(const struct switchboard *board)
{
	json_t *counts = json_object();

	table_for_each(&board->rooms, visit_count, counts);
	return counts;
}

static void visit_peer(void *data, struct table_link *link)
{
	const struct peer *peer = TABLE_ITEM(link, struct peer, by_id);

	(void)json_array_append_new(data,
				    json_sprintf("%s/%s", peer->room->room_id, peer->peer_id));
}

json_t *switchboard_present(const struct switchboard *board)
{
	json_t *present = json_array();

	table_for_each(&board->peers, visit_peer, present);
	return present;
}
