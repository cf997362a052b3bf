/* fanout_load.c - one process that is all subscribers of a server and their publishers. Driven by
 * fanout.py.
 *
 *   fanout_load KIND PORT PIDS FORM SUBSCRIBERS BYTES
 *       KIND realtimed, floor or nchan; FORM ws or sse
 *
 * Connects, prints what a connection takes of the server's memory, and then measures for each line
 * "RATE SECONDS PUBLISHERS" of its standard input; one JSON object each. RATE is messages a second
 * of the first publisher; 0: the next one as soon as all have the one before, of each of them.
 *
 * What comes is searched for the marks of messages (fanout_mark.h), whatever is around them: is any
 * lost or twice, are they in order, and how late. A measurement ends when all has arrived.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fanout_mark.h"
#include "ws_client.h"

enum {
	PUBLISHERS_MAX = 8,
	READ_BYTES = 65536,
	LATENCIES_MAX = 4000000,
	CONNECT_AT_ONCE = 200,
	EVENTS_AT_ONCE = 256,
	ENVELOPE_BYTES = 512, /* around the data, at most */
	SETTLE_US = 1000000   /* the server's chores after many handshakes */
};

#define ARRIVE_NS 5000000000u /* what is later is lost */

struct subscriber {
	int fd;
	char carry[MARK_BYTES]; /* the beginning of a mark that was cut */
	size_t carried;
	unsigned last[PUBLISHERS_MAX];
};

struct publisher {
	struct subscriber ignored; /* first, for receive(): what it is told */
	unsigned number;
};

struct kind {
	const char *name, *ws_path, *sse_path;
	const char *pub_path;  /* NULL: by HTTP */
	const char *subscribe; /* said over WebSocket; NULL: the path says it */
	const char *subscribed, *streaming;
};

static const struct kind kinds[] = {
	{"realtimed", "/realtime/ws", "/realtime/events?channel=c", "/realtime/ws",
	 "{\"type\":\"subscribe\",\"channel\":\"c\",\"history\":{\"limit\":0}}", "\"subscribed\"",
	 "id: "},
	{"floor", "/sub", "/sub", "/pub", NULL, NULL, "\r\n\r\n"},
	{"nchan", "/sub", "/sub", NULL, NULL, NULL, "\r\n\r\n"},
};

static struct {
	const struct kind *kind;
	struct server server;
	int poll_fd, port;
	bool is_sse;
	size_t bytes; /* of a message's data */
	struct subscriber subscribers[CONNECTIONS_MAX];
	size_t subscriber_count;
	struct publisher publishers[PUBLISHERS_MAX];
	uint32_t *latencies_us;
	size_t latency_count;
	uint64_t delivered[PUBLISHERS_MAX], received_bytes, lost, disorder;
} load;

/* ---- what comes ---- */

static void on_mark(struct subscriber *subscriber, const char *mark)
{
	unsigned publisher = (unsigned)(mark[1] - '0'), number;
	uint64_t sent_ns;
	char text[20] = "";

	memcpy(text, mark + 2, 7);
	number = (unsigned)strtoul(text, NULL, 10);
	memcpy(text, mark + MARK_COLON + 1, 16);
	sent_ns = strtoull(text, NULL, 16);
	if (publisher >= PUBLISHERS_MAX)
		fail("a mark of nobody's");
	if (number <= subscriber->last[publisher])
		load.disorder++;
	else
		load.lost += number - subscriber->last[publisher] - 1;
	subscriber->last[publisher] = number;
	load.delivered[publisher]++;
	if (load.latency_count < LATENCIES_MAX)
		load.latencies_us[load.latency_count++] = (uint32_t)((now_ns() - sent_ns) / 1000);
}

static void scan(struct subscriber *subscriber, const char *bytes, size_t length)
{
	static char joined[READ_BYTES + MARK_BYTES];
	const char *at = joined, *end = joined + subscriber->carried + length;

	memcpy(joined, subscriber->carry, subscriber->carried);
	memcpy(joined + subscriber->carried, bytes, length);
	subscriber->carried = 0;
	while ((at = mark_find(at, end))) {
		if (end - at < MARK_BYTES) {
			subscriber->carried = (size_t)(end - at);
			memcpy(subscriber->carry, at, subscriber->carried);
			return;
		}
		on_mark(subscriber, at);
		at += MARK_BYTES;
	}
}

