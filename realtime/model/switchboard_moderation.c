/* What a moderator does to those who are in a room. */
#include <errno.h>
#include <string.h>

#include "realtime/model/switchboard_private.h"
#include "realtime/wire/reply.h"

int switchboard_participant_find(const struct switchboard *board, const char *room_id,
				 const char *peer_id, struct peer **ret_peer, struct error *reterr)
{
	struct peer *peer = switchboard_peer_find(board, peer_id);

	if (!peer || strcmp(peer->room->room_id, room_id) != 0)
		return error_set(reterr, -ENOENT, "participant_not_found",
				 "nobody called %s is in %s", peer_id, room_id);
	*ret_peer = peer;
	return 0;
}

/* ---- sending out ---- */

void peer_tell_kicked(const struct peer *peer, const char *code, const char *words)
{
	json_t *news = reply_new("kicked", NULL);

	(void)json_object_set_new(news, "room_id", json_string(peer->room->room_id));
	(void)json_object_set_new(news, "code", json_string(code));
	(void)json_object_set_new(news, "reason", json_string(words && *words ? words : code));
	peer_tell(peer, news);
}

void switchboard_kick(struct switchboard *board, struct peer *peer, const char *code,
		      const char *words)
{
	peer_tell_kicked(peer, code, words);
	peer_close_session(peer, CLOSE_KICKED, "kicked");
	/* An SFU that is away, or goes before it reads this, would bring it back with its hello. */
	if (!peer->room->is_mesh)
		(void)json_object_set_new(board->kicked_ids, peer->peer_id, json_integer(0));
	switchboard_leave(board, peer, code, true);
}

/* ---- muting ---- */

int switchboard_mute(struct switchboard *board, struct peer *peer, int audio, int video,
		     json_t **ret_body, struct error *reterr)
{
	if (peer->room->is_mesh)
		return error_set(reterr, -EINVAL, "mesh_room",
				 "%s is a mesh room: no media server could hold media back",
				 peer->room->room_id);
	if (!board->is_sfu_connected)
		return error_set(reterr, -ENOTCONN, "sfu_unavailable", "the media server is away");
	peer_set_muted(peer, audio < 0 ? peer->audio_muted : audio > 0,
		       video < 0 ? peer->video_muted : video > 0);
	*ret_body = peer_mute_body(peer);
	return 0;
}

void switchboard_on_muted(struct peer *peer, const json_t *answer)
{
	peer_take_tracks(peer, json_object_get(answer, "tracks"));
	if (peer->is_announced)
		peer_announce(peer, "peer-updated", NULL);
}

/* ---- users ---- */

static void add_user(void *data, struct table_link *link)
{
	const struct peer *peer = TABLE_ITEM(link, struct peer, by_id);

	if (*peer->user_id)
		(void)json_array_append_new(
			data, json_pack("[s, s]", peer->room->room_id, peer->user_id));
}

json_t *switchboard_users(const struct switchboard *board)
{
	json_t *users = json_array();

	table_for_each(&board->peers, add_user, users);
	return users;
}

struct peer *switchboard_user_find(const struct switchboard *board, const char *room_id,
				   const char *user_id)
{
	const struct call_room *room = switchboard_room_find(board, room_id);
	struct peer *peer;

	if (!room || !*user_id)
		return NULL;
	LIST_FOR_EACH (peer, &room->peers, room_link)
		if (strcmp(peer->user_id, user_id) == 0)
			return peer;
	return NULL;
}
