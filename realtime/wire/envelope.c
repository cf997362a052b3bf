#include "realtime/wire/envelope.h"

#include <errno.h>
#include <string.h>

#include "core/file_rules.h"
#include "core/id.h"

enum { AROUND_DATA_MAX = 1024, TYPE_MAX = 64, EPOCH_MAX = 64, TTL_MAX_S = 315360000 };

/* Where text without a channel goes. */
static const char default_channel[] = "general";

static const struct {
	const char *name;
	enum envelope_type type;
} types[] = {
	{"subscribe", ENVELOPE_SUBSCRIBE},
	{"unsubscribe", ENVELOPE_UNSUBSCRIBE},
	{"message", ENVELOPE_MESSAGE},
	{"channel_message", ENVELOPE_MESSAGE},
	{"send", ENVELOPE_MESSAGE},
	{"text", ENVELOPE_TEXT},
	{"broadcast", ENVELOPE_BROADCAST},
	{"history", ENVELOPE_HISTORY},
	{"auth", ENVELOPE_AUTH},
	{"refresh", ENVELOPE_REFRESH},
	{"binary", ENVELOPE_BINARY},
	{"ping", ENVELOPE_PING},
	{"direct", ENVELOPE_DIRECT},
	{"presence", ENVELOPE_PRESENCE},
	{"notification", ENVELOPE_NOTIFICATION},
	{"signal", ENVELOPE_SIGNAL},
};

static int id_get(struct envelope *envelope, struct error *reterr)
{
	json_t *id = json_object_get(envelope->body, "id");

	if (!id || json_is_null(id))
		return 0;
	if (!json_is_integer(id) &&
	    (!json_is_string(id) || json_string_length(id) > ENVELOPE_ID_MAX))
		return error_set_field(reterr, -EINVAL, "bad_field", "id",
				       "id must be an integer or a string of at most %d bytes",
				       ENVELOPE_ID_MAX);
	envelope->id = id;
	return 0;
}

/* Does a type publish its data as it is? */
static bool passes_data_on(struct json_slice type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (json_slice_is(type, types[i].name))
			return types[i].type == ENVELOPE_MESSAGE ||
			       types[i].type == ENVELOPE_TEXT || types[i].type == ENVELOPE_DIRECT;
	return false;
}

/* Parse all but the data, which goes on as it came. false: the whole has to be parsed. */
static bool parse_around_data(const char *text, size_t length, struct envelope *envelope)
{
	enum { TYPE, DATA, COUNT };
	static const char *const names[] = {[TYPE] = "type", [DATA] = "data"};
	static const char null[] = "null";
	struct json_slice found[COUNT], data;
	struct error ignored; /* what is wrong will be said of the whole */
	char rest[AROUND_DATA_MAX];
	size_t before, after;

	if (!canonical_json_find(text, length, names, COUNT, found) || !found[TYPE].text ||
	    !found[DATA].text || !passes_data_on(found[TYPE]))
		return false;
	data = found[DATA];
	before = (size_t)(data.text - text);
	after = length - before - data.length;
	if (before + after + strlen(null) > sizeof(rest))
		return false;
	memcpy(rest, text, before);
	memcpy(rest + before, null, strlen(null));
	memcpy(rest + before + strlen(null), data.text + data.length, after);
	if (json_object_parse(rest, before + strlen(null) + after, &envelope->body, &ignored) < 0)
		return false;
	envelope->data = data;
	return true;
}

int envelope_parse(const char *text, size_t length, struct envelope *ret_envelope,
		   struct error *reterr)
{
	const char *type;
	int r;

	*ret_envelope = (struct envelope){0};
	r = parse_around_data(text, length, ret_envelope)
		    ? 0
		    : json_object_parse(text, length, &ret_envelope->body, reterr);
	if (r < 0)
		return r;
	r = id_get(ret_envelope, reterr);
	if (r < 0)
		return r;
	r = json_get_text(ret_envelope->body, "type", 1, TYPE_MAX, &type, reterr);
	if (r < 0)
		return r;
	if (r == 0)
		return json_missing("type", reterr);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i].name, type) == 0) {
			ret_envelope->type = types[i].type;
			return 0;
		}
	}
	return error_set_field(reterr, -EINVAL, "unknown_type", "type",
			       "there is no message type \"%s\"", type);
}

