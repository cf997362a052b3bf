#include "realtime/edge/api_requests.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "realtime/edge/api_moderation.h"
#include "realtime/edge/api_publish.h"
#include "realtime/edge/drain.h"
#include "realtime/edge/metrics_page.h"
#include "realtime/model/presence.h"
#include "realtime/model/signaling_session.h"
#include "realtime/wire/envelope.h"

enum {
	TEXT_MAX = 200,
	CONNECTIONS_LISTED = 1000,
	CHANNELS_LISTED = 1000,
	CONNECTIONS_LISTED_MAX = 10000
};

/* ---- looking ---- */

static json_t *status(const struct daemon *daemon)
{
	const size_t *counts = daemon->server.counts;

	return json_pack("{s:{s:I, s:I, s:I, s:I}, s:I, s:b}", "connections", "websocket",
			 (json_int_t)counts[TRANSPORT_WEBSOCKET], "sse",
			 (json_int_t)counts[TRANSPORT_SSE], "signaling",
			 (json_int_t)counts[TRANSPORT_SIGNALING], "total",
			 (json_int_t)(counts[TRANSPORT_WEBSOCKET] + counts[TRANSPORT_SSE] +
				      counts[TRANSPORT_SIGNALING]),
			 "channels", (json_int_t)hub_channel_count(&daemon->hub), "sfu",
			 (int)(daemon->sfu != NULL));
}

static const struct subscriber *subscriber_of(const struct connection *connection)
{
	switch (connection->transport) {
	case TRANSPORT_WEBSOCKET:
		return &connection->session.subscriber;
	case TRANSPORT_SSE:
		return &connection->stream.subscriber;
	case TRANSPORT_SIGNALING:
	case TRANSPORT_COUNT:
		break;
	}
	return NULL;
}

/* What an admin looks for among the connections. */
struct connection_search {
	const char *connection_id, *user_id; /* NULL: any */
	const char *after;		     /* NULL: from the first; ids are in order */
	int64_t limit;
	struct connection **matches; /* owned; for closing, which is not done while walking */
	size_t match_count;
};

static int search_get(const json_t *body, struct connection_search *ret_search,
		      struct error *reterr)
{
	int r;

	*ret_search = (struct connection_search){.limit = CONNECTIONS_LISTED};
	r = json_get_text(body, "connection_id", 1, TEXT_MAX, &ret_search->connection_id, reterr);
	if (r >= 0)
		r = json_get_text(body, "user_id", 1, USER_ID_MAX, &ret_search->user_id, reterr);
	if (r >= 0)
		r = json_get_text(body, "after", 1, TEXT_MAX, &ret_search->after, reterr);
	if (r >= 0)
		r = json_get_int(body, "limit", 0, CONNECTIONS_LISTED_MAX, &ret_search->limit,
				 reterr);
	return r < 0 ? r : 0;
}

static bool is_searched(const struct connection_search *search, const struct connection *connection)
{
	return (!search->connection_id || strcmp(search->connection_id, connection->id) == 0) &&
	       (!search->user_id || strcmp(search->user_id, connection->identity->user_id) == 0);
}

static bool is_wanted(const void *data, struct table_link *link)
{
	return is_searched(data, TABLE_ITEM(link, struct connection, by_id));
}

static json_t *connection_to_json(const struct connection *connection)
{
	const struct subscriber *subscriber = subscriber_of(connection);
	const char *user_id = connection->identity->user_id;
	json_t *channels = json_array();

	if (subscriber && connection->is_started)
		hub_channels_list(subscriber, channels);
	return json_pack("{s:s, s:s, s:s?, s:o}", "connection_id", connection->id, "transport",
			 transport_name(connection->transport), "user_id",
			 *user_id ? user_id : NULL, "channels", channels);
}

/* A page of those that match, and counts of all. */
static int list_connections(const struct daemon *daemon, const json_t *body, json_t **ret_answer,
			    struct error *reterr)
{
	const struct table *all = &daemon->server.connections;
	const size_t *counts = daemon->server.counts;
	AUTO_FREE struct table_link **links = NULL;
	const char *next = NULL, *next_channel;
	struct connection_search search;
	size_t count = 0;
	json_t *page;
	int r = search_get(body, &search, reterr);

