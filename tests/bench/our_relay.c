/* our_relay.c - realtime-sfu, behind a fake hub, as a relay to be measured. */
#include <errno.h>
#include <string.h>

#include "tests/bench/fake_hub.h"
#include "tests/bench/relay_server.h"

struct our_relay {
	const char *program;
	struct fake_hub hub;
};

struct our_relay *our_relay_new(const char *program)
{
	struct our_relay *relay = calloc(1, sizeof(*relay));

	if (relay)
		relay->program = program;
	return relay;
}

struct our_relay *our_relay_free(struct our_relay *relay)
{
	free(relay);
	return NULL;
}

static int start(void *data, pid_t *ret_pid)
{
	struct our_relay *relay = data;
	int r;

	(void)setenv("WEBRTC_AUDIO_STREAMS", "0", 1); /* everyone gets everything, as elsewhere */
	(void)setenv("WEBRTC_VIDEO_STREAMS", "0", 1);
	r = fake_hub_start(&relay->hub, relay->program, 1);
	*ret_pid = relay->hub.sfu;
	return r;
}

static int admit(struct our_relay *relay, unsigned room, unsigned number, unsigned sees,
		 struct load_peer *peer)
{
	AUTO_FREE char *offer = load_peer_offer(peer, sees);
	AUTO_FREE char *answer = NULL;
	char room_id[32], peer_id[32];
	int r;

	(void)snprintf(room_id, sizeof(room_id), "bench%u", room);
	(void)snprintf(peer_id, sizeof(peer_id), "p%u", number);
	r = fake_hub_join(&relay->hub, room_id, peer_id, sees ? "whep" : "whip", offer, &answer);
	return r < 0 ? r : load_peer_connect(peer, answer);
}

static int publish(void *data, unsigned room, unsigned number, struct load_peer *peer)
{
	return admit(data, room, number, 0, peer);
}

static int watch(void *data, unsigned room, unsigned number, unsigned first, unsigned sees,
		 struct load_peer *peer)
{
	(void)first;
	return admit(data, room, number, sees, peer);
}

static void count_calls(void *data, unsigned long *ret_packets, unsigned long *ret_calls)
{
	struct our_relay *relay = data;
	json_t *status = fake_hub_status(&relay->hub);
	json_t *worker;
	size_t i;

	*ret_packets = *ret_calls = 0;
	json_array_foreach (json_object_get(status, "workers"), i, worker) {
		*ret_packets +=
			(unsigned long)json_integer_value(json_object_get(worker, "packets_out"));
		*ret_calls += (unsigned long)json_integer_value(
			json_object_get(worker, "system_calls_out"));
	}
	json_decref(status);
}

static int stop(void *data)
{
	return fake_hub_stop(&((struct our_relay *)data)->hub);
}

struct relay_server our_relay_server(struct our_relay *relay)
{
	return (struct relay_server){.name = "realtime-sfu",
				     .is_ours = true,
				     .start = start,
				     .publish = publish,
				     .watch = watch,
				     .count_calls = count_calls,
				     .stop = stop,
				     .data = relay};
}
