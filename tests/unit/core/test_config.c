#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/config.h"
#include "tests/unit/cmocka_all.h"

static int without_surroundings(void **state)
{
	(void)state;
	assert_int_equal(clearenv(), 0);
	assert_int_equal(setenv("REALTIME_CONFIG", "/dev/null", 1), 0);
	return 0;
}

static void defaults_are_the_seeds(void **state)
{
	AUTO(config) config = NULL;
	struct error error;

	(void)state;
	assert_int_equal(config_load(&config, &error), 0);
	assert_true(config->WEBSOCKET_ENABLED);
	assert_int_equal(config->WEBSOCKET_BINARY_MAX_SIZE, 52428800);
	assert_int_equal(config->SSE_RETRY_TIMEOUT, 3000);
	assert_string_equal(config->BINARY_ALLOWED_TYPES,
			    "image/*,video/*,audio/*,application/pdf,text/*");
}

static void values_may_carry_units_and_comments(void **state)
{
	AUTO(config) config = NULL;
	struct error error;

	(void)state;
	assert_int_equal(setenv("WEBSOCKET_BINARY_MAX_SIZE", "52428800  # 50MB", 1), 0);
	assert_int_equal(setenv("BINARY_MAX_FILE_SIZE", "2GiB", 1), 0);
	assert_int_equal(setenv("SSE_ENABLED", " off ", 1), 0);
	assert_int_equal(config_load(&config, &error), 0);
	assert_int_equal(config->WEBSOCKET_BINARY_MAX_SIZE, 52428800);
	assert_int_equal(config->BINARY_MAX_FILE_SIZE, 2147483648);
	assert_false(config->SSE_ENABLED);
}

static void a_bad_value_is_named_with_its_rule(void **state)
{
	AUTO(config) config = NULL;
	struct error error;

	(void)state;
	assert_int_equal(setenv("WEBRTC_UDP_PORT", "70000", 1), 0);
	assert_int_equal(config_load(&config, &error), -EINVAL);
	assert_string_equal(error.code, "bad_setting");
	assert_string_equal(error.field, "WEBRTC_UDP_PORT");
	assert_non_null(strstr(error.message, "70000"));
	assert_non_null(strstr(error.message, "65535"));
}

static void the_environment_beats_the_file(void **state)
{
	AUTO(config) config = NULL;
	char path[] = "/tmp/test_config_XXXXXX";
	struct error error;
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	(void)state;
	assert_non_null(file);
	assert_true(fprintf(file, "# a comment\nWEBRTC_MAX_ROOMS=7\nSSE_MAX_CONNECTIONS = 8\n") >
		    0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(setenv("REALTIME_CONFIG", path, 1), 0);
	assert_int_equal(setenv("WEBRTC_MAX_ROOMS", "9", 1), 0);
	assert_int_equal(config_load(&config, &error), 0);
	assert_int_equal(config->WEBRTC_MAX_ROOMS, 9);
	assert_int_equal(config->SSE_MAX_CONNECTIONS, 8);
	assert_int_equal(unlink(path), 0);
}

static void a_misspelt_name_in_the_file_is_refused(void **state)
{
	AUTO(config) config = NULL;
	char path[] = "/tmp/test_config_XXXXXX";
	struct error error;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "WEBRTC_MAX_ROOM=7\n", 18), 18);
	assert_int_equal(close(fd), 0);
	assert_int_equal(setenv("REALTIME_CONFIG", path, 1), 0);
	assert_int_equal(config_load(&config, &error), -EINVAL);
	assert_string_equal(error.field, "WEBRTC_MAX_ROOM");
	assert_int_equal(unlink(path), 0);
}

static void a_secret_may_come_from_a_file(void **state)
{
	AUTO(config) config = NULL;
	char path[] = "/tmp/test_config_XXXXXX";
	struct error error;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "0123456789012345678901234567890#\n", 33), 33);
	assert_int_equal(close(fd), 0);
	assert_int_equal(setenv("REALTIME_JWT_SECRET_FILE", path, 1), 0);
	assert_int_equal(config_load(&config, &error), 0);
	assert_string_equal(config->REALTIME_JWT_SECRET, "0123456789012345678901234567890#");
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(defaults_are_the_seeds, without_surroundings),
		cmocka_unit_test_setup(values_may_carry_units_and_comments, without_surroundings),
		cmocka_unit_test_setup(a_bad_value_is_named_with_its_rule, without_surroundings),
		cmocka_unit_test_setup(the_environment_beats_the_file, without_surroundings),
		cmocka_unit_test_setup(a_misspelt_name_in_the_file_is_refused,
				       without_surroundings),
		cmocka_unit_test_setup(a_secret_may_come_from_a_file, without_surroundings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
