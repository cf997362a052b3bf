#include "realtime/model/signaling_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"
#include "realtime/wire/reply.h"

static void tell(struct signaling_session *session, json_t *taken)
{
	outbox_push_take(session->outbox, reply_frame_take(taken));
}

void signaling_session_init(struct signaling_session *session, struct switchboard *board,
			    struct outbox *outbox, const char *room_id, const char *name,
			    void (*look_up)(struct signaling_session *session),
			    void (*identify)(struct signaling_session *session,
					     const char *credential))
{
	*session = (struct signaling_session){
		.board = board, .outbox = outbox, .look_up = look_up, .identify = identify};
	list_init(&session->waiting_link);
	(void)snprintf(session->room_id, sizeof(session->room_id), "%s", room_id);
	(void)snprintf(session->name, sizeof(session->name), "%s", name);
	id_random_chars(session->own_token, RESUME_TOKEN_CHARS);
}

void signaling_session_set_pass(struct signaling_session *session, struct entry_pass *pass_taken)
{
	session->pass = entry_pass_free(session->pass);
	session->pass = pass_taken;
}

void signaling_session_set_resume(struct signaling_session *session, const char *peer_id,
				  const char *token)
{
	(void)snprintf(session->resume_peer_id, sizeof(session->resume_peer_id), "%s", peer_id);
	(void)snprintf(session->resume_token, sizeof(session->resume_token), "%s", token);
}

void signaling_session_refuse(struct signaling_session *session, const struct error *error)
{
	enum close_code code = CLOSE_FORBIDDEN;

	if (error->number == -EIO)
		code = CLOSE_INTERNAL;
	else if (error->number == -EDQUOT)
		code = CLOSE_RATE;
	else if (error->number == -EAGAIN)
		code = CLOSE_OVERLOAD;
	session->state = SIGNALING_CLOSED;
	tell(session, reply_new_error(NULL, error));
	outbox_end(session->outbox, code, "cannot join");
}

/* What they may do there by who they are; an invite, which is looked at later, stands in for it. */
static bool may_knock(struct signaling_session *session, const struct identity *identity)
{
	session->is_invited = entry_pass_has_invite(session->pass);
	session->may_publish = session->is_invited ||
			       identity_may(identity, RIGHT_PUBLISH, GRANT_ROOMS, session->room_id);
	/* Who shows an invite comes by it, so that it is looked at. And where anybody may do
	 * anything, nobody in particular is still no moderator before a lock or a password. */
	session->is_moderator =
		!session->is_invited && !identity_is_anonymous(identity) &&
		(identity_may(identity, RIGHT_MODERATE, GRANT_ROOMS, session->room_id) ||
		 identity_may(identity, RIGHT_ADMIN, GRANT_ROOMS, session->room_id));
	return session->is_invited ||
	       identity_may(identity, RIGHT_SUBSCRIBE, GRANT_ROOMS, session->room_id);
}

void signaling_session_start(struct signaling_session *session, const struct identity *identity,
			     uint64_t now_us)
{
	struct switchboard *board = session->board;
	struct error error = {0};
	int r;

	if (!may_knock(session, identity)) {
		(void)error_set_field(&error, -EACCES, "forbidden", "room_id",
				      "%s is not for you with what you have shown",
				      session->room_id);
		signaling_session_refuse(session, &error);
		return;
	}
	(void)snprintf(session->user_id, sizeof(session->user_id), "%s", identity->user_id);
	if (!*session->resume_peer_id) {
		session->look_up(session);
		return;
	}
	r = switchboard_resume(board, session, &error);
	if (r < 0) {
		signaling_session_refuse(session, &error);
	} else if (r == 0 && !board->was_sfu_heard &&
		   now_us < board->started_at_us + RESUME_WAIT_US) {
		session->state = SIGNALING_WAITING;
		list_append(&board->waiting, &session->waiting_link);
	} else if (r == 0) {
		session->look_up(session);
	}
}

void signaling_session_fini(struct signaling_session *session, bool keep_peer)
{
	struct peer *peer = session->peer;

	list_remove(&session->waiting_link);
	session->pass = entry_pass_free(session->pass);
	json_decref(session->identifying_id);
	session->identifying_id = NULL;
	session->state = SIGNALING_CLOSED;
	if (!peer)
		return;
	peer->session = NULL;
	session->peer = NULL;
	if (!keep_peer)
		switchboard_leave(session->board, peer, "left", true);
}

/* ---- a new token in place of an old one ---- */

