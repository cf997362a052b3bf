#include "realtime/wire/notification.h"

#include <errno.h>
#include <string.h>

#include "core/id.h"
#include "core/identity.h"
#include "core/json.h"

static const char default_type[] = "message";

static int type_get(const json_t *object, const char **ret_type, struct error *reterr)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.-";
	int r = json_get_text(object, "notification_type", 1, NOTIFICATION_TYPE_BYTES_MAX, ret_type,
			      reterr);

	if (r > 0 && (*ret_type)[strspn(*ret_type, allowed)] != '\0')
		return error_set_field(reterr, -EINVAL, "bad_field", "notification_type",
				       "notification_type must be 1 to %d of A-Z a-z 0-9 _ . -",
				       NOTIFICATION_TYPE_BYTES_MAX);
	return r < 0 ? r : 0;
}

static int check_data(const json_t *data, struct error *reterr)
{
	size_t length = data ? json_dumpb(data, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) : 0;

	if (length <= NOTIFICATION_DATA_BYTES_MAX)
		return 0;
	return error_set_field(reterr, -EMSGSIZE, "too_big", "data",
			       "the data of a notification may have %d bytes of JSON",
			       NOTIFICATION_DATA_BYTES_MAX);
}

int notification_get(const json_t *object, char ret_id[NOTIFICATION_ID_SIZE], json_t **ret_fields,
		     struct error *reterr)
{
	const char *title = NULL, *body = NULL, *type = default_type;
	json_t *data = json_object_get(object, "data");
	int r = json_get_text(object, "title", 1, NOTIFICATION_TITLE_BYTES_MAX, &title, reterr);

	if (r == 0)
		r = json_missing("title", reterr);
	if (r > 0)
		r = json_get_text(object, "body", 0, NOTIFICATION_BODY_BYTES_MAX, &body, reterr);
	if (r == 0)
		r = json_missing("body", reterr);
	if (r > 0)
		r = type_get(object, &type, reterr);
	if (r >= 0)
		r = check_data(data, reterr);
	if (r < 0)
		return r;
	id_new("ntf", ret_id, NOTIFICATION_ID_SIZE);
	*ret_fields = json_pack("{s:s, s:s, s:s, s:s, s:O*}", "notification_id", ret_id, "title",
				title, "body", body, "notification_type", type, "data", data);
	return *ret_fields ? 0 : error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
}

json_t *notification_broadcast_take(json_t *fields, int64_t now_unix_ms, const char *sender)
{
	(void)json_object_set_new(fields, "type", json_string("notification"));
	(void)json_object_set_new(fields, "ts", json_integer((json_int_t)now_unix_ms));
	if (sender)
		(void)json_object_set_new(fields, "sender", json_string(sender));
	return fields;
}

int publication_make_notification(struct publication *publication)
{
	AUTO_JSON fields = json_loads(publication->data, 0, NULL);
	const char *type = json_string_value(json_object_get(fields, "notification_type"));

	publication->kind = PUBLICATION_NOTIFICATION;
	publication->is_persistent |= own_channel_user(publication->channel) != NULL;
	publication->notification_type = strdup(type ? type : default_type);
	return publication->notification_type ? 0 : -ENOMEM;
}
