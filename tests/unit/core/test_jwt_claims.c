/* test_jwt_claims.c - what a token says: until when, for whom, who it is and what they may. */
#include "tests/unit/core/token_check.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/core/signed_token.h"

static void times_count_with_leeway_at_both_ends(void **state)
{
	struct token_check *check = *state;
	const int64_t second = now_ms / 1000;
	char claims[128], token[512];

	check->config->REALTIME_JWT_LEEWAY = 10;
	open_with_secret(check);
	(void)snprintf(claims, sizeof(claims), "{\"sub\":\"ann\",\"exp\":%lld,\"nbf\":%lld}",
		       (long long)second + 100, (long long)second);
	(void)snprintf(token, sizeof(token), "%s", token_secret(claims));
	refuses_at(check, token, now_ms - 10001, "token_not_yet_valid");
	(void)identity_unref(accept_at(check, token, now_ms - 10000));
	(void)identity_unref(accept_at(check, token, now_ms + 109999));
	refuses_at(check, token, now_ms + 110000, "token_expired");
	check->config->REALTIME_JWT_LEEWAY = 0;
	refuses_at(check, token, now_ms - 1, "token_not_yet_valid");
	(void)identity_unref(accept_at(check, token, now_ms + 99999));
	refuses_at(check, token, now_ms + 100000, "token_expired");
	/* Fractions are allowed (RFC 7519 section 2), other types are not. */
	accepts(check, token_secret("{\"sub\":\"ann\",\"exp\":1700000000.5}"));
	refuses_at(check, token_secret("{\"sub\":\"ann\",\"exp\":1700000000.5}"), now_ms + 500,
		   "token_expired");
	refuses(check, token_secret("{\"sub\":\"ann\",\"exp\":\"1800000000\"}"));
	refuses(check, token_secret("{\"sub\":\"ann\",\"exp\":null}"));
	refuses(check, token_secret("{\"sub\":\"ann\",\"exp\":-1}"));
	refuses(check, token_secret("{\"sub\":\"ann\",\"exp\":1e300}"));
	refuses(check, token_secret("{\"sub\":\"ann\",\"nbf\":true}"));
	refuses_at(check, token_secret("{\"sub\":\"ann\",\"exp\":0}"), now_ms, "token_expired");
}

static void issuer_and_audience_are_demanded_where_they_are_set(void **state)
{
	struct token_check *check = *state;
	open_with_secret(check);
	accepts(check, token_secret("{\"sub\":\"ann\",\"iss\":\"x\",\"aud\":[\"y\"]}"));
	set(&check->config->REALTIME_JWT_ISSUER, "https://id.example");
	refuses(check, token_secret("{\"sub\":\"ann\"}"));
	refuses(check, token_secret("{\"sub\":\"ann\",\"iss\":\"https://id.example/\"}"));
	refuses(check, token_secret("{\"sub\":\"ann\",\"iss\":[\"https://id.example\"]}"));
	accepts(check, token_secret("{\"sub\":\"ann\",\"iss\":\"https://id.example\"}"));
	set(&check->config->REALTIME_JWT_ISSUER, "");
	set(&check->config->REALTIME_JWT_AUDIENCE, "realtime");
	refuses(check, token_secret("{\"sub\":\"ann\"}"));
	refuses(check, token_secret("{\"sub\":\"ann\",\"aud\":\"other\"}"));
	refuses(check, token_secret("{\"sub\":\"ann\",\"aud\":[\"other\",1]}"));
	refuses(check, token_secret("{\"sub\":\"ann\",\"aud\":{\"realtime\":1}}"));
	accepts(check, token_secret("{\"sub\":\"ann\",\"aud\":\"realtime\"}"));
	accepts(check, token_secret("{\"sub\":\"ann\",\"aud\":[\"other\",\"realtime\"]}"));
}

static struct identity *identity_of(struct token_check *check, const char *claims)
{
	return accept_at(check, token_secret(claims), now_ms);
}