static void receive(int timeout_ms)
{
	static char bytes[READ_BYTES];
	struct epoll_event events[EVENTS_AT_ONCE];
	int count = epoll_wait(load.poll_fd, events, EVENTS_AT_ONCE, timeout_ms);

	for (int i = 0; i < count; i++) {
		struct subscriber *subscriber = events[i].data.ptr;
		ssize_t got = recv(subscriber->fd, bytes, sizeof(bytes), 0);

		if (got == 0)
			fail("the server closed a connection");
		if (got < 0)
			continue;
		scan(subscriber, bytes, (size_t)got);
		if (subscriber < load.subscribers + CONNECTIONS_MAX &&
		    subscriber >= load.subscribers)
			load.received_bytes += (uint64_t)got;
	}
}

/* ---- connecting ---- */

static void watch(struct subscriber *subscriber)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = subscriber};

	(void)fcntl(subscriber->fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(load.poll_fd, EPOLL_CTL_ADD, subscriber->fd, &event) < 0)
		fail("epoll_ctl");
}

static void ask_for_stream(int fd)
{
	char request[256];
	int length = snprintf(request, sizeof(request),
			      "GET %s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n",
			      load.kind->sse_path);

	send_all(fd, request, (size_t)length);
}

static void connect_some(size_t from, size_t to)
{
	const struct kind *kind = load.kind;

	for (size_t i = from; i < to; i++) {
		int fd = load.subscribers[i].fd = dial(load.port);

		if (load.is_sse)
			ask_for_stream(fd);
		else
			send_upgrade(fd, kind->ws_path);
	}
	for (size_t i = from; i < to; i++) {
		int fd = load.subscribers[i].fd;

		wait_for(fd, load.is_sse ? kind->streaming : "\r\n\r\n");
		if (!load.is_sse && kind->subscribe) {
			send_text(fd, kind->subscribe, strlen(kind->subscribe));
			wait_for(fd, kind->subscribed);
		}
	}
}

static void connect_all(size_t from, size_t to)
{
	for (; from < to; from += CONNECT_AT_ONCE)
		connect_some(from, from + CONNECT_AT_ONCE < to ? from + CONNECT_AT_ONCE : to);
	load.subscriber_count = to;
}

static void watch_all(void)
{
	for (size_t i = 0; i < load.subscriber_count; i++)
		watch(&load.subscribers[i]);
	for (size_t i = 0; i < PUBLISHERS_MAX; i++) {
		struct subscriber *publisher = &load.publishers[i].ignored;

		publisher->fd = dial(load.port);
		if (load.kind->pub_path) {
			send_upgrade(publisher->fd, load.kind->pub_path);
			wait_for(publisher->fd, "\r\n\r\n");
		}
		watch(publisher);
	}
}

/* What a connection adds to the server's memory. The first few also pay for what is there once, and
 * are not counted. */
static double connect_and_weigh(size_t count)
{
	size_t first = count > 2 * CONNECT_AT_ONCE ? CONNECT_AT_ONCE : 0;
	double before_kib;

	connect_all(0, first);
	(void)usleep(SETTLE_US);
	before_kib = server_rss_kib(&load.server);
	connect_all(first, count);
	(void)usleep(SETTLE_US);
	return (server_rss_kib(&load.server) - before_kib) / (double)(count - first);
}

/* ---- publishing ---- */

static void publish(size_t index)
{
	struct publisher *publisher = &load.publishers[index];
	size_t padding = load.bytes > MARK_BYTES ? load.bytes - MARK_BYTES : 0, at = 0;
	char mark[MARK_BYTES + 1], message[MESSAGE_MAX];

	(void)snprintf(mark, sizeof(mark), "@%zu%07u:%016llx@", index, ++publisher->number,
		       (unsigned long long)now_ns());
	if (load.kind->subscribe)
		at = (size_t)snprintf(message, sizeof(message),
				      "{\"type\":\"message\",\"channel\":\"c\",\"data\":\"");
	else if (!load.kind->pub_path)
		at = (size_t)snprintf(message, sizeof(message),
				      "POST /pub HTTP/1.1\r\nHost: x\r\nContent-Type: "
				      "text/plain\r\nContent-Length: %zu\r\n\r\n",
				      MARK_BYTES + padding);
	memcpy(message + at, mark, MARK_BYTES);
	memset(message + at + MARK_BYTES, 'x', padding);
	at += MARK_BYTES + padding;
	if (load.kind->subscribe)
		at += (size_t)snprintf(message + at, sizeof(message) - at, "\"}");
	if (load.kind->pub_path)
		send_text(publisher->ignored.fd, message, at);
	else
		send_all(publisher->ignored.fd, message, at);
}

static bool has_arrived(size_t publisher)
{
	return load.delivered[publisher] >=
	       (uint64_t)load.publishers[publisher].number * load.subscriber_count;
}

/* ---- measuring ---- */

