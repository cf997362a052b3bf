/* bus.h - frames on the bus between the processes.
 *
 *   u32 length of the rest | u8 version | u8 kind | u16 message | u32 request_id | u32 json_bytes |
 *   JSON object | payload (optional, binary)                              all big-endian
 *
 * A request is answered by one response or one error with its request_id; an event by nothing. An
 * error's body is {number, code, field, detail}, a struct error on its way. Thread: any.
 */
#ifndef CORE_BUS_H
#define CORE_BUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/bus_messages.h"
#include "core/cleanup.h"
#include "core/cursor.h"
#include "core/error.h"

enum {
	BUS_HEADER_BYTES = 16,
	BUS_FRAME_MAX = 16 << 20, /* a longer one is a broken peer: the connection is closed */
	BUS_QUEUE_MAX = 64 << 20  /* bytes a side may owe the other before it is dropped */
};

enum bus_kind { BUS_REQUEST = 1, BUS_RESPONSE = 2, BUS_ERROR = 3, BUS_EVENT = 4 };

struct bus_frame {
	enum bus_kind kind;
	enum bus_message message;
	uint32_t request_id; /* 0 for events */
	json_t *body;	     /* owned; an object */
	uint8_t *payload;    /* owned; NULL if there is none */
	size_t payload_bytes;
};

/* "publish" and so on; "unknown" for a number that is not in the list. */
const char *bus_message_name(enum bus_message message);

/* Add `request`, the X-Request-Id for which this thread works, if it does for one; for requests and
 * events alone. */
void bus_name_request(enum bus_kind kind, json_t *body);
/* The other end: from here on this thread works for the request that the body names, if it does,
 * and the body names it no more. */
void bus_take_request(json_t *body);

/* Encode into one malloc()ed block. `body` is borrowed. -EMSGSIZE, -ENOMEM. */
int bus_frame_encode(enum bus_kind kind, enum bus_message message, uint32_t request_id,
		     const json_t *body, const void *payload, size_t payload_bytes,
		     uint8_t **ret_bytes, size_t *ret_length) MUST_CHECK;
void bus_frame_fini(struct bus_frame *frame);

/* Bytes in, frames out. */
struct bus_decoder {
	uint8_t *bytes;
	size_t length, capacity, taken;
};
void bus_decoder_fini(struct bus_decoder *decoder);
/* Take over what a read() gave. -ENOMEM. */
int bus_decoder_feed(struct bus_decoder *decoder, const void *bytes, size_t length) MUST_CHECK;
/* 1: *ret_frame is filled and yours to bus_frame_fini(); 0: not enough bytes yet.
 *   -EBADMSG wrong version, kind, length, or a body that is not an object: close the connection */
int bus_decoder_next(struct bus_decoder *decoder, struct bus_frame *ret_frame) MUST_CHECK;

/* A struct error as the body of BUS_ERROR, and back. */
json_t *bus_error_to_json(const struct error *error);
int bus_error_from_json(const json_t *body, struct error *reterr);

#endif