	if (r < 0)
		return r;
	links = table_sort(all, search.after, is_wanted, &search, &count);
	if (!links)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	page = json_array();
	for (size_t i = 0; i < count && i < (size_t)search.limit; i++) {
		(void)json_array_append_new(
			page, connection_to_json(TABLE_ITEM(links[i], struct connection, by_id)));
		if (i + 1 == (size_t)search.limit && i + 1 < count)
			next = links[i]->key;
	}
	*ret_answer = json_pack(
		"{s:o, s:s?, s:I, s:{s:I, s:I, s:I}, s:o, s:I}", "connections", page, "next", next,
		"total", (json_int_t)all->count, "transports", "websocket",
		(json_int_t)counts[TRANSPORT_WEBSOCKET], "sse", (json_int_t)counts[TRANSPORT_SSE],
		"signaling", (json_int_t)counts[TRANSPORT_SIGNALING], "channels",
		hub_channel_sizes(&daemon->hub, NULL, CHANNELS_LISTED, &next_channel),
		"channel_count", (json_int_t)hub_channel_count(&daemon->hub));
	return 0;
}

static void collect_connection(void *data, struct table_link *link)
{
	struct connection_search *search = data;
	struct connection *connection = TABLE_ITEM(link, struct connection, by_id);

	if (is_searched(search, connection))
		search->matches[search->match_count++] = connection;
}

static int close_connections(struct daemon *daemon, const json_t *body, json_t **ret_answer,
			     struct error *reterr)
{
	struct connection_search search;
	int r = search_get(body, &search, reterr);

	if (r == 0 && !search.connection_id && !search.user_id)
		r = json_missing("connection_id", reterr);
	if (r < 0)
		return r;
	search.matches = calloc(daemon->server.connections.count + 1, sizeof(void *));
	if (!search.matches)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	table_for_each(&daemon->server.connections, collect_connection, &search);
	for (size_t i = 0; i < search.match_count; i++)
		drain_dismiss(search.matches[i], CLOSE_KICKED, "kicked",
			      "an administrator has closed this connection");
	free(search.matches);
	if (search.match_count == 0 && search.connection_id)
		return error_set_field(reterr, -ENOENT, "connection_not_found", "connection_id",
				       "there is no connection %s", search.connection_id);
	*ret_answer = json_pack("{s:I}", "closed", (json_int_t)search.match_count);
	return 0;
}

static int new_ticket(struct daemon *daemon, const json_t *body, json_t **ret_answer,
		      struct error *reterr)
{
	AUTO(identity) identity = NULL;
	char ticket[TICKET_SIZE];
	int64_t expires_at;
	int r = identity_from_json(body, &identity);

	if (r < 0 || identity_is_anonymous(identity))
		return error_set(reterr, -EINVAL, "bad_request",
				 "there is no ticket for this identity");
	r = tickets_add(&daemon->server.auth.tickets, identity, clock_unix_ms(), ticket,
			&expires_at, reterr);
	if (r < 0)
		return r;
	*ret_answer =
		json_pack("{s:s, s:I}", "ticket", ticket, "expires_at", (json_int_t)expires_at);
	explicit_bzero(ticket, sizeof(ticket));
	return 0;
}

static int list_channels(const struct daemon *daemon, const json_t *body, json_t **ret_answer,
			 struct error *reterr)
{
	const char *after = NULL, *next;
	int64_t limit = CHANNELS_LISTED;
	json_t *sizes;
	int r = json_get_int(body, "limit", 1, CHANNELS_LISTED, &limit, reterr);

	if (r >= 0)
		r = json_get_text(body, "after", 1, CHANNEL_NAME_MAX, &after, reterr);
	if (r < 0)
		return r;
	sizes = hub_channel_sizes(&daemon->hub, after, (size_t)limit, &next);
	*ret_answer = json_pack("{s:o, s:s?, s:I}", "channels", sizes, "next", next,
				"channel_count", (json_int_t)hub_channel_count(&daemon->hub));
	return 0;
}

static int get_channel(const struct daemon *daemon, const json_t *body, json_t **ret_answer,
		       struct error *reterr)
{
	const char *channel = NULL;
	int r = json_get_text(body, "channel", 1, CHANNEL_NAME_MAX, &channel, reterr);