struct run {
	double rate, seconds;
	size_t publishers;
	uint64_t began_ns;
	uint64_t published; /* at a rate */
};

static void publish_due(struct run *run)
{
	if (run->rate > 0) {
		for (double due = (double)(now_ns() - run->began_ns) / 1e9 * run->rate;
		     (double)run->published < due; run->published++)
			publish(0);
		return;
	}
	for (size_t i = 0; i < run->publishers; i++)
		if (has_arrived(i))
			publish(i);
}

static bool have_all_arrived(void)
{
	for (size_t i = 0; i < PUBLISHERS_MAX; i++)
		if (!has_arrived(i))
			return false;
	return true;
}

static uint64_t delivered_count(void)
{
	uint64_t total = 0;

	for (size_t i = 0; i < PUBLISHERS_MAX; i++)
		total += load.delivered[i];
	return total;
}

/* What is missing, or too much; from here on nobody is owed any of it. */
static void settle(void)
{
	for (size_t i = 0; i < PUBLISHERS_MAX; i++) {
		uint64_t owed = (uint64_t)load.publishers[i].number * load.subscriber_count;

		if (load.delivered[i] < owed)
			load.lost += owed - load.delivered[i];
		if (load.delivered[i] > owed)
			load.disorder += load.delivered[i] - owed;
		load.delivered[i] = owed;
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double latency_ms(size_t percent)
{
	if (load.latency_count == 0)
		return 0;
	return load.latencies_us[load.latency_count * percent / 100] / 1e3;
}

static void measure(struct run *run)
{
	uint64_t before = delivered_count(), count, until_ns;
	double before_us = server_cpu_us(&load.server), took_s, spent_us;

	load.latency_count = 0;
	load.received_bytes = load.lost = load.disorder = 0;
	run->began_ns = now_ns();
	until_ns = run->began_ns + (uint64_t)(run->seconds * 1e9);
	while (now_ns() < until_ns) {
		publish_due(run);
		receive(1);
	}
	until_ns = now_ns() + ARRIVE_NS;
	while (!have_all_arrived() && now_ns() < until_ns)
		receive(1);
	took_s = (double)(now_ns() - run->began_ns) / 1e9;
	spent_us = server_cpu_us(&load.server) - before_us;
	count = delivered_count() - before;
	settle();
	qsort(load.latencies_us, load.latency_count, sizeof(uint32_t), compare);
	(void)printf("{\"us\": %.3f, \"per_second\": %.0f, \"count\": %llu, \"lost\": %llu, "
		     "\"disorder\": %llu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"bytes\": %.0f}\n",
		     spent_us / (double)count, (double)count / took_s, (unsigned long long)count,
		     (unsigned long long)load.lost, (unsigned long long)load.disorder,
		     latency_ms(50), latency_ms(99), (double)load.received_bytes / (double)count);
	(void)fflush(stdout);
}

/* Until there is something to read on standard input; whatever the server says meanwhile is heard.
 */
static void rest(void)
{
	struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
			       {.fd = load.poll_fd, .events = POLLIN}};

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			fail("poll");
		if (fds[1].revents)
			receive(0);
		if (fds[0].revents)
			return;
	}
}

int main(int argc, char **argv)
{
	char line[128];

	for (size_t i = 0; argc == 7 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(argv[1], kinds[i].name) == 0)
			load.kind = &kinds[i];
	if (!load.kind) {
		(void)fprintf(stderr, "usage: see the head of tests/bench/fanout_load.c\n");
		return 2;
	}
	load.port = atoi(argv[2]);
	load.server = server_parse(argv[3]);
	load.is_sse = strcmp(argv[4], "sse") == 0;
	load.bytes = (size_t)atol(argv[6]);
	if (atol(argv[5]) > CONNECTIONS_MAX || load.bytes > MESSAGE_MAX - ENVELOPE_BYTES)
		fail("too many");
	load.poll_fd = epoll_create1(EPOLL_CLOEXEC);
	load.latencies_us = calloc(LATENCIES_MAX, sizeof(uint32_t));
	(void)printf("{\"kib\": %.2f}\n", connect_and_weigh((size_t)atol(argv[5])));
	(void)fflush(stdout);
	watch_all();
	setvbuf(stdin, NULL, _IONBF, 0); /* rest() must see what is left to read */
	for (rest(); fgets(line, sizeof(line), stdin); rest()) {
		struct run run = {0};

		if (sscanf(line, "%lf %lf %zu", &run.rate, &run.seconds, &run.publishers) != 3 ||
		    run.publishers > PUBLISHERS_MAX)
			fail("no such measurement");
		measure(&run);
	}
	return 0;
}
