/* /realtime/binary/upload: files as a browser's form or `curl -F` sends them, written to the disk
 * as they arrive; and, with a channel, told of there.
 *
 * Fields: `file`, one or several; `channel`, or `user_id` or `connection_id`; `persistent`, `ttl`,
 * `tags`, `idempotency_key`. Who may publish is asked as soon as it is known where: before the body
 * is read if the channel is in the query, and before a file is if its field comes first. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "api/wire/multipart.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"

enum { READ_BYTES = 65536, FIELD_MAX = 16384, FILES_MAX = 16, PARTS_MAX = 64 };

struct received_file {
	struct file_draft *draft; /* owned; sealed once it is all there */
	struct upload_row row;
};

struct upload {
	struct api *api;
	const struct request *request;
	struct multipart multipart;
	json_t *fields; /* owned; what was said besides the files, as /realtime/send has it */
	unsigned part_count;
	size_t file_count;
	struct received_file files[FILES_MAX];
	bool is_in_file;
	/* The field that is being read, if it is no file. */
	char field_name[MULTIPART_NAME_MAX + 1];
	size_t field_length;
	char field[FIELD_MAX + 1];
	uint8_t bytes[READ_BYTES];
};

static struct upload *upload_free(struct upload *upload)
{
	if (!upload)
		return NULL;
	for (size_t i = 0; i < upload->file_count; i++)
		(void)file_draft_free(upload->files[i].draft);
	json_decref(upload->fields);
	free(upload);
	return NULL;
}
DEFINE_AUTO(upload, upload_free);

/* ---- where it goes ---- */

static bool has_target(const json_t *fields)
{
	return json_object_get(fields, "channel") || json_object_get(fields, "user_id") ||
	       json_object_get(fields, "connection_id");
}

/* May they, as far as is known by now where it goes? */
static int demand_rights(const struct upload *upload, struct error *reterr)
{
	AUTO_JSON message = json_object();
	int r;

	if (!has_target(upload->fields))
		return access_check(upload->api, upload->request, ACCESS_PUBLISH, reterr);
	r = messages_copy_target(upload->fields, message, reterr);
	return r < 0 ? r : messages_demand_rights(upload->api, upload->request, message, reterr);
}

/* If it goes anywhere: is somebody there to tell of it? */
static int demand_hub(const struct upload *upload, struct error *reterr)
{
	if (!has_target(upload->fields) || bus_client_is_connected(upload->api->realtimed))
		return 0;
	return error_set(reterr, -ENOTCONN, "bus_unavailable",
			 "realtimed, which would tell of the file, does not answer");
}

/* ---- fields ---- */

/* Forms know only text; what the name says it is, it becomes. */
static json_t *field_value(const char *name, const char *text, size_t length)
{
	static const char *const parsed[] = {"persistent", "ttl", "tags"};

	for (size_t i = 0; i < ARRAY_LEN(parsed); i++)
		if (strcmp(name, parsed[i]) == 0)
			return json_loadb(text, length, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
					  NULL);
	return json_stringn(text, length);
}

static const char *const field_names[] = {"channel", "user_id", "connection_id",  "persistent",
					  "ttl",     "tags",	"idempotency_key"};

/* One of field_names; empty it does not count, as forms send what was not filled in. */
static int set_field(struct upload *upload, const char *name, const char *text, size_t length,
		     struct error *reterr)
{
	json_t *value;

	if (length == 0)
		return 0;
	if (json_object_get(upload->fields, name))
		return error_set_field(reterr, -EINVAL, "bad_field", name, "%s may be given once",
				       name);
	value = field_value(name, text, length);
	if (!value)
		return error_set_field(reterr, -EINVAL, "bad_field", name,
				       "%s is not what it must be", name);
	(void)json_object_set_new(upload->fields, name, value);
	return 0;
}

static int end_field(struct upload *upload, struct error *reterr)
{
	const char *name = upload->field_name;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(field_names); i++) {
		if (strcmp(name, field_names[i]) != 0)
			continue;
		r = set_field(upload, name, upload->field, upload->field_length, reterr);
		return r == 0 && strcmp(name, "channel") == 0 ? demand_rights(upload, reterr) : r;
	}
	return 0; /* unknown ones are ignored, as everywhere */
}

