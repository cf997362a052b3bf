#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/messages.h"
#include "db/participant_sessions.h"
#include "tests/unit/db/memory_store.h"

static void id_of(int number, char out[24])
{
	(void)snprintf(out, 24, "msg_%016x", (unsigned)number);
}

/* Into a channel that has a row. */
static int append_only(const char *channel, int offset, int position, int64_t expires_at_unix_ms)
{
	char message_id[24];
	struct message_row row = {.channel = channel,
				  .message_id = message_id,
				  .kind = "message",
				  .data = "{\"a\":1}",
				  .payload_bytes = 7,
				  .offset = offset,
				  .created_at_unix_ms = position,
				  .expires_at_unix_ms = expires_at_unix_ms};

	id_of(position, message_id);
	return messages_append(store, &row, &error);
}

static int append(const char *channel, int offset, int position, int64_t expires_at_unix_ms)
{
	assert_int_equal(channels_reserve(store, channel, "epoch", offset, position, &error), 0);
	return append_only(channel, offset, position, expires_at_unix_ms);
}

struct seen {
	int64_t offsets[16];
	size_t count, limit;
};

static bool see(void *data, const struct message_row *row)
{
	struct seen *seen = data;

	assert_string_equal(row->data, "{\"a\":1}");
	assert_null(row->sender);
	seen->offsets[seen->count++] = row->offset;
	return seen->count < seen->limit;
}

static void newest_come_first_and_expired_ones_not_at_all(void **state)
{
	struct seen seen = {.limit = 16};

	(void)state;
	for (int i = 1; i <= 5; i++)
		assert_int_equal(append("c", i, i, i == 4 ? 50 : 0), 0);
	assert_int_equal(append("other", 1, 6, 0), 0);
	assert_int_equal(messages_read_newest(store, "c", 3, 100, see, &seen, &error), 0);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.offsets[0], 5);
	assert_int_equal(seen.offsets[1], 3);
	assert_int_equal(seen.offsets[2], 2);
}

static void reading_goes_on_from_an_offset_or_an_id_and_stops_when_told(void **state)
{
	struct seen seen = {.limit = 2};
	char message_id[24];

	(void)state;
	for (int i = 1; i <= 5; i++)
		assert_int_equal(append("c", i, 10 * i, 0), 0);
	assert_int_equal(messages_read_after_offset(store, "c", 2, -1, 0, see, &seen, &error), 0);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.offsets[0], 3);
	seen = (struct seen){.limit = 16};
	assert_int_equal(messages_read_after_offset(store, "c", 1, 3, 0, see, &seen, &error), 0);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.offsets[2], 4);
	seen = (struct seen){.limit = 16};
	id_of(30, message_id);
	assert_int_equal(messages_read_after_id(store, "c", message_id, 0, see, &seen, &error), 0);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.offsets[0], 4);
}

static void the_mark_of_a_channel_never_goes_back(void **state)
{
	struct channel_row row;

	(void)state;
	assert_int_equal(channels_find(store, "c", &row, &error), 0);
	assert_int_equal(channels_reserve(store, "c", "first", 300, 1, &error), 0);
	assert_int_equal(append("c", 7, 7, 0), 0);
	assert_int_equal(channels_find(store, "c", &row, &error), 1);
	assert_int_equal(row.last_offset, 300);
	assert_string_equal(row.epoch, "first");
	assert_int_equal(append("c", 7, 8, 0), -EEXIST);
}

static void retention_by_bytes_keeps_the_newest_in_any_case(void **state)
{
	struct channel_row row;

	(void)state;
	for (int i = 1; i <= 10; i++)
		assert_int_equal(append("c", i, i, 0), 0);
	assert_int_equal(messages_trim_channel(store, "c", 100, 70, &error), 0);
	assert_int_equal(messages_trim_channel(store, "c", 100, 69, &error), 1);
	assert_int_equal(messages_trim_channel(store, "c", 100, 21, &error), 6);
	assert_int_equal(messages_trim_channel(store, "c", 0, 0, &error), 2);
	assert_int_equal(channels_find(store, "c", &row, &error), 1);
	assert_int_equal(row.trimmed_offset, 9);
}

