/* Finding stored messages: what is in the index, what leaves it, and what filters do. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/message_search.h"
#include "tests/unit/db/memory_store.h"

static int number;

static int open_and_count_anew(void **state)
{
	number = 0;
	return open_store(state);
}

static void add_row(struct message_row row)
{
	char message_id[32];

	number++;
	(void)snprintf(message_id, sizeof(message_id), "msg_%016x", (unsigned)number);
	row.message_id = message_id;
	row.offset = number;
	row.created_at_unix_ms = number * 1000;
	if (!row.kind)
		row.kind = "message";
	assert_int_equal(channels_reserve(store, row.channel, "e", number, 1000, &error), 0);
	assert_int_equal(messages_append(store, &row, &error), 0);
}

static void add(const char *channel, const char *data)
{
	add_row((struct message_row){.channel = channel, .data = data});
}

static bool but_secret(void *data, const char *channel)
{
	(void)data;
	return strcmp(channel, "secret") != 0;
}

static int take_in(void)
{
	return message_search_index(store, 100, but_secret, NULL, &error);
}

static char found[256];

static bool note(void *data, const struct message_row *row)
{
	size_t length = strlen(found);

	(void)data;
	assert_string_equal(row->epoch, "e");
	(void)snprintf(found + length, sizeof(found) - length, "%s%d", length ? " " : "",
		       (int)row->offset);
	return true;
}

/* The offsets of what was found. */
static const char *find(struct message_query query)
{
	*found = '\0';
	query.limit = query.limit ? query.limit : 100;
	assert_int_equal(message_search_find(store, &query, note, NULL, &error), 0);
	return found;
}

#define FIND(...) find((struct message_query){__VA_ARGS__})

static void what_messages_say_is_found_newest_first(void **state)
{
	(void)state;
	add("c", "{\"text\": \"The quick brown fox\"}");
	add("c", "\"A quick answer\"");
	add("d", "[{\"deep\": {\"er\": \"quick\"}}, 7]");
	add("c", "{\"quick\": 1}"); /* names are not what is said */
	add("c", "17");
	assert_string_equal(FIND(.match = "\"quick\""), ""); /* not yet */
	assert_int_equal(take_in(), 5);
	assert_int_equal(take_in(), 0);
	assert_string_equal(FIND(.match = "\"quick\""), "3 2 1");
	assert_string_equal(FIND(.channel = "c", .match = "\"quick\""), "2 1");
	assert_string_equal(FIND(.channel = "c", .match = "\"qui\"*"), "2 1");
	assert_string_equal(FIND(.channel = "c", .match = "\"fox\" AND \"QUICK\""), "1");
	assert_string_equal(FIND(.channel = "x", .match = "\"quick\""), "");
	/* A channel's name is no text. */
	assert_string_equal(FIND(.match = "\"k63\""), "");
}

static void what_is_not_to_be_searched_is_not_in_the_index(void **state)
{
	(void)state;
	add("secret", "\"quick\"");
	add_row((struct message_row){.channel = "c",
				     .kind = "binary",
				     .data = "null",
				     .content_type = "text/plain",
				     .filename = "quick report.txt",
				     .payload = "quickly",
				     .payload_bytes = 7});
	add_row((struct message_row){
		.channel = "c",
		.kind = "notification",
		.data = "{\"notification_id\":\"ntf_quick\",\"title\":\"T\"}"});
	assert_int_equal(take_in(), 3);
	assert_string_equal(FIND(.match = "\"quick\""), "2");
	assert_string_equal(FIND(.match = "\"quickly\""), "");
	assert_string_equal(FIND(.match = "\"T\""), "3");
}

static void what_is_gone_is_not_found_and_leaves_the_index(void **state)
{
	(void)state;
	add("c", "\"one word\"");
	add_row((struct message_row){
		.channel = "c", .data = "\"two word\"", .expires_at_unix_ms = 5000});
	add("c", "\"three word\"");
	assert_int_equal(take_in(), 3);
	assert_string_equal(FIND(.match = "\"word\"", .now_unix_ms = 4999), "3 2 1");
	assert_string_equal(FIND(.match = "\"word\"", .now_unix_ms = 5000), "3 1");
	assert_int_equal(messages_trim_channel(store, "c", 1, INT64_MAX, &error), 2);
	assert_string_equal(FIND(.match = "\"word\""), "3");
	assert_int_equal(message_search_sweep(store, 2, &error), 2);
	assert_int_equal(message_search_sweep(store, 2, &error), 0);
	assert_int_equal(message_search_sweep(store, 2, &error), 0); /* from the beginning again */
	assert_string_equal(FIND(.match = "\"word\""), "3");
}

