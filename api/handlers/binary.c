/* /realtime/binary/send and /realtime/binary/text: bytes in JSON as a message. Few travel in it,
 * many (REALTIME_INLINE_MAX) are kept as a file first and announced by its URL. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "core/base64.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"

enum { OTHER_FIELDS_MAX = 65536 };

/* What is to be sent. */
struct parcel {
	char content_type[CONTENT_TYPE_MAX + 1];
	const char *filename; /* borrowed; NULL: none */
	uint8_t *bytes;	      /* owned */
	size_t length;
};

/* ---- publishing ---- */

/* {content_type, filename?}, to which bytes or a file are added. NULL without memory. */
static json_t *new_binary(const char *content_type, const char *filename)
{
	return json_pack("{s:s, s:s*}", "content_type", content_type, "filename", filename);
}

/* -ENOMEM */
static int set_bytes(json_t *binary, const uint8_t *bytes, size_t length)
{
	AUTO_FREE char *text = malloc(base64_encoded_length(length) + 1);

	if (!text)
		return -ENOMEM;
	base64_encode(bytes, length, text);
	return json_object_set_new(binary, "binary_data", json_string(text)) < 0 ? -ENOMEM : 0;
}

/* `binary` is taken; `result` is what came of filling it. */
static int publish_take(const struct api *api, const struct request *request, json_t *message,
			json_t *binary, int result, json_t **ret_answer, struct error *reterr)
{
	if (result < 0) {
		json_decref(binary);
		return result;
	}
	if (json_object_set_new(message, "binary", binary) < 0)
		return -ENOMEM;
	return messages_publish(api, request, message, ret_answer, reterr);
}

static bool is_inline(const struct api *api, int64_t length)
{
	return length <= api->config->REALTIME_INLINE_MAX;
}

static int publish_bytes(const struct api *api, const struct request *request, json_t *message,
			 const struct parcel *parcel, json_t **ret_answer, struct error *reterr)
{
	json_t *binary = new_binary(parcel->content_type, parcel->filename);
	int r = binary ? set_bytes(binary, parcel->bytes, parcel->length) : -ENOMEM;

	return publish_take(api, request, message, binary, r, ret_answer, reterr);
}

void binary_describe_file(json_t *answer, const struct upload_row *row)
{
	(void)json_object_set_new(answer, "file_id", json_string(row->file_id));
	(void)json_object_set_new(answer, "url", json_sprintf("/realtime/files/%s", row->file_id));
	(void)json_object_set_new(answer, "sha256", json_string(row->sha256));
	(void)json_object_set_new(answer, "size", json_integer(row->size_bytes));
	(void)json_object_set_new(answer, "content_type", json_string(row->content_type));
	if (*row->filename)
		(void)json_object_set_new(answer, "filename", json_string(row->filename));
}

int binary_demand_hub(const struct api *api, struct error *reterr)
{
	if (bus_client_is_connected(api->realtimed))
		return 0;
	return error_set(reterr, -ENOTCONN, "bus_unavailable",
			 "realtimed, which would tell of the file, does not answer");
}

/* What the API cannot know is whether a message that was not answered went out: then its file
 * stays. One that surely did not leaves none behind. */
static void drop_untold(const struct api *api, const struct upload_row *row, int result)
{
	struct error error = {0};

	if (result != -ENOTCONN && result != -ETIMEDOUT &&
	    file_keeper_drop(api->keeper, api->store, row->file_id, &error) < 0)
		LOG(LOG_ERROR, LOG_MAIN, "file_not_dropped", LOG_TEXT("file", row->file_id),
		    LOG_ERR(&error)); /* it expires */
}

/* The bytes of a draft, for there are few. */
static int set_draft(json_t *binary, const struct file_draft *draft, struct error *reterr)
{
	size_t length = (size_t)file_draft_size(draft);
	AUTO_FREE uint8_t *bytes = malloc(length + 1);
	int r = bytes ? file_draft_read(draft, bytes, length, reterr) : -ENOMEM;

	return r < 0 ? r : set_bytes(binary, bytes, length);
}

