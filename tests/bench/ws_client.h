/* ws_client.h - what the load tools of the messaging plane share: sockets that speak enough
 * WebSocket to be served, and what the server's processes have cost. A tool that cannot go on says
 * why and exits. Thread: one. */
#ifndef TESTS_BENCH_WS_CLIENT_H
#define TESTS_BENCH_WS_CLIENT_H

#include <stddef.h>
#include <stdint.h>

enum { MESSAGE_MAX = 16384, CONNECTIONS_MAX = 20000 };

_Noreturn void fail(const char *what);
uint64_t now_ns(void);

/* Connected to a port of this host, blocking. */
int dial(int port);
void send_all(int fd, const void *bytes, size_t length);
/* Ask for a WebSocket; the answer is still to be read. */
void send_upgrade(int fd, const char *path);
/* One text message of up to MESSAGE_MAX bytes. */
void send_text(int fd, const char *text, size_t length);
/* Read until `needle` has come. */
void wait_for(int fd, const char *needle);

struct server {
	int pids[16];
	size_t count;
};

/* Of "12,34". */
struct server server_parse(const char *pids);
/* CPU time of all its threads so far, user and system. */
double server_cpu_us(const struct server *server);
double server_rss_kib(const struct server *server);

#endif
