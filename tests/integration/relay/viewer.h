/* viewer.h - a participant who watches films (film.h) by one line or several, each of which a
 * critic (critic.h) looks at; packets are lost on the way to it at random. Thread: one. */
#ifndef TESTS_INTEGRATION_RELAY_VIEWER_H
#define TESTS_INTEGRATION_RELAY_VIEWER_H

#include "tests/integration/relay/critic.h"

enum { VIEWER_LINES_MAX = 4 };

struct viewer {
	struct load_peer peer;
	struct pair *pair; /* borrowed; so are these */
	const char *peer_id;
	struct random *random;
	unsigned lost_percent;
	uint64_t fed_back_us;
	char *answer; /* to what a participant of a call has offered; owned */
	struct critic *lines[VIEWER_LINES_MAX];
	size_t line_count;
};

/* Join the room "relay" to see one film: with RTX, or what is missed comes again as it was; with
 * transport-wide feedback, or by what viewer_tell_estimate() says. */
void viewer_begin(struct viewer *viewer, struct pair *pair, struct random *random,
		  const char *peer_id, bool without_rtx, bool with_transport_cc);
/* The same as a participant of a call, who sees what is offered to it. The caller passes on what
 * the hub hears of it by viewer_on_signal(), from now on. */
void viewer_begin_call(struct viewer *viewer, struct pair *pair, struct random *random,
		       const char *peer_id, bool without_rtx, bool with_transport_cc);
void viewer_on_signal(struct viewer *viewer, const json_t *body);
void viewer_end(struct viewer *viewer);
/* Take what has come and have it judged. */
void viewer_go_on(struct viewer *viewer);
/* REMB: so much its way carries. */
void viewer_tell_estimate(struct viewer *viewer, uint64_t bitrate_bps);

#endif
