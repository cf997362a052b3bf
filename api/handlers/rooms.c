/* /realtime/webrtc/rooms: make, list, read, change and delete rooms (protocol section 1). */
#include "db/rooms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "api/handlers/listing.h"
#include "api/handlers/room_etag.h"
#include "api/idempotency.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/media_codecs.h"
#include "core/text.h"

/* ---- rooms as JSON ---- */

/* -1: not known; rooms can be read and changed without realtimed. */
static int64_t participant_count(const json_t *occupancy, const char *room_id)
{
	const json_t *entry = json_object_get(occupancy, room_id);

	if (!occupancy)
		return -1;
	return json_is_object(entry)
		       ? (int64_t)json_array_size(json_object_get(entry, "participants"))
		       : (int64_t)json_integer_value(entry);
}

static int64_t ask_participant_count(struct api *api, const char *room_id)
{
	AUTO_JSON occupancy = occupancy_get(api->occupancy, api->realtimed);

	return participant_count(occupancy, room_id);
}

/* ,"name":value, of JSON that most rooms have none of. */
static void add_json(struct text *out, const char *name, const json_t *value, const char *none)
{
	AUTO_FREE char *dumped = NULL;

	text_add_string(out, name);
	if (json_array_size(value) + json_object_size(value) == 0) {
		text_add_string(out, none);
		return;
	}
	dumped = json_dumps(value, JSON_COMPACT);
	if (dumped)
		text_add_string(out, dumped);
	else
		out->failed = true;
}

static void add_number(struct text *out, const char *name, int64_t number)
{
	text_add_string(out, name);
	text_add_number(out, number);
}

static void add_text(struct text *out, const char *name, const char *text)
{
	text_add_string(out, name);
	text_add_quoted(out, text);
}

/* By hand: lists are long, and asked for often. */
static void room_write(const struct room_row *room, int64_t participants, struct text *out)
{
	char etag[ROOM_ETAG_SIZE];

	room_etag_format(room, participants, etag);
	add_text(out, "{\"room_id\":", room->room_id);
	add_text(out, ",\"name\":", room->name);
	add_number(out, ",\"max_participants\":", room->max_participants);
	add_text(out, ",\"mode\":", room_mode_name(room->mode));
	add_json(out, ",\"codecs\":", room->codecs, "[]");
	text_add_string(out, ",\"metadata\":");
	text_add_string(out, room->metadata ? room->metadata : "{}");
	add_number(out, ",\"created_at\":", room->created_at_unix_ms);
	add_number(out, ",\"updated_at\":", room->updated_at_unix_ms);
	text_add_string(out, room->locked ? ",\"locked\":true" : ",\"locked\":false");
	text_add_string(out, *room->password_hash ? ",\"has_password\":true"
						  : ",\"has_password\":false");
	text_add_string(out, ",\"recording\":false,\"participants\":");
	if (participants < 0)
		text_add_string(out, "null");
	else
		text_add_number(out, participants);
	add_text(out, ",\"etag\":", etag);
	text_add(out, "}", 1);
}

/* For the bus; NULL without memory. */
static json_t *room_to_json(const struct room_row *room)
{
	struct text text = {0};
	json_t *json;

	room_write(room, -1, &text);
	json = text.failed ? NULL : json_loadb(text.bytes, text.length, 0, NULL);
	text_fini(&text);
	return json;
}

static int answer_room(struct response *response, int status, const struct room_row *room,
		       int64_t participants)
{
	char etag[ROOM_ETAG_SIZE];
	struct text body = {0};

	room_etag_format(room, participants, etag);
	response_header(response, "ETag", "%s", etag);
	room_write(room, participants, &body);
	return response_json_text_take(response, status, &body);
}

/* ---- rooms from JSON ---- */

static int apply_mode(const json_t *body, struct room_row *room, struct error *reterr)
{
	const char *mode;
	int r = json_get_text(body, "mode", 1, 16, &mode, reterr);

	if (r > 0 && room_mode_parse(mode, &room->mode) < 0)
		return error_set_field(reterr, -EINVAL, "bad_field", "mode",
				       "mode must be sfu or mesh");
	return r;
}

