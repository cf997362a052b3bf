/* listener.h - the sockets that the web server connects to.
 *
 * REALTIME_API_LISTEN names them: "fastcgi:unix:PATH", "scgi:127.0.0.1:PORT" and so on. Whoever
 * can connect can claim to be any client, so TCP is for loopback only and Unix sockets are for the
 * owner and the group. Thread: main.
 */
#ifndef API_EDGE_LISTENER_H
#define API_EDGE_LISTENER_H

#include <sys/un.h>

#include "core/cleanup.h"
#include "core/error.h"

enum gateway { GATEWAY_FASTCGI, GATEWAY_SCGI };

struct listener {
	enum gateway gateway;
	int fd;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* "" for TCP */
};

/* Open one. A socket file that nobody listens on any more is replaced.
 *   -EINVAL "bad_setting"   -EADDRINUSE "address_taken", "socket_taken"
 *   -errno "cannot_listen", "socket_failed" */
int listener_open(const char *address, struct listener *ret_listener,
		  struct error *reterr) MUST_CHECK;

/* Close it and remove its file. */
void listener_close(struct listener *listener);

#endif
