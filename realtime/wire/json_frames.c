#include "realtime/wire/json_frames.h"

#include <errno.h>
#include <string.h>

#include "realtime/wire/sse.h"

int json_frames_init_take(struct json_frames *frames, json_t *body, const char *event,
			  uint64_t cursor)
{
	*frames = (struct json_frames){.event = event, .cursor = cursor};
	frames->text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	return frames->text ? 0 : -ENOMEM;
}

void json_frames_fini(struct json_frames *frames)
{
	for (size_t i = 0; i < FORM_COUNT; i++)
		(void)frame_unref(frames->frames[i]);
	free(frames->text);
	*frames = (struct json_frames){0};
}

struct frame *json_frames_get(struct json_frames *frames, enum wire_form form)
{
	if (form == FORM_NATIVE)
		form = FORM_WEBSOCKET; /* JSON is text in either */
	if (form == FORM_NATIVE_DEFLATED)
		form = FORM_WEBSOCKET_DEFLATED;
	if (frames->frames[form])
		return frames->frames[form];
	if (form == FORM_SSE)
		frames->frames[form] =
			sse_frame_new_event(frames->event, frames->text, frames->cursor);
	else if (form == FORM_WEBSOCKET_DEFLATED)
		frames->frames[form] = frame_new_text_deflated(frames->text, strlen(frames->text));
	else
		frames->frames[form] = frame_new_text(frames->text, strlen(frames->text));
	return frames->frames[form];
}