static int apply_codecs(const json_t *body, struct room_row *room, struct error *reterr)
{
	json_t *codecs, *codec;
	size_t i;
	int r = json_get_container(body, "codecs", JSON_ARRAY, &codecs, reterr);

	if (r <= 0)
		return r;
	json_array_foreach (codecs, i, codec) {
		if (!json_is_string(codec) || i >= ROOM_CODECS_MAX ||
		    !media_codec_is_known(json_string_value(codec)))
			return error_set_field(reterr, -EINVAL, "bad_field", "codecs",
					       "codecs must be up to %d of " MEDIA_CODEC_NAMES_TEXT
					       ", the most wanted first",
					       ROOM_CODECS_MAX);
	}
	json_decref(room->codecs);
	room->codecs = json_incref(codecs);
	return 0;
}

static int apply_metadata(const json_t *body, struct room_row *room, struct error *reterr)
{
	json_t *metadata;
	int r = json_get_container(body, "metadata", JSON_OBJECT, &metadata, reterr);

	if (r <= 0)
		return r;
	free(room->metadata);
	room->metadata = json_dumps(metadata, JSON_COMPACT);
	return room->metadata ? 0 : -ENOMEM;
}

/* `password` of the body, as it is kept. To be read before a transaction begins: it takes long by
 * design. 1; 0: it is not there; "" in ret_hash: it is null, to be taken away. */
static int read_password(const json_t *body, char ret_hash[PASSWORD_HASH_SIZE],
			 struct error *reterr)
{
	const char *password;
	int r = json_get_text(body, "password", 1, PASSWORD_MAX, &password, reterr);

	*ret_hash = '\0';
	if (r == 0)
		return json_is_null(json_object_get(body, "password"));
	if (r > 0)
		r = password_check(password, reterr);
	if (r == 0)
		r = password_hash(password, ret_hash);
	return r < 0 ? r : 1;
}

/* The fields that the body has go over those of the room; `max_participants` has the server's
 * limit. */
static int apply_fields(const struct config *config, const json_t *body, struct room_row *room,
			struct error *reterr)
{
	const char *name;
	int r;

	r = json_get_text(body, "name", 1, ROOM_NAME_MAX, &name, reterr);
	if (r > 0)
		(void)snprintf(room->name, sizeof(room->name), "%s", name);
	if (r >= 0)
		r = json_get_int(body, "max_participants", 1,
				 config->WEBRTC_MAX_PARTICIPANTS_PER_ROOM, &room->max_participants,
				 reterr);
	if (r >= 0)
		r = json_get_bool(body, "locked", &room->locked, reterr);
	if (r >= 0)
		r = apply_mode(body, room, reterr);
	if (r >= 0)
		r = apply_codecs(body, room, reterr);
	if (r >= 0)
		r = apply_metadata(body, room, reterr);
	return r < 0 ? r : 0;
}

static int read_room_id(const json_t *body, char ret_room_id[ROOM_ID_SIZE], struct error *reterr)
{
	const char *room_id;
	int r = json_get_text(body, "room_id", 1, ROOM_ID_MAX, &room_id, reterr);

	if (r <= 0)
		return r;
	if (!room_id_is_valid(room_id))
		return error_set_field(reterr, -EINVAL, "bad_field", "room_id",
				       "room_id must be 1 to 128 of the characters A-Z a-z 0-9 _ . "
				       ": -");
	(void)snprintf(ret_room_id, ROOM_ID_SIZE, "%s", room_id);
	return 1;
}

/* ---- POST ---- */

struct new_room {
	const struct config *config;
	struct room_row row;
};

