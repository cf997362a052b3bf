/* compression.h - permessage-deflate (RFC 7692), agreed on by libwebsockets and done by us.
 *
 * Its own extension keeps a deflater and an inflater of 300 KiB for each connection, deflates each
 * message once per subscriber, and inflates without bound. This one only says yes in the handshake
 * and lets the bytes pass: wire/deflate.h does the rest, once per message. Thread: loop.
 */
#ifndef REALTIME_EDGE_COMPRESSION_H
#define REALTIME_EDGE_COMPRESSION_H

#include <libwebsockets.h>
#include <stdbool.h>

/* For lws_context_creation_info.extensions. Marks the connection (opaque user data) once agreed. */
extern const struct lws_extension compression_extensions[];

/* From LWS_CALLBACK_CONFIRM_EXTENSION_OKAY. */
bool compression_is_acceptable(struct lws *wsi);

/* Of the frame at hand: is its message deflated? To be asked at a message's first piece. */
bool compression_is_used(struct lws *wsi);

#endif