/* What the query says, before the body is read. */
static int set_query_fields(struct upload *upload, struct error *reterr)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(field_names); i++) {
		const char *text = query_find(&upload->request->query, field_names[i]);

		if (text)
			r = set_field(upload, field_names[i], text, strlen(text), reterr);
	}
	return r;
}

/* ---- files ---- */

/* Of a path, as some clients send it, the last part. */
static int set_filename(const char *given, struct upload_row *row, struct error *reterr)
{
	const char *slash = strrchr(given, '/'), *backslash;
	int r;

	if (slash)
		given = slash + 1;
	backslash = strrchr(given, '\\');
	if (backslash)
		given = backslash + 1;
	if (!*given)
		return 0;
	r = filename_check(given, reterr);
	if (r == 0)
		(void)strcpy(row->filename, given); /* it fits */
	return r;
}

static int begin_file(struct upload *upload, const struct multipart_part *part,
		      struct error *reterr)
{
	struct received_file *file = &upload->files[upload->file_count];
	struct api *api = upload->api;
	int r;

	if (upload->file_count == FILES_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "file",
				       "there may be %d files at once", FILES_MAX);
	r = demand_rights(upload, reterr);
	if (r == 0)
		r = demand_hub(upload, reterr);
	if (r == 0)
		r = set_filename(part->filename, &file->row, reterr);
	if (r == 0 && strlen(part->content_type) > CONTENT_TYPE_MAX)
		r = error_set_field(reterr, -EINVAL, "bad_field", "content_type",
				    "content_type may have %d bytes", CONTENT_TYPE_MAX);
	if (r == 0)
		r = file_draft_new(file_keeper_files(api->keeper), &file->draft, reterr);
	if (r < 0)
		return r;
	upload->file_count++;
	upload->is_in_file = true;
	(void)strcpy(file->row.content_type, part->content_type); /* it fits */
	(void)snprintf(file->row.user_id, sizeof(file->row.user_id), "%s",
		       upload->request->identity->user_id);
	return 0;
}

static int begin(void *data, const struct multipart_part *part, struct error *reterr)
{
	struct upload *upload = data;

	if (++upload->part_count > PARTS_MAX)
		return error_set(reterr, -EINVAL, "bad_multipart", "there may be %d parts",
				 PARTS_MAX);
	if (strcmp(part->name, "file") == 0)
		return begin_file(upload, part, reterr);
	if (part->has_filename)
		return error_set_field(reterr, -EINVAL, "bad_field", "file",
				       "files go into the field called file");
	upload->is_in_file = false;
	upload->field_length = 0;
	(void)strcpy(upload->field_name, part->name); /* of the same size */
	return 0;
}

/* The type as soon as enough is there to see it: a wrong one is refused before the rest comes. */
static int choose_type(struct upload *upload, struct received_file *file, struct error *reterr)
{
	const char *declared = *file->row.content_type ? file->row.content_type : NULL;
	char type[CONTENT_TYPE_MAX + 1];
	const uint8_t *head;
	size_t length = file_draft_head(file->draft, &head);
	int r = file_keeper_choose_type(upload->api->keeper, declared, head, length, type, reterr);

	if (r == 0)
		(void)strcpy(file->row.content_type, type); /* of the same size */
	return r;
}

static int bytes_of_file(struct upload *upload, const void *bytes, size_t length,
			 struct error *reterr)
{
	struct received_file *file = &upload->files[upload->file_count - 1];
	uint64_t before = (uint64_t)file_draft_size(file->draft);
	int r = file_rules_check_size(file_keeper_rules(upload->api->keeper), before + length,
				      "file", reterr);

	if (r == 0)
		r = file_draft_write(file->draft, bytes, length, reterr);
	if (r == 0 && before < FILE_HEAD_MAX && before + length >= FILE_HEAD_MAX)
		r = choose_type(upload, file, reterr);
	return r;
}

static int bytes(void *data, const void *bytes, size_t length, struct error *reterr)
{
	struct upload *upload = data;

	if (upload->is_in_file)
		return bytes_of_file(upload, bytes, length, reterr);
	if (length > FIELD_MAX - upload->field_length)
		return error_set(reterr, -EMSGSIZE, "field_too_big",
				 "a field that is no file may have %d bytes", FIELD_MAX);
	memcpy(upload->field + upload->field_length, bytes, length);
	upload->field_length += length;
	return 0;
}

