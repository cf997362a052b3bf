/* fanout_floor.c - the least that a fan-out can cost without gathering: a bare epoll loop that, for
 * each message of a publisher, sends every subscriber bytes made before, by one send() each.
 *
 *   fanout_floor PORT BYTES
 *
 * Who asks for /pub publishes, everybody else listens. A message is a mark (see fanout_load.c),
 * which is copied into the bytes.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fanout_mark.h"
#include "ws_client.h"

enum { EVENTS_AT_ONCE = 256, DESCRIPTORS_MAX = 65536, READ_BYTES = 65536 };

static struct {
	int subscribers[CONNECTIONS_MAX];
	bool is_publisher[DESCRIPTORS_MAX];
	size_t count, length;
	char out[MESSAGE_MAX];
} level;

static int listen_on(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4096) < 0)
		fail("listen");
	return fd;
}

static void watch(int poll_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		fail("epoll_ctl");
}

static void let_in(int poll_fd, int listener)
{
	int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (fd >= DESCRIPTORS_MAX)
		fail("too many connections");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	watch(poll_fd, fd);
}

static void leave(int fd)
{
	for (size_t i = 0; i < level.count; i++)
		if (level.subscribers[i] == fd)
			level.subscribers[i--] = level.subscribers[--level.count];
	level.is_publisher[fd] = false;
	(void)close(fd);
}

static void join(int fd, const char *request, size_t length)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n";

	if (memmem(request, length, "GET /pub", 8))
		level.is_publisher[fd] = true;
	else if (level.count < CONNECTIONS_MAX)
		level.subscribers[level.count++] = fd;
	send_all(fd, answer, sizeof(answer) - 1);
}

static void fan_out(const char *bytes, size_t length)
{
	const char *at = bytes, *end = bytes + length;

	while ((at = mark_find(at, end)) && end - at >= MARK_BYTES) {
		memcpy(level.out + level.length / 2, at, MARK_BYTES);
		at += MARK_BYTES;
		for (size_t i = 0; i < level.count; i++)
			(void)send(level.subscribers[i], level.out, level.length, MSG_NOSIGNAL);
	}
}

int main(int argc, char **argv)
{
	int poll_fd = epoll_create1(EPOLL_CLOEXEC), listener;

	if (argc != 3 || (level.length = (size_t)atol(argv[2])) > MESSAGE_MAX ||
	    level.length < 2 * MARK_BYTES) {
		(void)fprintf(stderr, "usage: fanout_floor PORT BYTES\n");
		return 2;
	}
	memset(level.out, 'x', sizeof(level.out));
	listener = listen_on(atoi(argv[1]));
	watch(poll_fd, listener);
	for (;;) {
		static char bytes[READ_BYTES];
		struct epoll_event events[EVENTS_AT_ONCE];
		int ready = epoll_wait(poll_fd, events, EVENTS_AT_ONCE, -1);

		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;
			ssize_t got;

			if (fd == listener) {
				let_in(poll_fd, listener);
				continue;
			}
			got = recv(fd, bytes, sizeof(bytes), 0);
			if (got <= 0)
				leave(fd);
			else if (level.is_publisher[fd])
				fan_out(bytes, (size_t)got);
			else
				join(fd, bytes, (size_t)got);
		}
	}
}
