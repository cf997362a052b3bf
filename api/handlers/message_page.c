#include "api/handlers/message_page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "core/clock.h"
#include "core/json.h"

enum { PAGE_BYTES_MAX = 8 << 20 };

/* ---- messages as JSON ---- */

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

/* Pieces of text, in turn outside and inside of what matched: nobody has to trust any HTML. */
static json_t *snippet_to_json(const char *snippet)
{
	static const char marks[] = {MESSAGE_MARK_BEGIN, MESSAGE_MARK_END, '\0'};
	json_t *pieces = json_array();

	while (*snippet) {
		bool is_match = *snippet == MESSAGE_MARK_BEGIN;
		size_t length;

		if (strchr(marks, *snippet)) {
			snippet++;
			if (!is_match)
				continue;
		}
		length = strcspn(snippet, marks);
		(void)json_array_append_new(pieces, json_pack("{s:s%, s:b}", "text", snippet,
							      length, "match", (int)is_match));
		snippet += length;
	}
	return pieces;
}

/* The object that travelled to the subscribers, and where it matched. */
static json_t *row_to_json(const struct message_row *row)
{
	json_t *item =
		json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:s*, s:b}", "type", row->kind, "channel",
			  row->channel, "offset", (json_int_t)row->offset, "epoch", row->epoch,
			  "message_id", row->message_id, "ts", (json_int_t)row->created_at_unix_ms,
			  "sender", row->sender, "persistent", 1);

	if (!item)
		return NULL;
	add_content(item, row);
	if (row->tags)
		(void)json_object_set_new(item, "tags", json_loads(row->tags, 0, NULL));
	if (row->snippet)
		(void)json_object_set_new(item, "snippet", snippet_to_json(row->snippet));
	return item;
}

/* ---- the request ---- */

static int number_get(const struct request *request, const char *name, const char *what,
		      int64_t *ret_number, struct error *reterr)
{
	const char *text = query_find(&request->query, name);
	char *end = NULL;

	if (!text)
		return 0;
	errno = 0;
	*ret_number = strtoll(text, &end, 10);
	if (errno == 0 && *text && !*end && *ret_number >= 0)
		return 1;
	return error_set_field(reterr, -EINVAL, "bad_field", name, "%s must be %s", name, what);
}

int message_offset_get(const struct request *request, const char *name, int64_t *ret_offset,
		       struct error *reterr)
{
	return number_get(request, name, "an offset", ret_offset, reterr);
}

static int times_get(const struct request *request, struct message_query *query,
		     struct error *reterr)
{
	static const char what[] = "a time in Unix milliseconds";
	int r = number_get(request, "since", what, &query->since_unix_ms, reterr);

	if (r >= 0)
		r = number_get(request, "until", what, &query->until_unix_ms, reterr);
	return r < 0 ? r : 0;
}

static int kind_get(const struct request *request, struct message_query *query,
		    struct error *reterr)
{
	const char *kind = query->kind = query_find(&request->query, "kind");

	if (!kind || strcmp(kind, "message") == 0 || strcmp(kind, "binary") == 0 ||
	    strcmp(kind, "notification") == 0)
		return 0;
	return error_set_field(reterr, -EINVAL, "bad_field", "kind",
			       "kind must be message, binary or notification");
}

static int tag_get(const struct request *request, struct message_filter *filter,
		   struct error *reterr)
{
	const char *text = query_find(&request->query, "tag"), *colon;

	if (!text)
		return 0;
	colon = strchr(text, ':');
	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(filter->tag))
		return error_set_field(reterr, -EINVAL, "bad_field", "tag",
				       "tag must be name:value");
	memcpy(filter->tag, text, (size_t)(colon - text));
	filter->tag[colon - text] = '\0';
	filter->query.tag = filter->tag;
	filter->query.tag_value = colon + 1;
	return 0;
}

int message_filter_get(const struct request *request, struct message_filter *filter,
		       struct error *reterr)
{
	const char *q = query_find(&request->query, "q");
	int r = q ? search_query_parse(q, filter->match, reterr) : 0;

	filter->limit = MESSAGE_PAGE_DEFAULT;
	filter->query.match = q ? filter->match : NULL;
	filter->query.sender = query_find(&request->query, "sender");
	filter->query.content_type = query_find(&request->query, "content_type");
	if (r == 0)
		r = kind_get(request, &filter->query, reterr);
	if (r == 0)
		r = tag_get(request, filter, reterr);
	if (r == 0)
		r = times_get(request, &filter->query, reterr);
	if (r == 0)
		r = request_limit(request, MESSAGE_PAGE_MAX, &filter->limit, reterr);
	return r;
}

/* ---- the page ---- */

struct filling {
	struct message_page page;
	size_t limit;
	int64_t bytes;
	bool is_out_of_memory;
};

static bool add_to_page(void *data, const struct message_row *row)
{
	struct filling *filling = data;
	struct message_page *page = &filling->page;

	filling->bytes += row->payload_bytes;
	if (json_array_size(page->items) == filling->limit ||
	    (filling->bytes > PAGE_BYTES_MAX && json_array_size(page->items) > 0)) {
		page->is_more = true;
		return false;
	}
	filling->is_out_of_memory = json_array_append_new(page->items, row_to_json(row)) < 0;
	page->last_offset = row->offset;
	(void)snprintf(page->last_message_id, sizeof(page->last_message_id), "%s", row->message_id);
	return !filling->is_out_of_memory;
}

int message_page_read(struct api *api, struct message_filter *filter, struct message_page *ret_page,
		      struct error *reterr)
{
	struct filling filling = {.page = {.items = json_array()}, .limit = filter->limit};
	int r;

	filter->query.limit = (int64_t)filter->limit + 1;
	filter->query.now_unix_ms = clock_unix_ms();
	r = message_search_find(api->store, &filter->query, add_to_page, &filling, reterr);
	if (r == 0 && filling.is_out_of_memory)
		r = error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	if (r < 0) {
		json_decref(filling.page.items);
		return r;
	}
	*ret_page = filling.page;
	return 0;
}
