#include "realtime/wire/filter.h"

#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "core/media_range.h"

struct texts {
	char *items[FILTER_ITEMS_MAX]; /* owned */
	size_t count;
	bool is_given; /* an empty list lets nothing pass, an absent one everything */
};

struct filter {
	unsigned refs;
	bool has_binary;
	int64_t max_file_bytes;
	struct texts types, notification_types;
};

static int bad_list(const char *name, struct error *reterr)
{
	return error_set_field(reterr, -EINVAL, "bad_field", name,
			       "%s must be a list of at most %d strings of up to %d bytes", name,
			       FILTER_ITEMS_MAX, FILTER_ITEM_BYTES_MAX);
}

/* 1, 0 (absent), -EINVAL or -ENOMEM. */
static int texts_get(const json_t *object, const char *name, struct texts *texts,
		     struct error *reterr)
{
	json_t *list, *item;
	size_t i;
	int r = json_get_container(object, name, JSON_ARRAY, &list, reterr);

	if (r <= 0)
		return r;
	texts->is_given = true;
	if (json_array_size(list) > FILTER_ITEMS_MAX)
		return bad_list(name, reterr);
	json_array_foreach (list, i, item) {
		if (!json_is_string(item) || json_string_length(item) > FILTER_ITEM_BYTES_MAX)
			return bad_list(name, reterr);
		texts->items[texts->count] = strdup(json_string_value(item));
		if (!texts->items[texts->count])
			return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
		texts->count++;
	}
	return 1;
}

static int check_ranges(const struct texts *types, struct error *reterr)
{
	for (size_t i = 0; i < types->count; i++)
		if (!media_range_is_valid(types->items[i]))
			return error_set_field(reterr, -EINVAL, "bad_field", "allowed_types",
					       "%s is no media range such as image/* or text/plain",
					       types->items[i]);
	return 0;
}

int filter_new(const json_t *object, struct filter **ret_filter, struct error *reterr)
{
	AUTO(filter) filter = calloc(1, sizeof(*filter));
	int r;

	if (!filter)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	*filter = (struct filter){.refs = 1, .has_binary = true, .max_file_bytes = INT64_MAX};
	r = json_get_bool(object, "binary_data", &filter->has_binary, reterr);
	if (r >= 0)
		r = json_get_int(object, "max_file_size", 0, INT64_MAX, &filter->max_file_bytes,
				 reterr);
	if (r >= 0)
		r = texts_get(object, "allowed_types", &filter->types, reterr);
	if (r > 0)
		r = check_ranges(&filter->types, reterr);
	if (r >= 0)
		r = texts_get(object, "notification_types", &filter->notification_types, reterr);
	if (r < 0)
		return r;
	if (filter->has_binary && filter->max_file_bytes == INT64_MAX && !filter->types.is_given &&
	    !filter->notification_types.is_given)
		*ret_filter = NULL;
	else
		*ret_filter = STEAL(filter);
	return 0;
}

struct filter *filter_ref(struct filter *filter)
{
	if (filter)
		filter->refs++;
	return filter;
}

static void texts_fini(struct texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->items[i]);
}

struct filter *filter_unref(struct filter *filter)
{
	if (!filter || --filter->refs > 0)
		return NULL;
	texts_fini(&filter->types);
	texts_fini(&filter->notification_types);
	free(filter);
	return NULL;
}

static bool admits_file(const struct filter *filter, const struct attachment *attachment)
{
	if (!filter->has_binary || attachment->size_bytes > (size_t)filter->max_file_bytes)
		return false;
	for (size_t i = 0; i < filter->types.count; i++)
		if (media_range_matches(filter->types.items[i], attachment->content_type))
			return true;
	return !filter->types.is_given;
}

static bool admits_notification(const struct filter *filter, const char *type)
{
	for (size_t i = 0; i < filter->notification_types.count; i++)
		if (strcmp(filter->notification_types.items[i], type) == 0)
			return true;
	return !filter->notification_types.is_given;
}

bool filter_admits(const struct filter *filter, const struct publication *publication)
{
	if (!filter)
		return true;
	switch (publication->kind) {
	case PUBLICATION_MESSAGE:
		return true;
	case PUBLICATION_BINARY:
		return admits_file(filter, &publication->attachment);
	case PUBLICATION_NOTIFICATION:
		return admits_notification(filter, publication->notification_type);
	}
	return true;
}
