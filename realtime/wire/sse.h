/* sse.h - pieces of an event stream (WHATWG HTML section 9.2), besides the messages themselves.
 * Thread: any. */
#ifndef REALTIME_WIRE_SSE_H
#define REALTIME_WIRE_SSE_H

#include <stdint.h>

#include "realtime/wire/frame.h"

enum { SSE_CURSOR_SIZE = 17 };

/* What `id:` carries: how far a reader has come, over all its channels (publication.h). */
void sse_cursor_format(uint64_t position, char out[SSE_CURSOR_SIZE]);
/* -EINVAL if it is not 16 hex digits. */
int sse_cursor_parse(const char *text, uint64_t *ret_position) MUST_CHECK;

/* Each one reference, the caller's; NULL without memory. */
struct frame *sse_frame_new_start(int64_t retry_ms);
/* Tells a reader that has seen nothing yet where it stands. */
struct frame *sse_frame_new_cursor(uint64_t position);
struct frame *sse_frame_new_comment(void);
/* The last event of a reader that must not come back. An EventSource comes back all the same, but
 * shows this id, SSE_FAREWELL, and the answer 204 ends it (HTML section 9.2). */
#define SSE_FAREWELL "farewell"
struct frame *sse_frame_new_farewell(const char *event, const char *json);
/* Whoever resumes from it goes on after `position`; 0: it has no id, so from the one before. */
struct frame *sse_frame_new_event(const char *event, const char *json, uint64_t position);

#endif
