/* The switchboard's side towards the SFU: what it says, and agreeing again after either of the two
 * was away. */
#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "realtime/model/signaling_session.h"
#include "realtime/model/switchboard_private.h"
#include "realtime/wire/reply.h"

/* ---- hello ---- */

/* Somebody whose media the SFU still carries, but of whom we know nothing: we were restarted. */
static struct peer *adopt(struct switchboard *board, const char *room_id, const json_t *said,
			  uint64_t now_us)
{
	struct call_room *room = switchboard_room_find(board, room_id);
	enum peer_kind kind;
	struct peer *peer;

	if (peer_kind_parse(json_text_of(said, "kind"), &kind) < 0 ||
	    !*json_text_of(said, "peer_id"))
		return NULL;
	if (json_object_get(board->kicked_ids, json_text_of(said, "peer_id"))) {
		(void)json_object_set_new(board->kicked_ids, json_text_of(said, "peer_id"),
					  json_integer(0));
		board->events->sfu_event(board->events_data, BUS_PEER_LEAVE,
					 json_pack("{s:s, s:s}", "room_id", room_id, "peer_id",
						   json_text_of(said, "peer_id")));
		return NULL;
	}
	if (!room) {
		room = call_room_new(room_id);
		if (!room)
			return NULL;
		table_add(&board->rooms, room->room_id, &room->by_id);
	}
	peer = peer_new(room, kind, json_text_of(said, "peer_id"));
	if (!peer && list_is_empty(&room->peers)) {
		table_remove(&board->rooms, &room->by_id);
		(void)call_room_free(room);
	}
	if (!peer)
		return NULL;
	table_add(&board->peers, peer->peer_id, &peer->by_id);
	peer_state_from_json(peer, json_object_get(said, "state"));
	peer_set_muted(peer, peer->audio_muted, peer->video_muted);
	peer->is_announced = kind != PEER_WHEP;
	peer->linger_until_us = now_us + LINGER_US;
	board->events->joined(board->events_data, peer);
	return peer;
}

/* What was muted while the SFU did not hear us. */
static void agree_on_mutes(struct switchboard *board, const struct peer *peer, const json_t *state)
{
	if (json_is_true(json_object_get(state, "audio_muted")) == peer->audio_muted &&
	    json_is_true(json_object_get(state, "video_muted")) == peer->video_muted)
		return;
	board->events->sfu_event(board->events_data, BUS_PEER_MUTE, peer_mute_body(peer));
}

static void hear_room(struct switchboard *board, const json_t *said, json_t *present,
		      uint64_t now_us)
{
	const char *room_id = json_text_of(said, "room_id");
	json_t *item;
	size_t i;

	if (!room_id_is_valid(room_id))
		return;
	json_array_foreach (json_object_get(said, "peers"), i, item) {
		struct peer *peer = switchboard_peer_find(board, json_text_of(item, "peer_id"));

		if (peer && strcmp(peer->room->room_id, room_id) != 0)
			continue;
		if (peer)
			agree_on_mutes(board, peer, json_object_get(item, "state"));
		else
			peer = adopt(board, room_id, item, now_us);
		if (!peer)
			continue;
		peer_take_tracks(peer, json_object_get(item, "tracks"));
		/* An older SFU says none: it is as it was. */
		(void)peer_take_connection(peer, json_text_of(item, "connection_state"),
					   json_object_get(item, "failure"));
		(void)json_object_set_new(present, peer->peer_id, json_true());
	}
}

struct absent {
	struct switchboard *board;
	const json_t *present;
	json_t *gone_ids;
};

/* Somebody the SFU does not know of any more: it was restarted. */
static void visit_absent(void *data, struct table_link *link)
{
	struct absent *absent = data;
	struct switchboard *board = absent->board;
	struct peer *peer = TABLE_ITEM(link, struct peer, by_id);
	json_t *body;

	if (peer->room->is_mesh || json_object_get(absent->present, peer->peer_id))
		return;
	if (!peer->session) {
		(void)json_array_append_new(absent->gone_ids, json_string(peer->peer_id));
		return;
	}
	(void)json_array_clear(peer->tracks);
	peer->connection = CONNECTION_NEW;
	body = peer_join_body(peer);
	board->events->sfu_join(board->events_data, peer, 0, body);
	body = reply_new("signal", NULL);
	(void)json_object_set_new(body, "signal_type", json_string("renegotiate"));
	(void)json_object_set_new(body, "sender_peer_id", json_string("sfu"));
	(void)json_object_set_new(body, "room_id", json_string(peer->room->room_id));
	(void)json_object_set_new(body, "reason", json_string("sfu_restarted"));
	peer_tell(peer, body);
}