static int refresh(struct signaling_session *session, const struct signal *signal,
		   struct error *reterr)
{
	if (session->is_identifying)
		return error_set(reterr, -EBUSY, "busy",
				 "wait for the answer to the credentials that you gave before");
	session->is_identifying = true;
	session->identifying_id = json_incref((json_t *)(uintptr_t)signal->id);
	session->identify(session, signal->token);
	return 0;
}

int signaling_session_check_identity(const struct signaling_session *session,
				     const struct identity *identity, struct error *reterr)
{
	if (strcmp(identity->user_id, session->user_id) != 0)
		return error_set_field(reterr, -EACCES, "other_user", "token",
				       "this connection is another user's; connect anew to be "
				       "somebody else");
	if (session->is_invited)
		return 0; /* by the invite, not by what the token allows */
	if (!identity_may(identity, RIGHT_SUBSCRIBE, GRANT_ROOMS, session->room_id) ||
	    (session->may_publish &&
	     !identity_may(identity, RIGHT_PUBLISH, GRANT_ROOMS, session->room_id)))
		return error_set_field(reterr, -EACCES, "forbidden", "token",
				       "this token allows less in %s than the one you came with",
				       session->room_id);
	return 0;
}

void signaling_session_on_identified(struct signaling_session *session,
				     const struct identity *identity)
{
	AUTO_JSON request_id = STEAL(session->identifying_id);
	json_t *body = reply_new("ack", request_id);

	session->is_identifying = false;
	(void)json_object_set_new(body, "user_id", json_string(identity->user_id));
	if (identity->expires_at_unix_ms > 0)
		(void)json_object_set_new(body, "expires_at",
					  json_integer((json_int_t)identity->expires_at_unix_ms));
	tell(session, body);
}

void signaling_session_on_unidentified(struct signaling_session *session, const struct error *error)
{
	AUTO_JSON request_id = STEAL(session->identifying_id);

	session->is_identifying = false;
	tell(session, reply_new_error(request_id, error));
}

/* ---- signals ---- */

static int to_sfu(struct switchboard *board, const struct peer *sender, const struct signal *signal,
		  struct error *reterr)
{
	static const char *const passed_on[] = {"sdp", "ice_candidate", "offer_id", "id"};
	json_t *body;

	if (!board->is_sfu_connected)
		return error_set(reterr, -ENOTCONN, "sfu_unavailable",
				 "the media server is away; it will ask for a new offer");
	body = json_pack("{s:s, s:s, s:s}", "room_id", sender->room->room_id, "peer_id",
			 sender->peer_id, "signal_type", signal->signal_type);
	for (size_t i = 0; i < ARRAY_LEN(passed_on); i++) {
		json_t *value = json_object_get(signal->body, passed_on[i]);

		if (value)
			(void)json_object_set(body, passed_on[i], value);
	}
	board->events->sfu_event(board->events_data, BUS_PEER_SIGNAL, body);
	return 0;
}

static void to_peer(const struct peer *target, const struct peer *sender,
		    const struct signal *signal)
{
	json_t *body = json_copy(signal->body);

	(void)json_object_set_new(body, "type", json_string("signal"));
	(void)json_object_set_new(body, "sender_peer_id", json_string(sender->peer_id));
	(void)json_object_set_new(body, "room_id", json_string(sender->room->room_id));
	if (target->session)
		tell(target->session, body);
	else
		json_decref(body); /* detached: its client will start anew */
}

int signaling_signal(struct switchboard *board, const struct peer *sender,
		     const struct signal *signal, struct error *reterr)
{
	const char *target_id = signal->target_peer_id;
	const struct peer *target;

	if (signal->room_id && strcmp(signal->room_id, sender->room->room_id) != 0)
		return error_set_field(reterr, -EINVAL, "bad_field", "room_id",
				       "room_id must be the room that this peer is in, %s",
				       sender->room->room_id);
	if (!sender->room->is_mesh && (!target_id || strcmp(target_id, "sfu") == 0))
		return to_sfu(board, sender, signal, reterr);
	if (!target_id)
		return json_missing("target_peer_id", reterr);
	target = switchboard_peer_find(board, target_id);
	if (!target || target->room != sender->room || !target->is_announced)
		return error_set_field(reterr, -ENOENT, "unknown_peer", "target_peer_id",
				       "nobody called %s is in this room", target_id);
	if (!sender->room->is_mesh)
		return to_sfu(board, sender, signal, reterr);
	to_peer(target, sender, signal);
	return 0;
}

