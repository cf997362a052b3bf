/* test_net.c - under which addresses the SFU says that it can be reached. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sfu/edge/net.h"
#include "tests/unit/cmocka_all.h"

struct announced {
	struct sdp_candidate *candidates;
	size_t count;
};

static struct announced announce(const char *text, bool with_loopback)
{
	struct announced announced;
	struct error error;

	assert_int_equal(net_candidates(text, with_loopback, &announced.candidates,
					&announced.count, &error),
			 0);
	return announced;
}

static void what_is_named_is_announced_in_its_order(void **state)
{
	static const char *const expected[] = {"203.0.113.7", "2001:db8::7", "198.51.100.9"};
	struct announced announced =
		announce(" 203.0.113.7,2001:db8::7 ,, 198.51.100.9,203.0.113.7", false);

	(void)state;
	assert_int_equal(announced.count, ARRAY_LEN(expected));
	for (size_t i = 0; i < announced.count; i++)
		assert_string_equal(announced.candidates[i].address, expected[i]);
	free(announced.candidates);
}

/* RFC 8421; of the same kind, the one that is named first. */
static void ipv6_goes_first_whatever_the_order(void **state)
{
	struct announced announced =
		announce("203.0.113.7,198.51.100.9,2001:db8::7,2001:db8::8", false);
	static const unsigned ranking[] = {2, 3, 0, 1};

	(void)state;
	for (size_t i = 0; i + 1 < ARRAY_LEN(ranking); i++)
		assert_true(announced.candidates[ranking[i]].priority >
			    announced.candidates[ranking[i + 1]].priority);
	for (size_t i = 0; i < announced.count; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(announced.candidates[i].foundation,
					     announced.candidates[j].foundation);
	free(announced.candidates);
}

static void the_loopback_comes_last_if_at_all(void **state)
{
	struct announced announced = announce("203.0.113.7", true);

	(void)state;
	assert_int_equal(announced.count, 2);
	assert_string_equal(announced.candidates[1].address, "127.0.0.1");
	assert_true(announced.candidates[1].priority < announced.candidates[0].priority);
	free(announced.candidates);
}

static void where_none_is_named_the_interfaces_have_them(void **state)
{
	struct announced announced = announce(" , ", true);
	bool has_loopback = false;

	(void)state;
	for (size_t i = 0; i < announced.count; i++) {
		has_loopback |= strcmp(announced.candidates[i].address, "127.0.0.1") == 0;
		assert_string_not_equal(announced.candidates[i].address, "::1");
		assert_int_not_equal(strncmp(announced.candidates[i].address, "fe80:", 5), 0);
	}
	assert_true(has_loopback);
	free(announced.candidates);
}

static void what_is_no_address_of_one_host_is_refused_by_name(void **state)
{
	static const char *const bad[] = {
		"example.org", "10.0.0",     "10.0.0.256", "2001:db8::g",     "203.0.113.7:8002",
		"[::1]",       "fe80::1%lo", "0.0.0.0",	   "255.255.255.255", "224.0.0.1",
		"239.1.2.3",   "::",	     "ff02::1",	   "::ffff:0.0.0.0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct sdp_candidate *candidates = NULL;
		struct error error = {0};
		char text[128];
		size_t count;

		(void)snprintf(text, sizeof(text), "203.0.113.7, %s, nor this", bad[i]);
		assert_int_equal(net_candidates(text, false, &candidates, &count, &error), -EINVAL);
		assert_string_equal(error.code, "bad_setting");
		assert_string_equal(error.field, "WEBRTC_ANNOUNCED_IPS");
		assert_non_null(strstr(error.message, bad[i])); /* the first at fault */
		assert_null(candidates);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_named_is_announced_in_its_order),
		cmocka_unit_test(ipv6_goes_first_whatever_the_order),
		cmocka_unit_test(the_loopback_comes_last_if_at_all),
		cmocka_unit_test(where_none_is_named_the_interfaces_have_them),
		cmocka_unit_test(what_is_no_address_of_one_host_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
