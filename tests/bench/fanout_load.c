/* fanout_load.c - one process that is a thousand subscribers and their publishers, and, by another
 * argument, the floor that they are measured against. Driven by fanout.py; prints one JSON object.
 *
 *   fanout_load floor PORT BYTES
 *       a bare epoll loop: whatever a publisher sends, each subscriber gets BYTES by one send()
 *   fanout_load load KIND PORT PIDS FORM SUBSCRIBERS BYTES RATE SECONDS PUBLISHERS
 *       KIND realtimed, floor or nchan; FORM ws or sse; RATE messages a second, 0: the next one
 *       as soon as all have the one before, from each of PUBLISHERS
 *   fanout_load echo PORT PIDS CONNECTIONS BUSY SECONDS
 *       BUSY of CONNECTIONS send pings and wait for the answer, as fast as it comes
 *   fanout_load persist PORT PIDS PUBLISHERS BYTES SECONDS
 *       each publishes a persistent message as soon as the one before is acknowledged
 *
 * A message carries "@PSSSSSSS:TTTTTTTTTTTTTTTT@", its publisher, number and time, which is looked
 * for in the stream whatever is around it: nothing lost, nothing twice, in order, and how late.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MARK_BYTES = 27,
	PUBLISHERS_MAX = 8,
	SUBSCRIBERS_MAX = 20000,
	READ_BYTES = 65536,
	LATENCIES_MAX = 4000000,
	CONNECT_AT_ONCE = 200,
	MESSAGE_MAX = 16384
};

static _Noreturn void fail(const char *what)
{
	(void)fprintf(stderr, "fanout_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static size_t say(char *out, size_t size, const char *text)
{
	return (size_t)snprintf(out, size, "%s", text);
}

/* ---- sockets ---- */

static int dial(int port)
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

static void send_all(int fd, const void *bytes, size_t length)
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

/* A client's frame; a mask of zeros is a mask. */
static void send_frame(int fd, const char *text, size_t length)
{
	static uint8_t out[MESSAGE_MAX + 16];
	size_t at = 2;

	out[0] = 0x81;
	if (length < 126) {
		out[1] = (uint8_t)(0x80 | length);
	} else {
		out[1] = 0x80 | 126;
		out[2] = (uint8_t)(length >> 8);
		out[3] = (uint8_t)length;
		at = 4;
	}
	memset(out + at, 0, 4);
	memcpy(out + at + 4, text, length);
	send_all(fd, out, at + 4 + length);
}

/* Read until `needle` has come; blocking. */
static void wait_for(int fd, const char *needle)
{
	static char seen[READ_BYTES];
	size_t length = 0;

	while (!memmem(seen, length, needle, strlen(needle))) {
		ssize_t got = recv(fd, seen + length, sizeof(seen) - length, 0);

		if (got <= 0)
			fail(needle);
		length += (size_t)got;
	}
}

static void upgrade(int fd, const char *path)
{
	char request[512];
	int length = snprintf(request, sizeof(request),
			      "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: "
			      "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			      "Sec-WebSocket-Version: 13\r\n\r\n",
			      path);

	send_all(fd, request, (size_t)length);
}

/* ---- CPU time and memory of the server ---- */

struct server {
	int pids[16];
	size_t count;
};

static struct server server_parse(const char *list)
{
	struct server server = {0};
	char *end;

	while (*list && server.count < 16) {
		server.pids[server.count++] = (int)strtol(list, &end, 10);
		list = *end == ',' ? end + 1 : end;
	}
	return server;
}

static double cpu_us(const struct server *server)
{
	double total = 0;

	for (size_t i = 0; i < server->count; i++) {
		char path[64], text[1024], *at;
		unsigned long user, system;
		FILE *file;
		size_t length;

		(void)snprintf(path, sizeof(path), "/proc/%d/stat", server->pids[i]);
		file = fopen(path, "re");
		if (!file)
			fail(path);
		length = fread(text, 1, sizeof(text) - 1, file);
		(void)fclose(file);
		text[length] = '\0';
		at = strrchr(text, ')');
		if (!at || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				  &user, &system) != 2)
			fail("stat");
		total += (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
	}
	return total;
}

