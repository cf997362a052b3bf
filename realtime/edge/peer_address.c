#include "realtime/edge/peer_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "realtime/edge/http.h"

enum { FORWARDED_SIZE = 16384 }; /* more than all headers may have */

/* Of the socket. true: it is of this host. */
static bool socket_address(struct lws *wsi, char out[PEER_ADDRESS_SIZE])
{
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof(address);
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address;
	const struct sockaddr_in *four = (const struct sockaddr_in *)&address;

	*out = '\0';
	if (getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)&address, &size) < 0)
		return false; /* it has gone already */
	if (address.ss_family == AF_INET) {
		(void)inet_ntop(AF_INET, &four->sin_addr, out, PEER_ADDRESS_SIZE);
		return (ntohl(four->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
	}
	if (address.ss_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &six->sin6_addr, out, PEER_ADDRESS_SIZE);
		return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
	}
	return address.ss_family == AF_UNIX;
}

/* What a proxy says. "" if it says nothing. The last of a list is its own word, whatever its client
 * has said before it. */
static void forwarded_address(struct lws *wsi, char out[PEER_ADDRESS_SIZE])
{
	static char list[FORWARDED_SIZE]; /* the loop's alone */
	const char *last;

	*out = '\0';
	if (!http_header_get(wsi, WSI_TOKEN_X_FORWARDED_FOR, list, sizeof(list))) {
		(void)http_header_get(wsi, WSI_TOKEN_HTTP_X_REAL_IP, out, PEER_ADDRESS_SIZE);
		return;
	}
	last = strrchr(list, ',');
	last = last ? last + 1 + strspn(last + 1, " ") : list;
	(void)snprintf(out, PEER_ADDRESS_SIZE, "%.*s", PEER_ADDRESS_SIZE - 1, last);
}

void peer_address_get(struct lws *wsi, char out[PEER_ADDRESS_SIZE])
{
	if (socket_address(wsi, out))
		forwarded_address(wsi, out);
}

bool peer_is_local(struct lws *wsi)
{
	char address[PEER_ADDRESS_SIZE];

	if (!socket_address(wsi, address))
		return false;
	forwarded_address(wsi, address);
	return !*address;
}
