/* reply.h - what the server says over WebSocket besides the messages of channels: welcome, ack,
 * error and so on (protocol sections 3 and 5). Bodies are jansson objects; `reply_frame_take()`
 * turns one into a frame. Thread: any. */
#ifndef REALTIME_WIRE_REPLY_H
#define REALTIME_WIRE_REPLY_H

#include <jansson.h>
#include <stdint.h>

#include "core/error.h"
#include "realtime/wire/publication.h"

/* A new object {type, id?}; `id` is borrowed and may be NULL. */
json_t *reply_new(const char *type, const json_t *id);
/* {type: "error", id?, code, detail, field?} */
json_t *reply_new_error(const json_t *id, const struct error *error);
/* A message outside of all channels: {type: "message", data, message_id, ts, sender?}. `data` is
 * borrowed, `sender` may be NULL. */
json_t *reply_new_message(const json_t *data, const char *message_id, int64_t now_unix_ms,
			  const char *sender);
/* The same for bytes: {type: "binary", binary_data | url and sha256, content_type, filename?, size,
 * message_id, ts}. `binary` (core/bus_messages.h, PUBLISH) is borrowed and was checked by
 * binary_fields_get(). */
json_t *reply_new_binary(const json_t *binary, const char *message_id, int64_t now_unix_ms);
/* {type: "ack", id?, channel, offset, epoch, message_id}: written by hand, since it follows every
 * message. `id` may be NULL. One reference, the caller's; NULL without memory. */
struct frame *reply_frame_new_ack(const json_t *id, const struct publication *publication);
/* One reference, the caller's; NULL without memory. `body` is taken and may be NULL. */
struct frame *reply_frame_take(json_t *body);

#endif