static void release_waiting(struct switchboard *board)
{
	struct list *link;

	while ((link = list_first(&board->waiting))) {
		struct signaling_session *session =
			LIST_ITEM(link, struct signaling_session, waiting_link);
		struct error error = {0};
		int r;

		list_remove(link);
		session->state = SIGNALING_OPENING;
		r = switchboard_resume(board, session, &error);
		if (r < 0)
			signaling_session_refuse(session, &error);
		else if (r == 0)
			session->look_up(session);
	}
}

void switchboard_on_sfu_connected(struct switchboard *board, const json_t *rooms, uint64_t now_us)
{
	AUTO_JSON present = json_object();
	AUTO_JSON gone_ids = json_array();
	struct absent absent = {.board = board, .present = present, .gone_ids = gone_ids};
	json_t *item;
	size_t i;

	board->is_sfu_connected = true;
	board->was_sfu_heard = true;
	json_array_foreach (rooms, i, item)
		hear_room(board, item, present, now_us);
	table_for_each(&board->peers, visit_absent, &absent);
	json_array_foreach (gone_ids, i, item)
		switchboard_leave(board, switchboard_peer_find(board, json_string_value(item)),
				  "sfu_restarted", false);
	release_waiting(board);
}

void switchboard_on_sfu_disconnected(struct switchboard *board)
{
	board->is_sfu_connected = false;
}

/* ---- events ---- */

static void on_signal(const struct peer *peer, const json_t *said)
{
	json_t *body = json_copy((json_t *)(uintptr_t)said);

	(void)json_object_del(body, "peer_id");
	(void)json_object_set_new(body, "type", json_string("signal"));
	(void)json_object_set_new(body, "sender_peer_id", json_string("sfu"));
	(void)json_object_set_new(body, "target_peer_id", json_string(peer->peer_id));
	peer_tell(peer, body);
}

static void on_error(const struct peer *peer, const json_t *said)
{
	json_t *body = json_copy((json_t *)(uintptr_t)said);

	(void)json_object_del(body, "peer_id");
	(void)json_object_del(body, "room_id");
	(void)json_object_set_new(body, "type", json_string("error"));
	peer_tell(peer, body);
}

static void on_tracks(struct peer *peer, const json_t *said)
{
	peer_take_tracks(peer, json_object_get(said, "tracks"));
	if (peer->is_announced)
		peer_announce(peer, "peer-updated", NULL);
}

static void on_layers(const struct peer *peer, const json_t *said)
{
	json_t *news = reply_new("layers", NULL);

	(void)json_object_set(news, "mid", json_object_get(said, "mid"));
	(void)json_object_set(news, "layers", json_object_get(said, "layers"));
	peer_tell(peer, news);
}

static void on_slot(struct peer *peer, const json_t *said)
{
	json_t *news = reply_new("slot", NULL);

	(void)json_object_set(news, "mid", json_object_get(said, "mid"));
	(void)json_object_set(news, "peer_id", json_object_get(said, "publisher_peer_id"));
	(void)json_object_set(news, "track_id", json_object_get(said, "track_id"));
	peer_tell(peer, news);
}

static void on_speaks(const struct peer *peer)
{
	json_t *news = reply_new("active-speaker", NULL);

	(void)json_object_set_new(news, "room_id", json_string(peer->room->room_id));
	(void)json_object_set_new(news, "peer_id", json_string(peer->peer_id));
	switchboard_tell_room(peer->room, NULL, news);
}

static void tell_connection(const struct peer *peer, const char *state, const char *code,
			    const char *detail)
{
	json_t *news = reply_new("connection-state", NULL);

	(void)json_object_set_new(news, "room_id", json_string(peer->room->room_id));
	(void)json_object_set_new(news, "state", json_string(state));
	if (*code) {
		(void)json_object_set_new(news, "code", json_string(code));
		(void)json_object_set_new(news, "detail", json_string(detail));
	}
	peer_tell(peer, news);
}

