#include "core/public_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "core/cleanup.h"

struct ipv4_block {
	uint32_t first;
	unsigned bits;
};

#define IPV4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static const struct ipv4_block special_ipv4[] = {
	{IPV4(0, 0, 0, 0), 8},	     /* this network */
	{IPV4(10, 0, 0, 0), 8},	     /* private */
	{IPV4(100, 64, 0, 0), 10},   /* carriers' NAT */
	{IPV4(127, 0, 0, 0), 8},     /* loopback */
	{IPV4(169, 254, 0, 0), 16},  /* link-local; metadata services */
	{IPV4(172, 16, 0, 0), 12},   /* private */
	{IPV4(192, 0, 0, 0), 24},    /* protocols */
	{IPV4(192, 0, 2, 0), 24},    /* documentation */
	{IPV4(192, 88, 99, 0), 24},  /* 6to4 relays */
	{IPV4(192, 168, 0, 0), 16},  /* private */
	{IPV4(198, 18, 0, 0), 15},   /* benchmarks */
	{IPV4(198, 51, 100, 0), 24}, /* documentation */
	{IPV4(203, 0, 113, 0), 24},  /* documentation */
	{IPV4(224, 0, 0, 0), 3},     /* multicast, reserved, broadcast */
};

static bool ipv4_is_public(uint32_t address)
{
	for (size_t i = 0; i < ARRAY_LEN(special_ipv4); i++)
		if ((address ^ special_ipv4[i].first) >> (32 - special_ipv4[i].bits) == 0)
			return false;
	return true;
}

static uint32_t last_ipv4(const uint8_t *bytes)
{
	return IPV4(bytes[12], bytes[13], bytes[14], bytes[15]);
}

static bool ipv6_is_public(const uint8_t *bytes)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

	if (memcmp(bytes, mapped, sizeof(mapped)) == 0 || memcmp(bytes, nat64, sizeof(nat64)) == 0)
		return ipv4_is_public(last_ipv4(bytes));
	if ((bytes[0] & 0xe0) != 0x20) /* 2000::/3 is all that is given out */
		return false;
	if (bytes[0] == 0x20 && bytes[1] == 0x01 &&
	    (bytes[2] < 0x02 || (bytes[2] == 0x0d && bytes[3] == 0xb8)))
		return false; /* 2001::/23 protocols and Teredo, 2001:db8::/32 documentation */
	if (bytes[0] == 0x20 && bytes[1] == 0x02)
		return false;						   /* 6to4 */
	return !(bytes[0] == 0x3f && bytes[1] == 0xff && bytes[2] < 0x10); /* 3fff::/20 */
}

bool address_is_public(const struct sockaddr *address)
{
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;

	switch (address->sa_family) {
	case AF_INET:
		memcpy(&ipv4, address, sizeof(ipv4));
		return ipv4_is_public(ntohl(ipv4.sin_addr.s_addr));
	case AF_INET6:
		memcpy(&ipv6, address, sizeof(ipv6));
		return ipv6_is_public(ipv6.sin6_addr.s6_addr);
	default:
		return false;
	}
}
