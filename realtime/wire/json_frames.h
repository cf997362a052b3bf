/* json_frames.h - one JSON object that is no channel's message, for connections of any form: each
 * form is encoded at most once, on first use, and shared. Thread: loop. */
#ifndef REALTIME_WIRE_JSON_FRAMES_H
#define REALTIME_WIRE_JSON_FRAMES_H

#include <jansson.h>

#include "realtime/wire/frame.h"

struct json_frames {
	char *text;	   /* owned; NULL without memory */
	const char *event; /* what SSE calls it; a constant */
	uint64_t cursor;   /* its id there; 0: none */
	struct frame *frames[FORM_COUNT];
};

/* `body` is taken and may be NULL. Whoever resumes an event stream from this one on goes on after
 * `cursor`; 0: from the one before. -ENOMEM: there is nothing to send. */
int json_frames_init_take(struct json_frames *frames, json_t *body, const char *event,
			  uint64_t cursor) MUST_CHECK;
void json_frames_fini(struct json_frames *frames);

/* Borrowed; NULL without memory. */
struct frame *json_frames_get(struct json_frames *frames, enum wire_form form);

#endif
