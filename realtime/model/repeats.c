#include "realtime/model/repeats.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/id.h"
#include "realtime/wire/envelope.h"

enum { KEY_SIZE = CHANNEL_NAME_MAX + IDEMPOTENCY_KEY_MAX + 2 };

/* Neither a channel's name nor a key has control characters, so this is told apart again. */
static void key_format(const char *channel, const char *key, char out[KEY_SIZE])
{
	(void)snprintf(out, KEY_SIZE, "%s\n%s", channel, key);
}

int repeats_init(struct repeats *repeats, uint64_t kept_us)
{
	repeats->kept_us = kept_us;
	list_init(&repeats->by_age);
	return table_init(&repeats->by_key);
}

void repeats_fini(struct repeats *repeats)
{
	struct list *first;

	while ((first = list_first(&repeats->by_age)))
		repeats_drop(repeats, LIST_ITEM(first, struct repeat, by_age));
	table_fini(&repeats->by_key);
}

void repeats_drop(struct repeats *repeats, struct repeat *repeat)
{
	assert(list_is_empty(&repeat->waiters));
	table_remove(&repeats->by_key, &repeat->by_key);
	list_remove(&repeat->by_age);
	(void)publication_unref(repeat->place);
	free(repeat);
}

/* The oldest that are known for too long, or are too many. What is under way stays: its end is near
 * and bounded by the hub. */
static void forget_old(struct repeats *repeats, uint64_t now_unix_us)
{
	struct repeat *repeat;

	LIST_FOR_EACH (repeat, &repeats->by_age, by_age) {
		if (repeat->begun_at_unix_us + repeats->kept_us > now_unix_us &&
		    repeats->by_key.count < REPEATS_MAX)
			return;
		if (repeat->place)
			repeats_drop(repeats, repeat);
	}
}

struct repeat *repeats_find(struct repeats *repeats, const char *channel, const char *key,
			    uint64_t now_unix_us)
{
	char text[KEY_SIZE];
	struct table_link *link;

	forget_old(repeats, now_unix_us);
	key_format(channel, key, text);
	link = table_find(&repeats->by_key, text);
	return link ? TABLE_ITEM(link, struct repeat, by_key) : NULL;
}

struct repeat *repeats_begin(struct repeats *repeats, const char *channel, const char *key,
			     uint64_t now_unix_us)
{
	char text[KEY_SIZE];
	struct repeat *repeat;

	if (repeats->kept_us == 0)
		return NULL;
	key_format(channel, key, text);
	repeat = calloc(1, sizeof(*repeat) + strlen(text) + 1);
	if (!repeat)
		return NULL;
	strcpy(repeat->key, text);
	repeat->begun_at_unix_us = now_unix_us;
	list_init(&repeat->waiters);
	table_add(&repeats->by_key, repeat->key, &repeat->by_key);
	list_append(&repeats->by_age, &repeat->by_age);
	return repeat;
}

/* Of its data: a notification's id, which is part of the answer. */
static char *what_to_keep(const struct publication *publication)
{
	AUTO_JSON fields = json_loads(publication->data, JSON_DECODE_ANY, NULL);
	json_t *id = json_object_get(fields, "notification_id");
	AUTO_JSON kept = NULL;

	if (publication->kind != PUBLICATION_NOTIFICATION || !id)
		return strdup("null");
	kept = json_pack("{s:O}", "notification_id", id);
	return kept ? json_dumps(kept, JSON_COMPACT) : NULL;
}

void repeats_end(struct repeats *repeats, struct repeat *repeat,
		 const struct publication *publication)
{
	AUTO_FREE char *data = what_to_keep(publication);
	struct publication *place =
		data ? publication_new(publication->channel, data, NULL, NULL) : NULL;

	if (!place) {
		repeats_drop(repeats, repeat);
		return;
	}
	place->kind = publication->kind;
	place->offset = publication->offset;
	place->position = publication->position;
	memcpy(place->epoch, publication->epoch, EPOCH_SIZE);
	repeat->place = place;
}
