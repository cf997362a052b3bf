/* signal.h - what a client says over the signalling connection (protocol section 5). Nothing here
 * knows who is in the room. Strings and JSON are borrowed from the body. Thread: any. */
#ifndef REALTIME_WIRE_SIGNAL_H
#define REALTIME_WIRE_SIGNAL_H

#include "core/error.h"
#include "core/json.h"

enum signal_kind { SIGNAL_SIGNAL, SIGNAL_TRACK, SIGNAL_SUBSCRIPTION, SIGNAL_REFRESH, SIGNAL_PING };

enum {
	SIGNAL_SDP_MAX = 262144,
	SIGNAL_CANDIDATE_MAX = 4096,
	PEER_ID_MAX = 128,
	SIGNAL_PICTURE_MAX = 16384, /* pixels, either way */
	SIGNAL_PRIORITY_MAX = 100,
	SIGNAL_TOKEN_MAX = 8192
};

struct signal {
	enum signal_kind kind;
	json_t *body;	  /* owned; NULL if it was no JSON object */
	const json_t *id; /* NULL if there is none */
	const char *signal_type, *target_peer_id, *room_id; /* the last two NULL if not said */
	const char *token;				    /* of a refresh */
};

/* signal_fini() is due in any case; body and id are set as far as they were understood.
 *   -EINVAL "bad_json", "missing_field", "bad_field", "unknown_type" */
int signal_parse(const char *text, size_t length, struct signal *ret_signal,
		 struct error *reterr) MUST_CHECK;
/* The same for a body that is an object already (borrowed; a reference is kept). */
int signal_from_json(json_t *body, struct signal *ret_signal, struct error *reterr) MUST_CHECK;
void signal_fini(struct signal *signal);
#define AUTO_SIGNAL __attribute__((cleanup(signal_fini))) struct signal

#endif
