#include "realtime/edge/api_moderation.h"

#include <errno.h>
#include <stdio.h>

#include "core/json.h"
#include "core/log.h"
#include "db/room_bans.h"
#include "realtime/edge/api_publish.h"

/* Of {room_id, peer_id}. 1; 0: there is no peer_id. */
static int peer_get(const struct daemon *daemon, const json_t *body, const char **ret_room_id,
		    struct peer **ret_peer, struct error *reterr)
{
	const char *peer_id = NULL;
	int r = json_get_text(body, "room_id", 1, ROOM_ID_MAX, ret_room_id, reterr);

	if (r == 0)
		return json_missing("room_id", reterr);
	if (r > 0)
		r = json_get_text(body, "peer_id", 1, PEER_ID_MAX, &peer_id, reterr);
	if (r <= 0)
		return r;
	r = switchboard_participant_find(&daemon->board, *ret_room_id, peer_id, ret_peer, reterr);
	return r < 0 ? r : 1;
}

int api_get_participant(struct daemon *daemon, const json_t *body, json_t **ret_answer,
			struct error *reterr)
{
	const char *room_id = NULL;
	struct peer *peer = NULL;
	int r = peer_get(daemon, body, &room_id, &peer, reterr);

	if (r == 0)
		return json_missing("peer_id", reterr);
	if (r > 0)
		*ret_answer = json_pack("{s:o}", "participant", peer_to_participant_json(peer));
	return r < 0 ? r : 0;
}

int api_kick(struct daemon *daemon, const json_t *body, json_t **ret_answer, struct error *reterr)
{
	const char *room_id = NULL, *user_id = NULL, *code = "kicked", *words = NULL;
	struct peer *peer = NULL;
	size_t count = 0;
	int r = peer_get(daemon, body, &room_id, &peer, reterr), is_peer = r;

	if (r >= 0)
		r = json_get_text(body, "user_id", 1, USER_ID_MAX, &user_id, reterr);
	if (r >= 0)
		r = json_get_text(body, "code", 1, BAN_REASON_MAX, &code, reterr);
	if (r >= 0)
		r = json_get_text(body, "reason", 0, BAN_REASON_MAX, &words, reterr);
	if (r < 0)
		return r;
	if (!is_peer && !user_id)
		return json_missing("peer_id", reterr);
	/* Whoever is on the way in is looked at once more. */
	room_gate_on_room_changed(&daemon->gate, room_id);
	if (is_peer) {
		ban_watch_kick(&daemon->board, &daemon->gate, peer, code, words);
		count = 1;
	} else {
		count = ban_watch_send_out(&daemon->board, &daemon->gate, room_id, user_id, code,
					   words);
	}
	*ret_answer = json_pack("{s:I}", "kicked", (json_int_t)count);
	return 0;
}

/* ---- muting: the SFU does it ---- */

struct mute {
	uint64_t token; /* of the asker */
	char peer_id[PEER_ID_SIZE];
};

static void on_sfu_muted(void *data, void *context, const json_t *answer, const struct error *error)
{
	struct daemon *daemon = data;
	AUTO_FREE struct mute *mute = context;
	struct peer *peer = switchboard_peer_find(&daemon->board, mute->peer_id);
	struct bus_peer *asker = api_asker_of(daemon, mute->token);
	struct error gone;

	if (!error && peer)
		switchboard_on_muted(peer, answer);
	else if (!error)
		(void)error_set(&gone, -ENOENT, "participant_not_found", "%s has left meanwhile",
				mute->peer_id);
	if (!asker)
		return; /* it has gone meanwhile; what it asked for is done */
	if (error || !peer)
		bus_peer_refuse(asker, BUS_MUTE, (uint32_t)mute->token, error ? error : &gone);
	else
		bus_peer_respond(asker, BUS_MUTE, (uint32_t)mute->token,
				 json_pack("{s:o}", "participant", peer_to_participant_json(peer)));
}

static int flag_get(const json_t *body, const char *name, int *ret_flag, struct error *reterr)
{
	bool flag;
	int r = json_get_bool(body, name, &flag, reterr);

	if (r > 0)
		*ret_flag = flag;
	return r;
}

int api_on_mute(struct daemon *daemon, struct bus_peer *asker, const struct bus_frame *frame,
		struct error *reterr)
{
	AUTO_FREE struct mute *mute = calloc(1, sizeof(*mute));
	const char *room_id = NULL;
	struct peer *peer = NULL;
	int audio = -1, video = -1;
	json_t *body = NULL;
	int r = peer_get(daemon, frame->body, &room_id, &peer, reterr);

	if (r == 0)
		return json_missing("peer_id", reterr);
	if (r > 0)
		r = flag_get(frame->body, "audio_muted", &audio, reterr);
	if (r >= 0)
		r = flag_get(frame->body, "video_muted", &video, reterr);
	if (r >= 0 && !mute)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	if (r >= 0)
		r = switchboard_mute(&daemon->board, peer, audio, video, &body, reterr);
	if (r < 0)
		return r;
	mute->token = api_token_of(asker, frame);
	(void)snprintf(mute->peer_id, sizeof(mute->peer_id), "%s", peer->peer_id);
	r = bus_peer_ask(daemon->sfu, BUS_PEER_MUTE, body, on_sfu_muted, daemon, mute);
	if (r == 0)
		(void)STEAL(mute);
	return r;
}
