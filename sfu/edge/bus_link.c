#include "sfu/edge/bus_link.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/json.h"
#include "core/log.h"
#include "sfu/model/placement.h"

enum { DESCRIBE_TIMEOUT_MS = 500 };

struct bus_link {
	const char *path;
	const struct workers *workers;
	struct placement *placement;
	/* The workers send while main stops the client. */
	pthread_rwlock_t lock;
	struct bus_client *client;
};

struct worker *workers_of_room(const struct workers *workers, const char *room_id)
{
	return workers->worker[placement_home(room_id, workers->count)];
}

bool workers_share_rooms(const struct workers *workers)
{
	return workers->count > 1 && workers->peers_per_worker > 0;
}

/* ---- what the rooms say ---- */

static void send_event(void *data, enum bus_message message, json_t *body)
{
	struct bus_link *link = data;

	(void)pthread_rwlock_rdlock(&link->lock);
	if (link->client)
		(void)bus_client_send(link->client, message, body); /* HELLO tells it later */
	else
		json_decref(body);
	(void)pthread_rwlock_unlock(&link->lock);
}

static void on_signal(void *data, const char *room_id, const char *peer_id, const char *signal_type,
		      const char *sdp, uint64_t offer_id, const json_t *id)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "room_id", room_id, "peer_id", peer_id,
				 "signal_type", signal_type, "sdp", sdp);

	if (offer_id != 0)
		(void)json_object_set_new(body, "offer_id", json_integer((json_int_t)offer_id));
	if (id)
		(void)json_object_set_new(body, "id", json_deep_copy(id));
	send_event(data, BUS_PEER_SIGNAL, body);
}

static void on_refused(void *data, const char *room_id, const char *peer_id,
		       const struct error *error, const json_t *id)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "room_id", room_id, "peer_id", peer_id,
				 "code", error->code, "detail", error->message);

	if (*error->field)
		(void)json_object_set_new(body, "field", json_string(error->field));
	if (id)
		(void)json_object_set_new(body, "id", json_deep_copy(id));
	send_event(data, BUS_PEER_ERROR, body);
}

static void on_track_refused(void *data, const char *room_id, const char *peer_id,
			     const char *publisher_id, const char *track_id,
			     const struct error *error)
{
	send_event(data, BUS_PEER_ERROR,
		   json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "room_id", room_id, "peer_id",
			     peer_id, "code", error->code, "detail", error->message,
			     "publisher_peer_id", publisher_id, "track_id", track_id));
}

static void on_tracks(void *data, const char *room_id, const char *peer_id, json_t *tracks)
{
	send_event(data, BUS_PEER_TRACKS,
		   json_pack("{s:s, s:s, s:o}", "room_id", room_id, "peer_id", peer_id, "tracks",
			     tracks));
}

static void on_layers(void *data, const char *room_id, const char *peer_id, const char *mid,
		      json_t *layers)
{
	send_event(data, BUS_PEER_LAYERS,
		   json_pack("{s:s, s:s, s:s, s:o}", "room_id", room_id, "peer_id", peer_id, "mid",
			     mid, "layers", layers));
}

static void on_slot(void *data, const char *room_id, const char *peer_id, const char *mid,
		    const char *publisher_id, const char *track_id)
{
	send_event(data, BUS_PEER_SLOT,
		   json_pack("{s:s, s:s, s:s, s:s, s:s}", "room_id", room_id, "peer_id", peer_id,
			     "mid", mid, "publisher_peer_id", publisher_id, "track_id", track_id));
}

static void on_speaker(void *data, const char *room_id, const char *peer_id)
{
	send_event(data, BUS_PEER_SPEAKS,
		   json_pack("{s:s, s:s}", "room_id", room_id, "peer_id", peer_id));
}

static void on_state(void *data, const char *room_id, const char *peer_id, const char *state,
		     const struct error *failure)
{
	send_event(data, BUS_PEER_STATE,
		   json_pack("{s:s, s:s, s:s, s:s*, s:s*}", "room_id", room_id, "peer_id", peer_id,
			     "state", state, "code", failure ? failure->code : NULL, "detail",
			     failure ? failure->message : NULL));
}

static void on_gone(void *data, const char *room_id, const char *peer_id, const struct error *why)
{
	struct bus_link *link = data;

	placement_forget(link->placement, room_id, peer_id);
	send_event(data, BUS_PEER_GONE,
		   json_pack("{s:s, s:s, s:s, s:s}", "room_id", room_id, "peer_id", peer_id,
			     "reason", why->code, "detail", why->message));
}

