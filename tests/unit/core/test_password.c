/* Passwords as they are kept: found again, told apart, and what makes no sense refused. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/password.h"
#include "tests/unit/cmocka_all.h"

static void a_password_is_known_again_and_no_other_is(void **state)
{
	static const char *const others[] = {"Höhle 3 ", "höhle 3", "Höhle", "", "Höhle 33"};
	char hash[PASSWORD_HASH_SIZE], again[PASSWORD_HASH_SIZE];

	(void)state;
	assert_int_equal(password_hash("Höhle 3", hash), 0);
	assert_int_equal(strncmp(hash, "$scrypt$ln=14,r=8,p=1$", 22), 0);
	assert_int_equal(password_verify(hash, "Höhle 3"), 1);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_int_equal(password_verify(hash, others[i]), 0);
	assert_int_equal(password_hash("Höhle 3", again), 0);
	assert_string_not_equal(hash, again); /* another salt */
}

/* RFC 7914 section 12 has N = 1024, r = 8, p = 16 for "password" and "NaCl". */
static void the_rfcs_vector_fits(void **state)
{
	static const char hash[] = "$scrypt$ln=10,r=8,p=16$TmFDbA==$"
				   "/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI=";

	(void)state;
	assert_int_equal(password_verify(hash, "password"), 1);
	assert_int_equal(password_verify(hash, "Password"), 0);
}

static void what_is_no_hash_or_costs_too_much_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"password",
		"$scrypt$",
		"$scrypt$ln=14,r=8,p=1$",
		"$scrypt$ln=14,r=8,p=1$$",
		"$scrypt$ln=14,r=8,p=1$TmFDbA==$",
		"$scrypt$ln=14,r=8,p=1$TmFDbA==$TmFDbA==",
		"$scrypt$ln=99,r=8,p=1$TmFDbA==$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI=",
		"$scrypt$ln=14,r=99,p=1$TmFDbA==$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI=",
		"$scrypt$ln=14,r=8,p=0$TmFDbA==$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI=",
		"$scrypt$ln=-4,r=8,p=1$TmFDbA==$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI=",
		"$scrypt$ln=14,r=8,p=1$TmFDbA==$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI=$x",
		"$argon2id$v=19$m=19456,t=2,p=1$TmFDbA==$/bq+HJ00cgB4VucZDQHp/"
		"nxq18vII3gw53N2Y0s3MWI=",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(password_verify(bad[i], "password"), -EINVAL);
}

static void what_cannot_be_sent_in_a_header_is_no_password(void **state)
{
	static const char *const bad[] = {"", " a", "a ", "a\nb", "a\x7f", "\xff"};
	char longest[PASSWORD_MAX + 2] = {0};
	struct error error;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(password_check(bad[i], &error), -EINVAL);
		assert_string_equal(error.field, "password");
	}
	memset(longest, 'x', PASSWORD_MAX);
	assert_int_equal(password_check(longest, &error), 0);
	longest[PASSWORD_MAX] = 'x';
	assert_int_equal(password_check(longest, &error), -EINVAL);
	assert_int_equal(password_check("zwölf Bären", &error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_password_is_known_again_and_no_other_is),
		cmocka_unit_test(the_rfcs_vector_fits),
		cmocka_unit_test(what_is_no_hash_or_costs_too_much_is_refused),
		cmocka_unit_test(what_cannot_be_sent_in_a_header_is_no_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
