/* udp_relay - a bad network between a client and a server, the same for the same seed.
 *
 *   udp_relay LISTEN_ADDRESS LISTEN_PORT SERVER_ADDRESS SERVER_PORT SEED
 *
 * Each client address gets a socket of its own towards the server, which so sees as many clients as
 * there are. A line on standard input sets what a direction does from then on, and is answered
 * "ok":
 *
 *   up|down|both [loss=PERCENT] [burst=PACKETS] [delay=MS] [jitter=MS] [rate=KBIT_S] [queue=MS]
 *                [duplicate=PERCENT] [reorder=PERCENT]
 *   rebind [ADDRESS]  the server sees every client at another port from now on (a NAT forgot), or
 *                     there at this address, which is one of this machine's own
 *   count        answered "up PASSED LOST down PASSED LOST"
 *
 * "up" is from client to server. What a line does not name is 0. burst is the mean length of a
 * loss. rate is that of the bottleneck, and queue how much of it waits there before it is dropped.
 * Packets overtake each other by reorder only: those then wait for no delay. Ends with its standard
 * input.
 */
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"

enum { CLIENTS_MAX = 32, DATAGRAM_MAX = 2048, WAITING_MAX = 16384 };
enum { UP, DOWN };

struct conditions {
	double loss, duplicate, reorder; /* 0 to 1 */
	double burst;			 /* mean length of a loss, in packets */
	double delay_us, jitter_us, queue_us;
	double rate_bps; /* 0: as fast as it comes */
};

struct link {
	struct conditions conditions;
	bool is_losing;
	double free_at_us, last_due_us; /* of the bottleneck; of the packet before */
	unsigned long passed, lost;
};

struct client {
	struct sockaddr_in address;
	int server_fd;
};

struct waiting {
	double due_us;
	unsigned long order; /* first in, first out among equals */
	int fd;
	bool is_to_client;
	struct sockaddr_in client;
	size_t length;
	uint8_t *bytes;
};

static struct link links[2];
static struct client clients[CLIENTS_MAX];
static size_t client_count;
static struct sockaddr_in server;
static struct sockaddr_in seen = {.sin_family = AF_INET}; /* where the server sees clients; any */
static int listen_fd;

/* ---- chance ---- */

static uint64_t random_state;

/* 0 <= x < 1, by xorshift64*: the same numbers for the same seed on any machine. */
static double chance(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (double)((random_state * 0x2545f4914f6cdd1dull) >> 11) / 9007199254740992.0;
}

/* Losses come in runs of `burst` packets on average (Gilbert's model). */
static bool is_lost(struct link *link)
{
	const struct conditions *now = &link->conditions;
	double burst = now->burst > 1 ? now->burst : 1;

	if (now->loss <= 0)
		link->is_losing = false;
	else if (now->loss >= 1)
		link->is_losing = true;
	else if (link->is_losing && burst > 1)
		link->is_losing = chance() >= 1 / burst;
	else if (burst > 1)
		link->is_losing = chance() < now->loss / (burst * (1 - now->loss));
	else
		link->is_losing = chance() < now->loss;
	return link->is_losing;
}

/* ---- what waits: a heap by time ---- */

static struct waiting heap[WAITING_MAX];
static size_t waiting_count;
static unsigned long next_order;

