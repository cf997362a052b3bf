/* Credentials as coturn checks them. */
#include "tests/unit/cmocka_all.h"

#include "core/json.h"
#include "core/turn.h"

static void a_credential_is_the_mac_of_its_username(void **state)
{
	/* printf %s 1700003600:peer_1 | openssl dgst -sha1 -hmac north -binary | base64 */
	static const char expected[] = "3qHK6dhNQBPvSdweENKHa8RPl+4=";
	AUTO_JSON server =
		turn_server_new("turn:a:3478, turns:a:5349", "north", "peer_1", 1700000000, 3600);

	(void)state;
	assert_int_equal(json_array_size(json_object_get(server, "urls")), 2);
	assert_string_equal(json_string_value(json_object_get(server, "username")),
			    "1700003600:peer_1");
	assert_string_equal(json_string_value(json_object_get(server, "credential")), expected);
}

static void without_a_secret_there_are_urls_alone(void **state)
{
	AUTO_JSON server = turn_server_new("turn:a:3478", NULL, "peer_1", 1, 3600);

	(void)state;
	assert_null(json_object_get(server, "credential"));
	assert_int_equal(json_array_size(json_object_get(server, "urls")), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_credential_is_the_mac_of_its_username),
		cmocka_unit_test(without_a_secret_there_are_urls_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
