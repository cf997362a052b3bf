/* http_load.c - clients with kept connections that send one HTTP request, wait for the answer and
 * send it again, as fast as it comes. Driven by rest.py.
 *
 *   http_load PORT NGINX-PIDS BACKEND-PIDS CONNECTIONS <REQUEST
 *
 * REQUEST is what is sent, and ends where its first line "measure SECONDS" begins; "########" in it
 * becomes another number each time. Every "measure" prints one JSON object: answers a second, and
 * what one has cost nginx and what is behind it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ws_client.h"

enum { EVENTS_AT_ONCE = 256, REQUEST_MAX = 65536, HEAD_MAX = 4096, LOAD_MAX = 1024 };

struct client {
	int fd;
	char head[HEAD_MAX];
	size_t head_length;
	size_t body_left; /* meaningful once is_in_body */
	int is_in_body;
};

static struct {
	struct client clients[LOAD_MAX];
	size_t count, owed_count, answer_count;
	int poll_fd;
	char request[REQUEST_MAX];
	size_t request_length, number_at; /* 0: no number in it */
	unsigned number;
} load;

static void ask(struct client *client)
{
	if (load.number_at > 0) {
		char digits[9];

		(void)snprintf(digits, sizeof(digits), "%08u", ++load.number);
		memcpy(load.request + load.number_at, digits, 8);
	}
	client->head_length = 0;
	client->is_in_body = 0;
	send_all(client->fd, load.request, load.request_length);
	load.owed_count++;
}

/* How long the body is: every answer here says so. */
static size_t content_length(const char *head)
{
	const char *line = strcasestr(head, "\r\ncontent-length:");

	if (!line) {
		if (strstr(head, " 204 "))
			return 0;
		fail("an answer without Content-Length");
	}
	return (size_t)strtoul(line + 17, NULL, 10);
}

/* The head is there, and what has come of the body behind it. */
static void begin_body(struct client *client, const char *end)
{
	size_t head = (size_t)(end - client->head) + 4, there = client->head_length - head, whole;

	if (strncmp(client->head, "HTTP/1.1 2", 10) != 0) {
		(void)fprintf(stderr, "http_load: %.*s\n", (int)client->head_length, client->head);
		exit(1);
	}
	whole = content_length(client->head);
	if (there > whole)
		fail("more than one answer");
	client->is_in_body = 1;
	client->body_left = whole - there;
}

/* Read what is there; 1: the answer is complete. */
static int hear_client(struct client *client)
{
	static char bytes[1 << 16];
	const char *end;
	ssize_t got;

	if (client->is_in_body) {
		got = recv(client->fd, bytes,
			   client->body_left < sizeof(bytes) ? client->body_left : sizeof(bytes),
			   0);
		if (got <= 0)
			fail("an answer broke off");
		client->body_left -= (size_t)got;
		return client->body_left == 0;
	}
	got = recv(client->fd, client->head + client->head_length,
		   sizeof(client->head) - 1 - client->head_length, 0);
	if (got <= 0)
		fail("no answer");
	client->head_length += (size_t)got;
	client->head[client->head_length] = '\0';
	end = strstr(client->head, "\r\n\r\n");
	if (end)
		begin_body(client, end);
	return end && client->body_left == 0;
}

static void hear(int is_over)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int count = epoll_wait(load.poll_fd, events, EVENTS_AT_ONCE, 10);

	for (int i = 0; i < count; i++) {
		if (!hear_client(events[i].data.ptr))
			continue;
		load.answer_count++;
		load.owed_count--;
		if (!is_over)
			ask(events[i].data.ptr);
	}
}

static void measure(const struct server *nginx, const struct server *backend, double seconds)
{
	double nginx_us = server_cpu_us(nginx), backend_us = server_cpu_us(backend), count, took_s;
	uint64_t began_ns = now_ns(), until_ns = began_ns + (uint64_t)(seconds * 1e9);

	load.answer_count = 0;
	for (size_t i = 0; i < load.count; i++)
		ask(&load.clients[i]);
	while (now_ns() < until_ns)
		hear(0);
	while (load.owed_count > 0)
		hear(1);
	took_s = (double)(now_ns() - began_ns) / 1e9;
	count = (double)load.answer_count;
	(void)printf(
		"{\"per_second\": %.0f, \"nginx_us\": %.2f, \"backend_us\": %.2f, \"us\": %.2f}\n",
		count / took_s, (server_cpu_us(nginx) - nginx_us) / count,
		(server_cpu_us(backend) - backend_us) / count,
		(server_cpu_us(nginx) - nginx_us + server_cpu_us(backend) - backend_us) / count);
	(void)fflush(stdout);
}

/* Up to the line that asks to measure, which is left in `line`. */
static int read_request(char *line, size_t size)
{
	const char *number;

	while (fgets(line, (int)size, stdin) && strncmp(line, "measure ", 8) != 0) {
		size_t length = strlen(line);

		if (load.request_length + length >= sizeof(load.request))
			fail("a request this long");
		memcpy(load.request + load.request_length, line, length + 1);
		load.request_length += length;
	}
	load.request_length--; /* the line end before "measure" */
	number = memmem(load.request, load.request_length, "########", 8);
	load.number_at = number ? (size_t)(number - load.request) : 0;
	load.number = (unsigned)(now_ns() / 1000 % 50000000);
	return strncmp(line, "measure ", 8) == 0;
}

int main(int argc, char **argv)
{
	static char line[REQUEST_MAX];
	struct server nginx, backend;

	if (argc != 5) {
		(void)fprintf(stderr, "usage: see the head of tests/bench/http_load.c\n");
		return 2;
	}
	nginx = server_parse(argv[2]);
	backend = server_parse(argv[3]);
	load.count = (size_t)atol(argv[4]);
	if (load.count > LOAD_MAX)
		fail("too many");
	load.poll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < load.count; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &load.clients[i]};

		load.clients[i].fd = dial(atoi(argv[1]));
		if (epoll_ctl(load.poll_fd, EPOLL_CTL_ADD, load.clients[i].fd, &event) < 0)
			fail("epoll_ctl");
	}
	if (!read_request(line, sizeof(line)))
		return 2;
	do
		if (strncmp(line, "measure ", 8) == 0)
			measure(&nginx, &backend, atof(line + 8));
	while (fgets(line, sizeof(line), stdin));
	return 0;
}