	if (r == 0)
		return json_missing("channel", reterr);
	if (r < 0)
		return r;
	*ret_answer = hub_channel_to_json(&daemon->hub, channel);
	(void)json_object_set_new(*ret_answer, "presence",
				  hub_presence(&daemon->hub, channel, PRESENCE_LISTED_MAX));
	return 0;
}

static json_t *metrics(const struct daemon *daemon)
{
	AUTO_FREE char *page = metrics_page(&daemon->server);

	return json_pack("{s:s}", "text", page ? page : "");
}

/* ---- calls ---- */

static json_t *occupancy(const struct daemon *daemon, const json_t *body)
{
	if (json_is_true(json_object_get(body, "counts")))
		return switchboard_counts(&daemon->board);
	return switchboard_occupancy(&daemon->board, json_object_get(body, "room_ids"));
}

/* Strings are borrowed from `body`. */
static int caller_get(const json_t *body, struct caller *ret_caller, struct error *reterr)
{
	json_t *caller = NULL;
	int r = json_get_container(body, "caller", JSON_OBJECT, &caller, reterr);

	*ret_caller = (struct caller){.user_id = ""};
	if (r == 0)
		return json_missing("caller", reterr);
	if (r > 0)
		r = json_get_text(caller, "user_id", 0, USER_ID_MAX, &ret_caller->user_id, reterr);
	if (r >= 0)
		r = json_get_bool(caller, "is_moderator", &ret_caller->is_moderator, reterr);
	return r < 0 ? r : 0;
}

static int on_signal(struct daemon *daemon, const json_t *body, struct error *reterr)
{
	AUTO_JSON said = json_copy((json_t *)(uintptr_t)body);
	struct caller caller;
	int r = caller_get(body, &caller, reterr);

	(void)json_object_del(said, "caller"); /* nothing that another peer should hear */
	return r < 0 ? r : signaling_signal_for(&daemon->board, said, &caller, reterr);
}

/* A request that waits for its room. Its id stands in the ticket. */
struct http_start {
	struct daemon *daemon;
	uint64_t token;
	enum peer_kind kind;
	json_t *request; /* owned */
	char request_id[LOG_REQUEST_MAX + 1];
};

static bool on_room_found(void *data, const char *ticket, const struct room_facts *facts,
			  const struct error *error)
{
	struct http_start *start = data;
	struct error refusal = error ? *error : (struct error){0};
	int r = refusal.number;

	(void)ticket;
	log_set_request(start->request_id);
	if (r == 0)
		r = switchboard_http_start(&start->daemon->board, facts, start->kind,
					   start->request, start->token, clock_unix_ms(), &refusal);
	if (r < 0)
		api_on_http_started(start->daemon, start->token, "", NULL, &refusal);
	log_set_request(NULL);
	json_decref(start->request);
	free(start);
	return r == 0;
}

/* Whoever asks is at the room's door like those who come by signalling. */
static int knock(struct http_start *start, const char *room_id, struct error *reterr)
{
	const json_t *body = start->request;
	AUTO(entry_pass) pass = calloc(1, sizeof(*pass));
	char secret[RESUME_TOKEN_CHARS + 1];
	const struct room_knock knock = {
		.room_id = room_id,
		.user_id = json_text_of(body, "user_id"),
		.address = json_text_of(body, "address"),
		.is_moderator = json_is_true(json_object_get(body, "is_moderator")),
		.pass = pass,
		.next_secret = secret,
		.secret = "",
	};

	if (!pass)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	id_random_chars(secret, RESUME_TOKEN_CHARS); /* nobody comes back by it */
	/* The API has seen to it that they fit. */
	(void)snprintf(pass->password, sizeof(pass->password), "%s",
		       json_text_of(body, "password"));
	(void)snprintf(pass->invite, sizeof(pass->invite), "%s", json_text_of(body, "invite"));
	return room_gate_knock(&start->daemon->gate, &knock, "", on_room_found, start, reterr);
}