static bool is_earlier(const struct waiting *a, const struct waiting *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void heap_swap(size_t a, size_t b)
{
	struct waiting kept = heap[a];

	heap[a] = heap[b];
	heap[b] = kept;
}

static void heap_push(struct waiting waiting)
{
	size_t i = waiting_count;

	if (waiting_count == WAITING_MAX) {
		free(waiting.bytes);
		return;
	}
	waiting.order = next_order++;
	heap[waiting_count++] = waiting;
	for (; i > 0 && is_earlier(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap_swap(i, (i - 1) / 2);
}

static struct waiting heap_pop(void)
{
	struct waiting first = heap[0];
	size_t i = 0;

	heap[0] = heap[--waiting_count];
	for (;;) {
		size_t least = i, left = 2 * i + 1, right = left + 1;

		if (left < waiting_count && is_earlier(&heap[left], &heap[least]))
			least = left;
		if (right < waiting_count && is_earlier(&heap[right], &heap[least]))
			least = right;
		if (least == i)
			return first;
		heap_swap(i, least);
		i = least;
	}
}

/* ---- the way through ---- */

/* When it arrives; negative: the bottleneck's queue is full. */
static double due_at(struct link *link, double now_us, size_t length)
{
	const struct conditions *now = &link->conditions;
	double due_us = now_us;

	if (now->rate_bps > 0) {
		double start_us = link->free_at_us > now_us ? link->free_at_us : now_us;

		if (start_us - now_us > now->queue_us)
			return -1;
		link->free_at_us = start_us + (double)length * 8e6 / now->rate_bps;
		due_us = link->free_at_us;
	}
	if (now->reorder > 0 && chance() < now->reorder)
		return due_us;
	due_us += now->delay_us + now->jitter_us * chance();
	if (due_us < link->last_due_us)
		due_us = link->last_due_us;
	link->last_due_us = due_us;
	return due_us;
}

static void carry(int direction, const struct client *client, const uint8_t *bytes, size_t length)
{
	struct link *link = &links[direction];
	unsigned copies =
		link->conditions.duplicate > 0 && chance() < link->conditions.duplicate ? 2 : 1;

	while (copies-- > 0) {
		struct waiting waiting = {.fd = direction == UP ? client->server_fd : listen_fd,
					  .is_to_client = direction == DOWN,
					  .client = client->address,
					  .length = length};

		waiting.due_us = is_lost(link) ? -1 : due_at(link, (double)clock_now_us(), length);
		if (waiting.due_us < 0) {
			link->lost++;
			continue;
		}
		link->passed++;
		waiting.bytes = malloc(length);
		if (!waiting.bytes)
			abort();
		memcpy(waiting.bytes, bytes, length);
		heap_push(waiting);
	}
}

static void send_due(void)
{
	double now_us = (double)clock_now_us();

	while (waiting_count > 0 && heap[0].due_us <= now_us) {
		struct waiting waiting = heap_pop();

		/* A socket closed by a rebind meanwhile, or a full buffer: lost, as on any network.
		 */
		if (waiting.is_to_client)
			(void)sendto(waiting.fd, waiting.bytes, waiting.length, 0,
				     (struct sockaddr *)&waiting.client, sizeof(waiting.client));
		else
			(void)send(waiting.fd, waiting.bytes, waiting.length, 0);
		free(waiting.bytes);
	}
}

/* ---- clients ---- */

static int socket_to_server(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&seen, sizeof(seen)) < 0 ||
	    connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0) {
		perror("udp_relay: socket");
		exit(1);
	}
	return fd;
}

static struct client *client_of(const struct sockaddr_in *address)
{
	for (size_t i = 0; i < client_count; i++)
		if (clients[i].address.sin_addr.s_addr == address->sin_addr.s_addr &&
		    clients[i].address.sin_port == address->sin_port)
			return &clients[i];
	if (client_count == CLIENTS_MAX)
		return NULL;
	clients[client_count] =
		(struct client){.address = *address, .server_fd = socket_to_server()};
	return &clients[client_count++];
}

static void receive_from_clients(void)
{
	uint8_t bytes[DATAGRAM_MAX];
	struct sockaddr_in address;
	socklen_t address_length = sizeof(address);
	ssize_t length;

	while ((length = recvfrom(listen_fd, bytes, sizeof(bytes), MSG_DONTWAIT,
				  (struct sockaddr *)&address, &address_length)) >= 0) {
		const struct client *client = client_of(&address);

		if (client)
			carry(UP, client, bytes, (size_t)length);
	}
}

static void receive_from_server(const struct client *client)
{
	uint8_t bytes[DATAGRAM_MAX];
	ssize_t length;

	while ((length = recv(client->server_fd, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0)
		carry(DOWN, client, bytes, (size_t)length);
}

/* The old sockets stay open until the new ones have other ports. */
static bool rebind_to(const char *address)
{
	if (address && inet_pton(AF_INET, address, &seen.sin_addr) != 1)
		return false;
	for (size_t i = 0; i < client_count; i++) {
		int old = clients[i].server_fd;

		clients[i].server_fd = socket_to_server();
		(void)close(old);
	}
	return true;
}

/* ---- commands ---- */

static bool set_condition(struct conditions *conditions, const char *word)
{
	const struct {
		const char *name;
		double *field, unit;
	} names[] = {{"loss", &conditions->loss, 0.01},
		     {"burst", &conditions->burst, 1},
		     {"delay", &conditions->delay_us, 1000},
		     {"jitter", &conditions->jitter_us, 1000},
		     {"rate", &conditions->rate_bps, 1000},
		     {"queue", &conditions->queue_us, 1000},
		     {"duplicate", &conditions->duplicate, 0.01},
		     {"reorder", &conditions->reorder, 0.01}};
	const char *equals = strchr(word, '=');

	for (size_t i = 0; equals && i < sizeof(names) / sizeof(names[0]); i++) {
		char *end;

		if (strlen(names[i].name) != (size_t)(equals - word) ||
		    strncmp(names[i].name, word, (size_t)(equals - word)) != 0)
			continue;
		*names[i].field = strtod(equals + 1, &end) * names[i].unit;
		return *end == '\0' && *names[i].field >= 0;
	}
	return false;
}

static bool set_directions(const char *name, char *rest)
{
	struct conditions conditions = {.queue_us = 200000};
	bool is_up = strcmp(name, "up") == 0, is_both = strcmp(name, "both") == 0;

	if (!is_up && !is_both && strcmp(name, "down") != 0)
		return false;
	for (char *word = strtok_r(NULL, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		if (!set_condition(&conditions, word))
			return false;
	for (int i = UP; i <= DOWN; i++) {
		if (!is_both && (i == UP) != is_up)
			continue;
		links[i].conditions = conditions;
		links[i].free_at_us = 0;
	}
	return true;
}

static void obey(char *line)
{
	char *rest = NULL, *name = strtok_r(line, " ", &rest);
	bool is_understood;

	if (name && strcmp(name, "count") == 0) {
		(void)printf("up %lu %lu down %lu %lu\n", links[UP].passed, links[UP].lost,
			     links[DOWN].passed, links[DOWN].lost);
		return;
	}
	if (name && strcmp(name, "rebind") == 0)
		is_understood = rebind_to(strtok_r(NULL, " ", &rest));
	else
		is_understood = name && set_directions(name, rest);
	(void)puts(is_understood ? "ok" : "not understood");
}

/* False: standard input has ended. */
static bool read_commands(void)
{
	static char line[512];
	static size_t length;
	ssize_t got = read(STDIN_FILENO, line + length, sizeof(line) - 1 - length);
	char *end;

	if (got <= 0)
		return false;
	length += (size_t)got;
	line[length] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		obey(line);
		length -= (size_t)(end + 1 - line);
		memmove(line, end + 1, length + 1);
	}
	return length < sizeof(line) - 1;
}

/* ---- the loop ---- */

static int milliseconds_to_next(void)
{
	double left_us;

	if (waiting_count == 0)
		return -1;
	left_us = heap[0].due_us - (double)clock_now_us();
	return left_us <= 0 ? 0 : (int)ceil(left_us / 1000);
}

static bool turn(void)
{
	struct pollfd fds[2 + CLIENTS_MAX] = {{.fd = STDIN_FILENO, .events = POLLIN},
					      {.fd = listen_fd, .events = POLLIN}};
	size_t watched = client_count;

	for (size_t i = 0; i < watched; i++)
		fds[2 + i] = (struct pollfd){.fd = clients[i].server_fd, .events = POLLIN};
	(void)poll(fds, (nfds_t)(2 + watched), milliseconds_to_next());
	for (size_t i = 0; i < watched; i++)
		if (fds[2 + i].revents)
			receive_from_server(&clients[i]);
	if (fds[1].revents)
		receive_from_clients();
	send_due();
	return !fds[0].revents || read_commands();
}

static bool read_address(const char *host, const char *port, struct sockaddr_in *ret_address)
{
	*ret_address = (struct sockaddr_in){.sin_family = AF_INET,
					    .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
	return inet_pton(AF_INET, host, &ret_address->sin_addr) == 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in listened;

	if (argc != 6 || !read_address(argv[1], argv[2], &listened) ||
	    !read_address(argv[3], argv[4], &server)) {
		(void)fputs("udp_relay LISTEN_ADDRESS PORT SERVER_ADDRESS PORT SEED\n", stderr);
		return 2;
	}
	random_state = strtoull(argv[5], NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	listen_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&listened, sizeof(listened)) < 0) {
		perror("udp_relay: bind");
		return 1;
	}
	(void)puts("ready");
	while (turn())
		;
	return 0;
}
