/* turn.h - credentials for a TURN server that knows the same secret, as coturn's use-auth-secret
 * has it: the username is the time of its end and a name, the password its HMAC-SHA1
 * (draft-uberti-behave-turn-rest). Nobody has to be told to the TURN server beforehand. Thread:
 * any. */
#ifndef CORE_TURN_H
#define CORE_TURN_H

#include <jansson.h>
#include <stdint.h>

/* The RTCIceServer (W3C WebRTC 1.0) of these URLs (comma separated: turn:…, turns:…), for `name`,
 * valid for `lasts_s`. Without secret, the URLs alone. NULL without memory. */
json_t *turn_server_new(const char *urls, const char *secret, const char *name, int64_t now_unix_s,
			int64_t lasts_s);

#endif
