#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "core/bus_client.h"
#include "core/json.h"
#include "core/log.h"
#include "ctl/commands.h"

enum { CONNECT_MS = 2000, TRY_MS = 20, ANSWER_MS = 5000 };

static const struct bus_client_events no_events;

/* Ask the process that serves the socket `path`; a new one has to be waited for. */
static int ask(const char *path, enum bus_message message, json_t *taken, json_t **ret_answer,
	       struct error *reterr)
{
	const struct timespec pause = {.tv_nsec = TRY_MS * 1000000L};
	AUTO(bus_client) client = NULL;
	AUTO_JSON body = taken;
	int r;

	if (!log_is_on(LOG_DEBUG, LOG_MAIN)) /* that we come and go is no news */
		log_set_level(LOG_MAIN, LOG_ERROR);
	r = bus_client_new(path, "ctl", &no_events, NULL, &client);
	if (r < 0)
		return error_set(reterr, r, "out_of_memory", "out of memory");
	for (int ms = 0; ms < CONNECT_MS && !bus_client_is_connected(client); ms += TRY_MS)
		(void)nanosleep(&pause, NULL); /* shorter is fine */
	if (!bus_client_is_connected(client))
		return error_set(
			reterr, -ENOTCONN, "bus_unavailable",
			"nobody answers at %s; does the process run, and are you in its group?",
			path);
	return bus_client_call(client, message, json_incref(body), ANSWER_MS, ret_answer, reterr);
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "-";
}

static json_int_t number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static int status(const struct config *config, const struct arguments *arguments,
		  struct error *reterr)
{
	AUTO_JSON hub = NULL;
	AUTO_JSON sfu = NULL;
	struct error sfu_error = {0};
	const json_t *connections;
	int r = ask(config->REALTIME_BUS, BUS_HUB_STATUS, json_object(), &hub, reterr);

	(void)arguments;
	if (r < 0)
		return r;
	connections = json_object_get(hub, "connections");
	(void)printf(
		"realtimed: %lld connections (%lld WebSocket, %lld event streams, %lld in calls), "
		"%lld channels\n",
		number_of(connections, "total"), number_of(connections, "websocket"),
		number_of(connections, "sse"), number_of(connections, "signaling"),
		number_of(hub, "channels"));
	r = ask(config->REALTIME_SFU_CONTROL, BUS_SFU_STATUS, json_object(), &sfu, &sfu_error);
	if (r < 0)
		(void)printf("realtime-sfu: away (%s)\n", sfu_error.message);
	else
		(void)printf("realtime-sfu: %lld rooms, %lld peers, %zu workers\n",
			     number_of(sfu, "rooms"), number_of(sfu, "peers"),
			     json_array_size(json_object_get(sfu, "workers")));
	return 0;
}

static int rooms(const struct config *config, const struct arguments *arguments,
		 struct error *reterr)
{
	AUTO_JSON answer = NULL;
	const char *room_id;
	json_t *room, *participant;
	size_t i;
	int r = ask(config->REALTIME_BUS, BUS_ROOM_OCCUPANCY, json_object(), &answer, reterr);

	(void)arguments;
	if (r < 0)
		return r;
	json_object_foreach (json_object_get(answer, "rooms"), room_id, room)
		json_array_foreach (json_object_get(room, "participants"), i, participant)
			(void)printf("%s\t%s\t%s\t%s\t%s\n", room_id,
				     text_of(participant, "peer_id"),
				     text_of(participant, "user_id"), text_of(participant, "name"),
				     text_of(participant, "kind"));
	return 0;
}

static int connections(const struct config *config, const struct arguments *arguments,
		       struct error *reterr)
{
	const char *user = arguments->options[OPTION_USER];
	AUTO_JSON answer = NULL;
	json_t *connection, *channel;
	size_t i, k;
	int r = ask(config->REALTIME_BUS, BUS_CONNECTIONS,
		    json_pack("{s:s*, s:i}", "user_id", user, "limit", 10000), &answer, reterr);

	if (r < 0)
		return r;
	json_array_foreach (json_object_get(answer, "connections"), i, connection) {
		(void)printf("%s\t%s\t%s\t", text_of(connection, "connection_id"),
			     text_of(connection, "transport"), text_of(connection, "user_id"));
		json_array_foreach (json_object_get(connection, "channels"), k, channel)
			(void)printf("%s%s", k > 0 ? " " : "", json_string_value(channel));
		(void)fputc('\n', stdout);
	}
	return 0;
}

static int channels(const struct config *config, const struct arguments *arguments,
		    struct error *reterr)
{
	AUTO_JSON answer = NULL;
	const char *name;
	json_t *count;
	int r = ask(config->REALTIME_BUS, BUS_CHANNELS, json_object(), &answer, reterr);

	(void)arguments;
	if (r < 0)
		return r;
	json_object_foreach (json_object_get(answer, "channels"), name, count)
		(void)printf("%lld\t%s\n", json_integer_value(count), name);
	return 0;
}

static int disconnect(const struct config *config, const struct arguments *arguments,
		      struct error *reterr)
{
	static const char prefix[] = "conn_";
	bool is_connection = strncmp(arguments->subject, prefix, sizeof(prefix) - 1) == 0;
	AUTO_JSON answer = NULL;
	int r = ask(
		config->REALTIME_BUS, BUS_CONNECTIONS_CLOSE,
		json_pack("{s:s}", is_connection ? "connection_id" : "user_id", arguments->subject),
		&answer, reterr);

	if (r == 0)
		(void)printf("%lld closed\n", number_of(answer, "closed"));
	return r;
}

static const struct command commands[] = {
	{.name = "status",
	 .summary = "how many are connected, in which calls",
	 .help = "Exits with 1 if realtimed does not answer.\n",
	 .run = status},
	{.name = "connections",
	 .summary = "who is connected: id, transport, user, channels",
	 .help = "One line for each, with tabs between the columns; at most 10000.\n"
		 "\n"
		 "  --user ID          of this user alone\n",
	 .options = 1u << OPTION_USER,
	 .run = connections},
	{.name = "channels",
	 .summary = "which channels are listened to, and by how many",
	 .help = "One line for each; at most 1000.\n",
	 .run = channels},
	{.name = "rooms",
	 .summary = "who is in which call: room, peer, user, name, kind",
	 .help = "One line for each participant, with tabs between the columns.\n",
	 .run = rooms},
	{.name = "disconnect",
	 .subject = "ID",
	 .summary = "close a connection, or all of a user, for good",
	 .help = "ID is a connection's (conn_…) or a user's. They are told not to come back.\n",
	 .run = disconnect},
};

const struct command_list live_commands = {commands, ARRAY_LEN(commands)};