static int on_http_start(struct daemon *daemon, struct bus_peer *peer,
			 const struct bus_frame *frame, struct error *reterr)
{
	const char *room_id = NULL, *kind_name = NULL, *sdp = NULL;
	AUTO_FREE struct http_start *start = calloc(1, sizeof(*start));
	int r = json_get_text(frame->body, "room_id", 1, ROOM_ID_MAX, &room_id, reterr);

	if (r > 0)
		r = json_get_text(frame->body, "kind", 1, TEXT_MAX, &kind_name, reterr);
	if (r > 0)
		r = json_get_text(frame->body, "sdp", 1, SIGNAL_SDP_MAX, &sdp, reterr);
	if (r == 0)
		r = json_missing(!room_id ? "room_id" : !kind_name ? "kind" : "sdp", reterr);
	if (r < 0)
		return r;
	if (!start)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	if (peer_kind_parse(kind_name, &start->kind) < 0 || start->kind == PEER_CALL)
		return error_set_field(reterr, -EINVAL, "bad_field", "kind",
				       "kind must be whip or whep");
	start->daemon = daemon;
	start->token = api_token_of(peer, frame);
	start->request = json_incref(frame->body);
	(void)snprintf(start->request_id, sizeof(start->request_id), "%s", log_request());
	r = knock(start, room_id, reterr);
	if (r < 0)
		json_decref(start->request);
	else
		(void)STEAL(start);
	return r;
}

void api_on_http_started(void *data, uint64_t token, const char *peer_id, const json_t *answer,
			 const struct error *error)
{
	struct daemon *daemon = data;
	struct bus_peer *peer = api_asker_of(daemon, token);
	json_t *sdp = json_object_get(answer, "sdp");
	json_t *ice_session = json_object_get(answer, "ice_session");

	if (!peer)
		return; /* it has gone meanwhile; the session ends when it is silent */
	if (error)
		bus_peer_refuse(peer, BUS_HTTP_SESSION_START, (uint32_t)token, error);
	else
		bus_peer_respond(peer, BUS_HTTP_SESSION_START, (uint32_t)token,
				 json_pack("{s:s, s:O?, s:O*}", "session_id", peer_id, "sdp", sdp,
					   "ice_session", ice_session));
}

/* The caller's own session, of {room_id, session_id, caller}. */
static int session_get(struct daemon *daemon, const json_t *body, struct peer **ret_peer,
		       struct error *reterr)
{
	const char *room_id = NULL, *session_id = NULL;
	struct caller caller;
	int r = json_get_text(body, "room_id", 1, ROOM_ID_MAX, &room_id, reterr);

	if (r > 0)
		r = json_get_text(body, "session_id", 1, PEER_ID_MAX, &session_id, reterr);
	if (r == 0)
		r = json_missing(room_id ? "session_id" : "room_id", reterr);
	if (r > 0)
		r = caller_get(body, &caller, reterr);
	if (r == 0)
		r = switchboard_http_find(&daemon->board, room_id, session_id, &caller, ret_peer,
					  reterr);
	return r;
}

static int on_http_end(struct daemon *daemon, const json_t *body, struct error *reterr)
{
	struct peer *peer = NULL;
	int r = session_get(daemon, body, &peer, reterr);

	if (r == 0)
		switchboard_leave(&daemon->board, peer, "left", true);
	return r;
}

/* A PEER_ICE on its way. */
struct ice_patch {
	uint64_t token; /* of the asker */
};

static void on_sfu_patched(void *data, void *context, const json_t *answer,
			   const struct error *error)
{
	AUTO_FREE struct ice_patch *patch = context;
	struct bus_peer *asker = api_asker_of(data, patch->token);
	uint32_t request_id = (uint32_t)patch->token;

	if (asker && error)
		bus_peer_refuse(asker, BUS_HTTP_SESSION_ICE, request_id, error);
	else if (asker)
		bus_peer_respond(asker, BUS_HTTP_SESSION_ICE, request_id,
				 json_incref((json_t *)(uintptr_t)answer));
}

static int on_http_ice(struct daemon *daemon, struct bus_peer *asker, const struct bus_frame *frame,
		       struct error *reterr)
{
	AUTO_FREE struct ice_patch *patch = calloc(1, sizeof(*patch));
	struct peer *peer = NULL;
	json_t *body;
	int r = session_get(daemon, frame->body, &peer, reterr);

