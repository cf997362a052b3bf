/* The hub against a simple model: readers that subscribe, fall behind, are dropped and come back,
 * while several channels are published to and the store answers when it likes. Seen from each
 * reader, nothing stored is lost, nothing comes twice, and everything is in order. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "realtime/model/session.h"
#include "tests/unit/realtime/fake_store.h"
#include "tests/unit/realtime/next_json.h"

enum { READERS = 4, CHANNELS = 3, STEPS = 3000, SEEDS = 30 };

enum { HISTORY_SIZE = 5 };

static const struct session_limits limits;
static const char *const channel_names[CHANNELS] = {"a", "b", "c"};

/* What a reader remembers of a channel, across connections. */
struct memory {
	bool is_subscribed, knows, is_finding;
	char epoch[EPOCH_SIZE];
	uint64_t offset;     /* the last one it saw */
	size_t stored_index; /* how many stored ones of the channel are behind it */
};

struct chat_reader {
	struct outbox outbox;
	struct session session;
	struct memory memories[CHANNELS];
};

struct world {
	struct namespaces *namespaces;
	struct hub hub;
	struct fake_store store;
	struct list dirty;
	struct chat_reader readers[READERS];
	struct chat_reader writer;
	uint64_t now_unix_us;
	unsigned random;
	unsigned recoveries, drops;
};

static unsigned roll(struct world *world, unsigned sides)
{
	world->random = world->random * 1664525u + 1013904223u;
	return (world->random >> 8) % sides;
}

static void connect_reader(struct world *world, struct chat_reader *reader, size_t limit_bytes)
{
	AUTO(identity) identity = identity_new_anonymous(true);
	char id[CONNECTION_ID_SIZE];

	outbox_init(&reader->outbox, limit_bytes, &world->dirty);
	id_new("conn", id, sizeof(id));
	session_init(&reader->session, &world->hub, &limits, id, &reader->outbox);
	session_start(&reader->session, identity, world->now_unix_us);
	for (size_t i = 0; i < CHANNELS; i++)
		reader->memories[i].is_subscribed = false;
}

static void disconnect(struct chat_reader *reader)
{
	session_fini(&reader->session);
	outbox_fini(&reader->outbox);
}

static void say(struct world *world, struct chat_reader *reader, const char *text)
{
	session_on_text(&reader->session, text, strlen(text), world->now_unix_us);
}

static size_t index_of(const char *channel)
{
	return (size_t)(channel[0] - 'a');
}

static void subscribe(struct world *world, struct chat_reader *reader, size_t channel)
{
	struct memory *memory = &reader->memories[channel];
	char text[200];

	if (memory->is_subscribed)
		return;
	memory->is_subscribed = true;
	if (memory->knows)
		(void)snprintf(text, sizeof(text),
			       "{\"type\":\"subscribe\",\"channel\":\"%s\",\"recover\":{\"epoch\":"
			       "\"%s\",\"offset\":%llu}}",
			       channel_names[channel], memory->epoch,
			       (unsigned long long)memory->offset);
	else
		(void)snprintf(text, sizeof(text), "{\"type\":\"subscribe\",\"channel\":\"%s\"}",
			       channel_names[channel]);
	say(world, reader, text);
}

static size_t stored_up_to(struct world *world, size_t channel, uint64_t offset)
{
	const struct fake_channel *stored =
		fake_store_channel(&world->store, channel_names[channel]);
	size_t count = 0;

	while (count < stored->row_count && stored->rows[count]->offset <= offset)
		count++;
	return count;
}

static void on_subscribed(struct world *world, struct chat_reader *reader, json_t *message)
{
	size_t channel = index_of(json_string_value(json_object_get(message, "channel")));
	struct memory *memory = &reader->memories[channel];
	size_t replay = (size_t)json_integer_value(json_object_get(message, "replay_count"));
	uint64_t offset = (uint64_t)json_integer_value(json_object_get(message, "offset"));

	if (json_is_true(json_object_get(message, "recovered"))) {
		world->recoveries++;
	} else {
		assert_true(replay <= HISTORY_SIZE);
		memory->offset = replay == 0 ? offset : 0;
		memory->stored_index = 0; /* nothing replayed: nothing was ever stored */
		memory->is_finding = replay > 0;
		/* one who is dropped within its first replay has nothing to go on from */
		memory->knows = replay == 0;
	}
	(void)snprintf(memory->epoch, sizeof(memory->epoch), "%s",
		       json_string_value(json_object_get(message, "epoch")));
}

