/* bus_client.h - a process's end of the bus, on a thread of its own.
 *
 * The thread connects, says hello, delivers what comes, sends what is queued, and reconnects with
 * back-off (50 ms to 1 s) for as long as the client lives. While disconnected every call and send
 * fails at once with -ENOTCONN "bus_unavailable".
 *
 *   DISCONNECTED --connect, hello answered--> CONNECTED --EOF, bad frame, queue full-->
 * DISCONNECTED
 *
 * Thread: any for the functions; the callbacks run on the client's thread and must not block.
 */
#ifndef CORE_BUS_CLIENT_H
#define CORE_BUS_CLIENT_H

#include "core/bus.h"

struct bus_client;

struct bus_client_events {
	/* The body of HELLO besides role and pid: a new object, or NULL. */
	json_t *(*hello)(void *data);
	void (*connected)(void *data, const json_t *answer);
	void (*disconnected)(void *data);
	/* An event or a request; a request must sooner or later be answered by bus_client_respond()
	 * or bus_client_refuse(). The frame is borrowed, but its body may be kept with STEAL(). */
	void (*received)(void *data, struct bus_frame *frame);
};

/* `path`, `role`, `events` and `data` are borrowed for the client's life; members of events may be
 * NULL. Starts the thread. -ENOMEM, -EAGAIN. */
int bus_client_new(const char *path, const char *role, const struct bus_client_events *events,
		   void *data, struct bus_client **ret_client) MUST_CHECK;
/* Closes the connection and joins the thread: not to be called from a callback. */
struct bus_client *bus_client_free(struct bus_client *client);
DEFINE_AUTO(bus_client, bus_client_free);

bool bus_client_is_connected(struct bus_client *client);

/* Ask and wait. `body` is taken. On success *ret_body is a new reference (may be asked for as
 * NULL). -ENOTCONN "bus_unavailable"   -ETIMEDOUT "bus_timeout"   or the error that the far end
 * answered */
int bus_client_call(struct bus_client *client, enum bus_message message, json_t *body,
		    unsigned timeout_ms, json_t **ret_body, struct error *reterr) MUST_CHECK;

/* Queue an event. `body` is taken. -ENOTCONN (nothing queued). */
int bus_client_send(struct bus_client *client, enum bus_message message, json_t *body);

/* Answer a request received earlier, whose message and id were kept. `body` is taken. Lost quietly
 * if the connection has changed since: the far end has given up by then. */
void bus_client_respond(struct bus_client *client, enum bus_message message, uint32_t request_id,
			json_t *body);
void bus_client_refuse(struct bus_client *client, enum bus_message message, uint32_t request_id,
		       const struct error *error);

#endif
