/* api_moderation.h - what moderators ask for over the bus: one participant, a kick, a mute. Whether
 * they may, the API has judged. Thread: loop. */
#ifndef REALTIME_EDGE_API_MODERATION_H
#define REALTIME_EDGE_API_MODERATION_H

#include "realtime/edge/daemon.h"

/* -EINVAL "missing_field", "bad_field"   -ENOENT "participant_not_found" */
int api_get_participant(struct daemon *daemon, const json_t *body, json_t **ret_answer,
			struct error *reterr) MUST_CHECK;
int api_kick(struct daemon *daemon, const json_t *body, json_t **ret_answer,
	     struct error *reterr) MUST_CHECK;
/* Answers by itself, when the SFU has done it, unless it fails at once; also
 *   -EINVAL "mesh_room"   -ENOTCONN "sfu_unavailable" */
int api_on_mute(struct daemon *daemon, struct bus_peer *asker, const struct bus_frame *frame,
		struct error *reterr) MUST_CHECK;

#endif