void envelope_fini(struct envelope *envelope)
{
	json_decref(envelope->body);
	*envelope = (struct envelope){0};
}

int channel_name_check(const char *name, const char *field, struct error *reterr)
{
	if (channel_name_is_valid(name, strlen(name)))
		return 0;
	return error_set_field(reterr, -EINVAL, "bad_field", field,
			       "%s must be 1 to %d bytes of UTF-8 without control characters",
			       field, CHANNEL_NAME_MAX);
}

/* 1, 0 (absent), or -EINVAL. */
static int channel_get(const json_t *object, const char **ret_channel, struct error *reterr)
{
	const char *name = NULL;
	int r = json_get_text(object, "channel", 1, CHANNEL_NAME_MAX, &name, reterr);

	if (r <= 0)
		return r;
	r = channel_name_check(name, "channel", reterr);
	if (r < 0)
		return r;
	*ret_channel = name;
	return 1;
}

int envelope_channels_get(const struct envelope *envelope, struct envelope_channels *ret_channels,
			  struct error *reterr)
{
	json_t *array, *item;
	size_t i;
	int r;

	ret_channels->count = 0;
	r = channel_get(envelope->body, &ret_channels->names[0], reterr);
	if (r < 0)
		return r;
	ret_channels->count = (size_t)r;
	if (r == 1)
		return 0;
	r = json_get_container(envelope->body, "channels", JSON_ARRAY, &array, reterr);
	if (r < 0)
		return r;
	if (r == 0)
		return json_missing("channel", reterr);
	if (json_array_size(array) < 1 || json_array_size(array) > ENVELOPE_CHANNELS_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "channels",
				       "channels must have 1 to %d names", ENVELOPE_CHANNELS_MAX);
	json_array_foreach (array, i, item) {
		const char *name = json_string_value(item);

		if (!name)
			return error_set_field(reterr, -EINVAL, "bad_field", "channels",
					       "channels must have only strings");
		r = channel_name_check(name, "channels", reterr);
		if (r < 0)
			return r;
		ret_channels->names[ret_channels->count++] = name;
	}
	return 0;
}

/* {epoch, offset} under `name`; 1, 0 (absent), or -EINVAL. */
static int position_get(const json_t *object, const char *name, struct envelope_position *ret,
			struct error *reterr)
{
	json_t *position;
	int r = json_get_container(object, name, JSON_OBJECT, &position, reterr);

	if (r <= 0)
		return r;
	r = json_get_text(position, "epoch", 0, EPOCH_MAX, &ret->epoch, reterr);
	if (r == 0)
		r = json_missing("epoch", reterr);
	if (r > 0)
		r = json_get_int(position, "offset", 0, INT64_MAX, &ret->offset, reterr);
	if (r == 0)
		r = json_missing("offset", reterr);
	return r;
}

/* Any JSON that is not too long. */
static int info_get(const json_t *object, const json_t **ret_info, struct error *reterr)
{
	const json_t *info = json_object_get(object, "info");

	*ret_info = info;
	if (!info || json_dumpb(info, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) <= INFO_BYTES_MAX)
		return 0;
	return error_set_field(reterr, -EINVAL, "bad_field", "info",
			       "info may have %d bytes of JSON", INFO_BYTES_MAX);
}

int envelope_subscribe_get(const struct envelope *envelope, struct envelope_subscribe *ret,
			   struct error *reterr)
{
	json_t *history, *filters = NULL;
	int r;

