/* /realtime/files: files that were uploaded, listed, handed out and deleted.
 *
 * Its unguessable id opens a file: whoever was told it may read it, as a picture in a page has no
 * token to show. Where the namespace of its channel lets only some listen, it is for these alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "api/handlers/listing.h"
#include "api/wire/disposition.h"
#include "api/wire/range.h"

/* "file_" and 22 characters; all else is no file, and reaches neither the store nor a path. */
static int find_row(struct api *api, const struct request *request, struct upload_row *ret_row,
		    struct error *reterr)
{
	const char *file_id = request_parameter(request, "file_id");

	if (strlen(file_id) != FILE_ID_SIZE - 1 || !room_id_is_valid(file_id))
		return error_set(reterr, -ENOENT, "file_not_found", "there is no such file");
	return uploads_get(api->store, file_id, ret_row, reterr);
}

static bool is_owner(const struct request *request, const struct upload_row *row)
{
	return *row->user_id && strcmp(row->user_id, request->identity->user_id) == 0;
}

/* Somebody known: REALTIME_ANONYMOUS_PUBLISH makes an admin of everybody, but a file that is for
 * some stays theirs. */
static bool is_admin(const struct request *request, const struct upload_row *row)
{
	return !identity_is_anonymous(request->identity) &&
	       identity_may(request->identity, RIGHT_ADMIN, GRANT_CHANNELS,
			    *row->channel ? row->channel : "*");
}

static int demand_read(const struct api *api, const struct request *request,
		       const struct upload_row *row, struct error *reterr)
{
	if (!*row->channel || is_owner(request, row) || is_admin(request, row))
		return 0;
	switch (namespaces_find(api->namespaces, row->channel)->subscribe) {
	case AUDIENCE_BY_RIGHTS:
	case AUDIENCE_ANYONE:
		return 0;
	case AUDIENCE_USERS:
	case AUDIENCE_GRANTED:
	case AUDIENCE_NOBODY:
		break;
	}
	return access_demand_subscribe(api, request, row->channel, reterr);
}

/* What goes with every answer about a file's bytes, 304 and 206 included. */
static void add_headers(const struct upload_row *row, const char *etag, struct response *response)
{
	char disposition[DISPOSITION_SIZE];

	disposition_format(disposition_is_inline(row->content_type), row->filename, disposition);
	response_header(response, "ETag", "%s", etag);
	response_header(response, "Content-Disposition", "%s", disposition);
	response_header(response, "Content-Security-Policy", "sandbox; default-src 'none'");
	/* Kept, but asked for each time: it may have been deleted, and a 304 costs little. */
	response_header_replace(response, "Cache-Control", "private, no-cache");
}

/* The range that is asked for, unless If-Range names another version (RFC 9110 section 13.1.5). */
static enum range_result wanted_range(const struct request *request, const char *etag, int64_t size,
				      int64_t *ret_offset, int64_t *ret_length)
{
	const char *if_range = request_header(request, "If-Range");

	if (if_range && strcmp(if_range, etag) != 0)
		return RANGE_WHOLE;
	return range_parse(request_header(request, "Range"), size, ret_offset, ret_length);
}

/* The API's own way: it opens the file, and the front sends what is asked for. */
static int send_file(struct api *api, const struct request *request, const struct upload_row *row,
		     const char *etag, struct response *response, struct error *reterr)
{
	int64_t offset = 0, length = row->size_bytes;
	enum range_result range = wanted_range(request, etag, row->size_bytes, &offset, &length);
	int fd;

	response_header(response, "Accept-Ranges", "bytes");
	if (range == RANGE_UNSATISFIABLE) {
		response_header(response, "Content-Range", "bytes */%lld",
				(long long)row->size_bytes);
		return error_set(reterr, -ERANGE, "range_not_satisfiable",
				 "the file has %lld bytes", (long long)row->size_bytes);
	}
	fd = file_store_open(file_keeper_files(api->keeper), row->sha256, reterr);
	if (fd < 0)
		return fd;
	if (range == RANGE_PART)
		response_header(response, "Content-Range", "bytes %lld-%lld/%lld",
				(long long)offset, (long long)(offset + length - 1),
				(long long)row->size_bytes);
	response_file(response, range == RANGE_PART ? 206 : 200, row->content_type, fd, offset,
		      length);
	return 0;
}

/* nginx opens the file, and does ranges by itself. */
static void hand_over(const struct api *api, const struct upload_row *row,
		      struct response *response)
{
	const char *location = api->config->REALTIME_FILES_ACCEL;

	response_header(response, "X-Accel-Redirect", "%s%s%.2s/%.2s/%s", location,
			location[strlen(location) - 1] == '/' ? "" : "/", row->sha256,
			row->sha256 + 2, row->sha256);
	response_header(response, "Content-Type", "%s", row->content_type);
	response_empty(response, 200);
}

int files_get(struct api *api, struct request *request, struct response *response,
	      struct error *reterr)
{
	const char *if_none_match = request_header(request, "If-None-Match");
	struct upload_row row;
	char etag[SHA256_SIZE + 2];
	int r = find_row(api, request, &row, reterr);