static void claims_say_who_it_is_and_what_they_may(void **state)
{
	struct token_check *check = *state;
	AUTO(identity) user = NULL;
	AUTO(identity) admin = NULL;
	AUTO(identity) moderator = NULL;
	AUTO(identity) limited = NULL;

	open_with_secret(check);
	user = identity_of(
		check, "{\"user_id\":\"ann\",\"name\":\"Ann Ä\",\"exp\":1700000001,\"other\":{}}");
	assert_string_equal(user->user_id, "ann");
	assert_string_equal(user->name, "Ann Ä");
	assert_string_equal(user->key_id, "");
	assert_int_equal(user->expires_at_unix_ms, 1700000001000);
	assert_int_equal(user->rights, RIGHTS_USER);
	assert_true(identity_may(user, RIGHT_PUBLISH, GRANT_CHANNELS, "any"));
	moderator = identity_of(
		check, "{\"sub\":\"m\",\"user_id\":\"x\",\"roles\":[\"moderator\",\"writer\",7]}");
	assert_string_equal(moderator->user_id, "m");
	assert_int_equal(moderator->rights, RIGHTS_USER | RIGHT_MODERATE);
	assert_int_equal(moderator->expires_at_unix_ms, 0);
	admin = identity_of(check, "{\"sub\":\"a\",\"roles\":[\"admin\"]}");
	assert_int_equal(admin->rights, RIGHTS_ALL);
	limited = identity_of(
		check, "{\"sub\":\"l\",\"channels\":{\"chat_*\":[\"subscribe\"],\"c\":\"publish\"},"
		       "\"rooms\":{\"r\":\"*\"}}");
	assert_true(identity_may(limited, RIGHT_SUBSCRIBE, GRANT_CHANNELS, "chat_1"));
	assert_false(identity_may(limited, RIGHT_PUBLISH, GRANT_CHANNELS, "chat_1"));
	assert_true(identity_may(limited, RIGHT_PUBLISH, GRANT_CHANNELS, "c"));
	assert_true(identity_may(limited, RIGHT_ADMIN, GRANT_ROOMS, "r"));
	assert_false(identity_may(limited, RIGHT_SUBSCRIBE, GRANT_ROOMS, "s"));
	assert_false(identity_may_anywhere(limited, RIGHT_ADMIN));
}

static void a_name_that_cannot_be_shown_is_left_out(void **state)
{
	struct token_check *check = *state;
	AUTO(identity) odd = NULL;
	AUTO(identity) number = NULL;

	open_with_secret(check);
	odd = identity_of(check, "{\"sub\":\"ann\",\"name\":\"a\\nb\"}");
	assert_string_equal(odd->name, "");
	number = identity_of(check, "{\"sub\":\"ann\",\"name\":7}");
	assert_string_equal(number->name, "");
}

static void claims_that_make_no_sense_are_refused(void **state)
{
	struct token_check *check = *state;
	static const char *const claims[] = {
		"{}",
		"{\"sub\":\"\"}",
		"{\"sub\":7}",
		"{\"sub\":\"a*b\"}",
		"{\"sub\":\"a\\nb\"}",
		"{\"sub\":\"ann\",\"roles\":\"admin\"}",
		"{\"sub\":\"ann\",\"channels\":[]}",
		"{\"sub\":\"ann\",\"channels\":null}",
		"{\"sub\":\"ann\",\"channels\":{\"a\":[\"fly\"]}}",
		"{\"sub\":\"ann\",\"rooms\":\"*\"}",
		"{\"sub\":\"ann\",\"rooms\":{\"a\":7}}",
	};
	char name[IDENTITY_USER_ID_MAX + 2], long_claims[256];

	open_with_secret(check);
	for (size_t i = 0; i < ARRAY_LEN(claims); i++)
		refuses(check, token_secret(claims[i]));
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(long_claims, sizeof(long_claims), "{\"sub\":\"%s\"}", name);
	refuses(check, token_secret(long_claims));
	(void)snprintf(long_claims, sizeof(long_claims), "{\"sub\":\"%s\"}", name + 1);
	(void)identity_unref(accept_at(check, token_secret(long_claims), now_ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_TEST(times_count_with_leeway_at_both_ends),
		TOKEN_TEST(issuer_and_audience_are_demanded_where_they_are_set),
		TOKEN_TEST(claims_say_who_it_is_and_what_they_may),
		TOKEN_TEST(a_name_that_cannot_be_shown_is_left_out),
		TOKEN_TEST(claims_that_make_no_sense_are_refused),
	};

	return RUN_WITH_KEYS(tests);
}