int binary_publish_file(const struct api *api, const struct request *request, json_t *message,
			const struct file_draft *draft, const struct upload_row *row,
			json_t **ret_answer, struct error *reterr)
{
	json_t *binary = new_binary(row->content_type, *row->filename ? row->filename : NULL);
	int r = binary ? 0 : -ENOMEM;

	if (r == 0 && is_inline(api, row->size_bytes)) {
		r = set_draft(binary, draft, reterr);
	} else if (r == 0) {
		(void)json_object_set_new(binary, "file_id", json_string(row->file_id));
		(void)json_object_set_new(binary, "sha256", json_string(row->sha256));
		(void)json_object_set_new(binary, "size", json_integer(row->size_bytes));
	}
	r = publish_take(api, request, message, binary, r, ret_answer, reterr);
	if (r == 0)
		binary_describe_file(*ret_answer, row);
	else
		drop_untold(api, row, r);
	return r;
}

/* Keep the bytes as a file, then tell of it. */
static int publish_as_file(struct api *api, const struct request *request, json_t *message,
			   const struct parcel *parcel, json_t **ret_answer, struct error *reterr)
{
	const char *channel = json_string_value(json_object_get(message, "channel"));
	struct upload_row row = {0};
	AUTO(file_draft) draft = NULL;
	int r = binary_demand_hub(api, reterr);

	(void)snprintf(row.content_type, sizeof(row.content_type), "%s", parcel->content_type);
	(void)snprintf(row.filename, sizeof(row.filename), "%s",
		       parcel->filename ? parcel->filename : "");
	(void)snprintf(row.user_id, sizeof(row.user_id), "%s", request->identity->user_id);
	(void)snprintf(row.channel, sizeof(row.channel), "%s", channel ? channel : "");
	if (r == 0)
		r = file_draft_new(file_keeper_files(api->keeper), &draft, reterr);
	if (r == 0)
		r = file_draft_write(draft, parcel->bytes, parcel->length, reterr);
	if (r == 0)
		r = file_draft_seal(draft, reterr);
	if (r == 0)
		r = file_keeper_keep(api->keeper, api->store, draft, &row, clock_unix_ms(), reterr);
	if (r < 0)
		return r;
	return binary_publish_file(api, request, message, draft, &row, ret_answer, reterr);
}

/* ---- requests ---- */

/* Where it goes, and what is said about it but for the bytes. */
static int read_fields(const struct api *api, const struct request *request, const json_t *body,
		       json_t *message, struct parcel *parcel, struct error *reterr)
{
	int r = messages_copy_target(body, message, reterr);

	if (r == 0)
		r = messages_demand_rights(api, request, message, reterr);
	if (r == 0)
		r = messages_copy_options(body, message, reterr);
	if (r == 0)
		r = json_get_text(body, "filename", 1, FILENAME_MAX_BYTES, &parcel->filename,
				  reterr);
	if (r > 0)
		r = filename_check(parcel->filename, reterr);
	return r < 0 ? r : 0;
}

static int read_base64(const struct api *api, const json_t *body, struct parcel *parcel,
		       struct error *reterr)
{
	const json_t *data = json_object_get(body, "binary_data");
	const char *text = json_string_value(data);
	size_t length = json_string_length(data);
	int r;

	if (!data)
		return json_missing("binary_data", reterr);
	if (!text)
		return error_set_field(reterr, -EINVAL, "bad_field", "binary_data",
				       "binary_data must be a string in base64");
	r = file_rules_check_size(file_keeper_rules(api->keeper), base64_text_bytes(text, length),
				  "binary_data", reterr);
	if (r < 0)
		return r;
	parcel->bytes = malloc(base64_decoded_max(length) + 1);
	if (!parcel->bytes)
		return -ENOMEM;
	if (base64_decode(text, length, parcel->bytes, &parcel->length) < 0)
		return error_set_field(reterr, -EINVAL, "bad_base64", "binary_data",
				       "binary_data is no base64 (RFC 4648 section 4)");
	return 0;
}

