/* native.h - the head of a native binary frame (protocol section 3): bytes as they are instead of
 * base64 in JSON. Big-endian; after the head come meta_length bytes of JSON, then the payload.
 *
 *   u8 0xB7 | u8 version 1 | u8 kind 1 | u8 flags | u32 meta_length | u64 number
 *
 * Thread: any.
 */
#ifndef REALTIME_WIRE_NATIVE_H
#define REALTIME_WIRE_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cursor.h"
#include "core/error.h"

enum { NATIVE_HEADER_BYTES = 16, NATIVE_META_MAX = 16384 };

struct native_header {
	bool is_persistent, is_replayed;
	uint32_t meta_length; /* bytes */
	uint64_t number; /* to a client: the offset; from one: its id of the request, 0 for none */
};

void native_header_encode(const struct native_header *header, uint8_t out[NATIVE_HEADER_BYTES]);

/* A whole message, cut into its parts (borrowed).
 *   -EINVAL "bad_frame" */
int native_frame_decode(const void *bytes, size_t length, struct native_header *ret_header,
			struct slice *ret_meta, struct slice *ret_payload,
			struct error *reterr) MUST_CHECK;

#endif
