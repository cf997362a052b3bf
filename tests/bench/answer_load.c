/* answer_load.c - clients that say one thing, wait for the answer and say it again, as fast as it
 * comes. Driven by fanout.py (pings) and persist.py (messages to be stored).
 *
 *   answer_load PORT PIDS CONNECTIONS BUSY MESSAGE ANSWER
 *       CONNECTIONS to realtimed; the first BUSY of them say MESSAGE, and what comes must have
 *       ANSWER in it
 *
 * Connects, and then measures for each number of seconds that it reads from its standard input;
 * prints one JSON object each.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ws_client.h"

enum { EVENTS_AT_ONCE = 256, ANSWER_MAX = 4096, SETTLE_US = 300000 };

static struct {
	int sockets[CONNECTIONS_MAX], poll_fd;
	size_t busy_count, owed_count;
	const char *message, *answer;
	size_t answer_count;
} load;

static void say(int fd)
{
	send_text(fd, load.message, strlen(load.message));
	load.owed_count++;
}

/* Hear what has been answered; say the next thing, unless it is enough. */
static void hear(int is_over)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int count = epoll_wait(load.poll_fd, events, EVENTS_AT_ONCE, 10);

	for (int i = 0; i < count; i++) {
		char bytes[ANSWER_MAX];
		ssize_t got = recv(events[i].data.fd, bytes, sizeof(bytes), 0);

		if (got <= 0 || !memmem(bytes, (size_t)got, load.answer, strlen(load.answer)))
			fail("no answer");
		load.answer_count++;
		load.owed_count--;
		if (!is_over)
			say(events[i].data.fd);
	}
}

static void measure(const struct server *server, double seconds)
{
	double before_us = server_cpu_us(server), took_s;
	uint64_t began_ns = now_ns(), until_ns = began_ns + (uint64_t)(seconds * 1e9);

	load.answer_count = 0;
	for (size_t i = 0; i < load.busy_count; i++)
		say(load.sockets[i]);
	while (now_ns() < until_ns)
		hear(0);
	while (load.owed_count > 0)
		hear(1);
	took_s = (double)(now_ns() - began_ns) / 1e9;
	(void)printf("{\"us\": %.3f, \"per_second\": %.0f, \"count\": %zu}\n",
		     (server_cpu_us(server) - before_us) / (double)load.answer_count,
		     (double)load.answer_count / took_s, load.answer_count);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	struct server server;
	size_t connections;
	char line[64];

	if (argc != 7) {
		(void)fprintf(stderr, "usage: see the head of tests/bench/answer_load.c\n");
		return 2;
	}
	server = server_parse(argv[2]);
	connections = (size_t)atol(argv[3]);
	load.busy_count = (size_t)atol(argv[4]);
	load.message = argv[5];
	load.answer = argv[6];
	if (connections > CONNECTIONS_MAX || load.busy_count > connections)
		fail("too many");
	load.poll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < connections; i++) {
		int fd = load.sockets[i] = dial(atoi(argv[1]));
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

		send_upgrade(fd, "/realtime/ws");
		wait_for(fd, "welcome");
		if (i < load.busy_count && epoll_ctl(load.poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
			fail("epoll_ctl");
	}
	(void)usleep(SETTLE_US); /* the server's chores after many handshakes */
	while (fgets(line, sizeof(line), stdin))
		measure(&server, atof(line));
	return 0;
}
