/* /realtime/uploads: files that come piece by piece and go on where they stopped, by the tus
 * protocol 1.0.0 (https://tus.io/protocols/resumable-upload) with creation, creation-with-upload,
 * expiration, checksum and termination.
 *
 *   POST --> empty --PATCH…--> whole: kept as a file, told of in its channel --> forgotten in time
 *
 * An offset that was answered is on the disk. Only whoever began an upload sees it. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/handlers/upload_order.h"
#include "core/base64.h"
#include "core/clock.h"
#include "core/json.h"

enum { PIECE_BYTES = 65536, METADATA_MAX = 8192 };

static const char version[] = "1.0.0", offset_type[] = "application/offset+octet-stream";

/* ---- headers ---- */

/* -ESTALE "unsupported_tus_version" */
static int greet(const struct request *request, struct response *response, struct error *reterr)
{
	const char *asked = request_header(request, "Tus-Resumable");

	response_header(response, "Tus-Resumable", "%s", version);
	if (asked && strcmp(asked, version) == 0)
		return 0;
	response_header(response, "Tus-Version", "%s", version);
	return error_set(reterr, -ESTALE, "unsupported_tus_version", "Tus-Resumable must be %s",
			 version);
}

static void add_expiry(const struct partial_upload_row *row, struct response *response)
{
	time_t at = (time_t)(row->expires_at_unix_ms / 1000);
	struct tm tm;
	char text[64];

	if (gmtime_r(&at, &tm) && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm))
		response_header(response, "Upload-Expires", "%s", text);
}

/* A header that is a whole number. -EINVAL "bad_header" */
static int number_header(const struct request *request, const char *name, int64_t *ret_number,
			 struct error *reterr)
{
	const char *text = request_header(request, name);
	size_t digits = text ? strspn(text, "0123456789") : 0;

	if (digits == 0 || digits > 18 || text[digits])
		return error_set_field(reterr, -EINVAL, "bad_header", name,
				       "%s must be a whole number", name);
	*ret_number = strtoll(text, NULL, 10);
	return 0;
}

/* ---- creation ---- */

/* One pair of Upload-Metadata: a key and its value, decoded. */
static int take_metadata(struct upload_order *order, struct partial_upload_row *row,
			 const char *key, const char *value, size_t length, struct error *reterr)
{
	if (strcmp(key, "filename") == 0 && length > 0) {
		if (length > FILENAME_MAX_BYTES || strlen(value) != length)
			return filename_check("", reterr);
		(void)strcpy(row->filename, value); /* it fits */
		return filename_check(row->filename, reterr);
	}
	if (strcmp(key, "filetype") == 0 || strcmp(key, "content_type") == 0) {
		if (length > CONTENT_TYPE_MAX || strlen(value) != length)
			return error_set_field(reterr, -EINVAL, "bad_field", "content_type",
					       "content_type may have %d bytes", CONTENT_TYPE_MAX);
		(void)strcpy(row->content_type, value); /* it fits */
		return 0;
	}
	return upload_order_set(order, key, value, length, reterr);
}

static int bad_metadata(struct error *reterr)
{
	return error_set_field(reterr, -EINVAL, "bad_header", "Upload-Metadata",
			       "Upload-Metadata must be pairs of a key and base64, with commas");
}

/* "key base64,key base64,key" */
static int read_metadata(struct upload_order *order, struct partial_upload_row *row,
			 struct error *reterr)
{
	const char *text = request_header(order->request, "Upload-Metadata");
	AUTO_FREE char *copy = strdup(text ? text : "");
	AUTO_FREE char *value = malloc(METADATA_MAX + 1);
	char *rest = copy, *pair;
	int r = copy && value ? 0 : -ENOMEM;

	if (r == 0 && strlen(copy) > METADATA_MAX)
		return bad_metadata(reterr);
	while (r >= 0 && (pair = strsep(&rest, ","))) {
		char *key = pair + strspn(pair, " "), *base64 = key + strcspn(key, " ");
		size_t length = 0;

		if (!*key)
			continue;
		if (*base64)
			*base64++ = '\0';
		if (base64_decode(base64, strlen(base64), (uint8_t *)value, &length) < 0)
			return bad_metadata(reterr);
		value[length] = '\0';
		r = take_metadata(order, row, key, value, length, reterr);
	}
	return r < 0 ? r : 0;
}

