/* layered.h - a publisher of three layers, told by their SSRCs, and a viewer, who are in the room
 * "relay" of the pair's SFU. What the viewer sees is checked as it comes: one stream, whose numbers
 * go on and in which a layer begins with its keyframe. Thread: one. */
#ifndef TESTS_INTEGRATION_RELAY_LAYERED_H
#define TESTS_INTEGRATION_RELAY_LAYERED_H

#include "tests/integration/relay/pair.h"

enum { LAYERED_COUNT = 3, LAYERED_TOP_BYTES = 800 };

struct layered {
	struct load_peer publisher, viewer;
	unsigned sent_layers;	 /* as bits */
	unsigned refused_layers; /* of these no keyframe is sent, whoever asks */
	bool may_lose;		 /* packets get lost on the way: only what is seen counts */
	/* Which of them somebody asked for; a keyframe is sent for nothing else. */
	unsigned wanted_keyframes;
	unsigned asked_layers; /* the same, but it stays when one is sent or refused */
	bool has_seen;
	uint8_t seen_layer;
	uint16_t seen_sequence;
	uint32_t seen_timestamp;
};

void layered_join(struct layered *layered, struct pair *pair);
void layered_leave(struct layered *layered, struct pair *pair);
/* A moment of the call: a picture of each layer that is sent, and what the viewer gets. */
void layered_go_on(struct layered *layered);
/* Until that layer is what the viewer sees; the test fails if it is not in time. */
void layered_go_on_until(struct layered *layered, uint8_t layer);

#endif