const struct room_events bus_link_room_events = {.signal = on_signal,
						 .refused = on_refused,
						 .track_refused = on_track_refused,
						 .tracks = on_tracks,
						 .layers = on_layers,
						 .slot = on_slot,
						 .speaker = on_speaker,
						 .state = on_state,
						 .gone = on_gone};

/* ---- what realtimed asks, on the worker's thread ---- */

static struct mutes mutes_of(const json_t *body)
{
	return (struct mutes){.audio = json_is_true(json_object_get(body, "audio_muted")),
			      .video = json_is_true(json_object_get(body, "video_muted"))};
}

static int peer_request_read(const json_t *body, struct peer_request *request, struct error *reterr)
{
	static const char *const kinds[] = {"call", "whip", "whep"};
	const char *kind = NULL;
	json_t *publishers = NULL, *codecs = NULL;
	int r = json_get_text(body, "peer_id", 1, PEER_ID_MAX, &request->peer_id, reterr);

	if (r == 0)
		return json_missing("peer_id", reterr);
	if (r > 0)
		r = json_get_text(body, "kind", 1, 8, &kind, reterr);
	if (r >= 0)
		r = json_get_text(body, "sdp", 1, SDP_FIELD_MAX, &request->sdp, reterr);
	if (r >= 0)
		r = json_get_container(body, "publishers", JSON_ARRAY, &publishers, reterr);
	if (r >= 0)
		r = json_get_container(body, "codecs", JSON_ARRAY, &codecs, reterr);
	if (r < 0)
		return r;
	request->publishers = publishers;
	request->codecs = codecs;
	request->may_publish = !json_is_false(json_object_get(body, "may_publish"));
	request->state = json_object_get(body, "state");
	request->mutes = mutes_of(body);
	for (unsigned i = 0; kind && i < ARRAY_LEN(kinds); i++) {
		if (strcmp(kind, kinds[i]) == 0) {
			request->kind = (enum peer_kind)i;
			return 0;
		}
	}
	return error_set_field(reterr, -EINVAL, "bad_field", "kind",
			       "kind must be call, whip or whep");
}

/* Whom a viewer may watch is known when all workers have told of their parts. */
static bool must_wait(struct worker *worker, const json_t *body)
{
	const char *id = json_string_value(json_object_get(body, "room_id"));
	const char *kind = json_string_value(json_object_get(body, "kind"));
	const struct room *room;

	if (!kind || strcmp(kind, "whep") != 0)
		return false;
	room = worker_room_get(worker, id);
	return room && !room_is_whole(room);
}

static int join(struct worker *worker, const json_t *body, char **ret_answer, struct error *reterr)
{
	const char *id = json_string_value(json_object_get(body, "room_id"));
	struct peer_request request = {0};
	struct room *room;
	int r = peer_request_read(body, &request, reterr);

	if (r < 0)
		return r;
	room = worker_room_get(worker, id);
	if (!room)
		return -ENOMEM;
	r = room_join(room, &request, ret_answer, reterr);
	worker_room_release(worker, room);
	worker_tell_parts(worker); /* before anybody is answered */
	return r;
}

/* `r` and `error` are the outcome, `taken` the answer if that went well. */
static void respond(struct bus_link *link, enum bus_message message, uint32_t request_id, int r,
		    struct error *error, json_t *taken)
{
	if (r < 0 && !error->number)
		(void)error_set(error, r, "sfu_failed", "the SFU could not: %s", strerror(-r));
	(void)pthread_rwlock_rdlock(&link->lock);
	if (link->client && r < 0)
		bus_client_refuse(link->client, message, request_id, error);
	else if (link->client)
		bus_client_respond(link->client, message, request_id, json_incref(taken));
	(void)pthread_rwlock_unlock(&link->lock);
	json_decref(taken);
}

/* The answer to PEER_JOIN: of a peer that offered, and is not gone again. */
static json_t *joined_body(struct worker *worker, const json_t *request, const char *sdp)
{
	const char *room_id = json_string_value(json_object_get(request, "room_id"));
	const char *peer_id = json_string_value(json_object_get(request, "peer_id"));
	const struct room *room = worker_room_find(worker, room_id);

	if (!sdp || !room)
		return json_object();
	return json_pack("{s:s, s:s}", "sdp", sdp, "ice_session", room_ice_session(room, peer_id));
}

