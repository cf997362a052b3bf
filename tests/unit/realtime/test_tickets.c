#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "realtime/edge/tickets.h"

static struct tickets tickets;
static struct identity *ann;

static int open_tickets(void **state)
{
	(void)state;
	ann = identity_new("ann", RIGHTS_USER);
	return ann ? tickets_init(&tickets) : -1;
}

static int close_tickets(void **state)
{
	(void)state;
	tickets_fini(&tickets);
	assert_int_equal(ann->refs, 1); /* nobody kept one */
	ann = identity_unref(ann);
	return 0;
}

static int add_of(struct identity *identity, char ret_ticket[TICKET_SIZE], int64_t now_ms)
{
	int64_t expires_at_ms = now_ms + TICKET_TIME_MS;
	struct error error;
	int r = tickets_add(&tickets, identity, now_ms, ret_ticket, &expires_at_ms, &error);

	assert_int_equal(expires_at_ms, now_ms + TICKET_TIME_MS);
	if (r < 0)
		assert_string_equal(error.code, "too_many_tickets");
	return r;
}

static void add(char ret_ticket[TICKET_SIZE], int64_t now_ms)
{
	assert_int_equal(add_of(ann, ret_ticket, now_ms), 0);
}

/* So many, each of another user. */
static void add_others(int count)
{
	static int number;

	for (int i = 0; i < count; i++) {
		char ticket[TICKET_SIZE], user_id[32];
		AUTO(identity) other = NULL;

		(void)snprintf(user_id, sizeof(user_id), "user %d", number++);
		other = identity_new(user_id, RIGHTS_USER);
		assert_int_equal(add_of(other, ticket, 1000), 0);
	}
}

static bool use(const char *text, int64_t now_ms)
{
	AUTO(identity) identity = NULL;
	struct error error;
	int r = tickets_use(&tickets, text, now_ms, &identity, &error);

	if (r == 0) {
		assert_ptr_equal(identity, ann);
		return true;
	}
	assert_int_equal(r, -EKEYREJECTED);
	assert_string_equal(error.code, "bad_ticket");
	assert_null(strstr(error.message, text));
	assert_null(identity);
	return false;
}

static void a_ticket_is_of_use_once(void **state)
{
	char ticket[TICKET_SIZE];

	(void)state;
	add(ticket, 1000);
	assert_int_equal(strncmp(ticket, "tkt_", 4), 0);
	assert_true(use(ticket, 1001));
	assert_false(use(ticket, 1001));
	assert_int_equal(tickets.by_text.count, 0);
}

static void another_text_is_none(void **state)
{
	char ticket[TICKET_SIZE];

	(void)state;
	assert_false(use("tkt_", 1000));
	add(ticket, 1000);
	ticket[strlen(ticket) - 1] = ticket[strlen(ticket) - 1] == 'a' ? 'b' : 'a';
	assert_false(use(ticket, 1000));
	assert_int_equal(tickets.by_text.count, 1);
}

static void it_lasts_for_half_a_minute(void **state)
{
	char early[TICKET_SIZE], late[TICKET_SIZE];

	(void)state;
	add(early, 1000);
	add(late, 2000);
	assert_true(use(late, 2000 + TICKET_TIME_MS - 1));
	assert_false(use(early, 1000 + TICKET_TIME_MS));
	assert_int_equal(tickets.by_text.count, 0);
}

static void unused_ones_are_forgotten(void **state)
{
	char ticket[TICKET_SIZE];

	(void)state;
	for (int i = 0; i < TICKETS_OF_USER_MAX; i++)
		add(ticket, 1000 + i);
	add(ticket, 1050 + TICKET_TIME_MS);
	assert_int_equal(tickets.by_text.count, 50);
	assert_true(use(ticket, 1050 + TICKET_TIME_MS));
}

static void of_too_many_the_oldest_goes_and_using_one_costs_none(void **state)
{
	char first[TICKET_SIZE], second[TICKET_SIZE], third[TICKET_SIZE];

	(void)state;
	add(first, 1000);
	add(second, 1000);
	add(third, 1000);
	add_others(TICKETS_MAX - 3);
	assert_int_equal(tickets.by_text.count, TICKETS_MAX);
	assert_true(use(third, 1000));
	assert_int_equal(tickets.by_text.count, TICKETS_MAX - 1);
	add_others(2); /* one too many */
	assert_int_equal(tickets.by_text.count, TICKETS_MAX);
	assert_false(use(first, 1000));
	assert_true(use(second, 1000));
}

static void nobody_drives_out_the_others(void **state)
{
	char ticket[TICKET_SIZE];

	(void)state;
	for (int i = 0; i < TICKETS_OF_USER_MAX; i++)
		add(ticket, 1000);
	assert_int_equal(add_of(ann, ticket, 1000), -EDQUOT);
	add_others(1);
	assert_true(use(ticket, 1000));
	add(ticket, 1000);
	assert_int_equal(add_of(ann, ticket, 1000), -EDQUOT);
	add(ticket, 1000 + TICKET_TIME_MS); /* those before have expired */
}

static void a_clock_that_is_put_back_makes_no_ticket_last(void **state)
{
	char before[TICKET_SIZE], after[TICKET_SIZE];

	(void)state;
	add(before, 100000);
	add(after, 1000);				 /* the clock was put back meanwhile */
	assert_false(use(after, 1000 + TICKET_TIME_MS)); /* though an older one is valid */
	assert_true(use(before, 1000 + TICKET_TIME_MS));
}

static void those_that_are_left_go_in_the_end(void **state)
{
	char ticket[TICKET_SIZE];

	(void)state;
	for (int i = 0; i < 10; i++)
		add(ticket, i);
	assert_int_equal(ann->refs, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_tickets, close_tickets)
		TEST(a_ticket_is_of_use_once),
		TEST(another_text_is_none),
		TEST(it_lasts_for_half_a_minute),
		TEST(unused_ones_are_forgotten),
		TEST(of_too_many_the_oldest_goes_and_using_one_costs_none),
		TEST(nobody_drives_out_the_others),
		TEST(a_clock_that_is_put_back_makes_no_ticket_last),
		TEST(those_that_are_left_go_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