/* Room for it, with what the same user has begun already. */
static int check_room(const struct api *api, const struct partial_upload_row *row,
		      struct error *reterr)
{
	int64_t pending = 0;
	int r;

	if (row->size_bytes > api->config->REALTIME_UPLOAD_MAX_SIZE)
		return error_set_field(reterr, -EMSGSIZE, "file_too_big", "Upload-Length",
				       "%lld bytes are more than the %lld that are allowed",
				       (long long)row->size_bytes,
				       (long long)api->config->REALTIME_UPLOAD_MAX_SIZE);
	r = partial_uploads_pending(api->store, row->user_id, &pending, reterr);
	return r < 0 ? r
		     : file_keeper_check_quota(api->keeper, api->store, row->user_id,
					       pending + row->size_bytes, reterr);
}

/* So that a message is not told twice if we die between telling and remembering it. */
static int set_key(json_t *fields, const char *upload_id)
{
	return json_object_get(fields, "idempotency_key")
		       ? 0
		       : json_object_set_new(fields, "idempotency_key", json_string(upload_id));
}

static int create_row(struct api *api, struct upload_order *order, struct partial_upload_row *row,
		      struct error *reterr)
{
	AUTO_FREE char *fields = NULL;
	struct error ignored;
	int r;

	id_new("upl", row->upload_id, sizeof(row->upload_id));
	row->created_at_unix_ms = clock_unix_ms();
	row->expires_at_unix_ms = row->created_at_unix_ms + api->config->REALTIME_UPLOAD_TTL * 1000;
	(void)snprintf(row->user_id, sizeof(row->user_id), "%s", order->request->identity->user_id);
	r = check_room(api, row, reterr);
	if (r < 0)
		return r;
	if (set_key(order->fields, row->upload_id) < 0)
		return -ENOMEM;
	fields = json_dumps(order->fields, JSON_COMPACT);
	if (!fields)
		return -ENOMEM;
	if (strlen(fields) > PARTIAL_FIELDS_MAX)
		return bad_metadata(reterr);
	(void)strcpy(row->fields, fields); /* it fits */
	r = partial_uploads_add(api->store, row, reterr);
	if (r < 0)
		return r;
	r = file_partial_new(file_keeper_files(api->keeper), row->upload_id, reterr);
	if (r < 0 && partial_uploads_delete(api->store, row->upload_id, &ignored) < 0)
		return r; /* it expires */
	return r;
}

/* ---- pieces ---- */

struct piece {
	struct upload_order order;
	struct request *request;
	struct partial_upload_row *row;
	int fd;
	int64_t before, size_bytes; /* of the file: when it began, now */
	EVP_MD_CTX *digest;	    /* owned; NULL: none was given */
	uint8_t expected[EVP_MAX_MD_SIZE];
	size_t expected_length;
};

/* Upload-Checksum: "sha1 base64". */
static int begin_checksum(struct piece *piece, struct error *reterr)
{
	static const char *const names[] = {"sha1", "sha256", "md5"};
	const char *text = request_header(piece->request, "Upload-Checksum");
	size_t length = text ? strcspn(text, " ") : 0;

	if (!text)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *sum = text + length + 1;

		if (strlen(names[i]) != length || strncmp(text, names[i], length) != 0 ||
		    text[length] != ' ' ||
		    base64_decoded_max(strlen(sum)) > sizeof(piece->expected) ||
		    base64_decode(sum, strlen(sum), piece->expected, &piece->expected_length) < 0)
			continue;
		piece->digest = EVP_MD_CTX_new();
		return piece->digest && EVP_DigestInit_ex(piece->digest,
							  EVP_get_digestbyname(names[i]), NULL) == 1
			       ? 0
			       : -ENOMEM;
	}
	return error_set_field(reterr, -EINVAL, "bad_header", "Upload-Checksum",
			       "Upload-Checksum must be sha1, sha256 or md5, and a sum in base64");
}

