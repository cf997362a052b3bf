/* /realtime/channels: what goes on in channels, who is there, and what they have kept. The past
 * comes from the store, the present from realtimed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "api/handlers/message_page.h"
#include "core/id.h"
#include "core/json.h"
#include "core/pattern.h"
#include "db/messages.h"

enum { CHANNELS_MAX = 1000 };

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
	const char *cursor = query_find(&request->query, "cursor");
	size_t limit = CHANNELS_MAX;
	json_t *answer = NULL;
	int r = request_limit(request, CHANNELS_MAX, &limit, reterr);

	if (r == 0 && cursor && !channel_name_is_valid(cursor, strlen(cursor)))
		r = error_set_field(reterr, -EINVAL, "bad_field", "cursor",
				    "cursor must be the next of an earlier answer");
	if (r == 0)
		r = bus_client_call(
			api->realtimed, BUS_CHANNELS,
			json_pack("{s:I, s:s*}", "limit", (json_int_t)limit, "after", cursor),
			BUS_TIMEOUT_MS, &answer, reterr);
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

/* Where in the channel, and in which direction. */
static int place_get(const struct request *request, struct message_query *query,
		     struct error *reterr)
{
	int has_after = message_offset_get(request, "after", &query->after_offset, reterr);
	int has_before = has_after < 0 ? has_after
				       : message_offset_get(request, "before",
							    &query->before_offset, reterr);

	if (has_before < 0)
		return has_before;
	if (has_after > 0 && has_before > 0)
		return error_set_field(reterr, -EINVAL, "bad_field", "after",
				       "only one of before and after may be given");
	if (has_after > 0 && query->match)
		return error_set_field(reterr, -EINVAL, "bad_field", "after",
				       "what is searched for comes newest first: use before");
	query->is_upwards = has_after > 0;
	return 0;
}

static int demand_searchable(const struct api *api, const char *channel, struct error *reterr)
{
	return namespaces_find(api->namespaces, channel)->is_searchable
		       ? 0
		       : error_set_field(
				 reterr, -EACCES, "search_disabled", "channel",
				 "messages of %s are not searched (search of its namespace, "
				 "or REALTIME_SEARCH)",
				 channel);
}

int channels_messages(struct api *api, struct request *request, struct response *response,
		      struct error *reterr)
{
	struct message_filter filter = {0};
	struct message_page page = {0};
	struct channel_row row = {0};
	int r = channel_get(api, request, &filter.query.channel, reterr);

	if (r == 0)
		r = message_filter_get(request, &filter, reterr);
	if (r == 0)
		r = place_get(request, &filter.query, reterr);
	if (r == 0 && filter.query.match)
		r = demand_searchable(api, filter.query.channel, reterr);
	if (r == 0)
		r = channels_find(api->store, filter.query.channel, &row, reterr);
	if (r >= 0)
		r = message_page_read(api, &filter, &page, reterr);
	if (r < 0)
		return r;
	return response_json(
		response, 200,
		json_pack("{s:o, s:s?, s:o}", "items", page.items, "epoch",
			  *row.epoch ? row.epoch : NULL, "next",
			  page.is_more ? json_integer(page.last_offset) : json_null()));
}

/* ---- all channels ---- */

/* The cursor is the last message_id of the page before. */
static int cursor_get(const struct request *request, const char **ret_cursor, struct error *reterr)
{
	static const char prefix[] = "msg_";
	const char *cursor = query_find(&request->query, "cursor");
	size_t prefix_length = sizeof(prefix) - 1;

	*ret_cursor = cursor;
	if (!cursor ||
	    (strncmp(cursor, prefix, prefix_length) == 0 && strlen(cursor) == prefix_length + 16 &&
	     strspn(cursor + prefix_length, "0123456789abcdef") == 16))
		return 0;
	return error_set_field(reterr, -EINVAL, "bad_field", "cursor",
			       "cursor must be the next of an earlier answer");
}

int channels_search(struct api *api, struct request *request, struct response *response,
		    struct error *reterr)
{
	struct message_filter filter = {0};
	struct message_page page = {0};
	int r = message_filter_get(request, &filter, reterr);

	filter.query.channel_pattern = query_find(&request->query, "channel");
	if (r == 0)
		r = cursor_get(request, &filter.query.before_message_id, reterr);
	if (r == 0)
		r = message_page_read(api, &filter, &page, reterr);
	if (r < 0)
		return r;
	return response_json(response, 200,
			     json_pack("{s:o, s:s?}", "items", page.items, "next",
				       page.is_more ? page.last_message_id : NULL));
}
