/* binary_fields.h - the object `binary` of a publish request from the API (core/bus_messages.h): a
 * type, perhaps a name, and either bytes in base64 or a file that is kept. Thread: any. */
#ifndef REALTIME_WIRE_BINARY_FIELDS_H
#define REALTIME_WIRE_BINARY_FIELDS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* Borrowed from the object. */
struct binary_fields {
	const char *content_type, *filename; /* filename NULL: none */
	const char *base64;		     /* NULL: it is a file */
	size_t base64_length;
	const char *file_id, *sha256; /* NULL: it is no file */
	int64_t size_bytes;	      /* of the file */
};

/* -EINVAL "missing_field", "bad_field" */
int binary_fields_get(const json_t *binary, struct binary_fields *ret,
		      struct error *reterr) MUST_CHECK;

#endif
