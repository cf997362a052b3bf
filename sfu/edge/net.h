/* net.h - addresses on the media port.
 *
 * One dual-stack socket per worker: every address is an IPv6 one, IPv4 in its mapped form, so that
 * the rest of the relay knows one kind. A path also has the local address, because the answer must
 * leave from where the packet came to. Thread: any.
 */
#ifndef SFU_EDGE_NET_H
#define SFU_EDGE_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sfu/wire/sdp.h"

struct net_path {
	struct in6_addr remote, local;
	uint16_t remote_port; /* network order */
	uint32_t connection;  /* of TCP, as tcp_port.h numbers them; 0: UDP */
};

static inline bool net_path_is_equal(const struct net_path *a, const struct net_path *b)
{
	return a->remote_port == b->remote_port && a->connection == b->connection &&
	       memcmp(&a->remote, &b->remote, sizeof(a->remote)) == 0 &&
	       memcmp(&a->local, &b->local, sizeof(a->local)) == 0;
}

uint32_t net_path_hash(const struct net_path *path);

/* The remote end as a sockaddr of its own family; returns its size. */
socklen_t net_path_remote(const struct net_path *path, struct sockaddr_storage *ret_address);
/* "192.0.2.1:4000" or "[2001:db8::1]:4000/tcp" for logs. */
const char *net_path_text(const struct net_path *path, char *text, size_t size);

/* Host candidates: `announced` (comma separated) if not empty, else the addresses of the
 * interfaces that are up; loopback only with `with_loopback`. malloc()ed into *ret_candidates, the
 * ports left 0. -EINVAL "bad_setting" for a text that is no address, -ENOMEM. */
int net_candidates(const char *announced, bool with_loopback, struct sdp_candidate **ret_candidates,
		   size_t *ret_count, struct error *reterr) MUST_CHECK;

#endif