static int create(struct store *store, void *data, struct response *response, struct error *reterr)
{
	struct new_room *room = data;
	int r = rooms_create(store, &room->row, room->config->WEBRTC_MAX_ROOMS, clock_unix_ms(),
			     reterr);

	if (r < 0)
		return r;
	response_header(response, "Location", "/realtime/webrtc/rooms/%s", room->row.room_id);
	return answer_room(response, 201, &room->row, 0);
}

int rooms_handle_create(struct api *api, struct request *request, struct response *response,
			struct error *reterr)
{
	struct new_room room = {
		api->config, {.max_participants = api->config->WEBRTC_MAX_PARTICIPANTS_PER_ROOM}};
	AUTO_JSON body = NULL;
	int r;

	r = request_read_json(request, api->config->REALTIME_MAX_BODY, &body, reterr);
	if (r == 0)
		r = read_room_id(body, room.row.room_id, reterr);
	/* One that is to be given its name here may get any. */
	if (r >= 0)
		r = access_demand(request, RIGHT_PUBLISH, GRANT_ROOMS,
				  r > 0 ? room.row.room_id : "*", reterr);
	if (r >= 0)
		r = apply_fields(api->config, body, &room.row, reterr);
	if (r >= 0)
		r = read_password(body, room.row.password_hash, reterr);
	if (r >= 0)
		r = idempotency_change(api, request, create, &room, response, reterr);
	room_row_fini(&room.row);
	return r;
}

/* ---- GET ---- */

/* ?name= (how it begins), ?mode= and ?locked= */
static int filter_get(const struct request *request, struct rooms_filter *filter,
		      struct error *reterr)
{
	const char *locked = query_find(&request->query, "locked");
	enum room_mode mode;

	filter->name_prefix = query_find(&request->query, "name");
	filter->mode = query_find(&request->query, "mode");
	filter->by_locked = locked != NULL;
	filter->is_locked = locked && strcmp(locked, "true") == 0;
	if (filter->mode && room_mode_parse(filter->mode, &mode) < 0)
		return error_set_field(reterr, -EINVAL, "bad_field", "mode",
				       "mode must be sfu or mesh");
	if (locked && !filter->is_locked && strcmp(locked, "false") != 0)
		return error_set_field(reterr, -EINVAL, "bad_field", "locked",
				       "locked must be true or false");
	return 0;
}

static void page_write(const struct room_row *rooms, size_t count, bool more,
		       const json_t *occupancy, struct text *out)
{
	char cursor[CURSOR_SIZE];

	text_add_string(out, "{\"items\":[");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			text_add(out, ",", 1);
		room_write(&rooms[i], participant_count(occupancy, rooms[i].room_id), out);
	}
	text_add_string(out, "],\"next\":");
	if (more) {
		cursor_format(rooms[count - 1].created_at_unix_ms, rooms[count - 1].room_id,
			      cursor);
		text_add_quoted(out, cursor);
	} else {
		text_add_string(out, "null");
	}
	text_add(out, "}", 1);
}

struct page_request {
	struct api *api;
	struct rooms_filter filter;
	struct list_request list;
	json_t *occupancy; /* owned reference; NULL: not known */
};

static int read_page(void *data, struct text *out, struct error *reterr)
{
	const struct page_request *page = data;
	AUTO_FREE struct room_row *rooms = malloc(page->list.limit * sizeof(*rooms));
	bool more = false;
	int count;

	if (!rooms)
		return -ENOMEM;
	count = rooms_list(page->api->store, &page->filter, &page->list.position, page->list.limit,
			   rooms, &more, reterr);
	if (count < 0)
		return count;
	page_write(rooms, (size_t)count, more, page->occupancy, out);
	for (int i = 0; i < count; i++)
		room_row_fini(&rooms[i]);
	return 0;
}

/* What the page depends on besides the store and who is there: all that the query says, whatever it
 * means; with the lengths, for any of it may look like the next. "": too long to be kept. */
static void name_page(const struct request *request, char *out, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < request->query.count && length < size; i++) {
		const char *name = request->query.parameters[i].name;
		const char *value = request->query.parameters[i].value;

		length += (size_t)snprintf(out + length, size - length, "%zu:%s%zu:%s",
					   strlen(name), name, strlen(value), value);
	}
	if (length == 0)
		(void)snprintf(out, size, "&");
	else if (length >= size)
		*out = '\0';
}