	if (r == 0)
		r = demand_read(api, request, &row, reterr);
	if (r < 0)
		return r;
	(void)snprintf(etag, sizeof(etag), "\"%s\"", row.sha256);
	add_headers(&row, etag, response);
	if (if_none_match && etag_list_has(if_none_match, etag, true)) {
		response_empty(response, 304);
		return 0;
	}
	if (!*api->config->REALTIME_FILES_ACCEL)
		return send_file(api, request, &row, etag, response, reterr);
	hand_over(api, &row, response);
	return 0;
}

int files_delete(struct api *api, struct request *request, struct response *response,
		 struct error *reterr)
{
	struct upload_row row;
	int r = access_demand_known(request, reterr);

	if (r == 0)
		r = find_row(api, request, &row, reterr);
	if (r == 0 && !is_owner(request, &row) && !is_admin(request, &row))
		r = error_set(reterr, -EACCES, "forbidden",
			      "a file is deleted by whoever uploaded it, or by an admin");
	if (r == 0)
		r = file_keeper_drop(api->keeper, api->store, row.file_id, reterr);
	if (r == 0)
		response_empty(response, 204);
	return r;
}

/* ---- lists ---- */

enum { FILES_PAGE_MAX = 200 };

/* Whose: one's own, or as an admin wishes. No id is told to whoever has not uploaded the file: it
 * opens it. */
static int whose_get(const struct request *request, const char **ret_user_id, struct error *reterr)
{
	const char *user_id = query_find(&request->query, "user_id");
	const char *caller = request->identity->user_id;
	bool is_admin = identity_may(request->identity, RIGHT_ADMIN, GRANT_CHANNELS, "*");
	int r = access_demand_known(request, reterr);

	if (r < 0)
		return r;
	if (!is_admin && user_id && strcmp(user_id, caller) != 0)
		return error_set_field(reterr, -EACCES, "forbidden", "user_id",
				       "files of others are listed for admins");
	*ret_user_id = user_id || is_admin ? user_id : caller;
	return 0;
}

static int filter_get(const struct request *request, struct uploads_filter *filter,
		      char content_type[CONTENT_TYPE_MAX + 1], struct error *reterr)
{
	const char *type = query_find(&request->query, "content_type");
	size_t length = type ? strlen(type) : 0;

	filter->channel = query_find(&request->query, "channel");
	if (!type)
		return 0;
	if (length > CONTENT_TYPE_MAX || !strchr(type, '/') || (*type == '*' && type[1] != '/'))
		return error_set_field(reterr, -EINVAL, "bad_field", "content_type",
				       "content_type must be a type, such as image/png, or all of "
				       "a kind, such as image/*");
	(void)strcpy(content_type, type); /* it fits */
	if (strcmp(type + length - 2, "/*") == 0)
		content_type[length - 1] = '\0';
	filter->content_type = strcmp(type, "*/*") == 0 ? NULL : content_type;
	return 0;
}

static json_t *row_to_json(const struct upload_row *row)
{
	char url[FILE_ID_SIZE + 32];

	(void)snprintf(url, sizeof(url), "/realtime/files/%s", row->file_id);
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s?, s:s?, s:s?, s:I, s:o}", "file_id",
			 row->file_id, "url", url, "sha256", row->sha256, "size",
			 (json_int_t)row->size_bytes, "content_type", row->content_type, "filename",
			 *row->filename ? row->filename : NULL, "user_id",
			 *row->user_id ? row->user_id : NULL, "channel",
			 *row->channel ? row->channel : NULL, "created_at",
			 (json_int_t)row->created_at_unix_ms, "expires_at",
			 expiry_to_json(row->expires_at_unix_ms));
}

static int list_page(struct api *api, const struct uploads_filter *filter,
		     const struct list_request *list, json_t **ret_page, struct error *reterr)
{
	AUTO_FREE struct upload_row *rows = malloc(list->limit * sizeof(*rows));
	bool more = false;
	json_t *items;
	int count;

	if (!rows)
		return -ENOMEM;
	count = uploads_list(api->store, filter, list->is_first ? NULL : &list->position,
			     list->limit, rows, &more, reterr);
	if (count < 0)
		return count;
	items = json_array();
	for (int i = 0; i < count; i++)
		(void)json_array_append_new(items, row_to_json(&rows[i]));
	*ret_page = page_to_json(items, more, more ? rows[count - 1].created_at_unix_ms : 0,
				 more ? rows[count - 1].file_id : "");
	return 0;
}

int files_handle_list(struct api *api, struct request *request, struct response *response,
		      struct error *reterr)
{
	char content_type[CONTENT_TYPE_MAX + 1];
	struct uploads_filter filter = {0};
	struct list_request list;
	json_t *page = NULL;
	int r = whose_get(request, &filter.user_id, reterr);

	if (r == 0)
		r = list_request_get(request, FILES_PAGE_MAX, &list, reterr);
	if (r == 0)
		r = filter_get(request, &filter, content_type, reterr);
	if (r == 0)
		r = list_page(api, &filter, &list, &page, reterr);
	return r < 0 ? r : response_json(response, 200, page);
}
