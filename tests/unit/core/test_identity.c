#include "tests/unit/cmocka_all.h"

#include <errno.h>

#include "core/identity.h"

static void limit(struct identity *identity, enum grant_scope scope, const char *text, int wanted)
{
	json_t *list = json_loads(text, JSON_DECODE_ANY, NULL);
	struct error error;

	assert_non_null(list);
	assert_int_equal(identity_limit(identity, scope, list, &error), wanted);
	json_decref(list);
}

static void without_a_list_everything_is_open_that_the_rights_allow(void **state)
{
	AUTO(identity) user = identity_new("ann", RIGHTS_USER);

	(void)state;
	assert_true(identity_may(user, RIGHT_PUBLISH, GRANT_CHANNELS, "news"));
	assert_true(identity_may(user, RIGHT_SUBSCRIBE, GRANT_ROOMS, "r"));
	assert_false(identity_may(user, RIGHT_MODERATE, GRANT_ROOMS, "r"));
	assert_false(identity_may_anywhere(user, RIGHT_ADMIN));
}

static void a_list_gives_only_what_it_says(void **state)
{
	AUTO(identity) user = identity_new("ann", RIGHTS_USER);

	(void)state;
	limit(user, GRANT_CHANNELS,
	      "{\"chat_*\":[\"subscribe\",\"publish\"],\"news\":\"subscribe\"}", 0);
	assert_true(identity_may(user, RIGHT_PUBLISH, GRANT_CHANNELS, "chat_1"));
	assert_true(identity_may(user, RIGHT_SUBSCRIBE, GRANT_CHANNELS, "chat_*"));
	assert_false(identity_may(user, RIGHT_SUBSCRIBE, GRANT_CHANNELS, "*"));
	assert_true(identity_may(user, RIGHT_SUBSCRIBE, GRANT_CHANNELS, "news"));
	assert_false(identity_may(user, RIGHT_PUBLISH, GRANT_CHANNELS, "news"));
	assert_false(identity_may(user, RIGHT_SUBSCRIBE, GRANT_CHANNELS, "other"));
	assert_true(identity_may(user, RIGHT_SUBSCRIBE, GRANT_ROOMS, "r"));
	limit(user, GRANT_ROOMS, "{}", 0);
	assert_false(identity_may(user, RIGHT_SUBSCRIBE, GRANT_ROOMS, "r"));
}

static void ones_own_channel_is_ones_own_whatever_the_list_says(void **state)
{
	AUTO(identity) ann = identity_new("ann", RIGHTS_USER);
	AUTO(identity) nobody = identity_new_anonymous(true);

	(void)state;
	limit(ann, GRANT_CHANNELS, "{\"*\":\"*\"}", 0);
	assert_true(identity_may(ann, RIGHT_SUBSCRIBE, GRANT_CHANNELS, "user_ann"));
	assert_false(identity_may(ann, RIGHT_SUBSCRIBE, GRANT_CHANNELS, "user_bob"));
	assert_false(identity_may(nobody, RIGHT_SUBSCRIBE, GRANT_CHANNELS, "user_"));
}

static void a_list_of_another_shape_is_refused(void **state)
{
	static const char *const bad[] = {"[]", "{\"a\":1}", "{\"a\":[\"fly\"]}", "\"*\""};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(identity) user = identity_new("ann", RIGHTS_USER);

		limit(user, GRANT_CHANNELS, bad[i], -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_list_everything_is_open_that_the_rights_allow),
		cmocka_unit_test(a_list_gives_only_what_it_says),
		cmocka_unit_test(ones_own_channel_is_ones_own_whatever_the_list_says),
		cmocka_unit_test(a_list_of_another_shape_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