static int serve_page(struct api *api, const struct request *request, struct page_request *page,
		      struct text *out, struct error *reterr)
{
	char name[PAGE_NAME_MAX + 1];
	struct page_key key = {.name = name};
	int r = rooms_version(api->store, &key.version, reterr);

	if (r < 0)
		return r;
	name_page(request, name, sizeof(name));
	page->occupancy = occupancy_get(api->occupancy, api->realtimed);
	key.counts = page->occupancy;
	r = page_cache_serve(api->pages, &key, read_page, page, out, reterr);
	json_decref(page->occupancy);
	return r;
}

int rooms_handle_list(struct api *api, struct request *request, struct response *response,
		      struct error *reterr)
{
	struct page_request page = {.api = api};
	struct text body = {0};
	int r = list_request_get(request, ROOMS_PAGE_MAX, &page.list, reterr);

	if (r == 0)
		r = filter_get(request, &page.filter, reterr);
	if (r == 0)
		r = serve_page(api, request, &page, &body, reterr);
	if (r < 0) {
		text_fini(&body);
		return r;
	}
	return response_json_text_take(response, 200, &body);
}

struct one_request {
	struct store *store;
	const char *room_id;
	int64_t participants;
};

/* The room, a line end, and its ETag. */
static int read_one(void *data, struct text *out, struct error *reterr)
{
	const struct one_request *one = data;
	AUTO_ROOM_ROW room = {0};
	char etag[ROOM_ETAG_SIZE];
	int r = rooms_get(one->store, one->room_id, &room, reterr);

	if (r < 0)
		return r;
	room_write(&room, one->participants, out);
	room_etag_format(&room, one->participants, etag);
	text_add(out, "\n", 1);
	text_add_string(out, etag);
	return 0;
}

static int serve_one(struct api *api, const char *room_id, struct text *out, struct error *reterr)
{
	struct one_request one = {api->store, room_id, 0};
	char name[PAGE_NAME_MAX + 1];
	struct page_key key = {.name = name};
	int r = rooms_version(api->store, &key.version, reterr);

	if (r < 0)
		return r;
	one.participants = ask_participant_count(api, room_id);
	(void)snprintf(name, sizeof(name), "%s %lld", room_id, (long long)one.participants);
	r = page_cache_serve(api->rooms, &key, read_one, &one, out, reterr);
	return r == 0 && out->failed ? -ENOMEM : r;
}

int rooms_handle_get(struct api *api, struct request *request, struct response *response,
		     struct error *reterr)
{
	const char *if_none_match = request_header(request, "If-None-Match"), *room_id;
	struct text body = {0};
	char *end, etag[ROOM_ETAG_SIZE];
	int r;

	r = request_room_id(request, &room_id, reterr);
	if (r == 0)
		r = serve_one(api, room_id, &body, reterr);
	if (r < 0) {
		text_fini(&body);
		return r;
	}
	end = memrchr(body.bytes, '\n', body.length);
	(void)snprintf(etag, sizeof(etag), "%.*s", (int)(body.bytes + body.length - end - 1),
		       end + 1);
	response_header(response, "ETag", "%s", etag);
	if (if_none_match && room_etag_is_listed(if_none_match, etag)) {
		text_fini(&body);
		response_empty(response, 304);
		return 0;
	}
	body.length = (size_t)(end - body.bytes);
	return response_json_text_take(response, 200, &body);
}

/* ---- PUT ---- */

struct room_update {
	const struct config *config;
	const char *room_id;
	const json_t *body;
	const char *hash_or_null;     /* NULL: the password stays */
	const char *if_match_or_null; /* NULL: whatever it is now */
	struct room_row row;	      /* what became of it */
};