static int end(void *data, struct error *reterr)
{
	struct upload *upload = data;
	struct received_file *file;
	int r = 0;

	if (!upload->is_in_file)
		return end_field(upload, reterr);
	file = &upload->files[upload->file_count - 1];
	if (file_draft_size(file->draft) < FILE_HEAD_MAX)
		r = choose_type(upload, file, reterr);
	return r < 0 ? r : file_draft_seal(file->draft, reterr);
}

/* ---- the whole ---- */

static int receive(struct upload *upload, struct request *request, struct error *reterr)
{
	int64_t taken = 0;
	ssize_t got;
	int r = 0;

	while (r == 0 &&
	       (got = request_read(request, upload->bytes, sizeof(upload->bytes), reterr)) != 0) {
		taken += got;
		if (taken > upload->api->config->BINARY_MAX_FILE_SIZE * FILES_MAX) /* preambles */
			return error_set(reterr, -EMSGSIZE, "body_too_big", "the body is too big");
		r = got < 0 ? (int)got
			    : multipart_feed(&upload->multipart, upload->bytes, (size_t)got,
					     reterr);
	}
	if (r == 0)
		r = multipart_finish(&upload->multipart, reterr);
	if (r == 0 && upload->file_count == 0)
		return json_missing("file", reterr);
	if (r == 0 && upload->file_count > 1 && json_object_get(upload->fields, "idempotency_key"))
		return error_set_field(reterr, -EINVAL, "bad_field", "idempotency_key",
				       "an idempotency_key is for one file");
	return r;
}

/* What the API cannot know is whether a message that was not answered went out: then its file
 * stays. One that surely did not leaves none behind. */
static void drop_untold(struct upload *upload, const struct received_file *file, int result)
{
	struct error error = {0};

	if (result != -ENOTCONN && result != -ETIMEDOUT &&
	    file_keeper_drop(upload->api->keeper, upload->api->store, file->row.file_id, &error) <
		    0)
		LOG(LOG_ERROR, LOG_MAIN, "file_not_dropped", LOG_TEXT("file", file->row.file_id),
		    LOG_ERR(&error)); /* it expires */
}

/* Keep one, and tell of it if it goes anywhere. */
static int keep_one(struct upload *upload, struct received_file *file, json_t **ret_answer,
		    struct error *reterr)
{
	struct api *api = upload->api;
	AUTO_JSON message = json_object();
	const char *channel;
	int r = 0;

	if (has_target(upload->fields))
		r = messages_copy_target(upload->fields, message, reterr);
	if (r == 0)
		r = messages_copy_options(upload->fields, message, reterr);
	channel = json_string_value(json_object_get(message, "channel"));
	if (channel)
		(void)snprintf(file->row.channel, sizeof(file->row.channel), "%s", channel);
	if (r == 0)
		r = file_keeper_keep(api->keeper, api->store, file->draft, &file->row,
				     clock_unix_ms(), reterr);
	if (r < 0)
		return r;
	if (!has_target(upload->fields)) {
		*ret_answer = json_object();
		binary_describe_file(*ret_answer, &file->row);
		return 0;
	}
	r = binary_publish_file(api, upload->request, message, file->draft, &file->row, ret_answer,
				reterr);
	if (r < 0)
		drop_untold(upload, file, r);
	return r;
}

static int keep_all(struct upload *upload, struct response *response, struct error *reterr)
{
	AUTO_JSON answers = json_array();
	int r = demand_rights(upload, reterr);

	if (r == 0)
		r = demand_hub(upload, reterr);
	for (size_t i = 0; r == 0 && i < upload->file_count; i++) {
		json_t *answer = NULL;

		r = keep_one(upload, &upload->files[i], &answer, reterr);
		if (r == 0)
			(void)json_array_append_new(answers, answer);
	}
	if (r < 0)
		return r;
	if (upload->file_count > 1)
		return response_json(response, 201, json_pack("{s:O}", "files", answers));
	response_header(response, "Location", "/realtime/files/%s", upload->files[0].row.file_id);
	return response_json(response, 201, json_incref(json_array_get(answers, 0)));
}