	ret->recover = (struct envelope_position){0};
	ret->history_limit = -1;
	ret->filters = ret->info = NULL;
	ret->wants_presence = ret->wants_join_leave = false;
	r = envelope_channels_get(envelope, &ret->channels, reterr);
	if (r < 0)
		return r;
	r = position_get(envelope->body, "recover", &ret->recover, reterr);
	if (r < 0)
		return r;
	r = json_get_container(envelope->body, "history", JSON_OBJECT, &history, reterr);
	if (r > 0)
		r = json_get_int(history, "limit", 0, HISTORY_LIMIT_MAX, &ret->history_limit,
				 reterr);
	if (r >= 0)
		r = json_get_container(envelope->body, "filters", JSON_OBJECT, &filters, reterr);
	ret->filters = filters;
	if (r >= 0)
		r = json_get_bool(envelope->body, "presence", &ret->wants_presence, reterr);
	if (r >= 0)
		r = json_get_bool(envelope->body, "join_leave", &ret->wants_join_leave, reterr);
	if (r >= 0)
		r = info_get(envelope->body, &ret->info, reterr);
	return r < 0 ? r : 0;
}

static bool is_string(const struct envelope_message *message)
{
	return message->data ? json_is_string(message->data) : *message->slice.text == '"';
}

static int data_get(const struct envelope *envelope, struct envelope_message *ret,
		    struct error *reterr)
{
	bool is_text = envelope->type == ENVELOPE_TEXT;

	ret->slice = envelope->data;
	if (!ret->slice.text)
		ret->data = json_object_get(envelope->body, "data");
	if (is_text && !ret->slice.text && !ret->data)
		ret->data = json_object_get(envelope->body, "text");
	if (!ret->slice.text && !ret->data)
		return json_missing("data", reterr);
	if (is_text && !is_string(ret))
		return error_set_field(reterr, -EINVAL, "bad_field", "data",
				       "the data of a text must be a string");
	return 0;
}

char *envelope_message_data(const struct envelope_message *message)
{
	return message->data ? json_dumps(message->data, JSON_COMPACT | JSON_ENCODE_ANY)
			     : strndup(message->slice.text, message->slice.length);
}

int broadcast_check(const json_t *object, struct error *reterr)
{
	static const char *const none[] = {"channel", "persistent", "ttl", "tags"};

	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		const json_t *value = json_object_get(object, none[i]);

		if (value && !json_is_null(value) && !json_is_false(value))
			return error_set_field(reterr, -EINVAL, "bad_field", none[i],
					       "a broadcast goes to everybody at once and is not "
					       "kept: it has no %s",
					       none[i]);
	}
	return 0;
}

static int key_get(const json_t *object, const char **ret_key, struct error *reterr)
{
	int r = json_get_text(object, "idempotency_key", 1, IDEMPOTENCY_KEY_MAX, ret_key, reterr);

	if (r > 0 && !channel_name_is_valid(*ret_key, strlen(*ret_key)))
		return error_set_field(reterr, -EINVAL, "bad_field", "idempotency_key",
				       "idempotency_key must be 1 to %d bytes of UTF-8 without "
				       "control characters",
				       IDEMPOTENCY_KEY_MAX);
	return r;
}

int envelope_options_get(const json_t *object, struct envelope_options *ret, struct error *reterr)
{
	json_t *tags = NULL;
	int r;

	*ret = (struct envelope_options){0};
	r = json_get_bool(object, "persistent", &ret->is_persistent, reterr);
	if (r >= 0)
		r = json_get_int(object, "ttl", 1, TTL_MAX_S, &ret->ttl_s, reterr);
	if (r >= 0)
		r = json_get_container(object, "tags", JSON_OBJECT, &tags, reterr);
	ret->tags = tags;
	if (r >= 0)
		r = key_get(object, &ret->idempotency_key, reterr);
	return r < 0 ? r : 0;
}

int envelope_options_apply(const struct envelope_options *options, struct publication *publication,
			   int64_t now_unix_ms)
{
	publication->is_persistent = options->is_persistent;
	if (options->ttl_s > 0)
		publication->expires_at_unix_ms = now_unix_ms + options->ttl_s * 1000;
	if (options->tags)
		publication->tags = json_dumps(options->tags, JSON_COMPACT);
	if (options->idempotency_key)
		publication->idempotency_key = strdup(options->idempotency_key);
	return (options->tags && !publication->tags) ||
			       (options->idempotency_key && !publication->idempotency_key)
		       ? -ENOMEM
		       : 0;
}

