#include "realtime/edge/daemon.h"

#include <signal.h>
#include <string.h>
#include <strings.h>
#include <systemd/sd-daemon.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/turn.h"
#include "realtime/edge/api_requests.h"
#include "realtime/edge/participant_log.h"

enum {
	CHORES_MS = 1000,
	TRIM_EVERY = 5,		/* chores */
	STOP_DEADLINE_MS = 1500 /* for the last clients to take their goodbye */
};

/* ---- the SFU ---- */

static void to_sfu(void *data, enum bus_message message, json_t *body)
{
	struct daemon *daemon = data;

	if (daemon->sfu)
		bus_peer_send(daemon->sfu, message, body);
	else
		json_decref(body); /* hello tells it all when it is back */
}

/* A PEER_JOIN on its way. */
struct sfu_join {
	char peer_id[PEER_ID_SIZE];
	uint64_t token;
};

static void on_sfu_joined(void *data, void *context, const json_t *answer,
			  const struct error *error)
{
	struct daemon *daemon = data;
	AUTO_FREE struct sfu_join *join = context;

	if (error)
		LOG(LOG_WARNING, LOG_WEBRTC, "sfu_join_failed", LOG_TEXT("peer", join->peer_id),
		    LOG_ERR(error));
	switchboard_on_sfu_answer(&daemon->board, join->peer_id, join->token, answer, error);
}

static void join_sfu(void *data, const struct peer *peer, uint64_t token, json_t *body)
{
	struct daemon *daemon = data;
	AUTO_FREE struct sfu_join *join = calloc(1, sizeof(*join));

	if (!join || !daemon->sfu) {
		json_decref(body);
		return;
	}
	memcpy(join->peer_id, peer->peer_id, sizeof(join->peer_id));
	join->token = token;
	if (bus_peer_ask(daemon->sfu, BUS_PEER_JOIN, body, on_sfu_joined, daemon, join) == 0)
		(void)STEAL(join);
}

static void on_joined(void *data, const struct peer *peer)
{
	struct daemon *daemon = data;

	LOG(LOG_INFO, LOG_WEBRTC, "peer_joined", LOG_TEXT("room", peer->room->room_id),
	    LOG_TEXT("peer", peer->peer_id), LOG_TEXT("kind", peer_kind_name(peer->kind)));
	participant_log_joined(daemon->store, peer);
}

static void on_left(void *data, const struct peer *peer, const char *reason)
{
	struct daemon *daemon = data;

	LOG(LOG_INFO, LOG_WEBRTC, "peer_left", LOG_TEXT("room", peer->room->room_id),
	    LOG_TEXT("peer", peer->peer_id), LOG_TEXT("reason", reason));
	participant_log_left(daemon->store, peer, reason);
}

static void add_stun_server(void *data, const char *item)
{
	(void)json_array_append_new(data, json_pack("{s:[s]}", "urls", item));
}

static json_t *ice_servers(void *data, const struct peer *peer)
{
	const struct config *config = ((const struct daemon *)data)->config;
	json_t *servers = json_array();

	config_list_for_each(config->WEBRTC_STUN_SERVERS, add_stun_server, servers);
	if (*config->WEBRTC_TURN_URLS)
		(void)json_array_append_new(
			servers, turn_server_new(config->WEBRTC_TURN_URLS,
						 config->WEBRTC_TURN_SECRET, peer->peer_id,
						 clock_unix_ms() / 1000, config->WEBRTC_TURN_TTL));
	return servers;
}

/* Which one pictures are sent in: the first that is not sound. */
struct picture_codec {
	bool is_known, is_vp9;
};

static void take_picture_codec(void *data, const char *name)
{
	struct picture_codec *codec = data;

	if (codec->is_known || strcasecmp(name, "opus") == 0)
		return;
	codec->is_known = true;
	codec->is_vp9 = strcasecmp(name, "VP9") == 0;
}

/* VP9 alone: layers of AV1 are nothing to who does not take its dependency descriptor. */
static json_t *svc(void *data, const struct call_room *room)
{
	const struct config *config = ((const struct daemon *)data)->config;
	struct picture_codec codec = {false, false};
	const json_t *name;
	size_t i;

	if (!config->WEBRTC_SVC)
		return NULL;
	if (json_array_size(room->codecs) == 0)
		config_list_for_each(config->WEBRTC_CODECS, take_picture_codec, &codec);
	json_array_foreach (room->codecs, i, name)
		take_picture_codec(&codec, json_string_value(name));
	return codec.is_vp9
		       ? json_pack("{s:s, s:s}", "codec", "VP9", "scalability_mode", "L3T3_KEY")
		       : NULL;
}

