#include "ws_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 65536, FRAME_SHORT = 126 };

_Noreturn void fail(const char *what)
{
	(void)fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now) < 0)
		fail("clock_gettime");
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* ---- sockets ---- */

int dial(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("connect");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

void send_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0) {
		ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);

		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (sent < 0)
			fail("send");
		at += sent;
		length -= (size_t)sent;
	}
}

void send_upgrade(int fd, const char *path)
{
	char request[512];
	int length = snprintf(request, sizeof(request),
			      "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: "
			      "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			      "Sec-WebSocket-Version: 13\r\n\r\n",
			      path);

	send_all(fd, request, (size_t)length);
}

void send_text(int fd, const char *text, size_t length)
{
	static uint8_t out[MESSAGE_MAX + 8];
	size_t at = 2;

	if (length > MESSAGE_MAX)
		fail("a message this long");
	out[0] = 0x81;
	if (length < FRAME_SHORT) {
		out[1] = (uint8_t)(0x80 | length);
	} else {
		out[1] = 0x80 | FRAME_SHORT;
		out[2] = (uint8_t)(length >> 8);
		out[3] = (uint8_t)length;
		at = 4;
	}
	memset(out + at, 0, 4); /* a mask of zeros is a mask */
	memcpy(out + at + 4, text, length);
	send_all(fd, out, at + 4 + length);
}

void wait_for(int fd, const char *needle)
{
	static char seen[ANSWER_MAX];
	size_t length = 0;

	while (!memmem(seen, length, needle, strlen(needle))) {
		ssize_t got = recv(fd, seen + length, sizeof(seen) - length, 0);

		if (got <= 0)
			fail(needle);
		length += (size_t)got;
	}
}

/* ---- the server ---- */

struct server server_parse(const char *pids)
{
	struct server server = {0};
	char *end;

	while (*pids && server.count < 16) {
		server.pids[server.count++] = (int)strtol(pids, &end, 10);
		pids = *end == ',' ? end + 1 : end;
	}
	return server;
}

/* By the clock of the process: /proc/PID/stat counts in hundredths of a second. */
double server_cpu_us(const struct server *server)
{
	double total = 0;

	for (size_t i = 0; i < server->count; i++) {
		clockid_t id;

		errno = clock_getcpuclockid(server->pids[i], &id);
		if (errno != 0)
			fail("clock_getcpuclockid");
		total += (double)clock_ns(id) / 1e3;
	}
	return total;
}

double server_rss_kib(const struct server *server)
{
	double total = 0;

	for (size_t i = 0; i < server->count; i++) {
		char path[64];
		unsigned long size, resident = 0;
		FILE *file;

		(void)snprintf(path, sizeof(path), "/proc/%d/statm", server->pids[i]);
		file = fopen(path, "re");
		if (!file || fscanf(file, "%lu %lu", &size, &resident) != 2)
			fail(path);
		(void)fclose(file);
		total += (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024;
	}
	return total;
}
