/* /realtime/channels: what goes on in channels, who is there, and what they have kept. The past
 * comes from the store, the present from realtimed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "core/base64.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"
#include "core/pattern.h"
#include "db/messages.h"

enum { PAGE_DEFAULT = 50, PAGE_MAX = 200, PAGE_BYTES_MAX = 8 << 20, CHANNELS_MAX = 1000 };

/* The {channel} of the path, which the caller may listen to. */
static int channel_get(struct api *api, const struct request *request, const char **ret_channel,
		       struct error *reterr)
{
	const char *channel = request_parameter(request, "channel");

	if (!channel_name_is_valid(channel, strlen(channel)) || pattern_is_wild(channel))
		return error_set_field(reterr, -EINVAL, "bad_field", "channel",
				       "the channel must be one name of 1 to %d bytes of UTF-8 "
				       "without control characters",
				       CHANNEL_NAME_MAX);
	*ret_channel = channel;
	return access_demand_subscribe(api, request, channel, reterr);
}

int channels_handle_list(struct api *api, struct request *request, struct response *response,
			 struct error *reterr)
{
	size_t limit = CHANNELS_MAX;
	json_t *answer = NULL;
	int r = request_limit(request, CHANNELS_MAX, &limit, reterr);

	if (r == 0)
		r = bus_client_call(api->realtimed, BUS_CHANNELS,
				    json_pack("{s:I}", "limit", (json_int_t)limit), BUS_TIMEOUT_MS,
				    &answer, reterr);
	return r < 0 ? r : response_json(response, 200, answer);
}

static int ask_realtimed(struct api *api, const char *channel, json_t **ret_answer,
			 struct error *reterr)
{
	return bus_client_call(api->realtimed, BUS_CHANNEL, json_pack("{s:s}", "channel", channel),
			       BUS_TIMEOUT_MS, ret_answer, reterr);
}

int channels_get(struct api *api, struct request *request, struct response *response,
		 struct error *reterr)
{
	const char *channel;
	struct channel_row row = {0};
	int64_t count = 0, bytes = 0;
	AUTO_JSON live = NULL;
	int r = channel_get(api, request, &channel, reterr);

	if (r == 0)
		r = channels_find(api->store, channel, &row, reterr);
	if (r > 0)
		r = messages_count(api->store, channel, &count, &bytes, reterr);
	if (r == 0)
		r = ask_realtimed(api, channel, &live, reterr);
	if (r < 0)
		return r;
	/* Of a channel that is not in memory, the mark, which may be ahead. */
	if (!json_object_get(live, "epoch")) {
		(void)json_object_set_new(live, "epoch",
					  *row.epoch ? json_string(row.epoch) : json_null());
		(void)json_object_set_new(live, "offset", json_integer(row.last_offset));
	}
	(void)json_object_del(live, "presence");
	(void)json_object_set_new(live, "channel", json_string(channel));
	(void)json_object_set_new(live, "messages", json_integer(count));
	(void)json_object_set_new(live, "bytes", json_integer(bytes));
	return response_json(response, 200, json_incref(live));
}

int channels_presence(struct api *api, struct request *request, struct response *response,
		      struct error *reterr)
{
	const char *channel;
	AUTO_JSON live = NULL;
	int r = channel_get(api, request, &channel, reterr);

	if (r == 0 &&
	    (!namespaces_find(api->namespaces, channel)->has_presence || own_channel_user(channel)))
		r = error_set_field(reterr, -EACCES, "presence_disabled", "channel",
				    "who is on %s is not told", channel);
	if (r == 0)
		r = ask_realtimed(api, channel, &live, reterr);
	return r < 0 ? r
		     : response_json(response, 200, json_incref(json_object_get(live, "presence")));
}

/* ---- the past ---- */

struct page {
	json_t *items; /* owned; an array */
	size_t limit;
	const char *epoch;
	int64_t last_offset, bytes;
	bool is_more, is_out_of_memory;
};

static json_t *base64_of(const struct message_row *row)
{
	size_t length = (size_t)row->payload_bytes;
	AUTO_FREE char *text = malloc(base64_encoded_length(length) + 1);

	if (!text)
		return NULL;
	base64_encode(row->payload, length, text);
	return json_stringn(text, base64_encoded_length(length));
}