	if (r < 0)
		return r;
	if (!daemon->sfu)
		return error_set(reterr, -ENOTCONN, "sfu_unavailable",
				 "the media server is not connected");
	if (!patch)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	patch->token = api_token_of(asker, frame);
	body = json_pack("{s:s, s:s, s:O*, s:O*}", "room_id", peer->room->room_id, "peer_id",
			 peer->peer_id, "sdp_fragment",
			 json_object_get(frame->body, "sdp_fragment"), "ice_sessions",
			 json_object_get(frame->body, "ice_sessions"));
	r = bus_peer_ask(daemon->sfu, BUS_PEER_ICE, body, on_sfu_patched, daemon, patch);
	if (r == 0)
		(void)STEAL(patch);
	return r;
}

/* ---- dispatch ---- */

void api_on_request(struct daemon *daemon, struct bus_peer *peer, const struct bus_frame *frame)
{
	struct error error = {0};
	json_t *answer = NULL;
	int r = 0;

	switch ((int)frame->message) { /* others are not asked of us */
	case BUS_PUBLISH:
		r = api_on_publish(daemon, peer, frame, &error); /* answers by itself */
		break;
	case BUS_NOTIFY:
		r = api_on_notify(daemon, peer, frame, &error); /* answers by itself */
		break;
	case BUS_NOTIFICATIONS_READ:
		r = api_on_notifications_read(daemon, peer, frame, &error); /* answers by itself */
		break;
	case BUS_HTTP_SESSION_START:
		r = on_http_start(daemon, peer, frame, &error); /* answers by itself */
		break;
	case BUS_MUTE:
		r = api_on_mute(daemon, peer, frame, &error); /* answers by itself */
		break;
	case BUS_PARTICIPANT:
		r = api_get_participant(daemon, frame->body, &answer, &error);
		break;
	case BUS_KICK:
		r = api_kick(daemon, frame->body, &answer, &error);
		break;
	case BUS_HUB_STATUS:
		answer = status(daemon);
		break;
	case BUS_CONNECTIONS:
		r = list_connections(daemon, frame->body, &answer, &error);
		break;
	case BUS_CONNECTIONS_CLOSE:
		r = close_connections(daemon, frame->body, &answer, &error);
		break;
	case BUS_TICKET_NEW:
		r = new_ticket(daemon, frame->body, &answer, &error);
		break;
	case BUS_CHANNELS:
		r = list_channels(daemon, frame->body, &answer, &error);
		break;
	case BUS_CHANNEL:
		r = get_channel(daemon, frame->body, &answer, &error);
		break;
	case BUS_METRICS:
		answer = metrics(daemon);
		break;
	case BUS_ROOM_OCCUPANCY:
		answer = json_pack("{s:o}", "rooms", occupancy(daemon, frame->body));
		break;
	case BUS_SIGNAL:
		r = on_signal(daemon, frame->body, &error);
		answer = r < 0 ? NULL : json_object();
		break;
	case BUS_HTTP_SESSION_ICE:
		r = on_http_ice(daemon, peer, frame, &error); /* answers by itself */
		break;
	case BUS_HTTP_SESSION_END:
		r = on_http_end(daemon, frame->body, &error);
		answer = r < 0 ? NULL : json_object();
		break;
	default:
		r = error_set(&error, -EOPNOTSUPP, "unknown_message",
			      "realtimed does not know the request %s",
			      bus_message_name(frame->message));
		break;
	}
	if (r < 0)
		bus_peer_refuse(peer, frame->message, frame->request_id, &error);
	else if (answer)
		bus_peer_respond(peer, frame->message, frame->request_id, answer);
}

void api_on_event(struct daemon *daemon, const struct bus_frame *frame)
{
	const char *room_id = json_string_value(json_object_get(frame->body, "room_id"));

	if (room_id)
		room_gate_on_room_changed(&daemon->gate, room_id);
	if (frame->message == BUS_ROOM_UPDATED)
		switchboard_on_room_updated(&daemon->board, frame->body);
	else if (frame->message == BUS_ROOM_DELETED && room_id)
		switchboard_on_room_deleted(&daemon->board, room_id);
}