static bool checksum_fits(struct piece *piece)
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned length;

	return !piece->digest ||
	       (EVP_DigestFinal_ex(piece->digest, sum, &length) == 1 &&
		length == piece->expected_length && memcmp(sum, piece->expected, length) == 0);
}

static int append(struct piece *piece, const uint8_t *bytes, size_t length, struct error *reterr)
{
	if ((int64_t)length > piece->row->size_bytes - piece->size_bytes)
		return error_set(reterr, -EMSGSIZE, "file_too_big",
				 "that is more than Upload-Length has said");
	if (piece->digest && EVP_DigestUpdate(piece->digest, bytes, length) != 1)
		return -ENOMEM;
	while (length > 0) {
		ssize_t written = write(piece->fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return error_set(reterr, errno == ENOSPC ? -ENOSPC : -EIO,
					 errno == ENOSPC ? "disk_full" : "files_failed",
					 "cannot write a file: %s", strerror(errno));
		bytes += written;
		length -= (size_t)written;
		piece->size_bytes += written;
	}
	return 0;
}

/* What came stays even if it broke off, for the sender to go on from; but not what has a checksum
 * that it does not fit, or a length that is too great. */
static int receive_piece(struct piece *piece, struct error *reterr)
{
	AUTO_FREE uint8_t *bytes = malloc(PIECE_BYTES);
	ssize_t got;
	int r = bytes ? 0 : -ENOMEM;

	while (r == 0 && (got = request_read(piece->request, bytes, PIECE_BYTES, reterr)) != 0)
		r = got < 0 ? (int)got : append(piece, bytes, (size_t)got, reterr);
	if (r == 0 && !checksum_fits(piece))
		r = error_set(reterr, -EBADMSG, "checksum_mismatch",
			      "the piece is not what Upload-Checksum says");
	if (r < 0 && (r != -EPROTO || piece->digest)) {
		if (ftruncate(piece->fd, piece->before) < 0)
			return error_set(reterr, -EIO, "files_failed", "cannot cut a file: %s",
					 strerror(errno));
		piece->size_bytes = piece->before;
	}
	if (fsync(piece->fd) < 0)
		return error_set(reterr, -EIO, "files_failed", "cannot write a file: %s",
				 strerror(errno));
	return r;
}

/* As soon as its beginning is there. What may not be is forgotten at once. */
static int judge(struct piece *piece, char type[CONTENT_TYPE_MAX + 1], struct error *reterr)
{
	struct api *api = piece->order.api;
	const char *declared = *piece->row->content_type ? piece->row->content_type : NULL;
	uint8_t head[FILE_HEAD_MAX];
	ssize_t got = pread(piece->fd, head, sizeof(head), 0);
	struct error ignored;
	int r;

	if (got < 0)
		return error_set(reterr, -EIO, "files_failed", "cannot read a file: %s",
				 strerror(errno));
	if (got < FILE_HEAD_MAX && piece->size_bytes < piece->row->size_bytes)
		return 0;
	r = file_keeper_choose_type(api->keeper, declared, head, (size_t)got, type, reterr);
	if (r == -EPROTONOSUPPORT &&
	    (file_partial_remove(file_keeper_files(api->keeper), piece->row->upload_id, &ignored) <
		     0 ||
	     partial_uploads_delete(api->store, piece->row->upload_id, &ignored) < 0))
		return r; /* it expires */
	return r;
}

/* All of it is there. */
static int finish(struct piece *piece, const char *type, struct error *reterr)
{
	struct api *api = piece->order.api;
	struct upload_row row = {0};
	AUTO(file_draft) draft = NULL;
	AUTO_JSON answer = NULL;
	struct error ignored;
	int r = upload_order_demand_rights(&piece->order, reterr);

	if (r == 0)
		r = upload_order_demand_hub(&piece->order, reterr);
	if (r == 0)
		r = file_partial_seal(file_keeper_files(api->keeper), piece->row->upload_id,
				      piece->fd, &draft, reterr);
	(void)strcpy(row.content_type, type); /* of the same size, as is the next */
	(void)strcpy(row.filename, piece->row->filename);
	if (r == 0)
		r = upload_order_carry_out(&piece->order, draft, &row, &answer, reterr);
	if (r == 0)
		r = partial_uploads_finish(api->store, piece->row->upload_id, row.file_id, reterr);
	if (r < 0)
		return r;
	(void)strcpy(piece->row->file_id, row.file_id); /* of the same size */
	if (file_partial_remove(file_keeper_files(api->keeper), piece->row->upload_id, &ignored) <
	    0)
		return 0; /* it expires */
	return 0;
}

/* What is there, as it is now. */
static int look_at(struct piece *piece, struct error *reterr)
{
	char type[CONTENT_TYPE_MAX + 1];
	int r = judge(piece, type, reterr);

	return r == 0 && piece->size_bytes == piece->row->size_bytes ? finish(piece, type, reterr)
								     : r;
}

static int add_piece(struct piece *piece, struct error *reterr)
{
	int r = begin_checksum(piece, reterr);

	if (r == 0)
		r = receive_piece(piece, reterr);
	if (r == 0)
		r = look_at(piece, reterr);
	EVP_MD_CTX_free(piece->digest);
	return r;
}

static void tell_progress(const struct partial_upload_row *row, int64_t size_bytes,
			  struct response *response)
{
	response_header(response, "Upload-Offset", "%lld", (long long)size_bytes);
	add_expiry(row, response);
	if (*row->file_id)
		response_header(response, "Content-Location", "/realtime/files/%s", row->file_id);
}

/* Hold an upload while `work` is done on it. `expected_size` of it must be there; -1: any. */
static int hold(struct api *api, struct request *request, struct partial_upload_row *row,
		int64_t expected_size, int (*work)(struct piece *piece, struct error *reterr),
		struct response *response, struct error *reterr)
{
	struct piece piece = {
		.order = {.api = api, .request = request}, .request = request, .row = row};
	AUTO_JSON fields = json_loads(row->fields, 0, NULL);
	AUTO_CLOSE int fd = file_partial_open(file_keeper_files(api->keeper), row->upload_id,
					      &piece.before, reterr);
	int r = fd < 0 ? fd : 0;

	if (r == 0 && expected_size >= 0 && piece.before != expected_size)
		r = error_set_field(reterr, -EEXIST, "offset_mismatch", "Upload-Offset",
				    "%lld bytes are there", (long long)piece.before);
	if (r < 0)
		return r;
	piece.order.fields = fields;
	piece.fd = fd;
	piece.size_bytes = piece.before;
	r = work(&piece, reterr);
	if (r == 0)
		tell_progress(row, piece.size_bytes, response);
	return r;
}

/* In its turn, for it takes a thread as long as the sender does, or the disk. */
static int in_turn(struct piece *piece, int (*work)(struct piece *piece, struct error *reterr),
		   struct error *reterr)
{
	struct file_keeper *keeper = piece->order.api->keeper;
	int r = file_keeper_enter(keeper, reterr);

	if (r < 0)
		return r;
	r = work(piece, reterr);
	file_keeper_leave(keeper);
	return r;
}

/* Add the body. */
static int take_piece(struct piece *piece, struct error *reterr)
{
	return in_turn(piece, add_piece, reterr);
}

/* All of it may be there without having been kept: we were killed, or realtimed was away. Whoever
 * hears that there is nothing left to send believes it is. */
static int catch_up(struct piece *piece, struct error *reterr)
{
	return piece->size_bytes == piece->row->size_bytes ? in_turn(piece, look_at, reterr) : 0;
}

/* ---- requests ---- */

/* The caller's own. -ENOENT "upload_not_found" */
static int find(struct api *api, const struct request *request, struct partial_upload_row *ret_row,
		struct error *reterr)
{
	const char *upload_id = request_parameter(request, "upload_id");
	int r = strlen(upload_id) == UPLOAD_ID_SIZE - 1
			? partial_uploads_get(api->store, upload_id, ret_row, reterr)
			: -ENOENT;

	if (r == 0 && strcmp(ret_row->user_id, request->identity->user_id) == 0)
		return 0;
	return r < 0 && r != -ENOENT ? r
				     : error_set(reterr, -ENOENT, "upload_not_found",
						 "there is no such upload, or not any more");
}

int tus_options(struct api *api, struct request *request, struct response *response,
		struct error *reterr)
{
	(void)request;
	(void)reterr;
	response_header(response, "Tus-Resumable", "%s", version);
	response_header(response, "Tus-Version", "%s", version);
	response_header(response, "Tus-Extension",
			"creation,creation-with-upload,expiration,checksum,termination");
	response_header(response, "Tus-Checksum-Algorithm", "sha1,sha256,md5");
	response_header(response, "Tus-Max-Size", "%lld",
			(long long)api->config->REALTIME_UPLOAD_MAX_SIZE);
	response_header(response, "Access-Control-Allow-Methods",
			"POST, HEAD, PATCH, DELETE, OPTIONS");
	response_empty(response, 204);
	return 0;
}

int tus_create(struct api *api, struct request *request, struct response *response,
	       struct error *reterr)
{
	AUTO_JSON fields = json_object();
	struct upload_order order = {api, request, fields};
	struct partial_upload_row row = {0};
	int r = greet(request, response, reterr);

	if (r == 0)
		r = file_rules_check_size(file_keeper_rules(api->keeper), 0, "file", reterr);
	if (r == 0)
		r = number_header(request, "Upload-Length", &row.size_bytes, reterr);
	if (r == 0)
		r = read_metadata(&order, &row, reterr);
	if (r == 0)
		r = upload_order_demand_rights(&order, reterr);
	if (r == 0)
		r = create_row(api, &order, &row, reterr);
	if (r < 0)
		return r;
	response_header(response, "Location", "/realtime/uploads/%s", row.upload_id);
	if (request_has_content_type(request, offset_type) || row.size_bytes == 0)
		r = hold(api, request, &row, 0, take_piece, response, reterr);
	else
		tell_progress(&row, 0, response);
	if (r == 0)
		response_empty(response, 201);
	return r;
}

int tus_head(struct api *api, struct request *request, struct response *response,
	     struct error *reterr)
{
	struct partial_upload_row row;
	int r = greet(request, response, reterr);

	if (r == 0)
		r = find(api, request, &row, reterr);
	if (r == 0 && *row.file_id)
		tell_progress(&row, row.size_bytes, response);
	else if (r == 0)
		r = hold(api, request, &row, -1, catch_up, response, reterr);
	if (r < 0)
		return r;
	response_header(response, "Upload-Length", "%lld", (long long)row.size_bytes);
	response_empty(response, 200);
	return 0;
}

int tus_patch(struct api *api, struct request *request, struct response *response,
	      struct error *reterr)
{
	struct partial_upload_row row;
	int64_t offset = 0;
	int r = greet(request, response, reterr);

	if (r == 0 && !request_has_content_type(request, offset_type))
		r = error_set(reterr, -EPROTONOSUPPORT, "unsupported_media_type",
			      "the body must be %s", offset_type);
	if (r == 0)
		r = number_header(request, "Upload-Offset", &offset, reterr);
	if (r == 0)
		r = find(api, request, &row, reterr);
	if (r == 0 && *row.file_id) {
		if (offset != row.size_bytes || request->content_length != 0)
			return error_set_field(reterr, -EEXIST, "offset_mismatch", "Upload-Offset",
					       "all of it is there");
		tell_progress(&row, row.size_bytes, response);
	} else if (r == 0) {
		r = hold(api, request, &row, offset, take_piece, response, reterr);
	}
	if (r == 0)
		response_empty(response, 204);
	return r;
}

int tus_delete(struct api *api, struct request *request, struct response *response,
	       struct error *reterr)
{
	struct partial_upload_row row;
	int r = greet(request, response, reterr);

	if (r == 0)
		r = find(api, request, &row, reterr);
	if (r == 0)
		r = partial_uploads_delete(api->store, row.upload_id, reterr);
	if (r == 0)
		r = file_partial_remove(file_keeper_files(api->keeper), row.upload_id, reterr);
	if (r == 0)
		response_empty(response, 204);
	return r;
}
