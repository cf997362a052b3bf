/* Which addresses a stranger's URL may lead to. */
#include "core/public_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "tests/unit/cmocka_all.h"

static bool is_public(const char *text)
{
	struct sockaddr_in ipv4 = {.sin_family = AF_INET};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &ipv4.sin_addr) == 1)
		return address_is_public((const struct sockaddr *)&ipv4);
	assert_int_equal(inet_pton(AF_INET6, text, &ipv6.sin6_addr), 1);
	return address_is_public((const struct sockaddr *)&ipv6);
}

static void addresses_of_the_internet_are_public(void **state)
{
	static const char *const addresses[] = {
		"1.1.1.1",	   "9.255.255.255",   "11.0.0.0",     "100.63.255.255",
		"100.128.0.0",	   "126.255.255.255", "128.0.0.1",    "169.253.255.255",
		"169.255.0.0",	   "172.15.255.255",  "172.32.0.0",   "192.167.255.255",
		"192.169.0.0",	   "198.17.255.255",  "198.20.0.0",   "223.255.255.255",
		"2a00:1450::1",	   "2001:200::1",     "2606:4700::1", "::ffff:8.8.8.8",
		"64:ff9b::8.8.8.8"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
		if (!is_public(addresses[i]))
			fail_msg("%s counts as private", addresses[i]);
}

static void addresses_of_this_host_and_its_networks_are_not(void **state)
{
	static const char *const addresses[] = {"0.0.0.0",
						"0.1.2.3",
						"10.0.0.1",
						"10.255.255.255",
						"100.64.0.0",
						"100.127.255.255",
						"127.0.0.1",
						"127.255.255.255",
						"169.254.169.254",
						"172.16.0.0",
						"172.31.255.255",
						"192.0.0.8",
						"192.0.2.1",
						"192.168.0.1",
						"192.168.255.255",
						"198.18.0.1",
						"198.19.255.255",
						"198.51.100.7",
						"203.0.113.7",
						"224.0.0.1",
						"240.0.0.1",
						"255.255.255.255",
						"::",
						"::1",
						"::127.0.0.1",
						"::ffff:10.0.0.1",
						"::ffff:127.0.0.1",
						"64:ff9b::10.0.0.1",
						"64:ff9b:1::1",
						"fc00::1",
						"fdff::1",
						"fe80::1",
						"fec0::1",
						"ff02::1",
						"2001::1",
						"2001:db8::1",
						"2002:7f00:1::",
						"100::1",
						"3fff::1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
		if (is_public(addresses[i]))
			fail_msg("%s counts as public", addresses[i]);
}

static void what_is_no_address_of_the_internet_is_not_public(void **state)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/run/x"};

	(void)state;
	assert_false(address_is_public((const struct sockaddr *)&path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_the_internet_are_public),
		cmocka_unit_test(addresses_of_this_host_and_its_networks_are_not),
		cmocka_unit_test(what_is_no_address_of_the_internet_is_not_public),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
