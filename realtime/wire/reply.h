/* reply.h - what the server says over WebSocket besides the messages of channels: welcome, ack,
 * error and so on (protocol sections 3 and 5). Bodies are jansson objects; `reply_frame_take()`
 * turns one into a frame. Thread: any. */
#ifndef REALTIME_WIRE_REPLY_H
#define REALTIME_WIRE_REPLY_H

#include <jansson.h>

#include "core/error.h"
#include "realtime/wire/frame.h"

/* A new object {type, id?}; `id` is borrowed and may be NULL. */
json_t *reply_new(const char *type, const json_t *id);
/* {type: "error", id?, code, detail, field?} */
json_t *reply_new_error(const json_t *id, const struct error *error);
/* One reference, the caller's; NULL without memory. `body` is taken and may be NULL. */
struct frame *reply_frame_take(json_t *body);

#endif
