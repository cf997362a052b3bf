#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/identity.h"
#include "core/json.h"

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

static void an_admin_has_every_right(void **state)
{
	AUTO(identity) admin = identity_new("root", RIGHT_ADMIN);

	(void)state;
	assert_int_equal(admin->rights, RIGHTS_ALL);
	assert_true(identity_may(admin, RIGHT_PUBLISH, GRANT_CHANNELS, "news"));
}

/* A broadcast, as "*" on the channels, is for who may publish on all of them. */
static void who_is_limited_may_not_do_it_everywhere(void **state)
{
	AUTO(identity) some = identity_new("ann", RIGHTS_USER);
	AUTO(identity) every = identity_new("bob", RIGHTS_USER);

	(void)state;
	assert_true(identity_may(some, RIGHT_PUBLISH, GRANT_CHANNELS, "*"));
	limit(some, GRANT_CHANNELS, "{\"a*\":\"publish\",\"*a\":\"publish\",\"*\":\"subscribe\"}",
	      0);
	limit(every, GRANT_CHANNELS, "{\"*\":\"publish\"}", 0);
	assert_false(identity_may(some, RIGHT_PUBLISH, GRANT_CHANNELS, "*"));
	assert_true(identity_may(every, RIGHT_PUBLISH, GRANT_CHANNELS, "*"));
	assert_true(identity_may_anywhere(some, RIGHT_PUBLISH));
}

static void rights_have_names(void **state)
{
	AUTO_JSON all = rights_to_json(RIGHTS_ALL);
	AUTO_JSON none = rights_to_json(RIGHTS_NONE);
	unsigned rights = RIGHTS_NONE;

	(void)state;
	assert_int_equal(json_array_size(all), 4);
	assert_int_equal(json_array_size(none), 0);
	assert_int_equal(rights_add(&rights, "subscribe"), 0);
	assert_int_equal(rights_add(&rights, "moderate"), 0);
	assert_int_equal(rights, RIGHT_SUBSCRIBE | RIGHT_MODERATE);
	assert_int_equal(rights_add(&rights, "Subscribe"), -EINVAL);
	assert_int_equal(rights_add(&rights, ""), -EINVAL);
	assert_int_equal(rights_add(&rights, "admin"), 0);
	assert_int_equal(rights, RIGHTS_ALL);
}

static struct identity *there_and_back(const struct identity *identity)
{
	AUTO_JSON body = identity_to_json(identity);
	struct identity *copy = NULL;

	assert_non_null(body);
	assert_int_equal(identity_from_json(body, &copy), 0);
	return copy;
}

static void as_json_it_stays_who_it_is(void **state)
{
	AUTO(identity) user = identity_new("ännchen \"x\"", RIGHTS_USER | RIGHT_MODERATE);
	AUTO(identity) copy = NULL;

	(void)state;
	(void)strcpy(user->name, "Ann");
	(void)strcpy(user->key_id, "key_1");
	user->expires_at_unix_ms = 1700000000123;
	limit(user, GRANT_CHANNELS, "{\"chat_*\":[\"subscribe\",\"publish\"],\"a\":[],\"b\":\"*\"}",
	      0);
	copy = there_and_back(user);
	assert_string_equal(copy->user_id, user->user_id);
	assert_string_equal(copy->name, "Ann");
	assert_string_equal(copy->key_id, "key_1");
	assert_int_equal(copy->expires_at_unix_ms, 1700000000123);
	assert_int_equal(copy->rights, user->rights);
	assert_int_equal(copy->grants[GRANT_CHANNELS].count, 3);
	assert_true(identity_may(copy, RIGHT_PUBLISH, GRANT_CHANNELS, "chat_1"));
	assert_false(identity_may(copy, RIGHT_MODERATE, GRANT_CHANNELS, "chat_1"));
	assert_false(identity_may(copy, RIGHT_SUBSCRIBE, GRANT_CHANNELS, "a"));
	assert_true(identity_may(copy, RIGHT_ADMIN, GRANT_CHANNELS, "b"));
	/* No list is something else than an empty one. */
	assert_false(copy->grants[GRANT_ROOMS].is_limited);
	assert_true(identity_may(copy, RIGHT_MODERATE, GRANT_ROOMS, "r"));
}

static void an_empty_list_stays_one(void **state)
{
	AUTO(identity) user = identity_new("ann", RIGHTS_ALL);
	AUTO(identity) copy = NULL;

	(void)state;
	limit(user, GRANT_ROOMS, "{}", 0);
	copy = there_and_back(user);
	assert_true(copy->grants[GRANT_ROOMS].is_limited);
	assert_false(identity_may(copy, RIGHT_SUBSCRIBE, GRANT_ROOMS, "r"));
}

static void json_of_something_else_is_no_identity(void **state)
{
	static const char *const bad[] = {"{}", "{\"user_id\":7}",
					  "{\"user_id\":\"a\",\"rights\":3,\"rooms\":[]}"};
	char text[256];
	struct identity *identity = NULL;
	json_t *body;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		body = json_loads(bad[i], 0, NULL);
		assert_int_equal(identity_from_json(body, &identity), -EINVAL);
		json_decref(body);
	}
	(void)snprintf(text, sizeof(text), "%0*d", IDENTITY_USER_ID_MAX + 1, 0);
	body = json_pack("{s:s}", "user_id", text);
	assert_int_equal(identity_from_json(body, &identity), -EINVAL);
	json_decref(body);
	assert_null(identity);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_list_everything_is_open_that_the_rights_allow),
		cmocka_unit_test(a_list_gives_only_what_it_says),
		cmocka_unit_test(ones_own_channel_is_ones_own_whatever_the_list_says),
		cmocka_unit_test(a_list_of_another_shape_is_refused),
		cmocka_unit_test(an_admin_has_every_right),
		cmocka_unit_test(who_is_limited_may_not_do_it_everywhere),
		cmocka_unit_test(rights_have_names),
		cmocka_unit_test(as_json_it_stays_who_it_is),
		cmocka_unit_test(an_empty_list_stays_one),
		cmocka_unit_test(json_of_something_else_is_no_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
