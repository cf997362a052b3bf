#include "realtime/edge/listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { BACKLOG = 4096 };

/* Split at the last colon; brackets around an IPv6 address are dropped. */
static int split(const char *address, char *host, size_t size, const char **ret_port)
{
	const char *colon = strrchr(address, ':');
	size_t length = colon ? (size_t)(colon - address) : 0;

	if (!colon || length >= size || !colon[1])
		return -EINVAL;
	if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
		address++;
		length -= 2;
	}
	memcpy(host, address, length);
	host[length] = '\0';
	*ret_port = colon + 1;
	return 0;
}

static int open_one(const struct addrinfo *info)
{
	AUTO_CLOSE int fd =
		socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       info->ai_protocol);
	int on = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	on = fd;
	fd = -1;
	return on;
}

int listener_open(const char *address, struct error *reterr)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
	char host[256];
	const char *port;
	int r = split(address, host, sizeof(host), &port);

	if (r == 0 && getaddrinfo(*host ? host : NULL, port, &hints, &found) != 0)
		r = -EINVAL;
	if (r < 0)
		return error_set_field(reterr, -EINVAL, "bad_setting", "REALTIME_LISTEN",
				       "REALTIME_LISTEN is \"%s\" but must be an address and a "
				       "port, such as 127.0.0.1:8001",
				       address);
	r = open_one(found);
	freeaddrinfo(found);
	if (r == -EADDRINUSE)
		return error_set(reterr, r, "port_taken",
				 "%s is taken: another program listens there", address);
	if (r < 0)
		return error_set(reterr, r, "cannot_listen", "cannot listen on %s: %s", address,
				 strerror(-r));
	return r;
}