static int read_text(const struct api *api, const json_t *body, struct parcel *parcel,
		     struct error *reterr)
{
	const json_t *text = json_object_get(body, "text");
	int r;

	if (!text)
		return json_missing("text", reterr);
	if (!json_is_string(text))
		return error_set_field(reterr, -EINVAL, "bad_field", "text",
				       "text must be a string");
	parcel->length = json_string_length(text);
	r = file_rules_check_size(file_keeper_rules(api->keeper), parcel->length, "text", reterr);
	if (r < 0)
		return r;
	parcel->bytes = malloc(parcel->length + 1);
	if (!parcel->bytes)
		return -ENOMEM;
	memcpy(parcel->bytes, json_string_value(text), parcel->length);
	return 0;
}

typedef int fetch_fn(const struct api *api, const json_t *body, struct parcel *parcel,
		     struct error *reterr);

/* The bytes, and what type they have. */
static int read_parcel(struct api *api, const json_t *body, fetch_fn *fetch, const char *declared,
		       struct parcel *parcel, struct error *reterr)
{
	int r = fetch(api, body, parcel, reterr);

	if (r == 0 && !declared)
		r = json_get_text(body, "content_type", 1, CONTENT_TYPE_MAX, &declared, reterr);
	if (r < 0)
		return r;
	return file_keeper_choose_type(api->keeper, declared, parcel->bytes, parcel->length,
				       parcel->content_type, reterr);
}

static int serve(struct api *api, struct request *request, fetch_fn *fetch, const char *type,
		 json_t **ret_answer, struct error *reterr)
{
	/* Base64 has four characters for three bytes; text may be escaped, but hardly is. */
	int64_t limit = api->config->BINARY_MAX_FILE_SIZE / 3 * 4 + OTHER_FIELDS_MAX;
	AUTO_JSON body = NULL;
	AUTO_JSON message = json_object();
	struct parcel parcel = {0};
	int r = request_read_json(request, limit, &body, reterr);

	if (r == 0)
		r = read_fields(api, request, body, message, &parcel, reterr);
	if (r == 0)
		r = read_parcel(api, body, fetch, type, &parcel, reterr);
	if (r == 0 && is_inline(api, (int64_t)parcel.length))
		r = publish_bytes(api, request, message, &parcel, ret_answer, reterr);
	else if (r == 0)
		r = publish_as_file(api, request, message, &parcel, ret_answer, reterr);
	if (r == 0) {
		(void)json_object_set_new(*ret_answer, "size",
					  json_integer((json_int_t)parcel.length));
		(void)json_object_set_new(*ret_answer, "content_type",
					  json_string(parcel.content_type));
	}
	free(parcel.bytes);
	return r;
}

/* A body that takes memory takes its turn as well. */
static int serve_in_turn(struct api *api, struct request *request, fetch_fn *fetch,
			 const char *type, struct response *response, struct error *reterr)
{
	bool is_large = request->content_length < 0 ||
			request->content_length > api->config->REALTIME_MAX_BODY;
	json_t *answer = NULL;
	int r = is_large ? access_check(api, request, ACCESS_PUBLISH, reterr) : 0;

	if (r == 0 && is_large)
		r = file_keeper_enter(api->keeper, reterr);
	if (r < 0)
		return r;
	r = serve(api, request, fetch, type, &answer, reterr);
	if (is_large)
		file_keeper_leave(api->keeper);
	return r < 0 ? r : response_json(response, 201, answer);
}

int binary_send(struct api *api, struct request *request, struct response *response,
		struct error *reterr)
{
	return serve_in_turn(api, request, read_base64, NULL, response, reterr);
}

int binary_text(struct api *api, struct request *request, struct response *response,
		struct error *reterr)
{
	return serve_in_turn(api, request, read_text, "text/plain; charset=utf-8", response,
			     reterr);
}
