/* error.h - a failure as a person and a program both need it.
 *
 * Functions return 0 or more for success and a negative errno for failure. Where somebody outside
 * will see the outcome, a last `struct error *reterr` (which may be NULL) also carries a stable
 * snake_case code, the name of the offending field, and a sentence. The same three appear in the
 * log, in the REST body (RFC 9457) and in a WebSocket `error` message.
 * Thread: any (no shared state).
 */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include "core/cleanup.h"

struct error {
	int number;	   /* negative errno; 0 while unset */
	char code[48];	   /* stable slug, such as "room_full" */
	char field[64];	   /* the field at fault, such as "max_participants"; "" if none */
	char message[256]; /* one sentence for a person; never a secret */
};

/* Fill `error` (if not NULL) and return `number`, so that a caller can write
 *   return error_set(reterr, -EUSERS, "room_full", "%s holds %u peers", name, count);
 * A message that is too long is cut at a UTF-8 boundary. */
int error_set(struct error *error, int number, const char *code, const char *format, ...)
	PRINTF_LIKE(4, 5);

/* The same, naming the field of the request that is at fault. */
int error_set_field(struct error *error, int number, const char *code, const char *field,
		    const char *format, ...) PRINTF_LIKE(5, 6);

#endif