static void retention_marks_what_it_took(void **state)
{
	struct channel_row row;
	struct seen seen = {.limit = 16};
	char message_id[24];

	(void)state;
	for (int i = 1; i <= 10; i++)
		assert_int_equal(append("c", i, i, 0), 0);
	assert_int_equal(messages_trim_channel(store, "c", 10, 1000, &error), 0);
	assert_int_equal(messages_trim_channel(store, "c", 6, 1000, &error), 4);
	assert_int_equal(channels_find(store, "c", &row, &error), 1);
	assert_int_equal(row.trimmed_offset, 4);
	id_of(4, message_id);
	assert_string_equal(row.trimmed_message_id, message_id);

	id_of(7, message_id);
	assert_int_equal(messages_trim_old(store, message_id, 0, 1, &error), 1);
	assert_int_equal(messages_trim_old(store, message_id, 0, 100, &error), 1);
	assert_int_equal(messages_trim_old(store, message_id, 0, 100, &error), 0);
	assert_int_equal(channels_find(store, "c", &row, &error), 1);
	assert_int_equal(row.trimmed_offset, 6);
	assert_int_equal(messages_read_after_offset(store, "c", 0, -1, 0, see, &seen, &error), 0);
	assert_int_equal(seen.count, 4);
}

static void what_is_deleted_leaves_its_place_taken(void **state)
{
	struct channel_row row;

	(void)state;
	assert_int_equal(channels_reserve(store, "c", "first", 1, 1, &error), 0);
	for (int i = 1; i <= 10; i++)
		assert_int_equal(append_only("c", i, i, i == 10 ? 50 : 0), 0);
	assert_int_equal(channels_find(store, "c", &row, &error), 1);
	assert_int_equal(row.last_offset, 10);
	assert_int_equal(messages_trim_old(store, "msg_", 100, 10, &error), 1);
	assert_int_equal(channels_find(store, "c", &row, &error), 1);
	assert_int_equal(row.last_offset, 10);
	assert_int_equal(messages_trim_channel(store, "c", 1, 1000, &error), 8);
	assert_int_equal(channels_find(store, "c", &row, &error), 1);
	assert_int_equal(row.last_offset, 10);
}

static void what_expires_by_itself_is_not_missed(void **state)
{
	struct channel_row row;

	(void)state;
	assert_int_equal(append("c", 1, 1, 50), 0);
	assert_int_equal(messages_trim_old(store, "msg_", 100, 10, &error), 1);
	assert_int_equal(channels_find(store, "c", &row, &error), 1);
	assert_int_equal(row.trimmed_offset, 0);
}

static bool see_payload(void *data, const struct message_row *row)
{
	size_t *length = data;

	assert_string_equal(row->kind, "binary");
	assert_memory_equal(row->payload, "bytes\0more", 10);
	*length = (size_t)row->payload_bytes;
	return true;
}

static void a_fault(void *data, const char *fault)
{
	(void)data;
	fail_msg("%s", fault);
}

static void bytes_lie_apart_and_go_with_their_message(void **state)
{
	struct message_row row = {.channel = "c",
				  .message_id = "msg_0000000000000001",
				  .kind = "binary",
				  .data = "null",
				  .content_type = "image/png",
				  .payload = "bytes\0more",
				  .payload_bytes = 10,
				  .offset = 1};
	size_t length = 0;

	(void)state;
	assert_int_equal(channels_reserve(store, "c", "epoch", 1, 1, &error), 0);
	assert_int_equal(messages_append(store, &row, &error), 0);
	assert_int_equal(messages_read_newest(store, "c", 5, 0, see_payload, &length, &error), 0);
	assert_int_equal(length, 10);
	assert_int_equal(append_only("c", 2, 2, 0), 0);
	assert_int_equal(messages_trim_channel(store, "c", 1, 1000, &error), 1);
	assert_int_equal(store_check_whole(store, a_fault, NULL, &error), 0);
}

static bool see_repeatable(void *data, const struct message_row *row)
{
	static const char *const expected[] = {"{\"notification_id\":\"ntf_1\"}", "null", "null",
					       "null"};
	size_t *count = data;

	assert_string_equal(row->idempotency_key, "key");
	assert_string_equal(row->epoch, "epoch");
	assert_string_equal(row->data, expected[*count]);
	(*count)++;
	return true;
}

