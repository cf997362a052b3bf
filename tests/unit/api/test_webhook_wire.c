/* Signatures as the Standard Webhooks specification has them, and which URLs pass. */
#include <errno.h>
#include <string.h>

#include "api/wire/webhook_signature.h"
#include "api/wire/webhook_url.h"
#include "tests/unit/cmocka_all.h"

static struct error error;

/* The specification's own example. */
static void a_signature_is_the_specifications(void **state)
{
	char signature[WEBHOOK_SIGNATURE_SIZE];

	(void)state;
	assert_int_equal(webhook_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
				      "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
				      "{\"test\": 2432232314}", signature),
			 0);
	assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void a_new_secret_is_one_and_like_no_other(void **state)
{
	char one[WEBHOOK_SECRET_TEXT_SIZE], other[WEBHOOK_SECRET_TEXT_SIZE];

	(void)state;
	webhook_secret_new(one);
	webhook_secret_new(other);
	assert_int_equal(webhook_secret_check(one, "secret", &error), 0);
	assert_string_not_equal(one, other);
}

static void what_is_no_secret_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"whsec_",
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", /* 22 bytes */
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
		"whsec_"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		"AAAAAAAA", /* 66 */
	};
	char signature[WEBHOOK_SIGNATURE_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(webhook_secret_check(bad[i], "secret", &error), -EINVAL);
		assert_string_equal(error.field, "secret");
		assert_int_equal(webhook_sign(bad[i], "id", 1, "{}", signature), -EINVAL);
	}
}

static int check(const char *url, bool allow_http, bool allow_private)
{
	const struct webhook_url_rules rules = {.allow_http = allow_http,
						.allow_private = allow_private};

	return webhook_url_check(url, &rules, &error);
}

static void addresses_of_the_web_pass(void **state)
{
	(void)state;
	assert_int_equal(check("https://example.org/hook?a=b", false, false), 0);
	assert_int_equal(check("https://example.org:8443", false, false), 0);
	assert_int_equal(check("https://93.184.216.34/", false, false), 0);
	assert_int_equal(check("http://example.org/", true, false), 0);
	assert_int_equal(check("https://[::1]:8443/", false, true), 0);
	assert_int_equal(check("http://127.0.0.1/", true, true), 0);
}

static void all_else_is_refused_and_told_why(void **state)
{
	static const char *const bad[] = {
		"",
		"example.org",
		"ftp://example.org/",
		"file:///etc/passwd",
		"gopher://example.org/",
		"https:///",
		"https://user:secret@example.org/",
		"https://example.org/#part",
		"http://example.org/",
		"https://127.0.0.1/",
		"https://2130706433/", /* 127.0.0.1 as one number */
		"https://0x7f.1/",
		"https://0177.0.0.1/",
		"https://10.1.2.3/",
		"https://169.254.169.254/latest/meta-data",
		"https://[::1]/",
		"https://[::ffff:127.0.0.1]/",
		"https://exa mple.org/",
		"https://example.org/\r\nX-Injected: 1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (check(bad[i], false, false) != -EINVAL)
			fail_msg("%s passes", bad[i]);
		assert_string_equal(error.field, "url");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signature_is_the_specifications),
		cmocka_unit_test(a_new_secret_is_one_and_like_no_other),
		cmocka_unit_test(what_is_no_secret_is_refused),
		cmocka_unit_test(addresses_of_the_web_pass),
		cmocka_unit_test(all_else_is_refused_and_told_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