static void do_join(struct worker *worker, json_t *body, uint32_t request_id, void *data)
{
	struct bus_link *link = data;
	AUTO_FREE char *answer = NULL;
	const char *room_id = json_string_value(json_object_get(body, "room_id"));
	const char *peer_id = json_string_value(json_object_get(body, "peer_id"));
	struct error error = {0};
	int r;

	if (must_wait(worker, body)) {
		worker_postpone(worker, do_join, body, request_id, data);
		return;
	}
	r = join(worker, body, &answer, &error);
	if (r == 0)
		placement_confirm(link->placement, room_id, peer_id, worker_index(worker));
	else if (peer_id && r != -EEXIST)
		placement_forget(link->placement, room_id, peer_id);
	respond(data, BUS_PEER_JOIN, request_id, r, &error, joined_body(worker, body, answer));
}

static int mute(struct worker *worker, const json_t *body, json_t **ret_tracks,
		struct error *reterr)
{
	const char *room_id = json_string_value(json_object_get(body, "room_id"));
	const char *peer_id = json_string_value(json_object_get(body, "peer_id"));
	struct room *room = worker_room_find(worker, room_id);
	struct mutes mutes = mutes_of(body);

	if (!room || !peer_id)
		return error_set_field(reterr, -ENOENT, "unknown_peer", "peer_id",
				       "there is no such peer in %s", room_id);
	return room_mute(room, peer_id, &mutes, json_object_get(body, "state"), ret_tracks, reterr);
}

/* `request_id` 0: nobody waits for the answer. */
static void do_mute(struct worker *worker, json_t *body, uint32_t request_id, void *data)
{
	json_t *tracks = NULL;
	struct error error = {0};
	int r = mute(worker, body, &tracks, &error);

	if (request_id != 0)
		respond(data, BUS_PEER_MUTE, request_id, r, &error,
			json_pack("{s:o*}", "tracks", tracks));
	else
		json_decref(tracks);
}

static void do_patch_ice(struct worker *worker, json_t *body, uint32_t request_id, void *data)
{
	const char *room_id = json_string_value(json_object_get(body, "room_id"));
	const char *peer_id = json_string_value(json_object_get(body, "peer_id"));
	struct room *room = worker_room_find(worker, room_id);
	json_t *answer = NULL;
	struct error error = {0};
	int r;

	if (!room || !peer_id)
		r = error_set_field(&error, -ENOENT, "session_not_found", "session_id",
				    "there is no such session in %s", room_id);
	else
		r = room_patch_ice(room, peer_id, body, &answer, &error);
	respond(data, BUS_PEER_ICE, request_id, r, &error, answer);
}

struct forgetting {
	struct placement *placement;
	const char *room_id;
};

static void forget_peer(void *data, const char *peer_id)
{
	const struct forgetting *forgetting = data;

	placement_forget(forgetting->placement, forgetting->room_id, peer_id);
}

static void close_room(struct worker *worker, struct room *room, struct bus_link *link)
{
	struct forgetting forgetting = {link->placement, room_id(room)};

	room_for_each_peer_id(room, forget_peer, &forgetting);
	worker_room_close(worker, room);
}

static void do_event(struct worker *worker, json_t *body, uint32_t message, void *data)
{
	struct bus_link *link = data;
	const char *peer_id = json_string_value(json_object_get(body, "peer_id"));
	struct room *room =
		worker_room_find(worker, json_string_value(json_object_get(body, "room_id")));

	if (!room && peer_id && message == BUS_PEER_RESUMED)
		on_gone(data, json_string_value(json_object_get(body, "room_id")), peer_id,
			&room_unknown_peer);
	if (peer_id && message == BUS_PEER_LEAVE)
		placement_forget(link->placement,
				 json_string_value(json_object_get(body, "room_id")), peer_id);
	if (!room)
		return; /* it has just emptied */
	if (message == BUS_ROOM_CLOSED) {
		close_room(worker, room, link);
		return;
	}
	if (!peer_id)
		return;
	if (message == BUS_PEER_LEAVE)
		room_leave(room, peer_id);
	else if (message == BUS_PEER_RESUMED)
		room_resume(room, peer_id);
	else if (message == BUS_PEER_SIGNAL)
		room_signal(room, peer_id, body);
	else if (message == BUS_PEER_TRACK)
		room_describe_track(room, peer_id, body);
	else if (message == BUS_PEER_SUBSCRIPTION)
		room_describe_view(room, peer_id, body);
	worker_room_release(worker, room);
}

