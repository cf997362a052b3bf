#include "tests/bench/fake_hub.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/unix_listener.h"
#include "tests/bench/free_ports.h"

enum { PATIENCE_MS = 20000 }; /* the machine may be busy */

static const struct bus_client_events no_events;

static int send_frame(struct fake_hub *hub, enum bus_kind kind, enum bus_message message,
		      uint32_t request_id, const json_t *body)
{
	AUTO_FREE uint8_t *bytes = NULL;
	size_t length;
	int r = bus_frame_encode(kind, message, request_id, body, NULL, 0, &bytes, &length);

	if (r == 0 && send(hub->fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
		r = -EPIPE;
	return r;
}

static int next_frame_within(struct fake_hub *hub, int timeout_ms, struct bus_frame *ret_frame)
{
	uint8_t bytes[65536];
	int r;

	while ((r = bus_decoder_next(&hub->decoder, ret_frame)) == 0) {
		struct pollfd readable = {.fd = hub->fd, .events = POLLIN};
		ssize_t got;

		if (poll(&readable, 1, timeout_ms) <= 0)
			return -ETIMEDOUT;
		got = recv(hub->fd, bytes, sizeof(bytes), 0);
		if (got <= 0)
			return -ECONNRESET;
		r = bus_decoder_feed(&hub->decoder, bytes, (size_t)got);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int next_frame(struct fake_hub *hub, struct bus_frame *ret_frame)
{
	return next_frame_within(hub, PATIENCE_MS, ret_frame);
}

static int greet(struct fake_hub *hub)
{
	struct pollfd waiting = {.fd = hub->listener, .events = POLLIN};
	AUTO_JSON welcome = json_pack("{s:s}", "role", "realtimed");
	struct bus_frame frame;
	int r;

	if (poll(&waiting, 1, PATIENCE_MS) <= 0)
		return -ETIMEDOUT;
	hub->fd = accept(hub->listener, NULL, NULL);
	if (hub->fd < 0)
		return -errno;
	r = next_frame(hub, &frame);
	if (r == 0) {
		r = send_frame(hub, BUS_RESPONSE, frame.message, frame.request_id, welcome);
		bus_frame_fini(&frame);
	}
	return r;
}

static void run_sfu(const struct fake_hub *hub, const char *program, unsigned workers)
{
	char text[16];

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* it does not outlive us */
	(void)setenv("REALTIME_CONFIG", "/dev/null", 1);
	(void)setenv("REALTIME_BUS", hub->bus_path, 1);
	(void)setenv("REALTIME_SFU_CONTROL", hub->control_path, 1);
	(void)setenv("REALTIME_LOG_LEVEL", "warning", 1);
	(void)setenv("WEBRTC_ANNOUNCED_IPS", "127.0.0.1", 0);
	(void)snprintf(text, sizeof(text), "%u", hub->media_port);
	(void)setenv("WEBRTC_UDP_PORT", text, 1);
	(void)snprintf(text, sizeof(text), "%u", workers);
	(void)setenv("WEBRTC_WORKERS", text, 1);
	(void)execl(program, program, (char *)NULL);
	perror(program);
	_exit(127);
}

int fake_hub_start(struct fake_hub *hub, const char *program, unsigned workers)
{
	int r;

	*hub = (struct fake_hub){.fd = -1, .listener = -1, .next_request_id = 1};
	hub->media_port = free_ports(workers);
	if (hub->media_port == 0)
		return -EADDRINUSE;
	(void)snprintf(hub->folder, sizeof(hub->folder), "/tmp/relay-bench-XXXXXX");
	if (!mkdtemp(hub->folder))
		return -errno;
	(void)snprintf(hub->bus_path, sizeof(hub->bus_path), "%s/bus", hub->folder);
	(void)snprintf(hub->control_path, sizeof(hub->control_path), "%s/sfu", hub->folder);
	hub->listener = unix_listener_open(hub->bus_path, NULL);
	if (hub->listener < 0)
		return hub->listener;
	hub->sfu = fork();
	if (hub->sfu == 0)
		run_sfu(hub, program, workers);
	r = hub->sfu < 0 ? -errno : greet(hub);
	if (r == 0)
		r = bus_client_new(hub->control_path, "api", &no_events, NULL, &hub->control);
	for (int i = 0; r == 0 && i < 100 && !bus_client_is_connected(hub->control); i++)
		(void)usleep(10000);
	return r;
}

int fake_hub_stop(struct fake_hub *hub)
{
	int status = 0;

	hub->control = bus_client_free(hub->control);
	if (hub->sfu > 0) {
		(void)kill(hub->sfu, SIGTERM);
		(void)waitpid(hub->sfu, &status, 0);
	}
	if (hub->fd >= 0)
		(void)close(hub->fd);
	if (hub->listener >= 0)
		(void)close(hub->listener);
	bus_decoder_fini(&hub->decoder);
	(void)unlink(hub->bus_path);
	(void)rmdir(hub->folder);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static void hear(struct fake_hub *hub, const struct bus_frame *frame)
{
	if (frame->message == BUS_PEER_SPEAKS) {
		hub->speaker_count++;
		(void)snprintf(hub->speaker, sizeof(hub->speaker), "%s",
			       json_text_of(frame->body, "peer_id"));
	}
	if (frame->kind == BUS_EVENT && hub->on_event)
		hub->on_event(hub->events_data, frame);
}

int fake_hub_listen(struct fake_hub *hub, int for_ms)
{
	uint64_t until_us = clock_now_us() + (uint64_t)for_ms * 1000u, now_us;
	struct bus_frame frame;
	int r = 0;

	while (r == 0 && (now_us = clock_now_us()) < until_us) {
		r = next_frame_within(hub, (int)((until_us - now_us) / 1000u), &frame);
		if (r == 0) {
			hear(hub, &frame);
			bus_frame_fini(&frame);
		}
	}
	return r == -ETIMEDOUT ? 0 : r;
}

/* The answer to a request, a new reference; `body` is borrowed. */
static int ask(struct fake_hub *hub, enum bus_message message, const json_t *body,
	       json_t **ret_answer)
{
	uint32_t request_id = hub->next_request_id++;
	struct bus_frame frame;
	bool is_answered = false;
	int r = send_frame(hub, BUS_REQUEST, message, request_id, body);

	while (r == 0 && !is_answered) {
		r = next_frame(hub, &frame);
		if (r < 0)
			return r;
		hear(hub, &frame);
		if (frame.request_id == request_id) {
			is_answered = true;
			if (frame.kind == BUS_RESPONSE)
				*ret_answer = json_incref(frame.body);
			else
				r = bus_error_from_json(frame.body, &hub->refusal);
		}
		bus_frame_fini(&frame);
	}
	return r;
}

static json_t *join_body(const char *room_id, const char *peer_id, const char *kind,
			 const char *offer)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "room_id", room_id, "peer_id", peer_id, "kind",
			 kind, "sdp", offer);
}

void fake_hub_join_unheard(struct fake_hub *hub, const char *room_id, const char *peer_id,
			   const char *kind, const char *offer)
{
	AUTO_JSON body = join_body(room_id, peer_id, kind, offer);

	(void)send_frame(hub, BUS_REQUEST, BUS_PEER_JOIN, hub->next_request_id++, body);
}

int fake_hub_join(struct fake_hub *hub, const char *room_id, const char *peer_id, const char *kind,
		  const char *offer, char **ret_answer)
{
	AUTO_JSON body = join_body(room_id, peer_id, kind, offer);
	AUTO_JSON answer = NULL;
	const char *sdp;
	int r = ask(hub, BUS_PEER_JOIN, body, &answer);

	if (r < 0)
		return r;
	sdp = json_string_value(json_object_get(answer, "sdp"));
	*ret_answer = sdp ? strdup(sdp) : NULL;
	return *ret_answer ? 0 : -EPROTO;
}

int fake_hub_join_call(struct fake_hub *hub, const char *room_id, const char *peer_id)
{
	AUTO_JSON body = json_pack("{s:s, s:s, s:s}", "room_id", room_id, "peer_id", peer_id,
				   "kind", "call");
	AUTO_JSON answer = NULL;

	return ask(hub, BUS_PEER_JOIN, body, &answer);
}

int fake_hub_mute(struct fake_hub *hub, const char *room_id, const char *peer_id, bool is_muted)
{
	AUTO_JSON body = json_pack("{s:s, s:s, s:b}", "room_id", room_id, "peer_id", peer_id,
				   "video_muted", (int)is_muted);
	AUTO_JSON answer = NULL;
	const json_t *track;
	int r = ask(hub, BUS_PEER_MUTE, body, &answer);

	if (r < 0)
		return r;
	track = json_array_get(json_object_get(answer, "tracks"), 0);
	return json_is_true(json_object_get(track, "muted")) == is_muted ? 0 : -EPROTO;
}

int fake_hub_restart_ice(struct fake_hub *hub, const char *room_id, const char *peer_id,
			 const char *ufrag, const char *password, char **ret_fragment)
{
	char fragment[256];
	AUTO_JSON body = NULL;
	AUTO_JSON answer = NULL;
	const char *text;
	int r;

	(void)snprintf(fragment, sizeof(fragment), "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", ufrag,
		       password);
	body = json_pack("{s:s, s:s, s:s}", "room_id", room_id, "peer_id", peer_id, "sdp_fragment",
			 fragment);
	r = ask(hub, BUS_PEER_ICE, body, &answer);
	if (r < 0)
		return r;
	text = json_string_value(json_object_get(answer, "sdp_fragment"));
	*ret_fragment = text ? strdup(text) : NULL;
	return *ret_fragment ? 0 : -EPROTO;
}

void fake_hub_leave(struct fake_hub *hub, const char *room_id, const char *peer_id)
{
	AUTO_JSON body = json_pack("{s:s, s:s}", "room_id", room_id, "peer_id", peer_id);

	(void)send_frame(hub, BUS_EVENT, BUS_PEER_LEAVE, 0, body);
}

void fake_hub_pause(struct fake_hub *hub, const char *room_id, const char *peer_id,
		    const char *track_id, bool is_paused)
{
	AUTO_JSON body = json_pack("{s:s, s:s, s:s, s:b}", "room_id", room_id, "peer_id", peer_id,
				   "track_id", track_id, "paused", (int)is_paused);

	(void)send_frame(hub, BUS_EVENT, BUS_PEER_SUBSCRIPTION, 0, body);
}

void fake_hub_signal(struct fake_hub *hub, const char *room_id, const char *peer_id,
		     const char *signal_type, const char *sdp)
{
	AUTO_JSON body = json_pack("{s:s, s:s, s:s, s:s}", "room_id", room_id, "peer_id", peer_id,
				   "signal_type", signal_type, "sdp", sdp);

	(void)send_frame(hub, BUS_EVENT, BUS_PEER_SIGNAL, 0, body);
}

void fake_hub_close_room(struct fake_hub *hub, const char *room_id)
{
	AUTO_JSON body = json_pack("{s:s}", "room_id", room_id);

	(void)send_frame(hub, BUS_EVENT, BUS_ROOM_CLOSED, 0, body);
}

json_t *fake_hub_room(struct fake_hub *hub, const char *room_id)
{
	json_t *room = NULL;

	if (bus_client_call(hub->control, BUS_SFU_ROOM, json_pack("{s:s}", "room_id", room_id),
			    2000, &room, NULL) < 0)
		return NULL;
	return room;
}

json_t *fake_hub_status(struct fake_hub *hub)
{
	json_t *status = NULL;

	if (bus_client_call(hub->control, BUS_SFU_STATUS, json_object(), 2000, &status, NULL) < 0)
		return NULL;
	return status;
}
