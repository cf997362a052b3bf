#include "api/edge/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/unix_listener.h"

enum { BACKLOG = 1024 };

static int bad_setting(struct error *reterr, const char *address, const char *rule)
{
	return error_set_field(reterr, -EINVAL, "bad_setting", "REALTIME_API_LISTEN",
			       "REALTIME_API_LISTEN has \"%s\": %s", address, rule);
}

static int cannot_listen(struct error *reterr, const char *address, int number)
{
	if (number == EADDRINUSE)
		return error_set(reterr, -EADDRINUSE, "address_taken",
				 "%s is taken: another process listens there", address);
	return error_set(reterr, -number, "cannot_listen", "cannot listen on %s: %s", address,
			 strerror(number));
}

/* ---- Unix sockets ---- */

static int open_unix(const char *path, struct listener *listener, struct error *reterr)
{
	int fd;

	if (*path != '/' || strlen(path) >= sizeof(listener->path))
		return bad_setting(reterr, path,
				   "a socket's path must be absolute and at most 107 "
				   "bytes long");
	fd = unix_listener_open(path, reterr);
	if (fd < 0)
		return fd;
	/* Made for event loops; ours are threads that wait in accept(). */
	if (fcntl(fd, F_SETFL, 0) < 0 || listen(fd, BACKLOG) < 0) {
		(void)close(fd);
		return cannot_listen(reterr, path, errno);
	}
	(void)strcpy(listener->path, path); /* it fits */
	listener->fd = fd;
	return 0;
}

/* ---- TCP ---- */

static int open_tcp(const char *text, struct listener *listener, struct error *reterr)
{
	static const char rule[] = "TCP must be 127.x.y.z:PORT or [::1]:PORT";
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	const char *colon = strrchr(text, ':');
	char host[64] = "", *end = NULL;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
	AUTO_CLOSE int fd = -1;
	int one = 1, r;
	bool is_v6;

	if (!colon || (size_t)(colon - text) >= sizeof(host) || port < 1 || port > 65535 || *end)
		return bad_setting(reterr, text, rule);
	memcpy(host, text, (size_t)(colon - text));
	is_v6 = strcmp(host, "[::1]") == 0;
	if (!is_v6 && (inet_pton(AF_INET, host, &v4.sin_addr) != 1 ||
		       ntohl(v4.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET))
		return bad_setting(reterr, text, rule);
	v4.sin_port = htons((uint16_t)port);
	v6.sin6_port = v4.sin_port;
	fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cannot_listen(reterr, text, errno);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	r = is_v6 ? bind(fd, (const struct sockaddr *)&v6, sizeof(v6))
		  : bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
	if (r < 0 || listen(fd, BACKLOG) < 0)
		return cannot_listen(reterr, text, errno);
	listener->fd = fd;
	fd = -1;
	return 0;
}

int listener_open(const char *address, struct listener *ret_listener, struct error *reterr)
{
	struct listener listener = {.fd = -1};
	const char *rest = strchr(address, ':');
	int r;

	if (strncmp(address, "fastcgi:", 8) == 0)
		listener.gateway = GATEWAY_FASTCGI;
	else if (strncmp(address, "scgi:", 5) == 0)
		listener.gateway = GATEWAY_SCGI;
	else
		return bad_setting(reterr, address, "it must begin with fastcgi: or scgi:");
	rest++;
	if (strncmp(rest, "unix:", 5) == 0)
		r = open_unix(rest + 5, &listener, reterr);
	else
		r = open_tcp(rest, &listener, reterr);
	if (r == 0)
		*ret_listener = listener;
	return r;
}

void listener_close(struct listener *listener)
{
	if (listener->fd >= 0)
		(void)close(listener->fd); /* nothing is written to it */
	listener->fd = -1;
	if (*listener->path)
		(void)unlink(listener->path); /* a file left behind is replaced by the next start */
}