static void the_index_can_be_begun_anew(void **state)
{
	(void)state;
	add("c", "\"word\"");
	assert_int_equal(take_in(), 1);
	assert_int_equal(message_search_reset(store, &error), 0);
	assert_string_equal(FIND(.match = "\"word\""), "");
	assert_int_equal(take_in(), 1);
	assert_string_equal(FIND(.match = "\"word\""), "1");
}

static void pages_follow_each_other(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		add(i == 2 ? "d" : "c", "\"word\"");
	assert_int_equal(take_in(), 5);
	assert_string_equal(FIND(.channel = "c", .match = "\"word\"", .limit = 2), "5 4");
	assert_string_equal(FIND(.channel = "c", .match = "\"word\"", .before_offset = 4), "2 1");
	assert_string_equal(FIND(.channel = "c", .match = "\"word\"", .before_offset = 1), "");
	assert_string_equal(FIND(.match = "\"word\"", .before_message_id = "msg_0000000000000003"),
			    "2 1");
	assert_string_equal(FIND(.before_message_id = "msg_0000000000000003"), "2 1");
	assert_string_equal(FIND(.channel_pattern = "d*"), "3");
	assert_string_equal(FIND(.channel_pattern = "d*", .match = "\"word\""), "3");
	assert_string_equal(FIND(.channel = "c", .is_upwards = true, .after_offset = 2), "4 5");
}

static void filters_narrow_it(void **state)
{
	(void)state;
	add_row((struct message_row){
		.channel = "c", .data = "1", .sender = "ann", .tags = "{\"lang\":\"de\",\"n\":7}"});
	add_row((struct message_row){.channel = "c", .data = "2", .sender = "bob", .tags = "{}"});
	add_row((struct message_row){.channel = "c",
				     .data = "null",
				     .kind = "binary",
				     .sender = "ann",
				     .content_type = "image/png",
				     .payload = "x",
				     .payload_bytes = 1});
	assert_string_equal(FIND(.channel = "c", .sender = "ann"), "3 1");
	assert_string_equal(FIND(.channel = "c", .kind = "binary"), "3");
	assert_string_equal(FIND(.channel = "c", .content_type = "image/png"), "3");
	assert_string_equal(FIND(.channel = "c", .tag = "lang", .tag_value = "de"), "1");
	assert_string_equal(FIND(.channel = "c", .tag = "n", .tag_value = "7"), "1");
	assert_string_equal(FIND(.channel = "c", .tag = "lang", .tag_value = "en"), "");
	assert_string_equal(FIND(.channel = "c", .since_unix_ms = 2000), "3 2");
	assert_string_equal(FIND(.channel = "c", .until_unix_ms = 2000), "1");
	assert_string_equal(FIND(.sender = "bob"), "2");
}

static bool keep_snippet(void *data, const struct message_row *row)
{
	(void)snprintf(data, 64, "%s", row->snippet);
	return false;
}

static void a_snippet_shows_where_it_is(void **state)
{
	const struct message_query query = {.match = "\"fox\"", .limit = 1};
	char snippet[64];

	(void)state;
	add("c", "\"the \\u0001brown <b>fox</b>\"");
	assert_int_equal(take_in(), 1);
	assert_int_equal(message_search_find(store, &query, keep_snippet, snippet, &error), 0);
	assert_string_equal(snippet, "the  brown <b>\x01"
				     "fox\x02</b>");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_and_count_anew, close_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_messages_say_is_found_newest_first),
		TEST(what_is_not_to_be_searched_is_not_in_the_index),
		TEST(what_is_gone_is_not_found_and_leaves_the_index),
		TEST(the_index_can_be_begun_anew),
		TEST(pages_follow_each_other),
		TEST(filters_narrow_it),
		TEST(a_snippet_shows_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