static void what_was_sent_with_a_key_is_known_again_whatever_it_says(void **state)
{
	enum { DEPTH = 2040 };
	static char deep[2 * DEPTH + 8];
	const char *const data[] = {"{\"notification_id\":\"ntf_1\"}", "no JSON", deep, "1"};
	char message_id[24];
	size_t count = 0;

	(void)state;
	(void)memcpy(deep, "{\"a\":", 5);
	(void)memset(deep + 5, '[', DEPTH);
	(void)memset(deep + 5 + DEPTH, ']', DEPTH);
	deep[5 + 2 * DEPTH] = '}';
	assert_int_equal(channels_reserve(store, "c", "epoch", 1, 1, &error), 0);
	for (int i = 0; i < 4; i++) {
		struct message_row row = {.channel = "c",
					  .message_id = message_id,
					  .kind = i < 3 ? "notification" : "message",
					  .data = data[i],
					  .idempotency_key = "key",
					  .offset = i + 1};

		id_of(i + 1, message_id);
		assert_int_equal(messages_append(store, &row, &error), 0);
	}
	assert_int_equal(messages_read_repeatable(store, "", see_repeatable, &count, &error), 0);
	assert_int_equal(count, 4);
}

static void the_last_id_is_that_of_all_channels(void **state)
{
	char found[64], expected[24];

	(void)state;
	assert_int_equal(messages_last_id(store, found, sizeof(found), &error), 0);
	assert_string_equal(found, "");
	assert_int_equal(append("a", 1, 9, 0), 0);
	assert_int_equal(append("b", 1, 5, 0), 0);
	assert_int_equal(messages_last_id(store, found, sizeof(found), &error), 0);
	id_of(9, expected);
	assert_string_equal(found, expected);
	assert_int_equal(append("a", 2, 10, 0), 0);
	id_of(11, expected);
	assert_int_equal(messages_trim_old(store, expected, 0, 10, &error), 3);
	assert_int_equal(messages_last_id(store, found, sizeof(found), &error), 0);
	id_of(10, expected);
	assert_string_equal(found, expected);
}

static void join(const char *peer_id, int64_t at)
{
	const struct participant_session_row row = {.room_id = "r",
						    .peer_id = peer_id,
						    .name = "",
						    .kind = "call",
						    .joined_at_unix_ms = at};

	assert_true(participant_sessions_join(store, &row, &error) >= 0);
}

static void sessions_are_closed_once_and_stale_ones_at_the_start(void **state)
{
	(void)state;
	join("a", 1);
	join("a", 2); /* there already */
	join("b", 1);
	join("c", 1);
	join("new", 100);
	assert_int_equal(participant_sessions_leave(store, "r", "a", "left", 5, &error), 1);
	assert_int_equal(participant_sessions_leave(store, "r", "a", "left", 5, &error), 0);
	assert_int_equal(
		participant_sessions_end_stale(store, 50, "[\"r/b\"]", "restart", 60, &error),
		1); /* c alone */
	assert_int_equal(participant_sessions_leave(store, "r", "c", "left", 5, &error), 0);
	assert_int_equal(participant_sessions_leave(store, "r", "new", "left", 101, &error), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(newest_come_first_and_expired_ones_not_at_all),
		STORE_TEST(reading_goes_on_from_an_offset_or_an_id_and_stops_when_told),
		STORE_TEST(the_mark_of_a_channel_never_goes_back),
		STORE_TEST(retention_by_bytes_keeps_the_newest_in_any_case),
		STORE_TEST(retention_marks_what_it_took),
		STORE_TEST(what_is_deleted_leaves_its_place_taken),
		STORE_TEST(what_expires_by_itself_is_not_missed),
		STORE_TEST(bytes_lie_apart_and_go_with_their_message),
		STORE_TEST(what_was_sent_with_a_key_is_known_again_whatever_it_says),
		STORE_TEST(the_last_id_is_that_of_all_channels),
		STORE_TEST(sessions_are_closed_once_and_stale_ones_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