static double rss_kib(const struct server *server)
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

/* ---- subscribers ---- */

struct subscriber {
	int fd;
	char carry[MARK_BYTES]; /* the beginning of a mark that was cut */
	size_t carried;
	unsigned last[PUBLISHERS_MAX];
};

static struct {
	struct subscriber subscribers[SUBSCRIBERS_MAX];
	size_t subscriber_count;
	uint32_t *latencies_us;
	size_t latency_count;
	uint64_t delivered[PUBLISHERS_MAX], lost, disorder;
	bool is_measuring;
} load;

static void on_mark(struct subscriber *subscriber, const char *mark)
{
	unsigned publisher = (unsigned)(mark[1] - '0'), number;
	uint64_t sent_ns;
	char text[20] = "";

	memcpy(text, mark + 2, 7);
	number = (unsigned)strtoul(text, NULL, 10);
	memcpy(text, mark + 10, 16);
	sent_ns = strtoull(text, NULL, 16);
	if (publisher >= PUBLISHERS_MAX)
		fail("a mark of nobody's");
	if (number <= subscriber->last[publisher])
		load.disorder++;
	else
		load.lost += number - subscriber->last[publisher] - 1;
	subscriber->last[publisher] = number;
	load.delivered[publisher]++;
	if (load.is_measuring && load.latency_count < LATENCIES_MAX)
		load.latencies_us[load.latency_count++] = (uint32_t)((now_ns() - sent_ns) / 1000);
}

static void scan(struct subscriber *subscriber, const char *bytes, size_t length)
{
	static char joined[READ_BYTES + MARK_BYTES];
	const char *at, *end;

	memcpy(joined, subscriber->carry, subscriber->carried);
	memcpy(joined + subscriber->carried, bytes, length);
	at = joined;
	end = joined + subscriber->carried + length;
	subscriber->carried = 0;
	while ((at = memchr(at, '@', (size_t)(end - at)))) {
		if (end - at < MARK_BYTES) {
			subscriber->carried = (size_t)(end - at);
			memcpy(subscriber->carry, at, subscriber->carried);
			return;
		}
		if (at[9] != ':' || at[MARK_BYTES - 1] != '@') {
			at++;
			continue;
		}
		on_mark(subscriber, at);
		at += MARK_BYTES;
	}
}

static int poll_fd;

static void watch(int fd, void *data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};

	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		fail("epoll_ctl");
}

static void drain(int timeout_ms)
{
	static char bytes[READ_BYTES];
	struct epoll_event events[256];
	int count = epoll_wait(poll_fd, events, 256, timeout_ms);

	for (int i = 0; i < count; i++) {
		struct subscriber *subscriber = events[i].data.ptr;
		ssize_t got = recv(subscriber->fd, bytes, sizeof(bytes), 0);

		if (got == 0)
			fail("the server closed a subscriber");
		if (got > 0)
			scan(subscriber, bytes, (size_t)got);
	}
}

struct kind {
	const char *ws_path, *sse_path;
	const char *subscribe; /* said over WebSocket; NULL: the path says it */
	const char *subscribed;
};

static const struct kind realtimed = {
	"/realtime/ws", "/realtime/events?channel=c",
	"{\"type\":\"subscribe\",\"channel\":\"c\",\"history\":{\"limit\":0}}", "\"subscribed\""};
static const struct kind others = {"/sub", "/sub", NULL, NULL};

static void connect_subscribers(const struct kind *kind, int port, bool is_sse, size_t count)
{
	for (size_t from = 0; from < count; from += CONNECT_AT_ONCE) {
		size_t to = from + CONNECT_AT_ONCE < count ? from + CONNECT_AT_ONCE : count;

		for (size_t i = from; i < to; i++) {
			char request[256];
			int fd = load.subscribers[i].fd = dial(port);

			if (!is_sse) {
				upgrade(fd, kind->ws_path);
				continue;
			}
			(void)snprintf(request, sizeof(request),
				       "GET %s HTTP/1.1\r\nHost: x\r\nAccept: "
				       "text/event-stream\r\n\r\n",
				       kind->sse_path);
			send_all(fd, request, strlen(request));
		}
		for (size_t i = from; i < to; i++)
			wait_for(load.subscribers[i].fd,
				 is_sse && kind->subscribe ? "id: " : "\r\n\r\n");
		for (size_t i = from; !is_sse && kind->subscribe && i < to; i++) {
			send_frame(load.subscribers[i].fd, kind->subscribe,
				   strlen(kind->subscribe));
			wait_for(load.subscribers[i].fd, kind->subscribed);
		}
	}
	for (size_t i = 0; i < count; i++)
		watch(load.subscribers[i].fd, &load.subscribers[i]);
	load.subscriber_count = count;
}

