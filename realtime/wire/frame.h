/* frame.h - bytes ready for a socket, shared by everybody who is sent the same.
 *
 * Made once, never changed, counted: a frame is queued by pointer to any number of connections. A
 * WebSocket frame carries its header (RFC 6455 section 5.2; a server does not mask), an event
 * stream's is text. Thread: loop.
 */
#ifndef REALTIME_WIRE_FRAME_H
#define REALTIME_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/cursor.h"

/* How a connection wants its messages. What a form has no words of its own for is taken from the
 * next simpler one: bytes alone are native, and only what shrinks is deflated. */
enum wire_form {
	FORM_WEBSOCKET,		 /* JSON, bytes as base64 */
	FORM_WEBSOCKET_DEFLATED, /* the same by permessage-deflate (RFC 7692) */
	FORM_NATIVE,		 /* JSON, bytes as native binary frames (protocol section 3) */
	FORM_NATIVE_DEFLATED,
	FORM_SSE,
	FORM_COUNT
};

enum wire_form wire_form_of_websocket(bool is_native, bool is_deflated);

struct frame {
	unsigned refs;
	size_t length;
	uint8_t bytes[];
};

/* One reference, the caller's; NULL without memory. */
struct frame *frame_new_text(const char *text, size_t length); /* a WebSocket text message */
/* The same, deflated; not deflated where that gains nothing. */
struct frame *frame_new_text_deflated(const char *text, size_t length);
/* A WebSocket binary message of these parts. */
struct frame *frame_new_binary(const struct slice *parts, size_t count);
struct frame *
frame_new_ping(void); /* with a payload: libwebsockets hides the echo of an empty one */
struct frame *frame_new_close(unsigned close_code, const char *reason); /* reason up to 123 bytes */
struct frame *frame_new_bytes(const void *bytes, size_t length);	/* as they are */

struct frame *frame_ref(struct frame *frame);
struct frame *frame_unref(struct frame *frame);
DEFINE_AUTO(frame, frame_unref);

#endif
