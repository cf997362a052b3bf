/* Webhooks: what is noted, for whom, who posts it and what becomes of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "db/messages.h"
#include "db/participant_sessions.h"
#include "db/rooms.h"
#include "db/webhook_deliveries.h"
#include "tests/unit/cmocka_all.h"

static const char path[] = "test_webhooks.db";
static struct store *store;
static struct error error;

static void remove_files(void)
{
	(void)remove(path);
	(void)remove("test_webhooks.db-wal");
	(void)remove("test_webhooks.db-shm");
}

static int open_store(void **state)
{
	(void)state;
	remove_files();
	return store_open(path, STORE_RELAXED, &store, &error);
}

static int close_store(void **state)
{
	(void)state;
	store = store_free(store);
	remove_files();
	return 0;
}

/* As an admin would ask, by a connection of his own. The first column of the first row. */
static int64_t query(const char *sql)
{
	sqlite3 *handle;
	sqlite3_stmt *statement;
	int64_t value = -1;

	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
	if (sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	(void)sqlite3_close(handle);
	return value;
}

static void add_webhook(const char *events, const char *channels, const char *rooms,
			char ret_webhook_id[WEBHOOK_ID_SIZE])
{
	AUTO_WEBHOOK_ROW row = {.url = "https://example.org/",
				.events = json_loads(events, 0, NULL),
				.channels = json_loads(channels, 0, NULL),
				.rooms = json_loads(rooms, 0, NULL),
				.is_enabled = true,
				.secret = "whsec_c"};

	row.kinds = webhook_kinds_of(row.events);
	assert_int_equal(webhooks_create(store, &row, 1000, &error), 0);
	memcpy(ret_webhook_id, row.webhook_id, WEBHOOK_ID_SIZE);
}

static void add_room(const char *room_id)
{
	AUTO_ROOM_ROW room = {.max_participants = 2};

	(void)snprintf(room.room_id, sizeof(room.room_id), "%s", room_id);
	assert_int_equal(rooms_create(store, &room, 100000, 1000, &error), 0);
}

static void add_rooms(int count)
{
	char room_id[16];

	for (int i = 0; i < count; i++) {
		(void)snprintf(room_id, sizeof(room_id), "r%d", i);
		add_room(room_id);
	}
}

static void add_message(const char *channel, int64_t offset)
{
	char message_id[32];
	const struct message_row row = {.channel = channel,
					.message_id = message_id,
					.kind = "message",
					.data = "{\"a\":1}",
					.offset = offset,
					.created_at_unix_ms = 1000};

	(void)snprintf(message_id, sizeof(message_id), "msg_%s_%d", channel, (int)offset);
	assert_int_equal(channels_reserve(store, channel, "e", offset, 1000, &error), 0);
	assert_int_equal(messages_append(store, &row, &error), 0);
}

static int64_t fan_out(int64_t queue_max)
{
	int64_t dropped;
	int r;

	assert_int_equal(store_begin(store, &error), 0);
	r = webhook_deliveries_fan_out(store, 1000, queue_max, 1000, &dropped, &error);
	assert_true(r >= 0);
	assert_int_equal(store_commit(store, &error), 0);
	return dropped;
}

static int64_t four(void *data, const char *webhook_id)
{
	(void)data;
	(void)webhook_id;
	return 4;
}

static size_t claim(int64_t now, struct list *into)
{
	struct list *link;
	size_t count = 0;

	list_init(into);
	assert_int_equal(store_begin(store, &error), 0);
	assert_int_equal(webhook_deliveries_claim(store, now, now + 100, four, NULL, into, &error),
			 0);
	assert_int_equal(store_commit(store, &error), 0);
	for (link = into->next; link != into; link = link->next)
		count++;
	return count;
}

static void drop_claimed(struct list *claimed)
{
	struct list *link;

	while ((link = list_first(claimed)))
		(void)webhook_delivery_free(LIST_ITEM(link, struct webhook_delivery, link));
}

static void settle_all(struct list *claimed, struct webhook_result result, int64_t now)
{
	struct webhook_delivery *delivery;

	assert_int_equal(store_begin(store, &error), 0);
	LIST_FOR_EACH (delivery, claimed, link)
		assert_int_equal(webhook_deliveries_settle(store, delivery, &result, now, &error),
				 0);
	assert_int_equal(store_commit(store, &error), 0);
	drop_claimed(claimed);
}

/* ---- what is noted ---- */

static void without_a_webhook_nothing_is_noted(void **state)
{
	(void)state;
	add_room("r");
	add_message("c", 1);
	assert_int_equal(query("SELECT count(*) FROM webhook_events"), 0);
}

static void only_the_kinds_that_somebody_takes_are_noted(void **state)
{
	char id[WEBHOOK_ID_SIZE];

	(void)state;
	add_webhook("[\"message.*\"]", "[\"*\"]", "[\"*\"]", id);
	add_room("r");
	add_message("c", 1);
	assert_int_equal(query("SELECT count(*) FROM webhook_events"), 1);
	assert_int_equal(query("SELECT type = 'message.persisted' AND name = 'c'"
			       " AND json_extract(data, '$.data.a') = 1 FROM webhook_events"),
			 1);
}

static void long_data_does_not_travel(void **state)
{
	enum { LONGEST = 262144 };
	AUTO_FREE char *data = malloc(LONGEST + 2);
	char id[WEBHOOK_ID_SIZE];

	(void)state;
	assert_non_null(data);
	add_webhook("[\"*\"]", "[\"*\"]", "[\"*\"]", id);
	assert_int_equal(channels_reserve(store, "c", "e", 2, 1000, &error), 0);
	for (int i = 0; i < 2; i++) {
		const struct message_row row = {.channel = "c",
						.message_id = i ? "msg_2" : "msg_1",
						.kind = "message",
						.data = data,
						.offset = i + 1,
						.created_at_unix_ms = 1000};

		memset(data, 'x', LONGEST + 1);
		data[0] = data[LONGEST + i - 1] = '"';
		data[LONGEST + i] = '\0';
		assert_int_equal(messages_append(store, &row, &error), 0);
	}
	assert_int_equal(query("SELECT json_extract(data, '$.data_omitted') = 0"
			       " AND length(json_extract(data, '$.data')) = 262142"
			       " FROM webhook_events WHERE sequence = 1"),
			 1);
	assert_int_equal(query("SELECT json_extract(data, '$.data_omitted') = 1"
			       " AND json_extract(data, '$.data') IS NULL"
			       " FROM webhook_events WHERE sequence = 2"),
			 1);
}

static void what_is_rolled_back_is_not_told(void **state)
{
	char id[WEBHOOK_ID_SIZE];

	(void)state;
	add_webhook("[\"*\"]", "[\"*\"]", "[\"*\"]", id);
	assert_int_equal(store_begin(store, &error), 0);
	add_room("r");
	store_rollback(store);
	assert_int_equal(query("SELECT count(*) FROM webhook_events"), 0);
	/* A change that fails leaves neither itself nor its event, and no transaction open. */
	add_room("r");
	{
		AUTO_ROOM_ROW room = {.room_id = "r", .max_participants = 2};

		assert_int_equal(rooms_create(store, &room, 10, 1000, &error), -EEXIST);
	}
	assert_int_equal(rooms_delete(store, "none", 1000, &error), -ENOENT);
	assert_false(store_in_transaction(store));
	assert_int_equal(query("SELECT count(*) FROM webhook_events"), 1);
}

static void comings_and_goings_are_noted_as_they_are_stored(void **state)
{
	const struct participant_session_row row = {.room_id = "r",
						    .peer_id = "p",
						    .name = "Ann",
						    .kind = "call",
						    .user_id = "ann",
						    .joined_at_unix_ms = 1000};
	struct participant_session_row other = row;
	char id[WEBHOOK_ID_SIZE];

	(void)state;
	other.peer_id = "q";
	add_webhook("[\"participant.*\"]", "[\"*\"]", "[\"*\"]", id);
	assert_int_equal(participant_sessions_join(store, &row, &error), 1);
	assert_int_equal(participant_sessions_join(store, &row, &error), 0); /* there already */
	assert_int_equal(participant_sessions_join(store, &other, &error), 1);
	assert_int_equal(participant_sessions_leave(store, "r", "p", "left", 2000, &error), 1);
	assert_int_equal(participant_sessions_leave(store, "r", "p", "left", 2000, &error), 0);
	assert_int_equal(participant_sessions_end_stale(store, 5000, "[]", "restart", 6000, &error),
			 1);
	assert_int_equal(query("SELECT count(*) FROM webhook_events"), 4);
	assert_int_equal(query("SELECT count(*) FROM webhook_events WHERE type = "
			       "'participant.left' AND json_extract(data, '$.left_at') IN (2000, "
			       "6000) AND json_extract(data, '$.reason') IN ('left', 'restart')"),
			 2);
}

static void a_backlog_that_nobody_delivers_has_an_end(void **state)
{
	char id[WEBHOOK_ID_SIZE];

	(void)state;
	add_webhook("[\"*\"]", "[\"*\"]", "[\"*\"]", id);
	add_room("r1");
	(void)query("UPDATE webhook_marks SET sequence = -999999");
	add_room("r2");
	assert_int_equal(query("SELECT count(*) FROM webhook_events"), 1);
	assert_int_equal(query("SELECT count(*) FROM rooms"), 2);
	assert_int_equal(query("SELECT dropped_count FROM webhook_marks"), 1);
}

/* ---- for whom ---- */

static void each_endpoint_gets_what_it_takes(void **state)
{
	char rooms[WEBHOOK_ID_SIZE], chat[WEBHOOK_ID_SIZE], none[WEBHOOK_ID_SIZE];

	(void)state;
	add_webhook("[\"room.created\"]", "[\"*\"]", "[\"team_*\"]", rooms);
	add_webhook("[\"*\"]", "[\"chat_*\", \"x\"]", "[\"-\"]", chat);
	add_webhook("[\"upload.*\"]", "[\"*\"]", "[\"*\"]", none);
	add_room("team_1");
	add_room("other");
	add_message("chat_1", 1);
	add_message("y", 1);
	assert_int_equal(fan_out(100), 0);
	assert_int_equal(query("SELECT count(*) FROM webhook_deliveries"), 2);
	assert_int_equal(query("SELECT count(*) FROM webhook_delivery_log"
			       " WHERE (type, name) IN (VALUES ('room.created', 'team_1'),"
			       " ('message.persisted', 'chat_1'))"),
			 2);
	/* What nobody takes does not stay. */
	assert_int_equal(query("SELECT count(*) FROM webhook_events"), 2);
	/* And nothing is made twice. */
	assert_int_equal(fan_out(100), 0);
	assert_int_equal(query("SELECT count(*) FROM webhook_deliveries"), 2);
	assert_int_equal(webhooks_delete(store, rooms, &error), 0);
	assert_int_equal(query("SELECT count(*) FROM webhook_deliveries"), 1);
	assert_int_equal(query("SELECT count(*) FROM webhook_events"), 1);
}

static void a_full_queue_drops_and_counts_for_its_endpoint_alone(void **state)
{
	char full[WEBHOOK_ID_SIZE], other[WEBHOOK_ID_SIZE];
	struct list claimed;

	(void)state;
	add_webhook("[\"room.*\"]", "[\"*\"]", "[\"*\"]", full);
	add_rooms(3);
	assert_int_equal(fan_out(2), 1);
	assert_int_equal(query("SELECT dropped_count FROM webhooks"), 1);
	assert_int_equal(query("SELECT count(*) FROM webhook_deliveries"), 2);
	assert_int_equal(query("SELECT count(*) FROM webhook_events"), 2);
	add_webhook("[\"room.*\"]", "[\"*\"]", "[\"*\"]", other);
	add_room("r4");
	assert_int_equal(fan_out(2), 1);
	assert_int_equal(query("SELECT count(*) FROM webhook_deliveries"), 3);
	assert_int_equal(claim(2000, &claimed), 3);
	settle_all(&claimed, (struct webhook_result){.outcome = WEBHOOK_DELIVERED}, 2000);
	add_room("r5");
	assert_int_equal(fan_out(2), 0); /* there is place again */
}

/* ---- posting ---- */

static void what_is_claimed_is_nobody_elses_until_the_lease_is_over(void **state)
{
	char id[WEBHOOK_ID_SIZE];
	struct list first, second;

	(void)state;
	add_webhook("[\"*\"]", "[\"*\"]", "[\"*\"]", id);
	add_room("r");
	(void)fan_out(100);
	assert_int_equal(webhook_deliveries_is_due(store, 2000, &error), 1);
	assert_int_equal(claim(2000, &first), 1);
	assert_int_equal(webhook_deliveries_is_due(store, 2000, &error), 0);
	assert_int_equal(claim(2099, &second), 0);
	assert_int_equal(claim(2100, &second), 1);
	/* The first one, long thought dead, says something: that does not count any more. */
	settle_all(&first, (struct webhook_result){.outcome = WEBHOOK_FAILED}, 2101);
	assert_int_equal(query("SELECT state = 'pending' AND attempts = 2 FROM webhook_deliveries"),
			 1);
	settle_all(&second, (struct webhook_result){.outcome = WEBHOOK_DELIVERED}, 2102);
	assert_int_equal(query("SELECT state = 'delivered' FROM webhook_deliveries"), 1);
}

static void an_endpoint_that_fails_is_left_alone_and_then_asked_one_by_one(void **state)
{
	char id[WEBHOOK_ID_SIZE];
	struct list claimed;

	(void)state;
	add_webhook("[\"*\"]", "[\"*\"]", "[\"*\"]", id);
	add_rooms(6);
	(void)fan_out(100);
	assert_int_equal(claim(2000, &claimed), 4);
	settle_all(&claimed,
		   (struct webhook_result){.outcome = WEBHOOK_AGAIN,
					   .next_attempt_at_unix_ms = 2500,
					   .paused_until_unix_ms = 3000},
		   2000);
	assert_int_equal(query("SELECT failures_in_row FROM webhooks"), 4);
	assert_int_equal(claim(2999, &claimed), 0);
	assert_int_equal(claim(3000, &claimed), 1);
	settle_all(&claimed, (struct webhook_result){.outcome = WEBHOOK_DELIVERED}, 3001);
	assert_int_equal(query("SELECT failures_in_row FROM webhooks"), 0);
	assert_int_equal(claim(3002, &claimed), 4);
	drop_claimed(&claimed);
}

static void whoever_waits_too_long_fails_and_an_admin_may_ask_again(void **state)
{
	char id[WEBHOOK_ID_SIZE];
	struct list claimed;

	(void)state;
	add_webhook("[\"*\"]", "[\"*\"]", "[\"*\"]", id);
	add_room("r");
	(void)fan_out(100);
	assert_int_equal(webhook_deliveries_give_up(store, 1000, 10, 5000, &error), 0);
	assert_int_equal(webhook_deliveries_give_up(store, 1001, 10, 5000, &error), 1);
	assert_int_equal(query("SELECT state = 'failed' FROM webhook_deliveries"), 1);
	assert_int_equal(webhook_deliveries_retry(store, id, 99, 6000, &error), -ENOENT);
	assert_int_equal(webhook_deliveries_retry(store, "whk_other", 1, 6000, &error), -ENOENT);
	assert_int_equal(webhook_deliveries_retry(store, id, 1, 6000, &error), 0);
	assert_int_equal(webhook_deliveries_give_up(store, 1001, 10, 6000, &error), 0);
	assert_int_equal(claim(6000, &claimed), 1);
	assert_int_equal(webhook_deliveries_retry(store, id, 1, 6050, &error), -EEXIST);
	settle_all(&claimed, (struct webhook_result){.outcome = WEBHOOK_DELIVERED}, 6060);
}

static void finished_deliveries_are_kept_up_to_a_number(void **state)
{
	char id[WEBHOOK_ID_SIZE];
	struct list claimed;

	(void)state;
	add_webhook("[\"*\"]", "[\"*\"]", "[\"*\"]", id);
	add_rooms(4);
	(void)fan_out(100);
	assert_int_equal(claim(2000, &claimed), 4);
	settle_all(&claimed, (struct webhook_result){.outcome = WEBHOOK_DELIVERED}, 2000);
	add_room("pending");
	(void)fan_out(100);
	assert_int_equal(webhook_deliveries_trim(store, 3, 0, 100, &error), 1);
	assert_int_equal(query("SELECT min(delivery_id) FROM webhook_deliveries"), 2);
	assert_int_equal(webhook_deliveries_trim(store, 3, 2001, 100, &error), 3);
	assert_int_equal(query("SELECT count(*) FROM webhook_events"), 1);
}

static void a_row_comes_back_as_it_went(void **state)
{
	AUTO_WEBHOOK_ROW row = {0};
	char id[WEBHOOK_ID_SIZE];

	(void)state;
	add_webhook("[\"room.*\"]", "[\"c\"]", "[\"r\"]", id);
	assert_int_equal(webhooks_get(store, id, &row, &error), 0);
	assert_string_equal(row.url, "https://example.org/");
	assert_int_equal(row.kinds, WEBHOOK_ROOMS);
	row.is_enabled = false;
	assert_int_equal(webhooks_update(store, &row, 2000, &error), 0);
	assert_false(webhook_takes(&row, "room.created", "r"));
	row.is_enabled = true;
	assert_true(webhook_takes(&row, "room.created", "r"));
	assert_false(webhook_takes(&row, "room.created", "c"));
	assert_false(webhook_takes(&row, "participant.joined", "r"));
	webhook_row_fini(&row);
	assert_int_equal(webhooks_get(store, "whk_none", &row, &error), -ENOENT);
	assert_int_equal(webhooks_delete(store, "whk_none", &error), -ENOENT);
}

static void there_is_a_number_of_webhooks_that_is_enough(void **state)
{
	AUTO_WEBHOOK_ROW row = {.url = "https://example.org/",
				.events = json_pack("[s]", "*"),
				.channels = json_pack("[s]", "*"),
				.rooms = json_pack("[s]", "*")};

	(void)state;
	for (int i = 0; i < WEBHOOKS_MAX; i++)
		assert_int_equal(webhooks_create(store, &row, 1000, &error), 0);
	assert_int_equal(webhooks_create(store, &row, 1000, &error), -EUSERS);
	assert_string_equal(error.code, "too_many_webhooks");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_webhook_nothing_is_noted),
		TEST(only_the_kinds_that_somebody_takes_are_noted),
		TEST(long_data_does_not_travel),
		TEST(what_is_rolled_back_is_not_told),
		TEST(comings_and_goings_are_noted_as_they_are_stored),
		TEST(a_backlog_that_nobody_delivers_has_an_end),
		TEST(each_endpoint_gets_what_it_takes),
		TEST(a_full_queue_drops_and_counts_for_its_endpoint_alone),
		TEST(what_is_claimed_is_nobody_elses_until_the_lease_is_over),
		TEST(an_endpoint_that_fails_is_left_alone_and_then_asked_one_by_one),
		TEST(whoever_waits_too_long_fails_and_an_admin_may_ask_again),
		TEST(finished_deliveries_are_kept_up_to_a_number),
		TEST(a_row_comes_back_as_it_went),
		TEST(there_is_a_number_of_webhooks_that_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