/* ---- publishers ---- */

struct publisher {
	struct subscriber ignored; /* first, for drain(): what it is told */
	unsigned number;
	bool is_http;
};

static void publish(struct publisher *publisher, size_t index, const struct kind *kind,
		    size_t bytes)
{
	char mark[MARK_BYTES + 1], message[MESSAGE_MAX];
	size_t at = 0, padding = bytes > MARK_BYTES ? bytes - MARK_BYTES : 0;

	(void)snprintf(mark, sizeof(mark), "@%zu%07u:%016llx@", index, ++publisher->number,
		       (unsigned long long)now_ns());
	if (kind->subscribe)
		at = say(message, sizeof(message),
			 "{\"type\":\"message\",\"channel\":\"c\",\"data\":\"");
	else if (publisher->is_http)
		at = (size_t)snprintf(message, sizeof(message),
				      "POST /pub HTTP/1.1\r\nHost: x\r\nContent-Type: "
				      "text/plain\r\nContent-Length: %zu\r\n\r\n",
				      MARK_BYTES + padding);
	memcpy(message + at, mark, MARK_BYTES);
	memset(message + at + MARK_BYTES, 'x', padding);
	at += MARK_BYTES + padding;
	if (kind->subscribe)
		at += say(message + at, sizeof(message) - at, "\"}");
	if (publisher->is_http)
		send_all(publisher->ignored.fd, message, at);
	else
		send_frame(publisher->ignored.fd, message, at);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t delivered_in_all(size_t publishers)
{
	uint64_t total = 0;

	for (size_t i = 0; i < publishers; i++)
		total += load.delivered[i];
	return total;
}

struct run {
	const struct kind *kind;
	struct publisher publishers[PUBLISHERS_MAX];
	size_t publisher_count, bytes;
	double rate;
};

/* Publish what is due. */
static void publish_due(struct run *run, uint64_t started_ns)
{
	uint64_t now = now_ns();

	if (run->rate > 0) {
		while ((double)run->publishers[0].number <
		       (double)(now - started_ns) / 1e9 * run->rate)
			publish(&run->publishers[0], 0, run->kind, run->bytes);
		return;
	}
	for (size_t i = 0; i < run->publisher_count; i++)
		if (load.delivered[i] >=
		    (uint64_t)run->publishers[i].number * load.subscriber_count)
			publish(&run->publishers[i], i, run->kind, run->bytes);
}

static void run_for(struct run *run, uint64_t started_ns, double seconds)
{
	uint64_t until = now_ns() + (uint64_t)(seconds * 1e9);

	while (now_ns() < until) {
		publish_due(run, started_ns);
		drain(1);
	}
}

static int load_main(char **argv)
{
	struct server server = server_parse(argv[2]);
	bool is_sse = strcmp(argv[3], "sse") == 0, is_nchan = strcmp(argv[0], "nchan") == 0;
	int port = atoi(argv[1]);
	size_t subscribers = (size_t)atol(argv[4]);
	struct run run = {.kind = strcmp(argv[0], "realtimed") == 0 ? &realtimed : &others,
			  .bytes = (size_t)atol(argv[5]),
			  .rate = atof(argv[6]),
			  .publisher_count = (size_t)atol(argv[8])};
	double seconds = atof(argv[7]), before_us, spent_us, idle_before, idle_after;
	uint64_t before, count, started_ns, began_ns;

	if (subscribers > SUBSCRIBERS_MAX || run.bytes > MESSAGE_MAX - 512 ||
	    run.publisher_count > PUBLISHERS_MAX)
		fail("too many");
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	load.latencies_us = calloc(LATENCIES_MAX, sizeof(uint32_t));
	idle_before = rss_kib(&server);
	connect_subscribers(run.kind, port, is_sse, subscribers);
	idle_after = rss_kib(&server);
	for (size_t i = 0; i < run.publisher_count; i++) {
		struct publisher *publisher = &run.publishers[i];

		publisher->is_http = is_nchan;
		publisher->ignored.fd = dial(port);
		if (!is_nchan) {
			upgrade(publisher->ignored.fd,
				run.kind->subscribe ? run.kind->ws_path : "/pub");
			wait_for(publisher->ignored.fd, "\r\n\r\n");
		}
		watch(publisher->ignored.fd, publisher);
	}
	started_ns = now_ns();
	run_for(&run, started_ns, 1); /* to warm up */
	load.is_measuring = true;
	before = delivered_in_all(run.publisher_count);
	before_us = cpu_us(&server);
	began_ns = now_ns();
	run_for(&run, started_ns, seconds);
	spent_us = cpu_us(&server) - before_us;
	count = delivered_in_all(run.publisher_count) - before;
	seconds = (double)(now_ns() - began_ns) / 1e9;
	load.is_measuring = false;
	run.rate = 0.000001; /* no more; take in what is under way */
	for (uint64_t until = now_ns() + 2000000000u; now_ns() < until;)
		drain(10);
	for (size_t i = 0; i < run.publisher_count; i++)
		if (load.delivered[i] != (uint64_t)run.publishers[i].number * load.subscriber_count)
			load.lost++;
	qsort(load.latencies_us, load.latency_count, sizeof(uint32_t), compare);
	(void)printf("{\"us\": %.3f, \"per_second\": %.0f, \"deliveries\": %llu, \"lost\": %llu, "
		     "\"disorder\": %llu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"kib\": %.2f}\n",
		     spent_us / (double)count, (double)count / seconds, (unsigned long long)count,
		     (unsigned long long)load.lost, (unsigned long long)load.disorder,
		     load.latencies_us[load.latency_count / 2] / 1e3,
		     load.latencies_us[load.latency_count * 99 / 100] / 1e3,
		     (idle_after - idle_before) / (double)subscribers);
	return 0;
}

/* ---- echo ---- */

static int echo_main(char **argv)
{
	static const char ping[] = "{\"type\":\"ping\"}";
	int port = atoi(argv[0]);
	struct server server = server_parse(argv[1]);
	size_t connections = (size_t)atol(argv[2]), busy = (size_t)atol(argv[3]);
	double seconds = atof(argv[4]), before_us;
	uint64_t echoes = 0, until;

	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < connections; i++) {
		load.subscribers[i].fd = dial(port);
		upgrade(load.subscribers[i].fd, realtimed.ws_path);
		wait_for(load.subscribers[i].fd, "welcome");
	}
	usleep(300000); /* the server's chores after many handshakes */
	for (size_t i = 0; i < busy; i++) {
		watch(load.subscribers[i].fd, &load.subscribers[i]);
		send_frame(load.subscribers[i].fd, ping, sizeof(ping) - 1);
	}
	before_us = cpu_us(&server);
	until = now_ns() + (uint64_t)(seconds * 1e9);
	while (now_ns() < until) {
		struct epoll_event events[256];
		int count = epoll_wait(poll_fd, events, 256, 10);
		char bytes[4096];

		for (int i = 0; i < count; i++) {
			struct subscriber *subscriber = events[i].data.ptr;

			if (recv(subscriber->fd, bytes, sizeof(bytes), 0) <= 0)
				fail("the server closed a connection");
			echoes++;
			send_frame(subscriber->fd, ping, sizeof(ping) - 1);
		}
	}
	(void)printf("{\"us\": %.3f, \"per_second\": %.0f}\n",
		     (cpu_us(&server) - before_us) / (double)echoes, (double)echoes / seconds);
	return 0;
}

