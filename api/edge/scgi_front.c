/* SCGI: a connection is one request, answered and closed. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/edge/front.h"
#include "api/router.h"
#include "api/wire/scgi.h"
#include "core/clock.h"
#include "core/log.h"

struct scgi_connection {
	int fd;
	struct scgi_head head;
	size_t length, taken; /* of bytes: read from the socket, of these given to the request */
	char bytes[SCGI_BYTES_MAX];
};

static const char *scgi_variable(void *data, const char *name)
{
	const struct scgi_connection *connection = data;

	return scgi_variable_find(&connection->head, name);
}

static ssize_t read_socket(int fd, void *into, size_t size)
{
	ssize_t got;

	do {
		got = recv(fd, into, size, 0);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* What came with the head, then what the socket gives. */
static ssize_t scgi_read(void *data, void *into, size_t size)
{
	struct scgi_connection *connection = data;
	size_t left = connection->length - connection->taken;

	if (left == 0)
		return read_socket(connection->fd, into, size);
	if (size > left)
		size = left;
	memcpy(into, connection->bytes + connection->taken, size);
	connection->taken += size;
	return (ssize_t)size;
}

static const struct request_source scgi_source = {.variable = scgi_variable, .read = scgi_read};

/* 1: the head is there; 0: the peer left; -EBADMSG, -EAGAIN (time-out) and so on. */
static int read_head(struct scgi_connection *connection)
{
	uint64_t deadline_us = clock_now_us() + FRONT_READ_TIMEOUT_S * 1000000ull;

	connection->length = 0;
	for (;;) {
		ssize_t got;
		int r;

		if (clock_now_us() > deadline_us)
			return -ETIMEDOUT;
		got = read_socket(connection->fd, connection->bytes + connection->length,
				  sizeof(connection->bytes) - connection->length);
		if (got <= 0)
			return (int)got;
		connection->length += (size_t)got;
		r = scgi_head_parse(connection->bytes, connection->length, &connection->head);
		if (r > 0)
			connection->taken = (size_t)r;
		if (r != 0)
			return r > 0 ? 1 : r;
	}
}

/* false: the web server has gone; so has whom to tell. */
static bool write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		bytes += sent;
		length -= (size_t)sent;
	}
	return true;
}

/* What of a file goes behind the head. Ends early when the file fails: the web server sees that the
 * body is too short. */
static void write_file(struct response *response, int fd)
{
	AUTO_FREE char *bytes = malloc(FRONT_FILE_BYTES);
	ssize_t got;

	while (bytes && (got = response_read_file(response, bytes, FRONT_FILE_BYTES)) > 0)
		if (!write_all(fd, bytes, (size_t)got))
			return;
}

static void serve(struct front_thread *self, struct scgi_connection *connection)
{
	struct request request;
	struct response response;
	AUTO_FREE char *bytes = NULL;
	size_t length;

	router_serve(&self->api, &request, &scgi_source, connection, &response);
	if (response_format(&response, strcmp(request.method, "HEAD") != 0, &bytes, &length) == 0 &&
	    write_all(connection->fd, bytes, length) && response.file_fd >= 0 &&
	    strcmp(request.method, "HEAD") != 0)
		write_file(&response, connection->fd);
	(void)shutdown(connection->fd, SHUT_WR);
	/* Closing with unread input would reset the connection and overtake the answer. There is no
	 * end of input after a body, so what Content-Length says is what there is. */
	if (connection->head.content_length > request.body_taken)
		(void)request_drain(&request, FRONT_DRAIN_MAX);
	response_fini(&response);
	request_fini(&request);
}

void scgi_front_run(struct front_thread *self)
{
	struct scgi_connection *connection = malloc(sizeof(*connection));

	if (!connection) {
		LOG(LOG_ERROR, LOG_MAIN, "scgi_init_failed");
		return;
	}
	while (!*self->is_stopping) {
		int r;

		connection->fd = front_accept(self, FRONT_READ_TIMEOUT_S);
		if (connection->fd < 0)
			continue;
		r = read_head(connection);
		self->is_busy = true;
		if (r > 0)
			serve(self, connection);
		else if (r < 0)
			LOG(LOG_INFO, LOG_MAIN, "scgi_bad_head", LOG_TEXT("reason", strerror(-r)));
		self->idle_fd = -1;
		self->is_busy = false;
		(void)close(connection->fd);
	}
	free(connection);
}
