/* frame.h - bytes ready for a socket, shared by everybody who is sent the same.
 *
 * Made once, never changed, counted: a frame is queued by pointer to any number of connections. A
 * WebSocket frame carries its header (RFC 6455 section 5.2; a server does not mask), an event
 * stream's is text. Thread: loop.
 */
#ifndef REALTIME_WIRE_FRAME_H
#define REALTIME_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"

/* How a connection wants its messages. */
enum wire_form { FORM_WEBSOCKET, FORM_SSE, FORM_COUNT };

struct frame {
	unsigned refs;
	size_t length;
	uint8_t bytes[];
};

/* One reference, the caller's; NULL without memory. */
struct frame *frame_new_text(const char *text, size_t length); /* a WebSocket text message */
struct frame *
frame_new_ping(void); /* with a payload: libwebsockets hides the echo of an empty one */
struct frame *frame_new_close(unsigned close_code, const char *reason); /* reason up to 123 bytes */
struct frame *frame_new_bytes(const void *bytes, size_t length);	/* as they are */

struct frame *frame_ref(struct frame *frame);
struct frame *frame_unref(struct frame *frame);
DEFINE_AUTO(frame, frame_unref);

#endif