static void add_content(json_t *item, const struct message_row *row)
{
	if (strcmp(row->kind, "notification") == 0) {
		AUTO_JSON fields = json_loads(row->data, 0, NULL);

		(void)json_object_update_missing(item, fields);
		return;
	}
	if (strcmp(row->kind, "binary") != 0) {
		(void)json_object_set_new(item, "data",
					  json_loads(row->data, JSON_DECODE_ANY, NULL));
		return;
	}
	(void)json_object_set_new(item, "content_type", json_string(row->content_type));
	(void)json_object_set_new(item, "size", json_integer(row->payload_bytes));
	if (row->filename)
		(void)json_object_set_new(item, "filename", json_string(row->filename));
	if (row->file_id)
		(void)json_object_set_new(item, "url",
					  json_sprintf("/realtime/files/%s", row->file_id));
	else
		(void)json_object_set_new(item, "binary_data", base64_of(row));
	if (row->sha256)
		(void)json_object_set_new(item, "sha256", json_string(row->sha256));
}

/* The object that travelled to the subscribers. */
static json_t *row_to_json(const struct message_row *row, const char *epoch)
{
	json_t *item =
		json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:s*, s:b}", "type", row->kind, "channel",
			  row->channel, "offset", (json_int_t)row->offset, "epoch", epoch,
			  "message_id", row->message_id, "ts", (json_int_t)row->created_at_unix_ms,
			  "sender", row->sender, "persistent", 1);

	if (!item)
		return NULL;
	add_content(item, row);
	if (row->tags)
		(void)json_object_set_new(item, "tags", json_loads(row->tags, 0, NULL));
	return item;
}

static bool add_to_page(void *data, const struct message_row *row)
{
	struct page *page = data;

	page->bytes += row->payload_bytes;
	if (json_array_size(page->items) == page->limit ||
	    (page->bytes > PAGE_BYTES_MAX && json_array_size(page->items) > 0)) {
		page->is_more = true;
		return false;
	}
	page->is_out_of_memory =
		json_array_append_new(page->items, row_to_json(row, page->epoch)) < 0;
	page->last_offset = row->offset;
	return !page->is_out_of_memory;
}

/* ?before= or ?after=, an offset. 1, 0 (absent), or -EINVAL. */
static int offset_get(const struct request *request, const char *name, int64_t *ret_offset,
		      struct error *reterr)
{
	const char *text = query_find(&request->query, name);
	char *end = NULL;

	if (!text)
		return 0;
	errno = 0;
	*ret_offset = strtoll(text, &end, 10);
	if (errno == 0 && *text && !*end && *ret_offset >= 0)
		return 1;
	return error_set_field(reterr, -EINVAL, "bad_field", name, "%s must be an offset", name);
}

static int read_page(struct api *api, const struct request *request, const char *channel,
		     struct page *page, struct error *reterr)
{
	int64_t now_ms = clock_unix_ms(), after = 0, before = INT64_MAX;
	int has_after = offset_get(request, "after", &after, reterr);
	int has_before = has_after < 0 ? has_after : offset_get(request, "before", &before, reterr);
	int r = has_before < 0 ? has_before : 0;

	if (r == 0 && has_after > 0 && has_before > 0)
		r = error_set_field(reterr, -EINVAL, "bad_field", "after",
				    "only one of before and after may be given");
	if (r < 0)
		return r;
	r = has_after > 0 ? messages_read_after_offset(api->store, channel, after,
						       (int64_t)page->limit + 1, now_ms,
						       add_to_page, page, reterr)
			  : messages_read_before_offset(api->store, channel, before,
							(int64_t)page->limit + 1, now_ms,
							add_to_page, page, reterr);
	return r == 0 && page->is_out_of_memory
		       ? error_set(reterr, -ENOMEM, "out_of_memory", "out of memory")
		       : r;
}

int channels_messages(struct api *api, struct request *request, struct response *response,
		      struct error *reterr)
{
	struct page page = {.limit = PAGE_DEFAULT};
	struct channel_row row = {0};
	AUTO_JSON items = json_array();
	const char *channel;
	json_t *answer;
	int r = channel_get(api, request, &channel, reterr);

	if (r == 0)
		r = request_limit(request, PAGE_MAX, &page.limit, reterr);
	if (r == 0)
		r = channels_find(api->store, channel, &row, reterr);
	page.items = items;
	page.epoch = row.epoch;
	if (r >= 0)
		r = read_page(api, request, channel, &page, reterr);
	if (r < 0)
		return r;
	answer = json_pack("{s:O, s:s?, s:n}", "items", items, "epoch",
			   *row.epoch ? row.epoch : NULL, "next");
	if (page.is_more)
		(void)json_object_set_new(answer, "next", json_integer(page.last_offset));
	return response_json(response, 200, answer);
}
