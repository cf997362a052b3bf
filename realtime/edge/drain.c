#include "realtime/edge/drain.h"

#include <string.h>

#include "core/id.h"
#include "core/json.h"
#include "realtime/wire/sse.h"

enum {
	TICK_MS = 50,
	AT_ONCE = 64,	      /* so many go in any case at each tick */
	ARRIVALS_PER_S = 200, /* that we would like to see when they come back */
	CALL_WAIT_MS = 1000   /* whoever is in a call is in a hurry */
};

static void say(struct connection *connection, const char *code, const char *reason,
		bool may_return, uint32_t wait_ms)
{
	AUTO_JSON body = json_pack("{s:s, s:s, s:s, s:b}", "type", "disconnect", "code", code,
				   "reason", reason, "reconnect", may_return);
	AUTO_FREE char *text = NULL;
	struct frame *frame;

	if (may_return)
		(void)json_object_set_new(body, "retry_after", json_real(wait_ms / 1000.0));
	text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	if (!text)
		return; /* the close code says the same */
	if (connection->transport != TRANSPORT_SSE)
		frame = frame_new_text(text, strlen(text));
	else if (may_return)
		frame = sse_frame_new_event("disconnect", text, 0);
	else
		frame = sse_frame_new_farewell("disconnect", text);
	outbox_push_take(&connection->outbox, frame);
}

void drain_dismiss(struct connection *connection, enum close_code close_code, const char *code,
		   const char *reason)
{
	if (connection->is_started && !outbox_is_ending(&connection->outbox))
		say(connection, code, reason, false, 0);
	outbox_end(&connection->outbox, close_code, code);
}

/* Anything from 0 to `most`. */
static uint32_t random_below(uint32_t most)
{
	uint32_t number;

	random_bytes(&number, sizeof(number));
	return most ? number % (most + 1) : 0;
}

static void send_away(struct server *server, struct connection *connection)
{
	uint32_t most_ms = (uint32_t)(server->connections.count * 1000 / ARRIVALS_PER_S);

	if (connection->transport == TRANSPORT_SIGNALING && most_ms > CALL_WAIT_MS)
		most_ms = CALL_WAIT_MS;
	if (connection->is_started)
		say(connection, "restart", "the server restarts; come back", true,
		    random_below(most_ms));
	outbox_end(&connection->outbox, CLOSE_RESTART, "restarting");
}

static void send_some_away(struct server *server, size_t count)
{
	for (size_t i = 0; i < TRANSPORT_COUNT; i++) {
		struct connection *connection;

		LIST_FOR_EACH (connection, &server->by_heartbeat[i], heartbeat_link) {
			if (count == 0)
				return;
			if (outbox_is_ending(&connection->outbox))
				continue;
			send_away(server, connection);
			count--;
		}
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct server *server = timer->data;

	send_some_away(server, server->drained_at_once);
}

void drain_start(struct server *server, uint64_t drain_ms)
{
	size_t ticks = drain_ms / TICK_MS + 1, count = server->connections.count;

	server->drained_at_once = count / ticks + 1 > AT_ONCE ? count / ticks + 1 : AT_ONCE;
	(void)uv_timer_start(&server->draining, on_tick, 0, TICK_MS);
}