/* Refused before the body is read: what can be known by then. */
static int check_first(const struct upload *upload, struct error *reterr)
{
	const struct api *api = upload->api;
	const struct request *request = upload->request;
	int64_t length = request->content_length;
	/* At least this much is files: the rest is small. */
	int64_t least = length > FIELD_MAX * PARTS_MAX ? length - FIELD_MAX * PARTS_MAX : 0;
	bool is_put = strcmp(request->method, "PUT") == 0; /* nothing more will be said */
	int r = file_rules_check_size(file_keeper_rules(api->keeper), 0, "file", reterr);

	if (r == 0 && length > api->config->BINARY_MAX_FILE_SIZE * FILES_MAX)
		r = error_set(reterr, -EMSGSIZE, "body_too_big", "the body is too big");
	if (r == 0 && (has_target(upload->fields) || is_put))
		r = demand_rights(upload, reterr);
	if (r == 0)
		r = file_keeper_check_quota(api->keeper, api->store, request->identity->user_id,
					    least, reterr);
	if (r == 0)
		r = demand_hub(upload, reterr);
	return r;
}

/* Everything but the body. */
static int start(struct api *api, const struct request *request, struct upload **ret_upload,
		 struct error *reterr)
{
	AUTO(upload) upload = calloc(1, sizeof(*upload));
	int r;

	if (!upload)
		return -ENOMEM;
	upload->api = api;
	upload->request = request;
	upload->fields = json_object();
	r = set_query_fields(upload, reterr);
	if (r == 0)
		r = check_first(upload, reterr);
	if (r == 0)
		*ret_upload = STEAL(upload);
	return r;
}

int uploads_receive(struct api *api, struct request *request, struct response *response,
		    struct error *reterr)
{
	static const struct multipart_events events = {begin, bytes, end};
	const char *type = request_header(request, "Content-Type");
	AUTO(upload) upload = NULL;
	int r = start(api, request, &upload, reterr);

	if (r == 0)
		r = multipart_init(&upload->multipart, type ? type : "", &events, upload, reterr);
	if (r == 0)
		r = file_keeper_enter(api->keeper, reterr);
	if (r < 0)
		return r;
	r = receive(upload, request, reterr);
	file_keeper_leave(api->keeper);
	return r < 0 ? r : keep_all(upload, response, reterr);
}

/* ---- PUT: the body is the file ---- */

/* What a form says about a file, from the query and the headers. */
static int describe_raw(const struct request *request, struct multipart_part *part,
			struct error *reterr)
{
	const char *filename = query_find(&request->query, "filename");
	const char *type = request_header(request, "Content-Type");

	if (filename && strlen(filename) > MULTIPART_FILENAME_MAX)
		return filename_check(filename, reterr);
	if (type && strlen(type) > MULTIPART_TYPE_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "content_type",
				       "content_type may have %d bytes", CONTENT_TYPE_MAX);
	(void)strcpy(part->filename, filename ? filename : ""); /* both fit */
	(void)strcpy(part->content_type, type ? type : "");
	return 0;
}

static int receive_raw(struct upload *upload, struct request *request, struct error *reterr)
{
	struct multipart_part *part = &upload->multipart.part; /* there is no other */
	ssize_t got;
	int r = describe_raw(request, part, reterr);

	if (r == 0)
		r = begin_file(upload, part, reterr);
	while (r == 0 &&
	       (got = request_read(request, upload->bytes, sizeof(upload->bytes), reterr)) != 0)
		r = got < 0 ? (int)got : bytes_of_file(upload, upload->bytes, (size_t)got, reterr);
	return r < 0 ? r : end(upload, reterr);
}

int uploads_put(struct api *api, struct request *request, struct response *response,
		struct error *reterr)
{
	AUTO(upload) upload = NULL;
	int r = start(api, request, &upload, reterr);

	if (r == 0 && request->content_length > 0)
		r = file_rules_check_size(file_keeper_rules(api->keeper),
					  (uint64_t)request->content_length, "file", reterr);
	if (r == 0)
		r = file_keeper_enter(api->keeper, reterr);
	if (r < 0)
		return r;
	r = receive_raw(upload, request, reterr);
	file_keeper_leave(api->keeper);
	return r < 0 ? r : keep_all(upload, response, reterr);
}