/* 1, 0 (absent), or -EINVAL. */
static int user_get(const json_t *object, const char **ret_user_id, struct error *reterr)
{
	int r = json_get_text(object, "user_id", 1, USER_ID_BYTES_MAX, ret_user_id, reterr);

	if (r > 0 && !user_id_is_valid(*ret_user_id))
		return error_set_field(reterr, -EINVAL, "bad_field", "user_id",
				       "user_id must be 1 to %d bytes of UTF-8 without control "
				       "characters and *",
				       USER_ID_BYTES_MAX);
	return r;
}

int envelope_target_get(const json_t *object, struct envelope_target *ret, struct error *reterr)
{
	int r;

	*ret = (struct envelope_target){0};
	r = channel_get(object, &ret->channel, reterr);
	if (r >= 0)
		r = user_get(object, &ret->user_id, reterr);
	if (r >= 0)
		r = json_get_bool(object, "broadcast", &ret->is_broadcast, reterr);
	if (r < 0)
		return r;
	if (!ret->channel && !ret->user_id && !ret->is_broadcast)
		return json_missing("user_id", reterr);
	if (!!ret->channel + !!ret->user_id + ret->is_broadcast > 1)
		return error_set_field(reterr, -EINVAL, "bad_field", "user_id",
				       "only one of user_id, channel and broadcast may be given");
	return 0;
}

int envelope_channel_get(const struct envelope *envelope, const char **ret_channel,
			 struct error *reterr)
{
	int r = channel_get(envelope->body, ret_channel, reterr);

	return r == 0 ? json_missing("channel", reterr) : r < 0 ? r : 0;
}

int envelope_attachment_get(const json_t *object, struct envelope_attachment *ret,
			    struct error *reterr)
{
	int r;

	*ret = (struct envelope_attachment){.channel = default_channel};
	r = channel_get(object, &ret->channel, reterr);
	if (r >= 0)
		r = json_get_text(object, "content_type", 1, CONTENT_TYPE_MAX, &ret->content_type,
				  reterr);
	if (r >= 0)
		r = json_get_text(object, "filename", 1, FILENAME_MAX_BYTES, &ret->filename,
				  reterr);
	if (r > 0)
		r = filename_check(ret->filename, reterr);
	if (r >= 0)
		r = envelope_options_get(object, &ret->options, reterr);
	return r;
}

int envelope_message_get(const struct envelope *envelope, struct envelope_message *ret,
			 struct error *reterr)
{
	int r;

	*ret = (struct envelope_message){0};
	if (envelope->type == ENVELOPE_BROADCAST) {
		r = broadcast_check(envelope->body, reterr);
		return r < 0 ? r : data_get(envelope, ret, reterr);
	}
	if (envelope->type == ENVELOPE_DIRECT) {
		r = user_get(envelope->body, &ret->user_id, reterr);
		if (r == 0)
			r = json_missing("user_id", reterr);
	} else {
		r = channel_get(envelope->body, &ret->channel, reterr);
		if (r == 0 && envelope->type != ENVELOPE_TEXT)
			r = json_missing("channel", reterr);
		else if (r == 0)
			ret->channel = default_channel;
	}
	if (r >= 0)
		r = data_get(envelope, ret, reterr);
	if (r >= 0)
		r = envelope_options_get(envelope->body, &ret->options, reterr);
	return r;
}

int envelope_history_get(const struct envelope *envelope, struct envelope_history *ret,
			 struct error *reterr)
{
	int r;

	*ret = (struct envelope_history){.limit = 100};
	r = channel_get(envelope->body, &ret->channel, reterr);
	if (r == 0)
		r = json_missing("channel", reterr);
	if (r >= 0)
		r = json_get_int(envelope->body, "limit", 1, HISTORY_LIMIT_MAX, &ret->limit,
				 reterr);
	if (r >= 0)
		r = position_get(envelope->body, "since", &ret->since, reterr);
	if (r >= 0)
		r = json_get_bool(envelope->body, "reverse", &ret->is_reverse, reterr);
	return r < 0 ? r : 0;
}