static const struct switchboard_events board_events = {
	.ice_servers = ice_servers,
	.svc = svc,
	.sfu_event = to_sfu,
	.sfu_join = join_sfu,
	.joined = on_joined,
	.left = on_left,
	.http_started = api_on_http_started,
};

/* ---- the bus ---- */

static json_t *on_bus_hello(void *data)
{
	const struct daemon *daemon = data;

	return json_pack("{s:s}", "epoch", daemon->hub.epoch);
}

static bool is_sfu(const struct bus_peer *peer)
{
	return strcmp(peer->role, "sfu") == 0;
}

static void on_bus_introduced(void *data, struct bus_peer *peer, const json_t *hello)
{
	struct daemon *daemon = data;

	if (!is_sfu(peer))
		return;
	if (daemon->sfu)
		bus_peer_close(daemon->sfu); /* a new one takes its place */
	daemon->sfu = peer;
	daemon->ban_watch.has_looked = false; /* it may bring somebody back */
	switchboard_on_sfu_connected(&daemon->board, json_object_get(hello, "rooms"),
				     clock_now_us());
}

static void on_bus_left(void *data, struct bus_peer *peer)
{
	struct daemon *daemon = data;

	if (peer != daemon->sfu)
		return;
	daemon->sfu = NULL;
	switchboard_on_sfu_disconnected(&daemon->board);
}

static void on_bus_request(void *data, struct bus_peer *peer, const struct bus_frame *frame)
{
	bus_take_request(frame->body);
	LOG(LOG_DEBUG, LOG_MAIN, "bus_request",
	    LOG_TEXT("message", bus_message_name(frame->message)));
	api_on_request(data, peer, frame);
	log_set_request(NULL);
}

static void on_bus_event(void *data, struct bus_peer *peer, const struct bus_frame *frame)
{
	struct daemon *daemon = data;

	bus_take_request(frame->body);
	if (peer == daemon->sfu)
		switchboard_on_sfu_event(&daemon->board, frame->message, frame->body);
	else if (!is_sfu(peer))
		api_on_event(daemon, frame);
	log_set_request(NULL);
}

static const struct bus_server_events bus_events = {
	.hello = on_bus_hello,
	.introduced = on_bus_introduced,
	.left = on_bus_left,
	.request = on_bus_request,
	.event = on_bus_event,
};

/* ---- chores and stopping ---- */

static void on_chores(uv_timer_t *timer)
{
	static unsigned count;
	struct daemon *daemon = timer->data;

	(void)sd_notify(0, "WATCHDOG=1"); /* nobody listens outside systemd */
	if (count++ % TRIM_EVERY == 0)
		hub_store_trim(&daemon->hub_link);
	ban_watch_on_timer(&daemon->ban_watch, daemon->store, &daemon->board, &daemon->gate);
	/* By now everybody who survived our restart is back, or has been let go. */
	if (!daemon->did_end_stale &&
	    clock_now_us() > daemon->started_at_us + LINGER_US + RESUME_WAIT_US) {
		daemon->did_end_stale = true;
		participant_log_end_stale(daemon->store, daemon->started_at_unix_ms,
					  switchboard_present(&daemon->board));
	}
}