static void on_state(struct peer *peer, const json_t *said)
{
	const char *state = json_text_of(said, "state");

	if (peer_take_connection(peer, state, said))
		tell_connection(peer, state, json_text_of(said, "code"),
				json_text_of(said, "detail"));
}

/* It said so itself: nothing has failed. */
static bool is_goodbye(const char *reason)
{
	return strcmp(reason, "bye") == 0 || strcmp(reason, "closed_by_peer") == 0;
}

/* The SFU let it go. Its client may come back and join anew. */
static void on_gone(struct switchboard *board, struct peer *peer, const json_t *said)
{
	const char *reason = *json_text_of(said, "reason") ? json_text_of(said, "reason") : "gone";
	const char *detail = *json_text_of(said, "detail") ? json_text_of(said, "detail") : reason;

	if (peer->session) {
		struct error error;

		tell_connection(peer, is_goodbye(reason) ? "closed" : "failed", reason, detail);
		(void)error_set(&error, -ENOTCONN, "media_lost", "the media server let you go: %s",
				detail);
		peer_tell(peer, reply_new_error(NULL, &error));
		peer_close_session(peer, CLOSE_INTERNAL, "media lost");
	}
	switchboard_note_ended(board, peer, reason, detail);
	switchboard_leave(board, peer, reason, false);
}

void switchboard_on_sfu_event(struct switchboard *board, enum bus_message message,
			      const json_t *body)
{
	struct peer *peer = switchboard_peer_find(board, json_text_of(body, "peer_id"));

	if (!peer || strcmp(peer->room->room_id, json_text_of(body, "room_id")) != 0)
		return; /* it has left meanwhile */
	if (message == BUS_PEER_SIGNAL)
		on_signal(peer, body);
	else if (message == BUS_PEER_ERROR)
		on_error(peer, body);
	else if (message == BUS_PEER_TRACKS)
		on_tracks(peer, body);
	else if (message == BUS_PEER_LAYERS)
		on_layers(peer, body);
	else if (message == BUS_PEER_SLOT)
		on_slot(peer, body);
	else if (message == BUS_PEER_SPEAKS)
		on_speaks(peer);
	else if (message == BUS_PEER_STATE)
		on_state(peer, body);
	else if (message == BUS_PEER_GONE)
		on_gone(board, peer, body);
}

/* ---- time ---- */

struct expiry {
	json_t *ids;
	uint64_t now_us;
};

static void visit_expired(void *data, struct table_link *link)
{
	struct expiry *expiry = data;
	const struct peer *peer = TABLE_ITEM(link, struct peer, by_id);

	if (peer->kind == PEER_CALL && !peer->session && peer->linger_until_us <= expiry->now_us)
		(void)json_array_append_new(expiry->ids, json_string(peer->peer_id));
}

/* An SFU that has been there all the while has read what it was told. */
static void forget_kicked(struct switchboard *board, uint64_t now_us)
{
	const char *peer_id;
	json_t *forget_at;
	void *next;

	json_object_foreach_safe(board->kicked_ids, next, peer_id, forget_at)
	{
		if (json_integer_value(forget_at) == 0)
			(void)json_integer_set(forget_at, (json_int_t)(now_us + KICK_MEMORY_US));
		else if ((uint64_t)json_integer_value(forget_at) <= now_us)
			(void)json_object_del(board->kicked_ids, peer_id);
	}
}

void switchboard_on_timer(struct switchboard *board, uint64_t now_us)
{
	AUTO_JSON ids = json_array();
	struct expiry expiry = {.ids = ids, .now_us = now_us};
	json_t *item;
	size_t i;

	table_for_each(&board->peers, visit_expired, &expiry);
	json_array_foreach (ids, i, item)
		switchboard_leave(board, switchboard_peer_find(board, json_string_value(item)),
				  "not_resumed", true);
	if (board->is_sfu_connected)
		forget_kicked(board, now_us);
	if (now_us >= board->started_at_us + RESUME_WAIT_US)
		release_waiting(board);
}