/* ---- the bus thread ---- */

/* Where what is said of a room, or of a peer of it, is done. NULL: it is said of none. */
static struct worker *worker_for(struct bus_link *link, const struct bus_frame *frame)
{
	const char *room = json_string_value(json_object_get(frame->body, "room_id"));
	const char *peer = json_string_value(json_object_get(frame->body, "peer_id"));

	if (!room)
		return NULL;
	if (!peer)
		return workers_of_room(link->workers, room);
	if (frame->message == BUS_PEER_JOIN)
		return link->workers->worker[placement_choose(link->placement, room, peer)];
	return link->workers->worker[placement_find(link->placement, room, peer)];
}

static void close_everywhere(struct bus_link *link, json_t *body)
{
	placement_forget_room(link->placement, json_string_value(json_object_get(body, "room_id")));
	for (size_t i = 0; i < link->workers->count; i++)
		worker_post(link->workers->worker[i], do_event, json_deep_copy(body),
			    BUS_ROOM_CLOSED, link);
}

static void on_received(void *data, struct bus_frame *frame)
{
	struct bus_link *link = data;
	struct worker *worker = worker_for(link, frame);
	struct error error = {0};

	if (worker && frame->message == BUS_PEER_MUTE) {
		worker_post(worker, do_mute, STEAL(frame->body),
			    frame->kind == BUS_REQUEST ? frame->request_id : 0, link);
	} else if (worker && frame->message == BUS_PEER_ICE && frame->kind == BUS_REQUEST) {
		worker_post(worker, do_patch_ice, STEAL(frame->body), frame->request_id, link);
	} else if (worker && frame->message == BUS_ROOM_CLOSED) {
		close_everywhere(link, frame->body);
	} else if (worker && frame->kind == BUS_EVENT) {
		worker_post(worker, do_event, STEAL(frame->body), frame->message, link);
	} else if (worker && frame->message == BUS_PEER_JOIN) {
		worker_post(worker, do_join, STEAL(frame->body), frame->request_id, link);
	} else if (frame->kind == BUS_REQUEST) {
		(void)error_set(&error, -EINVAL, "bad_request", "realtime-sfu does not know %s",
				bus_message_name(frame->message));
		(void)pthread_rwlock_rdlock(&link->lock);
		if (link->client)
			bus_client_refuse(link->client, frame->message, frame->request_id, &error);
		(void)pthread_rwlock_unlock(&link->lock);
	}
}

static json_t *on_hello(void *data)
{
	struct bus_link *link = data;
	json_t *rooms = json_array();

	for (size_t i = 0; i < link->workers->count; i++) {
		json_t *some = worker_ask(link->workers->worker[i], worker_describe_rooms, NULL,
					  DESCRIBE_TIMEOUT_MS);

		if (some)
			(void)json_array_extend(rooms, some);
		json_decref(some);
	}
	return json_pack("{s:o}", "rooms", rooms);
}

/* ---- life ---- */

static const struct bus_client_events client_events = {.hello = on_hello, .received = on_received};

struct bus_link *bus_link_new(const char *path, const struct workers *workers, size_t worker_count)
{
	struct bus_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->placement = placement_new(worker_count, workers->peers_per_worker);
	if (!link->placement) {
		free(link);
		return NULL;
	}
	link->path = path;
	link->workers = workers;
	(void)pthread_rwlock_init(&link->lock, NULL);
	return link;
}

int bus_link_start(struct bus_link *link)
{
	int r;

	(void)pthread_rwlock_wrlock(&link->lock);
	r = bus_client_new(link->path, "sfu", &client_events, link, &link->client);
	(void)pthread_rwlock_unlock(&link->lock);
	return r;
}

void bus_link_stop(struct bus_link *link)
{
	struct bus_client *client;

	(void)pthread_rwlock_wrlock(&link->lock);
	client = STEAL(link->client);
	(void)pthread_rwlock_unlock(&link->lock);
	(void)bus_client_free(client);
}

struct bus_link *bus_link_free(struct bus_link *link)
{
	if (!link)
		return NULL;
	bus_link_stop(link);
	(void)pthread_rwlock_destroy(&link->lock);
	link->placement = placement_free(link->placement);
	free(link);
	return NULL;
}