/* The one call in the room that is the caller's. */
static struct peer *own_peer_find(const struct switchboard *board, const char *room_id,
				  const struct caller *caller)
{
	struct call_room *room = room_id ? switchboard_room_find(board, room_id) : NULL;
	struct peer *peer, *found = NULL;

	if (!room || !*caller->user_id)
		return NULL;
	LIST_FOR_EACH (peer, &room->peers, room_link) {
		if (peer->kind != PEER_CALL || strcmp(peer->user_id, caller->user_id) != 0)
			continue;
		if (found)
			return NULL; /* which of them is not clear */
		found = peer;
	}
	return found;
}

static int sender_find(const struct switchboard *board, const json_t *said,
		       const struct signal *signal, const struct caller *caller,
		       const struct peer **ret_sender, struct error *reterr)
{
	const char *sender_id = NULL;
	int r = json_get_text(said, "sender_peer_id", 1, PEER_ID_MAX, &sender_id, reterr);

	if (r < 0)
		return r;
	*ret_sender = r > 0 ? switchboard_peer_find(board, sender_id)
			    : own_peer_find(board, signal->room_id, caller);
	if (*ret_sender && (*ret_sender)->kind == PEER_CALL)
		return 0;
	if (r == 0)
		return error_set_field(reterr, -EINVAL, "missing_field", "sender_peer_id",
				       "say by sender_peer_id which peer of the call you are");
	return error_set_field(reterr, -ENOENT, "unknown_peer", "sender_peer_id",
			       "nobody called %s is in a call", sender_id);
}

int signaling_signal_for(struct switchboard *board, json_t *said, const struct caller *caller,
			 struct error *reterr)
{
	struct caller asks = *caller;
	AUTO_SIGNAL signal = {0};
	const struct peer *sender = NULL;
	int r = signal_from_json(said, &signal, reterr);

	if (r < 0)
		return r;
	if (signal.kind != SIGNAL_SIGNAL)
		return error_set_field(reterr, -EINVAL, "bad_field", "type",
				       "type must be signal, which is all that goes by this way");
	r = sender_find(board, said, &signal, caller, &sender, reterr);
	if (r < 0)
		return r;
	/* A moderator of one room is none of another, which signaling_signal() looks at, too. */
	if (!signal.room_id || strcmp(signal.room_id, sender->room->room_id) != 0)
		asks.is_moderator = false;
	r = peer_check_caller(sender, &asks, reterr);
	return r < 0 ? r : signaling_signal(board, sender, &signal, reterr);
}

/* What concerns media is the SFU's. */
static void pass_on(struct signaling_session *session, const struct signal *signal,
		    enum bus_message message)
{
	static const char *const passed_on[] = {"mid",	 "track_id", "kind",	 "source", "muted",
						"width", "height",   "priority", "paused"};
	const struct switchboard *board = session->board;
	json_t *body = json_pack("{s:s, s:s}", "room_id", session->peer->room->room_id, "peer_id",
				 session->peer->peer_id);

	for (size_t i = 0; i < ARRAY_LEN(passed_on); i++) {
		json_t *value = json_object_get(signal->body, passed_on[i]);

		if (value)
			(void)json_object_set(body, passed_on[i], value);
	}
	board->events->sfu_event(board->events_data, message, body);
}

void signaling_session_on_text(struct signaling_session *session, const char *text, size_t length)
{
	AUTO_SIGNAL signal = {0};
	struct error error = {0};
	int r = signal_parse(text, length, &signal, &error);

	if (r >= 0 && signal.kind == SIGNAL_PING) {
		tell(session, reply_new("pong", signal.id));
		return;
	}
	if (r >= 0 && session->state != SIGNALING_JOINED)
		r = error_set(&error, -EPROTO, "not_joined", "wait for `joined` first");
	if (r >= 0 && signal.kind == SIGNAL_REFRESH)
		r = refresh(session, &signal, &error);
	else if (r >= 0 && signal.kind == SIGNAL_SIGNAL)
		r = signaling_signal(session->board, session->peer, &signal, &error);
	else if (r >= 0)
		pass_on(session, &signal,
			signal.kind == SIGNAL_TRACK ? BUS_PEER_TRACK : BUS_PEER_SUBSCRIPTION);
	if (r < 0 && !signal.body && !utf8_is_valid(text, length))
		outbox_end(session->outbox, CLOSE_BAD_TEXT, "invalid UTF-8");
	else if (r < 0)
		tell(session, reply_new_error(signal.id, &error));
}
