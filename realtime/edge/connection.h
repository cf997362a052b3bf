/* connection.h - one client's socket: its outbox sent, its messages put together, its end.
 *
 * What a connection is owed leaves in one sendmsg() at the end of the loop's turn, straight on its
 * socket. This is sound only while libwebsockets has nothing of its own to send there and no frame
 * is half written: what the kernel refuses of a frame therefore goes to libwebsockets at once, and
 * nothing more is sent until its writable callback.
 *
 *   PENDING --connection_start()--> OPEN --outbox ends--> CLOSING --> freed with its socket
 *   (while PENDING nothing is read: who it is is being looked up)
 *
 * Thread: loop.
 */
#ifndef REALTIME_EDGE_CONNECTION_H
#define REALTIME_EDGE_CONNECTION_H

#include <libwebsockets.h>

#include "realtime/edge/deadlines.h"
#include "realtime/edge/stream_watch.h"
#include "realtime/model/event_stream.h"
#include "realtime/model/quota.h"
#include "realtime/model/session.h"
#include "realtime/model/switchboard.h"
#include "realtime/wire/deflate.h"

enum transport { TRANSPORT_WEBSOCKET, TRANSPORT_SSE, TRANSPORT_SIGNALING, TRANSPORT_COUNT };

const char *transport_name(enum transport transport);

/* What a delivery touches comes first and together: it is cold for each of thousands. */
struct connection {
	struct outbox outbox;
	struct lws *wsi; /* borrowed; frees this when it goes */
	int fd;		 /* of wsi */
	enum transport transport;
	bool is_started;
	bool is_blocked; /* the kernel is full: wait for the writable callback */
	bool is_closing;
	bool is_deflating;	  /* agreed on with the client */
	bool is_message_deflated; /* the one that is being received */
	struct table_link by_id;
	struct list heartbeat_link; /* on the server's list of its transport */
	char id[CONNECTION_ID_SIZE];
	struct quota_entry *by_address, *by_user, *by_key; /* owned; NULL: not counted */
	struct deadline deadline;			   /* of its standing */
	bool was_warned;				   /* of the end of its token */
	bool wants_native;				   /* by its subprotocol */
	struct identity *identity; /* owned reference; anonymous until it is known better */
	uint64_t heard_at_us, pinged_at_us;
	union { /* the last: only as much as the transport needs is allocated */
		struct {
			struct stream_watch *watch; /* owned */
			char *origin; /* of its page, which may read it; owned, until it starts */
			struct event_stream stream;
		};
		struct {
			struct inflater *inflater; /* owned; from its first deflated message on */
			/* A message that comes in pieces, or deflated. */
			char *received;
			size_t received_length, received_capacity;
			union {
				struct session session;
				struct signaling_session signaling;
			};
		};
	};
};

/* Bytes of a connection of that transport. */
size_t connection_size(enum transport transport);

/* Sending to thousands of connections waits for memory more than for anything else of ours: ask for
 * what connection_flush() will look at. First this; */
void connection_prefetch(const struct connection *connection);
/* and, when that is there, this. */
void connection_prefetch_socket(const struct connection *connection);

/* Send what is owed, as far as the kernel takes it. */
void connection_flush(struct connection *connection);
/* The kernel takes more. */
void connection_on_writable(struct connection *connection);

/* Add a piece of a message; -EMSGSIZE past `limit`. */
int connection_receive(struct connection *connection, const void *bytes, size_t length,
		       size_t limit) MUST_CHECK;
/* The message is dealt with. */
void connection_received_clear(struct connection *connection);
/* It is over. Not for an event stream, which says nothing. */
void connection_received_free(struct connection *connection);

/* Close without ceremony: the peer is dead. */
void connection_kill(struct connection *connection);

#endif