static void on_stop_deadline(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void check_stopped(uv_timer_t *timer)
{
	const struct daemon *daemon = timer->data;

	if (daemon->server.connections.count == 0)
		uv_stop(timer->loop);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct daemon *daemon = signal->data;

	if (daemon->is_stopping)
		return;
	daemon->is_stopping = true;
	LOG(LOG_INFO, LOG_MAIN, "stopping", LOG_INT("signal", number));
	(void)sd_notify(0, "STOPPING=1");
	server_stop(&daemon->server);
	(void)uv_timer_start(
		&daemon->stop_deadline, on_stop_deadline,
		(uint64_t)daemon->config->REALTIME_DRAIN_TIME * 1000 + STOP_DEADLINE_MS, 0);
	(void)uv_timer_start(&daemon->chores, check_stopped, 10, 10);
}

/* ---- life ---- */

static int open_store(struct daemon *daemon, struct error *reterr)
{
	const struct config *config = daemon->config;
	uint64_t last_position = 0,
		 repeats_us = (uint64_t)config->REALTIME_IDEMPOTENCY_TIME * 1000000u;
	int r = namespaces_new(config, &daemon->namespaces, reterr);

	if (r == 0)
		r = store_thread_new(&daemon->loop, config->REALTIME_DATABASE, &daemon->store,
				     reterr);
	if (r < 0)
		return r;
	if (message_id_parse(store_thread_last_id(daemon->store), &last_position) < 0)
		last_position = 0; /* there are no messages yet */
	daemon->hub_link = (struct hub_store_link){
		.hub = &daemon->hub,
		.thread = daemon->store,
		.namespaces = daemon->namespaces,
		.notifications_kept_s = config->REALTIME_NOTIFICATION_TTL,
	};
	r = hub_init(&daemon->hub, daemon->namespaces, repeats_us, last_position, &hub_store_calls,
		     &daemon->hub_link);
	if (r < 0)
		daemon->store = store_thread_free(daemon->store);
	else
		r = hub_store_recall_repeats(&daemon->hub_link, config->REALTIME_DATABASE,
					     repeats_us, reterr);
	return r;
}

/* First of all, so that a signal that comes while we start is not lost: the loop will see it. */
static void init_handles(struct daemon *daemon)
{
	(void)uv_signal_init(&daemon->loop, &daemon->on_term);
	(void)uv_signal_init(&daemon->loop, &daemon->on_int);
	(void)uv_timer_init(&daemon->loop, &daemon->chores);
	(void)uv_timer_init(&daemon->loop, &daemon->stop_deadline);
	daemon->on_term.data = daemon->on_int.data = daemon;
	daemon->chores.data = daemon->stop_deadline.data = daemon;
	(void)uv_signal_start(&daemon->on_term, on_signal, SIGTERM);
	(void)uv_signal_start(&daemon->on_int, on_signal, SIGINT);
	(void)uv_timer_start(&daemon->chores, on_chores, 0, CHORES_MS);
}

static int start_services(struct daemon *daemon, struct error *reterr)
{
	int r = switchboard_init(&daemon->board, &board_events, daemon, daemon->started_at_us);

	if (r < 0)
		return r;
	r = room_gate_init(&daemon->gate, &daemon->loop, daemon->store, daemon->config);
	if (r < 0)
		return r;
	r = bus_server_start(&daemon->bus, &daemon->loop, daemon->config->REALTIME_BUS, &bus_events,
			     daemon, reterr);
	if (r < 0)
		return r;
	daemon->server = (struct server){.loop = &daemon->loop,
					 .config = daemon->config,
					 .hub = &daemon->hub,
					 .board = &daemon->board,
					 .store = daemon->store,
					 .gate = &daemon->gate};
	return server_start(&daemon->server, reterr);
}

/* Everything acknowledged is on disk already; what still waits is answered before the end. */
static void stop_services(struct daemon *daemon)
{
	daemon->server.is_stopping = true;
	server_close(&daemon->server);
	bus_server_close(&daemon->bus);
	room_gate_stop(&daemon->gate);
	daemon->store =
		store_thread_free(daemon->store); /* its last answers look for connections */
	room_gate_fini(&daemon->gate);
	server_fini(&daemon->server);
	switchboard_fini(&daemon->board);
	hub_fini(&daemon->hub);
	daemon->namespaces = namespaces_free(daemon->namespaces);
	uv_close((uv_handle_t *)&daemon->on_term, NULL);
	uv_close((uv_handle_t *)&daemon->on_int, NULL);
	uv_close((uv_handle_t *)&daemon->chores, NULL);
	uv_close((uv_handle_t *)&daemon->stop_deadline, NULL);
	while (uv_run(&daemon->loop, UV_RUN_NOWAIT) > 0) {
	}
	(void)uv_loop_close(&daemon->loop); /* leaving anyway */
}

int daemon_run(struct daemon *daemon, const struct config *config, struct error *reterr)
{
	int r;

	*daemon = (struct daemon){.config = config,
				  .started_at_unix_ms = clock_unix_ms(),
				  .started_at_us = clock_now_us()};
	r = uv_loop_init(&daemon->loop);
	if (r < 0)
		return error_set(reterr, r, "loop_failed", "no event loop: %s", uv_strerror(r));
	init_handles(daemon);
	r = open_store(daemon, reterr);
	if (r < 0)
		return r;
	r = start_services(daemon, reterr);
	if (r < 0)
		return r; /* the process ends now, and with it what was begun */
	LOG(LOG_INFO, LOG_MAIN, "ready", LOG_TEXT("listen", config->REALTIME_LISTEN),
	    LOG_TEXT("bus", config->REALTIME_BUS));
	(void)sd_notify(0, "READY=1");
	(void)uv_run(&daemon->loop, UV_RUN_DEFAULT);
	stop_services(daemon);
	LOG(LOG_INFO, LOG_MAIN, "stopped");
	return 0;
}
