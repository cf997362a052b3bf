/* fake_hub.h - just enough of realtimed to let peers into realtime-sfu. Thread: one. */
#ifndef TESTS_BENCH_FAKE_HUB_H
#define TESTS_BENCH_FAKE_HUB_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/bus_client.h"

struct fake_hub {
	char folder[64], bus_path[96], control_path[96];
	unsigned media_port; /* of the first worker; the others' follow */
	pid_t sfu;
	int listener, fd;
	uint32_t next_request_id;
	struct error refusal;	/* the last one */
	unsigned speaker_count; /* how often it was told who has the floor, as read so far */
	char speaker[65];	/* who has it */
	/* Who hears what the SFU says by itself; NULL: nobody. The frame is borrowed; no requests
	 * from inside. */
	void (*on_event)(void *data, const struct bus_frame *frame);
	void *events_data;
	struct bus_decoder decoder;
	struct bus_client *control;
};

/* Start `program` with so many threads on media ports that are free, and wait for its HELLO. It
 * announces the loopback, unless the environment has WEBRTC_ANNOUNCED_IPS. */
int fake_hub_start(struct fake_hub *hub, const char *program, unsigned workers) MUST_CHECK;
/* -EIO if the SFU did not end well: a crash, or a sanitizer's verdict. */
int fake_hub_stop(struct fake_hub *hub) MUST_CHECK;
/* PEER_JOIN with an offer; the answer is malloc()ed. */
int fake_hub_join(struct fake_hub *hub, const char *room_id, const char *peer_id, const char *kind,
		  const char *offer, char **ret_answer) MUST_CHECK;
/* The same without waiting for the answer, which nobody gets. */
void fake_hub_join_unheard(struct fake_hub *hub, const char *room_id, const char *peer_id,
			   const char *kind, const char *offer);
/* PEER_JOIN of a call, which signals. */
int fake_hub_join_call(struct fake_hub *hub, const char *room_id, const char *peer_id) MUST_CHECK;
/* Hear what the SFU says, for so long. */
int fake_hub_listen(struct fake_hub *hub, int for_ms) MUST_CHECK;
/* PEER_MUTE of its video. */
int fake_hub_mute(struct fake_hub *hub, const char *room_id, const char *peer_id,
		  bool is_muted) MUST_CHECK;
/* PEER_SIGNAL: an offer or answer of a peer's. */
void fake_hub_signal(struct fake_hub *hub, const char *room_id, const char *peer_id,
		     const char *signal_type, const char *sdp);
/* PEER_ICE: it says by HTTP that it has begun anew with those credentials. What the SFU says is
 * malloc()ed. */
int fake_hub_restart_ice(struct fake_hub *hub, const char *room_id, const char *peer_id,
			 const char *ufrag, const char *password, char **ret_fragment) MUST_CHECK;
/* PEER_LEAVE. */
void fake_hub_leave(struct fake_hub *hub, const char *room_id, const char *peer_id);
/* PEER_SUBSCRIPTION: it does, or does not, want to see that track now. */
void fake_hub_pause(struct fake_hub *hub, const char *room_id, const char *peer_id,
		    const char *track_id, bool is_paused);
void fake_hub_close_room(struct fake_hub *hub, const char *room_id);
/* SFU_STATUS; a new reference, NULL if it does not answer. */
json_t *fake_hub_status(struct fake_hub *hub);
/* SFU_ROOM, the same; NULL as well if nobody is in the room. */
json_t *fake_hub_room(struct fake_hub *hub, const char *room_id);

#endif
