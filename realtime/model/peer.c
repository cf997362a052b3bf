#include "realtime/model/peer.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"

static const char *const kind_names[] = {
	[PEER_CALL] = "call", [PEER_WHIP] = "whip", [PEER_WHEP] = "whep"};

const char *peer_kind_name(enum peer_kind kind)
{
	return kind_names[kind];
}

int peer_kind_parse(const char *text, enum peer_kind *ret_kind)
{
	for (size_t i = 0; i < ARRAY_LEN(kind_names); i++) {
		if (strcmp(kind_names[i], text) == 0) {
			*ret_kind = (enum peer_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

struct peer *peer_new(struct call_room *room, enum peer_kind kind, const char *peer_id)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->tracks = json_array();
	if (!peer->tracks) {
		free(peer);
		return NULL;
	}
	peer->room = room;
	peer->kind = kind;
	(void)snprintf(peer->peer_id, sizeof(peer->peer_id), "%s", peer_id);
	list_init(&peer->room_link);
	list_append(&room->peers, &peer->room_link);
	return peer;
}

struct peer *peer_free(struct peer *peer)
{
	if (!peer)
		return NULL;
	list_remove(&peer->room_link);
	json_decref(peer->tracks);
	free(peer);
	return NULL;
}

void peer_set_muted(struct peer *peer, bool audio, bool video)
{
	peer->audio_muted = audio;
	peer->video_muted = video;
	if (!*peer->user_id)
		return; /* nobody who could be known again */
	if (audio || video)
		(void)json_object_set_new(peer->room->muted_users, peer->user_id,
					  json_pack("[b, b]", (int)audio, (int)video));
	else
		(void)json_object_del(peer->room->muted_users, peer->user_id);
}

void peer_recall_muted(struct peer *peer)
{
	const json_t *muted = json_object_get(peer->room->muted_users, peer->user_id);

	peer->audio_muted |= json_is_true(json_array_get(muted, 0));
	peer->video_muted |= json_is_true(json_array_get(muted, 1));
}

json_t *peer_to_json(const struct peer *peer)
{
	return json_pack("{s:s, s:s?, s:s, s:s, s:I, s:O, s:b, s:b}", "peer_id", peer->peer_id,
			 "user_id", *peer->user_id ? peer->user_id : NULL, "name", peer->name,
			 "kind", peer_kind_name(peer->kind), "joined_at",
			 (json_int_t)peer->joined_at_unix_ms, "tracks", peer->tracks, "audio_muted",
			 (int)peer->audio_muted, "video_muted", (int)peer->video_muted);
}

static const char *const connection_names[] = {[CONNECTION_NEW] = "new",
					       [CONNECTION_CONNECTING] = "connecting",
					       [CONNECTION_CONNECTED] = "connected",
					       [CONNECTION_FAILED] = "failed"};

json_t *peer_to_participant_json(const struct peer *peer)
{
	json_t *told = peer_to_json(peer);
	json_t *failure = peer->connection == CONNECTION_FAILED
				  ? json_pack("{s:s, s:s}", "code", peer->failure.code, "detail",
					      peer->failure.message)
				  : json_null();
	const char *state = peer->room->is_mesh ? NULL : connection_names[peer->connection];

	(void)json_object_set_new(told, "connection_state",
				  state ? json_string(state) : json_null());
	(void)json_object_set_new(told, "failure", failure);
	return told;
}

bool peer_take_connection(struct peer *peer, const char *state, const json_t *failure)
{
	const char *code = json_text_of(failure, "code");

	for (size_t i = 0; i < ARRAY_LEN(connection_names); i++) {
		if (strcmp(connection_names[i], state) != 0)
			continue;
		peer->connection = (enum connection_state)i;
		if (peer->connection == CONNECTION_FAILED)
			(void)error_set(&peer->failure, -ENOTCONN, *code ? code : "failed", "%s",
					json_text_of(failure, "detail"));
		return true;
	}
	return false;
}

json_t *peer_state_to_json(const struct peer *peer)
{
	return json_pack("{s:b, s:s, s:s, s:s, s:I, s:b, s:b}", "may_publish",
			 (int)peer->may_publish, "name", peer->name, "user_id", peer->user_id,
			 "resume_hash", peer->resume_hash, "joined_at",
			 (json_int_t)peer->joined_at_unix_ms, "audio_muted", (int)peer->audio_muted,
			 "video_muted", (int)peer->video_muted);
}

static void take_text(const json_t *state, const char *name, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(state, name));

	(void)snprintf(out, size, "%s", text ? text : "");
}

void peer_state_from_json(struct peer *peer, const json_t *state)
{
	peer->may_publish = !json_is_false(json_object_get(state, "may_publish"));
	take_text(state, "name", peer->name, sizeof(peer->name));
	take_text(state, "user_id", peer->user_id, sizeof(peer->user_id));
	take_text(state, "resume_hash", peer->resume_hash, sizeof(peer->resume_hash));
	peer->joined_at_unix_ms = json_integer_value(json_object_get(state, "joined_at"));
	peer->audio_muted = json_is_true(json_object_get(state, "audio_muted"));
	peer->video_muted = json_is_true(json_object_get(state, "video_muted"));
}

int peer_check_caller(const struct peer *peer, const struct caller *caller, struct error *reterr)
{
	bool is_own = *peer->user_id ? strcmp(peer->user_id, caller->user_id) == 0
				     : peer->kind == PEER_WHEP;

	if (is_own || caller->is_moderator)
		return 0;
	return error_set(reterr, -EACCES, "forbidden", "%s is somebody else's", peer->peer_id);
}

void peer_take_tracks(struct peer *peer, json_t *tracks)
{
	if (!json_is_array(tracks))
		return;
	(void)json_incref(tracks);
	json_decref(peer->tracks);
	peer->tracks = tracks;
}

json_t *peer_mute_body(const struct peer *peer)
{
	return json_pack("{s:s, s:s, s:b, s:b, s:o}", "room_id", peer->room->room_id, "peer_id",
			 peer->peer_id, "audio_muted", (int)peer->audio_muted, "video_muted",
			 (int)peer->video_muted, "state", peer_state_to_json(peer));
}

json_t *peer_join_body(const struct peer *peer)
{
	json_t *body = peer_mute_body(peer);

	(void)json_object_set_new(body, "kind", json_string(peer_kind_name(peer->kind)));
	(void)json_object_set_new(body, "may_publish", json_boolean(peer->may_publish));
	if (json_array_size(peer->room->codecs) > 0)
		(void)json_object_set(body, "codecs", peer->room->codecs);
	return body;
}

void resume_token_hash(const char *token, char out[RESUME_HASH_SIZE])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	(void)SHA256((const unsigned char *)token, strlen(token), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

bool peer_can_resume(const struct peer *peer, const char *token)
{
	char hash[RESUME_HASH_SIZE];

	resume_token_hash(token, hash);
	return peer->kind == PEER_CALL && *peer->resume_hash &&
	       CRYPTO_memcmp(hash, peer->resume_hash, RESUME_HASH_SIZE) == 0;
}

struct call_room *call_room_new(const char *room_id)
{
	struct call_room *room = calloc(1, sizeof(*room));

	if (!room)
		return NULL;
	room->muted_users = json_object();
	if (!room->muted_users) {
		free(room);
		return NULL;
	}
	list_init(&room->peers);
	(void)snprintf(room->room_id, sizeof(room->room_id), "%s", room_id);
	return room;
}

struct call_room *call_room_free(struct call_room *room)
{
	if (!room)
		return NULL;
	assert(list_is_empty(&room->peers));
	json_decref(room->muted_users);
	json_decref(room->codecs);
	free(room);
	return NULL;
}

int64_t call_room_participant_count(const struct call_room *room)
{
	struct peer *peer;
	int64_t count = 0;

	LIST_FOR_EACH (peer, &room->peers, room_link)
		count += peer->kind != PEER_WHEP;
	return count;
}

json_t *call_room_peers_to_json(const struct call_room *room, const struct peer *besides)
{
	json_t *peers = json_array();
	struct peer *peer;

	LIST_FOR_EACH (peer, &room->peers, room_link)
		if (peer != besides && peer->is_announced)
			(void)json_array_append_new(peers, peer_to_json(peer));
	return peers;
}

json_t *call_room_participants_to_json(const struct call_room *room)
{
	json_t *peers = json_array();
	struct peer *peer;

	LIST_FOR_EACH (peer, &room->peers, room_link)
		if (peer->is_announced)
			(void)json_array_append_new(peers, peer_to_participant_json(peer));
	return peers;
}