/* ---- persistent messages ---- */

static int persist_main(char **argv)
{
	char message[MESSAGE_MAX];
	int port = atoi(argv[0]);
	struct server server = server_parse(argv[1]);
	size_t publishers = (size_t)atol(argv[2]), bytes = (size_t)atol(argv[3]), length;
	double seconds = atof(argv[4]), before_us, spent_s;
	uint64_t acks = 0, began, until;

	if (publishers > SUBSCRIBERS_MAX || bytes > MESSAGE_MAX - 512)
		fail("too many");
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < publishers; i++) {
		load.subscribers[i].fd = dial(port);
		upgrade(load.subscribers[i].fd, realtimed.ws_path);
		wait_for(load.subscribers[i].fd, "welcome");
		watch(load.subscribers[i].fd, &load.subscribers[i]);
	}
	length = say(message, sizeof(message),
		     "{\"type\":\"message\",\"channel\":\"c\",\"persistent\":true,\"data\":\"");
	memset(message + length, 'x', bytes);
	length += bytes;
	length += say(message + length, sizeof(message) - length, "\"}");
	for (size_t i = 0; i < publishers; i++)
		send_frame(load.subscribers[i].fd, message, length);
	before_us = cpu_us(&server);
	began = now_ns();
	until = began + (uint64_t)(seconds * 1e9);
	while (now_ns() < until) {
		struct epoll_event events[256];
		int count = epoll_wait(poll_fd, events, 256, 10);
		char answer[4096];

		for (int i = 0; i < count; i++) {
			struct subscriber *subscriber = events[i].data.ptr;
			ssize_t got = recv(subscriber->fd, answer, sizeof(answer), 0);

			if (got <= 0 || !memmem(answer, (size_t)got, "\"ack\"", 5))
				fail("no ack");
			acks++;
			send_frame(subscriber->fd, message, length);
		}
	}
	spent_s = (double)(now_ns() - began) / 1e9;
	(void)printf("{\"us\": %.3f, \"per_second\": %.0f}\n",
		     (cpu_us(&server) - before_us) / (double)acks, (double)acks / spent_s);
	return 0;
}