static int check_if_match(const char *if_match_or_null, const struct room_row *room,
			  struct error *reterr)
{
	if (!if_match_or_null || room_etag_allows_change(if_match_or_null, room))
		return 0;
	return error_set(reterr, -ESTALE, "room_changed",
			 "the room was changed since it had that ETag; read it again");
}

/* Inside a transaction: nobody else changes the room between the comparison and the write. */
static int update(struct store *store, void *data, struct error *reterr)
{
	struct room_update *update = data;
	struct room_row *room = &update->row;
	int r = rooms_get(store, update->room_id, room, reterr);

	if (r == 0)
		r = check_if_match(update->if_match_or_null, room, reterr);
	if (r < 0)
		return r;
	r = apply_fields(update->config, update->body, room, reterr);
	if (r < 0)
		return r;
	if (update->hash_or_null)
		(void)snprintf(room->password_hash, sizeof(room->password_hash), "%s",
			       update->hash_or_null);
	return rooms_update(store, room, clock_unix_ms(), reterr);
}

static int read_update(struct api *api, struct request *request, const char *room_id,
		       json_t **ret_body, struct error *reterr)
{
	char named[ROOM_ID_SIZE];
	int r;

	r = request_read_json(request, api->config->REALTIME_MAX_BODY, ret_body, reterr);
	if (r < 0)
		return r;
	r = read_room_id(*ret_body, named, reterr);
	if (r > 0 && strcmp(named, room_id) != 0)
		return error_set_field(reterr, -EINVAL, "bad_field", "room_id",
				       "room_id cannot be changed");
	return r < 0 ? r : 0;
}

int rooms_handle_update(struct api *api, struct request *request, struct response *response,
			struct error *reterr)
{
	struct room_update change = {.config = api->config};
	AUTO_JSON body = NULL;
	char hash[PASSWORD_HASH_SIZE];
	int r;

	r = request_room_id(request, &change.room_id, reterr);
	if (r == 0)
		r = access_demand_room(request, change.room_id, reterr);
	if (r == 0)
		r = read_update(api, request, change.room_id, &body, reterr);
	if (r == 0)
		r = read_password(body, hash, reterr);
	if (r < 0)
		return r;
	change.hash_or_null = r > 0 ? hash : NULL;
	change.body = body;
	change.if_match_or_null = request_header(request, "If-Match");
	r = store_group_change(api->changes, api->store, update, &change, reterr);
	if (r == 0) {
		/* Those in the call hear of it; when realtimed is away nobody is connected to
		 * hear. */
		(void)bus_client_send(api->realtimed, BUS_ROOM_UPDATED, room_to_json(&change.row));
		r = answer_room(response, 200, &change.row,
				ask_participant_count(api, change.room_id));
	}
	room_row_fini(&change.row);
	return r;
}

/* ---- DELETE ---- */

struct room_deletion {
	const char *room_id;
	const char *if_match_or_null; /* NULL: whatever it is now */
};

static int delete_room(struct store *store, void *data, struct error *reterr)
{
	const struct room_deletion *deletion = data;
	AUTO_ROOM_ROW room = {0};
	int r = deletion->if_match_or_null ? rooms_get(store, deletion->room_id, &room, reterr) : 0;

	if (r == 0)
		r = check_if_match(deletion->if_match_or_null, &room, reterr);
	return r < 0 ? r : rooms_delete(store, deletion->room_id, clock_unix_ms(), reterr);
}

int rooms_handle_delete(struct api *api, struct request *request, struct response *response,
			struct error *reterr)
{
	struct room_deletion deletion = {.if_match_or_null = request_header(request, "If-Match")};
	int r = access_demand_room_of_path(request, &deletion.room_id, reterr);

	if (r == 0)
		r = store_group_change(api->changes, api->store, delete_room, &deletion, reterr);
	if (r < 0)
		return r;
	(void)bus_client_send(api->realtimed, BUS_ROOM_DELETED,
			      json_pack("{s:s}", "room_id", deletion.room_id));
	response_empty(response, 204);
	return 0;
}
