#include "sfu/edge/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>

#include "core/config.h"

enum { CANDIDATES_MAX = 32 };

uint32_t net_path_hash(const struct net_path *path)
{
	const uint8_t *bytes = path->remote.s6_addr;
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < sizeof(path->remote); i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	hash = (hash ^ (path->remote_port & 0xff)) * 16777619u;
	hash = (hash ^ (path->remote_port >> 8)) * 16777619u;
	return hash;
}

socklen_t net_path_remote(const struct net_path *path, struct sockaddr_storage *ret_address)
{
	memset(ret_address, 0, sizeof(*ret_address));
	if (IN6_IS_ADDR_V4MAPPED(&path->remote)) {
		struct sockaddr_in *address = (struct sockaddr_in *)ret_address;

		address->sin_family = AF_INET;
		address->sin_port = path->remote_port;
		memcpy(&address->sin_addr, path->remote.s6_addr + 12, 4);
		return sizeof(*address);
	} else {
		struct sockaddr_in6 *address = (struct sockaddr_in6 *)ret_address;

		address->sin6_family = AF_INET6;
		address->sin6_port = path->remote_port;
		address->sin6_addr = path->remote;
		return sizeof(*address);
	}
}

const char *net_path_text(const struct net_path *path, char *text, size_t size)
{
	bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(&path->remote);
	char address[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(is_ipv4 ? AF_INET : AF_INET6, path->remote.s6_addr + (is_ipv4 ? 12 : 0),
			address, sizeof(address));
	(void)snprintf(text, size, is_ipv4 ? "%s:%u%s" : "[%s]:%u%s", address,
		       ntohs(path->remote_port), path->connection ? "/tcp" : "");
	return text;
}

struct collected {
	struct sdp_candidate *candidates;
	size_t count;
	struct error *reterr;
	int result;
};

static void add_candidate(struct collected *collected, const char *address, bool is_ipv6)
{
	struct sdp_candidate *candidate;

	for (size_t i = 0; i < collected->count; i++)
		if (strcmp(collected->candidates[i].address, address) == 0)
			return;
	if (collected->count == CANDIDATES_MAX)
		return;
	candidate = &collected->candidates[collected->count++];
	(void)snprintf(candidate->address, sizeof(candidate->address), "%s", address);
	candidate->foundation = (uint32_t)collected->count;
	/* RFC 8445 section 5.1.2: type preference 126 for host, IPv6 first, component 1. */
	candidate->priority = 126u << 24 |
			      (uint32_t)(65535u - collected->count - (is_ipv6 ? 0 : 256)) << 8 |
			      255u;
}

/* Clients can reach nothing under 0.0.0.0, ::, or an address of many hosts. */
static bool is_of_one_host(const struct in6_addr *address)
{
	static const uint8_t ipv4_broadcast[4] = {255, 255, 255, 255}, none[4];
	const uint8_t *ipv4 = address->s6_addr + 12;

	if (!IN6_IS_ADDR_V4MAPPED(address))
		return !IN6_IS_ADDR_UNSPECIFIED(address) && !IN6_IS_ADDR_MULTICAST(address);
	return memcmp(ipv4, none, 4) != 0 && memcmp(ipv4, ipv4_broadcast, 4) != 0 &&
	       !IN_MULTICAST((uint32_t)ipv4[0] << 24);
}

static void add_announced(void *data, const char *item)
{
	struct collected *collected = data;
	struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
	bool is_ipv4 = inet_pton(AF_INET, item, address.s6_addr + 12) == 1;

	if (collected->result < 0)
		return;
	if (!is_ipv4 && inet_pton(AF_INET6, item, &address) != 1)
		collected->result = error_set_field(
			collected->reterr, -EINVAL, "bad_setting", "WEBRTC_ANNOUNCED_IPS",
			"WEBRTC_ANNOUNCED_IPS has \"%s\", which is not an IP address", item);
	else if (!is_of_one_host(&address))
		collected->result = error_set_field(collected->reterr, -EINVAL, "bad_setting",
						    "WEBRTC_ANNOUNCED_IPS",
						    "WEBRTC_ANNOUNCED_IPS has \"%s\", which is not "
						    "the address of one host; name "
						    "those that clients reach this one by, or none "
						    "to announce the interfaces' own",
						    item);
	else
		add_candidate(collected, item, !is_ipv4);
}

static int add_interfaces(struct collected *collected, bool with_loopback)
{
	struct ifaddrs *interfaces;

	if (getifaddrs(&interfaces) < 0)
		return -errno;
	for (struct ifaddrs *at = interfaces; at; at = at->ifa_next) {
		char text[INET6_ADDRSTRLEN];
		const void *address;
		bool is_ipv6;

		if (!at->ifa_addr || !(at->ifa_flags & IFF_UP) ||
		    ((at->ifa_flags & IFF_LOOPBACK) && !with_loopback))
			continue;
		is_ipv6 = at->ifa_addr->sa_family == AF_INET6;
		if (is_ipv6)
			address = &((const struct sockaddr_in6 *)(const void *)at->ifa_addr)
					   ->sin6_addr;
		else if (at->ifa_addr->sa_family == AF_INET)
			address =
				&((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr;
		else
			continue;
		/* Link-local addresses need a zone, which SDP cannot say; ::1 serves nobody. */
		if (is_ipv6 && (IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)address) ||
				IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)address)))
			continue;
		if (inet_ntop(at->ifa_addr->sa_family, address, text, sizeof(text)))
			add_candidate(collected, text, is_ipv6);
	}
	freeifaddrs(interfaces);
	return 0;
}

int net_candidates(const char *announced, bool with_loopback, struct sdp_candidate **ret_candidates,
		   size_t *ret_count, struct error *reterr)
{
	struct collected collected = {.reterr = reterr};

	collected.candidates = calloc(CANDIDATES_MAX, sizeof(*collected.candidates));
	if (!collected.candidates)
		return -ENOMEM;
	config_list_for_each(announced, add_announced, &collected);
	if (collected.result == 0 && collected.count == 0)
		collected.result = add_interfaces(&collected, with_loopback);
	else if (collected.result == 0 && with_loopback)
		add_candidate(&collected, "127.0.0.1", false);
	if (collected.result < 0) {
		free(collected.candidates);
		return collected.result;
	}
	*ret_candidates = collected.candidates;
	*ret_count = collected.count;
	return 0;
}