static void on_message(struct world *world, struct chat_reader *reader, json_t *message)
{
	size_t channel = index_of(json_string_value(json_object_get(message, "channel")));
	const struct fake_channel *stored =
		fake_store_channel(&world->store, channel_names[channel]);
	struct memory *memory = &reader->memories[channel];
	uint64_t offset = (uint64_t)json_integer_value(json_object_get(message, "offset"));

	assert_true(offset > memory->offset);
	memory->offset = offset;
	memory->knows = true;
	if (json_is_true(json_object_get(message, "persistent"))) {
		if (memory->is_finding)
			memory->stored_index = stored_up_to(world, channel, offset) - 1;
		memory->is_finding = false;
		assert_true(memory->stored_index < stored->row_count);
		assert_int_equal(stored->rows[memory->stored_index]->offset, offset);
		memory->stored_index++;
	}
}

static void read_one(struct world *world, struct chat_reader *reader)
{
	AUTO_JSON message = next_json(&reader->outbox);
	const char *type = json_string_value(json_object_get(message, "type"));

	if (strcmp(type, "subscribed") == 0)
		on_subscribed(world, reader, message);
	else if (strcmp(type, "message") == 0)
		on_message(world, reader, message);
	else
		assert_string_not_equal(type, "error");
}

static void reconnect_if_dropped(struct world *world, struct chat_reader *reader)
{
	if (!outbox_is_ending(&reader->outbox))
		return;
	assert_int_equal(reader->outbox.close_code, CLOSE_SLOW);
	world->drops++;
	disconnect(reader);
	connect_reader(world, reader, 2000);
}

static void step(struct world *world)
{
	struct chat_reader *reader = &world->readers[roll(world, READERS)];
	char text[160];

	world->now_unix_us += roll(world, 3); /* ties are part of it */
	switch (roll(world, 6)) {
	case 0:
	case 1:
		(void)snprintf(text, sizeof(text),
			       "{\"type\":\"message\",\"channel\":\"%s\",\"data\":1,"
			       "\"persistent\":%s}",
			       channel_names[roll(world, CHANNELS)],
			       roll(world, 2) ? "true" : "false");
		say(world, &world->writer, text);
		outbox_drop(&world->writer.outbox, world->writer.outbox.count);
		break;
	case 2:
		subscribe(world, reader, roll(world, CHANNELS));
		break;
	case 3:
		for (unsigned i = roll(world, 12); i > 0 && reader->outbox.count > 0; i--)
			read_one(world, reader);
		break;
	case 4:
		for (unsigned i = roll(world, 8); i > 0; i--)
			(void)fake_store_answer(&world->store, &world->hub, world->now_unix_us);
		break;
	case 5:
		if (roll(world, 20) == 0) {
			disconnect(reader);
			connect_reader(world, reader, 2000);
		}
		break;
	}
	for (size_t i = 0; i < READERS; i++)
		reconnect_if_dropped(world, &world->readers[i]);
}

static void everybody_catches_up(struct world *world)
{
	for (size_t i = 0; i < READERS; i++) {
		struct chat_reader *reader = &world->readers[i];

		reader->outbox.limit_bytes = 1 << 30;
		for (size_t channel = 0; channel < CHANNELS; channel++)
			subscribe(world, reader, channel);
	}
	fake_store_answer_all(&world->store, &world->hub, world->now_unix_us);
	for (size_t i = 0; i < READERS; i++) {
		while (world->readers[i].outbox.count > 0)
			read_one(world, &world->readers[i]);
		for (size_t channel = 0; channel < CHANNELS; channel++)
			assert_int_equal(world->readers[i].memories[channel].stored_index,
					 fake_store_channel(&world->store, channel_names[channel])
						 ->row_count);
	}
}

static void run(unsigned seed, unsigned *ret_recoveries, unsigned *ret_drops)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->random = seed;
	list_init(&world->dirty);
	world->namespaces = fake_namespaces(HISTORY_SIZE, NULL);
	assert_int_equal(
		hub_init(&world->hub, world->namespaces, 0, 0, &fake_store_calls, &world->store),
		0);
	connect_reader(world, &world->writer, 1 << 20);
	for (size_t i = 0; i < READERS; i++)
		connect_reader(world, &world->readers[i], 2000);
	for (size_t i = 0; i < STEPS; i++)
		step(world);
	everybody_catches_up(world);
	*ret_recoveries += world->recoveries;
	*ret_drops += world->drops;
	for (size_t i = 0; i < READERS; i++)
		disconnect(&world->readers[i]);
	disconnect(&world->writer);
	hub_fini(&world->hub);
	(void)namespaces_free(world->namespaces);
	fake_store_fini(&world->store);
	free(world);
}

static void nothing_is_lost_and_nothing_comes_twice(void **state)
{
	unsigned recoveries = 0, drops = 0;

	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		printf("seed %u\n", seed); /* the last one printed is the failing one */
		run(seed, &recoveries, &drops);
	}
	assert_true(recoveries > 100); /* or the test tests nothing */
	assert_true(drops > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_and_nothing_comes_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