/* ---- the floor ---- */

static int floor_main(char **argv)
{
	static int subscribers[SUBSCRIBERS_MAX];
	static uint8_t is_publisher[1 << 16];
	static char out[MESSAGE_MAX], bytes[READ_BYTES];
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)atoi(argv[0])),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	size_t count = 0, length = (size_t)atol(argv[1]);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};

	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 4096) < 0)
		fail("listen");
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	(void)epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
	memset(out, 'x', sizeof(out));
	for (;;) {
		struct epoll_event events[256];
		int ready = epoll_wait(poll_fd, events, 256, -1);

		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;
			ssize_t got;

			if (fd == listener) {
				fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
				if (fd < 0)
					continue;
				(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
				event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
				(void)epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
				continue;
			}
			got = recv(fd, bytes, sizeof(bytes), 0);
			if (got <= 0) {
				for (size_t s = 0; s < count; s++)
					if (subscribers[s] == fd)
						subscribers[s--] = subscribers[--count];
				is_publisher[fd] = 0;
				(void)close(fd);
			} else if (is_publisher[fd]) { /* the mark, wherever it is */
				const char *mark = memchr(bytes, '@', (size_t)got);

				if (!mark)
					continue;
				memcpy(out + length / 2, mark, MARK_BYTES);
				for (size_t s = 0; s < count; s++)
					(void)send(subscribers[s], out, length, MSG_NOSIGNAL);
			} else {
				if (memmem(bytes, (size_t)got, "GET /pub", 8))
					is_publisher[fd] = 1;
				else
					subscribers[count++] = fd;
				send_all(fd, "HTTP/1.1 200 OK\r\n\r\n", 19);
			}
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "floor") == 0)
		return floor_main(argv + 2);
	if (argc == 11 && strcmp(argv[1], "load") == 0)
		return load_main(argv + 2);
	if (argc == 7 && strcmp(argv[1], "echo") == 0)
		return echo_main(argv + 2);
	if (argc == 7 && strcmp(argv[1], "persist") == 0)
		return persist_main(argv + 2);
	(void)fprintf(stderr, "usage: see the head of tests/bench/fanout_load.c\n");
	return 2;
}
